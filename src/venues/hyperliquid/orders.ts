/**
 * The live order gateway: signed actions out, acknowledgements and private events in.
 */
import {
  type Approved,
  type CancelOrder,
  type Clock,
  type Cloid,
  type Instrument,
  isOurs,
  type ModifyOrder,
  type NewOrder,
  type Rng,
  type Timers,
} from "../../domain/index.js";
import {
  type AccountSnapshot,
  type FillEvent,
  type FundingEvent,
  fillKey,
  type GatewayEvents,
  type OrderGateway,
  type OrderUpdate,
  type RequestQuota,
  type SendTimings,
  type WireTap,
} from "../port.js";
import {
  mergeAccounts,
  SeenSet,
  sortFills,
  toAccountSnapshot,
  toFillEvent,
  toFundingEvent,
  toOpenOrder,
  toOrderUpdate,
  toRequestQuota,
} from "./account-events.js";
import { ActionEncoder, MAX_BATCH } from "./actions.js";
import { VenueError } from "./errors.js";
import { ExchangeClient } from "./exchange.js";
import { l1 } from "./exchange-actions.js";
import { type HttpPost, postJson } from "./http.js";
import { fillSchema, InfoClient, orderUpdateSchema, type VenueOrder, validate } from "./info.js";
import { IpBudget } from "./limits.js";
import type { NetworkEndpoints } from "./network.js";
import { NonceSequence } from "./nonce.js";
import { Batch, type Pending, PendingBatch, PendingControl } from "./pending.js";
import { type OpenSocket, PrivateStream, type VenueLog } from "./private-stream.js";
import type { ActionKind } from "./replies.js";
import type { L1Signer } from "./sign.js";
import { dexOf } from "./symbols.js";
import { type AccountEvent, parseUserEvents } from "./user-events.js";

/** A snapshot repeats 2,000 at most, a repair 12,500. */
const REMEMBERED_FILLS = 16_384;
/** A page of fills that is shorter than this is the last one. */
const FILLS_PAGE = 500;
const FILLS_PAGES_MAX = 25;

export interface HyperliquidGatewayOptions {
  readonly endpoints: NetworkEndpoints;
  readonly signer: L1Signer;
  /** By engine index. */
  readonly instruments: readonly Instrument[];
  readonly clock: Clock;
  readonly timers: Timers;
  readonly rng: Rng;
  readonly log: VenueLog;
  readonly tap?: WireTap;
  /** The account that an agent key signs for; the signer's own address without. */
  readonly accountAddress?: string;
  /** Sub-account or vault traded for: its events are followed, its orders signed for. */
  readonly vaultAddress?: string;
  /**
   * Placements and changes that reach the venue later than this after being signed are refused by it; cancels never expire.
   * Off by default: a refusal costs five times the weight, and a clock this far behind would have every order refused.
   */
  readonly expiresAfterMs?: number;
  /** Default 3000. */
  readonly requestTimeoutMs?: number;
  /** Restored from a checkpoint; a fresh sequence without. */
  readonly nonces?: NonceSequence;
  /** Marks cancels as fast (reference §4.3). Default false. */
  readonly isFastCancel?: boolean;
  /** Shared with the other clients of this address; one of its own without. */
  readonly limits?: IpBudget;
  /** Told what the venue did to this account unasked: orders cancelled, positions liquidated. */
  readonly onAccountEvent?: (event: AccountEvent) => void;
  readonly fetch?: typeof fetch;
  /** See `HttpSeams`. */
  readonly post?: HttpPost | undefined;
  /** Default: over the network. */
  readonly openSocket?: OpenSocket | undefined;
}

/** Counters since construction; `postsInFlight` and `messagesLastMinute` are of now. */
export interface GatewayCounters {
  readonly postsInFlight: number;
  readonly postsSent: number;
  readonly httpSent: number;
  /** All frames of the last minute, to be held against the venue's 2000. */
  readonly messagesLastMinute: number;
  readonly reconnects: number;
  readonly malformedFrames: number;
  readonly duplicateFills: number;
  readonly unknownCoinEvents: number;
  readonly timeouts: number;
  /** Answers to posts that had been given up. */
  readonly lateReplies: number;
  /** Placements and changes not sent for the address's limits. */
  readonly heldByLimits: number;
  /** REST weight, to be held against the venue's 1200. */
  readonly ipWeightLastMinute: number;
  /** 429 answers. */
  readonly httpRefusals: number;
}

