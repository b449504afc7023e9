/**
 * A market moved by the records of a tape file, handed to it one by one at their exchange time: what a backtest trades against.
 *
 * The same book and fill rules as the server's tape market (`TapeBook`); no frames are made, because the engine of a backtest
 * reads the records themselves. A tape of single orders (OrderEvent) moves the book by them: with the queue model `l3` exactly, with
 * any other by the sums and prints that they make. Where a tape holds both, `l3` takes the orders and every other model
 * the sums. Deterministic. Allocates: nothing per record.
 */

import * as abi from "../../abi/layout.js";
import { RecordKind } from "../../abi/layout.js";
import { type Instrument, pow10, Side } from "../../domain/index.js";
import type { RecordCursor } from "../../store/index.js";
import type { SimOrder } from "../account.js";
import type { MarketContext, SimMarket } from "../market.js";
import { bookView } from "../matching.js";
import type { QueueModel } from "../queue-model.js";
import type { SideMemory } from "../recorded-side.js";
import { type PassiveFill, TapeBook } from "../tape-book.js";

const NO_OPEN = "the market has not been opened";
/** Marks are made no more often than so: at the venue they move every 3 s. */
const MARK_EVERY_MS = 250;

export class RecordMarket implements SimMarket {
  readonly book: TapeBook;
  readonly isTape = true;
  readonly isOnAnyGrid = true;
  /** Never stepped by a driver: whoever reads the tape calls `apply`. */
  readonly nextDueMs = Number.POSITIVE_INFINITY;
  readonly hasEnded = false;
  /** Fills of resting orders that records have made so far: grown means that somebody has to be told. */
  fillCount = 0;
  /** Twice the recorded mid in ticks before the newest record: what a fill that the record makes is measured against. */
  midBefore2Ticks = 0;
  private readonly view = bookView(20);
  private readonly pxScale: number;
  private readonly szScale: number;
  private context: MarketContext | undefined;
  private nowMs = 0;
  /** The first record from this time on moves the mark. */
  nextMarkMs = Number.NEGATIVE_INFINITY;
  /** The tape shows totals of prices, too. */
  private hasTotals = false;
  private readonly onFill: PassiveFill;

  constructor(
    readonly instrument: Instrument,
    private readonly queue: QueueModel,
    readonly description: string,
    memory?: SideMemory,
  ) {
    this.book = new TapeBook(queue, memory);
    this.pxScale = pow10(instrument.pxDecimals);
    this.szScale = pow10(instrument.szDecimals);
    this.onFill = (order, szLots, tid) => {
      this.fillCount++;
      this.opened.exchange.fillFromTape(order as SimOrder, szLots, tid, Math.floor(this.nowMs));
    };
  }

  get coin(): string {
    return this.instrument.coin;
  }

  private get opened(): MarketContext {
    if (this.context === undefined) throw new Error(NO_OPEN);
    return this.context;
  }

  open(context: MarketContext): void {
    this.context = context;
  }

  /** The record at the cursor happens now. @param exchMs exchange time, ms since the epoch with fraction. */
  apply(cursor: RecordCursor, exchMs: number): void {
    this.nowMs = exchMs;
    this.midBefore2Ticks = this.book.recordedMid2TicksOr(this.midBefore2Ticks);
    if (!(this.book.isOrderLevel && isTotals(cursor.kind))) this.take(cursor, exchMs);
    if (exchMs < this.nextMarkMs) return;
    this.nextMarkMs = exchMs + MARK_EVERY_MS;
    this.opened.exchange.updateMark(this.opened.market, exchMs);
  }

  /** Records that concern nobody but the book have been applied to its memory. @param lastTicks of the last print; 0: none. */
  skipped(midBefore2Ticks: number, newestExchMs: number, lastTicks: number, hasDeltas: boolean): void {
    this.midBefore2Ticks = midBefore2Ticks;
    this.book.newestExchMs = newestExchMs;
    if (lastTicks > 0) this.opened.market.lastTicks = lastTicks;
    if (hasDeltas) this.hasTotals = true;
  }

  private take(cursor: RecordCursor, exchMs: number): void {
    const block = cursor.block!;
    const { f64 } = block;
    const at = cursor.at >> 3;
    switch (cursor.kind) {
      case RecordKind.Bbo:
        this.book.applyTouch(
          Math.round(f64[at + (abi.BBO_BID_PX >> 3)]! * this.pxScale),
          Math.round(f64[at + (abi.BBO_BID_SZ >> 3)]! * this.szScale),
          Math.round(f64[at + (abi.BBO_ASK_PX >> 3)]! * this.pxScale),
          Math.round(f64[at + (abi.BBO_ASK_SZ >> 3)]! * this.szScale),
          exchMs,
          this.onFill,
        );
        break;
      case RecordKind.Trade:
        this.trade(cursor);
        break;
      case RecordKind.OrderEvent:
        this.order(cursor, exchMs);
        break;
      case RecordKind.BookDelta: {
        this.hasTotals = true;
        const flags = block.u8[cursor.at + abi.BOOK_DELTA_FLAGS]!;
        if ((flags & abi.DeltaFlag.Clear) !== 0) this.book.applyGap();
        const szLots = Math.round(f64[at + (abi.BOOK_DELTA_SZ >> 3)]! * this.szScale);
        this.book.applyDelta(
          block.u8[cursor.at + abi.BOOK_DELTA_SIDE] === 1 ? Side.Buy : Side.Sell,
          Math.round(f64[at + (abi.BOOK_DELTA_PX >> 3)]! * this.pxScale),
          szLots,
          1,
        );
        if ((flags & abi.DeltaFlag.More) === 0) this.book.afterDeltas(exchMs, this.onFill);
        break;
      }
      case RecordKind.Book:
        this.hasTotals = true;
        this.loadBook(cursor);
        this.book.applyBook(this.view, exchMs, this.onFill);
        break;
      case RecordKind.AssetCtx:
        this.takeContext(cursor);
        break;
      case RecordKind.FeedStatus:
        if (block.u8[cursor.at + abi.FEED_STATUS_STATE] !== abi.FeedState.Live) this.book.applyGap();
        break;
    }
  }

