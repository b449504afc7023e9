import { afterEach, describe, expect, it, vi } from "vitest";
import { createDoorbell, createLatch, Doorbell, MainPoller, type WaitMode } from "../../src/rings/index.js";

const LONG_MS = 60_000;
afterEach(() => void vi.restoreAllMocks());

/** Runs `intrude` just before the `step`-th atomic operation that `run` performs; returns how many operations there were. */
function intrudeAt(step: number, intrude: () => void, run: () => void): number {
  let operations = 0;
  let isInside = false;
  const names = ["add", "load", "sub", "wait", "waitAsync", "notify"] as const;
  for (const name of names) {
    const atomics = Atomics as unknown as Record<string, (...args: unknown[]) => unknown>;
    const original = atomics[name]!;
    vi.spyOn(atomics, name).mockImplementation((...args) => {
      if (!isInside && operations++ === step) {
        isInside = true;
        intrude();
        isInside = false;
      }
      return original.apply(Atomics, args);
    });
  }
  run();
  vi.restoreAllMocks();
  return operations;
}

describe("doorbell", () => {
  it("does not sleep when it was rung since the epoch was read", () => {
    const bell = new Doorbell(createDoorbell());
    for (const mode of ["spin", "hybrid", "sleep"] as const) {
      const seen = bell.epoch();
      bell.ring();
      expect(bell.waitSync(mode, seen, LONG_MS)).toBe(true);
    }
  });

  it("reports a time-out, and in spin mode returns by itself", () => {
    const bell = new Doorbell(createDoorbell());
    expect(bell.waitSync("sleep", bell.epoch(), 1)).toBe(false);
    expect(bell.waitSync("hybrid", bell.epoch(), 1)).toBe(false);
    expect(bell.waitSync("spin", bell.epoch(), LONG_MS)).toBe(false);
  });

  it("wakes an asynchronous waiter, or times it out", async () => {
    const bell = new Doorbell(createDoorbell());
    const woken = bell.waitAsync(bell.epoch(), LONG_MS);
    bell.ring();
    expect(await woken).toBe(true);
    expect(await bell.waitAsync(bell.epoch(), 1)).toBe(false);
    const seen = bell.epoch();
    bell.ring();
    expect(await bell.waitAsync(seen, LONG_MS)).toBe(true);
  });

  it("makes no system call while nobody sleeps, and one for all sleepers", async () => {
    const bell = new Doorbell(createDoorbell());
    const notify = vi.spyOn(Atomics, "notify");
    bell.ring();
    bell.waitSync("spin", bell.epoch(), 0);
    bell.ring();
    expect(notify).not.toHaveBeenCalled();
    const sleepers = [1, 2, 3].map(() => bell.waitAsync(bell.epoch(), LONG_MS));
    bell.ring();
    expect(await Promise.all(sleepers)).toEqual([true, true, true]);
    expect(notify).toHaveBeenCalledTimes(1);
    bell.ring();
    expect(notify).toHaveBeenCalledTimes(1);
  });

  it.each([
    ["counting itself as a sleeper", 1],
    ["handing over to the futex", 2],
  ])("law 6: a ring just before %s is noticed by a blocking waiter", (_, step) => {
    const bell = new Doorbell(createDoorbell());
    const operations = intrudeAt(
      step,
      () => bell.ring(),
      () => expect(bell.waitSync("sleep", bell.epoch(), LONG_MS)).toBe(true),
    );
    expect(operations, "epoch, count, futex, count, epoch").toBe(5);
  });

  it("law 6: falling asleep at any step of a ring ends at once", async () => {
    for (let step = 0; step < 2; step++) {
      const bell = new Doorbell(createDoorbell());
      let woken: Promise<boolean> | undefined;
      const seen = bell.epoch();
      const operations = intrudeAt(
        step,
        () => {
          woken = bell.waitAsync(seen, LONG_MS);
        },
        () => bell.ring(),
      );
      expect(operations).toBeGreaterThanOrEqual(2);
      expect(await woken, `asleep before step ${step}`).toBe(true); // in time: LONG_MS exceeds the test's limit
    }
  });

  it("the same interleaving catches a ring that looks for sleepers before it counts", async () => {
    const sab = createDoorbell();
    const bell = new Doorbell(sab);
    const words = new Int32Array(sab);
    let woken: Promise<boolean> | undefined;
    const seen = bell.epoch();
    const startMs = performance.now();
    intrudeAt(
      1,
      () => {
        woken = bell.waitAsync(seen, 100);
      },
      () => {
        const sleepers = Atomics.load(words, 64);
        Atomics.add(words, 32, 1);
        if (sleepers !== 0) Atomics.notify(words, 32);
      },
    );
    await woken;
    expect(performance.now() - startMs, "slept its whole time although rung").toBeGreaterThan(90);
  });

  it("refuses other memory", () => {
    expect(() => new Doorbell(createLatch())).toThrow(/doorbell: wrong magic/);
  });
});

