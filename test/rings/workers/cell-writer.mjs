import { parentPort, workerData } from "node:worker_threads";
import { CellWriter } from "../../../dist/src/rings/index.js";
import { pause } from "./records.mjs";

// Publishes `count` bodies whose words all derive from one version number. `broken` writes into one shared buffer instead,
// as a cell without the exchange would.
const { cell, flag, payloadBytes, count, broken } = workerData;
const fresh = new Int32Array(flag);
const writer = broken
  ? {
      i32: new Int32Array(cell),
      begin: () => 256,
      publish: () => Atomics.store(fresh, 1, 1),
    }
  : new CellWriter(cell);

let version = 0;
while (version < count && Atomics.load(fresh, 0) === 0) {
  version++;
  const start = writer.begin() >> 2;
  for (let i = 0; i < payloadBytes >> 2; i++) writer.i32[start + i] = version + i;
  writer.publish();
  if ((version & 0xfff) === 0) pause(0.01);
}
parentPort.postMessage({ version });
