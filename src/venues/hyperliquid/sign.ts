/**
 * Signatures of the venue: L1 actions on the hot path, user-signed actions for accounts. Bit-identical to ethers and to the
 * official vectors (deterministic k of RFC 6979, low s). Source: reference §5.
 */
import { createRequire } from "node:module";
import { inspect } from "node:util";
import { keccak_256 } from "@noble/hashes/sha3.js";
import type * as Secp256k1 from "secp256k1";
import { VenueError } from "./errors.js";
import { Keccak256 } from "./keccak.js";

const require = createRequire(import.meta.url);

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const hashText = (text: string): Uint8Array => keccak_256(utf8(text));
const fromHex = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replace(/^0x/, ""), "hex"));

/** What libsecp256k1 gives us; the package's pure JavaScript version has the same face. */
export interface Curve {
  readonly implementation: "libsecp256k1" | "elliptic";
  readonly api: Pick<typeof Secp256k1, "ecdsaSign" | "privateKeyVerify" | "publicKeyCreate">;
}

/** Best first; the next is loaded only when the one before will not do. */
function* loadCurves(): Generator<Curve> {
  let native: Curve["api"] | undefined;
  try {
    native = require("secp256k1/bindings.js") as Curve["api"];
  } catch {
    // No prebuilt binding for this machine: the JavaScript version below signs the same, twenty times slower.
  }
  if (native !== undefined) yield { implementation: "libsecp256k1", api: native };
  yield { implementation: "elliptic", api: require("secp256k1/elliptic.js") as Curve["api"] };
}

/** Vector 2 of reference §5.6, testnet: digest and signature. */
const VECTOR = {
  key: fromHex("0123456789012345678901234567890123456789012345678901234567890123"),
  digest: fromHex("606be2d25f68768f876dc04a2c3c86ceafd2d6a3c3cbb963454462d6734ebfa6"),
  rs: fromHex(
    "82b2ba28e76b3d761093aaded1b1cdad4960b3af30212b343fb2e6cdfa4e3d54" +
      "6b53878fc99d26047f4d7e8c90eb98955a109f44209163f52d8dc4278cbbd9f5",
  ),
  recid: 0,
};

function signsVector(curve: Curve): boolean {
  try {
    const { signature, recid } = curve.api.ecdsaSign(VECTOR.digest, VECTOR.key);
    return recid === VECTOR.recid && signature.every((b, i) => b === VECTOR.rs[i]);
  } catch {
    return false; // A binding that loads but cannot run counts as one that does not load.
  }
}

let chosen: Curve | undefined;

/**
 * The fastest curve implementation that reproduces the test vector.
 * @throws {VenueError} BadKey when none does.
 */
export function curve(candidates: () => Iterable<Curve> = loadCurves): Curve {
  if (chosen && candidates === loadCurves) return chosen;
  for (const found of candidates()) {
    if (!signsVector(found)) continue;
    if (candidates === loadCurves) chosen = found;
    return found;
  }
  throw new VenueError("BadKey", "no secp256k1 implementation reproduces the test vector; reinstall");
}

/** keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)") and friends. */
const DOMAIN_TYPE_HASH = hashText(
  "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)",
);

function domainSeparator(name: string, chainId: number): Uint8Array {
  return keccak_256(
    Buffer.concat([
      DOMAIN_TYPE_HASH,
      hashText(name),
      hashText("1"),
      uintWord(BigInt(chainId)),
      new Uint8Array(32),
    ]),
  );
}

function uintWord(value: bigint): Uint8Array {
  return fromHex(value.toString(16).padStart(64, "0"));
}

/** chainId 1337 on every network: the source letter is what tells them apart. */
const L1_DOMAIN = domainSeparator("Exchange", 1337);
const AGENT_TYPE_HASH = hashText("Agent(string source,bytes32 connectionId)");

/** Largest hashed action: a full batch (200 elements) with nonce, vault and expiry behind it. */
const MAX_ACTION_BYTES = 64 * 1024;

/** Writes an integer below 2^53 as eight big-endian bytes. */
function putU64(out: Uint8Array, at: number, value: number): number {
  const high = Math.floor(value / 0x1_0000_0000);
  const low = value >>> 0;
  out[at] = high >>> 24;
  out[at + 1] = high >>> 16;
  out[at + 2] = high >>> 8;
  out[at + 3] = high;
  out[at + 4] = low >>> 24;
  out[at + 5] = low >>> 16;
  out[at + 6] = low >>> 8;
  out[at + 7] = low;
  return at + 8;
}

/**
 * Signs L1 actions with one key.
 *
 * The key is copied in, leaves the object by no door (not by `inspect`, JSON or an error) and is zeroed by `dispose`.
 *
 * Thread: executor. Allocates: one small result object of the binding per signature.
 */
export class L1Signer {
  /** Lower-case `0x` address of the key. */
  readonly address: string;
  /** r and s of the last signature, 32 bytes each, overwritten by the next. */
  readonly signature = new Uint8Array(64);
  readonly r = this.signature.subarray(0, 32);
  readonly s = this.signature.subarray(32, 64);
  /** 27 or 28. */
  v = 0;
  readonly implementation: Curve["implementation"];

