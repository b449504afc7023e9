import { describe, expect, test } from "vitest";
import { type NewOrder, Side } from "../../src/domain/index.js";
import {
  approveModify,
  approveOrder,
  noteApproved,
  type RiskReason,
  type RiskView,
  riskLimits,
  roomLots,
} from "../../src/risk/index.js";
import { BTC, cloidOf, order, TOY } from "../execution/fixtures.js";

const LIMITS = riskLimits({ maxPosLots: 100, maxPositionValueUsd: 1e6, maxOpenOrders: 5 });

const view = (over: Partial<RiskView> = {}): RiskView => ({
  instrument: TOY,
  limits: LIMITS,
  isKilled: false,
  isReduceOnly: false,
  midPx: 1000,
  bestBidTicks: 99_990,
  bestAskTicks: 100_010,
  posLots: 0,
  openBuyLots: 0,
  openSellLots: 0,
  openOrders: 0,
  ownBestBidTicks: 0,
  ownBestAskTicks: 0,
  ...over,
});

const buy = (over: Parameters<typeof order>[0] = {}): NewOrder => order({ px: 99_900, ...over });
const sell = (over: Parameters<typeof order>[0] = {}): NewOrder => order({ side: -1, px: 100_100, ...over });
const answer = (o: NewOrder, v: RiskView): RiskReason | "ok" => {
  const a = approveOrder(o, v);
  return a.ok ? "ok" : a.reason;
};

interface Row {
  readonly name: string;
  readonly order: NewOrder;
  readonly view?: Partial<RiskView>;
  readonly is: RiskReason | "ok";
}

const ROWS: readonly Row[] = [
  { name: "a sound order", order: buy(), is: "ok" },
  { name: "latch tripped", order: buy(), view: { isKilled: true }, is: "killed" },
  { name: "another asset's view", order: { ...buy(), asset: 1 }, is: "wrong-asset" },
  { name: "size zero", order: { ...buy(), szLots: 0 as never }, is: "size-not-positive" },
  { name: "half a lot", order: { ...buy(), szLots: 1.5 as never }, is: "size-not-positive" },
  { name: "no mid", order: buy(), view: { midPx: 0 }, is: "no-mid" },
  { name: "mid not a number", order: buy(), view: { midPx: Number.NaN }, is: "no-mid" },
  { name: "5 % and a tick below mid", order: buy({ px: 94_999 }), is: "outside-price-collar" },
  { name: "5 % below mid", order: buy({ px: 95_000 }), is: "ok" },
  { name: "less than 10 USD", order: buy({ sz: 1 }), is: "below-min-notional" },
  {
    name: "10 USD at the limit price, less at mid",
    order: sell({ sz: 1 }),
    view: { midPx: 999 },
    is: "below-min-notional",
  },
  {
    name: "less than 10 USD that closes the whole position",
    order: { ...buy({ sz: 1 }), reduceOnly: true },
    view: { posLots: -1 },
    is: "ok",
  },
  {
    name: "less than 10 USD that closes a part",
    order: { ...buy({ sz: 1 }), reduceOnly: true },
    view: { posLots: -2 },
    is: "below-min-notional",
  },
  { name: "post-only buy at the best ask", order: buy({ px: 100_010 }), is: "post-only-would-cross" },
  { name: "post-only buy a tick below the best ask", order: buy({ px: 100_009 }), is: "ok" },
  { name: "post-only sell at the best bid", order: sell({ px: 99_990 }), is: "post-only-would-cross" },
  { name: "post-only buy with no asks", order: buy({ px: 100_010 }), view: { bestAskTicks: 0 }, is: "ok" },
  { name: "Ioc may cross", order: buy({ px: 100_010, tif: "Ioc" }), is: "ok" },
  {
    name: "buy at an own ask",
    order: buy({ px: 100_000 }),
    view: { ownBestAskTicks: 100_000 },
    is: "self-cross",
  },
  {
    name: "sell at an own bid",
    order: sell({ px: 100_000 }),
    view: { ownBestBidTicks: 100_000 },
    is: "self-cross",
  },
  { name: "open-order cap", order: buy(), view: { openOrders: 5 }, is: "too-many-open-orders" },
  {
    name: "fills the limit exactly",
    order: buy({ sz: 30 }),
    view: { posLots: 50, openBuyLots: 20 },
    is: "ok",
  },
  {
    name: "a lot over the limit",
    order: buy({ sz: 31 }),
    view: { posLots: 50, openBuyLots: 20 },
    is: "position-limit",
  },
  {
    name: "other side does not care",
    order: sell({ sz: 31 }),
    view: { posLots: 50, openBuyLots: 50 },
    is: "ok",
  },
  { name: "reduces while over the limit", order: sell({ sz: 40 }), view: { posLots: 150 }, is: "ok" },
  {
    name: "reduces over the limit and through it",
    order: sell({ sz: 251 }),
    view: { posLots: 150 },
    is: "position-limit",
  },
  { name: "adds while over the limit", order: buy({ sz: 2 }), view: { posLots: 150 }, is: "position-limit" },
  {
    name: "reduce-only mode: up to the position",
    order: sell({ sz: 40 }),
    view: { posLots: 50, openSellLots: 10, isReduceOnly: true },
    is: "ok",
  },
  {
    name: "reduce-only mode: beyond the position",
    order: sell({ sz: 41 }),
    view: { posLots: 50, openSellLots: 10, isReduceOnly: true },
    is: "reduce-only-mode",
  },
  {
    name: "reduce-only mode: adding",
    order: buy({ sz: 2 }),
    view: { posLots: 50, isReduceOnly: true },
    is: "reduce-only-mode",
  },
];

