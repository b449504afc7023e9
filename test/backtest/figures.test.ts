import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  calmar,
  cumulativeParts,
  drawdownOf,
  figuresOf,
  hours,
  markouts,
  returnsOf,
  sharpe,
  sortino,
} from "../../src/backtest/report/figures.js";
import { pack, thinned, unpack } from "../../src/backtest/report/pack.js";
import type { FillRow } from "../../src/backtest/series.js";
import { runOf } from "./made-run.js";

const fill = (markoutBps: number[], over: Partial<FillRow> = {}): FillRow => ({
  tMs: 0,
  side: "B",
  px: 100,
  sz: 1,
  feeUsd: 0,
  isMaker: true,
  midPx: 100,
  captureBps: 0,
  restedMs: 0,
  markoutBps,
  ...over,
});

describe("ratios on series worked out by hand", () => {
  // Returns 1 %, -1 %, 2 %, 0: mean 0.5 %, sample deviation √(5/3) % = 1.29099 %, downside √(1/4) % = 0.5 %.
  const returns = { intervalS: 86_400, values: [0.01, -0.01, 0.02, 0] };

  test("Sharpe is mean over sample deviation times √365, with Lo's error", () => {
    const s = sharpe(returns)!;
    expect(s.value).toBeCloseTo((0.5 / Math.sqrt(5 / 3)) * Math.sqrt(365), 10);
    expect(s.error).toBeCloseTo(Math.sqrt((1 + 0.25 / (5 / 3) / 2) / 4) * Math.sqrt(365), 10);
  });

  test("Sortino counts the losses over all returns", () => {
    expect(sortino(returns)).toBeCloseTo(1 * Math.sqrt(365), 10);
  });

  test("no deviation, no Sharpe; no loss, no Sortino", () => {
    expect(sharpe({ intervalS: 1, values: [0, 0, 0] })).toBeNull();
    expect(sortino({ intervalS: 1, values: [0.1, 0.2] })).toBeNull();
  });

  test("the drawdown is from the highest peak before it, with its times", () => {
    expect(drawdownOf([0, 1, 2, 3, 4, 5], [100, 110, 99, 105, 120, 115])).toEqual({
      usd: 11,
      share: 0.1,
      peakMs: 1,
      troughMs: 2,
    });
    expect(drawdownOf([0, 1], [1, 2]).usd).toBe(0);
  });

  test("Calmar is the return of a year over the drawdown", () => {
    expect(calmar(0.02, 73 * 86_400, 0.05)).toBeCloseTo(2, 12);
    expect(calmar(0.02, 1000, 0)).toBeNull();
  });

  test("returns are taken on the longest grid with thirty of them, and start from the first value", () => {
    const tMs = Array.from({ length: 601 }, (_, s) => s * 1000);
    const r = returnsOf(
      tMs,
      tMs.map((t) => 1000 + t / 1000),
      1000,
    )!;
    expect(r.intervalS).toBe(10);
    expect(r.values).toHaveLength(60);
    expect(r.values.every((x) => Math.abs(x - 0.01) < 1e-12)).toBe(true);
    expect(returnsOf([0, 20_000], [1, 2], 1)).toBeUndefined();
  });
});

describe("markouts", () => {
  test("mean and 95 % interval by horizon, unknown futures left out", () => {
    const rows = markouts([
      fill([1, 2, Number.NaN, Number.NaN]),
      fill([3, 4, 5, Number.NaN]),
      fill([5, 9, 7, Number.NaN]),
    ]);
    expect(rows[0]).toMatchObject({ ms: 100, count: 3, meanBps: 3 });
    // Deviation 2, three fills.
    expect(rows[0]!.intervalBps).toBeCloseTo((1.96 * 2) / Math.sqrt(3), 12);
    expect(rows[2]).toMatchObject({ count: 2, meanBps: 6 });
    expect(rows[3]).toEqual({ ms: 60_000, count: 0, meanBps: null, intervalBps: null });
  });

  test("one fill has a mean and no interval", () => {
    expect(markouts([fill([1, 1, 1, 1])])[0]).toMatchObject({ meanBps: 1, intervalBps: null });
  });
});

