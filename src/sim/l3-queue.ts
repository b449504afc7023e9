/**
 * The exact queue of an order-level recording: every recorded order by id, first in first out, and orders of ours standing among
 * them where they would have stood.
 *
 * An order of ours takes its place behind everything that the recording shows at its price. What is ahead then leaves by
 * its own cancels and executions, told one by one; nothing is estimated. Rules for a resting BUY of ours (a SELL mirrors them):
 *
 * 1. A recorded order shrinks: it keeps its place. Its price changes or its size grows (`Replace`): it goes to the tail.
 * 2. A recorded order behind ours (worse price, or the same price and later) is executed: by price–time priority that seller would
 *    have met us first, so we are filled first, up to the size executed. Unrealistic: nobody reacts to our having traded.
 * 3. What we took in this way the recorded order keeps in the market with us in it, ahead of our other orders behind it: such
 *    lots are owed (`owedAheadLots`) and the next sellers take them before those orders. So two of our orders never fill on
 *    the same lots, and a sweep that our best order shortened does not reach our worse one.
 * 4. An execution of an order that the recording does not know (hidden liquidity) at our price fills us only when nothing stands
 *    ahead: displayed size goes first.
 * 5. A recorded sell order comes to rest at or below our price: it would have traded with us, up to its size.
 *
 * Some recordings list an aggressor before its trades and tell the executions of both orders. An order that crosses the recorded book is
 * taken for such a one: what it meets is executed by the rules above, its own executions are not, and what is left of it when the book
 * is no longer crossed comes to rest (rule 5).
 *
 * Source: price–time priority; "queue position" as hftbacktest's L3 FIFO model defines it.
 */
import { OrderEventType } from "../abi/layout.js";
import { Side } from "../domain/index.js";
import type { BookOrder } from "./matching.js";
import type { RecordedSide } from "./recorded-side.js";

/** Fills up to `szLots` of an order of ours; @returns how much. At 0 left the order has gone from its list. */
export type FillPiece = (order: BookOrder, szLots: number) => number;

class RecordedOrder {
  side: Side = Side.Buy;
  pxTicks = 0;
  szLots = 0;
  /** Arrival number: lower stands ahead. */
  place = 0;
  /** It came in through the recorded book. */
  isAggressor = false;
  /** Of an aggressor: lots that it met less lots that it has told as its own executions. */
  metLots = 0;
}

interface QueueLevel {
  szLots: number;
  orders: number;
}

/** Thread: any (single owner). Allocates: an entry for a recorded order or price, pooled. */
export class L3Queue {
  private readonly orders = new Map<number, RecordedOrder>();
  private readonly bidLevels = new Map<number, QueueLevel>();
  private readonly askLevels = new Map<number, QueueLevel>();
  private readonly spareOrders: RecordedOrder[] = [];
  private readonly spareLevels: QueueLevel[] = [];
  /** The newest order that crosses the recorded book. */
  private aggressor: RecordedOrder | undefined;
  private lastPlace = 0;
  /** Between a clearing and the first event that is no Add: the orders told may all have been there before ours. */
  private isSnapshot = false;

  /**
   * @param ownBids our orders, best price first, then arrival; likewise the asks.
   * @param bids where the sums by price are displayed; likewise the asks.
   */
  constructor(
    private readonly ownBids: readonly BookOrder[],
    private readonly ownAsks: readonly BookOrder[],
    private readonly bids: RecordedSide,
    private readonly asks: RecordedSide,
  ) {}

  /** Recorded size at a price, lots. */
  levelLots(side: Side, pxTicks: number): number {
    return this.levelsOf(side).get(pxTicks)?.szLots ?? 0;
  }

  /** Recorded orders resting now. */
  get orderCount(): number {
    return this.orders.size;
  }

  /** Remaining size of a recorded order; 0 when it is not there. */
  szLotsOf(oid: number): number {
    return this.orders.get(oid)?.szLots ?? 0;
  }

  /** An order of ours joins the tail of its price. */
  seat(order: BookOrder): void {
    order.place = this.isSnapshot ? Number.POSITIVE_INFINITY : ++this.lastPlace;
    order.owedAheadLots = 0;
    order.queueAheadLots = this.levelLots(order.side, order.pxTicks);
  }

