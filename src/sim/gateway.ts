/**
 * An order gateway to a venue in this process: no sockets, no signatures, the venue's own answers and events, delayed and
 * damaged as a network would. The third world's seam (DESIGN §1): the engine sees the same port as live.
 *
 * As the live gateway: requests go over the private connection while it is up (what is in flight when it falls is of unknown
 * fate) and by themselves while it is down; an answer later than the time-out is not heard; a reconnect brings a snapshot of fills.
 */
import {
  type Approved,
  type CancelOrder,
  type Clock,
  type Cloid,
  decimalToWire,
  type Instrument,
  type ModifyOrder,
  type NewOrder,
  type Rng,
  Side,
  type Timers,
} from "../domain/index.js";
import type {
  AccountSnapshot,
  AckStatus,
  FillEvent,
  FundingEvent,
  GatewayEvents,
  OrderGateway,
  OrderUpdate,
  RequestQuota,
  SendTimings,
  WireTap,
} from "../venues/port.js";
import type { FillWire, OrderUpdateWire } from "./account.js";
import { actionText } from "./action-text.js";
import type { Action, OrderWire } from "./actions.js";
import { answerText, type ExchangeResponse, err } from "./answers.js";
import { type DelayRange, drawMs } from "./blocks.js";
import { skewTimes, type Wire } from "./fault-carrier.js";
import { orderUpdatesFrame, type UserFills, userFillsFrame } from "./frames.js";
import { Lane } from "./lane.js";
import { dexNameOf } from "./universe.js";
import type { SimVenue } from "./venue.js";

export type ActionKind = "order" | "modify" | "cancel";

/**
 * The venue's words as the engine's: the same reading that the live gateway does. Arguments are what JSON.parse would give.
 */
export interface VenueReader {
  /** One status per element of an answered action. */
  acks(
    response: unknown,
    kind: ActionKind,
    count: number,
    instrumentAt: (i: number) => Instrument | undefined,
  ): AckStatus[];
  /** One status for each element of an action that was refused before the exchange saw it. */
  refused(text: string, kind: ActionKind, count: number): AckStatus[];
  orderUpdates(updates: readonly unknown[]): OrderUpdate[];
  openOrders(answer: unknown): OrderUpdate[];
  orderStatus(answer: unknown): OrderUpdate | undefined;
  account(answer: unknown): AccountSnapshot;
  quota(answer: unknown): RequestQuota;
  fundings(answer: unknown): FundingEvent[];
  /** Oldest first. */
  fills(fills: readonly unknown[], isSnapshot: boolean): FillEvent[];
}

export interface SimGatewayOptions {
  readonly venue: SimVenue;
  /** Lower-case address of a funded account. */
  readonly address: string;
  /** By engine index; `venueAssetId` is the venue's. */
  readonly instruments: readonly Instrument[];
  readonly time: Clock & Timers;
  /** The client's own clock: what its nonces come from. Default: `time`. */
  readonly clock?: Clock;
  readonly rng: Rng;
  readonly reader: VenueReader;
  /** Private events and info requests, one way. */
  readonly network?: DelayRange;
  /** Default 3000, as live. */
  readonly requestTimeoutMs?: number;
  /** Reconnecting takes so long, outages of a fault apart. */
  readonly reconnect?: DelayRange;
  readonly tap?: WireTap;
  /** Told of every action as it is sent. */
  readonly onSend?: (kind: ActionKind) => void;
}

const NETWORK: DelayRange = { minMs: 15, maxMs: 60 };
const RECONNECT: DelayRange = { minMs: 150, maxMs: 500 };
const REQUEST_TIMEOUT_MS = 3000;
const FILLS_IN_SNAPSHOT = 2000;
/** Queries give up as late as the live ones do. */
const QUERY_TIMEOUT_MS = 5000;
interface Pending {
  readonly id: number;
  readonly kind: ActionKind;
  readonly count: number;
  readonly assets: readonly number[];
  /** The connection it went over and is lost with; undefined: a request of its own (HTTP). */
  readonly wire: Wire | undefined;
  cancelTimer: () => void;
}

type PrivateMessage =
  | { readonly channel: "orderUpdates"; readonly data: readonly OrderUpdateWire[] }
  | { readonly channel: "userFills"; readonly data: UserFills };

