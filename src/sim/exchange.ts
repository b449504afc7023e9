/**
 * The exchange without sockets: accounts, checks, matching, money, order records.
 *
 * Deterministic: the same calls with the same times give the same state and events. No clocks: every entry takes the
 * exchange time (`exchMs`, which stamps orders and fills) and, where a client's own clock matters (nonce window, expiry, dead
 * man's switch), the wall time (`wallMs`). At speed 1 the two are the same.
 *
 * Checks follow the order of reference/hyperliquid-api.md 8.3; texts are those of 4.11 and 4.12. Not modelled yet: isolated
 * margin, liquidation, funding payments, open-interest caps. Trigger orders and TWAPs live in `Triggers` and `Twaps`.
 */
import { decimalToWire, type Instrument, Side, stepTicks, wireToDecimal } from "../domain/index.js";
import {
  Account,
  type FillWire,
  fillDirection,
  type OrderUpdateWire,
  orderUpdateWire,
  type Position,
  SimOrder,
  type SimTif,
} from "./account.js";
import type { OrderWire } from "./actions.js";
import { CROWDED_OPEN_ORDERS, openOrdersCap, TOO_MANY_ORDERS } from "./limits.js";
import { Market, TAPE_ADDRESS, type TradeWire, tapeHash } from "./listed-market.js";
import type { MatchEvents, MatchingBook } from "./matching.js";
import { Agents, SettingsBook } from "./permissions.js";
import { isParked, parseTrigger, type TriggerSpec } from "./trigger.js";
import { dec } from "./wire.js";

export interface FeeRates {
  /** Parts per million of notional: 150 is 1.5 bps. Negative is a rebate. */
  readonly makerPpm: number;
  readonly takerPpm: number;
}

/** Base tier of reference 8.13: maker 1.5 bps, taker 4.5 bps. */
export const BASE_FEES: FeeRates = { makerPpm: 150, takerPpm: 450 };

export interface ExchangeOptions {
  readonly fees: FeeRates;
  /** Volume an account needs before it may arm scheduleCancel; the venue asks for 1,000,000. */
  readonly scheduleCancelMinVolumeUsd: number;
  /** Largest distance of a limit price from the mark, as a fraction of it. */
  readonly priceBand: number;
  /** Before any volume; more with it, up to 5000. */
  readonly openOrdersMax: number;
}

export const DEFAULT_EXCHANGE_OPTIONS: ExchangeOptions = {
  fees: BASE_FEES,
  scheduleCancelMinVolumeUsd: 0,
  priceBand: 0.8,
  openOrdersMax: 1000,
};

export interface ExchangeEvents {
  /** A print made by matching here (not a replayed one). */
  onTrade(market: Market, trade: TradeWire): void;
  onOrderUpdate(account: Account, update: OrderUpdateWire): void;
  onFill(account: Account, fill: FillWire): void;
  /** Orders taken out without the user's wish: self-trade, reduce-only. */
  onNonUserCancel(account: Account, coin: string, oid: number): void;
}

const NO_EVENTS: ExchangeEvents = {
  onTrade() {},
  onOrderUpdate() {},
  onFill() {},
  onNonUserCancel() {},
};

/** Told of what happens to orders that others depend on; called synchronously. */
export interface OrderLifecycle {
  /** An order has left the exchange, with its final status. House orders are not told. */
  onClosed(order: SimOrder): void;
  /** Fills of the account in this market have been booked; its position may have changed. */
  onFills(account: Account, market: Market): void;
}

const NO_LIFECYCLE: OrderLifecycle = { onClosed() {}, onFills() {} };

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
  readonly trigger?: TriggerSpec;
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
  readonly takenMicroUsd: number;
}

/** Above any oid seen in public recordings, so that a mixed-up network is noticed by eye. */
const FIRST_OID = 900_000_000_000;

export class Exchange {
  readonly markets: Market[] = [];
  private readonly byCoin = new Map<string, Market>();
  private readonly byAddress = new Map<string, Account>();
  readonly agents = new Agents();
  readonly settings = new SettingsBook();
  private readonly accounts: Account[] = [];
  /** Every fee ever charged minus every rebate, micro-dollars. */
  feePotMicroUsd = 0;
  depositsMicroUsd = 0;
  events: ExchangeEvents = NO_EVENTS;
  lifecycle: OrderLifecycle = NO_LIFECYCLE;
  private nextOid = FIRST_OID;
  private tradeCount = 0;

