/**
 * One side of a recorded book, addressed by price: sizes lie in a ring of ticks around the touch, with a bit for every price that
 * has one, so that a level is changed in a few nanoseconds however many there are. What lies further away is kept in a map.
 *
 * Fed by whole books, by best-bid-offer updates or by single level changes; all three may be mixed.
 */
import type { Side } from "../domain/index.js";

/** Ticks in the ring: of BTC at 0.1 more than 5 % of the price. A power of two, and a multiple of a word's bits. */
const SPAN = 32_768;
const MASK = SPAN - 1;
const WORDS = SPAN >> 5;
const WORD_MASK = WORDS - 1;
/** Of the ring, above the touch when it is placed anew: room for a market that improves. */
const HEADROOM = SPAN >> 2;
/** The ring follows the touch when fewer ticks than this are left below it. */
const FOOTROOM = SPAN >> 2;
/** Levels outside of the ring; beyond that the deepest are forgotten: nobody quotes there. */
const FAR_MAX = 16_384;
const FAR_KEPT = 12_288;

/** Numbers of a side in front of its arrays, f64 each. */
const Head = { Count: 0, BestLots: 1, BestKey: 2, DeepestKey: 3, LowKey: 4, FarCount: 5 } as const;
const HEAD_BYTES = 64;
/** A level: its size (f64) and its orders (u32) side by side, for they change together. */
const LEVEL_BYTES = 16;
const LEVELS_AT = HEAD_BYTES;
const BITS_AT = LEVELS_AT + SPAN * LEVEL_BYTES;
/** Words of a level's orders, u32, and where they are in it. */
const ORDERS_STRIDE = LEVEL_BYTES / 4;
const ORDERS_IN_LEVEL = 2;

/** What one side takes of the memory it is given; a multiple of 8. Its layout is known to assembly/recorded-side.ts, too. */
export const RECORDED_SIDE_BYTES = BITS_AT + WORDS * 4;

/** RECORDED_SIDE_BYTES of zeros at an offset that is a multiple of 8. */
interface Memory {
  readonly buffer: ArrayBufferLike;
  readonly byteOffset: number;
}

/** Where the two sides of a book lie. */
export interface SideMemory {
  readonly bids: Memory;
  readonly asks: Memory;
}

interface FarLevel {
  szLots: number;
  orders: number;
}

/**
 * Prices are kept as keys, `sign × ticks`, of which the greatest is the best. Everything within the ring lies in one piece of
 * memory, so that a kernel can work on the same book. Allocates: nothing within the ring.
 */
export class RecordedSide {
  private readonly head: Float64Array;
  /** By `key & MASK`; so are the two that follow. */
  private readonly szLots: Float64Array;
  private readonly orders: Uint32Array;
  /** A bit for each price with a size. */
  private readonly bits: Int32Array;
  /** By key. All of them are deeper than the ring. */
  private readonly far = new Map<number, FarLevel>();

  constructor(
    readonly sign: Side,
    memory: Memory = { buffer: new ArrayBuffer(RECORDED_SIDE_BYTES), byteOffset: 0 },
  ) {
    const { buffer, byteOffset } = memory;
    this.head = new Float64Array(buffer, byteOffset, HEAD_BYTES / 8);
    this.szLots = new Float64Array(buffer, byteOffset + LEVELS_AT, SPAN * 2);
    this.orders = new Uint32Array(buffer, byteOffset + LEVELS_AT, SPAN * ORDERS_STRIDE);
    this.bits = new Int32Array(buffer, byteOffset + BITS_AT, WORDS);
  }

  /** Levels with a size. */
  get count(): number {
    return this.head[Head.Count]!;
  }
  private set count(levels: number) {
    this.head[Head.Count] = levels;
  }

  /** Size of the best level; 0 when there is none. */
  get bestLots(): number {
    return this.head[Head.BestLots]!;
  }
  private set bestLots(lots: number) {
    this.head[Head.BestLots] = lots;
  }

  private get bestKey(): number {
    return this.head[Head.BestKey]!;
  }
  private set bestKey(key: number) {
    this.head[Head.BestKey] = key;
  }

