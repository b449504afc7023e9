import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type BacktestOptions,
  leakTests,
  parseFeed,
  parseOrder,
  runBacktest,
} from "../../src/backtest/index.js";
import { readOwnRequests, withOwnLatency } from "../../src/backtest/own-latency.js";
import { configSchema } from "../../src/config/schema.js";
import { Rng } from "../../src/domain/index.js";
import { delayOf } from "../../src/sim/index.js";
import { mergeTapes } from "../../src/store/tape/tools/index.js";
import { BASE_MS, writeTape } from "./tapes.js";

/** Orders 20 ms there and 10 ms back at first; 100 and 50 two minutes later. */
const FIRST = { sentNs: 2e9, exchNs: 2.02e9, heardNs: 2.03e9 };
const LAST = { sentNs: 122e9, exchNs: 122.1e9, heardNs: 122.15e9 };
const SECONDS = 150;

let dir: string;
let own: string;
let none: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "mm-own-"));
  own = join(dir, "own.mmt");
  none = join(dir, "none.mmt");
  writeTape(own, { seconds: SECONDS, seed: 7, own: [FIRST, LAST] });
  writeTape(none, { seconds: SECONDS, seed: 7 });
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const config = configSchema.parse({ strategy: { ladder_config: { min_depth_bps: 1 } } });
const OWN = { kind: "tape", plusMs: 0 } as const;
const LATENCY = { feed: { kind: "tape", floorMs: 0 }, order: OWN, ack: OWN } as const;

/** Of each order: when it was sent and when its update reached us, ms since the base. */
async function travels(more: Partial<BacktestOptions>): Promise<{ sentMs: number; heardMs: number }[]> {
  const sent = new Map<string, number>();
  const heard: { sentMs: number; heardMs: number }[] = [];
  await runBacktest({
    tapes: [own],
    config,
    seed: 1,
    latency: LATENCY,
    tap: {
      outbound(_stream, bytes, monoNs) {
        for (const [, cloid] of Buffer.from(bytes)
          .toString()
          .matchAll(/"c":"(0x[0-9a-f]{32})"/g))
          sent.set(cloid!, monoNs / 1e6);
      },
      inbound(_stream, bytes, monoNs) {
        const text = Buffer.from(bytes).toString();
        if (!text.includes('"orderUpdates"')) return;
        const { data } = JSON.parse(text) as { data: { order: { cloid: string }; status: string }[] };
        for (const { order, status } of data) {
          const sentMs = sent.get(order.cloid);
          if (status !== "open" || sentMs === undefined) continue;
          sent.delete(order.cloid);
          heard.push({ sentMs, heardMs: monoNs / 1e6 });
        }
      },
    },
    ...more,
  });
  return heard;
}

const between = (t: number, from: number, to: number, a: number, b: number): number =>
  a + Math.min(1, Math.max(0, (t - from) / (to - from))) * (b - a);

