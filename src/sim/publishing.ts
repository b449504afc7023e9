/**
 * What subscribers get: public data as markets make it, private events once per action or market step, account states as
 * throttled snapshots (reference 2).
 */
import type { Account, FillWire, OrderUpdateWire } from "./account.js";
import type { Connection, Connections } from "./connections.js";
import type { Exchange, ExchangeEvents } from "./exchange.js";
import { bboFrame, bookFrame, contextFrame, tradesFrame } from "./frames.js";
import { activeAssetData, clearinghouseState } from "./info/account.js";
import { allMids, visibleBook } from "./info/book.js";
import { frontendOpenOrders } from "./info/orders.js";
import type { Market, TradeWire } from "./listed-market.js";
import type { MarketOutlet, SimMarket } from "./market.js";
import type { BookView } from "./matching.js";
import { groupOf, type Subscription, type Topics } from "./subscriptions.js";

export class Publisher implements ExchangeEvents, MarketOutlet {
  private readonly topics: Topics<Connection>;
  private readonly simMarkets = new Map<Market, SimMarket>();
  private readonly orderUpdates = new Map<Account, OrderUpdateWire[]>();
  private readonly fills = new Map<Account, FillWire[]>();
  private readonly nonUserCancels = new Map<Account, { coin: string; oid: number }[]>();
  private readonly changedAccounts = new Set<Account>();
  private lastMids = "";

  constructor(
    private readonly exchange: Exchange,
    private readonly connections: Connections,
    private readonly exchMs: () => number,
  ) {
    this.topics = connections.topics;
  }

  addMarket(market: Market, simMarket: SimMarket): void {
    this.simMarkets.set(market, simMarket);
  }

  private send(channel: string, group: string, data: unknown): void {
    if (this.topics.has(group)) this.connections.publish(group, JSON.stringify({ channel, data }));
  }

  // --- First frames ------------------------------------------------------------------------------------------------

