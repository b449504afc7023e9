import { describe, expect, test } from "vitest";
import { Safety, type SafetyOptions } from "../../src/engine/safety.js";
import { Scheduler } from "../execution/fake-exchange.js";

/** The venue and the watchdog, as far as the net below the maker knows them. */
function rig(answer: () => Promise<void>) {
  const sched = new Scheduler();
  const done: string[] = [];
  const o = {
    gateway: {
      user: "0x1",
      nonces: { last: 1 },
      info: { historicalOrders: async () => [] },
      scheduleCancel: async (atMs: number | undefined) => {
        done.push(atMs === undefined ? "disarm" : "arm");
        await answer();
      },
    },
    executor: { budget: { spend() {}, takeSlot() {} }, isThrottled: false },
    facts: { endpoints: {}, instruments: [] },
    watchdog: {
      start: async () => {
        done.push("watchdog");
      },
      disarm: async () => {
        done.push("watchdog home");
      },
    },
    watchdogMode: "auto",
    deadManMs: 60_000,
    clock: sched,
    timers: sched,
    log: () => {},
  } as unknown as SafetyOptions;
  return { safety: new Safety(o), done, sched };
}

describe("the net below the maker", () => {
  test("a stop while it is being armed leaves neither switch nor watchdog behind", async () => {
    let give: () => void = () => {};
    const answer = (): Promise<void> =>
      new Promise((resolve) => {
        give = resolve;
      });
    const { safety, done, sched } = rig(answer);
    const arming = safety.arm();
    await new Promise((resolve) => setImmediate(resolve));
    expect(done).toEqual(["arm"]);
    await safety.disarm(true);
    give();
    await new Promise((resolve) => setImmediate(resolve));
    give();
    await arming;
    expect(done).toEqual(["arm", "watchdog home", "disarm"]);
    await sched.run(120_000);
    expect(done).toHaveLength(3);
  });

  test("a stop while a refused switch is under way starts no watchdog", async () => {
    const { safety, done } = rig(async () => {
      throw new Error("Cannot set scheduled cancel time until enough volume traded. Required: $1000000.");
    });
    const arming = safety.arm();
    await safety.disarm(true);
    await arming;
    expect(done).not.toContain("watchdog");
  });

  test("without the venue's switch the watchdog starts; a stop that is not clean leaves it on guard", async () => {
    const { safety, done } = rig(async () => {
      throw new Error("Cannot set scheduled cancel time until enough volume traded. Required: $1000000.");
    });
    await safety.arm();
    await safety.disarm(false);
    expect(done).toEqual(["arm", "watchdog"]);
  });
});
