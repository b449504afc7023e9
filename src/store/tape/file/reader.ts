import { closeSync, openSync } from "node:fs";
import { LAYOUT_HASH, type RecordKind } from "../../../abi/layout.js";
import { TapeError } from "../errors.js";
import { BLOCK_HEAD_BYTES, type BlockInfo, BODY_AT, padded, type TapeMeta } from "./format.js";
import { type BlockMemory, readHead, readPayload, scanTape } from "./scan.js";

/** The records of one block. Views are valid until the reader's next block. */
export interface TapeBlock {
  readonly info: BlockInfo;
  readonly bytes: number;
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly f64: Float64Array;
  /** Exchange stamps are 64-bit integers. */
  readonly i64: BigInt64Array;
}

/**
 * Reads a tape file block by block: memory is bounded by one block, whatever the file's length.
 *
 * A file that is still being written is read up to its last whole block; call `nextBlock` again later for more. A damaged block in
 * the middle is an error, never skipped in silence: `skipDamaged` makes it a counted gap.
 *
 * Thread: any. Allocates: the block's bytes, once per block.
 */
export class TapeFileReader {
  readonly meta: TapeMeta;
  /** Blocks known when the file was opened. */
  readonly blocks: readonly BlockInfo[];
  /** False while it is being written, or when its writer crashed. */
  readonly isClosed: boolean;
  /** What a crash left behind the last whole block. */
  readonly tornBytes: number;
  damagedBlocks = 0;
  private offset: number;
  private readonly fd: number;
  private readonly endOffset: number;
  private readonly firstOffset: number;

  /** @throws {TapeError} `no_such_file`, `unreadable`. */
  constructor(
    readonly path: string,
    private readonly skipDamaged = false,
    private readonly memory?: BlockMemory,
  ) {
    try {
      this.fd = openSync(path, "r");
    } catch (cause) {
      throw new TapeError("no_such_file", `${path} cannot be opened: ${(cause as Error).message}`, { cause });
    }
    try {
      const scan = scanTape(this.fd, path);
      if (scan.meta.layoutHash !== LAYOUT_HASH)
        throw new TapeError(
          "unreadable",
          `${path} was written with other record layouts (0x${scan.meta.layoutHash.toString(16)}, this build has 0x${LAYOUT_HASH.toString(16)}): convert it with the version that wrote it`,
        );
      this.meta = scan.meta;
      this.blocks = scan.blocks;
      this.isClosed = scan.isClosed;
      this.tornBytes = scan.tornBytes;
      this.endOffset = scan.endOffset;
      this.firstOffset = scan.blocks[0]?.offset ?? scan.endOffset;
      this.offset = this.firstOffset;
    } catch (error) {
      closeSync(this.fd);
      throw error;
    }
  }

  /** Receive times of the first and last record known at opening, ns since baseWallNs; undefined when the tape is empty. */
  get span(): readonly [number, number] | undefined {
    const last = this.blocks.at(-1);
    return last === undefined ? undefined : [this.blocks[0]!.firstRecvMonoNs, last.lastRecvMonoNs];
  }

  /** The next block begins at or before this receive time, so that no later record is missed. */
  seek(recvMonoNs: number): void {
    let lo = 0;
    let hi = this.blocks.length;
    while (lo < hi) {
      const mid = (lo + hi) >>> 1;
      if (this.blocks[mid]!.lastRecvMonoNs < recvMonoNs) lo = mid + 1;
      else hi = mid;
    }
    this.offset = this.blocks[lo]?.offset ?? this.endOffset;
  }

  rewind(): void {
    this.offset = this.firstOffset;
  }

  /** @returns undefined at the end, or where the file ends for now. @throws {TapeError} `damaged`. */
  nextBlock(): TapeBlock | undefined {
    for (;;) {
      if (this.isClosed && this.offset >= this.endOffset) return undefined;
      const head = readHead(this.fd, this.offset);
      if (head === undefined) {
        // Behind the last whole block: still being written, or torn by a crash.
        if (this.offset >= this.endOffset) return undefined;
        throw this.damaged();
      }
      const at = this.offset;
      const raw = readPayload(this.fd, at, head, this.memory);
      if (raw === undefined) {
        if (at >= this.endOffset) return undefined;
        if (!this.skipDamaged) throw this.damaged();
        this.damagedBlocks++;
        this.offset = at + BLOCK_HEAD_BYTES + padded(head.storedBytes);
        continue;
      }
      this.offset = at + BLOCK_HEAD_BYTES + padded(head.storedBytes);
      if (head.flags & 2) return undefined;
      const { flags: _f, crc: _c, bytes: _b, ...about } = head;
      return views(raw, { offset: at, ...about });
    }
  }

  close(): void {
    closeSync(this.fd);
  }

  private damaged(): TapeError {
    return new TapeError(
      "damaged",
      `${this.path}: the block at byte ${this.offset} is damaged (checksum); \`market-maker tape verify\` lists all such blocks, \`market-maker tape cut --repair\` makes a tape without them`,
    );
  }
}

function views(raw: Uint8Array, info: BlockInfo): TapeBlock {
  const { buffer, byteOffset, length } = raw;
  return {
    info,
    bytes: length,
    u8: raw,
    i32: new Int32Array(buffer, byteOffset, length >> 2),
    f64: new Float64Array(buffer, byteOffset, length >> 3),
    i64: new BigInt64Array(buffer, byteOffset, length >> 3),
  };
}

/**
 * Walks the records of a block. Fields are those of the current record; `at` is the byte offset of its struct body in the
 * block's views. Allocates: nothing.
 */
export class RecordCursor {
  kind: RecordKind = 0;
  asset = 0;
  /** Of the struct body, padded to whole words. */
  bodyBytes = 0;
  at = 0;
  block: TapeBlock | undefined;
  private end = 0;

  load(block: TapeBlock): void {
    this.block = block;
    this.end = 0;
  }

  /** Where the current record begins in the block, bytes. */
  get start(): number {
    return this.at - BODY_AT;
  }

  /** Moves to the record that begins there. */
  seek(start: number): void {
    this.end = start;
    this.next();
  }

  next(): boolean {
    const { block } = this;
    if (block === undefined || this.end >= block.bytes) return false;
    const word = this.end >> 2;
    const head = block.i32[word]!;
    const size = block.i32[word + 1]!;
    this.kind = (head & 0xffff) as RecordKind;
    this.asset = head >>> 16;
    this.at = this.end + BODY_AT;
    this.bodyBytes = size - (BODY_AT - 8);
    this.end += 8 + size;
    return true;
  }
}
