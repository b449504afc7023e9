/** Single misfortunes, each at a chosen moment, in a whole run; the verdict is that of the matrix. */
import { describe, expect, test } from "vitest";
import type { SimulatedOptions, SimulatedRun } from "../../src/engine/simulated.js";
import { KillReason } from "../../src/rings/index.js";
import type { FaultRule } from "../../src/sim/index.js";
import { Verdict } from "./verdict.js";
import { quotingRun } from "./worlds.js";

const FUNDING_USD = 100_000;
const SEED = 5;

interface Played {
  readonly run: SimulatedRun;
  readonly verdict: Verdict;
  readonly log: string[];
}

function world(
  faults: readonly FaultRule[] = [],
  fundingUsd = FUNDING_USD,
  requests: SimulatedOptions["requests"] = {},
  exchange: NonNullable<SimulatedOptions["exchange"]> = {},
): Played {
  const log: string[] = [];
  const run = quotingRun({
    seed: SEED,
    faults,
    fundingUsd,
    requests,
    exchange,
    log: (level, event, fields) => {
      if (level !== "debug") log.push(`${level} ${event} ${JSON.stringify(fields ?? {})}`);
    },
  });
  return { run, verdict: new Verdict(run, fundingUsd), log };
}

/** Stops, waits for stragglers, and holds everything against the exchange. */
async function finish({ run, verdict, log }: Played): Promise<void> {
  const report = await run.stop();
  verdict.atEnd(report, "after the stop");
  await run.run(20_000);
  verdict.atEnd(report, "20 s later");
  expect(verdict.complaints, log.slice(-30).join("\n")).toEqual([]);
}

const fired = (run: SimulatedRun): number => run.venue.faults.rules().reduce((sum, r) => sum + r.hits, 0);
const account = (run: SimulatedRun) => run.venue.exchange.account(run.address)!;

describe("funding", () => {
  const EVERY_10_S = { fundingIntervalMs: 10_000 };

  test("what positions pay and receive is part of the profit, to the exchange's micro-dollar", async () => {
    const played = world([], FUNDING_USD, {}, EVERY_10_S);
    await played.run.start();
    await played.run.run(400_000);
    const { fundings } = account(played.run);
    expect(fundings.length).toBeGreaterThan(10);
    // Told while the run goes on, not at its end alone.
    expect(played.run.engine.executor.position(0).fundingUsd).not.toBe(0);
    const { run, verdict } = played;
    verdict.atEnd(await run.stop(), "after the stop");
    expect(verdict.complaints).toEqual([]);
    const paid = fundings.reduce((sum, f) => sum + Number(f.delta.usdc), 0);
    expect(played.run.engine.executor.position(0).fundingUsd).toBeCloseTo(paid, 9);
  });

  test("payments before the start of a process are not its own", async () => {
    const played = world([], FUNDING_USD, {}, EVERY_10_S);
    await played.run.start();
    await played.run.run(60_000);
    played.run.crash();
    await played.run.run(30_000);
    const { fundings } = account(played.run);
    const before = fundings.length;
    expect(before).toBeGreaterThan(0);
    await played.run.start();
    await played.run.run(60_000);
    await played.run.stop();
    const own = fundings.slice(before).reduce((sum, f) => sum + Number(f.delta.usdc), 0);
    expect(fundings.length).toBeGreaterThan(before);
    expect(played.run.engine.executor.position(0).fundingUsd).toBeCloseTo(own, 9);
  });
});

