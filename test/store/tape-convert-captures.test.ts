import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as abi from "../../src/abi/layout.js";
import { RecordKind } from "../../src/abi/layout.js";
import { type ConvertResult, convertToTape } from "../../src/store/tape/convert/index.js";
import { TapeFileReader, TapeFileWriter } from "../../src/store/tape/file/index.js";
import { openTape } from "../../src/store/tape/index.js";
import { FileSource } from "../../src/store/tape/tools/file-source.js";
import { verifyTape } from "../../src/store/tape/tools/index.js";
import { hasSharedData, SHARED_DATA, titleFor } from "./shared-data.js";
import { eachRecord, type RecordView } from "./tape-records.js";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "mm-convert-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

type Converted = ConvertResult & { readonly path: string; readonly counts: Record<string, number> };
const done = new Map<string, Promise<Converted>>();

/** Each set of recordings is converted once, however many tests look at it. */
function convert(...names: string[]): Promise<Converted> {
  const key = [...names].sort().join();
  const known = done.get(key);
  if (known !== undefined) return known;
  const path = join(dir, `${done.size}.mmt`);
  const run = convertToTape({ inputs: names.map((name) => join(SHARED_DATA, name)), out: path }).then(
    (result) => {
      const counts: Record<string, number> = {};
      eachRecord(path, (r) => {
        const name = abi.RecordKindName.get(r.kind)!;
        counts[name] = (counts[name] ?? 0) + 1;
      });
      return { ...result, path, counts };
    },
  );
  done.set(key, run);
  return run;
}

const lines = (name: string): string[] =>
  gunzipSync(readFileSync(join(SHARED_DATA, name)))
    .toString()
    .trimEnd()
    .split("\n");

/** The book that a tape's deltas make. */
class Book {
  readonly bids = new Map<number, number>();
  readonly asks = new Map<number, number>();
  isOpen = false;

  apply(r: RecordView): void {
    const flags = r.u8(abi.BOOK_DELTA_FLAGS);
    if ((flags & abi.DeltaFlag.Clear) !== 0) {
      this.bids.clear();
      this.asks.clear();
    }
    const side = r.u8(abi.BOOK_DELTA_SIDE) === 1 ? this.bids : this.asks;
    const sz = r.f64(abi.BOOK_DELTA_SZ);
    if (sz === 0) side.delete(r.f64(abi.BOOK_DELTA_PX));
    else side.set(r.f64(abi.BOOK_DELTA_PX), sz);
    this.isOpen = (flags & abi.DeltaFlag.More) !== 0;
  }
  get bid(): number {
    return Math.max(...this.bids.keys());
  }
  get ask(): number {
    return Math.min(...this.asks.keys());
  }
}

