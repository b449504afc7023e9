import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as abi from "../../src/abi/layout.js";
import { FeedState, KernelStatus, RecordKind, StrategyType, TradeFlag } from "../../src/abi/layout.js";
import { Rng } from "../../src/domain/index.js";
import { BTC, Rig, terms } from "./rig.js";

const E = {
  trades: abi.ESTIMATES_TRADE_COUNT,
  buckets: abi.ESTIMATES_BUCKET_COUNT,
  threshold: abi.ESTIMATES_BUCKET_THRESHOLD_SZ,
  mid: abi.ESTIMATES_MID_PX,
  book: abi.ESTIMATES_BOOK_IMBALANCE,
  flow: abi.ESTIMATES_FLOW_IMBALANCE,
  clean: abi.ESTIMATES_SIGMA_CLEAN_BPS,
  total: abi.ESTIMATES_SIGMA_TOTAL_BPS,
  eff: abi.ESTIMATES_SIGMA_EFF_BPS,
  jump: abi.ESTIMATES_JUMP_RATIO,
  kappa: abi.ESTIMATES_KAPPA_PER_BPS,
  arrival: abi.ESTIMATES_ARRIVAL_PER_S,
  orders: abi.ESTIMATES_ORDER_COUNT,
  hawkesBuy: abi.ESTIMATES_HAWKES_BUY_PER_S,
  hawkesSell: abi.ESTIMATES_HAWKES_SELL_PER_S,
  volume: abi.ESTIMATES_VOLUME_PER_S,
};
const regimeOf = (rig: Rig): number => {
  rig.host.estimates(0, 1);
  return rig.host.memoryU8[rig.host.estimatesOffset + abi.ESTIMATES_REGIME]!;
};

interface Walk {
  seed: number;
  seconds: number;
  sigmaBps: number;
  /** Market orders per second, both sides. */
  ordersPerS: number;
  kappaPerBps: number;
  /** Fills that one market order is split into, deepest last. */
  fills?: number;
}

/** A diffusing mid with Poisson orders of exponential reach; a fresh bbo before each order. Returns the end time. */
function walk(rig: Rig, w: Walk, startS = 0): number {
  const rng = new Rng(w.seed);
  let t = startS;
  let mid = 100_000;
  while (t < startS + w.seconds) {
    const dt = rng.exponential(w.ordersPerS);
    t += dt;
    mid *= Math.exp(w.sigmaBps * 1e-4 * Math.sqrt(dt) * rng.normal());
    rig.bbo(t - 0.0005, mid - 0.05, 1, mid + 0.05, 1);
    const side = rng.uniform() < 0.5 ? 1 : -1;
    const reachBps = rng.exponential(w.kappaPerBps);
    const fills = w.fills ?? 1;
    for (let i = 1; i <= fills; i++)
      rig.trade(t, mid * (1 + side * reachBps * 1e-4 * (i / fills)), 0.02 / fills, side);
  }
  return t;
}
const calm: Walk = { seed: 11, seconds: 1200, sigmaBps: 1, ordersPerS: 8, kappaPerBps: 0.3 };

