/**
 * The flat actions, by table: one row gives a field's name, how it is read, and its place in what is signed.
 *
 * L1 actions are hashed in the order `type`, then the fields as listed; user-signed actions are EIP-712 structs of
 * `hyperliquidChain` and the fields as listed. Orders, cancels, modifies and TWAPs have structure and are in actions.ts.
 *
 * Amounts of money are kept as sent (they are hashed as text), addresses lower-cased. Source: reference 4 and 5.4.
 */

/** What a field is read as, and the TypeScript type that comes of it. */
interface FieldTypes {
  /** Unsigned integer. */
  uint: number;
  int: number;
  bool: boolean;
  /** Lower-cased. In EIP-712 an `address`. */
  address: string;
  /** Lower-cased. In EIP-712 a `string`. */
  addressText: string;
  /** An address or the empty string. */
  addressOrEmpty: string;
  /** Unsigned decimal, as sent. */
  decimal: string;
  /** Unsigned decimal, perhaps followed by ` subaccount:0x…` (usdClassTransfer). */
  amount: string;
  text: string;
  /** Text, where absent and null mean the empty string (an unnamed agent). */
  textOrNone: string;
  boolOrNull: boolean | null;
  /** `{"optOut": bool}`, of toggleSpotDusting. */
  optOut: { readonly optOut: boolean };
}

export type FieldKind = keyof FieldTypes;
export type Field = readonly [name: string, kind: FieldKind, presence?: "optional"];

export const L1_FIELDS = {
  noop: [],
  updateLeverage: [
    ["asset", "uint"],
    ["isCross", "bool"],
    ["leverage", "uint"],
  ],
  updateIsolatedMargin: [
    ["asset", "uint"],
    ["isBuy", "bool"],
    ["ntli", "int"],
  ],
  topUpIsolatedOnlyMargin: [
    ["asset", "uint"],
    ["leverage", "decimal"],
  ],
  scheduleCancel: [["time", "uint", "optional"]],
  reserveRequestWeight: [
    ["weight", "uint"],
    ["destination", "address", "optional"],
  ],
  twapCancel: [
    ["a", "uint"],
    ["t", "uint"],
  ],
  createSubAccount: [["name", "text"]],
  subAccountModify: [
    ["subAccountUser", "address"],
    ["name", "text"],
  ],
  subAccountTransfer: [
    ["subAccountUser", "address"],
    ["isDeposit", "bool"],
    ["usd", "uint"],
  ],
  subAccountSpotTransfer: [
    ["subAccountUser", "address"],
    ["isDeposit", "bool"],
    ["token", "text"],
    ["amount", "decimal"],
  ],
  vaultTransfer: [
    ["vaultAddress", "address"],
    ["isDeposit", "bool"],
    ["usd", "uint"],
  ],
  createVault: [
    ["name", "text"],
    ["description", "text"],
    ["initialUsd", "uint"],
    ["nonce", "uint"],
  ],
  vaultModify: [
    ["vaultAddress", "address"],
    ["allowDeposits", "boolOrNull"],
    ["alwaysCloseOnWithdraw", "boolOrNull"],
  ],
  vaultDistribute: [
    ["vaultAddress", "address"],
    ["usd", "uint"],
  ],
  agentSendAsset: [
    ["destination", "address"],
    ["sourceDex", "text"],
    ["destinationDex", "text"],
    ["token", "text"],
    ["amount", "decimal"],
    ["fromSubAccount", "addressOrEmpty"],
    ["nonce", "uint"],
  ],
  agentSetAbstraction: [["abstraction", "text"]],
  agentEnableDexAbstraction: [],
  setReferrer: [["code", "text"]],
  registerReferrer: [["code", "text"]],
  setDisplayName: [["displayName", "text"]],
  evmUserModify: [["usingBigBlocks", "bool"]],
  spotUser: [["toggleSpotDusting", "optOut"]],
  claimRewards: [],
} as const satisfies Readonly<Record<string, readonly Field[]>>;

export interface UserSignedSpec {
  /** EIP-712 primary type, without its `HyperliquidTransaction:` prefix. */
  readonly primaryType: string;
  readonly fields: readonly Field[];
  /** The field that repeats the request's nonce. */
  readonly nonceField: "nonce" | "time";
}

