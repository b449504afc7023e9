/**
 * Turns a match into money: positions, cash, tokens, fees, fills, volumes.
 *
 * Nothing here refuses: what may not trade was stopped before. Every unit that leaves one place arrives in another.
 */
import { pow10, Side } from "../domain/index.js";
import {
  type Account,
  type BuilderFee,
  type Draft,
  type FillWire,
  fillDirection,
  type SimOrder,
} from "./account.js";
import type { Position } from "./clearinghouse.js";
import type { ExchangeState } from "./exchange-state.js";
import { isPerp, type Market, type PerpMarket, type SpotMarket } from "./listed-market.js";
import { freeMargin } from "./margin.js";
import { dec } from "./wire.js";

/** One side of a match. */
export interface Execution {
  readonly account: Account;
  readonly market: Market;
  readonly side: Side;
  readonly pxTicks: number;
  readonly szLots: number;
  readonly isTaker: boolean;
  readonly oid: number;
  readonly cloid: string | undefined;
  readonly tid: number;
  readonly hash: string;
  /** In place of the usual label. */
  readonly dir?: string;
  /** Transfers of a backstop or a deleveraging cost nothing. */
  readonly isFree?: boolean;
  /** Of a TWAP's slice. */
  readonly twapId?: number | null;
  readonly builder?: BuilderFee | undefined;
}

export class Settlement {
  constructor(private readonly state: ExchangeState) {}

  ofOrder(
    order: SimOrder,
    pxTicks: number,
    szLots: number,
    isTaker: boolean,
    tid: number,
    hash: string,
  ): void {
    const { account, market, side, oid, cloid, twapId, builder } = order;
    this.settle({ account, market, side, pxTicks, szLots, isTaker, oid, cloid, tid, hash, twapId, builder });
  }

  settle(e: Execution): void {
    const { account, market } = e;
    const units = e.pxTicks * e.szLots;
    if (e.isFree !== true) {
      this.state.fees.note(account, market, units / market.unitsPerQuote, e.isTaker, this.state.nowMs);
    }
    if (isPerp(market)) this.settlePerp(e, market, units * market.microPerUnit);
    else this.settleSpot(e, market as SpotMarket, units);
  }

  private ppm(e: Execution): number {
    if (e.account.isMarginExempt || e.isFree === true) return 0;
    return this.state.fees.ratePpm(e.account, e.market, e.isTaker, this.state.nowMs);
  }

  private settlePerp(e: Execution, market: PerpMarket, micro: number): void {
    const { account, pxTicks } = e;
    const { dex } = market.perp;
    const position = account.position(market);
    const house = account.clearinghouse(dex.index);
    const startLots = position.szLots;
    const signedLots = e.side * e.szLots;
    const pnl = position.trade(signedLots, pxTicks);
    const fee = feeOf(micro, this.ppm(e));
    const builderFee = feeOf(micro, builderPpm(e));
    house.balanceMicroUsd += pnl - fee - builderFee;
    this.state.dexPot(dex.index).fees += fee;
    if (e.builder !== undefined) e.builder.account.clearinghouse(dex.index).balanceMicroUsd += builderFee;
    market.openInterestLots += Math.max(0, position.szLots) - Math.max(0, startLots);
    if (!position.isCross) this.moveIsolated(account, position, startLots, signedLots, pxTicks);
    if (account.isHouse) return;
    this.recordFill(e, {
      startPosition: dec(startLots, market.szDecimals),
      dir: e.dir ?? this.direction(e, startLots, signedLots),
      closedPnl: dec(pnl, 6),
      fee: dec(fee + builderFee, 6),
      feeToken: dex.collateral.name,
      builderFee: builderFee === 0 ? undefined : dec(builderFee, 6),
    });
  }

  /** Profit and fees went through cash; an isolated position then gives back its share of what closed and takes its margin for what opened. */
  private moveIsolated(
    account: Account,
    p: Position,
    startLots: number,
    signedLots: number,
    pxTicks: number,
  ): void {
    const house = account.clearinghouse(p.market.perp.dex.index);
    const held = Math.abs(startLots);
    const closed = startLots * signedLots < 0 ? Math.min(held, Math.abs(signedLots)) : 0;
    if (closed > 0) {
      const released =
        closed === held ? p.isolatedMicroUsd : Math.floor((p.isolatedMicroUsd * closed) / held);
      p.isolatedMicroUsd -= released;
      house.balanceMicroUsd += released;
    }
    const opened = Math.abs(signedLots) - closed;
    if (opened === 0) return;
    const wanted = Math.ceil((opened * pxTicks * p.market.microPerUnit) / p.leverage);
    // Checked at mark before; a worse price must not eat into what cross positions and orders need.
    const margin = account.isMarginExempt ? wanted : Math.max(0, Math.min(wanted, freeForOpening(house, p)));
    p.isolatedMicroUsd += margin;
    house.balanceMicroUsd -= margin;
  }

