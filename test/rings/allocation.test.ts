import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { LADDER_SIZE, RecordKind, TRADE_SIZE } from "../../src/abi/layout.js";
import {
  CellReader,
  CellWriter,
  createCell,
  createDoorbell,
  createHeartbeats,
  createHistogram,
  createLatch,
  createRing,
  Doorbell,
  Heartbeats,
  KillLatch,
  LatencyHistogram,
  RingConsumer,
  RingProducer,
} from "../../src/rings/index.js";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

const WARM_UP_CALLS = 300_000;
/** So few that the garbage of all of them fits into the young generation: no collection hides it. */
const CALLS = 10_000;

/** Least heap growth in bytes a call over several stretches of compiled code: one heap number a call would show as 16. */
function bytesPerCall(run: (i: number) => void): number {
  for (let i = 0; i < WARM_UP_CALLS; i++) run(i);
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 10; round++) {
    collect();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < CALLS; i++) run(i);
    least = Math.min(least, Math.abs(process.memoryUsage().heapUsed - before) / CALLS);
  }
  return least;
}

describe("hot operations allocate nothing in steady state", () => {
  const ring = createRing(4096, { startIndex: 2 ** 31 - 64 });
  const producer = new RingProducer(ring);
  const consumer = new RingConsumer(ring);
  const cell = createCell(LADDER_SIZE);
  const writer = new CellWriter(cell);
  const reader = new CellReader(cell);
  const bell = new Doorbell(createDoorbell());
  const latch = new KillLatch(createLatch());
  const heartbeats = new Heartbeats(createHeartbeats(1));
  const histogram = new LatencyHistogram(createHistogram());

  it.each<[string, (i: number) => void]>([
    [
      "a record through the ring",
      (i) => {
        const at = producer.reserve(RecordKind.Trade, TRADE_SIZE);
        producer.f64[at >> 3] = i + 0.5;
        producer.commit();
        producer.publish();
        consumer.poll();
        consumer.release();
      },
    ],
    [
      "a value through the cell",
      (i) => {
        writer.f64[writer.begin() >> 3] = i + 0.5;
        writer.publish();
        reader.poll();
      },
    ],
    ["a ring of the bell", () => bell.ring()],
    ["a look at the latch", () => void latch.isTripped()],
    ["a heartbeat", (i) => heartbeats.beat(0, i * 1000.5)],
    ["a recorded latency", (i) => histogram.record(i * 100)],
  ])("%s", (_, run) => {
    expect(bytesPerCall(run)).toBeLessThan(1);
  });

  it("and this measurement sees one small object a call", () => {
    const kept: { value: number }[] = Array.from({ length: 64 }, () => ({ value: 0.5 }));
    expect(
      bytesPerCall((i) => {
        kept[i & 63] = { value: i + 0.5 };
      }),
    ).toBeGreaterThan(8);
  });
});
