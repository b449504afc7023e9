import { closeSync, fsyncSync, open, openSync, unlink, write, writeSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { LAYOUT_HASH } from "../abi/layout.js";
import {
  HEADER,
  HEADER_BYTES,
  isJournalName,
  JOURNAL_MAGIC,
  JOURNAL_VERSION,
  JournalKind,
  LOST_PAYLOAD_BYTES,
  NAME_BYTES,
  RECORD,
  RECORD_CRC_FROM,
  RECORD_HEAD_BYTES,
  segmentFileName,
} from "./journal-format.js";

export { IntakeNote, JournalKind, JournalStream } from "./journal-format.js";

export interface JournalOptions {
  /** An existing folder; one file per segment is made in it. */
  readonly dir: string;
  /** Letters, digits and hyphens, unique to the run. */
  readonly runId: string;
  /** Letters, digits and hyphens, unique in the run: a journal belongs to one thread. */
  readonly thread: string;
  /** Wall clock and monotonic clock of one instant: ms since the epoch, ns since engine start. */
  readonly wallBaseMs: number;
  readonly monoBaseNs: number;
  /** A segment is closed before it would grow beyond this. Default 64 MiB. */
  readonly segmentBytes?: number;
  /** Oldest segments are deleted beyond this. Default 1 GiB; at least two segments. */
  readonly maxBytes?: number;
  /** Size and number of the buffers: what the disk may lag behind before records are lost. Defaults 1 MiB, 4. */
  readonly bufferBytes?: number;
  readonly bufferCount?: number;
  /** Told once when records begin to be lost or writing begins to fail, in one line. */
  readonly onTrouble?: (message: string) => void;
}

/** Counters of a writer; mutated in place. */
export interface JournalStats {
  /** Records in the journal: taken ones, and the writer's own Lost and End. */
  records: number;
  /** Bytes on disk, headers included, pruned ones too. */
  writtenBytes: number;
  lostRecords: number;
  lostBytes: number;
  writeErrors: number;
  segments: number;
  prunedSegments: number;
  prunedBytes: number;
}

export class JournalError extends Error {
  override readonly name = "JournalError";

  constructor(
    readonly code: "cannot_open" | "bad_options" | "no_such_run" | "not_replayable",
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Records back to back, on their way to the disk. */
class Block {
  readonly bytes: Buffer;
  readonly view: DataView;
  used = 0;
  records = 0;
  firstSequence = 0;
  /** Where in the segment it is being written, and how much of it is. */
  position = 0;
  written = 0;

  constructor(
    size: number,
    readonly isReusable: boolean,
  ) {
    this.bytes = Buffer.alloc(size);
    this.view = new DataView(this.bytes.buffer, this.bytes.byteOffset, size);
  }
}

interface Waiter {
  readonly sealed: number;
  readonly resolve: () => void;
}

/**
 * Append-only journal of one thread: what replay needs and what an incident leaves behind.
 *
 * `append` copies into a preallocated buffer; full buffers are written one at a time by asynchronous `fs.write`. Call `kick`
 * from a timer tick (every 50 to 100 ms) so that a quiet thread's records reach the disk; a SIGKILL loses at most what was
 * appended since. When the disk is slower than the inflow and all buffers are full, records are lost, counted, told to
 * `onTrouble`, and a `Lost` record with their number stands where they would have been; memory never grows. Every record
 * taken or lost consumes a sequence number.
 *
 * Secrets are the callers' duty: bytes are written as given. Sign first and journal the signed action, never a key.
 *
 * Thread: the one that made it. Allocates: no object per append in steady state, only what V8 boxes of the checksum (a
 * number of 16 bytes when it is above 2^31); a record larger than a buffer gets its own, within the same total.
 */
export class JournalWriter {
  readonly stats: JournalStats = {
    records: 0,
    writtenBytes: 0,
    lostRecords: 0,
    lostBytes: 0,
    writeErrors: 0,
    segments: 0,
    prunedSegments: 0,
    prunedBytes: 0,
  };
  private readonly options: Required<Omit<JournalOptions, "onTrouble">>;
  private readonly onTrouble: (message: string) => void;
  private readonly free: Block[] = [];
  private readonly queue: Block[] = [];
  private current: Block | undefined;
  private inFlight: Block | undefined;
  /** The block in flight was written by flushSync meanwhile: its callback only recycles it. */
  private isInFlightSettled = false;
  private isRotating = false;
  private isClosed = false;
  private isLosing = false;
  private isFailing = false;
  private fd: number;
  private segmentIndex = 0;
  /** End of the current segment, once what is in flight has been written. */
  private position = HEADER_BYTES;
  /** Where this segment ends: segmentBytes, or more when the next one could not be opened. */
  private rotateAt: number;
  private readonly segments: { file: string; bytes: number }[] = [];
  private sequence = 0;
  private owesLostRecord = false;
  private oversizeBytes = 0;
  private sealedCount = 0;
  private settledCount = 0;
  private waiters: Waiter[] = [];
  private lastMonoNs = 0;
  private readonly scratch = new Uint8Array(RECORD_HEAD_BYTES - RECORD_CRC_FROM);
  private readonly scratchView = new DataView(this.scratch.buffer);
  private readonly lostPayload = new Uint8Array(LOST_PAYLOAD_BYTES);

  /**
   * Opens the first segment.
   * @throws {JournalError} `bad_options`; `cannot_open` When the folder is not writable or the run id was used before.
   */
  constructor(options: JournalOptions) {
    const { onTrouble, ...given } = options;
    this.options = {
      segmentBytes: 64 * 2 ** 20,
      maxBytes: 2 ** 30,
      bufferBytes: 2 ** 20,
      bufferCount: 4,
      ...given,
    };
    this.onTrouble = onTrouble ?? (() => {});
    const { runId, thread, segmentBytes, maxBytes, bufferBytes, bufferCount } = this.options;
    for (const name of [runId, thread])
      if (!isJournalName(name))
        throw new JournalError(
          "bad_options",
          `journal: "${name}" is not a name of letters, digits and hyphens`,
        );
    if (bufferBytes < 4096 || bufferCount < 2 || segmentBytes < bufferBytes || maxBytes < 2 * segmentBytes)
      throw new JournalError(
        "bad_options",
        `journal: need bufferBytes >= 4096, bufferCount >= 2, segmentBytes >= bufferBytes, maxBytes >= 2 segments`,
      );
    for (let i = 0; i < bufferCount; i++) this.free.push(new Block(bufferBytes, true));
    this.rotateAt = segmentBytes;
    const file = this.segmentFile();
    try {
      this.fd = openSync(file, "wx", 0o600);
      writeSync(this.fd, this.header(0), 0, HEADER_BYTES, 0);
    } catch (cause) {
      throw new JournalError(
        "cannot_open",
        `journal: cannot create ${file} (${reason(cause)}); is the data folder writable?`,
        { cause },
      );
    }
    this.segmentOpened(file);
  }

  /**
   * Takes a record: copies `bytes` (the caller may reuse them at once).
   * @param monoNs ns since engine start.
   * @returns false when it was lost (counted; see the class).
   * Allocates: nothing but boxed numbers.
   */
  append(kind: JournalKind, monoNs: number, bytes: Uint8Array, stream = 0): boolean {
    if (this.isClosed) return false;
    this.lastMonoNs = monoNs;
    const size = RECORD_HEAD_BYTES + bytes.length;
    if (size > this.options.bufferBytes) return this.appendOversize(kind, monoNs, bytes, stream);
    const block = this.room(size);
    if (block === undefined) {
      this.lose(1, size);
      return false;
    }
    this.put(block, kind, monoNs, bytes, stream);
    return true;
  }

  /** Hands what has been appended to the disk, unless a write is under way. Cheap: call it from a timer tick. */
  kick(): void {
    if (this.inFlight === undefined && this.queue.length === 0 && !this.isRotating) this.seal();
  }

  /** Resolves when everything appended before is with the operating system (or counted as lost). */
  flush(): Promise<void> {
    this.seal();
    if (this.settledCount >= this.sealedCount) return Promise.resolve();
    return new Promise((resolve) => this.waiters.push({ sealed: this.sealedCount, resolve }));
  }

  /** As `flush`, without the event loop: for a thread about to exit, or one whose loop never turns. Blocks. */
  flushSync(): void {
    this.seal(false);
    if (this.inFlight !== undefined && !this.isInFlightSettled) {
      // Written again at its own place: the same bytes, whatever the asynchronous write has done so far.
      this.isInFlightSettled = true;
      this.writeSync(this.inFlight);
    }
    for (let block = this.queue.shift(); block !== undefined; block = this.queue.shift()) {
      block.position = this.position;
      this.position += block.used;
      this.writeSync(block);
      this.recycle(block);
    }
    this.settle();
  }

  /** Writes what is left and an End record, and closes the file. */
  async close(): Promise<void> {
    if (this.isClosed) return;
    // First make room: with all buffers full the End record would be lost.
    await this.flush();
    this.append(JournalKind.End, this.lastMonoNs, NO_BYTES);
    await this.flush();
    if (this.isClosed) return;
    this.isClosed = true;
    closeQuietly(this.fd);
  }

  /** As `close`, for the way out of a dying process: synchronous, and synced to the disk. */
  closeSync(): void {
    if (this.isClosed) return;
    this.flushSync();
    this.append(JournalKind.End, this.lastMonoNs, NO_BYTES);
    this.flushSync();
    this.isClosed = true;
    try {
      fsyncSync(this.fd);
    } catch {
      // a file system without sync, or a full disk: nothing better can be done on the way out
    }
    // A write still under way would land in whatever file got the number next: its callback closes.
    if (this.inFlight === undefined) closeQuietly(this.fd);
  }

  /** Bytes appended but not yet written. */
  get pendingBytes(): number {
    let sum = (this.current?.used ?? 0) + (this.inFlight?.used ?? 0);
    for (const block of this.queue) sum += block.used;
    return sum;
  }

  /** The block with room for `size` bytes, undefined when all are full. */
  private room(size: number): Block | undefined {
    const needed = this.owesLostRecord ? size + RECORD_HEAD_BYTES + LOST_PAYLOAD_BYTES : size;
    let block = this.current;
    if (block !== undefined && block.used > 0 && block.used + needed > block.bytes.length) {
      this.seal();
      block = undefined;
    }
    if (block === undefined) {
      block = this.free.pop();
      if (block === undefined) return undefined;
      this.current = block;
    }
    if (this.owesLostRecord && block.used + needed <= block.bytes.length) this.putLost(block);
    return block;
  }

  private put(block: Block, kind: JournalKind, monoNs: number, bytes: Uint8Array, stream: number): void {
    const { view, bytes: target } = block;
    const at = block.used;
    const { scratch, scratchView, sequence } = this;
    scratchView.setFloat64(RECORD.monoNs - RECORD_CRC_FROM, monoNs, true);
    scratchView.setUint32(RECORD.sequence - RECORD_CRC_FROM, sequence, true);
    scratch[RECORD.kind - RECORD_CRC_FROM] = kind;
    scratch[RECORD.stream - RECORD_CRC_FROM] = stream;
    view.setUint32(at + RECORD.length, bytes.length, true);
    view.setUint32(at + RECORD.crc, crc32(bytes, headCrc32(scratch, bytes.length)), true);
    target.set(scratch, at + RECORD_CRC_FROM);
    target.set(bytes, at + RECORD_HEAD_BYTES);
    if (block.records === 0) block.firstSequence = sequence;
    block.records++;
    this.stats.records++;
    block.used = at + RECORD_HEAD_BYTES + bytes.length;
    this.sequence = (sequence + 1) >>> 0;
  }

  /** Totals since the start, not since the last one: a Lost record may itself be lost. */
  private putLost(block: Block): void {
    const view = new DataView(this.lostPayload.buffer);
    view.setUint32(0, this.stats.lostRecords, true);
    view.setFloat64(8, this.stats.lostBytes, true);
    this.owesLostRecord = false;
    this.isLosing = false;
    this.put(block, JournalKind.Lost, this.lastMonoNs, this.lostPayload, 0);
  }

  private appendOversize(kind: JournalKind, monoNs: number, bytes: Uint8Array, stream: number): boolean {
    const size = RECORD_HEAD_BYTES + bytes.length;
    const { bufferBytes, bufferCount } = this.options;
    if (this.oversizeBytes + size > Math.max(bufferBytes * bufferCount, 16 * 2 ** 20)) {
      this.lose(1, size);
      return false;
    }
    this.seal();
    const block = new Block(size, false);
    this.oversizeBytes += size;
    this.put(block, kind, monoNs, bytes, stream);
    this.queue.push(block);
    this.sealedCount++;
    this.pump();
    return true;
  }

  private lose(records: number, bytes: number): void {
    this.sequence = (this.sequence + records) >>> 0;
    this.countLost(records, bytes);
    if (this.isLosing) return;
    this.isLosing = true;
    this.onTrouble(
      `journal ${this.options.thread}: records are being lost: the disk is slower than the inflow`,
    );
  }

  private countLost(records: number, bytes: number): void {
    this.stats.lostRecords += records;
    this.stats.lostBytes += bytes;
    this.owesLostRecord = true;
  }

  private seal(startsWriting = true): void {
    const block = this.current;
    if (block === undefined || block.used === 0) return;
    this.current = undefined;
    this.queue.push(block);
    this.sealedCount++;
    if (startsWriting) this.pump();
  }

  private pump(): void {
    if (this.inFlight !== undefined || this.isRotating || this.isClosed) return;
    const block = this.queue[0];
    if (block === undefined) return;
    if (this.position > HEADER_BYTES && this.position + block.used > this.rotateAt) {
      this.rotate(block.firstSequence);
      return;
    }
    this.queue.shift();
    block.position = this.position;
    block.written = 0;
    this.position += block.used;
    this.inFlight = block;
    write(this.fd, block.bytes, 0, block.used, block.position, this.onWritten);
  }

  private readonly onWritten = (error: NodeJS.ErrnoException | null, count: number): void => {
    const block = this.inFlight!;
    if (this.isInFlightSettled) {
      this.isInFlightSettled = false;
    } else if (error) {
      this.failed(block, error);
    } else {
      block.written += count;
      if (block.written < block.used) {
        const at = block.written;
        write(this.fd, block.bytes, at, block.used - at, block.position + at, this.onWritten);
        return;
      }
      this.isFailing = false;
      this.stats.writtenBytes += block.used;
    }
    this.inFlight = undefined;
    if (this.isClosed) closeQuietly(this.fd);
    this.recycle(block);
    this.settle();
    this.pump();
  };

  /** The block's place in the file is taken back, so that the next one leaves no hole. */
  private failed(block: Block, error: unknown): void {
    this.position = block.position;
    this.stats.writeErrors++;
    this.stats.records -= block.records;
    if (!this.isFailing) {
      this.isFailing = true;
      this.onTrouble(
        `journal ${this.options.thread}: cannot write (${reason(error)}); records are being lost`,
      );
    }
    this.countLost(block.records, block.used);
  }

  private writeSync(block: Block): void {
    try {
      for (let at = 0; at < block.used; )
        at += writeSync(this.fd, block.bytes, at, block.used - at, block.position + at);
      this.stats.writtenBytes += block.used;
    } catch (cause) {
      this.failed(block, cause);
    }
  }

  private recycle(block: Block): void {
    this.settledCount++;
    if (!block.isReusable) {
      this.oversizeBytes -= block.bytes.length;
      return;
    }
    block.used = 0;
    block.records = 0;
    this.free.push(block);
  }

  private settle(): void {
    if (this.waiters.length === 0) return;
    const due = this.waiters.filter((w) => w.sealed <= this.settledCount);
    this.waiters = this.waiters.filter((w) => w.sealed > this.settledCount);
    for (const waiter of due) waiter.resolve();
  }

  /** Opens the next segment off the hot path; until it is open, blocks wait in the queue. */
  private rotate(firstSequence: number): void {
    this.isRotating = true;
    this.prune();
    // A number is never used twice: one that failed half-way leaves a file behind.
    this.segmentIndex++;
    const file = this.segmentFile();
    const done = (error: NodeJS.ErrnoException | null, fd: number): void => {
      this.isRotating = false;
      if (error) {
        // Better an overlong segment than no journal.
        this.rotateAt += this.options.segmentBytes;
        this.stats.writeErrors++;
        this.onTrouble(`journal ${this.options.thread}: cannot create ${file} (${reason(error)})`);
      } else if (this.isClosed) {
        closeQuietly(fd);
      } else {
        closeQuietly(this.fd);
        this.segments.at(-1)!.bytes = this.position;
        this.fd = fd;
        this.position = HEADER_BYTES;
        this.rotateAt = this.options.segmentBytes;
        this.segmentOpened(file);
      }
      this.pump();
    };
    open(file, "wx", 0o600, (error, fd) => {
      if (error) return done(error, -1);
      write(fd, this.header(firstSequence), 0, HEADER_BYTES, 0, (failure) => {
        if (failure) closeQuietly(fd);
        done(failure, fd);
      });
    });
  }

  /** Deletes the oldest segments until the next one fits; the current one always stays. */
  private prune(): void {
    const { maxBytes, segmentBytes } = this.options;
    let total = this.position + segmentBytes;
    for (const segment of this.segments.slice(0, -1)) total += segment.bytes;
    while (total > maxBytes && this.segments.length > 1) {
      const oldest = this.segments.shift()!;
      total -= oldest.bytes;
      this.stats.prunedSegments++;
      this.stats.prunedBytes += oldest.bytes;
      unlink(oldest.file, (error) => {
        if (error && error.code !== "ENOENT")
          this.onTrouble(
            `journal ${this.options.thread}: cannot delete ${oldest.file} (${reason(error)}); it may outgrow its limit`,
          );
      });
    }
  }

  private segmentFile(): string {
    return join(
      this.options.dir,
      segmentFileName(this.options.runId, this.options.thread, this.segmentIndex),
    );
  }

  private segmentOpened(file: string): void {
    this.segments.push({ file, bytes: HEADER_BYTES });
    this.stats.segments++;
    this.stats.writtenBytes += HEADER_BYTES;
  }

  private header(firstSequence: number): Buffer {
    const { runId, thread, wallBaseMs, monoBaseNs } = this.options;
    const bytes = Buffer.alloc(HEADER_BYTES);
    bytes.write(JOURNAL_MAGIC, HEADER.magic, "latin1");
    bytes.writeUInt32LE(JOURNAL_VERSION, HEADER.version);
    bytes.writeUInt32LE(LAYOUT_HASH >>> 0, HEADER.layoutHash);
    bytes.writeUInt32LE(this.segmentIndex, HEADER.segmentIndex);
    bytes.writeUInt32LE(firstSequence, HEADER.firstSequence);
    bytes.writeDoubleLE(wallBaseMs, HEADER.wallBaseMs);
    bytes.writeDoubleLE(monoBaseNs, HEADER.monoBaseNs);
    bytes.writeDoubleLE(this.stats.prunedBytes, HEADER.prunedBytes);
    bytes.writeUInt32LE(this.stats.prunedSegments, HEADER.prunedSegments);
    bytes.write(runId, HEADER.runId, NAME_BYTES, "latin1");
    bytes.write(thread, HEADER.thread, NAME_BYTES, "latin1");
    bytes.writeUInt32LE(crc32(bytes.subarray(0, HEADER.crc)), HEADER.crc);
    return bytes;
  }
}

const CRC_TABLE = Int32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

/** zlib's crc32 for the 16 bytes of a record head: in JavaScript faster than a second native call. */
function headCrc32(bytes: Uint8Array, seed: number): number {
  let state = ~seed;
  for (let i = 0; i < bytes.length; i++) state = CRC_TABLE[(state ^ bytes[i]!) & 255]! ^ (state >>> 8);
  return ~state >>> 0;
}

export const NO_BYTES = new Uint8Array(0);

const reason = (cause: unknown): string =>
  (cause as NodeJS.ErrnoException).code ?? (cause instanceof Error ? cause.message : String(cause));

function closeQuietly(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // nothing is left to write, and nothing to be done about it
  }
}
