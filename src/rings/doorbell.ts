import type { Clock } from "../domain/index.js";
import { attachSegment, createSegment, LINE_BYTES, LINE_WORDS } from "./segment.js";

/**
 * How a thread waits for its rings and cells.
 *
 * | mode   | worker (`waitSync`)              | main (`MainPoller`)                                | hand-off     | idle CPU |
 * |--------|----------------------------------|----------------------------------------------------|--------------|----------|
 * | spin   | polls                            | `setImmediate` polling                             | below 1 µs   | a core   |
 * | hybrid | polls for ~30 µs, then futex     | `setImmediate` polling after work, then `waitAsync`| both         | none     |
 * | sleep  | futex                            | `waitAsync`                                        | 15..50 µs    | none     |
 */
export const WAIT_MODES = ["spin", "hybrid", "sleep"] as const;
export type WaitMode = (typeof WAIT_MODES)[number];

/**
 * Hybrid, because it is right on any machine. With more spinning threads than cores a spinner burns whole scheduler slices
 * (milliseconds) in which the thread it waits for cannot run; feed, kernel and main are already three on a two-core laptop.
 * A hybrid waiter gives its core back after some 30 µs without work, a fraction of a slice, so it can delay others by no more
 * than that, and while the market is busy it still answers at spin speed. Choose spin only with a core for each hot thread.
 */
export const DEFAULT_WAIT_MODE: WaitMode = "hybrid";

const EPOCH = LINE_WORDS;
const SLEEPERS = 2 * LINE_WORDS;
/**
 * Looks at the epoch before a hybrid waiter sleeps, or a spinning one returns to its loop: about 30 µs at 7 ns a look (measured),
 * roughly what falling asleep and being woken costs, so that guessing wrong costs at most twice the better choice.
 */
const SPIN_CHECKS = 4_000;

/** Allocates a doorbell. */
export function createDoorbell(): SharedArrayBuffer {
  return createSegment("doorbell", 3 * LINE_BYTES, 1);
}

/**
 * Tells one or more threads that there may be work. Any number of ringers and waiters.
 *
 * | line | word     | writer                    | meaning                                        |
 * |------|----------|---------------------------|------------------------------------------------|
 * | 1    | EPOCH    | ringers (atomic add)      | rings so far, i32, wraps; the futex word       |
 * | 2    | SLEEPERS | waiters (atomic add, sub) | how many sleep, or are about to                |
 *
 * The waiter's side, in this order:
 *
 *     const seen = bell.epoch();               // 1. before looking for work
 *     if (!drain()) bell.waitSync(mode, seen, 10);
 *
 * No wake-up can be lost. The ringer publishes, adds to EPOCH, then reads SLEEPERS. The waiter adds to SLEEPERS, then the
 * futex compares EPOCH with `seen`. All four are sequentially consistent, so either the ringer sees the sleeper and notifies
 * (the futex compares and enqueues under one lock, so a notification falls before the comparison, which then fails, or finds
 * the waiter queued), or the waiter sees the new EPOCH and does not sleep. A ring between `epoch()` and the wait is seen by the
 * comparison; a ring before `epoch()` came after its publish, so `drain` finds the work.
 * A thread that dies asleep leaves SLEEPERS too high: that costs a system call per ring, never a wake-up.
 */
export class Doorbell {
  private readonly words: Int32Array;

  /** @throws {Error} When `sab` is not a doorbell of this build. */
  constructor(sab: SharedArrayBuffer) {
    attachSegment("doorbell", sab);
    this.words = new Int32Array(sab);
  }

  /** Call after publishing. No system call while nobody sleeps. Thread: any. Allocates: nothing. */
  ring(): void {
    Atomics.add(this.words, EPOCH, 1);
    if (Atomics.load(this.words, SLEEPERS) !== 0) Atomics.notify(this.words, EPOCH);
  }

  /** Read it before looking for work and give it to the wait. */
  epoch(): number {
    return Atomics.load(this.words, EPOCH);
  }

