/**
 * The door for records: each is checked whole, then folded; a refused record leaves the slot untouched.
 *
 * - All elapsed times are differences of exchange stamps, so a recording replayed N times as fast gives the same estimates.
 * - The touch is the newer of Book and Bbo (by exchange time), both sides from one record: a locally crossed mixture cannot arise.
 *   When the newer touch has run through the levels of the older book, that book's imbalance is not used (`bookImbalanceNow`).
 * - Trades flagged Backlog (the venue replays some at subscribe) are accepted and change nothing: there is no book from before them, so their
 *   reach is unknown, and the volume rate they would give is needed only when live trades already tell it better.
 * - Warm-up counts market trades and volume buckets, nothing that only quoting could produce. While the bucket size is unknown a
 *   bucket closes after min_trades/min_buckets trades (at most 3), so both minima are met by the same first trades, whatever the
 *   market's volume; after that it adapts towards `bucket_target_s`.
 * - A feed that is not live forgets its touch, the bucket and the return in progress, and the newest stamp: nothing is measured across a gap.
 *
 * Allocates: nothing.
 */

import { configCheck, configTake } from "./config";
import { hawkesExcite } from "./hawkes";
import { depthWeighted, flowUpdate, imbalanceOf } from "./imbalance";
import { reachAdvance, reachEstimate, reachFlush, reachTrade, reachVolumeRate } from "./kappa";
import {
  AssetCtx,
  Bbo,
  Book,
  FeedState,
  FeedStatus,
  KernelConfig,
  KernelStatus,
  LEVEL_SIZE,
  Level,
  OwnFill,
  Position,
  RecordKind,
  Trade,
  TradeFlag,
  VolRegime,
} from "./layout";
import {
  Clock,
  Core,
  clamp,
  clockOf,
  coreOf,
  fastOf,
  flowOf,
  hawkesOf,
  INBOX,
  mediumOf,
  Returns,
  reachOf,
  regimeOf,
  returnsOf,
  SLOT_BYTES,
  SLOT_COUNT,
  slotAt,
  slowOf,
  Touch,
  touchOf,
  within,
} from "./memory";
import { topImbalance } from "./microprice";
import { regimeFold, returnFold } from "./returns";
import { clockAdapt, clockClear, clockFold, clockIsDue } from "./volume-clock";

/** A stamp more than a day ahead of the newest is a broken clock, and would make every later record look old. */
const MAX_LEAP_NS: i64 = 86400000000000;
/** No market has such prices or sizes, and their squares, sums and ratios stay finite. */
const PX_MIN: f64 = 1e-12;
const PX_MAX: f64 = 1e12;
const SZ_MIN: f64 = 1e-15;
const SZ_MAX: f64 = 1e15;
const MIN_START_BUCKETS: f64 = 10;

/** Forgets everything about an asset. Returns RejectedSlot for an index outside 0..assetSlots()-1. */
export function resetAsset(index: i32): i32 {
  if (index < 0 || index >= SLOT_COUNT) return KernelStatus.RejectedSlot;
  const slot = slotAt(index);
  memory.fill(slot, 0, SLOT_BYTES);
  regimeOf(slot).state = VolRegime.Normal;
  return KernelStatus.Ok;
}

/**
 * Folds the record body in the inbox into asset `index`. Returns a KernelStatus; anything but Ok left the asset untouched.
 * Market data needs a config first (NotConfigured); Position, FeedStatus and AssetCtx do not.
 */
export function step(kind: i32, index: i32): i32 {
  if (index < 0 || index >= SLOT_COUNT) return KernelStatus.RejectedSlot;
  const slot = slotAt(index);
  let status = KernelStatus.RejectedRange;
  if (kind == RecordKind.Book) status = onBook(slot);
  else if (kind == RecordKind.Trade) status = onTrade(slot);
  else if (kind == RecordKind.Bbo) status = onBbo(slot);
  else if (kind == RecordKind.AssetCtx) status = onAssetCtx(slot);
  else if (kind == RecordKind.OwnFill) status = onOwnFill(slot);
  else if (kind == RecordKind.Position) status = onPosition(slot);
  else if (kind == RecordKind.KernelConfig) status = onConfig(slot);
  else if (kind == RecordKind.FeedStatus) status = onFeedStatus(slot);
  if (status == KernelStatus.Ok) coreOf(slot).lastKind = kind;
  return status;
}

