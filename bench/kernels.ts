/**
 * Kernel benches: what one record costs between the ring and the board. Inputs are a seeded random walk of 20-level books and
 * trades, written once; the record is copied into the inbox as the worker does it. The checksum in the note folds every
 * status and half-spread, so that nothing measured can be optimised away and two runs of a seed can be compared.
 */
import { readFileSync } from "node:fs";
import * as abi from "../src/abi/layout.js";
import { Rng } from "../src/domain/index.js";
import { DEFAULT_KERNEL_PARAMS, KernelHost, writeKernelConfig } from "../src/kernels/index.js";
import { type BenchContext, type BenchResult, type BenchSuite, BTC, micro } from "./harness.js";

const BOOKS = 512;
const TRADES = 2048;
/** Records of one seeded market: books of 984 bytes back to back, then trades of 48. */
class Market {
  readonly books = new Float64Array((BOOKS * abi.BOOK_SIZE) / 8);
  readonly trades = new Float64Array((TRADES * abi.TRADE_SIZE) / 8);
  readonly tradeSpanNs: bigint;
  private readonly nowNs = 1_757_000_000_000_000_000n;

  constructor(seed: number) {
    const rng = new Rng(seed);
    let mid = 110_000;
    const views = {
      i64: new BigInt64Array(this.books.buffer),
      u8: new Uint8Array(this.books.buffer),
    };
    for (let b = 0; b < BOOKS; b++) {
      mid = Math.round(mid + rng.normal() * 3);
      const at = b * abi.BOOK_SIZE;
      views.i64[at >> 3] = this.nowNs + BigInt(b) * 100_000_000n;
      this.books[(at + abi.BOOK_RECV_MONO_NS) >> 3] = b * 1e8;
      views.u8[at + abi.BOOK_BID_COUNT] = 20;
      views.u8[at + abi.BOOK_ASK_COUNT] = 20;
      for (let i = 0; i < 20; i++) {
        const gap = i + (i > 3 ? rng.below(2) : 0);
        this.level(at + abi.BOOK_BIDS + i * abi.LEVEL_SIZE, mid - 0.5 - i * 2 - (gap % 2), rng);
        this.level(at + abi.BOOK_ASKS + i * abi.LEVEL_SIZE, mid + 0.5 + i * 2 + (gap % 2), rng);
      }
    }
    const trades = {
      i64: new BigInt64Array(this.trades.buffer),
      i8: new Int8Array(this.trades.buffer),
    };
    let t = 0;
    for (let k = 0; k < TRADES; k++) {
      t += rng.exponential(20);
      const side = rng.uniform() < 0.5 ? 1 : -1;
      const at = k * abi.TRADE_SIZE;
      trades.i64[at >> 3] = this.nowNs + BigInt(Math.round(t * 1e9));
      this.trades[(at + abi.TRADE_RECV_MONO_NS) >> 3] = t * 1e9;
      this.trades[(at + abi.TRADE_PX) >> 3] = mid + side * (0.5 + rng.exponential(0.2));
      this.trades[(at + abi.TRADE_SZ) >> 3] = 0.001 + rng.exponential(20);
      trades.i8[at + abi.TRADE_SIDE] = side;
    }
    this.tradeSpanNs = BigInt(Math.round(t * 1e9));
  }

  private level(at: number, px: number, rng: Rng): void {
    this.books[(at + abi.LEVEL_PX) >> 3] = px;
    this.books[(at + abi.LEVEL_SZ) >> 3] = 0.01 + rng.exponential(1);
  }
}