export const USER_SIGNED = {
  usdSend: {
    primaryType: "UsdSend",
    fields: [
      ["destination", "addressText"],
      ["amount", "decimal"],
      ["time", "uint"],
    ],
    nonceField: "time",
  },
  spotSend: {
    primaryType: "SpotSend",
    fields: [
      ["destination", "addressText"],
      ["token", "text"],
      ["amount", "decimal"],
      ["time", "uint"],
    ],
    nonceField: "time",
  },
  withdraw3: {
    primaryType: "Withdraw",
    fields: [
      ["destination", "addressText"],
      ["amount", "decimal"],
      ["time", "uint"],
    ],
    nonceField: "time",
  },
  usdClassTransfer: {
    primaryType: "UsdClassTransfer",
    fields: [
      ["amount", "amount"],
      ["toPerp", "bool"],
      ["nonce", "uint"],
    ],
    nonceField: "nonce",
  },
  sendAsset: {
    primaryType: "SendAsset",
    fields: [
      ["destination", "addressText"],
      ["sourceDex", "text"],
      ["destinationDex", "text"],
      ["token", "text"],
      ["amount", "decimal"],
      ["fromSubAccount", "addressOrEmpty"],
      ["nonce", "uint"],
    ],
    nonceField: "nonce",
  },
  approveAgent: {
    primaryType: "ApproveAgent",
    fields: [
      ["agentAddress", "address"],
      ["agentName", "textOrNone"],
      ["nonce", "uint"],
    ],
    nonceField: "nonce",
  },
  approveBuilderFee: {
    primaryType: "ApproveBuilderFee",
    fields: [
      ["maxFeeRate", "text"],
      ["builder", "address"],
      ["nonce", "uint"],
    ],
    nonceField: "nonce",
  },
  userSetAbstraction: {
    primaryType: "UserSetAbstraction",
    fields: [
      ["user", "address"],
      ["abstraction", "text"],
      ["nonce", "uint"],
    ],
    nonceField: "nonce",
  },
  userDexAbstraction: {
    primaryType: "UserDexAbstraction",
    fields: [
      ["user", "address"],
      ["enabled", "bool"],
      ["nonce", "uint"],
    ],
    nonceField: "nonce",
  },
  userPortfolioMargin: {
    primaryType: "UserPortfolioMargin",
    fields: [
      ["user", "address"],
      ["enabled", "bool"],
      ["nonce", "uint"],
    ],
    nonceField: "nonce",
  },
  tokenDelegate: {
    primaryType: "TokenDelegate",
    fields: [
      ["validator", "address"],
      ["wei", "uint"],
      ["isUndelegate", "bool"],
      ["nonce", "uint"],
    ],
    nonceField: "nonce",
  },
  cDeposit: {
    primaryType: "CDeposit",
    fields: [
      ["wei", "uint"],
      ["nonce", "uint"],
    ],
    nonceField: "nonce",
  },
  cWithdraw: {
    primaryType: "CWithdraw",
    fields: [
      ["wei", "uint"],
      ["nonce", "uint"],
    ],
    nonceField: "nonce",
  },
} as const satisfies Readonly<Record<string, UserSignedSpec>>;

type ValuesOf<F extends readonly Field[]> = {
  readonly [E in F[number] as E extends readonly [string, FieldKind, "optional"]
    ? never
    : E[0]]: FieldTypes[E[1]];
} & {
  readonly [E in F[number] as E extends readonly [string, FieldKind, "optional"]
    ? E[0]
    : never]?: FieldTypes[E[1]];
};

export type L1Type = keyof typeof L1_FIELDS;
/** An L1 action without structure. */
export type FlatAction = {
  [T in L1Type]: { readonly type: T } & ValuesOf<(typeof L1_FIELDS)[T]>;
}[L1Type];

