import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Rng, Side } from "../../src/domain/index.js";
import type { Account } from "../../src/sim/account.js";
import { Position } from "../../src/sim/clearinghouse.js";
import { DEFAULT_EXCHANGE_OPTIONS, Exchange, type OrderSpec } from "../../src/sim/exchange.js";
import { ActionExecutor } from "../../src/sim/execute.js";
import { perpInstrument } from "../../src/sim/market.js";
import { L3Book } from "../../src/sim/matching.js";

const NOW = 1_760_000_000_000;
const address = (n: number): string => `0x${n.toString(16).padStart(40, "0")}`;

function setUp(): { exchange: Exchange; accounts: Account[] } {
  const exchange = new Exchange();
  exchange.addMarket(perpInstrument("BTC", 5, 40), new L3Book());
  exchange.addMarket(perpInstrument("SOL", 2, 20), new L3Book());
  const accounts = [1, 2, 3].map((n) => exchange.deposit(address(n), 50_000 * 1e6));
  accounts.push(exchange.addHouse(address(99)));
  return { exchange, accounts };
}

function spec(
  exchange: Exchange,
  asset: number,
  side: Side,
  pxTicks: number,
  szLots: number,
  rest: Partial<OrderSpec> = {},
): OrderSpec {
  return {
    market: exchange.markets[asset]!,
    side,
    pxTicks,
    szLots,
    tif: "Gtc",
    isReduceOnly: false,
    cloid: undefined,
    ...rest,
  };
}

/** Checks every conservation law on the whole exchange. */
function audit(exchange: Exchange, accounts: readonly Account[]): void {
  let cash = exchange.dexPot(0).fees;
  for (const market of exchange.markets) {
    let net = 0;
    for (const account of accounts) net += account.positions[market.asset]?.szLots ?? 0;
    expect(net).toBe(0);
  }
  for (const account of accounts) {
    cash += account.clearinghouse(0).balanceMicroUsd;
    for (const p of account.positions) {
      if (p === undefined) continue;
      cash -= Math.sign(p.szLots) * p.entryMicroUsd;
      expect(p.entryMicroUsd >= 0 && (p.szLots !== 0 || p.entryMicroUsd === 0)).toBe(true);
      const resting = [...account.openOrders.values()].filter(
        (o) => o.market.asset === p.asset && !o.isReduceOnly,
      );
      const sum = (side: Side): number =>
        resting.filter((o) => o.side === side).reduce((s, o) => s + o.szLots, 0);
      if (!account.isHouse) {
        expect(p.restingBuyLots).toBe(sum(Side.Buy));
        expect(p.restingSellLots).toBe(sum(Side.Sell));
      }
      const reduceOnly = [...account.openOrders.values()].filter(
        (o) => o.isReduceOnly && o.market.asset === p.asset,
      );
      expect(p.restingReduceOnlyCount).toBe(reduceOnly.length);
      const reducible = reduceOnly.reduce((s, o) => s + o.side * o.szLots, 0);
      if (reduceOnly.length > 0) {
        expect(reducible * p.szLots).toBeLessThan(0);
        expect(Math.abs(reducible)).toBeLessThanOrEqual(Math.abs(p.szLots));
      }
    }
  }
  expect(cash).toBe(exchange.dexPot(0).deposits);
}

