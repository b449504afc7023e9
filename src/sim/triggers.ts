/**
 * TP/SL and stop orders: parked off the book until the mark reaches them.
 *
 *   waitingForFill ──parent filled──▶ armed ──mark reaches the price──▶ triggered ──▶ an ordinary order, same oid
 *
 * A market trigger becomes an immediate order limited to 10 % beyond its trigger price, a limit trigger a Gtc at its limit. TP/SL placed with a
 * parent wait for its complete fill and die when it is cancelled; when one leg of a pair executes the other is cancelled;
 * reduce-only ones go when the position that they would have closed is gone.
 *
 * Deterministic: marks are compared once per change, and orders fire in order of oid.
 *
 * Source: reference/hyperliquid-api.md 8.8, 3.6, 4.2. Not known, and chosen here: a reduce-only trigger may be placed without
 * a position, except a whole-position one; a partly filled immediate parent counts as filled; children are refused with
 * their parent.
 */
import { Side, stepTicks } from "../domain/index.js";
import { type Account, openChildren, type SimOrder } from "./account.js";
import type { Exchange, OrderLifecycle, OrderSpec } from "./exchange.js";
import { TOO_MANY_ORDERS } from "./limits.js";
import type { Market } from "./listed-market.js";
import { hasTooManyOrders, type Refusal } from "./order-checks.js";
import { type OrderGroup, Trigger, type TriggerSpec } from "./trigger.js";

const INVALID_TPSL = "Invalid TP/SL price.";
const INCREASES: Refusal = ["reduceOnlyRejected", "Reduce only order would increase position."];
/** Distance of a market trigger's limit from its trigger price. */
const SLIPPAGE = 0.1;

export type TriggerStatus = "waitingForTrigger" | "waitingForFill" | { readonly error: string };

/** All parked orders of an exchange. Thread: any (single owner, that of the exchange). */
export class Triggers implements OrderLifecycle {
  /** Armed orders by market, ascending oid. */
  private readonly armed: SimOrder[][] = [];
  /** Mark at the last look; NaN: something was armed since. */
  private readonly seenTicks: number[] = [];
  /** Reduce-only armed orders by account: their position is watched. */
  private readonly watched = new Map<Account, Set<SimOrder>>();

  constructor(private readonly exchange: Exchange) {
    exchange.lifecycle = this;
  }

  /**
   * Places a trigger order, which waits for its parent (if that isn't filled yet) or for the mark.
   * @param group the parent and siblings, if it was placed with any.
   */
  place(
    account: Account,
    spec: OrderSpec & { readonly trigger: TriggerSpec },
    exchMs: number,
    group?: OrderGroup<SimOrder>,
    isPositionTpsl = false,
  ): TriggerStatus {
    const { exchange } = this;
    const { market, side, trigger: wanted } = spec;
    const trigger = new Trigger(wanted, side, isPositionTpsl);
    const pxTicks = wanted.isMarket ? marketLimit(market, side, wanted.pxTicks) : spec.pxTicks;
    const order = exchange.newOrder(account, { ...spec, pxTicks }, exchMs);
    order.trigger = trigger;
    order.group = group;
    const refusal = this.check(account, order, group?.parent);
    if (refusal !== undefined) {
      const { status } = exchange.refuse(order, refusal);
      return status as { error: string };
    }
    group?.children.push(order);
    const isWaiting = group?.parent !== undefined && group.parent.status === "open";
    if (isWaiting) trigger.state = "waitingForFill";
    exchange.park(order, exchMs);
    if (!isWaiting) this.arm(order);
    return isWaiting ? "waitingForFill" : "waitingForTrigger";
  }

  private check(account: Account, order: SimOrder, parent: SimOrder | undefined): Refusal | undefined {
    const { exchange } = this;
    const { market } = order;
    const { spec, isPositionTpsl } = order.trigger!;
    const { instrument } = market;
    if (
      spec.pxTicks % stepTicks(instrument, spec.pxTicks) !== 0 ||
      order.pxTicks % stepTicks(instrument, order.pxTicks) !== 0
    ) {
      return ["tickRejected", "Price must be divisible by tick size."];
    }
    if (order.szLots > 0 && spec.pxTicks * order.szLots < instrument.minNotionalUsd * market.unitsPerQuote) {
      return ["minTradeNtlRejected", `Order must have minimum value of $${instrument.minNotionalUsd}.`];
    }
    if (hasTooManyOrders(account, true, exchange.options.openOrdersMax)) return TOO_MANY_ORDERS;
    if (isPositionTpsl && account.positionLots(market) * order.side >= 0) return INCREASES;
    // The exits of an order that rests are judged from where it will fill, all others from the mark.
    const fromTicks = parent?.status === "open" ? parent.pxTicks : market.referenceTicks;
    if (fromTicks > 0 && order.trigger!.isMetAt(fromTicks)) return ["badTriggerPxRejected", INVALID_TPSL];
    return undefined;
  }

