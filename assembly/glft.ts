/**
 * Optimal quotes around a fair price for a maker with inventory (Guéant–Lehalle–Fernandez-Tapia).
 *
 *     s0 = ln(1 + xi D/k)/(xi D)  -> 1/k          static half-spread
 *     G  = sigma sqrt( gamma/(2 A D k) (1 + xi D/k)^(1 + k/(xi D)) )  -> sigma sqrt(e gamma/(2 A D k))     slope per unit
 *     half-spread h = s0 + (D/2) G,  skew = q G:   bid = S - h - q G,  ask = S + h - q G
 *
 * | symbol    | unit (any one price unit P; the quoting kernel uses bps, D = 1 order)  |
 * |-----------|------------------------------------------------------------------------|
 * | gamma, xi | 1/(P inventory): price risk and execution risk                         |
 * | k         | 1/P                                                                    |
 * | A         | 1/second and side                                                      |
 * | sigma     | P/sqrt(second)                                                         |
 *
 * **Which form is quoted, and why.** With xi = gamma the log term falls as gamma rises, so that raising gamma in a cascade would
 * tighten a flat book: even the whole h is not monotone (models.md 5.7). We quote the xi = 0 member of the family: s0 = 1/kappa does
 * not know gamma, and G rises with its root. So the option a user raises (`risk_aversion`), a defence multiplier and sigma all
 * widen strictly, which the manual promises. Freezing a base gamma in the log term would have kept the defence monotone but not the
 * user's own option.
 *
 * Allocates: nothing. Source: Guéant, Lehalle, Fernandez-Tapia (2013); Guéant (2017) eq. 4.6-4.7; models.md 5.1-5.8.
 */
import { clamp, SCRATCH } from "./memory";

export function staticHalfSpread(xi: f64, k: f64, orderSz: f64): f64 {
  const x = (xi * orderSz) / k;
  return x > 0 ? Math.log1p(x) / (xi * orderSz) : 1 / k;
}

/** G, price per unit of inventory. xi = 0 gives the risk-neutral limit e. */
export function inventorySlope(gamma: f64, xi: f64, k: f64, a: f64, sigma: f64, orderSz: f64): f64 {
  const x = (xi * orderSz) / k;
  const growth = x > 1e-12 ? Math.exp((1 + 1 / x) * Math.log1p(x)) : Math.E;
  return sigma * Math.sqrt((gamma / (2 * a * orderSz * k)) * growth);
}

/** The horizon with which gamma sigma^2 T reproduces the asymptotic skew at the limit of `ordersToLimit` orders. */
export function equivalentHorizon(slope: f64, gamma: f64, sigma: f64, ordersToLimit: f64): f64 {
  return (ordersToLimit * slope) / (gamma * sigma * sigma);
}

/** Inventory skew of the operational form; `qRatio` = q/Qmax is clamped to [-1, 1]. */
export function inventorySkew(qRatio: f64, gamma: f64, sigma: f64, horizonS: f64): f64 {
  return clamp(qRatio, -1, 1) * gamma * sigma * sigma * horizonS;
}

/** Adverse selection expected at a depth: AS0 e^(-d/d0), bps. */
export function adverseSelection(as0: f64, d0: f64, depth: f64): f64 {
  return as0 * Math.exp(-depth / d0);
}

/**
 * Solves x = cost + AS0 e^(-x/d0): the half-spread that pays `cost` and the adverse selection met at itself. The left side minus
 * the right is increasing and concave, so Newton from `cost` climbs to the root; the root rises strictly with `cost`.
 */
export function depthPaying(cost: f64, as0: f64, d0: f64): f64 {
  let x = cost;
  for (let i = 0; i < 8; i++) {
    const as = adverseSelection(as0, d0, x);
    const step = (cost + as - x) / (1 + as / d0);
    x += step;
    if (step <= 1e-13 * x) break;
  }
  return x;
}

/**
 * Lowest half-spread that survives its own costs, bps: fee and half a tick, or the move expected over the latency,
 * E|move| = sigma sqrt(2 T/pi).
 */
export function halfSpreadFloor(feeBps: f64, tickBps: f64, sigmaClean: f64, latencyS: f64): f64 {
  return max(feeBps + tickBps / 2, sigmaClean * Math.sqrt((2 * latencyS) / Math.PI));
}

// ---- defence multipliers (models.md 7), for whoever sets gamma_mult and size_mult ----

