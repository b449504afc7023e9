/** A judged point. */
export interface Trial {
  readonly point: readonly number[];
  /** More is better; −∞ where nothing could be measured. */
  readonly score: number;
  /** How far constraints are broken, 0: not at all. A point without violation beats all with. */
  readonly violation: number;
}

/** Descending in what is better. */
export function compareTrials(a: Trial, b: Trial): number {
  if (a.violation !== b.violation) return a.violation - b.violation;
  return a.score === b.score ? 0 : b.score - a.score;
}
