import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { readBitstamp, readCme, readLobster } from "../../bench/truth/order-level.js";
import { compare, pricesOf, runTrials, type StudyPlan } from "../../bench/truth/study.js";
import { queueModel, TapeBook } from "../../src/sim/index.js";
import { bookView } from "../../src/sim/matching.js";
import { hasSharedData, SHARED_DATA, titleFor } from "../store/shared-data.js";

const DIR = join(SHARED_DATA, "order-level");
const linesOf = (name: string): string[] =>
  gunzipSync(readFileSync(join(DIR, name)))
    .toString()
    .trim()
    .split("\n");

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
