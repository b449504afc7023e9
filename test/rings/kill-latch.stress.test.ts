import { beforeAll, describe, expect, it } from "vitest";
import { createLatch, KillLatch, KillReason } from "../../src/rings/index.js";
import { ensureBuilt, startWorker } from "./threads.js";

beforeAll(ensureBuilt);

describe("kill latch across threads", () => {
  it("exactly one of four rivals wins each of 500 races, and all see its reason", async () => {
    const latches = Array.from({ length: 500 }, createLatch);
    const barrier = new SharedArrayBuffer(4);
    const reasons = [KillReason.Operator, KillReason.RiskLoss, KillReason.DeadThread, KillReason.KernelTrap];
    const racers = await Promise.all(
      reasons.map(
        (reason) =>
          startWorker<{ reason: number; wins: number[]; seen: number[] }>("latch-racer", {
            latches,
            barrier,
            racers: reasons.length,
            reason,
          }).result,
      ),
    );
    latches.forEach((sab, round) => {
      const winners = racers.filter((racer) => racer.wins.includes(round));
      expect(winners, `winners of race ${round}`).toHaveLength(1);
      for (const racer of racers) expect(racer.seen[round]).toBe(winners[0]!.reason);
      expect(new KillLatch(sab).reason()).toBe(winners[0]!.reason);
    });
    const champions = racers.filter((racer) => racer.wins.length > 0);
    expect(champions.length, "these must have been races").toBeGreaterThan(1);
  });
});
