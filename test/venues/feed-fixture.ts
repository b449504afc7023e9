/** What the feed tests share: a ring that is read back into objects, and a decoder's reference made of JSON.parse. */
import * as abi from "../../src/abi/layout.js";
import type { Instrument } from "../../src/domain/index.js";
import { createRing, RingConsumer, RingProducer } from "../../src/rings/index.js";
import { FrameDecoder } from "../../src/venues/hyperliquid/decode.js";

export const instrument = (asset: number, coin: string): Instrument => ({
  asset,
  venueAssetId: asset,
  coin,
  pxDecimals: 1,
  szDecimals: 5,
  maxSigFigs: 5,
  minNotionalUsd: 10,
  maxLeverage: 40,
});

export const INSTRUMENTS = [instrument(0, "BTC"), instrument(1, "ETH"), instrument(2, "xyz:TSLA")];

export interface Level {
  readonly px: number;
  readonly sz: number;
  readonly n: number;
}
export interface BookRecord {
  readonly kind: "book";
  readonly asset: number;
  readonly exchNs: bigint;
  readonly bids: readonly Level[];
  readonly asks: readonly Level[];
}
export interface TradeRecord {
  readonly kind: "trade";
  readonly asset: number;
  readonly exchNs: bigint;
  readonly px: number;
  readonly sz: number;
  readonly tid: bigint;
  readonly side: number;
  readonly isBacklog: boolean;
}
export interface BboRecord {
  readonly kind: "bbo";
  readonly asset: number;
  readonly exchNs: bigint;
  readonly bid: readonly [number, number];
  readonly ask: readonly [number, number];
}
export interface StatusRecord {
  readonly kind: "status";
  readonly asset: number;
  readonly state: number;
}
export interface CtxRecord {
  readonly kind: "ctx";
  readonly asset: number;
  readonly values: readonly number[];
}
export type MarketRecord = BookRecord | TradeRecord | BboRecord | StatusRecord | CtxRecord;

/** Reads and releases everything published. */
export class RingReader {
  readonly seqs: number[] = [];
  readonly recvMonoNs: number[] = [];
  private readonly consumer: RingConsumer;
  private readonly view: DataView;

  constructor(sab: SharedArrayBuffer) {
    this.consumer = new RingConsumer(sab);
    this.view = new DataView(sab);
  }

  /** Drops what is there; true when there was anything. */
  skip(): boolean {
    let any = false;
    while (this.consumer.poll() >= 0) any = true;
    this.consumer.release();
    return any;
  }

  take(): MarketRecord[] {
    const records: MarketRecord[] = [];
    for (let at = this.consumer.poll(); at >= 0; at = this.consumer.poll()) records.push(this.read(at));
    this.consumer.release();
    return records;
  }

  private read(at: number): MarketRecord {
    const v = this.view;
    const f64 = (offset: number): number => v.getFloat64(at + offset, true);
    const asset = (offset: number): number => v.getUint16(at + offset, true);
    const side = (first: number, count: number): Level[] =>
      Array.from({ length: count }, (_, i) => ({
        px: f64(first + i * abi.LEVEL_SIZE + abi.LEVEL_PX),
        sz: f64(first + i * abi.LEVEL_SIZE + abi.LEVEL_SZ),
        n: v.getUint32(at + first + i * abi.LEVEL_SIZE + abi.LEVEL_ORDERS, true),
      }));
    switch (this.consumer.kind) {
      case abi.RecordKind.Book:
        this.seqs.push(v.getUint32(at + abi.BOOK_SEQ, true));
        this.recvMonoNs.push(f64(abi.BOOK_RECV_MONO_NS));
        return {
          kind: "book",
          asset: asset(abi.BOOK_ASSET),
          exchNs: v.getBigInt64(at + abi.BOOK_EXCH_TS_NS, true),
          bids: side(abi.BOOK_BIDS, v.getUint8(at + abi.BOOK_BID_COUNT)),
          asks: side(abi.BOOK_ASKS, v.getUint8(at + abi.BOOK_ASK_COUNT)),
        };
      case abi.RecordKind.Trade:
        this.seqs.push(v.getUint32(at + abi.TRADE_SEQ, true));
        this.recvMonoNs.push(f64(abi.TRADE_RECV_MONO_NS));
        return {
          kind: "trade",
          asset: asset(abi.TRADE_ASSET),
          exchNs: v.getBigInt64(at + abi.TRADE_EXCH_TS_NS, true),
          px: f64(abi.TRADE_PX),
          sz: f64(abi.TRADE_SZ),
          tid: v.getBigUint64(at + abi.TRADE_TID, true),
          side: v.getInt8(at + abi.TRADE_SIDE),
          isBacklog: v.getUint8(at + abi.TRADE_FLAGS) === abi.TradeFlag.Backlog,
        };
      case abi.RecordKind.Bbo:
        this.seqs.push(v.getUint32(at + abi.BBO_SEQ, true));
        this.recvMonoNs.push(f64(abi.BBO_RECV_MONO_NS));
        return {
          kind: "bbo",
          asset: asset(abi.BBO_ASSET),
          exchNs: v.getBigInt64(at + abi.BBO_EXCH_TS_NS, true),
          bid: [f64(abi.BBO_BID_PX), f64(abi.BBO_BID_SZ)],
          ask: [f64(abi.BBO_ASK_PX), f64(abi.BBO_ASK_SZ)],
        };
      case abi.RecordKind.FeedStatus:
        this.seqs.push(v.getUint32(at + abi.FEED_STATUS_SEQ, true));
        return {
          kind: "status",
          asset: asset(abi.FEED_STATUS_ASSET),
          state: v.getUint8(at + abi.FEED_STATUS_STATE),
        };
      case abi.RecordKind.AssetCtx:
        this.seqs.push(v.getUint32(at + abi.ASSET_CTX_SEQ, true));
        return {
          kind: "ctx",
          asset: asset(abi.ASSET_CTX_ASSET),
          values: [0, 8, 16, 24, 32, 40].map((offset) => f64(abi.ASSET_CTX_MARK_PX + offset)),
        };
      default:
        throw new Error(`unexpected record kind ${this.consumer.kind}`);
    }
  }
}

