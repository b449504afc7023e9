/**
 * Our signatures against two independent implementations: the SDK's action hash and its own EIP-712 signer, and ethers'
 * typed data. The SDK is given the action with its keys in random order, which its schemas put into the hashed order.
 */
import * as sdk from "@nktkas/hyperliquid/api/exchange";
import {
  createL1ActionHash,
  PrivateKeySigner,
  signL1Action,
  signUserSignedAction,
} from "@nktkas/hyperliquid/signing";
import { TypedDataEncoder, Wallet } from "ethers";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Cloid, type Instrument, pxTicks, Side, szLots, type Tif } from "../../src/domain/index.js";
import { ActionEncoder } from "../../src/venues/hyperliquid/actions.js";
import {
  type ExchangeAction,
  l1,
  signL1,
  signUserAction,
  USER_SIGNED,
  type UserAction,
  type UserSignedKind,
  user,
} from "../../src/venues/hyperliquid/exchange-actions.js";
import { encodeMsgpack, type Plain } from "../../src/venues/hyperliquid/msgpack.js";
import { L1Signer } from "../../src/venues/hyperliquid/sign.js";

const SEED = 20261121;
const KEY = "0x0123456789012345678901234567890123456789012345678901234567890123";
const signers = {
  a: new L1Signer(Buffer.from(KEY.slice(2), "hex"), "a"),
  b: new L1Signer(Buffer.from(KEY.slice(2), "hex"), "b"),
};
const SDK_WALLET = new PrivateKeySigner(KEY);
const ETHERS_WALLET = new Wallet(KEY);

const hexOf = (bytes: number): fc.Arbitrary<`0x${string}`> =>
  fc
    .uint8Array({ minLength: bytes, maxLength: bytes })
    .map((b) => `0x${Buffer.from(b).toString("hex")}` as const);
const address = hexOf(20);
/** Either case: both sides must lower it. */
const anyAddress = address.chain((a) => fc.constantFrom(a, `0x${a.slice(2).toUpperCase()}` as const));
const uint = fc.oneof(
  fc.nat({ max: 300 }),
  fc.nat({ max: Number.MAX_SAFE_INTEGER }),
  fc.constantFrom(127, 128, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER),
);
const asset = fc.oneof(fc.nat({ max: 300 }), fc.integer({ min: 10_000, max: 20_000 }), fc.constant(110_003));
const micros = fc.integer({ min: 1, max: 2 ** 48 });
const decimal = fc
  .tuple(fc.nat({ max: 10 ** 9 }), fc.integer({ min: 1, max: 10 ** 6 }), fc.constantFrom("", "0", "00"))
  .map(([whole, frac, pad]) => `${whole}.${frac}${pad}`);
const name = fc.stringMatching(/^[a-zA-Z0-9 ]{1,16}$/).filter((n) => n.trim() === n && n.length > 0);
const cloid = hexOf(16);
const dex = fc.constantFrom("", "spot", "xyz", "flx");
const transfer = fc.record({
  destination: anyAddress,
  sourceDex: dex,
  destinationDex: dex,
  token: fc.constant("USDC:0x6d1e7cde53ba9467b783cb7c530ce054"),
  amount: decimal,
  fromSubAccount: fc.oneof(fc.constant(""), anyAddress),
});

/** An SDK schema as far as it is used here (standard-schema). */
interface Schema {
  readonly "~standard": { validate(value: unknown): unknown };
}
const actionOf = (request: unknown): Schema => (request as { entries: { action: Schema } }).entries.action;

/** What the SDK makes of the action: canonical key order and values. */
function sdkForm(schema: Schema, action: ExchangeAction): Record<string, unknown> {
  const result = schema["~standard"].validate(action) as {
    value?: Record<string, unknown>;
    issues?: unknown;
  };
  if (result.issues !== undefined) throw new Error(`the SDK refuses ${JSON.stringify(action)}`);
  return result.value!;
}

/** Keys of every object in the reverse order: an implementation that trusted ours would fail. */
function reversed(value: Plain | undefined): Plain | undefined {
  if (Array.isArray(value)) return (value as Plain[]).map((v) => reversed(v)!);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([k, v]) => [k, reversed(v as Plain | undefined)]),
  ) as Plain;
}

