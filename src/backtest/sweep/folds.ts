/**
 * Purged walk-forward validation: which time is for choosing, which for judging, and what lies between.
 *
 *     |— fold 1 ————————————|    |— fold 2 ————————————|    |— hold-out —|
 *     |— train —|gap|— test —|gap|— train —|gap|— test —|gap|— judged once —|
 *
 * Values are chosen by train parts and judged by the test part that follows. The gaps (embargo) keep what one part still
 * says about the next out of both. No choice of any kind sees the hold-out.
 */

/** Times are whole ms since the epoch, both ends included. */
export interface Part {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Fold {
  readonly train: Part;
  readonly test: Part;
}

export interface FoldPlan {
  readonly folds: readonly Fold[];
  readonly holdout: Part | undefined;
  readonly embargoMs: number;
}

export interface FoldOptions {
  readonly folds: number;
  /** Of a fold without its gap. */
  readonly trainShare: number;
  /** Default: a minute, but at most a fiftieth of the span. */
  readonly embargoMs?: number;
  /** Of the whole span, at its end; 0: none. */
  readonly holdoutShare: number;
}

const EMBARGO_MS = 60_000;
/** Below, estimators have hardly warmed up. */
export const PART_MIN_MS = 5_000;

/** @throws {RangeError} When the span is too short for the parts. */
export function planFolds(span: Part, o: FoldOptions): FoldPlan {
  const totalMs = span.toMs - span.fromMs;
  if (!(totalMs > 0)) throw new RangeError("the tape holds nothing of the time that was asked for");
  const embargoMs = Math.max(1, Math.floor(o.embargoMs ?? Math.min(EMBARGO_MS, totalMs / 50)));
  const holdoutMs = Math.floor(totalMs * o.holdoutShare);
  const endMs = o.holdoutShare > 0 ? span.toMs - holdoutMs - embargoMs : span.toMs;
  const foldMs = (endMs - span.fromMs - (o.folds - 1) * embargoMs) / o.folds;
  const trainMs = (foldMs - embargoMs) * o.trainShare;
  const folds = Array.from({ length: o.folds }, (_, k) => {
    const fromMs = Math.floor(span.fromMs + k * (foldMs + embargoMs));
    const trainEndMs = Math.floor(fromMs + trainMs);
    return {
      train: { fromMs, toMs: trainEndMs },
      test: {
        fromMs: trainEndMs + embargoMs,
        toMs: k === o.folds - 1 ? endMs : Math.floor(fromMs + foldMs),
      },
    };
  });
  const holdout = o.holdoutShare > 0 ? { fromMs: span.toMs - holdoutMs, toMs: span.toMs } : undefined;
  const parts = [...folds.flatMap((f) => [f.train, f.test]), ...(holdout === undefined ? [] : [holdout])];
  const shortestMs = Math.min(...parts.map((p) => p.toMs - p.fromMs));
  if (!(shortestMs >= PART_MIN_MS))
    throw new RangeError(
      `${(totalMs / 1000).toFixed(0)} s of tape in ${o.folds} folds with gaps of ${embargoMs / 1000} s leave a part of ` +
        `${(Math.max(0, shortestMs) / 1000).toFixed(1)} s, less than ${PART_MIN_MS / 1000} s: fewer folds, a shorter embargo or a longer tape`,
    );
  return { folds, holdout, embargoMs };
}
