import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Exchange, type Market, type TradeWire } from "../../src/sim/exchange.js";
import type { MarketOutlet } from "../../src/sim/market.js";
import { BTC_LIKE, SyntheticMarket, type SyntheticParams } from "../../src/sim/markets/synthetic.js";
import type { BookView } from "../../src/sim/matching.js";

const START_MS = 1_750_000_000_000;

interface Recorded {
  readonly exchange: Exchange;
  readonly market: Market;
  readonly synthetic: SyntheticMarket;
  trades: TradeWire[];
  books: number;
  bbos: { ms: number; bid: number; ask: number; bidSz: number }[];
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
      out.bbos.push({ ms, bid: v.bidPxTicks[0]!, ask: v.askPxTicks[0]!, bidSz: v.bidSzLots[0]! });
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

describe("synthetic market", () => {
  const SECONDS = 600;
  const r = record(7);
  const replayed = r.market.recentTrades.length;
  r.run(SECONDS);
  if (process.env["SIM_STATS"]) {
    const spreads = r.bbos.map((b) => (b.ask - b.bid) / 10);
    const tps = r.trades.length / SECONDS;
    console.log("trades/s", tps, "bbos/s", r.bbos.length / SECONDS, "books/s", r.books / SECONDS);
    for (const k of [1, 2, 3, 4, 5])
      console.log("spread", k, spreads.filter((s) => s === k).length / spreads.length);
    console.log("max", Math.max(...spreads));
    console.log(
      "mean sz usd",
      r.trades.reduce((a, t) => a + Number(t.sz) * Number(t.px), 0) / r.trades.length,
    );
    for (const h of [0.5, 1, 5, 30]) console.log("sigma", h, sigma(r.bbos, h));
    let min = 1e9;
    for (let s = 0; s + 3 <= SECONDS; s++)
      min = Math.min(
        min,
        r.trades.filter((t) => t.time >= START_MS + s * 1000 && t.time < START_MS + (s + 3) * 1000).length,
      );
    console.log(
      "min trades in 3s",
      min,
      "px range",
      Math.min(...r.bbos.map((b) => b.bid)),
      Math.max(...r.bbos.map((b) => b.bid)),
    );
    console.log("orders", r.synthetic.book.orderCount);
  }

  it("x", () => {
    expect(replayed).toBeGreaterThanOrEqual(30);
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