describe("crash", () => {
  test("a new process cancels what the old one left, adopts its position and quotes again", async () => {
    const { run, log } = world();
    await run.start();
    await run.run(60_000);
    run.crash();
    // What the dead process had sent still arrives.
    await run.run(1_000);
    const left = account(run).openOrders.size;
    const posLots = account(run).positions[0]!.szLots;
    const fillsBefore = account(run).fills.length;
    expect(left).toBeGreaterThan(2);
    await run.start();
    expect(log.join("\n")).toContain("Cancelling orders of an earlier run");
    expect(run.engine.executor.position(0).posLots).toBe(account(run).positions[0]!.szLots);
    expect(Math.abs(posLots)).toBeGreaterThan(0);
    await run.run(60_000);
    expect(account(run).openOrders.size).toBeGreaterThan(2);
    const report = await run.stop();
    expect(report.isClean).toBe(true);
    expect(account(run).openOrders.size).toBe(0);
    expect(report.positions[0]!.posLots).toBe(account(run).positions[0]!.szLots);
    expect(account(run).fills.length).toBeGreaterThan(fillsBefore);
  });

  test("five crashes in a row, each in the middle of its requests, leave nothing behind", async () => {
    const { run } = world([{ kind: "delay", rate: 0.3 }]);
    for (let i = 0; i < 5; i++) {
      await run.start();
      await run.run(7_130 + 911 * i);
      run.crash();
    }
    await run.start();
    const report = await run.stop();
    await run.run(20_000);
    expect([report.isClean, account(run).openOrders.size]).toEqual([true, 0]);
    expect(report.positions[0]!.posLots).toBe(account(run).positions[0]?.szLots ?? 0);
  });
});

describe("connections", () => {
  test("a reconnect storm: down every two seconds, public and private", async () => {
    const played = world();
    const { run } = played;
    await run.start();
    for (let i = 0; i < 60; i++) {
      await run.run(1_700 + 37 * i);
      run.gateway.disconnect("storm");
      if (i % 2 === 0) run.feed.disconnect("storm");
    }
    expect(run.gateway.counters.disconnects).toBeGreaterThan(40);
    expect(run.engine.executor.fillsOf(0)).toBeGreaterThan(0);
    await finish(played);
  });

  test("the stop succeeds while the private stream is down", async () => {
    const played = world([
      { kind: "disconnect", rate: 1, where: { stream: "private" }, fromMs: 60_000, ms: [30_000, 30_000] },
    ]);
    await played.run.start();
    await played.run.run(61_000);
    expect(played.run.gateway.isConnected).toBe(false);
    await finish(played);
  });
});

describe("requests whose answer is lost", () => {
  const ROWS: readonly (readonly [string, FaultRule])[] = [
    [
      "placement",
      { kind: "loss", rate: 1, count: 3, fromMs: 30_000, where: { action: "order", part: "answer" } },
    ],
    [
      "placement that never arrived",
      { kind: "loss", rate: 1, count: 3, fromMs: 30_000, where: { action: "order", part: "request" } },
    ],
    [
      "change",
      { kind: "loss", rate: 1, count: 3, fromMs: 30_000, where: { action: "batchModify", part: "answer" } },
    ],
    [
      "change that never arrived",
      { kind: "loss", rate: 1, count: 3, fromMs: 30_000, where: { action: "batchModify", part: "request" } },
    ],
    [
      "cancel",
      { kind: "loss", rate: 1, count: 3, fromMs: 30_000, where: { action: "cancelByCloid", part: "answer" } },
    ],
    [
      "cancel that never arrived",
      {
        kind: "loss",
        rate: 1,
        count: 3,
        fromMs: 30_000,
        where: { action: "cancelByCloid", part: "request" },
      },
    ],
  ];
  test.each(ROWS)("%s", async (_, rule) => {
    const played = world([rule]);
    await played.run.start();
    await played.run.run(120_000);
    await finish(played);
    const { counters } = played.run.engine.executor;
    expect(fired(played.run)).toBe(3);
    expect(counters.unknowns).toBeGreaterThanOrEqual(3);
  });

  test("a change answered with 502 does not leave its old order out of reach", async () => {
    const played = world([
      { kind: "http5xx", rate: 0.7, fromMs: 30_000, where: { action: "batchModify", part: "request" } },
      { kind: "partialFills", rate: 1, pieces: [3, 6] },
    ]);
    await played.run.start();
    await played.run.run(180_000);
    await finish(played);
    expect(fired(played.run)).toBeGreaterThan(100);
  });
});

