import { describe, expect, test } from "vitest";
import { KernelStatus } from "../../src/abi/layout.js";
import { CloidSequence, Rng, Side } from "../../src/domain/index.js";
import { Executor } from "../../src/execution/index.js";
import { KillReason } from "../../src/rings/index.js";
import { riskLimits, Severity } from "../../src/risk/index.js";
import { FakeGateway, NO_FAULTS } from "./fake-exchange.js";
import { TOY } from "./fixtures.js";
import { Rig } from "./rig.js";

test("lost fills that cancel out are found, although a newer one fits on the position", async () => {
  const rig = await new Rig().start();
  rig.ladder();
  await rig.pass(200);
  const deliver = rig.gateway.deliver.bind(rig.gateway);
  rig.gateway.deliver = (channel, fn) => {
    if (channel !== "fills") deliver(channel, fn);
  };
  rig.venue.take(Side.Buy, 10);
  rig.venue.take(Side.Sell, 10);
  rig.gateway.deliver = deliver;
  await rig.pass(2_400);
  rig.ladder();
  await rig.pass(100);
  rig.venue.take(Side.Buy, 10);
  await rig.pass(10_000);
  expect(rig.venue.fills).toHaveLength(3);
  expect(rig.executor.fillsOf(0)).toBe(3);
  expect(rig.executor.position(0).feesUsd).toBeCloseTo(rig.venue.feesUsd, 12);
});

describe("quoting", () => {
  test("places a ladder in one batch, then keeps it while it stays within the threshold", async () => {
    const rig = await new Rig().start();
    rig.ladder();
    await rig.pass(50);
    rig.venue.moveTo(100_001);
    rig.ladder();
    await rig.pass(50);
    expect(rig.kinds).toBe("place×4");
    expect(rig.venue.openCount).toBe(4);
    expect(rig.executor.counters).toMatchObject({ quotes: 2, requotes: 1, ordersPlaced: 4 });
    expect(rig.executor.counters.firstQuoteMs).toBeGreaterThan(0);
    expect(rig.events("Calculated ladder")).toHaveLength(2);
  });

  test("moves the whole ladder in one batch of changes", async () => {
    const rig = await new Rig().start();
    rig.ladder();
    await rig.pass(50);
    rig.venue.moveTo(100_040);
    rig.ladder();
    await rig.pass(50);
    expect(rig.kinds).toBe("place×4 modify×4");
    expect(rig.venue.openCount).toBe(4);
  });

  test("does not pile up requests while the venue is slow", async () => {
    const rig = await new Rig({ faults: { latencyMs: [800, 800] } }).start();
    for (let i = 0; i < 20; i++) {
      rig.venue.moveTo(100_000 + 40 * i);
      rig.ladder();
      await rig.pass(20);
    }
    expect(rig.gateway.sent.length).toBeLessThanOrEqual(3);
    expect(rig.executor.counters.heldByInFlight + rig.executor.counters.quotes).toBe(20);
  });

  test("waits the least requote interval", async () => {
    const rig = await new Rig({ params: { minRequoteMs: 500 } }).start();
    for (let i = 0; i < 10; i++) {
      rig.venue.moveTo(100_000 + 40 * ((i + 1) % 2));
      rig.ladder();
      await rig.pass(45);
    }
    expect(rig.gateway.sent).toHaveLength(1);
    await rig.pass(100);
    expect(rig.gateway.sent).toHaveLength(2); // the kept ladder, when the interval had passed
  });

  test("room made by a confirmed cancel is used without a new ladder", async () => {
    const rig = await new Rig({ limits: { maxPosLots: 20 } }).start();
    rig.ladder();
    await rig.pass(50);
    rig.venue.moveTo(100_040);
    rig.ladder();
    await rig.pass(100);
    // No room for both legs: cancelled, then placed anew by the answer.
    expect(rig.kinds).toBe("place×4 cancel×4 place×4");
    expect(rig.venue.openCount).toBe(4);
  });

  test("a fill moves position, money and log, and the next plan knows it", async () => {
    const rig = await new Rig().start();
    rig.ladder();
    await rig.pass(50);
    rig.venue.take(Side.Buy, 6);
    await rig.pass(50);
    expect(rig.executor.position(0)).toMatchObject({ posLots: 6, entryPx: 999.5 });
    expect(rig.executor.counters).toMatchObject({ fills: 1 });
    expect(rig.events("Fill processed")[0]).toMatchObject({
      level: "info",
      fields: { side: "buy", position: 0.06 },
    });
    await rig.pass(100);
    expect(rig.executor.openLots(0, Side.Buy)).toBe(20); // topped up again
  });

  test("latency: executor, sign and tick-to-wire are recorded for plans that a ladder caused", async () => {
    const got: Record<string, number[]> = { executor: [], sign: [], tickToWire: [] };
    const rig = new Rig();
    const sink = (name: string): { record(ns: number): void } => ({
      record: (ns) => void got[name]!.push(ns),
    });
    const executor = new Executor({
      gateway: rig.gateway,
      latch: rig.latch,
      clock: rig.sched,
      timers: rig.sched,
      cloids: new CloidSequence(9),
      assets: [
        { instrument: TOY, maxBpsDiff: 2, limits: riskLimits({ maxPosLots: 100, maxPositionValueUsd: 1e6 }) },
      ],
      log: () => {},
      latency: { executor: sink("executor"), sign: sink("sign"), tickToWire: sink("tickToWire") },
    });
    Object.assign(rig, { executor });
    await rig.start();
    rig.ladder();
    expect(got).toEqual({ executor: [0], sign: [40_000], tickToWire: [150_000] });
  });
});

