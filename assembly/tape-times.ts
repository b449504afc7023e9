/**
 * When the records of a tape's block happen and when they reach us. Allocates: nothing.
 */
import { RecordKind } from "./layout";

/** From the start of a record to its struct body (BODY_AT of src/store/tape/file/format.ts). */
export const BODY_AT: usize = 24;

/** How the times of a block's records follow from their stamps; mirrored by `TIMES_WORDS` in src/backtest/tape-run.ts. */
@unmanaged
class Times {
  block: f64;
  end: f64;
  exchTimes: f64;
  localTimes: f64;
  /** Newest times so far: neither runs back. */
  stampedNs: f64;
  arrivedNs: f64;
  /** How long the last record with a stamp travelled. */
  travelNs: f64;
  /** Of the tape's base, in two words, and of the venue's clock from it. */
  baseHi: f64;
  baseLo: f64;
  offsetNs: f64;
  /** Without a leak test's shift. */
  trueOffsetNs: f64;
  /** A record arrives so long after it was received (1) or has happened (0). */
  isFromRecv: f64;
  delayNs: f64;
}

export function tapeTimesBytes(): usize {
  return offsetof<Times>();
}

/** The times of all records of a block, as `TapeWindow` reckons them where a block is not wholly in range. */
export function tapeTimes(at: usize): void {
  const t = changetype<Times>(at);
  const block = <usize>t.block;
  const end = <usize>t.end;
  const isFromRecv = t.isFromRecv == 1;
  let exchAt = <usize>t.exchTimes;
  let localAt = <usize>t.localTimes;
  let stampedNs = t.stampedNs;
  let arrivedNs = t.arrivedNs;
  let travelNs = t.travelNs;
  for (let start: usize = 0; start < end; ) {
    const record = block + start;
    const body = record + BODY_AT;
    const kind = <i32>load<u16>(record);
    start += 8 + <usize>load<u32>(record, 4);
    if (kind == RecordKind.OwnOrder) {
      store<f64>(exchAt, NaN);
      store<f64>(localAt, NaN);
    } else {
      const hasStamp = kind != RecordKind.AssetCtx && kind != RecordKind.FeedStatus;
      const recvAt = hasStamp ? body + 8 : body;
      const recvNs = load<f64>(recvAt);
      const lo = load<u32>(body);
      const hi = load<i32>(body, 4);
      const isStamped = hasStamp && (lo != 0 || hi != 0);
      const happenedNs = isStamped
        ? (<f64>hi - t.baseHi) * 4294967296 + (<f64>lo - t.baseLo) + t.offsetNs
        : recvNs - travelNs;
      if (isStamped) travelNs = max<f64>(0, recvNs - happenedNs);
      if (happenedNs > stampedNs) stampedNs = happenedNs;
      arrivedNs = max(arrivedNs, (isFromRecv ? recvNs : stampedNs) + t.delayNs);
      store<f64>(exchAt, stampedNs);
      store<f64>(localAt, arrivedNs);
      if (!isStamped && (kind <= RecordKind.Bbo || kind == RecordKind.BookDelta)) {
        const ns = t.baseLo + Math.floor(stampedNs - t.trueOffsetNs);
        const carry = Math.floor(ns / 4294967296);
        store<u32>(body, <u32>(ns - carry * 4294967296));
        store<i32>(body, <i32>(t.baseHi + carry), 4);
      }
      store<f64>(recvAt, arrivedNs);
    }
    exchAt += 8;
    localAt += 8;
  }
  t.stampedNs = stampedNs;
  t.arrivedNs = arrivedNs;
  t.travelNs = travelNs;
}
