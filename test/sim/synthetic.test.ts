import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Side } from "../../src/domain/index.js";
import { Exchange } from "../../src/sim/exchange.js";
import type { Market, TradeWire } from "../../src/sim/listed-market.js";
import type { MarketOutlet } from "../../src/sim/market.js";
import { BTC_LIKE, SyntheticMarket, type SyntheticParams } from "../../src/sim/markets/synthetic.js";
import { type BookView, bookView } from "../../src/sim/matching.js";

const START_MS = 1_750_000_000_000;

interface Recorded {
  readonly exchange: Exchange;
  readonly market: Market;
  readonly synthetic: SyntheticMarket;
  trades: TradeWire[];
  books: number;
  bbos: { ms: number; bid: number; ask: number; isTwoSided: boolean }[];
  hash: string;
  run(seconds: number): void;
}

function record(seed: number, params: SyntheticParams = BTC_LIKE): Recorded {
  const exchange = new Exchange();
  const synthetic = new SyntheticMarket(params, seed);
  const market = exchange.addMarket(synthetic.instrument, synthetic.book);
  const hash = createHash("sha256");
  const out: Recorded = {
    exchange,
    market,
    synthetic,
    trades: [],
    books: 0,
    bbos: [],
    hash: "",
    run(seconds) {
      const endMs = synthetic.nextDueMs + seconds * 1000;
      while (synthetic.nextDueMs < endMs) synthetic.step();
      out.hash = hash.copy().digest("hex");
    },
  };
  const outlet: MarketOutlet = {
    trades(_m, trades) {
      out.trades.push(...trades);
      hash.update(JSON.stringify(trades));
    },
    bbo(_m, v: BookView, ms) {
      out.bbos.push({
        ms,
        bid: v.bidPxTicks[0]!,
        ask: v.askPxTicks[0]!,
        isTwoSided: v.bidCount > 0 && v.askCount > 0,
      });
      hash.update(`${ms} ${v.bidPxTicks[0]} ${v.bidSzLots[0]} ${v.askPxTicks[0]} ${v.askSzLots[0]}`);
    },
    book(_m, v, ms) {
      out.books++;
      hash.update(`${ms} ${v.bidPxTicks.join()} ${v.askSzLots.join()}`);
    },
    context() {},
  };
  exchange.events = {
    onTrade: (_m, t) => synthetic.onTrade(t),
    onOrderUpdate() {},
    onFill() {},
    onNonUserCancel() {},
  };
  synthetic.open({ exchange, market, outlet }, START_MS);
  synthetic.begin(START_MS);
  return out;
}