describe("gates", () => {
  const gates = (rig: Rig): unknown[] => rig.events("Not quoting").map((e) => e.fields["gate"]);

  test("nothing is sent before recovery", async () => {
    const rig = new Rig();
    await rig.gateway.connect(rig.executor);
    rig.ladder();
    expect(rig.gateway.sent).toEqual([]);
    expect(rig.executor.gate(0)).toBe("starting");
  });

  test("a kernel that does not quote pulls the orders and names its reason once", async () => {
    const rig = await new Rig().start();
    rig.ladder();
    await rig.pass(50);
    for (let i = 0; i < 3; i++) rig.ladder({ status: KernelStatus.FeedNotLive, bids: [], asks: [] });
    await rig.pass(50);
    expect(gates(rig)).toEqual(["kernel: FeedNotLive"]);
    expect(rig.kinds).toBe("place×4 cancel×4");
    rig.ladder();
    await rig.pass(50);
    expect(rig.executor.gate(0)).toBe("");
    expect(rig.venue.openCount).toBe(4);
  });

  test("a rate-limit refusal pauses placements", async () => {
    const rig = await new Rig({ faults: { rateLimit: 1 }, timings: { rateLimitPauseMs: 1000 } }).start();
    rig.ladder();
    await rig.pass(50);
    rig.gateway.faults = NO_FAULTS;
    rig.ladder();
    expect(gates(rig)).toEqual(["rate limited"]);
    await rig.pass(1000);
    rig.ladder();
    await rig.pass(50);
    expect(rig.executor.counters).toMatchObject({ rateLimitErrors: 1, ordersRejected: 4 });
    expect(rig.venue.openCount).toBe(4);
  });

  test("stale data: pulled and said at 3 s, killed at 5 s", async () => {
    const rig = await new Rig().start();
    await rig.quoteFor(500);
    await rig.pass(3200);
    expect(rig.events("Data staleness exceeded")).toHaveLength(1);
    expect(rig.venue.openCount).toBe(0);
    expect(rig.latch.isTripped()).toBe(false);
    await rig.pass(2500);
    expect(rig.latch.reason()).toBe(KillReason.StaleData);
    expect(rig.events("KILL SWITCH TRIGGERED")[0]).toMatchObject({ level: "error" });
    expect(rig.killed).toMatchObject({ isClean: true, isKilled: true, killReason: KillReason.StaleData });
  });

  test("a feed that lives without moving the quote is not stale", async () => {
    const rig = await new Rig().start();
    await rig.quoteFor(500);
    const stop = rig.sched.every(500, () => rig.executor.onFeedActivity(0, rig.sched.monoNs()));
    await rig.pass(10_000);
    stop();
    expect(rig.latch.isTripped()).toBe(false);
    expect(rig.venue.openCount).toBe(4);
  });

  test("our own stall is not taken for a stale feed", async () => {
    const rig = await new Rig().start();
    await rig.quoteFor(500);
    rig.stopTicking();
    await rig.pass(8000);
    rig.executor.onTick();
    expect(rig.latch.isTripped()).toBe(false);
    rig.ladder();
    rig.executor.onTick();
    expect(rig.executor.severity(0)).toBe(Severity.None);
  });
});

