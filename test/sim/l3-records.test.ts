import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import * as abi from "../../src/abi/layout.js";
import { DeltaFlag, OrderEventType, RecordKind } from "../../src/abi/layout.js";
import { perpInstrument, type QueueModelSpec, queueModel, RecordMarket } from "../../src/sim/index.js";
import type { MarketContext } from "../../src/sim/market.js";
import { BookOrder } from "../../src/sim/matching.js";
import { RecordCursor, TapeFileReader, TapeFileWriter } from "../../src/store/index.js";

const instrument = { ...perpInstrument("X", 5, 10), szDecimals: 2 };
const dir = mkdtempSync(join(tmpdir(), "l3-records-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

class Recording {
  private readonly f64 = new Float64Array(16);
  private readonly u8 = new Uint8Array(this.f64.buffer);
  private readonly i32 = new Int32Array(this.f64.buffer);
  private readonly writer: TapeFileWriter;
  private at = 0;

  constructor(readonly path: string) {
    this.writer = new TapeFileWriter({
      path,
      meta: {
        venue: "test",
        baseWallNs: "0",
        instruments: [{ ...instrument, asset: 0 }],
        source: "by hand",
        notes: [],
      },
    });
  }

  order(type: OrderEventType, oid: number, side: 1 | -1, px: number, sz: number): this {
    this.u8.fill(0);
    this.f64[abi.ORDER_EVENT_PX >> 3] = px;
    this.f64[abi.ORDER_EVENT_SZ >> 3] = sz;
    this.i32[abi.ORDER_EVENT_OID >> 2] = oid % 2 ** 32;
    this.i32[(abi.ORDER_EVENT_OID >> 2) + 1] = Math.floor(oid / 2 ** 32);
    this.u8[abi.ORDER_EVENT_SIDE] = side;
    this.u8[abi.ORDER_EVENT_TYPE] = type;
    return this.put(RecordKind.OrderEvent, abi.ORDER_EVENT_SIZE);
  }

  total(side: 1 | -1, px: number, sz: number): this {
    this.u8.fill(0);
    this.f64[abi.BOOK_DELTA_PX >> 3] = px;
    this.f64[abi.BOOK_DELTA_SZ >> 3] = sz;
    this.u8[abi.BOOK_DELTA_SIDE] = side;
    this.u8[abi.BOOK_DELTA_FLAGS] = DeltaFlag.None;
    return this.put(RecordKind.BookDelta, abi.BOOK_DELTA_SIZE);
  }

  print(aggressor: 1 | -1, px: number, sz: number): this {
    this.u8.fill(0);
    this.f64[abi.TRADE_PX >> 3] = px;
    this.f64[abi.TRADE_SZ >> 3] = sz;
    this.u8[abi.TRADE_SIDE] = aggressor;
    return this.put(RecordKind.Trade, abi.TRADE_SIZE);
  }

  close(): void {
    this.writer.close();
  }

  private put(kind: RecordKind, bytes: number): this {
    this.writer.append(kind, 0, this.f64, 0, bytes, this.at++);
    return this;
  }
}

/** 5 and 3 lots at 10.0; we join with 2; the 5 are cancelled, 4 lots trade: one reaches us. */
function record(path: string, withTotals: boolean): void {
  const { Add, Delete, Execute } = OrderEventType;
  const r = new Recording(path);
  const far = 6_413_245_568_332;
  const total = (side: 1 | -1, px: number, sz: number): void => {
    if (withTotals) r.total(side, px, sz);
  };
  r.order(Add, far, 1, 10, 0.05);
  total(1, 10, 0.05);
  r.order(Add, far + 1, 1, 10, 0.03);
  total(1, 10, 0.08);
  r.order(Add, far + 2, -1, 10.2, 0.09);
  total(-1, 10.2, 0.09);
  // Here we join. One behind us:
  r.order(Add, far + 3, 1, 10, 0.01);
  total(1, 10, 0.09);
  r.order(Delete, far, 1, 10, 0.05);
  total(1, 10, 0.04);
  if (withTotals) r.print(-1, 10, 0.04);
  r.order(Execute, far + 1, 1, 10, 0.03);
  r.order(Execute, far + 3, 1, 10, 0.01);
  total(1, 10, 0);
  r.close();
}

function fillsOf(path: string, spec: QueueModelSpec, joinAt: number): number[] {
  const market = new RecordMarket(instrument, queueModel(spec), "test");
  const fills: number[] = [];
  market.open({
    exchange: {
      fillFromTape: (_o: BookOrder, szLots: number) => fills.push(szLots),
      updateMark() {},
    },
    market: { lastTicks: 0 },
  } as unknown as MarketContext);
  const reader = new TapeFileReader(path);
  const cursor = new RecordCursor();
  cursor.load(reader.nextBlock()!);
  for (let n = 0; cursor.next(); n++) {
    if (n === joinAt) market.book.rest(new BookOrder(1, 1, 1, 100, 2));
    market.apply(cursor, n);
  }
  reader.close();
  return fills;
}

describe("a market moved by the records of single orders", () => {
  const alone = join(dir, "alone.mmt");
  const both = join(dir, "both.mmt");
  beforeAll(() => {
    record(alone, false);
    record(both, true);
  });

  it.each([
    ["orders alone", alone, 3],
    ["orders and totals", both, 6],
  ])("l3 knows who cancelled: %s", (_name, path, joinAt) => {
    expect(fillsOf(path, { kind: "l3" }, joinAt)).toEqual([1]);
  });

  it.each([
    ["orders alone", alone, 3],
    ["orders and totals", both, 6],
  ])("risk-averse sees sums and prints only, and nothing twice: %s", (_name, path, joinAt) => {
    // 8 ahead; the fall to 4 caps the queue at 4; 4 trade.
    expect(fillsOf(path, { kind: "risk-averse" }, joinAt)).toEqual([]);
  });

  it("a fill is measured by the mid before its orders met", () => {
    const { Add, Execute } = OrderEventType;
    const path = join(dir, "meet.mmt");
    const r = new Recording(path);
    r.order(Add, 1, 1, 10, 0.05).order(Add, 2, -1, 10.2, 0.05);
    // Listed before its trade, with the book crossed meanwhile.
    r.order(Add, 3, -1, 9, 0.05).order(Execute, 1, 1, 10, 0.05).order(Execute, 3, -1, 10, 0.05);
    r.order(Add, 4, 1, 9.8, 0.01).close();
    const market = new RecordMarket(instrument, queueModel({ kind: "l3" }), "test");
    market.open({ exchange: { updateMark() {} }, market: { lastTicks: 0 } } as unknown as MarketContext);
    const reader = new TapeFileReader(path);
    const cursor = new RecordCursor();
    cursor.load(reader.nextBlock()!);
    const mids: number[] = [];
    for (let n = 0; cursor.next(); n++) {
      market.apply(cursor, n);
      mids.push(market.midBefore2Ticks);
    }
    reader.close();
    expect(mids).toEqual([0, 0, 202, 202, 0, 0]);
  });
});
