import * as abi from "../../../abi/layout.js";
import { RecordKind } from "../../../abi/layout.js";
import type { Side } from "../../../domain/index.js";
import type { Timeline } from "./times.js";

/** A stream of tape records, nearest first. Fields are those of the front record while `hasFront`. */
export interface RecordSource {
  readonly hasFront: boolean;
  readonly kind: RecordKind;
  readonly asset: number;
  readonly recvNs: number;
  readonly f64: Float64Array;
  /** Byte offset of the body in `f64`. */
  readonly at: number;
  readonly bodyBytes: number;
  pop(): void;
  /** Makes a front record. @returns false at the end. */
  fill(): Promise<boolean>;
  /** Share of the input that was read, 0 to 1. */
  readonly share: number;
  /** Name of the file that the front record came from, where its records follow each other file by file. */
  readonly file?: string;
}

const HEAD_BYTES = 16;

/**
 * Makes records from numbers and keeps them in order until they are taken. Times are ns since the base; an exchange time of NaN means
 * that the recording has none, and becomes 0. Prices and sizes are doubles on the market's grid.
 */
export class RecordQueue {
  f64: Float64Array;
  private i32: Int32Array;
  private i64: BigInt64Array;
  private u8: Uint8Array;
  private head = 0;
  private tail = 0;
  private readonly seqs: number[] = [];
  /** The levels of a message share its stamp. */
  private lastExchNs = Number.NaN;
  private lastEpochNs = 0n;

  /** @param offset Told of every exchange time, for the clock offset of the recording. */
  constructor(
    private readonly times: Timeline,
    private readonly offset: ClockOffset,
  ) {
    const buffer = new ArrayBuffer(64 * 1024);
    this.f64 = new Float64Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.i64 = new BigInt64Array(buffer);
    this.u8 = new Uint8Array(buffer);
  }

  /** Records from here on are not given out yet: the message that they belong to may go on. */
  holdAt = Number.POSITIVE_INFINITY;

  get hasFront(): boolean {
    return this.head < this.tail && this.head < this.holdAt;
  }
  get recvNs(): number {
    return this.f64[this.head >> 3]!;
  }
  get kind(): RecordKind {
    return (this.i32[(this.head >> 2) + 2]! & 0xffff) as RecordKind;
  }
  get asset(): number {
    return this.i32[(this.head >> 2) + 2]! >>> 16;
  }
  get bodyBytes(): number {
    return this.i32[(this.head >> 2) + 3]!;
  }
  get at(): number {
    return this.head + HEAD_BYTES;
  }

  pop(): void {
    this.head += HEAD_BYTES + this.bodyBytes;
    if (this.head === this.tail) {
      this.head = 0;
      this.tail = 0;
    }
  }

  /** Where the newest record would begin: `rollback` to it takes back what was made since. */
  get mark(): number {
    return this.tail;
  }
  rollback(mark: number): void {
    this.tail = mark;
    if (this.holdAt >= mark) this.holdAt = Number.POSITIVE_INFINITY;
  }

  delta(
    asset: number,
    recvNs: number,
    exchNs: number,
    side: Side,
    px: number,
    sz: number,
    flags: number,
    orders = 0,
  ): number {
    const at = this.begin(RecordKind.BookDelta, asset, recvNs, exchNs, abi.BOOK_DELTA_SIZE);
    this.f64[(at + abi.BOOK_DELTA_PX) >> 3] = px;
    this.f64[(at + abi.BOOK_DELTA_SZ) >> 3] = sz;
    this.i32[(at + abi.BOOK_DELTA_SEQ) >> 2] = this.seq(asset);
    this.u8[at + abi.BOOK_DELTA_SIDE] = side;
    this.u8[at + abi.BOOK_DELTA_FLAGS] = flags;
    this.i32[(at + abi.BOOK_DELTA_ORDERS) >> 2] = orders;
    this.asset16(at + abi.BOOK_DELTA_ASSET, asset);
    return at;
  }

  /** Holds back a delta and what follows it. @param at What `delta` returned. */
  hold(at: number): void {
    if (this.holdAt === Number.POSITIVE_INFINITY) this.holdAt = at - HEAD_BYTES;
  }

  release(): void {
    this.holdAt = Number.POSITIVE_INFINITY;
  }

  /** Drops the More flag of the newest delta: its message ends with it. @param at What `delta` returned. */
  endMessage(at: number): void {
    this.u8[at + abi.BOOK_DELTA_FLAGS] = this.u8[at + abi.BOOK_DELTA_FLAGS]! & ~abi.DeltaFlag.More;
  }

