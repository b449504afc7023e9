import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateRawSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import * as abi from "../../src/abi/layout.js";
import { RecordKind } from "../../src/abi/layout.js";
import { HftEvent, HftFlag } from "../../src/store/tape/convert/hftbacktest.js";
import {
  type ConvertOptions,
  type ConvertResult,
  convertToTape,
} from "../../src/store/tape/convert/index.js";
import { lz4Frames, xxh32 } from "../../src/store/tape/convert/lz4-frame.js";
import { TapeError } from "../../src/store/tape/errors.js";
import { verifyTape } from "../../src/store/tape/tools/index.js";
import { eachRecord, type RecordView } from "./tape-records.js";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "mm-formats-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

let n = 0;
async function convert(
  files: Readonly<Record<string, string | Uint8Array>>,
  options: Partial<ConvertOptions> = {},
): Promise<ConvertResult & { readonly rows: string[]; readonly path: string }> {
  const inputs = Object.entries(files).map(([name, content]) => {
    const path = join(dir, name);
    writeFileSync(path, content);
    return path;
  });
  const path = join(dir, `${n++}.mmt`);
  const result = await convertToTape({ inputs, out: path, ...options });
  const rows: string[] = [];
  eachRecord(path, (r) => rows.push(shown(r)));
  return { ...result, rows, path };
}

/** One line a record: what matters of it. */
function shown(r: RecordView): string {
  const way = (offset: number): string => (r.u8(offset) === 1 ? "buy" : "sell");
  const ms = `@${r.recvNs / 1e6}`;
  switch (r.kind) {
    case RecordKind.Trade:
      return `trade ${way(abi.TRADE_SIDE)} ${r.f64(abi.TRADE_PX)} ${r.f64(abi.TRADE_SZ)} #${r.i64(abi.TRADE_TID)} ${ms}`;
    case RecordKind.BookDelta:
      return `delta ${way(abi.BOOK_DELTA_SIDE)} ${r.f64(abi.BOOK_DELTA_PX)} ${r.f64(abi.BOOK_DELTA_SZ)} f${r.u8(abi.BOOK_DELTA_FLAGS)} ${ms}`;
    case RecordKind.Bbo:
      return `bbo ${r.f64(abi.BBO_BID_PX)} ${r.f64(abi.BBO_ASK_PX)} ${ms}`;
    case RecordKind.Liquidation:
      return `liquidation ${way(abi.LIQUIDATION_SIDE)} ${r.f64(abi.LIQUIDATION_PX)} ${r.f64(abi.LIQUIDATION_SZ)}`;
    case RecordKind.FeedStatus:
      return `status ${r.u8(abi.FEED_STATUS_STATE)} ${ms}`;
    case RecordKind.AssetCtx:
      return `ctx ${r.f64(abi.ASSET_CTX_MARK_PX)} ${r.f64(abi.ASSET_CTX_FUNDING_RATE)}`;
    case RecordKind.Book:
      return `book ${r.u8(abi.BOOK_BID_COUNT)}/${r.u8(abi.BOOK_ASK_COUNT)} ${r.f64(abi.BOOK_BIDS)} ${r.f64(abi.BOOK_ASKS)} ${ms}`;
    default:
      return `${r.kind}`;
  }
}

const T0 = 1_723_161_300;
const recv = (ms: number): string => `${T0}${String(ms).padStart(3, "0")}000000`;

