import { beforeAll, describe, expect, it } from "vitest";
import { RecordKind } from "../../src/abi/layout.js";
import {
  createDoorbell,
  createRing,
  Doorbell,
  MainPoller,
  RingConsumer,
  RingProducer,
  type WaitMode,
} from "../../src/rings/index.js";
import { ensureBuilt, startWorker } from "./threads.js";

beforeAll(ensureBuilt);

/** Longer than any scheduler delay, shorter than the test's time limit: only a lost wake-up lasts as long. */
const PATIENCE_MS = 8_000;

interface Rally {
  rounds: number;
  lost: number;
  sleeps: number;
}

function court(mode: WaitMode, rounds: number) {
  const ours = { ring: createRing(1024, { startIndex: 2 ** 31 - 512 }), bell: createDoorbell() };
  const theirs = { ring: createRing(1024, { startIndex: 2 ** 31 - 512 }), bell: createDoorbell() };
  const side = (serves: boolean) => ({
    inRing: (serves ? ours : theirs).ring,
    inBell: (serves ? ours : theirs).bell,
    outRing: (serves ? theirs : ours).ring,
    outBell: (serves ? theirs : ours).bell,
    mode,
    rounds,
    serves,
    patienceMs: PATIENCE_MS,
    broken: "",
    seed: serves ? 1 : 2,
  });
  return { server: side(true), receiver: side(false) };
}

describe("doorbell across threads", () => {
  it.each([
    ["spin", 5_000],
    ["hybrid", 10_000],
    ["sleep", 5_000],
  ] as const)("loses no wake-up between two workers in %s mode", async (mode, rounds) => {
    const { server, receiver } = court(mode, rounds);
    const results = await Promise.all([
      startWorker<Rally>("ping-pong", server).result,
      startWorker<Rally>("ping-pong", receiver).result,
    ]);
    for (const result of results) expect(result).toMatchObject({ rounds, lost: 0 });
    expect(results[0].sleeps + results[1].sleeps, "somebody must have waited").toBeGreaterThan(0);
  });

  it.each(["late-epoch", "mute"])("the same rally catches a broken side: %s", async (broken) => {
    const { server, receiver } = court("sleep", 1_000_000);
    const results = await Promise.all([
      startWorker<Rally>("ping-pong", { ...server, patienceMs: 300 }).result,
      startWorker<Rally>("ping-pong", { ...receiver, patienceMs: 300, broken }).result,
    ]);
    expect(results[0].lost + results[1].lost).toBeGreaterThan(0);
  });

  it.each(["spin", "hybrid", "sleep"] as const)(
    "loses no wake-up of the main thread in %s mode",
    async (mode) => {
      const rounds = 2_000;
      const { server, receiver } = court(mode, rounds);
      const consumer = new RingConsumer(receiver.inRing);
      const producer = new RingProducer(receiver.outRing);
      const theirs = new Doorbell(receiver.outBell);
      let answered = 0;
      const poller = new MainPoller(
        new Doorbell(receiver.inBell),
        () => {
          const at = consumer.poll();
          if (at < 0) return false;
          const round = consumer.i32[at >> 2]!;
          consumer.release();
          expect(round).toBe(answered);
          const reply = producer.reserve(RecordKind.Trade, 16);
          producer.i32[reply >> 2] = round;
          producer.commit();
          producer.publish();
          theirs.ring();
          answered++;
          return true;
        },
        // A hybrid window of nothing makes it fall asleep as often as possible.
        {
          mode,
          clock: { monoNs: () => performance.now() * 1e6 },
          defer: setImmediate,
          activeWindowNs: 20_000,
          maxSleepMs: 2 * PATIENCE_MS,
        },
      );
      poller.start();
      const rally = await startWorker<Rally>("ping-pong", { ...server, mode: "hybrid" }).result;
      poller.stop();
      expect(rally).toMatchObject({ rounds, lost: 0 });
      expect(answered).toBe(rounds);
    },
  );
});
