/** Margin: the reference's worked examples to full precision, tiers, leverage, isolated money. */
import { describe, expect, it } from "vitest";
import { Side } from "../../src/domain/index.js";
import { Clearinghouse, Position } from "../../src/sim/clearinghouse.js";
import { clearinghouseState } from "../../src/sim/info/account.js";
import {
  accountValue,
  crossEquity,
  crossMaintenance,
  initialMargin,
  isolatedEquity,
  liquidationTicks,
  maintenanceOfNtl,
  tierAt,
  withdrawable,
} from "../../src/sim/margin.js";
import { MAINNET_MARGIN_TABLES } from "../../src/sim/universe.js";
import { NOW, Rig } from "./exchange-rig.js";

describe("the reference's numbers", () => {
  it("maintenance of a 200M BTC position is 3.125M (6.5)", () => {
    const btc = MAINNET_MARGIN_TABLES.find((t) => t.id === 56)!;
    expect(btc.tiers[1]!.deductionUsd).toBe(1.875e6);
    expect(maintenanceOfNtl(btc, 200e6 * 1e6)).toBe(3.125e6 * 1e6);
    expect(maintenanceOfNtl(btc, 150e6 * 1e6)).toBe(tierAt(btc, 0).mmr * 150e6 * 1e6);
  });

  it("liquidation price of the isolated sample is 2866.26936529, its margin 4.967826 (3.4, 8.11)", () => {
    const rig = new Rig();
    // 50x in the sample: not the universe's ETH, so a single tier of the instrument's own leverage.
    const { exchange } = rig;
    const market = exchange.addMarket(
      { ...rig.perp("SOL", 100).instrument, coin: "ETH", szDecimals: 4, pxDecimals: 2, maxLeverage: 50 },
      rig.exchange.markets[0]!.book,
    );
    // Mark in the sample: 100.02765 / 0.0335 = 2985.9.
    rig.mark(market, 2985.9);
    const p = new Position(exchange.perpMarkets()[1]!);
    p.isCross = false;
    p.leverage = 20;
    p.szLots = 335;
    p.entryMicroUsd = 335 * 298_630;
    // The venue's own cash leg has a digit more than it shows: the shown −95.059824 gives 2866.26938.
    p.isolatedMicroUsd = -95_059_823.5 + p.entryMicroUsd;
    const house = new Clearinghouse(0);
    house.positions.push(p);
    expect(p.rawMicroUsd).toBe(-95_059_823.5);
    expect(isolatedEquity(p)).toBe(4_967_826.5);
    expect(liquidationTicks(house, p)! / 100).toBeCloseTo(2866.26936529, 8);
    p.isolatedMicroUsd -= 0.5;
    expect(isolatedEquity(p)).toBe(4_967_826);
    house.balanceMicroUsd = 13_104_514_502;
    expect(accountValue(house)).toBe(13_109_482_328);
  });

  it("cross sample: maintenance a 80th of 377,667, withdrawable 486.0 (3.4)", () => {
    const rig = new Rig();
    const market = rig.perp("BTC", 83_926);
    const user = rig.user(1, 0);
    const p = user.position(market);
    p.leverage = 10;
    p.szLots = 450_000;
    // 377,667 / 4.5 = 83,926; entry cost rounded to what the sample's profit says.
    p.entryMicroUsd = 377_667e6 - 11_884_306_507;
    const house = user.clearinghouse(0);
    house.balanceMicroUsd = 38_252_700_000 - 11_884_306_507;
    expect(crossEquity(house)).toBe(38_252_700_000);
    expect(crossMaintenance(house) / 1e6).toBeCloseTo(4720.8375, 6);
    expect(withdrawable(house) / 1e6).toBeCloseTo(486, 6);
    const state = clearinghouseState(rig.exchange, user, NOW) as {
      marginSummary: Record<string, string>;
    };
    expect(state.marginSummary).toEqual({
      accountValue: "38252.7",
      totalNtlPos: "377667.0",
      totalRawUsd: "-339414.3",
      totalMarginUsed: "37766.7",
    });
  });

  it("a cross position is liquidatable exactly at its liquidation price, in any tier", () => {
    for (const [sz, usd] of [
      [1, 5000],
      [-1, 5000],
      [2500, 12e6],
      [-2500, 12e6],
    ] as const) {
      const rig = new Rig();
      const market = rig.perp("BTC", 100_000);
      const user = rig.user(1, usd);
      const p = user.position(market);
      p.szLots = sz * 1e5;
      p.entryMicroUsd = Math.abs(sz) * 100_000 * 1e6;
      const house = user.clearinghouse(0);
      const at = liquidationTicks(house, p)!;
      market.markTicks = at;
      expect(crossEquity(house)).toBeCloseTo(crossMaintenance(house), 0);
      market.markTicks = at * (1 - Math.sign(sz) * 1e-4);
      expect(crossEquity(house)).toBeLessThan(crossMaintenance(house));
    }
  });

  it("a fully paid long has no liquidation price", () => {
    const rig = new Rig();
    const market = rig.perp("ETH", 1000);
    const user = rig.user(1, 2000);
    const maker = rig.house(1);
    rig.cross(user, maker, market, Side.Buy, 1000, 1);
    expect(liquidationTicks(user.clearinghouse(0), user.position(market))).toBeUndefined();
  });
});

