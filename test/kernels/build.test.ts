/** What must hold of the built module itself. */
import { readdirSync, readFileSync } from "node:fs";
import { PerformanceObserver } from "node:perf_hooks";
import { describe, expect, test } from "vitest";
import * as abi from "../../src/abi/layout.js";
import { KernelError, KernelHost } from "../../src/kernels/index.js";
import { debugWasm, Rig, releaseModule, releaseWasm } from "./rig.js";

const wat = (wasm: URL): string => readFileSync(new URL(wasm.href.replace(/wasm$/, "wat")), "utf8");

/** Names in a module text that would mean an allocator or growing memory. */
function allocators(text: string): string[] {
  return [...text.matchAll(/memory\.grow|__new|__alloc|__renew|__pin|__collect|__visit/g)].map((m) => m[0]);
}

describe("the module", () => {
  test("neither allocates nor grows its memory, in release and in debug", () => {
    for (const wasm of [releaseWasm, debugWasm]) {
      expect(allocators(wat(wasm))).toEqual([]);
      // Imported. The most is a backtest's, whose host gives it all of it from the start: nothing ever grows.
      expect(wat(wasm)).toMatch(/\(import "env" "memory" \(memory \$?\w+ 64 256\)\)/);
    }
  });

  test("canary: the pattern finds a grow", () => {
    expect(allocators("(drop (memory.grow (i32.const 1)))")).toEqual(["memory.grow"]);
  });

  test("imports nothing but its memory", () => {
    expect(wat(releaseWasm).match(/\(import /g)).toHaveLength(1);
  });

  test("every export is reached by a test or by the host", () => {
    const here = new URL("./", import.meta.url);
    const own = readdirSync(here).filter((f) => f.endsWith(".ts") && f !== "build.test.ts");
    const users = [
      ...own.map((f) => new URL(f, here)),
      ...["kernels/host.ts", "backtest/tape-run.ts"].map((f) => new URL(`../../src/${f}`, import.meta.url)),
    ]
      .map((url) => readFileSync(url, "utf8"))
      .join("\n");
    const functions = WebAssembly.Module.exports(releaseModule).filter((e) => e.kind === "function");
    expect(functions.length).toBeGreaterThan(40);
    const unreached = functions
      .map((e) => e.name)
      .filter((name) => !new RegExp(`["'.]${name}\\b`).test(users));
    expect(unreached).toEqual(["scratchBytes", "slotUsedBytes"]); // reached just below
  });

  test("a slot's state fits its stride, and the slots end below the scratch area", () => {
    const { exports: k, assetSlots } = new KernelHost(releaseModule);
    expect(assetSlots).toBeGreaterThanOrEqual(64);
    expect(k["slotUsedBytes"]!()).toBeLessThanOrEqual(k["slotBytes"]!());
    expect(k["slotAddress"]!(assetSlots)).toBeLessThanOrEqual(k["scratch"]!());
    expect(k["inbox"]!() + 3072).toBeLessThanOrEqual(k["outLadder"]!());
    expect(k["outLadder"]!() + abi.LADDER_SIZE).toBeLessThanOrEqual(k["outEstimates"]!());
    expect(k["scratch"]!() + k["scratchBytes"]!()).toBeLessThanOrEqual(2 * 1024 * 1024);
  });

  test("a different build of the same source quotes the same", () => {
    const quote = (wasm: URL) => {
      const rig = new Rig({}, undefined, KernelHost.compile(readFileSync(wasm)));
      rig.warm(110_000, 0.5, 1);
      rig.position(1234);
      const ladder = rig.quote();
      return [ladder.bids, ladder.asks];
    };
    expect(quote(debugWasm)).toEqual(quote(releaseWasm));
  });
});

describe("the host", () => {
  /** The layout hash as the module's i32.const operand: signed LEB128. */
  function leb(value: number): number[] {
    const bytes: number[] = [];
    for (let v = value | 0; ; ) {
      const low = v & 0x7f;
      v >>= 7;
      const isLast = (v === 0 && (low & 0x40) === 0) || (v === -1 && (low & 0x40) !== 0);
      bytes.push(isLast ? low : low | 0x80);
      if (isLast) return bytes;
    }
  }

  test("refuses a module of another layout, naming both hashes and the remedy", () => {
    const bytes = Buffer.from(readFileSync(releaseWasm));
    const at = bytes.indexOf(Buffer.from([0x41, ...leb(abi.LAYOUT_HASH), 0x0b]));
    expect(at).toBeGreaterThan(0);
    bytes[at + 1]! ^= 1;
    const module = KernelHost.compile(bytes);
    expect(() => new KernelHost(module)).toThrow(
      expect.objectContaining({ code: "layout-mismatch", message: expect.stringContaining("npm run build") }),
    );
  });

  test("refuses bytes that are no module, and a module that is no kernel", () => {
    expect(() => KernelHost.compile(new Uint8Array([1, 2, 3]))).toThrow(KernelError);
    expect(() => KernelHost.compile(new Uint8Array([1, 2, 3]))).toThrow(
      expect.objectContaining({ code: "not-wasm" }),
    );
    const empty = KernelHost.compile(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]));
    expect(() => new KernelHost(empty)).toThrow(expect.objectContaining({ code: "no-such-export" }));
  });

  test("refuses a body that is not whole words or larger than the inbox", () => {
    const rig = new Rig();
    for (const [offset, bytes] of [
      [4, 8],
      [0, 12],
      [0, 4096],
    ] as const) {
      expect(() => rig.host.step(abi.RecordKind.Trade, 0, rig.f64, offset, bytes)).toThrow(
        expect.objectContaining({ code: "bad-record" }),
      );
    }
  });

  test("instances have memories of their own", () => {
    const a = new Rig();
    a.warm(110_000, 0.5, 1);
    const before = a.quote().bids;
    const b = new Rig();
    expect(b.quote().bids).toEqual([]);
    expect(a.quote().bids).toEqual(before);
  });

  test("copies ladder and estimates out as they stand in the outbox", () => {
    const rig = new Rig();
    rig.warm(110_000, 0.5, 1);
    rig.quote();
    rig.host.estimates(0, 1);
    const out = new Float64Array(400);
    rig.host.copyLadderTo(out, 64);
    rig.host.copyEstimatesTo(out, 2048);
    const u8 = new Uint8Array(out.buffer);
    const slice = (at: number, bytes: number): Uint8Array => rig.host.memoryU8.slice(at, at + bytes);
    expect(
      Buffer.compare(u8.slice(64, 64 + abi.LADDER_SIZE), slice(rig.host.ladderOffset, abi.LADDER_SIZE)),
    ).toBe(0);
    expect(
      Buffer.compare(
        u8.slice(2048, 2048 + abi.ESTIMATES_SIZE),
        slice(rig.host.estimatesOffset, abi.ESTIMATES_SIZE),
      ),
    ).toBe(0);
  });

  test("a million steps and quotes allocate nothing", async () => {
    const rig = new Rig();
    rig.warm(110_000, 0.5, 1);
    rig.writeBook(30, [[109_999, 1]], [[110_000, 1]]);
    const out = new Float64Array(abi.LADDER_SIZE / 8);
    const run = (count: number): void => {
      for (let i = 0; i < count; i++) {
        rig.host.step(abi.RecordKind.Book, 0, rig.f64, 0, abi.BOOK_SIZE);
        rig.host.quote(0, 1e9);
        rig.host.copyLadderTo(out, 0);
      }
    };
    run(50_000); // compile first
    let collections = 0;
    const observer = new PerformanceObserver((list) => {
      collections += list.getEntries().length;
    });
    observer.observe({ entryTypes: ["gc"] });
    const before = process.memoryUsage().heapUsed;
    run(1_000_000);
    const grown = process.memoryUsage().heapUsed - before;
    await new Promise((resolve) => setImmediate(resolve));
    observer.disconnect();
    // One byte a step would be a megabyte; what is left is the test's own reporting.
    expect(collections).toBeLessThanOrEqual(1);
    expect(grown).toBeLessThan(1_000_000);
  });
});
