import { existsSync } from "node:fs";
import { Wallet } from "ethers";
import { afterEach, describe, expect, it } from "vitest";
import { Side } from "../../src/domain/index.js";
import { Exchange } from "../../src/sim/exchange.js";
import { type SimServer, startSimServer, TapeMarket } from "../../src/sim/index.js";
import type { TradeWire } from "../../src/sim/listed-market.js";
import { MarketDriver, type MarketOutlet, type Speed } from "../../src/sim/market.js";
import { openTape, type TapeEvent, type TapeSource } from "../../src/store/tape/index.js";
import { order, SimClient } from "./client.js";
import { ManualTime, realClock, realTimers } from "./real-time.js";

const RECV_0 = 1_700_000_000_000.25;
/** The recorder's clock is 1.3 s behind the exchange's. */
const OFFSET_MS = -1300;
const EPOCH_MS = 1_790_000_000_000;

type Step =
  | {
      readonly at: number;
      readonly bid: readonly [number, number];
      readonly ask: readonly [number, number];
      readonly isBook?: boolean;
    }
  | {
      readonly at: number;
      readonly trade: readonly [side: Side, px: number, sz: number];
      readonly isBacklog?: boolean;
    }
  | { readonly at: number; readonly gap: true };

/** A recording made up for a test; `at` is ms since its first event. */
class ListTape implements TapeSource {
  readonly coin = "BTC";
  readonly pxDecimals = 1;
  readonly szDecimals = 5;
  readonly startRecvMs = RECV_0;
  readonly clockOffsetMs = OFFSET_MS;
  readonly description = "made up";
  isClosed = false;
  protected i = 0;

  constructor(private readonly steps: readonly Step[]) {}

  get endRecvMs(): number {
    return RECV_0 + this.steps.at(-1)!.at;
  }

  next(): TapeEvent | undefined {
    const step = this.steps[this.i++];
    if (step === undefined) return undefined;
    const event: TapeEvent = {
      kind: "gap",
      recvMs: RECV_0 + step.at,
      exchMs: RECV_0 + step.at - OFFSET_MS,
      bidCount: 1,
      askCount: 1,
      bidPxTicks: new Float64Array(20),
      bidSzLots: new Float64Array(20),
      bidOrders: new Uint32Array(20),
      askPxTicks: new Float64Array(20),
      askSzLots: new Float64Array(20),
      askOrders: new Uint32Array(20),
      pxTicks: 0,
      szLots: 0,
      side: Side.Buy,
      tid: this.i,
      isBacklog: false,
    };
    if ("trade" in step) {
      const [side, pxTicks, szLots] = step.trade;
      return { ...event, kind: "trade", side, pxTicks, szLots, isBacklog: step.isBacklog ?? false };
    }
    if ("bid" in step) {
      event.bidPxTicks[0] = step.bid[0];
      event.bidSzLots[0] = step.bid[1];
      event.askPxTicks[0] = step.ask[0];
      event.askSzLots[0] = step.ask[1];
      event.kind = step.isBook === true ? "book" : "bbo";
    }
    return event;
  }

  close(): void {
    this.isClosed = true;
  }
}

const STEPS: readonly Step[] = [
  { at: 0, bid: [1_100_000, 500], ask: [1_100_010, 500], isBook: true },
  { at: 0, trade: [Side.Sell, 1_099_000, 9999], isBacklog: true },
  { at: 100, bid: [1_100_000, 400], ask: [1_100_010, 500] },
  { at: 250, trade: [Side.Sell, 1_100_000, 100] },
  { at: 250, trade: [Side.Sell, 1_100_000, 350] },
  { at: 5250, bid: [1_099_990, 400], ask: [1_100_010, 500] },
];

/** One that can be played again; a size of 0 is a side that is empty. */
class AgainTape extends ListTape {
  override next(): TapeEvent | undefined {
    const event = super.next();
    if (event?.bidSzLots[0] === 0) event.bidCount = 0;
    return event;
  }

  rewind(): void {
    this.i = 0;
  }
}

it("shows its first book with both sides before it begins, and then begins at its beginning", () => {
  const source = new AgainTape([
    { at: 0, bid: [0, 0], ask: [1_100_010, 500], isBook: true },
    { at: 500, bid: [1_100_000, 500], ask: [1_100_020, 500], isBook: true },
  ]);
  const tape = new TapeMarket({ source, maxLeverage: 40, contextMs: 1000 });
  const exchange = new Exchange();
  const market = exchange.addMarket(tape.instrument, tape.book);
  const outlet: MarketOutlet = { trades() {}, bbo() {}, book() {}, context() {} };
  tape.open({ exchange, market, outlet }, EPOCH_MS);
  expect(market.referenceTicks).toBe(1_100_010);
  expect(source.next()?.askPxTicks[0]).toBe(1_100_010);
});