  trade(
    asset: number,
    recvNs: number,
    exchNs: number,
    px: number,
    sz: number,
    side: Side,
    tid: number | bigint,
    flags = 0,
  ): void {
    const at = this.begin(RecordKind.Trade, asset, recvNs, exchNs, abi.TRADE_SIZE);
    this.f64[(at + abi.TRADE_PX) >> 3] = px;
    this.f64[(at + abi.TRADE_SZ) >> 3] = sz;
    this.i64[(at + abi.TRADE_TID) >> 3] = BigInt(tid);
    this.i32[(at + abi.TRADE_SEQ) >> 2] = this.seq(asset);
    this.u8[at + abi.TRADE_SIDE] = side;
    this.u8[at + abi.TRADE_FLAGS] = flags;
    this.asset16(at + abi.TRADE_ASSET, asset);
  }

  bbo(
    asset: number,
    recvNs: number,
    exchNs: number,
    bidPx: number,
    bidSz: number,
    askPx: number,
    askSz: number,
  ): void {
    const at = this.begin(RecordKind.Bbo, asset, recvNs, exchNs, abi.BBO_SIZE);
    this.f64[(at + abi.BBO_BID_PX) >> 3] = bidPx;
    this.f64[(at + abi.BBO_BID_SZ) >> 3] = bidSz;
    this.f64[(at + abi.BBO_ASK_PX) >> 3] = askPx;
    this.f64[(at + abi.BBO_ASK_SZ) >> 3] = askSz;
    this.i32[(at + abi.BBO_SEQ) >> 2] = this.seq(asset);
    this.asset16(at + abi.BBO_ASSET, asset);
  }

  book(asset: number, recvNs: number, exchNs: number, bids: Levels, asks: Levels): void {
    const at = this.begin(RecordKind.Book, asset, recvNs, exchNs, abi.BOOK_SIZE);
    this.i32[(at + abi.BOOK_SEQ) >> 2] = this.seq(asset);
    this.asset16(at + abi.BOOK_ASSET, asset);
    this.u8[at + abi.BOOK_BID_COUNT] = this.levels(at + abi.BOOK_BIDS, bids);
    this.u8[at + abi.BOOK_ASK_COUNT] = this.levels(at + abi.BOOK_ASKS, asks);
  }

  /** Unknown values are NaN. */
  context(asset: number, recvNs: number, c: ContextValues): void {
    const at = this.begin(RecordKind.AssetCtx, asset, recvNs, Number.NaN, abi.ASSET_CTX_SIZE, 0);
    this.f64[(at + abi.ASSET_CTX_MARK_PX) >> 3] = c.markPx ?? Number.NaN;
    this.f64[(at + abi.ASSET_CTX_ORACLE_PX) >> 3] = c.oraclePx ?? Number.NaN;
    this.f64[(at + abi.ASSET_CTX_MID_PX) >> 3] = c.midPx ?? Number.NaN;
    this.f64[(at + abi.ASSET_CTX_FUNDING_RATE) >> 3] = c.fundingRate ?? Number.NaN;
    this.f64[(at + abi.ASSET_CTX_OPEN_INTEREST) >> 3] = c.openInterest ?? Number.NaN;
    this.f64[(at + abi.ASSET_CTX_PREMIUM) >> 3] = c.premium ?? Number.NaN;
    this.i32[(at + abi.ASSET_CTX_SEQ) >> 2] = this.seq(asset);
    this.asset16(at + abi.ASSET_CTX_ASSET, asset);
  }

  status(asset: number, recvNs: number, state: number): void {
    const at = this.begin(RecordKind.FeedStatus, asset, recvNs, Number.NaN, abi.FEED_STATUS_SIZE, 0);
    this.i32[(at + abi.FEED_STATUS_SEQ) >> 2] = this.seq(asset);
    this.asset16(at + abi.FEED_STATUS_ASSET, asset);
    this.u8[at + abi.FEED_STATUS_STATE] = state;
  }

  liquidation(asset: number, recvNs: number, exchNs: number, px: number, sz: number, side: Side): void {
    const at = this.begin(RecordKind.Liquidation, asset, recvNs, exchNs, abi.LIQUIDATION_SIZE);
    this.f64[(at + abi.LIQUIDATION_PX) >> 3] = px;
    this.f64[(at + abi.LIQUIDATION_SZ) >> 3] = sz;
    this.i32[(at + abi.LIQUIDATION_SEQ) >> 2] = this.seq(asset);
    this.asset16(at + abi.LIQUIDATION_ASSET, asset);
    this.u8[at + abi.LIQUIDATION_SIDE] = side;
  }