function warmHost(market: Market, params: Partial<typeof DEFAULT_KERNEL_PARAMS> = {}): KernelHost {
  const host = new KernelHost(
    KernelHost.compile(readFileSync(new URL("../assembly/release.wasm", import.meta.url))),
  );
  const buffer = new ArrayBuffer(abi.KERNEL_CONFIG_SIZE);
  const views = {
    u8: new Uint8Array(buffer),
    u16: new Uint16Array(buffer),
    u32: new Uint32Array(buffer),
    f64: new Float64Array(buffer),
  };
  host.resetAsset(0);
  writeKernelConfig(views, 0, { ...DEFAULT_KERNEL_PARAMS, ...params }, BTC);
  host.step(abi.RecordKind.KernelConfig, 0, views.f64, 0, abi.KERNEL_CONFIG_SIZE);
  host.step(abi.RecordKind.Book, 0, market.books, 0, abi.BOOK_SIZE);
  for (let k = 0; k < TRADES; k++)
    host.step(abi.RecordKind.Trade, 0, market.trades, k * abi.TRADE_SIZE, abi.TRADE_SIZE);
  return host;
}

export const suite: BenchSuite = {
  name: "kernels",
  async run(ctx: BenchContext): Promise<BenchResult[]> {
    const market = new Market(ctx.seed);
    const results: BenchResult[] = [];
    const add = async (
      name: string,
      host: KernelHost,
      body: (i: number) => number,
      budgetP50?: number,
    ): Promise<void> => {
      let i = 0;
      let checksum = 0;
      const halfWord = (host.ladderOffset + abi.LADDER_HALF_SPREAD_BPS) >> 2;
      const result = await micro(
        name,
        () => {
          checksum = (Math.imul(checksum, 31) + body(i++) + host.memoryU32[halfWord]!) | 0;
        },
        {
          batch: 100,
          iterations: 2000,
          isSmoke: ctx.isSmoke,
          unit: "ns",
          ...(budgetP50 ? { budgetP50 } : {}),
        },
      );
      results.push({ ...result, note: `${result.note ?? ""}; checksum ${checksum >>> 0}` });
    };

    // A book that goes back in time is refused, so each lap moves the stamps on by the length of the walk.
    const book = warmHost(market);
    const stamps = new BigInt64Array(market.books.buffer);
    const lapNs = BigInt(BOOKS) * 100_000_000n;
    const out = new Float64Array(abi.LADDER_SIZE / 8);
    await add(
      "kernel.book",
      book,
      (i) => {
        const at = (i % BOOKS) * abi.BOOK_SIZE;
        const status = book.step(abi.RecordKind.Book, 0, market.books, at, abi.BOOK_SIZE);
        stamps[at >> 3] = stamps[at >> 3]! + lapNs;
        const quoted = book.quote(0, i);
        book.copyLadderTo(out, 0);
        return status * 64 + quoted;
      },
      5000,
    );
    const step = warmHost(market);
    await add("kernel.bookStep", step, (i) => {
      const at = (i % BOOKS) * abi.BOOK_SIZE;
      const status = step.step(abi.RecordKind.Book, 0, market.books, at, abi.BOOK_SIZE);
      stamps[at >> 3] = stamps[at >> 3]! + lapNs;
      return status;
    });
    const trade = warmHost(market);
    const tradeStamps = new BigInt64Array(market.trades.buffer);
    const tradeLapNs = market.tradeSpanNs + 50_000_000n;
    for (let k = 0; k < TRADES; k++) tradeStamps[(k * abi.TRADE_SIZE) >> 3]! += tradeLapNs;
    await add("kernel.trade", trade, (i) => {
      const at = (i % TRADES) * abi.TRADE_SIZE;
      const status = trade.step(abi.RecordKind.Trade, 0, market.trades, at, abi.TRADE_SIZE);
      tradeStamps[at >> 3] = tradeStamps[at >> 3]! + tradeLapNs;
      return status;
    });
    const quote = warmHost(market);
    await add("kernel.quote", quote, (i) => quote.quote(0, i));
    const deep = warmHost(market, { levelCount: 32, kappaMaxPerBps: 0.15, kappaPriorPerBps: 0.1 });
    await add("kernel.quote32", deep, (i) => deep.quote(0, i));
    return results;
  },
};
