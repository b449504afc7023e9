import type { Clock, Timers } from "./clock.js";

interface Item {
  atNs: number;
  seq: number;
  fn: (() => void) | undefined;
  /** One of a series: promises are not made to wait for it, and it is scheduled again before it runs. */
  readonly periodNs: number;
}

/**
 * A simulated clock with its timers: nothing happens but what was scheduled, in order of (time, sequence of scheduling).
 *
 * After each event every promise that it settled runs to its end before the next event, so that asynchronous code makes the
 * same progress at the same simulated time in every run. Times are integer nanoseconds since the start.
 */
export class VirtualTime implements Clock, Timers {
  private nowNs = 0;
  private seq = 0;
  /** A binary heap by (atNs, seq). */
  private readonly heap: Item[] = [];
  /** Of the first item; Infinity when there is none. */
  private headNs = Number.POSITIVE_INFINITY;
  /** Events run so far. */
  eventCount = 0;

  /** @param startWallMs what the wall clock says at the start. */
  constructor(readonly startWallMs: number) {}

  monoNs(): number {
    return this.nowNs;
  }

  wallMs(): number {
    return this.startWallMs + this.nowNs / 1e6;
  }

  /** Time of the next event, ns; Infinity when nothing is scheduled. */
  get nextNs(): number {
    return this.headNs;
  }

  after(delayMs: number, fn: () => void): () => void {
    return this.schedule(delayMs, fn, 0);
  }

  /** What an event of the series schedules for the moment of the next one comes after it. */
  every(periodMs: number, fn: () => void): () => void {
    return this.schedule(periodMs, fn, Math.max(1, Math.round(periodMs * 1e6)));
  }

  private schedule(delayMs: number, fn: () => void, periodNs: number): () => void {
    const atNs = this.nowNs + Math.max(0, Math.round(delayMs * 1e6));
    const item: Item = { atNs, seq: this.seq++, fn, periodNs };
    this.push(item);
    return () => {
      item.fn = undefined;
      if (item === this.heap[0]) this.dropCancelled();
    };
  }

  /**
   * Runs events up to and including a time, or until `isDone`.
   * @returns whether `isDone`; the clock then stands at the event that made it so, otherwise at `untilNs`.
   * @throws whatever an event throws.
   */
  async runUntil(untilNs: number, isDone: () => boolean = () => false): Promise<boolean> {
    for (;;) {
      if (isDone()) return true;
      if (this.nextNs > untilNs) {
        this.nowNs = Math.max(this.nowNs, untilNs);
        return false;
      }
      this.runNext();
      await settled();
    }
  }

  /**
   * Runs what is due up to and including a time without waiting for promises, as far as that is safe: it returns after a single
   * event that was scheduled once, because promises may hang on it. Periodic events run on; whatever promise one of them makes goes on
   * at the next wait.
   *
   * @returns true when the caller must `await settled()` before anything else happens; the clock stands at the last event run.
   */
  runDue(untilNs: number): boolean {
    while (this.nextNs <= untilNs) {
      if (this.runNext().periodNs === 0) return true;
    }
    return false;
  }

  /** Sets the clock between two events. @throws {RangeError} When an event would be skipped or time would run back. */
  jumpTo(atNs: number): void {
    if (atNs < this.nowNs || atNs > this.nextNs)
      throw new RangeError(
        `virtual time: ${atNs} ns is not between ${this.nowNs} and the next event at ${this.nextNs}`,
      );
    this.nowNs = atNs;
  }

  runFor(ms: number): Promise<boolean> {
    return this.runUntil(this.nowNs + Math.round(ms * 1e6));
  }

  /**
   * Lets time pass until the promise is settled.
   * @throws what the promise throws, or {Error} when it is not settled within `maxMs` of simulated time.
   */
  async settle<T>(promise: Promise<T>, maxMs = 120_000): Promise<T> {
    let state: { readonly value: T } | { readonly error: unknown } | undefined;
    promise.then(
      (value) => {
        state = { value };
      },
      (error: unknown) => {
        state = { error };
      },
    );
    await settled();
    await this.runUntil(this.nowNs + maxMs * 1e6, () => state !== undefined);
    if (state === undefined) throw new Error(`not settled within ${maxMs} ms of simulated time`);
    if ("error" in state) throw state.error;
    return state.value;
  }

  private runNext(): Item {
    const { heap } = this;
    const item = heap[0]!;
    const { fn } = item;
    this.nowNs = item.atNs;
    this.eventCount++;
    if (item.periodNs > 0) {
      item.atNs += item.periodNs;
      item.seq = this.seq++;
      this.sink(item);
    } else {
      this.pop();
    }
    this.dropCancelled();
    fn?.();
    return item;
  }

  /** Keeps the head an event that will happen. */
  private dropCancelled(): void {
    const { heap } = this;
    while (heap.length > 0 && heap[0]!.fn === undefined) this.pop();
    this.headNs = heap.length > 0 ? heap[0]!.atNs : Number.POSITIVE_INFINITY;
  }

  private isBefore(a: Item, b: Item): boolean {
    return a.atNs < b.atNs || (a.atNs === b.atNs && a.seq < b.seq);
  }

  private push(item: Item): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(item);
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (!this.isBefore(item, heap[up]!)) break;
      heap[at] = heap[up]!;
      at = up;
    }
    heap[at] = item;
    if (at === 0) this.headNs = item.atNs;
  }

  /** Takes the head away. */
  private pop(): void {
    const last = this.heap.pop()!;
    if (this.heap.length > 0) this.sink(last);
  }

  /** Puts an item in the place of the head and lets it sink to where it belongs. */
  private sink(item: Item): void {
    const { heap } = this;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= heap.length) break;
      if (down + 1 < heap.length && this.isBefore(heap[down + 1]!, heap[down]!)) down++;
      if (!this.isBefore(heap[down]!, item)) break;
      heap[at] = heap[down]!;
      at = down;
    }
    heap[at] = item;
  }
}

/** Resolves when every promise reaction that waits has run: microtasks come before the next turn of the event loop. */
export const settled = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });

/** A clock that differs from another by a constant and by steps: another host's, or one that was set. */
export class OffsetClock implements Clock {
  /** Added to the wall clock; may be changed at any time. Monotonic time is not affected. */
  offsetMs = 0;

  constructor(private readonly base: Clock) {}

  monoNs(): number {
    return this.base.monoNs();
  }

  wallMs(): number {
    return this.base.wallMs() + this.offsetMs;
  }
}
