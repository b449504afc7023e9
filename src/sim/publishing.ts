/**
 * What subscribers get: public data as markets make it, private events once per action or market step, account states as
 * throttled snapshots (reference 2).
 */
import type {
  Account,
  FillWire,
  FundingWire,
  LedgerWire,
  LiquidationWire,
  OrderUpdateWire,
} from "./account.js";
import type { Connection, Connections } from "./connections.js";
import type { ExchangeEvents } from "./exchange.js";
import { FastContexts } from "./fast-contexts.js";
import {
  bboFrame,
  bookFrame,
  contextFrame,
  orderUpdatesFrame,
  tradesFrame,
  userFillsFrame,
} from "./frames.js";
import { allMids, visibleBook } from "./info/book.js";
import { assetCtxs, midPx } from "./info/meta.js";
import { aggregated, orderRecord } from "./info/orders.js";
import type { InfoContext } from "./info/request.js";
import { spotAssetCtxs } from "./info/spot.js";
import type { Market, TradeWire } from "./listed-market.js";
import type { MarketOutlet, SimMarket } from "./market.js";
import type { BookView } from "./matching.js";
import type { Subscription, SubscriptionType, Topics } from "./subscriptions.js";
import {
  fundingItem,
  isList,
  isState,
  LIST_KEYS,
  listSnapshot,
  STATE_TYPES,
  stateData,
} from "./user-channels.js";
import { dec } from "./wire.js";

const frameOf = (channel: string, data: unknown): string => JSON.stringify({ channel, data });

/** What happened to one account since the last flush. */
class AccountEvents {
  readonly orderUpdates: OrderUpdateWire[] = [];
  readonly records: unknown[] = [];
  readonly fills: FillWire[] = [];
  readonly nonUserCancels: { coin: string; oid: number }[] = [];
  readonly fundings: FundingWire[] = [];
  readonly ledger: LedgerWire[] = [];
  readonly liquidations: LiquidationWire[] = [];
  readonly twapHistory: unknown[] = [];
}

/** States of accounts that hold something move with the marks: they go out every so many pushes, changed or not. */
const IDLE_PUSHES = 5;

/** Channels over all markets of a dex or of everything, pushed at a steady pace when they changed. */
const WIDE_TYPES = ["allMids", "assetCtxs", "spotAssetCtxs", "allDexsAssetCtxs"] as const;

export class Publisher implements ExchangeEvents, MarketOutlet {
  private readonly topics: Topics<Connection>;
  private readonly simMarkets = new Map<Market, SimMarket>();
  private readonly pending = new Map<Account, AccountEvents>();
  private readonly changedAccounts = new Set<Account>();
  /** Last frame of each wide topic. */
  private readonly lastWide = new Map<string, string>();
  /** When each slow l2Book topic may go out again. */
  private readonly nextSlowMs = new Map<string, number>();
  private readonly fast = new FastContexts();
  private pushes = 0;

  constructor(
    private readonly connections: Connections,
    private readonly info: () => InfoContext,
    private readonly slowBookMs: number,
  ) {
    this.topics = connections.topics;
  }

  addMarket(market: Market, simMarket: SimMarket): void {
    this.simMarkets.set(market, simMarket);
  }

  private send(channel: string, group: string, data: () => unknown): void {
    if (this.topics.has(group)) this.connections.publish(group, frameOf(channel, data()));
  }

  // --- First frames ------------------------------------------------------------------------------------------------

  /** The first frame of a channel that has one (reference 2.0). */
  snapshot(s: Subscription): readonly string[] {
    const ctx = this.info();
    const { exchange } = ctx;
    const exchMs = Math.floor(ctx.exchMs);
    const account = "user" in s ? exchange.account(s.user) : undefined;
    if (isState(s)) return [frameOf(s.type, stateData(ctx, s, account))];
    if (isList(s)) return [frameOf(s.type, listSnapshot(ctx, s, account))];
    const market = "coin" in s ? exchange.market(s.coin) : undefined;
    switch (s.type) {
      case "allMids":
      case "assetCtxs":
      case "spotAssetCtxs":
      case "allDexsAssetCtxs":
        return [frameOf(s.type, this.wideData(ctx, s))];
      case "fastAssetCtxs":
        return [frameOf(s.type, this.fast.snapshot(fastContexts(ctx)))];
      case "l2Book":
        return [bookFrame(market!, visibleBook(market!, s.nSigFigs, s.mantissa, s.fast ? 5 : 20), exchMs, s)];
      case "bbo":
        return [bboFrame(market!, visibleBook(market!, null, null, 1), exchMs)];
      case "trades":
        return market!.recentTrades.length > 0 ? [tradesFrame(market!.recentTrades.slice(-30))] : [];
      case "candle": {
        const candle = market!.candles.latest(s.interval);
        return candle === undefined ? [] : [frameOf(s.type, candle)];
      }
      case "activeAssetCtx":
        return [contextFrame(exchange, market!)];
      case "orderUpdates":
      case "userEvents":
      case "notification":
        return [];
    }
  }

