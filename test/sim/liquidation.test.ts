/** Liquidation: market orders, the 20 % rule, backstop, deleveraging, and what everybody is told. */
import { describe, expect, it } from "vitest";
import { Side } from "../../src/domain/index.js";
import type { Account, LedgerWire, LiquidationWire } from "../../src/sim/account.js";
import type { PerpMarket } from "../../src/sim/listed-market.js";
import { accountValue, crossEquity, crossMaintenance } from "../../src/sim/margin.js";
import { NOW, Rig } from "./exchange-rig.js";

interface Told {
  readonly rig: Rig;
  readonly market: PerpMarket;
  readonly events: { readonly user: string; readonly event: LiquidationWire }[];
  readonly ledger: LedgerWire[];
  readonly nonUserCancels: number[];
}

function setUp(coin = "ETH", px = 1000, options: ConstructorParameters<typeof Rig>[0] = {}): Told {
  const rig = new Rig(options);
  const market = rig.perp(coin, px);
  const told: Told = { rig, market, events: [], ledger: [], nonUserCancels: [] };
  rig.exchange.events = {
    onTrade() {},
    onOrderUpdate() {},
    onFill() {},
    onNonUserCancel: (_account, _coin, oid) => void told.nonUserCancels.push(oid),
    onLedger: (_account, update) => void told.ledger.push(update),
    onLiquidation: (account, event) => void told.events.push({ user: account.address, event }),
  };
  return told;
}

/** 20x long of 10 ETH at 1000 with 600 of equity: maintenance 200, liquidatable below about 959. */
function longOf(t: Told, n = 1, usd = 600, sz = 10): Account {
  const user = t.rig.user(n, usd, t.market.perp.dex.index);
  t.rig.cross(user, t.rig.exchange.account(t.rig.house(9).address)!, t.market, Side.Buy, 1000, sz);
  return user;
}