  /**
   * One recorded event. Reduce and Execute tell the lots that left; Replace the new price and size.
   * @returns lots that traded with recorded liquidity, 0 for anything but an execution; of an unknown order: `szLots`.
   */
  apply(
    type: OrderEventType,
    oid: number,
    side: Side,
    pxTicks: number,
    szLots: number,
    fill: FillPiece,
  ): number {
    if (type === OrderEventType.Clear) {
      this.clear();
      return 0;
    }
    if (type === OrderEventType.Add) {
      if (szLots > 0) this.add(oid, side, pxTicks, szLots, fill);
      return 0;
    }
    if (this.isSnapshot) this.endSnapshot();
    const order = this.orders.get(oid);
    switch (type) {
      case OrderEventType.Execute:
        if (order === undefined) {
          this.execute(side, pxTicks, Number.POSITIVE_INFINITY, szLots, fill);
          return szLots;
        }
        return this.executeOrder(oid, order, szLots, fill);
      case OrderEventType.Reduce:
        if (order !== undefined) this.leave(oid, order, Math.min(szLots, order.szLots));
        return 0;
      case OrderEventType.Delete:
        if (order !== undefined) this.leave(oid, order, order.szLots);
        return 0;
      case OrderEventType.Replace:
        if (order !== undefined) {
          const isShrunk = pxTicks === order.pxTicks && szLots <= order.szLots;
          if (isShrunk) {
            this.leave(oid, order, order.szLots - szLots);
            return 0;
          }
          this.leave(oid, order, order.szLots);
        }
        if (szLots > 0) this.add(oid, side, pxTicks, szLots, fill);
        return 0;
    }
    return 0;
  }

  /** The recording lost the market: our orders keep only what is owed before them, until the next snapshot is told. */
  clear(): void {
    for (const order of this.orders.values()) this.spareOrders.push(order);
    this.orders.clear();
    this.bidLevels.clear();
    this.askLevels.clear();
    this.bids.clear();
    this.asks.clear();
    this.isSnapshot = true;
    this.aggressor = undefined;
    for (const own of [this.ownBids, this.ownAsks]) {
      for (const o of own) {
        o.place = Number.POSITIVE_INFINITY;
        o.queueAheadLots = o.owedAheadLots;
      }
    }
  }

  private endSnapshot(): void {
    this.isSnapshot = false;
    for (const own of [this.ownBids, this.ownAsks]) {
      // In list order, so that ours keep their places among themselves.
      for (const o of own) if (o.place === Number.POSITIVE_INFINITY) o.place = ++this.lastPlace;
    }
  }

  private add(oid: number, side: Side, pxTicks: number, szLots: number, fill: FillPiece): void {
    const known = this.orders.get(oid);
    // Two orders never share an id: the newer word counts.
    if (known !== undefined) this.leave(oid, known, known.szLots);
    const opposite = side === Side.Buy ? this.asks : this.bids;
    const isAggressor = opposite.count > 0 && side * opposite.bestTicks <= side * pxTicks;
    if (!isAggressor && !this.isSnapshot)
      this.execute(-side as Side, pxTicks, Number.POSITIVE_INFINITY, szLots, fill);
    const order = this.spareOrders.pop() ?? new RecordedOrder();
    order.side = side;
    order.pxTicks = pxTicks;
    order.szLots = szLots;
    order.place = ++this.lastPlace;
    order.isAggressor = isAggressor;
    order.metLots = 0;
    if (isAggressor) this.aggressor = order;
    this.orders.set(oid, order);
    this.change(side, pxTicks, szLots, 1);
    if (!this.isSnapshot) return;
    const own = side === Side.Buy ? this.ownBids : this.ownAsks;
    for (const o of own) if (o.pxTicks === pxTicks) o.queueAheadLots += szLots;
  }

  /** Part of a recorded order goes without having traded, or after the trade has been told. */
  private leave(oid: number, order: RecordedOrder, szLots: number): void {
    const own = order.side === Side.Buy ? this.ownBids : this.ownAsks;
    for (const o of own) {
      if (order.side * o.pxTicks < order.side * order.pxTicks) break;
      if (o.pxTicks === order.pxTicks && o.place > order.place)
        o.queueAheadLots = Math.max(o.owedAheadLots, o.queueAheadLots - szLots);
    }
    this.shrink(oid, order, szLots);
  }

