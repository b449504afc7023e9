/**
 * The host's side of assembly/tape-run.ts: one piece of kernel memory holds the blocks of the tape, the exchange's book and the
 * engine's, and the kernel skips over the records that change nothing else.
 */
import { Side } from "../domain/index.js";
import { type InlineEngine, kernelHost } from "../engine/inline.js";
import { KernelHost, type TouchState } from "../kernels/index.js";
import { RECORDED_SIDE_BYTES, type RecordedSide, type RecordMarket, type SideMemory } from "../sim/index.js";
import type { TapeBlock } from "../store/index.js";
import type { LocalBook } from "./local-book.js";
import type { SeriesRecorder } from "./series.js";
import type { BlockArena, BlockTimes, FixedDelay, StampClock, TapeWindow } from "./window.js";

/** Places of the state, f64 words; the order of `Run` in assembly/tape-run.ts. */
const WORDS = [
  "exchBlock",
  "exchEnd",
  "exchStart",
  "exchIndex",
  "exchTimes",
  "localBlock",
  "localEnd",
  "localStart",
  "localIndex",
  "localTimes",
  "timerNs",
  "asset",
  "slot",
  "pxScale",
  "szScale",
  "exchBids",
  "exchAsks",
  "localBids",
  "localAsks",
  "nextMarkNs",
  "nextSampleNs",
  "nextMarkoutNs",
  "newestExchNs",
  "midBefore2Ticks",
  "lastTicks",
  "hasDeltas",
  "touchNs",
  "nextBookNs",
  "changeNs",
  "changeLo",
  "changeHi",
  "midPx",
  "quotedMicro",
  "touchMicro",
  "quotedNs",
  "requoteRatio",
  "requoteNs",
  "marketRecvNs",
  "events",
  "levelUpdates",
  "records",
  "rejected",
  "lastNs",
  "ownBidCount",
  "ownAskCount",
  "farCount",
] as const;
type Word = (typeof WORDS)[number];
const W = Object.fromEntries(WORDS.map((name, i) => [name, i])) as Readonly<Record<Word, number>>;

/** Likewise of `Times`. */
const TIMES_WORDS = 13;

const OWN_MAX = 16;
const FAR_MAX = 512;
/** Side, key, lots. */
const FAR_WORDS = 3;
const STATE_BYTES = (WORDS.length + 2 * OWN_MAX + FAR_MAX * FAR_WORDS) * 8;
const TIMES_AT = KernelHost.extraAt + STATE_BYTES;
/** Times of the host in ms are met so much early: rounding must not make it late. */
const HAIR_NS = 1_000;
/** Of an ordinary block and its records; larger ones lie outside, and are the host's from end to end. */
const ROOM_BYTES = 384 * 1024;
const ROOM_RECORDS = 8192;
const TIMES_BYTES = (ROOM_RECORDS + 8) * 8;
const ROOM_STRIDE = ROOM_BYTES + 2 * TIMES_BYTES;
/** A block's bytes before they are unpacked. */
const STORED_BYTES = ROOM_BYTES;
/** Behind the unpacked bytes, for copies wider than what they copy. */
const SLACK_BYTES = 32;
/** Blocks between the exchange's cursor and the engine's: two, unless the feed is very slow. */
const ROOMS = 8;

const SIDES_AT = Math.ceil((TIMES_AT + TIMES_WORDS * 8) / 64) * 64;
const STORED_AT = Math.ceil((SIDES_AT + 4 * RECORDED_SIDE_BYTES) / 64) * 64;
const ROOMS_AT = STORED_AT + STORED_BYTES;
const EXTRA_BYTES = ROOMS_AT + ROOMS * ROOM_STRIDE - KernelHost.extraAt;

/** What a run is between. */
export interface TapeRunParts {
  readonly window: TapeWindow;
  readonly market: RecordMarket;
  /** What the records move here, bids and asks, in `localMemory`. */
  readonly localSides: readonly [RecordedSide, RecordedSide];
  /** Whom they reach; undefined: they move the sides, and nobody is told. */
  readonly reader?: TapeReader;
  /** The tape's number of the market. */
  readonly asset: number;
  readonly pxScale: number;
  readonly szScale: number;
  readonly baseMs: number;
  readonly startNs: number;
}

