/**
 * Remembers at least the last `CAPACITY` trades of an asset by the venue's key (time, tid), so that a replay after a
 * reconnect or a second connection counts nothing twice.
 *
 * Two hash tables used in turn: a full one becomes the old generation and the older one is emptied. Exact for the newest
 * `CAPACITY` trades, no deletion, no allocation.
 *
 * Keys are passed as arrays and an index: 32-bit words and doubles as arguments may be boxed.
 *
 * Thread: ingest. Allocates: nothing after construction.
 */
export const RECENT_CAPACITY = 2048;
const SLOTS = 4096;
const MASK = SLOTS - 1;
const FORGOTTEN = -1;

export class RecentTrades {
  private readonly timesMs = new Float64Array(2 * SLOTS);
  private readonly low = new Uint32Array(2 * SLOTS);
  private readonly high = new Uint32Array(2 * SLOTS);
  private base = 0;
  private used = 0;

  /** Slot of the new entry, or -1 when the trade is known. `timesMs[i]` must be positive. */
  add(timesMs: Float64Array, low: Uint32Array, high: Uint32Array, i: number): number {
    if (this.used >= RECENT_CAPACITY) {
      this.base ^= SLOTS;
      this.used = 0;
      this.timesMs.fill(0, this.base, this.base + SLOTS);
    }
    const hash = (Math.imul(low[i]! ^ Math.imul(high[i]!, 0x9e3779b1), 0x85ebca6b) >>> 15) & MASK;
    if (this.find(SLOTS - this.base, hash, timesMs, low, high, i) < 0) return -1;
    const slot = this.find(this.base, hash, timesMs, low, high, i);
    if (slot < 0) return -1;
    this.timesMs[slot] = timesMs[i]!;
    this.low[slot] = low[i]!;
    this.high[slot] = high[i]!;
    this.used++;
    return slot;
  }

  /** Takes back an `add` of the frame being decoded. */
  forget(slot: number): void {
    this.timesMs[slot] = FORGOTTEN;
  }

  /** First empty slot on the key's probe path in the table at `base`, or -1 when the key is there. */
  private find(
    base: number,
    hash: number,
    timesMs: Float64Array,
    low: Uint32Array,
    high: Uint32Array,
    i: number,
  ): number {
    for (let k = hash; ; k = (k + 1) & MASK) {
      const slot = base + k;
      const t = this.timesMs[slot]!;
      if (t === 0) return slot;
      if (t === timesMs[i]! && this.low[slot] === low[i]! && this.high[slot] === high[i]!) return -1;
    }
  }
}
