import { threadId } from "node:worker_threads";
import { MSG_PREFIX_BYTES, prefixWord, RecordKind } from "../abi/layout.js";
import type { RecordSink } from "./record-sink.js";
import { attachSegment, createSegment, LINE_BYTES, LINE_WORDS } from "./segment.js";

/**
 * Single-producer single-consumer ring of variable-length records.
 *
 * | line | word             | writer   | meaning                                              |
 * |------|------------------|----------|------------------------------------------------------|
 * | 0    | header           | creator  | magic, version, layout hash, capacity                |
 * | 0    | PRODUCER_THREAD  | producer | thread id + 1, only with `assertsOwner`              |
 * | 1    | HEAD             | producer | bytes ever published, i32, wraps                     |
 * | 2    | TAIL             | consumer | bytes ever released, i32, wraps                      |
 * | 3    | DROPS            | producer | records refused because the ring was full, wraps     |
 * | 4…   | slots            | producer | {kind, bodyBytes}, 16-byte FlatBuffers prefix, body  |
 *
 * A slot starts at a multiple of 8 and is never split: where the rest of the buffer is too short, a padding slot
 * (kind 0) sends the reader back to the start.
 */
const HEAD = LINE_WORDS;
const TAIL = 2 * LINE_WORDS;
const DROPS = 3 * LINE_WORDS;
const PRODUCER_THREAD = 8;
const DATA_BYTES = 4 * LINE_BYTES;

const SLOT_HEADER_BYTES = 8;
/** From the start of a slot to its body. */
const BODY_AT = SLOT_HEADER_BYTES + MSG_PREFIX_BYTES;
const KIND_PADDING = RecordKind.None;
/** Twice the capacity must stay below 2^31, so that differences of wrapping counters keep their sign. */
const CAPACITY_MAX = 2 ** 29;
const CAPACITY_MIN = 64;

const slotBytes = (bodyBytes: number): number => (BODY_AT + bodyBytes + 7) & ~7;

/**
 * Allocates a ring.
 * @param capacityBytes power of two; the largest record may take half of it (slot = 24 bytes + body)
 * @param options.startIndex first value of the wrapping counters, a multiple of 8; tests start near 2^31
 * @throws {RangeError} When a size is not as described.
 */
export function createRing(capacityBytes: number, options: { startIndex?: number } = {}): SharedArrayBuffer {
  const startIndex = options.startIndex ?? 0;
  if (
    !Number.isInteger(capacityBytes) ||
    capacityBytes < CAPACITY_MIN ||
    capacityBytes > CAPACITY_MAX ||
    (capacityBytes & (capacityBytes - 1)) !== 0
  ) {
    throw new RangeError(
      `ring capacity ${capacityBytes} is not a power of two in ${CAPACITY_MIN}..${CAPACITY_MAX} bytes`,
    );
  }
  if (!Number.isInteger(startIndex) || (startIndex & 7) !== 0) {
    throw new RangeError(`ring start index ${startIndex} is not a multiple of 8`);
  }
  const sab = createSegment("ring", DATA_BYTES + capacityBytes, capacityBytes);
  const words = new Int32Array(sab);
  words[HEAD] = startIndex | 0;
  words[TAIL] = startIndex | 0;
  return sab;
}

/** Records refused so far because the ring was full (modulo 2^32). Thread: any. */
export function ringDrops(sab: SharedArrayBuffer): number {
  attachSegment("ring", sab);
  return Atomics.load(new Int32Array(sab), DROPS) >>> 0;
}

/** Bytes published and not yet released, slot headers and padding included. Thread: any. */
export function ringFill(sab: SharedArrayBuffer): number {
  const capacity = attachSegment("ring", sab);
  return fill(new Int32Array(sab), capacity);
}

function fill(words: Int32Array, capacity: number): number {
  // Tail first: the head read after it can only be further on, so the difference is never negative.
  const tail = Atomics.load(words, TAIL);
  const used = (Atomics.load(words, HEAD) - tail) | 0;
  return Math.min(used, capacity);
}

/**
 * The writing end. Thread: exactly one for the life of the ring. Allocates: nothing after construction.
 *
 * The body that `reserve` hands out holds what an older record left there: the writer fills every field that a reader of
 * that kind may look at. A second `reserve` without `commit` abandons the first.
 */
