/**
 * Two readers of one tape: the exchange, for whom a record happens at its own time, and the engine, whom it reaches later.
 *
 * The blocks between the two are kept, and no others: memory is bounded by the feed's latency, whatever the tape's length.
 */
import * as abi from "../abi/layout.js";
import type { Rng } from "../domain/index.js";
import {
  type BlockMemory,
  RecordCursor,
  type TapeBlock,
  TapeError,
  TapeFileReader,
  type TapeMeta,
} from "../store/index.js";
import { delayOf, type FeedDist } from "./latency.js";

/** The two times of each record of a block. */
export interface BlockTimes {
  /** At the venue and here; NaN: not read. */
  readonly exchNs: Float64Array;
  readonly localNs: Float64Array;
}

/** How stamps become times on the recorder's clock, ns since the tape's base. */
export interface StampClock {
  /** Newest times so far, at the venue and here: neither runs back. */
  stampedNs: number;
  arrivedNs: number;
  /** How long the last record with an exchange stamp travelled. */
  travelNs: number;
  /** The base's ns since the epoch, in words of 32 bits. */
  readonly baseLo: number;
  readonly baseHi: number;
  /** From the venue's clock to the recorder's; and without a leak test's shift. */
  readonly offsetNs: number;
  readonly trueOffsetNs: number;
}

/** A record reaches us so long after it was received by the recorder, or after it happened. */
export interface FixedDelay {
  readonly from: "recv" | "exch";
  readonly ns: number;
}

/** Memory for blocks that lies together with the books; what it has no room for lies elsewhere. */
export interface BlockArena extends BlockMemory {
  /** Beside the block; undefined: it lies elsewhere. */
  timesOf(block: TapeBlock): BlockTimes | undefined;
  /** As `TapeWindow.stamp` would, every record of a block. */
  stamp(block: TapeBlock, times: BlockTimes, clock: StampClock, delay: FixedDelay): void;
  /** Nothing where the block lies elsewhere. */
  release(block: TapeBlock): void;
}

/** A block that one of the cursors has not finished. */
export interface KeptBlock extends BlockTimes {
  readonly block: TapeBlock;
  /** So many of its first records are older than the start. */
  readonly prior: number;
  readonly isInArena: boolean;
}

/** A cursor's place: the block it is in, and which of its records it is on. */
export interface Place {
  kept: KeptBlock | undefined;
  index: number;
}

/** A book told by changes stands on all of them. */
const STATE_KINDS: ReadonlySet<number> = new Set([
  abi.RecordKind.BookDelta,
  abi.RecordKind.OrderEvent,
  abi.RecordKind.FeedStatus,
]);

export interface WindowOptions {
  /** Files that follow each other, in order. */
  readonly paths: readonly string[];
  readonly feed: FeedDist;
  readonly rng: Rng;
  /**
   * ns since the tape's base; records before are not read, except that of a tape of price levels or single orders those that make
   * the book are: from the first on, with `isLocalPrior` for the engine's side.
   */
  readonly fromNs?: number;
  readonly toNs?: number;
  /**
   * Exchange stamps are moved back by so much: records reach the engine later than they did. Negative: the engine hears of what
   * has not happened yet, which is what a leak is (leak tests).
   */
  readonly shiftNs?: number;
  readonly arena?: BlockArena;
}

/**
 * Times are ns since `baseWallMs` of the first file. `exch` and `local` are cursors on the record that is next for each; a
 * cursor's time is Infinity at the end. Neither runs back: where stamps do, the record happens at the newest time seen.
 */
export class TapeWindow {
  readonly meta: TapeMeta;
  readonly baseWallMs: number;
  readonly exch = new RecordCursor();
  readonly local = new RecordCursor();
  /** When the record under `exch` happens at the venue. */
  exchNs = Number.NEGATIVE_INFINITY;
  /** When the record under `local` reaches us. */
  localNs = Number.NEGATIVE_INFINITY;
  bytesRead = 0;
  readonly totalRecords: number;
  private readonly readers: TapeFileReader[];
  private readerAt = 0;
  /** Blocks that one of the cursors has not finished, oldest first. */
  private readonly kept: KeptBlock[] = [];
  /** Blocks that are no longer kept, and those that each cursor has left. */
  private droppedBlocks = 0;
  private doneExch = 0;
  private doneLocal = 0;
  private readonly stamps = new RecordCursor();
  /** Leading records of the newest block that the file before holds too. */
  private repeated = 0;
  /** Of the two cursors. */
  readonly exchPlace: Place = { kept: undefined, index: -1 };
  readonly localPlace: Place = { kept: undefined, index: -1 };
  /** The record under `local` is older than the start: it tells the book that stands then, and is no news. */
  isLocalPrior = false;
  private readonly hasState: boolean;
  private readonly clock: StampClock;
  /** Undefined where it is drawn anew for each record. */
  private readonly fixedDelay: FixedDelay | undefined;
  private readonly delayNs: (recvNs: number, exchNs: number) => number;