  readonly #key: Uint8Array;
  readonly #curve: Curve["api"];
  #isDisposed = false;
  private readonly hasher = new Keccak256(MAX_ACTION_BYTES);
  private readonly agentPrefix: Uint8Array;
  private readonly digestPrefix: Uint8Array;

  /**
   * @param privateKey 32 bytes; copied, so the caller may zero its own.
   * @param source `a` for mainnet, `b` for any other network.
   * @throws {VenueError} BadKey when the bytes are not a valid key.
   */
  constructor(privateKey: Uint8Array, source: "a" | "b", using: Curve = curve()) {
    if (privateKey.length !== 32 || !using.api.privateKeyVerify(privateKey)) {
      throw new VenueError("BadKey", "the private key is not a valid secp256k1 key (32 bytes, 1 ≤ key < n)");
    }
    this.#key = Uint8Array.from(privateKey);
    this.#curve = using.api;
    this.implementation = using.implementation;
    const point = using.api.publicKeyCreate(this.#key, false);
    this.address = `0x${Buffer.from(keccak_256(point.subarray(1))).toString("hex", 12)}`;
    this.agentPrefix = Uint8Array.from([...AGENT_TYPE_HASH, ...hashText(source)]);
    this.digestPrefix = Uint8Array.from([0x19, 0x01, ...L1_DOMAIN]);
  }

  /**
   * Signs an encoded action; the result is in `r`, `s` and `v`.
   *
   * @param msgpack buffer that holds the action's `length` bytes at its start.
   * @param vaultAddress the 20 bytes of the vault or sub-account traded for.
   * @param expiresAfter deadline, Unix ms.
   */
  sign(
    msgpack: Uint8Array,
    length: number,
    nonce: number,
    vaultAddress?: Uint8Array,
    expiresAfter?: number,
  ): void {
    this.hashAction(msgpack, length, nonce, vaultAddress, expiresAfter);
    const { input, digest } = this.hasher;
    input.set(this.agentPrefix);
    input.set(digest, 64);
    this.hasher.digestInput(96);
    input.set(this.digestPrefix);
    input.set(digest, 34);
    this.hasher.digestInput(66);
    this.signDigest(digest);
  }

  /** The action's connection id, a copy. For checks; `sign` does the same in place. */
  connectionId(
    msgpack: Uint8Array,
    length: number,
    nonce: number,
    vaultAddress?: Uint8Array,
    expiresAfter?: number,
  ): Uint8Array {
    this.hashAction(msgpack, length, nonce, vaultAddress, expiresAfter);
    return this.hasher.digest.slice();
  }

  /** Signs any 32-byte digest (user-signed actions: see `userSignedDigest`). */
  signDigest(digest: Uint8Array): void {
    if (this.#isDisposed) throw new VenueError("BadKey", "the signer is disposed: its key has been zeroed");
    this.v = 27 + this.#curve.ecdsaSign(digest, this.#key, undefined, this.signature).recid;
  }

  /** Zeroes the key. Signing afterwards throws. */
  dispose(): void {
    this.#key.fill(0);
    this.#isDisposed = true;
  }

  toJSON(): { address: string } {
    return { address: this.address };
  }

  [inspect.custom](): string {
    return `L1Signer(${this.address})`;
  }

  private hashAction(
    msgpack: Uint8Array,
    length: number,
    nonce: number,
    vaultAddress: Uint8Array | undefined,
    expiresAfter: number | undefined,
  ): void {
    const { input } = this.hasher;
    input.set(msgpack.subarray(0, length));
    let at = putU64(input, length, nonce);
    if (vaultAddress === undefined) {
      input[at++] = 0;
    } else {
      input[at++] = 1;
      input.set(vaultAddress, at);
      at += 20;
    }
    if (expiresAfter !== undefined) {
      input[at++] = 0;
      at = putU64(input, at, expiresAfter);
    }
    this.hasher.digestInput(at);
  }
}

/** One typed field of a user-signed action, in the order of the venue's table. */
export type UserSignedField = readonly [
  type: "string" | "uint64" | "bool" | "address" | "bytes32",
  name: string,
];

/**
 * EIP-712 digest of a user-signed action (transfers, approvals), domain "HyperliquidSignTransaction".
 * Cold path. Source: reference §5.4.
 *
 * @param primaryType such as `UsdSend`, without the `HyperliquidTransaction:` prefix.
 * @param signatureChainId any chain id the wallet supports; must equal the one posted.
 */
export function userSignedDigest(
  primaryType: string,
  fields: readonly UserSignedField[],
  message: Readonly<Record<string, string | number | bigint | boolean>>,
  signatureChainId: number,
): Uint8Array {
  const type = `HyperliquidTransaction:${primaryType}(${fields.map(([t, n]) => `${t} ${n}`).join(",")})`;
  const words = fields.map(([t, name]) => {
    const value = message[name];
    if (value === undefined) throw new RangeError(`${primaryType}: field ${name} is missing`);
    if (t === "string") return hashText(String(value));
    if (t === "address" || t === "bytes32") return uintWord(BigInt(value));
    return uintWord(BigInt(value));
  });
  const structHash = keccak_256(Buffer.concat([hashText(type), ...words]));
  const domain = domainSeparator("HyperliquidSignTransaction", signatureChainId);
  return keccak_256(Buffer.concat([Uint8Array.from([0x19, 0x01]), domain, structHash]));
}
