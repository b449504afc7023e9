import { type Instrument, pow10 } from "../domain/index.js";

/** What one asset of an account may do. Every number is a hard limit unless its line says otherwise. */
export interface RiskLimits {
  /** |position| plus everything that could still fill on the same side, in lots. */
  readonly maxPosLots: number;
  /** |position| × mid. Above it: reduce-only; above `positionValueKillMult` times it: kill. */
  readonly maxPositionValueUsd: number;
  readonly positionValueKillMult: number;
  /** Session loss (realised + unrealised − fees) that trips the kill switch. */
  readonly maxDailyLossUsd: number;
  /** Fall from the highest account value of the session, in percent of that value. */
  readonly maxDrawdownPct: number;
  /** Age of the newest market data at which quotes are pulled. */
  readonly pullAfterStaleS: number;
  /** Age of the newest market data at which the kill switch trips. */
  readonly staleDataS: number;
  /** Rate-limit refusals within `rateLimitWindowS` that trip the kill switch. */
  readonly maxRateLimitErrors: number;
  readonly rateLimitWindowS: number;
  /** Refused orders (post-only misses aside) within `rejectWindowS` that pull the quotes. */
  readonly maxRejects: number;
  readonly rejectWindowS: number;
  readonly minNotionalUsd: number;
  /** Orders that rest or may rest, over all assets of the account. */
  readonly maxOpenOrders: number;
  /** Furthest an order price may stand from the mid. */
  readonly priceCollarBps: number;
}

/** Manual §8.1 where it names a number; the rest are conservative for a quiet account. `maxPosLots` has no default. */
export const DEFAULT_LIMITS: Omit<RiskLimits, "maxPosLots"> = {
  maxPositionValueUsd: 10_000,
  positionValueKillMult: 1.2,
  maxDailyLossUsd: 500,
  maxDrawdownPct: 5,
  pullAfterStaleS: 3,
  staleDataS: 5,
  maxRateLimitErrors: 10,
  rateLimitWindowS: 300,
  maxRejects: 30,
  rejectWindowS: 10,
  minNotionalUsd: 10,
  maxOpenOrders: 200,
  priceCollarBps: 500,
};

/**
 * Completes and checks limits.
 * @throws {RangeError} When a limit is not a positive finite number, or two of them contradict each other; names the limit.
 */
export function riskLimits(given: Partial<RiskLimits> & Pick<RiskLimits, "maxPosLots">): RiskLimits {
  const limits: RiskLimits = { ...DEFAULT_LIMITS, ...given };
  for (const [name, value] of Object.entries(limits)) {
    if (!(Number.isFinite(value) && value > 0)) {
      throw new RangeError(`risk limit ${name} is ${value}: give a positive number`);
    }
  }
  if (!Number.isSafeInteger(limits.maxPosLots)) {
    throw new RangeError(`risk limit maxPosLots is ${limits.maxPosLots}: give a whole number of lots`);
  }
  if (limits.pullAfterStaleS > limits.staleDataS) {
    throw new RangeError(
      `risk limit pullAfterStaleS (${limits.pullAfterStaleS}) exceeds staleDataS (${limits.staleDataS}): quotes would never be pulled before the kill`,
    );
  }
  if (limits.positionValueKillMult < 1) {
    throw new RangeError(
      `risk limit positionValueKillMult is ${limits.positionValueKillMult}: give at least 1`,
    );
  }
  return limits;
}

/** The position limit in lots at this mid: the smaller of the size limit and the value limit. 0 when the mid is unknown. */
export function posCapLots(limits: RiskLimits, inst: Instrument, midPx: number): number {
  if (!(midPx > 0)) return 0;
  return Math.min(
    limits.maxPosLots,
    Math.floor((limits.maxPositionValueUsd / midPx) * pow10(inst.szDecimals) + 1e-6),
  );
}
