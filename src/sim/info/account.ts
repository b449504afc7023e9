/** An account's money and positions (reference 2.12, 3.4). */
import { pow10 } from "../../domain/index.js";
import type { Account } from "../account.js";
import { Clearinghouse, Position } from "../clearinghouse.js";
import type { Exchange } from "../exchange.js";
import { isPerp, type Market } from "../listed-market.js";
import {
  accountValue,
  crossEquity,
  crossMaintenance,
  crossMarginUsed,
  freeMargin,
  isolatedEquity,
  liquidationTicks,
  ntlMicroUsd,
  totalNtl,
  unrealized,
  withdrawable,
} from "../margin.js";
import { dec, decOf } from "../wire.js";

const usd = (micro: number): string => dec(Math.round(micro), 6);

/** One dex's account of reference 3.4. */
export function clearinghouseState(
  _exchange: Exchange,
  account: Account | undefined,
  exchMs: number,
  dexIndex = 0,
): unknown {
  const house = account?.clearinghouses[dexIndex] ?? new Clearinghouse(dexIndex);
  const held = house.positions.filter((p) => p.szLots !== 0);
  const crossValue = crossEquity(house);
  const value = accountValue(house);
  const signedNtl = (isCrossOnly: boolean): number =>
    held.reduce((sum, p) => sum + (p.isCross || !isCrossOnly ? Math.sign(p.szLots) * ntlMicroUsd(p) : 0), 0);
  const isolatedUsed = held.reduce((sum, p) => sum + (p.isCross ? 0 : isolatedEquity(p)), 0);
  const summary = (total: number, isCrossOnly: boolean, marginUsed: number): unknown => ({
    accountValue: usd(total),
    totalNtlPos: usd(totalNtl(house, isCrossOnly)),
    totalRawUsd: usd(total - signedNtl(isCrossOnly)),
    totalMarginUsed: usd(marginUsed),
  });
  const crossUsed = crossMarginUsed(house);
  return {
    assetPositions: held.map((p) => ({ type: "oneWay", position: positionWire(house, p) })),
    marginSummary: summary(value, false, crossUsed + isolatedUsed),
    crossMarginSummary: summary(crossValue, true, crossUsed),
    crossMaintenanceMarginUsed: usd(crossMaintenance(house)),
    withdrawable: usd(withdrawable(house)),
    time: Math.floor(exchMs),
  };
}

function positionWire(house: Clearinghouse, p: Position): unknown {
  const m = p.market;
  const size = Math.abs(p.szLots);
  const pnl = unrealized(p);
  const liquidation = liquidationTicks(house, p);
  return {
    coin: m.coin,
    szi: dec(p.szLots, m.szDecimals),
    leverage: leverageWire(p),
    entryPx: dec(Math.round(p.entryMicroUsd / (size * m.microPerUnit)), m.pxDecimals),
    positionValue: usd(ntlMicroUsd(p)),
    unrealizedPnl: usd(pnl),
    returnOnEquity: decOf(pnl / (p.entryMicroUsd / p.leverage), 10),
    liquidationPx: liquidation === undefined ? null : decOf(liquidation / pow10(m.pxDecimals), 8),
    marginUsed: usd(p.isCross ? ntlMicroUsd(p) / p.leverage : isolatedEquity(p)),
    maxLeverage: m.instrument.maxLeverage,
    cumFunding: {
      allTime: usd(p.fundingAllTimeMicroUsd),
      sinceChange: usd(p.fundingSinceChangeMicroUsd),
      sinceOpen: usd(p.fundingSinceOpenMicroUsd),
    },
  };
}

const leverageWire = (p: Position): unknown =>
  p.isCross
    ? { type: "cross", value: p.leverage }
    : { type: "isolated", value: p.leverage, rawUsd: usd(p.rawMicroUsd) };

/** Reference 2.12. A never-seen user has the default leverage and nothing to trade with. */
export function activeAssetData(
  _exchange: Exchange,
  user: string,
  account: Account | undefined,
  m: Market,
): unknown {
  if (!isPerp(m)) return null;
  const position = account?.positions[m.asset] ?? new Position(m);
  const { leverage } = position;
  const house = account?.clearinghouses[m.perp.dex.index];
  const free = house === undefined ? 0 : freeMargin(house);
  const px = m.referenceTicks;
  const lotMicroUsd = px * m.microPerUnit;
  const available = (side: 1 | -1): number => {
    const closing = position.szLots * side < 0 ? Math.abs(position.szLots) * lotMicroUsd * 2 : 0;
    return Math.max(0, free + closing / leverage);
  };
  const sz = (side: 1 | -1): string =>
    dec(px > 0 ? Math.floor((available(side) * leverage) / lotMicroUsd) : 0, m.szDecimals);
  return {
    user,
    coin: m.coin,
    leverage: leverageWire(position),
    maxTradeSzs: [sz(1), sz(-1)],
    availableToTrade: [dec(Math.floor(available(1)), 6), dec(Math.floor(available(-1)), 6)],
    markPx: dec(px, m.pxDecimals),
  };
}
