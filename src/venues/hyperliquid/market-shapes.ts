/** Shapes of what is the same for every user: markets, dexes, books, prices, funding. Source: reference §2.2–2.6, §3.1–3.8. */
import { z } from "zod";
import { address, decimal, int, side } from "./wire.js";

const szDecimals = z.number().int().min(0).max(8);

const universeEntry = z.object({
  name: z.string().min(1),
  szDecimals,
  maxLeverage: z.number().int().positive(),
  /** Below 50: one tier whose maximum leverage is the id itself. */
  marginTableId: int.optional(),
  /** Superseded by `marginMode`; true for both of its values. */
  onlyIsolated: z.boolean().optional(),
  /** Absent: cross allowed. `noCross`: isolated only. `strictIsolated`: besides, margin cannot be taken out again. */
  marginMode: z.string().optional(),
  isDelisted: z.boolean().optional(),
  /** `enabled` where a builder-deployed market charges a tenth. */
  growthMode: z.string().optional(),
});
export type UniverseEntry = z.infer<typeof universeEntry>;

export const marginTableSchema = z.object({
  description: z.string().optional(),
  marginTiers: z.array(z.object({ lowerBound: decimal, maxLeverage: z.number().int().positive() })),
});
export type MarginTable = z.infer<typeof marginTableSchema>;

export const metaSchema = z.object({
  /** Place = asset index: delisted markets keep theirs. */
  universe: z.array(universeEntry),
  marginTables: z.array(z.tuple([int, marginTableSchema])).optional(),
  /** Spot token index; 0 is USDC. */
  collateralToken: int.optional(),
});
export type Meta = z.infer<typeof metaSchema>;

/** One entry a dex. Documents show pairs with contexts, a typed SDK plain metas: both are read. */
export const allPerpMetasSchema = z.array(
  z.preprocess((v: unknown) => (Array.isArray(v) ? (v as unknown[])[0] : v), metaSchema.nullable()),
);

export const assetCtxSchema = z.object({
  /** Predicted hourly rate. */
  funding: decimal,
  openInterest: decimal,
  prevDayPx: decimal.optional(),
  dayNtlVlm: decimal.optional(),
  dayBaseVlm: decimal.optional(),
  premium: decimal.nullish(),
  oraclePx: decimal,
  markPx: decimal,
  /** null with one side of the book empty. */
  midPx: decimal.nullish(),
  impactPxs: z.array(decimal).nullish(),
});
export type AssetCtx = z.infer<typeof assetCtxSchema>;

export const allDexsAssetCtxsSchema = z.object({
  ctxs: z.array(z.tuple([z.string(), z.array(assetCtxSchema)])),
});

const level = z.object({ px: decimal, sz: decimal, n: int });
export const l2BookSchema = z.object({
  coin: z.string(),
  time: int,
  levels: z.tuple([z.array(level), z.array(level)]),
});
export type L2Book = z.infer<typeof l2BookSchema>;

export const tradeSchema = z.object({
  coin: z.string(),
  /** The aggressor's. */
  side,
  px: decimal,
  sz: decimal,
  time: int,
  tid: int,
  hash: z.string().optional(),
  /** Buyer, seller. */
  users: z.tuple([address, address]).optional(),
});
export type VenueTrade = z.infer<typeof tradeSchema>;

