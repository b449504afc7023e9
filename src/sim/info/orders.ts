/** Orders and fills of an account (reference 3.6 to 3.8). */
import { wireToDecimal } from "../../domain/index.js";
import { type Account, type FillWire, frontendOrderWire, openOrderWire, type SimOrder } from "../account.js";
import { parseCloid } from "../actions.js";
import type { Exchange } from "../exchange.js";
import { isPerp } from "../listed-market.js";
import { dec } from "../wire.js";
import { type Answer, type InfoContext, type InfoRequest, MALFORMED, spanIn, within } from "./request.js";

/** Those of a dex, newest first, as the venue lists them; spot orders belong to the first dex. */
function openOrders(account: Account | undefined, dexName: string): SimOrder[] {
  if (account === undefined) return [];
  const isShown = ({ market }: SimOrder): boolean =>
    isPerp(market) ? market.perp.dex.name === dexName : dexName === "";
  return [...account.openOrders.values()].filter(isShown).reverse();
}

export const plainOpenOrders = (account: Account | undefined, dexName: string): unknown[] =>
  openOrders(account, dexName).map(openOrderWire);

export const frontendOpenOrders = (account: Account | undefined, dexName: string): unknown[] =>
  openOrders(account, dexName).map(frontendOrderWire);

export const orderRecord = (o: SimOrder): unknown => ({
  order: frontendOrderWire(o),
  status: o.status,
  statusTimestamp: o.statusMs,
});

export function orderStatus(account: Account | undefined, id: unknown): Answer {
  const cloid = parseCloid(id);
  if (cloid === undefined && typeof id !== "number") return MALFORMED;
  const order = cloid === undefined ? account?.orders.get(id as number) : account?.byCloid.get(cloid);
  return order === undefined ? { status: "unknownOid" } : { status: "order", order: orderRecord(order) };
}

export function historicalOrders(account: Account | undefined): unknown[] {
  if (account === undefined) return [];
  return [...account.history(), ...account.openOrders.values()]
    .sort((a, b) => b.statusMs - a.statusMs || b.oid - a.oid)
    .slice(0, 2000)
    .map(orderRecord);
}

const FILLS_MAX = 2000;

/** Newest first, as the venue lists them without a time. */
export function latestFills(
  account: Account | undefined,
  exchange: Exchange,
  isAggregated: boolean,
): FillWire[] {
  const fills = account?.fills ?? [];
  return (isAggregated ? aggregated(fills, exchange) : fills).slice(-FILLS_MAX).reverse();
}

/** Oldest first (newest first when `reversed`), at most 2,000; both ends inclusive (reference 3.8). */
export function fillsByTime(ctx: InfoContext, account: Account | undefined, r: InfoRequest): Answer {
  const span = spanIn(r, true);
  if (span === undefined) return MALFORMED;
  const found = within(account?.fills ?? [], span, Number.POSITIVE_INFINITY);
  const fills = r["aggregateByTime"] === true ? aggregated(found, ctx.exchange) : found;
  return r["reversed"] === true ? fills.reverse().slice(0, FILLS_MAX) : fills.slice(0, FILLS_MAX);
}

/** Fills of TWAP slices with the TWAP's id, oldest first. */
export const twapSliceFills = (
  account: Account | undefined,
): { fill: FillWire; twapId: number; time: number }[] =>
  (account?.fills ?? []).flatMap((fill) =>
    fill.twapId === null ? [] : [{ fill, twapId: fill.twapId, time: fill.time }],
  );

/**
 * Merges the fills of one order in one block that follow each other: sizes, fees and profits add, the price is the average,
 * the rest is that of the first (reference 2.8).
 */
export function aggregated(fills: readonly FillWire[], exchange: Exchange): FillWire[] {
  const out: FillWire[] = [];
  let run: FillWire[] = [];
  const close = (): void => {
    if (run.length > 0) out.push(merged(run, exchange));
    run = [];
  };
  for (const fill of fills) {
    const first = run[0];
    if (first !== undefined && !isSameEvent(first, fill)) close();
    run.push(fill);
  }
  close();
  return out;
}

const isSameEvent = (a: FillWire, b: FillWire): boolean =>
  a.oid === b.oid && a.time === b.time && a.crossed === b.crossed && a.dir === b.dir && a.coin === b.coin;

/** Amounts of money and rates of tokens have at most so many decimals. */
const SUM_DECIMALS = 8;

function merged(run: readonly FillWire[], exchange: Exchange): FillWire {
  const [first] = run;
  const market = exchange.market(first!.coin);
  if (run.length === 1 || market === undefined) return first!;
  let lots = 0;
  let units = 0;
  for (const f of run) {
    const szLots = wireToDecimal(f.sz, market.szDecimals) ?? 0;
    lots += szLots;
    units += szLots * (wireToDecimal(f.px, market.pxDecimals) ?? 0);
  }
  const sum = (of: (f: FillWire) => string): string =>
    dec(
      run.reduce((total, f) => total + Math.round(Number(of(f)) * 10 ** SUM_DECIMALS), 0),
      SUM_DECIMALS,
    );
  return {
    ...first!,
    px: dec(Math.round((units * 10) / lots), market.pxDecimals + 1),
    sz: dec(lots, market.szDecimals),
    closedPnl: sum((f) => f.closedPnl),
    fee: sum((f) => f.fee),
  };
}
