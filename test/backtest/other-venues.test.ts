/** Recordings of other venues: their own grids, no stamps, quiet markets, single orders. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as abi from "../../src/abi/layout.js";
import { type BacktestOptions, findTapes, runBacktest, type TapeSet } from "../../src/backtest/index.js";
import { LocalBook } from "../../src/backtest/local-book.js";
import { TapeWindow } from "../../src/backtest/window.js";
import { configSchema } from "../../src/config/schema.js";
import { Rng } from "../../src/domain/index.js";
import { type RecordCursor, TapeFileWriter } from "../../src/store/index.js";
import { hasSharedData, SHARED_DATA, titleFor } from "../store/shared-data.js";
import { BASE_MS, writeTape } from "./tapes.js";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "mm-venues-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const config = configSchema.parse({ strategy: { ladder_config: { min_depth_bps: 1 } } });
type Run = Awaited<ReturnType<typeof runBacktest>>;
const run = (path: string, more: Partial<BacktestOptions> = {}): Promise<Run> =>
  runBacktest({ tapes: [path], config, seed: 1, ...more });

/** Three ways to the same profit: the account's value, the executor's ledger, the fills' own figures. */
function expectMoneyAddsUp({ summary: s, series }: Run): void {
  const ledger = s.realizedPnlUsd + s.unrealizedPnlUsd - s.feesUsd + s.fundingUsd;
  // The engine's mid is older than the exchange's.
  const midMoveUsd = Math.abs(s.position) * series.midPx.at(-1)! * 5e-4;
  expect(Math.abs(ledger - s.netPnlUsd)).toBeLessThanOrEqual(midMoveUsd + 1e-4);
  expect(s.spreadCaptureUsd + s.marketMoveUsd - s.feesUsd + s.fundingUsd).toBeCloseTo(s.netPnlUsd, 5);
  const cash = series.fills.reduce((sum, f) => sum + (f.side === "B" ? -1 : 1) * f.px * f.sz - f.feeUsd, 0);
  const held = series.fills.reduce((sum, f) => sum + (f.side === "B" ? f.sz : -f.sz), 0);
  expect(held).toBeCloseTo(s.position, 7);
  expect(Math.abs(cash + held * series.midPx.at(-1)! - s.netPnlUsd)).toBeLessThanOrEqual(midMoveUsd + 1e-3);
}

describe("the grid of another venue", () => {
  test.each([
    [2, 8],
    [3, 5],
    [1, 4],
  ] as const)("%i price and %i size decimals: trades, and its money adds up", async (px, sz) => {
    const path = join(dir, `grid-${px}-${sz}.mmt`);
    writeTape(path, { seconds: 120, seed: 7, grid: [px, sz] });
    const result = await run(path);
    expect(result.summary.fills).toBeGreaterThan(15);
    expectMoneyAddsUp(result);
    const { fills } = result.series;
    for (const f of fills) expect((f.px * 10 ** px) % 1, `${f.px}`).toBeCloseTo(0, 6);
    if (sz === 8) expect(fills.some((f) => Math.abs((f.sz * 1e5) % 1) > 1e-6)).toBe(true);
  });
});

describe("a recording without the exchange's stamps", () => {
  test("is quoted on: what has no stamp is stamped as it happens", async () => {
    const path = join(dir, "unstamped.mmt");
    writeTape(path, { seconds: 120, seed: 7, isUnstamped: true });
    const { summary } = await run(path);
    expect(summary.ordersPlaced).toBeGreaterThan(20);
    expect(summary.fills).toBeGreaterThan(10);
  });

  test("its records happen when they are received, and a shift moves them", () => {
    const path = join(dir, "unstamped-window.mmt");
    writeTape(path, { seconds: 10, seed: 3, isUnstamped: true });
    for (const shiftNs of [0, 2e9]) {
      const w = new TapeWindow({
        paths: [path],
        feed: { kind: "tape", floorMs: 0 },
        rng: new Rng(1),
        ...(shiftNs === 0 ? {} : { shiftNs }),
      });
      let records = 0;
      for (; w.exchNs !== Number.POSITIVE_INFINITY; w.nextExch(), records++) {
        const { block, at } = w.exch;
        const recvNs = block!.f64[(at + 8) >> 3]!;
        expect(w.exchNs).toBe(recvNs - shiftNs);
        const stampNs = Number(block!.i64[at >> 3]! - BigInt(BASE_MS) * 1_000_000n);
        expect(stampNs).toBe(Math.floor(w.exchNs));
      }
      expect(records).toBeGreaterThan(200);
      w.close();
    }
  });
});

