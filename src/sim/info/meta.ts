/** What is listed: perp dexs, margin tables and the contexts of markets (reference 2.6, 3.2, 3.3, 9). */
import type { Exchange } from "../exchange.js";
import { type Dex, isPerp, type Market, OI_UNITS_MAX, type PerpMarket } from "../listed-market.js";
import { isAtOpenInterestCap } from "../order-checks.js";
import { type MarginTable, singleTierTable } from "../universe.js";
import { dec, decOf, midToWire } from "../wire.js";

/** Reference 6.6. */
export const MAX_MARKET_ORDER_NTLS = [
  [25, "30000000.0"],
  [20, "5000000.0"],
  [10, "2000000.0"],
  [1, "500000.0"],
];

/** Stands for "no cap" where the venue has a number. */
const NO_CAP_USD = 1e12;
const usdText = (usd: number): string => decOf(Number.isFinite(usd) ? usd : NO_CAP_USD, 6);
/** What changes never happened here. */
const NEVER = "1970-01-01T00:00:00";

export interface MarginTableWire {
  readonly description: string;
  readonly marginTiers: readonly { readonly lowerBound: string; readonly maxLeverage: number }[];
}

const tableWire = (table: MarginTable): MarginTableWire => ({
  description: table.description,
  marginTiers: table.tiers.map((t) => ({ lowerBound: usdText(t.lowerBoundUsd), maxLeverage: t.maxLeverage })),
});

/** Ids below 50 are implicit tables of one tier. @returns null for an id that nothing stands for. */
export function marginTable(exchange: Exchange, id: number): MarginTableWire | null {
  const listed = exchange.universe.marginTables.find((t) => t.id === id);
  if (listed !== undefined) return tableWire(listed);
  return Number.isInteger(id) && id > 0 && id < 50 ? tableWire(singleTierTable(id)) : null;
}

/** Meta of a dex; its universe's places are the asset indices. */
export function meta(dex: Dex): unknown {
  const tables = new Map(dex.markets.map((m) => [m.perp.marginTable.id, m.perp.marginTable]));
  return {
    universe: dex.markets.map(universeEntry),
    marginTables: [...tables].sort(([a], [b]) => a - b).map(([id, table]) => [id, tableWire(table)]),
    collateralToken: dex.collateral.index,
  };
}

const universeEntry = (m: PerpMarket): unknown => ({
  szDecimals: m.szDecimals,
  name: m.coin,
  maxLeverage: m.instrument.maxLeverage,
  marginTableId: m.perp.marginTable.id,
  ...(m.perp.marginMode === "normal" ? {} : { onlyIsolated: true, marginMode: m.perp.marginMode }),
  ...(m.perp.isGrowthMode ? { growthMode: "enabled", lastGrowthModeChangeTime: NEVER } : {}),
});

/** `perpDexs`: null stands for the first one. */
export function perpDexs(exchange: Exchange): unknown {
  return exchange.dexs.map((dex) =>
    dex.index === 0
      ? null
      : {
          name: dex.name,
          fullName: dex.fullName,
          deployer: dex.deployer,
          oracleUpdater: null,
          feeRecipient: dex.deployer,
          assetToStreamingOiCap: dex.markets.map((m) => [m.coin, usdText(m.oiCapUsd)]),
          subDeployers: [["setOracle", [dex.deployer]]],
          deployerFeeScale: decOf(dex.deployerFeeScale, 6),
          lastDeployerFeeScaleChangeTime: NEVER,
          assetToFundingMultiplier: dex.markets.map((m) => [m.coin, decOf(m.perp.fundingMultiplier, 6)]),
          assetToFundingInterestRate: dex.markets.map((m) => [m.coin, decOf(m.perp.interestRate8h, 8)]),
        },
  );
}

/** Only builder-deployed dexs have limits. */
export function perpDexLimits(dex: Dex | undefined): unknown {
  if (dex === undefined || dex.index === 0) return null;
  return {
    totalOiCap: usdText(dex.totalOiCapUsd),
    oiSzCapPerPerp: decOf(OI_UNITS_MAX, 1),
    maxTransferNtl: usdText(dex.maxTransferUsd),
    coinToOiCap: dex.markets.map((m) => [m.coin, usdText(m.oiCapUsd)]),
  };
}

/** What all accounts together hold in the dex. */
export function perpDexStatus(exchange: Exchange, dex: Dex): unknown {
  let micro = 0;
  for (const account of exchange.allAccounts()) {
    if (!account.isHouse) micro += account.clearinghouses[dex.index]?.balanceMicroUsd ?? 0;
  }
  return { totalNetDeposit: dec(Math.round(micro), 6) };
}

export const perpsAtOpenInterestCap = (dex: Dex): string[] =>
  dex.markets.filter((m) => isAtOpenInterestCap(m)).map((m) => m.coin);

const HOUR_MS = 3_600_000;

/** Of the first dex; other venues are not known here. */
export function predictedFundings(exchange: Exchange, exchMs: number): unknown {
  const nextFundingTime = (Math.floor(exchMs / HOUR_MS) + 1) * HOUR_MS;
  return exchange.dexs[0]!.markets.map((m) => [
    m.coin,
    [
      ["BinPerp", null],
      [
        "HlPerp",
        { fundingRate: decOf(exchange.funding.rate(m), 10), nextFundingTime, fundingIntervalHours: 1 },
      ],
      ["BybitPerp", null],
    ],
  ]);
}

/** PerpAssetCtx of reference 2.6. */
export function assetCtx(exchange: Exchange, m: Market): Record<string, unknown> {
  const px = (ticks: number): string => dec(ticks, m.pxDecimals);
  const impact = m.impactTicks;
  return {
    funding: isPerp(m) ? decOf(exchange.funding.rate(m), 10) : "0.0",
    openInterest: dec(m.openInterestLots, m.szDecimals),
    prevDayPx: px(m.prevDayTicks),
    dayNtlVlm: decOf(m.dayVolumeUsd, 6),
    premium: m.lastPremium === undefined ? null : decOf(m.lastPremium, 10),
    oraclePx: px(m.indexTicks),
    markPx: px(m.referenceTicks),
    midPx: midPx(m),
    impactPxs: impact === undefined ? null : [px(Math.round(impact[0])), px(Math.round(impact[1]))],
    dayBaseVlm: decOf(m.dayVolumeBase, m.szDecimals),
  };
}

/** null while a side is empty. */
export function midPx(m: Market): string | null {
  const { bestBidTicks: bid, bestAskTicks: ask } = m.book;
  return bid > 0 && ask > 0 ? midToWire(bid, ask, m.pxDecimals) : null;
}

export const assetCtxs = (exchange: Exchange, dex: Dex): unknown[] =>
  dex.markets.map((m) => assetCtx(exchange, m));
