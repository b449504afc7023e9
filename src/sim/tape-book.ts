/**
 * The book of a replayed market: recorded liquidity that does not know about us, and client orders laid over it with a
 * queue position.
 *
 * Fill rules for a resting client BUY at price p (a SELL mirrors each of them), and what is unrealistic about each:
 *
 * 1. Queue. On arrival everything displayed at p stands before us (nothing if p improves the touch or falls between displayed
 *    prices; "everything and more" if p is deeper than the recording shows, until the price comes into view). What a
 *    fall of the displayed size without trades means is the queue model's to say (`queue-model.ts`); by default only trades
 *    move us forward and a displayed size smaller than our queue shortens it. Unrealistic then: cancels ahead of us never
 *    help, so fills come late (conservative).
 * 2. Print at p by a seller: the size first consumes the queue before us, then fills us. Unrealistic: the recorded maker who
 *    was really hit stays in the recording; the market does not react to our trade.
 * 3. Print below p by a seller: fills us at p up to the print's size, best price first, then time. Unrealistic: with us
 *    in the book, the seller might have stopped at our price and later prints might not exist.
 * 4. Best ask displayed at or below p: fills us at p up to the size displayed up to p. Unrealistic: a maker posting there
 *    would have been a taker or been refused as post-only; the real size that would have hit us is unknown.
 * 5. Prints by buyers never fill a buy, even below p. Unrealistic by omission (conservative): rule 4 catches most of them.
 * 6. A taker order takes the displayed levels at their prices, first come first served with client orders by queue place;
 *    what it took is gone until the next recorded event shows that side again. Unrealistic: no impact survives that event.
 *
 * A print's quantity is handed out once: two client orders never fill on the same lots. Prints marked as backlog (a replay of
 * old trades after the recorder connected) fill nobody. Recorded events older than the newest applied book are not applied.
 *
 * On order-level tapes the queue model `l3` replaces rules 1 to 4 by the recorded orders themselves: see `l3-queue.ts`. What rests is
 * then decided order by order (`applyOrder`); on the same tape any other model sees the sums and the prints (`applyOrder` too).
 *
 * Source: reference/models.md 11.1 (risk-averse queue); the hftbacktest practice of stating each rule.
 */
import { OrderEventType } from "../abi/layout.js";
import { Side } from "../domain/index.js";
import { L3Queue } from "./l3-queue.js";
import type { BookOrder, BookView, MatchEvents, MatchingBook } from "./matching.js";
import { type QueueModel, queueModel } from "./queue-model.js";
import { RecordedSide, type SideMemory } from "./recorded-side.js";

/** Told of fills that a recorded event caused. The order's remaining size is already reduced; at 0 it has left the book. */
export type PassiveFill = (order: BookOrder, szLots: number, tid: number) => void;

/** What `TapeBook` reads of a recorded event; the tape's reused event object fits. */
export interface RecordedBook {
  readonly bidCount: number;
  readonly askCount: number;
  readonly bidPxTicks: Float64Array;
  readonly bidSzLots: Float64Array;
  readonly bidOrders: Uint32Array;
  readonly askPxTicks: Float64Array;
  readonly askSzLots: Float64Array;
  readonly askOrders: Uint32Array;
}

/** Thread: any (single owner). Allocates: nothing per recorded event. */
export class TapeBook implements MatchingBook {
  private readonly bids: RecordedSide;
  private readonly asks: RecordedSide;
  /** Client orders, best price first, then arrival. */
  private readonly ownBids: BookOrder[] = [];
  private readonly ownAsks: BookOrder[] = [];
  /** Of what has been applied. */
  newestExchMs = Number.NEGATIVE_INFINITY;
  cut: ((szLots: number) => number) | undefined = undefined;

  /** Made by the first record of a single order. */
  private orders: L3Queue | undefined;
  private onFillNow: PassiveFill = () => {};
  private readonly fillNow = (order: BookOrder, szLots: number): number =>
    this.fillPiece(order, szLots, 0, this.onFillNow);