describe("pacing of a recorded market", () => {
  function drive(speed: Speed, steps: readonly Step[] = STEPS) {
    const time = new ManualTime(EPOCH_MS);
    const exchange = new Exchange();
    const source = new ListTape(steps);
    const tape = new TapeMarket({ source, maxLeverage: 40, contextMs: 1000 });
    const market = exchange.addMarket(tape.instrument, tape.book);
    const seen: { what: string; wallMs: number; exchMs: number }[] = [];
    const note = (what: string, exchMs: number): void =>
      void seen.push({ what, wallMs: time.wallMs() - EPOCH_MS, exchMs: exchMs - EPOCH_MS });
    const outlet: MarketOutlet = {
      trades: (_m, trades: readonly TradeWire[]) =>
        note(`trades ${trades.map((t) => t.sz).join("+")}`, trades[0]!.time),
      bbo: (_m, _v, ms) => note("bbo", ms),
      book: (_m, _v, ms) => note("book", ms),
      context() {},
    };
    const state = { ended: 0, congested: false };
    const driver = new MarketDriver({
      markets: [tape],
      clock: time,
      timers: time,
      speed,
      isCongested: () => state.congested,
      hasAudience: () => true,
      afterSteps() {},
      onTapesEnded: () => {
        state.ended++;
      },
    });
    tape.open({ exchange, market, outlet }, time.wallMs());
    driver.start();
    return { time, driver, seen, state, exchange, market, tape };
  }

  it("waits for the first subscriber, then keeps the recorded spacing and takes out the clock offset", () => {
    const d = drive(1);
    d.time.advance(1000);
    expect(d.seen).toEqual([]);
    d.driver.wake("BTC");
    d.time.advance(60_000);
    expect(
      d.seen.map(({ what, wallMs, exchMs }) => [what, Math.round(wallMs - 1000), Math.round(exchMs - 1000)]),
    ).toEqual([
      ["book", 0, 0],
      ["trades 0.09999", 0, 0],
      ["bbo", 100, 100],
      ["trades 0.001+0.0035", 250, 250],
      ["bbo", 5250, 5250],
    ]);
    expect(d.state.ended).toBe(1);
  });

  it("runs ten times as fast in wall time at speed 10, and keeps exchange time", () => {
    const d = drive(10);
    d.driver.wake("BTC");
    d.time.advance(60_000);
    expect(d.seen.map(({ wallMs, exchMs }) => [Math.round(wallMs), Math.round(exchMs)])).toEqual([
      [0, 0],
      [0, 0],
      [10, 100],
      [25, 250],
      [525, 5250],
    ]);
  });

  it("takes no time at speed max, but waits while a socket is congested", () => {
    const d = drive("max");
    d.state.congested = true;
    d.driver.wake("BTC");
    d.time.advance(100);
    expect(d.seen).toEqual([]);
    d.state.congested = false;
    d.time.advance(10);
    expect(d.seen.length).toBe(5);
    expect(d.driver.nowMs() - EPOCH_MS).toBe(5250);
    expect(d.state.ended).toBe(1);
  });

  it("slips its clock at speed 10 when nobody can read that fast, instead of running ahead of its events", () => {
    const d = drive(10);
    d.driver.wake("BTC");
    d.time.advance(5);
    d.state.congested = true;
    d.time.advance(2000);
    // The bbo of 100 ms could not be sent: exchange time stands before it.
    expect(d.driver.nowMs() - EPOCH_MS).toBe(100);
    d.state.congested = false;
    d.time.advance(10);
    expect(d.seen.length).toBe(4);
    expect(d.driver.slippedMs).toBeGreaterThan(17_000);
    d.time.advance(1000);
    expect(d.seen.at(-1)!.exchMs).toBe(5250);
  });

  it("catches up at speed 1, where exchange time is the wall clock's", () => {
    const d = drive(1);
    d.driver.wake("BTC");
    d.time.advance(5);
    d.state.congested = true;
    d.time.advance(2000);
    d.state.congested = false;
    d.time.advance(10);
    expect(d.seen.map(({ what }) => what)).toEqual(["book", "trades 0.09999", "bbo", "trades 0.001+0.0035"]);
    expect(d.driver.slippedMs).toBe(0);
    expect(d.driver.nowMs()).toBe(d.time.wallMs());
  });

  it("fills a resting order by its queue place, at the exchange time of the print, never from backlog", () => {
    const d = drive(1);
    const fills: { sz: string; time: number; tid: number }[] = [];
    d.exchange.events = { ...d.exchange.events, onFill: (_a, f) => fills.push(f) };
    d.driver.wake("BTC");
    d.time.advance(50);
    const account = d.exchange.deposit(`0x${"11".repeat(20)}`, 1e11);
    const spec = {
      market: d.market,
      side: Side.Buy,
      pxTicks: 1_100_000,
      szLots: 200,
      tif: "Alo" as const,
      isReduceOnly: false,
      cloid: undefined,
    };
    // 500 stand before us; the bbo at 100 ms shows 400 left; prints of 100 and 350 follow: 50 reach us.
    expect(d.exchange.place(account, spec, d.driver.nowMs()).status).toHaveProperty("resting");
    d.time.advance(10_000);
    expect(fills).toMatchObject([{ sz: "0.0005", time: EPOCH_MS + 250, tid: 5 }]);
  });
});

