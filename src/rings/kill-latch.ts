import { attachSegment, createSegment, LINE_BYTES, LINE_WORDS } from "./segment.js";

/** Why quoting was stopped for good. Values are journaled: append, never renumber. */
export const KillReason = {
  Armed: 0,
  Operator: 1,
  RiskLoss: 2,
  RiskDrawdown: 3,
  RiskPositionValue: 4,
  StaleData: 5,
  DeadThread: 6,
  FillGap: 7,
  KernelTrap: 8,
  UnhandledError: 9,
  ClockStep: 10,
  RateLimit: 11,
  Rejects: 12,
  OutOfReach: 13,
  RingOverflow: 14,
  VenueMismatch: 15,
  RiskMargin: 16,
  Liquidated: 17,
  NotAuthorised: 18,
} as const;
export type KillReason = (typeof KillReason)[keyof typeof KillReason];
export type TripReason = Exclude<KillReason, typeof KillReason.Armed>;

const TEXT: Readonly<Record<KillReason, string>> = {
  [KillReason.Armed]: "armed",
  [KillReason.Operator]: "stopped by the operator",
  [KillReason.RiskLoss]: "loss limit reached",
  [KillReason.RiskDrawdown]: "drawdown limit reached",
  [KillReason.RiskPositionValue]: "position value above its limit",
  [KillReason.StaleData]: "market data stale",
  [KillReason.DeadThread]: "a thread stopped beating",
  [KillReason.FillGap]: "fills may have been missed",
  [KillReason.KernelTrap]: "a kernel trapped",
  [KillReason.UnhandledError]: "unhandled error",
  [KillReason.ClockStep]: "the clock stepped",
  [KillReason.RateLimit]: "rate limit exhausted",
  [KillReason.Rejects]: "too many rejected orders",
  [KillReason.OutOfReach]: "venue out of reach",
  [KillReason.RingOverflow]: "a ring that must not drop was full",
  [KillReason.VenueMismatch]: "our records differ from the venue's",
  [KillReason.RiskMargin]: "margin too low",
  [KillReason.Liquidated]: "the venue liquidated a position",
  [KillReason.NotAuthorised]: "the venue does not accept the key",
};

/** One line of text for logs and status pages. */
export const killReasonText = (reason: KillReason): string => TEXT[reason] ?? `unknown reason ${reason}`;

const WORD = LINE_WORDS;

/** Allocates an armed latch: only a cold start arms. */
export function createLatch(): SharedArrayBuffer {
  return createSegment("kill latch", 2 * LINE_BYTES, 1);
}

/**
 * The kill switch: one word whose value *is* the reason, so that flag and reason cannot disagree. Written by any thread,
 * through compareExchange(Armed → reason) only: the first reason wins and no code path leads back.
 *
 * Thread: any. Allocates: nothing.
 */
export class KillLatch {
  private readonly words: Int32Array;

  /** @throws {Error} When `sab` is not a latch of this build. */
  constructor(sab: SharedArrayBuffer) {
    attachSegment("kill latch", sab);
    this.words = new Int32Array(sab);
  }

  /** @returns true when this call tripped the latch, false when it was tripped before. Never throws: a wrong reason trips too. */
  trip(reason: TripReason): boolean {
    // Someone who wants to stop must succeed, even with a number from an older journal or a bug.
    const known: KillReason =
      TEXT[reason] === undefined || (reason as number) === 0 ? KillReason.UnhandledError : reason;
    return Atomics.compareExchange(this.words, WORD, KillReason.Armed, known) === KillReason.Armed;
  }

  reason(): KillReason {
    return Atomics.load(this.words, WORD) as KillReason;
  }

  /** Read immediately before each outgoing placement or change. */
  isTripped(): boolean {
    return Atomics.load(this.words, WORD) !== KillReason.Armed;
  }
}
