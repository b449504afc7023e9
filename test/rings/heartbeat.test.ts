import { describe, expect, it } from "vitest";
import { createHeartbeats, createLatch, Heartbeats } from "../../src/rings/index.js";

const MS = 1e6;
const DAY = 86_400_000 * MS;

describe("heartbeats", () => {
  it("age from engine start until the first beat", () => {
    const heartbeats = new Heartbeats(createHeartbeats(2));
    expect(heartbeats.ageNs(1, 5_000 * MS)).toBe(5_000 * MS);
  });

  it("measure each thread on its own, to a millisecond", () => {
    const sab = createHeartbeats(3);
    const owner = new Heartbeats(sab);
    const watcher = new Heartbeats(sab);
    owner.beat(0, 100.9 * MS);
    owner.beat(2, 40 * MS);
    expect([0, 1, 2].map((i) => watcher.ageNs(i, 150 * MS))).toEqual([50 * MS, 150 * MS, 110 * MS]);
    owner.beat(0, 149 * MS);
    expect(watcher.ageNs(0, 150 * MS)).toBe(1 * MS);
    expect(watcher.count).toBe(3);
  });

  it("are never negative when the beat came after the clock was read", () => {
    const heartbeats = new Heartbeats(createHeartbeats(1));
    heartbeats.beat(0, 10 * MS);
    expect(heartbeats.ageNs(0, 9 * MS)).toBe(0);
  });

  it("stay right when the millisecond counter wraps, after 24 and after 49 days", () => {
    const heartbeats = new Heartbeats(createHeartbeats(1));
    for (const wrapMs of [2 ** 31, 2 ** 32, 3 * 2 ** 31]) {
      heartbeats.beat(0, (wrapMs - 3) * MS);
      expect(heartbeats.ageNs(0, (wrapMs + 4) * MS)).toBe(7 * MS);
    }
    heartbeats.beat(0, 30 * DAY);
    expect(heartbeats.ageNs(0, 53 * DAY)).toBe(23 * DAY);
  });

  it("refuse indexes and counts that do not exist, and other memory", () => {
    const heartbeats = new Heartbeats(createHeartbeats(2));
    for (const index of [-1, 2, Number.NaN]) {
      expect(() => heartbeats.beat(index, 0)).toThrow(RangeError);
      expect(() => heartbeats.ageNs(index, 0)).toThrow(RangeError);
    }
    for (const count of [0, 1.5, 5000]) expect(() => createHeartbeats(count)).toThrow(RangeError);
    expect(() => new Heartbeats(createLatch())).toThrow(/heartbeats: wrong magic/);
  });
});
