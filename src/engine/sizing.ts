import type { Config } from "../config/index.js";
import { DEFAULT_MAX_POSITION_SIDES, DEFAULT_SIDE_NOTIONAL_USD } from "../config/index.js";
import { type Instrument, pow10, type SzLots, szToLots } from "../domain/index.js";

/** A size that cannot be traded: one line for the user. */
export class SizingError extends Error {
  override readonly name = "SizingError";
  readonly code = "Sizing";
}

export interface Sizing {
  readonly sideLots: SzLots;
  readonly maxPosLots: SzLots;
  /** "configured" or "sized from price": shown at start. */
  readonly origin: string;
}

/**
 * Size per side and position limit of one asset. Unset values are worth the same in every market, one lot a level at least: sized from the price.
 *
 * @throws {SizingError} When a side is below one lot or the venue's least notional, or exceeds the limit.
 */
export function sizeAsset(config: Config, inst: Instrument, midPx: number): Sizing {
  const { target_liquidity, max_absolute_position_size } = config.trading;
  const lot = 1 / pow10(inst.szDecimals);
  // Coarse lots (shares, futures): a side split over its levels must leave a lot for one of them.
  const sideSz =
    target_liquidity ??
    Math.max(config.strategy.ladder_config.num_levels * lot, DEFAULT_SIDE_NOTIONAL_USD / midPx);
  const sideLots = szToLots(inst, sideSz);
  if (sideLots < 1) {
    throw new SizingError(
      `${inst.coin}: target_liquidity ${sideSz} is below one lot (${lot}): raise --target-liquidity`,
    );
  }
  const notional = sideSz * midPx;
  if (notional < inst.minNotionalUsd) {
    throw new SizingError(
      `${inst.coin}: target_liquidity ${sideSz} is worth $${notional.toFixed(2)}, below the venue's minimum of $${inst.minNotionalUsd}: raise --target-liquidity`,
    );
  }
  const maxPosLots = szToLots(inst, max_absolute_position_size ?? sideSz * DEFAULT_MAX_POSITION_SIDES);
  if (maxPosLots < sideLots) {
    throw new SizingError(
      `${inst.coin}: max position ${maxPosLots * lot} is smaller than target_liquidity ${sideSz}: lower --target-liquidity or raise --max-position`,
    );
  }
  return { sideLots, maxPosLots, origin: target_liquidity === undefined ? "sized from price" : "configured" };
}
