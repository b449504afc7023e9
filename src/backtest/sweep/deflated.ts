/**
 * How much of a Sharpe ratio is the luck of the best of many.
 *
 * Source: Bailey & López de Prado (2014), "The Deflated Sharpe Ratio", J. Portfolio Management 40(5), eq. (1) and (2).
 */
import { type Moments, STEPS_A_DAY, sharpePerDay, sharpePerStep } from "./metrics.js";
import { normalCdf } from "./tpe.js";

const EULER = 0.5772156649015329;

export interface DeflatedSharpe {
  readonly trials: number;
  readonly sharpePerDay: number;
  /** What the best of so many trials without any skill would show, per day. */
  readonly expectedMaxPerDay: number;
  /** Probability that the true ratio is above what luck explains. */
  readonly probability: number;
}

/**
 * @param chosen Changes of the chosen one. @param all Changes of each trial, the chosen one among them.
 * @returns undefined when there is too little to say.
 */
export function deflatedSharpe(chosen: Moments, all: readonly Moments[]): DeflatedSharpe | undefined {
  const ratios = all.map(sharpePerStep);
  if (chosen.n < 10 || ratios.length < 2) return undefined;
  const mean = ratios.reduce((a, b) => a + b, 0) / ratios.length;
  const variance = ratios.reduce((s, r) => s + (r - mean) ** 2, 0) / (ratios.length - 1);
  const { expectedMax, probability } = deflate({
    ratio: sharpePerStep(chosen),
    steps: chosen.n,
    ...shape(chosen),
    trials: ratios.length,
    variance,
  });
  return {
    trials: ratios.length,
    sharpePerDay: sharpePerDay(chosen),
    expectedMaxPerDay: expectedMax * Math.sqrt(STEPS_A_DAY),
    probability,
  };
}

export interface DeflateInput {
  /** Sharpe ratio per step, and how many steps it is of. */
  readonly ratio: number;
  readonly steps: number;
  readonly skew: number;
  readonly kurtosis: number;
  readonly trials: number;
  /** Of the trials' ratios per step. */
  readonly variance: number;
}

/** @returns what the best of so many trials without skill shows per step, and the probability of being above it. */
export function deflate(i: DeflateInput): { readonly expectedMax: number; readonly probability: number } {
  const expectedMax =
    Math.sqrt(i.variance) *
    ((1 - EULER) * normalQuantile(1 - 1 / i.trials) + EULER * normalQuantile(1 - 1 / (i.trials * Math.E)));
  const spread = Math.sqrt(
    Math.max(1e-12, 1 - i.skew * i.ratio + ((i.kurtosis - 1) / 4) * i.ratio * i.ratio),
  );
  return {
    expectedMax,
    probability: normalCdf(((i.ratio - expectedMax) * Math.sqrt(i.steps - 1)) / spread),
  };
}

/** Skewness and (not excess) kurtosis. */
export function shape({ n, s1, s2, s3, s4 }: Moments): { skew: number; kurtosis: number } {
  const mean = s1 / n;
  const m2 = s2 / n - mean ** 2;
  if (m2 <= 1e-18) return { skew: 0, kurtosis: 3 };
  const m3 = s3 / n - (3 * mean * s2) / n + 2 * mean ** 3;
  const m4 = s4 / n - (4 * mean * s3) / n + (6 * mean ** 2 * s2) / n - 3 * mean ** 4;
  return { skew: m3 / m2 ** 1.5, kurtosis: m4 / m2 ** 2 };
}

/** Φ⁻¹ by bisection: cold, and as exact as Φ. */
export function normalQuantile(p: number): number {
  let [lo, hi] = [-10, 10];
  for (let i = 0; i < 80; i++) {
    const mid = (lo + hi) / 2;
    if (normalCdf(mid) < p) lo = mid;
    else hi = mid;
  }
  return (lo + hi) / 2;
}
