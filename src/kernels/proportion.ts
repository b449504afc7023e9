import type { KernelParams } from "./config.js";

/** What a market looks like in the median, per asset: taken from warm estimates, or from priors before there are any. */
export interface MarketLevels {
  /** bps per sqrt(second). */
  readonly sigmaBps: number;
  readonly kappaPerBps: number;
  /** Market orders per side and second. */
  readonly arrivalPerS: number;
}

export type ProportionCode =
  | "sigma-unit"
  | "kappa-unit"
  | "skew-out-of-proportion"
  | "spread-falls-with-gamma"
  | "no-profitable-level"
  | "hawkes-explosive";

export interface ProportionProblem {
  readonly code: ProportionCode;
  /** `error`: refuse to start. `warning`: the market is outside the usual range, the configuration may still be right. */
  readonly severity: "error" | "warning";
  /** What, where, what to do; one line. */
  readonly message: string;
}

/** Terms of a quote at a position, bps: what the kernel publishes, for a market whose depth floor is the configured one. */
export interface QuoteTerms {
  readonly halfSpreadBps: number;
  /** Before the cap. */
  readonly rawSkewBps: number;
  readonly skewBps: number;
}

/**
 * The composition of assembly/quote.ts for the ladder and glft strategies without the market's tick, in closed form: for
 * start-up checks and explanations, never for quoting (that is the kernel's, and a test compares the two).
 */
export function composeTerms(params: KernelParams, market: MarketLevels, posRatio: number): QuoteTerms {
  const gamma = params.gammaPerBps * params.gammaMult;
  const { sigmaBps, kappaPerBps } = market;
  const slope = sigmaBps * Math.sqrt((Math.E * gamma) / (2 * market.arrivalPerS * kappaPerBps));
  const inventory = slope / 2;
  const latency = sigmaBps * Math.sqrt((2 * params.latencyFloorS) / Math.PI);
  const floor = Math.max(params.makerFeeBps, latency, params.strategy === 3 ? params.minDepthBps : 0);
  const cost = 1 / kappaPerBps + inventory + params.makerFeeBps;
  const earned = depthPaying(cost, params.as0Bps, params.asDecayBps);
  const halfSpreadBps = Math.max(earned, floor + inventory) * params.spreadMult;
  const orders = params.maxPosLots / Math.max(params.sideSzLots, 1);
  const auto = Math.min(3600, Math.max(1, (orders * slope) / (gamma * sigmaBps ** 2)));
  const horizonS = params.horizonS > 0 ? params.horizonS : auto;
  const rawSkewBps = Math.min(1, Math.max(-1, posRatio)) * gamma * sigmaBps ** 2 * horizonS;
  const cap = params.maxSkewRatio * halfSpreadBps;
  return { halfSpreadBps, rawSkewBps, skewBps: Math.min(cap, Math.max(-cap, rawSkewBps)) };
}

function depthPaying(cost: number, as0: number, d0: number): number {
  let x = cost;
  for (let i = 0; i < 8; i++) {
    const as = as0 * Math.exp(-x / d0);
    x += (cost + as - x) / (1 + as / d0);
  }
  return x;
}

/**
 * Start-up assertions of models.md §18 that catch unit errors (1, 2, 4, 5, 6). Empty: nothing to object to.
 *
 * The skew at the limit must stand between 0.2 (else the inventory is uncontrolled: γ = 0.1 per *fraction* of price would skew by
 * 0.0006 bps) and 5 half-spreads (else a small position already pins the quotes at the cap).
 */
export function checkProportion(params: KernelParams, market: MarketLevels): ProportionProblem[] {
  const problems: ProportionProblem[] = [];
  const add = (code: ProportionCode, severity: "error" | "warning", message: string): void => {
    problems.push({ code, severity, message });
  };
  const { sigmaBps, kappaPerBps } = market;
  if (!(sigmaBps >= 0.05 && sigmaBps <= 20)) {
    add(
      "sigma-unit",
      "warning",
      `volatility ${sigmaBps} bps per sqrt(s) is outside 0.05..20: wrong unit, or a market too quiet or too wild to judge`,
    );
  }
  if (!(1 / kappaPerBps >= 0.5 && 1 / kappaPerBps <= 200)) {
    add(
      "kappa-unit",
      "warning",
      `kappa ${kappaPerBps} per bp means market orders reach ${1 / kappaPerBps} bps on average, outside 0.5..200: wrong unit?`,
    );
  }
  const atLimit = composeTerms(params, market, 1);
  const low = atLimit.skewBps / atLimit.halfSpreadBps;
  const high = atLimit.rawSkewBps / atLimit.halfSpreadBps;
  if (!(low >= 0.2) || !(high <= 5)) {
    const ratio = (low >= 0.2 ? high : low).toPrecision(2);
    add(
      "skew-out-of-proportion",
      "error",
      `skew at the position limit is ${atLimit.rawSkewBps.toPrecision(2)} bps, ${ratio} half-spreads (want 0.2..5): ` +
        `${low >= 0.2 ? "lower" : "raise"} risk_aversion (${params.gammaPerBps} per bp) or the horizon (${params.horizonS} s)`,
    );
  }
  const wider = composeTerms({ ...params, gammaPerBps: params.gammaPerBps * 2.5 }, market, 1);
  if (!(wider.halfSpreadBps >= atLimit.halfSpreadBps)) {
    add(
      "spread-falls-with-gamma",
      "error",
      `2.5 times risk_aversion would narrow the half-spread from ${atLimit.halfSpreadBps} to ${wider.halfSpreadBps} bps`,
    );
  }
  const costBps = params.makerFeeBps + params.as0Bps * Math.exp(-params.maxDepthBps / params.asDecayBps);
  if (!(costBps < params.maxDepthBps)) {
    add(
      "no-profitable-level",
      "error",
      `fee and adverse selection cost ${costBps.toPrecision(2)} bps at max_depth_bps ${params.maxDepthBps}: no level can earn`,
    );
  }
  const rho = (params.hawkesAlphaSelf + params.hawkesAlphaCross) / params.hawkesBeta;
  if (!(rho <= 0.95)) {
    add(
      "hawkes-explosive",
      "warning",
      `hawkes branching ratio ${rho.toPrecision(2)} is above 0.95: the kernel scales alpha down`,
    );
  }
  return problems;
}
