import { CloidSequence, type Instrument, Rng } from "../../src/domain/index.js";
import {
  type AssetParams,
  Executor,
  type ExecutorTimings,
  type StopReport,
} from "../../src/execution/index.js";
import { createLatch, KillLatch } from "../../src/rings/index.js";
import { type RiskLimits, riskLimits, type Severity } from "../../src/risk/index.js";
import type { RequestQuota } from "../../src/venues/port.js";
import { FakeExchange, FakeGateway, type Faults, NO_FAULTS, Scheduler } from "./fake-exchange.js";
import { TOY } from "./fixtures.js";
import { LadderBuffer, type LadderSpec } from "./ladder-buffer.js";

export interface Entry {
  level: string;
  event: string;
  fields: Readonly<Record<string, unknown>>;
}

/** One asset on a quiet venue, 5 to 10 ms away; ticks every 50 ms. */
export class Rig {
  readonly sched = new Scheduler();
  readonly venue = new FakeExchange(this.sched, TOY, 100_000);
  readonly latch = new KillLatch(createLatch());
  readonly gateway: FakeGateway;
  readonly executor: Executor;
  readonly log: Entry[] = [];
  readonly severities: Severity[] = [];
  killed: StopReport | undefined;
  private readonly ladders = new LadderBuffer();
  private stopTicks: () => void = () => {};

  constructor(
    over: {
      faults?: Partial<Faults>;
      limits?: Partial<RiskLimits>;
      params?: Partial<AssetParams>;
      timings?: Partial<ExecutorTimings>;
      instrument?: Instrument;
      session?: number;
      /** What the venue says of the allowance when it is asked. */
      quota?: (rig: Rig) => RequestQuota;
    } = {},
  ) {
    this.gateway = new FakeGateway(this.venue, new Rng(1), { ...NO_FAULTS, ...over.faults });
    const { quota } = over;
    if (quota !== undefined) this.gateway.requestQuota = () => Promise.resolve(quota(this));
    this.executor = new Executor({
      gateway: this.gateway,
      latch: this.latch,
      clock: this.sched,
      timers: this.sched,
      cloids: new CloidSequence(over.session ?? 1),
      assets: [
        {
          instrument: TOY,
          maxBpsDiff: 2,
          limits: riskLimits({ maxPosLots: 100, maxPositionValueUsd: 1e6, ...over.limits }),
          ...over.params,
        },
      ],
      log: (level, event, fields) => this.log.push({ level, event, fields }),
      isDebugLogged: true,
      hooks: {
        onKilled: (r) => {
          this.killed = r;
        },
        onSeverity: (_, f) => this.severities.push(f.severity),
      },
      ...(over.timings ? { timings: over.timings } : {}),
    });
  }

  async start(): Promise<this> {
    await this.gateway.connect(this.executor);
    await this.await(this.executor.recover());
    this.stopTicks = this.sched.every(50, () => this.executor.onTick());
    return this;
  }

  /** Lets simulated time pass until the promise is settled. */
  async await<T>(promise: Promise<T>, maxMs = 60_000): Promise<T> {
    let state: { value: T } | { error: unknown } | undefined;
    promise.then(
      (value) => {
        state = { value };
      },
      (error: unknown) => {
        state = { error };
      },
    );
    await this.sched.run(this.sched.nowMs + maxMs, () => state !== undefined);
    if (state === undefined) throw new Error(`not settled within ${maxMs} ms of simulated time`);
    if ("error" in state) throw state.error;
    return state.value;
  }

  ladder(over: Partial<LadderSpec> = {}): void {
    const mid = (this.venue.bidTicks + this.venue.askTicks) / 2;
    this.executor.onLadder(
      0,
      this.ladders.write({
        causeRecvMonoNs: this.sched.monoNs() - 1e5,
        exchMs: this.sched.nowMs,
        midPx: mid / 100,
        bestBidPx: this.venue.bidTicks / 100,
        bestAskPx: this.venue.askTicks / 100,
        bids: [
          [mid - 50, 10],
          [mid - 150, 10],
        ],
        asks: [
          [mid + 50, 10],
          [mid + 150, 10],
        ],
        ...over,
      }),
    );
  }

  /** Ladders every 100 ms for a while. */
  async quoteFor(ms: number): Promise<void> {
    const stop = this.sched.every(100, () => this.ladder());
    await this.sched.run(this.sched.nowMs + ms);
    stop();
  }

  async pass(ms: number): Promise<void> {
    await this.sched.run(this.sched.nowMs + ms);
  }

  stopTicking(): void {
    this.stopTicks();
  }

  events(name: string): Entry[] {
    return this.log.filter((e) => e.event === name);
  }
  get kinds(): string {
    return this.gateway.sent.map((s) => `${s.kind}×${s.count}`).join(" ");
  }
}