/**
 * What one end says to the other. Both are in this process, so that the value itself is handed over; its text is made for whoever
 * looks at it, a tap or a fault, and parsed again only when that has changed it.
 */
class Said<T> {
  private made: string | undefined;

  constructor(
    readonly value: T,
    private readonly write: (value: T) => string,
  ) {}

  get text(): string {
    this.made ??= this.write(this.value);
    return this.made;
  }

  /** What it says after its text was changed on the way. */
  as(text: string): Said<T> {
    return text === this.text ? this : new Said(JSON.parse(text) as T, () => text);
  }

  static skewed<T>(said: Said<T>, skewMs: number): Said<T> {
    return said.as(skewTimes(said.text, skewMs));
  }
}

/** Texts as bytes that are good until the next text: for taps. */
class LentBytes {
  private room = Buffer.allocUnsafe(16_384);

  of(text: string): Uint8Array {
    const bytesMax = 3 * text.length;
    if (bytesMax > this.room.length) this.room = Buffer.allocUnsafe(2 * bytesMax);
    return this.room.subarray(0, this.room.write(text));
  }
}

export interface SimGatewayCounters {
  sent: number;
  timeouts: number;
  disconnects: number;
  lateAnswers: number;
  queries: number;
  failedRequests: number;
}

/** Thread: main. Deterministic: same seed and calls, same events. */
export class SimGateway implements OrderGateway {
  readonly lastSend: SendTimings = {
    encodeStartMonoNs: 0,
    signStartMonoNs: 0,
    signEndMonoNs: 0,
    wireMonoNs: 0,
  };
  readonly counters: SimGatewayCounters = {
    sent: 0,
    timeouts: 0,
    disconnects: 0,
    lateAnswers: 0,
    queries: 0,
    failedRequests: 0,
  };
  private readonly time: Clock & Timers;
  private readonly clock: Clock;
  private readonly rng: Rng;
  /** What the venue pushes and answers on the private connection. */
  private readonly down: Lane;
  private readonly pending = new Map<number, Pending>();
  private readonly bytes = new LentBytes();
  private events: GatewayEvents | undefined;
  private stopListening: (() => void) | undefined;
  private nextId = 1;
  private lastNonce = 0;
  /** Names of the dexs whose markets are traded. */
  private readonly dexes: readonly string[];
  private wire: Wire | undefined;
  private isClosed = false;

  constructor(private readonly o: SimGatewayOptions) {
    this.time = o.time;
    this.clock = o.clock ?? o.time;
    this.rng = o.rng.fork("sim gateway");
    this.dexes = [...new Set(o.instruments.map((i) => dexNameOf(i.coin)))];
    this.down = new Lane(o.time, o.network ?? NETWORK, o.rng.fork("sim gateway down"));
  }

