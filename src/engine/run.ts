import { closeSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { LAYOUT_HASH } from "../abi/layout.js";
import type { Config, Origins } from "../config/index.js";
import type { Clock, Instrument } from "../domain/index.js";
import { Rng } from "../domain/index.js";
import type { StopReport } from "../execution/index.js";
import { explainLadder } from "../quoting/index.js";
import { KillReason, killReasonText } from "../rings/index.js";
import {
  type DataDir,
  DataDirError,
  JournalKind,
  JournalWriter,
  type Lock,
  openDataDir,
  packed,
  pruneRuns,
} from "../store/index.js";
import { createLogger, type LogFn } from "../telemetry/log.js";
import { logName, streamPaths } from "../telemetry/log-streams.js";
import { StatusLine } from "../telemetry/status-line.js";
import { startClock, systemTimers } from "../threads/system-clock.js";
import { IpBudget } from "../venues/hyperliquid/limits.js";
import { networkEndpoints } from "../venues/hyperliquid/network.js";
import { NONCE_LANES } from "../venues/hyperliquid/nonce.js";
import { purchaseRecord } from "./allowance.js";
import { packageVersion } from "./artifacts.js";
import { defaultDataDir } from "./data-dir.js";
import { checkKill, writeKill } from "./kill-record.js";
import { type JournalFiles, LiveEngine } from "./live.js";
import type { PaperPlan } from "./paper.js";
import { type Plan, planAssets } from "./plan.js";
import { BoardWriter, buildSummary, statusText } from "./report.js";
import { liveOptions, type SessionSetup } from "./session-setup.js";
import { ensureSimulator, type RunningSimulator } from "./simulator.js";
import { SizingError } from "./sizing.js";
import { MemoryTrack } from "./summary.js";
import { runTape } from "./tape-plan.js";
import { TradingSession } from "./trading-session.js";
import { TurnRecorder } from "./turns.js";
import { gatherFacts, loadSigner, type VenueFacts, type VenueRequest } from "./venue.js";
import { Watchdog } from "./watchdog.js";

export interface RunOptions {
  readonly config: Config;
  readonly origins: Origins;
  readonly configPath: string | undefined;
  readonly privateKeyOption: string | undefined;
  readonly keystoreOption: string | undefined;
  readonly isDryRun: boolean;
  readonly tape: string | undefined;
  readonly speed: number | "max" | undefined;
  readonly seed: number | undefined;
  readonly durationS: number | undefined;
  readonly simPort: number | undefined;
  /** Options of the simulator as given, for its own command line. */
  readonly simulatorArguments: readonly string[] | undefined;
  readonly summaryPath: string | undefined;
  /** Folder of the run's own tape; undefined: none is written. */
  readonly recordDir?: string | undefined;
  /** Play money at an exchange in this process; undefined: the venue's account. */
  readonly paper?: PaperPlan | undefined;
}

/** What the entry file lends: the terminal, and its word when the user wants to stop. */
export interface RunHost {
  readonly terminal: { write(text: string): unknown; readonly isTTY?: boolean; readonly columns?: number };
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Calls back once, with a reason, when the run should end gracefully. */
  onStopRequest(stop: (reason: string) => void): void;
  /** Calls back for every error that nobody caught on the main thread; false: nothing trades yet, so the process may just end. */
  onCrash(report: (error: Error) => boolean): void;
  /** Asks for a secret at the terminal without an echo; undefined when there is no terminal. */
  readonly askSecret: ((question: string) => Promise<string>) | undefined;
  memory(): { rssMiB: number; heapMiB: number };
}

const DEFAULT_SIM_PORT = 3001;
/** How soon a rotated log file is noticed. */
const LOG_FOLLOW_MS = 1000;
/** A journal not written to for this long belongs to no running maker: they write at every tick. */
const IDLE_JOURNAL_MS = 600_000;
const BOARD_EVERY_MS = 100;
const STATUS_EVERY_MS = 250;
const STATUS_LOG_EVERY_MS = 10_000;
const DRY_RUN_S = 30;
const SIM_ONLY = ["tape", "speed", "simPort", "simulatorArguments"] as const;

/** How the user wrote an option of the simulator. */
function optionNames(o: RunOptions, key: (typeof SIM_ONLY)[number] | "seed"): string[] {
  if (key === "simulatorArguments") {
    return [...new Set(o.simulatorArguments?.filter((argument) => argument.startsWith("--")))];
  }
  return [`--${key === "simPort" ? "port" : key}`];
}

/**
 * Runs the market maker from its options to its exit code: 0 after a graceful stop with nothing resting, 1 otherwise.
 *
 * @throws one-line errors (ConfigError, VenueError, StartError, SimulatorError, DataDirError, ThreadError, …) when it cannot start;
 * nothing is left running or locked then.
 */
export async function runEngine(options: RunOptions, host: RunHost): Promise<number> {
  const run = new Run(options, host);
  try {
    return await run.execute();
  } catch (error) {
    if (!(error instanceof StoppedAtStart)) throw error;
    run.noteEarlyStop(error.message);
    return 0;
  } finally {
    await run.release();
  }
}

/** The user wants to stop before trading began: everything opened so far is closed, and that is no failure. */
class StoppedAtStart extends Error {}

class Run {
  private readonly clock: Clock;
  private readonly baseNs: bigint;
  private readonly sinceProcessStartMs: number;
  private readonly status: StatusLine;
  private readonly log: LogFn;
  private get isPaper(): boolean {
    return this.o.paper !== undefined;
  }
  private readonly closeLog: () => Promise<void>;
  private readonly memory = new MemoryTrack();
  private readonly undo: (() => unknown)[] = [];
  private requestStop: (reason: string) => void = () => {};
  private readonly stopRequested: Promise<string>;
  /** The user's word alone: a kill ends a start in its own way. */
  private readonly userStop: Promise<string>;
  private isStopRequested = false;
  private live: LiveEngine | undefined;
  private killReport: StopReport | undefined;

  constructor(
    private readonly o: RunOptions,
    private readonly host: RunHost,
  ) {
    const started = startClock();
    this.clock = started.clock;
    this.baseNs = started.baseNs;
    this.sinceProcessStartMs = started.sinceProcessStartMs;
    this.status = new StatusLine(host.terminal);
    const { logging, network, trading } = o.config;
    const id = trading.dex ?? network.base_url;
    if (logging.file !== undefined) checkWritable(logging.file, "--log-file");
    const multiStream = logging.multi_stream
      ? { dir: logging.dir, name: logName(id, trading.asset, this.clock.wallMs()) }
      : undefined;
    if (multiStream !== undefined)
      checkWritable(streamPaths(multiStream.dir, multiStream.name).all, "--log-dir");
    const made = createLogger({
      level: logging.level,
      format: logging.format,
      file: logging.file,
      multiStream,
      write: this.status.print,
      isColored: host.terminal.isTTY === true,
    });
    // No line of a paper run can be taken for one of money.
    this.log =
      o.paper === undefined
        ? made.log
        : (level, event, fields) => made.log(level, event, { ...fields, paper: true });
    this.undo.push(systemTimers.every(LOG_FOLLOW_MS, made.follow));
    this.closeLog = made.close;
    this.stopRequested = new Promise((resolve) => {
      this.requestStop = resolve;
    });
    this.userStop = new Promise((resolve) => {
      host.onStopRequest((reason) => {
        this.isStopRequested = true;
        resolve(reason);
        this.requestStop(reason);
      });
    });
    host.onCrash((error) => this.onCrash(error));
  }

  async execute(): Promise<number> {
    const { o, log } = this;
    const { config } = o;
    this.refuseMisplacedOptions();
    // Told now, not after a day's run.
    if (o.summaryPath !== undefined) checkWritable(o.summaryPath, "--summary");
    const dataDir = openDataDir(config.engine.data_dir ?? defaultDataDir(this.host.env));
    const simPort = o.simPort ?? DEFAULT_SIM_PORT;
    const seed = o.seed ?? Math.floor(this.clock.wallMs()) % 2 ** 31;
    const rng = new Rng(seed).fork("start");
    const watchdog =
      o.isDryRun || this.isPaper || config.safety.watchdog === "off"
        ? undefined
        : new Watchdog(systemTimers, log);
    this.undo.push(() => watchdog?.forget());
    const onLimited = (ms: number): void =>
      log("warn", "The venue answers 429: HTTP is left to cancels", { seconds: Math.round(ms / 1000) });
    const limits = new IpBudget({
      clock: this.clock,
      timers: systemTimers,
      rng: new Rng(seed).fork("limits"),
      onRefused: onLimited,
    });
    const request = {
      config,
      limits,
      simPort,
      privateKeyOption: o.privateKeyOption,
      keystoreOption: o.keystoreOption,
      configPath: o.configPath,
      askSecret: this.host.askSecret,
      env: this.host.env,
      clock: this.clock,
      timers: systemTimers,
      rng,
      log,
      ...(watchdog === undefined ? {} : { lendKey: (key: Uint8Array) => watchdog.lend(key) }),
    };
    const endpoints = networkEndpoints(config.network.base_url, { port: simPort });
    const signer = this.isPaper ? undefined : (await loadSigner(request)).signer;
    this.undo.push(() => signer?.dispose());
    const simulator = await this.unlessStopped(this.startSimulator(simPort, dataDir));
    // Loaded on demand: a live engine runs without the simulator's code.
    const paper = o.paper === undefined ? undefined : { plan: o.paper, ...(await import("./paper.js")) };
    const wanted = this.withTapeCoin(request, simulator);
    const facts = await this.unlessStopped(
      signer === undefined
        ? paper!.paperFacts(wanted, endpoints, paper!.plan)
        : gatherFacts(wanted, endpoints, signer),
    );
    /** As in the names of locks, checkpoints and tapes. */
    const world = paper === undefined ? endpoints.name : `paper-${endpoints.name}`;
    const plan = planAssets(config, facts, log);
    const sessionId = Math.floor(this.clock.wallMs());
    const runId = `${paper === undefined ? "run" : "paper"}-${sessionId.toString(36)}-${process.pid}`;
    if (!o.isDryRun) {
      checkKill(dataDir, world, facts.account, (text, fields) => log("warn", text, fields));
      this.takeLocks(dataDir, facts);
    }
    const nonceLane =
      o.isDryRun || signer === undefined
        ? undefined
        : this.takeNonceLane(dataDir, lockNetwork(facts, false), signer.address);
    const nonceFile = signer === undefined ? undefined : `nonce.${endpoints.name}.${signer.address}`;
    const lastNonce = nonceFile === undefined ? 0 : Number(dataDir.readCheckpoint(nonceFile) ?? 0);
    const files = config.engine.journal && !o.isDryRun ? this.journalFiles(dataDir, runId) : undefined;
    const journal = files === undefined ? undefined : this.openJournal(files);
    journal?.append(
      JournalKind.Config,
      this.clock.monoNs(),
      Buffer.from(
        JSON.stringify({ ...publicConfig(config), ...(paper === undefined ? {} : { paper: paper.plan }) }),
      ),
    );
    const recorder =
      journal === undefined
        ? undefined
        : new TurnRecorder({ journal, clock: this.clock, timers: systemTimers, defer: setImmediate });
    const purchases = purchaseRecord(dataDir, `${world}.${facts.account}`);
    const setup: SessionSetup = {
      layoutHash: LAYOUT_HASH,
      version: packageVersion(),
      startedAtMs: this.clock.wallMs(),
      config: publicConfig(config),
      endpoints,
      signerAddress: signer?.address ?? "",
      account: facts.account,
      vaultAddress: facts.vaultAddress,
      instruments: facts.instruments,
      markets: facts.markets,
      midPx: facts.midPx,
      fees: facts.fees,
      plan,
      accountValueUsd: facts.funds.reduce((sum, f) => sum + f.accountValueUsd, 0),
      seed,
      sessionId,
      nonceLane,
      lastNonce: Number.isSafeInteger(lastNonce) && lastNonce > 0 ? lastNonce : 0,
      purchased: purchases.spent,
      limits: limits.use,
      paper: paper?.plan,
    };
    if (recorder !== undefined)
      journal?.append(JournalKind.Session, this.clock.monoNs(), Buffer.from(packed(setup)));
    const live = new LiveEngine(
      liveOptions(setup, {
        signer,
        funds: facts.funds,
        seams: recorder ?? { clock: this.clock, timers: systemTimers },
        limitsRng: new Rng(seed).fork("trading limits"),
        onLimited,
        onSpent: purchases.onSpent,
        clock: this.clock,
        clockBaseNs: this.baseNs,
        timers: systemTimers,
        watchdog,
        metrics: metricsOf(config),
        ...(paper === undefined ? {} : { openAccount: paper.paperAccount(paper.plan) }),
        ...(o.recordDir === undefined
          ? {}
          : {
              tape: runTape(o.recordDir, {
                network: endpoints.name,
                isPaper: this.isPaper,
                runId,
                instruments: facts.instruments,
                clock: this.clock,
              }),
            }),
        journal,
        journalFiles: files,
        recorder,
        isDebugLogged: config.logging.level === "debug" || config.logging.level === "trace",
        log,
        onNotice: (text) => this.onNotice(text),
        onKilled: (report) => {
          this.killReport = report;
          this.requestStop("kill switch");
        },
      }),
    );
    const session = new TradingSession(live, facts.markets, log);
    this.live = live;
    this.undo.push(async () => {
      await session.close();
      // A wall clock set back before the next start must not make its nonces too low.
      if (o.isDryRun || nonceFile === undefined) return;
      // Another maker with this key may have stopped in between, with a higher one.
      const stored = Number(dataDir.readCheckpoint(nonceFile) ?? 0) || 0;
      dataDir.writeCheckpoint(nonceFile, String(Math.max(stored, live.gateway.nonces.last)));
    });
    // A second or so, and half-started threads are hard to stop: let them come up.
    await this.startThreads(live);
    if (this.isStopRequested) throw new StoppedAtStart(await this.userStop);
    if (o.isDryRun) return await this.dryRun(live, facts);
    return await this.trade(live, session, facts, plan, simulator, (reason) =>
      writeKill(dataDir, {
        network: world,
        account: facts.account,
        reason,
        atIso: new Date(this.clock.wallMs()).toISOString(),
        runId,
      }),
    );
  }

  /** A step of the start, given up as soon as the user wants to stop. What it does later is undone with the rest. */
  private async unlessStopped<T>(step: Promise<T>): Promise<T> {
    const stopped = this.userStop.then((reason) => {
      throw new StoppedAtStart(reason);
    });
    stopped.catch(() => {});
    return await Promise.race([step, stopped]);
  }

  noteEarlyStop(reason: string): void {
    this.log("info", "Stopped before trading began", { reason });
  }

  /** Everything that was opened is closed, in reverse; called once, after success and failure alike. */
  async release(): Promise<void> {
    this.status.clear();
    for (const undo of this.undo.reverse()) {
      try {
        await undo();
      } catch (error) {
        this.log("error", "Closing failed", { error: (error as Error).message });
      }
    }
    await this.closeLog();
  }

  private refuseMisplacedOptions(): void {
    if (this.o.config.network.base_url === "localhost") return;
    const given = SIM_ONLY.filter((key) => this.o[key] !== undefined);
    if (given.length > 0) {
      throw new SizingError(
        `${given.flatMap((key) => optionNames(this.o, key)).join(", ")} concern the simulated exchange: add --network localhost, or leave them out`,
      );
    }
  }

  private async startSimulator(port: number, dataDir: DataDir): Promise<RunningSimulator | undefined> {
    const { o, log } = this;
    if (o.config.network.base_url !== "localhost") return undefined;
    const simulator = await ensureSimulator(
      {
        port,
        dataDir: dataDir.path,
        tape: o.tape,
        speed: o.speed,
        seed: o.seed,
        extraArguments: o.simulatorArguments ?? [],
        coins:
          o.origins.has("trading.asset") || o.tape === undefined
            ? await demoCoins(o.config.trading)
            : undefined,
      },
      systemTimers,
      this.userStop,
    );
    this.undo.push(() => simulator.stop());
    if (simulator.isOurs) {
      log("info", "Simulated exchange started", {
        port,
        seed: simulator.seed,
        coins: simulator.coins,
        tape: o.tape ?? "none",
      });
    } else {
      log("info", "Using the simulated exchange that listens already", { port });
      const ignored = (["tape", "speed", "seed", "simulatorArguments"] as const)
        .filter((k) => o[k] !== undefined)
        .flatMap((key) => optionNames(o, key));
      if (ignored.length > 0) {
        log(
          "warn",
          `${ignored.join(", ")} ignored: the simulated exchange on port ${port} runs already (stop it, or choose --port)`,
        );
      }
    }
    return simulator;
  }

  /** A tape names its own coin: the default one would be asked of a venue that does not list it. */
  private withTapeCoin<T extends VenueRequest>(request: T, simulator: RunningSimulator | undefined): T {
    const coin = simulator?.coins?.[0];
    if (coin === undefined || this.o.tape === undefined || this.o.origins.has("trading.asset"))
      return request;
    const { config } = request;
    return { ...request, config: { ...config, trading: { ...config.trading, asset: coin } } };
  }

  private takeLocks(dataDir: DataDir, facts: VenueFacts): void {
    for (const inst of facts.instruments) {
      const lock: Lock = dataDir.lock(
        {
          network: lockNetwork(facts, this.isPaper),
          account: facts.account,
          asset: inst.coin,
        },
        this.clock.wallMs(),
      );
      this.undo.push(() => lock.release());
      if (lock.note !== undefined) this.log("warn", "Lock taken over", { note: lock.note });
    }
  }

  /**
   * Makers of other assets may sign with the same key: each takes a lane of nonces of its own, so that no two are the same.
   * @throws {DataDirError} `locked` when every lane is taken.
   */
  private takeNonceLane(dataDir: DataDir, network: string, signer: string): number {
    for (let lane = 0; ; lane++) {
      const key = { network, account: signer, asset: `nonces-${lane}` };
      try {
        const lock = dataDir.lock(key, this.clock.wallMs());
        this.undo.push(() => lock.release());
      } catch (error) {
        if (!(error instanceof DataDirError && error.code === "locked") || lane === NONCE_LANES - 1)
          throw error;
        continue;
      }
      if (lane > 0) {
        this.log(
          "warn",
          "Another maker signs with this key: better one agent each (market-maker key agent-approve)",
        );
      }
      return lane;
    }
  }

  /** Two threads keep a journal: each has half the room. Earlier runs make way for this one. */
  private journalFiles(dataDir: DataDir, runId: string): JournalFiles {
    const total = this.o.config.engine.journal_max_mib * 2 ** 20;
    const pruned = pruneRuns(dataDir.journalDir, total, this.clock.wallMs(), IDLE_JOURNAL_MS);
    if (pruned.length > 0) this.log("info", "Journals of earlier runs deleted", { runs: pruned.length });
    const maxBytes = total / 2;
    return {
      dir: dataDir.journalDir,
      runId,
      maxBytes,
      segmentBytes: Math.min(64 * 2 ** 20, Math.floor(maxBytes / 4)),
    };
  }

  private openJournal(files: JournalFiles): JournalWriter {
    return new JournalWriter({
      ...files,
      thread: "main",
      wallBaseMs: this.clock.wallMs(),
      monoBaseNs: this.clock.monoNs(),
      onTrouble: (problem) => this.log("error", "Journal", { problem }),
    });
  }

  private async startThreads(live: LiveEngine): Promise<void> {
    const { config } = this.o;
    try {
      await live.startThreads();
    } catch (error) {
      if ((error as { code?: string }).code !== "EADDRINUSE") throw error;
      throw new SizingError(
        `metrics port ${config.monitoring.metrics_port} is in use: choose another with --metrics-port, or 0 to do without`,
      );
    }
    if (live.metricsPort !== undefined) {
      this.log("info", "Metrics", {
        url: `http://${config.monitoring.metrics_host}:${live.metricsPort}/metrics`,
      });
    }
    if (live.relayPort !== undefined) this.log("info", "Relay", { port: live.relayPort });
  }

  /** A bug of ours: nothing it left can be trusted with orders, so everything comes off the book and the run ends. */
  private onCrash(error: Error): boolean {
    this.log("error", "Unhandled error", { error: error.message, stack: error.stack });
    if (this.live?.isTrading !== true) return false;
    this.live.kill(KillReason.UnhandledError);
    return true;
  }

  private onNotice(text: string): void {
    this.log("info", "Venue notice", { text });
    if (this.o.config.network.base_url === "localhost" && text === "tape ended")
      this.requestStop("end of tape");
  }

  // ── trading ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  private async trade(
    live: LiveEngine,
    session: TradingSession,
    facts: VenueFacts,
    plan: Plan,
    simulator: RunningSimulator | undefined,
    recordKill: (reason: string) => void,
  ): Promise<number> {
    const { o, log } = this;
    const startedAtMs = this.clock.wallMs();
    const startedMonoNs = this.clock.monoNs();
    const recovered = await this.unlessStopped(session.start());
    if (this.isPaper) {
      log("warn", "Paper trading: play money, no order leaves this process", {
        equityUsd: o.paper?.equityUsd,
        queueModel: o.paper?.queue.kind,
      });
    }
    log("info", "Market maker started", {
      network: facts.endpoints.name,
      account: facts.account,
      assets: facts.instruments.map((i) => i.coin).join(","),
      accountValueUsd: recovered.accountValueUsd,
      orphansCancelled: recovered.orphansCancelled,
      strategy: o.config.strategy.strategy_type,
    });
    log("info", "Warming up parameter estimator", { minTrades: o.config.strategy.min_trades });
    const stopReporting = this.report(live, facts, plan);
    const stopDuration =
      o.durationS === undefined
        ? undefined
        : systemTimers.after(o.durationS * 1000, () => this.requestStop("duration"));
    const reason = await this.stopRequested;
    stopDuration?.();
    if (this.killReport === undefined) log("info", "Stopping", { reason });
    const stop = this.killReport ?? (await session.stop());
    stopReporting();
    this.status.clear();
    this.logFinal(live, facts.instruments);
    const now = this.host.memory();
    const summary = buildSummary(
      live,
      facts.instruments,
      plan.assets.map((a) => a.limits.maxPosLots),
      {
        network: facts.endpoints.name,
        isPaper: this.isPaper,
        account: facts.account,
        startedAtMs,
        durationS: (this.clock.monoNs() - startedMonoNs) / 1e9,
        stopReason: live.latch.isTripped() ? "kill switch" : reason,
        // Of a simulator that another process started, the seed is not known.
        seed: simulator === undefined ? o.seed : simulator.seed,
        sinceProcessStartMs: this.sinceProcessStartMs,
        memory: this.memory,
        rssMiB: now.rssMiB,
      },
      stop,
    );
    if (o.summaryPath !== undefined) {
      writeFileSync(o.summaryPath, `${JSON.stringify(summary, null, 2)}\n`);
    }
    if (stop.isKilled) {
      recordKill(killReasonText(live.latch.reason()));
      if (!stop.isClean) this.logUnclean(stop);
      log("error", "Ended by the kill switch", { reason: killReasonText(live.latch.reason()) });
      return 1;
    }
    if (!stop.isClean) {
      this.logUnclean(stop);
      return 1;
    }
    log("info", "Stopped: no order rests", { seconds: Math.round(summary.durationS) });
    return 0;
  }

  private logUnclean(stop: StopReport): void {
    this.log("error", "Orders may still rest: check with the venue and cancel by hand", {
      resting: stop.restingOrdersAtExit < 0 ? "unknown" : stop.restingOrdersAtExit,
    });
  }

  /** Boards, status, memory and the warm-up's narrowing, until the returned function is called. */
  private report(live: LiveEngine, facts: VenueFacts, plan: Plan): () => void {
    const maxPosLots = plan.assets.map((a) => a.limits.maxPosLots);
    const boards = new BoardWriter(live, facts.instruments, maxPosLots, this.isPaper);
    const text = (): string =>
      `${this.isPaper ? "PAPER " : ""}${statusText(live, facts.instruments, maxPosLots)}`;
    const warm = new Array<boolean>(facts.instruments.length).fill(false);
    const stops = [
      systemTimers.every(BOARD_EVERY_MS, () => {
        boards.update();
        for (const { asset, coin } of facts.instruments) {
          if (warm[asset] || live.ladder(asset)?.status !== 0) continue;
          warm[asset] = true;
          this.log("info", "Parameter estimation warmed up", { asset: coin });
        }
      }),
      systemTimers.every(1000, () => {
        const m = this.host.memory();
        this.memory.sample(m.rssMiB, m.heapMiB);
      }),
      this.status.isLive
        ? systemTimers.every(STATUS_EVERY_MS, () => this.status.set(text()))
        : systemTimers.every(STATUS_LOG_EVERY_MS, () => this.log("info", `Status ${text()}`)),
    ];
    return () => {
      for (const stop of stops) stop();
      boards.update();
    };
  }

  private logFinal(live: LiveEngine, instruments: readonly Instrument[]): void {
    const { executor } = live;
    for (const inst of instruments) {
      const p = executor.position(inst.asset);
      this.log("info", "Final position", {
        asset: inst.coin,
        position: p.posLots / 10 ** inst.szDecimals,
        entryPx: p.entryPx,
        realizedPnlUsd: rounded(p.realizedPnlUsd),
        unrealizedPnlUsd: rounded(p.unrealizedPnlUsd),
        feesUsd: rounded(p.feesUsd),
        ...(p.fundingUsd === 0 ? {} : { fundingUsd: rounded(p.fundingUsd) }),
        netPnlUsd: rounded(p.sessionPnlUsd),
      });
      const as = executor.adverseSelection(inst.asset);
      this.log("info", "Adverse selection summary", {
        asset: inst.coin,
        fills: executor.fillsOf(inst.asset),
        captureBps: rounded(as.captureBpsMean),
        runningBps: rounded(as.runningBps),
        // Mean adverse move after a fill, bps, by horizon: positive is against us.
        ...Object.fromEntries(as.horizons.map((h) => [`after${h.horizonMs}ms`, rounded(h.asBpsMean)])),
      });
    }
  }

  // ── dry run ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Everything but orders: waits for a ladder of each asset and shows it. */
  private async dryRun(live: LiveEngine, facts: VenueFacts): Promise<number> {
    const seconds = this.o.durationS ?? DRY_RUN_S;
    this.log("info", "Dry run: no order is placed", { account: facts.account, waitSeconds: seconds });
    const deadline = systemTimers.after(seconds * 1000, () => this.requestStop("duration"));
    const isReady = (): boolean => {
      live.pollLadders();
      return facts.instruments.every(({ asset }) => live.ladder(asset)?.status === 0);
    };
    const stopLooking = systemTimers.every(50, () => {
      if (isReady()) this.requestStop("ready");
    });
    const reason = await this.stopRequested;
    stopLooking();
    deadline();
    for (const inst of facts.instruments) {
      const ladder = live.ladder(inst.asset);
      const lines = ladder === undefined ? [`${inst.coin}: no market data yet`] : explainLadder(ladder, inst);
      this.status.print(`${lines.join("\n")}\n`);
    }
    if (reason !== "ready") {
      this.log("error", `Dry run: no quote within ${seconds} s`, { reason });
      return 1;
    }
    this.log("info", "Dry run complete: configuration, key, connection and market are valid");
    return 0;
  }
}

