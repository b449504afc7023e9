/**
 * Backtest bench: the whole engine over a recorded market, in records a second.
 *
 * `backtest.records`: the BTCUSDT capture of the shared data with its whole depth. A record is a touch, a print or one level's change; the
 * kernel takes each of them twice, into the exchange's book and, when it has reached us, into the engine's estimates and book.
 * `backtest.sampled`: the same market with a book every half second in place of the levels, as Hyperliquid sends it: records that
 * each move the estimates. Both are joined to themselves ten times in a row (a lap is six minutes: too short for the compiler to
 * settle); the configuration is the default with the `glft` strategy, so that each ladder is a GLFT quote.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { RecordKind } from "../src/abi/layout.js";
import { findTapes, runBacktest } from "../src/backtest/index.js";
import { LocalBook } from "../src/backtest/local-book.js";
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

/** The same market as a venue shows it that sends books: touches and prints stay, levels become a book every half second. */
function sampled(from: string, to: string): void {
  const reader = new TapeFileReader(from);
  const { layoutHash: _, ...meta } = reader.meta;
  const { asset, coin, pxDecimals, szDecimals, maxSigFigs, minNotionalUsd, maxLeverage } =
    meta.instruments[0]!;
  const inst = {
    asset,
    venueAssetId: asset,
    coin,
    pxDecimals,
    szDecimals,
    maxSigFigs,
    minNotionalUsd,
    maxLeverage,
  };
  const writer = new TapeFileWriter({ path: to, meta });
  const put = (kind: RecordKind, f64: Float64Array, at: number, bodyBytes: number): void => {
    writer.append(kind, asset, f64, at, bodyBytes, f64[(at + 8) >> 3]!);
  };
  const book = new LocalBook(inst, put);
  const cursor = new RecordCursor();
  for (let block = reader.nextBlock(); block !== undefined; block = reader.nextBlock()) {
    cursor.load(block);
    while (cursor.next()) {
      if (cursor.kind === RecordKind.BookDelta) {
        book.onDelta(cursor);
        continue;
      }
      if (cursor.kind === RecordKind.Bbo) book.onTouch(block.f64[(cursor.at + 8) >> 3]!);
      put(cursor.kind, block.f64, cursor.at, cursor.bodyBytes);
    }
  }
  reader.close();
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
    const config = configSchema.parse({ strategy: { strategy_type: "glft" } });
    const measure = async (name: string, tape: string): Promise<BenchResult> => {
      const rounds = isSmoke ? 1 : 11;
      const samples = new Samples(rounds);
      let best = 0;
      let note = "";
      for (let round = 0; round < rounds; round++) {
        const cpu = process.cpuUsage();
        const { summary: s } = await runBacktest({
          tapes: [tape],
          config,
          seed,
          stopwatchMs: () => performance.now(),
        });
        const { user, system } = process.cpuUsage(cpu);
        samples.add((s.wallMs * 1e6) / s.tapeRecords);
        best = Math.max(best, s.tapeRecords / ((user + system) / 1e6));
        note = `per record; ${s.tapeRecords} records, ${s.levelUpdates} of them level updates, over ${Math.round(s.durationS)} s, ${s.quotes} ladders, ${s.fills} fills`;
      }
      const result = samples.result(name, "ns", { budgetP50: 333 });
      const perSecond = `${(1e3 / result.p50).toFixed(2)} M records/s, by processor time at best ${(best / 1e6).toFixed(2)} M`;
      return { ...result, note: `${note}; ${perSecond}` };
    };
    try {
      const capture = await findTapes([CAPTURE], "BTC");
      const [lap, whole, books] = ["lap", "whole", "books"].map((name) => join(dir, `${name}.mmt`)) as [
        string,
        string,
        string,
      ];
      repeat(capture.paths[0]!, whole, isSmoke ? 1 : LAPS);
      sampled(capture.paths[0]!, lap);
      repeat(lap, books, isSmoke ? 1 : LAPS);
      capture.dispose();
      return [await measure("backtest.records", whole), await measure("backtest.sampled", books)];
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  },
};
