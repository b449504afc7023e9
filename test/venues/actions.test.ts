import { keccak_256 } from "@noble/hashes/sha3.js";
import { Wallet } from "ethers";
import fc from "fast-check";
import { Packr } from "msgpackr";
import { describe, expect, test } from "vitest";
import {
  type CancelOrder,
  type Cloid,
  decimalToWire,
  type Instrument,
  type ModifyOrder,
  type NewOrder,
  pxTicks,
  Side,
  szLots,
  type Tif,
} from "../../src/domain/index.js";
import { ActionEncoder, MAX_BATCH } from "../../src/venues/hyperliquid/actions.js";
import { L1Signer } from "../../src/venues/hyperliquid/sign.js";

const SEED = 20251121;
const packr = new Packr({ useRecords: false, variableMapSize: true });
/**
 * The rules of reference §5.2 for objects, lists, texts, booleans and non-negative integers. The library cannot be the judge
 * of integers from 2^32 on: it writes Numbers as doubles and BigInts as signed, where the venue hashes unsigned ones.
 */
function msgpackOf(value: unknown): Buffer {
  const sized = (n: number, short: number, shortMax: number, tag: number): Buffer =>
    n <= shortMax ? Buffer.from([short | n]) : Buffer.from([tag, n]);
  if (typeof value === "boolean") return Buffer.from([value ? 0xc3 : 0xc2]);
  if (typeof value === "string")
    return Buffer.concat([sized(value.length, 0xa0, 31, 0xd9), Buffer.from(value)]);
  if (typeof value === "number") {
    const width = value < 2 ** 7 ? 0 : value < 2 ** 8 ? 1 : value < 2 ** 16 ? 2 : value < 2 ** 32 ? 4 : 8;
    const tag = { 0: "", 1: "cc", 2: "cd", 4: "ce", 8: "cf" }[width];
    return Buffer.from(tag + value.toString(16).padStart(Math.max(2, width * 2), "0"), "hex");
  }
  if (Array.isArray(value)) {
    const head = value.length <= 15 ? [0x90 | value.length] : [0xdc, value.length >> 8, value.length & 255];
    return Buffer.concat([Buffer.from(head), ...value.map(msgpackOf)]);
  }
  const entries = Object.entries(value as object);
  return Buffer.concat([Buffer.from([0x80 | entries.length]), ...entries.flat().map(msgpackOf)]);
}

const instrument = (asset: number, venueAssetId: number, szDecimals: number): Instrument => ({
  asset,
  venueAssetId,
  coin: `C${asset}`,
  pxDecimals: 6 - szDecimals,
  szDecimals,
  maxSigFigs: 5,
  minNotionalUsd: 10,
  maxLeverage: 10,
});
const INSTRUMENTS = [
  instrument(0, 0, 5),
  instrument(1, 127, 4),
  instrument(2, 128, 0),
  instrument(3, 255, 1),
  instrument(4, 256, 2),
  instrument(5, 65_536, 3),
  instrument(6, 110_000, 6),
];

