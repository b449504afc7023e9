import { describe, expect, test } from "vitest";
import { OffsetClock, Rng, VirtualTime } from "../../src/domain/index.js";

describe("virtual time", () => {
  test("events come in order of time, equal times in the order in which they were scheduled", async () => {
    const time = new VirtualTime(1_000);
    const seen: string[] = [];
    const rng = new Rng(3);
    const delays = Array.from({ length: 500 }, () => rng.below(40));
    delays.forEach((ms, i) => {
      time.after(ms, () => seen.push(`${ms}:${i}`));
    });
    await time.runFor(100);
    const expected = delays
      .map((ms, i) => ({ ms, i }))
      .sort((a, b) => a.ms - b.ms || a.i - b.i)
      .map(({ ms, i }) => `${ms}:${i}`);
    expect(seen).toEqual(expected);
    expect(time.monoNs()).toBe(100e6);
    expect(time.wallMs()).toBe(1_100);
  });

  test("promises that an event settles run to their end before the next event", async () => {
    const time = new VirtualTime(0);
    const seen: string[] = [];
    time.after(1, () => {
      void (async () => {
        for (let i = 0; i < 20; i++) await Promise.resolve();
        seen.push(`end of the first at ${time.monoNs()}`);
      })();
    });
    time.after(1, () => seen.push("second"));
    await time.runFor(1);
    expect(seen).toEqual(["end of the first at 1000000", "second"]);
  });

  test("a cancelled timer does not fire, not even from an event of the same moment", async () => {
    const time = new VirtualTime(0);
    let fired = 0;
    time.after(1, () => stop());
    const stop = time.after(1, () => fired++);
    const stopEvery = time.every(10, () => {
      fired++;
      if (fired === 3) stopEvery();
    });
    await time.runFor(100);
    expect(fired).toBe(3);
    expect(time.nextNs).toBe(Number.POSITIVE_INFINITY);
  });

  test("runs up to and including its end, and what is scheduled for now runs now", async () => {
    const time = new VirtualTime(0);
    const seen: number[] = [];
    time.after(5, () => time.after(0, () => seen.push(time.monoNs())));
    time.after(5.000001, () => seen.push(-1));
    await time.runUntil(5e6);
    expect(seen).toEqual([5e6]);
  });

  test("an event that throws ends the run with its error", async () => {
    const time = new VirtualTime(0);
    time.after(1, () => {
      throw new Error("bug");
    });
    await expect(time.runFor(2)).rejects.toThrow("bug");
  });

  test("settle says so when a promise does not settle in time", async () => {
    const time = new VirtualTime(0);
    await expect(time.settle(new Promise(() => {}), 50)).rejects.toThrow("not settled within 50 ms");
    await expect(time.settle(Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(await time.settle(new Promise((r) => time.after(7, () => r(time.wallMs()))))).toBe(57);
  });

  test("an offset clock moves its wall time and not its monotonic time", () => {
    const time = new VirtualTime(10);
    const clock = new OffsetClock(time);
    clock.offsetMs = -500;
    expect([clock.wallMs(), clock.monoNs()]).toEqual([-490, 0]);
  });
});
