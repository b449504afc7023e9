import * as abi from "../../../abi/layout.js";
import { DeltaFlag, FeedState, OrderEventType, RecordKind } from "../../../abi/layout.js";
import { pow10, Side } from "../../../domain/index.js";
import { LevelBook } from "../convert/levels.js";
import { ClockOffset, RecordQueue } from "../convert/records.js";
import { Timeline } from "../convert/times.js";
import type { TapeInstrument } from "../file/format.js";
import { type FileSource, recvOffset } from "./file-source.js";

/** Kinds of which the newest record is the state. */
const NEWEST = [RecordKind.Book, RecordKind.Bbo, RecordKind.AssetCtx] as const;

interface Resting {
  readonly side: Side;
  readonly px: number;
  readonly sz: number;
  readonly oid: bigint;
}

/** What a reader who starts in the middle of a tape must be told of one market. */
export class MarketState {
  readonly book = new LevelBook();
  hasSnapshot = false;
  isOpen = false;
  state: number = FeedState.Live;
  private readonly newest = new Map<number, Float64Array>();
  private readonly orders = new Map<string, Resting>();
  private hasOrders = false;
  private readonly pxPow: number;
  private readonly szPow: number;
  /** Keeps the records themselves too, for `opening`. */
  constructor(
    readonly instrument: TapeInstrument,
    private readonly keeps = true,
  ) {
    this.pxPow = pow10(instrument.pxDecimals);
    this.szPow = pow10(instrument.szDecimals);
  }

  apply(r: Pick<FileSource, "kind" | "at" | "f64" | "u8" | "i32" | "i64" | "bodyBytes">): void {
    const { kind, at, f64, u8 } = r;
    if (kind === RecordKind.BookDelta) this.delta(at, f64, u8, r.i32);
    else if (kind === RecordKind.FeedStatus) {
      this.state = u8[at + abi.FEED_STATUS_STATE]!;
      if (this.state === FeedState.Resync) this.lose();
    } else if (!this.keeps) return;
    else if (kind === RecordKind.OrderEvent) this.order(at, f64, u8, r.i64);
    else if ((NEWEST as readonly number[]).includes(kind))
      this.newest.set(kind, f64.slice(at >> 3, (at + r.bodyBytes) >> 3));
  }

  /** Records that tell the state, stamped with `recvNs`; exchange stamps stay those of the records that made it. */
  opening(recvNs: number): RecordQueue {
    const { asset } = this.instrument;
    const out = new RecordQueue(new Timeline(0), new ClockOffset());
    if (this.hasOrders) {
      out.order(asset, recvNs, Number.NaN, OrderEventType.Clear, Side.Buy, 0, 0, 0);
      for (const o of this.orders.values())
        out.order(asset, recvNs, Number.NaN, OrderEventType.Add, o.side, o.px, o.sz, o.oid);
    }
    let flags = DeltaFlag.Snapshot | DeltaFlag.Clear | DeltaFlag.More;
    let last = -1;
    if (this.hasSnapshot)
      for (const side of [this.book.bids, this.book.asks])
        for (const ticks of side.best(side.count)) {
          const [px, sz] = [ticks / this.pxPow, side.lotsAt(ticks) / this.szPow];
          last = out.delta(asset, recvNs, Number.NaN, side.side, px, sz, flags, side.ordersAt(ticks));
          flags &= ~DeltaFlag.Clear;
        }
    if (last >= 0 && !this.isOpen) out.endMessage(last);
    for (const kind of NEWEST) {
      const body = this.newest.get(kind);
      if (body === undefined) continue;
      const to = out.copy(kind, asset, recvNs, body, 0, body.length * 8);
      out.f64[(to + recvOffset(kind)) >> 3] = recvNs;
    }
    if (this.state !== FeedState.Live) out.status(asset, recvNs, this.state);
    return out;
  }

  private delta(at: number, f64: Float64Array, u8: Uint8Array, i32: Int32Array): void {
    const flags = u8[at + abi.BOOK_DELTA_FLAGS]!;
    if ((flags & DeltaFlag.Clear) !== 0) {
      this.book.clear();
      this.hasSnapshot = true;
    }
    this.isOpen = (flags & DeltaFlag.More) !== 0;
    const side = u8[at + abi.BOOK_DELTA_SIDE] === 1 ? Side.Buy : Side.Sell;
    const ticks = Math.round(f64[(at + abi.BOOK_DELTA_PX) >> 3]! * this.pxPow);
    const lots = Math.round(f64[(at + abi.BOOK_DELTA_SZ) >> 3]! * this.szPow);
    this.book.side(side).set(ticks, lots, i32[(at + abi.BOOK_DELTA_ORDERS) >> 2]!);
  }

  private lose(): void {
    this.book.clear();
    this.hasSnapshot = false;
    this.isOpen = false;
    this.newest.delete(RecordKind.Book);
    this.newest.delete(RecordKind.Bbo);
  }

  private order(at: number, f64: Float64Array, u8: Uint8Array, i64: BigInt64Array): void {
    this.hasOrders = true;
    const oid = i64[(at + abi.ORDER_EVENT_OID) >> 3]!;
    const px = f64[(at + abi.ORDER_EVENT_PX) >> 3]!;
    const sz = f64[(at + abi.ORDER_EVENT_SZ) >> 3]!;
    const side = u8[at + abi.ORDER_EVENT_SIDE] === 1 ? Side.Buy : Side.Sell;
    // Orders without a name are told apart by their level.
    const key = oid === 0n ? `${side} ${px}` : String(oid);
    switch (u8[at + abi.ORDER_EVENT_TYPE]) {
      case OrderEventType.Clear:
        this.orders.clear();
        return;
      case OrderEventType.Add:
        this.orders.set(key, { side, px, sz, oid });
        return;
      case OrderEventType.Replace:
        // To the tail of the queue: the map keeps the order of arrival.
        this.orders.delete(key);
        this.orders.set(key, { side, px, sz, oid });
        return;
      case OrderEventType.Delete:
        this.orders.delete(key);
        return;
      default: {
        const old = this.orders.get(key);
        if (old === undefined) return;
        const left = Math.round((old.sz - sz) * this.szPow) / this.szPow;
        if (left > 0) this.orders.set(key, { ...old, sz: left });
        else this.orders.delete(key);
      }
    }
  }
}
