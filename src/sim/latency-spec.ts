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
  | { readonly kind: "recorded"; readonly samplesMs: readonly number[] };

/** `tape`: what the recording shows beyond its fastest message, plus a floor for the fastest. */
export type FeedDist = Dist | { readonly kind: "tape"; readonly floorMs: number };

export interface LatencySpec {
  readonly feed: FeedDist;
  /** From the decision into the matching engine. */
  readonly order: Dist;
  /** From the matching engine back to us: answers, fills, order updates. */
  readonly ack: Dist;
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
export function delayOf(dist: Dist): DelayRange {
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
  }
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