describe("laws of the exchange core", () => {
  it("law: money and positions are conserved through any session, to the micro-dollar", () => {
    for (let seed = 1; seed <= 25; seed++) {
      const rng = new Rng(seed);
      const { exchange, accounts } = setUp();
      const filled = new Map<number, number>();
      exchange.events = {
        onTrade() {},
        onOrderUpdate() {},
        onNonUserCancel() {},
        onFill(_account, fill) {
          const decimals = fill.coin === "BTC" ? 1e5 : 1e2;
          filled.set(fill.oid, (filled.get(fill.oid) ?? 0) + Math.round(Number(fill.sz) * decimals));
        },
      };
      for (let i = 0; i < 150; i++) {
        const account = accounts[rng.below(accounts.length)]!;
        const asset = rng.below(2);
        const side = rng.uniform() < 0.5 ? Side.Buy : Side.Sell;
        const [mid, step, lot] = asset === 0 ? [1_000_000, 10, 500] : [2_000_000, 100, 20];
        const dice = rng.uniform();
        if (dice < 0.75) {
          const px = mid + step * (rng.below(21) - 10);
          const tif = (["Gtc", "Gtc", "Alo", "Ioc"] as const)[rng.below(4)]!;
          const isReduceOnly = !account.isHouse && rng.uniform() < 0.25;
          exchange.place(
            account,
            spec(exchange, asset, side, px, 1 + rng.below(4 * lot), { tif, isReduceOnly }),
            NOW + i,
          );
        } else {
          const open = [...account.openOrders.values()];
          const order = open[rng.below(Math.max(1, open.length))];
          if (order !== undefined) exchange.cancel(order, NOW + i);
        }
        for (const m of exchange.markets) exchange.updateMark(m, NOW + i);
        audit(exchange, accounts);
      }
      for (const account of accounts) {
        for (const o of account.orders.values())
          expect(filled.get(o.oid) ?? 0).toBeLessThanOrEqual(o.origSzLots);
        // startPosition of each fill continues from the one before (reference 10.14).
        for (const coin of ["BTC", "SOL"]) {
          let at = 0;
          for (const f of account.fills.filter((x) => x.coin === coin)) {
            expect(Number(f.startPosition)).toBeCloseTo(at, 9);
            at += f.side === "B" ? Number(f.sz) : -Number(f.sz);
          }
        }
      }
      expect(exchange.dexPot(0).fees).toBeGreaterThan(0);
    }
  });

  it("law: a position's realised profit and open cost add up to what was paid, through flips", () => {
    const trade = fc.record({
      lots: fc.integer({ min: -500, max: 500 }).filter((n) => n !== 0),
      px: fc.integer({ min: 900_000, max: 1_100_000 }),
    });
    fc.assert(
      fc.property(fc.array(trade, { maxLength: 60 }), (trades) => {
        const p = new Position(setUp().exchange.perpMarkets()[0]!);
        let realised = 0;
        let paid = 0;
        for (const t of trades) {
          realised += p.trade(t.lots, t.px);
          paid += t.lots * t.px;
          expect(realised - Math.sign(p.szLots) * p.entryMicroUsd).toBe(-paid);
        }
      }),
      { seed: 3, numRuns: 300 },
    );
  });

  it("is deterministic: the same calls give the same events", () => {
    const run = (): string => {
      const { exchange, accounts } = setUp();
      const events: unknown[] = [];
      exchange.events = {
        onTrade: (_m, t) => events.push(t),
        onOrderUpdate: (_a, u) => events.push(u),
        onFill: (_a, f) => events.push(f),
        onNonUserCancel: (_a, coin, oid) => events.push([coin, oid]),
      };
      const rng = new Rng(5);
      for (let i = 0; i < 300; i++) {
        const side = rng.uniform() < 0.5 ? Side.Buy : Side.Sell;
        exchange.place(
          accounts[rng.below(4)]!,
          spec(exchange, 0, side, 1_000_000 + 10 * rng.below(9), 50 + rng.below(300)),
          NOW + i,
        );
      }
      return JSON.stringify(events);
    };
    const first = run();
    expect(first.length).toBeGreaterThan(10_000);
    expect(run()).toBe(first);
  });
});

