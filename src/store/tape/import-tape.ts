import { RecordKind } from "../../abi/layout.js";
import { ColumnsBuilder, FLAG_BACKLOG, type TapeColumns, TapeKind } from "./columns.js";
import type { ProblemReport } from "./convert/problems.js";
import { readRecordings } from "./convert/read.js";
import type { RecordSource } from "./convert/records.js";
import { TapeError, type TapeErrorCode } from "./errors.js";
import { RecordCursor, type TapeFileReader } from "./file/reader.js";
import { type RecordCounts, RecordImporter } from "./import-records.js";
import { type Grid, gridOf, MAX_SZ_DECIMALS } from "./instruments.js";
import { ambiguousMarkets, type CaptureRecording, type TapePlan, type TapeRecording } from "./recordings.js";
import { ImportTally, type TapeStats } from "./stats.js";
import { FileSource } from "./tools/file-source.js";

export interface ImportTask {
  readonly path: string;
  readonly plan: TapePlan;
  /** Overrides the table of known coins. */
  readonly szDecimals: number | undefined;
  readonly bookEveryMs: number;
  readonly maxSilenceMs: number;
}

export interface ImportedTape {
  readonly coin: string;
  readonly venue: string;
  readonly grid: Grid;
  readonly columns: TapeColumns;
  readonly stats: TapeStats;
  readonly problems: ProblemReport;
  /** What was left out and why. */
  readonly notes: readonly string[];
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

const HOLDS_NOTHING: ReadonlySet<TapeErrorCode> = new Set<TapeErrorCode>([
  "nothing_recognised",
  "coin_not_in_tape",
]);

/** Rows of one recording in the order they will have on the tape. */
interface Part {
  readonly name: string;
  readonly rows: ColumnsBuilder;
  /** Smallest recv − exch; NaN without stamps. */
  offsetMs: number;
}

const startMs = ({ rows }: Part): number => rows.recvMs[0]!;
const endMs = ({ rows }: Part): number => rows.recvMs[rows.count - 1]!;

/**
 * Reads the recordings of a plan into one tape.
 *
 * Order: receive time; at equal times trades, then bbo, then books (a trade explains the book that follows it), then file order.
 * A silence of all streams of more than `maxSilenceMs`, or the border between two recordings that do not follow each other,
 * ends a segment: a gap event is written, and the next segment's times (receive and exchange) are moved so that it starts
 * SEGMENT_PAUSE_MS after the last event. Recordings with another clock offset have their exchange times moved to the
 * first one's offset, so that recv − exch − clockOffsetMs is comparable over the whole tape.
 *
 * @throws {TapeError} `coin_not_in_tape`, `ambiguous`, `no_book`, `unreadable`, `nothing_recognised`.
 */
export async function importTape(task: ImportTask): Promise<ImportedTape> {
  const { plan } = task;
  const read = new Reading(task);
  for (const recording of plan.recordings) {
    if (recording.format === "tape") await read.tape(recording);
    else await read.capture(recording);
  }
  const { tally, parts, grid } = read;
  if (read.counts !== undefined) tally.counted(read.counts);
  if (grid === undefined || parts.length === 0)
    throw (
      read.unusable ??
      new TapeError("nothing_recognised", `${task.path}: no trade, quote or book of ${read.coin} in it`)
    );
  shareOffsets(parts, task.maxSilenceMs);
  const clockOffsetMs = parts[0]!.offsetMs;
  const out = new ColumnsBuilder();
  const writer = new SegmentWriter(out, tally, task.maxSilenceMs, clockOffsetMs);
  for (const part of parts) writer.recording(part);

  if (tally.books === 0) {
    const names = plan.recordings.map((r) => r.name).join(", ");
    throw new TapeError(
      "no_book",
      tally.depthMessages > 0
        ? `${names}: depth messages without a snapshot; the capture continues an earlier file: give both, as a prefix of their names`
        : `${names}: no order book in it; a tape needs one`,
    );
  }
  return {
    coin: read.coin,
    venue: read.venue,
    grid,
    columns: out.toShared(),
    stats: tally.toStats(),
    problems: tally.problems,
    notes: [...plan.notes, ...read.notes],
    startRecvMs: out.recvMs[0]!,
    endRecvMs: out.recvMs[out.count - 1]!,
    clockOffsetMs,
    recordings: parts.map((part) => ({
      name: part.name,
      clockOffsetMs: part.offsetMs,
      startRecvMs: startMs(part),
      endRecvMs: endMs(part),
    })),
  };
}

/** The recordings of a plan, one after the other, as rows. */
class Reading {
  readonly tally = new ImportTally();
  readonly parts: Part[] = [];
  readonly notes: string[] = [];
  grid: Grid | undefined;
  coin: string;
  venue: string;
  /** Why the first recording was left out that was. */
  unusable: TapeError | undefined;
  /** Of tapes: one without a snapshot continues the one before. */
  private taped: RecordImporter | undefined;

  constructor(private readonly task: ImportTask) {
    this.coin = task.plan.coin;
    this.venue = task.plan.venue;
  }