export class RingProducer implements RecordSink {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly f64: Float64Array;
  private readonly capacity: number;
  private readonly mask: number;
  /** What HEAD holds. */
  private published: number;
  /** End of the last committed record. */
  private next: number;
  /** End of the reserved record; equals `next` when nothing is reserved. */
  private reservedEnd: number;
  private cachedTail: number;
  private drops: number;
  private readonly assertsOwner: boolean;

  /**
   * @param options.assertsOwner for tests: refuses a second producing thread, and checks at each publish that nobody else
   *   moved the head
   * @throws {Error} When `sab` is not a ring of this build, or (`assertsOwner`) belongs to another thread.
   */
  constructor(sab: SharedArrayBuffer, options: { assertsOwner?: boolean } = {}) {
    this.capacity = attachSegment("ring", sab);
    this.mask = this.capacity - 1;
    this.u8 = new Uint8Array(sab);
    this.u16 = new Uint16Array(sab);
    this.u32 = new Uint32Array(sab);
    this.i32 = new Int32Array(sab);
    this.f64 = new Float64Array(sab);
    this.published = Atomics.load(this.i32, HEAD);
    this.next = this.published;
    this.reservedEnd = this.published;
    this.cachedTail = Atomics.load(this.i32, TAIL);
    this.drops = Atomics.load(this.i32, DROPS);
    this.assertsOwner = options.assertsOwner ?? false;
    if (this.assertsOwner) {
      const owner = Atomics.compareExchange(this.i32, PRODUCER_THREAD, 0, threadId + 1);
      if (owner !== 0 && owner !== threadId + 1) {
        throw new Error(
          `ring already has a producer in thread ${owner - 1}; thread ${threadId} needs a ring of its own`,
        );
      }
    }
  }

  /**
   * Opens a slot and writes its header and FlatBuffers prefix.
   * @returns byte offset of the body in the views (8-aligned), or -1 when the ring is full: counted as a drop, nothing written
   * @throws {RangeError} When the kind is `None` or the record can never fit (more than half the ring).
   */
  reserve(kind: RecordKind, bodyBytes: number): number {
    const slot = slotBytes(bodyBytes);
    if (kind === KIND_PADDING || bodyBytes <= 0 || slot > this.capacity >> 1) {
      throw new RangeError(
        `ring of ${this.capacity} bytes cannot take a record of kind ${kind} with a body of ${bodyBytes} bytes`,
      );
    }
    const at = this.next & this.mask;
    const room = this.capacity - at;
    const padding = slot > room ? room : 0;
    const end = (this.next + padding + slot) | 0;
    if (((end - this.cachedTail) | 0) > this.capacity) {
      // ACQUIRE: pairs with the RELEASE in `release`: the consumer has finished reading what we are about to overwrite.
      this.cachedTail = Atomics.load(this.i32, TAIL);
      if (((end - this.cachedTail) | 0) > this.capacity) {
        this.reservedEnd = this.next;
        this.countDrop();
        return -1;
      }
    }
    if (padding !== 0) this.i32[(DATA_BYTES + at) >> 2] = KIND_PADDING;
    const word = (DATA_BYTES + (padding === 0 ? at : 0)) >> 2;
    this.i32[word] = kind;
    this.i32[word + 1] = bodyBytes;
    this.i32[word + 2] = prefixWord(bodyBytes, 0);
    this.i32[word + 3] = prefixWord(bodyBytes, 1);
    this.i32[word + 4] = prefixWord(bodyBytes, 2);
    this.i32[word + 5] = prefixWord(bodyBytes, 3);
    this.reservedEnd = end;
    return (word << 2) + BODY_AT;
  }

  /** Keeps the reserved record; it becomes visible with the next `publish`. @throws {Error} When nothing is reserved. */
  commit(): void {
    if (this.reservedEnd === this.next) throw new Error("ring commit without a successful reserve");
    this.next = this.reservedEnd;
  }

