/**
 * Where we stand in a queue that is only seen as a total: what a fall of the displayed size that no trade explains says about
 * the orders ahead of us and behind us.
 *
 * Source: reference/models.md 11.1; the probability models are those that hftbacktest documents (probability that a cancel was behind
 * us: f(behind) / (f(behind) + f(ahead))), so that results can be compared.
 */
export type QueueModelSpec =
  | { readonly kind: "risk-averse" }
  | { readonly kind: "power"; readonly n: number }
  | { readonly kind: "log" }
  /** What the orders of an order-level tape say themselves (`l3-queue.ts`). */
  | { readonly kind: "l3" };

export interface QueueModel {
  readonly description: string;
  /** Every recorded order is known: nothing is estimated, and records of single orders move the book. */
  readonly isExact?: boolean;
  /**
   * The level went from `beforeLots` to `afterLots` without trades.
   * @returns what stands ahead of us now; never more than `afterLots`, never more than `aheadLots`.
   */
  afterChange(aheadLots: number, beforeLots: number, afterLots: number): number;
}

/** Only trades move us forward; the display caps what can be ahead. */
const RISK_AVERSE: QueueModel = {
  description: "risk-averse: only trades move the queue",
  afterChange: (ahead, _before, after) => Math.min(ahead, after),
};

/** Where a tape of this model shows totals only, the conservative rule holds. */
const EXACT: QueueModel = {
  description: "l3: the queue as the recorded orders stand in it",
  isExact: true,
  afterChange: RISK_AVERSE.afterChange,
};

function proportional(description: string, f: (lots: number) => number): QueueModel {
  return {
    description,
    afterChange(ahead, before, after) {
      const fell = before - after;
      if (fell <= 0 || ahead === Number.POSITIVE_INFINITY) return Math.min(ahead, after);
      const behind = Math.max(0, before - ahead);
      const total = f(behind) + f(ahead);
      const pBehind = total > 0 ? f(behind) / total : 1;
      // What cannot have been behind us, because so much never was, was ahead.
      const left = ahead - (1 - pBehind) * fell + Math.min(0, behind - pBehind * fell);
      return Math.max(0, Math.min(left, after));
    },
  };
}

/** @throws {RangeError} When a parameter makes no model. */
export function queueModel(spec: QueueModelSpec): QueueModel {
  if (spec.kind === "risk-averse") return RISK_AVERSE;
  if (spec.kind === "l3") return EXACT;
  if (spec.kind === "log")
    return proportional("log: cancels behind with probability ln(1+b)/(ln(1+b)+ln(1+a))", Math.log1p);
  if (!(spec.n > 0 && spec.n <= 10)) throw new RangeError(`queue model power: n ${spec.n} is not in 0..10`);
  return proportional(`power ${spec.n}: cancels behind with probability b^n/(b^n+a^n)`, (x) => x ** spec.n);
}
