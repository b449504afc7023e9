import { Side } from "./side.js";
import { type PxTicks, pxTicks, type SzLots, szLots } from "./units.js";

/**
 * A tradable market and its grid.
 *
 * Prices live on the finest grid 10^-pxDecimals as integers (`PxTicks`); a venue with a significant-figure rule allows only
 * every `stepTicks(px)`-th of them. Sizes are integers of 10^-szDecimals (`SzLots`).
 */
export interface Instrument {
  /** Engine index: position in the run's asset list, index of rings' records and boards. */
  readonly asset: number;
  /** The venue's id in signed actions. */
  readonly venueAssetId: number;
  readonly coin: string;
  readonly pxDecimals: number;
  readonly szDecimals: number;
  /** 5 on Hyperliquid; 0 when the venue has no such rule. Integers are always legal. */
  readonly maxSigFigs: number;
  /** Quote units. */
  readonly minNotionalUsd: number;
  readonly maxLeverage: number;
}

const POW10 = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];
export function pow10(n: number): number {
  const v = POW10[n];
  if (v === undefined) throw new RangeError(`pow10: ${n} is outside 0..15`);
  return v;
}

/** Legal price step at `ticks`, in ticks: 10^(digits-maxSigFigs), never more than one whole quote unit. Source: tick and lot size page. */
export function stepTicks(inst: Instrument, ticks: number): number {
  if (inst.maxSigFigs === 0) return 1;
  let step = 1;
  let limit = pow10(inst.maxSigFigs);
  const whole = pow10(inst.pxDecimals);
  while (ticks >= limit && step < whole) {
    step *= 10;
    limit *= 10;
  }
  return step;
}

/** True when `ticks` is a price the venue accepts. */
export function isOnGrid(inst: Instrument, ticks: number): boolean {
  return Number.isSafeInteger(ticks) && ticks > 0 && ticks % stepTicks(inst, ticks) === 0;
}

/**
 * Rounds a price in ticks to the safe side of the grid: bids down, asks up.
 * @returns undefined when nothing positive is left (a bid below one tick).
 */
export function roundToGrid(inst: Instrument, ticks: number, side: Side): PxTicks | undefined {
  if (!Number.isFinite(ticks)) return undefined;
  const base = side === Side.Buy ? Math.floor(ticks + 1e-6) : Math.ceil(ticks - 1e-6);
  if (base <= 0) return undefined;
  const step = stepTicks(inst, base);
  const down = base - (base % step);
  // Rounding up may cross a decade; the first number of the next decade is a multiple of its larger step too.
  const px = side === Side.Buy || down === base ? down : down + step;
  return px > 0 ? pxTicks(px) : undefined;
}

/**
 * True when an order is worth less than the venue's minimum. The product of two integers is compared with an integer: exact
 * where it is near the minimum, and far from it a rounded product decides the same.
 */
export function isBelowMinNotional(
  inst: Pick<Instrument, "pxDecimals" | "szDecimals" | "minNotionalUsd">,
  pxTicks: number,
  szLots: number,
): boolean {
  return pxTicks * szLots < inst.minNotionalUsd * pow10(inst.pxDecimals + inst.szDecimals);
}

/**
 * True when an order closes the whole position, which the minimum does not forbid: it is as large as the position, or larger
 * and reduce-only, so that the venue shrinks it. Source: reference §6.4 (measured).
 */
export function closesPosition(
  order: { readonly side: Side; readonly szLots: number; readonly reduceOnly: boolean },
  posLots: number,
): boolean {
  if (order.side * posLots >= 0) return false;
  const size = Math.abs(posLots);
  return order.szLots === size || (order.reduceOnly && order.szLots > size);
}

export const pxToTicks = (inst: Instrument, px: number): number => px * pow10(inst.pxDecimals);
export const ticksToPx = (inst: Instrument, ticks: number): number => ticks / pow10(inst.pxDecimals);
export const lotsToSz = (inst: Instrument, lots: number): number => lots / pow10(inst.szDecimals);
/** Floors towards zero: a size is never rounded up. */
export function szToLots(inst: Instrument, sz: number): SzLots {
  const lots = sz * pow10(inst.szDecimals);
  return szLots(sz >= 0 ? Math.floor(lots + 1e-6) : Math.ceil(lots - 1e-6));
}

/**
 * Formats an integer of 10^-decimals as the venue's wire string, by integer arithmetic: no exponent, no trailing zeros.
 * `decimalToWire(16701, 1)` is `"1670.1"`; `decimalToWire(1000, 1)` is `"100"`.
 */
export function decimalToWire(value: number, decimals: number): string {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new RangeError(`decimalToWire: ${value} is not a non-negative integer`);
  const scale = pow10(decimals);
  const whole = Math.floor(value / scale);
  let frac = value - whole * scale;
  if (frac === 0) return String(whole);
  let digits = decimals;
  while (frac % 10 === 0) {
    frac /= 10;
    digits--;
  }
  return `${whole}.${String(frac).padStart(digits, "0")}`;
}

/**
 * Reads a wire decimal ("29792.0") as an integer of 10^-decimals, exactly.
 * @returns undefined for anything that is not a plain non-negative decimal, or has more significant decimals than the grid.
 */
export function wireToDecimal(text: string, decimals: number): number | undefined {
  const { length } = text;
  let at = 0;
  let whole = 0;
  for (; at < length; at++) {
    const digit = text.charCodeAt(at) - ZERO;
    if (digit < 0 || digit > 9) break;
    whole = whole * 10 + digit;
  }
  if (at === 0 || at > WHOLE_DIGITS_MAX) return undefined;
  let frac = 0;
  let missing = decimals;
  if (at < length) {
    if (text.charCodeAt(at) !== POINT || at + 1 === length) return undefined;
    for (at++; at < length; at++) {
      const digit = text.charCodeAt(at) - ZERO;
      if (digit < 0 || digit > 9) return undefined;
      if (missing > 0) {
        frac = frac * 10 + digit;
        missing--;
      } else if (digit > 0) return undefined;
    }
  }
  const value = whole * pow10(decimals) + frac * pow10(missing);
  return Number.isSafeInteger(value) ? value : undefined;
}

const WHOLE_DIGITS_MAX = 15;
const ZERO = 48;
const POINT = 46;