describe("volatility", () => {
  test("the estimate recovers the volatility of the walk, in bps per sqrt(second) of exchange time", () => {
    for (const sigmaBps of [0.3, 1, 3]) {
      const rig = new Rig();
      walk(rig, { ...calm, sigmaBps });
      expect(rig.estimate(E.total) / sigmaBps).toBeGreaterThan(0.75);
      expect(rig.estimate(E.total) / sigmaBps).toBeLessThan(1.3);
      expect(rig.estimate(E.clean) / sigmaBps).toBeGreaterThan(0.75);
      expect(rig.estimate(E.clean) / sigmaBps).toBeLessThan(1.3);
    }
  });

  test("the estimate stays right when the bucket size changes", () => {
    const rig = new Rig();
    walk(rig, { ...calm, seconds: 300 });
    rig.configure({ bucketTargetS: 10 });
    walk(rig, { ...calm, seed: 12, seconds: 2400 }, 301);
    expect(rig.estimate(E.total)).toBeGreaterThan(0.75);
    expect(rig.estimate(E.total)).toBeLessThan(1.35);
  });

  test("receive times do not enter: a replay at any speed gives the same estimates bit for bit", () => {
    const run = (speed: number): number[] => {
      const rig = new Rig();
      const send = rig.send.bind(rig);
      rig.send = (kind, bytes) => {
        const at = kind === RecordKind.Trade ? abi.TRADE_RECV_MONO_NS : abi.BBO_RECV_MONO_NS;
        if (kind === RecordKind.Trade || kind === RecordKind.Bbo)
          rig.f64[at >> 3] = rig.f64[at >> 3]! / speed;
        return send(kind, bytes);
      };
      walk(rig, { ...calm, seconds: 120 });
      return Object.values(E).map((offset) => rig.estimate(offset));
    };
    expect(run(100)).toEqual(run(1));
  });

  test("one jump lifts realised variance, hardly bipower variation, and the regime is extreme at once", () => {
    const rig = new Rig();
    walk(rig, { ...calm, seconds: 600 });
    const cleanBefore = rig.estimate(E.clean);
    const mid = 200_000;
    const ratio = mid / rig.estimate(E.mid);
    expect(ratio).toBeGreaterThan(1.5);
    // Eight seconds more, while the fast scale still remembers the jump.
    let t = 601;
    for (let i = 0; i < 80; i++) {
      t += 0.1;
      rig.bbo(t - 0.001, mid + (i % 3), 1, mid + (i % 3) + 0.1, 1);
      rig.trade(t, mid, 0.02, i % 2 === 0 ? 1 : -1);
    }
    expect(rig.estimate(E.jump)).toBeGreaterThan(2);
    expect(rig.estimate(E.total)).toBeGreaterThan(3 * rig.estimate(E.clean));
    expect(rig.estimate(E.eff)).toBeGreaterThan(rig.estimate(E.clean));
    expect(rig.estimate(E.clean)).toBeGreaterThan(cleanBefore * 0.5);
    expect(regimeOf(rig)).toBe(abi.VolRegime.Extreme);
  });

  test("a mid that does not move keeps the estimate finite and falling", () => {
    const rig = new Rig();
    walk(rig, { ...calm, seconds: 200 });
    const moving = rig.estimate(E.total);
    for (let i = 0; i < 20_000; i++) rig.trade(201 + i * 0.1, 100_000, 0.02, 1);
    expect(rig.estimate(E.total)).toBeLessThan(moving / 2);
  });
});

describe("volume clock", () => {
  test("a bucket comes to last bucket_target_s on average, whatever the sizes", () => {
    for (const scale of [1e-4, 1, 1e4]) {
      const rig = new Rig({ windowS: 60 });
      const rng = new Rng(3);
      rig.bbo(0.5, 100, 1, 101, 1);
      let t = 1;
      const trade = (): void => {
        t += rng.exponential(20);
        rig.trade(t, 100.5, scale * rng.exponential(1), rng.uniform() < 0.5 ? 1 : -1);
      };
      while (t < 120) trade();
      const from = rig.estimate(E.buckets);
      while (t < 420) trade();
      const perBucketS = 300 / (rig.estimate(E.buckets) - from);
      expect(perBucketS).toBeGreaterThan(1.5);
      expect(perBucketS).toBeLessThan(3);
    }
  });
});

