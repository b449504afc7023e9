import { type Instrument, lotsToSz } from "../domain/index.js";
import type { InlineEngine } from "../engine/inline.js";
import type { StopReport } from "../execution/index.js";
import { killReasonText } from "../rings/index.js";
import type { QueueModelSpec } from "../sim/index.js";
import type { LatencySpec } from "./latency.js";
import { type BacktestSeries, MARKOUT_MS } from "./series.js";

/** What `--summary FILE` of a backtest holds. Keys of `run`'s summary mean the same here. Money in USD. */
export interface BacktestSummary {
  readonly tapes: readonly string[];
  readonly coin: string;
  readonly from: string;
  readonly to: string;
  readonly durationS: number;
  readonly seed: number;
  readonly queueModel: QueueModelSpec;
  readonly latency: LatencySpec;
  readonly fees: { readonly makerBps: number; readonly takerBps: number };
  readonly strategy: string;
  /** One event is one record as fed to the kernel; level updates, of depth recordings, come on top. */
  readonly events: number;
  readonly levelUpdates: number;
  /** Records of the tape that were played, level updates among them: each once at the exchange and once when it reached us. */
  readonly tapeRecords: number;
  /** NaN-free: 0 when no stopwatch was given. Of this machine, unlike everything else here. */
  readonly eventsPerSecond: number;
  readonly tapeRecordsPerSecond: number;
  readonly wallMs: number;
  readonly quotes: number;
  readonly ordersPlaced: number;
  readonly ordersModified: number;
  readonly ordersCancelled: number;
  readonly ordersRejected: number;
  readonly fills: number;
  readonly makerFills: number;
  readonly volumeUsd: number;
  /** Base units, at the end. */
  readonly position: number;
  readonly maxAbsPosition: number;
  readonly positionLimit: number;
  readonly realizedPnlUsd: number;
  readonly unrealizedPnlUsd: number;
  readonly feesUsd: number;
  readonly fundingUsd: number;
  readonly netPnlUsd: number;
  readonly equityStartUsd: number;
  readonly equityEndUsd: number;
  /** Σ of (mid − price) × size at the fills: what the spread earned before the market moved. */
  readonly spreadCaptureUsd: number;
  /** Net profit before fees and funding, less the capture: what moves of the market took (or gave). */
  readonly marketMoveUsd: number;
  /** Mean over the fills, bps, by horizon; null without any. */
  readonly markoutBps: Readonly<Record<string, number | null>>;
  readonly captureBps: number | null;
  readonly maxDrawdownUsd: number;
  readonly stopReason: string;
  readonly killReason: string | null;
  readonly restingOrdersAtExit: number;
  readonly journalSha256: string;
  readonly journalRecords: number;
}

export interface SummaryInput {
  readonly options: {
    readonly tapes: readonly string[];
    readonly seed: number;
    readonly config: { readonly strategy: { readonly strategy_type: string } };
  };
  readonly instrument: Instrument;
  readonly engine: InlineEngine;
  readonly stop: StopReport;
  readonly killed: boolean;
  readonly series: BacktestSeries;
  readonly equityStartUsd: number;
  readonly equityEndUsd: number;
  readonly fundingUsd: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly events: number;
  readonly levelUpdates: number;
  readonly tapeRecords: number;
  readonly wallMs: number;
  readonly journalSha256: string;
  readonly journalRecords: number;
  readonly positionLimitLots: number;
  readonly queue: QueueModelSpec;
  readonly latency: LatencySpec;
  readonly fees: { readonly makerBps: number; readonly takerBps: number };
}

export function summarise(i: SummaryInput): BacktestSummary {
  const { engine, series, instrument } = i;
  const { executor } = engine;
  const { counters } = executor;
  const p = executor.position(0);
  const { fills } = series;
  const spreadCaptureUsd = fills.reduce((sum, f) => sum + (f.captureBps / 1e4) * f.midPx * f.sz, 0);
  const feesUsd = fills.reduce((sum, f) => sum + f.feeUsd, 0);
  const netPnlUsd = i.equityEndUsd - i.equityStartUsd;
  return {
    tapes: i.options.tapes,
    coin: instrument.coin,
    from: new Date(i.startMs).toISOString(),
    to: new Date(i.endMs).toISOString(),
    durationS: (i.endMs - i.startMs) / 1000,
    seed: i.options.seed,
    queueModel: i.queue,
    latency: i.latency,
    fees: i.fees,
    strategy: i.options.config.strategy.strategy_type,
    events: i.events,
    levelUpdates: i.levelUpdates,
    tapeRecords: i.tapeRecords,
    eventsPerSecond: perSecond(i.events, i.wallMs),
    tapeRecordsPerSecond: perSecond(i.tapeRecords, i.wallMs),
    wallMs: i.wallMs,
    quotes: counters.quotes,
    ordersPlaced: counters.ordersPlaced,
    ordersModified: counters.ordersModified,
    ordersCancelled: counters.ordersCancelled,
    ordersRejected: counters.ordersRejected,
    fills: fills.length,
    makerFills: fills.filter((f) => f.isMaker).length,
    volumeUsd: fills.reduce((sum, f) => sum + f.px * f.sz, 0),
    position: lotsToSz(instrument, p.posLots),
    maxAbsPosition: lotsToSz(instrument, executor.maxAbsPosLots(0)),
    positionLimit: lotsToSz(instrument, i.positionLimitLots),
    realizedPnlUsd: p.realizedPnlUsd,
    unrealizedPnlUsd: p.unrealizedPnlUsd,
    feesUsd,
    fundingUsd: i.fundingUsd,
    netPnlUsd,
    equityStartUsd: i.equityStartUsd,
    equityEndUsd: i.equityEndUsd,
    spreadCaptureUsd,
    marketMoveUsd: netPnlUsd + feesUsd - i.fundingUsd - spreadCaptureUsd,
    markoutBps: Object.fromEntries(
      MARKOUT_MS.map((ms, h) => [`${ms / 1000}s`, mean(fills.map((f) => f.markoutBps[h]!))]),
    ),
    captureBps: mean(fills.map((f) => f.captureBps)),
    maxDrawdownUsd: maxDrawdown(series.equityUsd),
    stopReason: i.killed ? "kill switch" : "end of tape",
    killReason: i.killed ? killReasonText(engine.latch.reason()) : null,
    restingOrdersAtExit: i.stop.restingOrdersAtExit,
    journalSha256: i.journalSha256,
    journalRecords: i.journalRecords,
  };
}

function mean(values: readonly number[]): number | null {
  const known = values.filter((v) => !Number.isNaN(v));
  return known.length === 0 ? null : known.reduce((a, b) => a + b, 0) / known.length;
}

function maxDrawdown(equity: Float64Array): number {
  let peak = Number.NEGATIVE_INFINITY;
  let worst = 0;
  for (const e of equity) {
    peak = Math.max(peak, e);
    worst = Math.max(worst, peak - e);
  }
  return worst;
}

const perSecond = (count: number, wallMs: number): number =>
  wallMs > 0 ? Math.round((count / wallMs) * 1000) : 0;
