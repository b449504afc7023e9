import * as abi from "../abi/layout.js";
import type { Config } from "../config/index.js";
import { type Instrument, pow10, Rng, Side, settled, VirtualTime } from "../domain/index.js";
import { InlineEngine } from "../engine/inline.js";
import { crossFacts, planAssets } from "../engine/plan.js";
import type { StopReport } from "../execution/index.js";
import {
  flatFees,
  isPerp,
  type QueueModelSpec,
  queueModel,
  RecordMarket,
  SimGateway,
  SimVenue,
} from "../sim/index.js";
import { type RecordCursor, TapeError } from "../store/index.js";
import type { LogFn } from "../telemetry/log.js";
import { HyperliquidReader } from "../venues/hyperliquid/reader.js";
import type { WireTap } from "../venues/port.js";
import { BacktestJournal } from "./journal.js";
import { DEFAULT_LATENCY, delayOf, type LatencySpec, orderLatency } from "./latency.js";
import { LocalBook } from "./local-book.js";
import { withOwnLatency } from "./own-latency.js";
import { type BacktestSeries, SeriesRecorder } from "./series.js";
import { type BacktestSummary, summarise } from "./summary.js";
import { isoOf, tapeFacts } from "./tape-facts.js";
import { exchMs, type Skipped, TapeRun } from "./tape-run.js";
import { TapeWindow } from "./window.js";

export interface BacktestOptions {
  /** Tape files that follow each other, in order. */
  readonly tapes: readonly string[];
  /** Needed when a tape holds several markets. */
  readonly coin?: string;
  readonly config: Config;
  readonly fees?: FeesBps;
  /** ms since the epoch. */
  readonly fromMs?: number;
  readonly toMs?: number;
  readonly seed: number;
  readonly queue?: QueueModelSpec;
  readonly latency?: LatencySpec;
  readonly equityUsd?: number;
  /** Folder and run id of a journal to write. */
  readonly journal?: { readonly dir: string; readonly runId: string };
  /** Exchange stamps are moved back by so much, ms: the engine sees all later. Negative: a look into the future (leak tests). */
  readonly shiftMs?: number;
  /** What the engine believes the maker fee to be, bps; default: what is charged. A leak test pins the quotes with it. */
  readonly quotedMakerBps?: number;
  /** The kernel takes no record alone, nor unpacks or stamps any: for a test that this changes nothing. */
  readonly withoutSkips?: boolean;
  /** Hears everything that crosses the engine's boundary, after the journal. */
  readonly tap?: WireTap;
  readonly log?: LogFn;
  /** Called a few times a second of wall time with the share of records done. */
  readonly onProgress?: (share: number, events: number) => void;
  /** Wall clock for the speed figure and the progress: not read by anything that decides. */
  readonly stopwatchMs?: () => number;
}

export interface FeesBps {
  readonly makerBps: number;
  readonly takerBps: number;
}

export const REALISTIC_FEES: FeesBps = { makerBps: 1.5, takerBps: 4.5 };

export interface BacktestResult {
  readonly summary: BacktestSummary;
  readonly series: BacktestSeries;
  /** What the series counts from, ms since the epoch with fraction; `summary.from` is whole milliseconds. */
  readonly startMs?: number;
  /** Of the two steps of each record (at the exchange, and reaching us) those that the kernel took alone. */
  readonly skippedSteps?: number;
}

const ADDRESS = "0x5151515151515151515151515151515151515151";
const DEFAULT_EQUITY_USD = 100_000;
const PROGRESS_EVERY_RECORDS = 16_384;
const FEED_ALIVE_MS = 500;
const AUDIT_EVERY_MS = 60_000;
/** How often a market that is told by changes is looked at for having none. */
const QUIET_BOOK_EVERY_MS = 1_000;
/** Enough for a screen of any width; never finer than the eye. */
const SAMPLES_WANTED = 4_000;
const MIN_STEP_MS = 100;

/**
 * Runs the engine over recorded markets, under a simulated clock, in this thread.
 *
 * The engine is the live one behind other seams; the exchange is the simulator's core, with recorded liquidity in its book. Same
 * tapes, options and seed: same journal, to the byte, on any machine.
 *
 * @throws {TapeError} Unreadable tapes. {SizingError} When the configuration cannot trade this market. {RangeError} Options.
 */
export async function runBacktest(o: BacktestOptions): Promise<BacktestResult> {
  const run = new BacktestRun(o);
  try {
    return await run.go();
  } finally {
    await run.close();
  }
}

