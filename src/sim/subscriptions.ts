/**
 * WebSocket subscriptions: what the venue takes, how it echoes it, and who listens to what.
 *
 * The echo is normalised by the server: defaults filled in, addresses lower-case (reference/hyperliquid-api.md 1.7). Two
 * requests with the same echo are the same subscription.
 */
import { parseAddress } from "./actions.js";
import { parseAggregation } from "./info/book.js";

export type Subscription =
  | { readonly type: "allMids" }
  | {
      readonly type: "l2Book";
      readonly coin: string;
      readonly nSigFigs: number | null;
      readonly mantissa: number | null;
      readonly fast: boolean;
    }
  | { readonly type: "bbo" | "trades" | "activeAssetCtx"; readonly coin: string }
  | { readonly type: "userFills"; readonly user: string; readonly aggregateByTime: boolean }
  | {
      readonly type:
        | "orderUpdates"
        | "userEvents"
        | "notification"
        | "userFundings"
        | "userNonFundingLedgerUpdates";
      readonly user: string;
    }
  | { readonly type: "clearinghouseState" | "openOrders"; readonly user: string; readonly dex: string }
  | { readonly type: "activeAssetData"; readonly user: string; readonly coin: string };

/** @returns undefined for what the venue answers with `Invalid subscription`. */
export function parseSubscription(
  v: unknown,
  isCoin: (coin: unknown) => coin is string,
): Subscription | undefined {
  if (typeof v !== "object" || v === null || Array.isArray(v)) return undefined;
  const s = v as Readonly<Record<string, unknown>>;
  const { type, coin, dex } = s;
  if (dex !== undefined && dex !== null && dex !== "") return undefined;
  switch (type) {
    case "allMids":
      return { type };
    case "l2Book": {
      const aggregation = parseAggregation(s);
      const fast = s["fast"] ?? false;
      if (!isCoin(coin) || aggregation === undefined || typeof fast !== "boolean") return undefined;
      return { type, coin, ...aggregation, fast };
    }
    case "bbo":
    case "trades":
    case "activeAssetCtx":
      return isCoin(coin) ? { type, coin } : undefined;
  }
  const user = parseAddress(s["user"]);
  if (user === undefined) return undefined;
  switch (type) {
    case "userFills":
      return { type, user, aggregateByTime: s["aggregateByTime"] === true };
    case "orderUpdates":
    case "userEvents":
    case "notification":
    case "userFundings":
    case "userNonFundingLedgerUpdates":
      return { type, user };
    case "clearinghouseState":
    case "openOrders":
      return { type, user, dex: "" };
    case "activeAssetData":
      return isCoin(coin) ? { type, user, coin } : undefined;
    default:
      return undefined;
  }
}

/** What a publisher looks listeners up by: the channel and its coin or user. */
export function groupOf(s: Subscription): string {
  if (s.type === "allMids") return s.type;
  return `${s.type}:${"user" in s ? s.user : s.coin}`;
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
  *ofType(type: Subscription["type"]): Iterable<Topic<C>> {
    for (const topic of this.byKey.values()) if (topic.subscription.type === type) yield topic;
  }

  has(group: string): boolean {
    return this.byGroup.has(group);
  }
}
