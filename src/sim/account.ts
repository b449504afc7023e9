/**
 * An account's money, positions and orders, in exact integers.
 *
 * Prices have 6 − szDecimals decimals and sizes szDecimals, so price × size is a whole number of micro-dollars: every trade
 * is booked without rounding, and only fees round (to a micro-dollar). Law: over all accounts of order-by-order markets,
 * Σ balance − Σ sign·entry cost + fees collected = Σ deposits, to the micro-dollar.
 */
import { Side } from "../domain/index.js";
import { AddressBudget } from "./limits.js";
import { BookOrder } from "./matching.js";
import { type OrderGroup, type Trigger, triggerWire } from "./trigger.js";
import { dec } from "./wire.js";

export type SimTif = "Gtc" | "Ioc" | "Alo" | "FrontendMarket";

/** An order of an account: what the book needs (inherited) and what its record shows. */
export class SimOrder extends BookOrder {
  status = "open";
  statusMs: number;
  /** Of TP/SL and stop orders. */
  trigger: Trigger | undefined = undefined;
  /** The TP/SL orders that depend on this one, or the ones it was placed with. */
  group: OrderGroup<SimOrder> | undefined = undefined;
  /** Of a TWAP's slice. */
  twapId: number | null = null;

  constructor(
    oid: number,
    readonly account: Account,
    readonly market: {
      readonly asset: number;
      readonly coin: string;
      readonly pxDecimals: number;
      readonly szDecimals: number;
    },
    side: Side,
    pxTicks: number,
    szLots: number,
    readonly origSzLots: number,
    readonly tif: SimTif,
    readonly isReduceOnly: boolean,
    readonly cloid: string | undefined,
    readonly placedMs: number,
  ) {
    super(oid, account.id, side, pxTicks, szLots);
    this.statusMs = placedMs;
  }
}

/** A position and what the account's resting orders in the same asset could add to it. */
export class Position {
  /** Signed. */
  szLots = 0;
  /** Unsigned cost of the open size. */
  entryMicroUsd = 0;
  restingBuyLots = 0;
  restingSellLots = 0;
  restingReduceOnlyCount = 0;

  constructor(
    readonly asset: number,
    public leverage: number,
  ) {}

  /** Largest absolute position that fills of one side's resting orders could lead to. */
  worstLots(extraBuyLots = 0, extraSellLots = 0): number {
    return Math.max(
      Math.abs(this.szLots + this.restingBuyLots + extraBuyLots),
      Math.abs(this.szLots - this.restingSellLots - extraSellLots),
    );
  }

  unrealizedMicroUsd(markTicks: number): number {
    return this.szLots * markTicks - Math.sign(this.szLots) * this.entryMicroUsd;
  }

  /**
   * Books a trade of `signedLots` at `pxTicks`.
   * @returns realised profit of the closing part, in micro-dollars, before fees.
   */
  trade(signedLots: number, pxTicks: number): number {
    const before = this.szLots;
    this.szLots = before + signedLots || 0;
    const isOpening = before === 0 || Math.sign(before) === Math.sign(signedLots);
    if (isOpening) {
      this.entryMicroUsd += Math.abs(signedLots) * pxTicks;
      return 0;
    }
    const held = Math.abs(before);
    const closed = Math.min(held, Math.abs(signedLots));
    const cost = closed === held ? this.entryMicroUsd : Math.round((this.entryMicroUsd * closed) / held);
    this.entryMicroUsd -= cost;
    const opened = Math.abs(signedLots) - closed;
    if (opened > 0) this.entryMicroUsd = opened * pxTicks;
    return Math.sign(before) * (closed * pxTicks - cost);
  }
}

/** A fill as `userFills` shows it (reference 2.8). */
export interface FillWire {
  readonly coin: string;
  readonly px: string;
  readonly sz: string;
  readonly side: "B" | "A";
  readonly time: number;
  readonly startPosition: string;
  readonly dir: string;
  readonly closedPnl: string;
  readonly hash: string;
  readonly oid: number;
  readonly crossed: boolean;
  readonly fee: string;
  readonly tid: number;
  readonly feeToken: string;
  readonly twapId: number | null;
  readonly cloid?: string;
}

const CLOSED_ORDERS_KEPT = 2000;
const FILLS_KEPT = 10_000;

export class Account {
  /** Deposits + realised − fees, micro-dollars. */
  balanceMicroUsd = 0;
  readonly positions: (Position | undefined)[] = [];
  /** Resting orders by oid, in order of placement. */
  readonly openOrders = new Map<number, SimOrder>();
  /** Live and recently closed orders: the venue forgets by count. */
  readonly orders = new Map<number, SimOrder>();
  /** The most recent order of each cloid. */
  readonly byCloid = new Map<string, SimOrder>();
  private readonly closed: SimOrder[] = [];
  /** Oldest first. */
  readonly fills: FillWire[] = [];
  readonly chosenLeverage: (number | undefined)[] = [];
  cumVolumeUsd = 0;
  readonly requests = new AddressBudget();
  /** Dead man's switch, wall-clock ms; undefined when disarmed. */
  scheduledCancelMs: number | undefined;
  scheduledCancelDay = 0;
  scheduledCancelsToday = 0;

