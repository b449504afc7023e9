import { describe, expect, it } from "vitest";
import { cloidOf, Desk, limit, NOW, trigger } from "./desk.js";

const [MM, USER] = [0, 1];

describe("modify", () => {
  it("places a new order with a new oid behind the others of its price, as post-only", () => {
    const desk = new Desk();
    desk.order(USER, [limit(true, 99_000, 0.01, "Gtc", 1)]);
    desk.order(MM, [limit(true, 99_000, 0.01)]);
    const oid = desk.oid(USER, 1);
    expect(desk.act(USER, { type: "modify", oid, order: limit(true, 99_000, 0.005, "Gtc", 2) })).toEqual({
      status: "ok",
      response: { type: "default" },
    });
    expect(desk.lifeOf(oid)).toEqual(["open", "canceled"]);
    expect(desk.oid(USER, 2)).toBeGreaterThan(oid);
    const placed = desk.accounts[USER]!.byCloid.get(cloidOf(2))!;
    expect(placed.tif).toBe("Alo");
    desk.order(2, [limit(false, 99_000, 0.01, "Ioc")]);
    expect(placed.szLots).toBe(500); // the one that was there kept its place and was taken first
  });

  it("says that the old order is gone when the new one is refused", () => {
    const desk = new Desk();
    desk.order(MM, [limit(false, 100_010, 1)]);
    desk.order(USER, [limit(true, 99_000, 0.01, "Gtc", 1)]);
    const answer = desk.act(USER, {
      type: "modify",
      oid: cloidOf(1),
      order: limit(true, 100_010, 0.01, "Gtc"),
    });
    expect(answer).toEqual({
      status: "err",
      response:
        "Error placing new order during modify: Post only order would have immediately matched, bbo was 0@100010. asset=0",
    });
    expect(desk.open(USER)).toEqual([]);
  });

  it("of an order that is gone places nothing, unless always placing was asked for", () => {
    const desk = new Desk();
    const modifies = [{ oid: 123, order: limit(true, 99_000, 0.01, "Gtc") }];
    expect(desk.statuses(USER, { type: "batchModify", modifies })).toEqual([
      { error: "Cannot modify canceled or filled order asset=0" },
    ]);
    expect(desk.open(USER)).toEqual([]);
    expect(desk.statuses(USER, { type: "batchModify", modifies, a: true })[0]).toHaveProperty("resting");
  });

  it("may take only when always placing was asked for", () => {
    const desk = new Desk();
    desk.order(MM, [limit(false, 100_010, 1)]);
    desk.order(USER, [limit(true, 99_000, 0.01, "Gtc", 1)]);
    const order = limit(true, 100_010, 0.01, "Ioc");
    expect(desk.act(USER, { type: "modify", oid: cloidOf(1), order }).response).toContain("Alo or Gtc");
    expect(desk.open(USER)).toHaveLength(1);
    expect(desk.act(USER, { type: "modify", oid: cloidOf(1), order, a: true }).status).toBe("ok");
    expect(desk.position(USER)).toBe(0.01);
  });

  it("runs a batch in order, each with its own status", () => {
    const desk = new Desk();
    desk.order(USER, [limit(true, 99_000, 0.01, "Gtc", 1), limit(true, 98_000, 0.01, "Gtc", 2)]);
    const statuses = desk.statuses(USER, {
      type: "batchModify",
      modifies: [
        { oid: cloidOf(1), order: limit(true, 99_001, 0.01, "Alo", 1) },
        { oid: 7, order: limit(true, 99_002, 0.01, "Alo") },
        { oid: cloidOf(2), order: limit(true, 98_001, 0.00001, "Alo") },
      ],
    });
    expect(statuses[0].resting.cloid).toBe(cloidOf(1));
    expect(statuses[1].error).toContain("Cannot modify");
    expect(statuses[2].error).toContain(
      "Error placing new order during modify: Order must have minimum value",
    );
    expect(desk.open(USER)).toEqual([String(statuses[0].resting.oid)]);
  });
});