describe("synthetic BTC-like market, 10 minutes of exchange time", () => {
  const SECONDS = 600;
  const SEED = 7;
  const r = record(SEED);
  const replay = [...r.market.recentTrades];
  r.run(SECONDS);

  it("has at least 30 past trades when it opens, none of them published", () => {
    expect(replay.length).toBeGreaterThanOrEqual(30);
    expect(replay.every((t) => t.time <= START_MS)).toBe(true);
    expect(r.trades[0]!.time).toBeGreaterThan(START_MS);
  });

  it("keeps a two-sided, never crossed book with 20 levels a side on the venue's grid", () => {
    const view = bookView(20);
    r.market.book.view(view, 20);
    expect([view.bidCount, view.askCount]).toEqual([20, 20]);
    expect(view.bidPxTicks.every((px) => px % 10 === 0)).toBe(true);
    for (const b of r.bbos) expect(b.isTwoSided && b.bid < b.ask).toBe(true);
  });

  it("has a spread of 1 to 3 ticks most of the time", () => {
    const narrow = r.bbos.filter((b) => b.ask - b.bid <= 30).length;
    expect(narrow / r.bbos.length).toBeGreaterThan(0.75);
    expect(Math.max(...r.bbos.map((b) => b.ask - b.bid))).toBeLessThan(1000);
  });

  it("moves 0.5 to 1.5 bps per √s at 1 s, 5 s and 30 s", () => {
    for (const horizonS of [1, 5, 30]) {
      const s = sigma(r.bbos, horizonS);
      expect(s).toBeGreaterThan(0.5);
      expect(s).toBeLessThan(1.5);
    }
  });

  it("prints 8 to 40 times a second, on both sides, in bursts", () => {
    const perS = new Float64Array(SECONDS + 1);
    let buys = 0;
    for (const t of r.trades) {
      perS[Math.floor((t.time - START_MS) / 1000)]!++;
      if (t.side === "B") buys++;
    }
    const mean = r.trades.length / SECONDS;
    expect(mean).toBeGreaterThan(8);
    expect(mean).toBeLessThan(40);
    expect(buys / r.trades.length).toBeGreaterThan(0.35);
    expect(buys / r.trades.length).toBeLessThan(0.65);
    const variance = perS.reduce((sum, n) => sum + (n - mean) ** 2, 0) / SECONDS;
    expect(variance / mean).toBeGreaterThan(2); // a Poisson stream has 1
  });

  it("shows 50 trades within 3 s of opening for most seeds, the 30 replayed ones included for all", () => {
    let quick = 0;
    const seeds = Array.from({ length: 20 }, (_, i) => i + 1);
    for (const seed of seeds) {
      const one = record(seed);
      one.run(3);
      expect(one.trades.length).toBeGreaterThanOrEqual(20);
      if (one.trades.length >= 50) quick++;
    }
    expect(quick).toBeGreaterThan(seeds.length / 2);
  });

  it("pushes a book every 500 ms, rounded up to blocks, and a best bid and offer about every block", () => {
    expect(r.books / SECONDS).toBeCloseTo(1000 / 560, 1);
    expect(r.bbos.length / SECONDS).toBeGreaterThan(6);
  });

  it("gives the same events for the same seed and others for another", () => {
    const again = record(SEED);
    again.run(60);
    const third = record(SEED);
    third.run(60);
    const other = record(SEED + 1);
    other.run(60);
    expect(again.hash).toBe(third.hash);
    expect(other.hash).not.toBe(again.hash);
  });

  it("conserves positions and money among its participants", () => {
    let lots = 0;
    let cash = 0;
    for (const account of r.exchange.allAccounts()) {
      const p = account.positions[0];
      lots += p?.szLots ?? 0;
      cash += account.clearinghouse(0).balanceMicroUsd - Math.sign(p?.szLots ?? 0) * (p?.entryMicroUsd ?? 0);
    }
    expect(lots).toBe(0);
    expect(cash).toBe(0);
    expect(r.exchange.dexPot(0).fees).toBe(0);
  });

  it("fills a client's passive quotes 2 bps from the mid, on both sides", () => {
    const one = record(3);
    const client = one.exchange.deposit(`0x${"ab".repeat(20)}`, 1_000_000 * 1e6);
    const fills: number[] = [];
    one.exchange.events = {
      ...one.exchange.events,
      onFill: (_account, f) => fills.push(f.side === "B" ? 1 : -1),
    };
    for (let s = 0; s < 300; s++) {
      for (const o of [...client.openOrders.values()]) one.exchange.cancel(o, START_MS);
      const { bestBidTicks, bestAskTicks } = one.market.book;
      const mid = (bestBidTicks + bestAskTicks) / 2;
      for (const side of [Side.Buy, Side.Sell]) {
        const pxTicks = Math.round((mid * (1 - side * 2e-4)) / 10) * 10;
        const spec = {
          market: one.market,
          side,
          pxTicks,
          szLots: 1000,
          tif: "Alo" as const,
          isReduceOnly: false,
          cloid: undefined,
        };
        one.exchange.place(client, spec, START_MS + s * 1000);
      }
      one.run(1);
    }
    expect(fills.filter((f) => f === 1).length).toBeGreaterThan(3);
    expect(fills.filter((f) => f === -1).length).toBeGreaterThan(3);
  });
});

/** Realised volatility of the mid at a horizon, bps per √s. */
function sigma(bbos: Recorded["bbos"], horizonS: number): number {
  let next = bbos[0]!.ms;
  let last = 0;
  let sum = 0;
  let n = 0;
  for (const b of bbos) {
    if (b.ms < next) continue;
    next += horizonS * 1000;
    const mid = (b.bid + b.ask) / 2;
    if (last > 0) {
      sum += Math.log(mid / last) ** 2;
      n++;
    }
    last = mid;
  }
  return (Math.sqrt(sum / n) * 1e4) / Math.sqrt(horizonS);
}
