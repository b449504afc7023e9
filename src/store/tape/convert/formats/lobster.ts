import { FeedState, OrderEventType } from "../../../../abi/layout.js";
import { Side } from "../../../../domain/index.js";
import { TapeError } from "../../errors.js";
import type { Format, ImportContext, LineImporter } from "../context.js";
import { BadLine } from "../problems.js";
import { pointed } from "./bitstamp.js";
import { OrderBookWriter } from "./order-book.js";

const PX_DECIMALS = 4;
const NAME = /^(?:lobster_)?([A-Z.]+)_(\d{4})-?(\d{2})-?(\d{2})_(?:\d+_\d+_)?message/;
const LINE = /^(\d{1,5}\.\d{1,9}|\d{1,5}),([1-7]),(\d+),(\d+),(-?\d+),(-?1)$/;
/** Price of an empty level in an orderbook file. */
const EMPTY_PX = 9_999_999_999;

/**
 * LOBSTER message files; the orderbook file beside it (same name) gives the levels that were there before, and those that appear
 * from below its depth. No receive times: the exchange's stand in.
 */
export const lobster: Format = {
  name: "lobster",
  about:
    "`SYMBOL_DATE_…_message_N.csv` (`seconds,type,order id,size,price × 10000,direction`) with its `_orderbook_` file",
  venue: "NASDAQ",
  recognises: (head, name) => NAME.test(name) || LINE.test(head[0] ?? ""),
  companion: (path) => path.replace(/_message_(?=[^/]*$)/, "_orderbook_"),
  key: (_head, name) => NAME.exec(name)?.[1] ?? "",
  open: (context, _head, name) => new Lobster(context, NAME.exec(name)?.[1] ?? "STOCK"),
};

class Lobster implements LineImporter {
  private readonly writer: OrderBookWriter | undefined;
  private midnightS = 0;
  private hasOpened = false;

  constructor(
    private readonly context: ImportContext,
    symbol: string,
  ) {
    const market = context.markets.of(symbol, false);
    this.writer = market === undefined ? undefined : new OrderBookWriter(context, market);
  }

  startFile(path: string): void {
    const m = NAME.exec(path.slice(path.lastIndexOf("/") + 1));
    const day = this.context.day ?? (m === null ? undefined : `${m[2]}-${m[3]}-${m[4]}`);
    if (day === undefined)
      throw new TapeError(
        "unreadable",
        `${path}: its stamps count from midnight; give the trading day with --day YYYY-MM-DD`,
      );
    this.midnightS = newYorkMidnight(day);
    this.hasOpened = false;
  }

  endFile(): void {
    this.writer?.endMessage();
  }

  line(text: string, companion?: string): void {
    const { context, writer } = this;
    if (writer === undefined) {
      context.problems.ignored++;
      return;
    }
    const m = LINE.exec(text);
    if (m === null) throw new BadLine("not `seconds,type,id,size,price,direction`");
    const [, time, type, oidText, size, price, direction] = m as unknown as string[];
    const [seconds, fraction = ""] = time!.split(".");
    const atNs = context.recv(
      context.times.of(this.midnightS + Number(seconds), Number(fraction.padEnd(9, "0"))),
    );
    const truth = companion === undefined ? undefined : levelsOf(companion);
    writer.at(atNs, atNs);
    if (type === "7") {
      context.out.status(writer.market.asset, atNs, Number(price) === -1 ? FeedState.Stale : FeedState.Live);
      return;
    }
    const side = direction === "1" ? Side.Buy : Side.Sell;
    const ticks = writer.market.pxTicks(pointed(price!, PX_DECIMALS), side);
    const lots = writer.market.szLots(size);
    if (!this.hasOpened) {
      this.hasOpened = true;
      if (truth !== undefined) this.openBook(writer, truth, Number(type), side, ticks, lots);
    }
    this.apply(writer, atNs, Number(type), Number(oidText), side, ticks, lots);
    if (truth !== undefined) this.agree(writer, truth);
  }

