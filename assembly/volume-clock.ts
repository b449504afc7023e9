/**
 * Volume clock: time measured in traded volume, so that a busy second and a quiet minute weigh alike.
 *
 * A bucket closes when its volume reaches V*(1 - 1e-12) (ten additions of 0.1 give less than 1). `whole` keeps the closing
 * trade in one piece, at most one bucket a trade; `split` cuts volume exactly at V* and carries the rest at the same price,
 * needed where every bucket must hold V* (VPIN). The live estimators use `whole`: `split` would manufacture zero returns
 * inside one big print.
 *
 * | symbol | argument  | unit       |
 * |--------|-----------|------------|
 * | V*     | threshold | base units |
 * | p, z   | px, sz    | quote, base|
 *
 * Allocates: nothing. Source: Clark (1973); Easley, López de Prado, O'Hara (2012); models.md 1.1.
 */
import { Clock, clamp, SCRATCH } from "./memory";

const EPSILON: f64 = 1e-12;

/** Starts an empty bucket; the threshold and the count stay. */
export function clockClear(c: Clock): void {
  c.volume = 0;
  c.notional = 0;
  c.trades = 0;
  c.open = 0;
  c.high = 0;
  c.low = 0;
  c.close = 0;
}

/** Adds a trade, or a part of one, to the bucket in progress. */
export function clockFold(c: Clock, ts: i64, px: f64, sz: f64): void {
  if (c.trades == 0) {
    c.startTs = ts;
    c.open = px;
    c.high = px;
    c.low = px;
  }
  c.volume += sz;
  c.notional += px * sz;
  c.high = max(c.high, px);
  c.low = min(c.low, px);
  c.close = px;
  c.endTs = ts;
  c.trades += 1;
}

export function clockIsDue(c: Clock, threshold: f64): bool {
  return c.volume >= threshold * (1 - EPSILON);
}

/**
 * Next threshold so that a bucket lasts `targetS` on average, changed only when a bucket closes. A step is limited to a
 * factor of two, so that one print does not silence the clock; the first one (threshold 0) is taken as it comes.
 */
export function clockAdapt(threshold: f64, volumePerS: f64, targetS: f64): f64 {
  const wanted = volumePerS * targetS;
  if (!(wanted > 0) || !isFinite(wanted)) return threshold;
  return threshold > 0 ? clamp(wanted, threshold * 0.5, threshold * 2) : wanted;
}

// Batch entry: buckets are written one after the other behind the state, nine f64 each.
const BUCKETS: usize = SCRATCH + 256;
const BUCKET_BYTES: usize = 72;
const MAX_BUCKETS: i32 = 4096;
let bucketsWritten: i32 = 0;

function bucketWrite(c: Clock): void {
  if (bucketsWritten < MAX_BUCKETS) {
    const at = BUCKETS + <usize>bucketsWritten * BUCKET_BYTES;
    store<f64>(at, <f64>c.startTs, 0);
    store<f64>(at, <f64>c.endTs, 8);
    store<f64>(at, c.open, 16);
    store<f64>(at, c.high, 24);
    store<f64>(at, c.low, 32);
    store<f64>(at, c.close, 40);
    store<f64>(at, c.notional / c.volume, 48);
    store<f64>(at, c.volume, 56);
    store<f64>(at, c.trades, 64);
  }
  bucketsWritten += 1;
  clockClear(c);
}

export function volumeClockReset(): void {
  clockClear(changetype<Clock>(SCRATCH));
  bucketsWritten = 0;
}

/** Folds one trade of a batch; returns the number of buckets closed so far. Bad prices and sizes are skipped. */
export function volumeClockTrade(ts: f64, px: f64, sz: f64, threshold: f64, isSplit: bool): i32 {
  const c = changetype<Clock>(SCRATCH);
  if (!isFinite(px) || !isFinite(sz) || px <= 0 || sz <= 0) return bucketsWritten;
  if (!isSplit) {
    clockFold(c, <i64>ts, px, sz);
    if (clockIsDue(c, threshold)) bucketWrite(c);
    return bucketsWritten;
  }
  let left = sz;
  while (bucketsWritten < MAX_BUCKETS && c.volume + left >= threshold * (1 - EPSILON)) {
    const part = min(left, threshold - c.volume);
    clockFold(c, <i64>ts, px, part);
    c.volume = threshold;
    left -= part;
    bucketWrite(c);
  }
  if (left > threshold * EPSILON) clockFold(c, <i64>ts, px, left);
  return bucketsWritten;
}

export function volumeClockBuckets(): usize {
  return BUCKETS;
}
export function volumeClockPending(field: i32): f64 {
  const c = changetype<Clock>(SCRATCH);
  return field == 0 ? c.volume : field == 1 ? c.notional : c.trades;
}
