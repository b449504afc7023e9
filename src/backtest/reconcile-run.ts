import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pow10, Side } from "../domain/index.js";
import { type RunFacts, readRunFacts } from "../engine/journal-facts.js";
import { journalToTape, tapeNameOf } from "../engine/journal-tape.js";
import type { QueueModelSpec } from "../sim/index.js";
import { type RunJournal, TapeFileReader, type TapeMeta } from "../store/index.js";
import { fitRun, modelsOf, readTapeMarket, type TapeMarket } from "./fit-run.js";
import type { LatencySpec } from "./latency.js";
import { readOwnRequests } from "./own-latency.js";
import { type Reconciliation, reconcileFills } from "./reconcile.js";
import { distText } from "./report/latency-figures.js";
import { runBacktest } from "./run.js";

export interface ReconcileOptions {
  readonly journal: RunJournal;
  /** The market of the period; default: the run's own frames. */
  readonly tape?: string | undefined;
  /** Default: what the run's own requests took, and a queue fitted from the journal itself; of a paper run what it assumed. */
  readonly models?: Models | undefined;
  readonly windowMs?: number;
  readonly seed?: number;
  /** Wall clock, for the date of the fit. */
  readonly nowMs: number;
}

export interface RunReconciliation {
  readonly runId: string;
  readonly from: string;
  readonly to: string;
  readonly assumptions: readonly string[];
  readonly markets: readonly Reconciliation[];
  /** Reasons not to trust the comparison wholly. */
  readonly notes: readonly string[];
}

/** Trades before its position was known would be compared with nothing. */
const TAIL_MS = 50;

/**
 * Backtests a run's own time on its own market data, and compares fill by fill, market by market.
 * @throws {JournalError} {TapeError} {SizingError}
 */
