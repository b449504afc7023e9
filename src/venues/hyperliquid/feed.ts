import { WebSocket } from "ws";
import { FeedState } from "../../abi/layout.js";
import type { Clock, Instrument, Rng, Timers } from "../../domain/index.js";
import type { WireTap } from "../port.js";
import { FeedCounter, type FeedCounters } from "./feed-counters.js";
import { type FeedIntake, type FeedLog, FeedSource } from "./intake.js";

export interface FeedOptions {
  /** The venue's WebSocket address, such as wss://api.hyperliquid.xyz/ws. */
  readonly url: string;
  /** 5 levels every 0.5 s; otherwise 20 levels every few seconds (API reference §2.2). */
  readonly isFastBook: boolean;
  readonly pingEveryMs: number;
  readonly pongDeadlineMs: number;
  readonly backoffStartMs: number;
  readonly backoffCapMs: number;
  /** The venue's limit per IP address is 30. */
  readonly maxConnectsPerMin: number;
  /** A connection that lasted this long starts the back-off afresh when it ends. */
  readonly stableAfterMs: number;
  readonly handshakeTimeoutMs: number;
  /** An asset still waiting for its book after this long asks for a new snapshot. */
  readonly resnapshotAfterMs: number;
  /** Longer frames end the connection; those between the decoder's bound and this one are counted and dropped. */
  readonly maxPayloadBytes: number;
  readonly tickEveryMs: number;
}

export const DEFAULT_FEED_OPTIONS: Omit<FeedOptions, "url"> = {
  isFastBook: true,
  pingEveryMs: 30_000,
  pongDeadlineMs: 10_000,
  backoffStartMs: 150,
  backoffCapMs: 10_000,
  maxConnectsPerMin: 30,
  stableAfterMs: 10_000,
  handshakeTimeoutMs: 10_000,
  resnapshotAfterMs: 3_000,
  maxPayloadBytes: 4 << 20,
  tickEveryMs: 100,
};

export interface FeedDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Jitter of the back-off. */
  readonly rng: Rng;
  readonly log: FeedLog;
  readonly counters: FeedCounters;
  readonly tap?: WireTap;
  /** Which of the venue's connections this is: the primary by default, or the hot standby. */
  readonly source?: FeedSource;
  readonly onConnected?: () => void;
  readonly onDisconnected?: (reason: string) => void;
}

const NS_PER_MS = 1e6;
const NS_PER_MIN = 60e9;
/** The closing handshake may take this long before the socket is cut. */
const CLOSE_GRACE_MS = 1000;
const PING = '{"method":"ping"}';

/**
 * The public market-data connection: connects, subscribes, keeps alive, and hands every frame to the intake. Any loss is
 * answered by a new connection after a back-off (exponential, full jitter); whole books and a fresh subscription make the
 * assets live again.
 *
 * Two of them on one intake are a primary and a hot standby: each has its own socket, subscriptions and back-off, the first
 * frame wins, and the end of one leaves no gap.
 *
 * Thread: ingest. Sources: API reference §1.3–1.7, §2.
 */
export class HyperliquidFeed {
  private socket: WebSocket | undefined;
  private isStopped = true;
  private attempt = 0;
  private openedNs = 0;
  private cancelTimers: (() => void)[] = [];
  private cancelPongDeadline: (() => void) | undefined;
  private cancelReconnect: (() => void) | undefined;
  private cancelTick: (() => void) | undefined;
  private lastError = "";
  /** Times of the latest connection attempts, oldest overwritten first. */
  private readonly connectsNs: Float64Array;
  private connectIndex = 0;
  private readonly askedBookNs: Float64Array;
  private readonly source: FeedSource;
  /** Counter slot of the gauge that says whether this connection is open. */
  private readonly gauge: number;

  constructor(
    private readonly intake: FeedIntake,
    private readonly instruments: readonly Instrument[],
    private readonly options: FeedOptions,
    private readonly deps: FeedDeps,
  ) {
    this.connectsNs = new Float64Array(options.maxConnectsPerMin).fill(Number.NEGATIVE_INFINITY);
    this.askedBookNs = new Float64Array(instruments.length);
    this.source = deps.source ?? FeedSource.Own;
    this.gauge =
      this.source === FeedSource.Standby ? FeedCounter.isStandbyConnected : FeedCounter.isConnected;
  }

  private get isStandby(): boolean {
    return this.source === FeedSource.Standby;
  }

