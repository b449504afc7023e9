/**
 * The venue's number and book formats: decimals are strings without exponent, and integers carry a trailing `.0`.
 */
import { decimalToWire, pow10 } from "../domain/index.js";
import type { BookView } from "./matching.js";

/** Renders an integer of 10^-decimals as in responses: `dec(297920, 1)` is `"29792.0"`, `dec(-5, 1)` is `"-0.5"`. */
export function dec(value: number, decimals: number): string {
  if (!Number.isSafeInteger(value)) return String(value / pow10(decimals));
  const text = decimalToWire(Math.abs(value), decimals);
  const full = text.includes(".") ? text : `${text}.0`;
  return value < 0 ? `-${full}` : full;
}

/** Renders a statistic (never an amount that is booked) rounded to `decimals`. */
export function decOf(value: number, decimals: number): string {
  return dec(Math.round(value * pow10(decimals)), decimals);
}

/** Twice a mid is an integer of ticks; mids have half-tick precision, one more decimal than prices. */
export const midToWire = (bidTicks: number, askTicks: number, pxDecimals: number): string =>
  dec((bidTicks + askTicks) * 5, pxDecimals + 1);

export interface WireLevel {
  readonly px: string;
  readonly sz: string;
  readonly n: number;
}

/** One side's levels as JSON text, ready to be joined into a frame: the hot part of a public push. */
export function levelsJson(
  count: number,
  px: Float64Array,
  sz: Float64Array,
  n: Uint32Array,
  pxDecimals: number,
  szDecimals: number,
): string {
  let out = "[";
  for (let i = 0; i < count; i++) out += (i > 0 ? "," : "") + levelJson(px, sz, n, i, pxDecimals, szDecimals);
  return `${out}]`;
}

export function levelJson(
  px: Float64Array,
  sz: Float64Array,
  n: Uint32Array,
  i: number,
  pxDecimals: number,
  szDecimals: number,
): string {
  return `{"px":"${dec(px[i]!, pxDecimals)}","sz":"${dec(sz[i]!, szDecimals)}","n":${n[i]}}`;
}

/**
 * Merges levels into buckets of `nSigFigs` significant figures (times `mantissa` when that is 5): bids round down, asks up,
 * sizes and order counts add. In place, depth cut by the caller afterwards.
 * Source: reference/hyperliquid-api.md 2.2.
 */
export function aggregateView(view: BookView, pxDecimals: number, nSigFigs: number, mantissa: number): void {
  const bucket = (px: number, roundUp: boolean): number => {
    const exponent = Math.floor(Math.log10(px / pow10(pxDecimals)) + 1e-12);
    const step = Math.round(10 ** (exponent - nSigFigs + 1 + pxDecimals)) * mantissa;
    if (step <= 1) return px;
    const down = px - (px % step);
    return roundUp && down !== px ? down + step : down;
  };
  view.bidCount = mergeSide(view.bidCount, view.bidPxTicks, view.bidSzLots, view.bidOrders, (px) =>
    bucket(px, false),
  );
  view.askCount = mergeSide(view.askCount, view.askPxTicks, view.askSzLots, view.askOrders, (px) =>
    bucket(px, true),
  );
}

function mergeSide(
  count: number,
  px: Float64Array,
  sz: Float64Array,
  n: Uint32Array,
  bucket: (px: number) => number,
): number {
  let out = 0;
  for (let i = 0; i < count; i++) {
    const at = bucket(px[i]!);
    if (out > 0 && px[out - 1] === at) {
      sz[out - 1]! += sz[i]!;
      n[out - 1]! += n[i]!;
    } else {
      px[out] = at;
      sz[out] = sz[i]!;
      n[out] = n[i]!;
      out++;
    }
  }
  return out;
}