describe("a tape of single orders", () => {
  /** Orders and touches in turn; each block but the first begins with a touch. */
  function writeOrders(path: string): void {
    const writer = new TapeFileWriter({
      path,
      blockBytes: 4_096,
      meta: {
        venue: "made",
        baseWallNs: String(BigInt(BASE_MS) * 1_000_000n),
        instruments: [
          {
            asset: 0,
            coin: "BTC",
            pxDecimals: 1,
            szDecimals: 5,
            maxSigFigs: 5,
            minNotionalUsd: 10,
            maxLeverage: 40,
          },
        ],
        source: "orders",
        notes: [],
      },
    });
    const f64 = new Float64Array(abi.BOOK_SIZE / 8);
    const view = new DataView(f64.buffer);
    for (let i = 0; i < 200; i++) {
      const ns = (i + 1) * 10e6;
      f64.fill(0);
      view.setFloat64(8, ns, true);
      const isTouch = i % 5 === 0 && i > 0;
      if (isTouch) {
        writer.flush();
        view.setFloat64(abi.BBO_BID_PX, 100, true);
        view.setFloat64(abi.BBO_BID_SZ, 1, true);
        view.setFloat64(abi.BBO_ASK_PX, 101, true);
        view.setFloat64(abi.BBO_ASK_SZ, 1, true);
        writer.append(abi.RecordKind.Bbo, 0, f64, 0, abi.BBO_SIZE, ns);
      } else {
        const side = i % 2 === 0 ? 1 : -1;
        view.setFloat64(abi.ORDER_EVENT_PX, side === 1 ? 100 : 101, true);
        view.setFloat64(abi.ORDER_EVENT_SZ, 1, true);
        view.setBigUint64(abi.ORDER_EVENT_OID, BigInt(i + 1), true);
        view.setInt8(abi.ORDER_EVENT_SIDE, side);
        view.setUint8(abi.ORDER_EVENT_TYPE, abi.OrderEventType.Add);
        writer.append(abi.RecordKind.OrderEvent, 0, f64, 0, abi.ORDER_EVENT_SIZE, ns);
      }
    }
    writer.close();
  }

  test("is known for one wherever the run starts", async () => {
    const path = join(dir, "orders.mmt");
    writeOrders(path);
    for (const fromMs of [undefined, BASE_MS + 511, BASE_MS + 1_001]) {
      const { summary } = await run(path, {
        queue: { kind: "l3" },
        ...(fromMs === undefined ? {} : { fromMs }),
      });
      expect(summary.stopReason).toBe("end of tape");
    }
  });
});

describe("a quiet market", () => {
  /** Minutes of trades and changes, with one silence of so many seconds. */
  function writeSilence(path: string, silenceS: number): void {
    const writer = new TapeFileWriter({
      path,
      meta: {
        venue: "made",
        baseWallNs: String(BigInt(BASE_MS) * 1_000_000n),
        instruments: [
          {
            asset: 0,
            coin: "BTC",
            pxDecimals: 1,
            szDecimals: 5,
            maxSigFigs: 5,
            minNotionalUsd: 10,
            maxLeverage: 40,
          },
        ],
        source: "silence",
        notes: [],
      },
    });
    const f64 = new Float64Array(abi.BOOK_SIZE / 8);
    const view = new DataView(f64.buffer);
    const put = (ns: number, kind: abi.RecordKind, bytes: number): void => {
      view.setBigInt64(0, BigInt(BASE_MS) * 1_000_000n + BigInt(ns), true);
      view.setFloat64(8, ns, true);
      writer.append(kind, 0, f64, 0, bytes, ns);
      f64.fill(0);
    };
    const level = (ns: number, side: number, sz: number): void => {
      view.setFloat64(abi.BOOK_DELTA_PX, 60_000 - side, true);
      view.setFloat64(abi.BOOK_DELTA_SZ, sz, true);
      view.setInt8(abi.BOOK_DELTA_SIDE, side);
      put(ns, abi.RecordKind.BookDelta, abi.BOOK_DELTA_SIZE);
    };
    let ns = 0;
    for (let i = 0; i < 1_200; i++) {
      ns += i === 600 ? silenceS * 1e9 : 50e6;
      const side = i % 2 === 0 ? 1 : -1;
      level(ns, side, 1 + (i % 7) / 10);
      if (i % 3 !== 0) continue;
      view.setFloat64(abi.TRADE_PX, 60_000 + side, true);
      view.setFloat64(abi.TRADE_SZ, 0.2, true);
      view.setInt8(abi.TRADE_SIDE, side);
      put(ns, abi.RecordKind.Trade, abi.TRADE_SIZE);
    }
    writer.close();
  }

  test("is no dead feed; a silence without end is", async () => {
    const quiet = join(dir, "quiet.mmt");
    writeSilence(quiet, 40);
    const { summary } = await run(quiet);
    expect(summary.killReason).toBeNull();
    expect(summary.durationS).toBeGreaterThan(95);
    const dead = join(dir, "dead.mmt");
    writeSilence(dead, 120);
    expect((await run(dead)).summary.killReason).toMatch(/stale/);
  });

  test("the book is told again under the stamp of its last change, not over a gap", () => {
    const path = join(dir, "again.mmt");
    writeSilence(path, 1);
    const w = new TapeWindow({ paths: [path], feed: { kind: "tape", floorMs: 0 }, rng: new Rng(1) });
    const told: [kind: number, stamp: bigint, recvNs: number][] = [];
    const instrument = { ...w.meta.instruments[0]!, venueAssetId: 0 };
    const book = new LocalBook(instrument, (kind, f64, at) => {
      const view = new DataView(f64.buffer, f64.byteOffset + at);
      told.push([kind, view.getBigInt64(0, true), view.getFloat64(8, true)]);
    });
    const cursor: RecordCursor = w.local;
    for (let i = 0; i < 20; w.nextLocal()) {
      if (w.exchNs <= w.localNs) w.nextExch();
      if (cursor.kind !== abi.RecordKind.BookDelta) continue;
      book.onDelta(cursor);
      i++;
    }
    const lastNs = 20 * 50e6;
    const stamp = BigInt(BASE_MS) * 1_000_000n + BigInt(lastNs);
    told.length = 0;
    book.onQuiet(lastNs + 0.9e9);
    expect(told).toEqual([]);
    book.onQuiet(lastNs + 3e9);
    expect(told).toEqual([[abi.RecordKind.Book, stamp, lastNs + 3e9]]);
    book.onQuiet(lastNs + 61e9);
    book.onGap();
    book.onQuiet(lastNs + 5e9);
    expect(told).toHaveLength(1);
    w.close();
  });
});

