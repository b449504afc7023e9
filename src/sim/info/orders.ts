/** Orders and fills of an account (reference 3.6 to 3.8). */
import { type Account, frontendOrderWire, type SimOrder } from "../account.js";
import { parseCloid } from "../actions.js";
import { type Answer, type InfoRequest, MALFORMED } from "./request.js";

/** Newest first, as the venue lists them. */
export function openOrders(account: Account | undefined): SimOrder[] {
  return account === undefined ? [] : [...account.openOrders.values()].reverse();
}

export const frontendOpenOrders = (account: Account | undefined): unknown[] =>
  openOrders(account).map(frontendOrderWire);

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

/** Oldest first, at most 2,000; both ends inclusive (reference 3.8). */
export function fillsByTime(account: Account | undefined, r: InfoRequest): Answer {
  const { startTime, endTime, reversed } = r;
  if (typeof startTime !== "number") return MALFORMED;
  const end = typeof endTime === "number" ? endTime : Number.POSITIVE_INFINITY;
  const found = (account?.fills ?? []).filter((f) => f.time >= startTime && f.time <= end);
  return reversed === true ? found.reverse().slice(0, 2000) : found.slice(0, 2000);
}
