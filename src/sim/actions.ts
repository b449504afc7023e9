/**
 * Signed actions as the exchange understands them: strict parsing of what a client posted into canonical values.
 *
 * The venue parses the JSON into its own structures and serialises those again before hashing, so that reordered keys, padded
 * decimals and upper-case addresses still verify (reference/hyperliquid-api.md 5.2). Hence everything here is normalised:
 * decimals stripped, hex lower-cased, unknown keys dropped, absent optional keys absent.
 */
import {
  type FlatAction,
  isL1Type,
  isObject,
  isUint,
  isUserSignedType,
  parseAddress,
  parseFlatAction,
  parseUserSigned,
  type UserSignedAction,
} from "./action-fields.js";

export { parseAddress, type UserSignedAction } from "./action-fields.js";

export type WireTif = "Gtc" | "Ioc" | "Alo" | "FrontendMarket";

export interface OrderWire {
  readonly a: number;
  readonly b: boolean;
  readonly p: string;
  readonly s: string;
  readonly r: boolean;
  readonly t: { readonly limit: { readonly tif: WireTif } } | { readonly trigger: TriggerWire };
  readonly c?: string;
}

export interface TriggerWire {
  readonly isMarket: boolean;
  readonly triggerPx: string;
  readonly tpsl: "tp" | "sl";
}

/** `{p}` buys priority at p·1e-8 of notional (reference 8.6). */
export type Grouping = "na" | "normalTpsl" | "positionTpsl" | { readonly p: number };

export interface TwapWire {
  readonly a: number;
  readonly b: boolean;
  readonly s: string;
  readonly r: boolean;
  /** Minutes. */
  readonly m: number;
  /** Randomise. */
  readonly t: boolean;
}

export interface TwapDetails {
  /** Starts when the mark is above (`a`) or below `p`. */
  readonly t: { readonly p: string; readonly a: boolean } | null;
  /** Stop price. */
  readonly s: string | null;
}

/** An action whose hash is signed by a phantom agent (reference 5.1). */
export type L1Action =
  | {
      readonly type: "order";
      readonly orders: readonly OrderWire[];
      readonly grouping: Grouping;
      readonly builder?: { readonly b: string; readonly f: number };
    }
  | {
      readonly type: "cancel";
      readonly cancels: readonly { readonly a: number; readonly o: number }[];
      readonly f?: true;
    }
  | {
      readonly type: "cancelByCloid";
      readonly cancels: readonly { readonly asset: number; readonly cloid: string }[];
      readonly f?: true;
    }
  | { readonly type: "modify"; readonly oid: number | string; readonly order: OrderWire; readonly a?: true }
  | {
      readonly type: "batchModify";
      readonly modifies: readonly { readonly oid: number | string; readonly order: OrderWire }[];
      readonly a?: true;
    }
  | { readonly type: "twapOrder"; readonly twap: TwapWire; readonly details?: TwapDetails }
  | FlatAction;

export type Action = L1Action | UserSignedAction;

export const isUserSigned = (action: Action): action is UserSignedAction => "signatureChainId" in action;

export interface Envelope {
  readonly action: Action;
  readonly nonce: number;
  readonly signature: { readonly r: string; readonly s: string; readonly v: number };
  readonly vaultAddress: string | undefined;
  readonly expiresAfter: number | undefined;
}

export function parseCloid(v: unknown): string | undefined {
  return typeof v === "string" && /^0x[0-9a-fA-F]{32}$/.test(v) ? v.toLowerCase() : undefined;
}

/** Strips padding: `"1670.10"` is `"1670.1"`, `"100.0"` is `"100"`. Non-numeric text stays: it fails later, by its own rule. */
export function normaliseDecimal(text: string): string {
  const m = /^(-?)0*(\d+)(?:\.(\d*?)0*)?$/.exec(text);
  if (!m) return text;
  const frac = m[3] ?? "";
  const value = frac === "" ? m[2]! : `${m[2]}.${frac}`;
  return m[1] === "-" && value !== "0" ? `-${value}` : value;
}

