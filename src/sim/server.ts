/**
 * The simulated exchange on a socket: `POST /info`, `POST /exchange` and `/ws` on one port, in the venue's protocol.
 *
 * Nothing a client sends throws out of a handler: malformed bodies are 422, malformed frames go to the `error` channel, and
 * what should never happen is answered with 500, counted and logged. Transports: http.ts, websocket.ts, connections.ts;
 * what subscribers get: publishing.ts, frames.ts.
 *
 * Thread: the main thread of a process; a uWebSockets.js app in a worker can abort the process (DESIGN §2).
 */
import { App, type us_listen_socket, us_listen_socket_close, us_socket_local_port } from "uWebSockets.js";
import { type Clock, Rng, type Timers } from "../domain/index.js";
import type { Envelope } from "./actions.js";
import type { ExchangeResponse } from "./answers.js";
import { addressOfKey, recoverSigner, type SignatureSource } from "./auth.js";
import { actionClass, BlockScheduler, constantLatency, type LatencyModel } from "./blocks.js";
import { Connections, Counts } from "./connections.js";
import { fundListed } from "./demo.js";
import {
  DEFAULT_EXCHANGE_OPTIONS,
  Exchange,
  type ExchangeOptions,
  type FeeRates,
  flatFees,
} from "./exchange.js";
import { ActionExecutor, type ExecutorOptions } from "./execute.js";
import { FaultCarrier } from "./fault-carrier.js";
import { Faults } from "./faults.js";
import { type Gateway, routeControl, routeHttp } from "./http.js";
import { answerInfo } from "./info/index.js";
import type { InfoContext } from "./info/request.js";
import { IpBudget, SocketBudget, type SocketLimits, VENUE_SOCKET_LIMITS } from "./limits.js";
import { isPerp } from "./listed-market.js";
import { type DueWork, MarketDriver, type SimMarket, type Speed } from "./market.js";
import { isMarketData, Publisher } from "./publishing.js";
import type { Subscription } from "./subscriptions.js";
import { type SubscriptionSource, WebSocketSurface } from "./websocket.js";

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
  /** USD by lower-case address, in the first dex and wherever else something is listed; default: the development account. */
  readonly funding?: Readonly<Record<string, number>>;
  /** Agent address → account address. */
  readonly agents?: Readonly<Record<string, string>>;
  readonly feeRates?: FeeRates;
  readonly exchange?: Partial<ExchangeOptions>;
  /** Accepted signature sources, tried in order. Default: "b" (as SDKs sign for a local base URL), then "a". */
  readonly signatureSources?: readonly SignatureSource[];
  /** Exchange ms between an action's arrival and its taking effect (and its answer). Default 0; ignored at speed "max". */
  readonly latencyMs?: number;
  /** Exchange ms between blocks; the venue's are `VENUE_BLOCK_MS`. Default 0: actions take effect one by one. */
  readonly blockMs?: number;
  /** Delays of actions in exchange time, at any speed; instead of `latencyMs`. */
  readonly latency?: LatencyModel;
  /** Seed of the delays. */
  readonly latencySeed?: number;
  /** Rules of the order entry: request budgets of addresses. */
  readonly executor?: Partial<ExecutorOptions>;
  /** REST weight that an IP may spend in a minute, beyond which it gets 429; the venue's is 1200. Default: no limit. */
  readonly ipWeightPerMinute?: number;
  /** Least exchange ms between full books of an `l2Book` without `fast`; the venue's is 5000. Default: as often as fast ones. */
  readonly slowBookMs?: number;
  /** What one IP may hold and send over its sockets; by default the venue's, but for the numbers of connections and messages. */
  readonly socketLimits?: Partial<SocketLimits>;
  /** The venue closes a connection to which it has sent nothing for 60 s. */
  readonly idleCloseMs?: number;
  /** A client that leaves its socket full for so long is disconnected. Default 10 s. */
  readonly stuckClientMs?: number;
  /** What goes wrong, with its dice. Default: nothing, until rules are set (see `control.ts`). */
  readonly faults?: Faults;
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

/** All local clients share one IP, and benches send more than the venue would take. */
const LOCAL_SOCKET_LIMITS: SocketLimits = {
  ...VENUE_SOCKET_LIMITS,
  connections: Number.POSITIVE_INFINITY,
  newConnectionsPerMinute: Number.POSITIVE_INFINITY,
  messagesPerMinute: Number.POSITIVE_INFINITY,
};
const HOUSEKEEPING_MS = 250;
const STATE_PUSH_MS = 1000;
/**
 * Opens the exchange and its markets and starts listening.
 * @throws {SimListenError} When the port cannot be opened.
 */