  order(
    asset: number,
    recvNs: number,
    exchNs: number,
    type: number,
    side: Side,
    px: number,
    sz: number,
    oid: number | bigint,
  ): void {
    const at = this.begin(RecordKind.OrderEvent, asset, recvNs, exchNs, abi.ORDER_EVENT_SIZE);
    this.f64[(at + abi.ORDER_EVENT_PX) >> 3] = px;
    this.f64[(at + abi.ORDER_EVENT_SZ) >> 3] = sz;
    this.i64[(at + abi.ORDER_EVENT_OID) >> 3] = BigInt.asIntN(64, BigInt(oid));
    this.i32[(at + abi.ORDER_EVENT_SEQ) >> 2] = this.seq(asset);
    this.asset16(at + abi.ORDER_EVENT_ASSET, asset);
    this.u8[at + abi.ORDER_EVENT_SIDE] = side;
    this.u8[at + abi.ORDER_EVENT_TYPE] = type;
  }

  /** A copy of a record that is elsewhere. */
  copy(
    kind: RecordKind,
    asset: number,
    recvNs: number,
    f64: Float64Array,
    from: number,
    bodyBytes: number,
  ): number {
    const at = this.room(kind, asset, recvNs, bodyBytes);
    this.f64.set(f64.subarray(from >> 3, (from + bodyBytes) >> 3), at >> 3);
    return at;
  }

  /** @returns the byte offset of the zeroed body, stamped. */
  private begin(
    kind: RecordKind,
    asset: number,
    recvNs: number,
    exchNs: number,
    bodyBytes: number,
    recvAt = 8,
  ): number {
    const at = this.room(kind, asset, recvNs, bodyBytes);
    this.u8.fill(0, at, at + bodyBytes);
    if (!Number.isNaN(exchNs)) {
      if (exchNs !== this.lastExchNs) {
        this.lastExchNs = exchNs;
        this.lastEpochNs = this.times.epochNs(exchNs);
      }
      this.i64[at >> 3] = this.lastEpochNs;
      const offsetNs = recvNs - exchNs;
      if (offsetNs < this.offset.minNs) this.offset.minNs = offsetNs;
    }
    this.f64[(at + recvAt) >> 3] = recvNs;
    return at;
  }

  private room(kind: RecordKind, asset: number, recvNs: number, bodyBytes: number): number {
    const from = this.tail;
    if (from + HEAD_BYTES + bodyBytes > this.u8.length) this.grow();
    const at = this.tail;
    this.f64[at >> 3] = recvNs;
    this.i32[(at >> 2) + 2] = kind | (asset << 16);
    this.i32[(at >> 2) + 3] = bodyBytes;
    this.tail = at + HEAD_BYTES + bodyBytes;
    return at + HEAD_BYTES;
  }

  private grow(): void {
    const buffer = new ArrayBuffer(this.u8.length * 2);
    const u8 = new Uint8Array(buffer);
    u8.set(this.u8.subarray(0, this.tail));
    this.u8 = u8;
    this.f64 = new Float64Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.i64 = new BigInt64Array(buffer);
  }

  private seq(asset: number): number {
    const next = (this.seqs[asset] ?? -1) + 1;
    this.seqs[asset] = next;
    return next;
  }

  private asset16(at: number, asset: number): void {
    this.u8[at] = asset & 0xff;
    this.u8[at + 1] = asset >> 8;
  }

  private levels(at: number, levels: Levels): number {
    const n = Math.min(levels.count, abi.BOOK_BIDS_CAPACITY);
    for (let i = 0; i < n; i++) {
      const to = at + i * abi.LEVEL_SIZE;
      this.f64[(to + abi.LEVEL_PX) >> 3] = levels.px[i]!;
      this.f64[(to + abi.LEVEL_SZ) >> 3] = levels.sz[i]!;
      this.i32[(to + abi.LEVEL_ORDERS) >> 2] = levels.orders[i]!;
    }
    return n;
  }
}

export interface Levels {
  count: number;
  readonly px: number[];
  readonly sz: number[];
  readonly orders: number[];
}

export interface ContextValues {
  readonly markPx?: number;
  readonly oraclePx?: number;
  readonly midPx?: number;
  /** Fraction per hour. */
  readonly fundingRate?: number;
  readonly openInterest?: number;
  readonly premium?: number;
}

/** The smallest recv − exch of a recording so far, ns: the recorder's clock error plus the fastest way. */
export class ClockOffset {
  minNs = Number.POSITIVE_INFINITY;
}

/** A source whose records an importer puts into a queue: the front record is the queue's. */
export abstract class QueuedSource implements RecordSource {
  constructor(private readonly queue: RecordQueue) {}

  abstract readonly share: number;
  abstract fill(): Promise<boolean>;

  get hasFront(): boolean {
    return this.queue.hasFront;
  }
  get kind(): RecordKind {
    return this.queue.kind;
  }
  get asset(): number {
    return this.queue.asset;
  }
  get recvNs(): number {
    return this.queue.recvNs;
  }
  get f64(): Float64Array {
    return this.queue.f64;
  }
  get at(): number {
    return this.queue.at;
  }
  get bodyBytes(): number {
    return this.queue.bodyBytes;
  }
  pop(): void {
    this.queue.pop();
  }
}
