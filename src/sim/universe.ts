/**
 * What an exchange lists: tokens, perp dexs with their markets, spot pairs, margin tables; and the demo's default of each.
 *
 * A `Market` is made from a listing when it opens; ids on the wire follow from the place in these lists
 * (reference/hyperliquid-api.md 6.1, 9.1).
 */

/** A spot token (reference 3.5). Amounts are integers of 10^-weiDecimals, called wei. */
export interface Token {
  readonly name: string;
  readonly index: number;
  readonly szDecimals: number;
  readonly weiDecimals: number;
  readonly tokenId: string;
  readonly isCanonical: boolean;
  readonly fullName: string | null;
}

export type MarginMode = "normal" | "noCross" | "strictIsolated";

export interface PerpListing {
  /** With the dex prefix on a HIP-3 dex: `hyna:BTC`. */
  readonly coin: string;
  readonly szDecimals: number;
  readonly maxLeverage: number;
  /** Below 50 an implicit single tier of that leverage. */
  readonly marginTableId: number;
  readonly marginMode: MarginMode;
  readonly isGrowthMode: boolean;
  /** Notional cap of open interest, in collateral; Infinity for none. */
  readonly oiCapUsd: number;
  /** HIP-3: scales the funding premium, 0..10. */
  readonly fundingMultiplier: number;
  /** Interest per 8 hours; 0.0001 on the first dex. */
  readonly interestRate8h: number;
}

/** A perp dex (reference 3.3, 9). */
export interface DexListing {
  /** "" is the first dex. */
  readonly name: string;
  readonly fullName: string;
  readonly deployer: string;
  /** Spot token index. */
  readonly collateralToken: number;
  /** HIP-3 fee scale s of reference 8.13; 0 on the first dex. */
  readonly deployerFeeScale: number;
  readonly totalOiCapUsd: number;
  readonly maxTransferUsd: number;
  readonly perps: readonly PerpListing[];
}

export interface SpotListing {
  /** Coin is `@index`, or `PURR/USDC` for index 0. */
  readonly index: number;
  readonly base: number;
  readonly quote: number;
  readonly isCanonical: boolean;
}

export interface MarginTier {
  readonly lowerBoundUsd: number;
  readonly maxLeverage: number;
}

/** Tiers by position notional with the maintenance rate and deduction that follow from them (reference 6.5). */
export interface MarginTable {
  readonly id: number;
  readonly description: string;
  readonly tiers: readonly (MarginTier & { readonly mmr: number; readonly deductionUsd: number })[];
}

export function marginTable(id: number, description: string, tiers: readonly MarginTier[]): MarginTable {
  let mmr = 0;
  let deductionUsd = 0;
  const worked = tiers.map((tier, i) => {
    const next = 1 / (2 * tier.maxLeverage);
    if (i > 0) deductionUsd += tier.lowerBoundUsd * (next - mmr);
    mmr = next;
    return { ...tier, mmr, deductionUsd };
  });
  return { id, description, tiers: worked };
}

/** Ids below 50 are implicit: one tier, the id its leverage. */
export const singleTierTable = (maxLeverage: number): MarginTable =>
  marginTable(maxLeverage, "", [{ lowerBoundUsd: 0, maxLeverage }]);

const twoTiers = (id: number, boundUsd: number, low: number, high: number): MarginTable =>
  marginTable(id, `tiered ${low}x`, [
    { lowerBoundUsd: 0, maxLeverage: low },
    { lowerBoundUsd: boundUsd, maxLeverage: high },
  ]);

/** Mainnet's tables of reference 6.5. */
export const MAINNET_MARGIN_TABLES: readonly MarginTable[] = [
  twoTiers(51, 3e6, 10, 5),
  twoTiers(52, 20e6, 10, 5),
  twoTiers(53, 40e6, 20, 10),
  twoTiers(54, 70e6, 20, 10),
  twoTiers(55, 100e6, 25, 15),
  twoTiers(56, 150e6, 40, 20),
];

export interface Universe {
  readonly tokens: readonly Token[];
  /** The first dex first. */
  readonly dexs: readonly DexListing[];
  readonly spotPairs: readonly SpotListing[];
  readonly marginTables: readonly MarginTable[];
}

