/**
 * store: what a record costs the thread that journals it, and how fast a recorded market is read.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { LADDER_ASK_COUNT, LADDER_BID_COUNT, LADDER_SIZE } from "../src/abi/layout.js";
import { Rng } from "../src/domain/index.js";
import { packLadder } from "../src/engine/turns.js";
import { JournalKind, JournalStream, JournalWriter, TurnKind, TurnWriter } from "../src/store/index.js";
import { openTape } from "../src/store/tape/index.js";
import { type BenchContext, type BenchResult, type BenchSuite, Samples } from "./harness.js";

/** A 20-level l2Book frame of Hyperliquid. */
const FRAME_BYTES = 1_800;
const BATCH = 200;

async function journalAppend(dir: string, { isSmoke, seed }: BenchContext): Promise<BenchResult> {
  const rng = new Rng(seed);
  const frames = Array.from({ length: 16 }, () =>
    Uint8Array.from({ length: FRAME_BYTES }, () => rng.below(256)),
  );
  const journal = new JournalWriter({
    dir,
    runId: "bench",
    thread: "bench",
    wallBaseMs: 0,
    monoBaseNs: 0,
    maxBytes: 256 * 2 ** 20,
  });
  const batches = isSmoke ? 5 : 2_000;
  const samples = new Samples(batches);
  for (let b = -20; b < batches; b++) {
    const t0 = process.hrtime.bigint();
    for (let i = 0; i < BATCH; i++)
      journal.append(JournalKind.InboundFrame, i, frames[i & 15]!, JournalStream.Public);
    if (b >= 0) samples.add(Number(process.hrtime.bigint() - t0) / BATCH);
    await journal.flush();
  }
  await journal.close();
  const { lostRecords } = journal.stats;
  return samples.result("journal.append", "ns", {
    note: `${FRAME_BYTES} B frame; batches of ${BATCH}; checksum and copy, disk write not included; lost ${lostRecords}`,
  });
}

/** A ladder of ten levels that becomes orders: what its journal costs between the board and the socket, and after. */
async function journalTurn(dir: string, { isSmoke }: BenchContext): Promise<BenchResult> {
  const journal = new JournalWriter({
    dir,
    runId: "turns",
    thread: "bench",
    wallBaseMs: 0,
    monoBaseNs: 0,
    maxBytes: 256 * 2 ** 20,
  });
  const turns = new TurnWriter(journal);
  const ladder = new Uint8Array(LADDER_SIZE);
  ladder[LADDER_BID_COUNT] = 5;
  ladder[LADDER_ASK_COUNT] = 5;
  const batches = isSmoke ? 5 : 2_000;
  const samples = new Samples(batches);
  for (let b = -20; b < batches; b++) {
    const t0 = process.hrtime.bigint();
    for (let i = 0; i < BATCH; i++) {
      turns.begin(TurnKind.Ladder, 0, true);
      for (let r = 0; r < 12; r++) turns.tookMono(i + r);
      turns.tookWall(i);
      turns.tookWritable(true);
      turns.tookOutbound();
      packLadder(ladder, 0, turns.room(LADDER_SIZE));
    }
    if (b >= 0) samples.add(Number(process.hrtime.bigint() - t0) / BATCH);
    turns.handOn();
    await journal.flush();
  }
  turns.finish();
  await journal.close();
  return samples.result("journal.turn", "ns", {
    note: `a ladder with 12 clock readings and one message; batches of ${BATCH}; the message itself is journal.append`,
  });
}

const RECORDING = "../shared/data/binance-l2/usdm_btcusdt_20240808.gz";

/** A seeded capture of the same shape, for machines without the recordings. */
function syntheticCapture(dir: string, seed: number, lines: number): string {
  const rng = new Rng(seed);
  const out: string[] = [];
  const px = (n: number): string => (60_000 + n / 10).toFixed(2);
  const levels = (from: number, step: number): string =>
    Array.from({ length: 20 }, (_, i) => `["${px(from + i * step)}","${(1 + rng.below(9000)) / 1000}"]`).join(
      ",",
    );
  for (let i = 0; i < lines; i++) {
    const recv = `1723161255${String(100_000_000 + i * 1000).padStart(9, "0")}`;
    const stamp = 1_723_161_256_000 + Math.floor(i / 1000);
    if (i === 0)
      out.push(`${recv} {"lastUpdateId":0,"E":${stamp},"bids":[${levels(0, -1)}],"asks":[${levels(1, 1)}]}`);
    else if (i % 14 === 0)
      out.push(
        `${recv} {"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","E":${stamp},"s":"BTCUSDT","U":${i - 13},` +
          `"u":${i},"pu":${i - 14},"b":[${levels(0, -1)}],"a":[${levels(1, 1)}]}}`,
      );
    else
      out.push(
        `${recv} {"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":${i},"s":"BTCUSDT","b":"${px(0)}",` +
          `"B":"1.500","a":"${px(1)}","A":"2.000","T":${stamp},"E":${stamp}}}`,
      );
  }
  const path = join(dir, "usdm_btcusdt_20240808.gz");
  writeFileSync(path, gzipSync(`${out.join("\n")}\n`, { level: 1 }));
  return path;
}

async function tapeImport(dir: string, { isSmoke, seed }: BenchContext): Promise<BenchResult> {
  const isRecorded = !isSmoke && existsSync(RECORDING);
  const path = isRecorded ? RECORDING : syntheticCapture(dir, seed, isSmoke ? 2_000 : 90_000);
  const rounds = isSmoke ? 1 : 7;
  const samples = new Samples(rounds);
  let lines = 0;
  let events = 0;
  for (let round = 0; round < rounds; round++) {
    const t0 = process.hrtime.bigint();
    const tape = await openTape(path);
    const ns = Number(process.hrtime.bigint() - t0);
    ({ lines } = tape.stats);
    events = tape.eventCount;
    tape.close();
    samples.add(ns / lines);
  }
  const result = samples.result("tape.import", "ns");
  const rate = Math.round(1e9 / result.p50);
  return {
    ...result,
    note: `per line, worker start included; ${rate} lines/s; ${lines} lines, ${events} events, ${isRecorded ? "recorded" : "synthetic"}`,
  };
}

export const suite: BenchSuite = {
  name: "store",
  async run(ctx: BenchContext): Promise<BenchResult[]> {
    const dir = mkdtempSync(join(tmpdir(), "mm-bench-store-"));
    try {
      return [await journalAppend(dir, ctx), await journalTurn(dir, ctx), await tapeImport(dir, ctx)];
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  },
};
