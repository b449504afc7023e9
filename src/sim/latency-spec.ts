/**
 * How long things take between us and the venue, as distributions to draw from.
 */
import type { Rng } from "../domain/index.js";
import { type DelayRange, type LatencyModel, NO_LATENCY } from "./blocks.js";

/** Milliseconds one way. */
export type Dist =
  | { readonly kind: "constant"; readonly ms: number }
  | { readonly kind: "lognormal"; readonly medianMs: number; readonly sigma: number }
  /** Drawn with equal chances from what was measured. */
  | { readonly kind: "recorded"; readonly samplesMs: readonly number[] }
  /** Straight lines between what was measured at times, rising, ms since the epoch; before the first and behind the last: that one. */
  | { readonly kind: "series"; readonly atMs: readonly number[]; readonly ms: readonly number[] };

/** `tape`: what the recording shows beyond its fastest message, plus a floor for the fastest. */
export type FeedDist = Dist | { readonly kind: "tape"; readonly floorMs: number };

/** `tape`: a series of what the recording's own orders took, and so much more; a backtest makes it of its tapes. */
export type OrderDist = Dist | { readonly kind: "tape"; readonly plusMs: number };

export interface LatencySpec {
  readonly feed: FeedDist;
  /** From the decision into the matching engine. */
  readonly order: OrderDist;
  /** From the matching engine back to us: answers, fills, order updates. */
  readonly ack: OrderDist;
}

/** A maker in the venue's region: half a tick of a block out and back, the feed as recorded. */
export const DEFAULT_LATENCY: LatencySpec = {
  feed: { kind: "tape", floorMs: 5 },
  order: { kind: "lognormal", medianMs: 40, sigma: 0.4 },
  ack: { kind: "lognormal", medianMs: 20, sigma: 0.4 },
};

export const ZERO_LATENCY: LatencySpec = {
  feed: { kind: "constant", ms: 0 },
  order: { kind: "constant", ms: 0 },
  ack: { kind: "constant", ms: 0 },
};

/** @throws {RangeError} When a number makes no delay. */
export function delayOf(dist: OrderDist): DelayRange {
  switch (dist.kind) {
    case "constant":
      check(dist.ms >= 0, `constant ${dist.ms} ms`);
      return { minMs: dist.ms, maxMs: dist.ms };
    case "lognormal": {
      const { medianMs, sigma } = dist;
      check(
        medianMs >= 0 && sigma >= 0 && sigma <= 5,
        `log-normal with median ${medianMs} ms, sigma ${sigma}`,
      );
      return {
        minMs: 0,
        maxMs: Number.POSITIVE_INFINITY,
        sample: (rng: Rng) => medianMs * Math.exp(sigma * rng.normal()),
      };
    }
    case "recorded": {
      const { samplesMs } = dist;
      check(samplesMs.length > 0 && samplesMs.every((ms) => ms >= 0), `${samplesMs.length} recorded delays`);
      const sorted = [...samplesMs].sort((a, b) => a - b);
      return {
        minMs: sorted[0]!,
        maxMs: sorted.at(-1)!,
        sample: (rng: Rng) => sorted[rng.below(sorted.length)]!,
      };
    }
    case "series": {
      const { atMs, ms } = dist;
      check(
        atMs.length > 0 &&
          atMs.length === ms.length &&
          ms.every((x) => x >= 0) &&
          atMs.every((x, i) => i === 0 || x >= atMs[i - 1]!),
        `a series of ${atMs.length} times and ${ms.length} delays`,
      );
      return {
        minMs: ms.reduce((a, b) => Math.min(a, b)),
        maxMs: ms.reduce((a, b) => Math.max(a, b)),
        sample: (_rng: Rng, at: number) => interpolated(atMs, ms, at),
      };
    }
    case "tape":
      throw new RangeError(
        'latency "tape": there is no tape whose own orders could tell it; give ms or lognormal:MEDIAN_MS:SIGMA',
      );
  }
}

/** On the straight line between the two neighbours in time. */
function interpolated(atMs: readonly number[], ms: readonly number[], at: number): number {
  let lo = 0;
  let hi = atMs.length;
  while (lo < hi) {
    const mid = (lo + hi) >>> 1;
    if (atMs[mid]! <= at) lo = mid + 1;
    else hi = mid;
  }
  if (lo === 0) return ms[0]!;
  if (lo === atMs.length) return ms[lo - 1]!;
  const share = (at - atMs[lo - 1]!) / (atMs[lo]! - atMs[lo - 1]!);
  return ms[lo - 1]! + share * (ms[lo]! - ms[lo - 1]!);
}

function check(isGood: boolean, what: string): void {
  if (!isGood) throw new RangeError(`latency: ${what} is not a delay`);
}

/** The exchange's side of a specification: orders out; the way back is the gateway's. */
export const orderLatency = (spec: LatencySpec): LatencyModel => ({
  ...NO_LATENCY,
  netOut: delayOf(spec.order),
  netBack: delayOf(spec.ack),
});
