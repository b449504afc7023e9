import { attachSegment, createSegment, LINE_BYTES, LINE_WORDS } from "./segment.js";

/** Allocates heartbeats for `count` threads, all last seen at engine start. @throws {RangeError} When count is not 1..1024. */
export function createHeartbeats(count: number): SharedArrayBuffer {
  if (!Number.isInteger(count) || count < 1 || count > 1024) {
    throw new RangeError(`heartbeat count ${count} is not an integer in 1..1024`);
  }
  return createSegment("heartbeats", (1 + count) * LINE_BYTES, count);
}

const NS_PER_MS = 1e6;
const wrapMs = (monoNs: number): number => Math.floor(monoNs / NS_PER_MS) | 0;

/**
 * When each thread was last seen alive: one i32 of milliseconds a thread, on a line of its own, written by that thread only.
 *
 * Milliseconds in an i32 rather than f64 ns: an aligned f64 is not torn on x86-64 and arm64, but the JS memory model does not
 * promise it and Atomics take integers only. 1 ms is fine enough to declare a thread dead. The word wraps every 50 days and is
 * compared by difference, right for silences below 24 days.
 *
 * Thread: `beat` by the owner of the index, `ageNs` by any. Allocates: nothing.
 */
export class Heartbeats {
  readonly count: number;
  private readonly words: Int32Array;

  /** @throws {Error} When `sab` holds no heartbeats of this build. */
  constructor(sab: SharedArrayBuffer) {
    this.count = attachSegment("heartbeats", sab);
    this.words = new Int32Array(sab);
  }

  /** @throws {RangeError} When there is no such index. */
  beat(index: number, monoNs: number): void {
    const word = this.wordOf(index);
    const ms = wrapMs(monoNs);
    // Called on every turn of a spinning loop: store only when there is something new to say.
    if (this.words[word] !== ms) Atomics.store(this.words, word, ms);
  }

  /** Time since the last beat in ns, to 1 ms; since engine start when there was none. @throws {RangeError} When there is no such index. */
  ageNs(index: number, nowMonoNs: number): number {
    const ageMs = (wrapMs(nowMonoNs) - Atomics.load(this.words, this.wordOf(index))) | 0;
    // The owner may beat between our reading of the clock and of the word.
    return ageMs > 0 ? ageMs * NS_PER_MS : 0;
  }

  private wordOf(index: number): number {
    if (!(index >= 0 && index < this.count)) {
      throw new RangeError(`heartbeat index ${index} is outside 0..${this.count - 1}`);
    }
    return (1 + index) * LINE_WORDS;
  }
}
