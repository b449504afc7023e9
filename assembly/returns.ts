/**
 * Returns of an asset as its market goes by, and the volatility that a quote sees.
 *
 * One return per closed volume bucket, of the mid (trade prices would carry the bid-ask bounce, s^2/2 a return), over exchange time.
 * Intervals too short to measure and unchanged mids are merged into the next return: the anchor stays, so neither variance nor
 * time is lost. The regime is measured against a level with a half-life of hours. Floor and cap are the configured ones.
 *
 * Allocates: nothing. Source: models.md 1.2, 1.5-1.8.
 */
import { KernelConfig } from "./layout";
import { clamp, fastOf, mediumOf, Returns, regimeOf, returnsOf, secondsBetween, slowOf } from "./memory";
import { regimeUpdate } from "./regime";
import { blendEffective, blendTotal, decayOf, jumpRatio, perSqrtSecond, scaleUpdate } from "./volatility";

/** Shorter intervals are merged into the next: r^2/dt is noise there. */
const MIN_RETURN_S: f64 = 0.05;
/** So many unchanged mids are merged into the next return, since a zero kills two bipower terms; then one counts. */
const MAX_ZERO_RUN: f64 = 3;
/** So many before a level is trusted. */
const MIN_RETURNS: f64 = 10;
/** Half-life of the level that the volatility regime is measured against. */
const BASE_HALF_LIFE_S: f64 = 7200;

/** True when a return was folded, false when it was merged into the next one. */
export function returnFold(slot: usize, ts: i64, px: f64): bool {
  const r: Returns = returnsOf(slot);
  if (!(r.anchorPx > 0)) {
    r.anchorPx = px;
    r.anchorTs = ts;
    return false;
  }
  const dtS = secondsBetween(r.anchorTs, ts);
  if (dtS < MIN_RETURN_S) return false;
  if (px == r.anchorPx && r.zeroRun < MAX_ZERO_RUN) {
    r.zeroRun += 1;
    return false;
  }
  const logRet = Math.log(px / r.anchorPx);
  scaleUpdate(fastOf(slot), logRet, dtS, decayOf(KernelConfig.halfLifeFast(slot)));
  scaleUpdate(mediumOf(slot), logRet, dtS, decayOf(KernelConfig.halfLifeMedium(slot)));
  scaleUpdate(slowOf(slot), logRet, dtS, decayOf(KernelConfig.halfLifeSlow(slot)));
  r.zeroRun = 0;
  r.count += 1;
  r.anchorPx = px;
  r.anchorTs = ts;
  return true;
}

export function regimeFold(slot: usize, ts: i64): void {
  const r = returnsOf(slot);
  if (r.count < MIN_RETURNS) return;
  const sigma = sigmaEffectiveBps(slot);
  const seen = r.count - MIN_RETURNS + 1;
  const dtS = r.baseTs > 0 ? secondsBetween(r.baseTs, ts) : 0;
  r.baseSigmaBps +=
    max(-Math.expm1((-dtS * Math.LN2) / BASE_HALF_LIFE_S), 1 / seen) * (sigma - r.baseSigmaBps);
  r.baseTs = ts;
  regimeUpdate(regimeOf(slot), sigma, r.baseSigmaBps, jumpRatioFast(slot));
}

// ---- volatility as the quote sees it, bps per sqrt(second), within the configured floor and cap ----

function bounded(slot: usize, fraction: f64): f64 {
  return clamp(fraction * 1e4, KernelConfig.sigmaFloorBps(slot), KernelConfig.sigmaCapBps(slot));
}
export function jumpRatioFast(slot: usize): f64 {
  return jumpRatio(fastOf(slot).rv, fastOf(slot).bv);
}
export function sigmaFastBps(slot: usize): f64 {
  return bounded(slot, perSqrtSecond(fastOf(slot).rv, fastOf(slot).dtS));
}
export function sigmaCleanBps(slot: usize): f64 {
  return bounded(slot, perSqrtSecond(slowOf(slot).bv, slowOf(slot).dtS));
}
export function sigmaTotalBps(slot: usize): f64 {
  return bounded(slot, sigmaTotal(slot));
}
export function sigmaEffectiveBps(slot: usize): f64 {
  const slow = slowOf(slot);
  return bounded(
    slot,
    blendEffective(perSqrtSecond(slow.bv, slow.dtS), sigmaTotal(slot), jumpRatioFast(slot)),
  );
}
function sigmaTotal(slot: usize): f64 {
  const fast = fastOf(slot);
  const slow = slowOf(slot);
  return blendTotal(perSqrtSecond(fast.rv, fast.dtS), perSqrtSecond(slow.rv, slow.dtS));
}
