import { describe, expect, test } from "vitest";
import { SERIES_COLUMNS, SeriesRecorder, type SeriesRow } from "../../src/backtest/series.js";

const order = (oid: number, px: number, origSz: number, sz: number, status: string) =>
  ({ oid, side: "B", px, origSz, sz, status }) as const;
const fill = (oid: number, tMs: number) =>
  ({
    tMs,
    side: "B",
    px: 99.99,
    sz: 1,
    feeUsd: 0,
    isMaker: true,
    midPx: 100,
    captureBps: 1,
    oid,
  }) as const;

describe("orders by depth", () => {
  test("an order counts where it was placed, however the mid moves, and once however many fills it has", () => {
    const r = new SeriesRecorder();
    r.onOrder(0, order(1, 99.975, 5, 5, "open"), 100);
    r.onOrder(1000, order(1, 99.975, 5, 3, "open"), 101);
    r.onOrder(2000, order(1, 99.975, 5, 0, "filled"), 101);
    const row = r.finish().depths.find((d) => d.fromBps === 2)!;
    expect(row).toEqual({
      fromBps: 2,
      toBps: 3,
      ordersPlaced: 1,
      ordersFilled: 1,
      placedBase: 5,
      filledBase: 5,
      restedS: 2,
    });
  });

  test("a cancelled order is placed and not filled", () => {
    const r = new SeriesRecorder();
    r.onOrder(0, order(1, 90, 5, 5, "open"), 100);
    r.onOrder(500, order(1, 90, 5, 5, "canceled"), 100);
    expect(r.finish().depths.at(-1)).toMatchObject({
      toBps: null,
      ordersPlaced: 1,
      ordersFilled: 0,
      filledBase: 0,
      restedS: 0.5,
    });
  });

  test("an order that never rested is in no bucket", () => {
    const r = new SeriesRecorder();
    r.onOrder(0, order(1, 90, 5, 5, "rejected"), 100);
    expect(r.finish().depths.every((d) => d.ordersPlaced === 0)).toBe(true);
  });

  test("both fills of one batch know how long the order rested; a stranger's rested no time", () => {
    const r = new SeriesRecorder();
    r.onOrder(100, order(1, 99.99, 2, 2, "open"), 100);
    r.onOrder(700, order(1, 99.99, 2, 0, "filled"), 100);
    r.addFill(fill(1, 700));
    r.addFill(fill(1, 700));
    r.forgetFinished();
    r.addFill(fill(1, 900));
    expect(r.finish().fills.map((f) => f.restedMs)).toEqual([600, 600, 0]);
  });
});

describe("the last row", () => {
  test("is the state after closing, even in the moment of the last sample", () => {
    const r = new SeriesRecorder();
    const zero = Object.fromEntries(SERIES_COLUMNS.map((name) => [name, 0])) as unknown as SeriesRow;
    const { tMs, ...row } = zero;
    r.sample(tMs, () => ({ ...row, equityUsd: 100 }));
    r.end(tMs, { ...row, equityUsd: 99 });
    expect([...r.finish().equityUsd]).toEqual([99]);
  });
});

test("a markout is the mid that stands at its time, not the one that comes next", () => {
  const r = new SeriesRecorder();
  r.addFill(fill(1, 0));
  r.onMid(50, 100.01, 100);
  // Nothing moved for five seconds: a tenth of a second and a second later it was still that.
  r.onMid(5_000, 110, 100.01);
  r.onMid(10_000, 120, 110);
  // At the end of a run the mid still stands.
  r.onMid(70_000, 120);
  const [tenth, second, ten, minute] = r.finish().fills[0]!.markoutBps;
  expect(tenth).toBeCloseTo(1, 9);
  expect(second).toBeCloseTo(1, 9);
  expect(ten).toBeCloseTo(2_000, 9);
  expect(minute).toBeCloseTo(2_000, 9);
});
