import type { Config } from "../config/index.js";
import { type Instrument, OffsetClock, pow10, Rng, VirtualTime } from "../domain/index.js";
import type { ExecutorTimings, StopReport } from "../execution/index.js";
import {
  type ExchangeOptions,
  type FaultRule,
  type LatencyModel,
  SimFeed,
  SimGateway,
  type SimMarket,
  SimVenue,
  type SimVenueOptions,
} from "../sim/index.js";
import type { LogFn } from "../telemetry/log.js";
import { HyperliquidReader } from "../venues/hyperliquid/reader.js";
import { InlineEngine, OutboundDigest } from "./inline.js";
import { crossFacts, type Plan, planAssets } from "./plan.js";

export interface SimulatedOptions {
  /** Everything random comes from it, the markets' own seeds apart. */
  readonly seed: number;
  readonly config: Config;
  /** The venue's listing, in order. */
  readonly markets: readonly SimMarket[];
  /** What the engine trades; default: all of them. */
  readonly coins?: readonly string[];
  readonly faults?: readonly FaultRule[];
  readonly fundingUsd?: number;
  /** Wall time of the start, ms. */
  readonly startWallMs?: number;
  readonly latency?: LatencyModel;
  readonly exchange?: Partial<ExchangeOptions>;
  readonly requests?: NonNullable<SimVenueOptions["executor"]>;
  readonly timings?: Partial<ExecutorTimings>;
  readonly log?: LogFn;
}

/** Five past ten: no funding hour falls into the first 55 minutes. */
const START_WALL_MS = Date.UTC(2026, 0, 5, 10, 5);
const FUNDING_USD = 100_000;
const ADDRESS = "0x5151515151515151515151515151515151515151";

/** One life of an engine: from a start to a stop or a crash. */
interface Session {
  readonly gateway: SimGateway;
  readonly feed: SimFeed;
  readonly engine: InlineEngine;
}

/**
 * A whole run in one thread and in simulated time: venue, network with its faults, engine. The engine is the live one with
 * other seams; the venue is the server's core. Same options, same requests, to the byte and the nanosecond.
 *
 * Life: `start` → `run` … → `stop`; or `crash` and `start` again, for a new process with the old account.
 */
export class SimulatedRun {
  readonly time: VirtualTime;
  /** The engine's own clock: its offset may be moved during a run. */
  readonly clock: OffsetClock;
  readonly venue: SimVenue;
  readonly instruments: readonly Instrument[];
  readonly digest = new OutboundDigest();
  readonly plan: Plan;
  readonly address = ADDRESS;
  /** Why the kill switch ended it, once it has. */
  killed: StopReport | undefined;
  /** Called with every request of an engine as it is sent: for checks. */
  onRequest: (kind: "open" | "cancel") => void = () => {};
  private session: Session | undefined;
  private sessions = 0;
  private isVenueOpen = false;

  constructor(private readonly o: SimulatedOptions) {
    const { markets } = o;
    const rng = new Rng(o.seed);
    this.time = new VirtualTime(o.startWallMs ?? START_WALL_MS);
    this.clock = new OffsetClock(this.time);
    this.venue = new SimVenue({
      time: this.time,
      markets,
      seed: rng.fork("venue").u32(),
      funding: { [ADDRESS]: o.fundingUsd ?? FUNDING_USD },
      ...(o.faults === undefined ? {} : { faults: o.faults }),
      ...(o.latency === undefined ? {} : { latency: o.latency }),
      ...(o.exchange === undefined ? {} : { exchange: o.exchange }),
      ...(o.requests === undefined ? {} : { executor: o.requests }),
    });
    const coins = o.coins ?? markets.map((m) => m.coin);
    this.instruments = coins.map((coin, asset) => {
      const market = this.venue.exchange.market(coin);
      if (market === undefined) throw new RangeError(`coin ${coin} is not among the simulated markets`);
      return { ...market.instrument, asset };
    });
    const fees = this.venue.info({ type: "userFees", user: ADDRESS }) as { userAddRate: string };
    this.plan = planAssets(
      o.config,
      crossFacts(this.instruments, {
        midPx: this.instruments.map((inst) => {
          const market = this.venue.exchange.market(inst.coin)!;
          return market.referenceTicks / pow10(inst.pxDecimals);
        }),
        accountValueUsd: o.fundingUsd ?? FUNDING_USD,
        makerFeeBps: Number(fees.userAddRate) * 1e4,
      }),
      o.log ?? (() => {}),
    );
  }

  get engine(): InlineEngine {
    return this.current.engine;
  }

  get gateway(): SimGateway {
    return this.current.gateway;
  }

  get feed(): SimFeed {
    return this.current.feed;
  }

  private get current(): Session {
    if (this.session === undefined) throw new Error("the simulated run has not been started");
    return this.session;
  }

  /** Opens the venue, connects, recovers; returns when the engine would quote. @throws what recovery throws. */
  async start(): Promise<void> {
    if (!this.isVenueOpen) {
      this.venue.start();
      this.isVenueOpen = true;
    }
    this.session = this.assemble();
    this.session.feed.start();
    await this.time.settle(this.session.engine.start());
  }

  /** Lets so much time pass. */
  async run(ms: number): Promise<void> {
    await this.time.runFor(ms);
  }

  /** Graceful stop: nothing rests afterwards, if the venue can be reached. */
  async stop(): Promise<StopReport> {
    const { engine, feed, gateway } = this.current;
    const report = await this.time.settle(engine.stop());
    feed.stop();
    await gateway.close();
    return report;
  }

  /** The process dies: what it has sent still arrives, and nothing is cancelled. */
  crash(): void {
    const { engine, feed, gateway } = this.current;
    engine.abandon();
    feed.stop();
    gateway.abandon();
  }

  private assemble(): Session {
    const { o, time, venue, instruments } = this;
    const rng = new Rng(o.seed).fork(`session ${++this.sessions}`);
    const gateway = new SimGateway({
      venue,
      address: ADDRESS,
      instruments,
      time,
      clock: this.clock,
      rng,
      reader: new HyperliquidReader(instruments),
      tap: this.digest,
      onSend: (kind) => this.onRequest(kind === "cancel" ? "cancel" : "open"),
    });
    const engine = new InlineEngine({
      instruments,
      assets: this.plan.assets,
      params: this.plan.params,
      gateway,
      clock: this.clock,
      timers: time,
      sessionId: this.sessions,
      onKilled: (report) => {
        this.killed = report;
      },
      ...(o.log === undefined ? {} : { log: o.log }),
      ...(o.timings === undefined ? {} : { timings: o.timings }),
    });
    const feed = new SimFeed({ venue, coins: instruments.map((i) => i.coin), time, rng }, engine);
    return { gateway, feed, engine };
  }
}
