import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { FittedModels, RunReconciliation } from "../../src/backtest/index.js";
import { type ReplayOptions, replayJournal } from "../../src/engine/replay.js";
import { findRunJournal, JournalKind, JournalReader } from "../../src/store/index.js";
import { Program, type Workspace, workspace } from "./program.js";

const FAULTS = [
  "delay:rate=0.05,ms=20..300",
  "loss:rate=0.05,stream=private",
  "loss:rate=0.05,stream=post",
  "duplicate:rate=0.08",
  "reorder:rate=0.05,ms=20..150",
  "disconnect:rate=0.01,ms=0..300,count=2",
  "http5xx:rate=0.05,action=exchange",
  "reject:rate=0.05",
  "crossedBook:rate=0.01",
  "partialFills:rate=0.3",
].flatMap((rule) => ["--fault", rule]);

const journalOf = (w: Workspace) => findRunJournal(join(w.dir, "data", "journal"));

async function recorded(...more: string[]): Promise<Workspace> {
  const w = await workspace();
  const { code, out } = await new Program(w.args("--duration", "8", "--seed", "5", ...more)).finished;
  expect(code, out).toBe(0);
  return w;
}

describe.concurrent("runs that ended otherwise", () => {
  test("by the kill switch: the way out is played again too", { timeout: 60_000 }, async () => {
    const w = await workspace();
    const file = join(w.dir, "strict.toml");
    writeFileSync(file, "[risk]\nmax_drawdown_pct = 0.0000001\n");
    const args = w.args("--duration", "20", "--seed", "12", "--asset", "BTC,ETH", "--config", file);
    const { code, out } = await new Program(args).finished;
    expect(code, out).toBe(1);
    expect(w.summary()["killReason"]).not.toBeNull();
    const report = await replayJournal({ journal: journalOf(w) });
    expect(report).toMatchObject({ isIdentical: true, divergence: undefined, gaps: [], strays: 0 });
  });

  test("on paper: the exchange in the process is played again with the market", {
    timeout: 60_000,
  }, async () => {
    const w = await workspace();
    const venue = new Program(["sim", "--port", String(w.port), "--seed", "3", "--asset", "BTC"]);
    try {
      await venue.seen(/simulated exchange on http/);
      const { code, out } = await new Program(w.args("--paper", "--duration", "8", "--asset", "BTC"))
        .finished;
      expect(code, out).toBe(0);
      const report = await replayJournal({ journal: journalOf(w) });
      expect(report).toMatchObject({ isIdentical: true, divergence: undefined, gaps: [], strays: 0 });
      expect(report.outbound).toBeGreaterThan(5);
      expect(report.laddersCompared).toBe(report.ladders);

      // What its exchange assumed is known; the run is compared with its backtest under just that.
      const journal = join(w.dir, "data", "journal");
      const file = join(w.dir, "fitted.json");
      const fit = await new Program(["fit", journal, "--out", file]).finished;
      expect(fit.code, fit.out).toBe(0);
      expect(fit.out).toMatch(/order latency: log-normal, median 40 ms, sigma 0.4, assumed by the paper run/);
      expect((JSON.parse(readFileSync(file, "utf8")) as FittedModels).assumed?.ack).toEqual({
        ...{ kind: "lognormal", medianMs: 20, sigma: 0.4 },
      });
      const compared = await new Program(["reconcile", journal, "--json"]).finished;
      expect(compared.code, compared.out).toBe(0);
      const { markets, notes, assumptions } = JSON.parse(compared.out) as RunReconciliation;
      expect(assumptions[0]).toMatch(/^a paper run: queue and latencies are those that its exchange assumed/);
      expect(notes).toEqual([]);
      expect(markets[0]!.liveFills).toBe(w.summary()["fills"]);
    } finally {
      venue.child.kill("SIGTERM");
      await venue.finished;
    }
  });

  test("by SIGKILL: up to the last tick, and it says so", { timeout: 60_000 }, async () => {
    const w = await workspace();
    const venue = new Program(["sim", "--port", String(w.port), "--seed", "3", "--asset", "BTC"]);
    try {
      await venue.seen(/simulated exchange on http/);
      const run = new Program(w.args("--duration", "60", "--asset", "BTC"));
      await run.seen(/Fill processed/);
      run.child.kill("SIGKILL");
      await run.finished;
      const report = await replayJournal({ journal: journalOf(w) });
      expect(report).toMatchObject({ isIdentical: true, divergence: undefined });
      expect(report.outbound).toBeGreaterThan(5);
      expect(report.gaps.join()).toMatch(/not closed in order/);
    } finally {
      venue.child.kill("SIGTERM");
      await venue.finished;
    }
  });
});

