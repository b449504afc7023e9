/**
 * A market written down as it happens, into a series of tape files.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import * as abi from "../../abi/layout.js";
import { RecordKind } from "../../abi/layout.js";
import { TapeError } from "./errors.js";
import { FILE_EXTENSION, TapeFileWriter, type TapeInstrument, type WriteAt } from "./file/index.js";

/** Memory that holds records: a ring, or a plain buffer. */
export interface RecordViews {
  readonly u8: Uint8Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly f64: Float64Array;
}

export interface RecorderOptions {
  readonly dir: string;
  /** File names are PREFIX_YYYY-MM-DD_HH-MM-SS.mmt, UTC. */
  readonly prefix: string;
  readonly venue: string;
  /** Wall clock of recv_mono_ns = 0, of every file of the series. */
  readonly baseWallNs: bigint;
  readonly instruments: readonly TapeInstrument[];
  readonly source: string;
  /** See `TapeMeta.ownOrders`. */
  readonly ownOrders?: "paper";
  /** A file is followed by the next at this size or age. 0: never. */
  readonly rotateBytes: number;
  readonly rotateNs: number;
  /** Default 256 KiB. */
  readonly blockBytes?: number;
  readonly onFile?: (path: string) => void;
  /** Told once when the disk fails, and once when it takes records again. */
  readonly onTrouble?: (problem: string) => void;
  readonly onRecovered?: (lostRecords: number) => void;
  readonly write?: WriteAt;
}

export interface RecorderStats {
  /** Taken; the open block's are not on disk yet. */
  records: number;
  files: number;
  /** Of all files, as on disk. */
  fileBytes: number;
  /** Whole blocks of all files, and what they hold unpacked. */
  blocks: number;
  rawBytes: number;
  /** Records that no file holds, because the disk or a ring had no room. */
  lost: number;
  /** Interruptions that are marked on the tape. */
  gaps: number;
  /** Refusals of the disk, each failed attempt to go on included. */
  diskErrors: number;
}

/** What a tape holds of an asset: a channel for each kind of record. */
export type RecordedChannel = "book" | "bbo" | "trades" | "ctx" | "status" | "orders";
const CHANNEL_KINDS: Readonly<Record<RecordedChannel, RecordKind>> = {
  book: RecordKind.Book,
  bbo: RecordKind.Bbo,
  trades: RecordKind.Trade,
  ctx: RecordKind.AssetCtx,
  status: RecordKind.FeedStatus,
  orders: RecordKind.OwnOrder,
};
const KIND_COUNT = Math.max(...Object.values(RecordKind)) + 1;

const FLUSH_EVERY_NS = 0.9e9;
const RETRY_EVERY_NS = 1e9;
/** Kinds of which a file that stands alone needs the newest, in the order in which a reader should see them. */
const KEPT = [RecordKind.AssetCtx, RecordKind.Book, RecordKind.Bbo, RecordKind.FeedStatus] as const;
const ASSET_AT = new Map<RecordKind, number>([
  [RecordKind.Book, abi.BOOK_ASSET],
  [RecordKind.Trade, abi.TRADE_ASSET],
  [RecordKind.Bbo, abi.BBO_ASSET],
  [RecordKind.AssetCtx, abi.ASSET_CTX_ASSET],
  [RecordKind.FeedStatus, abi.FEED_STATUS_ASSET],
  [RecordKind.OwnOrder, abi.OWN_ORDER_ASSET],
]);

/** Where a record carries its receive time: those without an exchange stamp begin with it. */
export const recvOffset = (kind: RecordKind): number =>
  kind === RecordKind.AssetCtx || kind === RecordKind.FeedStatus ? 0 : 8;

/** The asset in a record's body, for rings whose slots do not name it. */
export function assetOfRecord(kind: RecordKind, u8: Uint8Array, at: number): number {
  const field = ASSET_AT.get(kind);
  if (field === undefined) throw new RangeError(`records of kind ${kind} are not recorded`);
  return u8[at + field]! | (u8[at + field + 1]! << 8);
}

/** The newest record of one kind and asset. */
interface Kept {
  readonly body: Float64Array;
  bytes: number;
  recvNs: number;
}

/**
 * Takes records as they come and keeps files of them. Every file stands alone: it has the instruments, and begins with the
 * newest book, touch, context and state of each asset (`TapeMeta.repeated`). All count time from one moment, so that the series
 * reads as one tape.
 *
 * A disk that fails is no reason to die: what cannot be written is counted, and once there is room again the tape says Resync for
 * every asset, at the time of the last record before, and Live with the asset's next book.
 *
 * Life: constructor (opens the first file) → `take`, `tick` several times a second → `close`. Thread: the one that made it; writes
 * are synchronous. Allocates: per block.
 */
