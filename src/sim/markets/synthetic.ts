/**
 * A seeded, BTC-like market on an order-by-order book.
 *
 * An efficient price moves with stochastic volatility and rare jumps. Makers (house accounts) quote a band of levels around it,
 * displaced by the flow's transient impact, each refreshing only part of the time, so that some quotes are stale. Takers
 * come in two kinds: uninformed ones, a two-sided self-exciting (Hawkes) stream with heavy-tailed sizes and now and then a
 * sweep through many levels; and informed ones, who know the efficient price and take what is quoted on its wrong side. A client that quotes near the touch is so
 * filled by both: by bursts of flow, which revert, and by news, which does not.
 *
 *   dx = σ dW + jumps,  d ln σ = −(ln σ − ln σ̄)/τ dt + ξ dZ          (x: log efficient price)
 *   dm = −m/τm dt + impact · sign · √(notional share) per print      (m: transient displacement, bps)
 *   λs(t) = μ + Σ [α_self or α_cross] · e^(−β(t − ti))               (s: side of taker orders)
 *
 * Everything random comes from one seed; times are counted in blocks from the opening, so that the same seed gives the same
 * events whatever the clock says.
 *
 * Sources: Hawkes (1971); Bacry, Mastromatteo, Muzy (2015) for branching ratios of trade flow; Glosten and Milgrom (1985) for
 * the two kinds of takers.
 */
import { type Instrument, pow10, Rng, Side, stepTicks } from "../../domain/index.js";
import type { Account, SimOrder } from "../account.js";
import type { OrderSpec } from "../exchange.js";
import type { TradeWire } from "../listed-market.js";
import { BlockPublisher, instrumentOf, type MarketContext, type SimMarket } from "../market.js";
import { L3Book } from "../matching.js";

export interface SyntheticParams {
  readonly coin: string;
  readonly szDecimals: number;
  readonly maxLeverage: number;
  /** Opening price, USD. */
  readonly px: number;
  readonly blockMs: number;
  readonly l2BookMs: number;
  /** Mean volatility of the efficient price, bps per √s. */
  readonly sigmaBpsPerSqrtS: number;
  /** Relaxation time and relative size of volatility's own movement. */
  readonly sigmaTauS: number;
  readonly sigmaOfSigma: number;
  readonly jumpsPerHour: number;
  readonly jumpBps: number;
  /** Mean number of uninformed taker orders a second, both sides, self-excitation included. */
  readonly takersPerS: number;
  /** Share of taker orders caused by earlier ones of the same side, and of the other. */
  readonly branchSelf: number;
  readonly branchCross: number;
  readonly hawkesDecayPerS: number;
  /** Median size of an uninformed order in USD and the spread of its logarithm. */
  readonly takerUsd: number;
  readonly takerLogSd: number;
  /** Takers in a hurry (stops, liquidations): how often, how far from the mid on average, bps, and their largest size. */
  readonly sweepsPerMin: number;
  readonly sweepBps: number;
  readonly sweepUsd: number;
  /** Share of a sweep's distance by which the makers' mid follows, before it reverts. */
  readonly sweepImpact: number;
  /** Levels a side, at the smallest legal step. */
  readonly levels: number;
  readonly makers: number;
  /** Mean size of one maker order at the touch in USD; deeper levels grow by `depthGrowth` each. */
  readonly makerUsd: number;
  readonly depthGrowth: number;
  /** Probability that a maker looks at its quotes in a block, and that it pulls a good one anyway. */
  readonly makerAttention: number;
  readonly makerWhim: number;
  /** Displacement of the makers' mid by 1 σ-unit of flow, bps, and its half-life. */
  readonly impactBps: number;
  readonly impactTauS: number;
  /** How far a quote must be on the wrong side of the efficient price before an informed taker takes it, bps. */
  readonly informedEdgeBps: number;
  /** Probability that an informed taker looks at a block, and the most it takes, USD. */
  readonly informedAttention: number;
  readonly informedUsd: number;
}

