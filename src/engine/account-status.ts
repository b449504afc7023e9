import { collateralName, type DexInfo, findDex, loadDexes } from "../venues/hyperliquid/dexes.js";
import { marketFees } from "../venues/hyperliquid/fees.js";
import type { InfoClient, SpotMeta, UserFees } from "../venues/hyperliquid/info.js";
import { dexOf, resolveAsset } from "../venues/hyperliquid/symbols.js";

/** Volume from which the venue arms its dead man's switch. Source: reference §4.5. */
const SCHEDULED_CANCEL_USD = 1_000_000;
/** Forecasts assume this many actions an hour: one a second, a steady maker of one market. */
const FORECAST_ACTIONS_PER_HOUR = 3600;

/**
 * Everything `market-maker status` shows. Its JSON form has these keys; they are stable: keys may be added, none is renamed or
 * changes its unit. Amounts are in USD or, on a builder-deployed dex, in units of its collateral.
 */
export interface AccountStatus {
  readonly network: string;
  /** Unix ms at the venue. */
  readonly time: number;
  readonly account: {
    readonly address: string;
    /** `user`, `subAccount`, `vault`, `missing`, … as the venue names it. */
    readonly role: string;
    /** Master of a sub-account. */
    readonly master: string | null;
    /** The key is an agent's: it signs for the account, and has no account of its own. */
    readonly agent: string | null;
    /** `default`, `unifiedAccount`, `portfolioMargin`, …; null where the venue does not say. */
    readonly mode: string | null;
  };
  /** Sums over the dexs shown. */
  readonly equityUsd: number;
  readonly availableMarginUsd: number;
  readonly marginUsedUsd: number;
  readonly unrealizedPnlUsd: number;
  readonly dexs: readonly DexStatus[];
  readonly positions: readonly PositionStatus[];
  readonly openOrders: readonly OrderStatus[];
  /** Leverage that the next order of an asset would use: of the assets asked for, and of those with a position. */
  readonly leverage: readonly LeverageStatus[];
  readonly spot: readonly { readonly coin: string; readonly total: number; readonly hold: number }[];
  readonly fees: FeeStatus;
  readonly rateBudget: RateBudget;
  readonly deadMansSwitch: {
    readonly isAvailable: boolean;
    readonly tradedUsd: number;
    readonly requiredUsd: number;
  };
}

export interface DexStatus {
  /** `""`: the venue's own. */
  readonly name: string;
  readonly collateral: string;
  readonly equityUsd: number;
  readonly availableMarginUsd: number;
  readonly marginUsedUsd: number;
}

export interface PositionStatus {
  readonly coin: string;
  readonly dex: string;
  /** Signed, base units. */
  readonly size: number;
  readonly entryPx: number;
  readonly valueUsd: number;
  readonly unrealizedPnlUsd: number;
  readonly leverage: number;
  readonly marginMode: string;
  readonly marginUsedUsd: number;
  /** null: no price liquidates it. */
  readonly liquidationPx: number | null;
}

export interface OrderStatus {
  readonly coin: string;
  readonly dex: string;
  readonly side: "buy" | "sell";
  readonly px: number;
  readonly size: number;
  readonly oid: number;
  readonly cloid: string | null;
  readonly isReduceOnly: boolean;
  readonly isTrigger: boolean;
  /** Unix ms of placement. */
  readonly time: number;
}

export interface LeverageStatus {
  readonly coin: string;
  readonly leverage: number;
  readonly marginMode: string;
  /** USD that the next buy and sell could use. */
  readonly availableToBuyUsd: number;
  readonly availableToSellUsd: number;
}

export interface FeeStatus {
  /** Signed, bps of notional, on the venue's own markets. */
  readonly makerBps: number;
  readonly takerBps: number;
  /** 0 is the base tier; null where the venue does not publish its schedule. */
  readonly tier: number | null;
  /** 14 days, USD, weighted as the venue does for tiers. */
  readonly volume14dUsd: number | null;
  /** Fractions of the positive rates. */
  readonly stakingDiscount: number;
  readonly referralDiscount: number;
  readonly byDex: readonly { readonly dex: string; readonly makerBps: number; readonly takerBps: number }[];
}

