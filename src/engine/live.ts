import { type Clock, Rng, type Timers } from "../domain/index.js";
import {
  type AssetParams,
  type Executor,
  type ExecutorHooks,
  type LadderView,
  type PurchaseOptions,
  type RecoverReport,
  RequestPurchase,
  type StopReport,
} from "../execution/index.js";
import { KernelHost, type KernelParams } from "../kernels/index.js";
import {
  Doorbell,
  type KillLatch,
  KillReason,
  MainPoller,
  type TripReason,
  type WaitMode,
} from "../rings/index.js";
import { type JournalWriter, journalTap, type TurnEntry } from "../store/index.js";
import type { LogFn } from "../telemetry/log.js";
import type { GatewayInit, GatewayMessage } from "../threads/gateway.js";
import type { IngestInit, IngestMessage } from "../threads/ingest.js";
import { type KernelInit, type KernelMessage, REJECTED, STOP } from "../threads/kernel-protocol.js";
import { Supervisor } from "../threads/supervisor.js";
import { StreamTimes } from "../venues/hyperliquid/feed-counters.js";
import type { IpBudget } from "../venues/hyperliquid/limits.js";
import type { AccountEvent } from "../venues/hyperliquid/user-events.js";
import type { WireTap } from "../venues/port.js";
import { tellAllowance } from "./allowance.js";
import { compiledUrl, kernelBytes } from "./artifacts.js";
import { MarginKeeper, type MarginVenue } from "./margin-keeper.js";
import { OrderTape } from "./order-tape.js";
import { PassCollector } from "./pass-collector.js";
import type { AssetMargin } from "./plan.js";
import { Safety } from "./safety.js";
import { createSegments, HEARTBEAT, type SharedSegments } from "./shared.js";
import { type TapePlan, TapeThread } from "./tape-thread.js";
import { Trader } from "./trader.js";
import type { Tuner } from "./tuner.js";
import type { TurnRecorder, TurnSeams } from "./turns.js";
import type { VenueFacts } from "./venue.js";
import { type AccountGateway, liveAccount, type OpenAccount, type VenueAccount } from "./venue-account.js";
import type { Watchdog } from "./watchdog.js";

/** Where a thread's journal goes and how large it may become. */
export interface JournalFiles {
  readonly dir: string;
  readonly runId: string;
  readonly maxBytes: number;
  readonly segmentBytes: number;
}

export interface LiveOptions {
  readonly facts: VenueFacts;
  readonly assets: readonly AssetParams[];
  readonly params: readonly KernelParams[];
  readonly margins: readonly AssetMargin[];
  readonly clock: Clock;
  readonly clockBaseNs: bigint;
  readonly timers: Timers;
  readonly seed: number;
  readonly sessionId: number;
  /** Highest nonce that an earlier run used; 0: none known. */
  readonly lastNonce: number;
  /** 0: orders do not expire on their way. */
  readonly orderExpiryMs: number;
  /** Undefined: every nonce. */
  readonly nonceLane: number | undefined;
  readonly wait: WaitMode;
  readonly requoteBps: number;
  readonly requoteMs: number;
  readonly kernelCount: number;
  readonly staleAfterMs: number;
  readonly economiseBelowHours: number;
  /** What this configuration is thought to need, for the warning at the start. */
  readonly expectedRequestsPerHour: number;
  /** Undefined: no request is ever bought. */
  readonly purchase: Pick<PurchaseOptions, "maxUsdPerDay" | "spent" | "onSpent"> | undefined;
  /** Limits of this machine's address; shared with the questions asked before. */
  readonly limits: IpBudget;
  /** See `Safety`. */
  readonly deadManMs: number;
  readonly watchdogMode: "auto" | "always" | "off";
  readonly watchdog: Pick<Watchdog, "start" | "disarm"> | undefined;
  readonly isFastBook: boolean;
  /** A second market-data connection runs beside the first. */
  readonly hasStandby: boolean;
  readonly relay: { readonly host: string; readonly port: number } | undefined;
  readonly metrics: { readonly host: string; readonly port: number } | undefined;
  /** Where orders go. Default: the venue. */
  readonly openAccount?: OpenAccount;
  /** Undefined: no tape is written. */
  readonly tape?: TapePlan;
  readonly journal: JournalWriter | undefined;
  readonly journalFiles: JournalFiles | undefined;
  /** Lets the world in through a player or, with a journal, a recorder; undefined: the world as it is. */
  readonly turns?: TurnSeams | undefined;
  readonly recorder?: TurnRecorder | undefined;
  readonly isDebugLogged: boolean;
  readonly log: LogFn;
  readonly onNotice: (text: string) => void;
  /** See `Tuner`. */
  readonly warmUpDecayS: number;
  readonly onKilled: NonNullable<ExecutorHooks["onKilled"]>;
}

