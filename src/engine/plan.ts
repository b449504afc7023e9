import { StrategyType } from "../abi/layout.js";
import type { Config } from "../config/index.js";
import { lotsToSz } from "../domain/index.js";
import type { AssetParams } from "../execution/index.js";
import { checkProportion, type KernelParams } from "../kernels/index.js";
import { capSizes, kernelParams } from "../quoting/index.js";
import { riskLimits } from "../risk/index.js";
import type { LogFn } from "../telemetry/log.js";
import { SizingError, sizeAsset } from "./sizing.js";
import type { VenueFacts } from "./venue.js";

/** What is decided before anything starts: sizes, limits and kernel parameters, by engine index. */
export interface Plan {
  readonly assets: readonly AssetParams[];
  readonly params: readonly KernelParams[];
  readonly leverage: readonly number[];
}

/** What a plan needs to know of venue and account. */
export type PlanFacts = Pick<VenueFacts, "instruments" | "midPx" | "accountValueUsd" | "makerFeeBps">;

/** @throws {SizingError} When sizes or parameters cannot work. */
export function planAssets(config: Config, facts: PlanFacts, log: LogFn): Plan {
  const assets: AssetParams[] = [];
  const params: KernelParams[] = [];
  const leverages: number[] = [];
  for (const inst of facts.instruments) {
    const midPx = facts.midPx[inst.asset]!;
    if (!(midPx > 0))
      throw new SizingError(
        `${inst.coin}: the venue gives no price yet, so no size can be set: try again later`,
      );
    const leverage = Math.min(config.trading.leverage ?? inst.maxLeverage, inst.maxLeverage);
    if ((config.trading.leverage ?? 0) > inst.maxLeverage) {
      log(
        "warn",
        `leverage ${config.trading.leverage} is above ${inst.coin}'s maximum: ${inst.maxLeverage} is used`,
      );
    }
    const wanted = sizeAsset(config, inst, midPx);
    const capped = capSizes({
      instrument: inst,
      accountValueUsd: facts.accountValueUsd,
      leverage,
      midPx,
      maxPosLots: wanted.maxPosLots,
      sideSzLots: wanted.sideLots,
    });
    for (const { message } of capped.warnings) log("warn", message);
    if (capped.sideSzLots < 1)
      throw new SizingError(`${inst.coin}: the account carries no quote: deposit, or trade a cheaper asset`);
    const kernel = kernelParams(config, capped, {
      makerFeeBps: facts.makerFeeBps,
      spreadMult: warmUpMultiplier(0, config.strategy.warmup_decay_secs),
    });
    for (const problem of checkProportion(kernel, TYPICAL_MARKET)) {
      if (problem.severity === "error") throw new SizingError(`${inst.coin}: ${problem.message}`);
      log("warn", problem.message, { asset: inst.coin });
    }
    const levelUsd = lotsToSz(inst, capped.sideSzLots) * midPx * largestShare(kernel);
    if (levelUsd < inst.minNotionalUsd) {
      throw new SizingError(
        `${inst.coin}: a side worth $${(levelUsd / largestShare(kernel)).toFixed(2)} gives levels of at most $${levelUsd.toFixed(2)}, below the venue's minimum of $${inst.minNotionalUsd}: raise --target-liquidity, or use strategy_type = "glft"`,
      );
    }
    params.push(kernel);
    leverages.push(leverage);
    assets.push({
      instrument: inst,
      maxBpsDiff: config.trading.max_bps_diff,
      minRequoteMs: config.engine.min_requote_ms,
      limits: riskLimits({
        maxPosLots: capped.maxPosLots,
        maxPositionValueUsd: config.risk.max_position_value_usd,
        maxDailyLossUsd: config.risk.max_daily_loss_usd,
        maxDrawdownPct: config.risk.max_drawdown_pct,
        staleDataS: config.risk.stale_data_secs,
        pullAfterStaleS: config.risk.pull_quotes_after_stale_secs,
        maxRateLimitErrors: config.risk.max_rate_limit_errors,
        minNotionalUsd: inst.minNotionalUsd,
      }),
    });
  }
  return { assets, params, leverage: leverages };
}

/** Largest share of a side that one level may hold. */
function largestShare(kernel: KernelParams): number {
  return kernel.strategy === StrategyType.Ladder ? kernel.levelWeightCap : 1;
}

/** The first quotes stand this much wider. */
const WARM_UP_EXCESS = 0.1;

/** Half-spread multiplier at a time after the first ladder: the excess is at a twentieth after `decayS`, and ends at a hundredth. */
export function warmUpMultiplier(elapsedS: number, decayS: number): number {
  if (decayS <= 0) return 1;
  // In hundredths: each step is a configuration sent to the kernel.
  const excess = Math.round(100 * WARM_UP_EXCESS * Math.exp((-3 * Math.max(0, elapsedS)) / decayS)) / 100;
  return 1 + excess;
}

/** Median conditions for the start-up proportion check (models.md §0.1's worked scale). */
const TYPICAL_MARKET = { sigmaBps: 1, kappaPerBps: 0.2, arrivalPerS: 1 };
