/**
 * The exchange without sockets: orders, checks, matching, on top of the state they change.
 *
 * Deterministic: the same calls with the same times give the same state and events. No clocks: every entry takes the
 * exchange time (`exchMs`, which stamps orders and fills) and, where a client's own clock matters (nonce window, expiry, dead
 * man's switch), the wall time (`wallMs`). At speed 1 the two are the same.
 *
 * Checks follow the order of reference/hyperliquid-api.md 8.3; texts are those of 4.11 and 4.12. Not modelled: portfolio
 * margin, the growth limiter of open interest.
 */
import { decimalToWire, Side } from "../domain/index.js";
import { type Account, type BuilderFee, orderUpdateWire, SimOrder } from "./account.js";
import type { OrderWire } from "./actions.js";
import { ExchangeState } from "./exchange-state.js";
import { type FeeSchedule, VENUE_FEES } from "./fees.js";
import { Funding, type FundingOptions } from "./funding.js";
import { type LiquidationDesk, type LiquidationOptions, Liquidator } from "./liquidation.js";
import { isPerp, isSpot, type Market, TAPE_ADDRESS, type TradeWire, tapeHash } from "./listed-market.js";
import { accountValue } from "./margin.js";
import type { MatchEvents } from "./matching.js";
import {
  checkMoney,
  checkOpenInterest,
  checkShape,
  coversFill,
  isAtOpenInterestCap,
  isTooAggressiveAtCap,
  type Refusal,
  spotHold,
} from "./order-checks.js";
import { type OrderSpec, type Placement, parseOrder } from "./order-spec.js";
import { Settlement } from "./settlement.js";
import { Transfers } from "./transfers.js";
import { isParked } from "./trigger.js";
import { DEFAULT_UNIVERSE, type Universe } from "./universe.js";
import { dec } from "./wire.js";

export type { ExchangeEvents } from "./exchange-state.js";
export { BASE_FEES, type FeeRates, flatFees } from "./fees.js";
export type { OrderSpec, OrderStatusWire, Placement } from "./order-spec.js";

export interface ExchangeOptions extends FundingOptions, LiquidationOptions {
  readonly universe: Universe;
  readonly fees: FeeSchedule;
  /** Volume an account needs before it may arm scheduleCancel; the venue asks for 1,000,000. */
  readonly scheduleCancelMinVolumeUsd: number;
  /** Volume an account needs before it may create sub-accounts; the venue asks for 100,000. */
  readonly subAccountMinVolumeUsd: number;
  /** Largest distance of a limit price from the mark, as a fraction of it. */
  readonly priceBand: number;
  /** Before any volume; more with it, up to 5000. */
  readonly openOrdersMax: number;
  /** What the first transfer to a new address costs its sender (reference 10.35). */
  readonly activationFeeMicroUsd: number;
}

export const DEFAULT_EXCHANGE_OPTIONS: ExchangeOptions = {
  universe: DEFAULT_UNIVERSE,
  fees: VENUE_FEES,
  scheduleCancelMinVolumeUsd: 0,
  subAccountMinVolumeUsd: 0,
  priceBand: 0.8,
  openOrdersMax: 1000,
  activationFeeMicroUsd: 1_000_000,
  fundingIntervalMs: 3_600_000,
  premiumSampleMs: 5000,
  partialLiquidationUsd: 100_000,
  liquidationCooldownMs: 30_000,
};

/** Told of what happens to orders that others depend on; called synchronously. */
export interface OrderLifecycle {
  /** An order has left the exchange, with its final status. House orders are not told. */
  onClosed(order: SimOrder): void;
  /** Fills of the account in this market have been booked; its position may have changed. */
  onFills(account: Account, market: Market): void;
}

const NO_LIFECYCLE: OrderLifecycle = { onClosed() {}, onFills() {} };

/** Above any oid seen in public recordings, so that a mixed-up network is noticed by eye. */
const FIRST_OID = 900_000_000_000;

/** Cancels that userEvents tells as `nonUserCancel` (reference 2.9). */
const NON_USER_CANCELS: ReadonlySet<string> = new Set([
  "selfTradeCanceled",
  "marginCanceled",
  "liquidatedCanceled",
  "openInterestCapCanceled",
  "delistedCanceled",
]);