describe("pre-trade check", () => {
  test.each(ROWS)("$name → $is", (row) => {
    expect(answer(row.order, view(row.view))).toBe(row.is);
  });

  test("refuses a price with six significant figures, and an integer one passes", () => {
    const v = view({
      instrument: BTC,
      limits: riskLimits({ maxPosLots: 1e6, maxPositionValueUsd: 1e9 }),
      midPx: 97_123,
      bestBidTicks: 0,
      bestAskTicks: 0,
    });
    expect(answer(order({ px: 971_235, sz: 100 }), v)).toBe("off-grid");
    expect(answer(order({ px: 971_230, sz: 100 }), v)).toBe("ok");
  });

  test("the value limit caps the position before the size limit does", () => {
    const v = view({ limits: riskLimits({ maxPosLots: 100, maxPositionValueUsd: 500 }) });
    expect(roomLots(v, Side.Buy)).toBe(50);
    expect(answer(buy({ sz: 51 }), v)).toBe("position-limit");
  });

  test("a new leg is checked like an order, without taking a place under the open-order cap", () => {
    const target = cloidOf(9);
    const full = view({ openOrders: 5 });
    expect(approveModify({ target, order: buy() }, full).ok).toBe(true);
    expect(approveModify({ target, order: buy({ sz: 101 }) }, full)).toEqual({
      ok: false,
      reason: "position-limit",
    });
    expect(approveModify({ target, order: buy() }, view({ isKilled: true }))).toEqual({
      ok: false,
      reason: "killed",
    });
  });

  test("each approved order counts for the next", () => {
    const v = view();
    const first = buy({ sz: 60 });
    expect(answer(first, v)).toBe("ok");
    noteApproved(first, v);
    expect(answer(buy({ sz: 41 }), v)).toBe("position-limit");
    expect(answer(sell({ px: 99_900, sz: 5, tif: "Gtc" }), v)).toBe("self-cross");
  });
});

describe("limits", () => {
  test.each([
    [{ maxPosLots: 0 }, /maxPosLots is 0/],
    [{ maxPosLots: 1.5 }, /whole number of lots/],
    [{ maxPosLots: 1, maxDailyLossUsd: Number.NaN }, /maxDailyLossUsd is NaN/],
    [{ maxPosLots: 1, pullAfterStaleS: 6 }, /exceeds staleDataS/],
    [{ maxPosLots: 1, positionValueKillMult: 0.5 }, /at least 1/],
  ])("refuses %j", (given, text) => {
    expect(() => riskLimits(given)).toThrow(text);
  });
});