/** Calibrated to Hyperliquid's BTC in September 2025: 110,000 USD, tick 1, spread mostly one tick. */
export const BTC_LIKE: SyntheticParams = {
  coin: "BTC",
  szDecimals: 5,
  maxLeverage: 40,
  px: 110_000,
  blockMs: 80,
  l2BookMs: 500,
  sigmaBpsPerSqrtS: 0.7,
  sigmaTauS: 120,
  sigmaOfSigma: 0.35,
  jumpsPerHour: 12,
  jumpBps: 6,
  takersPerS: 10,
  branchSelf: 0.4,
  branchCross: 0.1,
  hawkesDecayPerS: 4,
  takerUsd: 4_000,
  takerLogSd: 1.3,
  sweepsPerMin: 8,
  sweepBps: 2.5,
  sweepUsd: 2_000_000,
  sweepImpact: 0.4,
  levels: 20,
  makers: 2,
  makerUsd: 12_000,
  depthGrowth: 1.06,
  makerAttention: 0.9,
  makerWhim: 0.04,
  impactBps: 0.35,
  impactTauS: 2.5,
  informedEdgeBps: 0.4,
  informedAttention: 0.3,
  informedUsd: 20_000,
};

/**
 * The patient money behind the makers: one order every few steps, far deeper than they quote, looked at every few seconds. It
 * keeps both sides of the book alive when a sweep has taken all of a maker's levels.
 */
const DEEP = { firstStep: 25, everySteps: 10, levels: 30, sizeFactor: 6, refreshBlocks: 40 };

/** The opening replay of 30 trades must exist before the first subscriber does. */
const WARM_UP_TRADES = 30;

interface Maker {
  readonly account: Account;
  /** Own resting orders by price, per side. */
  readonly bids: Map<number, SimOrder>;
  readonly asks: Map<number, SimOrder>;
}

export class SyntheticMarket implements SimMarket {
  readonly coin: string;
  readonly instrument: Instrument;
  readonly book = new L3Book();
  readonly description: string;
  readonly isTape = false;
  readonly hasEnded = false;
  nextDueMs = Number.POSITIVE_INFINITY;

  private readonly priceRng: Rng;
  private readonly flowRng: Rng;
  private readonly makerRng: Rng;
  private context: MarketContext | undefined;
  private publisher: BlockPublisher | undefined;
  private makers: Maker[] = [];
  private deepMaker: Maker | undefined;
  private taker: Account | undefined;
  private informed: Account | undefined;
  /** Log efficient price, log of relative volatility, transient displacement in bps. */
  private logPx: number;
  private logVol = 0;
  private displacementBps = 0;
  private excitedBuy = 0;
  private excitedSell = 0;
  private openMs = 0;
  private blocks = 0;
  private isWarmingUp = false;
  private cascadeBlocks = 0;
  private cascadeLogStep = 0;

  constructor(
    readonly params: SyntheticParams,
    readonly seed: number,
  ) {
    this.coin = params.coin;
    this.description = `synthetic ${params.coin}, seed ${seed}`;
    this.instrument = instrumentOf(params.coin, params.szDecimals, params.maxLeverage);
    const rng = new Rng(seed);
    this.priceRng = rng.fork(`${params.coin}.price`);
    this.flowRng = rng.fork(`${params.coin}.flow`);
    this.makerRng = rng.fork(`${params.coin}.makers`);
    this.logPx = Math.log(params.px);
  }

  /** Efficient price in ticks (fractional). */
  get efficientTicks(): number {
    return Math.exp(this.logPx) * pow10(this.instrument.pxDecimals);
  }

