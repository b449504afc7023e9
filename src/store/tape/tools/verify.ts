import * as abi from "../../../abi/layout.js";
import { DeltaFlag, FeedState, RecordKind, RecordKindName } from "../../../abi/layout.js";
import { pow10 } from "../../../domain/index.js";
import type { TapeInstrument } from "../file/format.js";
import { RecordCursor, TapeFileReader } from "../file/reader.js";
import type { Progressed } from "./cut.js";
import { recvOffset } from "./file-source.js";
import { MarketState } from "./market-state.js";

export interface VerifyReport {
  readonly path: string;
  readonly records: number;
  readonly blocks: number;
  readonly problems: number;
  readonly byReason: Readonly<Record<string, number>>;
  /** The first of each reason, with their place. */
  readonly samples: readonly string[];
}

const SAMPLES_PER_REASON = 3;
const DAY_NS = 86_400e9;
const PROGRESS_EVERY = 65_536;
/** A price or size is on the grid when it is so near a whole number of ticks or lots, relatively. */
const GRID_TOLERANCE = 1e-9;

/** Checks every block and every record. @throws {TapeError} only when the file is no tape at all. Thread: any. */
export function verifyTape(path: string, onProgress?: Progressed): VerifyReport {
  return new Verifier(path).run(onProgress);
}

class Verifier {
  private records = 0;
  private problems = 0;
  private readonly byReason = new Map<string, number>();
  private readonly samples: string[] = [];
  private readonly reader: TapeFileReader;
  private readonly markets = new Map<number, MarketState>();
  private readonly crossed = new Set<number>();
  private lastRecvNs = Number.NEGATIVE_INFINITY;
  private readonly base: number;

  constructor(private readonly path: string) {
    this.reader = new TapeFileReader(path, true);
    this.base = Number(BigInt(this.reader.meta.baseWallNs));
    for (const i of this.reader.meta.instruments) this.markets.set(i.asset, new MarketState(i, false));
  }

  run(onProgress?: Progressed): VerifyReport {
    const { reader } = this;
    const total = reader.blocks.reduce((n, b) => n + b.records, 0);
    let blocks = 0;
    let damaged = 0;
    let lastOffset = 0;
    try {
      const cursor = new RecordCursor();
      for (;;) {
        const block = nextBlock(reader);
        if (block instanceof Error) {
          this.problem("damaged block", block.message);
          break;
        }
        if (reader.damagedBlocks > damaged) {
          this.problem(
            "damaged block",
            `${reader.damagedBlocks - damaged} between byte ${lastOffset} and ${block?.info.offset ?? "the end"}`,
            reader.damagedBlocks - damaged,
          );
          damaged = reader.damagedBlocks;
        }
        if (block === undefined) break;
        blocks++;
        lastOffset = block.info.offset;
        cursor.load(block);
        let inBlock = 0;
        while (cursor.next()) {
          inBlock++;
          this.record(cursor);
          if (++this.records % PROGRESS_EVERY === 0)
            onProgress?.(this.records / Math.max(1, total), this.records);
        }
        if (inBlock !== block.info.records)
          this.problem(
            "record count",
            `block at byte ${lastOffset} says ${block.info.records}, holds ${inBlock}`,
          );
      }
    } finally {
      reader.close();
    }
    if (reader.tornBytes > 0)
      this.problem(
        "torn end",
        `${reader.tornBytes} bytes behind the last whole block: the writer was killed`,
      );
    else if (!reader.isClosed)
      this.problem("not closed", "no index: still being written, or the writer was killed");
    for (const [asset, m] of this.markets)
      if (m.isOpen && this.crossed.has(asset))
        this.problem("crossed book", `${m.instrument.coin}: the last message is open and crossed`);
    return {
      path: this.path,
      records: this.records,
      blocks,
      problems: this.problems,
      byReason: Object.fromEntries(this.byReason),
      samples: this.samples,
    };
  }

  private record(c: RecordCursor): void {
    const { kind, asset, at } = c;
    const { f64, i64, u8 } = c.block!;
    const market = this.markets.get(asset);
    if (!RecordKindName.has(kind) || kind === 0) {
      this.problem("unknown kind", `${kind}, ${this.where()}`);
      return;
    }
    if (market === undefined) {
      this.problem("unknown asset", `${asset}, ${this.where()}`);
      return;
    }
    const recvAt = recvOffset(kind);
    const recvNs = f64[(at + recvAt) >> 3]!;
    if (!Number.isFinite(recvNs)) this.problem("receive time is not a number", this.where());
    else if (recvNs < this.lastRecvNs)
      this.problem("receive time runs back", `by ${(this.lastRecvNs - recvNs) / 1e6} ms, ${this.where()}`);
    else this.lastRecvNs = recvNs;
    if (recvAt === 8 && i64[at >> 3] !== 0n && Math.abs(Number(i64[at >> 3]!) - this.base - recvNs) > DAY_NS)
      this.problem("exchange time a day or more off", this.where());
    this.body(c, market);
    if (kind !== RecordKind.BookDelta && kind !== RecordKind.FeedStatus) return;
    if (
      kind === RecordKind.BookDelta &&
      !market.hasSnapshot &&
      (u8[at + abi.BOOK_DELTA_FLAGS]! & DeltaFlag.Clear) === 0
    )
      this.problem("level change without a snapshot", this.where());
    market.apply({ kind, at, f64, u8, i64, i32: c.block!.i32, bodyBytes: c.bodyBytes });
    if (market.isOpen) return;
    const isCrossed = market.book.isCrossed;
    if (isCrossed && !this.crossed.has(asset))
      this.problem(
        "crossed book",
        `bid ${market.book.bids.bestTicks}, ask ${market.book.asks.bestTicks} ticks, ${this.where()}`,
      );
    if (isCrossed) this.crossed.add(asset);
    else this.crossed.delete(asset);
  }

