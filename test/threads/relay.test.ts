import { once } from "node:events";
import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { RecordKind } from "../../src/abi/layout.js";
import { DEFAULT_RELAY_OPTIONS, Relay, type RelayOptions } from "../../src/threads/relay.js";
import { FrameOutcome } from "../../src/venues/hyperliquid/decode.js";
import { createFeedCounters, FeedCounters } from "../../src/venues/hyperliquid/feed-counters.js";
import { BOOK_FRAME, INSTRUMENTS, TRADE_FRAME, utf8 } from "../venues/feed-fixture.js";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

interface Rig {
  readonly relay: Relay;
  readonly port: number;
  readonly counters: FeedCounters;
  readonly pushed: string[];
  readonly logs: string[];
}

async function rig(
  options: Partial<RelayOptions> = {},
  push?: (frame: Uint8Array) => FrameOutcome,
): Promise<Rig> {
  const counters = new FeedCounters(createFeedCounters());
  const pushed: string[] = [];
  const logs: string[] = [];
  const relay = new Relay(
    INSTRUMENTS,
    { ...DEFAULT_RELAY_OPTIONS, port: 0, ...options },
    {
      counters,
      log: (_level, event) => logs.push(event),
      push:
        push ??
        ((frame) => {
          pushed.push(Buffer.from(frame).toString());
          return FrameOutcome.Decoded;
        }),
    },
  );
  cleanups.push(() => relay.close());
  return { relay, port: await relay.listen(), counters, pushed, logs };
}

/** A client that queues what it is sent. */
class Client {
  readonly received: string[] = [];
  readonly closed: Promise<number>;
  private waiters: (() => void)[] = [];

