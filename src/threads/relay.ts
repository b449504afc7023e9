/**
 * The feed thread's relay port, on loopback unless configured: one venue connection for all makers of a host.
 *
 * - `/ws` speaks the venue's subscribe protocol (l2Book, bbo, trades, activeAssetCtx) and sends the frames on as they came,
 *   the latest one of a snapshot channel first. A client that does not keep up is cut off and counted: frames in its queue
 *   would only be old.
 * - `/push` takes venue frames (text or binary) from a colocated feed handler, another maker, a tape player, and hands them to
 *   the same intake as the own connection's.
 *
 * Browsers are refused: a web page must not reach a loopback port (they send an Origin header, nobody else does).
 *
 * Thread: ingest. Must be closed before its thread ends: an open app in a dying worker aborts the process (DESIGN §2).
 */
import {
  App,
  type TemplatedApp,
  type us_listen_socket,
  type us_socket,
  us_socket_local_port,
  type WebSocket,
} from "uWebSockets.js";
import { RecordKind } from "../abi/layout.js";
import type { Instrument } from "../domain/index.js";
import { FrameOutcome } from "../venues/hyperliquid/decode.js";
import { FeedCounter, type FeedCounters } from "../venues/hyperliquid/feed-counters.js";
import type { FeedLog } from "../venues/hyperliquid/intake.js";

export interface RelayOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Longer pushed messages end the connection. */
  readonly maxFrameBytes: number;
  /** A subscriber with more unsent bytes is cut off. */
  readonly maxBackpressureBytes: number;
  /** A pusher with more refused frames is cut off. */
  readonly maxPushErrors: number;
}

export const DEFAULT_RELAY_OPTIONS: Omit<RelayOptions, "port"> = {
  host: "127.0.0.1",
  maxFrameBytes: 1 << 20,
  maxBackpressureBytes: 1 << 20,
  maxPushErrors: 1000,
};

export interface RelayDeps {
  readonly counters: FeedCounters;
  readonly log: FeedLog;
  /** Takes a pushed frame; must not throw, must not keep the bytes. */
  readonly push: (frame: Uint8Array) => FrameOutcome;
  readonly onPusher?: () => void;
}

interface SubscriberState {
  isCut: boolean;
}
interface PusherState {
  errors: number;
}

/** Channels by record kind, with whether a new subscriber is sent the latest frame. */
const CHANNELS = new Map<string, { readonly kind: RecordKind; readonly isSnapshot: boolean }>([
  ["l2Book", { kind: RecordKind.Book, isSnapshot: true }],
  ["bbo", { kind: RecordKind.Bbo, isSnapshot: true }],
  ["trades", { kind: RecordKind.Trade, isSnapshot: false }],
  ["activeAssetCtx", { kind: RecordKind.AssetCtx, isSnapshot: true }],
]);
const SNAPSHOT_KINDS: ReadonlySet<number> = new Set(
  [...CHANNELS.values()].filter((c) => c.isSnapshot).map((c) => c.kind),
);
const KIND_COUNT = 1 + Math.max(...[...CHANNELS.values()].map((c) => c.kind));
/** uSockets' LIBUS_LISTEN_EXCLUSIVE_PORT: without it two processes may share a port, and each gets half of the clients. */
const EXCLUSIVE_PORT = 1;
const MAX_REQUEST_BYTES = 16 * 1024;
const POLICY_VIOLATION = 1008;

type ListenExclusive = (
  host: string,
  port: number,
  options: number,
  done: (socket: us_listen_socket | false) => void,
) => void;

/** The latest frame of one channel and asset, in a buffer that is reused. */
class KeptFrame {
  private bytes = new Uint8Array(0);
  private length = 0;

  keep(frame: Uint8Array): void {
    if (this.bytes.length < frame.length) this.bytes = new Uint8Array(2 * frame.length);
    this.bytes.set(frame);
    this.length = frame.length;
  }

  get frame(): Uint8Array | undefined {
    return this.length === 0 ? undefined : this.bytes.subarray(0, this.length);
  }
}

export class Relay {
  private readonly app: TemplatedApp;
  private readonly topics: readonly string[];
  private readonly kept: readonly KeptFrame[];
  private readonly assetOf: ReadonlyMap<string, number>;
  private isClosed = false;

  constructor(
    instruments: readonly Instrument[],
    private readonly options: RelayOptions,
    private readonly deps: RelayDeps,
  ) {
    this.assetOf = new Map(instruments.map(({ coin, asset }) => [coin, asset]));
    const count = instruments.length * KIND_COUNT;
    this.topics = Array.from({ length: count }, (_, i) => String(i));
    this.kept = Array.from({ length: count }, () => new KeptFrame());
    this.app = App();
    this.serveSubscribers();
    this.servePushers();
  }

  /**
   * @returns the port
   * @throws {Error} When the port is taken or the address is not of this machine.
   */
  listen(): Promise<number> {
    const { host, port } = this.options;
    return new Promise((resolve, reject) => {
      // The typings leave out the overload with host and options.
      const listen = this.app.listen.bind(this.app) as unknown as ListenExclusive;
      listen(host, port, EXCLUSIVE_PORT, (socket) => {
        if (socket === false) {
          reject(
            new Error(
              `relay: cannot listen on ${host}:${port}; is the port in use? Set engine.relay_port to another`,
            ),
          );
        } else resolve(us_socket_local_port(socket as unknown as us_socket));
      });
    });
  }