describe("Binance update ids", () => {
  const depth = (
    ms: number,
    U: number,
    u: number,
    pu: number,
    b: unknown[] = [],
    a: unknown[] = [],
  ): string =>
    `${recv(ms)} ${JSON.stringify({ stream: "btcusdt@depth@0ms", data: { e: "depthUpdate", E: T0 * 1000 + ms, s: "BTCUSDT", U, u, pu, b, a } })}`;
  const snapshot = (ms: number, id: number): string =>
    `${recv(ms)} ${JSON.stringify({ lastUpdateId: id, E: T0 * 1000 + ms, bids: [["100.0", "1"]], asks: [["101.0", "2"]] })}`;

  test("a broken chain is a Resync, and changes count again from the next snapshot", async () => {
    const { rows, report } = await convert({
      usdm_btcusdt_20240808: [
        snapshot(0, 10),
        depth(1, 9, 11, 8, [["100.0", "1.5"]]),
        depth(2, 15, 16, 14, [["99.9", "3"]]),
        depth(3, 17, 18, 16, [["99.8", "3"]]),
        snapshot(4, 18),
        depth(5, 18, 19, 18, [], [["101.0", "0"]]),
      ].join("\n"),
    });
    expect(rows).toEqual([
      "delta buy 100 1 f7 @0",
      "delta sell 101 2 f2 @0",
      "delta buy 100 1.5 f0 @1",
      "status 2 @2",
      "delta buy 100 1 f7 @4",
      "delta sell 101 2 f2 @4",
      // u equals the snapshot's id: by the exchange's rule it still counts.
      "delta buy 99.8 3 f0 @4",
      "status 0 @4",
      "delta sell 101 0 f0 @5",
    ]);
    expect(Object.keys(report.remarks).some((r) => r.includes("chain of update ids broke"))).toBe(true);
  });

  test("what waited for a snapshot and does not join it is a Resync", async () => {
    const { rows } = await convert({
      usdm_btcusdt_20240808: [
        depth(0, 15, 16, 14, [["99.9", "3"]]),
        snapshot(1, 10),
        depth(2, 17, 18, 16, [["99.8", "3"]]),
        snapshot(4, 18),
      ].join("\n"),
    });
    expect(rows.filter((r) => r.startsWith("status"))).toEqual(["status 2 @1", "status 0 @4"]);
  });

  test("prints that are told as trade and as aggTrade are taken once", async () => {
    const print = (ms: number, channel: string, id: object): string =>
      `${recv(ms)} ${JSON.stringify({ stream: `btcusdt@${channel}`, data: { E: T0 * 1000 + ms, p: "100.0", q: "1", m: true, ...id } })}`;
    const { rows, report } = await convert({
      usdm_btcusdt_20240808: [
        print(1, "aggTrade", { a: 7 }),
        print(2, "trade", { t: 70 }),
        print(3, "aggTrade", { a: 8 }),
      ].join("\n"),
    });
    expect(rows).toEqual(["trade sell 100 1 #7 @1", "trade sell 100 1 #8 @3"]);
    expect(report.remarks).toEqual({ "prints of aggTrade that trade tells too left out": 1 });
  });

  test("a coin's perpetual and its spot market do not become one book", async () => {
    const capture = (ns: number): string =>
      `1723161255${String(ns).padStart(9, "0")} {"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":1,"s":"BTCUSDT","b":"61000.10","B":"1.0","a":"61000.20","A":"2.0","T":1723161255000,"E":1723161255000}}\n`;
    const files = { usdm_btcusdt_20240808: capture(1_000_000), spot_btcusdt_20240808: capture(2_000_000) };
    await expect(convert(files)).rejects.toThrow(
      /BTC is recorded on two markets, Binance (usdm and Binance spot|spot and Binance usdm)/,
    );
  });

  test("a bad line's receive time does not make those behind it run back", async () => {
    const bad = `${recv(900)} {"stream":"btcusdt@trade","data":{"t":1,"p":"oops"}}`;
    const { rows, report } = await convert({
      usdm_btcusdt_20240808: [snapshot(0, 10), bad, depth(1, 9, 11, 8, [["100.0", "1.5"]])].join("\n"),
    });
    expect(rows.at(-1)).toBe("delta buy 100 1.5 f0 @1");
    expect(report).toMatchObject({ bad: 1, repairs: {} });
  });

  test("receive time that runs back is refused with file and line; repaired it is clamped and told", async () => {
    const text = [snapshot(5, 10), depth(3, 9, 11, 8, [["100.0", "1.5"]])].join("\n");
    await expect(convert({ usdm_btcusdt_20240808: text })).rejects.toMatchObject({
      code: "bad_timestamps",
      message: expect.stringContaining("usdm_btcusdt_20240808 line 2: receive time runs back by 2.000 ms"),
    });
    const { rows, report, meta } = await convert({ usdm_btcusdt_20240808: text }, { repair: true });
    expect(rows.at(-1)).toBe("delta buy 100 1.5 f0 @5");
    expect(Object.values(report.repairs)).toEqual([1]);
    expect(meta.notes.join()).toContain("repaired 1 times");
  });

  test("exchange times beyond reason are refused, and left out on repair", async () => {
    const text = [snapshot(0, 10), depth(1, 9, 11, 8, [["100.0", "2"]]).replace(/"E":\d+/, '"E":1')].join(
      "\n",
    );
    await expect(convert({ usdm_btcusdt_20240808: text })).rejects.toMatchObject({ code: "bad_timestamps" });
    const { report } = await convert({ usdm_btcusdt_20240808: text }, { repair: true });
    expect(report.byReason).toEqual({ "exchange time is a day or more off": 1 });
  });

  test("bad lines are counted by reason with their line numbers", async () => {
    const { report } = await convert({
      usdm_btcusdt_20240808: [
        snapshot(0, 10),
        "garbage",
        `${recv(1)} {"stream":`,
        depth(2, 9, 11, 8, [["x", "1"]]),
      ].join("\n"),
    });
    expect(report.bad).toBe(3);
    expect(report.byReason).toEqual({
      "not `<receive time> <json>`": 1,
      "not JSON": 1,
      "price is not a number": 1,
    });
    expect(report.samples[0]).toMatch(/^usdm_btcusdt_20240808 line 2: /);
  });

  test("the native grid is learnt, also where a finer price turns up late", async () => {
    const text = [snapshot(0, 10), depth(1, 9, 11, 8, [["99.125", "0.0000005"]])].join("\n");
    const { meta, rows } = await convert({ usdm_btcusdt_20240808: text }, { grid: "native" });
    expect(meta.instruments[0]).toMatchObject({ pxDecimals: 3, szDecimals: 7, maxSigFigs: 0 });
    expect(rows.at(-1)).toBe("delta buy 99.125 5e-7 f0 @1");
    const coarse = await convert({ usdm_btcusdt_20240808: text });
    expect(coarse.rows.at(-1)).toBe("delta buy 99.1 0 f0 @1");
  });
});

