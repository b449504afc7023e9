/**
 * Actions off the hot path, as objects whose key order is the hash's: L1 actions, which the account or an agent signs, and
 * user-signed ones, which only the account's own key may. Addresses are lower-cased, amounts are integers of 1e-6 USD.
 * Source: reference §4, §5.
 */
import { decimalToWire } from "../../domain/index.js";
import { VenueError } from "./errors.js";
import { encodeMsgpack, type Plain } from "./msgpack.js";
import { type L1Signer, type UserSignedField, userSignedDigest } from "./sign.js";

export interface ExchangeAction {
  readonly type: string;
  readonly [key: string]: Plain | undefined;
}

export interface Signature {
  /** `0x` and 64 hex digits. */
  readonly r: string;
  readonly s: string;
  /** 27 or 28. */
  readonly v: number;
}

export interface L1Options {
  readonly nonce: number;
  /** Sub-account or vault traded for. */
  readonly vaultAddress?: string | undefined;
  /** Unix ms. */
  readonly expiresAfter?: number | undefined;
}

/** Signs an L1 action of any kind. @throws {RangeError} when the action holds what cannot be encoded. */
export function signL1(signer: L1Signer, action: ExchangeAction, options: L1Options): Signature {
  const bytes = encodeMsgpack(action);
  const { nonce, vaultAddress, expiresAfter } = options;
  const vault =
    vaultAddress === undefined
      ? undefined
      : Buffer.from(lowerAddress(vaultAddress, "vault address").slice(2), "hex");
  signer.sign(bytes, bytes.length, nonce, vault, expiresAfter);
  return taken(signer);
}

const taken = (signer: L1Signer): Signature => ({
  r: `0x${Buffer.from(signer.r).toString("hex")}`,
  s: `0x${Buffer.from(signer.s).toString("hex")}`,
  v: signer.v,
});

/** @throws {VenueError} BadKey naming `what` when the text is not an address. */
export function lowerAddress(text: string, what: string): string {
  if (!/^0x[0-9a-fA-F]{40}$/.test(text)) {
    const shown =
      text.length === 64 || text.length === 66
        ? "(hidden: it has the length of a key)"
        : `"${text.slice(0, 50)}"`;
    throw new VenueError("BadKey", `${what} ${shown} is not an address: expected 0x and 40 hex digits`);
  }
  return text.toLowerCase();
}

/** A decimal as the venue normalises it before hashing: no padding. @throws {RangeError} when it is none, or not positive. */
function decimalText(text: string, what: string): string {
  const m = /^0*(\d+?)(?:\.(\d*?)0*)?$/.exec(text);
  const normal = m === null ? "0" : m[2] ? `${m[1]}.${m[2]}` : m[1]!;
  if (normal === "0") throw new RangeError(`${what} "${text.slice(0, 40)}" is not a positive decimal`);
  return normal;
}

/** @throws {RangeError} when the amount is not a positive whole number of 1e-6 USD. */
function usdText(micros: number): string {
  if (!(micros > 0)) throw new RangeError(`an amount of ${micros} millionths is not positive`);
  return decimalToWire(micros, 6);
}