/** Every kind of cold L1 action; without a schema the SDK does not know it, and hashes it in our order. */
const L1_KINDS: Readonly<
  Record<keyof typeof l1, readonly [fc.Arbitrary<ExchangeAction>, Schema | undefined]>
> = {
  cancel: [
    fc
      .tuple(fc.array(fc.record({ asset, oid: uint }), { minLength: 1, maxLength: 20 }), fc.boolean())
      .map(([c, fast]) => l1.cancel(c, fast)),
    undefined,
  ],
  cancelByCloid: [
    fc
      .tuple(fc.array(fc.record({ asset, cloid }), { minLength: 1, maxLength: 20 }), fc.boolean())
      .map(([c, fast]) => l1.cancelByCloid(c, fast)),
    undefined,
  ],
  scheduleCancel: [
    fc.option(uint, { nil: undefined }).map(l1.scheduleCancel),
    actionOf(sdk.ScheduleCancelRequest),
  ],
  updateLeverage: [
    fc.tuple(asset, fc.boolean(), fc.integer({ min: 1, max: 50 })).map((a) => l1.updateLeverage(...a)),
    actionOf(sdk.UpdateLeverageRequest),
  ],
  updateIsolatedMargin: [
    fc
      .tuple(
        asset,
        fc.oneof(
          fc.integer(),
          fc.integer({ min: -(2 ** 52), max: 2 ** 52 }),
          fc.constantFrom(-32, -33, -128, -129, -32_768, -32_769, -(2 ** 31), -(2 ** 31) - 1),
        ),
      )
      .map((a) => l1.updateIsolatedMargin(...a)),
    actionOf(sdk.UpdateIsolatedMarginRequest),
  ],
  topUpIsolatedOnlyMargin: [fc.tuple(asset, decimal).map((a) => l1.topUpIsolatedOnlyMargin(...a)), undefined],
  reserveRequestWeight: [
    fc.integer({ min: 1, max: 10 ** 9 }).map(l1.reserveRequestWeight),
    actionOf(sdk.ReserveRequestWeightRequest),
  ],
  noop: [fc.constant(l1.noop()), actionOf(sdk.NoopRequest)],
  twapOrder: [
    fc
      .record({
        asset,
        isBuy: fc.boolean(),
        sz: decimal,
        reduceOnly: fc.boolean(),
        minutes: fc.integer({ min: 5, max: 1440 }),
        isRandomised: fc.boolean(),
      })
      .map(l1.twapOrder),
    actionOf(sdk.TwapOrderRequest),
  ],
  twapCancel: [fc.tuple(asset, uint).map((a) => l1.twapCancel(...a)), actionOf(sdk.TwapCancelRequest)],
  createSubAccount: [name.map(l1.createSubAccount), actionOf(sdk.CreateSubAccountRequest)],
  subAccountTransfer: [
    fc.tuple(anyAddress, fc.boolean(), micros).map((a) => l1.subAccountTransfer(...a)),
    actionOf(sdk.SubAccountTransferRequest),
  ],
  agentSendAsset: [fc.tuple(transfer, uint).map((a) => l1.agentSendAsset(...a)), undefined],
};

const options = fc.record({
  nonce: uint,
  vaultAddress: fc.option(address, { nil: undefined }),
  expiresAfter: fc.option(uint, { nil: undefined }),
});