  open(context: MarketContext, exchMs: number): void {
    this.context = context;
    this.publisher = new BlockPublisher(context, this.params.l2BookMs);
    const { exchange, market } = context;
    const address = (role: number): string =>
      `0x51${market.asset.toString(16).padStart(4, "0")}${role.toString(16).padStart(34, "0")}`;
    for (let i = 0; i < this.params.makers; i++) {
      this.makers.push({ account: exchange.addHouse(address(i + 1)), bids: new Map(), asks: new Map() });
    }
    this.deepMaker = { account: exchange.addHouse(address(0xd0)), bids: new Map(), asks: new Map() };
    this.taker = exchange.addHouse(address(0xa0));
    this.informed = exchange.addHouse(address(0xb0));
    this.warmUp(Math.floor(exchMs));
  }

  /** Lives through the time before the opening: quotes stand and the first trades exist when the server opens. */
  private warmUp(openMs: number): void {
    const { params } = this;
    const blocks = Math.ceil(
      Math.max(10, (3 * WARM_UP_TRADES) / params.takersPerS) / (params.blockMs / 1000),
    );
    this.openMs = openMs - blocks * params.blockMs;
    this.isWarmingUp = true;
    for (let i = 0; i < blocks; i++) this.block();
    this.isWarmingUp = false;
    this.context!.market.oracleTicks = Math.round(this.efficientTicks);
    this.context!.exchange.updateMark(this.context!.market, this.blockMs());
  }

  begin(exchMs: number): void {
    // A late begin (speed "max" waits for listeners) must not be followed by a burst of missed blocks.
    this.openMs = Math.max(this.openMs, Math.floor(exchMs) - this.blocks * this.params.blockMs);
    this.nextDueMs = this.openMs + (this.blocks + 1) * this.params.blockMs;
  }

  step(): void {
    this.block();
    this.context!.market.oracleTicks = Math.round(this.efficientTicks);
    this.publisher!.endBlock(this.blockMs());
    this.nextDueMs = this.openMs + (this.blocks + 1) * this.params.blockMs;
  }

  onTrade(trade: TradeWire): void {
    if (!this.isWarmingUp) this.publisher?.onTrade(trade);
  }

  afterAction(): void {
    // Public data waits for the end of the block.
  }

  close(): void {}

  jump(bps: number): void {
    this.logPx += bps * 1e-4;
  }

  cascade(bps: number, ms: number): void {
    this.cascadeBlocks = Math.max(1, Math.round(ms / this.params.blockMs));
    this.cascadeLogStep = (bps * 1e-4) / this.cascadeBlocks;
  }

  /** News that every block confirms: the price moves on and somebody who must trade takes all that is quoted near it. */
  private cascadeStep(): void {
    if (this.cascadeBlocks === 0) return;
    this.cascadeBlocks--;
    this.logPx += this.cascadeLogStep;
    this.sweep(this.cascadeLogStep > 0 ? Side.Buy : Side.Sell);
  }

  private blockMs(): number {
    return this.openMs + this.blocks * this.params.blockMs;
  }

  private block(): void {
    this.blocks++;
    const dtS = this.params.blockMs / 1000;
    this.movePrice(dtS);
    this.cascadeStep();
    this.uninformedFlow(dtS);
    for (const maker of this.makers) {
      if (this.makerRng.uniform() < this.params.makerAttention || this.blocks === 1) this.refresh(maker);
    }
    if (this.blocks % DEEP.refreshBlocks === 1) this.refreshDeep(this.deepMaker!);
    // After the makers: cancels and post-only orders of a block come before takers (reference 8.2), so that news costs
    // only those who did not look.
    if (this.flowRng.uniform() < this.params.informedAttention) this.informedTake();
  }

  private movePrice(dtS: number): void {
    const { params: p, priceRng } = this;
    const decay = Math.exp(-dtS / p.sigmaTauS);
    this.logVol = this.logVol * decay + p.sigmaOfSigma * Math.sqrt(1 - decay * decay) * priceRng.normal();
    // E[σ²] of the log-normal factor is taken out, so that the mean variance is the parameter's.
    const sigma = p.sigmaBpsPerSqrtS * 1e-4 * Math.exp(this.logVol - p.sigmaOfSigma ** 2);
    this.logPx += sigma * Math.sqrt(dtS) * priceRng.normal();
    if (priceRng.uniform() < (p.jumpsPerHour / 3600) * dtS)
      this.logPx += p.jumpBps * 1e-4 * priceRng.normal();
    this.displacementBps *= Math.exp(-dtS / p.impactTauS);
  }