const TIFS: ReadonlySet<string> = new Set(["Gtc", "Ioc", "Alo", "FrontendMarket"]);
/** Longer decimals are refused as malformed: nothing on a grid needs them. */
const DECIMAL_CHARS = 40;

function parseOrder(v: unknown): OrderWire | undefined {
  if (!isObject(v)) return undefined;
  const { a, b, p, s, r, t, c } = v;
  if (!isUint(a) || typeof b !== "boolean" || typeof r !== "boolean") return undefined;
  if (typeof p !== "string" || typeof s !== "string" || p.length > DECIMAL_CHARS || s.length > DECIMAL_CHARS)
    return undefined;
  const type = parseOrderType(t);
  if (type === undefined) return undefined;
  const base = { a, b, p: normaliseDecimal(p), s: normaliseDecimal(s), r, t: type };
  if (c === undefined || c === null) return base;
  const cloid = parseCloid(c);
  return cloid === undefined ? undefined : { ...base, c: cloid };
}

function parseOrderType(t: unknown): OrderWire["t"] | undefined {
  if (!isObject(t)) return undefined;
  if (isObject(t["limit"])) {
    const tif = t["limit"]["tif"];
    return typeof tif === "string" && TIFS.has(tif) ? { limit: { tif: tif as WireTif } } : undefined;
  }
  if (isObject(t["trigger"])) {
    const { isMarket, triggerPx, tpsl } = t["trigger"];
    if (typeof isMarket !== "boolean" || typeof triggerPx !== "string" || triggerPx.length > DECIMAL_CHARS)
      return undefined;
    if (tpsl !== "tp" && tpsl !== "sl") return undefined;
    return { trigger: { isMarket, triggerPx: normaliseDecimal(triggerPx), tpsl } };
  }
  return undefined;
}

function parseGrouping(v: unknown): Grouping | undefined {
  if (v === undefined || v === "na") return "na";
  if (v === "normalTpsl" || v === "positionTpsl") return v;
  return isObject(v) && isUint(v["p"]) ? { p: v["p"] } : undefined;
}

function parseTwap(v: Readonly<Record<string, unknown>>): L1Action | undefined {
  const { twap, details } = v;
  if (!isObject(twap)) return undefined;
  const { a, b, s, r, m, t } = twap;
  if (!isUint(a) || typeof b !== "boolean" || typeof r !== "boolean" || typeof t !== "boolean")
    return undefined;
  if (typeof s !== "string" || s.length > DECIMAL_CHARS || !isUint(m)) return undefined;
  const base = { type: "twapOrder", twap: { a, b, s: normaliseDecimal(s), r, m, t } } as const;
  if (details === undefined || details === null) return base;
  const parsed = parseTwapDetails(details);
  return parsed === undefined ? undefined : { ...base, details: parsed };
}

function parseTwapDetails(v: unknown): TwapDetails | undefined {
  if (!isObject(v)) return undefined;
  const stop = v["s"] ?? null;
  if (stop !== null && (typeof stop !== "string" || stop.length > DECIMAL_CHARS)) return undefined;
  const s = stop === null ? null : normaliseDecimal(stop);
  const trigger = v["t"] ?? null;
  if (trigger === null) return { t: null, s };
  if (!isObject(trigger)) return undefined;
  const { p, a } = trigger;
  if (typeof p !== "string" || p.length > DECIMAL_CHARS || typeof a !== "boolean") return undefined;
  return { t: { p: normaliseDecimal(p), a }, s };
}

const parseTarget = (v: unknown): number | string | undefined => (isUint(v) ? v : parseCloid(v));

/** Every element parsed, or undefined when one does not. */
function parseAll<T>(v: unknown, parse: (item: unknown) => T | undefined): T[] | undefined {
  if (!Array.isArray(v)) return undefined;
  const out: T[] = [];
  for (const item of v) {
    const parsed = parse(item);
    if (parsed === undefined) return undefined;
    out.push(parsed);
  }
  return out;
}

/** `f` and `a` are only ever true or absent on the wire; `false` would change the hash, so it is malformed. */
function parseFlag(v: unknown): true | "absent" | undefined {
  return v === true ? true : v === undefined ? "absent" : undefined;
}

