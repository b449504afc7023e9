import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { parquetReadObjects } from "hyparquet";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import * as abi from "../../src/abi/layout.js";
import { DeltaFlag, FeedState, OrderEventType, RecordKind } from "../../src/abi/layout.js";
import { Side } from "../../src/domain/index.js";
import { ClockOffset, RecordQueue } from "../../src/store/tape/convert/records.js";
import { Timeline } from "../../src/store/tape/convert/times.js";
import {
  RecordCursor,
  TapeFileReader,
  TapeFileWriter,
  type TapeMeta,
} from "../../src/store/tape/file/index.js";
import { cutTape, exportTape, mergeTapes, tapeInfo, verifyTape } from "../../src/store/tape/tools/index.js";
import { eachRecord } from "./tape-records.js";

const BASE_S = 1_757_000_000;
const instrument = (asset: number, coin: string): TapeMeta["instruments"][number] => ({
  asset,
  coin,
  pxDecimals: 1,
  szDecimals: 2,
  maxSigFigs: 0,
  minNotionalUsd: 10,
  maxLeverage: 10,
});

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "mm-tools-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));
const at = (name: string): string => join(dir, name);

function write(
  path: string,
  make: (q: RecordQueue) => void,
  meta: Partial<Omit<TapeMeta, "layoutHash">> = {},
): void {
  const baseS = Number(BigInt(meta.baseWallNs ?? `${BASE_S}000000000`) / 1_000_000_000n);
  const queue = new RecordQueue(new Timeline(baseS), new ClockOffset());
  make(queue);
  const writer = new TapeFileWriter({
    path,
    blockBytes: 4096,
    meta: {
      venue: "test",
      baseWallNs: `${baseS}000000000`,
      instruments: [instrument(0, "BTC"), instrument(1, "ETH")],
      clockOffsetNs: 1e6,
      source: "test",
      notes: [],
      ...meta,
    },
  });
  for (; queue.hasFront; queue.pop())
    writer.append(queue.kind, queue.asset, queue.f64, queue.at, queue.bodyBytes, queue.recvNs);
  writer.close();
}

/** Kind, asset and bytes of each record. */
function bytesOf(path: string): string[] {
  const reader = new TapeFileReader(path);
  const c = new RecordCursor();
  const out: string[] = [];
  for (let b = reader.nextBlock(); b !== undefined; b = reader.nextBlock()) {
    c.load(b);
    while (c.next())
      out.push(
        `${c.kind} ${c.asset} ${Buffer.from(b.u8.subarray(c.at, c.at + c.bodyBytes)).toString("hex")}`,
      );
  }
  reader.close();
  return out;
}

const MS = 1e6;

/** A market of every kind of record: a snapshot, then steps of one ms. */
function market(q: RecordQueue, steps: readonly number[]): void {
  for (const asset of [0, 1]) {
    q.delta(asset, 0, -1e6, Side.Buy, 100, 1, DeltaFlag.Clear | DeltaFlag.Snapshot | DeltaFlag.More);
    q.delta(asset, 0, -1e6, Side.Sell, 101, 1, DeltaFlag.Snapshot);
  }
  steps.forEach((step, i) => {
    const t = (i + 1) * MS;
    const asset = step & 1;
    const px = 95 + (step % 40) / 10;
    const sz = (step % 7) / 4;
    switch (step % 6) {
      case 0:
        q.delta(asset, t, t - 2e6, Side.Buy, px, sz, 0, 3);
        break;
      case 1:
        q.delta(asset, t, t - 2e6, Side.Sell, px + 6, sz, DeltaFlag.More);
        q.delta(asset, t, t - 2e6, Side.Sell, px + 6.1, 1, 0);
        break;
      case 2:
        q.trade(asset, t, t - 1e6, px, 0.25 + sz, step & 2 ? Side.Buy : Side.Sell, i + 1);
        break;
      case 3:
        q.order(
          asset,
          t,
          Number.NaN,
          i % 3 === 0 ? OrderEventType.Delete : OrderEventType.Add,
          Side.Buy,
          px,
          1,
          step % 50,
        );
        break;
      case 4:
        q.context(asset, t, { markPx: px, oraclePx: px });
        break;
      default:
        q.bbo(asset, t, t - 1.5e6, px, 1, px + 5, 1);
    }
  });
}

