import type { Clock, Cloid, CloidSequence, Timers } from "../domain/index.js";
import type { TripReason } from "../rings/index.js";
import type { Finding } from "../risk/index.js";
import type { FillEvent, OrderGateway } from "../venues/port.js";
import type { AddressBudget } from "./budget.js";
import type { Desk } from "./desk.js";
import type { OrderBook } from "./order-book.js";

export type LogLevel = "debug" | "info" | "warn" | "error";
export type ExecutorLog = (level: LogLevel, event: string, fields: Readonly<Record<string, unknown>>) => void;

/** The kill latch as the executor needs it; `rings/KillLatch` is one. */
export interface KillSwitch {
  isTripped(): boolean;
  trip(reason: TripReason): boolean;
  reason(): number;
}

/** A latency sink; `rings/LatencyHistogram` is one. */
export interface LatencySink {
  record(ns: number): void;
}

export interface ExecutorLatency {
  /** Ladder seen → plan ready. */
  readonly executor?: LatencySink;
  readonly sign?: LatencySink;
  /** Receive time of the frame that caused the ladder → bytes handed to the socket. */
  readonly tickToWire?: LatencySink;
}

/** Position and profit of one asset at one moment. */
export interface PositionSnapshot {
  readonly asset: number;
  readonly coin: string;
  readonly posLots: number;
  readonly entryPx: number;
  readonly realizedPnlUsd: number;
  readonly unrealizedPnlUsd: number;
  readonly feesUsd: number;
  /** Received less paid. */
  readonly fundingUsd: number;
  /** Realised + unrealised − fees + funding since the session began. */
  readonly sessionPnlUsd: number;
  readonly peakPnlUsd: number;
  readonly volumeUsd: number;
  readonly midPx: number;
}

export interface ExecutorHooks {
  /** After each fill, and after the position was adopted or corrected. */
  onPosition?(position: PositionSnapshot): void;
  /** A fill that entered the position, in chain order: what the kernel is to be told. */
  onFill?(asset: number, fill: FillEvent): void;
  /** The worst finding of an asset changed its severity: multipliers of the kernel follow it. */
  onSeverity?(asset: number, finding: Finding): void;
  /** The latch was found tripped and the venue has confirmed that nothing of ours works (or the deadline passed). */
  onKilled?(report: StopReport): void;
  /** The venue's dead man's switch cancelled an order of ours. */
  onScheduledCancel?(exchMs: number): void;
  onNotice?(text: string): void;
}

export interface ExecutorCounters {
  /** Ladders that passed every gate and were compared with the working orders. */
  quotes: number;
  /** Of those, the ones that led to at least one request. */
  requotes: number;
  /** Handed to the gateway; refusals are counted apart. */
  ordersPlaced: number;
  ordersModified: number;
  /** Confirmed by the venue. */
  ordersCancelled: number;
  ordersRejected: number;
  /** Kept back by the pre-trade check. */
  ordersRefused: number;
  fills: number;
  volumeUsd: number;
  orphansCancelled: number;
  rateLimitErrors: number;
  unknowns: number;
  unknownsResolved: number;
  audits: number;
  auditDifferences: number;
  fillGaps: number;
  fillRepairs: number;
  /** Engine time at which the first order was known to rest; NaN before. */
  firstQuoteMs: number;
  /** Placements and changes that were not worth a request. */
  heldByBudget: number;
  /** Plans skipped because too many batches were unanswered. */
  heldByInFlight: number;
}

export const newCounters = (): ExecutorCounters => ({
  quotes: 0,
  requotes: 0,
  ordersPlaced: 0,
  ordersModified: 0,
  ordersCancelled: 0,
  ordersRejected: 0,
  ordersRefused: 0,
  fills: 0,
  volumeUsd: 0,
  orphansCancelled: 0,
  rateLimitErrors: 0,
  unknowns: 0,
  unknownsResolved: 0,
  audits: 0,
  auditDifferences: 0,
  fillGaps: 0,
  fillRepairs: 0,
  firstQuoteMs: Number.NaN,
  heldByBudget: 0,
  heldByInFlight: 0,
});

export interface RecoverReport {
  readonly orphansCancelled: number;
  /** Open orders of others on this account (no client id of ours): left alone. */
  readonly foreignOrders: number;
  /** Ours, but of a coin that this run does not trade: cannot be cancelled from here. */
  readonly strandedCoins: readonly string[];
  readonly accountValueUsd: number;
  readonly withdrawableUsd: number;
  readonly attempts: number;
}

export interface StopReport {
  /** The venue reported that none of our orders rests. */
  readonly isClean: boolean;
  /** True when the kill latch was tripped: the process must end with a non-zero code. */
  readonly isKilled: boolean;
  readonly killReason: number;
  readonly restingOrdersAtExit: number;
  readonly cancelAttempts: number;
  readonly elapsedMs: number;
  readonly positions: readonly PositionSnapshot[];
}

export interface ExecutorTimings {
  /** A batch without an answer for this long is of unknown fate. Default 3000. */
  readonly ackTimeoutMs: number;
  /** An order that the venue does not know this long after sending never arrived. Default 8000. */
  readonly unknownGraceMs: number;
  /** A closed order whose channels disagree for this long is asked for. Default 3000. */
  readonly settleMs: number;
  readonly cancelRetryMs: number;
  readonly auditEveryMs: number;
  /** A kept ladder older than this is not used for a late plan. */
  readonly ladderMaxAgeMs: number;
  /** No placement or change for this long after a rate-limit refusal. */
  readonly rateLimitPauseMs: number;
  /** `stop` gives up on the venue after this. */
  readonly stopDeadlineMs: number;
  /** A gap between two ticks longer than this is our own stall: it says nothing about the feed. */
  readonly stallMs: number;
}

export const DEFAULT_TIMINGS: ExecutorTimings = {
  ackTimeoutMs: 3_000,
  unknownGraceMs: 8_000,
  settleMs: 3_000,
  cancelRetryMs: 500,
  auditEveryMs: 5_000,
  ladderMaxAgeMs: 1_000,
  rateLimitPauseMs: 2_000,
  stopDeadlineMs: 15_000,
  stallMs: 1_000,
};

/** What the executor's parts share. One per executor; main thread only. */
export interface ExecutorContext {
  readonly gateway: OrderGateway;
  readonly latch: KillSwitch;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly cloids: CloidSequence;
  readonly log: ExecutorLog;
  readonly latency: ExecutorLatency;
  readonly timings: ExecutorTimings;
  readonly counters: ExecutorCounters;
  readonly book: OrderBook;
  readonly desks: readonly Desk[];
  readonly budget: AddressBudget;
  readonly deskOfCoin: ReadonlyMap<string, Desk>;
  /** Ours at the venue, unknown to the book: cancelled until the venue says that they are gone. */
  readonly orphans: Map<Cloid, Orphan>;
}

export interface Orphan {
  readonly asset: number;
  lastSentMonoNs: number;
  isInFlight: boolean;
}

export const sleep = (timers: Timers, ms: number): Promise<void> =>
  new Promise((resolve) => {
    timers.after(ms, resolve);
  });