/** An engine that follows the tape. */
export interface TapeReader {
  readonly book: LocalBook;
  readonly engine: InlineEngine;
  readonly recorder: SeriesRecorder;
  readonly requoteBps: number;
  readonly requoteMs: number;
}

/** What was skipped. */
export interface Skipped {
  /** Steps of either cursor. */
  records: number;
  events: number;
  levelUpdates: number;
  /** Time of the newest of them, ns. */
  lastNs: number;
  /** The engine's mid after them. */
  midPx: number;
}

/** Kernels of runs that are over, by this thread: a sweep would have the collector clear ten megabytes after each evaluation. */
const spare: KernelHost[] = [];
const SPARE_MAX = 2;

function takeHost(): KernelHost {
  const used = spare.pop();
  used?.forget();
  return used ?? kernelHost(EXTRA_BYTES);
}

/** Thread: any. Allocates: nothing per call. Life: `open` once → `skip` …, `close`. */
export class TapeRun implements BlockArena {
  readonly host = takeHost();
  readonly exchangeMemory: SideMemory;
  readonly localMemory: SideMemory;
  private readonly run: (at: number) => number;
  private readonly state: Float64Array;
  private readonly ownBids: Float64Array;
  private readonly ownAsks: Float64Array;
  private readonly far: Float64Array;
  private readonly lz4: (...args: number[]) => number;
  private readonly stampAll: (at: number) => number;
  private readonly times: Float64Array;
  /** Where rooms begin that hold no block. */
  private readonly free: number[] = [];
  private readonly touch: TouchState = {
    quotedMicro: 0,
    touchMicro: 0,
    quotedMonoNs: 0,
    marketRecvMonoNs: 0,
  };
  private readonly from = { exch: { index: 0, start: 0 }, local: { index: 0, start: 0 } };
  private parts: TapeRunParts | undefined;
  /** In the order in which they lie. */
  private sides: readonly RecordedSide[] = [];

  constructor() {
    const { buffer } = this.host.memoryU8;
    const { exports } = this.host;
    if (exports.tapeRunBytes?.() !== STATE_BYTES || exports.tapeTimesBytes?.() !== TIMES_WORDS * 8)
      throw new Error("tape run: kernel and program were not built together; run npm run build");
    this.run = exports.tapeRun!;
    this.lz4 = exports.lz4Block!;
    this.stampAll = exports.tapeTimes!;
    this.times = new Float64Array(buffer, TIMES_AT, TIMES_WORDS);
    this.state = new Float64Array(buffer, KernelHost.extraAt, WORDS.length);
    const ownAt = KernelHost.extraAt + WORDS.length * 8;
    this.ownBids = new Float64Array(buffer, ownAt, OWN_MAX);
    this.ownAsks = new Float64Array(buffer, ownAt + OWN_MAX * 8, OWN_MAX);
    this.far = new Float64Array(buffer, ownAt + 2 * OWN_MAX * 8, FAR_MAX * FAR_WORDS);
    const side = (i: number) => ({ buffer, byteOffset: SIDES_AT + i * RECORDED_SIDE_BYTES });
    this.exchangeMemory = { bids: side(0), asks: side(1) };
    this.localMemory = { bids: side(2), asks: side(3) };
    for (let i = 0; i < ROOMS; i++) this.free.push(ROOMS_AT + i * ROOM_STRIDE);
  }

  take(storedBytes: number, rawBytes: number, records: number) {
    if (storedBytes > STORED_BYTES || rawBytes + SLACK_BYTES > ROOM_BYTES || records > ROOM_RECORDS)
      return undefined;
    const at = this.free.pop();
    if (at === undefined) return undefined;
    const { buffer } = this.host.memoryU8;
    return {
      stored: new Uint8Array(buffer, STORED_AT, storedBytes),
      raw: new Uint8Array(buffer, at, rawBytes),
    };
  }

  unpack(lz4Block: Uint8Array, raw: Uint8Array): boolean {
    return (
      this.lz4(lz4Block.byteOffset, lz4Block.length, raw.byteOffset, raw.length, ROOM_BYTES) === raw.length
    );
  }