const steps = fc.array(fc.nat(10_000), { minLength: 1, maxLength: 120 });

describe("cut and merge", () => {
  test("law: the pieces of a tape, merged in any order, are the tape again", async () => {
    await fc.assert(
      fc.asyncProperty(
        steps,
        fc.array(fc.nat(125), { minLength: 1, maxLength: 3 }),
        fc.boolean(),
        async (all, cuts, isReversed) => {
          const name = `${Math.abs(all.reduce((h, x) => (h * 31 + x) | 0, cuts.length))}`;
          for (const f of ["whole", "back", ...cuts.map((_, i) => `p${i}`), `p${cuts.length}`])
            rmSync(at(`${name}${f}`), { force: true });
          write(at(`${name}whole`), (q) => market(q, all));
          const edges = [...new Set(cuts)].sort((a, b) => a - b).map((ms) => ms * MS);
          const pieces: string[] = [];
          for (let i = 0; i <= edges.length; i++) {
            const out = at(`${name}p${i}`);
            await cutTape({
              input: at(`${name}whole`),
              out,
              ...(i === 0 ? {} : { fromNs: edges[i - 1]! }),
              ...(i === edges.length ? {} : { toNs: edges[i]! }),
            });
            pieces.push(out);
          }
          await mergeTapes({ inputs: isReversed ? pieces.reverse() : pieces, out: at(`${name}back`) });
          expect(bytesOf(at(`${name}back`))).toEqual(bytesOf(at(`${name}whole`)));
          expect(new TapeFileReader(at(`${name}back`)).meta.cut).toBeUndefined();
        },
      ),
      { numRuns: 40, seed: 11 },
    );
  });

  test("a piece opens with the state at its start and verifies alone", async () => {
    write(at("whole"), (q) => market(q, [0, 6, 12, 3, 9, 4, 5, 2, 0]));
    await cutTape({ input: at("whole"), out: at("piece"), fromNs: 5.5 * MS, coins: ["btc"] });
    const { meta } = new TapeFileReader(at("piece"));
    expect(meta.instruments.map((i) => i.coin)).toEqual(["BTC"]);
    expect(meta.cut!.openingRecords).toBeGreaterThan(1);
    expect(verifyTape(at("piece")).byReason).toEqual({});
    await expect(cutTape({ input: at("whole"), out: at("no"), coins: ["SOL"] })).rejects.toMatchObject({
      code: "coin_not_in_tape",
    });
  });

  test("--repair leaves a damaged block out, and says so until the books are whole again", async () => {
    const levels = (px: number) => ({ count: 1, px: [px], sz: [1], orders: [1] });
    // BTC by whole books, ETH by changes after one snapshot.
    write(at("whole"), (q) => {
      q.delta(1, 0, -1e6, Side.Buy, 100, 1, DeltaFlag.Clear | DeltaFlag.Snapshot | DeltaFlag.More);
      q.delta(1, 0, -1e6, Side.Sell, 101, 1, DeltaFlag.Snapshot);
      for (let i = 1; i <= 40; i++) {
        q.book(0, i * MS, i * MS - 1e6, levels(100), levels(101));
        q.delta(1, i * MS, i * MS - 1e6, Side.Buy, 99, i, 0);
      }
    });
    const { blocks } = new TapeFileReader(at("whole"));
    expect(blocks.length).toBeGreaterThan(3);
    const bytes = readFileSync(at("whole"));
    const place = blocks[1]!.offset + 100;
    bytes[place] = bytes[place]! ^ 1;
    writeFileSync(at("damaged"), bytes);

    await expect(cutTape({ input: at("damaged"), out: at("no") })).rejects.toMatchObject({ code: "damaged" });
    await expect(
      cutTape({ input: at("damaged"), out: at("no"), fromNs: MS, repair: true }),
    ).rejects.toBeInstanceOf(RangeError);
    const { records } = await cutTape({ input: at("damaged"), out: at("mended"), repair: true });

    expect(records).toBe(82 - blocks[1]!.records + 3);
    const { meta } = new TapeFileReader(at("mended"));
    expect(meta.notes).toEqual(["repaired 1 times: a damaged block left out"]);
    const states: string[] = [];
    eachRecord(at("mended"), ({ kind, asset, recvNs, u8 }) => {
      if (kind !== RecordKind.FeedStatus) return;
      const state = u8(abi.FEED_STATUS_STATE) === FeedState.Live ? "Live" : "Resync";
      states.push(`${asset} ${recvNs / MS} ${state}`);
    });
    const brokeMs = blocks[0]!.lastRecvMonoNs / MS;
    const nextMs = Math.ceil(blocks[2]!.firstRecvMonoNs / MS);
    // ETH's changes go on without a snapshot: it is never whole again.
    expect([`0 ${nextMs} Live`, `0 ${nextMs + 1} Live`]).toContain(states.pop());
    expect(states).toEqual([`0 ${brokeMs} Resync`, `1 ${brokeMs} Resync`]);
    expect(Object.keys(verifyTape(at("mended")).byReason)).toEqual(["level change without a snapshot"]);
  });

  test("never replace what is there", async () => {
    write(at("whole"), (q) => market(q, [0, 2, 3]));
    write(at("other"), (q) => market(q, [0]));
    const before = bytesOf(at("other"));
    const refused = { code: "cannot_write" };
    await expect(cutTape({ input: at("whole"), out: at("other") })).rejects.toMatchObject(refused);
    await expect(mergeTapes({ inputs: [at("whole")], out: at("other") })).rejects.toMatchObject(refused);
    expect(bytesOf(at("other"))).toEqual(before);
    mkdirSync(at("tables"));
    writeFileSync(at("tables/trade.csv"), "mine");
    const how = { input: at("whole"), outDir: at("tables"), format: "csv" } as const;
    await expect(exportTape(how)).rejects.toMatchObject(refused);
    expect(readdirSync(at("tables"))).toEqual(["trade.csv"]);
    expect(readFileSync(at("tables/trade.csv"), "utf8")).toBe("mine");
  });

  test("tapes of other bases and clocks come onto one time line, with their coins renumbered", async () => {
    write(at("a"), (q) => q.trade(0, 5 * MS, 4 * MS, 100, 1, Side.Buy, 1));
    write(at("b"), (q) => q.trade(0, 7 * MS, 7 * MS - 2e9, 10, 1, Side.Sell, 2), {
      baseWallNs: `${BASE_S - 1}000000000`,
      instruments: [instrument(0, "SOL")],
      clockOffsetNs: 2e9,
    });
    await mergeTapes({ inputs: [at("a"), at("b")], out: at("m") });
    const info = await tapeInfo(at("m"));
    expect(info.instruments.map((i) => i.coin)).toEqual(["BTC", "ETH", "SOL"]);
    expect(info.byCoin).toEqual({ SOL: 1, BTC: 1 });
    expect(info.seconds).toBeCloseTo(0.998, 6);
    expect(info.clockOffsetMs).toBe(1);
    // Both reached us as fast as ever: nothing is left of the other clock.
    expect(info.latencyMs!.max).toBeLessThan(1.1);
    expect(info.notes.join()).toContain("another clock");
    write(at("c"), (q) => q.trade(0, 0, 0, 1, 1, Side.Buy, 3), {
      instruments: [{ ...instrument(0, "BTC"), pxDecimals: 3 }],
    });
    await expect(mergeTapes({ inputs: [at("a"), at("c")], out: at("n") })).rejects.toMatchObject({
      code: "ambiguous",
    });
  });
});

