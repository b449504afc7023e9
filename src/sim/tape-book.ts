/**
 * The book of a replayed market: recorded liquidity that does not know about us, and client orders laid over it with a
 * queue position.
 *
 * Fill rules for a resting client BUY at price p (a SELL mirrors each of them), and what is unrealistic about each:
 *
 * 1. Queue. On arrival everything displayed at p stands before us (nothing if p improves the touch or falls between displayed
 *    prices; "everything and more" if p is deeper than the recording shows, until the price comes into view). Only trades
 *    move us forward; a displayed size smaller than our queue shortens it. Unrealistic: cancels ahead of us never help, so
 *    fills come late (conservative); orders behind us are assumed never to leave before those ahead.
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
 * Source: reference/models.md 11.1 (risk-averse queue); the hftbacktest practice of stating each rule.
 */
import { Side } from "../domain/index.js";
import type { BookOrder, BookView, MatchEvents, MatchingBook } from "./matching.js";

/** Largest number of recorded levels kept a side: 20 displayed and a few that best-bid-offer updates put in front. */
const LEVELS = 32;

/** One side of the recorded book, best first. */
class RecordedSide {
  count = 0;
  readonly pxTicks = new Float64Array(LEVELS);
  readonly szLots = new Float64Array(LEVELS);
  readonly orders = new Uint32Array(LEVELS);

  constructor(readonly sign: Side) {}

  load(count: number, pxTicks: Float64Array, szLots: Float64Array, orders: Uint32Array): void {
    this.count = Math.min(count, LEVELS);
    for (let i = 0; i < this.count; i++) {
      this.pxTicks[i] = pxTicks[i]!;
      this.szLots[i] = szLots[i]!;
      this.orders[i] = orders[i]!;
    }
  }

  /** Puts a new best level in place: what was displayed better than it is gone, the same price gets the new size. */
  setBest(pxTicks: number, szLots: number, orders: number): void {
    let better = 0;
    while (better < this.count && this.sign * this.pxTicks[better]! > this.sign * pxTicks) better++;
    if (better > 0) this.dropFront(better);
    if (this.count === 0 || this.pxTicks[0] !== pxTicks) {
      const keep = Math.min(this.count, LEVELS - 1);
      this.pxTicks.copyWithin(1, 0, keep);
      this.szLots.copyWithin(1, 0, keep);
      this.orders.copyWithin(1, 0, keep);
      this.count = keep + 1;
    }
    this.pxTicks[0] = pxTicks;
    this.szLots[0] = szLots;
    this.orders[0] = orders;
  }

  dropFront(n: number): void {
    this.pxTicks.copyWithin(0, n, this.count);
    this.szLots.copyWithin(0, n, this.count);
    this.orders.copyWithin(0, n, this.count);
    this.count -= n;
  }

