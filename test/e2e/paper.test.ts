import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as abi from "../../src/abi/layout.js";
import { RecordCursor, TapeFileReader } from "../../src/store/index.js";
import { freePort, Program, type Workspace, workspace } from "./program.js";

let port: number;
let sim: Program;

beforeAll(async () => {
  port = await freePort();
  sim = new Program(["sim", "--port", String(port), "--asset", "BTC,hyna:BTC", "--seed", "11"]);
  await sim.seen(/exchange on http/);
}, 30_000);
afterAll(async () => {
  sim.child.kill("SIGTERM");
  await sim.finished;
});

interface OwnOrderRow {
  readonly event: string;
  readonly exchNs: bigint;
  readonly recvNs: number;
  readonly causeNs: number;
  readonly decidedNs: number;
  readonly sentNs: number;
  readonly sz: number;
  readonly cloid: string;
}

/** Own orders of a closed tape; market records are counted. */
function readTape(dir: string): { readonly own: OwnOrderRow[]; readonly market: number } {
  const own: OwnOrderRow[] = [];
  let market = 0;
  for (const file of readdirSync(dir).sort()) {
    const reader = new TapeFileReader(join(dir, file));
    expect(reader.isClosed, file).toBe(true);
    const cursor = new RecordCursor();
    for (let block = reader.nextBlock(); block !== undefined; block = reader.nextBlock()) {
      cursor.load(block);
      while (cursor.next()) {
        if (cursor.kind !== abi.RecordKind.OwnOrder) {
          market++;
          continue;
        }
        const f64 = (field: number): number => block.f64[(cursor.at + field) >> 3]!;
        const u64 = (field: number): bigint => BigInt.asUintN(64, block.i64[(cursor.at + field) >> 3]!);
        const hex = (field: number): string => u64(field).toString(16).padStart(16, "0");
        own.push({
          event: abi.OwnOrderEventName.get(block.u8[cursor.at + abi.OWN_ORDER_EVENT]! as abi.OwnOrderEvent)!,
          exchNs: u64(abi.OWN_ORDER_EXCH_TS_NS),
          recvNs: f64(abi.OWN_ORDER_RECV_MONO_NS),
          causeNs: f64(abi.OWN_ORDER_CAUSE_MONO_NS),
          decidedNs: f64(abi.OWN_ORDER_DECIDED_MONO_NS),
          sentNs: f64(abi.OWN_ORDER_SENT_MONO_NS),
          sz: f64(abi.OWN_ORDER_SZ),
          cloid: `${hex(abi.OWN_ORDER_CLOID_HI)}${hex(abi.OWN_ORDER_CLOID_LO)}`,
        });
      }
    }
    reader.close();
  }
  return { own, market };
}

const ours = (w: Workspace, ...more: string[]): string[] => [
  ...["run", "--network", "localhost", "--port", String(port), "--data-dir", join(w.dir, "data")],
  ...["--summary", w.summaryPath, "--log-format", "json", "--record", join(w.dir, "tapes"), ...more],
];

/** The stamps of every request stand in the order in which things happened. */
function checkOwn(own: readonly OwnOrderRow[], fills: unknown): void {
  const of = (event: string): OwnOrderRow[] => own.filter((r) => r.event === event);
  expect(of("Place").length).toBeGreaterThan(0);
  for (const p of [...of("Place"), ...of("Modify")]) {
    expect(p.cloid).toMatch(/^6d6d6b72/);
    expect(p.decidedNs).toBeGreaterThan(0);
    expect(p.sentNs).toBeGreaterThanOrEqual(p.decidedNs);
    expect(p.recvNs).toBe(p.sentNs);
    expect(p.causeNs).toBeLessThanOrEqual(p.decidedNs);
  }
  // What a quote is for: market data led to at least one of them.
  expect(of("Place").some((p) => p.causeNs > 0)).toBe(true);
  for (const r of of("Resting")) expect(r.recvNs).toBeGreaterThanOrEqual(r.sentNs);
  expect(of("Resting").some((r) => r.exchNs > 0n)).toBe(true);
  expect(of("Cancelled").length).toBeGreaterThan(0);
  expect(of("Fill")).toHaveLength(fills as number);
  for (const f of of("Fill")) expect(f.exchNs).toBeGreaterThan(0n);
}

