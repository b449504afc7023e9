import * as abi from "../../abi/layout.js";
import { RecordKind } from "../../abi/layout.js";
import { pow10, Side } from "../../domain/index.js";
import { ColumnsBuilder, FLAG_BACKLOG, TAPE_LEVELS, TapeKind } from "./columns.js";
import { LevelBook } from "./convert/levels.js";
import type { RecordSource } from "./convert/records.js";
import type { Grid } from "./instruments.js";
import { OrderLevels } from "./order-levels.js";

/** Trades without an id get one of their own, so that none is taken for a repetition of another. */
const FIRST_OWN_TID = 2 ** 52;

/** What the records of one source have in common. */
export interface RecordsOf {
  readonly grid: Grid;
  /** What receive times count from: ms since the epoch, and ns beyond. */
  readonly baseMs: number;
  readonly baseNs: number;
  /** Single orders are told as levels too. */
  readonly hasLevels: boolean;
  /** Executions of single orders are told as trades too. */
  readonly hasTrades: boolean;
}

export interface RecordCounts {
  /** Records that no event shows. */
  ignored: number;
  /** How often the book was lost; crossed books are among them. */
  lostBooks: number;
  crossedBooks: number;
  depthRecords: number;
}

/**
 * Turns the records of one market into the simulator's events: books as they are, or sampled from level changes every `bookEveryMs`; the
 * records' grid is brought onto `grid`, bids down, asks up. A state other than Live becomes a gap. Single orders make the levels, and the
 * prints, where nothing else tells them.
 */
export class RecordImporter {
  readonly counts: RecordCounts = { ignored: 0, lostBooks: 0, crossedBooks: 0, depthRecords: 0 };
  private readonly book = new LevelBook();
  private readonly orders = new OrderLevels(this.book);
  private hasLevels = false;
  private hasTrades = false;
  private isSynced = false;
  private isChanged = false;
  /** The newest message is not over: the book may be crossed meanwhile. */
  private isOpen = false;
  private nextBookMs = Number.NEGATIVE_INFINITY;
  /** A book that is due, written once all changes of its receive time are in. */
  private due: { recvMs: number; exchMs: number } | undefined;
  private ownTids = FIRST_OWN_TID;
  private out = new ColumnsBuilder();
  private baseMs = 0;
  private baseNs = 0;
  private pxScale = 1;
  private szScale = 1;
  private pxPow = 1;
  private szPow = 1;
  private f64: Float64Array = new Float64Array(0);
  private i64: BigInt64Array = new BigInt64Array(0);
  private i32: Int32Array = new Int32Array(0);
  private u8: Uint8Array = new Uint8Array(0);

  constructor(
    private readonly grid: Grid,
    private readonly bookEveryMs: number,
  ) {}

  /** Another source; one without a snapshot continues the one before. */
  begin(of: RecordsOf): void {
    this.pxPow = pow10(of.grid.pxDecimals);
    this.szPow = pow10(of.grid.szDecimals);
    this.pxScale = pow10(this.grid.pxDecimals) / this.pxPow;
    this.szScale = pow10(this.grid.szDecimals) / this.szPow;
    this.hasLevels = of.hasLevels;
    this.hasTrades = of.hasTrades;
    this.baseMs = of.baseMs;
    this.baseNs = of.baseNs;
  }

  /** Events go there from now on. */
  into(out: ColumnsBuilder): void {
    this.end();
    this.out = out;
  }

  /** Writes what waits for the next record. */
  end(): void {
    this.writeDue(Number.POSITIVE_INFINITY);
  }

  /** Takes the front record of a source. */
  take(s: RecordSource): void {
    if (s.f64 !== this.f64) this.view(s.f64);
    const { f64, u8 } = this;
    const at = s.at >> 3;
    const isStamped = s.kind !== RecordKind.FeedStatus && s.kind !== RecordKind.AssetCtx;
    const recvMs = this.baseMs + (this.baseNs + f64[at + (isStamped ? 1 : 0)]!) / 1e6;
    const exchMs = isStamped ? this.exchMs(s.at) : Number.NaN;
    this.writeDue(recvMs);
    switch (s.kind) {
      case RecordKind.Trade:
        this.trade(s.at, recvMs, exchMs);
        return;
      case RecordKind.Bbo: {
        const bidLots = this.lots(f64[at + (abi.BBO_BID_SZ >> 3)]!);
        const askLots = this.lots(f64[at + (abi.BBO_ASK_SZ >> 3)]!);
        const bid = bidLots > 0 ? this.ticks(f64[at + (abi.BBO_BID_PX >> 3)]!, Side.Buy) : 0;
        const ask = askLots > 0 ? this.ticks(f64[at + (abi.BBO_ASK_PX >> 3)]!, Side.Sell) : 0;
        this.out.row(TapeKind.Bbo, recvMs, exchMs, bid, bidLots, ask, askLots);
        return;
      }
      case RecordKind.Book:
        this.copyBook(s.at, recvMs, exchMs);
        return;
      case RecordKind.BookDelta:
        this.delta(s.at, recvMs, exchMs);
        return;
      case RecordKind.OrderEvent:
        if (!this.hasLevels) this.order(s.at, recvMs, exchMs);
        return;
      case RecordKind.FeedStatus:
        if (u8[s.at + abi.FEED_STATUS_STATE] !== abi.FeedState.Live) this.lose(recvMs, exchMs);
        return;
      default:
        this.counts.ignored++;
    }
  }

