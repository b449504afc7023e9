import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { FeedDist } from "../../src/backtest/latency.js";
import { TapeWindow } from "../../src/backtest/window.js";
import { Rng } from "../../src/domain/index.js";
import { cutTape } from "../../src/store/tape/tools/index.js";
import { writeTape } from "./tapes.js";

let dir: string;
let path: string;
let records: number;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "mm-window-"));
  path = join(dir, "a.mmt");
  records = writeTape(path, { seconds: 60, seed: 1, jitterMs: 30, blockBytes: 4096 });
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

interface Walk {
  readonly exch: number[];
  readonly local: number[];
  readonly maxKeptBlocks: number;
}

function walk(feed: FeedDist, range: { fromNs?: number; toNs?: number; shiftNs?: number } = {}): Walk {
  const w = new TapeWindow({ paths: [path], feed, rng: new Rng(5), ...range });
  const exch: number[] = [];
  const local: number[] = [];
  let maxKeptBlocks = 0;
  while (w.localNs !== Number.POSITIVE_INFINITY || w.exchNs !== Number.POSITIVE_INFINITY) {
    if (w.exchNs <= w.localNs) {
      exch.push(w.exchNs);
      w.nextExch();
    } else {
      local.push(w.localNs);
      w.nextLocal();
    }
    maxKeptBlocks = Math.max(maxKeptBlocks, w.keptBlocks);
  }
  w.close();
  return { exch, local, maxKeptBlocks };
}

const isSorted = (times: readonly number[]): boolean => times.every((t, i) => i === 0 || t >= times[i - 1]!);

describe("two readers of one tape", () => {
  test("each record happens once, reaches us once, and never before it happened", () => {
    const feeds = fc.oneof(
      fc.record({ kind: fc.constant("tape" as const), floorMs: fc.double({ min: 0, max: 50, noNaN: true }) }),
      fc.record({ kind: fc.constant("constant" as const), ms: fc.double({ min: 0, max: 500, noNaN: true }) }),
      fc.record({
        kind: fc.constant("lognormal" as const),
        medianMs: fc.double({ min: 0, max: 100, noNaN: true }),
        sigma: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
    );
    fc.assert(
      fc.property(feeds, (feed) => {
        const { exch, local } = walk(feed);
        expect(exch).toHaveLength(records);
        expect(local).toHaveLength(records);
        expect(isSorted(exch)).toBe(true);
        expect(isSorted(local)).toBe(true);
        expect(local.every((t, i) => t >= exch[i]!)).toBe(true);
      }),
      { numRuns: 25, seed: 11 },
    );
  });

  test("a look into the future hands every record over before it happens", () => {
    const { exch, local } = walk({ kind: "tape", floorMs: 0 }, { shiftNs: -2e9 });
    expect(exch).toHaveLength(records);
    expect(local).toHaveLength(records);
    expect(local.every((t, i) => t < exch[i]!)).toBe(true);
    const plain = walk({ kind: "tape", floorMs: 0 });
    expect(local).toEqual(plain.local);
    expect(exch).toEqual(plain.exch.map((t) => t + 2e9));
  });

  test("keeps the blocks that are on their way, and no others", () => {
    expect(walk({ kind: "constant", ms: 0 }).maxKeptBlocks).toBeLessThanOrEqual(2);
    const slow = walk({ kind: "constant", ms: 5_000 }).maxKeptBlocks;
    expect(slow).toBeGreaterThan(2);
    expect(slow).toBeLessThan(30);
  });

  test("files of one tape follow each other, and nothing else is taken for that", async () => {
    const at = (name: string): string => join(dir, `${name}.mmt`);
    await cutTape({ input: path, out: at("early"), toNs: 30e9 });
    await cutTape({ input: path, out: at("late"), fromNs: 30e9 });
    await cutTape({ input: path, out: at("whole") });
    writeTape(at("otherGrid"), { seconds: 90, seed: 1, grid: [2, 5] });
    const open = (...paths: string[]): void =>
      new TapeWindow({ paths, feed: { kind: "tape", floorMs: 0 }, rng: new Rng(5) }).close();
    expect(() => open(at("early"), at("late"))).not.toThrow();
    expect(() => open(at("late"), at("early"))).toThrow(/early.mmt does not follow .*late.mmt in time/);
    expect(() => open(at("early"), at("early"))).toThrow(/does not follow/);
    expect(() => open(at("early"), at("whole"))).toThrow(/does not follow/);
    expect(() => open(at("early"), at("otherGrid"))).toThrow(/hold different markets or grids/);
  });

  test("a part of the tape is the records received in it", () => {
    const all = walk({ kind: "tape", floorMs: 0 });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 59_000 }), fc.integer({ min: 1, max: 30_000 }), (fromMs, ms) => {
        const part = walk({ kind: "tape", floorMs: 0 }, { fromNs: fromMs * 1e6, toNs: (fromMs + ms) * 1e6 });
        const wanted = all.local.filter((t) => t >= fromMs * 1e6 && t <= (fromMs + ms) * 1e6);
        expect(part.local).toEqual(wanted);
        expect(part.exch).toHaveLength(wanted.length);
      }),
      { numRuns: 30, seed: 2 },
    );
  });
});
