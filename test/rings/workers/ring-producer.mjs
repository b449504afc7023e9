import { parentPort, workerData } from "node:worker_threads";
import { Doorbell, RingProducer } from "../../../dist/src/rings/index.js";
import { bodyBytesOf, frameLengthOf, isRolledBack, kindOf, mix, pause } from "./records.mjs";

// Writes `count` records in frames. On a full ring it waits (`policy: "wait"`) or gives the frame up (`"drop"`).
// `broken` publishes each record before it is filled in.
const { ring, bell, count, policy, broken } = workerData;
const producer = new RingProducer(ring, { assertsOwner: true });
const doorbell = new Doorbell(bell);

function write(sequence, frame, index, poison) {
  const bodyBytes = bodyBytesOf(sequence);
  const at = producer.reserve(kindOf(sequence), bodyBytes);
  if (at < 0) return false;
  const words = producer.i32;
  const start = at >> 2;
  if (broken) {
    producer.commit();
    producer.publish();
  }
  words[start] = poison ? ~sequence : sequence;
  words[start + 1] = frame;
  words[start + 2] = index;
  for (let i = 3; i < bodyBytes >> 2; i++) words[start + i] = mix(sequence, i) ^ (poison ? -1 : 0);
  if (!broken) producer.commit();
  return true;
}

let sequence = 0;
let frame = 0;
let fullFrames = 0;
let refused = 0;
while (sequence < count) {
  const length = frameLengthOf(frame);
  const poison = isRolledBack(frame);
  let index = 0;
  while (index < length && write(sequence + index, frame, index, poison)) index++;
  if (poison || index < length) producer.rollback();
  if (index === length) {
    if (!poison) {
      producer.publish();
      doorbell.ring();
      sequence += length;
    }
    frame++;
  } else {
    refused++;
    fullFrames++;
    doorbell.ring();
    if (policy === "wait") {
      if ((fullFrames & 7) === 0) pause(0.05);
    } else {
      // The frame is lost: the consumer sees a gap of exactly this frame.
      sequence += poison ? 0 : length;
      frame++;
      if ((fullFrames & 63) === 0) pause(0.05);
    }
  }
}
parentPort.postMessage({ end: sequence, refused });