describe.skipIf(!hasSharedData)(titleFor("recordings converted to tapes"), () => {
  test("every level of every depth message of a Binance capture is on the tape, with the touch equal to bookTicker's", async () => {
    const name = "binance-l2/usdm_btcusdt_20240718.gz";
    const { path, counts, meta, report } = await convert(name);
    const messages = lines(name).map((l) => JSON.parse(l.slice(l.indexOf(" ") + 1)));
    const snapshot = messages.findIndex((m) => m.lastUpdateId !== undefined);
    const depth = messages.filter(
      (m, i) => m.stream?.includes("@depth") && (i > snapshot || m.data.u >= messages[snapshot].lastUpdateId),
    );
    const levels = depth.reduce((sum, m) => sum + m.data.b.length + m.data.a.length, 0);
    expect(counts.BookDelta).toBe(levels + messages[snapshot].bids.length + messages[snapshot].asks.length);
    expect(counts.Bbo).toBe(messages.filter((m) => m.stream?.includes("bookTicker")).length);
    expect(counts.Trade).toBe(messages.filter((m) => m.stream?.includes("@trade")).length);
    expect(report.bad).toBe(0);
    expect(meta.clockOffsetNs! / 1e9).toBeCloseTo(-1.52, 1);

    // A depth message and a bookTicker with the same update id show the same touch.
    const touchOf = new Map<number, string>();
    for (const { stream, data } of messages)
      if (stream?.includes("bookTicker")) touchOf.set(data.u, `${Number(data.b)} ${Number(data.a)}`);
    const ids = depth.map((m) => m.data.u as number);
    const book = new Book();
    let message = -1;
    let agreed = 0;
    let compared = 0;
    const sizes = depth.map((m) => m.data.b.length + m.data.a.length);
    let left = 0;
    const next = (): void => {
      do message++;
      while (sizes[message] === 0);
      left = sizes[message] ?? 0;
    };
    next();
    eachRecord(path, (r) => {
      if (r.kind !== RecordKind.BookDelta) return;
      book.apply(r);
      if ((r.u8(abi.BOOK_DELTA_FLAGS) & abi.DeltaFlag.Snapshot) !== 0) return;
      expect(book.isOpen).toBe(left > 1);
      if (--left > 0) return;
      const touch = touchOf.get(ids[message]!);
      if (touch !== undefined) {
        compared++;
        if (touch === `${book.bid} ${book.ask}`) agreed++;
      }
      next();
    });
    expect(compared).toBeGreaterThan(100);
    expect(agreed).toBe(compared);
  });

  test.each([
    ["binance-l2/usdm_btcusdt_20240719.gz", "binance-l2/usdm_btcusdt_20240718.gz"],
    ["binance-l2/spot_btcusdt_20240808.gz"],
    ["binance-l2/cm_btcusd_perp_20240808.gz"],
    ["hyperliquid-ws/ws_btc_20250126.gz"],
    [
      "hyperliquid-ws/orderbooks_SOL_20250903.csv.gz",
      "hyperliquid-ws/prices_SOL_20250903.csv.gz",
      "hyperliquid-ws/trades_SOL_20250903.csv.gz",
    ],
    [
      "hyperliquid-ws/orderbooks_BTC_20250904.csv.gz",
      "hyperliquid-ws/prices_BTC_20250904.csv.gz",
      "hyperliquid-ws/trades_BTC_20250904.csv.gz",
    ],
  ])("%s: the tape gives the same events as the recording itself", async (...names) => {
    const { path } = await convert(...names);
    const prefix =
      names.length === 2 ? join(SHARED_DATA, "binance-l2/usdm_btcusdt_202407") : join(SHARED_DATA, names[0]!);
    const direct = await openTape(prefix);
    const taped = await openTape(path);
    expect([taped.coin, taped.pxDecimals, taped.szDecimals]).toEqual([
      direct.coin,
      direct.pxDecimals,
      direct.szDecimals,
    ]);
    expect(taped.clockOffsetMs).toBeCloseTo(direct.clockOffsetMs, 3);
    let count = 0;
    for (let a = direct.next(); a !== undefined; a = direct.next()) {
      const b = taped.next();
      const where = `event ${count}`;
      expect(b?.kind, where).toBe(a.kind);
      if (b === undefined) break;
      if (Math.abs(b.recvMs - a.recvMs) > 0.001 || Math.abs(b.exchMs - a.exchMs) > 0.001)
        expect([b.recvMs, b.exchMs], where).toEqual([a.recvMs, a.exchMs]);
      const seen = (e: typeof a): unknown[] =>
        e.kind === "trade"
          ? [e.pxTicks, e.szLots, e.side, e.tid, e.isBacklog]
          : e.kind === "gap"
            ? []
            : [
                e.bidCount,
                e.askCount,
                ...e.bidPxTicks.subarray(0, e.bidCount),
                ...e.bidSzLots.subarray(0, e.bidCount),
                ...e.askPxTicks.subarray(0, e.askCount),
                ...e.askSzLots.subarray(0, e.askCount),
              ];
      const [x, y] = [seen(a), seen(b)];
      if (x.length !== y.length || x.some((v, i) => v !== y[i])) expect(y, where).toEqual(x);
      count++;
    }
    expect(taped.next()).toBeUndefined();
    expect(count).toBeGreaterThan(50);
  });
});

