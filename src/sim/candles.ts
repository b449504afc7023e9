/**
 * Candles of a market, built from its prints, for every interval of the venue (reference 2.5, 3.1).
 *
 * Intervals start at multiples of their length since the epoch, months at the first of the month, UTC. An interval without a
 * print has no candle.
 */
import { dec } from "./wire.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const LENGTH_MS = {
  "1m": MINUTE,
  "3m": 3 * MINUTE,
  "5m": 5 * MINUTE,
  "15m": 15 * MINUTE,
  "30m": 30 * MINUTE,
  "1h": HOUR,
  "2h": 2 * HOUR,
  "4h": 4 * HOUR,
  "8h": 8 * HOUR,
  "12h": 12 * HOUR,
  "1d": DAY,
  "3d": 3 * DAY,
  "1w": 7 * DAY,
  /** Calendar months. */
  "1M": 0,
} as const;

export type Interval = keyof typeof LENGTH_MS;
export const INTERVALS = Object.keys(LENGTH_MS) as readonly Interval[];
export const isInterval = (v: unknown): v is Interval => typeof v === "string" && Object.hasOwn(LENGTH_MS, v);

/** First and last millisecond of the interval that `timeMs` is in. */
export function intervalBounds(interval: Interval, timeMs: number): [startMs: number, lastMs: number] {
  const length = LENGTH_MS[interval];
  if (length > 0) {
    const start = Math.floor(timeMs / length) * length;
    return [start, start + length - 1];
  }
  const date = new Date(timeMs);
  const year = date.getUTCFullYear();
  const month = date.getUTCMonth();
  return [Date.UTC(year, month, 1), Date.UTC(year, month + 1, 1) - 1];
}

interface Candle {
  readonly startMs: number;
  readonly lastMs: number;
  openTicks: number;
  closeTicks: number;
  highTicks: number;
  lowTicks: number;
  szLots: number;
  count: number;
}

export interface CandleWire {
  readonly t: number;
  readonly T: number;
  readonly s: string;
  readonly i: Interval;
  readonly o: string;
  readonly c: string;
  readonly h: string;
  readonly l: string;
  readonly v: string;
  readonly n: number;
}

/** The venue answers with the last so many. */
const CANDLES_KEPT = 5000;

export class Candles {
  private readonly series = INTERVALS.map((interval) => ({ interval, candles: [] as Candle[] }));

  constructor(
    private readonly coin: string,
    private readonly pxDecimals: number,
    private readonly szDecimals: number,
  ) {}

  /** Folds a print in. One that is older than the current candle (a replayed backlog) is left out. */
  add(timeMs: number, pxTicks: number, szLots: number): void {
    for (const { interval, candles } of this.series) {
      const current = candles[candles.length - 1];
      if (current !== undefined && timeMs <= current.lastMs) {
        if (timeMs < current.startMs) continue;
        current.closeTicks = pxTicks;
        if (pxTicks > current.highTicks) current.highTicks = pxTicks;
        if (pxTicks < current.lowTicks) current.lowTicks = pxTicks;
        current.szLots += szLots;
        current.count++;
        continue;
      }
      const [startMs, lastMs] = intervalBounds(interval, timeMs);
      candles.push({
        startMs,
        lastMs,
        openTicks: pxTicks,
        closeTicks: pxTicks,
        highTicks: pxTicks,
        lowTicks: pxTicks,
        szLots,
        count: 1,
      });
      if (candles.length >= CANDLES_KEPT * 2) candles.splice(0, CANDLES_KEPT);
    }
  }

  /** Candles that overlap the span, both ends inclusive, oldest first. */
  between(interval: Interval, startMs: number, endMs: number): CandleWire[] {
    const { candles } = this.series.find((s) => s.interval === interval)!;
    return candles
      .slice(-CANDLES_KEPT)
      .filter((c) => c.lastMs >= startMs && c.startMs <= endMs)
      .map((c) => this.wire(interval, c));
  }

  latest(interval: Interval): CandleWire | undefined {
    const { candles } = this.series.find((s) => s.interval === interval)!;
    const last = candles[candles.length - 1];
    return last === undefined ? undefined : this.wire(interval, last);
  }

  private wire(interval: Interval, c: Candle): CandleWire {
    const px = (ticks: number): string => dec(ticks, this.pxDecimals);
    return {
      t: c.startMs,
      T: c.lastMs,
      s: this.coin,
      i: interval,
      o: px(c.openTicks),
      c: px(c.closeTicks),
      h: px(c.highTicks),
      l: px(c.lowTicks),
      v: dec(c.szLots, this.szDecimals),
      n: c.count,
    };
  }
}