/** What a builder must hold to be paid (reference 4.2). */
const BUILDER_VALUE_MICRO_USD = 100e6;

export class Exchange extends ExchangeState implements LiquidationDesk {
  readonly transfers: Transfers;
  readonly funding: Funding;
  private readonly settlement: Settlement;
  private readonly liquidations: Liquidator;
  private nextOid = FIRST_OID;
  private builder: BuilderFee | undefined;
  lifecycle: OrderLifecycle = NO_LIFECYCLE;

  constructor(readonly options: ExchangeOptions = DEFAULT_EXCHANGE_OPTIONS) {
    super(options.universe, options.fees);
    this.settlement = new Settlement(this);
    this.transfers = new Transfers(this, options.activationFeeMicroUsd);
    this.funding = new Funding(this, options);
    this.liquidations = new Liquidator(this, this.settlement, this, options);
  }

  // --- Prices and time ---------------------------------------------------------------------------------------------

  /** Looks at a market's book: mark, then liquidations and the open-interest cap that follow from it. */
  updateMark(market: Market, exchMs: number): void {
    market.updateMark(exchMs);
    this.afterMark(market, exchMs);
  }

  /** Sets the mark by hand: for tests and for faults. */
  setMark(market: Market, ticks: number, exchMs: number): void {
    market.setMark(ticks);
    this.afterMark(market, exchMs);
  }

  /** Feeds the oracle; without a feed the mark stands in for it. */
  setOracle(market: Market, ticks: number): void {
    market.oracleTicks = ticks;
  }

  private afterMark(market: Market, exchMs: number): void {
    this.nowMs = Math.floor(exchMs);
    if (!isPerp(market)) return;
    this.liquidations.check(market);
    if (isAtOpenInterestCap(market)) this.cancelAggressiveAtCap(market);
  }

  private cancelAggressiveAtCap(market: Market): void {
    for (const account of this.allAccounts()) {
      if (account.isHouse) continue;
      for (const order of [...account.openOrders.values()]) {
        if (order.market !== market || order.isReduceOnly || !isTooAggressiveAtCap(order)) continue;
        this.cancel(order, this.nowMs, "openInterestCapCanceled");
      }
    }
  }

  /** What happens by the clock: premium samples and funding payments. Cheap when nothing is due. */
  advance(exchMs: number): void {
    this.funding.advance(exchMs);
  }

  /** Pays funding on all perps now, whatever the hour. */
  settleFunding(exchMs: number): void {
    this.funding.settle(exchMs);
  }

  /**
   * Runs an order action whose fills pay a builder.
   * @returns the venue's error text when the builder may not charge so much.
   */
  withBuilder<T>(account: Account, terms: { b: string; f: number } | undefined, run: () => T): T | string {
    if (terms === undefined) return run();
    const builder = this.account(terms.b);
    if (terms.f > (this.settings.of(account).builderFees.get(terms.b) ?? 0)) {
      return "Builder fee has not been approved.";
    }
    if (builder === undefined || accountValue(builder.clearinghouse(0)) < BUILDER_VALUE_MICRO_USD) {
      return "Builder has insufficient balance to be approved.";
    }
    this.builder = { account: builder, rate: terms.f };
    try {
      return run();
    } finally {
      this.builder = undefined;
    }
  }

  // --- Orders ------------------------------------------------------------------------------------------------------

  /** As `parseOrder` of order-spec.ts, on this exchange's listings and price band. */
  parseOrder(wire: OrderWire, mayBeEmpty = false): OrderSpec | string {
    return parseOrder(this, this.options.priceBand, wire, mayBeEmpty);
  }

  /** The order being matched, and what it got so far. Valid only inside `place`. */
  private taker: SimOrder | undefined;
  private takenLots = 0;
  private takenUnits = 0;