  /**
   * Blocks until the bell was rung since `seenEpoch`, or the time is up. May return early: spin mode has no clock and returns
   * after a bounded number of looks (tens of µs), so that the caller's loop can beat its heart.
   * Thread: workers; on the main thread it would stop the event loop. Allocates: nothing.
   * @returns true when the bell was rung
   */
  waitSync(mode: WaitMode, seenEpoch: number, timeoutMs: number): boolean {
    if (mode !== "sleep") {
      for (let i = 0; i < SPIN_CHECKS; i++) {
        if (Atomics.load(this.words, EPOCH) !== seenEpoch) return true;
      }
      if (mode === "spin") return false;
    }
    Atomics.add(this.words, SLEEPERS, 1);
    Atomics.wait(this.words, EPOCH, seenEpoch, timeoutMs);
    Atomics.sub(this.words, SLEEPERS, 1);
    return this.epoch() !== seenEpoch;
  }

  /**
   * As `waitSync` in sleep mode, without blocking. A pending wait does not keep the process alive. Node keeps the timer of a wait
   * that was notified until its time is over, so time-outs should be short where wake-ups are many.
   * Thread: main. Allocates: promises, so only when there is nothing to do.
   */
  async waitAsync(seenEpoch: number, timeoutMs: number): Promise<boolean> {
    Atomics.add(this.words, SLEEPERS, 1);
    try {
      const wait = Atomics.waitAsync(this.words, EPOCH, seenEpoch, timeoutMs);
      if (wait.async) await wait.value;
    } finally {
      Atomics.sub(this.words, SLEEPERS, 1);
    }
    return this.epoch() !== seenEpoch;
  }
}

export interface MainPollerOptions {
  readonly mode: WaitMode;
  readonly clock: Pick<Clock, "monoNs">;
  /** Runs a function after the event loop has looked at its sockets: `setImmediate`. */
  readonly defer: (fn: () => void) => unknown;
  /** Hybrid: how long to go on polling after the last work. Default 300 µs. */
  readonly activeWindowNs?: number;
  /** Longest sleep: `drain` is called at least this often, rung or not. Default 50 ms. */
  readonly maxSleepMs?: number;
}

/**
 * Calls `drain` on the main thread whenever there may be work, according to the wait mode, and lets sockets and timers run
 * in between. `drain` returns true when it did anything (it may stop in the middle and is then called again soon).
 * An error thrown by `drain` ends the polling and surfaces as an uncaught exception or rejection, which trips the switch.
 */
export class MainPoller {
  private readonly activeWindowNs: number;
  private readonly maxSleepMs: number;
  /** Changes on every start and stop, so that a turn scheduled earlier knows that it is over. */
  private generation = 0;
  private running = false;
  private lastWorkMonoNs = 0;

  constructor(
    private readonly bell: Doorbell,
    private readonly drain: () => boolean,
    private readonly options: MainPollerOptions,
  ) {
    this.activeWindowNs = options.activeWindowNs ?? 300_000;
    this.maxSleepMs = options.maxSleepMs ?? 50;
  }

  /** Starts polling; `drain` is first called on a later turn of the event loop. */
  start(): void {
    if (this.running) return;
    this.running = true;
    this.lastWorkMonoNs = this.options.clock.monoNs();
    const generation = ++this.generation;
    const turn = (): void => {
      if (generation === this.generation) this.turn(turn);
    };
    this.options.defer(turn);
  }

  /** Stops polling; `drain` is not called again. */
  stop(): void {
    if (!this.running) return;
    this.running = false;
    this.generation++;
    this.bell.ring(); // ends a pending sleep, whose promise would linger
  }

  private turn(again: () => void): void {
    const { mode, defer, clock } = this.options;
    const seen = this.bell.epoch();
    const didWork = this.drain();
    if (!this.running) return;
    if (mode === "spin" || (didWork && mode === "sleep")) {
      defer(again);
      return;
    }
    if (mode === "hybrid") {
      const nowMonoNs = clock.monoNs();
      if (didWork) this.lastWorkMonoNs = nowMonoNs;
      if (didWork || nowMonoNs - this.lastWorkMonoNs < this.activeWindowNs) {
        defer(again);
        return;
      }
    }
    // Rung meanwhile: look again, but by way of the event loop. The wait would answer at once in a microtask, and a bell that
    // never rests would keep the sockets from being served.
    if (this.bell.epoch() !== seen) defer(again);
    else void this.bell.waitAsync(seen, this.maxSleepMs).then(again);
  }
}