describe("order actions", () => {
  it("answers a payload error once for the whole batch, uses no oid and places nothing", () => {
    const desk = new Desk();
    const before = desk.order(USER, [limit(true, 99_000, 0.01)])[0].resting.oid;
    expect(desk.order(USER, [limit(true, 99_000, 0.01), { ...limit(true, 99_000, 0), s: "0" }])).toEqual([
      { error: "Order has zero size." },
    ]);
    expect(desk.order(USER, [])).toEqual([{ error: "Orders are empty." }]);
    expect(desk.order(USER, [limit(true, 99_000.1, 0.01, "Alo", 9)])[0].error).toContain("tick size");
    expect(desk.status(USER, 9)).toBe("tickRejected");
    expect(desk.oid(USER, 9)).toBe(before + 1);
  });

  it("runs a batch in order, each seeing what the ones before did", () => {
    const desk = new Desk();
    const statuses = desk.order(USER, [
      limit(true, 99_000, 0.01),
      limit(false, 99_000, 0.01, "Alo"),
      limit(false, 99_000, 0.01, "Ioc"),
      limit(true, 100_000, 0.01, "FrontendMarket"),
    ]);
    expect(statuses[1].error).toBe(
      "Post only order would have immediately matched, bbo was 99000@0. asset=0",
    );
    expect(statuses[2].error).toContain("could not immediately match"); // it met only its own order
    expect(statuses[3].error).toContain("No liquidity available for market order.");
    expect(desk.open(USER)).toEqual([]);
  });

  it("rests what a Gtc did not get under the same oid, and drops what an Ioc did not", () => {
    const desk = new Desk();
    desk.order(MM, [limit(false, 100_010, 0.02)]);
    const [gtc] = desk.order(USER, [limit(true, 100_010, 0.03, "Gtc", 1)]);
    expect(gtc.filled).toMatchObject({ totalSz: "0.02", avgPx: "100010.0", oid: desk.oid(USER, 1) });
    expect(desk.lifeOf(gtc.filled.oid)).toEqual(["open", "open"]);
    expect(desk.accounts[USER]!.openOrders.get(gtc.filled.oid)!.szLots).toBe(1000);
    const [ioc] = desk.order(2, [limit(false, 100_010, 0.05, "Ioc", 1)]);
    expect(ioc.filled.totalSz).toBe("0.01");
    expect([desk.status(2, 1), desk.accounts[2]!.byCloid.get(cloidOf(1))!.szLots]).toEqual(["filled", 4000]);
  });

  it("takes at most 200 elements, and the last order of a cloid answers to it", () => {
    const desk = new Desk();
    const cancels = Array.from({ length: 201 }, (_, o) => ({ a: 0, o }));
    expect(desk.act(USER, { type: "cancel", cancels }).response).toBe(
      "Signed action over weight limit of 200.",
    );
    expect(desk.statuses(USER, { type: "cancel", cancels: cancels.slice(1) })).toHaveLength(200);
    desk.order(USER, [limit(true, 99_000, 0.01, "Alo", 1), limit(true, 98_000, 0.01, "Alo", 1)]);
    const cloid = { asset: 0, cloid: cloidOf(1) };
    expect(desk.statuses(USER, { type: "cancelByCloid", cancels: [cloid, cloid] })).toEqual([
      "success",
      { error: "Order was never placed, already canceled, or filled. asset=0" },
    ]);
    expect(desk.market.book.bestBidTicks).toBe(990_000);
  });

  it("takes only post-only orders in the window after an upgrade", () => {
    const desk = new Desk();
    desk.executor.orders.postOnlyUntilMs = NOW + 1000;
    const text = "Only post-only orders allowed immediately after network upgrade";
    expect(desk.order(USER, [limit(true, 99_000, 0.01, "Alo"), limit(true, 99_000, 0.01, "Gtc")])).toEqual([
      { error: text },
    ]);
    expect(desk.order(USER, [limit(true, 99_000, 0.01, "Alo")])[0]).toHaveProperty("resting");
    desk.ms = NOW + 1000;
    expect(desk.order(USER, [limit(true, 99_000, 0.01, "Gtc")])[0]).toHaveProperty("resting");
  });

  it("refuses to sell priority that nobody can pay for", () => {
    const desk = new Desk();
    expect(desk.order(USER, [limit(true, 99_000, 0.01, "Alo")], { p: 80_000 })[0].error).toContain(
      "staking balance",
    );
    expect(desk.open(USER)).toEqual([]);
  });
});

