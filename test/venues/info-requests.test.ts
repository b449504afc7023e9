import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { z } from "zod";
import { type Clock, Rng, type Timers } from "../../src/domain/index.js";
import * as account from "../../src/venues/hyperliquid/account-shapes.js";
import { type ChannelName, parseChannel } from "../../src/venues/hyperliquid/channel-shapes.js";
import type { VenueError } from "../../src/venues/hyperliquid/errors.js";
import { InfoClient } from "../../src/venues/hyperliquid/info.js";
import * as market from "../../src/venues/hyperliquid/market-shapes.js";
import { validate } from "../../src/venues/hyperliquid/wire.js";

const clock: Clock = { monoNs: () => 0, wallMs: () => 0 };
const timers: Timers = { after: () => () => {}, every: () => () => {} };
const USER = "0x5e9ee1089755c3435139848e47e6635505d5a13a";
const OTHER = "0x1719884eb866cb12b2287399b15f7db5e7d775ea";

/** A client whose venue answers with `body`; what it asked is in `asked`. */
function answering(body: unknown): { info: InfoClient; asked: unknown[] } {
  const asked: unknown[] = [];
  const fetch = (_: unknown, init?: { body?: unknown }): Promise<Response> => {
    asked.push(JSON.parse(Buffer.from(init?.body as Uint8Array).toString()));
    return Promise.resolve(new Response(JSON.stringify(body)));
  };
  const endpoints = { infoUrl: "http://venue.test/info" };
  return {
    info: new InfoClient({
      endpoints,
      clock,
      timers,
      rng: new Rng(1),
      fetch: fetch as typeof globalThis.fetch,
    }),
    asked,
  };
}

const META = {
  universe: [
    { name: "BTC", szDecimals: 5, maxLeverage: 40, marginTableId: 56 },
    {
      ...{ name: "xyz:XYZ100", szDecimals: 4, maxLeverage: 20, marginTableId: 20, onlyIsolated: true },
      ...{ marginMode: "strictIsolated", growthMode: "enabled" },
      lastGrowthModeChangeTime: "2025-11-23T17:21:40.390706535",
    },
  ],
  marginTables: [
    [
      51,
      {
        description: "tiered 10x",
        marginTiers: [
          { lowerBound: "0.0", maxLeverage: 10 },
          { lowerBound: "3000000.0", maxLeverage: 5 },
        ],
      },
    ],
  ],
  collateralToken: 0,
};
const CTX = {
  ...{ funding: "0.0000125", openInterest: "39338.76246", prevDayPx: "84086.0", premium: "-0.0001348801" },
  ...{ dayNtlVlm: "3096053627.5618200302", oraclePx: "83778.1", markPx: "83757.0", midPx: "83757.5" },
  ...{ impactPxs: ["83757.0", "83766.8"], dayBaseVlm: "36757.56691" },
};
const SPOT_META = {
  universe: [{ tokens: [1, 0], name: "PURR/USDC", index: 0, isCanonical: true }],
  tokens: [
    { name: "USDC", szDecimals: 8, weiDecimals: 8, index: 0, tokenId: "0x6d1e", fullName: null },
    { name: "PURR", szDecimals: 0, weiDecimals: 5, index: 1, tokenId: "0xc1fb", isCanonical: true },
  ],
};
const FUNDING = {
  ...{ coin: "ETH", usdc: "-3.625312", szi: "49.1477", fundingRate: "0.0000417", nSamples: null },
};
const FILL = {
  ...{ coin: "AVAX", px: "18.435", sz: "93.53", side: "B", time: 1681222254710, startPosition: "26.86" },
  ...{ dir: "Open Long", closedPnl: "0.0", hash: "0xa166", oid: 90542681, crossed: false, fee: "0.01" },
  ...{ tid: 118906512037719, feeToken: "USDC", twapId: null },
};
const ORDER = {
  ...{ coin: "BTC", side: "B", limitPx: "31795.0", sz: "0.00037", oid: 57118842019 },
  ...{ timestamp: 1785261289146, origSz: "0.00037", cloid: "0xA1f0cd00000000000000000000000001" },
};
const SUMMARY = { accountValue: "0.0", totalNtlPos: "0.0", totalRawUsd: "0.0", totalMarginUsed: "0.0" };
const STATE = {
  assetPositions: [],
  marginSummary: SUMMARY,
  crossMarginSummary: SUMMARY,
  crossMaintenanceMarginUsed: "0.0",
  withdrawable: "0.0",
  time: 1708622398623,
};
const SPOT_STATE = {
  balances: [{ coin: "USDC", token: 0, total: "0.22", hold: "0.0", entryNtl: "0.0" }],
};
const ASSET_DATA = {
  user: USER,
  coin: "APT",
  leverage: { type: "cross", value: 3 },
  maxTradeSzs: ["24836370.44", "24836370.44"],
  availableToTrade: ["37019438.02", "37019438.02"],
  markPx: "4.4716",
};
const LEDGER = { time: 1, hash: "0x0", delta: { type: "withdraw", usdc: "5.0", nonce: 7, fee: "1.0" } };
const RANGE = { startTime: 1, endTime: 2 };

