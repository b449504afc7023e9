import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as abi from "../../src/abi/layout.js";
import { RecordKind } from "../../src/abi/layout.js";
import { openTape } from "../../src/store/index.js";
import { type ConvertResult, convertToTape } from "../../src/store/tape/convert/index.js";
import { hasSharedData, SHARED_DATA, titleFor } from "./shared-data.js";
import { eachRecord, type RecordView } from "./tape-records.js";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "mm-convert-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

let n = 0;
async function convert(
  ...names: string[]
): Promise<ConvertResult & { readonly path: string; readonly counts: Record<string, number> }> {
  const path = join(dir, `${n++}.mmt`);
  const result = await convertToTape({ inputs: names.map((name) => join(SHARED_DATA, name)), out: path });
  const counts: Record<string, number> = {};
  eachRecord(path, (r) => {
    const name = abi.RecordKindName.get(r.kind)!;
    counts[name] = (counts[name] ?? 0) + 1;
  });
  return { ...result, path, counts };
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