describe("kappa and arrivals", () => {
  test("kappa and A are recovered from the reach and the rate of market orders", () => {
    for (const kappaPerBps of [0.15, 0.5, 1.5]) {
      const rig = new Rig();
      walk(rig, { ...calm, kappaPerBps });
      expect(rig.estimate(E.kappa) / kappaPerBps).toBeGreaterThan(0.85);
      expect(rig.estimate(E.kappa) / kappaPerBps).toBeLessThan(1.2);
      expect(rig.estimate(E.arrival)).toBeGreaterThan(3.4);
      expect(rig.estimate(E.arrival)).toBeLessThan(4.6);
    }
  });

  test("the child fills of one market order count once, at the deepest price", () => {
    const whole = new Rig();
    const split = new Rig();
    walk(whole, calm);
    walk(split, { ...calm, fills: 5 });
    expect(split.estimate(E.orders)).toBe(whole.estimate(E.orders));
    expect(split.estimate(E.trades)).toBe(5 * whole.estimate(E.trades));
    expect(split.estimate(E.kappa) / whole.estimate(E.kappa)).toBeCloseTo(1, 1);
  });

  test("a mid of the trade's own stamp is not its reference: the one before is", () => {
    const reach = (sameStampFirst: boolean): number => {
      const rig = new Rig({ kappaPriorCount: 0.1, minBuckets: 20, minTrades: 20 });
      for (let i = 0; i < 400; i++) {
        const t = 1 + i;
        // Before the trade the mid is 100; its own block shows 100.02 already, 2 bps up.
        rig.bbo(t, 99.99, 1, 100.01, 1);
        if (sameStampFirst) rig.bbo(t + 0.5, 100.01, 1, 100.03, 1);
        rig.trade(t + 0.5, 100.05, 1, 1);
        if (!sameStampFirst) rig.bbo(t + 0.5, 100.01, 1, 100.03, 1);
      }
      return rig.estimate(E.kappa);
    };
    expect(reach(true)).toBeCloseTo(reach(false), 12);
    expect(1 / reach(true)).toBeCloseTo(5, 0);
  });

  test("a Hawkes burst raises its own side most and fades back to the base", () => {
    const rig = new Rig();
    rig.bbo(1, 100, 1, 101, 1);
    for (let i = 0; i < 10; i++) rig.trade(2 + i * 0.1, 101, 1, 1);
    const [buy, sell] = [rig.estimate(E.hawkesBuy), rig.estimate(E.hawkesSell)];
    expect(buy).toBeGreaterThan(sell);
    expect(sell).toBeGreaterThan(0.5);
    rig.bbo(60, 100, 1, 101, 1);
    expect(rig.estimate(E.hawkesBuy)).toBeCloseTo(0.5, 9);
  });

  test("an explosive Hawkes setting is scaled to a stationary one", () => {
    const rig = new Rig({ hawkesAlphaSelf: 3, hawkesAlphaCross: 1, hawkesBeta: 1 });
    rig.bbo(1, 100, 1, 101, 1);
    rig.trade(2, 101, 1, 1);
    // alpha scaled by 0.95/4: one buy lifts the buy side by 3 * 0.2375.
    expect(rig.estimate(E.hawkesBuy)).toBeCloseTo(0.5 + 3 * 0.2375, 9);
  });
});

describe("imbalance and touch", () => {
  test("buyers and bids pull the fair price up, at most by half the spread and a tick", () => {
    const rig = new Rig({ betaBook: 0.01, betaFlow: 0.01, microClampBps: 50 });
    rig.book(1, [[99_999, 50]], [[100_001, 1]]);
    rig.trade(2, 100_001, 5, 1);
    expect(rig.estimate(E.book)).toBeGreaterThan(0.9);
    expect(rig.estimate(E.flow)).toBe(1);
    const t = terms(rig.quote());
    // Half the spread is 1 dollar, the tick at 100,000 (five figures) 1 dollar.
    expect(t.fair - t.mid).toBeCloseTo(2, 6);
  });

  test("a bbo newer than the book moves the touch, an older one does not", () => {
    const rig = new Rig();
    rig.flatBook(10, 100_000, 100_001, 1);
    rig.bbo(9, 99_000, 1, 99_001, 1);
    expect(terms(rig.quote()).bestBid).toBe(100_000);
    rig.bbo(11, 100_002, 1, 100_003, 1);
    expect(terms(rig.quote()).bestBid).toBe(100_002);
    // A book that was cut before that bbo does not bring the old touch back.
    rig.flatBook(10.5, 100_000, 100_001, 1);
    expect(terms(rig.quote()).bestBid).toBe(100_002);
    rig.flatBook(12, 100_004, 100_005, 1);
    expect(terms(rig.quote()).bestBid).toBe(100_004);
  });

  test("when the newer touch has run through the book, only the touch's own imbalance counts", () => {
    const rig = new Rig();
    rig.book(1, [[100, 9]], [[101, 1]]);
    expect(rig.estimate(E.book)).toBeCloseTo(0.8, 2);
    rig.bbo(2, 103, 1, 104, 3);
    expect(rig.estimate(E.book)).toBeCloseTo(-0.5, 12);
    // Still inside the old book: its levels stand.
    rig.book(3, [[100, 9]], [[102, 1]]);
    rig.bbo(4, 100.5, 1, 101.5, 3);
    expect(rig.estimate(E.book)).toBeCloseTo(0.8, 2);
  });

  test("a one-sided market is no book", () => {
    const rig = new Rig({ minTrades: 0, minBuckets: 0 });
    rig.bbo(1, 100_000, 1, 0, 0);
    expect(rig.quote().status).toBe(KernelStatus.NoBook);
    rig.book(2, [[100_000, 1]], []);
    expect(rig.quote().status).toBe(KernelStatus.NoBook);
    rig.bbo(3, 100_000, 1, 100_001, 1);
    expect(rig.quote().status).toBe(KernelStatus.Ok);
  });
});

