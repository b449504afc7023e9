/** Worlds in which the whole engine is run: busy markets, small enough for ten simulated minutes in about half a second. */
import { configSchema } from "../../src/config/index.js";
import { type SimulatedOptions, SimulatedRun } from "../../src/engine/simulated.js";
import { BTC_LIKE, SyntheticMarket, type SyntheticParams } from "../../src/sim/index.js";

/** Thin and rough: quotes a few bps away are reached several times a minute. */
export const BUSY_MARKET: SyntheticParams = {
  ...BTC_LIKE,
  blockMs: 200,
  l2BookMs: 600,
  levels: 8,
  makers: 1,
  takersPerS: 3,
  sweepsPerMin: 20,
  sweepBps: 4,
  sweepUsd: 400_000,
};

export const QUOTING = configSchema.parse({
  trading: { max_bps_diff: 1.5 },
  strategy: {
    strategy_type: "ladder",
    min_trades: 20,
    warmup_decay_secs: 0,
    ladder_config: { num_levels: 3, min_depth_bps: 1, max_depth_bps: 8 },
  },
});

export function quotingRun(options: Partial<SimulatedOptions> & { readonly seed: number }): SimulatedRun {
  return new SimulatedRun({
    config: QUOTING,
    markets: [new SyntheticMarket(BUSY_MARKET, options.seed)],
    ...options,
  });
}
