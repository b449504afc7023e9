/**
 * Figures of a run beyond its summary. Pure functions of equity, fills and orders; null where a figure would mean nothing.
 */
import { type BacktestSeries, type DepthRow, type FillRow, MARKOUT_MS } from "../series.js";
import type { BacktestSummary } from "../summary.js";

const YEAR_S = 365 * 86_400;
/** Lengths of return intervals, s: the longest of which a run has enough is taken. */
const INTERVALS_S = [86_400, 3600, 600, 60, 10, 1] as const;
const INTERVALS_MIN = 30;
/** Horizon of the part of the market's moves that is called adverse selection. */
export const ADVERSE_MS = 10_000;
const NORMAL_95 = 1.96;

/** A figure per year with its standard error; `count` returns of `intervalS` each. */
export interface Ratio {
  readonly value: number;
  readonly error: number;
}

export interface Drawdown {
  readonly usd: number;
  /** Of the equity at the peak. */
  readonly share: number;
  readonly peakMs: number;
  readonly troughMs: number;
}

export interface Returns {
  readonly intervalS: number;
  /** Of the equity at the start: positions do not grow with profits. */
  readonly values: readonly number[];
}

/** Returns on the longest grid that gives enough of them; undefined: the run is too short for any. */
export function returnsOf(
  tMs: ArrayLike<number>,
  equityUsd: ArrayLike<number>,
  equityStartUsd: number,
): Returns | undefined {
  const endS = (tMs[tMs.length - 1] ?? 0) / 1000;
  const intervalS = INTERVALS_S.find((s) => endS / s >= INTERVALS_MIN);
  if (intervalS === undefined || !(equityStartUsd > 0)) return undefined;
  const values: number[] = [];
  let last = equityUsd[0]!;
  let i = 0;
  for (let s = intervalS; s <= endS; s += intervalS) {
    while (i + 1 < tMs.length && tMs[i + 1]! <= s * 1000) i++;
    values.push((equityUsd[i]! - last) / equityStartUsd);
    last = equityUsd[i]!;
  }
  return { intervalS, values };
}

/**
 * Mean return over its deviation, per year; the error is Lo's for independent returns.
 * Source: Lo (2002), The Statistics of Sharpe Ratios, eq. 8.
 */
export function sharpe({ values, intervalS }: Returns): Ratio | null {
  const m = mean(values);
  const deviation = Math.sqrt(mean(values.map((r) => (r - m) ** 2)) * (values.length / (values.length - 1)));
  if (values.length < 2 || !(deviation > 0)) return null;
  const ratio = m / deviation;
  const scale = Math.sqrt(YEAR_S / intervalS);
  return { value: ratio * scale, error: Math.sqrt((1 + ratio ** 2 / 2) / values.length) * scale };
}

/** Mean return over the root mean square of the losses, per year. */
export function sortino({ values, intervalS }: Returns): number | null {
  const downside = Math.sqrt(mean(values.map((r) => Math.min(r, 0) ** 2)));
  return downside > 0 ? (mean(values) / downside) * Math.sqrt(YEAR_S / intervalS) : null;
}

export function drawdownOf(tMs: ArrayLike<number>, equityUsd: ArrayLike<number>): Drawdown {
  let peak = Number.NEGATIVE_INFINITY;
  let peakMs = 0;
  let worst: Drawdown = { usd: 0, share: 0, peakMs: 0, troughMs: 0 };
  for (let i = 0; i < equityUsd.length; i++) {
    const e = equityUsd[i]!;
    if (e > peak) {
      peak = e;
      peakMs = tMs[i]!;
    }
    if (peak - e > worst.usd)
      worst = { usd: peak - e, share: peak > 0 ? (peak - e) / peak : 0, peakMs, troughMs: tMs[i]! };
  }
  return worst;
}

/** Return per year, without compounding, over the largest drawdown. */
export function calmar(returnShare: number, durationS: number, drawdownShare: number): number | null {
  return drawdownShare > 0 && durationS > 0 ? (returnShare * YEAR_S) / durationS / drawdownShare : null;
}

export interface Markout {
  readonly ms: number;
  readonly count: number;
  /** How far the mid moved our way, bps. Null without a fill that old. */
  readonly meanBps: number | null;
  /** Half of the 95 % interval, of independent fills: fills of one burst are not, so it is too narrow rather than too wide. */
  readonly intervalBps: number | null;
}

export function markouts(fills: readonly FillRow[]): Markout[] {
  return MARKOUT_MS.map((ms, h) => {
    const known = fills.map((f) => f.markoutBps[h]!).filter((x) => !Number.isNaN(x));
    if (known.length === 0) return { ms, count: 0, meanBps: null, intervalBps: null };
    const m = mean(known);
    const variance = known.reduce((sum, x) => sum + (x - m) ** 2, 0) / (known.length - 1);
    return {
      ms,
      count: known.length,
      meanBps: m,
      intervalBps: known.length < 2 ? null : NORMAL_95 * Math.sqrt(variance / known.length),
    };
  });
}

/** Where the profit came from, USD. `net = capture + adverse + drift − fees + funding`. */
export interface Parts {
  readonly captureUsd: number;
  /** The mid's moves in the first seconds after each fill: what those who traded with us knew. */
  readonly adverseUsd: number;
  /** All later moves on what was held. */
  readonly driftUsd: number;
  readonly feesUsd: number;
  readonly fundingUsd: number;
  readonly netUsd: number;
}

