/**
 * Blocks: actions travel, wait in a mempool, and take effect together at block times.
 *
 *   sent ──network out──▶ mempool ──queue delay of its class──▶ block (multiple of `blockMs`) ──network back──▶ answer
 *
 * Within a block: class 1 (nothing that can take: Alo-only orders, actions that are no orders), then cancels, then class 3
 * (anything with a Gtc, Ioc or trigger order); within a class by arrival in the mempool, then by submission. Everything a
 * block causes carries its time. Takers wait longer (the venue's speed bump), so that a cancel sent with an Ioc beats it almost
 * always.
 *
 * Driven by exchange time alone: `submit` with the time of sending, `runUntil` with the time that has come. Deterministic: the
 * same seed and the same calls give the same order, whatever the speed.
 *
 * Source: reference/hyperliquid-api.md 8.1, 8.2.
 */
import { Rng } from "../domain/index.js";
import type { Action, OrderWire } from "./actions.js";

/** Ranks of reference 8.2; a smaller one goes first within a block. */
export type ActionClass = 1 | 2 | 3;

const isAlo = (order: OrderWire): boolean => "limit" in order.t && order.t.limit.tif === "Alo";

export function actionClass(action: Action): ActionClass {
  switch (action.type) {
    case "order":
      return action.orders.every(isAlo) ? 1 : 3;
    case "modify":
      return isAlo(action.order) ? 1 : 3;
    case "batchModify":
      return action.modifies.every((m) => isAlo(m.order)) ? 1 : 3;
    case "cancel":
    case "cancelByCloid":
      return 2;
    case "twapOrder":
      return 3;
    default:
      return 1;
  }
}

/** Uniform between the two, ms of exchange time; or whatever `sample` draws, which then lies between them. */
export interface DelayRange {
  readonly minMs: number;
  readonly maxMs: number;
  /** `atMs`: when the way begins, ms since the epoch. */
  readonly sample?: (rng: Rng, atMs: number) => number;
}

/** @param atMs when the way begins, ms since the epoch. */
export function drawMs({ minMs, maxMs, sample }: DelayRange, rng: Rng, atMs: number): number {
  if (sample !== undefined) return sample(rng, atMs);
  return maxMs <= minMs ? minMs : minMs + (maxMs - minMs) * rng.uniform();
}

export interface LatencyModel {
  /** From the client into the mempool. */
  readonly netOut: DelayRange;
  /** In the mempool before an action may enter a block, by class. */
  readonly queue: Readonly<Record<ActionClass, DelayRange>>;
  /** From the block to the client. */
  readonly netBack: DelayRange;
}

const NO_DELAY: DelayRange = { minMs: 0, maxMs: 0 };

export const NO_LATENCY: LatencyModel = {
  netOut: NO_DELAY,
  queue: { 1: NO_DELAY, 2: NO_DELAY, 3: NO_DELAY },
  netBack: NO_DELAY,
};

/** One and the same delay for every action. */
export const constantLatency = (delayMs: number): LatencyModel => ({
  ...NO_LATENCY,
  netOut: { minMs: delayMs, maxMs: delayMs },
});

/**
 * A client near the venue: about 0.2 s to the answer of a cancel; takers wait 100 to 200 ms longer (reference 8.1). The network's
 * spread is a little wider than the shortest wait: a cancel sent with an Ioc loses about once in a thousand times.
 */
export const VENUE_LATENCY: LatencyModel = {
  netOut: { minMs: 15, maxMs: 135 },
  queue: { 1: NO_DELAY, 2: NO_DELAY, 3: { minMs: 100, maxMs: 200 } },
  netBack: { minMs: 15, maxMs: 135 },
};

export const VENUE_BLOCK_MS = 70;

export interface BlockOptions {
  /** 0: no blocks; each action takes effect when its delays are over. */
  readonly blockMs: number;
  readonly latency: LatencyModel;
  readonly seed: number;
}

/** Takes effect at `blockMs` (exchange time), and returns how to answer; the answer is given after network back. */
export type BlockAction = (blockMs: number) => () => void;

interface Waiting {
  /** When it takes effect. */
  readonly dueMs: number;
  readonly rank: ActionClass;
  readonly arrivalMs: number;
  readonly seq: number;
  readonly run: BlockAction;
}

interface Answer {
  readonly dueMs: number;
  readonly seq: number;
  readonly give: () => void;
}

