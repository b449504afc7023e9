/** Prints, candles and funding rows of a market (reference 2.4, 2.5, 3.8). */
import { isInterval } from "../candles.js";
import { isPerp } from "../listed-market.js";
import {
  type Answer,
  type InfoContext,
  type InfoRequest,
  MALFORMED,
  spanIn,
  UNHANDLED,
  within,
} from "./request.js";

const RECENT_TRADES = 30;
const FUNDING_ROWS_MAX = 500;

/** Newest first; null for a coin that does not exist. */
export function recentTrades(ctx: InfoContext, r: InfoRequest): Answer {
  if (typeof r["coin"] !== "string") return MALFORMED;
  const market = ctx.exchange.market(r["coin"]);
  return market === undefined ? null : market.recentTrades.slice(-RECENT_TRADES).reverse();
}

export function candleSnapshot(ctx: InfoContext, r: InfoRequest): Answer {
  const { req } = r;
  if (typeof req !== "object" || req === null) return MALFORMED;
  const { coin, interval, ...span } = req as InfoRequest;
  const times = spanIn(span, true);
  if (typeof coin !== "string" || !isInterval(interval) || times === undefined) return MALFORMED;
  const market = ctx.exchange.market(coin);
  // The venue fails on a coin that it does not know.
  return market === undefined ? UNHANDLED : market.candles.between(interval, times.startMs, times.endMs);
}

/** Oldest first, at most 500; spot has none. */
export function fundingHistory(ctx: InfoContext, r: InfoRequest): Answer {
  const span = spanIn(r, true);
  if (typeof r["coin"] !== "string" || span === undefined) return MALFORMED;
  const market = ctx.exchange.market(r["coin"]);
  if (market === undefined) return UNHANDLED;
  return isPerp(market) ? within(market.fundingRows, span, FUNDING_ROWS_MAX) : [];
}
