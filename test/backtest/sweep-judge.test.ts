import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { deflate, deflatedSharpe, normalQuantile, shape } from "../../src/backtest/sweep/deflated.js";
import { planFolds } from "../../src/backtest/sweep/folds.js";
import {
  chooseWinner,
  judge,
  type Measured,
  rankCorrelation,
  ranked,
  walkForward,
} from "../../src/backtest/sweep/judge.js";
import {
  changesOf,
  type Metrics,
  momentsOf,
  parseConstraint,
  parseObjective,
  pool,
  sharpePerDay,
  sharpePerStep,
} from "../../src/backtest/sweep/metrics.js";
import { normalCdf } from "../../src/backtest/sweep/tpe.js";
import { Rng } from "../../src/domain/index.js";

const metrics = (netPnlUsd: number, more: Partial<Metrics> = {}): Metrics => ({
  hours: 1,
  netPnlUsd,
  maxDrawdownUsd: 0,
  feesUsd: 0,
  fundingUsd: 0,
  spreadCaptureUsd: 0,
  marketMoveUsd: 0,
  volumeUsd: 0,
  fills: 10,
  orders: 0,
  maxAbsPosition: 0,
  events: 0,
  kills: 0,
  changes: momentsOf([]),
  ...more,
});

describe("folds", () => {
  test("law: parts follow each other with the gap between, and the hold-out comes last", () => {
    const options = fc.record({
      seconds: fc.integer({ min: 3_000, max: 500_000 }),
      folds: fc.integer({ min: 1, max: 8 }),
      trainShare: fc.double({ min: 0.3, max: 0.8, noNaN: true }),
      embargoMs: fc.integer({ min: 0, max: 20_000 }),
      holdoutShare: fc.constantFrom(0, 0.1, 0.3),
    });
    fc.assert(
      fc.property(options, ({ seconds, ...o }) => {
        const span = { fromMs: 1_700_000_000_000, toMs: 1_700_000_000_000 + seconds * 1000 };
        const plan = planFolds(span, o);
        const parts = plan.folds.flatMap((f) => [f.train, f.test]);
        if (plan.holdout !== undefined) parts.push(plan.holdout);
        expect(parts[0]!.fromMs).toBe(span.fromMs);
        expect(parts.at(-1)!.toMs).toBe(span.toMs);
        for (const [i, part] of parts.entries()) {
          expect(part.toMs).toBeGreaterThan(part.fromMs);
          // At least a millisecond, so that no record is in two parts; rounding may take one.
          if (i > 0)
            expect(part.fromMs - parts[i - 1]!.toMs).toBeGreaterThanOrEqual(Math.max(1, o.embargoMs - 1));
        }
      }),
      { seed: 5 },
    );
  });

  test("a tape too short for the parts is refused with what to do", () => {
    const span = { fromMs: 0, toMs: 60_000 };
    expect(() => planFolds(span, { folds: 4, trainShare: 0.6, holdoutShare: 0.2 })).toThrow(/fewer folds/);
    const nothing = { fromMs: span.toMs, toMs: span.fromMs };
    expect(() => planFolds(nothing, { folds: 4, trainShare: 0.6, holdoutShare: 0.2 })).toThrow(
      /nothing of the time that was asked for/,
    );
  });
});

const RULES = {
  objective: parseObjective("netPnlUsd"),
  constraints: [parseConstraint("fills>=5")],
  shortlist: 0.25,
};
const candidate = (id: number, train: number[], test: number[], more: Partial<Metrics> = {}): Measured => ({
  id,
  params: { x: id },
  train: train.map((p) => metrics(p, more)),
  test: test.map((p) => metrics(p)),
  error: undefined,
});

describe("judgement", () => {
  test("the winner has the best median on unseen time among those that training time chose", () => {
    const judged = judge(
      [
        candidate(0, [1, 1, 1], [1, 1, 1]),
        // Splendid where it was fitted, nowhere else.
        candidate(1, [99, 99, 99], [-5, -5, -5]),
        candidate(2, [5, 5, 5], [4, 4, -20]),
        candidate(3, [6, 6, 6], [3, 3, 30]),
        candidate(4, [7, 7, 7], [0, 0, 90]),
        candidate(5, [4, 4, 4], [2, 2, 2]),
        // Unseen time alone is no reason: training would never have led here.
        candidate(6, [-9, -9, -9], [50, 50, 50]),
        candidate(7, [-8, -8, -8], [60, 60, 60]),
      ],
      RULES,
    );
    expect(chooseWinner(judged)!.id).toBe(2);
    expect(judged.filter((j) => j.isShortlisted).map((j) => j.id)).toEqual([1, 2, 3, 4, 5]);
    expect(ranked(judged)[0]!.id).toBe(2);
  });

  test("who breaks a constraint or cannot trade does not win", () => {
    const failed: Measured = { ...candidate(2, [], []), error: "too small" };
    const judged = judge([candidate(0, [1], [1]), candidate(1, [9], [9], { fills: 2 }), failed], RULES);
    expect(chooseWinner(judged)!.id).toBe(0);
    expect(chooseWinner(judge([failed], RULES))).toBeUndefined();
  });

  test("walk-forward chooses by the past alone", () => {
    const rows = (late: number): Measured[] => [
      candidate(0, [3, 1, 1], [1, 2, 3]),
      candidate(1, [1, 9, late], [4, 5, 6]),
    ];
    const steps = walkForward(judge(rows(1), RULES))!.steps;
    expect(steps.map((s) => s.chosen)).toEqual([0, 1, 1]);
    expect(steps.map((s) => s.outOfSample)).toEqual([1, 5, 6]);
    expect(steps.map((s) => s.percentile)).toEqual([0, 1, 1]);
    // What comes later changes nothing earlier.
    const other = walkForward(judge(rows(-99), RULES))!.steps;
    expect(other.slice(0, 2)).toEqual(steps.slice(0, 2));
    expect(other[2]!.chosen).toBe(0);
  });

  test("rank correlation is 1 in order, −1 in reverse, and needs three", () => {
    const ids = [1, 2, 3, 4];
    const of = (sign: number): Measured[] => ids.map((i) => candidate(i, [i], [sign * i]));
    expect(rankCorrelation(judge(of(1), RULES))).toBeCloseTo(1, 12);
    expect(rankCorrelation(judge(of(-1), RULES))).toBeCloseTo(-1, 12);
    expect(rankCorrelation(judge(of(1).slice(2), RULES))).toBeUndefined();
  });
});

