/**
 * Fair value: the mid moved by what book and flow say.
 *
 *     microprice = mid (1 + beta_book i_book + beta_flow i_flow),   adjustment clamped to +-c
 *
 * | symbol | argument           | unit                                        |
 * |--------|--------------------|---------------------------------------------|
 * | beta   | betaBook, betaFlow | fraction of price per unit imbalance        |
 * | i      | book, flow         | -1..1, clamped; not a number counts as 0    |
 * | c      | clampBps           | bps                                         |
 *
 * The caller narrows c to half the market's spread plus one tick: on a liquid book no imbalance is worth more.
 * Returns NaN for a bad mid. Allocates: nothing. Source: Stoikov (2018) for the idea; models.md 2.1, 2.3.
 */
import { clamp, SCRATCH } from "./memory";

function term(beta: f64, imbalance: f64): f64 {
  const t = beta * clamp(imbalance, -1, 1);
  return isFinite(t) ? t : 0;
}

/** Adjustment as a fraction of price. */
export function micropriceAdjustment(betaBook: f64, betaFlow: f64, book: f64, flow: f64, clampBps: f64): f64 {
  return clamp(term(betaBook, book) + term(betaFlow, flow), -clampBps * 1e-4, clampBps * 1e-4);
}

export function microprice(mid: f64, betaBook: f64, betaFlow: f64, book: f64, flow: f64, clampBps: f64): f64 {
  if (!(mid > 0) || !isFinite(mid)) return NaN;
  return mid * (1 + micropriceAdjustment(betaBook, betaFlow, book, flow, clampBps));
}

/** Share of the bid in the touch size, 0..1; a missing or bad size counts as none, both none give 1/2. */
export function topImbalance(bidSz: f64, askSz: f64): f64 {
  const b = bidSz > 0 && isFinite(bidSz) ? bidSz : 0;
  const a = askSz > 0 && isFinite(askSz) ? askSz : 0;
  if (b == 0 && a == 0) return 0.5;
  // Ratio of the smaller to the larger, so that huge sizes cannot overflow.
  return b >= a ? 1 / (1 + a / b) : b / a / (1 + b / a);
}

/** Size-weighted mid: bid size pulls the price up. Written with the spread so that nothing cancels. */
export function weightedMid(bidPx: f64, askPx: f64, bidSz: f64, askSz: f64): f64 {
  return bidPx + (askPx - bidPx) * topImbalance(bidSz, askSz);
}

/**
 * Batch entry (golden `top_of_book`): writes mid, weighted mid, imbalance, signed imbalance, spread, spread in bps at
 * `scratch()`. Returns false, and writes nothing, for a crossed or bad book.
 */
export function topOfBook(bidPx: f64, askPx: f64, bidSz: f64, askSz: f64): bool {
  if (!isFinite(bidPx) || !isFinite(askPx) || bidPx <= 0 || askPx <= 0 || bidPx > askPx) return false;
  const mid = bidPx + (askPx - bidPx) * 0.5;
  const share = topImbalance(bidSz, askSz);
  store<f64>(SCRATCH, mid, 0);
  store<f64>(SCRATCH, weightedMid(bidPx, askPx, bidSz, askSz), 8);
  store<f64>(SCRATCH, share, 16);
  store<f64>(SCRATCH, 2 * share - 1, 24);
  store<f64>(SCRATCH, askPx - bidPx, 32);
  store<f64>(SCRATCH, ((askPx - bidPx) / mid) * 1e4, 40);
  return true;
}
