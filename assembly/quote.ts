/**
 * Composition of a quote: estimates and inventory in, a ladder with each of its terms out.
 *
 *     x = s0 + G/2 + fee + AS0 e^(-x/d0)                         what a fill must earn (glft, ladder)
 *     half-spread = m max(x, floor + G/2)                        m = spread_mult
 *     skew = (q/Qmax) gamma sigma^2 T, at most max_skew_ratio half-spreads either way
 *     bid_i = fair (1 - d_i - skew),  ask_i = fair (1 + d_i - skew),   d_1 = half-spread
 *
 * with gamma = gamma_per_bps gamma_mult, s0 = 1/kappa and G of `glft.ts`. G/2 stands outside the maximum on purpose: where a floor
 * binds, aversion and volatility must still widen (law: half-spread and skew rise strictly with gamma, sigma and the multipliers). AS
 * falls as depth grows, but by less than depth grows, so the root x keeps the order.
 *
 * | strategy        | half-spread                                   | skew | levels                    |
 * |-----------------|-----------------------------------------------|------|---------------------------|
 * | symmetric       | m max(configured, floor): the user's own number, gamma has no say | no | 1       |
 * | inventory_aware | m (max(configured, floor) + G/2)              | yes  | 1                         |
 * | glft            | as above                                      | yes  | 1, the optimal depth      |
 * | ladder          | as above, floor = max(floor, min_depth)       | yes  | level_count, to m max_depth |
 *
 * All in bps, per bps, bps/sqrt(s). T = horizon_s, or the horizon that reproduces the GLFT slope when it is 0. Every term is published,
 * also when the status is not Ok. Fees enter additively; the factor e^(kappa phi/2) on G (models.md 5.4) is left out: it
 * extrapolates the exponential far beyond where reach was observed.
 *
 * Allocates: nothing. Source: models.md 5.6-5.8, 6; DESIGN §4.
 */

import {
  adverseSelection,
  depthPaying,
  equivalentHorizon,
  halfSpreadFloor,
  inventorySkew,
  inventorySlope,
  staticHalfSpread,
} from "./glft";
import { imbalanceOf } from "./imbalance";
import { reachArrival } from "./kappa";

import { askLimit, bidLimit, gridStep, ladderDepths, ladderSide, ladderWeights } from "./ladder";
import {
  FeedState,
  KernelConfig,
  KernelStatus,
  LADDER_SIZE,
  LAYOUT_HASH,
  Ladder,
  StrategyType,
} from "./layout";
import { bookImbalanceNow } from "./market";
import {
  clamp,
  clockOf,
  coreOf,
  flowOf,
  OUT_LADDER,
  reachOf,
  regimeOf,
  SLOT_COUNT,
  slotAt,
  touchOf,
  WORK,
  WORK_ARRAY_BYTES,
} from "./memory";
import { microprice } from "./microprice";
import { sigmaCleanBps, sigmaEffectiveBps } from "./returns";

const DEPTHS: usize = WORK;
const LOTS: usize = WORK + WORK_ARRAY_BYTES;

/** Hash of the record layouts this kernel was compiled with; the host refuses another. */
export function layoutHash(): u32 {
  return LAYOUT_HASH;
}

/** Why the asset would not be quoted, before pricing; Ok when nothing stands in the way. Each gate opens by market data alone. */
export function gateOf(slot: usize): i32 {
  const core = coreOf(slot);
  if (core.isConfigured == 0) return KernelStatus.NotConfigured;
  if (core.feedState != FeedState.Live) return KernelStatus.FeedNotLive;
  if (!(touchOf(slot).mid > 0)) return KernelStatus.NoBook;
  if (core.tradeCount < <f64>KernelConfig.minTrades(slot)) return KernelStatus.WarmUpTrades;
  if (clockOf(slot).bucketCount < <f64>KernelConfig.minBuckets(slot)) return KernelStatus.WarmUpBuckets;
  if (KernelConfig.sizeMult(slot) == 0) return KernelStatus.Halted;
  return KernelStatus.Ok;
}

/**
 * Computes the ladder of asset `index` into the outbox and returns its status. Not Ok: no quotes, the terms filled where known.
 * `nowMonoNs` (engine time, finite) stamps the ladder; no estimate depends on it.
 */
