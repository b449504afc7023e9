/**
 * The far end of `ring.handoff.*`: notes how long after its publish each record was seen.
 */
import { parentPort, workerData } from "node:worker_threads";
import { TRADE_RECV_MONO_NS, TRADE_SEQ } from "../../src/abi/layout.js";
import { Doorbell, RingConsumer, type WaitMode } from "../../src/rings/index.js";

export interface HandoffInit {
  readonly ring: SharedArrayBuffer;
  readonly bell: SharedArrayBuffer;
  readonly mode: WaitMode;
  readonly count: number;
  /** Zero of both sides' clock: process.hrtime is one clock for the whole machine. */
  readonly originNs: bigint;
  /** f64 ns a record, by sequence. */
  readonly latenciesNs: SharedArrayBuffer;
}

const init = workerData as HandoffInit;
const consumer = new RingConsumer(init.ring);
const bell = new Doorbell(init.bell);
const latenciesNs = new Float64Array(init.latenciesNs);

parentPort!.postMessage("ready");
let seenCount = 0;
while (seenCount < init.count) {
  const epoch = bell.epoch();
  const at = consumer.poll();
  if (at < 0) {
    bell.waitSync(init.mode, epoch, 100);
    continue;
  }
  const nowNs = Number(process.hrtime.bigint() - init.originNs);
  latenciesNs[consumer.u32[(at + TRADE_SEQ) >> 2]!] = nowNs - consumer.f64[(at + TRADE_RECV_MONO_NS) >> 3]!;
  consumer.release();
  seenCount++;
}
parentPort!.postMessage("done");