describe("paper trading", () => {
  test("trades the live market with play money; its tape backtests to like fills", {
    timeout: 90_000,
  }, async () => {
    const w = await workspace();
    const metricsPort = await freePort();
    const zero = ["--feed-latency", "0", "--order-latency", "0", "--ack-latency", "0"];
    const run = new Program(
      ours(
        w,
        "--asset",
        "BTC",
        "--paper",
        "--paper-equity",
        "50000",
        "--duration",
        "25",
        ...zero,
        "--metrics-port",
        String(metricsPort),
      ),
    );
    await run.seen(/Parameter estimation warmed up/);
    const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    expect(metrics).toMatch(/^mm_paper 1$/m);
    expect(metrics).toMatch(/^mm_tape_records_total [1-9]/m);
    expect(metrics).toMatch(/^mm_tape_file_info\{file=".*tapes.*\.mmt"\} 1$/m);
    for (const channel of ["book", "trades", "orders"])
      expect(metrics).toMatch(
        new RegExp(`^mm_tape_channel_records_total\\{asset="BTC",channel="${channel}"\\} [1-9]`, "m"),
      );
    const { code, out } = await run.finished;
    expect(code, out).toBe(0);
    const s = w.summary();
    expect(s["isPaper"]).toBe(true);
    expect(s["restingOrdersAtExit"]).toBe(0);
    expect(s["auditDifferences"]).toBe(0);
    expect(s["fills"]).toBeGreaterThan(0);
    expect(out).toContain("Paper trading: play money");
    expect(out).toContain('"accountValueUsd":50000');
    // Nothing of it reached the venue.
    const stats = (await (
      await fetch(`http://127.0.0.1:${port}/info`, {
        method: "POST",
        body: JSON.stringify({ type: "clearinghouseState", user: s["account"] }),
      })
    ).json()) as { marginSummary: { accountValue: string } };
    expect(Number(stats.marginSummary.accountValue)).toBe(0);

    const tapes = join(w.dir, "tapes");
    const { own, market } = readTape(tapes);
    expect(market).toBeGreaterThan(100);
    checkOwn(own, s["fills"]);
    const summary = join(w.dir, "backtest.json");
    const tested = await new Program([
      "backtest",
      "--tape",
      tapes,
      "--zero-latency",
      "--equity",
      "50000",
      "--summary",
      summary,
    ]).finished;
    expect(tested.code, tested.out).toBe(0);
    const b = JSON.parse(readFileSync(summary, "utf8")) as { fills: number };
    // Real time moves a requote by a millisecond here and there: alike, not equal (equal on a clock: test/backtest/paper.test.ts).
    const fills = s["fills"] as number;
    expect(Math.abs(b.fills - fills)).toBeLessThanOrEqual(Math.max(4, fills));
    rmSync(w.dir, { recursive: true, force: true });
  });

  test("on a builder-deployed DEX: its collateral, its fees; SIGINT ends it in order", {
    timeout: 60_000,
  }, async () => {
    const w = await workspace();
    const run = new Program(ours(w, "--asset", "BTC,hyna:BTC", "--paper", "--metrics-port", "0"));
    await run.seen(/"message":"Quoting"[\s\S]*"message":"Quoting"/);
    run.child.kill("SIGINT");
    const { code, out } = await run.finished;
    expect(code, out).toBe(0);
    expect(w.summary()["restingOrdersAtExit"]).toBe(0);
    expect(out).toContain('"accountValueUsd":200000');
    const { own } = readTape(join(w.dir, "tapes"));
    expect(own.length).toBeGreaterThan(0);
    rmSync(w.dir, { recursive: true, force: true });
  });

  test("refuses a feed latency that no real feed has", { timeout: 20_000 }, async () => {
    const w = await workspace();
    const { code, out } = await new Program(ours(w, "--paper", "--feed-latency", "30")).finished;
    expect(code).toBe(1);
    expect(out).toMatch(/^error: --feed-latency 30: on paper the feed is real/m);
  });
});

describe("a live run", () => {
  test("writes the same tape, with its own orders", { timeout: 60_000 }, async () => {
    const w = await workspace();
    const run = new Program(ours(w, "--asset", "BTC", "--duration", "12", "--metrics-port", "0"));
    const { code, out } = await run.finished;
    expect(code, out).toBe(0);
    const s = w.summary();
    expect(s["isPaper"]).toBe(false);
    const { own, market } = readTape(join(w.dir, "tapes"));
    expect(market).toBeGreaterThan(100);
    checkOwn(own, s["fills"]);
    expect((s["tape"] as { lost: number }).lost).toBe(0);
    rmSync(w.dir, { recursive: true, force: true });
  });
});
