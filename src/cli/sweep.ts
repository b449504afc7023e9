import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { availableParallelism, hostname } from "node:os";
import { join } from "node:path";
import { Command, Option } from "commander";
import type { EvaluationPool, RedisEvaluator, SearchKind, SweepOptions } from "../backtest/sweep/index.js";
import { systemTimers } from "../threads/system-clock.js";
import { integer, number } from "./arguments.js";
import { type AssumedFlags, assumed, assumedOptions, time } from "./assumed-options.js";
import { progressBar } from "./progress.js";

interface SweepFlags extends AssumedFlags {
  tape: string[];
  config?: string;
  asset?: string;
  from?: number;
  to?: number;
  seed: number;
  param: string[];
  space?: string;
  search: SearchKind;
  trials: number;
  batch: number;
  objective: string;
  constraint: string[];
  folds: number;
  trainShare: number;
  embargo?: number;
  holdout: number;
  shortlist: number;
  threads: number;
  workers?: string;
  out: string;
}

const collect = (text: string, all: string[]): string[] => [...all, text];

/** `market-maker sweep`: searches the configuration's parameters on recorded markets. */
export function sweepCommand(): Command {
  const command = new Command("sweep")
    .description("search the configuration's parameters on recorded markets, judged on unseen time")
    .requiredOption("--tape <path...>", "tape files or folders that follow each other, or a capture")
    .option("-c, --config <path>", "configuration file (default: market_maker.toml if it exists)")
    .option("--asset <coin>", "the market to trade, when a tape holds several")
    .option("--from <time>", "start: 2024-08-08T23:55:00Z or ms since the epoch", time)
    .option("--to <time>", "end", time)
    .option(
      "--param <key=values>",
      "vary an option: key=a,b,c or key=low:high[:log][:int][:steps]; repeatable",
      collect,
      [],
    )
    .option("--space <file>", "the same from a TOML file with a table [params]")
    .addOption(
      new Option("--search <kind>", "grid, random, or tpe, which learns from training time")
        .choices(["grid", "random", "tpe"])
        .default("tpe"),
    )
    .option("--trials <n>", "candidates at most", integer(1, 100_000), 40)
    .option("--batch <n>", "candidates that tpe proposes at a time", integer(1, 10_000), 8)
    .option(
      "--objective <terms>",
      'money per hour: netPnlUsd, "netPnlUsd - 0.5*maxDrawdownUsd"; or sharpe',
      "netPnlUsd",
    )
    .option(
      "--constraint <bound>",
      "on all training time: maxDrawdownUsd<=200, fills>=20; repeatable",
      collect,
      [],
    )
    .option("--folds <n>", "parts to train on, each followed by one to judge on", integer(1, 1000), 3)
    .option("--train-share <share>", "of each fold", number(0.1, 0.9), 0.6)
    .option(
      "--embargo <s>",
      "gap between the parts (default: 60, at most 2 % of the tape)",
      number(0, 86_400),
    )
    .option("--holdout <share>", "end of the tape that no choice sees; 0: none", number(0, 0.5), 0.2)
    .option("--shortlist <share>", "best of training time that compete on unseen time", number(0, 1), 0.25)
    .option("--seed <n>", "of everything random", integer(0, 2 ** 31 - 1), 1)
    .option("--threads <n>", "evaluations at a time here", integer(1, 1024), availableParallelism())
    .option("--workers <url>", "evaluate on the workers of this Redis instead: redis://host:6379")
    .requiredOption("--out <dir>", "results; a folder with results of an earlier start is continued");
  return assumedOptions(command).action(async (flags: SweepFlags) => {
    await sweep(flags);
  });
}

