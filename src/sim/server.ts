/**
 * The simulated exchange on a socket: `POST /info`, `POST /exchange` and `/ws` on one port, in the venue's protocol.
 *
 * Nothing a client sends throws out of a handler: malformed bodies are 422, malformed frames go to the `error` channel, and
 * what should never happen is answered with 500, counted and logged. Markets wait for a client that reads slowly; one that
 * hangs is cut off.
 *
 * Thread: the main thread of a process; a uWebSockets.js app in a worker can abort the process (DESIGN §2).
 */
import {
  App,
  type HttpResponse,
  type us_listen_socket,
  us_listen_socket_close,
  us_socket_local_port,
  type WebSocket,
} from "uWebSockets.js";
import type { Clock, Timers } from "../domain/index.js";
import type { Account, FillWire, OrderUpdateWire } from "./account.js";
import { type Envelope, parseEnvelope } from "./actions.js";
import { addressOfKey, recoverSigner, type SignatureSource } from "./auth.js";
import {
  DEFAULT_EXCHANGE_OPTIONS,
  Exchange,
  type ExchangeEvents,
  type ExchangeOptions,
  type FeeRates,
} from "./exchange.js";
import { ActionExecutor, type ExchangeResponse } from "./execute.js";
import {
  activeAssetData,
  allMids,
  answerInfo,
  assetCtx,
  clearinghouseState,
  frontendOpenOrders,
  MALFORMED,
  visibleBook,
} from "./info.js";
import type { Market, TradeWire } from "./listed-market.js";
import { MarketDriver, type MarketOutlet, type SimMarket, type Speed } from "./market.js";
import type { BookView } from "./matching.js";
import { groupOf, parseSubscription, type Subscription, Topics } from "./subscriptions.js";
import { levelJson, levelsJson } from "./wire.js";

/** A key everyone knows: the one of the official SDK's signing tests. Funded by default, never to be used elsewhere. */
export const DEV_KEY = "0x0123456789012345678901234567890123456789012345678901234567890123";
export const DEV_ADDRESS = addressOfKey(Uint8Array.from(Buffer.from(DEV_KEY.slice(2), "hex")));
const DEV_FUNDING_USD = 100_000;

export interface SimOptions {
  /** 0 picks a free port. */
  readonly port: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  readonly speed: Speed;
  readonly markets: readonly SimMarket[];
  /** USD by lower-case address; default: the development account. */
  readonly funding?: Readonly<Record<string, number>>;
  /** Agent address → account address. */
  readonly agents?: Readonly<Record<string, string>>;
  readonly feeRates?: FeeRates;
  readonly exchange?: Partial<ExchangeOptions>;
  /** Accepted signature sources, tried in order. Default: "b" (as SDKs sign for a local base URL), then "a". */
  readonly signatureSources?: readonly SignatureSource[];
  /** Exchange ms between an action's arrival and its taking effect (and its answer). Default 0; ignored at speed "max". */
  readonly latencyMs?: number;
  /** The venue closes a connection to which it has sent nothing for 60 s. */
  readonly idleCloseMs?: number;
  /** A client that leaves its socket full for so long is disconnected. Default 10 s. */
  readonly stuckClientMs?: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: (line: string) => void;
  /** Once, when every recorded market has ended. Requests are served on. */
  readonly onTapeEnd?: () => void;
}

export interface SimStats {
  readonly exchMs: number;
  readonly connections: number;
  readonly framesSent: number;
  readonly bytesSent: number;
  readonly actions: number;
  readonly rejectedActions: number;
  readonly malformed: number;
  readonly internalErrors: number;
  readonly slowClientsClosed: number;
  /** Exchange ms by which an accelerated market fell short of its speed: nobody could read faster. */
  readonly slippedMs: number;
}

export interface SimServer {
  readonly port: number;
  readonly exchange: Exchange;
  stats(): SimStats;
  /** Closes the port and all connections. */
  close(): Promise<void>;
}

