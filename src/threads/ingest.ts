/**
 * Entry of the feed thread: venue connection and relay port in, ring records out. Owns the writing end of every kernel
 * worker's market ring.
 *
 * Stopped by `{type: "stop"}`: sockets and relay are closed, the journal is flushed, and the thread ends because nothing keeps
 * it alive. An error that nobody caught first closes the relay (an open uWebSockets.js app in a dying worker aborts the whole
 * process, and resting orders would be orphaned), trips the kill latch, reports, and only then ends the thread.
 */
import { parentPort, workerData } from "node:worker_threads";
import { BODY_BYTES, RecordKind } from "../abi/layout.js";
import { type Instrument, Rng } from "../domain/index.js";
import {
  Doorbell,
  Heartbeats,
  KillLatch,
  KillReason,
  LatencyHistogram,
  RecordTee,
  RingProducer,
  teeOutlet,
} from "../rings/index.js";
import {
  IntakeNote,
  JournalKind,
  JournalStream,
  JournalWriter,
  journalTap,
  NO_BYTES,
} from "../store/index.js";
import { FrameDecoder } from "../venues/hyperliquid/decode.js";
import { DEFAULT_FEED_OPTIONS, type FeedOptions, HyperliquidFeed } from "../venues/hyperliquid/feed.js";
import { FeedCounters, StreamTimes } from "../venues/hyperliquid/feed-counters.js";
import {
  FeedIntake,
  type FeedLog,
  type FeedLogLevel,
  FeedSource,
  type IntakeNews,
} from "../venues/hyperliquid/intake.js";
import { DEFAULT_RELAY_OPTIONS, Relay, type RelayOptions } from "./relay.js";
import { systemClock, systemTimers } from "./system-clock.js";

export interface IngestInit {
  /** Undefined: no venue connection, the relay's push port is the only source. */
  readonly wsUrl: string | undefined;
  /** `asset` numbers 0, 1, 2, … in order. */
  readonly instruments: readonly Instrument[];
  /** Market ring and doorbell of each kernel worker; this thread is the ring's one producer. */
  readonly rings: readonly SharedArrayBuffer[];
  readonly doorbells: readonly SharedArrayBuffer[];
  /** Further readers of all records: a recorder, a paper exchange. One without room loses records; nobody waits for it. */
  readonly listeners?: readonly {
    readonly ring: SharedArrayBuffer;
    /** Rung after each publish; undefined: it looks by itself. */
    readonly doorbell?: SharedArrayBuffer;
  }[];
  /** Kernel worker of each asset. */
  readonly kernelOf: readonly number[];
  /** Rung after the latch was tripped, so that the executor sees it at once. */
  readonly mainDoorbell: SharedArrayBuffer;
  readonly latch: SharedArrayBuffer;
  readonly heartbeats: SharedArrayBuffer;
  readonly heartbeatIndex: number;
  readonly counters: SharedArrayBuffer;
  /** When each stream last spoke. */
  readonly streamTimes: SharedArrayBuffer;
  /** Decode latency. */
  readonly histogram: SharedArrayBuffer;
  readonly clockBaseNs: bigint;
  /** Jitter of the back-off. */
  readonly seed: number;
  readonly staleAfterMs: number;
  readonly feed?: Partial<FeedOptions>;
  /** A second venue connection tells the same market: the first frame wins, and the end of one leaves no gap. Default false. */
  readonly hasStandby?: boolean;
  /** Undefined: off. */
  readonly relay?: Partial<RelayOptions> & { readonly port: number };
  /** Undefined: off. */
  readonly journal?: {
    readonly dir: string;
    readonly runId: string;
    readonly maxBytes?: number;
    readonly segmentBytes?: number;
  };
}

export type IngestMessage =
  | { readonly type: "ready"; readonly relayPort: number | undefined }
  | { readonly type: "failed"; readonly code: string; readonly message: string }
  | { readonly type: "connected"; readonly isStandby: boolean }
  | { readonly type: "disconnected"; readonly isStandby: boolean; readonly reason: string }
  | {
      readonly type: "log";
      readonly level: FeedLogLevel;
      readonly event: string;
      readonly fields: Readonly<Record<string, unknown>>;
    }
  /** The thread is ending; the latch is tripped. */
  | { readonly type: "fatal"; readonly message: string; readonly stack: string }
  | { readonly type: "stopped" };