  private arm(order: SimOrder): void {
    const trigger = order.trigger!;
    trigger.state = "armed";
    const { asset } = order.market;
    this.armed[asset] ??= [];
    const list = this.armed[asset];
    let i = list.length;
    while (i > 0 && list[i - 1]!.oid > order.oid) i--;
    list.splice(i, 0, order);
    this.seenTicks[asset] = Number.NaN;
    if (!order.isReduceOnly) return;
    trigger.heldSign = Math.sign(order.account.positionLots(order.market));
    const watched = this.watched.get(order.account) ?? new Set();
    this.watched.set(order.account, watched.add(order));
  }

  private disarm(order: SimOrder): void {
    const list = this.armed[order.market.asset];
    const i = list?.indexOf(order) ?? -1;
    if (i >= 0) list!.splice(i, 1);
    this.watched.get(order.account)?.delete(order);
  }

  /** Fires every order whose price the marks have reached, if a mark has changed since the last look. @returns how many. */
  run(exchMs: number): number {
    let count = 0;
    for (let asset = 0; asset < this.armed.length; asset++) {
      const list = this.armed[asset];
      if (list === undefined || list.length === 0) continue;
      const mark = this.exchange.markets[asset]!.referenceTicks;
      if (mark === 0 || mark === this.seenTicks[asset]) continue;
      this.seenTicks[asset] = mark;
      // What fires may cancel others of the list, or arm new ones for the next look.
      for (const order of list.filter((o) => o.trigger!.isMetAt(mark))) {
        if (order.trigger!.state !== "armed" || !order.account.openOrders.has(order.oid)) continue;
        this.fire(order, exchMs);
        count++;
      }
    }
    return count;
  }

  private fire(order: SimOrder, exchMs: number): void {
    const { exchange } = this;
    const { account, market } = order;
    this.disarm(order);
    exchange.unpark(order, exchMs);
    order.trigger!.state = "triggered";
    if (order.szLots === 0) order.szLots = Math.abs(account.positionLots(market));
    if (order.szLots === 0) exchange.refuse(order, INCREASES);
    else exchange.inTransaction(() => exchange.admit(order, exchMs));
  }

  // --- OrderLifecycle ----------------------------------------------------------------------------------------------------

  /** Parents wake or take along their children; a leg that executed cancels the other. */
  onClosed(order: SimOrder): void {
    if (order.trigger !== undefined) this.disarm(order);
    const { group } = order;
    if (group === undefined) return;
    if (group.parent === order) {
      const isFilled =
        order.status === "filled" || (order.status === "marginCanceled" && order.szLots < order.origSzLots);
      for (const child of openChildren(group)) {
        if (child.trigger!.state !== "waitingForFill") continue;
        if (isFilled) this.arm(child);
        else this.exchange.cancel(child, order.statusMs);
      }
    } else if (order.status === "filled") {
      for (const sibling of openChildren(group))
        this.exchange.cancel(sibling, order.statusMs, "siblingFilledCanceled");
    }
  }

  /** Reduce-only orders that could have closed a position go with it. */
  onFills(account: Account, market: Market): void {
    const watched = this.watched.get(account);
    if (watched === undefined || watched.size === 0) return;
    const sign = Math.sign(account.positionLots(market));
    for (const order of [...watched]) {
      const trigger = order.trigger!;
      if (order.market.asset !== market.asset || trigger.heldSign === sign) continue;
      const couldClose = trigger.heldSign * order.side < 0;
      trigger.heldSign = sign;
      if (couldClose) this.exchange.cancel(order, this.exchange.nowMs, "reduceOnlyCanceled");
    }
  }
}

const marketLimit = (market: Market, side: Side, triggerTicks: number): number =>
  slippageLimit(market, side, triggerTicks, SLIPPAGE);

/** A price moved against an order of this side by a fraction of itself, on the grid, never further. */
export function slippageLimit(market: Market, side: Side, fromTicks: number, fraction: number): number {
  const exact = fromTicks * (1 + side * fraction);
  const bound = Math.max(1, side === Side.Buy ? Math.floor(exact) : Math.ceil(exact));
  const step = stepTicks(market.instrument, bound);
  const down = bound - (bound % step);
  return side === Side.Buy ? down : Math.max(step, down === bound ? down : down + step);
}