  /** The deepest price shown since the side was last empty; deeper ones are unknown. */
  private get deepestKey(): number {
    return this.head[Head.DeepestKey]!;
  }
  private set deepestKey(key: number) {
    this.head[Head.DeepestKey] = key;
  }

  /** Key of the ring's lowest tick, a multiple of 32: no word is split where the ring wraps. */
  private get lowKey(): number {
    return this.head[Head.LowKey]!;
  }
  private set lowKey(key: number) {
    this.head[Head.LowKey] = key;
  }

  get bestTicks(): number {
    return this.count > 0 ? this.sign * this.bestKey : 0;
  }

  /** Replaces everything; levels come best first. */
  load(count: number, pxTicks: Float64Array, szLots: Float64Array, orders: Uint32Array): void {
    this.clear();
    for (let i = 0; i < count; i++) this.update(pxTicks[i]!, szLots[i]!, orders[i]!);
  }

  /** Puts a new best level in place: what was displayed better than it is gone, the same price gets the new size. */
  setBest(pxTicks: number, szLots: number, orders: number): void {
    const key = this.sign * pxTicks;
    while (this.count > 0 && this.bestKey > key) this.dropBest();
    this.update(pxTicks, szLots, orders);
  }

  /** One level's new total; 0 removes it. */
  update(pxTicks: number, szLots: number, orders: number): void {
    const key = this.sign * pxTicks;
    let place = key - this.lowKey;
    if (!(place >= 0 && place < SPAN)) {
      if (place < 0 && this.count > 0) {
        this.updateFar(key, szLots, orders);
        return;
      }
      if (!(szLots > 0)) return;
      this.moveTo(key);
      place = key - this.lowKey;
    }
    const slot = key & MASK;
    const before = this.szLots[slot * 2]!;
    if (szLots > 0) {
      this.szLots[slot * 2] = szLots;
      this.orders[slot * ORDERS_STRIDE + ORDERS_IN_LEVEL] = orders;
      if (before === 0) this.appear(key, slot);
      if (key === this.bestKey) this.bestLots = szLots;
    } else if (before > 0) {
      this.hide(slot);
      this.count--;
      if (key === this.bestKey) this.findBest();
    }
  }

  /** Takes size off the best level, which goes when nothing is left. */
  takeBest(szLots: number): void {
    const left = this.bestLots - szLots;
    if (left > 0) {
      this.szLots[(this.bestKey & MASK) * 2] = left;
      this.bestLots = left;
    } else if (this.count > 0) {
      this.dropBest();
    }
  }

  clear(): void {
    // Level by level: a book of twenty is not worth a walk over the whole ring.
    const inRing = this.count - this.far.size;
    for (let n = 0, key = this.bestKey; n < inRing; n++) {
      const next = n + 1 < inRing ? this.nextBelow(key) : key;
      this.hide(key & MASK);
      key = next;
    }
    if (this.far.size > 0) this.far.clear();
    this.head[Head.FarCount] = 0;
    this.count = 0;
    this.bestLots = 0;
  }

  /** Displayed size at a price; 0 where the display shows nothing; -1 where the price is deeper than the display. */
  displayedAt(pxTicks: number): number {
    const key = this.sign * pxTicks;
    if (this.count === 0 || key < this.deepestKey) return -1;
    const place = key - this.lowKey;
    if (place >= SPAN) return 0;
    return place >= 0 ? this.szLots[(key & MASK) * 2]! : (this.far.get(key)?.szLots ?? 0);
  }

  /** Copies the best levels out, best first. @returns how many. */
  copyTo(depth: number, pxTicks: Float64Array, szLots: Float64Array, orders: Uint32Array): number {
    const inRing = Math.min(depth, this.count - this.far.size);
    let key = this.bestKey;
    for (let n = 0; n < inRing; n++) {
      const slot = key & MASK;
      pxTicks[n] = this.sign * key;
      szLots[n] = this.szLots[slot * 2]!;
      orders[n] = this.orders[slot * ORDERS_STRIDE + ORDERS_IN_LEVEL]!;
      if (n + 1 < inRing) key = this.nextBelow(key);
    }
    if (inRing === depth || this.far.size === 0) return inRing;
    let n = inRing;
    for (const far of this.farKeys()) {
      if (n === depth) break;
      const level = this.far.get(far)!;
      pxTicks[n] = this.sign * far;
      szLots[n] = level.szLots;
      orders[n] = level.orders;
      n++;
    }
    return n;
  }