/** @returns undefined when the body would not deserialise at the venue (HTTP 422). */
export function parseAction(v: unknown): Action | undefined {
  if (!isObject(v)) return undefined;
  const type = v["type"];
  switch (type) {
    case "order": {
      const orders = parseAll(v["orders"], parseOrder);
      const grouping = parseGrouping(v["grouping"]);
      if (orders === undefined || grouping === undefined) return undefined;
      const base = { type: "order", orders, grouping } as const;
      const builder = v["builder"];
      if (builder === undefined || builder === null) return base;
      if (!isObject(builder)) return undefined;
      const b = parseAddress(builder["b"]);
      return b === undefined || !isUint(builder["f"])
        ? undefined
        : { ...base, builder: { b, f: builder["f"] } };
    }
    case "cancel": {
      const cancels = parseAll(v["cancels"], (c) =>
        isObject(c) && isUint(c["a"]) && isUint(c["o"]) ? { a: c["a"], o: c["o"] } : undefined,
      );
      const f = parseFlag(v["f"]);
      if (cancels === undefined || f === undefined) return undefined;
      return { type: "cancel", cancels, ...(f === true ? { f } : {}) };
    }
    case "cancelByCloid": {
      const cancels = parseAll(v["cancels"], (c) => {
        const cloid = isObject(c) ? parseCloid(c["cloid"]) : undefined;
        return isObject(c) && cloid !== undefined && isUint(c["asset"])
          ? { asset: c["asset"], cloid }
          : undefined;
      });
      const f = parseFlag(v["f"]);
      if (cancels === undefined || f === undefined) return undefined;
      return { type: "cancelByCloid", cancels, ...(f === true ? { f } : {}) };
    }
    case "modify": {
      const oid = parseTarget(v["oid"]);
      const order = parseOrder(v["order"]);
      const a = parseFlag(v["a"]);
      if (oid === undefined || order === undefined || a === undefined) return undefined;
      return { type: "modify", oid, order, ...(a === true ? { a } : {}) };
    }
    case "batchModify": {
      const modifies = parseAll(v["modifies"], (m) => {
        if (!isObject(m)) return undefined;
        const oid = parseTarget(m["oid"]);
        const order = parseOrder(m["order"]);
        return oid === undefined || order === undefined ? undefined : { oid, order };
      });
      const a = parseFlag(v["a"]);
      if (modifies === undefined || a === undefined) return undefined;
      return { type: "batchModify", modifies, ...(a === true ? { a } : {}) };
    }
    case "twapOrder":
      return parseTwap(v);
  }
  if (typeof type !== "string") return undefined;
  if (isL1Type(type)) return parseFlatAction(type, v);
  return isUserSignedType(type) ? parseUserSigned(type, v) : undefined;
}

/** @returns undefined when the body would not deserialise at the venue (HTTP 422). */
export function parseEnvelope(v: unknown): Envelope | undefined {
  if (!isObject(v)) return undefined;
  const action = parseAction(v["action"]);
  const { nonce, signature } = v;
  if (action === undefined || !isUint(nonce) || !isObject(signature)) return undefined;
  const { r, s, v: recovery } = signature;
  if (typeof r !== "string" || typeof s !== "string" || !isUint(recovery)) return undefined;
  if (r.length > 66 || s.length > 66) return undefined;
  const vault = v["vaultAddress"] ?? undefined;
  const vaultAddress = vault === undefined ? undefined : parseAddress(vault);
  if (vault !== undefined && vaultAddress === undefined) return undefined;
  const expiresAfter = v["expiresAfter"] ?? undefined;
  if (expiresAfter !== undefined && !isUint(expiresAfter)) return undefined;
  return { action, nonce, signature: { r, s, v: recovery }, vaultAddress, expiresAfter };
}

/** Number of elements that the weight limits count: 1 for an unbatched action. */
export function actionLength(action: Action): number {
  switch (action.type) {
    case "order":
      return action.orders.length;
    case "cancel":
    case "cancelByCloid":
      return action.cancels.length;
    case "batchModify":
      return action.modifies.length;
    default:
      return 1;
  }
}
