import { afterEach, describe, expect, test } from "vitest";
import { findDex, listDexes, loadDexes } from "../../src/venues/hyperliquid/dexes.js";
import { marketFees } from "../../src/venues/hyperliquid/fees.js";
import { InfoClient } from "../../src/venues/hyperliquid/info.js";
import { clock, FakeVenue, fastTimers, rng } from "./fake-venue.js";

const DEPLOYER = `0x${"5a".repeat(20)}`;
const PERP_DEXS = [
  null,
  {
    name: "hyna",
    fullName: "HyENA",
    deployer: DEPLOYER,
    deployerFeeScale: "1.0",
    assetToStreamingOiCap: [["hyna:BTC", "5000.0"]],
  },
  { name: "flx", fullName: "Felix Exchange", deployer: DEPLOYER, deployerFeeScale: "0.5" },
  { name: "flo", fullName: "Felis Perps" },
];
const universe = (...names: string[]) => names.map((name) => ({ name, szDecimals: 5, maxLeverage: 40 }));
const METAS = [
  { universe: universe("BTC", "ETH") },
  {
    universe: [...universe("hyna:BTC", "hyna:ETH"), { ...universe("hyna:OLD")[0], isDelisted: true }],
    collateralToken: 235,
  },
  { universe: universe("flx:TSLA"), collateralToken: 360 },
  { universe: [], collateralToken: 999 },
];
const SPOT = {
  universe: [],
  tokens: [
    { name: "USDC", szDecimals: 8, weiDecimals: 8, index: 0, tokenId: "0x0" },
    { name: "USDH", szDecimals: 2, weiDecimals: 8, index: 360, tokenId: "0x1" },
    { name: "USDE", szDecimals: 2, weiDecimals: 8, index: 235, tokenId: "0x2" },
  ],
};

const venues: FakeVenue[] = [];
afterEach(async () => {
  for (const venue of venues.splice(0)) await venue.stop();
});

async function client(answers: Record<string, unknown>): Promise<{ info: InfoClient; asked: string[] }> {
  const venue = await FakeVenue.start();
  venues.push(venue);
  const asked: string[] = [];
  venue.infoAnswer = (request) => {
    const type = String(request["type"]);
    const key = request["dex"] === undefined ? type : `${type} ${String(request["dex"])}`;
    asked.push(key);
    return answers[key] ?? null;
  };
  const info = new InfoClient({ endpoints: venue.endpoints, clock, timers: fastTimers(1), rng: rng() });
  return { info, asked };
}

describe("builder-deployed dexs", () => {
  test("are listed with index, collateral, markets that trade, fee scale and caps", async () => {
    const { info, asked } = await client({
      perpDexs: PERP_DEXS,
      allPerpMetas: METAS,
      spotMeta: SPOT,
      "meta flo": METAS[3],
    });
    const dexes = await listDexes(info);
    expect(dexes).toMatchObject([
      { index: 1, name: "hyna", collateral: "USDE", coins: ["BTC", "ETH"], deployerFeeScale: 1 },
      { index: 2, name: "flx", fullName: "Felix Exchange", collateral: "USDH", coins: ["TSLA"] },
      { index: 3, name: "flo", deployer: undefined, collateral: "token 999", coins: [], deployerFeeScale: 0 },
    ]);
    expect(dexes[0]!.oiCapUsd.get("hyna:BTC")).toBe(5000);
    expect(asked).toHaveLength(4);
  });

  test("when the list of all skips one, that one is asked for by name", async () => {
    const shifted = [METAS[0], METAS[2]];
    const { info, asked } = await client({
      perpDexs: PERP_DEXS,
      allPerpMetas: shifted,
      spotMeta: SPOT,
      "meta hyna": METAS[1],
      "meta flo": METAS[3],
    });
    expect((await listDexes(info)).map((d) => d.coins)).toEqual([["BTC", "ETH"], ["TSLA"], []]);
    expect(asked).toContain("meta hyna");
  });

  test("are found by name, or by the beginning of a full name that is one dex's alone", async () => {
    const { info } = await client({ perpDexs: PERP_DEXS });
    const dexes = await loadDexes(info);
    expect(dexes.map((d) => d.index)).toEqual([0, 1, 2, 3]);
    expect(findDex(dexes, "hyna").index).toBe(1);
    expect(findDex(dexes, "HYNA").index).toBe(1);
    expect(findDex(dexes, "hyena").index).toBe(1);
    expect(findDex(dexes, "felix").index).toBe(2);
  });

  test.each([
    ["feli", /DEX "feli" is not deployed.*there are hyna, flx, flo \(see --list-dexs\)/],
    ["hynq", /did you mean hyna\?/],
    ["nowhere", /there are hyna, flx, flo/],
  ])("%s is refused with the list", async (typed, words) => {
    const { info } = await client({ perpDexs: PERP_DEXS });
    const dexes = await loadDexes(info);
    expect(() => findDex(dexes, typed)).toThrow(words);
    expect(() => findDex(dexes, typed)).toThrow(expect.objectContaining({ code: "DexNotFound" }));
  });

  test("a network without any says so", () => {
    expect(() => findDex([], "hyna")).toThrow("no DEX is deployed there");
  });
});

describe("fees of a market", () => {
  const BASE = { maker: 0.00015, taker: 0.00045, referralDiscount: 0 };

  // Reference §9.5: multiples of the base fee that the user pays.
  test.each([
    [0, false, 1],
    [0.5, false, 1.5],
    [1, false, 2],
    [3, false, 6],
    [0, true, 0.1],
    [1, true, 0.2],
    [9.99, true, 1.998],
  ])("deployer scale %d, growth %j: %d times the base fee", (deployerScale, isGrowth, multiple) => {
    const { makerBps, takerBps } = marketFees(BASE, { deployerScale, isGrowth });
    expect(makerBps).toBeCloseTo(1.5 * multiple, 9);
    expect(takerBps).toBeCloseTo(4.5 * multiple, 9);
  });

  test("a rebate is not multiplied, only growth mode makes it smaller", () => {
    const mm = { ...BASE, maker: -0.00002 };
    expect(marketFees(mm, { deployerScale: 3, isGrowth: false }).makerBps).toBeCloseTo(-0.2, 9);
    expect(marketFees(mm, { deployerScale: 1, isGrowth: true }).makerBps).toBeCloseTo(-0.02, 9);
  });

  test("a referral discounts what is paid, an aligned collateral what the protocol takes and gives", () => {
    const referred = { ...BASE, referralDiscount: 0.04 };
    expect(marketFees(referred, { deployerScale: 0, isGrowth: false }).takerBps).toBeCloseTo(4.32, 9);
    const aligned = { deployerScale: 1, isGrowth: false, isAligned: true };
    expect(marketFees(BASE, aligned).takerBps).toBeCloseTo(4.5 * 2 * 0.9, 9);
    expect(marketFees({ ...BASE, maker: -0.00002 }, aligned).makerBps).toBeCloseTo(-0.2 * 1.25, 9);
  });
});