describe("private events", () => {
  const ROWS: readonly (readonly [string, readonly FaultRule[]])[] = [
    [
      "fills arrive seconds after acks and updates",
      [{ kind: "delay", rate: 1, ms: [500, 3000], where: { channel: "userFills" } }],
    ],
    [
      "fills arrive before acks",
      [{ kind: "delay", rate: 1, ms: [500, 1500], where: { action: "exchange", part: "answer" } }],
    ],
    ["every fill twice", [{ kind: "duplicate", rate: 1, where: { channel: "userFills" } }]],
    ["no order update ever arrives", [{ kind: "loss", rate: 1, where: { channel: "orderUpdates" } }]],
    ["half of the fills are lost", [{ kind: "loss", rate: 0.5, where: { channel: "userFills" } }]],
    ["no fill ever arrives by itself", [{ kind: "loss", rate: 1, where: { channel: "userFills" } }]],
    ["a storm of partial fills", [{ kind: "partialFills", rate: 0.5, pieces: [5, 20] }]],
    [
      "cancels lose their races: takers are quick, cancels slow",
      [{ kind: "delay", rate: 1, ms: [300, 1200], where: { action: "cancelByCloid", part: "request" } }],
    ],
    [
      "changes come late, their old legs are filled before",
      [{ kind: "delay", rate: 1, ms: [300, 1200], where: { action: "batchModify", part: "request" } }],
    ],
  ];
  test.each(ROWS)("%s", async (_, rules) => {
    const played = world(rules);
    await played.run.start();
    await played.run.run(180_000);
    expect(played.run.engine.executor.fillsOf(0)).toBeGreaterThan(0);
    await finish(played);
    expect(fired(played.run)).toBeGreaterThan(0);
  });
});

describe("the venue takes orders away", () => {
  test("every resting order is cancelled by the venue, and quoting goes on", async () => {
    const played = world();
    const { run } = played;
    await run.start();
    await run.run(30_000);
    const orders = [...account(run).openOrders.values()];
    expect(orders.length).toBeGreaterThan(2);
    for (const o of orders) run.venue.exchange.cancel(o, Math.floor(run.venue.nowMs()), "marginCanceled");
    await run.run(30_000);
    expect(account(run).openOrders.size).toBeGreaterThan(2);
    await finish(played);
  });
});

describe("the venue liquidates", () => {
  test("orders go, the position is closed by the venue, and the books agree to the fee", async () => {
    const played = world([], 400);
    const { run } = played;
    await run.start();
    const market = run.venue.exchange.market("BTC")!;
    const posLots = (): number => account(run).positions[0]?.szLots ?? 0;
    for (let i = 0; i < 600 && Math.abs(posLots()) < 500; i++) await run.run(1_000);
    const before = posLots();
    expect(Math.abs(before)).toBeGreaterThanOrEqual(500);
    // A mark far on the wrong side, for a moment: what a broken oracle or a real crash would do.
    const state = run.venue.info({ type: "clearinghouseState", user: run.address }) as {
      readonly marginSummary: { readonly accountValue: string };
    };
    const sz = before / 1e5;
    // Where the equity is three quarters of the maintenance margin, 1.25 % of the position's value.
    const px = market.referenceTicks / 10;
    const awayPx = (sz * px - Number(state.marginSummary.accountValue)) / (sz - 0.75 * 0.0125 * Math.abs(sz));
    const away = Math.round(awayPx * 10);
    run.venue.exchange.setMark(market, away, Math.floor(run.venue.nowMs()));
    await run.run(5_000);
    const fills = account(run).fills.filter((f) => f.liquidation !== undefined);
    expect(fills.length).toBeGreaterThan(0);
    expect(run.engine.executor.position(0).posLots).toBe(posLots());
    await finish(played);
  });
});

