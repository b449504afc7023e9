/**
 * Arrival intensity of market orders, lambda(d) = A e^(-kappa d), from how deep they reach.
 *
 * Reach X of a market order = signed distance of its deepest fill from the mid before it. Child fills of one order (same
 * exchange stamp, same aggressor) are aggregated first: counted one by one, big orders would look like many shallow ones and
 * kappa would come out too high. Only X within the window [0, D] is used, and the likelihood knows it:
 *
 *     g(u) = 1/u - 1/(e^u - 1) = m,   u = kappa D,   m = mean(X)/D in (0, 1/2);   m >= 1/2: kappa_min;   m = 0: kappa_max
 *
 * | symbol | argument | unit                                                 |
 * |--------|----------|------------------------------------------------------|
 * | kappa  | result   | 1 / (unit of distance); the live kernel uses 1 / bps |
 * | A      | result   | market orders per second and side                    |
 *
 * A prior enters as observations at its own expected truncated mean, so without trades the estimate is the prior. The published kappa follows
 * the estimate in logarithms, at most a factor of two an update. Allocates: nothing.
 * Source: Avellaneda & Stoikov (2008); models.md 4.1-4.7.
 */
import { clamp, Reach, SCRATCH, secondsBetween } from "./memory";

/** g(u): mean of the exponential with rate u truncated to [0, 1]. The direct form cancels below 0.1. */
export function truncatedMean(u: f64): f64 {
  if (u < 0.1) return 0.5 - u / 12 + (u * u * u) / 720 - (u * u * u * u * u) / 30240;
  const e = Math.exp(-u);
  return 1 / u - e / (1 - e);
}

function truncatedMeanSlope(u: f64): f64 {
  if (u < 0.1) return -1.0 / 12 + (u * u) / 240 - (u * u * u * u) / 6048;
  const e = Math.exp(-u);
  return -1 / (u * u) + e / ((1 - e) * (1 - e));
}

/** Solves g(u) = m; NaN when there is no positive solution. Newton, at most 4 steps for 1e-10. */
export function truncatedRate(m: f64): f64 {
  if (!(m > 0 && m < 0.5)) return NaN;
  let u = ((1 - 2 * m) / (m * (1 - m))) * (1 + 2 * m * (1 - m));
  for (let i = 0; i < 6; i++) {
    const step = (truncatedMean(u) - m) / truncatedMeanSlope(u);
    u = max(u - step, u * 0.1);
    if (abs(step) < 1e-12 * u) break;
  }
  return u;
}

/** kappa from `n` distances summing to `sum`, seen in a window of width `window`; NaN without data. */
export function kappaTruncated(n: f64, sum: f64, window: f64, lo: f64, hi: f64): f64 {
  if (!(n > 0)) return NaN;
  const m = sum / n / window;
  if (m <= 0) return hi;
  const u = truncatedRate(m);
  return isNaN(u) ? lo : clamp(u / window, lo, hi);
}

/** A from `n` orders in `exposureS`; `window` not finite: no truncation. NaN without exposure. */
export function arrivalRate(n: f64, exposureS: f64, kappa: f64, window: f64): f64 {
  if (!(exposureS > 0)) return NaN;
  return isFinite(window) ? n / (exposureS * -Math.expm1(-kappa * window)) : n / exposureS;
}

/** ln kappa <- (1-a) ln kappa + a ln obs, the observation limited to [kappa/step, kappa step]; a bad one changes nothing. */
export function kappaSmooth(kappa: f64, obs: f64, alpha: f64, maxStep: f64, lo: f64, hi: f64): f64 {
  if (!(obs > 0) || !isFinite(obs)) return kappa;
  const limited = clamp(obs, kappa / maxStep, kappa * maxStep);
  return clamp(kappa * Math.exp(alpha * Math.log(limited / kappa)), lo, hi);
}

// ---- live state ----

/** Weight of the arrival prior, in seconds of exposure. */
const ARRIVAL_PRIOR_S: f64 = 10;
const SMOOTH_ALPHA: f64 = 0.2;
const SMOOTH_STEP: f64 = 2;

export function reachReset(r: Reach, kappaPerBps: f64, arrivalPerS: f64): void {
  r.lastTs = 0;
  r.exposureS = ARRIVAL_PRIOR_S;
  r.liveS = 0;
  r.volume = 0;
  r.orders = 2 * arrivalPerS * ARRIVAL_PRIOR_S;
  r.n = 0;
  r.sumBps = 0;
  r.kappaPerBps = kappaPerBps;
  r.orderCount = 0;
  r.pendingTs = 0;
  r.pendingSide = 0;
  r.pendingBps = 0;
}

/** Moves the sums to `ts`: they fade over the window while exposure grows. The first call only starts the clock. */
export function reachAdvance(r: Reach, ts: i64, windowS: f64): void {
  if (r.lastTs == 0) {
    r.lastTs = ts;
    return;
  }
  const dt = secondsBetween(r.lastTs, ts);
  if (dt <= 0) return;
  const keep = Math.exp(-dt / windowS);
  r.exposureS = r.exposureS * keep + dt;
  r.liveS = r.liveS * keep + dt;
  r.volume *= keep;
  r.orders *= keep;
  r.n *= keep;
  r.sumBps *= keep;
  r.lastTs = ts;
}

