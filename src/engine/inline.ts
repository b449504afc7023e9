import { createHash } from "node:crypto";
import type { RecordKind } from "../abi/layout.js";
import type { Clock, Instrument, Timers } from "../domain/index.js";
import type {
  AssetParams,
  Executor,
  ExecutorHooks,
  ExecutorTimings,
  LadderView,
  RecoverReport,
  StopReport,
} from "../execution/index.js";
import { KernelHost, type KernelParams, KernelPump } from "../kernels/index.js";
import { type KillLatch, LatencyHistogram, RingProducer } from "../rings/index.js";
import type { FrameReader } from "../sim/index.js";
import type { LogFn } from "../telemetry/log.js";
import { FrameDecoder } from "../venues/hyperliquid/decode.js";
import { FeedCounters } from "../venues/hyperliquid/feed-counters.js";
import { FeedIntake, FeedSource } from "../venues/hyperliquid/intake.js";
import type { OrderGateway, WireTap } from "../venues/port.js";
import { kernelBytes } from "./artifacts.js";
import { createSegments, type SharedSegments } from "./shared.js";
import { Trader } from "./trader.js";

export interface InlineOptions {
  readonly instruments: readonly Instrument[];
  readonly assets: readonly AssetParams[];
  readonly params: readonly KernelParams[];
  readonly gateway: OrderGateway;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Prefix of this run's client order ids. */
  readonly sessionId: number;
  readonly staleAfterMs?: number;
  /** See `KernelPumpOptions`. */
  readonly requoteBps?: number;
  readonly requoteMs?: number;
  readonly log?: LogFn;
  readonly isDebugLogged?: boolean;
  readonly timings?: Partial<ExecutorTimings>;
  /** See `Tuner`; default 0: no excess at the start. */
  readonly warmUpDecayS?: number;
  readonly onKilled?: NonNullable<ExecutorHooks["onKilled"]>;
  /** False: the market comes as records alone, and nothing watches for frames. Default true. */
  readonly hasFrames?: boolean;
  /** Default: one of its own. See `kernelHost`. */
  readonly host?: KernelHost;
}

const STALE_AFTER_MS = 3000;
const INTAKE_TICK_MS = 100;
const UNUSED_RING_BYTES = 65_536;

let module: WebAssembly.Module | undefined;

/** A kernel for one engine, with so much memory behind it that somebody else may use. */
export function kernelHost(extraBytes = 0): KernelHost {
  module ??= KernelHost.compile(kernelBytes());
  return new KernelHost(module, extraBytes);
}

/**
 * One engine in one thread on any clock: intake, rings, kernel and executor of the live engine, called in turn instead of
 * waiting for each other. A frame is decoded, estimated, quoted and acted upon at the moment it arrives; what a computer would need
 * for that is a delay of the network in front of it.
 *
 * Deterministic: the same frames and gateway events at the same times give the same requests.
 *
 * Life: `start` → frames → `stop`, or `abandon`, which is what a crash leaves behind. Thread: main.
 */
export class InlineEngine implements FrameReader {
  readonly segments: SharedSegments;
  readonly feedCounters: FeedCounters;
  /** Records that the kernel refused. */
  kernelRejected = 0;
  private readonly trader: Trader;
  private readonly intake: FeedIntake;
  /** For a caller that steps the kernel itself over records that are worth no ladder. */
  readonly pump: KernelPump;
  private stopIntake: (() => void) | undefined;
  /** Records and frames are taken. */
  isRunning = false;
  private isPassDue = false;