// biome-ignore format: one line reads better
export const CANDLE_INTERVALS = ["1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "8h", "12h", "1d", "3d", "1w", "1M"] as const;
export type CandleInterval = (typeof CANDLE_INTERVALS)[number];
export const candleSchema = z.object({
  /** First and last millisecond. */
  t: int,
  T: int,
  s: z.string(),
  i: z.string(),
  o: decimal,
  h: decimal,
  l: decimal,
  c: decimal,
  v: decimal,
  n: int,
});
export type Candle = z.infer<typeof candleSchema>;

/** Pairs of a coin and a decimal, as the venue lists what only some markets of a dex have. */
const byCoin = z.array(z.tuple([z.string(), decimal]));
export const perpDexSchema = z.object({
  name: z.string(),
  fullName: z.string().optional(),
  deployer: address.optional(),
  oracleUpdater: address.nullish(),
  feeRecipient: address.nullish(),
  /** The deployer's share on top of the base fees: 1.0 doubles them. */
  deployerFeeScale: decimal.nullish(),
  lastDeployerFeeScaleChangeTime: z.string().nullish(),
  /** Open-interest cap by coin, in collateral. */
  assetToStreamingOiCap: byCoin.optional(),
  assetToFundingMultiplier: byCoin.optional(),
  /** 8-hour rate by coin. */
  assetToFundingInterestRate: byCoin.optional(),
  subDeployers: z.array(z.tuple([z.string(), z.array(address)])).optional(),
});
export type PerpDex = z.infer<typeof perpDexSchema>;
/** Place = dex index; the first dex is null. */
export const perpDexsSchema = z.array(perpDexSchema.nullable());
export type PerpDexs = z.infer<typeof perpDexsSchema>;

export const perpDexLimitsSchema = z.object({
  totalOiCap: decimal,
  oiSzCapPerPerp: decimal,
  maxTransferNtl: decimal,
  coinToOiCap: byCoin,
});
export type PerpDexLimits = z.infer<typeof perpDexLimitsSchema>;
export const perpDexStatusSchema = z.object({ totalNetDeposit: decimal });
export type PerpDexStatus = z.infer<typeof perpDexStatusSchema>;

/** Largest value of a market order by the market's maximum leverage; limit orders may be ten times as large. */
export const maxMarketOrderNtlsSchema = z.array(z.tuple([int, decimal]));

const spotTokenSchema = z.object({
  name: z.string(),
  szDecimals,
  weiDecimals: int,
  /** Not the place in the list. */
  index: int,
  tokenId: z.string(),
  isCanonical: z.boolean().optional(),
  fullName: z.string().nullish(),
});
export type SpotToken = z.infer<typeof spotTokenSchema>;
export const spotMetaSchema = z.object({
  universe: z.array(
    z.object({
      /** Base, quote. */
      tokens: z.tuple([int, int]),
      name: z.string(),
      index: int,
      isCanonical: z.boolean().optional(),
    }),
  ),
  tokens: z.array(spotTokenSchema),
});
export type SpotMeta = z.infer<typeof spotMetaSchema>;

export const spotAssetCtxSchema = z.object({
  coin: z.string().optional(),
  prevDayPx: decimal,
  dayNtlVlm: decimal,
  dayBaseVlm: decimal.optional(),
  markPx: decimal,
  midPx: decimal.nullish(),
  circulatingSupply: decimal.optional(),
  totalSupply: decimal.optional(),
});
export type SpotAssetCtx = z.infer<typeof spotAssetCtxSchema>;

export const fundingHistorySchema = z.array(
  z.object({ coin: z.string(), fundingRate: decimal, premium: decimal, time: int }),
);
export type FundingHistory = z.infer<typeof fundingHistorySchema>;

/** By coin, then by venue name (`HlPerp` is this one). */
export const predictedFundingsSchema = z.array(
  z.tuple([
    z.string(),
    z.array(
      z.tuple([
        z.string(),
        z
          .object({ fundingRate: decimal, nextFundingTime: int, fundingIntervalHours: z.number().optional() })
          .nullable(),
      ]),
    ),
  ]),
);
export type PredictedFundings = z.infer<typeof predictedFundingsSchema>;

export const allMidsSchema = z.record(z.string(), decimal);
/** A text in `specialStatuses` names a special phase, such as the one after an upgrade. */
export const exchangeStatusSchema = z.object({ time: int, specialStatuses: z.unknown().optional() });
export type ExchangeStatus = z.infer<typeof exchangeStatusSchema>;
