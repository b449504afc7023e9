/**
 * Faults on purpose: what goes wrong with a request, a pushed frame or a fill, decided by rules and a seed.
 *
 * Pure: no clock, no timers, no sockets. Whoever carries frames asks `decide` at each point and does what the decision says
 * (the server through `fault-carrier.ts`, a simulation in process by itself). Every rule draws from a stream of its own, so that
 * adding, removing or exhausting one rule shifts no other rule's dice.
 *
 * Thread: any (single owner). Allocates: one decision per point at which a rule fired, nothing otherwise.
 * Source: DESIGN §7.
 */
import type { Rng } from "../domain/index.js";

export const FAULT_KINDS = [
  "delay",
  "loss",
  "duplicate",
  "reorder",
  "disconnect",
  "http429",
  "http5xx",
  "reject",
  "staleBook",
  "crossedBook",
  "partialFills",
  "clockSkew",
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export const FAULT_STREAMS = ["public", "private", "http", "post"] as const;
/** public, private: frames pushed over a WebSocket. http, post: requests by HTTP, and by WebSocket post. */
export type FaultStream = (typeof FAULT_STREAMS)[number];

export const FAULT_PARTS = ["request", "answer"] as const;
/** request: it suffers before it takes effect. answer: it takes effect, and its answer suffers. */
export type FaultPart = (typeof FAULT_PARTS)[number];

/** Where a rule holds; what is left out holds everywhere. */
export interface FaultWhere {
  readonly stream?: FaultStream;
  /** Channel of pushed frames: "l2Book", "userFills", … */
  readonly channel?: string;
  /** Type of an action or info request ("order", "openOrders"), or "exchange" / "info" for all of an endpoint. */
  readonly action?: string;
  /** The n-th connection of the simulator's life, from 1. */
  readonly connection?: number;
  /** Of a request that is delayed, lost, cut off or failed (5xx); left out: a coin decides. */
  readonly part?: FaultPart;
}

export interface FaultRule {
  readonly kind: FaultKind;
  /** Probability at each point it matches, 0..1. */
  readonly rate: number;
  readonly where?: FaultWhere;
  /**
   * Uniform between the two. delay, reorder: how long it is held. staleBook: how long the book stands still. clockSkew: what is added to
   * exchange time stamps (may be negative). disconnect: how long new connections are refused after it.
   */
  readonly ms?: readonly [min: number, max: number];
  /** partialFills: into how many pieces what is left of a match is cut. */
  readonly pieces?: readonly [min: number, max: number];
  /** Holds from here (inclusive), on the axis of `decide`'s nowMs. */
  readonly fromMs?: number;
  /** Holds up to here (exclusive). */
  readonly untilMs?: number;
  /** Fires so often at most. */
  readonly count?: number;
}

/** Something that may go wrong. */
export type FaultPoint =
  | {
      readonly at: "push";
      readonly stream: "public" | "private";
      readonly channel: string;
      readonly connection: number;
    }
  | {
      readonly at: "request";
      readonly stream: "http" | "post";
      readonly endpoint: "info" | "exchange";
      /** Type of the action or info request. */
      readonly action: string;
      /** 0: a request of its own (HTTP). */
      readonly connection: number;
    }
  | { readonly at: "fill" };

/** What to do at a point. Several faults may meet in one; a loss hides the rest. */
export interface Decision {
  /** True when nothing goes wrong. */
  readonly isClean: boolean;
  /** Holds this one and, on a connection, everything behind it: order is kept. */
  readonly delayMs: number;
  /** Of a delayed request: it takes effect at once and its answer waits. */
  readonly isAnswerDelayed: boolean;
  /** Holds this one alone: what comes later may overtake it. 0: no. */
  readonly reorderMs: number;
  /** The frame, or the request or its answer, goes nowhere. */
  readonly isLost: boolean;
  /** Of a request lost, failed or cut off: whether it took effect before. */
  readonly isExecuted: boolean;
  /** How often it is delivered. */
  readonly copies: number;
  /** The connection is cut now. */
  readonly isDisconnect: boolean;
  /** New connections are refused for so long after a disconnect. */
  readonly outageMs: number;
  /** HTTP status instead of an answer; 0: none. */
  readonly httpStatus: number;
  /** The action is refused with this text, without effect. */
  readonly reject: string | undefined;
  /** stale: the same book as last time, old time stamp and all. crossed: best bid above best ask. */
  readonly book: "asIs" | "stale" | "crossed";
  /** Added to exchange time stamps. */
  readonly skewMs: number;
  /** Into how many pieces what is left of a match is cut. */
  readonly pieces: number;
}

const CLEAN: Decision = Object.freeze({
  isClean: true,
  delayMs: 0,
  isAnswerDelayed: false,
  reorderMs: 0,
  isLost: false,
  isExecuted: false,
  copies: 1,
  isDisconnect: false,
  outageMs: 0,
  httpStatus: 0,
  reject: undefined,
  book: "asIs",
  skewMs: 0,
  pieces: 1,
});
type Draft = { -readonly [K in keyof Decision]: Decision[K] };

/** Kinds for which it matters whether the request took effect before. */
export const FAULTS_WITH_PART: readonly FaultKind[] = ["delay", "loss", "disconnect", "http5xx"];

/** At which points a kind can fire at all. */
export const FAULT_POINTS: Readonly<Record<FaultKind, readonly FaultPoint["at"][]>> = {
  delay: ["push", "request"],
  loss: ["push", "request"],
  duplicate: ["push", "request"],
  reorder: ["push", "request"],
  disconnect: ["push", "request"],
  http429: ["request"],
  http5xx: ["request"],
  reject: ["request"],
  staleBook: ["push"],
  crossedBook: ["push"],
  partialFills: ["fill"],
  clockSkew: ["push", "request"],
};

/** Ranges where a rule names none; kinds left out take no `ms`. */
export const FAULT_MS_DEFAULT: Partial<Readonly<Record<FaultKind, readonly [number, number]>>> = {
  delay: [50, 500],
  reorder: [20, 200],
  disconnect: [0, 0],
  staleBook: [500, 3000],
  clockSkew: [-500, 500],
};
export const FAULT_PIECES_DEFAULT: readonly [number, number] = [2, 10];
const BOOK_CHANNELS: readonly string[] = ["l2Book", "bbo"];
const SERVER_ERRORS = [500, 502, 503, 504] as const;
/** Refusals that say nothing false about an order's state: a client that believes them is right. */
const REJECTIONS = [
  "Too many cumulative requests sent (fault injected).",
  "Internal error (fault injected).",
  "Too many pending actions (fault injected).",
] as const;

export type FaultCounts = Record<FaultKind, number>;

/** A rule with its own dice and its record. */
class ActiveRule {
  hits = 0;
  /** staleBook: until when the book of a connection and channel stands still. */
  readonly staleUntilMs = new Map<string, number>();

  constructor(
    readonly rule: FaultRule,
    readonly rng: Rng,
  ) {}

  get isSpent(): boolean {
    return this.rule.count !== undefined && this.hits >= this.rule.count;
  }

  matches(point: FaultPoint, nowMs: number): boolean {
    const { kind, where, fromMs, untilMs } = this.rule;
    if (nowMs < (fromMs ?? Number.NEGATIVE_INFINITY) || nowMs >= (untilMs ?? Number.POSITIVE_INFINITY))
      return false;
    // One that is spent may still hold a book it made stale.
    if (this.isSpent && this.staleUntilMs.size === 0) return false;
    if (!FAULT_POINTS[kind].includes(point.at)) return false;
    if (point.at === "fill") return true;
    if (kind === "reject" && point.at === "request" && point.endpoint !== "exchange") return false;
    if ((kind === "staleBook" || kind === "crossedBook") && point.at === "push") {
      if (!BOOK_CHANNELS.includes(point.channel)) return false;
    }
    if (where === undefined) return true;
    if (where.stream !== undefined && where.stream !== point.stream) return false;
    if (where.connection !== undefined && where.connection !== point.connection) return false;
    if (point.at === "push") {
      return where.action === undefined && (where.channel === undefined || where.channel === point.channel);
    }
    if (where.channel !== undefined) return false;
    return where.action === undefined || where.action === point.action || where.action === point.endpoint;
  }

  /** Between the rule's ends, both included, in whole ms. */
  drawMs(): number {
    return this.draw(this.rule.ms ?? FAULT_MS_DEFAULT[this.rule.kind] ?? [0, 0]);
  }

  draw([min, max]: readonly [number, number]): number {
    return min + this.rng.below(max - min + 1);
  }
}

/** The rules in force, their dice and what they did so far. */
export class Faults {
  private active: ActiveRule[] = [];
  private readonly fired: FaultCounts;
  private generation = 0;

  constructor(
    rules: readonly FaultRule[],
    private readonly rng: Rng,
  ) {
    this.fired = Object.fromEntries(FAULT_KINDS.map((kind) => [kind, 0])) as FaultCounts;
    this.set(rules);
  }

  /** Replaces all rules; counts go on. The dice of the new rules are new, too. */
  set(rules: readonly FaultRule[]): void {
    const generation = this.generation++;
    this.active = rules.map(
      (rule, index) => new ActiveRule(rule, this.rng.fork(`faults ${generation} ${index} ${rule.kind}`)),
    );
  }

  get isEmpty(): boolean {
    return this.active.length === 0;
  }

  /** How often each kind fired since the beginning. */
  counts(): Readonly<FaultCounts> {
    return { ...this.fired };
  }

  /** The rules in force, each with how often it fired. */
  rules(): readonly { readonly rule: FaultRule; readonly hits: number }[] {
    return this.active.map(({ rule, hits }) => ({ rule, hits }));
  }

  decide(point: FaultPoint, nowMs: number): Decision {
    let draft: Draft | undefined;
    for (const active of this.active) {
      if (!active.matches(point, nowMs)) continue;
      const key = point.at === "push" ? `${point.connection} ${point.channel}` : "";
      const isStanding = nowMs < (active.staleUntilMs.get(key) ?? Number.NEGATIVE_INFINITY);
      // Drawn at every match, so that the dice do not depend on what an earlier hit led to.
      const isHit = active.rng.uniform() < active.rule.rate && !active.isSpent;
      if (!isHit && !isStanding) continue;
      draft ??= { ...CLEAN, isClean: false };
      if (isStanding) {
        draft.book = "stale";
        continue;
      }
      active.hits++;
      this.fired[active.rule.kind]++;
      apply(active, draft, key, nowMs);
    }
    return draft ?? CLEAN;
  }
}

function apply(active: ActiveRule, draft: Draft, key: string, nowMs: number): void {
  const { rule } = active;
  switch (rule.kind) {
    case "delay":
      draft.delayMs += active.drawMs();
      draft.isAnswerDelayed = isExecuted(active);
      return;
    case "reorder":
      draft.reorderMs = Math.max(draft.reorderMs, active.drawMs());
      return;
    case "loss":
      draft.isLost = true;
      draft.isExecuted = isExecuted(active);
      return;
    case "duplicate":
      draft.copies++;
      return;
    case "disconnect":
      draft.isDisconnect = true;
      draft.isExecuted = isExecuted(active);
      draft.outageMs = Math.max(draft.outageMs, active.drawMs());
      return;
    case "http429":
      draft.httpStatus = 429;
      return;
    case "http5xx":
      draft.httpStatus = SERVER_ERRORS[active.rng.below(SERVER_ERRORS.length)]!;
      draft.isExecuted = isExecuted(active);
      return;
    case "reject":
      draft.reject = REJECTIONS[active.rng.below(REJECTIONS.length)]!;
      return;
    case "staleBook":
      draft.book = "stale";
      active.staleUntilMs.set(key, nowMs + active.drawMs());
      return;
    case "crossedBook":
      draft.book = "crossed";
      return;
    case "partialFills":
      draft.pieces = active.draw(rule.pieces ?? FAULT_PIECES_DEFAULT);
      return;
    case "clockSkew":
      draft.skewMs += active.drawMs();
      return;
  }
}

function isExecuted(active: ActiveRule): boolean {
  const part = active.rule.where?.part;
  return part === undefined ? active.rng.below(2) === 1 : part === "answer";
}