const wallet = new Wallet(`0x${"44".repeat(32)}`);
let server: SimServer | undefined;
let client: SimClient | undefined;

afterEach(async () => {
  client?.close();
  await server?.close();
  server = undefined;
  client = undefined;
});

async function serve(source: TapeSource, speed: Speed, onTapeEnd?: () => void): Promise<SimClient> {
  server = await startSimServer({
    port: 0,
    speed,
    markets: [new TapeMarket({ source, maxLeverage: 40, contextMs: 1000 })],
    funding: { [wallet.address]: 1_000_000 },
    clock: realClock,
    timers: realTimers,
    log() {},
    ...(onTapeEnd === undefined ? {} : { onTapeEnd }),
  });
  client = await new SimClient(server.port, wallet).connect();
  return client;
}

describe("a recorded market behind the server", () => {
  it("tells of the end on the notification channel and keeps serving", async () => {
    let ended = 0;
    const c = await serve(new ListTape(STEPS), "max", () => {
      ended++;
    });
    await c.subscribe({ type: "notification", user: c.address });
    await c.subscribe({ type: "trades", coin: "BTC" });
    expect((await c.frame("notification")).data).toEqual({ notification: "tape ended" });
    expect(ended).toBe(1);
    const trades = c.frames.filter((f) => f.channel === "trades").flatMap((f) => f.data);
    expect(trades.map((t) => t.sz)).toEqual(["0.09999", "0.001", "0.0035"]);
    expect((await c.info({ type: "l2Book", coin: "BTC" })).levels[0][0]).toEqual({
      px: "109999.0",
      sz: "0.004",
      n: 1,
    });
    const placed = await c.act(order({ isBuy: true, px: "109000", sz: "0.01", tif: "Alo" }));
    expect(placed.response.data.statuses[0]).toHaveProperty("resting");
  });
});

const DATA = "../shared/data/hyperliquid-ws";
const hasData = existsSync(DATA);

describe.skipIf(!hasData)(`recorded Hyperliquid BTC${hasData ? "" : " (skipped: no shared data)"}`, () => {
  it("plays 35 minutes as fast as the socket takes them, frames whole and in order, our quotes filled", async () => {
    const source = await openTape(`${DATA}/BTC_20250904`);
    const c = await serve(source, "max");
    await c.subscribe({ type: "notification", user: c.address });
    await c.subscribe({ type: "userFills", user: c.address });
    for (const type of ["l2Book", "bbo", "trades"])
      c.send({ method: "subscribe", subscription: { type, coin: "BTC" } });
    const book = await c.frame("l2Book", (d) => d.levels[0].length === 20);
    const bid = Number(book.data.levels[0][0].px);
    // Far enough to be safe from "would cross", near enough to be reached within the recording.
    await c.act(
      order(
        { isBuy: true, px: String(bid - 20), sz: "0.01", tif: "Gtc" },
        { isBuy: false, px: String(bid + 60), sz: "0.01", tif: "Gtc" },
      ),
    );
    await c.until(() => c.latest.has("notification"), "the end of the tape", 15_000);
    const books = c.frames.filter((f) => f.channel === "l2Book").map((f) => f.data);
    expect(books.length).toBeGreaterThan(3000);
    for (const b of books.slice(1)) {
      expect(b.levels[0].length).toBe(20);
      expect(Number(b.levels[0][0].px)).toBeLessThan(Number(b.levels[1][0].px));
    }
    const fills = c.frames
      .filter((f) => f.channel === "userFills" && !f.data.isSnapshot)
      .flatMap((f) => f.data.fills);
    expect(fills.length).toBeGreaterThan(0);
    expect(server!.stats().internalErrors).toBe(0);
    expect(server!.stats().slowClientsClosed).toBe(0);
  });
});
