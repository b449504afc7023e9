import {
  type Approved,
  type CancelOrder,
  type Clock,
  type Cloid,
  type Instrument,
  type ModifyOrder,
  type NewOrder,
  pow10,
  type Rng,
  Side,
  type Timers,
} from "../../src/domain/index.js";
import type {
  AccountSnapshot,
  AckStatus,
  FillEvent,
  GatewayEvents,
  OrderGateway,
  OrderUpdate,
  RequestQuota,
} from "../../src/venues/port.js";

/** Simulated time: a queue of (time, sequence) with the seams the engine wants. */
export class Scheduler implements Clock, Timers {
  nowMs = 0;
  private seq = 0;
  private queue: { at: number; seq: number; fn: () => void; isOff: boolean }[] = [];

  monoNs(): number {
    return this.nowMs * 1e6;
  }
  wallMs(): number {
    return 1_700_000_000_000 + this.nowMs;
  }
  after(delayMs: number, fn: () => void): () => void {
    const item = { at: this.nowMs + Math.max(0, delayMs), seq: this.seq++, fn, isOff: false };
    this.queue.push(item);
    return () => {
      item.isOff = true;
    };
  }
  every(periodMs: number, fn: () => void): () => void {
    let cancel = (): void => {};
    let isOff = false;
    const tick = (): void => {
      fn();
      if (!isOff) cancel = this.after(periodMs, tick);
    };
    cancel = this.after(periodMs, tick);
    return () => {
      isOff = true;
      cancel();
    };
  }

  /** Runs until `isDone` or the time is up; promises settle between events. @returns true when done. */
  async run(untilMs: number, isDone: () => boolean = () => false): Promise<boolean> {
    for (;;) {
      if (isDone()) return true;
      let best = -1;
      for (let i = 0; i < this.queue.length; i++) {
        const q = this.queue[i]!;
        const b = this.queue[best];
        if (b === undefined || q.at < b.at || (q.at === b.at && q.seq < b.seq)) best = i;
      }
      const next = this.queue[best];
      if (next === undefined || next.at > untilMs) {
        this.nowMs = untilMs;
        return isDone();
      }
      this.queue.splice(best, 1);
      this.nowMs = Math.max(this.nowMs, next.at);
      if (next.isOff) continue;
      next.fn();
      // All microtasks of this event run before the next one: the order is that of the queue alone.
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }
}

export interface Faults {
  /** Per request: it never reaches the venue. */
  readonly loseRequest: number;
  /** Per request: the venue acts, the answer is lost. */
  readonly loseAnswer: number;
  /** Per private message: delivered twice. */
  readonly duplicate: number;
  /** Per request: refused as rate limited. */
  readonly rateLimit: number;
  /** Per query: fails. */
  readonly failQuery: number;
  /** Whether acks, updates and fills overtake each other. */
  readonly isReordering: boolean;
  readonly latencyMs: readonly [number, number];
}

export const NO_FAULTS: Faults = {
  loseRequest: 0,
  loseAnswer: 0,
  duplicate: 0,
  rateLimit: 0,
  failQuery: 0,
  isReordering: false,
  latencyMs: [5, 10],
};

interface VenueOrder {
  readonly cloid: Cloid;
  readonly oid: number;
  readonly side: Side;
  readonly pxTicks: number;
  readonly origLots: number;
  left: number;
  status: string;
}

/**
 * A venue with one market and one account: ours. Orders rest, the market moves through them or takes part of them, and
 * every message between us and it is late, doubled, overtaken or lost as the dice say.
 */
export class FakeExchange {
  posLots = 0;
  /** Money in ticks·lots, exact: cash flow of all fills, so that profit = cash + position at mark. */
  cash = 0n;
  feesUsd = 0;
  bidTicks: number;
  askTicks: number;
  readonly fills: FillEvent[] = [];
  readonly orders = new Map<string, VenueOrder>();
  private readonly open: VenueOrder[] = [];
  private oid = 1000;
  private tid = 1;
  gateway: FakeGateway | undefined;
  /** Called after every change of the account's orders or position. */
  onChange: () => void = () => {};

  constructor(
    readonly sched: Scheduler,
    readonly instrument: Instrument,
    midTicks: number,
  ) {
    this.bidTicks = midTicks - 1;
    this.askTicks = midTicks + 1;
  }

  openLots(side: Side): number {
    return this.open.filter((o) => o.side === side).reduce((a, o) => a + o.left, 0);
  }
  get openCount(): number {
    return this.open.length;
  }
  get midPx(): number {
    return (this.bidTicks + this.askTicks) / 2 / pow10(this.instrument.pxDecimals);
  }

  openOrders(): OrderUpdate[] {
    return this.open.map((o) => this.updateOf(o));
  }
  updateOf(o: VenueOrder): OrderUpdate {
    return {
      coin: this.instrument.coin,
      oid: o.oid,
      cloid: o.cloid,
      side: o.side,
      pxTicks: o.pxTicks,
      szLots: o.left,
      origSzLots: o.origLots,
      status: o.status,
      exchMs: this.sched.nowMs,
    };
  }

