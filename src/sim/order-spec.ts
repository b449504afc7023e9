/**
 * An order on its way in: from the wire's strings to integers, before any check against accounts or books.
 *
 * Source: reference/hyperliquid-api.md 4.2, 4.11 (pre-validation texts).
 */
import { Side, wireToDecimal } from "../domain/index.js";
import type { SimOrder, SimTif } from "./account.js";
import type { OrderWire } from "./actions.js";
import type { ExchangeState } from "./exchange-state.js";
import type { Market } from "./listed-market.js";
import { parseTrigger, type TriggerSpec } from "./trigger.js";

/** An order that passed parsing: on integers, not yet checked against the market. */
export interface OrderSpec {
  readonly market: Market;
  readonly side: Side;
  readonly pxTicks: number;
  readonly szLots: number;
  readonly tif: SimTif;
  readonly isReduceOnly: boolean;
  readonly cloid: string | undefined;
  /** Present on TP/SL and stop orders, which `Triggers` places. */
  readonly trigger?: TriggerSpec | undefined;
}

export type OrderStatusWire =
  | { readonly resting: { readonly oid: number; readonly cloid?: string } }
  | {
      readonly filled: {
        readonly totalSz: string;
        readonly avgPx: string;
        readonly oid: number;
        readonly cloid?: string;
      };
    }
  | { readonly error: string };

/** Outcome of a placement, with the order's record (undefined when the payload itself was refused). */
export interface Placement {
  readonly order: SimOrder | undefined;
  readonly status: OrderStatusWire;
  /** What traded on arrival: size, and price × size. */
  readonly takenLots: number;
  readonly takenUnits: number;
}

/**
 * Turns a wire order into integers.
 * @param priceBand largest distance of the limit from the mark, as a fraction of it.
 * @param mayBeEmpty true for TP/SL of a whole position, whose size is "0".
 * @returns the venue's payload error text when it can't be.
 */
export function parseOrder(
  exchange: ExchangeState,
  priceBand: number,
  wire: OrderWire,
  mayBeEmpty: boolean,
): OrderSpec | string {
  const market = exchange.marketOfAsset(wire.a);
  if (market === undefined) return `Asset ${wire.a} does not exist.`;
  const szLots = wireToDecimal(wire.s, market.szDecimals);
  if (szLots === undefined) return "Order has invalid size.";
  if (szLots === 0 && !mayBeEmpty) return "Order has zero size.";
  const trigger = "trigger" in wire.t ? parseTrigger(wire.t.trigger, market.pxDecimals) : undefined;
  if (typeof trigger === "string") return trigger;
  const pxTicks = wireToDecimal(wire.p, market.pxDecimals);
  if (pxTicks === undefined || pxTicks === 0) return "Order has invalid price.";
  if (!Number.isSafeInteger(pxTicks * szLots)) return "Order value too large.";
  const reference = market.referenceTicks;
  // The limit of a market trigger is the exchange's own.
  const hasLimit = trigger?.isMarket !== true;
  if (hasLimit && reference > 0 && Math.abs(pxTicks - reference) > reference * priceBand) {
    return `Order price cannot be more than ${Math.round(priceBand * 100)}% away from the reference price`;
  }
  return {
    market,
    side: wire.b ? Side.Buy : Side.Sell,
    pxTicks,
    szLots,
    tif: "limit" in wire.t ? wire.t.limit.tif : trigger?.isMarket === true ? "FrontendMarket" : "Gtc",
    isReduceOnly: wire.r,
    cloid: wire.c,
    trigger,
  };
}
