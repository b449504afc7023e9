import { availableParallelism } from "node:os";
import { Command } from "commander";
import { systemTimers } from "../threads/system-clock.js";
import { integer, number } from "./arguments.js";

interface WorkerFlags {
  concurrency: number;
  tapes: string;
  lockSecs: number;
}

/** `market-maker worker`: evaluates for sweeps on other machines. */
export function workerCommand(): Command {
  return new Command("worker")
    .description("evaluate for the sweeps of a Redis (market-maker sweep --workers)")
    .argument("<url>", "redis://[user:password@]host[:port][/database]")
    .option("--concurrency <n>", "evaluations at a time", integer(1, 1024), availableParallelism())
    .option("--tapes <dir>", "folder of the tapes, found by what is in them", ".")
    .option(
      "--lock-secs <s>",
      "after so long without a sign of life another worker takes the job",
      number(1, 3600),
      30,
    )
    .action(async (url: string, flags: WorkerFlags) => {
      await worker(url, flags);
    });
}

async function worker(url: string, flags: WorkerFlags): Promise<void> {
  const lib = await import("../backtest/sweep/index.js");
  const host = lib.redisHost(url);
  const code = lib.codeIdentity();
  const say = (line: string): void => {
    process.stderr.write(`${new Date().toISOString()} ${line}\n`);
  };
  const running = await lib.serveEvaluations({
    url,
    code,
    tapes: new lib.TapeLibrary(flags.tapes),
    evaluator: (pathOf) =>
      new lib.EvaluationPool(flags.concurrency, (spec) => spec.tapes.map((t) => pathOf(t.sha256))),
    concurrency: flags.concurrency,
    lockMs: flags.lockSecs * 1000,
    timers: systemTimers,
    wallMs: () => Date.now(),
    onEvent: (e) => {
      if (e.kind === "done") say(`evaluated ${e.key.slice(0, 12)} in ${(e.wallMs / 1000).toFixed(2)} s`);
      else if (e.kind === "failed") say(`failed ${e.key.slice(0, 12)}: ${e.reason}`);
      else say(`no tape of ${e.bytes} bytes with sha256 ${e.sha256} below ${flags.tapes}: left to others`);
    },
  });
  say(
    `worker on ${host}: ${flags.concurrency} at a time, tapes of ${flags.tapes}, ${lib.describeCode(code)}`,
  );
  const asked = new Promise<void>((resolve) => {
    let isAsked = false;
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.on(signal, () => {
        // What is under way goes to another worker once its lock has run out.
        if (isAsked) process.exit(1);
        isAsked = true;
        say("ends what it has begun; once more to leave it to others");
        resolve();
      });
    }
  });
  try {
    await Promise.race([asked, running.refused]);
  } finally {
    await running.close();
  }
}
