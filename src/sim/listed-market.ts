/**
 * A listed market: its grid, its book, and what the public sees of it.
 */
import { type Instrument, pow10 } from "../domain/index.js";
import type { MatchingBook } from "./matching.js";

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

const RECENT_TRADES_KEPT = 500;
const DAY_MS = 86_400_000;

/** One listed market: its grid, its book and its public statistics. */
export class Market {
  readonly coin: string;
  readonly pxDecimals: number;
  readonly szDecimals: number;
  /** Oldest first. */
  readonly recentTrades: TradeWire[] = [];
  /** 0 until something is known. */
  lastTicks = 0;
  markTicks = 0;
  oracleTicks = 0;
  prevDayTicks = 0;
  dayVolumeUsd = 0;
  dayVolumeBase = 0;
  private day = -1;

  constructor(
    readonly asset: number,
    readonly instrument: Instrument,
    readonly book: MatchingBook,
  ) {
    this.coin = instrument.coin;
    this.pxDecimals = instrument.pxDecimals;
    this.szDecimals = instrument.szDecimals;
  }

  /** Notes a print in the public statistics; of this exchange's own making or replayed. */
  recordTrade(trade: TradeWire, pxTicks: number, szLots: number): void {
    const { recentTrades } = this;
    recentTrades.push(trade);
    if (recentTrades.length >= RECENT_TRADES_KEPT * 2) recentTrades.splice(0, RECENT_TRADES_KEPT);
    this.lastTicks = pxTicks;
    const day = Math.floor(trade.time / DAY_MS);
    if (day !== this.day) {
      this.prevDayTicks = this.markTicks || pxTicks;
      this.dayVolumeUsd = 0;
      this.dayVolumeBase = 0;
      this.day = day;
    }
    this.dayVolumeUsd += (pxTicks * szLots) / 1e6;
    this.dayVolumeBase += szLots / pow10(this.szDecimals);
  }

  /** The price against which margin and bands are measured; 0 when nothing was ever quoted or traded. */
  get referenceTicks(): number {
    return this.markTicks || this.lastTicks;
  }

  /**
   * Sets the mark to median(best bid, best ask, last trade), item 2 of reference 8.9, the only one a lone exchange has.
   */
  updateMark(): void {
    const { bestBidTicks: bid, bestAskTicks: ask } = this.book;
    if (bid === 0 || ask === 0) {
      if (this.lastTicks > 0) this.markTicks = this.lastTicks;
      return;
    }
    const last = this.lastTicks || (bid + ask) / 2;
    this.markTicks = Math.round(Math.max(Math.min(bid, ask), Math.min(Math.max(bid, ask), last)));
    if (this.prevDayTicks === 0) this.prevDayTicks = this.markTicks;
  }
}

/** Stands for the unknown counterparty of a replayed market. */
export const TAPE_ADDRESS = "0x7a9e000000000000000000000000000000000000";

/** Hash of a replayed print; the recordings keep none. */
export const tapeHash = (tid: number): string => `0x7a${tid.toString(16).padStart(62, "0")}`;
