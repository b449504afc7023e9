import { describe, expect, test } from "vitest";
import { type Side, Side as SideOf } from "../../src/domain/index.js";
import {
  Plan,
  type ReconcileInput,
  Role,
  reconcile,
  TargetSide,
  type WorkingOrder,
} from "../../src/execution/reconcile.js";
import { cloidOf, TOY } from "./fixtures.js";

const targets = (...levels: [number, number][]): TargetSide => {
  const t = new TargetSide();
  for (const [px, sz] of levels) t.push(px, sz);
  return t;
};

const bid = (id: number, pxTicks: number, remainingLots: number, role: Role = Role.Free): WorkingOrder => ({
  cloid: cloidOf(id),
  side: SideOf.Buy as Side,
  pxTicks,
  remainingLots,
  role,
});

const input = (over: Partial<ReconcileInput>): ReconcileInput => ({
  instrument: TOY,
  bids: targets(),
  asks: targets(),
  working: [],
  maxBpsDiff: 5,
  sizeTolerance: 0.1,
  fairTicks: 100_000.5,
  bestBidTicks: 100_000,
  bestAskTicks: 100_001,
  buyRoomLots: 1000,
  sellRoomLots: 1000,
  buyOpenLots: 0,
  sellOpenLots: 0,
  minNotionalUsd: 10,
  maxOrders: 64,
  maxOps: 64,
  ...over,
});

const run = (over: Partial<ReconcileInput>): Plan => reconcile(input(over), new Plan());

describe("reconcile", () => {
  test("keeps every order when the whole ladder shifts by less than the threshold", () => {
    const plan = run({
      bids: targets([99_980, 10], [99_900, 10], [99_800, 10]),
      working: [bid(1, 99_950, 10), bid(2, 99_870, 10), bid(3, 99_770, 10)],
    });
    expect(plan.isEmpty).toBe(true);
  });

  test("changes only the order that drifted beyond the threshold", () => {
    const plan = run({
      bids: targets([99_990, 10], [99_900, 10]),
      working: [bid(1, 99_930, 10), bid(2, 99_905, 10)],
    });
    expect(plan.modifies.map((m) => [m.order.cloid, m.pxTicks])).toEqual([[cloidOf(1), 99_990]]);
    expect(plan.cancels).toHaveLength(0);
  });

  test("a size within tolerance keeps its place, beyond it is changed", () => {
    const at = (sz: number): Plan => run({ bids: targets([99_990, 100]), working: [bid(1, 99_990, sz)] });
    expect(at(90).isEmpty).toBe(true);
    expect(at(110).isEmpty).toBe(true);
    expect(at(89).modifies).toHaveLength(1);
    expect(at(111).modifies).toHaveLength(1);
  });

  test("an order that fair has come down to is moved although it is near its target", () => {
    const plan = run({
      bids: targets([99_990, 10]),
      working: [bid(1, 99_996, 10)],
      fairTicks: 99_995,
      bestBidTicks: 99_990,
      bestAskTicks: 100_000,
    });
    expect(plan.modifies).toHaveLength(1);
  });

  test("leaves an order in flight alone and does not place its level twice", () => {
    const plan = run({ bids: targets([99_990, 10]), working: [bid(1, 99_900, 10, Role.Pending)] });
    expect(plan.isEmpty).toBe(true);
  });

  test("an order on its way out stands for no level", () => {
    const plan = run({
      bids: targets([99_990, 10]),
      working: [bid(1, 99_990, 10, Role.Leaving)],
      buyOpenLots: 10,
    });
    expect(plan.places).toHaveLength(1);
  });

  test("without room for both legs an order is cancelled first and placed when the cancel is confirmed", () => {
    const first = run({
      bids: targets([99_990, 10]),
      working: [bid(1, 99_900, 10)],
      buyRoomLots: 5,
      buyOpenLots: 10,
    });
    expect(first.cancels).toHaveLength(1);
    expect(first.modifies).toHaveLength(0);
    expect(first.places).toHaveLength(0);
    const second = run({ bids: targets([99_990, 10]), buyRoomLots: 15, buyOpenLots: 0 });
    expect(second.places).toEqual([{ side: 1, pxTicks: 99_990, szLots: 10 }]);
  });

  test("a target beyond the limit is clipped, and the clipped order is kept afterwards", () => {
    const bids = targets([99_990, 10], [99_900, 10]);
    const first = run({ bids, buyRoomLots: 14 });
    expect(first.places.map((p) => p.szLots)).toEqual([10, 4]);
    const second = run({
      bids,
      working: [bid(1, 99_990, 10), bid(2, 99_900, 4)],
      buyRoomLots: 0,
      buyOpenLots: 14,
    });
    expect(second.isEmpty).toBe(true);
  });

  test("what is left of a level below the minimum notional is not quoted", () => {
    // One lot is worth 10 USD less a tick: below the minimum.
    expect(run({ bids: targets([99_990, 1]) }).isEmpty).toBe(true);
    expect(run({ bids: targets([99_990, 10], [99_900, 10]), buyRoomLots: 11 }).places).toHaveLength(1);
  });

  test("no targets: everything that can be cancelled is, innermost first", () => {
    const plan = run({ working: [bid(1, 99_800, 10), bid(2, 99_990, 10), bid(3, 99_900, 10, Role.Pending)] });
    expect(plan.cancels.map((o) => o.cloid)).toEqual([cloidOf(2), cloidOf(1)]);
  });

  test("a budget of one change takes the innermost, and an unsafe order beyond it is cancelled", () => {
    const plan = run({
      bids: targets([99_970, 10], [99_900, 10]),
      working: [bid(1, 99_998, 10), bid(2, 99_996, 10)],
      fairTicks: 99_990,
      bestBidTicks: 99_980,
      bestAskTicks: 100_010,
      maxOps: 1,
    });
    expect(plan.modifies.map((m) => m.pxTicks)).toEqual([99_970]);
    expect(plan.cancels).toHaveLength(1);
  });

  test("drops a target that would cross or repeat a price", () => {
    const plan = run({ bids: targets([100_001, 10], [99_990, 10], [99_990, 10], [99_995, 10]) });
    expect(plan.places.map((p) => p.pxTicks)).toEqual([99_990]);
  });
});
