/**
 * Bivariate Hawkes intensity of market buys and sells with one exponential kernel: orders excite orders.
 *
 *     lambda_m(t) = mu + alpha_self R_m + alpha_cross R_other,   R_n = sum over past events of type n of e^(-beta (t - t_j))
 *
 * O(1): R decays by e^(-beta dt) on any query, and grows by one with an event of its type. Left limit before the event.
 *
 * | symbol | argument             | unit     | domain                                            |
 * |--------|----------------------|----------|---------------------------------------------------|
 * | mu     | mu                   | 1/second | >= 0                                              |
 * | alpha  | alphaSelf, alphaCross| 1/second | jump of the intensity, >= 0                       |
 * | beta   | beta                 | 1/second | > 0                                               |
 * | rho    | spectral radius of alpha/beta | 1 | <= 0.95 enforced by scaling alpha, else explosive |
 *
 * Allocates: nothing. Source: Hawkes (1971); Ogata's recursion; models.md 9.1-9.3, 9.7.
 */
import { clamp, Hawkes, SCRATCH, secondsBetween } from "./memory";

const RHO_MAX: f64 = 0.95;

export function hawkesDecay(h: Hawkes, ts: i64, beta: f64): void {
  const dt = secondsBetween(h.lastTs, ts);
  if (dt > 0) {
    const keep = Math.exp(-beta * dt);
    h.buyR *= keep;
    h.sellR *= keep;
    h.lastTs = ts;
  }
}

export function hawkesExcite(h: Hawkes, ts: i64, side: i32, beta: f64): void {
  hawkesDecay(h, ts, beta);
  if (side > 0) h.buyR += 1;
  else h.sellR += 1;
}

export function intensity(mu: f64, alphaOwn: f64, own: f64, alphaOther: f64, other: f64): f64 {
  return mu + alphaOwn * own + alphaOther * other;
}

/** Spectral radius of the 2x2 branching matrix alpha/beta. */
export function branchingRadius(aa: f64, ab: f64, ba: f64, bb: f64, beta: f64): f64 {
  const trace = (aa + bb) / beta;
  const det = (aa * bb - ab * ba) / (beta * beta);
  return (trace + Math.sqrt(max(trace * trace - 4 * det, 0))) / 2;
}

/** Factor (<= 1) on every alpha that keeps the spectral radius at or below 0.95. */
export function stationaryScale(alphaSelf: f64, alphaCross: f64, beta: f64): f64 {
  const rho = branchingRadius(alphaSelf, alphaCross, alphaCross, alphaSelf, beta);
  return rho > RHO_MAX ? RHO_MAX / rho : 1;
}

// ---- batch entry points (golden/hawkes.json) ----

export function hawkesReset(): void {
  const h = changetype<Hawkes>(SCRATCH);
  h.lastTs = 0;
  h.buyR = 0;
  h.sellR = 0;
}

/**
 * Moves the batch state to `tS` and, for type 0 (buy) or 1 (sell), adds an event; -1 only decays. The stamp is folded in f64
 * because the vectors have seconds finer than a nanosecond grid allows to 1e-9.
 */
export function hawkesBatch(dtS: f64, eventType: i32, beta: f64): void {
  const h = changetype<Hawkes>(SCRATCH);
  const keep = Math.exp(-beta * max(dtS, 0));
  h.buyR *= keep;
  h.sellR *= keep;
  if (eventType == 0) h.buyR += 1;
  else if (eventType == 1) h.sellR += 1;
}

/** Intensity of the batch state for one type. */
export function hawkesIntensity(mu: f64, alphaFromBuy: f64, alphaFromSell: f64): f64 {
  const h = changetype<Hawkes>(SCRATCH);
  return intensity(mu, alphaFromBuy, h.buyR, alphaFromSell, h.sellR);
}

/** Mean intensity of type `m` = ((I - K)^-1 mu)_m; NaN when not stationary. */
export function hawkesMean(m: i32, mu0: f64, mu1: f64, aa: f64, ab: f64, ba: f64, bb: f64, beta: f64): f64 {
  if (branchingRadius(aa, ab, ba, bb, beta) >= 1) return NaN;
  const k00 = aa / beta,
    k01 = ab / beta,
    k10 = ba / beta,
    k11 = bb / beta;
  const det = (1 - k00) * (1 - k11) - k01 * k10;
  return m == 0 ? ((1 - k11) * mu0 + k01 * mu1) / det : ((1 - k00) * mu1 + k10 * mu0) / det;
}

/**
 * Liquidation detector: size-marked, univariate. Returns the excitation after `dtS` and a liquidation of notional `size`;
 * a bad size only decays. Intensity = mu + alpha * excitation.
 */
export function cascadeExcite(
  excitation: f64,
  dtS: f64,
  size: f64,
  sizeScale: f64,
  cap: f64,
  beta: f64,
): f64 {
  const e = excitation * Math.exp(-beta * max(dtS, 0));
  return isFinite(size) && size > 0 ? e + min(size / sizeScale, cap) : e;
}

/** Severity 0..1: how far the intensity stands above its base, 1 at `pullRatio` times. */
export function cascadeSeverity(intensityPerS: f64, mu: f64, pullRatio: f64): f64 {
  return clamp((intensityPerS / mu - 1) / (pullRatio - 1), 0, 1);
}
