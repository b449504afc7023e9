import { type Batch, type Input, type Json, num, nums, runGolden } from "./golden.js";

const YEAR_S = 365 * 86400;
const REGIMES = ["low", "normal", "high", "extreme"];

function volumeClock(k: Batch, input: Input): Json {
  k.call("volumeClockReset");
  let count = 0;
  for (const t of input["trades"] as Input[]) {
    count = k.call(
      "volumeClockTrade",
      num(t["t"]),
      num(t["price"]),
      num(t["size"]),
      num(input["threshold"]),
      input["mode"] === "split",
    );
  }
  const at = k.call("volumeClockBuckets");
  const names = ["start_t", "end_t", "open", "high", "low", "close", "vwap", "volume", "n_trades"];
  const bucket = (i: number): Json =>
    Object.fromEntries(names.map((name, f) => [name, k.at(at + (i * names.length + f) * 8)]));
  return {
    buckets: Array.from({ length: count }, (_, i) => bucket(i)),
    pending: {
      volume: k.call("volumeClockPending", 0),
      notional: k.call("volumeClockPending", 1),
      n_trades: k.call("volumeClockPending", 2),
    },
  };
}

function ewma(k: Batch, input: Input): Json {
  const h = num(input["half_life"]);
  k.call("variationReset", 0, num(input["rv0"]), num(input["bv0"]), h);
  const rv: number[] = [];
  const bv: number[] = [];
  for (const r of nums(input["returns"])) {
    k.call("variationUpdate", 0, r, h);
    rv.push(k.call("variationValue", 0, 0));
    bv.push(k.call("variationValue", 0, 1));
  }
  return { rv, bv, last: { rv: rv.at(-1)!, bv: bv.at(-1)!, jump_ratio: k.call("variationValue", 0, 2) } };
}

function multiScale(k: Batch, input: Input): Json {
  const h = nums(input["half_lives"]);
  const v0 = num(input["var0"]);
  for (let i = 0; i < 3; i++) k.call("variationReset", i, v0, v0, h[i]!);
  for (const r of nums(input["returns"])) for (let i = 0; i < 3; i++) k.call("variationUpdate", i, r, h[i]!);
  const sigma = (i: number, field: number): number => Math.sqrt(k.call("variationValue", i, field));
  const clean = sigma(2, 1);
  const total = k.call("blendTotal", sigma(0, 0), sigma(2, 0));
  const jr = k.call("variationValue", 0, 2);
  return {
    sigma_fast: sigma(0, 0),
    sigma_medium: sigma(1, 0),
    sigma_slow: sigma(2, 0),
    sigma_clean: clean,
    sigma_total: total,
    jump_ratio_fast: jr,
    sigma_effective: k.call("blendEffective", clean, total, jr),
  };
}

runGolden("volatility", {
  volume_clock: volumeClock,
  rv_bv: (k, input) => {
    const prices = nums(input["prices"]);
    k.put(4096, prices);
    k.call("realisedVariation", prices.length);
    const [n, rv, bv, bv_adj, jump_ratio, relative_jump, tripower_quarticity, z_ratio] = k.getAll(0, 8);
    return {
      n: n!,
      rv: rv!,
      bv: bv!,
      bv_adj: bv_adj!,
      jump_ratio: jump_ratio!,
      relative_jump: relative_jump!,
      tripower_quarticity: tripower_quarticity!,
      z_ratio: z_ratio!,
    };
  },
  ewma,
  ewma_time: (k, input) => {
    let v = num(input["v0"]);
    let prev: [number, number] | undefined;
    const rates: number[] = [];
    for (const [t, px] of (input["points"] as Json[][]).map((p) => [num(p[0]), num(p[1])] as const)) {
      const isGood = px > 0 && Number.isFinite(px);
      if (prev && isGood)
        v = k.call("varianceRateUpdate", v, prev[1], px, (t - prev[0]) / 1000, num(input["tau_s"]));
      // An equal stamp keeps the older anchor: the row is merged into the next interval.
      if (isGood && (!prev || t > prev[0])) prev = [t, px];
      rates.push(v);
    }
    return { variance_rate: rates, sigma_last: Math.sqrt(v) };
  },
  sigma_scale: (k, input) => {
    const over = (s: number): number =>
      k.call("sigmaOver", num(input["sigma_per_bucket"]), num(input["buckets_per_second"]), s);
    return {
      sigma_per_sqrt_s: over(1),
      sigma_bps_per_sqrt_s: over(1) * 1e4,
      sigma_annual: over(YEAR_S),
      sigma_1m: over(60),
    };
  },
  multi_scale: multiScale,
  regime: (k, input) => ({
    states: nums(input["sigma"]).map(
      (s, i) =>
        REGIMES[
          k.call("regimeBatch", i === 0 ? -1 : 0, s, num(input["sigma_base"]), num(input["jump_ratio"]))
        ]!,
    ),
  }),
});
