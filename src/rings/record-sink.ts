import type { RecordKind } from "../abi/layout.js";

/**
 * Where decoded records are written: a ring, or a plain buffer in tests. One writer.
 *
 * Write protocol: `reserve` → fill the body in place through the views → `commit`; after the last record of a frame,
 * `publish`. `rollback` forgets everything committed since the last publish, so that a frame is visible whole or not at all.
 */
export interface RecordSink {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly f64: Float64Array;
  /** Byte offset (8-aligned) of a body of `bodyBytes` in the views, or -1 when there is no room. */
  reserve(kind: RecordKind, bodyBytes: number): number;
  commit(): void;
  publish(): void;
  rollback(): void;
}
