/** Real clock and timers for tests over sockets, and a clock that only the test moves. */
import type { Clock, Timers } from "../../src/domain/index.js";

const originNs = process.hrtime.bigint();

export const realClock: Clock = {
  monoNs: () => Number(process.hrtime.bigint() - originNs),
  wallMs: () => Date.now(),
};

export const realTimers: Timers = {
  after(delayMs, fn) {
    const t = setTimeout(fn, delayMs);
    return () => clearTimeout(t);
  },
  every(periodMs, fn) {
    const t = setInterval(fn, periodMs);
    return () => clearInterval(t);
  },
};

/** Time stands still until `advance`; timers fire in order of their due time, then of their creation. */
export class ManualTime implements Clock, Timers {
  private nowMs = 0;
  private queue: { dueMs: number; seq: number; fn: () => void; isOff: boolean }[] = [];
  private seq = 0;

  constructor(private readonly epochMs: number) {}

  monoNs(): number {
    return this.nowMs * 1e6;
  }

  wallMs(): number {
    return this.epochMs + this.nowMs;
  }

  after(delayMs: number, fn: () => void): () => void {
    const entry = { dueMs: this.nowMs + delayMs, seq: this.seq++, fn, isOff: false };
    this.queue.push(entry);
    return () => {
      entry.isOff = true;
    };
  }

  every(periodMs: number, fn: () => void): () => void {
    let stop = (): void => {};
    const again = (): void => {
      stop = this.after(periodMs, () => {
        again();
        fn();
      });
    };
    again();
    return () => stop();
  }

  advance(byMs: number): void {
    const endMs = this.nowMs + byMs;
    for (;;) {
      this.queue = this.queue.filter((e) => !e.isOff);
      const next = this.queue
        .filter((e) => e.dueMs <= endMs)
        .sort((a, b) => a.dueMs - b.dueMs || a.seq - b.seq)[0];
      if (next === undefined) break;
      next.isOff = true;
      this.nowMs = Math.max(this.nowMs, next.dueMs);
      next.fn();
    }
    this.nowMs = endMs;
  }
}
