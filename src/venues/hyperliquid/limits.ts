/**
 * The venue's limits by IP address: request weights, messages, posts in flight. One object for all that talks from this
 * process, so that questions yield to orders. Source: reference §7.1, §1.5.
 */
import type { Clock, Rng, Timers } from "../../domain/index.js";
import { VenueError } from "./errors.js";

/** REST weight per minute. */
export const IP_WEIGHT_MAX = 1200;
/** Left free for actions that must go over HTTP. */
const ACTION_RESERVE = 240;
/** Posts may count as weight too (the documentation is silent): then questions get this much all the same. */
const QUESTIONS_FLOOR = 300;
/** Frames to the venue per minute, all connections; the surplus is dropped silently. */
export const WS_MESSAGES_MAX = 2000;
/** Kept free for the market-data connections, and for cancels. */
const WS_MESSAGES_RESERVE = 100;
/** Posts in flight; the venue refuses the next one. */
export const POSTS_IN_FLIGHT_MAX = 100;
const POSTS_RESERVE = 10;

const BLOCK_FIRST_MS = 10_000;
const BLOCK_MAX_MS = 60_000;
/** At the end, when only questions are left: whether anything rests must be known before a long block has passed. */
const CLOSING_BLOCK_NS = 2e9;
/** A refusal this long after the last block begins anew. */
const CALM_NS = 300e9;
const POLL_MS = 100;
const DEFAULT_PATIENCE_MS = 30_000;

/** Requests that an address may have counted while cancels still pass. Source: reference §7.2. */
export const cancelCap = (cap: number): number => Math.min(cap + 100_000, 2 * cap);

/** Weight of an action of `elements` orders, changes or cancels; 1 for one without elements. */
export const actionWeight = (elements: number): number => 1 + Math.floor(elements / 40);

const LIGHT = new Set([
  "l2Book",
  "allMids",
  "clearinghouseState",
  "orderStatus",
  "spotClearinghouseState",
  "exchangeStatus",
]);
const PER_20_ITEMS = new Set([
  "recentTrades",
  "historicalOrders",
  "userFills",
  "userFillsByTime",
  "fundingHistory",
  "userFunding",
  "userNonFundingLedgerUpdates",
  "nonUserFundingUpdates",
  "twapHistory",
  "userTwapSliceFills",
  "userTwapSliceFillsByTime",
  "delegatorHistory",
  "delegatorRewards",
  "validatorStats",
]);

/** Weight of a read request, without what its answer adds. */
export const infoWeight = (type: string): number => (LIGHT.has(type) ? 2 : type === "userRole" ? 60 : 20);

/** What an answer of so many items adds. */
export function itemsWeight(type: string, items: number): number {
  if (PER_20_ITEMS.has(type)) return Math.floor(items / 20);
  return type === "candleSnapshot" ? Math.floor(items / 60) : 0;
}

/** What was used in the last minute, by second of the clock modulo 60. */
export interface MinuteUse {
  readonly second: number;
  readonly buckets: readonly number[];
}

/** What follows an `IpBudget`: questions asked, and until when the edge refuses, ns. */
export interface IpUse {
  readonly asked: MinuteUse;
  readonly blockedUntilNs: number;
}

/** A sum over the last minute, in buckets of a second. */
class LastMinute {
  private readonly buckets = new Float64Array(60);
  private second = 0;

  constructor(
    private readonly clock: Clock,
    used?: MinuteUse,
  ) {
    if (used === undefined) return;
    this.buckets.set(used.buckets);
    this.second = used.second;
  }

  get use(): MinuteUse {
    return { second: this.second, buckets: [...this.buckets] };
  }

  add(n: number): void {
    this.advance();
    this.buckets[this.second % 60]! += n;
  }

  get sum(): number {
    this.advance();
    let sum = 0;
    for (const n of this.buckets) sum += n;
    return sum;
  }

  private advance(): void {
    const now = Math.floor(this.clock.monoNs() / 1e9);
    if (now - this.second >= 60) this.buckets.fill(0);
    else for (let s = this.second + 1; s <= now; s++) this.buckets[s % 60] = 0;
    if (now > this.second) this.second = now;
  }
}

export interface IpBudgetOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly rng: Rng;
  /** Once per refusal of the edge. */
  readonly onRefused?: (blockedMs: number) => void;
  /** What another object of this process knew at its end. */
  readonly before?: IpUse | undefined;
}

/**
 * What this IP address has used of the last minute. Actions are counted and never wait here; questions wait for room,
 * with a reserve left for actions, and fail after `patienceMs`. After a 429 nothing but cancels uses HTTP for tens of
 * seconds, longer each time.
 *
 * Thread: main.
 */