  /** @throws {TapeError} */
  constructor(private readonly o: WindowOptions) {
    this.readers = o.paths.map((path) => new TapeFileReader(path, false, o.arena));
    const first = this.readers[0];
    if (first === undefined) throw new TapeError("no_such_file", "no tape was given");
    this.meta = first.meta;
    for (const r of this.readers) {
      if (r.meta.baseWallNs !== this.meta.baseWallNs)
        throw new TapeError(
          "unreadable",
          `${r.path} counts time from another moment than ${first.path}: join them with \`market-maker tape merge\` first`,
        );
    }
    this.readers.forEach((r, i) => {
      if (i > 0) checkFollows(r, this.readers[i - 1]!);
    });
    this.hasState = o.fromNs !== undefined && hasState(first, o.arena);
    if (o.fromNs !== undefined && !this.hasState) for (const r of this.readers) r.seek(o.fromNs);
    this.totalRecords = this.readers.reduce((n, r) => n + r.blocks.reduce((m, b) => m + b.records, 0), 0);
    const base = BigInt(this.meta.baseWallNs);
    this.baseWallMs = Number(base / 1_000_000n);
    // A recorder learns the distance of the clocks by and by: the smallest of the series is the truest.
    const offsets = this.readers.flatMap((r) => r.meta.clockOffsetNs ?? []);
    const trueOffsetNs = offsets.length === 0 ? 0 : Math.min(...offsets);
    const travelNs = o.shiftNs ?? 0;
    this.clock = {
      stampedNs: Number.NEGATIVE_INFINITY,
      arrivedNs: Number.NEGATIVE_INFINITY,
      travelNs,
      baseLo: Number(base & 0xffffffffn),
      baseHi: Number(base >> 32n),
      offsetNs: trueOffsetNs - travelNs,
      trueOffsetNs,
    };
    this.fixedDelay = fixedDelay(o.feed);
    this.delayNs = delayFunction(o.feed, this.fixedDelay, o.rng, this.baseWallMs);
    this.nextExch();
    this.nextLocal();
  }

  /** Moves the exchange's cursor on. @returns false at the end of the tape. */
  nextExch(): boolean {
    const { exch, exchPlace } = this;
    for (;;) {
      const { kept } = exchPlace;
      if (kept !== undefined) {
        while (exch.next()) {
          const ns = kept.exchNs[++exchPlace.index]!;
          if (Number.isNaN(ns)) continue;
          this.exchNs = ns;
          return true;
        }
        this.doneExch++;
      }
      if (this.enter(exchPlace, exch, this.doneExch)) continue;
      this.exchNs = Number.POSITIVE_INFINITY;
      return false;
    }
  }

  /** Receive time between the first and the last record that may be read, ms. */
  get spanMs(): number {
    const first = this.readers[0]?.span?.[0] ?? 0;
    const last = this.readers.at(-1)?.span?.[1] ?? first;
    const { fromNs = first, toNs = last } = this.o;
    return Math.max(0, Math.min(last, toNs) - Math.max(first, fromNs)) / 1e6;
  }

  /** Blocks on their way from the exchange to us. */
  get keptBlocks(): number {
    return this.kept.length;
  }

  /** Moves the engine's cursor on. @returns false at the end. */
  nextLocal(): boolean {
    const { local, localPlace } = this;
    for (;;) {
      const { kept } = localPlace;
      if (kept !== undefined) {
        while (local.next()) {
          const ns = kept.localNs[++localPlace.index]!;
          if (Number.isNaN(ns)) continue;
          this.isLocalPrior = localPlace.index < kept.prior;
          this.localNs = ns;
          return true;
        }
        this.doneLocal++;
      }
      if (this.enter(localPlace, local, this.doneLocal)) continue;
      this.localNs = Number.POSITIVE_INFINITY;
      return false;
    }
  }

