import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Side } from "../../src/domain/index.js";
import { RecordedSide } from "../../src/sim/index.js";

/** The same side as a sorted map: slow, and obviously right. */
class Reference {
  levels = new Map<number, { sz: number; n: number }>();
  deepest = 0;
  constructor(readonly sign: Side) {}
  sorted(): [number, { sz: number; n: number }][] {
    return [...this.levels].sort((a, b) => this.sign * (b[0] - a[0]));
  }
  update(px: number, sz: number, n: number): void {
    if (sz === 0) {
      this.levels.delete(px);
      return;
    }
    if (this.levels.size === 0 || this.sign * px < this.sign * this.deepest) this.deepest = px;
    this.levels.set(px, { sz, n });
  }
  setBest(px: number, sz: number, n: number): void {
    for (const at of [...this.levels.keys()]) if (this.sign * at > this.sign * px) this.levels.delete(at);
    this.update(px, sz, n);
  }
  takeBest(sz: number): void {
    const best = this.sorted()[0];
    if (best === undefined) return;
    if (best[1].sz <= sz) this.levels.delete(best[0]);
    else best[1].sz -= sz;
  }
  displayedAt(px: number): number {
    if (this.levels.size === 0 || this.sign * px < this.sign * this.deepest) return -1;
    return this.levels.get(px)?.sz ?? 0;
  }
}

const price = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 99_900, max: 100_100 }) },
  { weight: 2, arbitrary: fc.integer({ min: 60_000, max: 140_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 3_000_000_000 }) },
);
const size = fc.integer({ min: 0, max: 50 });
const step = fc.oneof(
  { weight: 20, arbitrary: fc.record({ do: fc.constant("update" as const), px: price, sz: size }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("setBest" as const),
      px: price,
      sz: fc.integer({ min: 1, max: 50 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("takeBest" as const), px: price, sz: size }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("clear" as const), px: price, sz: size }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("load" as const),
      px: price,
      sz: fc.integer({ min: 1, max: 50 }),
    }),
  },
);

function agree(side: RecordedSide, reference: Reference, probes: readonly number[]): void {
  const expected = reference.sorted();
  expect(side.count).toBe(expected.length);
  expect(side.bestTicks).toBe(expected[0]?.[0] ?? 0);
  expect(side.bestLots).toBe(expected[0]?.[1].sz ?? 0);
  const depth = Math.min(20, expected.length + 1);
  const px = new Float64Array(depth);
  const sz = new Float64Array(depth);
  const n = new Uint32Array(depth);
  const count = side.copyTo(depth, px, sz, n);
  const shown = Array.from({ length: count }, (_, i) => [px[i], { sz: sz[i], n: n[i] }]);
  expect(shown).toEqual(expected.slice(0, depth));
  for (const at of probes) expect(side.displayedAt(at)).toBe(reference.displayedAt(at));
}

describe("RecordedSide", () => {
  for (const sign of [Side.Buy, Side.Sell]) {
    it(`holds the same levels as a sorted map, near and far (${sign === Side.Buy ? "bids" : "asks"})`, () => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
          const side = new RecordedSide(sign);
          const reference = new Reference(sign);
          for (const { do: what, px, sz } of steps) {
            if (what === "update") {
              side.update(px, sz, sz + 1);
              reference.update(px, sz, sz + 1);
            } else if (what === "setBest") {
              side.setBest(px, sz, 3);
              reference.setBest(px, sz, 3);
            } else if (what === "takeBest") {
              side.takeBest(sz);
              reference.takeBest(sz);
            } else if (what === "clear") {
              side.clear();
              reference.levels.clear();
            } else {
              const prices = Float64Array.from({ length: sz }, (_, i) => px - sign * i * i * 37).filter(
                (p) => p > 0,
              );
              const sizes = new Float64Array(prices.length).fill(sz);
              side.load(prices.length, prices, sizes, new Uint32Array(prices.length).fill(2));
              reference.levels.clear();
              for (const p of prices) reference.update(p, sz, 2);
            }
            agree(side, reference, [px, px - 1, px + 1, px - 40_000, 100_000]);
          }
        }),
        { seed: 20_240_808, numRuns: 300 },
      );
    });
  }

  it("forgets the deepest levels, and says that it does not know them, when there are more than it keeps", () => {
    const side = new RecordedSide(Side.Buy);
    side.update(1_000_000_000, 1, 1);
    for (let i = 1; i <= 20_000; i++) side.update(i * 1_000, 1, 1);
    expect(side.count).toBeLessThan(16_386);
    expect(side.bestTicks).toBe(1_000_000_000);
    expect(side.displayedAt(20_000_000)).toBe(1);
    expect(side.displayedAt(1_000)).toBe(-1);
  });

  it("brings far levels back when the market falls to them", () => {
    const side = new RecordedSide(Side.Buy);
    for (let i = 0; i < 200; i++) side.update(1_000_000 - i * 1_000, i + 1, 1);
    for (let i = 0; i < 199; i++) {
      expect(side.bestLots).toBe(i + 1);
      side.takeBest(i + 1);
    }
    expect(side.bestTicks).toBe(801_000);
    expect(side.count).toBe(1);
  });
});
