import { FeedState, FeedStateName, RecordKind, RecordKindName } from "../../abi/layout.js";
import type { Clock, Instrument } from "../../domain/index.js";
import type { WireTap } from "../port.js";
import { type FrameDecoder, FrameOutcome } from "./decode.js";
import { FeedCounter, type FeedCounters, MARKET_STREAMS, StreamTimes } from "./feed-counters.js";

export type FeedLogLevel = "debug" | "info" | "warn" | "error";
export type FeedLog = (level: FeedLogLevel, event: string, fields: Readonly<Record<string, unknown>>) => void;

/** Where a frame came from. */
export const FeedSource = { Own: 0, Pushed: 1, Standby: 2 } as const;
export type FeedSource = (typeof FeedSource)[keyof typeof FeedSource];
const SOURCES = 3;
const SOURCE_TEXT = ["venue", "push", "standby"] as const;

export interface IntakeOptions {
  /** An asset without market data for longer is Stale. */
  readonly staleAfterMs: number;
  /** Two venue connections tell the same market: the first frame wins, what the other repeats is dropped. Default false. */
  readonly hasStandby?: boolean;
}

/** What happens to an intake apart from frames; with the frames it is all that a replay needs. */
export type IntakeNews =
  | "up"
  | "down"
  | "standby-up"
  | "standby-down"
  | "tick"
  | "future"
  | "no-room"
  | "backlog";

export interface IntakeDeps {
  readonly clock: Clock;
  readonly log: FeedLog;
  readonly counters: FeedCounters;
  /** When each stream last spoke, for metrics; own memory without. */
  readonly streamTimes?: StreamTimes;
  /** Told the decode time in ns of every decoded frame. */
  readonly decodeLatency?: { record(ns: number): void };
  readonly tap?: WireTap;
  /** Told what a frame's bytes alone do not tell, before the frame that it belongs to. */
  readonly onNote?: (note: IntakeNews, nowNs: number) => void;
  /** Journals what came through the relay's push port. */
  readonly pushedTap?: (frame: Uint8Array, recvMonoNs: number) => void;
  /** Journals what the second venue connection told. Default: as the first's. */
  readonly standbyTap?: (frame: Uint8Array, recvMonoNs: number) => void;
  /** Records of this asset were published. */
  readonly wake?: (asset: number) => void;
  /** A valid frame of a known asset, as it came; the bytes are only lent. */
  readonly fanOut?: (kind: RecordKind, asset: number, frame: Uint8Array) => void;
  /** Envelopes of other channels from the own connection. */
  readonly onControl?: (channel: string, data: unknown, source: FeedSource) => void;
}

const NS_PER_MS = 1e6;
/** The offset estimate is the minimum over the last one to two of these. */
const OFFSET_WINDOW_NS = 30e9;
const LOG_EVERY_NS = 1e9;
/** A pushed frame may be stamped this much later than the clock says: less than the silence that makes an asset stale. */
const FUTURE_TOLERANCE_MS = 2000;
/** A book may be behind its asset's bbo and trades by this many times `staleAfterMs`. */
const BOOK_LAG = 2;
const BOOK = MARKET_STREAMS.indexOf("book");
const BBO = MARKET_STREAMS.indexOf("bbo");
const TRADES = MARKET_STREAMS.indexOf("trades");
const CTX = MARKET_STREAMS.indexOf("ctx");
const GREETING = new TextEncoder().encode("Websocket connection established.");

/** Kinds of trouble, each logged at most once a second. */
const Trouble = { Malformed: 0, Oversized: 1, UnknownCoin: 2, NoRoom: 3, BadContext: 4, Future: 5 } as const;
type Trouble = (typeof Trouble)[keyof typeof Trouble];
const TROUBLE_EVENTS = [
  "feed.malformed",
  "feed.oversized",
  "feed.unknown-coin",
  "feed.ring-full",
  "feed.bad-context",
  "feed.future",
];

/**
 * What happens to a frame, wherever it came from: decode, count, tell the kernel whether the asset's data can be trusted,
 * journal, fan out. Owns each asset's feed state and is the one writer of its records.
 *
 * | state  | entered when                                                        | left when                         |
 * |--------|---------------------------------------------------------------------|-----------------------------------|
 * | Resync | start, connection lost, frame malformed, ring full                  | a complete book has been written  |
 * | Stale  | no book, trade or bbo for `staleAfterMs`, or a book that long       | a complete book has been written  |
 * |        | (twice) behind its asset's bbos and trades                          |                                   |
 * | Live   | a complete book was written after everything else that is pending   |                                   |
 *
 * A status record that finds the ring full is owed: it is written before the next frame of any asset, or on a tick, and until
 * then the asset does not become Live. Nothing a frame contains makes `accept` throw.
 *
 * Thread: ingest. Allocates: nothing for hot frames.
 */
