import { type Batch, type Input, num, nums, runGolden } from "./golden.js";

const UNITS = ["per_fraction", "per_bps", "per_price", "per_tick"];

function putDistances(k: Batch, input: Input): number {
  const distances = nums(input["distances"]);
  k.put(4096, distances);
  return distances.length;
}

runGolden("kappa", {
  mle_exp: (k, input) => {
    k.call("kappaMle", putDistances(k, input), num(input["kappa_min"]), num(input["kappa_max"]));
    const [n, mean, kappa, stderr] = k.getAll(0, 4);
    return { n: n!, mean: mean!, kappa: kappa!, stderr: stderr! };
  },
  mle_trunc: (k, input) => {
    const count = putDistances(k, input);
    const window = [num(input["d_min"]), num(input["d_max"])];
    k.call("kappaMleTruncated", count, ...window, num(input["kappa_min"]), num(input["kappa_max"]));
    const [n, raw, kappa, stderr] = k.getAll(0, 4);
    return { n: n!, kappa_raw: raw!, kappa: kappa!, stderr: stderr! };
  },
  A_from_trades: (k, input) => ({
    A: k.call(
      "arrivalRate",
      num(input["n"]),
      num(input["exposure_s"]),
      num(input["kappa"]),
      num(input["d_max"]),
    ),
  }),
  bayes_gamma: (k, input) => {
    const count = putDistances(k, input);
    k.call("kappaPosterior", count, num(input["prior_shape"]), num(input["prior_mean"]));
    const [shape, rate, mean, std] = k.getAll(0, 4);
    return { shape: shape!, rate: rate!, mean: mean!, std: std! };
  },
  convert_units: (k, input) => {
    const from = UNITS.indexOf(input["unit"] as string);
    const to = (unit: number): number =>
      k.call("kappaConvert", num(input["value"]), from, unit, num(input["mid"]), num(input["tick"]));
    return {
      per_fraction: to(0),
      per_bps: to(1),
      per_price: to(2),
      per_tick: to(3),
      mean_depth_bps: 1 / to(1),
    };
  },
  smooth: (k, input) => {
    let kappa = num(input["kappa0"]);
    const bounds = ["alpha", "max_step", "kappa_min", "kappa_max"].map((name) => num(input[name]));
    return {
      kappa: nums(input["obs"]).map((obs) => {
        kappa = k.call("kappaSmooth", kappa, obs, ...bounds);
        return kappa;
      }),
    };
  },
});
