/** Spot tokens, pairs and balances (reference 2.6, 3.5). */
import { pow10 } from "../../domain/index.js";
import type { Account } from "../account.js";
import type { Exchange } from "../exchange.js";
import { isSpot, type SpotMarket } from "../listed-market.js";
import { spotCoin, type Token } from "../universe.js";
import { dec, decOf } from "../wire.js";
import { midPx } from "./meta.js";

/** Supplies are not modelled: a round number that no test trades through. */
const SUPPLY = "1000000000.0";

export function spotMeta(exchange: Exchange): unknown {
  const { spotPairs, tokens } = exchange.universe;
  return {
    universe: spotPairs.map((pair) => ({
      tokens: [pair.base, pair.quote],
      name: spotCoin(pair, tokens),
      index: pair.index,
      isCanonical: pair.isCanonical,
    })),
    tokens: tokens.map((t) => ({
      name: t.name,
      szDecimals: t.szDecimals,
      weiDecimals: t.weiDecimals,
      index: t.index,
      tokenId: t.tokenId,
      isCanonical: t.isCanonical,
      evmContract: null,
      fullName: t.fullName,
      deployerTradingFeeShare: "0.0",
    })),
    outcomes: [],
    questions: [],
  };
}

export const spotMarkets = (exchange: Exchange): SpotMarket[] => exchange.markets.filter(isSpot);

export function spotAssetCtx(m: SpotMarket): unknown {
  const px = (ticks: number): string => dec(ticks, m.pxDecimals);
  return {
    prevDayPx: px(m.prevDayTicks),
    dayNtlVlm: decOf(m.dayVolumeUsd, 6),
    markPx: px(m.referenceTicks),
    midPx: midPx(m),
    circulatingSupply: SUPPLY,
    coin: m.coin,
    totalSupply: SUPPLY,
    dayBaseVlm: decOf(m.dayVolumeBase, m.szDecimals),
  };
}

/** One per listed pair, in the order of `spotMeta.universe`; a pair that does not trade here has no prices. */
export function spotAssetCtxs(exchange: Exchange): unknown[] {
  const { spotPairs, tokens } = exchange.universe;
  return spotPairs.map((pair) => {
    const coin = spotCoin(pair, tokens);
    const market = exchange.market(coin);
    if (market !== undefined && isSpot(market)) return spotAssetCtx(market);
    const none = { prevDayPx: "0.0", dayNtlVlm: "0.0", markPx: "0.0", midPx: null, dayBaseVlm: "0.0" };
    return { ...none, circulatingSupply: SUPPLY, coin, totalSupply: SUPPLY };
  });
}

export function spotClearinghouseState(account: Account | undefined): unknown {
  const balances = account === undefined ? [] : [...account.spot.balances()];
  return {
    balances: balances
      .filter((b) => b.totalWei > 0)
      .map((b) => ({
        coin: b.token.name,
        token: b.token.index,
        total: dec(b.totalWei, b.token.weiDecimals),
        hold: dec(b.holdWei, b.token.weiDecimals),
        entryNtl: decOf(b.entryNtl, 6),
      })),
  };
}

/** @returns null for a token that does not exist. */
export function tokenDetails(exchange: Exchange, tokenId: string): unknown {
  const token = exchange.tokens.find((t) => t.tokenId === tokenId);
  if (token === undefined) return null;
  const market = spotMarkets(exchange).find((m) => m.spot.base === token);
  const px = (ticks: number): string => (market === undefined ? "1.0" : dec(ticks, market.pxDecimals));
  return {
    name: token.name,
    maxSupply: SUPPLY,
    totalSupply: SUPPLY,
    circulatingSupply: SUPPLY,
    szDecimals: token.szDecimals,
    weiDecimals: token.weiDecimals,
    midPx: (market === undefined ? null : midPx(market)) ?? px(market?.referenceTicks ?? 0),
    markPx: px(market?.referenceTicks ?? 0),
    prevDayPx: px(market?.prevDayTicks ?? 0),
    genesis: null,
    deployer: null,
    deployGas: null,
    deployTime: null,
    seededUsdc: "0.0",
    nonCirculatingUserBalances: [],
    futureEmissions: "0.0",
  };
}

/** Value of what an account owns in USDC, by the tokens' marks; tokens without a market count nothing but stablecoins. */
export function spotValueUsd(exchange: Exchange, account: Account): number {
  const markets = spotMarkets(exchange);
  let usd = 0;
  for (const { token, totalWei } of account.spot.balances()) {
    const amount = totalWei / pow10(token.weiDecimals);
    usd += amount * priceUsd(markets, token);
  }
  return usd;
}

function priceUsd(markets: readonly SpotMarket[], token: Token): number {
  if (token.name.startsWith("USD")) return 1;
  const market = markets.find((m) => m.spot.base === token);
  return market === undefined ? 0 : market.referenceTicks / pow10(market.pxDecimals);
}
