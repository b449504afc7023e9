/**
 * Who signed an action: canonical msgpack, phantom agent, EIP-712 digest, public key recovery.
 *
 * Deliberately independent of the client's encoder (src/venues): two implementations of one specification check each other.
 * Localhost is "not mainnet" to the official SDKs, which then sign with source "b"; some third-party SDKs sign with "a" unless
 * told otherwise, so the default accepts both, "b" first.
 *
 * Source: reference/hyperliquid-api.md 5.1, 5.2, 5.6.
 */
import { keccak_256 } from "@noble/hashes/sha3.js";
import secp256k1 from "secp256k1";
import { type FlatAction, L1_FIELDS } from "./action-fields.js";
import { type Envelope, isUserSigned, type L1Action, type OrderWire } from "./actions.js";
import { MsgpackWriter } from "./msgpack.js";
import { userSignedDigest } from "./user-signed.js";

export type SignatureSource = "a" | "b";

function packOrder(out: MsgpackWriter, o: OrderWire): void {
  out.map(o.c === undefined ? 6 : 7);
  out.str("a").uint(o.a).str("b").bool(o.b).str("p").str(o.p).str("s").str(o.s).str("r").bool(o.r).str("t");
  if ("limit" in o.t) out.map(1).str("limit").map(1).str("tif").str(o.t.limit.tif);
  else {
    const { isMarket, triggerPx, tpsl } = o.t.trigger;
    out.map(1).str("trigger").map(3).str("isMarket").bool(isMarket);
    out.str("triggerPx").str(triggerPx).str("tpsl").str(tpsl);
  }
  if (o.c !== undefined) out.str("c").str(o.c);
}

const packTarget = (out: MsgpackWriter, oid: number | string): MsgpackWriter =>
  typeof oid === "number" ? out.uint(oid) : out.str(oid);

function packAction(out: MsgpackWriter, action: L1Action): void {
  switch (action.type) {
    case "order":
      out
        .map(action.builder === undefined ? 3 : 4)
        .str("type")
        .str("order");
      out.str("orders").array(action.orders.length);
      for (const o of action.orders) packOrder(out, o);
      out.str("grouping");
      if (typeof action.grouping === "string") out.str(action.grouping);
      else out.map(1).str("p").uint(action.grouping.p);
      if (action.builder !== undefined)
        out.str("builder").map(2).str("b").str(action.builder.b).str("f").uint(action.builder.f);
      return;
    case "cancel":
      out
        .map(action.f === undefined ? 2 : 3)
        .str("type")
        .str("cancel");
      out.str("cancels").array(action.cancels.length);
      for (const c of action.cancels) out.map(2).str("a").uint(c.a).str("o").uint(c.o);
      if (action.f !== undefined) out.str("f").bool(true);
      return;
    case "cancelByCloid":
      out
        .map(action.f === undefined ? 2 : 3)
        .str("type")
        .str("cancelByCloid");
      out.str("cancels").array(action.cancels.length);
      for (const c of action.cancels) out.map(2).str("asset").uint(c.asset).str("cloid").str(c.cloid);
      if (action.f !== undefined) out.str("f").bool(true);
      return;
    case "modify":
      out
        .map(action.a === undefined ? 3 : 4)
        .str("type")
        .str("modify")
        .str("oid");
      packTarget(out, action.oid).str("order");
      packOrder(out, action.order);
      if (action.a !== undefined) out.str("a").bool(true);
      return;
    case "batchModify":
      out
        .map(action.a === undefined ? 2 : 3)
        .str("type")
        .str("batchModify");
      out.str("modifies").array(action.modifies.length);
      for (const m of action.modifies) {
        packTarget(out.map(2).str("oid"), m.oid).str("order");
        packOrder(out, m.order);
      }
      if (action.a !== undefined) out.str("a").bool(true);
      return;
    case "twapOrder":
      packTwap(out, action);
      return;
    default:
      packFlat(out, action);
  }
}

function packTwap(out: MsgpackWriter, action: Extract<L1Action, { type: "twapOrder" }>): void {
  const { twap, details } = action;
  out
    .map(details === undefined ? 2 : 3)
    .str("type")
    .str("twapOrder");
  out.str("twap").map(6).str("a").uint(twap.a).str("b").bool(twap.b).str("s").str(twap.s);
  out.str("r").bool(twap.r).str("m").uint(twap.m).str("t").bool(twap.t);
  if (details === undefined) return;
  out.str("details").map(2).str("t");
  if (details.t === null) out.nil();
  else out.map(2).str("p").str(details.t.p).str("a").bool(details.t.a);
  out.str("s");
  if (details.s === null) out.nil();
  else out.str(details.s);
}

/** Fields in table order; a field is packed by what it is. */
function packFlat(out: MsgpackWriter, action: FlatAction): void {
  const values = action as unknown as Readonly<Record<string, unknown>>;
  const present = L1_FIELDS[action.type].filter(([name]) => values[name] !== undefined);
  out
    .map(1 + present.length)
    .str("type")
    .str(action.type);
  for (const [name] of present) {
    out.str(name);
    const value = values[name];
    if (typeof value === "number") out.int(value);
    else if (typeof value === "boolean") out.bool(value);
    else if (typeof value === "string") out.str(value);
    else if (value === null) out.nil();
    else
      out
        .map(1)
        .str("optOut")
        .bool((value as { optOut: boolean }).optOut);
  }
}

