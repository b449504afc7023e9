import { afterEach, describe, expect, it } from "vitest";
import { FeedState } from "../../src/abi/layout.js";
import { FrameOutcome } from "../../src/venues/hyperliquid/decode.js";
import { FeedSource } from "../../src/venues/hyperliquid/intake.js";
import { bookAt, Desk, statuses, Venue } from "./feed-desk.js";
import { BOOK_FRAME, INSTRUMENTS } from "./feed-fixture.js";

const T = 1_754_450_974_000;
const bbo = (time: number, bid = "10.0"): string =>
  JSON.stringify({
    channel: "bbo",
    data: {
      coin: "BTC",
      time,
      bbo: [
        { px: bid, sz: "1", n: 1 },
        { px: "11.0", sz: "2", n: 1 },
      ],
    },
  });
const trade = (tid: number, time = T): string =>
  JSON.stringify({ channel: "trades", data: [{ coin: "BTC", side: "B", px: "11.0", sz: "1", time, tid }] });
const kinds = (desk: Desk): string[] => desk.reader.take().map((r) => r.kind);

describe("two connections on one intake", () => {
  const paired = (): Desk => {
    const desk = new Desk(1 << 18, true);
    desk.intake.onConnected(FeedSource.Own);
    desk.intake.onConnected(FeedSource.Standby);
    return desk;
  };

  it("writes the first frame and drops its repetition, whichever connection was first", () => {
    const desk = paired();
    desk.push(bookAt("BTC", T), FeedSource.Own);
    expect(kinds(desk)).toEqual(["book", "status"]);
    desk.push(bookAt("BTC", T), FeedSource.Standby);
    desk.push(bbo(T + 1), FeedSource.Standby);
    desk.push(bbo(T + 1), FeedSource.Own);
    desk.push(trade(7), FeedSource.Standby);
    desk.push(trade(7), FeedSource.Own);
    expect(kinds(desk)).toEqual(["bbo", "trade"]);
    expect(desk.counters.snapshot()).toMatchObject({
      books: 1,
      bbos: 1,
      trades: 1,
      primaryWins: 1,
      standbyWins: 2,
      repeatedFrames: 3,
    });
  });

  it("drops what is older than the last of its stream, and keeps other news of the same millisecond", () => {
    const desk = paired();
    desk.push(bookAt("BTC", T + 5), FeedSource.Own);
    desk.push(bbo(T + 5), FeedSource.Own);
    kinds(desk);
    desk.push(bookAt("BTC", T), FeedSource.Standby);
    desk.push(bbo(T + 4), FeedSource.Standby);
    expect(kinds(desk)).toEqual([]);
    desk.push(bbo(T + 5, "10.5"), FeedSource.Standby);
    desk.push(bookAt("BTC", T + 5).replace("10.0", "10.5"), FeedSource.Standby);
    desk.push(bookAt("BTC", T + 5).replace('"sz":"2","n":1', '"sz":"2","n":3'), FeedSource.Standby);
    expect(kinds(desk)).toEqual(["bbo", "book", "book"]);
  });

  it("remembers each asset and each side for itself", () => {
    const desk = paired();
    desk.push(bookAt("BTC", T), FeedSource.Own);
    desk.push(bookAt("ETH", T), FeedSource.Standby);
    const shallow = bookAt("BTC", T + 1).replace('[{"px":"10.0","sz":"1","n":1}]', "[]");
    desk.push(shallow, FeedSource.Own);
    desk.push(shallow, FeedSource.Standby);
    expect(desk.reader.take().map((r) => `${r.kind} ${r.asset}`)).toEqual([
      "book 0",
      "status 0",
      "book 1",
      "status 1",
      "book 0",
    ]);
  });

  it("when one dies: no gap, no Resync, no replayed trade taken for news when it returns", () => {
    const desk = paired();
    for (const source of [FeedSource.Own, FeedSource.Standby]) {
      desk.push(bookAt("BTC", T), source);
      desk.push(trade(1, T + 1), source);
    }
    desk.reader.take();
    desk.intake.onDisconnected(FeedSource.Own);
    desk.push(bookAt("BTC", T + 500), FeedSource.Standby);
    desk.push(trade(2, T + 501), FeedSource.Standby);
    desk.intake.onConnected(FeedSource.Own);
    // The venue replays after the new subscription, and repeats its snapshot.
    desk.push(trade(1, T + 1), FeedSource.Own);
    desk.push(trade(2, T + 501), FeedSource.Own);
    desk.push(bookAt("BTC", T + 500), FeedSource.Own);
    desk.push(trade(3, T + 502), FeedSource.Own);
    const records = desk.reader.take();
    expect(statuses(records)).toEqual([]);
    expect(records.map((r) => r.kind)).toEqual(["book", "trade", "trade"]);
    expect(records.map((r) => (r.kind === "trade" ? r.isBacklog : undefined))).toEqual([
      undefined,
      false,
      false,
    ]);
    expect(desk.intake.stateOf(0)).toBe(FeedState.Live);
    expect(desk.counters.snapshot()).toMatchObject({ resyncs: 0, duplicateTrades: 3 });
  });

  it("when both die every asset needs a new book, even one that repeats the last", () => {
    const desk = paired();
    desk.push(bookAt("BTC", T), FeedSource.Own);
    desk.reader.take();
    desk.time.advance(3100);
    desk.intake.onDisconnected(FeedSource.Own);
    expect(statuses(desk.reader.take())).toEqual([[0, FeedState.Resync]]);
    desk.intake.onDisconnected(FeedSource.Standby);
    desk.intake.onConnected(FeedSource.Standby);
    desk.push(bookAt("BTC", T), FeedSource.Standby);
    expect(kinds(desk)).toEqual(["book", "status"]);
    expect(desk.intake.stateOf(0)).toBe(FeedState.Live);
  });

  it("keeps the clock offset while one connection is up", () => {
    const desk = paired();
    desk.push(bookAt("BTC", desk.time.wallMs() - 40), FeedSource.Standby);
    desk.intake.onDisconnected(FeedSource.Own);
    desk.intake.onConnected(FeedSource.Own);
    expect(desk.intake.clockOffsetMs).toBe(40);
  });
});

