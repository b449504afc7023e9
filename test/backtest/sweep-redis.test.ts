import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { redisHost } from "../../src/backtest/sweep/index.js";
import { SWEEPS_KEY } from "../../src/backtest/sweep/redis-names.js";
import { hasRedis, redisTitle, TestRedis } from "./redis-server.js";
import { type Program, SweepBench } from "./sweep-fixture.js";

const KEY = `0x${"ab12".repeat(16)}`;

describe("the address of Redis", () => {
  test("is shown without user and password, and a bad one is not repeated", () => {
    expect(redisHost("redis://me:hunter2@host:6380/2")).toBe("redis://host:6380/2");
    for (const bad of ["host:6379", "http://x", "redis://", "hunter2"]) {
      expect(() => redisHost(bad)).toThrow(/is not redis:\/\//);
      expect(() => redisHost(bad)).not.toThrow(/hunter2/);
    }
  });
});

describe.skipIf(!hasRedis)(redisTitle("sweep over Redis"), () => {
  let redis: TestRedis;
  let bench: SweepBench;
  let whole: unknown;
  beforeAll(async () => {
    redis = await TestRedis.start();
    bench = new SweepBench();
    const local = bench.start(bench.sweepArgs("whole"));
    expect(await local.exit, local.stderr).toBe(0);
    whole = bench.report("whole");
  }, 120_000);
  afterAll(async () => {
    bench?.dispose();
    await redis?.stop();
  });

  const worker = (tapes = bench.tapes): Program =>
    bench.start(["worker", redis.url, "--concurrency", "1", "--tapes", tapes, "--lock-secs", "1"]);
  const flush = async (): Promise<void> => {
    const client = new Redis(redis.url);
    await client.flushall();
    client.disconnect();
  };

  test("workers give the report that threads give; one killed with a job in hand loses nothing", async () => {
    await flush();
    const config = join(bench.dir, "secret.toml");
    writeFileSync(config, `[network]\nprivate_key = "${KEY}"\n`);
    const first = worker();
    await first.said(/worker on redis:\/\/127/);
    const sweep = bench.start(bench.sweepArgs("redis", "--workers", redis.url, "--config", config));
    // It has finished one, so it is in the middle of another.
    await first.said(/evaluated/);
    first.child.kill("SIGKILL");
    const second = worker();
    expect(await sweep.exit, sweep.stderr).toBe(0);
    expect(bench.report("redis")).toEqual(whole);
    const keys = bench.results("redis");
    expect(new Set(keys).size).toBe(keys.length);
    second.child.kill("SIGTERM");
    expect(await second.exit, second.stderr).toBe(0);
    // The killed one's job was done by the other: all that the first did not report.
    const done = (p: Program): number => p.stderr.split("evaluated").length - 1;
    expect(done(first)).toBeGreaterThan(0);
    expect(done(first) + done(second)).toBeGreaterThanOrEqual(keys.length);
    expect(sweep.stderr + first.stderr + second.stderr).not.toContain("hunter2");

    // What is left in Redis: results, but no key, no tape, no path.
    const client = new Redis(redis.url);
    let text = "";
    for (const name of await client.keys("*")) {
      if ((await client.type(name)) === "hash") text += JSON.stringify(await client.hgetall(name));
    }
    client.disconnect();
    expect(text).toContain("risk_aversion");
    expect(text).not.toContain(KEY.slice(2, 30));
    expect(text).not.toContain("private_key");
    expect(text).not.toContain(bench.dir);
  }, 120_000);

  test("a sweep killed in the middle finds what its workers finished meanwhile", async () => {
    await flush();
    const helper = worker();
    await helper.said(/worker on/);
    const first = bench.start(bench.sweepArgs("cut", "--workers", redis.url));
    await helper.said(/evaluated/);
    first.child.kill("SIGKILL");
    await first.exit;
    const again = bench.start(bench.sweepArgs("cut", "--workers", redis.url));
    expect(await again.exit, again.stderr).toBe(0);
    expect(bench.report("cut")).toEqual(whole);
    const names = [...helper.stderr.matchAll(/evaluated (\w+)/g)].map((m) => m[1]);
    expect(new Set(names).size).toBe(names.length);
    helper.child.kill("SIGTERM");
    await helper.exit;
  }, 120_000);

  test("a worker without the tape leaves the work to one that has it", async () => {
    await flush();
    const empty = join(bench.dir, "empty");
    mkdirSync(empty);
    // As large as the tape, but another: found by what is in it.
    writeFileSync(join(empty, "walk.mmt"), Buffer.alloc(readFileSync(bench.tape).length));
    const without = worker(empty);
    await without.said(/worker on/);
    const sweep = bench.start(bench.sweepArgs("moved", "--workers", redis.url, "--trials", "2"));
    await without.said(/no tape of \d+ bytes with sha256/);
    const holder = worker();
    expect(await sweep.exit, sweep.stderr).toBe(0);
    expect(without.stderr).not.toContain("evaluated");
    expect(holder.stderr).toContain("evaluated");
    for (const w of [without, holder]) w.child.kill("SIGTERM");
    await Promise.all([without.exit, holder.exit]);
  }, 120_000);

  test("a worker of another version is refused, with both versions named", async () => {
    await flush();
    const client = new Redis(redis.url);
    const code = { version: "0.0.9", layoutHash: "0x1", digest: "feedfacefeedface" };
    await client.hset(SWEEPS_KEY, "other:1", JSON.stringify({ code, untilMs: Date.now() + 60_000 }));
    const refused = worker();
    expect(await refused.exit).toBe(1);
    expect(refused.stderr).toMatch(/error: the sweep on redis:\/\/127.* is of version 0\.0\.9, layout 0x1/);
    expect(refused.stderr).toMatch(/this worker of version .*install the same build/);
    // A sweep that has ended refuses nobody.
    await client.hset(SWEEPS_KEY, "other:1", JSON.stringify({ code, untilMs: Date.now() - 1 }));
    const accepted = worker();
    await accepted.said(/worker on/);
    // One that starts later does.
    await client.hset(SWEEPS_KEY, "other:2", JSON.stringify({ code, untilMs: Date.now() + 60_000 }));
    expect(await accepted.exit).toBe(1);
    expect(accepted.stderr).toMatch(/install the same build/);
    client.disconnect();
  }, 120_000);

  test("where no Redis answers, sweep and worker say so and end", async () => {
    const nowhere = "redis://:hunter2@127.0.0.1:1";
    const runs = [
      bench.start(["worker", nowhere, "--tapes", bench.tapes]),
      bench.start(bench.sweepArgs("nowhere", "--workers", nowhere)),
    ];
    for (const run of runs) {
      expect(await run.exit).toBe(1);
      expect(run.stderr).toMatch(/^error: redis:\/\/127\.0\.0\.1:1: no Redis answers there/m);
      expect(run.stderr).not.toContain("hunter2");
    }
  });
});
