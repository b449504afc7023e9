import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Side } from "../../src/domain/index.js";
import { Ledger } from "../../src/execution/ledger.js";
import type { FillEvent } from "../../src/venues/port.js";
import { fill, TOY } from "../execution/fixtures.js";

const SEED = 4242;
const PER_USD = 10_000; // TOY: 10^(2+2) ticks·lots

/** A fraction of two big integers, in lowest terms: the oracle knows no rounding. */
class Rational {
  constructor(
    readonly n: bigint,
    readonly d = 1n,
  ) {}
  static of(n: bigint, d = 1n): Rational {
    const gcd = (a: bigint, b: bigint): bigint => (b === 0n ? (a < 0n ? -a : a) : gcd(b, a % b));
    const g = gcd(n, d) || 1n;
    return d < 0n ? new Rational(-n / g, -d / g) : new Rational(n / g, d / g);
  }
  plus(o: Rational): Rational {
    return Rational.of(this.n * o.d + o.n * this.d, this.d * o.d);
  }
  times(o: Rational): Rational {
    return Rational.of(this.n * o.n, this.d * o.d);
  }
  over(k: bigint): Rational {
    return Rational.of(this.n, this.d * k);
  }
  get value(): number {
    return Number(this.n) / Number(this.d);
  }
}

/** Average-cost accounting, written another way: entry price and position, one lot at a time. */
function oracle(trades: readonly Trade[]): { pos: bigint; entry: Rational; realized: Rational } {
  let pos = 0n;
  let entry = new Rational(0n);
  let realized = new Rational(0n);
  for (const t of trades) {
    const px = new Rational(BigInt(t.px));
    const one = BigInt(t.side);
    for (let i = 0; i < t.sz; i++) {
      if (pos === 0n || pos > 0n === one > 0n) {
        const size = pos < 0n ? -pos : pos;
        entry = entry
          .times(new Rational(size))
          .plus(px)
          .over(size + 1n);
      } else {
        const gain = px.plus(entry.times(new Rational(-1n)));
        realized = realized.plus(gain.times(new Rational(pos > 0n ? 1n : -1n)));
      }
      pos += one;
      if (pos === 0n) entry = new Rational(0n);
    }
  }
  return { pos, entry, realized };
}

interface Trade {
  readonly side: Side;
  readonly px: number;
  readonly sz: number;
}

const trades = fc.array(
  fc.record({
    side: fc.constantFrom<Side>(Side.Buy, Side.Sell),
    px: fc.integer({ min: 90_000, max: 110_000 }),
    sz: fc.integer({ min: 1, max: 12 }),
  }),
  { minLength: 1, maxLength: 25 },
);

/** The venue's messages for these trades: chained start positions, rising times (several fills share one). */
function messages(list: readonly Trade[]): FillEvent[] {
  let pos = 0;
  return list.map((t, i) => {
    const f = fill({
      side: t.side,
      pxTicks: t.px,
      szLots: t.sz,
      startPosLots: pos,
      tid: i + 1,
      exchMs: 100 + Math.floor(i / 2),
      feeUsd: 0.01 * t.sz,
    });
    pos += t.side * t.sz;
    return f;
  });
}

const agree = (ledger: Ledger, list: readonly Trade[]): void => {
  const truth = oracle(list);
  expect(ledger.posLots).toBe(Number(truth.pos));
  expect(ledger.entryPx * 100).toBeCloseTo(truth.entry.value, 6);
  expect(ledger.realizedPnlUsd * PER_USD).toBeCloseTo(truth.realized.value, 4);
  const mark = 101_234;
  const unrealized = (Number(truth.pos) * (mark - truth.entry.value)) / PER_USD;
  expect(ledger.unrealizedPnlUsd(mark / 100)).toBeCloseTo(truth.pos === 0n ? 0 : unrealized, 6);
};

const none = (): void => {};

describe("ledger", () => {
  test("law 1: position, entry and realised profit equal exact rational arithmetic, flips through zero included", () => {
    fc.assert(
      fc.property(trades, (list) => {
        const ledger = new Ledger(TOY);
        for (const f of messages(list)) ledger.offer([f], none);
        agree(ledger, list);
        expect(ledger.fillCount).toBe(list.length);
        expect(ledger.hasGap).toBe(false);
      }),
      { seed: SEED, numRuns: 800 },
    );
  });

  test("law 2: repeats, delays and snapshots (newest first) change nothing", () => {
    fc.assert(
      fc.property(trades, fc.infiniteStream(fc.nat(5)), (list, dice) => {
        const all = messages(list);
        const ledger = new Ledger(TOY);
        const late: FillEvent[] = [];
        all.forEach((f, i) => {
          const roll = dice.next().value as number;
          if (roll === 0) late.push(f);
          else if (roll === 1) ledger.offer([f, f], none);
          else ledger.offer([f], none);
          if (roll === 2) {
            const snapshot = all.slice(0, i + 1).reverse();
            ledger.offer(
              snapshot.map((s) => ({ ...s, isSnapshot: true })),
              none,
            );
          }
        });
        ledger.offer(late, none);
        // What a repair brings: everything, oldest first.
        ledger.offer(all, none);
        expect(ledger.hasGap).toBe(false);
        expect(ledger.posLots).toBe(Number(oracle(list).pos));
        expect(ledger.fillCount).toBe(list.length);
        expect(ledger.feesUsd).toBeCloseTo(
          list.reduce((a, t) => a + 0.01 * t.sz, 0),
          9,
        );
      }),
      { seed: SEED, numRuns: 800 },
    );
  });
});
