/**
 * What is kept of one evaluation, how parts add up, and what a sweep may aim at.
 */
import type { BacktestResult } from "../run.js";

/** Sums of powers of equity changes, USD: parts add up by adding them. */
export interface Moments {
  readonly n: number;
  readonly s1: number;
  readonly s2: number;
  readonly s3: number;
  readonly s4: number;
}

/** Of one part, or of several together. */
export interface Metrics {
  readonly hours: number;
  readonly netPnlUsd: number;
  readonly maxDrawdownUsd: number;
  readonly feesUsd: number;
  readonly fundingUsd: number;
  readonly spreadCaptureUsd: number;
  readonly marketMoveUsd: number;
  readonly volumeUsd: number;
  readonly fills: number;
  readonly orders: number;
  readonly maxAbsPosition: number;
  readonly events: number;
  /** Parts that ended by the kill switch. */
  readonly kills: number;
  readonly changes: Moments;
  /** Of one part's journal; of several: none. */
  readonly journalSha256?: string;
}

/** Equity is looked at so often for the Sharpe ratio. */
export const SHARPE_STEP_MS = 10_000;
export const STEPS_A_DAY = 86_400_000 / SHARPE_STEP_MS;

export function metricsOf({ summary: s, series }: BacktestResult): Metrics {
  return {
    hours: s.durationS / 3600,
    netPnlUsd: s.netPnlUsd,
    maxDrawdownUsd: s.maxDrawdownUsd,
    feesUsd: s.feesUsd,
    fundingUsd: s.fundingUsd,
    spreadCaptureUsd: s.spreadCaptureUsd,
    marketMoveUsd: s.marketMoveUsd,
    volumeUsd: s.volumeUsd,
    fills: s.fills,
    orders: s.ordersPlaced + s.ordersModified + s.ordersCancelled,
    maxAbsPosition: s.maxAbsPosition,
    events: s.events,
    kills: s.killReason === null ? 0 : 1,
    changes: momentsOf(changesOf(series.tMs, series.equityUsd)),
    journalSha256: s.journalSha256,
  };
}

/** Changes of equity over steps of SHARPE_STEP_MS; what is left at the end counts as a last step when it is half a step or more. */
export function changesOf(tMs: Float64Array, equityUsd: Float64Array): number[] {
  const changes: number[] = [];
  if (tMs.length === 0) return changes;
  let from = equityUsd[0]!;
  let nextMs = tMs[0]! + SHARPE_STEP_MS;
  for (let i = 1; i < tMs.length; i++) {
    // The last value known at each step's end.
    while (tMs[i]! >= nextMs) {
      const at = tMs[i]! === nextMs ? equityUsd[i]! : equityUsd[i - 1]!;
      changes.push(at - from);
      from = at;
      nextMs += SHARPE_STEP_MS;
    }
  }
  if (tMs.at(-1)! - (nextMs - SHARPE_STEP_MS) >= SHARPE_STEP_MS / 2) changes.push(equityUsd.at(-1)! - from);
  return changes;
}

export function momentsOf(xs: readonly number[]): Moments {
  let [s1, s2, s3, s4] = [0, 0, 0, 0];
  for (const x of xs) {
    s1 += x;
    s2 += x * x;
    s3 += x ** 3;
    s4 += x ** 4;
  }
  return { n: xs.length, s1, s2, s3, s4 };
}

/** Of one step, not scaled; 0 where nothing moved. */
export function sharpePerStep({ n, s1, s2 }: Moments): number {
  if (n < 2) return 0;
  const variance = (s2 - (s1 * s1) / n) / (n - 1);
  return variance > 1e-18 ? s1 / n / Math.sqrt(variance) : 0;
}

/** Scaled to a day by √steps. */
export const sharpePerDay = (m: Moments): number => sharpePerStep(m) * Math.sqrt(STEPS_A_DAY);

