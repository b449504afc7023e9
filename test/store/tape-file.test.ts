import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { ByteBuffer } from "flatbuffers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { TradeMsg } from "../../src/abi/flat/trade-msg.js";
import * as abi from "../../src/abi/layout.js";
import { RecordCursor, TapeFileReader, TapeFileWriter } from "../../src/store/tape/file/index.js";

const META = {
  venue: "hyperliquid",
  baseWallNs: "1757000000000000000",
  instruments: [
    {
      asset: 0,
      coin: "BTC",
      pxDecimals: 1,
      szDecimals: 5,
      maxSigFigs: 5,
      minNotionalUsd: 10,
      maxLeverage: 40,
    },
  ],
  source: "test",
  notes: [],
};

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "mm-tape-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const record = new Float64Array(128);
const view = new DataView(record.buffer);

/** A trade whose every field follows from n. */
function putTrade(w: TapeFileWriter, n: number): void {
  record.fill(0);
  view.setBigInt64(abi.TRADE_EXCH_TS_NS, 1_757_000_000_000_000_000n + BigInt(n), true);
  view.setFloat64(abi.TRADE_RECV_MONO_NS, n * 1000, true);
  view.setFloat64(abi.TRADE_PX, 60_000 + n / 10, true);
  view.setFloat64(abi.TRADE_SZ, 1 / (n + 1), true);
  view.setInt8(abi.TRADE_SIDE, n % 2 ? 1 : -1);
  w.append(abi.RecordKind.Trade, 0, record, 0, abi.TRADE_SIZE, n * 1000);
}

function readAll(path: string): number[] {
  const reader = new TapeFileReader(path);
  const cursor = new RecordCursor();
  const seen: number[] = [];
  for (let block = reader.nextBlock(); block !== undefined; block = reader.nextBlock()) {
    cursor.load(block);
    while (cursor.next()) {
      expect(cursor.kind).toBe(abi.RecordKind.Trade);
      expect(cursor.bodyBytes).toBe(abi.TRADE_SIZE);
      const n = block.f64[(cursor.at + abi.TRADE_RECV_MONO_NS) >> 3]! / 1000;
      expect(block.f64[(cursor.at + abi.TRADE_PX) >> 3]).toBe(60_000 + n / 10);
      expect(block.i64[(cursor.at + abi.TRADE_EXCH_TS_NS) >> 3]).toBe(1_757_000_000_000_000_000n + BigInt(n));
      seen.push(n);
    }
  }
  reader.close();
  return seen;
}

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

