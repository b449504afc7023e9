/**
 * An account: who it is, its orders and records, and its money in each dex and in spot.
 */
import { Side } from "../domain/index.js";
import { Clearinghouse, Position } from "./clearinghouse.js";
import { AddressBudget } from "./limits.js";
import { isPerp, type Market, type PerpMarket } from "./listed-market.js";
import { BookOrder } from "./matching.js";
import { SpotWallet } from "./spot-wallet.js";
import { type OrderGroup, type Trigger, triggerWire } from "./trigger.js";
import { dec } from "./wire.js";

export type SimTif = "Gtc" | "Ioc" | "Alo" | "FrontendMarket" | "LiquidationMarket";

/** An order of an account: what the book needs (inherited) and what its record shows. */
export class SimOrder extends BookOrder {
  status = "open";
  statusMs: number;
  /** Of TP/SL and stop orders. */
  trigger: Trigger | undefined = undefined;
  /** The TP/SL orders that depend on this one, or the ones it was placed with. */
  group: OrderGroup<SimOrder> | undefined = undefined;
  /** Who charges on top of the exchange for this order's fills. */
  builder: BuilderFee | undefined = undefined;
  /** Of a TWAP's slice. */
  twapId: number | null = null;

  constructor(
    oid: number,
    readonly account: Account,
    readonly market: Market,
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

/** A builder's own fee on an order (reference 4.2). */
export interface BuilderFee {
  readonly account: Account;
  /** Tenths of a basis point. */
  readonly rate: number;
}

/** A record while it is being made: what it may lack is added last, as spreading an absent part costs more than all the rest. */
export type Draft<T> = { -readonly [K in keyof T]: T[K] };

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
  /** Contained in `fee`; left out when there is none. */
  readonly builderFee?: string;
  readonly liquidation?: FillLiquidation;
}

/** On the fills of both sides of a liquidation (reference 2.8). */
export interface FillLiquidation {
  readonly liquidatedUser: string;
  readonly markPx: string;
  readonly method: "market" | "backstop";
}

/** A row of `userFunding` and, without hash, an element of userFundings frames (reference 2.10, 3.8). */
export interface FundingWire {
  readonly time: number;
  readonly hash: string;
  readonly delta: {
    readonly type: "funding";
    readonly coin: string;
    /** Negative: paid by the user. */
    readonly usdc: string;
    readonly szi: string;
    readonly fundingRate: string;
    readonly nSamples: null;
  };
}

/** An element of `userNonFundingLedgerUpdates` (reference 2.13). */
export interface LedgerWire {
  readonly time: number;
  readonly hash: string;
  readonly delta: { readonly type: string; readonly [key: string]: unknown };
}

/** `liquidation` of userEvents (reference 2.9). */
export interface LiquidationWire {
  readonly lid: number;
  readonly liquidator: string;
  readonly liquidated_user: string;
  readonly liquidated_ntl_pos: string;
  readonly liquidated_account_value: string;
}

/** Traded volume of one UTC day, in quote units. */
export interface DayVolume {
  readonly day: number;
  takerUsd: number;
  makerUsd: number;
  /** What counts for fee tiers: perp + 2·spot, growth-mode markets at a tenth (reference 8.13, 9.5). */
  weightedUsd: number;
}

const CLOSED_ORDERS_KEPT = 2000;
const FILLS_KEPT = 10_000;

const LEDGER_KEPT = 10_000;

/**
 * What an account is. A house is a market's own participant: no margin, no history, no private events, no fees. A
 * liquidator takes over what no book would: no margin either, but with history.
 */
export type AccountRole = "user" | "subAccount" | "vault" | "liquidator" | "house";

export class Account {
  /** By dex index; made on first touch. */
  readonly clearinghouses: (Clearinghouse | undefined)[] = [];
  /** By dense market index (`market.asset`), for perps only. */
  readonly positions: (Position | undefined)[] = [];
  readonly spot = new SpotWallet();
  /** Resting orders by oid, in order of placement. */
  readonly openOrders = new Map<number, SimOrder>();
  /** Live and recently closed orders: the venue forgets by count. */
  readonly orders = new Map<number, SimOrder>();
  /** The most recent order of each cloid. */
  readonly byCloid = new Map<string, SimOrder>();
  private readonly closed: SimOrder[] = [];
  /** Oldest first. */
  readonly fills: FillWire[] = [];
  readonly fundings: FundingWire[] = [];
  /** Received since the account was opened, also of payments that are no longer kept. */
  fundingUsd = 0;
  readonly ledger: LedgerWire[] = [];
  /** Sub-accounts in order of creation; only a user has any. */
  readonly subAccounts: Account[] = [];
  /** Deposits in a vault by depositor's address, micro-units; only a vault has any. */
  readonly vaultShares = new Map<string, number>();
  cumVolumeUsd = 0;
  /** The last days with trades, oldest first. */
  readonly dayVolumes: DayVolume[] = [];
  /** Fractions: 0.04 is 4 %. Staking applies to tier rates, referral after it and only up to 25M of volume. */
  stakingDiscount = 0;
  referralDiscount = 0;
  readonly requests = new AddressBudget();
  /** Dead man's switch, wall-clock ms; undefined when disarmed. */
  scheduledCancelMs: number | undefined;
  scheduledCancelDay = 0;
  scheduledCancelsToday = 0;
  readonly isHouse: boolean;
  /** Trades without margin and is never liquidated. */
  readonly isMarginExempt: boolean;

  constructor(
    readonly id: number,
    readonly address: string,
    readonly role: AccountRole,
    /** Of a sub-account its owner, of a vault its leader. */
    readonly master: Account | undefined = undefined,
    public name: string = "",
  ) {
    this.isHouse = role === "house";
    this.isMarginExempt = role === "house" || role === "liquidator";
  }

  clearinghouse(dexIndex: number): Clearinghouse {
    let c = this.clearinghouses[dexIndex];
    if (c === undefined) {
      c = new Clearinghouse(dexIndex);
      this.clearinghouses[dexIndex] = c;
    }
    return c;
  }

  position(market: PerpMarket): Position {
    let p = this.positions[market.asset];
    if (p === undefined) {
      p = new Position(market);
      this.positions[market.asset] = p;
      this.clearinghouse(market.perp.dex.index).positions.push(p);
    }
    return p;
  }

  /** Signed position in a perp; 0 for spot and for what was never touched. */
  positionLots(market: Market): number {
    return isPerp(market) ? (this.positions[market.asset]?.szLots ?? 0) : 0;
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

  recordFunding(payment: FundingWire): void {
    this.fundingUsd += Number(payment.delta.usdc);
    this.fundings.push(payment);
    if (this.fundings.length >= LEDGER_KEPT * 2) this.fundings.splice(0, LEDGER_KEPT);
  }

  recordLedger(update: LedgerWire): void {
    this.ledger.push(update);
    if (this.ledger.length >= LEDGER_KEPT * 2) this.ledger.splice(0, LEDGER_KEPT);
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
  const wire: Draft<OrderUpdateWire["order"]> = {
    coin: o.market.coin,
    side: o.side === Side.Buy ? "B" : "A",
    limitPx: dec(o.pxTicks, o.market.pxDecimals),
    sz: dec(o.szLots, o.market.szDecimals),
    oid: o.oid,
    timestamp: o.placedMs,
    origSz: dec(o.origSzLots, o.market.szDecimals),
  };
  if (o.cloid !== undefined) wire.cloid = o.cloid;
  if (o.isReduceOnly) wire.reduceOnly = true;
  return wire;
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