describe("the seam between two tapes", () => {
  const later = { baseWallNs: `${BASE_S + 60}000000000` };
  /** Kind and, of a FeedStatus, its state, with the receive time in ms. */
  function story(path: string): string[] {
    const out: string[] = [];
    eachRecord(path, (r) => {
      const status = r.u8(abi.FEED_STATUS_STATE) === FeedState.Resync ? "Resync" : "Live";
      const kind = r.kind === RecordKind.FeedStatus ? status : String(r.kind);
      out.push(`${r.asset} ${kind} ${r.recvNs / MS}`);
    });
    return out;
  }
  const snapshot = (q: RecordQueue, asset: number, t: number): void => {
    q.delta(asset, t, t, Side.Buy, 100, 1, DeltaFlag.Clear | DeltaFlag.Snapshot | DeltaFlag.More);
    q.delta(asset, t, t, Side.Sell, 101, 1, DeltaFlag.Snapshot);
  };

  test("is marked: Resync where the first ends, Live behind the second's first whole book", async () => {
    write(at("a"), (q) => {
      snapshot(q, 0, 0);
      q.trade(0, 5 * MS, 4 * MS, 100, 1, Side.Buy, 1);
    });
    write(
      at("b"),
      (q) => {
        q.trade(0, 1 * MS, 0, 100, 1, Side.Buy, 2);
        snapshot(q, 0, 2 * MS);
        q.trade(0, 3 * MS, 2 * MS, 100, 1, Side.Buy, 3);
      },
      later,
    );
    await mergeTapes({ inputs: [at("b"), at("a")], out: at("m") });
    const { BookDelta, Trade } = RecordKind;
    expect(story(at("m"))).toEqual([
      `0 ${BookDelta} 0`,
      `0 ${BookDelta} 0`,
      `0 ${Trade} 5`,
      "0 Resync 5",
      `0 ${Trade} 60001`,
      `0 ${BookDelta} 60002`,
      `0 ${BookDelta} 60002`,
      "0 Live 60002",
      `0 ${Trade} 60003`,
    ]);
    expect(verifyTape(at("m")).byReason).toEqual({});
    expect((await tapeInfo(at("m"))).gaps).toBe(1);
  });

  test("each market has its own: one that a third tape holds meanwhile has none", async () => {
    write(at("a"), (q) => {
      q.bbo(0, 0, 0, 99, 1, 101, 1);
      q.bbo(1, 1 * MS, 0, 9, 1, 11, 1);
    });
    write(at("b"), (q) => q.bbo(0, 0, 0, 99, 1, 101, 1), later);
    write(
      at("c"),
      (q) => {
        q.bbo(0, 0.5 * MS, 0, 9, 1, 11, 1);
        q.bbo(0, 70_000 * MS, 0, 9, 1, 11, 1);
      },
      { instruments: [instrument(0, "ETH")] },
    );
    await mergeTapes({ inputs: [at("a"), at("b"), at("c")], out: at("m") });
    const marks = story(at("m")).filter((line) => /Resync|Live/.test(line));
    expect(marks).toEqual(["0 Resync 1", "0 Live 60000"]);
  });

  test("pieces of one tape that do not meet have one, files of one recording none", async () => {
    write(at("whole"), (q) => market(q, [0, 6, 12, 3, 9, 4, 5, 2, 0]));
    await cutTape({ input: at("whole"), out: at("one"), toNs: 3 * MS });
    await cutTape({ input: at("whole"), out: at("two"), fromNs: 6 * MS });
    await mergeTapes({ inputs: [at("one"), at("two")], out: at("m") });
    expect(story(at("m")).filter((line) => line.startsWith("0 Resync"))).toHaveLength(1);
    expect(verifyTape(at("m")).byReason).toEqual({});

    write(at("first"), (q) => snapshot(q, 0, 1 * MS));
    write(
      at("next"),
      (q) => {
        snapshot(q, 0, 1 * MS);
        q.trade(0, 9_000 * MS, 0, 100, 1, Side.Buy, 3);
      },
      { repeated: 2 },
    );
    await mergeTapes({ inputs: [at("first"), at("next")], out: at("series") });
    expect(story(at("series"))).toEqual(["0 11 1", "0 11 1", `0 ${RecordKind.Trade} 9000`]);
    await mergeTapes({ inputs: [at("next")], out: at("alone") });
    expect(story(at("alone"))).toHaveLength(3);
  });

  test("pieces of a recording's later file count what they repeat, and lose nothing behind the file before", async () => {
    write(at("first"), (q) => {
      snapshot(q, 0, 1 * MS);
      snapshot(q, 1, 1 * MS);
    });
    write(
      at("next"),
      (q) => {
        snapshot(q, 0, 1 * MS);
        snapshot(q, 1, 1 * MS);
        for (let i = 1; i <= 6; i++) q.trade(i % 2, 9_000 * MS + i * MS, 0, 100, 1, Side.Buy, i);
      },
      { repeated: 4 },
    );
    const trades = (path: string): number =>
      bytesOf(path).filter((line) => line.startsWith(`${RecordKind.Trade} `)).length;
    const repeatedOf = (name: string): number | undefined => new TapeFileReader(at(name)).meta.repeated;

    await cutTape({ input: at("next"), out: at("btc"), coins: ["BTC"] });
    expect([repeatedOf("btc"), trades(at("btc"))]).toEqual([2, 3]);
    await cutTape({ input: at("next"), out: at("late"), fromNs: 9_002.5 * MS });
    expect([repeatedOf("late"), trades(at("late"))]).toEqual([undefined, 4]);
    expect(new TapeFileReader(at("late")).meta.cut!.openingRecords).toBe(4);
    await mergeTapes({ inputs: [at("first"), at("late")], out: at("both") });
    expect(trades(at("both"))).toBe(4);
  });
});

