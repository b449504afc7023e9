import { describe, expect, test } from "vitest";
import { KernelStatus, Spacing, StrategyType } from "../../src/abi/layout.js";
import { configSchema } from "../../src/config/index.js";
import { capSizes, explainLadder, kernelParams, maxPositionLots } from "../../src/quoting/index.js";
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