/** The port could not be opened. */
export class SimListenError extends Error {
  readonly code = "sim-listen";
  constructor(
    readonly host: string,
    readonly port: number,
  ) {
    super(
      `simulated exchange: cannot listen on ${host}:${port}; is the port in use? Choose another one with --port`,
    );
    this.name = "SimListenError";
  }
}

const JSON_422 = "Failed to deserialize the JSON body into the target type";
const BODY_BYTES_MAX = 1 << 20;
const FRAME_BYTES_MAX = 1 << 20;
/** A socket with more than this is congested: "max" waits. */
const CONGESTED_BYTES = 256 * 1024;
/** A client with more than this does not read: it is cut off. */
const BACKPRESSURE_BYTES = 32 * 1024 * 1024;
const PENDING_POSTS_MAX = 100;
const HOUSEKEEPING_MS = 250;
const STATE_PUSH_MS = 1000;
const MARKET_CHANNELS: ReadonlySet<string> = new Set([
  "l2Book",
  "bbo",
  "trades",
  "activeAssetCtx",
  "allMids",
]);

interface Connection {
  ws: WebSocket<Connection> | undefined;
  readonly subscriptions: Map<string, Subscription>;
  lastSentNs: number;
  pendingPosts: number;
  /** Since when more than it should is buffered; undefined while all is well. */
  congestedSinceNs: number | undefined;
}

/**
 * Opens the exchange and its markets and starts listening.
 * @throws {SimListenError} When the port cannot be opened.
 */
export async function startSimServer(options: SimOptions): Promise<SimServer> {
  const server = new Server(options);
  await server.listen();
  return server;
}

class Server implements SimServer, ExchangeEvents, MarketOutlet {
  readonly exchange: Exchange;
  private readonly executor: ActionExecutor;
  port = 0;
  private readonly app = App();
  private listenSocket: us_listen_socket | undefined;
  private readonly driver: MarketDriver;
  private readonly connections = new Set<Connection>();
  private readonly topics = new Topics<Connection>();
  private readonly sources: readonly SignatureSource[];
  private readonly simMarkets = new Map<Market, SimMarket>();
  private readonly orderUpdates = new Map<Account, OrderUpdateWire[]>();
  private readonly fills = new Map<Account, FillWire[]>();
  private readonly nonUserCancels = new Map<Account, { coin: string; oid: number }[]>();
  private readonly changedAccounts = new Set<Account>();
  private readonly stopTimers: (() => void)[] = [];
  private marketListeners = 0;
  private lastMids = "";
  private isClosed = false;
  private counts = { frames: 0, bytes: 0, actions: 0, rejected: 0, malformed: 0, internal: 0, slow: 0 };

  constructor(private readonly options: SimOptions) {
    const { markets, clock, timers } = options;
    this.sources = options.signatureSources ?? ["b", "a"];
    this.exchange = new Exchange({
      ...DEFAULT_EXCHANGE_OPTIONS,
      ...options.exchange,
      ...(options.feeRates === undefined ? {} : { fees: options.feeRates }),
    });
    this.exchange.events = this;
    this.executor = new ActionExecutor(this.exchange);
    for (const [address, usd] of Object.entries(options.funding ?? { [DEV_ADDRESS]: DEV_FUNDING_USD })) {
      this.exchange.deposit(address.toLowerCase(), Math.round(usd * 1e6));
    }
    for (const [agent, master] of Object.entries(options.agents ?? {})) {
      const account = this.exchange.account(master.toLowerCase());
      if (account === undefined) throw new RangeError(`agent ${agent}: account ${master} is not funded`);
      this.exchange.addAgent(agent.toLowerCase(), account);
    }
    this.driver = new MarketDriver({
      markets,
      clock,
      timers,
      speed: options.speed,
      isCongested: () => this.isCongested(),
      hasAudience: () => this.marketListeners > 0,
      afterSteps: () => this.flushPrivate(),
      onTapesEnded: () => this.tapesEnded(),
    });
    for (const [asset, simMarket] of markets.entries()) {
      const market = this.exchange.addMarket(
        { ...simMarket.instrument, asset, venueAssetId: asset },
        simMarket.book,
      );
      this.simMarkets.set(market, simMarket);
      simMarket.open({ exchange: this.exchange, market, outlet: this }, this.driver.nowMs());
    }
  }

