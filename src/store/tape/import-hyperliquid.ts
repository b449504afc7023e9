import { basename } from "node:path";
import { Side } from "../../domain/index.js";
import { type ColumnsBuilder, TAPE_LEVELS, TapeKind } from "./columns.js";
import { DecimalReader } from "./decimal.js";
import { TapeError } from "./errors.js";
import type { Grid } from "./instruments.js";
import { isPlausibleStamp, splitRawLine } from "./raw-line.js";
import { readLines } from "./read-lines.js";
import type { ImportTally } from "./stats.js";

export type CsvKind = "orderbooks" | "prices" | "trades";

class BadLine extends Error {}

/** Level arrays on their way into a book row. */
class BookDraft {
  readonly px = new Float64Array(2 * TAPE_LEVELS);
  readonly sz = new Float64Array(2 * TAPE_LEVELS);
  readonly orders = new Uint32Array(2 * TAPE_LEVELS);
  bids = 0;
  asks = 0;

  clear(): void {
    this.bids = 0;
    this.asks = 0;
  }

  add(side: Side, pxTicks: number, szLots: number, orders: number): void {
    const isBid = side === Side.Buy;
    const n = isBid ? this.bids : this.asks;
    if (n === TAPE_LEVELS) return;
    const i = isBid ? n : TAPE_LEVELS + n;
    if (n > 0 && (isBid ? pxTicks >= this.px[i - 1]! : pxTicks <= this.px[i - 1]!))
      throw new BadLine("levels out of order");
    this.px[i] = pxTicks;
    this.sz[i] = szLots;
    this.orders[i] = orders;
    if (isBid) this.bids++;
    else this.asks++;
  }

  write(out: ColumnsBuilder, recvMs: number, exchMs: number): void {
    if (this.bids > 0 && this.asks > 0 && this.px[0]! >= this.px[TAPE_LEVELS]!)
      throw new BadLine("crossed book");
    for (let i = 0; i < this.bids; i++) out.level(this.px[i]!, this.sz[i]!, this.orders[i]!);
    for (let i = TAPE_LEVELS; i < TAPE_LEVELS + this.asks; i++)
      out.level(this.px[i]!, this.sz[i]!, this.orders[i]!);
    out.book(recvMs, exchMs, this.bids, this.asks);
  }
}

/** Shared by both Hyperliquid formats: numbers on the grid, and rejection of what is not one. */
class GridReader {
  private readonly decimals = new DecimalReader();

  constructor(private readonly grid: Grid) {}

  /** Hyperliquid's own prices and sizes are on the grid; one that is not is damage, not something to round. */
  px = (text: string | undefined): number => this.exact(text, this.grid.pxDecimals, "price");
  sz = (text: string | undefined): number => this.exact(text, this.grid.szDecimals, "size");

  integer(text: string | undefined, what: string): number {
    return this.exact(text, 0, what);
  }

  private exact(text: string | undefined, decimals: number, what: string): number {
    const value = this.any(text, decimals, what);
    if (!this.decimals.isExact) throw new BadLine(`${what} off the grid: ${text}`);
    return value;
  }

  private any(text: string | undefined, decimals: number, what: string): number {
    const value = typeof text !== "string" ? Number.NaN : this.decimals.floor(text, decimals);
    if (Number.isNaN(value)) throw new BadLine(`${what} is not a number: ${String(text).slice(0, 24)}`);
    return value;
  }
}

function positive(value: number): number {
  if (value <= 0) throw new BadLine("level without price or size");
  return value;
}

const secondsText = /^(\d{1,11})(?:\.(\d{1,9}))?$/;

/** "1757015216.673878" → 1757015216673.878. The product of digits would not fit 2^53, so whole and fraction go apart. */
function secondsToMs(text: string | undefined): number {
  const m = secondsText.exec(text ?? "");
  if (!m) throw new BadLine(`timestamp is not a number: ${String(text).slice(0, 24)}`);
  const frac = (m[2] ?? "").padEnd(3, "0");
  return Number(m[1]) * 1000 + Number(`${frac.slice(0, 3)}.${frac.slice(3) || "0"}`);
}

/**
 * Imports one file of the collector's CSV recordings (see the recordings' README): `orderbooks` (20 levels), `prices` (a bid
 * row and an ask row of one bbo message, equal stamps), `trades`. Columns are found by their header names. Sizes may be
 * written with an exponent (`1e-05`).
 * @throws {TapeError} `unreadable` When the file is damaged.
 */