/** A main loop under the test's control: deferred turns run when the test says so. */
function controlledPoller(mode: WaitMode, drain: () => boolean) {
  const bell = new Doorbell(createDoorbell());
  const turns: (() => void)[] = [];
  let monoNs = 0;
  const sleeps = vi.spyOn(bell, "waitAsync");
  const poller = new MainPoller(bell, drain, {
    mode,
    clock: { monoNs: () => monoNs },
    defer: (fn) => turns.push(fn),
    activeWindowNs: 1000,
    maxSleepMs: LONG_MS,
  });
  return {
    bell,
    poller,
    sleeps,
    turns,
    runTurn(atMonoNs: number) {
      monoNs = atMonoNs;
      turns.shift()!();
    },
  };
}

describe("main poller", () => {
  it("in spin mode polls on every turn and never sleeps", () => {
    const drain = vi.fn(() => false);
    const { poller, runTurn, sleeps, turns } = controlledPoller("spin", drain);
    poller.start();
    for (let i = 0; i < 10; i++) runTurn(i * 1e9);
    expect([drain.mock.calls.length, sleeps.mock.calls.length, turns.length]).toEqual([10, 0, 1]);
  });

  it("in hybrid mode polls for a while after work, then sleeps until rung", async () => {
    let work = 1;
    const drain = vi.fn(() => work-- > 0);
    const { poller, runTurn, sleeps, turns, bell } = controlledPoller("hybrid", drain);
    poller.start();
    runTurn(0); // work
    runTurn(500); // none, inside the window
    runTurn(999);
    expect(sleeps).not.toHaveBeenCalled();
    runTurn(1000);
    expect([sleeps.mock.calls.length, turns.length]).toEqual([1, 0]);
    work = 1;
    bell.ring();
    await vi.waitFor(() => expect(drain).toHaveBeenCalledTimes(5));
    expect(turns, "work again: back to polling").toHaveLength(1);
    poller.stop();
  });

  it("in sleep mode sleeps as soon as there is nothing to do", async () => {
    let work = 2;
    const drain = vi.fn(() => work-- > 0);
    const { poller, runTurn, sleeps, turns, bell } = controlledPoller("sleep", drain);
    poller.start();
    runTurn(0);
    runTurn(0);
    expect(sleeps).not.toHaveBeenCalled();
    runTurn(0);
    expect([sleeps.mock.calls.length, turns.length]).toEqual([1, 0]);
    bell.ring();
    await vi.waitFor(() => expect(drain).toHaveBeenCalledTimes(4));
    poller.stop();
  });

  it("does not sleep through a ring that came while it was draining, and lets sockets run first", () => {
    const drain = vi.fn(() => {
      bell.ring(); // another thread publishes just after we looked
      return false;
    });
    const { poller, runTurn, bell, sleeps, turns } = controlledPoller("sleep", drain);
    poller.start();
    for (let i = 0; i < 5; i++) runTurn(0);
    expect([drain.mock.calls.length, sleeps.mock.calls.length, turns.length]).toEqual([5, 0, 1]);
  });

  it("does not drain after stop, whether it was polling or asleep, and starts again once", async () => {
    for (const mode of ["spin", "sleep"] as const) {
      const drain = vi.fn(() => false);
      const { poller, turns, runTurn, sleeps } = controlledPoller(mode, drain);
      poller.start();
      poller.start();
      expect(turns, "started once").toHaveLength(1);
      runTurn(0);
      poller.stop();
      poller.stop();
      await Promise.all(sleeps.mock.results.map((sleep) => sleep.value));
      for (const turn of turns.splice(0)) turn();
      expect(drain).toHaveBeenCalledTimes(1);
      poller.start();
      expect(turns).toHaveLength(1);
      poller.stop();
    }
  });

  it("stops when drain itself asks for it", () => {
    const { poller, runTurn, turns } = controlledPoller("spin", () => {
      poller.stop();
      return true;
    });
    poller.start();
    runTurn(0);
    expect(turns).toHaveLength(0);
  });
});
