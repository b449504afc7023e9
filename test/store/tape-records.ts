import type { RecordKind } from "../../src/abi/layout.js";
import { RecordCursor, TapeFileReader } from "../../src/store/tape/file/index.js";

/** A record under the cursor; fields by their generated offsets. */
export interface RecordView {
  readonly kind: RecordKind;
  readonly asset: number;
  readonly recvNs: number;
  f64(offset: number): number;
  u8(offset: number): number;
  u32(offset: number): number;
  i64(offset: number): bigint;
}

/** AssetCtx and FeedStatus have no exchange stamp in front. */
const hasStamp = (kind: number): boolean => kind !== 4 && kind !== 10;

export function eachRecord(path: string, see: (r: RecordView) => void): void {
  const reader = new TapeFileReader(path);
  const c = new RecordCursor();
  const view: RecordView = {
    get kind() {
      return c.kind;
    },
    get asset() {
      return c.asset;
    },
    get recvNs() {
      return c.block!.f64[(c.at >> 3) + (hasStamp(c.kind) ? 1 : 0)]!;
    },
    f64: (o) => c.block!.f64[(c.at + o) >> 3]!,
    u8: (o) => c.block!.u8[c.at + o]!,
    u32: (o) => c.block!.i32[(c.at + o) >> 2]! >>> 0,
    i64: (o) => c.block!.i64[(c.at + o) >> 3]!,
  };
  for (let block = reader.nextBlock(); block !== undefined; block = reader.nextBlock()) {
    c.load(block);
    while (c.next()) see(view);
  }
  reader.close();
}