/** 0 normal, 1 widen, 2 reduce size, 3 pull quotes, 4 kill switch; not a number pulls. */
export function cascadeAction(severity: f64): i32 {
  if (isNaN(severity)) return 3;
  return severity < 0.3 ? 0 : severity < 0.5 ? 1 : severity < 0.8 ? 2 : severity <= 0.95 ? 3 : 4;
}
export function cascadeGammaMult(action: i32): f64 {
  return action == 0 ? 1 : action == 1 ? 1.5 : action == 2 ? 2.5 : 5;
}
export function cascadeSizeMult(action: i32): f64 {
  return action < 2 ? 1 : action == 2 ? 0.5 : 0;
}
export function gammaVolMult(sigma: f64, sigmaBase: f64): f64 {
  const u = sigma / sigmaBase;
  return !(sigmaBase > 0) || !isFinite(u) ? 3 : clamp(u, 0.5, 3);
}
export function gammaToxicityMult(toxicity: f64): f64 {
  return !isFinite(toxicity) ? 2 : 1 + clamp((toxicity - 0.3) / 0.7, 0, 1);
}
export function gammaInventoryMult(qRatio: f64): f64 {
  if (!isFinite(qRatio)) return 2;
  const q = min(abs(qRatio), 1);
  return 1 + q * q;
}
export function gammaEffective(gammaBase: f64, vol: f64, toxicity: f64, inventory: f64, tail: f64): f64 {
  return clamp(gammaBase * vol * toxicity * inventory * tail, 0.01, 10);
}

// ---- batch entry points (golden/glft.json): results as f64 at scratch() ----

/**
 * Manual form in fractions: delta = ln(1 + gamma/kappa)/gamma, skew = q/Qmax gamma sigma^2 T; writes delta, skew, bid, ask.
 * Returns -1 for invalid input (nothing written), 0 when not quotable, else bit 1 = bid enabled, bit 2 = ask enabled.
 */
export function operationalQuote(
  gamma: f64,
  kappa: f64,
  sigma: f64,
  horizonS: f64,
  q: f64,
  qMax: f64,
  fair: f64,
): i32 {
  const sum = gamma + kappa + sigma + horizonS + q + qMax + fair;
  if (!isFinite(sum) || !(kappa > 0) || gamma < 0 || sigma < 0 || horizonS < 0 || !(qMax > 0) || !(fair > 0))
    return -1;
  const delta = staticHalfSpread(gamma, kappa, 1);
  const skew = inventorySkew(q / qMax, gamma, sigma, horizonS);
  const bid = fair * (1 - delta - skew);
  const ask = fair * (1 + delta - skew);
  store<f64>(SCRATCH, delta, 0);
  store<f64>(SCRATCH, skew, 8);
  store<f64>(SCRATCH, bid, 16);
  store<f64>(SCRATCH, ask, 24);
  if (!(bid > 0) || !(ask > bid)) return 0;
  return (q < qMax ? 1 : 0) | (q > -qMax ? 2 : 0);
}

/** Closed-form approximation with drift and post-fill impact; writes s0, slope, half-spread, skew, delta bid, delta ask. */
export function asymptoticQuote(
  gamma: f64,
  xi: f64,
  k: f64,
  a: f64,
  sigma: f64,
  orderSz: f64,
  q: f64,
  drift: f64,
  impact: f64,
): void {
  const s0 = staticHalfSpread(xi, k, orderSz);
  const slope = inventorySlope(gamma, xi, k, a, sigma, orderSz) * Math.exp((k * impact) / 4);
  const half = s0 + (orderSz / 2) * slope + impact / 2;
  const skew = (drift == 0 ? q : q - drift / (gamma * sigma * sigma)) * slope;
  store<f64>(SCRATCH, s0, 0);
  store<f64>(SCRATCH, slope, 8);
  store<f64>(SCRATCH, half, 16);
  store<f64>(SCRATCH, skew, 24);
  store<f64>(SCRATCH, half + skew, 32);
  store<f64>(SCRATCH, half - skew, 40);
}

/** Avellaneda & Stoikov (2008); writes reservation price and half-spread. */
export function avellanedaStoikov(mid: f64, q: f64, gamma: f64, sigma: f64, timeLeftS: f64, k: f64): void {
  const risk = gamma * sigma * sigma * timeLeftS;
  store<f64>(SCRATCH, mid - q * risk, 0);
  store<f64>(SCRATCH, risk / 2 + staticHalfSpread(gamma, k, 1), 8);
}
