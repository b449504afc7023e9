import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ComparedFill, reconcileFills } from "../../src/backtest/index.js";
import { type Instrument, Side } from "../../src/domain/index.js";

const BTC: Instrument = {
  asset: 0,
  venueAssetId: 0,
  coin: "BTC",
  pxDecimals: 1,
  szDecimals: 5,
  maxSigFigs: 5,
  minNotionalUsd: 10,
  maxLeverage: 40,
};
const buy = (tMs: number, px: number, sz: number, feeUsd = 0): ComparedFill => ({
  tMs,
  side: Side.Buy,
  px,
  sz,
  feeUsd,
});
const sell = (tMs: number, px: number, sz: number, feeUsd = 0): ComparedFill => ({
  ...buy(tMs, px, sz, feeUsd),
  side: Side.Sell,
});
/** The mid rises by 10 a second from 60000, and ends at 60100. */
const midAt = (tMs: number): number => 60_000 + Math.min(100, tMs / 100);
const compare = (
  live: readonly ComparedFill[],
  backtest: readonly ComparedFill[],
  funding: readonly [number, number] = [0, 0],
) =>
  reconcileFills({
    instrument: BTC,
    live,
    backtest,
    liveFundingUsd: funding[0],
    backtestFundingUsd: funding[1],
    midAt,
  });

describe("a run against its backtest", () => {
  test("the same fills leave no gap", () => {
    const fills = [buy(1000, 59_990, 0.1, 0.9), sell(4000, 60_050, 0.1, 0.9)];
    const { pnl, matchedShare, meanLagMs } = compare(fills, fills);
    expect(pnl.gapUsd).toBe(0);
    expect(pnl.livePnlUsd).toBeCloseTo(0.1 * 60 - 1.8, 9);
    expect([matchedShare, meanLagMs]).toEqual([1, 0]);
  });

  test("a fill that only the backtest had is missed: its worth at the last mid", () => {
    const { pnl, lines } = compare([], [buy(1000, 59_990, 0.1)]);
    expect(pnl.missedUsd).toBeCloseTo(-0.1 * 110, 9);
    expect(pnl.gapUsd).toBe(pnl.missedUsd);
    expect(lines).toMatchObject([{ kind: "missed", side: "B", liveMs: null, backtestPx: 59_990 }]);
  });

  test("a fill that only the run had is extra", () => {
    const { pnl, lines } = compare([sell(1000, 60_020, 0.2)], []);
    expect(pnl.extraUsd).toBeCloseTo(-0.2 * 80, 9);
    expect(lines[0]!.kind).toBe("extra");
  });

  test("a worse price at the same moment is price; the same distance from a mid that moved is latency", () => {
    const worse = compare([buy(1000, 59_995, 1)], [buy(1000, 59_990, 1)]).pnl;
    expect([worse.priceUsd, worse.latencyUsd]).toEqual([-5, 0]);
    // 500 ms later the mid is 5 higher, and so is our price.
    const late = compare([buy(1500, 59_995, 1)], [buy(1000, 59_990, 1)]).pnl;
    expect([late.priceUsd, late.latencyUsd]).toEqual([0, -5]);
  });

  test("fees and funding are told apart", () => {
    const { pnl } = compare([buy(0, 60_000, 1, 3)], [buy(0, 60_000, 1, 1)], [0.5, -0.25]);
    expect([pnl.feesUsd, pnl.fundingUsd, pnl.gapUsd]).toEqual([-2, 0.75, -1.25]);
  });

  test("what is larger on one side is matched in pieces", () => {
    const { lines, matchedShare } = compare(
      [buy(1000, 60_000, 0.3)],
      [buy(900, 60_000, 0.1), buy(1300, 60_000, 0.1)],
    );
    expect(lines.map((l) => [l.kind, l.sz])).toEqual([
      ["matched", 0.1],
      ["matched", 0.1],
      ["extra", 0.1],
    ]);
    expect(matchedShare).toBeCloseTo(2 / 3, 9);
  });

  test("the other side, or too late, is no match", () => {
    expect(compare([buy(0, 60_000, 1)], [sell(0, 60_000, 1)]).matchedShare).toBe(0);
    expect(compare([buy(9_000, 60_000, 1)], [buy(0, 60_000, 1)]).matchedShare).toBe(0);
  });

  test("law: the parts sum to the gap exactly, whatever happened", () => {
    const fill = fc.record({
      tMs: fc.integer({ min: 0, max: 20_000 }),
      side: fc.constantFrom(Side.Buy, Side.Sell),
      px: fc.integer({ min: 599_000, max: 601_000 }).map((ticks) => ticks / 10),
      sz: fc.integer({ min: 1, max: 50_000 }).map((lots) => lots / 1e5),
      feeUsd: fc.integer({ min: -100_000, max: 900_000 }).map((n) => n / 1e6),
    });
    const fills = fc.array(fill, { maxLength: 30 });
    const money = fc.integer({ min: -1_000_000, max: 1_000_000 }).map((n) => n / 1e6);
    fc.assert(
      fc.property(fills, fills, money, money, (live, backtest, a, b) => {
        const { pnl: p } = compare(live, backtest, [a, b]);
        const parts = p.missedUsd + p.extraUsd + p.priceUsd + p.latencyUsd + p.feesUsd + p.fundingUsd;
        expect(parts).toBeCloseTo(p.gapUsd, 7);
        // And the two profits themselves, counted another way.
        const worth = (all: readonly ComparedFill[]): number =>
          all.reduce((sum, f) => sum + f.side * f.sz * (60_100 - f.px) - f.feeUsd, 0);
        expect(p.livePnlUsd).toBeCloseTo(worth(live) + a, 5);
        expect(p.gapUsd).toBeCloseTo(worth(live) + a - worth(backtest) - b, 5);
      }),
      { seed: 4, numRuns: 300 },
    );
  });
});
