import { describe, expect, it } from "vitest";
import {
  AddressBudget,
  budgetKind,
  exchangeWeight,
  IpBudget,
  infoExtraWeight,
  infoWeight,
  openOrdersCap,
  requestsCap,
  SocketBudget,
  VENUE_SOCKET_LIMITS,
} from "../../src/sim/limits.js";

const NOW = 1_760_000_000_000;

describe("address budget", () => {
  it("lets orders pass below the cap and says one less than the cap when it is spent", () => {
    const budget = new AddressBudget();
    budget.charge(97_456);
    expect(budget.refusal("order", 87_457.46, NOW)).toBeUndefined();
    budget.charge(4);
    expect(budget.refusal("order", 87_457.46, NOW)).toBeUndefined(); // one every ten seconds
    expect(budget.refusal("order", 87_457.46, NOW + 1)).toBe(
      "Too many cumulative requests sent (97460 > 97456) for cumulative volume traded $87457.46. Place taker orders to free up 1 request per USDC traded.",
    );
  });

  it("gives cancels min(cap + 100000, 2 cap)", () => {
    const young = new AddressBudget();
    young.charge(19_999);
    expect(young.refusal("cancel", 0, NOW)).toBeUndefined();
    young.charge(1);
    young.refusal("cancel", 0, NOW);
    expect(young.refusal("cancel", 0, NOW + 1)).toContain("(20000 > 19999)");
    const old = new AddressBudget();
    old.charge(2_109_999);
    expect(old.refusal("cancel", 2_000_000, NOW)).toBeUndefined();
    old.charge(1);
    old.refusal("cancel", 2_000_000, NOW);
    expect(old.refusal("cancel", 2_000_000, NOW + 1)).toContain("(2110000 > 2109999)");
  });

  it("when spent, lets one action pass every ten seconds, and refused ones do not restart the wait", () => {
    const budget = new AddressBudget();
    budget.charge(10_000);
    const passed: number[] = [];
    for (let ms = 0; ms <= 30_000; ms += 500) {
      if (budget.refusal("order", 0, NOW + ms) !== undefined) continue;
      passed.push(ms);
      budget.charge(1);
    }
    expect(passed).toEqual([0, 10_000, 20_000, 30_000]);
    expect(budget.used).toBe(10_004);
  });

  it("takes reserved weight off what was used and shows the rest as surplus", () => {
    const budget = new AddressBudget();
    budget.charge(10_000);
    budget.refusal("order", 0, NOW);
    expect(budget.refusal("order", 0, NOW)).toBeDefined();
    budget.reserved += 1;
    expect(budget.refusal("order", 0, NOW)).toBeUndefined();
    expect([budget.used, budget.surplus]).toEqual([9999, 0]);
    budget.reserved = 10_500;
    expect([budget.used, budget.surplus]).toEqual([0, 500]);
  });

  it("counts the buffer and one request per whole dollar", () => {
    expect(requestsCap(2_854_574.593578)).toBe(2_864_574);
    expect(requestsCap(0, 5)).toBe(5);
    expect([budgetKind("cancelByCloid"), budgetKind("batchModify"), budgetKind("noop")]).toEqual([
      "cancel",
      "order",
      "order",
    ]);
  });

  it("caps open orders at 1000 and one more per 5M traded, 5000 at most", () => {
    expect([0, 4_999_999, 5e6, 1e9, 1e12].map((v) => openOrdersCap(v))).toEqual([
      1000, 1000, 1001, 1200, 5000,
    ]);
  });
});

describe("IP budget", () => {
  it("weighs requests as the venue does", () => {
    expect([1, 39, 40, 79, 80].map(exchangeWeight)).toEqual([1, 1, 2, 2, 3]);
    expect(["l2Book", "orderStatus", "userRole", "openOrders"].map(infoWeight)).toEqual([2, 2, 60, 20]);
    expect(infoExtraWeight("userFills", 2000)).toBe(100);
    expect(infoExtraWeight("candleSnapshot", 119)).toBe(1);
    expect(infoExtraWeight("openOrders", 2000)).toBe(0);
  });

  it("slides: 1200 in any minute, per IP, and refused requests cost nothing", () => {
    const budget = new IpBudget();
    for (let i = 0; i < 60; i++) expect(budget.take("a", 20, NOW + i * 500)).toBe(true);
    expect(budget.take("a", 1, NOW + 30_000)).toBe(false);
    expect(budget.take("b", 1, NOW + 30_000)).toBe(true);
    expect(budget.used("a", NOW + 30_000)).toBe(1200);
    expect(budget.take("a", 20, NOW + 60_000)).toBe(true); // the first left at 60 s
    expect(budget.take("a", 20, NOW + 60_000)).toBe(false);
    budget.add("a", 100, NOW + 60_000);
    expect(budget.used("a", NOW + 60_000)).toBe(1300);
    expect(budget.used("a", NOW + 200_000)).toBe(0);
  });

  it("keeps count over a long run of requests", () => {
    const budget = new IpBudget();
    let passed = 0;
    for (let ms = 0; ms < 600_000; ms += 20) if (budget.take("a", 1, NOW + ms)) passed++;
    expect(passed).toBe(12_000);
  });
});

describe("socket budget", () => {
  it("limits connections at once and new ones a minute", () => {
    const budget = new SocketBudget();
    for (let i = 0; i < 10; i++) expect(budget.openConnection("a", NOW)).toBe(true);
    expect(budget.openConnection("a", NOW)).toBe(false);
    for (let i = 0; i < 20; i++) {
      budget.closeConnection("a");
      expect(budget.openConnection("a", NOW + i)).toBe(true);
    }
    budget.closeConnection("a");
    expect(budget.openConnection("a", NOW + 59_999)).toBe(false);
    expect(budget.openConnection("b", NOW + 59_999)).toBe(true);
    expect(budget.openConnection("a", NOW + 60_000)).toBe(true);
  });

  it("limits subscriptions, users, messages and posts in flight, and takes them back", () => {
    const budget = new SocketBudget({ ...VENUE_SOCKET_LIMITS, subscriptions: 20 });
    for (let i = 0; i < 14; i++) expect(budget.openSubscription("a", `u${i}`)).toBeUndefined();
    expect(budget.openSubscription("a", "u14")).toBe("Cannot track more than 15 total users.");
    expect(budget.openSubscription("a", "u3")).toBeUndefined();
    budget.closeSubscription("a", "u3");
    expect(budget.openSubscription("a", "u14")).toBeDefined(); // u3 is still there once
    budget.closeSubscription("a", "u3");
    expect(budget.openSubscription("a", "u14")).toBeUndefined();
    for (let i = 14; i < 20; i++) expect(budget.openSubscription("a", undefined)).toBeUndefined();
    expect(budget.openSubscription("a", undefined)).toContain("20");
    for (let i = 0; i < 2000; i++) expect(budget.message("a", NOW)).toBe(true);
    expect([budget.message("a", NOW + 1), budget.message("a", NOW + 60_000)]).toEqual([false, true]);
    for (let i = 0; i < 100; i++) budget.beginPost("a");
    expect(budget.beginPost("a")).toBe(false);
    budget.endPost("a");
    expect(budget.beginPost("a")).toBe(true);
  });
});