/** Our own thread must answer a hung one long before the venue would: but a suspended laptop is no death. */
const DEAD_AFTER_MS = 5000;
const THREAD_STOP_MS = 5000;
const PURCHASE_EVERY_MS = 1000;
/** How long a question to the venue may wait for room in the request weight. */
const PATIENCE_MS = { trading: 10_000, stopping: 2_000 } as const;

/**
 * One live engine: shared memory, threads, gateway and executor, wired. The only place that knows all of them.
 *
 * Life: `start` (threads, connection, recovery; quotes from then on) → `stop`. Thread: main.
 */
export class LiveEngine {
  readonly segments: SharedSegments;
  readonly gateway: AccountGateway;
  metricsPort: number | undefined;
  relayPort: number | undefined;
  /** The run's own tape; undefined: none. */
  readonly tape: TapeThread | undefined;
  private readonly account: VenueAccount;
  private readonly supervisor: Supervisor;
  private readonly trader: Trader;
  private readonly safety: Safety;
  /** Leverage and isolated margin. */
  readonly keeper: MarginKeeper;
  private readonly purchase: RequestPurchase | undefined;
  private stopPurchases: (() => void) | undefined;
  private readonly poller: MainPoller;
  /** The engine's own: what they call is journalled. */
  readonly timers: Timers;
  private readonly turns: TurnSeams | undefined;
  private readonly passes: PassCollector | undefined;

  constructor(private readonly o: LiveOptions) {
    const { facts, recorder } = o;
    const turns = o.turns ?? recorder;
    this.turns = turns;
    // What is told to the journal goes through these; threads, their heartbeats and the polling do not.
    const clock = turns?.clock ?? o.clock;
    const timers = turns?.timers ?? o.timers;
    this.timers = timers;
    this.segments = createSegments(facts.instruments.length, o.kernelCount, {
      hasRecorder: o.tape !== undefined,
    });
    if (o.journal !== undefined && o.recorder !== undefined)
      this.passes = new PassCollector(this.segments.kernels.length, o.journal);
    this.supervisor = new Supervisor({
      latch: this.segments.latch,
      heartbeats: this.segments.heartbeats,
      mainDoorbell: this.segments.mainDoorbell,
      clock: o.clock,
      timers: o.timers,
      deadAfterMs: DEAD_AFTER_MS,
      onDeath: (thread, reason, isVital) =>
        o.log(isVital ? "error" : "warn", `Thread ${thread} died`, {
          reason,
          consequence: isVital ? "kill switch" : "none",
        }),
    });
    this.account = (o.openAccount ?? liveAccount)({
      facts,
      clock,
      timers,
      rng: new Rng(o.seed),
      log: o.log,
      tap: this.privateTap(),
      limits: o.limits,
      turns,
      lastNonce: o.lastNonce,
      nonceLane: o.nonceLane,
      orderExpiryMs: o.orderExpiryMs,
      onAccountEvent: (event) => this.onAccountEvent(event),
    });
    this.gateway = this.account.gateway;
    this.tape = o.tape === undefined ? undefined : new TapeThread(o.tape);
    this.trader = new Trader({
      segments: this.segments,
      gateway:
        this.tape === undefined
          ? this.gateway
          : new OrderTape({
              gateway: this.gateway,
              instruments: facts.instruments,
              // What only watches must not take readings that a replay without it would miss.
              clock: o.clock,
              sink: this.tape.orders,
              cause: () => this.executor.requestCause,
            }),
      instruments: facts.instruments,
      assets: o.assets,
      clock,
      timers,
      sessionId: o.sessionId,
      log: o.log,
      isDebugLogged: o.isDebugLogged,
      onNotice: o.onNotice,
      params: o.params,
      warmUpDecayS: o.warmUpDecayS,
      onKilled: o.onKilled,
      onScheduledCancel: (exchMs) => this.safety.onScheduledCancel(exchMs),
      economiseBelowHours: o.economiseBelowHours,
      beforeTick: () => this.tendJournal(),
      ...(turns === undefined ? {} : { turns }),
    });
    const { purchase } = o;
    if (purchase !== undefined) {
      this.purchase = new RequestPurchase({
        ...purchase,
        buy: (requests) => this.gateway.buyRequests(requests),
        budget: this.trader.executor.budget,
        clock,
        log: o.log,
      });
    }
    this.safety = new Safety({
      gateway: this.gateway,
      executor: this.trader.executor,
      facts,
      ...(facts.vaultAddress === undefined ? {} : { vaultAddress: facts.vaultAddress }),
      watchdog: asked(o.watchdog, turns),
      watchdogMode: o.watchdogMode,
      deadManMs: o.deadManMs,
      clock,
      timers,
      log: o.log,
    });
    this.keeper = this.makeKeeper();
    this.poller = new MainPoller(new Doorbell(this.segments.mainDoorbell), () => this.drain(), {
      mode: o.wait,
      clock: o.clock,
      defer: setImmediate,
    });
  }

