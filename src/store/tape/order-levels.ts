import { OrderEventType } from "../../abi/layout.js";
import type { Side } from "../../domain/index.js";
import type { LevelBook } from "./convert/levels.js";

interface Resting {
  readonly side: Side;
  ticks: number;
  lots: number;
  /** It came in through the book. */
  readonly isAggressor: boolean;
  /** Of an aggressor: lots that it met less lots that it has told as its own executions. */
  metLots: number;
}

/**
 * Makes level totals, and prints, of the events of single orders, in the tape's own ticks and lots. Where a recording tells the
 * executions of both orders of a trade, that of the one which came in through the book is no print.
 */
export class OrderLevels {
  private readonly orders = new Map<bigint, Resting>();
  /** The newest order that came in through the book. */
  private aggressor: Resting | undefined;

  constructor(private readonly book: LevelBook) {}

  clear(): void {
    this.orders.clear();
    this.aggressor = undefined;
    this.book.clear();
  }

  /** @returns lots that a resting order sold or bought: a print; else 0. */
  apply(type: OrderEventType, oid: bigint, side: Side, ticks: number, lots: number): number {
    const order = this.orders.get(oid);
    switch (type) {
      case OrderEventType.Clear:
        this.clear();
        return 0;
      case OrderEventType.Add:
      case OrderEventType.Replace:
        if (order !== undefined) this.take(oid, order, order.lots);
        this.add(oid, side, ticks, lots);
        return 0;
      case OrderEventType.Delete:
        if (order !== undefined) this.take(oid, order, order.lots);
        return 0;
      case OrderEventType.Reduce:
        if (order !== undefined) this.take(oid, order, lots);
        return 0;
      case OrderEventType.Execute:
        return order === undefined ? lots : this.execute(oid, order, lots);
      default:
        return 0;
    }
  }

  private add(oid: bigint, side: Side, ticks: number, lots: number): void {
    if (lots <= 0) return;
    const opposite = this.book.side(-side as Side);
    const isAggressor = opposite.count > 0 && side * opposite.bestTicks <= side * ticks;
    const order: Resting = { side, ticks, lots, isAggressor, metLots: 0 };
    if (isAggressor) this.aggressor = order;
    this.orders.set(oid, order);
    this.change(side, ticks, lots, 1);
  }

  private execute(oid: bigint, order: Resting, lots: number): number {
    const { book, aggressor } = this;
    if (order.isAggressor && (order.metLots >= lots || book.isCrossed)) {
      order.metLots -= lots;
      this.take(oid, order, lots);
      return 0;
    }
    if (aggressor !== undefined && aggressor.side !== order.side) aggressor.metLots += lots;
    this.take(oid, order, lots);
    if (!book.isCrossed) this.aggressor = undefined;
    return lots;
  }

  private take(oid: bigint, order: Resting, lots: number): void {
    const taken = Math.min(lots, order.lots);
    order.lots -= taken;
    const isGone = order.lots <= 0;
    if (isGone) this.orders.delete(oid);
    this.change(order.side, order.ticks, -taken, isGone ? -1 : 0);
  }

  private change(side: Side, ticks: number, lots: number, orders: number): void {
    const levels = this.book.side(side);
    levels.set(ticks, levels.lotsAt(ticks) + lots, Math.max(0, levels.ordersAt(ticks) + orders));
  }
}
