import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { KernelStatus, Spacing, StrategyType } from "../../src/abi/layout.js";
import { configSchema } from "../../src/config/index.js";
import {
  capSizes,
  carriedUsd,
  explainLadder,
  kernelParams,
  maxPositionLots,
  tierLeverage,
} from "../../src/quoting/index.js";
import { BTC } from "../execution/fixtures.js";
import { LadderBuffer } from "../execution/ladder-buffer.js";

const SIZES = { sideSzLots: 1000, maxPosLots: 5000 };
const configOf = (raw: unknown): ReturnType<typeof configSchema.parse> => configSchema.parse(raw);

describe("kernel parameters", () => {
  test("carry what the user configured, gamma per basis point", () => {
    const config = configOf({
      trading: { risk_aversion: 0.5 },
      strategy: {
        min_trades: 7,
        estimation_window_secs: 120,
        ladder_config: { num_levels: 8, min_depth_bps: 3, max_depth_bps: 40, geometric_spacing: false },
      },
    });
    expect(kernelParams(config, SIZES)).toMatchObject({
      strategy: StrategyType.Ladder,
      spacing: Spacing.Linear,
      levelCount: 8,
      minDepthBps: 3,
      maxDepthBps: 40,
      gammaPerBps: 0.5,
      minTrades: 7,
      windowS: 120,
      maxPosLots: 5000,
      sideSzLots: 1000,
    });
  });

  test.each([
    ["symmetric", StrategyType.Symmetric],
    ["inventory_aware", StrategyType.InventoryAware],
    ["glft", StrategyType.Glft],
  ] as const)("%s quotes one level a side", (name, strategy) => {
    const params = kernelParams(configOf({ strategy: { strategy_type: name } }), SIZES);
    expect(params).toMatchObject({ strategy, levelCount: 1, symmetricHalfSpreadBps: 5 });
  });

  test("overrides win", () => {
    expect(kernelParams(configOf({}), SIZES, { makerFeeBps: -0.2 }).makerFeeBps).toBe(-0.2);
  });
});

describe("sizing (SOP §4.4)", () => {
  const account = { instrument: BTC, accountValueUsd: 10_000, leverage: 10, midPx: 100_000 };

  test("position ≤ account value × leverage × 0.5 / price", () => {
    // 10,000 × 10 × 0.5 / 100,000 = 0.5 BTC.
    expect(maxPositionLots(account)).toBe(50_000);
  });

  test("within both rules nothing is touched", () => {
    const sizes = capSizes({ ...account, maxPosLots: 50_000, sideSzLots: 20_000 });
    expect(sizes).toEqual({ maxPosLots: 50_000, sideSzLots: 20_000, warnings: [] });
  });

  test("a position limit beyond the account is capped, and the side follows", () => {
    const sizes = capSizes({ ...account, maxPosLots: 60_000, sideSzLots: 24_000 });
    expect([sizes.maxPosLots, sizes.sideSzLots]).toEqual([50_000, 20_000]);
    expect(sizes.warnings.map((w) => w.code)).toEqual(["max-position-capped", "target-liquidity-capped"]);
    expect(sizes.warnings[0]!.message).toContain("capped at 0.5 BTC");
  });

  test("an account without value carries nothing and says so", () => {
    const sizes = capSizes({ ...account, accountValueUsd: 0, maxPosLots: 10, sideSzLots: 4 });
    expect([sizes.maxPosLots, sizes.sideSzLots]).toEqual([0, 0]);
    expect(sizes.warnings[0]!.code).toBe("no-capital");
  });
});

describe("explanation", () => {
  const quote = {
    causeRecvMonoNs: 0,
    midPx: 65_000,
    fairPx: 65_003.25,
    bestBidPx: 64_999,
    bestAskPx: 65_001,
    bids: [[649_740, 500]] as const,
    asks: [[650_330, 500]] as const,
  };

  test("shows every level with its distance and the fair price with its shift", () => {
    const lines = explainLadder(new LadderBuffer().write(quote), BTC);
    expect(lines[0]).toContain("fair 65003.3 (+0.50 bps from mid)");
    expect(lines).toContain("bid 1: 64974.0 × 0.005 (4.00 bps)");
    expect(lines).toContain("ask 1: 65033.0 × 0.005 (5.08 bps)");
  });

  test("says in words why there is no quote", () => {
    const lines = explainLadder(
      new LadderBuffer().write({ ...quote, status: KernelStatus.WarmUpTrades }),
      BTC,
    );
    expect(lines).toEqual(["BTC: no quote, WarmUpTrades: too few market trades so far"]);
  });
});

describe("margin tiers", () => {
  const TIERS = [
    { fromUsd: 0, maxLeverage: 40 },
    { fromUsd: 10_000, maxLeverage: 25 },
    { fromUsd: 50_000, maxLeverage: 10 },
  ];

  test.each([
    [0, 40],
    [10_000, 40],
    [10_001, 25],
    [50_001, 10],
    [1e9, 10],
  ])("a position worth $%d may have leverage %d", (usd, leverage) => {
    expect(tierLeverage(TIERS, usd)).toBe(leverage);
  });

  test.each([
    [100, 40, 4_000],
    // 400 × 40 would reach into the second tier, where 400 × 25 is exactly its beginning.
    [400, 40, 10_000],
    [1_000, 40, 25_000],
    [1_000, 20, 20_000],
    [3_000, 40, 50_000],
    [10_000, 40, 100_000],
  ])("$%d of margin at up to %dx carries $%d", (marginUsd, leverage, usd) => {
    expect(carriedUsd(marginUsd, leverage, TIERS)).toBe(usd);
  });

  test("what is carried never needs more margin than there is, and more margin never carries less", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1, max: 1e5, noNaN: true }),
        fc.double({ min: 1, max: 10, noNaN: true }),
        fc.integer({ min: 1, max: 50 }),
        (marginUsd, factor, leverage) => {
          const usd = carriedUsd(marginUsd, leverage, TIERS);
          expect(usd / Math.min(leverage, tierLeverage(TIERS, usd))).toBeLessThanOrEqual(
            marginUsd * (1 + 1e-12),
          );
          expect(carriedUsd(marginUsd * factor, leverage, TIERS)).toBeGreaterThanOrEqual(usd);
        },
      ),
      { seed: 11 },
    );
  });
});
