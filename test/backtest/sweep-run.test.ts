import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { DEFAULT_LATENCY, REALISTIC_FEES } from "../../src/backtest/index.js";
import {
  EvaluationPool,
  type EvaluationSpec,
  type Evaluator,
  keyOf,
  type Outcome,
  parseConstraint,
  parseObjective,
  parseParam,
  planFolds,
  ResultsFile,
  reportOf,
  runSweep,
  type SweepOptions,
  toCsv,
  toHtml,
  toJson,
  toTable,
} from "../../src/backtest/sweep/index.js";
import { momentsOf } from "../../src/backtest/sweep/metrics.js";
import { configSchema } from "../../src/config/schema.js";
import { Rng } from "../../src/domain/index.js";
import { SweepBench } from "./sweep-fixture.js";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "mm-sweep-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const SPAN = { fromMs: 1_700_000_000_000, toMs: 1_700_000_600_000 };
const options = (more: Partial<SweepOptions> = {}): SweepOptions => ({
  code: "c0de",
  tapes: [{ sha256: "ab", bytes: 1 }],
  coin: null,
  base: configSchema.parse({}),
  space: [parseParam("trading.risk_aversion=0.05:1:log"), parseParam("strategy.min_trades=1:400:int")],
  search: "tpe",
  trials: 30,
  batch: 6,
  seed: 3,
  fees: REALISTIC_FEES,
  latency: DEFAULT_LATENCY,
  queue: { kind: "risk-averse" },
  equityUsd: 100_000,
  plan: planFolds(SPAN, { folds: 2, trainShare: 0.6, holdoutShare: 0.2 }),
  objective: parseObjective("netPnlUsd"),
  constraints: [parseConstraint("fills>=5")],
  shortlist: 0.25,
  ...more,
});

/** Profit from a formula instead of a backtest; finishes in a random order. */
class FakeEvaluator implements Evaluator {
  readonly seen: EvaluationSpec[] = [];
  failAfter = Number.POSITIVE_INFINITY;
  private readonly rng: Rng;

  constructor(
    shuffle: number,
    private readonly profit: (spec: EvaluationSpec) => number = (s) => peak(s),
  ) {
    this.rng = new Rng(shuffle);
  }