  // --- Public data (MarketOutlet) ------------------------------------------------------------------------------------

  trades(market: Market, trades: readonly TradeWire[]): void {
    const group = `trades:${market.coin}`;
    if (this.topics.has(group)) this.connections.publish(group, tradesFrame(trades));
    for (const topic of this.topics.inGroup(`candle:${market.coin}`)) {
      const s = topic.subscription;
      const candle = s.type === "candle" ? market.candles.latest(s.interval) : undefined;
      if (candle === undefined) continue;
      const frame = frameOf("candle", candle);
      for (const c of topic.listeners) this.connections.send(c, frame);
    }
  }

  bbo(market: Market, view: BookView, exchMs: number): void {
    const group = `bbo:${market.coin}`;
    if (this.topics.has(group)) this.connections.publish(group, bboFrame(market, view, exchMs));
  }

  book(market: Market, view: BookView, exchMs: number): void {
    for (const topic of this.topics.inGroup(`l2Book:${market.coin}`)) {
      const s = topic.subscription;
      if (s.type !== "l2Book" || !this.isBookDue(topic.key, s.fast, exchMs)) continue;
      const shown = s.nSigFigs === null ? view : visibleBook(market, s.nSigFigs, s.mantissa, s.fast ? 5 : 20);
      const frame = bookFrame(market, shown, exchMs, s);
      for (const c of topic.listeners) this.connections.send(c, frame);
    }
  }

  private isBookDue(key: string, isFast: boolean, exchMs: number): boolean {
    if (isFast || this.slowBookMs === 0) return true;
    if (exchMs < (this.nextSlowMs.get(key) ?? 0)) return false;
    this.nextSlowMs.set(key, exchMs + this.slowBookMs);
    return true;
  }

  context(market: Market): void {
    const group = `activeAssetCtx:${market.coin}`;
    if (this.topics.has(group)) {
      this.connections.publish(group, contextFrame(this.info().exchange, market));
    }
  }

  /** To be called at a steady pace: mids and contexts over many markets go out when they changed. */
  pushWide(): void {
    for (const type of WIDE_TYPES) {
      for (const topic of this.topics.ofType(type)) {
        const frame = frameOf(type, this.wideData(this.info(), topic.subscription));
        if (this.lastWide.get(topic.key) === frame) continue;
        this.lastWide.set(topic.key, frame);
        for (const c of topic.listeners) this.connections.send(c, frame);
      }
    }
    if (!this.topics.has("fastAssetCtxs")) return;
    const delta = this.fast.delta(fastContexts(this.info()));
    if (delta !== undefined) this.connections.publish("fastAssetCtxs", frameOf("fastAssetCtxs", delta));
  }

  private wideData({ exchange }: InfoContext, s: Subscription): unknown {
    const dex = exchange.dex("dex" in s ? s.dex : "")!;
    switch (s.type) {
      case "allMids":
        return { mids: allMids(exchange, dex.index), ...(dex.index === 0 ? {} : { dex: dex.name }) };
      case "assetCtxs":
        return { dex: dex.name, ctxs: assetCtxs(exchange, dex) };
      case "spotAssetCtxs":
        return spotAssetCtxs(exchange);
      default:
        return { ctxs: exchange.dexs.map((d) => [d.name, assetCtxs(exchange, d)]) };
    }
  }

  notifyAll(text: string): void {
    const frame = frameOf("notification", { notification: text });
    const listeners = new Set<Connection>();
    for (const topic of this.topics.ofType("notification")) for (const c of topic.listeners) listeners.add(c);
    for (const c of listeners) this.connections.send(c, frame);
  }

  // --- Private data (ExchangeEvents) -------------------------------------------------------------------------------

  onTrade(market: Market, trade: TradeWire): void {
    this.simMarkets.get(market)?.onTrade(trade);
  }

  onOrderUpdate(account: Account, update: OrderUpdateWire): void {
    const events = this.of(account);
    events.orderUpdates.push(update);
    // The record changes with the order, so it is rendered now, and only for those who listen.
    if (!this.topics.has(`userHistoricalOrders:${account.address}`)) return;
    const order = account.orders.get(update.order.oid);
    if (order !== undefined) events.records.push(orderRecord(order));
  }

  onFill(account: Account, fill: FillWire): void {
    this.of(account).fills.push(fill);
  }

  onNonUserCancel(account: Account, coin: string, oid: number): void {
    this.of(account).nonUserCancels.push({ coin, oid });
  }