function timeCheck(core: Core, ts: i64, recvMonoNs: f64): i32 {
  if (!isFinite(recvMonoNs)) return KernelStatus.RejectedNotFinite;
  if (ts <= 0 || (core.lastExchTs > 0 && ts - core.lastExchTs > MAX_LEAP_NS))
    return KernelStatus.RejectedTime;
  return KernelStatus.Ok;
}

function timeTake(core: Core, ts: i64, recvMonoNs: f64): void {
  core.lastExchTs = max(core.lastExchTs, ts);
  core.lastRecvMonoNs = recvMonoNs;
}

function isPx(px: f64): bool {
  return within(px, PX_MIN, PX_MAX);
}
function isSz(sz: f64): bool {
  return within(sz, SZ_MIN, SZ_MAX);
}

// ---- book and touch ----

/** Strictly falling (`sign` -1) or rising prices, all finite and positive. */
function levelsCheck(levels: usize, count: i32, sign: f64): i32 {
  let prev: f64 = sign < 0 ? Infinity : 0;
  for (let i = 0; i < count; i++) {
    const level = levels + <usize>i * LEVEL_SIZE;
    const px = Level.px(level);
    const sz = Level.sz(level);
    if (!isFinite(px) || !isFinite(sz)) return KernelStatus.RejectedNotFinite;
    if (!isPx(px) || !isSz(sz) || !((px - prev) * sign > 0)) return KernelStatus.RejectedRange;
    prev = px;
  }
  return KernelStatus.Ok;
}

function onBook(slot: usize): i32 {
  const core = coreOf(slot);
  if (core.isConfigured == 0) return KernelStatus.NotConfigured;
  const touch = touchOf(slot);
  const ts = Book.exchTsNs(INBOX);
  let status = timeCheck(core, ts, Book.recvMonoNs(INBOX));
  if (status != KernelStatus.Ok) return status;
  if (ts < touch.bookExchTs) return KernelStatus.RejectedTime;
  const bidCount = <i32>Book.bidCount(INBOX);
  const askCount = <i32>Book.askCount(INBOX);
  if (bidCount > Book.BIDS_CAPACITY || askCount > Book.ASKS_CAPACITY) return KernelStatus.RejectedRange;
  const bids = Book.bidsAt(INBOX, 0);
  const asks = Book.asksAt(INBOX, 0);
  status = levelsCheck(bids, bidCount, -1);
  if (status == KernelStatus.Ok) status = levelsCheck(asks, askCount, 1);
  if (status != KernelStatus.Ok) return status;
  const bidPx = bidCount > 0 ? Level.px(bids) : 0;
  const askPx = askCount > 0 ? Level.px(asks) : 0;
  if (bidPx > 0 && askPx > 0 && bidPx >= askPx) return KernelStatus.RejectedCrossed;

  marketAdvance(slot, core, ts, Book.recvMonoNs(INBOX));
  touch.bookExchTs = ts;
  touch.bookBidPx = bidPx;
  touch.bookAskPx = askPx;
  if (bidPx > 0 && askPx > 0) {
    const mid = (bidPx + askPx) / 2;
    const scale = KernelConfig.depthScaleBps(slot);
    touch.bookImbalance = imbalanceOf(
      depthWeighted(bids, bidCount, mid, scale),
      depthWeighted(asks, askCount, mid, scale),
    );
  } else {
    touch.bookImbalance = 0;
  }
  if (ts >= touch.bboExchTs) {
    touchTake(touch, ts, bidPx, bidCount > 0 ? Level.sz(bids) : 0, askPx, askCount > 0 ? Level.sz(asks) : 0);
  }
  return KernelStatus.Ok;
}

