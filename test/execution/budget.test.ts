import { describe, expect, test } from "vitest";
import { Side } from "../../src/domain/index.js";
import { AddressBudget } from "../../src/execution/index.js";
import { KillReason } from "../../src/rings/index.js";
import { cancelCap } from "../../src/venues/hyperliquid/limits.js";
import type { OrderErrorCode, RequestQuota } from "../../src/venues/port.js";
import { Rig } from "./rig.js";

const quota = (over: Partial<RequestQuota> = {}): RequestQuota => ({
  used: 0,
  cap: 10_000,
  cancelCap: 20_000,
  cumVolumeUsd: 0,
  ...over,
});

class Bench {
  nowNs = 0;
  answer: RequestQuota = quota();
  asked = 0;
  errors: string[] = [];
  readonly budget = new AddressBudget({
    ask: () => {
      this.asked++;
      return Promise.resolve(this.answer);
    },
    monoNs: () => this.nowNs,
    onTrouble: (e) => this.errors.push(e.message),
  });
}

describe("address budget", () => {
  test("limits nothing before the venue has told", () => {
    const b = new Bench();
    b.budget.spend(1e6);
    expect(b.budget.view).toMatchObject({
      remaining: Number.POSITIVE_INFINITY,
      hoursLeft: Number.POSITIVE_INFINITY,
      isSpent: false,
      isForCancelsOnly: false,
    });
  });

  test("counts elements, refills by dollars traded, and forecasts the hours left from the recent net loss", async () => {
    const b = new Bench();
    await b.budget.sync();
    for (let s = 0; s < 600; s++) {
      b.nowNs = s * 1e9;
      b.budget.spend(2);
    }
    b.nowNs = 600e9;
    expect(b.budget.used).toBe(1200);
    expect(b.budget.netPerHour).toBeCloseTo(7200, 0);
    expect(b.budget.hoursLeft).toBeCloseTo(8799 / 7200, 2);
    b.budget.replenish(900);
    expect(b.budget.cap).toBe(10_900);
    expect(b.budget.netPerHour).toBeCloseTo(1800, 0);
    b.budget.replenish(400);
    expect(b.budget.hoursLeft).toBe(Number.POSITIVE_INFINITY);
    // A quarter of an hour later all of that is past.
    b.nowNs = 1600e9;
    b.budget.spend(1);
    expect(b.budget.netPerHour).toBeCloseTo(4, 1);
  });

  test("takes the venue's count every minute, and what was sent while it was asked counts on top", async () => {
    const b = new Bench();
    await b.budget.sync();
    b.budget.spend(100);
    b.nowNs = 59e9;
    b.budget.tend();
    expect(b.asked).toBe(1);
    b.nowNs = 60e9;
    b.answer = quota({ used: 140, cap: 10_500, cancelCap: 21_000 });
    b.budget.tend();
    b.budget.spend(7);
    await b.budget.sync();
    expect(b.asked).toBe(2);
    expect(b.budget).toMatchObject({ used: 147, cap: 10_500, cancelCap: 21_000 });
  });

  test("a refusal is followed by a question at once; bought requests make room", async () => {
    const b = new Bench();
    b.answer = quota({ used: 10_000 });
    await b.budget.sync();
    expect(b.budget.view).toMatchObject({ remaining: 0, isSpent: true, isForCancelsOnly: false });
    b.budget.onPurchased(2000);
    expect(b.budget.view).toMatchObject({ remaining: 1999, isSpent: false });
    b.budget.doubt();
    b.budget.tend();
    expect(b.asked).toBe(2);
  });

  test("what is left below the ceiling of cancels is for cancels", async () => {
    const b = new Bench();
    b.answer = quota({ used: 19_700 });
    await b.budget.sync();
    expect(b.budget.view).toMatchObject({ isSpent: true, isForCancelsOnly: true });
  });

  test("an unanswered question keeps the old count and is repeated", async () => {
    const b = new Bench();
    await b.budget.sync();
    b.budget.spend(5);
    b.nowNs = 61e9;
    const failing = new AddressBudget({
      ask: () => Promise.reject(new Error("502")),
      monoNs: () => b.nowNs,
      onTrouble: (e) => b.errors.push(e.message),
    });
    await failing.sync();
    expect(b.errors).toEqual(["502"]);
    expect(failing.isKnown).toBe(false);
  });

  test("the ceiling of cancels: twice the cap, at most 100,000 above it", () => {
    expect(cancelCap(10_000)).toBe(20_000);
    expect(cancelCap(100_000)).toBe(200_000);
    expect(cancelCap(2_864_574)).toBe(2_964_574);
  });
});