describe("limits of the venue", () => {
  test("a burst of 429 pauses the quotes; too many of them trip the kill switch, and nothing is placed after", async () => {
    const played = world(
      ["order", "batchModify"].map((action) => ({
        kind: "http429" as const,
        rate: 1,
        fromMs: 30_000,
        where: { action },
      })),
    );
    const { run, log } = played;
    await run.start();
    await run.run(300_000);
    expect(run.engine.latch.reason()).toBe(KillReason.RateLimit);
    expect(run.killed?.isClean, log.slice(-20).join("\n")).toBe(true);
    expect(account(run).openOrders.size).toBe(0);
    await finish(played);
  });

  test("an address with few requests left spends them sparingly and still clears the book at the end", async () => {
    const played = world([], FUNDING_USD, { initialRequests: 150 });
    const { run } = played;
    await run.start();
    await run.run(300_000);
    expect(run.engine.latch.isTripped()).toBe(false);
    expect(run.digest.count).toBeLessThan(600);
    await finish(played);
  });

  test("a single 429 is survived", async () => {
    const played = world([
      { kind: "http429", rate: 1, count: 1, fromMs: 30_000, where: { action: "order" } },
    ]);
    await played.run.start();
    await played.run.run(60_000);
    expect(played.run.engine.latch.isTripped()).toBe(false);
    expect(account(played.run).openOrders.size).toBeGreaterThan(2);
    await finish(played);
  });
});

describe("clock and data", () => {
  test.each([-30_000, 30_000])("the engine's wall clock is set by %i ms", async (stepMs) => {
    const played = world();
    await played.run.start();
    await played.run.run(30_000);
    played.run.clock.offsetMs = stepMs;
    await played.run.run(60_000);
    await finish(played);
  });

  test("market data stops: quotes are pulled, then the kill switch trips", async () => {
    const played = world([{ kind: "loss", rate: 1, fromMs: 30_000, where: { stream: "public" } }]);
    const { run } = played;
    await run.start();
    await run.run(34_000);
    expect(account(run).openOrders.size).toBe(0);
    await run.run(6_000);
    expect(run.engine.latch.reason()).toBe(KillReason.StaleData);
    await finish(played);
  });
});

describe("kill", () => {
  test("tripped from outside: everything comes off the book at once, and nothing is placed again", async () => {
    const played = world([{ kind: "delay", rate: 0.3 }]);
    const { run } = played;
    await run.start();
    await run.run(30_000);
    expect(account(run).openOrders.size).toBeGreaterThan(2);
    run.engine.latch.trip(KillReason.Operator);
    await run.run(10_000);
    expect(run.killed?.isClean).toBe(true);
    expect(account(run).openOrders.size).toBe(0);
    await finish(played);
  });
});

describe("the way in and the way out", () => {
  test("a start survives questions that fail", async () => {
    const played = world([{ kind: "http5xx", rate: 1, count: 3, where: { action: "info" } }]);
    await played.run.start();
    await played.run.run(30_000);
    expect(fired(played.run)).toBe(3);
    await finish(played);
  });

  test("a start gives up when the venue does not answer at all", async () => {
    const { run } = world([{ kind: "http5xx", rate: 1, where: { action: "info" } }]);
    await expect(run.start()).rejects.toThrow(/the venue answers 50/);
  });

  test("a stop whose first three questions are never answered asks again, and ends in time", async () => {
    const played = world([
      { kind: "loss", rate: 1, count: 3, fromMs: 60_200, where: { action: "frontendOpenOrders" } },
    ]);
    await played.run.start();
    await played.run.run(60_000 - played.run.time.monoNs() / 1e6);
    await played.run.run(250);
    await finish(played);
    expect(fired(played.run)).toBe(3);
  });

  test("the closing figures are asked for until they are told", async () => {
    const played = world([
      { kind: "loss", rate: 1, fromMs: 40_000, where: { channel: "userFills" } },
      { kind: "http5xx", rate: 1, fromMs: 40_000, untilMs: 64_000, where: { action: "userFillsByTime" } },
    ]);
    const { run } = played;
    await run.start();
    await run.run(60_500 - run.time.monoNs() / 1e6);
    expect(run.engine.executor.fillsOf(0)).toBeLessThan(account(run).fills.length);
    await finish(played);
  });
});
