/**
 * Entry of the tape's thread in a run: two rings in, tape files out. Market records come from the feed thread, orders of our own
 * from the executor's; neither waits for this thread, and its death costs the tape and one line in the log.
 */
import { parentPort, workerData } from "node:worker_threads";
import { OWN_ORDER_RECV_MONO_NS } from "../abi/layout.js";
import { Heartbeats, isLossMark, RingConsumer, ringDrops } from "../rings/index.js";
import { assetOfRecord, recvOffset, TapeRecorder } from "../store/index.js";
import { TapeBoard } from "../telemetry/tape-board.js";
import type { RecorderInit, RecorderMessage } from "./recorder-protocol.js";
import { systemClock, systemTimers } from "./system-clock.js";

const DRAIN_EVERY_MS = 10;

function start(init: RecorderInit, post: (message: RecorderMessage) => void): { stop(): void } {
  const clock = systemClock(init.clockBaseNs);
  const heartbeats = new Heartbeats(init.heartbeats);
  const board = new TapeBoard(init.board, init.files.instruments.length);
  const market = new RingConsumer(init.marketRing);
  const orders = new RingConsumer(init.orderRing);
  const log = (
    level: "info" | "warn" | "error",
    event: string,
    fields: Readonly<Record<string, unknown>>,
  ): void => post({ type: "log", level, event, fields });
  const recorder = new TapeRecorder(
    {
      ...init.files,
      onFile: (path) => log("info", "Recording", { file: path }),
      onTrouble: (problem) => log("error", "The tape's disk takes no records: they are lost", { problem }),
      onRecovered: (lost) => log("warn", "The tape's disk takes records again", { lostRecords: lost }),
    },
    clock.monoNs(),
  );
  /** Place of the next order record, polled and not yet taken; -1: none. */
  let orderAt = -1;
  let marketDrops = 0;
  let orderDrops = 0;

  const takeOrders = (untilNs: number): void => {
    for (;;) {
      if (orderAt < 0) orderAt = orders.poll();
      if (orderAt < 0) return;
      if (orders.f64[(orderAt + OWN_ORDER_RECV_MONO_NS) >> 3]! > untilNs) return;
      const asset = assetOfRecord(orders.kind, orders.u8, orderAt);
      recorder.take(orders.kind, asset, orders, orderAt, orders.bodyBytes);
      orderAt = -1;
      orders.release();
    }
  };
  const drain = (): void => {
    for (let at = market.poll(); at >= 0; at = market.poll()) {
      if (isLossMark(market.kind, market.i32, at)) {
        const drops = ringDrops(init.marketRing);
        recorder.noteLoss(drops - marketDrops);
        marketDrops = drops;
        log("error", "The tape does not keep up: market records lost, gap marked", { total: drops });
        continue;
      }
      // One tape, one order of time: what we did before this record reached us stands before it.
      takeOrders(market.f64[(at + recvOffset(market.kind)) >> 3]!);
      const asset = assetOfRecord(market.kind, market.u8, at);
      recorder.take(market.kind, asset, market, at, market.bodyBytes);
    }
    market.release();
    takeOrders(Number.POSITIVE_INFINITY);
    const drops = ringDrops(init.orderRing);
    if (drops === orderDrops) return;
    log("error", "The tape does not keep up: records of own orders lost", { total: drops });
    recorder.noteLoss(drops - orderDrops);
    orderDrops = drops;
  };
  const pass = (): void => {
    const nowNs = clock.monoNs();
    heartbeats.beat(init.heartbeatIndex, nowNs);
    drain();
    recorder.tick(nowNs);
    board.tell(recorder);
  };
  const stopPassing = systemTimers.every(DRAIN_EVERY_MS, pass);
  return {
    stop() {
      stopPassing();
      drain();
      recorder.close(clock.monoNs());
      board.tell(recorder);
    },
  };
}

const port = parentPort!;
const post = (message: RecorderMessage): void => port.postMessage(message);
try {
  const thread = start(workerData as RecorderInit, post);
  port.on("message", (message: { type: "stop" }) => {
    if (message.type !== "stop") return;
    thread.stop();
    post({ type: "stopped" });
    port.close();
  });
  post({ type: "ready" });
} catch (cause) {
  post({ type: "failed", code: "tape", message: cause instanceof Error ? cause.message : String(cause) });
  port.close();
}