/** A venue that counts as the real one does. */
const counting =
  (cap: number, usedBefore = 0) =>
  (rig: Rig): RequestQuota => {
    const used = usedBefore + rig.gateway.sent.reduce((n, s) => n + s.count, 0);
    return { used, cap, cancelCap: cancelCap(cap), cumVolumeUsd: cap - 10_000 };
  };

/** The fair price walks up and down by 15 bps: every order must move. */
async function walk(rig: Rig, ms: number): Promise<void> {
  let at = 0;
  const stop = rig.sched.every(200, () => {
    at = (at + 1) % 8;
    rig.venue.moveTo(100_000 + 150 * (at < 4 ? at : 8 - at));
    rig.ladder({ bids: [[rig.venue.bidTicks - 400, 10]], asks: [[rig.venue.askTicks + 400, 10]] });
  });
  await rig.pass(ms);
  stop();
}
const opening = (rig: Rig, fromMs = 0): number =>
  rig.gateway.sent.filter((s) => s.kind !== "cancel" && s.atMs >= fromMs).reduce((n, s) => n + s.count, 0);

describe("quoting on an allowance", () => {
  test("plenty: every move is followed; little: requotes get coarser before they stop", async () => {
    const counts: number[] = [];
    for (const used of [0, 8_900, 9_700, 9_900]) {
      const rig = await new Rig({ quota: counting(10_000, used) }).start();
      await walk(rig, 30_000);
      counts.push(opening(rig));
      expect(rig.venue.openCount).toBeGreaterThan(0);
    }
    expect(counts[0]).toBeGreaterThan(200);
    expect([...counts].sort((a, b) => b - a)).toEqual(counts);
    expect(counts[3]).toBeLessThan(counts[0]! / 4);
    expect(counts[3]).toBeGreaterThan(0);
  });

  test("spent: says so by name, one order every 11 s, cancels go on, and a fill reopens quoting", async () => {
    let cap = 10_000;
    const rig = await new Rig({ quota: (r) => counting(cap, 10_000)(r) }).start();
    rig.ladder();
    await rig.pass(100);
    expect(rig.executor.gate(0)).toMatch(/^request quota spent/);
    expect(rig.executor.isThrottled).toBe(true);
    expect(rig.events("Request quota spent: one order every 11 s until trading refills it")).toHaveLength(1);
    await walk(rig, 60_000);
    expect(opening(rig)).toBeGreaterThanOrEqual(5);
    expect(opening(rig)).toBeLessThanOrEqual(6);
    expect(rig.gateway.sent.every((s) => s.kind === "cancel" || s.count === 1)).toBe(true);
    expect(rig.gateway.sent.some((s) => s.kind === "cancel")).toBe(true);
    cap = 60_000; // traded elsewhere, or bought
    await walk(rig, 61_000);
    expect(rig.executor.isThrottled).toBe(false);
    expect(rig.executor.gate(0)).toBe("");
    expect(rig.events("Request quota refilled")).toHaveLength(1);
  });

  test("the ceiling of cancels comes near: everything is pulled while it can be, and nothing is placed", async () => {
    let used = 0;
    const rig = await new Rig({ quota: () => quota({ used }) }).start();
    await rig.quoteFor(500);
    expect(rig.venue.openCount).toBe(4);
    used = 19_800;
    await rig.quoteFor(61_000);
    expect(rig.executor.gate(0)).toBe("request quota spent: what is left is for cancels");
    expect(rig.venue.openCount).toBe(0);
    const before = opening(rig);
    await rig.quoteFor(20_000);
    expect(opening(rig)).toBe(before);
  });
});

