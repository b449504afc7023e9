/**
 * Price–time matching on an integer grid with every order kept (an "L3" book).
 *
 * One FIFO queue per price; the taker sweeps from the best price and trades at each maker's limit. A partial fill keeps the
 * maker's place. The book knows nothing of accounts, money or time: owners are numbers, and what happens to them is told to
 * `MatchEvents` while the sweep runs.
 *
 * Source: reference/hyperliquid-api.md 8.3 (matching), 8.4 (self-trade prevention).
 */
import { Side } from "../domain/index.js";

/** A resting order as a book sees it. The exchange core extends it with what an account needs. */
export class BookOrder {
  prev: BookOrder | null = null;
  next: BookOrder | null = null;
  level: Level | null = null;
  /** Only used by the tape book: recorded size believed to stand before us at our price. */
  queueAheadLots = 0;
  /** Only used by the tape book: size displayed at our price when last seen, and traded there since. */
  displayedLots = 0;
  tradedLots = 0;
  /** Only used by the exact queue: arrival number among recorded orders, and see `L3Queue`, rule 3. */
  place = 0;
  owedAheadLots = 0;

  constructor(
    readonly oid: number,
    readonly owner: number,
    readonly side: Side,
    readonly pxTicks: number,
    /** Remaining size. */
    public szLots: number,
  ) {}
}

/** Told synchronously while a taker sweeps. A callback may remove or shrink other resting orders of the same book. */
export interface MatchEvents {
  /**
   * `szLots` traded at `pxTicks`. The maker's remaining size is already reduced, and at 0 it has left the book.
   * @param maker undefined: recorded liquidity of a replayed market, which has no owner here.
   */
  onMatch(maker: BookOrder | undefined, pxTicks: number, szLots: number): void;
  /**
   * Whether a resting order may trade `szLots` at its price. One that may not leaves the book and is told to `onRefused`.
   * Not asked of recorded liquidity.
   */
  canTrade?(maker: BookOrder, szLots: number): boolean;
  onRefused?(maker: BookOrder): void;
  /** A resting order of the taker's own owner was taken out instead of traded with. */
  onSelfTrade(resting: BookOrder): void;
}

/** The visible book, best first, in preallocated arrays. */
export interface BookView {
  readonly capacity: number;
  bidCount: number;
  askCount: number;
  readonly bidPxTicks: Float64Array;
  readonly bidSzLots: Float64Array;
  readonly bidOrders: Uint32Array;
  readonly askPxTicks: Float64Array;
  readonly askSzLots: Float64Array;
  readonly askOrders: Uint32Array;
}

export function bookView(capacity = 20): BookView {
  return {
    capacity,
    bidCount: 0,
    askCount: 0,
    bidPxTicks: new Float64Array(capacity),
    bidSzLots: new Float64Array(capacity),
    bidOrders: new Uint32Array(capacity),
    askPxTicks: new Float64Array(capacity),
    askSzLots: new Float64Array(capacity),
    askOrders: new Uint32Array(capacity),
  };
}

/** What the exchange core needs of a market's book; `L3Book` and `TapeBook` both are one. */
export interface MatchingBook {
  /** How much of a match of `szLots` trades in one print, 1..szLots; the rest follows at once. Left out: all of it. */
  cut?: ((szLots: number) => number) | undefined;
  /** 0 when the side is empty. */
  readonly bestBidTicks: number;
  readonly bestAskTicks: number;
  /** True when an order with this limit would trade (or meet its own owner) on arrival. */
  wouldMatch(side: Side, limitTicks: number): boolean;
  /** Sweeps the opposite side up to the limit; @returns what is left of `szLots`. */
  take(owner: number, side: Side, limitTicks: number, szLots: number, events: MatchEvents): number;
  /** Appends to the tail of its price. The caller has made sure that it does not cross. */
  rest(order: BookOrder): void;
  remove(order: BookOrder): void;
  /** Shrinks in place; the queue position stays. */
  reduce(order: BookOrder, szLots: number): void;
  view(out: BookView, depth: number): void;
}

/** One price of one side. */
export class Level {
  head: BookOrder | null = null;
  tail: BookOrder | null = null;
  szLots = 0;
  orderCount = 0;
  constructor(public pxTicks: number) {}
}

/** Levels of one side, sorted so that the best is last: taking the touch away is a pop. */
class BookSide {
  readonly levels: Level[] = [];

  constructor(private readonly sign: Side) {}

  get best(): Level | undefined {
    return this.levels[this.levels.length - 1];
  }

