import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type BacktestOptions,
  type BacktestResult,
  findTapes,
  runBacktest,
  ZERO_LATENCY,
} from "../../src/backtest/index.js";
import { configSchema } from "../../src/config/schema.js";
import { RecordCursor, TapeFileReader } from "../../src/store/index.js";
import { type MadeTape, writeTape } from "./tapes.js";

const CAPTURES = join(import.meta.dirname, "../../../shared/data");

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "mm-tape-run-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Quotes at the touch, so that orders of ours stand where records fall. */
const config = configSchema.parse({ strategy: { ladder_config: { min_depth_bps: 0.2 } } });

const VARIATIONS: readonly Partial<BacktestOptions>[] = [
  {},
  { latency: ZERO_LATENCY, queue: { kind: "log" } },
  { shiftMs: -30 },
  { latency: { ...ZERO_LATENCY, feed: { kind: "lognormal", medianMs: 5, sigma: 0.8 } } },
];

/** All that a run tells, apart from the time it took. */
const told = ({ summary, series }: BacktestResult): unknown => ({ summary, series });

async function bothWays(options: BacktestOptions): Promise<BacktestResult> {
  const skipping = await runBacktest(options);
  const inFull = await runBacktest({ ...options, withoutSkips: true });
  expect(told(skipping)).toEqual(told(inFull));
  return skipping;
}

describe("skipping over trivial records changes nothing", () => {
  const shapes: readonly (readonly [string, Omit<MadeTape, "seconds" | "seed">])[] = [
    ["touches, books and trades", {}],
    ["with price levels beside them", { depth: "beside" }],
    ["price levels alone", { depth: "alone" }],
    ["rough, with price levels", { depth: "beside", isRough: true }],
    ["rough, price levels alone, small blocks", { depth: "alone", isRough: true, blockBytes: 4_096 }],
    ["blocks larger than the kernel's rooms", { depth: "beside", blockBytes: 1_000_000 }],
  ];
  for (const [name, shape] of shapes) {
    test(name, async () => {
      let fills = 0;
      for (const seed of [1, 2, 3, 4]) {
        const path = join(dir, `${name.replace(/\W/g, "-")}-${seed}.mmt`);
        writeTape(path, { seconds: 60, seed, ...shape });
        const { summary } = await bothWays({ tapes: [path], config, seed, ...VARIATIONS[seed - 1] });
        fills += summary.fills;
      }
      // Orders of ours were hit, so the records near them were not skipped.
      expect(fills).toBeGreaterThan(10);
    }, 60_000);
  }

  test("most records of a tape are skipped", async () => {
    const path = join(dir, "share.mmt");
    const records = writeTape(path, { seconds: 60, seed: 4, depth: "beside" });
    const { summary, skippedSteps } = await runBacktest({ tapes: [path], config, seed: 1 });
    expect(summary.tapeRecords).toBe(records);
    expect(summary.levelUpdates).toBeGreaterThan(records / 2);
    // Each record is two steps: the exchange's, and ours.
    expect(skippedSteps! / (2 * records)).toBeGreaterThan(0.5);
  });

  const capture = join(CAPTURES, "binance-l2/usdm_btcusdt_20240808.gz");
  test.skipIf(!existsSync(capture))(
    `a recorded market${existsSync(capture) ? "" : " (skipped: no shared data)"}`,
    async () => {
      const found = await findTapes([capture], "BTC");
      try {
        const reader = new TapeFileReader(found.paths[0]!);
        const cursor = new RecordCursor();
        cursor.load(reader.nextBlock()!);
        cursor.next();
        const baseMs = Number(BigInt(reader.meta.baseWallNs) / 1_000_000n);
        reader.close();
        const options = { tapes: found.paths, config, seed: 1 };
        const { summary } = await bothWays({ ...options, toMs: baseMs + 90_000 });
        expect(summary.fills).toBeGreaterThan(0);
        await bothWays({ ...options, fromMs: baseMs + 20_000, toMs: baseMs + 60_000 });
      } finally {
        found.dispose();
      }
    },
    60_000,
  );
});