describe("a book that stays away while its market moves", () => {
  it("makes the asset stale although bbos and trades go on, and a quiet market does not", () => {
    const desk = new Desk();
    desk.push(BOOK_FRAME);
    desk.reader.take();
    for (let i = 1; i <= 3; i++) {
      desk.time.advance(2000);
      desk.push(bbo(T + i));
      desk.intake.tick();
    }
    expect(statuses(desk.reader.take())).toEqual([]);
    desk.time.advance(500);
    desk.push(trade(1));
    desk.intake.tick();
    expect(statuses(desk.reader.take())).toEqual([[0, FeedState.Stale]]);
    desk.push(BOOK_FRAME);
    desk.intake.tick();
    expect(statuses(desk.reader.take())).toEqual([[0, FeedState.Live]]);
  });
});

describe("a pushed frame from the future", () => {
  it("is refused and leaves the asset live on the venue's own books", () => {
    const desk = new Desk();
    desk.intake.onConnected();
    const now = (): number => desk.time.wallMs();
    desk.push(bookAt("BTC", now() - 250));
    desk.reader.take();
    for (const frame of [bookAt("BTC", now() + 60_000), bbo(now() + 60_000), trade(1, now() + 60_000)]) {
      expect(desk.push(frame, FeedSource.Pushed)).toBe(FrameOutcome.Future);
    }
    desk.intake.tick();
    desk.push(bookAt("BTC", now() - 240));
    expect(kinds(desk)).toEqual(["book"]);
    expect(desk.intake.stateOf(0)).toBe(FeedState.Live);
    expect(desk.counters.snapshot()).toMatchObject({ futureFrames: 3, malformed: 0, pushedFrames: 3 });
    expect(desk.logged("feed.future")).toMatchObject([{ level: "warn", fields: { source: "push" } }]);
  });

  it("is held against the venue's clock, which may be behind or ahead of ours", () => {
    const desk = new Desk();
    desk.intake.onConnected();
    const now = (): number => desk.time.wallMs();
    const skewMs = 3_600_000;
    desk.push(bookAt("BTC", now() - skewMs));
    expect(desk.push(bookAt("BTC", now() - skewMs + 1900), FeedSource.Pushed)).toBe(FrameOutcome.Decoded);
    expect(desk.push(bookAt("BTC", now() - skewMs + 2100), FeedSource.Pushed)).toBe(FrameOutcome.Future);
    desk.intake.onDisconnected();
    desk.intake.onConnected();
    desk.push(bookAt("BTC", now() + skewMs));
    expect(desk.push(bookAt("BTC", now() + skewMs + 1000), FeedSource.Pushed)).toBe(FrameOutcome.Decoded);
  });

  it("without a connection of our own is held against the host's clock; the past may be pushed", () => {
    const desk = new Desk();
    expect(desk.push(bookAt("BTC", desk.time.wallMs() + 2001), FeedSource.Pushed)).toBe(FrameOutcome.Future);
    expect(desk.push(bookAt("BTC", desk.time.wallMs() + 1999), FeedSource.Pushed)).toBe(FrameOutcome.Decoded);
    expect(desk.push(bookAt("BTC", 5), FeedSource.Pushed)).toBe(FrameOutcome.Decoded);
  });
});

describe("primary and standby sockets", () => {
  const cleanups: (() => Promise<void> | void)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0)) await cleanup();
  });

  it("one socket cut: quotes go on from the other, the lost one returns, nothing is told twice", async () => {
    const venue = await Venue.open();
    cleanups.push(() => venue.stop());
    const desk = new Desk(1 << 18, true);
    for (let i = 0; i < 2; i++) {
      const feed = desk.connect(venue.url);
      cleanups.push(() => feed.stop());
    }
    await venue.until(() => venue.requests.length >= 2 * 4 * INSTRUMENTS.length);
    const frames = async (count: number): Promise<void> => {
      const deadline = performance.now() + 10_000;
      while (desk.counters.get("frames") < count) {
        if (performance.now() > deadline) throw new Error(`only ${desk.counters.get("frames")} frames`);
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    };
    for (const socket of venue.sockets) socket.send(bookAt("BTC", T));
    await frames(2);
    expect(kinds(desk)).toEqual(["book", "status"]);
    expect(desk.counters.snapshot()).toMatchObject({ isConnected: 1, isStandbyConnected: 1 });

    const [first, second] = venue.sockets;
    first!.terminate();
    while (desk.logged("feed.disconnected").length === 0) {
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    second!.send(bookAt("BTC", T + 500));
    await frames(3);
    desk.time.advance(150);
    await venue.until(() => venue.sockets.length === 3);
    for (const socket of venue.sockets.slice(1)) socket.send(bookAt("BTC", T + 1000));
    await frames(5);
    expect(kinds(desk)).toEqual(["book", "book"]);
    expect(desk.counters.snapshot()).toMatchObject({ resyncs: 0, staleFlips: 0, repeatedFrames: 2 });
  });
});
