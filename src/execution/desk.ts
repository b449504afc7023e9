import type { Cloid, Instrument } from "../domain/index.js";
import { pow10, Side } from "../domain/index.js";
import { RiskAggregator, type RiskLimits, type RiskState, type RiskView, Severity } from "../risk/index.js";
import type { LadderView } from "./ladder-view.js";
import { Ledger } from "./ledger.js";
import { type AdverseSelectionOptions, Markouts } from "./markouts.js";
import type { OwnOrder } from "./order-book.js";
import { Plan, TargetSide } from "./reconcile.js";

/** How one asset is executed. */
export interface AssetParams {
  readonly instrument: Instrument;
  readonly limits: RiskLimits;
  /** Requote threshold: an order this close to its target keeps its place. */
  readonly maxBpsDiff: number;
  /** Relative size difference that is not worth the place in the queue. Default 0.1. */
  readonly sizeTolerance?: number;
  /** Least time between two plans of the asset. Default 0: every ladder. */
  readonly minRequoteMs?: number;
  /** Unanswered batches (cancel, modify and place count one each) beyond which no further plan is made. Default 3. */
  readonly maxBatchesInFlight?: number;
  /** Most modifies plus placements of one plan. Default 40. */
  readonly maxOpsPerPlan?: number;
  /** Orders of this asset that may rest or be about to. Default 64. */
  readonly maxOrders?: number;
  /** Requests that a dollar traded here refills. Default 1; the venue counts a tenth in growth-mode markets. */
  readonly requestsPerUsd?: number;
  readonly adverseSelection?: Partial<AdverseSelectionOptions>;
}

/** A modify in flight holds two legs, the other batches one. */
export interface Batch {
  readonly kind: "place" | "modify" | "cancel" | "orphan";
  readonly asset: number;
  readonly sentMonoNs: number;
  readonly orders: readonly OwnOrder[];
  /** New legs of a modify, by index. */
  readonly fresh: readonly OwnOrder[];
  readonly orphans: readonly Cloid[];
  isOverdue: boolean;
}

/** Ladder values kept between events: the board's record is gone when an ack makes room for the rest of a plan. */
export class KeptLadder {
  readonly bids = new TargetSide();
  readonly asks = new TargetSide();
  /** Why this ladder cannot be acted upon; empty when it can. */
  gate = "no ladder";
  readMonoNs = 0;
  causeRecvMonoNs = 0;
  midPx = 0;
  fairPx = 0;
  bestBidPx = 0;
  bestAskPx = 0;
  seq = 0;

  copy(view: LadderView, nowMonoNs: number): void {
    this.gate = "";
    this.readMonoNs = nowMonoNs;
    this.causeRecvMonoNs = view.causeRecvMonoNs;
    // A ladder without a price (warm-up, halted) does not make the position worthless.
    if (view.midPx > 0) this.midPx = view.midPx;
    this.fairPx = view.fairPx;
    this.bestBidPx = view.bestBidPx;
    this.bestAskPx = view.bestAskPx;
    this.seq = view.seq;
    this.bids.clear();
    this.asks.clear();
    for (let i = 0; i < view.bidCount; i++) this.bids.push(view.bidPxTicks(i), view.bidSzLots(i));
    for (let i = 0; i < view.askCount; i++) this.asks.push(view.askPxTicks(i), view.askSzLots(i));
  }
}

/** The asset's share of the executor's counters, for metrics by asset. */
export interface DeskCounts {
  quotes: number;
  ordersPlaced: number;
  ordersModified: number;
  ordersCancelled: number;
  ordersRejected: number;
}

/** Everything the executor knows about one asset. */
export class Desk {
  readonly counts: DeskCounts = {
    quotes: 0,
    ordersPlaced: 0,
    ordersModified: 0,
    ordersCancelled: 0,
    ordersRejected: 0,
  };
  readonly asset: number;
  readonly instrument: Instrument;
  readonly limits: RiskLimits;
  readonly ledger: Ledger;
  readonly markouts: Markouts;
  readonly aggregator: RiskAggregator;
  readonly plan = new Plan();
  readonly kept = new KeptLadder();
  readonly view: RiskView;
  readonly riskState: RiskState = {
    sessionPnlUsd: 0,
    equityUsd: 0,
    peakEquityUsd: 0,
    posLots: 0,
    positionValueUsd: 0,
    dataAgeS: Number.NaN,
    hasQuoted: false,
    rateLimitErrors: 0,
    rejects: 0,
  };
  readonly working: OwnOrder[] = [];
  readonly sizeTolerance: number;
  readonly minRequoteNs: number;
  readonly maxBatchesInFlight: number;
  readonly maxOps: number;
  readonly maxOrders: number;
  readonly maxBpsDiff: number;
  readonly requestsPerUsd: number;