export class FeedIntake {
  private readonly staleAfterNs: number;
  /** What the kernel was last told, and what it must be told. */
  private readonly told: Uint8Array;
  private readonly wanted: Uint8Array;
  private owedCount = 0;
  /** Last book, bbo or trade of each source and asset. */
  private readonly dataNs: readonly Float64Array[];
  private readonly streams: StreamTimes;
  private readonly hasStandby: boolean;
  /** One bit a venue connection that is open. */
  private connected = 0;
  private readonly ctx = new Float64Array(6);
  private readonly loggedNs = new Float64Array(TROUBLE_EVENTS.length).fill(Number.NEGATIVE_INFINITY);
  private readonly suppressed = new Uint32Array(TROUBLE_EVENTS.length);
  private offsetNowMs = Number.POSITIVE_INFINITY;
  private offsetBeforeMs = Number.POSITIVE_INFINITY;
  private offsetWindowEndNs = 0;

  constructor(
    private readonly instruments: readonly Instrument[],
    private readonly decoder: FrameDecoder,
    options: IntakeOptions,
    private readonly deps: IntakeDeps,
  ) {
    this.staleAfterNs = options.staleAfterMs * NS_PER_MS;
    this.told = new Uint8Array(instruments.length).fill(FeedState.Resync);
    this.wanted = new Uint8Array(instruments.length).fill(FeedState.Resync);
    this.dataNs = Array.from({ length: SOURCES }, () =>
      new Float64Array(instruments.length).fill(Number.NEGATIVE_INFINITY),
    );
    this.streams = deps.streamTimes ?? new StreamTimes(StreamTimes.bytes(instruments.length));
    this.hasStandby = options.hasStandby ?? false;
    decoder.dropsRepeats = this.hasStandby;
  }

  /** What the kernel knows (a pending change is not in it). */
  stateOf(asset: number): FeedState {
    return this.told[asset] as FeedState;
  }

  /** Smallest receive minus exchange time lately, ms; NaN before the first frame of a connection. */
  get clockOffsetMs(): number {
    const min = Math.min(this.offsetNowMs, this.offsetBeforeMs);
    return min === Number.POSITIVE_INFINITY ? Number.NaN : min;
  }

  /**
   * A venue connection was opened and will be subscribed: replayed trades are no flow, clocks are compared afresh. While the
   * other connection is up neither is news: it has told those trades already.
   */
  onConnected(source: FeedSource = FeedSource.Own): void {
    const isAlone = this.connected === 0;
    this.connected |= 1 << source;
    this.deps.onNote?.(source === FeedSource.Standby ? "standby-up" : "up", this.deps.clock.monoNs());
    if (!isAlone) return;
    this.offsetNowMs = Number.POSITIVE_INFINITY;
    this.offsetBeforeMs = Number.POSITIVE_INFINITY;
    this.offsetWindowEndNs = this.deps.clock.monoNs() + OFFSET_WINDOW_NS;
    this.expectBacklog();
  }

  /** Somebody who pushes has come, and nobody else tells this market. */
  onPusher(): void {
    this.deps.onNote?.("backlog", this.deps.clock.monoNs());
    this.expectBacklog();
  }

  expectBacklog(): void {
    for (const { asset } of this.instruments) this.decoder.expectBacklog(asset);
  }

  /** A venue connection is gone: every asset that nobody else tells needs a fresh book. */
  onDisconnected(source: FeedSource = FeedSource.Own): void {
    const nowNs = this.deps.clock.monoNs();
    this.deps.onNote?.(source === FeedSource.Standby ? "standby-down" : "down", nowNs);
    this.connected &= ~(1 << source);
    for (const { asset } of this.instruments) {
      if (nowNs - this.lastDataNs(asset, source) > this.staleAfterNs)
        this.distrust(asset, FeedState.Resync, nowNs);
    }
  }

  /** Newest data of an asset from any source but one. */
  private lastDataNs(asset: number, except: number): number {
    let lastNs = Number.NEGATIVE_INFINITY;
    for (let source = 0; source < SOURCES; source++) {
      if (source !== except) lastNs = Math.max(lastNs, this.dataNs[source]![asset]!);
    }
    return lastNs;
  }

