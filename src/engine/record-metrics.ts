import type { Clock } from "../domain/index.js";
import {
  createDoorbell,
  createHeartbeats,
  createLatch,
  createRing,
  Heartbeats,
  ringDrops,
} from "../rings/index.js";
import { type MetricsServer, serveMetrics } from "../telemetry/metrics-server.js";
import { TapeBoard } from "../telemetry/tape-board.js";
import { createRecordMetrics } from "../telemetry/tape-metrics.js";
import {
  createFeedCounters,
  FeedCounters,
  MARKET_STREAMS,
  StreamTimes,
} from "../venues/hyperliquid/feed-counters.js";
import { StartError } from "./start-error.js";

/** Seconds of a busy market while the disk is away. */
const RING_BYTES = 32 * 2 ** 20;

/** What the threads of a recording share. */
export const recordMemory = (assetCount: number) => ({
  ring: createRing(RING_BYTES),
  heartbeats: createHeartbeats(1),
  latch: createLatch(),
  mainDoorbell: createDoorbell(),
  counters: createFeedCounters(),
  streamTimes: StreamTimes.bytes(assetCount),
  tape: TapeBoard.bytes(assetCount),
});
export type RecordMemory = ReturnType<typeof recordMemory>;

/** @throws {StartError} `MetricsPort`, when nothing can listen there. */
export async function serveRecordMetrics(
  memory: RecordMemory,
  coins: readonly string[],
  clock: Clock,
  rssBytes: () => number,
  at: { readonly host: string; readonly port: number },
): Promise<MetricsServer> {
  const counters = new FeedCounters(memory.counters);
  const streamTimes = new StreamTimes(memory.streamTimes);
  const heartbeats = new Heartbeats(memory.heartbeats);
  const nowNs = (): number => clock.monoNs();
  const metrics = createRecordMetrics({
    tape: {
      coins,
      board: new TapeBoard(memory.tape, coins.length),
      nowNs,
      feedGaps: () => counters.get("resyncs"),
      feedLost: () => counters.get("noRoom"),
    },
    feed: () => counters.entries(),
    feedClockOffsetMs: () => counters.clockOffsetMs(),
    streamAges: () =>
      coins.flatMap((coin, asset) =>
        MARKET_STREAMS.map((stream, i): [string, string, number] => [
          coin,
          stream,
          streamTimes.ageS(asset, i, nowNs()),
        ]),
      ),
    feedGauges: () => [
      ["primary", counters.get("isConnected")],
      ["standby", counters.get("isStandbyConnected")],
    ],
    ringDrops: () => ringDrops(memory.ring),
    threads: () => [["feed", heartbeats.ageNs(0, nowNs()) / 1e9]],
    rssBytes,
  });
  try {
    return await serveMetrics(metrics, at.host, at.port);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new StartError(
      "MetricsPort",
      code === "EADDRINUSE"
        ? `metrics port ${at.port} is in use: choose another with --metrics-port, or 0 to do without`
        : `metrics cannot be served: ${message}`,
    );
  }
}