describe("position effects", () => {
  it("shrinks a resting reduce-only order with the position and drops it when flat", () => {
    const { exchange, accounts } = setUp();
    const [a, , , house] = accounts;
    const place = (account: Account, side: Side, px: number, sz: number, rest: Partial<OrderSpec> = {}) =>
      exchange.place(account, spec(exchange, 0, side, px, sz, rest), NOW);
    place(house!, Side.Sell, 1_000_000, 1000);
    place(a!, Side.Buy, 1_000_000, 1000);
    const tp = place(a!, Side.Sell, 1_010_000, 2000, { isReduceOnly: true }).order!;
    expect([tp.szLots, tp.origSzLots, tp.status]).toEqual([1000, 2000, "open"]);
    place(house!, Side.Buy, 999_000, 5000);
    place(a!, Side.Sell, 999_000, 400, { tif: "Ioc" });
    expect([tp.szLots, tp.status]).toEqual([600, "open"]);
    place(a!, Side.Sell, 999_000, 600, { tif: "Ioc" });
    expect([tp.szLots, tp.status]).toEqual([600, "reduceOnlyCanceled"]);
    audit(exchange, accounts);
  });

  it("takes the surplus of several reduce-only orders from the oldest", () => {
    const { exchange, accounts } = setUp();
    const [a, , , house] = accounts;
    const place = (account: Account, side: Side, px: number, sz: number, rest: Partial<OrderSpec> = {}) =>
      exchange.place(account, spec(exchange, 0, side, px, sz, rest), NOW);
    place(house!, Side.Sell, 1_000_000, 1000);
    place(a!, Side.Buy, 1_000_000, 1000);
    const [old, middle, young] = [600, 500, 300].map(
      (sz, i) => place(a!, Side.Sell, 1_010_000 + i * 100, sz, { isReduceOnly: true }).order!,
    );
    expect([old!.szLots, middle!.szLots, young!.szLots]).toEqual([200, 500, 300]);
    place(house!, Side.Buy, 999_000, 5000);
    place(a!, Side.Sell, 999_000, 400, { tif: "Ioc" });
    expect([old!.status, middle!.szLots, young!.szLots]).toEqual(["reduceOnlyCanceled", 300, 300]);
    audit(exchange, accounts);
  });

  it("caps the value of an order by the asset's leverage, a limit order's at ten times a market order's", () => {
    const { exchange } = setUp();
    const rich = exchange.deposit(address(7), 1e9 * 1e6);
    const place = (asset: number, px: number, sz: number, tif: OrderSpec["tif"]) =>
      exchange.place(rich, spec(exchange, asset, Side.Buy, px, sz, { tif }), NOW).status;
    const tooLarge = (asset: number) => ({ error: `Order value too large. asset=${asset}` });
    // BTC at 40x: 30M; SOL at 20x: 5M.
    expect(place(0, 1_000_000, 30_000_001, "Ioc")).toEqual(tooLarge(0));
    expect(place(0, 1_000_000, 30_000_000, "Ioc")).not.toEqual(tooLarge(0));
    expect(place(0, 1_000_000, 300_000_001, "Alo")).toEqual(tooLarge(0));
    expect(place(1, 2_000_000, 2_500_001, "Ioc")).toEqual(tooLarge(1));
    expect(place(1, 2_000_000, 25_000_000, "Alo")).not.toEqual(tooLarge(1));
  });

  it("lets a whole position close below the minimum notional, but not a part of it", () => {
    const { exchange, accounts } = setUp();
    const [a, , , house] = accounts;
    const place = (account: Account, side: Side, sz: number) =>
      exchange.place(account, spec(exchange, 0, side, 1_000_000, sz, { tif: "Gtc" }), NOW).status;
    place(house!, Side.Sell, 13);
    place(a!, Side.Buy, 13);
    place(house!, Side.Sell, 5);
    place(a!, Side.Buy, 13); // 5 more fill, 8 rest and are taken next
    place(house!, Side.Sell, 8);
    place(house!, Side.Buy, 100);
    expect(a!.positions[0]!.szLots).toBe(26);
    expect(place(a!, Side.Sell, 20)).toHaveProperty("filled");
    expect(place(a!, Side.Sell, 5)).toEqual({ error: "Order must have minimum value of $10. asset=0" });
    expect(place(a!, Side.Sell, 6)).toHaveProperty("filled");
  });

  it("counts resting orders as margin, per side, and frees it on cancel", () => {
    const { exchange, accounts } = setUp();
    const [a] = accounts;
    const market = exchange.markets[0]!;
    market.markTicks = 1_000_000; // 100,000 USD: 10 BTC at 20x take 50,000 USD
    const place = (side: Side, px: number, sz: number) =>
      exchange.place(a!, spec(exchange, 0, side, px, sz, { tif: "Alo" }), NOW);
    const first = place(Side.Buy, 990_000, 600_000);
    expect(first.status).toHaveProperty("resting");
    expect(place(Side.Sell, 1_010_000, 900_000).status).toHaveProperty("resting");
    expect(place(Side.Buy, 990_000, 500_000).status).toEqual({
      error: "Insufficient margin to place order. asset=0",
    });
    exchange.cancel(first.order!, NOW);
    expect(place(Side.Buy, 990_000, 500_000).status).toHaveProperty("resting");
  });

  it("fires the dead man's switch on the wall clock, ten times a day", () => {
    const { exchange, accounts } = setUp();
    const [a] = accounts;
    for (let i = 0; i < 3; i++) exchange.place(a!, spec(exchange, 0, Side.Buy, 990_000 - i * 10, 100), NOW);
    a!.scheduledCancelMs = NOW + 5000;
    new ActionExecutor(exchange).runScheduledCancels(NOW, NOW + 4999);
    expect(a!.openOrders.size).toBe(3);
    new ActionExecutor(exchange).runScheduledCancels(NOW, NOW + 5000);
    expect([...a!.orders.values()].map((o) => o.status)).toEqual([
      "scheduledCancel",
      "scheduledCancel",
      "scheduledCancel",
    ]);
    expect(a!.scheduledCancelMs).toBeUndefined();
  });

  it("forgets closed orders by count, never open ones", () => {
    const { exchange, accounts } = setUp();
    const [a] = accounts;
    const kept = exchange.place(a!, spec(exchange, 0, Side.Buy, 900_000, 100), NOW).order!;
    for (let i = 0; i < 10_000; i++)
      exchange.cancel(exchange.place(a!, spec(exchange, 0, Side.Buy, 990_000, 100), NOW).order!, NOW);
    expect(a!.orders.size).toBeLessThanOrEqual(4001);
    expect(a!.orders.get(kept.oid)).toBe(kept);
    expect(a!.history().length).toBe(2000);
  });

  it("refuses a price beyond the band around the mark", () => {
    const { exchange } = setUp();
    exchange.markets[0]!.markTicks = 1_000_000;
    const parse = (p: string): unknown =>
      exchange.parseOrder({ a: 0, b: true, p, s: "0.01", r: false, t: { limit: { tif: "Gtc" } } });
    expect(parse("180000")).not.toBeTypeOf("string");
    expect(parse("180001")).toBe("Order price cannot be more than 80% away from the reference price");
    expect(DEFAULT_EXCHANGE_OPTIONS.priceBand).toBe(0.8);
  });
});
