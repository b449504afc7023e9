/**
 * Tree-structured Parzen estimator with joint kernels: points are drawn where good trials are dense and bad ones are not.
 *
 * Source: Bergstra, Bardenet, Bengio, Kégl (2011), NeurIPS 24, sec. 4; joint kernels as Falkner, Klein, Hutter (2018),
 * BOHB, ICML. A batch is made by counting its own earlier points as bad ones, so that it spreads out.
 */
import type { Rng } from "../../domain/index.js";
import type { Param } from "./space.js";
import { compareTrials, type Trial } from "./trial.js";

/** Random points before the model is asked. */
const startUpTrials = (dims: number): number => Math.max(10, 2 * dims);
/** Share of trials that count as good, and how many at most. */
const GOOD_SHARE = 0.1;
const GOOD_MAX = 25;
/** Points drawn from the good density, of which the best ratio wins. */
const DRAWS = 64;
/** Never so narrow that two proposals cannot differ. */
const BANDWIDTH_MIN = 0.01;
const CHOICE_MIN = 0.1;
/** One in so many proposals is random: a narrow model must not blind the search for good. */
const RANDOM_EVERY = 10;

export function proposeTpe(
  space: readonly Param[],
  told: readonly Trial[],
  count: number,
  rng: Rng,
): (readonly number[])[] {
  const sorted = [...told].sort(compareTrials);
  const goodCount = Math.min(GOOD_MAX, Math.max(2, Math.ceil(GOOD_SHARE * sorted.length)));
  const points: (readonly number[])[] = [];
  for (let n = 0; n < count; n++) {
    const seen = told.length + n;
    if (told.length < startUpTrials(space.length) || seen % RANDOM_EVERY === 0) {
      points.push(space.map(() => rng.uniform()));
      continue;
    }
    const good = new Parzen(
      space,
      sorted.slice(0, goodCount).map((t) => t.point),
    );
    const bad = new Parzen(space, [...sorted.slice(goodCount).map((t) => t.point), ...points]);
    let best: readonly number[] = [];
    let bestRatio = Number.NEGATIVE_INFINITY;
    for (let k = 0; k < DRAWS; k++) {
      const point = good.draw(rng);
      const ratio = good.logDensity(point) - bad.logDensity(point);
      if (ratio > bestRatio) {
        bestRatio = ratio;
        best = point;
      }
    }
    points.push(best);
  }
  return points;
}

/** A mixture of product kernels, one on each point, and the uniform density as one more. */
class Parzen {
  /** By point and dimension. */
  private readonly bandwidths: readonly (readonly number[])[];

  constructor(
    private readonly space: readonly Param[],
    private readonly points: readonly (readonly number[])[],
  ) {
    const byDimension = space.map((param, d) =>
      param.kind === "choice"
        ? points.map(() => Math.max(CHOICE_MIN, 1 / (1 + points.length)))
        : gaps(points.map((x) => x[d]!)),
    );
    this.bandwidths = points.map((_, i) => byDimension.map((h) => h[i]!));
  }

  draw(rng: Rng): number[] {
    const at = rng.below(this.points.length + 1);
    const centre = this.points[at];
    return this.space.map((param, d) => {
      if (centre === undefined) return rng.uniform();
      const h = this.bandwidths[at]![d]!;
      if (param.kind === "choice") return rng.uniform() < h ? rng.uniform() : centre[d]!;
      for (;;) {
        const x = centre[d]! + h * rng.normal();
        if (x >= 0 && x < 1) return x;
      }
    });
  }

  logDensity(x: readonly number[]): number {
    let sum = 1;
    for (let i = 0; i < this.points.length; i++) {
      let product = 1;
      for (let d = 0; d < this.space.length; d++)
        product *= this.kernel(d, x[d]!, this.points[i]![d]!, this.bandwidths[i]![d]!);
      sum += product;
    }
    return Math.log(sum / (this.points.length + 1));
  }

  private kernel(d: number, x: number, centre: number, h: number): number {
    const param = this.space[d]!;
    if (param.kind === "choice") {
      const k = param.values.length;
      const isSame = Math.floor(x * k) === Math.floor(centre * k);
      return h + (isSame ? (1 - h) * k : 0);
    }
    const z = (x - centre) / h;
    const inside = normalCdf((1 - centre) / h) - normalCdf(-centre / h);
    return Math.exp(-0.5 * z * z) / (h * Math.sqrt(2 * Math.PI) * inside);
  }
}

/** Each point's distance to the farther of its neighbours: narrow in a crowd, wide alone. */
function gaps(xs: readonly number[]): number[] {
  const order = xs.map((_, i) => i).sort((i, j) => xs[i]! - xs[j]!);
  const out = new Array<number>(xs.length);
  order.forEach((i, rank) => {
    const left = rank > 0 ? xs[order[rank - 1]!]! : 0;
    const right = rank + 1 < order.length ? xs[order[rank + 1]!]! : 1;
    out[i] = Math.min(0.5, Math.max(BANDWIDTH_MIN, xs[i]! - left, right - xs[i]!));
  });
  return out;
}

/** Φ, to 7.5e-8: Abramowitz & Stegun 26.2.17. */
export function normalCdf(x: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(x));
  const poly =
    t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  const tail = (Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI)) * poly;
  return x >= 0 ? 1 - tail : tail;
}
