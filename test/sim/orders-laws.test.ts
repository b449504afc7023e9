import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Rng } from "../../src/domain/index.js";
import type { Action } from "../../src/sim/actions.js";
import { actionClass, BlockScheduler, VENUE_LATENCY } from "../../src/sim/blocks.js";
import { cloidOf, Desk, limit, trigger } from "./desk.js";

const TERMINAL = /^(filled|canceled|scheduledCancel|.*Canceled|.*Rejected|rejected)$/;

/** A random action of one of three users; prices cross often, sizes differ, exits are common. */
function randomAction(rng: Rng, cloid: () => number): Action {
  const isBuy = rng.uniform() < 0.5;
  const px = 100_000 + (rng.below(41) - 20) * 10;
  const sz = (1 + rng.below(40)) / 100;
  const dice = rng.uniform();
  if (dice < 0.4) {
    const tif = (["Gtc", "Alo", "Alo", "Ioc"] as const)[rng.below(4)]!;
    const orders = Array.from({ length: 1 + rng.below(3) }, () =>
      limit(isBuy, px, sz, tif, cloid(), rng.uniform() < 0.2),
    );
    return { type: "order", orders, grouping: "na" };
  }
  if (dice < 0.55) {
    const exits = [
      trigger(!isBuy, "tp", px + (isBuy ? 1 : -1) * 10 * (1 + rng.below(10)), sz, { cloid: cloid() }),
      trigger(!isBuy, "sl", px - (isBuy ? 1 : -1) * 10 * (1 + rng.below(10)), sz, { cloid: cloid() }),
    ];
    if (rng.uniform() < 0.3) return { type: "order", orders: exits, grouping: "positionTpsl" };
    return {
      type: "order",
      orders: [limit(isBuy, px, sz, "Gtc", cloid()), ...exits],
      grouping: "normalTpsl",
    };
  }
  if (dice < 0.65) {
    const rest = { isMarket: rng.uniform() < 0.5, r: rng.uniform() < 0.5, px, cloid: cloid() };
    const order = trigger(isBuy, rng.uniform() < 0.5 ? "tp" : "sl", px + (rng.below(21) - 10) * 10, sz, rest);
    return { type: "order", orders: [order], grouping: "na" };
  }
  const target = cloidOf(1 + rng.below(Math.max(1, cloid() - 1)));
  if (dice < 0.8)
    return {
      type: "modify",
      oid: target,
      order: limit(isBuy, px, sz, "Alo", cloid()),
      ...(rng.uniform() < 0.2 ? { a: true as const } : {}),
    };
  if (dice < 0.82)
    return { type: "twapOrder", twap: { a: 0, b: isBuy, s: String(sz), r: false, m: 5, t: true } };
  return { type: "cancelByCloid", cancels: [{ asset: 0, cloid: target }] };
}

interface Session {
  readonly desk: Desk;
  /** Everything told to anyone, in order. */
  readonly log: readonly string[];
}

/** Three users through blocks, with marks that wander and time that passes. */
function session(seed: number, steps: number): Session {
  const desk = new Desk();
  const log: string[] = [];
  const { events } = desk.exchange;
  desk.exchange.events = {
    ...events,
    onOrderUpdate: (a, u) => {
      events.onOrderUpdate(a, u);
      log.push(`${a.id} ${JSON.stringify(u)}`);
    },
    onFill: (a, f) => log.push(`${a.id} ${JSON.stringify(f)}`),
  };
  const blocks = new BlockScheduler({ blockMs: 70, latency: VENUE_LATENCY, seed });
  const rng = new Rng(seed);
  let cloids = 0;
  const lastRank = { blockMs: 0, rank: 0 };
  for (let i = 0; i < steps; i++) {
    const action = randomAction(rng, () => ++cloids);
    const who = rng.below(3);
    const rank = actionClass(action);
    blocks.submit(rank, desk.ms, (blockMs) => {
      // Class order within a block.
      if (lastRank.blockMs === blockMs) expect(rank).toBeGreaterThanOrEqual(lastRank.rank);
      Object.assign(lastRank, { blockMs, rank });
      desk.ms = blockMs;
      const answer = desk.act(who, action);
      return () => log.push(JSON.stringify(answer));
    });
    const until = desk.ms + rng.below(120);
    blocks.runUntil(until);
    desk.ms = Math.max(desk.ms, until);
    if (rng.uniform() < 0.3) desk.mark(100_000 + (rng.below(61) - 30) * 10);
    else desk.executor.advance(desk.ms, desk.ms);
    const { bestBidTicks: bid, bestAskTicks: ask } = desk.market.book;
    if (bid > 0 && ask > 0) expect(bid).toBeLessThan(ask);
  }
  blocks.runUntil(desk.ms + 2000);
  return { desk, log };
}

describe("laws of order entry", () => {
  it("law: every order rests or ends exactly once, no trigger fires twice, and positions sum to zero", () => {
    let orders = 0;
    let triggered = 0;
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1 << 30 }), (seed) => {
        const { desk } = session(seed, 120);
        const lives = desk.lives();
        for (const account of desk.accounts) {
          for (const order of account.orders.values()) {
            orders++;
            const life = lives.get(order.oid) ?? [];
            const ends = life.filter((s) => TERMINAL.test(s));
            const isOpen = account.openOrders.has(order.oid);
            const firedCount = life.filter((s) => s === "triggered").length;
            // One expectation per order: matchers are slower than the exchange.
            const isRight =
              ends.length === (isOpen ? 0 : 1) &&
              (isOpen || life.at(-1) === order.status) &&
              firedCount <= 1 &&
              order.szLots >= 0;
            if (!isRight) expect.fail(`${order.oid} is ${order.status} after ${life.join(" ")}`);
            triggered += firedCount;
          }
        }
        expect(desk.accounts.reduce((sum, a) => sum + a.positionLots(desk.market), 0)).toBe(0);
      }),
      { seed: 11, numRuns: 40 },
    );
    // The sessions reach what the law is about.
    expect(orders).toBeGreaterThan(2000);
    expect(triggered).toBeGreaterThan(100);
  });

  it("law: the same seed gives the same answers and events, another seed others", () => {
    const text = (seed: number): string => session(seed, 150).log.join("\n");
    const first = text(5);
    expect(first.length).toBeGreaterThan(20_000);
    expect(text(5)).toBe(first);
    expect(text(6)).not.toBe(first);
  });

  it("law: reduce-only exits never leave a position larger or turned", () => {
    for (let seed = 1; seed <= 30; seed++) {
      const desk = new Desk();
      const rng = new Rng(seed);
      desk.order(0, [limit(false, 100_010, 50), limit(true, 99_990, 50)]);
      desk.order(1, [limit(true, 100_010, 1, "Ioc")]);
      for (let i = 0; i < 6; i++)
        desk.order(1, [trigger(false, "sl", 99_990 - rng.below(50) * 10, (1 + rng.below(100)) / 100)]);
      let held = desk.position(1);
      for (let px = 99_990; px > 99_400; px -= 10) {
        desk.mark(px);
        const now = desk.position(1);
        expect(now).toBeGreaterThanOrEqual(0);
        expect(now).toBeLessThanOrEqual(held);
        held = now;
      }
      if (held === 0) expect(desk.open(1)).toEqual([]);
    }
  });
});