/** Each request with the parameters the venue must see, and the answer its document shows. */
const REQUESTS: readonly [
  name: string,
  call: (i: InfoClient) => Promise<unknown>,
  request: object,
  answer: unknown,
][] = [
  ["meta", (i) => i.meta("xyz"), { dex: "xyz" }, META],
  [
    "metaAndAssetCtxs",
    (i) => i.metaAndAssetCtxs(),
    {},
    [META, [CTX, { ...CTX, midPx: null, premium: null }]],
  ],
  ["allPerpMetas", (i) => i.allPerpMetas(), {}, [META, [META, [CTX]], null]],
  [
    "perpDexs",
    (i) => i.perpDexs(),
    {},
    [null, { name: "xyz", oracleUpdater: null, deployerFeeScale: "1.0" }],
  ],
  [
    "perpDexLimits",
    (i) => i.perpDexLimits("xyz"),
    { dex: "xyz" },
    {
      totalOiCap: "10000000.0",
      oiSzCapPerPerp: "10000000000.0",
      maxTransferNtl: "100000000.0",
      coinToOiCap: [["xyz:TSLA", "100000.0"]],
    },
  ],
  [
    "perpDexStatus",
    (i) => i.perpDexStatus("xyz"),
    { dex: "xyz" },
    { totalNetDeposit: "4103492112.4478230476" },
  ],
  ["perpsAtOpenInterestCap", (i) => i.perpsAtOpenInterestCap(), {}, ["BADGER", "CANTO"]],
  [
    "marginTable",
    (i) => i.marginTable(56),
    { id: 56 },
    { description: "", marginTiers: [{ lowerBound: "0.0", maxLeverage: 40 }] },
  ],
  ["maxMarketOrderNtls", (i) => i.maxMarketOrderNtls(), {}, [[25, "30000000.0"]]],
  ["spotMeta", (i) => i.spotMeta(), {}, SPOT_META],
  [
    "spotMetaAndAssetCtxs",
    (i) => i.spotMetaAndAssetCtxs(),
    {},
    [
      SPOT_META,
      [{ prevDayPx: "0.2", dayNtlVlm: "8.0", markPx: "0.2", midPx: null, circulatingSupply: "1.0" }],
    ],
  ],
  ["allMids", (i) => i.allMids("xyz"), { dex: "xyz" }, { "xyz:TSLA": "330.15" }],
  [
    "l2Book",
    (i) => i.l2Book("ETH", 5, 2),
    { coin: "ETH", nSigFigs: 5, mantissa: 2 },
    { coin: "ETH", time: 1, levels: [[{ px: "1.0", sz: "2.0", n: 1 }], []] },
  ],
  [
    "recentTrades",
    (i) => i.recentTrades("SOL"),
    { coin: "SOL" },
    [{ coin: "SOL", side: "B", px: "83.79", sz: "1.2", time: 1, hash: "0x6f", tid: 9, users: [USER, OTHER] }],
  ],
  [
    "candleSnapshot",
    (i) => i.candleSnapshot("BTC", "15m", RANGE),
    { req: { coin: "BTC", interval: "15m", ...RANGE } },
    [{ t: 1, T: 2, s: "BTC", i: "15m", o: "1.0", c: "1.0", h: "1.0", l: "1.0", v: "0.9", n: 189 }],
  ],
  [
    "fundingHistory",
    (i) => i.fundingHistory("ETH", { startTime: 5 }),
    { coin: "ETH", startTime: 5 },
    [{ coin: "ETH", fundingRate: "-0.00022196", premium: "-0.00052196", time: 1683849600076 }],
  ],
  [
    "predictedFundings",
    (i) => i.predictedFundings(),
    {},
    [
      [
        "AVAX",
        [
          ["BinPerp", null],
          ["HlPerp", { fundingRate: "0.0000125", nextFundingTime: 1733958000000, fundingIntervalHours: 1 }],
        ],
      ],
    ],
  ],
  ["exchangeStatus", (i) => i.exchangeStatus(), {}, { time: 1, specialStatuses: null }],
  ["clearinghouseState", (i) => i.clearinghouseState(USER, "xyz"), { user: USER, dex: "xyz" }, STATE],
  ["spotClearinghouseState", (i) => i.spotClearinghouseState(USER), { user: USER }, SPOT_STATE],
  ["activeAssetData", (i) => i.activeAssetData(USER, "APT"), { user: USER, coin: "APT" }, ASSET_DATA],
  ["openOrders", (i) => i.openOrders(USER), { user: USER }, [ORDER]],
  [
    "frontendOpenOrders",
    (i) => i.frontendOpenOrders(USER),
    { user: USER },
    [
      {
        ...ORDER,
        cloid: null,
        isTrigger: false,
        triggerPx: "0.0",
        children: [],
        orderType: "Limit",
        tif: "Gtc",
      },
    ],
  ],
  [
    "historicalOrders",
    (i) => i.historicalOrders(USER),
    { user: USER },
    [{ order: ORDER, status: "filled", statusTimestamp: 1 }],
  ],
  ["orderStatus", (i) => i.orderStatus(USER, 77), { user: USER, oid: 77 }, { status: "unknownOid" }],
  ["userFills", (i) => i.userFills(USER), { user: USER }, [FILL]],
  ["userFillsByTime", (i) => i.userFillsByTime(USER, 1, 2), { user: USER, ...RANGE }, [FILL]],
  [
    "userFunding",
    (i) => i.userFunding(USER, RANGE),
    { user: USER, ...RANGE },
    [{ time: 1, hash: "0x0", delta: { type: "funding", ...FUNDING } }],
  ],
  ["userNonFundingLedgerUpdates", (i) => i.userNonFundingLedgerUpdates(USER), { user: USER }, [LEDGER]],
  [
    "userRateLimit",
    (i) => i.userRateLimit(USER),
    { user: USER },
    { cumVlm: "2854574.593578", nRequestsUsed: 2890, nRequestsCap: 2864574, nRequestsSurplus: 0 },
  ],
  [
    "userFees",
    (i) => i.userFees(USER),
    { user: USER },
    {
      dailyUserVlm: [{ date: "2025-05-23", userCross: "0.0", userAdd: "0.0", exchange: "2852367.07" }],
      feeSchedule: {
        cross: "0.00045",
        add: "0.00015",
        tiers: {
          vip: [
            {
              ntlCutoff: "5000000.0",
              cross: "0.0004",
              add: "0.00012",
              spotCross: "0.0006",
              spotAdd: "0.0003",
            },
          ],
          mm: [{ makerFractionCutoff: "0.005", add: "-0.00001" }],
        },
        referralDiscount: "0.04",
      },
      userCrossRate: "0.000315",
      userAddRate: "0.000105",
      trial: null,
      activeStakingDiscount: { bpsOfMaxSupply: "4.75", discount: "0.3" },
    },
  ],
  ["userRole", (i) => i.userRole(USER), { user: USER }, { role: "agent", data: { user: OTHER } }],
  [
    "extraAgents",
    (i) => i.extraAgents(USER),
    { user: USER },
    [{ name: "ok", address: OTHER, validUntil: 9 }],
  ],
  [
    "subAccounts",
    (i) => i.subAccounts(USER),
    { user: USER },
    [{ name: "a", subAccountUser: OTHER, master: USER, clearinghouseState: STATE, spotState: SPOT_STATE }],
  ],
  ["userAbstraction", (i) => i.userAbstraction(USER), { user: USER }, "unifiedAccount"],
  ["maxBuilderFee", (i) => i.maxBuilderFee(USER, OTHER), { user: USER, builder: OTHER }, 10],
  [
    "userVaultEquities",
    (i) => i.userVaultEquities(USER),
    { user: USER },
    [{ vaultAddress: OTHER, equity: "100.003834", lockedUntilTimestamp: 1749857239300 }],
  ],
  [
    "delegatorHistory",
    (i) => i.delegatorHistory(USER),
    { user: USER },
    [{ time: 1, hash: "0x0", delta: { cDeposit: { amount: "89968.0" } } }],
  ],
  [
    "portfolio",
    (i) => i.portfolio(USER),
    { user: USER },
    [["day", { accountValueHistory: [[1, "0.0"]], pnlHistory: [[1, "-2.5"]], vlm: "0.0" }]],
  ],
];

