/**
 * Branded numbers: a swapped price and size fails to compile. Only this room constructs them, with the check inside.
 */
declare const unit: unique symbol;
type In<U extends string> = number & { readonly [unit]: U };

/** Price on the instrument's finest grid, integer: price × 10^pxDecimals. */
export type PxTicks = In<"ticks">;
/** Size in lots, integer: size × 10^szDecimals. Signed where it is a position. */
export type SzLots = In<"lots">;
export type Bps = In<"bps">;
export type Usd = In<"usd">;
/** Nanoseconds since engine start, monotonic (double: exact below 2^53 ns, 104 days). */
export type MonoNs = In<"mono-ns">;

/** @throws {RangeError} When `n` is not a positive safe integer. */
export function pxTicks(n: number): PxTicks {
  if (!Number.isSafeInteger(n) || n <= 0) throw new RangeError(`pxTicks: ${n} is not a positive integer`);
  return n as PxTicks;
}

/** @throws {RangeError} When `n` is not a safe integer (negative is allowed: positions are signed). */
export function szLots(n: number): SzLots {
  if (!Number.isSafeInteger(n)) throw new RangeError(`szLots: ${n} is not an integer`);
  return (n === 0 ? 0 : n) as SzLots;
}

export const bps = (n: number): Bps => n as Bps;
export const usd = (n: number): Usd => n as Usd;
export const monoNs = (n: number): MonoNs => n as MonoNs;
