import { writeFileSync } from "node:fs";
import { basename } from "node:path";
import { Command } from "commander";
import type { BacktestOptions, BacktestSummary } from "../backtest/index.js";
import { integer, outputFile } from "./arguments.js";
import { type AssumedFlags, assumed, assumedOptions, time } from "./assumed-options.js";
import { progressBar } from "./progress.js";

interface BacktestFlags extends AssumedFlags {
  tape: string[];
  config?: string;
  asset?: string;
  from?: number;
  to?: number;
  seed: number;
  journal?: string;
  summary?: string;
  report?: string;
  save?: string;
  leakTests?: boolean;
  name?: string;
  verbose?: boolean;
}

/** `market-maker backtest`: the engine over recorded markets under a simulated clock. */
export function backtestCommand(): Command {
  const command = new Command("backtest")
    .description("run the engine over recorded markets under a simulated clock")
    .requiredOption(
      "--tape <path...>",
      "tape files or folders that follow each other, or a capture to convert first",
    )
    .option("-c, --config <path>", "configuration file (default: market_maker.toml if it exists)")
    .option("--asset <coin>", "the market to trade, when a tape holds several")
    .option("--from <time>", "start: 2024-08-08T23:55:00Z or ms since the epoch", time)
    .option("--to <time>", "end", time)
    .option("--seed <n>", "of everything random: latencies, ids", integer(0, 2 ** 31 - 1), 1);
  return assumedOptions(command)
    .option("--journal <dir>", "write the run's journal into this folder")
    .option("--summary <file>", "write a JSON summary", outputFile)
    .option("--report <file>", "write an HTML report", outputFile)
    .option("--save <file>", "keep the run for `market-maker report` (.json or .json.gz)", outputFile)
    .option(
      "--leak-tests",
      "put the run to tests that it would fail if it knew its future: a dozen more runs; --report does so too",
    )
    .option("--no-leak-tests", "a report without them")
    .option("--name <name>", "what the report calls the run (default: the tape's)")
    .option("--verbose", "the engine's log, on stderr")
    .action(async (flags: BacktestFlags) => {
      await backtest(flags);
    });
}

async function backtest(flags: BacktestFlags): Promise<void> {
  const { findTapes, leakTests, runBacktest, saveRun, writeReport } = await import("../backtest/index.js");
  const { loadConfig } = await import("../config/index.js");
  const { explainGate } = await import("../quoting/index.js");
  const { config } = loadConfig(flags.config, {});
  const { assumptions, ...given } = await assumed(flags);
  const reading = progressBar("convert");
  const tapes = await findTapes(flags.tape, flags.asset, (share) => reading.update(share));
  reading.done();
  const bar = progressBar("backtest");
  let gate = "";
  try {
    for (const note of [...tapes.notes, ...assumptions]) process.stderr.write(`${note}\n`);
    const backtest: BacktestOptions = {
      tapes: tapes.paths,
      ...(flags.asset === undefined ? {} : { coin: flags.asset }),
      config,
      ...given,
      ...(flags.from === undefined ? {} : { fromMs: flags.from }),
      ...(flags.to === undefined ? {} : { toMs: flags.to }),
      seed: flags.seed,
      ...(flags.journal === undefined
        ? {}
        : { journal: { dir: flags.journal, runId: `backtest-${flags.seed}` } }),
      stopwatchMs: () => performance.now(),
      onProgress: (share, events) => bar.update(share, `${(events / 1e6).toFixed(1)} M events`),
      log: (level, event, fields) => {
        if (event === "Not quoting" && fields?.["gate"] !== "stopping")
          gate = explainGate(String(fields?.["gate"]));
        if (flags.verbose === true)
          process.stderr.write(`${level} ${event} ${JSON.stringify(fields ?? {})}\n`);
      },
    };
    const { summary, series } = await runBacktest(backtest);
    // Every report carries its tests, unless they are waived.
    const isTested = flags.leakTests ?? flags.report !== undefined;
    const badges = isTested
      ? await leakTests({
          backtest,
          base: { summary, series },
          onProgress: (done, of) => bar.update(done / of, "leak tests"),
        })
      : [];
    bar.done();
    const named = { ...summary, tapes: flags.tape };
    if (flags.summary !== undefined) writeFileSync(flags.summary, `${JSON.stringify(named, null, 2)}\n`);
    const run = {
      name: flags.name ?? flags.tape.map((t) => basename(t)).join(" + "),
      summary: named,
      series,
      badges,
      config,
    };
    if (flags.save !== undefined) saveRun(flags.save, run);
    if (flags.report !== undefined) writeReport(flags.report, [run]);
    process.stdout.write(table(named));
    if (summary.ordersPlaced === 0 && gate !== "") process.stdout.write(`no order was placed: ${gate}\n`);
    for (const b of badges) process.stdout.write(`${b.status.padEnd(5)} ${b.label}: ${b.detail}\n`);
    if (summary.killReason !== null) process.exitCode = 2;
  } finally {
    bar.done();
    tapes.dispose();
  }
}

function table(s: BacktestSummary): string {
  const usd = (x: number): string => `${x < 0 ? "-" : ""}$${Math.abs(x).toFixed(2)}`;
  const bps = (x: number | null): string => (x === null ? "–" : `${x.toFixed(2)} bps`);
  const rows: [string, string][] = [
    ["market", `${s.coin}, ${s.from} to ${s.to} (${s.durationS.toFixed(0)} s)`],
    [
      "assumed",
      `queue ${JSON.stringify(s.queueModel)}, fees ${s.fees.makerBps} / ${s.fees.takerBps} bps, seed ${s.seed}`,
    ],
    ["fills", `${s.fills} (${s.makerFills} as maker), volume ${usd(s.volumeUsd)}`],
    ["position", `${s.position} at the end, at most ${s.maxAbsPosition} of ${s.positionLimit}`],
    ["spread captured", `${usd(s.spreadCaptureUsd)} (${bps(s.captureBps)} a fill)`],
    ["market moves", usd(s.marketMoveUsd)],
    ["fees", usd(-s.feesUsd)],
    ["funding", usd(s.fundingUsd)],
    ["net", `${usd(s.netPnlUsd)}, drawdown ${usd(s.maxDrawdownUsd)}`],
    [
      "markouts",
      Object.entries(s.markoutBps)
        .map(([h, x]) => `${h} ${bps(x)}`)
        .join(", "),
    ],
    [
      "orders",
      `${s.ordersPlaced} placed, ${s.ordersModified} changed, ${s.ordersCancelled} cancelled, ${s.ordersRejected} refused`,
    ],
    ["ended", s.killReason === null ? s.stopReason : `kill switch: ${s.killReason}`],
    [
      "speed",
      `${s.tapeRecords} records in ${(s.wallMs / 1000).toFixed(2)} s: ${s.tapeRecordsPerSecond}/s, ${s.events} of them kernel events (${s.eventsPerSecond}/s), ${s.levelUpdates} level updates`,
    ],
    ["journal", `${s.journalRecords} records, sha256 ${s.journalSha256}`],
  ];
  return `${rows.map(([name, value]) => `${name.padEnd(16)} ${value}`).join("\n")}\n`;
}