export function quote(index: i32, nowMonoNs: f64): i32 {
  const out = OUT_LADDER;
  memory.fill(out, 0, LADDER_SIZE);
  let status = KernelStatus.Ok;
  if (index < 0 || index >= SLOT_COUNT) status = KernelStatus.RejectedSlot;
  else if (!isFinite(nowMonoNs)) status = KernelStatus.RejectedNotFinite;
  if (status == KernelStatus.Ok) {
    const slot = slotAt(index);
    stamp(out, slot, index, nowMonoNs);
    status = gateOf(slot);
    if (coreOf(slot).isConfigured != 0) {
      const priced = priceTerms(out, slot);
      if (status == KernelStatus.Ok) status = priced;
      if (status == KernelStatus.Ok) status = placeLevels(out, slot);
    }
  }
  Ladder.setStatus(out, status);
  return status;
}

function stamp(out: usize, slot: usize, index: i32, nowMonoNs: f64): void {
  const core = coreOf(slot);
  core.ladderSeq += 1;
  Ladder.setSeq(out, <u32>core.ladderSeq);
  Ladder.setAsset(out, <u16>index);
  Ladder.setCauseRecvMonoNs(out, core.lastRecvMonoNs);
  Ladder.setCauseKind(out, <u8>core.lastKind);
  Ladder.setKernelStartMonoNs(out, nowMonoNs);
  Ladder.setExchTsNs(out, core.lastExchTs);
  Ladder.setRegime(out, <u8>regimeOf(slot).state);
  Ladder.setPosLots(out, core.posLots);
}

/** Fills every term; Ok when a price can be made of them. */
function priceTerms(out: usize, slot: usize): i32 {
  const strategy = <i32>KernelConfig.strategy(slot);
  const touch = touchOf(slot);
  const core = coreOf(slot);
  const sigma = sigmaEffectiveBps(slot);
  const kappa = kappaOf(slot);
  const arrival = reachArrival(reachOf(slot));
  const gamma = KernelConfig.gammaPerBps(slot) * KernelConfig.gammaMult(slot);
  const mult = KernelConfig.spreadMult(slot);
  const fee = KernelConfig.makerFeeBps(slot);
  const mid = touch.mid;
  const tickBps =
    mid > 0
      ? ((gridStep(mid / core.tick, KernelConfig.maxSigFigs(slot), core.wholeTicks) * core.tick) / mid) * 1e4
      : 0;

  const slope = inventorySlope(gamma, 0, kappa, arrival, sigma, 1);
  const isOptimal = strategy == StrategyType.Glft || strategy == StrategyType.Ladder;
  const still = isOptimal ? staticHalfSpread(0, kappa, 1) : KernelConfig.symmetricHalfSpreadBps(slot);
  const inventory = strategy == StrategyType.Symmetric ? 0 : slope / 2;
  let floor = halfSpreadFloor(fee, tickBps, sigmaCleanBps(slot), KernelConfig.latencyFloorS(slot));
  if (strategy == StrategyType.Ladder) floor = max(floor, KernelConfig.minDepthBps(slot));
  const as0 = KernelConfig.as0Bps(slot);
  const asDecay = KernelConfig.asDecayBps(slot);
  const earned = isOptimal ? depthPaying(still + inventory + fee, as0, asDecay) : still + inventory;
  const half = max(earned, floor + inventory) * mult;

  const orders = KernelConfig.maxPosLots(slot) / max(KernelConfig.sideSzLots(slot), 1);
  const horizon =
    KernelConfig.horizonS(slot) > 0
      ? KernelConfig.horizonS(slot)
      : clamp(equivalentHorizon(slope, gamma, sigma, orders), 1, 3600);
  const rawSkew =
    strategy == StrategyType.Symmetric
      ? 0
      : inventorySkew(core.posLots / KernelConfig.maxPosLots(slot), gamma, sigma, horizon);
  const cap = KernelConfig.maxSkewRatio(slot) * half;

  Ladder.setHalfSpreadBps(out, half);
  Ladder.setStaticHalfSpreadBps(out, still);
  Ladder.setInventoryHalfSpreadBps(out, inventory);
  Ladder.setAsBps(out, adverseSelection(as0, asDecay, half));
  Ladder.setFeeBps(out, fee);
  Ladder.setFloorBps(out, floor);
  Ladder.setSigmaBps(out, sigma);
  Ladder.setKappaPerBps(out, kappa);
  Ladder.setGammaPerBps(out, gamma);
  Ladder.setArrivalPerS(out, arrival);
  Ladder.setHorizonS(out, horizon);
  Ladder.setSpreadMult(out, mult);
  Ladder.setRawSkewBps(out, rawSkew);
  Ladder.setSkewBps(out, clamp(rawSkew, -cap, cap));
  if (!(mid > 0)) return KernelStatus.NoBook;
  Ladder.setBestBidPx(out, touch.bidPx);
  Ladder.setBestAskPx(out, touch.askPx);
  Ladder.setMidPx(out, mid);
  Ladder.setFairPx(out, fairOf(slot, tickBps));
  const reach = half + abs(Ladder.skewBps(out));
  return half > 0 && isFinite(reach) && reach < 1e4 ? KernelStatus.Ok : KernelStatus.NotQuotable;
}

