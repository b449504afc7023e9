import { parentPort, workerData } from "node:worker_threads";
import { CellReader } from "../../../dist/src/rings/index.js";

// Reads until it has seen version `count`, or (`broken`) until a torn body proves that this check can fail.
const { cell, flag, payloadBytes, count, broken } = workerData;
const fresh = new Int32Array(flag);
const reader = broken
  ? {
      i32: new Int32Array(cell),
      offset: 256,
      poll: () => Atomics.exchange(fresh, 1, 0) === 1,
    }
  : new CellReader(cell);

const deadline = performance.now() + 15_000;
const result = { reads: 0, torn: 0, backwards: 0, last: 0 };
let previous = 0;
let turns = 0;
while (previous < count && !(broken && result.torn > 0)) {
  if ((++turns & 0xffff) === 0 && performance.now() > deadline) break;
  if (!reader.poll()) continue;
  const start = reader.offset >> 2;
  const version = reader.i32[start];
  // Twice: the body must also stay as it is while it is held.
  for (let pass = 0; pass < 2; pass++) {
    for (let i = 0; i < payloadBytes >> 2; i++) {
      if (reader.i32[start + i] !== version + i) {
        result.torn++;
        break;
      }
    }
  }
  if (version <= previous) result.backwards++;
  previous = version;
  result.reads++;
}
result.last = previous;
Atomics.store(fresh, 0, 1);
parentPort.postMessage(result);