export interface Bench {
  readonly decoder: FrameDecoder;
  readonly reader: RingReader;
  readonly ring: SharedArrayBuffer;
}

export function bench(capacityBytes = 1 << 18, maxFrameBytes?: number): Bench {
  // Near the wrap of the ring's counters, so that wrapping is an everyday event.
  const ring = createRing(capacityBytes, { startIndex: 2 ** 31 - 4096 });
  const producer = new RingProducer(ring, { assertsOwner: true });
  const decoder = new FrameDecoder(INSTRUMENTS, () => producer, maxFrameBytes);
  return { decoder, reader: new RingReader(ring), ring };
}

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
export const frameOf = (channel: string, data: unknown): Uint8Array =>
  utf8(JSON.stringify({ channel, data }));

interface WireLevel {
  readonly px: string | number;
  readonly sz: string | number;
  readonly n?: number;
}
interface WireTrade extends WireLevel {
  readonly coin: string;
  readonly side: string;
  readonly time: number;
  readonly tid: number;
}

/** The same records by way of JSON.parse; trusts the frame to be valid. Trades are not deduplicated. */
export function reference(text: string): MarketRecord[] {
  const { channel, data } = JSON.parse(text) as {
    channel: string;
    data: unknown;
  };
  const asset = (coin: string): number => INSTRUMENTS.findIndex((i) => i.coin === coin);
  const ns = (ms: number): bigint => BigInt(ms) * 1_000_000n;
  const level = ({ px, sz, n }: WireLevel): Level => ({ px: Number(px), sz: Number(sz), n: Number(n ?? 0) });
  if (channel === "l2Book") {
    const book = data as { coin: string; time: number; levels: [WireLevel[], WireLevel[]] };
    return [
      {
        kind: "book",
        asset: asset(book.coin),
        exchNs: ns(book.time),
        bids: book.levels[0].slice(0, 20).map(level),
        asks: book.levels[1].slice(0, 20).map(level),
      },
    ];
  }
  if (channel === "bbo") {
    const bbo = data as { coin: string; time: number; bbo: [WireLevel | null, WireLevel | null] };
    const top = (l: WireLevel | null): [number, number] =>
      l === null ? [0, 0] : [Number(l.px), Number(l.sz)];
    return [
      {
        kind: "bbo",
        asset: asset(bbo.coin),
        exchNs: ns(bbo.time),
        bid: top(bbo.bbo[0]),
        ask: top(bbo.bbo[1]),
      },
    ];
  }
  return (data as WireTrade[]).map((t) => ({
    kind: "trade",
    asset: asset(t.coin),
    exchNs: ns(t.time),
    px: Number(t.px),
    sz: Number(t.sz),
    tid: BigInt(t.tid),
    side: t.side === "B" ? 1 : -1,
    isBacklog: false,
  }));
}

export const BOOK_FRAME =
  '{"channel":"l2Book","data":{"coin":"BTC","time":1754450974231,"levels":[' +
  '[{"px":"113377.0","sz":"7.6699","n":17},{"px":"113376.0","sz":"4.13714","n":8}],' +
  '[{"px":"113397.0","sz":"0.11543","n":3}]]}}';
export const BBO_FRAME =
  '{"channel":"bbo","data":{"coin":"BTC","time":1754450974231,"bbo":[{"px":"113377.0","sz":"7.6699","n":17},' +
  '{"px":"113397.0","sz":"0.11543","n":3}]}}';
export const TRADE_FRAME =
  '{"channel":"trades","data":[{"coin":"ETH","side":"B","px":"83.79","sz":"1.2","time":1785261289146,' +
  `"hash":"0x${"6f".repeat(32)}","tid":118906512037719,"users":["0x${"ab".repeat(20)}","0x${"cd".repeat(20)}"]},` +
  '{"coin":"ETH","side":"A","px":"83.78","sz":"0.5","time":1785261289150,' +
  `"hash":"0x${"00".repeat(32)}","tid":1125899906842623,"users":["0x${"ab".repeat(20)}","0x${"cd".repeat(20)}"]}]}`;
