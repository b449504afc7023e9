/** What is listed: perps, spot, margin tables and their contexts (reference 2.6, 3.2, 3.3, 3.5). */
import type { Exchange } from "../exchange.js";
import { isPerp, type Market } from "../listed-market.js";
import { dec, decOf, midToWire } from "../wire.js";

export const SPOT_META = {
  universe: [],
  tokens: [
    {
      name: "USDC",
      szDecimals: 8,
      weiDecimals: 8,
      index: 0,
      tokenId: "0x6d1e7cde53ba9467b783cb7c530ce054",
      isCanonical: true,
      evmContract: null,
      fullName: null,
      deployerTradingFeeShare: "0.0",
    },
  ],
};

/** Reference 6.6. */
export const MAX_MARKET_ORDER_NTLS = [
  [25, "30000000.0"],
  [20, "5000000.0"],
  [10, "2000000.0"],
  [1, "500000.0"],
];

type MarginTable = readonly [
  number,
  { description: string; marginTiers: { lowerBound: string; maxLeverage: number }[] },
];

export function marginTables(exchange: Exchange): MarginTable[] {
  const leverages = [...new Set(exchange.markets.map((m) => m.instrument.maxLeverage))].sort((a, b) => a - b);
  return leverages.map((id) => [
    id,
    { description: "", marginTiers: [{ lowerBound: "0.0", maxLeverage: id }] },
  ]);
}

export function meta(exchange: Exchange): unknown {
  return {
    universe: exchange.markets.map((m) => ({
      name: m.coin,
      szDecimals: m.szDecimals,
      maxLeverage: m.instrument.maxLeverage,
      marginTableId: m.instrument.maxLeverage,
    })),
    marginTables: marginTables(exchange),
    collateralToken: 0,
  };
}

/** PerpAssetCtx of reference 2.6. */
export function assetCtx(exchange: Exchange, m: Market): Record<string, unknown> {
  const px = (ticks: number): string => dec(ticks, m.pxDecimals);
  const { bestBidTicks: bid, bestAskTicks: ask } = m.book;
  const isTwoSided = bid > 0 && ask > 0;
  const impact = m.impactTicks;
  return {
    funding: isPerp(m) ? decOf(exchange.funding.rate(m), 10) : "0.0",
    openInterest: dec(m.openInterestLots, m.szDecimals),
    prevDayPx: px(m.prevDayTicks),
    dayNtlVlm: decOf(m.dayVolumeUsd, 6),
    premium: m.lastPremium === undefined ? null : decOf(m.lastPremium, 10),
    oraclePx: px(m.indexTicks),
    markPx: px(m.referenceTicks),
    midPx: isTwoSided ? midToWire(bid, ask, m.pxDecimals) : null,
    impactPxs: impact === undefined ? null : [px(Math.round(impact[0])), px(Math.round(impact[1]))],
    dayBaseVlm: decOf(m.dayVolumeBase, m.szDecimals),
  };
}