describe("leverage and isolated margin", () => {
  const setUp = (coin = "ETH") => {
    const rig = new Rig({ activationFeeMicroUsd: 0 });
    const market = rig.perp(coin, 1000);
    return {
      rig,
      market,
      user: rig.user(1, 1000, market.perp.dex.index),
      maker: rig.house(1),
      at: rig.exchange.transfers,
    };
  };

  it("refuses leverage beyond the asset's, zero, and fractions", () => {
    const { user, market, at } = setUp();
    for (const bad of [0, 26, 2.5]) {
      expect(at.updateLeverage(user, market, true, bad)).toBe("Invalid leverage value");
    }
    expect(at.updateLeverage(user, market, true, 25)).toBeUndefined();
  });

  it("does not switch type with an open position, and opens isolated with its own margin", () => {
    const { rig, user, market, maker, at } = setUp();
    expect(at.updateLeverage(user, market, false, 10)).toBeUndefined();
    rig.cross(user, maker, market, Side.Buy, 1000, 1);
    const p = user.position(market);
    expect(p.isolatedMicroUsd).toBe(100e6);
    // 1000 − 100 margin − taker fee 0.45.
    expect(rig.cash(user)).toBe(899.55);
    expect(at.updateLeverage(user, market, true, 10)).toBe("Cannot switch leverage type with open position.");
    rig.cross(user, maker, market, Side.Sell, 1000, 0.4);
    expect(p.isolatedMicroUsd).toBe(60e6);
    rig.cross(user, maker, market, Side.Sell, 1000, 0.6);
    expect(p.isolatedMicroUsd).toBe(0);
    expect(rig.cash(user)).toBeCloseTo(999.1, 9);
  });

  it("adds and removes isolated margin within the venue's rule, and tops up to a leverage", () => {
    const { rig, user, market, maker, at } = setUp();
    expect(at.updateIsolatedMargin(user, market, 1e6)).toBe("Position does not use isolated margin.");
    at.updateLeverage(user, market, false, 5);
    rig.cross(user, maker, market, Side.Buy, 1000, 1);
    expect(at.updateIsolatedMargin(user, market, 100e6)).toBeUndefined();
    expect(user.position(market).isolatedMicroUsd).toBe(300e6);
    expect(at.updateIsolatedMargin(user, market, -100_000_001)).toBe("Insufficient margin to remove.");
    expect(at.updateIsolatedMargin(user, market, -100e6)).toBeUndefined();
    expect(at.updateIsolatedMargin(user, market, 5000e6)).toBe("Insufficient margin to add.");
    expect(at.topUpIsolatedOnlyMargin(user, market, "2.0")).toBeUndefined();
    expect(isolatedEquity(user.position(market))).toBe(500e6);
    expect(at.topUpIsolatedOnlyMargin(user, market, "4.0")).toBe("Invalid leverage value");
  });

  it("keeps margin in a strict isolated market and refuses cross there", () => {
    const { rig, user, market, maker, at } = setUp("flx:ETH");
    expect(user.position(market).isCross).toBe(false);
    expect(at.updateLeverage(user, market, true, 5)).toBe("Cross margin is not allowed for this asset.");
    at.updateLeverage(user, market, false, 5);
    rig.cross(user, maker, market, Side.Sell, 1000, 1);
    at.updateIsolatedMargin(user, market, 100e6);
    expect(at.updateIsolatedMargin(user, market, -1e6)).toMatch(/strict isolated/);
    // Its dex has its own money: the first dex holds none of it.
    expect(user.clearinghouses[0]).toBeUndefined();
  });

  it("asks the tier's maximum of an order that would lead into a lower tier", () => {
    const rig = new Rig();
    const market = rig.perp("ARB", 1);
    const whale = rig.user(1, 10e6);
    expect(rig.place(whale, market, Side.Buy, 0.9, 4e6, { tif: "Alo" }).status).toEqual({
      error: `Order would cause position to exceed margin tier limit at current leverage asset=${market.venueAssetId}`,
    });
    rig.exchange.transfers.updateLeverage(whale, market, true, 5);
    expect(rig.place(whale, market, Side.Buy, 0.9, 4e6, { tif: "Alo" }).status).toHaveProperty("resting");
  });

  it("lowering leverage needs the margin for it, resting orders included", () => {
    const { rig, user, market, at } = setUp();
    expect(rig.place(user, market, Side.Buy, 990, 15, { tif: "Alo" }).status).toHaveProperty("resting");
    expect(initialMargin(user.clearinghouse(0))).toBe(750e6);
    expect(at.updateLeverage(user, market, true, 10)).toMatch(/^Insufficient margin/);
    expect(user.position(market).leverage).toBe(20);
  });
});

describe("a resting order at its match", () => {
  it("goes as marginCanceled when the account can no longer pay for it, and the taker trades on", () => {
    const rig = new Rig();
    const market = rig.perp("ETH", 1000);
    const btc = rig.perp("BTC", 100_000);
    const [poor, other, taker] = [rig.user(1, 1000), rig.user(2, 10_000), rig.user(3, 10_000)];
    const house = rig.house(1);
    const doomed = rig.place(poor, market, Side.Buy, 1000, 10).order!;
    const behind = rig.place(other, market, Side.Buy, 999, 10).order!;
    rig.cross(poor, house, btc, Side.Buy, 100_000, 0.08);
    rig.mark(btc, 94_000);
    expect(poor.openOrders.has(doomed.oid)).toBe(true);
    const { status } = rig.place(taker, market, Side.Sell, 999, 5, { tif: "Ioc" });
    expect(doomed.status).toBe("marginCanceled");
    expect(status).toMatchObject({ filled: { totalSz: "5.0", avgPx: "999.0" } });
    expect([poor.positionLots(market), behind.szLots]).toEqual([0, 50_000]);
    expect(user0Resting(poor)).toBe(0);
  });
});

const user0Resting = (account: { positions: readonly (Position | undefined)[] }): number =>
  account.positions.reduce((sum, p) => sum + (p?.restingBuyLots ?? 0) + (p?.restingSellLots ?? 0), 0);