export function partsOf({ summary: s, series }: { summary: BacktestSummary; series: BacktestSeries }): Parts {
  const h = MARKOUT_MS.indexOf(ADVERSE_MS);
  const endMid = series.midPx.at(-1) ?? Number.NaN;
  let adverseUsd = 0;
  for (const f of series.fills) {
    const way = f.side === "B" ? 1 : -1;
    const bps = f.markoutBps[h]!;
    // A fill near the end has as much of a future as the tape had.
    const move = Number.isNaN(bps) ? way * (endMid - f.midPx) : (bps / 1e4) * f.midPx;
    if (!Number.isNaN(move)) adverseUsd += move * f.sz;
  }
  return {
    captureUsd: s.spreadCaptureUsd,
    adverseUsd,
    driftUsd: s.marketMoveUsd - adverseUsd,
    feesUsd: s.feesUsd,
    fundingUsd: s.fundingUsd,
    netUsd: s.netPnlUsd,
  };
}

/** The parts as they grew, on the grid of the series. */
export interface CumulativeParts {
  readonly captureUsd: Float64Array;
  readonly feesUsd: Float64Array;
  readonly fundingUsd: Float64Array;
  readonly marketUsd: Float64Array;
  readonly netUsd: Float64Array;
}

export function cumulativeParts(series: BacktestSeries, equityStartUsd: number): CumulativeParts {
  const { tMs, equityUsd, fundingUsd: funding, fills } = series;
  const n = tMs.length;
  const made = (): Float64Array => new Float64Array(n);
  const parts = {
    captureUsd: made(),
    feesUsd: made(),
    fundingUsd: made(),
    marketUsd: made(),
    netUsd: made(),
  };
  let capture = 0;
  let fees = 0;
  let f = 0;
  for (let i = 0; i < n; i++) {
    for (; f < fills.length && fills[f]!.tMs <= tMs[i]!; f++) {
      capture += (fills[f]!.captureBps / 1e4) * fills[f]!.midPx * fills[f]!.sz;
      fees += fills[f]!.feeUsd;
    }
    const net = equityUsd[i]! - equityStartUsd;
    const got = Number.isNaN(funding[i]!) ? 0 : funding[i]!;
    parts.captureUsd[i] = capture;
    parts.feesUsd[i] = -fees;
    parts.fundingUsd[i] = got;
    parts.netUsd[i] = net;
    parts.marketUsd[i] = net - capture + fees - got;
  }
  return parts;
}

/** A stretch of the run: an hour by the clock, UTC. */
export interface HourRow {
  readonly fromMs: number;
  readonly fills: number;
  readonly volumeUsd: number;
  readonly captureUsd: number;
  readonly feesUsd: number;
  readonly netUsd: number;
  readonly maxAbsPosBase: number;
}

const HOUR_MS = 3_600_000;

export function hours(series: BacktestSeries, startMs: number, equityStartUsd: number): HourRow[] {
  const { tMs, equityUsd, posBase, fills } = series;
  const hourOf = (t: number): number => Math.floor((startMs + t) / HOUR_MS) * HOUR_MS;
  const rows: HourRow[] = [];
  let last = equityStartUsd;
  for (let i = 0; i < tMs.length; ) {
    const fromMs = hourOf(tMs[i]!);
    let maxAbs = 0;
    let equity = last;
    for (; i < tMs.length && hourOf(tMs[i]!) === fromMs; i++) {
      equity = equityUsd[i]!;
      maxAbs = Math.max(maxAbs, Math.abs(posBase[i]!));
    }
    const inHour = fills.filter((f) => hourOf(f.tMs) === fromMs);
    rows.push({
      fromMs,
      fills: inHour.length,
      volumeUsd: sum(inHour.map((f) => f.px * f.sz)),
      captureUsd: sum(inHour.map((f) => (f.captureBps / 1e4) * f.midPx * f.sz)),
      feesUsd: sum(inHour.map((f) => f.feeUsd)),
      netUsd: equity - last,
      maxAbsPosBase: maxAbs,
    });
    last = equity;
  }
  return rows;
}

export interface Figures {
  readonly parts: Parts;
  readonly returns: Returns | undefined;
  readonly sharpe: Ratio | null;
  readonly sortino: number | null;
  readonly calmar: number | null;
  readonly drawdown: Drawdown;
  /** Volume over the equity at the start; and per day. */
  readonly turnover: number;
  readonly turnoverPerDay: number;
  readonly makerShare: number | null;
  /** Orders with a fill over orders that rested. */
  readonly orderFillShare: number | null;
  readonly netBpsOfVolume: number | null;
}

export function figuresOf(run: { summary: BacktestSummary; series: BacktestSeries }): Figures {
  const { summary: s, series } = run;
  const returns = returnsOf(series.tMs, series.equityUsd, s.equityStartUsd);
  const drawdown = drawdownOf(series.tMs, series.equityUsd);
  const placed = sum(series.depths.map((d) => d.ordersPlaced));
  const turnover = s.volumeUsd / s.equityStartUsd;
  return {
    parts: partsOf(run),
    returns,
    sharpe: returns === undefined ? null : sharpe(returns),
    sortino: returns === undefined ? null : sortino(returns),
    calmar: calmar(s.netPnlUsd / s.equityStartUsd, s.durationS, drawdown.share),
    drawdown,
    turnover,
    turnoverPerDay: s.durationS > 0 ? (turnover * 86_400) / s.durationS : 0,
    makerShare: s.fills === 0 ? null : s.makerFills / s.fills,
    orderFillShare: placed === 0 ? null : sum(series.depths.map((d) => d.ordersFilled)) / placed,
    netBpsOfVolume: s.volumeUsd > 0 ? (s.netPnlUsd / s.volumeUsd) * 1e4 : null,
  };
}

export const fillShare = (row: DepthRow): number | null =>
  row.ordersPlaced === 0 ? null : row.ordersFilled / row.ordersPlaced;

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
const mean = (values: readonly number[]): number => sum(values) / values.length;