describe("figures", () => {
  test("an objective is a weighted sum, money per hour", () => {
    const m = metrics(8, { hours: 2, maxDrawdownUsd: 4, fills: 6 });
    expect(parseObjective("netPnlUsd").of(m)).toBe(4);
    expect(parseObjective("netPnlUsd - 0.5*maxDrawdownUsd").of(m)).toBe(3);
    expect(parseObjective("-fills+2 * netpnlusd").of(m)).toBe(5);
    expect(() => parseObjective("netPnl")).toThrow(/none of netPnlUsd/);
    expect(() => parseObjective("fills fills")).toThrow(/weights/);
    expect(() => parseObjective("")).toThrow(/want/);
  });

  test("a constraint measures how far it is broken", () => {
    const c = parseConstraint(" maxDrawdownUsd <= 200 ");
    expect(c.violation(metrics(0, { maxDrawdownUsd: 200 }))).toBe(0);
    expect(c.violation(metrics(0, { maxDrawdownUsd: 300 }))).toBe(0.5);
    expect(parseConstraint("fills>=20").violation(metrics(0))).toBe(0.5);
    expect(() => parseConstraint("fills=20")).toThrow(/<= or >=/);
  });

  test("parts add up: the ratio of two parts is that of their changes together", () => {
    const rng = new Rng(4);
    const draw = (n: number): number[] => Array.from({ length: n }, () => rng.normal() + 0.1);
    const [a, b] = [draw(50), draw(70)];
    const both = pool([metrics(1, { changes: momentsOf(a) }), metrics(2, { changes: momentsOf(b) })]);
    expect(sharpePerStep(both.changes)).toBeCloseTo(sharpePerStep(momentsOf([...a, ...b])), 10);
    expect(sharpePerDay(both.changes)).toBeCloseTo(sharpePerStep(both.changes) * Math.sqrt(8640), 10);
    expect(both.netPnlUsd).toBe(3);
  });

  test("equity changes are taken every ten seconds from the last value known", () => {
    const t = Float64Array.from([0, 4_000, 10_000, 14_000, 31_000, 37_000]);
    const equity = Float64Array.from([100, 101, 103, 104, 109, 110]);
    expect(changesOf(t, equity)).toEqual([3, 1, 0, 6]);
  });
});

describe("luck", () => {
  test("the example of Bailey and López de Prado", () => {
    // A yearly ratio of 2.5 over five years of days, skewness −3, kurtosis 10, best of 100 with yearly variance 1/2.
    const { expectedMax, probability } = deflate({
      ratio: 2.5 / Math.sqrt(250),
      steps: 1250,
      skew: -3,
      kurtosis: 10,
      trials: 100,
      variance: 0.5 / 250,
    });
    expect(expectedMax).toBeCloseTo(0.1132, 4);
    expect(probability).toBeCloseTo(0.9004, 3);
  });

  test("the best of many without skill is told from skill", () => {
    const rng = new Rng(9);
    const run = (mean: number) => momentsOf(Array.from({ length: 400 }, () => rng.normal() + mean));
    const noise = Array.from({ length: 60 }, () => run(0));
    const best = [...noise].sort((a, b) => sharpePerStep(b) - sharpePerStep(a))[0]!;
    expect(deflatedSharpe(best, noise)!.probability).toBeLessThan(0.9);
    const skilled = run(0.5);
    expect(deflatedSharpe(skilled, [...noise, skilled])!.probability).toBeGreaterThan(0.99);
    expect(deflatedSharpe(momentsOf([1, 2]), noise)).toBeUndefined();
  });

  test("Φ and its inverse, skewness and kurtosis", () => {
    expect(normalCdf(1.959964)).toBeCloseTo(0.975, 6);
    expect(normalQuantile(0.975)).toBeCloseTo(1.959964, 5);
    // Of 0, 0, 0, 1: skewness 2/√3, kurtosis 7/3.
    const { skew, kurtosis } = shape(momentsOf([0, 0, 0, 1]));
    expect(skew).toBeCloseTo(2 / Math.sqrt(3), 12);
    expect(kurtosis).toBeCloseTo(7 / 3, 12);
  });
});
