/**
 * What an order knows of its trigger: the price it waits for, how far it has come, and which orders it belongs with.
 *
 * Source: reference/hyperliquid-api.md 8.8, 3.6.
 */
import { Side, wireToDecimal } from "../domain/index.js";
import type { TriggerWire } from "./actions.js";
import { dec } from "./wire.js";

export interface TriggerSpec {
  readonly isMarket: boolean;
  readonly pxTicks: number;
  readonly tpsl: "tp" | "sl";
}

/** @returns the venue's payload error text when it isn't one. */
export function parseTrigger(wire: TriggerWire, pxDecimals: number): TriggerSpec | string {
  const pxTicks = wireToDecimal(wire.triggerPx, pxDecimals);
  if (pxTicks === undefined || pxTicks === 0) return "Invalid TP/SL price.";
  return { isMarket: wire.isMarket, pxTicks, tpsl: wire.tpsl };
}

/** Orders placed together: a parent with its TP/SL, or TP/SL of one position. `O` is the exchange's order. */
export class OrderGroup<O> {
  /** In order of placement, closed ones included. */
  readonly children: O[] = [];

  constructor(readonly parent: O | undefined) {}
}

/** What makes an order wait. */
export class Trigger {
  state: "waitingForFill" | "armed" | "triggered" = "armed";
  /** True when the mark has to rise to the price: take-profits of sells, stops of buys. */
  readonly isAbove: boolean;
  /** Sign of the position when last looked at; see `Triggers.onFills`. */
  heldSign = 0;

  constructor(
    readonly spec: TriggerSpec,
    side: Side,
    readonly isPositionTpsl: boolean,
  ) {
    this.isAbove = (spec.tpsl === "tp") === (side === Side.Sell);
  }

  isMetAt(markTicks: number): boolean {
    return this.isAbove ? markTicks >= this.spec.pxTicks : markTicks <= this.spec.pxTicks;
  }
}

/** True while an order waits off the book. */
export const isParked = (order: { readonly trigger: Trigger | undefined }): boolean =>
  order.trigger !== undefined && order.trigger.state !== "triggered";

/** What a trigger changes in a FrontendOpenOrder. */
export function triggerWire(trigger: Trigger, pxDecimals: number): Record<string, unknown> {
  const { spec, state } = trigger;
  const isParkedNow = state !== "triggered";
  const px = dec(spec.pxTicks, pxDecimals);
  const condition = `Price ${trigger.isAbove ? "above" : "below"} ${px}`;
  return {
    triggerCondition: isParkedNow ? condition : "Triggered",
    isTrigger: isParkedNow,
    triggerPx: px,
    isPositionTpsl: trigger.isPositionTpsl,
    orderType: `${spec.tpsl === "tp" ? "Take Profit" : "Stop"} ${spec.isMarket ? "Market" : "Limit"}`,
    tif: isParkedNow ? null : spec.isMarket ? "Ioc" : "Gtc",
  };
}
