import { describe, expect, test } from "vitest";
import { Side } from "../../src/domain/index.js";
import { NO_FAULTS } from "./fake-exchange.js";
import { Rig } from "./rig.js";

describe("requests without an answer", () => {
  test("an order that timed out is no rejected order: it counts at its worst until the venue has been asked", async () => {
    const rig = await new Rig({
      faults: { loseAnswer: 1 },
      limits: { maxPosLots: 20 },
      timings: { ackTimeoutMs: 1000 },
    }).start();
    rig.gateway.deliver = () => {}; // the private stream is silent too
    rig.gateway.faults = { ...NO_FAULTS, loseAnswer: 1, failQuery: 1 };
    rig.ladder();
    const stop = rig.sched.every(100, () => rig.ladder());
    await rig.pass(20_000);
    stop();
    expect(rig.venue.openCount).toBe(4);
    expect(rig.executor.unknownOrders).toBe(4);
    expect(rig.executor.openLots(0, Side.Buy)).toBe(20);
    expect(rig.executor.openLots(0, Side.Sell)).toBe(20);
    // The side was full with orders that might rest: nothing was put beside them.
    expect(rig.gateway.sent.filter((s) => s.kind === "place")).toHaveLength(1);
    expect(rig.executor.counters.ordersRejected).toBe(0);
  });

  test("an unanswered placement keeps a stop waiting, even after the venue has denied knowing the order", async () => {
    const rig = await new Rig({ timings: { ackTimeoutMs: 300, unknownGraceMs: 600 } }).start();
    rig.gateway.faults = { ...NO_FAULTS, latencyMs: [4000, 4000] };
    rig.ladder(); // on its way for two seconds
    rig.gateway.faults = NO_FAULTS;
    const stopping = rig.executor.stop();
    let isStopped = false;
    void stopping.then(() => {
      isStopped = true;
    });
    await rig.pass(1900);
    expect(rig.venue.openCount).toBe(0);
    expect(rig.executor.liveOrders).toBe(0); // given up as never arrived
    expect(isStopped).toBe(false);
    const report = await rig.await(stopping);
    expect(rig.venue.orders.size).toBe(4);
    expect(rig.venue.openCount).toBe(0);
    expect(report).toMatchObject({ isClean: true, restingOrdersAtExit: 0 });
  });
});

describe("reconnects", () => {
  test("a second reconnect while the first is being compared starts the comparison anew", async () => {
    const rig = await new Rig().start();
    await rig.quoteFor(300);
    const answers: (() => void)[] = [];
    rig.gateway.fillsSince = () =>
      new Promise((resolve) => {
        answers.push(() => resolve([]));
      });
    const stop = rig.sched.every(100, () => rig.ladder());
    rig.executor.onConnected();
    await rig.pass(1000);
    expect(answers).toHaveLength(1);
    rig.executor.onConnected();
    answers[0]!(); // what the first comparison learnt is older than the second gap
    await rig.pass(1000);
    expect(answers).toHaveLength(2);
    expect(rig.executor.gate(0)).toBe("resyncing");
    answers[1]!();
    await rig.pass(1000);
    stop();
    expect(rig.executor.gate(0)).toBe("");
  });
});
