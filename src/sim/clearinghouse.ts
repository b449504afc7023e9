/**
 * An account's money and positions in one perp dex, in exact integers.
 *
 * Perp prices have 6 − szDecimals decimals and sizes szDecimals, so price × size is a whole number of micro-units of
 * collateral: every trade is booked without rounding, and only fees and funding round (to a micro-unit). On the finer grid of
 * another venue's recording trades round too.
 * Law: over all accounts of a dex, Σ cash − Σ sign·entry cost + pots = deposits − withdrawals, to the micro-unit.
 */
import type { PerpMarket } from "./listed-market.js";

/** A position and what the account's resting orders in the same market could add to it. */
export class Position {
  /** Signed. */
  szLots = 0;
  /** Unsigned cost of the open size. */
  entryMicroUsd = 0;
  /** Money set aside for an isolated position; 0 for a cross one. */
  isolatedMicroUsd = 0;
  restingBuyLots = 0;
  restingSellLots = 0;
  restingReduceOnlyCount = 0;
  /** Paid funding, net (reference 3.4): ever, since the size last changed, since it was last opened. */
  fundingAllTimeMicroUsd = 0;
  fundingSinceChangeMicroUsd = 0;
  fundingSinceOpenMicroUsd = 0;

  /** Default of a never-touched asset: 20x or the asset's maximum if lower, cross where allowed (reference 4.6). */
  leverage: number;
  isCross: boolean;

  constructor(readonly market: PerpMarket) {
    this.leverage = Math.min(20, market.instrument.maxLeverage);
    this.isCross = market.perp.marginMode === "normal";
  }

  get asset(): number {
    return this.market.asset;
  }

  /** Largest absolute position that fills of one side's resting orders could lead to. */
  worstLots(extraBuyLots = 0, extraSellLots = 0): number {
    return Math.max(
      Math.abs(this.szLots + this.restingBuyLots + extraBuyLots),
      Math.abs(this.szLots - this.restingSellLots - extraSellLots),
    );
  }

  /** Entry cost with the position's sign: what the size was bought for. */
  get signedEntryMicroUsd(): number {
    return Math.sign(this.szLots) * this.entryMicroUsd;
  }

  /** Cash leg of an isolated position (reference 3.4). */
  get rawMicroUsd(): number {
    return this.isolatedMicroUsd - this.signedEntryMicroUsd;
  }

  unrealizedMicroUsd(markTicks: number): number {
    return this.szLots * markTicks * this.market.microPerUnit - this.signedEntryMicroUsd;
  }

  /**
   * Books a trade of `signedLots` at `pxTicks`.
   * @returns realised profit of the closing part, in micro-units, before fees.
   */
  trade(signedLots: number, pxTicks: number): number {
    const before = this.szLots;
    this.szLots = before + signedLots || 0;
    this.fundingSinceChangeMicroUsd = 0;
    const isOpening = before === 0 || Math.sign(before) === Math.sign(signedLots);
    if (isOpening) {
      if (before === 0) this.fundingSinceOpenMicroUsd = 0;
      this.entryMicroUsd += this.worth(Math.abs(signedLots), pxTicks);
      return 0;
    }
    const held = Math.abs(before);
    const closed = Math.min(held, Math.abs(signedLots));
    const cost = closed === held ? this.entryMicroUsd : Math.round((this.entryMicroUsd * closed) / held);
    this.entryMicroUsd -= cost;
    const opened = Math.abs(signedLots) - closed;
    if (opened > 0) {
      this.entryMicroUsd = this.worth(opened, pxTicks);
      this.fundingSinceOpenMicroUsd = 0;
    }
    return Math.sign(before) * (this.worth(closed, pxTicks) - cost);
  }

  private worth(lots: number, pxTicks: number): number {
    return Math.round(lots * pxTicks * this.market.microPerUnit);
  }
}

/** One account in one dex: its cash and its positions there. */
export class Clearinghouse {
  /** Deposits + realised − fees + funding, without what isolated positions hold. Micro-units of the dex's collateral. */
  balanceMicroUsd = 0;
  /** Every market ever touched, in order of first touch; sizes may be 0. */
  readonly positions: Position[] = [];
  /** Until then, liquidation orders of this account here are for the entire position (reference 8.11). */
  liquidationCooldownMs = 0;

  constructor(readonly dexIndex: number) {}
}