export async function importHyperliquidCsv(
  path: string,
  kind: CsvKind,
  grid: Grid,
  out: ColumnsBuilder,
  tally: ImportTally,
): Promise<void> {
  const file = basename(path);
  const numbers = new GridReader(grid);
  const draft = new BookDraft();
  let columns: ReadonlyMap<string, number> | undefined;
  let levels: Int32Array | undefined;
  let lastRecvMs = 0;
  const bbo = new BboPairs(out);

  const onRow = (cells: readonly string[], cols: ReadonlyMap<string, number>): void => {
    if (cells.length < cols.size) throw new BadLine(`${cells.length} cells instead of ${cols.size}`);
    const cell = (name: string): string | undefined => cells[cols.get(name) ?? -1];
    const recvMs = secondsToMs(cell("timestamp"));
    const exchMs = numbers.integer(cell("exchange_timestamp"), "exchange_timestamp");
    if (recvMs < lastRecvMs) throw new BadLine("timestamp steps back");
    if (!isPlausibleStamp(recvMs, exchMs)) throw new BadLine("exchange time is a day or more off");
    if (kind === "orderbooks") {
      draft.clear();
      for (let i = 0; i < levels!.length; i += 2) {
        const px = cells[levels![i]!];
        if (px === undefined || px === "") continue;
        const sz = numbers.sz(cells[levels![i + 1]!]);
        if (sz > 0) draft.add(i % 4 === 0 ? Side.Buy : Side.Sell, numbers.px(px), sz, 0);
      }
      draft.write(out, recvMs, exchMs);
    } else {
      const px = numbers.px(cell("price"));
      const sz = numbers.sz(cell("size"));
      const side = cell("side");
      if (px <= 0 || sz <= 0) throw new BadLine("no price or size");
      if (kind === "prices") {
        if (side !== "bid" && side !== "ask") throw new BadLine(`side ${side} is neither bid nor ask`);
        bbo.add(recvMs, exchMs, side, px, sz);
      } else {
        if (side !== "buy" && side !== "sell") throw new BadLine(`side ${side} is neither buy nor sell`);
        const tid = numbers.integer(cell("trade_id"), "trade_id");
        out.row(TapeKind.Trade, recvMs, exchMs, px, sz, side === "buy" ? Side.Buy : Side.Sell, tid);
      }
    }
    lastRecvMs = recvMs;
  };

  tally.lines += await readLines(path, (line, lineNumber) => {
    const cells = line.split(",");
    if (columns === undefined) {
      columns = new Map(cells.map((name, i) => [name, i]));
      const missing = REQUIRED_COLUMNS[kind].filter((name) => !columns!.has(name));
      if (missing.length > 0)
        throw new TapeError("nothing_recognised", `${path}: header has no column ${missing.join(", ")}`);
      levels = levelColumns(columns);
      return;
    }
    try {
      onRow(cells, columns);
    } catch (cause) {
      if (!(cause instanceof BadLine)) throw cause;
      tally.malformed(file, lineNumber, cause.message);
    }
  });
  bbo.flush();
}

const REQUIRED_COLUMNS: Readonly<Record<CsvKind, readonly string[]>> = {
  orderbooks: ["timestamp", "exchange_timestamp", "bid_price_0", "bid_size_0", "ask_price_0", "ask_size_0"],
  prices: ["timestamp", "exchange_timestamp", "price", "size", "side"],
  trades: ["timestamp", "exchange_timestamp", "price", "size", "side", "trade_id"],
};

/** Cells of bid 0 price, bid 0 size, ask 0 price, ask 0 size, bid 1 price, … */
function levelColumns(columns: ReadonlyMap<string, number>): Int32Array {
  const cells: number[] = [];
  for (let level = 0; level < TAPE_LEVELS; level++)
    for (const side of ["bid", "ask"])
      for (const what of ["price", "size"]) cells.push(columns.get(`${side}_${what}_${level}`) ?? -1);
  return Int32Array.from(cells);
}

/** Joins the bid row and the ask row of one message; a side that is missing leaves a one-sided event. */
class BboPairs {
  private recvMs = 0;
  private exchMs = 0;
  private px = 0;
  private sz = 0;
  private hasBid = false;

  constructor(private readonly out: ColumnsBuilder) {}

  add(recvMs: number, exchMs: number, side: "bid" | "ask", px: number, sz: number): void {
    if (side === "bid") {
      this.flush();
      this.recvMs = recvMs;
      this.exchMs = exchMs;
      this.px = px;
      this.sz = sz;
      this.hasBid = true;
      return;
    }
    if (this.hasBid && this.recvMs === recvMs && this.exchMs === exchMs) {
      this.hasBid = false;
      if (this.px >= px) throw new BadLine("crossed bbo");
      this.out.row(TapeKind.Bbo, recvMs, exchMs, this.px, this.sz, px, sz);
      return;
    }
    this.flush();
    this.out.row(TapeKind.Bbo, recvMs, exchMs, 0, 0, px, sz);
  }

  flush(): void {
    if (!this.hasBid) return;
    this.hasBid = false;
    this.out.row(TapeKind.Bbo, this.recvMs, this.exchMs, this.px, this.sz, 0, 0);
  }
}

interface WireLevel {
  readonly px?: string;
  readonly sz?: string;
  readonly n?: number;
}
interface WireTrade {
  readonly coin?: string;
  readonly side?: string;
  readonly px?: string;
  readonly sz?: string;
  readonly time?: number;
  readonly tid?: number;
}
interface WireBook {
  readonly coin?: string;
  readonly time?: number;
  readonly levels?: readonly (readonly WireLevel[])[];
  readonly bbo?: readonly (WireLevel | null)[];
}

