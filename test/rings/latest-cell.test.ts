import fc from "fast-check";
import { ByteBuffer } from "flatbuffers";
import { describe, expect, it } from "vitest";
import { PositionMsg } from "../../src/abi/flat/position-msg.js";
import { LADDER_SIZE, MSG_PREFIX_BYTES, POSITION_ENTRY_PX, POSITION_SIZE } from "../../src/abi/layout.js";
import { CellReader, CellWriter, createCell, createLatch } from "../../src/rings/index.js";

function put(writer: CellWriter, value: number): void {
  writer.f64[writer.begin() >> 3] = value;
  writer.publish();
}
const get = (reader: CellReader): number => reader.f64[reader.offset >> 3]!;

describe("latest cell", () => {
  it("has nothing new until the first publish and reads as zeros", () => {
    const reader = new CellReader(createCell(LADDER_SIZE));
    expect(reader.poll()).toBe(false);
    expect(
      reader.f64.subarray(reader.offset >> 3, (reader.offset + LADDER_SIZE) >> 3).every((x) => x === 0),
    ).toBe(true);
  });

  it("shows the newest value once and forgets the unread ones", () => {
    const sab = createCell(8);
    const writer = new CellWriter(sab);
    const reader = new CellReader(sab);
    for (const value of [1, 2, 3]) put(writer, value);
    expect([reader.poll(), get(reader), reader.poll(), get(reader)]).toEqual([true, 3, false, 3]);
  });

  it("keeps the value being read untouched while the writer goes on", () => {
    const sab = createCell(8);
    const writer = new CellWriter(sab);
    const reader = new CellReader(sab);
    put(writer, 1);
    reader.poll();
    for (let value = 2; value < 12; value++) {
      put(writer, value);
      expect(get(reader)).toBe(1);
    }
    reader.poll();
    expect(get(reader)).toBe(11);
  });

  it("does not show a body that was begun and not published", () => {
    const sab = createCell(8);
    const writer = new CellWriter(sab);
    const reader = new CellReader(sab);
    put(writer, 1);
    writer.f64[writer.begin() >> 3] = 2;
    expect(writer.begin()).toBe(writer.begin());
    reader.poll();
    expect(get(reader)).toBe(1);
    expect(reader.poll()).toBe(false);
  });

  it("carries a FlatBuffers message that the stock reader decodes, in each of its buffers", () => {
    const sab = createCell(POSITION_SIZE);
    const writer = new CellWriter(sab);
    const reader = new CellReader(sab);
    const offsets = new Set<number>();
    for (let i = 0; i < 6; i++) {
      writer.f64[(writer.begin() + POSITION_ENTRY_PX) >> 3] = 100 + i;
      writer.publish();
      reader.poll();
      offsets.add(reader.offset);
      const message = reader.u8.slice(reader.offset - MSG_PREFIX_BYTES, reader.offset + POSITION_SIZE);
      expect(PositionMsg.getRootAsPositionMsg(new ByteBuffer(message)).body()?.entryPx()).toBe(100 + i);
    }
    expect(offsets.size).toBe(3);
  });

  it("law 4: the reader sees the last published value under any interleaving", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("write", "begin", "read"), { maxLength: 200 }), (ops) => {
        const sab = createCell(16);
        const writer = new CellWriter(sab);
        const reader = new CellReader(sab);
        let written = 0;
        let seen = 0;
        for (const op of ops) {
          if (op === "write") put(writer, ++written);
          else if (op === "begin") writer.f64[writer.begin() >> 3] = -1;
          else {
            expect(reader.poll()).toBe(written !== seen);
            seen = written;
          }
          expect(get(reader)).toBe(seen);
        }
      }),
      { numRuns: 200, seed: 20260102 },
    );
  });

  it("admits one writer and one reader", () => {
    const sab = createCell(8);
    new CellWriter(sab);
    new CellReader(sab);
    expect(() => new CellWriter(sab)).toThrow(/already has a writer/);
    expect(() => new CellReader(sab)).toThrow(/already has a reader/);
  });

  it("refuses other memory and impossible sizes", () => {
    expect(() => new CellReader(createLatch())).toThrow(/cell: wrong magic .* is a kill latch/);
    for (const bytes of [0, -8, 12, 1.5]) expect(() => createCell(bytes)).toThrow(RangeError);
  });
});
