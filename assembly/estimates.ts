/**
 * The outbox of estimates: what the kernel believes about an asset, for metrics, risk and explanations.
 *
 * Unknown values are 0, never NaN. Allocates: nothing.
 */
import { intensity, stationaryScale } from "./hawkes";
import { imbalanceOf } from "./imbalance";
import { reachArrival, reachVolumeRate } from "./kappa";
import { gridStep } from "./ladder";
import { ESTIMATES_SIZE, Estimates, KernelConfig, KernelStatus } from "./layout";
import { bookImbalanceNow } from "./market";
import {
  clockOf,
  coreOf,
  flowOf,
  hawkesOf,
  OUT_ESTIMATES,
  reachOf,
  regimeOf,
  returnsOf,
  SLOT_COUNT,
  secondsBetween,
  slotAt,
  touchOf,
} from "./memory";
import { fairOf, gateOf, kappaOf } from "./quote";
import { jumpRatioFast, sigmaCleanBps, sigmaEffectiveBps, sigmaFastBps, sigmaTotalBps } from "./returns";

/** Writes what is believed about asset `index` to the outbox. Unknown values are 0, never NaN. */
export function estimates(index: i32, nowMonoNs: f64): i32 {
  const out = OUT_ESTIMATES;
  memory.fill(out, 0, ESTIMATES_SIZE);
  let status = KernelStatus.Ok;
  if (index < 0 || index >= SLOT_COUNT) status = KernelStatus.RejectedSlot;
  else if (!isFinite(nowMonoNs)) status = KernelStatus.RejectedNotFinite;
  if (status != KernelStatus.Ok) {
    Estimates.setStatus(out, status);
    return status;
  }
  const slot = slotAt(index);
  const core = coreOf(slot);
  core.estimatesSeq += 1;
  const gate = gateOf(slot);
  Estimates.setMonoNs(out, nowMonoNs);
  Estimates.setExchTsNs(out, core.lastExchTs);
  Estimates.setSeq(out, <u32>core.estimatesSeq);
  Estimates.setAsset(out, <u16>index);
  Estimates.setStatus(out, gate);
  Estimates.setFeedState(out, <u8>core.feedState);
  Estimates.setPosLots(out, core.posLots);
  Estimates.setMarkPx(out, core.markPx);
  Estimates.setOraclePx(out, core.oraclePx);
  Estimates.setFundingRate(out, core.fundingRate);
  Estimates.setOpenInterest(out, core.openInterest);
  if (core.isConfigured == 0) return KernelStatus.NotConfigured;
  marketEstimates(out, slot);
  modelEstimates(out, slot);
  return gate;
}

function marketEstimates(out: usize, slot: usize): void {
  const core = coreOf(slot);
  const touch = touchOf(slot);
  const flow = flowOf(slot);
  const isWarm =
    core.tradeCount >= <f64>KernelConfig.minTrades(slot) &&
    clockOf(slot).bucketCount >= <f64>KernelConfig.minBuckets(slot);
  Estimates.setIsWarm(out, isWarm ? 1 : 0);
  Estimates.setTradeCount(out, core.tradeCount);
  Estimates.setBucketCount(out, clockOf(slot).bucketCount);
  Estimates.setBucketThresholdSz(out, clockOf(slot).threshold);
  Estimates.setFlowImbalance(out, imbalanceOf(flow.buy, flow.sell));
  Estimates.setBetaBook(out, KernelConfig.betaBook(slot));
  Estimates.setBetaFlow(out, KernelConfig.betaFlow(slot));
  if (!(touch.mid > 0)) return;
  const tickBps =
    ((gridStep(touch.mid / core.tick, KernelConfig.maxSigFigs(slot), core.wholeTicks) * core.tick) /
      touch.mid) *
    1e4;
  Estimates.setMidPx(out, touch.mid);
  Estimates.setMicroPx(out, fairOf(slot, tickBps));
  Estimates.setMarketSpreadBps(out, ((touch.askPx - touch.bidPx) / touch.mid) * 1e4);
  Estimates.setBookImbalance(out, bookImbalanceNow(touch));
}

function modelEstimates(out: usize, slot: usize): void {
  const reach = reachOf(slot);
  const returns = returnsOf(slot);
  Estimates.setRegime(out, <u8>regimeOf(slot).state);
  Estimates.setSigmaCleanBps(out, sigmaCleanBps(slot));
  Estimates.setSigmaTotalBps(out, sigmaTotalBps(slot));
  Estimates.setSigmaEffBps(out, sigmaEffectiveBps(slot));
  Estimates.setSigmaFastBps(out, sigmaFastBps(slot));
  Estimates.setSigmaBaseBps(out, returns.baseSigmaBps);
  Estimates.setJumpRatio(out, jumpRatioFast(slot));
  Estimates.setReturnCount(out, returns.count);
  Estimates.setKappaPerBps(out, kappaOf(slot));
  Estimates.setArrivalPerS(out, reachArrival(reach));
  Estimates.setOrderCount(out, reach.orderCount);
  Estimates.setVolumePerS(out, reachVolumeRate(reach));
  hawkesEstimates(out, slot);
}

/** Intensities decayed to the newest stamp, without touching the state. */
function hawkesEstimates(out: usize, slot: usize): void {
  const h = hawkesOf(slot);
  const beta = KernelConfig.hawkesBeta(slot);
  const mu = KernelConfig.hawkesMu(slot);
  const scale = stationaryScale(
    KernelConfig.hawkesAlphaSelf(slot),
    KernelConfig.hawkesAlphaCross(slot),
    beta,
  );
  const own = KernelConfig.hawkesAlphaSelf(slot) * scale;
  const cross = KernelConfig.hawkesAlphaCross(slot) * scale;
  const keep = Math.exp(-beta * secondsBetween(h.lastTs, coreOf(slot).lastExchTs));
  Estimates.setHawkesBuyPerS(out, intensity(mu, own, h.buyR * keep, cross, h.sellR * keep));
  Estimates.setHawkesSellPerS(out, intensity(mu, own, h.sellR * keep, cross, h.buyR * keep));
}