  private apply(
    writer: OrderBookWriter,
    atNs: number,
    type: number,
    oid: number,
    side: Side,
    ticks: number,
    lots: number,
  ): void {
    const { context } = this;
    const isKnown = writer.orders.has(oid);
    if (type === 1) writer.add(oid, side, ticks, lots);
    else if (type === 2 || type === 3) {
      if (isKnown && type === 3) writer.remove(oid);
      else if (isKnown) writer.take(oid, lots, false);
      else writer.unknown(type === 2 ? OrderEventType.Reduce : OrderEventType.Delete, side, ticks, lots, oid);
    } else if (type === 4 || type === 5) {
      // Before the book's change: the trade explains it. The aggressor is on the other side.
      const px = ticks / writer.market.pxPow;
      context.out.trade(writer.market.asset, atNs, atNs, px, lots / writer.market.szPow, -side as Side, 0);
      if (type === 5) return;
      if (isKnown) writer.take(oid, lots, true);
      else writer.unknown(OrderEventType.Execute, side, ticks, lots, oid);
    } else context.problems.remark("cross trades left out");
  }

  /** The first line of the orderbook file, with the first message undone: what was there before. Orders without a name have id 0. */
  private openBook(
    writer: OrderBookWriter,
    truth: BookLine,
    type: number,
    side: Side,
    ticks: number,
    lots: number,
  ): void {
    writer.beginSnapshot();
    for (const way of [Side.Buy, Side.Sell] as const) {
      const levels = new Map(truth[way].map(([px, sz]) => [this.ticks(px), sz]));
      if (way === side && type !== 5) {
        const before = (levels.get(ticks) ?? 0) + (type === 1 ? -lots : lots);
        if (before > 0) levels.set(ticks, before);
        else levels.delete(ticks);
      }
      for (const [px, sz] of levels) writer.add(0, way, px, sz);
    }
    writer.orders.clear();
    writer.endSnapshot();
  }

  /** Takes over what the orderbook file shows and messages could not: levels from below the depth of the file. */
  private agree(writer: OrderBookWriter, truth: BookLine): void {
    const { context } = this;
    for (const side of [Side.Buy, Side.Sell] as const) {
      const told = new Map(truth[side].map(([px, sz]) => [this.ticks(px), sz]));
      const worst = truth[side].at(-1);
      for (const [ticks, sz] of told) {
        if (writer.book.side(side).lotsAt(ticks) === sz) continue;
        context.problems.remark("levels taken from the orderbook file, not from messages");
        writer.correct(side, ticks, sz);
      }
      if (worst === undefined) continue;
      const worstKey = side * this.ticks(worst[0]);
      for (const ticks of writer.book.side(side).best(told.size + 2))
        if (side * ticks > worstKey && !told.has(ticks)) {
          context.problems.remark("levels taken from the orderbook file, not from messages");
          writer.correct(side, ticks, 0);
        }
    }
  }

  private ticks(px: string): number {
    return this.writer!.market.pxTicks(pointed(px, PX_DECIMALS), Side.Buy);
  }
}

type BookLine = Readonly<Record<Side, readonly (readonly [string, number])[]>>;

/** `ask price, ask size, bid price, bid size` of each level, best first. */
function levelsOf(line: string): BookLine {
  const cells = line.split(",");
  const bids: [string, number][] = [];
  const asks: [string, number][] = [];
  for (let i = 0; i + 3 < cells.length; i += 4) {
    if (Number(cells[i + 1]) > 0 && Number(cells[i]) < EMPTY_PX) asks.push([cells[i]!, Number(cells[i + 1])]);
    if (Number(cells[i + 3]) > 0 && Number(cells[i + 2]) > 0)
      bids.push([cells[i + 2]!, Number(cells[i + 3])]);
  }
  return { [Side.Buy]: bids, [Side.Sell]: asks };
}

/** Epoch seconds of midnight in New York. */
export function newYorkMidnight(day: string): number {
  const utcMs = Date.parse(`${day}T12:00:00Z`);
  if (Number.isNaN(utcMs)) throw new TapeError("unreadable", `${day} is not a day: want YYYY-MM-DD`);
  const hour = Number(
    new Intl.DateTimeFormat("en-US", {
      timeZone: "America/New_York",
      hour: "2-digit",
      hourCycle: "h23",
    }).format(utcMs),
  );
  // At noon UTC it is 8 or 7 o'clock there.
  return Date.parse(`${day}T00:00:00Z`) / 1000 + (12 - hour) * 3600;
}
