/**
 * Entry of a kernel worker: market ring → WASM step → ladder on the board.
 *
 * The loop never returns to the event loop while running: it is stopped by a control word, not by a message. What it does with
 * the records is `kernels/pump`, which engines on a virtual clock share.
 */
import { parentPort, workerData } from "node:worker_threads";
import { KernelHost, KernelPump } from "../kernels/index.js";
import { Doorbell, Heartbeats, KillLatch, KillReason, LatencyHistogram } from "../rings/index.js";
import { type KernelInit, type KernelMessage, REJECTED, STOP } from "./kernel-protocol.js";
import { PassTrace } from "./pass-trace.js";
import { systemClock } from "./system-clock.js";

const BEAT_EVERY_NS = 50e6;
const ESTIMATES_EVERY_NS = 100e6;

function run(init: KernelInit): void {
  const clock = systemClock(init.clockBaseNs);
  const doorbell = new Doorbell(init.doorbell);
  const mainDoorbell = new Doorbell(init.mainDoorbell);
  const heartbeats = new Heartbeats(init.heartbeats);
  const control = new Int32Array(init.control);
  const trace = init.passes === undefined ? undefined : new PassTrace(init.passes, clock);
  const pump = new KernelPump({
    host: new KernelHost(init.module),
    assets: init.assets,
    marketRing: init.marketRing,
    accountRing: init.accountRing,
    ladderCells: init.ladderCells,
    gatewayEstimates: init.gatewayEstimates,
    clock: trace?.clock ?? clock,
    requoteBps: init.requoteBps,
    requoteMs: init.requoteMs,
    latency: new LatencyHistogram(init.latency),
    onRejected: () => Atomics.add(control, REJECTED, 1),
  });
  let nextBeatNs = 0;
  let nextEstimatesNs = 0;

  parentPort!.postMessage({ type: "ready" } satisfies KernelMessage);
  while (Atomics.load(control, STOP) === 0) {
    const seen = doorbell.epoch();
    const records = pump.drain();
    if (records > 0 && pump.quoteDirty()) mainDoorbell.ring();
    if (records > 0) trace?.took(pump.accountTaken, pump.marketTaken);
    const now = clock.monoNs();
    if (now >= nextBeatNs) {
      nextBeatNs = now + BEAT_EVERY_NS;
      heartbeats.beat(init.heartbeatIndex, now);
    }
    if (now >= nextEstimatesNs) {
      nextEstimatesNs = now + ESTIMATES_EVERY_NS;
      pump.publishEstimates(now);
    }
    if (records === 0) doorbell.waitSync(init.wait, seen, 50);
  }
}

const init = workerData as KernelInit;
try {
  run(init);
} catch (error) {
  // A trap or a bug: the worker is gone, so quoting must end before anything else is said.
  new KillLatch(init.latch).trip(KillReason.KernelTrap);
  new Doorbell(init.mainDoorbell).ring();
  const e = error instanceof Error ? error : new Error(String(error));
  parentPort!.postMessage({
    type: "fatal",
    message: e.message,
    stack: e.stack ?? "",
  } satisfies KernelMessage);
}