export async function startSimServer(options: SimOptions): Promise<SimServer> {
  const server = new Server(options);
  await server.listen();
  return server;
}

class Server implements SimServer, Gateway, SubscriptionSource {
  readonly exchange: Exchange;
  readonly counts = new Counts();
  readonly carrier: FaultCarrier;
  readonly ipBudget: IpBudget | undefined;
  private readonly connections: Connections;
  private readonly publisher: Publisher;
  private readonly executor: ActionExecutor;
  private readonly blocks: BlockScheduler;
  port = 0;
  private readonly app = App();
  private listenSocket: us_listen_socket | undefined;
  private readonly driver: MarketDriver;
  private readonly sources: readonly SignatureSource[];
  private readonly stopTimers: (() => void)[] = [];
  private marketListeners = 0;
  private isClosed = false;

  constructor(private readonly options: SimOptions) {
    const { markets, clock, timers } = options;
    this.sources = options.signatureSources ?? ["b", "a"];
    this.exchange = new Exchange({
      ...DEFAULT_EXCHANGE_OPTIONS,
      ...options.exchange,
      ...(options.feeRates === undefined ? {} : { fees: flatFees(options.feeRates) }),
    });
    const faults = options.faults ?? new Faults([], new Rng(0));
    this.carrier = new FaultCarrier(faults, clock, timers, (run) => this.guard("held frame", run));
    this.connections = new Connections(clock, this.counts, this.carrier);
    const { ipWeightPerMinute } = options;
    this.ipBudget = ipWeightPerMinute === undefined ? undefined : new IpBudget(ipWeightPerMinute);
    this.publisher = new Publisher(this.connections, () => this.infoContext(), options.slowBookMs ?? 0);
    this.exchange.events = this.publisher;
    this.executor = new ActionExecutor(this.exchange, options.executor);
    this.executor.twaps.onHistory = (account, item) => this.publisher.onTwapHistory(account, item);
    const constantMs = options.speed === "max" ? 0 : (options.latencyMs ?? 0);
    this.blocks = new BlockScheduler(
      {
        blockMs: options.blockMs ?? 0,
        latency: options.latency ?? constantLatency(constantMs),
        seed: options.latencySeed ?? 1,
      },
      (blockMs) => this.touched(blockMs),
    );
    this.exchange.nowMs = Math.floor(clock.wallMs());
    const funding = Object.entries(options.funding ?? { [DEV_ADDRESS]: DEV_FUNDING_USD });
    for (const [address, usd] of funding) {
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
      isCongested: () => this.connections.isCongested(),
      hasAudience: () => this.marketListeners > 0,
      work: this.work(),
      afterSteps: (exchMs) => this.advance(exchMs),
      onTapesEnded: () => this.tapesEnded(),
    });
    for (const simMarket of markets) {
      const market = this.exchange.addMarket(simMarket.instrument, simMarket.book);
      this.publisher.addMarket(market, simMarket);
      simMarket.book.cut = (szLots) => this.carrier.cut(szLots);
      simMarket.open({ exchange: this.exchange, market, outlet: this.publisher }, this.driver.nowMs());
    }
    for (const [address, usd] of funding) fundListed(this.exchange, address.toLowerCase(), usd);
  }

  async listen(): Promise<void> {
    const host = this.options.host ?? "127.0.0.1";
    const limits = { ...LOCAL_SOCKET_LIMITS, ...this.options.socketLimits };
    new WebSocketSurface(this, this.connections, this, new SocketBudget(limits)).route(this.app);
    routeHttp(this.app, this);
    routeControl(this.app, this, {
      exchange: this.exchange,
      carrier: this.carrier,
      connections: this.connections,
      simMarkets: this.options.markets,
      nowMs: () => this.driver.nowMs(),
      setPostOnlyUntil: (exchMs) => {
        this.executor.orders.postOnlyUntilMs = exchMs;
      },
      flush: () => this.publisher.flush(),
      stats: () => this.stats(),
    });
    await this.openPort(host);
    this.stopTimers.push(
      this.options.timers.every(HOUSEKEEPING_MS, () => this.guard("timer", () => this.housekeeping())),
      this.options.timers.every(STATE_PUSH_MS, () => this.guard("timer", () => this.publisher.pushStates())),
    );
    this.driver.start();
    const markets = this.options.markets.map((m) => m.description).join("; ");
    this.options.log(`simulated exchange on ${host}:${this.port} at speed ${this.options.speed}: ${markets}`);
  }

  private openPort(host: string): Promise<void> {
    return new Promise<void>((resolve, reject) => {
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
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    this.driver.stop();
    for (const stop of this.stopTimers) stop();
    for (const simMarket of this.options.markets) simMarket.close();
    if (this.listenSocket !== undefined) us_listen_socket_close(this.listenSocket);
    this.connections.closeAll();
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

  guard<T>(where: string, run: () => T): T | undefined {
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
    this.advance(this.driver.nowMs());
    this.connections.closeIdle(this.options.idleCloseMs ?? 60_000);
    this.connections.cutOffStuck(this.options.stuckClientMs ?? 10_000);
    this.publisher.pushWide();
  }

  private tapesEnded(): void {
    this.options.log("simulated exchange: tape ended");
    this.publisher.notifyAll("tape ended");
    this.options.onTapeEnd?.();
  }

  // --- Gateway: what the transports ask ----------------------------------------------------------------------------

  info(body: unknown): unknown {
    return answerInfo(this.infoContext(), body);
  }

  minuteMs(): number {
    return this.options.clock.monoNs() / 1e6;
  }

  private infoContext(): InfoContext {
    const { exchange, executor } = this;
    return {
      exchange,
      twaps: executor.twaps,
      exchMs: this.driver.nowMs(),
      wallMs: this.options.clock.wallMs(),
    };
  }

  /** Verifies now, takes effect in its block, then answers; private events follow the answer. */
  perform(envelope: Envelope, respond: (response: ExchangeResponse) => void): void {
    this.counts.actions++;
    const signer = recoverSigner(
      envelope,
      this.sources,
      (address) => this.exchange.accountOfSigner(address) !== undefined,
    );
    const run = (blockMs: number): ExchangeResponse =>
      this.guard("action", () =>
        signer === undefined
          ? { status: "err", response: "Unable to recover signer." }
          : this.executor.execute(signer, envelope, blockMs, this.options.clock.wallMs()),
      ) ?? { status: "err", response: "Internal error" };
    const sentMs = this.driver.nowMs();
    this.blocks.submit(actionClass(envelope.action), sentMs, (blockMs) => {
      const response = run(blockMs);
      if (response.status === "err") this.counts.rejected++;
      return () => respond(response);
    });
    if (this.blocks.nextDueMs <= sentMs) this.blocks.runUntil(sentMs);
    // Time stands still at what is due until the driver has done it.
    if (Math.min(this.blocks.nextDueMs, this.executor.nextDueMs) < Number.POSITIVE_INFINITY)
      this.driver.wake();
  }

  /** What the driver does besides stepping markets. */
  private work(): DueWork {
    const { blocks, executor } = this;
    return {
      get nextDueMs() {
        return Math.min(blocks.nextDueMs, executor.nextDueMs);
      },
      get isAwaited() {
        return blocks.nextDueMs < Number.POSITIVE_INFINITY;
      },
      runUntil: (exchMs) => this.guard("block", () => blocks.runUntil(exchMs)),
    };
  }

  /** Triggers, TWAPs and dead man's switches. */
  private advance(exchMs: number): void {
    const hasActed = this.guard("timed orders", () =>
      this.executor.advance(exchMs, this.options.clock.wallMs()),
    );
    if (hasActed === true) this.touched(exchMs);
    else this.publisher.flush();
  }

  /** Client orders may have moved any market. */
  private touched(exchMs: number): void {
    for (const simMarket of this.options.markets) simMarket.afterAction(exchMs);
    this.publisher.flush();
  }

  // --- SubscriptionSource ------------------------------------------------------------------------------------------

  isCoin(coin: unknown): coin is string {
    return this.exchange.market(coin) !== undefined;
  }

  isPerp(coin: string): boolean {
    const market = this.exchange.market(coin);
    return market !== undefined && isPerp(market);
  }

  isDex(name: string): boolean {
    return this.exchange.dex(name) !== undefined;
  }

  snapshot(s: Subscription): readonly string[] {
    return this.publisher.snapshot(s);
  }

  onSubscribed(s: Subscription): void {
    if (!isMarketData(s)) return;
    this.marketListeners++;
    this.driver.wake("coin" in s ? s.coin : undefined);
  }

  onUnsubscribed(s: Subscription): void {
    if (isMarketData(s)) this.marketListeners--;
  }
}