  /** What the market did comes before what we make of it. */
  private drain(): boolean {
    const hadRecords = this.account.drain();
    return this.trader.drain() || hadRecords;
  }

  get executor(): Executor {
    return this.trader.executor;
  }

  get requestsBought(): number {
    return this.purchase?.bought ?? 0;
  }

  get isDeadManArmed(): boolean {
    return this.safety.deadMan?.isArmed ?? false;
  }

  get latch(): KillLatch {
    return this.trader.latch;
  }

  /** Orders of ours may be on the book. */
  get isTrading(): boolean {
    return this.trader.isTrading;
  }

  /** Leverage and isolated margin through the venue; both requests are cold. */
  private makeKeeper(): MarginKeeper {
    const { o, gateway } = this;
    const { markets } = o.facts;
    const assets = o.margins.map((margin, asset) => ({
      ...margin,
      asset,
      coin: o.facts.instruments[asset]!.coin,
    }));
    const venue: MarginVenue = {
      updateLeverage: (asset, isCross, leverage) => gateway.updateLeverage(asset, isCross, leverage),
      addIsolatedMargin: (asset, usd) => gateway.addIsolatedMargin(asset, usd),
      async isolatedPosition(asset) {
        const { dex, instrument } = markets[asset]!;
        const state = await gateway.info.clearinghouseState(gateway.user, dex.name || undefined);
        const held = state.assetPositions.find((p) => p.position.coin === instrument.coin)?.position;
        if (held?.leverage.type !== "isolated") return undefined;
        return { marginUsd: Number(held.marginUsed ?? 0), side: Math.sign(Number(held.szi)) };
      },
    };
    return new MarginKeeper(assets, venue, o.log);
  }

  /** Starts the threads; the kernels are configured and warming when it returns. */
  async startThreads(): Promise<void> {
    const { o, segments } = this;
    const gateway = this.supervisor.start<GatewayMessage>(
      "gateway",
      compiledUrl("threads/gateway.js"),
      this.gatewayInit(),
      {
        heartbeatIndex: HEARTBEAT.gateway,
        isVital: false,
        readyType: "ready",
        onMessage: () => {},
      },
    );
    const module = KernelHost.compile(kernelBytes());
    const kernels = segments.kernels.map((k, i) =>
      this.supervisor.start<KernelMessage>(
        `kernel-${i}`,
        compiledUrl("threads/kernel.js"),
        this.kernelInit(module, i),
        {
          heartbeatIndex: HEARTBEAT.firstKernel + i,
          isVital: true,
          readyType: "ready",
          onMessage: (m) => {
            if (m.type === "fatal")
              o.log("error", "Kernel worker failed", { worker: i, assets: k.assets, error: m.message });
          },
        },
      ),
    );
    const ready = await gateway;
    if (ready.type === "ready") this.metricsPort = ready.port;
    await Promise.all(kernels);
    await this.tape?.start(this.supervisor, this.recorderIndex, segments.heartbeats, o.clockBaseNs, o.log);
    this.configureKernels();
    const feed = await this.supervisor.start<IngestMessage>(
      "feed",
      compiledUrl("threads/ingest.js"),
      this.ingestInit(),
      {
        heartbeatIndex: HEARTBEAT.feed,
        isVital: true,
        readyType: "ready",
        onMessage: (m) => this.onFeedMessage(m),
      },
    );
    if (feed.type === "ready") this.relayPort = feed.relayPort;
  }

  /** A step of the life cycle, as an event that the journal knows. */
  enter<T>(entry: TurnEntry, step: () => Promise<T>): Promise<T> {
    return this.turns?.enter(entry, step) ?? step();
  }

  /** Their first parameters. */
  configureKernels(): void {
    this.trader.configureAll();
  }

  /** Records that the kernels refused so far. */
  get kernelRejected(): number {
    return this.segments.kernels.reduce((n, k) => n + Atomics.load(new Int32Array(k.control), REJECTED), 0);
  }

