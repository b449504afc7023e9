import { describe, expect, test } from "vitest";
import { AddressBudget, type PurchaseRecord, RequestPurchase } from "../../src/execution/index.js";
import { Scheduler } from "./fake-exchange.js";

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function bench(over: { used?: number; maxUsd?: number; spent?: PurchaseRecord; fail?: Error } = {}) {
  const sched = new Scheduler();
  const budget = new AddressBudget({
    ask: () => Promise.resolve({ used: over.used ?? 9_900, cap: 10_000, cancelCap: 20_000, cumVolumeUsd: 0 }),
    monoNs: () => sched.monoNs(),
    onTrouble: () => {},
  });
  await budget.sync();
  const bought: number[] = [];
  const records: PurchaseRecord[] = [];
  const log: string[] = [];
  const purchase = new RequestPurchase({
    buy: (n) => {
      bought.push(n);
      return over.fail === undefined ? Promise.resolve() : Promise.reject(over.fail);
    },
    budget,
    clock: sched,
    log: (level, event) => log.push(`${level} ${event}`),
    maxUsdPerDay: over.maxUsd ?? 1,
    spent: over.spent,
    onSpent: (r) => records.push(r),
  });
  const run = async (seconds: number): Promise<void> => {
    for (let s = 0; s < seconds; s++) {
      purchase.tend();
      await settled();
      sched.nowMs += 1000;
    }
  };
  return { sched, budget, purchase, bought, records, log, run };
}

describe("buying requests", () => {
  test("nothing is bought while there is enough", async () => {
    const b = await bench({ used: 5_000 });
    await b.run(100);
    expect(b.bought).toEqual([]);
  });

  test("buys a chunk when little is left, loudly, and never beyond the day's limit", async () => {
    const b = await bench({ maxUsd: 1.2 });
    await b.run(1);
    expect(b.bought).toEqual([2000]);
    expect(b.budget.remaining).toBe(2099);
    expect(b.log).toEqual(["warn REQUESTS BOUGHT"]);
    await b.run(300);
    expect(b.bought).toEqual([2000]);
    b.budget.spend(2_000);
    await b.run(300);
    expect(b.bought).toEqual([2000, 400]);
    b.budget.spend(400);
    await b.run(300);
    expect(b.bought).toEqual([2000, 400]);
    expect(b.log.at(-1)).toBe("warn No more requests are bought today");
    expect(b.purchase.spentTodayUsd).toBeCloseTo(1.2, 9);
    expect(b.purchase.bought).toBe(2400);
    // The next day has a limit of its own.
    b.sched.nowMs += 86_400_000;
    await b.run(2);
    expect(b.bought).toEqual([2000, 400, 2000]);
  });

  test("what an earlier run of the day spent counts", async () => {
    const day = Math.floor(new Scheduler().wallMs() / 86_400_000);
    const b = await bench({ spent: { day, usd: 0.98 } });
    await b.run(10);
    expect(b.bought).toEqual([]);
    const other = await bench({ spent: { day: day - 1, usd: 0.98 } });
    await other.run(10);
    expect(other.bought).toEqual([2000]);
  });

  test("a refusal ends it for the day and costs nothing; an unknown outcome counts as spent", async () => {
    const refused = await bench({ fail: Object.assign(new Error("not with an agent"), { code: "Refused" }) });
    await refused.run(300);
    expect(refused.bought).toEqual([2000]);
    expect(refused.purchase.spentTodayUsd).toBe(0);
    const lost = await bench({ fail: Object.assign(new Error("no answer"), { code: "Timeout" }) });
    await lost.run(300);
    expect(lost.bought).toEqual([2000]);
    expect(lost.purchase.spentTodayUsd).toBe(1);
    expect(lost.records.at(-1)).toMatchObject({ usd: 1 });
  });
});
