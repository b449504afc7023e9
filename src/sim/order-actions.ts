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
      case "order": {
        const place = (): ExchangeResponse => this.place(account, action.orders, action.grouping, exchMs);
        const answer = this.exchange.withBuilder(account, action.builder, place);
        return typeof answer === "string" ? err(answer) : answer;
      }
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
        const specs = this.specsOf([action.order], false, exchMs);
        if (typeof specs === "string") return err(specs);
        const status = this.modifyOne(account, action.oid, specs[0]!, action.a === true, exchMs);
        return isRefusal(status) ? err(status.error) : ok("default");
      }
      case "batchModify": {
        if (action.modifies.length === 0) return err("Modifies are empty.");
        const wires = action.modifies.map((m) => m.order);
        const specs = this.specsOf(wires, false, exchMs);
        if (typeof specs === "string") return ok("order", [{ error: specs }]);
        const statuses = action.modifies.map((m, i) =>
          this.modifyOne(account, m.oid, specs[i]!, action.a === true, exchMs),
        );
        return ok("order", statuses);
      }
    }
  }

  /**
   * The orders on integers, or what is wrong with the payload as such: one text for the whole action, and nothing is placed
   * (reference 4.10).
   */
  private specsOf(
    orders: readonly OrderWire[],
    isPositionTpsl: boolean,
    exchMs: number,
  ): OrderSpec[] | string {
    const specs: OrderSpec[] = [];
    for (const wire of orders) {
      const spec = this.exchange.parseOrder(wire, isPositionTpsl);
      if (typeof spec === "string") return spec;
      if (exchMs < this.postOnlyUntilMs && (spec.tif !== "Alo" || spec.trigger !== undefined))
        return "Only post-only orders allowed immediately after network upgrade";
      specs.push(spec);
    }
    return specs;
  }

  private place(
    account: Account,
    orders: readonly OrderWire[],
    grouping: Grouping,
    exchMs: number,
  ): ExchangeResponse {
    const isPositionTpsl = grouping === "positionTpsl";
    const specs = shapeError(orders, grouping) ?? this.specsOf(orders, isPositionTpsl, exchMs);
    if (typeof specs === "string") return ok("order", [{ error: specs }]);
    const statuses =
      grouping === "na"
        ? specs.map((spec) => this.placeOne(account, spec, exchMs))
        : this.placeGroup(account, specs, isPositionTpsl, exchMs);
    return ok("order", statuses);
  }

  private placeOne(account: Account, spec: OrderSpec, exchMs: number): PlacementStatus {
    return isTriggerSpec(spec)
      ? this.triggers.place(account, spec, exchMs)
      : this.exchange.place(account, spec, exchMs).status;
  }

  /** TP/SL with their parent first, or those of a position. */
  private placeGroup(
    account: Account,
    specs: readonly OrderSpec[],
    isPositionTpsl: boolean,
    exchMs: number,
  ): PlacementStatus[] {
    let group = new OrderGroup<SimOrder>(undefined);
    let refused: Refusal | undefined;
    return specs.map((spec) => {
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
    spec: OrderSpec,
    isAlways: boolean,
    exchMs: number,
  ): PlacementStatus {
    const { venueAssetId } = spec.market;
    const old = typeof target === "number" ? account.openOrders.get(target) : account.byCloid.get(target);
    const isLive = old !== undefined && account.openOrders.has(old.oid);
    if (!isLive && !isAlways)
      return { error: `Cannot modify canceled or filled order asset=${venueAssetId}` };
    let placed = spec;
    if (!isAlways) {
      if (spec.trigger !== undefined || (spec.tif !== "Alo" && spec.tif !== "Gtc"))
        return { error: `Modified order must be Alo or Gtc asset=${venueAssetId}` };
      placed = { ...spec, tif: "Alo" };
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

/** What is wrong with the orders together. The venue's wording of the last text is not known. */
function shapeError(orders: readonly OrderWire[], grouping: Grouping): string | undefined {
  if (orders.length === 0) return "Orders are empty.";
  if (typeof grouping === "object") return NO_PRIORITY;
  if (grouping === "na") return undefined;
  // A parent and one or two exits, or exits alone; exits only reduce.
  const exits = grouping === "normalTpsl" ? orders.slice(1) : orders;
  const isParentPlain = grouping === "positionTpsl" || "limit" in orders[0]!.t;
  const areTriggers = exits.every((o) => "trigger" in o.t);
  if (!isParentPlain || !areTriggers || exits.length < 1 || exits.length > 2) return UNEXPECTED_TRIGGERS;
  return exits.every((o) => o.r) ? undefined : "TP/SL orders must be reduce-only.";
}