  constructor(readonly options: ExchangeOptions = DEFAULT_EXCHANGE_OPTIONS) {}

  addMarket(instrument: Instrument, book: MatchingBook): Market {
    if (instrument.pxDecimals + instrument.szDecimals !== 6) {
      throw new RangeError(
        `${instrument.coin}: price and size decimals must add to 6, got ${instrument.pxDecimals} + ${instrument.szDecimals}`,
      );
    }
    const market = new Market(this.markets.length, instrument, book);
    this.markets.push(market);
    this.byCoin.set(market.coin, market);
    return market;
  }

  market(coin: unknown): Market | undefined {
    return typeof coin === "string" ? this.byCoin.get(coin) : undefined;
  }

  account(address: string): Account | undefined {
    return this.byAddress.get(address);
  }

  /** The account a signer acts for: itself, or the one that approved it as agent. */
  accountOfSigner(address: string): Account | undefined {
    return this.byAddress.get(address) ?? this.agents.get(address)?.account;
  }

  masterOfAgent(address: string): Account | undefined {
    return this.agents.get(address)?.account;
  }

  deposit(address: string, amountMicroUsd: number): Account {
    const account = this.byAddress.get(address) ?? this.addAccount(address, false);
    account.balanceMicroUsd += amountMicroUsd;
    this.depositsMicroUsd += amountMicroUsd;
    return account;
  }

  /** Takes money from an account's perp balance for the exchange. @returns false when it has not enough to spare. */
  charge(account: Account, amountMicroUsd: number): boolean {
    if (this.accountValueMicroUsd(account) - this.marginRequiredMicroUsd(account) < amountMicroUsd)
      return false;
    account.balanceMicroUsd -= amountMicroUsd;
    this.feePotMicroUsd += amountMicroUsd;
    return true;
  }

  addAgent(agent: string, account: Account): void {
    this.agents.add(agent, account);
  }

  /** A participant of a simulated market: trades like anyone, but without margin, history or private events. */
  addHouse(address: string): Account {
    return this.addAccount(address, true);
  }

  allAccounts(): readonly Account[] {
    return this.accounts;
  }

  private addAccount(address: string, isHouse: boolean): Account {
    const account = new Account(this.accounts.length + 1, address, isHouse);
    this.accounts.push(account);
    this.byAddress.set(address, account);
    return account;
  }

  // --- Money -------------------------------------------------------------------------------------------------------

  defaultLeverage(market: Market): number {
    return Math.min(20, market.instrument.maxLeverage);
  }

  positionOf(account: Account, market: Market): Position {
    return account.position(market.asset, this.defaultLeverage(market));
  }

  unrealizedMicroUsd(account: Account): number {
    let sum = 0;
    for (const p of account.positions) {
      if (p !== undefined && p.szLots !== 0)
        sum += p.unrealizedMicroUsd(this.markets[p.asset]!.referenceTicks);
    }
    return sum;
  }

  accountValueMicroUsd(account: Account): number {
    return account.balanceMicroUsd + this.unrealizedMicroUsd(account);
  }

  /** Initial margin of positions and resting orders together, at mark. */
  marginRequiredMicroUsd(account: Account): number {
    let sum = 0;
    for (const p of account.positions) {
      if (p !== undefined) sum += (p.worstLots() * this.markets[p.asset]!.referenceTicks) / p.leverage;
    }
    return Math.ceil(sum);
  }

  private hasMarginFor(account: Account, spec: OrderSpec): boolean {
    if (account.isHouse) return true;
    const p = this.positionOf(account, spec.market);
    const extra = spec.side === Side.Buy ? p.worstLots(spec.szLots, 0) : p.worstLots(0, spec.szLots);
    const addedLots = extra - p.worstLots();
    if (addedLots <= 0) return true;
    const px = spec.market.referenceTicks || spec.pxTicks;
    const required = this.marginRequiredMicroUsd(account) + Math.ceil((addedLots * px) / p.leverage);
    return required <= this.accountValueMicroUsd(account);
  }

