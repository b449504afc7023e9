/** What happens once at start: network, markets. */
import { describe, expect, test } from "vitest";
import { VenueError } from "../../src/venues/hyperliquid/errors.js";
import type { Meta } from "../../src/venues/hyperliquid/info.js";
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
