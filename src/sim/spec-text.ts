/**
 * Queue models and latencies as a user writes them on the command line.
 */

import type { Dist, FeedDist } from "./latency-spec.js";
import type { QueueModelSpec } from "./queue-model.js";

/** @throws {RangeError} naming what is accepted. */
export function parseQueue(text: string): QueueModelSpec {
  if (text === "risk-averse" || text === "log" || text === "l3") return { kind: text };
  const n = /^power:([0-9.]+)$/.exec(text)?.[1];
  if (n !== undefined && Number(n) > 0 && Number(n) <= 10) return { kind: "power", n: Number(n) };
  throw new RangeError(
    `queue model "${text}": want risk-averse, log, power:N with N up to 10, or l3 (order-level tapes)`,
  );
}

const DIST = "want a number of ms, lognormal:MEDIAN_MS:SIGMA";

/** `40`, `lognormal:40:0.4`. @throws {RangeError} naming what is accepted. */
export function parseDist(text: string): Dist {
  const parts = text.split(":");
  const numbers = parts.slice(1).map(Number);
  if (parts.length === 1 && isDelay(Number(text)) && text.trim() !== "")
    return { kind: "constant", ms: Number(text) };
  if (parts[0] === "lognormal" && numbers.length === 2 && numbers.every(isDelay) && numbers[1]! <= 5)
    return { kind: "lognormal", medianMs: numbers[0]!, sigma: numbers[1]! };
  throw new RangeError(`latency "${text}": ${DIST}`);
}

/** As `parseDist`, or `tape`, `tape:FLOOR_MS`: as recorded, beyond a floor. */
export function parseFeed(text: string): FeedDist {
  const floor = /^tape(?::([0-9.]+))?$/.exec(text);
  if (floor !== null && isDelay(Number(floor[1] ?? 5)))
    return { kind: "tape", floorMs: Number(floor[1] ?? 5) };
  try {
    return parseDist(text);
  } catch {
    throw new RangeError(`latency "${text}": ${DIST}, or tape:FLOOR_MS (as recorded)`);
  }
}

const isDelay = (ms: number): boolean => Number.isFinite(ms) && ms >= 0 && ms <= 60_000;