  /** @param memory where the two sides lie; default: memory of their own. */
  constructor(
    private readonly queue: QueueModel = queueModel({ kind: "risk-averse" }),
    memory?: SideMemory,
  ) {
    this.bids = new RecordedSide(Side.Buy, memory?.bids);
    this.asks = new RecordedSide(Side.Sell, memory?.asks);
  }

  /** True when the queue before our orders is that of the recorded orders. */
  get isOrderLevel(): boolean {
    return this.orders !== undefined && this.queue.isExact === true;
  }

  get bestBidTicks(): number {
    return Math.max(this.bids.bestTicks, this.ownBids[0]?.pxTicks ?? 0);
  }

  get bestAskTicks(): number {
    const recorded = this.asks.count > 0 ? this.asks.bestTicks : Number.POSITIVE_INFINITY;
    const best = Math.min(recorded, this.ownAsks[0]?.pxTicks ?? Number.POSITIVE_INFINITY);
    return best === Number.POSITIVE_INFINITY ? 0 : best;
  }

  /** Twice the mid of the recorded market, ticks; 0 when a side is empty. Our orders are not in it. */
  get recordedMid2Ticks(): number {
    const bid = this.bids.bestTicks;
    const ask = this.asks.bestTicks;
    return bid > 0 && ask > 0 ? bid + ask : 0;
  }

  /** As `recordedMid2Ticks`; while recorded orders meet, or a message is not over, the book may be crossed and has no middle: `before`. */
  recordedMid2TicksOr(before: number): number {
    const bid = this.bids.bestTicks;
    const ask = this.asks.bestTicks;
    if (bid === 0 || ask === 0) return 0;
    return bid < ask ? bid + ask : before;
  }

  wouldMatch(side: Side, limitTicks: number): boolean {
    const best = side === Side.Buy ? this.bestAskTicks : this.bestBidTicks;
    return best > 0 && side * best <= side * limitTicks;
  }

  take(owner: number, side: Side, limitTicks: number, szLots: number, events: MatchEvents): number {
    const recorded = side === Side.Buy ? this.asks : this.bids;
    const own = side === Side.Buy ? this.ownAsks : this.ownBids;
    const isWithin = (px: number): boolean => side * px <= side * limitTicks;
    let left = szLots;
    while (left > 0) {
      const client = own[0] !== undefined && isWithin(own[0].pxTicks) ? own[0] : undefined;
      const recordedPx = recorded.count > 0 && isWithin(recorded.bestTicks) ? recorded.bestTicks : 0;
      if (client === undefined && recordedPx === 0) break;
      const clientIsFirst =
        client !== undefined &&
        (recordedPx === 0 ||
          side * client.pxTicks < side * recordedPx ||
          (client.pxTicks === recordedPx && client.queueAheadLots <= 0));
      if (client !== undefined && clientIsFirst) {
        if (client.owner === owner) {
          this.remove(client);
          events.onSelfTrade(client);
          continue;
        }
        const traded = this.pieceOf(Math.min(left, client.szLots));
        if (events.canTrade?.(client, traded) === false) {
          this.remove(client);
          events.onRefused?.(client);
          continue;
        }
        left -= traded;
        this.shrink(client, traded);
        events.onMatch(client, client.pxTicks, traded);
        continue;
      }
      const ahead =
        client !== undefined && client.pxTicks === recordedPx
          ? Math.ceil(client.queueAheadLots)
          : Number.POSITIVE_INFINITY;
      const traded = this.pieceOf(Math.min(left, recorded.bestLots, ahead));
      left -= traded;
      recorded.takeBest(traded);
      // The exact queue is counted in recorded orders, which stay in the recording.
      if (!this.isOrderLevel) advanceQueue(own, recordedPx, traded);
      if (traded > 0) events.onMatch(undefined, recordedPx, traded);
    }
    return left;
  }