describe("warm-up", () => {
  test("the first 50 trades of any market open both gates, in order and for good", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2 ** 31 - 1 }),
        fc.double({ min: -12, max: 12, noNaN: true }),
        fc.double({ min: -3, max: 3, noNaN: true }),
        (seed, logSize, logRate) => {
          const rng = new Rng(seed);
          const rig = new Rig();
          expect(rig.quote().status).toBe(KernelStatus.NoBook);
          rig.flatBook(1, 100_000, 100_001, 1);
          let t = 1;
          for (let i = 0; i < 49; i++) {
            t += rng.exponential(10 ** logRate);
            rig.trade(t, 100_001, 10 ** (logSize / 2) * rng.exponential(1), rng.uniform() < 0.5 ? 1 : -1);
            expect(rig.quote().status).toBe(KernelStatus.WarmUpTrades);
          }
          rig.trade(t + 0.001, 100_001, 1, 1);
          expect(rig.quote().status).toBe(KernelStatus.Ok);
          expect(rig.estimate(E.buckets)).toBeGreaterThanOrEqual(20);
        },
      ),
      { seed: 7, numRuns: 60 },
    );
  });

  test("a bucket minimum beyond the trades names itself and is reached by trading on", () => {
    const rig = new Rig({ minTrades: 10, minBuckets: 40 });
    rig.flatBook(1, 100_000, 100_001, 1);
    for (let i = 0; i < 39; i++) rig.trade(2 + i, 100_001, 1, 1);
    expect(rig.quote().status).toBe(KernelStatus.WarmUpBuckets);
    rig.trade(60, 100_001, 1, 1);
    expect(rig.quote().status).toBe(KernelStatus.Ok);
  });

  test("backlog trades are accepted and change nothing", () => {
    const rig = new Rig();
    rig.flatBook(1, 100_000, 100_001, 1);
    const slot = rig.host.exports["slotAddress"]!(0);
    const before = rig.host.memoryU8.slice(slot, slot + 2040);
    for (let i = 0; i < 30; i++)
      expect(rig.trade(1 + i, 100_001, 1, 1, TradeFlag.Backlog)).toBe(KernelStatus.Ok);
    expect(rig.estimate(E.trades)).toBe(0);
    expect(rig.estimate(E.flow)).toBe(0);
    expect(rig.estimate(E.arrival)).toBeCloseTo(0.5, 9);
    const after = rig.host.memoryU8.slice(slot, slot + 2040);
    // The kind of the last record and the sequence of estimates are bookkeeping, everything else stands.
    const changed = [...after].filter((v, i) => v !== before[i]).length;
    expect(changed).toBeLessThanOrEqual(2);
  });

  test("a new config keeps what was learnt", () => {
    const rig = new Rig();
    rig.warm(110_000, 0.5, 1);
    const kappa = rig.estimate(E.kappa);
    rig.configure({ spreadMult: 2 });
    expect(rig.quote().status).toBe(KernelStatus.Ok);
    expect(rig.estimate(E.kappa)).toBe(kappa);
  });
});