  /** The cursors go on to these records of their blocks: what was before them has happened. */
  skipTo(exch: { index: number; start: number }, local: { index: number; start: number }): void {
    const { exchPlace, localPlace } = this;
    if (exch.index !== exchPlace.index) {
      exchPlace.index = exch.index;
      this.exch.seek(exch.start);
      this.exchNs = exchPlace.kept!.exchNs[exch.index]!;
    }
    if (local.index !== localPlace.index) {
      localPlace.index = local.index;
      this.local.seek(local.start);
      this.localNs = localPlace.kept!.localNs[local.index]!;
    }
  }

  /** Goes to the next block. @returns false when there is none. */
  private enter(place: Place, cursor: RecordCursor, index: number): boolean {
    const next = this.keptAt(index);
    this.drop();
    place.kept = next;
    place.index = -1;
    if (next !== undefined) cursor.load(next.block);
    return next !== undefined;
  }

  /** The block of that number, read from the files if neither cursor has been there. */
  private keptAt(index: number): KeptBlock | undefined {
    while (index >= this.droppedBlocks + this.kept.length) {
      const block = this.nextBlock();
      if (block === undefined) return undefined;
      this.kept.push(this.stamp(block));
    }
    return this.kept[index - this.droppedBlocks];
  }

  /** Lets go of what both cursors have left behind. */
  private drop(): void {
    const done = Math.min(this.doneExch, this.doneLocal);
    while (this.droppedBlocks < done && this.kept.length > 0) {
      const { block } = this.kept.shift()!;
      this.o.arena?.release(block);
      this.droppedBlocks++;
    }
  }

  /** When each record of a block happens, and when it reaches us. The last record in range ends the reading. */
  private stamp(block: TapeBlock): KeptBlock {
    const { stamps, o } = this;
    const { fromNs = Number.NEGATIVE_INFINITY, toNs = Number.POSITIVE_INFINITY } = o;
    const { records } = block.info;
    const times = o.arena?.timesOf(block);
    const { exchNs, localNs } = times ?? {
      exchNs: new Float64Array(records),
      localNs: new Float64Array(records),
    };
    const { delayNs, repeated, clock } = this;
    const { firstRecvMonoNs, lastRecvMonoNs } = block.info;
    const isInRange = firstRecvMonoNs >= fromNs && lastRecvMonoNs <= toNs && repeated === 0;
    if (times !== undefined && isInRange && this.fixedDelay !== undefined) {
      o.arena!.stamp(block, times, clock, this.fixedDelay);
      return { block, exchNs, localNs, prior: 0, isInArena: true };
    }
    const { f64, i32 } = block;
    const { baseHi, baseLo, offsetNs } = clock;
    let { stampedNs, arrivedNs, travelNs } = clock;
    let prior = 0;
    stamps.load(block);
    for (let i = 0; stamps.next(); i++) {
      const { kind, at } = stamps;
      const hasStamp = kind !== abi.RecordKind.AssetCtx && kind !== abi.RecordKind.FeedStatus;
      const recvAt = hasStamp ? (at + 8) >> 3 : at >> 3;
      const recvNs = f64[recvAt]!;
      // Own orders of the recording run come by another connection, on paper with stamps of another clock: no time of the market's.
      if (kind === abi.RecordKind.OwnOrder) {
        exchNs[i] = localNs[i] = Number.NaN;
        if (recvNs < fromNs) prior = i + 1;
        continue;
      }
      if (recvNs < fromNs || i < repeated) {
        // Never read, but the place in the list of times stays; what makes the book that stands at the start is all read then.
        const isState = this.hasState && i >= repeated && STATE_KINDS.has(kind);
        if (isState) arrivedNs = stampedNs = Math.max(stampedNs, recvNs);
        exchNs[i] = localNs[i] = isState ? stampedNs : Number.NaN;
        prior = i + 1;
        continue;
      }
      if (recvNs > toNs) {
        exchNs.fill(Number.NaN, i);
        localNs.fill(Number.NaN, i);
        this.readerAt = this.readers.length;
        break;
      }
      const lo = i32[at >> 2]! >>> 0;
      const hi = i32[(at >> 2) + 1]!;
      const isStamped = hasStamp && (lo !== 0 || hi !== 0);
      // On the recorder's clock, exact to the nanosecond without 64-bit arithmetic. A record without a stamp (contexts, states) is taken
      // to have travelled as long as the last one with one: at its receive time it would hold up what the venue did in between.
      const happenedNs = isStamped
        ? (hi - baseHi) * 4_294_967_296 + (lo - baseLo) + offsetNs
        : recvNs - travelNs;
      if (isStamped) travelNs = Math.max(0, recvNs - happenedNs);
      if (happenedNs > stampedNs) stampedNs = happenedNs;
      arrivedNs = Math.max(arrivedNs, delayNs(recvNs, stampedNs));
      exchNs[i] = stampedNs;
      localNs[i] = arrivedNs;
      if (!isStamped && (kind <= abi.RecordKind.Bbo || kind === abi.RecordKind.BookDelta))
        this.writeStamp(i32, at >> 2, stampedNs);
      // The engine's own stamp of the arrival.
      f64[recvAt] = arrivedNs;
    }
    clock.stampedNs = stampedNs;
    clock.arrivedNs = arrivedNs;
    clock.travelNs = travelNs;
    return { block, exchNs, localNs, prior, isInArena: times !== undefined };
  }

