import { mkdtempSync, readdirSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import * as abi from "../../src/abi/layout.js";
import {
  RecordCursor,
  type RecorderOptions,
  recvOffset,
  TapeFileReader,
  TapeRecorder,
} from "../../src/store/index.js";

const BASE = 1_757_000_000_000_000_000n;
const COINS = ["BTC", "ETH"];
const instruments = COINS.map((coin, asset) => ({
  asset,
  coin,
  pxDecimals: 1,
  szDecimals: 5,
  maxSigFigs: 5,
  minNotionalUsd: 10,
  maxLeverage: 40,
}));

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "mm-record-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const buffer = new ArrayBuffer(2048);
const views = {
  u8: new Uint8Array(buffer),
  u32: new Uint32Array(buffer),
  i32: new Int32Array(buffer),
  f64: new Float64Array(buffer),
};
const view = new DataView(buffer);
const ms = (n: number): number => n * 1e6;

/** The record's number goes into its sequence field. */
function put(
  r: TapeRecorder,
  kind: abi.RecordKind,
  asset: number,
  tMs: number,
  how: { seq?: number; state?: abi.FeedState; lagMs?: number } = {},
): void {
  views.u8.fill(0);
  const stamped = recvOffset(kind) === 8;
  if (stamped) view.setBigInt64(0, BASE + BigInt(ms(tMs - (how.lagMs ?? 5))), true);
  view.setFloat64(recvOffset(kind), ms(tMs), true);
  const at = {
    [abi.RecordKind.Book]: [abi.BOOK_SEQ, abi.BOOK_ASSET, abi.BOOK_SIZE],
    [abi.RecordKind.Trade]: [abi.TRADE_SEQ, abi.TRADE_ASSET, abi.TRADE_SIZE],
    [abi.RecordKind.Bbo]: [abi.BBO_SEQ, abi.BBO_ASSET, abi.BBO_SIZE],
    [abi.RecordKind.AssetCtx]: [abi.ASSET_CTX_SEQ, abi.ASSET_CTX_ASSET, abi.ASSET_CTX_SIZE],
    [abi.RecordKind.FeedStatus]: [abi.FEED_STATUS_SEQ, abi.FEED_STATUS_ASSET, abi.FEED_STATUS_SIZE],
  }[kind as number]!;
  view.setUint32(at[0]!, how.seq ?? 0, true);
  view.setUint16(at[1]!, asset, true);
  if (kind === abi.RecordKind.FeedStatus)
    view.setUint8(abi.FEED_STATUS_STATE, how.state ?? abi.FeedState.Live);
  r.take(kind, asset, views, 0, at[2]!);
}

function recorder(more: Partial<RecorderOptions> = {}): TapeRecorder {
  return new TapeRecorder(
    {
      dir,
      prefix: "t",
      venue: "hyperliquid",
      baseWallNs: BASE,
      instruments,
      source: "test",
      rotateBytes: 0,
      rotateNs: 0,
      ...more,
    },
    0,
  );
}

const files = (): string[] => readdirSync(dir).sort();
const NAMES = abi.RecordKindName;

/** `kind asset tMs [state]` of every record. */
function read(name: string, skipRepeated = false): string[] {
  const reader = new TapeFileReader(join(dir, name));
  const out: string[] = [];
  const cursor = new RecordCursor();
  for (let block = reader.nextBlock(); block !== undefined; block = reader.nextBlock()) {
    cursor.load(block);
    while (cursor.next()) {
      const tMs = block.f64[(cursor.at + recvOffset(cursor.kind)) >> 3]! / 1e6;
      const state =
        cursor.kind === abi.RecordKind.FeedStatus
          ? ` ${abi.FeedStateName.get(block.u8[cursor.at + abi.FEED_STATUS_STATE]! as abi.FeedState)}`
          : "";
      out.push(`${NAMES.get(cursor.kind)} ${cursor.asset} ${tMs}${state}`);
    }
  }
  const { repeated } = reader.meta;
  reader.close();
  return skipRepeated ? out.slice(repeated ?? 0) : out;
}

const { Book, Trade, Bbo, AssetCtx, FeedStatus } = abi.RecordKind;

/** A few records of both assets from a time on; the last is a trade. */
function some(r: TapeRecorder, fromMs: number): void {
  for (const asset of [0, 1]) {
    put(r, Book, asset, fromMs + asset);
    put(r, FeedStatus, asset, fromMs + asset);
    put(r, AssetCtx, asset, fromMs + 2 + asset);
    put(r, Bbo, asset, fromMs + 4 + asset);
    put(r, Trade, asset, fromMs + 6 + asset);
  }
}

describe("what it tells about itself", () => {
  test("blocks, raw and stored bytes, the current file, and each channel's newest record", () => {
    const r = recorder({ rotateNs: 60e9 });
    expect(r.channelNewestNs(0, "book")).toBeNaN();
    some(r, 100);
    put(r, Book, 1, 300);
    r.tick(1e9);
    expect(r.channelRecords(1, "book")).toBe(2);
    expect(r.channelNewestNs(1, "book")).toBe(ms(300));
    expect(r.channelNewestNs(0, "trades")).toBe(ms(106));
    expect(r.channelNewestNs(0, "orders")).toBeNaN();
    const { blocks, rawBytes, fileBytes } = r.stats;
    expect(blocks).toBe(1);
    expect(rawBytes).toBeGreaterThan(11 * 32);
    expect(fileBytes).toBeGreaterThan(0);
    const before = r.path;
    r.tick(61e9);
    expect(r.path).not.toBe(before);
    expect(r.path).toBe(join(dir, files()[1]!));
    some(r, 62_000);
    r.close(63e9);
    // Totals go on over files.
    expect(r.stats.blocks).toBeGreaterThan(blocks);
    expect(r.stats.rawBytes).toBeGreaterThan(rawBytes);
    let rawInFiles = 0;
    for (const name of files()) {
      const reader = new TapeFileReader(join(dir, name));
      for (let b = reader.nextBlock(); b !== undefined; b = reader.nextBlock()) rawInFiles += b.bytes;
      reader.close();
    }
    expect(r.stats.rawBytes).toBe(rawInFiles);
  });
});

describe("rotation", () => {
  test("names files by UTC time and starts each with the newest record of each kind and asset", () => {
    const r = recorder({ rotateNs: 60e9 });
    some(r, 100);
    some(r, 500);
    r.tick(59e9);
    expect(files()).toHaveLength(1);
    r.tick(61e9);
    some(r, 62_000);
    const stats = r.close(63e9);
    expect(files()).toEqual(["t_2025-09-04_15-33-20.mmt", "t_2025-09-04_15-34-21.mmt"]);
    const second = read(files()[1]!);
    expect(second.slice(0, 8)).toEqual([
      "Book 0 500",
      "FeedStatus 0 500 Live",
      "Book 1 501",
      "FeedStatus 1 501 Live",
      "AssetCtx 0 502",
      "AssetCtx 1 503",
      "Bbo 0 504",
      "Bbo 1 505",
    ]);
    expect(stats).toMatchObject({ records: 30, files: 2, lost: 0, gaps: 0 });
  });

  test("the series holds every record once, and all files count time from one moment", () => {
    const r = recorder({ rotateBytes: 3000, blockBytes: 4096 });
    for (let i = 0; i < 40; i++) {
      some(r, 1000 * i);
      r.tick(1e9 * (i + 1));
    }
    r.close(50e9);
    expect(files().length).toBeGreaterThan(3);
    const all = files().flatMap((f) => read(f, true));
    expect(all).toHaveLength(400);
    expect(new Set(all).size).toBe(400);
    for (const f of files()) {
      const reader = new TapeFileReader(join(dir, f));
      expect(reader.meta.baseWallNs).toBe(BASE.toString());
      expect(reader.isClosed).toBe(true);
      reader.close();
    }
  });

  test("two files of one second get two names", () => {
    const r = recorder({ rotateBytes: 1, blockBytes: 4096 });
    some(r, 0);
    r.flush(1);
    r.tick(2);
    some(r, 10);
    r.close(3);
    expect(files()).toEqual(["t_2025-09-04_15-33-20.mmt", "t_2025-09-04_15-33-20_2.mmt"]);
  });
});

describe("writing", () => {
  test("flushes at least once a second", () => {
    const r = recorder();
    put(r, Trade, 0, 1);
    r.tick(0.5e9);
    expect(read(files()[0]!)).toEqual([]);
    r.tick(0.95e9);
    expect(read(files()[0]!)).toEqual(["Trade 0 1"]);
  });

  test("the header tells the smallest distance of the clocks, once it is known", () => {
    const r = recorder();
    put(r, Trade, 0, 100, { lagMs: 40 });
    put(r, Trade, 0, 200, { lagMs: 7 });
    put(r, Trade, 0, 300, { lagMs: 30 });
    r.flush(1);
    const reader = new TapeFileReader(join(dir, files()[0]!));
    expect(reader.meta.clockOffsetNs).toBe(7e6);
    reader.close();
    r.close(2);
    expect(read(files()[0]!)).toHaveLength(3);
  });

  test("keeps integers that look like signalling NaNs to the bit", () => {
    const r = recorder();
    views.u8.fill(0);
    view.setFloat64(abi.OWN_ORDER_RECV_MONO_NS, 1e9, true);
    view.setBigUint64(abi.OWN_ORDER_CLOID_LO, 0x7ff4_0000_0000_0001n, true);
    r.take(abi.RecordKind.OwnOrder, 0, views, 0, abi.OWN_ORDER_SIZE);
    r.close(2e9);
    const reader = new TapeFileReader(join(dir, files()[0]!));
    const cursor = new RecordCursor();
    const block = reader.nextBlock()!;
    cursor.load(block);
    cursor.next();
    expect(block.i64[(cursor.at + abi.OWN_ORDER_CLOID_LO) >> 3]).toBe(0x7ff4_0000_0000_0001n);
    reader.close();
  });

  test("a loss on the way to the recorder is marked until the next book", () => {
    const r = recorder();
    some(r, 0);
    r.noteLoss(17);
    put(r, Trade, 0, 50);
    put(r, Book, 0, 60);
    put(r, Trade, 0, 61);
    r.close(1e9);
    expect(read(files()[0]!).slice(10)).toEqual([
      "FeedStatus 0 7 Resync",
      "FeedStatus 1 7 Resync",
      "Trade 0 50",
      "Book 0 60",
      "FeedStatus 0 60 Live",
      "Trade 0 61",
    ]);
    expect(r.stats).toMatchObject({ lost: 17, gaps: 1 });
  });
});

describe("a full disk", () => {
  /** Takes so many bytes, then refuses as Linux does, half-way through a write. */
  function disk(): { room: number; write: NonNullable<RecorderOptions["write"]> } {
    const d = {
      room: Number.POSITIVE_INFINITY,
      write: (fd: number, bytes: Uint8Array, offset: number, length: number, position: number): number => {
        if (d.room <= 0)
          throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
        const n = writeSync(fd, bytes, offset, Math.min(length, d.room), position);
        d.room -= n;
        return n;
      },
    };
    return d;
  }

  test("is told once, counted, and marked as a gap when there is room again", () => {
    const d = disk();
    const told: string[] = [];
    const r = recorder({
      blockBytes: 4096,
      write: d.write,
      onTrouble: (problem) => told.push(problem.replace(/.*writing failed: /, "")),
      onRecovered: (lost) => told.push(`recovered, ${lost} lost`),
    });
    some(r, 0);
    r.flush(1e9);
    d.room = 100;
    some(r, 1000);
    r.tick(2e9);
    expect(r.isFailing).toBe(true);
    some(r, 2000);
    r.tick(3e9);
    some(r, 3000);
    d.room = Number.POSITIVE_INFINITY;
    r.tick(4.5e9);
    expect(r.isFailing).toBe(false);
    put(r, Trade, 0, 4600);
    put(r, Book, 0, 4700);
    put(r, Trade, 0, 4800);
    const stats = r.close(5e9);
    expect(told).toEqual(["ENOSPC: no space left on device, write", "recovered, 20 lost"]);
    expect(stats).toMatchObject({ lost: 20, gaps: 1, records: 23 });
    expect(stats.diskErrors).toBeGreaterThan(0);
    const all = read(files()[0]!);
    // What had been taken when the disk filled up is not lost: the open block was written later.
    expect(all.filter((l) => / 1\d\d\d/.test(l) && !l.includes("Resync"))).toHaveLength(10);
    expect(all.filter((l) => / [23]\d\d\d/.test(l) && !l.includes("Resync"))).toEqual([]);
    // The gap begins where the last record was kept, not where the disk came back.
    expect(all.slice(20)).toEqual([
      "FeedStatus 0 1007 Resync",
      "FeedStatus 1 1007 Resync",
      "Trade 0 4600",
      "Book 0 4700",
      "FeedStatus 0 4700 Live",
      "Trade 0 4800",
    ]);
  });

  test("at a rotation: the next file opens when there is room", () => {
    const d = disk();
    const r = recorder({ rotateNs: 10e9, write: d.write, blockBytes: 4096 });
    some(r, 0);
    r.flush(1e9);
    d.room = 400; // the old file's index, not the new one's header
    r.tick(11e9);
    expect(r.isFailing).toBe(true);
    some(r, 11_000);
    r.tick(12e9);
    d.room = Number.POSITIVE_INFINITY;
    r.tick(13.1e9);
    some(r, 13_200);
    const stats = r.close(14e9);
    expect(stats.lost).toBe(10);
    expect(files()).toHaveLength(2);
    const second = read(files()[1]!);
    expect(second.slice(0, 3)).toEqual(["FeedStatus 0 7 Resync", "FeedStatus 1 7 Resync", "Book 0 13200"]);
    expect(second).toContain("FeedStatus 1 13201 Live");
  });

  test("to the end: closing does not throw, and what could not be written is counted", () => {
    const d = disk();
    const r = recorder({ write: d.write, blockBytes: 4096 });
    some(r, 0);
    r.flush(1e9);
    d.room = 0;
    some(r, 1000);
    r.tick(2e9);
    some(r, 2000);
    const stats = r.close(3e9);
    expect(stats.lost).toBe(20);
    expect(read(files()[0]!)).toHaveLength(10);
  });
});
