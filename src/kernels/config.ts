import * as abi from "../abi/layout.js";
import { Spacing, StrategyType } from "../abi/layout.js";
import type { Instrument } from "../domain/index.js";

/**
 * What a kernel is told about an asset, in the units of the schema: distances in bps, gamma and kappa per bps, sizes in lots.
 * The instrument's grid is not here: `writeKernelConfig` takes it from the Instrument.
 */
export interface KernelParams {
  readonly strategy: StrategyType;
  readonly spacing: Spacing;
  /** Per side, 1..32; only the ladder strategy has more than one. */
  readonly levelCount: number;
  /** Warm-up, market trades and volume buckets. */
  readonly minTrades: number;
  readonly minBuckets: number;
  /** Position limit (Qmax), lots, > 0. */
  readonly maxPosLots: number;
  /** Size per side over all levels, lots. */
  readonly sideSzLots: number;
  readonly minDepthBps: number;
  readonly maxDepthBps: number;
  /** The user's risk aversion, per bp. Raising it widens and skews more, strictly. */
  readonly gammaPerBps: number;
  /** Defence multipliers, 1 = calm. */
  readonly gammaMult: number;
  readonly spreadMult: number;
  /** 0 pulls the quotes (status Halted). */
  readonly sizeMult: number;
  /** T of the skew, seconds; 0: the horizon that reproduces the GLFT slope for maxPosLots/sideSzLots orders. */
  readonly horizonS: number;
  /** Half-spread of the symmetric and inventory_aware strategies. */
  readonly symmetricHalfSpreadBps: number;
  /** Cap of |skew| in half-spreads. Below 1 both sides keep to their own side of the fair price before any rounding. */
  readonly maxSkewRatio: number;
  /** Negative: rebate. */
  readonly makerFeeBps: number;
  /** Adverse selection AS0 e^(-d/d0). */
  readonly as0Bps: number;
  readonly asDecayBps: number;
  /** Largest share of a side at one level. */
  readonly levelWeightCap: number;
  readonly bucketTargetS: number;
  readonly windowS: number;
  /** Half-lives of the volatility scales, buckets. */
  readonly halfLifeFast: number;
  readonly halfLifeMedium: number;
  readonly halfLifeSlow: number;
  /** bps per sqrt(second). */
  readonly sigmaFloorBps: number;
  readonly sigmaCapBps: number;
  readonly sigmaPriorBps: number;
  readonly kappaPriorPerBps: number;
  /** Weight of the prior in observations. */
  readonly kappaPriorCount: number;
  readonly kappaMinPerBps: number;
  readonly kappaMaxPerBps: number;
  /** Market orders that reach deeper are left out, and the likelihood knows it. */
  readonly kappaWindowBps: number;
  /** Market orders per side and second before any are seen. */
  readonly arrivalPriorPerS: number;
  /** Fraction of price per unit imbalance. */
  readonly betaBook: number;
  readonly betaFlow: number;
  readonly microClampBps: number;
  readonly depthScaleBps: number;
  readonly flowTauS: number;
  /** 1/s; alpha is scaled down when the branching ratio exceeds 0.95. */
  readonly hawkesMu: number;
  readonly hawkesAlphaSelf: number;
  readonly hawkesAlphaCross: number;
  readonly hawkesBeta: number;
  readonly latencyFloorS: number;
}

/**
 * The manual's defaults where it has them (SOP §4.2), else models.md §18. Three differ from the reference, with reasons:
 * `horizonS` 60 instead of 120, since with the manual's gamma of 0.3 (the reference's is 0.1) 120 s would put the skew at the
 * limit beyond 5 half-spreads at 1 bp per sqrt(s);
 * `maxSkewRatio` 0.9 instead of 1.5, so that bid < fair < ask holds by composition (DESIGN §4); `levelWeightCap` 0.22, just
 * under the reference range, because on liquid books kappa is near its upper clamp and a proportional ladder would be one level.
 *
 * `maxPosLots` and `sideSzLots` are those of 0.05 and 0.01 BTC at five size decimals: always set them.
 */
