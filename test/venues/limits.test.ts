import { describe, expect, test } from "vitest";
import { Rng } from "../../src/domain/index.js";
import {
  actionWeight,
  cancelCap,
  IP_WEIGHT_MAX,
  IpBudget,
  infoWeight,
  itemsWeight,
} from "../../src/venues/hyperliquid/limits.js";
import { Scheduler } from "../execution/fake-exchange.js";

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function bench() {
  const sched = new Scheduler();
  const blocks: number[] = [];
  const budget = new IpBudget({
    clock: sched,
    timers: sched,
    rng: new Rng(1),
    onRefused: (ms) => blocks.push(ms),
  });
  /** "yes", "no" or "waiting" after some time. */
  const ask = async (type: string, ms = 0): Promise<string> => {
    let state = "waiting";
    budget.admit(type).then(
      () => {
        state = "yes";
      },
      (e: { code?: string }) => {
        state = `no: ${e.code}`;
      },
    );
    await settled();
    if (state === "waiting") await sched.run(sched.nowMs + ms);
    return state;
  };
  return { sched, budget, blocks, ask };
}

describe("weights", () => {
  test("of actions: one, and one more per forty elements", () => {
    expect([0, 1, 39, 40, 79, 80, 200].map(actionWeight)).toEqual([1, 1, 1, 2, 2, 3, 6]);
  });

  test("of questions, and of what their answers hold", () => {
    expect(["l2Book", "clearinghouseState", "orderStatus"].map(infoWeight)).toEqual([2, 2, 2]);
    expect(["userRole", "meta", "frontendOpenOrders", "userRateLimit"].map(infoWeight)).toEqual([
      60, 20, 20, 20,
    ]);
    expect([
      itemsWeight("userFills", 2000),
      itemsWeight("candleSnapshot", 5000),
      itemsWeight("meta", 99),
    ]).toEqual([100, 83, 0]);
    expect(cancelCap(10_000)).toBe(20_000);
  });
});

describe("one minute of an IP address", () => {
  test("questions leave a reserve for actions; an order's fate may use it; a minute later there is room again", async () => {
    const { sched, budget, ask } = bench();
    budget.patienceMs = 1000;
    for (let i = 0; i < 48; i++) expect(await ask("meta")).toBe("yes");
    expect(budget.weightUsed).toBe(960);
    expect(await ask("meta", 2000)).toBe("no: RateLimited");
    expect(await ask("orderStatus")).toBe("yes");
    expect(budget.mayUseHttp(1)).toBe(true);
    await sched.run(sched.nowMs + 61_000);
    expect(await ask("meta")).toBe("yes");
  });

  test("actions over HTTP stop at the limit; when no order is left questions may use all of it", async () => {
    const { budget, ask } = bench();
    budget.patienceMs = 0;
    budget.hasNoOrders = true;
    for (let i = 0; i < 60; i++) expect(await ask("meta")).toBe("yes");
    expect(budget.weightUsed).toBe(IP_WEIGHT_MAX);
    expect(budget.mayUseHttp(1)).toBe(false);
  });

  test("posts may count as weight: questions yield to them, but never stop", async () => {
    const { budget, ask } = bench();
    budget.patienceMs = 0;
    for (let i = 0; i < 2000; i++) budget.spendAction(10, "post");
    expect(budget.weightUsed).toBe(0);
    for (let i = 0; i < 15; i++) expect(await ask("meta")).toBe("yes");
    expect(await ask("meta")).toBe("no: RateLimited");
  });

  test("the answer's items are charged when they are known", async () => {
    const { budget, ask } = bench();
    await ask("userFills");
    budget.chargeItems("userFills", 2000);
    expect(budget.weightUsed).toBe(120);
  });
});

describe("a 429", () => {
  test("closes HTTP for tens of seconds, longer each time, and is forgotten in calm", async () => {
    const { sched, budget, blocks, ask } = bench();
    budget.onRefused();
    budget.onRefused(); // others of the same moment
    expect(budget.refusals).toBe(2);
    expect(blocks).toHaveLength(1);
    expect([budget.isBlocked, budget.mayUseHttp(1)]).toEqual([true, false]);
    expect(await ask("meta", 16_000)).toBe("yes");
    for (let i = 0; i < 4; i++) {
      await sched.run(sched.nowMs + 100_000);
      budget.onRefused();
    }
    await sched.run(sched.nowMs + 500_000);
    budget.onRefused();
    const floors = [10, 20, 40, 60, 60, 10];
    expect(blocks).toHaveLength(floors.length);
    blocks.forEach((ms, i) => {
      expect(ms).toBeGreaterThanOrEqual(floors[i]! * 1000);
      expect(ms).toBeLessThanOrEqual(floors[i]! * 1500);
    });
  });

  test("at the end questions are tried again soon after a refusal: what rests must be known in time", async () => {
    const { sched, budget, ask } = bench();
    budget.onRefused();
    budget.hasNoOrders = true;
    budget.patienceMs = 3_000;
    expect(await ask("frontendOpenOrders", 1_000)).toBe("waiting");
    await sched.run(sched.nowMs + 1_500);
    expect(budget.isBlocked).toBe(true);
    expect(await ask("frontendOpenOrders")).toBe("yes");
    budget.onRefused();
    expect(await ask("frontendOpenOrders", 1_500)).toBe("waiting");
    expect(await ask("frontendOpenOrders", 1_000)).toBe("yes");
  });

  test("a question that could only wait beyond its patience fails at once, unasked", async () => {
    const { budget, ask } = bench();
    budget.onRefused();
    budget.patienceMs = 5_000;
    expect(await ask("meta")).toBe("no: RateLimited");
    expect(budget.weightUsed).toBe(0);
  });
});

test("posts in flight and frames per minute keep a reserve for what is urgent", () => {
  const { budget } = bench();
  expect([budget.mayPost(89, 0, false), budget.mayPost(90, 0, false)]).toEqual([true, false]);
  expect([budget.mayPost(99, 0, true), budget.mayPost(100, 0, true)]).toEqual([true, false]);
  expect([budget.mayPost(0, 1899, false), budget.mayPost(0, 1900, false)]).toEqual([true, false]);
  expect([budget.mayPost(0, 1949, true), budget.mayPost(0, 1950, true)]).toEqual([true, false]);
});
