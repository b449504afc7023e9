import { describe, expect, it } from "vitest";
import { Desk, limit, NOW } from "./desk.js";

const [MM, USER] = [0, 1];

function deskWithBook(askSz = 60): Desk {
  const desk = new Desk();
  desk.order(MM, [limit(false, 100_010, askSz, "Gtc"), limit(true, 99_990, 50, "Gtc")]);
  return desk;
}

const twap = (rest: Partial<{ b: boolean; s: string; r: boolean; m: number; t: boolean }> = {}) =>
  ({ type: "twapOrder", twap: { a: 0, b: true, s: "1.1", r: false, m: 5, t: false, ...rest } }) as const;
const statusOf = (desk: Desk, action: Parameters<Desk["act"]>[1]) =>
  desk.act(USER, action).response.data.status;

/** Lets exchange time run to `ms` after the start. */
function run(desk: Desk, ms: number): void {
  desk.ms = NOW + ms;
  desk.executor.advance(desk.ms, desk.ms);
}

describe("TWAP", () => {
  it("buys in equal slices every 30 seconds, the first at once, and finishes", () => {
    const desk = deskWithBook();
    expect(desk.act(USER, twap())).toEqual({
      status: "ok",
      response: { type: "twapOrder", data: { status: { running: { twapId: 1 } } } },
    });
    const fills = desk.accounts[USER]!.fills;
    expect(desk.executor.nextDueMs).toBe(NOW);
    run(desk, 0);
    run(desk, 29_999);
    expect(fills.map((f) => f.sz)).toEqual(["0.1"]);
    run(desk, 30_000);
    expect(fills).toHaveLength(2);
    run(desk, 300_000);
    expect(fills.map((f) => [f.sz, f.time - NOW])).toEqual(
      Array.from({ length: 11 }, (_, i) => ["0.1", i * 30_000]),
    );
    expect(new Set(fills.map((f) => `${f.hash} ${f.twapId} ${f.crossed}`))).toEqual(
      new Set([`0x${"0".repeat(64)} 1 true`]),
    );
    const history = desk.executor.twaps.historyOf(desk.accounts[USER]!);
    expect(history.map((h) => h.status.status)).toEqual(["activated", "finished"]);
    expect(history[1]!.state).toMatchObject({
      sz: "1.1",
      executedSz: "1.1",
      executedNtl: "110011.0",
      minutes: 5,
    });
    expect(desk.executor.nextDueMs).toBe(Number.POSITIVE_INFINITY);
  });

  it("catches up with at most three ordinary slices, and leaves what it can't do", () => {
    const desk = deskWithBook(0.05);
    desk.act(USER, twap());
    run(desk, 120_000); // five slices, of which only half of the first filled
    desk.order(MM, [limit(false, 100_010, 60, "Gtc")]);
    run(desk, 300_000);
    expect(desk.accounts[USER]!.fills.map((f) => f.sz)).toEqual([
      "0.05",
      "0.3",
      "0.3",
      "0.15",
      "0.1",
      "0.1",
      "0.1",
    ]);
    const thin = deskWithBook(0.05);
    thin.act(USER, twap());
    run(thin, 299_000);
    thin.order(MM, [limit(false, 100_010, 60, "Gtc")]);
    run(thin, 300_000);
    expect(thin.position(USER)).toBeCloseTo(0.35, 9);
    expect(thin.executor.twaps.historyOf(thin.accounts[USER]!).at(-1)).toMatchObject({
      status: { status: "finished" },
      state: { executedSz: "0.35" },
    });
  });

  it("pays at most 3 % beyond the mid", () => {
    const desk = new Desk();
    desk.order(MM, [limit(false, 106_500, 60, "Gtc"), limit(true, 99_990, 50, "Gtc")]);
    desk.act(USER, twap());
    run(desk, 0);
    expect(desk.accounts[USER]!.fills).toEqual([]); // 3.16 % above the mid of 103,245
    desk.order(MM, [limit(false, 106_100, 1, "Gtc")]); // 2.96 % above that of 103,045
    run(desk, 30_000);
    expect(desk.accounts[USER]!.fills.map((f) => f.px)).toEqual(["106100.0"]);
  });

  it("stops when cancelled, once, by its owner", () => {
    const desk = deskWithBook();
    desk.act(USER, twap());
    run(desk, 30_000);
    expect(desk.act(MM, { type: "twapCancel", a: 0, t: 1 }).response.data.status.error).toContain(
      "never placed",
    );
    expect(statusOf(desk, { type: "twapCancel", a: 0, t: 1 })).toBe("success");
    run(desk, 300_000);
    expect(desk.accounts[USER]!.fills).toHaveLength(2);
    expect(statusOf(desk, { type: "twapCancel", a: 0, t: 1 })).toEqual({
      error: "TWAP was never placed, already canceled, or filled.",
    });
    expect(desk.executor.twaps.historyOf(desk.accounts[USER]!).at(-1)!.status.status).toBe("terminated");
  });

  it("refuses what it can't slice, and ends when it has nothing left to reduce", () => {
    const desk = deskWithBook();
    expect(statusOf(desk, twap({ m: 1 }))).toEqual({ error: "Invalid TWAP duration: 1 min(s)" });
    expect(statusOf(desk, twap({ s: "0.0009" })).error).toContain("TWAP order value too small.");
    expect(statusOf(desk, twap({ r: true, b: false }))).toEqual({
      error: "Reduce-only TWAP order would increase position.",
    });
    desk.order(USER, [limit(true, 100_010, 1.1, "Ioc")]);
    expect(statusOf(desk, twap({ r: true, b: false })).running.twapId).toBe(1);
    run(desk, 0);
    expect(desk.position(USER)).toBe(1);
    desk.order(USER, [limit(false, 99_990, 1, "Ioc")]);
    run(desk, 30_000);
    expect(desk.executor.twaps.historyOf(desk.accounts[USER]!).at(-1)!.status).toEqual({
      status: "error",
      description: "Reduce-only TWAP order would increase position.",
    });
  });

  it("randomizes its slices by at most a fifth, the same for the same seed, and still finishes", () => {
    const sizes = (): number[] => {
      const desk = deskWithBook();
      desk.act(USER, twap({ t: true, m: 30, s: "6.1" }));
      run(desk, 1_800_000);
      return desk.accounts[USER]!.fills.map((f) => Number(f.sz));
    };
    const first = sizes();
    expect(first.reduce((a, b) => a + b, 0)).toBeCloseTo(6.1, 9);
    expect(new Set(first).size).toBeGreaterThan(10);
    expect(sizes()).toEqual(first);
  });
});