  rest(order: BookOrder): void {
    const displayed = (order.side === Side.Buy ? this.bids : this.asks).displayedAt(order.pxTicks);
    order.queueAheadLots = displayed < 0 ? Number.POSITIVE_INFINITY : displayed;
    order.displayedLots = displayed;
    order.tradedLots = 0;
    if (this.isOrderLevel) this.orders?.seat(order);
    const own = order.side === Side.Buy ? this.ownBids : this.ownAsks;
    let i = own.length;
    while (i > 0 && order.side * own[i - 1]!.pxTicks < order.side * order.pxTicks) i--;
    own.splice(i, 0, order);
  }

  remove(order: BookOrder): void {
    const own = order.side === Side.Buy ? this.ownBids : this.ownAsks;
    const i = own.indexOf(order);
    if (i >= 0) own.splice(i, 1);
  }

  reduce(order: BookOrder, szLots: number): void {
    order.szLots = szLots;
  }

  /** The recorded market alone: our orders are not shown, as the recording could not react to them. */
  view(out: BookView, depth: number): void {
    const n = Math.min(depth, out.capacity);
    out.bidCount = this.bids.copyTo(n, out.bidPxTicks, out.bidSzLots, out.bidOrders);
    out.askCount = this.asks.copyTo(n, out.askPxTicks, out.askSzLots, out.askOrders);
  }

  /** A complete recorded book. */
  applyBook(book: RecordedBook, exchMs: number, onFill: PassiveFill): void {
    if (exchMs < this.newestExchMs) return;
    this.newestExchMs = exchMs;
    this.bids.load(book.bidCount, book.bidPxTicks, book.bidSzLots, book.bidOrders);
    this.asks.load(book.askCount, book.askPxTicks, book.askSzLots, book.askOrders);
    this.afterQuotes(onFill);
  }

  /** A recorded best bid and offer: level 0 of each side; a count of 0 empties the side. */
  applyBbo(bbo: RecordedBook, exchMs: number, onFill: PassiveFill): void {
    if (exchMs < this.newestExchMs) return;
    this.newestExchMs = exchMs;
    if (bbo.bidCount > 0) this.bids.setBest(bbo.bidPxTicks[0]!, bbo.bidSzLots[0]!, bbo.bidOrders[0]!);
    else this.bids.clear();
    if (bbo.askCount > 0) this.asks.setBest(bbo.askPxTicks[0]!, bbo.askSzLots[0]!, bbo.askOrders[0]!);
    else this.asks.clear();
    this.afterQuotes(onFill);
  }

  /** As `applyBbo`, by numbers: a size of 0 empties the side. */
  applyTouch(
    bidTicks: number,
    bidLots: number,
    askTicks: number,
    askLots: number,
    exchMs: number,
    onFill: PassiveFill,
  ): void {
    if (exchMs < this.newestExchMs) return;
    this.newestExchMs = exchMs;
    if (bidLots > 0) this.bids.setBest(bidTicks, bidLots, 1);
    else this.bids.clear();
    if (askLots > 0) this.asks.setBest(askTicks, askLots, 1);
    else this.asks.clear();
    // Only orders at or before the touch can be concerned.
    this.seeQueue(this.ownBids, this.bids, bidTicks);
    this.seeQueue(this.ownAsks, this.asks, askTicks);
    this.fillCrossed(this.ownBids, this.asks, Side.Buy, onFill);
    this.fillCrossed(this.ownAsks, this.bids, Side.Sell, onFill);
  }