  place(n: NewOrder): AckStatus {
    const o: VenueOrder = {
      cloid: n.cloid,
      oid: this.oid++,
      side: n.side,
      pxTicks: n.pxTicks,
      origLots: n.szLots,
      left: n.szLots,
      status: "open",
    };
    if (this.orders.has(o.cloid)) throw new Error(`client id ${o.cloid} used twice`);
    this.orders.set(o.cloid, o);
    const crosses = n.side === Side.Buy ? n.pxTicks >= this.askTicks : n.pxTicks <= this.bidTicks;
    if (crosses) {
      o.status = "badAloPxRejected";
      this.tell(o);
      return { kind: "error", code: "BadAloPx", text: "Post only order would have immediately matched" };
    }
    this.open.push(o);
    this.tell(o);
    this.onChange();
    return { kind: "resting", oid: o.oid };
  }

  cancel(cloid: Cloid): AckStatus {
    const o = this.orders.get(cloid);
    if (o === undefined || o.status !== "open") {
      return { kind: "error", code: "MissingOrder", text: "never placed, already canceled, or filled" };
    }
    this.end(o, "canceled");
    return { kind: "cancelled" };
  }

  modify(m: ModifyOrder): AckStatus {
    const gone = this.cancel(m.target);
    if (gone.kind === "error") return { ...gone, oldGone: true };
    const placed = this.place(m.order);
    return placed.kind === "error" ? { ...placed, oldGone: true } : placed;
  }

  /** Moves the touch; what it passes is filled whole. */
  moveTo(midTicks: number): void {
    this.bidTicks = midTicks - 1;
    this.askTicks = midTicks + 1;
    for (const o of [...this.open]) {
      const isHit = o.side === Side.Buy ? o.pxTicks >= this.askTicks : o.pxTicks <= this.bidTicks;
      if (isHit) this.fill(o, o.left);
    }
  }

  /** A taker hits our best order of a side with this much. */
  take(side: Side, lots: number): void {
    let left = lots;
    const queue = this.open.filter((o) => o.side === side).sort((a, b) => side * (b.pxTicks - a.pxTicks));
    for (const o of queue) {
      if (left <= 0) break;
      const part = Math.min(left, o.left);
      left -= part;
      this.fill(o, part);
    }
  }

  private fill(o: VenueOrder, lots: number): void {
    const px = o.pxTicks / pow10(this.instrument.pxDecimals);
    const feeUsd = px * (lots / pow10(this.instrument.szDecimals)) * 1.5e-4;
    const f: FillEvent = {
      coin: this.instrument.coin,
      oid: o.oid,
      cloid: o.oid % 3 === 0 ? undefined : o.cloid,
      tid: this.tid++,
      side: o.side,
      px,
      pxTicks: o.pxTicks,
      szLots: lots,
      startPosLots: this.posLots,
      closedPnlUsd: 0,
      feeUsd,
      isMaker: true,
      isLiquidation: false,
      exchMs: this.sched.nowMs,
      isSnapshot: false,
    };
    this.posLots += o.side * lots;
    this.cash -= BigInt(o.side * lots) * BigInt(o.pxTicks);
    this.feesUsd += feeUsd;
    this.fills.push(f);
    o.left -= lots;
    this.gateway?.deliver("fills", (e) => e.onFills([f]));
    if (o.left === 0) this.end(o, "filled");
    else this.tell(o);
    this.onChange();
  }

  private end(o: VenueOrder, status: string): void {
    o.status = status;
    this.open.splice(this.open.indexOf(o), 1);
    this.tell(o);
    this.onChange();
  }

  private tell(o: VenueOrder): void {
    const u = this.updateOf(o);
    this.gateway?.deliver("updates", (e) => e.onOrderUpdates([u]));
  }
}

/** The port to a FakeExchange. */
export class FakeGateway implements OrderGateway {
  readonly lastSend = { encodeStartMonoNs: 0, signStartMonoNs: 0, signEndMonoNs: 0, wireMonoNs: 0 };
  isConnected = false;
  /** Everything sent, for the tests' eyes. */
  readonly sent: { kind: "place" | "modify" | "cancel"; count: number; atMs: number }[] = [];
  /** Absent: a venue without an allowance of requests. */
  requestQuota?: () => Promise<RequestQuota>;
  private events: GatewayEvents | undefined;
  private nextId = 1;
  private readonly waiting = new Map<number, number>();
  private readonly channelFree = { acks: 0, updates: 0, fills: 0 };
  private isDead = false;

  constructor(
    readonly venue: FakeExchange,
    readonly rng: Rng,
    public faults: Faults = NO_FAULTS,
  ) {}

  connect(events: GatewayEvents): Promise<void> {
    this.events = events;
    this.venue.gateway = this;
    this.isConnected = true;
    events.onConnected();
    return Promise.resolve();
  }
  close(): Promise<void> {
    this.isConnected = false;
    return Promise.resolve();
  }
  /** The process behind this gateway is killed: what it has sent still arrives, nobody hears the answers. */
  die(): void {
    this.isDead = true;
    this.isConnected = false;
  }

