import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ALICE, BOB, HIP3, openRig, type Rig, SPOT, tradeOnce } from "./surface-rig.js";

let rig: Rig;
beforeAll(async () => {
  rig = await openRig();
  await tradeOnce(rig);
  await tradeOnce(rig, 110_000);
  await tradeOnce(rig, 10_000, 0.2);
});
afterAll(() => rig.close());
const info = (body: Record<string, unknown>) => rig.a.info(body);

describe("statuses", () => {
  it.each([
    [422, { type: "noSuchType" }],
    [422, { type: "clearinghouseState" }],
    [422, { type: "clearinghouseState", user: "0x12" }],
    [422, { type: "clearinghouseState", user: ALICE, dex: 1 }],
    [422, { type: "l2Book" }],
    [422, { type: "candleSnapshot", req: { coin: "BTC", interval: "7m", startTime: 0 } }],
    [422, { type: "candleSnapshot", req: { coin: "BTC", interval: "1m" } }],
    [422, { type: "userFillsByTime", user: ALICE }],
    [422, { type: "orderStatus", user: ALICE, oid: "abc" }],
    [422, { type: "fundingHistory", coin: "BTC" }],
    [422, { type: "maxBuilderFee", user: ALICE }],
    [500, { type: "l2Book", coin: "BTC", nSigFigs: 5, mantissa: 1 }],
    [500, { type: "l2Book", coin: "BTC", mantissa: 2 }],
  ])("answers %i to %j", async (status, body) => {
    const answer = await rig.a.http("/info", body);
    expect(answer.status).toBe(status);
    if (status === 422) expect(answer.text).toBe("Failed to deserialize the JSON body into the target type");
  });

  it.each([
    { type: "l2Book", coin: "NOPE" },
    { type: "meta", dex: "nope" },
    { type: "perpDexLimits", dex: "" },
    { type: "marginTable", id: 9999 },
    { type: "subAccounts", user: BOB },
    { type: "vaultDetails", vaultAddress: BOB },
  ])("answers null to %j", async (body) => {
    expect(await info(body)).toBeNull();
  });

  it("answers over WebSocket posts one level deeper, and errors with their status", async () => {
    expect(await rig.a.post("info", { type: "exchangeStatus" })).toEqual({
      type: "info",
      payload: { type: "exchangeStatus", data: { time: expect.any(Number), specialStatuses: null } },
    });
    expect((await rig.a.post("info", { type: "nope" })).payload).toContain("422");
    expect((await rig.a.post("info", { type: "l2Book", coin: "BTC", mantissa: 5 })).payload).toContain("500");
  });
});

it("answers every type of the reference to an address that it never saw", async () => {
  const user = `0x${"ab".repeat(20)}`;
  const types = [
    ..."clearinghouseState spotClearinghouseState openOrders frontendOpenOrders historicalOrders userFills userFunding".split(
      " ",
    ),
    ..."userNonFundingLedgerUpdates userRateLimit userFees userRole extraAgents subAccounts userAbstraction".split(
      " ",
    ),
    ..."userDexAbstraction portfolio approvedBuilders isVip webData2 delegations delegatorSummary delegatorHistory".split(
      " ",
    ),
    ..."delegatorRewards userVaultEquities referral twapHistory userTwapSliceFills preTransferCheck legalCheck".split(
      " ",
    ),
    ..."meta metaAndAssetCtxs allPerpMetas perpDexs perpsAtOpenInterestCap maxMarketOrderNtls spotMeta allMids".split(
      " ",
    ),
    ..."spotMetaAndAssetCtxs exchangeStatus liquidatable predictedFundings perpDeployAuctionStatus vaultSummaries".split(
      " ",
    ),
    ..."validatorSummaries gossipPriorityAuctionStatus perpCategories perpConciseAnnotations outcomeMeta".split(
      " ",
    ),
  ];
  for (const type of types) {
    expect({ type, status: (await rig.a.http("/info", { type, user })).status }).toEqual({
      type,
      status: 200,
    });
  }
});

describe("what is listed", () => {
  it("shows dexs by name, their markets with prefix and mode, and mids of each", async () => {
    const first = await info({ type: "meta" });
    expect(first.universe).toEqual([{ szDecimals: 5, name: "BTC", maxLeverage: 40, marginTableId: 56 }]);
    expect(first.marginTables[0][1].marginTiers).toEqual([
      { lowerBound: "0.0", maxLeverage: 40 },
      { lowerBound: "150000000.0", maxLeverage: 20 },
    ]);
    const hyna = await info({ type: "meta", dex: "hyna" });
    expect(hyna.universe[0]).toMatchObject({ name: HIP3, growthMode: "enabled" });
    expect(hyna.collateralToken).toBe(235);
    const dexs = await info({ type: "perpDexs" });
    expect(dexs[0]).toBeNull();
    expect(dexs[1]).toMatchObject({ name: "hyna", assetToStreamingOiCap: [[HIP3, "50000000.0"]] });
    expect((await info({ type: "perpDexLimits", dex: "hyna" })).coinToOiCap).toEqual([[HIP3, "50000000.0"]]);
    expect(Object.keys(await info({ type: "allMids" }))).toEqual(["BTC", SPOT]);
    expect(await info({ type: "allMids", dex: "hyna" })).toEqual({ [HIP3]: "100000.0" });
    expect((await info({ type: "metaAndAssetCtxs", dex: "hyna" }))[1]).toHaveLength(1);
    expect((await info({ type: "marginTable", id: 7 })).marginTiers).toEqual([
      { lowerBound: "0.0", maxLeverage: 7 },
    ]);
  });

  it("shows spot pairs, balances and fills", async () => {
    const [meta, ctxs] = await info({ type: "spotMetaAndAssetCtxs" });
    expect(meta.universe[0]).toEqual({ tokens: [1, 0], name: SPOT, index: 0, isCanonical: true });
    expect(ctxs[0]).toMatchObject({ coin: SPOT, markPx: "0.2", dayBaseVlm: "200.0" });
    const { balances } = await info({ type: "spotClearinghouseState", user: ALICE });
    expect(balances.map((x: { coin: string }) => x.coin).sort()).toEqual(["PURR", "USDC"]);
    expect((await info({ type: "userFills", user: ALICE }))[0]).toMatchObject({ coin: SPOT, dir: "Buy" });
  });
});