  private constructor(readonly socket: WebSocket) {
    socket.on("message", (data: Buffer) => {
      this.received.push(data.toString());
      for (const waiter of this.waiters.splice(0)) waiter();
    });
    socket.on("error", () => {});
    this.closed = once(socket, "close").then(([code]) => code as number);
    cleanups.push(() => socket.terminate());
  }
  static async open(port: number, path = "/ws", headers = {}): Promise<Client> {
    const client = new Client(new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers }));
    await once(client.socket, "open");
    return client;
  }
  async next(): Promise<string> {
    while (this.received.length === 0) await new Promise<void>((resolve) => this.waiters.push(resolve));
    return this.received.shift()!;
  }
  async ask(method: string, type: string, coin: string): Promise<unknown> {
    this.socket.send(JSON.stringify({ method, subscription: { type, coin } }));
    return JSON.parse(await this.next());
  }
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`never happened: ${condition}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe("subscribers", () => {
  it("are sent their channels' frames as they came, and nothing else", async () => {
    const { relay, port, counters } = await rig();
    const [books, trades] = [await Client.open(port), await Client.open(port)];
    expect(counters.get("relayClients")).toBe(2);
    expect(await books.ask("subscribe", "l2Book", "BTC")).toEqual({
      channel: "subscriptionResponse",
      data: { method: "subscribe", subscription: { type: "l2Book", coin: "BTC" } },
    });
    await trades.ask("subscribe", "trades", "ETH");
    relay.fanOut(RecordKind.Book, 1, utf8("other coin"));
    relay.fanOut(RecordKind.Trade, 1, utf8(TRADE_FRAME));
    relay.fanOut(RecordKind.Book, 0, utf8(BOOK_FRAME));
    expect(await books.next()).toBe(BOOK_FRAME);
    expect(await trades.next()).toBe(TRADE_FRAME);
    await books.ask("unsubscribe", "l2Book", "BTC");
    relay.fanOut(RecordKind.Book, 0, utf8(BOOK_FRAME));
    books.socket.send('{"method":"ping"}');
    expect(await books.next()).toBe('{"channel":"pong"}');
    books.socket.close();
    await until(() => counters.get("relayClients") === 1);
  });

  it("are sent the latest snapshot first, but no old trades", async () => {
    const { relay, port } = await rig();
    relay.fanOut(RecordKind.Book, 0, utf8(`${BOOK_FRAME}${" ".repeat(100)}`));
    relay.fanOut(RecordKind.Book, 0, utf8(BOOK_FRAME));
    relay.fanOut(RecordKind.Trade, 0, utf8(TRADE_FRAME));
    const client = await Client.open(port);
    await client.ask("subscribe", "trades", "BTC");
    await client.ask("subscribe", "l2Book", "BTC");
    expect(await client.next()).toBe(BOOK_FRAME);
  });

  it("get the venue's error texts for what they ask wrongly", async () => {
    const { port } = await rig();
    const client = await Client.open(port);
    const texts: unknown[] = [];
    for (const text of [
      "{",
      "7",
      "null",
      '{"method":"post"}',
      '{"method":"subscribe","subscription":{"type":1}}',
    ]) {
      client.socket.send(text);
      texts.push((JSON.parse(await client.next()) as { data: string }).data);
    }
    for (const text of texts) expect(text).toMatch(/^Error parsing JSON into valid websocket request: /);
    expect(await client.ask("subscribe", "candle", "BTC")).toEqual({
      channel: "error",
      data: 'Invalid subscription {"type":"candle","coin":"BTC"}',
    });
    expect(await client.ask("subscribe", "bbo", "DOGE")).toMatchObject({ channel: "error" });
    await client.ask("subscribe", "bbo", "BTC");
    expect(await client.ask("subscribe", "bbo", "BTC")).toEqual({
      channel: "error",
      data: 'Already subscribed: {"type":"bbo","coin":"BTC"}',
    });
    expect(await client.ask("unsubscribe", "trades", "BTC")).toMatchObject({
      data: 'Already unsubscribed: {"type":"trades","coin":"BTC"}',
    });
  });

  it("that read too slowly are cut off and counted, while others are served", async () => {
    const { relay, port, counters, logs } = await rig({ maxBackpressureBytes: 64 * 1024 });
    const slow = await Client.open(port);
    const quick = await Client.open(port);
    await slow.ask("subscribe", "l2Book", "BTC");
    await quick.ask("subscribe", "l2Book", "BTC");
    slow.socket.pause();
    const big = utf8(`${BOOK_FRAME}${" ".repeat(16_000)}`);
    // Far beyond what the kernel's socket buffers take.
    for (let i = 0; i < 3000 && counters.get("relaySlowDropped") === 0; i++) {
      relay.fanOut(RecordKind.Book, 0, big);
      await quick.next();
    }
    expect(counters.get("relaySlowDropped")).toBe(1);
    await until(() => counters.get("relayClients") === 1);
    expect(logs.filter((event) => event === "relay.slow-client")).toHaveLength(1);
    relay.fanOut(RecordKind.Book, 0, utf8(BOOK_FRAME));
    while ((await quick.next()) !== BOOK_FRAME);
  });
});

describe("pushers", () => {
  it("hand frames in as text and as binary", async () => {
    const { port, pushed } = await rig();
    const client = await Client.open(port, "/push");
    client.socket.send(BOOK_FRAME);
    client.socket.send(Buffer.from(TRADE_FRAME), { binary: true });
    await until(() => pushed.length === 2);
    expect(pushed).toEqual([BOOK_FRAME, TRADE_FRAME]);
  });

  it("are cut off after too many bad frames, each counted", async () => {
    const { port, counters } = await rig({ maxPushErrors: 5 }, () => FrameOutcome.Malformed);
    const client = await Client.open(port, "/push");
    for (let i = 0; i < 6; i++) client.socket.send("junk");
    expect(await client.closed).toBe(1008);
    expect(counters.get("relayPushErrors")).toBe(6);
  });

  it("are disconnected for a message beyond the bound, and may come back", async () => {
    const { port, pushed } = await rig({ maxFrameBytes: 1000 });
    const client = await Client.open(port, "/push");
    client.socket.send("x".repeat(5000));
    await client.closed;
    const again = await Client.open(port, "/push");
    again.socket.send("fine");
    await until(() => pushed.length === 1);
    expect(pushed).toEqual(["fine"]);
  });
});

describe("the port", () => {
  it.each(["/ws", "/push"])("refuses browsers on %s", async (path) => {
    const { port } = await rig();
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { origin: "https://evil.example" });
    const [error] = (await once(socket, "error")) as [Error];
    expect(error.message).toContain("403");
  });

  it("is exclusive: a second relay on it fails with what to do", async () => {
    const { port } = await rig();
    await expect(rig({ port })).rejects.toThrow(
      `relay: cannot listen on 127.0.0.1:${port}; is the port in use?`,
    );
  });

  it("listens on loopback only by default", async () => {
    const { port } = await rig();
    // 127.0.0.2 is this machine too, but not the address that was bound.
    const socket = connect(port, "127.0.0.2");
    const [error] = (await once(socket, "error")) as [NodeJS.ErrnoException];
    expect(error.code).toBe("ECONNREFUSED");
  });

  it("closes every connection with it, twice without harm", async () => {
    const { relay, port } = await rig();
    const client = await Client.open(port);
    relay.close();
    relay.close();
    await client.closed;
  });
});
