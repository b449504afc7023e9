import fc from "fast-check";
import { ByteBuffer } from "flatbuffers";
import { describe, expect, it } from "vitest";
import { TradeMsg } from "../../src/abi/flat/trade-msg.js";
import {
  LADDER_SIZE,
  MSG_PREFIX_BYTES,
  RecordKind,
  TRADE_PX,
  TRADE_SEQ,
  TRADE_SIZE,
} from "../../src/abi/layout.js";
import {
  createDoorbell,
  createRing,
  RingConsumer,
  RingProducer,
  ringDrops,
  ringFill,
} from "../../src/rings/index.js";

const SLOT = 24;
const NEAR_WRAP = 2 ** 31 - 64;

function pair(capacityBytes = 1024, startIndex = NEAR_WRAP) {
  const sab = createRing(capacityBytes, { startIndex });
  return { sab, producer: new RingProducer(sab, { assertsOwner: true }), consumer: new RingConsumer(sab) };
}

/** Writes a record whose first word is `value`; true when it fitted. */
function write(producer: RingProducer, value: number, bodyBytes = 16, kind: RecordKind = RecordKind.Trade) {
  const at = producer.reserve(kind, bodyBytes);
  if (at < 0) return false;
  producer.i32[at >> 2] = value;
  producer.commit();
  return true;
}

function readAll(consumer: RingConsumer): number[] {
  const values: number[] = [];
  for (let at = consumer.poll(); at >= 0; at = consumer.poll()) values.push(consumer.i32[at >> 2]!);
  return values;
}

