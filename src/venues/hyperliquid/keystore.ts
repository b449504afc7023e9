/**
 * Encrypted key files: ethers' JSON wallets, version 3 (scrypt, AES-128-CTR), which other wallets read and write too. Nothing
 * here prints a key or a password or puts one into an error. Cold path: ethers is loaded on demand.
 */

import { type ScryptOptions, scrypt } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { VenueError } from "./errors.js";

export const PASSWORD_FILE_ENV_NAME = "HYPERLIQUID_KEYSTORE_PASSWORD_FILE";

/** Cost of the key derivation: the standard's 2^17 takes about a second, which is the point of it. */
const SCRYPT_N = 131_072;

/** With the runtime's scrypt in place of the library's own, which takes seconds and blocks the thread. */
async function loadEthers(): Promise<typeof import("ethers")> {
  const ethers = await import("ethers");
  ethers.scrypt.register((password, salt, N, r, p, length) => {
    const options: ScryptOptions = { N, r, p, maxmem: 256 * N * r + 2 ** 20 };
    return new Promise((resolve, reject) => {
      scrypt(password, salt, length, options, (error, derived) => (error ? reject(error) : resolve(derived)));
    });
  });
  return ethers;
}

/** @throws {VenueError} BadKey when other users can read the file. Windows has no such mode bits. */
export function refuseReadable(path: string, mode: number, holds: string): void {
  if (process.platform === "win32" || (mode & 0o077) === 0) return;
  const octal = (mode & 0o777).toString(8);
  throw new VenueError(
    "BadKey",
    `${path} holds ${holds} and other users can read it (mode ${octal}): run chmod 600 ${path}`,
  );
}

/** @throws {VenueError} BadKey when it cannot be read, or others can. */
function readPrivate(path: string, holds: string): string {
  let text: string;
  let mode: number;
  try {
    mode = statSync(path).mode;
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new VenueError(
      "BadKey",
      `${path}, which should hold ${holds}, cannot be read: ${(cause as Error).message}`,
      { cause },
    );
  }
  refuseReadable(path, mode, holds);
  return text;
}

/** The first line of a password file. @throws {VenueError} BadKey when it is empty, unreadable, or readable by others. */
export function readPasswordFile(path: string): string {
  const password = readPrivate(path, "a keystore password").split(/\r?\n/, 1)[0]!;
  if (password === "")
    throw new VenueError("BadKey", `${path} is empty: its first line should be the keystore's password`);
  return password;
}

/**
 * Reads the keystore, then asks for the password, then decrypts.
 * @returns 32 bytes that the caller zeroes.
 * @throws {VenueError} BadKey when the file is none, is damaged, or the password is wrong.
 */
export async function readKeystore(
  path: string,
  password: () => string | Promise<string>,
): Promise<Uint8Array> {
  const text = readPrivate(path, "an encrypted key");
  const { decryptKeystoreJson, isKeystoreJson } = await loadEthers();
  if (!isKeystoreJson(text))
    throw new VenueError(
      "BadKey",
      `${path} is not an encrypted keystore (JSON, version 3): make one with market-maker key import`,
    );
  const secret = await password();
  let hex: string;
  try {
    hex = (await decryptKeystoreJson(text, secret)).privateKey;
  } catch (error) {
    // The library's error is not attached: it may describe its arguments.
    const isWrong = error instanceof Error && error.message.includes("incorrect password");
    throw new VenueError(
      "BadKey",
      isWrong ? `${path}: wrong password` : `${path}: the keystore is damaged or of an unknown kind`,
    );
  }
  return Uint8Array.from(Buffer.from(hex.slice(2), "hex"));
}

/**
 * Encrypts a key into a new file of mode 600, which appears as a whole or not at all.
 * @param options.isReplacing an existing file may be overwritten. `scryptN` is for tests.
 * @throws {VenueError} BadKey when the file exists, or cannot be written.
 */
export async function writeKeystore(
  path: string,
  key: Uint8Array,
  address: string,
  password: string,
  options: { readonly isReplacing?: boolean; readonly scryptN?: number } = {},
): Promise<void> {
  const { encryptKeystoreJson, getAddress } = await loadEthers();
  const account = { address: getAddress(address), privateKey: `0x${Buffer.from(key).toString("hex")}` };
  const text = await encryptKeystoreJson(account, password, { scrypt: { N: options.scryptN ?? SCRYPT_N } });
  const draft = `${path}.${process.pid}.new`;
  try {
    const fd = openSync(draft, "wx", 0o600);
    try {
      writeSync(fd, text);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    if (options.isReplacing === true) renameSync(draft, path);
    else linkSync(draft, path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EEXIST") throw existing(path);
    throw new VenueError("BadKey", `${path} cannot be written: ${(cause as Error).message}`, { cause });
  } finally {
    try {
      unlinkSync(draft);
    } catch {
      // Renamed, or never made.
    }
  }
}

/** Told before a password is asked for. @throws {VenueError} BadKey */
export function refuseExisting(path: string): void {
  if (statSync(path, { throwIfNoEntry: false }) !== undefined) throw existing(path);
}

const existing = (path: string): VenueError =>
  new VenueError(
    "BadKey",
    `${path} exists: it may hold a key that nothing else holds; choose another path, or add --force`,
  );
