import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pow10, Side } from "../domain/index.js";
import { readRunFacts } from "../engine/journal-facts.js";
import { journalToTape, tapeNameOf } from "../engine/journal-tape.js";
import type { QueueModelSpec } from "../sim/index.js";
import type { RunJournal } from "../store/index.js";
import { fitRun, modelsOf, readTapeMarket, type TapeMarket } from "./fit-run.js";
import type { LatencySpec } from "./latency.js";
import { type Reconciliation, reconcileFills } from "./reconcile.js";
import { runBacktest } from "./run.js";

export interface ReconcileOptions {
  readonly journal: RunJournal;
  /** The market of the period; default: the run's own frames. */
  readonly tape?: string | undefined;
  /** Default: fitted from the journal itself. */
  readonly models?: { readonly latency: LatencySpec; readonly queue: QueueModelSpec } | undefined;
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
    if (tape === undefined) {
      tape = join(dir, tapeNameOf(o.journal));
      notes.push(...journalToTape(o.journal, tape).notes);
      notes.push(
        "the books hold the run's own orders: the backtest queues behind them where it quotes the same price",
      );
    }
    const fitted = modelsOf(fitRun(facts, o.journal.runId, tape, o.nowMs));
    const models = o.models ?? {
      ...fitted,
      latency: { ...fitted.latency, feed: { kind: "tape", floorMs: 0 } },
    };
    const markets: Reconciliation[] = [];
    for (const instrument of setup.instruments) {
      const { coin } = instrument;
      const market = readTapeMarket(tape, coin);
      const { summary, series } = await runBacktest({
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
      const startMs = Date.parse(summary.from);
      const first = facts.fills.find((f) => f.coin === coin);
      if (first !== undefined && first.startPos !== 0)
        notes.push(`${coin}: the run began with a position of ${first.startPos}, the backtest with none`);
      markets.push(
        reconcileFills({
          instrument,
          live: facts.fills
            .filter((f) => f.coin === coin)
            .map((f) => ({ ...f, tMs: f.exchMs + market.clockOffsetMs })),
          backtest: series.fills.map((f) => ({
            tMs: startMs + f.tMs,
            side: f.side === "B" ? Side.Buy : Side.Sell,
            px: f.px,
            sz: f.sz,
            feeUsd: f.feeUsd,
          })),
          liveFundingUsd: facts.fundings.filter((f) => f.coin === coin).reduce((sum, f) => sum + f.usd, 0),
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
      assumptions: o.models === undefined ? fitted.assumptions : [],
      markets,
      notes,
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

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
      if (at[m]! <= tMs) lo = m + 1;
      else hi = m;
    }
    return mids[Math.max(0, lo - 1)] ?? 0;
  };
}
