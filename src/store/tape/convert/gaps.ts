import * as abi from "../../../abi/layout.js";
import { DeltaFlag, FeedState, RecordKind } from "../../../abi/layout.js";
import type { TapeFileWriter } from "../file/writer.js";
import { ClockOffset, RecordQueue, type RecordSource } from "./records.js";
import type { Timeline } from "./times.js";

/** The best view of a market that an asset's records have given so far. */
const Sees = { Nothing: 0, Touch: 1, Book: 2 } as const;
type Sees = (typeof Sees)[keyof typeof Sees];

const seesOf = (kind: RecordKind): Sees => {
  if (kind === RecordKind.Book || kind === RecordKind.BookDelta) return Sees.Book;
  return kind === RecordKind.Bbo ? Sees.Touch : Sees.Nothing;
};

export interface GapRules {
  /** Changes of levels make a whole book behind a snapshot only: the recording went on without some of them. */
  readonly needsSnapshot?: boolean;
}

/**
 * Marks where an asset's recording broke off: Resync at its end, Live behind the first record after the gap that shows as much
 * of the market as those before it did: a whole book where there were books, else a touch, else anything.
 */
export class GapMarker {
  private readonly seen = new Map<number, Sees>();
  private readonly waiting = new Set<number>();
  private readonly record: RecordQueue;

  constructor(
    private readonly writer: TapeFileWriter,
    times: Timeline,
    private readonly rules: GapRules = {},
  ) {
    this.record = new RecordQueue(times, new ClockOffset());
  }

  /** Those that had records so far. */
  get assets(): IterableIterator<number> {
    return this.seen.keys();
  }

  /** Nothing is known of the asset from here on. */
  lost(asset: number, recvNs: number): void {
    if (!this.seen.has(asset)) return;
    this.status(asset, recvNs, FeedState.Resync);
    this.waiting.add(asset);
  }

  /** The record has been written. */
  after(s: RecordSource): void {
    const { asset, kind } = s;
    if (kind === RecordKind.OwnOrder || kind === RecordKind.FeedStatus) return;
    const sees = seesOf(kind);
    const before = this.seen.get(asset) ?? Sees.Nothing;
    if (sees >= before) {
      if (this.waiting.has(asset) && !goesOn(s) && this.isWhole(s)) {
        this.waiting.delete(asset);
        this.status(asset, s.recvNs, FeedState.Live);
      }
      this.seen.set(asset, sees);
    }
  }

  private isWhole(s: RecordSource): boolean {
    if (this.rules.needsSnapshot !== true || s.kind !== RecordKind.BookDelta) return true;
    return (flagsOf(s) & DeltaFlag.Snapshot) !== 0;
  }

  private status(asset: number, recvNs: number, state: FeedState): void {
    const { record } = this;
    record.status(asset, recvNs, state);
    this.writer.append(record.kind, asset, record.f64, record.at, record.bodyBytes, recvNs);
    record.pop();
  }
}

/** A level of a message that is not over. */
const goesOn = (s: RecordSource): boolean =>
  s.kind === RecordKind.BookDelta && (flagsOf(s) & DeltaFlag.More) !== 0;

const flagsOf = ({ f64, at }: RecordSource): number =>
  new DataView(f64.buffer, f64.byteOffset).getUint8(at + abi.BOOK_DELTA_FLAGS);