/** Counts the pending order once its stamp is past. */
export function reachFlush(r: Reach, windowBps: f64): void {
  if (r.pendingSide == 0) return;
  if (r.pendingBps >= 0 && r.pendingBps <= windowBps) {
    r.n += 1;
    r.sumBps += r.pendingBps;
  }
  r.pendingSide = 0;
}

/**
 * Adds a fill of a market order. `reachBps` NaN: no mid was known before it. Returns true when it began a new order.
 * Call `reachAdvance` before.
 */
export function reachTrade(r: Reach, ts: i64, side: i32, sz: f64, reachBps: f64, windowBps: f64): bool {
  r.volume += sz;
  const reach = isNaN(reachBps) ? -1.0 : reachBps;
  if (r.pendingSide == <i64>side && r.pendingTs == ts) {
    r.pendingBps = max(r.pendingBps, reach);
    return false;
  }
  reachFlush(r, windowBps);
  r.pendingTs = ts;
  r.pendingSide = side;
  r.pendingBps = reach;
  r.orders += 1;
  r.orderCount += 1;
  return true;
}

/** Recomputes kappa from the decayed sums and the prior; once a bucket is often enough. */
export function reachEstimate(
  r: Reach,
  windowBps: f64,
  priorPerBps: f64,
  priorCount: f64,
  lo: f64,
  hi: f64,
): void {
  const priorSum = priorCount * windowBps * truncatedMean(priorPerBps * windowBps);
  const obs = kappaTruncated(r.n + priorCount, r.sumBps + priorSum, windowBps, lo, hi);
  r.kappaPerBps = kappaSmooth(r.kappaPerBps, obs, SMOOTH_ALPHA, SMOOTH_STEP, lo, hi);
}

/** A per side: orders of both sides over twice the exposure, within models.md 18's range. */
export function reachArrival(r: Reach): f64 {
  return clamp(r.orders / (2 * r.exposureS), 1e-3, 100);
}

export function reachVolumeRate(r: Reach): f64 {
  // Half a second at least: a first burst within one stamp is not a rate.
  return r.volume / max(r.liveS, 0.5);
}

// ---- batch entry points (golden/kappa.json): `count` f64 distances at scratch() + 4096 ----

/** Untruncated MLE: writes n, mean, kappa, stderr at `scratch()`; NaN = no value. */
export function kappaMle(count: i32, lo: f64, hi: f64): void {
  let n: f64 = 0,
    sum: f64 = 0;
  for (let i = 0; i < count; i++) {
    const x = load<f64>(SCRATCH + 4096 + ((<usize>i) << 3));
    if (!isFinite(x) || x < 0) continue;
    n += 1;
    sum += x;
  }
  const kappa = n > 0 ? (sum > 0 ? clamp(n / sum, lo, hi) : hi) : NaN;
  store<f64>(SCRATCH, n, 0);
  store<f64>(SCRATCH, n > 0 ? sum / n : NaN, 8);
  store<f64>(SCRATCH, kappa, 16);
  store<f64>(SCRATCH, sum > 0 ? n / sum / Math.sqrt(n) : NaN, 24);
}

/** Truncated MLE: writes n, raw kappa, kappa, stderr at `scratch()`; NaN = no value. */
export function kappaMleTruncated(count: i32, dMin: f64, dMax: f64, lo: f64, hi: f64): void {
  let n: f64 = 0,
    sum: f64 = 0;
  for (let i = 0; i < count; i++) {
    const x = load<f64>(SCRATCH + 4096 + ((<usize>i) << 3));
    if (!isFinite(x) || x < dMin || x > dMax) continue;
    n += 1;
    sum += x - dMin;
  }
  const window = dMax - dMin;
  const u = n > 0 ? truncatedRate(sum / n / window) : NaN;
  const raw = u / window;
  const e = Math.exp(-u);
  const information = 1 / (raw * raw) - (window * window * e) / ((1 - e) * (1 - e));
  store<f64>(SCRATCH, n, 0);
  store<f64>(SCRATCH, raw, 8);
  store<f64>(SCRATCH, kappaTruncated(n, sum, window, lo, hi), 16);
  store<f64>(SCRATCH, 1 / Math.sqrt(n * information), 24);
}

/** Gamma posterior of kappa: writes shape, rate, mean, sd at `scratch()`. The shape counts observations, never volume. */
export function kappaPosterior(count: i32, priorShape: f64, priorMean: f64): void {
  let shape = priorShape,
    rate = priorShape / priorMean;
  for (let i = 0; i < count; i++) {
    const x = load<f64>(SCRATCH + 4096 + ((<usize>i) << 3));
    if (!isFinite(x) || x < 0) continue;
    shape += 1;
    rate += x;
  }
  store<f64>(SCRATCH, shape, 0);
  store<f64>(SCRATCH, rate, 8);
  store<f64>(SCRATCH, shape / rate, 16);
  store<f64>(SCRATCH, shape / rate / Math.sqrt(shape), 24);
}

/** Units of kappa: 0 per fraction, 1 per bp, 2 per price unit, 3 per tick. */
export function kappaConvert(value: f64, fromUnit: i32, toUnit: i32, mid: f64, tick: f64): f64 {
  const perFraction = value * unitsPerFraction(fromUnit, mid, tick);
  return perFraction / unitsPerFraction(toUnit, mid, tick);
}

function unitsPerFraction(unit: i32, mid: f64, tick: f64): f64 {
  return unit == 1 ? 1e4 : unit == 2 ? mid : unit == 3 ? mid / tick : 1;
}
