/**
 * From depths to orders: where the levels stand, how size is spread over them, and what survives the venue's grid.
 *
 *     value_i = e^(-kappa d_i) max(d_i - AS0 e^(-d_i/d0) - fee, 0),   w_i = min(cap, s value_i) with s from sum w = 1
 *
 * Order of the pipeline (it matters; models.md 6.3): raw price; inventory room, inner levels first; ticks, bids down and asks up;
 * post-only clamp one tick from the opposite best; merge equal prices; lots down; drop dust. Prices leave as integers of the finest grid.
 *
 * | symbol | argument          | unit                                                        |
 * |--------|-------------------|-------------------------------------------------------------|
 * | d_i    | depths            | bps from fair, rising                                       |
 * | room   | roomLots          | lots that may still be bought (bids) or sold (asks)         |
 * |        | sigFigs, wholeTicks | significant-figure rule: step 10^(digits - sigFigs) ticks, at most one whole quote unit; 0 = none |
 *
 * Guarantees, tested as laws: strictly monotone prices, bids < fair < asks, no quote at or through the opposite best, all on the
 * grid, total size within the room. Allocates: nothing. Source: models.md 6.
 */
import { QUOTE_SIZE, Quote, Spacing } from "./layout";
import { SCRATCH } from "./memory";

const ROUND_SLACK: f64 = 1e-6;

function at(array: usize, i: i32): f64 {
  return load<f64>(array + ((<usize>i) << 3));
}
function put(array: usize, i: i32, v: f64): void {
  store<f64>(array + ((<usize>i) << 3), v);
}

/** Writes `count` depths in [dMin, dMax]; one level stands at dMin. */
export function ladderDepths(out: usize, count: i32, dMin: f64, dMax: f64, spacing: i32): void {
  const last = max(count - 1, 1);
  const ratio = Math.exp(Math.log(dMax / dMin) / <f64>last);
  let d = dMin;
  for (let i = 0; i < count; i++) {
    put(out, i, spacing == Spacing.Linear ? dMin + ((dMax - dMin) * <f64>i) / <f64>last : d);
    d *= ratio;
  }
}

/**
 * Writes weights of `count` levels; returns their sum, 0 when no level is profitable (then nothing is quoted: never fall back to the touch).
 * `origin`: depth at which the intensity is 1; it cancels, and keeps deep ladders from underflowing. `temperature` > 0: softmax
 * of value/max(value) over profitable levels instead of proportional weights.
 */
export function ladderWeights(
  out: usize,
  depths: usize,
  count: i32,
  origin: f64,
  kappa: f64,
  as0: f64,
  d0: f64,
  fee: f64,
  cap: f64,
  temperature: f64,
): f64 {
  let best: f64 = 0;
  for (let i = 0; i < count; i++) {
    const d = at(depths, i);
    const value = Math.exp(-kappa * (d - origin)) * max(spreadCapture(d, as0, d0, fee), 0);
    put(out, i, value);
    best = max(best, value);
  }
  if (!(best > 0)) return 0;
  if (temperature > 0) {
    for (let i = 0; i < count; i++) {
      const value = at(out, i);
      put(out, i, value > 0 ? Math.exp((value / best - 1) / temperature) : 0);
    }
  }
  return waterFill(out, count, cap);
}

/** Earned per fill at a depth after adverse selection and fee, bps. */
export function spreadCapture(depth: f64, as0: f64, d0: f64, fee: f64): f64 {
  return depth - as0 * Math.exp(-depth / d0) - fee;
}

/**
 * Scales values to sum 1 with none above `cap`: fix what is capped, rescale the rest, repeat. When cap times the positive levels is below 1,
 * each gets cap and the rest stays in cash. A weight is marked as capped by its sign until the end.
 */
function waterFill(w: usize, count: i32, cap: f64): f64 {
  let free: f64 = 1;
  for (let pass = 0; pass < count; pass++) {
    let sum: f64 = 0;
    for (let i = 0; i < count; i++) sum += max(at(w, i), 0);
    if (!(sum > 0)) break;
    const scale = max(free, 0) / sum;
    let hit = false;
    for (let i = 0; i < count; i++) {
      const v = at(w, i);
      if (v > 0 && v * scale > cap) {
        put(w, i, -cap);
        free -= cap;
        hit = true;
      }
    }
    if (!hit) {
      for (let i = 0; i < count; i++) if (at(w, i) > 0) put(w, i, at(w, i) * scale);
      break;
    }
  }
  let total: f64 = 0;
  for (let i = 0; i < count; i++) {
    const v = abs(at(w, i));
    put(w, i, v);
    total += v;
  }
  return total;
}

/** Legal price step at a price in ticks. */
export function gridStep(ticks: f64, sigFigs: i32, wholeTicks: f64): f64 {
  if (sigFigs == 0) return 1;
  let step: f64 = 1;
  let limit: f64 = 1;
  for (let i = 0; i < sigFigs; i++) limit *= 10;
  while (ticks >= limit && step < wholeTicks) {
    step *= 10;
    limit *= 10;
  }
  return step;
}

/** Rounds a price in ticks to the safe side of the grid: bids down, asks up. Never to nearest, which could give the edge away. */
export function gridRound(ticks: f64, isBid: bool, sigFigs: i32, wholeTicks: f64): f64 {
  const base = isBid ? Math.floor(ticks + ROUND_SLACK) : Math.ceil(ticks - ROUND_SLACK);
  const step = gridStep(base, sigFigs, wholeTicks);
  const down = Math.floor(base / step) * step;
  return isBid || down == base ? down : down + step;
}

