/**
 * The door for a KernelConfig: every field is checked, or nothing is taken.
 *
 * Ranges are models.md's hard ranges (section 18), widened where a user may reasonably go; they also bound the products of the quote, so
 * that no input gives a non-finite quote. NaN is in no range. Allocates: nothing.
 */

import { reachReset } from "./kappa";
import { KERNEL_CONFIG_SIZE, KernelConfig, KernelStatus } from "./layout";
import { Core, clockOf, coreOf, fastOf, mediumOf, reachOf, slowOf, within } from "./memory";
import { scaleReset } from "./volatility";

/** Weight of the volatility prior, in returns of `bucket_target_s` seconds. */
const SIGMA_PRIOR_RETURNS: f64 = 2;

export function configCheck(c: usize): i32 {
  return isShapeInRange(c) && isRiskInRange(c) && areModelsInRange(c)
    ? KernelStatus.Ok
    : KernelStatus.RejectedRange;
}

function isShapeInRange(c: usize): bool {
  return (
    KernelConfig.strategy(c) <= 3 &&
    KernelConfig.spacing(c) <= 1 &&
    KernelConfig.pxDecimals(c) <= 15 &&
    KernelConfig.szDecimals(c) <= 15 &&
    KernelConfig.maxSigFigs(c) <= 15 &&
    KernelConfig.levelCount(c) >= 1 &&
    KernelConfig.levelCount(c) <= 32 &&
    within(KernelConfig.maxPosLots(c), 1, 1e15) &&
    within(KernelConfig.sideSzLots(c), 0, 1e15) &&
    within(KernelConfig.minNotionalUsd(c), 0, 1e12) &&
    within(KernelConfig.minDepthBps(c), 0.01, 1000) &&
    within(KernelConfig.maxDepthBps(c), KernelConfig.minDepthBps(c), 2000) &&
    within(KernelConfig.levelWeightCap(c), 0.01, 1)
  );
}

function isRiskInRange(c: usize): bool {
  return (
    within(KernelConfig.gammaPerBps(c), 1e-4, 100) &&
    within(KernelConfig.gammaMult(c), 1, 1000) &&
    within(KernelConfig.spreadMult(c), 1, 100) &&
    within(KernelConfig.sizeMult(c), 0, 1) &&
    within(KernelConfig.horizonS(c), 0, 3600) &&
    within(KernelConfig.symmetricHalfSpreadBps(c), 0.01, 1000) &&
    within(KernelConfig.maxSkewRatio(c), 0, 10) &&
    within(KernelConfig.makerFeeBps(c), -10, 100) &&
    within(KernelConfig.as0Bps(c), 0, 50) &&
    within(KernelConfig.asDecayBps(c), 1, 1000) &&
    within(KernelConfig.latencyFloorS(c), 0, 60)
  );
}

function areModelsInRange(c: usize): bool {
  return (
    within(KernelConfig.bucketTargetS(c), 0.05, 600) &&
    within(KernelConfig.windowS(c), 1, 86400) &&
    within(KernelConfig.halfLifeFast(c), 1, 1000) &&
    within(KernelConfig.halfLifeMedium(c), 1, 1000) &&
    within(KernelConfig.halfLifeSlow(c), 1, 10000) &&
    within(KernelConfig.sigmaFloorBps(c), 1e-4, 1000) &&
    within(KernelConfig.sigmaCapBps(c), KernelConfig.sigmaFloorBps(c), 1000) &&
    within(KernelConfig.sigmaPriorBps(c), 1e-4, 1000) &&
    within(KernelConfig.arrivalPriorPerS(c), 1e-3, 100) &&
    within(KernelConfig.kappaMinPerBps(c), 1e-4, 100) &&
    within(KernelConfig.kappaMaxPerBps(c), KernelConfig.kappaMinPerBps(c), 100) &&
    within(
      KernelConfig.kappaPriorPerBps(c),
      KernelConfig.kappaMinPerBps(c),
      KernelConfig.kappaMaxPerBps(c),
    ) &&
    within(KernelConfig.kappaPriorCount(c), 0.1, 1e6) &&
    within(KernelConfig.kappaWindowBps(c), 0.1, 1000) &&
    within(KernelConfig.betaBook(c), -0.01, 0.01) &&
    within(KernelConfig.betaFlow(c), -0.01, 0.01) &&
    within(KernelConfig.microClampBps(c), 0, 50) &&
    within(KernelConfig.depthScaleBps(c), 0.1, 1000) &&
    within(KernelConfig.flowTauS(c), 0.01, 3600) &&
    within(KernelConfig.hawkesMu(c), 0, 1000) &&
    within(KernelConfig.hawkesAlphaSelf(c), 0, 1000) &&
    within(KernelConfig.hawkesAlphaCross(c), 0, 1000) &&
    within(KernelConfig.hawkesBeta(c), 0.01, 1000)
  );
}

/**
 * Takes a checked config. The first one starts the estimators from their priors; a later one changes parameters and keeps what
 * was learnt, so that a defence multiplier does not cost the warm-up.
 */
export function configTake(slot: usize, c: usize): void {
  memory.copy(slot, c, KERNEL_CONFIG_SIZE);
  const core = coreOf(slot);
  core.tick = 1 / pow10(KernelConfig.pxDecimals(c));
  core.lot = 1 / pow10(KernelConfig.szDecimals(c));
  core.wholeTicks = pow10(KernelConfig.pxDecimals(c));
  if (core.isConfigured == 0) startEstimators(slot, c, core);
}

function startEstimators(slot: usize, c: usize, core: Core): void {
  const variance = KernelConfig.sigmaPriorBps(c) * KernelConfig.sigmaPriorBps(c) * 1e-8;
  const dtS = KernelConfig.bucketTargetS(c);
  scaleReset(fastOf(slot), variance, dtS, SIGMA_PRIOR_RETURNS);
  scaleReset(mediumOf(slot), variance, dtS, SIGMA_PRIOR_RETURNS);
  scaleReset(slowOf(slot), variance, dtS, SIGMA_PRIOR_RETURNS);
  reachReset(reachOf(slot), KernelConfig.kappaPriorPerBps(c), KernelConfig.arrivalPriorPerS(c));
  clockOf(slot).threshold = 0;
  core.isConfigured = 1;
}

function pow10(n: i32): f64 {
  let v: f64 = 1;
  for (let i = 0; i < n; i++) v *= 10;
  return v;
}
