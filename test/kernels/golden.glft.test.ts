import { type Batch, type Input, type Json, num, nums, runGolden } from "./golden.js";

const ACTIONS = ["normal", "widen", "reduce_size", "pull_quotes", "kill_switch"];

function operational(
  k: Batch,
  gamma: number,
  kappa: number,
  sigma: number,
  t: number,
  q: number,
  qMax: number,
  px: number,
) {
  const code = k.call("operationalQuote", gamma, kappa, sigma, t, q, qMax, px);
  const [delta, skew, bid, ask] =
    code < 0 ? [Number.NaN, Number.NaN, Number.NaN, Number.NaN] : k.getAll(0, 4);
  return {
    delta: delta!,
    skew: skew!,
    bid: bid!,
    ask: ask!,
    bid_enabled: code > 0 && (code & 1) !== 0,
    ask_enabled: code > 0 && (code & 2) !== 0,
    quotable: code > 0,
  };
}

/** Rows of nested loops over the listed axes, the last axis fastest. */
function* grid(axes: Json): Generator<Record<string, number>> {
  const entries = Object.entries(axes as Input).map(([name, values]) => [name, nums(values)] as const);
  const total = entries.reduce((n, [, v]) => n * v.length, 1);
  for (let i = 0; i < total; i++) {
    let rest = i;
    const point: Record<string, number> = {};
    for (const [name, values] of entries.toReversed()) {
      point[name] = values[rest % values.length]!;
      rest = Math.floor(rest / values.length);
    }
    yield point;
  }
}

const opt = (v: Json | undefined): number => (v === undefined ? 0 : num(v));

function tail(k: Batch, severity: number): { action: string; gamma_mult: number; size_mult: number } {
  const action = k.call("cascadeAction", severity);
  return {
    action: ACTIONS[action]!,
    gamma_mult: k.call("cascadeGammaMult", action),
    size_mult: k.call("cascadeSizeMult", action),
  };
}

runGolden("glft", {
  operational: (k, input) => {
    const [gamma, kappa, sigma, t, q, qMax, px] = [
      "gamma",
      "kappa",
      "sigma",
      "T",
      "q",
      "q_max",
      "microprice",
    ].map((name) => num(input[name]));
    return operational(k, gamma!, kappa!, sigma!, t!, q!, qMax!, px!);
  },
  operational_bps: (k, input) => {
    // The same arithmetic in fractions of price: 1 per bp = 1e4 per fraction, 1 bp = 1e-4.
    const q = operational(
      k,
      num(input["gamma"]) * 1e4,
      num(input["kappa"]) * 1e4,
      num(input["sigma"]) * 1e-4,
      num(input["T"]),
      num(input["q"]),
      num(input["q_max"]),
      num(input["microprice"]),
    );
    return { delta_bps: q.delta * 1e4, skew_bps: q.skew * 1e4, bid: q.bid, ask: q.ask };
  },
  operational_grid: (k, input) => ({
    columns: ["delta", "skew", "bid", "ask"],
    rows: [...grid(input["axes"]!)].map((p) => {
      const r = operational(
        k,
        p["gamma"]!,
        p["kappa"]!,
        p["sigma"]!,
        num(input["T"]),
        p["q"]!,
        num(input["q_max"]),
        num(input["microprice"]),
      );
      return [r.delta, r.skew, r.bid, r.ask];
    }),
  }),
  asymptotic: (k, input) => {
    const args = ["gamma", "xi", "k", "A", "sigma", "Delta", "q", "mu", "impact"];
    k.call("asymptoticQuote", ...args.map((name) => opt(input[name])));
    const [s0, slope, half, skew, bid, ask] = k.getAll(0, 6);
    return {
      static_half_spread: s0!,
      slope_per_unit: slope!,
      half_spread: half!,
      skew: skew!,
      delta_bid: bid!,
      delta_ask: ask!,
    };
  },
  asymptotic_grid: (k, input) => ({
    columns: ["delta_bid", "delta_ask"],
    rows: [...grid(input["axes"]!)].map((p) => {
      const fixed = [num(input["Delta"]), p["q"]!, 0, 0];
      k.call("asymptoticQuote", p["gamma"]!, p["gamma"]!, p["k"]!, p["A"]!, p["sigma"]!, ...fixed);
      return k.getAll(32, 2);
    }),
  }),
  avellaneda_stoikov: (k, input) => {
    k.call(
      "avellanedaStoikov",
      ...["mid", "q", "gamma", "sigma", "time_left", "k"].map((name) => num(input[name])),
    );
    const [reservation, half] = k.getAll(0, 2);
    return {
      reservation: reservation!,
      half_spread: half!,
      bid: reservation! - half!,
      ask: reservation! + half!,
    };
  },
  equivalent_horizon: (k, input) => {
    const [gamma, kappa, a, sigma, orders] = ["gamma", "kappa", "A", "sigma", "orders_to_limit"].map((name) =>
      num(input[name]),
    );
    const slope = k.call("inventorySlope", gamma!, gamma!, kappa!, a!, sigma!, 1);
    return {
      T_equivalent: k.call("equivalentHorizon", slope, gamma!, sigma!, orders!),
      slope_per_order: slope,
      half_spread_missing_term: slope / 2,
      delta: k.call("staticHalfSpread", gamma!, kappa!, 1),
    };
  },
  dynamic_gamma: (k, input) => {
    const vol = k.call("gammaVolMult", num(input["sigma"]), num(input["sigma_base"]));
    const tox = k.call("gammaToxicityMult", num(input["toxicity"]));
    const inv = k.call("gammaInventoryMult", num(input["q_ratio"]));
    const mult = tail(k, num(input["severity"])).gamma_mult;
    return {
      volatility_mult: vol,
      toxicity_mult: tox,
      inventory_mult: inv,
      tail_risk_mult: mult,
      gamma_effective: k.call("gammaEffective", num(input["gamma_base"]), vol, tox, inv, mult),
    };
  },
  cascade_action: (k, input) => ({ actions: nums(input["severity"]).map((s) => tail(k, s)) }),
});