  /** Sends a frame to its subscribers, and keeps it for the next ones. */
  fanOut(kind: RecordKind, asset: number, frame: Uint8Array): void {
    const i = asset * KIND_COUNT + kind;
    if (SNAPSHOT_KINDS.has(kind)) this.kept[i]!.keep(frame);
    const topic = this.topics[i]!;
    if (this.app.numSubscribers(topic) > 0) this.app.publish(topic, frame, false);
  }

  /** Closes the port and every connection. May be called twice. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.app.close();
  }

  private serveSubscribers(): void {
    const { counters, log } = this.deps;
    this.app.ws<SubscriberState>("/ws", {
      maxPayloadLength: MAX_REQUEST_BYTES,
      maxBackpressure: this.options.maxBackpressureBytes,
      closeOnBackpressureLimit: false,
      idleTimeout: 120,
      upgrade: (res, req, context) => {
        if (req.getHeader("origin") !== "") {
          res.writeStatus("403 Forbidden").end("browsers are not served");
          return;
        }
        res.upgrade<SubscriberState>(
          { isCut: false },
          req.getHeader("sec-websocket-key"),
          req.getHeader("sec-websocket-protocol"),
          req.getHeader("sec-websocket-extensions"),
          context,
        );
      },
      open: () => counters.add(FeedCounter.relayClients, 1),
      message: (ws, message) => this.request(ws, Buffer.from(message).toString("utf8")),
      dropped: (ws) => {
        // Closing it inside the callback, or in a microtask, frees the socket under the publisher and crashes the process:
        // that must wait for the next turn of the loop.
        const state = ws.getUserData();
        if (state.isCut) return;
        state.isCut = true;
        counters.add(FeedCounter.relaySlowDropped, 1);
        log("warn", "relay.slow-client", { unsentBytes: ws.getBufferedAmount() });
        setImmediate(() => this.cut(ws));
      },
      close: () => counters.add(FeedCounter.relayClients, -1),
    });
  }

  private cut(ws: WebSocket<SubscriberState>): void {
    try {
      ws.close();
    } catch {
      // uWebSockets.js throws on a socket that closed by itself meanwhile, which is what we want.
    }
  }

  private request(ws: WebSocket<SubscriberState>, text: string): void {
    const request = parseRequest(text);
    if (request === undefined) {
      reply(ws, "error", `Error parsing JSON into valid websocket request: ${text.slice(0, 200)}`);
      return;
    }
    if (request.method === "ping") {
      ws.send('{"channel":"pong"}', false);
      return;
    }
    const { type, coin } = request.subscription;
    const channel = CHANNELS.get(type);
    const asset = this.assetOf.get(coin);
    const echo = JSON.stringify(request.subscription).slice(0, 200);
    if (channel === undefined || asset === undefined) {
      reply(ws, "error", `Invalid subscription ${echo}`);
      return;
    }
    const i = asset * KIND_COUNT + channel.kind;
    const topic = this.topics[i]!;
    const isSubscribe = request.method === "subscribe";
    if (ws.isSubscribed(topic) === isSubscribe) {
      reply(ws, "error", `Already ${request.method}d: ${echo}`);
      return;
    }
    reply(ws, "subscriptionResponse", { method: request.method, subscription: request.subscription });
    if (!isSubscribe) {
      ws.unsubscribe(topic);
      return;
    }
    ws.subscribe(topic);
    const latest = this.kept[i]!.frame;
    if (channel.isSnapshot && latest !== undefined) ws.send(latest, false);
  }

  private servePushers(): void {
    const { counters, log, push, onPusher } = this.deps;
    this.app.ws<PusherState>("/push", {
      maxPayloadLength: this.options.maxFrameBytes,
      idleTimeout: 120,
      upgrade: (res, req, context) => {
        if (req.getHeader("origin") !== "") {
          res.writeStatus("403 Forbidden").end("browsers are not served");
          return;
        }
        res.upgrade<PusherState>(
          { errors: 0 },
          req.getHeader("sec-websocket-key"),
          req.getHeader("sec-websocket-protocol"),
          req.getHeader("sec-websocket-extensions"),
          context,
        );
      },
      open: () => {
        log("info", "relay.pusher-connected", {});
        onPusher?.();
      },
      message: (ws, message) => {
        const outcome = push(new Uint8Array(message));
        if (outcome !== FrameOutcome.Malformed && outcome !== FrameOutcome.Oversized) return;
        counters.add(FeedCounter.relayPushErrors, 1);
        const state = ws.getUserData();
        if (++state.errors <= this.options.maxPushErrors) return;
        log("warn", "relay.pusher-cut", { errors: state.errors });
        ws.end(POLICY_VIOLATION, "too many malformed frames");
      },
      close: (_ws, code) => log("info", "relay.pusher-disconnected", { code }),
    });
  }
}

type RelayRequest =
  | { readonly method: "ping" }
  | {
      readonly method: "subscribe" | "unsubscribe";
      readonly subscription: { readonly type: string; readonly coin: string };
    };

function parseRequest(text: string): RelayRequest | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined; // answered with the venue's error text
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { method, subscription } = value as { method?: unknown; subscription?: unknown };
  if (method === "ping") return { method };
  if (method !== "subscribe" && method !== "unsubscribe") return undefined;
  if (typeof subscription !== "object" || subscription === null) return undefined;
  const { type, coin } = subscription as { type?: unknown; coin?: unknown };
  if (typeof type !== "string" || typeof coin !== "string") return undefined;
  return { method, subscription: { ...subscription, type, coin } };
}

function reply<T>(ws: WebSocket<T>, channel: string, data: unknown): void {
  ws.send(JSON.stringify({ channel, data }), false);
}
