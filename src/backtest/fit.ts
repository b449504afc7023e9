/**
 * Models fitted to what a run measured: how long things took, and how the queue before its orders shrank.
 */
import { type QueueModelSpec, queueModel } from "../sim/index.js";
import type { Dist } from "./latency.js";

/** A delay as measured and as modelled. */
export interface FittedDist {
  readonly samples: number;
  /** Left out: not above zero, for the clocks' sake. */
  readonly dropped: number;
  /** ms at 1, 5, 25, 50, 75, 95 and 99 %. */
  readonly quantilesMs: Readonly<Record<string, number>>;
  /** Maximum likelihood; `ks` is the largest distance between the two distribution functions. */
  readonly lognormal: {
    readonly medianMs: number;
    readonly sigma: number;
    readonly medianStdErrorMs: number;
    readonly sigmaStdError: number;
    readonly ks: number;
    readonly logLikelihood: number;
  };
  /** What to draw from: the log-normal where it fits, else the measured quantiles. */
  readonly chosen: Dist;
}

/** Distances above this are no log-normal. */
const KS_ACCEPTED = 0.1;
/** Samples kept of a distribution that fits no formula. */
const RECORDED = 200;
const MIN_SAMPLES = 20;
const SHOWN = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99] as const;

/** @returns undefined with fewer than 20 samples above zero: no model is better than one made of nothing. */
export function fitDelay(samplesMs: readonly number[]): FittedDist | undefined {
  const sorted = samplesMs.filter((ms) => ms > 0).sort((a, b) => a - b);
  const n = sorted.length;
  if (n < MIN_SAMPLES) return undefined;
  const logs = sorted.map(Math.log);
  const mu = logs.reduce((a, b) => a + b, 0) / n;
  const variance = logs.reduce((sum, x) => sum + (x - mu) ** 2, 0) / n;
  const sigma = Math.max(1e-6, Math.sqrt(variance));
  let ks = 0;
  logs.forEach((x, i) => {
    const p = normalCdf((x - mu) / sigma);
    ks = Math.max(ks, Math.abs(p - i / n), Math.abs(p - (i + 1) / n));
  });
  const logLikelihood =
    -logs.reduce((a, b) => a + b, 0) - n * (Math.log(sigma) + 0.5 * Math.log(2 * Math.PI)) - n / 2;
  const at = (share: number): number => sorted[Math.min(n - 1, Math.floor(share * n))]!;
  const medianMs = Math.exp(mu);
  return {
    samples: n,
    dropped: samplesMs.length - n,
    quantilesMs: Object.fromEntries(SHOWN.map((share) => [`p${share * 100}`, at(share)])),
    lognormal: {
      medianMs,
      sigma,
      medianStdErrorMs: (medianMs * sigma) / Math.sqrt(n),
      sigmaStdError: sigma / Math.sqrt(2 * n),
      ks,
      logLikelihood,
    },
    chosen:
      ks <= KS_ACCEPTED
        ? { kind: "lognormal", medianMs, sigma }
        : {
            kind: "recorded",
            samplesMs: Array.from({ length: Math.min(n, RECORDED) }, (_, i) =>
              at((i + 0.5) / Math.min(n, RECORDED)),
            ),
          },
  };
}

/** What happened at the price of one resting order, in the order of the venue's time. */
export type QueueStep =
  /** The displayed size without our own orders. */
  | { readonly kind: "level"; readonly lots: number }
  /** Prints against our side of the price; `filledLots` of them were ours, of `ourLots` that rested. */
  | {
      readonly kind: "trade";
      readonly lots: number;
      readonly filledLots: number;
      readonly ourLots: number;
    };

export interface QueueTrace {
  /** Displayed at the price when the order came: all of it stands before us. */
  readonly aheadLots: number;
  readonly steps: readonly QueueStep[];
}

/** The power model's parameter, see `queueModel`. */
export interface FittedQueue {
  readonly n: number;
  /** Half the width in which twice the log-likelihood falls by one; null: it is flat, nothing tells the powers apart. */
  readonly nStdError: number | null;
  readonly orders: number;
  /** Prints that said something about the queue, and how many of them by being ours. */
  readonly observations: number;
  readonly fills: number;
  /** Standard deviation of the queue ahead around the model, in shares of the queue at arrival. */
  readonly noise: number;
  readonly logLikelihood: number;
  /** Of the conservative rule, for comparison. */
  readonly riskAverseLogLikelihood: number;
  readonly chosen: QueueModelSpec;
}

const N_MIN = 0.1;
const N_MAX = 10;
const NOISES = [0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6] as const;
const GRID = 60;

