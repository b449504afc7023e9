import { describe, expect, test } from "vitest";
import { configSchema } from "../../src/config/index.js";
import type { Instrument } from "../../src/domain/index.js";
import { planAssets, warmUpMultiplier } from "../../src/engine/plan.js";
import { SizingError, sizeAsset } from "../../src/engine/sizing.js";
import type { VenueFacts } from "../../src/engine/venue.js";

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
  const facts = { instruments: [BTC], midPx: [100_000], accountValueUsd: 1_000, makerFeeBps: 1.5 };
  const plan = (over: object, trading: object = {}, warnings: string[] = []) =>
    planAssets(config(trading), { ...facts, ...over } as unknown as VenueFacts, (level, event) => {
      if (level === "warn") warnings.push(event);
    });

  test("what the margin cannot carry is capped with a warning", () => {
    const warnings: string[] = [];
    const { assets, params, leverage } = plan(
      {},
      { leverage: 2, max_absolute_position_size: 0.05 },
      warnings,
    );
    expect(assets[0]!.limits.maxPosLots).toBe(1000); // 1,000 USD × 2 × 0.5 / 100,000
    expect(params[0]!.sideSzLots).toBe(400);
    expect(leverage).toEqual([2]);
    expect(warnings.some((w) => w.includes("capped"))).toBe(true);
  });

  test("a risk aversion under which inventory would not be controlled is refused", () => {
    expect(sizingError(() => plan({}, { risk_aversion: 0.01 }))).toMatch(/risk_aversion/);
  });

  test("no price means no size", () => {
    expect(sizingError(() => plan({ midPx: [Number.NaN] }))).toMatch(/no price yet/);
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
