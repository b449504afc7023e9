/**
 * The venue's grid of a coin. Tapes carry it because recordings of other venues are brought onto the Hyperliquid grid.
 * szDecimals: the venue's perpetual universe (`meta`); pxDecimals = 6 − szDecimals. Source: tick and lot size page.
 */
export const MAX_SZ_DECIMALS = 6;

const SZ_DECIMALS: ReadonlyMap<string, number> = new Map([
  ["BTC", 5],
  ["ETH", 4],
  ["BNB", 3],
  ["BCH", 3],
  ["LTC", 2],
  ["AAVE", 2],
  ["AVAX", 2],
  ["SOL", 2],
  ["HYPE", 2],
  ["LINK", 1],
  ["SUI", 1],
  ["ARB", 1],
  ["XRP", 0],
  ["DOGE", 0],
]);

export interface Grid {
  readonly pxDecimals: number;
  readonly szDecimals: number;
}

/** @param szDecimals Overrides the table, for a coin it does not know. */
export function gridOf(coin: string, szDecimals?: number): Grid | undefined {
  const sz = szDecimals ?? SZ_DECIMALS.get(coin.toUpperCase());
  if (sz === undefined || !Number.isInteger(sz) || sz < 0 || sz > MAX_SZ_DECIMALS) return undefined;
  return { szDecimals: sz, pxDecimals: MAX_SZ_DECIMALS - sz };
}

export const knownCoins = (): string => [...SZ_DECIMALS.keys()].join(", ");

/** "btcusdt" → "BTC", "btcusd_perp" → "BTC". */
export function coinOfBinanceSymbol(symbol: string): string {
  return symbol
    .toUpperCase()
    .replace(/_PERP$/, "")
    .replace(/(USDT|USDC|BUSD|FDUSD|USD)$/, "");
}

/** USD value of one coin-margined contract: 100 for BTC, 10 for every other coin. */
export const contractUsd = (coin: string): number => (coin === "BTC" ? 100 : 10);