/**
 * Sends over the private WebSocket, over HTTP while that is down, full or blocked.
 *
 * The senders never call back before they return. Arrays handed in may be reused after the call. Batches over the venue's
 * limit of 200 elements go out as several actions and are acknowledged as one. The kill latch is not read here: execution
 * reads it, and only approved orders type-check.
 *
 * Thread: executor. Allocates per send: one copy of the frame, one pending record.
 */
export class HyperliquidGateway implements OrderGateway {
  readonly lastSend: SendTimings = {
    encodeStartMonoNs: 0,
    signStartMonoNs: 0,
    signEndMonoNs: 0,
    wireMonoNs: 0,
  };
  /** Read requests of the same venue, for what the port does not name. */
  readonly info: InfoClient;
  readonly nonces: NonceSequence;
  /** Lower-case address whose orders and fills these are. */
  readonly user: string;

  /** Limits of the address, shared by everything of this process that talks to the venue. */
  readonly limits: IpBudget;
  private readonly encoder: ActionEncoder;
  private readonly stream: PrivateStream;
  private readonly byCoin: ReadonlyMap<string, Instrument>;
  /** Clearinghouses of this run: equity, margin and positions are summed over them, and over no other. */
  private readonly dexes: readonly string[];
  private readonly vaultBytes: Uint8Array | undefined;
  private readonly vaultText: Uint8Array | undefined;
  private readonly timeoutMs: number;
  private readonly pending = new Map<number, Pending>();
  private readonly seenFills = new SeenSet(REMEMBERED_FILLS);
  private readonly notedOnce = new Set<string>();
  private readonly notedAtS = new Map<string, number>();
  private events: GatewayEvents | undefined;
  private nextBatch = 1;
  private nextPost = 1;
  private postsSent = 0;
  private httpSent = 0;
  private malformedFrames = 0;
  private duplicateFills = 0;
  private unknownCoinEvents = 0;
  private timeouts = 0;
  private lateReplies = 0;
  private heldByLimits = 0;

  /** @throws {VenueError} BadKey when an address option is not an address. */
  constructor(private readonly options: HyperliquidGatewayOptions) {
    const vault = address(options.vaultAddress, "vault address");
    this.user = vault ?? address(options.accountAddress, "account address") ?? options.signer.address;
    this.vaultText = vault === undefined ? undefined : Uint8Array.from(Buffer.from(vault, "latin1"));
    this.vaultBytes = vault === undefined ? undefined : Uint8Array.from(Buffer.from(vault.slice(2), "hex"));
    this.timeoutMs = options.requestTimeoutMs ?? 3000;
    this.nonces = options.nonces ?? new NonceSequence(options.clock);
    this.encoder = new ActionEncoder(options.instruments);
    this.byCoin = new Map(options.instruments.map((inst) => [inst.coin, inst]));
    this.dexes = [...new Set(options.instruments.map((inst) => dexOf(inst.coin)))];
    this.limits = options.limits ?? new IpBudget(options);
    this.info = new InfoClient({ ...options, limits: this.limits });
    this.stream = new PrivateStream(
      { ...options, url: options.endpoints.wsUrl, user: this.user },
      {
        onUp: () => this.events?.onConnected(),
        onDown: (reason, wasUp) => this.onDown(reason, wasUp),
        onFrame: (channel, data) => this.onFrame(channel, data),
        onMalformed: (what) => this.onMalformed(what),
      },
    );
  }

  get isConnected(): boolean {
    return this.stream.isUp;
  }

  get counters(): GatewayCounters {
    return {
      postsInFlight: this.pending.size,
      postsSent: this.postsSent,
      httpSent: this.httpSent,
      messagesLastMinute: this.stream.sent.lastMinute(),
      reconnects: this.stream.reconnects,
      malformedFrames: this.malformedFrames,
      duplicateFills: this.duplicateFills,
      unknownCoinEvents: this.unknownCoinEvents,
      timeouts: this.timeouts,
      lateReplies: this.lateReplies,
      heldByLimits: this.heldByLimits,
      ipWeightLastMinute: this.limits.weightUsed,
      httpRefusals: this.limits.refusals,
    };
  }

  /**
   * Resolves when the first subscriptions are acknowledged.
   * @throws {VenueError} Unreachable, with the address, when the first connection fails.
   */
  async connect(events: GatewayEvents): Promise<void> {
    this.events = events;
    await this.stream.start();
  }

  /** Closes the stream; what is still in flight on it is acknowledged as unknown. Requests over HTTP end by themselves. */
  async close(): Promise<void> {
    await this.stream.stop();
  }