/** Several parts as one: sums, but the worst drawdown and the largest position. */
export function pool(parts: readonly Metrics[]): Metrics {
  const sum = (of: (m: Metrics) => number): number => parts.reduce((s, m) => s + of(m), 0);
  const max = (of: (m: Metrics) => number): number => parts.reduce((s, m) => Math.max(s, of(m)), 0);
  return {
    hours: sum((m) => m.hours),
    netPnlUsd: sum((m) => m.netPnlUsd),
    maxDrawdownUsd: max((m) => m.maxDrawdownUsd),
    feesUsd: sum((m) => m.feesUsd),
    fundingUsd: sum((m) => m.fundingUsd),
    spreadCaptureUsd: sum((m) => m.spreadCaptureUsd),
    marketMoveUsd: sum((m) => m.marketMoveUsd),
    volumeUsd: sum((m) => m.volumeUsd),
    fills: sum((m) => m.fills),
    orders: sum((m) => m.orders),
    maxAbsPosition: max((m) => m.maxAbsPosition),
    events: sum((m) => m.events),
    kills: sum((m) => m.kills),
    changes: {
      n: sum((m) => m.changes.n),
      s1: sum((m) => m.changes.s1),
      s2: sum((m) => m.changes.s2),
      s3: sum((m) => m.changes.s3),
      s4: sum((m) => m.changes.s4),
    },
  };
}

/** Figures that objectives and constraints name. */
const FIGURES = [
  "netPnlUsd",
  "maxDrawdownUsd",
  "feesUsd",
  "fundingUsd",
  "spreadCaptureUsd",
  "marketMoveUsd",
  "volumeUsd",
  "fills",
  "orders",
  "maxAbsPosition",
  "kills",
  "sharpe",
] as const;
type Figure = (typeof FIGURES)[number];
/** Not sums over time: taken as they are, where the others are taken per hour. */
const LEVELS: readonly Figure[] = ["maxAbsPosition", "sharpe"];

const figure = (name: Figure, m: Metrics): number => (name === "sharpe" ? sharpePerDay(m.changes) : m[name]);

function figureName(text: string, where: string): Figure {
  const found = FIGURES.find((f) => f.toLowerCase() === text.toLowerCase());
  if (found === undefined) throw new RangeError(`${where}: "${text}" is none of ${FIGURES.join(", ")}`);
  return found;
}

/** A weighted sum of figures, money and counts per hour: parts of different length compare. */
export interface Objective {
  readonly text: string;
  readonly of: (m: Metrics) => number;
}

/** `netPnlUsd`, `sharpe`, `netPnlUsd - 0.5*maxDrawdownUsd`. @throws {RangeError} naming what is accepted. */
export function parseObjective(text: string): Objective {
  const pattern = /\s*([+-])?\s*(?:(\d+(?:\.\d+)?)\s*\*\s*)?([A-Za-z]\w*)\s*/y;
  const terms: { weight: number; name: Figure }[] = [];
  while (pattern.lastIndex < text.length) {
    const match = pattern.exec(text);
    if (match === null || (terms.length > 0 && match[1] === undefined))
      throw new RangeError(
        `objective "${text}": want figures with weights, such as "netPnlUsd - 0.5*maxDrawdownUsd"`,
      );
    const weight = (match[1] === "-" ? -1 : 1) * Number(match[2] ?? 1);
    terms.push({ weight, name: figureName(match[3]!, `objective "${text}"`) });
  }
  if (terms.length === 0) throw new RangeError(`objective: want one or more of ${FIGURES.join(", ")}`);
  return {
    text: text.trim(),
    of: (m) =>
      terms.reduce((sum, { weight, name }) => {
        const x = figure(name, m);
        return sum + weight * (LEVELS.includes(name) ? x : m.hours > 0 ? x / m.hours : 0);
      }, 0),
  };
}

/** A bound on a figure of all training parts together. */
export interface Constraint {
  readonly text: string;
  /** How far it is broken, relative to the bound; 0: kept. */
  readonly violation: (m: Metrics) => number;
}

/** `maxDrawdownUsd<=200`, `fills>=20`. @throws {RangeError} naming what is accepted. */
export function parseConstraint(text: string): Constraint {
  const match = /^\s*([A-Za-z]\w*)\s*(<=|>=)\s*(-?\d+(?:\.\d+)?)\s*$/.exec(text);
  if (match === null)
    throw new RangeError(`constraint "${text}": want a figure, <= or >=, and a number, such as fills>=20`);
  const name = figureName(match[1]!, `constraint "${text}"`);
  const bound = Number(match[3]);
  const way = match[2] === "<=" ? 1 : -1;
  return {
    text: `${name}${match[2]}${bound}`,
    violation: (m) => Math.max(0, way * (figure(name, m) - bound)) / Math.max(1, Math.abs(bound)),
  };
}
