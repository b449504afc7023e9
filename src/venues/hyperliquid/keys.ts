/**
 * Where the private key comes from. Nothing here prints a key or puts one into an error. Cold path: start-up only.
 */
import { readFileSync, statSync } from "node:fs";
import { parseEnv } from "node:util";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { VenueError } from "./errors.js";
import type { NetworkName } from "./network.js";
import { curve } from "./sign.js";

export const KEY_ENV_NAME = "HYPERLIQUID_PRIVATE_KEY";

/**
 * Key of the simulated exchange's default account. It is derived from a public sentence, so everybody has it: never send
 * funds to its address. Refused on mainnet and testnet.
 */
export const DEV_PRIVATE_KEY: Readonly<Uint8Array> = keccak_256(
  new TextEncoder().encode("market-maker: key of the simulated exchange only, known to everybody"),
);

export type KeySource = "--private-key" | "environment" | ".env file" | "config" | "development key";

export interface LoadedKey {
  /** 32 bytes; the caller hands them to a signer and zeroes them. */
  readonly key: Uint8Array;
  readonly source: KeySource;
  /** Lines that the user should see, such as "the key is in the config file". */
  readonly warnings: readonly string[];
}

export interface KeyInputs {
  readonly network: NetworkName;
  /** Value of `--private-key`. */
  readonly option?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Path of the `.env` file; a missing file is not an error. */
  readonly envFile?: string | undefined;
  /** `private_key` of the configuration file. */
  readonly config?: string | undefined;
}

/**
 * Finds the key: option, environment, `.env`, configuration, and on localhost alone the development key.
 * @throws {VenueError} BadKey when none is found, one is malformed, `.env` is readable by others, or the development key
 *   meets a real network.
 */
export function loadPrivateKey(inputs: KeyInputs): LoadedKey {
  const warnings: string[] = [];
  const found = findKey(inputs, warnings);
  if (found === undefined) {
    if (inputs.network === "localhost") {
      return { key: Uint8Array.from(DEV_PRIVATE_KEY), source: "development key", warnings };
    }
    throw new VenueError(
      "BadKey",
      `no private key for ${inputs.network}: set ${KEY_ENV_NAME} in the environment or in a .env file (chmod 600)`,
    );
  }
  const [text, source, where] = found;
  const key = parsePrivateKey(text, where);
  if (inputs.network !== "localhost" && Buffer.from(key).equals(DEV_PRIVATE_KEY)) {
    throw new VenueError(
      "BadKey",
      `the key in ${where} is the public development key: it is refused on ${inputs.network}, use a key of your own`,
    );
  }
  return { key, source, warnings };
}

function findKey(inputs: KeyInputs, warnings: string[]): [string, KeySource, string] | undefined {
  if (inputs.option !== undefined) {
    warnings.push(`--private-key is visible to other users in the process list: prefer ${KEY_ENV_NAME}`);
    return [inputs.option, "--private-key", "--private-key"];
  }
  const fromEnv = inputs.env[KEY_ENV_NAME];
  if (fromEnv !== undefined && fromEnv !== "") return [fromEnv, "environment", KEY_ENV_NAME];
  if (inputs.envFile !== undefined) {
    const fromFile = readEnvFile(inputs.envFile);
    if (fromFile !== undefined) return [fromFile, ".env file", `${KEY_ENV_NAME} of ${inputs.envFile}`];
  }
  if (inputs.config !== undefined && inputs.config !== "") {
    warnings.push(`the private key is in the configuration file: prefer ${KEY_ENV_NAME} or a .env file`);
    return [inputs.config, "config", "private_key of the configuration"];
  }
  return undefined;
}

function readEnvFile(path: string): string | undefined {
  let text: string;
  let mode: number;
  try {
    mode = statSync(path).mode;
    text = readFileSync(path, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new VenueError("BadKey", `${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
  const value = parseEnv(text)[KEY_ENV_NAME];
  if (value === undefined || value === "") return undefined;
  // Windows has no such mode bits.
  if (process.platform !== "win32" && (mode & 0o077) !== 0) {
    const octal = (mode & 0o777).toString(8);
    throw new VenueError(
      "BadKey",
      `${path} holds a private key and other users can read it (mode ${octal}): run chmod 600 ${path}`,
    );
  }
  return value;
}

/**
 * Reads 64 hex digits, with or without `0x`.
 * @param where named in the error; the text itself never is.
 * @throws {VenueError} BadKey
 */
export function parsePrivateKey(text: string, where: string): Uint8Array {
  const trimmed = text.trim();
  const hex = /^0x/i.test(trimmed) ? trimmed.slice(2) : trimmed;
  if (!/^[0-9a-fA-F]{64}$/.test(hex)) {
    const problem = hex.length === 64 ? "it holds other characters" : `found ${hex.length} characters`;
    throw new VenueError(
      "BadKey",
      `${where} is not a private key: expected 64 hex digits after an optional 0x, ${problem}`,
    );
  }
  const key = Uint8Array.from(Buffer.from(hex, "hex"));
  if (!curve().api.privateKeyVerify(key)) {
    throw new VenueError(
      "BadKey",
      `${where} is not a private key: the number is outside the range of secp256k1`,
    );
  }
  return key;
}
