/**
 * One side of a recorded book: levels in typed arrays sorted so that the best is last, because that is where a market moves.
 *
 * Fed by whole books, by best-bid-offer updates or by single level changes; all three may be mixed.
 */
import type { Side } from "../domain/index.js";

/** Deeper levels are forgotten: nobody quotes there. */
const CAPACITY = 4096;
/** Fewer levels are moved faster one by one than by three calls of the runtime. */
const LONG_MOVE = 32;

export class RecordedSide {
  count = 0;
  private readonly pxTicks = new Float64Array(CAPACITY);
  private readonly szLots = new Float64Array(CAPACITY);
  private readonly orders = new Uint32Array(CAPACITY);

  constructor(readonly sign: Side) {}

  get bestTicks(): number {
    return this.count > 0 ? this.pxTicks[this.count - 1]! : 0;
  }

  get bestLots(): number {
    return this.count > 0 ? this.szLots[this.count - 1]! : 0;
  }

  /** Replaces everything; levels come best first. */
  load(count: number, pxTicks: Float64Array, szLots: Float64Array, orders: Uint32Array): void {
    const n = Math.min(count, CAPACITY);
    this.count = n;
    for (let i = 0; i < n; i++) {
      this.pxTicks[n - 1 - i] = pxTicks[i]!;
      this.szLots[n - 1 - i] = szLots[i]!;
      this.orders[n - 1 - i] = orders[i]!;
    }
  }

  /** Puts a new best level in place: what was displayed better than it is gone, the same price gets the new size. */
  setBest(pxTicks: number, szLots: number, orders: number): void {
    const key = this.sign * pxTicks;
    while (this.count > 0 && this.sign * this.pxTicks[this.count - 1]! > key) this.count--;
    if (this.count === 0 || this.pxTicks[this.count - 1] !== pxTicks) this.insert(this.count, pxTicks);
    this.szLots[this.count - 1] = szLots;
    this.orders[this.count - 1] = orders;
  }

  /** One level's new total; 0 removes it. */
  update(pxTicks: number, szLots: number, orders: number): void {
    const i = this.indexOf(pxTicks);
    const exists = i < this.count && this.pxTicks[i] === pxTicks;
    if (szLots > 0) {
      const at = exists ? i : this.insert(i, pxTicks);
      if (at < 0) return;
      this.szLots[at] = szLots;
      this.orders[at] = orders;
    } else if (exists) {
      this.close(i);
    }
  }

  /** Takes size off the best level, which goes when nothing is left. */
  takeBest(szLots: number): void {
    const i = this.count - 1;
    this.szLots[i]! -= szLots;
    if (this.szLots[i]! <= 0) this.count--;
  }

  clear(): void {
    this.count = 0;
  }

  /** Displayed size at a price; 0 where the display shows nothing; -1 where the price is deeper than the display. */
  displayedAt(pxTicks: number): number {
    const i = this.indexOf(pxTicks);
    if (i < this.count && this.pxTicks[i] === pxTicks) return this.szLots[i]!;
    return i === 0 ? -1 : 0;
  }

  /** Copies the best levels out, best first. @returns how many. */
  copyTo(depth: number, pxTicks: Float64Array, szLots: Float64Array, orders: Uint32Array): number {
    const n = Math.min(depth, this.count);
    for (let i = 0, k = this.count - 1; i < n; i++, k--) {
      pxTicks[i] = this.pxTicks[k]!;
      szLots[i] = this.szLots[k]!;
      orders[i] = this.orders[k]!;
    }
    return n;
  }

  /** Index of the level with this price, or where it belongs. */
  private indexOf(pxTicks: number): number {
    const key = this.sign * pxTicks;
    const { pxTicks: px, sign } = this;
    // Near the touch a few steps beat a search.
    let hi = this.count;
    for (let steps = 0; steps < 8; steps++, hi--) {
      if (hi === 0 || sign * px[hi - 1]! < key) return hi;
    }
    let lo = 0;
    while (lo < hi) {
      const mid = (lo + hi) >>> 1;
      if (sign * px[mid]! < key) lo = mid + 1;
      else hi = mid;
    }
    return lo;
  }

  /** Opens a place at an index. @returns it, or -1 when the level is too deep to be kept. */
  private insert(index: number, pxTicks: number): number {
    let i = index;
    if (this.count === CAPACITY) {
      if (i === 0) return -1;
      // The deepest level makes room.
      this.close(0);
      i--;
    }
    const { pxTicks: px, szLots: sz, orders } = this;
    if (this.count - i > LONG_MOVE) {
      px.copyWithin(i + 1, i, this.count);
      sz.copyWithin(i + 1, i, this.count);
      orders.copyWithin(i + 1, i, this.count);
    } else {
      for (let k = this.count; k > i; k--) {
        px[k] = px[k - 1]!;
        sz[k] = sz[k - 1]!;
        orders[k] = orders[k - 1]!;
      }
    }
    px[i] = pxTicks;
    this.count++;
    return i;
  }

  private close(i: number): void {
    const { pxTicks: px, szLots: sz, orders } = this;
    if (this.count - i > LONG_MOVE) {
      px.copyWithin(i, i + 1, this.count);
      sz.copyWithin(i, i + 1, this.count);
      orders.copyWithin(i, i + 1, this.count);
    } else {
      for (let k = i + 1; k < this.count; k++) {
        px[k - 1] = px[k]!;
        sz[k - 1] = sz[k]!;
        orders[k - 1] = orders[k]!;
      }
    }
    this.count--;
  }
}