  /** Index of the level with this price, or where it belongs. */
  indexOf(pxTicks: number): number {
    const key = this.sign * pxTicks;
    let lo = 0;
    let hi = this.levels.length;
    // Most orders arrive near the touch, which is at the end: look there first.
    if (hi > 0 && this.sign * this.levels[hi - 1]!.pxTicks < key) return hi;
    while (lo < hi) {
      const mid = (lo + hi) >>> 1;
      if (this.sign * this.levels[mid]!.pxTicks < key) lo = mid + 1;
      else hi = mid;
    }
    return lo;
  }
}

/**
 * The order-by-order book.
 *
 * Deterministic: the same calls give the same fills. Cost: O(log levels) to place on a known price, O(1) to cancel on a
 * price that keeps other orders. Thread: any (single owner). Allocates: a level when a price is new (pooled).
 */
export class L3Book implements MatchingBook {
  private readonly bids = new BookSide(Side.Buy);
  private readonly asks = new BookSide(Side.Sell);
  private readonly spareLevels: Level[] = [];
  orderCount = 0;
  cut: ((szLots: number) => number) | undefined = undefined;

  get bestBidTicks(): number {
    return this.bids.best?.pxTicks ?? 0;
  }

  get bestAskTicks(): number {
    return this.asks.best?.pxTicks ?? 0;
  }

  wouldMatch(side: Side, limitTicks: number): boolean {
    const best = (side === Side.Buy ? this.asks : this.bids).best;
    return best !== undefined && side * best.pxTicks <= side * limitTicks;
  }

  take(owner: number, side: Side, limitTicks: number, szLots: number, events: MatchEvents): number {
    const opposite = side === Side.Buy ? this.asks : this.bids;
    let left = szLots;
    // The head is read anew on each turn because a callback may have changed the book.
    while (left > 0) {
      const level = opposite.best;
      if (level === undefined || side * level.pxTicks > side * limitTicks) break;
      const maker = level.head!;
      if (maker.owner === owner) {
        this.remove(maker);
        events.onSelfTrade(maker);
        continue;
      }
      const match = Math.min(left, maker.szLots);
      const traded = this.cut === undefined ? match : this.cut(match);
      if (events.canTrade?.(maker, traded) === false) {
        this.remove(maker);
        events.onRefused?.(maker);
        continue;
      }
      left -= traded;
      if (traded === maker.szLots) {
        this.remove(maker);
        maker.szLots = 0;
      } else {
        this.reduce(maker, maker.szLots - traded);
      }
      events.onMatch(maker, maker.pxTicks, traded);
    }
    return left;
  }

  rest(order: BookOrder): void {
    const side = order.side === Side.Buy ? this.bids : this.asks;
    const index = side.indexOf(order.pxTicks);
    let level = side.levels[index];
    if (level === undefined || level.pxTicks !== order.pxTicks) {
      level = this.spareLevels.pop() ?? new Level(0);
      level.pxTicks = order.pxTicks;
      if (index === side.levels.length) side.levels.push(level);
      else side.levels.splice(index, 0, level);
    }
    order.level = level;
    order.prev = level.tail;
    order.next = null;
    if (level.tail === null) level.head = order;
    else level.tail.next = order;
    level.tail = order;
    level.szLots += order.szLots;
    level.orderCount++;
    this.orderCount++;
  }

  remove(order: BookOrder): void {
    const level = order.level;
    if (level === null) return;
    if (order.prev === null) level.head = order.next;
    else order.prev.next = order.next;
    if (order.next === null) level.tail = order.prev;
    else order.next.prev = order.prev;
    order.prev = null;
    order.next = null;
    order.level = null;
    level.szLots -= order.szLots;
    level.orderCount--;
    this.orderCount--;
    if (level.orderCount === 0) {
      const side = order.side === Side.Buy ? this.bids : this.asks;
      const index = side.indexOf(level.pxTicks);
      if (index === side.levels.length - 1) side.levels.pop();
      else side.levels.splice(index, 1);
      level.szLots = 0;
      this.spareLevels.push(level);
    }
  }

  reduce(order: BookOrder, szLots: number): void {
    if (order.level !== null) order.level.szLots -= order.szLots - szLots;
    order.szLots = szLots;
  }

  view(out: BookView, depth: number): void {
    const n = Math.min(depth, out.capacity);
    out.bidCount = copyLevels(this.bids.levels, n, out.bidPxTicks, out.bidSzLots, out.bidOrders);
    out.askCount = copyLevels(this.asks.levels, n, out.askPxTicks, out.askSzLots, out.askOrders);
  }
}

function copyLevels(
  levels: readonly Level[],
  depth: number,
  pxTicks: Float64Array,
  szLots: Float64Array,
  orders: Uint32Array,
): number {
  const count = Math.min(depth, levels.length);
  for (let i = 0; i < count; i++) {
    const level = levels[levels.length - 1 - i]!;
    pxTicks[i] = level.pxTicks;
    szLots[i] = level.szLots;
    orders[i] = level.orderCount;
  }
  return count;
}