  /** @throws {RangeError} Before anything is sent, when an element could not be encoded. */
  place(orders: readonly Approved<NewOrder>[]): number {
    return this.sendBatch("order", orders, assetOfOrder, (from, to) =>
      this.encoder.placeOrders(orders, from, to),
    );
  }

  /** @throws {RangeError} Before anything is sent, when an element could not be encoded. */
  modify(modifies: readonly Approved<ModifyOrder>[]): number {
    return this.sendBatch("modify", modifies, assetOfModify, (from, to) =>
      this.encoder.modifyOrders(modifies, from, to),
    );
  }

  /** @throws {RangeError} Before anything is sent, when an element could not be encoded. */
  cancel(cancels: readonly CancelOrder[]): number {
    return this.sendBatch("cancel", cancels, assetOfOrder, (from, to) =>
      this.encoder.cancelByCloid(cancels, this.options.isFastCancel ?? false, from, to),
    );
  }

  /** Cancels by venue id: for leftovers without a client id of ours. Acknowledged like `cancel`. */
  cancelByOid(cancels: readonly { readonly asset: number; readonly oid: number }[]): number {
    return this.sendBatch("cancel", cancels, assetOfOrder, (from, to) =>
      this.encoder.cancelByOid(cancels, this.options.isFastCancel ?? false, from, to),
    );
  }

  /**
   * Arms the venue's dead man's switch at `atMs` (Unix ms, at least 5 s ahead), or disarms it.
   * @throws {VenueError} Refused (an account needs $1M of volume), Timeout when the outcome is unknown.
   */
  scheduleCancel(atMs: number | undefined): Promise<void> {
    return this.control("scheduled cancel", () => this.encoder.scheduleCancel(atMs));
  }

  /** @throws {VenueError} Refused, or Timeout when the outcome is unknown. */
  updateLeverage(asset: number, isCross: boolean, leverage: number): Promise<void> {
    return this.control("leverage", () => this.encoder.updateLeverage(asset, isCross, leverage));
  }

  /** Resting orders of this account in this run's markets, on every dex of theirs; untriggered stops are left out. */
  async openOrders(): Promise<readonly OrderUpdate[]> {
    const lists = await Promise.all(
      [...new Set(["", ...this.dexes])].map((dex) =>
        this.info.frontendOpenOrders(this.user, dex || undefined),
      ),
    );
    const out: OrderUpdate[] = [];
    for (const order of lists.flat()) {
      if (order.isTrigger === true) continue;
      const inst = this.byCoin.get(order.coin);
      // Ours of another run's market: listed with what a warning needs, for it cannot be cancelled from here.
      if (inst === undefined && !isOurs(order.cloid)) continue;
      out.push(toOpenOrder(order, inst));
    }
    return out;
  }

  async orderStatus(cloid: Cloid): Promise<OrderUpdate | undefined> {
    const answer = await this.info.orderStatus(this.user, cloid);
    if (answer.status === "unknownOid") return undefined;
    const { order, status, statusTimestamp } = answer.order;
    return this.update(order, status, statusTimestamp);
  }

  async account(): Promise<AccountSnapshot> {
    const states = await Promise.all(
      this.dexes.map((dex) => this.info.clearinghouseState(this.user, dex || undefined)),
    );
    const wallMs = this.options.clock.wallMs();
    return mergeAccounts(states.map((state) => toAccountSnapshot(state, this.byCoin, wallMs)));
  }

  /** Everything the venue still knows, the stream's fills included: the caller compares by fill identity. */
  async fillsSince(exchMs: number): Promise<readonly FillEvent[]> {
    const out: FillEvent[] = [];
    const seen = new Set<string>();
    let start = exchMs;
    for (let page = 0; page < FILLS_PAGES_MAX; page++) {
      const fills = await this.info.userFillsByTime(this.user, start);
      let isNew = false;
      for (const fill of fills) {
        start = Math.max(start, fill.time);
        const inst = this.instrumentOf(fill.coin);
        if (inst === undefined) continue;
        const event = toFillEvent(fill, inst, true);
        const key = fillKey(event);
        if (seen.has(key)) continue;
        seen.add(key);
        out.push(event);
        isNew = true;
      }
      if (fills.length < FILLS_PAGE || !isNew) break;
    }
    return sortFills(out);
  }