  // --- Orders ------------------------------------------------------------------------------------------------------

  /**
   * Turns a wire order into integers.
   * @param mayBeEmpty true for TP/SL of a whole position, whose size is "0".
   * @returns the venue's payload error text when it can't be.
   */
  parseOrder(wire: OrderWire, mayBeEmpty = false): OrderSpec | string {
    const market = this.markets[wire.a];
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
    if (hasLimit && reference > 0 && Math.abs(pxTicks - reference) > reference * this.options.priceBand) {
      const percent = Math.round(this.options.priceBand * 100);
      return `Order price cannot be more than ${percent}% away from the reference price`;
    }
    return {
      market,
      side: wire.b ? Side.Buy : Side.Sell,
      pxTicks,
      szLots,
      tif: "limit" in wire.t ? wire.t.limit.tif : trigger?.isMarket === true ? "FrontendMarket" : "Gtc",
      isReduceOnly: wire.r,
      cloid: wire.c,
      ...(trigger === undefined ? {} : { trigger }),
    };
  }

  /** The order being matched, and what it got so far. Valid only inside `place`. */
  private taker: SimOrder | undefined;
  private takenLots = 0;
  private takenMicroUsd = 0;
  /** Hash of the transaction being carried out; empty between transactions. */
  private txHash = "";
  private txCount = 0;
  private nowMs = 0;

  /** Exchange time of what is happening. */
  get eventMs(): number {
    return this.nowMs;
  }

  private readonly matchEvents: MatchEvents = {
    onMatch: (maker, pxTicks, szLots) => {
      const taker = this.taker!;
      const resting = maker as SimOrder | undefined;
      const tid = this.tradeId(taker.oid, resting?.oid ?? 0);
      taker.szLots -= szLots;
      this.takenLots += szLots;
      this.takenMicroUsd += pxTicks * szLots;
      const hash = this.txHash;
      this.publishTrade(taker, resting, pxTicks, szLots, tid, hash);
      this.settle(taker, pxTicks, szLots, true, tid, hash);
      if (resting !== undefined) this.settleResting(resting, szLots, tid, hash);
    },
    onSelfTrade: (resting) => {
      this.release(resting as SimOrder, resting.szLots);
      this.close(resting as SimOrder, "selfTradeCanceled");
    },
  };

  /**
   * Places one order: checks, matches, rests.
   * Orders refused here have a record and an oid, as at the venue.
   */
  place(account: Account, spec: OrderSpec, exchMs: number): Placement {
    return this.admit(this.newOrder(account, spec, exchMs), spec, exchMs);
  }

  /** Gives an order its oid and record, and nothing else yet. */
  newOrder(account: Account, spec: OrderSpec, exchMs: number): SimOrder {
    this.nowMs = exchMs;
    const order = new SimOrder(
      this.nextOid++,
      account,
      spec.market,
      spec.side,
      spec.pxTicks,
      spec.szLots,
      spec.szLots,
      spec.tif,
      spec.isReduceOnly,
      spec.cloid,
      exchMs,
    );
    if (!account.isHouse) account.remember(order);
    return order;
  }

  /** Checks, matches and rests an order that has its oid: a new one, or one whose trigger was met. */
  admit(order: SimOrder, spec: OrderSpec, exchMs: number): Placement {
    this.nowMs = exchMs;
    const { account } = order;
    const { market, side, pxTicks, tif } = spec;
    if (!account.isHouse) {
      const refusal = this.check(account, spec, order);
      if (refusal !== undefined) return this.refuse(order, refusal[0], refusal[1]);
    }
    const isMarketable = market.book.wouldMatch(side, pxTicks);
    if (tif === "Alo" && isMarketable) {
      const { bestBidTicks, bestAskTicks } = market.book;
      const bbo = `${decimalToWire(bestBidTicks, market.pxDecimals)}@${decimalToWire(bestAskTicks, market.pxDecimals)}`;
      return this.refuse(
        order,
        "badAloPxRejected",
        `Post only order would have immediately matched, bbo was ${bbo}.`,
      );
    }
    if (!this.hasMarginFor(account, { ...spec, szLots: order.szLots }) && !spec.isReduceOnly) {
      return this.refuse(order, "perpMarginRejected", "Insufficient margin to place order.");
    }
    return this.matchAndRest(order, market, isMarketable);
  }