  /** A 64-bit stamp in ns as ms, exact to a double, without big integers: one for each level takes its time. */
  private exchMs(at: number): number {
    const low = this.i32[at >> 2]! >>> 0;
    const high = this.i32[(at >> 2) + 1]!;
    if (low === 0 && high === 0) return Number.NaN;
    // 2^32 ns are 4,294 ms and 967,296 ns.
    const ns = high * 967_296 + low;
    const ms = Math.floor(ns / 1e6);
    return high * 4_294 + ms + (ns - ms * 1e6) / 1e6;
  }

  private view(f64: Float64Array): void {
    const { buffer, byteOffset, byteLength } = f64;
    this.f64 = f64;
    this.i64 = new BigInt64Array(buffer, byteOffset, f64.length);
    this.i32 = new Int32Array(buffer, byteOffset, f64.length * 2);
    this.u8 = new Uint8Array(buffer, byteOffset, byteLength);
  }

  private order(at: number, recvMs: number, exchMs: number): void {
    const { f64, i64, u8 } = this;
    const px = f64[(at + abi.ORDER_EVENT_PX) >> 3]!;
    const sz = f64[(at + abi.ORDER_EVENT_SZ) >> 3]!;
    const side = u8[at + abi.ORDER_EVENT_SIDE] === 1 ? Side.Buy : Side.Sell;
    const type = u8[at + abi.ORDER_EVENT_TYPE] as abi.OrderEventType;
    const oid = i64[(at + abi.ORDER_EVENT_OID) >> 3]!;
    const ownTicks = Math.round(px * this.pxPow);
    const printed = this.orders.apply(type, oid, side, ownTicks, Math.round(sz * this.szPow));
    const lots = Math.floor(printed * this.szScale + 1e-9);
    if (lots > 0 && !this.hasTrades)
      this.out.row(TapeKind.Trade, recvMs, exchMs, this.ticks(px, side), lots, -side, this.ownTids++);
    this.isSynced = true;
    this.isChanged = true;
    // An aggressor may be listed before its trades.
    this.isOpen = this.book.isCrossed;
    if (!this.isOpen && recvMs >= this.nextBookMs) this.due ??= { recvMs, exchMs };
  }

  private trade(at: number, recvMs: number, exchMs: number): void {
    const { f64, i64, u8 } = this;
    const side = u8[at + abi.TRADE_SIDE] === 1 ? Side.Buy : Side.Sell;
    const ticks = this.ticks(f64[(at + abi.TRADE_PX) >> 3]!, -side as Side);
    const lots = this.lots(f64[(at + abi.TRADE_SZ) >> 3]!);
    const tid = Number(i64[(at + abi.TRADE_TID) >> 3]!) || this.ownTids++;
    const isBacklog = (u8[at + abi.TRADE_FLAGS]! & abi.TradeFlag.Backlog) !== 0;
    if (lots > 0)
      this.out.row(TapeKind.Trade, recvMs, exchMs, ticks, lots, side, tid, isBacklog ? FLAG_BACKLOG : 0);
    else this.counts.ignored++;
  }

