/**
 * What an order must pass before it may match: checks 3 to 7 of reference/hyperliquid-api.md 8.3, with the texts of 4.11.
 *
 * Pure but for one thing: a reduce-only order is shrunk to the position.
 */
import { pow10, Side, stepTicks } from "../domain/index.js";
import type { Account, SimOrder } from "./account.js";
import type { Position } from "./clearinghouse.js";
import { CROWDED_OPEN_ORDERS, openOrdersCap, TOO_MANY_ORDERS } from "./limits.js";
import { isPerp, type Market, OI_UNITS_MAX, type PerpMarket, type SpotMarket } from "./listed-market.js";
import { freeMargin, marginTied, ntlMicroUsd, tierAt } from "./margin.js";

/** Status of the order's record, and the text of the answer. */
export type Refusal = readonly [status: string, text: string];

/** Largest value of a market order by the asset's maximum leverage; a limit order may be ten times that (reference 6.6). */
export const MAX_MARKET_ORDER_NTLS: readonly (readonly [maxLeverage: number, usd: number])[] = [
  [25, 30e6],
  [20, 5e6],
  [10, 2e6],
  [1, 500e3],
];

export function maxMarketOrderUsd(maxLeverage: number): number {
  return MAX_MARKET_ORDER_NTLS.find((step) => maxLeverage >= step[0])?.[1] ?? 500e3;
}

/** Grid, value, count, reduce-only. */
export function checkShape(account: Account, order: SimOrder, openOrdersMax: number): Refusal | undefined {
  const { market, side, pxTicks } = order;
  const { instrument } = market;
  if (pxTicks % stepTicks(instrument, pxTicks) !== 0) {
    return ["tickRejected", "Price must be divisible by tick size."];
  }
  const position = account.positionLots(market);
  const reducibleLots = position * side < 0 ? Math.abs(position) : 0;
  // A triggered order passed this test when it was placed, and a TWAP's slice is a part of something larger.
  const isPart = order.trigger !== undefined || order.twapId !== null;
  const isExempt =
    isPart ||
    (reducibleLots > 0 &&
      (order.isReduceOnly ? order.szLots >= reducibleLots : order.szLots === reducibleLots));
  const usd = (pxTicks * order.szLots) / market.unitsPerQuote;
  if (usd < instrument.minNotionalUsd && !isExempt) {
    return market.spot === undefined
      ? ["minTradeNtlRejected", `Order must have minimum value of $${instrument.minNotionalUsd}.`]
      : [
          "minTradeSpotNtlRejected",
          `Order must have minimum value of ${instrument.minNotionalUsd} ${market.spot.quote.name}.`,
        ];
  }
  const isMarket = order.tif === "Ioc" || order.tif === "FrontendMarket";
  if (usd > maxMarketOrderUsd(instrument.maxLeverage) * (isMarket ? 1 : 10)) {
    return ["rejected", "Order value too large."];
  }
  if (hasTooManyOrders(account, order.isReduceOnly, openOrdersMax)) return TOO_MANY_ORDERS;
  if (!order.isReduceOnly) return undefined;
  if (market.spot !== undefined) return ["rejected", "Reduce-only is invalid for spot trading."];
  if (reducibleLots === 0) return ["reduceOnlyRejected", "Reduce only order would increase position."];
  order.szLots = Math.min(order.szLots, reducibleLots);
  return undefined;
}

/** @param isFirstToGo true for reduce-only and trigger orders, which are refused earlier (reference 6.7). */
export function hasTooManyOrders(account: Account, isFirstToGo: boolean, openOrdersMax: number): boolean {
  const open = account.openOrders.size;
  if (isFirstToGo && open >= Math.min(CROWDED_OPEN_ORDERS, openOrdersMax)) return true;
  return open >= openOrdersMax && open >= openOrdersCap(account.cumVolumeUsd, openOrdersMax);
}

export function isAtOpenInterestCap(m: Market): boolean {
  if (m.perp === undefined) return false;
  if (m.openInterestLots >= OI_UNITS_MAX * pow10(m.szDecimals)) return true;
  if (m.openInterestUsd >= m.oiCapUsd) return true;
  const { dex } = m.perp;
  if (dex.totalOiCapUsd === Number.POSITIVE_INFINITY) return false;
  return dex.markets.reduce((sum, other) => sum + other.openInterestUsd, 0) >= dex.totalOiCapUsd;
}

/** Buys above and sells below the oracle, while no more open interest is wanted (reference 8.14). */
export function isTooAggressiveAtCap(order: SimOrder): boolean {
  const index = order.market.indexTicks;
  return index > 0 && order.side * (order.pxTicks - index) > 0;
}

/**
 * At the cap nothing that would trade now may add to a position, and nothing that would rest may stand beyond the oracle;
 * reductions stay possible.
 */
