/**
 * Skips over what is trivial on a tape: records that move a recorded book or an estimate and nothing else.
 *
 * A backtest's host handles each record in full where it matters: an order of ours is near, a ladder is due, a timer is, a sample is
 * to be taken. Between two such moments it calls `tapeRun`, which applies the records as the host would have and stops *before* the
 * first one that is the host's. Nothing here decides; the same run without it gives the same journal (test/backtest/tape-run.test.ts).
 *
 * A record happens twice: at the venue (`exch`) and when it reaches us (`local`). Both walk decoded blocks of a tape file
 * (src/store/tape/file/format.ts), with the time of each record beside it. The sides of a book are those of ./recorded-side, the times those of ./tape-times.
 *
 * Allocates: nothing.
 */
import {
  BBO_SIZE,
  Bbo,
  BookDelta,
  DeltaFlag,
  KernelStatus,
  RecordKind,
  TRADE_SIZE,
  Trade,
  TradeFlag,
} from "./layout";
import { step } from "./market";
import { INBOX } from "./memory";
import { bestKeyOf, canSetBest, countOf, lowKeyOf, setBest, update } from "./recorded-side";
import { BODY_AT } from "./tape-times";

const OWN_MAX: i32 = 16;

/** What host and kernel tell each other; f64 only, mirrored by `Word` in src/backtest/tape-run.ts. Times: ns, unless said. */
@unmanaged
class Run {
  exchBlock: f64;
  exchEnd: f64;
  exchStart: f64;
  exchIndex: f64;
  exchTimes: f64;
  localBlock: f64;
  localEnd: f64;
  localStart: f64;
  localIndex: f64;
  localTimes: f64;
  timerNs: f64;
  /** The tape's number of the market, and the kernel's slot; below 0: records move the sides, and no engine follows. */
  asset: f64;
  slot: f64;
  pxScale: f64;
  szScale: f64;
  exchBids: f64;
  exchAsks: f64;
  localBids: f64;
  localAsks: f64;
  /** The host's next moments, a hair early: a mark, a sample, a fill's markout. */
  nextMarkNs: f64;
  nextSampleNs: f64;
  nextMarkoutNs: f64;
  /** Of the newest touch or whole change of levels that was skipped; -Infinity: none was. */
  newestExchNs: f64;
  midBefore2Ticks: f64;
  lastTicks: f64;
  hasDeltas: f64;
  /** Newest touch of the tape's own stream; -Infinity: it has none. */
  touchNs: f64;
  nextBookNs: f64;
  /** Arrival of the newest whole change of levels that was skipped, and its stamp in two words; 0: none was. */
  changeNs: f64;
  changeLo: f64;
  changeHi: f64;
  midPx: f64;
  quotedMicro: f64;
  touchMicro: f64;
  quotedNs: f64;
  requoteRatio: f64;
  requoteNs: f64;
  marketRecvNs: f64;
  events: f64;
  levelUpdates: f64;
  records: f64;
  rejected: f64;
  lastNs: f64;
  /** Own orders, best first; ticks follow in two arrays of OWN_MAX. */
  ownBidCount: f64;
  ownAskCount: f64;
  /** Levels beyond the rings that have changed; they follow as Far, in order. */
  farCount: f64;
}

/** A level that lies beyond its side's ring: the host keeps those. */
@unmanaged
class Far {
  side: f64;
  key: f64;
  lots: f64;
}

const OWN_BIDS_AT: usize = offsetof<Run>();
const OWN_ASKS_AT: usize = OWN_BIDS_AT + <usize>OWN_MAX * 8;
const FAR_AT: usize = OWN_ASKS_AT + <usize>OWN_MAX * 8;
const FAR_MAX: f64 = 512;

export function tapeRunBytes(): usize {
  return FAR_AT + <usize>FAR_MAX * offsetof<Far>();
}

