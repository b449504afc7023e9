import { basename } from "node:path";
import { Side } from "../../domain/index.js";
import { ColumnsBuilder, TAPE_LEVELS, TapeKind } from "./columns.js";
import { DecimalReader } from "./decimal.js";
import { DepthBook, NATIVE_PX_DECIMALS } from "./depth-book.js";
import type { Grid } from "./instruments.js";
import { coinOfBinanceSymbol, contractUsd } from "./instruments.js";
import { isPlausibleStamp, splitRawLine } from "./raw-line.js";
import { readLines } from "./read-lines.js";
import type { ImportTally } from "./stats.js";

export type BinanceMarket = "usdm" | "spot" | "cm";

/** The fields of the messages that are read; all others are left alone. */
interface BinanceMessage {
  readonly e?: string;
  readonly E?: number;
  readonly s?: string;
  readonly U?: number;
  readonly u?: number;
  readonly pu?: number;
  readonly t?: number;
  readonly p?: string;
  readonly q?: string;
  readonly m?: boolean;
  readonly lastUpdateId?: number;
  readonly bids?: readonly (readonly [string, string])[];
  readonly asks?: readonly (readonly [string, string])[];
  /** Depth: levels. bookTicker: best price. */
  readonly b?: string | readonly (readonly [string, string])[];
  readonly a?: string | readonly (readonly [string, string])[];
  readonly B?: string;
  readonly A?: string;
}

class BadMessage extends Error {}

/**
 * Imports raw Binance captures (`<recv> <json>` lines of usdm, spot or cm) of one symbol, file after file.
 *
 * - Book: snapshot and depth messages with the update-id chain checked; the best 20 levels a side are written at the first
 *   depth message at least `bookEveryMs` of receive time after the last book, when the book has changed. A broken chain
 *   writes a gap and no book until the next snapshot.
 * - The Hyperliquid grid is coarser than spot's: bids are floored, asks raised, levels that meet are added up; a trade
 *   rounds with the resting side it hit.
 * - cm quantities are contracts: lots = floor(contracts × contract value / price).
 * - exchMs is `E`. Spot bookTicker and snapshots have no stamp: NaN here, filled in by import-tape.
 *
 * Trades of type INSURANCE_FUND stay in as prints. Receive times of 16 digits are microseconds, of 19 nanoseconds.
 */
export class BinanceImporter {
  private readonly book = new DepthBook();
  private readonly decimals = new DecimalReader();
  private readonly pxScale: number;
  private readonly contractLotsTicks: number;
  private nextBookMs = Number.NEGATIVE_INFINITY;
  private isBookChanged = false;
  private lastRecvMs = 0;
  private out = new ColumnsBuilder();
  private readonly topTicks = new Float64Array(TAPE_LEVELS);
  private readonly topLots = new Float64Array(TAPE_LEVELS);

  constructor(
    private readonly market: BinanceMarket,
    private readonly coin: string,
    private readonly grid: Grid,
    private readonly bookEveryMs: number,
    private readonly tally: ImportTally,
  ) {
    this.pxScale = 10 ** (NATIVE_PX_DECIMALS - grid.pxDecimals);
    this.contractLotsTicks = contractUsd(coin) * 10 ** (grid.szDecimals + grid.pxDecimals);
  }

  /** Appends the file's events to `out`; a file without a snapshot continues the one before. */
  async importFile(path: string, out: ColumnsBuilder): Promise<void> {
    const file = basename(path);
    this.out = out;
    this.tally.lines += await readLines(path, (line, lineNumber) => {
      try {
        this.line(line);
      } catch (cause) {
        if (!(cause instanceof BadMessage) && !(cause instanceof SyntaxError)) throw cause;
        this.tally.malformed(file, lineNumber, cause.message);
      }
    });
    this.tally.brokenChains = this.book.brokenChains;
  }

