/**
 * Margin arithmetic: what positions and resting orders require, what is left, where liquidation comes.
 *
 * Pure functions of the state. Amounts are micro-units of the dex's collateral; prices are ticks of the market.
 * Source: reference/hyperliquid-api.md 3.4 (identities), 6.5 (tiers), 8.11 (checks and liquidation price).
 */
import type { Clearinghouse, Position } from "./clearinghouse.js";
import type { MarginTable } from "./universe.js";

const MICRO = 1e6;

type Tier = MarginTable["tiers"][number];

export function tierAt(table: MarginTable, ntlMicroUsd: number): Tier {
  const { tiers } = table;
  let i = tiers.length - 1;
  while (i > 0 && ntlMicroUsd < tiers[i]!.lowerBoundUsd * MICRO) i--;
  return tiers[i]!;
}

/** Maintenance margin of a notional: continuous, piecewise linear. */
export function maintenanceOfNtl(table: MarginTable, ntlMicroUsd: number): number {
  const tier = tierAt(table, ntlMicroUsd);
  return ntlMicroUsd * tier.mmr - tier.deductionUsd * MICRO;
}

export const ntlMicroUsd = (p: Position): number =>
  Math.abs(p.szLots) * p.market.referenceTicks * p.market.microPerUnit;

export const positionMaintenance = (p: Position): number =>
  p.szLots === 0 ? 0 : maintenanceOfNtl(p.market.perp.marginTable, ntlMicroUsd(p));

export const unrealized = (p: Position): number =>
  p.szLots === 0 ? 0 : p.unrealizedMicroUsd(p.market.referenceTicks);

/** Equity of an isolated position: its own money and its own profit. */
export const isolatedEquity = (p: Position): number => p.isolatedMicroUsd + unrealized(p);

/** Cash and the profit of cross positions. */
export function crossEquity(c: Clearinghouse): number {
  let sum = c.balanceMicroUsd;
  for (const p of c.positions) if (p.isCross && p.szLots !== 0) sum += unrealized(p);
  return sum;
}

/** Cross equity and the equities of isolated positions. */
export function accountValue(c: Clearinghouse): number {
  let sum = c.balanceMicroUsd;
  for (const p of c.positions) if (p.szLots !== 0) sum += p.isolatedMicroUsd + unrealized(p);
  return sum;
}

export function totalNtl(c: Clearinghouse, isCrossOnly: boolean): number {
  let sum = 0;
  for (const p of c.positions) if (p.szLots !== 0 && (p.isCross || !isCrossOnly)) sum += ntlMicroUsd(p);
  return sum;
}

/**
 * What one market ties up of the cross money: for a cross position everything that its fills could become, for an isolated
 * one what its resting orders would have to set aside. Initial margin is taken at mark.
 */
export function marginTied(p: Position, extraBuyLots = 0, extraSellLots = 0, pxTicks = 0): number {
  const px = p.market.referenceTicks || pxTicks;
  const worst = p.worstLots(extraBuyLots, extraSellLots);
  const lots = p.isCross ? worst : Math.max(0, worst - Math.abs(p.szLots));
  return (lots * px * p.market.microPerUnit) / p.leverage;
}

/** Initial margin of cross positions and of all resting orders together, at mark. */
export function initialMargin(c: Clearinghouse): number {
  let sum = 0;
  for (const p of c.positions) sum += marginTied(p);
  return Math.ceil(sum);
}

/** Initial margin of cross positions alone: `totalMarginUsed` of the cross summary. */
export function crossMarginUsed(c: Clearinghouse): number {
  let sum = 0;
  for (const p of c.positions) if (p.isCross) sum += ntlMicroUsd(p) / p.leverage;
  return Math.ceil(sum);
}

export function crossMaintenance(c: Clearinghouse): number {
  let sum = 0;
  for (const p of c.positions) if (p.isCross) sum += positionMaintenance(p);
  return sum;
}

/** Free for new cross orders; negative when more is tied up than there is. */
export const freeMargin = (c: Clearinghouse): number => crossEquity(c) - initialMargin(c);

/** What may leave: the larger of initial margin and a tenth of the positions' notional must stay (reference 3.4, 8.11). */
export function withdrawable(c: Clearinghouse): number {
  const kept = Math.max(initialMargin(c), 0.1 * totalNtl(c, true));
  return Math.max(0, Math.floor(crossEquity(c) - kept));
}

/** What may leave an isolated position, by the same rule. */
export function isolatedRemovable(p: Position): number {
  const ntl = ntlMicroUsd(p);
  return Math.max(0, Math.floor(isolatedEquity(p) - Math.max(ntl / p.leverage, 0.1 * ntl)));
}

/**
 * Price at which the position's equity meets its maintenance margin, in fractional ticks: −(R + deduction)/(szi·(1 − side·l))
 * with the cash leg R and the rate l of the tier that holds there.
 * @returns undefined when no positive price does it (a fully paid long).
 */
export function liquidationTicks(c: Clearinghouse, p: Position): number | undefined {
  if (p.szLots === 0) return undefined;
  const side = Math.sign(p.szLots);
  const microPerTick = p.szLots * p.market.microPerUnit;
  const cashLeg = p.isCross
    ? crossEquity(c) - microPerTick * p.market.referenceTicks - (crossMaintenance(c) - positionMaintenance(p))
    : p.rawMicroUsd;
  const { tiers } = p.market.perp.marginTable;
  let found: number | undefined;
  for (const [i, tier] of tiers.entries()) {
    const px = -(cashLeg + tier.deductionUsd * MICRO) / (microPerTick * (1 - side * tier.mmr));
    const ntl = Math.abs(microPerTick) * px;
    const upper = (tiers[i + 1]?.lowerBoundUsd ?? Number.POSITIVE_INFINITY) * MICRO;
    if (px > 0 && ntl >= tier.lowerBoundUsd * MICRO && ntl < upper) found = px;
  }
  return found;
}