describe("L1 actions", () => {
  test.each(Object.entries(L1_KINDS))("%s: the SDK and ethers sign the same", async (_, [kind, schema]) => {
    await fc.assert(
      fc.asyncProperty(
        kind,
        options,
        fc.constantFrom("a" as const, "b" as const),
        async (action, o, source) => {
          const ours = signL1(signers[source], action, o);
          const theirs = {
            action: schema === undefined ? action : sdkForm(schema, reversed(action) as ExchangeAction),
            nonce: o.nonce,
            isTestnet: source === "b",
            ...(o.vaultAddress === undefined ? {} : { vaultAddress: o.vaultAddress }),
            ...(o.expiresAfter === undefined ? {} : { expiresAfter: o.expiresAfter }),
          };
          expect(await signL1Action({ ...theirs, wallet: ETHERS_WALLET })).toEqual(ours);
          expect(await signL1Action({ ...theirs, wallet: SDK_WALLET })).toEqual(ours);
        },
      ),
      { numRuns: 12, seed: SEED },
    );
  });

  test("members that are undefined are neither hashed nor sent", () => {
    const action = l1.scheduleCancel(undefined);
    expect(Buffer.from(encodeMsgpack(action)).toString("hex")).toBe(
      Buffer.from(encodeMsgpack({ type: "scheduleCancel" })).toString("hex"),
    );
    expect(JSON.stringify(action)).toBe('{"type":"scheduleCancel"}');
  });

  test("what is no integer and no plain decimal is refused before it is signed", () => {
    expect(() => encodeMsgpack(1.5)).toThrow(RangeError);
    expect(() => encodeMsgpack(2 ** 53)).toThrow(RangeError);
    expect(() => l1.topUpIsolatedOnlyMargin(1, "1e3")).toThrow(RangeError);
    expect(() => user.usdSend(`0x${"1".repeat(40)}`, 0)).toThrow(RangeError);
    expect(() => user.usdSend("0x12", 1)).toThrow(/destination "0x12" is not an address/);
    // A key pasted where an address belongs is not repeated.
    expect(() => user.approveAgent(KEY, "x")).toThrow(/^(?!.*012345).*is not an address/);
  });
});

/** Every kind of user-signed action, with the SDK's own types. */
const USER_KINDS: Readonly<
  Record<
    UserSignedKind,
    readonly [fc.Arbitrary<UserAction>, Readonly<Record<string, { name: string; type: string }[]>>]
  >
> = {
  usdSend: [fc.tuple(anyAddress, micros).map((a) => user.usdSend(...a)), sdk.UsdSendTypes],
  withdraw3: [fc.tuple(anyAddress, micros).map((a) => user.withdraw3(...a)), sdk.Withdraw3Types],
  spotSend: [
    fc
      .tuple(anyAddress, fc.constant("PURR:0xc4bf3f870c0e9465323c0b6ed28096c2"), decimal)
      .map((a) => user.spotSend(...a)),
    sdk.SpotSendTypes,
  ],
  usdClassTransfer: [
    fc
      .tuple(micros, fc.boolean(), fc.option(anyAddress, { nil: undefined }))
      .map((a) => user.usdClassTransfer(...a)),
    sdk.UsdClassTransferTypes,
  ],
  sendAsset: [transfer.map(user.sendAsset), sdk.SendAssetTypes],
  approveAgent: [
    fc
      .tuple(
        anyAddress,
        fc.oneof(
          fc.constant(""),
          name,
          name.map((n) => `${n} valid_until 1760000000000`),
        ),
      )
      .map((a) => user.approveAgent(...a)),
    sdk.ApproveAgentTypes,
  ],
  approveBuilderFee: [
    fc.tuple(anyAddress, fc.constantFrom("0.001%", "0.1%", "1%")).map((a) => user.approveBuilderFee(...a)),
    sdk.ApproveBuilderFeeTypes,
  ],
};

describe("user-signed actions", () => {
  test.each(Object.entries(USER_KINDS))(
    "%s: the SDK and ethers sign the same",
    async (kind, [actions, types]) => {
      await fc.assert(
        fc.asyncProperty(
          actions,
          uint,
          fc.constantFrom("a" as const, "b" as const),
          async (action, nonce, source) => {
            const signed = signUserAction(signers[source], action, nonce, source);
            // The action that is posted is the one signed: the SDK signs what it would read back from the wire.
            const posted = JSON.parse(JSON.stringify(signed.action)) as { signatureChainId: `0x${string}` };
            expect(posted).toMatchObject({
              type: kind,
              hyperliquidChain: source === "a" ? "Mainnet" : "Testnet",
            });
            for (const wallet of [ETHERS_WALLET, SDK_WALLET])
              expect(await signUserSignedAction({ wallet, action: posted, types })).toEqual(signed.signature);
          },
        ),
        { numRuns: 12, seed: SEED },
      );
    },
  );

  test("the field lists are the SDK's", () => {
    for (const [kind, [primaryType, fields]] of Object.entries(USER_SIGNED)) {
      const types = USER_KINDS[kind as UserSignedKind][1];
      expect(types).toEqual({
        [`HyperliquidTransaction:${primaryType}`]: fields.map(([type, field]) => ({ name: field, type })),
      });
      expect(TypedDataEncoder.from(types).primaryType).toBe(`HyperliquidTransaction:${primaryType}`);
    }
  });
});

