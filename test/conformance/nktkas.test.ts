import { ApiRequestError } from "@nktkas/hyperliquid";
import type * as ev from "@nktkas/hyperliquid/api/subscription";
import { formatSize, SymbolConverter } from "@nktkas/hyperliquid/utils";
import { Wallet } from "ethers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hold, NonConformance, type Sdk } from "./sdk.js";
import { cloid, user, Venue, wallet } from "./venue.js";

let venue: Venue;
let sdk: Sdk;
const px = (percent: number): string => venue.px(percent);
const limit: Venue["limit"] = (...args) => venue.limit(...args);
const event: Venue["event"] = (...args) => venue.event(...args);

beforeAll(async () => {
  venue = await Venue.open();
  sdk = venue.sdk;
});

afterAll(async () => {
  await venue?.close();
});

describe("the judge", () => {
  const schema = { "~standard": { validate: (v: unknown) => ({ value: { a: (v as { a: number }).a } }) } };
  test("reports a key the SDK does not know, and lets a listed one pass", () => {
    expect(() => hold("x", schema, { a: 1 })).not.toThrow();
    expect(() => hold("x", schema, { a: 1, b: 2 })).toThrow(NonConformance);
    expect(() => hold("x", schema, { a: 1, b: 2 }, (finding) => finding.startsWith("x.b "))).not.toThrow();
  });

  test("reports what the SDK's schema refuses", async () => {
    const { L2BookResponse } = await import("@nktkas/hyperliquid/api/info");
    const book = { coin: "BTC", time: 1, levels: [[], []] };
    expect(() => hold("l2Book", L2BookResponse, book)).not.toThrow();
    expect(() => hold("l2Book", L2BookResponse, { ...book, time: "1" })).toThrow(/time is a string/);
    expect(() => hold("l2Book", L2BookResponse, { ...book, time: "now" })).toThrow(/l2Book.time: /);
    expect(() => hold("l2Book", L2BookResponse, { coin: "BTC", time: 1 })).toThrow(/l2Book.levels: /);
  });
});

describe("the SDK's quick example", () => {
  test("reads data", async () => {
    expect(Object.keys(await sdk.info.allMids())).toEqual(expect.arrayContaining(["BTC", "ETH"]));
    expect(await sdk.info.openOrders({ user })).toEqual([]);
    expect((await sdk.info.l2Book({ coin: "BTC" }))!.levels[0].length).toBeGreaterThan(5);
  });

  test("trades: places an order, updates the leverage", async () => {
    const exchange = sdk.exchange(wallet);
    const result = await exchange.order({ orders: [limit(-5)], grouping: "na" });
    const status = result.response.data.statuses[0];
    expect(status).toEqual({ resting: { oid: expect.any(Number) } });
    await exchange.updateLeverage({ asset: 0, isCross: true, leverage: 5 });
    const oid = (status as { resting: { oid: number } }).resting.oid;
    await exchange.cancel({ cancels: [{ a: 0, o: oid }] });
  });

  test("listens: mids, open orders, a book", async () => {
    const mids = await event<ev.AllMidsEvent>((on) => sdk.subs.allMids(on));
    expect(Number(mids.mids["BTC"])).toBeGreaterThan(0);
    const orders = await event<ev.OpenOrdersEvent>((on) => sdk.subs.openOrders({ user }, on));
    expect(orders.orders).toEqual([]);
    expect((await event<ev.L2BookEvent>((on) => sdk.subs.l2Book({ coin: "ETH" }, on))).coin).toBe("ETH");
  });

  test("converts symbols and formats prices from our meta", async () => {
    const converter = await SymbolConverter.create({ transport: sdk.http });
    expect(converter.getAssetId("ETH")).toBe(1);
    expect(converter.getSzDecimals("BTC")).toBe(5);
    expect(formatSize("0.0012345", 5)).toBe("0.00123");
  });
});

