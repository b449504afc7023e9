import { WebSocket } from "ws";
import type { Clock, Rng, Timers } from "../../domain/index.js";
import type { WireTap } from "../port.js";
import { VenueError } from "./errors.js";

/** What a logger must offer here; pino's loggers do. */
export interface VenueLog {
  debug(fields: object, text: string): void;
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

/** What a socket tells its owner. */
export interface SocketHandlers {
  onOpen(): void;
  onMessage(data: Buffer): void;
  onError(text: string): void;
  onClose(code: number, reason: string): void;
}

/** A WebSocket as this stream uses it. */
export interface VenueSocket {
  /** Open, and not blocked. */
  readonly isWritable: boolean;
  send(frame: Buffer): void;
  close(): void;
  /** Ends it without the closing handshake. */
  cut(): void;
}

export type OpenSocket = (url: string, handlers: SocketHandlers) => VenueSocket;

/** A socket over the network. */
export const openSocket: OpenSocket = (url, handlers) => {
  const ws = new WebSocket(url, {
    perMessageDeflate: false,
    handshakeTimeout: ACK_WITHIN_MS,
    maxPayload: MAX_FRAME_BYTES,
    // A mask of zeros is a legal mask and leaves the payload as it is: masking guards old proxies, and TLS does so better.
    generateMask: (mask) => mask.fill(0),
  });
  ws.on("open", () => handlers.onOpen());
  ws.on("message", (data: Buffer) => handlers.onMessage(data));
  ws.on("error", (error: NodeJS.ErrnoException) => handlers.onError(error.code ?? error.message));
  ws.on("close", (code: number, text: Buffer) => handlers.onClose(code, text.toString("utf8")));
  return {
    get isWritable() {
      return ws.readyState === WebSocket.OPEN && ws.bufferedAmount < MAX_BUFFERED_BYTES;
    },
    send: (frame) => ws.send(frame, { binary: false, compress: false }),
    close: () => ws.close(),
    cut: () => ws.terminate(), // tidy-ok: a socket
  };
};

export interface PrivateStreamOptions {
  readonly url: string;
  /** Lower-case address whose events are wanted. */
  readonly user: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly rng: Rng;
  readonly log: VenueLog;
  readonly tap?: WireTap | undefined;
  /** Default: over the network. */
  readonly openSocket?: OpenSocket | undefined;
}

export interface PrivateStreamHandlers {
  /** The subscriptions are acknowledged. */
  onUp(): void;
  /** The socket is gone; whatever was in flight on it will never be answered. */
  onDown(reason: string, wasUp: boolean): void;
  onFrame(channel: string, data: unknown): void;
  onMalformed(what: string): void;
}

/** Of these the first two must be acknowledged; a venue without notices is still a venue. */
const SUBSCRIPTIONS = ["orderUpdates", "userFills", "userEvents", "notification"] as const;
const REQUIRED: readonly string[] = ["orderUpdates", "userFills"];

const PING_EVERY_MS = 30_000;
const PONG_WITHIN_MS = 10_000;
const ACK_WITHIN_MS = 10_000;
const BACKOFF_FIRST_MS = 150;
const BACKOFF_MAX_MS = 15_000;
/** A connection must last this long before the back-off forgets: the venue allows 30 new ones a minute. */
const STABLE_AFTER_NS = 30e9;
/** A snapshot of 2000 fills is about 1 MiB. */
const MAX_FRAME_BYTES = 32 * 1024 * 1024;
/** Bytes queued in the process beyond which the socket counts as blocked. */
const MAX_BUFFERED_BYTES = 1024 * 1024;
const CLOSE_WITHIN_MS = 1000;

const PING = Buffer.from('{"method":"ping"}');
const GREETING = "Websocket connection established.";

/**
 * The account's WebSocket: connects, subscribes, keeps alive, reconnects with exponential back-off and jitter. It carries
 * the posts of actions too. Source: reference §1.3–1.7.
 *
 * Thread: executor.
 */
export class PrivateStream {
  private ws: VenueSocket | undefined;
  private awaiting = new Set<string>();
  private isUpNow = false;
  private isStopped = false;
  private attempts = 0;
  private upSinceMonoNs = 0;
  private reason = "";
  private cancelPong: (() => void) | undefined;
  private cancelAck: (() => void) | undefined;
  private cancelPing: (() => void) | undefined;
  private cancelReconnect: (() => void) | undefined;
  private cancelCut: (() => void) | undefined;
  private first: { resolve: () => void; reject: (error: VenueError) => void } | undefined;
  private closed: (() => void) | undefined;
  readonly sent: MessageCounter;
  reconnects = 0;

  constructor(
    private readonly options: PrivateStreamOptions,
    private readonly handlers: PrivateStreamHandlers,
  ) {
    this.sent = new MessageCounter(options.clock);
  }

  /** The subscriptions of the present connection are acknowledged. */
  get isUp(): boolean {
    return this.isUpNow;
  }

  /** A frame can be written now. */
  get canSend(): boolean {
    return this.ws?.isWritable === true;
  }