  private body(c: RecordCursor, m: MarketState): void {
    const { at } = c;
    const { f64, u8 } = c.block!;
    const value = (offset: number): number => f64[(at + offset) >> 3]!;
    const { instrument } = m;
    switch (c.kind) {
      case RecordKind.BookDelta:
        this.priced(instrument, value(abi.BOOK_DELTA_PX), value(abi.BOOK_DELTA_SZ), true);
        this.side(u8[at + abi.BOOK_DELTA_SIDE]!);
        return;
      case RecordKind.Trade:
        this.priced(instrument, value(abi.TRADE_PX), value(abi.TRADE_SZ), false);
        this.side(u8[at + abi.TRADE_SIDE]!);
        return;
      case RecordKind.Liquidation:
        this.priced(instrument, value(abi.LIQUIDATION_PX), value(abi.LIQUIDATION_SZ), false);
        this.side(u8[at + abi.LIQUIDATION_SIDE]!);
        return;
      case RecordKind.Bbo: {
        const [bid, ask] = [value(abi.BBO_BID_PX), value(abi.BBO_ASK_PX)];
        for (const [px, sz] of [
          [bid, value(abi.BBO_BID_SZ)],
          [ask, value(abi.BBO_ASK_SZ)],
        ] as const)
          if (px !== 0 || sz !== 0) this.priced(instrument, px, sz, false);
        if (bid > 0 && ask > 0 && bid >= ask) this.problem("crossed bbo", `${bid} / ${ask}, ${this.where()}`);
        return;
      }
      case RecordKind.Book:
        this.book(c, instrument);
        return;
      case RecordKind.FeedStatus:
        if (u8[at + abi.FEED_STATUS_STATE]! > FeedState.Resync)
          this.problem("unknown feed state", this.where());
        return;
      default:
    }
  }

  private book(c: RecordCursor, instrument: TapeInstrument): void {
    const { f64, u8 } = c.block!;
    const best = [0, 0];
    for (const [n, way, countAt, levelsAt] of [
      [0, 1, abi.BOOK_BID_COUNT, abi.BOOK_BIDS],
      [1, -1, abi.BOOK_ASK_COUNT, abi.BOOK_ASKS],
    ] as const) {
      const count = u8[c.at + countAt]!;
      if (count > abi.BOOK_BIDS_CAPACITY) {
        this.problem("book with too many levels", this.where());
        return;
      }
      let last = Number.NaN;
      for (let i = 0; i < count; i++) {
        const level = c.at + levelsAt + i * abi.LEVEL_SIZE;
        const px = f64[(level + abi.LEVEL_PX) >> 3]!;
        this.priced(instrument, px, f64[(level + abi.LEVEL_SZ) >> 3]!, false);
        if (i > 0 && way * px >= way * last) this.problem("levels out of order", this.where());
        last = px;
        if (i === 0) best[n] = px;
      }
    }
    if (best[0]! > 0 && best[1]! > 0 && best[0]! >= best[1]!)
      this.problem("crossed book", `${best[0]} / ${best[1]}, ${this.where()}`);
  }

  private priced(i: TapeInstrument, px: number, sz: number, mayBeGone: boolean): void {
    if (!(px > 0) || !(sz >= 0) || !Number.isFinite(px) || !Number.isFinite(sz) || (sz === 0 && !mayBeGone)) {
      this.problem("price or size out of range", `${px}, ${sz}, ${this.where()}`);
      return;
    }
    if (!isWhole(px * pow10(i.pxDecimals)) || !isWhole(sz * pow10(i.szDecimals)))
      this.problem("price or size off the grid", `${px}, ${sz}, ${this.where()}`);
  }

  private side(byte: number): void {
    if (byte !== 1 && byte !== 255) this.problem("side is neither buy nor sell", this.where());
  }

  private where(): string {
    return `record ${this.records}`;
  }

  private problem(reason: string, detail: string, times = 1): void {
    const seen = this.byReason.get(reason) ?? 0;
    this.byReason.set(reason, seen + times);
    this.problems += times;
    if (seen < SAMPLES_PER_REASON) this.samples.push(`${reason}: ${detail}`);
  }
}

function nextBlock(reader: TapeFileReader): ReturnType<TapeFileReader["nextBlock"]> | Error {
  try {
    return reader.nextBlock();
  } catch (error) {
    return error as Error;
  }
}

const isWhole = (x: number): boolean =>
  Math.abs(x - Math.round(x)) <= Math.max(1, Math.abs(x)) * GRID_TOLERANCE;
