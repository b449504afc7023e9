/**
 * What a demonstration needs beside the core: synthetic markets for every coin of the default universe, and money for
 * an account in every place where it could trade.
 */
import { pow10 } from "../domain/index.js";
import type { ExchangeState } from "./exchange-state.js";
import { isSpot } from "./listed-market.js";
import type { SyntheticParams } from "./markets/synthetic.js";
import { DEFAULT_UNIVERSE, spotCoin } from "./universe.js";

/** Opening price, USD, and mean volatility of the efficient price, bps per √s. */
const QUOTES: Readonly<Record<string, readonly [px: number, sigma: number]>> = {
  BTC: [110_000, 0.7],
  ETH: [4_000, 0.9],
  SOL: [200, 1.1],
  XRP: [2.8, 1.1],
  HYPE: [45, 1.3],
  DOGE: [0.25, 1.3],
  ARB: [0.5, 1.5],
  "hyna:BTC": [110_000, 0.7],
  "hyna:ETH": [4_000, 0.9],
  "flx:BTC": [110_000, 0.7],
  "flx:ETH": [4_000, 0.9],
  "PURR/USDC": [0.2, 1.5],
  "@107": [45, 1.3],
};

export const DEMO_COINS: readonly string[] = Object.keys(QUOTES);

/** A synthetic market like `base` at a coin's own price, grid and leverage; undefined for a coin that is not in the universe. */
export function demoParams(coin: string, base: SyntheticParams): SyntheticParams | undefined {
  const quote = QUOTES[coin];
  if (quote === undefined) return undefined;
  const [px, sigmaBpsPerSqrtS] = quote;
  const perp = DEFAULT_UNIVERSE.dexs.flatMap((dex) => dex.perps).find((p) => p.coin === coin);
  const pair = DEFAULT_UNIVERSE.spotPairs.find((p) => spotCoin(p, DEFAULT_UNIVERSE.tokens) === coin);
  const token = DEFAULT_UNIVERSE.tokens.find((t) => t.index === pair?.base);
  const grid = perp ?? (token === undefined ? undefined : { szDecimals: token.szDecimals, maxLeverage: 1 });
  if (grid === undefined) return undefined;
  return { ...base, coin, px, sigmaBpsPerSqrtS, szDecimals: grid.szDecimals, maxLeverage: grid.maxLeverage };
}

/**
 * Gives an account that has its money in the first dex as much again wherever else something is listed: the collateral of
 * each HIP-3 dex, and both tokens of each spot pair. Call it when markets have opened.
 */
export function fundListed(exchange: ExchangeState, address: string, usd: number): void {
  for (const dex of exchange.dexs) {
    if (dex.index > 0 && dex.markets.length > 0) exchange.deposit(address, Math.round(usd * 1e6), dex.index);
  }
  const funded = new Set<number>();
  for (const market of exchange.markets.filter(isSpot)) {
    const { base, quote } = market.spot;
    const px = market.referenceTicks / pow10(market.pxDecimals);
    for (const [token, amount] of [
      [quote, usd],
      [base, px > 0 ? usd / px : 0],
    ] as const) {
      if (amount === 0 || funded.has(token.index)) continue;
      funded.add(token.index);
      exchange.depositSpot(address, token, Math.floor(amount * pow10(token.weiDecimals)));
    }
  }
}
