import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runBacktest } from "../../src/backtest/index.js";
import { SERIES_COLUMNS, SeriesRecorder, type SeriesRow } from "../../src/backtest/series.js";
import { configSchema } from "../../src/config/schema.js";
import { writeTape } from "./tapes.js";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
const heldBytes = (): number => {
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
};

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "mm-memory-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe("memory of a backtest", () => {
  test("eight times the tape takes no more of it: blocks, orders and samples go as they come", {
    timeout: 60_000,
  }, async () => {
    const path = join(dir, "long.mmt");
    writeTape(path, { seconds: 4800, seed: 5 });
    const held: { share: number; bytes: number }[] = [];
    const { summary } = await runBacktest({
      tapes: [path],
      // Far from the market: what grows is the tape's doing, not the fills'.
      config: configSchema.parse({ strategy: { ladder_config: { min_depth_bps: 20 } } }),
      seed: 9,
      onProgress: (share) => {
        if (share >= (held.length + 1) / 8) held.push({ share, bytes: heldBytes() });
      },
    });
    const first = held[0]!;
    const last = held.at(-1)!;
    expect(last.share).toBeGreaterThan(6 * first.share);
    const records = summary.events * (last.share - first.share);
    expect(records).toBeGreaterThan(170_000);
    // The venue keeps its last few thousand orders for questions; less than an object a record is left of all else.
    expect((last.bytes - first.bytes) / records).toBeLessThan(16);
  });
});

describe("memory of a run's series", () => {
  const zeros = Object.fromEntries(SERIES_COLUMNS.map((name) => [name, 1])) as unknown as SeriesRow;

  test("samples are bounded: a thousand times as long is a thousand times as coarse", () => {
    const r = new SeriesRecorder(100);
    for (let tMs = 0; tMs < 1e6; tMs += 100) r.sample(tMs, () => zeros);
    const before = heldBytes();
    for (let tMs = 1e6; tMs < 1e9; tMs += 1000) r.sample(tMs, () => zeros);
    expect(heldBytes() - before).toBeLessThan(64 * 1024);
    expect(r.finish().tMs.length).toBeLessThanOrEqual(8192);
  });

  test("orders that ended are forgotten, filled or not", () => {
    const r = new SeriesRecorder();
    const order = (oid: number, sz: number, status: string) =>
      ({ oid, side: "B", px: 99.9, origSz: 1, sz, status }) as const;
    const live = (from: number, to: number): void => {
      for (let oid = from; oid < to; oid++) {
        r.forgetFinished();
        r.onOrder(oid, order(oid, 1, "open"), 100);
        r.onOrder(oid + 1, order(oid, oid % 2, oid % 2 === 0 ? "filled" : "canceled"), 100);
      }
    };
    live(0, 2000);
    const before = heldBytes();
    live(2000, 102_000);
    expect(heldBytes() - before).toBeLessThan(256 * 1024);
  });

  test("a fill costs at most 400 bytes", () => {
    const r = new SeriesRecorder();
    const fills = 20_000;
    const fill = (i: number): void =>
      r.addFill({
        tMs: i + 0.5,
        side: i % 2 === 0 ? "B" : "A",
        px: 100 + i / 7,
        sz: 0.1 + i / 1e6,
        feeUsd: 0.001 * i,
        isMaker: true,
        midPx: 100 + i / 9,
        captureBps: i / 11,
        oid: i,
      });
    for (let i = 0; i < 100; i++) fill(i);
    const before = heldBytes();
    for (let i = 0; i < fills; i++) {
      fill(i);
      r.onMid(i + 0.7, 100 + i / 13);
    }
    const each = (heldBytes() - before) / fills;
    expect(each).toBeLessThan(400);
    expect(r.fills).toHaveLength(fills + 100);
  });
});