describe("Tardis-style CSV", () => {
  const us = (ms: number): string => `${T0}${String(ms).padStart(3, "0")}000`;
  const head = "exchange,symbol,timestamp,local_timestamp,";
  test("incremental books and trades join; messages end with their stamp; snapshots void the book", async () => {
    const book = [
      `${head}is_snapshot,side,price,amount`,
      `x,BTCUSDT,${us(0)},${us(1)},true,bid,100.5,1`,
      `x,BTCUSDT,${us(0)},${us(1)},true,ask,101,2`,
      `x,BTCUSDT,${us(5)},${us(6)},false,bid,100.5,0`,
      `x,BTCUSDT,${us(5)},${us(6)},false,bid,100,4`,
      `x,BTCUSDT,${us(8)},${us(9)},false,ask,101,1`,
    ].join("\n");
    const trades = [
      `${head}id,side,price,amount`,
      `x,BTCUSDT,${us(5)},${us(6)},77,sell,100.5,1`,
      `x,BTCUSDT,${us(5)},${us(7)},78,unknown,100.5,1`,
    ].join("\n");
    const { rows, report, meta, path } = await convert({
      "binance_incremental_book_L2.csv": book,
      "trades.csv.gz": gzipSync(trades),
    });
    expect(rows).toEqual([
      "delta buy 100.5 1 f7 @1",
      "delta sell 101 2 f2 @1",
      "trade sell 100.5 1 #77 @6",
      "delta buy 100.5 0 f4 @6",
      "delta buy 100 4 f0 @6",
      "delta sell 101 1 f0 @9",
    ]);
    expect(report.byReason).toEqual({ "side is neither buy nor sell": 1 });
    expect(meta.clockOffsetNs).toBe(1e6);
    expect(verifyTape(path).problems).toBe(0);
  });
  test("quotes, liquidations and tickers", async () => {
    const { rows } = await convert({
      "quotes.csv": `${head}ask_amount,ask_price,bid_price,bid_amount\nx,BTC-PERPETUAL,${us(0)},${us(1)},1,101,100,2`,
      "liquidations.csv": `${head}id,side,price,amount\nx,BTC-PERPETUAL,${us(0)},${us(2)},a-b,sell,99.5,3`,
      "ticker.csv": `${head}funding_timestamp,funding_rate,predicted_funding_rate,open_interest,last_price,index_price,mark_price\nx,BTC-PERPETUAL,${us(0)},${us(3)},,0.0008,,5,100,100,100.1`,
    });
    expect(rows).toEqual(["bbo 100 101 @1", "liquidation sell 99.5 3", "ctx 100.1 0.0001"]);
  });
});