describe("a recorded run through this build", () => {
  let calm: Workspace;
  let rough: Workspace;
  beforeAll(async () => {
    calm = await recorded("--asset", "BTC");
    rough = await recorded("--asset", "BTC,ETH", "--threads", "2", "--standby", ...FAULTS);
  }, 90_000);
  const replay = (w: Workspace, more: Partial<ReplayOptions> = {}) =>
    replayJournal({ journal: journalOf(w), ...more });

  test("sends the same bytes and computes the same ladders", async () => {
    const report = await replay(calm);
    expect(report).toMatchObject({ isIdentical: true, divergence: undefined, gaps: [], strays: 0 });
    expect(report.outbound).toBeGreaterThan(10);
    expect(report.laddersCompared).toBe(report.ladders);
    expect(report.ladders).toBeGreaterThan(30);
  });

  test("so does one in which everything went wrong, with two kernels and a standby connection", async () => {
    const report = await replay(rough);
    expect(report).toMatchObject({ isIdentical: true, divergence: undefined, gaps: [], strays: 0 });
    expect(report.laddersCompared).toBe(report.ladders);
  });

  test("the command says so and ends with 0", async () => {
    const { code, out } = await new Program(["replay", join(calm.dir, "data", "journal")]).finished;
    expect(code, out).toBe(0);
    expect(out).toMatch(/^run-\S+: identical \(\d+ turns, \d+ messages sent/);
  });

  test("another requote threshold shows its first other message, and what came before", async () => {
    const { divergence: d } = await replay(calm, {
      change: (s) => ({
        ...s,
        plan: { ...s.plan, assets: s.plan.assets.map((a) => ({ ...a, maxBpsDiff: 0 })) },
      }),
    });
    expect(d?.where).toBe("executor");
    expect(d!.event).toMatch(/ladder of BTC #\d+ fair/);
    expect(d!.expected === d!.got).toBe(false);
    expect(d!.before.length).toBeGreaterThan(0);
    // It is the first: everything sent until then is what the journal holds.
    const sentBefore = [...new JournalReader(journalOf(calm).threads.get("main")!)].filter(
      (r) => r.kind === JournalKind.OutboundBytes && r.monoNs < d!.monoNs,
    );
    expect(sentBefore.length).toBeGreaterThan(0);
  });

  test("another risk aversion shows in the first ladder", async () => {
    const { divergence: d } = await replay(calm, {
      change: (s) => ({
        ...s,
        plan: {
          ...s.plan,
          params: s.plan.params.map((p) => ({ ...p, gammaPerBps: p.gammaPerBps * 1.01 })),
        },
      }),
    });
    expect(d?.where).toBe("kernel");
    expect(d!.event).toMatch(/ladder \d+ of BTC/);
    expect(d!.before.at(-1)).toMatch(/frame \{"channel"/);
  });

  test("damage in the journal ends the replay where it is, and is told", async () => {
    const { threads, dir, runId } = journalOf(calm);
    const file = threads.get("main")!.at(-1)!;
    const whole = readFileSync(file);
    // A journal is checksummed: a flipped byte ends the reading, and is told as a run that was not closed.
    const copy = Buffer.from(whole);
    copy[Math.floor(copy.length / 2)]! ^= 1;
    writeFileSync(file, copy);
    try {
      const report = await replay(calm);
      expect(report.isIdentical).toBe(true);
      expect(report.gaps.join()).toMatch(/not closed in order/);
    } finally {
      writeFileSync(file, whole);
    }
    expect(readdirSync(dir).filter((f) => f.startsWith(runId)).length).toBeGreaterThan(1);
  });

  test("and its backtest on its own market data explain each other to the last cent", async () => {
    const { code, out } = await new Program(["reconcile", join(calm.dir, "data", "journal"), "--json"])
      .finished;
    expect(code, out).toBe(0);
    const { markets } = JSON.parse(out) as RunReconciliation;
    const { pnl: p, liveFills, matchedShare, lines } = markets[0]!;
    expect(liveFills).toBe(calm.summary()["fills"]);
    expect(p.missedUsd + p.extraUsd + p.priceUsd + p.latencyUsd + p.feesUsd + p.fundingUsd).toBeCloseTo(
      p.gapUsd,
      9,
    );
    // The venue stamps whole milliseconds, fills and records alike: one moment is told the same by both, to the microsecond.
    for (const { liveMs, backtestMs } of lines) {
      const awayMs = liveMs === null || backtestMs === null ? 0 : Math.abs(liveMs - backtestMs);
      if (awayMs < 0.999) expect(awayMs).toBeLessThan(0.001);
    }
    // A handful of fills in real time, whose share that matches is chance; on a virtual clock all of them do (backtest/paper.test.ts).
    if (liveFills >= 8) expect(matchedShare).toBeGreaterThan(0);
  });

  test("becomes a tape, with its own orders, which a backtest takes its latencies from", async () => {
    const journal = join(calm.dir, "data", "journal");
    const tape = join(calm.dir, "run.mmt");
    const made = await new Program(["tape", "convert", journal, tape, "--json"]).finished;
    expect(made.code, made.out).toBe(0);
    const { records, ownRecords } = JSON.parse(made.out) as { records: number; ownRecords: number };
    expect(records).toBeGreaterThan(100);
    expect(ownRecords).toBeGreaterThan(10);
    const info = await new Program(["tape", "verify", tape]).finished;
    expect(info.code, info.out).toBe(0);
    const words = ["--order-latency", "tape", "--ack-latency", "tape", "--summary", join(calm.dir, "b.json")];
    const tested = await new Program(["backtest", "--tape", tape, ...words]).finished;
    expect(tested.code, tested.out).toBe(0);
    const ofTape = JSON.parse(readFileSync(join(calm.dir, "b.json"), "utf8")) as { journalSha256: string };
    // The journal itself is as good.
    const direct = await new Program(["backtest", "--tape", journal, ...words]).finished;
    expect(direct.code, direct.out).toBe(0);
    expect(direct.out).toContain(ofTape.journalSha256);
  });

  test("is refused where a tape is wanted, with what to do", async () => {
    const journal = join(calm.dir, "data", "journal");
    const info = await new Program(["tape", "info", journal]).finished;
    expect(info.code).toBe(1);
    expect(info.out).toMatch(
      /^error: \S+ is a run's journal: make a tape .* `market-maker tape convert \S+ run\.mmt`/m,
    );
    const odd = await new Program(["tape", "convert", journal, join(calm.dir, "o.mmt"), "--sz-decimals", "3"])
      .finished;
    expect(odd.code).toBe(1);
    expect(odd.out).toMatch(/^error: tape convert: a journal's markets and grid .*leave out --sz-decimals/m);
  });

  test("no secret is in the journal", () => {
    const { threads } = journalOf(calm);
    for (const file of [...threads.values()].flat())
      expect(readFileSync(file).includes("private_key")).toBe(false);
  });
});
