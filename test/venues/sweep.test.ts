import { describe, expect, test } from "vitest";
import type { VenueOrder } from "../../src/venues/hyperliquid/account-shapes.js";
import { type ExchangeAction, l1 } from "../../src/venues/hyperliquid/exchange-actions.js";
import { sweepOrders } from "../../src/venues/hyperliquid/sweep.js";
import { Scheduler } from "../execution/fake-exchange.js";

const OURS = "0x6d6d6b72000000000001000000000001";
const ALSO_OURS = "0x6d6d6b72000000000001000000000002";
const THEIRS = "0x00000000000000000000000000000001";
const order = (coin: string, cloid: string | null): VenueOrder =>
  ({ coin, cloid, side: "B", limitPx: "1", sz: "1", oid: 1, timestamp: 1 }) as VenueOrder;

/** Promises that are due have run: only timers are left. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function bench() {
  const sched = new Scheduler();
  let open = [order("BTC", OURS), order("BTC", THEIRS), order("BTC", null), order("SOL", ALSO_OURS)];
  const sent: ExchangeAction[] = [];
  const trouble: string[] = [];
  let isDown = false;
  return {
    sched,
    sent,
    trouble,
    add: (o: VenueOrder) => open.push(o),
    setDown: (v: boolean) => {
      isDown = v;
    },
    options: {
      info: {
        frontendOpenOrders: () =>
          isDown ? Promise.reject(new Error("ECONNREFUSED")) : Promise.resolve([...open]),
      },
      exchange: {
        l1: (action: ExchangeAction | ((nonce: number) => ExchangeAction)) => {
          const a = action as ExchangeAction;
          sent.push(a);
          const gone = new Set((a["cancels"] as { cloid: string }[]).map((c) => c.cloid));
          open = open.filter((o) => !gone.has(o.cloid ?? ""));
          return Promise.resolve({ type: "cancel" });
        },
      },
      user: "0x1",
      assetOf: new Map([["BTC", 3]]),
      dexes: [""],
      clock: sched,
      timers: sched,
      onTrouble: (t: string) => trouble.push(t),
    },
  };
}

describe("sweep", () => {
  test("cancels what is ours in the traded markets, leaves the rest, and looks again until it stays so", async () => {
    const b = bench();
    const done = sweepOrders(b.options, 60_000);
    await settled();
    await b.sched.run(2_000);
    // A placement that was under way when its sender died.
    b.add(order("BTC", ALSO_OURS));
    await b.sched.run(10_000);
    expect(await done).toEqual({ orders: 2, isClean: true });
    expect(b.sent).toEqual([
      l1.cancelByCloid([{ asset: 3, cloid: OURS }]),
      l1.cancelByCloid([{ asset: 3, cloid: ALSO_OURS }]),
    ]);
  });

  test("goes on while the venue is out of reach, and gives up only when the time is over", async () => {
    const b = bench();
    b.setDown(true);
    const first = sweepOrders(b.options, 5_000);
    await settled();
    await b.sched.run(6_000);
    expect(await first).toEqual({ orders: 0, isClean: false });
    // Seldom enough for the limits of an address: a refusal for their sake must not be prolonged.
    expect(b.trouble.length).toBeGreaterThan(2);
    expect(b.trouble.length).toBeLessThan(6);
    const second = sweepOrders(b.options, 60_000);
    await settled();
    await b.sched.run(16_000);
    b.setDown(false);
    await b.sched.run(30_000);
    expect(await second).toEqual({ orders: 1, isClean: true });
  });
});
