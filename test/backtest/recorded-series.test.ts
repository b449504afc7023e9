import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as abi from "../../src/abi/layout.js";
import { TapeWindow } from "../../src/backtest/window.js";
import { Rng } from "../../src/domain/index.js";
import { RecordCursor, recvOffset, TapeFileReader, TapeRecorder } from "../../src/store/index.js";
import { writeTape } from "./tapes.js";

let dir: string;
let whole: string;
let paths: string[];
let records: number;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "mm-series-"));
  whole = join(dir, "whole.mmt");
  records = writeTape(whole, { seconds: 60, seed: 1, jitterMs: 30, blockBytes: 4096 });
  const reader = new TapeFileReader(whole);
  const { meta } = reader;
  const series = new TapeRecorder(
    {
      dir,
      prefix: "part",
      venue: meta.venue,
      baseWallNs: BigInt(meta.baseWallNs),
      instruments: meta.instruments,
      source: "test",
      rotateBytes: 0,
      rotateNs: 13e9,
      blockBytes: 4096,
    },
    0,
  );
  const cursor = new RecordCursor();
  for (let block = reader.nextBlock(); block !== undefined; block = reader.nextBlock()) {
    cursor.load(block);
    const views = { ...block, u32: new Uint32Array(block.u8.buffer, block.u8.byteOffset, block.bytes >> 2) };
    while (cursor.next()) {
      series.take(cursor.kind, cursor.asset, views, cursor.at, cursor.bodyBytes);
      series.tick(block.f64[(cursor.at + recvOffset(cursor.kind)) >> 3]!);
    }
  }
  series.close(61e9);
  reader.close();
  paths = readdirSync(dir)
    .filter((f) => f.startsWith("part"))
    .sort()
    .map((f) => join(dir, f));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** `kind recv exch` of every record, in the exchange's order. */
function walk(files: readonly string[]): string[] {
  const w = new TapeWindow({ paths: files, feed: { kind: "tape", floorMs: 0 }, rng: new Rng(1) });
  const seen: string[] = [];
  while (w.exchNs !== Number.POSITIVE_INFINITY) {
    const recvNs = w.exch.block!.f64[(w.exch.at + recvOffset(w.exch.kind)) >> 3]!;
    seen.push(`${w.exch.kind} ${recvNs} ${Math.round(w.exchNs / 1e3)}`);
    w.nextExch();
  }
  w.close();
  return seen;
}

describe("a series of recorded files", () => {
  test("reads as the one tape that it is: what a file repeats of the one before is left out", () => {
    expect(paths.length).toBeGreaterThan(3);
    const kinds = (lines: readonly string[]): string[] =>
      lines.map((l) => l.split(" ").slice(0, 2).join(" "));
    expect(kinds(walk(paths))).toEqual(kinds(walk([whole])));
    expect(walk(paths)).toHaveLength(records);
  });

  test("each file stands alone: it has a book before anything can trade", () => {
    for (const path of paths.slice(1)) {
      const reader = new TapeFileReader(path);
      const repeated = reader.meta.repeated ?? 0;
      expect(repeated).toBeGreaterThan(0);
      reader.close();
      const first = walk([path]).slice(0, repeated);
      expect(first.some((l) => l.startsWith(`${abi.RecordKind.Book} `))).toBe(true);
    }
  });

  test("the clocks' distance is the series' smallest, though the first file did not know it yet", () => {
    const offsets = paths.map((p) => {
      const reader = new TapeFileReader(p);
      const { clockOffsetNs } = reader.meta;
      reader.close();
      return clockOffsetNs!;
    });
    expect(Math.min(...offsets)).toBe(offsets.at(-1));
    const w = new TapeWindow({ paths, feed: { kind: "tape", floorMs: 0 }, rng: new Rng(1) });
    // Nothing arrives before it happened.
    for (let n = 0; n < 500 && w.localNs !== Number.POSITIVE_INFINITY; n++) {
      while (w.exchNs <= w.localNs) w.nextExch();
      expect(w.exchNs).toBeGreaterThan(w.localNs);
      w.nextLocal();
    }
    w.close();
  });
});
