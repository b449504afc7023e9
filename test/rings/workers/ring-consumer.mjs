import { parentPort, workerData } from "node:worker_threads";
import { Doorbell, RingConsumer } from "../../../dist/src/rings/index.js";
import { bodyBytesOf, frameLengthOf, kindOf, mix, pause } from "./records.mjs";

// Reads until the sequence reaches `control[0]` (set by the test once the producer has ended), checking every word.
const { ring, bell, control, mode, stallEvery, stallMs } = workerData;
const consumer = new RingConsumer(ring);
const doorbell = new Doorbell(bell);
const end = new Int32Array(control);

const result = {
  records: 0,
  missing: 0,
  frames: 0,
  wrong: 0,
  outOfOrder: 0,
  partialFrames: 0,
  maxFill: 0,
  first: "",
};
let next = 0;
let openFrame = -1;
let nextIndex = 0;
const complain = (what) => {
  if (result.first === "") result.first = what;
};

function check(at) {
  const words = consumer.i32;
  const start = at >> 2;
  const sequence = words[start];
  const frame = words[start + 1];
  const index = words[start + 2];
  if (consumer.kind !== kindOf(sequence) || consumer.bodyBytes !== bodyBytesOf(sequence)) {
    result.wrong++;
    complain(`record ${sequence}: kind ${consumer.kind}, ${consumer.bodyBytes} bytes`);
  }
  for (let i = 3; i < consumer.bodyBytes >> 2; i++) {
    if (words[start + i] !== mix(sequence, i)) {
      result.wrong++;
      complain(`record ${sequence}: word ${i}`);
      break;
    }
  }
  if (sequence < next) {
    result.outOfOrder++;
    complain(`record ${sequence} after ${next - 1}`);
  }
  result.missing += sequence - next;
  next = sequence + 1;
  // A frame is whole: indexes 0..length-1 in a row.
  if (openFrame !== -1 ? frame !== openFrame || index !== nextIndex : index !== 0) {
    result.partialFrames++;
    complain(`frame ${frame} index ${index}, expected frame ${openFrame} index ${nextIndex}`);
  }
  nextIndex = index + 1;
  openFrame = nextIndex === frameLengthOf(frame) ? -1 : frame;
  if (openFrame === -1) result.frames++;
  result.records++;
}

let batch = 0;
for (;;) {
  const seen = doorbell.epoch();
  const target = Atomics.load(end, 0); // before polling: what was published before it was set is found
  let polled = 0;
  for (let at = consumer.poll(); at >= 0; at = consumer.poll()) {
    check(at);
    polled++;
    if (stallEvery > 0 && result.records % stallEvery === 0) pause(stallMs);
    if (++batch % 37 === 0) consumer.release();
  }
  result.maxFill = Math.max(result.maxFill, consumer.fillBytes());
  consumer.release();
  if (polled === 0) {
    if (target >= 0) break;
    doorbell.waitSync(mode, seen, 1000);
  }
}
result.missing += Atomics.load(end, 0) - next;
parentPort.postMessage(result);