function onBbo(slot: usize): i32 {
  const core = coreOf(slot);
  if (core.isConfigured == 0) return KernelStatus.NotConfigured;
  const touch = touchOf(slot);
  const ts = Bbo.exchTsNs(INBOX);
  const status = timeCheck(core, ts, Bbo.recvMonoNs(INBOX));
  if (status != KernelStatus.Ok) return status;
  if (ts < touch.bboExchTs) return KernelStatus.RejectedTime;
  const bidPx = Bbo.bidPx(INBOX);
  const askPx = Bbo.askPx(INBOX);
  const bidSz = Bbo.bidSz(INBOX);
  const askSz = Bbo.askSz(INBOX);
  if (!isFinite(bidPx) || !isFinite(askPx) || !isFinite(bidSz) || !isFinite(askSz))
    return KernelStatus.RejectedNotFinite;
  // A missing side is px 0, sz 0.
  if ((bidPx != 0 && !isPx(bidPx)) || (askPx != 0 && !isPx(askPx))) return KernelStatus.RejectedRange;
  if (!within(bidSz, 0, SZ_MAX) || !within(askSz, 0, SZ_MAX)) return KernelStatus.RejectedRange;
  if (bidPx > 0 && askPx > 0 && bidPx >= askPx) return KernelStatus.RejectedCrossed;

  marketAdvance(slot, core, ts, Bbo.recvMonoNs(INBOX));
  touch.bboExchTs = ts;
  if (ts >= touch.bookExchTs) touchTake(touch, ts, bidPx, bidSz, askPx, askSz);
  return KernelStatus.Ok;
}

function touchTake(t: Touch, ts: i64, bidPx: f64, bidSz: f64, askPx: f64, askSz: f64): void {
  if (ts > t.exchTs && t.mid > 0) {
    t.prevExchTs = t.exchTs;
    t.prevMid = t.mid;
  }
  t.exchTs = ts;
  t.bidPx = bidPx;
  t.bidSz = bidSz;
  t.askPx = askPx;
  t.askSz = askSz;
  t.mid = bidPx > 0 && askPx > 0 ? (bidPx + askPx) / 2 : 0;
}

/** Imbalance of the last book, or of the touch alone once the touch has run through that book. */
export function bookImbalanceNow(t: Touch): f64 {
  const isStale = t.exchTs > t.bookExchTs && (t.bidPx >= t.bookAskPx || t.askPx <= t.bookBidPx);
  return isStale ? 2 * topImbalance(t.bidSz, t.askSz) - 1 : t.bookImbalance;
}

/** Time passes: exposure grows, and a market order whose stamp is past is complete. */
function marketAdvance(slot: usize, core: Core, ts: i64, recvMonoNs: f64): void {
  const reach = reachOf(slot);
  if (reach.pendingSide != 0 && ts > reach.pendingTs) reachFlush(reach, KernelConfig.kappaWindowBps(slot));
  reachAdvance(reach, ts, KernelConfig.windowS(slot));
  timeTake(core, ts, recvMonoNs);
}

// ---- trades ----

function onTrade(slot: usize): i32 {
  const core = coreOf(slot);
  if (core.isConfigured == 0) return KernelStatus.NotConfigured;
  const ts = Trade.exchTsNs(INBOX);
  const status = timeCheck(core, ts, Trade.recvMonoNs(INBOX));
  if (status != KernelStatus.Ok) return status;
  const px = Trade.px(INBOX);
  const sz = Trade.sz(INBOX);
  const side = <i32>Trade.side(INBOX);
  if (!isFinite(px) || !isFinite(sz)) return KernelStatus.RejectedNotFinite;
  if (!isPx(px) || !isSz(sz) || (side != 1 && side != -1)) return KernelStatus.RejectedRange;
  if ((<i32>Trade.flags(INBOX) & TradeFlag.Backlog) != 0) return KernelStatus.Ok;

  marketAdvance(slot, core, ts, Trade.recvMonoNs(INBOX));
  core.tradeCount += 1;
  const mid = midBefore(touchOf(slot), ts);
  const reachBps = mid > 0 ? ((<f64>side * (px - mid)) / mid) * 1e4 : NaN;
  const isNewOrder = reachTrade(reachOf(slot), ts, side, sz, reachBps, KernelConfig.kappaWindowBps(slot));
  if (isNewOrder) hawkesExcite(hawkesOf(slot), ts, side, KernelConfig.hawkesBeta(slot));
  flowUpdate(flowOf(slot), ts, sz, side, KernelConfig.flowTauS(slot));
  const clock = clockOf(slot);
  clockFold(clock, ts, px, sz);
  const isDue =
    clock.threshold > 0
      ? clockIsDue(clock, clock.threshold)
      : clock.trades >= startTrades(KernelConfig.minTrades(slot), KernelConfig.minBuckets(slot));
  if (isDue) onBucket(slot, clock);
  return KernelStatus.Ok;
}

