/**
 * `/info`: read requests over the exchange's state, in the venue's shapes (reference/hyperliquid-api.md 3).
 */
import { parseAddress } from "../actions.js";
import { isPerp } from "../listed-market.js";
import { activeAssetData, clearinghouseState } from "./account.js";
import { allMids, l2Book } from "./book.js";
import {
  approvedBuilders,
  extraAgents,
  maxBuilderFee,
  portfolio,
  preTransferCheck,
  referral,
  subAccounts,
  subAccounts2,
  userAbstraction,
  userDexAbstraction,
  userRole,
  userVaultEquities,
  vaultDetails,
} from "./identity.js";
import { candleSnapshot, fundingHistory, recentTrades } from "./market-data.js";
import {
  assetCtxs,
  MAX_MARKET_ORDER_NTLS,
  marginTable,
  meta,
  perpDexLimits,
  perpDexStatus,
  perpDexs,
  perpsAtOpenInterestCap,
  predictedFundings,
} from "./meta.js";
import {
  fillsByTime,
  frontendOpenOrders,
  historicalOrders,
  latestFills,
  orderStatus,
  plainOpenOrders,
  twapSliceFills,
} from "./orders.js";
import { userFees, userRateLimit } from "./rates.js";
import {
  type Answer,
  dexIn,
  dexNameIn,
  type GeneralAnswerer,
  type InfoContext,
  type InfoRequest,
  MALFORMED,
  spanIn,
  type UserAnswerer,
  within,
} from "./request.js";
import { spotAssetCtxs, spotClearinghouseState, spotMeta, tokenDetails } from "./spot.js";
import { UNMODELLED_GENERAL, UNMODELLED_OF_USER } from "./unmodelled.js";
import { webData2 } from "./web-data.js";

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

/** null for a dex that does not exist, as the venue has it. */
const ofDex =
  (answer: (ctx: InfoContext, dex: NonNullable<ReturnType<typeof dexIn>>) => Answer): GeneralAnswerer =>
  (ctx, request) => {
    const dex = dexIn(ctx, request);
    return dex === undefined ? MALFORMED : dex === null ? null : answer(ctx, dex);
  };

const LEDGER_MAX = 500;
const HISTORY_MAX = 2000;

const GENERAL = new Map<string, GeneralAnswerer>([
  ...UNMODELLED_GENERAL,
  ["meta", ofDex((_ctx, dex) => meta(dex))],
  ["metaAndAssetCtxs", ofDex((ctx, dex) => [meta(dex), assetCtxs(ctx.exchange, dex)])],
  ["allPerpMetas", (ctx) => ctx.exchange.dexs.map(meta)],
  ["allMids", ofDex((ctx, dex) => allMids(ctx.exchange, dex.index))],
  ["perpDexs", (ctx) => perpDexs(ctx.exchange)],
  ["perpDexLimits", ofDex((_ctx, dex) => perpDexLimits(dex))],
  ["perpDexStatus", ofDex((ctx, dex) => perpDexStatus(ctx.exchange, dex))],
  ["perpsAtOpenInterestCap", ofDex((_ctx, dex) => perpsAtOpenInterestCap(dex))],
  ["predictedFundings", (ctx) => predictedFundings(ctx.exchange, ctx.exchMs)],
  ["maxMarketOrderNtls", () => MAX_MARKET_ORDER_NTLS],
  ["marginTable", (ctx, r) => (typeof r["id"] === "number" ? marginTable(ctx.exchange, r["id"]) : MALFORMED)],
  ["l2Book", l2Book],
  ["recentTrades", recentTrades],
  ["candleSnapshot", candleSnapshot],
  ["fundingHistory", fundingHistory],
  ["spotMeta", (ctx) => spotMeta(ctx.exchange)],
  ["spotMetaAndAssetCtxs", (ctx) => [spotMeta(ctx.exchange), spotAssetCtxs(ctx.exchange)]],
  [
    "tokenDetails",
    (ctx, r) => (typeof r["tokenId"] === "string" ? tokenDetails(ctx.exchange, r["tokenId"]) : MALFORMED),
  ],
  ["exchangeStatus", (ctx) => ({ time: Math.floor(ctx.exchMs), specialStatuses: null })],
  ["vaultDetails", vaultDetails],
]);

