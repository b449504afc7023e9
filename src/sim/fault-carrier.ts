/**
 * Carries frames and requests as the faults decide: late, twice, out of order, changed, or not at all.
 *
 * With no rule in force and nothing held back, everything passes at once and unchanged.
 *
 * Thread: main. Allocates: per frame only while a rule is in force.
 */
import type { Clock, Timers } from "../domain/index.js";
import type { Decision, Faults } from "./faults.js";

/** Things that keep their order on the way: one direction of one connection. */
export class Line {
  private waiting: { readonly dueNs: number; readonly run: () => void }[] = [];
  private cancelTimer: (() => void) | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly timers: Timers,
    private readonly guard: (run: () => void) => void,
  ) {}

  get isEmpty(): boolean {
    return this.waiting.length === 0;
  }

  /** Runs it after the delay and after everything put before. */
  put(delayMs: number, run: () => void): void {
    if (delayMs === 0 && this.isEmpty) {
      run();
      return;
    }
    const last = this.waiting[this.waiting.length - 1];
    const dueNs = Math.max(this.clock.monoNs() + delayMs * 1e6, last?.dueNs ?? 0);
    this.waiting.push({ dueNs, run });
    if (last === undefined) this.arm();
  }

  /** Forgets what waits. */
  clear(): void {
    this.cancelTimer?.();
    this.cancelTimer = undefined;
    this.waiting = [];
  }

  private arm(): void {
    const waitMs = (this.waiting[0]!.dueNs - this.clock.monoNs()) / 1e6;
    this.cancelTimer = this.timers.after(Math.max(0, Math.ceil(waitMs)), () => this.drain());
  }

  private drain(): void {
    const { waiting } = this;
    while (waiting[0] !== undefined && waiting[0].dueNs <= this.clock.monoNs()) {
      this.guard(waiting[0].run);
      // Only now: what `run` itself sends must queue up behind, not pass.
      waiting.shift();
      if (waiting !== this.waiting) return;
    }
    if (!this.isEmpty) this.arm();
  }
}

/** One end of a connection, as the carrier sees it. */
export interface Wire {
  /** The n-th connection of the simulator's life, from 1. */
  readonly id: number;
  readonly outbound: Line;
  readonly inbound: Line;
  /** Last true book by channel and coin: what a stale one repeats. */
  readonly books: Map<string, string>;
}

/** What a transport can do with a request. `A`: what an answer is to it, a text or something that has one. */
export interface RequestWay<A> {
  /** It takes effect; `answer` is called once, perhaps later. */
  execute(answer: (answer: A) => void): void;
  /** The same answer with every exchange time moved. */
  skewed(answer: A, skewMs: number): A;
  /** An answer goes out; twice when duplicated. */
  give(answer: A): void;
  /** An HTTP status goes out instead of an answer. */
  fail(status: number): void;
  /** The action is refused in the venue's way. */
  reject(text: string): void;
  /** The connection is cut. */
  cut(): void;
}

export type RequestPoint =
  | { readonly stream: "http"; readonly endpoint: "info" | "exchange"; readonly action: string }
  | { readonly stream: "post"; readonly endpoint: "info" | "exchange"; readonly action: string };

/** Frames of the protocol itself, which no rule touches. */
const CONTROL_CHANNELS: ReadonlySet<string> = new Set(["subscriptionResponse", "pong", "post", "error"]);
const PUBLIC_CHANNELS: ReadonlySet<string> = new Set([
  "allMids",
  "l2Book",
  "bbo",
  "trades",
  "candle",
  "activeAssetCtx",
  "activeSpotAssetCtx",
  "assetCtxs",
  "spotAssetCtxs",
  "allDexsAssetCtxs",
  "fastAssetCtxs",
]);

export class FaultCarrier {
  private readonly startNs: number;
  private outageUntilMs = Number.NEGATIVE_INFINITY;

  constructor(
    readonly faults: Faults,
    private readonly clock: Clock,
    private readonly timers: Timers,
    /** Runs what was held back; what that throws must not reach the timer. */
    private readonly guard: (run: () => void) => void,
  ) {
    this.startNs = clock.monoNs();
  }

  /** Axis of `from` and `until` of the rules: ms of wall time since the simulator started. */
  nowMs(): number {
    return (this.clock.monoNs() - this.startNs) / 1e6;
  }

  /** New connections are refused. */
  get isOutage(): boolean {
    return this.nowMs() < this.outageUntilMs;
  }

  wire(id: number): Wire {
    const line = (): Line => new Line(this.clock, this.timers, this.guard);
    return { id, outbound: line(), inbound: line(), books: new Map() };
  }

  /** How much of a match goes into its next print. */
  cut(szLots: number): number {
    if (szLots <= 1 || this.faults.isEmpty) return szLots;
    const { pieces } = this.faults.decide({ at: "fill" }, this.nowMs());
    return Math.max(1, Math.floor(szLots / pieces));
  }