  /**
   * One recorded level's new total; 0 removes it. A message of several levels is applied level by level, then closed by
   * `afterDeltas`: in between the book may be crossed.
   */
  applyDelta(side: Side, pxTicks: number, szLots: number, orders: number): void {
    const recorded = side === Side.Buy ? this.bids : this.asks;
    recorded.update(pxTicks, szLots, orders);
    const own = side === Side.Buy ? this.ownBids : this.ownAsks;
    for (let i = 0; i < own.length; i++) {
      const o = own[i]!;
      if (o.pxTicks === pxTicks) this.see(o, szLots);
      else if (side * o.pxTicks < side * pxTicks) break;
    }
  }

  /** What one depth message brought is whole: fills by rule 4. */
  afterDeltas(exchMs: number, onFill: PassiveFill): void {
    this.newestExchMs = Math.max(this.newestExchMs, exchMs);
    this.fillCrossed(this.ownBids, this.asks, Side.Buy, onFill);
    this.fillCrossed(this.ownAsks, this.bids, Side.Sell, onFill);
  }

  /** A recorded print. `aggressor` is the side of the order that came in. */
  applyTrade(aggressor: Side, pxTicks: number, szLots: number, tid: number, onFill: PassiveFill): void {
    const own = aggressor === Side.Sell ? this.ownBids : this.ownAsks;
    const makerSign = -aggressor;
    let left = szLots;
    for (
      let o = own[0];
      left > 0 && o !== undefined && makerSign * o.pxTicks > makerSign * pxTicks;
      o = own[0]
    ) {
      left -= this.fillPiece(o, Math.min(left, o.szLots), tid, onFill);
    }
    let passed = 0;
    for (let o = own[0]; left > 0 && o !== undefined && o.pxTicks === pxTicks; o = own[0]) {
      const ahead = Math.max(0, o.queueAheadLots - passed);
      const consumed = Math.min(left, ahead);
      passed += consumed;
      left -= consumed;
      const filled = wholeLots(Math.min(left, o.szLots));
      if (filled === 0) break;
      left -= this.fillPiece(o, filled, tid, onFill);
    }
    if (passed > 0) advanceQueue(own, pxTicks, passed);
  }

  /**
   * One event of an order-level recording. Reduce and Execute tell the lots that left, Replace the new price and size; `side` is the
   * resting order's.
   */
  applyOrder(
    type: OrderEventType,
    oid: number,
    side: Side,
    pxTicks: number,
    szLots: number,
    exchMs: number,
    onFill: PassiveFill,
  ): void {
    this.orders ??= this.openOrders();
    this.newestExchMs = Math.max(this.newestExchMs, exchMs);
    if (this.queue.isExact === true) {
      this.onFillNow = onFill;
      this.orders.apply(type, oid, side, pxTicks, szLots, this.fillNow);
      return;
    }
    // Any other model sees what a feed of totals and prints would have shown: the print first, then the new totals.
    if (type === OrderEventType.Execute) this.applyTrade(-side as Side, pxTicks, szLots, 0, onFill);
    this.orders.apply(type, oid, side, pxTicks, szLots, this.fillNow);
    this.afterQuotes(onFill);
  }

  /** The recording's bids and asks. */
  get recorded(): readonly [RecordedSide, RecordedSide] {
    return [this.bids, this.asks];
  }

  /** Prices of our orders on a side, best first. @returns how many there are, which may be more than `out` takes. */
  ownTicks(side: Side, out: Float64Array): number {
    const own = side === Side.Buy ? this.ownBids : this.ownAsks;
    const n = Math.min(own.length, out.length);
    for (let i = 0; i < n; i++) out[i] = own[i]!.pxTicks;
    return own.length;
  }

  /** True when a print of this aggressor at this price could concern an order of ours. */
  isNear(aggressor: Side, pxTicks: number): boolean {
    const best = (aggressor === Side.Sell ? this.ownBids : this.ownAsks)[0];
    return best !== undefined && -aggressor * best.pxTicks >= -aggressor * pxTicks;
  }

  /** The recorder lost the market: nothing displayed can be trusted until the next book. Client orders stay. */
  applyGap(): void {
    this.orders?.clear();
    this.bids.clear();
    this.asks.clear();
    this.newestExchMs = Number.NEGATIVE_INFINITY;
  }

