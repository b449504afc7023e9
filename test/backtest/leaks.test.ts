import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { leakTests, pairedGain } from "../../src/backtest/leaks.js";
import type { Badge } from "../../src/backtest/report/index.js";
import { type BacktestOptions, type BacktestResult, runBacktest } from "../../src/backtest/run.js";
import { configSchema } from "../../src/config/index.js";
import { runOf } from "./made-run.js";
import { writeTape } from "./tapes.js";

let dir: string;
let backtest: BacktestOptions;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "mm-leaks-"));
  const path = join(dir, "a.mmt");
  writeTape(path, { seconds: 90, seed: 3 });
  const config = configSchema.parse({
    trading: { asset: "BTC" },
    strategy: { min_trades: 5, warmup_decay_secs: 0 },
  });
  backtest = { tapes: [path], config, seed: 1 };
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const find = (badges: readonly Badge[], id: string): Badge => badges.find((b) => b.id === id)!;
const QUICK = { cuts: [0.6], moreLatencyMs: [200] };

describe("leak tests of the real engine", () => {
  test("an honest run passes what can be proved, with figures", async () => {
    const steps: string[] = [];
    const badges = await leakTests({
      backtest,
      ...QUICK,
      onProgress: (done, of, what) => steps.push(`${done}/${of} ${what}`),
    });
    expect(badges.map((b) => b.id)).toEqual([
      "determinism",
      "truncated-future",
      "time-shift",
      "more-latency",
      "higher-fees",
    ]);
    for (const id of ["determinism", "truncated-future", "higher-fees"])
      expect(find(badges, id), id).toMatchObject({ status: "pass" });
    for (const id of ["time-shift", "more-latency"]) expect(find(badges, id).status).not.toBe("fail");
    expect(find(badges, "truncated-future").detail).toMatch(/same to the byte \([1-9]\d* records\)/);
    expect(badges.every((b) => b.figures.length > 0)).toBe(true);
    expect(steps[0]).toBe("0/8 the run itself");
    expect(steps).toHaveLength(8);
  });

  test("an engine that is handed records before they happen fails the truncated future", async () => {
    const badges = await leakTests({ backtest: { ...backtest, shiftMs: -2000 }, ...QUICK });
    expect(find(badges, "truncated-future")).toMatchObject({ status: "fail" });
    expect(find(badges, "truncated-future").detail).toMatch(/first difference [\d.]+ s into the tape/);
  });

  test("an engine that is told the fee it is charged, though its quotes are pinned, fails higher fees", async () => {
    const badges = await leakTests({
      backtest,
      ...QUICK,
      run: ({ quotedMakerBps: _pinned, ...o }) => runBacktest(o),
    });
    expect(find(badges, "higher-fees")).toMatchObject({ status: "fail" });
  });
});

/** Runs made by hand: what each change of the options does is the test's to say. */
async function judge(result: (o: BacktestOptions) => BacktestResult): Promise<readonly Badge[]> {
  return await leakTests({ backtest, ...QUICK, run: async (o) => result(o) });
}
const isLater = (o: BacktestOptions): boolean => (o.shiftMs ?? 0) > 0;
const isEarly = (o: BacktestOptions): boolean => (o.shiftMs ?? 0) < 0;

/** The made run with `usd` more profit, gained evenly, and noise of its own that is `noise` large. */
function earning(usd: number, noise = 0): BacktestResult {
  const { series, summary } = runOf();
  const n = series.tMs.length;
  const equityUsd = series.equityUsd.map((e, i) => e + (usd * i) / n + noise * Math.sin(i * 1.7));
  return { series: { ...series, equityUsd }, summary: { ...summary, netPnlUsd: summary.netPnlUsd + usd } };
}

describe("verdicts", () => {
  test("two journals from one run fail", async () => {
    let calls = 0;
    const badges = await judge(() => {
      const run = earning(0);
      return { ...run, summary: { ...run.summary, journalSha256: `${calls++}`.repeat(64) } };
    });
    expect(find(badges, "determinism").status).toBe("fail");
  });

  test("later data that pays far beyond chance fails, a little is a warning, less passes", async () => {
    const shift = async (usd: number): Promise<string> =>
      find(await judge((o) => (isLater(o) ? earning(usd, 1) : earning(isEarly(o) ? 1 : 0))), "time-shift")
        .status;
    const { errorUsd } = pairedGain(earning(0), earning(0, 1));
    expect(await shift(-errorUsd)).toBe("pass");
    expect(await shift(errorUsd / 2)).toBe("pass");
    expect(await shift(errorUsd * 2)).toBe("warn");
    expect(await shift(errorUsd * 10)).toBe("fail");
  });

  test("a look into the future that costs money says that the test is blind here", async () => {
    const badges = await judge((o) => earning(isEarly(o) ? -1 : 0));
    expect(find(badges, "time-shift")).toMatchObject({ status: "warn" });
    expect(find(badges, "time-shift").detail).toMatch(/too short or too quiet/);
  });

  test("more latency that pays fails", async () => {
    const isSlow = (o: BacktestOptions): boolean => o.latency !== undefined && o.shiftMs === undefined;
    const badges = await judge((o) => earning(isSlow(o) ? 500 : 0, isSlow(o) ? 1 : 0));
    expect(find(badges, "more-latency").status).toBe("fail");
    expect(find(await judge((o) => earning(isSlow(o) ? -5 : 0)), "more-latency").status).toBe("pass");
  });

  test("a slower run that the kill switch ended is not compared", async () => {
    const badges = await judge((o) => {
      const run = earning(o.latency === undefined ? 0 : 500);
      return o.latency === undefined ? run : { ...run, summary: { ...run.summary, killReason: "loss" } };
    });
    expect(find(badges, "more-latency")).toMatchObject({ status: "none" });
  });

  test("a fee that is not taken from the profit in full fails", async () => {
    const short = await judge(() => earning(0));
    expect(find(short, "higher-fees")).toMatchObject({ status: "fail" });
    const volumeUsd = runOf().series.fills.reduce((sum, f) => sum + f.px * f.sz, 0);
    const full = await judge((o) => earning(o.quotedMakerBps === undefined ? 0 : -volumeUsd / 1e4));
    expect(find(full, "higher-fees")).toMatchObject({ status: "pass" });
  });

  test("without a fill there is nothing to compare, and that is said", async () => {
    const badges = await judge(() => runOf({ fills: 0 }));
    for (const id of ["time-shift", "more-latency", "higher-fees"])
      expect(find(badges, id)).toMatchObject({ status: "none", detail: expect.stringMatching(/No fills/) });
  });
});