  /** Takes one frame. The bytes are only read during the call. */
  accept(frame: Uint8Array, source: FeedSource): FrameOutcome {
    const { clock, counters, decodeLatency, tap, pushedTap, standbyTap, fanOut } = this.deps;
    const recvMonoNs = clock.monoNs();
    if (this.owedCount > 0) this.payOwed(recvMonoNs);
    const decoder = this.decoder;
    decoder.latestMs = source === FeedSource.Pushed ? this.latestMs() : Number.POSITIVE_INFINITY;
    const outcome = decoder.decode(frame, recvMonoNs);
    counters.add(FeedCounter.frames, 1);
    counters.add(FeedCounter.bytes, frame.length);
    if (source === FeedSource.Pushed) counters.add(FeedCounter.pushedFrames, 1);
    if (outcome === FrameOutcome.Decoded) {
      decodeLatency?.record(clock.monoNs() - recvMonoNs);
      if (decoder.lastAsset >= 0) this.decoded(decoder.lastAsset, recvMonoNs, source);
    } else this.notDecoded(outcome, frame, recvMonoNs, source);
    if ((outcome === FrameOutcome.Decoded || outcome === FrameOutcome.NoRoom) && decoder.lastAsset >= 0) {
      fanOut?.(decoder.lastKind, decoder.lastAsset, frame);
    }
    if (source === FeedSource.Pushed) pushedTap?.(frame, recvMonoNs);
    else if (source === FeedSource.Standby && standbyTap !== undefined) standbyTap(frame, recvMonoNs);
    else tap?.inbound("public", frame, recvMonoNs);
    return outcome;
  }

  /**
   * The latest stamp that a pushed frame may carry. One from the future would make every real book look old, and a push port
   * must not be able to stop the quotes. Without a venue connection of our own the host's clock is all there is.
   */
  private latestMs(): number {
    const offsetMs = this.clockOffsetMs;
    return this.deps.clock.wallMs() - (Number.isNaN(offsetMs) ? 0 : offsetMs) + FUTURE_TOLERANCE_MS;
  }

  private decoded(asset: number, recvMonoNs: number, source: FeedSource): void {
    const { counters, wake } = this.deps;
    const { lastKind, recordCount, duplicateCount } = this.decoder;
    this.dataNs[source]![asset] = recvMonoNs;
    if (lastKind === RecordKind.Trade) {
      counters.add(FeedCounter.trades, recordCount);
      counters.add(FeedCounter.duplicateTrades, duplicateCount);
      this.streams.heard(asset, TRADES, recvMonoNs);
    } else if (lastKind === RecordKind.Book) {
      counters.add(FeedCounter.books, recordCount);
      this.streams.heard(asset, BOOK, recvMonoNs);
    } else {
      counters.add(FeedCounter.bbos, recordCount);
      this.streams.heard(asset, BBO, recvMonoNs);
    }
    if (source !== FeedSource.Pushed) this.trackOffset(recvMonoNs);
    if (this.hasStandby) this.countWin(source, recordCount);
    if (recordCount === 0) return;
    if (lastKind === RecordKind.Book && this.told[asset] !== FeedState.Live) {
      this.tell(asset, FeedState.Live, recvMonoNs);
      this.deps.log("info", "feed.live", { coin: this.instruments[asset]!.coin });
    }
    wake?.(asset);
  }

  private countWin(source: FeedSource, recordCount: number): void {
    const { counters } = this.deps;
    if (recordCount === 0) counters.add(FeedCounter.repeatedFrames, 1);
    else if (source === FeedSource.Own) counters.add(FeedCounter.primaryWins, 1);
    else if (source === FeedSource.Standby) counters.add(FeedCounter.standbyWins, 1);
  }