export const DEFAULT_KERNEL_PARAMS: KernelParams = {
  strategy: StrategyType.Ladder,
  spacing: Spacing.Geometric,
  levelCount: 5,
  minTrades: 50,
  minBuckets: 20,
  maxPosLots: 5000,
  sideSzLots: 1000,
  minDepthBps: 5,
  maxDepthBps: 50,
  gammaPerBps: 0.3,
  gammaMult: 1,
  spreadMult: 1,
  sizeMult: 1,
  horizonS: 60,
  symmetricHalfSpreadBps: 5,
  maxSkewRatio: 0.9,
  makerFeeBps: 1.5,
  as0Bps: 3,
  asDecayBps: 8,
  levelWeightCap: 0.22,
  bucketTargetS: 2,
  windowS: 300,
  halfLifeFast: 5,
  halfLifeMedium: 20,
  halfLifeSlow: 100,
  sigmaFloorBps: 0.01,
  sigmaCapBps: 200,
  sigmaPriorBps: 0.5,
  kappaPriorPerBps: 0.15,
  kappaPriorCount: 10,
  kappaMinPerBps: 0.005,
  kappaMaxPerBps: 2,
  kappaWindowBps: 30,
  arrivalPriorPerS: 0.5,
  betaBook: 0.5e-4,
  betaFlow: 0.2e-4,
  microClampBps: 20,
  depthScaleBps: 5,
  flowTauS: 5,
  hawkesMu: 0.5,
  hawkesAlphaSelf: 0.5,
  hawkesAlphaCross: 0.1,
  hawkesBeta: 1,
  latencyFloorS: 0.5,
};

/** Byte offset of every number in the record. The compiler holds this complete: a new parameter without an offset fails here. */
const F64_FIELDS: readonly (readonly [
  Exclude<keyof KernelParams, "strategy" | "spacing" | "levelCount" | "minTrades" | "minBuckets">,
  number,
])[] = Object.entries({
  maxPosLots: abi.KERNEL_CONFIG_MAX_POS_LOTS,
  sideSzLots: abi.KERNEL_CONFIG_SIDE_SZ_LOTS,
  minDepthBps: abi.KERNEL_CONFIG_MIN_DEPTH_BPS,
  maxDepthBps: abi.KERNEL_CONFIG_MAX_DEPTH_BPS,
  gammaPerBps: abi.KERNEL_CONFIG_GAMMA_PER_BPS,
  gammaMult: abi.KERNEL_CONFIG_GAMMA_MULT,
  spreadMult: abi.KERNEL_CONFIG_SPREAD_MULT,
  sizeMult: abi.KERNEL_CONFIG_SIZE_MULT,
  horizonS: abi.KERNEL_CONFIG_HORIZON_S,
  symmetricHalfSpreadBps: abi.KERNEL_CONFIG_SYMMETRIC_HALF_SPREAD_BPS,
  maxSkewRatio: abi.KERNEL_CONFIG_MAX_SKEW_RATIO,
  makerFeeBps: abi.KERNEL_CONFIG_MAKER_FEE_BPS,
  as0Bps: abi.KERNEL_CONFIG_AS0_BPS,
  asDecayBps: abi.KERNEL_CONFIG_AS_DECAY_BPS,
  levelWeightCap: abi.KERNEL_CONFIG_LEVEL_WEIGHT_CAP,
  bucketTargetS: abi.KERNEL_CONFIG_BUCKET_TARGET_S,
  windowS: abi.KERNEL_CONFIG_WINDOW_S,
  halfLifeFast: abi.KERNEL_CONFIG_HALF_LIFE_FAST,
  halfLifeMedium: abi.KERNEL_CONFIG_HALF_LIFE_MEDIUM,
  halfLifeSlow: abi.KERNEL_CONFIG_HALF_LIFE_SLOW,
  sigmaFloorBps: abi.KERNEL_CONFIG_SIGMA_FLOOR_BPS,
  sigmaCapBps: abi.KERNEL_CONFIG_SIGMA_CAP_BPS,
  sigmaPriorBps: abi.KERNEL_CONFIG_SIGMA_PRIOR_BPS,
  kappaPriorPerBps: abi.KERNEL_CONFIG_KAPPA_PRIOR_PER_BPS,
  kappaPriorCount: abi.KERNEL_CONFIG_KAPPA_PRIOR_COUNT,
  kappaMinPerBps: abi.KERNEL_CONFIG_KAPPA_MIN_PER_BPS,
  kappaMaxPerBps: abi.KERNEL_CONFIG_KAPPA_MAX_PER_BPS,
  kappaWindowBps: abi.KERNEL_CONFIG_KAPPA_WINDOW_BPS,
  arrivalPriorPerS: abi.KERNEL_CONFIG_ARRIVAL_PRIOR_PER_S,
  betaBook: abi.KERNEL_CONFIG_BETA_BOOK,
  betaFlow: abi.KERNEL_CONFIG_BETA_FLOW,
  microClampBps: abi.KERNEL_CONFIG_MICRO_CLAMP_BPS,
  depthScaleBps: abi.KERNEL_CONFIG_DEPTH_SCALE_BPS,
  flowTauS: abi.KERNEL_CONFIG_FLOW_TAU_S,
  hawkesMu: abi.KERNEL_CONFIG_HAWKES_MU,
  hawkesAlphaSelf: abi.KERNEL_CONFIG_HAWKES_ALPHA_SELF,
  hawkesAlphaCross: abi.KERNEL_CONFIG_HAWKES_ALPHA_CROSS,
  hawkesBeta: abi.KERNEL_CONFIG_HAWKES_BETA,
  latencyFloorS: abi.KERNEL_CONFIG_LATENCY_FLOOR_S,
} satisfies Record<
  Exclude<keyof KernelParams, "strategy" | "spacing" | "levelCount" | "minTrades" | "minBuckets">,
  number
>) as never;

