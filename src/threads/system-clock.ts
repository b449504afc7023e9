import type { Clock, Timers } from "../domain/index.js";

/**
 * The ambient clock behind the `Clock` seam, for entry files only.
 *
 * All threads of an engine share one origin, `baseNs` (a `process.hrtime.bigint()` of the main thread): performance.now() has a
 * different origin per worker, so its distance to the base is measured once. No BigInt is made per reading.
 *
 * Thread: any. Allocates: nothing per call.
 */
export function systemClock(baseNs: bigint): Clock {
  const before = performance.now();
  const now = process.hrtime.bigint();
  const originNs = Number(now - baseNs) - ((before + performance.now()) / 2) * 1e6;
  return {
    monoNs: () => performance.now() * 1e6 + originNs,
    wallMs: () => Date.now(),
  };
}

export const systemTimers: Timers = {
  after(delayMs, fn) {
    const timer = setTimeout(fn, delayMs);
    return () => clearTimeout(timer);
  },
  every(periodMs, fn) {
    const timer = setInterval(fn, periodMs);
    return () => clearInterval(timer);
  },
};

/** The main thread's clock, with the origin that its other threads are told; `sinceProcessStartMs` is the age of the process at it. */
export function startClock(): { clock: Clock; baseNs: bigint; sinceProcessStartMs: number } {
  const baseNs = process.hrtime.bigint();
  return { clock: systemClock(baseNs), baseNs, sinceProcessStartMs: process.uptime() * 1000 };
}
