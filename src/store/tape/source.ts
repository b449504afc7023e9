import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Piscina } from "piscina";
import { Side } from "../../domain/index.js";
import { FLAG_BACKLOG, TAPE_LEVELS, type TapeColumns, TapeKind } from "./columns.js";
import { convertToTape, problemNotes } from "./convert/index.js";
import { TapeError } from "./errors.js";
import { FILE_EXTENSION } from "./file/format.js";
import { type ImportedTape, type ImportTask, importTape } from "./import-tape.js";
import type { ImportReply } from "./import-worker.js";
import { gridOf, knownCoins } from "./instruments.js";
import { planTape, type TapePlan } from "./recordings.js";
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
  let plan: TapePlan;
  try {
    plan = await planTape(path, options.coin);
  } catch (error) {
    if (!(error instanceof TapeError && error.code === "nothing_recognised")) throw error;
    return await openConverted(path, options, error);
  }
  return await openPlanned(path, plan, options);
}

/** Any other format: by way of a tape file in the temporary folder. @throws {TapeError} `unknown`, when that knows it no better. */
async function openConverted(path: string, options: TapeOptions, unknown: TapeError): Promise<Tape> {
  const dir = mkdtempSync(join(tmpdir(), "mm-tape-"));
  try {
    const out = join(dir, `${basename(path)}${FILE_EXTENSION}`);
    const { coin } = options;
    const { report } = await convertToTape({
      inputs: [path],
      out,
      codec: "none",
      ...(coin === undefined ? {} : { coins: [coin] }),
    }).catch((error: unknown) => {
      const isUnknown =
        error instanceof TapeError && ["nothing_recognised", "no_such_file"].includes(error.code);
      throw isUnknown ? unknown : error;
    });
    const plan = await planTape(out, coin);
    return await openPlanned(path, { ...plan, notes: [...plan.notes, ...problemNotes(report)] }, options);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function openPlanned(path: string, plan: TapePlan, options: TapeOptions): Promise<Tape> {
  const first = plan.recordings[0]!;
  const ownDecimals = first.format === "tape" ? Math.min(6, first.grid.szDecimals) : undefined;
  const grid = gridOf(plan.coin, options.szDecimals) ?? gridOf(plan.coin, ownDecimals);
  if (grid === undefined)
    throw new TapeError(
      "unknown_coin",
      `${path}: size decimals of ${plan.coin} are not known (known: ${knownCoins()}); give them with szDecimals`,
    );
  const task: ImportTask = {
    plan,
    grid,
    bookEveryMs: options.bookEveryMs ?? 500,
    maxSilenceMs: options.maxSilenceMs ?? 5_000,
  };
  const imported = await run(task);
  return new ColumnTape(plan, imported, grid.pxDecimals, grid.szDecimals);
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

  constructor(
    plan: TapePlan,
    imported: ImportedTape,
    readonly pxDecimals: number,
    readonly szDecimals: number,
  ) {
    this.coin = plan.coin;
    this.columns = imported.columns;
    this.eventCount = imported.columns.count;
    this.startRecvMs = imported.startRecvMs;
    this.endRecvMs = imported.endRecvMs;
    this.clockOffsetMs = imported.clockOffsetMs;
    this.stats = imported.stats;
    this.notes = notesOf(plan, imported);
    this.description = describe(plan, imported);
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

function notesOf(plan: TapePlan, tape: ImportedTape): string[] {
  const { stats } = tape;
  const notes = [...plan.notes];
  if (stats.malformedLines > 0)
    notes.push(
      `${stats.malformedLines} malformed lines left out, first: ${stats.malformedSamples.join("; ")}`,
    );
  if (stats.duplicateTrades > 0) notes.push(`${stats.duplicateTrades} repeated trade ids left out`);
  if (stats.backlogTrades > 0) notes.push(`${stats.backlogTrades} trades are backlog of (re)connects`);
  if (stats.brokenChains > 0)
    notes.push(`the book was lost ${stats.brokenChains} times (update ids broke off, or it was crossed)`);
  if (stats.gaps > 0) notes.push(`${stats.gaps} gaps; what follows each is moved to start 1 s after it`);
  return notes;
}

function describe(plan: TapePlan, tape: ImportedTape): string {
  const { stats } = tape;
  const seconds = (tape.endRecvMs - tape.startRecvMs) / 1000;
  const names = tape.recordings.map((r) => r.name);
  return [
    `${plan.venue} ${plan.coin}: ${names.join(" + ")}`,
    `${seconds.toFixed(0)} s from ${new Date(tape.recordings[0]!.startRecvMs).toISOString()}`,
    `${stats.books} books, ${stats.bbos} bbo, ${stats.trades} trades`,
    `recorder's clock offset about ${tape.clockOffsetMs.toFixed(0)} ms (smallest recv - exch)`,
    ...notesOf(plan, tape),
  ].join("; ");
}
