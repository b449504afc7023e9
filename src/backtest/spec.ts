/**
 * Queue models and latencies as a user of a backtest writes them: those of a paper run, and what only a recording can tell.
 */
import { readFileSync } from "node:fs";
import * as text from "../sim/spec-text.js";
import type { Dist, FeedDist, OrderDist } from "./latency.js";

export { parseQueue } from "../sim/spec-text.js";

/** `40`, `lognormal:40:0.4`, `recorded:FILE`. @throws {RangeError} naming what is accepted. */
export function parseDist(given: string): Dist {
  return recorded(given) ?? text.parseDist(given);
}

/** As `parseDist`, or `tape`: as the tape's own orders had it. */
export function parseOrder(given: string): OrderDist {
  if (given === "tape") return { kind: "tape", plusMs: 0 };
  try {
    return parseDist(given);
  } catch (error) {
    if (given.startsWith("recorded:")) throw error;
    throw new RangeError(
      `${(error as Error).message}, recorded:FILE, or tape (of the own orders on the tape)`,
    );
  }
}

/** As `parseDist`, or `tape`, `tape:FLOOR_MS`: as recorded, beyond a floor. */
export function parseFeed(given: string): FeedDist {
  return recorded(given) ?? text.parseFeed(given);
}

/**
 * A file of measured delays. Lines of `TIME,MS` (ms since the epoch or ISO) are a series, read between by straight lines; lines of `MS`
 * alone are drawn from with equal chances. A first line of names, empty lines and such that begin with # are left out.
 */
function recorded(given: string): Dist | undefined {
  const path = /^recorded:(.+)$/.exec(given)?.[1];
  if (path === undefined) return undefined;
  let lines: string[];
  try {
    lines = readFileSync(path, "utf8").split("\n");
  } catch (cause) {
    throw new RangeError(`latency "${given}": ${(cause as Error).message}`);
  }
  const rows: { readonly atMs: number; readonly ms: number }[] = [];
  lines.forEach((line, i) => {
    const fields = line.trim().split(/[,;\t ]+/);
    if (line.trim() === "" || line.startsWith("#")) return;
    const ms = Number(fields.at(-1));
    if (rows.length === 0 && Number.isNaN(ms)) return;
    const time = fields.length === 2 ? fields[0]! : "NaN";
    const atMs = /^[\d.]+$/.test(time) ? Number(time) : Date.parse(time);
    const isTimed = fields.length === 2;
    if (
      fields.length > 2 ||
      !(ms >= 0 && ms <= 60_000) ||
      (isTimed && Number.isNaN(atMs)) ||
      (rows.length > 0 && isTimed === Number.isNaN(rows[0]!.atMs))
    )
      throw new RangeError(
        `latency "${given}": line ${i + 1} is "${line.trim()}": want MS, or TIME,MS throughout, up to 60000 ms`,
      );
    rows.push({ atMs, ms });
  });
  if (rows.length === 0) throw new RangeError(`latency "${given}": the file holds no delay`);
  if (Number.isNaN(rows[0]!.atMs)) return { kind: "recorded", samplesMs: rows.map((r) => r.ms) };
  rows.sort((a, b) => a.atMs - b.atMs);
  return { kind: "series", atMs: rows.map((r) => r.atMs), ms: rows.map((r) => r.ms) };
}
