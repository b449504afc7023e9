import type { OrderErrorCode } from "./port.js";

/** What an executor does about a refusal, beyond giving the order up. */
export type Reaction =
  /** An everyday event, such as a race lost to the market. */
  | "none"
  /** Counted: many of them in a short time mean that something is wrong, and trip the kill switch. */
  | "count"
  /** Nothing is placed or changed for a while. */
  | "back-off"
  /** Only orders that reduce the position, for a while that grows while the refusals go on. */
  | "reduce-only"
  /** What we believe about the venue is compared with it before the next order. */
  | "resync"
  /** No further order can succeed. */
  | "kill";

export interface OrderErrorHelp {
  readonly meaning: string;
  /** What a person can do about it. */
  readonly remedy: string;
  readonly reaction: Reaction;
}

const help = (reaction: Reaction, meaning: string, remedy: string): OrderErrorHelp => ({
  reaction,
  meaning,
  remedy,
});

/** Causes and remedies of refusals, for logs, the status page and the documentation (SOP §9.4). */
export const ORDER_ERROR_HELP: Readonly<Record<OrderErrorCode, OrderErrorHelp>> = {
  Tick: help(
    "count",
    "price off the venue's grid",
    "restart, so that the market's decimals are read anew; check --decimals",
  ),
  MinTradeNtl: help(
    "count",
    "order worth less than the venue's minimum",
    "raise target_liquidity, or use fewer levels",
  ),
  InsufficientMargin: help(
    "reduce-only",
    "not enough free collateral",
    "add margin, reduce target_liquidity, or raise the leverage",
  ),
  OrderWouldBeLiquidated: help(
    "reduce-only",
    "the order could bring the position to liquidation",
    "reduce leverage, target_liquidity or the position limit",
  ),
  ReduceOnly: help(
    "resync",
    "a reduce-only order would have increased the position",
    "none: the position is compared with the venue's",
  ),
  BadAloPx: help("none", "a post-only order would have traded at once", "none: it is priced anew"),
  IocCancel: help("none", "nothing to trade with at that price", "none"),
  BadTriggerPx: help("count", "the trigger price stands on the wrong side", "check the trigger price"),
  Oracle: help(
    "count",
    "price too far from the oracle's",
    "reduce max_depth_bps; check that the market is orderly",
  ),
  PerpMaxPosition: help(
    "reduce-only",
    "position above the margin tier at this leverage",
    "lower the leverage or the position limit",
  ),
  OpenInterestCap: help(
    "reduce-only",
    "the market's open interest is at its cap",
    "wait, or trade another market",
  ),
  OpenInterestIncrease: help(
    "reduce-only",
    "the market's open interest grows too quickly",
    "wait; reduce target_liquidity",
  ),
  TooManyOpenOrders: help(
    "back-off",
    "the account's open-order limit is reached",
    "use fewer levels or assets; cancel orders placed by hand",
  ),
  OrderValueTooLarge: help("count", "order above the venue's largest value", "reduce target_liquidity"),
  PostOnlyPeriod: help(
    "back-off",
    "only post-only orders right after a network upgrade",
    "none: quoting goes on",
  ),
  MissingOrder: help("none", "the order is filled, cancelled, or was never placed", "none"),
  RateLimited: help(
    "back-off",
    "too many requests",
    "reduce quoting frequency: raise max_bps_diff or min_requote_ms, use fewer levels; trade, or buy request weight",
  ),
  BatchTooLarge: help("back-off", "too many orders in one request", "use fewer levels"),
  InvalidPrice: help(
    "count",
    "price with more decimals than the market has",
    "check --decimals; restart, so that the market's decimals are read anew",
  ),
  InvalidSize: help("count", "size off the market's lot", "check target_liquidity; restart"),
  AssetNotFound: help(
    "count",
    "unknown asset",
    "check the spelling (names are case-sensitive); use --dex, or dex:COIN, for a HIP-3 market",
  ),
  DexNotFound: help("count", "unknown HIP-3 DEX", "run --list-dexs for the names"),
  NotAuthorised: help(
    "kill",
    "the key may not trade for this account",
    "check the key and the network; approve the agent wallet again if it has expired",
  ),
  Nonce: help("resync", "the request's nonce was refused", "check this machine's clock; one process per key"),
  Expired: help(
    "back-off",
    "the request reached the venue after its time of validity",
    "check this machine's clock and its connection",
  ),
  Other: help("count", "refused for a reason that is not known here", "read the venue's text"),
};

/** One line for people: `code: meaning; remedy`. */
export function explainOrderError(code: OrderErrorCode): string {
  const { meaning, remedy } = ORDER_ERROR_HELP[code];
  return remedy === "none" ? `${code}: ${meaning}` : `${code}: ${meaning}; ${remedy}`;
}

/** Tapes hold a code as its place here plus one: new ones go to the end. */
export const ORDER_ERROR_CODES = Object.keys(ORDER_ERROR_HELP) as readonly OrderErrorCode[];