  /** Sends a frame, or doesn't. */
  push(wire: Wire, frame: string, send: (frame: string) => void, cut: () => void): void {
    const { outbound } = wire;
    if (this.faults.isEmpty && outbound.isEmpty) {
      send(frame);
      return;
    }
    const channel = channelOf(frame);
    if (channel === undefined || CONTROL_CHANNELS.has(channel)) {
      outbound.put(0, () => send(frame));
      return;
    }
    const stream = PUBLIC_CHANNELS.has(channel) ? "public" : "private";
    const d = this.faults.decide({ at: "push", stream, channel, connection: wire.id }, this.nowMs());
    if (d.isDisconnect) {
      this.beginOutage(d);
      cut();
      return;
    }
    const shown = shownBook(wire, channel, frame, d);
    if (d.isLost) return;
    const text = d.skewMs === 0 ? shown : skewTimes(shown, d.skewMs);
    const deliver = (): void => {
      for (let i = 0; i < d.copies; i++) send(text);
    };
    if (d.reorderMs > 0) this.after(d.delayMs + d.reorderMs, deliver);
    else outbound.put(d.delayMs, deliver);
  }

  /**
   * Lets a request take effect and answers it, or doesn't.
   * @param wire the connection it came over; undefined for one of its own (HTTP).
   */
  request<A>(point: RequestPoint, wire: Wire | undefined, way: RequestWay<A>): void {
    if (this.faults.isEmpty && (wire === undefined || wire.inbound.isEmpty)) {
      way.execute((answer) => way.give(answer));
      return;
    }
    const d = this.faults.decide({ at: "request", connection: wire?.id ?? 0, ...point }, this.nowMs());
    const run = (): void => this.carryOut(d, way);
    const holdMs = d.isAnswerDelayed ? 0 : d.delayMs;
    if (d.reorderMs > 0) this.after(holdMs + d.reorderMs, run);
    else if (wire !== undefined) wire.inbound.put(holdMs, run);
    else if (holdMs > 0) this.after(holdMs, run);
    else run();
  }

  private carryOut<A>(d: Decision, way: RequestWay<A>): void {
    const isSilenced = d.isLost || d.isDisconnect || d.httpStatus !== 0;
    if (isSilenced) {
      // 429 is said at the door: such a request never takes effect.
      if (d.isExecuted && d.httpStatus !== 429) way.execute(() => {});
      if (d.isDisconnect) {
        this.beginOutage(d);
        way.cut();
      } else if (!d.isLost) way.fail(d.httpStatus);
      return;
    }
    if (d.reject !== undefined) {
      way.reject(d.reject);
      return;
    }
    const give = (answer: A): void => {
      const shown = d.skewMs === 0 ? answer : way.skewed(answer, d.skewMs);
      if (d.isAnswerDelayed && d.delayMs > 0) this.after(d.delayMs, () => way.give(shown));
      else way.give(shown);
    };
    for (let i = 0; i < d.copies; i++) way.execute(give);
  }

  private after(delayMs: number, run: () => void): void {
    this.timers.after(delayMs, () => this.guard(run));
  }

  private beginOutage(d: Decision): void {
    this.outageUntilMs = Math.max(this.outageUntilMs, this.nowMs() + d.outageMs);
  }
}

function channelOf(frame: string): string | undefined {
  const head = '{"channel":"';
  if (!frame.startsWith(head)) return undefined;
  return frame.slice(head.length, frame.indexOf('"', head.length));
}

function shownBook(wire: Wire, channel: string, frame: string, d: Decision): string {
  if (channel !== "l2Book" && channel !== "bbo") return frame;
  // Aggregated and fast books of a coin are others than its plain one.
  const coin = /"coin":"([^"]+)"/.exec(frame)?.[1] ?? "";
  const key = `${channel} ${coin}${frame.includes('"fast":true') ? " fast" : ""}${frame.includes('"spread"') ? " rough" : ""}`;
  if (d.book === "stale") return wire.books.get(key) ?? frame;
  wire.books.set(key, frame);
  return d.book === "crossed" ? crossBook(frame) : frame;
}

/** The same frame with every exchange time stamp moved. */
export function skewTimes(frame: string, skewMs: number): string {
  return frame.replace(
    /"(time|timestamp|statusTimestamp|serverTime)":(\d{12,})/g,
    (_all, key: string, ms: string) => `"${key}":${Math.max(0, Number(ms) + skewMs)}`,
  );
}

/** The same book with its best bid and best ask price exchanged; one with an empty side stays. */
export function crossBook(frame: string): string {
  const message = JSON.parse(frame) as {
    data: { bbo?: ({ px: string } | null)[]; levels?: { px: string }[][] };
  };
  const { bbo, levels } = message.data;
  const [bid, ask] = bbo ?? [levels?.[0]?.[0], levels?.[1]?.[0]];
  if (bid === undefined || bid === null || ask === undefined || ask === null) return frame;
  [bid.px, ask.px] = [ask.px, bid.px];
  return JSON.stringify(message);
}