/** The views of a record buffer that a config is written through; a ring's sink and a plain buffer both have them. */
export interface ConfigViews {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly f64: Float64Array;
}

/**
 * Writes a KernelConfig body (KERNEL_CONFIG_SIZE bytes) at an 8-aligned byte offset. Checks nothing: the kernel refuses a bad
 * config whole (RejectedRange).
 */
export function writeKernelConfig(
  views: ConfigViews,
  byteOffset: number,
  params: KernelParams,
  inst: Instrument,
): void {
  views.u16[(byteOffset + abi.KERNEL_CONFIG_ASSET) >> 1] = inst.asset;
  views.u8[byteOffset + abi.KERNEL_CONFIG_STRATEGY] = params.strategy;
  views.u8[byteOffset + abi.KERNEL_CONFIG_SPACING] = params.spacing;
  views.u8[byteOffset + abi.KERNEL_CONFIG_PX_DECIMALS] = inst.pxDecimals;
  views.u8[byteOffset + abi.KERNEL_CONFIG_SZ_DECIMALS] = inst.szDecimals;
  views.u8[byteOffset + abi.KERNEL_CONFIG_MAX_SIG_FIGS] = inst.maxSigFigs;
  views.u8[byteOffset + abi.KERNEL_CONFIG_LEVEL_COUNT] = params.levelCount;
  views.u32[(byteOffset + abi.KERNEL_CONFIG_MIN_TRADES) >> 2] = params.minTrades;
  views.u32[(byteOffset + abi.KERNEL_CONFIG_MIN_BUCKETS) >> 2] = params.minBuckets;
  views.f64[(byteOffset + abi.KERNEL_CONFIG_MIN_NOTIONAL_USD) >> 3] = inst.minNotionalUsd;
  for (const [name, offset] of F64_FIELDS) views.f64[(byteOffset + offset) >> 3] = params[name];
}
