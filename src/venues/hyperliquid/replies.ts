/**
 * Answers to actions as one status per element. Nothing here throws: an answer that cannot be read means that the fate of
 * the elements is unknown. Source: reference §4.2–4.4, §4.10, §4.11.
 */
import type { Instrument } from "../../domain/index.js";
import { wireToDecimal } from "../../domain/index.js";
import type { AckStatus } from "../port.js";
import { MODIFY_LOST_PREFIX, orderErrorCode } from "./errors.js";

export type ActionKind = "order" | "modify" | "cancel";

type Json = Readonly<Record<string, unknown>>;
const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const CANCELLED: AckStatus = { kind: "cancelled" };

export function errorStatus(text: string, kind: ActionKind): AckStatus {
  const code = orderErrorCode(text);
  if (kind !== "modify") return { kind: "error", code, text };
  // MissingOrder: the old order was filled or cancelled before. Any other refusal leaves it resting.
  const oldGone = text.startsWith(MODIFY_LOST_PREFIX) || code === "MissingOrder";
  return { kind: "error", code, text, oldGone };
}

const unknownStatus = (text: string): AckStatus => ({ kind: "unknown", text });

/** `n` times the same status. */
export const repeated = (status: AckStatus, n: number): AckStatus[] => new Array<AckStatus>(n).fill(status);

/**
 * Reads the answer to an action of `n` elements.
 * @param response body of `POST /exchange`, or the `payload` of a WebSocket post's answer, parsed.
 * @param instrumentAt the market of element `i`.
 */
export function readActionReply(
  response: unknown,
  kind: ActionKind,
  n: number,
  instrumentAt: (i: number) => Instrument | undefined,
): AckStatus[] {
  if (!isObject(response)) return repeated(unknownStatus("the venue's answer is not an object"), n);
  const inner = response["response"];
  if (response["status"] === "err") {
    return repeated(errorStatus(typeof inner === "string" ? inner : JSON.stringify(inner), kind), n);
  }
  const data = isObject(inner) ? inner["data"] : undefined;
  const statuses = isObject(data) ? data["statuses"] : undefined;
  if (response["status"] !== "ok" || !Array.isArray(statuses)) {
    if (response["status"] === "ok" && isObject(inner) && inner["type"] === "default" && kind === "cancel") {
      return repeated(CANCELLED, n);
    }
    return repeated(unknownStatus("the venue's answer holds no statuses"), n);
  }
  // Pre-validation answers once for the whole batch.
  if (statuses.length === 1 && n > 1) {
    const only: unknown = statuses[0];
    if (isObject(only) && typeof only["error"] === "string")
      return repeated(errorStatus(only["error"], kind), n);
  }
  const out: AckStatus[] = [];
  for (let i = 0; i < n; i++) {
    out.push(
      i < statuses.length
        ? readStatus(statuses[i], kind, instrumentAt(i))
        : unknownStatus(`the venue answered ${statuses.length} of ${n} elements`),
    );
  }
  return out;
}

function readStatus(status: unknown, kind: ActionKind, inst: Instrument | undefined): AckStatus {
  if (status === "success")
    return kind === "cancel" ? CANCELLED : unknownStatus("success without an order id");
  if (!isObject(status)) return unknownStatus(`status ${String(status).slice(0, 40)}`);
  const { error, resting, filled } = status;
  if (typeof error === "string") return errorStatus(error, kind);
  if (isObject(resting) && typeof resting["oid"] === "number")
    return { kind: "resting", oid: resting["oid"] };
  if (isObject(filled) && typeof filled["oid"] === "number" && inst !== undefined) {
    const totalSzLots = wireToDecimal(String(filled["totalSz"]), inst.szDecimals);
    const avgPx = Number(filled["avgPx"]);
    if (totalSzLots !== undefined && Number.isFinite(avgPx)) {
      return { kind: "filled", oid: filled["oid"], totalSzLots, avgPx };
    }
  }
  return unknownStatus("a status of unknown shape");
}