/**
 * Maximum likelihood over the prints at our price: one that filled a part of us tells exactly what stood before us, one that filled all
 * of us tells an upper bound, one that passed us by a lower one. The model's queue is taken to be right up to a normal error.
 *
 * @returns undefined without a single fill, or with fewer than 20 prints: the queue was not seen.
 */
export function fitQueue(traces: readonly QueueTrace[]): FittedQueue | undefined {
  let observations = 0;
  let fills = 0;
  for (const { steps } of traces) {
    for (const step of steps) {
      if (step.kind !== "trade") continue;
      observations++;
      if (step.filledLots > 0) fills++;
    }
  }
  if (fills === 0 || observations < MIN_SAMPLES) return undefined;
  const best = (spec: QueueModelSpec): { ll: number; noise: number } => {
    let found = { ll: Number.NEGATIVE_INFINITY, noise: 1 };
    for (const noise of NOISES) {
      const ll = likelihood(traces, spec, noise);
      if (ll > found.ll) found = { ll, noise };
    }
    return found;
  };
  const powerOf = (k: number): number => N_MIN * (N_MAX / N_MIN) ** (k / GRID);
  const curve = Array.from({ length: GRID + 1 }, (_, k) => best({ kind: "power", n: powerOf(k) }));
  let top = 0;
  curve.forEach((point, k) => {
    if (point.ll > curve[top]!.ll) top = k;
  });
  // Around the best place of the grid, by golden section.
  let lo = powerOf(Math.max(0, top - 1));
  let hi = powerOf(Math.min(GRID, top + 1));
  const { noise } = curve[top]!;
  const at = (n: number): number => likelihood(traces, { kind: "power", n }, noise);
  const golden = (Math.sqrt(5) - 1) / 2;
  for (let i = 0; i < 24; i++) {
    const a = hi - golden * (hi - lo);
    const b = lo + golden * (hi - lo);
    if (at(a) > at(b)) hi = b;
    else lo = a;
  }
  const n = (lo + hi) / 2;
  const logLikelihood = at(n);
  const nStdError = halfWidth(
    curve.map((p) => p.ll),
    powerOf,
    logLikelihood,
  );
  return {
    n,
    nStdError,
    orders: traces.length,
    observations,
    fills,
    noise,
    logLikelihood,
    riskAverseLogLikelihood: best({ kind: "risk-averse" }).ll,
    chosen: nStdError === null ? { kind: "risk-averse" } : { kind: "power", n },
  };
}

/** From the profile: where the log-likelihood is within a half of the best. */
function halfWidth(curve: readonly number[], at: (k: number) => number, best: number): number | null {
  const within = curve.flatMap((ll, k) => (ll >= best - 0.5 ? [k] : []));
  if (within.length === 0) return (at(1) - at(0)) / 2;
  const from = Math.max(0, within[0]! - 1);
  const to = Math.min(curve.length - 1, within.at(-1)! + 1);
  return from === 0 && to === curve.length - 1 ? null : (at(to) - at(from)) / 2;
}

function likelihood(traces: readonly QueueTrace[], spec: QueueModelSpec, noise: number): number {
  const model = queueModel(spec);
  let sum = 0;
  for (const { aheadLots, steps } of traces) {
    const scale = Math.max(1, aheadLots) * noise;
    let ahead = aheadLots;
    let shown = aheadLots;
    for (const step of steps) {
      if (step.kind === "level") {
        ahead = model.afterChange(ahead, shown, step.lots);
        shown = step.lots;
        continue;
      }
      const { lots, filledLots, ourLots } = step;
      if (filledLots === 0) sum += logCdf((ahead - lots) / scale);
      else if (filledLots < ourLots) {
        const z = (ahead - (lots - filledLots)) / scale;
        sum += -0.5 * z * z - Math.log(scale / Math.max(1, aheadLots)) - 0.5 * Math.log(2 * Math.PI);
      } else sum += logCdf((lots - filledLots - ahead) / scale);
      // Who was filled stands first from then on.
      ahead = filledLots > 0 ? 0 : Math.max(0, ahead - lots);
      shown = Math.max(0, shown - (lots - filledLots));
    }
  }
  return sum;
}

/** Floor: one impossible print must not decide over everything. */
const logCdf = (z: number): number => Math.log(Math.max(1e-12, normalCdf(z)));

/** Abramowitz & Stegun 7.1.26, error below 1.5e-7. */
function normalCdf(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const erf =
    1 -
    ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) *
      t *
      Math.exp(-x * x);
  return z >= 0 ? (1 + erf) / 2 : (1 - erf) / 2;
}
