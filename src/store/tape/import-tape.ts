import { basename } from "node:path";
import { ColumnsBuilder, FLAG_BACKLOG, type TapeColumns, TapeKind } from "./columns.js";
import { TapeError } from "./errors.js";
import { BinanceImporter } from "./import-binance.js";
import { TapeFileImporter } from "./import-file.js";
import { type CsvKind, importHyperliquidCsv, importHyperliquidRaw } from "./import-hyperliquid.js";
import type { Grid } from "./instruments.js";
import type { Recording, TapePlan } from "./recordings.js";
import { ImportTally, type TapeStats } from "./stats.js";

export interface ImportTask {
  readonly plan: TapePlan;
  readonly grid: Grid;
  readonly bookEveryMs: number;
  readonly maxSilenceMs: number;
}

export interface ImportedTape {
  readonly columns: TapeColumns;
  readonly stats: TapeStats;
  readonly startRecvMs: number;
  readonly endRecvMs: number;
  /** Of the first recording; later ones are brought to it. */
  readonly clockOffsetMs: number;
  /** Offset of each recording as estimated. */
  readonly recordings: readonly RecordingSummary[];
}

export interface RecordingSummary {
  readonly name: string;
  readonly clockOffsetMs: number;
  readonly startRecvMs: number;
  readonly endRecvMs: number;
}

/** Later segments start so long after the one before, ms. */
export const SEGMENT_PAUSE_MS = 1_000;
/** A trades message that spans so much exchange time repeats the past: live ones carry one block, at most a few. */
const BACKLOG_SPAN_MS = 1_000;
/** A trade so far behind the fastest message is no news, whatever message brought it. */
const BACKLOG_LAG_MS = 10_000;

/** Rows of one recording in the order they will have on the tape. */
interface Merged {
  readonly name: string;
  readonly startRecvMs: number;
  readonly endRecvMs: number;
  /** Smallest recv − exch; NaN without stamps. */
  offsetMs: number;
  readonly parts: readonly ColumnsBuilder[];
  readonly part: Uint8Array;
  readonly row: Uint32Array;
}

/**
 * Reads the recordings of a plan into one tape.
 *
 * Order: receive time; at equal times trades, then bbo, then books (a trade explains the book that follows it), then file order.
 * A silence of all streams of more than `maxSilenceMs`, or the border between two recordings that do not follow each other,
 * ends a segment: a gap event is written, and the next segment's times (receive and exchange) are moved so that it starts
 * SEGMENT_PAUSE_MS after the last event. Recordings with another clock offset have their exchange times moved to the
 * first one's offset, so that recv − exch − clockOffsetMs is comparable over the whole tape.
 *
 * @throws {TapeError} `coin_not_in_tape`, `no_book`, `unreadable`, `nothing_recognised`.
 */
