/**
 * What the channels of one user carry: states (the whole of something, again whenever it changed) and lists (a snapshot of
 * the past, then what is new). Reference 2.8 to 2.15.
 */
import type { Account } from "./account.js";
import { activeAssetData, clearinghouseState } from "./info/account.js";
import { frontendOpenOrders, historicalOrders, latestFills, twapSliceFills } from "./info/orders.js";
import type { InfoContext } from "./info/request.js";
import { spotClearinghouseState } from "./info/spot.js";
import { webData2, webData3 } from "./info/web-data.js";
import type { Subscription, SubscriptionType } from "./subscriptions.js";

export type UserSubscription = Extract<Subscription, { readonly user: string }>;

const SNAPSHOT_MAX = 2000;

export const STATE_TYPES = [
  "clearinghouseState",
  "allDexsClearinghouseState",
  "openOrders",
  "spotState",
  "activeAssetData",
  "twapStates",
  "webData2",
  "webData3",
] as const satisfies readonly SubscriptionType[];

type StateType = (typeof STATE_TYPES)[number];
type StateSubscription = Extract<UserSubscription, { readonly type: StateType }>;
const STATES: ReadonlySet<string> = new Set(STATE_TYPES);
export const isState = (s: Subscription): s is StateSubscription => STATES.has(s.type);

/** `data` of a state channel's frame. */
export function stateData(ctx: InfoContext, s: StateSubscription, account: Account | undefined): unknown {
  const { exchange, exchMs } = ctx;
  const { user } = s;
  switch (s.type) {
    case "clearinghouseState": {
      const dexIndex = exchange.dex(s.dex)!.index;
      const state = clearinghouseState(exchange, account, exchMs, dexIndex);
      return { dex: s.dex, user, clearinghouseState: state };
    }
    case "allDexsClearinghouseState":
      return {
        user,
        clearinghouseStates: exchange.dexs.map((dex) => [
          dex.name,
          clearinghouseState(exchange, account, exchMs, dex.index),
        ]),
      };
    case "openOrders":
      return { dex: s.dex, user, orders: frontendOpenOrders(account, s.dex) };
    case "spotState":
      return { user, spotState: spotClearinghouseState(account) };
    case "activeAssetData":
      return activeAssetData(exchange, user, account, exchange.market(s.coin)!);
    case "twapStates":
      return { dex: s.dex, user, states: account === undefined ? [] : ctx.twaps.statesOf(account) };
    case "webData2":
      return webData2(ctx, user, account);
    case "webData3":
      return webData3(ctx, user, account);
  }
}

/** Name of the list in a list channel's frames. */
export const LIST_KEYS = {
  userFills: "fills",
  userFundings: "fundings",
  userNonFundingLedgerUpdates: "nonFundingLedgerUpdates",
  userHistoricalOrders: "orderHistory",
  userTwapSliceFills: "twapSliceFills",
  userTwapHistory: "history",
} as const satisfies Partial<Record<SubscriptionType, string>>;

type ListType = keyof typeof LIST_KEYS;
type ListSubscription = Extract<UserSubscription, { readonly type: ListType }>;
export const isList = (s: Subscription): s is ListSubscription => Object.hasOwn(LIST_KEYS, s.type);

/** What a new subscriber of a list channel gets, newest first. */
export function listSnapshot(ctx: InfoContext, s: ListSubscription, account: Account | undefined): unknown {
  const items = account === undefined ? [] : pastItems(ctx, s, account);
  return { isSnapshot: true, user: s.user, [LIST_KEYS[s.type]]: items };
}

function pastItems(ctx: InfoContext, s: ListSubscription, account: Account): readonly unknown[] {
  switch (s.type) {
    case "userFills":
      return latestFills(account, ctx.exchange, s.aggregateByTime);
    case "userFundings":
      return newestFirst(account.fundings).map(fundingItem);
    case "userNonFundingLedgerUpdates":
      return newestFirst(account.ledger);
    case "userHistoricalOrders":
      return historicalOrders(account);
    case "userTwapSliceFills":
      return newestFirst(twapSliceFills(account)).map(({ fill, twapId }) => ({ fill, twapId }));
    case "userTwapHistory":
      return newestFirst(ctx.twaps.historyOf(account));
  }
}

const newestFirst = <T>(items: readonly T[]): T[] => items.slice(-SNAPSHOT_MAX).reverse();

/** A funding payment as frames show it: the row of `userFunding` without hash and type. */
export function fundingItem(payment: Account["fundings"][number]): Record<string, unknown> {
  const { type: _, ...delta } = payment.delta;
  return { time: payment.time, ...delta };
}
