/**
 * A venue under the test's thumb: it answers subscriptions, records what it receives, and does nothing else by itself.
 * Not the simulated exchange: here every answer, also the wrong ones, is written by the test.
 */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { type Clock, Rng, type Timers } from "../../src/domain/index.js";
import type { NetworkEndpoints } from "../../src/venues/hyperliquid/network.js";
import { networkEndpoints } from "../../src/venues/hyperliquid/network.js";
import type { AckStatus, FillEvent, GatewayEvents, OrderUpdate } from "../../src/venues/port.js";

/** A signed payload as it arrived; which of the action's fields are there depends on its type. */
export interface Payload {
  readonly action: {
    readonly type: string;
    readonly orders: readonly object[];
    readonly cancels: readonly object[];
    readonly f?: boolean;
  };
  readonly nonce: number;
  readonly signature: { readonly r: string; readonly s: string; readonly v: number };
  readonly vaultAddress?: string;
  readonly expiresAfter?: number;
}

export interface Post {
  readonly id: number;
  readonly payload: Payload;
}

export class FakeVenue {
  readonly server: Server;
  readonly wss: WebSocketServer;
  sockets: WebSocket[] = [];
  connections = 0;
  readonly frames: Record<string, unknown>[] = [];
  readonly posts: Post[] = [];
  /** Payloads of `POST /exchange`. */
  readonly exchanged: Payload[] = [];
  acksSubscriptions = true;
  answersPings = true;
  onPost: (post: Post) => void = () => {};
  exchangeStatus = 200;
  exchangeAnswer: (payload: unknown) => string | undefined = () => "{}";
  infoAnswer: (request: Record<string, unknown>) => unknown = () => null;
  private readonly waiters: { done: () => boolean; resolve: () => void }[] = [];

  private constructor() {
    this.server = createServer((req, res) => {
      const chunks: Buffer[] = [];
      req.on("data", (chunk: Buffer) => chunks.push(chunk));
      req.on("end", () => {
        const body = JSON.parse(Buffer.concat(chunks).toString());
        if (req.url === "/info") {
          res.end(JSON.stringify(this.infoAnswer(body)));
          return;
        }
        this.exchanged.push(body);
        res.statusCode = this.exchangeStatus;
        const answer = this.exchangeAnswer(body);
        if (answer !== undefined) res.end(answer);
        this.wake();
      });
    });
    this.wss = new WebSocketServer({ server: this.server, path: "/ws" });
    this.wss.on("connection", (ws) => this.onConnection(ws));
  }

  static async start(): Promise<FakeVenue> {
    const venue = new FakeVenue();
    await new Promise<void>((resolve) => venue.server.listen(0, "127.0.0.1", resolve));
    return venue;
  }

  get endpoints(): NetworkEndpoints {
    return networkEndpoints("localhost", { port: (this.server.address() as AddressInfo).port });
  }

  send(frame: unknown): void {
    for (const ws of this.sockets) ws.send(typeof frame === "string" ? frame : JSON.stringify(frame));
  }

  /** Answers a post with the statuses of its elements. */
  answer(post: Post, statuses: unknown[], type = "order"): void {
    this.send(reply(post.id, { status: "ok", response: { type, data: { statuses } } }));
  }

  /** Waits for a condition that changes only with what this venue receives. */
  async until(done: () => boolean): Promise<void> {
    if (done()) return;
    await new Promise<void>((resolve) => this.waiters.push({ done, resolve }));
  }

  /** Cuts every connection without a word. */
  cut(): void {
    for (const ws of this.sockets) ws.terminate();
  }

  async stop(): Promise<void> {
    this.cut();
    this.wss.close();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private onConnection(ws: WebSocket): void {
    this.connections++;
    this.sockets.push(ws);
    ws.on("close", () => {
      this.sockets = this.sockets.filter((other) => other !== ws);
      this.wake();
    });
    ws.send("Websocket connection established.");
    ws.on("message", (data) => {
      const frame = JSON.parse(String(data));
      this.frames.push(frame);
      if (frame.method === "subscribe" && this.acksSubscriptions)
        ws.send(JSON.stringify(ack(frame.subscription)));
      if (frame.method === "ping" && this.answersPings) ws.send('{"channel":"pong"}');
      if (frame.method === "post") {
        const post = { id: frame.id, payload: frame.request.payload };
        this.posts.push(post);
        this.onPost(post);
      }
      this.wake();
    });
    this.wake();
  }

  private wake(): void {
    for (const waiter of [...this.waiters]) {
      if (!waiter.done()) continue;
      this.waiters.splice(this.waiters.indexOf(waiter), 1);
      waiter.resolve();
    }
  }
}

/** The venue normalises what it echoes. */
export const ack = (subscription: { type: string; user: string }): object => ({
  channel: "subscriptionResponse",
  data: {
    method: "subscribe",
    subscription: {
      ...subscription,
      ...(subscription.type === "userFills" ? { aggregateByTime: false } : {}),
    },
  },
});

export const reply = (id: number, payload: unknown, type = "action"): object => ({
  channel: "post",
  data: { id, response: { type, payload } },
});

/** Events as they came, and promises for those that are to come. */
export class Recorder implements GatewayEvents {
  readonly acks = new Map<number, readonly AckStatus[][]>();
  readonly ackOrder: number[] = [];
  readonly fills: FillEvent[] = [];
  readonly updates: OrderUpdate[] = [];
  readonly notices: string[] = [];
  readonly disconnects: string[] = [];
  connects = 0;
  private readonly waiters: { done: () => boolean; resolve: () => void }[] = [];

  onAck(batchId: number, statuses: readonly AckStatus[]): void {
    this.acks.set(batchId, [...(this.acks.get(batchId) ?? []), [...statuses]]);
    this.ackOrder.push(batchId);
    this.wake();
  }
  onOrderUpdates(updates: readonly OrderUpdate[]): void {
    this.updates.push(...updates);
    this.wake();
  }
  onFills(fills: readonly FillEvent[]): void {
    this.fills.push(...fills);
    this.wake();
  }
  onConnected(): void {
    this.connects++;
    this.wake();
  }
  onDisconnected(reason: string): void {
    this.disconnects.push(reason);
    this.wake();
  }
  onNotice(text: string): void {
    this.notices.push(text);
    this.wake();
  }

  async until(done: () => boolean): Promise<void> {
    if (done()) return;
    await new Promise<void>((resolve) => this.waiters.push({ done, resolve }));
  }

  /** The statuses of a batch, which must have come exactly once. */
  async ack(batchId: number): Promise<readonly AckStatus[]> {
    await this.until(() => this.acks.has(batchId));
    const all = this.acks.get(batchId)!;
    if (all.length !== 1) throw new Error(`batch ${batchId} was acknowledged ${all.length} times`);
    return all[0]!;
  }

  private wake(): void {
    for (const waiter of [...this.waiters]) {
      if (!waiter.done()) continue;
      this.waiters.splice(this.waiters.indexOf(waiter), 1);
      waiter.resolve();
    }
  }
}

export const clock: Clock = { monoNs: () => performance.now() * 1e6, wallMs: () => Date.now() };

/** Real timers divided by `speed`, so that heartbeats and time-outs of seconds pass in milliseconds. */
export const fastTimers = (speed: number): Timers => ({
  after: (ms, fn) => {
    const timer = setTimeout(fn, ms / speed);
    return () => clearTimeout(timer);
  },
  every: (ms, fn) => {
    const timer = setInterval(fn, ms / speed);
    return () => clearInterval(timer);
  },
});

export const rng = (): Rng => new Rng(7);