describe("the address budget of an executor", () => {
  const venue = { addressLimit: "venue", initialRequests: 3 } as const;

  it("refuses orders when spent, costs nothing for it, and leaves cancels their own allowance", () => {
    const desk = new Desk(venue);
    desk.order(USER, [limit(true, 99_000, 0.01, "Alo", 1), limit(true, 98_000, 0.01, "Alo", 2)]);
    desk.order(USER, [limit(true, 97_000, 0.01)]);
    expect(desk.order(USER, [limit(true, 96_000, 0.01)])[0]).toHaveProperty("resting"); // the one of these 10 s
    const refused = desk.act(USER, { type: "order", orders: [limit(true, 95_000, 0.01)], grouping: "na" });
    expect(refused.response).toContain(
      "Too many cumulative requests sent (4 > 2) for cumulative volume traded $0.00.",
    );
    expect(desk.accounts[USER]!.requests.used).toBe(4);
    const cancels = [{ a: 0, o: desk.oid(USER, 1) }];
    expect(desk.statuses(USER, { type: "cancel", cancels })).toEqual(["success"]);
    desk.ms += 10_000;
    expect(desk.order(USER, [limit(true, 96_000, 0.01)])[0]).toHaveProperty("resting");
  });

  it("counts volume, charges five for what came too late, and sells weight for USDC", () => {
    const desk = new Desk(venue);
    const account = desk.accounts[USER]!;
    expect(desk.act(USER, { type: "noop" }, { expiresAfter: NOW - 1 }).response).toBe(
      "Action already expired",
    );
    expect(account.requests.used).toBe(5);
    account.cumVolumeUsd = 3;
    expect(desk.act(USER, { type: "noop" }).status).toBe("ok");
    expect(account.requests.used).toBe(6);
    expect(desk.act(USER, { type: "noop" }).status).toBe("ok"); // of these 10 s
    expect(desk.act(USER, { type: "noop" }).status).toBe("err");
    const cash = account.clearinghouse(0).balanceMicroUsd;
    expect(desk.act(USER, { type: "reserveRequestWeight", weight: 1000 }).status).toBe("ok");
    expect(cash - account.clearinghouse(0).balanceMicroUsd).toBe(500_000);
    expect([account.requests.used, account.requests.surplus]).toEqual([0, 992]);
    expect(desk.act(USER, { type: "noop" }).status).toBe("ok");
    expect(desk.act(USER, { type: "reserveRequestWeight", weight: 1e10 }).response).toContain("Insufficient");
  });

  it("never refuses when switched off, but counts", () => {
    const desk = new Desk({ addressLimit: "off", initialRequests: 1 });
    for (let i = 0; i < 5; i++) expect(desk.act(USER, { type: "noop" }).status).toBe("ok");
    expect(desk.accounts[USER]!.requests.used).toBe(5);
  });
});

describe("scheduleCancel", () => {
  it("asks for volume and a lead of five seconds, is replaced freely, and fires ten times a UTC day", () => {
    const desk = new Desk({}, { scheduleCancelMinVolumeUsd: 1_000_000 });
    const account = desk.accounts[USER]!;
    const arm = (time?: number) =>
      desk.act(USER, time === undefined ? { type: "scheduleCancel" } : { type: "scheduleCancel", time });
    expect(arm(NOW + 6000).response).toBe(
      "Cannot set scheduled cancel time until enough volume traded. Required: $1000000. Traded: $0.",
    );
    account.cumVolumeUsd = 1e6;
    expect(arm(NOW + 4999).response).toBe(
      "Scheduled cancel time too early, must be at least 5 seconds from now.",
    );
    for (let i = 0; i < 30; i++) expect(arm(NOW + 5000 + i).status).toBe("ok");
    arm();
    desk.order(USER, [limit(true, 99_000, 0.01, "Alo", 1), trigger(false, "sl", 90_000, 1, { cloid: 2 })]);
    desk.executor.advance(NOW + 60_000, NOW + 60_000);
    expect(desk.open(USER)).toHaveLength(2);
    const midnight = Math.ceil(NOW / 86_400_000) * 86_400_000;
    desk.ms = midnight - 500_000;
    for (let i = 0; i < 10; i++) {
      expect(arm(desk.ms + 5000).status).toBe("ok");
      desk.ms += 5000;
      desk.executor.advance(desk.ms, desk.ms);
      if (i === 0)
        expect([desk.status(USER, 1), desk.status(USER, 2)]).toEqual(["scheduledCancel", "scheduledCancel"]);
    }
    expect(arm(desk.ms + 5000).status).toBe("err");
    const waiting = new Desk();
    waiting.order(
      USER,
      [limit(true, 99_000, 0.01, "Gtc", 1), trigger(false, "sl", 98_000, 0.01, { cloid: 2 })],
      "normalTpsl",
    );
    waiting.act(USER, { type: "scheduleCancel", time: NOW + 5000 });
    waiting.executor.advance(NOW + 5000, NOW + 5000);
    expect(waiting.lifeOf(waiting.oid(USER, 2))).toEqual(["open", "canceled"]);
    desk.ms = midnight;
    expect(arm(desk.ms + 5000).status).toBe("ok");
  });
});
