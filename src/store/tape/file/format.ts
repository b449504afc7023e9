/**
 * Bytes of a tape file (`.mmt`): a recorded market as FlatBuffers messages in checksummed, compressed blocks.
 *
 *     file    = header, block*, [index block, trailer]
 *     header  = magic "MMTAPE01", u32 JSON bytes, u32 crc32 of the JSON, JSON, zeros to a multiple of 8
 *     block   = block head (64 bytes), payload, zeros to a multiple of 8
 *     payload = record*, as it is or one LZ4 block
 *     record  = u16 kind, u16 asset, u32 n, n bytes of FlatBuffers message (schemas/market.fbs, tape.fbs)
 *     trailer = u64 file offset of the index block, magic "MMTAPEND"
 *
 * Little-endian. A record is a size-prefixed FlatBuffers buffer behind a word that says what it is; its struct body starts
 * MSG_PREFIX_BYTES further, 8-aligned in the decoded block, and can be handed to a kernel in place. Each block stands alone: a
 * reader starts at any of them, and a crashed writer loses only the one it had not written. The index and its trailer exist in closed
 * files; they save the walk over the block heads, nothing else.
 */
import { MSG_PREFIX_BYTES } from "../../../abi/layout.js";

export const TAPE_MAGIC = "MMTAPE01";
export const TRAILER_MAGIC = "MMTAPEND";
export const FILE_EXTENSION = ".mmt";
export const HEADER_FIXED_BYTES = 16;
export const TRAILER_BYTES = 16;

/** "MMTB". */
export const BLOCK_MAGIC = 0x42544d4d;
export const BLOCK_HEAD_BYTES = 64;
/** Offsets in a block head. The crc32 covers the head from `flags` on and the payload as stored. */
export const BLOCK = {
  magic: 0,
  crc: 4,
  flags: 8,
  storedBytes: 12,
  rawBytes: 16,
  records: 20,
  index: 24,
  firstRecvMonoNs: 32,
  lastRecvMonoNs: 40,
  levelUpdates: 48,
} as const;
export const BLOCK_CRC_FROM = 8;

/** Bit flags of a block. */
export const BlockFlag = { Lz4: 1, Index: 2 } as const;

/** A record's own head, in front of the FlatBuffers message. */
export const RECORD_HEAD_BYTES = 8;
/** From the start of a record to its struct body. */
export const BODY_AT = RECORD_HEAD_BYTES + MSG_PREFIX_BYTES;
export const recordBytes = (bodyBytes: number): number => BODY_AT + ((bodyBytes + 7) & ~7);

/** No block is larger: a damaged length must not ask for all memory. */
export const RAW_BYTES_MAX = 64 * 2 ** 20;
export const HEADER_JSON_MAX = 16 * 2 ** 20;
/** Spaces behind the header's JSON: room for what is known only later, such as the clock offset. */
export const HEADER_SPARE_BYTES = 64;

/** An entry of the index block: f64 file offset, f64 first and last receive time, u32 records, u32 level updates. */
export const INDEX_ENTRY_BYTES = 32;

export const padded = (bytes: number): number => (bytes + 7) & ~7;

/** A market that a tape holds, with the grid on which its prices and sizes stand. */
export interface TapeInstrument {
  /** The number that records carry. */
  readonly asset: number;
  readonly coin: string;
  readonly pxDecimals: number;
  readonly szDecimals: number;
  /** Significant figures that a price may have; 0: no such rule. */
  readonly maxSigFigs: number;
  readonly minNotionalUsd: number;
  readonly maxLeverage: number;
}

/** What a tape says about itself. Plain JSON: later versions may add keys. */
export interface TapeMeta {
  readonly venue: string;
  /** Wall clock of recv_mono_ns = 0: ns since the epoch, decimal digits. */
  readonly baseWallNs: string;
  readonly instruments: readonly TapeInstrument[];
  /** Smallest recv − exch of the recording, ns; see TapeSource.clockOffsetMs. Absent: not known. */
  readonly clockOffsetNs?: number;
  /**
   * The first so many records repeat the newest of the file before, so that this one stands alone: a reader that comes from
   * there leaves them out. Absent: none.
   */
  readonly repeated?: number;
  /**
   * Of own orders, where not a recording of the venue's books that hold them too. `apart`: they were taken out of the books. `paper`:
   * they never were in them, and their exchange stamps are on the recorder's clock.
   */
  readonly ownOrders?: "apart" | "paper";
  /** Where the records came from, for people. */
  readonly source: string;
  /** Things that a reader should know: repairs, what was left out. */
  readonly notes: readonly string[];
  /** Present in a piece that was cut from a tape. */
  readonly cut?: TapeCut;
  /** Digest of the schemas of the writing build; another one means that bodies may have other fields. */
  readonly layoutHash: number;
}

/** A piece [fromNs, toNs) of a tape, ns since baseWallNs. Its first records tell the state at its start, so that it can be read alone. */
export interface TapeCut {
  readonly fromNs: number;
  readonly toNs: number;
  readonly openingRecords: number;
}

export interface BlockInfo {
  /** Of the block head in the file. */
  readonly offset: number;
  readonly storedBytes: number;
  readonly rawBytes: number;
  readonly records: number;
  readonly levelUpdates: number;
  /** ns since baseWallNs; records inside may be out of order by their receive time only in repaired tapes. */
  readonly firstRecvMonoNs: number;
  readonly lastRecvMonoNs: number;
}
