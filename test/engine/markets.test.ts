import { afterEach, describe, expect, test } from "vitest";
import { resolveMarkets } from "../../src/engine/markets.js";
import { InfoClient } from "../../src/venues/hyperliquid/info.js";
import { clock, FakeVenue, fastTimers, rng } from "../venues/fake-venue.js";

const PERP_DEXS = [
  null,
  { name: "hyna", fullName: "HyENA", deployerFeeScale: "1.0" },
  { name: "flx", fullName: "Felix Exchange", deployerFeeScale: "0.5" },
];
const entry = (name: string, over: object = {}) => ({ name, szDecimals: 5, maxLeverage: 40, ...over });
const META: Record<string, { universe: ReturnType<typeof entry>[]; [key: string]: unknown }> = {
  "": {
    universe: [entry("BTC", { marginTableId: 56 }), entry("ETH", { maxLeverage: 25, marginTableId: 25 })],
    marginTables: [
      [
        56,
        {
          marginTiers: [
            { lowerBound: "0.0", maxLeverage: 40 },
            { lowerBound: "150000000.0", maxLeverage: 20 },
          ],
        },
      ],
    ],
  },
  hyna: {
    universe: [entry("hyna:OLD", { isDelisted: true }), entry("hyna:BTC", { growthMode: "enabled" })],
    collateralToken: 235,
  },
  flx: {
    universe: [
      entry("flx:BTC", { marginMode: "noCross", maxLeverage: 20, marginTableId: 60 }),
      entry("flx:TSLA", { onlyIsolated: true, marginMode: "strictIsolated" }),
    ],
    collateralToken: 360,
  },
};
const SPOT = {
  universe: [],
  tokens: [{ name: "USDE", szDecimals: 2, weiDecimals: 8, index: 235, tokenId: "0x2" }],
};
const TABLE_60 = {
  marginTiers: [
    { lowerBound: "1000.0", maxLeverage: 5 },
    { lowerBound: "0.0", maxLeverage: 20 },
  ],
};

const venues: FakeVenue[] = [];
afterEach(async () => {
  for (const venue of venues.splice(0)) await venue.stop();
});

async function resolve(asset: string, over: { dex?: string; decimals?: number } = {}) {
  const venue = await FakeVenue.start();
  venues.push(venue);
  const asked: string[] = [];
  venue.infoAnswer = (request) => {
    asked.push(String(request["type"]));
    const meta = META[String(request["dex"] ?? "")]!;
    switch (request["type"]) {
      case "perpDexs":
        return PERP_DEXS;
      case "metaAndAssetCtxs":
        return [
          meta,
          meta.universe.map((_, i) => ({
            funding: "0",
            openInterest: "1",
            oraclePx: "100",
            markPx: "101",
            midPx: i === 0 ? null : "102",
          })),
        ];
      case "allPerpMetas":
        return [META[""], META["hyna"], META["flx"]];
      case "spotMeta":
        return SPOT;
      case "marginTable":
        return TABLE_60;
      default:
        return null;
    }
  };
  const info = new InfoClient({ endpoints: venue.endpoints, clock, timers: fastTimers(1), rng: rng() });
  const markets = await resolveMarkets(info, { asset, ...over });
  return { markets, asked };
}

describe("markets by the user's names", () => {
  test("the venue's own: price, tiers, cross margin; the list of dexs is not asked for", async () => {
    const { markets, asked } = await resolve("BTC, ETH");
    expect(
      markets.map((m) => [m.instrument.coin, m.instrument.asset, m.instrument.venueAssetId, m.midPx]),
    ).toEqual([
      ["BTC", 0, 0, 101],
      ["ETH", 1, 1, 102],
    ]);
    expect(markets[0]).toMatchObject({ collateral: "USDC", isIsolatedOnly: false, isGrowth: false });
    expect(markets[0]!.tiers).toEqual([
      { fromUsd: 0, maxLeverage: 40 },
      { fromUsd: 150_000_000, maxLeverage: 20 },
    ]);
    expect(markets[1]!.tiers).toEqual([{ fromUsd: 0, maxLeverage: 25 }]);
    expect(asked).toEqual(["metaAndAssetCtxs"]);
  });

  test("--dex prefixes every name, a name may say its dex itself, and both give the dex's asset id", async () => {
    for (const { markets } of [await resolve("BTC", { dex: "hyena" }), await resolve("hyna:BTC")]) {
      expect(markets[0]).toMatchObject({
        instrument: { coin: "hyna:BTC", venueAssetId: 110_001 },
        dex: { name: "hyna", deployerFeeScale: 1 },
        collateral: "USDE",
        isGrowth: true,
        isIsolatedOnly: false,
      });
    }
  });

  test("margin modes are honoured, tables that meta leaves out are asked for, tiers sorted", async () => {
    const { markets } = await resolve("flx:BTC,flx:TSLA");
    expect(markets.map((m) => [m.isIsolatedOnly, m.isStrictIsolated])).toEqual([
      [true, false],
      [true, true],
    ]);
    expect(markets[0]!.tiers).toEqual([
      { fromUsd: 0, maxLeverage: 20 },
      { fromUsd: 1000, maxLeverage: 5 },
    ]);
    expect(markets[0]!.collateral).toBe("token 360");
  });

  test.each([
    ["BTC,BTC", {}, /BTC is named twice/],
    ["hyna:BTC,BTC", { dex: "hyna" }, /hyna:BTC is named twice/],
    ["flx:BTC", { dex: "hyna" }, /names another DEX than --dex hyna/],
    ["BTC", { dex: "nope" }, /DEX "nope" is not deployed.*hyna, flx/],
    ["nope:BTC", {}, /DEX "nope" is not deployed/],
    ["BTX", {}, /did you mean BTC\?/],
    ["TSLA", {}, /did you mean --asset TSLA --dex flx\?/],
    ["hyna:BTX", {}, /did you mean hyna:BTC\?/],
    ["QQQQQQ", {}, /"QQQQQQ" is not listed on this network$/],
    ["hyna:OLD", {}, /delisted/],
    ["BTC", { decimals: 3 }, /at most 1 price decimals/],
  ])("%s %j: %s", async (asset, over, words) => {
    await expect(resolve(asset, over)).rejects.toThrow(words);
  });
});
