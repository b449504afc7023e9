/**
 * Volatility: realised and bipower variation of returns on the volume clock, scaled to time by the duration of the same
 * returns, blended over three half-lives.
 *
 *     rv <- rv + w (r^2 - rv)          bv <- bv + w ((pi/2)|r||r_prev| - bv)          dt <- dt + w (dt_i - dt)
 *     sigma_total = sqrt(rv / dt),  sigma_clean = sqrt(bv / dt)  per sqrt(second);     jump ratio = rv / bv
 *
 * Bipower variation multiplies each return by its neighbour, so one isolated jump does not enter squared. The ratio of means
 * stays right while the bucket size adapts, where "sigma per bucket times bucket rate" would not.
 *
 * | symbol | field, argument | unit                                          |
 * |--------|-----------------|-----------------------------------------------|
 * | r      | logRet          | natural-log return                            |
 * | dt_i   | dtS             | seconds of exchange time                      |
 * | w      | w               | 1/N with N <- lam N + 1 (bias-corrected mean) |
 * | sigma  | result          | fraction per sqrt(second)                     |
 *
 * Bias: a zero return kills two bipower terms, so zero returns are merged into the next one before they come here (`returns.ts`).
 * Two adjacent jumps do enter. Allocates: nothing.
 * Source: Barndorff-Nielsen & Shephard (2004); models.md 1.3-1.7.
 */
import { clamp, SCRATCH, Scale } from "./memory";

const HALF_PI: f64 = Math.PI / 2;
const JUMP_RATIO_CAP: f64 = 100;

/** Decay per observation for a half-life in observations: 2^(-1/h). The shortcut 1 - ln2/h is 7 % off at h = 5. */
export function decayOf(halfLife: f64): f64 {
  return Math.exp(-Math.LN2 / halfLife);
}

export function jumpRatio(rv: f64, bv: f64): f64 {
  if (rv <= 0) return 1;
  return bv <= 0 ? JUMP_RATIO_CAP : min(rv / bv, JUMP_RATIO_CAP);
}

/** Starts a scale from a prior variance rate worth `n` returns of `dtS` seconds. */
export function scaleReset(s: Scale, variancePerS: f64, dtS: f64, n: f64): void {
  s.rv = variancePerS * dtS;
  s.bv = s.rv;
  s.dtS = dtS;
  s.n = n;
  s.nBv = n;
  s.prevAbs = -1;
}

/** Folds one return. `lam` from `decayOf`. */
export function scaleUpdate(s: Scale, logRet: f64, dtS: f64, lam: f64): void {
  s.n = lam * s.n + 1;
  const w = 1 / s.n;
  s.rv += w * (logRet * logRet - s.rv);
  s.dtS += w * (dtS - s.dtS);
  const size = abs(logRet);
  if (s.prevAbs >= 0) {
    s.nBv = lam * s.nBv + 1;
    s.bv += (HALF_PI * size * s.prevAbs - s.bv) / s.nBv;
  }
  s.prevAbs = size;
}

/** Fraction per sqrt(second). */
export function perSqrtSecond(variation: f64, dtS: f64): f64 {
  return dtS > 0 && variation > 0 ? Math.sqrt(variation / dtS) : 0;
}

/** sigma_total of the blend: leans to the fast scale when it runs ahead of the slow one (models.md 1.7). */
export function blendTotal(sigmaFast: f64, sigmaSlow: f64): f64 {
  const w = sigmaSlow > 0 ? clamp((sigmaFast / sigmaSlow - 1) / 2, 0, 0.7) : 0;
  return (1 - w) * sigmaSlow + w * sigmaFast;
}

/** sigma_eff: the clean level without jumps, the total one with them. */
export function blendEffective(sigmaClean: f64, sigmaTotal: f64, jumpRatioFast: f64): f64 {
  const w = clamp(1 - 1 / max(jumpRatioFast, 1), 0, 0.85);
  return (1 - w) * sigmaClean + w * sigmaTotal;
}

// ---- batch entry points (golden/volatility.json) ----

/**
 * RV, BV, BV n/(n-1), jump ratio, relative jump, tripower quarticity and the Huang-Tauchen z of `count` prices at
 * `scratch() + 4096`; results as f64 at `scratch()`: n, rv, bv, bvAdj, jr, rj, tp, z. Bad prices are skipped; NaN = no value.
 */
