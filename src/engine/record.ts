import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { type Clock, type Instrument, Rng } from "../domain/index.js";
import { createDoorbell, createHistogram, RingConsumer } from "../rings/index.js";
import { assetOfRecord, type RecorderStats, TapeError, TapeRecorder } from "../store/index.js";
import { createLogger, type LogFn, type LogFormat, type LogLevel } from "../telemetry/log.js";
import type { MetricsServer } from "../telemetry/metrics-server.js";
import { StatusLine } from "../telemetry/status-line.js";
import { TapeBoard } from "../telemetry/tape-board.js";
import type { IngestInit, IngestMessage } from "../threads/ingest.js";
import { Supervisor } from "../threads/supervisor.js";
import { startClock, systemTimers } from "../threads/system-clock.js";
import { FeedCounters } from "../venues/hyperliquid/feed-counters.js";
import { InfoClient } from "../venues/hyperliquid/info.js";
import { networkEndpoints } from "../venues/hyperliquid/network.js";
import { compiledUrl } from "./artifacts.js";
import { resolveMarkets } from "./markets.js";
import { type RecordMemory, recordMemory, serveRecordMetrics } from "./record-metrics.js";
import { probePort } from "./simulator.js";
import { StartError } from "./start-error.js";
import { fileSafe, tapeInstruments, wallBaseNs } from "./tape-plan.js";

export interface RecordOptions {
  readonly network: string;
  /** The simulator's, on localhost. */
  readonly port: number;
  /** Separated by commas. */
  readonly assets: string;
  readonly dex: string | undefined;
  readonly dir: string;
  /** Default: the network and the assets. */
  readonly prefix: string | undefined;
  /** 0: never. */
  readonly rotateMib: number;
  readonly rotateMinutes: number;
  readonly durationS: number | undefined;
  readonly hasStandby: boolean;
  /** 20 levels every few seconds instead of 5 levels twice a second. */
  readonly isDeepBook: boolean;
  /** Prometheus text; port 0: none. */
  readonly metrics: { readonly host: string; readonly port: number };
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

export interface RecordHost {
  readonly terminal: { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number };
  rssBytes(): number;
  /** Calls back once, with a reason, when the recording should end. */
  onStopRequest(stop: (reason: string) => void): void;
}

const DRAIN_EVERY_MS = 10;
const STATUS_EVERY_MS = 500;
const STATUS_LOG_EVERY_MS = 10_000;
const DEAD_AFTER_MS = 10_000;
const THREAD_STOP_MS = 5000;
const STALE_AFTER_MS = 10_000;

/** Documented: scripts decide by them. */
export const RECORD_EXIT = { whole: 0, failed: 1, lossy: 2 } as const;

/**
 * Records markets until stopped: the engine's own feed thread, with a tape at the other end of its ring instead of kernels.
 *
 * @returns `RECORD_EXIT`. @throws one-line errors (VenueError, StartError, TapeError) when it cannot start.
 */
export async function recordMarkets(o: RecordOptions, host: RecordHost): Promise<number> {
  const { clock, baseNs } = startClock();
  const status = new StatusLine(host.terminal);
  const { log, close: closeLog } = createLogger({
    level: o.logLevel,
    format: o.logFormat,
    file: undefined,
    write: status.print,
    isColored: host.terminal.isTTY === true,
  });
  const stopRequested = new Promise<string>((stop) => host.onStopRequest(stop));
  let metrics: MetricsServer | undefined;
  try {
    const instruments = await listed(o, clock);
    const memory = recordMemory(instruments.length);
    if (o.metrics.port !== 0) {
      const coins = instruments.map((i) => i.coin);
      metrics = await serveRecordMetrics(memory, coins, clock, host.rssBytes, o.metrics);
      log("info", "Metrics", { url: `http://${o.metrics.host}:${metrics.port}/metrics` });
    }
    return await new Recording(o, instruments, memory, clock, baseNs, log, status).run(stopRequested);
  } finally {
    metrics?.close();
    status.clear();
    await closeLog();
  }
}

async function listed(o: RecordOptions, clock: Clock): Promise<Instrument[]> {
  const endpoints = networkEndpoints(o.network, { port: o.port });
  if (endpoints.name === "localhost" && (await probePort(o.port)) !== "simulator") {
    throw new StartError(
      "NoSimulator",
      `no simulated exchange runs on port ${o.port}: start one with market-maker sim, or give its --port`,
    );
  }
  const info = new InfoClient({ endpoints, clock, timers: systemTimers, rng: new Rng(clock.wallMs()) });
  const markets = await resolveMarkets(info, { asset: o.assets, dex: o.dex, decimals: undefined });
  return markets.map((m) => m.instrument);
}

class Recording {
  private readonly consumer: RingConsumer;
  private readonly counters: FeedCounters;
  private readonly board: TapeBoard;
  private readonly recorder: TapeRecorder;
  private readonly supervisor: Supervisor;
  private isFeedDead = false;
  private isStopping = false;
  private endEarly: (reason: string) => void = () => {};
  private lastRecords = 0;
  private lastStatusNs = 0;