  private matchAndRest(order: SimOrder, market: Market, isMarketable: boolean): Placement {
    const { account, tif } = order;
    this.takenLots = 0;
    this.takenMicroUsd = 0;
    const isImmediate = tif === "Ioc" || tif === "FrontendMarket";
    if (isMarketable) {
      if (!isImmediate) this.announce(order);
      this.taker = order;
      // The book counts its own remainder; `onMatch` keeps the order's in step, so that events see it.
      const take = (): unknown =>
        market.book.take(account.id, order.side, order.pxTicks, order.szLots, this.matchEvents);
      // A house order is a transaction of its own.
      if (this.txHash === "") this.inTransaction(take);
      else take();
      this.taker = undefined;
    }
    const { takenLots, takenMicroUsd } = this;
    if (isImmediate && takenLots === 0) {
      return tif === "Ioc"
        ? this.refuse(
            order,
            "iocCancelRejected",
            "Order could not immediately match against any resting orders.",
          )
        : this.refuse(order, "marketOrderNoLiquidityRejected", "No liquidity available for market order.");
    }
    if (order.szLots === 0 || isImmediate) {
      this.close(order, "filled");
    } else {
      this.reserve(order);
      market.book.rest(order);
      if (!account.isHouse) account.openOrders.set(order.oid, order);
      this.announce(order);
    }
    this.trimReduceOnly(account, market);
    const id = order.cloid === undefined ? { oid: order.oid } : { oid: order.oid, cloid: order.cloid };
    if (takenLots === 0) return { order, status: { resting: id }, takenLots, takenMicroUsd };
    const avgPx = dec(Math.round((takenMicroUsd * 10) / takenLots), market.pxDecimals + 1);
    const filled = { totalSz: dec(takenLots, market.szDecimals), avgPx, ...id };
    return { order, status: { filled }, takenLots, takenMicroUsd };
  }

  /** Checks 3 and 4 of reference 8.3. Shrinks a reduce-only order to the position. */
  private check(
    account: Account,
    spec: OrderSpec,
    order: SimOrder,
  ): [status: string, text: string] | undefined {
    const { market, side } = spec;
    if (spec.pxTicks % stepTicks(market.instrument, spec.pxTicks) !== 0) {
      return ["tickRejected", "Price must be divisible by tick size."];
    }
    const position = account.positions[market.asset]?.szLots ?? 0;
    const reducibleLots = position * side < 0 ? Math.abs(position) : 0;
    // A triggered order passed this test when it was placed, and a TWAP slice is a part of something larger.
    const isPart = order.trigger !== undefined || order.twapId !== null;
    const isExempt =
      isPart ||
      (reducibleLots > 0 &&
        (spec.isReduceOnly ? spec.szLots >= reducibleLots : spec.szLots === reducibleLots));
    if (spec.pxTicks * spec.szLots < market.instrument.minNotionalUsd * 1e6 && !isExempt) {
      return [
        "minTradeNtlRejected",
        `Order must have minimum value of $${market.instrument.minNotionalUsd}.`,
      ];
    }
    if (this.hasTooManyOrders(account, spec.isReduceOnly)) return TOO_MANY_ORDERS;
    if (spec.isReduceOnly) {
      if (reducibleLots === 0) return ["reduceOnlyRejected", "Reduce only order would increase position."];
      order.szLots = Math.min(order.szLots, reducibleLots);
    }
    return undefined;
  }

  /** @param isFirstToGo true for reduce-only and trigger orders, which are refused earlier. */
  hasTooManyOrders(account: Account, isFirstToGo: boolean): boolean {
    const { openOrdersMax } = this.options;
    const open = account.openOrders.size;
    if (isFirstToGo && open >= Math.min(CROWDED_OPEN_ORDERS, openOrdersMax)) return true;
    return open >= openOrdersMax && open >= openOrdersCap(account.cumVolumeUsd, openOrdersMax);
  }

