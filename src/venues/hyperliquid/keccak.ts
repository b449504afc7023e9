/**
 * Keccak-256 with 64-bit lanes, for the digests on the order path.
 *
 * JavaScript has no 64-bit integers without allocation, so a portable keccak spends about 5 µs a block on pairs of 32-bit
 * words; WebAssembly rotates 64-bit words natively and spends about 0.5 µs (`bench/sign.ts`, pair `keccak.noble` and
 * `keccak.wasm`). A batch of ten orders hashes about ten blocks, so this is most of what the signing budget has left
 * beside the curve. The module is assembled at load from the specification's tables: no binary in the repository, no
 * build step, and the result is compared with @noble/hashes when it is first used.
 * Source: Keccak reference, version 3.0 (padding 0x01, rate 136 bytes).
 */
import { keccak_256 } from "@noble/hashes/sha3.js";

/** The part of the WebAssembly interface used here: Node has it, the compiler's ES library does not declare it. */
interface Wasm {
  Module: new (bytes: Uint8Array) => object;
  Memory: new (descriptor: { initial: number }) => { readonly buffer: ArrayBuffer };
  Instance: new (
    module: object,
    imports: Record<string, Record<string, object>>,
  ) => { readonly exports: Readonly<Record<string, unknown>> };
}
const wasm = (globalThis as unknown as { readonly WebAssembly: Wasm }).WebAssembly;

/** Bytes absorbed per permutation at 256 bits of output. */
export const RATE_BYTES = 136;
const DIGEST_AT = 0;
const ROUND_CONSTANTS_AT = 64;
const INPUT_AT = 512;
const PAGE_BYTES = 65_536;
const ROUNDS = 24;

/** WebAssembly opcodes used below. */
const op = {
  loop: 0x03,
  end: 0x0b,
  brIf: 0x0d,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  i64Load: 0x29,
  i64Store: 0x37,
  i32Const: 0x41,
  i64Const: 0x42,
  i32Ne: 0x47,
  i32Add: 0x6a,
  i32Sub: 0x6b,
  i64And: 0x83,
  i64Xor: 0x85,
  i64Rotl: 0x89,
} as const;
const VOID = 0x40;
const I32 = 0x7f;
const I64 = 0x7e;

function uleb(n: number): number[] {
  const out: number[] = [];
  do {
    const rest = n >>> 7;
    out.push((n & 0x7f) | (rest ? 0x80 : 0));
    n = rest;
  } while (n);
  return out;
}

/** Signed LEB128 of a small constant. */
function sleb(n: number): number[] {
  const out: number[] = [];
  for (;;) {
    const byte = n & 0x7f;
    n >>= 7;
    const isLast = (n === 0 && !(byte & 0x40)) || (n === -1 && (byte & 0x40) !== 0);
    out.push(isLast ? byte : byte | 0x80);
    if (isLast) return out;
  }
}

/** Rotation of lane x + 5y: (t+1)(t+2)/2 along the path (x,y) → (y, 2x+3y). */
function rotations(): number[] {
  const out = new Array<number>(25).fill(0);
  let x = 1;
  let y = 0;
  for (let t = 0; t < ROUNDS; t++) {
    out[x + 5 * y] = (((t + 1) * (t + 2)) / 2) % 64;
    [x, y] = [y, (2 * x + 3 * y) % 5];
  }
  return out;
}

/** Iota's constants from the degree-8 LFSR of the specification. */
function roundConstants(): bigint[] {
  const out: bigint[] = [];
  let lfsr = 1;
  for (let round = 0; round < ROUNDS; round++) {
    let rc = 0n;
    for (let j = 0; j <= 6; j++) {
      if (lfsr & 1) rc |= 1n << ((1n << BigInt(j)) - 1n);
      lfsr = lfsr & 0x80 ? ((lfsr << 1) ^ 0x171) & 0xff : lfsr << 1;
    }
    out.push(rc);
  }
  return out;
}