describe("lists by time", () => {
  it("builds candles of every interval from the prints", async () => {
    const now = Date.now();
    for (const interval of ["1m", "15m", "1h", "1d", "3d", "1w", "1M"]) {
      const candles = await info({ type: "candleSnapshot", req: { coin: "BTC", interval, startTime: 0 } });
      expect(candles).toHaveLength(1);
      const [c] = candles;
      expect(c).toMatchObject({ s: "BTC", i: interval, o: "100000.0", h: "100000.0", v: "0.01", n: 1 });
      expect(c.t).toBeLessThanOrEqual(now);
      expect(c.T).toBeGreaterThanOrEqual(now - 60_000);
    }
    const past = {
      type: "candleSnapshot",
      req: { coin: "BTC", interval: "1m", startTime: 0, endTime: 1000 },
    };
    expect(await info(past)).toEqual([]);
  });

  it("shows fundings of users and markets once they were paid", async () => {
    rig.server.exchange.settleFunding(Date.now());
    const [row] = await info({ type: "fundingHistory", coin: "BTC", startTime: 0 });
    expect(row).toMatchObject({ coin: "BTC", fundingRate: expect.any(String), premium: expect.any(String) });
    const funding = await info({ type: "userFunding", user: BOB });
    expect(funding.map((f: { delta: { coin: string } }) => f.delta.coin).sort()).toEqual(["BTC", HIP3]);
    expect(await info({ type: "userFunding", user: BOB, startTime: Date.now() + 1000 })).toEqual([]);
    const [predicted] = await info({ type: "predictedFundings" });
    expect(predicted[0]).toBe("BTC");
    expect(predicted[1][1]).toEqual([
      "HlPerp",
      { fundingRate: expect.any(String), nextFundingTime: expect.any(Number), fundingIntervalHours: 1 },
    ]);
  });

  it("merges the matches of one order when asked to aggregate by time", async () => {
    const { a, b } = rig;
    const at = (px: string) => ({ a: 0, b: true, p: px, s: "0.01", r: false, t: { limit: { tif: "Alo" } } });
    await a.act({ type: "order", orders: [at("99992"), at("99996")], grouping: "na" });
    const sell = { ...at("99992"), b: false, s: "0.02", t: { limit: { tif: "Ioc" } } };
    await b.act({ type: "order", orders: [sell], grouping: "na" });
    const plain = await info({ type: "userFills", user: BOB });
    const [merged] = await info({ type: "userFills", user: BOB, aggregateByTime: true });
    expect(plain[0].oid).toBe(plain[1].oid);
    expect(merged).toMatchObject({
      oid: plain[0].oid,
      sz: "0.02",
      px: "99994.0",
      startPosition: plain[1].startPosition,
    });
    expect(Number(merged.fee)).toBeCloseTo(Number(plain[0].fee) + Number(plain[1].fee), 8);
    const byTime = { type: "userFillsByTime", user: BOB, startTime: 0 };
    const rising = await info(byTime);
    expect(rising.map((f: { time: number }) => f.time)).toEqual(
      plain.map((f: { time: number }) => f.time).reverse(),
    );
    expect(await info({ ...byTime, reversed: true })).toEqual([...rising].reverse());
  });
});

it("adds the raw spread to aggregated books only, and rounds their sides outward", async () => {
  const plain = await info({ type: "l2Book", coin: "BTC" });
  expect(plain.spread).toBeUndefined();
  const coarse = await info({ type: "l2Book", coin: "BTC", nSigFigs: 3 });
  expect(coarse.spread).toBe("20.0");
  expect(coarse.levels[0][0]).toEqual({ px: "99900.0", sz: "0.01", n: 1 });
  expect(coarse.levels[1][0]).toEqual({ px: "101000.0", sz: "0.01", n: 1 });
});

it("shows fees with tiers, and an account's last fortnight", async () => {
  const fees = await info({ type: "userFees", user: BOB });
  expect(fees.userCrossRate).toBe("0.00045");
  expect(fees.feeSchedule.tiers.vip[0]).toEqual({
    ntlCutoff: "5000000.0",
    cross: "0.0004",
    add: "0.00012",
    spotCross: "0.0006",
    spotAdd: "0.0003",
  });
  expect(fees.dailyUserVlm).toHaveLength(15);
  expect(Number(fees.dailyUserVlm[14].userCross)).toBeGreaterThan(1000);
});