  get isConnected(): boolean {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  start(): void {
    if (!this.isStopped) return;
    this.isStopped = false;
    this.cancelTick = this.deps.timers.every(this.options.tickEveryMs, () => this.tick());
    this.connect();
  }

  /** Closes for good. Resolves when the socket is gone. */
  async stop(): Promise<void> {
    if (this.isStopped) return;
    this.isStopped = true;
    this.cancelTick?.();
    this.cancelReconnect?.();
    const socket = this.socket;
    if (socket === undefined || socket.readyState === WebSocket.CLOSED) return;
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    const cancelCut = this.deps.timers.after(CLOSE_GRACE_MS, () => socket.terminate()); // tidy-ok: a socket
    socket.close(1000);
    await closed;
    cancelCut();
  }

  /** Answers to our own messages and the venue's errors; wired to the intake's `onControl`. */
  onControl(channel: string, data: unknown): void {
    if (channel === "pong") {
      this.cancelPongDeadline?.();
      this.cancelPongDeadline = undefined;
    } else if (channel === "error") {
      // Resubscribing for a snapshot may cross with the venue's own bookkeeping.
      const isHarmless = typeof data === "string" && data.startsWith("Already ");
      this.deps.log(isHarmless ? "debug" : "warn", "feed.venue-error", { text: data });
    }
  }

  private connect(): void {
    const { clock, log, counters } = this.deps;
    this.connectsNs[this.connectIndex] = clock.monoNs();
    this.connectIndex = (this.connectIndex + 1) % this.connectsNs.length;
    this.lastError = "";
    let hasOpened = false;
    let socket: WebSocket;
    try {
      socket = new WebSocket(this.options.url, {
        perMessageDeflate: false,
        maxPayload: this.options.maxPayloadBytes,
        handshakeTimeout: this.options.handshakeTimeoutMs,
        // The decoder works on bytes; a frame that goes through JSON.parse is decoded leniently there.
        skipUTF8Validation: true,
      });
    } catch (cause) {
      throw new Error(`feed: ${this.options.url} is not a WebSocket address (ws:// or wss://)`, { cause });
    }
    this.socket = socket;
    socket.on("open", () => {
      hasOpened = true;
      this.onOpen();
    });
    // With the default binary type and no fragments, `data` is one Buffer.
    socket.on("message", (data: Buffer) => this.intake.accept(data, this.source));
    socket.on("error", (error) => {
      this.lastError = error.message;
      if ("code" in error && error.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH") {
        counters.add(FeedCounter.oversized, 1);
      }
    });
    socket.on("close", (code) => {
      const reason = this.lastError === "" ? `closed with code ${code}` : this.lastError;
      if (!hasOpened) counters.add(FeedCounter.connectFailures, 1);
      log(this.isStopped ? "debug" : "warn", hasOpened ? "feed.disconnected" : "feed.connect-failed", {
        url: this.options.url,
        reason,
        isStandby: this.isStandby,
      });
      this.onClose(hasOpened, reason);
    });
  }

  private onOpen(): void {
    const { clock, timers, counters, log } = this.deps;
    this.openedNs = clock.monoNs();
    counters.add(FeedCounter.connects, 1);
    counters.set(this.gauge, 1);
    log("info", "feed.connected", {
      url: this.options.url,
      attempt: this.attempt,
      isStandby: this.isStandby,
    });
    this.intake.onConnected(this.source);
    for (const { asset, coin } of this.instruments) {
      this.askedBookNs[asset] = this.openedNs;
      // Books first: their time tells which of the replayed trades are old.
      this.send(this.bookMessage("subscribe", coin));
      for (const type of ["bbo", "trades", "activeAssetCtx"]) {
        this.send(JSON.stringify({ method: "subscribe", subscription: { type, coin } }));
      }
    }
    this.cancelTimers.push(timers.every(this.options.pingEveryMs, () => this.ping()));
    this.deps.onConnected?.();
  }

  private onClose(hasOpened: boolean, reason: string): void {
    const { clock, rng, timers, counters } = this.deps;
    for (const cancel of this.cancelTimers) cancel();
    this.cancelTimers = [];
    this.cancelPongDeadline?.();
    this.cancelPongDeadline = undefined;
    counters.set(this.gauge, 0);
    const nowNs = clock.monoNs();
    if (hasOpened) {
      this.intake.onDisconnected(this.source);
      this.deps.onDisconnected?.(reason);
      if (nowNs - this.openedNs >= this.options.stableAfterMs * NS_PER_MS) this.attempt = 0;
    }
    if (this.isStopped) return;
    const delayMs = Math.max(this.backoffMs(rng.uniform()), this.connectBudgetMs(nowNs));
    this.attempt++;
    this.cancelReconnect = timers.after(delayMs, () => this.connect());
  }

  /** Full jitter: uniform below an exponentially growing ceiling, so that many clients do not return as one. */
  private backoffMs(uniform: number): number {
    const { backoffStartMs, backoffCapMs } = this.options;
    return uniform * Math.min(backoffCapMs, backoffStartMs * 2 ** Math.min(this.attempt, 30));
  }

  /** How long until one more connection keeps to the venue's limit per minute. */
  private connectBudgetMs(nowNs: number): number {
    return (this.connectsNs[this.connectIndex]! + NS_PER_MIN - nowNs) / NS_PER_MS;
  }

  private ping(): void {
    this.send(PING);
    this.cancelPongDeadline?.();
    this.cancelPongDeadline = this.deps.timers.after(this.options.pongDeadlineMs, () => {
      this.deps.counters.add(FeedCounter.pongTimeouts, 1);
      this.lastError = `no pong within ${this.options.pongDeadlineMs} ms`;
      // No closing handshake: the peer does not answer.
      this.socket?.terminate(); // tidy-ok: a socket
    });
  }

  private tick(): void {
    this.intake.tick();
    if (!this.isConnected) return;
    const nowNs = this.deps.clock.monoNs();
    for (const { asset, coin } of this.instruments) {
      if (this.intake.stateOf(asset) === FeedState.Live) continue;
      if (nowNs - this.askedBookNs[asset]! < this.options.resnapshotAfterMs * NS_PER_MS) continue;
      // A new subscription is answered by a snapshot at once.
      this.askedBookNs[asset] = nowNs;
      this.send(this.bookMessage("unsubscribe", coin));
      this.send(this.bookMessage("subscribe", coin));
    }
  }

  private bookMessage(method: "subscribe" | "unsubscribe", coin: string): string {
    const subscription = this.options.isFastBook
      ? { type: "l2Book", coin, fast: true }
      : { type: "l2Book", coin };
    return JSON.stringify({ method, subscription });
  }

  private send(text: string): void {
    if (!this.isConnected) return;
    const bytes = Buffer.from(text);
    this.socket!.send(bytes, { binary: false });
    this.deps.tap?.outbound("public", bytes, this.deps.clock.monoNs());
  }
}
