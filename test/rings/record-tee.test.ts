import { describe, expect, test } from "vitest";
import { BBO_SIZE, BOOK_SIZE, RecordKind, TRADE_SIZE } from "../../src/abi/layout.js";
import {
  createRing,
  isLossMark,
  RecordTee,
  RingConsumer,
  RingProducer,
  ringDrops,
  teeOutlet,
} from "../../src/rings/index.js";

/** Words 0, 1, … of the body are `n`, so that a torn copy shows. */
function write(tee: RecordTee, kind: RecordKind, bytes: number, n: number): void {
  const at = tee.reserve(kind, bytes);
  expect(at).toBeGreaterThanOrEqual(0);
  tee.i32.fill(n, at >> 2, (at + bytes) >> 2);
  tee.commit();
}

function read(ring: RingConsumer): (number | "lost")[] {
  const out: (number | "lost")[] = [];
  for (let at = ring.poll(); at >= 0; at = ring.poll()) {
    if (isLossMark(ring.kind, ring.i32, at)) {
      out.push("lost");
      continue;
    }
    const body = ring.i32.subarray(at >> 2, (at + ring.bodyBytes) >> 2);
    expect(new Set(body).size).toBe(1);
    out.push(body[0]!);
  }
  ring.release();
  return out;
}

describe("a ring with listeners", () => {
  test("every listener gets what is published, in order, and nothing that was rolled back", () => {
    const main = createRing(65_536);
    const copies = [createRing(65_536), createRing(65_536)];
    const tee = new RecordTee(
      new RingProducer(main),
      copies.map((sab) => teeOutlet(new RingProducer(sab))),
    );
    const readers = [main, ...copies].map((sab) => new RingConsumer(sab));
    write(tee, RecordKind.Book, BOOK_SIZE, 1);
    expect(readers.map(read)).toEqual([[], [], []]);
    tee.publish();
    write(tee, RecordKind.Trade, TRADE_SIZE, 2);
    tee.rollback();
    write(tee, RecordKind.Trade, TRADE_SIZE, 3);
    write(tee, RecordKind.Bbo, BBO_SIZE, 4);
    tee.publish();
    expect(readers.map(read)).toEqual([
      [1, 3, 4],
      [1, 3, 4],
      [1, 3, 4],
    ]);
  });

  test("two kernels' rings share a listener, in the order of publishing", () => {
    const outlet = createRing(65_536);
    const shared = teeOutlet(new RingProducer(outlet));
    const [a, b] = [createRing(65_536), createRing(65_536)].map(
      (sab) => new RecordTee(new RingProducer(sab), [shared]),
    );
    for (let n = 0; n < 6; n++) {
      write(n % 2 === 0 ? a! : b!, RecordKind.Bbo, BBO_SIZE, n);
      (n % 2 === 0 ? a! : b!).publish();
    }
    expect(read(new RingConsumer(outlet))).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test("a listener without room loses, counts and is told; the kernel's ring does not notice", () => {
    const main = createRing(1 << 20, { startIndex: 2 ** 31 - 4096 });
    const small = createRing(16_384, { startIndex: 2 ** 31 - 4096 });
    const tee = new RecordTee(new RingProducer(main), [teeOutlet(new RingProducer(small))]);
    const kernel = new RingConsumer(main);
    const listener = new RingConsumer(small);
    for (let n = 0; n < 40; n++) {
      write(tee, RecordKind.Book, BOOK_SIZE, n);
      tee.publish();
    }
    expect(read(kernel)).toHaveLength(40);
    expect(ringDrops(main)).toBe(0);
    const first = read(listener);
    const lost = 40 - first.length;
    expect(lost).toBeGreaterThan(20);
    expect(first).toEqual(first.map((_, i) => i));
    expect(ringDrops(small)).toBe(lost);
    for (let n = 40; n < 43; n++) {
      write(tee, RecordKind.Book, BOOK_SIZE, n);
      tee.publish();
    }
    expect(read(listener)).toEqual(["lost", 40, 41, 42]);
    expect(ringDrops(small)).toBe(lost);
  });
});