  // --- Life --------------------------------------------------------------------------------------------------------

  async listen(): Promise<void> {
    const host = this.options.host ?? "127.0.0.1";
    this.routes();
    await new Promise<void>((resolve, reject) => {
      const onListening = (socket: us_listen_socket | false): void => {
        if (socket === false) {
          reject(new SimListenError(host, this.options.port));
          return;
        }
        this.listenSocket = socket;
        this.port = us_socket_local_port(socket as never);
        resolve();
      };
      // Exclusive, or two simulators on one port would share its connections. The native function takes the options after
      // host and port, which its type declaration leaves out.
      const listen = this.app.listen as unknown as (
        host: string,
        port: number,
        options: number,
        cb: typeof onListening,
      ) => void;
      listen.call(this.app, host, this.options.port, 1, onListening);
    });
    this.stopTimers.push(
      this.options.timers.every(HOUSEKEEPING_MS, () => this.guard("timer", () => this.housekeeping())),
      this.options.timers.every(STATE_PUSH_MS, () => this.guard("timer", () => this.pushStates())),
    );
    this.driver.start();
    const markets = this.options.markets.map((m) => m.description).join("; ");
    this.options.log(`simulated exchange on ${host}:${this.port} at speed ${this.options.speed}: ${markets}`);
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    this.driver.stop();
    for (const stop of this.stopTimers) stop();
    for (const simMarket of this.simMarkets.values()) simMarket.close();
    if (this.listenSocket !== undefined) us_listen_socket_close(this.listenSocket);
    for (const connection of [...this.connections]) connection.ws?.end(1001, "Server closed");
    this.app.close();
  }

  stats(): SimStats {
    const { counts } = this;
    return {
      exchMs: this.driver.nowMs(),
      connections: this.connections.size,
      framesSent: counts.frames,
      bytesSent: counts.bytes,
      actions: counts.actions,
      rejectedActions: counts.rejected,
      malformed: counts.malformed,
      internalErrors: counts.internal,
      slowClientsClosed: counts.slow,
      slippedMs: this.driver.slippedMs,
    };
  }

  /** Runs a handler; what it throws is a bug of ours: counted and logged, never passed on. */
  private guard<T>(where: string, run: () => T): T | undefined {
    try {
      return run();
    } catch (error) {
      this.counts.internal++;
      this.options.log(
        `simulated exchange: internal error in ${where}: ${error instanceof Error ? error.stack : String(error)}`,
      );
      return undefined;
    }
  }

  private housekeeping(): void {
    const { clock } = this.options;
    this.executor.runScheduledCancels(this.driver.nowMs(), clock.wallMs());
    this.flushPrivate();
    const oldestNs = clock.monoNs() - (this.options.idleCloseMs ?? 60_000) * 1e6;
    for (const c of [...this.connections]) if (c.lastSentNs < oldestNs) c.ws?.end(1000, "Inactive");
    this.cutOffStuckClients();
    if (!this.topics.has("allMids")) return;
    const mids = JSON.stringify(allMids(this.exchange));
    if (mids === this.lastMids) return;
    this.lastMids = mids;
    this.publish("allMids", `{"channel":"allMids","data":{"mids":${mids}}}`);
  }

  private tapesEnded(): void {
    this.options.log("simulated exchange: tape ended");
    const frame = JSON.stringify({ channel: "notification", data: { notification: "tape ended" } });
    for (const c of this.connections) {
      for (const s of c.subscriptions.values()) {
        if (s.type !== "notification") continue;
        this.send(c, frame);
        break;
      }
    }
    this.options.onTapeEnd?.();
  }