  private executeOrder(oid: number, order: RecordedOrder, szLots: number, fill: FillPiece): number {
    const traded = Math.min(szLots, order.szLots);
    const { aggressor } = this;
    if (order.isAggressor && (order.metLots >= traded || this.crosses(order))) {
      order.metLots -= traded;
      this.leave(oid, order, traded);
      return traded;
    }
    this.execute(order.side, order.pxTicks, order.place, traded, fill);
    this.shrink(oid, order, traded);
    if (aggressor !== undefined && aggressor.side !== order.side) {
      aggressor.metLots += traded;
      this.endAggression(aggressor, fill);
    }
    return traded;
  }

  private crosses(order: RecordedOrder): boolean {
    const { side, pxTicks } = order;
    const opposite = side === Side.Buy ? this.asks : this.bids;
    return opposite.count > 0 && side * opposite.bestTicks <= side * pxTicks;
  }

  /** The aggressor has met all that it could: the rest of it meets ours. */
  private endAggression(aggressor: RecordedOrder, fill: FillPiece): void {
    if (aggressor.szLots > 0 && this.crosses(aggressor)) return;
    this.aggressor = undefined;
    const restLots = aggressor.szLots - Math.max(0, aggressor.metLots);
    if (restLots > 0)
      this.execute(-aggressor.side as Side, aggressor.pxTicks, Number.POSITIVE_INFINITY, restLots, fill);
  }

  /** Rules 2 to 4: `szLots` of the recorded order with this place were executed. */
  private execute(side: Side, pxTicks: number, place: number, szLots: number, fill: FillPiece): void {
    const own = side === Side.Buy ? this.ownBids : this.ownAsks;
    let left = szLots;
    let taken = 0;
    let passed = 0;
    for (let i = 0; i < own.length; ) {
      const o = own[i]!;
      const better = side * (o.pxTicks - pxTicks);
      if (better < 0 && taken === 0) return;
      if (better < 0 || (better === 0 && o.place > place)) {
        // The recorded order stands ahead: it loses what we did not take from it, and owes what we did.
        if (better === 0) o.queueAheadLots -= szLots;
        o.owedAheadLots += taken;
        o.queueAheadLots = Math.max(o.owedAheadLots, o.queueAheadLots + taken);
        i++;
        continue;
      }
      const owed = Math.min(left, Math.max(0, o.owedAheadLots - passed));
      left -= owed;
      passed += owed;
      const paid = Math.min(o.owedAheadLots, passed);
      o.owedAheadLots -= paid;
      o.queueAheadLots -= paid;
      const isFirst = place !== Number.POSITIVE_INFINITY || better > 0 || o.queueAheadLots <= 0;
      if (left <= 0 || !isFirst) {
        i++;
        continue;
      }
      const filled = fill(o, Math.min(left, o.szLots));
      left -= filled;
      taken += filled;
      if (own[i] === o && (filled <= 0 || o.szLots <= 0)) i++;
    }
  }

  private shrink(oid: number, order: RecordedOrder, szLots: number): void {
    order.szLots -= szLots;
    const isGone = order.szLots <= 0;
    this.change(order.side, order.pxTicks, -szLots, isGone ? -1 : 0);
    if (!isGone) return;
    this.orders.delete(oid);
    if (this.aggressor === order) this.aggressor = undefined;
    this.spareOrders.push(order);
  }

  private change(side: Side, pxTicks: number, szLots: number, orders: number): void {
    const levels = this.levelsOf(side);
    let level = levels.get(pxTicks);
    if (level === undefined) {
      level = this.spareLevels.pop() ?? { szLots: 0, orders: 0 };
      level.szLots = 0;
      level.orders = 0;
      levels.set(pxTicks, level);
    }
    level.szLots += szLots;
    level.orders += orders;
    (side === Side.Buy ? this.bids : this.asks).update(pxTicks, level.szLots, level.orders);
    if (level.orders > 0) return;
    levels.delete(pxTicks);
    this.spareLevels.push(level);
  }

  private levelsOf(side: Side): Map<number, QueueLevel> {
    return side === Side.Buy ? this.bidLevels : this.askLevels;
  }
}
