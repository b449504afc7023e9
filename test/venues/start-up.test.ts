/** What happens once at start: network, key, nonces, markets. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { VenueError } from "../../src/venues/hyperliquid/errors.js";
import type { Meta } from "../../src/venues/hyperliquid/info.js";
import {
  DEV_PRIVATE_KEY,
  KEY_ENV_NAME,
  type KeyInputs,
  loadPrivateKey,
} from "../../src/venues/hyperliquid/keys.js";
import { networkEndpoints } from "../../src/venues/hyperliquid/network.js";
import {
  AssetNotFound,
  dexOf,
  instrumentsFromMeta,
  resolveAsset,
  venueAssetId,
} from "../../src/venues/hyperliquid/symbols.js";

/** The error that `fn` throws. */
function thrown(fn: () => unknown): VenueError {
  try {
    fn();
  } catch (error) {
    if (error instanceof VenueError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("networks", () => {
  test("mainnet alone signs with the letter a", () => {
    expect(networkEndpoints("mainnet")).toEqual({
      name: "mainnet",
      infoUrl: "https://api.hyperliquid.xyz/info",
      exchangeUrl: "https://api.hyperliquid.xyz/exchange",
      wsUrl: "wss://api.hyperliquid.xyz/ws",
      source: "a",
    });
    expect(networkEndpoints("testnet").source).toBe("b");
    expect(networkEndpoints("localhost").source).toBe("b");
  });

  test("localhost is the simulated exchange on port 3001 or the one given", () => {
    expect(networkEndpoints("localhost").wsUrl).toBe("ws://127.0.0.1:3001/ws");
    expect(networkEndpoints("localhost", { port: 4002 }).infoUrl).toBe("http://127.0.0.1:4002/info");
  });

  test("an unknown name or port is one line that says what to use", () => {
    expect(thrown(() => networkEndpoints("mainet")).message).toBe(
      'network "mainet" is unknown: use one of mainnet, testnet, localhost',
    );
    expect(thrown(() => networkEndpoints("localhost", { port: 70_000 })).code).toBe("BadNetwork");
  });
});

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
  const load = (inputs: Partial<KeyInputs>): ReturnType<typeof loadPrivateKey> =>
    loadPrivateKey({ network: "mainnet", env: {}, ...inputs });
  const hexOf = (key: Uint8Array): string => Buffer.from(key).toString("hex");

  test("comes from the option, then the environment, then .env, then the configuration", () => {
    const env = { [KEY_ENV_NAME]: B };
    const file = envFile(`OTHER=1\n${KEY_ENV_NAME}="${C}"\n`);
    const all = { option: A, env, envFile: file, config: D };
    expect(load(all)).toMatchObject({ source: "--private-key" });
    expect(hexOf(load(all).key)).toBe(A);
    expect(hexOf(load({ ...all, option: undefined }).key)).toBe("b2".repeat(32));
    expect(load({ ...all, option: undefined, env: {} })).toMatchObject({ source: ".env file", warnings: [] });
    expect(hexOf(load({ ...all, option: undefined, env: {} }).key)).toBe(C);
    const last = load({ config: D });
    expect([last.source, hexOf(last.key)]).toEqual(["config", D]);
    expect(last.warnings[0]).toContain("configuration file");
  });

  test("in a .env file that others can read is refused with the cure", () => {
    const path = envFile(`${KEY_ENV_NAME}=${A}`, 0o644);
    const error = thrown(() => load({ envFile: path }));
    expect(error.message).toBe(
      `${path} holds a private key and other users can read it (mode 644): run chmod 600 ${path}`,
    );
  });

  test("a .env file of others without a key does not matter, nor does a missing one", () => {
    const path = envFile("OTHER=1", 0o644);
    expect(load({ envFile: path, config: D }).source).toBe("config");
    expect(load({ envFile: join(dir, "absent"), config: D }).source).toBe("config");
  });

  test.each([
    ["one digit short", A.slice(1), "found 63 characters"],
    ["with a wrong letter", `${A.slice(1)}z`, "it holds other characters"],
    ["a seed phrase", "word ".repeat(12), "found 59 characters"],
    ["out of range", "ff".repeat(32), "outside the range"],
    ["zero", "0".repeat(64), "outside the range"],
  ])("malformed (%s) is one clear line that does not show it", (_, text, problem) => {
    const error = thrown(() => load({ env: { [KEY_ENV_NAME]: text } }));
    expect(error.code).toBe("BadKey");
    expect(error.message).toContain(KEY_ENV_NAME);
    expect(error.message).toContain(problem);
    expect(error.message).not.toContain("\n");
    expect(inspect(error, { showHidden: true })).not.toContain(text.trim().slice(0, 12));
  });

  test("is missing: says where to put it, and only localhost has a default", () => {
    expect(thrown(() => load({})).message).toContain(`set ${KEY_ENV_NAME}`);
    const dev = load({ network: "localhost" });
    expect(dev.source).toBe("development key");
    expect(hexOf(dev.key)).toBe(hexOf(DEV_PRIVATE_KEY as Uint8Array));
  });

  test("of development is refused on real networks", () => {
    const text = hexOf(DEV_PRIVATE_KEY as Uint8Array);
    for (const network of ["mainnet", "testnet"] as const) {
      expect(thrown(() => load({ network, env: { [KEY_ENV_NAME]: text } })).message).toContain(
        `refused on ${network}`,
      );
    }
    expect(load({ network: "localhost", env: { [KEY_ENV_NAME]: text } }).source).toBe("environment");
  });
});

describe("markets", () => {
  const meta: Meta = {
    universe: [
      { name: "BTC", szDecimals: 5, maxLeverage: 40 },
      { name: "OLD", szDecimals: 1, maxLeverage: 3, isDelisted: true },
      { name: "ETH", szDecimals: 4, maxLeverage: 25 },
      { name: "kPEPE", szDecimals: 0, maxLeverage: 10 },
      { name: "xyz:TSLA", szDecimals: 3, maxLeverage: 10, marginMode: "strictIsolated" },
    ],
  };

  test("take their grid from szDecimals and their id from their place, delisted ones included", () => {
    expect(instrumentsFromMeta(meta, ["ETH", "BTC"])).toEqual([
      {
        asset: 0,
        venueAssetId: 2,
        coin: "ETH",
        pxDecimals: 2,
        szDecimals: 4,
        maxSigFigs: 5,
        minNotionalUsd: 10,
        maxLeverage: 25,
      },
      {
        asset: 1,
        venueAssetId: 0,
        coin: "BTC",
        pxDecimals: 1,
        szDecimals: 5,
        maxSigFigs: 5,
        minNotionalUsd: 10,
        maxLeverage: 40,
      },
    ]);
  });

  test("of builder-deployed dexes get the offset of their dex", () => {
    expect(venueAssetId(1, 0)).toBe(110_000);
    expect(instrumentsFromMeta(meta, ["xyz:TSLA"], { dexIndex: 3, firstAsset: 7 })[0]).toMatchObject({
      asset: 7,
      venueAssetId: 130_004,
    });
    expect(resolveAsset(meta, "xyz:TSLA", 1).isIsolatedOnly).toBe(true);
    expect([dexOf("xyz:TSLA"), dexOf("BTC")]).toEqual(["xyz", ""]);
  });

  test("that are delisted are refused by name", () => {
    expect(thrown(() => instrumentsFromMeta(meta, ["OLD"])).code).toBe("AssetDelisted");
  });

  test.each([
    ["btc", ["BTC"]],
    ["BTCC", ["BTC"]],
    ["PEPE", ["kPEPE"]],
    ["TSLA", ["xyz:TSLA"]],
    ["OLD2", []],
    ["QQQQQQ", []],
  ])("that do not exist (%s) suggest the listed names near to it", (typed, expected) => {
    const error = thrown(() => resolveAsset(meta, typed));
    expect(error).toBeInstanceOf(AssetNotFound);
    expect((error as AssetNotFound).suggestions).toEqual(expected);
    if (expected.length > 0) expect(error.message).toContain(`did you mean ${expected[0]}`);
  });
});