export async function reconcileRun(o: ReconcileOptions): Promise<RunReconciliation> {
  const facts = readRunFacts(o.journal);
  const { setup } = facts;
  const dir = mkdtempSync(join(tmpdir(), "mm-reconcile-"));
  try {
    const notes: string[] = [];
    let { tape } = o;
    const { paper } = setup;
    if (tape === undefined) {
      tape = join(dir, tapeNameOf(o.journal));
      notes.push(...journalToTape(o.journal, tape, facts).notes);
    } else if (paper === undefined && ownOrdersOf(tape) === undefined) {
      notes.push(
        "the books of this tape hold the run's own orders, if it was recorded at the venue: the backtest queues behind them where it quotes the same price (without --tape they are taken out)",
      );
    }
    const models = o.models ?? modelsFor(facts, o, tape);
    const markets: Reconciliation[] = [];
    for (const instrument of setup.instruments) {
      const { coin } = instrument;
      const market = readTapeMarket(tape, coin);
      const { summary, series, startMs } = await runBacktest({
        tapes: [tape],
        coin,
        config: setup.config,
        fees: setup.fees[instrument.asset]!,
        toMs: facts.stopMs + TAIL_MS,
        seed: o.seed ?? 1,
        queue: models.queue,
        latency: models.latency,
        equityUsd: setup.accountValueUsd,
      });
      const tapeFromMs = tapeStartMs(tape);
      // The exchange of a paper run stamps on our clock.
      const offsetMs = paper === undefined ? market.clockOffsetMs : 0;
      const live = facts.fills.filter((f) => f.coin === coin && f.exchMs + offsetMs >= tapeFromMs);
      const first = live[0];
      if (first !== undefined && first.startPos !== 0)
        notes.push(`${coin}: the run began with a position of ${first.startPos}, the backtest with none`);
      markets.push(
        reconcileFills({
          instrument,
          live: live.map((f) => ({ ...f, tMs: f.exchMs + offsetMs })),
          backtest: series.fills.map((f) => ({
            tMs: startMs! + f.tMs,
            side: f.side === "B" ? Side.Buy : Side.Sell,
            px: f.px,
            sz: f.sz,
            feeUsd: f.feeUsd,
          })),
          liveFundingUsd: facts.fundings
            .filter((f) => f.coin === coin && f.exchMs + offsetMs >= tapeFromMs)
            .reduce((sum, f) => sum + f.usd, 0),
          backtestFundingUsd: summary.fundingUsd,
          midAt: midLookup(market, pow10(instrument.pxDecimals)),
          ...(o.windowMs === undefined ? {} : { windowMs: o.windowMs }),
        }),
      );
    }
    return {
      runId: o.journal.runId,
      from: new Date(facts.startMs).toISOString(),
      to: new Date(facts.stopMs).toISOString(),
      assumptions: models.assumptions ?? [],
      markets,
      notes,
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

interface Models {
  readonly latency: LatencySpec;
  readonly queue: QueueModelSpec;
  readonly assumptions?: readonly string[];
}

/** Of a paper run what its exchange assumed; of a live one what its journal tells. */
function modelsFor(facts: RunFacts, { journal, nowMs }: ReconcileOptions, tape: string): Models {
  const { paper } = facts.setup;
  if (paper !== undefined) {
    const { latency, queue } = paper;
    return {
      latency,
      queue,
      assumptions: [
        "a paper run: queue and latencies are those that its exchange assumed",
        ...(["feed", "order", "ack"] as const).map((name) => `${name} latency: ${distText(latency[name])}`),
        `queue: ${JSON.stringify(queue)}`,
      ],
    };
  }
  const fitted = modelsOf(fitRun(facts, journal.runId, tape, nowMs));
  const feed = { kind: "tape", floorMs: 0 } as const;
  const requests = ownRequestsOf(tape);
  if (requests === 0) return { ...fitted, latency: { ...fitted.latency, feed } };
  // What each request took is better than any model of it.
  const own = { kind: "tape", plusMs: 0 } as const;
  return {
    queue: fitted.queue,
    latency: { feed, order: own, ack: own },
    assumptions: [
      `latencies of orders and answers: what the run's own ${requests} requests took at their times`,
      ...fitted.assumptions.filter((line) => !/^(?:order|ack) latency/.test(line)),
    ],
  };
}

/** Of those that the venue answered. */
function ownRequestsOf(tape: string): number {
  try {
    return readOwnRequests([tape]).requests.length;
  } catch (error) {
    if (error instanceof RangeError) return 0;
    throw error;
  }
}

function ownOrdersOf(path: string): TapeMeta["ownOrders"] {
  const reader = new TapeFileReader(path);
  reader.close();
  return reader.meta.ownOrders;
}

/** When the first record came, ms since the epoch. */
function tapeStartMs(path: string): number {
  const reader = new TapeFileReader(path);
  reader.close();
  return Number(BigInt(reader.meta.baseWallNs) / 1_000_000n) + (reader.span?.[0] ?? 0) / 1e6;
}

/** Milliseconds since the epoch are a quarter of a microsecond coarse, and either side's are sums. */
const SAME_MOMENT_MS = 1e-3;

/** Mid by our clock's time; before the first price the first, at Infinity the last. */
function midLookup({ events, clockOffsetMs }: TapeMarket, scale: number): (tMs: number) => number {
  const at: number[] = [];
  const mids: number[] = [];
  for (const e of events) {
    const bid = e.bids[0]?.[0];
    const ask = e.asks[0]?.[0];
    if (e.kind === "trade" || bid === undefined || ask === undefined) continue;
    at.push(e.exchMs + clockOffsetMs);
    mids.push((bid + ask) / 2 / scale);
  }
  return (tMs) => {
    let lo = 0;
    let hi = at.length;
    while (lo < hi) {
      const m = (lo + hi) >> 1;
      if (at[m]! <= tMs + SAME_MOMENT_MS) lo = m + 1;
      else hi = m;
    }
    return mids[Math.max(0, lo - 1)] ?? 0;
  };
}
