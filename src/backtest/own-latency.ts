/**
 * The order latencies that a tape tells itself: of each of its own orders when it was sent, when the venue had it, and when we heard.
 *
 * One more pass over the tape's blocks, from the first to the last whatever part is played: what a latency was does not depend on
 * where a run ends. Kept are four numbers a request, and the orders that wait for the venue's word.
 */
import * as abi from "../abi/layout.js";
import { OwnOrderEvent, RecordKind } from "../abi/layout.js";
import { RecordCursor, type TapeBlock, TapeFileReader } from "../store/index.js";
import type { Dist, LatencySpec, OrderDist } from "./latency.js";

/** A specification without `tape` in its orders and answers. */
export interface ResolvedLatency extends LatencySpec {
  readonly order: Dist;
  readonly ack: Dist;
}

/** One request as its tape had it: ns since the tape's base, on the recorder's clock; the venue's moment on that of its feed. */
export interface OwnRequest {
  readonly sentNs: number;
  readonly thereNs: number;
  readonly heardNs: number;
}

/** Requests that never got an answer are forgotten beyond so many. */
const WAITING_MAX = 4096;

/**
 * Makes series of the latencies that are said to be the tape's.
 *
 * The venue's moments stand on a clock on which the fastest message of the feed takes no time. Where the feed is as recorded plus a floor,
 * that floor is what it took in truth: orders then took so much less, and answers so much more. None is below zero.
 *
 * @throws {RangeError} When the tapes hold no answered order of their own, or those of a paper run. {TapeError} Unreadable tapes.
 */
export function withOwnLatency(latency: LatencySpec, tapes: readonly string[]): ResolvedLatency {
  const { feed, order, ack } = latency;
  if (order.kind !== "tape" && ack.kind !== "tape") return { feed, order, ack };
  const { requests, baseMs } = readOwnRequests(tapes);
  const floorNs = feed.kind === "tape" ? feed.floorMs * 1e6 : 0;
  const series = (dist: OrderDist, of: readonly { atNs: number; tookNs: number }[]): Dist => {
    if (dist.kind !== "tape") return dist;
    const sorted = [...of].sort((a, b) => a.atNs - b.atNs);
    return {
      kind: "series",
      atMs: sorted.map(({ atNs }) => baseMs + atNs / 1e6),
      ms: sorted.map(({ tookNs }) => Math.max(0, tookNs / 1e6 + dist.plusMs)),
    };
  };
  return {
    feed,
    order: series(
      order,
      // On the engine's clock, which the floor makes later.
      requests.map((r) => ({ atNs: r.sentNs + floorNs, tookNs: r.thereNs - r.sentNs - floorNs })),
    ),
    ack: series(
      ack,
      requests.map((r) => ({ atNs: r.thereNs, tookNs: r.heardNs + floorNs - r.thereNs })),
    ),
  };
}

/** @throws {RangeError} As `withOwnLatency`. */
export function readOwnRequests(paths: readonly string[]): {
  readonly requests: readonly OwnRequest[];
  readonly baseMs: number;
} {
  const found = new OwnRequests();
  let offsetNs = Number.POSITIVE_INFINITY;
  let baseWallNs = 0n;
  for (const path of paths) {
    const reader = new TapeFileReader(path);
    try {
      const { meta } = reader;
      if (meta.ownOrders === "paper")
        throw new RangeError(
          `latency "tape": the own orders on ${path} are a paper run's, whose latencies were assumed; give those with --order-latency and --ack-latency`,
        );
      baseWallNs = BigInt(meta.baseWallNs);
      // As the window's: the smallest of the series is the truest.
      offsetNs = Math.min(offsetNs, meta.clockOffsetNs ?? Number.POSITIVE_INFINITY);
      const cursor = new RecordCursor();
      for (let block = reader.nextBlock(); block !== undefined; block = reader.nextBlock()) {
        cursor.load(block);
        while (cursor.next())
          if (cursor.kind === RecordKind.OwnOrder) found.take(block, cursor.at, baseWallNs);
      }
    } finally {
      reader.close();
    }
  }
  const { requests } = found;
  if (requests.length === 0)
    throw new RangeError(
      `latency "tape": ${paths.join(", ")} holds no order of its own that the venue answered; play a tape of \`run --record\` or one made of a live run's journal (\`market-maker tape convert\`), or give ms or lognormal:MEDIAN_MS:SIGMA`,
    );
  if (!Number.isFinite(offsetNs)) offsetNs = 0;
  return {
    requests: requests.map((r) => ({ ...r, thereNs: r.thereNs + offsetNs })),
    baseMs: Number(baseWallNs / 1_000_000n),
  };
}

class OwnRequests {
  /** In the order in which the venue's word came; `thereNs` on the venue's clock. */
  readonly requests: OwnRequest[] = [];
  /** Sent, not yet seen at the venue, by client id. */
  private readonly waiting = new Map<string, { readonly sentNs: number; heardNs: number }>();
  private lastSentNs = Number.NaN;

  take({ u8, i64, f64 }: TapeBlock, at: number, baseWallNs: bigint): void {
    const event = u8[at + abi.OWN_ORDER_EVENT]!;
    const cloid = `${i64[(at + abi.OWN_ORDER_CLOID_HI) >> 3]} ${i64[(at + abi.OWN_ORDER_CLOID_LO) >> 3]}`;
    const recvNs = f64[(at + abi.OWN_ORDER_RECV_MONO_NS) >> 3]!;
    if (event === OwnOrderEvent.Place || event === OwnOrderEvent.Modify) {
      this.waiting.set(cloid, { sentNs: recvNs, heardNs: Number.POSITIVE_INFINITY });
      if (this.waiting.size > WAITING_MAX) this.waiting.delete(this.waiting.keys().next().value!);
      return;
    }
    const request = this.waiting.get(cloid);
    if (request === undefined || f64[(at + abi.OWN_ORDER_SENT_MONO_NS) >> 3] !== request.sentNs) return;
    // What takes at once never rests: its fill is the venue's first word.
    const isTaken = event === OwnOrderEvent.Fill && u8[at + abi.OWN_ORDER_IS_MAKER] === 0;
    if (event !== OwnOrderEvent.Resting && !isTaken) return;
    request.heardNs = Math.min(request.heardNs, recvNs);
    const exchNs = i64[at >> 3]!;
    // The answer has no stamp of the venue's; the order update has.
    if (exchNs === 0n) return;
    this.waiting.delete(cloid);
    // The orders of one request travelled in one packet.
    if (request.sentNs === this.lastSentNs) return;
    this.lastSentNs = request.sentNs;
    this.requests.push({ ...request, thereNs: Number(exchNs - baseWallNs) });
  }
}
