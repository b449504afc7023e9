import { describe, expect, it } from "vitest";
import {
  createDoorbell,
  createLatch,
  KillLatch,
  KillReason,
  killReasonText,
  type TripReason,
} from "../../src/rings/index.js";

describe("kill latch", () => {
  it("starts armed and keeps the first reason", () => {
    const latch = new KillLatch(createLatch());
    expect([latch.isTripped(), latch.reason()]).toEqual([false, KillReason.Armed]);
    expect(latch.trip(KillReason.RiskLoss)).toBe(true);
    expect(latch.trip(KillReason.Operator)).toBe(false);
    expect([latch.isTripped(), latch.reason()]).toEqual([true, KillReason.RiskLoss]);
  });

  it("is seen by every attached end", () => {
    const sab = createLatch();
    const one = new KillLatch(sab);
    const other = new KillLatch(sab);
    one.trip(KillReason.StaleData);
    expect(other.reason()).toBe(KillReason.StaleData);
  });

  it("trips even when the reason is nonsense, and cannot be armed by tripping", () => {
    for (const nonsense of [0, -1, 999, 1.5, Number.NaN]) {
      const latch = new KillLatch(createLatch());
      expect(latch.trip(nonsense as TripReason)).toBe(true);
      expect(latch.reason()).toBe(KillReason.UnhandledError);
      latch.trip(nonsense as TripReason);
      expect(latch.isTripped()).toBe(true);
    }
  });

  it("has distinct codes and a text for each", () => {
    const codes = Object.values(KillReason);
    expect(new Set(codes).size).toBe(codes.length);
    expect(new Set(codes.map(killReasonText)).size).toBe(codes.length);
    expect(killReasonText(777 as KillReason)).toBe("unknown reason 777");
  });

  it("offers no way back", () => {
    const methods = Object.getOwnPropertyNames(KillLatch.prototype).sort();
    expect(methods).toEqual(["constructor", "isTripped", "reason", "trip"]);
  });

  it("refuses other memory: zeros of something else must not read as armed", () => {
    expect(() => new KillLatch(createDoorbell())).toThrow(/kill latch: wrong magic/);
  });
});
