import { beforeAll, describe, expect, it } from "vitest";
import {
  createDoorbell,
  createRing,
  Doorbell,
  ringDrops,
  ringFill,
  type WaitMode,
} from "../../src/rings/index.js";
import { ensureBuilt, startWorker } from "./threads.js";

beforeAll(ensureBuilt);

interface Consumed {
  records: number;
  /** Sequence numbers that never arrived. */
  missing: number;
  frames: number;
  wrong: number;
  outOfOrder: number;
  partialFrames: number;
  maxFill: number;
  first: string;
}

async function run(options: {
  count: number;
  capacityBytes: number;
  startIndex: number;
  policy: "wait" | "drop";
  mode?: WaitMode;
  stallEvery?: number;
  stallMs?: number;
  broken?: boolean;
}): Promise<{ consumed: Consumed; produced: { end: number; refused: number }; sab: SharedArrayBuffer }> {
  const {
    count,
    capacityBytes,
    startIndex,
    policy,
    mode = "hybrid",
    stallEvery = 0,
    stallMs = 0,
    broken = false,
  } = options;
  const ring = createRing(capacityBytes, { startIndex });
  const bell = createDoorbell();
  const control = new SharedArrayBuffer(4);
  const end = new Int32Array(control).fill(-1);
  const consumer = startWorker<Consumed>("ring-consumer", { ring, bell, control, mode, stallEvery, stallMs });
  const producer = startWorker<{ end: number; refused: number }>("ring-producer", {
    ring,
    bell,
    count,
    policy,
    broken,
  });
  const produced = await Promise.race([producer.result, consumer.result.then(() => producer.result)]);
  Atomics.store(end, 0, produced.end);
  new Doorbell(bell).ring();
  return { consumed: await consumer.result, produced, sab: ring };
}

const clean = { wrong: 0, outOfOrder: 0, partialFrames: 0, first: "" };

describe("ring across threads", () => {
  it("no record is lost, torn, repeated or reordered under wrap: 2 million records of ten kinds", async () => {
    const { consumed, produced } = await run({
      count: 2_000_000,
      capacityBytes: 65_536,
      startIndex: 2 ** 31 - 32_768,
      policy: "wait",
    });
    expect(consumed).toMatchObject({ ...clean, missing: 0, records: produced.end });
    expect(consumed.records).toBeGreaterThanOrEqual(2_000_000);
  });

  it("holds in a ring of a few records, where every one of them wraps", async () => {
    const { consumed, produced } = await run({
      count: 300_000,
      capacityBytes: 2048,
      startIndex: 2 ** 31 - 512,
      policy: "wait",
    });
    expect(consumed).toMatchObject({ ...clean, missing: 0, records: produced.end });
  });

  it.each(["spin", "sleep"] as const)("holds with a consumer that waits in %s mode", async (mode) => {
    const { consumed, produced } = await run({
      count: 100_000,
      capacityBytes: 8192,
      startIndex: 2 ** 31 - 4096,
      policy: "wait",
      mode,
    });
    expect(consumed).toMatchObject({ ...clean, missing: 0, records: produced.end });
  });

  it("a stalled consumer costs whole frames, each counted, and never blocks or corrupts", async () => {
    const { consumed, produced, sab } = await run({
      count: 500_000,
      capacityBytes: 4096,
      startIndex: 2 ** 31 - 1024,
      policy: "drop",
      stallEvery: 10_000,
      stallMs: 3,
    });
    expect(consumed).toMatchObject(clean);
    expect(consumed.missing).toBeGreaterThan(0);
    expect(consumed.records + consumed.missing).toBe(produced.end);
    expect(ringDrops(sab)).toBe(produced.refused);
    expect(consumed.maxFill).toBeLessThanOrEqual(4096);
    expect(ringFill(sab)).toBe(0);
  });

  it("the same checks catch a producer that publishes before it has written", async () => {
    const { consumed } = await run({
      count: 20_000,
      capacityBytes: 65_536,
      startIndex: 0,
      policy: "wait",
      broken: true,
    });
    expect(consumed.wrong).toBeGreaterThan(0);
    expect(consumed.partialFrames).toBeGreaterThan(0);
  });
});
