import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { openTape, type Tape, type TapeEvent, type TapeOptions } from "../../src/store/tape/index.js";

const root = mkdtempSync(join(tmpdir(), "mm-tape-"));
let dir = root;
let made = 0;
beforeEach(() => {
  dir = mkdtempSync(join(root, `${made++}-`));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

function file(name: string, lines: readonly string[]): string {
  const path = join(dir, name);
  const text = lines.map((line) => `${line}\n`).join("");
  writeFileSync(path, name.endsWith(".gz") ? gzipSync(text) : text);
  return path;
}

type Seen = Partial<TapeEvent> & { kind: TapeEvent["kind"] };

/** Copies of the events, cut to what is valid for their kind. */
function events(tape: Tape): Seen[] {
  const out: Seen[] = [];
  for (let e = tape.next(); e !== undefined; e = tape.next()) {
    const { kind, recvMs, exchMs } = e;
    if (kind === "trade") {
      const { pxTicks, szLots, side, tid, isBacklog } = e;
      out.push({ kind, recvMs, exchMs, pxTicks, szLots, side, tid, isBacklog });
    } else if (kind === "gap") out.push({ kind, recvMs, exchMs });
    else
      out.push({
        kind,
        recvMs,
        exchMs,
        bidPxTicks: e.bidPxTicks.slice(0, e.bidCount),
        bidSzLots: e.bidSzLots.slice(0, e.bidCount),
        askPxTicks: e.askPxTicks.slice(0, e.askCount),
        askSzLots: e.askSzLots.slice(0, e.askCount),
      });
  }
  return out;
}

/** Receive time in ns from ms; exchange times in these tests are 100 ms ahead or behind by the test's choice. */
const T0 = 1_723_161_255_000;
const ns = (ms: number): string => `${T0 + ms}000000`;

const depth = (recvMs: number, U: number, u: number, pu: number, b: string[][], a: string[][]): string =>
  `${ns(recvMs)} ${JSON.stringify({
    stream: "btcusdt@depth@0ms",
    data: { e: "depthUpdate", E: T0 + recvMs + 1000, s: "BTCUSDT", U, u, pu, b, a },
  })}`;
const snapshot = (recvMs: number, lastUpdateId: number, bids: string[][], asks: string[][]): string =>
  `${ns(recvMs)} ${JSON.stringify({ lastUpdateId, E: T0 + recvMs + 1000, bids, asks })}`;
const trade = (recvMs: number, t: number, p: string, q: string, m: boolean, X = "MARKET"): string =>
  `${ns(recvMs)} ${JSON.stringify({
    stream: "btcusdt@trade",
    data: { e: "trade", E: T0 + recvMs + 990, s: "BTCUSDT", t, p, q, X, m },
  })}`;

const START = [
  depth(0, 1, 5, 0, [["100.00", "1.000"]], []),
  snapshot(
    10,
    8,
    [
      ["100.00", "2.000"],
      ["99.90", "1.500"],
    ],
    [
      ["100.10", "3.000"],
      ["100.30", "0.001"],
    ],
  ),
  depth(20, 6, 9, 5, [], [["100.10", "0.000"]]),
];

describe("Binance captures", () => {
  it("starts the book at the snapshot and samples it every 500 ms of receive time when it has changed", async () => {
    const path = file("usdm_btcusdt_20240808.gz", [
      ...START,
      depth(300, 10, 10, 9, [["99.90", "7.000"]], []),
      depth(511, 11, 11, 10, [["99.80", "1.000"]], []),
      depth(700, 12, 12, 11, [["99.80", "0.000"]], []),
      depth(1011, 13, 13, 12, [["99.70", "0.500"]], []),
    ]);
    const seen = events(await openTape(path));
    expect(seen.map((e) => [e.kind, e.recvMs! - T0])).toEqual([
      ["book", 10],
      ["book", 511],
      ["book", 1011],
    ]);
    // Before the first sample only the snapshot and what was buffered before it.
    expect(seen[0]).toMatchObject({
      exchMs: T0 + 1010,
      bidPxTicks: Float64Array.of(1000, 999),
      bidSzLots: Float64Array.of(200_000, 150_000),
      askPxTicks: Float64Array.of(1001, 1003),
      askSzLots: Float64Array.of(300_000, 100),
    });
    expect(seen[1]).toMatchObject({
      bidPxTicks: Float64Array.of(1000, 999, 998),
      bidSzLots: Float64Array.of(200_000, 700_000, 100_000),
      askPxTicks: Float64Array.of(1003),
    });
    expect(
      [...(await openTape(path, { bookEveryMs: 100 })).description.matchAll(/(\d+) books/g)][0]![1],
    ).toBe("5");
  });

  it("estimates the recorder's clock offset instead of taking it for latency", async () => {
    const tape = await openTape(
      file("usdm_btcusdt_20240808.gz", [...START, trade(30, 1, "100.0", "1", true)]),
    );
    expect(tape.clockOffsetMs).toBeCloseTo(-1000, 3);
    expect(tape.description).toMatch(/clock offset about -1000 ms/);
  });

  it("breaks off with a gap when the update ids do not join, and goes on at the next snapshot", async () => {
    const tape = await openTape(
      file("usdm_btcusdt_20240808.gz", [
        ...START,
        depth(600, 20, 21, 19, [["100.00", "9.000"]], []),
        depth(1200, 22, 23, 21, [["100.00", "9.500"]], []),
        snapshot(1300, 22, [["100.00", "4.000"]], [["100.20", "1.000"]]),
        depth(1900, 24, 24, 23, [["99.00", "1.000"]], []),
      ]),
    );
    const seen = events(tape);
    expect(seen.map((e) => e.kind)).toEqual(["book", "gap", "book", "book"]);
    expect(seen[2]!.bidSzLots).toEqual(Float64Array.of(950_000));
    expect(tape.stats.lostBooks).toBe(1);
    expect(tape.notes.join()).toMatch(/chain of update ids broke: no book until the next snapshot/);
  });

  it("breaks off when what waited for a snapshot does not join it", async () => {
    const tape = await openTape(
      file("usdm_btcusdt_20240808.gz", [
        depth(0, 15, 16, 14, [["100.00", "1.000"]], []),
        snapshot(10, 8, [["100.00", "2.000"]], [["100.10", "3.000"]]),
        depth(20, 17, 17, 16, [["99.90", "1.000"]], []),
        trade(30, 1, "100.0", "1", true),
        snapshot(600, 17, [["100.00", "4.000"]], [["100.20", "1.000"]]),
        depth(610, 18, 18, 17, [["99.90", "5.000"]], []),
        trade(1200, 2, "100.0", "1", true),
      ]),
    );
    expect(events(tape).map((e) => [e.kind, e.recvMs! - T0])).toEqual([
      ["trade", 30],
      ["book", 600],
      ["trade", 1200],
    ]);
    expect(tape.stats.lostBooks).toBe(1);
    expect(tape.notes.join()).toMatch(/chain of update ids broke/);
  });

  it("voids a crossed book until the next snapshot, and says so", async () => {
    const tape = await openTape(
      file("usdm_btcusdt_20240808.gz", [
        ...START,
        depth(600, 10, 10, 9, [["100.40", "1.000"]], []),
        depth(1200, 11, 11, 10, [["100.40", "0.000"]], []),
        snapshot(1300, 11, [["100.00", "4.000"]], [["100.20", "1.000"]]),
        trade(1400, 1, "100.0", "1", true),
      ]),
    );
    expect(events(tape).map((e) => e.kind)).toEqual(["book", "gap", "book", "trade"]);
    expect(tape.stats).toMatchObject({ lostBooks: 1, crossedBooks: 1 });
    expect(tape.notes.join()).toMatch(/crossed 1 times/);
  });

  it("keeps liquidation prints, tells the aggressor's side, and leaves repeated trade ids out", async () => {
    const tape = await openTape(
      file("usdm_btcusdt_20240808.gz", [
        ...START,
        trade(30, 7, "100.00", "0.500", true, "INSURANCE_FUND"),
        trade(31, 8, "100.30", "0.00100", false),
        trade(32, 8, "100.30", "0.00100", false),
      ]),
    );
    expect(events(tape).filter((e) => e.kind === "trade")).toMatchObject([
      { pxTicks: 1000, szLots: 50_000, side: -1, tid: 7, isBacklog: false },
      { pxTicks: 1003, szLots: 100, side: 1, tid: 8 },
    ]);
    expect(tape.stats.duplicateTrades).toBe(1);
  });

  it("counts malformed lines and names the first of them, and goes on", async () => {
    const tape = await openTape(
      file("usdm_btcusdt_20240808.gz", [
        ...START,
        "not a line",
        `${ns(30)} {"stream":"btcusdt@trade","data":{"t":1,"p":"1e`,
        trade(31, 3, "-5", "1", true),
        trade(29, 4, "100", "1", true),
        trade(40, 5, "100", "1", true),
        "",
      ]),
    );
    // The stamps of bad lines do not make line 7 late.
    expect(tape.stats).toMatchObject({ malformedLines: 3, trades: 2, ignoredLines: 1 });
    expect(tape.stats.malformedSamples[0]).toMatch(
      /^usdm_btcusdt_20240808\.gz line 4: not `<receive time> <json>`/,
    );
    expect(tape.stats.malformedSamples[2]).toMatch(/line 6: price is not a number: -5/);
    expect(tape.description).toMatch(/3 bad lines left out: .*first: .*line 4/);
  });

  it("keeps a line whose receive time runs back, at the newest time before it, and says so", async () => {
    const tape = await openTape(
      file("usdm_btcusdt_20240808.gz", [
        ...START,
        trade(40, 5, "100", "1", true),
        // Left out, it would break the chain.
        depth(35, 10, 10, 9, [["99.80", "1.000"]], []),
        depth(600, 11, 11, 10, [], [["100.50", "1.000"]]),
      ]),
    );
    const seen = events(tape);
    expect(seen.map((e) => [e.kind, e.recvMs! - T0])).toEqual([
      ["book", 10],
      ["trade", 40],
      ["book", 600],
    ]);
    expect(seen[2]!.bidPxTicks).toEqual(Float64Array.of(1000, 999, 998));
    expect(tape.notes.join()).toMatch(/repaired 1 times: a receive time that ran back/);
  });

  it("leaves out a line whose exchange time is a day off, and measures nothing by it", async () => {
    const late = trade(86_400_000 * 3, 7, "100", "1", true).replace(/"E":\d+/, `"E":${T0}`);
    const tape = await openTape(
      file("usdm_btcusdt_20240808.gz", [...START, late, trade(40, 8, "100", "1", true)]),
    );
    expect(tape.stats).toMatchObject({ malformedLines: 1, trades: 1, gaps: 0 });
    expect(tape.endRecvMs - T0).toBe(40);
    expect(tape.notes.join()).toMatch(/a day or more/);
  });

  it("reads several files as one capture whose book lives on, and leaves an empty one out of it", async () => {
    file("usdm_btcusdt_20240808.gz", START);
    file("usdm_btcusdt_20240809.gz", []);
    file("usdm_btcusdt_20240810.gz", [depth(600, 10, 10, 9, [["99.90", "7.000"]], [])]);
    const tape = await openTape(join(dir, "usdm_btcusdt"));
    expect(events(tape).map((e) => e.kind)).toEqual(["book", "book"]);
    expect(tape.stats.lostBooks).toBe(0);
  });

  it("reads the microsecond stamps of 2023", async () => {
    const lines = START.map((line) => line.replace(/^(\d{13})000000/, "$1423"));
    const tape = await openTape(file("usdm_btcusdt_20230404.gz", lines));
    expect(tape.startRecvMs).toBeCloseTo(T0 + 10.423, 3);
  });

  it("floors coin-margined contracts of 100 USD to lots at their price", async () => {
    const cm = (line: string): string => line.replaceAll("btcusdt", "btcusd_perp");
    const tape = await openTape(
      file("cm_btcusd_perp_20240808.gz", [
        snapshot(10, 8, [["61804.7", "35"]], [["61804.8", "1645"]]),
        cm(trade(20, 1, "61804.8", "4", false)),
      ]),
    );
    const seen = events(tape);
    expect(seen[0]).toMatchObject({
      bidPxTicks: Float64Array.of(618_047),
      bidSzLots: Float64Array.of(5662), // 35 × 100 / 61804.7 = 0.0566299...
      askSzLots: Float64Array.of(266_160), // 1645 × 100 / 61804.8 = 2.6616055...
    });
    expect(seen[1]).toMatchObject({ pxTicks: 618_048, szLots: 647 }); // 400 / 61804.8 = 0.00647...
  });

  it("brings spot's finer prices onto the grid without crossing, and stamps what has no stamp", async () => {
    const spot = (recvMs: number, stream: string, data: object): string =>
      `${ns(recvMs)} ${JSON.stringify({ stream: `btcusdt@${stream}`, data: { s: "BTCUSDT", ...data } })}`;
    const tape = await openTape(
      file("spot_btcusdt_20240808.gz", [
        `${ns(10)} ${JSON.stringify({
          lastUpdateId: 8,
          bids: [
            ["100.06000000", "1.00000000"],
            ["100.05000000", "0.50000000"],
            ["99.99000000", "0.00000400"],
          ],
          asks: [
            ["100.07000000", "2.00000000"],
            ["100.11000000", "1.00000000"],
            ["100.20000000", "3.00000000"],
          ],
        })}`,
        spot(20, "depth@100ms", { E: T0 + 1010, U: 9, u: 9, b: [], a: [] }),
        spot(30, "bookTicker", { u: 10, b: "100.06000000", B: "1.0", a: "100.07000000", A: "2.0" }),
        spot(40, "trade", { E: T0 + 1040, t: 1, p: "100.06000000", q: "0.10000000", m: true, M: true }),
        spot(50, "trade", { E: T0 + 1050, t: 2, p: "100.07000000", q: "0.10000000", m: false, M: true }),
      ]),
    );
    const seen = events(tape);
    expect(tape.clockOffsetMs).toBeCloseTo(-1000, 3);
    expect(seen[0]).toMatchObject({
      kind: "book",
      exchMs: expect.closeTo(T0 + 1010, 3), // the snapshot's receive time on the exchange's clock
      bidPxTicks: Float64Array.of(1000), // two levels met; what is below a lot is no level
      bidSzLots: Float64Array.of(150_000),
      askPxTicks: Float64Array.of(1001, 1002),
      askSzLots: Float64Array.of(200_000, 400_000),
    });
    expect(seen[1]).toMatchObject({
      kind: "bbo",
      bidPxTicks: Float64Array.of(1000),
      askPxTicks: Float64Array.of(1001),
    });
    expect(seen[1]!.exchMs).toBeCloseTo(T0 + 1030, 3);
    expect(seen.slice(2).map((e) => e.pxTicks)).toEqual([1000, 1001]);
  });
});

const BOOK_HEADER = [
  "timestamp",
  "sequence",
  "exchange_timestamp",
  ...Array.from({ length: 20 }, (_, i) => `bid_price_${i},bid_size_${i},ask_price_${i},ask_size_${i}`),
].join(",");
const csvBook = (s: string, exchMs: number, bid: number, size = "1.5"): string =>
  [
    s,
    exchMs,
    exchMs,
    ...Array.from({ length: 20 }, (_, i) => `${bid - i}.0,${size},${bid + 1 + i}.0,2e-05`),
  ].join(",");

describe("Hyperliquid CSV recordings", () => {
  it("merges by receive time, trades before quotes before books at equal times", async () => {
    file("orderbooks_BTC_20250904.csv", [
      BOOK_HEADER,
      csvBook("1757015216.5", 1757015216100, 100),
      csvBook("1757015217.25", 1757015216900, 101),
    ]);
    file("prices_BTC_20250904.csv", [
      "timestamp,price,size,side,exchange_timestamp",
      "1757015216.5,100.0,1.5,bid,1757015216100",
      "1757015216.5,101.0,2e-05,ask,1757015216100",
      "1757015216.75,102.0,1,ask,1757015216400",
      "1757015217.0,100.0,1,bid,1757015216600",
      "1757015217.1,100.0,2,bid,1757015216700",
      "1757015217.1,101.0,3,ask,1757015216700",
    ]);
    const path = file("trades_BTC_20250904.csv", [
      "timestamp,price,size,side,trade_id,exchange_timestamp",
      "1757015216.5,101.0,0.00341,buy,833120162794147,1757015216090",
      "1757015217.25,100.0,0.1,sell,5,1757015216890",
    ]);
    const seen = events(await openTape(path));
    expect(seen.map((e) => `${e.kind} ${e.recvMs! - 1757015216000}`)).toEqual([
      "trade 500",
      "bbo 500",
      "book 500",
      "bbo 750",
      "bbo 1000",
      "bbo 1100",
      "trade 1250",
      "book 1250",
    ]);
    expect(seen[0]).toMatchObject({ pxTicks: 1010, szLots: 341, side: 1, tid: 833120162794147 });
    expect(seen[2]!.bidPxTicks).toHaveLength(20);
    expect(seen[2]!.askSzLots![0]).toBe(2);
    // One-sided quotes: count 0 on the side that was missing.
    expect([seen[3]!.bidPxTicks!.length, seen[3]!.askPxTicks![0]]).toEqual([0, 1020]);
    expect([seen[4]!.bidPxTicks![0], seen[4]!.askPxTicks!.length]).toEqual([1000, 0]);
  });

  it("moves what follows a silence to 1 s after it, on both clocks, with a gap between", async () => {
    const path = file("orderbooks_BTC_20250904.csv.gz", [
      BOOK_HEADER,
      csvBook("1757015216.5", 1757015216100, 100),
      csvBook("1757015217.0", 1757015216600, 100),
      csvBook("1757015317.0", 1757015316500, 90),
    ]);
    const tape = await openTape(path);
    expect(events(tape).map((e) => [e.kind, e.recvMs! - 1757015216000, e.exchMs! - 1757015216000])).toEqual([
      ["book", 500, 100],
      ["book", 1000, 600],
      ["gap", 1000, 600],
      ["book", 2000, 1500],
    ]);
    expect(tape.endRecvMs - tape.startRecvMs).toBe(1500);
  });

  it("flags a message of trades that repeats the past, and keeps it", async () => {
    file("orderbooks_BTC_20250904.csv", [BOOK_HEADER, csvBook("1757015216.5", 1757015216100, 100)]);
    const path = file("trades_BTC_20250904.csv", [
      "timestamp,price,size,side,trade_id,exchange_timestamp",
      "1757015216.6,101.0,1,buy,1,1757015190000",
      "1757015216.6,101.0,1,buy,2,1757015216150",
      "1757015216.7,101.0,1,buy,2,1757015216150",
      "1757015216.7,101.0,1,buy,3,1757015216300",
      "1757015217.7,101.0,1,buy,4,1757015200000",
    ]);
    const tape = await openTape(path);
    expect(
      events(tape)
        .filter((e) => e.kind === "trade")
        .map((e) => [e.tid, e.isBacklog]),
    ).toEqual([
      [1, true],
      [2, true],
      [3, false],
      [4, true],
    ]);
    expect(tape.stats).toMatchObject({ duplicateTrades: 1, backlogTrades: 3 });
  });

  it("refuses rows that no exchange sent: crossed, unsorted, off the grid, short", async () => {
    const path = file("orderbooks_BTC_20250904.csv", [
      BOOK_HEADER,
      csvBook("1757015216.5", 1757015216100, 100),
      csvBook("1757015217.0", 1757015216600, 100).replace(",101.0,", ",100.0,"),
      csvBook("1757015217.1", 1757015216700, 100).replace(",99.0,", ",101.0,"),
      csvBook("1757015217.2", 1757015216800, 100, "0.000001"),
      "1757015217.3,1,2,3",
      csvBook("yesterday", 1757015216900, 100),
    ]);
    const tape = await openTape(path);
    expect(tape.stats).toMatchObject({ books: 1, malformedLines: 5 });
    expect(tape.stats.malformedSamples.map((s) => s.replace(/^.* line /, ""))).toEqual([
      "3: crossed book",
      "4: levels out of order",
      "5: size off the grid: 0.000001",
      "6: too few cells: 4 instead of 83",
      "7: not a time stamp: yesterday",
    ]);
  });
});

describe("Hyperliquid raw messages", () => {
  const raw = (recvMs: number, channel: string, data: unknown): string =>
    `${ns(recvMs)} ${JSON.stringify({ channel, data })}`;
  const book = (recvMs: number, coin = "BTC"): string =>
    raw(recvMs, "l2Book", {
      coin,
      time: T0 + recvMs - 300,
      levels: [[{ px: "100.0", sz: "1.5", n: 4 }], [{ px: "101.0", sz: "2", n: 1 }]],
    });
  const wireTrade = (tid: number, px = "100.0", coin = "BTC"): object => ({
    coin,
    side: "A",
    px,
    sz: "0.1",
    time: T0,
    tid,
    hash: "0x0",
    users: ["0x1", "0x2"],
  });

  it("reads books with order counts, bbo with a missing side, and trades", async () => {
    const tape = await openTape(
      file("ws_btc_20250126.gz", [
        book(300),
        raw(310, "bbo", { coin: "BTC", time: T0 + 5, bbo: [null, { px: "101.0", sz: "2", n: 1 }] }),
        raw(320, "trades", [wireTrade(1), wireTrade(2, "99.5")]),
        raw(330, "activeAssetCtx", { coin: "BTC", ctx: {} }),
        book(340, "ETH"),
      ]),
    );
    const first = tape.next()!;
    expect([first.kind, first.bidOrders[0], first.askOrders[0], first.askSzLots[0]]).toEqual([
      "book",
      4,
      1,
      200_000,
    ]);
    const bbo = tape.next()!;
    expect([bbo.kind, bbo.bidCount, bbo.askCount, bbo.askPxTicks[0]]).toEqual(["bbo", 0, 1, 1010]);
    expect([tape.next()!.tid, tape.next()!.tid]).toEqual([1, 2]);
    expect(tape.next()).toBeUndefined();
    expect(tape.stats).toMatchObject({ ignoredLines: 2, malformedLines: 0 });
  });

  it("plays a coin under the name that the data gives it", async () => {
    const tape = await openTape(file("ws_kpepe_20250126.gz", [book(300, "kPEPE"), book(900, "kPEPE")]));
    expect([tape.coin, tape.stats.books]).toEqual(["kPEPE", 2]);
  });

  it("leaves a recording without a usable line out, and says so, where others have some", async () => {
    file("ws_btc_20250126.gz", [book(300)]);
    file("ws_btc_20250127.gz", ["rubbish"]);
    file("ws_btc_20250128.gz", [book(300, "ETH")]);
    const tape = await openTape(join(dir, "ws_btc"));
    expect(tape.stats.books).toBe(1);
    expect(tape.notes.join()).toMatch(/ws_btc_20250127\.gz left out: no usable line/);
    expect(tape.notes.join()).toMatch(/ws_btc_20250128\.gz left out: the recording holds ETH, not BTC/);
  });

  it("takes a message of trades whole or not at all", async () => {
    const path = file("ws_btc_20250126.gz", [
      book(300),
      raw(320, "trades", [wireTrade(1), wireTrade(2, "oops")]),
    ]);
    expect((await openTape(path)).stats).toMatchObject({ trades: 0, malformedLines: 1 });
  });

  it("recognises a capture of any name by its content", async () => {
    const tape = await openTape(file("my-capture.txt", [book(300)]));
    expect([tape.coin, tape.stats.books]).toEqual(["BTC", 1]);
    const binance = await openTape(file("b.gz", [...START, trade(30, 1, "100.0", "1", true)]));
    expect(binance.description).toMatch(/^Binance BTC: b\.gz/);
  });

  it("says which coins a tape holds when the wanted one is not among them", async () => {
    await expect(openTape(file("ws_sol_20250126.gz", [book(300)]))).rejects.toMatchObject({
      code: "coin_not_in_tape",
      message: expect.stringMatching(/holds BTC, not SOL/),
    });
  });
});

it("a coin that no table knows is played on the grid of its own numbers, unless told", async () => {
  const lines = START.map((line) => line.replaceAll("btcusdt", "foousdt"));
  const path = file("usdm_foousdt_20240808.gz", lines);
  const own = await openTape(path);
  expect([own.coin, own.szDecimals, own.pxDecimals]).toEqual(["FOO", 3, 3]);
  expect(events(own)[0]!.bidPxTicks).toEqual(Float64Array.of(100_000, 99_900));
  const told = await openTape(path, { szDecimals: 2 });
  expect([told.szDecimals, told.pxDecimals]).toEqual([2, 4]);
});

describe("tapes that cannot be opened", () => {
  const failing = async (
    path: string,
    options: TapeOptions = {},
  ): Promise<{ code: string; message: string }> => {
    const error = await openTape(path, options).then(
      () => undefined,
      (cause: unknown) => cause as { code: string; message: string },
    );
    expect(error).toBeDefined();
    expect(error!.message).not.toMatch(/\n/);
    return error!;
  };

  it("a damaged archive", async () => {
    const path = file("usdm_btcusdt_20240808.gz", START);
    writeFileSync(path, readFileSync(path).subarray(0, 60));
    expect(await failing(path)).toMatchObject({
      code: "unreadable",
      message: expect.stringMatching(/damaged/),
    });
  });

  it("an empty folder, an empty file, a file of something else", async () => {
    expect(await failing(dir)).toMatchObject({ code: "nothing_recognised" });
    expect(await failing(file("usdm_btcusdt_1.gz", []))).toMatchObject({ code: "nothing_recognised" });
    expect(await failing(file("notes.txt", ["hello"]))).toMatchObject({
      code: "nothing_recognised",
      message: expect.stringMatching(/notes\.txt; supported: /),
    });
  });

  it("size decimals that no market has", async () => {
    const path = file("usdm_btcusdt_20240808.gz", START);
    expect(await failing(path, { szDecimals: 9 })).toMatchObject({
      code: "unknown_coin",
      message: expect.stringMatching(/9 size decimals/),
    });
  });

  it("several markets of which none is named", async () => {
    const other = START.map((line) => line.replaceAll("btcusdt", "ethusdt"));
    const path = file("all.txt", [...START, trade(30, 1, "100", "1", true), other[0]!]);
    expect(await failing(path)).toMatchObject({
      code: "ambiguous",
      message: expect.stringMatching(/Binance BTC; Binance ETH/),
    });
    expect((await openTape(path, { coin: "btc" })).stats).toMatchObject({ trades: 1, ignoredLines: 1 });
  });

  it("a capture without any depth", async () => {
    expect(await failing(file("usdm_btcusdt_20240808.gz", [trade(1, 1, "100", "1", true)]))).toMatchObject({
      code: "no_book",
      message: expect.stringMatching(/no order book/),
    });
  });
});

describe("hostile recordings", () => {
  const sources: readonly (readonly [string, readonly string[]])[] = [
    [
      "usdm_btcusdt_20240808",
      [...START, trade(30, 1, "100.0", "1", true), depth(600, 10, 10, 9, [["99.90", "7.000"]], [])],
    ],
    [
      "ws_btc_20250126",
      [
        `${ns(300)} {"channel":"l2Book","data":{"coin":"BTC","time":${T0},"levels":[[{"px":"100.0","sz":"1.5","n":4}],[{"px":"101.0","sz":"2","n":1}]]}}`,
        `${ns(310)} {"channel":"trades","data":[{"coin":"BTC","side":"A","px":"100.0","sz":"0.1","time":${T0},"tid":7}]}`,
        `${ns(320)} {"channel":"bbo","data":{"coin":"BTC","time":${T0},"bbo":[null,{"px":"101.0","sz":"2","n":1}]}}`,
      ],
    ],
    [
      "orderbooks_BTC_20250904.csv",
      [
        BOOK_HEADER,
        csvBook("1757015216.5", 1757015216100, 100),
        csvBook("1757015217.25", 1757015216900, 101),
      ],
    ],
  ];
  const splices = [
    "null",
    "[]",
    "{}",
    "-1",
    "1e999",
    '"',
    ",",
    "\u0000",
    "{",
    "}",
    "0",
    "99999999999999999999",
    "true",
    '""',
  ];

  it("law: a damaged line is counted or the tape refused in one line, never a crash", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...sources),
        fc.array(fc.tuple(fc.nat(), fc.nat(), fc.nat({ max: 12 }), fc.constantFrom(...splices)), {
          minLength: 1,
          maxLength: 4,
        }),
        async ([name, lines], damages) => {
          const damaged = [...lines];
          for (const [which, where, length, text] of damages) {
            const at = which % damaged.length;
            const line = damaged[at]!;
            const from = where % line.length;
            damaged[at] = line.slice(0, from) + text + line.slice(from + length);
          }
          const outcome = await openTape(file(name, damaged)).then(
            (tape) => {
              for (const e of events(tape)) {
                expect(Number.isFinite(e.recvMs) && Number.isFinite(e.exchMs)).toBe(true);
                if (e.kind === "book")
                  expect(e.bidPxTicks![0] ?? 0).toBeLessThan(e.askPxTicks![0] ?? Number.POSITIVE_INFINITY);
              }
              return tape.stats.malformedLines >= 0;
            },
            (cause: Error) => cause.name === "TapeError" && !cause.message.includes("\n"),
          );
          expect(outcome).toBe(true);
        },
      ),
      { seed: 41, numRuns: 400 },
    );
  });
});

const compiled = fileURLToPath(new URL("../../dist/src/store/tape/source.js", import.meta.url));
describe.skipIf(!existsSync(compiled))("compiled tape reader [needs npm run build]", () => {
  it("reads on a worker thread what it reads in-process, and brings errors over with their code", async () => {
    const { openTape: openCompiled } = (await import(pathToFileURL(compiled).href)) as {
      openTape: typeof openTape;
    };
    const path = file("usdm_btcusdt_20240808.gz", [...START, trade(30, 1, "100.0", "1", true)]);
    const tape = await openCompiled(path);
    expect(events(tape)).toEqual(events(await openTape(path)));
    await expect(openCompiled(file("usdm_btcusdt_20240809.gz", ["x"]))).rejects.toMatchObject({
      name: "TapeError",
      code: "nothing_recognised",
    });
  });
});
