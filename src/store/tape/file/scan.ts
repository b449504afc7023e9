import { fstatSync, readSync } from "node:fs";
import { crc32 } from "node:zlib";
import { TapeError } from "../errors.js";
import {
  BLOCK,
  BLOCK_CRC_FROM,
  BLOCK_HEAD_BYTES,
  BLOCK_MAGIC,
  BlockFlag,
  type BlockInfo,
  HEADER_FIXED_BYTES,
  HEADER_JSON_MAX,
  INDEX_ENTRY_BYTES,
  padded,
  RAW_BYTES_MAX,
  TAPE_MAGIC,
  type TapeMeta,
  TRAILER_BYTES,
  TRAILER_MAGIC,
} from "./format.js";
import { lz4 } from "./lz4.js";

export interface TapeScan {
  readonly meta: TapeMeta;
  readonly blocks: readonly BlockInfo[];
  /** Where the next block would be written: after the last whole one. */
  readonly endOffset: number;
  /** The file was closed in order: it has its index. */
  readonly isClosed: boolean;
  /** Bytes after the last whole block that are neither index nor trailer: what a crash left. */
  readonly tornBytes: number;
}

/** Reads `length` bytes at `position`; fewer at the end of the file. */
export function readAt(fd: number, position: number, length: number): Buffer {
  // A buffer of its own, so that its start is aligned.
  return readInto(fd, position, Buffer.from(new ArrayBuffer(length)));
}

function readInto<T extends Uint8Array>(fd: number, position: number, bytes: T): T {
  const { length } = bytes;
  let done = 0;
  while (done < length) {
    const n = readSync(fd, bytes, done, length - done, position + done);
    if (n === 0) break;
    done += n;
  }
  return done === length ? bytes : (bytes.subarray(0, done) as T);
}

/**
 * Header and block list of an open tape: by the index when the file has one, else by walking the block heads.
 * @throws {TapeError} `unreadable` when it is not a tape or its header is damaged.
 */
export function scanTape(fd: number, path: string): TapeScan {
  const [meta, firstBlock] = readHeader(fd, path);
  const size = fstatSync(fd).size;
  return indexed(fd, meta, size) ?? walked(fd, meta, firstBlock, size);
}

function readHeader(fd: number, path: string): [TapeMeta, number] {
  const fixed = readAt(fd, 0, HEADER_FIXED_BYTES);
  if (fixed.length < HEADER_FIXED_BYTES || fixed.toString("latin1", 0, 8) !== TAPE_MAGIC)
    throw new TapeError("unreadable", `${path} is not a tape (${TAPE_MAGIC} is missing at its start)`);
  const jsonBytes = fixed.readUInt32LE(8);
  const json = jsonBytes <= HEADER_JSON_MAX ? readAt(fd, HEADER_FIXED_BYTES, jsonBytes) : Buffer.alloc(0);
  if (json.length !== jsonBytes || crc32(json) !== fixed.readUInt32LE(12))
    throw new TapeError(
      "unreadable",
      `${path}: the header is damaged; nothing in the file can be trusted without it`,
    );
  return [JSON.parse(json.toString("utf8")) as TapeMeta, HEADER_FIXED_BYTES + padded(jsonBytes)];
}

function indexed(fd: number, meta: TapeMeta, size: number): TapeScan | undefined {
  const trailer = readAt(fd, Math.max(0, size - TRAILER_BYTES), TRAILER_BYTES);
  if (trailer.length < TRAILER_BYTES || trailer.toString("latin1", 8, 16) !== TRAILER_MAGIC) return undefined;
  const indexAt = Number(trailer.readBigUInt64LE(0));
  const head = readHead(fd, indexAt);
  if (head === undefined || (head.flags & BlockFlag.Index) === 0) return undefined;
  const raw = readPayload(fd, indexAt, head);
  if (raw === undefined) return undefined;
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const blocks: BlockInfo[] = [];
  for (let at = 0; at + INDEX_ENTRY_BYTES <= raw.length; at += INDEX_ENTRY_BYTES) {
    const offset = view.getFloat64(at, true);
    const next =
      at + INDEX_ENTRY_BYTES < raw.length ? view.getFloat64(at + INDEX_ENTRY_BYTES, true) : indexAt;
    blocks.push({
      offset,
      storedBytes: next - offset - BLOCK_HEAD_BYTES,
      rawBytes: 0,
      records: view.getUint32(at + 24, true),
      levelUpdates: view.getUint32(at + 28, true),
      firstRecvMonoNs: view.getFloat64(at + 8, true),
      lastRecvMonoNs: view.getFloat64(at + 16, true),
    });
  }
  return { meta, blocks, endOffset: indexAt, isClosed: true, tornBytes: 0 };
}

