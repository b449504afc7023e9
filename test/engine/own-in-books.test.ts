import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import * as abi from "../../src/abi/layout.js";
import { LAYOUT_HASH, RecordKind } from "../../src/abi/layout.js";
import { loadConfig } from "../../src/config/index.js";
import { journalToTape } from "../../src/engine/journal-tape.js";
import type { SessionSetup } from "../../src/engine/session-setup.js";
import {
  findRunJournal,
  JournalKind,
  JournalStream,
  JournalWriter,
  packed,
  RecordCursor,
  TapeFileReader,
} from "../../src/store/index.js";

const START_MS = 1_760_000_000_000;
const dir = mkdtempSync(join(tmpdir(), "mm-own-books-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

type Level = readonly [px: number, sz: number, n: number];
type Frame = readonly [ms: number, thread: "main" | "ingest", value: unknown];

const levels = (of: readonly Level[]) => of.map(([px, sz, n]) => ({ px: String(px), sz: String(sz), n }));
const asks: readonly Level[] = [
  [60_002, 3, 2],
  [60_003, 4, 1],
];
/** Frames reach us 20 ms after their stamp. */
const book = (ms: number, bids: readonly Level[]): Frame => [
  ms + 20,
  "ingest",
  { channel: "l2Book", data: { coin: "BTC", time: START_MS + ms, levels: [levels(bids), levels(asks)] } },
];
const touch = (ms: number, bid: Level): Frame => [
  ms + 20,
  "ingest",
  { channel: "bbo", data: { coin: "BTC", time: START_MS + ms, bbo: levels([bid, asks[0]!]) } },
];
const print = (ms: number, px: number, sz: number, tid: number): Frame => [
  ms + 20,
  "ingest",
  {
    channel: "trades",
    data: [
      {
        coin: "BTC",
        side: "A",
        px: String(px),
        sz: String(sz),
        time: START_MS + ms,
        tid,
        hash: "0x0",
        users: ["0x1", "0x2"],
      },
    ],
  },
];
const cloid = (oid: number): string => `0x${oid.toString(16).padStart(32, "0")}`;
const update = (ms: number, oid: number, px: number, sz: number, status: string): Frame => [
  ms + 30,
  "main",
  {
    channel: "orderUpdates",
    data: [
      {
        order: {
          coin: "BTC",
          side: "B",
          limitPx: String(px),
          sz: String(sz),
          oid,
          origSz: String(sz),
          cloid: cloid(oid),
        },
        status,
        statusTimestamp: START_MS + ms,
      },
    ],
  },
];
const fill = (ms: number, oid: number, px: number, sz: number, tid: number, crossed = false): Frame => [
  ms + 30,
  "main",
  {
    channel: "userFills",
    data: {
      user: "0x0",
      fills: [
        {
          coin: "BTC",
          px: String(px),
          sz: String(sz),
          side: crossed ? "A" : "B",
          time: START_MS + ms,
          startPosition: "0",
          oid,
          crossed,
          fee: "0.1",
          tid,
        },
      ],
    },
  },
];

interface Row {
  readonly ms: number;
  readonly kind: "book" | "bbo" | "trade";
  /** Price, size and number of orders; a touch has no number. */
  readonly bids: readonly (readonly number[])[];
}

let runs = 0;
async function converted(
  frames: readonly Frame[],
  paper = false,
): Promise<{ rows: Row[]; own: number[]; notes: readonly string[] }> {
  const runId = `run${runs++}`;
  const make = (thread: string): JournalWriter =>
    new JournalWriter({ dir, runId, thread, wallBaseMs: START_MS, monoBaseNs: 0 });
  const writers = { main: make("main"), ingest: make("ingest") };
  const setup: Partial<SessionSetup> = {
    layoutHash: LAYOUT_HASH,
    version: "test",
    startedAtMs: START_MS,
    config: loadConfig(undefined, {}).config,
    endpoints: { name: "localhost" } as SessionSetup["endpoints"],
    instruments: [
      {
        asset: 0,
        venueAssetId: 0,
        coin: "BTC",
        pxDecimals: 1,
        szDecimals: 5,
        maxSigFigs: 5,
        minNotionalUsd: 10,
        maxLeverage: 40,
      },
    ],
    ...(paper ? { paper: {} as NonNullable<SessionSetup["paper"]> } : {}),
  };
  writers.main.append(JournalKind.Session, 0, Buffer.from(packed(setup)));
  for (const [ms, thread, value] of [...frames].sort((a, b) => a[0] - b[0])) {
    const stream = thread === "main" ? JournalStream.Private : JournalStream.Public;
    writers[thread].append(JournalKind.InboundFrame, ms * 1e6, Buffer.from(JSON.stringify(value)), stream);
    writers[thread].flushSync();
  }
  await writers.main.close();
  await writers.ingest.close();
  const path = join(dir, `${runId}.mmt`);
  const { notes } = journalToTape(findRunJournal(join(dir, runId)), path);
  const reader = new TapeFileReader(path);
  expect(reader.meta.ownOrders).toBe(paper ? "paper" : "apart");
  const rows: Row[] = [];
  const own: number[] = [];
  const cursor = new RecordCursor();
  for (let block = reader.nextBlock(); block !== undefined; block = reader.nextBlock()) {
    cursor.load(block);
    while (cursor.next()) {
      const { at, kind } = cursor;
      const { f64, u8, i64, i32 } = block;
      const f = (o: number): number => f64[(at + o) >> 3]!;
      const ms = Number(i64[at >> 3]! / 1_000_000n) - START_MS;
      if (kind === RecordKind.Book) {
        const bids = Array.from({ length: u8[at + abi.BOOK_BID_COUNT]! }, (_, i) => {
          const l = abi.BOOK_BIDS + i * abi.LEVEL_SIZE;
          return [f(l), f(l + abi.LEVEL_SZ), i32[(at + l + abi.LEVEL_ORDERS) >> 2]!];
        });
        rows.push({ ms, kind: "book", bids });
      } else if (kind === RecordKind.Bbo)
        rows.push({ ms, kind: "bbo", bids: [[f(abi.BBO_BID_PX), f(abi.BBO_BID_SZ)]] });
      else if (kind === RecordKind.Trade)
        rows.push({ ms, kind: "trade", bids: [[f(abi.TRADE_PX), f(abi.TRADE_SZ)]] });
      else if (kind === RecordKind.OwnOrder) own.push(u8[at + abi.OWN_ORDER_EVENT]!);
    }
  }
  reader.close();
  return { rows, own, notes };
}

describe("the tape of a live run's journal", () => {
  const frames: readonly Frame[] = [
    book(0, [
      [60_000, 1, 3],
      [59_999, 2, 4],
    ]),
    // Behind others at 60000, alone at 60001.
    update(100, 1, 60_000, 0.4, "open"),
    update(100, 2, 60_001, 0.2, "open"),
    book(200, [
      [60_001, 0.2, 1],
      [60_000, 1.4, 4],
      [59_999, 2, 4],
    ]),
    touch(210, [60_001, 0.2, 1]),
    // Somebody joins us at 60001.
    touch(220, [60_001, 0.7, 2]),
    // A part of us is filled there, then all of it.
    print(300, 60_001, 0.05, 71),
    fill(300, 2, 60_001, 0.05, 71),
    touch(310, [60_001, 0.65, 2]),
    fill(400, 2, 60_001, 0.15, 72),
    update(400, 2, 60_001, 0, "filled"),
    touch(410, [60_001, 0.5, 1]),
    update(500, 1, 60_000, 0.4, "canceled"),
    book(600, [
      [60_001, 0.5, 1],
      [60_000, 1, 3],
    ]),
  ];

  test("has the venue's books without the run's own orders: levels, touches, counts, to the time", async () => {
    const { rows, own, notes } = await converted(frames);
    expect(rows.map((r) => [r.ms, r.kind, ...r.bids])).toEqual([
      [0, "book", [60_000, 1, 3], [59_999, 2, 4]],
      [200, "book", [60_000, 1, 3], [59_999, 2, 4]],
      // Ours alone: the next level of the newest book stands in.
      [210, "bbo", [60_000, 1]],
      [220, "bbo", [60_001, 0.5]],
      [300, "trade", [60_001, 0.05]],
      [310, "bbo", [60_001, 0.5]],
      [410, "bbo", [60_001, 0.5]],
      [600, "book", [60_001, 0.5, 1], [60_000, 1, 3]],
    ]);
    const { Resting, Fill, Cancelled } = abi.OwnOrderEvent;
    expect(own).toEqual([Resting, Resting, Fill, Fill, Cancelled]);
    expect(notes).toEqual(["own orders were taken out of 5 levels and touches of the venue's books"]);
  });

  test("of a paper run is left as it was: nobody saw us there", async () => {
    const { rows, notes } = await converted(frames, true);
    expect(rows[1]!.bids).toHaveLength(3);
    expect(rows[2]!.bids).toEqual([[60_001, 0.2]]);
    expect(notes).toEqual([]);
  });

  test("leaves out a touch that nothing is known behind, and prints of our own taking; what cannot be is told", async () => {
    const { rows, notes } = await converted([
      update(0, 1, 60_000, 0.4, "open"),
      touch(10, [60_000, 0.4, 1]),
      // Less than ours: the level is gone.
      book(20, [
        [60_000, 0.1, 1],
        [59_999, 2, 4],
      ]),
      print(30, 59_999, 0.3, 91),
      fill(30, 7, 59_999, 0.3, 91, true),
      print(40, 59_999, 0.1, 92),
      update(50, 1, 60_000, 0.4, "canceled"),
    ]);
    expect(rows.map((r) => [r.ms, r.kind, ...r.bids])).toEqual([
      [20, "book", [59_999, 2, 4]],
      [40, "trade", [59_999, 0.1]],
    ]);
    expect(notes.join("\n")).toMatch(/1 touches that were ours alone are left out/);
    expect(notes.join("\n")).toMatch(/1 levels showed less than our own orders/);
  });

  test("an order whose end was never told stands no longer than the last word of it", async () => {
    const { rows, notes } = await converted([
      update(0, 1, 60_000, 0.4, "open"),
      book(5_000, [[60_000, 1.4, 4]]),
    ]);
    expect(rows[0]!.bids).toEqual([[60_000, 1.4, 4]]);
    expect(notes).toEqual([]);
  });
});