  constructor(
    private readonly o: RecordOptions,
    private readonly instruments: readonly Instrument[],
    private readonly memory: RecordMemory,
    private readonly clock: Clock,
    private readonly baseNs: bigint,
    private readonly log: LogFn,
    private readonly status: StatusLine,
  ) {
    this.consumer = new RingConsumer(memory.ring);
    this.counters = new FeedCounters(memory.counters);
    this.board = new TapeBoard(memory.tape, instruments.length);
    const dir = resolve(o.dir);
    try {
      mkdirSync(dir, { recursive: true });
    } catch (cause) {
      throw new TapeError("cannot_write", `${dir} cannot be made: ${(cause as Error).message}`, { cause });
    }
    const coins = instruments.map((i) => i.coin);
    this.recorder = new TapeRecorder(
      {
        dir,
        prefix: o.prefix ?? fileSafe(`${o.network}_${coins.join("-")}`),
        venue: "hyperliquid",
        baseWallNs: wallBaseNs(clock),
        instruments: tapeInstruments(instruments),
        source: `recorded from ${o.network}`,
        rotateBytes: o.rotateMib * 2 ** 20,
        rotateNs: o.rotateMinutes * 60e9,
        onFile: (path) => log("info", "Recording", { file: path }),
        onTrouble: (problem) =>
          log("error", "The disk takes no records: they are counted and lost until it does", { problem }),
        onRecovered: (lost) =>
          log("warn", "The disk takes records again: the gap is marked", { lostRecords: lost }),
      },
      clock.monoNs(),
    );
    this.supervisor = new Supervisor({
      latch: memory.latch,
      heartbeats: memory.heartbeats,
      mainDoorbell: memory.mainDoorbell,
      clock,
      timers: systemTimers,
      deadAfterMs: DEAD_AFTER_MS,
      onDeath: (_thread, reason) => {
        log("error", "The feed thread died", { reason });
        this.isFeedDead = true;
        this.endEarly("feed thread died");
      },
    });
  }

  async run(stopRequested: Promise<string>): Promise<number> {
    const { o, log, clock } = this;
    const ended = new Promise<string>((end) => {
      this.endEarly = end;
    });
    await this.supervisor.start<IngestMessage>("feed", compiledUrl("threads/ingest.js"), this.ingestInit(), {
      heartbeatIndex: 0,
      isVital: true,
      readyType: "ready",
      onMessage: (m) => this.onFeedMessage(m),
    });
    const stops = [
      systemTimers.every(DRAIN_EVERY_MS, () => this.pass()),
      this.status.isLive
        ? systemTimers.every(STATUS_EVERY_MS, () => this.status.set(this.text()))
        : systemTimers.every(STATUS_LOG_EVERY_MS, () => log("info", `Status ${this.text()}`)),
      ...(o.durationS === undefined
        ? []
        : [systemTimers.after(o.durationS * 1000, () => this.endEarly("duration"))]),
    ];
    const reason = await Promise.race([stopRequested, ended]);
    log("info", "Stopping", { reason });
    this.isStopping = true;
    for (const stop of stops) stop();
    // The tape first: that we hang up ourselves is no gap of the market's.
    this.drain();
    const stats = this.recorder.close(clock.monoNs());
    const lost = stats.lost + this.counters.get("noRoom");
    const gaps = stats.gaps + this.counters.get("resyncs");
    await this.supervisor.stop("feed", THREAD_STOP_MS, (w) => w.postMessage({ type: "stop" }));
    this.supervisor.close();
    this.status.clear();
    return this.report(stats, lost, gaps);
  }