// ── L1 actions ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** `asset` is the venue's id in all of these. */
export const l1 = {
  cancel: (
    cancels: readonly { readonly asset: number; readonly oid: number }[],
    isFast = false,
  ): ExchangeAction => ({
    type: "cancel",
    cancels: cancels.map(({ asset, oid }) => ({ a: asset, o: oid })),
    ...(isFast ? { f: true } : {}),
  }),
  cancelByCloid: (
    cancels: readonly { readonly asset: number; readonly cloid: string }[],
    isFast = false,
  ): ExchangeAction => ({
    type: "cancelByCloid",
    cancels: cancels.map(({ asset, cloid }) => ({ asset, cloid: cloid.toLowerCase() })),
    ...(isFast ? { f: true } : {}),
  }),
  /** Undefined disarms. */
  scheduleCancel: (timeMs: number | undefined): ExchangeAction => ({ type: "scheduleCancel", time: timeMs }),
  updateLeverage: (asset: number, isCross: boolean, leverage: number): ExchangeAction => ({
    type: "updateLeverage",
    asset,
    isCross,
    leverage,
  }),
  /** Adds margin to an isolated position; a negative amount removes it. */
  updateIsolatedMargin: (asset: number, usdMicros: number): ExchangeAction => ({
    type: "updateIsolatedMargin",
    asset,
    isBuy: true,
    ntli: usdMicros,
  }),
  /** Adds as much margin as brings the isolated position to `leverage`, a decimal. */
  topUpIsolatedOnlyMargin: (asset: number, leverage: string): ExchangeAction => ({
    type: "topUpIsolatedOnlyMargin",
    asset,
    leverage: decimalText(leverage, "leverage"),
  }),
  /** Buys request weight at 0.0005 USDC each. */
  reserveRequestWeight: (weight: number): ExchangeAction => ({ type: "reserveRequestWeight", weight }),
  /** Consumes its nonce: with that of a lost action it invalidates it. */
  noop: (): ExchangeAction => ({ type: "noop" }),
  twapOrder: (twap: {
    readonly asset: number;
    readonly isBuy: boolean;
    readonly sz: string;
    readonly reduceOnly: boolean;
    readonly minutes: number;
    readonly isRandomised: boolean;
  }): ExchangeAction => ({
    type: "twapOrder",
    twap: {
      a: twap.asset,
      b: twap.isBuy,
      s: decimalText(twap.sz, "size"),
      r: twap.reduceOnly,
      m: twap.minutes,
      t: twap.isRandomised,
    },
  }),
  twapCancel: (asset: number, twapId: number): ExchangeAction => ({
    type: "twapCancel",
    a: asset,
    t: twapId,
  }),
  createSubAccount: (name: string): ExchangeAction => ({ type: "createSubAccount", name }),
  /** Between the master's perp account and a sub-account's. */
  subAccountTransfer: (subAccount: string, isDeposit: boolean, usdMicros: number): ExchangeAction => ({
    type: "subAccountTransfer",
    subAccountUser: lowerAddress(subAccount, "sub-account"),
    isDeposit,
    usd: usdMicros,
  }),
  /** As `sendAsset`, but an agent may sign it; only to the same user or its sub-accounts. Carries its nonce inside. */
  agentSendAsset: (send: AssetTransfer, nonce: number): ExchangeAction => ({
    type: "agentSendAsset",
    ...assetTransfer(send),
    nonce,
  }),
} as const;

/** From one of an account's clearinghouses to another: `""` the first dex, `spot`, or a dex's name. */
export interface AssetTransfer {
  readonly destination: string;
  readonly sourceDex: string;
  readonly destinationDex: string;
  /** `NAME:0xid`, or `USDC`. */
  readonly token: string;
  /** A decimal. */
  readonly amount: string;
  /** Empty: from the account itself. */
  readonly fromSubAccount?: string;
}

function assetTransfer(send: AssetTransfer): Record<string, string> {
  const { destination, sourceDex, destinationDex, token, amount, fromSubAccount = "" } = send;
  return {
    destination: lowerAddress(destination, "destination"),
    sourceDex,
    destinationDex,
    token,
    amount: decimalText(amount, "amount"),
    fromSubAccount: fromSubAccount === "" ? "" : lowerAddress(fromSubAccount, "sub-account"),
  };
}

// ── user-signed actions ─────────────────────────────────────────────────────────────────────────────────────────────────

const CHAIN: UserSignedField = ["string", "hyperliquidChain"];
const AMOUNT: UserSignedField = ["string", "amount"];
const DESTINATION: UserSignedField = ["string", "destination"];
const TIME: UserSignedField = ["uint64", "time"];
const NONCE: UserSignedField = ["uint64", "nonce"];

/** Primary type and typed fields by action; the last field is the nonce. */
export const USER_SIGNED = {
  usdSend: ["UsdSend", [CHAIN, DESTINATION, AMOUNT, TIME]],
  spotSend: ["SpotSend", [CHAIN, DESTINATION, ["string", "token"], AMOUNT, TIME]],
  withdraw3: ["Withdraw", [CHAIN, DESTINATION, AMOUNT, TIME]],
  usdClassTransfer: ["UsdClassTransfer", [CHAIN, AMOUNT, ["bool", "toPerp"], NONCE]],
  sendAsset: [
    "SendAsset",
    [
      CHAIN,
      DESTINATION,
      ["string", "sourceDex"],
      ["string", "destinationDex"],
      ["string", "token"],
      AMOUNT,
      ["string", "fromSubAccount"],
      NONCE,
    ],
  ],
  approveAgent: ["ApproveAgent", [CHAIN, ["address", "agentAddress"], ["string", "agentName"], NONCE]],
  approveBuilderFee: ["ApproveBuilderFee", [CHAIN, ["string", "maxFeeRate"], ["address", "builder"], NONCE]],
} as const satisfies Readonly<Record<string, readonly [string, readonly UserSignedField[]]>>;

