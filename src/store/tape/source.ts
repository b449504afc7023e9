import { fileURLToPath } from "node:url";
import { Piscina } from "piscina";
import { Side } from "../../domain/index.js";
import { FLAG_BACKLOG, TAPE_LEVELS, type TapeColumns, TapeKind } from "./columns.js";
import { problemNotes, Remark } from "./convert/problems.js";
import { TapeError } from "./errors.js";
import { type ImportedTape, type ImportTask, importTape } from "./import-tape.js";
import type { ImportReply } from "./import-worker.js";
import { gridOf, MAX_SZ_DECIMALS } from "./instruments.js";
import { planTape } from "./recordings.js";
import type { TapeStats } from "./stats.js";

/**
 * One event of a recorded market. A source hands out one object and overwrites it: copy what must outlive `next()`.
 *
 * Fields outside the event's kind are stale. `book`: levels best first. `bbo`: level 0, count 0 when a side is missing.
 * `trade`: pxTicks, szLots, side (the aggressor's), tid, isBacklog. `gap`: the recording broke off here; both times are
 * those of the last event before it, and whatever was known of the book is void.
 */
export interface TapeEvent {
  kind: "book" | "bbo" | "trade" | "gap";
  /** Local receive time since the epoch, ms with fraction. Never decreases. */
  recvMs: number;
  /** The exchange's event time, ms; recvMs − clockOffsetMs where the exchange gave none. On the exchange's clock. */
  exchMs: number;
  bidCount: number;
  askCount: number;
  readonly bidPxTicks: Float64Array;
  readonly bidSzLots: Float64Array;
  /** 0 where the recording does not say. */
  readonly bidOrders: Uint32Array;
  readonly askPxTicks: Float64Array;
  readonly askSzLots: Float64Array;
  readonly askOrders: Uint32Array;
  pxTicks: number;
  szLots: number;
  side: Side;
  tid: number;
  /** A trade that a (re)connect message repeats from the past: it happened, but is no news at recvMs. */
  isBacklog: boolean;
}

export interface TapeSource {
  readonly coin: string;
  readonly pxDecimals: number;
  readonly szDecimals: number;
  readonly startRecvMs: number;
  readonly endRecvMs: number;
  /**
   * Estimate of the recorder's clock error plus the fastest way from the exchange: the smallest recv − exch, ms. May be
   * negative. Feed latency beyond the fastest is recvMs − exchMs − clockOffsetMs; recvMs − exchMs alone means nothing.
   */
  readonly clockOffsetMs: number;
  readonly description: string;
  next(): TapeEvent | undefined;
  close(): void;
}

/** What `openTape` returns besides the agreed source. */
export interface Tape extends TapeSource {
  readonly eventCount: number;
  readonly stats: TapeStats;
  /** Things a user should know: recordings left out, malformed lines, moved times. */
  readonly notes: readonly string[];
  /** Starts again from the first event. */
  rewind(): void;
}

export interface TapeOptions {
  /** Needed when the path holds several; checked otherwise. */
  readonly coin?: string | undefined;
  /** Receive time between sampled books of a raw Binance capture, ms. Default 500, Hyperliquid's own cadence. */
  readonly bookEveryMs?: number | undefined;
  /** Silence of all streams that ends a segment, ms. Default 5,000; the venues send several messages a second. */
  readonly maxSilenceMs?: number | undefined;
  /** For coins the table of instruments does not know. */
  readonly szDecimals?: number | undefined;
}

/**
 * Opens a recorded market.
 *
 * `path` is a recording or a tape file (.mmt), a folder, a prefix of file names or a pattern with `*` in its last part; files that belong together are
 * read as one tape in time order. Segments (recordings that do not follow each other, or a silence longer than
 * `maxSilenceMs`) are joined 1 s apart with a `gap` event between them; see `importTape`. What only the converter reads
 * (`market-maker tape convert`) is converted first.
 *
 * Parsing runs on a worker thread, so that the caller's thread never stalls; from TypeScript source, where no compiled worker exists,
 * it runs in-process.
 *
 * @throws {TapeError} When there is no such file, nothing is recognised, several markets match, the coin is not in the
 * tape or its grid unknown, there is no order book, or a file is damaged. One line each, see `code`.
 * Thread: any but the feed's and kernel's. Allocates: the whole tape (about 70 bytes an event, 800 a book).
 */
export async function openTape(path: string, options: TapeOptions = {}): Promise<Tape> {
  const { coin, szDecimals, bookEveryMs = 500, maxSilenceMs = 5_000 } = options;
  if (szDecimals !== undefined && gridOf("", szDecimals) === undefined)
    throw new TapeError(
      "unknown_coin",
      `${path}: ${szDecimals} size decimals: a whole number from 0 to ${MAX_SZ_DECIMALS} is wanted`,
    );
  const plan = await planTape(path, coin);
  return new ColumnTape(await run({ path, plan, szDecimals, bookEveryMs, maxSilenceMs }));
}

async function run(task: ImportTask): Promise<ImportedTape> {
  if (import.meta.url.endsWith(".ts")) return importTape(task);
  const pool = new Piscina({
    filename: fileURLToPath(new URL("./import-worker.js", import.meta.url)),
    minThreads: 1,
    maxThreads: 1,
  });
  try {
    const reply = (await pool.run(task)) as ImportReply;
    if (!reply.ok) throw new TapeError(reply.code, reply.message);
    return reply.tape;
  } finally {
    await pool.destroy();
  }
}

