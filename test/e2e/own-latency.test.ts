import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { writeTape } from "../backtest/tapes.js";
import { Program } from "./program.js";

const dir = mkdtempSync(join(tmpdir(), "mm-own-e2e-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const own = join(dir, "own.mmt");
writeTape(own, {
  seconds: 60,
  seed: 7,
  own: [
    { sentNs: 2e9, exchNs: 2.02e9, heardNs: 2.03e9 },
    { sentNs: 52e9, exchNs: 52.1e9, heardNs: 52.15e9 },
  ],
});
const none = join(dir, "none.mmt");
writeTape(none, { seconds: 60, seed: 7 });

const backtest = async (tape: string, ...more: string[]) => {
  const summary = join(dir, "summary.json");
  const { code, out } = await new Program([
    ...["backtest", "--tape", tape, "--feed-latency", "tape:0", "--summary", summary, ...more],
  ]).finished;
  return { code, out, summary: () => JSON.parse(readFileSync(summary, "utf8")) as Record<string, unknown> };
};

describe("backtest --order-latency", () => {
  test("tape: what the tape's own orders took, and a file that says the same gives the same journal", {
    timeout: 60_000,
  }, async () => {
    const t = Date.UTC(2026, 0, 5, 10, 0);
    const there = join(dir, "there.csv");
    const back = join(dir, "back.csv");
    writeFileSync(there, `time,ms\n${t + 2_000},20\n${t + 52_000},100\n`);
    writeFileSync(back, `time,ms\n${t + 2_020},10\n${t + 52_100},50\n`);
    const ofTape = await backtest(own, "--order-latency", "tape", "--ack-latency", "tape");
    expect(ofTape.code, ofTape.out).toBe(0);
    const a = ofTape.summary();
    expect(a["latency"]).toMatchObject({ order: { kind: "tape", plusMs: 0 }, ack: { kind: "tape" } });
    const ofFile = await backtest(
      own,
      ...["--order-latency", `recorded:${there}`, "--ack-latency", `recorded:${back}`],
    );
    expect(ofFile.code, ofFile.out).toBe(0);
    expect(ofFile.summary()["journalSha256"]).toBe(a["journalSha256"]);
    const other = await backtest(own, "--order-latency", "60", "--ack-latency", "30");
    expect(other.summary()["journalSha256"]).not.toBe(a["journalSha256"]);
  });

  test("tape, of a tape without own orders: one line that says what to do", { timeout: 30_000 }, async () => {
    const { code, out } = await backtest(none, "--order-latency", "tape");
    expect(code).toBe(1);
    expect(out).toMatch(/^error: latency "tape": \S+none\.mmt holds no order of its own .*run --record/m);
  });
});