class BacktestRun {
  private readonly window: TapeWindow;
  private readonly time: VirtualTime;
  private readonly instrument: Instrument;
  /** The tape's number of the market. */
  private readonly asset: number;
  private readonly market: RecordMarket;
  private readonly venue: SimVenue;
  private readonly gateway: SimGateway;
  private readonly engine: InlineEngine;
  private readonly journal: BacktestJournal;
  private readonly recorder: SeriesRecorder;
  private readonly book: LocalBook;
  private readonly tapeRun = new TapeRun();
  private readonly skipped: Skipped = { records: 0, events: 0, levelUpdates: 0, lastNs: 0, midPx: 0 };
  private readonly baseMs: number;
  private readonly startNs: number;
  private readonly pxScale: number;
  private readonly positionLimitLots: number;
  private killed: StopReport | undefined;
  private events = 0;
  private levelUpdates = 0;
  private skippedSteps = 0;
  private midPx = 0;

  constructor(private readonly o: BacktestOptions) {
    if (o.fromMs !== undefined && o.toMs !== undefined && o.fromMs >= o.toMs)
      throw new RangeError(`the start, ${isoOf(o.fromMs)}, is not before the end, ${isoOf(o.toMs)}`);
    const rng = new Rng(o.seed);
    const latency = withOwnLatency(o.latency ?? DEFAULT_LATENCY, o.tapes);
    const about = tapeFacts(o.tapes, o.coin, o.fromMs);
    if (o.queue?.kind === "l3" && !about.isOrderLevel)
      throw new RangeError(
        `queue model "l3": ${o.tapes[0]} holds no single orders; choose risk-averse, log or power:N`,
      );
    this.baseMs = about.baseMs;
    const toNs = (ms: number): number => (ms - about.baseMs) * 1e6;
    this.asset = about.listing.asset;
    this.instrument = {
      asset: 0,
      venueAssetId: 0,
      coin: about.listing.coin,
      pxDecimals: about.listing.pxDecimals,
      szDecimals: about.listing.szDecimals,
      maxSigFigs: about.listing.maxSigFigs,
      minNotionalUsd: about.listing.minNotionalUsd,
      maxLeverage: about.listing.maxLeverage,
    };
    this.pxScale = pow10(this.instrument.pxDecimals);
    this.window = new TapeWindow({
      paths: o.tapes,
      feed: latency.feed,
      rng: rng.fork("feed latency"),
      ...(o.fromMs === undefined ? {} : { fromNs: toNs(o.fromMs) }),
      ...(o.toMs === undefined ? {} : { toNs: toNs(o.toMs) }),
      ...(o.shiftMs === undefined ? {} : { shiftNs: o.shiftMs * 1e6 }),
      ...(o.withoutSkips === true ? {} : { arena: this.tapeRun }),
    });
    if (this.window.exchNs === Number.POSITIVE_INFINITY || this.window.localNs === Number.POSITIVE_INFINITY)
      throw new TapeError(
        "no_book",
        `${o.tapes.join(", ")}: nothing was recorded ${rangeOf(o)}; \`market-maker tape info\` tells the tape's span`,
      );
    this.startNs = Math.max(
      this.window.isLocalPrior ? toNs(o.fromMs!) : 0,
      Math.min(this.window.exchNs, this.window.localNs),
    );
    this.time = new VirtualTime(about.baseMs);
    this.time.jumpTo(Math.floor(this.startNs));
    const fees = o.fees ?? REALISTIC_FEES;
    this.market = new RecordMarket(
      this.instrument,
      queueModel(o.queue ?? { kind: "risk-averse" }),
      `${this.instrument.coin} from ${o.tapes.join(", ")}`,
      this.tapeRun.exchangeMemory,
    );
    const equityUsd = o.equityUsd ?? DEFAULT_EQUITY_USD;
    this.venue = new SimVenue({
      time: this.time,
      markets: [this.market],
      seed: rng.fork("venue").u32(),
      funding: { [ADDRESS]: equityUsd },
      latency: orderLatency(latency),
      blockMs: 0,
      exchange: {
        fees: flatFees({
          makerPpm: Math.round(fees.makerBps * 100),
          takerPpm: Math.round(fees.takerBps * 100),
        }),
      },
    });
    const configText = JSON.stringify(withoutSecrets(o.config));
    this.journal = new BacktestJournal(o.journal, about.baseMs, configText);
    this.gateway = new SimGateway({
      venue: this.venue,
      address: ADDRESS,
      instruments: [this.instrument],
      time: this.time,
      rng: rng.fork("gateway"),
      reader: new HyperliquidReader([this.instrument]),
      network: delayOf(latency.ack),
      tap: o.tap === undefined ? this.journal : both(this.journal, o.tap),
    });
    const plan = planAssets(
      o.config,
      crossFacts([this.instrument], {
        midPx: [about.midPx],
        accountValueUsd: equityUsd,
        makerFeeBps: o.quotedMakerBps ?? fees.makerBps,
      }),
      o.log ?? (() => {}),
    );
    this.positionLimitLots = plan.assets[0]!.limits.maxPosLots;
    this.engine = new InlineEngine({
      instruments: [this.instrument],
      assets: plan.assets,
      params: plan.params,
      gateway: this.gateway,
      clock: this.time,
      timers: this.time,
      sessionId: 1,
      requoteBps: o.config.engine.requote_bps,
      requoteMs: o.config.engine.requote_ms,
      host: this.tapeRun.host,
      hasFrames: false,
      warmUpDecayS: o.config.strategy.warmup_decay_secs,
      // The venue is in this process: its word is checked, but not every few seconds.
      timings: { auditEveryMs: AUDIT_EVERY_MS },
      onKilled: (report) => {
        this.killed = report;
      },
      ...(o.log === undefined ? {} : { log: o.log }),
    });
    this.book = new LocalBook(
      this.instrument,
      (kind, f64, at, bytes) => this.feed(kind, f64, at, bytes),
      this.tapeRun.localMemory,
    );
    this.time.every(QUIET_BOOK_EVERY_MS, () => this.book.onQuiet(this.time.monoNs()));
    this.recorder = new SeriesRecorder(Math.max(MIN_STEP_MS, this.window.spanMs / SAMPLES_WANTED));
    this.tapeRun.open({
      window: this.window,
      market: this.market,
      localSides: this.book.sides,
      reader: {
        book: this.book,
        engine: this.engine,
        recorder: this.recorder,
        requoteBps: o.config.engine.requote_bps,
        requoteMs: o.config.engine.requote_ms,
      },
      asset: this.asset,
      pxScale: this.pxScale,
      szScale: pow10(this.instrument.szDecimals),
      baseMs: this.baseMs,
      startNs: this.startNs,
    });
    this.venue.listenPrivate(ADDRESS, {
      onOrderUpdates: (updates) => {
        this.recorder.forgetFinished();
        const tMs = this.tMs(this.time.monoNs());
        const midPx = this.exchangeMid();
        for (const { order, status } of updates) {
          const { oid, side, limitPx, origSz, sz } = order;
          const news = { oid, side, px: Number(limitPx), origSz: Number(origSz), sz: Number(sz), status };
          this.recorder.onOrder(tMs, news, midPx);
        }
      },
      onFills: (fills) => {
        for (const fill of fills) this.onFill(fill);
      },
    });
  }

