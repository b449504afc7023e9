/**
 * Where everything lives: one fixed map below `memoryBase` (2 MiB), no allocator.
 *
 *     0        null page, never written
 *     1024     inbox: one record body, copied in by the host
 *     4096     outbox: Ladder, then Estimates
 *     8192     pipeline arrays of `quote` (32 levels each)
 *     65536    asset slots, SLOT_BYTES each; nothing survives outside them
 *     1.25 MiB scratch for the batch entry points (golden tests, API): never read by `step` or `quote`
 *
 * A slot is a KernelConfig record followed by one unmanaged struct per model. Only i64 and f64 fields, so that the layout
 * has no holes and `offsetof<T>()` is the size.
 */
import { KERNEL_CONFIG_SIZE } from "./layout";

export const INBOX: usize = 1024;
export const OUT_LADDER: usize = 4096;
export const OUT_ESTIMATES: usize = 6144;
export const WORK: usize = 8192;
export const WORK_ARRAY_BYTES: usize = 512;
export const SLOTS: usize = 65536;
export const SLOT_BYTES: usize = 2048;
export const SLOT_COUNT: i32 = 128;
export const SCRATCH: usize = 1310720;
export const SCRATCH_BYTES: usize = 786432;

/** Everything an asset needs that belongs to no single model. Times: exchange ns since the epoch, 0 = never. */
@unmanaged
export class Core {
  isConfigured: i64;
  feedState: i64;
  lastExchTs: i64;
  lastRecvMonoNs: f64;
  lastKind: i64;
  ladderSeq: i64;
  estimatesSeq: i64;
  tradeCount: f64;
  ownFillCount: f64;
  posLots: f64;
  markPx: f64;
  oraclePx: f64;
  fundingRate: f64;
  openInterest: f64;
  /** Derived from the config when it arrives. */
  tick: f64;
  lot: f64;
  wholeTicks: f64;
}

/** Best prices of the newer of the two streams, and the one before (a trade is measured against the mid before it). */
@unmanaged
export class Touch {
  exchTs: i64;
  bidPx: f64;
  bidSz: f64;
  askPx: f64;
  askSz: f64;
  mid: f64;
  prevExchTs: i64;
  prevMid: f64;
  bookExchTs: i64;
  bboExchTs: i64;
  bookBidPx: f64;
  bookAskPx: f64;
  /** Depth-weighted, of the last book. */
  bookImbalance: f64;
}

/** Volume bucket in progress (models.md 1.1) and the adaptive threshold. */
@unmanaged
export class Clock {
  volume: f64;
  notional: f64;
  open: f64;
  high: f64;
  low: f64;
  close: f64;
  startTs: i64;
  endTs: i64;
  trades: f64;
  /** Base units; 0 while the threshold is still being learnt. */
  threshold: f64;
  bucketCount: f64;
}

/** One half-life of realised and bipower variation per return, with the mean duration of those returns. */
@unmanaged
export class Scale {
  rv: f64;
  bv: f64;
  dtS: f64;
  /** Effective sample size, the N of the bias-corrected mean; rises to 1/alpha. */
  n: f64;
  nBv: f64;
  /** |previous return|; negative: none. */
  prevAbs: f64;
}

@unmanaged
export class Returns {
  anchorPx: f64;
  anchorTs: i64;
  zeroRun: f64;
  count: f64;
  baseSigmaBps: f64;
  baseTs: i64;
}

@unmanaged
export class Regime {
  state: i64;
  belowCount: i64;
}

/** Exponentially decayed aggressor volume per side. */
@unmanaged
export class Flow {
  buy: f64;
  sell: f64;
  lastTs: i64;
}

/** Decayed sums over the estimation window: exposure, volume, market orders, reach of orders. */
@unmanaged
export class Reach {
  lastTs: i64;
  /** With the prior's seconds. */
  exposureS: f64;
  /** Without. */
  liveS: f64;
  volume: f64;
  orders: f64;
  n: f64;
  sumBps: f64;
  kappaPerBps: f64;
  orderCount: f64;
  /** The market order whose child fills are still arriving. side 0: none. */
  pendingTs: i64;
  pendingSide: i64;
  pendingBps: f64;
}