/** Runs until something is the host's to do: the state at `at` then tells how far. */
export function tapeRun(at: usize): void {
  const s = changetype<Run>(at);
  const exchBlock = <usize>s.exchBlock;
  const exchEnd = <usize>s.exchEnd;
  const exchTimes = <usize>s.exchTimes;
  const localBlock = <usize>s.localBlock;
  const localEnd = <usize>s.localEnd;
  const localTimes = <usize>s.localTimes;
  const timerNs = s.timerNs;
  const asset = <u32>s.asset;
  let exchStart = <usize>s.exchStart;
  let exchIndex = <usize>s.exchIndex;
  let localStart = <usize>s.localStart;
  let localIndex = <usize>s.localIndex;
  let exchNs = load<f64>(exchTimes + (exchIndex << 3));
  let localNs = load<f64>(localTimes + (localIndex << 3));
  let lastNs = s.lastNs;
  let records: f64 = 0;
  for (;;) {
    // In the same nanosecond the exchange comes first, then timers, then what reaches us.
    if (exchNs <= localNs) {
      if (timerNs < exchNs) break;
      const record = exchBlock + exchStart;
      const next = exchStart + 8 + <usize>load<u32>(record, 4);
      // The last record of a block is the host's: it knows the next block.
      if (next >= exchEnd) break;
      const nextNs = load<f64>(exchTimes + ((exchIndex + 1) << 3));
      if (isNaN(nextNs)) break;
      const head = load<u32>(record);
      if (head >>> 16 == asset && !atExchange(s, at, head & 0xffff, record + BODY_AT, exchNs)) break;
      lastNs = max(lastNs, exchNs);
      exchStart = next;
      exchIndex++;
      exchNs = nextNs;
    } else {
      if (timerNs <= localNs) break;
      const record = localBlock + localStart;
      const next = localStart + 8 + <usize>load<u32>(record, 4);
      if (next >= localEnd) break;
      const nextNs = load<f64>(localTimes + ((localIndex + 1) << 3));
      if (isNaN(nextNs)) break;
      const head = load<u32>(record);
      if (head >>> 16 == asset && !atEngine(s, at, head & 0xffff, record + BODY_AT, localNs)) break;
      lastNs = max(lastNs, localNs);
      localStart = next;
      localIndex++;
      localNs = nextNs;
    }
    records++;
  }
  s.exchStart = <f64>exchStart;
  s.exchIndex = <f64>exchIndex;
  s.localStart = <f64>localStart;
  s.localIndex = <f64>localIndex;
  s.lastNs = lastNs;
  s.records += records;
}

// ---- at the venue ----

/** @returns false when the record is the host's; nothing has changed then. */
function atExchange(s: Run, at: usize, kind: i32, body: usize, exchNs: f64): bool {
  if (exchNs >= s.nextMarkNs || exchNs >= s.nextMarkoutNs) return false;
  const bids = <usize>s.exchBids;
  const asks = <usize>s.exchAsks;
  // While a message is not over the book may be crossed: then the mid before it stands.
  let before: f64 = 0;
  if (countOf(bids) > 0 && countOf(asks) > 0)
    before = bestKeyOf(bids) < -bestKeyOf(asks) ? bestKeyOf(bids) - bestKeyOf(asks) : s.midBefore2Ticks;
  if (kind == RecordKind.BookDelta) {
    if (!deltaAtExchange(s, at, body, exchNs, bids, asks)) return false;
  } else if (kind == RecordKind.Bbo) {
    if (!touchAtExchange(s, at, body, exchNs, bids, asks)) return false;
  } else if (kind == RecordKind.Trade) {
    if ((<i32>Trade.flags(body) & TradeFlag.Backlog) == 0) {
      const ticks = Math.round(Trade.px(body) * s.pxScale);
      const isBuy = Trade.side(body) == 1;
      // The best of our orders on the side that was hit.
      const own = isBuy ? ownAsk(s, at) : ownBid(s, at);
      if (own > 0 && (isBuy ? own <= ticks : own >= ticks)) return false;
      s.lastTicks = ticks;
    }
  } else {
    return false;
  }
  s.midBefore2Ticks = before;
  return true;
}

function touchAtExchange(s: Run, at: usize, body: usize, exchNs: f64, bids: usize, asks: usize): bool {
  const bidTicks = Math.round(Bbo.bidPx(body) * s.pxScale);
  const askTicks = Math.round(Bbo.askPx(body) * s.pxScale);
  const bidLots = Math.round(Bbo.bidSz(body) * s.szScale);
  const askLots = Math.round(Bbo.askSz(body) * s.szScale);
  if (!(bidLots > 0 && askLots > 0 && bidTicks < askTicks)) return false;
  // Only orders of ours at or before the touch can be concerned.
  const bid = ownBid(s, at);
  if (bid > 0 && bid >= bidTicks) return false;
  const ask = ownAsk(s, at);
  if (ask > 0 && ask <= askTicks) return false;
  if (!canSetBest(bids, bidTicks) || !canSetBest(asks, -askTicks)) return false;
  s.newestExchNs = exchNs;
  setBest(bids, bidTicks, bidLots);
  setBest(asks, -askTicks, askLots);
  return true;
}

