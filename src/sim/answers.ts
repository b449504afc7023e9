/** The two shapes of an answer to an action (reference 4.1). */
export type ExchangeResponse =
  | { readonly status: "ok"; readonly response: { readonly type: string; readonly data?: unknown } }
  | { readonly status: "err"; readonly response: string };

export const ok = (type: string, statuses?: readonly unknown[]): ExchangeResponse => ({
  status: "ok",
  response: statuses === undefined ? { type } : { type, data: { statuses } },
});
export const err = (response: string): ExchangeResponse => ({ status: "err", response });

/** An answer whose data is not a list of statuses. */
export const okWith = (type: string, data: unknown): ExchangeResponse => ({
  status: "ok",
  response: { type, data },
});