export class IpBudget {
  /** How long a question may wait: long at start, short while trading, shorter at the end. */
  patienceMs = DEFAULT_PATIENCE_MS;
  /** No orders any more: questions may use the whole weight, and a block is short for them. */
  hasNoOrders = false;
  /** 429 answers since the start. */
  refusals = 0;
  private readonly questions: LastMinute;
  private readonly actions: LastMinute;
  private readonly posts: LastMinute;
  private blockedUntilNs: number;
  private refusedAtNs = Number.NEGATIVE_INFINITY;
  private blockMs = BLOCK_FIRST_MS;

  constructor(private readonly o: IpBudgetOptions) {
    this.questions = new LastMinute(o.clock, o.before?.asked);
    this.blockedUntilNs = o.before?.blockedUntilNs ?? Number.NEGATIVE_INFINITY;
    this.actions = new LastMinute(o.clock);
    this.posts = new LastMinute(o.clock);
  }

  /** REST weight of the last minute. */
  get weightUsed(): number {
    return this.questions.sum + this.actions.sum;
  }

  /** What an object that follows this one must know. */
  get use(): IpUse {
    return { asked: this.questions.use, blockedUntilNs: this.blockedUntilNs };
  }

  /** The edge has refused: HTTP is closed to all but cancels. */
  get isBlocked(): boolean {
    return this.o.clock.monoNs() < this.blockedUntilNs;
  }

  /** An action goes out. */
  spendAction(elements: number, way: "http" | "post"): void {
    (way === "http" ? this.actions : this.posts).add(actionWeight(elements));
  }

  /** False: an action that is not a cancel would only be refused. */
  mayUseHttp(elements: number): boolean {
    return !this.isBlocked && this.weightUsed + actionWeight(elements) <= IP_WEIGHT_MAX;
  }

  /** Whether a post may leave now; cancels may use the reserves. */
  mayPost(inFlight: number, messagesLastMinute: number, isUrgent: boolean): boolean {
    return (
      inFlight < POSTS_IN_FLIGHT_MAX - (isUrgent ? 0 : POSTS_RESERVE) &&
      messagesLastMinute < WS_MESSAGES_MAX - (isUrgent ? WS_MESSAGES_RESERVE / 2 : WS_MESSAGES_RESERVE)
    );
  }

  /**
   * Waits until a question may be asked, and counts it.
   * @throws {VenueError} RateLimited when there is no room within `patienceMs`.
   */
  async admit(type: string): Promise<void> {
    const { clock, timers } = this.o;
    const weight = infoWeight(type);
    const untilNs = clock.monoNs() + this.patienceMs * 1e6;
    while (!this.hasRoom(type, weight)) {
      const endNs = Math.max(clock.monoNs(), this.questionsBlockedUntilNs);
      if (endNs >= untilNs) {
        throw new VenueError(
          "RateLimited",
          `${type}: not asked, ${this.isBlocked ? "the venue has answered 429" : "the request weight of this minute is used"}: it is asked again later`,
        );
      }
      await new Promise<void>((resolve) => {
        timers.after(POLL_MS, resolve);
      });
    }
    this.questions.add(weight);
  }

  /** The answer's own weight, known only now. */
  chargeItems(type: string, items: number): void {
    this.questions.add(itemsWeight(type, items));
  }

  /** The edge refused a request with 429. */
  onRefused(): void {
    const { clock, rng } = this.o;
    this.refusals++;
    const now = clock.monoNs();
    this.refusedAtNs = now;
    if (this.isBlocked) return;
    this.blockMs =
      now - this.blockedUntilNs > CALM_NS ? BLOCK_FIRST_MS : Math.min(BLOCK_MAX_MS, 2 * this.blockMs);
    const ms = this.blockMs * (1 + 0.5 * rng.uniform());
    this.blockedUntilNs = now + ms * 1e6;
    this.o.onRefused?.(ms);
  }

  private get questionsBlockedUntilNs(): number {
    return this.hasNoOrders
      ? Math.min(this.blockedUntilNs, this.refusedAtNs + CLOSING_BLOCK_NS)
      : this.blockedUntilNs;
  }

  private hasRoom(type: string, weight: number): boolean {
    if (this.o.clock.monoNs() < this.questionsBlockedUntilNs) return false;
    const asked = this.questions.sum;
    const acted = this.actions.sum;
    // An order's fate is worth as much as an order.
    const reserve = this.hasNoOrders || type === "orderStatus" ? 0 : ACTION_RESERVE;
    if (asked + acted + weight > IP_WEIGHT_MAX - reserve) return false;
    return asked + weight <= QUESTIONS_FLOOR || asked + acted + this.posts.sum + weight <= IP_WEIGHT_MAX;
  }
}