/** `fail` is for tests of the way down. */
export type IngestCommand = { readonly type: "stop" } | { readonly type: "fail"; readonly message: string };

const BEAT_EVERY_MS = 100;

const NOTE_OF: Readonly<Record<IntakeNews, IntakeNote>> = {
  up: IntakeNote.Up,
  down: IntakeNote.Down,
  "standby-up": IntakeNote.StandbyUp,
  "standby-down": IntakeNote.StandbyDown,
  tick: IntakeNote.Tick,
  future: IntakeNote.Future,
  "no-room": IntakeNote.NoRoom,
  backlog: IntakeNote.Backlog,
};

function start(init: IngestInit, post: (message: IngestMessage) => void): IngestThread {
  const clock = systemClock(init.clockBaseNs);
  const heartbeats = new Heartbeats(init.heartbeats);
  const counters = new FeedCounters(init.counters);
  const listeners = init.listeners ?? [];
  const outlets = listeners.map(({ ring }) => teeOutlet(new RingProducer(ring)));
  const bells = listeners.flatMap(({ doorbell }) => (doorbell === undefined ? [] : new Doorbell(doorbell)));
  const producers = init.rings.map((sab) => {
    const ring = new RingProducer(sab);
    return outlets.length === 0 ? ring : new RecordTee(ring, outlets);
  });
  const doorbells = init.doorbells.map((sab) => new Doorbell(sab));
  const { kernelOf, instruments } = init;
  const log: FeedLog = (level, event, fields) => post({ type: "log", level, event, fields });

  const wallBaseMs = clock.wallMs();
  const journal =
    init.journal === undefined
      ? undefined
      : new JournalWriter({
          ...init.journal,
          thread: "ingest",
          wallBaseMs,
          monoBaseNs: clock.monoNs(),
          onTrouble: (problem) => log("error", "feed.journal", { problem }),
        });
  const tap = journal === undefined ? undefined : journalTap(journal);

  const decoder = new FrameDecoder(instruments, (asset) => {
    const producer = producers[kernelOf[asset] ?? -1];
    if (producer === undefined) throw new RangeError(`asset ${asset} has no kernel worker`);
    return producer;
  });
  let relay: Relay | undefined;
  /** The primary, then the standby. */
  const feeds: HyperliquidFeed[] = [];
  const hasStandby = init.hasStandby ?? false;
  const intake = new FeedIntake(
    instruments,
    decoder,
    { staleAfterMs: init.staleAfterMs, hasStandby },
    {
      clock,
      log,
      counters,
      streamTimes: new StreamTimes(init.streamTimes),
      decodeLatency: new LatencyHistogram(init.histogram),
      wake: (asset) => {
        doorbells[kernelOf[asset]!]!.ring();
        for (let i = 0; i < bells.length; i++) bells[i]!.ring();
      },
      onControl: (channel, data, source) =>
        feeds[source === FeedSource.Standby ? 1 : 0]?.onControl(channel, data),
      ...(tap === undefined ? {} : { tap }),
      ...(journal === undefined
        ? {}
        : {
            pushedTap: (frame: Uint8Array, monoNs: number) =>
              journal.append(JournalKind.InboundFrame, monoNs, frame, JournalStream.Relay),
            standbyTap: (frame: Uint8Array, monoNs: number) =>
              journal.append(JournalKind.InboundFrame, monoNs, frame, JournalStream.Standby),
            onNote: (news: IntakeNews, nowNs: number) =>
              journal.append(JournalKind.Intake, nowNs, NO_BYTES, NOTE_OF[news]),
          }),
      ...(init.relay === undefined
        ? {}
        : {
            fanOut: (kind: RecordKind, asset: number, frame: Uint8Array) => relay?.fanOut(kind, asset, frame),
          }),
    },
  );
  if (init.wsUrl !== undefined) {
    const url = init.wsUrl;
    const sources = hasStandby ? [FeedSource.Own, FeedSource.Standby] : [FeedSource.Own];
    // The venue counts new connections by address: all of ours share that budget.
    const maxConnectsPerMin = Math.floor(DEFAULT_FEED_OPTIONS.maxConnectsPerMin / sources.length);
    for (const source of sources) {
      const isStandby = source === FeedSource.Standby;
      feeds.push(
        new HyperliquidFeed(
          intake,
          instruments,
          { ...DEFAULT_FEED_OPTIONS, maxConnectsPerMin, ...init.feed, url },
          {
            clock,
            timers: systemTimers,
            rng: new Rng(init.seed).fork(isStandby ? "standby" : "feed"),
            log,
            counters,
            source,
            ...(tap === undefined ? {} : { tap }),
            onConnected: () => post({ type: "connected", isStandby }),
            onDisconnected: (reason) => post({ type: "disconnected", isStandby, reason }),
          },
        ),
      );
    }
  }
  if (init.relay !== undefined) {
    relay = new Relay(
      instruments,
      { ...DEFAULT_RELAY_OPTIONS, ...init.relay },
      {
        counters,
        log,
        push: (frame) => intake.accept(frame, FeedSource.Pushed),
        // Without a connection of our own, the pusher's is the subscription that replays old trades.
        ...(feeds.length === 0 ? { onPusher: () => intake.onPusher() } : {}),
      },
    );
  }

  heartbeats.beat(init.heartbeatIndex, clock.monoNs());
  const stopBeating = systemTimers.every(BEAT_EVERY_MS, () => {
    heartbeats.beat(init.heartbeatIndex, clock.monoNs());
    if (feeds.length === 0) intake.tick();
    journal?.kick();
  });
  return {
    async listen() {
      const port = await relay?.listen();
      for (const feed of feeds) feed.start();
      return port;
    },
    async stop() {
      stopBeating();
      relay?.close();
      await Promise.all(feeds.map((feed) => feed.stop()));
      await journal?.close();
    },
    closeNow() {
      relay?.close();
      journal?.closeSync();
    },
  };
}