  private settleSpot(e: Execution, market: SpotMarket, quoteWei: number): void {
    const { account } = e;
    const { base, quote } = market.spot;
    const baseWei = e.szLots * pow10(base.weiDecimals - market.szDecimals);
    const bases = account.spot.balance(base);
    const quotes = account.spot.balance(quote);
    const startWei = bases.totalWei;
    const isBuy = e.side === Side.Buy;
    // The fee comes out of what is received: base when buying, quote when selling.
    const feeToken = isBuy ? base : quote;
    const fee = feeOf(isBuy ? baseWei : quoteWei, this.ppm(e));
    // Builders are paid in quote only: nothing on purchases.
    const builderFee = isBuy ? 0 : feeOf(quoteWei, builderPpm(e));
    const quoteUnits = quoteWei / market.unitsPerQuote;
    if (isBuy) {
      bases.totalWei += baseWei - fee;
      quotes.totalWei -= quoteWei;
      bases.entryNtl += quoteUnits;
    } else {
      bases.entryNtl = startWei > 0 ? bases.entryNtl * Math.max(0, 1 - baseWei / startWei) : 0;
      bases.totalWei -= baseWei;
      quotes.totalWei += quoteWei - fee - builderFee;
      if (e.builder !== undefined) e.builder.account.spot.balance(quote).totalWei += builderFee;
    }
    this.state.spotPot(feeToken).fees += fee;
    if (account.isHouse) return;
    this.recordFill(e, {
      startPosition: dec(startWei, base.weiDecimals),
      dir: e.dir ?? (isBuy ? "Buy" : "Sell"),
      closedPnl: "0.0",
      fee: dec(fee + builderFee, feeToken.weiDecimals),
      feeToken: feeToken.name,
      builderFee: builderFee === 0 ? undefined : dec(builderFee, feeToken.weiDecimals),
    });
  }

  private direction(e: Execution, startLots: number, signedLots: number): string {
    const l = this.state.liquidating;
    if (l === undefined || l.liquidated !== e.account) return fillDirection(startLots, signedLots);
    return `Liquidated ${l.isCross ? "Cross" : "Isolated"} ${startLots > 0 ? "Long" : "Short"}`;
  }

  private recordFill(
    e: Execution,
    money: Pick<FillWire, "startPosition" | "dir" | "closedPnl" | "fee" | "feeToken"> & {
      readonly builderFee: string | undefined;
    },
  ): void {
    const { market, account } = e;
    const l = this.state.liquidating;
    const fill: Draft<FillWire> = {
      coin: market.coin,
      px: dec(e.pxTicks, market.pxDecimals),
      sz: dec(e.szLots, market.szDecimals),
      side: e.side === Side.Buy ? "B" : "A",
      time: this.state.nowMs,
      startPosition: money.startPosition,
      dir: money.dir,
      closedPnl: money.closedPnl,
      hash: e.hash,
      oid: e.oid,
      crossed: e.isTaker,
      fee: money.fee,
      tid: e.tid,
      feeToken: money.feeToken,
      twapId: e.twapId ?? null,
    };
    if (e.cloid !== undefined) fill.cloid = e.cloid;
    if (money.builderFee !== undefined) fill.builderFee = money.builderFee;
    if (l !== undefined)
      fill.liquidation = { liquidatedUser: l.liquidatedUser, markPx: l.markPx, method: l.method };
    account.recordFill(fill);
    this.state.events.onFill(account, fill);
  }
}

/** Cut to the last decimal, as the documented fill of reference 8.13 is (0.0268689 is charged as 0.026868). */
const feeOf = (amount: number, ppm: number): number =>
  Math.trunc((amount * ppm) / 1e6 + 1e-9 * Math.sign(ppm)) || 0;

/** A tenth of a basis point is ten parts per million. */
const builderPpm = (e: Execution): number => (e.builder === undefined ? 0 : e.builder.rate * 10);

/** Cash that an opening trade may move into its isolated position: all but what the account's other business ties up. */
const freeForOpening = (house: Parameters<typeof freeMargin>[0], p: Position): number =>
  // The resting part of this very market was reserved for such a trade: it is not in the way.
  freeMargin(house) +
  Math.ceil(
    (Math.max(0, p.worstLots() - Math.abs(p.szLots)) * p.market.referenceTicks * p.market.microPerUnit) /
      p.leverage,
  );
