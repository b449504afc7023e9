import { MSG_PREFIX_BYTES, prefixWord } from "../abi/layout.js";
import { attachSegment, createSegment, LINE_BYTES, LINE_WORDS } from "./segment.js";

/**
 * A cell for a value of which only the newest counts: three buffers and one word.
 *
 * | line | word    | writer         | meaning                                                          |
 * |------|---------|----------------|------------------------------------------------------------------|
 * | 0    | header  | creator        | magic, version, layout hash, payload bytes                       |
 * | 0    | ENDS    | both, once     | bit 0: a writer is attached, bit 1: a reader is attached         |
 * | 1    | CONTROL | both (exchange)| index of the buffer that neither side holds; FRESH if unread     |
 * | 2…   | buffers | their holder   | 16-byte FlatBuffers prefix, body                                 |
 *
 * Each side holds one buffer and swaps it for the third by one `Atomics.exchange`, so a buffer has one holder at any
 * moment: the writer never waits, the reader never sees a half-written body, and no retry loop is needed (a seqlock would
 * need one, and plain JS loads inside it would be a data race). The price: exactly one reader. Two readers need two cells.
 */
const CONTROL = LINE_WORDS;
const ENDS = 8;
const BUFFERS_AT = 2 * LINE_BYTES;
const INDEX_BITS = 3;
const FRESH = 4;
const ENDS_WRITER = 1;
const ENDS_READER = 2;

/** Whole lines, so that the two sides never share one. */
const strideBytes = (payloadBytes: number): number =>
  Math.ceil((MSG_PREFIX_BYTES + payloadBytes) / LINE_BYTES) * LINE_BYTES;

/**
 * Allocates a cell for one record body of `payloadBytes` (a generated `*_SIZE`).
 * @throws {RangeError} When it is not a positive multiple of 8.
 */
export function createCell(payloadBytes: number): SharedArrayBuffer {
  if (!Number.isInteger(payloadBytes) || payloadBytes <= 0 || payloadBytes % 8 !== 0) {
    throw new RangeError(`cell payload of ${payloadBytes} bytes is not a positive multiple of 8`);
  }
  const stride = strideBytes(payloadBytes);
  const sab = createSegment("cell", BUFFERS_AT + 3 * stride, payloadBytes);
  const words = new Int32Array(sab);
  for (let index = 0; index < 3; index++) {
    const word = (BUFFERS_AT + index * stride) >> 2;
    words[word] = prefixWord(payloadBytes, 0);
    words[word + 1] = prefixWord(payloadBytes, 1);
    words[word + 2] = prefixWord(payloadBytes, 2);
    words[word + 3] = prefixWord(payloadBytes, 3);
  }
  words[CONTROL] = 1; // the reader starts with buffer 0, the writer with 2
  return sab;
}

function claimEnd(words: Int32Array, bit: number, name: string): void {
  if ((Atomics.or(words, ENDS, bit) & bit) !== 0) {
    throw new Error(`cell already has a ${name}; each ${name} needs a cell of its own`);
  }
}

/** The writing end. Thread: one. Allocates: nothing after construction. */
export class CellWriter {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly f64: Float64Array;
  private readonly stride: number;
  private back = 2;

  /** @throws {Error} When `sab` is not a cell of this build or has a writer already. */
  constructor(sab: SharedArrayBuffer) {
    this.stride = strideBytes(attachSegment("cell", sab));
    this.u8 = new Uint8Array(sab);
    this.u16 = new Uint16Array(sab);
    this.u32 = new Uint32Array(sab);
    this.i32 = new Int32Array(sab);
    this.f64 = new Float64Array(sab);
    claimEnd(this.i32, ENDS_WRITER, "writer");
  }

  /** Byte offset of the body to fill. It holds an older value: write every field. Until `publish` nobody sees it. */
  begin(): number {
    return BUFFERS_AT + this.back * this.stride + MSG_PREFIX_BYTES;
  }

  /** Replaces what the reader will see next; an unread older value is forgotten. */
  publish(): void {
    // RELEASE of the body written above, ACQUIRE of a buffer that the reader has finished with (pairs with `poll`).
    this.back = Atomics.exchange(this.i32, CONTROL, this.back | FRESH) & INDEX_BITS;
  }
}

/** The reading end. Thread: one. Allocates: nothing after construction. */
export class CellReader {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly f64: Float64Array;
  /** Byte offset of the newest body; all zeros until `poll` was true once. Stable until `poll` is true again. */
  offset: number;
  private readonly stride: number;
  private front = 0;

  /** @throws {Error} When `sab` is not a cell of this build or has a reader already. */
  constructor(sab: SharedArrayBuffer) {
    this.stride = strideBytes(attachSegment("cell", sab));
    this.u8 = new Uint8Array(sab);
    this.u16 = new Uint16Array(sab);
    this.u32 = new Uint32Array(sab);
    this.i32 = new Int32Array(sab);
    this.f64 = new Float64Array(sab);
    this.offset = BUFFERS_AT + MSG_PREFIX_BYTES;
    claimEnd(this.i32, ENDS_READER, "reader");
  }

  /** Takes the newest value if there is one that was not read yet. @returns true when `offset` now names a newer body */
  poll(): boolean {
    // A plain look first: an exchange on every idle poll would take the line away from the writer.
    if ((Atomics.load(this.i32, CONTROL) & FRESH) === 0) return false;
    // ACQUIRE of the body, RELEASE of the buffer handed back (pairs with `publish`). Only we clear FRESH, so it is still set.
    this.front = Atomics.exchange(this.i32, CONTROL, this.front) & INDEX_BITS;
    this.offset = BUFFERS_AT + this.front * this.stride + MSG_PREFIX_BYTES;
    return true;
  }
}