  private report(stats: RecorderStats, lost: number, gaps: number): number {
    this.log(lost > 0 ? "error" : "info", lost > 0 ? "Recorded, with losses" : "Recorded", {
      records: stats.records,
      files: stats.files,
      mib: Math.round((stats.fileBytes / 2 ** 20) * 100) / 100,
      lost,
      gaps,
    });
    if (this.isFeedDead) return RECORD_EXIT.failed;
    return lost > 0 ? RECORD_EXIT.lossy : RECORD_EXIT.whole;
  }

  private pass(): void {
    this.drain();
    this.recorder.tick(this.clock.monoNs());
    this.board.tell(this.recorder);
  }

  private drain(): void {
    const { consumer, recorder } = this;
    for (let at = consumer.poll(); at >= 0; at = consumer.poll()) {
      recorder.take(
        consumer.kind,
        assetOfRecord(consumer.kind, consumer.u8, at),
        consumer,
        at,
        consumer.bodyBytes,
      );
    }
    consumer.release();
  }

  private text(): string {
    const nowNs = this.clock.monoNs();
    const { stats, newestRecvNs } = this.recorder;
    const perS = ((stats.records - this.lastRecords) / Math.max(1, nowNs - this.lastStatusNs)) * 1e9;
    this.lastRecords = stats.records;
    this.lastStatusNs = nowNs;
    const lag =
      newestRecvNs === 0 ? "nothing yet" : `newest ${((nowNs - newestRecvNs) / 1e9).toFixed(1)} s ago`;
    const lost = stats.lost === 0 ? "" : ` lost ${stats.lost}`;
    const disk = this.recorder.isFailing ? " DISK FULL" : "";
    return `${this.instruments.map((i) => i.coin).join(",")} ${stats.records} records ${perS.toFixed(0)}/s ${(stats.fileBytes / 2 ** 20).toFixed(2)} MiB in ${stats.files} files, ${lag}${lost}${disk}`;
  }

  private onFeedMessage(message: IngestMessage): void {
    const { log } = this;
    if (this.isStopping) return;
    if (message.type === "log") log(message.level, message.event, message.fields);
    else if (message.type === "connected") log("info", "Market data connected");
    else if (message.type === "disconnected")
      log("warn", "Market data disconnected", { reason: message.reason });
    else if (message.type === "fatal") log("error", "Feed thread failed", { error: message.message });
  }

  private ingestInit(): IngestInit {
    const { o, instruments, memory } = this;
    const endpoints = networkEndpoints(o.network, { port: o.port });
    return {
      wsUrl: endpoints.wsUrl,
      instruments,
      rings: [memory.ring],
      doorbells: [createDoorbell()],
      kernelOf: instruments.map(() => 0),
      mainDoorbell: memory.mainDoorbell,
      latch: memory.latch,
      heartbeats: memory.heartbeats,
      heartbeatIndex: 0,
      counters: memory.counters,
      streamTimes: memory.streamTimes,
      histogram: createHistogram(),
      clockBaseNs: this.baseNs,
      seed: Math.floor(this.clock.wallMs()) % 2 ** 31,
      staleAfterMs: STALE_AFTER_MS,
      feed: { isFastBook: endpoints.name !== "localhost" && !o.isDeepBook },
      hasStandby: o.hasStandby,
    };
  }
}