  async fundingsSince(exchMs: number): Promise<readonly FundingEvent[]> {
    const out = new Map<string, FundingEvent>();
    let start = Math.floor(exchMs);
    for (let page = 0; page < FILLS_PAGES_MAX; page++) {
      const rows = await this.info.userFunding(this.user, { startTime: start });
      const from = start;
      for (const row of rows) {
        start = Math.max(start, row.time);
        if (this.byCoin.has(row.delta.coin)) out.set(`${row.delta.coin}|${row.time}`, toFundingEvent(row));
      }
      if (rows.length < FILLS_PAGE || start === from) break;
    }
    return [...out.values()];
  }

  /** Reference §3.9, §7.2: bought requests are subtracted from those used; cancels have a ceiling of their own. */
  async requestQuota(): Promise<RequestQuota> {
    return toRequestQuota(await this.info.userRateLimit(this.user));
  }

  /**
   * Buys request weight for this account, 0.0005 USD each. An agent's key may be refused (reference §4.9).
   * @throws {VenueError} Refused, or another code when the outcome is unknown.
   */
  async buyRequests(requests: number): Promise<void> {
    await this.coldClient().l1(l1.reserveRequestWeight(requests));
  }

  /**
   * Puts margin into the asset's isolated position, which must be open.
   * @throws {VenueError} Refused, or another code when the outcome is unknown.
   */
  async addIsolatedMargin(asset: number, usd: number): Promise<void> {
    const { venueAssetId } = this.options.instruments[asset]!;
    await this.coldClient().l1(l1.updateIsolatedMargin(venueAssetId, Math.floor(usd * 1e6)));
  }

  /** For what is rare: over HTTP, in the name of the same account as the orders. */
  private coldClient(): ExchangeClient {
    const { options } = this;
    return new ExchangeClient({ ...options, nonces: this.nonces, vaultAddress: options.vaultAddress });
  }

  private sendBatch<T>(
    kind: ActionKind,
    items: readonly T[],
    assetOf: (item: T) => number,
    encode: (from: number, to: number) => void,
  ): number {
    const batch = new Batch(this.nextBatch++, items.length);
    if (items.length === 0) {
      queueMicrotask(() => this.events?.onAck(batch.id, batch.statuses));
      return batch.id;
    }
    for (let from = 0; from < items.length; from += MAX_BATCH) {
      const to = Math.min(items.length, from + MAX_BATCH);
      const nonce = this.prepare(() => encode(from, to));
      this.sign(nonce, kind === "cancel" ? undefined : this.options.expiresAfterMs);
      const markets = new Array<Instrument | undefined>(to - from);
      for (let i = from; i < to; i++) markets[i - from] = this.options.instruments[assetOf(items[i]!)];
      this.dispatch(new PendingBatch(batch, kind, from, markets, () => this.events));
    }
    return batch.id;
  }

