/**
 * A listed market: its grid and rules, its book, and what the public sees of it.
 */
import { type Instrument, pow10 } from "../domain/index.js";
import { Candles } from "./candles.js";
import { MarkPrice } from "./mark.js";
import type { MatchingBook } from "./matching.js";
import type { MarginMode, MarginTable, SpotListing, Token } from "./universe.js";

/** A print as the public feed shows it (reference 2.4). */
export interface TradeWire {
  readonly coin: string;
  readonly side: "B" | "A";
  readonly px: string;
  readonly sz: string;
  readonly time: number;
  readonly hash: string;
  readonly tid: number;
  readonly users: readonly [string, string];
}

/** A row of `fundingHistory` (reference 3.8). */
export interface FundingRow {
  readonly coin: string;
  readonly fundingRate: string;
  readonly premium: string;
  readonly time: number;
}

/** A perp dex with its clearinghouse; index 0 is the first dex. */
export interface Dex {
  readonly index: number;
  readonly name: string;
  readonly fullName: string;
  readonly deployer: string;
  readonly collateral: Token;
  readonly deployerFeeScale: number;
  readonly totalOiCapUsd: number;
  readonly maxTransferUsd: number;
  /** In wire order: the position is the index in the dex's `meta.universe`. */
  readonly markets: PerpMarket[];
}

/** What makes a market a perpetual. */
export interface PerpTerms {
  readonly dex: Dex;
  readonly indexInDex: number;
  readonly marginTable: MarginTable;
  readonly marginMode: MarginMode;
  readonly isGrowthMode: boolean;
  readonly fundingMultiplier: number;
  readonly interestRate8h: number;
}

/** What makes a market a spot pair. */
export interface SpotTerms {
  readonly listing: SpotListing;
  readonly base: Token;
  readonly quote: Token;
}

export type PerpMarket = Market & { readonly perp: PerpTerms };
export type SpotMarket = Market & { readonly spot: SpotTerms };

export const isPerp = (m: Market): m is PerpMarket => m.perp !== undefined;
export const isSpot = (m: Market): m is SpotMarket => m.spot !== undefined;

const HIP3_MARK_STEP = 0.01;
const clamp = (x: number, around: number, share: number): number =>
  Math.max(around * (1 - share), Math.min(around * (1 + share), x));

const RECENT_TRADES_KEPT = 500;
const DAY_MS = 86_400_000;
/** Constant size cap of reference 9.4, in units. */
export const OI_UNITS_MAX = 1e9;

/** One listed market: its grid, its book and its public statistics. */
export class Market {
  readonly coin: string;
  readonly pxDecimals: number;
  readonly szDecimals: number;
  /** Price × size is an integer of one unit of quote divided by this: 10^6 for perps, 10^8 for spot. */
  readonly unitsPerQuote: number;
  /** Micro-units of collateral in one tick of one lot: 1 for the venue's perps, something else on the grid of another venue's recording. */
  readonly microPerUnit: number;
  /** The id in signed actions. */
  readonly venueAssetId: number;
  /** Oldest first. */
  readonly recentTrades: TradeWire[] = [];
  /** 0 until something is known. */
  lastTicks = 0;
  markTicks = 0;
  previousMarkTicks = 0;
  oracleTicks = 0;
  prevDayTicks = 0;
  dayVolumeUsd = 0;
  dayVolumeBase = 0;
  /** One-sided: what all longs hold. Kept by settlement. */
  openInterestLots = 0;
  /** Notional cap of open interest; may be changed while running. */
  oiCapUsd = Number.POSITIVE_INFINITY;
  /** Funding: premium samples since the last payment, and what came of the earlier ones. Kept by `Funding`. */
  premiumSum = 0;
  premiumCount = 0;
  lastPremium: number | undefined;
  /** Impact bid and ask in ticks, fractional; undefined when the book is too thin. */
  impactTicks: readonly [bid: number, ask: number] | undefined;
  /** Oldest first. */
  readonly fundingRows: FundingRow[] = [];
  readonly candles: Candles;
  private readonly mark = new MarkPrice();
  private day = -1;

  constructor(
    /** Dense: the place in `Exchange.markets`, and the index of every per-market table here. Not the wire's id. */
    readonly asset: number,
    readonly instrument: Instrument,
    readonly book: MatchingBook,
    readonly perp: PerpTerms | undefined,
    readonly spot: SpotTerms | undefined,
  ) {
    this.coin = instrument.coin;
    this.pxDecimals = instrument.pxDecimals;
    this.szDecimals = instrument.szDecimals;
    this.venueAssetId = instrument.venueAssetId;
    const decimals = instrument.pxDecimals + instrument.szDecimals;
    this.unitsPerQuote = pow10(decimals);
    this.microPerUnit = decimals <= 6 ? pow10(6 - decimals) : 1 / pow10(decimals - 6);
    this.candles = new Candles(instrument.coin, instrument.pxDecimals, instrument.szDecimals);
  }

  /** Notes a print in the public statistics; of this exchange's own making or replayed. */
  recordTrade(trade: TradeWire, pxTicks: number, szLots: number): void {
    const { recentTrades } = this;
    recentTrades.push(trade);
    if (recentTrades.length >= RECENT_TRADES_KEPT * 2) recentTrades.splice(0, RECENT_TRADES_KEPT);
    this.lastTicks = pxTicks;
    this.candles.add(trade.time, pxTicks, szLots);
    const day = Math.floor(trade.time / DAY_MS);
    if (day !== this.day) {
      this.prevDayTicks = this.markTicks || pxTicks;
      this.dayVolumeUsd = 0;
      this.dayVolumeBase = 0;
      this.day = day;
    }
    this.dayVolumeUsd += (pxTicks * szLots) / this.unitsPerQuote;
    this.dayVolumeBase += szLots / pow10(this.szDecimals);
  }

  /** The price against which margin and bands are measured; 0 when nothing was ever quoted or traded. */
  get referenceTicks(): number {
    return this.markTicks || this.lastTicks;
  }

  /** The oracle, or what stands in for it where nobody feeds one. */
  get indexTicks(): number {
    return this.oracleTicks || this.referenceTicks;
  }

  get openInterestUsd(): number {
    return (this.openInterestLots * this.referenceTicks) / this.unitsPerQuote;
  }

  /** Looks at the book and moves the mark (reference 8.9). Callers go through `Exchange.updateMark`, which also liquidates. */
  updateMark(nowMs: number): void {
    const { bestBidTicks: bid, bestAskTicks: ask } = this.book;
    const mark = this.mark.update(bid, ask, this.lastTicks, this.oracleTicks, nowMs);
    this.setMark(Math.round(this.isClamped ? clamp(mark, this.markTicks, HIP3_MARK_STEP) : mark));
  }

  /** A HIP-3 dex's mark moves no more than 1 % per update (reference 9.3). */
  private get isClamped(): boolean {
    return this.perp !== undefined && this.perp.dex.index > 0 && this.markTicks > 0;
  }

  setMark(ticks: number): void {
    if (ticks <= 0) return;
    this.previousMarkTicks = this.markTicks || ticks;
    this.markTicks = ticks;
    if (this.prevDayTicks === 0) this.prevDayTicks = ticks;
  }
}

/** Stands for the unknown counterparty of a replayed market. */
export const TAPE_ADDRESS = "0x7a9e000000000000000000000000000000000000";

/** Hash of a replayed print; the recordings keep none. */
export const tapeHash = (tid: number): string => `0x7a${tid.toString(16).padStart(62, "0")}`;