async function sweep(flags: SweepFlags): Promise<void> {
  const lib = await import("../backtest/sweep/index.js");
  const { findTapes } = await import("../backtest/index.js");
  const { loadConfig } = await import("../config/index.js");
  const { config } = loadConfig(flags.config, {});
  const space = [...flags.param.map(lib.parseParam), ...(flags.space ? lib.readSpace(flags.space) : [])];
  lib.checkSpace(space, config);
  const objective = lib.parseObjective(flags.objective);
  const constraints = flags.constraint.map(lib.parseConstraint);
  const { assumptions, ...world } = await assumed(flags);
  const code = lib.codeIdentity();
  mkdirSync(flags.out, { recursive: true });
  const reading = progressBar("convert");
  const tapes = await findTapes(flags.tape, flags.asset, (share) => reading.update(share));
  reading.done();
  const results = new lib.ResultsFile(join(flags.out, "results.jsonl"));
  const bar = progressBar("sweep");
  let evaluator: EvaluationPool | RedisEvaluator | undefined;
  try {
    for (const note of [...tapes.notes, ...assumptions]) process.stderr.write(`${note}\n`);
    if (results.damagedLines > 0)
      process.stderr.write(`${results.path}: ${results.damagedLines} damaged lines not used\n`);
    const digests = await Promise.all(tapes.paths.map(lib.digestOf));
    const whole = lib.spanOf(tapes.paths);
    const span = {
      fromMs: Math.max(whole.fromMs, flags.from ?? whole.fromMs),
      toMs: Math.min(whole.toMs, flags.to ?? whole.toMs),
    };
    const options: SweepOptions = {
      code: code.digest,
      tapes: digests,
      coin: flags.asset ?? null,
      base: config,
      space,
      search: flags.search,
      trials: flags.trials,
      batch: flags.batch,
      seed: flags.seed,
      ...world,
      plan: lib.planFolds(span, {
        folds: flags.folds,
        trainShare: flags.trainShare,
        holdoutShare: flags.holdout,
        ...(flags.embargo === undefined ? {} : { embargoMs: flags.embargo * 1000 }),
      }),
      objective,
      constraints,
      shortlist: flags.shortlist,
    };
    let workers: number | undefined;
    if (flags.workers === undefined) evaluator = new lib.EvaluationPool(flags.threads, () => tapes.paths);
    else {
      let isWarned = false;
      evaluator = await lib.RedisEvaluator.connect({
        url: flags.workers,
        code,
        timers: systemTimers,
        name: `${hostname()}:${process.pid}`,
        onWorkers: (count) => {
          workers = count;
          if (count > 0 || isWarned) return;
          isWarned = true;
          process.stderr.write(
            `no worker yet: market-maker worker ${lib.redisHost(flags.workers!)} --tapes DIR (${lib.describeCode(code)})\n`,
          );
        },
      });
    }
    const fromMs = performance.now();
    const result = await lib.runSweep(options, evaluator, results, (p) => {
      const fresh = p.planned - p.reused;
      const of = workers === undefined ? "" : `, ${workers} workers`;
      bar.update(
        fresh > 0 ? (p.done - p.reused) / fresh : 1,
        `${p.done} of ${p.planned} evaluations${p.reused > 0 ? `, ${p.reused} from before` : ""}${of}`,
      );
    });
    bar.done();
    const wallS = (performance.now() - fromMs) / 1000;
    const report = lib.reportOf(options, flags.tape, result);
    write(flags.out, "sweep.json", lib.toJson(report));
    write(flags.out, "sweep.csv", lib.toCsv(report));
    write(flags.out, "sweep.html", lib.toHtml(report));
    if (report.winnerParams !== null) write(flags.out, "winner.toml", lib.asToml(report.winnerParams));
    process.stdout.write(
      `${lib.toTable(report)}${result.evaluated} evaluations in ${wallS.toFixed(1)} s (${(result.evaluated / wallS).toFixed(2)}/s), ` +
        `${result.reused} from before; ${join(flags.out, "sweep.{json,csv,html}")}, winner.toml\n`,
    );
    if (report.winner === null) process.exitCode = 2;
  } finally {
    bar.done();
    await evaluator?.close();
    results.close();
    tapes.dispose();
  }
}

/** Old or new, never half. */
function write(dir: string, name: string, text: string): void {
  const draft = join(dir, `.${name}.new`);
  writeFileSync(draft, text);
  renameSync(draft, join(dir, name));
}
