import type { FeedDist, OrderDist } from "../latency.js";

/**
 * Quantile of the standard normal, to about 1e-9.
 * Source: Acklam (2003), An algorithm for computing the inverse normal cumulative distribution function.
 */
function normalQuantile(p: number): number {
  const tail = (q: number): number =>
    (((((-7.784894002430293e-3 * q - 0.3223964580411365) * q - 2.400758277161838) * q - 2.549732539343734) *
      q +
      4.374664141464968) *
      q +
      2.938163982698783) /
    ((((7.784695709041462e-3 * q + 0.3224671290700398) * q + 2.445134137142996) * q + 3.754408661907416) * q +
      1);
  if (p < 0.02425) return tail(Math.sqrt(-2 * Math.log(p)));
  if (p > 1 - 0.02425) return -tail(Math.sqrt(-2 * Math.log(1 - p)));
  const q = p - 0.5;
  const r = q * q;
  return (
    ((((((-39.69683028665376 * r + 220.9460984245205) * r - 275.9285104469687) * r + 138.357751867269) * r -
      30.66479806614716) *
      r +
      2.506628277459239) *
      q) /
    (((((-54.47609879822406 * r + 161.5858368580409) * r - 155.6989798598866) * r + 66.80131188771972) * r -
      13.28068155288572) *
      r +
      1)
  );
}

/** Milliseconds within which the share `p` of messages arrives; undefined: the tape decides. */
export function quantileMs(dist: FeedDist | OrderDist, p: number): number | undefined {
  switch (dist.kind) {
    case "tape":
      return undefined;
    case "constant":
      return dist.ms;
    case "lognormal":
      return dist.medianMs * Math.exp(dist.sigma * normalQuantile(p));
    case "recorded":
    case "series": {
      const sorted = [...(dist.kind === "series" ? dist.ms : dist.samplesMs)].sort((a, b) => a - b);
      return sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))];
    }
  }
}

export function distText(dist: FeedDist | OrderDist): string {
  switch (dist.kind) {
    case "tape":
      if ("floorMs" in dist) return `as recorded beyond the fastest message, plus ${dist.floorMs} ms`;
      return `as the tape's own orders had it at the time${dist.plusMs === 0 ? "" : `, plus ${dist.plusMs} ms`}`;
    case "constant":
      return dist.ms === 0 ? "none" : `always ${dist.ms} ms`;
    case "lognormal":
      return `log-normal, median ${dist.medianMs} ms, sigma ${dist.sigma}`;
    case "recorded":
      return `drawn from ${dist.samplesMs.length} measured delays`;
    case "series":
      return `between ${dist.ms.length} measured delays, by time`;
  }
}
