/**
 * `/info`: read requests over the exchange's state, in the venue's shapes (reference/hyperliquid-api.md 3).
 *
 * Returns a JSON-able value (null where the venue says null) or `MALFORMED` for what it answers with 422.
 */
import { pow10 } from "../domain/index.js";
import { type Account, frontendOrderWire, openOrderWire, type SimOrder } from "./account.js";
import { parseAddress, parseCloid } from "./actions.js";
import type { Exchange } from "./exchange.js";
import type { Market } from "./listed-market.js";
import { type BookView, bookView } from "./matching.js";
import { aggregateView, dec, decOf, midToWire } from "./wire.js";

export const MALFORMED = Symbol("422");

export interface InfoContext {
  readonly exchange: Exchange;
  readonly exchMs: number;
}

type Request = Readonly<Record<string, unknown>>;
type Answer = unknown | typeof MALFORMED;

/** Everything deeper than this is cut before aggregation. */
const deepView = bookView(4000);

/** Answers one info request. Never throws on any JSON value. */
export function answerInfo(ctx: InfoContext, body: unknown): Answer {
  if (typeof body !== "object" || body === null || Array.isArray(body)) return MALFORMED;
  const request = body as Request;
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

const isFirstDex = (r: Request): boolean => r["dex"] === undefined || r["dex"] === null || r["dex"] === "";

const GENERAL = new Map<string, (ctx: InfoContext, r: Request) => Answer>([
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

const OF_USER = new Map<
  string,
  (ctx: InfoContext, user: string, account: Account | undefined, r: Request) => Answer
>([
  ["clearinghouseState", (ctx, _user, account) => clearinghouseState(ctx.exchange, account, ctx.exchMs)],
  ["spotClearinghouseState", () => ({ balances: [] })],
  ["openOrders", (_ctx, _user, account) => openOrders(account).map(openOrderWire)],
  ["frontendOpenOrders", (_ctx, _user, account) => openOrders(account).map(frontendOrderWire)],
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

const SPOT_META = {
  universe: [],
  tokens: [
    {
      name: "USDC",
      szDecimals: 8,
      weiDecimals: 8,
      index: 0,
      tokenId: "0x6d1e7cde53ba9467b783cb7c530ce054",
      isCanonical: true,
      evmContract: null,
      fullName: null,
      deployerTradingFeeShare: "0.0",
    },
  ],
};

/** Reference 6.6. */
const MAX_MARKET_ORDER_NTLS = [
  [25, "30000000.0"],
  [20, "5000000.0"],
  [10, "2000000.0"],
  [1, "500000.0"],
];

type MarginTable = readonly [
  number,
  { description: string; marginTiers: { lowerBound: string; maxLeverage: number }[] },
];

function marginTables(exchange: Exchange): MarginTable[] {
  const leverages = [...new Set(exchange.markets.map((m) => m.instrument.maxLeverage))].sort((a, b) => a - b);
  return leverages.map((id) => [
    id,
    { description: "", marginTiers: [{ lowerBound: "0.0", maxLeverage: id }] },
  ]);
}

function meta(exchange: Exchange): unknown {
  return {
    universe: exchange.markets.map((m) => ({
      name: m.coin,
      szDecimals: m.szDecimals,
      maxLeverage: m.instrument.maxLeverage,
      marginTableId: m.instrument.maxLeverage,
    })),
    marginTables: marginTables(exchange),
    collateralToken: 0,
  };
}

/** Mid as text; the last trade's price when a side is empty; undefined when there never was one. */
export function midOf(market: Market): string | undefined {
  const { bestBidTicks, bestAskTicks } = market.book;
  if (bestBidTicks > 0 && bestAskTicks > 0) return midToWire(bestBidTicks, bestAskTicks, market.pxDecimals);
  return market.lastTicks > 0 ? dec(market.lastTicks, market.pxDecimals) : undefined;
}

export function allMids(exchange: Exchange): Record<string, string> {
  const mids: Record<string, string> = {};
  for (const market of exchange.markets) {
    const mid = midOf(market);
    if (mid !== undefined) mids[market.coin] = mid;
  }
  return mids;
}

/** PerpAssetCtx of reference 2.6. */
export function assetCtx(exchange: Exchange, m: Market): Record<string, unknown> {
  const px = (ticks: number): string => dec(ticks, m.pxDecimals);
  const { bestBidTicks: bid, bestAskTicks: ask } = m.book;
  const isTwoSided = bid > 0 && ask > 0;
  const oracle = m.oracleTicks || m.referenceTicks;
  const premium =
    isTwoSided && oracle > 0 ? (Math.max(bid - oracle, 0) - Math.max(oracle - ask, 0)) / oracle : undefined;
  return {
    // The interest component alone: premium-driven funding is not modelled yet.
    funding: "0.0000125",
    openInterest: dec(exchange.openInterestLots(m), m.szDecimals),
    prevDayPx: px(m.prevDayTicks),
    dayNtlVlm: decOf(m.dayVolumeUsd, 6),
    premium: premium === undefined ? null : decOf(premium, 10),
    oraclePx: px(oracle),
    markPx: px(m.referenceTicks),
    midPx: isTwoSided ? midToWire(bid, ask, m.pxDecimals) : null,
    impactPxs: isTwoSided ? [px(bid), px(ask)] : null,
    dayBaseVlm: decOf(m.dayVolumeBase, m.szDecimals),
  };
}

/** Fills `view` with up to `depth` levels, aggregated if asked. */
export function visibleBook(
  market: Market,
  nSigFigs: number | null,
  mantissa: number | null,
  depth: number,
): BookView {
  if (nSigFigs === null) {
    market.book.view(deepView, depth);
    return deepView;
  }
  market.book.view(deepView, deepView.capacity);
  aggregateView(deepView, market.pxDecimals, nSigFigs, mantissa ?? 1);
  deepView.bidCount = Math.min(deepView.bidCount, depth);
  deepView.askCount = Math.min(deepView.askCount, depth);
  return deepView;
}

/** @returns the pair, or undefined when the venue would not take it. */
export function parseAggregation(
  r: Request,
): { nSigFigs: number | null; mantissa: number | null } | undefined {
  const nSigFigs = r["nSigFigs"] ?? null;
  const mantissa = r["mantissa"] ?? null;
  if (nSigFigs !== null && nSigFigs !== 2 && nSigFigs !== 3 && nSigFigs !== 4 && nSigFigs !== 5)
    return undefined;
  if (mantissa !== null && (nSigFigs !== 5 || (mantissa !== 2 && mantissa !== 5))) return undefined;
  return { nSigFigs: nSigFigs as number | null, mantissa: mantissa as number | null };
}

function l2Book(ctx: InfoContext, r: Request): Answer {
  if (typeof r["coin"] !== "string") return MALFORMED;
  const market = ctx.exchange.market(r["coin"]);
  if (market === undefined) return null;
  const aggregation = parseAggregation(r);
  if (aggregation === undefined) return MALFORMED;
  const view = visibleBook(market, aggregation.nSigFigs, aggregation.mantissa, 20);
  const side = (count: number, px: Float64Array, sz: Float64Array, n: Uint32Array): unknown[] =>
    Array.from({ length: count }, (_, i) => ({
      px: dec(px[i]!, market.pxDecimals),
      sz: dec(sz[i]!, market.szDecimals),
      n: n[i],
    }));
  return {
    coin: market.coin,
    time: Math.floor(ctx.exchMs),
    levels: [
      side(view.bidCount, view.bidPxTicks, view.bidSzLots, view.bidOrders),
      side(view.askCount, view.askPxTicks, view.askSzLots, view.askOrders),
    ],
  };
}

/** Newest first, as the venue lists them. */
function openOrders(account: Account | undefined): SimOrder[] {
  return account === undefined ? [] : [...account.openOrders.values()].reverse();
}

export const frontendOpenOrders = (account: Account | undefined): unknown[] =>
  openOrders(account).map(frontendOrderWire);

/** Reference 3.4. Everything is cross margin. */
export function clearinghouseState(
  exchange: Exchange,
  account: Account | undefined,
  exchMs: number,
): unknown {
  const usd = (micro: number): string => dec(Math.round(micro), 6);
  let totalNtl = 0;
  let marginUsed = 0;
  let maintenance = 0;
  let signedNtl = 0;
  const held = (account?.positions ?? []).filter((p) => p !== undefined && p.szLots !== 0);
  for (const p of held) {
    const m = exchange.markets[p!.asset]!;
    const ntl = Math.abs(p!.szLots) * m.referenceTicks;
    totalNtl += ntl;
    signedNtl += p!.szLots * m.referenceTicks;
    marginUsed += ntl / p!.leverage;
    maintenance += ntl / (2 * m.instrument.maxLeverage);
  }
  const value = account === undefined ? 0 : exchange.accountValueMicroUsd(account);
  const assetPositions = held.map((p) => {
    const m = exchange.markets[p!.asset]!;
    const side = Math.sign(p!.szLots);
    const size = Math.abs(p!.szLots);
    const ntl = size * m.referenceTicks;
    const pnl = p!.unrealizedMicroUsd(m.referenceTicks);
    const rate = 1 / (2 * m.instrument.maxLeverage);
    const liquidationTicks = m.referenceTicks - (side * (value - maintenance)) / size / (1 - rate * side);
    return {
      type: "oneWay",
      position: {
        coin: m.coin,
        szi: dec(p!.szLots, m.szDecimals),
        leverage: { type: "cross", value: p!.leverage },
        entryPx: dec(Math.round(p!.entryMicroUsd / size), m.pxDecimals),
        positionValue: usd(ntl),
        unrealizedPnl: usd(pnl),
        returnOnEquity: decOf(pnl / (p!.entryMicroUsd / p!.leverage), 10),
        liquidationPx: liquidationTicks > 0 ? decOf(liquidationTicks / pow10(m.pxDecimals), 8) : null,
        marginUsed: usd(ntl / p!.leverage),
        maxLeverage: m.instrument.maxLeverage,
        cumFunding: { allTime: "0.0", sinceChange: "0.0", sinceOpen: "0.0" },
      },
    };
  });
  const summary = {
    accountValue: usd(value),
    totalNtlPos: usd(totalNtl),
    totalRawUsd: usd(value - signedNtl),
    totalMarginUsed: usd(marginUsed),
  };
  const reserved = account === undefined ? 0 : exchange.marginRequiredMicroUsd(account);
  return {
    assetPositions,
    marginSummary: summary,
    crossMarginSummary: summary,
    crossMaintenanceMarginUsed: usd(maintenance),
    withdrawable: usd(Math.max(0, value - Math.max(reserved, 0.1 * totalNtl))),
    time: Math.floor(exchMs),
  };
}

const orderRecord = (o: SimOrder): unknown => ({
  order: frontendOrderWire(o),
  status: o.status,
  statusTimestamp: o.statusMs,
});

function orderStatus(account: Account | undefined, id: unknown): Answer {
  const cloid = parseCloid(id);
  if (cloid === undefined && typeof id !== "number") return MALFORMED;
  const order = cloid === undefined ? account?.orders.get(id as number) : account?.byCloid.get(cloid);
  return order === undefined ? { status: "unknownOid" } : { status: "order", order: orderRecord(order) };
}

function historicalOrders(account: Account | undefined): unknown[] {
  if (account === undefined) return [];
  return [...account.history(), ...account.openOrders.values()]
    .sort((a, b) => b.statusMs - a.statusMs || b.oid - a.oid)
    .slice(0, 2000)
    .map(orderRecord);
}

/** Oldest first, at most 2,000; both ends inclusive (reference 3.8). */
function fillsByTime(account: Account | undefined, r: Request): Answer {
  const { startTime, endTime, reversed } = r;
  if (typeof startTime !== "number") return MALFORMED;
  const end = typeof endTime === "number" ? endTime : Number.POSITIVE_INFINITY;
  const found = (account?.fills ?? []).filter((f) => f.time >= startTime && f.time <= end);
  return reversed === true ? found.reverse().slice(0, 2000) : found.slice(0, 2000);
}

function userRateLimit(account: Account | undefined): unknown {
  const volume = account?.cumVolumeUsd ?? 0;
  return {
    cumVlm: decOf(volume, 6),
    nRequestsUsed: account?.requestsUsed ?? 0,
    nRequestsCap: 10_000 + Math.floor(volume),
    nRequestsSurplus: 0,
  };
}

function userFees(exchange: Exchange): unknown {
  const rate = (ppm: number): string => decOf(ppm / 1e6, 8);
  const { makerPpm, takerPpm } = exchange.options.fees;
  return {
    dailyUserVlm: [],
    feeSchedule: {
      cross: rate(takerPpm),
      add: rate(makerPpm),
      spotCross: "0.0007",
      spotAdd: "0.0004",
      tiers: { vip: [], mm: [] },
      referralDiscount: "0.04",
      stakingDiscountTiers: [{ bpsOfMaxSupply: "0.0", discount: "0.0" }],
    },
    userCrossRate: rate(takerPpm),
    userAddRate: rate(makerPpm),
    userSpotCrossRate: "0.0007",
    userSpotAddRate: "0.0004",
    activeReferralDiscount: "0.0",
    trial: null,
    feeTrialEscrow: "0.0",
    nextTrialAvailableTimestamp: null,
    stakingLink: null,
    activeStakingDiscount: { bpsOfMaxSupply: "0.0", discount: "0.0" },
  };
}

/** Reference 2.12. A never-seen user has the default leverage and nothing to trade with. */
export function activeAssetData(
  exchange: Exchange,
  user: string,
  account: Account | undefined,
  m: Market,
): unknown {
  const position = account?.positions[m.asset];
  const leverage = position?.leverage ?? account?.chosenLeverage[m.asset] ?? exchange.defaultLeverage(m);
  const free =
    account === undefined
      ? 0
      : exchange.accountValueMicroUsd(account) - exchange.marginRequiredMicroUsd(account);
  const px = m.referenceTicks;
  const available = (side: 1 | -1): number => {
    const closing =
      position !== undefined && position.szLots * side < 0 ? Math.abs(position.szLots) * px * 2 : 0;
    return Math.max(0, free + closing / leverage);
  };
  const sz = (side: 1 | -1): string =>
    dec(px > 0 ? Math.floor((available(side) * leverage) / px) : 0, m.szDecimals);
  return {
    user,
    coin: m.coin,
    leverage: { type: "cross", value: leverage },
    maxTradeSzs: [sz(1), sz(-1)],
    availableToTrade: [dec(Math.floor(available(1)), 6), dec(Math.floor(available(-1)), 6)],
    markPx: dec(px, m.pxDecimals),
  };
}
