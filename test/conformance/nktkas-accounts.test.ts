import type * as ev from "@nktkas/hyperliquid/api/subscription";
import { formatPrice, SymbolConverter } from "@nktkas/hyperliquid/utils";
import { Wallet } from "ethers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Sdk } from "./sdk.js";
import { user, Venue, wallet } from "./venue.js";

let venue: Venue;
let sdk: Sdk;
const px = (percent: number): string => venue.px(percent);
const limit: Venue["limit"] = (...args) => venue.limit(...args);

beforeAll(async () => {
  venue = await Venue.open();
  sdk = venue.sdk;
});

afterAll(async () => {
  await venue?.close();
});

describe("take profit, stop loss, TWAP", () => {
  const trigger = (percent: number, tpsl: "tp" | "sl", r = true) => ({
    a: 0,
    b: false,
    p: px(percent),
    s: "0.001",
    r,
    t: { trigger: { isMarket: true, triggerPx: px(percent), tpsl } },
  });

  test("an order with its own take profit and stop loss", async () => {
    const exchange = sdk.exchange(wallet);
    await exchange.order({
      orders: [limit(-5), trigger(10, "tp"), trigger(-10, "sl")],
      grouping: "normalTpsl",
    });
    const open = await sdk.info.frontendOpenOrders({ user });
    expect(open.length).toBeGreaterThanOrEqual(1);
    await exchange.cancel({ cancels: open.map((o) => ({ a: 0, o: o.oid })) }).catch(() => {});
    expect(await sdk.info.openOrders({ user })).toEqual([]);
  });

  test("take profit and stop loss of a position", async () => {
    const exchange = sdk.exchange(wallet);
    await exchange.order({ orders: [limit(1, "Ioc")], grouping: "na" });
    await exchange.order({ orders: [trigger(10, "tp"), trigger(-10, "sl")], grouping: "positionTpsl" });
    const open = await sdk.info.frontendOpenOrders({ user });
    expect(open.filter((o) => o.isTrigger && o.isPositionTpsl)).toHaveLength(2);
    await exchange.order({
      orders: [{ a: 0, b: false, p: px(-5), s: "0.001", r: true, t: { limit: { tif: "Ioc" } } }],
      grouping: "na",
    });
    const left = await sdk.info.openOrders({ user });
    if (left.length > 0) await exchange.cancel({ cancels: left.map((o) => ({ a: 0, o: o.oid })) });
  });

  test("a TWAP is started and stopped", async () => {
    const exchange = sdk.exchange(wallet);
    const { response } = await exchange.twapOrder({
      twap: { a: 0, b: true, s: "0.1", r: false, m: 5, t: false },
    });
    const { twapId } = (response.data.status as { running: { twapId: number } }).running;
    await exchange.twapCancel({ a: 0, t: twapId });
    await sdk.info.twapHistory({ user });
  });
});

describe("transfers, agents, sub-accounts", () => {
  const other = new Wallet(`0x${"44".repeat(32)}`);

  test("an approved agent trades for its master", async () => {
    const agent = new Wallet(`0x${"55".repeat(32)}`);
    await sdk.exchange(wallet).approveAgent({ agentAddress: agent.address, agentName: "quoter" });
    const exchange = sdk.exchange(agent);
    const { response } = await exchange.order({ orders: [limit(-5, "Alo")], grouping: "na" });
    const { oid } = (response.data.statuses[0] as { resting: { oid: number } }).resting;
    expect((await sdk.info.openOrders({ user })).map((o) => o.oid)).toEqual([oid]);
    await exchange.cancel({ cancels: [{ a: 0, o: oid }] });
    expect((await sdk.info.extraAgents({ user })).map((a) => a.name)).toContain("quoter");
    expect(await sdk.info.userRole({ user: agent.address })).toMatchObject({ role: "agent" });
  });

  test("money moves: to another user, between spot and perps, out", async () => {
    const exchange = sdk.exchange(wallet);
    await exchange.usdSend({ destination: other.address, amount: "100" });
    const state = await sdk.info.clearinghouseState({ user: other.address });
    expect(Number(state.marginSummary.accountValue)).toBeGreaterThan(90);
    await exchange.usdClassTransfer({ amount: "50", toPerp: false });
    await exchange.usdClassTransfer({ amount: "50", toPerp: true });
    await exchange.withdraw3({ destination: user, amount: "10" });
  });

  test("a sub-account trades by vaultAddress", async () => {
    const exchange = sdk.exchange(wallet);
    const created = await exchange.createSubAccount({ name: "second book" });
    const subAccountUser = created.response.data;
    await exchange.subAccountTransfer({ subAccountUser, isDeposit: true, usd: 1_000_000_000 });
    const sub = sdk.exchange(wallet, { vault: subAccountUser });
    await sub.order({ orders: [limit(-5, "Alo")], grouping: "na" });
    expect(await sdk.info.openOrders({ user: subAccountUser })).toHaveLength(1);
    expect(await sdk.info.openOrders({ user })).toEqual([]);
    expect((await sdk.info.subAccounts({ user }))?.map((s) => s.name)).toEqual(["second book"]);
  });
});