  async go(): Promise<BacktestResult> {
    const { time, window, o } = this;
    const nowMs = o.stopwatchMs ?? (() => 0);
    this.venue.start();
    // The recording begins while the engine is still connecting: nothing of it is missed, as in a live start.
    const started = this.engine.start();
    let startError: unknown;
    started.catch((error: unknown) => {
      startError = error;
    });
    const from = nowMs();
    const { skipped, tapeRun } = this;
    let records = 0;
    let nextProgress = PROGRESS_EVERY_RECORDS;
    while (
      window.localNs !== Number.POSITIVE_INFINITY &&
      this.killed === undefined &&
      startError === undefined
    ) {
      skipped.midPx = this.midPx;
      if (Math.min(window.exchNs, window.localNs) < time.nextNs && tapeRun.skip(time.nextNs, skipped)) {
        records += skipped.records;
        this.skippedSteps += skipped.records;
        this.events += skipped.events;
        this.levelUpdates += skipped.levelUpdates;
        this.midPx = skipped.midPx;
        if (skipped.lastNs > time.monoNs()) time.jumpTo(skipped.lastNs);
      }
      // In the same nanosecond the exchange comes first, then timers, then what reaches us.
      const untilNs = Math.min(window.exchNs, window.localNs);
      if (time.nextNs <= untilNs && time.nextNs < window.exchNs) {
        if (time.runDue(Math.min(window.localNs, window.exchNs))) await settled();
        continue;
      }
      if (window.exchNs <= window.localNs) this.atExchange();
      else this.atEngine();
      if (++records >= nextProgress) {
        nextProgress = records + PROGRESS_EVERY_RECORDS;
        // Each record is looked at twice: by the exchange, and by us.
        o.onProgress?.(records / Math.max(1, 2 * window.totalRecords), this.events);
      }
    }
    if (startError !== undefined) throw startError;
    await time.settle(started);
    const wallMs = nowMs() - from;
    const endNs = time.monoNs();
    // The market goes on where a tape ends: taking the orders off over a slow way may last longer than data may be old.
    const stopAlive = time.every(FEED_ALIVE_MS, () => this.engine.executor.onFeedActivity(0, time.monoNs()));
    const report = this.killed ?? (await time.settle(this.engine.stop()));
    stopAlive();
    await this.gateway.close();
    if (this.exchangeMid() > 0) this.recorder.onMid(this.tMs(endNs), this.exchangeMid());
    this.recorder.end(this.tMs(endNs), this.row());
    const series = this.recorder.finish();
    const startMs = this.baseMs + this.startNs / 1e6;
    return {
      series,
      startMs,
      skippedSteps: this.skippedSteps,
      summary: summarise({
        options: o,
        instrument: this.instrument,
        engine: this.engine,
        stop: report,
        killed: this.killed !== undefined,
        series,
        equityStartUsd: o.equityUsd ?? DEFAULT_EQUITY_USD,
        equityEndUsd: this.equityUsd(),
        fundingUsd: this.fundingUsd(),
        startMs,
        endMs: this.baseMs + endNs / 1e6,
        events: this.events,
        levelUpdates: this.levelUpdates,
        tapeRecords: Math.ceil(records / 2),
        wallMs,
        positionLimitLots: this.positionLimitLots,
        journalSha256: this.journal.sha256,
        journalRecords: this.journal.records,
        queue: this.o.queue ?? { kind: "risk-averse" },
        latency: this.o.latency ?? DEFAULT_LATENCY,
        fees: this.o.fees ?? REALISTIC_FEES,
      }),
    };
  }