/** Mid before anything of this stamp: a book of the same stamp already shows the trade's own effect. 0: unknown. */
function midBefore(t: Touch, ts: i64): f64 {
  if (t.exchTs < ts) return t.mid;
  return t.prevExchTs < ts ? t.prevMid : 0;
}

function startTrades(minTrades: u32, minBuckets: u32): f64 {
  return clamp(Math.floor(<f64>minTrades / max(<f64>minBuckets, 1)), 1, 3);
}

function onBucket(slot: usize, clock: Clock): void {
  clock.bucketCount += 1;
  const endTs = clock.endTs;
  clockClear(clock);
  const reach = reachOf(slot);
  if (
    clock.threshold > 0 ||
    clock.bucketCount >= max(<f64>KernelConfig.minBuckets(slot), MIN_START_BUCKETS)
  ) {
    clock.threshold = clockAdapt(clock.threshold, reachVolumeRate(reach), KernelConfig.bucketTargetS(slot));
  }
  reachEstimate(
    reach,
    KernelConfig.kappaWindowBps(slot),
    KernelConfig.kappaPriorPerBps(slot),
    KernelConfig.kappaPriorCount(slot),
    KernelConfig.kappaMinPerBps(slot),
    KernelConfig.kappaMaxPerBps(slot),
  );
  // Mid at the close of the bucket: trade prices would carry the bid-ask bounce into the variance.
  const mid = touchOf(slot).mid;
  if (mid > 0 && returnFold(slot, endTs, mid)) regimeFold(slot, endTs);
}

// ---- the rest ----

/** Unknown values are NaN and keep the last known one. */
function onAssetCtx(slot: usize): i32 {
  if (!isFinite(AssetCtx.recvMonoNs(INBOX))) return KernelStatus.RejectedNotFinite;
  const core = coreOf(slot);
  core.markPx = known(AssetCtx.markPx(INBOX), core.markPx);
  core.oraclePx = known(AssetCtx.oraclePx(INBOX), core.oraclePx);
  core.fundingRate = known(AssetCtx.fundingRate(INBOX), core.fundingRate);
  core.openInterest = known(AssetCtx.openInterest(INBOX), core.openInterest);
  return KernelStatus.Ok;
}
function known(v: f64, last: f64): f64 {
  return isFinite(v) ? v : last;
}

/** Own fills only count here; the position comes from Position, so that no fill is counted twice. */
function onOwnFill(slot: usize): i32 {
  if (!isFinite(OwnFill.px(INBOX)) || !isFinite(OwnFill.sz(INBOX))) return KernelStatus.RejectedNotFinite;
  if (!isPx(OwnFill.px(INBOX)) || !isSz(OwnFill.sz(INBOX))) return KernelStatus.RejectedRange;
  coreOf(slot).ownFillCount += 1;
  return KernelStatus.Ok;
}

function onPosition(slot: usize): i32 {
  const lots = Position.posLots(INBOX);
  if (!isFinite(lots)) return KernelStatus.RejectedNotFinite;
  if (!within(lots, -1e15, 1e15)) return KernelStatus.RejectedRange;
  coreOf(slot).posLots = lots;
  return KernelStatus.Ok;
}

function onConfig(slot: usize): i32 {
  const status = configCheck(INBOX);
  if (status == KernelStatus.Ok) configTake(slot, INBOX);
  return status;
}

function onFeedStatus(slot: usize): i32 {
  const state = <i32>FeedStatus.state(INBOX);
  if (state > FeedState.Resync) return KernelStatus.RejectedRange;
  const core = coreOf(slot);
  core.feedState = state;
  if (state != FeedState.Live) {
    core.lastExchTs = 0;
    memory.fill(changetype<usize>(touchOf(slot)), 0, offsetof<Touch>());
    clockClear(clockOf(slot));
    returnsOf(slot).anchorPx = 0;
    returnsOf(slot).zeroRun = 0;
    fastOf(slot).prevAbs = -1;
    mediumOf(slot).prevAbs = -1;
    slowOf(slot).prevAbs = -1;
    const reach = reachOf(slot);
    reach.lastTs = 0;
    reach.pendingSide = 0;
  }
  return KernelStatus.Ok;
}
