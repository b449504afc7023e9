import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as abi from "../../src/abi/layout.js";
import { runBacktest } from "../../src/backtest/index.js";
import { LocalBook } from "../../src/backtest/local-book.js";
import { TapeWindow } from "../../src/backtest/window.js";
import { configSchema } from "../../src/config/schema.js";
import { Rng } from "../../src/domain/index.js";
import { TapeFileWriter } from "../../src/store/index.js";
import { BASE_MS } from "./tapes.js";

const INSTRUMENT = {
  asset: 0,
  venueAssetId: 0,
  coin: "BTC",
  pxDecimals: 1,
  szDecimals: 5,
  maxSigFigs: 5,
  minNotionalUsd: 10,
  maxLeverage: 40,
};
const SECONDS = 60;

/** One snapshot at the start, then only the touch changes: the levels behind it are told once and never again. */
function writeDeltas(path: string): { after: (ms: number) => number } {
  const { venueAssetId: _, ...listing } = INSTRUMENT;
  const writer = new TapeFileWriter({
    path,
    blockBytes: 8_192,
    meta: {
      venue: "made",
      baseWallNs: String(BigInt(BASE_MS) * 1_000_000n),
      clockOffsetNs: 0,
      instruments: [listing],
      source: "deltas",
      notes: [],
    },
  });
  const f64 = new Float64Array(abi.BOOK_SIZE / 8);
  const view = new DataView(f64.buffer);
  const rng = new Rng(3);
  const times: number[] = [];
  const head = (ns: number): void => {
    f64.fill(0);
    view.setBigInt64(0, BigInt(BASE_MS) * 1_000_000n + BigInt(Math.round(ns - 2e6)), true);
    view.setFloat64(8, ns, true);
  };
  const delta = (ns: number, side: number, px: number, sz: number, flags: number): void => {
    head(ns);
    view.setFloat64(abi.BOOK_DELTA_PX, px, true);
    view.setFloat64(abi.BOOK_DELTA_SZ, sz, true);
    view.setInt8(abi.BOOK_DELTA_SIDE, side);
    view.setUint8(abi.BOOK_DELTA_FLAGS, flags);
    writer.append(abi.RecordKind.BookDelta, 0, f64, 0, abi.BOOK_DELTA_SIZE, ns);
    times.push(ns);
  };
  for (let i = 0; i < 20; i++)
    for (const side of [1, -1]) {
      const first = i === 0 && side === 1 ? abi.DeltaFlag.Clear : 0;
      const more = i === 19 && side === -1 ? 0 : abi.DeltaFlag.More;
      delta(1e6, side, 60_000 - side * (1 + i), 0.5 + i / 100, abi.DeltaFlag.Snapshot | first | more);
    }
  for (let ns = 20e6; ns < SECONDS * 1e9; ns += 20e6) {
    const side = rng.uniform() < 0.5 ? 1 : -1;
    if (rng.uniform() < 0.4) {
      head(ns);
      view.setFloat64(abi.TRADE_PX, 60_000 + side, true);
      view.setFloat64(abi.TRADE_SZ, 0.2, true);
      view.setInt8(abi.TRADE_SIDE, side);
      writer.append(abi.RecordKind.Trade, 0, f64, 0, abi.TRADE_SIZE, ns);
    } else delta(ns, side, 60_000 - side, (1 + rng.below(50)) / 100, 0);
  }
  writer.close();
  return { after: (ms) => times.filter((ns) => ns >= ms * 1e6).length };
}

let dir: string;
let path: string;
let made: { after: (ms: number) => number };
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "mm-middle-"));
  path = join(dir, "deltas.mmt");
  made = writeDeltas(path);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** The engine's books from `fromMs` on, and how many blocks were kept at a time at most. */
function books(fromMs: number | undefined): { told: string[]; keptMax: number; prior: number } {
  const window = new TapeWindow({
    paths: [path],
    feed: { kind: "tape", floorMs: 0 },
    rng: new Rng(1),
    ...(fromMs === undefined ? {} : { fromNs: fromMs * 1e6 }),
  });
  const told: string[] = [];
  const book = new LocalBook(INSTRUMENT, (kind, f64, at, bytes) => {
    if (kind === abi.RecordKind.Book)
      told.push(Buffer.from(f64.buffer, f64.byteOffset + at + 16, bytes - 16).toString("hex"));
  });
  let keptMax = 0;
  let prior = 0;
  while (window.localNs !== Number.POSITIVE_INFINITY) {
    keptMax = Math.max(keptMax, window.keptBlocks);
    if (window.exchNs <= window.localNs) window.nextExch();
    else {
      if (window.isLocalPrior) prior++;
      if (window.local.kind === abi.RecordKind.BookDelta) book.onDelta(window.local, window.isLocalPrior);
      window.nextLocal();
    }
  }
  window.close();
  return { told, keptMax, prior };
}

describe("a start in the middle of a tape of changes", () => {
  test("the book is whole from the first record on, as if it had been read from the start", () => {
    const whole = books(undefined);
    const middle = books(30_000);
    expect(whole.prior).toBe(0);
    expect(middle.prior).toBeGreaterThan(500);
    expect(middle.told.length).toBeLessThan(whole.told.length * 0.6);
    // Levels that only the snapshot told are there, to the byte; the touch is of another moment.
    const behind = (book: string | undefined): string[] => {
      const bytes = Buffer.from(book!, "hex");
      const side = (from: number): string =>
        bytes.subarray(from - 16 + abi.LEVEL_SIZE, from - 16 + 20 * abi.LEVEL_SIZE).toString("hex");
      return [side(abi.BOOK_BIDS), side(abi.BOOK_ASKS)];
    };
    expect(behind(middle.told.at(-1))).toEqual(behind(whole.told.at(-1)));
    const levels = Buffer.from(middle.told[0]!, "hex");
    expect(levels[abi.BOOK_BID_COUNT - 16]).toBe(20);
    expect(levels[abi.BOOK_ASK_COUNT - 16]).toBe(20);
  });

  test("what was before is read in passing, in bounded memory", () => {
    expect(books(50_000).keptMax).toBeLessThanOrEqual(2);
  });

  test("a backtest begins at its start, with the market as it stood and nothing told of before", async () => {
    const fromMs = BASE_MS + 30_000;
    const { summary, series } = await runBacktest({
      tapes: [path],
      config: configSchema.parse({ strategy: { ladder_config: { min_depth_bps: 0.1 } } }),
      seed: 1,
      fromMs,
    });
    expect(Date.parse(summary.from)).toBe(fromMs);
    expect(summary.durationS).toBeGreaterThan(29);
    expect(summary.durationS).toBeLessThan(31);
    expect(summary.levelUpdates).toBe(made.after(30_000));
    expect(series.midPx.at(-1)).toBe(60_000);
    expect(summary.ordersPlaced).toBeGreaterThan(0);
  });
});
