/**
 * The order path from a ladder to bytes ready for the socket, and its parts. Pairs run interleaved on the same inputs and
 * must agree; the rejected alternatives (ethers, the portable keccak) stay as partners.
 */
import { keccak_256 } from "@noble/hashes/sha3.js";
import { SigningKey } from "ethers";
import {
  type Cloid,
  type Instrument,
  type NewOrder,
  pxTicks,
  Rng,
  Side,
  szLots,
} from "../src/domain/index.js";
import { ActionEncoder } from "../src/venues/hyperliquid/actions.js";
import { Keccak256 } from "../src/venues/hyperliquid/keccak.js";
import { L1Signer } from "../src/venues/hyperliquid/sign.js";
import { type BenchContext, type BenchResult, type BenchSuite, Samples } from "./harness.js";

const KEY = Buffer.from("0123456789012345678901234567890123456789012345678901234567890123", "hex");
const INSTRUMENT: Instrument = {
  asset: 0,
  venueAssetId: 0,
  coin: "BTC",
  pxDecimals: 1,
  szDecimals: 5,
  maxSigFigs: 5,
  minNotionalUsd: 10,
  maxLeverage: 40,
};
const BATCHES = 64;
const ORDERS = 10;

function randomBatches(rng: Rng): NewOrder[][] {
  let counter = 0;
  return Array.from({ length: BATCHES }, () =>
    Array.from({ length: ORDERS }, (_, i) => ({
      asset: 0,
      side: i % 2 ? Side.Sell : Side.Buy,
      pxTicks: pxTicks((100_000 + rng.below(20_000)) * 10),
      szLots: szLots(10 + rng.below(90_000)),
      tif: "Alo" as const,
      reduceOnly: false,
      cloid: `0x6d6d6b72${(counter++).toString(16).padStart(24, "0")}` as Cloid,
    })),
  );
}

async function run(ctx: BenchContext): Promise<BenchResult[]> {
  const rounds = ctx.isSmoke ? 3 : 3000;
  const rng = new Rng(ctx.seed);
  const batches = randomBatches(rng);
  const encoder = new ActionEncoder([INSTRUMENT]);
  const signer = new L1Signer(KEY, "b");
  const ethers = new SigningKey(KEY);
  const hasher = new Keccak256(4096);

  const samples = (): Samples => new Samples(rounds);
  const at = {
    native: samples(),
    ethers: samples(),
    wasm: samples(),
    noble: samples(),
    encode: samples(),
    whole: samples(),
  };
  const timed = (into: Samples, fn: () => void): void => {
    const t0 = process.hrtime.bigint();
    fn();
    into.add(Number(process.hrtime.bigint() - t0));
  };
  let nonce = 1_700_000_000_000;
  let checksum = 0;
  let differs = 0;

  const ladderToSigned = (batch: NewOrder[]): void => {
    nonce++;
    encoder.placeOrders(batch);
    signer.sign(encoder.msgpack, encoder.msgpackLength, nonce);
    encoder.seal(nonce, signer.signature, signer.v);
    checksum = (checksum * 31 + Buffer.from(encoder.postFrame(nonce % 1000)).length) | 0;
  };
  // Compiled before it is measured: a process that trades has been running for longer than this.
  for (let i = 0; i < (ctx.isSmoke ? 1 : 500); i++) {
    ladderToSigned(batches[i % BATCHES]!);
    hasher.digestInput(1000);
    keccak_256(encoder.msgpack.subarray(0, 1000));
  }
  // The path by itself: between the pairs below it reads half as much again, its tables pushed out of the caches.
  for (let i = 0; i < rounds; i++) {
    const batch = batches[i % BATCHES]!;
    timed(at.whole, () => ladderToSigned(batch));
  }
  for (let i = 0; i < rounds; i++) timed(at.encode, () => encoder.placeOrders(batches[i % BATCHES]!));
  for (let i = 0; i < rounds; i++) {
    encoder.placeOrders(batches[i % BATCHES]!);
    const length = encoder.msgpackLength;
    hasher.input.set(encoder.msgpack.subarray(0, length));
    let reference = new Uint8Array();
    const ours = (): void => timed(at.wasm, () => hasher.digestInput(length));
    const theirs = (): void =>
      timed(at.noble, () => {
        reference = keccak_256(encoder.msgpack.subarray(0, length));
      });
    for (const turn of rng.uniform() < 0.5 ? [ours, theirs] : [theirs, ours]) turn();
    if (Buffer.compare(hasher.digest, reference) !== 0) differs++;
    checksum = (checksum * 31 + reference[0]!) | 0;
  }
  for (let i = 0; i < rounds; i++) {
    const digest = keccak_256(Uint8Array.of(i, i >>> 8, ctx.seed));
    timed(at.native, () => signer.signDigest(digest));
    // The slow partner is heard every tenth time: it says the same and takes ten times as long.
    if (i % 10 !== 0) continue;
    let theirs = "";
    timed(at.ethers, () => {
      theirs = ethers.sign(digest).serialized;
    });
    const ours = `0x${Buffer.from(signer.signature).toString("hex")}${signer.v.toString(16)}`;
    if (ours !== theirs) differs++;
  }
  if (differs > 0)
    throw new Error(`sign bench: ${differs} signatures or digests differ between the partners`);

  const keccakNote = `one batch of ${ORDERS} orders`;
  return [
    at.native.result("sign.native", "us", {
      note: `${signer.implementation}, one digest; checksum ${checksum}`,
    }),
    at.ethers.result("sign.ethers", "us", { note: "the same digests, equal signatures" }),
    at.wasm.result("keccak.wasm", "us", { note: keccakNote }),
    at.noble.result("keccak.noble", "us", { note: `${keccakNote}, equal digests` }),
    at.encode.result("execution.encode10", "us", { note: "msgpack and JSON in one pass" }),
    at.whole.result("execution.ladderToSigned10", "us", {
      budgetP50: 60,
      note: "10 orders: encode, hash, sign, frame and copy for the socket",
    }),
  ];
}

export const suite: BenchSuite = { name: "sign", run };