export class TapeRecorder {
  readonly stats: RecorderStats = {
    records: 0,
    files: 0,
    fileBytes: 0,
    blocks: 0,
    rawBytes: 0,
    lost: 0,
    gaps: 0,
    diskErrors: 0,
  };
  private writer: TapeFileWriter | undefined;
  /** By asset, by place in KEPT. */
  private readonly kept: (Kept | undefined)[][] = [];
  private openedNs = 0;
  private flushedNs = 0;
  private retryNs = 0;
  /** Of the files before this one. */
  private closedBytes = 0;
  private closedBlocks = 0;
  private closedRawBytes = 0;
  /** By asset and kind: records taken, and the newest's receive time. */
  private readonly takenCount: Float64Array;
  private readonly takenNs: Float64Array;
  /** Lost since the disk failed; 0 while all is well. */
  private missing = 0;
  private isStuck = false;
  /** By asset: the tape says that its market is not whole, though the feed thinks so. */
  private readonly owesLive: boolean[] = [];
  /** What the feed itself said last. */
  private readonly feedState: number[] = [];
  private readonly status = new Float64Array(abi.FEED_STATUS_SIZE >> 3);
  private readonly statusU8 = new Uint8Array(this.status.buffer);
  private readonly baseLo: number;
  private readonly baseHi: number;
  private offsetNs = Number.POSITIVE_INFINITY;
  private toldOffsetNs = Number.POSITIVE_INFINITY;
  private lastRecvNs = 0;
  /** Of the newest record that a file took: where a gap begins. */
  private putNs = 0;
  private isClosed = false;

  /** @param nowNs on the clock of the records. @throws {TapeError} `cannot_write`: the first file must open. */
  constructor(
    private readonly o: RecorderOptions,
    nowNs: number,
  ) {
    for (const { asset } of o.instruments) {
      this.kept[asset] = [];
      this.owesLive[asset] = false;
      this.feedState[asset] = abi.FeedState.Resync;
    }
    const assets = Math.max(0, ...o.instruments.map((i) => i.asset + 1));
    this.takenCount = new Float64Array(assets * KIND_COUNT);
    this.takenNs = new Float64Array(assets * KIND_COUNT).fill(Number.NaN);
    this.baseLo = Number(o.baseWallNs & 0xffffffffn);
    this.baseHi = Number(o.baseWallNs >> 32n);
    this.open(nowNs);
  }

  /** Smallest receive minus exchange time so far, ns; NaN before the first stamped record. */
  get clockOffsetNs(): number {
    return this.offsetNs === Number.POSITIVE_INFINITY ? Number.NaN : this.offsetNs;
  }

  /** Of the newest record. */
  get newestRecvNs(): number {
    return this.lastRecvNs;
  }

  /** The disk takes nothing at the moment. */
  get isFailing(): boolean {
    return this.isStuck;
  }

  /** Of the file that is being written; undefined while none could be opened. */
  get path(): string | undefined {
    return this.writer?.path;
  }

  /** Records of one kind that were taken. */
  channelRecords(asset: number, channel: RecordedChannel): number {
    return this.takenCount[asset * KIND_COUNT + CHANNEL_KINDS[channel]]!;
  }

  /** Receive time of the newest that was taken; NaN before the first. */
  channelNewestNs(asset: number, channel: RecordedChannel): number {
    return this.takenNs[asset * KIND_COUNT + CHANNEL_KINDS[channel]]!;
  }

  /** Takes one record out of `views` at byte offset `at` (8-aligned). Never throws for the disk's sake. */
  take(kind: RecordKind, asset: number, views: RecordViews, at: number, bodyBytes: number): void {
    const recvNs = views.f64[(at + recvOffset(kind)) >> 3]!;
    this.lastRecvNs = Math.max(this.lastRecvNs, recvNs);
    this.keep(kind, asset, views, at, bodyBytes, recvNs);
    if (kind === RecordKind.FeedStatus) {
      this.feedState[asset] = views.u8[at + abi.FEED_STATUS_STATE]!;
      this.owesLive[asset] = false;
    } else if (recvOffset(kind) === 8) this.trackOffset(views, at, recvNs);
    if (!this.put(kind, asset, views.f64, at, bodyBytes, recvNs)) return;
    this.stats.records++;
    const place = asset * KIND_COUNT + kind;
    this.takenCount[place] = this.takenCount[place]! + 1;
    this.takenNs[place] = recvNs;
    if (kind === RecordKind.Book && this.owesLive[asset] === true) {
      this.owesLive[asset] = false;
      if (this.feedState[asset] === abi.FeedState.Live) this.putStatus(asset, abi.FeedState.Live, recvNs);
    }
  }