interface IngestThread {
  /** Opens the relay port, then the venue connection; resolves with the relay's port. */
  listen(): Promise<number | undefined>;
  stop(): Promise<void>;
  /** The last acts of a dying thread, synchronous. */
  closeNow(): void;
}

/** @throws {RangeError} When the thread could never write a book into a ring. */
function checkRings(init: IngestInit): void {
  const bookBytes = BODY_BYTES.get(RecordKind.Book)!;
  for (const [i, sab] of init.rings.entries()) {
    if (sab.byteLength < 4 * bookBytes) {
      throw new RangeError(`market ring ${i} of ${sab.byteLength} bytes is too small for a book`);
    }
  }
}

function main(init: IngestInit): void {
  const port = parentPort!;
  const post = (message: IngestMessage): void => port.postMessage(message);
  let thread: IngestThread | undefined;
  let isDying = false;

  const die = (reason: unknown): void => {
    if (isDying) return;
    isDying = true;
    try {
      thread?.closeNow();
    } finally {
      new KillLatch(init.latch).trip(KillReason.UnhandledError);
      new Doorbell(init.mainDoorbell).ring();
      const error = reason instanceof Error ? reason : new Error(String(reason));
      post({ type: "fatal", message: error.message, stack: error.stack ?? "" });
      process.exit(1);
    }
  };
  process.on("uncaughtException", die);
  process.on("unhandledRejection", die);

  port.on("message", (command: IngestCommand) => {
    if (command.type === "fail") throw new Error(command.message);
    const end = (): void => {
      post({ type: "stopped" });
      // Nothing else is open: the thread ends by itself.
      port.close();
    };
    if (thread === undefined) end();
    else void thread.stop().then(end);
  });

  const fail = (cause: unknown): void => {
    thread?.closeNow();
    post({ type: "failed", code: "start", message: cause instanceof Error ? cause.message : String(cause) });
    port.close();
    process.exit(1);
  };
  try {
    checkRings(init);
    thread = start(init, post);
  } catch (cause) {
    fail(cause);
    return;
  }
  void thread.listen().then((relayPort) => post({ type: "ready", relayPort }), fail);
}

main(workerData as IngestInit);
