import * as abi from "../abi/layout.js";
import { type Instrument, pow10, Side } from "../domain/index.js";
import { RecordedSide, type SideMemory } from "../sim/index.js";
import type { RecordCursor } from "../store/index.js";

/** A record made here is handed to the engine as if the tape had held it. */
export type RecordOut = (
  kind: abi.RecordKind,
  f64: Float64Array,
  byteOffset: number,
  bodyBytes: number,
) => void;

const LEVELS = 20;
/** Hyperliquid's own cadence of books; the touch follows at once. */
const BOOK_EVERY_NS = 500e6;
const QUIET_NS = 1e9;
const QUIET_NS_MAX = 60e9;

/**
 * The engine's own view of a market that is recorded level by level: books at the venue's cadence, and the touch whenever it
 * moves. Knows only what has reached us, which the exchange's book is ahead of. Allocates: nothing per record.
 */
export class LocalBook {
  private readonly bids: RecordedSide;
  private readonly asks: RecordedSide;
  private readonly pxScale: number;
  private readonly szScale: number;
  private readonly record = new ArrayBuffer(abi.BOOK_SIZE);
  private readonly f64 = new Float64Array(this.record);
  private readonly u8 = new Uint8Array(this.record);
  private readonly u32 = new Uint32Array(this.record);
  private readonly i32 = new Int32Array(this.record);
  private readonly px = new Float64Array(LEVELS);
  private readonly sz = new Float64Array(LEVELS);
  private readonly n = new Uint32Array(LEVELS);
  /** The first whole message from this time on is told as a book. */
  nextBookNs = Number.NEGATIVE_INFINITY;
  /** The touch as last told, ticks and lots. */
  private readonly told = new Float64Array(4);
  /** Stamp and arrival of the newest change; not known: nothing may be repeated. */
  private exchLo = 0;
  private exchHi = 0;
  private changeNs = Number.NaN;
  /** Newest touch of the tape's own stream, where it has one: ours would be a second one. */
  touchNs = Number.NEGATIVE_INFINITY;

  constructor(
    inst: Instrument,
    private readonly out: RecordOut,
    memory?: SideMemory,
  ) {
    this.bids = new RecordedSide(Side.Buy, memory?.bids);
    this.asks = new RecordedSide(Side.Sell, memory?.asks);
    this.pxScale = pow10(inst.pxDecimals);
    this.szScale = pow10(inst.szDecimals);
  }

  /** @param isPrior From before the start: makes the book, and is told to nobody. */
  onDelta(cursor: RecordCursor, isPrior = false): void {
    const { f64, u8, i32 } = cursor.block!;
    const at = cursor.at >> 3;
    const flags = u8[cursor.at + abi.BOOK_DELTA_FLAGS]!;
    if ((flags & abi.DeltaFlag.Clear) !== 0) {
      this.bids.clear();
      this.asks.clear();
    }
    const side = u8[cursor.at + abi.BOOK_DELTA_SIDE] === 1 ? this.bids : this.asks;
    side.update(
      Math.round(f64[at + (abi.BOOK_DELTA_PX >> 3)]! * this.pxScale),
      Math.round(f64[at + (abi.BOOK_DELTA_SZ >> 3)]! * this.szScale),
      1,
    );
    if (isPrior || (flags & abi.DeltaFlag.More) !== 0) return;
    const recvNs = f64[at + (abi.BOOK_DELTA_RECV_MONO_NS >> 3)]!;
    const word = cursor.at >> 2;
    this.exchLo = i32[word]!;
    this.exchHi = i32[word + 1]!;
    this.changeNs = recvNs;
    if (recvNs >= this.nextBookNs) {
      this.nextBookNs = recvNs + BOOK_EVERY_NS;
      this.tellBook(this.exchLo, this.exchHi, recvNs);
    } else if (this.touchNs === Number.NEGATIVE_INFINITY) {
      this.tellTouch(this.exchLo, this.exchHi, recvNs);
    }
  }

  get sides(): readonly [RecordedSide, RecordedSide] {
    return [this.bids, this.asks];
  }