  private appear(key: number, slot: number): void {
    this.bits[slot >> 5]! |= 1 << (slot & 31);
    this.count++;
    if (this.count === 1) {
      this.bestKey = key;
      this.deepestKey = key;
    } else if (key > this.bestKey) this.bestKey = key;
    else if (key < this.deepestKey) this.deepestKey = key;
  }

  private dropBest(): void {
    this.hide(this.bestKey & MASK);
    this.count--;
    this.findBest();
  }

  /** The best level has gone. */
  private findBest(): void {
    if (this.count === 0) {
      this.bestLots = 0;
      return;
    }
    // Where only far levels are left, the ring goes to them.
    const isRingEmpty = this.count === this.far.size;
    const key = isRingEmpty ? this.farKeys()[0]! : this.nextBelow(this.bestKey);
    this.bestKey = key;
    if (this.far.size > 0 && key - this.lowKey < FOOTROOM) this.moveTo(key);
    this.bestLots = this.szLots[(key & MASK) * 2]!;
  }

  /** The next level in the ring that is worse than a key. There must be one. */
  private nextBelow(key: number): number {
    const slot = key & MASK;
    let word = slot >> 5;
    let bits = this.bits[word]! & ((1 << (slot & 31)) - 1);
    let base = key - (slot & 31);
    for (let i = 0; bits === 0; i++) {
      if (i > WORDS) throw new Error("recorded side: levels and count disagree");
      word = (word - 1) & WORD_MASK;
      base -= 32;
      bits = this.bits[word]!;
    }
    return base + 31 - Math.clz32(bits);
  }

  private updateFar(key: number, szLots: number, orders: number): void {
    const { far } = this;
    const level = far.get(key);
    if (!(szLots > 0)) {
      if (far.delete(key)) this.count--;
      this.head[Head.FarCount] = far.size;
      return;
    }
    if (level !== undefined) {
      level.szLots = szLots;
      level.orders = orders;
      return;
    }
    far.set(key, { szLots, orders });
    this.head[Head.FarCount] = far.size;
    this.count++;
    if (key < this.deepestKey) this.deepestKey = key;
    if (far.size > FAR_MAX) this.forgetDeepest();
  }

  private forgetDeepest(): void {
    const keys = this.farKeys();
    for (const key of keys.slice(FAR_KEPT)) this.far.delete(key);
    this.count -= keys.length - FAR_KEPT;
    this.deepestKey = keys[FAR_KEPT - 1]!;
    this.head[Head.FarCount] = FAR_KEPT;
  }

  /** Best first. */
  private farKeys(): number[] {
    return [...this.far.keys()].sort((a, b) => b - a);
  }

  /** Places the ring so that a price, the best from now on, lies in it with room on both sides. */
  private moveTo(key: number): void {
    const { far } = this;
    const low = Math.floor((key - (SPAN - HEADROOM)) / 32) * 32;
    const inRing = this.count - far.size;
    let at = this.bestKey;
    for (let n = 0; n < inRing; n++) {
      const next = n + 1 < inRing ? this.nextBelow(at) : at;
      if (at < low) {
        const slot = at & MASK;
        far.set(at, {
          szLots: this.szLots[slot * 2]!,
          orders: this.orders[slot * ORDERS_STRIDE + ORDERS_IN_LEVEL]!,
        });
        this.hide(slot);
      }
      at = next;
    }
    this.lowKey = low;
    for (const [farKey, level] of far) {
      if (farKey < low) continue;
      const slot = farKey & MASK;
      this.szLots[slot * 2] = level.szLots;
      this.orders[slot * ORDERS_STRIDE + ORDERS_IN_LEVEL] = level.orders;
      this.bits[slot >> 5]! |= 1 << (slot & 31);
      far.delete(farKey);
    }
    this.head[Head.FarCount] = far.size;
    if (far.size > FAR_MAX) this.forgetDeepest();
  }

  private hide(slot: number): void {
    this.szLots[slot * 2] = 0;
    this.bits[slot >> 5]! &= ~(1 << (slot & 31));
  }
}