  private openOrders(): L3Queue {
    // Models of totals look at the display alone: to their queue ours do not exist.
    const isExact = this.queue.isExact === true;
    const own = (orders: BookOrder[]): readonly BookOrder[] => (isExact ? orders : []);
    // From here on the display is the sum of the orders.
    this.bids.clear();
    this.asks.clear();
    const orders = new L3Queue(own(this.ownBids), own(this.ownAsks), this.bids, this.asks);
    if (isExact) {
      for (const o of this.ownBids) orders.seat(o);
      for (const o of this.ownAsks) orders.seat(o);
    }
    return orders;
  }

  private pieceOf(szLots: number): number {
    return this.cut === undefined || szLots <= 1 ? szLots : this.cut(szLots);
  }

  /** A print's own id goes to its last piece: two fills of an order with one id would be one fill told twice. */
  private fillPiece(order: BookOrder, szLots: number, tid: number, onFill: PassiveFill): number {
    const piece = this.pieceOf(szLots);
    return this.fill(order, piece, piece < szLots ? 0 : tid, onFill);
  }

  private fill(order: BookOrder, szLots: number, tid: number, onFill: PassiveFill): number {
    this.shrink(order, szLots);
    onFill(order, szLots, tid);
    return szLots;
  }

  private shrink(order: BookOrder, szLots: number): void {
    if (szLots === order.szLots) this.remove(order);
    order.szLots -= szLots;
  }

  private afterQuotes(onFill: PassiveFill): void {
    this.seeQueue(this.ownBids, this.bids, Number.NEGATIVE_INFINITY);
    this.seeQueue(this.ownAsks, this.asks, Number.POSITIVE_INFINITY);
    this.fillCrossed(this.ownBids, this.asks, Side.Buy, onFill);
    this.fillCrossed(this.ownAsks, this.bids, Side.Sell, onFill);
  }

  /** Looks at the display again for every own order at or better than `toTicks`. */
  private seeQueue(own: readonly BookOrder[], recorded: RecordedSide, toTicks: number): void {
    for (let i = 0; i < own.length; i++) {
      const o = own[i]!;
      if (recorded.sign * o.pxTicks < recorded.sign * toTicks) return;
      const displayed = recorded.displayedAt(o.pxTicks);
      if (displayed >= 0) this.see(o, displayed);
    }
  }

  private see(o: BookOrder, displayed: number): void {
    if (displayed === o.displayedLots && o.tradedLots === 0) return;
    // Before the price came into view nothing was known of the queue but that all of it is ahead.
    const before = o.displayedLots < 0 ? displayed : Math.max(0, o.displayedLots - o.tradedLots);
    o.queueAheadLots = this.queue.afterChange(o.queueAheadLots, before, displayed);
    o.displayedLots = displayed;
    o.tradedLots = 0;
  }

  private fillCrossed(own: BookOrder[], recorded: RecordedSide, side: Side, onFill: PassiveFill): void {
    for (let o = own[0]; o !== undefined && recorded.count > 0; o = own[0]) {
      if (side * recorded.bestTicks > side * o.pxTicks) return;
      const traded = this.pieceOf(Math.min(o.szLots, recorded.bestLots));
      recorded.takeBest(traded);
      if (traded > 0) this.fill(o, traded, 0, onFill);
    }
  }
}

/** A probability model's queue ends within a lot, and a part of a lot cannot be traded: it is left to the next print. */
const wholeLots = (lots: number): number => Math.floor(lots + 1e-6);

function advanceQueue(own: readonly BookOrder[], pxTicks: number, szLots: number): void {
  for (const o of own) {
    if (o.pxTicks !== pxTicks) continue;
    o.queueAheadLots = Math.max(0, o.queueAheadLots - szLots);
    o.tradedLots += szLots;
  }
}
