import { parentPort, workerData } from "node:worker_threads";
import { Doorbell, RingConsumer, RingProducer } from "../../../dist/src/rings/index.js";
import { mix, spin } from "./records.mjs";

// One side of a rally: nobody rings again before it was answered, so a single lost wake-up stalls the rally for `patienceMs`.
// `broken`: "late-epoch" reads the epoch after looking for work, the classic mistake; "mute" rings without waking sleepers.
const { inRing, inBell, outRing, outBell, mode, rounds, serves, patienceMs, broken, seed } = workerData;
const consumer = new RingConsumer(inRing);
const producer = new RingProducer(outRing, { assertsOwner: true });
const mine = new Doorbell(inBell);
const theirs = new Doorbell(outBell);
const result = { rounds: 0, lost: 0, sleeps: 0 };

function send(round) {
  const at = producer.reserve(1, 16);
  producer.i32[at >> 2] = round;
  producer.commit();
  producer.publish();
  if (broken === "mute") Atomics.add(new Int32Array(outBell), 32, 1);
  else theirs.ring();
}

/** @returns false when the answer took so long that only a time-out can have ended the wait */
function receive(round) {
  const deadline = performance.now() + 0.95 * patienceMs;
  for (;;) {
    let seen = mine.epoch();
    const at = consumer.poll();
    if (at >= 0) {
      if (consumer.i32[at >> 2] !== round) throw new Error(`round ${round}: got ${consumer.i32[at >> 2]}`);
      consumer.release();
      return true;
    }
    // The answer arrives anywhere between here and deep sleep.
    spin((mix(round, seed) >>> 0) % (broken === "late-epoch" ? 8000 : 800));
    if (broken === "late-epoch") seen = mine.epoch();
    result.sleeps++;
    mine.waitSync(mode, seen, patienceMs);
    if (performance.now() > deadline) return false;
  }
}

for (let round = 0; round < rounds; round++) {
  if (serves) send(round);
  if (!receive(round)) {
    result.lost++;
    break;
  }
  if (!serves) send(round);
  result.rounds++;
}
parentPort.postMessage(result);
