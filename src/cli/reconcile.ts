import { existsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import type { FillMatch, Reconciliation, RunReconciliation } from "../backtest/index.js";
import { number } from "./arguments.js";

interface ReconcileFlags {
  tape?: string;
  fitted?: string;
  window?: number;
  json?: boolean;
  lines?: boolean;
}

/** `market-maker reconcile`: what a run did against what its backtest says. */
export function reconcileCommand(): Command {
  return new Command("reconcile")
    .description("backtest a run's own time on its own market data, matched fill by fill")
    .argument("<journal>", "DIR/RUNID, one of its files, or the journal folder for its newest run")
    .option("--tape <path>", "the market of the period (default: the run's own frames)")
    .option(
      "--fitted <file>",
      "latency and queue models (default: the run's own latencies, and a queue fitted from its journal)",
    )
    .option("--window <s>", "fills further apart are not the same", number(0.001, 3600), 5)
    .option("--lines", "every fill, not the sums alone")
    .option("--json", "everything as JSON")
    .action(async (path: string, flags: ReconcileFlags) => {
      const { findRunJournal } = await import("../store/index.js");
      const { loadFitted, reconcileRun } = await import("../backtest/index.js");
      const result = await reconcileRun({
        journal: findRunJournal(path),
        tape: flags.tape,
        models: flags.fitted === undefined ? undefined : loadFitted(flags.fitted),
        windowMs: (flags.window ?? 5) * 1000,
        nowMs: Date.now(),
      });
      process.stdout.write(
        flags.json === true
          ? `${JSON.stringify(result, null, 2)}\n`
          : `${reconciliationText(result, flags.lines === true)}\n`,
      );
    });
}

/** `market-maker fit`: latency and queue models out of a journal. */
export function fitCommand(): Command {
  return new Command("fit")
    .description("fit latency and queue models to a run's own acknowledgements and fills")
    .argument("<journal>", "DIR/RUNID, one of its files, or the journal folder for its newest run")
    .option("--out <file>", "where to write them, for backtest --fitted", "fitted.json")
    .option("--write-tape <path>", "keep the run's market data as a tape")
    .action(async (path: string, flags: { out: string; writeTape?: string }) => {
      const { findRunJournal } = await import("../store/index.js");
      const { fitRun, modelsOf } = await import("../backtest/index.js");
      const { readRunFacts } = await import("../engine/journal-facts.js");
      const { journalToTape } = await import("../engine/journal-tape.js");
      const { mkdtempSync, rmSync } = await import("node:fs");
      const journal = findRunJournal(path);
      const dir = mkdtempSync(join(tmpdir(), "mm-fit-"));
      try {
        const tape = flags.writeTape ?? join(dir, `${journal.runId}.mmt`);
        const facts = readRunFacts(journal);
        if (!existsSync(tape)) journalToTape(journal, tape, facts);
        const models = fitRun(facts, journal.runId, tape, Date.now());
        writeFileSync(flags.out, `${JSON.stringify(models, null, 2)}\n`);
        process.stdout.write(`${modelsOf(models).assumptions.join("\n")}\nwritten to ${flags.out}\n`);
      } finally {
        rmSync(dir, { recursive: true, force: true });
      }
    });
}

const usd = (x: number): string => `${x < 0 ? "-" : ""}$${Math.abs(x).toFixed(4)}`;
const clock = (ms: number | null): string => (ms === null ? "-" : new Date(ms).toISOString().slice(11));

function row(l: FillMatch): string {
  const px = (x: number | null): string => (x === null ? "-" : String(x));
  const side = l.side === "B" ? "buy" : "sell";
  return `  ${l.kind.padEnd(8)} ${side.padEnd(5)} ${String(l.sz).padStart(10)}  ${clock(l.liveMs).padEnd(14)} ${px(l.livePx).padStart(10)}  ${clock(l.backtestMs).padEnd(14)} ${px(l.backtestPx).padStart(10)}  ${usd(l.gapUsd).padStart(12)}`;
}

function marketText(m: Reconciliation, hasLines: boolean): string[] {
  const { pnl } = m;
  const lag =
    m.meanLagMs === null ? "" : `, ${m.meanLagMs.toFixed(0)} ms later than the backtest's on average`;
  const lines = [
    `${m.coin}: ${m.liveFills} fills of the run, ${m.backtestFills} of the backtest, ${(100 * m.matchedShare).toFixed(0)} % of the lots matched${lag}`,
    `  run ${usd(pnl.livePnlUsd)}, backtest ${usd(pnl.backtestPnlUsd)}, gap ${usd(pnl.gapUsd)}:`,
  ];
  const parts: [string, number][] = [
    ["missed fills", pnl.missedUsd],
    ["extra fills", pnl.extraUsd],
    ["price", pnl.priceUsd],
    ["latency", pnl.latencyUsd],
    ["fees", pnl.feesUsd],
    ["funding", pnl.fundingUsd],
  ];
  for (const [name, value] of parts) lines.push(`    ${name.padEnd(14)} ${usd(value).padStart(14)}`);
  if (hasLines) {
    lines.push("  what     side        size  run            price       backtest       price            gap");
    lines.push(...m.lines.map(row));
  }
  return lines;
}

/** The comparison for a person. */
export function reconciliationText(r: RunReconciliation, hasLines: boolean): string {
  return [
    `${r.runId}: ${r.from} to ${r.to}`,
    ...r.assumptions.map((line) => `  ${line}`),
    ...r.notes.map((line) => `  note: ${line}`),
    ...r.markets.flatMap((m) => ["", ...marketText(m, hasLines)]),
  ].join("\n");
}
