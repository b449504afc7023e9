import { expect, test } from "vitest";
import type { FaultRule } from "../../src/sim/index.js";
import { quotingRun } from "./worlds.js";

const FAULTS: readonly FaultRule[] = [
  { kind: "delay", rate: 0.1 },
  { kind: "loss", rate: 0.02 },
  { kind: "disconnect", rate: 0.0005, ms: [100, 2000] },
  { kind: "partialFills", rate: 0.5 },
];

async function digestOf(
  seed: number,
  faults: readonly FaultRule[],
): Promise<{ value: string; count: number }> {
  const run = quotingRun({ seed, faults });
  await run.start();
  await run.run(60_000);
  await run.stop();
  return { value: run.digest.value, count: run.digest.count };
}

test("the same seed sends the same bytes at the same nanoseconds, faults included", async () => {
  const first = await digestOf(1, FAULTS);
  expect(first.count).toBeGreaterThan(50);
  expect(await digestOf(1, FAULTS)).toEqual(first);
});

test("another seed, or no faults, sends others", async () => {
  const values = [await digestOf(1, FAULTS), await digestOf(2, FAULTS), await digestOf(1, [])];
  expect(new Set(values.map((v) => v.value)).size).toBe(3);
});
