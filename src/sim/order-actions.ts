/**
 * Orders, modifies and cancels: grouping, pre-validation, one status per element.
 *
 * Pre-validation looks at the payload and at coarse state; it refuses a whole action with one text, and no oid is used.
 * Execution refuses single orders, which have an oid and a record (reference/hyperliquid-api.md 4.2 to 4.4, 4.10).
 */
import type { Account, SimOrder } from "./account.js";
import type { Action, Grouping, OrderWire } from "./actions.js";
import { type ExchangeResponse, err, ok } from "./answers.js";
import type { Exchange, OrderSpec, OrderStatusWire } from "./exchange.js";
import { isParked, OrderGroup, type TriggerSpec } from "./trigger.js";
import type { TriggerStatus, Triggers } from "./triggers.js";

const MISSING_ORDER = "Order was never placed, already canceled, or filled.";
const UNEXPECTED_TRIGGERS = "Unexpected number of trigger orders";
/** Priority is paid from staked HYPE, of which nobody has any here. */
const NO_PRIORITY = "Insufficient undelegated staking balance for order priority.";

type OrderAction = Extract<
  Action,
  { readonly type: "order" | "cancel" | "cancelByCloid" | "modify" | "batchModify" }
>;
type Refusal = { readonly error: string };
type PlacementStatus = OrderStatusWire | TriggerStatus;