export function checkOpenInterest(
  account: Account,
  order: SimOrder,
  isMarketable: boolean,
): Refusal | undefined {
  const { market, side } = order;
  if (order.isReduceOnly || market.perp === undefined || !isAtOpenInterestCap(market)) return undefined;
  const held = account.positionLots(market);
  const isReducing = held * side < 0;
  if (isReducing && order.szLots <= Math.abs(held)) return undefined;
  if (isMarketable) {
    const stem = isReducing ? "positionFlip" : "positionIncrease";
    return [
      `${stem}AtOpenInterestCapRejected`,
      "Order would increase open interest while open interest is capped",
    ];
  }
  if (!isTooAggressiveAtCap(order)) return undefined;
  return [
    "tooAggressiveAtOpenInterestCapRejected",
    "Order rejected due to price more aggressive than oracle while at open interest cap",
  ];
}

/** Money: tier limit and initial margin of a perp, balance of a spot pair. */
export function checkMoney(account: Account, order: SimOrder): Refusal | undefined {
  if (account.isMarginExempt || order.isReduceOnly) return undefined;
  const { market } = order;
  return isPerp(market)
    ? checkMargin(account, order, market)
    : checkBalance(account, order, market as SpotMarket);
}

function checkMargin(account: Account, order: SimOrder, market: PerpMarket): Refusal | undefined {
  const p = account.position(market);
  const buys = order.side === Side.Buy ? order.szLots : 0;
  const sells = order.side === Side.Buy ? 0 : order.szLots;
  const worst = p.worstLots(buys, sells);
  if (worst <= p.worstLots()) return undefined;
  const px = market.referenceTicks || order.pxTicks;
  if (p.leverage > tierAt(market.perp.marginTable, worst * px * market.microPerUnit).maxLeverage) {
    return [
      "perpMaxPositionRejected",
      "Order would cause position to exceed margin tier limit at current leverage",
    ];
  }
  const added = Math.ceil(marginTied(p, buys, sells, px) - marginTied(p));
  return added <= freeMargin(account.clearinghouse(market.perp.dex.index)) ? undefined : INSUFFICIENT_MARGIN;
}

const INSUFFICIENT_MARGIN: Refusal = ["perpMarginRejected", "Insufficient margin to place order."];

function checkBalance(account: Account, order: SimOrder, market: SpotMarket): Refusal | undefined {
  const [token, wei] = spotHold(order, market);
  return wei <= account.spot.freeWei(token)
    ? undefined
    : ["insufficientSpotBalanceRejected", "Order has insufficient spot balance to trade"];
}

/** What a resting spot order reserves: quote at its limit, or base. */
export function spotHold(
  order: { readonly side: Side; readonly pxTicks: number; readonly szLots: number },
  market: SpotMarket,
  szLots = order.szLots,
): readonly [SpotMarket["spot"]["base"], number] {
  const { base, quote } = market.spot;
  return order.side === Side.Buy
    ? [quote, order.pxTicks * szLots]
    : [base, szLots * pow10(base.weiDecimals - market.szDecimals)];
}

/**
 * The margin check of a resting order at its match (reference 8.11): what the account's positions require after this fill
 * must be covered by its equity after it. Other resting orders do not count: each has its own check.
 */
export function coversFill(account: Account, order: SimOrder, szLots: number): boolean {
  const { market } = order;
  if (account.isMarginExempt || order.isReduceOnly || !isPerp(market)) return true;
  const p = account.position(market);
  const signed = order.side * szLots;
  const after = Math.abs(p.szLots + signed);
  const held = Math.abs(p.szLots);
  const isFlip = p.szLots * signed < 0 && Math.abs(signed) > held;
  if (after <= held && !isFlip) return true;
  const house = account.clearinghouse(market.perp.dex.index);
  const mark = market.referenceTicks || order.pxTicks;
  let equity = house.balanceMicroUsd;
  let required = 0;
  for (const q of house.positions) {
    if (q.szLots === 0 && q !== p) continue;
    if (q.isCross) {
      equity += q.szLots === 0 ? 0 : q.unrealizedMicroUsd(q.market.referenceTicks || mark);
      if (q !== p) required += ntlMicroUsd(q) / q.leverage;
    }
  }
  if (p.isCross) {
    equity += signed * (mark - order.pxTicks) * market.microPerUnit;
    required += (after * mark * market.microPerUnit) / p.leverage;
  } else required += (openedLots(p, signed) * order.pxTicks * market.microPerUnit) / p.leverage;
  return required <= equity;
}

function openedLots(p: Position, signedLots: number): number {
  return p.szLots * signedLots < 0
    ? Math.max(0, Math.abs(signedLots) - Math.abs(p.szLots))
    : Math.abs(signedLots);
}
