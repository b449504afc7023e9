import { readdirSync, readFileSync, statSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import {
  HEADER,
  HEADER_BYTES,
  JOURNAL_MAGIC,
  JOURNAL_VERSION,
  JournalKind,
  NAME_BYTES,
  RECORD,
  RECORD_CRC_FROM,
  RECORD_HEAD_BYTES,
  SEGMENT_FILE,
} from "./journal-format.js";

export interface JournalHeader {
  readonly file: string;
  readonly layoutHash: number;
  readonly segmentIndex: number;
  readonly firstSequence: number;
  readonly wallBaseMs: number;
  readonly monoBaseNs: number;
  readonly runId: string;
  readonly thread: string;
  /** Deleted before this segment was opened. */
  readonly prunedSegments: number;
  readonly prunedBytes: number;
}

export interface JournalRecord {
  readonly kind: JournalKind;
  readonly stream: number;
  readonly monoNs: number;
  readonly sequence: number;
  /** A view of the segment in memory; copy it to change it. */
  readonly bytes: Uint8Array;
}

/** What the reading so far has shown. */
export interface JournalReport {
  segments: number;
  records: number;
  /** Bytes behind the last whole record: a torn tail in the last segment, damage in an earlier one. */
  cutBytes: number;
  /** Segments that end in damage though another follows, or whose header cannot be read. */
  damagedSegments: string[];
  /** Sequence numbers that no record has, within what was read. */
  missingRecords: number;
  /** Records the writer says it lost; equals `missingRecords` in an undamaged journal. */
  lostRecords: number;
  prunedSegments: number;
  prunedBytes: number;
  /** The last record is the writer's End: the run was closed in order. */
  isClosed: boolean;
}

export interface JournalFiles {
  readonly runId: string;
  readonly thread: string;
  /** In order of segments. */
  readonly files: readonly string[];
}

/** The journals in a folder, by run id, then thread. */
export function listJournals(dir: string): JournalFiles[] {
  const found = new Map<string, { runId: string; thread: string; at: [number, string][] }>();
  for (const name of readdirSync(dir)) {
    const m = SEGMENT_FILE.exec(name);
    if (!m) continue;
    const [, runId, thread, index] = m as unknown as [string, string, string, string];
    const key = `${runId}.${thread}`;
    const entry = found.get(key) ?? { runId, thread, at: [] };
    entry.at.push([Number(index), join(dir, name)]);
    found.set(key, entry);
  }
  return [...found.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { runId, thread, at }]) => ({
      runId,
      thread,
      files: at.sort((a, b) => a[0] - b[0]).map(([, file]) => file),
    }));
}

/**
 * Deletes the journals of the oldest runs until the folder holds at most `maxBytes`. Runs written to within `minAgeMs` stay
 * whatever their size: they may be another maker's, alive in the same data folder.
 * @param nowMs Wall clock, ms since the epoch.
 * @returns run ids deleted, oldest first.
 */
export function pruneRuns(
  dir: string,
  maxBytes: number,
  nowMs: number,
  minAgeMs = 24 * 3_600_000,
): readonly string[] {
  const runs = new Map<string, { files: string[]; bytes: number; lastMs: number }>();
  let total = 0;
  for (const { runId, files } of listJournals(dir)) {
    const run = runs.get(runId) ?? { files: [], bytes: 0, lastMs: 0 };
    for (const file of files) {
      const { size, mtimeMs } = statSync(file);
      run.files.push(file);
      run.bytes += size;
      run.lastMs = Math.max(run.lastMs, mtimeMs);
      total += size;
    }
    runs.set(runId, run);
  }
  const deleted: string[] = [];
  for (const [runId, run] of [...runs].sort(([, a], [, b]) => a.lastMs - b.lastMs)) {
    if (total <= maxBytes || nowMs - run.lastMs < minAgeMs) break;
    for (const file of run.files) unlinkSync(file);
    total -= run.bytes;
    deleted.push(runId);
  }
  return deleted;
}

/**
 * Reads the records of one journal in order; iterate once, then see `report`.
 *
 * Checks checksums and sequence numbers. Reading a segment stops at its last whole record: a process killed while writing
 * leaves at most one torn tail. A journal of another layout hash is read all the same (the frames in it are the venue's),
 * see `headers`.
 * Thread: any, cold. Allocates: a segment at a time.
 */
