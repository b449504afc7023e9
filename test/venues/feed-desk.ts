/** What the feed tests share: a desk under manual time, and a venue that says what it is told. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { type Clock, Rng, type Timers } from "../../src/domain/index.js";
import { createRing, RingProducer } from "../../src/rings/index.js";
import { FrameDecoder, type FrameOutcome } from "../../src/venues/hyperliquid/decode.js";
import {
  DEFAULT_FEED_OPTIONS,
  type FeedOptions,
  HyperliquidFeed,
} from "../../src/venues/hyperliquid/feed.js";
import { createFeedCounters, FeedCounters } from "../../src/venues/hyperliquid/feed-counters.js";
import { FeedIntake, type FeedLogLevel, FeedSource } from "../../src/venues/hyperliquid/intake.js";
import { INSTRUMENTS, type MarketRecord, RingReader, utf8 } from "./feed-fixture.js";

/** A clock that moves when told, and the timers that go with it. */
export class ManualTime implements Clock, Timers {
  private nowMs = 0;
  private pending: { at: number; period: number; fn: () => void }[] = [];

  monoNs(): number {
    return this.nowMs * 1e6;
  }
  wallMs(): number {
    return 1_754_450_974_231 + this.nowMs;
  }
  after(delayMs: number, fn: () => void): () => void {
    return this.add(delayMs, 0, fn);
  }
  every(periodMs: number, fn: () => void): () => void {
    return this.add(periodMs, periodMs, fn);
  }
  advance(ms: number): void {
    const end = this.nowMs + ms;
    for (;;) {
      const next = this.pending.filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.nowMs = Math.max(this.nowMs, next.at);
      if (next.period > 0) next.at += next.period;
      else this.pending = this.pending.filter((t) => t !== next);
      next.fn();
    }
    this.nowMs = end;
  }
  /** Delay of the one-shot timer that fires next; periodic ones are not counted. */
  nextAfterMs(): number | undefined {
    const shots = this.pending.filter((t) => t.period === 0).map((t) => t.at - this.nowMs);
    return shots.length === 0 ? undefined : Math.min(...shots);
  }
  get count(): number {
    return this.pending.length;
  }

  private add(delayMs: number, period: number, fn: () => void): () => void {
    const timer = { at: this.nowMs + delayMs, period, fn };
    this.pending.push(timer);
    return () => {
      this.pending = this.pending.filter((t) => t !== timer);
    };
  }
}

export interface LogLine {
  readonly level: FeedLogLevel;
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export class Desk {
  readonly time = new ManualTime();
  readonly counters = new FeedCounters(createFeedCounters());
  readonly logs: LogLine[] = [];
  readonly woken: number[] = [];
  readonly taped: { direction: "in" | "out"; text: string }[] = [];
  readonly reader: RingReader;
  readonly decoder: FrameDecoder;
  readonly intake: FeedIntake;
  /** The primary, and the standby of a desk that has one. */
  readonly feeds: HyperliquidFeed[] = [];

  constructor(capacityBytes = 1 << 18, hasStandby = false) {
    const ring = createRing(capacityBytes);
    const producer = new RingProducer(ring, { assertsOwner: true });
    this.reader = new RingReader(ring);
    this.decoder = new FrameDecoder(INSTRUMENTS, () => producer);
    this.intake = new FeedIntake(
      INSTRUMENTS,
      this.decoder,
      { staleAfterMs: 3000, hasStandby },
      {
        clock: this.time,
        log: (level, event, fields) => this.logs.push({ level, event, fields }),
        counters: this.counters,
        wake: (asset) => this.woken.push(asset),
        tap: this.tap,
        onControl: (channel, data, source) =>
          this.feeds[source === FeedSource.Standby ? 1 : 0]?.onControl(channel, data),
      },
    );
  }

  private get tap() {
    const note =
      (direction: "in" | "out") =>
      (_stream: string, bytes: Uint8Array): void => {
        this.taped.push({ direction, text: Buffer.from(bytes).toString() });
      };
    return { inbound: note("in"), outbound: note("out") };
  }

  push(text: string, source: FeedSource = FeedSource.Own): FrameOutcome {
    return this.intake.accept(utf8(text), source);
  }

  get feed(): HyperliquidFeed | undefined {
    return this.feeds[0];
  }

  connect(url: string, options: Partial<FeedOptions> = {}): HyperliquidFeed {
    const feed = new HyperliquidFeed(
      this.intake,
      INSTRUMENTS,
      { ...DEFAULT_FEED_OPTIONS, ...options, url },
      {
        clock: this.time,
        timers: this.time,
        rng: new Rng(1),
        log: (level, event, fields) => this.logs.push({ level, event, fields }),
        counters: this.counters,
        tap: this.tap,
        source: this.feeds.length === 0 ? FeedSource.Own : FeedSource.Standby,
      },
    );
    this.feeds.push(feed);
    feed.start();
    return feed;
  }

  logged(event: string): LogLine[] {
    return this.logs.filter((line) => line.event === event);
  }
}

export const bookAt = (coin: string, time: number): string =>
  JSON.stringify({
    channel: "l2Book",
    data: { coin, time, levels: [[{ px: "10.0", sz: "1", n: 1 }], [{ px: "11.0", sz: "2", n: 1 }]] },
  });
export const statuses = (records: readonly MarketRecord[]): [number, number][] =>
  records.flatMap((r) => (r.kind === "status" ? [[r.asset, r.state] as [number, number]] : []));
/** A venue that records requests and says what it is told. */
export class Venue {
  readonly requests: { method: string; subscription?: { type: string; coin: string; fast?: boolean } }[] = [];
  readonly sockets: WebSocket[] = [];
  answersPing = true;
  private waiters: (() => void)[] = [];

  private constructor(private readonly server: WebSocketServer) {
    server.on("connection", (socket) => {
      this.sockets.push(socket);
      socket.on("error", () => {});
      socket.on("close", () => this.wake());
      socket.on("message", (data: Buffer) => {
        const request = JSON.parse(data.toString()) as (typeof this.requests)[number];
        this.requests.push(request);
        if (request.method === "ping" && this.answersPing) socket.send('{"channel":"pong"}');
        this.wake();
      });
      this.wake();
    });
  }
  static async open(): Promise<Venue> {
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
    await once(server, "listening");
    const venue = new Venue(server);
    return venue;
  }
  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.terminate();
    await new Promise((resolve) => this.server.close(resolve));
  }
  get url(): string {
    return `ws://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }
  get last(): WebSocket {
    return this.sockets.at(-1)!;
  }
  subscribed(): string[] {
    return this.requests
      .filter((r) => r.method === "subscribe")
      .map((r) => `${r.subscription!.type} ${r.subscription!.coin}`);
  }
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.waiters.push(resolve));
  }
  private wake(): void {
    for (const waiter of this.waiters.splice(0)) waiter();
  }
}
