import { Side } from "../../../../domain/index.js";
import type { Format, ImportContext, LineImporter } from "../context.js";
import { BadLine } from "../problems.js";
import { CsvRow } from "./csv.js";
import { OrderBookWriter } from "./order-book.js";

const LAST = 128;
const SNAPSHOT = 32;

/** Databento's market-by-order records as CSV (CME and others); prices as decimals. */
export const databentoMbo: Format = {
  name: "databento-mbo",
  about: "CSV with `ts_event, ts_recv, action, side, price, size, order_id, flags`",
  venue: "CME",
  recognises: (head) =>
    ["ts_event", "ts_recv", "action", "order_id"].every((c) => (head[0] ?? "").split(",").includes(c)),
  key: (_head, name) => symbolOf(name),
  open: (context, _head, name) => new DatabentoMbo(context, symbolOf(name)),
};

/** "cme_ESM4_mbo_…" → "ESM4". */
const symbolOf = (name: string): string =>
  /(?:^|_)([A-Z]{1,3}[FGHJKMNQUVXZ]\d{1,2})(?:_|\.)/.exec(name)?.[1] ?? "FUTURE";

class DatabentoMbo implements LineImporter {
  private row: CsvRow | undefined;
  private readonly books = new Map<string, OrderBookWriter | undefined>();
  /** Fills told by F rows that the M or C row behind them has not taken off the book yet. */
  private readonly pending = new Map<number, number>();
  private aggressorId = 0;
  private snapshotOf: OrderBookWriter | undefined;

  constructor(
    private readonly context: ImportContext,
    private readonly symbol: string,
  ) {}

  startFile(): void {
    this.row = undefined;
  }

  endFile(): void {
    this.endSnapshot();
    for (const book of this.books.values()) book?.endMessage();
  }

  line(text: string): void {
    if (this.row === undefined) {
      this.row = new CsvRow(text.split(","));
      return;
    }
    const { row, context } = this;
    row.load(text);
    const book = this.book(row.text("symbol") || this.symbol);
    if (book === undefined) {
      context.problems.ignored++;
      return;
    }
    const flags = row.integer("flags");
    const isSnapshot = (flags & SNAPSHOT) !== 0;
    const recvNs = context.recv(stamp(context, row.text("ts_recv")));
    // A snapshot's event times are when its orders were entered, days ago.
    const exchNs = isSnapshot ? Number.NaN : context.exch(recvNs, stamp(context, row.text("ts_event")));
    if (!isSnapshot) this.endSnapshot();
    book.at(recvNs, exchNs);
    book.isInMessage = (flags & LAST) === 0;
    this.apply(book, recvNs, exchNs, isSnapshot);
    if ((flags & LAST) === 0) return;
    if (isSnapshot) this.endSnapshot();
    else book.endMessage();
  }

  private apply(book: OrderBookWriter, recvNs: number, exchNs: number, isSnapshot: boolean): void {
    const { row, context } = this;
    const action = row!.text("action");
    if (action === "R") {
      if (isSnapshot) {
        book.beginSnapshot();
        this.snapshotOf = book;
      } else for (const oid of [...book.orders.keys()]) book.remove(oid);
      return;
    }
    const oid = row!.integer("order_id");
    const sideText = row!.text("side");
    if (sideText !== "B" && sideText !== "A") {
      if (action === "T" && sideText === "N") context.problems.remark("trades without an aggressor left out");
      else throw new BadLine("side is neither B nor A", sideText);
      return;
    }
    const side = sideText === "B" ? Side.Buy : Side.Sell;
    const lots = book.market.szLots(row!.text("size"));
    const ticks = book.market.pxTicks(row!.text("price"), side);
    switch (action) {
      case "A":
        book.add(oid, side, ticks, lots);
        return;
      case "M":
        this.modify(book, oid, side, ticks, lots);
        return;
      case "C":
        this.cancel(book, oid, lots);
        return;
      case "T":
        this.aggressorId = oid;
        context.out.trade(
          book.market.asset,
          recvNs,
          exchNs,
          ticks / book.market.pxPow,
          lots / book.market.szPow,
          side,
          0,
        );
        return;
      case "F":
        // The aggressor's own fill never rested.
        if (oid !== this.aggressorId) this.pending.set(oid, (this.pending.get(oid) ?? 0) + lots);
        return;
      default:
        throw new BadLine("action is not known", action);
    }
  }

  /** A smaller size keeps the place in the queue; a new price or a larger size goes to the tail. */
  private modify(book: OrderBookWriter, oid: number, side: Side, ticks: number, lots: number): void {
    this.takeFill(book, oid, lots, ticks);
    const order = book.orders.get(oid);
    if (order === undefined) {
      this.context.problems.remark("events of orders that are not known");
      book.add(oid, side, ticks, lots);
    } else if (order.pxTicks !== ticks || lots > order.lots) book.replace(oid, ticks, lots);
    else if (lots < order.lots) book.take(oid, order.lots - lots, false);
  }

  private cancel(book: OrderBookWriter, oid: number, lots: number): void {
    const order = book.orders.get(oid);
    if (order === undefined) {
      this.context.problems.remark("events of orders that are not known");
      this.pending.delete(oid);
      return;
    }
    const filled = Math.min(this.pending.get(oid) ?? 0, lots);
    this.pending.delete(oid);
    if (filled > 0) book.take(oid, filled, true);
    if (lots > filled) book.take(oid, lots - filled, false);
  }

  /** What a fill took from an order that is modified after it. */
  private takeFill(book: OrderBookWriter, oid: number, newLots: number, ticks: number): void {
    const filled = this.pending.get(oid) ?? 0;
    if (filled === 0) return;
    this.pending.delete(oid);
    const order = book.orders.get(oid);
    if (order === undefined) return;
    // An iceberg's refresh can leave more than was filled: then the whole fill is taken and the rest is a replacement.
    const lessened =
      order.pxTicks === ticks && newLots < order.lots ? Math.min(filled, order.lots - newLots) : filled;
    book.take(oid, Math.min(lessened, order.lots - (newLots > 0 ? 1 : 0)), true);
  }

  private endSnapshot(): void {
    this.snapshotOf?.endSnapshot();
    this.snapshotOf = undefined;
  }

  private book(symbol: string): OrderBookWriter | undefined {
    if (!this.books.has(symbol)) {
      const market = this.context.markets.of(symbol, false);
      this.books.set(symbol, market === undefined ? undefined : new OrderBookWriter(this.context, market));
    }
    return this.books.get(symbol);
  }
}

const stamp = (context: ImportContext, text: string): number =>
  /^\d+$/.test(text) ? context.times.ofDigits(text) : context.times.ofIso(text);
