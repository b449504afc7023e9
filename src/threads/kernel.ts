/**
 * Entry of a kernel worker: market ring → WASM step → ladder on the board.
 *
 * The loop drains every waiting record, then quotes each touched asset once, so that a burst costs one ladder and not one per
 * record. It never returns to the event loop while running: it is stopped by a control word, not by a message.
 */
import { parentPort, workerData } from "node:worker_threads";
import * as abi from "../abi/layout.js";
import { KernelHost } from "../kernels/index.js";
import {
  CellWriter,
  Doorbell,
  Heartbeats,
  KillLatch,
  KillReason,
  LatencyHistogram,
  RingConsumer,
} from "../rings/index.js";
import { type KernelInit, type KernelMessage, REJECTED, STOP } from "./kernel-protocol.js";
import { systemClock } from "./system-clock.js";

const BEAT_EVERY_NS = 50e6;
const ESTIMATES_EVERY_NS = 100e6;

function run(init: KernelInit): void {
  const clock = systemClock(init.clockBaseNs);
  const host = new KernelHost(init.module);
  const market = new RingConsumer(init.marketRing);
  const account = new RingConsumer(init.accountRing);
  const doorbell = new Doorbell(init.doorbell);
  const mainDoorbell = new Doorbell(init.mainDoorbell);
  const heartbeats = new Heartbeats(init.heartbeats);
  const latency = new LatencyHistogram(init.latency);
  const control = new Int32Array(init.control);
  const ladders = init.ladderCells.map((sab) => new CellWriter(sab));
  const gatewayEstimates = init.gatewayEstimates.map((sab) => new CellWriter(sab));

  const positionOf = new Int32Array(Math.max(0, ...init.assets) + 1).fill(-1);
  init.assets.forEach((asset, i) => {
    positionOf[asset] = i;
    host.resetAsset(asset);
  });
  const count = init.assets.length;
  const isDirty = new Uint8Array(count);
  const causeRecvMonoNs = new Float64Array(count);
  const causeKind = new Uint8Array(count);
  const takenMonoNs = new Float64Array(count);
  const marketRecvMonoNs = new Float64Array(count);
  const ladderSeq = new Uint32Array(count);
  const estimatesSeq = new Uint32Array(count);
  let nextBeatNs = 0;
  let nextEstimatesNs = 0;

  /** Steps every record that waits in the ring; returns how many there were. */
  function drain(ring: RingConsumer): number {
    let records = 0;
    for (let at = ring.poll(); at >= 0; at = ring.poll()) {
      records++;
      const kind = ring.kind;
      const asset = ring.u16[(at + ASSET_OFFSET[kind]!) >> 1]!;
      const i = positionOf[asset] ?? -1;
      if (i < 0) continue;
      if (host.step(kind, asset, ring.f64, at, ring.bodyBytes) !== abi.KernelStatus.Ok) {
        // What the kernel refuses is no sign of life: an asset whose every record is refused must go stale, not look fresh.
        Atomics.add(control, REJECTED, 1);
        continue;
      }
      const recvMonoNs = isMarketData(kind) ? ring.f64[(at + RECV_OFFSET[kind]!) >> 3]! : 0;
      // Trades alone do not keep an asset fresh: it is the book that quotes stand on.
      if (recvMonoNs > 0 && kind !== abi.RecordKind.Trade) marketRecvMonoNs[i] = recvMonoNs;
      if (isDirty[i] === 0) {
        isDirty[i] = 1;
        takenMonoNs[i] = clock.monoNs();
        causeKind[i] = kind;
        causeRecvMonoNs[i] = 0;
      }
      // The oldest frame not yet quoted: a burst is charged from its first record.
      if (causeRecvMonoNs[i] === 0) causeRecvMonoNs[i] = recvMonoNs;
    }
    if (records > 0) ring.release();
    return records;
  }

  function quoteDirty(): void {
    let published = false;
    for (let i = 0; i < count; i++) {
      if (isDirty[i] === 0) continue;
      isDirty[i] = 0;
      host.quote(init.assets[i]!, takenMonoNs[i]!);
      const cell = ladders[i]!;
      const at = cell.begin();
      host.copyLadderTo(cell.f64, at);
      ladderSeq[i]!++;
      cell.u32[(at + abi.LADDER_SEQ) >> 2] = ladderSeq[i]!;
      cell.u8[at + abi.LADDER_CAUSE_KIND] = causeKind[i]!;
      cell.f64[(at + abi.LADDER_CAUSE_RECV_MONO_NS) >> 3] = causeRecvMonoNs[i]!;
      cell.f64[(at + abi.LADDER_MARKET_RECV_MONO_NS) >> 3] = marketRecvMonoNs[i]!;
      cell.f64[(at + abi.LADDER_KERNEL_START_MONO_NS) >> 3] = takenMonoNs[i]!;
      const end = clock.monoNs();
      cell.f64[(at + abi.LADDER_KERNEL_END_MONO_NS) >> 3] = end;
      cell.publish();
      latency.record(end - takenMonoNs[i]!);
      published = true;
    }
    if (published) mainDoorbell.ring();
  }

  function publishEstimates(nowNs: number): void {
    for (let i = 0; i < count; i++) {
      host.estimates(init.assets[i]!, nowNs);
      estimatesSeq[i]!++;
      const cell = gatewayEstimates[i]!;
      const at = cell.begin();
      host.copyEstimatesTo(cell.f64, at);
      cell.u32[(at + abi.ESTIMATES_SEQ) >> 2] = estimatesSeq[i]!;
      cell.publish();
    }
  }

  parentPort!.postMessage({ type: "ready" } satisfies KernelMessage);
  while (Atomics.load(control, STOP) === 0) {
    const seen = doorbell.epoch();
    const records = drain(account) + drain(market);
    if (records > 0) quoteDirty();
    const now = clock.monoNs();
    if (now >= nextBeatNs) {
      nextBeatNs = now + BEAT_EVERY_NS;
      heartbeats.beat(init.heartbeatIndex, now);
    }
    if (now >= nextEstimatesNs) {
      nextEstimatesNs = now + ESTIMATES_EVERY_NS;
      publishEstimates(now);
    }
    if (records === 0) doorbell.waitSync(init.wait, seen, 50);
  }
}