export async function importTape(task: ImportTask): Promise<ImportedTape> {
  const { plan, grid } = task;
  const tally = new ImportTally();
  let importer: BinanceImporter | undefined;
  let tapeImporter: TapeFileImporter | undefined;
  const out = new ColumnsBuilder();
  const merged: Merged[] = [];

  for (const recording of plan.recordings) {
    const parts: ColumnsBuilder[] = [];
    if (recording.format === "hyperliquid-csv") {
      for (const kind of ["trades", "prices", "orderbooks"] satisfies CsvKind[]) {
        const file = recording.files[kind];
        if (file === undefined) continue;
        const part = new ColumnsBuilder();
        await importHyperliquidCsv(file, kind, grid, part, tally);
        parts.push(part);
      }
    } else if (recording.format === "hyperliquid-raw") {
      const part = new ColumnsBuilder();
      await importHyperliquidRaw(recording.file, plan.coin, grid, part, tally);
      parts.push(part);
    } else if (recording.format === "tape") {
      const part = new ColumnsBuilder();
      tapeImporter ??= new TapeFileImporter(grid, task.bookEveryMs, tally);
      tapeImporter.importFile(recording, part);
      parts.push(part);
    } else {
      // One importer over all files: the book of a continuing capture lives on.
      const part = new ColumnsBuilder();
      importer ??= new BinanceImporter(recording.market, plan.coin, grid, task.bookEveryMs, tally);
      await importer.importFile(recording.file, part);
      parts.push(part);
    }
    const one = mergeByRecvMs(recordingName(recording), parts);
    if (one !== undefined) merged.push(one);
  }
  shareOffsets(merged, task.maxSilenceMs);
  const clockOffsetMs = merged[0]?.offsetMs ?? 0;
  const writer = new SegmentWriter(out, tally, task.maxSilenceMs, clockOffsetMs);
  for (const one of merged) writer.recording(one);

  if (out.count === 0) {
    const seen = [...tally.coinsSeen].slice(0, 12).join(", ");
    if (seen !== "" && !tally.coinsSeen.has(plan.coin))
      throw new TapeError(
        "coin_not_in_tape",
        `the tape holds ${seen}, not ${plan.coin}; choose one of these`,
      );
    throw new TapeError(
      "nothing_recognised",
      `no usable line among ${tally.lines} (${tally.malformedSamples[0] ?? "the files are empty"})`,
    );
  }
  if (tally.books === 0) {
    const names = plan.recordings.map(recordingName).join(", ");
    throw new TapeError(
      "no_book",
      tally.depthMessages > 0
        ? `${names}: depth messages without a snapshot; the capture continues an earlier file: give both, as a prefix of their names`
        : `${names}: no order book in it; a tape needs one`,
    );
  }
  return {
    columns: out.toShared(),
    stats: tally.toStats(),
    startRecvMs: out.recvMs[0]!,
    endRecvMs: out.recvMs[out.count - 1]!,
    clockOffsetMs,
    recordings: merged.map(({ name, offsetMs, startRecvMs, endRecvMs }) => ({
      name,
      clockOffsetMs: offsetMs,
      startRecvMs,
      endRecvMs,
    })),
  };
}

function recordingName(r: Recording): string {
  if (r.format !== "hyperliquid-csv") return basename(r.file);
  return `${r.coin}_${r.when} (${Object.keys(r.files).join(", ")})`;
}

/** Merges parts that are each in receive order; ties go to the earlier part. */
function mergeByRecvMs(name: string, parts: readonly ColumnsBuilder[]): Merged | undefined {
  let total = 0;
  for (const p of parts) total += p.count;
  if (total === 0) return undefined;
  const part = new Uint8Array(total);
  const row = new Uint32Array(total);
  const next = parts.map(() => 0);
  for (let n = 0; n < total; n++) {
    let best = -1;
    let bestMs = Number.POSITIVE_INFINITY;
    for (let p = 0; p < parts.length; p++) {
      const i = next[p]!;
      if (i < parts[p]!.count && parts[p]!.recvMs[i]! < bestMs) {
        best = p;
        bestMs = parts[p]!.recvMs[i]!;
      }
    }
    part[n] = best;
    row[n] = next[best]!++;
  }
  const recvMs = (n: number): number => parts[part[n]!]!.recvMs[row[n]!]!;
  const endRecvMs = recvMs(total - 1);
  return { name, startRecvMs: recvMs(0), endRecvMs, offsetMs: estimateOffset(parts), parts, part, row };
}

/** Continuing recordings are one recorder's: they share the smallest offset, so that their exchange times join. */
function shareOffsets(merged: readonly Merged[], maxSilenceMs: number): void {
  let from = 0;
  for (let n = 1; n <= merged.length; n++) {
    const follows =
      n < merged.length && Math.abs(merged[n]!.startRecvMs - merged[n - 1]!.endRecvMs) <= maxSilenceMs;
    if (follows) continue;
    const run = merged.slice(from, n);
    const known = run.map((one) => one.offsetMs).filter((ms) => !Number.isNaN(ms));
    for (const one of run) one.offsetMs = known.length > 0 ? Math.min(...known) : 0;
    from = n;
  }
}

