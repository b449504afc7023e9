/**
 * Payloads of the account's subscriptions, by channel. `orderUpdates` and `userFills` are what the engine trades on; the
 * others tell what no request of ours caused. Source: reference §2.7–2.15.
 */
import { z } from "zod";
import {
  activeAssetDataSchema,
  clearinghouseStateSchema,
  fillSchema,
  fundingSchema,
  ledgerUpdateSchema,
  orderSchema,
  orderUpdateSchema,
  spotStateSchema,
} from "./account-shapes.js";
import { address, decimal, int, validate } from "./wire.js";

/** True on the first frame after a subscription; later frames leave it out. */
const isSnapshot = z.boolean().optional();

/** One of the keys is there. */
const userEventSchema = z.object({
  fills: z.array(fillSchema).optional(),
  funding: fundingSchema.optional(),
  liquidation: z
    .object({
      lid: int,
      liquidator: address,
      liquidated_user: address,
      liquidated_ntl_pos: decimal,
      liquidated_account_value: decimal,
    })
    .optional(),
  /** Margin, self-trade, delisting: not asked for by the user. `orderUpdates` has them too, with the reason. */
  nonUserCancel: z.array(z.object({ coin: z.string(), oid: int })).optional(),
});

export const CHANNEL_SCHEMAS = {
  orderUpdates: z.array(orderUpdateSchema),
  userFills: z.object({ user: address, isSnapshot, fills: z.array(fillSchema) }),
  /** The channel of the `userEvents` subscription. */
  user: userEventSchema,
  userFundings: z.object({ user: address, isSnapshot, fundings: z.array(fundingSchema) }),
  userNonFundingLedgerUpdates: z.object({
    user: address,
    isSnapshot,
    nonFundingLedgerUpdates: z.array(ledgerUpdateSchema),
  }),
  userHistoricalOrders: z.object({ user: address, isSnapshot, orderHistory: z.array(orderUpdateSchema) }),
  clearinghouseState: z.object({
    dex: z.string(),
    user: address,
    clearinghouseState: clearinghouseStateSchema,
  }),
  allDexsClearinghouseState: z.object({
    user: address,
    clearinghouseStates: z.array(z.tuple([z.string(), clearinghouseStateSchema])),
  }),
  openOrders: z.object({ dex: z.string(), user: address, orders: z.array(orderSchema) }),
  activeAssetData: activeAssetDataSchema,
  spotState: z.object({ user: address, spotState: spotStateSchema }),
  notification: z.object({ notification: z.string() }),
} as const;

export type ChannelName = keyof typeof CHANNEL_SCHEMAS;
export type ChannelData<C extends ChannelName> = z.infer<(typeof CHANNEL_SCHEMAS)[C]>;
export type UserEvent = ChannelData<"user">;

/** @throws {VenueError} BadResponse naming the channel and the path of the first wrong field. */
export function parseChannel<C extends ChannelName>(channel: C, data: unknown): ChannelData<C> {
  return validate(CHANNEL_SCHEMAS[channel] as unknown as z.ZodType<ChannelData<C>>, data, channel);
}