/** Where each kind keeps its asset index, and market data its receive time. */
const ASSET_OFFSET: readonly number[] = byKind({
  [abi.RecordKind.Book]: abi.BOOK_ASSET,
  [abi.RecordKind.Trade]: abi.TRADE_ASSET,
  [abi.RecordKind.Bbo]: abi.BBO_ASSET,
  [abi.RecordKind.AssetCtx]: abi.ASSET_CTX_ASSET,
  [abi.RecordKind.OwnFill]: abi.OWN_FILL_ASSET,
  [abi.RecordKind.Position]: abi.POSITION_ASSET,
  [abi.RecordKind.KernelConfig]: abi.KERNEL_CONFIG_ASSET,
  [abi.RecordKind.FeedStatus]: abi.FEED_STATUS_ASSET,
});
const RECV_OFFSET: readonly number[] = byKind({
  [abi.RecordKind.Book]: abi.BOOK_RECV_MONO_NS,
  [abi.RecordKind.Trade]: abi.TRADE_RECV_MONO_NS,
  [abi.RecordKind.Bbo]: abi.BBO_RECV_MONO_NS,
});
const isMarketData = (kind: number): boolean =>
  kind === abi.RecordKind.Book || kind === abi.RecordKind.Trade || kind === abi.RecordKind.Bbo;

function byKind(entries: Readonly<Record<number, number>>): number[] {
  return Array.from({ length: 16 }, (_, kind) => entries[kind] ?? 0);
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