export type UserSignedType = keyof typeof USER_SIGNED;
/** An action that only the account's own key may sign, as typed data. */
export type UserSignedAction = {
  [T in UserSignedType]: {
    readonly type: T;
    readonly hyperliquidChain: "Mainnet" | "Testnet";
    readonly signatureChainId: string;
  } & ValuesOf<(typeof USER_SIGNED)[T]["fields"]>;
}[UserSignedType];

const TEXT_BYTES_MAX = 1000;
const DECIMAL_CHARS_MAX = 60;

/** `0x` and 40 hex digits, lower-cased; undefined for anything else. */
export function parseAddress(v: unknown): string | undefined {
  return typeof v === "string" && /^0x[0-9a-fA-F]{40}$/.test(v) ? v.toLowerCase() : undefined;
}

export const isObject = (v: unknown): v is Readonly<Record<string, unknown>> =>
  typeof v === "object" && v !== null && !Array.isArray(v);
export const isUint = (v: unknown): v is number => typeof v === "number" && Number.isSafeInteger(v) && v >= 0;

const isDecimal = (v: unknown): v is string =>
  typeof v === "string" && v.length <= DECIMAL_CHARS_MAX && /^\d+(\.\d+)?$/.test(v);

/** @returns undefined for what does not deserialise. */
function parseField(kind: FieldKind, v: unknown): FieldTypes[FieldKind] | undefined {
  switch (kind) {
    case "uint":
      return isUint(v) ? v : undefined;
    case "int":
      return typeof v === "number" && Number.isSafeInteger(v) ? v : undefined;
    case "bool":
      return typeof v === "boolean" ? v : undefined;
    case "boolOrNull":
      return typeof v === "boolean" || v === null ? v : v === undefined ? null : undefined;
    case "address":
    case "addressText":
      return parseAddress(v);
    case "addressOrEmpty":
      return v === "" ? "" : parseAddress(v);
    case "decimal":
      return isDecimal(v) ? v : undefined;
    case "amount": {
      if (typeof v !== "string") return undefined;
      const [amount, suffix, ...rest] = v.split(" ");
      if (!isDecimal(amount) || rest.length > 0) return undefined;
      return suffix === undefined || /^subaccount:0x[0-9a-fA-F]{40}$/.test(suffix) ? v : undefined;
    }
    case "text":
      return typeof v === "string" && Buffer.byteLength(v) <= TEXT_BYTES_MAX ? v : undefined;
    case "textOrNone":
      return v === undefined || v === null ? "" : parseField("text", v);
    case "optOut": {
      const optOut = isObject(v) ? v["optOut"] : undefined;
      return typeof optOut === "boolean" ? { optOut } : undefined;
    }
  }
}

/** Reads the listed fields of `v`, in order, into `out`. @returns false when one does not deserialise. */
function parseFields(
  fields: readonly Field[],
  v: Readonly<Record<string, unknown>>,
  out: Record<string, unknown>,
): boolean {
  for (const [name, kind, presence] of fields) {
    const given = v[name];
    if (presence === "optional" && (given === undefined || given === null)) continue;
    const value = parseField(kind, given);
    if (value === undefined) return false;
    out[name] = value;
  }
  return true;
}

export function parseFlatAction(type: L1Type, v: Readonly<Record<string, unknown>>): FlatAction | undefined {
  const out: Record<string, unknown> = { type };
  return parseFields(L1_FIELDS[type], v, out) ? (out as FlatAction) : undefined;
}

export function parseUserSigned(
  type: UserSignedType,
  v: Readonly<Record<string, unknown>>,
): UserSignedAction | undefined {
  const { hyperliquidChain, signatureChainId } = v;
  if (hyperliquidChain !== "Mainnet" && hyperliquidChain !== "Testnet") return undefined;
  if (typeof signatureChainId !== "string" || !/^0x[0-9a-fA-F]{1,13}$/.test(signatureChainId))
    return undefined;
  const out: Record<string, unknown> = { type, hyperliquidChain, signatureChainId };
  return parseFields(USER_SIGNED[type].fields, v, out) ? (out as UserSignedAction) : undefined;
}

export const isL1Type = (type: string): type is L1Type => Object.hasOwn(L1_FIELDS, type);
export const isUserSignedType = (type: string): type is UserSignedType => Object.hasOwn(USER_SIGNED, type);