describe("risk", () => {
  test("reduce-only mode: warns once, cancels what adds, shows only what reduces", async () => {
    const rig = await new Rig().start();
    rig.ladder();
    await rig.pass(50);
    rig.venue.take(Side.Buy, 20);
    await rig.pass(50);
    // 20 lots at 1000 are 200 USD; the price triples (say): above 500 USD.
    const rich = await new Rig({ limits: { maxPositionValueUsd: 150 } }).start();
    rich.venue.posLots = 16;
    await rich.await(rich.executor.recover());
    for (let i = 0; i < 5; i++) {
      rich.ladder();
      await rich.pass(50);
    }
    expect(rich.events("Reduce-only mode")).toHaveLength(1);
    expect(rich.events("Reduce-only mode")[0]).toMatchObject({ level: "warn" });
    expect(rich.venue.openLots(Side.Buy)).toBe(0);
    expect(rich.venue.openLots(Side.Sell)).toBe(16);
    rich.venue.take(Side.Sell, 10);
    await rich.pass(50);
    rich.ladder();
    expect(rich.events("Reduce-only mode ended")).toHaveLength(1);
  });

  test("loss: widens from half the limit, warns near it, trips at it; then only cancels leave", async () => {
    const rig = await new Rig({ limits: { maxDailyLossUsd: 1, maxDrawdownPct: 100 } }).start();
    rig.ladder();
    await rig.pass(50);
    rig.venue.take(Side.Buy, 20);
    await rig.pass(50);
    const drop = async (mid: number): Promise<void> => {
      rig.venue.moveTo(mid);
      rig.ladder({ bids: [], asks: [] });
      await rig.pass(100);
    };
    await drop(96_800); // 20 lots × 0.01 × 32 = 6.3 USD… far beyond: the whole way at once
    expect(rig.latch.reason()).toBe(KillReason.RiskLoss);
    expect(rig.events("Kill switch condition detected")[0]).toMatchObject({
      fields: { monitor: "loss", limit: 1 },
    });
    expect(rig.events("KILL SWITCH TRIGGERED")).toHaveLength(1);
    const before = rig.gateway.sent.length;
    await rig.quoteFor(1000);
    expect(rig.gateway.sent.slice(before).every((s) => s.kind === "cancel")).toBe(true);
    expect(rig.venue.openCount).toBe(0);
    expect(rig.killed).toMatchObject({ isClean: true, isKilled: true });
  });

  test("a latch tripped elsewhere stops the very next request", async () => {
    const rig = await new Rig().start();
    rig.ladder();
    await rig.pass(50);
    rig.latch.trip(KillReason.DeadThread);
    rig.venue.moveTo(100_200);
    rig.ladder();
    await rig.pass(200);
    expect(rig.gateway.sent.filter((s) => s.kind !== "cancel")).toHaveLength(1);
    expect(rig.venue.openCount).toBe(0);
  });
});