  /** Takes every quote that is on the wrong side of the efficient price, up to a fair bite. */
  private informedTake(): void {
    const edge = this.params.informedEdgeBps * 1e-4;
    const fair = this.efficientTicks;
    const { book } = this;
    const size = this.usdToLots(this.params.informedUsd);
    if (book.bestAskTicks > 0 && book.bestAskTicks < fair * (1 - edge)) {
      this.send(this.informed!, Side.Buy, this.onStep(fair * (1 - edge), Side.Buy), size);
    } else if (book.bestBidTicks > fair * (1 + edge)) {
      this.send(this.informed!, Side.Sell, this.onStep(fair * (1 + edge), Side.Sell), size);
    }
  }

  private uninformedFlow(dtS: number): void {
    const { params: p, flowRng } = this;
    if (flowRng.uniform() < (p.sweepsPerMin / 60) * dtS)
      this.sweep(flowRng.uniform() < 0.5 ? Side.Buy : Side.Sell);
    const decay = Math.exp(-p.hawkesDecayPerS * dtS);
    this.excitedBuy *= decay;
    this.excitedSell *= decay;
    const baseRate = (p.takersPerS / 2) * (1 - p.branchSelf - p.branchCross);
    // Thinning within the block: intensities are constant between arrivals, and each arrival excites what is left of it.
    let leftS = dtS;
    for (;;) {
      const buyRate = baseRate + this.excitedBuy;
      const sellRate = baseRate + this.excitedSell;
      leftS -= flowRng.exponential(buyRate + sellRate);
      if (leftS <= 0) return;
      const isBuy = flowRng.uniform() * (buyRate + sellRate) < buyRate;
      this.excitedBuy += p.hawkesDecayPerS * (isBuy ? p.branchSelf : p.branchCross);
      this.excitedSell += p.hawkesDecayPerS * (isBuy ? p.branchCross : p.branchSelf);
      this.uninformedOrder(isBuy ? Side.Buy : Side.Sell);
    }
  }

  private uninformedOrder(side: Side): void {
    const { params: p, flowRng } = this;
    const usd = p.takerUsd * Math.exp(p.takerLogSd * flowRng.normal());
    const touch = side === Side.Buy ? this.book.bestAskTicks : this.book.bestBidTicks;
    if (touch === 0) return;
    const limit = this.onStep(touch * (1 + side * 10e-4), side);
    const szLots = this.usdToLots(Math.min(usd, p.makerUsd * 60));
    this.send(this.taker!, side, limit, szLots);
    this.displacementBps += side * p.impactBps * Math.min(3, Math.sqrt(usd / (10 * p.takerUsd)));
  }

  /** Takes everything up to a distance from the mid: the flow that reaches quotes standing back from the touch. */
  private sweep(side: Side): void {
    const { params: p, flowRng } = this;
    const { bestBidTicks, bestAskTicks } = this.book;
    if (bestBidTicks === 0 || bestAskTicks === 0) return;
    const distanceBps = flowRng.exponential(1 / p.sweepBps);
    const mid = (bestBidTicks + bestAskTicks) / 2;
    const limit = this.onStep(mid * (1 + side * distanceBps * 1e-4), side);
    this.send(this.taker!, side, limit, this.usdToLots(p.sweepUsd));
    this.displacementBps += side * p.sweepImpact * distanceBps;
  }

  private refresh(maker: Maker): void {
    const mid = this.efficientTicks * (1 + this.displacementBps * 1e-4);
    const step = stepTicks(this.instrument, Math.round(mid));
    // Each maker is a little optimistic or shy: half a step of private noise.
    const own = mid + step * 0.5 * (this.makerRng.uniform() - 0.5);
    this.refreshSide(maker, maker.bids, Side.Buy, Math.floor(own / step - 0.35) * step, step);
    this.refreshSide(maker, maker.asks, Side.Sell, Math.ceil(own / step + 0.35) * step, step);
  }

