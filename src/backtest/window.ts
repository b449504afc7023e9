/**
 * Two readers of one tape: the exchange, for whom a record happens at its own time, and the engine, whom it reaches later.
 *
 * The blocks between the two are kept, and no others: memory is bounded by the feed's latency, whatever the tape's length.
 */
import * as abi from "../abi/layout.js";
import type { Rng } from "../domain/index.js";
import { RecordCursor, type TapeBlock, TapeError, TapeFileReader, type TapeMeta } from "../store/index.js";
import { delayOf, type FeedDist } from "./latency.js";

/** Records without a stamp of the exchange, where receive time is all there is. */
const recvOffset = (kind: number): number =>
  kind === abi.RecordKind.AssetCtx || kind === abi.RecordKind.FeedStatus ? 0 : 8;

export interface WindowOptions {
  /** Files that follow each other, in order. */
  readonly paths: readonly string[];
  readonly feed: FeedDist;
  readonly rng: Rng;
  /** ns since the tape's base; records before are not read. */
  readonly fromNs?: number;
  readonly toNs?: number;
  /** Exchange stamps are moved back by so much: a test of what a look into the future would be worth. */
  readonly shiftNs?: number;
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
  /** Blocks that `local` has not finished, oldest first, with each record's exchange time (NaN: not read). */
  private readonly kept: { readonly block: TapeBlock; readonly exchNs: Float64Array }[] = [];
  private exchIndex = 0;
  private localIndex = 0;
  private exchTimes: Float64Array = new Float64Array(0);
  private localTimes: Float64Array = new Float64Array(0);
  private readonly baseLo: number;
  private readonly baseHi: number;
  private readonly offsetNs: number;
  private readonly delayNs: (recvNs: number, exchNs: number) => number;

  /** @throws {TapeError} */
  constructor(private readonly o: WindowOptions) {
    this.readers = o.paths.map((path) => new TapeFileReader(path));
    const first = this.readers[0];
    if (first === undefined) throw new TapeError("no_such_file", "no tape was given");
    this.meta = first.meta;
    for (const r of this.readers) {
      if (r.meta.baseWallNs !== this.meta.baseWallNs)
        throw new TapeError(
          "unreadable",
          `${r.path} counts time from another moment than ${first.path}: join them with \`market-maker tape merge\` first`,
        );
      if (o.fromNs !== undefined) r.seek(o.fromNs);
    }
    this.totalRecords = this.readers.reduce((n, r) => n + r.blocks.reduce((m, b) => m + b.records, 0), 0);
    const base = BigInt(this.meta.baseWallNs);
    this.baseWallMs = Number(base / 1_000_000n);
    this.baseLo = Number(base & 0xffffffffn);
    this.baseHi = Number(base >> 32n);
    this.offsetNs = (this.meta.clockOffsetNs ?? 0) - (o.shiftNs ?? 0);
    this.delayNs = delayFunction(o.feed, o.rng);
    this.nextExch();
    this.nextLocal();
  }

  /** Moves the exchange's cursor on. @returns false at the end of the tape. */
  nextExch(): boolean {
    const { exch } = this;
    for (;;) {
      if (exch.next()) {
        this.exchIndex++;
        const recvNs = exch.block!.f64[(exch.at + recvOffset(exch.kind)) >> 3]!;
        if (recvNs < (this.o.fromNs ?? Number.NEGATIVE_INFINITY)) {
          // Never read, but the place in the list of times stays.
          this.exchTimes[this.exchIndex - 1] = Number.NaN;
          continue;
        }
        if (recvNs > (this.o.toNs ?? Number.POSITIVE_INFINITY)) {
          this.exchTimes.fill(Number.NaN, this.exchIndex - 1);
          this.readerAt = this.readers.length;
          return this.endExch();
        }
        this.exchNs = Math.max(this.exchNs, this.stampOf(exch, recvNs));
        this.exchTimes[this.exchIndex - 1] = this.exchNs;
        return true;
      }
      const block = this.nextBlock();
      if (block === undefined) return this.endExch();
      this.exchTimes = new Float64Array(block.info.records);
      this.kept.push({ block, exchNs: this.exchTimes });
      this.exchIndex = 0;
      exch.load(block);
    }
  }

  private endExch(): boolean {
    this.exchNs = Number.POSITIVE_INFINITY;
    return false;
  }

  /** Moves the engine's cursor on. The exchange's must be at least as far. @returns false at the end. */
  nextLocal(): boolean {
    const { local } = this;
    for (;;) {
      if (local.next()) {
        const exchNs = this.localTimes[this.localIndex++]!;
        if (Number.isNaN(exchNs)) continue;
        const at = (local.at + recvOffset(local.kind)) >> 3;
        const { f64 } = local.block!;
        this.localNs = Math.max(this.localNs, this.delayNs(f64[at]!, exchNs));
        // The engine's own stamp of the arrival.
        f64[at] = this.localNs;
        return true;
      }
      if (local.block !== undefined) this.kept.shift();
      const first = this.kept[0];
      if (first === undefined) break;
      this.localTimes = first.exchNs;
      this.localIndex = 0;
      local.load(first.block);
    }
    this.localNs = Number.POSITIVE_INFINITY;
    return false;
  }

  /** Blocks on their way from the exchange to us. */
  get keptBlocks(): number {
    return this.kept.length;
  }

  close(): void {
    for (const r of this.readers) r.close();
  }

  private nextBlock(): TapeBlock | undefined {
    for (; this.readerAt < this.readers.length; this.readerAt++) {
      const block = this.readers[this.readerAt]!.nextBlock();
      if (block !== undefined) {
        this.bytesRead += block.bytes;
        return block;
      }
    }
    return undefined;
  }

  /** Exchange time on the recorder's clock, ns since the base: exact to the nanosecond, without 64-bit arithmetic. */
  private stampOf(cursor: RecordCursor, recvNs: number): number {
    if (recvOffset(cursor.kind) === 0) return recvNs;
    const { i32 } = cursor.block!;
    const word = cursor.at >> 2;
    const lo = i32[word]! >>> 0;
    const hi = i32[word + 1]!;
    if (hi === 0 && lo === 0) return recvNs;
    return (hi - this.baseHi) * 4_294_967_296 + (lo - this.baseLo) + this.offsetNs;
  }
}

function delayFunction(feed: FeedDist, rng: Rng): (recvNs: number, exchNs: number) => number {
  if (feed.kind === "tape") {
    if (!(feed.floorMs >= 0)) throw new RangeError(`latency: feed floor ${feed.floorMs} ms is not a delay`);
    const floorNs = feed.floorMs * 1e6;
    return (recvNs) => recvNs + floorNs;
  }
  if (feed.kind === "constant") {
    const ns = feed.ms * 1e6;
    return (_recvNs, exchNs) => exchNs + ns;
  }
  const { sample } = delayOf(feed);
  return (_recvNs, exchNs) => exchNs + Math.round(sample!(rng) * 1e6);
}
