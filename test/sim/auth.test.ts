import { Wallet } from "ethers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Envelope, type L1Action, parseAction, parseEnvelope } from "../../src/sim/actions.js";
import { actionHash, addressOfKey, agentDigest, encodeAction, recoverSigner } from "../../src/sim/auth.js";
import { NonceSet } from "../../src/sim/nonces.js";
import { connectionId, sign } from "./client.js";

const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString("hex")}`;
const KEY = "0x0123456789012345678901234567890123456789012345678901234567890123";
const ADDRESS = "0x14791697260e4c9a71f18484c9f997b308e59325";

const l1 = (v: unknown): L1Action => parseAction(v) as L1Action;

const orderAction = (o: Record<string, unknown>, tif: string): L1Action =>
  l1({ type: "order", orders: [{ ...o, r: false, t: { limit: { tif } } }], grouping: "na" });

describe("known answers of the official SDK (reference 5.6)", () => {
  const first = orderAction({ a: 4, b: true, p: "1670.1", s: "0.0147" }, "Ioc");
  const second = orderAction({ a: 1, b: true, p: "100", s: "100" }, "Gtc");

  it("packs vector 1 to the published bytes", () => {
    expect(hex(encodeAction(first))).toBe(
      "0x83a474797065a56f72646572a66f72646572739186a16104a162c3a170a6313637302e31a173a6302e30313437a172c2a17481a56c696d6974" +
        "81a3746966a3496f63a867726f7570696e67a26e61",
    );
  });

  it("hashes vectors 1 and 2 to their connection ids", () => {
    expect(hex(actionHash(first, 1677777606040))).toBe(
      "0x0fcbeda5ae3c4950a548021552a4fea2226858c4453571bf3f24ba017eac2908",
    );
    expect(hex(actionHash(second, 0))).toBe(
      "0x884f2c32bb6dbdd65f6033e32fb28c0cb6f5b345db0f6471fd3366d85c9252c1",
    );
  });

  it.each([
    [
      "a" as const,
      "0xa5cfed1f2d7948de30aecacc7fea3c5e05c1e759020e96239847879b906f801e",
      "0xd65369825a9df5d80099e513cce430311d7d26ddf477f5b3a33d2806b100d78e",
      "0x2b54116ff64054968aa237c20ca9ff68000f977c93289157748a3162b6ea940e",
      28,
    ],
    [
      "b" as const,
      "0x606be2d25f68768f876dc04a2c3c86ceafd2d6a3c3cbb963454462d6734ebfa6",
      "0x82b2ba28e76b3d761093aaded1b1cdad4960b3af30212b343fb2e6cdfa4e3d54",
      "0x6b53878fc99d26047f4d7e8c90eb98955a109f44209163f52d8dc4278cbbd9f5",
      27,
    ],
  ])("recovers the signer of vector 2 with source %s, and of no other source", (source, digest, r, s, v) => {
    expect(hex(agentDigest(source, actionHash(second, 0)))).toBe(digest);
    const envelope: Envelope = {
      action: second,
      nonce: 0,
      signature: { r, s, v },
      vaultAddress: undefined,
      expiresAfter: undefined,
    };
    expect(recoverSigner(envelope, [source], () => true)).toBe(ADDRESS);
    expect(recoverSigner(envelope, [source === "a" ? "b" : "a"], () => true)).not.toBe(ADDRESS);
    expect(recoverSigner(envelope, ["b", "a"], (x) => x === ADDRESS)).toBe(ADDRESS);
  });

  it("derives the vectors' address from their key", () => {
    expect(addressOfKey(Buffer.from(KEY.slice(2), "hex"))).toBe(ADDRESS);
  });
});

describe("canonical form", () => {
  it("verifies reordered keys, padded decimals and upper-case hex", () => {
    const canonical = orderAction({ a: 1, b: true, p: "100", s: "0.5", c: `0x${"ab".repeat(16)}` }, "Gtc");
    const sloppy = l1({
      grouping: "na",
      orders: [
        {
          c: `0x${"AB".repeat(16)}`,
          t: { limit: { tif: "Gtc" } },
          s: "0.500",
          p: "0100.0",
          r: false,
          a: 1,
          b: true,
          x: 1,
        },
      ],
      type: "order",
    });
    expect(hex(encodeAction(sloppy))).toBe(hex(encodeAction(canonical)));
  });

  const u = (max: number) => fc.integer({ min: 0, max });
  const decimal = fc.tuple(u(999_999), u(99_999)).map(([w, f]) => (f % 10 === 0 ? `${w}` : `${w}.${f}`));
  const cloid = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((b) => hex(b));
  const wireOrder = fc
    .record({
      a: u(120_000),
      b: fc.boolean(),
      p: decimal,
      s: decimal,
      r: fc.boolean(),
      tif: fc.constantFrom("Alo", "Ioc", "Gtc"),
      c: fc.option(cloid),
    })
    .map(({ a, b, p, s, r, tif, c }) => ({
      a,
      b,
      p,
      s,
      r,
      t: { limit: { tif } },
      ...(c === null ? {} : { c }),
    }));
  const address = fc.uint8Array({ minLength: 20, maxLength: 20 }).map((b) => hex(b));
  const oid = fc.integer({ min: 2 ** 32, max: Number.MAX_SAFE_INTEGER });
  const action = fc.oneof(
    fc
      .array(wireOrder, { minLength: 1, maxLength: 40 })
      .map((orders) => ({ type: "order", orders, grouping: "na" })),
    fc
      .array(fc.record({ a: u(300), o: oid }), { minLength: 1, maxLength: 20 })
      .map((cancels) => ({ type: "cancel", cancels })),
    fc
      .array(fc.record({ asset: u(70_000), cloid }), { minLength: 1 })
      .map((cancels) => ({ type: "cancelByCloid", cancels })),
    fc
      .array(fc.record({ oid: fc.oneof(oid, cloid), order: wireOrder }), { minLength: 1, maxLength: 17 })
      .map((modifies) => ({ type: "batchModify", modifies })),
    fc.record({ oid, order: wireOrder }).map((m) => ({ type: "modify", ...m })),
    fc.record({ time: oid }).map((m) => ({ type: "scheduleCancel", ...m })),
    fc
      .record({ asset: u(300), isCross: fc.boolean(), leverage: fc.integer({ min: 1, max: 50 }) })
      .map((m) => ({ type: "updateLeverage", ...m })),
    fc.constant({ type: "noop" }),
    fc
      .record({ asset: u(300), isBuy: fc.boolean(), ntli: fc.maxSafeInteger() })
      .filter((m) => m.ntli < 2 ** 32 && m.ntli > -(2 ** 31))
      .map((m) => ({ type: "updateIsolatedMargin", ...m })),
    fc
      .record({ subAccountUser: address, isDeposit: fc.boolean(), usd: oid })
      .map((m) => ({ type: "subAccountTransfer", ...m })),
    fc
      .record({
        destination: address,
        sourceDex: fc.constantFrom("", "spot", "xyz"),
        destinationDex: fc.constantFrom("", "spot", "xyz"),
        token: fc.constant("USDC:0x6d1e7cde53ba9467b783cb7c530ce054"),
        amount: decimal,
        fromSubAccount: fc.oneof(fc.constant(""), address),
        nonce: oid,
      })
      .map((m) => ({ type: "agentSendAsset", ...m })),
    fc.string({ maxLength: 300, unit: "grapheme" }).map((name) => ({ type: "createSubAccount", name })),
    fc
      .record({ weight: u(2 ** 31), destination: fc.option(address, { nil: undefined }) })
      .map(({ weight, destination }) => ({
        type: "reserveRequestWeight",
        weight,
        ...(destination === undefined ? {} : { destination }),
      })),
    fc
      .record({
        vaultAddress: address,
        allowDeposits: fc.option(fc.boolean()),
        alwaysCloseOnWithdraw: fc.option(fc.boolean()),
      })
      .map((m) => ({ type: "vaultModify", ...m })),
    fc.boolean().map((optOut) => ({ type: "spotUser", toggleSpotDusting: { optOut } })),
    fc
      .record({
        twap: fc.record({
          a: u(300),
          b: fc.boolean(),
          s: decimal,
          r: fc.boolean(),
          m: u(1440),
          t: fc.boolean(),
        }),
        details: fc.option(
          fc.record({ t: fc.option(fc.record({ p: decimal, a: fc.boolean() })), s: fc.option(decimal) }),
          { nil: undefined },
        ),
      })
      .map(({ twap, details }) => ({
        type: "twapOrder",
        twap,
        ...(details === undefined ? {} : { details }),
      })),
    fc
      .record({ order: wireOrder, p: u(100_000), f: u(1000), b: address })
      .map(({ order, p, f, b }) => ({ type: "order", orders: [order], grouping: { p }, builder: { b, f } })),
    fc
      .record({
        order: wireOrder,
        isMarket: fc.boolean(),
        triggerPx: decimal,
        tpsl: fc.constantFrom("tp", "sl"),
      })
      .map(({ order, ...trigger }) => ({
        type: "order",
        orders: [{ ...order, t: { trigger } }].map(({ a, b, p, s, r, t, ...c }) => ({
          a,
          b,
          p,
          s,
          r,
          t,
          ...c,
        })),
        grouping: "normalTpsl",
      })),
  );

  it("law: hashes any action as an independent packer does", () => {
    fc.assert(
      fc.property(action, u(2 ** 31), fc.option(oid), (json, nonce, expires) => {
        const parsed = l1(JSON.parse(JSON.stringify(json)));
        const expiresAfter = expires ?? undefined;
        expect(hex(actionHash(parsed, nonce, ADDRESS, expiresAfter))).toBe(
          connectionId(json, nonce, ADDRESS, expiresAfter),
        );
      }),
      { seed: 20260101, numRuns: 400 },
    );
  });

  it("law: recovers whoever signed", () => {
    fc.assert(
      fc.property(
        action,
        fc.integer({ min: 1, max: 2 ** 40 }),
        fc.integer({ min: 1, max: 2 ** 30 }),
        (json, nonce, k) => {
          const wallet = new Wallet(`0x${k.toString(16).padStart(64, "0")}`);
          const envelope = parseEnvelope({ action: json, nonce, signature: sign(wallet, json, nonce) })!;
          expect(recoverSigner(envelope, ["b"], () => true)).toBe(wallet.address.toLowerCase());
        },
      ),
      { seed: 7, numRuns: 30 },
    );
  });

  it("law: no JSON value makes the parser throw", () => {
    fc.assert(
      fc.property(
        fc.jsonValue(),
        fc.constantFrom("order", "cancel", "modify", "batchModify", "noop"),
        (v, type) => {
          parseEnvelope(v);
          parseEnvelope({
            action: { type, orders: v, cancels: v, modifies: v, order: v, oid: v },
            nonce: 1,
            signature: v,
          });
        },
      ),
      { seed: 11, numRuns: 300 },
    );
  });

  it.each([
    ["r is not hex", { r: "0xzz", s: "0x1", v: 27 }],
    ["r is zero", { r: "0x0", s: "0x1", v: 27 }],
    ["r is out of range", { r: `0x${"ff".repeat(32)}`, s: "0x1", v: 28 }],
    ["v is unknown", { r: "0x1", s: "0x1", v: 30 }],
  ])("finds no signer when %s", (_name, signature) => {
    const envelope = {
      action: { type: "noop" },
      nonce: 1,
      signature,
      vaultAddress: undefined,
      expiresAfter: undefined,
    } as Envelope;
    expect(recoverSigner(envelope, ["b", "a"], () => false)).toBeUndefined();
  });
});

describe("nonces", () => {
  const NOW = 1_760_000_000_000;

  it("keeps the 100 highest: out of order is fine inside them, below them is too low", () => {
    const set = new NonceSet();
    for (let i = 0; i < 100; i++) expect(set.take(NOW + 2 * i, NOW)).toBeUndefined();
    expect(set.take(NOW + 51, NOW)).toBeUndefined();
    expect(set.take(NOW + 51, NOW)).toBe(`Invalid nonce: duplicate nonce ${NOW + 51}`);
    expect(set.take(NOW, NOW)).toBe(`Invalid nonce: nonce too low ${NOW} < ${NOW + 2}`);
    expect(set.take(NOW + 1000, NOW)).toBeUndefined();
    expect(set.take(NOW + 3, NOW)).toBe(`Invalid nonce: nonce too low ${NOW + 3} < ${NOW + 4}`);
  });

  it("accepts two days back and one day ahead", () => {
    const day = 86_400_000;
    const take = (n: number): string | undefined => new NonceSet().take(n, NOW);
    expect(take(NOW - 2 * day + 1)).toBeUndefined();
    expect(take(NOW + day - 1)).toBeUndefined();
    expect(take(NOW - 2 * day)).toContain("out of the time window");
    expect(take(NOW + day)).toContain("out of the time window");
  });
});