export type UserSignedKind = keyof typeof USER_SIGNED;

/** What the caller says of a user-signed action: its typed fields without chain and nonce. */
export interface UserAction {
  readonly kind: UserSignedKind;
  readonly fields: Readonly<Record<string, string | boolean>>;
}

export const user = {
  usdSend: (destination: string, usdMicros: number): UserAction => ({
    kind: "usdSend",
    fields: { destination: lowerAddress(destination, "destination"), amount: usdText(usdMicros) },
  }),
  /** To the same account on Arbitrum or another's; a fee of 1 USD. */
  withdraw3: (destination: string, usdMicros: number): UserAction => ({
    kind: "withdraw3",
    fields: { destination: lowerAddress(destination, "destination"), amount: usdText(usdMicros) },
  }),
  /** @param token `NAME:0xid`. @param amount a decimal. */
  spotSend: (destination: string, token: string, amount: string): UserAction => ({
    kind: "spotSend",
    fields: {
      destination: lowerAddress(destination, "destination"),
      token,
      amount: decimalText(amount, "amount"),
    },
  }),
  /** Between spot and perp of the first dex; of a sub-account when one is named. */
  usdClassTransfer: (usdMicros: number, toPerp: boolean, subAccount?: string): UserAction => ({
    kind: "usdClassTransfer",
    fields: {
      amount:
        usdText(usdMicros) +
        (subAccount === undefined ? "" : ` subaccount:${lowerAddress(subAccount, "sub-account")}`),
      toPerp,
    },
  }),
  sendAsset: (send: AssetTransfer): UserAction => ({ kind: "sendAsset", fields: assetTransfer(send) }),
  /** @param name 1 to 16 characters, optionally ` valid_until <ms>` behind them; empty: the account's one unnamed agent. */
  approveAgent: (agent: string, name: string): UserAction => ({
    kind: "approveAgent",
    fields: { agentAddress: lowerAddress(agent, "agent address"), agentName: name },
  }),
  /** @param maxFeeRate such as `0.001%`. */
  approveBuilderFee: (builder: string, maxFeeRate: string): UserAction => ({
    kind: "approveBuilderFee",
    fields: { maxFeeRate, builder: lowerAddress(builder, "builder") },
  }),
} as const;

/** Any chain id may be signed for as long as it is the one posted; this is the official SDK's, on both networks. */
const SIGNATURE_CHAIN_ID = 0x66eee;

/**
 * Completes and signs a user-signed action.
 * @param source `a` signs for Mainnet, `b` for Testnet: what keeps it from being valid on the other.
 */
export function signUserAction(
  signer: L1Signer,
  action: UserAction,
  nonce: number,
  source: "a" | "b",
  signatureChainId = SIGNATURE_CHAIN_ID,
): { readonly action: ExchangeAction; readonly signature: Signature } {
  const [primaryType, fields]: readonly [string, readonly UserSignedField[]] = USER_SIGNED[action.kind];
  const nonceName = fields.at(-1)![1];
  const message = {
    hyperliquidChain: source === "a" ? "Mainnet" : "Testnet",
    ...action.fields,
    [nonceName]: nonce,
  };
  signer.signDigest(userSignedDigest(primaryType, fields, message, signatureChainId));
  const posted: Record<string, Plain> = {
    type: action.kind,
    signatureChainId: `0x${signatureChainId.toString(16)}`,
    ...message,
  };
  // The unnamed agent is signed with an empty name and posted without one.
  if (action.kind === "approveAgent" && action.fields["agentName"] === "") delete posted["agentName"];
  return { action: posted as ExchangeAction, signature: taken(signer) };
}