  close(): void {
    for (const r of this.readers) r.close();
  }

  private nextBlock(): TapeBlock | undefined {
    for (; this.readerAt < this.readers.length; this.readerAt++) {
      const block = this.readers[this.readerAt]!.nextBlock();
      if (block !== undefined) {
        this.bytesRead += block.bytes;
        const { blocks, meta } = this.readers[this.readerAt]!;
        const isFirst = block.info.offset === blocks[0]?.offset;
        this.repeated = this.readerAt > 0 && isFirst ? (meta.repeated ?? 0) : 0;
        return block;
      }
    }
    return undefined;
  }

  /** The venue's stamp that a record lacks: the engine takes no market news without one. */
  private writeStamp(i32: Int32Array, word: number, happenedNs: number): void {
    const { baseLo, baseHi, trueOffsetNs } = this.clock;
    const ns = baseLo + Math.floor(happenedNs - trueOffsetNs);
    const carry = Math.floor(ns / 4_294_967_296);
    i32[word] = ns - carry * 4_294_967_296;
    i32[word + 1] = baseHi + carry;
  }
}

/** Our own orders' records may stand a little after younger ones of the market. */
const OVERLAP_MAX_NS = 1e9;

/** @throws {TapeError} When a file is not of the markets of the one before, or of the same time: neither would be played as it was. */
function checkFollows(next: TapeFileReader, before: TapeFileReader): void {
  const markets = ({ meta }: TapeFileReader): string =>
    JSON.stringify(meta.instruments.map((i) => [i.asset, i.coin, i.pxDecimals, i.szDecimals]));
  if (markets(next) !== markets(before))
    throw new TapeError(
      "ambiguous",
      `${next.path} and ${before.path} hold different markets or grids: join them with \`market-maker tape merge\` first`,
    );
  if (next.span === undefined || before.span === undefined) return;
  // What a file of a series repeats of the one before has kept its times.
  const sinceNs = (next.meta.repeated ?? 0) > 0 ? next.span[1] : next.span[0];
  if (sinceNs < before.span[1] - OVERLAP_MAX_NS)
    throw new TapeError(
      "ambiguous",
      `${next.path} does not follow ${before.path} in time: give files in their order, each once`,
    );
}

/** Whether the book is told by changes: then a start in the middle needs what was before. */
function hasState(first: TapeFileReader, arena: BlockArena | undefined): boolean {
  if (first.blocks.some((b) => b.levelUpdates > 0)) return true;
  const block = first.nextBlock();
  const cursor = new RecordCursor();
  let found = false;
  if (block !== undefined) cursor.load(block);
  while (block !== undefined && !found && cursor.next()) found = cursor.kind === abi.RecordKind.OrderEvent;
  first.rewind();
  if (block !== undefined) arena?.release(block);
  return found;
}

/** @throws {RangeError} When it is none. */
function fixedDelay(feed: FeedDist): FixedDelay | undefined {
  if (feed.kind === "tape") {
    if (!(feed.floorMs >= 0)) throw new RangeError(`latency: feed floor ${feed.floorMs} ms is not a delay`);
    return { from: "recv", ns: feed.floorMs * 1e6 };
  }
  return feed.kind === "constant" ? { from: "exch", ns: feed.ms * 1e6 } : undefined;
}

function delayFunction(
  feed: FeedDist,
  fixed: FixedDelay | undefined,
  rng: Rng,
  baseWallMs: number,
): (recvNs: number, exchNs: number) => number {
  if (feed.kind === "tape" || fixed !== undefined) {
    const ns = fixed!.ns;
    return fixed!.from === "recv" ? (recvNs) => recvNs + ns : (_recvNs, exchNs) => exchNs + ns;
  }
  const { sample } = delayOf(feed);
  return (_recvNs, exchNs) => exchNs + Math.round(sample!(rng, baseWallMs + exchNs / 1e6) * 1e6);
}