  private copyBook(at: number, recvMs: number, exchMs: number): void {
    const counts = [0, 0];
    for (const side of [Side.Buy, Side.Sell] as const) {
      const isBid = side === Side.Buy;
      const n = this.u8[at + (isBid ? abi.BOOK_BID_COUNT : abi.BOOK_ASK_COUNT)]!;
      const from = at + (isBid ? abi.BOOK_BIDS : abi.BOOK_ASKS);
      let lastTicks = 0;
      for (let i = 0; i < n; i++) {
        const level = from + i * abi.LEVEL_SIZE;
        const ticks = this.ticks(this.f64[(level + abi.LEVEL_PX) >> 3]!, side);
        const lots = this.lots(this.f64[(level + abi.LEVEL_SZ) >> 3]!);
        if (lots === 0) continue;
        if (ticks === lastTicks) {
          this.out.levelSz[this.out.levelCount - 1] = this.out.levelSz[this.out.levelCount - 1]! + lots;
          continue;
        }
        lastTicks = ticks;
        this.out.level(ticks, lots, this.i32[(level + abi.LEVEL_ORDERS) >> 2]!);
        counts[isBid ? 0 : 1]!++;
      }
    }
    this.out.book(recvMs, exchMs, counts[0]!, counts[1]!);
  }

  private delta(at: number, recvMs: number, exchMs: number): void {
    const { f64, u8 } = this;
    const flags = u8[at + abi.BOOK_DELTA_FLAGS]!;
    this.counts.depthRecords++;
    if ((flags & abi.DeltaFlag.Clear) !== 0) {
      this.book.clear();
      this.isSynced = true;
      this.nextBookMs = Number.NEGATIVE_INFINITY;
    }
    if (!this.isSynced) return;
    const side = u8[at + abi.BOOK_DELTA_SIDE] === 1 ? Side.Buy : Side.Sell;
    // Levels are kept on the tape's own grid: two of them may meet on a coarser one.
    this.book
      .side(side)
      .set(
        Math.round(f64[(at + abi.BOOK_DELTA_PX) >> 3]! * this.pxPow),
        Math.round(f64[(at + abi.BOOK_DELTA_SZ) >> 3]! * this.szPow),
      );
    this.isChanged = true;
    this.isOpen = (flags & abi.DeltaFlag.More) !== 0;
    if (!this.isOpen && recvMs >= this.nextBookMs) this.due ??= { recvMs, exchMs };
  }

  /** @param recvMs Of the record that comes now. */
  private writeDue(recvMs: number): void {
    const { due, out, book } = this;
    if (due === undefined || recvMs === due.recvMs || !this.isChanged) return;
    this.due = undefined;
    // The message goes on later: its end makes a book due, at its own time.
    if (this.isOpen) return;
    if (book.isCrossed) {
      // No exchange shows a crossed book, and which level is wrong cannot be known.
      this.counts.crossedBooks++;
      this.lose(due.recvMs, due.exchMs);
      return;
    }
    const bids = this.writeSide(Side.Buy);
    const asks = this.writeSide(Side.Sell);
    out.book(due.recvMs, due.exchMs, bids, asks);
    this.isChanged = false;
    this.nextBookMs = due.recvMs + this.bookEveryMs;
  }

  private writeSide(side: Side): number {
    const { out } = this;
    const levels = this.book.side(side);
    let count = 0;
    let lastTicks = 0;
    // A few more, for those that meet on the coarser grid.
    for (let n = TAPE_LEVELS; ; n *= 4) {
      const before = out.levelCount - count;
      out.levelCount = before;
      count = 0;
      lastTicks = 0;
      for (const own of levels.best(n)) {
        const ticks = this.ticks(own / this.pxPow, side);
        const lots = Math.floor(levels.lotsAt(own) * this.szScale + 1e-9);
        if (lots === 0) continue;
        if (count > 0 && ticks === lastTicks) {
          out.levelSz[out.levelCount - 1] = out.levelSz[out.levelCount - 1]! + lots;
          continue;
        }
        if (count === TAPE_LEVELS) return count;
        lastTicks = ticks;
        out.level(ticks, lots, levels.ordersAt(own));
        count++;
      }
      // A full list is only known to be whole when a further price ended it.
      if (n >= levels.count || this.pxScale >= 1) return count;
    }
  }

  private lose(recvMs: number, exchMs: number): void {
    this.counts.lostBooks++;
    this.orders.clear();
    this.isSynced = false;
    this.isChanged = false;
    this.isOpen = false;
    this.due = undefined;
    this.out.row(TapeKind.Gap, recvMs, exchMs, 0, 0, 0, 0);
  }

  private ticks(px: number, side: Side): number {
    const own = Math.round(px * this.pxPow) * this.pxScale;
    const nearest = Math.round(own);
    if (Math.abs(own - nearest) < 1e-6) return nearest;
    return side === Side.Buy ? Math.floor(own) : Math.ceil(own);
  }

  private lots(sz: number): number {
    return Math.floor(Math.round(sz * this.szPow) * this.szScale + 1e-9);
  }
}