  async evaluate(spec: EvaluationSpec, key: string): Promise<Outcome> {
    expect(keyOf(spec)).toBe(key);
    if (this.seen.length >= this.failAfter) throw new Error("out of memory");
    this.seen.push(spec);
    for (let turns = this.rng.below(8); turns > 0; turns--) await Promise.resolve();
    const risk = Number(spec.params["trading.risk_aversion"] ?? 0.3);
    if (risk > 0.9) return { ok: false, error: "cannot trade" };
    const netPnlUsd = this.profit(spec);
    return {
      ok: true,
      metrics: {
        hours: 1,
        netPnlUsd,
        maxDrawdownUsd: 1,
        feesUsd: 0,
        fundingUsd: 0,
        spreadCaptureUsd: 0,
        marketMoveUsd: 0,
        volumeUsd: 0,
        fills: 10,
        orders: 0,
        maxAbsPosition: 0,
        events: 1,
        kills: 0,
        changes: momentsOf([netPnlUsd / 2, netPnlUsd / 3]),
      },
    };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Best at a risk aversion of 0.2 and 100 trades. */
function peak(spec: EvaluationSpec): number {
  const risk = Number(spec.params["trading.risk_aversion"] ?? 0.3);
  const trades = Number(spec.params["strategy.min_trades"] ?? 50);
  return 10 - Math.log(risk / 0.2) ** 2 - ((trades - 100) / 100) ** 2 + (spec.fromMs % 7) / 100;
}

async function run(
  o: SweepOptions,
  evaluator: Evaluator,
  file = join(dir, "results.jsonl"),
): Promise<string> {
  const results = new ResultsFile(file);
  try {
    const result = await runSweep(o, evaluator, results);
    return toJson(reportOf(o, ["tape"], result));
  } finally {
    results.close();
  }
}

describe("sweep", () => {
  test("finds the peak, and judges it on the hold-out that nobody saw before", async () => {
    const fake = new FakeEvaluator(1);
    const o = options();
    const report = JSON.parse(await run(o, fake)) as {
      winnerParams: Record<string, number>;
      holdout: { objective: number };
    };
    expect(Math.abs(Math.log(report.winnerParams["trading.risk_aversion"]! / 0.2))).toBeLessThan(0.8);
    expect(report.holdout.objective).toBeGreaterThan(9);
    const isHoldout = (s: EvaluationSpec): boolean => s.fromMs === o.plan.holdout!.fromMs;
    const first = fake.seen.findIndex(isHoldout);
    expect(fake.seen.slice(first).every(isHoldout)).toBe(true);
    expect(fake.seen.filter(isHoldout)).toHaveLength(2);
  });

  test.each(["tpe", "random", "grid"] as const)(
    "%s: the order in which evaluations end changes nothing",
    async (search) => {
      const a = await run(options({ search }), new FakeEvaluator(1), join(dir, "a"));
      const b = await run(options({ search }), new FakeEvaluator(99), join(dir, "b"));
      expect(b).toBe(a);
    },
  );

  test("the search never sees unseen time: other profits there, the same candidates", async () => {
    const o = options();
    const isTest = (s: EvaluationSpec): boolean => o.plan.folds.some((f) => f.test.fromMs === s.fromMs);
    const tried = async (profit: (s: EvaluationSpec) => number, name: string): Promise<string[]> => {
      const fake = new FakeEvaluator(1, profit);
      await run(o, fake, join(dir, name));
      return fake.seen.filter((s) => !isTest(s)).map((s) => JSON.stringify(s.params));
    };
    const plain = await tried(peak, "a");
    const other = await tried((s) => (isTest(s) ? -100 * peak(s) : peak(s)), "b");
    const firstTwo = (all: string[]): Set<string> => new Set(all.slice(0, -2));
    expect(firstTwo(other)).toEqual(firstTwo(plain));
    // Canary: training time does steer it.
    const steered = await tried((s) => (isTest(s) ? peak(s) : -peak(s)), "c");
    expect(firstTwo(steered)).not.toEqual(firstTwo(plain));
  });

  test("a restart continues: nothing is computed twice, and the report is the same", async () => {
    const whole = await run(options(), new FakeEvaluator(1), join(dir, "whole"));
    const total = new ResultsFile(join(dir, "whole"));
    const file = join(dir, "parts");
    const keys: string[] = [];
    let report: string | undefined;
    for (let attempt = 0; report === undefined; attempt++) {
      const fake = new FakeEvaluator(attempt);
      fake.failAfter = 17;
      try {
        report = await run(options(), fake, file);
      } catch (error) {
        expect((error as Error).message).toBe("out of memory");
      }
      keys.push(...fake.seen.map(keyOf));
      expect(attempt).toBeLessThan(20);
    }
    expect(report).toBe(whole);
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys).toHaveLength(total.size);
    total.close();
    const idle = new FakeEvaluator(1);
    idle.failAfter = 0;
    expect(await run(options(), idle, file)).toBe(whole);
  });

  test("where the unchanged configuration wins, its hold-out runs once", async () => {
    const fake = new FakeEvaluator(1, (s) => -Object.keys(s.params).length);
    const report = JSON.parse(await run(options(), fake)) as {
      winner: number;
      holdout: { unchanged: object };
    };
    expect(report.winner).toBe(0);
    expect(report.holdout.unchanged).toMatchObject({ objective: 0 });
    const keys = fake.seen.map(keyOf);
    expect(new Set(keys).size).toBe(keys.length);
  });

  test("other code, fees, tape or seed: results are not reused", async () => {
    const file = join(dir, "results.jsonl");
    const small = { trials: 2, search: "random" as const };
    await run(options(small), new FakeEvaluator(1), file);
    for (const more of [
      { code: "0ther" },
      { fees: { makerBps: 0, takerBps: 0 } },
      { tapes: [{ sha256: "cd", bytes: 1 }] },
      { equityUsd: 1 },
    ]) {
      const fake = new FakeEvaluator(1);
      await run(options({ ...small, ...more }), fake, file);
      expect(fake.seen.length).toBeGreaterThan(9);
    }
  });

  test("values that the configuration refuses, or that cannot trade, are candidates without a score", async () => {
    const o = options({
      search: "grid",
      space: [
        parseParam("strategy.ladder_config.min_depth_bps=5,60"),
        parseParam("trading.risk_aversion=0.2,0.95"),
      ],
    });
    const report = JSON.parse(await run(o, new FakeEvaluator(1))) as { candidates: { error?: string }[] };
    const errors = report.candidates.map((c) => c.error);
    expect(errors.filter((e) => e === "cannot trade")).toHaveLength(1);
    expect(errors.filter((e) => e?.includes("min_depth_bps is greater"))).toHaveLength(2);
    expect(errors.filter((e) => e === undefined)).toHaveLength(2);
  });

  test("a space of few values ends when all were tried", async () => {
    const fake = new FakeEvaluator(1);
    const o = options({ space: [parseParam("trading.risk_aversion=0.1,0.2,0.4")], trials: 50 });
    const report = JSON.parse(await run(o, fake)) as { trials: number };
    expect(report.trials).toBe(3);
  });

  test("table, CSV and page name the winner; nothing in them is fetched from elsewhere", async () => {
    const o = options({ trials: 14 });
    const results = new ResultsFile(join(dir, "r"));
    const report = reportOf(o, ["tape"], await runSweep(o, new FakeEvaluator(1), results));
    results.close();
    expect(toTable(report)).toMatch(/winner +\d+: trading\.risk_aversion = /);
    expect(toTable(report)).toMatch(/result +hold-out, seen by no choice/);
    const rows = toCsv(report).trim().split("\n");
    expect(rows).toHaveLength(16);
    expect(new Set(rows.map((row) => row.replaceAll(/"[^"]*"/g, "").split(",").length)).size).toBe(1);
    expect(rows.filter((row) => row.split(",")[2] === "true")).toHaveLength(1);
    const html = toHtml(report);
    expect(html.match(/<svg/g)).toHaveLength(4);
    expect(html).not.toMatch(/https?:|NaN|Infinity|undefined/);
    expect(() => JSON.parse(toJson(report))).not.toThrow();
  });
});

describe("results file", () => {
  const spec = (seed: number): EvaluationSpec =>
    ({ params: { seed }, fromMs: 0, toMs: 1 }) as unknown as EvaluationSpec;
  const outcome = (error: string): Outcome => ({ ok: false, error });

  test("cut anywhere, it keeps every whole line and takes new ones", () => {
    const path = join(dir, "r.jsonl");
    const first = new ResultsFile(path);
    for (let i = 0; i < 5; i++) first.add(`k${i}`, spec(i), outcome(`e${i}`));
    first.close();
    const bytes = readFileSync(path);
    const rng = new Rng(8);
    for (let n = 0; n < 60; n++) {
      const cut = rng.below(bytes.length + 1);
      writeFileSync(path, bytes.subarray(0, cut));
      const whole = bytes.subarray(0, cut).toString().split("\n").slice(0, -1).length;
      const file = new ResultsFile(path);
      // The last line counts without its line feed when all of it is there.
      expect([whole, whole + 1]).toContain(file.size);
      file.add("new", spec(9), outcome("later"));
      file.close();
      const again = new ResultsFile(path);
      expect(again.size).toBe(file.size);
      expect(again.get("new")).toEqual(outcome("later"));
      again.close();
    }
  });

  test("a damaged line is counted and not believed", () => {
    const path = join(dir, "r.jsonl");
    const first = new ResultsFile(path);
    first.add("a", spec(1), outcome("one"));
    first.add("b", spec(2), outcome("two"));
    first.close();
    writeFileSync(path, readFileSync(path, "utf8").replace('"one"', '"uno"'));
    appendFileSync(path, "garbage\n");
    const file = new ResultsFile(path);
    expect(file.damagedLines).toBe(2);
    expect(file.get("a")).toBeUndefined();
    expect(file.get("b")).toEqual(outcome("two"));
    file.close();
  });
});

describe("real evaluations", () => {
  let bench: SweepBench;
  beforeAll(() => {
    bench = new SweepBench();
  });
  afterAll(() => bench.dispose());

  test("one specification gives one journal, in whichever thread and after whatever else", async () => {
    const base = configSchema.parse({});
    const { code, tapes, coin, fees, latency, queue, equityUsd, seed } = options();
    const spec = (minDepthBps: number, part: number): EvaluationSpec => ({
      ...{ code, tapes, coin, fees, latency, queue, equityUsd, seed },
      config: base,
      params: { "strategy.ladder_config.min_depth_bps": minDepthBps },
      fromMs: Date.UTC(2026, 0, 5, 10, 0, 30 * part),
      toMs: Date.UTC(2026, 0, 5, 10, 0, 30 * (part + 1)),
    });
    const specs = [spec(1, 0), spec(2, 1), spec(1, 0), spec(1, 1), spec(1, 0)];
    const pool = new EvaluationPool(2, () => [bench.tape]);
    try {
      const outcomes = await Promise.all(specs.map((s) => pool.evaluate(s)));
      const journals = outcomes.map((o) => (o.ok ? o.metrics.journalSha256 : o.error));
      expect(journals[2]).toBe(journals[0]);
      expect(journals[4]).toBe(journals[0]);
      expect(new Set(journals).size).toBe(3);
      expect(outcomes.every((o) => o.ok && o.metrics.fills > 0)).toBe(true);
    } finally {
      await pool.close();
    }
  });

  test("killed at random points and started again, the command ends with the same report", async () => {
    const whole = bench.start(bench.sweepArgs("whole"));
    expect(await whole.exit, whole.stderr).toBe(0);
    expect(whole.stdout).toMatch(/winner/);
    const seed = Number(process.env["MM_KILL_SEED"] ?? 12);
    const rng = new Rng(seed);
    let code: number | null = null;
    let kills = 0;
    for (let attempt = 0; code === null; attempt++) {
      expect(attempt, `MM_KILL_SEED=${seed}`).toBeLessThan(40);
      const run = bench.start(bench.sweepArgs("killed"));
      // In the middle of whatever comes soon after a few more results.
      const more = 1 + rng.below(10);
      const delayMs = rng.below(60);
      const before = bench.results("killed").length;
      const watch = setInterval(() => {
        if (bench.results("killed").length < before + more) return;
        clearInterval(watch);
        setTimeout(() => run.child.kill("SIGKILL"), delayMs);
      }, 5);
      code = await run.exit;
      clearInterval(watch);
      if (code === null) kills++;
      else expect(code, run.stderr).toBe(0);
    }
    expect(kills).toBeGreaterThan(0);
    expect(bench.report("killed")).toEqual(bench.report("whole"));
    const keys = bench.results("killed");
    expect(new Set(keys).size).toBe(keys.length);
    expect(new Set(keys)).toEqual(new Set(bench.results("whole")));
  }, 120_000);

  test("a misspelt option, an unknown figure and a short tape are refused in one line", async () => {
    const cases: [string[], RegExp][] = [
      [["--param", "trading.risk=1,2"], /^error: parameter trading\.risk: no option/],
      [["--objective", "profit"], /^error: objective "profit": "profit" is none of/],
      [["--folds", "60"], /^error: .* fewer folds/],
    ];
    const runs = cases.map(([more]) => bench.start(bench.sweepArgs("refused", ...more)));
    for (const [i, run] of runs.entries()) {
      expect(await run.exit).toBe(1);
      expect(run.stderr).toMatch(cases[i]![1]);
      expect(run.stderr.trim().split("\n")).toHaveLength(1);
    }
  });
});