/** Body of `hash(ptr: i32, blocks: i32)`: absorbs whole padded blocks from `ptr`, writes four lanes at `DIGEST_AT`. */
function hashBody(): number[] {
  const ptr = 0;
  const blocks = 1;
  const round = 2;
  const lane = (i: number): number => 3 + i;
  const parity = (x: number): number => 28 + (x % 5);
  const moved = (i: number): number => 33 + i;
  const effect = 58;
  const code: number[] = [];
  const emit = (...bytes: number[]): void => {
    code.push(...bytes);
  };
  const get = (i: number): void => emit(op.localGet, i);
  const set = (i: number): void => emit(op.localSet, i);
  const load = (at: number): void => emit(op.i64Load, 3, ...uleb(at));
  const i32 = (n: number): void => emit(op.i32Const, ...sleb(n));
  const rotate = rotations();

  emit(op.loop, VOID); // one turn a block; locals start at zero
  for (let i = 0; i < RATE_BYTES / 8; i++) {
    get(lane(i));
    get(ptr);
    load(i * 8);
    emit(op.i64Xor);
    set(lane(i));
  }
  i32(0);
  set(round);
  emit(op.loop, VOID); // one turn a round; `round` counts in bytes of the constant table
  for (let x = 0; x < 5; x++) {
    get(lane(x));
    for (let y = 1; y < 5; y++) {
      get(lane(x + 5 * y));
      emit(op.i64Xor);
    }
    set(parity(x));
  }
  for (let x = 0; x < 5; x++) {
    get(parity(x + 4));
    get(parity(x + 1));
    emit(op.i64Const, 1, op.i64Rotl, op.i64Xor);
    set(effect);
    for (let y = 0; y < 5; y++) {
      const from = x + 5 * y;
      get(lane(from));
      get(effect);
      emit(op.i64Xor);
      if (rotate[from]) emit(op.i64Const, ...sleb(rotate[from]!), op.i64Rotl);
      set(moved(y + 5 * ((2 * x + 3 * y) % 5)));
    }
  }
  for (let y = 0; y < 5; y++) {
    for (let x = 0; x < 5; x++) {
      get(moved(x + 5 * y));
      get(moved(((x + 1) % 5) + 5 * y));
      emit(op.i64Const, ...sleb(-1), op.i64Xor);
      get(moved(((x + 2) % 5) + 5 * y));
      emit(op.i64And, op.i64Xor);
      set(lane(x + 5 * y));
    }
  }
  get(lane(0));
  get(round);
  load(ROUND_CONSTANTS_AT);
  emit(op.i64Xor);
  set(lane(0));
  get(round);
  i32(8);
  emit(op.i32Add, op.localTee, round);
  i32(ROUNDS * 8);
  emit(op.i32Ne, op.brIf, 0, op.end);
  get(ptr);
  i32(RATE_BYTES);
  emit(op.i32Add);
  set(ptr);
  get(blocks);
  i32(1);
  emit(op.i32Sub, op.localTee, blocks, op.brIf, 0, op.end);
  for (let i = 0; i < 4; i++) {
    i32(0);
    get(lane(i));
    emit(op.i64Store, 3, ...uleb(DIGEST_AT + i * 8));
  }
  emit(op.end);
  // Locals: the round counter, then 25 lanes, 5 column parities, 25 moved lanes and one theta effect.
  return [2, 1, I32, 56, I64, ...code];
}

function assemble(): object {
  const section = (id: number, body: number[]): number[] => [id, ...uleb(body.length), ...body];
  const name = (text: string): number[] => [text.length, ...Buffer.from(text)];
  const body = hashBody();
  return new wasm.Module(
    Uint8Array.from([
      ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      ...section(1, [1, 0x60, 2, I32, I32, 0]),
      ...section(2, [1, ...name("env"), ...name("memory"), 2, 0, 1]),
      ...section(3, [1, 0]),
      ...section(7, [1, ...name("hash"), 0, 0]),
      ...section(10, [1, ...uleb(body.length), ...body]),
    ]),
  );
}

let compiled: object | undefined;

/**
 * One hasher with its own memory. Write the message into `input`, call `digestInput(length)`, read `digest`.
 *
 * Thread: any, one at a time. Allocates: nothing per hash.
 */
export class Keccak256 {
  /** Room for the message; the padding is written behind it. */
  readonly input: Uint8Array;
  /** The last digest, 32 bytes, overwritten by the next. */
  readonly digest: Uint8Array;
  private readonly run: (ptr: number, blocks: number) => void;

  /** @throws {Error} When this machine's WebAssembly disagrees with the reference implementation. */
  constructor(readonly capacityBytes: number) {
    const bytes = INPUT_AT + (Math.floor(capacityBytes / RATE_BYTES) + 1) * RATE_BYTES;
    const memory = new wasm.Memory({ initial: Math.ceil(bytes / PAGE_BYTES) });
    const table = new DataView(memory.buffer, ROUND_CONSTANTS_AT);
    roundConstants().forEach((rc, i) => {
      table.setBigUint64(i * 8, rc, true);
    });
    compiled ??= assemble();
    const instance = new wasm.Instance(compiled, { env: { memory } });
    this.run = instance.exports["hash"] as (ptr: number, blocks: number) => void;
    this.input = new Uint8Array(memory.buffer, INPUT_AT, bytes - INPUT_AT);
    this.digest = new Uint8Array(memory.buffer, DIGEST_AT, 32);
    this.selfTest();
  }

  /** @throws {RangeError} When `length` exceeds the capacity. */
  digestInput(length: number): void {
    if (!(length >= 0 && length <= this.capacityBytes)) {
      throw new RangeError(`keccak: ${length} bytes exceed the capacity of ${this.capacityBytes}`);
    }
    const blocks = Math.floor(length / RATE_BYTES) + 1;
    const last = blocks * RATE_BYTES - 1;
    this.input.fill(0, length, last + 1);
    this.input[length] = 1;
    this.input[last]! |= 0x80;
    this.run(INPUT_AT, blocks);
  }

  private selfTest(): void {
    for (const length of [0, Math.min(200, this.capacityBytes)]) {
      for (let i = 0; i < length; i++) this.input[i] = i;
      const expected = keccak_256(this.input.slice(0, length));
      this.digestInput(length);
      if (!expected.every((b, i) => b === this.digest[i])) {
        throw new Error(
          "keccak: the WebAssembly digest differs from the reference; refusing to sign with it",
        );
      }
    }
  }
}