describe("gates", () => {
  const warmRig = (): Rig => {
    const rig = new Rig();
    rig.warm(110_000, 0.5, 1);
    return rig;
  };

  test("an asset without a config says so, and takes no market data", () => {
    const rig = new Rig();
    rig.host.resetAsset(0);
    expect(rig.quote().status).toBe(KernelStatus.NotConfigured);
    expect(rig.flatBook(1, 100, 101, 1)).toBe(KernelStatus.NotConfigured);
    expect(rig.position(3)).toBe(KernelStatus.Ok);
  });

  test("a feed that is not live stops the quotes and forgets the book", () => {
    const rig = warmRig();
    expect(rig.quote().status).toBe(KernelStatus.Ok);
    for (const state of [FeedState.Stale, FeedState.Resync]) {
      rig.feed(state);
      const stopped = rig.quote();
      expect(stopped.status).toBe(KernelStatus.FeedNotLive);
      expect(stopped.bids.length + stopped.asks.length).toBe(0);
      rig.feed(FeedState.Live);
      expect(rig.quote().status).toBe(KernelStatus.NoBook);
      // A snapshot after a reconnect may be older than what was seen: it is the truth now.
      expect(rig.flatBook(2, 110_000, 110_001, 1)).toBe(KernelStatus.Ok);
      expect(rig.quote().status).toBe(KernelStatus.Ok);
    }
  });

  test("size multiplier 0 halts, and the terms are still published", () => {
    const rig = warmRig();
    rig.configure({ sizeMult: 0 });
    const ladder = rig.quote();
    expect(ladder.status).toBe(KernelStatus.Halted);
    expect(terms(ladder).half).toBeGreaterThan(0);
    expect(terms(ladder).fair).toBeGreaterThan(0);
  });

  test("during warm-up the terms are published too", () => {
    const rig = new Rig();
    rig.flatBook(1, 110_000, 110_001, 1);
    const ladder = rig.quote();
    expect(ladder.status).toBe(KernelStatus.WarmUpTrades);
    expect(terms(ladder)).toMatchObject({ mid: 110_000.5, fee: 1.5, floor: 5, gamma: 0.3, sigma: 0.5 });
  });

  test("at the limit only the reducing side is quoted", () => {
    const rig = warmRig();
    rig.position(5000);
    expect([rig.quote().bids.length, rig.quote().asks.length > 0]).toEqual([0, true]);
    rig.position(-5000);
    expect([rig.quote().asks.length, rig.quote().bids.length > 0]).toEqual([0, true]);
  });

  test("when what pays lies beyond max_depth the ladder says so, and does not fall back to the touch", () => {
    const rig = warmRig();
    rig.configure({ minDepthBps: 1, maxDepthBps: 6, makerFeeBps: 5 });
    const ladder = rig.quote();
    expect(terms(ladder).half).toBeGreaterThan(6);
    expect(ladder.status).toBe(KernelStatus.NoProfitableLevel);
    expect(ladder.bids.length + ladder.asks.length).toBe(0);
    rig.configure({ minDepthBps: 1, maxDepthBps: 9, makerFeeBps: 5 });
    expect(rig.quote().status).toBe(KernelStatus.Ok);
  });

  test("size below the minimum notional is not quotable", () => {
    const rig = warmRig();
    rig.configure({ sideSzLots: 1 });
    expect(rig.quote().status).toBe(KernelStatus.NotQuotable);
  });

  test("a half-spread beyond the price is not quotable", () => {
    const rig = warmRig();
    const wide = { kappaMinPerBps: 1e-4, kappaMaxPerBps: 1e-4, kappaPriorPerBps: 1e-4 };
    rig.configure({ ...wide, strategy: StrategyType.Glft });
    expect(rig.quote().status).toBe(KernelStatus.NotQuotable);
  });
});