export class JournalReader implements Iterable<JournalRecord> {
  readonly headers: JournalHeader[] = [];
  readonly report: JournalReport = {
    segments: 0,
    records: 0,
    cutBytes: 0,
    damagedSegments: [],
    missingRecords: 0,
    lostRecords: 0,
    prunedSegments: 0,
    prunedBytes: 0,
    isClosed: false,
  };
  private expected = -1;

  /** @param files Segments of one journal in order, see `listJournals`. */
  constructor(private readonly files: readonly string[]) {}

  *[Symbol.iterator](): Generator<JournalRecord> {
    for (let n = 0; n < this.files.length; n++) {
      const file = this.files[n]!;
      const bytes = readFileSync(file);
      const header = readHeader(file, bytes);
      if (header === undefined) {
        // The very end of a killed process may be a file whose header never reached the disk.
        this.report.cutBytes += bytes.length;
        if (n < this.files.length - 1) this.report.damagedSegments.push(file);
        continue;
      }
      this.headers.push(header);
      this.report.segments++;
      this.report.prunedSegments = header.prunedSegments;
      this.report.prunedBytes = header.prunedBytes;
      const end = yield* this.segment(bytes);
      this.report.cutBytes += bytes.length - end;
      if (end < bytes.length && n < this.files.length - 1) this.report.damagedSegments.push(file);
    }
  }

  /** Yields the whole records; returns where they end. */
  private *segment(bytes: Buffer): Generator<JournalRecord, number> {
    let at = HEADER_BYTES;
    for (;;) {
      const from = at + RECORD_HEAD_BYTES;
      if (from > bytes.length) return at;
      const length = bytes.readUInt32LE(at + RECORD.length);
      if (from + length > bytes.length) return at;
      const crc = crc32(bytes.subarray(at + RECORD_CRC_FROM, from + length), length);
      if (crc !== bytes.readUInt32LE(at + RECORD.crc)) return at;
      const sequence = bytes.readUInt32LE(at + RECORD.sequence);
      // Sequence numbers wrap: compared by difference. Backwards is damage that the checksum cannot see (a stale block).
      const jump = this.expected < 0 ? 0 : (sequence - this.expected) >>> 0;
      if (jump >= 2 ** 31) return at;
      this.report.missingRecords += jump;
      this.expected = (sequence + 1) >>> 0;
      const record: JournalRecord = {
        kind: bytes[at + RECORD.kind] as JournalKind,
        stream: bytes[at + RECORD.stream]!,
        monoNs: bytes.readDoubleLE(at + RECORD.monoNs),
        sequence,
        bytes: bytes.subarray(from, from + length),
      };
      this.report.records++;
      this.report.isClosed = record.kind === JournalKind.End;
      if (record.kind === JournalKind.Lost) this.report.lostRecords = bytes.readUInt32LE(from);
      at = from + length;
      yield record;
    }
  }
}

function readHeader(file: string, bytes: Buffer): JournalHeader | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  if (bytes.toString("latin1", HEADER.magic, HEADER.version) !== JOURNAL_MAGIC) return undefined;
  if (bytes.readUInt32LE(HEADER.version) !== JOURNAL_VERSION) return undefined;
  if (crc32(bytes.subarray(0, HEADER.crc)) !== bytes.readUInt32LE(HEADER.crc)) return undefined;
  const text = (at: number): string =>
    bytes.toString("latin1", at, at + NAME_BYTES - 1).replace(/\0.*$/s, "");
  return {
    file,
    layoutHash: bytes.readUInt32LE(HEADER.layoutHash),
    segmentIndex: bytes.readUInt32LE(HEADER.segmentIndex),
    firstSequence: bytes.readUInt32LE(HEADER.firstSequence),
    wallBaseMs: bytes.readDoubleLE(HEADER.wallBaseMs),
    monoBaseNs: bytes.readDoubleLE(HEADER.monoBaseNs),
    runId: text(HEADER.runId),
    thread: text(HEADER.thread),
    prunedSegments: bytes.readUInt32LE(HEADER.prunedSegments),
    prunedBytes: bytes.readDoubleLE(HEADER.prunedBytes),
  };
}
