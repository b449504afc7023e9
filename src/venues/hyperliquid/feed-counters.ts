/**
 * Counts of the feed thread in shared memory, for the gateway thread to publish. One f64 a slot: exact to 2^53.
 * The feed thread is the one writer; readers copy whenever they like (aligned 8-byte stores are not torn on x86-64 and arm64).
 */
export const FEED_COUNTER_NAMES = [
  "frames",
  "bytes",
  /** Frames that came in through the relay's push port; part of `frames`. */
  "pushedFrames",
  "books",
  "trades",
  "bbos",
  "assetCtxs",
  /** Envelopes of other channels: acknowledgements, pongs, errors. */
  "others",
  /** Trades that an earlier frame had told already. */
  "duplicateTrades",
  /** Frames that told what another connection had told first: the standby's work, or the primary's when it is slower. */
  "repeatedFrames",
  /** Frames with news, by the connection that was first; only with a standby. */
  "primaryWins",
  "standbyWins",
  /** Pushed frames stamped later than the venue's clock can be. */
  "futureFrames",
  "malformed",
  "oversized",
  "unknownCoin",
  /** Frames lost because a ring was full. */
  "noRoom",
  /** Successful connections, the first included. */
  "connects",
  "connectFailures",
  "pongTimeouts",
  "staleFlips",
  "resyncs",
  "relayClients",
  "relaySlowDropped",
  "relayPushErrors",
  /** Gauge: 1 while the venue connection is open. */
  "isConnected",
  /** Gauge: 1 while the hot standby connection is open. */
  "isStandbyConnected",
  /** Gauge: smallest receive time minus exchange time of the last minute, ms: clock offset plus the shortest transport. */
  "clockOffsetMs",
] as const;
export type FeedCounterName = (typeof FEED_COUNTER_NAMES)[number];

const GAUGES: ReadonlySet<FeedCounterName> = new Set([
  "relayClients",
  "isConnected",
  "isStandbyConnected",
  "clockOffsetMs",
]);

/** Slot of each counter. */
export const FeedCounter = Object.fromEntries(FEED_COUNTER_NAMES.map((name, i) => [name, i])) as {
  readonly [K in FeedCounterName]: number;
};

export function createFeedCounters(): SharedArrayBuffer {
  return new SharedArrayBuffer(FEED_COUNTER_NAMES.length * 8);
}

export class FeedCounters {
  private readonly values: Float64Array;

  /** @throws {Error} When the buffer was made by a build with other counters. */
  constructor(sab: SharedArrayBuffer) {
    if (sab.byteLength !== FEED_COUNTER_NAMES.length * 8) {
      throw new Error(
        `feed counters: ${sab.byteLength} bytes, this build has ${FEED_COUNTER_NAMES.length} counters of 8; rebuild all threads`,
      );
    }
    this.values = new Float64Array(sab);
  }

  /** Thread: ingest. Allocates: nothing. */
  add(slot: number, amount: number): void {
    this.values[slot] = this.values[slot]! + amount;
  }

  /** Thread: ingest. */
  set(slot: number, value: number): void {
    this.values[slot] = value;
  }

  get(name: FeedCounterName): number {
    return this.values[FeedCounter[name]]!;
  }

  /** Counts since start, without the gauges. Thread: any. */
  entries(): [FeedCounterName, number][] {
    return FEED_COUNTER_NAMES.filter((name) => !GAUGES.has(name)).map((name) => [name, this.get(name)]);
  }

  /** Thread: any. */
  clockOffsetMs(): number {
    return this.get("clockOffsetMs");
  }

  /** Thread: any. */
  snapshot(): Record<FeedCounterName, number> {
    return Object.fromEntries(FEED_COUNTER_NAMES.map((name) => [name, this.get(name)])) as Record<
      FeedCounterName,
      number
    >;
  }
}

/** Streams whose silence is watched, each on its own; `private` is the account's, the others are an asset's. */
export const MARKET_STREAMS = ["book", "bbo", "trades", "ctx"] as const;
export type MarketStream = (typeof MARKET_STREAMS)[number];
const NEVER = Number.NEGATIVE_INFINITY;

/**
 * When each stream last spoke: monotonic receive times in shared memory, one f64 a stream. The feed thread writes the assets'
 * streams, the main thread the private one; anybody reads ages.
 */
export class StreamTimes {
  private readonly lastNs: Float64Array;

  static bytes(assetCount: number): SharedArrayBuffer {
    const sab = new SharedArrayBuffer((assetCount * MARKET_STREAMS.length + 1) * 8);
    new Float64Array(sab).fill(NEVER);
    return sab;
  }

  /** @throws {RangeError} When the buffer was made by a build with other streams. */
  constructor(sab: SharedArrayBuffer) {
    this.lastNs = new Float64Array(sab);
    if ((this.lastNs.length - 1) % MARKET_STREAMS.length !== 0) {
      throw new RangeError(`stream times: ${sab.byteLength} bytes are of another build; rebuild all threads`);
    }
  }

  /** @param stream index in MARKET_STREAMS. Thread: ingest. Allocates: nothing. */
  heard(asset: number, stream: number, nowNs: number): void {
    this.lastNs[asset * MARKET_STREAMS.length + stream] = nowNs;
  }

  /** Thread: main. */
  heardPrivate(nowNs: number): void {
    this.lastNs[this.lastNs.length - 1] = nowNs;
  }

  lastMarketNs(asset: number, stream: number): number {
    return this.lastNs[asset * MARKET_STREAMS.length + stream]!;
  }

  /** Seconds since the stream spoke; Infinity before its first word. Thread: any. */
  ageS(asset: number, stream: number, nowNs: number): number {
    return (nowNs - this.lastMarketNs(asset, stream)) / 1e9;
  }

  privateAgeS(nowNs: number): number {
    return (nowNs - this.lastNs[this.lastNs.length - 1]!) / 1e9;
  }
}