  private line(line: string): void {
    const raw = splitRawLine(line);
    if (raw === undefined) throw new BadMessage("not `<receive time> <json>`");
    const { recvMs } = raw;
    if (recvMs < this.lastRecvMs) throw new BadMessage("receive time steps back");
    const parsed = JSON.parse(raw.json) as {
      readonly stream?: string;
      readonly data?: BinanceMessage;
    } & BinanceMessage;
    if (typeof parsed !== "object" || parsed === null) throw new BadMessage("not an object");
    this.lastRecvMs = recvMs;
    if (parsed.lastUpdateId !== undefined) {
      this.snapshot(recvMs, parsed);
      return;
    }
    const { stream, data } = parsed;
    if (typeof stream !== "string" || typeof data !== "object" || data === null)
      throw new BadMessage("neither a stream message nor a depth snapshot");
    const at = stream.indexOf("@");
    const seen = coinOfBinanceSymbol(stream.slice(0, at));
    this.tally.coinsSeen.add(seen);
    if (seen !== this.coin) {
      this.tally.ignoredLines++;
      return;
    }
    const channel = stream.slice(at + 1);
    if (channel.startsWith("depth")) this.depth(recvMs, data);
    else if (channel === "bookTicker") this.ticker(recvMs, data);
    else if (channel === "trade") this.trade(recvMs, data);
    else this.tally.ignoredLines++;
  }

  private snapshot(recvMs: number, data: BinanceMessage): void {
    const { lastUpdateId } = data;
    if (!Number.isSafeInteger(lastUpdateId)) throw new BadMessage("snapshot without lastUpdateId");
    this.book.reset({
      lastUpdateId: lastUpdateId!,
      bids: this.levels(data.bids),
      asks: this.levels(data.asks),
    });
    this.isBookChanged = true;
    this.nextBookMs = Number.NEGATIVE_INFINITY;
    if (this.book.isSynced) this.sample(recvMs, stampOf(recvMs, data.E));
  }

  private depth(recvMs: number, data: BinanceMessage): void {
    const { U: first, u: last } = data;
    if (!Number.isSafeInteger(first) || !Number.isSafeInteger(last))
      throw new BadMessage("depth without U, u");
    this.tally.depthMessages++;
    const isSpot = this.market === "spot";
    const result = this.book.apply({
      first: first!,
      last: last!,
      previous: isSpot ? first! - 1 : (data.pu ?? -1),
      isSpot,
      bids: this.levels(data.b),
      asks: this.levels(data.a),
    });
    if (result === "broken") this.out.row(TapeKind.Gap, recvMs, stampOf(recvMs, data.E), 0, 0, 0, 0);
    if (result !== "applied") return;
    this.isBookChanged = true;
    if (recvMs >= this.nextBookMs) this.sample(recvMs, stampOf(recvMs, data.E));
  }

  private ticker(recvMs: number, data: BinanceMessage): void {
    if (typeof data.b !== "string" || typeof data.a !== "string")
      throw new BadMessage("bookTicker without prices");
    const bid = this.native(data.b);
    const ask = this.native(data.a);
    const bidSz = this.lots(this.quantity(data.B), bid);
    const askSz = this.lots(this.quantity(data.A), ask);
    if (bid > 0 && ask > 0 && bid >= ask) throw new BadMessage("crossed bookTicker");
    const exchMs = stampOf(recvMs, data.E);
    this.out.row(
      TapeKind.Bbo,
      recvMs,
      exchMs,
      bidSz > 0 ? this.floorTicks(bid) : 0,
      bidSz,
      askSz > 0 ? this.ceilTicks(ask) : 0,
      askSz,
    );
  }

  private trade(recvMs: number, data: BinanceMessage): void {
    const px = this.native(data.p);
    const lots = this.lots(this.quantity(data.q), px);
    if (typeof data.m !== "boolean" || !Number.isSafeInteger(data.t))
      throw new BadMessage("trade without m, t");
    if (px <= 0 || lots <= 0) throw new BadMessage("trade without price or size");
    const ticks = data.m ? this.floorTicks(px) : this.ceilTicks(px);
    // m: the buyer was the maker, so the aggressor sold.
    this.out.row(
      TapeKind.Trade,
      recvMs,
      stampOf(recvMs, data.E),
      ticks,
      lots,
      data.m ? Side.Sell : Side.Buy,
      data.t!,
    );
  }