/** Writes recordings one after the other: backlog, repeated trades, gaps, moved times. */
class SegmentWriter {
  private shiftMs = 0;
  private lastRawRecvMs = Number.NaN;
  private readonly seenTids = new Set<number>();

  constructor(
    private readonly out: ColumnsBuilder,
    private readonly tally: ImportTally,
    private readonly maxSilenceMs: number,
    private readonly clockOffsetMs: number,
  ) {}

  recording({ parts, part, row, offsetMs }: Merged): void {
    for (const p of parts) markBacklog(p, offsetMs);
    for (let n = 0; n < row.length; n++) {
      const p = parts[part[n]!]!;
      const i = row[n]!;
      const rawRecvMs = p.recvMs[i]!;
      const kind = p.kind[i] as TapeKind;
      if (kind === TapeKind.Trade && this.seenTids.has(p.d[i]!)) {
        this.tally.duplicateTrades++;
        continue;
      }
      const silenceMs = rawRecvMs - this.lastRawRecvMs;
      if (silenceMs > this.maxSilenceMs || silenceMs < 0) {
        this.gap();
        this.shiftMs += this.lastRawRecvMs + SEGMENT_PAUSE_MS - rawRecvMs;
      }
      this.lastRawRecvMs = rawRecvMs;
      if (kind === TapeKind.Gap) {
        this.gap();
        continue;
      }
      const exchMs = Number.isNaN(p.exchMs[i]!) ? rawRecvMs - offsetMs : p.exchMs[i]!;
      this.out.copyRow(p, i, rawRecvMs + this.shiftMs, exchMs + this.shiftMs + offsetMs - this.clockOffsetMs);
      if (kind === TapeKind.Book) this.tally.books++;
      else if (kind === TapeKind.Bbo) this.tally.bbos++;
      else {
        this.seenTids.add(p.d[i]!);
        this.tally.trades++;
        if ((p.flags[i]! & FLAG_BACKLOG) !== 0) this.tally.backlogTrades++;
      }
    }
  }

  /** At the end of the segment: both times of its last event. */
  private gap(): void {
    const { out } = this;
    if (out.count === 0 || out.kind[out.count - 1] === TapeKind.Gap) return;
    const last = out.count - 1;
    out.row(TapeKind.Gap, out.recvMs[last]!, out.exchMs[last]!, 0, 0, 0, 0);
    this.tally.gaps++;
  }
}

/** The smallest recv − exch: the recorder's clock error plus the fastest way. NaN when nothing carries a stamp. */
function estimateOffset(parts: readonly TapeColumns[]): number {
  let min = Number.POSITIVE_INFINITY;
  for (const p of parts)
    for (let i = 0; i < p.count; i++) {
      const diff = p.recvMs[i]! - p.exchMs[i]!;
      if (diff < min) min = diff;
    }
  return Number.isFinite(min) ? min : Number.NaN;
}

/**
 * Flags the trades of messages (rows of one receive time) that repeat the past: a message spanning many blocks, as the
 * snapshot after a (re)connect does, or trades far behind the fastest message.
 */
function markBacklog(p: ColumnsBuilder, offsetMs: number): void {
  for (let from = 0; from < p.count; ) {
    let to = from;
    let oldest = Number.POSITIVE_INFINITY;
    let newest = Number.NEGATIVE_INFINITY;
    const recvMs = p.recvMs[from]!;
    for (; to < p.count && p.recvMs[to] === recvMs; to++) {
      if (p.kind[to] !== TapeKind.Trade) continue;
      oldest = Math.min(oldest, p.exchMs[to]!);
      newest = Math.max(newest, p.exchMs[to]!);
    }
    if (newest - oldest >= BACKLOG_SPAN_MS || recvMs - offsetMs - newest > BACKLOG_LAG_MS) {
      for (let i = from; i < to; i++)
        if (p.kind[i] === TapeKind.Trade) p.flags[i] = p.flags[i]! | FLAG_BACKLOG;
    }
    from = to;
  }
}
