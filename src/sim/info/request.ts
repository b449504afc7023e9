/** What info answers are made from, and the answers that are no JSON. */
import type { Account } from "../account.js";
import type { Exchange } from "../exchange.js";
import type { Dex } from "../listed-market.js";

/** The venue's 422: the body does not deserialise. */
export const MALFORMED = Symbol("422");
/** The venue's 500: well-formed, but a combination of parameters that it does not handle (reference 1.2). */
export const UNHANDLED = Symbol("500");

/** What is asked of TWAPs. */
export interface TwapRecords {
  /** Running ones with their ids, oldest first. */
  statesOf(account: Account): readonly (readonly [twapId: number, state: unknown])[];
  /** Oldest first. */
  historyOf(account: Account): readonly unknown[];
}

export interface InfoContext {
  readonly exchange: Exchange;
  readonly twaps: TwapRecords;
  readonly exchMs: number;
  /** The client's clock, for what was promised in its time (an agent's validity). */
  readonly wallMs: number;
}

export type InfoRequest = Readonly<Record<string, unknown>>;
/** A JSON-able value (null where the venue says null), or one of the two symbols. */
export type Answer = unknown;

export type GeneralAnswerer = (ctx: InfoContext, request: InfoRequest) => Answer;
export type UserAnswerer = (
  ctx: InfoContext,
  user: string,
  account: Account | undefined,
  request: InfoRequest,
) => Answer;

/** Absent, null and "" all mean the first dex. @returns undefined for a wrong type. */
export function dexNameIn(request: InfoRequest): string | undefined {
  const dex = request["dex"] ?? "";
  return typeof dex === "string" ? dex : undefined;
}

/** @returns null for a dex that does not exist, undefined for what is no name at all. */
export function dexIn(ctx: InfoContext, request: InfoRequest): Dex | null | undefined {
  const name = dexNameIn(request);
  return name === undefined ? undefined : (ctx.exchange.dex(name) ?? null);
}

/** `startTime` and `endTime`, both inclusive. @returns undefined when one has a wrong type, or the first is required and absent. */
export function spanIn(
  request: InfoRequest,
  isStartRequired: boolean,
): { readonly startMs: number; readonly endMs: number } | undefined {
  const start = request["startTime"] ?? (isStartRequired ? undefined : 0);
  const end = request["endTime"] ?? Number.POSITIVE_INFINITY;
  return typeof start === "number" && typeof end === "number" ? { startMs: start, endMs: end } : undefined;
}

/** The first `max` of those within the span, of items in order of time; oldest first, as lists by time are (reference 3.8). */
export function within<T extends { readonly time: number }>(
  items: readonly T[],
  span: { readonly startMs: number; readonly endMs: number },
  max: number,
): T[] {
  let from = 0;
  // Years of fills, and the last minute asked for: found by halves.
  for (let beyond = items.length; from < beyond; ) {
    const middle = (from + beyond) >> 1;
    if (items[middle]!.time < span.startMs) from = middle + 1;
    else beyond = middle;
  }
  let to = from;
  while (to < items.length && to - from < max && items[to]!.time <= span.endMs) to++;
  return items.slice(from, to);
}