  severity: Severity = Severity.None;
  /** Why it does not quote; empty while it does. */
  gate = "starting";
  isReduceOnly = false;
  isDirty = false;
  isStaleLogged = false;
  hasQuoted = false;
  batchesInFlight = 0;
  lastPlanMonoNs = Number.NEGATIVE_INFINITY;
  /** Newest sign of life of the asset's feed. */
  lastDataMonoNs = Number.NaN;
  /** No placement or change before this time: the venue asked for a pause. */
  pausedUntilMonoNs = 0;
  pauseGate = "rate limited";
  pauseDoublings = 0;
  /** Only reducing orders before this time: a refusal asked for it. */
  holdUntilMonoNs = 0;
  holdNs = 0;
  holdCause = "";
  /** A cap of the venue's lets orders only reduce the position, until that is taken back; empty: none. */
  capCause = "";
  /** Newest plan that sent a placement or change. */
  lastRequestMonoNs = Number.NEGATIVE_INFINITY;
  /** Unrealised profit that was there before this session. */
  startUnrealizedUsd = 0;
  /** Received less paid since the session began. */
  fundingUsd = 0;
  peakPnlUsd = 0;
  /** By monitor: its warning is in the log. */
  readonly isWarned: boolean[] = [];

  constructor(readonly params: AssetParams) {
    this.instrument = params.instrument;
    this.asset = params.instrument.asset;
    this.limits = params.limits;
    this.ledger = new Ledger(this.instrument);
    this.markouts = new Markouts(params.adverseSelection);
    this.aggregator = new RiskAggregator(params.limits);
    this.sizeTolerance = params.sizeTolerance ?? 0.1;
    this.minRequoteNs = (params.minRequoteMs ?? 0) * 1e6;
    this.maxBatchesInFlight = params.maxBatchesInFlight ?? 3;
    this.maxOps = params.maxOpsPerPlan ?? 40;
    this.maxOrders = params.maxOrders ?? 64;
    this.maxBpsDiff = params.maxBpsDiff;
    this.requestsPerUsd = params.requestsPerUsd ?? 1;
    this.view = {
      instrument: this.instrument,
      limits: this.limits,
      isKilled: false,
      isReduceOnly: false,
      midPx: 0,
      bestBidTicks: 0,
      bestAskTicks: 0,
      posLots: 0,
      openBuyLots: 0,
      openSellLots: 0,
      openOrders: 0,
      ownBestBidTicks: 0,
      ownBestAskTicks: 0,
    };
  }

  /** Realised + unrealised − fees + funding since the session began, USD, marked at the newest mid. */
  get sessionPnlUsd(): number {
    const { ledger, fundingUsd } = this;
    return (
      ledger.realizedPnlUsd - ledger.feesUsd + fundingUsd + this.unrealizedPnlUsd - this.startUnrealizedUsd
    );
  }

  get unrealizedPnlUsd(): number {
    // Before the first mid nothing has changed since the start.
    return this.kept.midPx > 0 ? this.ledger.unrealizedPnlUsd(this.kept.midPx) : this.startUnrealizedUsd;
  }

  get positionValueUsd(): number {
    return (Math.abs(this.ledger.posLots) / pow10(this.instrument.szDecimals)) * this.kept.midPx;
  }

  /** Brings the risk view and the list of working orders up to date with the book. Allocates: nothing. */
  refresh(orders: readonly OwnOrder[], openOrders: number): void {
    const { view, working, kept } = this;
    const perPx = pow10(this.instrument.pxDecimals);
    let count = 0;
    view.isReduceOnly = this.isReduceOnly;
    view.midPx = kept.midPx;
    view.bestBidTicks = Math.round(kept.bestBidPx * perPx);
    view.bestAskTicks = Math.round(kept.bestAskPx * perPx);
    view.posLots = this.ledger.posLots;
    view.openOrders = openOrders;
    view.openBuyLots = 0;
    view.openSellLots = 0;
    view.ownBestBidTicks = 0;
    view.ownBestAskTicks = 0;
    for (const o of orders) {
      if (o.side === Side.Buy) view.openBuyLots += o.exposureLots;
      else view.openSellLots += o.exposureLots;
      if (o.isTerminal) continue;
      working[count++] = o;
      if (o.side === Side.Buy) {
        if (o.pxTicks > view.ownBestBidTicks) view.ownBestBidTicks = o.pxTicks;
      } else if (view.ownBestAskTicks === 0 || o.pxTicks < view.ownBestAskTicks) {
        view.ownBestAskTicks = o.pxTicks;
      }
    }
    // As many as last time, as a rule: setting a length costs.
    if (working.length !== count) working.length = count;
  }
}