  /** The market waits for a client that reads slowly, but only so long: one that hangs is cut off. */
  private isCongested(): boolean {
    let isAny = false;
    for (const c of this.connections) {
      if (c.ws === undefined || c.ws.getBufferedAmount() <= CONGESTED_BYTES) {
        c.congestedSinceNs = undefined;
        continue;
      }
      isAny = true;
      c.congestedSinceNs ??= this.options.clock.monoNs();
    }
    return isAny;
  }

  private cutOffStuckClients(): void {
    const limitNs = this.options.clock.monoNs() - (this.options.stuckClientMs ?? 10_000) * 1e6;
    this.isCongested();
    for (const c of [...this.connections]) {
      if (c.congestedSinceNs === undefined || c.congestedSinceNs > limitNs) continue;
      this.counts.slow++;
      c.ws?.close();
    }
  }

  // --- HTTP --------------------------------------------------------------------------------------------------------

  private routes(): void {
    this.app.post("/info", (res) => this.readBody(res, (body, reply) => this.info(body, reply)));
    this.app.post("/exchange", (res) =>
      this.readBody(res, (body, reply) => this.exchangeRequest(body, reply)),
    );
    this.app.ws<Connection>("/ws", {
      maxPayloadLength: FRAME_BYTES_MAX,
      maxBackpressure: BACKPRESSURE_BYTES,
      closeOnBackpressureLimit: true,
      idleTimeout: 0,
      sendPingsAutomatically: false,
      upgrade: (res, req, context) => {
        const connection: Connection = {
          ws: undefined,
          subscriptions: new Map(),
          lastSentNs: this.options.clock.monoNs(),
          pendingPosts: 0,
          congestedSinceNs: undefined,
        };
        res.upgrade(
          connection,
          req.getHeader("sec-websocket-key"),
          req.getHeader("sec-websocket-protocol"),
          req.getHeader("sec-websocket-extensions"),
          context,
        );
      },
      open: (ws) => {
        const connection = ws.getUserData();
        connection.ws = ws;
        this.connections.add(connection);
        this.send(connection, "Websocket connection established.");
      },
      message: (ws, message) => {
        // The buffer is only valid during this call.
        const text = Buffer.from(message).toString("utf8");
        this.guard("websocket frame", () => this.frame(ws.getUserData(), text));
      },
      close: (ws) => {
        const connection = ws.getUserData();
        connection.ws = undefined;
        this.connections.delete(connection);
        for (const [key, s] of connection.subscriptions) this.forget(connection, key, s);
      },
    });
    this.app.any("/*", (res) => {
      res.writeStatus("404 Not Found").end("Not Found");
    });
  }

  private readBody(res: HttpResponse, handle: (body: unknown, reply: Reply) => void): void {
    const reply = new Reply(res);
    const chunks: Buffer[] = [];
    let bytes = 0;
    res.onData((chunk, isLast) => {
      bytes += chunk.byteLength;
      if (bytes > BODY_BYTES_MAX) {
        reply.text("413 Payload Too Large", "length limit exceeded");
        return;
      }
      chunks.push(Buffer.from(Buffer.from(chunk)));
      if (!isLast || reply.isDone) return;
      let body: unknown;
      try {
        body = JSON.parse(Buffer.concat(chunks).toString("utf8"));
      } catch {
        // Not JSON: the venue's answer is the same as for the wrong shape.
        this.counts.malformed++;
        reply.text("422 Unprocessable Entity", JSON_422);
        return;
      }
      this.guard("request", () => handle(body, reply));
      // A handler that failed must still answer; one that waits for its latency has said so.
      if (!reply.isDone && !reply.isDeferred) reply.text("500 Internal Server Error", "null");
    });
  }

  private info(body: unknown, reply: Reply): void {
    const answer = answerInfo({ exchange: this.exchange, exchMs: this.driver.nowMs() }, body);
    if (answer === MALFORMED) {
      this.counts.malformed++;
      reply.text("422 Unprocessable Entity", JSON_422);
    } else reply.json(JSON.stringify(answer));
  }

