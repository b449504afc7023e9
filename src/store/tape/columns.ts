/**
 * A tape in memory: one row per event in typed arrays on shared memory, so that the import worker hands it over without a
 * copy. Books keep their levels in side arrays.
 *
 * | kind  | a            | b         | c         | d         |
 * |-------|--------------|-----------|-----------|-----------|
 * | book  | first level  | bid count | ask count |           |
 * | bbo   | bid px ticks | bid lots  | ask px    | ask lots  |
 * | trade | px ticks     | sz lots   | side ±1   | trade id  |
 * | gap   |              |           |           |           |
 */
export const TapeKind = { Book: 1, Bbo: 2, Trade: 3, Gap: 4 } as const;
export type TapeKind = (typeof TapeKind)[keyof typeof TapeKind];

export const FLAG_BACKLOG = 1;

export const TAPE_LEVELS = 20;

export interface TapeColumns {
  readonly count: number;
  readonly kind: Uint8Array;
  readonly flags: Uint8Array;
  readonly recvMs: Float64Array;
  /** NaN before finishing where the exchange gave no stamp. */
  readonly exchMs: Float64Array;
  readonly a: Float64Array;
  readonly b: Float64Array;
  readonly c: Float64Array;
  readonly d: Float64Array;
  readonly levelCount: number;
  readonly levelPx: Float64Array;
  readonly levelSz: Float64Array;
  readonly levelOrders: Uint32Array;
}

/** Growing columns. One writer; rows are appended in receive order. */
export class ColumnsBuilder implements TapeColumns {
  count = 0;
  levelCount = 0;
  kind = new Uint8Array(1024);
  flags = new Uint8Array(1024);
  recvMs = new Float64Array(1024);
  exchMs = new Float64Array(1024);
  a = new Float64Array(1024);
  b = new Float64Array(1024);
  c = new Float64Array(1024);
  d = new Float64Array(1024);
  levelPx = new Float64Array(4096);
  levelSz = new Float64Array(4096);
  levelOrders = new Uint32Array(4096);

  row(
    kind: TapeKind,
    recvMs: number,
    exchMs: number,
    a: number,
    b: number,
    c: number,
    d: number,
    flags = 0,
  ): void {
    if (this.count === this.kind.length) this.growRows();
    const i = this.count++;
    this.kind[i] = kind;
    this.flags[i] = flags;
    this.recvMs[i] = recvMs;
    this.exchMs[i] = exchMs;
    this.a[i] = a;
    this.b[i] = b;
    this.c[i] = c;
    this.d[i] = d;
  }

  /** Appends a level of the book row that follows; bids first, best first. */
  level(pxTicks: number, szLots: number, orders: number): void {
    if (this.levelCount === this.levelPx.length) {
      this.levelPx = grown(this.levelPx, new Float64Array(this.levelCount * 2));
      this.levelSz = grown(this.levelSz, new Float64Array(this.levelCount * 2));
      this.levelOrders = grown(this.levelOrders, new Uint32Array(this.levelCount * 2));
    }
    const i = this.levelCount++;
    this.levelPx[i] = pxTicks;
    this.levelSz[i] = szLots;
    this.levelOrders[i] = orders;
  }

  book(recvMs: number, exchMs: number, bidCount: number, askCount: number): void {
    this.row(TapeKind.Book, recvMs, exchMs, this.levelCount - bidCount - askCount, bidCount, askCount, 0);
  }

  copyRow(from: TapeColumns, i: number, recvMs: number, exchMs: number): void {
    const kind = from.kind[i] as TapeKind;
    if (kind === TapeKind.Book) {
      const first = from.a[i]!;
      const bids = from.b[i]!;
      const asks = from.c[i]!;
      for (let k = first; k < first + bids + asks; k++)
        this.level(from.levelPx[k]!, from.levelSz[k]!, from.levelOrders[k]!);
      this.book(recvMs, exchMs, bids, asks);
      return;
    }
    this.row(kind, recvMs, exchMs, from.a[i]!, from.b[i]!, from.c[i]!, from.d[i]!, from.flags[i]!);
  }

  /** Right-sized copy on shared memory. */
  toShared(): TapeColumns {
    const f64 = (from: Float64Array, n: number): Float64Array => {
      const to = new Float64Array(new SharedArrayBuffer(n * 8));
      to.set(from.subarray(0, n));
      return to;
    };
    const u8 = (from: Uint8Array, n: number): Uint8Array => {
      const to = new Uint8Array(new SharedArrayBuffer(n));
      to.set(from.subarray(0, n));
      return to;
    };
    const levelOrders = new Uint32Array(new SharedArrayBuffer(this.levelCount * 4));
    levelOrders.set(this.levelOrders.subarray(0, this.levelCount));
    return {
      count: this.count,
      kind: u8(this.kind, this.count),
      flags: u8(this.flags, this.count),
      recvMs: f64(this.recvMs, this.count),
      exchMs: f64(this.exchMs, this.count),
      a: f64(this.a, this.count),
      b: f64(this.b, this.count),
      c: f64(this.c, this.count),
      d: f64(this.d, this.count),
      levelCount: this.levelCount,
      levelPx: f64(this.levelPx, this.levelCount),
      levelSz: f64(this.levelSz, this.levelCount),
      levelOrders,
    };
  }

  private growRows(): void {
    const n = this.kind.length * 2;
    this.kind = grown(this.kind, new Uint8Array(n));
    this.flags = grown(this.flags, new Uint8Array(n));
    this.recvMs = grown(this.recvMs, new Float64Array(n));
    this.exchMs = grown(this.exchMs, new Float64Array(n));
    this.a = grown(this.a, new Float64Array(n));
    this.b = grown(this.b, new Float64Array(n));
    this.c = grown(this.c, new Float64Array(n));
    this.d = grown(this.d, new Float64Array(n));
  }
}

function grown<T extends Float64Array | Uint8Array | Uint32Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