describe("Binance CSV", () => {
  test("aggregate trades with and without a header, and depth bands", async () => {
    const row = `7,61000.5,0.25,1,2,${T0}001,true`;
    const bare = await convert({ "BTCUSDT-aggTrades-2020-01-01.csv": row });
    const headed = await convert({
      "BTCUSDT-aggTrades-2024-08-08.csv": `agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n${row}`,
    });
    expect(bare.rows).toEqual(["trade sell 61000.5 0.25 #7 @1"]);
    expect(headed.rows).toEqual(bare.rows);
    const bands = await convert({
      "BTCUSDT-bookDepth-2024-08-08.csv": [
        "timestamp,percentage,depth,notional",
        "2024-08-08 00:00:09,-2,30,2970",
        "2024-08-08 00:00:09,-1,10,1000",
        "2024-08-08 00:00:09,1,20,2020",
      ].join("\n"),
    });
    expect(bands.rows).toEqual(["book 2/1 100 101 @0"]);
  });
});

describe("Hyperliquid archives", () => {
  const line = JSON.stringify({
    time: "2024-08-08T23:55:00.123456789",
    ver_num: 1,
    raw: {
      channel: "l2Book",
      data: {
        coin: "BTC",
        time: T0 * 1000,
        levels: [[{ px: "100.0", sz: "1.0", n: 1 }], [{ px: "101.0", sz: "1.0", n: 1 }]],
      },
    },
  });
  const trade = JSON.stringify({
    coin: "BTC",
    side: "B",
    time: "2024-08-08T23:55:00.5",
    px: "101.0",
    sz: "0.5",
    hash: "0x",
    side_info: [],
  });

  const bytesOf = async (bytes: Uint8Array, chunk: number): Promise<string> => {
    const chunks = async function* (): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < bytes.length; i += chunk) yield bytes.subarray(i, i + chunk);
    };
    const out: Buffer[] = [];
    for await (const block of lz4Frames(chunks())) out.push(Buffer.from(block));
    return Buffer.concat(out).toString();
  };
  const u32 = (x: number): number[] => [x & 255, (x >>> 8) & 255, (x >>> 16) & 255, x >>> 24];
  /** A frame with stored blocks, by the specification. */
  const storedFrame = (text: string, flags: number): Buffer => {
    const body = Buffer.from(text);
    const descriptor = Uint8Array.of(flags, 0x40);
    const check = (flags & 16) !== 0 ? u32(xxh32(body)) : [];
    const sum = (flags & 4) !== 0 ? u32(xxh32(body)) : [];
    return Buffer.concat([
      Buffer.from([
        ...u32(0x184d2204),
        ...descriptor,
        (xxh32(descriptor) >>> 8) & 255,
        ...u32((body.length | 0x80000000) >>> 0),
      ]),
      body,
      Buffer.from([...check, ...u32(0), ...sum]),
    ]);
  };

  test("xxHash32 gives its published values", () => {
    expect(xxh32(Buffer.from(""))).toBe(0x02cc5d05);
    expect(xxh32(Buffer.from("a"))).toBe(0x550d7456);
    expect(xxh32(Buffer.from("abc"))).toBe(0x32d153ff);
    expect(xxh32(Buffer.from("Nobody inspects the spammish repetition"))).toBe(0xe2293b2f);
  });

  test("frames, checksums, skippable frames and concatenation; damage is told", async () => {
    const frame = storedFrame("hello ", 0x60 | 16 | 4);
    const skippable = Buffer.from([...u32(0x184d2a53), ...u32(3), 1, 2, 3]);
    const all = Buffer.concat([frame, skippable, storedFrame("world", 0x60)]);
    for (const chunk of [1, 3, 1000]) expect(await bytesOf(all, chunk)).toBe("hello world");
    for (const at of [4, 6, 12, frame.length - 1]) {
      const bad = Buffer.from(frame);
      bad[at] = bad[at]! ^ 0x55;
      await expect(bytesOf(bad, 7), `byte ${at}`).rejects.toThrow(/LZ4/);
    }
    await expect(bytesOf(frame.subarray(0, frame.length - 3), 5)).rejects.toThrow("ends inside a frame");
  });

  const hasLz4 = ((): boolean => {
    try {
      execFileSync("lz4", ["--version"], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  })();
  test.skipIf(!hasLz4)(
    `reads what the lz4 program packs, linked blocks too${hasLz4 ? "" : " [skipped: no lz4 program]"}`,
    async () => {
      const text = `${line}\n`.repeat(3000);
      writeFileSync(join(dir, "plain"), text);
      for (const options of [["-B4", "-BD"], ["-B4"], ["-9", "-BX", "--content-size"]]) {
        const packed = execFileSync("lz4", [...options, "-q", "-c", join(dir, "plain")], {
          maxBuffer: 1e8,
        });
        expect(await bytesOf(packed, 10_000)).toBe(text);
      }
    },
  );

  test("market data and node trades become books and trades", async () => {
    const { rows, meta } = await convert({
      "9.lz4": storedFrame(`${line}\n`, 0x60),
      node_trades: `${trade}\n`,
    });
    expect(rows).toEqual(["book 1/1 100 101 @123.456789", "trade buy 101 0.5 #0 @500"]);
    expect(meta.instruments[0]!.coin).toBe("BTC");
  });
});

