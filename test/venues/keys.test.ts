import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { Wallet } from "ethers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { VenueError } from "../../src/venues/hyperliquid/errors.js";
import {
  DEV_PRIVATE_KEY,
  KEY_ENV_NAME,
  type KeyInputs,
  type LoadedKey,
  loadPrivateKey,
} from "../../src/venues/hyperliquid/keys.js";
import {
  PASSWORD_FILE_ENV_NAME,
  readKeystore,
  writeKeystore,
} from "../../src/venues/hyperliquid/keystore.js";

describe("the private key", () => {
  const dir = mkdtempSync(join(tmpdir(), "mm-keys-"));
  afterAll(() => rmSync(dir, { recursive: true }));
  const A = "a1".repeat(32);
  const B = `0x${"B2".repeat(32)}`;
  const C = "c3".repeat(32);
  const D = "d4".repeat(32);
  const envFile = (text: string, mode = 0o600): string => {
    const path = join(dir, `env-${Math.abs(Buffer.from(text + mode).readInt32BE(0))}-${mode}`);
    writeFileSync(path, text);
    chmodSync(path, mode);
    return path;
  };
  const load = (inputs: Partial<KeyInputs>): Promise<LoadedKey> =>
    loadPrivateKey({ network: "mainnet", env: {}, ...inputs });
  const refused = (inputs: Partial<KeyInputs>): Promise<VenueError> =>
    load(inputs).then(
      () => {
        throw new Error("the key was taken");
      },
      (error: VenueError) => error,
    );
  const hexOf = (key: Uint8Array): string => Buffer.from(key).toString("hex");

  test("comes from the option, then the environment, then .env, then the configuration", async () => {
    const env = { [KEY_ENV_NAME]: B };
    const file = envFile(`OTHER=1\n${KEY_ENV_NAME}="${C}"\n`);
    const all = { option: A, env, envFile: file, config: D };
    expect(await load(all)).toMatchObject({ source: "--private-key" });
    expect(hexOf((await load(all)).key)).toBe(A);
    expect(hexOf((await load({ ...all, option: undefined })).key)).toBe("b2".repeat(32));
    expect(await load({ ...all, option: undefined, env: {} })).toMatchObject({
      source: ".env file",
      warnings: [],
    });
    expect(hexOf((await load({ ...all, option: undefined, env: {} })).key)).toBe(C);
    const last = await load({ config: D });
    expect([last.source, hexOf(last.key)]).toEqual(["config", D]);
    expect(last.warnings[0]).toContain("configuration file");
  });

  test("in a .env file that others can read is refused with the cure", async () => {
    const path = envFile(`${KEY_ENV_NAME}=${A}`, 0o644);
    const error = await refused({ envFile: path });
    expect(error.message).toBe(
      `${path} holds a private key and other users can read it (mode 644): run chmod 600 ${path}`,
    );
  });

  test("a .env file of others without a key does not matter, nor does a missing one", async () => {
    const path = envFile("OTHER=1", 0o644);
    expect((await load({ envFile: path, config: D })).source).toBe("config");
    expect((await load({ envFile: join(dir, "absent"), config: D })).source).toBe("config");
  });

  test.each([
    ["one digit short", A.slice(1), "found 63 characters"],
    ["with a wrong letter", `${A.slice(1)}z`, "it holds other characters"],
    ["a seed phrase", "word ".repeat(12), "found 59 characters"],
    ["out of range", "ff".repeat(32), "outside the range"],
    ["zero", "0".repeat(64), "outside the range"],
  ])("malformed (%s) is one clear line that does not show it", async (_, text, problem) => {
    const error = await refused({ env: { [KEY_ENV_NAME]: text } });
    expect(error.code).toBe("BadKey");
    expect(error.message).toContain(KEY_ENV_NAME);
    expect(error.message).toContain(problem);
    expect(error.message).not.toContain("\n");
    expect(inspect(error, { showHidden: true })).not.toContain(text.trim().slice(0, 12));
  });

  test("is missing: says where to put it, and only localhost has a default", async () => {
    expect((await refused({})).message).toContain(`set ${KEY_ENV_NAME}`);
    const dev = await load({ network: "localhost" });
    expect(dev.source).toBe("development key");
    expect(hexOf(dev.key)).toBe(hexOf(DEV_PRIVATE_KEY as Uint8Array));
  });

  test("of development is refused on real networks", async () => {
    const text = hexOf(DEV_PRIVATE_KEY as Uint8Array);
    for (const network of ["mainnet", "testnet"] as const) {
      expect((await refused({ network, env: { [KEY_ENV_NAME]: text } })).message).toContain(
        `refused on ${network}`,
      );
    }
    expect((await load({ network: "localhost", env: { [KEY_ENV_NAME]: text } })).source).toBe("environment");
  });

  test("in a configuration file that others can read is refused with the cure", async () => {
    const path = join(dir, "with-key.toml");
    writeFileSync(path, "", { mode: 0o600 });
    chmodSync(path, 0o640);
    const error = await refused({ config: D, configFile: path });
    expect(error.message).toBe(
      `${path} holds a private key and other users can read it (mode 640): run chmod 600 ${path}`,
    );
    chmodSync(path, 0o600);
    expect((await load({ config: D, configFile: path })).source).toBe("config");
  });

  describe("in a keystore", () => {
    const PASSWORD = "correct horse ünïcode";
    const path = join(dir, "keystore.json");
    const passwordFile = join(dir, "password");
    beforeAll(async () => {
      const { address } = new Wallet(`0x${A}`);
      await writeKeystore(path, Buffer.from(A, "hex"), address.toLowerCase(), PASSWORD, { scryptN: 1024 });
      writeFileSync(passwordFile, `${PASSWORD}\nnot this line\n`, { mode: 0o600 });
    });

    test("is read with the password of a file, of the environment's file, or asked for", async () => {
      const byFile = await load({ keystore: path, passwordFile });
      expect([byFile.source, hexOf(byFile.key), byFile.warnings]).toEqual(["keystore", A, []]);
      const byEnv = await load({ keystoreOption: path, env: { [PASSWORD_FILE_ENV_NAME]: passwordFile } });
      expect([byEnv.source, hexOf(byEnv.key)]).toEqual(["--keystore", A]);
      const questions: string[] = [];
      const asked = await load({
        keystore: path,
        askSecret: (question) => {
          questions.push(question);
          return Promise.resolve(PASSWORD);
        },
      });
      expect([hexOf(asked.key), questions]).toEqual([A, [`Password of ${path}: `]]);
    });

    test("stands behind .env and before the configuration's key; --keystore stands before the environment", async () => {
      const all = { keystore: path, passwordFile, config: D };
      expect((await load(all)).source).toBe("keystore");
      const env = { [KEY_ENV_NAME]: B };
      const shadowed = await load({ ...all, env });
      expect([shadowed.source, shadowed.warnings]).toEqual([
        "environment",
        [`the key comes from ${KEY_ENV_NAME}: keystore ${path} is not read`],
      ]);
      expect((await load({ ...all, env, keystoreOption: path })).source).toBe("--keystore");
    });

    test("is an ethers wallet of mode 600 without the key's text, written whole and never over another", async () => {
      const text = readFileSync(path, "utf8");
      expect(statSync(path).mode & 0o777).toBe(0o600);
      expect(text.toLowerCase()).not.toContain(A);
      expect((await Wallet.fromEncryptedJson(text, PASSWORD)).privateKey).toBe(`0x${A}`);
      const again = writeKeystore(path, Buffer.from(C, "hex"), `0x${"1".repeat(40)}`, PASSWORD, {
        scryptN: 2,
      });
      await expect(again).rejects.toThrow(/exists.*--force/);
      expect(readFileSync(path, "utf8")).toBe(text);
      const other = join(dir, "other.json");
      writeFileSync(other, "old");
      await writeKeystore(other, Buffer.from(C, "hex"), new Wallet(`0x${C}`).address, PASSWORD, {
        scryptN: 2,
        isReplacing: true,
      });
      expect(hexOf(await readKeystore(other, () => PASSWORD))).toBe(C);
      expect(statSync(other).mode & 0o777).toBe(0o600);
    });

    test.each<[string, (file: string) => Partial<KeyInputs>, RegExp]>([
      [
        "a wrong password",
        () => ({ keystore: path, askSecret: () => Promise.resolve("guess") }),
        /wrong password$/,
      ],
      [
        "no password",
        () => ({ keystore: path }),
        /no terminal to ask at: use --password-file or HYPERLIQUID_/,
      ],
      ["no such file", () => ({ keystore: join(dir, "none.json"), passwordFile }), /cannot be read: ENOENT/],
      [
        "a file that is no keystore",
        (file) => {
          writeFileSync(file, '{"key":"value"}', { mode: 0o600 });
          return { keystore: file, passwordFile };
        },
        /not an encrypted keystore/,
      ],
      [
        "a keystore whose checksum was changed",
        (file) => {
          writeFileSync(file, readFileSync(path, "utf8").replace(/"mac":"...../, '"mac":"00000'), {
            mode: 0o600,
          });
          return { keystore: file, passwordFile };
        },
        /wrong password$/,
      ],
      [
        "a keystore that others can read",
        (file) => {
          writeFileSync(file, readFileSync(path, "utf8"));
          chmodSync(file, 0o604);
          return { keystore: file, passwordFile };
        },
        /holds an encrypted key and other users can read it \(mode 604\): run chmod 600 /,
      ],
      [
        "a password file that others can read",
        (file) => {
          writeFileSync(file, PASSWORD);
          chmodSync(file, 0o640);
          return { keystore: path, passwordFile: file };
        },
        /holds a keystore password and other users can read it \(mode 640\)/,
      ],
      [
        "an empty password file",
        (file) => {
          writeFileSync(file, "\n", { mode: 0o600 });
          return { keystore: path, passwordFile: file };
        },
        /is empty: its first line/,
      ],
    ])("%s is one clear line that shows no secret", async (name, inputs, words) => {
      const error = await refused(inputs(join(dir, name.replaceAll(" ", "-"))));
      expect(error.code).toBe("BadKey");
      expect(error.message).toMatch(words);
      expect(error.message).not.toContain("\n");
      const shown = inspect(error, { showHidden: true, depth: 10 });
      for (const secret of [A, PASSWORD, "guess"]) expect(shown).not.toContain(secret);
    });
  });
});
