import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { planConversion } from "./convert/plan.js";
import { TapeError } from "./errors.js";
import { FILE_EXTENSION } from "./file/format.js";
import { TapeFileReader } from "./file/reader.js";
import type { Grid } from "./instruments.js";
import { coinOfBinanceSymbol } from "./instruments.js";

/** Files of another format that make one recording: a raw capture, or the CSV files of one coin and stretch of time. */
export interface CaptureRecording {
  readonly format: "capture";
  /** What the converter calls the format; undefined: it finds out. */
  readonly converter?: string;
  /** For people. */
  readonly name: string;
  /** "" where only the data tells. */
  readonly coin: string;
  readonly venue: string;
  readonly when: string;
  readonly files: readonly string[];
  /** The files follow each other: the book of one lives on in the next. */
  readonly isSeries: boolean;
}

/** One market of a tape file. */
export interface TapeRecording {
  readonly format: "tape";
  readonly name: string;
  readonly coin: string;
  readonly venue: string;
  readonly when: string;
  readonly file: string;
  readonly asset: number;
  readonly grid: Grid;
}

export type Recording = CaptureRecording | TapeRecording;

export interface TapePlan {
  /** "" where only the data tells. */
  readonly coin: string;
  readonly venue: string;
  readonly recordings: readonly Recording[];
  /** What was left out and why. */
  readonly notes: readonly string[];
}

type CsvKind = "orderbooks" | "prices" | "trades";
const CSV_KINDS: readonly CsvKind[] = ["orderbooks", "prices", "trades"];
const CSV_FORMAT = "hyperliquid-csv";
const HYPERLIQUID = "Hyperliquid";
const BINANCE_NAME = /^(usdm|spot|cm)_([a-z0-9_]+?)_(\d{8}\w*)(?:\.gz)?$/i;
const HYPERLIQUID_RAW_NAME = /^ws_([a-z0-9]+)_(\d{8}\w*)(?:\.gz)?$/i;
const CSV_NAME = /^(orderbooks|prices|trades)_([A-Za-z0-9:]+)_(\d{8}\w*)\.csv(?:\.gz)?$/;

export const SUPPORTED =
  "supported: tape files (.mmt), <usdm|spot|cm>_<symbol>_<date>.gz (Binance raw), orderbooks_/prices_/trades_<COIN>_<date>.csv.gz and " +
  "ws_<coin>_<date>.gz (Hyperliquid), and what `market-maker tape convert` reads";

/**
 * Finds the recordings that `path` names: a file, a folder, a prefix of file names (with or without the kind of a CSV), or a
 * pattern with `*` in its last part.
 * @throws {TapeError} `no_such_file`, `nothing_recognised`, `ambiguous`, `coin_not_in_tape`, `no_book`.
 */
export async function planTape(path: string, coin: string | undefined): Promise<TapePlan> {
  const found = await filesAt(path);
  let recordings = await recognise(found);
  if (recordings.length === 0) {
    // By its content: what the converter reads.
    await planConversion([path], undefined).catch((error: unknown) => {
      throw error instanceof TapeError && ["nothing_recognised", "no_such_file"].includes(error.code)
        ? unknown(path, found)
        : error;
    });
    const name = basename(path);
    recordings = [
      { format: "capture", name, coin: coin ?? "", venue: "", when: "", files: [path], isSeries: false },
    ];
  }
  if (coin !== undefined) {
    const all = recordings;
    recordings = all.filter((r) => r.coin === "" || r.coin.toUpperCase() === coin.toUpperCase());
    if (recordings.length === 0)
      throw new TapeError(
        "coin_not_in_tape",
        `${path}: holds ${[...new Set(all.map((r) => r.coin))].join(", ")}, not ${coin}; choose one of these`,
      );
  }
  const groups = [...new Set(recordings.map(groupOf))];
  if (groups.length > 1) throw ambiguousMarkets(path, groups);
  const notes: string[] = [];
  const usable = recordings.filter((r) => {
    if (r.format !== "capture" || r.converter !== CSV_FORMAT) return true;
    if (r.files.some((file) => basename(file).startsWith("orderbooks_"))) return true;
    notes.push(`${r.coin} ${r.when} left out: it has no order books`);
    return false;
  });
  if (usable.length === 0)
    throw new TapeError(
      "no_book",
      `${path}: ${notes.join("; ")}; a tape needs an orderbooks_ file or a raw capture`,
    );
  usable.sort((a, b) => (a.when < b.when ? -1 : a.when > b.when ? 1 : 0));
  return { coin: usable[0]!.coin, venue: usable[0]!.venue, recordings: joined(usable), notes };
}

const groupOf = (r: Recording): string => `${r.venue} ${r.coin || "(coin unknown)"}`;

export function ambiguousMarkets(path: string, markets: readonly string[]): TapeError {
  return new TapeError(
    "ambiguous",
    `${path}: several markets match (${markets.join("; ")}); give a coin or a longer prefix`,
  );
}

function unknown(path: string, found: readonly string[]): TapeError {
  const names = found.map((f) => basename(f));
  const shown = names.slice(0, 6).join(", ") + (names.length > 6 ? `, … (${names.length} files)` : "");
  return new TapeError("nothing_recognised", `${path}: no recording recognised among ${shown}; ${SUPPORTED}`);
}