export function realisedVariation(count: i32): void {
  const prices = SCRATCH + 4096;
  let n: f64 = 0,
    rv: f64 = 0,
    bv: f64 = 0,
    tp: f64 = 0,
    prevPx: f64 = 0,
    r1: f64 = 0,
    r2: f64 = 0;
  for (let i = 0; i < count; i++) {
    const px = load<f64>(prices + ((<usize>i) << 3));
    if (!isFinite(px) || px <= 0) continue;
    if (prevPx > 0) {
      const r = abs(Math.log(px / prevPx));
      n += 1;
      rv += r * r;
      if (n > 1) bv += HALF_PI * r * r1;
      if (n > 2) tp += Math.pow(r * r1 * r2, 4.0 / 3.0);
      r2 = r1;
      r1 = r;
    }
    prevPx = px;
  }
  const mu43 = 0.8308609250295592; // E|N|^(4/3) = 2^(2/3) Gamma(7/6)/Gamma(1/2)
  const adj = n > 1 ? (bv * n) / (n - 1) : NaN;
  const quarticity = n > 2 ? (n * (n / (n - 2)) * tp) / (mu43 * mu43 * mu43) : NaN;
  const hasTest = n > 2 && rv > 0 && bv > 0;
  const spread = (((Math.PI * Math.PI) / 4 + Math.PI - 5) / n) * max(1, quarticity / (adj * adj));
  store<f64>(SCRATCH, n, 0);
  store<f64>(SCRATCH, n > 0 ? rv : NaN, 8);
  store<f64>(SCRATCH, n > 1 ? bv : NaN, 16);
  store<f64>(SCRATCH, adj, 24);
  store<f64>(SCRATCH, n > 1 ? jumpRatio(rv, adj) : NaN, 32);
  store<f64>(SCRATCH, n > 1 ? (rv > 0 ? max(0, 1 - adj / rv) : 0) : NaN, 40);
  store<f64>(SCRATCH, quarticity, 48);
  store<f64>(SCRATCH, hasTest ? (1 - adj / rv) / Math.sqrt(spread) : NaN, 56);
}

/** Prepares scale `index` (0..2) of the batch; `variance` NaN: the first observation initialises. */
export function variationReset(index: i32, rv0: f64, bv0: f64, halfLife: f64): void {
  const s = changetype<Scale>(SCRATCH + <usize>index * 64);
  const full = 1 / (1 - decayOf(halfLife));
  scaleReset(s, 0, 1, 0);
  s.rv = isFinite(rv0) ? rv0 : 0;
  s.n = isFinite(rv0) ? full : 0;
  s.bv = isFinite(bv0) ? bv0 : 0;
  s.nBv = isFinite(bv0) ? full : 0;
}

/** Folds a return with the constant weight of the vectors (alpha, or 1 on the first); NaN is skipped. */
export function variationUpdate(index: i32, logRet: f64, halfLife: f64): void {
  const s = changetype<Scale>(SCRATCH + <usize>index * 64);
  if (!isFinite(logRet)) return;
  const lam = decayOf(halfLife);
  scaleUpdate(s, logRet, 1, lam);
  const full = 1 / (1 - lam);
  s.n = full;
  if (s.nBv > 0) s.nBv = full;
}

/** 0 rv, 1 bv, 2 jump ratio; NaN before the first term. */
export function variationValue(index: i32, field: i32): f64 {
  const s = changetype<Scale>(SCRATCH + <usize>index * 64);
  if (field == 0) return s.n > 0 ? s.rv : NaN;
  if (field == 1) return s.nBv > 0 ? s.bv : NaN;
  return s.nBv > 0 ? jumpRatio(s.rv, s.bv) : NaN;
}

/**
 * Variance per second from irregular stamps: v <- v + (1 - e^(-dt/tau)) (r^2/dt - v). Returns the new v, or `v` when the
 * stamp did not advance or a price is bad; NaN `v` is initialised by the first return.
 */
export function varianceRateUpdate(v: f64, prevPx: f64, px: f64, dtS: f64, tauS: f64): f64 {
  if (!(dtS > 0) || !(px > 0) || !(prevPx > 0) || !isFinite(px) || !isFinite(prevPx)) return v;
  const r = Math.log(px / prevPx);
  const rate = (r * r) / dtS;
  return isNaN(v) ? rate : v - Math.expm1(-dtS / tauS) * (rate - v);
}

/** Volatility over `seconds` from volatility per bucket. */
export function sigmaOver(sigmaPerBucket: f64, bucketsPerS: f64, seconds: f64): f64 {
  return sigmaPerBucket * Math.sqrt(bucketsPerS * seconds);
}
