import * as abi from "../../../abi/layout.js";
import { RecordKind } from "../../../abi/layout.js";
import type { RecordSource } from "../convert/records.js";
import { RecordCursor, TapeFileReader } from "../file/reader.js";

/** Where a record's receive time stands in its body. */
export const recvOffset = (kind: number): number =>
  kind === RecordKind.AssetCtx || kind === RecordKind.FeedStatus || kind === RecordKind.Position ? 0 : 8;

const ASSET_AT: Readonly<Record<number, number>> = {
  [RecordKind.Book]: abi.BOOK_ASSET,
  [RecordKind.Trade]: abi.TRADE_ASSET,
  [RecordKind.Bbo]: abi.BBO_ASSET,
  [RecordKind.AssetCtx]: abi.ASSET_CTX_ASSET,
  [RecordKind.OwnFill]: abi.OWN_FILL_ASSET,
  [RecordKind.Position]: abi.POSITION_ASSET,
  [RecordKind.FeedStatus]: abi.FEED_STATUS_ASSET,
  [RecordKind.BookDelta]: abi.BOOK_DELTA_ASSET,
  [RecordKind.Liquidation]: abi.LIQUIDATION_ASSET,
  [RecordKind.OrderEvent]: abi.ORDER_EVENT_ASSET,
  [RecordKind.OwnOrder]: abi.OWN_ORDER_ASSET,
};
/** Further stamps of an own order on the engine's clock; 0: not known. */
const OWN_ORDER_MONO = [
  abi.OWN_ORDER_CAUSE_MONO_NS,
  abi.OWN_ORDER_DECIDED_MONO_NS,
  abi.OWN_ORDER_SENT_MONO_NS,
];

export interface FileSourceOptions {
  /** Added to every time on the recorder's clock, ns. */
  readonly shiftNs?: number;
  /** Added to every exchange stamp, ns. */
  readonly exchShiftNs?: number;
  /** New number of each asset; undefined leaves its records out. */
  readonly assetOf?: (asset: number) => number | undefined;
  /** Records at the start that are left out. */
  readonly skip?: number;
  /** Damaged blocks are left out, which `reader.damagedBlocks` counts; else they are errors. */
  readonly skipDamaged?: boolean;
}

/** The records of a tape file, one by one, with times and assets as asked for. */
export class FileSource implements RecordSource {
  readonly reader: TapeFileReader;
  recvNs = 0;
  hasFront = false;
  asset = 0;
  private readonly cursor = new RecordCursor();
  private readonly records: number;
  private done = 0;
  private readonly shiftNs: number;
  private readonly exchShiftNs: bigint;

  /** @throws {TapeError} */
  constructor(
    readonly path: string,
    private readonly o: FileSourceOptions = {},
  ) {
    this.reader = new TapeFileReader(path, o.skipDamaged);
    this.records = this.reader.blocks.reduce((n, b) => n + b.records, 0);
    this.shiftNs = o.shiftNs ?? 0;
    this.exchShiftNs = BigInt(Math.round(o.exchShiftNs ?? 0));
  }

  get kind(): RecordKind {
    return this.cursor.kind;
  }
  get f64(): Float64Array {
    return this.cursor.block!.f64;
  }
  get i64(): BigInt64Array {
    return this.cursor.block!.i64;
  }
  get u8(): Uint8Array {
    return this.cursor.block!.u8;
  }
  get i32(): Int32Array {
    return this.cursor.block!.i32;
  }
  get at(): number {
    return this.cursor.at;
  }
  get bodyBytes(): number {
    return this.cursor.bodyBytes;
  }
  /** Told by the file before it in its series, too (`TapeMeta.repeated`). */
  get isRepeated(): boolean {
    return this.done <= (this.reader.meta.repeated ?? 0);
  }
  get share(): number {
    return this.records === 0 ? 1 : Math.min(1, this.done / this.records);
  }

  pop(): void {
    this.hasFront = this.advance();
  }

  fill(): Promise<boolean> {
    if (!this.hasFront) this.hasFront = this.advance();
    return Promise.resolve(this.hasFront);
  }

  close(): void {
    this.reader.close();
  }

  private advance(): boolean {
    for (;;) {
      while (!this.cursor.next()) {
        const block = this.reader.nextBlock();
        if (block === undefined) return false;
        this.cursor.load(block);
      }
      if (this.done++ < (this.o.skip ?? 0)) continue;
      const asset = this.o.assetOf === undefined ? this.cursor.asset : this.o.assetOf(this.cursor.asset);
      if (asset === undefined) continue;
      this.asset = asset;
      this.rewrite(asset);
      return true;
    }
  }

  /** In place: a block's bytes are ours, and each record is rewritten once. */
  private rewrite(asset: number): void {
    const { f64, i64, u8, at, kind, shiftNs } = this;
    const recvAt = recvOffset(kind);
    const word = (at + recvAt) >> 3;
    this.recvNs = f64[word]! + shiftNs;
    if (asset !== this.cursor.asset) {
      const assetAt = ASSET_AT[kind];
      if (assetAt !== undefined) {
        u8[at + assetAt] = asset & 0xff;
        u8[at + assetAt + 1] = asset >> 8;
      }
    }
    if (shiftNs !== 0) {
      f64[word] = this.recvNs;
      if (kind === RecordKind.OwnOrder)
        for (const offset of OWN_ORDER_MONO) {
          const i = (at + offset) >> 3;
          if (f64[i] !== 0) f64[i] = f64[i]! + shiftNs;
        }
    }
    if (this.exchShiftNs !== 0n && recvAt === 8 && i64[at >> 3] !== 0n)
      i64[at >> 3] = i64[at >> 3]! + this.exchShiftNs;
  }
}