describe("verify", () => {
  const reasons = (make: (q: RecordQueue) => void): Record<string, number> => {
    rmSync(at("t"), { force: true });
    write(at("t"), make);
    return { ...verifyTape(at("t")).byReason };
  };

  test("tells crossed books, wrong numbers, times that run back, changes without a snapshot", () => {
    const open = DeltaFlag.Clear | DeltaFlag.Snapshot;
    expect(reasons((q) => market(q, [0, 6, 2, 5]))).toEqual({});
    expect(
      reasons((q) => {
        q.delta(0, 0, 0, Side.Buy, 100, 1, open);
        q.delta(0, 1, 1, Side.Sell, 99, 1, DeltaFlag.More);
        q.delta(0, 2, 2, Side.Sell, 102, 1, 0);
        q.delta(0, 3, 3, Side.Sell, 99, 0, 0);
      }),
    ).toEqual({ "crossed book": 1 });
    expect(reasons((q) => q.delta(0, 0, 0, Side.Buy, 100, 1, 0))).toEqual({
      "level change without a snapshot": 1,
    });
    expect(
      reasons((q) => {
        q.delta(0, 0, 0, Side.Buy, 100, 1, open);
        q.status(0, 1, FeedState.Resync);
        q.delta(0, 2, 2, Side.Buy, 99, 1, 0);
      }),
    ).toEqual({ "level change without a snapshot": 1 });
    expect(
      reasons((q) => {
        q.trade(0, 5, 5, 100, 1, Side.Buy, 1);
        q.trade(0, 4, 4, 100.05, 1, Side.Buy, 2);
        q.trade(0, 6, 6, -1, 1, Side.Buy, 3);
        q.trade(0, 7, 7, 100, Number.NaN, 0 as Side, 4);
        q.trade(9, 8, 8, 100, 1, Side.Buy, 5);
        q.bbo(0, 9, 9, 101, 1, 100, 1);
        q.trade(0, 10, -2 * 86_400e9, 100, 1, Side.Buy, 6);
      }),
    ).toEqual({
      "receive time runs back": 1,
      "price or size off the grid": 1,
      "price or size out of range": 2,
      "side is neither buy nor sell": 1,
      "unknown asset": 1,
      "crossed bbo": 1,
      "exchange time a day or more off": 1,
    });
  });

  test("tells every damaged block and a torn end", () => {
    write(at("t"), (q) =>
      market(
        q,
        Array.from({ length: 900 }, (_, i) => i * 7),
      ),
    );
    const { blocks } = new TapeFileReader(at("t"));
    expect(blocks.length).toBeGreaterThan(5);
    const bytes = readFileSync(at("t"));
    for (const i of [1, 3]) bytes[blocks[i]!.offset + 100] = bytes[blocks[i]!.offset + 100]! ^ 1;
    writeFileSync(at("bad"), bytes);
    expect(verifyTape(at("bad")).byReason["damaged block"]).toBe(2);
    copyFileSync(at("t"), at("torn"));
    truncateSync(at("torn"), blocks[4]!.offset + 90);
    expect(verifyTape(at("torn")).byReason["torn end"]).toBe(1);
  });
});

