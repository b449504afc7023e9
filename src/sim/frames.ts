/**
 * Frames as text: of the public channels without an object per level, of an account's orders and fills without the general
 * serialiser, which takes several times as long for so small an object (reference 2).
 */
import type { FillWire, OrderUpdateWire } from "./account.js";
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

export function orderUpdatesFrame(updates: readonly OrderUpdateWire[]): string {
  let out = "";
  for (const u of updates) out += (out === "" ? "" : ",") + orderUpdateJson(u);
  return `{"channel":"orderUpdates","data":[${out}]}`;
}

function orderUpdateJson({ order: o, status, statusTimestamp }: OrderUpdateWire): string {
  const cloid = o.cloid === undefined ? "" : `,"cloid":"${o.cloid}"`;
  const reduceOnly = o.reduceOnly === undefined ? "" : ',"reduceOnly":true';
  return `{"order":{"coin":"${o.coin}","side":"${o.side}","limitPx":"${o.limitPx}","sz":"${o.sz}","oid":${o.oid},"timestamp":${o.timestamp},"origSz":"${o.origSz}"${cloid}${reduceOnly}},"status":"${status}","statusTimestamp":${statusTimestamp}}`;
}

export interface UserFills {
  readonly isSnapshot?: true;
  /** Left out where there is but one. */
  readonly user?: string;
  readonly fills: readonly FillWire[];
}

export function userFillsFrame({ isSnapshot, user, fills }: UserFills): string {
  let out = "";
  for (const f of fills) out += (out === "" ? "" : ",") + fillJson(f);
  const head = `${isSnapshot === true ? '"isSnapshot":true,' : ""}${user === undefined ? "" : `"user":"${user}",`}`;
  return `{"channel":"userFills","data":{${head}"fills":[${out}]}}`;
}

function fillJson(f: FillWire): string {
  const cloid = f.cloid === undefined ? "" : `,"cloid":"${f.cloid}"`;
  const builderFee = f.builderFee === undefined ? "" : `,"builderFee":"${f.builderFee}"`;
  const liquidation = f.liquidation === undefined ? "" : `,"liquidation":${JSON.stringify(f.liquidation)}`;
  return `{"coin":"${f.coin}","px":"${f.px}","sz":"${f.sz}","side":"${f.side}","time":${f.time},"startPosition":"${f.startPosition}","dir":"${f.dir}","closedPnl":"${f.closedPnl}","hash":"${f.hash}","oid":${f.oid},"crossed":${f.crossed},"fee":"${f.fee}","tid":${f.tid},"feeToken":"${f.feeToken}","twapId":${f.twapId}${cloid}${builderFee}${liquidation}}`;
}
