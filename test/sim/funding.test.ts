/** Funding: the reference's example, signs, conservation, the clock. */
import { describe, expect, it } from "vitest";
import { Side } from "../../src/domain/index.js";
import { hourlyRate, impactTicks, premiumOf } from "../../src/sim/funding.js";
import { NOW, Rig } from "./exchange-rig.js";

const HOUR = 3_600_000;

describe("funding", () => {
  it("the reference's example: 10 BTC long pay 118.75 for impact bid 10,100 over oracle 10,000 (8.10)", () => {
    expect(hourlyRate(premiumOf(10_100, 10_101, 10_000, true, 1), 0.0001)).toBe(0.0011875);
    const rig = new Rig();
    const market = rig.perp("BTC", 10_000);
    const [long, short] = [rig.user(1, 100_000), rig.user(2, 100_000)];
    rig.cross(long, short, market, Side.Buy, 10_000, 10);
    const before = [rig.cash(long), rig.cash(short)];
    rig.exchange.setOracle(market, rig.ticks(market, 10_000));
    rig.place(rig.user(3, 1e6), market, Side.Buy, 10_100, 2);
    rig.place(rig.user(4, 1e6), market, Side.Sell, 10_101, 2);
    rig.exchange.funding.sample(market);
    rig.exchange.settleFunding(NOW);
    expect(rig.cash(long) - before[0]!).toBe(-118.75);
    expect(rig.cash(short) - before[1]!).toBe(118.75);
    expect(long.fundings[0]).toMatchObject({
      time: NOW,
      delta: { type: "funding", coin: "BTC", usdc: "-118.75", szi: "10.0", fundingRate: "0.0011875" },
    });
    expect(market.fundingRows).toEqual([
      { coin: "BTC", fundingRate: "0.0011875", premium: "0.01", time: NOW },
    ]);
    expect(long.position(market).fundingAllTimeMicroUsd).toBe(118.75e6);
    expect(rig.exchange.dexPot(0).funding).toBe(0);
  });

  it("without premium the rate is an eighth of the interest, and never beyond 4 % an hour", () => {
    expect(hourlyRate(0, 0.0001)).toBe(0.0000125);
    expect(hourlyRate(0.0003, 0.0001)).toBe(0.0000125);
    expect(hourlyRate(-0.01, 0.0001)).toBe(-0.0011875);
    expect(hourlyRate(1, 0.0001)).toBe(0.04);
    expect(hourlyRate(-1, 0.0001)).toBe(-0.04);
  });

  it("a HIP-3 dex takes the middle of the impact prices, times its multiplier", () => {
    expect(premiumOf(101, 103, 100, false, 0.5)).toBeCloseTo(0.01, 12);
    expect(premiumOf(99, 101, 100, true, 1)).toBe(0);
  });

  it("the impact price averages the levels that the notional takes, and is none in a thin book", () => {
    const rig = new Rig();
    const market = rig.perp("ETH", 1000);
    const maker = rig.house(1);
    rig.place(maker, market, Side.Sell, 1000, 5);
    rig.place(maker, market, Side.Sell, 1500, 5);
    // 8000 of notional: 5000 at 1000 and 3000 at 1500 are 7 ETH.
    expect(impactTicks(market, Side.Buy, 8000)! / 100).toBeCloseTo(8000 / 7, 9);
    expect(impactTicks(market, Side.Buy, 12_501)).toBeUndefined();
    rig.exchange.funding.sample(market);
    expect([market.premiumCount, market.lastPremium]).toEqual([0, undefined]);
  });

  it("pays isolated positions into their own margin", () => {
    const rig = new Rig();
    const market = rig.perp("ETH", 1000);
    const [long, short] = [rig.user(1, 1000), rig.user(2, 1000)];
    rig.exchange.transfers.updateLeverage(long, market, false, 10);
    rig.cross(long, short, market, Side.Buy, 1000, 1);
    const cash = rig.cash(long);
    rig.exchange.settleFunding(NOW);
    expect(rig.cash(long)).toBe(cash);
    expect(long.position(market).isolatedMicroUsd).toBe(100e6 - 12_500);
  });

  it("what rounding leaves goes to the pot, and nothing else does", () => {
    const rig = new Rig();
    const market = rig.perp("ETH", 1234.56);
    const users = [1, 2, 3, 4].map((n) => rig.user(n, 10_000));
    rig.cross(users[0]!, users[1]!, market, Side.Buy, 1234.5, 1.0001);
    rig.cross(users[0]!, users[2]!, market, Side.Buy, 1234.5, 0.3333);
    rig.cross(users[0]!, users[3]!, market, Side.Buy, 1234.5, 0.7777);
    const cash = (): number => users.reduce((sum, u) => sum + u.clearinghouse(0).balanceMicroUsd, 0);
    const before = cash();
    for (let i = 0; i < 50; i++) rig.exchange.settleFunding(NOW + i);
    const pot = rig.exchange.dexPot(0).funding;
    expect(before - cash()).toBe(pot);
    expect(Math.abs(pot)).toBeLessThanOrEqual(50 * 2);
    expect(users[0]!.fundings).toHaveLength(50);
  });

  it("samples every five seconds and pays on the full hour, once; faster when asked to", () => {
    for (const intervalMs of [HOUR, 60_000]) {
      const rig = new Rig({ fundingIntervalMs: intervalMs });
      const market = rig.perp("ETH", 1000);
      const maker = rig.house(1);
      rig.place(maker, market, Side.Buy, 999, 100);
      rig.place(maker, market, Side.Sell, 1001, 100);
      const start = Math.ceil(NOW / HOUR) * HOUR + 1;
      const end = start + intervalMs - 2;
      for (let t = start; t <= end; t += 1000) rig.exchange.advance(t);
      expect(market.premiumCount).toBe(Math.ceil((intervalMs - 2) / 5000));
      expect(market.fundingRows).toHaveLength(0);
      rig.exchange.advance(end + 1);
      rig.exchange.advance(end + 2);
      expect(market.fundingRows.map((r) => r.time)).toEqual([start - 1 + intervalMs]);
    }
  });
});
