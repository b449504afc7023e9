/**
 * One side of a recorded book: levels in typed arrays sorted so that the best is last, because that is where a market moves.
 *
 * Fed by whole books, by best-bid-offer updates or by single level changes; all three may be mixed.
 */
import type { Side } from "../domain/index.js";

/** Deeper levels are forgotten: nobody quotes there. */
const CAPACITY = 4096;
/** Of a full side. */
const KEPT = 3072;

export class RecordedSide {
  /**
   * Levels in the arrays. One that was taken away stays in its place with size 0 until the place is needed: deep levels come and go
   * at the same prices, and closing the gap each time would move half the book.
   */
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
    this.trim();
  }

  /** Puts a new best level in place: what was displayed better than it is gone, the same price gets the new size. */
  setBest(pxTicks: number, szLots: number, orders: number): void {
    const key = this.sign * pxTicks;
    while (this.count > 0 && this.sign * this.pxTicks[this.count - 1]! > key) this.count--;
    if (this.count === 0 || this.pxTicks[this.count - 1] !== pxTicks) {
      this.trim();
      this.insert(this.count, pxTicks);
    }
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
      this.szLots[i] = 0;
      if (i === this.count - 1) this.trim();
    }
  }

  /** Takes size off the best level, which goes when nothing is left. */
  takeBest(szLots: number): void {
    const i = this.count - 1;
    this.szLots[i] = Math.max(0, this.szLots[i]! - szLots);
    this.trim();
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
    let n = 0;
    for (let k = this.count - 1; k >= 0 && n < depth; k--) {
      if (this.szLots[k] === 0) continue;
      pxTicks[n] = this.pxTicks[k]!;
      szLots[n] = this.szLots[k]!;
      orders[n] = this.orders[k]!;
      n++;
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
    const { pxTicks: px, szLots: sz, orders } = this;
    let i = index;
    // A place whose level has gone serves again, on either side of where the price belongs.
    if (i > 0 && sz[i - 1] === 0) i--;
    if (i < this.count && sz[i] === 0) {
      px[i] = pxTicks;
      return i;
    }
    if (this.count === CAPACITY) {
      this.compact();
      i = this.indexOf(pxTicks);
      if (i === 0) return -1;
    }
    px.copyWithin(i + 1, i, this.count);
    sz.copyWithin(i + 1, i, this.count);
    orders.copyWithin(i + 1, i, this.count);
    px[i] = pxTicks;
    this.count++;
    return i;
  }

  /** The best level is never an empty one. */
  private trim(): void {
    while (this.count > 0 && this.szLots[this.count - 1] === 0) this.count--;
  }

  /** Closes the gaps, and forgets the deepest levels, so many at a time that it is not needed again soon. */
  private compact(): void {
    const { pxTicks: px, szLots: sz, orders } = this;
    let n = CAPACITY;
    let kept = 0;
    for (let i = this.count - 1; i >= 0 && kept < KEPT; i--) {
      if (sz[i] === 0) continue;
      n--;
      kept++;
      px[n] = px[i]!;
      sz[n] = sz[i]!;
      orders[n] = orders[i]!;
    }
    px.copyWithin(0, n, CAPACITY);
    sz.copyWithin(0, n, CAPACITY);
    orders.copyWithin(0, n, CAPACITY);
    this.count = kept;
  }
}
