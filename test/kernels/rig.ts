/** A kernel with one configured asset and a hand on every record; prices in quote currency, times in seconds. */
import { readFileSync } from "node:fs";
import * as abi from "../../src/abi/layout.js";
import type { Instrument } from "../../src/domain/index.js";
import {
  DEFAULT_KERNEL_PARAMS,
  KernelHost,
  type KernelParams,
  writeKernelConfig,
} from "../../src/kernels/index.js";

export const releaseWasm = new URL("../../dist/assembly/release.wasm", import.meta.url);
export const debugWasm = new URL("../../dist/assembly/debug.wasm", import.meta.url);
export const releaseModule = KernelHost.compile(readFileSync(releaseWasm));

/** BTC perpetual as Hyperliquid lists it: grid 0.1, but five significant figures make it whole dollars at 110,000. */
export const BTC: Instrument = {
  asset: 0,
  venueAssetId: 0,
  coin: "BTC",
  pxDecimals: 1,
  szDecimals: 5,
  maxSigFigs: 5,
  minNotionalUsd: 10,
  maxLeverage: 40,
};

const EPOCH_NS = 1_757_000_000_000_000_000n;

export type BookSide = readonly (readonly [px: number, sz: number])[];

export interface Ladder {
  readonly status: number;
  readonly bids: { readonly pxTicks: number; readonly szLots: number }[];
  readonly asks: { readonly pxTicks: number; readonly szLots: number }[];
  readonly term: (offset: number) => number;
}

export class Rig {
  readonly host: KernelHost;
  private readonly buffer = new ArrayBuffer(2048);
  readonly u8 = new Uint8Array(this.buffer);
  readonly u16 = new Uint16Array(this.buffer);
  readonly u32 = new Uint32Array(this.buffer);
  readonly i8 = new Int8Array(this.buffer);
  readonly f64 = new Float64Array(this.buffer);
  readonly i64 = new BigInt64Array(this.buffer);
  slot = 0;
  inst: Instrument;

  constructor(
    params: Partial<KernelParams> = {},
    inst: Instrument = BTC,
    module: WebAssembly.Module = releaseModule,
  ) {
    this.host = new KernelHost(module);
    this.inst = inst;
    this.host.resetAsset(0);
    this.configure(params);
  }

  configure(params: Partial<KernelParams>): number {
    this.u8.fill(0);
    writeKernelConfig(this, 0, { ...DEFAULT_KERNEL_PARAMS, ...params }, this.inst);
    return this.send(abi.RecordKind.KernelConfig, abi.KERNEL_CONFIG_SIZE);
  }

  /** Steps whatever stands in the buffer. */
  send(kind: abi.RecordKind, bytes: number): number {
    return this.host.step(kind, this.slot, this.f64, 0, bytes);
  }

  private begin(tS: number, exchOffset: number, recvOffset: number): void {
    this.u8.fill(0);
    this.i64[exchOffset >> 3] = EPOCH_NS + BigInt(Math.round(tS * 1e9));
    this.f64[recvOffset >> 3] = tS * 1e9;
  }

  writeBook(tS: number, bids: BookSide, asks: BookSide): void {
    this.begin(tS, abi.BOOK_EXCH_TS_NS, abi.BOOK_RECV_MONO_NS);
    this.u8[abi.BOOK_BID_COUNT] = bids.length;
    this.u8[abi.BOOK_ASK_COUNT] = asks.length;
    for (const [side, at] of [
      [bids, abi.BOOK_BIDS],
      [asks, abi.BOOK_ASKS],
    ] as const) {
      side.forEach(([px, sz], i) => {
        this.f64[(at + i * abi.LEVEL_SIZE + abi.LEVEL_PX) >> 3] = px;
        this.f64[(at + i * abi.LEVEL_SIZE + abi.LEVEL_SZ) >> 3] = sz;
      });
    }
  }

  book(tS: number, bids: BookSide, asks: BookSide): number {
    this.writeBook(tS, bids, asks);
    return this.send(abi.RecordKind.Book, abi.BOOK_SIZE);
  }

  /** Twenty levels a side around a touch, one `step` apart, of equal size. */
  flatBook(tS: number, bid: number, ask: number, step: number, sz = 1): number {
    const side = (from: number, sign: number): BookSide =>
      Array.from({ length: 20 }, (_, i) => [from + sign * i * step, sz] as const).filter(([px]) => px > 0);
    return this.book(tS, side(bid, -1), side(ask, 1));
  }

  writeBbo(tS: number, bid: number, bidSz: number, ask: number, askSz: number): void {
    this.begin(tS, abi.BBO_EXCH_TS_NS, abi.BBO_RECV_MONO_NS);
    this.f64[abi.BBO_BID_PX >> 3] = bid;
    this.f64[abi.BBO_BID_SZ >> 3] = bidSz;
    this.f64[abi.BBO_ASK_PX >> 3] = ask;
    this.f64[abi.BBO_ASK_SZ >> 3] = askSz;
  }