  /** Ends an order that was refused. */
  refuse(order: SimOrder, endStatus: string, text: string): Placement {
    if (!order.account.isHouse) this.close(order, endStatus);
    const status = { error: `${text} asset=${order.market.asset}` };
    return { order, status, takenLots: 0, takenMicroUsd: 0 };
  }

  /** Lets an order wait off the book, visible as open: TP/SL and stops. */
  park(order: SimOrder, exchMs: number): void {
    this.nowMs = exchMs;
    order.account.openOrders.set(order.oid, order);
    this.announce(order);
  }

  /** Takes a parked order out of the open ones, for `admit`. */
  unpark(order: SimOrder, exchMs: number): void {
    this.nowMs = exchMs;
    order.account.openOrders.delete(order.oid);
    order.status = "triggered";
    this.announce(order);
    order.status = "open";
  }

  /** Takes a resting or parked order out; nothing when it has ended already. */
  cancel(order: SimOrder, exchMs: number, status = "canceled"): void {
    this.nowMs = exchMs;
    if (!order.account.isHouse && !order.account.openOrders.has(order.oid)) return;
    if (!isParked(order)) {
      this.markets[order.market.asset]!.book.remove(order);
      this.release(order, order.szLots);
    }
    this.close(order, status);
  }

  /**
   * Books a fill that a replayed market caused on a resting client order. The book has already reduced the order.
   * @param tid the recorded print's id, or 0 when a displayed quote caused it.
   */
  fillFromTape(order: SimOrder, szLots: number, tid: number, exchMs: number): void {
    this.nowMs = exchMs;
    const id = tid !== 0 ? tid : this.tradeId(order.oid, 0);
    this.settleResting(order, szLots, id, tapeHash(id));
    this.trimReduceOnly(order.account, this.markets[order.market.asset]!);
  }

  private settleResting(order: SimOrder, szLots: number, tid: number, hash: string): void {
    this.release(order, szLots);
    this.settle(order, order.pxTicks, szLots, false, tid, hash);
    if (order.szLots === 0) this.close(order, "filled");
    else this.announce(order);
    this.trimReduceOnly(order.account, this.markets[order.market.asset]!);
  }

  private settle(
    order: SimOrder,
    pxTicks: number,
    szLots: number,
    isTaker: boolean,
    tid: number,
    hash: string,
  ): void {
    const { account } = order;
    const market = this.markets[order.market.asset]!;
    const position = this.positionOf(account, market);
    const startLots = position.szLots;
    const signedLots = order.side * szLots;
    const pnl = position.trade(signedLots, pxTicks);
    const ppm = isTaker ? this.options.fees.takerPpm : this.options.fees.makerPpm;
    const fee = account.isHouse ? 0 : Math.round((pxTicks * szLots * ppm) / 1e6);
    account.balanceMicroUsd += pnl - fee;
    this.feePotMicroUsd += fee;
    account.cumVolumeUsd += (pxTicks * szLots) / 1e6;
    if (account.isHouse) return;
    const fill: FillWire = {
      coin: market.coin,
      px: dec(pxTicks, market.pxDecimals),
      sz: dec(szLots, market.szDecimals),
      side: order.side === Side.Buy ? "B" : "A",
      time: this.nowMs,
      startPosition: dec(startLots, market.szDecimals),
      dir: fillDirection(startLots, signedLots),
      closedPnl: dec(pnl, 6),
      hash,
      oid: order.oid,
      crossed: isTaker,
      fee: dec(fee, 6),
      tid,
      feeToken: "USDC",
      twapId: order.twapId,
      ...(order.cloid === undefined ? {} : { cloid: order.cloid }),
    };
    account.recordFill(fill);
    this.events.onFill(account, fill);
  }

