import { describe, expect, it } from "vitest";
import { openTape, type Tape, type TapeEvent } from "../../src/store/tape/index.js";
import { hasSharedData, SHARED_DATA, titleFor } from "./shared-data.js";

const BINANCE = `${SHARED_DATA}/binance-l2`;
const HYPERLIQUID = `${SHARED_DATA}/hyperliquid-ws`;

function forEach(tape: Tape, see: (event: TapeEvent) => void): void {
  tape.rewind();
  for (let event = tape.next(); event !== undefined; event = tape.next()) see(event);
}

/** What every tape owes the simulator; returns how many events were looked at. */
function checkInvariants(tape: Tape): number {
  let count = 0;
  let lastRecvMs = tape.startRecvMs;
  let smallestLag = Number.POSITIVE_INFINITY;
  const tids = new Set<number>();
  const wrong: string[] = [];
  const must = (claim: boolean, what: string, event: TapeEvent): void => {
    if (!claim) wrong.push(`${what} at ${event.recvMs}`);
  };
  forEach(tape, (event) => {
    count++;
    must(event.recvMs >= lastRecvMs, "time steps back", event);
    lastRecvMs = event.recvMs;
    if (event.kind !== "gap")
      smallestLag = Math.min(smallestLag, event.recvMs - event.exchMs - tape.clockOffsetMs);
    if (event.kind === "book") {
      must(
        event.bidCount > 0 && event.bidCount <= 20 && event.askCount > 0 && event.askCount <= 20,
        "counts",
        event,
      );
      must(event.bidPxTicks[0]! < event.askPxTicks[0]!, "crossed", event);
      for (let i = 0; i < event.bidCount; i++) {
        must(Number.isSafeInteger(event.bidPxTicks[i]!) && event.bidSzLots[i]! >= 1, "bid level", event);
        if (i > 0) must(event.bidPxTicks[i]! < event.bidPxTicks[i - 1]!, "bids out of order", event);
      }
      for (let i = 0; i < event.askCount; i++) {
        must(Number.isSafeInteger(event.askPxTicks[i]!) && event.askSzLots[i]! >= 1, "ask level", event);
        if (i > 0) must(event.askPxTicks[i]! > event.askPxTicks[i - 1]!, "asks out of order", event);
      }
    } else if (event.kind === "bbo") {
      must(
        event.bidCount === 0 || event.askCount === 0 || event.bidPxTicks[0]! < event.askPxTicks[0]!,
        "bbo",
        event,
      );
    } else if (event.kind === "trade") {
      must(Number.isSafeInteger(event.pxTicks) && event.pxTicks > 0, "trade price", event);
      must(Number.isSafeInteger(event.szLots) && event.szLots > 0, "trade size", event);
      must(event.side === 1 || event.side === -1, "trade side", event);
      must(!tids.has(event.tid), "repeated trade id", event);
      tids.add(event.tid);
    }
  });
  expect(wrong.slice(0, 5)).toEqual([]);
  expect(count).toBe(tape.eventCount);
  expect(lastRecvMs).toBe(tape.endRecvMs);
  // The offset is the smallest difference of all stamped messages, sampled-out depth messages apart.
  expect(smallestLag).toBeGreaterThan(-1e-3);
  expect(smallestLag).toBeLessThan(5);
  return count;
}