export class OrderActions {
  /** Until this exchange time only post-only orders are taken, as after a network upgrade. */
  postOnlyUntilMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly exchange: Exchange,
    private readonly triggers: Triggers,
  ) {}

  carryOut(account: Account, action: OrderAction, exchMs: number): ExchangeResponse {
    switch (action.type) {
      case "order":
        return this.place(account, action.orders, action.grouping, exchMs);
      case "cancel": {
        if (action.cancels.length === 0) return err("Cancels are empty.");
        const isFast = action.f === true;
        const statuses = action.cancels.map((c) =>
          this.cancelOne(account, account.openOrders.get(c.o), c.a, isFast, exchMs),
        );
        return ok("cancel", statuses);
      }
      case "cancelByCloid": {
        if (action.cancels.length === 0) return err("Cancels are empty.");
        const isFast = action.f === true;
        const statuses = action.cancels.map((c) =>
          this.cancelOne(account, account.byCloid.get(c.cloid), c.asset, isFast, exchMs),
        );
        return ok("cancel", statuses);
      }
      case "modify": {
        const status = this.modifyOne(account, action.oid, action.order, action.a === true, exchMs);
        return isRefusal(status) ? err(status.error) : ok("default");
      }
      case "batchModify": {
        if (action.modifies.length === 0) return err("Modifies are empty.");
        const wires = action.modifies.map((m) => m.order);
        const refusal = this.payloadError(wires, false, exchMs);
        if (refusal !== undefined) return ok("order", [{ error: refusal }]);
        const statuses = action.modifies.map((m) =>
          this.modifyOne(account, m.oid, m.order, action.a === true, exchMs),
        );
        return ok("order", statuses);
      }
    }
  }

  /** What is wrong with the payload as such: one text for the whole action, and nothing is placed (reference 4.10). */
  private payloadError(
    orders: readonly OrderWire[],
    isPositionTpsl: boolean,
    exchMs: number,
  ): string | undefined {
    for (const wire of orders) {
      const spec = this.exchange.parseOrder(wire, isPositionTpsl);
      if (typeof spec === "string") return spec;
      if (exchMs < this.postOnlyUntilMs && (spec.tif !== "Alo" || spec.trigger !== undefined))
        return "Only post-only orders allowed immediately after network upgrade";
    }
    return undefined;
  }

  private place(
    account: Account,
    orders: readonly OrderWire[],
    grouping: Grouping,
    exchMs: number,
  ): ExchangeResponse {
    if (orders.length === 0) return ok("order", [{ error: "Orders are empty." }]);
    const refusal =
      groupingError(orders, grouping) ?? this.payloadError(orders, grouping === "positionTpsl", exchMs);
    if (refusal !== undefined) return ok("order", [{ error: refusal }]);
    if (typeof grouping === "object") return ok("order", [{ error: NO_PRIORITY }]);
    if (grouping === "na")
      return ok(
        "order",
        orders.map((wire) => this.placeOne(account, wire, exchMs)),
      );
    return ok("order", this.placeGroup(account, orders, grouping === "positionTpsl", exchMs));
  }

  private placeOne(account: Account, wire: OrderWire, exchMs: number): PlacementStatus {
    const spec = this.exchange.parseOrder(wire);
    if (typeof spec === "string") return { error: spec };
    return isTriggerSpec(spec)
      ? this.triggers.place(account, spec, exchMs)
      : this.exchange.place(account, spec, exchMs).status;
  }

  /** TP/SL with their parent first, or those of a position. */
  private placeGroup(
    account: Account,
    orders: readonly OrderWire[],
    isPositionTpsl: boolean,
    exchMs: number,
  ): PlacementStatus[] {
    let group = new OrderGroup<SimOrder>(undefined);
    let refused: Refusal | undefined;
    return orders.map((wire) => {
      const spec = this.exchange.parseOrder(wire, isPositionTpsl);
      if (typeof spec === "string") return { error: spec };
      if (isTriggerSpec(spec))
        return refused ?? this.triggers.place(account, spec, exchMs, group, isPositionTpsl);
      const order = this.exchange.newOrder(account, spec, exchMs);
      group = new OrderGroup<SimOrder>(order);
      order.group = group;
      const { status } = this.exchange.admit(order, exchMs);
      if (isRefusal(status)) refused = status;
      return status;
    });
  }

  private cancelOne(
    account: Account,
    order: SimOrder | undefined,
    asset: number,
    isFast: boolean,
    exchMs: number,
  ): "success" | Refusal {
    if (order === undefined || order.market.venueAssetId !== asset || !account.openOrders.has(order.oid)) {
      return { error: `${MISSING_ORDER} asset=${asset}` };
    }
    if (isFast && isParked(order))
      return { error: `Fast cancel is not available for trigger orders. asset=${asset}` };
    this.exchange.cancel(order, exchMs);
    return "success";
  }

  /** Cancel, then place at the tail, in one step (reference 4.4). */
  private modifyOne(
    account: Account,
    target: number | string,
    wire: OrderWire,
    isAlways: boolean,
    exchMs: number,
  ): PlacementStatus {
    const refusal = this.payloadError([wire], false, exchMs);
    if (refusal !== undefined) return { error: refusal };
    const old = typeof target === "number" ? account.openOrders.get(target) : account.byCloid.get(target);
    const isLive = old !== undefined && account.openOrders.has(old.oid);
    if (!isLive && !isAlways) return { error: `Cannot modify canceled or filled order asset=${wire.a}` };
    let placed = wire;
    if (!isAlways) {
      if (!("limit" in wire.t) || (wire.t.limit.tif !== "Alo" && wire.t.limit.tif !== "Gtc"))
        return { error: `Modified order must be Alo or Gtc asset=${wire.a}` };
      placed = { ...wire, t: { limit: { tif: "Alo" } } };
    }
    if (isLive) this.exchange.cancel(old, exchMs);
    const status = this.placeOne(account, placed, exchMs);
    if (!isLive || !isRefusal(status)) return status;
    return { error: `Error placing new order during modify: ${status.error}` };
  }
}

const isRefusal = (status: PlacementStatus): status is Refusal =>
  typeof status === "object" && "error" in status;

const isTriggerSpec = (spec: OrderSpec): spec is OrderSpec & { readonly trigger: TriggerSpec } =>
  spec.trigger !== undefined;

/** A parent and one or two exits, or exits alone; exits only reduce. The venue's wording of the last is not known. */
function groupingError(orders: readonly OrderWire[], grouping: Grouping): string | undefined {
  if (grouping === "na" || typeof grouping === "object") return undefined;
  const exits = grouping === "normalTpsl" ? orders.slice(1) : orders;
  const isParentPlain = grouping === "positionTpsl" || "limit" in orders[0]!.t;
  const areTriggers = exits.every((o) => "trigger" in o.t);
  if (!isParentPlain || !areTriggers || exits.length < 1 || exits.length > 2) return UNEXPECTED_TRIGGERS;
  return exits.every((o) => o.r) ? undefined : "TP/SL orders must be reduce-only.";
}
