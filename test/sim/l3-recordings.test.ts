import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { readBitstamp, readCme, readLobster } from "../../bench/truth/order-level.js";
import { compare, type Prices, pricesOf, runTrials, type StudyPlan } from "../../bench/truth/study.js";
import { RecordKind } from "../../src/abi/layout.js";
import { type Instrument, Side } from "../../src/domain/index.js";
import { queueModel, RecordMarket, TapeBook } from "../../src/sim/index.js";
import type { MarketContext } from "../../src/sim/market.js";
import { BookOrder, bookView } from "../../src/sim/matching.js";
import { RecordCursor, TapeFileReader, type TapeInstrument } from "../../src/store/index.js";
import { convertToTape } from "../../src/store/tape/convert/index.js";
import { hasSharedData, SHARED_DATA, titleFor } from "../store/shared-data.js";

const DIR = join(SHARED_DATA, "order-level");
const linesOf = (name: string): string[] =>
  gunzipSync(readFileSync(join(DIR, name)))
    .toString()
    .trim()
    .split("\n");

/** Both sides' orders at the touch, one after the other, through the market of a backtest. @returns ms to the fill, or NaN. */
function fillTimesOnTape(path: string, plan: StudyPlan, prices: Prices): number[] {
  const reader = new TapeFileReader(path);
  const { instruments, baseWallNs } = reader.meta;
  const market = new RecordMarket(instrumentOf(instruments[0]!), queueModel({ kind: "l3" }), "test");
  const baseMs = Number(BigInt(baseWallNs) / 1_000_000n);
  const starts = [...prices.keys()];
  const filled = starts.flatMap(() => [Number.NaN, Number.NaN]);
  let nowMs = 0;
  market.open({
    exchange: {
      fillFromTape: (o: BookOrder) => {
        if (o.szLots === 0) filled[o.oid] = nowMs - starts[o.oid >> 1]!;
      },
      updateMark() {},
    },
    market: { lastTicks: 0 },
  } as unknown as MarketContext);
  const cursor = new RecordCursor();
  let live: BookOrder[] = [];
  let next = 0;
  for (let block = reader.nextBlock(); block !== undefined; block = reader.nextBlock()) {
    cursor.load(block);
    while (cursor.next()) {
      if (cursor.kind === RecordKind.FeedStatus) continue;
      const recvMs = baseMs + block.f64[(cursor.at + 8) >> 3]! / 1e6;
      nowMs = recvMs - BITSTAMP_START_MS;
      for (; next < starts.length && starts[next]! <= nowMs; next++) {
        for (const o of live) if (o.szLots > 0) market.book.remove(o);
        live = [Side.Buy, Side.Sell].map(
          (side, i) =>
            new BookOrder(next * 2 + i, 1, side, prices.get(starts[next]!)!.touch[i]!, plan.szLots),
        );
        for (const o of live) market.book.rest(o);
      }
      market.apply(cursor, recvMs);
    }
  }
  reader.close();
  return filled.map((ms) => (ms <= plan.horizonMs ? ms : Number.NaN));
}

const instrumentOf = (listed: TapeInstrument): Instrument => ({ ...listed, asset: 0, venueAssetId: 0 });
const BITSTAMP_START_MS = 1430438404518;

