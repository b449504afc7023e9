import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { pxTicks, Side, szLots } from "../../src/domain/index.js";
import { approveOrder, noteApproved, type RiskView, riskLimits } from "../../src/risk/index.js";
import { order, TOY } from "../execution/fixtures.js";

describe("pre-trade check", () => {
  test("law 1: whatever approved orders fill, in any order, the position never goes further beyond its limit", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -150, max: 150 }),
        fc.array(
          fc.record({
            side: fc.constantFrom<Side>(Side.Buy, Side.Sell),
            px: fc.integer({ min: 99_000, max: 101_000 }),
            sz: fc.integer({ min: 1, max: 120 }),
          }),
          { maxLength: 12 },
        ),
        fc.infiniteStream(fc.nat(100)),
        (startPos, wishes, dice) => {
          const limits = riskLimits({ maxPosLots: 100, maxPositionValueUsd: 1e9 });
          const view: RiskView = {
            instrument: TOY,
            limits,
            isKilled: false,
            isReduceOnly: Math.abs(startPos) > 100,
            midPx: 1000,
            bestBidTicks: 99_999,
            bestAskTicks: 100_001,
            posLots: startPos,
            openBuyLots: 0,
            openSellLots: 0,
            openOrders: 0,
            ownBestBidTicks: 0,
            ownBestAskTicks: 0,
          };
          const working: { side: Side; left: number }[] = [];
          for (const w of wishes) {
            const wish = { ...order(), side: w.side, pxTicks: pxTicks(w.px), szLots: szLots(w.sz) };
            const a = approveOrder(wish, view);
            if (!a.ok) continue;
            noteApproved(a.order, view);
            working.push({ side: w.side, left: w.sz });
          }
          let pos = startPos;
          const furthest = Math.max(100, Math.abs(startPos));
          while (working.length > 0) {
            const i = (dice.next().value as number) % working.length;
            const o = working[i]!;
            const lots = Math.min(o.left, 1 + ((dice.next().value as number) % 40));
            pos += o.side * lots;
            o.left -= lots;
            if (o.left === 0) working.splice(i, 1);
            expect(Math.abs(pos)).toBeLessThanOrEqual(furthest);
          }
          if (Math.abs(startPos) > 100) expect(Math.abs(pos)).toBeLessThanOrEqual(Math.abs(startPos));
        },
      ),
      { seed: 11, numRuns: 2000 },
    );
  });
});