describe("ring", () => {
  it("hands over records in order with their kind and size", () => {
    const { producer, consumer } = pair();
    write(producer, 1, 48, RecordKind.Trade);
    write(producer, 2, 56, RecordKind.Bbo);
    producer.publish();
    const first = consumer.poll();
    expect(first % 8).toBe(0);
    expect([consumer.i32[first >> 2], consumer.kind, consumer.bodyBytes]).toEqual([1, RecordKind.Trade, 48]);
    const second = consumer.poll();
    expect([consumer.i32[second >> 2], consumer.kind, consumer.bodyBytes]).toEqual([2, RecordKind.Bbo, 56]);
    expect(consumer.poll()).toBe(-1);
  });

  it("shows nothing before publish, then everything at once", () => {
    const { producer, consumer } = pair();
    write(producer, 1);
    write(producer, 2);
    expect(consumer.poll()).toBe(-1);
    producer.publish();
    expect(readAll(consumer)).toEqual([1, 2]);
  });

  it("forgets an unpublished frame on rollback and reuses its space", () => {
    const { producer, consumer, sab } = pair(1024, 0);
    write(producer, 1);
    producer.publish();
    write(producer, 2);
    producer.reserve(RecordKind.Book, 200);
    producer.rollback();
    producer.publish();
    expect(readAll(consumer)).toEqual([1]);
    write(producer, 3);
    producer.publish();
    expect(readAll(consumer)).toEqual([3]);
    expect(ringFill(sab)).toBe(2 * (SLOT + 16));
  });

  it("abandons a reservation that is not committed", () => {
    const { producer, consumer } = pair();
    const abandoned = producer.reserve(RecordKind.Trade, 48);
    producer.i32[abandoned >> 2] = 666;
    write(producer, 1);
    producer.reserve(RecordKind.Trade, 48);
    producer.publish();
    expect(readAll(consumer)).toEqual([1]);
    expect(() => producer.commit()).toThrow(/commit without/);
  });

  it("refuses a record when full, counts it, and leaves nothing partial behind", () => {
    const { producer, consumer, sab } = pair(256);
    const slot = SLOT + 40;
    for (let i = 0; i < 256 / slot; i++) expect(write(producer, i, 40)).toBe(true);
    producer.publish();
    const before = new Uint8Array(sab).slice(512);
    expect(producer.reserve(RecordKind.Trade, 40)).toBe(-1);
    expect(producer.reserve(RecordKind.Trade, 8)).toBe(-1);
    expect(() => producer.commit()).toThrow(/commit without/);
    producer.publish();
    expect(new Uint8Array(sab).slice(512)).toEqual(before);
    expect(ringDrops(sab)).toBe(2);
    expect(ringFill(sab)).toBe(256);
    expect(consumer.fillBytes()).toBe(256);
    expect(readAll(consumer)).toEqual([0, 1, 2, 3]);
    expect(producer.reserve(RecordKind.Trade, 40), "space comes back only on release").toBe(-1);
    consumer.release();
    expect(consumer.fillBytes()).toBe(0);
    expect(write(producer, 9, 40)).toBe(true);
    producer.publish();
    expect(readAll(consumer)).toEqual([9]);
    expect(ringDrops(sab)).toBe(3);
  });

  it("keeps a half-fitting frame invisible after rollback", () => {
    const { producer, consumer, sab } = pair(256);
    let fitted = 0;
    while (write(producer, fitted, 40)) fitted++;
    producer.rollback();
    producer.publish();
    expect(fitted).toBe(4);
    expect(consumer.poll()).toBe(-1);
    expect(ringDrops(sab)).toBe(1);
  });

  it("always takes a record of half its capacity once empty, wherever its counters stand", () => {
    for (let start = 0; start < 256; start += 8) {
      const { producer, consumer } = pair(256, start);
      expect(write(producer, start, 128 - SLOT)).toBe(true);
      producer.publish();
      expect(readAll(consumer)).toEqual([start]);
    }
  });

  it("refuses records that can never fit and records without a kind", () => {
    const { producer } = pair(256);
    expect(() => producer.reserve(RecordKind.Ladder, LADDER_SIZE)).toThrow(RangeError);
    expect(() => producer.reserve(RecordKind.Trade, 0)).toThrow(RangeError);
    expect(() => producer.reserve(RecordKind.None, 16)).toThrow(RangeError);
  });

  it("makes each slot a FlatBuffers message that the stock reader decodes", () => {
    const { producer, consumer } = pair();
    for (let i = 0; i < 3; i++) {
      const at = producer.reserve(RecordKind.Trade, TRADE_SIZE);
      producer.u8.fill(0, at, at + TRADE_SIZE);
      producer.f64[(at + TRADE_PX) >> 3] = 65_000.5 + i;
      producer.u32[(at + TRADE_SEQ) >> 2] = 7 + i;
      producer.commit();
    }
    producer.publish();
    for (let i = 0; i < 3; i++) {
      const at = consumer.poll();
      const message = consumer.u8.slice(at - MSG_PREFIX_BYTES, at + consumer.bodyBytes);
      const trade = TradeMsg.getRootAsTradeMsg(new ByteBuffer(message)).body();
      expect(trade?.px()).toBe(65_000.5 + i);
      expect(trade?.seq()).toBe(7 + i);
    }
  });

  it("continues where it stood when an end attaches later", () => {
    const { sab, producer, consumer } = pair();
    write(producer, 1);
    write(producer, 2);
    producer.publish();
    consumer.poll();
    consumer.release();
    const laterProducer = new RingProducer(sab);
    write(laterProducer, 3);
    laterProducer.publish();
    expect(readAll(new RingConsumer(sab))).toEqual([2, 3]);
  });

  it("notices a second producer when asked to", () => {
    const { sab, producer } = pair();
    const intruder = new RingProducer(sab);
    write(intruder, 1);
    intruder.publish();
    write(producer, 2);
    expect(() => producer.publish()).toThrow(/two producers/);
  });

  it("stops at a slot that makes no sense", () => {
    const { sab, producer, consumer } = pair(1024, 0);
    write(producer, 1);
    producer.publish();
    new Int32Array(sab)[512 / 4 + 1] = 5000;
    expect(() => consumer.poll()).toThrow(/corrupt/);
  });

  it("rejects impossible sizes", () => {
    for (const capacity of [0, 32, 100, 1000, 2 ** 30, 64.5, Number.NaN])
      expect(() => createRing(capacity)).toThrow(RangeError);
    expect(() => createRing(64, { startIndex: 4 })).toThrow(RangeError);
  });

  it("refuses memory of another kind, version or record layout", () => {
    const sab = createRing(64);
    expect(() => new RingConsumer(createDoorbell())).toThrow(/ring: wrong magic .* is a doorbell/);
    expect(() => new RingProducer(new SharedArrayBuffer(4096))).toThrow(/none of ours/);
    expect(() => ringDrops(new SharedArrayBuffer(8))).toThrow(/too short/);
    expect(() => ringFill(new ArrayBuffer(4096) as unknown as SharedArrayBuffer)).toThrow(
      /expected a SharedArrayBuffer/,
    );
    const words = new Int32Array(sab);
    words[2]! ^= 1;
    expect(() => new RingProducer(sab)).toThrow(/record layout .*npm run build/);
    words[2]! ^= 1;
    words[1] = 99;
    expect(() => new RingConsumer(sab)).toThrow(/version 99/);
  });

  it("law 2 and 3: behaves as a queue of whole frames under any interleaving", () => {
    const op = fc.oneof(
      fc.record({ op: fc.constant("write" as const), bodyBytes: fc.integer({ min: 4, max: 100 }) }),
      fc.record({ op: fc.constantFrom("publish", "rollback", "poll", "release", "abandon" as const) }),
    );
    fc.assert(
      fc.property(
        fc.array(op, { maxLength: 300 }),
        fc.integer({ min: -40, max: 40 }).map((n) => 2 ** 31 + 8 * n),
        (ops, start) => {
          const { producer, consumer, sab } = pair(256, start);
          let sequence = 0;
          let drops = 0;
          let pending: [number, number][] = [];
          const visible: [number, number][] = [];
          for (const step of ops) {
            if (step.op === "write" && "bodyBytes" in step) {
              const at = producer.reserve(RecordKind.Trade, step.bodyBytes);
              if (at < 0) drops++;
              else {
                producer.u8.fill(sequence & 255, at, at + step.bodyBytes);
                producer.commit();
                pending.push([sequence++ & 255, step.bodyBytes]);
              }
            } else if (step.op === "publish") {
              producer.publish();
              visible.push(...pending);
              pending = [];
            } else if (step.op === "rollback") {
              producer.rollback();
              pending = [];
            } else if (step.op === "abandon") {
              const at = producer.reserve(RecordKind.Book, 64);
              if (at < 0) drops++;
              else producer.u8.fill(0xee, at, at + 64);
            } else if (step.op === "release") consumer.release();
            else {
              const at = consumer.poll();
              const expected = visible.shift();
              if (expected === undefined) expect(at).toBe(-1);
              else {
                expect(consumer.bodyBytes).toBe(expected[1]);
                const body = consumer.u8.subarray(at, at + consumer.bodyBytes);
                expect(body.every((byte) => byte === expected[0])).toBe(true);
              }
            }
            expect(ringDrops(sab)).toBe(drops);
            expect(consumer.fillBytes()).toBeLessThanOrEqual(256);
          }
          expect(consumer.poll() >= 0).toBe(visible.length > 0);
        },
      ),
      { numRuns: 300, seed: 20260101 },
    );
  });
});