  /** The first frame of a channel that has one (reference 2.0). */
  snapshot(s: Subscription): readonly string[] {
    const { exchange } = this;
    const exchMs = Math.floor(this.exchMs());
    const market = "coin" in s ? exchange.market(s.coin) : undefined;
    const account = "user" in s ? exchange.account(s.user) : undefined;
    switch (s.type) {
      case "allMids":
        return [JSON.stringify({ channel: "allMids", data: { mids: allMids(exchange) } })];
      case "l2Book":
        return [bookFrame(market!, visibleBook(market!, s.nSigFigs, s.mantissa, s.fast ? 5 : 20), exchMs, s)];
      case "bbo":
        return [bboFrame(market!, visibleBook(market!, null, null, 1), exchMs)];
      case "trades":
        return market!.recentTrades.length > 0 ? [tradesFrame(market!.recentTrades.slice(-30))] : [];
      case "activeAssetCtx":
        return [contextFrame(exchange, market!)];
      case "userFills":
        return [
          JSON.stringify({
            channel: "userFills",
            data: { isSnapshot: true, user: s.user, fills: account?.fills.slice(-2000).reverse() ?? [] },
          }),
        ];
      case "userFundings":
        return [JSON.stringify({ channel: s.type, data: { isSnapshot: true, user: s.user, fundings: [] } })];
      case "userNonFundingLedgerUpdates":
        return [
          JSON.stringify({
            channel: s.type,
            data: { isSnapshot: true, user: s.user, nonFundingLedgerUpdates: [] },
          }),
        ];
      case "clearinghouseState":
      case "openOrders":
      case "activeAssetData":
        return [this.stateFrame(s, account)];
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
  }

  bbo(market: Market, view: BookView, exchMs: number): void {
    const group = `bbo:${market.coin}`;
    if (this.topics.has(group)) this.connections.publish(group, bboFrame(market, view, exchMs));
  }

  book(market: Market, view: BookView, exchMs: number): void {
    for (const topic of this.topics.inGroup(`l2Book:${market.coin}`)) {
      const s = topic.subscription;
      if (s.type !== "l2Book") continue;
      const shown = s.nSigFigs === null ? view : visibleBook(market, s.nSigFigs, s.mantissa, s.fast ? 5 : 20);
      const frame = bookFrame(market, shown, exchMs, s);
      for (const c of topic.listeners) this.connections.send(c, frame);
    }
  }

  context(market: Market): void {
    const group = `activeAssetCtx:${market.coin}`;
    if (this.topics.has(group)) this.connections.publish(group, contextFrame(this.exchange, market));
  }

  /** To be called at a steady pace: mids go out when they changed. */
  pushMids(): void {
    if (!this.topics.has("allMids")) return;
    const mids = JSON.stringify(allMids(this.exchange));
    if (mids === this.lastMids) return;
    this.lastMids = mids;
    this.connections.publish("allMids", `{"channel":"allMids","data":{"mids":${mids}}}`);
  }

  notifyAll(text: string): void {
    const frame = JSON.stringify({ channel: "notification", data: { notification: text } });
    const listeners = new Set<Connection>();
    for (const topic of this.topics.ofType("notification")) for (const c of topic.listeners) listeners.add(c);
    for (const c of listeners) this.connections.send(c, frame);
  }

  // --- Private data (ExchangeEvents) -------------------------------------------------------------------------------

  onTrade(market: Market, trade: TradeWire): void {
    this.simMarkets.get(market)?.onTrade(trade);
  }

  onOrderUpdate(account: Account, update: OrderUpdateWire): void {
    collect(this.orderUpdates, account, update);
    this.changedAccounts.add(account);
  }

  onFill(account: Account, fill: FillWire): void {
    collect(this.fills, account, fill);
    this.changedAccounts.add(account);
  }

  onNonUserCancel(account: Account, coin: string, oid: number): void {
    collect(this.nonUserCancels, account, { coin, oid });
  }

  /** One frame per user and channel for everything that one action or one market step caused. */
  flush(): void {
    if (this.orderUpdates.size > 0) {
      for (const [account, updates] of this.orderUpdates)
        this.send("orderUpdates", `orderUpdates:${account.address}`, updates);
      this.orderUpdates.clear();
    }
    if (this.fills.size > 0) {
      for (const [account, fills] of this.fills) {
        this.send("userFills", `userFills:${account.address}`, { user: account.address, fills });
        this.send("user", `userEvents:${account.address}`, { fills });
      }
      this.fills.clear();
    }
    if (this.nonUserCancels.size > 0) {
      for (const [account, nonUserCancel] of this.nonUserCancels)
        this.send("user", `userEvents:${account.address}`, { nonUserCancel });
      this.nonUserCancels.clear();
    }
  }

  /** Account states are throttled snapshots, not one per fill (reference 2.11). */
  pushStates(): void {
    for (const account of this.changedAccounts) {
      for (const type of ["clearinghouseState", "openOrders", "activeAssetData"]) {
        for (const topic of this.topics.inGroup(`${type}:${account.address}`)) {
          const frame = this.stateFrame(topic.subscription, account);
          for (const c of topic.listeners) this.connections.send(c, frame);
        }
      }
    }
    this.changedAccounts.clear();
  }

  private stateFrame(s: Subscription, account: Account | undefined): string {
    if (s.type === "clearinghouseState") {
      const state = clearinghouseState(this.exchange, account, this.exchMs());
      return JSON.stringify({ channel: s.type, data: { dex: "", user: s.user, clearinghouseState: state } });
    }
    if (s.type === "openOrders") {
      return JSON.stringify({
        channel: s.type,
        data: { dex: "", user: s.user, orders: frontendOpenOrders(account) },
      });
    }
    if (s.type !== "activeAssetData") throw new TypeError(`no state frame for ${groupOf(s)}`);
    const market = this.exchange.market(s.coin)!;
    return JSON.stringify({ channel: s.type, data: activeAssetData(this.exchange, s.user, account, market) });
  }
}

function collect<T>(into: Map<Account, T[]>, account: Account, item: T): void {
  const list = into.get(account);
  if (list === undefined) into.set(account, [item]);
  else list.push(item);
}
