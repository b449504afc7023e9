import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  rmSync,
  writeSync,
} from "node:fs";
import { crc32 } from "node:zlib";
import { LAYOUT_HASH, prefixWord, RecordKind } from "../../../abi/layout.js";
import { TapeError } from "../errors.js";
import {
  BLOCK,
  BLOCK_CRC_FROM,
  BLOCK_HEAD_BYTES,
  BLOCK_MAGIC,
  BlockFlag,
  type BlockInfo,
  BODY_AT,
  HEADER_FIXED_BYTES,
  HEADER_SPARE_BYTES,
  INDEX_ENTRY_BYTES,
  padded,
  RAW_BYTES_MAX,
  recordBytes,
  TAPE_MAGIC,
  type TapeMeta,
  TRAILER_BYTES,
  TRAILER_MAGIC,
} from "./format.js";
import { lz4 } from "./lz4.js";
import { scanTape } from "./scan.js";

export interface TapeWriterOptions {
  readonly path: string;
  readonly meta: Omit<TapeMeta, "layoutHash">;
  /** Continues an existing file (its meta stands); default: an existing file is an error. */
  readonly append?: boolean;
  /** Raw bytes of a full block. Default 256 KiB. */
  readonly blockBytes?: number;
  /** Spare room in the header for a longer meta that `rewriteMeta` puts there. */
  readonly metaSpareBytes?: number;
  /** "none" for the fastest reading. Default "lz4". */
  readonly codec?: "lz4" | "none";
  /** How bytes reach the disk; default `writeSync`. Tests put a full disk here. */
  readonly write?: WriteAt;
}

/** @returns bytes written, at least one. @throws what the file system throws. */
export type WriteAt = (
  fd: number,
  bytes: Uint8Array,
  offset: number,
  length: number,
  position: number,
) => number;

export interface TapeWriterStats {
  records: number;
  levelUpdates: number;
  blocks: number;
  rawBytes: number;
  /** On disk, with heads and padding. */
  fileBytes: number;
}

/**
 * Appends records to a tape file. What `append` took is on disk after `flush` or `close`, or once a block is full: a killed
 * process loses at most the open block.
 *
 * Disk errors (full, gone) throw from `append`, `flush` and `close`; the file stays readable up to its last whole block, and the
 * writer may be used again once there is room: the block that failed is written anew from its start.
 *
 * Thread: the one that made it. Writes are synchronous: never on a hot path. Allocates: per block, not per record.
 */
export class TapeFileWriter {
  readonly stats: TapeWriterStats = { records: 0, levelUpdates: 0, blocks: 0, rawBytes: 0, fileBytes: 0 };
  readonly path: string;
  private readonly fd: number;
  private readonly raw: ArrayBuffer;
  private readonly rawU8: Uint8Array;
  private readonly rawI32: Int32Array;
  private srcBuffer: ArrayBufferLike | undefined;
  private srcI32: Int32Array = new Int32Array(0);
  private readonly blockBytes: number;
  private readonly isLz4: boolean;
  private readonly write: WriteAt;
  private meta: Omit<TapeMeta, "layoutHash">;
  private headerBytes = 0;
  private readonly metaSpareBytes: number;
  private readonly blocks: BlockInfo[] = [];
  private used = 0;
  private records = 0;
  private levelUpdates = 0;
  private firstRecvMonoNs = 0;
  private lastRecvMonoNs = 0;
  /** End of the last whole block. */
  private position: number;
  private isClosed = false;

  /** @throws {TapeError} `cannot_write`, or `unreadable` when appending to what is not a tape. */
  constructor(options: TapeWriterOptions) {
    const { path, blockBytes = 256 * 1024, codec = "lz4" } = options;
    if (blockBytes < 4096 || blockBytes > RAW_BYTES_MAX / 2)
      throw new RangeError(`tape: blockBytes ${blockBytes} is outside 4 KiB to ${RAW_BYTES_MAX / 2}`);
    this.path = path;
    this.blockBytes = blockBytes;
    this.isLz4 = codec === "lz4";
    this.write = options.write ?? writeSync;
    this.meta = options.meta;
    this.metaSpareBytes = options.metaSpareBytes ?? HEADER_SPARE_BYTES;
    // Room for one more record of any kind beyond a full block.
    this.raw = new ArrayBuffer(blockBytes + 4096);
    this.rawU8 = new Uint8Array(this.raw);
    this.rawI32 = new Int32Array(this.raw);
    const exists = existsSync(path);
    if (exists && options.append !== true)
      throw new TapeError("cannot_write", `${path} exists already: choose another name, or remove it first`);
    try {
      this.fd = openSync(path, exists ? "r+" : "wx+", 0o644);
    } catch (cause) {
      throw new TapeError("cannot_write", `${path} cannot be written: ${(cause as Error).message}`, {
        cause,
      });
    }
    try {
      this.position = exists ? this.resume() : this.writeHeader(options.meta);
    } catch (error) {
      closeSync(this.fd);
      // A file without a header would be in the way of the next attempt.
      if (!exists) rmSync(path, { force: true });
      throw error;
    }
    this.stats.fileBytes = this.position;
  }

