import { Board } from "./board.js";

/** Totals of a tape that is being written. */
export const TAPE_SLOTS = [
  "records",
  /** Before packing, in whole blocks. */
  "rawBytes",
  /** As on disk. */
  "fileBytes",
  "blocks",
  "files",
  "lost",
  "gaps",
  "diskErrors",
  /** 1 while the disk takes nothing. */
  "isFailing",
] as const;
export type TapeSlot = (typeof TAPE_SLOTS)[number];

/** What a tape holds of an asset, each kind of record a channel. */
export const TAPE_CHANNELS = ["book", "bbo", "trades", "ctx", "status", "orders"] as const;
export type TapeChannel = (typeof TAPE_CHANNELS)[number];

/** What the writer of a tape tells about itself. */
export interface TapeProgress {
  readonly stats: Readonly<Record<Exclude<TapeSlot, "isFailing">, number>>;
  readonly isFailing: boolean;
  /** Of the file that is being written; undefined while there is none. */
  readonly path: string | undefined;
  channelRecords(asset: number, channel: TapeChannel): number;
  /** On the clock of the records; NaN before the first. */
  channelNewestNs(asset: number, channel: TapeChannel): number;
}

const PATH_BYTES = 4096;
const CHANNEL_SLOTS = 2;

/**
 * How far a tape is, in shared memory: totals, the newest record of each asset and channel, and the current file's path.
 *
 * Writer: the thread that records, by `tell`. Readers: any; every number stands for itself (see `Board`), and a path that is being
 * changed reads as undefined.
 */
export class TapeBoard {
  private readonly totals: Board<TapeSlot>;
  private readonly channels: Float64Array;
  /** Version (odd: being written), length. */
  private readonly pathHead: Int32Array;
  private readonly pathText: Uint8Array;
  private told: string | undefined;

  static bytes(assetCount: number): SharedArrayBuffer {
    const sab = new SharedArrayBuffer(TapeBoard.channelsAt + channelBytes(assetCount) + 8 + PATH_BYTES);
    const at = TapeBoard.channelsAt;
    const channels = new Float64Array(sab, at, channelBytes(assetCount) >> 3);
    for (let i = 1; i < channels.length; i += CHANNEL_SLOTS) channels[i] = Number.NaN;
    return sab;
  }

  private static readonly channelsAt = TAPE_SLOTS.length * 8;

  /** @throws {RangeError} When `sab` was made for other assets or by another build. */
  constructor(
    sab: SharedArrayBuffer,
    readonly assetCount: number,
  ) {
    const at = TapeBoard.channelsAt + channelBytes(assetCount);
    if (sab.byteLength !== at + 8 + PATH_BYTES) {
      throw new RangeError(`tape board: ${sab.byteLength} bytes for ${assetCount} assets`);
    }
    this.totals = new Board(TAPE_SLOTS, sab, 0);
    this.channels = new Float64Array(sab, TapeBoard.channelsAt, channelBytes(assetCount) >> 3);
    this.pathHead = new Int32Array(sab, at, 2);
    this.pathText = new Uint8Array(sab, at + 8, PATH_BYTES);
  }

  /** Thread: the writer's. Allocates: only when the file changes. */
  tell(progress: TapeProgress): void {
    for (const slot of TAPE_SLOTS) {
      if (slot !== "isFailing") this.totals.set(slot, progress.stats[slot]);
    }
    this.totals.set("isFailing", progress.isFailing ? 1 : 0);
    for (let asset = 0, at = 0; asset < this.assetCount; asset++) {
      for (const channel of TAPE_CHANNELS) {
        this.channels[at++] = progress.channelRecords(asset, channel);
        this.channels[at++] = progress.channelNewestNs(asset, channel);
      }
    }
    if (progress.path !== this.told) this.tellPath(progress.path);
  }

  get(slot: TapeSlot): number {
    return this.totals.get(slot);
  }

  figures(): Record<TapeSlot, number> {
    const of = Object.fromEntries(TAPE_SLOTS.map((slot) => [slot, this.get(slot)]));
    return of as Record<TapeSlot, number>;
  }

  channelRecords(asset: number, channel: TapeChannel): number {
    return this.channels[placeOf(asset, channel)]!;
  }

  /** NaN before the first. */
  channelNewestNs(asset: number, channel: TapeChannel): number {
    return this.channels[placeOf(asset, channel) + 1]!;
  }

  /** Of the file that is being written; undefined while there is none. */
  get path(): string | undefined {
    const version = Atomics.load(this.pathHead, 0);
    const length = Atomics.load(this.pathHead, 1);
    if ((version & 1) === 1 || length === 0) return undefined;
    // A copy: text is not decoded out of shared memory.
    const text = Buffer.from(this.pathText.slice(0, length)).toString();
    return Atomics.load(this.pathHead, 0) === version ? text : undefined;
  }

  private tellPath(path: string | undefined): void {
    this.told = path;
    const bytes = Buffer.from(path ?? "").subarray(0, PATH_BYTES);
    Atomics.add(this.pathHead, 0, 1);
    this.pathText.set(bytes);
    Atomics.store(this.pathHead, 1, bytes.length);
    Atomics.add(this.pathHead, 0, 1);
  }
}

const channelBytes = (assetCount: number): number => assetCount * TAPE_CHANNELS.length * CHANNEL_SLOTS * 8;
const placeOf = (asset: number, channel: TapeChannel): number =>
  (asset * TAPE_CHANNELS.length + TAPE_CHANNELS.indexOf(channel)) * CHANNEL_SLOTS;