describe("info requests", () => {
  test.each(REQUESTS)(
    "%s asks as documented and reads the documented answer",
    async (type, call, request, answer) => {
      const { info, asked } = answering(answer);
      expect(await call(info)).toBeDefined();
      expect(asked).toEqual([{ type, ...request }]);
    },
  );

  test("every method of the client is in this table", () => {
    const methods = Object.getOwnPropertyNames(InfoClient.prototype).filter(
      (name) => !["constructor", "ask", "attempt"].includes(name),
    );
    expect(REQUESTS.map(([name]) => name).sort()).toEqual(methods.sort());
  });

  test("a name becomes lower case, an entry of allPerpMetas is read with and without contexts", async () => {
    const orders = await answering([{ ...ORDER, user: USER }]).info.openOrders(USER);
    expect(orders[0]?.cloid).toBe("0xa1f0cd00000000000000000000000001");
    const metas = await answering([META, [META, [CTX]], null]).info.allPerpMetas();
    expect(metas.map((m) => m?.universe[1]?.growthMode)).toEqual(["enabled", "enabled", undefined]);
  });

  test.each<[string, (i: InfoClient) => Promise<unknown>, unknown, RegExp]>([
    [
      "a leverage that is text",
      (i) => i.meta(),
      { universe: [{ name: "BTC", szDecimals: 5, maxLeverage: "40" }] },
      /^meta: universe\.0\.maxLeverage: /,
    ],
    [
      "a decimal with an exponent",
      (i) => i.userFills(USER),
      [{ ...FILL, px: "1e5" }],
      /^userFills: 0\.px: not a plain decimal/,
    ],
    [
      "an address cut short",
      (i) => i.userRole(USER),
      { role: "agent", data: { user: "0x12" } },
      /data\.user: not 0x/,
    ],
    [
      "a margin tier without its bound",
      (i) => i.marginTable(1),
      { marginTiers: [{ maxLeverage: 5 }] },
      /marginTiers\.0\.lowerBound/,
    ],
    ["one wrong entry of allPerpMetas", (i) => i.allPerpMetas(), [META, { universe: 3 }], /1\.universe/],
    [
      "an order status of a new kind",
      (i) => i.orderStatus(USER, 1),
      { status: "gone" },
      /^orderStatus: status/,
    ],
  ])("%s is refused with its path", async (_, call, answer, path) => {
    const error = await call(answering(answer).info).then(
      () => undefined,
      (e: VenueError) => e,
    );
    expect(error?.code).toBe("BadResponse");
    expect(error?.message).toMatch(path);
  });
});