describe.skipIf(!hasSharedData)(titleFor("recorded Binance markets"), () => {
  // Counts of the table in the recordings' README; offsets of its quirks.
  it.each([
    ["usdm_btcusdt_20240808.gz", 93_954, 66_089, 21_313, -1270, 345],
    ["usdm_btcusdt_20230404.gz", 13_384, 6_765, 2_197, -10, 100],
    ["usdm_btcusdt_20240718.gz", 11_414, 7_113, 974, -1520, 178],
    ["spot_btcusdt_20240808.gz", 41_249, 28_040, 9_757, -1270, 346],
    ["cm_btcusd_perp_20240808.gz", 48_270, 19_136, 2_286, -1270, 344],
  ])(
    "%s holds every bookTicker and trade of the table",
    async (file, lines, bbos, trades, offsetMs, seconds) => {
      const tape = await openTape(`${BINANCE}/${file}`, { coin: "BTC" });
      expect(tape.coin).toBe("BTC");
      expect([tape.pxDecimals, tape.szDecimals]).toEqual([1, 5]);
      expect(tape.stats).toMatchObject({
        lines,
        bbos,
        trades,
        gaps: 0,
        malformedLines: 0,
        duplicateTrades: 0,
        backlogTrades: 0,
        lostBooks: 0,
      });
      expect(Math.abs(tape.clockOffsetMs - offsetMs)).toBeLessThan(15);
      expect((tape.endRecvMs - tape.startRecvMs) / 1000).toBeGreaterThan(seconds - 2);
      // One book every 500 ms at most, and hardly less often on a busy market.
      expect(tape.stats.books).toBeGreaterThan(seconds * 1.8);
      expect(tape.stats.books).toBeLessThanOrEqual(seconds * 2 + 2);
      checkInvariants(tape);
    },
  );

  it.each([
    ["usdm_btcusdt_202407", 52_260, 10_701, 480],
    ["spot_btcusdt", 73_174, 19_904, 650],
    ["cm_btcusd_perp", 48_355, 5_235, 647],
  ])("%s continues over midnight without a gap", async (prefix, bbos, trades, seconds) => {
    const tape = await openTape(`${BINANCE}/${prefix}`);
    expect(tape.stats).toMatchObject({ bbos, trades, gaps: 0, lostBooks: 0, malformedLines: 0 });
    expect((tape.endRecvMs - tape.startRecvMs) / 1000).toBeGreaterThan(seconds - 1);
    expect((tape.endRecvMs - tape.startRecvMs) / 1000).toBeLessThan(seconds + 2);
    // The book lives on in the second file: books in its last minute.
    let late = 0;
    forEach(tape, (e) => {
      if (e.kind === "book" && e.recvMs > tape.endRecvMs - 60_000) late++;
    });
    expect(late).toBeGreaterThan(100);
    checkInvariants(tape);
  });

  it("joins captures of different weeks 1 s apart with a gap between them", async () => {
    const tape = await openTape(`${BINANCE}/usdm_btcusdt_2024*`);
    expect(tape.stats.gaps).toBe(1);
    expect(tape.stats.trades).toBe(10_701 + 21_313);
    let gapMs = 0;
    let afterGapMs = 0;
    forEach(tape, (e) => {
      if (e.kind === "gap") gapMs = e.recvMs;
      else if (gapMs > 0 && afterGapMs === 0) afterGapMs = e.recvMs;
    });
    // The pause ends with the first message, a depth message that waits for its snapshot; the first bbo is 58 ms later.
    expect(afterGapMs - gapMs).toBeCloseTo(1057.854, 2);
    expect((tape.endRecvMs - tape.startRecvMs) / 1000).toBeLessThan(480 + 345 + 3);
    // The recorder's clock was 1.52 s off in July and 1.27 s in August: checkInvariants sees one offset for both.
    checkInvariants(tape);
  });

  it("refuses a file that continues another one, alone", async () => {
    await expect(openTape(`${BINANCE}/usdm_btcusdt_20240719.gz`)).rejects.toMatchObject({
      name: "TapeError",
      code: "no_book",
      message: expect.stringMatching(/continues an earlier file/),
    });
  });

  it("asks which market of a folder is meant", async () => {
    await expect(openTape(BINANCE)).rejects.toMatchObject({
      code: "ambiguous",
      message: expect.stringMatching(/cm BTC.*spot BTC.*usdm BTC/),
    });
  });
});