  private exchangeRequest(body: unknown, reply: Reply): void {
    const envelope = parseEnvelope(body);
    if (envelope === undefined) {
      this.counts.malformed++;
      reply.text("422 Unprocessable Entity", JSON_422);
      return;
    }
    reply.isDeferred = true;
    this.perform(envelope, (response) => reply.json(JSON.stringify(response)));
  }

  /** Verifies now, takes effect after the configured latency, then answers; private events follow the answer. */
  private perform(envelope: Envelope, respond: (response: ExchangeResponse) => void): void {
    this.counts.actions++;
    const signer = recoverSigner(
      envelope,
      this.sources,
      (address) => this.exchange.accountOfSigner(address) !== undefined,
    );
    const { speed, timers, clock } = this.options;
    const run = (): void => {
      if (this.isClosed) return;
      const exchMs = this.driver.nowMs();
      const response: ExchangeResponse = this.guard("action", () =>
        signer === undefined
          ? { status: "err", response: "Unable to recover signer." }
          : this.executor.execute(signer, envelope, exchMs, clock.wallMs()),
      ) ?? { status: "err", response: "Internal error" };
      if (response.status === "err") this.counts.rejected++;
      respond(response);
      for (const simMarket of this.simMarkets.values()) simMarket.afterAction(exchMs);
      this.flushPrivate();
    };
    const delayMs = speed === "max" ? 0 : (this.options.latencyMs ?? 0) / speed;
    if (delayMs === 0) run();
    else timers.after(delayMs, () => this.guard("action", run));
  }

  // --- WebSocket ---------------------------------------------------------------------------------------------------

  private frame(c: Connection, text: string): void {
    let message: unknown;
    try {
      message = JSON.parse(text);
    } catch {
      message = undefined;
    }
    const m = (typeof message === "object" && message !== null ? message : {}) as Readonly<
      Record<string, unknown>
    >;
    switch (m["method"]) {
      case "ping":
        this.send(c, '{"channel":"pong"}');
        return;
      case "subscribe":
        this.subscribe(c, m["subscription"], text);
        return;
      case "unsubscribe":
        this.unsubscribe(c, m["subscription"], text);
        return;
      case "post":
        if (this.post(c, m["id"], m["request"])) return;
        break;
    }
    this.unparsable(c, text);
  }

  private unparsable(c: Connection, text: string): void {
    this.counts.malformed++;
    this.sendError(c, `Error parsing JSON into valid websocket request: ${text.slice(0, 1000)}`);
  }

  private sendError(c: Connection, text: string): void {
    this.send(c, JSON.stringify({ channel: "error", data: text }));
  }

  private parse(c: Connection, requested: unknown, text: string): Subscription | undefined {
    if (typeof requested !== "object" || requested === null) {
      this.unparsable(c, text);
      return undefined;
    }
    const parsed = parseSubscription(
      requested,
      (coin): coin is string => this.exchange.market(coin) !== undefined,
    );
    if (parsed === undefined) {
      this.counts.malformed++;
      this.sendError(c, `Invalid subscription ${JSON.stringify(requested).slice(0, 1000)}`);
    }
    return parsed;
  }

  private subscribe(c: Connection, requested: unknown, text: string): void {
    const s = this.parse(c, requested, text);
    if (s === undefined) return;
    const key = JSON.stringify(s);
    if (c.subscriptions.has(key)) {
      this.sendError(c, `Already subscribed: ${key}`);
      return;
    }
    this.send(c, `{"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":${key}}}`);
    this.snapshot(c, s);
    c.subscriptions.set(key, s);
    this.topics.add(key, s, c);
    if (!MARKET_CHANNELS.has(s.type)) return;
    this.marketListeners++;
    this.driver.wake("coin" in s ? s.coin : undefined);
  }

