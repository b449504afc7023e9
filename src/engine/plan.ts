import { StrategyType } from "../abi/layout.js";
import type { Config } from "../config/index.js";
import { type Instrument, lotsToSz } from "../domain/index.js";
import type { AssetParams } from "../execution/index.js";
import { checkProportion, type KernelParams } from "../kernels/index.js";
import { capSizes, kernelParams, POSITION_SHARE, tierLeverage } from "../quoting/index.js";
import { riskLimits } from "../risk/index.js";
import type { LogFn } from "../telemetry/log.js";
import { FIRST_DEX } from "../venues/hyperliquid/dexes.js";
import type { MarketFacts } from "./markets.js";
import { type Sizing, SizingError, sizeAsset } from "./sizing.js";
import type { DexFunds, VenueFacts } from "./venue.js";

/** What is decided before anything starts: sizes, limits and kernel parameters, by engine index. */
export interface Plan {
  readonly assets: readonly AssetParams[];
  readonly params: readonly KernelParams[];
  readonly margins: readonly AssetMargin[];
}

/** How one asset's position is backed. */
export interface AssetMargin {
  readonly isCross: boolean;
  readonly leverage: number;
  /** USD in the position when isolated; 0 when cross. */
  readonly isolatedUsd: number;
}

/** What a plan needs to know of venue and account. */
export type PlanFacts = Pick<VenueFacts, "markets" | "fees" | "funds">;

/** Markets of the venue's own dex with cross margin and one account: what a simulated run trades. */
export function crossFacts(
  instruments: readonly Instrument[],
  given: {
    readonly midPx: readonly number[];
    readonly accountValueUsd: number;
    readonly makerFeeBps: number;
  },
): PlanFacts {
  return {
    markets: instruments.map((instrument) => ({
      instrument,
      dex: FIRST_DEX,
      collateral: "USDC",
      midPx: given.midPx[instrument.asset]!,
      markPx: given.midPx[instrument.asset]!,
      isIsolatedOnly: false,
      isStrictIsolated: false,
      isGrowth: false,
      tiers: [{ fromUsd: 0, maxLeverage: instrument.maxLeverage }],
    })),
    fees: instruments.map(() => ({ makerBps: given.makerFeeBps, takerBps: Number.NaN })),
    funds: [
      {
        dex: FIRST_DEX.name,
        collateral: "USDC",
        accountValueUsd: given.accountValueUsd,
        withdrawableUsd: given.accountValueUsd,
        isolatedUsd: new Map(),
      },
    ],
  };
}