  /** Changes up to this one have been made in the book's memory; nobody was to be told of them. */
  skipped(exchLo: number, exchHi: number, recvNs: number): void {
    this.exchLo = exchLo;
    this.exchHi = exchHi;
    this.changeNs = recvNs;
  }

  /** A touch from the tape itself. */
  onTouch(nowNs: number): void {
    this.touchNs = nowNs;
  }

  /** The recording broke off: nothing that stood can be trusted. */
  onGap(): void {
    this.bids.clear();
    this.asks.clear();
    this.changeNs = Number.NaN;
  }

  /**
   * Nothing has been told for a while. The venue sends its book all the same: told again, under the stamp of the last change, so that a
   * quiet market is not taken for a dead feed. Not for ever, for a recording may have broken off without saying so.
   */
  onQuiet(nowNs: number): void {
    const quietNs = nowNs - Math.max(this.changeNs, this.touchNs);
    if (!(quietNs >= QUIET_NS && quietNs <= QUIET_NS_MAX) || nowNs < this.nextBookNs) return;
    this.nextBookNs = nowNs + BOOK_EVERY_NS;
    this.tellBook(this.exchLo, this.exchHi, nowNs);
  }

  private tellBook(exchLo: number, exchHi: number, recvNs: number): void {
    if (this.bids.count === 0 || this.asks.count === 0 || this.bids.bestTicks >= this.asks.bestTicks) return;
    const { i32, f64, u8 } = this;
    u8.fill(0);
    i32[0] = exchLo;
    i32[1] = exchHi;
    f64[abi.BOOK_RECV_MONO_NS >> 3] = recvNs;
    u8[abi.BOOK_BID_COUNT] = this.side(this.bids, abi.BOOK_BIDS);
    u8[abi.BOOK_ASK_COUNT] = this.side(this.asks, abi.BOOK_ASKS);
    this.remember();
    this.out(abi.RecordKind.Book, f64, 0, abi.BOOK_SIZE);
  }

  private side(from: RecordedSide, offset: number): number {
    const { px, sz, n, f64, u32 } = this;
    const count = from.copyTo(LEVELS, px, sz, n);
    for (let i = 0; i < count; i++) {
      const at = offset + i * abi.LEVEL_SIZE;
      f64[(at + abi.LEVEL_PX) >> 3] = px[i]! / this.pxScale;
      f64[(at + abi.LEVEL_SZ) >> 3] = sz[i]! / this.szScale;
      u32[(at + abi.LEVEL_ORDERS) >> 2] = n[i]!;
    }
    return count;
  }

  private tellTouch(exchLo: number, exchHi: number, recvNs: number): void {
    const { bids, asks, told, f64, i32, u8 } = this;
    if (bids.count === 0 || asks.count === 0 || bids.bestTicks >= asks.bestTicks) return;
    const isSame =
      told[0] === bids.bestTicks &&
      told[1] === bids.bestLots &&
      told[2] === asks.bestTicks &&
      told[3] === asks.bestLots;
    if (isSame) return;
    this.remember();
    u8.fill(0, 0, abi.BBO_SIZE);
    i32[0] = exchLo;
    i32[1] = exchHi;
    f64[abi.BBO_RECV_MONO_NS >> 3] = recvNs;
    f64[abi.BBO_BID_PX >> 3] = bids.bestTicks / this.pxScale;
    f64[abi.BBO_BID_SZ >> 3] = bids.bestLots / this.szScale;
    f64[abi.BBO_ASK_PX >> 3] = asks.bestTicks / this.pxScale;
    f64[abi.BBO_ASK_SZ >> 3] = asks.bestLots / this.szScale;
    this.out(abi.RecordKind.Bbo, f64, 0, abi.BBO_SIZE);
  }

  private remember(): void {
    const { told, bids, asks } = this;
    told[0] = bids.bestTicks;
    told[1] = bids.bestLots;
    told[2] = asks.bestTicks;
    told[3] = asks.bestLots;
  }
}