describe("the reference's vectors, by the cold encoder", () => {
  const order = (a: number, p: string, s: string, tif: string): ExchangeAction => ({
    type: "order",
    orders: [{ a, b: true, p, s, r: false, t: { limit: { tif } } }],
    grouping: "na",
  });

  test("1: preimage and action hash", () => {
    const action = order(4, "1670.1", "0.0147", "Ioc");
    expect(Buffer.from(encodeMsgpack(action)).toString("hex")).toBe(
      "83a474797065a56f72646572a66f72646572739186a16104a162c3a170a6313637302e31a173a6302e30313437a172c2a17481a56c696d697481a3746966a3496f63a867726f7570696e67a26e61",
    );
    const bytes = encodeMsgpack(action);
    expect(Buffer.from(signers.a.connectionId(bytes, bytes.length, 1677777606040)).toString("hex")).toBe(
      "0fcbeda5ae3c4950a548021552a4fea2226858c4453571bf3f24ba017eac2908",
    );
    expect(createL1ActionHash({ action, nonce: 1677777606040 })).toBe(
      "0x0fcbeda5ae3c4950a548021552a4fea2226858c4453571bf3f24ba017eac2908",
    );
  });

  test("2: signatures of mainnet and testnet", () => {
    const action = order(1, "100", "100", "Gtc");
    expect(signL1(signers.a, action, { nonce: 0 })).toEqual({
      r: "0xd65369825a9df5d80099e513cce430311d7d26ddf477f5b3a33d2806b100d78e",
      s: "0x2b54116ff64054968aa237c20ca9ff68000f977c93289157748a3162b6ea940e",
      v: 28,
    });
    expect(signL1(signers.b, action, { nonce: 0 })).toEqual({
      r: "0x82b2ba28e76b3d761093aaded1b1cdad4960b3af30212b343fb2e6cdfa4e3d54",
      s: "0x6b53878fc99d26047f4d7e8c90eb98955a109f44209163f52d8dc4278cbbd9f5",
      v: 27,
    });
  });

  test("3: a user-signed transfer", () => {
    const send = user.usdSend("0x5E9ee1089755c3435139848e47e6635505d5a13a", 1_000_000);
    const { action, signature } = signUserAction(signers.b, send, 1687816341423, "b");
    expect(action).toEqual({
      type: "usdSend",
      signatureChainId: "0x66eee",
      hyperliquidChain: "Testnet",
      destination: "0x5e9ee1089755c3435139848e47e6635505d5a13a",
      amount: "1",
      time: 1687816341423,
    });
    expect(signature).toEqual({
      r: "0x637b37dd731507cdd24f46532ca8ba6eec616952c56218baeff04144e4a77073",
      s: "0x11a6a24900e6e314136d2592e2f8d502cd89b7c15b198e1bee043c9589f9fad7",
      v: 27,
    });
  });
});

