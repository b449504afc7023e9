import { OrderEventType } from "../../../../abi/layout.js";
import { Side } from "../../../../domain/index.js";
import type { ImportContext } from "../context.js";
import { DeltaMessage, LevelBook } from "../levels.js";
import type { Market } from "../markets.js";

export interface RestingOrder {
  readonly side: Side;
  pxTicks: number;
  lots: number;
}

/**
 * The orders of an order-level recording, and what they imply: every event becomes an OrderEvent, the change of its level a BookDelta
 * with the level's new total and number of orders, and a changed touch a Bbo. While orders meet (an aggressor is listed before its
 * fills), deltas carry the More flag and no Bbo is made.
 *
 * OrderEvent.sz: Add, Replace: the order's size; Reduce, Execute: what was taken away; Delete: what was left.
 */
export class OrderBookWriter {
  readonly orders = new Map<number, RestingOrder>();
  readonly book = new LevelBook();
  /** Events of an exchange message that is not over: the deltas carry More, whatever the book looks like. */
  isInMessage = false;
  private readonly message: DeltaMessage;
  private recvNs = 0;
  private exchNs = Number.NaN;
  private readonly touch = [0, 0, 0, 0];
  private isQuiet = false;
  private hasBegun = false;

  constructor(
    private readonly context: ImportContext,
    readonly market: Market,
  ) {
    this.message = new DeltaMessage(context.out);
  }

  at(recvNs: number, exchNs: number): void {
    this.recvNs = recvNs;
    this.exchNs = exchNs;
  }

  /** Level changes are held back until `endSnapshot`, which writes the whole book. */
  beginSnapshot(): void {
    this.orders.clear();
    this.book.clear();
    this.event(OrderEventType.Clear, Side.Buy, 0, 0, 0);
    this.isQuiet = true;
    this.hasBegun = true;
  }

  endSnapshot(): void {
    this.isQuiet = false;
    this.message.begin(true);
    for (const side of [this.book.bids, this.book.asks])
      for (const ticks of side.best(side.count)) this.level(side.side, ticks);
    this.message.end();
    this.tellTouch();
  }

  /** An order without a name (oid 0) is not counted in its level's number of orders. */
  add(oid: number, side: Side, pxTicks: number, lots: number): void {
    this.orders.set(oid, { side, pxTicks, lots });
    this.event(OrderEventType.Add, side, pxTicks, lots, oid);
    this.change(side, pxTicks, lots, oid === 0 ? 0 : 1);
  }

  /** @returns false when there is no such order. */
  remove(oid: number): boolean {
    const order = this.orders.get(oid);
    if (order === undefined) return false;
    this.orders.delete(oid);
    this.event(OrderEventType.Delete, order.side, order.pxTicks, order.lots, oid);
    this.change(order.side, order.pxTicks, -order.lots, -1);
    return true;
  }

  /** Takes `lots` away from an order, by a trade or by its owner. */
  take(oid: number, lots: number, isTrade: boolean): boolean {
    const order = this.orders.get(oid);
    if (order === undefined) return false;
    const taken = Math.min(lots, order.lots);
    if (taken <= 0) return true;
    order.lots -= taken;
    const isGone = order.lots === 0;
    if (isGone) this.orders.delete(oid);
    const type = isTrade ? OrderEventType.Execute : isGone ? OrderEventType.Delete : OrderEventType.Reduce;
    this.event(type, order.side, order.pxTicks, taken, oid);
    this.change(order.side, order.pxTicks, -taken, isGone ? -1 : 0);
    return true;
  }

  /** New price and size, at the tail of the queue there. */
  replace(oid: number, pxTicks: number, lots: number): boolean {
    const order = this.orders.get(oid);
    if (order === undefined) return false;
    this.event(OrderEventType.Replace, order.side, pxTicks, lots, oid);
    const { side, pxTicks: from, lots: had } = order;
    order.pxTicks = pxTicks;
    order.lots = lots;
    if (from === pxTicks) this.change(side, pxTicks, lots - had, 0);
    else {
      this.shift(side, from, -had, -1);
      this.change(side, pxTicks, lots, 1, from);
    }
    return true;
  }

  /** An event of an order that was there before the recording began: told, and its level lessened where that is known. */
  unknown(type: number, side: Side, pxTicks: number, lots: number, oid: number): void {
    this.event(type, side, pxTicks, lots, oid);
    if (this.book.side(side).lotsAt(pxTicks) > 0) this.change(side, pxTicks, -lots, 0);
  }

  /** Nothing follows in this message. */
  endMessage(): void {
    this.isInMessage = false;
    if (this.book.isCrossed) return;
    this.message.end();
    this.tellTouch();
  }

  /** A level's total is known from elsewhere. */
  correct(side: Side, pxTicks: number, lots: number): void {
    const levels = this.book.side(side);
    this.change(side, pxTicks, lots - levels.lotsAt(pxTicks), levels.lotsAt(pxTicks) === 0 ? 1 : 0);
  }

  private event(type: number, side: Side, pxTicks: number, lots: number, oid: number): void {
    const { market } = this;
    this.context.out.order(
      market.asset,
      this.recvNs,
      this.exchNs,
      type,
      side,
      pxTicks / market.pxPow,
      lots / market.szPow,
      oid,
    );
  }

  private shift(side: Side, pxTicks: number, lots: number, orders: number): void {
    const levels = this.book.side(side);
    levels.set(pxTicks, levels.lotsAt(pxTicks) + lots, Math.max(0, levels.ordersAt(pxTicks) + orders));
  }

  private change(side: Side, pxTicks: number, lots: number, orders: number, alsoTicks?: number): void {
    this.shift(side, pxTicks, lots, orders);
    if (this.isQuiet) return;
    this.message.begin(false, !this.hasBegun);
    this.hasBegun = true;
    if (alsoTicks !== undefined) this.level(side, alsoTicks);
    this.level(side, pxTicks);
    if (this.isInMessage || this.book.isCrossed) return;
    this.message.end();
    this.tellTouch();
  }

  private level(side: Side, pxTicks: number): void {
    const levels = this.book.side(side);
    const { market, message } = this;
    message.level(
      market,
      this.recvNs,
      this.exchNs,
      side,
      pxTicks,
      levels.lotsAt(pxTicks),
      levels.ordersAt(pxTicks),
    );
  }

  private tellTouch(): void {
    const { touch, market } = this;
    const { bids, asks } = this.book;
    if (
      bids.bestTicks === touch[0] &&
      bids.bestLots === touch[1] &&
      asks.bestTicks === touch[2] &&
      asks.bestLots === touch[3]
    )
      return;
    touch[0] = bids.bestTicks;
    touch[1] = bids.bestLots;
    touch[2] = asks.bestTicks;
    touch[3] = asks.bestLots;
    this.context.out.bbo(
      market.asset,
      this.recvNs,
      this.exchNs,
      bids.bestTicks / market.pxPow,
      bids.bestLots / market.szPow,
      asks.bestTicks / market.pxPow,
      asks.bestLots / market.szPow,
    );
  }
}
