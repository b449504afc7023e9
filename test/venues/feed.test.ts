import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { FeedState } from "../../src/abi/layout.js";
import { FrameOutcome } from "../../src/venues/hyperliquid/decode.js";
import type { FeedOptions, HyperliquidFeed } from "../../src/venues/hyperliquid/feed.js";
import { FeedSource } from "../../src/venues/hyperliquid/intake.js";
import { bookAt, Desk, statuses, Venue } from "./feed-desk.js";
import { BBO_FRAME, BOOK_FRAME, frameOf, INSTRUMENTS } from "./feed-fixture.js";

const CROSSED = BOOK_FRAME.replace("113397.0", "113376.5");

describe("intake", () => {
  it("makes an asset live with its first complete book, told after that book", () => {
    const desk = new Desk();
    desk.push(BBO_FRAME);
    expect(desk.intake.stateOf(0)).toBe(FeedState.Resync);
    desk.push(BOOK_FRAME);
    expect(desk.intake.stateOf(0)).toBe(FeedState.Live);
    desk.push(BOOK_FRAME);
    expect(desk.reader.take().map((r) => (r.kind === "status" ? `status ${r.state}` : r.kind))).toEqual([
      "bbo",
      "book",
      `status ${FeedState.Live}`,
      "book",
    ]);
    expect(desk.intake.stateOf(1)).toBe(FeedState.Resync);
    expect(desk.woken).toEqual([0, 0, 0]);
    expect(desk.counters.snapshot()).toMatchObject({ frames: 3, books: 2, bbos: 1, malformed: 0 });
  });

  it("turns an asset stale after silence, and live again only with a book", () => {
    const desk = new Desk();
    desk.push(BOOK_FRAME);
    desk.push(bookAt("ETH", 5));
    desk.reader.take();
    desk.time.advance(2000);
    desk.push(BBO_FRAME);
    desk.intake.tick();
    expect(desk.reader.take().map((r) => r.kind)).toEqual(["bbo"]);
    desk.time.advance(1500);
    desk.intake.tick();
    expect(statuses(desk.reader.take())).toEqual([[1, FeedState.Stale]]);
    desk.time.advance(1600);
    desk.intake.tick();
    desk.intake.tick();
    expect(statuses(desk.reader.take())).toEqual([[0, FeedState.Stale]]);
    desk.push(BBO_FRAME);
    expect(statuses(desk.reader.take())).toEqual([]);
    desk.push(BOOK_FRAME);
    expect(statuses(desk.reader.take())).toEqual([[0, FeedState.Live]]);
    expect(desk.counters.get("staleFlips")).toBe(2);
  });

  it.each([
    ["crossed book", CROSSED],
    ["truncated book", BOOK_FRAME.slice(0, 80)],
    ["truncated bbo", BBO_FRAME.slice(0, 80)],
  ])("after a %s its asset is in Resync until the next good book", (_name, frame) => {
    const desk = new Desk();
    desk.push(BOOK_FRAME);
    desk.push(bookAt("ETH", 5));
    desk.reader.take();
    expect(desk.push(frame)).toBe(FrameOutcome.Malformed);
    desk.push(BBO_FRAME);
    desk.push(frame);
    desk.push(BOOK_FRAME);
    expect(statuses(desk.reader.take())).toEqual([
      [0, FeedState.Resync],
      [0, FeedState.Live],
    ]);
    expect(desk.counters.snapshot()).toMatchObject({ malformed: 2, resyncs: 1 });
  });

  it("distrusts every asset when the venue's book names none that can be read, but a pusher cannot do that", () => {
    const desk = new Desk();
    desk.push(BOOK_FRAME);
    desk.push(bookAt("ETH", 5));
    desk.reader.take();
    const unreadable = '{"channel":"l2Book","data":{"co';
    desk.push(unreadable, FeedSource.Pushed);
    desk.push("garbage");
    expect(desk.reader.take()).toEqual([]);
    desk.push(unreadable);
    expect(statuses(desk.reader.take())).toEqual([
      [0, FeedState.Resync],
      [1, FeedState.Resync],
    ]);
  });

  it("logs each kind of trouble once a second, with what was held back", () => {
    const desk = new Desk();
    for (let i = 0; i < 50; i++) {
      desk.push("garbage\u001b[2J");
      desk.push(bookAt("DOGE", 1));
    }
    expect(desk.logged("feed.malformed")).toHaveLength(1);
    expect(desk.logged("feed.malformed")[0]!.fields).toMatchObject({ head: "garbage.[2J", suppressed: 0 });
    expect(desk.logged("feed.unknown-coin")).toHaveLength(1);
    desk.time.advance(1001);
    desk.push("garbage");
    expect(desk.logged("feed.malformed")[1]!.fields).toMatchObject({ suppressed: 49 });
    expect(desk.counters.snapshot()).toMatchObject({ malformed: 51, unknownCoin: 50 });
  });

  it("tolerates the venue's greeting", () => {
    const desk = new Desk();
    desk.push("Websocket connection established.");
    expect(desk.counters.snapshot()).toMatchObject({ frames: 1, malformed: 0 });
    expect(desk.logs).toEqual([]);
  });

  it("with a full ring: Resync before anything else, Live only after a book that was written whole", () => {
    const desk = new Desk(4096);
    desk.push(BOOK_FRAME);
    while (desk.push(BBO_FRAME) === FrameOutcome.Decoded);
    expect(desk.counters.snapshot()).toMatchObject({ noRoom: 1, resyncs: 1 });
    expect(desk.push(BOOK_FRAME)).toBe(FrameOutcome.NoRoom);
    expect(statuses(desk.reader.take())[0]).toEqual([0, FeedState.Live]);
    desk.push(BBO_FRAME);
    desk.push(BOOK_FRAME);
    const told = desk.reader.take().map((r) => (r.kind === "status" ? r.state : r.kind));
    expect(told.filter((t) => t !== FeedState.Resync)).toEqual(["bbo", "book", FeedState.Live]);
    expect(desk.intake.stateOf(0)).toBe(FeedState.Live);
    expect(desk.logged("feed.ring-full")).toMatchObject([{ level: "error", fields: { coin: "BTC" } }]);
  });

  it("owes the Resync when even a status finds no room, and pays before anything else", () => {
    const desk = new Desk(4096);
    desk.push(BOOK_FRAME);
    while (desk.decoder.writeStatus(1, FeedState.Resync, 0));
    expect(desk.push(BOOK_FRAME)).toBe(FrameOutcome.NoRoom);
    expect(desk.intake.stateOf(0)).toBe(FeedState.Live);
    desk.intake.tick();
    expect(desk.intake.stateOf(0)).toBe(FeedState.Live);
    desk.reader.take();
    desk.intake.tick();
    expect(desk.intake.stateOf(0)).toBe(FeedState.Resync);
    desk.push(BBO_FRAME);
    desk.push(BOOK_FRAME);
    expect(desk.reader.take().map((r) => (r.kind === "status" ? r.state : r.kind))).toEqual([
      FeedState.Resync,
      "bbo",
      "book",
      FeedState.Live,
    ]);
    // Without the tick, the next frame itself pays.
    while (desk.decoder.writeStatus(1, FeedState.Resync, 0));
    desk.push(BOOK_FRAME);
    desk.reader.take();
    desk.push(BOOK_FRAME);
    expect(desk.reader.take().map((r) => (r.kind === "status" ? r.state : r.kind))).toEqual([
      FeedState.Resync,
      "book",
      FeedState.Live,
    ]);
  });

  it("writes asset contexts with NaN for what is null, and survives wrong types", () => {
    const desk = new Desk();
    const ctx = (fields: unknown, coin: unknown = "BTC"): void => {
      desk.intake.accept(frameOf("activeAssetCtx", { coin, ctx: fields }), FeedSource.Own);
    };
    ctx({
      funding: "-0.0000125",
      openInterest: "39338.7",
      premium: null,
      oraclePx: "83778.1",
      markPx: 83757,
      midPx: null,
    });
    ctx({ funding: [], openInterest: {}, premium: "", oraclePx: "-1", markPx: "abc", midPx: true });
    ctx({}, "DOGE");
    ctx(null);
    ctx({}, 5);
    desk.intake.accept(frameOf("activeAssetCtx", null), FeedSource.Own);
    const nan = Number.NaN;
    expect(desk.reader.take()).toEqual([
      { kind: "ctx", asset: 0, values: [83757, 83778.1, nan, -0.0000125, 39338.7, nan] },
      { kind: "ctx", asset: 0, values: [nan, nan, nan, nan, nan, nan] },
    ]);
    expect(desk.counters.snapshot()).toMatchObject({ assetCtxs: 2, unknownCoin: 1, malformed: 3 });
  });

  it("estimates the clock offset as the least difference of the last windows", () => {
    const desk = new Desk();
    expect(desk.intake.clockOffsetMs).toBeNaN();
    desk.intake.onConnected();
    const now = (): number => desk.time.wallMs();
    desk.push(bookAt("BTC", now() - 300));
    desk.push(bookAt("BTC", now() - 240));
    desk.push(bookAt("BTC", now() - 900));
    expect(desk.intake.clockOffsetMs).toBe(240);
    expect(desk.counters.clockOffsetMs()).toBe(240);
    desk.time.advance(31_000);
    desk.push(bookAt("BTC", now() - 500));
    expect(desk.intake.clockOffsetMs).toBe(240);
    desk.time.advance(31_000);
    desk.push(bookAt("BTC", now() - 600));
    expect(desk.intake.clockOffsetMs).toBe(500);
  });

  it("keeps assets live through a lost connection while another source pushes them", () => {
    const desk = new Desk();
    desk.push(BOOK_FRAME);
    desk.push(bookAt("ETH", 5), FeedSource.Pushed);
    desk.reader.take();
    desk.intake.onDisconnected();
    expect(statuses(desk.reader.take())).toEqual([[0, FeedState.Resync]]);
    expect(desk.counters.get("pushedFrames")).toBe(1);
  });
});

