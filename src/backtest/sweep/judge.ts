/**
 * Who wins: candidates are chosen by training time and compared on the time that follows. In-sample figures are shown beside
 * the others, never as a result.
 */
import { type DeflatedSharpe, deflatedSharpe } from "./deflated.js";
import { type Constraint, type Metrics, type Objective, pool } from "./metrics.js";
import type { Params } from "./space.js";

/** One candidate's measurements by fold. */
export interface Measured {
  readonly id: number;
  readonly params: Params;
  readonly train: readonly Metrics[];
  readonly test: readonly Metrics[];
  readonly error: string | undefined;
}

export interface Judged extends Measured {
  /** Objective by fold. */
  readonly inSample: readonly number[];
  readonly outOfSample: readonly number[];
  /** NaN when it could not trade. */
  readonly inSampleMean: number;
  readonly outOfSampleMedian: number;
  /** 0: all constraints are kept on training time. */
  readonly violation: number;
  /** Among the best of training time: competes on unseen time. */
  readonly isShortlisted: boolean;
}

export interface JudgeOptions {
  readonly objective: Objective;
  readonly constraints: readonly Constraint[];
  readonly shortlist: number;
}

/** So many compete at least, where there are so many. */
const SHORTLIST_MIN = 5;

export function judge(measured: readonly Measured[], o: JudgeOptions): Judged[] {
  const judged = measured.map((m) => {
    const hasFailed = m.error !== undefined;
    const inSample = hasFailed ? [] : m.train.map(o.objective.of);
    const outOfSample = hasFailed ? [] : m.test.map(o.objective.of);
    const all = pool(m.train);
    return {
      ...m,
      inSample,
      outOfSample,
      inSampleMean: mean(inSample),
      outOfSampleMedian: median(outOfSample),
      violation: hasFailed
        ? Number.POSITIVE_INFINITY
        : o.constraints.reduce((s, c) => s + c.violation(all), 0),
      isShortlisted: false,
    };
  });
  const eligible = judged.filter((j) => j.violation === 0).sort(byInSample);
  const listed = new Set(
    eligible.slice(0, Math.max(SHORTLIST_MIN, Math.ceil(o.shortlist * eligible.length))).map((j) => j.id),
  );
  return judged.map((j) => ({ ...j, isShortlisted: listed.has(j.id) }));
}

const byInSample = (a: Judged, b: Judged): number => b.inSampleMean - a.inSampleMean || a.id - b.id;

/** The best median on unseen time among the shortlisted. */
export const chooseWinner = (judged: readonly Judged[]): Judged | undefined =>
  ranked(judged).find((j) => j.isShortlisted);

/** Shortlisted first, then by the median on unseen time. */
export function ranked(judged: readonly Judged[]): Judged[] {
  const value = (j: Judged): number =>
    Number.isNaN(j.outOfSampleMedian) ? Number.NEGATIVE_INFINITY : j.outOfSampleMedian;
  return [...judged].sort(
    (a, b) =>
      Number(b.isShortlisted) - Number(a.isShortlisted) ||
      a.violation - b.violation ||
      value(b) - value(a) ||
      byInSample(a, b) ||
      0,
  );
}

/** What choosing by the past alone, fold by fold, would have made of the time that followed. */
export interface WalkForward {
  readonly steps: readonly {
    readonly fold: number;
    readonly chosen: number;
    readonly inSample: number;
    readonly outOfSample: number;
    /** Share of the candidates that did worse on the unseen part: 0.5 is chance. */
    readonly percentile: number;
  }[];
  readonly metrics: Metrics;
}

export function walkForward(judged: readonly Judged[]): WalkForward | undefined {
  const eligible = judged.filter((j) => j.violation === 0);
  const folds = eligible[0]?.inSample.length ?? 0;
  if (folds === 0) return undefined;
  const tests: Metrics[] = [];
  const steps = Array.from({ length: folds }, (_, k) => {
    const past = (j: Judged): number => mean(j.inSample.slice(0, k + 1));
    const best = eligible.reduce((a, b) => (past(b) > past(a) ? b : a));
    tests.push(best.test[k]!);
    const own = best.outOfSample[k]!;
    const worse = eligible.filter((j) => j.outOfSample[k]! < own).length;
    const same = eligible.filter((j) => j.outOfSample[k]! === own).length - 1;
    return {
      fold: k + 1,
      chosen: best.id,
      inSample: best.inSample[k]!,
      outOfSample: own,
      percentile: eligible.length > 1 ? (worse + same / 2) / (eligible.length - 1) : 0.5,
    };
  });
  return { steps, metrics: pool(tests) };
}

/** How well training time orders unseen time: Spearman's rank correlation; undefined below three candidates. */
export function rankCorrelation(judged: readonly Judged[]): number | undefined {
  const both = judged.filter((j) => !Number.isNaN(j.inSampleMean) && !Number.isNaN(j.outOfSampleMedian));
  if (both.length < 3) return undefined;
  const a = ranks(both.map((j) => j.inSampleMean));
  const b = ranks(both.map((j) => j.outOfSampleMedian));
  const centre = (both.length - 1) / 2;
  let [ab, aa, bb] = [0, 0, 0];
  a.forEach((x, i) => {
    const [da, db] = [x - centre, b[i]! - centre];
    ab += da * db;
    aa += da * da;
    bb += db * db;
  });
  return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : undefined;
}

/** 0-based; equal values share the mean of their ranks. */
function ranks(xs: readonly number[]): number[] {
  const order = xs.map((_, i) => i).sort((i, j) => xs[i]! - xs[j]!);
  const out = new Array<number>(xs.length);
  for (let i = 0; i < order.length; ) {
    let end = i;
    while (end + 1 < order.length && xs[order[end + 1]!] === xs[order[i]!]) end++;
    for (let k = i; k <= end; k++) out[order[k]!] = (i + end) / 2;
    i = end + 1;
  }
  return out;
}

/** The winner's Sharpe ratio on unseen time against the luck of the best of all candidates. */
export function luckOf(winner: Judged, judged: readonly Judged[]): DeflatedSharpe | undefined {
  const trials = judged.filter((j) => j.test.length > 0);
  return deflatedSharpe(
    pool(winner.test).changes,
    trials.map((j) => pool(j.test).changes),
  );
}

export const mean = (xs: readonly number[]): number =>
  xs.length === 0 ? Number.NaN : xs.reduce((a, b) => a + b, 0) / xs.length;

export function median(xs: readonly number[]): number {
  if (xs.length === 0) return Number.NaN;
  const sorted = [...xs].sort((a, b) => a - b);
  const at = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[at]! : (sorted[at - 1]! + sorted[at]!) / 2;
}