describe.skipIf(!hasSharedData)(titleFor("recorded Hyperliquid markets"), () => {
  it.each([
    ["orderbooks_BTC_20250904.csv.gz", "BTC", 3_785, 27_792, 6_675, 0, 1],
    ["SOL_20250904", "SOL", 3_785, 26_422, 4_437, 10, 1],
    ["*_SOL_20250904*", "SOL", 3_785, 26_422, 4_437, 10, 1],
    // Two outages, of 250 s and 51 s.
    ["trades_BTC_20250903.csv.gz", "BTC", 446, 3_586, 1_497, 30, 2],
    ["prices_SOL_20250903", "SOL", 446, 3_614, 1_027, 1, 2],
  ])(
    "%s merges the three files of the recording",
    async (name, coin, books, priceRows, tradeRows, repeated, gaps) => {
      const tape = await openTape(`${HYPERLIQUID}/${name}`);
      expect(tape.coin).toBe(coin);
      expect(tape.szDecimals).toBe(coin === "BTC" ? 5 : 2);
      expect(tape.pxDecimals).toBe(coin === "BTC" ? 1 : 4);
      expect(tape.stats).toMatchObject({
        lines: books + priceRows + tradeRows + 3,
        books,
        duplicateTrades: repeated,
        trades: tradeRows - repeated,
        malformedLines: 0,
        gaps,
      });
      // Two rows a message, one where a side was missing.
      expect(tape.stats.bbos).toBeGreaterThanOrEqual(priceRows / 2);
      expect(tape.stats.bbos).toBeLessThan(priceRows / 2 + 5);
      checkInvariants(tape);
    },
  );

  // Messages of 30 past trades after each (re)connect, less the ids seen before. The reconnect of BTC at 13:02:31 on
  // 2025-09-03 delivered a single block 0.3 s old: no news lost, nothing far behind, so those 30 are live.
  it.each([
    ["BTC_20250903", 60],
    ["SOL_20250903", 90],
    ["BTC_20250904", 60],
    ["SOL_20250904", 50],
    ["ws_btc_20250126.gz", 30],
  ])(
    "%s: %i trades are backlog, and the live ones never step back in exchange time",
    async (name, backlog) => {
      const tape = await openTape(`${HYPERLIQUID}/${name}`);
      expect(tape.stats.backlogTrades).toBe(backlog);
      let newestExchMs = 0;
      let backlogBehind = 0;
      let largestLagMs = 0;
      const steppingBack: number[] = [];
      forEach(tape, (e) => {
        if (e.kind === "gap") newestExchMs = 0; // what follows is moved on both clocks
        if (e.kind !== "trade") return;
        if (e.isBacklog) {
          if (e.recvMs - e.exchMs - tape.clockOffsetMs > 1_000) backlogBehind++;
          return;
        }
        if (e.exchMs < newestExchMs) steppingBack.push(e.tid);
        newestExchMs = Math.max(newestExchMs, e.exchMs);
        largestLagMs = Math.max(largestLagMs, e.recvMs - e.exchMs - tape.clockOffsetMs);
      });
      expect(steppingBack).toEqual([]);
      expect(largestLagMs).toBeLessThan(3_500);
      expect(backlogBehind).toBeGreaterThan(backlog / 2);
    },
  );

  it("reads all recordings of a coin in a folder in time order and says what it left out", async () => {
    const tape = await openTape(HYPERLIQUID, { coin: "BTC" });
    expect(tape.stats.books).toBe(46 + 446 + 3_785);
    expect(tape.stats.gaps).toBe(2 + 2 + 1);
    expect(tape.notes.join("\n")).toMatch(/20250901_07 left out: it has no order books/);
    expect(tape.description).toMatch(/ws_btc_20250126\.gz \+ BTC_20250903.* \+ BTC_20250904/);
    checkInvariants(tape);
  });

  it("reads raw messages with the number of orders at each level", async () => {
    const tape = await openTape(`${HYPERLIQUID}/ws_btc_20250126.gz`);
    expect(tape.stats).toMatchObject({ lines: 55, books: 46, bbos: 0, backlogTrades: 30, malformedLines: 0 });
    const first = tape.next()!;
    expect(first.kind).toBe("book");
    expect(first.recvMs).toBeCloseTo(1737918843893.903, 3);
    expect([first.bidPxTicks[0], first.bidSzLots[0], first.bidOrders[0]]).toEqual([1050550, 303622, 5]);
    checkInvariants(tape);
  });

  it("keeps sizes written with an exponent", async () => {
    const tape = await openTape(`${HYPERLIQUID}/BTC_20250904`);
    let singles = 0;
    forEach(tape, (e) => {
      if (e.kind === "book") for (let i = 0; i < e.askCount; i++) if (e.askSzLots[i] === 1) singles++;
    });
    expect(singles).toBeGreaterThan(0);
  });

  it.each([
    ["trades_BTC_20250901_07.csv.gz", undefined, "no_book", /20250901_07.*no order books/],
    ["", undefined, "ambiguous", /Hyperliquid BTC; Hyperliquid SOL/],
    ["", "ETH", "coin_not_in_tape", /BTC, SOL, not ETH/],
    ["ws_all_dexs_asset_ctxs.json.gz", undefined, "nothing_recognised", /supported:/],
    ["../betfair", undefined, "nothing_recognised", /horse_win.*supported:/],
    ["nothing_here", undefined, "no_such_file", /nothing_here/],
  ])("%s %s: %s", async (name, coin, code, message) => {
    const failure = openTape(`${HYPERLIQUID}/${name}`, coin === undefined ? {} : { coin });
    await expect(failure).rejects.toMatchObject({
      name: "TapeError",
      code,
      message: expect.stringMatching(message),
    });
    await failure.catch((error: Error) => expect(error.message).not.toMatch(/\n/));
  });
});
