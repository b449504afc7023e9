/**
 * Backtest bench: the whole engine over a recorded market, in events a second.
 *
 * An event is one record as fed to the kernel (touch, trade, book, context); level updates of depth recordings come on top. The tape
 * is the BTCUSDT capture of the shared data joined to itself ten times in a row (a lap is six minutes: too short for the compiler
 * to settle), the configuration the default with the `glft` strategy, so that each ladder is a GLFT quote; where the data is
 * absent, a short random walk that proves the path only.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findTapes, runBacktest } from "../src/backtest/index.js";
import { configSchema } from "../src/config/schema.js";
import { RecordCursor, TapeFileReader, TapeFileWriter } from "../src/store/index.js";
import { type BenchContext, type BenchResult, type BenchSuite, Samples } from "./harness.js";

const CAPTURE = fileURLToPath(
  new URL("../../../shared/data/binance-l2/usdm_btcusdt_20240808.gz", import.meta.url),
);
const LAPS = 10;

/** The same market over and over, each lap behind the one before. */
function repeat(from: string, to: string, laps: number): void {
  const first = new TapeFileReader(from);
  const { layoutHash: _, ...meta } = first.meta;
  const [start, end] = first.span!;
  first.close();
  const writer = new TapeFileWriter({ path: to, meta });
  const cursor = new RecordCursor();
  for (let lap = 0; lap < laps; lap++) {
    const shiftNs = lap * (end - start + 100e6);
    const reader = new TapeFileReader(from);
    for (let block = reader.nextBlock(); block !== undefined; block = reader.nextBlock()) {
      cursor.load(block);
      while (cursor.next()) {
        block.i64[cursor.at >> 3]! += BigInt(Math.round(shiftNs));
        block.f64[(cursor.at + 8) >> 3]! += shiftNs;
        writer.append(
          cursor.kind,
          cursor.asset,
          block.f64,
          cursor.at,
          cursor.bodyBytes,
          block.f64[(cursor.at + 8) >> 3]!,
        );
      }
    }
    reader.close();
  }
  writer.close();
}

export const suite: BenchSuite = {
  name: "backtest",
  async run({ isSmoke, seed }: BenchContext): Promise<BenchResult[]> {
    if (!existsSync(CAPTURE)) {
      process.stderr.write("backtest: skipped: no shared data\n");
      return [];
    }
    const dir = mkdtempSync(join(tmpdir(), "mm-bench-backtest-"));
    try {
      const capture = await findTapes([CAPTURE], "BTC");
      const path = join(dir, "laps.mmt");
      repeat(capture.paths[0]!, path, isSmoke ? 1 : LAPS);
      capture.dispose();
      const config = configSchema.parse({ strategy: { strategy_type: "glft" } });
      const rounds = isSmoke ? 1 : 7;
      const samples = new Samples(rounds);
      let best = 0;
      let note = "";
      for (let round = 0; round < rounds; round++) {
        const cpu = process.cpuUsage();
        const { summary: s } = await runBacktest({
          tapes: [path],
          config,
          seed,
          stopwatchMs: () => performance.now(),
        });
        const { user, system } = process.cpuUsage(cpu);
        samples.add((s.wallMs * 1e6) / s.events);
        best = Math.max(best, s.events / ((user + system) / 1e6));
        note = `per event; ${s.events} events and ${s.levelUpdates} level updates over ${Math.round(s.durationS)} s, ${s.quotes} ladders, ${s.fills} fills`;
      }
      const result = samples.result("backtest.events", "ns", { budgetP50: 333 });
      return [
        {
          ...result,
          note: `${note}; ${(1e3 / result.p50).toFixed(2)} M events/s, by processor time at best ${(best / 1e6).toFixed(2)} M`,
        },
      ];
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  },
};
