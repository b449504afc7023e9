import { beforeAll, describe, expect, it } from "vitest";
import { LADDER_SIZE } from "../../src/abi/layout.js";
import { createCell } from "../../src/rings/index.js";
import { ensureBuilt, startWorker } from "./threads.js";

beforeAll(ensureBuilt);

async function run(count: number, broken: boolean) {
  const data = {
    cell: createCell(LADDER_SIZE),
    flag: new SharedArrayBuffer(8),
    payloadBytes: LADDER_SIZE,
    count,
    broken,
  };
  const reader = startWorker<{ reads: number; torn: number; backwards: number; last: number }>(
    "cell-reader",
    data,
  );
  const writer = startWorker<{ version: number }>("cell-writer", data);
  const [read] = await Promise.all([reader.result, writer.result]);
  return read;
}

describe("cell across threads", () => {
  it("no body is torn, none is older than the one before, and the last one arrives", async () => {
    const read = await run(1_000_000, false);
    expect(read).toMatchObject({ torn: 0, backwards: 0, last: 1_000_000 });
    expect(read.reads, "the reader must have run beside the writer").toBeGreaterThan(100);
  });

  it("the same check catches a cell that shares one buffer", async () => {
    const read = await run(2 ** 31 - 1000, true);
    expect(read.torn).toBeGreaterThan(0);
  });
});
