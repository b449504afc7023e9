import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { TapeError } from "./errors.js";
import { FILE_EXTENSION } from "./file/format.js";
import { TapeFileReader } from "./file/reader.js";
import type { BinanceMarket } from "./import-binance.js";
import type { CsvKind } from "./import-hyperliquid.js";
import type { Grid } from "./instruments.js";
import { coinOfBinanceSymbol } from "./instruments.js";
import { readLines } from "./read-lines.js";

/** Files that make one recording: one raw capture, or the CSV files of one coin and stretch of time. */
export type Recording =
  | {
      readonly format: "binance-raw";
      readonly market: BinanceMarket;
      readonly coin: string;
      readonly when: string;
      readonly file: string;
    }
  | {
      readonly format: "hyperliquid-raw";
      readonly coin: string;
      readonly when: string;
      readonly file: string;
    }
  | {
      readonly format: "hyperliquid-csv";
      readonly coin: string;
      readonly when: string;
      readonly files: Readonly<Partial<Record<CsvKind, string>>>;
    }
  | {
      /** One market of a tape file. */
      readonly format: "tape";
      readonly coin: string;
      readonly when: string;
      readonly file: string;
      readonly venue: string;
      readonly asset: number;
      readonly grid: Grid;
    };

export interface TapePlan {
  readonly coin: string;
  readonly venue: string;
  readonly recordings: readonly Recording[];
  /** What was left out and why. */
  readonly notes: readonly string[];
}

const CSV_KINDS: readonly CsvKind[] = ["orderbooks", "prices", "trades"];
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
  let recordings = await recognise(found, coin);
  if (recordings.length === 0) {
    const names = found.map((f) => basename(f));
    const shown = names.slice(0, 6).join(", ") + (names.length > 6 ? `, … (${names.length} files)` : "");
    throw new TapeError(
      "nothing_recognised",
      `${path}: no recording recognised among ${shown}; ${SUPPORTED}`,
    );
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
  if (groups.length > 1)
    throw new TapeError(
      "ambiguous",
      `${path}: several markets match (${groups.join("; ")}); give a coin or a longer prefix`,
    );
  const notes: string[] = [];
  const usable = recordings.filter((r) => {
    if (r.format !== "hyperliquid-csv" || r.files.orderbooks !== undefined) return true;
    notes.push(`${r.coin} ${r.when} left out: it has no order books`);
    return false;
  });
  if (usable.length === 0)
    throw new TapeError(
      "no_book",
      `${path}: ${notes.join("; ")}; a tape needs an orderbooks_ file or a raw capture`,
    );
  usable.sort((a, b) => (a.when < b.when ? -1 : a.when > b.when ? 1 : 0));
  return { coin: usable[0]!.coin, venue: venueOf(usable[0]!), recordings: usable, notes };
}

function venueOf(r: Recording): string {
  if (r.format === "tape") return r.venue;
  return r.format === "binance-raw" ? `Binance ${r.market}` : "Hyperliquid";
}
const groupOf = (r: Recording): string => `${venueOf(r)} ${r.coin || "(coin unknown)"}`;

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

async function recognise(files: readonly string[], coin: string | undefined): Promise<Recording[]> {
  const out: Recording[] = [];
  const csvDone = new Set<string>();
  for (const file of files) {
    const name = basename(file);
    const binance = BINANCE_NAME.exec(name);
    const raw = HYPERLIQUID_RAW_NAME.exec(name);
    const csv = CSV_NAME.exec(name);
    if (name.endsWith(FILE_EXTENSION)) out.push(...marketsOf(file));
    else if (binance) {
      const market = binance[1]!.toLowerCase() as BinanceMarket;
      out.push({
        format: "binance-raw",
        market,
        coin: coinOfBinanceSymbol(binance[2]!),
        when: binance[3]!,
        file,
      });
    } else if (raw) {
      out.push({ format: "hyperliquid-raw", coin: raw[1]!.toUpperCase(), when: raw[2]!, file });
    } else if (csv) {
      const [, , csvCoin, when] = csv as unknown as [string, CsvKind, string, string];
      const key = `${dirname(file)}/${csvCoin}_${when}`;
      if (csvDone.has(key)) continue;
      csvDone.add(key);
      out.push({
        format: "hyperliquid-csv",
        coin: csvCoin,
        when,
        files: await siblings(file, csvCoin, when),
      });
    } else if (files.length === 1) {
      const one = await sniff(file, coin);
      if (one) out.push(one);
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

/** Recognises a single file of any name by its first lines; the coin comes from the data or from the option. */
async function sniff(file: string, coin: string | undefined): Promise<Recording | undefined> {
  const head: string[] = [];
  await readLines(file, (line) => head.push(line), 20);
  const first = head[0] ?? "";
  if (first.startsWith("timestamp,sequence,exchange_timestamp,bid_price_0")) {
    if (coin === undefined)
      throw new TapeError(
        "unknown_coin",
        `${file}: the file does not name its coin; give it with the coin option`,
      );
    return { format: "hyperliquid-csv", coin, when: "", files: { orderbooks: file } };
  }
  for (const line of head) {
    const hyperliquid = /^\d{16,19} \{"channel":"(?:l2Book|bbo|trades)".*?"coin":"([^"]+)"/.exec(line);
    if (hyperliquid) return { format: "hyperliquid-raw", coin: coin ?? hyperliquid[1]!, when: "", file };
    const binance = /^\d{16,19} \{"stream":"([^"@]+)@.*?"data":(\{.*)\}$/.exec(line);
    if (binance) {
      const symbol = binance[1]!;
      // Coin-margined symbols end in _perp; spot depth has no transaction time.
      const market = symbol.endsWith("_perp")
        ? "cm"
        : head.some((l) => l.includes('"pu":'))
          ? "usdm"
          : "spot";
      return { format: "binance-raw", market, coin: coinOfBinanceSymbol(symbol), when: "", file };
    }
  }
  return undefined;
}