  private notDecoded(outcome: FrameOutcome, frame: Uint8Array, recvMonoNs: number, source: FeedSource): void {
    const { counters } = this.deps;
    switch (outcome) {
      case FrameOutcome.Other:
        counters.add(FeedCounter.others, 1);
        this.other(frame, recvMonoNs, source);
        return;
      case FrameOutcome.Malformed:
        if (isGreeting(frame)) return;
        counters.add(FeedCounter.malformed, 1);
        this.trouble(Trouble.Malformed, "warn", frame, recvMonoNs, source, this.decoder.lastFault);
        this.distrustFrame(recvMonoNs, source);
        return;
      case FrameOutcome.Oversized:
        counters.add(FeedCounter.oversized, 1);
        this.trouble(Trouble.Oversized, "warn", frame, recvMonoNs, source, "frame or trade list is too long");
        this.distrustFrame(recvMonoNs, source);
        return;
      case FrameOutcome.UnknownCoin:
        // Usual on a shared feed that carries more assets than this engine trades.
        counters.add(FeedCounter.unknownCoin, 1);
        this.trouble(Trouble.UnknownCoin, "debug", frame, recvMonoNs, source, "coin is not traded here");
        return;
      case FrameOutcome.NoRoom:
        counters.add(FeedCounter.noRoom, 1);
        this.deps.onNote?.("no-room", recvMonoNs);
        this.trouble(Trouble.NoRoom, "error", frame, recvMonoNs, source, "the kernel does not keep up");
        this.distrust(this.decoder.lastAsset, FeedState.Resync, recvMonoNs);
        return;
      case FrameOutcome.Future:
        // Nothing of it was written: what the venue told last is as good as before.
        counters.add(FeedCounter.futureFrames, 1);
        this.deps.onNote?.("future", recvMonoNs);
        this.trouble(
          Trouble.Future,
          "warn",
          frame,
          recvMonoNs,
          source,
          "stamped later than the venue's clock",
        );
    }
  }

  /**
   * After a broken hot frame the asset's last book can no longer be trusted to be the newest. If even the coin is unreadable
   * that is so for all assets of the own connection; a pusher may not stop the whole engine with such a frame.
   */
  private distrustFrame(nowNs: number, source: FeedSource): void {
    const { lastAsset, lastKind } = this.decoder;
    if (lastAsset >= 0) this.distrust(lastAsset, FeedState.Resync, nowNs);
    else if (lastKind !== RecordKind.None && source !== FeedSource.Pushed) {
      for (const { asset } of this.instruments) this.distrust(asset, FeedState.Resync, nowNs);
    }
  }

  private distrust(asset: number, state: FeedState, nowNs: number): void {
    if (this.wanted[asset] !== FeedState.Live) return;
    const { counters, log, wake } = this.deps;
    this.decoder.forget(asset);
    counters.add(state === FeedState.Stale ? FeedCounter.staleFlips : FeedCounter.resyncs, 1);
    this.tell(asset, state, nowNs);
    wake?.(asset);
    log("warn", "feed.not-live", { coin: this.instruments[asset]!.coin, state: FeedStateName.get(state) });
  }

  private tell(asset: number, state: FeedState, nowNs: number): void {
    const wasOwed = this.wanted[asset] !== this.told[asset];
    this.wanted[asset] = state;
    if (this.decoder.writeStatus(asset, state, nowNs)) this.told[asset] = state;
    const isOwed = this.wanted[asset] !== this.told[asset];
    this.owedCount += Number(isOwed) - Number(wasOwed);
  }

  private payOwed(nowNs: number): void {
    for (const { asset } of this.instruments) {
      const state = this.wanted[asset] as FeedState;
      if (state === this.told[asset] || !this.decoder.writeStatus(asset, state, nowNs)) continue;
      this.told[asset] = state;
      this.owedCount--;
      this.deps.wake?.(asset);
    }
  }

  /** Call every 100 ms or so: finds stale assets and writes owed statuses. */
  tick(): void {
    const nowNs = this.deps.clock.monoNs();
    let isNoted = this.owedCount > 0;
    if (isNoted) {
      this.deps.onNote?.("tick", nowNs);
      this.payOwed(nowNs);
    }
    for (const { asset } of this.instruments) {
      if (this.wanted[asset] !== FeedState.Live) continue;
      const isSilent = nowNs - this.lastDataNs(asset, -1) > this.staleAfterNs;
      if (!isSilent && !this.isBookBehind(asset)) continue;
      if (!isNoted) this.deps.onNote?.("tick", nowNs);
      isNoted = true;
      this.distrust(asset, FeedState.Stale, nowNs);
    }
  }

  /** Every bbo and trade changes the book: one that stays away while those go on is of a dead stream. */
  private isBookBehind(asset: number): boolean {
    const { streams } = this;
    const movedNs = Math.max(streams.lastMarketNs(asset, BBO), streams.lastMarketNs(asset, TRADES));
    return movedNs - streams.lastMarketNs(asset, BOOK) > BOOK_LAG * this.staleAfterNs;
  }

  private trackOffset(recvMonoNs: number): void {
    if (recvMonoNs >= this.offsetWindowEndNs) {
      this.offsetBeforeMs = this.offsetNowMs;
      this.offsetNowMs = Number.POSITIVE_INFINITY;
      this.offsetWindowEndNs = recvMonoNs + OFFSET_WINDOW_NS;
    }
    const offsetMs = this.deps.clock.wallMs() - this.decoder.lastExchMs;
    if (offsetMs >= this.offsetNowMs) return;
    this.offsetNowMs = offsetMs;
    this.deps.counters.set(FeedCounter.clockOffsetMs, this.clockOffsetMs);
  }

