import {
  ESTIMATES_SIZE,
  type KernelStatus,
  LADDER_SIZE,
  LAYOUT_HASH,
  type RecordKind,
} from "../abi/layout.js";

/** Pages of 64 KiB that the kernel uses, equal to asconfig.json: the memory never grows, so views into it never detach. */
const MEMORY_PAGES = 64;
const PAGE_BYTES = 65_536;
/** Where the module's own constants begin (`memoryBase` of asconfig.json); everything that changes lies below. */
const STATIC_AT = 2 * 2 ** 20;
/** Largest record body the inbox takes. */
const INBOX_BYTES = 3072;

/** A kernel module that cannot be used by this build. `code` is stable. */
export class KernelError extends Error {
  override readonly name = "KernelError";
  constructor(
    readonly code: "not-wasm" | "no-such-export" | "layout-mismatch" | "bad-record",
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Everything the engine calls. The module exports more (batch entry points): see `exports`. */
interface EngineExports {
  layoutHash(): number;
  inbox(): number;
  outLadder(): number;
  outEstimates(): number;
  assetSlots(): number;
  resetAsset(slot: number): number;
  step(kind: number, slot: number): number;
  quote(slot: number, nowMonoNs: number): number;
  estimates(slot: number, nowMonoNs: number): number;
}
const ENGINE_EXPORTS: readonly (keyof EngineExports)[] = [
  "layoutHash",
  "inbox",
  "outLadder",
  "outEstimates",
  "assetSlots",
  "resetAsset",
  "step",
  "quote",
  "estimates",
];

/**
 * One kernel instance with a memory of its own (a memory is never shared: instantiation writes static data again).
 *
 * Copies a record body into the inbox, steps, and hands out views on the outboxes. Knows nothing of rings, clocks or business.
 *
 * Thread: the one that made it. Allocates: nothing after construction.
 */
export class KernelHost {
  readonly memoryU8: Uint8Array;
  readonly memoryU32: Uint32Array;
  readonly memoryI32: Int32Array;
  readonly memoryF64: Float64Array;
  /** Byte offsets of the outboxes in the memory views. Rewritten by every `quote` and `estimates`. */
  readonly ladderOffset: number;
  readonly estimatesOffset: number;
  /** Slots are 0..assetSlots-1. */
  readonly assetSlots: number;
  /** Every function of the module, batch entry points included; for tests, reports and the API. */
  readonly exports: Readonly<Record<string, (...args: number[]) => number>>;
  private readonly kernel: EngineExports;
  private readonly inboxWord: number;

  /**
   * @throws {KernelError} `not-wasm` when the bytes are not a WebAssembly module.
   * Compile once, then post the module to each worker.
   */
  static compile(bytes: Uint8Array): WebAssembly.Module {
    try {
      return new WebAssembly.Module(bytes);
    } catch (cause) {
      throw new KernelError(
        "not-wasm",
        "kernel: the file is not a WebAssembly module; run npm run build:kernels",
        { cause },
      );
    }
  }

  /** Where the caller's own memory begins, bytes. */
  static readonly extraAt = MEMORY_PAGES * PAGE_BYTES;

  /**
   * @param extraBytes of memory behind the kernel's own, zeroed, for a caller that works on it together with the kernel.
   * @throws {KernelError} `no-such-export` or `layout-mismatch` when module and program were not built together.
   */
  constructor(module: WebAssembly.Module, extraBytes = 0) {
    const pages = MEMORY_PAGES + Math.ceil(extraBytes / PAGE_BYTES);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const instance = new WebAssembly.Instance(module, { env: { memory } });
    this.exports = instance.exports as Record<string, (...args: number[]) => number>;
    const missing = ENGINE_EXPORTS.filter((name) => typeof this.exports[name] !== "function");
    if (missing.length > 0) {
      throw new KernelError(
        "no-such-export",
        `kernel: the module has no ${missing.join(", ")}; run npm run build:kernels`,
      );
    }
    this.kernel = instance.exports as unknown as EngineExports;
    const hash = this.kernel.layoutHash() >>> 0;
    if (hash !== LAYOUT_HASH) {
      throw new KernelError(
        "layout-mismatch",
        `kernel: the module has record layout 0x${hash.toString(16)}, this build 0x${LAYOUT_HASH.toString(16)}; run npm run build`,
      );
    }
    this.memoryU8 = new Uint8Array(memory.buffer);
    this.memoryU32 = new Uint32Array(memory.buffer);
    this.memoryI32 = new Int32Array(memory.buffer);
    this.memoryF64 = new Float64Array(memory.buffer);
    this.inboxWord = this.kernel.inbox() >>> 3;
    this.ladderOffset = this.kernel.outLadder();
    this.estimatesOffset = this.kernel.outEstimates();
    this.assetSlots = this.kernel.assetSlots();
  }

  /**
   * Copies a record body (8-aligned, as every body in a ring is) into the inbox and folds it into asset `slot`.
   * @returns Ok, or why the record was refused; a refused record changed nothing.
   * @throws {KernelError} `bad-record` when the body is not a whole number of words or larger than any record.
   */
  step(
    kind: RecordKind,
    slot: number,
    src: Float64Array,
    srcByteOffset: number,
    bodyBytes: number,
  ): KernelStatus {
    if (((srcByteOffset | bodyBytes) & 7) !== 0 || bodyBytes > INBOX_BYTES) {
      throw new KernelError("bad-record", `kernel: a body of ${bodyBytes} bytes at ${srcByteOffset}`);
    }
    const dst = this.memoryF64;
    const words = bodyBytes >>> 3;
    const from = srcByteOffset >>> 3;
    const to = this.inboxWord;
    // A word loop, not set(subarray): no view is made per record. Integers pass through f64 loads and stores bit for bit
    // except signalling NaN patterns, which no stamp or id below 2^62 has.
    for (let i = 0; i < words; i++) dst[to + i] = src[from + i]!;
    return this.kernel.step(kind, slot) as KernelStatus;
  }

  /** Back to the state of a new kernel, the caller's memory included. */
  forget(): void {
    this.memoryU8.fill(0, 0, STATIC_AT);
    this.memoryU8.fill(0, KernelHost.extraAt);
  }

  /** Computes the ladder of `slot` at `ladderOffset`. @returns its status; not Ok: no quotes, terms filled where known. */
  quote(slot: number, nowMonoNs: number): KernelStatus {
    return this.kernel.quote(slot, nowMonoNs) as KernelStatus;
  }

  /** Writes what is believed about `slot` at `estimatesOffset`. @returns the gate a quote would meet now. */
  estimates(slot: number, nowMonoNs: number): KernelStatus {
    return this.kernel.estimates(slot, nowMonoNs) as KernelStatus;
  }

  /** Forgets everything about an asset, its config included. */
  resetAsset(slot: number): KernelStatus {
    return this.kernel.resetAsset(slot) as KernelStatus;
  }

  copyLadderTo(dst: Float64Array, dstByteOffset: number): void {
    this.copyOut(this.ladderOffset >>> 3, LADDER_SIZE >>> 3, dst, dstByteOffset >>> 3);
  }

  copyEstimatesTo(dst: Float64Array, dstByteOffset: number): void {
    this.copyOut(this.estimatesOffset >>> 3, ESTIMATES_SIZE >>> 3, dst, dstByteOffset >>> 3);
  }

  private copyOut(from: number, words: number, dst: Float64Array, to: number): void {
    const src = this.memoryF64;
    for (let i = 0; i < words; i++) dst[to + i] = src[from + i]!;
  }
}