describe("order latency of the tape's own orders", () => {
  test("an order is there, and heard of, after what lies between the neighbours' at its time", async () => {
    const found = await travels({});
    expect(found.length).toBeGreaterThan(50);
    for (const { sentMs, heardMs } of found) {
      const thereMs = sentMs + between(sentMs, 2_000, 122_000, 20, 100);
      const wantedMs = thereMs + between(thereMs, 2_020, 122_100, 10, 50);
      expect(Math.abs(heardMs - wantedMs)).toBeLessThan(0.01);
    }
    // Both the rise and what comes behind the last were seen.
    expect(found[0]!.heardMs - found[0]!.sentMs).toBeLessThan(60);
    const after = found.filter((f) => f.sentMs > 123_000);
    expect(after.length).toBeGreaterThan(5);
    for (const { sentMs, heardMs } of after) expect(heardMs - sentMs).toBeCloseTo(150, 2);
  });

  test("a floor of the feed moves the venue's moment, not the sum", () => {
    const { order, ack } = withOwnLatency({ ...LATENCY, feed: { kind: "tape", floorMs: 5 } }, [own]);
    expect(order).toMatchObject({ kind: "series", ms: [15, 95], atMs: [BASE_MS + 2_005, BASE_MS + 122_005] });
    expect(ack).toMatchObject({ kind: "series", ms: [15, 55] });
  });

  test("one way as given, the other of the tape", () => {
    const order = { kind: "constant", ms: 7 } as const;
    expect(withOwnLatency({ ...LATENCY, order }, [own]).order).toBe(order);
    expect(withOwnLatency({ ...LATENCY, order }, [own]).ack.kind).toBe("series");
  });

  test("a cut run draws the same: the series is the whole tape's", async () => {
    const whole = await travels({});
    const cut = await travels({ toMs: BASE_MS + 60_000 });
    const seen = cut.filter((f) => f.heardMs < 59_000);
    expect(seen.length).toBeGreaterThan(10);
    expect(whole.slice(0, seen.length)).toEqual(seen);
  });

  test("the market is the same with own orders on the tape as without", async () => {
    const latency = {
      ...LATENCY,
      order: { kind: "constant", ms: 20 },
      ack: { kind: "constant", ms: 5 },
    } as const;
    const [a, b] = await Promise.all(
      [own, none].map((tape) => runBacktest({ tapes: [tape], config, seed: 1, latency })),
    );
    expect(a!.summary.fills).toBeGreaterThan(5);
    expect(a!.summary.journalSha256).toBe(b!.summary.journalSha256);
  });

  test("more latency is more of it: each way by as much, the feed's floor or not", async () => {
    const made: BacktestOptions[] = [];
    const result = await runBacktest({ tapes: [own], config, seed: 1, latency: LATENCY });
    await leakTests({
      backtest: { tapes: [own], config, seed: 1, latency: LATENCY },
      moreLatencyMs: [30],
      run: async (o) => {
        made.push(o);
        return result;
      },
    });
    const slower = made.find((o) => o.latency?.feed.kind === "tape" && o.latency.feed.floorMs === 30)!;
    const { order, ack } = withOwnLatency(slower.latency!, [own]);
    expect(order).toMatchObject({ ms: [50, 130] });
    expect(ack).toMatchObject({ ms: [40, 80] });
  });

  test("tapes without own orders, and those of paper runs, are refused with what to do", async () => {
    expect(() => withOwnLatency(LATENCY, [none])).toThrow(RangeError);
    expect(() => withOwnLatency(LATENCY, [none])).toThrow(/no order of its own .*run --record.*lognormal/);
    const paper = join(dir, "paper.mmt");
    writeTape(paper, { seconds: 5, seed: 1, own: [FIRST], ownOrders: "paper" });
    expect(() => withOwnLatency(LATENCY, [paper])).toThrow(/paper run's, whose latencies were assumed/);
    // Nor does a merge make them trustworthy.
    const merged = join(dir, "merged.mmt");
    await mergeTapes({ inputs: [own, paper], out: merged });
    expect(() => withOwnLatency(LATENCY, [merged])).toThrow(/paper run's/);
  });

  test("a request that was never answered says nothing; one packet is one sample", () => {
    const path = join(dir, "batch.mmt");
    writeTape(path, {
      seconds: 10,
      seed: 1,
      own: [
        FIRST,
        FIRST,
        { sentNs: 4e9, exchNs: 4.01e9, heardNs: 60e9 },
        { sentNs: 5e9, exchNs: 5.01e9, heardNs: 5.02e9 },
      ],
    });
    expect(readOwnRequests([path]).requests.map((r) => r.sentNs)).toEqual([2e9, 5e9]);
  });
});

describe("a file of measured delays", () => {
  const file = (text: string): string => {
    const path = join(dir, "delays.csv");
    writeFileSync(path, text);
    return `recorded:${path}`;
  };

  test("with times is a series, read between by straight lines", () => {
    const dist = parseOrder(file(`time,ms\n${BASE_MS},10\n# a comment\n2026-01-05T10:00:10Z,30\n`));
    const { sample } = delayOf(dist);
    const rng = new Rng(1);
    const at = (s: number): number => sample!(rng, BASE_MS + s * 1000);
    expect([-5, 0, 5, 7.5, 10, 60].map(at)).toEqual([10, 10, 20, 25, 30, 30]);
  });

  test("without is drawn from", () => {
    expect(parseFeed(file("12\n14.5\n"))).toEqual({ kind: "recorded", samplesMs: [12, 14.5] });
  });

  test("that is none is refused with its line", () => {
    expect(() => parseOrder(file("5\n-1\n"))).toThrow(/line 2 is "-1": want MS, or TIME,MS/);
    expect(() => parseOrder(file("5\n1767607200000,6\n"))).toThrow(/line 2/);
    expect(() => parseOrder(file("\n"))).toThrow(/holds no delay/);
    expect(() => parseOrder("recorded:/nowhere.csv")).toThrow(/nowhere\.csv/);
  });

  test("what is no latency names what is", () => {
    expect(() => parseOrder("fast")).toThrow(/"fast": want .*recorded:FILE, or tape/);
    expect(parseOrder("tape")).toEqual({ kind: "tape", plusMs: 0 });
    expect(parseOrder("lognormal:40:0.4").kind).toBe("lognormal");
  });
});