/** @throws {SizingError} When the file cannot be written, told at the start and not after a day's run. */
function checkWritable(path: string, option: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true });
    closeSync(openSync(path, "a", 0o640));
  } catch (cause) {
    throw new SizingError(
      `${option} ${path} cannot be written (${(cause as NodeJS.ErrnoException).code ?? "error"}): name a file in a folder of yours`,
    );
  }
}

/** For people; nothing is computed from it. */
const rounded = (n: number): number | null => (Number.isFinite(n) ? Math.round(n * 1e4) / 1e4 : null);

function metricsOf(config: Config): { host: string; port: number } | undefined {
  const { metrics_port, metrics_host, enable_http_metrics } = config.monitoring;
  return metrics_port === 0 || !enable_http_metrics ? undefined : { host: metrics_host, port: metrics_port };
}

/** The configuration as the journal keeps it: without the key. */
function publicConfig(config: Config): Config {
  const { private_key: _, ...network } = config.network;
  return { ...config, network };
}

/** Simulated exchanges on other ports are other networks. */
const lockNetwork = (facts: VenueFacts, isPaper: boolean): string =>
  `${isPaper ? "paper-" : ""}${facts.endpoints.name}-${new URL(facts.endpoints.infoUrl).port || "443"}`;

/**
 * The simulator's own markets for what is to be traded: only those run, each costs processor time. Undefined when one is not
 * among them, which its listing then says. A DEX by its full name is known to the venue alone: all that have the coin run.
 */
async function demoCoins(trading: Config["trading"]): Promise<readonly string[] | undefined> {
  // Loaded on demand: a live engine runs without the simulator's code.
  const { DEMO_COINS } = await import("../sim/demo.js");
  const wanted = trading.asset.split(",").map((name) => {
    const coin = name.trim();
    const full = trading.dex === undefined || coin.includes(":") ? coin : `${trading.dex}:${coin}`;
    if (DEMO_COINS.includes(full)) return [full];
    const base = full.split(":")[1];
    return base === undefined ? [] : DEMO_COINS.filter((c) => c.split(":")[1] === base);
  });
  return wanted.every((coins) => coins.length > 0) ? [...new Set(wanted.flat())] : undefined;
}