  /** Records were lost on their way here (a full ring): the tape says so. */
  noteLoss(records: number): void {
    this.stats.lost += records;
    if (this.isStuck) this.missing += records;
    else this.markGap();
  }

  /** Flushes, rotates and tries a failed disk again, as due. Call several times a second. */
  tick(nowNs: number): void {
    if (this.isClosed) return;
    if (this.isStuck) {
      if (nowNs < this.retryNs) return;
      this.retryNs = nowNs + RETRY_EVERY_NS;
      this.recover(nowNs);
      return;
    }
    if (nowNs - this.flushedNs >= FLUSH_EVERY_NS) this.flush(nowNs);
    const { rotateNs, rotateBytes } = this.o;
    const isOld = rotateNs > 0 && nowNs - this.openedNs >= rotateNs;
    const isLarge = rotateBytes > 0 && (this.writer?.stats.fileBytes ?? 0) >= rotateBytes;
    if (!this.isStuck && (isOld || isLarge)) this.rotate(nowNs);
  }

  /** Everything taken so far is in the hands of the operating system. */
  flush(nowNs: number): void {
    this.flushedNs = nowNs;
    this.guard(() => {
      this.writer!.flush();
      // The header knows it too: a file without it would place the venue's clock wrongly.
      if (this.toldOffsetNs - this.offsetNs >= 1e5) {
        this.writer!.setClockOffset(this.offsetNs);
        this.toldOffsetNs = this.offsetNs;
      }
    });
    this.count();
  }

  /** The last file gets its index. A disk that is still full loses what was not written, and that is counted. */
  close(nowNs: number): RecorderStats {
    if (this.isClosed) return this.stats;
    if (this.isStuck) this.recover(nowNs);
    if (!this.isStuck) this.flush(nowNs);
    this.isClosed = true;
    if (!this.guard(() => this.writer?.close())) {
      const { pendingRecords = 0 } = this.writer ?? {};
      this.stats.records -= pendingRecords;
      this.stats.lost += pendingRecords;
      this.writer?.abandon();
    }
    this.count();
    return this.stats;
  }

  // ── the disk ────────────────────────────────────────────────────────────────────────────────────────────────────────

  private put(
    kind: RecordKind,
    asset: number,
    f64: Float64Array,
    at: number,
    bodyBytes: number,
    recvNs: number,
  ): boolean {
    const isTaken =
      !this.isStuck && this.guard(() => this.writer!.append(kind, asset, f64, at, bodyBytes, recvNs));
    if (isTaken) this.putNs = Math.max(this.putNs, recvNs);
    else {
      this.missing++;
      this.stats.lost++;
    }
    return isTaken;
  }

  /** @returns false when the disk refused: from then on records are counted, not written. */
  private guard(act: () => unknown): boolean {
    try {
      act();
      return true;
    } catch (cause) {
      if (!(cause instanceof TapeError)) throw cause;
      this.stats.diskErrors++;
      if (!this.isStuck) this.o.onTrouble?.(cause.message);
      this.isStuck = true;
      return false;
    }
  }

  private recover(nowNs: number): void {
    let isWell = true;
    try {
      if (this.writer === undefined) this.open(nowNs);
      else this.writer.flush();
    } catch (cause) {
      if (!(cause instanceof TapeError)) throw cause;
      this.stats.diskErrors++;
      isWell = false;
    }
    if (!isWell) return;
    this.isStuck = false;
    const { missing } = this;
    this.missing = 0;
    this.flushedNs = nowNs;
    if (missing > 0) this.markGap();
    this.o.onRecovered?.(missing);
  }

  private markGap(): void {
    this.stats.gaps++;
    for (const { asset } of this.o.instruments) {
      this.owesLive[asset] = true;
      this.putStatus(asset, abi.FeedState.Resync, this.putNs);
    }
  }

