/**
 * Client of the venue's read requests (`POST /info`), validated at the edge. Cold path. Source: reference §3.
 */
import { z } from "zod";
import type { Rng } from "../../domain/index.js";
import * as account from "./account-shapes.js";
import { VenueError } from "./errors.js";
import { type HttpSeams, postJson } from "./http.js";
import * as market from "./market-shapes.js";
import type { NetworkEndpoints } from "./network.js";
import { decimal, validate } from "./wire.js";

export * from "./account-shapes.js";
export * from "./market-shapes.js";
export { validate } from "./wire.js";

export interface InfoClientOptions extends HttpSeams {
  readonly endpoints: Pick<NetworkEndpoints, "infoUrl">;
  readonly rng: Rng;
  /** For one attempt. Default 5000. */
  readonly timeoutMs?: number;
}

const RETRY_MS = 250;

/** Both inclusive, Unix ms. At most 500 elements or so come at once: ask again from the last time, and drop repeats. */
export interface TimeRange {
  readonly startTime: number;
  readonly endTime?: number;
}

/**
 * Client of the read requests. All are idempotent: a lost, refused (429) or failed (5xx) one is repeated once after
 * 250–500 ms. `user` is the account (master, sub-account, vault): an agent's own address gives empty answers.
 * `dex` is the name of a builder-deployed dex; the first dex without.
 *
 * Every method throws {VenueError}: Unreachable, Timeout, ConnectionLost, RateLimited, HttpStatus or BadResponse.
 */
export class InfoClient {
  constructor(private readonly options: InfoClientOptions) {}

