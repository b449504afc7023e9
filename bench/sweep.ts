/**
 * Sweep bench: what a second worker adds, in threads and over a real Redis, beside what this machine can add at most.
 *
 * The same sweep runs with one and with two workers, in threads of one process (`sweep.threads`) and in processes behind a Redis
 * (`sweep.redis`; skipped, and said so, without `redis-server` on the PATH). Two ceilings stand beside: one and two plain threads
 * with the very same evaluations and nothing else (`ceiling.backtest`), and with a loop that needs registers only (`ceiling.cpu`).
 * Workers are warm, as they are after the first seconds of any sweep; all ways take turns, so that other work on the machine
 * falls on all alike. On a busy machine the ratios of the wall clock say nothing (see how much of its core the loop had); processor
 * time an evaluation, alone and beside another, still does. The tape is a random walk: the figures need only the repository.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { Worker } from "node:worker_threads";
import * as abi from "../src/abi/layout.js";
import { DEFAULT_LATENCY } from "../src/backtest/latency.js";
import { REALISTIC_FEES } from "../src/backtest/run.js";
import type { EvaluationTask } from "../src/backtest/sweep/evaluation.js";
import {
  codeIdentity,
  digestOf,
  EvaluationPool,
  type Evaluator,
  parseObjective,
  parseParam,
  planFolds,
  RedisEvaluator,
  ResultsFile,
  runSweep,
  spanOf,
} from "../src/backtest/sweep/index.js";
import { configSchema } from "../src/config/schema.js";
import { Rng } from "../src/domain/index.js";
import { packageRoot } from "../src/engine/artifacts.js";
import { TapeFileWriter } from "../src/store/index.js";
import { systemTimers } from "../src/threads/system-clock.js";
import { type BenchContext, type BenchResult, type BenchSuite, Samples } from "./harness.js";
import type { ListJob } from "./workers/evaluate-list.js";

const MAIN = join(packageRoot(), "dist/src/cli/main.js");
const SPIN_STEPS = 6e7;
/** An evaluation takes a tenth of a second, so that it is what is measured, and not the pool around it. */
const WALK_S = 600;

/** Touches, trades at the touch, a random walk. */
function writeWalk(path: string, seconds: number, seed: number): void {
  const rng = new Rng(seed);
  const baseNs = 1_767_607_200_000_000_000n;
  const writer = new TapeFileWriter({
    path,
    meta: {
      venue: "made",
      baseWallNs: String(baseNs),
      clockOffsetNs: 0,
      instruments: [
        {
          asset: 0,
          coin: "BTC",
          pxDecimals: 1,
          szDecimals: 5,
          maxSigFigs: 5,
          minNotionalUsd: 10,
          maxLeverage: 40,
        },
      ],
      source: `random walk, seed ${seed}`,
      notes: [],
    },
  });
  const f64 = new Float64Array(abi.BOOK_SIZE / 8);
  const view = new DataView(f64.buffer);
  let mid = 60_000;
  let tid = 1n;
  for (let ns = 1e6; ns < seconds * 1e9; ns += rng.exponential(200) * 1e9) {
    mid += Math.round(rng.normal());
    f64.fill(0);
    view.setBigInt64(0, baseNs + BigInt(Math.round(ns)), true);
    view.setFloat64(8, ns, true);
    if (rng.uniform() < 0.2) {
      const side = rng.uniform() < 0.5 ? 1 : -1;
      view.setFloat64(abi.TRADE_PX, mid + side * (1 + rng.below(8) * 5), true);
      view.setFloat64(abi.TRADE_SZ, (1 + rng.below(2_000)) / 1e4, true);
      view.setBigUint64(abi.TRADE_TID, tid++, true);
      view.setInt8(abi.TRADE_SIDE, side);
      writer.append(abi.RecordKind.Trade, 0, f64, 0, abi.TRADE_SIZE, ns);
    } else {
      view.setFloat64(abi.BBO_BID_PX, mid - 1, true);
      view.setFloat64(abi.BBO_BID_SZ, (1 + rng.below(100)) / 100, true);
      view.setFloat64(abi.BBO_ASK_PX, mid + 1, true);
      view.setFloat64(abi.BBO_ASK_SZ, (1 + rng.below(100)) / 100, true);
      writer.append(abi.RecordKind.Bbo, 0, f64, 0, abi.BBO_SIZE, ns);
    }
  }
  writer.close();
}

/** Resolves once the text has come; rejects when the process ends before. */
async function says(child: ChildProcess, stream: Readable, text: string): Promise<void> {
  let said = "";
  await new Promise<void>((resolve, reject) => {
    stream.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes(text)) resolve();
    });
    child.once("exit", () => reject(new Error(`ended before "${text}": ${said}`)));
  });
}

