import { type Batch, type Input, type Json, num, nums, rows, runGolden } from "./golden.js";

const ACTIONS = ["normal", "widen", "reduce_size", "pull_quotes", "kill_switch"];

/** Left and right limits at the query times: events at the query time count on the right only. */
function intensities(k: Batch, input: Input): Json {
  const [mu, alpha, beta] = [nums(input["mu"]), rows(input["alpha"]), num(input["beta"])];
  const events = rows(input["events"]);
  const limit = (query: number, isRight: boolean): number[] => {
    k.call("hawkesReset");
    let last = 0;
    for (const [t, type] of events) {
      if (t! > query || (t! === query && !isRight)) break;
      k.call("hawkesBatch", t! - last, type!, beta);
      last = t!;
    }
    k.call("hawkesBatch", query - last, -1, beta);
    return [0, 1].map((m) => k.call("hawkesIntensity", mu[m]!, alpha[m]![0]!, alpha[m]![1]!));
  };
  const queries = nums(input["query"]);
  return { left: queries.map((q) => limit(q, false)), right: queries.map((q) => limit(q, true)) };
}

function cascade(k: Batch, input: Input): Json {
  const [mu, alpha, beta, scale, cap] = ["mu", "alpha", "beta", "size_scale", "weight_cap"].map((name) =>
    num(input[name]),
  ) as [number, number, number, number, number];
  let excitation = 0;
  let last = 0;
  for (const [t, size] of rows(input["events"])) {
    excitation = k.call("cascadeExcite", excitation, t! - last, size!, scale, cap, beta);
    last = t!;
  }
  excitation = k.call("cascadeExcite", excitation, num(input["query"]) - last, 0, scale, cap, beta);
  const intensity = mu + alpha * excitation;
  const severity = k.call("cascadeSeverity", intensity, mu, num(input["pull_ratio"]));
  const action = k.call("cascadeAction", severity);
  return {
    intensity,
    ratio: intensity / mu,
    severity,
    action: ACTIONS[action]!,
    gamma_mult: k.call("cascadeGammaMult", action),
    size_mult: k.call("cascadeSizeMult", action),
  };
}

runGolden("hawkes", {
  intensity: intensities,
  stationarity: (k, input) => {
    const [mu, alpha, beta] = [nums(input["mu"]), rows(input["alpha"]), num(input["beta"])];
    const flat = [alpha[0]![0]!, alpha[0]![1]!, alpha[1]![0]!, alpha[1]![1]!, beta];
    const rho = k.call("branchingRadius", ...flat);
    const mean = [0, 1].map((m) => k.call("hawkesMean", m, mu[0]!, mu[1]!, ...flat));
    return {
      branching: alpha.map((row) => row.map((a) => a / beta)),
      spectral_radius: rho,
      stationary: rho < 1,
      mean_intensity: rho < 1 ? mean : null,
    };
  },
  cascade,
});