  // ── markets ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  meta(dex?: string): Promise<market.Meta> {
    return this.ask({ type: "meta", ...on(dex) }, market.metaSchema);
  }
  metaAndAssetCtxs(dex?: string): Promise<[market.Meta, market.AssetCtx[]]> {
    return this.ask(
      { type: "metaAndAssetCtxs", ...on(dex) },
      z.tuple([market.metaSchema, z.array(market.assetCtxSchema)]),
    );
  }
  /** Place = dex index. */
  allPerpMetas(): Promise<(market.Meta | null)[]> {
    return this.ask({ type: "allPerpMetas" }, market.allPerpMetasSchema);
  }
  /** Place in the list = dex index; the first dex is null. */
  perpDexs(): Promise<market.PerpDexs> {
    return this.ask({ type: "perpDexs" }, market.perpDexsSchema);
  }
  /** null for the first dex, or one that does not exist. */
  perpDexLimits(dex: string): Promise<market.PerpDexLimits | null> {
    return this.ask({ type: "perpDexLimits", dex }, market.perpDexLimitsSchema.nullable());
  }
  perpDexStatus(dex: string): Promise<market.PerpDexStatus> {
    return this.ask({ type: "perpDexStatus", dex }, market.perpDexStatusSchema);
  }
  /** Coins that only take orders which reduce open interest. */
  perpsAtOpenInterestCap(dex?: string): Promise<string[]> {
    return this.ask({ type: "perpsAtOpenInterestCap", ...on(dex) }, z.array(z.string()));
  }
  marginTable(id: number, dex?: string): Promise<market.MarginTable> {
    return this.ask({ type: "marginTable", id, ...on(dex) }, market.marginTableSchema);
  }
  /** Pairs of maximum leverage and largest market order, USD. */
  maxMarketOrderNtls(): Promise<[number, string][]> {
    return this.ask({ type: "maxMarketOrderNtls" }, market.maxMarketOrderNtlsSchema);
  }
  spotMeta(): Promise<market.SpotMeta> {
    return this.ask({ type: "spotMeta" }, market.spotMetaSchema);
  }
  spotMetaAndAssetCtxs(): Promise<[market.SpotMeta, market.SpotAssetCtx[]]> {
    return this.ask(
      { type: "spotMetaAndAssetCtxs" },
      z.tuple([market.spotMetaSchema, z.array(market.spotAssetCtxSchema)]),
    );
  }
  allMids(dex?: string): Promise<Record<string, string>> {
    return this.ask({ type: "allMids", ...on(dex) }, market.allMidsSchema);
  }
  /** null: no such coin. */
  l2Book(coin: string, nSigFigs?: 2 | 3 | 4 | 5, mantissa?: 2 | 5): Promise<market.L2Book | null> {
    const aggregation = {
      ...(nSigFigs === undefined ? {} : { nSigFigs }),
      ...(mantissa === undefined ? {} : { mantissa }),
    };
    return this.ask({ type: "l2Book", coin, ...aggregation }, market.l2BookSchema.nullable());
  }
  recentTrades(coin: string): Promise<market.VenueTrade[]> {
    return this.ask({ type: "recentTrades", coin }, z.array(market.tradeSchema));
  }
  /** The newest 5000 exist. */
  candleSnapshot(coin: string, interval: market.CandleInterval, range: TimeRange): Promise<market.Candle[]> {
    return this.ask(
      { type: "candleSnapshot", req: { coin, interval, ...range } },
      z.array(market.candleSchema),
    );
  }
  fundingHistory(coin: string, range: TimeRange): Promise<market.FundingHistory> {
    return this.ask({ type: "fundingHistory", coin, ...range }, market.fundingHistorySchema);
  }
  /** First dex only. */
  predictedFundings(): Promise<market.PredictedFundings> {
    return this.ask({ type: "predictedFundings" }, market.predictedFundingsSchema);
  }
  exchangeStatus(): Promise<market.ExchangeStatus> {
    return this.ask({ type: "exchangeStatus" }, market.exchangeStatusSchema);
  }

  // ── account ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  clearinghouseState(user: string, dex?: string): Promise<account.ClearinghouseState> {
    return this.ask({ type: "clearinghouseState", user, ...on(dex) }, account.clearinghouseStateSchema);
  }
  spotClearinghouseState(user: string): Promise<account.SpotState> {
    return this.ask({ type: "spotClearinghouseState", user }, account.spotStateSchema);
  }
  activeAssetData(user: string, coin: string): Promise<account.ActiveAssetData> {
    return this.ask({ type: "activeAssetData", user, coin }, account.activeAssetDataSchema);
  }
  /** Trigger orders look like limit orders here: `frontendOpenOrders` tells them apart. */
  openOrders(user: string, dex?: string): Promise<account.VenueOrder[]> {
    return this.ask({ type: "openOrders", user, ...on(dex) }, z.array(account.orderSchema));
  }
  frontendOpenOrders(user: string, dex?: string): Promise<account.VenueOrder[]> {
    return this.ask({ type: "frontendOpenOrders", user, ...on(dex) }, z.array(account.orderSchema));
  }
  /** The newest 2000, whatever became of them. */
  historicalOrders(user: string): Promise<account.VenueOrderUpdate[]> {
    return this.ask({ type: "historicalOrders", user }, z.array(account.orderUpdateSchema));
  }
  /** @param oid venue id or client id. */
  orderStatus(user: string, oid: number | string): Promise<account.OrderStatusAnswer> {
    return this.ask({ type: "orderStatus", user, oid }, account.orderStatusSchema);
  }
  /** Newest first, at most 2000. */
  userFills(user: string): Promise<account.VenueFill[]> {
    return this.ask({ type: "userFills", user }, z.array(account.fillSchema));
  }
  /** Oldest first, at most 2000 a call; both times inclusive, Unix ms. */
  userFillsByTime(user: string, startTime: number, endTime?: number): Promise<account.VenueFill[]> {
    return this.ask(
      { type: "userFillsByTime", user, startTime, ...(endTime === undefined ? {} : { endTime }) },
      z.array(account.fillSchema),
    );
  }
  userFunding(user: string, range?: TimeRange): Promise<account.UserFunding[]> {
    return this.ask({ type: "userFunding", user, ...range }, z.array(account.userFundingSchema));
  }
  userNonFundingLedgerUpdates(user: string, range?: TimeRange): Promise<account.LedgerUpdate[]> {
    return this.ask(
      { type: "userNonFundingLedgerUpdates", user, ...range },
      z.array(account.ledgerUpdateSchema),
    );
  }
  userRateLimit(user: string): Promise<account.UserRateLimit> {
    return this.ask({ type: "userRateLimit", user }, account.userRateLimitSchema);
  }
  userFees(user: string): Promise<account.UserFees> {
    return this.ask({ type: "userFees", user }, account.userFeesSchema);
  }
  userRole(user: string): Promise<account.UserRole> {
    return this.ask({ type: "userRole", user }, account.userRoleSchema);
  }
  /** Named agents only. */
  extraAgents(user: string): Promise<account.ExtraAgents> {
    return this.ask({ type: "extraAgents", user }, account.extraAgentsSchema);
  }
  /** null: none. */
  subAccounts(user: string): Promise<account.SubAccounts> {
    return this.ask({ type: "subAccounts", user }, account.subAccountsSchema);
  }
  /** `unifiedAccount` and `portfolioMargin` keep the collateral in the spot state: the perp state says little then. */
  userAbstraction(user: string): Promise<string | null> {
    return this.ask({ type: "userAbstraction", user }, z.string().nullable());
  }
  /** Approved fee in tenths of a basis point; 0 without an approval. */
  async maxBuilderFee(user: string, builder: string): Promise<number> {
    return Number(await this.ask({ type: "maxBuilderFee", user, builder }, decimal));
  }
  userVaultEquities(user: string): Promise<account.VaultEquities> {
    return this.ask({ type: "userVaultEquities", user }, account.vaultEquitiesSchema);
  }
  delegatorHistory(user: string): Promise<account.DelegatorHistory> {
    return this.ask({ type: "delegatorHistory", user }, account.delegatorHistorySchema);
  }
  portfolio(user: string): Promise<account.Portfolio> {
    return this.ask({ type: "portfolio", user }, account.portfolioSchema);
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
    const { endpoints, limits, timeoutMs = 5000 } = this.options;
    const url = endpoints.infoUrl;
    await limits?.admit(type);
    const { status, bytes } = await postJson(url, body, timeoutMs, this.options);
    if (status === 429) {
      limits?.onRefused();
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
    if (Array.isArray(value)) limits?.chargeItems(type, value.length);
    return validate(schema, value, type);
  }
}

/** The `dex` parameter: left out for the first dex. */
const on = (dex: string | undefined): { dex?: string } => (dex ? { dex } : {});