  private unsubscribe(c: Connection, requested: unknown, text: string): void {
    const s = this.parse(c, requested, text);
    if (s === undefined) return;
    const key = JSON.stringify(s);
    if (!c.subscriptions.delete(key)) {
      this.sendError(c, `Already unsubscribed: ${key}`);
      return;
    }
    this.forget(c, key, s);
    this.send(c, `{"channel":"subscriptionResponse","data":{"method":"unsubscribe","subscription":${key}}}`);
  }

  private forget(c: Connection, key: string, s: Subscription): void {
    this.topics.remove(key, c);
    if (MARKET_CHANNELS.has(s.type)) this.marketListeners--;
  }

  /** The first frame of a channel that has one (reference 2.0). */
  private snapshot(c: Connection, s: Subscription): void {
    const { exchange } = this;
    const exchMs = Math.floor(this.driver.nowMs());
    const market = "coin" in s ? exchange.market(s.coin) : undefined;
    const account = "user" in s ? exchange.account(s.user) : undefined;
    switch (s.type) {
      case "allMids":
        this.send(c, JSON.stringify({ channel: "allMids", data: { mids: allMids(exchange) } }));
        return;
      case "l2Book":
        this.send(
          c,
          bookFrame(market!, visibleBook(market!, s.nSigFigs, s.mantissa, s.fast ? 5 : 20), exchMs, s),
        );
        return;
      case "bbo":
        this.send(c, bboFrame(market!, visibleBook(market!, null, null, 1), exchMs));
        return;
      case "trades":
        if (market!.recentTrades.length > 0) this.send(c, tradesFrame(market!.recentTrades.slice(-30)));
        return;
      case "activeAssetCtx":
        this.send(c, contextFrame(exchange, market!));
        return;
      case "userFills":
        this.send(
          c,
          JSON.stringify({
            channel: "userFills",
            data: { isSnapshot: true, user: s.user, fills: account?.fills.slice(-2000).reverse() ?? [] },
          }),
        );
        return;
      case "userFundings":
        this.send(
          c,
          JSON.stringify({ channel: s.type, data: { isSnapshot: true, user: s.user, fundings: [] } }),
        );
        return;
      case "userNonFundingLedgerUpdates":
        this.send(
          c,
          JSON.stringify({
            channel: s.type,
            data: { isSnapshot: true, user: s.user, nonFundingLedgerUpdates: [] },
          }),
        );
        return;
      case "clearinghouseState":
      case "openOrders":
      case "activeAssetData":
        this.send(c, this.stateFrame(s, account));
        return;
      case "orderUpdates":
      case "userEvents":
      case "notification":
        return;
    }
  }

  /** @returns false when the frame is not a post at all. */
  private post(c: Connection, id: unknown, request: unknown): boolean {
    if (typeof id !== "number" || !Number.isSafeInteger(id) || id < 0) return false;
    if (typeof request !== "object" || request === null) return false;
    const { type, payload } = request as Readonly<Record<string, unknown>>;
    if (type !== "info" && type !== "action") return false;
    const answer = (response: string): void =>
      this.send(c, `{"channel":"post","data":{"id":${id},"response":${response}}}`);
    const refuse = (): void => {
      this.counts.malformed++;
      answer(JSON.stringify({ type: "error", payload: `422 Unprocessable Entity: ${JSON_422}` }));
    };
    if (type === "info") {
      const data = answerInfo({ exchange: this.exchange, exchMs: this.driver.nowMs() }, payload);
      if (data === MALFORMED) refuse();
      else {
        const infoType = (payload as { type: string }).type;
        answer(JSON.stringify({ type: "info", payload: { type: infoType, data } }));
      }
      return true;
    }
    const envelope = parseEnvelope(payload);
    if (envelope === undefined) {
      refuse();
      return true;
    }
    if (c.pendingPosts >= PENDING_POSTS_MAX) {
      this.sendError(c, `too many pending post requests id=${id}`);
      return true;
    }
    c.pendingPosts++;
    this.perform(envelope, (response) => {
      c.pendingPosts--;
      answer(`{"type":"action","payload":${JSON.stringify(response)}}`);
    });
    return true;
  }