  private publishTrade(
    taker: SimOrder,
    maker: SimOrder | undefined,
    pxTicks: number,
    szLots: number,
    tid: number,
    hash: string,
  ): void {
    const market = this.markets[taker.market.asset]!;
    const makerAddress = maker?.account.address ?? TAPE_ADDRESS;
    const trade: TradeWire = {
      coin: market.coin,
      side: taker.side === Side.Buy ? "B" : "A",
      px: dec(pxTicks, market.pxDecimals),
      sz: dec(szLots, market.szDecimals),
      time: this.nowMs,
      hash,
      tid,
      users:
        taker.side === Side.Buy
          ? [taker.account.address, makerAddress]
          : [makerAddress, taker.account.address],
    };
    market.recordTrade(trade, pxTicks, szLots);
    this.events.onTrade(market, trade);
  }

  /** Resting reduce-only orders follow the position: shrink with it, go when it is flat or turned (reference 8.7). */
  private trimReduceOnly(account: Account, market: Market): void {
    this.lifecycle.onFills(account, market);
    const position = account.positions[market.asset];
    if (position === undefined || position.restingReduceOnlyCount === 0) return;
    let roomLots = Math.abs(position.szLots);
    for (const order of account.openOrders.values()) {
      if (!order.isReduceOnly || order.market.asset !== market.asset || order.szLots === 0) continue;
      if (isParked(order)) continue;
      const allowed = order.side * position.szLots < 0 ? Math.min(order.szLots, roomLots) : 0;
      roomLots = Math.max(0, roomLots - allowed);
      if (allowed === order.szLots) continue;
      if (allowed > 0) {
        market.book.reduce(order, allowed);
        this.announce(order);
        continue;
      }
      market.book.remove(order);
      this.release(order, order.szLots);
      this.close(order, "reduceOnlyCanceled");
    }
  }

  /** Books a resting order's size against its position's margin. */
  private reserve(order: SimOrder): void {
    const p = this.positionOf(order.account, this.markets[order.market.asset]!);
    if (order.isReduceOnly) p.restingReduceOnlyCount++;
    else if (order.side === Side.Buy) p.restingBuyLots += order.szLots;
    else p.restingSellLots += order.szLots;
  }

  private release(order: SimOrder, szLots: number): void {
    const p = order.account.positions[order.market.asset];
    if (p === undefined || order.isReduceOnly) return;
    if (order.side === Side.Buy) p.restingBuyLots -= szLots;
    else p.restingSellLots -= szLots;
  }

  private close(order: SimOrder, status: string): void {
    if (order.account.openOrders.has(order.oid) && order.isReduceOnly && !isParked(order)) {
      const p = order.account.positions[order.market.asset];
      if (p !== undefined) p.restingReduceOnlyCount--;
    }
    order.status = status;
    if (order.account.isHouse) return;
    order.account.retire(order);
    this.announce(order);
    if (status === "selfTradeCanceled") {
      this.events.onNonUserCancel(order.account, order.market.coin, order.oid);
    }
    this.lifecycle.onClosed(order);
  }

  private announce(order: SimOrder): void {
    order.statusMs = this.nowMs;
    if (!order.account.isHouse) this.events.onOrderUpdate(order.account, orderUpdateWire(order));
  }

  /** 50-bit id of the two orders that traded (reference 2.4). */
  private tradeId(oidA: number, oidB: number): number {
    const n = ++this.tradeCount;
    const lo =
      (Math.imul((oidA % 0x100000000) | 0, 0x9e3779b1) ^
        Math.imul((oidB % 0x100000000) | 0, 0x85ebca6b) ^
        n) >>>
      0;
    const hi = (Math.imul(lo ^ n, 0xc2b2ae35) >>> 14) + 1;
    return hi * 0x100000000 + lo;
  }

  /** Runs one action: all its trades carry one hash, as at the venue. What no user sent has the zero hash. */
  inTransaction<T>(run: () => T, hash: string = this.newHash()): T {
    const outer = this.txHash;
    this.txHash = hash;
    try {
      return run();
    } finally {
      this.txHash = outer;
    }
  }

  private newHash(): string {
    return `0x51${(++this.txCount).toString(16).padStart(62, "0")}`;
  }

  /** One-sided open interest in lots: what all longs hold. */
  openInterestLots(market: Market): number {
    let sum = 0;
    for (const account of this.accounts) sum += Math.max(0, account.positions[market.asset]?.szLots ?? 0);
    return sum;
  }
}
