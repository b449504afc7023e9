import { parentPort, workerData } from "node:worker_threads";
import { KillLatch } from "../../../dist/src/rings/index.js";

// Trips latch after latch at the same moment as its rivals, and notes whether it won and which reason it saw afterwards.
const { latches, barrier, racers, reason } = workerData;
const arrived = new Int32Array(barrier);
const wins = [];
const seen = [];
latches.forEach((sab, round) => {
  const latch = new KillLatch(sab);
  const everyone = (round + 1) * racers;
  if (Atomics.add(arrived, 0, 1) + 1 === everyone) Atomics.notify(arrived, 0);
  for (let turns = 0; ; turns++) {
    const now = Atomics.load(arrived, 0);
    if (now >= everyone) break;
    if (turns > 2000) Atomics.wait(arrived, 0, now, 1);
  }
  if (latch.trip(reason)) wins.push(round);
  seen.push(latch.reason());
});
parentPort.postMessage({ reason, wins, seen });