/** @throws {SizingError} When sizes or parameters cannot work. */
export function planAssets(config: Config, facts: PlanFacts, log: LogFn): Plan {
  const assets: AssetParams[] = [];
  const params: KernelParams[] = [];
  const margins: AssetMargin[] = [];
  const backings = shareCapital(wishes(config, facts, log), facts, log);
  for (const { market, wanted, leverage: wishedLeverage, capitalUsd, isIsolated } of backings) {
    const { instrument: inst, midPx, tiers } = market;
    const capped = capSizes({
      instrument: inst,
      accountValueUsd: capitalUsd,
      leverage: wishedLeverage,
      midPx,
      tiers,
      backing: isIsolated ? "isolated margin" : "account value",
      maxPosLots: wanted.maxPosLots,
      sideSzLots: wanted.sideLots,
    });
    const limitUsd = lotsToSz(inst, capped.maxPosLots) * midPx;
    const leverage = Math.min(wishedLeverage, tierLeverage(tiers, limitUsd));
    if (leverage < wishedLeverage) {
      log(
        "warn",
        `${inst.coin}: a position worth $${limitUsd.toFixed(0)} may have leverage ${leverage}, not ${wishedLeverage}: ${leverage} is used`,
      );
    }
    const { makerBps } = facts.fees[inst.asset]!;
    for (const { message } of capped.warnings) log("warn", message);
    if (capped.sideSzLots < 1)
      throw new SizingError(`${inst.coin}: the account carries no quote: deposit, or trade a cheaper asset`);
    const kernel = kernelParams(config, capped, {
      makerFeeBps: makerBps,
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
    margins.push({ isCross: !isIsolated, leverage, isolatedUsd: isIsolated ? capitalUsd : 0 });
    log("info", "Sizes", {
      asset: inst.coin,
      targetLiquidity: lotsToSz(inst, capped.sideSzLots),
      maxPosition: lotsToSz(inst, capped.maxPosLots),
      // "configured" or "sized from price", before the caps above.
      origin: wanted.origin,
      leverage,
      margin: isIsolated ? `isolated, $${capitalUsd.toFixed(2)}` : "cross",
      makerFeeBps: Math.round(makerBps * 1e4) / 1e4,
    });
    assets.push({
      instrument: inst,
      maxBpsDiff: config.trading.max_bps_diff,
      // The venue counts a tenth of the volume in growth-mode markets.
      requestsPerUsd: facts.markets[inst.asset]?.isGrowth === true ? 0.1 : 1,
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
  return { assets, params, margins };
}

/** What one asset is to trade, before its backing is known. */
interface Wish {
  readonly market: MarketFacts;
  readonly wanted: Sizing;
  readonly leverage: number;
  readonly isIsolated: boolean;
  /** Margin that is to be in the position when it is isolated. */
  readonly isolatedUsd: number;
}
/** USD that back one asset alone. */
type Backing = Wish & { readonly capitalUsd: number };

function wishes(config: Config, facts: PlanFacts, log: LogFn): Wish[] {
  return facts.markets.map((market) => {
    const { instrument: inst, midPx } = market;
    if (!(midPx > 0))
      throw new SizingError(
        `${inst.coin}: the venue gives no price yet, so no size can be set: try again later`,
      );
    const asked = config.trading.leverage;
    if ((asked ?? 0) > inst.maxLeverage) {
      log("warn", `leverage ${asked} is above ${inst.coin}'s maximum: ${inst.maxLeverage} is used`);
    }
    return {
      market,
      wanted: sizeAsset(config, inst, midPx),
      leverage: Math.min(asked ?? inst.maxLeverage, inst.maxLeverage),
      isIsolated: market.isIsolatedOnly || config.trading.force_isolated,
      isolatedUsd: config.trading.initial_isolated_margin,
    };
  });
}

/**
 * Divides each clearinghouse among the assets that draw on it: isolated markets take their own margin first, and the cross
 * ones share the rest in proportion to what their position limits need, if it does not carry all of them at once.
 */
function shareCapital(all: readonly Wish[], facts: PlanFacts, log: LogFn): Backing[] {
  const backings = new Map<Wish, number>();
  for (const funds of facts.funds) {
    const here = all.filter((w) => w.market.dex.name === funds.dex);
    const isolated = here.filter((w) => w.isIsolated);
    const held = isolated.reduce((sum, w) => sum + (funds.isolatedUsd.get(w.market.instrument.coin) ?? 0), 0);
    const freeUsd = funds.withdrawableUsd + held;
    const askedUsd = isolated.reduce((sum, w) => sum + w.isolatedUsd, 0);
    const part = askedUsd > 0 ? Math.min(1, freeUsd / askedUsd) : 1;
    if (part < 1) {
      log(
        "warn",
        `isolated margin of $${askedUsd.toFixed(2)} exceeds what is free${onDex(funds)}, $${freeUsd.toFixed(2)}: each market gets ${(100 * part).toFixed(0)} % of it`,
      );
    }
    for (const w of isolated) backings.set(w, w.isolatedUsd * part);

    const crossUsd = funds.accountValueUsd - askedUsd * part;
    const needs = here.filter((w) => !w.isIsolated).map((w): [Wish, number] => [w, marginNeedUsd(w)]);
    const neededUsd = needs.reduce((sum, [, usd]) => sum + usd, 0);
    const isShort = needs.length > 1 && neededUsd > POSITION_SHARE * crossUsd;
    if (isShort) {
      log(
        "warn",
        `the position limits of ${needs.map(([w]) => w.market.instrument.coin).join(", ")} together need $${neededUsd.toFixed(2)} of margin and the account${onDex(funds)} of $${crossUsd.toFixed(2)} carries ${POSITION_SHARE} of itself: it is shared in proportion`,
      );
    }
    for (const [w, usd] of needs) backings.set(w, isShort ? (crossUsd * usd) / neededUsd : crossUsd);
  }
  return all.map((w) => ({ ...w, capitalUsd: backings.get(w) ?? 0 }));
}

const onDex = (funds: DexFunds): string => (funds.dex === "" ? "" : ` on DEX ${funds.dex}`);

/** Margin that a position at the wanted limit would use. */
function marginNeedUsd({ market, wanted, leverage }: Wish): number {
  const usd = lotsToSz(market.instrument, wanted.maxPosLots) * market.midPx;
  return usd / Math.min(leverage, tierLeverage(market.tiers, usd));
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
