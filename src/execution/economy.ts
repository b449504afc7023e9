import { Side } from "../domain/index.js";
import type { BudgetView } from "./budget.js";
import type { Plan, PlannedModify, TargetSide } from "./reconcile.js";

/** Above this forecast requests are free. */
export const DEFAULT_COMFORT_HOURS = 6;
/** At or below this forecast economy is at its strictest. */
const STRICT_HOURS = 0.25;
/** The same for what is left, whatever the forecast says: fills may stop coming. */
const COMFORT_REQUESTS = 2_000;
/** Mispricing, in bps, that one request must cure at the strictest. */
const STRICT_PRICE_BPS = 25;
/** Least time between two plans with requests of one asset, at the strictest. */
const STRICT_REQUOTE_NS = 5e9;
/** What an empty level is worth: the innermost this many bps of mispricing, the k-th from inside a k-th of it. */
const PLACE_GAIN_BPS = 60;
/** A wrong size in bps of mispricing: half the size missing is as bad as standing 5 bps off. */
const SIZE_GAIN_BPS = 10;
/** Standing too near the fair price loses money, standing too far only fills. */
const EXPOSED_GAIN = 3;

/** What a request must be worth now, and how many there may be. */
export interface EconomyTerms {
  /** 0: nothing is held back. */
  readonly priceBps: number;
  readonly minRequoteNs: number;
  /** Modifies plus placements of one plan. */
  readonly maxRequests: number;
}

export const FREE: EconomyTerms = { priceBps: 0, minRequoteNs: 0, maxRequests: Number.POSITIVE_INFINITY };

/** 0 (plenty) to 1 (strictest), falling in both arguments. */
export function scarcity(remaining: number, hoursLeft: number, comfortHours: number): number {
  const byHours =
    hoursLeft >= comfortHours
      ? 0
      : Math.log(comfortHours / Math.max(hoursLeft, STRICT_HOURS)) / Math.log(comfortHours / STRICT_HOURS);
  const byCount = 1 - remaining / COMFORT_REQUESTS;
  return Math.min(1, Math.max(0, byHours, byCount));
}

/** The terms of trade between requests and quotes. Less of either figure never gives easier terms. */
export function economyTerms(view: BudgetView, comfortHours = DEFAULT_COMFORT_HOURS): EconomyTerms {
  if (view.isForCancelsOnly)
    return { priceBps: STRICT_PRICE_BPS, minRequoteNs: STRICT_REQUOTE_NS, maxRequests: 0 };
  if (view.isSpent) {
    return {
      priceBps: STRICT_PRICE_BPS,
      minRequoteNs: STRICT_REQUOTE_NS,
      maxRequests: view.isSlotOpen ? 1 : 0,
    };
  }
  const s = scarcity(view.remaining, view.hoursLeft, Math.max(comfortHours, 2 * STRICT_HOURS));
  if (s === 0) return FREE;
  return {
    priceBps: STRICT_PRICE_BPS * s,
    minRequoteNs: STRICT_REQUOTE_NS * s * s,
    maxRequests: Math.floor(view.remaining),
  };
}

/** What the prices of changes depend on, apart from the plan. */
export interface EconomyInput {
  readonly bids: TargetSide;
  readonly asks: TargetSide;
  readonly posLots: number;
  /** The least time between requests has not passed: only what reduces risk. */
  readonly isTooSoon: boolean;
}

interface Priced {
  readonly gainBps: number;
  readonly isReducing: boolean;
}

/**
 * Takes from a plan the requests that are not worth their price. Cancels always stay; a change that reduces risk is worth
 * any price, and when there is no request left for it, its order is cancelled instead, which the venue grants longer.
 *
 * Laws (test/laws/economy.test.ts): 1 the requests left are among those planned; 2 every planned cancel stays; 3 stricter
 * terms never leave more requests; 4 risk-reducing changes stay while there are requests, and become cancels after.
 *
 * @returns how many requests were held back.
 */
export function economise(plan: Plan, input: EconomyInput, terms: EconomyTerms): number {
  const { modifies, places } = plan;
  const planned = modifies.length + places.length;
  if (planned === 0) return 0;
  const priced: { readonly at: number; readonly value: Priced }[] = [];
  for (let i = 0; i < planned; i++) {
    const value =
      i < modifies.length
        ? priceModify(modifies[i]!, input, terms)
        : pricePlace(places[i - modifies.length]!, input);
    if (value.isReducing || (!input.isTooSoon && value.gainBps >= terms.priceBps))
      priced.push({ at: i, value });
  }
  if (priced.length > terms.maxRequests) {
    priced.sort(
      (a, b) =>
        Number(b.value.isReducing) - Number(a.value.isReducing) ||
        b.value.gainBps - a.value.gainBps ||
        a.at - b.at,
    );
    priced.length = Math.max(0, terms.maxRequests);
  }
  const isKept = new Set(priced.map((p) => p.at));
  const keptModifies = modifies.filter((m, i) => {
    if (isKept.has(i)) return true;
    if (priceModify(m, input, terms).isReducing || (terms.maxRequests < planned && isExposed(m)))
      plan.cancels.push(m.order);
    return false;
  });
  const firstPlace = modifies.length;
  const keptPlaces = places.filter((_, i) => isKept.has(firstPlace + i));
  modifies.splice(0, modifies.length, ...keptModifies);
  places.splice(0, places.length, ...keptPlaces);
  return planned - isKept.size;
}

/** Nearer to the other side than it should be. */
const isExposed = (m: PlannedModify): boolean => m.order.side * (m.order.pxTicks - m.pxTicks) > 0;

function priceModify(m: PlannedModify, input: EconomyInput, terms: EconomyTerms): Priced {
  const { order } = m;
  const offBps = (Math.abs(order.pxTicks - m.pxTicks) / m.pxTicks) * 1e4;
  const sizeGap = Math.abs(order.remainingLots - m.szLots) / Math.max(1, m.szLots);
  const level = levelOf(order.side, m.pxTicks, input);
  const exposed = isExposed(m);
  const gainBps =
    Math.max(exposed ? EXPOSED_GAIN * offBps : offBps, SIZE_GAIN_BPS * sizeGap) / (1 + level / 2);
  const isShrinking = m.szLots < order.remainingLots && sizeGap * SIZE_GAIN_BPS >= terms.priceBps / 2;
  return {
    gainBps,
    isReducing:
      (exposed && offBps >= terms.priceBps) || isShrinking || reducesPosition(order.side, level, input),
  };
}

function pricePlace(p: { readonly side: Side; readonly pxTicks: number }, input: EconomyInput): Priced {
  const level = levelOf(p.side, p.pxTicks, input);
  return { gainBps: PLACE_GAIN_BPS / (1 + level), isReducing: reducesPosition(p.side, level, input) };
}

/** The innermost order on the side that takes the position down. */
function reducesPosition(side: Side, level: number, input: EconomyInput): boolean {
  return level === 0 && side * input.posLots < 0;
}

function levelOf(side: Side, pxTicks: number, input: EconomyInput): number {
  const targets = side === Side.Buy ? input.bids : input.asks;
  for (let i = 0; i < targets.count; i++) if (targets.pxTicks[i] === pxTicks) return i;
  return targets.count;
}
