import { createRequire } from "node:module";
import { inspect } from "node:util";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { TypedDataEncoder, Wallet } from "ethers";
import fc from "fast-check";
import { Packr } from "msgpackr";
import { describe, expect, test } from "vitest";
import { VenueError } from "../../src/venues/hyperliquid/errors.js";
import { Keccak256, RATE_BYTES } from "../../src/venues/hyperliquid/keccak.js";
import { type Curve, curve, L1Signer, userSignedDigest } from "../../src/venues/hyperliquid/sign.js";

const SEED = 20251121;
const KEY = Buffer.from("0123456789012345678901234567890123456789012345678901234567890123", "hex");
const ADDRESS = "0x14791697260e4c9a71f18484c9f997b308e59325";
const packr = new Packr({ useRecords: false, variableMapSize: true });
const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString("hex")}`;

const order = (a: number, p: string, s: string, tif: string): object => ({
  type: "order",
  orders: [{ a, b: true, p, s, r: false, t: { limit: { tif } } }],
  grouping: "na",
});

function sign(signer: L1Signer, action: object, nonce: number): { r: string; s: string; v: number } {
  const data = packr.pack(action);
  signer.sign(data, data.length, nonce);
  return { r: hex(signer.r), s: hex(signer.s), v: signer.v };
}

/** Vectors of reference §5.6, from the official SDK's signing tests. */
describe("official vectors", () => {
  test("vector 1: the action hash is the connection id", () => {
    const data = packr.pack(order(4, "1670.1", "0.0147", "Ioc"));
    const id = new L1Signer(KEY, "a").connectionId(data, data.length, 1677777606040);
    expect(hex(id)).toBe("0x0fcbeda5ae3c4950a548021552a4fea2226858c4453571bf3f24ba017eac2908");
  });

  test("vector 2: the mainnet signature", () => {
    expect(sign(new L1Signer(KEY, "a"), order(1, "100", "100", "Gtc"), 0)).toEqual({
      r: "0xd65369825a9df5d80099e513cce430311d7d26ddf477f5b3a33d2806b100d78e",
      s: "0x2b54116ff64054968aa237c20ca9ff68000f977c93289157748a3162b6ea940e",
      v: 28,
    });
  });

  test("vector 2: the testnet signature", () => {
    expect(sign(new L1Signer(KEY, "b"), order(1, "100", "100", "Gtc"), 0)).toEqual({
      r: "0x82b2ba28e76b3d761093aaded1b1cdad4960b3af30212b343fb2e6cdfa4e3d54",
      s: "0x6b53878fc99d26047f4d7e8c90eb98955a109f44209163f52d8dc4278cbbd9f5",
      v: 27,
    });
  });

  test("vector 3: a user-signed transfer", () => {
    const digest = userSignedDigest(
      "UsdSend",
      [
        ["string", "hyperliquidChain"],
        ["string", "destination"],
        ["string", "amount"],
        ["uint64", "time"],
      ],
      {
        hyperliquidChain: "Testnet",
        destination: "0x5e9ee1089755c3435139848e47e6635505d5a13a",
        amount: "1",
        time: 1687816341423,
      },
      0x66eee,
    );
    expect(hex(digest)).toBe("0xcacf7585cc49ca60c6c5fb3001e226c0ca03c46252c893eea574c78907b7cebe");
    const signer = new L1Signer(KEY, "b");
    signer.signDigest(digest);
    expect([hex(signer.r), hex(signer.s), signer.v]).toEqual([
      "0x637b37dd731507cdd24f46532ca8ba6eec616952c56218baeff04144e4a77073",
      "0x11a6a24900e6e314136d2592e2f8d502cd89b7c15b198e1bee043c9589f9fad7",
      27,
    ]);
  });

  test("the address of the key", () => {
    expect(new L1Signer(KEY, "a").address).toBe(ADDRESS);
  });
});

describe("against ethers", () => {
  const AGENT = {
    Agent: [
      { name: "source", type: "string" },
      { name: "connectionId", type: "bytes32" },
    ],
  };
  const DOMAIN = {
    name: "Exchange",
    version: "1",
    chainId: 1337,
    verifyingContract: "0x0000000000000000000000000000000000000000",
  };
  const u64 = (n: number): Buffer => {
    const out = Buffer.alloc(8);
    out.writeBigUInt64BE(BigInt(n));
    return out;
  };

  test("signatures of random actions are those of signTypedData, with and without vault and expiry", async () => {
    const bytesOf = (min: number, max: number): fc.Arbitrary<Uint8Array> =>
      fc.uint8Array({ minLength: min, maxLength: max });
    await fc.assert(
      fc.asyncProperty(
        bytesOf(32, 32).filter((k) => curve().api.privateKeyVerify(k)),
        bytesOf(1, 600),
        fc.nat({ max: Number.MAX_SAFE_INTEGER }),
        fc.option(bytesOf(20, 20), { nil: undefined }),
        fc.option(fc.nat({ max: Number.MAX_SAFE_INTEGER }), { nil: undefined }),
        fc.constantFrom("a" as const, "b" as const),
        async (key, action, nonce, vault, expires, source) => {
          const signer = new L1Signer(key, source);
          signer.sign(action, action.length, nonce, vault, expires);
          const connectionId = keccak_256(
            Buffer.concat([
              action,
              u64(nonce),
              vault === undefined ? Buffer.from([0]) : Buffer.concat([Buffer.from([1]), vault]),
              expires === undefined ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0]), u64(expires)]),
            ]),
          );
          const wallet = new Wallet(hex(key));
          const expected = await wallet.signTypedData(DOMAIN, AGENT, { source, connectionId });
          expect(`${hex(signer.signature)}${signer.v.toString(16)}`).toBe(expected);
          expect(signer.address).toBe(wallet.address.toLowerCase());
        },
      ),
      { numRuns: 60, seed: SEED },
    );
  });

  test("digests of user-signed actions are those of TypedDataEncoder for every field type", () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.uint8Array({ minLength: 20, maxLength: 20 }),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.boolean(),
        fc.nat({ max: Number.MAX_SAFE_INTEGER }),
        (text, address, word, flag, n) => {
          const fields = [
            ["string", "hyperliquidChain"],
            ["address", "agentAddress"],
            ["bytes32", "multiSigActionHash"],
            ["bool", "toPerp"],
            ["uint64", "nonce"],
          ] as const;
          const message = {
            hyperliquidChain: text,
            agentAddress: hex(address),
            multiSigActionHash: hex(word),
            toPerp: flag,
            nonce: n,
          };
          const expected = TypedDataEncoder.hash(
            { ...DOMAIN, name: "HyperliquidSignTransaction", chainId: 42161 },
            { "HyperliquidTransaction:Any": fields.map(([type, name]) => ({ type, name })) },
            message,
          );
          expect(hex(userSignedDigest("Any", fields, message, 42161))).toBe(expected);
        },
      ),
      { numRuns: 50, seed: SEED },
    );
  });
});

describe("the key", () => {
  test("shows in no inspection, no JSON, no property and no error", () => {
    const signer = new L1Signer(KEY, "a");
    const secret = KEY.toString("hex");
    const shown = [
      inspect(signer, { showHidden: true, depth: 10 }),
      JSON.stringify(signer),
      String(signer),
      JSON.stringify(Object.getOwnPropertyNames(signer).map((k) => inspect(Reflect.get(signer, k)))),
    ];
    signer.dispose();
    try {
      signer.signDigest(new Uint8Array(32));
    } catch (error) {
      shown.push(inspect(error, { showHidden: true }));
    }
    expect(shown).toHaveLength(5);
    for (const text of shown) expect(text.toLowerCase()).not.toContain(secret.slice(0, 16));
  });

  test("is copied: the caller may zero its own bytes", () => {
    const key = Uint8Array.from(KEY);
    const signer = new L1Signer(key, "b");
    key.fill(0);
    expect(sign(signer, order(1, "100", "100", "Gtc"), 0).v).toBe(27);
  });

  test("signs nothing after dispose", () => {
    const signer = new L1Signer(KEY, "a");
    signer.dispose();
    expect(() => signer.sign(new Uint8Array(8), 8, 1)).toThrow(expect.objectContaining({ code: "BadKey" }));
  });

  test.each([
    ["too short", new Uint8Array(31).fill(1)],
    ["zero", new Uint8Array(32)],
    ["above the group order", new Uint8Array(32).fill(255)],
  ])("is refused when %s", (_, key) => {
    expect(() => new L1Signer(key, "a")).toThrow(VenueError);
  });
});

describe("curve implementations", () => {
  const require = createRequire(import.meta.url);
  const elliptic: Curve = {
    implementation: "elliptic",
    api: require("secp256k1/elliptic.js") as Curve["api"],
  };
  const broken: Curve = {
    implementation: "libsecp256k1",
    api: { ...elliptic.api, ecdsaSign: () => ({ signature: new Uint8Array(64), recid: 0 }) },
  };

  test("the JavaScript fallback signs the same bytes", () => {
    const native = new L1Signer(KEY, "b");
    const fallback = new L1Signer(KEY, "b", elliptic);
    for (let nonce = 0; nonce < 5; nonce++) {
      expect(sign(fallback, order(nonce, "12.5", "3", "Alo"), nonce)).toEqual(
        sign(native, order(nonce, "12.5", "3", "Alo"), nonce),
      );
    }
  });

  test("one that does not reproduce the vector is passed over", () => {
    expect(curve(() => [broken, elliptic]).implementation).toBe("elliptic");
    expect(() => curve(() => [broken])).toThrow(expect.objectContaining({ code: "BadKey" }));
  });
});

describe("keccak", () => {
  test("equals the reference implementation at every length around the block borders", () => {
    const hasher = new Keccak256(1000);
    for (const length of [
      0,
      1,
      31,
      32,
      RATE_BYTES - 2,
      RATE_BYTES - 1,
      RATE_BYTES,
      RATE_BYTES + 1,
      271,
      272,
      273,
      999,
      1000,
    ]) {
      for (let i = 0; i < length; i++) hasher.input[i] = (i * 131 + length) & 255;
      const message = hasher.input.slice(0, length);
      hasher.digestInput(length);
      expect(hex(hasher.digest), `length ${length}`).toBe(hex(keccak_256(message)));
    }
  });

  test("equals the reference implementation on random messages", () => {
    const hasher = new Keccak256(2000);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (message) => {
        hasher.input.set(message);
        hasher.digestInput(message.length);
        expect(hex(hasher.digest)).toBe(hex(keccak_256(message)));
      }),
      { numRuns: 100, seed: SEED },
    );
  });

  test("refuses a message over its capacity", () => {
    expect(() => new Keccak256(10).digestInput(11)).toThrow(RangeError);
  });
});
