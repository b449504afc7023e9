/**
 * EIP-712 digests of user-signed actions, for any chain id a wallet may have signed on.
 *
 * Domain `HyperliquidSignTransaction`, version 1, the chain id as posted; primary type `HyperliquidTransaction:<name>`.
 * Source: reference/hyperliquid-api.md 5.4 and the vectors of 5.6.
 */
import { keccak_256 } from "@noble/hashes/sha3.js";
import { type FieldKind, USER_SIGNED, type UserSignedAction, type UserSignedType } from "./action-fields.js";

const keccakText = (text: string): Uint8Array => keccak_256(Buffer.from(text, "utf8"));

const solidityType = (kind: FieldKind): string => {
  switch (kind) {
    case "uint":
      return "uint64";
    case "bool":
      return "bool";
    case "address":
      return "address";
    default:
      return "string";
  }
};

const TYPE_HASH = new Map<UserSignedType, Uint8Array>(
  (Object.keys(USER_SIGNED) as UserSignedType[]).map((type) => {
    const { primaryType, fields } = USER_SIGNED[type];
    const members = fields.map(([name, kind]) => `${solidityType(kind)} ${name}`).join(",");
    return [type, keccakText(`HyperliquidTransaction:${primaryType}(string hyperliquidChain,${members})`)];
  }),
);

/** For tests: the hash of `HyperliquidTransaction:…(…)`. */
export const typeHash = (type: UserSignedType): Uint8Array => TYPE_HASH.get(type)!;

const DOMAIN_TYPE_HASH = keccakText(
  "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)",
);
const DOMAIN_NAME_HASH = keccakText("HyperliquidSignTransaction");
const DOMAIN_VERSION_HASH = keccakText("1");

/** An unsigned number or address right-aligned in a word. */
function word(out: Uint8Array, at: number, hexDigits: string): void {
  const bytes = Buffer.from(hexDigits.padStart(64, "0"), "hex");
  out.set(bytes, at);
}

export function userDomainSeparator(signatureChainId: string): Uint8Array {
  const domain = new Uint8Array(160);
  domain.set(DOMAIN_TYPE_HASH, 0);
  domain.set(DOMAIN_NAME_HASH, 32);
  domain.set(DOMAIN_VERSION_HASH, 64);
  word(domain, 96, signatureChainId.slice(2));
  return keccak_256(domain);
}

/** What the account's key signed. */
export function userSignedDigest(action: UserSignedAction): Uint8Array {
  const { fields } = USER_SIGNED[action.type];
  const values = action as unknown as Readonly<Record<string, unknown>>;
  const struct = new Uint8Array(64 + 32 * fields.length);
  struct.set(typeHash(action.type), 0);
  struct.set(keccakText(action.hyperliquidChain), 32);
  for (const [i, [name, kind]] of fields.entries()) {
    const at = 64 + 32 * i;
    const value = values[name];
    switch (solidityType(kind)) {
      case "uint64":
        word(struct, at, (value as number).toString(16));
        break;
      case "bool":
        struct[at + 31] = value === true ? 1 : 0;
        break;
      case "address":
        word(struct, at, (value as string).slice(2));
        break;
      default:
        struct.set(keccakText(value as string), at);
    }
  }
  const typed = new Uint8Array(66);
  typed[0] = 0x19;
  typed[1] = 0x01;
  typed.set(userDomainSeparator(action.signatureChainId), 2);
  typed.set(keccak_256(struct), 34);
  return keccak_256(typed);
}