describe("tape file", () => {
  test("gives back every record of every block, compressed or not", () => {
    for (const codec of ["lz4", "none"] as const) {
      const path = join(dir, `${codec}.mmt`);
      const w = new TapeFileWriter({ path, meta: META, blockBytes: 4096, codec });
      for (let n = 0; n < 1000; n++) putTrade(w, n);
      const stats = w.close();
      expect(stats.records).toBe(1000);
      expect(stats.blocks).toBeGreaterThan(10);
      expect(stats.fileBytes).toBe(statSync(path).size);
      expect(readAll(path)).toEqual(upTo(1000));
    }
    expect(statSync(join(dir, "lz4.mmt")).size).toBeLessThan(statSync(join(dir, "none.mmt")).size / 2);
  });

  test("holds FlatBuffers messages that the stock accessors read", () => {
    const path = join(dir, "a.mmt");
    const w = new TapeFileWriter({ path, meta: META });
    putTrade(w, 7);
    w.close();
    const reader = new TapeFileReader(path);
    const block = reader.nextBlock()!;
    const message = new ByteBuffer(block.u8.subarray(4));
    message.setPosition(0);
    const body = TradeMsg.getSizePrefixedRootAsTradeMsg(message).body()!;
    expect(body.px()).toBe(60_000.7);
    expect(body.exchTsNs()).toBe(1_757_000_000_000_000_007n);
    reader.close();
  });

  test("is readable while it is being written, up to what was flushed", () => {
    const path = join(dir, "a.mmt");
    const w = new TapeFileWriter({ path, meta: META, blockBytes: 4096 });
    for (let n = 0; n < 10; n++) putTrade(w, n);
    w.flush();
    const reader = new TapeFileReader(path);
    expect(reader.isClosed).toBe(false);
    expect(reader.nextBlock()?.info.records).toBe(10);
    expect(reader.nextBlock()).toBeUndefined();
    for (let n = 10; n < 15; n++) putTrade(w, n);
    expect(reader.nextBlock()).toBeUndefined();
    w.flush();
    expect(reader.nextBlock()?.info.records).toBe(5);
    w.close();
    expect(reader.nextBlock()).toBeUndefined();
    reader.close();
  });

  test("appends to a closed file and to one that a crash left", () => {
    const path = join(dir, "a.mmt");
    const first = new TapeFileWriter({ path, meta: META, blockBytes: 4096 });
    for (let n = 0; n < 100; n++) putTrade(first, n);
    first.close();
    const second = new TapeFileWriter({ path, meta: META, append: true, blockBytes: 4096 });
    expect(second.stats.records).toBe(100);
    for (let n = 100; n < 150; n++) putTrade(second, n);
    second.flush();
    putTrade(second, 999);
    second.abandon();
    expect(readAll(path)).toEqual(upTo(150));
    const third = new TapeFileWriter({ path, meta: META, append: true });
    for (let n = 150; n < 160; n++) putTrade(third, n);
    third.close();
    expect(readAll(path)).toEqual(upTo(160));
  });

  test("an existing file is never overwritten", () => {
    const path = join(dir, "a.mmt");
    writeFileSync(path, "mine");
    expect(() => new TapeFileWriter({ path, meta: META })).toThrow(/exists already/);
    expect(readFileSync(path, "utf8")).toBe("mine");
    expect(() => new TapeFileWriter({ path, meta: META, append: true })).toThrow(/not a tape/);
  });

  test("cut at any byte, it reads up to the last whole block and can be appended to", () => {
    const whole = join(dir, "whole.mmt");
    const w = new TapeFileWriter({ path: whole, meta: META, blockBytes: 4096 });
    const ends: [bytes: number, records: number][] = [];
    for (let n = 0; n < 600; n++) {
      putTrade(w, n);
      if (n % 50 === 49) {
        w.flush();
        ends.push([w.stats.fileBytes, n + 1]);
      }
    }
    w.abandon();
    const size = statSync(whole).size;
    const headerEnd = new TapeFileReader(whole).blocks[0]!.offset;
    fc.assert(
      fc.property(fc.integer({ min: headerEnd, max: size }), (cut) => {
        const path = join(dir, `cut-${cut}.mmt`);
        if (existsSync(path)) rmSync(path);
        copyFileSync(whole, path);
        truncateSync(path, cut);
        const kept = ends.filter(([bytes]) => bytes <= cut).at(-1)?.[1] ?? 0;
        expect(readAll(path)).toEqual(upTo(kept));
        const again = new TapeFileWriter({ path, meta: META, append: true });
        putTrade(again, kept);
        again.close();
        expect(readAll(path)).toEqual(upTo(kept + 1));
        rmSync(path);
      }),
      { numRuns: 60, seed: 20251121 },
    );
  });

  test("a damaged byte anywhere in the blocks is told, never read as data", () => {
    const whole = join(dir, "whole.mmt");
    const w = new TapeFileWriter({ path: whole, meta: META, blockBytes: 4096 });
    for (let n = 0; n < 300; n++) putTrade(w, n);
    w.close();
    const reader = new TapeFileReader(whole);
    const first = reader.blocks[0]!.offset;
    const lastBlock = reader.blocks.at(-1)!;
    const end = lastBlock.offset + 64 + lastBlock.storedBytes - 8;
    reader.close();
    const bytes = readFileSync(whole);
    fc.assert(
      fc.property(fc.integer({ min: first, max: end }), fc.integer({ min: 1, max: 255 }), (at, xor) => {
        const copy = Buffer.from(bytes);
        copy[at]! ^= xor;
        const path = join(dir, "damaged.mmt");
        writeFileSync(path, copy);
        // Padding between blocks is nobody's data.
        let seen: number[] = [];
        try {
          seen = readAll(path);
        } catch (error) {
          expect((error as { code?: string }).code).toBe("damaged");
          return;
        }
        expect(seen).toEqual(upTo(300));
      }),
      { numRuns: 150, seed: 7 },
    );
  });

  test("a damaged block is left out and counted when asked for", () => {
    const path = join(dir, "a.mmt");
    const w = new TapeFileWriter({ path, meta: META, blockBytes: 4096 });
    for (let n = 0; n < 300; n++) putTrade(w, n);
    w.close();
    const reader = new TapeFileReader(path);
    const bytes = readFileSync(path);
    bytes[reader.blocks[1]!.offset + 100]! ^= 1;
    reader.close();
    writeFileSync(path, bytes);
    const lenient = new TapeFileReader(path, true);
    let records = 0;
    for (let b = lenient.nextBlock(); b !== undefined; b = lenient.nextBlock()) records += b.info.records;
    expect(lenient.damagedBlocks).toBe(1);
    expect(records).toBe(300 - reader.blocks[1]!.records);
    lenient.close();
  });

  test("seeks to the block in which a time begins", () => {
    const path = join(dir, "a.mmt");
    const w = new TapeFileWriter({ path, meta: META, blockBytes: 4096 });
    for (let n = 0; n < 1000; n++) putTrade(w, n);
    w.close();
    const reader = new TapeFileReader(path);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 999 }), (n) => {
        reader.seek(n * 1000);
        const info = reader.nextBlock()!.info;
        expect(info.firstRecvMonoNs).toBeLessThanOrEqual(n * 1000);
        expect(info.lastRecvMonoNs).toBeGreaterThanOrEqual(n * 1000);
      }),
      { seed: 3 },
    );
    reader.seek(1e9);
    expect(reader.nextBlock()).toBeUndefined();
    reader.close();
  });
});
