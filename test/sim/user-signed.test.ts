import { TypedDataEncoder, Wallet } from "ethers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { USER_SIGNED, type UserSignedType } from "../../src/sim/action-fields.js";
import { parseAction, parseEnvelope, type UserSignedAction } from "../../src/sim/actions.js";
import { recoverSigner } from "../../src/sim/auth.js";
import { typeHash, userDomainSeparator, userSignedDigest } from "../../src/sim/user-signed.js";

const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString("hex")}`;
const KEY = "0x0123456789012345678901234567890123456789012345678901234567890123";
const ADDRESS = "0x14791697260e4c9a71f18484c9f997b308e59325";
const DESTINATION = "0x5e9ee1089755c3435139848e47e6635505d5a13a";

const usdSend = {
  type: "usdSend",
  hyperliquidChain: "Testnet",
  signatureChainId: "0x66eee",
  destination: DESTINATION,
  amount: "1",
  time: 1687816341423,
};

describe("known answers of the official SDK (reference 5.6, vector 3)", () => {
  it("has the published domain separator and type hash", () => {
    expect(hex(userDomainSeparator("0x66eee"))).toBe(
      "0xfeb1393ca4412a4ca577bd51d04f0a77033514c602f4d0a11490fb95f7428df6",
    );
    expect(hex(typeHash("usdSend"))).toBe(
      "0xc7410964737e2180e258d649f23f74a49460432fecbd94688103ecc63fb66b4c",
    );
  });

  it("digests the transfer to the published hash and recovers its signer from the published signature", () => {
    const action = parseAction(usdSend) as UserSignedAction;
    expect(hex(userSignedDigest(action))).toBe(
      "0xcacf7585cc49ca60c6c5fb3001e226c0ca03c46252c893eea574c78907b7cebe",
    );
    const envelope = parseEnvelope({
      action: usdSend,
      nonce: usdSend.time,
      signature: {
        r: "0x637b37dd731507cdd24f46532ca8ba6eec616952c56218baeff04144e4a77073",
        s: "0x11a6a24900e6e314136d2592e2f8d502cd89b7c15b198e1bee043c9589f9fad7",
        v: 27,
      },
    })!;
    expect(recoverSigner(envelope, ["b"], () => false)).toBe(ADDRESS);
  });
});

/** A value of each kind, and the Solidity type that it is signed as: written out here, not taken from the table. */
const address = fc.uint8Array({ minLength: 20, maxLength: 20 }).map((b) => hex(b));
const TYPES: Record<
  UserSignedType,
  readonly (readonly [name: string, type: string, value: fc.Arbitrary<unknown>])[]
> = {
  usdSend: [
    ["destination", "string", address],
    ["amount", "string", fc.constantFrom("1", "1.50", "0.000001")],
    ["time", "uint64", fc.nat()],
  ],
  spotSend: [
    ["destination", "string", address],
    ["token", "string", fc.constant("PURR:0xc1fb593aeffbeb02f85e0308e9956a90")],
    ["amount", "string", fc.constantFrom("1", "0.1")],
    ["time", "uint64", fc.nat()],
  ],
  withdraw3: [
    ["destination", "string", address],
    ["amount", "string", fc.constantFrom("100", "0.1")],
    ["time", "uint64", fc.nat()],
  ],
  usdClassTransfer: [
    ["amount", "string", fc.constantFrom("100", `5 subaccount:${DESTINATION}`)],
    ["toPerp", "bool", fc.boolean()],
    ["nonce", "uint64", fc.nat()],
  ],
  sendAsset: [
    ["destination", "string", address],
    ["sourceDex", "string", fc.constantFrom("", "spot", "xyz")],
    ["destinationDex", "string", fc.constantFrom("", "spot", "xyz")],
    ["token", "string", fc.constant("USDC")],
    ["amount", "string", fc.constantFrom("100", "0.1")],
    ["fromSubAccount", "string", fc.oneof(fc.constant(""), address)],
    ["nonce", "uint64", fc.nat()],
  ],
  approveAgent: [
    ["agentAddress", "address", address],
    ["agentName", "string", fc.constantFrom("", "mm1", "mm1 valid_until 1760000000000", "é")],
    ["nonce", "uint64", fc.nat()],
  ],
  approveBuilderFee: [
    ["maxFeeRate", "string", fc.constantFrom("0.001%", "1%")],
    ["builder", "address", address],
    ["nonce", "uint64", fc.nat()],
  ],
  userSetAbstraction: [
    ["user", "address", address],
    ["abstraction", "string", fc.constantFrom("disabled", "unifiedAccount")],
    ["nonce", "uint64", fc.nat()],
  ],
  userDexAbstraction: [
    ["user", "address", address],
    ["enabled", "bool", fc.boolean()],
    ["nonce", "uint64", fc.nat()],
  ],
  userPortfolioMargin: [
    ["user", "address", address],
    ["enabled", "bool", fc.boolean()],
    ["nonce", "uint64", fc.nat()],
  ],
  tokenDelegate: [
    ["validator", "address", address],
    ["wei", "uint64", fc.maxSafeNat()],
    ["isUndelegate", "bool", fc.boolean()],
    ["nonce", "uint64", fc.nat()],
  ],
  cDeposit: [
    ["wei", "uint64", fc.maxSafeNat()],
    ["nonce", "uint64", fc.nat()],
  ],
  cWithdraw: [
    ["wei", "uint64", fc.maxSafeNat()],
    ["nonce", "uint64", fc.nat()],
  ],
};

const CASES = Object.keys(TYPES) as UserSignedType[];

describe("typed data", () => {
  it.each(CASES)("law: %s is digested as an independent encoder does, on any chain id", (type) => {
    const fields = TYPES[type];
    const values = fc.record(Object.fromEntries(fields.map(([name, , value]) => [name, value])));
    const chains = fc.tuple(fc.constantFrom("Mainnet", "Testnet"), fc.integer({ min: 1, max: 2 ** 40 }));
    fc.assert(
      fc.property(values, chains, (given, [hyperliquidChain, chainId]) => {
        const action = parseAction({
          type,
          ...given,
          hyperliquidChain,
          signatureChainId: `0x${chainId.toString(16)}`,
          stray: 1,
        });
        const domain = {
          name: "HyperliquidSignTransaction",
          version: "1",
          chainId,
          verifyingContract: `0x${"0".repeat(40)}`,
        };
        const members = [
          { name: "hyperliquidChain", type: "string" },
          ...fields.map(([name, solidity]) => ({ name, type: solidity })),
        ];
        const primary = `HyperliquidTransaction:${USER_SIGNED[type].primaryType}`;
        expect(hex(userSignedDigest(action as UserSignedAction))).toBe(
          TypedDataEncoder.hash(domain, { [primary]: members }, { hyperliquidChain, ...given }),
        );
      }),
      { seed: 20260102, numRuns: 25 },
    );
  });

  it("recovers what a wallet signed as typed data", async () => {
    const wallet = new Wallet(KEY);
    const signature = await wallet.signTypedData(
      {
        name: "HyperliquidSignTransaction",
        version: "1",
        chainId: 0xa4b1,
        verifyingContract: `0x${"0".repeat(40)}`,
      },
      {
        "HyperliquidTransaction:ApproveAgent": [
          { name: "hyperliquidChain", type: "string" },
          { name: "agentAddress", type: "address" },
          { name: "agentName", type: "string" },
          { name: "nonce", type: "uint64" },
        ],
      },
      { hyperliquidChain: "Mainnet", agentAddress: DESTINATION, agentName: "", nonce: 5 },
    );
    // The official SDK drops the name of an unnamed agent from what it posts.
    const action = {
      type: "approveAgent",
      hyperliquidChain: "Mainnet",
      signatureChainId: "0xa4b1",
      agentAddress: DESTINATION,
    };
    const envelope = parseEnvelope({
      action: { ...action, nonce: 5 },
      nonce: 5,
      signature: {
        r: signature.slice(0, 66),
        s: `0x${signature.slice(66, 130)}`,
        v: Number.parseInt(signature.slice(130), 16),
      },
    })!;
    expect(recoverSigner(envelope, ["a"], () => true)).toBe(ADDRESS);
  });
});

describe("strict parsing", () => {
  it.each([
    ["a chain that does not exist", { ...usdSend, hyperliquidChain: "Devnet" }],
    ["a chain id that is no hex", { ...usdSend, signatureChainId: "421614" }],
    ["an amount that is a number", { ...usdSend, amount: 1 }],
    ["an amount with an exponent", { ...usdSend, amount: "1e3" }],
    ["a negative amount", { ...usdSend, amount: "-1" }],
    ["a destination that is no address", { ...usdSend, destination: "0x12" }],
    ["a missing time", { ...usdSend, time: undefined }],
    ["a leverage that is text", { type: "updateLeverage", asset: 0, isCross: true, leverage: "5" }],
    ["margin in fractions", { type: "updateIsolatedMargin", asset: 0, isBuy: true, ntli: 0.5 }],
    ["a TWAP without its size", { type: "twapOrder", twap: { a: 0, b: true, r: false, m: 5, t: false } }],
    ["a priority that is text", { type: "order", orders: [], grouping: { p: "1" } }],
    ["an unknown type", { type: "mint" }],
    ["a type from the prototype", { type: "toString" }],
  ])("refuses %s", (_name, action) => {
    expect(parseAction(action)).toBeUndefined();
  });

  it("drops unknown keys and lower-cases addresses", () => {
    expect(
      parseAction({ ...usdSend, destination: DESTINATION.toUpperCase().replace("0X", "0x"), extra: true }),
    ).toEqual(usdSend);
  });
});