describe("leverage and margin", () => {
  test("cross and isolated, margin in and out", async () => {
    const exchange = sdk.exchange(wallet);
    await exchange.updateLeverage({ asset: 1, isCross: false, leverage: 3 });
    const ask = Number((await sdk.info.l2Book({ coin: "ETH" }))!.levels[1][0]!.px);
    const eth = { a: 1, b: true, p: formatPrice(ask * 1.01, 4), s: "0.01", r: false };
    await exchange.order({ orders: [{ ...eth, t: { limit: { tif: "Ioc" } } }], grouping: "na" });
    await exchange.updateIsolatedMargin({ asset: 1, isBuy: true, ntli: 10_000_000 });
    const state = await sdk.info.clearinghouseState({ user });
    expect(state.assetPositions.find((p) => p.position.coin === "ETH")?.position.leverage).toMatchObject({
      type: "isolated",
      value: 3,
    });
    await exchange.order({
      orders: [{ ...eth, b: false, p: formatPrice(ask * 0.98, 4), r: true, t: { limit: { tif: "Ioc" } } }],
      grouping: "na",
    });
    await exchange.updateLeverage({ asset: 1, isCross: true, leverage: 10 });
  });
});

describe("other dexs and spot", () => {
  const coin = "hyna:BTC";

  test("a HIP-3 perp: listed, quoted, ordered and cancelled by its own asset id", async () => {
    const { info } = sdk;
    const dexs = await info.perpDexs();
    expect(dexs.map((d) => d?.name)).toContain("hyna");
    const { universe } = await info.meta({ dex: "hyna" });
    expect(universe.map((a) => a.name)).toContain(coin);
    const converter = await SymbolConverter.create({ transport: sdk.http, dexs: true });
    const a = converter.getAssetId(coin)!;
    expect(a).toBeGreaterThanOrEqual(110_000);
    const bid = Number((await info.l2Book({ coin }))!.levels[0][0]!.px);
    const exchange = sdk.exchange(wallet);
    await exchange.updateLeverage({ asset: a, isCross: true, leverage: 5 });
    const p = formatPrice(bid * 0.95, 5);
    const { response } = await exchange.order({
      orders: [{ a, b: true, p, s: "0.001", r: false, t: { limit: { tif: "Alo" } } }],
      grouping: "na",
    });
    const { oid } = (response.data.statuses[0] as { resting: { oid: number } }).resting;
    expect((await info.openOrders({ user, dex: "hyna" })).map((o) => o.oid)).toEqual([oid]);
    expect(await info.openOrders({ user })).toEqual([]);
    await exchange.cancel({ cancels: [{ a, o: oid }] });
    await info.clearinghouseState({ user, dex: "hyna" });
    await info.metaAndAssetCtxs({ dex: "hyna" });
    await info.activeAssetData({ user, coin });
    await info.perpDexStatus({ dex: "hyna" });
    await info.perpDexLimits({ dex: "hyna" });
    await info.perpsAtOpenInterestCap({ dex: "hyna" });
  });

  test("a spot pair: bought, shown in the wallet, sent", async () => {
    const { info } = sdk;
    const ask = Number((await info.l2Book({ coin: "PURR/USDC" }))!.levels[1][0]!.px);
    const exchange = sdk.exchange(wallet);
    const { response } = await exchange.order({
      orders: [
        {
          a: 10_000,
          b: true,
          p: formatPrice(ask * 1.02, 0, "spot"),
          s: "100",
          r: false,
          t: { limit: { tif: "Ioc" } },
        },
      ],
      grouping: "na",
    });
    expect(response.data.statuses[0]).toMatchObject({ filled: { totalSz: "100.0" } });
    const wallet0 = await info.spotClearinghouseState({ user });
    const purr = wallet0.balances.find((b) => b.coin === "PURR")!;
    expect(Number(purr.total)).toBeGreaterThan(99);
    const token = (await info.spotMeta()).tokens.find((t) => t.name === "PURR")!;
    const destination = new Wallet(`0x${"48".repeat(32)}`).address;
    await exchange.spotSend({ destination, token: `PURR:${token.tokenId}`, amount: "5" });
    expect((await info.spotClearinghouseState({ user: destination })).balances).toMatchObject([
      { coin: "PURR" },
    ]);
    await exchange.sendAsset({
      destination: user,
      sourceDex: "",
      destinationDex: "spot",
      token: "USDC",
      amount: "7",
      fromSubAccount: "",
    });
  });

  test("their channels", async () => {
    const { subs } = sdk;
    await venue.event<ev.AllMidsEvent>((on) => subs.allMids({ dex: "hyna" }, on));
    await venue.event<ev.L2BookEvent>((on) => subs.l2Book({ coin }, on));
    await venue.event<ev.ActiveAssetCtxEvent>((on) => subs.activeAssetCtx({ coin }, on));
    await venue.event<ev.ActiveSpotAssetCtxEvent>((on) => subs.activeSpotAssetCtx({ coin: "@107" }, on));
    await venue.event<ev.SpotStateEvent>((on) => subs.spotState({ user }, on));
    await venue.event<ev.AllDexsClearinghouseStateEvent>((on) =>
      subs.allDexsClearinghouseState({ user }, on),
    );
    await venue.event<ev.AllDexsAssetCtxsEvent>((on) => subs.allDexsAssetCtxs(on));
    await venue.event<ev.SpotAssetCtxsEvent>((on) => subs.spotAssetCtxs(on));
    await venue.event<ev.AssetCtxsEvent>((on) => subs.assetCtxs(on));
    await venue.event<ev.TwapStatesEvent>((on) => subs.twapStates({ user }, on));
    await venue.event<ev.WebData3Event>((on) => subs.webData3({ user }, on));
    expect(sdk.broken).toEqual([]);
  });
});
