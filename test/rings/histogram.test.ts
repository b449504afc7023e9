import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createHistogram, createRing, LatencyHistogram } from "../../src/rings/index.js";

const histogramOf = (values: readonly number[]): LatencyHistogram => {
  const histogram = new LatencyHistogram(createHistogram());
  for (const value of values) histogram.record(value);
  return histogram;
};
const snapshotOf = (values: readonly number[]) => histogramOf(values).snapshot();

/** Latencies of all magnitudes: uniform in the exponent. */
const latencyNs = fc
  .tuple(fc.integer({ min: 0, max: 39 }), fc.double({ min: 1, max: 2, maxExcluded: true, noNaN: true }))
  .map(([exponent, mantissa]) => Math.floor(2 ** exponent * mantissa));

describe("latency histogram", () => {
  it("is empty at first", () => {
    const empty = snapshotOf([]);
    expect([empty.count, empty.maxNs, empty.meanNs, empty.percentileNs(0.5), [...empty.buckets()]]).toEqual([
      0,
      0,
      0,
      0,
      [],
    ]);
  });

  it("law: percentiles are never below the exact ones and at most 1/64 above; max, count and mean are exact", () => {
    fc.assert(
      fc.property(
        fc.array(latencyNs, { minLength: 1, maxLength: 400 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (values, q) => {
          const snapshot = snapshotOf(values);
          const sorted = Float64Array.from(values).sort();
          for (const p of [q, 0, 0.5, 0.99, 1]) {
            const exact = sorted[Math.max(1, Math.ceil(p * sorted.length)) - 1]!;
            expect(snapshot.percentileNs(p)).toBeGreaterThanOrEqual(exact);
            expect(snapshot.percentileNs(p)).toBeLessThanOrEqual(exact * (1 + 1 / 64));
          }
          expect(snapshot.maxNs).toBe(sorted.at(-1));
          expect(snapshot.count).toBe(values.length);
          expect(snapshot.meanNs).toBeCloseTo(values.reduce((a, b) => a + b, 0) / values.length, 3);
        },
      ),
      { numRuns: 300, seed: 20260103 },
    );
  });

  it("law: merging equals recording the union", () => {
    fc.assert(
      fc.property(fc.array(latencyNs), fc.array(latencyNs), (a, b) => {
        const before = snapshotOf(a);
        const merged = before.merge(snapshotOf(b));
        expect(merged).toEqual(snapshotOf([...a, ...b]));
        expect(before, "merge leaves its operands alone").toEqual(snapshotOf(a));
      }),
      { numRuns: 60, seed: 20260104 },
    );
  });

  it("law: buckets are contiguous: each value lies in the bucket that bounds it", () => {
    // Every edge of the scale, from both sides.
    let previousUpperNs = -1;
    for (let exponent = 0; exponent < 40; exponent++) {
      for (const ns of [
        2 ** exponent - 1,
        2 ** exponent,
        2 ** exponent + 1,
        Math.floor(2 ** exponent * 1.5),
      ]) {
        const [bucket, ...rest] = [...snapshotOf([ns]).buckets()];
        expect(rest).toEqual([]);
        expect(bucket!.upperNs).toBeGreaterThanOrEqual(ns);
        if (bucket!.upperNs !== Number.POSITIVE_INFINITY) {
          const [next] = [...snapshotOf([bucket!.upperNs + 1]).buckets()];
          expect(next!.upperNs, `bucket after ${ns}`).toBeGreaterThan(bucket!.upperNs);
          expect([...snapshotOf([bucket!.upperNs]).buckets()][0]!.upperNs).toBe(bucket!.upperNs);
        }
        previousUpperNs = Math.max(previousUpperNs, bucket!.upperNs);
      }
    }
    expect(previousUpperNs).toBeGreaterThan(2 ** 39);
  });

  it("counts what cannot be a latency as 0 and what is off the scale in the last bucket", () => {
    const low = snapshotOf([Number.NaN, -5, Number.NEGATIVE_INFINITY, 0.7]);
    expect([...low.buckets()]).toEqual([{ upperNs: 0, count: 4 }]);
    expect([low.maxNs, low.sumNs]).toEqual([0, 0]);
    const high = snapshotOf([2 ** 50, Number.POSITIVE_INFINITY, 2 ** 40 - 1]);
    expect([...high.buckets()]).toEqual([{ upperNs: Number.POSITIVE_INFINITY, count: 3 }]);
    expect(high.maxNs).toBe(2 ** 50);
    expect(high.percentileNs(0.5)).toBe(2 ** 50);
  });

  it("yields cumulative counts for Prometheus", () => {
    const snapshot = snapshotOf([10, 100, 1_000, 10_000, 2 ** 45]);
    const bounds = [0, 10, 127, 1_100, 20_000, Number.POSITIVE_INFINITY];
    expect(bounds.map((bound) => snapshot.countAtMost(bound))).toEqual([0, 1, 2, 3, 4, 5]);
    expect([...snapshot.buckets()].reduce((sum, bucket) => sum + bucket.count, 0)).toBe(snapshot.count);
  });

  it("takes a copy that later records do not change", () => {
    const histogram = histogramOf([5]);
    const snapshot = histogram.snapshot();
    histogram.record(7);
    expect([snapshot.count, histogram.snapshot().count]).toEqual([1, 2]);
  });

  it("refuses a percentile outside 0..1 and other memory", () => {
    for (const q of [-0.1, 1.1, Number.NaN])
      expect(() => snapshotOf([1]).percentileNs(q)).toThrow(RangeError);
    expect(() => new LatencyHistogram(createRing(64))).toThrow(/histogram: wrong magic/);
  });
});