  /**
   * Takes one record: `bodyBytes` of its struct at `src` (8-aligned, whole words). `recvMonoNs` must not decrease by more than a
   * block can tell: a reader finds times by the blocks' first and last.
   */
  append(
    kind: RecordKind,
    asset: number,
    src: Float64Array,
    srcByteOffset: number,
    bodyBytes: number,
    recvMonoNs: number,
  ): void {
    if (((srcByteOffset | bodyBytes) & 7) !== 0 || bodyBytes <= 0 || bodyBytes > 3072)
      throw new RangeError(`tape: a body of ${bodyBytes} bytes at ${srcByteOffset}`);
    const size = recordBytes(bodyBytes);
    if (this.used + size > this.blockBytes && this.records > 0) this.flush();
    const at = this.used;
    const word = at >> 2;
    this.rawI32[word] = kind | (asset << 16);
    this.rawI32[word + 1] = size - 8;
    this.rawI32[word + 2] = prefixWord(bodyBytes, 0);
    this.rawI32[word + 3] = prefixWord(bodyBytes, 1);
    this.rawI32[word + 4] = prefixWord(bodyBytes, 2);
    this.rawI32[word + 5] = prefixWord(bodyBytes, 3);
    // As integers: a store of a double may quieten what looks like a signalling NaN and is half of an order id.
    if (src.buffer !== this.srcBuffer) {
      this.srcBuffer = src.buffer;
      this.srcI32 = new Int32Array(src.buffer);
    }
    const to = (at + BODY_AT) >> 2;
    const from = (src.byteOffset + srcByteOffset) >> 2;
    for (let i = 0, n = bodyBytes >> 2; i < n; i++) this.rawI32[to + i] = this.srcI32[from + i]!;
    if (this.records === 0) this.firstRecvMonoNs = recvMonoNs;
    this.lastRecvMonoNs = recvMonoNs;
    this.records++;
    if (kind === RecordKind.BookDelta) this.levelUpdates++;
    this.used = at + size;
  }

  /** Writes the open block, if it holds anything. After an error nothing is lost: call again. */
  flush(): void {
    if (this.records === 0) return;
    const info = this.writeBlock(this.rawU8.subarray(0, this.used), 0, {
      records: this.records,
      levelUpdates: this.levelUpdates,
      firstRecvMonoNs: this.firstRecvMonoNs,
      lastRecvMonoNs: this.lastRecvMonoNs,
    });
    this.blocks.push(info);
    this.stats.blocks++;
    this.stats.rawBytes += this.used;
    this.stats.records += this.records;
    this.stats.levelUpdates += this.levelUpdates;
    this.used = 0;
    this.records = 0;
    this.levelUpdates = 0;
  }

  /** Forces what was flushed to the disk itself: what a power cut must not take. */
  sync(): void {
    fsyncSync(this.fd);
  }

  /** Taken and not yet written. */
  get pendingRecords(): number {
    return this.records;
  }

  /** Receive time of the newest record, ns since baseWallNs; 0 before the first. */
  get newestRecvMonoNs(): number {
    return this.lastRecvMonoNs;
  }

  /** Flushes, writes the index and closes. */
  close(): TapeWriterStats {
    if (this.isClosed) return this.stats;
    this.flush();
    const entries = new DataView(new ArrayBuffer(this.blocks.length * INDEX_ENTRY_BYTES));
    this.blocks.forEach((b, i) => {
      const at = i * INDEX_ENTRY_BYTES;
      entries.setFloat64(at, b.offset, true);
      entries.setFloat64(at + 8, b.firstRecvMonoNs, true);
      entries.setFloat64(at + 16, b.lastRecvMonoNs, true);
      entries.setUint32(at + 24, b.records, true);
      entries.setUint32(at + 28, b.levelUpdates, true);
    });
    const indexAt = this.position;
    this.writeBlock(new Uint8Array(entries.buffer), BlockFlag.Index, {
      records: this.blocks.length,
      levelUpdates: 0,
      firstRecvMonoNs: this.blocks[0]?.firstRecvMonoNs ?? 0,
      lastRecvMonoNs: this.lastRecvMonoNs,
    });
    const trailer = Buffer.alloc(TRAILER_BYTES);
    trailer.writeBigUInt64LE(BigInt(indexAt), 0);
    trailer.write(TRAILER_MAGIC, 8, "latin1");
    this.writeAll(trailer, this.position);
    this.position += TRAILER_BYTES;
    this.stats.fileBytes = this.position;
    fsyncSync(this.fd);
    closeSync(this.fd);
    this.isClosed = true;
    return this.stats;
  }

  /** Leaves the file as a crash would: open block lost, no index. */
  abandon(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    closeSync(this.fd);
  }

