/**
 * Frames of the public channels as text, built without an object per level: the hot part of a push (reference 2).
 */
import type { Exchange } from "./exchange.js";
import { spreadOf } from "./info/book.js";
import { assetCtx } from "./info/meta.js";
import { spotAssetCtx } from "./info/spot.js";
import { isSpot, type Market, type TradeWire } from "./listed-market.js";
import type { BookView } from "./matching.js";
import { levelJson, levelsJson } from "./wire.js";

export const tradesFrame = (trades: readonly TradeWire[]): string =>
  `{"channel":"trades","data":${JSON.stringify(trades)}}`;

/** Spot markets have a channel and a shape of their own. */
export const contextFrame = (exchange: Exchange, market: Market): string =>
  isSpot(market)
    ? JSON.stringify({
        channel: "activeSpotAssetCtx",
        data: { coin: market.coin, ctx: spotAssetCtx(market) },
      })
    : JSON.stringify({
        channel: "activeAssetCtx",
        data: { coin: market.coin, ctx: assetCtx(exchange, market) },
      });

export function bboFrame(m: Market, v: BookView, exchMs: number): string {
  const bid =
    v.bidCount > 0
      ? levelJson(v.bidPxTicks, v.bidSzLots, v.bidOrders, 0, m.pxDecimals, m.szDecimals)
      : "null";
  const ask =
    v.askCount > 0
      ? levelJson(v.askPxTicks, v.askSzLots, v.askOrders, 0, m.pxDecimals, m.szDecimals)
      : "null";
  return `{"channel":"bbo","data":{"coin":"${m.coin}","time":${exchMs},"bbo":[${bid},${ask}]}}`;
}

export function bookFrame(
  m: Market,
  v: BookView,
  exchMs: number,
  s: { readonly nSigFigs: number | null; readonly fast: boolean },
): string {
  const depth = s.fast ? 5 : 20;
  const bids = levelsJson(
    Math.min(v.bidCount, depth),
    v.bidPxTicks,
    v.bidSzLots,
    v.bidOrders,
    m.pxDecimals,
    m.szDecimals,
  );
  const asks = levelsJson(
    Math.min(v.askCount, depth),
    v.askPxTicks,
    v.askSzLots,
    v.askOrders,
    m.pxDecimals,
    m.szDecimals,
  );
  const spreadText = spreadOf(m, s.nSigFigs);
  const spread = spreadText === undefined ? "" : `,"spread":"${spreadText}"`;
  const fast = s.fast ? ',"fast":true' : "";
  return `{"channel":"l2Book","data":{"coin":"${m.coin}","time":${exchMs},"levels":[${bids},${asks}]${spread}${fast}}}`;
}
