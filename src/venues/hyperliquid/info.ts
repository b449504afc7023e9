/**
 * Read requests of the venue (`POST /info`), validated at the edge: unknown fields pass, wrong types are refused with the
 * path. Cold path. Source: reference §3.
 */
import { z } from "zod";
import type { Rng } from "../../domain/index.js";
import { VenueError } from "./errors.js";
import { type HttpSeams, postJson } from "./http.js";
import type { NetworkEndpoints } from "./network.js";

/** A plain decimal. The venue writes strings; its own type stubs say number, so a number is read as its text. */
const decimal = z
  .union([z.string(), z.number().transform(String)])
  .refine((text) => /^-?\d+(\.\d+)?$/.test(text), { message: "not a plain decimal" });
const int = z.number().int().nonnegative();
const side = z.enum(["B", "A"]);
const cloid = z
  .string()
  .regex(/^0x[0-9a-fA-F]{32}$/)
  .transform((text) => text.toLowerCase() as `0x${string}`);

const universeEntry = z.object({
  name: z.string().min(1),
  szDecimals: z.number().int().min(0).max(8),
  maxLeverage: z.number().int().positive(),
  marginTableId: int.optional(),
  onlyIsolated: z.boolean().optional(),
  marginMode: z.string().optional(),
  isDelisted: z.boolean().optional(),
  growthMode: z.string().optional(),
});
const marginTable = z.object({
  description: z.string().optional(),
  marginTiers: z.array(z.object({ lowerBound: decimal, maxLeverage: z.number().int().positive() })),
});
export const metaSchema = z.object({
  universe: z.array(universeEntry),
  marginTables: z.array(z.tuple([int, marginTable])).optional(),
  collateralToken: int.optional(),
});
export type Meta = z.infer<typeof metaSchema>;

export const assetCtxSchema = z.object({
  funding: decimal,
  openInterest: decimal,
  prevDayPx: decimal.optional(),
  dayNtlVlm: decimal.optional(),
  premium: decimal.nullish(),
  oraclePx: decimal,
  markPx: decimal,
  midPx: decimal.nullish(),
  impactPxs: z.array(decimal).nullish(),
});
export type AssetCtx = z.infer<typeof assetCtxSchema>;

const level = z.object({ px: decimal, sz: decimal, n: int });
export const l2BookSchema = z.object({
  coin: z.string(),
  time: int,
  levels: z.tuple([z.array(level), z.array(level)]),
});
export type L2Book = z.infer<typeof l2BookSchema>;

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
        leverage: z.object({ type: z.string(), value: z.number() }),
        unrealizedPnl: decimal,
        positionValue: decimal.optional(),
        liquidationPx: decimal.nullish(),
        marginUsed: decimal.optional(),
      }),
    }),
  ),
  marginSummary,
  crossMarginSummary: marginSummary,
  withdrawable: decimal,
  time: int.optional(),
});
export type ClearinghouseState = z.infer<typeof clearinghouseStateSchema>;

/** An order as in `openOrders`, `frontendOpenOrders`, `orderStatus` and `orderUpdates`. */
export const orderSchema = z.object({
  coin: z.string(),
  side,
  limitPx: decimal,
  sz: decimal,
  oid: int,
  timestamp: int,
  origSz: decimal.optional(),
  cloid: cloid.nullish(),
  reduceOnly: z.boolean().optional(),
  isTrigger: z.boolean().optional(),
  tif: z.string().nullish(),
});
export type VenueOrder = z.infer<typeof orderSchema>;

export const orderUpdateSchema = z.object({ order: orderSchema, status: z.string(), statusTimestamp: int });
export type VenueOrderUpdate = z.infer<typeof orderUpdateSchema>;

export const orderStatusSchema = z.union([
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
  crossed: z.boolean(),
  fee: decimal,
  /** Absent in recordings of 2023; 0 on spot dust conversions. */
  tid: int.default(0),
  feeToken: z.string().optional(),
  cloid: cloid.nullish(),
  liquidation: z.object({}).nullish(),
});
export type VenueFill = z.infer<typeof fillSchema>;

export const userRateLimitSchema = z.object({
  cumVlm: decimal,
  nRequestsUsed: z.number(),
  nRequestsCap: z.number(),
  nRequestsSurplus: z.number().optional(),
});
export type UserRateLimit = z.infer<typeof userRateLimitSchema>;

export const userFeesSchema = z.object({
  userCrossRate: decimal,
  userAddRate: decimal,
  activeReferralDiscount: decimal.optional(),
});
export type UserFees = z.infer<typeof userFeesSchema>;

const allMidsSchema = z.record(z.string(), decimal);
const exchangeStatusSchema = z.object({ time: int, specialStatuses: z.unknown().optional() });
export type ExchangeStatus = z.infer<typeof exchangeStatusSchema>;

const perpDexSchema = z.object({
  name: z.string(),
  fullName: z.string().optional(),
  deployerFeeScale: decimal.nullish(),
});
export const perpDexsSchema = z.array(perpDexSchema.nullable());
export type PerpDexs = z.infer<typeof perpDexsSchema>;

export const userRoleSchema = z.object({
  role: z.string(),
  data: z.object({ user: z.string().optional(), master: z.string().optional() }).optional(),
});
export type UserRole = z.infer<typeof userRoleSchema>;

/**
 * Validates a value against a shape of this file.
 * @param what named in the error, with the path of the first wrong field.
 * @throws {VenueError} BadResponse
 */