  /**
   * Says in the header what is known only by now. One small write: a killed process leaves the old text or the new one.
   * @throws {TapeError} `cannot_write`. {RangeError} When it needs more room than was left for it.
   */
  setClockOffset(clockOffsetNs: number): void {
    if (this.headerBytes === 0) throw new RangeError(`${this.path}: the header of a continued file stands`);
    this.meta = { ...this.meta, clockOffsetNs };
    this.writeHeader(this.meta);
  }

  /** Replaces the meta: what is known only after the last record. @returns false when it does not fit in the room. */
  rewriteMeta(meta: Omit<TapeMeta, "layoutHash">): boolean {
    const text = JSON.stringify({ ...meta, layoutHash: LAYOUT_HASH });
    if (HEADER_FIXED_BYTES + Buffer.byteLength(text) > this.headerBytes) return false;
    this.meta = meta;
    this.writeHeader(meta);
    return true;
  }

  private writeHeader(meta: Omit<TapeMeta, "layoutHash">): number {
    const text = JSON.stringify({ ...meta, layoutHash: LAYOUT_HASH });
    const room =
      this.headerBytes || HEADER_FIXED_BYTES + padded(Buffer.byteLength(text) + this.metaSpareBytes);
    const json = Buffer.alloc(room - HEADER_FIXED_BYTES, " ");
    if (Buffer.byteLength(text) > json.length)
      throw new RangeError(`${this.path}: the header has room for ${json.length} bytes`);
    json.write(text);
    const header = Buffer.alloc(room);
    header.write(TAPE_MAGIC, 0, "latin1");
    header.writeUInt32LE(json.length, 8);
    header.writeUInt32LE(crc32(json), 12);
    json.copy(header, HEADER_FIXED_BYTES);
    this.writeAll(header, 0);
    this.headerBytes = room;
    return room;
  }

  /** Continues after the last whole block; index, trailer and a half-written block are cut off. */
  private resume(): number {
    const scan = scanTape(this.fd, this.path);
    if (scan.meta.layoutHash !== LAYOUT_HASH)
      throw new TapeError(
        "unreadable",
        `${this.path} was written with other record layouts (0x${scan.meta.layoutHash.toString(16)}): start a new file`,
      );
    for (const block of scan.blocks) {
      this.blocks.push(block);
      this.stats.records += block.records;
      this.stats.levelUpdates += block.levelUpdates;
      this.stats.rawBytes += block.rawBytes;
    }
    this.stats.blocks = scan.blocks.length;
    this.lastRecvMonoNs = scan.blocks.at(-1)?.lastRecvMonoNs ?? 0;
    if (fstatSync(this.fd).size > scan.endOffset) ftruncateSync(this.fd, scan.endOffset);
    return scan.endOffset;
  }

  private writeBlock(
    raw: Uint8Array,
    kindFlags: number,
    about: Pick<BlockInfo, "records" | "levelUpdates" | "firstRecvMonoNs" | "lastRecvMonoNs">,
  ): BlockInfo {
    const packed = this.isLz4 && raw.length > 0 ? lz4().compress(raw) : raw;
    const isPacked = packed.length < raw.length;
    const stored = isPacked ? packed : raw;
    const block = Buffer.alloc(BLOCK_HEAD_BYTES + padded(stored.length));
    block.writeUInt32LE(BLOCK_MAGIC, BLOCK.magic);
    block.writeUInt32LE(kindFlags | (isPacked ? BlockFlag.Lz4 : 0), BLOCK.flags);
    block.writeUInt32LE(stored.length, BLOCK.storedBytes);
    block.writeUInt32LE(raw.length, BLOCK.rawBytes);
    block.writeUInt32LE(about.records, BLOCK.records);
    block.writeUInt32LE(this.blocks.length, BLOCK.index);
    block.writeDoubleLE(about.firstRecvMonoNs, BLOCK.firstRecvMonoNs);
    block.writeDoubleLE(about.lastRecvMonoNs, BLOCK.lastRecvMonoNs);
    block.writeUInt32LE(about.levelUpdates, BLOCK.levelUpdates);
    block.set(stored, BLOCK_HEAD_BYTES);
    block.writeUInt32LE(crc32(block.subarray(BLOCK_CRC_FROM, BLOCK_HEAD_BYTES + stored.length)), BLOCK.crc);
    const offset = this.position;
    this.writeAll(block, offset);
    this.position = offset + block.length;
    this.stats.fileBytes = this.position;
    return { offset, storedBytes: stored.length, rawBytes: raw.length, ...about };
  }

  private writeAll(bytes: Uint8Array, position: number): void {
    try {
      for (let done = 0; done < bytes.length; )
        done += this.write(this.fd, bytes, done, bytes.length - done, position + done);
    } catch (cause) {
      throw new TapeError("cannot_write", `${this.path}: writing failed: ${(cause as Error).message}`, {
        cause,
      });
    }
  }
}