  // ---- rare messages -------------------------------------------------------------------------------------------------

  private other(frame: Uint8Array, recvMonoNs: number, source: FeedSource): void {
    let envelope: unknown;
    try {
      envelope = JSON.parse(Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength).toString("utf8"));
    } catch (cause) {
      // The scanner lets some escapes and byte sequences pass that JSON.parse refuses.
      this.deps.counters.add(FeedCounter.malformed, 1);
      this.trouble(Trouble.Malformed, "warn", frame, recvMonoNs, source, String(cause));
      return;
    }
    const { channel, data } = envelope as { channel?: unknown; data?: unknown };
    if (channel === "activeAssetCtx") this.assetCtx(data, frame, recvMonoNs, source);
    else if (typeof channel === "string" && source !== FeedSource.Pushed) {
      this.deps.onControl?.(channel, data, source);
    }
  }

  private assetCtx(data: unknown, frame: Uint8Array, recvMonoNs: number, source: FeedSource): void {
    const { counters, wake, fanOut } = this.deps;
    const { coin, ctx } = (data ?? {}) as { coin?: unknown; ctx?: unknown };
    if (typeof coin !== "string" || typeof ctx !== "object" || ctx === null) {
      counters.add(FeedCounter.malformed, 1);
      this.trouble(Trouble.BadContext, "warn", frame, recvMonoNs, source, "coin or ctx is missing");
      return;
    }
    const asset = this.decoder.assetOf(coin);
    if (asset < 0) {
      counters.add(FeedCounter.unknownCoin, 1);
      return;
    }
    const fields = ctx as Record<string, unknown>;
    this.ctx[0] = positive(fields["markPx"]);
    this.ctx[1] = positive(fields["oraclePx"]);
    this.ctx[2] = positive(fields["midPx"]);
    this.ctx[3] = finite(fields["funding"]);
    this.ctx[4] = finite(fields["openInterest"]);
    this.ctx[5] = finite(fields["premium"]);
    if (!this.decoder.writeAssetCtx(asset, this.ctx, recvMonoNs)) {
      counters.add(FeedCounter.noRoom, 1);
      this.deps.onNote?.("no-room", recvMonoNs);
      this.trouble(Trouble.NoRoom, "error", frame, recvMonoNs, source, "the kernel does not keep up");
      this.distrust(asset, FeedState.Resync, recvMonoNs);
      return;
    }
    counters.add(FeedCounter.assetCtxs, 1);
    this.streams.heard(asset, CTX, recvMonoNs);
    wake?.(asset);
    fanOut?.(RecordKind.AssetCtx, asset, frame);
  }

  private trouble(
    kind: Trouble,
    level: FeedLogLevel,
    frame: Uint8Array,
    nowNs: number,
    source: FeedSource,
    reason: string,
  ): void {
    if (nowNs - this.loggedNs[kind]! < LOG_EVERY_NS) {
      this.suppressed[kind] = this.suppressed[kind]! + 1;
      return;
    }
    const { lastAsset, lastKind } = this.decoder;
    this.deps.log(level, TROUBLE_EVENTS[kind]!, {
      reason,
      source: SOURCE_TEXT[source],
      coin: this.instruments[lastAsset]?.coin,
      kind: RecordKindName.get(lastKind),
      bytes: frame.length,
      head: printable(frame.subarray(0, 96)),
      suppressed: this.suppressed[kind]!,
    });
    this.loggedNs[kind] = nowNs;
    this.suppressed[kind] = 0;
  }
}

function isGreeting(frame: Uint8Array): boolean {
  return frame.length === GREETING.length && GREETING.every((c, i) => c === frame[i]);
}

/** The start of a hostile frame, safe for a terminal and a log line. */
const printable = (bytes: Uint8Array): string =>
  Array.from(bytes, (c) => (c >= 0x20 && c < 0x7f ? String.fromCharCode(c) : ".")).join("");

/** A number or a numeric string; NaN for everything else. */
function finite(value: unknown): number {
  if (typeof value === "string" ? value.trim() === "" : typeof value !== "number") return Number.NaN;
  const n = Number(value);
  return Number.isFinite(n) ? n : Number.NaN;
}

function positive(value: unknown): number {
  const n = finite(value);
  return n > 0 ? n : Number.NaN;
}