describe("hftbacktest event arrays", () => {
  type Row = readonly [ev: number, exchNs: bigint, localNs: bigint, px: number, qty: number];
  const npy = (rows: readonly Row[]): Buffer => {
    const fields =
      "('ev', '<u8'), ('exch_ts', '<i8'), ('local_ts', '<i8'), ('px', '<f8'), ('qty', '<f8'), ('order_id', '<u8'), ('ival', '<i8'), ('fval', '<f8')";
    const text = `{'descr': [${fields}], 'fortran_order': False, 'shape': (${rows.length},), }`;
    const head = Buffer.from(`${text.padEnd(Math.ceil((10 + text.length + 1) / 64) * 64 - 11)}\n`);
    const body = Buffer.alloc(rows.length * 64);
    rows.forEach(([ev, exch, local, px, qty], i) => {
      body.writeBigUInt64LE(BigInt(ev >>> 0), i * 64);
      body.writeBigInt64LE(exch, i * 64 + 8);
      body.writeBigInt64LE(local, i * 64 + 16);
      body.writeDoubleLE(px, i * 64 + 24);
      body.writeDoubleLE(qty, i * 64 + 32);
    });
    return Buffer.concat([
      Buffer.from("\x93NUMPY\x01\x00", "latin1"),
      Buffer.from([head.length & 255, head.length >> 8]),
      head,
      body,
    ]);
  };
  const zip = (name: string, data: Buffer, isDeflated: boolean): Buffer => {
    const stored = isDeflated ? deflateRawSync(data) : data;
    const local = Buffer.alloc(30 + name.length);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(isDeflated ? 8 : 0, 8);
    local.writeUInt16LE(name.length, 26);
    local.write(name, 30);
    const central = Buffer.alloc(46 + name.length);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(isDeflated ? 8 : 0, 10);
    central.writeUInt32LE(stored.length, 20);
    central.writeUInt32LE(data.length, 24);
    central.writeUInt16LE(name.length, 28);
    central.write(name, 46);
    const end = Buffer.alloc(22);
    end.writeUInt32LE(0x06054b50, 0);
    end.writeUInt16LE(1, 10);
    end.writeUInt32LE(central.length, 12);
    end.writeUInt32LE(local.length + stored.length, 16);
    return Buffer.concat([local, stored, central, end]);
  };
  const at = (ms: number): bigint => BigInt(T0) * 1_000_000_000n + BigInt(ms) * 1_000_000n;
  const both = HftFlag.Exch | HftFlag.Local;
  const rows: readonly Row[] = [
    [both | HftFlag.Buy | HftEvent.Snapshot, at(0), at(1), 100.1, 1],
    [both | HftFlag.Sell | HftEvent.Snapshot, at(0), at(1), 100.3, 0.1 + 0.2],
    [both | HftFlag.Sell | HftEvent.Trade, at(2), at(3), 100.1, 0.5],
    [HftFlag.Exch | HftFlag.Buy | HftEvent.Depth, at(3), at(5), 100.1, 0.5],
    [HftFlag.Local | HftFlag.Buy | HftEvent.Depth, at(3), at(5), 100.1, 0.5],
    [both | HftFlag.Buy | HftEvent.Bbo, at(4), at(6), 100.1, 0.5],
    [both | HftFlag.Buy | HftEvent.Clear, at(5), at(7), 100, 0],
    [both | 10, at(6), at(8), 100, 1],
  ];
  const wanted = [
    "delta buy 100.1 1 f7 @1",
    "delta sell 100.3 0.3 f2 @1",
    "trade sell 100.1 0.5 #0 @3",
    "delta buy 100.1 0.5 f0 @5",
    "bbo 100.1 0 @6",
    "delta buy 100.1 0 f0 @7",
  ];

  test.each(["npy", "npz stored", "npz deflated"])(
    "%s: depth, trades, clears, snapshots, touches",
    async (kind) => {
      const array = npy(rows);
      const content = kind === "npy" ? array : zip("data.npy", array, kind === "npz deflated");
      const {
        rows: seen,
        meta,
        report,
      } = await convert({ [`btcusdt_20240808.${kind.slice(0, 3)}`]: content });
      expect(seen).toEqual(wanted);
      expect(meta.instruments[0]).toMatchObject({ coin: "BTC", pxDecimals: 1, szDecimals: 1 });
      expect(report.ignored).toBe(1);
      expect(report.remarks).toEqual({ "events of type 10 left out (order-level, or not known)": 1 });
    },
  );

  test("an array that is cut off is refused, and read as far as it goes on repair", async () => {
    const cut = npy(rows).subarray(0, -100);
    await expect(convert({ "btcusdt.npy": cut })).rejects.toMatchObject({ code: "unreadable" });
    const { rows: seen } = await convert({ "btcusdt.npy": cut }, { repair: true });
    expect(seen).toEqual(wanted.slice(0, 5));
  });
});

