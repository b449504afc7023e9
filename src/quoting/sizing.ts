import { type Instrument, lotsToSz, type SzLots, szLots, szToLots } from "../domain/index.js";
import type { StrategySizes } from "./params.js";

/** Share of the account's buying power that a position may take (SOP §4.4). */
export const POSITION_SHARE = 0.5;
/** Share of the position limit that one side of the ladder may show (SOP §4.4). */
export const SIDE_SHARE = 0.4;

/** From this position value on, a market allows at most this leverage. Source: reference §6.5. */
export interface MarginTier {
  readonly fromUsd: number;
  readonly maxLeverage: number;
}

export interface SizingInput extends StrategySizes {
  readonly instrument: Instrument;
  /** What backs this asset alone: the account value, its part of one that several assets share, or its isolated margin. */
  readonly accountValueUsd: number;
  readonly leverage: number;
  readonly midPx: number;
  /** Lowest first; without, the leverage holds at any size. */
  readonly tiers?: readonly MarginTier[];
  /** What `accountValueUsd` is, for the warnings. Default "account value". */
  readonly backing?: string;
}

/** Largest leverage of a position worth this much. */
export function tierLeverage(tiers: readonly MarginTier[], positionUsd: number): number {
  let most = tiers[0]?.maxLeverage ?? Number.POSITIVE_INFINITY;
  for (const tier of tiers) if (positionUsd > tier.fromUsd) most = tier.maxLeverage;
  return most;
}

/** Largest position value that this margin carries at no more than `leverage`, each tier at its own. */
export function carriedUsd(marginUsd: number, leverage: number, tiers: readonly MarginTier[]): number {
  if (tiers.length === 0) return marginUsd * leverage;
  let most = 0;
  for (const [k, tier] of tiers.entries()) {
    const upToUsd = tiers[k + 1]?.fromUsd ?? Number.POSITIVE_INFINITY;
    const carried = Math.min(marginUsd * Math.min(leverage, tier.maxLeverage), upToUsd);
    if (k === 0 || carried > tier.fromUsd) most = Math.max(most, carried);
  }
  return most;
}

export interface SizingWarning {
  readonly code: "max-position-capped" | "target-liquidity-capped" | "no-capital";
  /** One line: what was asked, what it became, and why. */
  readonly message: string;
}

export interface CappedSizes {
  readonly maxPosLots: SzLots;
  readonly sideSzLots: SzLots;
  readonly warnings: readonly SizingWarning[];
}

/** Largest position: account value × leverage × 0.5 / price, by tiers, floored to lots. */
export function maxPositionLots(input: Omit<SizingInput, keyof StrategySizes>): SzLots {
  const { instrument, accountValueUsd, leverage, midPx } = input;
  if (!(accountValueUsd > 0 && leverage > 0 && midPx > 0)) return szLots(0);
  return szToLots(
    instrument,
    carriedUsd(accountValueUsd * POSITION_SHARE, leverage, input.tiers ?? []) / midPx,
  );
}

/**
 * The manual's sizing rules (SOP §4.4), applied as caps with a warning each:
 *
 *   max_position ≤ account_value × leverage × 0.5 / price        target_liquidity ≤ max_position × 0.4
 *
 * A result of 0 lots means that the account cannot carry a quote: do not start.
 */
export function capSizes(input: SizingInput): CappedSizes {
  const { instrument, backing = "account value" } = input;
  const warnings: SizingWarning[] = [];
  const show = (lots: number): string => `${lotsToSz(instrument, lots)} ${instrument.coin}`;

  const most = maxPositionLots(input);
  if (most === 0) {
    warnings.push({
      code: "no-capital",
      message: `${backing} ${input.accountValueUsd} USD at leverage ${input.leverage} carries no position in ${instrument.coin}: fund the account or trade a cheaper asset`,
    });
  }
  let maxPosLots = szLots(input.maxPosLots);
  if (maxPosLots > most) {
    warnings.push({
      code: "max-position-capped",
      message: `max position ${show(maxPosLots)} exceeds ${backing} × leverage × ${POSITION_SHARE} / price: capped at ${show(most)}`,
    });
    maxPosLots = most;
  }
  let sideSzLots = szLots(input.sideSzLots);
  // In integers, so that 0.4 of a limit that was derived from 0.4 does not lose a lot to rounding.
  const sideMost = szLots(Math.floor(maxPosLots * SIDE_SHARE + 1e-9));
  if (sideSzLots > sideMost) {
    warnings.push({
      code: "target-liquidity-capped",
      message: `target_liquidity ${show(sideSzLots)} exceeds ${SIDE_SHARE} of the position limit ${show(maxPosLots)}: capped at ${show(sideMost)}`,
    });
    sideSzLots = sideMost;
  }
  return { maxPosLots, sideSzLots, warnings };
}