function walked(fd: number, meta: TapeMeta, firstBlock: number, size: number): TapeScan {
  const blocks: BlockInfo[] = [];
  let offset = firstBlock;
  for (;;) {
    const head = readHead(fd, offset);
    if (head === undefined || (head.flags & BlockFlag.Index) !== 0) break;
    const end = offset + BLOCK_HEAD_BYTES + padded(head.storedBytes);
    // The last block is checked byte by byte: it is the one that a crash may have torn.
    if (end > size) break;
    if (end === size && readPayload(fd, offset, head) === undefined) break;
    blocks.push({ offset, ...head });
    offset = end;
  }
  return { meta, blocks, endOffset: offset, isClosed: false, tornBytes: size - offset };
}

export interface BlockHead extends Omit<BlockInfo, "offset"> {
  readonly flags: number;
  readonly crc: number;
  readonly bytes: Buffer;
}

/** @returns undefined at the end of the file, or where no block head is. */
export function readHead(fd: number, offset: number): BlockHead | undefined {
  const bytes = readAt(fd, offset, BLOCK_HEAD_BYTES);
  if (bytes.length < BLOCK_HEAD_BYTES || bytes.readUInt32LE(BLOCK.magic) !== BLOCK_MAGIC) return undefined;
  const storedBytes = bytes.readUInt32LE(BLOCK.storedBytes);
  const rawBytes = bytes.readUInt32LE(BLOCK.rawBytes);
  if (rawBytes > RAW_BYTES_MAX || storedBytes > RAW_BYTES_MAX) return undefined;
  return {
    bytes,
    flags: bytes.readUInt32LE(BLOCK.flags),
    crc: bytes.readUInt32LE(BLOCK.crc),
    storedBytes,
    rawBytes,
    records: bytes.readUInt32LE(BLOCK.records),
    levelUpdates: bytes.readUInt32LE(BLOCK.levelUpdates),
    firstRecvMonoNs: bytes.readDoubleLE(BLOCK.firstRecvMonoNs),
    lastRecvMonoNs: bytes.readDoubleLE(BLOCK.lastRecvMonoNs),
  };
}

/** Memory of somebody else's that blocks are read into. */
export interface BlockMemory {
  /** Room for a block as it is stored and as it unpacks, each 8-aligned. @returns undefined: none is free or large enough. */
  take(
    storedBytes: number,
    rawBytes: number,
    records: number,
  ): { readonly stored: Uint8Array; readonly raw: Uint8Array } | undefined;
  /** One LZ4 block, the whole of `raw`. @returns false when it is not that. */
  unpack(lz4Block: Uint8Array, raw: Uint8Array): boolean;
}

/**
 * The block's records, 8-aligned.
 * @param memory where they go when it has room; else they lie in memory of their own.
 * @returns undefined when the block is torn or its checksum does not hold.
 */
export function readPayload(
  fd: number,
  offset: number,
  head: BlockHead,
  memory?: BlockMemory,
): Uint8Array | undefined {
  const from = offset + BLOCK_HEAD_BYTES;
  const room = memory?.take(head.storedBytes, head.rawBytes, head.records);
  const stored = room === undefined ? readAt(fd, from, head.storedBytes) : readInto(fd, from, room.stored);
  if (stored.length !== head.storedBytes) return undefined;
  if (crc32(stored, crc32(head.bytes.subarray(BLOCK_CRC_FROM))) !== head.crc) return undefined;
  const isPacked = (head.flags & BlockFlag.Lz4) !== 0;
  if (room === undefined) return isPacked ? unpack(stored, head.rawBytes) : stored;
  if (!isPacked) room.raw.set(stored);
  else if (lengthPrefix(stored) !== head.rawBytes || !memory!.unpack(stored.subarray(4), room.raw))
    return undefined;
  return room.raw;
}

/** The codec writes the unpacked length in front of the LZ4 block. */
const lengthPrefix = (stored: Uint8Array): number =>
  stored.length < 4 ? -1 : new DataView(stored.buffer, stored.byteOffset).getUint32(0, true);

function unpack(stored: Uint8Array, rawBytes: number): Uint8Array | undefined {
  // The codec's own length must agree before it is trusted with an allocation.
  if (lengthPrefix(stored) !== rawBytes) return undefined;
  const raw = lz4().decompress(stored);
  return raw.length === rawBytes ? raw : undefined;
}