  /**
   * Resolves when the first connection is up; later losses are repaired in the background.
   * @throws {VenueError} Unreachable or Timeout when the first attempt fails: nothing is retried then.
   */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.first = { resolve, reject };
      this.open();
    });
  }

  /** Hands one text frame to the socket. The bytes are copied: the caller may reuse its buffer. Only while `canSend`. */
  send(frame: Uint8Array): void {
    // The library masks into a copy of its own, but for one mask in 2^32 it would keep this view.
    this.write(Buffer.from(frame));
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    this.cancelReconnect?.();
    const { ws } = this;
    if (ws === undefined) return;
    await new Promise<void>((resolve) => {
      this.closed = resolve;
      this.cancelCut = this.options.timers.after(CLOSE_WITHIN_MS, () => ws.cut());
      ws.close();
    });
  }

  private open(): void {
    this.reason = "";
    this.ws = (this.options.openSocket ?? openSocket)(this.options.url, {
      onOpen: () => this.onOpen(),
      onMessage: (data) => this.onMessage(data),
      onError: (text) => {
        this.reason ||= text;
      },
      onClose: (code, text) => this.onClose(this.reason || `closed ${code} ${text}`.trim()),
    });
  }

  private onOpen(): void {
    const { timers, user } = this.options;
    this.awaiting = new Set(REQUIRED);
    this.cancelAck = timers.after(ACK_WITHIN_MS, () => this.drop("subscriptions were not acknowledged"));
    this.cancelPing = timers.every(PING_EVERY_MS, () => this.ping());
    for (const type of SUBSCRIPTIONS) {
      this.write(Buffer.from(JSON.stringify({ method: "subscribe", subscription: { type, user } })));
    }
  }

  private ping(): void {
    if (!this.canSend) return;
    this.write(PING);
    this.cancelPong?.();
    this.cancelPong = this.options.timers.after(PONG_WITHIN_MS, () => this.drop("no answer to ping"));
  }

  /** Ends the connection from our side; the close event does the rest. */
  private drop(reason: string): void {
    this.reason ||= reason;
    this.ws?.cut();
  }

  private write(bytes: Buffer): void {
    this.ws!.send(bytes);
    this.sent.add();
    this.options.tap?.outbound("private", bytes, this.options.clock.monoNs());
  }

  private onMessage(data: Buffer): void {
    this.options.tap?.inbound("private", data, this.options.clock.monoNs());
    // Any frame proves that the connection lives; the pong itself may be behind a backlog.
    this.cancelPong?.();
    this.cancelPong = undefined;
    let frame: unknown;
    try {
      frame = JSON.parse(data.toString("utf8"));
    } catch {
      // The venue greets with a line of plain text; anything else that is not JSON is counted.
      if (data.toString("latin1") !== GREETING) this.handlers.onMalformed("not JSON");
      return;
    }
    if (typeof frame !== "object" || frame === null || !("channel" in frame)) {
      this.handlers.onMalformed("no channel");
      return;
    }
    const { channel, data: body } = frame as { channel: unknown; data?: unknown };
    if (typeof channel !== "string") {
      this.handlers.onMalformed("channel is not text");
    } else if (channel === "subscriptionResponse") {
      this.onAck(body);
    } else if (channel !== "pong") {
      this.handlers.onFrame(channel, body);
    }
  }

  /** The venue echoes a normalised subscription: compare the fields that were sent, addresses in lower case. */
  private onAck(body: unknown): void {
    const ack = body as
      | { method?: unknown; subscription?: { type?: unknown; user?: unknown } }
      | null
      | undefined;
    const { type, user } = ack?.subscription ?? {};
    if (ack?.method !== "subscribe" || typeof type !== "string") return;
    if (typeof user === "string" && user.toLowerCase() !== this.options.user) return;
    if (!this.awaiting.delete(type) || this.awaiting.size > 0 || this.isUpNow) return;
    this.cancelAck?.();
    this.isUpNow = true;
    this.upSinceMonoNs = this.options.clock.monoNs();
    this.first?.resolve();
    this.first = undefined;
    this.handlers.onUp();
  }

  private onClose(reason: string): void {
    const wasUp = this.isUpNow;
    this.cancelCut?.();
    this.cancelPing?.();
    this.cancelPong?.();
    this.cancelAck?.();
    this.ws = undefined;
    this.isUpNow = false;
    if (wasUp && this.options.clock.monoNs() - this.upSinceMonoNs > STABLE_AFTER_NS) this.attempts = 0;
    this.handlers.onDown(reason, wasUp);
    if (this.first !== undefined) {
      const { first } = this;
      this.first = undefined;
      this.isStopped = true;
      first.reject(
        new VenueError(
          "Unreachable",
          `cannot open the private stream at ${this.options.url} (${reason}): check the network setting and that the exchange is up`,
          { retryable: true },
        ),
      );
    }
    if (this.isStopped) {
      this.closed?.();
      return;
    }
    const { rng, timers, log } = this.options;
    const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** this.attempts);
    const delayMs = ceiling * (0.5 + 0.5 * rng.uniform());
    this.attempts = Math.min(this.attempts + 1, 16);
    log.warn({ reason, delayMs: Math.round(delayMs) }, "private stream lost, reconnecting");
    this.cancelReconnect = timers.after(delayMs, () => {
      this.reconnects++;
      this.open();
    });
  }
}

/** Messages of the last minute, in buckets of a second. The venue drops what exceeds 2000 a minute and address. */
export class MessageCounter {
  private readonly buckets = new Uint32Array(60);
  private second = 0;
  total = 0;

  constructor(private readonly clock: Clock) {}

  add(): void {
    this.advance();
    this.total++;
    this.buckets[this.second % 60]!++;
  }

  lastMinute(): number {
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