  place(orders: readonly Approved<NewOrder>[]): number {
    return this.request("place", orders.length, () => orders.map((o) => this.venue.place(o)));
  }
  modify(modifies: readonly Approved<ModifyOrder>[]): number {
    return this.request("modify", modifies.length, () => modifies.map((m) => this.venue.modify(m)));
  }
  cancel(cancels: readonly CancelOrder[]): number {
    return this.request("cancel", cancels.length, () => cancels.map((c) => this.venue.cancel(c.cloid)));
  }

  openOrders(): Promise<readonly OrderUpdate[]> {
    return this.ask(() => this.venue.openOrders());
  }
  orderStatus(cloid: Cloid): Promise<OrderUpdate | undefined> {
    return this.ask(() => {
      const o = this.venue.orders.get(cloid);
      return o && this.venue.updateOf(o);
    });
  }
  account(): Promise<AccountSnapshot> {
    return this.ask(() => ({
      accountValueUsd: 10_000,
      withdrawableUsd: 10_000,
      marginUsedUsd: 0,
      positions:
        this.venue.posLots === 0
          ? []
          : [
              {
                coin: this.venue.instrument.coin,
                posLots: this.venue.posLots,
                entryPx: this.venue.midPx,
                unrealizedPnlUsd: 0,
                leverage: 10,
              },
            ],
      exchMs: this.venue.sched.nowMs,
    }));
  }
  fillsSince(exchMs: number): Promise<readonly FillEvent[]> {
    return this.ask(() => this.venue.fills.filter((f) => f.exchMs >= exchMs));
  }

  /** The private stream drops for a while: what happens meanwhile is told by nobody. */
  disconnect(forMs: number): void {
    if (!this.isConnected) return;
    this.isConnected = false;
    for (const [id, count] of this.waiting) {
      this.waiting.delete(id);
      this.events?.onAck(id, unknowns(count));
    }
    this.events?.onDisconnected("test");
    this.venue.sched.after(forMs, () => {
      if (this.isDead) return;
      this.isConnected = true;
      this.events?.onConnected();
      const snapshot = this.venue.fills
        .slice(-50)
        .reverse()
        .map((f) => ({ ...f, isSnapshot: true }));
      this.events?.onFills(snapshot);
    });
  }

  /** A message of the private stream, after its delay; lost while the stream is down. */
  deliver(channel: "acks" | "updates" | "fills", fn: (events: GatewayEvents) => void): void {
    const { sched } = this.venue;
    const lane = this.faults.isReordering ? channel : "acks";
    // Within a channel the order holds; between channels it need not.
    const at = Math.max(this.channelFree[lane], sched.nowMs + this.delay());
    this.channelFree[lane] = at;
    const times = this.rng.uniform() < this.faults.duplicate ? 2 : 1;
    for (let i = 0; i < times; i++) {
      sched.after(at - sched.nowMs, () => {
        if (this.isConnected && !this.isDead && this.events) fn(this.events);
      });
    }
  }

  private delay(): number {
    const [lo, hi] = this.faults.latencyMs;
    return (lo + this.rng.uniform() * (hi - lo)) / 2;
  }

  private request(kind: "place" | "modify" | "cancel", count: number, act: () => AckStatus[]): number {
    const { sched } = this.venue;
    const id = this.nextId++;
    this.sent.push({ kind, count, atMs: sched.nowMs });
    const t = sched.monoNs();
    Object.assign(this.lastSend, {
      encodeStartMonoNs: t,
      signStartMonoNs: t + 1000,
      signEndMonoNs: t + 41_000,
      wireMonoNs: t + 50_000,
    });
    this.waiting.set(id, count);
    const answer = (statuses: AckStatus[]): void => {
      if (!this.waiting.delete(id) || this.isDead) return;
      this.events?.onAck(id, statuses);
    };
    const isLimited = this.rng.uniform() < this.faults.rateLimit;
    const isLost = this.rng.uniform() < this.faults.loseRequest;
    const isMute = this.rng.uniform() < this.faults.loseAnswer;
    // The gateway's own time-out; sometimes later than the executor's.
    sched.after(this.rng.uniform() < 0.5 ? 2500 : 3500, () => answer(unknowns(count)));
    if (isLost) return id;
    sched.after(this.delay(), () => {
      const statuses: AckStatus[] = isLimited
        ? Array.from({ length: count }, () => ({
            kind: "error" as const,
            code: "RateLimited" as const,
            text: "Too many cumulative requests",
          }))
        : act();
      if (!isMute) this.deliver("acks", () => answer(statuses));
    });
    return id;
  }

  private ask<T>(read: () => T): Promise<T> {
    const { sched } = this.venue;
    return new Promise((resolve, reject) => {
      sched.after(this.delay(), () => {
        if (this.isDead) return;
        if (this.rng.uniform() < this.faults.failQuery) {
          sched.after(this.delay(), () => reject(new Error("502 Bad Gateway")));
          return;
        }
        const value = read();
        sched.after(this.delay(), () => {
          if (!this.isDead) resolve(value);
        });
      });
    });
  }
}

const unknowns = (count: number): AckStatus[] =>
  Array.from({ length: count }, () => ({ kind: "unknown" as const, text: "no answer" }));
