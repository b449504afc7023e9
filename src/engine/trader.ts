import { type Clock, CloidSequence, type Instrument, type Timers } from "../domain/index.js";
import {
  type AssetParams,
  Executor,
  type ExecutorHooks,
  type ExecutorTimings,
  LadderView,
  type RecoverReport,
  type StopReport,
} from "../execution/index.js";
import type { KernelParams } from "../kernels/index.js";
import { CellReader, KillLatch, LatencyHistogram } from "../rings/index.js";
import type { LogFn } from "../telemetry/log.js";
import type { OrderGateway } from "../venues/port.js";
import { AccountFeed } from "./account-feed.js";
import type { SharedSegments } from "./shared.js";
import { Tuner } from "./tuner.js";
import type { TurnSeams } from "./turns.js";

export interface TraderOptions {
  readonly segments: SharedSegments;
  readonly gateway: OrderGateway;
  readonly instruments: readonly Instrument[];
  readonly assets: readonly AssetParams[];
  readonly clock: Clock;
  readonly timers: Timers;
  readonly sessionId: number;
  readonly log: LogFn;
  readonly isDebugLogged: boolean;
  readonly onNotice: (text: string) => void;
  /** By engine index. */
  readonly params: readonly KernelParams[];
  /** See `Tuner`. */
  readonly warmUpDecayS: number;
  readonly onKilled: NonNullable<ExecutorHooks["onKilled"]>;
  readonly onScheduledCancel?: NonNullable<ExecutorHooks["onScheduledCancel"]>;
  /** See `ExecutorOptions.economiseBelowHours`. */
  readonly economiseBelowHours?: number;
  /** Called once per tick, before the executor's: the journal's mark. */
  readonly beforeTick?: () => void;
  /** A kernel has something new to read in its account ring. */
  readonly onAccountNews?: () => void;
  readonly timings?: Partial<ExecutorTimings>;
  /** Told which ladders were read and when the latch was seen tripped. */
  readonly turns?: Pick<TurnSeams, "ladder" | "killSwitch">;
}

const TICK_MS = 50;

/**
 * The part of an engine that is the same in every world: boards in, executor, account news back to the kernels. What differs
 * stands behind the seams it is handed: gateway, clock, timers, and whoever fills the boards.
 *
 * Life: `start` (recovery; ladders become orders from then on) → `drain` whenever a board may be fresh → `stop`.
 * Thread: main.
 */
export class Trader {
  readonly executor: Executor;
  readonly latch: KillLatch;
  /** Orders of ours may be on the book. */
  isTrading = false;
  private readonly accounts: AccountFeed;
  private readonly ladderCells: readonly CellReader[];
  private readonly ladderViews: readonly LadderView[];
  private readonly seen: boolean[] = [];
  readonly tuner: Tuner;
  private readonly stops: (() => void)[] = [];

  constructor(private readonly o: TraderOptions) {
    const { segments, clock } = o;
    this.latch = new KillLatch(segments.latch);
    this.accounts = new AccountFeed(segments, o.instruments);
    this.executor = new Executor({
      gateway: o.gateway,
      latch: o.turns?.killSwitch(this.latch) ?? this.latch,
      clock,
      timers: o.timers,
      cloids: new CloidSequence(o.sessionId),
      assets: o.assets,
      log: o.log,
      isDebugLogged: o.isDebugLogged,
      latency: {
        executor: new LatencyHistogram(segments.stages.executor),
        sign: new LatencyHistogram(segments.stages.sign),
        tickToWire: new LatencyHistogram(segments.stages.tickToWire),
      },
      hooks: {
        onPosition: (p) => {
          this.accounts.position(p.asset, clock.monoNs(), p);
          o.onAccountNews?.();
        },
        onFill: (asset, fill) => {
          this.accounts.fill(asset, clock.monoNs(), fill);
          o.onAccountNews?.();
        },
        onNotice: o.onNotice,
        onSeverity: (asset, finding) => this.tuner.onFinding(asset, finding),
        onKilled: o.onKilled,
        ...(o.onScheduledCancel === undefined ? {} : { onScheduledCancel: o.onScheduledCancel }),
      },
      ...(o.economiseBelowHours === undefined ? {} : { economiseBelowHours: o.economiseBelowHours }),
      ...(o.timings === undefined ? {} : { timings: o.timings }),
    });
    this.tuner = new Tuner({
      params: o.params,
      warmUpDecayS: o.warmUpDecayS,
      configure: (asset, params) => this.configure(asset, params),
      ladderExchMs: (asset) => this.ladder(asset)?.exchMs ?? 0,
    });
    this.ladderCells = segments.ladders.map((sab) => new CellReader(sab));
    this.ladderViews = this.ladderCells.map((cell) => new LadderView(cell));
  }

  /** Every kernel's first parameters. */
  configureAll(): void {
    for (const { asset } of this.o.instruments) this.configure(asset, this.o.params[asset]!);
  }

  private configure(asset: number, params: KernelParams): void {
    this.accounts.configure(asset, params);
    this.o.onAccountNews?.();
  }

  /** Connects; then `prepare` (leverage and the like); then cancels leftovers and adopts the position. */
  async start(prepare: () => Promise<void> = () => Promise.resolve()): Promise<RecoverReport> {
    const { o, executor } = this;
    await o.gateway.connect(executor);
    await prepare();
    this.isTrading = true;
    const report = await executor.recover();
    for (const { asset } of o.instruments) {
      this.accounts.position(asset, o.clock.monoNs(), executor.position(asset));
    }
    this.stops.push(
      o.timers.every(TICK_MS, () => {
        o.beforeTick?.();
        executor.onTick();
      }),
      this.tuner.start(o.timers),
    );
    return report;
  }

  /** Orders off the book. */
  async stop(): Promise<StopReport> {
    const report = await this.executor.stop();
    this.isTrading = false;
    this.halt();
    return report;
  }

  /** No further tick; orders stay as they are. */
  halt(): void {
    for (const stop of this.stops) stop();
  }

  /** Acts on every fresh ladder. @returns true when there was one. */
  drain(): boolean {
    let hadWork = false;
    for (let asset = 0; asset < this.ladderCells.length; asset++) {
      const cell = this.ladderCells[asset]!;
      if (!cell.poll()) continue;
      hadWork = true;
      this.seen[asset] = true;
      const view = this.ladderViews[asset]!.at(cell.offset);
      const { turns } = this.o;
      if (turns === undefined) this.executor.onLadder(asset, view);
      else turns.ladder(asset, cell.u8, cell.offset, () => this.executor.onLadder(asset, view));
    }
    return hadWork;
  }

  /** Reads the boards without acting on them: for a run that places no orders. */
  pollLadders(): void {
    this.ladderCells.forEach((cell, asset) => {
      if (!cell.poll()) return;
      this.seen[asset] = true;
      this.ladderViews[asset]!.at(cell.offset);
    });
  }

  /** The newest ladder of an asset, for people; undefined before the first. */
  ladder(asset: number): LadderView | undefined {
    return this.seen[asset] === true ? this.ladderViews[asset]! : undefined;
  }
}