describe("liquidation", () => {
  it("cancels the orders in scope and sells into the book; both fills say so, the rest stays with the user", () => {
    const t = setUp();
    const { rig, market } = t;
    const user = longOf(t);
    const bidder = rig.user(2, 50_000);
    const resting = rig.place(user, market, Side.Buy, 900, 0.1).order!;
    rig.place(bidder, market, Side.Buy, 955, 50);
    rig.mark(market, 960);
    expect(t.events).toEqual([]);
    rig.mark(market, 956);
    expect(resting.status).toBe("liquidatedCanceled");
    expect(t.nonUserCancels).toEqual([resting.oid]);
    expect(user.positionLots(market)).toBe(0);
    const about = { liquidatedUser: user.address, markPx: "956.0", method: "market" };
    expect(user.fills.at(-1)).toMatchObject({
      dir: "Liquidated Cross Long",
      px: "955.0",
      sz: "10.0",
      crossed: true,
      liquidation: about,
    });
    expect(bidder.fills.at(-1)).toMatchObject({ dir: "Open Long", crossed: false, liquidation: about });
    // 600 − 4.5 fee − 450 loss − 4.2975 fee.
    expect(rig.cash(user)).toBeCloseTo(600 - 4.5 - 450 - 4.2975, 9);
    expect(t.ledger.at(-1)!.delta).toMatchObject({
      type: "liquidation",
      leverageType: "Cross",
      accountValue: "155.5",
      liquidatedNtlPos: "9560.0",
      liquidatedPositions: [{ coin: "ETH", szi: "10.0" }],
    });
    expect(t.events).toEqual([
      {
        user: user.address,
        event: expect.objectContaining({
          liquidated_user: user.address,
          liquidated_ntl_pos: "9560.0",
          liquidated_account_value: "155.5",
        }),
      },
    ]);
  });

  it("sends a fifth of a position above 100,000 first, and everything within the 30 s after", () => {
    const t = setUp();
    const { rig, market } = t;
    const user = longOf(t, 1, 12_000, 200);
    const bidder = rig.user(2, 500_000);
    rig.place(bidder, market, Side.Buy, 959, 500);
    // Maintenance 200 × 960 / 50 = 3840; equity 12,000 − 90 fee − 8,200.
    rig.mark(market, 959);
    expect(user.positionLots(market)).toBe(160 * 1e4);
    expect(crossEquity(user.clearinghouse(0))).toBeGreaterThan(crossMaintenance(user.clearinghouse(0)));
    rig.mark(market, 954, NOW + 29_000);
    expect(user.positionLots(market)).toBe(0);
    const later = setUp();
    const other = longOf(later, 1, 12_000, 200);
    later.rig.place(later.rig.user(2, 500_000), later.market, Side.Buy, 954, 500);
    later.rig.mark(later.market, 959);
    later.rig.mark(later.market, 956, NOW + 31_000);
    expect(other.positionLots(later.market)).toBe(128 * 1e4);
  });

  it("hands everything to the liquidator below two thirds of maintenance when no book cures it", () => {
    const t = setUp();
    const { rig, market } = t;
    const user = longOf(t);
    rig.mark(market, 958);
    // Liquidatable, but with nobody to sell to and more than two thirds left: nothing happens yet.
    expect([user.positionLots(market), t.events.length]).toEqual([10 * 1e4, 0]);
    rig.mark(market, 950);
    const vault = rig.exchange.liquidator(0);
    expect([user.positionLots(market), vault.positionLots(market)]).toEqual([0, 10 * 1e4]);
    expect([rig.cash(user), rig.cash(vault)]).toEqual([0, 600 - 4.5 - 500]);
    const about = { liquidatedUser: user.address, markPx: "950.0", method: "backstop" };
    expect(user.fills.at(-1)).toMatchObject({ liquidation: about, fee: "0.0", px: "950.0" });
    expect(vault.fills.at(-1)).toMatchObject({ liquidation: about, dir: "Open Long" });
    expect(t.events.map((e) => e.user)).toEqual([user.address, vault.address]);
  });

  it("leaves an isolated position's owner everything but that position", () => {
    const t = setUp();
    const { rig, market } = t;
    const user = rig.user(1, 5000);
    rig.exchange.transfers.updateLeverage(user, market, false, 10);
    rig.cross(user, rig.house(9), market, Side.Sell, 1000, 1);
    const cash = rig.cash(user);
    rig.mark(market, 1090);
    expect(t.ledger.at(-1)!.delta).toMatchObject({ leverageType: "Isolated", accountValue: "10.0" });
    expect(user.positionLots(market)).toBe(0);
    expect(rig.cash(user)).toBe(cash);
    expect(user.fills.at(-1)!.dir).toBe("Liquidated Isolated Short");
  });

  it("deleverages the most profitable and leveraged opposite holder at the previous mark when equity is gone", () => {
    const t = setUp();
    const { rig, market } = t;
    const long = rig.user(1, 600);
    const [calm, bold] = [rig.user(2, 100_000), rig.user(3, 1000)];
    rig.cross(long, calm, market, Side.Buy, 1000, 5);
    rig.cross(long, bold, market, Side.Buy, 1000, 5);
    rig.mark(market, 965);
    rig.mark(market, 900);
    expect([long, bold, calm].map((a) => a.positionLots(market))).toEqual([0, 0, 0]);
    expect(bold.fills.at(-1)).toMatchObject({ dir: "Auto-Deleveraging", px: "965.0", fee: "0.0", side: "B" });
    expect(long.fills.map((f) => f.dir).slice(-2)).toEqual(["Auto-Deleveraging", "Auto-Deleveraging"]);
    expect(long.fills.at(-2)!.tid).toBe(bold.fills.at(-1)!.tid);
    expect(rig.cash(long)).toBeCloseTo(600 - 4.5 - 350, 6);
    expect(t.rig.exchange.liquidator(0).positionLots(market)).toBe(0);
  });

  it("a deleveraged loss beyond the money is the liquidator's debt, not the user's", () => {
    const t = setUp();
    const { rig, market } = t;
    const long = rig.user(1, 600);
    rig.cross(long, rig.user(2, 100_000), market, Side.Buy, 1000, 10);
    rig.exchange.setMark(market, rig.ticks(market, 1000), NOW);
    market.markTicks = rig.ticks(market, 900);
    rig.mark(market, 890);
    expect([rig.cash(long), long.positionLots(market)]).toEqual([0, 0]);
    expect(rig.cash(rig.exchange.liquidator(0))).toBeCloseTo(600 - 4.5 - 1000, 6);
  });

  it("a HIP-3 liquidator takes no isolated-only market: it waits for the book, then deleverages", () => {
    const t = setUp("flx:ETH");
    const { rig, market } = t;
    const user = rig.user(1, 1000, 2);
    const short = rig.user(2, 50_000, 2);
    rig.exchange.transfers.updateLeverage(user, market, false, 10);
    rig.cross(user, short, market, Side.Buy, 1000, 1);
    rig.mark(market, 910);
    expect(user.positionLots(market)).toBe(1e4);
    rig.mark(market, 890);
    expect([user.positionLots(market), short.positionLots(market)]).toEqual([0, 0]);
    expect(user.fills.at(-1)).toMatchObject({ dir: "Auto-Deleveraging", px: "910.0", feeToken: "USDH" });
  });

  it("never sells below the price at which nothing would be left", () => {
    const t = setUp();
    const { rig, market } = t;
    const user = longOf(t);
    rig.place(rig.user(2, 50_000), market, Side.Buy, 900, 50);
    rig.mark(market, 957);
    // The bid at 900 would have cost 400 more than there is.
    expect(user.positionLots(market)).toBe(10 * 1e4);
    expect(accountValue(user.clearinghouse(0))).toBeGreaterThan(0);
  });
});

