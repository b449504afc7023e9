/**
 * WebSocket subscriptions: what the venue takes, how it echoes it, and who listens to what.
 *
 * The echo is normalised by the server: defaults filled in, addresses lower-case (reference/hyperliquid-api.md 1.7). Two
 * requests with the same echo are the same subscription.
 */
import { parseAddress } from "./actions.js";
import { type Interval, isInterval } from "./candles.js";
import { parseAggregation } from "./info/book.js";

/** Channels of one user that take no other parameter. */
const USER_TYPES = [
  "orderUpdates",
  "userEvents",
  "notification",
  "userFundings",
  "userNonFundingLedgerUpdates",
  "userHistoricalOrders",
  "userTwapSliceFills",
  "userTwapHistory",
  "allDexsClearinghouseState",
  "webData2",
  "webData3",
] as const;
const USER_DEX_TYPES = ["clearinghouseState", "openOrders", "twapStates"] as const;
const COIN_TYPES = ["bbo", "trades", "activeAssetCtx"] as const;
const DEX_TYPES = ["allMids", "assetCtxs"] as const;
const WIDE_TYPES = ["spotAssetCtxs", "allDexsAssetCtxs", "fastAssetCtxs"] as const;

/** One member per type, so that each can be picked out by its type. */
type Each<T extends string, Rest> = T extends string ? { readonly type: T } & Rest : never;

export type Subscription =
  | Each<(typeof WIDE_TYPES)[number], unknown>
  | Each<(typeof DEX_TYPES)[number], { readonly dex: string }>
  | {
      readonly type: "l2Book";
      readonly coin: string;
      readonly nSigFigs: number | null;
      readonly mantissa: number | null;
      readonly fast: boolean;
    }
  | Each<(typeof COIN_TYPES)[number], { readonly coin: string }>
  | { readonly type: "candle"; readonly coin: string; readonly interval: Interval }
  | { readonly type: "userFills"; readonly user: string; readonly aggregateByTime: boolean }
  | Each<(typeof USER_TYPES)[number], { readonly user: string }>
  | Each<(typeof USER_DEX_TYPES)[number], { readonly user: string; readonly dex: string }>
  | { readonly type: "spotState"; readonly user: string; readonly ignorePortfolioMargin: boolean }
  | { readonly type: "activeAssetData"; readonly user: string; readonly coin: string };

export type SubscriptionType = Subscription["type"];

/** What is listed. */
export interface Listing {
  isCoin(coin: unknown): coin is string;
  /** Of a perp: `activeAssetData` has no other. */
  isPerp(coin: string): boolean;
  isDex(name: string): boolean;
}

const among =
  <T extends string>(types: readonly T[]) =>
  (type: string): type is T =>
    (types as readonly string[]).includes(type);
const isUserType = among(USER_TYPES);
const isUserDexType = among(USER_DEX_TYPES);
const isCoinType = among(COIN_TYPES);
const isDexType = among(DEX_TYPES);
const isWideType = among(WIDE_TYPES);

/** @returns undefined for what the venue answers with `Invalid subscription`. */
export function parseSubscription(v: unknown, listing: Listing): Subscription | undefined {
  if (typeof v !== "object" || v === null || Array.isArray(v)) return undefined;
  const s = v as Readonly<Record<string, unknown>>;
  const { type, coin } = s;
  if (typeof type !== "string") return undefined;
  if (isWideType(type)) return { type };
  const dex = s["dex"] ?? "";
  if (typeof dex !== "string" || !listing.isDex(dex)) return undefined;
  if (isDexType(type)) return { type, dex };
  if (isCoinType(type)) return listing.isCoin(coin) ? { type, coin } : undefined;
  if (type === "candle") {
    const { interval } = s;
    return listing.isCoin(coin) && isInterval(interval) ? { type, coin, interval } : undefined;
  }
  if (type === "l2Book") {
    const aggregation = parseAggregation(s);
    const fast = s["fast"] ?? false;
    if (!listing.isCoin(coin) || aggregation === undefined || typeof fast !== "boolean") return undefined;
    return { type, coin, ...aggregation, fast };
  }
  const user = parseAddress(s["user"]);
  return user === undefined ? undefined : parseOfUser(type, user, dex, s, listing);
}

function parseOfUser(
  type: string,
  user: string,
  dex: string,
  s: Readonly<Record<string, unknown>>,
  listing: Listing,
): Subscription | undefined {
  if (isUserType(type)) return { type, user };
  if (isUserDexType(type)) return { type, user, dex };
  switch (type) {
    case "userFills":
      return { type, user, aggregateByTime: s["aggregateByTime"] === true };
    case "spotState":
      return { type, user, ignorePortfolioMargin: s["ignorePortfolioMargin"] === true };
    case "activeAssetData": {
      const { coin } = s;
      return listing.isCoin(coin) && listing.isPerp(coin) ? { type, user, coin } : undefined;
    }
    default:
      return undefined;
  }
}

/** What a publisher looks listeners up by: the channel, and its user, coin or dex. */
export function groupOf(s: Subscription): string {
  if ("user" in s) return `${s.type}:${s.user}`;
  if ("coin" in s) return `${s.type}:${s.coin}`;
  return "dex" in s ? `${s.type}:${s.dex}` : s.type;
}

export interface Topic<C> {
  readonly key: string;
  readonly subscription: Subscription;
  readonly listeners: Set<C>;
}

/** Listeners of every subscription. Iteration order is that of subscribing: deterministic. */
export class Topics<C> {
  private readonly byKey = new Map<string, Topic<C>>();
  private readonly byGroup = new Map<string, Set<Topic<C>>>();

  add(key: string, subscription: Subscription, listener: C): void {
    let topic = this.byKey.get(key);
    if (topic === undefined) {
      topic = { key, subscription, listeners: new Set() };
      this.byKey.set(key, topic);
      const group = groupOf(subscription);
      const topics = this.byGroup.get(group) ?? new Set();
      topics.add(topic);
      this.byGroup.set(group, topics);
    }
    topic.listeners.add(listener);
  }

  remove(key: string, listener: C): void {
    const topic = this.byKey.get(key);
    if (topic === undefined) return;
    topic.listeners.delete(listener);
    if (topic.listeners.size > 0) return;
    this.byKey.delete(key);
    const group = groupOf(topic.subscription);
    const topics = this.byGroup.get(group);
    topics?.delete(topic);
    if (topics?.size === 0) this.byGroup.delete(group);
  }

  inGroup(group: string): Iterable<Topic<C>> {
    return this.byGroup.get(group) ?? [];
  }

  /** Every topic of a channel, whatever its coin or user. */
  *ofType(type: SubscriptionType): Iterable<Topic<C>> {
    for (const topic of this.byKey.values()) if (topic.subscription.type === type) yield topic;
  }

  has(group: string): boolean {
    return this.byGroup.has(group);
  }
}
