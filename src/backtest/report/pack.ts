/**
 * Columns of numbers as short text: each value as a whole multiple of a step, and the difference to the one before. A report holds
 * tens of thousands of numbers, most of them near their neighbour.
 */

/** `values[i] = (Σ_{k ≤ i} deltas[k]) × step`; null: no value, and the next delta counts from the last one. */
export interface Packed {
  readonly step: number;
  readonly deltas: readonly (number | null)[];
}

/** Values that need more digits than this lose the rest: a screen shows a few hundred steps. */
const STEPS_PER_RANGE = 20_000;
const DECIMALS_MAX = 6;

export function pack(values: ArrayLike<number>): Packed {
  const step = stepOf(values);
  const deltas: (number | null)[] = [];
  let last = 0;
  for (let i = 0; i < values.length; i++) {
    const v = values[i]!;
    if (!Number.isFinite(v)) {
      deltas.push(null);
      continue;
    }
    const units = Math.round(v / step);
    deltas.push(units - last);
    last = units;
  }
  return { step, deltas };
}

export function unpack({ step, deltas }: Packed): number[] {
  let units = 0;
  return deltas.map((d) => {
    if (d === null) return Number.NaN;
    units += d;
    return units * step;
  });
}

/** The coarsest power of ten that is exact for all values; for values with many digits, a small part of their range. */
function stepOf(values: ArrayLike<number>): number {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  let decimals = 0;
  for (let i = 0; i < values.length; i++) {
    const v = values[i]!;
    if (!Number.isFinite(v)) continue;
    low = Math.min(low, v);
    high = Math.max(high, v);
    while (decimals <= DECIMALS_MAX && !isMultiple(v, decimals)) decimals++;
  }
  const range = Math.max(high - low, Math.abs(high) * 1e-9);
  const fine =
    range > 0 && Number.isFinite(range) ? 10 ** Math.floor(Math.log10(range / STEPS_PER_RANGE)) : 1;
  return decimals <= DECIMALS_MAX ? 10 ** -decimals : fine;
}

function isMultiple(v: number, decimals: number): boolean {
  const scaled = v * 10 ** decimals;
  return Math.abs(scaled - Math.round(scaled)) <= 1e-7 * Math.max(1, Math.abs(scaled) * 1e-6);
}

/** Every n-th index so that at most `max` are left; the first and the last always. */
export function thinned(count: number, max: number): number[] {
  if (count <= max) return Array.from({ length: count }, (_, i) => i);
  return Array.from({ length: max }, (_, i) => Math.round((i * (count - 1)) / (max - 1)));
}