describe("where the profit came from", () => {
  test("the parts add up to the net profit, at the end and on the way", () => {
    const run = runOf();
    const { parts } = figuresOf(run);
    expect(
      parts.captureUsd + parts.adverseUsd + parts.driftUsd - parts.feesUsd + parts.fundingUsd,
    ).toBeCloseTo(parts.netUsd, 9);
    const grown = cumulativeParts(run.series, run.summary.equityStartUsd);
    for (let i = 0; i < run.series.tMs.length; i++)
      expect(
        grown.captureUsd[i]! + grown.marketUsd[i]! + grown.feesUsd[i]! + grown.fundingUsd[i]!,
      ).toBeCloseTo(grown.netUsd[i]!, 9);
    expect(grown.captureUsd.at(-1)).toBeCloseTo(parts.captureUsd, 9);
  });

  test("adverse selection is the move of ten seconds, or what the tape still had", () => {
    const { summary, series } = runOf({ fills: 0 });
    const end = series.midPx.at(-1)!;
    const fills = [
      fill([0, 0, -10, 0], { sz: 2, midPx: 50_000 }),
      fill([0, 0, Number.NaN, Number.NaN], { side: "A", midPx: end + 7 }),
    ];
    const { parts } = figuresOf({ summary, series: { ...series, fills } });
    expect(parts.adverseUsd).toBeCloseTo(-0.001 * 50_000 * 2 + 7, 9);
  });

  test("turnover and shares", () => {
    const run = runOf({ seconds: 864, fills: 10 });
    const f = figuresOf(run);
    expect(f.turnover).toBeCloseTo(run.summary.volumeUsd / 100_000, 12);
    expect(f.turnoverPerDay).toBeCloseTo(f.turnover * 100, 9);
    expect(f.makerShare).toBe(1);
    expect(f.orderFillShare).toBe(1);
    expect(figuresOf(runOf({ fills: 0 }))).toMatchObject({
      makerShare: null,
      orderFillShare: null,
      netBpsOfVolume: null,
    });
  });

  test("hours are by the clock, and their profits add up", () => {
    const { series, summary } = runOf({ seconds: 900 });
    const rows = hours(series, Date.parse(summary.from), summary.equityStartUsd);
    expect(rows.map((r) => new Date(r.fromMs).toISOString().slice(11, 16))).toEqual(["23:00", "00:00"]);
    expect(rows.reduce((a, r) => a + r.netUsd, 0)).toBeCloseTo(summary.netPnlUsd, 9);
    expect(rows.reduce((a, r) => a + r.fills, 0)).toBe(summary.fills);
  });
});

describe("packed columns", () => {
  test("prices come back to the tick, holes stay holes", () => {
    const values = [60_000.5, Number.NaN, 60_000.6, 59_999.9];
    const back = unpack(pack(values));
    expect(back.map((v) => Math.round(v * 10) / 10)).toEqual(values);
  });

  test("any column comes back within a ten-thousandth of its range", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.double({ min: -1e6, max: 1e6, noNaN: true }), fc.constant(Number.NaN)), {
          minLength: 1,
        }),
        (values) => {
          const back = unpack(pack(values));
          const known = values.filter((v) => !Number.isNaN(v));
          const range = Math.max(...known) - Math.min(...known);
          values.forEach((v, i) => {
            if (Number.isNaN(v)) expect(back[i]).toBeNaN();
            else
              expect(Math.abs(back[i]! - v)).toBeLessThanOrEqual(
                Math.max(range * 1e-4, Math.abs(v) * 1e-8, 1e-6),
              );
          });
        },
      ),
      { seed: 4, numRuns: 300 },
    );
  });

  test("thinning keeps both ends", () => {
    expect(thinned(3, 10)).toEqual([0, 1, 2]);
    const kept = thinned(1001, 11);
    expect(kept).toHaveLength(11);
    expect([kept[0], kept[10]]).toEqual([0, 1000]);
  });
});