@unmanaged
export class Hawkes {
  lastTs: i64;
  buyR: f64;
  sellR: f64;
}

const CORE_AT: usize = KERNEL_CONFIG_SIZE;
const TOUCH_AT: usize = CORE_AT + offsetof<Core>();
const CLOCK_AT: usize = TOUCH_AT + offsetof<Touch>();
const FAST_AT: usize = CLOCK_AT + offsetof<Clock>();
const MEDIUM_AT: usize = FAST_AT + offsetof<Scale>();
const SLOW_AT: usize = MEDIUM_AT + offsetof<Scale>();
const RETURNS_AT: usize = SLOW_AT + offsetof<Scale>();
const REGIME_AT: usize = RETURNS_AT + offsetof<Returns>();
const FLOW_AT: usize = REGIME_AT + offsetof<Regime>();
const REACH_AT: usize = FLOW_AT + offsetof<Flow>();
const HAWKES_AT: usize = REACH_AT + offsetof<Reach>();

export function slotAt(index: i32): usize {
  return SLOTS + <usize>index * SLOT_BYTES;
}
export function coreOf(slot: usize): Core {
  return changetype<Core>(slot + CORE_AT);
}
export function touchOf(slot: usize): Touch {
  return changetype<Touch>(slot + TOUCH_AT);
}
export function clockOf(slot: usize): Clock {
  return changetype<Clock>(slot + CLOCK_AT);
}
export function fastOf(slot: usize): Scale {
  return changetype<Scale>(slot + FAST_AT);
}
export function mediumOf(slot: usize): Scale {
  return changetype<Scale>(slot + MEDIUM_AT);
}
export function slowOf(slot: usize): Scale {
  return changetype<Scale>(slot + SLOW_AT);
}
export function returnsOf(slot: usize): Returns {
  return changetype<Returns>(slot + RETURNS_AT);
}
export function regimeOf(slot: usize): Regime {
  return changetype<Regime>(slot + REGIME_AT);
}
export function flowOf(slot: usize): Flow {
  return changetype<Flow>(slot + FLOW_AT);
}
export function reachOf(slot: usize): Reach {
  return changetype<Reach>(slot + REACH_AT);
}
export function hawkesOf(slot: usize): Hawkes {
  return changetype<Hawkes>(slot + HAWKES_AT);
}

export function inbox(): usize {
  return INBOX;
}
export function outLadder(): usize {
  return OUT_LADDER;
}
export function outEstimates(): usize {
  return OUT_ESTIMATES;
}
export function assetSlots(): i32 {
  return SLOT_COUNT;
}
/** Address and size of the area that the batch entry points work on. */
export function scratch(): usize {
  return SCRATCH;
}
export function scratchBytes(): usize {
  return SCRATCH_BYTES;
}
/** For tests that prove a rejection leaves a slot untouched. */
export function slotAddress(index: i32): usize {
  return slotAt(index);
}
export function slotBytes(): usize {
  return SLOT_BYTES;
}
/** Bytes of a slot that hold state; a test keeps it at or below `slotBytes()`. */
export function slotUsedBytes(): usize {
  return HAWKES_AT + offsetof<Hawkes>();
}

/** Seconds between two exchange stamps, never negative: an out-of-order stamp counts as simultaneous (models.md 9.2). */
export function secondsBetween(fromTs: i64, toTs: i64): f64 {
  return toTs > fromTs ? <f64>(toTs - fromTs) * 1e-9 : 0;
}

export function clamp(x: f64, lo: f64, hi: f64): f64 {
  return x < lo ? lo : x > hi ? hi : x;
}
/** False for NaN. */
export function within(x: f64, lo: f64, hi: f64): bool {
  return x >= lo && x <= hi;
}