describe.skipIf(!hasSharedData)(titleFor("every capture converts and verifies"), () => {
  test.each([
    [["binance-l2/usdm_btcusdt_20230404.gz"], { Trade: 2197, Bbo: 6765, AssetCtx: 99 }],
    [["binance-l2/usdm_btcusdt_20240808.gz"], { Trade: 21313, Bbo: 66089 }],
    [
      ["binance-l2/usdm_btcusdt_20240719.gz", "binance-l2/usdm_btcusdt_20240718.gz"],
      { Trade: 10701, Bbo: 52260 },
    ],
    [
      ["binance-l2/spot_btcusdt_20240809.gz", "binance-l2/spot_btcusdt_20240808.gz"],
      { Trade: 19904, Bbo: 73174 },
    ],
    [
      ["binance-l2/cm_btcusd_perp_20240809.gz", "binance-l2/cm_btcusd_perp_20240808.gz"],
      { Trade: 5235, Bbo: 48355 },
    ],
    [["bybit-l2/xrpusdt_ob500_20241201.jsonl.gz"], { BookDelta: 3966 }],
    [["hyperliquid-ws/ws_btc_20250126.gz"], { Book: 46 }],
    [
      ["hyperliquid-ws/*_BTC_20250903*", "hyperliquid-ws/*_SOL_20250904*"],
      { Book: 446 + 3785, Trade: 1497 - 30 + 4437 - 10 },
    ],
    [
      ["hyperliquid-ws/prices_BTC_20250901_07.csv.gz", "hyperliquid-ws/trades_BTC_20250901_07.csv.gz"],
      { Trade: 12261 - 10 },
    ],
    [["liquidation-cascades/binance_usdm_liquidations_20250126_0206.csv.gz"], { Liquidation: 3510 - 1668 }],
    [["liquidation-cascades/binance_usdm_large_trades_20250126_0206.csv.gz"], { Trade: 16440 }],
    [["order-level/bitstamp_btcusd_20150501_raw.log.gz"], { Trade: 575 }],
    [["order-level/cme_ESM4_mbo_20240508_2s.csv.gz"], { Trade: 5 }],
    [["order-level/lobster_AAPL_20120621_message_10_first999.csv.gz"], { Trade: 98 + 61 }],
  ])("%s", async (names, wanted) => {
    const { path, counts, report } = await convert(...names);
    expect(counts).toMatchObject(wanted);
    expect(report.bad).toBe(0);
    expect(report.repairs).toEqual({});
    expect(verifyTape(path)).toMatchObject({ problems: 0, byReason: {} });
  });

  test("bitstamp: the CSV of the orders gives the order events of the raw log", async () => {
    const csv = await convert("order-level/bitstamp_btcusd_20150501_orders.csv.gz");
    const raw = await convert("order-level/bitstamp_btcusd_20150501_raw.log.gz");
    expect(csv.counts.OrderEvent).toBe(raw.counts.OrderEvent);
    expect(csv.counts.BookDelta).toBe(raw.counts.BookDelta);
  });

  test("bitstamp: the trades that the CSV's orders make are those of the raw log", async () => {
    const trades = async (name: string): Promise<{ ms: number; side: number; px: number; sz: number }[]> => {
      const { path } = await convert(`order-level/bitstamp_btcusd_20150501_${name}.gz`);
      const out: { ms: number; side: number; px: number; sz: number }[] = [];
      eachRecord(path, (r) => {
        if (r.kind !== RecordKind.Trade) return;
        const [px, sz] = [r.f64(abi.TRADE_PX), r.f64(abi.TRADE_SZ)];
        out.push({ ms: r.recvNs / 1e6, side: r.u8(abi.TRADE_SIDE), px, sz });
      });
      return out;
    };
    const [told, made] = await Promise.all([trades("raw.log"), trades("orders.csv")]);
    const left = [...made];
    let same = 0;
    for (const t of told) {
      const i = left.findIndex((m) => m.sz === t.sz && Math.abs(m.ms - t.ms) < 2_000);
      const [m] = i < 0 ? [] : left.splice(i, 1);
      if (m !== undefined && m.side === t.side && Math.abs(m.px - t.px) < 0.011) same++;
    }
    // Some orders that traded are not in the log; and hardly a trade is made up.
    expect(same / told.length).toBeGreaterThan(0.8);
    expect(left.length / made.length).toBeLessThan(0.01);
  });

  test.each([
    ["order-level/bitstamp_btcusd_20150501_raw.log.gz", "BTC", 1],
    ["order-level/lobster_AAPL_20120621_message_10_first999.csv.gz", "AAPL", 6],
  ] as const)("%s: what only the converter reads opens for the simulator", async (name, coin, pxDecimals) => {
    const direct = await openTape(join(SHARED_DATA, name));
    const taped = await openTape((await convert(name)).path);
    expect([direct.coin, direct.pxDecimals]).toEqual([coin, pxDecimals]);
    const events = ({ lines: _lines, ignoredLines: _ignored, ...rest }: typeof direct.stats) => rest;
    expect(events(direct.stats)).toEqual(events(taped.stats));
    expect(direct.stats.books).toBeGreaterThan(50);
    expect(direct.eventCount).toBe(taped.eventCount);
  });

  test("bitstamp: single orders alone make the simulator's books, and its prints", async () => {
    const { path, meta } = await convert("order-level/bitstamp_btcusd_20150501_raw.log.gz");
    const alone = join(dir, "orders-alone.mmt");
    const writer = new TapeFileWriter({ path: alone, meta });
    const source = new FileSource(path);
    while (await source.fill()) {
      const { kind, asset, f64, at, bodyBytes, recvNs } = source;
      if (kind === RecordKind.OrderEvent) writer.append(kind, asset, f64, at, bodyBytes, recvNs);
      source.pop();
    }
    source.close();
    writer.close();
    const books: string[][] = [];
    const prints: number[] = [];
    for (const one of [path, alone]) {
      // Quiet seconds are no gaps here, with or without what else the tape holds.
      const tape = await openTape(one, { maxSilenceMs: 60_000 });
      const seen: string[] = [];
      let lots = 0;
      for (let e = tape.next(); e !== undefined; e = tape.next()) {
        const side = (px: Float64Array, sz: Float64Array, n: number): string =>
          `${px.subarray(0, n).join()} ${sz.subarray(0, n).join()}`;
        if (e.kind === "trade") lots += e.szLots;
        if (e.kind === "book")
          seen.push(
            `${e.recvMs - tape.startRecvMs} ${side(e.bidPxTicks, e.bidSzLots, e.bidCount)} | ${side(e.askPxTicks, e.askSzLots, e.askCount)}`,
          );
      }
      books.push(seen);
      prints.push(lots);
    }
    expect(books[0]!.length).toBeGreaterThan(5_000);
    const first = books[0]!.findIndex((book, i) => book !== books[1]![i]);
    expect(books[1]![first]).toEqual(books[0]![first]);
    expect(books[1]).toHaveLength(books[0]!.length);
    // The log's trades miss some fills of its orders.
    expect(Math.abs(prints[1]! / prints[0]! - 1)).toBeLessThan(0.02);
  });

  test("bitstamp: the book rebuilt from orders is the exchange's own in its snapshots", async () => {
    const name = "order-level/bitstamp_btcusd_20150501_raw.log.gz";
    const { path } = await convert(name);
    const truth = lines(name)
      .filter((l) => l.includes(" order_book "))
      .map((l) => ({
        ms: Number(l.slice(0, 13)),
        book: JSON.parse(l.slice(l.indexOf("{"))) as { bids: string[][]; asks: string[][] },
      }));
    const startMs = truth[0]!.ms;
    const book = new Book();
    const base = Number(new TapeFileReader(path).meta.baseWallNs) / 1e6;
    let i = 0;
    const seen = { bid: 0, ask: 0, all: 0 };
    eachRecord(path, (r) => {
      if (r.kind !== RecordKind.BookDelta) return;
      for (; i < truth.length && truth[i]!.ms < base + r.recvNs / 1e6 - 0.001; i++) {
        if (truth[i]!.ms < startMs + 2 * 3600_000) continue;
        seen.all++;
        if (Number(truth[i]!.book.bids[0]![0]) === book.bid) seen.bid++;
        if (Number(truth[i]!.book.asks[0]![0]) === book.ask) seen.ask++;
      }
      book.apply(r);
    });
    expect(seen.all).toBeGreaterThan(2500);
    expect(seen.bid / seen.all).toBeGreaterThan(0.998);
    expect(seen.ask / seen.all).toBeGreaterThan(0.998);
  });

  test("lobster: after each message the book is line by line that of the orderbook file, and only deep levels come from it", async () => {
    const { path, report } = await convert("order-level/lobster_AAPL_20120621_message_10_first999.csv.gz");
    const message = lines("order-level/lobster_AAPL_20120621_message_10_first999.csv.gz").map((l) =>
      l.split(","),
    );
    const truth = lines("order-level/lobster_AAPL_20120621_orderbook_10_first999.csv.gz").map((l) =>
      l.split(",").map(Number),
    );
    // The tape's stamps are exact to the ns: the book after all records of a stamp is that of the stamp's last line.
    const lineAt = new Map<string, number>();
    for (const [i, m] of message.entries()) lineAt.set(Number(m[0]).toFixed(9), i);
    const book = new Book();
    const midnight = BigInt(Date.UTC(2012, 5, 21, 4)) * 1_000_000n;
    let checked = 0;
    let stamp = -1n;
    const check = (): void => {
      const line = stamp < 0n ? undefined : lineAt.get((Number(stamp - midnight) / 1e9).toFixed(9));
      if (line === undefined) return;
      const best = (side: Map<number, number>, way: number): number[] =>
        [...side]
          .sort((a, b) => way * (b[0] - a[0]))
          .slice(0, 10)
          .flatMap(([px, sz]) => [Math.round(px * 10_000), sz]);
      const row = truth[line]!;
      const of = (k: number): number[] => row.filter((_, i) => i % 4 === k || i % 4 === k + 1);
      expect(best(book.asks, -1), `line ${line + 1}`).toEqual(of(0));
      expect(best(book.bids, 1), `line ${line + 1}`).toEqual(of(2));
      checked++;
    };
    eachRecord(path, (r) => {
      if (r.kind !== RecordKind.BookDelta) return;
      const at = r.i64(abi.BOOK_DELTA_EXCH_TS_NS);
      if (at !== stamp) check();
      stamp = at;
      book.apply(r);
    });
    check();
    expect(checked).toBeGreaterThan(700);
    expect(report.remarks["levels taken from the orderbook file, not from messages"]).toBeLessThan(20);
  });
});
