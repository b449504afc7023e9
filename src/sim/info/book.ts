/** Books and mids as info requests and frames show them (reference 2.1, 2.2). */
import type { Exchange } from "../exchange.js";
import { isPerp, type Market } from "../listed-market.js";
import { type BookView, bookView } from "../matching.js";
import { aggregateView, dec, midToWire } from "../wire.js";
import { type Answer, type InfoContext, type InfoRequest, MALFORMED, UNHANDLED } from "./request.js";

/** Everything deeper than this is cut before aggregation. */
const deepView = bookView(4000);

/** Mid as text; the last trade's price when a side is empty; undefined when there never was one. */
export function midOf(market: Market): string | undefined {
  const { bestBidTicks, bestAskTicks } = market.book;
  if (bestBidTicks > 0 && bestAskTicks > 0) return midToWire(bestBidTicks, bestAskTicks, market.pxDecimals);
  return market.lastTicks > 0 ? dec(market.lastTicks, market.pxDecimals) : undefined;
}

/** Mids of a dex; those of spot come with the first one. */
export function allMids(exchange: Exchange, dexIndex = 0): Record<string, string> {
  const mids: Record<string, string> = {};
  for (const market of exchange.markets) {
    const isShown = isPerp(market) ? market.perp.dex.index === dexIndex : dexIndex === 0;
    const mid = isShown ? midOf(market) : undefined;
    if (mid !== undefined) mids[market.coin] = mid;
  }
  return mids;
}

/** Best ask minus best bid, before aggregation; shown with aggregated books only. undefined while a side is empty. */
export function spreadOf(market: Market, nSigFigs: number | null): string | undefined {
  const { bestBidTicks, bestAskTicks } = market.book;
  if (nSigFigs === null || bestBidTicks === 0 || bestAskTicks === 0) return undefined;
  return dec(bestAskTicks - bestBidTicks, market.pxDecimals);
}

/** Fills `view` with up to `depth` levels, aggregated if asked. */
export function visibleBook(
  market: Market,
  nSigFigs: number | null,
  mantissa: number | null,
  depth: number,
): BookView {
  if (nSigFigs === null) {
    market.book.view(deepView, depth);
    return deepView;
  }
  market.book.view(deepView, deepView.capacity);
  aggregateView(deepView, market.pxDecimals, nSigFigs, mantissa ?? 1);
  deepView.bidCount = Math.min(deepView.bidCount, depth);
  deepView.askCount = Math.min(deepView.askCount, depth);
  return deepView;
}

/** @returns the pair, or undefined when the venue would not take it. */
export function parseAggregation(
  r: InfoRequest,
): { nSigFigs: number | null; mantissa: number | null } | undefined {
  const nSigFigs = r["nSigFigs"] ?? null;
  const mantissa = r["mantissa"] ?? null;
  if (nSigFigs !== null && nSigFigs !== 2 && nSigFigs !== 3 && nSigFigs !== 4 && nSigFigs !== 5)
    return undefined;
  if (mantissa !== null && (nSigFigs !== 5 || (mantissa !== 2 && mantissa !== 5))) return undefined;
  return { nSigFigs: nSigFigs as number | null, mantissa: mantissa as number | null };
}

export function l2Book(ctx: InfoContext, r: InfoRequest): Answer {
  if (typeof r["coin"] !== "string") return MALFORMED;
  const market = ctx.exchange.market(r["coin"]);
  if (market === undefined) return null;
  const aggregation = parseAggregation(r);
  if (aggregation === undefined) return UNHANDLED;
  const view = visibleBook(market, aggregation.nSigFigs, aggregation.mantissa, 20);
  const side = (count: number, px: Float64Array, sz: Float64Array, n: Uint32Array): unknown[] =>
    Array.from({ length: count }, (_, i) => ({
      px: dec(px[i]!, market.pxDecimals),
      sz: dec(sz[i]!, market.szDecimals),
      n: n[i],
    }));
  const spread = spreadOf(market, aggregation.nSigFigs);
  return {
    coin: market.coin,
    time: Math.floor(ctx.exchMs),
    levels: [
      side(view.bidCount, view.bidPxTicks, view.bidSzLots, view.bidOrders),
      side(view.askCount, view.askPxTicks, view.askSzLots, view.askOrders),
    ],
    ...(spread === undefined ? {} : { spread }),
  };
}