  private refreshSide(
    maker: Maker,
    quotes: Map<number, SimOrder>,
    side: Side,
    bestTicks: number,
    step: number,
  ): void {
    const { params: p, makerRng } = this;
    const deepest = bestTicks - side * step * (p.levels + 2);
    for (const [px, order] of quotes) {
      const isGood = order.level !== null && side * px <= side * bestTicks && side * px >= side * deepest;
      if (!isGood || makerRng.uniform() < p.makerWhim) this.withdraw(quotes, px, order);
    }
    for (let i = 0; i < p.levels; i++) {
      const usd = p.makerUsd * p.depthGrowth ** i * Math.exp(0.8 * makerRng.normal() - 0.32);
      this.quote(maker, quotes, side, bestTicks - side * step * i, usd);
    }
  }

  /** Orders on multiples of their spacing, so that most of them can stay where they are. */
  private refreshDeep(maker: Maker): void {
    const step = stepTicks(this.instrument, Math.round(this.efficientTicks)) * DEEP.everySteps;
    const centre = Math.round(this.efficientTicks / step) * step;
    const nearest = Math.ceil(DEEP.firstStep / DEEP.everySteps) * step;
    const furthest = nearest + DEEP.levels * step;
    for (const [side, quotes] of [
      [Side.Buy, maker.bids],
      [Side.Sell, maker.asks],
    ] as const) {
      for (const [px, order] of quotes) {
        const distance = side * (centre - px);
        if (order.level === null || distance < nearest || distance > furthest)
          this.withdraw(quotes, px, order);
      }
      for (let distance = nearest; distance < furthest; distance += step) {
        const usd = this.params.makerUsd * DEEP.sizeFactor * Math.exp(0.8 * this.makerRng.normal() - 0.32);
        this.quote(maker, quotes, side, centre - side * distance, usd);
      }
    }
  }

  private withdraw(quotes: Map<number, SimOrder>, px: number, order: SimOrder): void {
    if (order.level !== null) this.context!.exchange.cancel(order, this.blockMs());
    quotes.delete(px);
  }

  private quote(maker: Maker, quotes: Map<number, SimOrder>, side: Side, px: number, usd: number): void {
    if (px <= 0 || quotes.has(px)) return;
    // Somebody's quote stands in the way: an informed taker will deal with it, a maker does not cross.
    const wall = side === Side.Buy ? this.book.bestAskTicks : this.book.bestBidTicks;
    if (wall > 0 && side * px >= side * wall) return;
    const spec = this.spec(side, px, this.usdToLots(usd), "Alo");
    const { order } = this.context!.exchange.place(maker.account, spec, this.blockMs());
    if (order?.status === "open") quotes.set(px, order);
  }

  private send(account: Account, side: Side, limitTicks: number, szLots: number): void {
    this.context!.exchange.place(account, this.spec(side, limitTicks, szLots, "Ioc"), this.blockMs());
  }

  private spec(side: Side, pxTicks: number, szLots: number, tif: OrderSpec["tif"]): OrderSpec {
    return {
      market: this.context!.market,
      side,
      pxTicks,
      szLots,
      tif,
      isReduceOnly: false,
      cloid: undefined,
    };
  }

  /** The legal price at or beyond `ticks` that is not worse for the taker. */
  private onStep(ticks: number, side: Side): number {
    const step = stepTicks(this.instrument, Math.round(ticks));
    return (side === Side.Buy ? Math.floor(ticks / step) : Math.ceil(ticks / step)) * step;
  }

  private usdToLots(usd: number): number {
    const px = Math.exp(this.logPx);
    return Math.max(1, Math.round((usd / px) * pow10(this.instrument.szDecimals)));
  }
}
