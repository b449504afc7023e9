/**
 * What the venue allows: actions per address, weight per IP, sockets per IP, open orders per user.
 *
 * Pure bookkeeping on times handed in; who asks decides what a refusal looks like (an action's error, HTTP 429, a closed
 * socket). Thread: any (single owner).
 *
 * Source: reference/hyperliquid-api.md 6.7, 7.1, 7.2, 3.9, 1.6.
 */
import type { Action } from "./actions.js";

// --- Addresses ---------------------------------------------------------------------------------------------------------

/** Actions an address may send before it has traded anything. */
export const INITIAL_BUFFER = 10_000;
/** Price of one reserved request. */
export const RESERVED_REQUEST_MICRO_USD = 500;
/** Charged for an action that came after its `expiresAfter`. */
export const EXPIRED_ACTION_WEIGHT = 5;
const CANCEL_EXTRA = 100_000;
const THROTTLE_MS = 10_000;

export type BudgetKind = "order" | "cancel" | "purchase";

/** Cancels have an allowance of their own; buying weight must be possible when all is spent (the venue's rule is not known). */
export function budgetKind(type: Action["type"]): BudgetKind {
  if (type === "cancel" || type === "cancelByCloid") return "cancel";
  return type === "reserveRequestWeight" ? "purchase" : "order";
}

/** `nRequestsCap`: the buffer and one request per whole USDC traded. */
export const requestsCap = (volumeUsd: number, initialBuffer = INITIAL_BUFFER): number =>
  initialBuffer + Math.floor(volumeUsd);

/**
 * One address's budget of actions.
 *
 *   cap        = buffer + ⌊cumulative volume⌋          orders pass while used < cap
 *   cancel_cap = min(cap + 100000, 2 · cap)            cancels pass while used < cancel_cap
 *
 * Beyond it one action every 10 s passes. Refused requests neither cost anything nor restart the 10 s.
 */
export class AddressBudget {
  /** Everything ever charged. */
  spent = 0;
  /** Everything ever bought. */
  reserved = 0;
  private throttledAtMs = Number.NEGATIVE_INFINITY;

  /** `nRequestsUsed` of userRateLimit. */
  get used(): number {
    return Math.max(0, this.spent - this.reserved);
  }

  /** `nRequestsSurplus` of userRateLimit. */
  get surplus(): number {
    return Math.max(0, this.reserved - this.spent);
  }

  /**
   * Asks for one action now; when it passes beyond the cap, the 10 s start.
   * @returns the venue's text when it is refused.
   */
  refusal(kind: BudgetKind, volumeUsd: number, nowMs: number, initialBuffer?: number): string | undefined {
    if (kind === "purchase") return undefined;
    const ordersCap = requestsCap(volumeUsd, initialBuffer);
    const cap = kind === "cancel" ? Math.min(ordersCap + CANCEL_EXTRA, 2 * ordersCap) : ordersCap;
    if (this.spent - this.reserved < cap) return undefined;
    if (nowMs - this.throttledAtMs >= THROTTLE_MS) {
      this.throttledAtMs = nowMs;
      return undefined;
    }
    // The venue shows a cap that is one below the formula.
    return `Too many cumulative requests sent (${this.used} > ${cap - 1}) for cumulative volume traded $${volumeUsd.toFixed(2)}. Place taker orders to free up 1 request per USDC traded.`;
  }

  charge(weight: number): void {
    this.spent += weight;
  }
}

/** Open orders a user may have: 1000, one more per 5M USDC traded, at most 5000. */
export const openOrdersCap = (volumeUsd: number, base = 1000): number =>
  Math.max(base, Math.min(5000, base + Math.floor(volumeUsd / 5e6)));

/** With so many orders open, reduce-only and trigger orders are refused. */
export const CROWDED_OPEN_ORDERS = 1000;

/** Status and text of an order beyond the cap; the venue's wording is not known. */
export const TOO_MANY_ORDERS: [status: string, text: string] = [
  "tooManyOpenOrdersRejected",
  "Too many open orders.",
];

// --- IP addresses ------------------------------------------------------------------------------------------------------

/** Events of the last minute with their weights; the oldest leave as time goes on. */
class SlidingMinute {
  private readonly atMs: number[] = [];
  private readonly weights: number[] = [];
  private first = 0;
  sum = 0;

  advance(nowMs: number): void {
    while (this.first < this.atMs.length && this.atMs[this.first]! <= nowMs - MINUTE_MS) {
      this.sum -= this.weights[this.first++]!;
    }
    if (this.first < 1024 || this.first * 2 < this.atMs.length) return;
    this.atMs.splice(0, this.first);
    this.weights.splice(0, this.first);
    this.first = 0;
  }

  add(nowMs: number, weight: number): void {
    this.atMs.push(nowMs);
    this.weights.push(weight);
    this.sum += weight;
  }
}

const MINUTE_MS = 60_000;

/** REST weight an IP may spend in any minute. */
export const IP_WEIGHT_PER_MINUTE = 1200;

const LIGHT_INFO: ReadonlySet<string> = new Set([
  "l2Book",
  "allMids",
  "clearinghouseState",
  "orderStatus",
  "spotClearinghouseState",
  "exchangeStatus",
]);

