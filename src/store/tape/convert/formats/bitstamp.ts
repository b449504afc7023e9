import { Side } from "../../../../domain/index.js";
import { type Format, type ImportContext, type LineImporter, SeenIds } from "../context.js";
import { BadLine } from "../problems.js";
import { CsvRow } from "./csv.js";
import { OrderBookWriter } from "./order-book.js";

type Action = "created" | "changed" | "deleted";

const CSV_HEADER = "id,timestamp,exchange.timestamp,price,volume,action,direction";
const RAW_LINE = /^(\d{13}) (order_created|order_changed|order_deleted|trade|order_book) (\{.*)$/;
const VOLUME_DECIMALS = 8;
/** The fills of a trade come just before it. */
const FILLS_KEPT = 16;
/** The events of a trade's two orders come within milliseconds. */
const PAIR_NS = 1e9;

/** Every order's life at Bitstamp: the raw log of its `live_orders` and `live_trades` channels. */
export const bitstampRaw: Format = {
  name: "bitstamp-raw",
  about: "`<recv ms> order_created|order_changed|order_deleted|trade|order_book {…}`",
  venue: "Bitstamp",
  recognises: (head) => head.some((l) => RAW_LINE.test(l)),
  key: (_head, name) => coinOf(name),
  open: (context, _head, name) => new BitstampRaw(context, coinOf(name)),
};

export const bitstampCsv: Format = {
  name: "bitstamp-csv",
  about: `\`${CSV_HEADER}\``,
  venue: "Bitstamp",
  recognises: (head) => (head[0] ?? "").startsWith(CSV_HEADER),
  key: (_head, name) => coinOf(name),
  open: (context, _head, name) => new BitstampCsv(context, coinOf(name)),
};

/** "bitstamp_btcusd_20150501_raw.log" → "BTC". */
const coinOf = (name: string): string =>
  (/bitstamp_([a-z0-9]+?)(?:usd|eur|usdt)?_/i.exec(name)?.[1] ?? "BTC").toUpperCase();

interface Fill {
  readonly id: number;
  readonly side: Side;
  readonly lots: number;
  readonly pxTicks: number;
  readonly recvNs: number;
}

/** Applies order events; a fill is whatever lessens an order, and a deletion with nothing left. */
class BitstampOrders {
  readonly writer: OrderBookWriter | undefined;
  /** Newest fills, oldest first: a trade is told apart by the orders that it filled. */
  readonly fills: Fill[] = [];
  /** Ids of orders that were deleted before they were created: events can arrive out of order. */
  private readonly gone = new SeenIds();

  /** @param hasTrades The recording tells trades itself; else they follow from the fills of their two orders. */
  constructor(
    private readonly context: ImportContext,
    coin: string,
    private readonly hasTrades: boolean,
  ) {
    const market = context.markets.of(coin, false);
    this.writer = market === undefined ? undefined : new OrderBookWriter(context, market);
  }

  apply(recvNs: number, action: Action, id: number, side: Side, px: string, amount: string): void {
    const { writer, context } = this;
    if (writer === undefined) return;
    // The log's exchange stamp is the second in which the order was created, not that of the event: of no use.
    writer.at(recvNs, Number.NaN);
    const ticks = writer.market.pxTicks(px, side);
    const lots = writer.market.szLots(amount);
    if (action === "created") {
      if (this.gone.has(id))
        context.problems.remark("orders that were deleted before they were created left out");
      else if (writer.orders.has(id)) throw new BadLine("an order is created twice");
      else if (lots > 0) writer.add(id, side, ticks, lots);
      return;
    }
    const order = writer.orders.get(id);
    if (action === "deleted") this.gone.add(id);
    if (order === undefined) {
      context.problems.remark("events of orders that were there before the recording, or of none, left out");
      return;
    }
    if (action === "deleted" && lots > 0) {
      writer.remove(id);
      return;
    }
    const filled = order.lots - lots;
    if (filled <= 0) {
      // Not seen in the wild: an order that grew goes to the tail of its queue.
      if (filled < 0) writer.replace(id, order.pxTicks, lots);
      return;
    }
    const fill = { id, side: order.side, lots: filled, pxTicks: order.pxTicks, recvNs };
    if (!this.hasTrades) this.pair(fill);
    else this.fills.push(fill);
    if (this.fills.length > FILLS_KEPT) {
      this.fills.shift();
      if (!this.hasTrades)
        context.problems.remark("fills whose other order is not told: no trade made of them");
    }
    writer.take(id, filled, true);
  }

  /** Two orders of opposite sides that fill by the same size at about the same time traded with each other. */
  private pair(fill: Fill): void {
    const { fills, writer, context } = this;
    const i = fills.findIndex(
      (f) => f.side !== fill.side && f.lots === fill.lots && fill.recvNs - f.recvNs <= PAIR_NS,
    );
    if (i < 0) {
      fills.push(fill);
      return;
    }
    const [other] = fills.splice(i, 1);
    const [maker, taker] = other!.id < fill.id ? [other!, fill] : [fill, other!];
    const { market } = writer!;
    const px = maker.pxTicks / market.pxPow;
    context.trade(market, fill.recvNs, Number.NaN, px, fill.lots / market.szPow, taker.side, 0);
    context.flushTrades();
  }

  /** Of the two orders that a trade fills, the newer one came to take. */
  trade(recvNs: number, tid: number, px: string, amount: string): void {
    const { writer, context } = this;
    if (writer === undefined) return;
    const lots = writer.market.szLots(amount);
    if (lots <= 0) throw new BadLine("trade without size");
    const met = this.fills.filter((f) => f.lots === lots);
    let side: Side;
    const newest = met.reduce<(typeof met)[number] | undefined>(
      (a, b) => (a === undefined || b.id > a.id ? b : a),
      undefined,
    );
    if (newest !== undefined && met.some((f) => f.side !== newest.side)) side = newest.side;
    else {
      context.problems.remark("trades whose aggressor follows from one order or the mid alone");
      side = newest !== undefined ? (-newest.side as Side) : this.byMid(px);
    }
    const price = writer.market.px(px, -side as Side);
    if (price <= 0) throw new BadLine("trade without price");
    context.trade(writer.market, recvNs, Number.NaN, price, lots / writer.market.szPow, side, tid);
    context.flushTrades();
  }

  private byMid(px: string): Side {
    const { bids, asks } = this.writer!.book;
    const ticks = this.writer!.market.pxTicks(px, Side.Buy);
    return 2 * ticks >= bids.bestTicks + asks.bestTicks ? Side.Buy : Side.Sell;
  }
}

class BitstampRaw implements LineImporter {
  private readonly orders: BitstampOrders;

  constructor(
    private readonly context: ImportContext,
    coin: string,
  ) {
    this.orders = new BitstampOrders(context, coin, true);
  }

  endFile(): void {
    this.orders.writer?.endMessage();
  }

  line(text: string): void {
    const { context, orders } = this;
    const m = RAW_LINE.exec(text);
    if (m === null) throw new BadLine("not `<receive ms> <event> <json>`");
    const recvNs = context.recv(context.times.ofDigits(m[1]!));
    const event = JSON.parse(m[3]!) as Readonly<Record<string, unknown>>;
    if (m[2] === "order_book") {
      // The venue's own top levels: the truth to check a rebuilt book against, not news.
      context.problems.ignored++;
      return;
    }
    const { id, price, amount, order_type: type } = event;
    if (!Number.isSafeInteger(id)) throw new BadLine("event without id");
    if (m[2] === "trade") {
      // JSON numbers with binary noise: 236.61000000000001.
      if (typeof price !== "number" || typeof amount !== "number")
        throw new BadLine("trade without price and amount");
      orders.trade(recvNs, id as number, price.toFixed(VOLUME_DECIMALS), amount.toFixed(VOLUME_DECIMALS));
      return;
    }
    if (type !== 0 && type !== 1) throw new BadLine("order_type is neither 0 nor 1");
    const side = type === 0 ? Side.Buy : Side.Sell;
    orders.apply(recvNs, m[2]!.slice(6) as Action, id as number, side, String(price), String(amount));
  }
}

class BitstampCsv implements LineImporter {
  private row: CsvRow | undefined;
  private readonly orders: BitstampOrders;

  constructor(
    private readonly context: ImportContext,
    coin: string,
  ) {
    this.orders = new BitstampOrders(context, coin, false);
  }

  startFile(): void {
    this.row = undefined;
  }

  endFile(): void {
    this.orders.writer?.endMessage();
  }

  line(text: string): void {
    if (this.row === undefined) {
      this.row = new CsvRow(text.split(","));
      return;
    }
    const { row, context } = this;
    row.load(text);
    const recvNs = context.recv(context.times.ofMs(row.integer("timestamp")));
    const direction = row.text("direction");
    const action = row.text("action");
    if (direction !== "bid" && direction !== "ask") throw new BadLine("direction is neither bid nor ask");
    if (action !== "created" && action !== "changed" && action !== "deleted")
      throw new BadLine("action is not known");
    const side = direction === "bid" ? Side.Buy : Side.Sell;
    const amount = pointed(row.text("volume"), VOLUME_DECIMALS);
    this.orders.apply(recvNs, action, row.integer("id"), side, row.text("price"), amount);
  }
}

/** A whole number of 10^-decimals as a decimal: ("123", 2) → "1.23". */
export function pointed(digits: string, decimals: number): string {
  if (!/^\d+$/.test(digits)) throw new BadLine("not a whole number", digits.slice(0, 24));
  const padded = digits.padStart(decimals + 1, "0");
  return `${padded.slice(0, -decimals)}.${padded.slice(-decimals)}`;
}