  timesOf({ u8, info }: TapeBlock): BlockTimes | undefined {
    const { buffer } = this.host.memoryU8;
    if (u8.buffer !== buffer) return undefined;
    const at = u8.byteOffset + ROOM_BYTES;
    // One more, for the walk over the list must find its end.
    const exchNs = new Float64Array(buffer, at, info.records + 1);
    const localNs = new Float64Array(buffer, at + TIMES_BYTES, info.records + 1);
    exchNs[info.records] = localNs[info.records] = Number.NaN;
    return { exchNs, localNs };
  }

  stamp(block: TapeBlock, times: BlockTimes, clock: StampClock, delay: FixedDelay): void {
    const t = this.times;
    t[0] = block.u8.byteOffset;
    t[1] = block.bytes;
    t[2] = times.exchNs.byteOffset;
    t[3] = times.localNs.byteOffset;
    t[4] = clock.stampedNs;
    t[5] = clock.arrivedNs;
    t[6] = clock.travelNs;
    t[7] = clock.baseHi;
    t[8] = clock.baseLo;
    t[9] = clock.offsetNs;
    t[10] = clock.trueOffsetNs;
    t[11] = delay.from === "recv" ? 1 : 0;
    t[12] = delay.ns;
    this.stampAll(TIMES_AT);
    clock.stampedNs = t[4];
    clock.arrivedNs = t[5];
    clock.travelNs = t[6];
  }

  release({ u8 }: TapeBlock): void {
    if (u8.buffer === this.host.memoryU8.buffer) this.free.push(u8.byteOffset);
  }

  /** Nobody works on its memory any more. */
  close(): void {
    if (spare.length < SPARE_MAX) spare.push(this.host);
  }

  /** Before the first `skip`. */
  open(parts: TapeRunParts): void {
    this.parts = parts;
    this.sides = [...parts.market.book.recorded, ...parts.localSides];
    const { state } = this;
    const { reader } = parts;
    const [bids, asks, localBids, localAsks] = [0, 1, 2, 3].map((i) => SIDES_AT + i * RECORDED_SIDE_BYTES);
    state[W.asset] = parts.asset;
    state[W.slot] = reader === undefined ? -1 : 0;
    state[W.pxScale] = parts.pxScale;
    state[W.szScale] = parts.szScale;
    state[W.exchBids] = bids!;
    state[W.exchAsks] = asks!;
    state[W.localBids] = localBids!;
    state[W.localAsks] = localAsks!;
    state[W.requoteRatio] = (reader?.requoteBps ?? 0) / 1e4;
    state[W.requoteNs] = (reader?.requoteMs ?? 0) * 1e6;
    state[W.nextBookNs] = state[W.nextSampleNs] = state[W.nextMarkoutNs] = Number.POSITIVE_INFINITY;
  }