const OF_USER = new Map<string, UserAnswerer>([
  ...UNMODELLED_OF_USER,
  [
    "clearinghouseState",
    (ctx, _user, account, r) => {
      const dex = dexIn(ctx, r);
      if (dex === undefined) return MALFORMED;
      return dex === null ? null : clearinghouseState(ctx.exchange, account, ctx.exchMs, dex.index);
    },
  ],
  ["spotClearinghouseState", (_ctx, _user, account) => spotClearinghouseState(account)],
  ["openOrders", (_ctx, _user, account, r) => ordersOf(plainOpenOrders, account, r)],
  ["frontendOpenOrders", (_ctx, _user, account, r) => ordersOf(frontendOpenOrders, account, r)],
  ["orderStatus", (_ctx, _user, account, r) => orderStatus(account, r["oid"])],
  ["historicalOrders", (_ctx, _user, account) => historicalOrders(account)],
  [
    "userFills",
    (ctx, _user, account, r) => latestFills(account, ctx.exchange, r["aggregateByTime"] === true),
  ],
  ["userFillsByTime", (ctx, _user, account, r) => fillsByTime(ctx, account, r)],
  [
    "userFunding",
    (_ctx, _user, account, r) => {
      const span = spanIn(r, false);
      return span === undefined ? MALFORMED : within(account?.fundings ?? [], span, LEDGER_MAX);
    },
  ],
  [
    "userNonFundingLedgerUpdates",
    (_ctx, _user, account, r) => {
      const span = spanIn(r, false);
      return span === undefined ? MALFORMED : within(account?.ledger ?? [], span, HISTORY_MAX);
    },
  ],
  ["userRateLimit", (_ctx, _user, account) => userRateLimit(account)],
  ["userFees", (ctx, _user, account) => userFees(ctx.exchange, account, ctx.exchMs)],
  ["userRole", userRole],
  ["extraAgents", (ctx, _user, account) => extraAgents(ctx, account)],
  ["subAccounts", (ctx, _user, account) => subAccounts(ctx, account)],
  ["subAccounts2", (ctx, _user, account) => subAccounts2(ctx, account)],
  ["userAbstraction", (ctx, _user, account) => userAbstraction(ctx, account)],
  ["userDexAbstraction", (ctx, _user, account) => userDexAbstraction(ctx, account)],
  ["maxBuilderFee", (ctx, _user, account, r) => maxBuilderFee(ctx, account, r)],
  ["approvedBuilders", (ctx, _user, account) => approvedBuilders(ctx, account)],
  ["preTransferCheck", (ctx, _user, account) => preTransferCheck(ctx, account)],
  ["portfolio", (ctx, _user, account) => portfolio(ctx, account)],
  ["referral", (ctx, _user, account) => referral(ctx, account)],
  ["userVaultEquities", (ctx, user) => userVaultEquities(ctx, user)],
  ["webData2", webData2],
  [
    "twapHistory",
    (ctx, _user, account) =>
      account === undefined ? [] : ctx.twaps.historyOf(account).slice(-HISTORY_MAX).reverse(),
  ],
  [
    "userTwapSliceFills",
    (_ctx, _user, account) => twapSliceFills(account).slice(-HISTORY_MAX).reverse().map(withoutTime),
  ],
  [
    "userTwapSliceFillsByTime",
    (_ctx, _user, account, r) => {
      const span = spanIn(r, true);
      return span === undefined
        ? MALFORMED
        : within(twapSliceFills(account), span, HISTORY_MAX).map(withoutTime);
    },
  ],
  [
    "activeAssetData",
    (ctx, user, account, r) => {
      if (typeof r["coin"] !== "string") return MALFORMED;
      const market = ctx.exchange.market(r["coin"]);
      return market === undefined || !isPerp(market)
        ? null
        : activeAssetData(ctx.exchange, user, account, market);
    },
  ],
]);

const withoutTime = ({ fill, twapId }: ReturnType<typeof twapSliceFills>[number]): unknown => ({
  fill,
  twapId,
});

function ordersOf(
  list: typeof plainOpenOrders,
  account: Parameters<typeof plainOpenOrders>[0],
  r: InfoRequest,
): Answer {
  const dexName = dexNameIn(r);
  return dexName === undefined ? MALFORMED : list(account, dexName);
}