  private readonly matchEvents: MatchEvents = {
    onMatch: (maker, pxTicks, szLots) => {
      const taker = this.taker!;
      const resting = maker as SimOrder | undefined;
      const tid = this.tradeId(taker.oid, resting?.oid ?? 0);
      taker.szLots -= szLots;
      this.takenLots += szLots;
      this.takenUnits += pxTicks * szLots;
      const { hash } = this;
      this.publishTrade(taker, resting, pxTicks, szLots, tid, hash);
      this.settlement.ofOrder(taker, pxTicks, szLots, true, tid, hash);
      if (resting !== undefined) this.settleResting(resting, szLots, tid, hash);
    },
    onSelfTrade: (resting) => this.drop(resting as SimOrder, "selfTradeCanceled"),
    canTrade: (maker, szLots) => coversFill((maker as SimOrder).account, maker as SimOrder, szLots),
    onRefused: (maker) => this.drop(maker as SimOrder, "marginCanceled"),
  };

  /**
   * Places one order: checks, matches, rests.
   * Orders refused here have a record and an oid, as at the venue.
   */
  place(account: Account, spec: OrderSpec, exchMs: number): Placement {
    return this.admit(this.newOrder(account, spec, exchMs), exchMs);
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
    order.builder = this.builder;
    if (!account.isHouse) account.remember(order);
    return order;
  }

  /** Checks, matches and rests an order that has its oid: a new one, or one whose trigger was met. */
  admit(order: SimOrder, exchMs: number): Placement {
    this.nowMs = exchMs;
    const { account, market, side, pxTicks, tif } = order;
    if (!account.isHouse) {
      const refusal = checkShape(account, order, this.options.openOrdersMax);
      if (refusal !== undefined) return this.refuse(order, refusal);
    }
    const isMarketable = market.book.wouldMatch(side, pxTicks);
    if (tif === "Alo" && isMarketable) {
      const { bestBidTicks, bestAskTicks } = market.book;
      const bbo = `${decimalToWire(bestBidTicks, market.pxDecimals)}@${decimalToWire(bestAskTicks, market.pxDecimals)}`;
      const text = `Post only order would have immediately matched, bbo was ${bbo}.`;
      return this.refuse(order, ["badAloPxRejected", text]);
    }
    if (!account.isHouse) {
      const refusal = checkOpenInterest(account, order, isMarketable) ?? checkMoney(account, order);
      if (refusal !== undefined) return this.refuse(order, refusal);
    }
    return this.matchAndRest(order, market, isMarketable);
  }

  /** Sends a liquidation's market order: no checks, taken as far as its limit. */
  placeLiquidation(account: Account, market: Market, side: Side, limitTicks: number, szLots: number): void {
    const order = new SimOrder(
      this.nextOid++,
      account,
      market,
      side,
      limitTicks,
      szLots,
      szLots,
      "LiquidationMarket",
      true,
      undefined,
      this.nowMs,
    );
    account.remember(order);
    this.matchAndRest(order, market, market.book.wouldMatch(side, limitTicks));
  }

  systemOid(): number {
    return this.nextOid++;
  }