  private order(cursor: RecordCursor, exchMs: number): void {
    if (this.hasTotals && this.queue.isExact !== true) return;
    const { u8, f64, i32 } = cursor.block!;
    const at = cursor.at >> 3;
    const word = (cursor.at + abi.ORDER_EVENT_OID) >> 2;
    const type = u8[cursor.at + abi.ORDER_EVENT_TYPE]! as abi.OrderEventType;
    const pxTicks = Math.round(f64[at + (abi.ORDER_EVENT_PX >> 3)]! * this.pxScale);
    if (type === abi.OrderEventType.Execute) this.opened.market.lastTicks = pxTicks;
    this.book.applyOrder(
      type,
      // Ids above 2^53 lose their last bits; none of the venues read here has such.
      i32[word + 1]! * 4_294_967_296 + (i32[word]! >>> 0),
      u8[cursor.at + abi.ORDER_EVENT_SIDE] === 1 ? Side.Buy : Side.Sell,
      pxTicks,
      Math.round(f64[at + (abi.ORDER_EVENT_SZ >> 3)]! * this.szScale),
      exchMs,
      this.onFill,
    );
  }

  private trade(cursor: RecordCursor): void {
    const { u8, f64, i64 } = cursor.block!;
    if ((u8[cursor.at + abi.TRADE_FLAGS]! & abi.TradeFlag.Backlog) !== 0) return;
    const at = cursor.at >> 3;
    const pxTicks = Math.round(f64[at + (abi.TRADE_PX >> 3)]! * this.pxScale);
    this.opened.market.lastTicks = pxTicks;
    const aggressor = u8[cursor.at + abi.TRADE_SIDE] === 1 ? Side.Buy : Side.Sell;
    if (!this.book.isNear(aggressor, pxTicks)) return;
    const szLots = Math.round(f64[at + (abi.TRADE_SZ >> 3)]! * this.szScale);
    const tid = Number(i64[at + (abi.TRADE_TID >> 3)]!);
    this.book.applyTrade(aggressor, pxTicks, szLots, tid, this.onFill);
  }

  private loadBook(cursor: RecordCursor): void {
    const { view } = this;
    const { u8 } = cursor.block!;
    view.bidCount = Math.min(u8[cursor.at + abi.BOOK_BID_COUNT]!, view.capacity);
    view.askCount = Math.min(u8[cursor.at + abi.BOOK_ASK_COUNT]!, view.capacity);
    this.loadSide(cursor, abi.BOOK_BIDS, view.bidCount, view.bidPxTicks, view.bidSzLots, view.bidOrders);
    this.loadSide(cursor, abi.BOOK_ASKS, view.askCount, view.askPxTicks, view.askSzLots, view.askOrders);
  }

  private loadSide(
    cursor: RecordCursor,
    offset: number,
    count: number,
    px: Float64Array,
    sz: Float64Array,
    orders: Uint32Array,
  ): void {
    const { f64, i32 } = cursor.block!;
    for (let i = 0; i < count; i++) {
      const at = cursor.at + offset + i * abi.LEVEL_SIZE;
      px[i] = Math.round(f64[(at + abi.LEVEL_PX) >> 3]! * this.pxScale);
      sz[i] = Math.round(f64[(at + abi.LEVEL_SZ) >> 3]! * this.szScale);
      orders[i] = i32[(at + abi.LEVEL_ORDERS) >> 2]! || 1;
    }
  }

  private takeContext(cursor: RecordCursor): void {
    const { f64 } = cursor.block!;
    const at = cursor.at >> 3;
    const oracle = f64[at + (abi.ASSET_CTX_ORACLE_PX >> 3)]!;
    if (oracle > 0) this.opened.exchange.setOracle(this.opened.market, Math.round(oracle * this.pxScale));
  }

  // A driver never calls these: nothing is due, and nobody reads frames.
  begin(): void {}
  step(): void {}
  onTrade(): void {}
  afterAction(): void {}
  close(): void {}
}

const isTotals = (kind: number): boolean =>
  kind === RecordKind.Bbo ||
  kind === RecordKind.Book ||
  kind === RecordKind.BookDelta ||
  kind === RecordKind.Trade;