  private send(c: Connection, frame: string): void {
    if (c.ws === undefined) return;
    this.counts.frames++;
    this.counts.bytes += frame.length;
    c.lastSentNs = this.options.clock.monoNs();
    if (c.ws.send(frame) !== 2) return;
    // Dropped for backpressure: a gap that the protocol cannot tell. The native side closes the connection.
    this.counts.slow++;
    c.ws?.close();
  }

  private publish(group: string, frame: string): void {
    for (const topic of this.topics.inGroup(group)) for (const c of topic.listeners) this.send(c, frame);
  }

  // --- Public data (MarketOutlet) ------------------------------------------------------------------------------------

  trades(market: Market, trades: readonly TradeWire[]): void {
    const group = `trades:${market.coin}`;
    if (this.topics.has(group)) this.publish(group, tradesFrame(trades));
  }

  bbo(market: Market, view: BookView, exchMs: number): void {
    const group = `bbo:${market.coin}`;
    if (this.topics.has(group)) this.publish(group, bboFrame(market, view, exchMs));
  }

  book(market: Market, view: BookView, exchMs: number): void {
    for (const topic of this.topics.inGroup(`l2Book:${market.coin}`)) {
      const s = topic.subscription;
      if (s.type !== "l2Book") continue;
      const shown = s.nSigFigs === null ? view : visibleBook(market, s.nSigFigs, s.mantissa, s.fast ? 5 : 20);
      const frame = bookFrame(market, shown, exchMs, s);
      for (const c of topic.listeners) this.send(c, frame);
    }
  }

  context(market: Market): void {
    const group = `activeAssetCtx:${market.coin}`;
    if (this.topics.has(group)) this.publish(group, contextFrame(this.exchange, market));
  }

  // --- Private data (ExchangeEvents) -------------------------------------------------------------------------------

  onTrade(market: Market, trade: TradeWire): void {
    this.simMarkets.get(market)?.onTrade(trade);
  }

  onOrderUpdate(account: Account, update: OrderUpdateWire): void {
    collect(this.orderUpdates, account, update);
    this.changedAccounts.add(account);
  }

  onFill(account: Account, fill: FillWire): void {
    collect(this.fills, account, fill);
    this.changedAccounts.add(account);
  }

  onNonUserCancel(account: Account, coin: string, oid: number): void {
    collect(this.nonUserCancels, account, { coin, oid });
  }

  /** One frame per user and channel for everything that one action or one market step caused. */
  private flushPrivate(): void {
    if (this.orderUpdates.size > 0) {
      for (const [account, updates] of this.orderUpdates) {
        const group = `orderUpdates:${account.address}`;
        if (this.topics.has(group))
          this.publish(group, JSON.stringify({ channel: "orderUpdates", data: updates }));
      }
      this.orderUpdates.clear();
    }
    if (this.fills.size > 0) {
      for (const [account, fills] of this.fills) {
        const data = { user: account.address, fills };
        this.publish(`userFills:${account.address}`, JSON.stringify({ channel: "userFills", data }));
        this.publish(`userEvents:${account.address}`, JSON.stringify({ channel: "user", data: { fills } }));
      }
      this.fills.clear();
    }
    if (this.nonUserCancels.size > 0) {
      for (const [account, nonUserCancel] of this.nonUserCancels) {
        this.publish(
          `userEvents:${account.address}`,
          JSON.stringify({ channel: "user", data: { nonUserCancel } }),
        );
      }
      this.nonUserCancels.clear();
    }
  }

  /** Account states are throttled snapshots, not one per fill (reference 2.11). */
  private pushStates(): void {
    for (const account of this.changedAccounts) {
      for (const type of ["clearinghouseState", "openOrders", "activeAssetData"]) {
        for (const topic of this.topics.inGroup(`${type}:${account.address}`)) {
          const frame = this.stateFrame(topic.subscription, account);
          for (const c of topic.listeners) this.send(c, frame);
        }
      }
    }
    this.changedAccounts.clear();
  }

