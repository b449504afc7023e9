/**
 * The WebSocket side of the simulated exchange: frames in, acknowledgements, errors and posts out (reference 1.3 to 1.7).
 */
import type { TemplatedApp } from "uWebSockets.js";
import { parseEnvelope } from "./actions.js";
import { answerText } from "./answers.js";
import type { Connection, Connections } from "./connections.js";
import { skewTimes } from "./fault-carrier.js";
import { type Gateway, JSON_422, statusLine } from "./http.js";
import { MALFORMED, UNHANDLED } from "./info/request.js";
import type { SocketBudget } from "./limits.js";
import { type Listing, parseSubscription, type Subscription } from "./subscriptions.js";

/** What a subscription is answered with, and who wants to know of it. */
export interface SubscriptionSource extends Listing {
  /** The frames that a new subscriber gets at once. */
  snapshot(s: Subscription): readonly string[];
  onSubscribed(s: Subscription): void;
  onUnsubscribed(s: Subscription): void;
}

const FRAME_BYTES_MAX = 1 << 20;
/** A client with more than this does not read: it is cut off. */
const BACKPRESSURE_BYTES = 32 * 1024 * 1024;
/** Longest part of a client's own text that an error repeats. */
const ECHO_CHARS = 1000;

export class WebSocketSurface {
  constructor(
    private readonly gateway: Gateway,
    private readonly connections: Connections,
    private readonly source: SubscriptionSource,
    private readonly budget: SocketBudget,
  ) {}

  route(app: TemplatedApp): void {
    app.ws<Connection>("/ws", {
      maxPayloadLength: FRAME_BYTES_MAX,
      maxBackpressure: BACKPRESSURE_BYTES,
      closeOnBackpressureLimit: true,
      idleTimeout: 0,
      sendPingsAutomatically: false,
      upgrade: (res, req, context) => {
        if (this.gateway.carrier.isOutage) {
          res.close();
          return;
        }
        const ip = Buffer.from(res.getRemoteAddressAsText()).toString();
        if (!this.budget.openConnection(ip, this.connections.nowMs())) {
          res.writeStatus(statusLine(429)).end();
          return;
        }
        res.upgrade(
          this.connections.create(ip),
          req.getHeader("sec-websocket-key"),
          req.getHeader("sec-websocket-protocol"),
          req.getHeader("sec-websocket-extensions"),
          context,
        );
      },
      open: (ws) => {
        const connection = ws.getUserData();
        this.connections.add(connection, ws);
        this.connections.send(connection, "Websocket connection established.");
      },
      message: (ws, message) => {
        // The buffer is only valid during this call.
        const text = Buffer.from(message).toString("utf8");
        const connection = ws.getUserData();
        if (!this.budget.message(connection.ip, this.connections.nowMs())) return;
        this.gateway.guard("websocket frame", () => this.frame(connection, text));
      },
      close: (ws) => {
        const connection = ws.getUserData();
        this.connections.remove(connection);
        for (const [key, s] of connection.subscriptions) this.forget(connection, key, s);
        this.budget.closeConnection(connection.ip);
      },
    });
  }

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
        this.connections.send(c, '{"channel":"pong"}');
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
    this.gateway.counts.malformed++;
    this.sendError(c, `Error parsing JSON into valid websocket request: ${text.slice(0, ECHO_CHARS)}`);
  }

  private sendError(c: Connection, text: string): void {
    this.connections.send(c, JSON.stringify({ channel: "error", data: text }));
  }

  private parse(c: Connection, requested: unknown, text: string): Subscription | undefined {
    if (typeof requested !== "object" || requested === null) {
      this.unparsable(c, text);
      return undefined;
    }
    const parsed = parseSubscription(requested, this.source);
    if (parsed === undefined) {
      this.gateway.counts.malformed++;
      this.sendError(c, `Invalid subscription ${JSON.stringify(requested).slice(0, ECHO_CHARS)}`);
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
    const refusal = this.budget.openSubscription(c.ip, userOf(s));
    if (refusal !== undefined) {
      this.sendError(c, refusal);
      return;
    }
    this.acknowledge(c, "subscribe", key);
    for (const frame of this.source.snapshot(s)) this.connections.send(c, frame);
    c.subscriptions.set(key, s);
    this.connections.topics.add(key, s, c);
    this.source.onSubscribed(s);
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
    this.acknowledge(c, "unsubscribe", key);
  }

  private acknowledge(c: Connection, method: "subscribe" | "unsubscribe", key: string): void {
    this.connections.send(
      c,
      `{"channel":"subscriptionResponse","data":{"method":"${method}","subscription":${key}}}`,
    );
  }

  private forget(c: Connection, key: string, s: Subscription): void {
    this.connections.topics.remove(key, c);
    this.budget.closeSubscription(c.ip, userOf(s));
    this.source.onUnsubscribed(s);
  }

  /** @returns false when the frame is not a post at all. */
  private post(c: Connection, id: unknown, request: unknown): boolean {
    if (typeof id !== "number" || !Number.isSafeInteger(id) || id < 0) return false;
    if (typeof request !== "object" || request === null) return false;
    const { type, payload } = request as Readonly<Record<string, unknown>>;
    if (type !== "info" && type !== "action") return false;
    const answer = (response: string): void =>
      this.connections.send(c, `{"channel":"post","data":{"id":${id},"response":${response}}}`);
    const refuse = (): void => {
      this.gateway.counts.malformed++;
      answer(JSON.stringify({ type: "error", payload: `422 Unprocessable Entity: ${JSON_422}` }));
    };
    const { carrier } = this.gateway;
    const ways = {
      skewed: skewTimes,
      give: answer,
      fail: (status: number) => answer(JSON.stringify({ type: "error", payload: statusLine(status) })),
      reject: (text: string) =>
        answer(JSON.stringify({ type: "action", payload: { status: "err", response: text } })),
      cut: () => this.connections.cut(c),
    };
    if (type === "info") {
      const infoType = String((payload as { type?: unknown } | null)?.type);
      carrier.request({ stream: "post", endpoint: "info", action: infoType }, c.wire, {
        execute: (give) => {
          const data = this.gateway.info(payload);
          if (data === MALFORMED) refuse();
          else if (data === UNHANDLED) ways.fail(500);
          else give(JSON.stringify({ type: "info", payload: { type: infoType, data } }));
        },
        ...ways,
      });
      return true;
    }
    const envelope = parseEnvelope(payload);
    if (envelope === undefined) {
      refuse();
      return true;
    }
    carrier.request({ stream: "post", endpoint: "exchange", action: envelope.action.type }, c.wire, {
      execute: (give) => {
        if (!this.budget.beginPost(c.ip)) {
          this.sendError(c, `too many pending post requests id=${id}`);
          return;
        }
        this.gateway.perform(envelope, (response) => {
          this.budget.endPost(c.ip);
          give(`{"type":"action","payload":${answerText(response)}}`);
        });
      },
      ...ways,
    });
    return true;
  }
}

const userOf = (s: Subscription): string | undefined => ("user" in s ? s.user : undefined);
