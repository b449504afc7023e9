/**
 * Funding: premium samples, the hourly rate, and the payment at the oracle price.
 *
 * Longs pay what shorts receive; each payment is rounded to a micro-unit and what rounding leaves goes to the dex's pot, so
 * that nothing appears or vanishes. Source: reference/hyperliquid-api.md 8.10.
 */
import { Side } from "../domain/index.js";
import type { ExchangeState } from "./exchange-state.js";
import type { Market, PerpMarket } from "./listed-market.js";
import { type BookView, bookView } from "./matching.js";
import { dec, decOf } from "./wire.js";

export interface FundingOptions {
  /** The venue pays each full hour; shorter for tests. The rate is per payment, whatever the interval. */
  readonly fundingIntervalMs: number;
  readonly premiumSampleMs: number;
}

const CLAMP = 0.0005;
const RATE_MAX = 0.04;
const ROWS_KEPT = 5000;
/** Rates have ten decimals on the wire and are paid as shown. */
const RATE_DECIMALS = 10;
const IMPACT_USD = 6000;
const IMPACT_USD_MAJOR = 20_000;
const deepView = bookView(400);

/** Hourly rate from a mean premium over 8-hour terms. */
export function hourlyRate(premium: number, interestRate8h: number): number {
  const eight = premium + Math.max(-CLAMP, Math.min(CLAMP, interestRate8h - premium));
  const hourly = Math.max(-RATE_MAX, Math.min(RATE_MAX, eight / 8));
  return Math.round(hourly * 1e10) / 1e10;
}

/** Premium of one sample: of the first dex a band around the impact prices, of a HIP-3 dex their middle. */
export function premiumOf(
  impactBid: number,
  impactAsk: number,
  oracle: number,
  isFirstDex: boolean,
  multiplier: number,
): number {
  if (isFirstDex) return (Math.max(impactBid - oracle, 0) - Math.max(oracle - impactAsk, 0)) / oracle;
  return ((0.5 * (impactBid + impactAsk)) / oracle - 1) * multiplier;
}

/** Average price of taking `usd` from one side, in fractional ticks; undefined when the book does not hold so much. */
export function impactTicks(
  market: Market,
  side: Side,
  usd: number,
  view: BookView = deepView,
): number | undefined {
  market.book.view(view, view.capacity);
  const isBuy = side === Side.Buy;
  const count = isBuy ? view.askCount : view.bidCount;
  const px = isBuy ? view.askPxTicks : view.bidPxTicks;
  const sz = isBuy ? view.askSzLots : view.bidSzLots;
  let left = usd * market.unitsPerQuote;
  let lots = 0;
  for (let i = 0; i < count; i++) {
    const level = px[i]! * sz[i]!;
    if (level >= left) return (usd * market.unitsPerQuote) / (lots + left / px[i]!);
    left -= level;
    lots += sz[i]!;
  }
  return undefined;
}

const baseName = (coin: string): string => coin.slice(coin.indexOf(":") + 1);

export class Funding {
  private nextSampleMs = Number.NEGATIVE_INFINITY;
  private nextPaymentMs: number | undefined;

  constructor(
    private readonly state: ExchangeState,
    private readonly options: FundingOptions,
  ) {}

  advance(exchMs: number): void {
    const { fundingIntervalMs, premiumSampleMs } = this.options;
    if (exchMs >= this.nextSampleMs) {
      for (const market of this.state.perpMarkets()) this.sample(market);
      this.nextSampleMs = exchMs + premiumSampleMs;
    }
    this.nextPaymentMs ??= (Math.floor(exchMs / fundingIntervalMs) + 1) * fundingIntervalMs;
    while (exchMs >= this.nextPaymentMs) {
      this.settle(this.nextPaymentMs);
      this.nextPaymentMs += fundingIntervalMs;
    }
  }

  /** When the next payment is due; undefined before the first `advance`. */
  get nextPaymentAtMs(): number | undefined {
    return this.nextPaymentMs;
  }

  /** One look at the impact prices. Nothing is counted while they do not exist. */
  sample(market: PerpMarket): void {
    const usd = /^(BTC|ETH)$/.test(baseName(market.coin)) ? IMPACT_USD_MAJOR : IMPACT_USD;
    const bid = impactTicks(market, Side.Sell, usd);
    const ask = impactTicks(market, Side.Buy, usd);
    market.impactTicks = bid === undefined || ask === undefined ? undefined : [bid, ask];
    const oracle = market.indexTicks;
    if (bid === undefined || ask === undefined || oracle === 0) {
      market.lastPremium = undefined;
      return;
    }
    const { dex, fundingMultiplier } = market.perp;
    market.lastPremium = premiumOf(bid, ask, oracle, dex.index === 0, fundingMultiplier);
    market.premiumSum += market.lastPremium;
    market.premiumCount++;
  }

  /** The rate that would be paid now. */
  rate(market: PerpMarket): number {
    return hourlyRate(meanPremium(market), market.perp.interestRate8h);
  }

  settle(exchMs: number): void {
    this.state.nowMs = Math.floor(exchMs);
    this.state.inTransaction(() => {
      for (const market of this.state.perpMarkets()) this.settleMarket(market);
    });
  }

  private settleMarket(market: PerpMarket): void {
    const oracle = market.indexTicks;
    if (oracle === 0) return;
    const { state } = this;
    const premium = meanPremium(market);
    const rate = this.rate(market);
    const row = {
      coin: market.coin,
      fundingRate: decOf(rate, RATE_DECIMALS),
      premium: decOf(premium, RATE_DECIMALS),
      time: state.nowMs,
    };
    market.fundingRows.push(row);
    if (market.fundingRows.length >= ROWS_KEPT * 2) market.fundingRows.splice(0, ROWS_KEPT);
    market.premiumSum = 0;
    market.premiumCount = 0;
    const { dex } = market.perp;
    for (const account of state.allAccounts()) {
      const p = account.positions[market.asset];
      if (p === undefined || p.szLots === 0) continue;
      const received = Math.round(-p.szLots * oracle * market.microPerUnit * rate) || 0;
      if (p.isCross) account.clearinghouse(dex.index).balanceMicroUsd += received;
      else p.isolatedMicroUsd += received;
      state.dexPot(dex.index).funding -= received;
      p.fundingAllTimeMicroUsd -= received;
      p.fundingSinceChangeMicroUsd -= received;
      p.fundingSinceOpenMicroUsd -= received;
      if (account.isHouse) continue;
      const payment = {
        time: state.nowMs,
        hash: state.hash,
        delta: {
          type: "funding",
          coin: market.coin,
          usdc: dec(received, 6),
          szi: dec(p.szLots, market.szDecimals),
          fundingRate: row.fundingRate,
          nSamples: null,
        },
      } as const;
      account.recordFunding(payment);
      state.events.onFunding?.(account, payment);
    }
  }
}

const meanPremium = (m: Market): number => (m.premiumCount === 0 ? 0 : m.premiumSum / m.premiumCount);