const KIND_NAME: Readonly<Record<TapeKind, TapeEvent["kind"]>> = {
  [TapeKind.Book]: "book",
  [TapeKind.Bbo]: "bbo",
  [TapeKind.Trade]: "trade",
  [TapeKind.Gap]: "gap",
};

class ColumnTape implements Tape {
  readonly coin: string;
  readonly pxDecimals: number;
  readonly szDecimals: number;
  readonly startRecvMs: number;
  readonly endRecvMs: number;
  readonly clockOffsetMs: number;
  readonly description: string;
  readonly eventCount: number;
  readonly stats: TapeStats;
  readonly notes: readonly string[];
  private readonly columns: TapeColumns;
  private at = 0;
  private readonly event: TapeEvent = {
    kind: "gap",
    recvMs: 0,
    exchMs: 0,
    bidCount: 0,
    askCount: 0,
    bidPxTicks: new Float64Array(TAPE_LEVELS),
    bidSzLots: new Float64Array(TAPE_LEVELS),
    bidOrders: new Uint32Array(TAPE_LEVELS),
    askPxTicks: new Float64Array(TAPE_LEVELS),
    askSzLots: new Float64Array(TAPE_LEVELS),
    askOrders: new Uint32Array(TAPE_LEVELS),
    pxTicks: 0,
    szLots: 0,
    side: Side.Buy,
    tid: 0,
    isBacklog: false,
  };

  constructor(imported: ImportedTape) {
    this.coin = imported.coin;
    this.pxDecimals = imported.grid.pxDecimals;
    this.szDecimals = imported.grid.szDecimals;
    this.columns = imported.columns;
    this.eventCount = imported.columns.count;
    this.startRecvMs = imported.startRecvMs;
    this.endRecvMs = imported.endRecvMs;
    this.clockOffsetMs = imported.clockOffsetMs;
    this.stats = imported.stats;
    this.notes = notesOf(imported);
    this.description = describe(imported);
  }

  /** Allocates: nothing. */
  next(): TapeEvent | undefined {
    const { columns, event } = this;
    const i = this.at;
    if (i >= columns.count) return undefined;
    this.at = i + 1;
    const kind = columns.kind[i] as TapeKind;
    event.kind = KIND_NAME[kind];
    event.recvMs = columns.recvMs[i]!;
    event.exchMs = columns.exchMs[i]!;
    event.isBacklog = (columns.flags[i]! & FLAG_BACKLOG) !== 0;
    if (kind === TapeKind.Trade) {
      event.pxTicks = columns.a[i]!;
      event.szLots = columns.b[i]!;
      event.side = columns.c[i] as Side;
      event.tid = columns.d[i]!;
    } else if (kind === TapeKind.Bbo) {
      event.bidPxTicks[0] = columns.a[i]!;
      event.bidSzLots[0] = columns.b[i]!;
      event.bidOrders[0] = 0;
      event.bidCount = columns.b[i]! > 0 ? 1 : 0;
      event.askPxTicks[0] = columns.c[i]!;
      event.askSzLots[0] = columns.d[i]!;
      event.askOrders[0] = 0;
      event.askCount = columns.d[i]! > 0 ? 1 : 0;
    } else if (kind === TapeKind.Book) {
      const bids = columns.b[i]!;
      const asks = columns.c[i]!;
      let k = columns.a[i]!;
      for (let n = 0; n < bids; n++, k++) {
        event.bidPxTicks[n] = columns.levelPx[k]!;
        event.bidSzLots[n] = columns.levelSz[k]!;
        event.bidOrders[n] = columns.levelOrders[k]!;
      }
      for (let n = 0; n < asks; n++, k++) {
        event.askPxTicks[n] = columns.levelPx[k]!;
        event.askSzLots[n] = columns.levelSz[k]!;
        event.askOrders[n] = columns.levelOrders[k]!;
      }
      event.bidCount = bids;
      event.askCount = asks;
    }
    return event;
  }

  rewind(): void {
    this.at = 0;
  }

  close(): void {
    this.at = this.columns.count;
  }
}

/** Trades are told together with those that only show when recordings are joined; what waits for a snapshot is not lost. */
const TOLD_APART: ReadonlySet<string> = new Set(Object.values(Remark));

function notesOf({ notes: planned, stats, problems }: ImportedTape): string[] {
  const remarks = Object.fromEntries(
    Object.entries(problems.remarks).filter(([what]) => !TOLD_APART.has(what)),
  );
  const notes = [...planned, ...problemNotes({ ...problems, remarks })];
  if (stats.duplicateTrades > 0) notes.push(`${stats.duplicateTrades} repeated trade ids left out`);
  if (stats.backlogTrades > 0) notes.push(`${stats.backlogTrades} trades are backlog of (re)connects`);
  if (stats.crossedBooks > 0)
    notes.push(`the book was crossed ${stats.crossedBooks} times: none until the next snapshot`);
  if (stats.gaps > 0) notes.push(`${stats.gaps} gaps; what follows each is moved to start 1 s after it`);
  return notes;
}

function describe(tape: ImportedTape): string {
  const { stats } = tape;
  const seconds = (tape.endRecvMs - tape.startRecvMs) / 1000;
  const names = tape.recordings.map((r) => r.name);
  return [
    `${tape.venue} ${tape.coin}: ${names.join(" + ")}`,
    `${seconds.toFixed(0)} s from ${new Date(tape.recordings[0]!.startRecvMs).toISOString()}`,
    `${stats.books} books, ${stats.bbos} bbo, ${stats.trades} trades`,
    `recorder's clock offset about ${tape.clockOffsetMs.toFixed(0)} ms (smallest recv - exch)`,
    ...notesOf(tape),
  ].join("; ");
}
