import {
  type Approved,
  closesPosition,
  type Instrument,
  isBelowMinNotional,
  isOnGrid,
  type ModifyOrder,
  type NewOrder,
  pow10,
  Side,
  ticksToPx,
} from "../domain/index.js";
import { posCapLots, type RiskLimits } from "./limits.js";

/**
 * What the check must know about one asset at the moment of sending. Mutable on purpose: the executor keeps one per asset
 * and adds each approved order before it asks for the next.
 */
export interface RiskView {
  readonly instrument: Instrument;
  readonly limits: RiskLimits;
  isKilled: boolean;
  /** Only orders that shrink the position pass. */
  isReduceOnly: boolean;
  midPx: number;
  /** Market touch, 0 when a side is empty. */
  bestBidTicks: number;
  bestAskTicks: number;
  posLots: number;
  /** Everything that could still fill: resting, in flight, unknown, both legs of modifies, fills not yet seen. */
  openBuyLots: number;
  openSellLots: number;
  /** Orders that rest or may rest, all assets. */
  openOrders: number;
  /** Highest own buy and lowest own sell that rest or may rest; 0: none. */
  ownBestBidTicks: number;
  ownBestAskTicks: number;
}

export type RiskReason =
  | "killed"
  | "wrong-asset"
  | "off-grid"
  | "size-not-positive"
  | "below-min-notional"
  | "no-mid"
  | "outside-price-collar"
  | "post-only-would-cross"
  | "self-cross"
  | "reduce-only-mode"
  | "position-limit"
  | "too-many-open-orders";

export type Approval<T> =
  | { readonly ok: true; readonly order: Approved<T> }
  | { readonly ok: false; readonly reason: RiskReason };

/**
 * Lots that may be added on a side so that, whatever fills, the position stays within its limit: positive room may be
 * used, negative room says by how much the side is over. In reduce-only mode the room is what is left of the position.
 * An order that shrinks an over-limit position passes by the same sum: its worst case is the *other* side's limit.
 */
export function roomLots(view: RiskView, side: Side): number {
  const open = side === Side.Buy ? view.openBuyLots : view.openSellLots;
  const towards = side * view.posLots;
  if (view.isReduceOnly) return Math.max(0, -towards) - open;
  return posCapLots(view.limits, view.instrument, view.midPx) - towards - open;
}

function refusal(order: NewOrder, view: RiskView, addsOrder: boolean): RiskReason | undefined {
  const { instrument, limits } = view;
  if (view.isKilled) return "killed";
  if (order.asset !== instrument.asset) return "wrong-asset";
  if (!isOnGrid(instrument, order.pxTicks)) return "off-grid";
  if (!(Number.isSafeInteger(order.szLots) && order.szLots >= 1)) return "size-not-positive";
  if (!(view.midPx > 0)) return "no-mid";

  const px = ticksToPx(instrument, order.pxTicks);
  if (Math.abs(px - view.midPx) > view.midPx * limits.priceCollarBps * 1e-4) return "outside-price-collar";

  // The venue judges by the limit price or by a reference price (not documented which): satisfy both.
  const midTicks = Math.floor(view.midPx * pow10(instrument.pxDecimals));
  const isSmall = isBelowMinNotional(
    { ...instrument, minNotionalUsd: limits.minNotionalUsd },
    Math.min(order.pxTicks, midTicks),
    order.szLots,
  );
  if (isSmall && !closesPosition(order, view.posLots)) return "below-min-notional";

  const isBuy = order.side === Side.Buy;
  if (order.tif === "Alo") {
    if (isBuy && view.bestAskTicks > 0 && order.pxTicks >= view.bestAskTicks) return "post-only-would-cross";
    if (!isBuy && view.bestBidTicks > 0 && order.pxTicks <= view.bestBidTicks) return "post-only-would-cross";
  }
  if (isBuy && view.ownBestAskTicks > 0 && order.pxTicks >= view.ownBestAskTicks) return "self-cross";
  if (!isBuy && view.ownBestBidTicks > 0 && order.pxTicks <= view.ownBestBidTicks) return "self-cross";

  if (addsOrder && view.openOrders >= limits.maxOpenOrders) return "too-many-open-orders";

  // A reduce-only order is held to the position by the venue itself, in either mode.
  if (order.reduceOnly && order.side * view.posLots < 0) return undefined;
  if (order.szLots > roomLots(view, order.side)) {
    return view.isReduceOnly ? "reduce-only-mode" : "position-limit";
  }
  return undefined;
}

/**
 * The pre-trade check: the only place where an order becomes `Approved`.
 *
 * Passes when the order is on the grid, at least one lot and the minimum notional, within the collar around the mid,
 * post-only safe against the touch, clear of own orders on the other side, under the open-order cap, and when the
 * position limit holds even if every open, in-flight and unknown order on its side fills. Thread: main.
 */
export function approveOrder(order: NewOrder, view: RiskView): Approval<NewOrder> {
  const reason = refusal(order, view, true);
  return reason === undefined ? { ok: true, order: order as Approved<NewOrder> } : { ok: false, reason };
}

/** The same check for the new leg of a modify; the old leg stays in the view's open lots until the venue confirms it gone. */
export function approveModify(modify: ModifyOrder, view: RiskView): Approval<ModifyOrder> {
  const reason = refusal(modify.order, view, false);
  return reason === undefined ? { ok: true, order: modify as Approved<ModifyOrder> } : { ok: false, reason };
}

/** Adds an approved order to the view, so that the next one is judged with it. */
export function noteApproved(order: NewOrder, view: RiskView): void {
  view.openOrders++;
  if (order.side === Side.Buy) {
    view.openBuyLots += order.szLots;
    if (order.pxTicks > view.ownBestBidTicks) view.ownBestBidTicks = order.pxTicks;
  } else {
    view.openSellLots += order.szLots;
    if (view.ownBestAskTicks === 0 || order.pxTicks < view.ownBestAskTicks)
      view.ownBestAskTicks = order.pxTicks;
  }
}