  constructor(private readonly o: InlineOptions) {
    const { clock, instruments } = o;
    const log: LogFn = o.log ?? (() => {});
    // What comes as records does not go through the ring.
    this.segments = createSegments(
      instruments.length,
      1,
      o.hasFrames === false ? { marketRingBytes: UNUSED_RING_BYTES } : {},
    );
    const kernel = this.segments.kernels[0]!;
    this.feedCounters = new FeedCounters(this.segments.feedCounters);
    const market = new RingProducer(kernel.marketRing);
    this.intake = new FeedIntake(
      instruments,
      new FrameDecoder(instruments, () => market),
      { staleAfterMs: o.staleAfterMs ?? STALE_AFTER_MS },
      { clock, log, counters: this.feedCounters },
    );
    this.pump = new KernelPump({
      host: o.host ?? kernelHost(),
      assets: kernel.assets,
      marketRing: kernel.marketRing,
      accountRing: kernel.accountRing,
      ladderCells: this.segments.ladders,
      gatewayEstimates: this.segments.gatewayEstimates,
      clock,
      requoteBps: o.requoteBps ?? 0.25,
      requoteMs: o.requoteMs ?? 250,
      latency: new LatencyHistogram(this.segments.kernelLatency[0]!),
      onRejected: () => {
        this.kernelRejected++;
      },
    });
    this.trader = new Trader({
      segments: this.segments,
      gateway: o.gateway,
      instruments,
      assets: o.assets,
      clock,
      timers: o.timers,
      sessionId: o.sessionId,
      log,
      isDebugLogged: o.isDebugLogged ?? false,
      onNotice: () => {},
      params: o.params,
      warmUpDecayS: o.warmUpDecayS ?? 0,
      onKilled: o.onKilled ?? (() => {}),
      onAccountNews: () => this.passSoon(),
      ...(o.timings === undefined ? {} : { timings: o.timings }),
    });
  }

  get executor(): Executor {
    return this.trader.executor;
  }

  get latch(): KillLatch {
    return this.trader.latch;
  }

  /** Configures the kernel, connects, recovers; frames become orders from then on. */
  async start(): Promise<RecoverReport> {
    const { o, intake } = this;
    this.isRunning = true;
    this.trader.configureAll();
    if (o.hasFrames !== false) {
      this.stopIntake = o.timers.every(INTAKE_TICK_MS, () => {
        intake.tick();
        this.pass();
      });
    }
    return await this.trader.start();
  }

  async stop(): Promise<StopReport> {
    const report = await this.trader.stop();
    this.abandon();
    return report;
  }

  /** Nothing happens any more: what rests at the venue stays there. */
  abandon(): void {
    this.isRunning = false;
    this.stopIntake?.();
    this.trader.halt();
  }

  ladder(asset: number): LadderView | undefined {
    return this.trader.ladder(asset);
  }

  // ── FrameReader ─────────────────────────────────────────────────────────────────────────────────────────────────────

  onConnected(): void {
    this.intake.onConnected();
  }

  onDisconnected(): void {
    if (!this.isRunning) return;
    this.intake.onDisconnected();
    this.pass();
  }

  onFrame(frame: Uint8Array): void {
    if (!this.isRunning) return;
    this.intake.accept(frame, FeedSource.Own);
    this.pass();
  }

  /**
   * A record reaches the engine without frame and intake: what a tape holds. `at` is the byte offset of its body in `f64`.
   * Allocates: nothing unless orders change.
   */
  onRecord(kind: RecordKind, asset: number, f64: Float64Array, at: number, bodyBytes: number): void {
    if (!this.isRunning) return;
    this.pump.take(kind, asset, f64, at, bodyBytes);
    if (!this.pump.quoteDirty()) return;
    this.trader.drain();
    this.pass();
  }

  /** Not inside the event that brought the news: a worker would not hear of it before its end either. */
  private passSoon(): void {
    if (this.isPassDue) return;
    this.isPassDue = true;
    this.o.timers.after(0, () => {
      this.isPassDue = false;
      if (this.isRunning) this.pass();
    });
  }

  /** Rings → kernel → boards → executor, until nothing is fresh. */
  private pass(): void {
    // A ladder may cause a fill report that changes the next one: bounded, for the executor answers through the gateway.
    while (this.pump.drain() > 0 && this.pump.quoteDirty()) this.trader.drain();
  }
}

/** A running digest of everything sent: two runs with the same one made the same requests at the same times. */
export class OutboundDigest implements WireTap {
  private readonly hash = createHash("sha256");
  count = 0;

  inbound(): void {}

  outbound(stream: "private" | "http" | "public", bytes: Uint8Array, monoNs: number): void {
    this.count++;
    this.hash.update(`${stream} ${monoNs} `);
    this.hash.update(bytes);
  }

  /** Hex; of everything so far. */
  get value(): string {
    return this.hash.copy().digest("hex");
  }
}
