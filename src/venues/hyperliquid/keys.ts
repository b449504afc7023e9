/**
 * Where the private key comes from. Nothing here prints a key or puts one into an error. Cold path: start-up only.
 */
import { readFileSync, statSync } from "node:fs";
import { parseEnv } from "node:util";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { VenueError } from "./errors.js";
import { PASSWORD_FILE_ENV_NAME, readKeystore, readPasswordFile, refuseReadable } from "./keystore.js";
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

export type KeySource =
  | "--private-key"
  | "--keystore"
  | "environment"
  | ".env file"
  | "keystore"
  | "config"
  | "development key";

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
  /** Path given with `--keystore`. */
  readonly keystoreOption?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Path of the `.env` file; a missing file is not an error. */
  readonly envFile?: string | undefined;
  /** `network.keystore` of the configuration. */
  readonly keystore?: string | undefined;
  /** From `--password-file` or `network.password_file`; the environment's stands in for it. */
  readonly passwordFile?: string | undefined;
  /** Asks at the terminal without an echo; undefined: there is none. */
  readonly askSecret?: ((question: string) => Promise<string>) | undefined;
  /** `network.private_key` of the configuration, and the file that it stands in. */
  readonly config?: string | undefined;
  readonly configFile?: string | undefined;
}

/**
 * Finds the key. The first of these that is there decides: `--private-key`, `--keystore`, the environment, `.env`, the
 * configuration's keystore, the configuration's key, and on localhost alone the development key.
 * @throws {VenueError} BadKey when none is found, one is malformed, a file with a secret is readable by others, the password
 *   is wrong, or the development key meets a real network.
 */
export async function loadPrivateKey(inputs: KeyInputs): Promise<LoadedKey> {
  const warnings: string[] = [];
  const found = findKey(inputs, warnings);
  if (found === undefined) {
    if (inputs.network === "localhost") {
      return { key: Uint8Array.from(DEV_PRIVATE_KEY), source: "development key", warnings };
    }
    throw new VenueError(
      "BadKey",
      `no private key for ${inputs.network}: set ${KEY_ENV_NAME} in the environment or in a .env file (chmod 600), or use a keystore (market-maker key import)`,
    );
  }
  const { source, where } = found;
  const key = "text" in found ? parsePrivateKey(found.text, where) : await fromKeystore(found.path, inputs);
  if (inputs.network !== "localhost" && Buffer.from(key).equals(DEV_PRIVATE_KEY)) {
    throw new VenueError(
      "BadKey",
      `the key in ${where} is the public development key: it is refused on ${inputs.network}, use a key of your own`,
    );
  }
  return { key, source, warnings };
}

/** A key as text, or the path of a keystore. */
type Found = { readonly source: KeySource; readonly where: string } & (
  | { readonly text: string }
  | { readonly path: string }
);

function findKey(inputs: KeyInputs, warnings: string[]): Found | undefined {
  const { option, keystoreOption, keystore } = inputs;
  if (option !== undefined) {
    warnings.push(
      `--private-key is visible to other users in the process list: prefer ${KEY_ENV_NAME} or a keystore`,
    );
    return { text: option, source: "--private-key", where: "--private-key" };
  }
  if (keystoreOption !== undefined)
    return { path: keystoreOption, source: "--keystore", where: keystoreOption };
  const shadowed = (source: string): void => {
    if (keystore !== undefined)
      warnings.push(`the key comes from ${source}: keystore ${keystore} is not read`);
  };
  const fromEnv = inputs.env[KEY_ENV_NAME];
  if (fromEnv !== undefined && fromEnv !== "") {
    shadowed(KEY_ENV_NAME);
    return { text: fromEnv, source: "environment", where: KEY_ENV_NAME };
  }
  if (inputs.envFile !== undefined) {
    const text = readEnvFile(inputs.envFile);
    if (text !== undefined) {
      shadowed(inputs.envFile);
      return { text, source: ".env file", where: `${KEY_ENV_NAME} of ${inputs.envFile}` };
    }
  }
  if (keystore !== undefined) return { path: keystore, source: "keystore", where: keystore };
  if (inputs.config !== undefined && inputs.config !== "") {
    if (inputs.configFile !== undefined)
      refuseReadable(inputs.configFile, statSync(inputs.configFile).mode, "a private key");
    warnings.push(`the private key is in the configuration file: prefer ${KEY_ENV_NAME} or a keystore`);
    return { text: inputs.config, source: "config", where: "private_key of the configuration" };
  }
  return undefined;
}

function fromKeystore(path: string, inputs: KeyInputs): Promise<Uint8Array> {
  const passwordFile = inputs.passwordFile ?? (inputs.env[PASSWORD_FILE_ENV_NAME] || undefined);
  return readKeystore(path, () => {
    if (passwordFile !== undefined) return readPasswordFile(passwordFile);
    if (inputs.askSecret !== undefined) return inputs.askSecret(`Password of ${path}: `);
    throw new VenueError(
      "BadKey",
      `${path} needs a password and there is no terminal to ask at: use --password-file or ${PASSWORD_FILE_ENV_NAME}`,
    );
  });
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
  refuseReadable(path, mode, "a private key");
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
