/** Fees: tiers, shares, discounts, HIP-3 scale and growth. */
import { describe, expect, it } from "vitest";
import { Side } from "../../src/domain/index.js";
import { ActionExecutor } from "../../src/sim/execute.js";
import { scaledPpm } from "../../src/sim/fees.js";
import { NOW, Rig } from "./exchange-rig.js";

const DAY = 86_400_000;
const YESTERDAY = Math.floor(NOW / DAY) - 1;

describe("fees", () => {
  it("the documented fill: 0.0353 at 25,372 as maker with scale 1 and growth costs 0.026868 (8.13)", () => {
    const rig = new Rig();
    const market = rig.perp("hyna:BTC", 25_372);
    const [maker, taker] = [rig.user(1, 1000, 1), rig.user(2, 1000, 1)];
    rig.cross(taker, maker, market, Side.Buy, 25_372, 0.0353);
    expect(maker.fills[0]).toMatchObject({ fee: "0.026868", feeToken: "USDE", crossed: false });
    expect(scaledPpm(150, 1, true, 0) / 1e6).toBeCloseTo(0.00003, 12);
    // Cut, not rounded: 0.0268689.
    expect(25_372 * 0.0353 * 0.00003).toBeCloseTo(0.0268689, 7);
  });

  it("scale table of 9.5, as multiples of the base rate", () => {
    for (const [scale, growth, times] of [
      [0, false, 1],
      [0.5, false, 1.5],
      [1, false, 2],
      [3, false, 6],
      [0, true, 0.1],
      [1, true, 0.2],
      [9.99, true, 1.998],
    ] as const) {
      expect(scaledPpm(100, scale, growth, 0)).toBeCloseTo(100 * times, 9);
    }
    // Rebates are not multiplied.
    expect(scaledPpm(-10, 1, false, 0.04)).toBe(-10);
    expect(scaledPpm(100, 0, false, 0.04)).toBeCloseTo(96, 9);
  });

  it("tiers follow the weighted volume of the 14 days before today; a sub-account shares its master's, a vault does not", () => {
    const { exchange } = new Rig();
    const master = exchange.deposit("0xaa", 0);
    const sub = exchange.createSubAccount(master, "s");
    const vault = exchange.createVault(master, "v");
    const note = (day: number, weightedUsd: number): number =>
      sub.dayVolumes.push({ day, takerUsd: 0, makerUsd: 0, weightedUsd });
    note(YESTERDAY - 14, 1e9);
    note(YESTERDAY, 5e6);
    note(YESTERDAY + 1, 1e9);
    expect(exchange.fees.userRates(master, NOW).takerPpm).toBe(450);
    sub.dayVolumes[1]!.weightedUsd = 5_000_001;
    exchange.fees.forget(master);
    expect(exchange.fees.userRates(sub, NOW)).toEqual({
      takerPpm: 400,
      makerPpm: 120,
      spotTakerPpm: 600,
      spotMakerPpm: 300,
    });
    expect(exchange.fees.userRates(vault, NOW).takerPpm).toBe(450);
    // A day later today counts too.
    expect(exchange.fees.userRates(master, NOW + DAY).takerPpm).toBe(280);
  });

  it("a maker of more than 3 % of the exchange's volume is paid, staking and referral cut what is positive", () => {
    const rig = new Rig();
    const market = rig.perp("ETH", 1000);
    const [maker, taker] = [rig.user(1, 10_000), rig.user(2, 10_000)];
    rig.exchange.fees.noteTrade(100e6, NOW - DAY);
    maker.dayVolumes.push({ day: YESTERDAY, takerUsd: 0, makerUsd: 3.1e6, weightedUsd: 3.1e6 });
    taker.stakingDiscount = 0.1;
    taker.referralDiscount = 0.04;
    rig.cross(taker, maker, market, Side.Buy, 1000, 1);
    expect(maker.fills[0]!.fee).toBe("-0.03");
    expect(taker.fills[0]!.fee).toBe("0.3888");
    expect(rig.exchange.dexPot(0).fees).toBe(358_800);
  });

  it("naming a referrer cuts 4 % off, once, and only for the first 25M of volume", () => {
    const rig = new Rig();
    const market = rig.perp("ETH", 1000);
    const user = rig.user(1, 1000);
    const actions = new ActionExecutor(rig.exchange);
    const ppm = () => rig.exchange.fees.ratePpm(user, market, true, NOW);
    expect(ppm()).toBe(450);
    const name = (code: string, nonce: number) =>
      actions.execute(
        user.address,
        {
          action: { type: "setReferrer", code },
          nonce,
          signature: { r: "", s: "", v: 27 },
          vaultAddress: undefined,
          expiresAfter: undefined,
        },
        NOW,
        NOW,
      );
    expect(name("FRIEND", NOW).status).toBe("ok");
    expect(name("OTHER", NOW + 1)).toMatchObject({ status: "err" });
    expect(ppm()).toBe(432);
    user.cumVolumeUsd = 25e6;
    expect(ppm()).toBe(450);
  });

  it("spot pays its fee in what is received: base when buying, quote when selling", () => {
    const rig = new Rig();
    const market = rig.list("@107", 40);
    const { exchange } = rig;
    const hype = exchange.token("HYPE")!;
    const [buyer, seller] = [1, 2].map((n) => exchange.depositSpot(`0x${n}`, exchange.usdc, 1e12));
    exchange.depositSpot(seller!.address, hype, 100e8);
    rig.cross(buyer!, seller!, market, Side.Buy, 40, 10);
    expect(buyer!.fills[0]).toMatchObject({
      dir: "Buy",
      fee: "0.007",
      feeToken: "HYPE",
      startPosition: "0.0",
    });
    expect(seller!.fills[0]).toMatchObject({
      dir: "Sell",
      fee: "0.16",
      feeToken: "USDC",
      startPosition: "100.0",
    });
    expect(buyer!.spot.balance(hype).totalWei).toBe(9.993e8);
    expect(seller!.spot.balance(exchange.usdc).totalWei).toBe(1e12 + 399.84e8);
    // Spot counts double, growth-mode perps a tenth.
    expect(buyer!.dayVolumes[0]).toMatchObject({ takerUsd: 400, weightedUsd: 800 });
  });

  it("a builder is paid its approved rate on top, in collateral or quote, and nothing without approval", () => {
    const rig = new Rig();
    const { exchange } = rig;
    const market = rig.perp("ETH", 1000);
    const [user, maker, builder] = [rig.user(1, 1000), rig.user(2, 1000), rig.user(3, 99)];
    const terms = { b: builder.address, f: 50 };
    const buy = () =>
      exchange.withBuilder(user, terms, () => rig.place(user, market, Side.Buy, 1000, 1, { tif: "Ioc" }));
    rig.place(maker, market, Side.Sell, 1000, 2);
    expect(buy()).toBe("Builder fee has not been approved.");
    exchange.settings.of(user).builderFees.set(builder.address, 50);
    expect(buy()).toMatch(/^Builder has insufficient balance/);
    rig.user(3, 1);
    expect(buy()).toMatchObject({ status: { filled: { totalSz: "1.0" } } });
    // 0.45 of the exchange and 5 bps of the builder.
    expect(user.fills[0]).toMatchObject({ fee: "0.95", builderFee: "0.5" });
    expect([rig.cash(user), rig.cash(builder)]).toEqual([999.05, 100.5]);
    expect(maker.fills[0]).not.toHaveProperty("builderFee");
    rig.place(user, market, Side.Buy, 1000, 1, { tif: "Ioc" });
    expect(user.fills[1]).not.toHaveProperty("builderFee");
  });
});