/** Price of a level before any rounding; `skew` a fraction of price, positive lowers both sides. */
export function rawPx(fair: f64, depthBps: f64, skew: f64, isBid: bool): f64 {
  return fair * (1 + (isBid ? -depthBps : depthBps) * 1e-4 - skew);
}

/**
 * Builds one side into `out` (Quote records, best first); returns the number of quotes.
 *
 * `limitTicks`: the most aggressive price allowed, already one tick off the opposite best and off the fair price (0 for none).
 * `lot` only enters the minimum notional.
 */
export function ladderSide(
  out: usize,
  isBid: bool,
  fair: f64,
  skew: f64,
  depths: usize,
  szLots: usize,
  count: i32,
  tick: f64,
  lot: f64,
  sigFigs: i32,
  wholeTicks: f64,
  minNotional: f64,
  roomLots: f64,
  limitTicks: f64,
): i32 {
  let room = max(roomLots, 0);
  let used = 0;
  // Prices and merged, still fractional, sizes first; lots are floored after merging.
  for (let i = 0; i < count; i++) {
    const lots = min(at(szLots, i), room);
    if (!(lots > 0)) continue;
    room -= lots;
    let ticks = gridRound(rawPx(fair, at(depths, i), skew, isBid) / tick, isBid, sigFigs, wholeTicks);
    if (limitTicks > 0 && (isBid ? ticks > limitTicks : ticks < limitTicks)) {
      ticks = gridRound(limitTicks, isBid, sigFigs, wholeTicks);
    }
    if (!(ticks > 0)) continue;
    const before = out + <usize>(used - 1) * QUOTE_SIZE;
    if (used > 0 && Quote.pxTicks(before) == ticks) {
      Quote.setSzLots(before, Quote.szLots(before) + lots);
      continue;
    }
    const quote = out + <usize>used * QUOTE_SIZE;
    Quote.setPxTicks(quote, ticks);
    Quote.setSzLots(quote, lots);
    used += 1;
  }
  let kept = 0;
  for (let i = 0; i < used; i++) {
    const from = out + <usize>i * QUOTE_SIZE;
    const ticks = Quote.pxTicks(from);
    const lots = Math.floor(Quote.szLots(from) + ROUND_SLACK);
    if (lots <= 0 || ticks * tick * lots * lot < minNotional) continue;
    const to = out + <usize>kept * QUOTE_SIZE;
    Quote.setPxTicks(to, ticks);
    Quote.setSzLots(to, lots);
    kept += 1;
  }
  return kept;
}

/** The most aggressive bid below both the best ask and (strictly) the fair price; 0 for an absent one. In ticks. */
export function bidLimit(bestAsk: f64, fair: f64, tick: f64): f64 {
  let limit = Infinity;
  if (bestAsk > 0) limit = Math.floor(bestAsk / tick + ROUND_SLACK) - 1;
  if (fair > 0) limit = min(limit, Math.ceil(fair / tick - ROUND_SLACK) - 1);
  // A limit below one tick would read as "none"; nothing may be bid then.
  return limit == Infinity ? 0 : max(limit, 0.5);
}

export function askLimit(bestBid: f64, fair: f64, tick: f64): f64 {
  let limit: f64 = 0;
  if (bestBid > 0) limit = Math.ceil(bestBid / tick - ROUND_SLACK) + 1;
  if (fair > 0) limit = max(limit, Math.floor(fair / tick + ROUND_SLACK) + 1);
  return limit;
}

// ---- batch entry points (golden/ladder.json) ----
// scratch(): depths, then sizes or weights, then quotes, each in its own block.

const DEPTHS: usize = SCRATCH;
const SIZES: usize = SCRATCH + 1024;
const QUOTES: usize = SCRATCH + 2048;

/** Depths at `scratch()`. */
export function depthsBatch(count: i32, dMin: f64, dMax: f64, spacing: i32): void {
  ladderDepths(DEPTHS, count, dMin, dMax, spacing);
}

/** Depths at `scratch()`, weights at `scratch() + 1024`; returns the sum. */
export function weightsBatch(
  count: i32,
  kappa: f64,
  as0: f64,
  d0: f64,
  fee: f64,
  cap: f64,
  temperature: f64,
): f64 {
  const sum = ladderWeights(SIZES, DEPTHS, count, 0, kappa, as0, d0, fee, cap, temperature);
  if (sum == 0) for (let i = 0; i < count; i++) put(SIZES, i, 0);
  return sum;
}

/** Depths at `scratch()`, lots at `scratch() + 1024`, quotes at `scratch() + 2048`; `opposite` 0: that side is empty. */
export function sideBatch(
  isBid: bool,
  fair: f64,
  skew: f64,
  count: i32,
  tick: f64,
  lot: f64,
  minNotional: f64,
  roomLots: f64,
  opposite: f64,
): i32 {
  const limit = isBid ? bidLimit(opposite, 0, tick) : askLimit(opposite, 0, tick);
  return ladderSide(
    QUOTES,
    isBid,
    fair,
    skew,
    DEPTHS,
    SIZES,
    count,
    tick,
    lot,
    0,
    1,
    minNotional,
    roomLots,
    limit,
  );
}

/** Intensity relative to the touch at a depth. */
export function relativeIntensity(kappa: f64, depth: f64): f64 {
  return Math.exp(-kappa * depth);
}
