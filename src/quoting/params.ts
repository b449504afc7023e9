import { Spacing, StrategyType } from "../abi/layout.js";
import type { Config } from "../config/index.js";
import { DEFAULT_KERNEL_PARAMS, type KernelParams } from "../kernels/index.js";

/** Sizes of one asset after sizing and its caps, lots. */
export interface StrategySizes {
  readonly sideSzLots: number;
  readonly maxPosLots: number;
}

/** The manual's strategy names (SOP §4.2). */
const STRATEGY: Readonly<Record<Config["strategy"]["strategy_type"], StrategyType>> = {
  symmetric: StrategyType.Symmetric,
  inventory_aware: StrategyType.InventoryAware,
  glft: StrategyType.Glft,
  ladder: StrategyType.Ladder,
};

/**
 * What the user configured, in the kernel's words. `risk_aversion` is γ per basis point (models.md §5.7); the depth
 * settings give the ladder's range, and its inner end is the half-spread of the strategies that do not model one.
 * `overrides` win over both the configuration and the kernel's defaults: fees of the account, learned parameters.
 */
export function kernelParams(
  config: Pick<Config, "trading" | "strategy">,
  sizes: StrategySizes,
  overrides: Partial<KernelParams> = {},
): KernelParams {
  const { trading, strategy } = config;
  const ladder = strategy.ladder_config;
  const isLadder = strategy.strategy_type === "ladder";
  return {
    ...DEFAULT_KERNEL_PARAMS,
    strategy: STRATEGY[strategy.strategy_type],
    spacing: ladder.geometric_spacing ? Spacing.Geometric : Spacing.Linear,
    levelCount: isLadder ? ladder.num_levels : 1,
    minTrades: strategy.min_trades,
    windowS: strategy.estimation_window_secs,
    maxPosLots: sizes.maxPosLots,
    sideSzLots: sizes.sideSzLots,
    gammaPerBps: trading.risk_aversion,
    minDepthBps: ladder.min_depth_bps,
    maxDepthBps: ladder.max_depth_bps,
    symmetricHalfSpreadBps: ladder.min_depth_bps,
    ...overrides,
  };
}