const MISTYPED: Readonly<Record<string, string>> = {
  null: "null",
  object: '{"a":[]}',
  number: "7",
  string: '"x"',
};

describe("damaged recordings", () => {
  const us = `${T0}000000`;
  const samples: Readonly<Record<string, string>> = {
    usdm_btcusdt_20240808: [
      `${recv(0)} {"lastUpdateId":10,"bids":[["100.0","1"]],"asks":[["101.0","2"]]}`,
      `${recv(1)} {"stream":"btcusdt@depth","data":{"E":${T0}001,"U":9,"u":11,"pu":8,"b":[["100.0","3"]],"a":[]}}`,
      `${recv(2)} {"stream":"btcusdt@trade","data":{"E":${T0}002,"t":1,"p":"100.0","q":"1","m":true}}`,
      `${recv(3)} {"stream":"btcusdt@bookTicker","data":{"E":${T0}003,"b":"100.0","B":"1","a":"101.0","A":"1"}}`,
      `${recv(4)} {"stream":"btcusdt@markPrice@1s","data":{"E":${T0}003,"p":"100.0","i":"100.1","r":"0.0001"}}`,
    ].join("\n"),
    "xrp.jsonl": [
      `{"topic":"orderbook.500.XRPUSDT","type":"snapshot","ts":${T0}000,"cts":${T0}000,"data":{"s":"XRPUSDT","b":[["1.5","10"]],"a":[["1.6","10"]],"u":5}}`,
      `{"topic":"orderbook.500.XRPUSDT","type":"delta","ts":${T0}001,"cts":${T0}000,"data":{"s":"XRPUSDT","b":[["1.5","11"]],"a":[],"u":6}}`,
    ].join("\n"),
    ws_btc_20250126: [
      `${recv(0)} {"channel":"l2Book","data":{"coin":"BTC","time":${T0}000,"levels":[[{"px":"100.0","sz":"1.0","n":1}],[{"px":"101.0","sz":"1.0","n":2}]]}}`,
      `${recv(1)} {"channel":"trades","data":[{"coin":"BTC","side":"B","px":"100.0","sz":"1.0","time":${T0}000,"tid":5}]}`,
      `${recv(2)} {"channel":"activeAssetCtx","data":{"coin":"BTC","ctx":{"markPx":"1","oraclePx":"1","funding":"0"}}}`,
    ].join("\n"),
    "bitstamp_btcusd_raw.log": [
      `${T0}000 order_created {"price":"236.47","amount":"2.00","datetime":"1","id":1,"order_type":0}`,
      `${T0}001 order_changed {"price":"236.47","amount":"1.00","datetime":"1","id":1,"order_type":0}`,
      `${T0}002 trade {"price":236.47,"amount":1.0,"id":9}`,
      `${T0}003 order_deleted {"price":"236.47","amount":"0","datetime":"1","id":1,"order_type":0}`,
    ].join("\n"),
    "cme_ESM4_mbo.csv": [
      "ts_event,ts_recv,action,side,price,size,order_id,flags,sequence,ts_in_delta,channel_id",
      `${T0}000000000,${T0}000000000,R,N,,0,0,40,0,0,0`,
      `${T0}000000000,${T0}000000000,A,B,5155.5,5,1,168,1,0,0`,
      `${T0}000000000,${T0}001000000,T,A,5155.5,2,7,0,2,0,0`,
      `${T0}000000000,${T0}001000000,F,B,5155.5,2,1,0,3,0,0`,
      `${T0}000000000,${T0}001000000,M,B,5155.5,3,1,130,4,0,0`,
    ].join("\n"),
    "lobster_AAPL_20120621_message_10.csv": [
      "34200.004241176,1,1,18,5853300,1",
      "34200.1,4,1,8,5853300,1",
      "34200.2,3,1,10,5853300,1",
    ].join("\n"),
    "x_incremental_book_L2.csv": [
      `exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount`,
      `x,BTCUSDT,${us},${us},true,bid,100,1`,
      `x,BTCUSDT,${us},${us},false,ask,101,1`,
    ].join("\n"),
    "BTCUSDT-aggTrades-2024.csv": `7,61000.5,0.25,1,2,${T0}001,true\n8,61000.5,0.25,1,2,${T0}002,false`,
    "liq.csv": `LRC,SELL,LIMIT,IOC,226,0.16815,0.17057,FILLED,226,226,${T0}829,38.0019`,
    "large.csv": `${T0}002, BTCUSDT, 2541757614, 104943.5, 0.15, ${T0}001, False`,
    archive: `{"time":"2024-08-08T23:55:00.1","ver_num":1,"raw":{"channel":"bbo","data":{"coin":"BTC","time":${T0}000,"bbo":[{"px":"100.0","sz":"1.0","n":1},null]}}}`,
  };

  test.each(Object.keys(samples))(
    "%s: whole it converts; cut, swapped and mistyped it never crashes",
    async (name) => {
      const text = samples[name]!;
      const whole = await convert({ [name]: text });
      expect(whole.report.bad).toBe(0);
      expect(whole.rows.length).toBeGreaterThan(0);
      expect(verifyTape(whole.path).problems).toBe(0);
      const edit = fc.record({
        at: fc.nat(text.length - 1),
        kind: fc.constantFrom("cut", "swap", "byte", "null", "object", "number", "string"),
        byte: fc.integer({ min: 32, max: 126 }),
      });
      await fc.assert(
        fc.asyncProperty(
          fc.array(edit, { minLength: 1, maxLength: 3 }),
          fc.boolean(),
          async (edits, repair) => {
            let bad = text;
            for (const { at, kind, byte } of edits) {
              const a = Math.min(at, Math.max(0, bad.length - 2));
              const value = MISTYPED[kind];
              if (kind === "cut")
                bad =
                  bad.slice(0, a) + bad.slice(bad.indexOf("\n", a) < 0 ? bad.length : bad.indexOf("\n", a));
              else if (kind === "swap")
                bad = bad.slice(0, a) + (bad[a + 1] ?? "") + (bad[a] ?? "") + bad.slice(a + 2);
              else if (kind === "byte") bad = bad.slice(0, a) + String.fromCharCode(byte) + bad.slice(a + 1);
              else bad = bad.slice(0, a) + bad.slice(a).replace(/"[^"]*"|\d+|\[[^\]]*\]/, value!);
            }
            const file = `${n}_${name}`;
            try {
              const r = await convert({ [name]: bad }, { repair });
              // Every line became something or is counted.
              expect(r.report.lines).toBe(bad.split("\n").length - (bad.endsWith("\n") ? 1 : 0));
            } catch (error) {
              expect(error, `${file}: ${bad}`).toBeInstanceOf(TapeError);
              expect((error as Error).message.split("\n")).toHaveLength(1);
            }
          },
        ),
        { numRuns: 30, seed: 7 },
      );
    },
  );
});
