import { describe, expect, test } from "vitest";
import { configSchema } from "../../src/config/index.js";
import type { Instrument } from "../../src/domain/index.js";
import type { MarketFacts } from "../../src/engine/markets.js";
import { planAssets, warmUpMultiplier } from "../../src/engine/plan.js";
import { SizingError, sizeAsset } from "../../src/engine/sizing.js";
import type { DexFunds } from "../../src/engine/venue.js";
import { FIRST_DEX } from "../../src/venues/hyperliquid/dexes.js";

const BTC: Instrument = {
  asset: 0,
  venueAssetId: 0,
  coin: "BTC",
  pxDecimals: 1,
  szDecimals: 5,
  maxSigFigs: 5,
  minNotionalUsd: 10,
  maxLeverage: 40,
};
const SOL: Instrument = { ...BTC, coin: "SOL", pxDecimals: 4, szDecimals: 2 };
const config = (trading: object = {}) => configSchema.parse({ trading });

function sizingError(fn: () => unknown): string {
  try {
    fn();
  } catch (e) {
    if (e instanceof SizingError) return e.message;
    throw e;
  }
  throw new Error("did not throw");
}

describe("sizes of an asset", () => {
  test("unset sizes are worth 1,000 USD a side and five sides at the limit in every market", () => {
    expect(sizeAsset(config(), BTC, 100_000)).toEqual({
      sideLots: 1000,
      maxPosLots: 5000,
      origin: "sized from price",
    });
    expect(sizeAsset(config(), SOL, 200)).toMatchObject({ sideLots: 500, maxPosLots: 2500 });
  });

  test("configured sizes are taken as they are", () => {
    const sized = sizeAsset(
      config({ target_liquidity: 0.01, max_absolute_position_size: 0.05 }),
      BTC,
      100_000,
    );
    expect(sized).toEqual({ sideLots: 1000, maxPosLots: 5000, origin: "configured" });
  });

  test.each([
    [{ target_liquidity: 0.000001 }, /below one lot/],
    [{ target_liquidity: 0.00005 }, /\$5\.00, below the venue's minimum of \$10/],
    [{ target_liquidity: 0.1, max_absolute_position_size: 0.05 }, /smaller than target_liquidity/],
  ])("%j is refused with what to do", (trading, message) => {
    expect(sizingError(() => sizeAsset(config(trading), BTC, 100_000))).toMatch(message);
  });
});

describe("plan", () => {
  const HYNA = { ...FIRST_DEX, index: 1, name: "hyna" };
  const market = (instrument: Instrument, over: Partial<MarketFacts> = {}): MarketFacts => ({
    instrument,
    dex: FIRST_DEX,
    collateral: "USDC",
    midPx: 100_000,
    markPx: 100_000,
    isIsolatedOnly: false,
    isStrictIsolated: false,
    isGrowth: false,
    tiers: [{ fromUsd: 0, maxLeverage: 40 }],
    ...over,
  });
  const funds = (over: Partial<DexFunds> = {}): DexFunds => ({
    dex: "",
    collateral: "USDC",
    accountValueUsd: 1_000,
    withdrawableUsd: 1_000,
    isolatedUsd: new Map(),
    ...over,
  });
  const plan = (
    markets: readonly MarketFacts[],
    trading: object = {},
    warnings: string[] = [],
    held: readonly DexFunds[] = [funds()],
  ) =>
    planAssets(
      config(trading),
      {
        markets,
        funds: held,
        fees: markets.map(() => ({ makerBps: 1.5, takerBps: 4.5 })),
      },
      (level, event) => {
        if (level === "warn") warnings.push(event);
      },
    );

  test("what the margin cannot carry is capped with a warning", () => {
    const warnings: string[] = [];
    const { assets, params, margins } = plan(
      [market(BTC)],
      { leverage: 2, max_absolute_position_size: 0.05 },
      warnings,
    );
    expect(assets[0]!.limits.maxPosLots).toBe(1000); // 1,000 USD × 2 × 0.5 / 100,000
    expect(params[0]!.sideSzLots).toBe(400);
    expect(margins).toEqual([{ isCross: true, leverage: 2, isolatedUsd: 0 }]);
    expect(warnings.some((w) => w.includes("capped"))).toBe(true);
  });

  test("a risk aversion under which inventory would not be controlled is refused", () => {
    expect(sizingError(() => plan([market(BTC)], { risk_aversion: 0.01 }))).toMatch(/risk_aversion/);
  });

  test("several assets share one account: together they need no more than it carries", () => {
    const warnings: string[] = [];
    const ETH = { ...BTC, asset: 1, coin: "ETH" };
    const trading = { leverage: 10, target_liquidity: 0.01, max_absolute_position_size: 0.1 };
    const alone = plan([market(BTC)], trading, [], [funds({ accountValueUsd: 3_000 })]);
    expect(alone.assets[0]!.limits.maxPosLots).toBe(10_000); // 10,000 USD at 10x needs 1,000 of 1,500
    const both = plan([market(BTC), market(ETH)], trading, warnings, [funds({ accountValueUsd: 3_000 })]);
    // 2,000 of margin asked for, 1,500 carried: three quarters each.
    expect(both.assets.map((a) => a.limits.maxPosLots)).toEqual([7500, 7500]);
    expect(warnings.join()).toMatch(/BTC, ETH together need \$2000\.00/);
  });

  test("each dex has an account of its own: what one market uses does not shrink another's", () => {
    const onDex = market({ ...BTC, asset: 1, coin: "hyna:BTC" }, { dex: HYNA });
    const trading = { leverage: 10, target_liquidity: 0.01, max_absolute_position_size: 0.1 };
    const held = [funds({ accountValueUsd: 2_000 }), funds({ dex: "hyna", accountValueUsd: 600 })];
    const { assets } = plan([market(BTC), onDex], trading, [], held);
    expect(assets.map((a) => a.limits.maxPosLots)).toEqual([10_000, 3000]);
  });

  test("an isolated market is sized from its own margin, and takes no more than is free", () => {
    const warnings: string[] = [];
    const isolated = market({ ...BTC, coin: "hyna:BTC" }, { dex: HYNA, isIsolatedOnly: true });
    const trading = { leverage: 10, target_liquidity: 0.01, max_absolute_position_size: 0.1 };
    const rich = [funds({ dex: "hyna", accountValueUsd: 90_000, withdrawableUsd: 90_000 })];
    expect(plan([isolated], trading, [], rich).margins).toEqual([
      { isCross: false, leverage: 10, isolatedUsd: 1000 },
    ]);
    expect(plan([isolated], trading, [], rich).assets[0]!.limits.maxPosLots).toBe(5000);
    // 300 free and 200 inside the position already.
    const poor = [
      funds({
        dex: "hyna",
        accountValueUsd: 800,
        withdrawableUsd: 300,
        isolatedUsd: new Map([["hyna:BTC", 200]]),
      }),
    ];
    const { margins, assets } = plan([isolated], trading, warnings, poor);
    expect(margins[0]!.isolatedUsd).toBe(500);
    expect(assets[0]!.limits.maxPosLots).toBe(2500);
    expect(warnings.join()).toMatch(
      /isolated margin of \$1000\.00 exceeds what is free on DEX hyna, \$500\.00/,
    );
  });

  test("--force-isolated isolates a market that allows cross, and leaves the rest of the account to the others", () => {
    const trading = { force_isolated: true, initial_isolated_margin: 250, leverage: 10 };
    const { margins } = plan(
      [market(BTC)],
      trading,
      [],
      [funds({ accountValueUsd: 5_000, withdrawableUsd: 5_000 })],
    );
    expect(margins).toEqual([{ isCross: false, leverage: 10, isolatedUsd: 250 }]);
  });

  test("the leverage is what the tier of the position limit allows", () => {
    const warnings: string[] = [];
    const tiers = [
      { fromUsd: 0, maxLeverage: 40 },
      { fromUsd: 10_000, maxLeverage: 25 },
      { fromUsd: 50_000, maxLeverage: 10 },
    ];
    const trading = { target_liquidity: 0.01, max_absolute_position_size: 0.3 };
    const rich = [funds({ accountValueUsd: 100_000, withdrawableUsd: 100_000 })];
    const { margins } = plan([market(BTC, { tiers })], trading, warnings, rich);
    expect(margins[0]!.leverage).toBe(25);
    expect(warnings.join()).toMatch(/position worth \$30000 may have leverage 25, not 40/);
  });

  test("no price means no size", () => {
    expect(sizingError(() => plan([market(BTC, { midPx: Number.NaN })]))).toMatch(/no price yet/);
  });
});

describe("warm-up multiplier", () => {
  test("starts a tenth wider, narrows steadily and ends at one", () => {
    const at = [0, 60, 120, 300, 600].map((s) => warmUpMultiplier(s, 300));
    expect(at[0]).toBe(1.1);
    for (let i = 1; i < at.length; i++) expect(at[i]).toBeLessThanOrEqual(at[i - 1]!);
    expect(at.at(-1)).toBe(1);
  });

  test("zero decay means none", () => {
    expect(warmUpMultiplier(0, 0)).toBe(1);
  });
});