const ITEMS_PER_WEIGHT: ReadonlyMap<string, number> = new Map([
  ...[
    "recentTrades",
    "historicalOrders",
    "userFills",
    "userFillsByTime",
    "fundingHistory",
    "userFunding",
    "nonUserFundingUpdates",
    "userNonFundingLedgerUpdates",
    "twapHistory",
    "userTwapSliceFills",
    "userTwapSliceFillsByTime",
    "delegatorHistory",
    "delegatorRewards",
    "validatorStats",
  ].map((type) => [type, 20] as const),
  ["candleSnapshot", 60],
]);

/** Weight of an `/exchange` request with `count` orders, cancels or modifies. */
export const exchangeWeight = (count: number): number => 1 + Math.floor(count / 40);

/** Weight of an `/info` request before its answer is known. */
export function infoWeight(type: string): number {
  if (LIGHT_INFO.has(type)) return 2;
  return type === "userRole" ? 60 : 20;
}

/** What the answer adds to it. */
export function infoExtraWeight(type: string, itemCount: number): number {
  const per = ITEMS_PER_WEIGHT.get(type);
  return per === undefined ? 0 : Math.floor(itemCount / per);
}

/** Weights of all IPs over a sliding minute. */
export class IpBudget {
  private readonly byIp = new Map<string, SlidingMinute>();

  constructor(private readonly perMinute = IP_WEIGHT_PER_MINUTE) {}

  /** Spends `weight` if that keeps the IP within its minute. @returns false for what is answered with 429: nothing is spent. */
  take(ip: string, weight: number, nowMs: number): boolean {
    const window = this.windowOf(ip, nowMs);
    if (window.sum + weight > this.perMinute) return false;
    window.add(nowMs, weight);
    return true;
  }

  /** Charges what an answer turned out to weigh. */
  add(ip: string, weight: number, nowMs: number): void {
    if (weight > 0) this.windowOf(ip, nowMs).add(nowMs, weight);
  }

  used(ip: string, nowMs: number): number {
    return this.windowOf(ip, nowMs).sum;
  }

  private windowOf(ip: string, nowMs: number): SlidingMinute {
    const window = found(this.byIp, ip, () => new SlidingMinute());
    window.advance(nowMs);
    return window;
  }
}

function found<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}

// --- Sockets -----------------------------------------------------------------------------------------------------------

export interface SocketLimits {
  readonly connections: number;
  readonly newConnectionsPerMinute: number;
  readonly subscriptions: number;
  /** Distinct users over user channels. Documented: 10; accepted live: 14. */
  readonly users: number;
  readonly messagesPerMinute: number;
  readonly inFlightPosts: number;
}

export const VENUE_SOCKET_LIMITS: SocketLimits = {
  connections: 10,
  newConnectionsPerMinute: 30,
  subscriptions: 1000,
  users: 14,
  messagesPerMinute: 2000,
  inFlightPosts: 100,
};

class SocketsOfIp {
  connections = 0;
  readonly opened = new SlidingMinute();
  readonly messages = new SlidingMinute();
  subscriptions = 0;
  /** Subscriptions by user. */
  readonly users = new Map<string, number>();
  posts = 0;
}

/**
 * Counts what each IP holds and sends over all its sockets. Each `open…`/`begin…` that returned true is paid back by its
 * `close…`/`end…`.
 */
export class SocketBudget {
  private readonly byIp = new Map<string, SocketsOfIp>();

  constructor(readonly limits: SocketLimits = VENUE_SOCKET_LIMITS) {}

  /** @returns false when the connection is one too many, at once or within the minute. */
  openConnection(ip: string, nowMs: number): boolean {
    const s = this.of(ip);
    s.opened.advance(nowMs);
    if (s.connections >= this.limits.connections || s.opened.sum >= this.limits.newConnectionsPerMinute)
      return false;
    s.connections++;
    s.opened.add(nowMs, 1);
    return true;
  }

  closeConnection(ip: string): void {
    this.of(ip).connections--;
  }

  /** @returns false for a message beyond the minute's: the venue drops it silently. */
  message(ip: string, nowMs: number): boolean {
    const { messages } = this.of(ip);
    messages.advance(nowMs);
    if (messages.sum >= this.limits.messagesPerMinute) return false;
    messages.add(nowMs, 1);
    return true;
  }

  /** @param user lower-case address of a user channel. @returns the text for the error channel when refused. */
  openSubscription(ip: string, user: string | undefined): string | undefined {
    const s = this.of(ip);
    if (s.subscriptions >= this.limits.subscriptions)
      return `Cannot track more than ${this.limits.subscriptions} total subscriptions.`;
    if (user !== undefined) {
      const isNew = !s.users.has(user);
      // The venue's text names the first number that it refuses.
      if (isNew && s.users.size >= this.limits.users)
        return `Cannot track more than ${this.limits.users + 1} total users.`;
      s.users.set(user, (s.users.get(user) ?? 0) + 1);
    }
    s.subscriptions++;
    return undefined;
  }

  closeSubscription(ip: string, user: string | undefined): void {
    const s = this.of(ip);
    s.subscriptions--;
    if (user === undefined) return;
    const left = (s.users.get(user) ?? 0) - 1;
    if (left > 0) s.users.set(user, left);
    else s.users.delete(user);
  }

  /** @returns false for the post that is one too many: "too many pending post requests". */
  beginPost(ip: string): boolean {
    const s = this.of(ip);
    if (s.posts >= this.limits.inFlightPosts) return false;
    s.posts++;
    return true;
  }

  endPost(ip: string): void {
    this.of(ip).posts--;
  }

  private of(ip: string): SocketsOfIp {
    return found(this.byIp, ip, () => new SocketsOfIp());
  }
}