export interface RateBudget {
  readonly used: number;
  readonly cap: number;
  readonly left: number;
  /** Reserved beyond use: bought weight. */
  readonly surplus: number;
  /** Until the budget is spent at one action a second without a trade; each USD traded adds one action. */
  readonly hoursLeft: number;
}

export interface StatusQuestion {
  readonly network: string;
  /** Key's or account's address. */
  readonly address: string;
  /** Only these are shown, with their leverage; of `dex` when they name none themselves. Empty: everything. */
  readonly coins: readonly string[];
  /** Only this dex is shown; undefined: all. */
  readonly dex: string | undefined;
}

/** Asks the venue for all of it. @throws {VenueError} DexNotFound, Unreachable, … */
export async function accountStatus(info: InfoClient, q: StatusQuestion): Promise<AccountStatus> {
  const [role, all] = await Promise.all([info.userRole(q.address), loadDexes(info)]);
  const agentOf = role.role === "agent" ? role.data?.user : undefined;
  const address = agentOf ?? q.address;
  const own = agentOf === undefined ? role : await info.userRole(address);
  const given = q.dex === undefined ? undefined : findDex(all, q.dex);
  const wanted = q.coins.map((name) => {
    const own = dexOf(name);
    const dex = own === "" ? (given?.name ?? "") : findDex(all, own).name;
    return dex === "" ? name : `${dex}:${name.slice(own === "" ? 0 : own.length + 1)}`;
  });
  const dexes = all.filter((d) =>
    wanted.length > 0 ? wanted.some((coin) => dexOf(coin) === d.name) : given === undefined || d === given,
  );
  const spotMeta = dexes.some((d) => d.name !== "") ? await info.spotMeta() : undefined;
  const parts = await Promise.all(
    dexes.map((dex) => ofDex(info, address, dex, { spotMeta, mustList: wanted })),
  );
  // A dex without money and orders is only shown when it was asked for.
  const shown = parts.filter(
    (p) => p.dex.name === "" || wanted.length > 0 || isHolding(p) || given !== undefined,
  );
  const [fees, limit, spot, mode, status] = await Promise.all([
    info.userFees(address),
    info.userRateLimit(address),
    info.spotClearinghouseState(address),
    info.userAbstraction(address),
    info.exchangeStatus(),
  ]);
  const isWanted = (coin: string): boolean => wanted.length === 0 || wanted.includes(coin);
  const positions = shown.flatMap((p) => p.positions).filter((p) => isWanted(p.coin));
  const coins = [...new Set([...wanted, ...positions.map((p) => p.coin)])];
  const leverage = await Promise.all(coins.map((coin) => leverageOf(info, address, coin)));
  const sum = (of: (d: DexStatus) => number): number => shown.reduce((total, p) => total + of(p.status), 0);
  const left = Math.max(0, limit.nRequestsCap - limit.nRequestsUsed) + (limit.nRequestsSurplus ?? 0);
  const tradedUsd = Number(limit.cumVlm);
  return {
    network: q.network,
    time: status.time,
    account: {
      address,
      role: own.role,
      master: own.data?.master ?? null,
      agent: agentOf === undefined ? null : q.address,
      mode,
    },
    equityUsd: sum((d) => d.equityUsd),
    availableMarginUsd: sum((d) => d.availableMarginUsd),
    marginUsedUsd: sum((d) => d.marginUsedUsd),
    unrealizedPnlUsd: positions.reduce((total, p) => total + p.unrealizedPnlUsd, 0),
    dexs: shown.map((p) => p.status),
    positions,
    openOrders: shown.flatMap((p) => p.orders).filter((o) => isWanted(o.coin)),
    leverage,
    spot: spot.balances.map((b) => ({ coin: b.coin, total: Number(b.total), hold: Number(b.hold) })),
    fees: feesOf(
      fees,
      shown.map((p) => p.dex),
    ),
    rateBudget: {
      used: limit.nRequestsUsed,
      cap: limit.nRequestsCap,
      left,
      surplus: limit.nRequestsSurplus ?? 0,
      hoursLeft: left / FORECAST_ACTIONS_PER_HOUR,
    },
    deadMansSwitch: {
      isAvailable: tradedUsd >= SCHEDULED_CANCEL_USD,
      tradedUsd,
      requiredUsd: SCHEDULED_CANCEL_USD,
    },
  };
}

