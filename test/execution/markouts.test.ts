import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Side } from "../../src/domain/index.js";
import { AsEwma, Markouts } from "../../src/execution/markouts.js";

const GOLDEN = join(import.meta.dirname, "../../../shared/golden/markout.json");

interface MarkoutCase {
  name: string;
  input: {
    op: string;
    fills: { t: number; price: number; side: Side; size: number }[];
    mids: [number, number][];
    horizons_ms: number[];
    obs: [Side, number][];
    half_life_fills: number;
    prior_bps: number;
    prior_count: number;
  };
  expected: {
    fills: { capture_bps: number | null; markout_bps: (number | null)[]; as_bps: (number | null)[] }[];
    mean_markout_bps: (number | null)[];
    n: number[];
    bid: number;
    ask: number;
    n_eff_bid: number;
    n_eff_ask: number;
  };
}

const hasGolden = existsSync(GOLDEN);
const cases: MarkoutCase[] = hasGolden ? JSON.parse(readFileSync(GOLDEN, "utf8")).cases : [];

const close = (ours: number, golden: number | null): void => {
  if (golden === null) expect(ours).toBeNaN();
  else expect(Math.abs(ours - golden)).toBeLessThanOrEqual(1e-9 + 1e-9 * Math.abs(golden));
};

describe.skipIf(!hasGolden)(
  `markouts against golden vectors${hasGolden ? "" : " (skipped: no shared data)"}`,
  () => {
    test.each(cases.filter((c) => c.input.op === "markouts"))("$name", ({ input, expected }) => {
      const { fills, mids, horizons_ms } = input;
      const markouts = new Markouts({ horizonsMs: horizons_ms, runningHorizon: 0 });
      const got = fills.map(() => ({
        markout: horizons_ms.map(() => Number.NaN),
        as: horizons_ms.map(() => Number.NaN),
      }));
      markouts.onMatured = (m) => {
        got[m.fillIndex]!.markout[m.horizonIndex] = m.markoutBps;
        got[m.fillIndex]!.as[m.horizonIndex] = m.asBps;
      };
      // In time order, a mid before a fill of the same instant: "at or before".
      const captures = fills.map(() => Number.NaN);
      let next = 0;
      const flush = (before: number): void => {
        while (next < fills.length && fills[next]!.t < before) {
          const f = fills[next]!;
          captures[next++] = markouts.onFill(f.t, f.price, f.side, f.size);
        }
      };
      for (const [t, mid] of mids) {
        flush(t);
        markouts.onMid(t, mid);
      }
      flush(Number.POSITIVE_INFINITY);
      markouts.finish();
      expected.fills.forEach((f, i) => {
        close(captures[i]!, f.capture_bps);
        for (const [h, x] of f.markout_bps.entries()) close(got[i]!.markout[h]!, x);
        for (const [h, x] of f.as_bps.entries()) close(got[i]!.as[h]!, x);
      });
      markouts.summary().forEach((s, h) => {
        expect(s.count).toBe(expected.n[h]);
        close(s.markoutBpsMean, expected.mean_markout_bps[h]!);
      });
    });

    test.each(cases.filter((c) => c.input.op === "markouts"))(
      "$name, fills told late",
      ({ input, expected }) => {
        // Every mid is known before any fill: the same figures, by looking back.
        const markouts = new Markouts({ horizonsMs: input.horizons_ms, runningHorizon: 0 });
        for (const [t, mid] of input.mids) markouts.onMid(t, mid);
        for (const f of input.fills) markouts.onFill(f.t, f.price, f.side, f.size);
        markouts.finish();
        markouts.summary().forEach((s, h) => {
          expect(s.count).toBe(expected.n[h]);
          close(s.markoutBpsMean, expected.mean_markout_bps[h]!);
        });
      },
    );

    test.each(cases.filter((c) => c.input.op === "as_ewma"))("$name", ({ input, expected }) => {
      const ewma = new AsEwma(input.half_life_fills, input.prior_bps, input.prior_count);
      for (const [side, as] of input.obs) ewma.add(side, as);
      close(ewma.bidBps, expected.bid);
      close(ewma.askBps, expected.ask);
      close(ewma.bidCount, expected.n_eff_bid);
      close(ewma.askCount, expected.n_eff_ask);
    });
  },
);

describe("markouts", () => {
  test("a buy before a fall is adverse: positive AS, negative markout", () => {
    const m = new Markouts({ horizonsMs: [1000], runningHorizon: 0 });
    m.onMid(0, 100);
    m.onFill(0, 99.99, Side.Buy, 1);
    m.onMid(500, 99);
    m.onMid(2000, 101);
    expect(m.summary()[0]).toMatchObject({ count: 1 });
    expect(m.summary()[0]!.asBpsMean).toBeCloseTo(100, 9);
    expect(m.summary()[0]!.markoutBpsMean).toBeCloseTo(-99, 9);
  });

  test("only the newest mids are kept, and a fill older than them is counted, not guessed", () => {
    const m = new Markouts({ midCapacity: 8, horizonsMs: [10], runningHorizon: 0 });
    for (let t = 0; t < 100; t++) m.onMid(t, 100 + t);
    expect(m.onFill(50, 100, Side.Buy, 1)).toBeNaN();
    expect(m.unmeasured).toBe(1);
    expect(m.onFill(95, 195, Side.Buy, 1)).toBe(0);
  });

  test("ten thousand fills leave nothing waiting", () => {
    const m = new Markouts();
    for (let t = 0; t < 10_000; t++) {
      m.onMid(t * 100, 100 + Math.sin(t));
      m.onFill(t * 100, 100, t % 2 ? Side.Buy : Side.Sell, 1);
    }
    m.onMid(2_000_000, 100);
    expect(m.summary().every((h) => h.count === 10_000)).toBe(true);
  });
});