describe.skipIf(!hasSharedData)(titleFor("order-level recordings through the whole engine"), () => {
  const ORDERS = join(SHARED_DATA, "order-level");
  const sets: TapeSet[] = [];
  afterAll(() => {
    for (const set of sets) set.dispose();
  });
  const tapeOf = async (path: string): Promise<string> => {
    const set = await findTapes([path], undefined);
    sets.push(set);
    return set.paths[0]!;
  };

  test("an hour and a half of Bitstamp on its own grid: l3 fills, and not as by totals", async () => {
    const path = await tapeOf(join(ORDERS, "bitstamp_btcusd_20150501_raw.log.gz"));
    const more = { config: configSchema.parse({}), toMs: Date.UTC(2015, 4, 1, 1, 30) };
    const byOrders = await run(path, { ...more, queue: { kind: "l3" } });
    expect(byOrders.summary.killReason).toBeNull();
    expect(byOrders.summary.durationS).toBeGreaterThan(5_000);
    expect(byOrders.summary.fills).toBeGreaterThan(8);
    expect(byOrders.summary.makerFills).toBe(byOrders.summary.fills);
    expectMoneyAddsUp(byOrders);
    const byTotals = await run(path, more);
    expect(byTotals.summary.fills).toBeGreaterThan(8);
    expect(byTotals.summary.journalSha256).not.toBe(byOrders.summary.journalSha256);
  }, 60_000);

  test("the first minute of AAPL with a tight quote: l3 fills at whole cents and shares", async () => {
    const path = await tapeOf(join(ORDERS, "lobster_AAPL_20120621_message_10_first999.csv.gz"));
    const tight = configSchema.parse({
      trading: { target_liquidity: 20 },
      strategy: {
        strategy_type: "symmetric",
        min_trades: 5,
        estimation_window_secs: 10,
        warmup_decay_secs: 0,
      },
      risk: { max_position_value_usd: 1_000_000 },
    });
    const result = await run(path, {
      config: tight,
      queue: { kind: "l3" },
      fees: { makerBps: -0.2, takerBps: 4.5 },
    });
    expect(result.summary.fills).toBeGreaterThan(2);
    expectMoneyAddsUp(result);
    for (const f of result.series.fills) {
      expect(Number.isInteger(f.sz)).toBe(true);
      expect((f.px * 100) % 1).toBeCloseTo(0, 6);
    }
  });

  test.each([
    ["order-level/cme_ESM4_mbo_20240508_2s.csv.gz", "l3"],
    ["bybit-l2/xrpusdt_ob500_20241201.jsonl.gz", "risk-averse"],
  ] as const)("%s: seconds are played to their end, and too few to be quoted on", async (name, kind) => {
    const { summary } = await run(await tapeOf(join(SHARED_DATA, name)), { queue: { kind } });
    expect(summary.killReason).toBeNull();
    expect(summary.levelUpdates).toBeGreaterThan(1_000);
    expect(summary.ordersPlaced).toBe(0);
  });
});
