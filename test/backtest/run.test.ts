import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BBO_ASK_PX, BBO_BID_PX, BOOK_ASKS, BOOK_BIDS, RecordKind } from "../../src/abi/layout.js";
import { type BacktestOptions, runBacktest, ZERO_LATENCY } from "../../src/backtest/index.js";
import { MARKOUT_MS } from "../../src/backtest/series.js";
import { configSchema } from "../../src/config/schema.js";
import { JournalReader, listJournals, RecordCursor, TapeFileReader } from "../../src/store/index.js";
import { BASE_MS, writeTape } from "./tapes.js";

let dir: string;
let path: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "mm-backtest-"));
  path = join(dir, "walk.mmt");
  writeTape(path, { seconds: 180, seed: 7 });
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const config = configSchema.parse({ strategy: { ladder_config: { min_depth_bps: 1 } } });
const options = (more: Partial<BacktestOptions> = {}): BacktestOptions => ({
  tapes: [path],
  config,
  seed: 1,
  ...more,
});

describe("backtest", () => {
  test("trades, and its money adds up to the exchange's", async () => {
    const { summary, series } = await runBacktest(options());
    expect(summary.fills).toBeGreaterThan(20);
    expect(summary.fills).toBe(series.fills.length);
    expect(summary.restingOrdersAtExit).toBe(0);
    expect(summary.maxAbsPosition).toBeLessThanOrEqual(summary.positionLimit);
    // Three ways to the same profit: the account's value, the executor's ledger, the fills' own figures.
    expect(
      summary.realizedPnlUsd + summary.unrealizedPnlUsd - summary.feesUsd + summary.fundingUsd,
    ).toBeCloseTo(summary.netPnlUsd, 4);
    expect(
      summary.spreadCaptureUsd + summary.marketMoveUsd - summary.feesUsd + summary.fundingUsd,
    ).toBeCloseTo(summary.netPnlUsd, 6);
    const cash = series.fills.reduce((sum, f) => sum + (f.side === "B" ? -1 : 1) * f.px * f.sz - f.feeUsd, 0);
    const held = series.fills.reduce((sum, f) => sum + (f.side === "B" ? f.sz : -f.sz), 0);
    expect(held).toBeCloseTo(summary.position, 9);
    expect(cash + held * series.midPx.at(-1)!).toBeCloseTo(summary.netPnlUsd, 1);
  });

  test("its fills happen at the times of records, counted from its exact start", async () => {
    const more = { latency: ZERO_LATENCY, fromMs: BASE_MS + 5_000 };
    const { summary, series, startMs } = await runBacktest(options(more));
    expect(startMs! % 1).not.toBe(0);
    expect(Math.abs(startMs! - Date.parse(summary.from))).toBeLessThan(1);
    const happened = new Set<number>();
    const reader = new TapeFileReader(path);
    const cursor = new RecordCursor();
    for (let b = reader.nextBlock(); b !== undefined; b = reader.nextBlock()) {
      cursor.load(b);
      // Microseconds; this tape's clocks agree.
      while (cursor.next()) happened.add(Math.round(Number(b.i64[cursor.at >> 3]!) / 1e3));
    }
    reader.close();
    expect(series.fills.length).toBeGreaterThan(0);
    for (const { tMs, isMaker } of series.fills) {
      const us = Math.round((startMs! + tMs) * 1e3);
      if (isMaker)
        expect(
          [us - 1, us, us + 1].some((x) => happened.has(x)),
          `${us}`,
        ).toBe(true);
    }
  });

  test("same options, same journal; another seed, other latencies, another journal", async () => {
    const [a, b, c] = await Promise.all([
      runBacktest(options()),
      runBacktest(options()),
      runBacktest(options({ seed: 2 })),
    ]);
    expect(b.summary.journalSha256).toBe(a.summary.journalSha256);
    expect(c.summary.journalSha256).not.toBe(a.summary.journalSha256);
    expect(a.summary.journalRecords).toBeGreaterThan(100);
  });

  test("a markout is the venue's mid at its time, however late that reached us", async () => {
    const late = join(dir, "late.mmt");
    writeTape(late, { seconds: 120, seed: 9, jitterMs: 400 });
    const { series, startMs } = await runBacktest(options({ tapes: [late] }));
    const mids: { readonly atMs: number; readonly px: number }[] = [];
    const reader = new TapeFileReader(late);
    const cursor = new RecordCursor();
    for (let block = reader.nextBlock(); block !== undefined; block = reader.nextBlock()) {
      cursor.load(block);
      while (cursor.next()) {
        const isTouch = cursor.kind === RecordKind.Bbo;
        if (!isTouch && cursor.kind !== RecordKind.Book) continue;
        const at = cursor.at >> 3;
        const [bid, ask] = isTouch
          ? [block.f64[at + BBO_BID_PX / 8]!, block.f64[at + BBO_ASK_PX / 8]!]
          : [block.f64[at + BOOK_BIDS / 8]!, block.f64[at + BOOK_ASKS / 8]!];
        mids.push({ atMs: Number(block.i64[at]! - BigInt(BASE_MS) * 1_000_000n) / 1e6, px: (bid + ask) / 2 });
      }
    }
    reader.close();
    let compared = 0;
    for (const fill of series.fills) {
      for (const [h, horizonMs] of MARKOUT_MS.entries()) {
        const dueMs = startMs! - BASE_MS + fill.tMs + horizonMs;
        if (dueMs > mids.at(-1)!.atMs) continue;
        // A touch in the very nanosecond may be counted before or after.
        const then = mids.filter((m) => m.atMs < dueMs - 1e-3).at(-1)!;
        if (mids.some((m) => Math.abs(m.atMs - dueMs) <= 1e-3)) continue;
        const way = fill.side === "B" ? 1 : -1;
        expect(fill.markoutBps[h]).toBeCloseTo(((way * (then.px - fill.midPx)) / fill.midPx) * 1e4, 9);
        compared++;
      }
    }
    expect(compared).toBeGreaterThan(20);
  });

  test("writes a journal that reads back, the same bytes each time", async () => {
    const files = await Promise.all(
      ["one", "two"].map(async (name) => {
        const at = mkdtempSync(join(dir, `${name}-`));
        const { summary } = await runBacktest(options({ journal: { dir: at, runId: "bt" } }));
        const [file] = readdirSync(at);
        return { at, file: file!, summary };
      }),
    );
    const bytes = files.map(({ at, file }) => readFileSync(join(at, file)));
    expect(bytes[0]!.equals(bytes[1]!)).toBe(true);
    const [journal] = listJournals(files[0]!.at);
    const reader = new JournalReader(journal!.files);
    let records = 0;
    for (const record of reader) if (record.kind < 254) records++;
    expect(records).toBe(files[0]!.summary.journalRecords);
  });

  test("the tape's end is no stale feed, however long it takes to take the orders off", async () => {
    const slow = { kind: "constant", ms: 1_200 } as const;
    const { summary } = await runBacktest(
      options({ latency: { feed: { kind: "tape", floorMs: 5 }, order: slow, ack: slow } }),
    );
    expect(summary.ordersPlaced).toBeGreaterThan(5);
    expect(summary.killReason).toBeNull();
    expect(summary.stopReason).toBe("end of tape");
    expect(summary.restingOrdersAtExit).toBe(0);
  });

  test("a later start and an earlier end cut the run", async () => {
    const { summary } = await runBacktest(options({ fromMs: BASE_MS + 60_000, toMs: BASE_MS + 120_000 }));
    expect(Date.parse(summary.from)).toBeGreaterThanOrEqual(BASE_MS + 59_000);
    expect(Date.parse(summary.to)).toBeLessThanOrEqual(BASE_MS + 121_000);
    expect(summary.events).toBeLessThan(4_000);
    expect(summary.events).toBeGreaterThan(1_000);
  });

  test("the queue models are ordered: the risk-averse one never fills more", async () => {
    const fills = async (queue: BacktestOptions["queue"] & object): Promise<number> =>
      (await runBacktest(options({ queue, latency: ZERO_LATENCY }))).summary.volumeUsd;
    const averse = await fills({ kind: "risk-averse" });
    expect(await fills({ kind: "power", n: 3 })).toBeGreaterThanOrEqual(averse);
    expect(averse).toBeGreaterThan(0);
  });

  test("fees are charged as asked for", async () => {
    const { summary } = await runBacktest(options({ fees: { makerBps: 0, takerBps: 0 } }));
    expect(summary.feesUsd).toBe(0);
    const paid = await runBacktest(options({ fees: { makerBps: 1.5, takerBps: 4.5 } }));
    // The venue cuts each fee to a micro-dollar.
    expect(paid.summary.feesUsd).toBeCloseTo(paid.summary.volumeUsd * 1.5e-4, 3);
  });

  test("the kill switch ends the run with its reason", async () => {
    const strict = configSchema.parse({
      strategy: { ladder_config: { min_depth_bps: 1 } },
      risk: { max_drawdown_pct: 1e-6 },
    });
    const { summary } = await runBacktest(options({ config: strict }));
    expect(summary.stopReason).toBe("kill switch");
    expect(summary.killReason).toMatch(/drawdown/i);
    expect(summary.restingOrdersAtExit).toBe(0);
  });

  test("says that nothing was recorded in the time asked for", async () => {
    const run = (more: Partial<BacktestOptions>) => runBacktest(options(more));
    await expect(run({ toMs: BASE_MS - 1_000 })).rejects.toThrow(
      /nothing was recorded up to 2026-01-05T09:59:59.000Z/,
    );
    await expect(run({ fromMs: BASE_MS + 185_000 })).rejects.toThrow(
      /no price of BTC in it from 2026-01-05T10:03:05.000Z on; it ends at 2026-01-05T10:0[23]/,
    );
    const empty = join(dir, "empty.mmt");
    writeTape(empty, { seconds: 0, seed: 1 });
    await expect(run({ tapes: [empty] })).rejects.toThrow(/no price of BTC in it; it is empty/);
    await expect(run({ fromMs: BASE_MS + 5_000, toMs: BASE_MS + 4_000 })).rejects.toThrow(
      "the start, 2026-01-05T10:00:05.000Z, is not before the end, 2026-01-05T10:00:04.000Z",
    );
  });

  test("says what is wrong with a tape", async () => {
    await expect(runBacktest(options({ tapes: [join(dir, "none.mmt")] }))).rejects.toThrow(
      /none\.mmt cannot be opened/,
    );
    await expect(runBacktest(options({ coin: "ETH" }))).rejects.toThrow(/holds BTC, not ETH/);
  });
});