  async close(): Promise<void> {
    this.window.close();
    this.venue.close();
    this.tapeRun.close();
    await this.journal.close();
  }

  /** The record under the exchange's cursor happens. */
  private atExchange(): void {
    const { window, time, market } = this;
    const { exch } = window;
    if (window.exchNs > time.monoNs()) time.jumpTo(window.exchNs);
    if (exch.asset === this.asset) {
      const fills = market.fillCount;
      market.apply(exch, exchMs(window.exchNs, this.baseMs, this.startNs));
      const tMs = this.tMs(window.exchNs);
      if (tMs >= this.recorder.nextMarkoutMs) {
        const before = market.midBefore2Ticks;
        // While a side is empty there is none: the last one stands, or the next is waited for.
        const now = market.book.recordedMid2TicksOr(before) || before;
        if (now > 0) this.recorder.onMid(tMs, now / 2 / this.pxScale, before / 2 / this.pxScale);
      }
      if (market.fillCount !== fills) this.venue.settle();
    }
    window.nextExch();
  }

  /** The record under the engine's cursor reaches it. */
  private atEngine(): void {
    const { window, time } = this;
    const { local } = window;
    if (window.localNs > time.monoNs()) time.jumpTo(window.localNs);
    if (window.isLocalPrior) {
      if (local.asset === this.asset && local.kind === abi.RecordKind.BookDelta)
        this.book.onDelta(local, true);
    } else if (local.asset === this.asset) {
      if (local.kind === abi.RecordKind.BookDelta) {
        this.levelUpdates++;
        this.book.onDelta(local);
      } else if (local.kind <= abi.RecordKind.FeedStatus) {
        if (local.kind === abi.RecordKind.FeedStatus && isGap(local)) this.book.onGap();
        // One touch stream is enough: that of the depth lags behind the tape's own.
        if (local.kind === abi.RecordKind.Bbo) this.book.onTouch(window.localNs);
        this.feed(local.kind, local.block!.f64, local.at, local.bodyBytes);
      }
      const tMs = this.tMs(window.localNs);
      if (tMs >= this.recorder.nextMs) this.recorder.sample(tMs, () => this.row());
    }
    window.nextLocal();
  }

  private feed(kind: abi.RecordKind, f64: Float64Array, at: number, bodyBytes: number): void {
    this.events++;
    if (kind === abi.RecordKind.Bbo) this.onTouch(f64, at, abi.BBO_BID_PX, abi.BBO_ASK_PX);
    else if (kind === abi.RecordKind.Book) this.onTouch(f64, at, abi.BOOK_BIDS, abi.BOOK_ASKS);
    this.engine.onRecord(kind, 0, f64, at, bodyBytes);
  }

  private onTouch(f64: Float64Array, byteOffset: number, bidPx: number, askPx: number): void {
    const bid = f64[(byteOffset + bidPx) >> 3]!;
    const ask = f64[(byteOffset + askPx) >> 3]!;
    if (bid > 0 && ask > 0) this.midPx = (bid + ask) / 2;
  }