function deltaAtExchange(s: Run, at: usize, body: usize, exchNs: f64, bids: usize, asks: usize): bool {
  const flags = <i32>BookDelta.flags(body);
  if ((flags & DeltaFlag.Clear) != 0) return false;
  const isBuy = BookDelta.side(body) == 1;
  const ticks = Math.round(BookDelta.px(body) * s.pxScale);
  const lots = Math.round(BookDelta.sz(body) * s.szScale);
  const bid = ownBid(s, at);
  const ask = ownAsk(s, at);
  if (bid > 0 || ask > 0) {
    const own = at + (isBuy ? OWN_BIDS_AT : OWN_ASKS_AT);
    const count = <i32>(isBuy ? s.ownBidCount : s.ownAskCount);
    for (let i = 0; i < count; i++) if (load<f64>(own + ((<usize>i) << 3)) == ticks) return false;
    if (bid > 0 && ((!isBuy && lots > 0 && ticks <= bid) || (countOf(asks) > 0 && -bestKeyOf(asks) <= bid)))
      return false;
    if (ask > 0 && ((isBuy && lots > 0 && ticks >= ask) || (countOf(bids) > 0 && bestKeyOf(bids) >= ask)))
      return false;
  }
  if (!change(s, at, isBuy ? bids : asks, isBuy ? ticks : -ticks, lots)) return false;
  s.hasDeltas = 1;
  if ((flags & DeltaFlag.More) == 0) s.newestExchNs = exchNs;
  return true;
}

/** Best of our bids, ticks; 0 without one. */
function ownBid(s: Run, at: usize): f64 {
  return s.ownBidCount > 0 ? load<f64>(at + OWN_BIDS_AT) : 0;
}
function ownAsk(s: Run, at: usize): f64 {
  return s.ownAskCount > 0 ? load<f64>(at + OWN_ASKS_AT) : 0;
}

// ---- when it reaches us ----

/** @returns false when the record is the host's; nothing has changed then. */
function atEngine(s: Run, at: usize, kind: i32, body: usize, localNs: f64): bool {
  if (localNs >= s.nextSampleNs) return false;
  if (kind == RecordKind.BookDelta) {
    const flags = <i32>BookDelta.flags(body);
    if ((flags & DeltaFlag.Clear) != 0) return false;
    // The host tells the engine of the whole message, if anything.
    const isWhole = (flags & DeltaFlag.More) == 0;
    if (isWhole && s.slot >= 0 && (localNs >= s.nextBookNs || s.touchNs == -Infinity)) return false;
    const ticks = Math.round(BookDelta.px(body) * s.pxScale);
    const lots = Math.round(BookDelta.sz(body) * s.szScale);
    const isBuy = BookDelta.side(body) == 1;
    const isDone = isBuy ? update(<usize>s.localBids, ticks, lots) : update(<usize>s.localAsks, -ticks, lots);
    if (!isDone) return false;
    s.levelUpdates++;
    if (isWhole) {
      s.changeNs = localNs;
      s.changeLo = <f64>load<i32>(body, 0);
      s.changeHi = <f64>load<i32>(body, 4);
    }
    return true;
  }
  if (s.slot < 0) {
    s.events++;
    return true;
  }
  // A ladder is due.
  if (!(localNs - s.quotedNs < s.requoteNs)) return false;
  if (kind == RecordKind.Trade) {
    take(s, kind, body, TRADE_SIZE);
    return true;
  }
  if (kind != RecordKind.Bbo || s.touchNs == -Infinity) return false;
  const bidPx = Bbo.bidPx(body);
  const askPx = Bbo.askPx(body);
  const bidSz = Bbo.bidSz(body);
  const askSz = Bbo.askSz(body);
  if (!(bidSz > 0 && askSz > 0 && bidPx > 0 && askPx > 0)) return false;
  const micro = (bidPx * askSz + askPx * bidSz) / (bidSz + askSz);
  if (!(Math.abs(micro - s.quotedMicro) < s.requoteRatio * micro)) return false;
  s.midPx = (bidPx + askPx) / 2;
  s.touchNs = localNs;
  if (take(s, kind, body, BBO_SIZE)) {
    s.touchMicro = micro;
    s.marketRecvNs = localNs;
  }
  return true;
}

function take(s: Run, kind: i32, body: usize, bytes: usize): bool {
  s.events++;
  memory.copy(INBOX, body, bytes);
  if (step(kind, <i32>s.slot) == KernelStatus.Ok) return true;
  s.rejected++;
  return false;
}

/** One level's new total, near or far. @returns false, and nothing has changed, when it is the host's. */
function change(s: Run, at: usize, side: usize, key: f64, lots: f64): bool {
  if (!(key < lowKeyOf(side) && countOf(side) > 0)) return update(side, key, lots);
  if (s.farCount == FAR_MAX) return false;
  const far = changetype<Far>(at + FAR_AT + <usize>s.farCount * offsetof<Far>());
  far.side = <f64>side;
  far.key = key;
  far.lots = lots;
  s.farCount++;
  return true;
}