  // ── life ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  connect(events: GatewayEvents): Promise<void> {
    this.events = events;
    return new Promise((resolve) => {
      this.time.after(drawMs(this.o.reconnect ?? RECONNECT, this.rng, this.time.wallMs()), () => {
        this.open();
        resolve();
      });
    });
  }

  close(): Promise<void> {
    this.isClosed = true;
    this.cut("closed");
    return Promise.resolve();
  }

  get isConnected(): boolean {
    return this.wire !== undefined;
  }

  /** The process behind this gateway is gone: what it has sent still arrives, nobody hears the answers. */
  abandon(): void {
    this.isClosed = true;
    this.events = undefined;
    this.cut("abandoned");
    for (const p of this.pending.values()) p.cancelTimer();
    this.pending.clear();
  }

  /** The connection is lost now, and restored a little later. */
  disconnect(reason: string): void {
    if (!this.isConnected) return;
    this.counters.disconnects++;
    this.cut(reason);
    this.reopenLater();
  }

  private reopenLater(): void {
    this.time.after(drawMs(this.o.reconnect ?? RECONNECT, this.rng, this.time.wallMs()), () => {
      if (this.isClosed) return;
      if (this.o.venue.carrier.isOutage) this.reopenLater();
      else this.open();
    });
  }

  private open(): void {
    this.wire = this.o.venue.wire();
    this.stopListening = this.o.venue.listenPrivate(this.o.address, {
      onOrderUpdates: (data) => this.push({ channel: "orderUpdates", data }),
      onFills: (fills) => this.push({ channel: "userFills", data: { fills } }),
    });
    this.events?.onConnected();
    const fills = this.recentFills();
    if (fills.length > 0) this.push({ channel: "userFills", data: { isSnapshot: true, fills } });
  }

  private cut(reason: string): void {
    if (this.wire === undefined) return;
    this.wire.outbound.clear();
    this.wire.inbound.clear();
    this.wire = undefined;
    this.stopListening?.();
    this.down.cut();
    const lost = [...this.pending.values()].filter((p) => p.wire !== undefined);
    for (const p of lost) {
      p.cancelTimer();
      this.pending.delete(p.id);
    }
    for (const p of lost) {
      this.events?.onAck(p.id, unknowns(p.count, `connection lost with the request in flight (${reason})`));
    }
    this.events?.onDisconnected(reason);
  }

  private recentFills(): readonly FillWire[] {
    const fills = this.o.venue.info({ type: "userFills", user: this.o.address }) as readonly FillWire[];
    return fills.slice(0, FILLS_IN_SNAPSHOT);
  }

  // ── events in ───────────────────────────────────────────────────────────────────────────────────────────────────────

  private push(message: PrivateMessage): void {
    const { wire } = this;
    if (wire === undefined) return;
    const said = new Said(message, textOf);
    this.o.venue.carrier.push(
      wire,
      said.text,
      (text) => {
        if (wire === this.wire) this.down.send(() => this.onFrame(said.as(text)));
      },
      () => this.disconnectSoon(),
    );
  }

  /** Not inside the exchange's own step: whoever hears of it may act at once. */
  private disconnectSoon(): void {
    this.time.after(0, () => this.disconnect("fault"));
  }

  private onFrame(said: Said<PrivateMessage>): void {
    this.o.tap?.inbound("private", this.bytes.of(said.text), this.time.monoNs());
    const { reader } = this.o;
    const { channel, data } = said.value;
    if (channel === "orderUpdates") this.events?.onOrderUpdates(reader.orderUpdates(data));
    else this.events?.onFills(reader.fills(data.fills, data.isSnapshot === true));
  }

  // ── actions out ─────────────────────────────────────────────────────────────────────────────────────────────────────

  place(orders: readonly Approved<NewOrder>[]): number {
    const action: Action = { type: "order", orders: orders.map((o) => this.orderWire(o)), grouping: "na" };
    return this.act("order", action, assetsOf(orders));
  }

  modify(modifies: readonly Approved<ModifyOrder>[]): number {
    const action: Action = {
      type: "batchModify",
      modifies: modifies.map((m) => ({ oid: m.target, order: this.orderWire(m.order) })),
    };
    return this.act("modify", action, assetsOf(modifies.map((m) => m.order)));
  }

  cancel(cancels: readonly CancelOrder[]): number {
    const action: Action = {
      type: "cancelByCloid",
      cancels: cancels.map((c) => ({ asset: this.instrument(c.asset).venueAssetId, cloid: c.cloid })),
    };
    return this.act("cancel", action, assetsOf(cancels));
  }

  private orderWire(o: NewOrder): OrderWire {
    const inst = this.instrument(o.asset);
    return {
      a: inst.venueAssetId,
      b: o.side === Side.Buy,
      p: decimalToWire(o.pxTicks, inst.pxDecimals),
      s: decimalToWire(o.szLots, inst.szDecimals),
      r: o.reduceOnly,
      t: { limit: { tif: o.tif } },
      c: o.cloid,
    };
  }

  scheduleCancel(atMs: number | undefined): Promise<void> {
    return this.control({
      type: "scheduleCancel",
      ...(atMs === undefined ? {} : { time: Math.floor(atMs) }),
    });
  }

  updateLeverage(asset: number, isCross: boolean, leverage: number): Promise<void> {
    const { venueAssetId } = this.instrument(asset);
    return this.control({ type: "updateLeverage", asset: venueAssetId, isCross, leverage });
  }

  /** Into the open isolated position. */
  addIsolatedMargin(asset: number, usd: number): Promise<void> {
    const { venueAssetId } = this.instrument(asset);
    return this.control({
      type: "updateIsolatedMargin",
      asset: venueAssetId,
      isBuy: true,
      ntli: Math.floor(usd * 1e6),
    });
  }

  buyRequests(requests: number): Promise<void> {
    return this.control({ type: "reserveRequestWeight", weight: requests });
  }

  /** An action that answers with success or a refusal as a whole. @throws {Error} Refused, or unanswered. */
  private control(action: Action): Promise<void> {
    const { venue, address } = this.o;
    const nonce = this.nextNonce();
    return this.exchange(
      { endpoint: "exchange", action: action.type },
      (answer: ExchangeResponse) => {
        if (answer.status !== "ok") throw new Error(answer.response);
      },
      (answer) =>
        venue.submit({
          address,
          action,
          nonce,
          answer: (response) => answer(new Said(response, answerText)),
        }),
    );
  }

  private nextNonce(): number {
    this.lastNonce = Math.max(this.lastNonce + 1, Math.floor(this.clock.wallMs()));
    return this.lastNonce;
  }

  private act(kind: ActionKind, action: Action, assets: readonly number[]): number {
    const { tap, requestTimeoutMs } = this.o;
    const nowNs = this.time.monoNs();
    const { lastSend } = this;
    lastSend.encodeStartMonoNs = nowNs;
    lastSend.signStartMonoNs = nowNs;
    lastSend.signEndMonoNs = nowNs;
    lastSend.wireMonoNs = nowNs;
    const pending: Pending = {
      id: this.nextId++,
      kind,
      count: assets.length,
      assets,
      wire: this.wire,
      cancelTimer: () => {},
    };
    this.counters.sent++;
    this.o.onSend?.(kind);
    tap?.outbound(pending.wire !== undefined ? "private" : "http", this.bytes.of(actionText(action)), nowNs);
    this.pending.set(pending.id, pending);
    pending.cancelTimer = this.time.after(requestTimeoutMs ?? REQUEST_TIMEOUT_MS, () => {
      if (!this.pending.delete(pending.id)) return;
      this.counters.timeouts++;
      this.events?.onAck(pending.id, unknowns(pending.count, "no answer in time"));
    });
    this.dispatch(pending, action, this.nextNonce());
    return pending.id;
  }

  private dispatch(pending: Pending, action: Action, nonce: number): void {
    const { venue, reader, address, instruments } = this.o;
    const { wire, kind, count } = pending;
    const stream = wire === undefined ? "http" : "post";
    const read = (said: Said<ExchangeResponse>): void => {
      this.o.tap?.inbound(
        pending.wire === undefined ? "http" : "private",
        this.bytes.of(said.text),
        this.time.monoNs(),
      );
      const statuses = reader.acks(said.value, kind, count, (i) => instruments[pending.assets[i]!]);
      this.settle(pending, statuses);
    };
    venue.carrier.request({ stream, endpoint: "exchange", action: action.type }, wire, {
      execute: (answer) =>
        venue.submit({
          address,
          action,
          nonce,
          answer: (response) => answer(new Said(response, answerText)),
        }),
      skewed: Said.skewed,
      give: read,
      fail: (status) => {
        const text = `${status} fault`;
        this.answer(
          pending,
          status >= 500 ? unknowns(count, text) : reader.refused(`${status} Too Many Requests`, kind, count),
        );
      },
      reject: (text) => {
        const answer = new Said(err(text), answerText);
        this.time.after(this.roundTripMs(), () => read(answer));
      },
      cut: () => {
        if (wire === undefined) this.answer(pending, unknowns(count, "connection reset"));
        else this.disconnectSoon();
      },
    });
  }

  /** An answer that the exchange itself had no part in: there and back over the network. */
  private answer(pending: Pending, statuses: readonly AckStatus[]): void {
    this.time.after(this.roundTripMs(), () => this.settle(pending, statuses));
  }

  private roundTripMs(): number {
    const network = this.o.network ?? NETWORK;
    const nowMs = this.time.wallMs();
    return drawMs(network, this.rng, nowMs) + drawMs(network, this.rng, nowMs);
  }

  private settle(pending: Pending, statuses: readonly AckStatus[]): void {
    if (!this.pending.delete(pending.id)) {
      this.counters.lateAnswers++;
      return;
    }
    pending.cancelTimer();
    this.events?.onAck(pending.id, statuses);
  }

  // ── queries ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  async openOrders(): Promise<readonly OrderUpdate[]> {
    const lists = await Promise.all(
      [...new Set(["", ...this.dexes])].map((dex) =>
        this.ask("frontendOpenOrders", onDex(dex), (answer) => this.o.reader.openOrders(answer)),
      ),
    );
    return lists.flat();
  }

  orderStatus(cloid: Cloid): Promise<OrderUpdate | undefined> {
    return this.ask("orderStatus", { oid: cloid }, (answer) => this.o.reader.orderStatus(answer));
  }

  /** Over the clearinghouses of this gateway's markets, as live. */
  async account(): Promise<AccountSnapshot> {
    const parts = await Promise.all(
      this.dexes.map((dex) =>
        this.ask("clearinghouseState", onDex(dex), (answer) => this.o.reader.account(answer)),
      ),
    );
    const sum = (of: (a: AccountSnapshot) => number): number => parts.reduce((n, a) => n + of(a), 0);
    return {
      accountValueUsd: sum((a) => a.accountValueUsd),
      withdrawableUsd: sum((a) => a.withdrawableUsd),
      marginUsedUsd: sum((a) => a.marginUsedUsd),
      positions: parts.flatMap((a) => a.positions),
      exchMs: Math.min(...parts.map((a) => a.exchMs)),
    };
  }

  fillsSince(exchMs: number): Promise<readonly FillEvent[]> {
    return this.ask("userFillsByTime", { startTime: Math.floor(exchMs) }, (answer) =>
      this.o.reader.fills(answer as readonly unknown[], true),
    );
  }

  fundingsSince(exchMs: number): Promise<readonly FundingEvent[]> {
    return this.ask("userFunding", { startTime: Math.floor(exchMs) }, (answer) =>
      this.o.reader.fundings(answer),
    );
  }

  requestQuota(): Promise<RequestQuota> {
    return this.ask("userRateLimit", {}, (answer) => this.o.reader.quota(answer));
  }

  /** The state is that of the moment when the request arrives; the answer is older by the way back. */
  private ask<T>(
    type: string,
    fields: Readonly<Record<string, unknown>>,
    read: (answer: unknown) => T,
  ): Promise<T> {
    const { venue, address } = this.o;
    this.counters.queries++;
    return this.exchange({ endpoint: "info", action: type }, read, (answer) =>
      answer(new Said(venue.info({ type, user: address, ...fields }), JSON.stringify)),
    );
  }

  /** One request of its own (HTTP) and its answer. */
  private exchange<A, T>(
    what: { readonly endpoint: "info" | "exchange"; readonly action: string },
    read: (answer: A) => T,
    execute: (answer: (said: Said<A>) => void) => void,
  ): Promise<T> {
    const network = this.o.network ?? NETWORK;
    return new Promise((resolve, reject) => {
      let isOver = false;
      const end = (afterMs: number, how: () => void): void => {
        this.time.after(afterMs, () => {
          if (isOver || this.events === undefined) return;
          isOver = true;
          how();
        });
      };
      const fail = (afterMs: number, text: string): void =>
        end(afterMs, () => {
          this.counters.failedRequests++;
          reject(new Error(`${what.action}: ${text}`));
        });
      const give = (said: Said<A>): void => {
        try {
          resolve(read(said.value));
        } catch (cause) {
          reject(cause);
        }
      };
      const nowMs = this.time.wallMs();
      const outMs = drawMs(network, this.rng, nowMs);
      const backMs = drawMs(network, this.rng, nowMs);
      fail(QUERY_TIMEOUT_MS, `no answer within ${QUERY_TIMEOUT_MS} ms`);
      this.time.after(outMs, () =>
        this.o.venue.carrier.request({ stream: "http", ...what }, undefined, {
          execute,
          skewed: Said.skewed,
          give: (said) => end(backMs, () => give(said)),
          fail: (status) => fail(backMs, `the venue answers ${status}`),
          reject: (text) => fail(backMs, text),
          cut: () => fail(backMs, "connection reset"),
        }),
      );
    });
  }

  private instrument(asset: number): Instrument {
    const inst = this.o.instruments[asset];
    if (inst === undefined) throw new RangeError(`asset index ${asset} is not traded through this gateway`);
    return inst;
  }
}

const textOf = (message: PrivateMessage): string =>
  message.channel === "orderUpdates" ? orderUpdatesFrame(message.data) : userFillsFrame(message.data);

const onDex = (dex: string): { readonly dex?: string } => (dex === "" ? {} : { dex });

const assetsOf = (items: readonly { readonly asset: number }[]): number[] => items.map((i) => i.asset);

const unknowns = (count: number, text: string): AckStatus[] =>
  Array.from({ length: count }, () => ({ kind: "unknown" as const, text }));