  get journalStats(): JournalWriter["stats"] | undefined {
    return this.o.journal?.stats;
  }

  /** No further order: the executor cancels everything and reports through `onKilled`. */
  kill(reason: TripReason): void {
    this.latch.trip(reason);
    new Doorbell(this.segments.mainDoorbell).ring();
  }

  get tuner(): Tuner {
    return this.trader.tuner;
  }

  /** Connects, cancels leftovers, adopts the position, then lets ladders become orders. */
  async startTrading(): Promise<RecoverReport> {
    const report = await this.trader.start(() => this.keeper.prepare());
    if (this.isClosing) return report;
    await this.safety.arm();
    tellAllowance(this.executor.budget, this.o.expectedRequestsPerHour, this.o.log);
    if (this.purchase !== undefined)
      this.stopPurchases = this.timers.every(PURCHASE_EVERY_MS, () => this.purchase?.tend());
    this.gateway.limits.patienceMs = PATIENCE_MS.trading;
    // A player tells the ladders itself.
    if (!this.isClosing && this.o.turns === undefined) this.startPolling();
    return report;
  }

  startPolling(): void {
    this.poller.start();
  }

  /** Where an exchange in this process hears of the market; undefined: there is none. */
  get marketRing(): SharedArrayBuffer | undefined {
    return this.account.marketRing;
  }

  /** Acts on what is fresh on the boards, as the polling does. */
  pollTrader(): void {
    this.drain();
  }

  pollLadders(): void {
    this.account.drain();
    this.trader.pollLadders();
  }

  ladder(asset: number): LadderView | undefined {
    return this.trader.ladder(asset);
  }

  private isClosing = false;

  /** Orders off the book first; then the connection and the threads, each by message. */
  async stopTrading(): Promise<StopReport> {
    this.stopPurchases?.();
    const { limits } = this.gateway;
    limits.hasNoOrders = true;
    limits.patienceMs = PATIENCE_MS.stopping;
    const report = await this.trader.stop();
    this.poller.stop();
    await this.safety.disarm(report.isClean);
    return report;
  }

  async close(): Promise<void> {
    this.isClosing = true;
    // An error on the way may have skipped the graceful stop: orders come off the book before the connection goes.
    if (this.isTrading) await this.stopTrading();
    this.poller.stop();
    this.trader.halt();
    await this.account.close();
    const { segments } = this;
    const stopping = [
      this.supervisor.stop("feed", THREAD_STOP_MS, (w) => w.postMessage({ type: "stop" })),
      this.supervisor.stop("gateway", THREAD_STOP_MS, (w) => w.postMessage({ type: "stop" })),
      ...segments.kernels.map((k, i) =>
        this.supervisor.stop(`kernel-${i}`, THREAD_STOP_MS, () => {
          Atomics.store(new Int32Array(k.control), STOP, 1);
          new Doorbell(k.doorbell).ring();
        }),
      ),
    ];
    await Promise.all(stopping);
    // Last: everything that the others had to say is on its rings by now.
    await this.tape?.stop(this.supervisor, THREAD_STOP_MS);
    this.supervisor.close();
    this.o.recorder?.finish();
    this.passes?.collect(this.o.clock.monoNs());
    await this.o.journal?.close();
  }

  /** What has been seen so far, towards the disk. */
  private tendJournal(): void {
    const { journal, recorder, clock } = this.o;
    if (journal === undefined) return;
    this.passes?.collect(clock.monoNs());
    recorder?.handOn();
    journal.kick();
  }

  /** Notes that the account's stream is alive, and journals. */
  private privateTap(): WireTap {
    const { turns } = this;
    const { journal } = this.o;
    const times = new StreamTimes(this.segments.streamTimes);
    const tap = journal === undefined ? undefined : journalTap(journal);
    return {
      inbound: (stream, bytes, monoNs) => {
        if (stream === "private") times.heardPrivate(monoNs);
        tap?.inbound(stream, bytes, monoNs);
      },
      outbound: (stream, bytes, monoNs) => {
        turns?.outbound(stream, bytes);
        tap?.outbound(stream, bytes, monoNs);
      },
    };
  }

  private onAccountEvent(event: AccountEvent): void {
    if (event.kind === "non-user-cancel") {
      this.o.log("warn", "The venue cancelled an order by itself", { asset: event.coin, oid: event.oid });
      return;
    }
    this.o.log("error", "The venue liquidated a position of this account", {
      notionalUsd: event.notionalUsd,
      accountValueUsd: event.accountValueUsd,
    });
    this.kill(KillReason.Liquidated);
  }