/**
 * Imports one file of raw Hyperliquid websocket messages (`<recv> <json>` lines): l2Book, bbo and trades of one coin.
 * Messages of other coins and channels are counted as ignored.
 * @throws {TapeError} `unreadable` When the file is damaged.
 */
export async function importHyperliquidRaw(
  path: string,
  coin: string,
  grid: Grid,
  out: ColumnsBuilder,
  tally: ImportTally,
): Promise<void> {
  const file = basename(path);
  const numbers = new GridReader(grid);
  const draft = new BookDraft();
  let lastRecvMs = 0;
  const isWanted = (seen: string | undefined): boolean => {
    if (typeof seen !== "string") throw new BadLine("message without coin");
    tally.coinsSeen.add(seen);
    return seen.toUpperCase() === coin.toUpperCase();
  };
  const time = (recvMs: number, ms: number | undefined): number => {
    if (!Number.isSafeInteger(ms)) throw new BadLine("message without time");
    if (!isPlausibleStamp(recvMs, ms)) throw new BadLine("exchange time is a day or more off");
    return ms!;
  };
  const addLevels = (side: Side, levels: readonly (WireLevel | null)[]): void => {
    for (const level of levels) {
      if (typeof level !== "object" || level === null) throw new BadLine("level is not an object");
      const { n } = level;
      const orders = Number.isSafeInteger(n) && n! >= 0 ? n! : 0;
      draft.add(side, positive(numbers.px(level.px)), positive(numbers.sz(level.sz)), orders);
    }
  };

  const onBook = (recvMs: number, data: WireBook): boolean => {
    if (!isWanted(data.coin)) return false;
    const [bids, asks] = Array.isArray(data.levels) ? (data.levels as WireBook["levels"] & object) : [];
    if (!Array.isArray(bids) || !Array.isArray(asks)) throw new BadLine("l2Book without levels");
    draft.clear();
    addLevels(Side.Buy, bids);
    addLevels(Side.Sell, asks);
    draft.write(out, recvMs, time(recvMs, data.time));
    return true;
  };
  const onBbo = (recvMs: number, data: WireBook): boolean => {
    if (!isWanted(data.coin)) return false;
    const [bid, ask] = Array.isArray(data.bbo) ? (data.bbo as readonly (WireLevel | null)[]) : [];
    if (!bid && !ask) throw new BadLine("bbo without a side");
    const bidPx = bid ? numbers.px(bid.px) : 0;
    const askPx = ask ? numbers.px(ask.px) : 0;
    if (bid && ask && bidPx >= askPx) throw new BadLine("crossed bbo");
    const exchMs = time(recvMs, data.time);
    const bidSz = bid ? numbers.sz(bid.sz) : 0;
    out.row(TapeKind.Bbo, recvMs, exchMs, bidPx, bidSz, askPx, ask ? numbers.sz(ask.sz) : 0);
    return true;
  };
  const onTrades = (recvMs: number, data: readonly (WireTrade | null)[]): boolean => {
    const before = out.count;
    try {
      for (const trade of data) {
        if (typeof trade !== "object" || trade === null) throw new BadLine("trade is not an object");
        if (!isWanted(trade.coin)) continue;
        if (trade.side !== "B" && trade.side !== "A") throw new BadLine(`trade side ${trade.side}`);
        const px = numbers.px(trade.px);
        const sz = numbers.sz(trade.sz);
        if (px <= 0 || sz <= 0 || !Number.isSafeInteger(trade.tid))
          throw new BadLine("trade without px, sz, tid");
        const side = trade.side === "B" ? Side.Buy : Side.Sell;
        out.row(TapeKind.Trade, recvMs, time(recvMs, trade.time), px, sz, side, trade.tid!);
      }
    } catch (cause) {
      out.count = before; // a message is taken whole or not at all
      throw cause;
    }
    return out.count > before;
  };

  tally.lines += await readLines(path, (line, lineNumber) => {
    try {
      const raw = splitRawLine(line);
      if (raw === undefined) throw new BadLine("not `<receive time> <json>`");
      if (raw.recvMs < lastRecvMs) throw new BadLine("receive time steps back");
      const message = JSON.parse(raw.json) as { channel?: string; data?: unknown } | null;
      const { channel, data } = message ?? {};
      if (typeof channel !== "string" || typeof data !== "object" || data === null)
        throw new BadLine("message without channel and data");
      let isUsed = false;
      if (channel === "l2Book") isUsed = onBook(raw.recvMs, data as WireBook);
      else if (channel === "bbo") isUsed = onBbo(raw.recvMs, data as WireBook);
      else if (channel === "trades" && Array.isArray(data))
        isUsed = onTrades(raw.recvMs, data as WireTrade[]);
      if (isUsed) lastRecvMs = raw.recvMs;
      else tally.ignoredLines++;
    } catch (cause) {
      if (!(cause instanceof BadLine) && !(cause instanceof SyntaxError)) throw cause;
      tally.malformed(file, lineNumber, cause.message);
    }
  });
}