  /** Makes all committed records visible at once. */
  publish(): void {
    if (this.next === this.published) return;
    if (this.assertsOwner) this.checkOwner();
    this.published = this.next;
    this.reservedEnd = this.next;
    // Slots were written with plain stores above. RELEASE: the head must be stored last, so that a consumer that sees it
    // also sees the slots (pairs with the ACQUIRE in `poll`). One store per batch, not per record.
    Atomics.store(this.i32, HEAD, this.published);
  }

  /** Forgets everything since the last publish. */
  rollback(): void {
    this.next = this.published;
    this.reservedEnd = this.published;
  }

  /** Bytes for further records; a slot that would be split costs the rest of the buffer besides. */
  freeBytes(): number {
    this.cachedTail = Atomics.load(this.i32, TAIL);
    return this.capacity - ((this.next - this.cachedTail) | 0);
  }

  /** Adds one to the drop counter: called by `reserve` when full, by an owner that drops for a reason of its own. */
  countDrop(): void {
    this.drops = (this.drops + 1) | 0;
    Atomics.store(this.i32, DROPS, this.drops);
  }

  private checkOwner(): void {
    const head = Atomics.load(this.i32, HEAD);
    if (head !== this.published) {
      throw new Error(
        `ring head moved to ${head} behind the producer's back (expected ${this.published}): two producers?`,
      );
    }
  }
}

/**
 * The reading end. Thread: exactly one for the life of the ring. Allocates: nothing after construction.
 *
 * `poll` until -1 (or until the batch is large enough), then `release` once. A body may be read until that `release`.
 */
export class RingConsumer {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly f64: Float64Array;
  /** Of the record that `poll` returned last. */
  kind: RecordKind = RecordKind.None;
  bodyBytes = 0;
  private readonly capacity: number;
  private readonly mask: number;
  /** End of the last polled record. */
  private position: number;
  /** What TAIL holds. */
  private released: number;
  private cachedHead: number;

  /** @throws {Error} When `sab` is not a ring of this build. */
  constructor(sab: SharedArrayBuffer) {
    this.capacity = attachSegment("ring", sab);
    this.mask = this.capacity - 1;
    this.u8 = new Uint8Array(sab);
    this.u16 = new Uint16Array(sab);
    this.u32 = new Uint32Array(sab);
    this.i32 = new Int32Array(sab);
    this.f64 = new Float64Array(sab);
    this.released = Atomics.load(this.i32, TAIL);
    this.position = this.released;
    this.cachedHead = this.released;
  }

  /**
   * Steps to the next record and sets `kind` and `bodyBytes`.
   * @returns byte offset of its body in the views, or -1 when there is none
   * @throws {Error} When the slot makes no sense: memory was overwritten by something that is not the producer.
   */
  poll(): number {
    for (;;) {
      if (this.position === this.cachedHead) {
        // ACQUIRE: pairs with the RELEASE in `publish`: slots below this head are complete.
        this.cachedHead = Atomics.load(this.i32, HEAD);
        if (this.position === this.cachedHead) return -1;
      }
      const at = this.position & this.mask;
      const word = (DATA_BYTES + at) >> 2;
      const kind = this.i32[word]!;
      if (kind === KIND_PADDING) {
        this.position = (this.position + this.capacity - at) | 0;
        continue;
      }
      const bodyBytes = this.i32[word + 1]!;
      const slot = slotBytes(bodyBytes);
      if (bodyBytes <= 0 || slot > ((this.cachedHead - this.position) | 0) || slot > this.capacity - at) {
        throw new Error(`ring slot at ${at} is corrupt: kind ${kind}, body of ${bodyBytes} bytes`);
      }
      this.position = (this.position + slot) | 0;
      this.kind = kind as RecordKind;
      this.bodyBytes = bodyBytes;
      return (word << 2) + BODY_AT;
    }
  }

  /** Hands the space of all polled records back to the producer. */
  release(): void {
    if (this.position === this.released) return;
    this.released = this.position;
    // RELEASE: pairs with the ACQUIRE in `reserve`: our reads of the bodies are done before the space is given back.
    Atomics.store(this.i32, TAIL, this.released);
  }

  /** Bytes published and not yet released. */
  fillBytes(): number {
    return fill(this.i32, this.capacity);
  }
}