/** Captures that go on in the next file are one recording. */
function joined(recordings: readonly Recording[]): Recording[] {
  const out: Recording[] = [];
  for (const one of recordings) {
    const last = out.at(-1);
    if (one.format === "capture" && one.isSeries && last?.format === "capture" && last.isSeries)
      out[out.length - 1] = {
        ...last,
        name: `${last.name} + ${one.name}`,
        files: [...last.files, ...one.files],
      };
    else out.push(one);
  }
  return out;
}

/** Paths of the files meant, at least one. */
async function filesAt(path: string): Promise<string[]> {
  const info = await stat(path).catch(() => undefined);
  if (info?.isFile()) return [path];
  if (info?.isDirectory()) {
    const names = await filesIn(path);
    if (names.length === 0)
      throw new TapeError("nothing_recognised", `${path}: the folder is empty; ${SUPPORTED}`);
    return names.map((n) => join(path, n));
  }
  const dir = dirname(path);
  const part = basename(path);
  const names = await filesIn(dir).catch(() => {
    throw new TapeError("no_such_file", `${path}: no such file, and ${dir} is not a folder that can be read`);
  });
  let matches: string[];
  if (part.includes("*")) {
    const pattern = new RegExp(`^${part.split("*").map(escapeRegExp).join(".*")}$`, "i");
    matches = names.filter((n) => pattern.test(n));
  } else {
    const prefix = part.toLowerCase();
    matches = names.filter((n) => n.toLowerCase().startsWith(prefix));
    if (matches.length === 0)
      matches = names.filter((n) =>
        n
          .toLowerCase()
          .replace(/^(orderbooks|prices|trades|ws)_/, "")
          .startsWith(prefix),
      );
  }
  if (matches.length === 0)
    throw new TapeError(
      "no_such_file",
      `${path}: no file, folder or prefix of files with this name in ${dir}`,
    );
  return matches.map((n) => join(dir, n));
}

async function filesIn(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true });
  return entries
    .filter((e) => !e.isDirectory())
    .map((e) => e.name)
    .sort();
}

const escapeRegExp = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** By their names. */
async function recognise(files: readonly string[]): Promise<Recording[]> {
  const out: Recording[] = [];
  const csvDone = new Set<string>();
  for (const file of files) {
    const name = basename(file);
    const binance = BINANCE_NAME.exec(name);
    const raw = HYPERLIQUID_RAW_NAME.exec(name);
    const csv = CSV_NAME.exec(name);
    if (name.endsWith(FILE_EXTENSION)) out.push(...marketsOf(file));
    else if (binance) {
      const [, market, symbol, when] = binance as unknown as [string, string, string, string];
      out.push({
        format: "capture",
        converter: "binance-raw",
        name,
        coin: coinOfBinanceSymbol(symbol),
        venue: `Binance ${market.toLowerCase()}`,
        when,
        files: [file],
        isSeries: true,
      });
    } else if (raw) {
      const [, rawCoin, when] = raw as unknown as [string, string, string];
      out.push({
        format: "capture",
        converter: "hyperliquid-raw",
        name,
        coin: rawCoin.toUpperCase(),
        venue: HYPERLIQUID,
        when,
        files: [file],
        isSeries: false,
      });
    } else if (csv) {
      const [, , csvCoin, when] = csv as unknown as [string, CsvKind, string, string];
      const key = `${dirname(file)}/${csvCoin}_${when}`;
      if (csvDone.has(key)) continue;
      csvDone.add(key);
      const kinds = await siblings(file, csvCoin, when);
      out.push({
        format: "capture",
        converter: CSV_FORMAT,
        name: `${csvCoin}_${when} (${Object.keys(kinds).join(", ")})`,
        coin: csvCoin,
        venue: HYPERLIQUID,
        when,
        files: Object.values(kinds),
        isSeries: false,
      });
    }
  }
  return out;
}

/** A tape file is one recording for each of its markets. */
function marketsOf(file: string): Recording[] {
  const reader = new TapeFileReader(file);
  try {
    const { meta, span } = reader;
    const startNs = BigInt(meta.baseWallNs) + BigInt(Math.round(span?.[0] ?? 0));
    return meta.instruments.map(({ asset, coin, pxDecimals, szDecimals }) => ({
      format: "tape",
      name: basename(file),
      coin,
      asset,
      when: String(startNs).padStart(20, "0"),
      file,
      venue: meta.venue,
      grid: { pxDecimals, szDecimals },
    }));
  } finally {
    reader.close();
  }
}

/** The files of the three kinds that belong to one coin and stretch. */
async function siblings(file: string, coin: string, when: string): Promise<Partial<Record<CsvKind, string>>> {
  const dir = dirname(file);
  const names = new Set(await filesIn(dir));
  const files: Partial<Record<CsvKind, string>> = {};
  for (const kind of CSV_KINDS) {
    const name = [`${kind}_${coin}_${when}.csv.gz`, `${kind}_${coin}_${when}.csv`].find((n) => names.has(n));
    if (name !== undefined) files[kind] = join(dir, name);
  }
  return files;
}