describe("open-interest caps", () => {
  it("refuse what increases or flips, cancel what rests beyond the oracle, allow reductions", () => {
    const t = setUp("hyna:BTC", 100_000);
    const { rig, market } = t;
    const [a, b, c] = [1, 2, 3].map((n) => rig.user(n, 1e6, 1));
    rig.cross(a!, b!, market, Side.Buy, 100_000, 1);
    rig.exchange.setOracle(market, rig.ticks(market, 100_000));
    const bold = rig.place(c!, market, Side.Buy, 100_500, 0.1).order!;
    const shy = rig.place(c!, market, Side.Buy, 99_000, 0.1).order!;
    market.oiCapUsd = 50_000;
    rig.mark(market, 100_000);
    expect([bold.status, shy.status]).toEqual(["openInterestCapCanceled", "open"]);
    const id = `asset=${market.venueAssetId}`;
    expect(market.venueAssetId).toBe(110_000);
    const capped = `Order would increase open interest while open interest is capped ${id}`;
    expect(rig.place(b!, market, Side.Sell, 99_000, 0.1).status).toEqual({ error: capped });
    expect([...b!.orders.values()].at(-1)!.status).toBe("positionIncreaseAtOpenInterestCapRejected");
    expect(rig.place(a!, market, Side.Sell, 99_000, 2).status).toEqual({ error: capped });
    expect([...a!.orders.values()].at(-1)!.status).toBe("positionFlipAtOpenInterestCapRejected");
    expect(rig.place(b!, market, Side.Sell, 99_999, 0.1).status).toEqual({
      error: `Order rejected due to price more aggressive than oracle while at open interest cap ${id}`,
    });
    expect(rig.place(a!, market, Side.Sell, 99_000, 0.1, { tif: "Ioc" }).status).toHaveProperty("filled");
  });

  it("a dex's total cap binds over its markets", () => {
    const rig = new Rig();
    const [btc, eth] = [rig.perp("flx:BTC", 100_000), rig.perp("flx:ETH", 1000)];
    const [a, b] = [rig.house(1), rig.house(2)];
    rig.place(a, btc, Side.Buy, 100_000, 600);
    rig.place(b, btc, Side.Sell, 100_000, 600);
    const user = rig.user(1, 1e6, 2);
    rig.place(a, eth, Side.Sell, 1000, 10);
    expect(rig.place(user, eth, Side.Buy, 1000, 1).status).toMatchObject({
      error: expect.stringContaining("open interest is capped"),
    });
  });
});
