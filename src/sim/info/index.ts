/**
 * `/info`: read requests over the exchange's state, in the venue's shapes (reference/hyperliquid-api.md 3).
 */
import { openOrderWire } from "../account.js";
import { parseAddress } from "../actions.js";
import { activeAssetData, clearinghouseState } from "./account.js";
import { allMids, l2Book } from "./book.js";
import { assetCtx, MAX_MARKET_ORDER_NTLS, marginTables, meta, SPOT_META } from "./meta.js";
import { fillsByTime, frontendOpenOrders, historicalOrders, openOrders, orderStatus } from "./orders.js";
import { userFees, userRateLimit } from "./rates.js";
import {
  type Answer,
  dexOf,
  type GeneralAnswerer,
  type InfoContext,
  type InfoRequest,
  MALFORMED,
  type UserAnswerer,
} from "./request.js";

/** Answers one info request: a JSON-able value, or `MALFORMED` or `UNHANDLED`. Never throws on any JSON value. */
export function answerInfo(ctx: InfoContext, body: unknown): Answer {
  if (typeof body !== "object" || body === null || Array.isArray(body)) return MALFORMED;
  const request = body as InfoRequest;
  const type = request["type"];
  if (typeof type !== "string") return MALFORMED;
  const general = GENERAL.get(type);
  if (general !== undefined) return general(ctx, request);
  const ofUser = OF_USER.get(type);
  if (ofUser === undefined) return MALFORMED;
  const user = parseAddress(request["user"]);
  if (user === undefined) return MALFORMED;
  return ofUser(ctx, user, ctx.exchange.account(user), request);
}

const isFirstDex = (r: InfoRequest): boolean => dexOf(r) === "";

const GENERAL = new Map<string, GeneralAnswerer>([
  ["meta", (ctx, r) => (isFirstDex(r) ? meta(ctx.exchange) : null)],
  ["allPerpMetas", (ctx) => [meta(ctx.exchange)]],
  [
    "metaAndAssetCtxs",
    (ctx, r) =>
      isFirstDex(r) ? [meta(ctx.exchange), ctx.exchange.markets.map((m) => assetCtx(ctx.exchange, m))] : null,
  ],
  ["allMids", (ctx, r) => (isFirstDex(r) ? allMids(ctx.exchange) : {})],
  ["l2Book", l2Book],
  [
    "recentTrades",
    (ctx, r) => {
      if (typeof r["coin"] !== "string") return MALFORMED;
      const market = ctx.exchange.market(r["coin"]);
      return market === undefined ? null : market.recentTrades.slice(-30).reverse();
    },
  ],
  ["spotMeta", () => SPOT_META],
  ["spotMetaAndAssetCtxs", () => [SPOT_META, []]],
  ["perpDexs", () => [null]],
  ["perpDexLimits", () => null],
  ["perpsAtOpenInterestCap", () => []],
  ["maxMarketOrderNtls", () => MAX_MARKET_ORDER_NTLS],
  ["exchangeStatus", (ctx) => ({ time: Math.floor(ctx.exchMs), specialStatuses: null })],
  ["candleSnapshot", () => []],
  ["fundingHistory", () => []],
  ["predictedFundings", () => []],
  ["liquidatable", () => []],
  [
    "marginTable",
    (ctx, r) => {
      const id = r["id"];
      if (typeof id !== "number") return MALFORMED;
      return marginTables(ctx.exchange).find(([table]) => table === id)?.[1] ?? null;
    },
  ],
]);

const OF_USER = new Map<string, UserAnswerer>([
  ["clearinghouseState", (ctx, _user, account) => clearinghouseState(ctx.exchange, account, ctx.exchMs)],
  ["spotClearinghouseState", () => ({ balances: [] })],
  ["openOrders", (_ctx, _user, account) => openOrders(account).map(openOrderWire)],
  ["frontendOpenOrders", (_ctx, _user, account) => frontendOpenOrders(account)],
  ["orderStatus", (_ctx, _user, account, r) => orderStatus(account, r["oid"])],
  ["historicalOrders", (_ctx, _user, account) => historicalOrders(account)],
  ["userFills", (_ctx, _user, account) => account?.fills.slice(-2000).reverse() ?? []],
  ["userFillsByTime", (_ctx, _user, account, r) => fillsByTime(account, r)],
  ["userFunding", () => []],
  ["userNonFundingLedgerUpdates", () => []],
  ["userRateLimit", (_ctx, _user, account) => userRateLimit(account)],
  ["userFees", (ctx) => userFees(ctx.exchange)],
  [
    "userRole",
    (ctx, user, account) => {
      if (account !== undefined) return { role: "user" };
      const master = ctx.exchange.masterOfAgent(user);
      return master === undefined ? { role: "missing" } : { role: "agent", data: { user: master.address } };
    },
  ],
  ["extraAgents", () => []],
  ["subAccounts", () => null],
  ["userAbstraction", () => "default"],
  ["userDexAbstraction", () => null],
  ["isVip", () => null],
  ["approvedBuilders", () => []],
  ["maxBuilderFee", () => 0],
  ["userTwapSliceFills", () => []],
  ["twapHistory", () => []],
  [
    "activeAssetData",
    (ctx, user, account, r) => {
      const market = ctx.exchange.market(r["coin"]);
      if (typeof r["coin"] !== "string") return MALFORMED;
      return market === undefined ? null : activeAssetData(ctx.exchange, user, account, market);
    },
  ],
]);