  private sample(recvMs: number, exchMs: number): void {
    if (!this.isBookChanged) return;
    const { out, book } = this;
    const first = out.levelCount;
    const bids = this.writeSide(book.bids, Side.Buy);
    const asks = this.writeSide(book.asks, Side.Sell);
    if (bids > 0 && asks > 0 && out.levelPx[first]! >= out.levelPx[first + bids]!) {
      // No exchange shows a crossed book: a message was damaged, and which level is wrong cannot be known.
      out.levelCount = first;
      book.distrust();
      out.row(TapeKind.Gap, recvMs, exchMs, 0, 0, 0, 0);
      return;
    }
    out.book(recvMs, exchMs, bids, asks);
    this.isBookChanged = false;
    this.nextBookMs = recvMs + this.bookEveryMs;
  }

  /**
   * Writes the best levels of one side in ticks and lots; returns how many. One pass over the book with a short sorted list:
   * sorting thousands of levels for the best twenty took half of the import.
   */
  private writeSide(levels: ReadonlyMap<number, number>, side: Side): number {
    const { topTicks, topLots } = this;
    let count = 0;
    // Native price of the worst level of a full list: nearly every level of the book ends at this comparison.
    let bound = Number.NEGATIVE_INFINITY;
    for (const [px, quantity] of levels) {
      if (side * px < bound) continue;
      // Signed, so that best is greatest on both sides.
      const key = side === Side.Buy ? this.floorTicks(px) : -this.ceilTicks(px);
      const lots = this.lots(quantity, px);
      if (lots === 0) continue;
      let at = count;
      while (at > 0 && topTicks[at - 1]! < key) at--;
      if (at > 0 && topTicks[at - 1] === key) {
        topLots[at - 1] = topLots[at - 1]! + lots;
        continue;
      }
      if (at === TAPE_LEVELS) continue;
      if (count < TAPE_LEVELS) count++;
      topTicks.copyWithin(at + 1, at, count - 1);
      topLots.copyWithin(at + 1, at, count - 1);
      topTicks[at] = key;
      topLots[at] = lots;
      if (count === TAPE_LEVELS) bound = topTicks[count - 1]! * this.pxScale;
    }
    for (let i = 0; i < count; i++) this.out.level(Math.abs(topTicks[i]!), topLots[i]!, 0);
    return count;
  }

  private readonly floorTicks = (native: number): number => Math.floor(native / this.pxScale);
  private readonly ceilTicks = (native: number): number => Math.ceil(native / this.pxScale);

  /** Quantity in the book's unit (contracts or lots) to lots at a native price. */
  private lots(quantity: number, nativePx: number): number {
    if (this.market !== "cm" || quantity === 0) return quantity;
    // Contracts × USD / price. The quotient of two safe integers floors exactly; anything larger takes the slow road.
    const ticks = nativePx / this.pxScale;
    const value = quantity * this.contractLotsTicks;
    if (Number.isInteger(ticks) && Number.isSafeInteger(value)) return Math.floor(value / ticks);
    const exact = BigInt(quantity) * BigInt(this.contractLotsTicks) * BigInt(this.pxScale);
    return Number(exact / BigInt(nativePx));
  }

  private levels(levels: BinanceMessage["b"]): number[] {
    if (!Array.isArray(levels)) throw new BadMessage("depth without levels");
    const out = new Array<number>(levels.length * 2);
    for (let i = 0; i < levels.length; i++) {
      const level = levels[i] as readonly [string, string] | null;
      if (!Array.isArray(level)) throw new BadMessage("level is not [price, quantity]");
      out[2 * i] = this.native(level[0]);
      out[2 * i + 1] = this.quantity(level[1]);
    }
    return out;
  }

  private native(text: string | undefined): number {
    return this.number(text, NATIVE_PX_DECIMALS);
  }

  private quantity(text: string | undefined): number {
    return this.number(text, this.market === "cm" ? 0 : this.grid.szDecimals);
  }

  private number(text: string | undefined, decimals: number): number {
    const value = typeof text === "string" ? this.decimals.floor(text, decimals) : Number.NaN;
    if (Number.isNaN(value)) throw new BadMessage(`not a number: ${String(text).slice(0, 24)}`);
    return value;
  }
}

/** The exchange's time of a message, NaN where it has none. One absurd stamp would spoil the clock offset of the tape. */
function stampOf(recvMs: number, exchMs: number | undefined): number {
  if (exchMs === undefined) return Number.NaN;
  if (!isPlausibleStamp(recvMs, exchMs)) throw new BadMessage("exchange time is a day or more off");
  return exchMs;
}
