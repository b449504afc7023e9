import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { pow10, Side } from "../../src/domain/index.js";
import {
  Plan,
  type ReconcileInput,
  Role,
  reconcile,
  TargetSide,
  type WorkingOrder,
} from "../../src/execution/reconcile.js";
import { cloidOf, TOY } from "../execution/fixtures.js";

const SEED = 20250904;
const RUNS = 1200;
const FAIR = 100_000.5;

interface Scene {
  bids: [number, number][];
  asks: [number, number][];
  working: { side: Side; px: number; sz: number; role: Role }[];
  maxBpsDiff: number;
  room: number;
}

/** Strictly falling distances from fair, so that a side is a proper ladder. */
const side = (sign: 1 | -1): fc.Arbitrary<[number, number][]> =>
  fc
    .array(fc.tuple(fc.integer({ min: 1, max: 80 }), fc.integer({ min: 2, max: 60 })), { maxLength: 8 })
    .map((steps) => {
      let distance = 0;
      return steps.map(([gap, sz]): [number, number] => {
        distance += gap;
        return [sign === 1 ? 100_000 - distance : 100_001 + distance, sz];
      });
    });

const workingOrders = (roles: readonly Role[]): fc.Arbitrary<Scene["working"]> =>
  fc.array(
    fc.record({
      side: fc.constantFrom<Side>(Side.Buy, Side.Sell),
      px: fc.integer({ min: -400, max: 400 }).map((d) => 100_000 + d),
      sz: fc.integer({ min: 1, max: 60 }),
      role: fc.constantFrom(...roles),
    }),
    { maxLength: 20 },
  );

const scene = (roles: readonly Role[], minRoom: number): fc.Arbitrary<Scene> =>
  fc.record({
    bids: side(1),
    asks: side(-1),
    working: workingOrders(roles),
    maxBpsDiff: fc.constantFrom(0, 0.5, 2, 5, 20),
    room: fc.integer({ min: minRoom, max: minRoom + 600 }),
  });

function inputOf(
  s: Scene,
  working: readonly WorkingOrder[],
  over: Partial<ReconcileInput> = {},
): ReconcileInput {
  const open = (d: Side): number =>
    working.filter((w) => w.side === d).reduce((a, w) => a + w.remainingLots, 0);
  const fillSide = (levels: [number, number][]): TargetSide => {
    const t = new TargetSide();
    for (const [px, sz] of levels) t.push(px, sz);
    return t;
  };
  return {
    instrument: TOY,
    bids: fillSide(s.bids),
    asks: fillSide(s.asks),
    working,
    maxBpsDiff: s.maxBpsDiff,
    sizeTolerance: 0.1,
    fairTicks: FAIR,
    bestBidTicks: 100_000,
    bestAskTicks: 100_001,
    buyRoomLots: s.room,
    sellRoomLots: s.room,
    buyOpenLots: open(Side.Buy),
    sellOpenLots: open(Side.Sell),
    minNotionalUsd: 10,
    maxOrders: 64,
    maxOps: 64,
    ...over,
  };
}

const makeWorking = (s: Scene): WorkingOrder[] =>
  s.working.map((w, i) => ({
    cloid: cloidOf(i + 1),
    side: w.side,
    pxTicks: w.px,
    remainingLots: w.sz,
    role: w.role,
  }));

/** The venue does all of it: cancelled orders are gone, changed and placed ones rest. */
function apply(working: readonly WorkingOrder[], plan: Plan): WorkingOrder[] {
  let id = 1000;
  const gone = new Set([...plan.cancels, ...plan.modifies.map((m) => m.order)].map((o) => o.cloid));
  const rest = (s: Side, px: number, sz: number): WorkingOrder => ({
    cloid: cloidOf(id++),
    side: s,
    pxTicks: px,
    remainingLots: sz,
    role: Role.Free,
  });
  return [
    ...working.filter((w) => !gone.has(w.cloid)),
    ...plan.modifies.map((m) => rest(m.order.side, m.pxTicks, m.szLots)),
    ...plan.places.map((p) => rest(p.side, p.pxTicks, p.szLots)),
  ];
}

const show = (plan: Plan): unknown => ({
  cancels: plan.cancels.map((o) => o.cloid),
  modifies: plan.modifies.map((m) => [m.order.cloid, m.pxTicks, m.szLots]),
  places: plan.places.map((p) => [p.side, p.pxTicks, p.szLots]),
});

const check = <T>(arbitrary: fc.Arbitrary<T>, law: (value: T) => void): void => {
  fc.assert(fc.property(arbitrary, law), { seed: SEED, numRuns: RUNS });
};

/** Enough that the limits never bind: both legs of every change fit. */
const AMPLE = 2000;