const cloid: fc.Arbitrary<Cloid> = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((b) => `0x${Buffer.from(b).toString("hex")}` as Cloid);
const quantity = fc.oneof(
  fc.integer({ min: 1, max: 100_000 }),
  fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  fc.nat({ max: 14 }).map((e) => 10 ** e),
  fc.constantFrom(0x7fff_fffe, 0x7fff_ffff, 0x8000_0000, 2 ** 32, Number.MAX_SAFE_INTEGER),
);
const assets = fc.nat({ max: INSTRUMENTS.length - 1 });
const newOrder: fc.Arbitrary<NewOrder> = fc.record({
  asset: assets,
  side: fc.constantFrom(Side.Buy, Side.Sell),
  pxTicks: quantity.map(pxTicks),
  szLots: quantity.map(szLots),
  tif: fc.constantFrom<Tif>("Alo", "Ioc", "Gtc"),
  reduceOnly: fc.boolean(),
  cloid,
});
const batchOf = <T>(one: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
  fc.array(one, { minLength: 1, maxLength: 20 });
const cancelOrder: fc.Arbitrary<CancelOrder> = fc.record({ asset: assets, cloid });

/** The action as the venue's documents write it: strings by the domain's formatter, keys in hash order. */
function orderObject(order: NewOrder): object {
  const inst = INSTRUMENTS[order.asset]!;
  return {
    a: inst.venueAssetId,
    b: order.side === Side.Buy,
    p: decimalToWire(order.pxTicks, inst.pxDecimals),
    s: decimalToWire(order.szLots, inst.szDecimals),
    r: order.reduceOnly,
    t: { limit: { tif: order.tif } },
    c: order.cloid,
  };
}

function check(encoder: ActionEncoder, action: object, hasWideIntegers = false): void {
  const packed = Buffer.from(encoder.msgpack.subarray(0, encoder.msgpackLength));
  expect(packed.toString("hex")).toBe(msgpackOf(action).toString("hex"));
  if (!hasWideIntegers) expect(packed.toString("hex")).toBe(packr.pack(action).toString("hex"));
  expect(JSON.parse(Buffer.from(encoder.actionJson).toString("utf8"))).toEqual(action);
}

describe("what is signed is what is sent, for random actions", () => {
  const encoder = new ActionEncoder(INSTRUMENTS);
  const runs = { numRuns: 200, seed: SEED };

  test("placements", () => {
    fc.assert(
      fc.property(batchOf(newOrder), (orders) => {
        encoder.placeOrders(orders);
        check(encoder, { type: "order", orders: orders.map(orderObject), grouping: "na" });
      }),
      runs,
    );
  });

  test("modifies", () => {
    const modify: fc.Arbitrary<ModifyOrder> = fc.record({ target: cloid, order: newOrder });
    fc.assert(
      fc.property(batchOf(modify), (modifies) => {
        encoder.modifyOrders(modifies);
        check(encoder, {
          type: "batchModify",
          modifies: modifies.map(({ target, order }) => ({ oid: target, order: orderObject(order) })),
        });
      }),
      runs,
    );
  });

  test("cancels by client id, fast and plain", () => {
    fc.assert(
      fc.property(batchOf(cancelOrder), fc.boolean(), (cancels, isFast) => {
        encoder.cancelByCloid(cancels, isFast);
        check(encoder, {
          type: "cancelByCloid",
          cancels: cancels.map((c) => ({ asset: INSTRUMENTS[c.asset]!.venueAssetId, cloid: c.cloid })),
          ...(isFast ? { f: true } : {}),
        });
      }),
      runs,
    );
  });

  test("cancels by venue id, fast and plain", () => {
    const cancel = fc.record({ asset: assets, oid: fc.nat({ max: Number.MAX_SAFE_INTEGER }) });
    fc.assert(
      fc.property(batchOf(cancel), fc.boolean(), (cancels, isFast) => {
        encoder.cancelByOid(cancels, isFast);
        const action = {
          type: "cancel",
          cancels: cancels.map((c) => ({ a: INSTRUMENTS[c.asset]!.venueAssetId, o: c.oid })),
          ...(isFast ? { f: true } : {}),
        };
        check(
          encoder,
          action,
          cancels.some((c) => c.oid >= 2 ** 32),
        );
      }),
      runs,
    );
  });

  test("scheduled cancels, leverage and noop", () => {
    fc.assert(
      fc.property(
        fc.nat({ max: Number.MAX_SAFE_INTEGER }),
        assets,
        fc.boolean(),
        fc.nat(),
        (time, asset, isCross, leverage) => {
          encoder.scheduleCancel(time);
          check(encoder, { type: "scheduleCancel", time }, time >= 2 ** 32);
          encoder.scheduleCancel(undefined);
          check(encoder, { type: "scheduleCancel" });
          encoder.updateLeverage(asset, isCross, leverage);
          check(encoder, {
            type: "updateLeverage",
            asset: INSTRUMENTS[asset]!.venueAssetId,
            isCross,
            leverage,
          });
          encoder.noop();
          check(encoder, { type: "noop" });
        },
      ),
      runs,
    );
  });

  test("a full batch fits, and the arrays' two length forms meet at 15 and 16", () => {
    const order: NewOrder = {
      asset: 6,
      side: Side.Sell,
      pxTicks: pxTicks(Number.MAX_SAFE_INTEGER),
      szLots: szLots(Number.MAX_SAFE_INTEGER),
      tif: "Alo",
      reduceOnly: false,
      cloid: `0x${"ab".repeat(16)}`,
    };
    for (const n of [15, 16, MAX_BATCH]) {
      const modifies = new Array<ModifyOrder>(n).fill({ target: order.cloid, order });
      encoder.modifyOrders(modifies);
      check(encoder, {
        type: "batchModify",
        modifies: modifies.map((m) => ({ oid: m.target, order: orderObject(m.order) })),
      });
      encoder.seal(Number.MAX_SAFE_INTEGER, new Uint8Array(64), 28, new Uint8Array(42).fill(0x30), 1);
      expect(JSON.parse(Buffer.from(encoder.postFrame(Number.MAX_SAFE_INTEGER)).toString()).id).toBe(
        Number.MAX_SAFE_INTEGER,
      );
    }
  });

  test("the slice of a batch", () => {
    fc.assert(
      fc.property(batchOf(newOrder), fc.nat(), fc.nat(), (orders, a, b) => {
        const from = a % orders.length;
        const to = from + 1 + (b % (orders.length - from));
        encoder.placeOrders(orders, from, to);
        check(encoder, { type: "order", orders: orders.slice(from, to).map(orderObject), grouping: "na" });
      }),
      { numRuns: 50, seed: SEED },
    );
  });
});

describe("the sealed payload", () => {
  const KEY = new Uint8Array(32).fill(7);
  const vault = `0x${"1f".repeat(20)}`;
  const ascii = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "latin1"));

  test("of random batches recovers to ethers' signature of the JSON that is sent", async () => {
    const encoder = new ActionEncoder(INSTRUMENTS);
    await fc.assert(
      fc.asyncProperty(
        batchOf(newOrder),
        fc.nat({ max: 2 ** 45 }),
        fc.boolean(),
        fc.option(fc.nat({ max: 2 ** 45 }), { nil: undefined }),
        fc.constantFrom("a" as const, "b" as const),
        fc.nat({ max: 2 ** 40 }),
        async (orders, nonce, hasVault, expiresAfter, source, id) => {
          const signer = new L1Signer(KEY, source);
          encoder.placeOrders(orders);
          signer.sign(
            encoder.msgpack,
            encoder.msgpackLength,
            nonce,
            hasVault ? Uint8Array.from(Buffer.from(vault.slice(2), "hex")) : undefined,
            expiresAfter,
          );
          encoder.seal(nonce, signer.signature, signer.v, hasVault ? ascii(vault) : undefined, expiresAfter);

          const payload = JSON.parse(Buffer.from(encoder.httpBody()).toString());
          const frame = JSON.parse(Buffer.from(encoder.postFrame(id)).toString());
          expect(frame).toEqual({ method: "post", id, request: { type: "action", payload } });
          // The envelope is written around the payload: the body must still be whole.
          expect(JSON.parse(Buffer.from(encoder.httpBody()).toString())).toEqual(payload);
          expect(Object.keys(payload)).toEqual([
            "action",
            "nonce",
            "signature",
            ...(hasVault ? ["vaultAddress"] : []),
            ...(expiresAfter === undefined ? [] : ["expiresAfter"]),
          ]);

          const u64 = (n: number): string => n.toString(16).padStart(16, "0");
          const preimage =
            packr.pack(payload.action).toString("hex") +
            u64(payload.nonce) +
            (payload.vaultAddress === undefined ? "00" : `01${payload.vaultAddress.slice(2)}`) +
            (payload.expiresAfter === undefined ? "" : `00${u64(payload.expiresAfter)}`);
          const expected = await new Wallet(`0x${Buffer.from(KEY).toString("hex")}`).signTypedData(
            {
              name: "Exchange",
              version: "1",
              chainId: 1337,
              verifyingContract: "0x0000000000000000000000000000000000000000",
            },
            {
              Agent: [
                { name: "source", type: "string" },
                { name: "connectionId", type: "bytes32" },
              ],
            },
            { source, connectionId: keccak_256(Buffer.from(preimage, "hex")) },
          );
          const { r, s, v } = payload.signature;
          expect(`${r}${s.slice(2)}${v.toString(16)}`).toBe(expected);
        },
      ),
      { numRuns: 60, seed: SEED },
    );
  });
});

