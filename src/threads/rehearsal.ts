import * as abi from "../abi/layout.js";
import { type Instrument, pow10, ticksToPx } from "../domain/index.js";
import { DEFAULT_KERNEL_PARAMS, type KernelHost, writeKernelConfig } from "../kernels/index.js";
import { createRing, RingConsumer, RingProducer } from "../rings/index.js";
import { FrameDecoder } from "../venues/hyperliquid/decode.js";

/**
 * Runs of made-up data through the hot code before the first real frame: engines compile what has run often, and a maker's
 * first frames should not pay for that. Nothing of it leaves the function that runs it.
 */
const FRAMES = 1500;
const RECORDS = 3000;
const RING_BYTES = 1 << 16;

/** Thread: ingest, before it connects. Costs some tens of milliseconds. */
export function rehearseDecoding(instruments: readonly Instrument[]): void {
  const inst = instruments[0];
  if (inst === undefined) return;
  const sab = createRing(RING_BYTES);
  const producer = new RingProducer(sab);
  const consumer = new RingConsumer(sab);
  const decoder = new FrameDecoder(instruments, () => producer);
  const frames = madeUpFrames(inst).map((text) => Buffer.from(text));
  for (let i = 0; i < FRAMES; i++) {
    for (const frame of frames) {
      decoder.decode(frame, i);
      producer.publish();
      while (consumer.poll() >= 0);
      consumer.release();
    }
  }
}

function madeUpFrames(inst: Instrument): string[] {
  const mid = 60_000 * pow10(inst.pxDecimals);
  const px = (ticks: number): string => {
    const text = String(ticksToPx(inst, ticks));
    return text.includes(".") ? text : `${text}.0`;
  };
  const level = (ticks: number, i: number): string =>
    `{"px":"${px(ticks)}","sz":"${1 + i}.0${i + 1}","n":${1 + i}}`;
  const side = (sign: number): string =>
    Array.from({ length: 20 }, (_, i) => level(mid + sign * (i + 1) * 10, i)).join(",");
  const time = 1_757_000_000_000;
  return [
    `{"channel":"l2Book","data":{"coin":"${inst.coin}","time":${time},"levels":[[${side(-1)}],[${side(1)}]]}}`,
    `{"channel":"bbo","data":{"coin":"${inst.coin}","time":${time},"bbo":[${level(mid - 10, 0)},${level(mid + 10, 1)}]}}`,
    `{"channel":"trades","data":[{"coin":"${inst.coin}","side":"B","px":"${px(mid)}","sz":"0.5","time":${time},"hash":"0x${"0".repeat(64)}","tid":1,"users":["0x${"0".repeat(40)}","0x${"0".repeat(40)}"]}]}`,
  ];
}

/** Thread: kernel, before it reads its ring. Leaves slot 0 as it was found: empty. */
export function rehearseKernel(host: KernelHost): void {
  const buffer = new ArrayBuffer(Math.max(abi.BOOK_SIZE, abi.KERNEL_CONFIG_SIZE));
  const f64 = new Float64Array(buffer);
  const u8 = new Uint8Array(buffer);
  const u32 = new Uint32Array(buffer);
  const views = { u8, u16: new Uint16Array(buffer), u32, f64 };
  const inst: Instrument = {
    ...{ asset: 0, venueAssetId: 0, coin: "REHEARSAL", pxDecimals: 1, szDecimals: 5, maxSigFigs: 5 },
    ...{ minNotionalUsd: 10, maxLeverage: 1 },
  };
  writeKernelConfig(views, 0, { ...DEFAULT_KERNEL_PARAMS, minTrades: 0, minBuckets: 0 }, inst);
  host.step(abi.RecordKind.KernelConfig, 0, f64, 0, abi.KERNEL_CONFIG_SIZE);
  const scratch = new Float64Array(abi.LADDER_SIZE / 8);
  for (let i = 0; i < RECORDS; i++) {
    const mid = 60_000 + (i % 50);
    stamp(u32, i);
    if (i % 3 === 0) {
      f64[abi.TRADE_PX >> 3] = mid + (i % 2);
      f64[abi.TRADE_SZ >> 3] = 0.1;
      u8[abi.TRADE_SIDE] = i % 2 === 0 ? 1 : 255;
      u8[abi.TRADE_FLAGS] = 0;
      host.step(abi.RecordKind.Trade, 0, f64, 0, abi.TRADE_SIZE);
      continue;
    }
    writeBook(f64, u8, mid);
    host.step(abi.RecordKind.Book, 0, f64, 0, abi.BOOK_SIZE);
    host.quote(0, i * 1e6);
    host.copyLadderTo(scratch, 0);
    if (i % 100 === 1) host.estimates(0, i * 1e6);
  }
  host.resetAsset(0);
}

/** Exchange time as two u32 limbs, 50 ms apart. */
function stamp(u32: Uint32Array, i: number): void {
  const ns = BigInt(1_757_000_000_000_000_000) + BigInt(i) * 50_000_000n;
  u32[0] = Number(ns & 0xffff_ffffn);
  u32[1] = Number(ns >> 32n);
}

function writeBook(f64: Float64Array, u8: Uint8Array, mid: number): void {
  u8[abi.BOOK_BID_COUNT] = 20;
  u8[abi.BOOK_ASK_COUNT] = 20;
  for (let i = 0; i < 20; i++) {
    const bid = (abi.BOOK_BIDS + i * abi.LEVEL_SIZE) >> 3;
    const ask = (abi.BOOK_ASKS + i * abi.LEVEL_SIZE) >> 3;
    f64[bid + (abi.LEVEL_PX >> 3)] = mid - 1 - i;
    f64[bid + (abi.LEVEL_SZ >> 3)] = 1 + i;
    f64[ask + (abi.LEVEL_PX >> 3)] = mid + 1 + i;
    f64[ask + (abi.LEVEL_SZ >> 3)] = 1 + i;
  }
}