export function validate<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = issue?.path.map(String).join(".") || "(top level)";
  throw new VenueError("BadResponse", `${what}: ${path}: ${issue?.message ?? "wrong shape"}`);
}

export interface InfoClientOptions extends HttpSeams {
  readonly endpoints: Pick<NetworkEndpoints, "infoUrl">;
  readonly rng: Rng;
  /** For one attempt. Default 5000. */
  readonly timeoutMs?: number;
}

const RETRY_MS = 250;

/**
 * Client of the read requests. All are idempotent: a lost, refused (429) or failed (5xx) one is repeated once after
 * 250–500 ms.
 *
 * Every method throws {VenueError}: Unreachable, Timeout, ConnectionLost, RateLimited, HttpStatus or BadResponse.
 */
export class InfoClient {
  constructor(private readonly options: InfoClientOptions) {}

  /** @param dex name of a builder-deployed dex; the first dex without. */
  meta(dex?: string): Promise<Meta> {
    return this.ask({ type: "meta", ...(dex ? { dex } : {}) }, metaSchema);
  }
  metaAndAssetCtxs(dex?: string): Promise<[Meta, AssetCtx[]]> {
    return this.ask(
      { type: "metaAndAssetCtxs", ...(dex ? { dex } : {}) },
      z.tuple([metaSchema, z.array(assetCtxSchema)]),
    );
  }
  /** null: no such coin. */
  l2Book(coin: string): Promise<L2Book | null> {
    return this.ask({ type: "l2Book", coin }, l2BookSchema.nullable());
  }
  clearinghouseState(user: string, dex?: string): Promise<ClearinghouseState> {
    return this.ask({ type: "clearinghouseState", user, ...(dex ? { dex } : {}) }, clearinghouseStateSchema);
  }
  openOrders(user: string, dex?: string): Promise<VenueOrder[]> {
    return this.ask({ type: "openOrders", user, ...(dex ? { dex } : {}) }, z.array(orderSchema));
  }
  frontendOpenOrders(user: string, dex?: string): Promise<VenueOrder[]> {
    return this.ask({ type: "frontendOpenOrders", user, ...(dex ? { dex } : {}) }, z.array(orderSchema));
  }
  /** @param oid venue id or client id. */
  orderStatus(user: string, oid: number | string): Promise<OrderStatusAnswer> {
    return this.ask({ type: "orderStatus", user, oid }, orderStatusSchema);
  }
  /** Newest first, at most 2000. */
  userFills(user: string): Promise<VenueFill[]> {
    return this.ask({ type: "userFills", user }, z.array(fillSchema));
  }
  /** Oldest first, at most 2000 a call; both times inclusive, Unix ms. */
  userFillsByTime(user: string, startTime: number, endTime?: number): Promise<VenueFill[]> {
    return this.ask(
      { type: "userFillsByTime", user, startTime, ...(endTime === undefined ? {} : { endTime }) },
      z.array(fillSchema),
    );
  }
  userRateLimit(user: string): Promise<UserRateLimit> {
    return this.ask({ type: "userRateLimit", user }, userRateLimitSchema);
  }
  userFees(user: string): Promise<UserFees> {
    return this.ask({ type: "userFees", user }, userFeesSchema);
  }
  allMids(dex?: string): Promise<Record<string, string>> {
    return this.ask({ type: "allMids", ...(dex ? { dex } : {}) }, allMidsSchema);
  }
  exchangeStatus(): Promise<ExchangeStatus> {
    return this.ask({ type: "exchangeStatus" }, exchangeStatusSchema);
  }
  /** Place in the list = dex index; the first dex is null. */
  perpDexs(): Promise<PerpDexs> {
    return this.ask({ type: "perpDexs" }, perpDexsSchema);
  }
  userRole(user: string): Promise<UserRole> {
    return this.ask({ type: "userRole", user }, userRoleSchema);
  }

  private async ask<T>(
    request: { type: string } & Record<string, unknown>,
    schema: z.ZodType<T>,
  ): Promise<T> {
    const body = new TextEncoder().encode(JSON.stringify(request));
    try {
      return await this.attempt(request.type, body, schema);
    } catch (error) {
      if (!(error instanceof VenueError) || !error.retryable) throw error;
    }
    const { timers, rng } = this.options;
    await new Promise<void>((resolve) => {
      timers.after(RETRY_MS * (1 + rng.uniform()), resolve);
    });
    return await this.attempt(request.type, body, schema);
  }

  private async attempt<T>(type: string, body: Uint8Array, schema: z.ZodType<T>): Promise<T> {
    const { endpoints, timeoutMs = 5000 } = this.options;
    const url = endpoints.infoUrl;
    const { status, bytes } = await postJson(url, body, timeoutMs, this.options);
    if (status === 429) {
      throw new VenueError(
        "RateLimited",
        `${type}: ${url} answers 429, too many requests from this address`,
        {
          retryable: true,
        },
      );
    }
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
    if (status !== 200) {
      const detail = text.slice(0, 120).replace(/\s+/g, " ");
      throw new VenueError("HttpStatus", `${type}: ${url} answers ${status} ${detail}`, {
        retryable: status >= 500,
      });
    }
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (cause) {
      throw new VenueError("BadResponse", `${type}: ${url} answers with something that is not JSON`, {
        cause,
      });
    }
    return validate(schema, value, type);
  }
}