describe("reconcile", () => {
  test("law 1: an applied plan gives the target within hysteresis, level by level", () => {
    check(scene([Role.Free], AMPLE), (s) => {
      const working = makeWorking(s);
      const after = apply(working, reconcile(inputOf(s, working), new Plan()));
      for (const [d, levels] of [
        [Side.Buy, s.bids],
        [Side.Sell, s.asks],
      ] as const) {
        const mine = after.filter((w) => w.side === d).sort((a, b) => d * (b.pxTicks - a.pxTicks));
        expect(mine.length).toBe(levels.length);
        mine.forEach((w, i) => {
          const [px, sz] = levels[i]!;
          expect(Math.abs(w.pxTicks - px) * 1e4).toBeLessThanOrEqual(s.maxBpsDiff * px + 1e-6);
          expect(Math.abs(w.remainingLots - sz)).toBeLessThanOrEqual(0.1 * sz + 1e-9);
        });
      }
    });
  });

  test("law 2: a second run has nothing to do", () => {
    check(scene([Role.Free], AMPLE), (s) => {
      const working = makeWorking(s);
      const after = apply(working, reconcile(inputOf(s, working), new Plan()));
      expect(show(reconcile(inputOf(s, after), new Plan()))).toEqual({
        cancels: [],
        modifies: [],
        places: [],
      });
    });
  });

  test("law 3: at most one request per order, and none for an order in flight", () => {
    check(scene([Role.Free, Role.Pending, Role.Leaving], -200), (s) => {
      const working = makeWorking(s);
      const plan = reconcile(inputOf(s, working), new Plan());
      const touched = [...plan.cancels, ...plan.modifies.map((m) => m.order)];
      expect(new Set(touched).size).toBe(touched.length);
      expect(touched.every((o) => o.role === Role.Free)).toBe(true);
    });
  });

  test("law 4: never more than maxOrders orders, nor more than maxOps changes", () => {
    check(
      fc.tuple(scene([Role.Free, Role.Pending, Role.Leaving], 0), fc.nat(20), fc.nat(8)),
      ([s, maxOrders, maxOps]) => {
        const working = makeWorking(s);
        const plan = reconcile(inputOf(s, working, { maxOrders, maxOps }), new Plan());
        expect(plan.modifies.length + plan.places.length).toBeLessThanOrEqual(maxOps);
        if (plan.places.length > 0)
          expect(working.length + plan.places.length).toBeLessThanOrEqual(maxOrders);
      },
    );
  });

  test("law 5: new legs never exceed the room of their side, whatever is in flight", () => {
    check(scene([Role.Free, Role.Pending, Role.Leaving], -300), (s) => {
      const working = makeWorking(s);
      const plan = reconcile(inputOf(s, working), new Plan());
      for (const d of [Side.Buy, Side.Sell]) {
        const added =
          plan.modifies.filter((m) => m.order.side === d).reduce((a, m) => a + m.szLots, 0) +
          plan.places.filter((p) => p.side === d).reduce((a, p) => a + p.szLots, 0);
        expect(added).toBeLessThanOrEqual(Math.max(0, s.room));
      }
    });
  });

  test("law 5b: over the limit, enough is cancelled to come back under it (as far as orders can be cancelled)", () => {
    check(scene([Role.Free, Role.Leaving], -300), (s) => {
      fc.pre(s.room < 0);
      const working = makeWorking(s);
      const plan = reconcile(inputOf(s, working), new Plan());
      for (const d of [Side.Buy, Side.Sell]) {
        const leaving = working.filter((w) => w.side === d && w.role === Role.Leaving);
        const cancelled = plan.cancels.filter((w) => w.side === d);
        const free = working.filter((w) => w.side === d && w.role === Role.Free);
        const freed = [...leaving, ...cancelled].reduce((a, w) => a + w.remainingLots, 0);
        if (cancelled.length < free.length) expect(freed).toBeGreaterThanOrEqual(-s.room);
      }
    });
  });

  test("law 6: the plan does not depend on the order in which the working orders are listed", () => {
    check(
      fc.tuple(scene([Role.Free, Role.Pending, Role.Leaving], 0), fc.infiniteStream(fc.nat())),
      ([s, dice]) => {
        const working = makeWorking(s);
        const shuffled = working
          .map((w) => ({ w, key: dice.next().value as number }))
          .sort((a, b) => a.key - b.key)
          .map((x) => x.w);
        const first = show(reconcile(inputOf(s, working), new Plan()));
        expect(show(reconcile(inputOf(s, shuffled), new Plan()))).toEqual(first);
      },
    );
  });

  test("law 7: requests are ordered inside-out", () => {
    check(scene([Role.Free], AMPLE), (s) => {
      const plan = reconcile(inputOf(s, makeWorking(s)), new Plan());
      const rising = (pxs: number[]): void => {
        const d = pxs.map((p) => Math.abs(p - FAIR));
        expect([...d].sort((a, b) => a - b)).toEqual(d);
      };
      rising(plan.cancels.map((o) => o.pxTicks));
      rising(plan.modifies.map((m) => m.pxTicks));
      rising(plan.places.map((p) => p.pxTicks));
    });
  });

  test("law 8: nothing of ours is left on or through fair, or through the market", () => {
    check(scene([Role.Free], AMPLE), (s) => {
      const working = makeWorking(s);
      const after = apply(working, reconcile(inputOf(s, working), new Plan()));
      for (const w of after) expect(w.side * (FAIR - w.pxTicks)).toBeGreaterThan(0);
    });
  });

  test("law 9: every new leg is on the grid and worth the minimum", () => {
    check(scene([Role.Free, Role.Pending], 0), (s) => {
      const plan = reconcile(inputOf(s, makeWorking(s)), new Plan());
      for (const p of [...plan.places, ...plan.modifies]) {
        expect(Number.isSafeInteger(p.pxTicks) && Number.isSafeInteger(p.szLots) && p.szLots > 0).toBe(true);
        expect((p.pxTicks * p.szLots) / pow10(4)).toBeGreaterThanOrEqual(10);
      }
    });
  });
});
