/**
 * rings: everything that threads share. A record that counts goes through an `SpscRing` (market events, fills), a value of
 * which only the newest counts through a `LatestCell` (ladders, estimates); beside them one kill latch, heartbeats, latency
 * histograms and doorbells. Each is a SharedArrayBuffer made once by `create…` on the supervisor's thread and attached by
 * name in the others. Imports domain and abi only; anybody above may import it.
 *
 * Invariants:
 * 1. A word has one writing thread, named in the table at the head of its file. Exceptions are read-modify-write words: a
 *    cell's CONTROL (writer and reader exchange) and ENDS, the kill latch (any thread, compareExchange), a doorbell's EPOCH
 *    (ringers add) and SLEEPERS (waiters add and subtract).
 * 2. A record is visible whole or not at all, and so is everything between two publishes of a producer.
 * 3. Records come out in the order in which they went in, none twice, none missing: one that found the ring full was refused
 *    before a byte was written, and counted.
 * 4. A cell's reader sees complete values only, never an older one after a newer one, and the newest at the latest on the
 *    poll after its publish.
 * 5. A tripped latch stays tripped, with its first reason.
 * 6. A ring of the bell after a publish wakes every waiter that has not seen the publish.
 * 7. Attaching to memory of another kind, version or record layout throws.
 * 8. Counters are i32, wrap, and are compared by difference.
 * 9. After construction nothing here allocates, but for snapshots and asynchronous waits.
 */

export {
  createDoorbell,
  DEFAULT_WAIT_MODE,
  Doorbell,
  MainPoller,
  type MainPollerOptions,
  WAIT_MODES,
  type WaitMode,
} from "./doorbell.js";
export { createHeartbeats, Heartbeats } from "./heartbeat.js";
export { createHistogram, type HistogramBucket, HistogramSnapshot, LatencyHistogram } from "./histogram.js";
export { createLatch, KillLatch, KillReason, killReasonText, type TripReason } from "./kill-latch.js";
export { CellReader, CellWriter, createCell } from "./latest-cell.js";
export type { RecordSink } from "./record-sink.js";
export { isLossMark, RecordTee, type TeeOutlet, teeOutlet } from "./record-tee.js";
export { createRing, RingConsumer, RingProducer, ringDrops, ringFill } from "./spsc-ring.js";