describe("export", () => {
  test("CSV and Parquet give back every number", async () => {
    write(at("t"), (q) => {
      market(q, [0, 2, 3, 4, 5, 8]);
      q.trade(0, 9 * MS, Number.NaN, 100.1, 0.01, Side.Sell, 2n ** 62n);
      q.status(1, 10 * MS, FeedState.Stale);
      q.liquidation(1, 11 * MS, 11 * MS, 99.9, 3, Side.Buy);
      const levels = (px: number, step: number) => ({
        count: 2,
        px: [px, px + step],
        sz: [1, 2.25],
        orders: [4, 5],
      });
      q.book(0, 12 * MS, 11 * MS, levels(100, -0.1), levels(100.1, 0.1));
    });
    const csv = await exportTape({ input: at("t"), outDir: at("csv"), format: "csv" });
    const parquet = await exportTape({ input: at("t"), outDir: at("parquet"), format: "parquet" });
    expect(parquet.map((t) => t.rows)).toEqual(csv.map((t) => t.rows));
    expect(csv.find((t) => t.path.endsWith("book.csv"))!.rows).toBe(4);
    const trades = readFileSync(at("csv/trade.csv"), "utf8").trim().split("\n");
    expect(trades[0]).toBe("recv_ns,exch_ts_ns,coin,px,sz,side,tid,flags");
    expect(trades.at(-1)).toBe(`${BASE_S}009000000,0,BTC,100.1,0.01,-1,${2n ** 62n},0`);
    expect(readFileSync(at("csv/feed_status.csv"), "utf8")).toBe(
      `recv_ns,coin,state\n${BASE_S}010000000,ETH,Stale\n`,
    );
    for (const table of csv) {
      const name = table.path.split("/").at(-1)!.replace(".csv", "");
      const [head, ...rows] = readFileSync(table.path, "utf8")
        .trim()
        .split("\n")
        .map((l) => l.split(","));
      const bytes = readFileSync(at(`parquet/${name}.parquet`));
      const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
      const objects = (await parquetReadObjects({ file })) as Record<string, unknown>[];
      const shown = objects.map((o) => head!.map((h) => (Number.isNaN(o[h]) ? "" : String(o[h]))));
      expect(shown, name).toEqual(rows);
    }
  });
});

test("info counts by kind and coin, measures gaps and latency beyond the fastest", async () => {
  write(at("t"), (q) => {
    q.trade(0, 0, -1e6, 100, 1, Side.Buy, 1);
    q.trade(0, 1e9, 1e9 - 4e6, 100, 1, Side.Buy, 2);
    q.trade(0, 1e9, -30e9, 100, 1, Side.Buy, 3, abi.TradeFlag.Backlog);
    q.status(0, 2e9, FeedState.Resync);
    q.status(0, 5e9, FeedState.Live);
  });
  const info = await tapeInfo(at("t"));
  expect(info.byKind).toEqual({ Trade: 3, FeedStatus: 2 });
  expect([info.gaps, info.gapSeconds, info.seconds]).toEqual([1, 3, 5]);
  expect(info.latencyMs!.p50).toBe(0);
  expect(info.latencyMs!.max).toBeCloseTo(3, 6);
  expect(RecordKind.Trade).toBe(2);
});