describe("info", () => {
  test("spot and other dexs", async () => {
    const { info } = sdk;
    await info.perpDexs();
    await info.allPerpMetas();
    await info.spotMeta();
    await info.spotMetaAndAssetCtxs();
    await info.spotClearinghouseState({ user });
  });

  test("the same over WebSocket post", async () => {
    expect(Object.keys(await sdk.wsInfo.allMids())).toContain("BTC");
    await sdk.wsInfo.meta();
    await sdk.wsInfo.clearinghouseState({ user });
    expect((await sdk.wsInfo.l2Book({ coin: "BTC" }))!.coin).toBe("BTC");
  });

  test("market data", async () => {
    const { info } = sdk;
    await info.meta();
    await info.metaAndAssetCtxs();
    await info.l2Book({ coin: "BTC", nSigFigs: 3 });
    await info.l2Book({ coin: "BTC", nSigFigs: 5, mantissa: 2 });
    await info.recentTrades({ coin: "BTC" });
    await info.candleSnapshot({ coin: "BTC", interval: "1m", startTime: Date.now() - 600_000 });
    await info.fundingHistory({ coin: "BTC", startTime: Date.now() - 86_400_000 });
    await info.predictedFundings();
    await info.exchangeStatus();
    await info.marginTable({ id: (await info.meta()).marginTables[0]![0] });
    await info.perpsAtOpenInterestCap();
    await info.maxMarketOrderNtls();
  });

  test("an account's own data", async () => {
    const { info } = sdk;
    await info.clearinghouseState({ user });
    await info.activeAssetData({ user, coin: "BTC" });
    await info.frontendOpenOrders({ user });
    await info.historicalOrders({ user });
    await info.userFills({ user });
    await info.userFillsByTime({ user, startTime: Date.now() - 60_000 });
    await info.userFunding({ user, startTime: Date.now() - 60_000 });
    await info.userNonFundingLedgerUpdates({ user, startTime: 0 });
    await info.userFees({ user });
    await info.userRateLimit({ user });
    await info.userRole({ user });
    await info.extraAgents({ user });
    await info.subAccounts({ user });
    await info.portfolio({ user });
    await info.referral({ user });
    await info.maxBuilderFee({ user, builder: user });
    await info.twapHistory({ user });
    await info.userTwapSliceFills({ user });
    await info.userVaultEquities({ user });
    await info.delegations({ user });
    await info.delegatorSummary({ user });
    await info.userDexAbstraction({ user });
  });
});

describe("orders", () => {
  test("limit, post-only, immediate or cancel, market, each as it should end", async () => {
    const exchange = sdk.exchange(wallet);
    const { response } = await exchange.order({
      orders: [limit(-5, "Gtc"), limit(-6, "Alo"), limit(1, "Ioc")],
      grouping: "na",
    });
    expect(response.data.statuses).toEqual([
      { resting: { oid: expect.any(Number) } },
      { resting: { oid: expect.any(Number) } },
      { filled: { totalSz: "0.001", avgPx: expect.any(String), oid: expect.any(Number) } },
    ]);
    await exchange.order({
      orders: [{ a: 0, b: false, p: px(-5), s: "0.001", r: true, t: { limit: { tif: "FrontendMarket" } } }],
      grouping: "na",
    });
    const open = await sdk.info.openOrders({ user });
    await exchange.cancel({ cancels: open.map((o) => ({ a: 0, o: o.oid })) });
    expect(await sdk.info.openOrders({ user })).toEqual([]);
    const fills = await sdk.info.userFills({ user });
    expect(fills.length).toBeGreaterThanOrEqual(2);
    const status = await sdk.info.orderStatus({ user, oid: fills[0]!.oid });
    expect(status).toMatchObject({ status: "order", order: { status: "filled" } });
  });

  test("client order ids: placed, looked up, modified, cancelled by them", async () => {
    const exchange = sdk.exchange(wallet);
    await exchange.order({ orders: [limit(-5, "Alo", "0.001", cloid(1))], grouping: "na" });
    expect(await sdk.info.orderStatus({ user, oid: cloid(1) })).toMatchObject({
      status: "order",
      order: { status: "open", order: { cloid: cloid(1) } },
    });
    await exchange.modify({ oid: cloid(1), order: limit(-6, "Alo", "0.002", cloid(2)) });
    const modified = await exchange.batchModify({
      modifies: [{ oid: cloid(2), order: limit(-7, "Alo", "0.003", cloid(3)) }],
    });
    expect(modified.response.data.statuses).toEqual([
      { resting: { oid: expect.any(Number), cloid: cloid(3) } },
    ]);
    const cancelled = await exchange.cancelByCloid({ cancels: [{ asset: 0, cloid: cloid(3) }] });
    expect(cancelled.response.data.statuses).toEqual(["success"]);
    expect(await sdk.info.openOrders({ user })).toEqual([]);
  });

  test("refusals arrive as the SDK's errors, with the venue's words", async () => {
    const exchange = sdk.exchange(wallet);
    await expect(exchange.cancel({ cancels: [{ a: 0, o: 1 }] })).rejects.toThrow(ApiRequestError);
    await expect(exchange.cancel({ cancels: [{ a: 0, o: 1 }] })).rejects.toThrow(/never placed/);
    await expect(
      exchange.order({ orders: [{ ...limit(1), b: true, t: { limit: { tif: "Alo" } } }], grouping: "na" }),
    ).rejects.toThrow(/Post only order would have immediately matched/);
    const stranger = sdk.exchange(new Wallet(`0x${"77".repeat(32)}`));
    await expect(stranger.order({ orders: [limit(-5)], grouping: "na" })).rejects.toThrow(/does not exist/);
  });

  test("a dead man's switch is armed and lifted", async () => {
    const exchange = sdk.exchange(wallet);
    await exchange.scheduleCancel({ time: Date.now() + 60_000 });
    await exchange.scheduleCancel();
  });

  test("the same over WebSocket post", async () => {
    const exchange = sdk.wsExchange(wallet);
    const { response } = await exchange.order({ orders: [limit(-5, "Alo")], grouping: "na" });
    const { oid } = (response.data.statuses[0] as { resting: { oid: number } }).resting;
    await exchange.cancel({ cancels: [{ a: 0, o: oid }] });
    await expect(exchange.cancel({ cancels: [{ a: 0, o: oid }] })).rejects.toThrow(/never placed/);
  });

  test("a batch of orders and one of cancels", async () => {
    const exchange = sdk.exchange(wallet);
    const orders = Array.from({ length: 20 }, (_, i) => limit(-5 - i / 10, "Alo", "0.001", cloid(100 + i)));
    const { response } = await exchange.order({ orders, grouping: "na" });
    expect(response.data.statuses).toHaveLength(20);
    const cancels = orders.map((o) => ({ asset: 0, cloid: o.c! }));
    expect((await exchange.cancelByCloid({ cancels })).response.data.statuses).toHaveLength(20);
  });

  test("an expired action is refused", async () => {
    const exchange = sdk.exchange(wallet);
    await expect(
      exchange.order({ orders: [limit(-5)], grouping: "na" }, { expiresAfter: Date.now() - 10_000 }),
    ).rejects.toThrow(/expired/);
  });

  test("noop spends a nonce", async () => {
    await sdk.exchange(wallet).noop();
  });
});

