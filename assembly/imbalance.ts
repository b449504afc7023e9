/**
 * Order-book and trade-flow imbalance, both in [-1, 1], positive when buyers are heavier.
 *
 *     book: i = (B - A)/(B + A),  B = sum z_j e^(-d_j/d*),  d_j = distance of the level from mid in bps
 *     flow: i = (B - A)/(B + A),  B and A decay by e^(-dt/tau), then the aggressor's side += z
 *
 * | symbol | argument | unit         |
 * |--------|----------|--------------|
 * | d*     | scaleBps | bps, 2..10   |
 * | tau    | tauS     | seconds      |
 * | z      | sz       | base units   |
 *
 * Nothing there: 0. Silence keeps the ratio of the flow, not its weight. Allocates: nothing. Source: models.md 2.1, 2.3.
 */
import { LEVEL_SIZE, Level } from "./layout";
import { Flow, SCRATCH, secondsBetween } from "./memory";

export function imbalanceOf(buy: f64, sell: f64): f64 {
  const sum = buy + sell;
  return sum > 0 ? (buy - sell) / sum : 0;
}

/** Sum of sizes of `count` levels at `levels`, weighted by distance from `mid`. */
export function depthWeighted(levels: usize, count: i32, mid: f64, scaleBps: f64): f64 {
  const perPx = 1e4 / (mid * scaleBps);
  let sum: f64 = 0;
  for (let i = 0; i < count; i++) {
    const level = levels + <usize>i * LEVEL_SIZE;
    const sz = Level.sz(level);
    if (!(sz > 0) || !isFinite(sz)) continue; // counts as nothing there
    sum += sz * Math.exp(-abs(Level.px(level) - mid) * perPx);
  }
  return sum;
}

export function flowDecay(f: Flow, ts: i64, tauS: f64): void {
  const dt = secondsBetween(f.lastTs, ts);
  if (dt > 0) {
    const keep = Math.exp(-dt / tauS);
    f.buy *= keep;
    f.sell *= keep;
    f.lastTs = ts;
  }
}

/** `side` > 0: a buyer was the aggressor. */
export function flowUpdate(f: Flow, ts: i64, sz: f64, side: i32, tauS: f64): void {
  flowDecay(f, ts, tauS);
  if (side > 0) f.buy += sz;
  else f.sell += sz;
}

// ---- batch entry points (golden/microprice.json) ----

/** Levels at `scratch()` (Level records): `bidCount` bids, then `askCount` asks. */
export function depthImbalance(bidCount: i32, askCount: i32, mid: f64, scaleBps: f64): f64 {
  const asks = SCRATCH + <usize>bidCount * LEVEL_SIZE;
  return imbalanceOf(
    depthWeighted(SCRATCH, bidCount, mid, scaleBps),
    depthWeighted(asks, askCount, mid, scaleBps),
  );
}

export function flowReset(): void {
  const f = changetype<Flow>(SCRATCH);
  f.buy = 0;
  f.sell = 0;
  f.lastTs = 0;
}

/** `side` 0 only decays. Returns the imbalance. */
export function flowBatch(tsMs: f64, sz: f64, side: i32, tauS: f64): f64 {
  const f = changetype<Flow>(SCRATCH);
  const ts = <i64>(tsMs * 1e6);
  if (side == 0) flowDecay(f, ts, tauS);
  else flowUpdate(f, ts, sz, side, tauS);
  return imbalanceOf(f.buy, f.sell);
}

export function flowSide(isBuy: bool): f64 {
  const f = changetype<Flow>(SCRATCH);
  return isBuy ? f.buy : f.sell;
}