  /** The recorder's own word about an asset; not what the feed thinks. */
  private putStatus(asset: number, state: abi.FeedState, recvNs: number): void {
    this.status.fill(0);
    this.status[abi.FEED_STATUS_MONO_NS >> 3] = recvNs;
    this.statusU8[abi.FEED_STATUS_ASSET] = asset & 0xff;
    this.statusU8[abi.FEED_STATUS_ASSET + 1] = asset >> 8;
    this.statusU8[abi.FEED_STATUS_STATE] = state;
    this.put(RecordKind.FeedStatus, asset, this.status, 0, abi.FEED_STATUS_SIZE, recvNs);
  }

  private rotate(nowNs: number): void {
    if (!this.guard(() => this.writer!.close())) return;
    const { fileBytes, blocks, rawBytes } = this.writer!.stats;
    this.closedBytes += fileBytes;
    this.closedBlocks += blocks;
    this.closedRawBytes += rawBytes;
    this.writer = undefined;
    this.guard(() => this.open(nowNs));
    this.count();
  }

  private open(nowNs: number): void {
    const { o } = this;
    // After a loss nothing kept can be trusted to be the newest.
    const repeated = this.missing > 0 ? [] : this.newest();
    const path = this.freeName(nowNs);
    this.writer = new TapeFileWriter({
      path,
      meta: {
        venue: o.venue,
        baseWallNs: o.baseWallNs.toString(),
        instruments: o.instruments,
        ...(this.offsetNs === Number.POSITIVE_INFINITY ? {} : { clockOffsetNs: this.offsetNs }),
        ...(repeated.length === 0 ? {} : { repeated: repeated.length }),
        source: o.source,
        ...(o.ownOrders === undefined ? {} : { ownOrders: o.ownOrders }),
        notes: [],
      },
      ...(o.blockBytes === undefined ? {} : { blockBytes: o.blockBytes }),
      ...(o.write === undefined ? {} : { write: o.write }),
    });
    this.toldOffsetNs = this.offsetNs;
    this.openedNs = nowNs;
    this.stats.files++;
    for (const { kind, asset, kept } of repeated) {
      this.writer.append(kind, asset, kept.body, 0, kept.bytes, kept.recvNs);
    }
    this.o.onFile?.(path);
  }

  private freeName(nowNs: number): string {
    const wallMs = Number(this.o.baseWallNs / 1_000_000n) + nowNs / 1e6;
    const stamp = new Date(wallMs).toISOString().slice(0, 19).replace("T", "_").replaceAll(":", "-");
    const base = join(this.o.dir, `${this.o.prefix}_${stamp}`);
    let path = `${base}${FILE_EXTENSION}`;
    for (let n = 2; existsSync(path); n++) path = `${base}_${n}${FILE_EXTENSION}`;
    return path;
  }

  private count(): void {
    const { stats, writer } = this;
    stats.fileBytes = this.closedBytes + (writer?.stats.fileBytes ?? 0);
    stats.blocks = this.closedBlocks + (writer?.stats.blocks ?? 0);
    stats.rawBytes = this.closedRawBytes + (writer?.stats.rawBytes ?? 0);
  }

  // ── what a new file begins with ─────────────────────────────────────────────────────────────────────────────────────

  private keep(
    kind: RecordKind,
    asset: number,
    views: RecordViews,
    at: number,
    bytes: number,
    recvNs: number,
  ): void {
    const slot = KEPT.indexOf(kind as (typeof KEPT)[number]);
    if (slot < 0) return;
    const row = this.kept[asset]!;
    row[slot] ??= { body: new Float64Array(bytes >> 3), bytes, recvNs };
    const kept = row[slot];
    kept.recvNs = recvNs;
    for (let i = 0, from = at >> 3; i < bytes >> 3; i++) kept.body[i] = views.f64[from + i]!;
  }

  private newest(): { readonly kind: RecordKind; readonly asset: number; readonly kept: Kept }[] {
    return this.kept
      .flatMap((row, asset) =>
        KEPT.flatMap((kind, slot) => {
          const kept = row[slot];
          return kept === undefined ? [] : [{ kind, asset, kept }];
        }),
      )
      .sort((a, b) => a.kept.recvNs - b.kept.recvNs);
  }

  private trackOffset(views: RecordViews, at: number, recvNs: number): void {
    const word = at >> 2;
    const hi = views.u32[word + 1]!;
    if (hi === 0) return;
    const exchNs = (hi - this.baseHi) * 4_294_967_296 + (views.u32[word]! - this.baseLo);
    if (recvNs - exchNs < this.offsetNs) this.offsetNs = recvNs - exchNs;
  }
}