  bbo(tS: number, bid: number, bidSz: number, ask: number, askSz: number): number {
    this.writeBbo(tS, bid, bidSz, ask, askSz);
    return this.send(abi.RecordKind.Bbo, abi.BBO_SIZE);
  }

  writeTrade(tS: number, px: number, sz: number, side: number, flags = 0): void {
    this.begin(tS, abi.TRADE_EXCH_TS_NS, abi.TRADE_RECV_MONO_NS);
    this.f64[abi.TRADE_PX >> 3] = px;
    this.f64[abi.TRADE_SZ >> 3] = sz;
    this.i8[abi.TRADE_SIDE] = side;
    this.u8[abi.TRADE_FLAGS] = flags;
  }

  trade(tS: number, px: number, sz: number, side: number, flags = 0): number {
    this.writeTrade(tS, px, sz, side, flags);
    return this.send(abi.RecordKind.Trade, abi.TRADE_SIZE);
  }

  position(posLots: number): number {
    this.u8.fill(0);
    this.f64[abi.POSITION_POS_LOTS >> 3] = posLots;
    return this.send(abi.RecordKind.Position, abi.POSITION_SIZE);
  }

  feed(state: abi.FeedState): number {
    this.u8.fill(0);
    this.u8[abi.FEED_STATUS_STATE] = state;
    return this.send(abi.RecordKind.FeedStatus, abi.FEED_STATUS_SIZE);
  }

  /** 200 trades in 20 s of a calm market at `px` with a touch of +-halfStep, so that both warm-ups are behind. */
  warm(px: number, halfSpread: number, step: number, untilS = 20): number {
    let t = 0;
    for (let i = 0; i < 200; i++) {
      t = (untilS * (i + 1)) / 200;
      const move = step * ((i % 7) - 3);
      this.flatBook(t - 0.001, px - halfSpread + move, px + halfSpread + move, step);
      const side = i % 2 === 0 ? 1 : -1;
      this.trade(t, px + move + side * halfSpread, 0.01, side);
    }
    this.flatBook(untilS + 1, px - halfSpread, px + halfSpread, step);
    return untilS + 1;
  }

  quote(): Ladder {
    this.host.quote(this.slot, 1e9);
    return readLadder(this.host);
  }

  estimate(offset: number): number {
    this.host.estimates(this.slot, 1e9);
    return this.host.memoryF64[(this.host.estimatesOffset + offset) >> 3]!;
  }
}

export function readLadder(host: KernelHost): Ladder {
  const at = host.ladderOffset;
  const side = (offset: number, count: number): { pxTicks: number; szLots: number }[] =>
    Array.from({ length: count }, (_, i) => {
      const quote = at + offset + i * abi.QUOTE_SIZE;
      return {
        pxTicks: host.memoryF64[(quote + abi.QUOTE_PX_TICKS) >> 3]!,
        szLots: host.memoryF64[(quote + abi.QUOTE_SZ_LOTS) >> 3]!,
      };
    });
  return {
    status: host.memoryI32[(at + abi.LADDER_STATUS) >> 2]!,
    bids: side(abi.LADDER_BIDS, host.memoryU8[at + abi.LADDER_BID_COUNT]!),
    asks: side(abi.LADDER_ASKS, host.memoryU8[at + abi.LADDER_ASK_COUNT]!),
    term: (offset) => host.memoryF64[(at + offset) >> 3]!,
  };
}

/** A term of the last quote by name, for readable assertions. */
export const terms = (l: Ladder) => ({
  half: l.term(abi.LADDER_HALF_SPREAD_BPS),
  skew: l.term(abi.LADDER_SKEW_BPS),
  rawSkew: l.term(abi.LADDER_RAW_SKEW_BPS),
  still: l.term(abi.LADDER_STATIC_HALF_SPREAD_BPS),
  inventory: l.term(abi.LADDER_INVENTORY_HALF_SPREAD_BPS),
  as: l.term(abi.LADDER_AS_BPS),
  fee: l.term(abi.LADDER_FEE_BPS),
  floor: l.term(abi.LADDER_FLOOR_BPS),
  sigma: l.term(abi.LADDER_SIGMA_BPS),
  kappa: l.term(abi.LADDER_KAPPA_PER_BPS),
  gamma: l.term(abi.LADDER_GAMMA_PER_BPS),
  horizon: l.term(abi.LADDER_HORIZON_S),
  arrival: l.term(abi.LADDER_ARRIVAL_PER_S),
  mid: l.term(abi.LADDER_MID_PX),
  fair: l.term(abi.LADDER_FAIR_PX),
  bestBid: l.term(abi.LADDER_BEST_BID_PX),
  bestAsk: l.term(abi.LADDER_BEST_ASK_PX),
});