  private stateFrame(s: Subscription, account: Account | undefined): string {
    const exchMs = this.driver.nowMs();
    if (s.type === "clearinghouseState") {
      const state = clearinghouseState(this.exchange, account, exchMs);
      return JSON.stringify({ channel: s.type, data: { dex: "", user: s.user, clearinghouseState: state } });
    }
    if (s.type === "openOrders") {
      return JSON.stringify({
        channel: s.type,
        data: { dex: "", user: s.user, orders: frontendOpenOrders(account) },
      });
    }
    if (s.type !== "activeAssetData") throw new TypeError(`no state frame for ${groupOf(s)}`);
    const market = this.exchange.market(s.coin)!;
    return JSON.stringify({ channel: s.type, data: activeAssetData(this.exchange, s.user, account, market) });
  }
}

function collect<T>(into: Map<Account, T[]>, account: Account, item: T): void {
  const list = into.get(account);
  if (list === undefined) into.set(account, [item]);
  else list.push(item);
}

/** An HTTP answer that is given at most once, and not at all when the client has gone. */
class Reply {
  isDone = false;
  /** The answer comes later. */
  isDeferred = false;

  constructor(private readonly res: HttpResponse) {
    res.onAborted(() => {
      this.isDone = true;
    });
  }

  json(body: string): void {
    this.send("200 OK", "application/json", body);
  }

  text(status: string, body: string): void {
    this.send(status, "text/plain; charset=utf-8", body);
  }

  private send(status: string, type: string, body: string): void {
    if (this.isDone) return;
    this.isDone = true;
    this.res.cork(() => {
      this.res
        .writeStatus(status)
        .writeHeader("Content-Type", type)
        .writeHeader("Access-Control-Allow-Origin", "*")
        .end(body);
    });
  }
}

const tradesFrame = (trades: readonly TradeWire[]): string =>
  `{"channel":"trades","data":${JSON.stringify(trades)}}`;

const contextFrame = (exchange: Exchange, market: Market): string =>
  JSON.stringify({ channel: "activeAssetCtx", data: { coin: market.coin, ctx: assetCtx(exchange, market) } });

function bboFrame(m: Market, v: BookView, exchMs: number): string {
  const bid =
    v.bidCount > 0
      ? levelJson(v.bidPxTicks, v.bidSzLots, v.bidOrders, 0, m.pxDecimals, m.szDecimals)
      : "null";
  const ask =
    v.askCount > 0
      ? levelJson(v.askPxTicks, v.askSzLots, v.askOrders, 0, m.pxDecimals, m.szDecimals)
      : "null";
  return `{"channel":"bbo","data":{"coin":"${m.coin}","time":${exchMs},"bbo":[${bid},${ask}]}}`;
}

function bookFrame(
  m: Market,
  v: BookView,
  exchMs: number,
  s: { readonly nSigFigs: number | null; readonly fast: boolean },
): string {
  const depth = s.fast ? 5 : 20;
  const bids = levelsJson(
    Math.min(v.bidCount, depth),
    v.bidPxTicks,
    v.bidSzLots,
    v.bidOrders,
    m.pxDecimals,
    m.szDecimals,
  );
  const asks = levelsJson(
    Math.min(v.askCount, depth),
    v.askPxTicks,
    v.askSzLots,
    v.askOrders,
    m.pxDecimals,
    m.szDecimals,
  );
  const spread =
    s.nSigFigs !== null && v.bidCount > 0 && v.askCount > 0
      ? `,"spread":"${(v.askPxTicks[0]! - v.bidPxTicks[0]!) / 10 ** m.pxDecimals}"`
      : "";
  const fast = s.fast ? ',"fast":true' : "";
  return `{"channel":"l2Book","data":{"coin":"${m.coin}","time":${exchMs},"levels":[${bids},${asks}]${spread}${fast}}}`;
}
