import { writeFileSync } from "node:fs";
import { basename } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import type { BacktestOptions, BacktestSummary, Dist, FeedDist } from "../backtest/index.js";
import { loadConfig } from "../config/index.js";
import { integer, number } from "./arguments.js";

interface BacktestFlags {
  tape: string[];
  config?: string;
  asset?: string;
  from?: number;
  to?: number;
  seed: number;
  makerBps: number;
  takerBps: number;
  queue: string;
  feedLatency: string;
  orderLatency: string;
  ackLatency: string;
  zeroLatency?: boolean;
  equity: number;
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
  return new Command("backtest")
    .description("run the engine over recorded markets under a simulated clock")
    .requiredOption(
      "--tape <path...>",
      "tape files or folders that follow each other, or a capture to convert first",
    )
    .option("-c, --config <path>", "configuration file (default: market_maker.toml if it exists)")
    .option("--asset <coin>", "the market to trade, when a tape holds several")
    .option("--from <time>", "start: 2024-08-08T23:55:00Z or ms since the epoch", time)
    .option("--to <time>", "end", time)
    .option("--seed <n>", "of everything random: latencies, ids", integer(0, 2 ** 31 - 1), 1)
    .option("--maker-bps <bps>", "maker fee; negative: a rebate", number(-10, 100), 1.5)
    .option("--taker-bps <bps>", "taker fee", number(-10, 100), 4.5)
    .option("--queue <model>", "risk-averse, log, power:N, or l3 on an order-level tape", "risk-averse")
    .option("--feed-latency <dist>", "market data to us: ms, lognormal:MEDIAN:SIGMA, tape:FLOOR_MS", "tape:5")
    .option("--order-latency <dist>", "orders to the venue: ms, lognormal:MEDIAN:SIGMA", "lognormal:40:0.4")
    .option("--ack-latency <dist>", "answers and fills to us", "lognormal:20:0.4")
    .option("--zero-latency", "all three 0: what no real maker has")
    .option("--equity <usd>", "account value at the start", number(1, 1e12), 100_000)
    .option("--journal <dir>", "write the run's journal into this folder")
    .option("--summary <file>", "write a JSON summary")
    .option("--report <file>", "write an HTML report")
    .option("--save <file>", "keep the run for `market-maker report` (.json or .json.gz)")
    .option(
      "--leak-tests",
      "put the run to tests that it would fail if it knew its future: a dozen more runs",
    )
    .option("--name <name>", "what the report calls the run (default: the tape's)")
    .option("--verbose", "the engine's log, on stderr")
    .action(async (flags: BacktestFlags) => {
      await backtest(flags);
    });
}

function time(text: string): number {
  const ms = /^\d+$/.test(text) ? Number(text) : Date.parse(text);
  if (!Number.isFinite(ms)) throw new InvalidArgumentError("want an ISO time or ms since the epoch.");
  return ms;
}

async function backtest(flags: BacktestFlags): Promise<void> {
  const { findTapes, leakTests, parseDist, parseFeed, parseQueue, runBacktest, saveRun, writeReport } =
    await import("../backtest/index.js");
  const { config } = loadConfig(flags.config, {});
  const zero: Dist & FeedDist = { kind: "constant", ms: 0 };
  const isZero = flags.zeroLatency === true;
  const tapes = await findTapes(flags.tape, flags.asset);
  const bar = progressBar();
  try {
    for (const note of tapes.notes) process.stderr.write(`${note}\n`);
    const backtest: BacktestOptions = {
      tapes: tapes.paths,
      ...(flags.asset === undefined ? {} : { coin: flags.asset }),
      config,
      fees: { makerBps: flags.makerBps, takerBps: flags.takerBps },
      ...(flags.from === undefined ? {} : { fromMs: flags.from }),
      ...(flags.to === undefined ? {} : { toMs: flags.to }),
      seed: flags.seed,
      queue: parseQueue(flags.queue),
      latency: {
        feed: isZero ? zero : parseFeed(flags.feedLatency),
        order: isZero ? zero : parseDist(flags.orderLatency),
        ack: isZero ? zero : parseDist(flags.ackLatency),
      },
      equityUsd: flags.equity,
      ...(flags.journal === undefined
        ? {}
        : { journal: { dir: flags.journal, runId: `backtest-${flags.seed}` } }),
      stopwatchMs: () => performance.now(),
      onProgress: (share) => bar.show(share),
      ...(flags.verbose === true
        ? {
            log: (level, event, fields) =>
              process.stderr.write(`${level} ${event} ${JSON.stringify(fields ?? {})}\n`),
          }
        : {}),
    };
    const { summary, series } = await runBacktest(backtest);
    const badges =
      flags.leakTests === true
        ? await leakTests({
            backtest,
            base: { summary, series },
            onProgress: (done, of) => bar.show(done / of),
          })
        : [];
    bar.end();
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
    for (const b of badges) process.stdout.write(`${b.status.padEnd(5)} ${b.label}: ${b.detail}\n`);
    if (summary.killReason !== null) process.exitCode = 2;
  } finally {
    bar.end();
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
      `${s.events} events and ${s.levelUpdates} level updates in ${(s.wallMs / 1000).toFixed(2)} s: ${s.eventsPerSecond} events/s`,
    ],
    ["journal", `${s.journalRecords} records, sha256 ${s.journalSha256}`],
  ];
  return `${rows.map(([name, value]) => `${name.padEnd(16)} ${value}`).join("\n")}\n`;
}

/** A line that is rewritten on a terminal, and nothing elsewhere. */
function progressBar(): { show(share: number): void; end(): void } {
  const out = process.stderr;
  const from = performance.now();
  let isShown = false;
  let nextMs = 0;
  return {
    show(share) {
      const now = performance.now();
      if (!out.isTTY || now < nextMs) return;
      nextMs = now + 100;
      isShown = true;
      const width = Math.max(10, Math.min(40, (out.columns ?? 80) - 30));
      const done = Math.round(Math.min(1, share) * width);
      const etaS = share > 0 ? ((now - from) * (1 - share)) / share / 1000 : 0;
      out.write(
        `\r[${"#".repeat(done)}${".".repeat(width - done)}] ${Math.round(share * 100)} %, ${etaS.toFixed(0)} s left `,
      );
    },
    end() {
      if (isShown) out.write("\r\x1b[K");
      isShown = false;
    },
  };
}