  onFunding(account: Account, payment: FundingWire): void {
    this.of(account).fundings.push(payment);
  }

  onLedger(account: Account, update: LedgerWire): void {
    this.of(account).ledger.push(update);
  }

  onLiquidation(account: Account, liquidation: LiquidationWire): void {
    this.of(account).liquidations.push(liquidation);
  }

  onTwapHistory(account: Account, item: unknown): void {
    this.of(account).twapHistory.push(item);
  }

  private of(account: Account): AccountEvents {
    this.changedAccounts.add(account);
    let events = this.pending.get(account);
    if (events === undefined) {
      events = new AccountEvents();
      this.pending.set(account, events);
    }
    return events;
  }

  /** One frame per user and channel for everything that one action or one market step caused. */
  flush(): void {
    if (this.pending.size === 0) return;
    for (const [account, events] of this.pending) this.flushAccount(account, events);
    this.pending.clear();
  }

  private flushAccount(account: Account, events: AccountEvents): void {
    const user = account.address;
    const list = (type: keyof typeof LIST_KEYS, items: readonly unknown[]): void => {
      if (items.length > 0) this.send(type, `${type}:${user}`, () => ({ user, [LIST_KEYS[type]]: items }));
    };
    const event = (data: Record<string, unknown>): void =>
      this.send("user", `userEvents:${user}`, () => data);
    const { orderUpdates, records, fills, nonUserCancels, fundings, ledger, liquidations, twapHistory } =
      events;
    const orders = `orderUpdates:${user}`;
    if (orderUpdates.length > 0 && this.topics.has(orders))
      this.connections.publish(orders, orderUpdatesFrame(orderUpdates));
    list("userHistoricalOrders", records);
    if (fills.length > 0) this.sendFills(user, fills);
    if (nonUserCancels.length > 0) event({ nonUserCancel: nonUserCancels });
    list("userFundings", fundings.map(fundingItem));
    for (const payment of fundings) event({ funding: fundingItem(payment) });
    list("userNonFundingLedgerUpdates", ledger);
    for (const liquidation of liquidations) event({ liquidation });
    list("userTwapHistory", twapHistory);
    if (twapHistory.length > 0) event({ twapHistory });
  }

  private sendFills(user: string, fills: readonly FillWire[]): void {
    for (const topic of this.topics.inGroup(`userFills:${user}`)) {
      const s = topic.subscription;
      const isAggregated = s.type === "userFills" && s.aggregateByTime;
      const shown = isAggregated ? aggregated(fills, this.info().exchange) : fills;
      const frame = userFillsFrame({ user, fills: shown });
      for (const c of topic.listeners) this.connections.send(c, frame);
    }
    this.send("user", `userEvents:${user}`, () => ({ fills }));
    const slices = fills.flatMap((fill) => (fill.twapId === null ? [] : [{ fill, twapId: fill.twapId }]));
    if (slices.length === 0) return;
    this.send("userTwapSliceFills", `userTwapSliceFills:${user}`, () => ({ user, twapSliceFills: slices }));
    this.send("user", `userEvents:${user}`, () => ({ twapSliceFills: slices }));
  }

  /**
   * Account states are throttled snapshots, not one per fill (reference 2.11): those of changed accounts at every call, all
   * others at every fifth.
   */
  pushStates(): void {
    const isFullRound = ++this.pushes % IDLE_PUSHES === 0;
    const ctx = this.info();
    for (const type of STATE_TYPES) {
      for (const topic of this.topics.ofType(type)) {
        const s = topic.subscription;
        if (!isState(s)) continue;
        const account = ctx.exchange.account(s.user);
        const isDue = isFullRound || (account !== undefined && this.changedAccounts.has(account));
        if (!isDue) continue;
        const frame = frameOf(type, stateData(ctx, s, account));
        for (const c of topic.listeners) this.connections.send(c, frame);
      }
    }
    this.changedAccounts.clear();
  }
}

/** Channels that only a running market feeds. */
const MARKET_TYPES: ReadonlySet<SubscriptionType> = new Set([
  "l2Book",
  "bbo",
  "trades",
  "candle",
  "activeAssetCtx",
  "fastAssetCtxs",
  ...WIDE_TYPES,
]);
export const isMarketData = (s: Subscription): boolean => MARKET_TYPES.has(s.type);

/** Mark and mid of every market of every dex. */
function fastContexts({ exchange }: InfoContext): Map<string, { markPx: string; midPx: string | null }> {
  const contexts = new Map<string, { markPx: string; midPx: string | null }>();
  for (const dex of exchange.dexs) {
    for (const m of dex.markets)
      contexts.set(m.coin, { markPx: dec(m.referenceTicks, m.pxDecimals), midPx: midPx(m) });
  }
  return contexts;
}
