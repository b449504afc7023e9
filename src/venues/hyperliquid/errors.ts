import type { OrderErrorCode } from "../port.js";

export type VenueErrorCode =
  /** No connection could be made: nothing was sent. */
  | "Unreachable"
  /** Sent, no answer in time: the outcome is unknown. */
  | "Timeout"
  /** Sent, connection lost before the answer: the outcome is unknown. */
  | "ConnectionLost"
  | "RateLimited"
  | "HttpStatus"
  /** An answer that does not have the documented shape. */
  | "BadResponse"
  /** The venue refused a control action (leverage, scheduled cancel, …). */
  | "Refused"
  | "AssetNotFound"
  | "DexNotFound"
  | "AssetDelisted"
  | "BadKey"
  | "BadNetwork";

/** The one error class of this venue. Messages are single lines that say what, where and what to do; they hold no secret. */
export class VenueError extends Error {
  override readonly name: string = "VenueError";
  /** True when the same request may be sent again without harm. */
  readonly retryable: boolean;

  constructor(
    readonly code: VenueErrorCode,
    message: string,
    options: { retryable?: boolean; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.retryable = options.retryable ?? false;
  }
}

/** First match wins; live texts append details such as ` asset=4`, so only the beginning is compared. Source: reference §4.11. */
const ORDER_ERRORS: readonly (readonly [prefix: string, code: OrderErrorCode])[] = [
  ["Price must be divisible by tick size", "Tick"],
  ["Order must have minimum value of", "MinTradeNtl"],
  ["Insufficient margin to place order", "InsufficientMargin"],
  ["Order has insufficient spot balance", "InsufficientMargin"],
  ["Insufficient spot balance", "InsufficientMargin"],
  ["Order would be liquidated", "OrderWouldBeLiquidated"],
  ["Order would cause liquidation", "OrderWouldBeLiquidated"],
  ["Order would immediately be liquidated", "OrderWouldBeLiquidated"],
  ["Reduce only order would increase position", "ReduceOnly"],
  ["Reduce-only is invalid", "ReduceOnly"],
  ["Post only order would have immediately matched", "BadAloPx"],
  ["Order could not immediately match", "IocCancel"],
  ["No liquidity available for market order", "IocCancel"],
  ["Invalid TP/SL price", "BadTriggerPx"],
  ["Unexpected number of trigger orders", "BadTriggerPx"],
  ["Order would increase open interest while", "OpenInterestCap"],
  ["Order rejected due to price more aggressive than oracle while at open interest cap", "OpenInterestCap"],
  ["Order would increase open interest too quickly", "OpenInterestIncrease"],
  ["Order price too far from oracle", "Oracle"],
  ["Price too far from oracle", "Oracle"],
  ["Order price cannot be more than", "Oracle"],
  ["Order rejected due to price more aggressive than oracle", "Oracle"],
  ["Order would cause position to exceed margin tier limit", "PerpMaxPosition"],
  ["Too many open orders", "TooManyOpenOrders"],
  ["Order value too large", "OrderValueTooLarge"],
  ["Only post-only orders allowed", "PostOnlyPeriod"],
  ["Order was never placed, already canceled, or filled", "MissingOrder"],
  ["Cannot modify canceled or filled order", "MissingOrder"],
  ["Too many cumulative requests sent", "RateLimited"],
  ["too many pending post requests", "RateLimited"],
  ["429", "RateLimited"],
  ["Signed action over weight limit", "BatchTooLarge"],
  ["Order has invalid price", "InvalidPrice"],
  ["Order has zero size", "InvalidSize"],
  ["Order has invalid size", "InvalidSize"],
  ["Invalid asset", "AssetNotFound"],
  ["Asset not found", "AssetNotFound"],
  ["Unknown asset", "AssetNotFound"],
  ["Invalid dex", "DexNotFound"],
  ["Unknown dex", "DexNotFound"],
  ["Dex not found", "DexNotFound"],
  ["User or API Wallet", "NotAuthorised"],
  ["Must deposit before performing actions", "NotAuthorised"],
  ["Unable to recover signer", "NotAuthorised"],
  ["Vault not registered", "NotAuthorised"],
  ["Invalid nonce", "Nonce"],
  ["Action already expired", "Expired"],
];

/** A modify whose old order was removed and whose new order was refused: nothing rests any more. */
export const MODIFY_LOST_PREFIX = "Error placing new order during modify:";

/** Sorts a venue's error text into the engine's closed list; unknown texts are `Other`, and the text goes with them. */
export function orderErrorCode(text: string): OrderErrorCode {
  let rest = text.trim();
  for (const wrapper of ["L1 error:", MODIFY_LOST_PREFIX]) {
    if (rest.startsWith(wrapper)) rest = rest.slice(wrapper.length).trim();
  }
  for (const [prefix, code] of ORDER_ERRORS) if (rest.startsWith(prefix)) return code;
  return "Other";
}
