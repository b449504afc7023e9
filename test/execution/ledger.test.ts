import { describe, expect, test } from "vitest";
import { Side } from "../../src/domain/index.js";
import { Ledger } from "../../src/execution/ledger.js";
import { fill, TOY } from "./fixtures.js";

const none = (): void => {};

describe("ledger", () => {
  test("a sell through zero closes the long at its entry and opens the short at its own price", () => {
    const ledger = new Ledger(TOY);
    ledger.offer([fill({ szLots: 10, pxTicks: 100_000, startPosLots: 0 })], none);
    ledger.offer(
      [fill({ side: Side.Sell, szLots: 15, pxTicks: 100_100, startPosLots: 10, closedPnlUsd: 0.1 })],
      none,
    );
    expect(ledger.posLots).toBe(-5);
    expect(ledger.entryPx).toBe(1001);
    // 10 lots of 0.01 gained 1.00 each.
    expect(ledger.realizedPnlUsd).toBeCloseTo(0.1, 12);
    expect(ledger.closedPnlDifferenceUsdMax).toBeLessThan(1e-12);
    expect(ledger.unrealizedPnlUsd(1000)).toBeCloseTo(0.05, 12);
  });

  test("the recorded chain of the API reference (4623.5 − 142.7 − 3749.1) holds in any order of arrival", () => {
    const chain = [
      fill({ side: Side.Sell, szLots: 1427, startPosLots: 46_235, tid: 9001, exchMs: 5 }),
      fill({ side: Side.Sell, szLots: 37_491, startPosLots: 44_808, tid: 9002, exchMs: 5 }),
    ];
    for (const arrival of [chain, [...chain].reverse()]) {
      const ledger = new Ledger(TOY);
      ledger.adopt(46_235, 1000, 1);
      ledger.offer(arrival, none);
      expect(ledger.posLots).toBe(7317);
    }
  });

  test("holds a fill that does not chain until the missing one comes", () => {
    const ledger = new Ledger(TOY);
    const first = fill({ szLots: 3, startPosLots: 0, exchMs: 10 });
    const second = fill({ szLots: 4, startPosLots: 3, exchMs: 11 });
    const taken: number[] = [];
    ledger.offer([second], (f) => taken.push(f.tid));
    expect([ledger.hasGap, ledger.posLots]).toEqual([true, 0]);
    ledger.offer([first], (f) => taken.push(f.tid));
    expect([ledger.hasGap, ledger.posLots]).toEqual([false, 7]);
    expect(taken).toEqual([first.tid, second.tid]);
  });

  test("a fill told again under another time stamp is the same fill", () => {
    const ledger = new Ledger(TOY);
    const first = fill({ szLots: 10, startPosLots: 0, tid: 7, exchMs: 1000 });
    ledger.offer([first], none);
    ledger.offer([{ ...first, exchMs: 1400 }], none);
    // The same order, trade id and size from another position is another match.
    ledger.offer([{ ...first, startPosLots: 10, exchMs: 1400 }], none);
    expect([ledger.posLots, ledger.fillCount, ledger.hasGap]).toEqual([20, 2, false]);
  });

  test("gives up on a gap: keeps the money of the held fills, takes the venue's position", () => {
    const ledger = new Ledger(TOY);
    ledger.offer([fill({ szLots: 4, startPosLots: 3, exchMs: 11, feeUsd: 0.5 })], none);
    const lots = ledger.settleGap(7, 999, 20, none);
    expect([lots, ledger.posLots, ledger.entryPx, ledger.feesUsd]).toEqual([3, 7, 999, 0.5]);
    expect(ledger.hasGap).toBe(false);
  });

  test("fills up to an adopted snapshot are old, the first that starts from it in the same millisecond is news", () => {
    const ledger = new Ledger(TOY);
    ledger.adopt(5, 1000, 100);
    const verdicts: string[] = [];
    const note = (_: unknown, v: string): void => {
      verdicts.push(v);
    };
    ledger.offer([fill({ szLots: 5, startPosLots: 0, exchMs: 99 })], note);
    ledger.offer([fill({ szLots: 2, startPosLots: 3, exchMs: 100 })], note);
    ledger.offer([fill({ szLots: 1, startPosLots: 5, exchMs: 100 })], note);
    expect(verdicts).toEqual(["old", "old", "applied"]);
    expect(ledger.posLots).toBe(6);
  });

  test("shows by how much its profit differs from the venue's closedPnl", () => {
    const ledger = new Ledger(TOY);
    ledger.offer([fill({ szLots: 10, pxTicks: 100_000 })], none);
    ledger.offer(
      [fill({ side: Side.Sell, szLots: 10, pxTicks: 100_100, startPosLots: 10, closedPnlUsd: 0.25 })],
      none,
    );
    expect(ledger.closedPnlDifferenceUsdMax).toBeCloseTo(0.15, 12);
  });
});