export const FIRST_DEX_DEFAULTS = {
  marginMode: "normal",
  isGrowthMode: false,
  oiCapUsd: Number.POSITIVE_INFINITY,
  fundingMultiplier: 1,
  interestRate8h: 0.0001,
} as const;

const perp = (
  coin: string,
  szDecimals: number,
  maxLeverage: number,
  marginTableId: number,
  rest: Partial<PerpListing> = {},
): PerpListing => ({ coin, szDecimals, maxLeverage, marginTableId, ...FIRST_DEX_DEFAULTS, ...rest });

const token = (
  name: string,
  index: number,
  szDecimals: number,
  weiDecimals: number,
  tokenId: string,
  fullName: string | null = null,
): Token => ({ name, index, szDecimals, weiDecimals, tokenId, isCanonical: index < 2, fullName });

export const USDC = 0;

/** What the demo lists; grids are the venue's. */
export const DEFAULT_UNIVERSE: Universe = {
  tokens: [
    token("USDC", USDC, 8, 8, "0x6d1e7cde53ba9467b783cb7c530ce054"),
    token("PURR", 1, 0, 5, "0xc1fb593aeffbeb02f85e0308e9956a90"),
    token("HYPE", 150, 2, 8, "0x0d01dc56dcaaca66ad901c959b4011ec", "Hyperliquid"),
    token("USDE", 235, 2, 8, "0x2e6d84f2d7ca82e6581e03523e4389f7", "USDe"),
    token("USDH", 360, 2, 8, "0x54e00a5988577cb0b0c9ab0cb6ef7f4b", "USDH"),
  ],
  dexs: [
    {
      name: "",
      fullName: "",
      deployer: `0x${"0".repeat(40)}`,
      collateralToken: USDC,
      deployerFeeScale: 0,
      totalOiCapUsd: Number.POSITIVE_INFINITY,
      maxTransferUsd: Number.POSITIVE_INFINITY,
      perps: [
        perp("BTC", 5, 40, 56),
        perp("ETH", 4, 25, 55),
        perp("SOL", 2, 20, 54),
        perp("XRP", 0, 20, 53),
        perp("HYPE", 2, 10, 52),
        perp("DOGE", 0, 10, 52),
        perp("ARB", 1, 10, 51),
      ],
    },
    {
      name: "hyna",
      fullName: "HyENA",
      deployer: "0x5a00000000000000000000000000000000000001",
      collateralToken: 235,
      deployerFeeScale: 1,
      totalOiCapUsd: 100e6,
      maxTransferUsd: 100e6,
      perps: [
        perp("hyna:BTC", 5, 40, 40, { isGrowthMode: true, oiCapUsd: 50e6 }),
        perp("hyna:ETH", 4, 25, 25, { isGrowthMode: true, oiCapUsd: 25e6 }),
      ],
    },
    {
      name: "flx",
      fullName: "Felix Exchange",
      deployer: "0x5a00000000000000000000000000000000000002",
      collateralToken: 360,
      deployerFeeScale: 1,
      totalOiCapUsd: 50e6,
      maxTransferUsd: 50e6,
      perps: [
        perp("flx:BTC", 5, 20, 20, { marginMode: "noCross", oiCapUsd: 25e6 }),
        perp("flx:ETH", 4, 20, 20, { marginMode: "strictIsolated", oiCapUsd: 10e6 }),
      ],
    },
  ],
  spotPairs: [
    { index: 0, base: 1, quote: USDC, isCanonical: true },
    { index: 107, base: 150, quote: USDC, isCanonical: false },
  ],
  marginTables: MAINNET_MARGIN_TABLES,
};

/** The wire's name of a pair: only the first one has words. */
export function spotCoin(pair: SpotListing, tokens: readonly Token[]): string {
  if (pair.index !== 0) return `@${pair.index}`;
  const name = (index: number): string => tokens.find((t) => t.index === index)?.name ?? String(index);
  return `${name(pair.base)}/${name(pair.quote)}`;
}

/** `hyna:BTC` is of dex `hyna`; a name without a prefix is of the first. */
export function dexNameOf(coin: string): string {
  const colon = coin.indexOf(":");
  return colon < 0 ? "" : coin.slice(0, colon);
}
