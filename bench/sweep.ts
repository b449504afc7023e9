/**
 * Sweep bench: evaluations a second with one and with two worker threads, and over a real Redis with one and with two worker
 * processes. The same candidates each time; the tape is a random walk, so that the figures need nothing but the repository.
 * Without `redis-server` on the PATH the second half is skipped, and says so.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import * as abi from "../src/abi/layout.js";
import { Rng } from "../src/domain/index.js";
import { packageRoot } from "../src/engine/artifacts.js";
import { TapeFileWriter } from "../src/store/index.js";
import { type BenchContext, type BenchResult, type BenchSuite, Samples } from "./harness.js";

const MAIN = join(packageRoot(), "dist/src/cli/main.js");

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

/** One sweep of the command line. @returns seconds an evaluation, by its own clock: without the start of the process. */
async function sweep(dir: string, name: string, trials: number, more: readonly string[]): Promise<number> {
  const args = ["sweep", "--tape", join(dir, "walk.mmt"), "--search", "random", "--trials", String(trials)];
  args.push("--param", "trading.risk_aversion=0.05:1:log", "--folds", "2", "--out", join(dir, name), ...more);
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  let out = "";
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
  });
  const [code] = (await once(child, "close")) as [number];
  const match = /(\d+) evaluations in ([\d.]+) s/.exec(out);
  if (code !== 0 || match === null) throw new Error(`sweep ended with ${code}: ${out}`);
  return Number(match[2]) / Number(match[1]);
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

/** Seconds an evaluation over Redis with so many worker processes. */
async function overRedis(dir: string, name: string, trials: number, workers: number): Promise<number> {
  const port = await freePort();
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
  const redis = spawn("redis-server", args, { stdio: ["ignore", "pipe", "inherit"], cwd: dir });
  const children: ChildProcess[] = [];
  try {
    const url = `redis://127.0.0.1:${port}`;
    await says(redis, redis.stdout, "Ready to accept connections");
    for (let i = 0; i < workers; i++) children.push(await startWorker(dir, url));
    return await sweep(dir, name, trials, ["--workers", url]);
  } finally {
    await Promise.all(children.map(stop));
    await stop(redis);
  }
}

export const suite: BenchSuite = {
  name: "sweep",
  async run({ isSmoke, seed }: BenchContext): Promise<BenchResult[]> {
    const dir = mkdtempSync(join(tmpdir(), "mm-bench-sweep-"));
    try {
      writeWalk(join(dir, "walk.mmt"), isSmoke ? 120 : 1_800, seed);
      const trials = isSmoke ? 1 : 9;
      const rounds = isSmoke ? 1 : 3;
      const hasRedis = spawnSync("redis-server", ["--version"]).status === 0;
      if (!hasRedis) process.stderr.write("sweep.redis: skipped: no redis-server\n");
      const ways: [string, (name: string) => Promise<number>][] = [1, 2].map((n) => [
        `sweep.threads${n}`,
        (name) => sweep(dir, name, trials, ["--threads", String(n)]),
      ]);
      if (hasRedis)
        for (const n of [1, 2]) ways.push([`sweep.redis${n}`, (name) => overRedis(dir, name, trials, n)]);
      const seconds = new Map<string, number[]>(ways.map(([name]) => [name, []]));
      // In turn, so that other work on the machine falls on all alike.
      for (let round = 0; round < rounds; round++)
        for (const [name, run] of ways) seconds.get(name)!.push(await run(`${name}-${round}`));
      const best = (name: string): number => Math.min(...seconds.get(name)!);
      return ways.map(([name]) => {
        const samples = new Samples(rounds);
        for (const s of seconds.get(name)!) samples.add(s * 1e9);
        const one = name.replace(/\d$/, "1");
        const ratio = name === one ? "" : `, ${(best(one) / best(name)).toFixed(2)} × one worker`;
        return samples.result(name, "us", { note: `${(1 / best(name)).toFixed(2)} evaluations/s${ratio}` });
      });
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  },
};