describe("defaults on a market like BTC", () => {
  test("the first level is a few bps from fair, levels go out to max_depth, size adds up to the side", () => {
    const rig = new Rig();
    walk(rig, { ...calm, sigmaBps: 0.5, kappaPerBps: 0.6, seconds: 300 });
    const l = rig.quote();
    const t = terms(l);
    expect(l.status).toBe(KernelStatus.Ok);
    expect(t.half).toBeGreaterThanOrEqual(5);
    expect(t.half).toBeLessThan(7);
    const depth = (ticks: number): number => Math.abs(ticks / 10 / t.fair - 1) * 1e4;
    expect(depth(l.bids[0]!.pxTicks)).toBeCloseTo(t.half, 0);
    expect(l.bids.length).toBeGreaterThanOrEqual(4);
    const lots = l.bids.reduce((n, q) => n + q.szLots, 0);
    expect(lots).toBeGreaterThan(950);
    expect(lots).toBeLessThanOrEqual(1000);
  });

  test("each strategy type quotes what it says", () => {
    const rig = new Rig();
    walk(rig, { ...calm, sigmaBps: 0.5, seconds: 300 });
    rig.position(1000);
    const of = (strategy: StrategyType) => {
      rig.configure({ strategy, symmetricHalfSpreadBps: 6 });
      const l = rig.quote();
      expect(l.status).toBe(KernelStatus.Ok);
      return { ...terms(l), levels: l.bids.length };
    };
    const symmetric = of(StrategyType.Symmetric);
    expect(symmetric).toMatchObject({ half: 6, skew: 0, levels: 1 });
    const aware = of(StrategyType.InventoryAware);
    expect(aware.half).toBeCloseTo(6 + aware.inventory, 9);
    expect(aware.skew).toBeGreaterThan(0);
    expect(aware.levels).toBe(1);
    const glft = of(StrategyType.Glft);
    expect(glft.half).toBeCloseTo(glft.still + glft.inventory + glft.fee + glft.as, 9);
    expect(glft.levels).toBe(1);
    expect(of(StrategyType.Ladder).levels).toBeGreaterThanOrEqual(4);
  });

  test("linear spacing is even, geometric keeps the ratio", () => {
    const rig = new Rig({ levelCount: 4, kappaMaxPerBps: 0.05, kappaPriorPerBps: 0.05 });
    walk(rig, { ...calm, sigmaBps: 0.1, kappaPerBps: 0.05, seconds: 100 });
    const depths = (spacing: abi.Spacing): number[] => {
      rig.configure({
        levelCount: 4,
        kappaMaxPerBps: 0.05,
        kappaPriorPerBps: 0.05,
        spacing,
        maxDepthBps: 400,
        levelWeightCap: 0.25,
      });
      const l = rig.quote();
      return l.asks.map((q) => (q.pxTicks / 10 / terms(l).fair - 1) * 1e4);
    };
    const linear = depths(abi.Spacing.Linear);
    expect(linear).toHaveLength(4);
    expect(linear[2]! - linear[1]!).toBeCloseTo(linear[1]! - linear[0]!, 0);
    const geometric = depths(abi.Spacing.Geometric);
    expect(geometric[2]! / geometric[1]!).toBeCloseTo(geometric[1]! / geometric[0]!, 1);
  });
});