interface DexPart {
  readonly dex: DexInfo;
  readonly status: DexStatus;
  readonly positions: readonly PositionStatus[];
  readonly orders: readonly OrderStatus[];
}

const isHolding = (p: DexPart): boolean =>
  p.status.equityUsd !== 0 || p.positions.length > 0 || p.orders.length > 0;

async function ofDex(
  info: InfoClient,
  address: string,
  dex: DexInfo,
  { spotMeta, mustList }: { spotMeta: SpotMeta | undefined; mustList: readonly string[] },
): Promise<DexPart> {
  const name = dex.name === "" ? undefined : dex.name;
  const [state, orders, meta] = await Promise.all([
    info.clearinghouseState(address, name),
    info.frontendOpenOrders(address, name),
    info.meta(name),
  ]);
  // A misspelt coin is told with what was meant.
  for (const coin of mustList) if (dexOf(coin) === dex.name) resolveAsset(meta, coin, dex.index);
  return {
    dex,
    status: {
      name: dex.name,
      collateral: spotMeta === undefined ? "USDC" : collateralName(meta, spotMeta),
      equityUsd: Number(state.marginSummary.accountValue),
      availableMarginUsd: Number(state.withdrawable),
      marginUsedUsd: Number(state.marginSummary.totalMarginUsed),
    },
    positions: state.assetPositions.map(({ position: p }) => ({
      coin: p.coin,
      dex: dex.name,
      size: Number(p.szi),
      entryPx: Number(p.entryPx ?? 0),
      valueUsd: Number(p.positionValue ?? 0),
      unrealizedPnlUsd: Number(p.unrealizedPnl),
      leverage: p.leverage.value,
      marginMode: p.leverage.type,
      marginUsedUsd: Number(p.marginUsed ?? 0),
      liquidationPx: p.liquidationPx == null ? null : Number(p.liquidationPx),
    })),
    orders: orders.map((o) => ({
      coin: o.coin,
      dex: dex.name,
      side: o.side === "B" ? ("buy" as const) : ("sell" as const),
      px: Number(o.limitPx),
      size: Number(o.sz),
      oid: o.oid,
      cloid: o.cloid ?? null,
      isReduceOnly: o.reduceOnly === true,
      isTrigger: o.isTrigger === true,
      time: o.timestamp,
    })),
  };
}

async function leverageOf(info: InfoClient, address: string, coin: string): Promise<LeverageStatus> {
  const data = await info.activeAssetData(address, coin);
  return {
    coin,
    leverage: data.leverage.value,
    marginMode: data.leverage.type,
    availableToBuyUsd: Number(data.availableToTrade[0]),
    availableToSellUsd: Number(data.availableToTrade[1]),
  };
}

function feesOf(fees: UserFees, dexes: readonly DexInfo[]): FeeStatus {
  const rates = {
    maker: Number(fees.userAddRate),
    taker: Number(fees.userCrossRate),
    referralDiscount: Number(fees.activeReferralDiscount ?? 0),
  };
  const own = marketFees(rates, { deployerScale: 0, isGrowth: false });
  const volume = fees.dailyUserVlm?.reduce((sum, d) => sum + Number(d.userCross) + Number(d.userAdd), 0);
  const vip = fees.feeSchedule?.tiers?.vip;
  return {
    ...rounded(own),
    tier:
      vip === undefined || volume === undefined
        ? null
        : vip.filter((t) => volume > Number(t.ntlCutoff)).length,
    volume14dUsd: volume ?? null,
    stakingDiscount: Number(fees.activeStakingDiscount?.discount ?? 0),
    referralDiscount: rates.referralDiscount,
    // Growth-mode markets of a dex charge a tenth of this.
    byDex: dexes
      .filter((d) => d.name !== "")
      .map((d) => ({
        dex: d.name,
        ...rounded(marketFees(rates, { deployerScale: d.deployerFeeScale, isGrowth: false })),
      })),
  };
}

/** Without the dust of binary fractions. */
const rounded = (fees: { makerBps: number; takerBps: number }): { makerBps: number; takerBps: number } => ({
  makerBps: Math.round(fees.makerBps * 1e6) / 1e6,
  takerBps: Math.round(fees.takerBps * 1e6) / 1e6,
});
