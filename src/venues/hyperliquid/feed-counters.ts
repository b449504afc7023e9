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
  /** Gauge: smallest receive time minus exchange time of the last minute, ms: clock offset plus the shortest transport. */
  "clockOffsetMs",
] as const;
export type FeedCounterName = (typeof FEED_COUNTER_NAMES)[number];

const GAUGES: ReadonlySet<FeedCounterName> = new Set(["relayClients", "isConnected", "clockOffsetMs"]);

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