describe("subscriptions", () => {
  test("public: trades, best prices, books, candles, contexts", async () => {
    const { subs } = sdk;
    expect((await event<ev.TradesEvent>((on) => subs.trades({ coin: "BTC" }, on)))[0]!.coin).toBe("BTC");
    expect((await event<ev.BboEvent>((on) => subs.bbo({ coin: "BTC" }, on))).bbo).toHaveLength(2);
    await event<ev.L2BookEvent>((on) => subs.l2Book({ coin: "BTC", nSigFigs: 4 }, on));
    await event<ev.ActiveAssetCtxEvent>((on) => subs.activeAssetCtx({ coin: "BTC" }, on));
    await event<ev.CandleEvent>((on) => subs.candle({ coin: "BTC", interval: "1m" }, on));
  });

  test("private: updates and fills of an order, account states", async () => {
    const { subs } = sdk;
    const exchange = sdk.exchange(wallet);
    const buy = (): Promise<unknown> => exchange.order({ orders: [limit(1, "Ioc")], grouping: "na" });
    await event<ev.OrderUpdatesEvent>(
      (on) => subs.orderUpdates({ user }, on),
      (u) => u.length > 0,
      buy,
    );
    await event<ev.UserFillsEvent>(
      (on) => subs.userFills({ user }, on),
      (f) => f.isSnapshot !== true,
      buy,
    );
    await event<ev.UserEventsEvent>(
      (on) => subs.userEvents({ user }, on),
      (e) => "fills" in e,
      buy,
    );
    await event<ev.ClearinghouseStateEvent>((on) => subs.clearinghouseState({ user }, on));
    await event<ev.OpenOrdersEvent>((on) => subs.openOrders({ user }, on));
    await event<ev.ActiveAssetDataEvent>((on) => subs.activeAssetData({ user, coin: "BTC" }, on));
    await event<ev.UserFundingsEvent>((on) => subs.userFundings({ user }, on));
    await event<ev.UserNonFundingLedgerUpdatesEvent>((on) => subs.userNonFundingLedgerUpdates({ user }, on));
    await event<ev.WebData2Event>((on) => subs.webData2({ user }, on));
    await event<ev.UserHistoricalOrdersEvent>((on) => subs.userHistoricalOrders({ user }, on));
    await event<ev.UserTwapSliceFillsEvent>((on) => subs.userTwapSliceFills({ user }, on));
    await event<ev.UserTwapHistoryEvent>((on) => subs.userTwapHistory({ user }, on));
  });

  test("no event ever broke its schema", () => {
    expect(sdk.broken).toEqual([]);
  });
});
