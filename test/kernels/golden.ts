/**
 * Runs a file of shared vectors against the kernel: every case of the ops in `ops`, release and debug builds; prints what is not covered yet.
 * Comparison (models.md 0.3): |x - e| <= abs + rel |e|; expected null means "no value" (NaN here).
 */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { KernelHost } from "../../src/kernels/index.js";
import { debugWasm, releaseWasm } from "./rig.js";

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Input = { [key: string]: Json };
interface Tolerance {
  rel: number;
  abs: number;
}
interface VectorFile {
  tolerance: Tolerance & { per_op?: Record<string, Tolerance> };
  cases: { name: string; input: Input & { op: string }; expected: Json; tolerance?: Tolerance }[];
}

/** The batch exports of one instance with the scratch area as numbers. */
export class Batch {
  readonly host: KernelHost;
  private readonly scratchWord: number;

  constructor(readonly wasm: URL) {
    this.host = new KernelHost(KernelHost.compile(readFileSync(wasm)));
    this.scratchWord = this.call("scratch") >>> 3;
  }
  call(name: string, ...args: (number | boolean)[]): number {
    called.add(name);
    const fn = this.host.exports[name];
    if (!fn) throw new Error(`the kernel has no export ${name}`);
    return fn(...args.map(Number));
  }
  /** f64 at a byte offset of scratch. */
  get(byteOffset: number): number {
    return this.host.memoryF64[this.scratchWord + (byteOffset >> 3)]!;
  }
  getAll(byteOffset: number, count: number): number[] {
    return Array.from({ length: count }, (_, i) => this.get(byteOffset + i * 8));
  }
  put(byteOffset: number, values: readonly number[]): void {
    this.host.memoryF64.set(values, this.scratchWord + (byteOffset >> 3));
  }
  /** f64 at an absolute address. */
  at(address: number): number {
    return this.host.memoryF64[address >>> 3]!;
  }
}

/** Names of all exports that any golden test of this process has called. */
export const called = new Set<string>();

export type Op = (k: Batch, input: Input) => Json;

/** A number as the vectors encode it. */
export function num(v: Json | undefined): number {
  if (v === "NaN" || v === null || v === undefined) return Number.NaN;
  if (v === "Infinity") return Number.POSITIVE_INFINITY;
  if (v === "-Infinity") return Number.NEGATIVE_INFINITY;
  if (typeof v !== "number") throw new Error(`not a number: ${JSON.stringify(v)}`);
  return v;
}
export const nums = (v: Json | undefined): number[] => (v as Json[]).map(num);
export const rows = (v: Json | undefined): number[][] => (v as Json[]).map(nums);

/** First difference as text, undefined when equal within tolerance. */
export function difference(got: Json | undefined, want: Json, tol: Tolerance, path = ""): string | undefined {
  if (want === null) {
    const none = got === null || got === undefined || (typeof got === "number" && Number.isNaN(got));
    return none ? undefined : `${path}: got ${JSON.stringify(got)}, want no value`;
  }
  if (typeof want === "number") {
    const ok = typeof got === "number" && Math.abs(got - want) <= tol.abs + tol.rel * Math.abs(want);
    return ok ? undefined : `${path}: got ${String(got)}, want ${want}`;
  }
  if (Array.isArray(want)) {
    if (!Array.isArray(got) || got.length !== want.length) return `${path}: length ${JSON.stringify(got)}`;
    for (let i = 0; i < want.length; i++) {
      const d = difference(got[i], want[i]!, tol, `${path}[${i}]`);
      if (d) return d;
    }
    return undefined;
  }
  if (typeof want === "object") {
    if (typeof got !== "object" || got === null || Array.isArray(got)) return `${path}: not an object`;
    for (const [key, value] of Object.entries(want)) {
      const d = difference(got[key], value, tol, `${path}.${key}`);
      if (d) return d;
    }
    return undefined;
  }
  return got === want ? undefined : `${path}: got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`;
}

const shared = (name: string): URL => new URL(`../../../shared/golden/${name}.json`, import.meta.url);

export function runGolden(name: string, ops: Record<string, Op>): void {
  const url = shared(name);
  if (!existsSync(url)) {
    test.skip(`${name} vectors (skipped: no shared data)`, () => {});
    return;
  }
  const file = JSON.parse(readFileSync(url, "utf8")) as VectorFile;
  const all = new Map<string, number>();
  for (const c of file.cases) all.set(c.input.op, (all.get(c.input.op) ?? 0) + 1);
  const missing = [...all.keys()].filter((op) => !(op in ops));
  if (missing.length > 0) console.info(`${name}: vectors not covered yet: ${missing.join(", ")}`);

  describe.each([
    ["release", releaseWasm],
    ["debug", debugWasm],
  ] as const)(`${name} vectors, %s build`, (_, wasm) => {
    const kernel = new Batch(wasm);
    test.each(Object.keys(ops))("%s", (op) => {
      const cases = file.cases.filter((c) => c.input.op === op);
      expect(cases.length, `${op} has vectors`).toBeGreaterThan(0);
      for (const c of cases) {
        const tol = c.tolerance ?? file.tolerance.per_op?.[op] ?? file.tolerance;
        const got = ops[op]!(kernel, c.input);
        expect(difference(got, c.expected, tol), c.name).toBeUndefined();
      }
    });
  });
}
