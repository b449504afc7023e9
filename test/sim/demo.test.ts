/** The demo's markets: every coin of the universe opens with a book that can be traded on, and money to do so. */
import { describe, expect, it } from "vitest";
import { DEMO_COINS, demoParams, fundListed } from "../../src/sim/demo.js";
import { Exchange } from "../../src/sim/exchange.js";
import { hourlyRate } from "../../src/sim/funding.js";
import { BTC_LIKE, SyntheticMarket } from "../../src/sim/markets/synthetic.js";
import { DEFAULT_UNIVERSE } from "../../src/sim/universe.js";
import { address, NOW, Rig } from "./exchange-rig.js";

const outlet = { trades() {}, bbo() {}, book() {}, context() {} };

describe("the demo", () => {
  it("covers the default universe", () => {
    const perps = DEFAULT_UNIVERSE.dexs.flatMap((d) => d.perps.map((p) => p.coin));
    expect([...DEMO_COINS].sort()).toEqual([...perps, "PURR/USDC", "@107"].sort());
    expect(demoParams("NOPE", BTC_LIKE)).toBeUndefined();
  });

  it("opens each coin with a tight two-sided book at its price, on the terms of the universe", () => {
    const exchange = new Exchange();
    for (const coin of DEMO_COINS) {
      const params = demoParams(coin, BTC_LIKE)!;
      const sim = new SyntheticMarket(params, 1);
      const market = exchange.addMarket(sim.instrument, sim.book);
      sim.open({ exchange, market, outlet }, NOW);
      const mid = (market.book.bestBidTicks + market.book.bestAskTicks) / 2;
      expect(Math.abs(mid / 10 ** market.pxDecimals / params.px - 1)).toBeLessThan(0.02);
      expect((market.book.bestAskTicks - market.book.bestBidTicks) / mid).toBeLessThan(0.002);
      expect(Math.abs(market.markTicks / mid - 1)).toBeLessThan(0.002);
      exchange.deposit(address(1), 0);
    }
    expect(exchange.market("BTC")!.perp!.marginTable.id).toBe(56);
    expect(exchange.market("hyna:BTC")!.perp).toMatchObject({ isGrowthMode: true, marginMode: "normal" });
    expect(exchange.market("flx:ETH")!.perp!.marginMode).toBe("strictIsolated");
    fundListed(exchange, address(1), 1000);
    const account = exchange.account(address(1))!;
    expect([1, 2].map((dex) => account.clearinghouse(dex).balanceMicroUsd)).toEqual([1e9, 1e9]);
    expect(account.spot.balance(exchange.usdc).totalWei).toBe(1000e8);
    expect(account.spot.balance(exchange.token("HYPE")!).totalWei / 1e8).toBeCloseTo(1000 / 45, 0);
    // Impact prices exist, so premium and funding do.
    exchange.advance(NOW);
    for (const market of exchange.perpMarkets()) {
      expect(market.lastPremium, market.coin).toBeDefined();
      expect(Math.abs(exchange.funding.rate(market) - hourlyRate(0, 0.0001))).toBeLessThan(0.001);
    }
  });
});

describe("marks", () => {
  it("is the median of the book's touch and last trade while no oracle is known", () => {
    const rig = new Rig();
    const market = rig.perp("ETH", 1000);
    const maker = rig.house(1);
    rig.place(maker, market, 1, 990, 1);
    rig.place(maker, market, -1, 1010, 1);
    rig.exchange.updateMark(market, NOW);
    expect(market.markTicks).toBe(100_000);
    market.lastTicks = 102_000;
    rig.exchange.updateMark(market, NOW);
    expect(market.markTicks).toBe(101_000);
  });

  it("follows the oracle when the book strays, by its averages", () => {
    const rig = new Rig();
    const market = rig.perp("ETH", 1000);
    rig.exchange.setOracle(market, 100_000);
    const maker = rig.house(1);
    rig.place(maker, market, 1, 999, 1);
    const ask = rig.place(maker, market, -1, 1001, 1).order!;
    for (let s = 0; s <= 300; s += 3) rig.exchange.updateMark(market, NOW + s * 1000);
    expect(market.markTicks).toBe(100_000);
    // The book jumps 5 % up and stays: after one update the averages still hold the mark near the oracle.
    rig.exchange.cancel(ask, NOW);
    rig.place(maker, market, 1, 1049, 1);
    rig.place(maker, market, -1, 1051, 1);
    rig.exchange.updateMark(market, NOW + 303_000);
    expect(market.markTicks).toBeLessThan(101_000);
    for (let s = 306; s <= 1500; s += 3) rig.exchange.updateMark(market, NOW + s * 1000);
    expect(market.markTicks).toBeGreaterThan(104_000);
  });

  it("a HIP-3 mark moves no more than 1 % per update", () => {
    const rig = new Rig();
    const market = rig.perp("hyna:ETH", 1000);
    market.lastTicks = rig.ticks(market, 1100);
    rig.exchange.updateMark(market, NOW);
    expect(market.markTicks).toBe(rig.ticks(market, 1010));
    rig.exchange.updateMark(market, NOW);
    expect(market.markTicks).toBe(rig.ticks(market, 1020.1));
  });
});