  private matchAndRest(order: SimOrder, market: Market, isMarketable: boolean): Placement {
    const { account, tif } = order;
    this.takenLots = 0;
    this.takenUnits = 0;
    const isImmediate = tif !== "Gtc" && tif !== "Alo";
    if (isMarketable) {
      if (!isImmediate) this.announce(order);
      this.taker = order;
      // The book counts its own remainder; `onMatch` keeps the order's in step, so that events see it.
      const take = (): unknown =>
        market.book.take(account.id, order.side, order.pxTicks, order.szLots, this.matchEvents);
      // A house order is a transaction of its own.
      if (this.isInTransaction) take();
      else this.inTransaction(take);
      this.taker = undefined;
    }
    const { takenLots, takenUnits } = this;
    if (isImmediate && takenLots === 0) {
      return this.refuse(order, tif === "Ioc" ? NO_MATCH : NO_LIQUIDITY);
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
    if (takenLots === 0) return { order, status: { resting: id }, takenLots, takenUnits };
    const avgPx = dec(Math.round((takenUnits * 10) / takenLots), market.pxDecimals + 1);
    const filled = { totalSz: dec(takenLots, market.szDecimals), avgPx, ...id };
    return { order, status: { filled }, takenLots, takenUnits };
  }

  /** Ends an order that was refused. */
  refuse(order: SimOrder, [endStatus, text]: Refusal): Placement {
    if (!order.account.isHouse) this.close(order, endStatus);
    const status = { error: `${text} asset=${order.market.venueAssetId}` };
    return { order, status, takenLots: 0, takenUnits: 0 };
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
    if (isParked(order)) {
      this.close(order, status);
      return;
    }
    order.market.book.remove(order);
    this.drop(order, status);
  }

  /** Ends an order that has left its book. */
  private drop(order: SimOrder, status: string): void {
    this.release(order, order.szLots);
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
    this.trimReduceOnly(order.account, order.market);
  }

  private settleResting(order: SimOrder, szLots: number, tid: number, hash: string): void {
    this.release(order, szLots);
    this.settlement.ofOrder(order, order.pxTicks, szLots, false, tid, hash);
    if (order.szLots === 0) this.close(order, "filled");
    else this.announce(order);
    this.trimReduceOnly(order.account, order.market);
  }

  private publishTrade(
    taker: SimOrder,
    maker: SimOrder | undefined,
    pxTicks: number,
    szLots: number,
    tid: number,
    hash: string,
  ): void {
    const { market } = taker;
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
    this.fees.noteTrade((pxTicks * szLots) / market.unitsPerQuote, this.nowMs);
    this.events.onTrade(market, trade);
  }

  /**
   * Resting reduce-only orders follow the position: shrink with it, go when it is flat or turned. Where several together
   * exceed it, the oldest give way (reference 8.7).
   */
  trimReduceOnly(account: Account, market: Market): void {
    this.lifecycle.onFills(account, market);
    const position = account.positions[market.asset];
    if (position === undefined || position.restingReduceOnlyCount === 0) return;
    let roomLots = Math.abs(position.szLots);
    for (const order of [...account.openOrders.values()].reverse()) {
      if (!order.isReduceOnly || order.market !== market || order.szLots === 0 || isParked(order)) continue;
      const allowed = order.side * position.szLots < 0 ? Math.min(order.szLots, roomLots) : 0;
      roomLots -= allowed;
      if (allowed === order.szLots) continue;
      if (allowed > 0) {
        market.book.reduce(order, allowed);
        this.announce(order);
        continue;
      }
      market.book.remove(order);
      this.drop(order, "reduceOnlyCanceled");
    }
  }

  /** Books a resting order's size against its position's margin, or its value against the wallet. */
  private reserve(order: SimOrder): void {
    const { market, account } = order;
    if (isSpot(market)) {
      const [token, wei] = spotHold(order, market);
      account.spot.balance(token).holdWei += wei;
    } else if (isPerp(market)) {
      const p = account.position(market);
      if (order.isReduceOnly) p.restingReduceOnlyCount++;
      else if (order.side === Side.Buy) p.restingBuyLots += order.szLots;
      else p.restingSellLots += order.szLots;
    }
  }

  private release(order: SimOrder, szLots: number): void {
    const { market, account } = order;
    if (isSpot(market)) {
      const [token, wei] = spotHold(order, market, szLots);
      account.spot.balance(token).holdWei -= wei;
      return;
    }
    const p = account.positions[market.asset];
    if (p === undefined || order.isReduceOnly) return;
    if (order.side === Side.Buy) p.restingBuyLots -= szLots;
    else p.restingSellLots -= szLots;
  }

  private close(order: SimOrder, status: string): void {
    if (order.isReduceOnly && order.account.openOrders.has(order.oid) && !isParked(order)) {
      const p = order.account.positions[order.market.asset];
      if (p !== undefined) p.restingReduceOnlyCount--;
    }
    order.status = status;
    if (order.account.isHouse) return;
    order.account.retire(order);
    this.announce(order);
    if (NON_USER_CANCELS.has(status)) {
      this.events.onNonUserCancel(order.account, order.market.coin, order.oid);
    }
    this.lifecycle.onClosed(order);
  }

  private announce(order: SimOrder): void {
    order.statusMs = this.nowMs;
    if (!order.account.isHouse) this.events.onOrderUpdate(order.account, orderUpdateWire(order));
  }
}

const NO_MATCH: Refusal = [
  "iocCancelRejected",
  "Order could not immediately match against any resting orders.",
];
const NO_LIQUIDITY: Refusal = ["marketOrderNoLiquidityRejected", "No liquidity available for market order."];