  async tape(recording: TapeRecording): Promise<void> {
    const { tally } = this;
    const source = new FileSource(recording.file);
    try {
      this.grid ??= this.gridFor(recording.grid);
      this.taped ??= new RecordImporter(this.grid, this.task.bookEveryMs);
      const baseNs = BigInt(source.reader.meta.baseWallNs);
      this.taped.begin({
        grid: recording.grid,
        baseMs: Number(baseNs / 1_000_000n),
        baseNs: Number(baseNs % 1_000_000n),
        ...kindsOf(source.reader, recording.asset),
      });
      const rows = new ColumnsBuilder();
      this.taped.into(rows);
      while (source.hasFront || (await source.fill())) {
        tally.lines++;
        if (source.asset === recording.asset) this.taped.take(source);
        else tally.ignoredLines++;
        source.pop();
      }
      this.taped.end();
      this.add(recording.name, rows);
    } finally {
      source.close();
    }
  }

  /** A recording that holds nothing is left out, and said, where others hold something. */
  async capture(recording: CaptureRecording): Promise<void> {
    const { coin, converter } = recording;
    const { szDecimals } = this.task;
    const knownGrid = this.grid;
    let rows = new CaptureRows(recording, this.task.bookEveryMs);
    try {
      const { venue, coins, report } = await readRecordings(
        {
          inputs: recording.files,
          repair: "stamps",
          ...(converter === undefined ? {} : { format: converter }),
          ...(coin === "" ? {} : { coins: [coin] }),
          ...(szDecimals === undefined ? {} : { szDecimals }),
        },
        (baseMs) => {
          this.grid = knownGrid;
          rows = new CaptureRows(recording, this.task.bookEveryMs);
          return (source, market) => {
            // Of several markets none is played: it is asked which.
            if (market.asset !== 0) return;
            this.coin = market.coin;
            this.grid ??= this.gridFor(market);
            rows.take(source, market, this.grid, baseMs);
          };
        },
      );
      if (coin === "" && coins.length > 1)
        throw ambiguousMarkets(
          this.task.path,
          coins.map((c) => `${venue} ${c}`),
        );
      this.tally.report(report);
      this.venue ||= venue;
    } catch (error) {
      if (!(error instanceof TapeError) || !HOLDS_NOTHING.has(error.code)) throw error;
      this.unusable ??= error;
      this.notes.push(`${recording.name} left out: ${error.message}`);
      return;
    }
    if (rows.importer === undefined) return;
    rows.importer.end();
    this.tally.counted(rows.importer.counts);
    for (const [name, part] of rows.parts) this.add(name, part);
  }

  /** Of the records of all tapes. */
  get counts(): RecordCounts | undefined {
    return this.taped?.counts;
  }

  private add(name: string, rows: ColumnsBuilder): void {
    if (rows.count > 0) this.parts.push({ name, rows, offsetMs: estimateOffset(rows) });
  }

  /** The coin's on the venue; of a coin that is not known, as near to the recording's own as the venue's rule allows. */
  private gridFor(own: Grid): Grid {
    return (
      gridOf(this.coin, this.task.szDecimals) ?? gridOf(this.coin, Math.min(MAX_SZ_DECIMALS, own.szDecimals))!
    );
  }
}

/** Rows of a capture, for each of its files where these follow each other. */
class CaptureRows {
  readonly parts = new Map<string, ColumnsBuilder>();
  importer: RecordImporter | undefined;
  private file: string | undefined;

  constructor(
    private readonly recording: CaptureRecording,
    private readonly bookEveryMs: number,
  ) {}

  take(source: RecordSource, own: Grid, grid: Grid, baseMs: number): void {
    if (this.importer === undefined) {
      this.importer = new RecordImporter(grid, this.bookEveryMs);
      this.importer.begin({ grid: own, baseMs, baseNs: 0, hasLevels: true, hasTrades: true });
    }
    const { isSeries, name } = this.recording;
    const file = (isSeries ? source.file : undefined) ?? name;
    if (file !== this.file) {
      this.file = file;
      const part = new ColumnsBuilder();
      this.importer.into(part);
      this.parts.set(file, part);
    }
    this.importer.take(source);
  }
}

/** Which kinds of records there are decides what is made of single orders. */
function kindsOf(
  reader: TapeFileReader,
  asset: number,
): { readonly hasLevels: boolean; readonly hasTrades: boolean } {
  if (reader.blocks.some((b) => b.levelUpdates > 0)) return { hasLevels: true, hasTrades: true };
  const kinds = new Set<RecordKind>();
  const cursor = new RecordCursor();
  for (let block = reader.nextBlock(); block !== undefined; block = reader.nextBlock()) {
    cursor.load(block);
    while (cursor.next()) if (cursor.asset === asset) kinds.add(cursor.kind);
  }
  reader.rewind();
  const hasLevels = kinds.has(RecordKind.BookDelta) || kinds.has(RecordKind.Book);
  return { hasLevels, hasTrades: hasLevels || kinds.has(RecordKind.Trade) };
}

/** Continuing recordings are one recorder's: they share the smallest offset, so that their exchange times join. */
function shareOffsets(parts: readonly Part[], maxSilenceMs: number): void {
  let from = 0;
  for (let n = 1; n <= parts.length; n++) {
    const follows = n < parts.length && Math.abs(startMs(parts[n]!) - endMs(parts[n - 1]!)) <= maxSilenceMs;
    if (follows) continue;
    const run = parts.slice(from, n);
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

  recording({ rows: p, offsetMs }: Part): void {
    markBacklog(p, offsetMs);
    for (let i = 0; i < p.count; i++) {
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
function estimateOffset(p: TapeColumns): number {
  let min = Number.POSITIVE_INFINITY;
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
