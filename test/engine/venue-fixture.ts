/** A market as `resolveMarkets` makes it, for tests. */
import type { MarketFacts } from "../../src/engine/markets.js";
import { FIRST_DEX } from "../../src/venues/hyperliquid/dexes.js";

export function market({ coin, ...over }: Partial<MarketFacts> & { readonly coin: string }): MarketFacts {
  return {
    instrument: {
      asset: 0,
      venueAssetId: 0,
      coin,
      pxDecimals: 1,
      szDecimals: 5,
      maxSigFigs: 5,
      minNotionalUsd: 10,
      maxLeverage: 40,
    },
    dex: FIRST_DEX,
    collateral: "USDC",
    midPx: 100_000,
    markPx: 100_000,
    isIsolatedOnly: false,
    isStrictIsolated: false,
    isGrowth: false,
    tiers: [{ fromUsd: 0, maxLeverage: 40 }],
    ...over,
  };
}
