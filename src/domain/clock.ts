/**
 * The only two times a room may ask for. Entry files hand in an implementation; nothing else touches ambient clocks.
 */
export interface Clock {
  /** Nanoseconds since engine start, monotonic, one origin for all threads of an engine. */
  monoNs(): number;
  /** Milliseconds since the Unix epoch (wall clock; tape time in a backtest). */
  wallMs(): number;
}

/** Timers behind a seam, so that a simulated clock can drive them. */
export interface Timers {
  /** Calls `fn` once after `delayMs`; the returned function cancels it. */
  after(delayMs: number, fn: () => void): () => void;
  /** Calls `fn` every `periodMs`; the returned function stops it. */
  every(periodMs: number, fn: () => void): () => void;
}
