import { crc32 } from "node:zlib";
import type { WireTap } from "../venues/port.js";

const STREAMS = ["public", "private", "http"] as const;
const FIRST_CAPACITY = 4096;

/** A digest of each record that crosses the engine's boundary, so that two runs can be compared up to any moment. 12 bytes a record. */
export class JournalTrace implements WireTap {
  private monoNs = new Float64Array(FIRST_CAPACITY);
  private digests = new Uint32Array(FIRST_CAPACITY);
  count = 0;

  inbound(stream: (typeof STREAMS)[number], bytes: Uint8Array, monoNs: number): void {
    this.take(STREAMS.indexOf(stream), bytes, monoNs);
  }

  outbound(stream: (typeof STREAMS)[number], bytes: Uint8Array, monoNs: number): void {
    this.take(8 + STREAMS.indexOf(stream), bytes, monoNs);
  }

  private take(seed: number, bytes: Uint8Array, monoNs: number): void {
    if (this.count === this.digests.length) {
      const times = new Float64Array(2 * this.count);
      const digests = new Uint32Array(2 * this.count);
      times.set(this.monoNs);
      digests.set(this.digests);
      this.monoNs = times;
      this.digests = digests;
    }
    this.monoNs[this.count] = monoNs;
    this.digests[this.count++] = crc32(bytes, seed);
  }

  /** Records before that moment. */
  countBefore(untilNs: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.monoNs[middle]! < untilNs) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** ns of the first record before `untilNs` in which the two differ; undefined: there is none. */
  firstDifference(other: JournalTrace, untilNs: number): number | undefined {
    const mine = this.countBefore(untilNs);
    const theirs = other.countBefore(untilNs);
    const both = Math.min(mine, theirs);
    for (let i = 0; i < both; i++) {
      if (this.monoNs[i] !== other.monoNs[i] || this.digests[i] !== other.digests[i])
        return Math.min(this.monoNs[i]!, other.monoNs[i]!);
    }
    if (mine === theirs) return undefined;
    return mine > theirs ? this.monoNs[both]! : other.monoNs[both]!;
  }
}