describe("reactions to refusals", () => {
  const refuse = (rig: Rig, code: OrderErrorCode, text = code as string): void => {
    rig.venue.place = () => ({ kind: "error", code, text });
  };

  test.each(["InsufficientMargin", "OrderWouldBeLiquidated", "OpenInterestCap", "PerpMaxPosition"] as const)(
    "%s: only reducing orders for a while that doubles, with the remedy in the log",
    async (code) => {
      const rig = await new Rig().start();
      const place = rig.venue.place.bind(rig.venue);
      refuse(rig, code, `venue says ${code}`);
      await rig.quoteFor(9_000);
      expect(rig.gateway.sent).toHaveLength(1);
      expect(rig.executor.isReduceOnly(0)).toBe(true);
      expect(rig.executor.gate(0)).toBe(`reduce-only: ${code}`);
      expect(rig.events("Orders refused")).toHaveLength(1);
      expect(rig.events("Orders refused")[0]!.fields).toMatchObject({ text: `venue says ${code}` });
      expect(String(rig.events("Orders refused")[0]!.fields["why"])).toMatch(new RegExp(`^${code}: .+; .+`));
      await rig.quoteFor(2_000); // refused again: twice as long
      expect(rig.gateway.sent).toHaveLength(2);
      rig.venue.place = place;
      await rig.quoteFor(18_000);
      expect(rig.gateway.sent).toHaveLength(2);
      await rig.quoteFor(3_000);
      expect(rig.venue.openCount).toBe(4);
      expect(rig.executor.gate(0)).toBe("");
      expect(rig.latch.isTripped()).toBe(false);
    },
  );

  test("with a position, the side that reduces it goes on", async () => {
    const rig = await new Rig().start();
    rig.ladder();
    await rig.pass(50);
    rig.venue.take(Side.Buy, 20);
    await rig.pass(50);
    const place = rig.venue.place.bind(rig.venue);
    rig.venue.place = (n) =>
      n.side === Side.Buy ? { kind: "error", code: "InsufficientMargin", text: "no" } : place(n);
    await rig.quoteFor(3_000);
    expect(rig.executor.isReduceOnly(0)).toBe(true);
    expect(rig.venue.openLots(Side.Buy)).toBe(0);
    expect(rig.venue.openLots(Side.Sell)).toBe(20);
  });

  test("a key that the venue does not accept trips the kill switch", async () => {
    const rig = await new Rig().start();
    refuse(rig, "NotAuthorised", "User or API Wallet 0x1 does not exist.");
    rig.ladder();
    await rig.pass(200);
    expect(rig.latch.reason()).toBe(KillReason.NotAuthorised);
    expect(rig.events("Orders refused")[0]).toMatchObject({ level: "error" });
  });

  test("a refused nonce: everything is compared with the venue before the next order", async () => {
    const rig = await new Rig().start();
    const audits = rig.executor.counters.audits;
    const place = rig.venue.place.bind(rig.venue);
    refuse(rig, "Nonce", "Invalid nonce: duplicate nonce 5");
    rig.ladder();
    await rig.pass(100);
    rig.venue.place = place;
    expect(rig.executor.counters.audits).toBe(audits + 1);
    await rig.quoteFor(3_000);
    expect(rig.venue.openCount).toBe(4);
  });

  test("post-only races are everyday events: neither counted nor told", async () => {
    const rig = await new Rig({ limits: { maxRejects: 3 } }).start();
    refuse(rig, "BadAloPx");
    await rig.quoteFor(5_000);
    expect(rig.latch.isTripped()).toBe(false);
    expect(rig.events("Orders refused")).toEqual([]);
  });
});