describe("the door", () => {
  const good = (rig: Rig): void => {
    rig.flatBook(10, 100_000, 100_001, 1);
    rig.bbo(11, 100_000, 1, 100_001, 1);
    rig.trade(12, 100_001, 0.1, 1);
  };
  const cases: readonly [string, (rig: Rig) => number, number][] = [
    ["a crossed book", (r) => r.book(20, [[101, 1]], [[100, 1]]), KernelStatus.RejectedCrossed],
    ["a locked book", (r) => r.book(20, [[100, 1]], [[100, 1]]), KernelStatus.RejectedCrossed],
    ["a book older than the last", (r) => r.flatBook(9, 100, 101, 1), KernelStatus.RejectedTime],
    [
      "bids that do not fall",
      (r) =>
        r.book(
          20,
          [
            [100, 1],
            [100, 1],
          ],
          [[101, 1]],
        ),
      KernelStatus.RejectedRange,
    ],
    [
      "asks that do not rise",
      (r) =>
        r.book(
          20,
          [[100, 1]],
          [
            [102, 1],
            [101, 1],
          ],
        ),
      KernelStatus.RejectedRange,
    ],
    ["a level without size", (r) => r.book(20, [[100, 0]], [[101, 1]]), KernelStatus.RejectedRange],
    [
      "a price that is not finite",
      (r) => r.book(20, [[Number.NaN, 1]], [[101, 1]]),
      KernelStatus.RejectedNotFinite,
    ],
    ["a crossed bbo", (r) => r.bbo(20, 101, 1, 100, 1), KernelStatus.RejectedCrossed],
    ["a negative bbo", (r) => r.bbo(20, -1, 1, 100, 1), KernelStatus.RejectedRange],
    ["a bbo older than the last", (r) => r.bbo(10, 100, 1, 101, 1), KernelStatus.RejectedTime],
    ["a trade without a side", (r) => r.trade(20, 100, 1, 0), KernelStatus.RejectedRange],
    ["a trade of no size", (r) => r.trade(20, 100, 0, 1), KernelStatus.RejectedRange],
    ["an infinite size", (r) => r.trade(20, 100, Infinity, 1), KernelStatus.RejectedNotFinite],
    ["a stamp before the epoch", (r) => r.trade(-2e9, 100, 1, 1), KernelStatus.RejectedTime],
    ["a stamp days ahead", (r) => r.trade(300_000, 100, 1, 1), KernelStatus.RejectedTime],
    ["a position that is not a number", (r) => r.position(Number.NaN), KernelStatus.RejectedNotFinite],
    ["a config with gamma 0", (r) => r.configure({ gammaPerBps: 0 }), KernelStatus.RejectedRange],
    ["a config with NaN", (r) => r.configure({ kappaPriorPerBps: Number.NaN }), KernelStatus.RejectedRange],
    ["a config with 33 levels", (r) => r.configure({ levelCount: 33 }), KernelStatus.RejectedRange],
    ["max depth below min depth", (r) => r.configure({ maxDepthBps: 1 }), KernelStatus.RejectedRange],
    ["a spread multiplier below 1", (r) => r.configure({ spreadMult: 0.9 }), KernelStatus.RejectedRange],
    ["an unknown feed state", (r) => r.feed(9 as FeedState), KernelStatus.RejectedRange],
    ["an unknown kind", (r) => r.send(99 as RecordKind, 8), KernelStatus.RejectedRange],
  ];
  test.each(cases)("%s is refused and changes nothing", (_, send, status) => {
    const rig = new Rig({}, BTC);
    good(rig);
    const at = rig.host.exports["slotAddress"]!(0);
    const bytes = rig.host.exports["slotBytes"]!();
    const before = rig.host.memoryU8.slice(at, at + bytes);
    expect(send(rig)).toBe(status);
    expect(Buffer.compare(rig.host.memoryU8.slice(at, at + bytes), before)).toBe(0);
  });

  test("an own fill and an asset context are taken; unknown context values keep the last known", () => {
    const rig = new Rig();
    const context = (mark: number, funding: number): number => {
      rig.u8.fill(0);
      rig.f64[abi.ASSET_CTX_MARK_PX >> 3] = mark;
      rig.f64[abi.ASSET_CTX_FUNDING_RATE >> 3] = funding;
      return rig.send(RecordKind.AssetCtx, abi.ASSET_CTX_SIZE);
    };
    expect(context(100, 0.0001)).toBe(KernelStatus.Ok);
    expect(context(Number.NaN, 0.0002)).toBe(KernelStatus.Ok);
    expect(rig.estimate(abi.ESTIMATES_MARK_PX)).toBe(100);
    expect(rig.estimate(abi.ESTIMATES_FUNDING_RATE)).toBe(0.0002);
    rig.u8.fill(0);
    rig.f64[abi.OWN_FILL_PX >> 3] = 100;
    rig.f64[abi.OWN_FILL_SZ >> 3] = 1;
    expect(rig.send(RecordKind.OwnFill, abi.OWN_FILL_SIZE)).toBe(KernelStatus.Ok);
    rig.f64[abi.OWN_FILL_SZ >> 3] = -1;
    expect(rig.send(RecordKind.OwnFill, abi.OWN_FILL_SIZE)).toBe(KernelStatus.RejectedRange);
    expect(terms(rig.quote()).mid).toBe(0);
  });

  test("assets do not see each other, and a slot outside the range is refused", () => {
    const rig = new Rig();
    good(rig);
    rig.slot = rig.host.assetSlots - 1;
    expect(rig.quote().status).toBe(KernelStatus.NotConfigured);
    rig.configure({});
    rig.flatBook(1, 5, 6, 1, 2);
    expect(terms(rig.quote()).mid).toBe(5.5);
    rig.slot = 0;
    expect(terms(rig.quote()).mid).toBe(100_000.5);
    for (const slot of [-1, rig.host.assetSlots]) {
      rig.slot = slot;
      expect(rig.trade(1, 1, 1, 1)).toBe(KernelStatus.RejectedSlot);
      expect(rig.quote().status).toBe(KernelStatus.RejectedSlot);
      expect(rig.host.estimates(slot, 1)).toBe(KernelStatus.RejectedSlot);
      expect(rig.host.resetAsset(slot)).toBe(KernelStatus.RejectedSlot);
    }
  });

  test("a time that is not a number is refused by quote and estimates", () => {
    const rig = new Rig();
    expect(rig.host.quote(0, Number.NaN)).toBe(KernelStatus.RejectedNotFinite);
    expect(rig.host.estimates(0, Number.POSITIVE_INFINITY)).toBe(KernelStatus.RejectedNotFinite);
  });
});