async function startWorker(dir: string, url: string): Promise<ChildProcess> {
  const args = [MAIN, "worker", url, "--concurrency", "1", "--tapes", dir];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
  await says(child, child.stderr, "worker on");
  return child;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

async function stop(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  await ended;
}

/** Seconds a piece of work: by the clock, and of this process's processor time. */
interface Cost {
  readonly wallS: number;
  readonly cpuS: number;
}

/** A way to do the same work. */
interface Way {
  readonly name: string;
  readonly workers: number;
  run(): Promise<Cost>;
}

async function timed(pieces: () => number, act: () => Promise<unknown>): Promise<Cost> {
  const cpu = process.cpuUsage();
  const from = performance.now();
  await act();
  const wallS = (performance.now() - from) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { wallS: wallS / pieces(), cpuS: (user + system) / 1e6 / pieces() };
}

/** The sweep that all ways run. */
class TheSweep {
  private readonly tasks: EvaluationTask[] = [];
  private readonly code = codeIdentity().digest;
  private runs = 0;

  private constructor(
    private readonly dir: string,
    private readonly trials: number,
    readonly tape: string,
    private readonly digest: Awaited<ReturnType<typeof digestOf>>,
  ) {}

  static async on(dir: string, tape: string, trials: number): Promise<TheSweep> {
    return new TheSweep(dir, trials, tape, await digestOf(tape));
  }

  /** The evaluations of the first run. */
  first(): readonly EvaluationTask[] {
    return this.tasks;
  }

  /** The whole of it. @returns the cost of an evaluation. */
  async run(evaluator: Evaluator): Promise<Cost> {
    const run = this.runs++;
    const results = new ResultsFile(join(this.dir, `results-${run}.jsonl`));
    const noted: Evaluator = {
      evaluate: (spec, key) => {
        if (run === 0) this.tasks.push({ spec, paths: [this.tape] });
        return evaluator.evaluate(spec, key);
      },
      close: async () => {},
    };
    try {
      let evaluated = 0;
      return await timed(
        () => evaluated,
        async () => {
          ({ evaluated } = await runSweep(
            {
              code: this.code,
              tapes: [this.digest],
              coin: null,
              base: configSchema.parse({}),
              space: [parseParam("trading.risk_aversion=0.05:1:log")],
              search: "random",
              trials: this.trials,
              batch: 8,
              seed: 1,
              fees: REALISTIC_FEES,
              latency: DEFAULT_LATENCY,
              queue: { kind: "risk-averse" },
              // A job that Redis has seen is not done again.
              equityUsd: 100_000 + run / 100,
              plan: planFolds(spanOf([this.tape]), { folds: 2, trainShare: 0.6, holdoutShare: 0.2 }),
              objective: parseObjective("netPnlUsd"),
              constraints: [],
              shortlist: 0.25,
            },
            noted,
            results,
          ));
        },
      );
    } finally {
      results.close();
    }
  }
}

/** Each of the threads does the whole job at the same time. */
const inThreads = (threads: readonly Worker[], job: ListJob): Promise<Cost> =>
  timed(
    () => threads.length * (job.kind === "evaluate" ? job.tasks.length : 1),
    () =>
      Promise.all(
        threads.map(async (thread) => {
          const done = once(thread, "message");
          thread.postMessage(job);
          await done;
        }),
      ),
  );

/** Ways through the sweep itself, and what to close afterwards. */
class Ways {
  readonly all: Way[] = [];
  private readonly closers: (() => Promise<unknown>)[] = [];

  constructor(
    private readonly dir: string,
    private readonly sweep: TheSweep,
  ) {}

  pool(workers: number): void {
    const pool = new EvaluationPool(workers, () => [this.sweep.tape]);
    this.closers.unshift(() => pool.close());
    this.all.push({ name: "sweep.threads", workers, run: () => this.sweep.run(pool) });
  }

  /** Worker processes on a Redis of their own: idle ones of another way would take its jobs. */
  async redis(workers: number): Promise<void> {
    const port = await freePort();
    const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
    const server = spawn("redis-server", args, { stdio: ["ignore", "pipe", "inherit"], cwd: this.dir });
    this.closers.unshift(() => stop(server));
    await says(server, server.stdout, "Ready to accept connections");
    const url = `redis://127.0.0.1:${port}`;
    for (let i = 0; i < workers; i++) {
      const worker = await startWorker(this.dir, url);
      this.closers.unshift(() => stop(worker));
    }
    const evaluator = await RedisEvaluator.connect({
      url,
      code: codeIdentity(),
      timers: systemTimers,
      name: `bench ${workers}`,
    });
    this.closers.unshift(() => evaluator.close());
    this.all.push({ name: "sweep.redis", workers, run: () => this.sweep.run(evaluator) });
  }

  /** One and two threads at the same list of evaluations, and at nothing but arithmetic. */
  ceilings(): void {
    const threads = [0, 1].map(() => new Worker(new URL("./workers/evaluate-list.js", import.meta.url)));
    this.closers.unshift(() => Promise.all(threads.map((t) => t.terminate())));
    for (const workers of [1, 2]) {
      const some = threads.slice(0, workers);
      this.all.push({
        name: "ceiling.backtest",
        workers,
        run: () => inThreads(some, { kind: "evaluate", tasks: this.sweep.first() }),
      });
      this.all.push({
        name: "ceiling.cpu",
        workers,
        run: () => inThreads(some, { kind: "spin", steps: SPIN_STEPS }),
      });
    }
  }

  async close(): Promise<void> {
    for (const close of this.closers) await close();
  }
}

export const suite: BenchSuite = {
  name: "sweep",
  async run({ isSmoke, seed }: BenchContext): Promise<BenchResult[]> {
    const dir = mkdtempSync(join(tmpdir(), "mm-bench-sweep-"));
    const tape = join(dir, "walk.mmt");
    writeWalk(tape, isSmoke ? 60 : WALK_S, seed);
    const ways = new Ways(dir, await TheSweep.on(dir, tape, isSmoke ? 1 : 6));
    try {
      ways.pool(1);
      ways.pool(2);
      if (spawnSync("redis-server", ["--version"]).status === 0) {
        await ways.redis(1);
        await ways.redis(2);
      } else process.stderr.write("sweep.redis: skipped: no redis-server\n");
      ways.ceilings();
      const load = loadavg()[0]!;
      if (!isSmoke) await warmUp(ways.all);
      const rounds = isSmoke ? 1 : 3;
      const costs = new Map<Way, Cost[]>(ways.all.map((way) => [way, []]));
      for (let round = 0; round < rounds; round++)
        for (const way of ways.all) costs.get(way)!.push(await way.run());
      return results(ways.all, costs, rounds, load);
    } finally {
      await ways.close();
      rmSync(dir, { recursive: true, force: true });
    }
  },
};

/** The compiler of each worker has seen everything. Ways of their own workers at once: nothing is measured here. */
async function warmUp(ways: readonly Way[]): Promise<void> {
  // The first way's run also tells the ceilings what to do.
  await ways[0]!.run();
  const turns = async (some: readonly Way[], times: number): Promise<void> => {
    for (const way of some) for (let i = 0; i < times * way.workers; i++) await way.run();
  };
  const shared = ways.filter((way) => way.name.startsWith("ceiling."));
  const own = ways.filter((way) => !shared.includes(way));
  await Promise.all([turns(shared, 1), ...own.map((way) => turns([way], 2))]);
}

function results(
  ways: readonly Way[],
  costs: ReadonlyMap<Way, readonly Cost[]>,
  rounds: number,
  load: number,
): BenchResult[] {
  const best = (name: string, workers: number, of: keyof Cost = "wallS"): number =>
    Math.min(
      ...costs.get(ways.find((w) => w.name === name && w.workers === workers)!)!.map((cost) => cost[of]),
    );
  const gain = (name: string): number => best(name, 1) / best(name, 2);
  const ceiling = gain("ceiling.backtest");
  return [...ways]
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.workers - b.workers))
    .map((way) => {
      const { name, workers } = way;
      const samples = new Samples(rounds);
      for (const { wallS } of costs.get(way)!) samples.add(wallS * 1e9);
      const cpuS = best(name, workers, "cpuS");
      const notes: string[] = [];
      if (name !== "ceiling.cpu") notes.push(`${(1 / best(name, workers)).toFixed(2)} evaluations/s`);
      // Of worker processes this one sees nothing.
      if (name === "ceiling.backtest" || name === "sweep.threads")
        notes.push(`${(cpuS * 1000).toFixed(1)} ms of processor time each`);
      if (workers === 2) notes.push(`${gain(name).toFixed(2)} × one worker`);
      if (workers === 2 && name.startsWith("sweep."))
        notes.push(`${((gain(name) / ceiling) * 100).toFixed(0)} % of the ceiling`);
      if (name === "ceiling.cpu" && workers === 1)
        notes.push(
          `had ${((cpuS / best(name, 1)) * 100).toFixed(0)} % of its core, load ${load.toFixed(1)} at the start`,
        );
      return samples.result(`${name}${workers}`, "us", { note: notes.join(", ") });
    });
}