  /**
   * Moves the window's cursors over what is trivial, up to the host's next moment.
   * @param timerNs time of the next timer: records of the exchange at that very time come before it, ours after it.
   * @param out receives what was skipped; `midPx` is read, too.
   * @returns false when nothing was skipped.
   */
  skip(timerNs: number, out: Skipped): boolean {
    const { window, market, reader, baseMs, startNs } = this.parts!;
    const exch = window.exchPlace.kept;
    const local = window.localPlace.kept;
    if (exch?.isInArena !== true || local?.isInArena !== true) return false;
    if (window.isLocalPrior || reader?.engine.isRunning === false || market.book.isOrderLevel) return false;
    const { state, from } = this;
    const bidCount = market.book.ownTicks(Side.Buy, this.ownBids);
    const askCount = market.book.ownTicks(Side.Sell, this.ownAsks);
    if (bidCount > OWN_MAX || askCount > OWN_MAX) return false;
    state[W.ownBidCount] = bidCount;
    state[W.ownAskCount] = askCount;
    state[W.exchBlock] = exch.block.u8.byteOffset;
    state[W.exchEnd] = exch.block.bytes;
    state[W.exchStart] = window.exch.start;
    state[W.exchIndex] = window.exchPlace.index;
    state[W.exchTimes] = exch.exchNs.byteOffset;
    state[W.localBlock] = local.block.u8.byteOffset;
    state[W.localEnd] = local.block.bytes;
    state[W.localStart] = window.local.start;
    state[W.localIndex] = window.localPlace.index;
    state[W.localTimes] = local.localNs.byteOffset;
    state[W.timerNs] = timerNs;
    state[W.nextMarkNs] = (market.nextMarkMs - baseMs) * 1e6 - HAIR_NS;
    state[W.newestExchNs] = Number.NEGATIVE_INFINITY;
    state[W.midBefore2Ticks] = market.midBefore2Ticks;
    state[W.lastTicks] = 0;
    state[W.hasDeltas] = 0;
    state[W.changeNs] = 0;
    if (reader !== undefined) this.tellReader(reader, out.midPx, startNs);
    state[W.events] = 0;
    state[W.levelUpdates] = 0;
    state[W.records] = 0;
    state[W.rejected] = 0;
    state[W.lastNs] = Number.NEGATIVE_INFINITY;
    state[W.farCount] = 0;

    this.run(KernelHost.extraAt);

    const records = state[W.records]!;
    if (records === 0) return false;
    if (state[W.farCount] !== 0) this.keepFar(state[W.farCount]!);
    out.records = records;
    out.events = state[W.events]!;
    out.levelUpdates = state[W.levelUpdates]!;
    out.lastNs = state[W.lastNs]!;
    out.midPx = state[W.midPx]!;
    from.exch.index = state[W.exchIndex]!;
    from.exch.start = state[W.exchStart]!;
    from.local.index = state[W.localIndex]!;
    from.local.start = state[W.localStart]!;
    window.skipTo(from.exch, from.local);
    if (reader !== undefined) this.hearReader(reader);
    const newestNs = state[W.newestExchNs]!;
    market.skipped(
      state[W.midBefore2Ticks]!,
      newestNs === Number.NEGATIVE_INFINITY ? market.book.newestExchMs : exchMs(newestNs, baseMs, startNs),
      state[W.lastTicks]!,
      state[W.hasDeltas] === 1,
    );
    return true;
  }

  private tellReader({ book, engine, recorder }: TapeReader, midPx: number, startNs: number): void {
    const { state, touch } = this;
    state[W.touchNs] = book.touchNs;
    state[W.nextBookNs] = book.nextBookNs;
    state[W.nextSampleNs] = startNs + recorder.nextMs * 1e6 - HAIR_NS;
    state[W.nextMarkoutNs] = startNs + recorder.nextMarkoutMs * 1e6 - HAIR_NS;
    state[W.midPx] = midPx;
    engine.pump.readTouch(0, touch);
    state[W.quotedMicro] = touch.quotedMicro;
    state[W.touchMicro] = touch.touchMicro;
    state[W.quotedNs] = touch.quotedMonoNs;
    state[W.marketRecvNs] = touch.marketRecvMonoNs;
  }

  private hearReader({ book, engine }: TapeReader): void {
    const { state } = this;
    book.touchNs = state[W.touchNs]!;
    if (state[W.changeNs] !== 0) book.skipped(state[W.changeLo]!, state[W.changeHi]!, state[W.changeNs]!);
    engine.pump.skipTouch(0, state[W.touchMicro]!, state[W.marketRecvNs]!);
    engine.kernelRejected += state[W.rejected]!;
  }

  /** What lies far from the touch is not in the kernel's memory. */
  private keepFar(count: number): void {
    const { far, sides } = this;
    for (let i = 0; i < count; i++) {
      const at = i * FAR_WORDS;
      const side = sides[(far[at]! - SIDES_AT) / RECORDED_SIDE_BYTES]!;
      side.update(side.sign * far[at + 1]!, far[at + 2]!, 1);
    }
  }
}

/** A record's time at the venue, ms since the epoch, as `RecordMarket.apply` is told it. */
export const exchMs = (exchNs: number, baseMs: number, startNs: number): number =>
  baseMs + Math.max(startNs, exchNs) / 1e6;
