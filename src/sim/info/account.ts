/** An account's money and positions (reference 2.12, 3.4). */
import { pow10 } from "../../domain/index.js";
import type { Account } from "../account.js";
import type { Exchange } from "../exchange.js";
import type { Market } from "../listed-market.js";
import { dec, decOf } from "../wire.js";

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