describe("venue connection", () => {
  const cleanups: (() => Promise<void> | void)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0)) await cleanup();
  });

  async function open(
    options: Partial<FeedOptions> = {},
  ): Promise<{ desk: Desk; venue: Venue; feed: HyperliquidFeed }> {
    const venue = await Venue.open();
    cleanups.push(() => venue.stop());
    const desk = new Desk();
    const feed = desk.connect(venue.url, options);
    cleanups.push(() => feed.stop());
    await venue.until(() => venue.requests.length >= 12);
    return { desk, venue, feed };
  }
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  /** Lets sockets run until a condition on our own side holds. */
  async function until(condition: () => boolean): Promise<void> {
    const deadline = performance.now() + 10_000;
    while (!condition()) {
      if (performance.now() > deadline) throw new Error(`never happened: ${condition}`);
      await turn();
    }
  }
  const send = async (desk: Desk, venue: Venue, frame: string): Promise<void> => {
    const before = desk.counters.get("frames");
    venue.last.send(frame);
    await until(() => desk.counters.get("frames") > before);
  };

  it("subscribes all channels of all assets, books first, and tapes both directions", async () => {
    const { desk, venue } = await open();
    expect(venue.subscribed()).toEqual(
      INSTRUMENTS.flatMap(({ coin }) => [
        `l2Book ${coin}`,
        `bbo ${coin}`,
        `trades ${coin}`,
        `activeAssetCtx ${coin}`,
      ]),
    );
    expect(venue.requests[0]!.subscription!.fast).toBe(true);
    await send(desk, venue, "Websocket connection established.");
    await send(desk, venue, BOOK_FRAME);
    expect(desk.reader.take().map((r) => r.kind)).toEqual(["book", "status"]);
    expect(desk.taped.filter((t) => t.direction === "out")).toHaveLength(12);
    expect(desk.taped.filter((t) => t.direction === "in").map((t) => t.text)).toEqual([
      "Websocket connection established.",
      BOOK_FRAME,
    ]);
  });

  it("asks for slow books without the fast flag", async () => {
    const { venue } = await open({ isFastBook: false });
    expect(venue.requests[0]).toEqual({ method: "subscribe", subscription: { type: "l2Book", coin: "BTC" } });
  });

  it("after a lost connection: Resync at once, back off, subscribe again, live with the new snapshot", async () => {
    const { desk, venue } = await open();
    await send(desk, venue, BOOK_FRAME);
    desk.reader.take();
    venue.last.terminate();
    await until(() => desk.logged("feed.disconnected").length === 1);
    expect(statuses(desk.reader.take())).toEqual([[0, FeedState.Resync]]);
    expect(desk.counters.get("isConnected")).toBe(0);
    expect(venue.sockets).toHaveLength(1);
    const delayMs = desk.time.nextAfterMs()!;
    expect(delayMs).toBeGreaterThanOrEqual(0);
    expect(delayMs).toBeLessThanOrEqual(150);
    desk.time.advance(delayMs);
    await venue.until(() => venue.requests.length >= 24);
    expect(venue.subscribed().slice(12)).toEqual(venue.subscribed().slice(0, 12));
    await send(desk, venue, BOOK_FRAME);
    expect(desk.reader.take().map((r) => (r.kind === "status" ? r.state : r.kind))).toEqual([
      "book",
      FeedState.Live,
    ]);
    // The replay after the new subscription is no live flow.
    const old = { coin: "BTC", side: "B", px: "1", sz: "1", time: 1_754_450_000_000, tid: 9 };
    await send(desk, venue, JSON.stringify({ channel: "trades", data: [old] }));
    expect(desk.reader.take()).toMatchObject([{ kind: "trade", isBacklog: true }]);
    expect(desk.counters.snapshot()).toMatchObject({ connects: 2, isConnected: 1, resyncs: 1 });
  });

  it("backs off exponentially with full jitter, capped, and keeps to the connections per minute", async () => {
    // A server that refuses every upgrade.
    const server = createServer();
    server.on("upgrade", (_req, socket) => socket.end("HTTP/1.1 503 Service Unavailable\r\n\r\n"));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    cleanups.push(() => new Promise((resolve) => server.close(() => resolve())));
    const desk = new Desk();
    const feed = desk.connect(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, {
      maxConnectsPerMin: 12,
      backoffCapMs: 2000,
    });
    cleanups.push(() => feed.stop());
    const delaysMs: number[] = [];
    for (let k = 1; k <= 24; k++) {
      await until(() => desk.counters.get("connectFailures") === k);
      await until(() => desk.time.nextAfterMs() !== undefined);
      delaysMs.push(desk.time.nextAfterMs()!);
      desk.time.advance(desk.time.nextAfterMs()!);
    }
    for (const [k, delayMs] of delaysMs.slice(0, 11).entries()) {
      expect(delayMs).toBeLessThanOrEqual(Math.min(2000, 150 * 2 ** k));
    }
    expect(new Set(delaysMs).size).toBeGreaterThan(10);
    // Any 13 consecutive attempts span a minute.
    for (let k = 0; k + 12 <= delaysMs.length; k++) {
      expect(delaysMs.slice(k, k + 12).reduce((a, b) => a + b)).toBeGreaterThanOrEqual(59_999);
    }
    expect(desk.logged("feed.connect-failed")[0]!.fields["reason"]).toContain("503");
    expect(desk.logged("feed.disconnected")).toEqual([]);
  });

  it("starts the back-off afresh only after a connection that lasted", async () => {
    const { desk, venue } = await open();
    const ceilings = [150, 300, 600];
    for (const [k, ceiling] of ceilings.entries()) {
      venue.last.terminate();
      await until(() => desk.logged("feed.disconnected").length === k + 1);
      const delayMs = desk.time.nextAfterMs()!;
      expect(delayMs).toBeLessThanOrEqual(ceiling);
      desk.time.advance(delayMs);
      await until(() => desk.counters.get("connects") === k + 2);
      expect(desk.logged("feed.connected").at(-1)!.fields["attempt"]).toBe(k + 1);
    }
    desk.time.advance(10_000);
    venue.last.terminate();
    await until(() => desk.logged("feed.disconnected").length === 4);
    desk.time.advance(desk.time.nextAfterMs()!);
    await until(() => desk.counters.get("connects") === 5);
    expect(desk.logged("feed.connected").at(-1)!.fields["attempt"]).toBe(1);
  });

  it("pings, and cuts a connection that does not answer in time", async () => {
    const { desk, venue } = await open();
    const pings = (): number => venue.requests.filter((r) => r.method === "ping").length;
    desk.time.advance(30_000);
    await venue.until(() => pings() === 1);
    await until(() => desk.counters.get("others") === 1);
    desk.time.advance(15_000);
    expect(desk.counters.get("pongTimeouts")).toBe(0);
    venue.answersPing = false;
    desk.time.advance(15_000);
    await venue.until(() => pings() === 2);
    desk.time.advance(9_999);
    expect(desk.feed!.isConnected).toBe(true);
    desk.time.advance(1);
    await until(() => desk.logged("feed.disconnected").length === 1);
    expect(desk.counters.get("pongTimeouts")).toBe(1);
    expect(desk.logged("feed.disconnected")[0]!.fields["reason"]).toBe("no pong within 10000 ms");
  });

  it("finds staleness by itself and asks for a new snapshot while an asset is not live", async () => {
    const { desk, venue } = await open();
    for (const { coin } of INSTRUMENTS) await send(desk, venue, bookAt(coin, 5));
    desk.reader.take();
    const requests = venue.requests.length;
    desk.time.advance(2900);
    for (const { coin } of INSTRUMENTS.slice(1)) await send(desk, venue, bookAt(coin, 6));
    desk.time.advance(300);
    expect(statuses(desk.reader.take())).toEqual([[0, FeedState.Stale]]);
    await venue.until(() => venue.requests.length >= requests + 2);
    expect(
      venue.requests
        .slice(requests)
        .map((r) => `${r.method} ${r.subscription?.type} ${r.subscription?.coin}`),
    ).toEqual(["unsubscribe l2Book BTC", "subscribe l2Book BTC"]);
    await send(desk, venue, BOOK_FRAME);
    expect(statuses(desk.reader.take())).toEqual([[0, FeedState.Live]]);
  });

  it("survives every kind of bad frame on the wire, and a frame beyond the bound ends only the connection", async () => {
    const { desk, venue } = await open({ maxPayloadBytes: 3 << 20 });
    await send(desk, venue, BOOK_FRAME);
    await send(desk, venue, CROSSED);
    await send(desk, venue, "\u0000\u0001");
    await send(desk, venue, `{"channel":"x","data":"${"y".repeat(2 << 20)}"}`);
    venue.last.send(Buffer.from([0xff, 0xfe, 0x7b]), { binary: false });
    venue.last.send('{"channel":"error","data":"Invalid subscription {}"}');
    await until(() => desk.logged("feed.venue-error").length === 1);
    expect(desk.counters.snapshot()).toMatchObject({ malformed: 3, oversized: 1, isConnected: 1 });
    venue.last.send("z".repeat(4 << 20));
    await until(() => desk.logged("feed.disconnected").length === 1);
    expect(desk.counters.get("oversized")).toBe(2);
    desk.time.advance(150);
    await until(() => desk.counters.get("connects") === 2);
  });

  it("stops for good: socket closed, no timer left, no reconnect", async () => {
    const { desk, venue, feed } = await open();
    await feed.stop();
    await venue.until(() => venue.last.readyState === WebSocket.CLOSED);
    expect(desk.time.count).toBe(0);
    expect(desk.logged("feed.disconnected")).toMatchObject([{ level: "debug" }]);
    desk.time.advance(60_000);
    await turn();
    expect(venue.sockets).toHaveLength(1);
    await feed.stop();
  });

  it("stops while it is waiting to reconnect", async () => {
    const { desk, venue, feed } = await open();
    venue.last.terminate();
    await until(() => desk.logged("feed.disconnected").length === 1);
    await feed.stop();
    expect(desk.time.count).toBe(0);
  });

  it("refuses an address that is no WebSocket's with one clear line", () => {
    expect(() => new Desk().connect("ftp://nowhere")).toThrow("is not a WebSocket address");
  });
});
