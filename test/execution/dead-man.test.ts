import { describe, expect, test } from "vitest";
import { DeadMansSwitch, TRIGGERS_A_DAY } from "../../src/execution/index.js";
import { Scheduler } from "./fake-exchange.js";

/** Promises that are due have run: only timers are left. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const DAY_MS = 86_400_000;

class Bench {
  readonly sched = new Scheduler();
  readonly calls: (number | undefined)[] = [];
  readonly events: string[] = [];
  readonly unavailable: string[] = [];
  requests = 0;
  refuse: string | undefined;
  readonly deadMan = new DeadMansSwitch({
    schedule: (atMs) => {
      this.calls.push(atMs === undefined ? undefined : atMs - this.sched.wallMs());
      return this.refuse === undefined ? Promise.resolve() : Promise.reject(new Error(this.refuse));
    },
    clock: this.sched,
    timers: this.sched,
    log: (level, event) => this.events.push(`${level} ${event}`),
    leadMs: 30_000,
    onRequest: () => this.requests++,
    onUnavailable: (why) => this.unavailable.push(why),
  });
}

describe("dead man's switch", () => {
  test("is armed a lead ahead and refreshed every third of it; every call counts as a request", async () => {
    const b = new Bench();
    expect(await b.deadMan.arm()).toBe(true);
    await b.sched.run(35_000);
    expect(b.calls).toEqual([30_000, 30_000, 30_000, 30_000]);
    expect(b.requests).toBe(4);
    expect(b.events).toEqual(["info Dead man's switch armed"]);
  });

  test("is taken back at a clean stop and not refreshed after it", async () => {
    const b = new Bench();
    await b.deadMan.arm();
    await b.deadMan.disarm();
    await b.sched.run(60_000);
    expect(b.calls).toEqual([30_000, undefined]);
    expect(b.deadMan.isArmed).toBe(false);
  });

  test("left armed, it fires by itself: nothing more is sent", async () => {
    const b = new Bench();
    await b.deadMan.arm();
    b.deadMan.leaveArmed();
    await b.sched.run(60_000);
    expect(b.calls).toEqual([30_000]);
  });

  test("a refused disarm is repeated, and told", async () => {
    const b = new Bench();
    await b.deadMan.arm();
    b.refuse = "502";
    const done = b.deadMan.disarm();
    await settled();
    await b.sched.run(5_000);
    await done;
    expect(b.calls).toEqual([30_000, undefined, undefined, undefined]);
    expect(b.events.filter((e) => e.includes("will fire"))).toHaveLength(3);
  });

  test("an account without the volume: told once, never asked again, something else is to watch", async () => {
    const b = new Bench();
    b.refuse =
      "scheduled cancel: Cannot set scheduled cancel time until enough volume traded. Required: $1000000. Traded: $12.5.";
    expect(await b.deadMan.arm()).toBe(false);
    await b.sched.run(120_000);
    expect(b.calls).toHaveLength(1);
    expect(b.unavailable).toHaveLength(1);
    expect(b.unavailable[0]).toContain("Traded: $12.5");
    expect(b.events).toEqual(["warn No dead man's switch at the venue"]);
  });

  test("a refresh that fails is repeated at the next; the switch stands meanwhile", async () => {
    const b = new Bench();
    await b.deadMan.arm();
    b.refuse = "scheduled cancel: no answer within 3000 ms";
    await b.sched.run(11_000);
    expect(b.deadMan.isArmed).toBe(true);
    b.refuse = undefined;
    await b.sched.run(45_000);
    expect(b.deadMan.isArmed).toBe(true);
    expect(b.unavailable).toEqual([]);
  });

  test("ten triggers a day: counted by moment, not by order; then not armed before the next UTC day", async () => {
    const b = new Bench();
    const start = b.sched.wallMs();
    for (let i = 0; i < TRIGGERS_A_DAY; i++) {
      b.deadMan.noteTrigger(start + i * 60_000);
      b.deadMan.noteTrigger(start + i * 60_000 + 3); // another order of the same trigger
    }
    expect(b.deadMan.triggersToday).toBe(TRIGGERS_A_DAY);
    expect(b.events).toEqual(Array.from({ length: 3 }, () => "warn Dead man's switch fired"));
    expect(await b.deadMan.arm()).toBe(false);
    expect(b.calls).toEqual([]);
    expect(b.unavailable).toEqual(["all 10 triggers of the day are used"]);
    b.sched.nowMs = (Math.floor(start / DAY_MS) + 1) * DAY_MS - start;
    await b.sched.run(b.sched.nowMs + 20_000);
    expect(b.deadMan.isArmed).toBe(true);
  });

  test("a lead too short for the venue is refused", () => {
    const sched = new Scheduler();
    expect(
      () =>
        new DeadMansSwitch({
          schedule: () => Promise.resolve(),
          clock: sched,
          timers: sched,
          log: () => {},
          leadMs: 5_000,
        }),
    ).toThrow(RangeError);
  });
});