  constructor(
    readonly id: number,
    readonly address: string,
    /** A market's own participant: no margin, no history, no private events. */
    readonly isHouse: boolean,
  ) {}

  position(asset: number, leverage: number): Position {
    let p = this.positions[asset];
    if (p === undefined) {
      p = new Position(asset, this.chosenLeverage[asset] ?? leverage);
      this.positions[asset] = p;
    }
    return p;
  }

  remember(order: SimOrder): void {
    this.orders.set(order.oid, order);
    if (order.cloid !== undefined) this.byCloid.set(order.cloid, order);
  }

  /** Ends an order's life; its record stays for a while. */
  retire(order: SimOrder): void {
    this.openOrders.delete(order.oid);
    this.closed.push(order);
    if (this.closed.length < CLOSED_ORDERS_KEPT * 2) return;
    for (const old of this.closed.splice(0, CLOSED_ORDERS_KEPT)) {
      this.orders.delete(old.oid);
      if (old.cloid !== undefined && this.byCloid.get(old.cloid) === old) this.byCloid.delete(old.cloid);
    }
  }

  /** Closed orders, newest first. */
  history(): SimOrder[] {
    return this.closed.slice(-CLOSED_ORDERS_KEPT).reverse();
  }

  recordFill(fill: FillWire): void {
    this.fills.push(fill);
    if (this.fills.length >= FILLS_KEPT * 2) this.fills.splice(0, FILLS_KEPT);
  }
}

/** Display label of a fill; clients must not rely on it (reference 2.8). */
export function fillDirection(startLots: number, signedLots: number): string {
  const end = startLots + signedLots;
  if (startLots > 0 && end < 0) return "Long > Short";
  if (startLots < 0 && end > 0) return "Short > Long";
  if (signedLots > 0) return startLots < 0 ? "Close Short" : "Open Long";
  return startLots > 0 ? "Close Long" : "Open Short";
}

export interface OrderUpdateWire {
  readonly order: {
    readonly coin: string;
    readonly side: "B" | "A";
    readonly limitPx: string;
    readonly sz: string;
    readonly oid: number;
    readonly timestamp: number;
    readonly origSz: string;
    readonly cloid?: string;
    readonly reduceOnly?: true;
  };
  readonly status: string;
  readonly statusTimestamp: number;
}

/** OpenOrder of 3.6 and the `order` of orderUpdates: the same keys. */
export function openOrderWire(o: SimOrder): OrderUpdateWire["order"] {
  return {
    coin: o.market.coin,
    side: o.side === Side.Buy ? "B" : "A",
    limitPx: dec(o.pxTicks, o.market.pxDecimals),
    sz: dec(o.szLots, o.market.szDecimals),
    oid: o.oid,
    timestamp: o.placedMs,
    origSz: dec(o.origSzLots, o.market.szDecimals),
    ...(o.cloid === undefined ? {} : { cloid: o.cloid }),
    ...(o.isReduceOnly ? { reduceOnly: true as const } : {}),
  };
}

export const orderUpdateWire = (o: SimOrder): OrderUpdateWire => ({
  order: openOrderWire(o),
  status: o.status,
  statusTimestamp: o.statusMs,
});

/** TP/SL of a group that still wait or rest. */
export const openChildren = (group: OrderGroup<SimOrder>): SimOrder[] =>
  group.children.filter((o) => o.account.openOrders.has(o.oid));

/** FrontendOpenOrder of 3.6. */
export function frontendOrderWire(o: SimOrder): Record<string, unknown> {
  return {
    coin: o.market.coin,
    side: o.side === Side.Buy ? "B" : "A",
    limitPx: dec(o.pxTicks, o.market.pxDecimals),
    sz: dec(o.szLots, o.market.szDecimals),
    oid: o.oid,
    timestamp: o.placedMs,
    triggerCondition: "N/A",
    isTrigger: false,
    triggerPx: "0.0",
    children: o.group?.parent === o ? openChildren(o.group).map(frontendOrderWire) : [],
    isPositionTpsl: false,
    reduceOnly: o.isReduceOnly,
    orderType: o.twapId !== null ? "Twap Slice" : o.tif === "FrontendMarket" ? "Market" : "Limit",
    origSz: dec(o.origSzLots, o.market.szDecimals),
    tif: o.tif,
    ...(o.trigger === undefined ? {} : triggerWire(o.trigger, o.market.pxDecimals)),
    cloid: o.cloid ?? null,
  };
}
