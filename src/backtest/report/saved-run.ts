/**
 * A run kept in a file, so that reports can be made and runs compared later: summary, series, badges and configuration as
 * one JSON object, gzipped when the name ends in `.gz`.
 *
 *     { "format": "market-maker-run", "version": 1, "name", "summary", "config", "badges",
 *       "series": { "columns": { <column>: number[] }, "fills": FillRow[], "depths": DepthRow[] } }
 *
 * NaN (no quote on a side, a markout beyond the end) is null in the file. Numbers keep every digit: a run loaded is equal to the
 * run saved.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";
import {
  type BacktestSeries,
  type FillRow,
  MARKOUT_MS,
  SERIES_COLUMNS,
  type SeriesColumn,
} from "../series.js";
import type { BacktestSummary } from "../summary.js";
import { type Badge, type ReportInput, withoutSecrets } from "./input.js";

const FORMAT = "market-maker-run";
const VERSION = 1;

/** A file that is no saved run, or one that this build cannot read. */
export class SavedRunError extends Error {
  override readonly name = "SavedRunError";
}

/** Writes a run; replaces the file at once or not at all. @throws {SavedRunError} When it cannot be written. */
export function saveRun(path: string, run: ReportInput): void {
  const columns: Record<string, number[]> = {};
  for (const name of SERIES_COLUMNS) columns[name] = [...run.series[name]];
  const text = JSON.stringify({
    format: FORMAT,
    version: VERSION,
    name: run.name,
    summary: run.summary,
    config: withoutSecrets(run.config ?? null),
    badges: run.badges,
    // JSON has no NaN: stringify makes null of it.
    series: { columns, fills: run.series.fills, depths: run.series.depths },
  });
  writeWhole(path, path.endsWith(".gz") ? gzipSync(text) : text);
}

/** @throws {SavedRunError} When the file is missing, damaged or not a saved run. */
export function loadRun(path: string): ReportInput {
  const found = parse(path);
  if (!isRecord(found) || found["format"] !== FORMAT)
    throw new SavedRunError(
      `${path} is not a saved run: give a file that \`market-maker backtest --save FILE\` wrote`,
    );
  if (found["version"] !== VERSION)
    throw new SavedRunError(
      `${path} is a saved run of version ${String(found["version"])}, this build reads version ${VERSION}: run the backtest again`,
    );
  const { name, summary, series, badges, config } = found;
  if (typeof name !== "string" || !isRecord(summary) || !isRecord(series) || !Array.isArray(badges))
    throw new SavedRunError(`${path} is damaged: name, summary, series or badges are missing`);
  return {
    name,
    summary: summary as unknown as BacktestSummary,
    series: readSeries(path, series),
    badges: badges as Badge[],
    ...(config === null || config === undefined ? {} : { config }),
  };
}

/** A file appears whole or stays as it was. @throws {SavedRunError} */
export function writeWhole(path: string, bytes: string | Uint8Array): void {
  const part = `${path}.part`;
  try {
    writeFileSync(part, bytes);
    renameSync(part, path);
  } catch (cause) {
    rmSync(part, { force: true });
    throw new SavedRunError(`${path} cannot be written: ${(cause as Error).message}`, { cause });
  }
}

function parse(path: string): unknown {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    throw new SavedRunError(`${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
  try {
    // By its first bytes, not by its name: files get renamed.
    const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
    return JSON.parse((isGzip ? gunzipSync(bytes) : bytes).toString("utf8"));
  } catch (cause) {
    throw new SavedRunError(`${path} is not a saved run, or cut short: ${(cause as Error).message}`, {
      cause,
    });
  }
}

function readSeries(path: string, series: Readonly<Record<string, unknown>>): BacktestSeries {
  const columns = isRecord(series["columns"]) ? series["columns"] : {};
  const times = columns["tMs"];
  const rows = Array.isArray(times) ? times.length : 0;
  const read = {} as Record<SeriesColumn, Float64Array>;
  for (const name of SERIES_COLUMNS) {
    const values = columns[name];
    // A column that an older build did not know is empty, not an error.
    if (values === undefined) read[name] = new Float64Array(rows).fill(Number.NaN);
    else if (!Array.isArray(values) || values.length !== rows)
      throw new SavedRunError(`${path} is damaged: column ${name} has not ${rows} rows`);
    else read[name] = Float64Array.from(values, (v) => (typeof v === "number" ? v : Number.NaN));
  }
  const fills = Array.isArray(series["fills"]) ? (series["fills"] as FillRow[]) : [];
  return {
    ...read,
    fills: fills.map((f) => ({
      ...f,
      markoutBps: MARKOUT_MS.map((_, h) => (f.markoutBps as (number | null)[])[h] ?? Number.NaN),
    })),
    depths: Array.isArray(series["depths"]) ? (series["depths"] as BacktestSeries["depths"]) : [],
  };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