describe("account channels", () => {
  const FRAMES: Readonly<Record<ChannelName, unknown>> = {
    orderUpdates: [{ order: ORDER, status: "open", statusTimestamp: 1 }],
    userFills: { isSnapshot: true, user: USER.toUpperCase().replace("0X", "0x"), fills: [FILL] },
    user: { nonUserCancel: [{ coin: "ETH", oid: 123 }] },
    userFundings: { user: USER, isSnapshot: true, fundings: [{ time: 1, ...FUNDING }] },
    userNonFundingLedgerUpdates: { user: USER, nonFundingLedgerUpdates: [LEDGER] },
    userHistoricalOrders: {
      user: USER,
      orderHistory: [{ order: ORDER, status: "open", statusTimestamp: 1 }],
    },
    clearinghouseState: { dex: "", user: USER, clearinghouseState: STATE },
    allDexsClearinghouseState: { user: USER, clearinghouseStates: [["xyz", STATE]] },
    openOrders: { dex: "", user: USER, orders: [ORDER] },
    activeAssetData: { ...ASSET_DATA, leverage: { type: "isolated", value: 20, rawUsd: "-95.059824" } },
    spotState: { user: USER, spotState: SPOT_STATE },
    notification: { notification: "text" },
  };

  test.each(Object.entries(FRAMES))("%s parses as documented", (channel, data) => {
    expect(parseChannel(channel as ChannelName, data)).toBeDefined();
  });

  test.each<[string, object]>([
    ["fills", { fills: [FILL] }],
    ["funding", { funding: { time: 1, ...FUNDING } }],
    [
      "liquidation",
      {
        liquidation: {
          ...{ lid: 123, liquidator: OTHER, liquidated_user: USER },
          ...{ liquidated_ntl_pos: "1000.0", liquidated_account_value: "50.0" },
        },
      },
    ],
  ])("user events: %s", (key, data) => {
    expect(Object.keys(parseChannel("user", data))).toEqual([key]);
  });

  test("addresses come in lower case; a wrong type is refused with its path", () => {
    expect(parseChannel("userFills", FRAMES.userFills).user).toBe(USER);
    expect(() =>
      parseChannel("openOrders", { dex: "", user: USER, orders: [{ ...ORDER, oid: "1" }] }),
    ).toThrow(/^openOrders: orders\.0\.oid/);
  });
});