const scratch = new MsgpackWriter();

/** Canonical msgpack of an action; a copy, for tests and tools. */
export function encodeAction(action: L1Action): Uint8Array {
  packAction(scratch.clear(), action);
  return Uint8Array.from(scratch.view());
}

/** `connectionId` of 5.1: keccak of action, nonce, vault marker and expiry. */
export function actionHash(
  action: L1Action,
  nonce: number,
  vaultAddress?: string,
  expiresAfter?: number,
): Uint8Array {
  packAction(scratch.clear(), action);
  scratch.u64(nonce);
  if (vaultAddress === undefined) scratch.byte(0);
  else scratch.byte(1).hex(vaultAddress.slice(2));
  if (expiresAfter !== undefined) scratch.byte(0).u64(expiresAfter);
  return keccak_256(scratch.view());
}

const fromHex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, "hex"));
const DOMAIN_SEPARATOR = fromHex("d79297fcdf2ffcd4ae223d01edaa2ba214ff8f401d7c9300d995d17c82aa4040");
const AGENT_TYPE_HASH = fromHex("26f05c2f7239b6983075e58321292d77b3aa173d19b27257ac96ab362570f508");
const SOURCE_HASH: Record<SignatureSource, Uint8Array> = {
  a: keccak_256(Buffer.from("a")),
  b: keccak_256(Buffer.from("b")),
};

/** EIP-712 digest of the phantom agent. */
export function agentDigest(source: SignatureSource, connectionId: Uint8Array): Uint8Array {
  const struct = new Uint8Array(96);
  struct.set(AGENT_TYPE_HASH, 0);
  struct.set(SOURCE_HASH[source], 32);
  struct.set(connectionId, 64);
  const typed = new Uint8Array(66);
  typed[0] = 0x19;
  typed[1] = 0x01;
  typed.set(DOMAIN_SEPARATOR, 2);
  typed.set(keccak_256(struct), 34);
  return keccak_256(typed);
}

function parseSignature(sig: Envelope["signature"]): { bytes: Uint8Array; recovery: number } | undefined {
  const recovery = sig.v >= 27 ? sig.v - 27 : sig.v;
  if (recovery !== 0 && recovery !== 1) return undefined;
  const r = /^0x([0-9a-fA-F]{1,64})$/.exec(sig.r)?.[1];
  const s = /^0x([0-9a-fA-F]{1,64})$/.exec(sig.s)?.[1];
  if (r === undefined || s === undefined) return undefined;
  return { bytes: fromHex(r.padStart(64, "0") + s.padStart(64, "0")), recovery };
}

export function addressOfPublicKey(uncompressed: Uint8Array): string {
  return `0x${Buffer.from(keccak_256(uncompressed.subarray(1)).subarray(12)).toString("hex")}`;
}

/** @returns undefined when r or s is out of range, or no curve point: there is no signer. */
function addressOf(sig: { bytes: Uint8Array; recovery: number }, digest: Uint8Array): string | undefined {
  try {
    return addressOfPublicKey(secp256k1.ecdsaRecover(sig.bytes, sig.recovery, digest, false));
  } catch {
    return undefined;
  }
}

/**
 * Recovers the address that signed an envelope: for a user-signed action from its typed data, for any other for each
 * accepted source in turn.
 *
 * A wrong source, key or byte gives a different address, not an error: only the account list can tell. So the first source
 * whose address `isKnown` wins; if none is, the first source's address is reported.
 *
 * @returns undefined when the signature is malformed or not recoverable ("Unable to recover signer.").
 * Thread: any. Cost: about 0.1 ms.
 */
export function recoverSigner(
  envelope: Envelope,
  sources: readonly SignatureSource[],
  isKnown: (address: string) => boolean,
): string | undefined {
  const { action } = envelope;
  const sig = parseSignature(envelope.signature);
  if (sig === undefined) return undefined;
  if (isUserSigned(action)) {
    // The chain's name is what keeps testnet's signatures off mainnet; the source letter of phantom agents says the same.
    const source = action.hyperliquidChain === "Mainnet" ? "a" : "b";
    return sources.includes(source) ? addressOf(sig, userSignedDigest(action)) : undefined;
  }
  const connectionId = actionHash(action, envelope.nonce, envelope.vaultAddress, envelope.expiresAfter);
  let first: string | undefined;
  for (const source of sources) {
    const address = addressOf(sig, agentDigest(source, connectionId));
    if (address === undefined) return undefined;
    if (isKnown(address)) return address;
    first ??= address;
  }
  return first;
}

/** Address of a private key, for funding development accounts. */
export function addressOfKey(privateKey: Uint8Array): string {
  return addressOfPublicKey(secp256k1.publicKeyCreate(privateKey, false));
}
