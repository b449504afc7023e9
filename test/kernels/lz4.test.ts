import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import lz4 from "lz4-wasm-nodejs";
import { describe, expect, it } from "vitest";
import { KernelHost } from "../../src/kernels/index.js";

const module = KernelHost.compile(
  readFileSync(join(import.meta.dirname, "../../dist/assembly/release.wasm")),
);
const ROOM = 65_536;
const SRC = KernelHost.extraAt;
const DST = SRC + 2 * ROOM;
const GUARD = 64;
const host = new KernelHost(module, 4 * ROOM);

/** Unpacks between two guards. @returns the bytes, or undefined when it was refused. */
function unpack(block: Uint8Array, rawBytes: number, room: number): Uint8Array | undefined {
  const { memoryU8, exports } = host;
  memoryU8.fill(0xa5, DST - GUARD, DST + room + GUARD);
  memoryU8.set(block, SRC);
  const n = exports.lz4Block!(SRC, block.length, DST, rawBytes, room);
  expect(memoryU8.subarray(DST - GUARD, DST).every((b) => b === 0xa5)).toBe(true);
  expect(memoryU8.subarray(DST + room, DST + room + GUARD).every((b) => b === 0xa5)).toBe(true);
  return n === rawBytes ? memoryU8.slice(DST, DST + rawBytes) : undefined;
}

/** The codec of the tape writer; its four bytes of length are not part of the block. */
const pack = (raw: Uint8Array): Uint8Array => lz4.compress(raw).subarray(4);

/** Runs and repeats of every distance, as records have, and noise. */
const bytes = fc
  .array(
    fc.oneof(
      fc.record({ noise: fc.uint8Array({ maxLength: 400 }) }),
      fc.record({
        repeat: fc.uint8Array({ minLength: 1, maxLength: 40 }),
        times: fc.integer({ min: 1, max: 60 }),
      }),
    ),
    { maxLength: 20 },
  )
  .map((parts) =>
    Uint8Array.from(
      parts.flatMap((p) =>
        "noise" in p ? [...p.noise] : Array.from({ length: p.times }, () => [...p.repeat]).flat(),
      ),
    ),
  );

describe("lz4Block", () => {
  it("unpacks what the tape writer's codec packs, with and without room to spare", () => {
    fc.assert(
      fc.property(bytes, fc.constantFrom(0, 7, 32), (raw, spare) => {
        const shown = unpack(pack(raw), raw.length, raw.length + spare);
        expect(shown).toEqual(raw);
      }),
      { seed: 4, numRuns: 400 },
    );
  });

  it("refuses or misreads a damaged block, and never writes outside of its room", () => {
    fc.assert(
      fc.property(
        bytes.filter((raw) => raw.length > 8),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 6 }),
        fc.nat(8),
        (raw, damage, cut) => {
          const block = Uint8Array.from(pack(raw));
          for (const [at, value] of damage) block[at % block.length] = value;
          const shown = unpack(block.subarray(0, block.length - cut), raw.length, raw.length + 32);
          expect(shown === undefined || shown.length === raw.length).toBe(true);
        },
      ),
      { seed: 5, numRuns: 600 },
    );
  });

  it("refuses a distance that reaches before the beginning", () => {
    // One literal, then a match ten bytes back.
    expect(unpack(Uint8Array.of(0x10, 0x41, 10, 0, 0x50, 1, 2, 3, 4, 5), 10, 42)).toBeUndefined();
    expect(unpack(Uint8Array.of(0x10, 0x41, 1, 0, 0x50, 1, 2, 3, 4, 5), 10, 42)).toEqual(
      Uint8Array.of(0x41, 0x41, 0x41, 0x41, 0x41, 1, 2, 3, 4, 5),
    );
  });
});
