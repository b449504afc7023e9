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

/** As JSON.stringify of the same, but for order actions in a fraction of its time. */
export function answerText(answer: ExchangeResponse): string {
  if (answer.status === "err") return JSON.stringify(answer);
  const { type, data } = answer.response;
  if (!hasStatuses(data)) return JSON.stringify(answer);
  let out = "";
  for (const status of data.statuses) out += (out === "" ? "" : ",") + statusText(status);
  return `{"status":"ok","response":{"type":"${type}","data":{"statuses":[${out}]}}}`;
}

const hasStatuses = (data: unknown): data is { readonly statuses: readonly unknown[] } =>
  typeof data === "object" && data !== null && "statuses" in data && Array.isArray(data.statuses);

/** What rests is told most often. */
function statusText(status: unknown): string {
  if (!isResting(status)) return JSON.stringify(status);
  const { oid, cloid } = status.resting;
  return `{"resting":{"oid":${oid}${cloid === undefined ? "" : `,"cloid":"${cloid}"`}}}`;
}

const isResting = (
  status: unknown,
): status is { readonly resting: { readonly oid: number; readonly cloid?: string } } =>
  typeof status === "object" && status !== null && "resting" in status;