  private tMs(ns: number): number {
    return (ns - this.startNs) / 1e6;
  }

  private onFill(fill: {
    readonly side: "B" | "A";
    readonly px: string;
    readonly sz: string;
    readonly fee: string;
    readonly crossed: boolean;
    readonly oid: number;
  }): void {
    const px = Number(fill.px);
    // Before the record that filled us: after it, the mid has already moved through our price.
    const midPx = this.market.midBefore2Ticks / 2 / this.pxScale || px;
    const way = fill.side === "B" ? 1 : -1;
    this.recorder.addFill({
      tMs: this.tMs(this.time.monoNs()),
      side: fill.side,
      px,
      sz: Number(fill.sz),
      feeUsd: Number(fill.fee),
      isMaker: !fill.crossed,
      midPx,
      captureBps: ((way * (midPx - px)) / midPx) * 1e4,
      oid: fill.oid,
    });
  }

  /** Of the recorded market alone, at the venue, now. */
  private exchangeMid(): number {
    return this.market.book.recordedMid2Ticks / 2 / this.pxScale;
  }

  private equityUsd(): number {
    const { exchange } = this.venue;
    const account = exchange.account(ADDRESS)!;
    const midTicks = (this.exchangeMid() || this.midPx) * this.pxScale;
    const market = exchange.market(this.instrument.coin)!;
    const pnl = isPerp(market) ? account.position(market).unrealizedMicroUsd(midTicks) : 0;
    return (account.clearinghouse(0).balanceMicroUsd + pnl) / 1e6;
  }

  private fundingUsd(): number {
    return this.venue.exchange.account(ADDRESS)!.fundingUsd;
  }

  private row(): Omit<import("./series.js").SeriesRow, "tMs"> {
    const { executor } = this.engine;
    const p = executor.position(0);
    const told = this.engine.ladder(0);
    const ladder = told?.status === abi.KernelStatus.Ok ? told : undefined;
    const best = (side: Side): number => executor.bestRestingTicks(0, side) / this.pxScale;
    return {
      midPx: this.midPx || Number.NaN,
      equityUsd: this.equityUsd(),
      posBase: p.posLots / pow10(this.instrument.szDecimals),
      bidPx: best(Side.Buy),
      askPx: best(Side.Sell),
      halfSpreadBps: ladder?.halfSpreadBps ?? Number.NaN,
      skewBps: ladder?.skewBps ?? Number.NaN,
      sigmaBps: ladder?.sigmaBps ?? Number.NaN,
      kappaPerBps: ladder?.kappaPerBps ?? Number.NaN,
      feesUsd: p.feesUsd,
      fundingUsd: this.fundingUsd(),
      fairPx: ladder?.fairPx ?? Number.NaN,
      staticBps: ladder?.staticHalfSpreadBps ?? Number.NaN,
      inventoryBps: ladder?.inventoryHalfSpreadBps ?? Number.NaN,
      adverseBps: ladder?.asBps ?? Number.NaN,
      feeBps: ladder?.feeBps ?? Number.NaN,
      floorBps: ladder?.floorBps ?? Number.NaN,
      spreadMult: ladder?.spreadMult ?? Number.NaN,
      rawSkewBps: ladder?.rawSkewBps ?? Number.NaN,
      gammaPerBps: ladder?.gammaPerBps ?? Number.NaN,
      arrivalPerS: ladder?.arrivalPerS ?? Number.NaN,
    };
  }
}

const isGap = ({ block, at }: RecordCursor): boolean =>
  block!.u8[at + abi.FEED_STATUS_STATE] !== abi.FeedState.Live;

const rangeOf = ({ fromMs, toMs }: BacktestOptions): string => {
  const parts = [
    fromMs === undefined ? [] : `from ${isoOf(fromMs)}`,
    toMs === undefined ? [] : `up to ${isoOf(toMs)}`,
  ];
  return parts.flat().join(" ");
};

function both(a: WireTap, b: WireTap): WireTap {
  return {
    inbound(stream, bytes, monoNs) {
      a.inbound(stream, bytes, monoNs);
      b.inbound(stream, bytes, monoNs);
    },
    outbound(stream, bytes, monoNs) {
      a.outbound(stream, bytes, monoNs);
      b.outbound(stream, bytes, monoNs);
    },
  };
}

function withoutSecrets(config: Config): unknown {
  const { private_key: _key, ...network } = config.network;
  return { ...config, network };
}
