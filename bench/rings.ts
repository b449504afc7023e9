/**
 * Hand-off between threads per wait mode, and the cost of a write to ring, cell and histogram.
 *
 * Hand-off: a paced producer (this thread, busy between sends) stamps a trade, publishes and rings; a worker stamps it on
 * arrival. Both read one machine-wide clock; its own cost (some 100 ns for the two readings) is part of the figure. Gaps are
 * exponential, so a hybrid waiter is met spinning as well as asleep.
 */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import {
  BOOK_ASK_COUNT,
  BOOK_ASKS,
  BOOK_BID_COUNT,
  BOOK_BIDS,
  BOOK_BIDS_CAPACITY,
  BOOK_SEQ,
  BOOK_SIZE,
  LADDER_SIZE,
  LEVEL_ORDERS,
  LEVEL_PX,
  LEVEL_SIZE,
  LEVEL_SZ,
  RecordKind,
  TRADE_RECV_MONO_NS,
  TRADE_SEQ,
  TRADE_SIZE,
} from "../src/abi/layout.js";
import { Rng } from "../src/domain/index.js";
import {
  CellReader,
  CellWriter,
  createCell,
  createDoorbell,
  createHistogram,
  createRing,
  Doorbell,
  LatencyHistogram,
  RingConsumer,
  RingProducer,
  WAIT_MODES,
  type WaitMode,
} from "../src/rings/index.js";
import { type BenchContext, type BenchResult, type BenchSuite, micro, Samples } from "./harness.js";
import type { HandoffInit } from "./workers/rings-consumer.js";

const MEAN_GAP_NS = 60_000;

async function handoff(mode: WaitMode, ctx: BenchContext): Promise<BenchResult> {
  const warmUp = ctx.isSmoke ? 50 : 3_000;
  const count = warmUp + (ctx.isSmoke ? 200 : 20_000);
  const rng = new Rng(ctx.seed);
  const gapsNs = Float64Array.from({ length: count }, () => rng.exponential(1 / MEAN_GAP_NS));
  const init: HandoffInit = {
    ring: createRing(1 << 16),
    bell: createDoorbell(),
    mode,
    count,
    originNs: process.hrtime.bigint(),
    latenciesNs: new SharedArrayBuffer(count * 8),
  };
  const producer = new RingProducer(init.ring);
  const bell = new Doorbell(init.bell);
  const now = (): number => Number(process.hrtime.bigint() - init.originNs);

  const worker = new Worker(new URL("./workers/rings-consumer.js", import.meta.url), { workerData: init });
  await once(worker, "message");
  const done = once(worker, "exit");
  let dueNs = now();
  for (let sequence = 0; sequence < count; sequence++) {
    dueNs += gapsNs[sequence]!;
    while (now() < dueNs);
    const at = producer.reserve(RecordKind.Trade, TRADE_SIZE);
    if (at < 0) throw new Error("ring.handoff: the consumer fell a whole ring behind");
    producer.u32[(at + TRADE_SEQ) >> 2] = sequence;
    producer.commit();
    producer.f64[(at + TRADE_RECV_MONO_NS) >> 3] = now();
    producer.publish();
    bell.ring();
  }
  await done;

  const samples = new Samples(count - warmUp);
  const latenciesNs = new Float64Array(init.latenciesNs);
  for (let sequence = warmUp; sequence < count; sequence++) samples.add(latenciesNs[sequence]!);
  return samples.result(`ring.handoff.${mode}`, "us", {
    note: `publish to seen by another thread, gaps exponential, mean ${MEAN_GAP_NS / 1000} µs`,
  });
}

/** One 20-level book: reserve, write every field, commit, publish; then poll and release, to have the space again. */
function writeBook(ctx: BenchContext): Promise<BenchResult> {
  const sab = createRing(1 << 16);
  const producer = new RingProducer(sab);
  const consumer = new RingConsumer(sab);
  const rng = new Rng(ctx.seed);
  const values = Float64Array.from({ length: 4 * BOOK_BIDS_CAPACITY }, () => 1000 * rng.uniform());
  let sequence = 0;
  let checksum = 0;
  return micro(
    "ring.write.book",
    () => {
      const at = producer.reserve(RecordKind.Book, BOOK_SIZE);
      producer.u32[(at + BOOK_SEQ) >> 2] = sequence++;
      producer.u8[at + BOOK_BID_COUNT] = BOOK_BIDS_CAPACITY;
      producer.u8[at + BOOK_ASK_COUNT] = BOOK_BIDS_CAPACITY;
      for (let level = 0; level < BOOK_BIDS_CAPACITY; level++) {
        const bid = at + BOOK_BIDS + level * LEVEL_SIZE;
        const ask = at + BOOK_ASKS + level * LEVEL_SIZE;
        producer.f64[(bid + LEVEL_PX) >> 3] = values[4 * level]!;
        producer.f64[(bid + LEVEL_SZ) >> 3] = values[4 * level + 1]!;
        producer.u32[(bid + LEVEL_ORDERS) >> 2] = level;
        producer.f64[(ask + LEVEL_PX) >> 3] = values[4 * level + 2]!;
        producer.f64[(ask + LEVEL_SZ) >> 3] = values[4 * level + 3]!;
        producer.u32[(ask + LEVEL_ORDERS) >> 2] = level;
      }
      producer.commit();
      producer.publish();
      const seen = consumer.poll();
      checksum += consumer.f64[(seen + BOOK_ASKS) >> 3]!;
      consumer.release();
    },
    { batch: 1000, iterations: 500, isSmoke: ctx.isSmoke, note: "20 levels a side, write and release" },
  ).then((result) => withChecksum(result, checksum));
}

function publishCell(ctx: BenchContext): Promise<BenchResult> {
  const sab = createCell(LADDER_SIZE);
  const writer = new CellWriter(sab);
  const reader = new CellReader(sab);
  const body = Float64Array.from({ length: LADDER_SIZE / 8 }, (_, i) => i);
  let checksum = 0;
  return micro(
    "cell.publish",
    () => {
      const at = writer.begin() >> 3;
      for (let i = 0; i < body.length; i++) writer.f64[at + i] = body[i]!;
      writer.publish();
      if (reader.poll()) checksum += reader.f64[(reader.offset >> 3) + 1]!;
    },
    { batch: 1000, iterations: 500, isSmoke: ctx.isSmoke, note: "a ladder, write and poll" },
  ).then((result) => withChecksum(result, checksum));
}

function recordLatency(ctx: BenchContext): Promise<BenchResult> {
  const histogram = new LatencyHistogram(createHistogram());
  const rng = new Rng(ctx.seed);
  const values = Float64Array.from({ length: 1024 }, () => rng.exponential(1 / 20_000));
  let i = 0;
  return micro("histogram.record", () => histogram.record(values[i++ & 1023]!), {
    batch: 1000,
    iterations: 1000,
    isSmoke: ctx.isSmoke,
  }).then((result) => withChecksum(result, histogram.snapshot().sumNs));
}

/** Proves that the work was done, and was the same as in the run it is compared with. */
const withChecksum = (result: BenchResult, checksum: number): BenchResult => ({
  ...result,
  note: `${result.note}; checksum ${checksum.toPrecision(6)}`,
});

export const suite: BenchSuite = {
  name: "rings",
  async run(ctx) {
    const results: BenchResult[] = [];
    for (const mode of WAIT_MODES) results.push(await handoff(mode, ctx));
    results.push(await writeBook(ctx), await publishCell(ctx), await recordLatency(ctx));
    return results;
  },
};