describe("life cycle", () => {
  test("recovery cancels what an earlier run left before the first quote, and adopts the position", async () => {
    const crashed = await new Rig({ session: 1 }).start();
    crashed.ladder();
    await crashed.pass(50);
    crashed.venue.take(Side.Buy, 3);
    await crashed.pass(50);
    crashed.stopTicking();
    crashed.gateway.die();

    const rig = new Rig({ session: 2 });
    const gateway = new FakeGateway(crashed.venue, new Rng(2), NO_FAULTS);
    const executor = new Executor({
      gateway,
      latch: rig.latch,
      clock: crashed.sched,
      timers: crashed.sched,
      cloids: new CloidSequence(2),
      assets: [{ instrument: TOY, maxBpsDiff: 2, limits: riskLimits({ maxPosLots: 100 }) }],
      log: () => {},
    });
    await gateway.connect(executor);
    const report = await crashed.await(executor.recover());
    expect(report).toMatchObject({
      orphansCancelled: 4,
      foreignOrders: 0,
      strandedCoins: [],
      accountValueUsd: 10_000,
    });
    expect(crashed.venue.openCount).toBe(0);
    expect(executor.position(0).posLots).toBe(3);
    expect(executor.counters.orphansCancelled).toBe(4);
  });

  test("stop: no new orders, everything cancelled, the venue asked, the figures closed", async () => {
    const rig = await new Rig().start();
    await rig.quoteFor(300);
    rig.venue.take(Side.Sell, 4);
    const report = await rig.await(rig.executor.stop());
    expect(report).toMatchObject({ isClean: true, isKilled: false, restingOrdersAtExit: 0 });
    expect(report.positions[0]).toMatchObject({ posLots: -4 });
    expect(rig.venue.openCount).toBe(0);
    const before = rig.gateway.sent.length;
    rig.ladder();
    await rig.pass(500);
    expect(rig.gateway.sent.length).toBe(before);
    expect(rig.events("Stopped")).toHaveLength(1);
  });

  test("stop against a venue that hears nothing: repeats, gives up at the deadline, says what may rest", async () => {
    const rig = await new Rig({ timings: { stopDeadlineMs: 5000, ackTimeoutMs: 1000 } }).start();
    await rig.quoteFor(300);
    rig.gateway.faults = { ...NO_FAULTS, loseRequest: 1 };
    const report = await rig.await(rig.executor.stop());
    expect(report).toMatchObject({ isClean: false, restingOrdersAtExit: 4 });
    expect(report.cancelAttempts).toBeGreaterThan(3);
    expect(report.elapsedMs).toBeLessThan(6500);
  });

  test("a kill is carried out without a deadline: it ends when the venue hears it", async () => {
    const rig = await new Rig({ timings: { ackTimeoutMs: 1000 } }).start();
    await rig.quoteFor(300);
    rig.gateway.faults = { ...NO_FAULTS, loseRequest: 1 };
    rig.latch.trip(KillReason.Operator);
    await rig.pass(30_000);
    expect(rig.killed).toBeUndefined();
    rig.gateway.faults = NO_FAULTS;
    await rig.pass(3_000);
    expect(rig.killed).toMatchObject({ isClean: true, isKilled: true });
    expect(rig.venue.openCount).toBe(0);
  });

  test("a lost connection pulls, and what happened meanwhile is known before the next quote", async () => {
    const rig = await new Rig().start();
    await rig.quoteFor(300);
    rig.gateway.disconnect(1000);
    rig.venue.take(Side.Buy, 5);
    await rig.quoteFor(500);
    expect(rig.executor.gate(0)).toBe("disconnected");
    expect(rig.executor.position(0).posLots).toBe(0);
    await rig.quoteFor(1500);
    expect(rig.executor.gate(0)).toBe("");
    expect(rig.executor.position(0).posLots).toBe(5);
    expect(rig.executor.counters.audits).toBeGreaterThan(0);
  });

  test("the auditor repairs a position that the venue changed behind our back, and counts it", async () => {
    const rig = await new Rig().start();
    await rig.quoteFor(300);
    rig.venue.posLots = 12; // a transfer, a liquidation elsewhere: no fill tells of it
    const stop = rig.sched.every(100, () => rig.ladder());
    await rig.pass(6000);
    stop();
    expect(rig.executor.position(0).posLots).toBe(12);
    expect(rig.executor.counters.auditDifferences).toBe(1);
    expect(rig.events("Audit difference")[0]).toMatchObject({
      level: "warn",
      fields: { venueLots: 12, oursLots: 0 },
    });
  });

  test("an answer that never comes: the order is asked for by its client id and found", async () => {
    const rig = await new Rig({ faults: { loseAnswer: 1 } }).start();
    const deaf = rig.gateway.deliver.bind(rig.gateway);
    rig.gateway.deliver = () => {}; // the private stream is silent too
    rig.ladder();
    await rig.pass(100);
    rig.gateway.deliver = deaf;
    await rig.pass(2800);
    rig.gateway.faults = NO_FAULTS;
    expect(rig.executor.openLots(0, Side.Buy)).toBe(20);
    await rig.pass(400);
    expect(rig.executor.counters.unknowns).toBeGreaterThanOrEqual(4);
    expect(rig.executor.counters.unknownsResolved).toBe(4);
  });

  test("an in-process gateway may answer before the sender has returned", async () => {
    const rig = await new Rig().start();
    const place = rig.gateway.place.bind(rig.gateway);
    rig.gateway.place = (orders) => {
      const id = place(orders);
      rig.executor.onAck(
        id,
        orders.map((_, i) => ({ kind: "resting", oid: 5000 + i })),
      );
      return id;
    };
    rig.ladder();
    expect(rig.executor.counters.firstQuoteMs).toBeGreaterThan(0);
  });
});