  private control(what: string, encode: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.sign(this.prepare(encode), undefined);
      this.dispatch(new PendingControl(what, resolve, reject));
    });
  }

  /** Encodes; the nonce is taken only when that succeeded. */
  private prepare(encode: () => void): number {
    this.lastSend.encodeStartMonoNs = this.options.clock.monoNs();
    encode();
    return this.nonces.next();
  }

  private sign(nonce: number, expiresAfterMs: number | undefined): void {
    const { encoder, lastSend, vaultBytes } = this;
    const { clock, signer } = this.options;
    const expiresAfter =
      expiresAfterMs === undefined ? undefined : Math.floor(clock.wallMs() + expiresAfterMs);
    lastSend.signStartMonoNs = clock.monoNs();
    signer.sign(encoder.msgpack, encoder.msgpackLength, nonce, vaultBytes, expiresAfter);
    lastSend.signEndMonoNs = clock.monoNs();
    encoder.seal(nonce, signer.signature, signer.v, this.vaultText, expiresAfter);
  }

  /**
   * Hands the sealed payload to the socket, or to HTTP when the socket cannot take it. What neither may take without breaking
   * a limit of the address is refused here; cancels always go.
   */
  private dispatch(pending: Pending): void {
    const { clock, timers } = this.options;
    const { limits, stream } = this;
    if (stream.canSend && limits.mayPost(this.pending.size, stream.sent.lastMinute(), pending.isUrgent)) {
      const id = this.nextPost++;
      stream.send(this.encoder.postFrame(id));
      this.lastSend.wireMonoNs = clock.monoNs();
      this.postsSent++;
      limits.spendAction(pending.elements, "post");
      this.pending.set(id, pending);
      pending.cancelTimer = timers.after(this.timeoutMs, () => this.onPostTimeout(id));
      return;
    }
    this.lastSend.wireMonoNs = clock.monoNs();
    if (!pending.isUrgent && !limits.mayUseHttp(pending.elements)) {
      this.heldByLimits++;
      this.note("limits", "placements are held back: the limits of this address leave no room");
      queueMicrotask(() => pending.onRefused("429 not sent: the limits of this address leave no room"));
      return;
    }
    const body = this.encoder.httpBody().slice();
    this.httpSent++;
    limits.spendAction(pending.elements, "http");
    void this.sendHttp(body, pending);
    this.lastSend.wireMonoNs = clock.monoNs();
  }

  private onPostTimeout(id: number): void {
    const pending = this.take(id);
    if (pending === undefined) return;
    this.timeouts++;
    this.note("timeout", `no answer to post ${id} within ${this.timeoutMs} ms: its orders are unknown`);
    pending.onUnknown(`no answer within ${this.timeoutMs} ms`);
  }

  private take(id: number): Pending | undefined {
    const pending = this.pending.get(id);
    if (pending === undefined) return undefined;
    this.pending.delete(id);
    pending.cancelTimer?.();
    return pending;
  }

  private async sendHttp(body: Uint8Array, pending: Pending): Promise<void> {
    const settle = await this.askExchange(body);
    settle(pending);
  }

  private async askExchange(body: Uint8Array): Promise<(pending: Pending) => void> {
    try {
      const answer = await postJson(this.options.endpoints.exchangeUrl, body, this.timeoutMs, this.options);
      const text = Buffer.from(answer.bytes).toString("utf8");
      const excerpt = `${answer.status} ${text.slice(0, 200)}`.trim();
      if (answer.status === 429) this.limits.onRefused();
      if (answer.status >= 500) return (p) => p.onUnknown(excerpt);
      // The edge refuses with 429 before the exchange sees the action; other 4xx mean that it could not be read.
      if (answer.status !== 200) return (p) => p.onRefused(excerpt);
      const payload: unknown = JSON.parse(text);
      this.recoverNonce(payload);
      return (p) => p.onReply(payload);
    } catch (error) {
      const text = (error as Error).message;
      this.note("http", text);
      if (error instanceof VenueError && error.code === "Unreachable")
        return (p) => p.onRefused(`not sent: ${text}`);
      if (error instanceof VenueError && error.code === "Timeout") this.timeouts++;
      return (p) => p.onUnknown(text);
    }
  }

  private onDown(reason: string, wasUp: boolean): void {
    const lost = [...this.pending.values()];
    this.pending.clear();
    for (const pending of lost) {
      pending.cancelTimer?.();
      pending.onUnknown(`connection lost with the request in flight (${reason})`);
    }
    if (wasUp) this.events?.onDisconnected(reason);
  }

  private onFrame(channel: string, data: unknown): void {
    switch (channel) {
      case "post":
        this.onPost(data);
        break;
      case "orderUpdates":
        this.onOrderUpdates(data);
        break;
      case "userFills":
        this.onUserFills(data);
        break;
      case "notification":
        this.onNotification(data);
        break;
      case "user":
        this.onUserEvents(data);
        break;
      case "error":
        this.onError(data);
        break;
      default:
        this.noteOnce(`channel ${channel}`, `frames of channel ${channel.slice(0, 40)} are ignored`);
    }
  }

  private onPost(data: unknown): void {
    const { id, response } = (data ?? {}) as {
      id?: unknown;
      response?: { type?: unknown; payload?: unknown } | null;
    };
    if (typeof id !== "number" || typeof response !== "object" || response === null) {
      this.onMalformed("post without id or response");
      return;
    }
    const pending = this.take(id);
    if (pending === undefined) {
      this.lateReplies++;
      return;
    }
    if (response.type === "action") {
      this.recoverNonce(response.payload);
      pending.onReply(response.payload);
      return;
    }
    const text =
      typeof response.payload === "string" ? response.payload : JSON.stringify(response.payload ?? null);
    if (response.type === "error" && !/^5\d\d/.test(text)) pending.onRefused(text);
    else pending.onUnknown(text);
  }

  /** A refused nonce did nothing; the next one must not be refused for the same reason. */
  private recoverNonce(payload: unknown): void {
    const { status, response } = (payload ?? {}) as { status?: unknown; response?: unknown };
    if (status === "err" && typeof response === "string" && this.nonces.recover(response))
      this.note("nonce", `${response.slice(0, 120)}: nonces go on from ${this.nonces.last}`);
  }

  private onOrderUpdates(data: unknown): void {
    if (!Array.isArray(data)) {
      this.onMalformed("orderUpdates without a list");
      return;
    }
    const updates: OrderUpdate[] = [];
    for (const element of data as unknown[]) {
      try {
        const { order, status, statusTimestamp } = validate(orderUpdateSchema, element, "orderUpdates");
        const update = this.update(order, status, statusTimestamp);
        if (update !== undefined) updates.push(update);
      } catch (error) {
        this.onMalformed((error as Error).message);
      }
    }
    if (updates.length > 0) this.events?.onOrderUpdates(updates);
  }

  private onUserFills(data: unknown): void {
    const frame = (data ?? {}) as { user?: unknown; fills?: unknown; isSnapshot?: unknown };
    if (!Array.isArray(frame.fills)) {
      this.onMalformed("userFills without a list");
      return;
    }
    if (typeof frame.user === "string" && frame.user.toLowerCase() !== this.user) return;
    const parsed: FillEvent[] = [];
    for (const element of frame.fills as unknown[]) {
      try {
        const fill = validate(fillSchema, element, "userFills");
        const inst = this.instrumentOf(fill.coin);
        if (inst !== undefined) parsed.push(toFillEvent(fill, inst, frame.isSnapshot === true));
      } catch (error) {
        this.onMalformed((error as Error).message);
      }
    }
    const fresh = sortFills(parsed).filter((fill) => this.seenFills.add(fillKey(fill)));
    this.duplicateFills += parsed.length - fresh.length;
    if (fresh.length > 0) this.events?.onFills(fresh);
  }

  private onNotification(data: unknown): void {
    const text = (data as { notification?: unknown } | null | undefined)?.notification;
    if (typeof text === "string") this.events?.onNotice(text);
    else this.onMalformed("notification without text");
  }

  private onUserEvents(data: unknown): void {
    try {
      for (const event of parseUserEvents(data)) {
        // A liquidator hears of the other side's too.
        if (event.kind === "liquidation" && event.liquidatedUser !== this.user) continue;
        this.options.onAccountEvent?.(event);
      }
    } catch (error) {
      this.onMalformed((error as Error).message);
    }
  }

  /** A refused post is answered here, not on its own channel; the text alone says which. */
  private onError(data: unknown): void {
    const text = typeof data === "string" ? data : JSON.stringify(data ?? null);
    this.note("error", `the venue reports: ${text.slice(0, 200)}`);
    const id =
      /too many pending post requests id=(\d+)/.exec(text)?.[1] ??
      /"method":\s*"post",\s*"id":\s*(\d+)/.exec(text)?.[1];
    if (id !== undefined) this.take(Number(id))?.onRefused(text.slice(0, 200));
  }

  private onMalformed(what: string): void {
    this.malformedFrames++;
    this.note("malformed", `malformed private frame: ${what.slice(0, 200)}`);
  }

  private update(order: VenueOrder, status: string, exchMs: number): OrderUpdate | undefined {
    const inst = this.instrumentOf(order.coin);
    return inst === undefined ? undefined : toOrderUpdate(order, status, exchMs, inst);
  }

  private instrumentOf(coin: string): Instrument | undefined {
    const inst = this.byCoin.get(coin);
    if (inst === undefined) {
      this.unknownCoinEvents++;
      this.noteOnce(
        `coin ${coin}`,
        `private events of ${coin.slice(0, 40)} are ignored: not among this run's assets`,
      );
    }
    return inst;
  }

  /** A warning, at most one per kind and second. */
  private note(kind: string, text: string): void {
    const second = Math.floor(this.options.clock.monoNs() / 1e9);
    if (this.notedAtS.get(kind) === second) return;
    this.notedAtS.set(kind, second);
    this.options.log.warn({ kind }, text);
  }

  private noteOnce(key: string, text: string): void {
    if (this.notedOnce.has(key) || this.notedOnce.size > 1000) return;
    this.notedOnce.add(key);
    this.options.log.info({}, text);
  }
}

const assetOfOrder = (order: { readonly asset: number }): number => order.asset;
const assetOfModify = (modify: ModifyOrder): number => modify.order.asset;

function address(text: string | undefined, what: string): string | undefined {
  if (text === undefined) return undefined;
  if (!/^0x[0-9a-fA-F]{40}$/.test(text)) {
    throw new VenueError(
      "BadKey",
      `${what} "${text.slice(0, 50)}" is not an address: expected 0x and 40 hex digits`,
    );
  }
  return text.toLowerCase();
}