describe("the hot encoder", () => {
  const instrument = (index: number, venueAssetId: number, szDecimals: number): Instrument => ({
    asset: index,
    venueAssetId,
    coin: `C${index}`,
    pxDecimals: 6 - szDecimals,
    szDecimals,
    maxSigFigs: 5,
    minNotionalUsd: 10,
    maxLeverage: 10,
  });
  const INSTRUMENTS = [instrument(0, 0, 5), instrument(1, 255, 0), instrument(2, 110_003, 2)];
  const encoder = new ActionEncoder(INSTRUMENTS);
  const index = fc.nat({ max: INSTRUMENTS.length - 1 });
  const ourCloid = cloid.map((c) => c as Cloid);
  const order = fc.record({
    asset: index,
    side: fc.constantFrom(Side.Buy, Side.Sell),
    pxTicks: fc.integer({ min: 1, max: 10 ** 12 }).map(pxTicks),
    szLots: fc.integer({ min: 1, max: 10 ** 12 }).map(szLots),
    tif: fc.constantFrom<Tif>("Alo", "Ioc", "Gtc"),
    reduceOnly: fc.boolean(),
    cloid: ourCloid,
  });
  const encodings: Readonly<Record<string, readonly [fc.Arbitrary<() => void>, Schema | undefined]>> = {
    order: [
      fc.array(order, { minLength: 1, maxLength: 18 }).map((o) => () => encoder.placeOrders(o)),
      actionOf(sdk.OrderRequest),
    ],
    batchModify: [
      fc
        .array(fc.record({ target: ourCloid, order }), { minLength: 1, maxLength: 18 })
        .map((m) => () => encoder.modifyOrders(m)),
      actionOf(sdk.BatchModifyRequest),
    ],
    cancelByCloid: [
      fc
        .array(fc.record({ asset: index, cloid: ourCloid }), { minLength: 1, maxLength: 18 })
        .map((c) => () => encoder.cancelByCloid(c, false)),
      actionOf(sdk.CancelByCloidRequest),
    ],
    "cancelByCloid, fast": [
      fc
        .array(fc.record({ asset: index, cloid: ourCloid }), { minLength: 1, maxLength: 18 })
        .map((c) => () => encoder.cancelByCloid(c, true)),
      undefined,
    ],
    cancel: [
      fc
        .array(fc.record({ asset: index, oid: uint }), { minLength: 1, maxLength: 18 })
        .map((c) => () => encoder.cancelByOid(c, false)),
      actionOf(sdk.CancelRequest),
    ],
    scheduleCancel: [uint.map((t) => () => encoder.scheduleCancel(t)), actionOf(sdk.ScheduleCancelRequest)],
    updateLeverage: [
      fc
        .tuple(index, fc.boolean(), fc.integer({ min: 1, max: 50 }))
        .map((a) => () => encoder.updateLeverage(...a)),
      actionOf(sdk.UpdateLeverageRequest),
    ],
    noop: [fc.constant(() => encoder.noop()), actionOf(sdk.NoopRequest)],
  };

  test.each(Object.entries(encodings))(
    "%s: the same bytes as the cold one, the SDK's hash, ethers' signature, with vault and expiry",
    async (_, [actions, schema]) => {
      await fc.assert(
        fc.asyncProperty(
          actions,
          options,
          fc.constantFrom("a" as const, "b" as const),
          async (encode, o, source) => {
            encode();
            const sent = JSON.parse(Buffer.from(encoder.actionJson).toString()) as ExchangeAction;
            const bytes = Buffer.from(encoder.msgpack.subarray(0, encoder.msgpackLength));
            expect(bytes.toString("hex")).toBe(Buffer.from(encodeMsgpack(sent)).toString("hex"));
            const vault = o.vaultAddress;
            const signer = signers[source];
            const vaultBytes = vault === undefined ? undefined : Buffer.from(vault.slice(2), "hex");
            signer.sign(encoder.msgpack, encoder.msgpackLength, o.nonce, vaultBytes, o.expiresAfter);
            const vaultText = vault === undefined ? undefined : Uint8Array.from(Buffer.from(vault, "latin1"));
            encoder.seal(o.nonce, signer.signature, signer.v, vaultText, o.expiresAfter);
            // The SDK signs what stands in the frame that is sent, and must come to the signature that stands there too.
            const body = JSON.parse(Buffer.from(encoder.httpBody()).toString()) as {
              action: ExchangeAction;
              nonce: number;
              signature: object;
              vaultAddress?: `0x${string}`;
              expiresAfter?: number;
            };
            const { action, signature, ...envelope } = body;
            const canonical =
              schema === undefined ? action : sdkForm(schema, reversed(action) as ExchangeAction);
            expect(
              await signL1Action({
                ...envelope,
                action: canonical,
                wallet: ETHERS_WALLET,
                isTestnet: source === "b",
              }),
            ).toEqual(signature);
          },
        ),
        { numRuns: 20, seed: SEED },
      );
    },
  );
});