/** The smoothed kappa within the bounds of the config in force, which may be newer than the estimate. */
export function kappaOf(slot: usize): f64 {
  return clamp(
    reachOf(slot).kappaPerBps,
    KernelConfig.kappaMinPerBps(slot),
    KernelConfig.kappaMaxPerBps(slot),
  );
}

/** Microprice; the adjustment is worth at most half the market's spread and a tick. */
export function fairOf(slot: usize, tickBps: f64): f64 {
  const touch = touchOf(slot);
  const flow = flowOf(slot);
  const spreadBps = ((touch.askPx - touch.bidPx) / touch.mid) * 1e4;
  const clampBps = min(KernelConfig.microClampBps(slot), spreadBps / 2 + tickBps);
  return microprice(
    touch.mid,
    KernelConfig.betaBook(slot),
    KernelConfig.betaFlow(slot),
    bookImbalanceNow(touch),
    imbalanceOf(flow.buy, flow.sell),
    clampBps,
  );
}

function placeLevels(out: usize, slot: usize): i32 {
  const half = Ladder.halfSpreadBps(out);
  const isLadder = KernelConfig.strategy(slot) == StrategyType.Ladder;
  const count = isLadder ? <i32>KernelConfig.levelCount(slot) : 1;
  const deepest = KernelConfig.maxDepthBps(slot) * KernelConfig.spreadMult(slot);
  // What pays lies beyond the depth the user allows: say so, rather than quote where he did not ask for it.
  if (isLadder && half > deepest) return KernelStatus.NoProfitableLevel;
  ladderDepths(DEPTHS, count, half, max(deepest, half), KernelConfig.spacing(slot));
  const side = KernelConfig.sideSzLots(slot) * KernelConfig.sizeMult(slot);
  if (isLadder) {
    // With few levels a cap below their equal share would leave size unused for no reason of risk.
    const cap = max(KernelConfig.levelWeightCap(slot), 1 / <f64>count);
    const sum = ladderWeights(
      LOTS,
      DEPTHS,
      count,
      half,
      Ladder.kappaPerBps(out),
      KernelConfig.as0Bps(slot),
      KernelConfig.asDecayBps(slot),
      KernelConfig.makerFeeBps(slot),
      cap,
      0,
    );
    if (!(sum > 0)) return KernelStatus.NoProfitableLevel;
  } else {
    store<f64>(LOTS, 1);
  }
  for (let i = 0; i < count; i++) {
    const at = LOTS + ((<usize>i) << 3);
    store<f64>(at, load<f64>(at) * side);
  }
  const core = coreOf(slot);
  const fair = Ladder.fairPx(out);
  const skew = Ladder.skewBps(out) * 1e-4;
  const sigFigs = <i32>KernelConfig.maxSigFigs(slot);
  const minNotional = KernelConfig.minNotionalUsd(slot);
  const maxPos = KernelConfig.maxPosLots(slot);
  const touch = touchOf(slot);
  const bids = ladderSide(
    Ladder.bidsAt(out, 0),
    true,
    fair,
    skew,
    DEPTHS,
    LOTS,
    count,
    core.tick,
    core.lot,
    sigFigs,
    core.wholeTicks,
    minNotional,
    maxPos - core.posLots,
    bidLimit(touch.askPx, fair, core.tick),
  );
  const asks = ladderSide(
    Ladder.asksAt(out, 0),
    false,
    fair,
    skew,
    DEPTHS,
    LOTS,
    count,
    core.tick,
    core.lot,
    sigFigs,
    core.wholeTicks,
    minNotional,
    maxPos + core.posLots,
    askLimit(touch.bidPx, fair, core.tick),
  );
  if (bids + asks == 0) return KernelStatus.NotQuotable;
  Ladder.setBidCount(out, <u8>bids);
  Ladder.setAskCount(out, <u8>asks);
  return KernelStatus.Ok;
}
