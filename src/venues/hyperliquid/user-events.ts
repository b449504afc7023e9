/**
 * What the venue did to the account without being asked, from the `user` channel. Its fills repeat `userFills` and are left
 * out; order updates stay the authority on orders. Source: reference §2.9.
 */
import { z } from "zod";
import { VenueError } from "./errors.js";

export type AccountEvent =
  /** Margin, self-trade, liquidation, delisting or the open-interest cap took an order off the book. */
  | { readonly kind: "non-user-cancel"; readonly coin: string; readonly oid: number }
  /** Positions were closed by the venue: whatever our books say, the account is no longer ours to quote with. */
  | {
      readonly kind: "liquidation";
      readonly liquidatedUser: string;
      readonly notionalUsd: number;
      readonly accountValueUsd: number;
    };

const cancelsSchema = z.object({
  nonUserCancel: z.array(z.object({ coin: z.string(), oid: z.number().int() })),
});
const number = z.union([z.string(), z.number()]).transform(Number).refine(Number.isFinite);
const liquidationSchema = z.object({
  liquidation: z.object({
    liquidated_user: z.string(),
    liquidated_ntl_pos: number,
    liquidated_account_value: number,
  }),
});

/** @throws {VenueError} BadResponse when one of the two has an unknown shape. */
export function parseUserEvents(data: unknown): AccountEvent[] {
  if (typeof data !== "object" || data === null) {
    throw new VenueError("BadResponse", "user: no object");
  }
  if ("nonUserCancel" in data) {
    const { nonUserCancel } = parsed(cancelsSchema, data);
    return nonUserCancel.map(({ coin, oid }) => ({ kind: "non-user-cancel", coin, oid }));
  }
  if ("liquidation" in data) {
    const { liquidation: l } = parsed(liquidationSchema, data);
    return [
      {
        kind: "liquidation",
        liquidatedUser: l.liquidated_user.toLowerCase(),
        notionalUsd: l.liquidated_ntl_pos,
        accountValueUsd: l.liquidated_account_value,
      },
    ];
  }
  return [];
}

function parsed<T>(schema: z.ZodType<T>, data: unknown): T {
  const result = schema.safeParse(data);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new VenueError("BadResponse", `user: ${issue?.path.map(String).join(".")}: ${issue?.message}`);
}
