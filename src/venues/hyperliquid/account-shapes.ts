/** Shapes of what belongs to one account: margin, orders, fills, ledger, fees, rate limit, agents. Source: reference §2, §3. */
import { z } from "zod";
import { address, cloid, decimal, int, perDirection, side } from "./wire.js";

const leverage = z.object({
  /** `cross` or `isolated`. */
  type: z.string(),
  value: z.number(),
  /** Cash leg of an isolated position: negative for a leveraged long. */
  rawUsd: decimal.optional(),
});
const marginSummary = z.object({
  accountValue: decimal,
  totalNtlPos: decimal,
  totalRawUsd: decimal,
  totalMarginUsed: decimal,
});
export const clearinghouseStateSchema = z.object({
  assetPositions: z.array(
    z.object({
      position: z.object({
        coin: z.string(),
        szi: decimal,
        entryPx: decimal.nullish(),
        leverage,
        unrealizedPnl: decimal,
        positionValue: decimal.optional(),
        returnOnEquity: decimal.optional(),
        /** null: no price liquidates it. */
        liquidationPx: decimal.nullish(),
        marginUsed: decimal.optional(),
        maxLeverage: int.optional(),
        cumFunding: z.object({ allTime: decimal, sinceOpen: decimal, sinceChange: decimal }).optional(),
      }),
    }),
  ),
  marginSummary,
  crossMarginSummary: marginSummary,
  crossMaintenanceMarginUsed: decimal.optional(),
  withdrawable: decimal,
  time: int.optional(),
});
export type ClearinghouseState = z.infer<typeof clearinghouseStateSchema>;

export const spotStateSchema = z.object({
  balances: z.array(
    z.object({
      coin: z.string(),
      token: int.optional(),
      total: decimal,
      /** Reserved by resting orders. */
      hold: decimal,
      entryNtl: decimal.optional(),
    }),
  ),
});
export type SpotState = z.infer<typeof spotStateSchema>;

/** An order as in `openOrders`, `frontendOpenOrders`, `orderStatus` and `orderUpdates`; children are listed on their own too. */
export const orderSchema = z.object({
  coin: z.string(),
  side,
  limitPx: decimal,
  /** What is left of it. */
  sz: decimal,
  oid: int,
  timestamp: int,
  origSz: decimal.optional(),
  cloid: cloid.nullish(),
  reduceOnly: z.boolean().optional(),
  isTrigger: z.boolean().optional(),
  triggerPx: decimal.optional(),
  triggerCondition: z.string().optional(),
  isPositionTpsl: z.boolean().optional(),
  orderType: z.string().optional(),
  tif: z.string().nullish(),
});
export type VenueOrder = z.infer<typeof orderSchema>;

export const orderUpdateSchema = z.object({ order: orderSchema, status: z.string(), statusTimestamp: int });
export type VenueOrderUpdate = z.infer<typeof orderUpdateSchema>;

export const orderStatusSchema = z.discriminatedUnion("status", [
  z.object({ status: z.literal("order"), order: orderUpdateSchema }),
  z.object({ status: z.literal("unknownOid") }),
]);
export type OrderStatusAnswer = z.infer<typeof orderStatusSchema>;

export const fillSchema = z.object({
  coin: z.string(),
  px: decimal,
  sz: decimal,
  side,
  time: int,
  startPosition: decimal,
  closedPnl: decimal,
  oid: int,
  /** True: this user was the taker. */
  crossed: z.boolean(),
  /** Includes the builder's; negative is a rebate. */
  fee: decimal,
  builderFee: decimal.optional(),
  /** Absent in recordings of 2023; 0 on spot dust conversions. */
  tid: int.default(0),
  feeToken: z.string().optional(),
  dir: z.string().optional(),
  hash: z.string().optional(),
  cloid: cloid.nullish(),
  twapId: int.nullish(),
  liquidation: z
    .object({ liquidatedUser: address.nullish(), markPx: decimal.optional(), method: z.string().optional() })
    .nullish(),
});
export type VenueFill = z.infer<typeof fillSchema>;

/** One hour's payment of one position: negative was paid. */
export const fundingSchema = z.object({
  time: int,
  coin: z.string(),
  usdc: decimal,
  szi: decimal,
  fundingRate: decimal,
  nSamples: int.nullish(),
});
export type VenueFunding = z.infer<typeof fundingSchema>;
/** Element of `userFunding`, where the payment is inside `delta`. */
export const userFundingSchema = z.object({
  time: int,
  hash: z.string(),
  delta: fundingSchema.omit({ time: true }),
});
export type UserFunding = z.infer<typeof userFundingSchema>;

