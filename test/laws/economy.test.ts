import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Side } from "../../src/domain/index.js";
import type { BudgetView } from "../../src/execution/budget.js";
import { type EconomyInput, economise, economyTerms, scarcity } from "../../src/execution/economy.js";
import { Plan, Role, TargetSide, type WorkingOrder } from "../../src/execution/reconcile.js";
import { cloidOf } from "../execution/fixtures.js";

const SEED = 4711;
const side = fc.constantFrom<Side>(1, -1);
const px = fc.integer({ min: 9_500, max: 10_500 });
const lots = fc.integer({ min: 1, max: 50 });
const working = fc.record({ side, pxTicks: px, remainingLots: lots });

const planned = fc.record({
  cancels: fc.array(working, { maxLength: 4 }),
  modifies: fc.array(fc.record({ order: working, pxTicks: px, szLots: lots }), { maxLength: 8 }),
  places: fc.array(fc.record({ side, pxTicks: px, szLots: lots }), { maxLength: 8 }),
  posLots: fc.integer({ min: -100, max: 100 }),
  isTooSoon: fc.boolean(),
});
type Planned = typeof planned extends fc.Arbitrary<infer T> ? T : never;

const budget: fc.Arbitrary<BudgetView> = fc
  .record({
    remaining: fc.oneof(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 20_000 })),
    hoursLeft: fc.oneof(fc.double({ min: 0, max: 24, noNaN: true }), fc.constant(Number.POSITIVE_INFINITY)),
    isSlotOpen: fc.boolean(),
    isForCancelsOnly: fc.boolean(),
  })
  .map((b) => ({
    ...b,
    isSpent: b.remaining === 0,
    isForCancelsOnly: b.isForCancelsOnly && b.remaining === 0,
  }));

function build(p: Planned): { plan: Plan; input: EconomyInput } {
  const plan = new Plan();
  let id = 1;
  const order = (w: { side: Side; pxTicks: number; remainingLots: number }): WorkingOrder => ({
    ...w,
    cloid: cloidOf(id++),
    role: Role.Free,
  });
  plan.cancels.push(...p.cancels.map(order));
  plan.modifies.push(...p.modifies.map((m) => ({ ...m, order: order(m.order) })));
  plan.places.push(...p.places);
  const bids = new TargetSide();
  const asks = new TargetSide();
  for (const target of [...plan.modifies.map((m) => ({ ...m, side: m.order.side })), ...plan.places]) {
    (target.side === 1 ? bids : asks).push(target.pxTicks, target.szLots);
  }
  return { plan, input: { bids, asks, posLots: p.posLots, isTooSoon: p.isTooSoon } };
}

const requests = (plan: Plan): number => plan.modifies.length + plan.places.length;
const sameOrRicher = (a: BudgetView, b: BudgetView): boolean =>
  a.remaining >= b.remaining &&
  a.hoursLeft >= b.hoursLeft &&
  (a.isSlotOpen || !b.isSlotOpen) &&
  (!a.isForCancelsOnly || b.isForCancelsOnly);

describe("economy of requests", () => {
  test("law 1 and 2: what is left was planned, and every planned cancel is still there", () => {
    fc.assert(
      fc.property(planned, budget, (p, view) => {
        const { plan, input } = build(p);
        const before = { modifies: [...plan.modifies], places: [...plan.places], cancels: [...plan.cancels] };
        const held = economise(plan, input, economyTerms(view));
        expect(plan.modifies.every((m) => before.modifies.includes(m))).toBe(true);
        expect(plan.places.every((m) => before.places.includes(m))).toBe(true);
        expect(before.cancels.every((c) => plan.cancels.includes(c))).toBe(true);
        expect(new Set(plan.cancels).size).toBe(plan.cancels.length);
        expect(held).toBe(before.modifies.length + before.places.length - requests(plan));
      }),
      { seed: SEED, numRuns: 1000 },
    );
  });

  test("law 3: less budget never means more requests", () => {
    fc.assert(
      fc.property(planned, budget, budget, (p, a, b) => {
        fc.pre(sameOrRicher(a, b));
        const rich = build(p);
        const poor = build(p);
        economise(rich.plan, rich.input, economyTerms(a));
        economise(poor.plan, poor.input, economyTerms(b));
        expect(requests(poor.plan)).toBeLessThanOrEqual(requests(rich.plan));
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });

  test("law 3, the terms themselves: scarcity falls with what is left and with the hours", () => {
    fc.assert(
      fc.property(budget, budget, (a, b) => {
        fc.pre(a.remaining >= b.remaining && a.hoursLeft >= b.hoursLeft);
        expect(scarcity(a.remaining, a.hoursLeft, 6)).toBeLessThanOrEqual(
          scarcity(b.remaining, b.hoursLeft, 6),
        );
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  test("law 4: the innermost order that takes the position down is bought at any price, and cancelled when nothing is left", () => {
    const strict: BudgetView = {
      remaining: 10,
      hoursLeft: 0.1,
      isSpent: false,
      isSlotOpen: true,
      isForCancelsOnly: false,
    };
    const make = () =>
      build({
        cancels: [],
        // Long: the ask reduces. Half a tick of mispricing each.
        modifies: [
          { order: { side: -1, pxTicks: 10_051, remainingLots: 10 }, pxTicks: 10_050, szLots: 10 },
          { order: { side: 1, pxTicks: 9_949, remainingLots: 10 }, pxTicks: 9_950, szLots: 10 },
        ],
        places: [],
        posLots: 5,
        isTooSoon: true,
      });
    const some = make();
    economise(some.plan, some.input, economyTerms(strict));
    expect(some.plan.modifies.map((m) => m.order.side)).toEqual([-1]);
    expect(some.plan.cancels).toEqual([]);
    const none = make();
    economise(
      none.plan,
      none.input,
      economyTerms({ ...strict, remaining: 0, isSpent: true, isSlotOpen: false }),
    );
    expect(none.plan.modifies).toEqual([]);
    expect(none.plan.cancels.map((c) => c.side)).toEqual([-1]);
  });

  test("an order that stands too near the fair price is moved before one that stands too far, and is cancelled last", () => {
    const make = () =>
      build({
        cancels: [],
        modifies: [
          { order: { side: 1, pxTicks: 9_992, remainingLots: 10 }, pxTicks: 9_980, szLots: 10 },
          { order: { side: -1, pxTicks: 10_032, remainingLots: 10 }, pxTicks: 10_020, szLots: 10 },
        ],
        places: [],
        posLots: 0,
        isTooSoon: false,
      });
    const tight = make();
    economise(tight.plan, tight.input, { priceBps: 13, minRequoteNs: 0, maxRequests: 100 });
    expect(tight.plan.modifies.map((m) => m.order.side)).toEqual([1]);
    expect(tight.plan.cancels).toEqual([]);
    const spent = make();
    economise(spent.plan, spent.input, { priceBps: 13, minRequoteNs: 0, maxRequests: 0 });
    expect(spent.plan.cancels.map((c) => c.side)).toEqual([1]);
  });
});