  /** Displayed size at a price; 0 where the display shows nothing; -1 where the price is deeper than the display. */
  displayedAt(pxTicks: number): number {
    for (let i = 0; i < this.count; i++) {
      const level = this.pxTicks[i]!;
      if (level === pxTicks) return this.szLots[i]!;
      if (this.sign * level < this.sign * pxTicks) return 0;
    }
    return -1;
  }
}

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
  private readonly bids = new RecordedSide(Side.Buy);
  private readonly asks = new RecordedSide(Side.Sell);
  /** Client orders, best price first, then arrival. */
  private readonly ownBids: BookOrder[] = [];
  private readonly ownAsks: BookOrder[] = [];
  private newestExchMs = Number.NEGATIVE_INFINITY;
  cut: ((szLots: number) => number) | undefined = undefined;

  get bestBidTicks(): number {
    return Math.max(this.bids.count > 0 ? this.bids.pxTicks[0]! : 0, this.ownBids[0]?.pxTicks ?? 0);
  }

  get bestAskTicks(): number {
    const recorded = this.asks.count > 0 ? this.asks.pxTicks[0]! : Number.POSITIVE_INFINITY;
    const best = Math.min(recorded, this.ownAsks[0]?.pxTicks ?? Number.POSITIVE_INFINITY);
    return best === Number.POSITIVE_INFINITY ? 0 : best;
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
      const recordedPx = recorded.count > 0 && isWithin(recorded.pxTicks[0]!) ? recorded.pxTicks[0]! : 0;
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
          ? client.queueAheadLots
          : Number.POSITIVE_INFINITY;
      const traded = this.pieceOf(Math.min(left, recorded.szLots[0]!, ahead));
      left -= traded;
      recorded.szLots[0]! -= traded;
      if (recorded.szLots[0]! <= 0) recorded.dropFront(1);
      advanceQueue(own, recordedPx, traded);
      if (traded > 0) events.onMatch(undefined, recordedPx, traded);
    }
    return left;
  }

  rest(order: BookOrder): void {
    const displayed = (order.side === Side.Buy ? this.bids : this.asks).displayedAt(order.pxTicks);
    order.queueAheadLots = displayed < 0 ? Number.POSITIVE_INFINITY : displayed;
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
    out.bidCount = Math.min(n, this.bids.count);
    out.askCount = Math.min(n, this.asks.count);
    for (let i = 0; i < out.bidCount; i++) {
      out.bidPxTicks[i] = this.bids.pxTicks[i]!;
      out.bidSzLots[i] = this.bids.szLots[i]!;
      out.bidOrders[i] = this.bids.orders[i]!;
    }
    for (let i = 0; i < out.askCount; i++) {
      out.askPxTicks[i] = this.asks.pxTicks[i]!;
      out.askSzLots[i] = this.asks.szLots[i]!;
      out.askOrders[i] = this.asks.orders[i]!;
    }
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
    else this.bids.count = 0;
    if (bbo.askCount > 0) this.asks.setBest(bbo.askPxTicks[0]!, bbo.askSzLots[0]!, bbo.askOrders[0]!);
    else this.asks.count = 0;
    this.afterQuotes(onFill);
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
      if (left > 0) left -= this.fillPiece(o, Math.min(left, o.szLots), tid, onFill);
    }
    if (passed > 0) advanceQueue(own, pxTicks, passed);
  }

  /** The recorder lost the market: nothing displayed can be trusted until the next book. Client orders stay. */
  applyGap(): void {
    this.bids.count = 0;
    this.asks.count = 0;
    this.newestExchMs = Number.NEGATIVE_INFINITY;
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
    clampQueue(this.ownBids, this.bids);
    clampQueue(this.ownAsks, this.asks);
    this.fillCrossed(this.ownBids, this.asks, Side.Buy, onFill);
    this.fillCrossed(this.ownAsks, this.bids, Side.Sell, onFill);
  }

  private fillCrossed(own: BookOrder[], recorded: RecordedSide, side: Side, onFill: PassiveFill): void {
    for (let o = own[0]; o !== undefined && recorded.count > 0; o = own[0]) {
      if (side * recorded.pxTicks[0]! > side * o.pxTicks) return;
      const traded = this.pieceOf(Math.min(o.szLots, recorded.szLots[0]!));
      recorded.szLots[0]! -= traded;
      if (recorded.szLots[0]! <= 0) recorded.dropFront(1);
      if (traded > 0) this.fill(o, traded, 0, onFill);
    }
  }
}

function advanceQueue(own: readonly BookOrder[], pxTicks: number, szLots: number): void {
  for (const o of own) {
    if (o.pxTicks === pxTicks) o.queueAheadLots = Math.max(0, o.queueAheadLots - szLots);
  }
}

function clampQueue(own: readonly BookOrder[], recorded: RecordedSide): void {
  for (const o of own) {
    const displayed = recorded.displayedAt(o.pxTicks);
    if (displayed >= 0 && displayed < o.queueAheadLots) o.queueAheadLots = displayed;
  }
}
