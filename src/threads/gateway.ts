/**
 * Entry of the gateway thread: everything slow or facing people. Serves Prometheus text; reads shared memory only, so that a scrape
 * costs the hot path nothing and its death costs one alert.
 */
import { parentPort, workerData } from "node:worker_threads";
import * as abi from "../abi/layout.js";
import { CellReader, Heartbeats, LatencyHistogram, ringDrops } from "../rings/index.js";
import { ASSET_SLOTS, Board, ENGINE_SLOTS } from "../telemetry/board.js";
import { createMetrics, type EstimateValues } from "../telemetry/metrics.js";
import { type MetricsServer, serveMetrics } from "../telemetry/metrics-server.js";
import { TapeBoard } from "../telemetry/tape-board.js";
import { FeedCounters, MARKET_STREAMS, StreamTimes } from "../venues/hyperliquid/feed-counters.js";
import { systemClock, systemTimers } from "./system-clock.js";

export interface GatewayInit {
  readonly coins: readonly string[];
  readonly assetBoards: readonly SharedArrayBuffer[];
  readonly engineBoard: SharedArrayBuffer;
  readonly estimates: readonly SharedArrayBuffer[];
  /** Several buffers of a stage are merged: one per writing thread. */
  readonly stages: readonly { readonly stage: string; readonly sabs: readonly SharedArrayBuffer[] }[];
  readonly feedCounters: SharedArrayBuffer;
  readonly streamTimes: SharedArrayBuffer;
  readonly marketRings: readonly SharedArrayBuffer[];
  readonly heartbeats: SharedArrayBuffer;
  readonly threadNames: readonly string[];
  readonly heartbeatIndex: number;
  readonly clockBaseNs: bigint;
  /** `TapeBoard` of the run's own tape; undefined: none is written. */
  readonly tapeBoard: SharedArrayBuffer | undefined;
  /** Undefined: no metrics endpoint. */
  readonly metrics: { readonly host: string; readonly port: number } | undefined;
}

export type GatewayMessage =
  | { readonly type: "ready"; readonly port: number | undefined }
  | { readonly type: "failed"; readonly code: string; readonly message: string }
  | { readonly type: "stopped" };

const init = workerData as GatewayInit;
const port = parentPort!;
const clock = systemClock(init.clockBaseNs);
const heartbeats = new Heartbeats(init.heartbeats);
const stopBeating = systemTimers.every(100, () => heartbeats.beat(init.heartbeatIndex, clock.monoNs()));
heartbeats.beat(init.heartbeatIndex, clock.monoNs());

const histograms = init.stages.map(({ stage, sabs }) => ({
  stage,
  parts: sabs.map((sab) => new LatencyHistogram(sab)),
}));
const feedCounters = new FeedCounters(init.feedCounters);
const streamTimes = new StreamTimes(init.streamTimes);
const metrics = createMetrics({
  assets: init.coins.map((coin, i) => ({
    coin,
    board: new Board(ASSET_SLOTS, init.assetBoards[i]!),
    estimates: estimatesReader(init.estimates[i]!),
  })),
  engine: new Board(ENGINE_SLOTS, init.engineBoard),
  stages: histograms.map(({ stage, parts }) => ({
    stage,
    snapshot: () => parts.map((p) => p.snapshot()).reduce((a, b) => a.merge(b)),
  })),
  feed: () => feedCounters.entries(),
  feedClockOffsetMs: () => feedCounters.clockOffsetMs(),
  streamAges: () => {
    const nowNs = clock.monoNs();
    const market = init.coins.flatMap((coin, asset) =>
      MARKET_STREAMS.map((stream, i): [string, string, number] => [
        coin,
        stream,
        streamTimes.ageS(asset, i, nowNs),
      ]),
    );
    return [...market, ["", "private", streamTimes.privateAgeS(nowNs)]];
  },
  feedGauges: () => [
    ["primary", feedCounters.get("isConnected")],
    ["standby", feedCounters.get("isStandbyConnected")],
  ],
  ringDrops: () => init.marketRings.reduce((sum, sab) => sum + ringDrops(sab), 0),
  threads: () =>
    init.threadNames.map((name, i): [string, number] => [name, heartbeats.ageNs(i, clock.monoNs()) / 1e9]),
  rssBytes: () => process.memoryUsage.rss(),
  tape:
    init.tapeBoard === undefined
      ? undefined
      : {
          coins: init.coins,
          board: new TapeBoard(init.tapeBoard, init.coins.length),
          nowNs: () => clock.monoNs(),
          feedGaps: () => feedCounters.get("resyncs"),
          feedLost: () => 0,
        },
});

function estimatesReader(sab: SharedArrayBuffer): () => EstimateValues | undefined {
  const cell = new CellReader(sab);
  let last: EstimateValues | undefined;
  return () => {
    if (!cell.poll()) return last;
    const f64 = (offset: number): number => cell.f64[(cell.offset + offset) >> 3]!;
    last = {
      midPx: f64(abi.ESTIMATES_MID_PX),
      microPx: f64(abi.ESTIMATES_MICRO_PX),
      marketSpreadBps: f64(abi.ESTIMATES_MARKET_SPREAD_BPS),
      bookImbalance: f64(abi.ESTIMATES_BOOK_IMBALANCE),
      flowImbalance: f64(abi.ESTIMATES_FLOW_IMBALANCE),
      betaBook: f64(abi.ESTIMATES_BETA_BOOK),
      betaFlow: f64(abi.ESTIMATES_BETA_FLOW),
      sigmaEffBps: f64(abi.ESTIMATES_SIGMA_EFF_BPS),
      jumpRatio: f64(abi.ESTIMATES_JUMP_RATIO),
      kappaPerBps: f64(abi.ESTIMATES_KAPPA_PER_BPS),
      arrivalPerS: f64(abi.ESTIMATES_ARRIVAL_PER_S),
      hawkesBuyPerS: f64(abi.ESTIMATES_HAWKES_BUY_PER_S),
      hawkesSellPerS: f64(abi.ESTIMATES_HAWKES_SELL_PER_S),
      fundingRate: f64(abi.ESTIMATES_FUNDING_RATE),
      openInterest: f64(abi.ESTIMATES_OPEN_INTEREST),
      markPx: f64(abi.ESTIMATES_MARK_PX),
      oraclePx: f64(abi.ESTIMATES_ORACLE_PX),
      regime: cell.u8[cell.offset + abi.ESTIMATES_REGIME]!,
      isWarm: cell.u8[cell.offset + abi.ESTIMATES_IS_WARM] === 1,
      tradeCount: f64(abi.ESTIMATES_TRADE_COUNT),
      bucketCount: f64(abi.ESTIMATES_BUCKET_COUNT),
    };
    return last;
  };
}

let server: MetricsServer | undefined;
const ready = (): void => port.postMessage({ type: "ready", port: server?.port } satisfies GatewayMessage);

port.on("message", (message: { type: "stop" }) => {
  if (message.type !== "stop") return;
  stopBeating();
  server?.close();
  port.postMessage({ type: "stopped" } satisfies GatewayMessage);
  port.close();
});

if (init.metrics === undefined) ready();
else {
  serveMetrics(metrics, init.metrics.host, init.metrics.port).then(
    (listening) => {
      server = listening;
      ready();
    },
    (error: NodeJS.ErrnoException) => {
      stopBeating();
      port.postMessage({
        type: "failed",
        code: error.code ?? "listen",
        message: error.message,
      } satisfies GatewayMessage);
      port.close();
    },
  );
}