describe("what no venue could accept is refused before it is signed", () => {
  const encoder = new ActionEncoder(INSTRUMENTS);
  const good: NewOrder = {
    asset: 0,
    side: Side.Buy,
    pxTicks: pxTicks(1),
    szLots: szLots(1),
    tif: "Alo",
    reduceOnly: false,
    cloid: `0x${"00".repeat(16)}`,
  };

  test.each([
    ["a fractional price", { pxTicks: 1.5 }],
    ["a zero price", { pxTicks: 0 }],
    ["a price that is not a number", { pxTicks: Number.NaN }],
    ["a negative size", { szLots: -1 }],
    ["a zero size", { szLots: 0 }],
    ["an unknown asset", { asset: 99 }],
    ["a client id in capitals", { cloid: `0x${"AB".repeat(16)}` }],
    ["a client id that is too short", { cloid: "0x12" }],
    ["a client id that would end the JSON string", { cloid: `0x${'"'.repeat(32)}` }],
  ])("%s", (_, wrong) => {
    expect(() => encoder.placeOrders([good, { ...good, ...wrong } as NewOrder])).toThrow(RangeError);
  });

  test("an empty batch and one over the limit", () => {
    expect(() => encoder.placeOrders([])).toThrow(RangeError);
    expect(() => encoder.placeOrders(new Array(MAX_BATCH + 1).fill(good))).toThrow(RangeError);
  });
});
