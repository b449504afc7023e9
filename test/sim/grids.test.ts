/** Perps of other venues' recordings: decimals that do not add to six. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { pow10 } from "../../src/domain/index.js";
import { Clearinghouse, Position } from "../../src/sim/clearinghouse.js";
import { accountValue, initialMargin, liquidationTicks, ntlMicroUsd } from "../../src/sim/margin.js";
import { Rig } from "./exchange-rig.js";

const GRIDS = [
  [1, 5],
  [2, 8],
  [5, 8],
  [2, 1],
  [0, 1],
] as const;

/** Trades of whole dollars and tenths of a coin, on one grid: what they are worth, in micro-dollars. */
function booked(
  [pxDecimals, szDecimals]: readonly [number, number],
  trades: readonly (readonly [tenths: number, px: number])[],
  markPx: number,
): readonly (number | undefined)[] {
  const rig = new Rig();
  const { instrument, book } = rig.perp("SOL", 100);
  const market = rig.exchange.addMarket(
    { ...instrument, coin: "OTHER", pxDecimals, szDecimals, maxLeverage: 10 },
    book,
    true,
  );
  market.setMark(markPx * pow10(pxDecimals));
  const p = new Position(rig.exchange.perpMarkets().at(-1)!);
  const house = new Clearinghouse(0);
  house.positions.push(p);
  house.balanceMicroUsd = 1e12;
  for (const [tenths, px] of trades)
    house.balanceMicroUsd += p.trade(tenths * pow10(szDecimals - 1), px * pow10(pxDecimals));
  const liquidation = liquidationTicks(house, p);
  return [
    accountValue(house),
    initialMargin(house),
    ntlMicroUsd(p),
    liquidation === undefined ? undefined : Math.round(liquidation * pow10(6 - pxDecimals)),
  ];
}

describe("a perp on another venue's grid", () => {
  test("the same trades are worth the same on any grid, to the micro-dollar", () => {
    const trade = fc.tuple(
      fc.integer({ min: -50, max: 50 }).filter((x) => x !== 0),
      fc.integer({ min: 100, max: 300 }),
    );
    fc.assert(
      fc.property(fc.array(trade, { minLength: 1, maxLength: 12 }), (trades) => {
        const [first, ...others] = GRIDS.map((grid) => booked(grid, trades, 200));
        for (const other of others) expect(other).toEqual(first);
      }),
      { seed: 11, numRuns: 60 },
    );
  });

  test("amounts finer than a micro-dollar round at the trade, and a round trip leaves no dust", () => {
    const rig = new Rig();
    const { instrument, book } = rig.perp("SOL", 100);
    rig.exchange.addMarket({ ...instrument, coin: "OTHER", pxDecimals: 2, szDecimals: 8 }, book, true);
    const p = new Position(rig.exchange.perpMarkets().at(-1)!);
    p.trade(123_456_789, 23_661);
    expect(p.entryMicroUsd).toBe(292_111_108);
    expect(p.trade(-100_000_000, 23_700)).toBe(237_000_000 - 236_610_000);
    p.trade(-23_456_789, 23_700);
    expect([p.szLots, p.entryMicroUsd]).toEqual([0, 0]);
  });
});