  private onFeedMessage(message: IngestMessage): void {
    const { log } = this.o;
    // What a connection says while we close it ourselves is no news.
    if (this.isClosing && message.type !== "fatal") return;
    if (message.type === "log") log(message.level, message.event, message.fields);
    else if (message.type === "connected")
      log("info", message.isStandby ? "Standby connected" : "Market data connected");
    else if (message.type === "disconnected") {
      log("warn", message.isStandby ? "Standby disconnected" : "Market data disconnected", {
        reason: message.reason,
      });
    } else if (message.type === "fatal") log("error", "Feed thread failed", { error: message.message });
  }

  private kernelInit(module: WebAssembly.Module, worker: number): KernelInit {
    const { segments } = this;
    const k = segments.kernels[worker]!;
    const ofWorker = <T>(all: readonly T[]): T[] => k.assets.map((asset) => all[asset]!);
    return {
      module,
      assets: k.assets,
      marketRing: k.marketRing,
      accountRing: k.accountRing,
      doorbell: k.doorbell,
      mainDoorbell: segments.mainDoorbell,
      latch: segments.latch,
      heartbeats: segments.heartbeats,
      heartbeatIndex: HEARTBEAT.firstKernel + worker,
      control: k.control,
      ladderCells: ofWorker(segments.ladders),
      gatewayEstimates: ofWorker(segments.gatewayEstimates),
      latency: segments.kernelLatency[worker]!,
      clockBaseNs: this.o.clockBaseNs,
      wait: this.o.wait,
      passes: this.passes?.rings[worker],
      requoteBps: this.o.requoteBps,
      requoteMs: this.o.requoteMs,
    };
  }

  private get recorderIndex(): number {
    return HEARTBEAT.firstKernel + this.segments.kernels.length;
  }

  private ingestInit(): IngestInit {
    const { o, segments, tape, account } = this;
    const listeners = [
      ...(tape === undefined ? [] : [{ ring: tape.marketRing }]),
      ...(account.marketRing === undefined
        ? []
        : [{ ring: account.marketRing, doorbell: segments.mainDoorbell }]),
    ];
    return {
      ...(listeners.length === 0 ? {} : { listeners }),
      wsUrl: o.facts.endpoints.wsUrl,
      instruments: o.facts.instruments,
      rings: segments.kernels.map((k) => k.marketRing),
      doorbells: segments.kernels.map((k) => k.doorbell),
      kernelOf: segments.kernelOf,
      mainDoorbell: segments.mainDoorbell,
      latch: segments.latch,
      heartbeats: segments.heartbeats,
      heartbeatIndex: HEARTBEAT.feed,
      counters: segments.feedCounters,
      streamTimes: segments.streamTimes,
      hasStandby: o.hasStandby,
      histogram: segments.stages.decode,
      clockBaseNs: o.clockBaseNs,
      seed: o.seed,
      staleAfterMs: o.staleAfterMs,
      feed: { isFastBook: o.isFastBook },
      ...(o.relay === undefined ? {} : { relay: o.relay }),
      ...(o.journalFiles === undefined ? {} : { journal: o.journalFiles }),
    };
  }

  private gatewayInit(): GatewayInit {
    const { o, segments } = this;
    return {
      coins: o.facts.instruments.map((i) => i.coin),
      assetBoards: segments.assetBoards,
      engineBoard: segments.engineBoard,
      estimates: segments.gatewayEstimates,
      stages: [
        { stage: "decode", sabs: [segments.stages.decode] },
        { stage: "kernel", sabs: segments.kernelLatency },
        { stage: "executor", sabs: [segments.stages.executor] },
        { stage: "sign", sabs: [segments.stages.sign] },
        { stage: "tick_to_wire", sabs: [segments.stages.tickToWire] },
      ],
      feedCounters: segments.feedCounters,
      streamTimes: segments.streamTimes,
      marketRings: segments.kernels.map((k) => k.marketRing),
      heartbeats: segments.heartbeats,
      threadNames: segments.threadNames,
      heartbeatIndex: HEARTBEAT.gateway,
      clockBaseNs: o.clockBaseNs,
      tapeBoard: this.tape?.boardBytes,
      metrics: o.metrics,
    };
  }
}

/** A process of its own answers as the venue does: at a time that the journal must know. */
function asked(watchdog: LiveOptions["watchdog"], turns: TurnSeams | undefined): LiveOptions["watchdog"] {
  if (watchdog === undefined || turns === undefined) return watchdog;
  return {
    start: (init, lastNonce) => turns.ask(() => watchdog.start(init, lastNonce)),
    disarm: () => turns.ask(() => watchdog.disarm()),
  };
}