const DATA = join(import.meta.dirname, "../../../shared/data");
const hasData = existsSync(DATA);
const read = (name: string): unknown => JSON.parse(gunzipSync(readFileSync(join(DATA, name))).toString());

describe.skipIf(!hasData)(hasData ? "recorded answers" : "recorded answers (skipped: no shared data)", () => {
  const many = <T>(schema: z.ZodType<T>): z.ZodType<T[]> => schema.array() as unknown as z.ZodType<T[]>;
  const SCHEMAS: Readonly<Record<string, z.ZodType<unknown>>> = {
    allMids: market.allMidsSchema,
    candleSnapshot: many(market.candleSchema),
    clearinghouseState: account.clearinghouseStateSchema,
    delegatorHistory: account.delegatorHistorySchema,
    extraAgents: account.extraAgentsSchema,
    frontendOpenOrders: many(account.orderSchema),
    fundingHistory: market.fundingHistorySchema,
    historicalOrders: many(account.orderUpdateSchema),
    l2Book: market.l2BookSchema,
    meta: market.metaSchema,
    openOrders: many(account.orderSchema),
    perpDexs: market.perpDexsSchema,
    userFills: many(account.fillSchema),
    userFillsByTime: many(account.fillSchema),
    userNonFundingLedgerUpdates: many(account.ledgerUpdateSchema),
    userRateLimit: account.userRateLimitSchema,
    userRole: account.userRoleSchema,
    userVaultEquities: account.vaultEquitiesSchema,
  };
  const index = hasData
    ? gunzipSync(readFileSync(join(DATA, "hyperliquid-rest/index.jsonl.gz")))
        .toString()
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as { file: string; request: { type: string } })
    : [];

  test.each(index.map((e) => [e.file, e.request.type]))("%s parses as %s", (file, type) => {
    const schema = SCHEMAS[type];
    expect(schema, `no shape for ${type}`).toBeDefined();
    const answer = read(`hyperliquid-rest/${file}`);
    const parsed = validate(schema!, answer, type);
    if (Array.isArray(answer)) expect(parsed).toHaveLength(answer.length);
  });

  test("every recorded file is in the index", () => {
    expect(index.length).toBeGreaterThan(20);
  });

  test("the caps and the fee scale of builder-deployed dexes", () => {
    const dexs = validate(market.perpDexsSchema, read("hyperliquid-rest/perpDexs.json.gz"), "perpDexs");
    expect([dexs[1]?.name, dexs[1]?.deployerFeeScale, dexs[1]?.assetToStreamingOiCap?.[0]]).toEqual([
      "xyz",
      "1.0",
      ["xyz:AAPL", "100000000.0"],
    ]);
  });

  test("a fill against a liquidated account, as a user event", () => {
    const frame = read("hyperliquid-ws/ws_user_fill_liquidation.json.gz") as {
      channel: "user";
      data: unknown;
    };
    expect(parseChannel(frame.channel, frame.data).fills?.[0]?.liquidation).toEqual({
      liquidatedUser: "0x360878d351f05975e25f1807a27895e1e5e004fb",
      markPx: "66607.0",
      method: "market",
    });
  });

  test("the contexts of all dexes", () => {
    const frame = read("hyperliquid-ws/ws_all_dexs_asset_ctxs.json.gz") as { data: unknown };
    const { ctxs } = validate(market.allDexsAssetCtxsSchema, frame.data, "allDexsAssetCtxs");
    expect(ctxs[0]?.[0]).toBe("");
    expect(ctxs[0]?.[1].length).toBeGreaterThan(100);
  });
});