const actionOrder = (a: Waiting, b: Waiting): number =>
  a.dueMs - b.dueMs || a.rank - b.rank || a.arrivalMs - b.arrivalMs || a.seq - b.seq;
const answerOrder = (a: Answer, b: Answer): number => a.dueMs - b.dueMs || a.seq - b.seq;

/** Binary heap: the mempool can be deep when an accelerated client floods it. */
class Heap<T> {
  private readonly items: T[] = [];

  constructor(private readonly order: (a: T, b: T) => number) {}

  get size(): number {
    return this.items.length;
  }

  get first(): T | undefined {
    return this.items[0];
  }

  push(item: T): void {
    const { items, order } = this;
    let i = items.length;
    items.push(item);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (order(items[parent]!, item) <= 0) break;
      items[i] = items[parent]!;
      i = parent;
    }
    items[i] = item;
  }

  pop(): T | undefined {
    const { items, order } = this;
    const top = items[0];
    const last = items.pop();
    if (last === undefined || items.length === 0) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && order(items[child + 1]!, items[child]!) < 0) child++;
      if (order(last, items[child]!) <= 0) break;
      items[i] = items[child]!;
      i = child;
    }
    items[i] = last;
    return top;
  }
}

export class BlockScheduler {
  private readonly mempool = new Heap(actionOrder);
  private readonly answers = new Heap(answerOrder);
  private readonly outRng: Rng;
  private readonly queueRng: Rng;
  private readonly backRng: Rng;
  private seq = 0;
  /** Nothing may take effect before what already has. */
  private lastMs = Number.NEGATIVE_INFINITY;

  /** @param onBlockEnd called once after all actions of a block and the answers that go out without delay. */
  constructor(
    private readonly options: BlockOptions,
    private readonly onBlockEnd: (blockMs: number) => void = () => {},
  ) {
    const rng = new Rng(options.seed);
    this.outRng = rng.fork("network out");
    this.queueRng = rng.fork("queue");
    this.backRng = rng.fork("network back");
  }

  /** Hands in an action sent at `sentMs`. It never runs inside this call. */
  submit(rank: ActionClass, sentMs: number, run: BlockAction): void {
    const { latency, blockMs } = this.options;
    const arrivalMs = sentMs + drawMs(latency.netOut, this.outRng, sentMs);
    const readyMs = Math.max(arrivalMs + drawMs(latency.queue[rank], this.queueRng, arrivalMs), this.lastMs);
    let dueMs = readyMs;
    if (blockMs > 0) {
      dueMs = Math.ceil(readyMs / blockMs) * blockMs;
      // A block that has been made is closed.
      if (dueMs <= this.lastMs) dueMs += blockMs;
    }
    this.mempool.push({ dueMs, rank, arrivalMs, seq: this.seq++, run });
  }

  /** Exchange time of the next block with something in it or of the next answer; Infinity when nothing waits. */
  get nextDueMs(): number {
    return Math.min(
      this.mempool.first?.dueMs ?? Number.POSITIVE_INFINITY,
      this.answers.first?.dueMs ?? Number.POSITIVE_INFINITY,
    );
  }

  /** Actions that have not taken effect yet. */
  get pendingCount(): number {
    return this.mempool.size;
  }

  /** Makes every block and gives every answer that is due by `exchMs`, in order of time. */
  runUntil(exchMs: number): void {
    for (let dueMs = this.nextDueMs; dueMs <= exchMs; dueMs = this.nextDueMs) {
      // Answers first: what the next block does happens after they were sent.
      while (this.answers.first !== undefined && this.answers.first.dueMs <= dueMs)
        this.answers.pop()!.give();
      if (this.mempool.first?.dueMs === dueMs) this.makeBlock(dueMs);
    }
  }

  private makeBlock(blockMs: number): void {
    this.lastMs = blockMs;
    const now: (() => void)[] = [];
    // Actions submitted by a running one (blockMs 0) join the same moment, behind it.
    while (this.mempool.first?.dueMs === blockMs) {
      const give = this.mempool.pop()!.run(blockMs);
      const backMs = drawMs(this.options.latency.netBack, this.backRng, blockMs);
      if (backMs > 0) this.answers.push({ dueMs: blockMs + backMs, seq: this.seq++, give });
      else now.push(give);
    }
    for (const give of now) give();
    this.onBlockEnd(blockMs);
  }
}