/** Deposits, withdrawals, transfers, liquidations: `type` says which; fields it does not name are kept as they come. */
export const ledgerUpdateSchema = z.object({
  time: int,
  hash: z.string(),
  delta: z.looseObject({
    type: z.string(),
    usdc: decimal.optional(),
    fee: decimal.optional(),
    toPerp: z.boolean().optional(),
    token: z.string().optional(),
    amount: decimal.optional(),
    user: address.optional(),
    destination: address.optional(),
    accountValue: decimal.optional(),
    liquidatedNtlPos: decimal.optional(),
    liquidatedPositions: z.array(z.object({ coin: z.string(), szi: decimal })).optional(),
  }),
});
export type LedgerUpdate = z.infer<typeof ledgerUpdateSchema>;

export const userRateLimitSchema = z.object({
  cumVlm: decimal,
  nRequestsUsed: z.number(),
  nRequestsCap: z.number(),
  nRequestsSurplus: z.number().optional(),
});
export type UserRateLimit = z.infer<typeof userRateLimitSchema>;

const feeTier = z.object({ cross: decimal, add: decimal });
export const userFeesSchema = z.object({
  /** Taker and maker rate on the first dex after tier and staking, before the referral discount and a dex's scale. */
  userCrossRate: decimal,
  userAddRate: decimal,
  userSpotCrossRate: decimal.optional(),
  userSpotAddRate: decimal.optional(),
  activeReferralDiscount: decimal.optional(),
  activeStakingDiscount: z.object({ discount: decimal }).nullish(),
  dailyUserVlm: z
    .array(z.object({ date: z.string(), userCross: decimal, userAdd: decimal, exchange: decimal }))
    .optional(),
  feeSchedule: feeTier
    .extend({
      spotCross: decimal.optional(),
      spotAdd: decimal.optional(),
      tiers: z
        .object({
          vip: z.array(feeTier.extend({ ntlCutoff: decimal })),
          mm: z.array(z.object({ makerFractionCutoff: decimal, add: decimal })),
        })
        .optional(),
      referralDiscount: decimal.optional(),
    })
    .optional(),
});
export type UserFees = z.infer<typeof userFeesSchema>;

export const activeAssetDataSchema = z.object({
  user: address,
  coin: z.string(),
  leverage,
  maxTradeSzs: perDirection,
  availableToTrade: perDirection,
  markPx: decimal.optional(),
});
export type ActiveAssetData = z.infer<typeof activeAssetDataSchema>;

export const userRoleSchema = z.object({
  /** `missing`, `user`, `vault`, `agent` (of `data.user`), `subAccount` (of `data.master`). */
  role: z.string(),
  data: z.object({ user: address.optional(), master: address.optional() }).optional(),
});
export type UserRole = z.infer<typeof userRoleSchema>;

export const extraAgentsSchema = z.array(z.object({ name: z.string(), address, validUntil: int }));
export type ExtraAgents = z.infer<typeof extraAgentsSchema>;

export const subAccountsSchema = z
  .array(
    z.object({
      name: z.string(),
      subAccountUser: address,
      master: address,
      clearinghouseState: clearinghouseStateSchema,
      spotState: spotStateSchema,
    }),
  )
  .nullable();
export type SubAccounts = z.infer<typeof subAccountsSchema>;

const series = z.array(z.tuple([int, decimal]));
/** By period: `day`, `week`, `month`, `allTime` and the same with `perp` before. */
export const portfolioSchema = z.array(
  z.tuple([z.string(), z.object({ accountValueHistory: series, pnlHistory: series, vlm: decimal })]),
);
export type Portfolio = z.infer<typeof portfolioSchema>;

export const vaultEquitiesSchema = z.array(
  z.object({ vaultAddress: address, equity: decimal, lockedUntilTimestamp: int.optional() }),
);
export type VaultEquities = z.infer<typeof vaultEquitiesSchema>;
/** Staking, which sets the fee discount: one key of `delta` says what happened. */
export const delegatorHistorySchema = z.array(
  z.object({ time: int, hash: z.string(), delta: z.record(z.string(), z.looseObject({ amount: decimal })) }),
);
export type DelegatorHistory = z.infer<typeof delegatorHistorySchema>;
