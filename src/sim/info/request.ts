/** What info answers are made from, and the answers that are no JSON. */
import type { Account } from "../account.js";
import type { Exchange } from "../exchange.js";

/** The venue's 422: the body does not deserialise. */
export const MALFORMED = Symbol("422");
/** The venue's 500: well-formed, but a combination of parameters that it does not handle (reference 1.2). */
export const UNHANDLED = Symbol("500");

export interface InfoContext {
  readonly exchange: Exchange;
  readonly exchMs: number;
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

/** Absent, null and "" all mean the first dex. @returns undefined for what is no name at all. */
export function dexOf(request: InfoRequest): string | undefined {
  const dex = request["dex"] ?? "";
  return typeof dex === "string" ? dex : undefined;
}

/** An optional time; NaN for a wrong type. */
export function timeOf(v: unknown, otherwise: number): number {
  if (v === undefined || v === null) return otherwise;
  return typeof v === "number" && Number.isFinite(v) ? v : Number.NaN;
}