describe.skipIf(!hasSharedData)(titleFor("order-level recordings rebuilt by the exact queue"), () => {
  it("Bitstamp: the exchange's own best prices, from two hours in", () => {
    const events = readBitstamp(DIR);
    const book = new TapeBook(queueModel({ kind: "l3" }));
    const view = bookView(20);
    const lines = linesOf("bitstamp_btcusd_20150501_raw.log.gz");
    const t0 = Number(lines[0]!.split(" ", 1)[0]);
    let next = 0;
    let snapshots = 0;
    let bids = 0;
    let asks = 0;
    for (const line of lines) {
      if (!line.includes(" order_book ")) continue;
      const tMs = Number(line.split(" ", 1)[0]) - t0;
      for (; next < events.length && events[next]!.tMs <= tMs; next++) {
        const e = events[next]!;
        book.applyOrder(e.type, e.oid, e.side, e.pxTicks, e.szLots, e.tMs, () => {});
      }
      if (tMs < 2 * 3_600_000) continue;
      const top = JSON.parse(line.slice(line.indexOf("{"))) as Record<"bids" | "asks", [string, string][]>;
      book.view(view, 20);
      snapshots++;
      bids += Number(Math.round(Number(top.bids[0]![0]) * 100) === view.bidPxTicks[0]);
      asks += Number(Math.round(Number(top.asks[0]![0]) * 100) === view.askPxTicks[0]);
    }
    expect([snapshots, bids, asks]).toEqual([2853, 2852, 2851]);
  });

  it("Bitstamp as a tape, aggressors listed before their trades: orders fill as in the sorted-out stream", async () => {
    const plan: StudyPlan = {
      name: "Bitstamp",
      events: readBitstamp(DIR),
      startMs: 2 * 3_600_000,
      horizonMs: 600_000,
      everyMs: 600_000,
      sampleMs: 60_000,
      szLots: 1e7,
      lotName: "1e-8 BTC",
    };
    const prices = pricesOf(plan);
    const truth = runTrials(plan, prices, { kind: "l3" }, "touch");
    const dir = mkdtempSync(join(tmpdir(), "l3-recordings-"));
    try {
      const out = join(dir, "bitstamp.mmt");
      await convertToTape({ inputs: [join(DIR, "bitstamp_btcusd_20150501_raw.log.gz")], out });
      const filled = fillTimesOnTape(out, plan, prices);
      expect(truth.filter((t) => !Number.isNaN(t.filledMs)).length).toBeGreaterThan(20);
      for (const [i, t] of truth.entries()) {
        if (Number.isNaN(t.filledMs)) expect(filled[i]).toBeNaN();
        else expect(Math.abs(filled[i]! - t.filledMs)).toBeLessThan(2000);
      }
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  it("AAPL: the first level after every message that the excerpt can explain", () => {
    const book = new TapeBook(queueModel({ kind: "l3" }));
    const view = bookView(20);
    for (const e of readLobster(DIR))
      book.applyOrder(e.type, e.oid, e.side, e.pxTicks, e.szLots, e.tMs, () => {});
    const last = linesOf("lobster_AAPL_20120621_orderbook_10_first999.csv.gz").at(-1)!.split(",").map(Number);
    book.view(view, 20);
    expect([view.askPxTicks[0], view.askSzLots[0], view.bidPxTicks[0], view.bidSzLots[0]]).toEqual([
      last[0]! / 100,
      last[1],
      last[2]! / 100,
      last[3],
    ]);
  });

  it("CME: the book is never crossed and every order that leaves was there", () => {
    const book = new TapeBook(queueModel({ kind: "l3" }));
    const view = bookView(20);
    for (const e of readCme(DIR)) {
      book.applyOrder(e.type, e.oid, e.side, e.pxTicks, e.szLots, e.tMs, () => {});
      if (e.tMs === 0) continue;
      book.view(view, 1);
      expect(view.bidPxTicks[0]!).toBeLessThan(view.askPxTicks[0]!);
    }
  });

  it("risk-averse errs on the cautious side, log on the bold one (AAPL)", () => {
    const plan: StudyPlan = {
      name: "AAPL",
      events: readLobster(DIR),
      startMs: 3000,
      horizonMs: 15_000,
      everyMs: 500,
      sampleMs: 250,
      szLots: 10,
      lotName: "shares",
    };
    const prices = pricesOf(plan);
    const run = (kind: "l3" | "risk-averse" | "log") => runTrials(plan, prices, { kind }, "largest");
    const truth = run("l3");
    expect(compare(truth, truth)).toMatchObject({ biasLots: 0, falseFills: 0, missedFills: 0 });
    const cautious = compare(truth, run("risk-averse"));
    expect(cautious.samples).toBeGreaterThan(100);
    expect(cautious.relative.p10).toBe(0);
    expect(cautious.bias).toBeGreaterThan(compare(truth, run("log")).bias);
  });
});
