import { Side } from "../../../../domain/index.js";
import type { Format, ImportContext } from "../context.js";
import type { Market } from "../markets.js";
import { BadLine } from "../problems.js";
import type { Levels } from "../records.js";

interface WireLevel {
  readonly px?: string;
  readonly sz?: string;
  readonly n?: number;
}
interface WireTrade {
  readonly coin?: unknown;
  readonly side?: string;
  readonly px?: string;
  readonly sz?: string;
  readonly time?: unknown;
  readonly tid?: number;
}
interface WireBook {
  readonly coin?: unknown;
  readonly time?: unknown;
  readonly levels?: unknown;
  readonly bbo?: unknown;
}
interface WireContext {
  readonly coin?: unknown;
  readonly ctx?: Readonly<Record<string, unknown>> | null;
}

/** Microseconds or nanoseconds, and where the message begins. */
const RAW_LINE = /^(\d{16}(?:\d{3})?) (?=\{)/;

/** Raw Hyperliquid websocket messages, `<receive time> <json>`. */
export const hyperliquidRaw: Format = {
  name: "hyperliquid-raw",
  about: '`<recv µs|ns> {"channel":…,"data":…}`: l2Book, bbo, trades, activeAssetCtx',
  venue: "Hyperliquid",
  losesBySilence: true,
  recognises: (head) => head.some((l) => /^\d{16,19} \{"channel":/.test(l)),
  key: () => "ws",
  open: (context) => {
    const messages = new HyperliquidMessages(context);
    return {
      line(text) {
        const m = RAW_LINE.exec(text);
        if (m === null) throw new BadLine("not `<receive time> <json>`");
        messages.message(context.recv(context.times.ofDigits(m[1]!)), JSON.parse(text.slice(m[0].length)));
      },
    };
  },
};

/**
 * The exchange's own archives: lines of `{"time":ISO,"ver_num":1,"raw":{"channel":…,"data":…}}` (market_data), or one trade a line
 * (node_trades), usually in LZ4 frames. Source: docs, historical data page.
 */
export const hyperliquidArchive: Format = {
  name: "hyperliquid-archive",
  about:
    'LZ4 (or plain) JSON lines: `{"time":…,"raw":{"channel":"l2Book",…}}`, or node trades `{"coin":…,"side":…,"time":ISO,…}`',
  venue: "Hyperliquid",
  losesBySilence: true,
  // Hours of one coin follow each other under names like 9.lz4: the order of receive times joins them.
  sortWindowNs: 2e9,
  recognises: (head) =>
    head.some((l) => /^\{"time":".*"raw":\{/.test(l) || /^\{"coin":".*"side":".*"time":"\d{4}-/.test(l)),
  open: (context) => {
    const messages = new HyperliquidMessages(context);
    return {
      line(text) {
        const line = JSON.parse(text) as { time?: unknown; raw?: unknown; coin?: unknown } | null;
        if (typeof line !== "object" || line === null) throw new BadLine("not an object");
        const recvNs = context.times.ofIso(line.time);
        if (line.raw !== undefined) messages.message(recvNs, line.raw);
        else messages.message(recvNs, { channel: "trades", data: [{ ...line, time: undefined }] });
      },
    };
  },
};

/** Turns messages of the exchange into records. Its numbers are on its grid; one that is not is damage. */
export class HyperliquidMessages {
  private readonly bids: Levels = { count: 0, px: [], sz: [], orders: [] };
  private readonly asks: Levels = { count: 0, px: [], sz: [], orders: [] };

  constructor(private readonly context: ImportContext) {}

  message(recvNs: number, message: unknown): void {
    const { channel, data } = (message ?? {}) as { channel?: unknown; data?: unknown };
    if (typeof channel !== "string" || typeof data !== "object" || data === null)
      throw new BadLine("message without channel and data");
    if (channel === "l2Book") this.book(recvNs, data as WireBook);
    else if (channel === "bbo") this.bbo(recvNs, data as WireBook);
    else if (channel === "trades" && Array.isArray(data)) this.trades(recvNs, data as (WireTrade | null)[]);
    else if (channel === "activeAssetCtx") this.assetContext(recvNs, data as WireContext);
    else this.context.problems.ignored++;
  }

  private market(coin: unknown): Market | undefined {
    if (typeof coin !== "string" || coin === "") throw new BadLine("message without coin");
    const market = this.context.markets.of(coin, true);
    if (market === undefined) this.context.problems.ignored++;
    return market;
  }

  private time(recvNs: number, ms: unknown): number {
    if (!Number.isSafeInteger(ms)) throw new BadLine("message without time");
    return this.context.exch(recvNs, this.context.times.ofMs(ms));
  }

  private book(recvNs: number, data: WireBook): void {
    const market = this.market(data.coin);
    if (market === undefined) return;
    const [bids, asks] = Array.isArray(data.levels) ? (data.levels as unknown[]) : [];
    if (!Array.isArray(bids) || !Array.isArray(asks)) throw new BadLine("l2Book without levels");
    readLevels(market, bids, this.bids, Side.Buy);
    readLevels(market, asks, this.asks, Side.Sell);
    if (this.bids.count > 0 && this.asks.count > 0 && this.bids.px[0]! >= this.asks.px[0]!)
      throw new BadLine("crossed book");
    this.context.out.book(market.asset, recvNs, this.time(recvNs, data.time), this.bids, this.asks);
  }

  private bbo(recvNs: number, data: WireBook): void {
    const market = this.market(data.coin);
    if (market === undefined) return;
    const [bid, ask] = Array.isArray(data.bbo) ? (data.bbo as (WireLevel | null)[]) : [];
    if (!bid && !ask) throw new BadLine("bbo without a side");
    const bidPx = bid ? market.exactPxTicks(bid.px) / market.pxPow : 0;
    const askPx = ask ? market.exactPxTicks(ask.px) / market.pxPow : 0;
    if (bid && ask && bidPx >= askPx) throw new BadLine("crossed bbo");
    const bidSz = bid ? market.exactSzLots(bid.sz) / market.szPow : 0;
    const askSz = ask ? market.exactSzLots(ask.sz) / market.szPow : 0;
    this.context.out.bbo(market.asset, recvNs, this.time(recvNs, data.time), bidPx, bidSz, askPx, askSz);
  }

  private trades(recvNs: number, data: readonly (WireTrade | null)[]): void {
    const { context } = this;
    for (const trade of data) {
      if (typeof trade !== "object" || trade === null) throw new BadLine("trade is not an object");
      const market = this.market(trade.coin);
      if (market === undefined) continue;
      const { side, tid = 0 } = trade;
      if (side !== "B" && side !== "A") throw new BadLine("trade without a side", String(side));
      const px = market.exactPxTicks(trade.px) / market.pxPow;
      const sz = market.exactSzLots(trade.sz) / market.szPow;
      if (px <= 0 || sz <= 0 || !Number.isSafeInteger(tid)) throw new BadLine("trade without px, sz, tid");
      const exchNs = trade.time === undefined ? recvNs : this.time(recvNs, trade.time);
      context.trade(market, recvNs, exchNs, px, sz, side === "B" ? Side.Buy : Side.Sell, tid);
    }
    context.flushTrades();
  }

  private assetContext(recvNs: number, data: WireContext): void {
    const market = this.market(data.coin);
    if (market === undefined) return;
    const { ctx } = data;
    if (typeof ctx !== "object" || ctx === null) throw new BadLine("activeAssetCtx without ctx");
    const value = (name: string): number => {
      const text = ctx[name];
      return typeof text === "string" && text !== "" ? Number(text) : Number.NaN;
    };
    this.context.out.context(market.asset, recvNs, {
      markPx: value("markPx"),
      oraclePx: value("oraclePx"),
      midPx: value("midPx"),
      fundingRate: value("funding"),
      openInterest: value("openInterest"),
      premium: value("premium"),
    });
  }
}

const LEVELS = 20;

function readLevels(market: Market, from: readonly unknown[], to: Levels, side: Side): void {
  to.count = 0;
  for (const level of from as readonly (WireLevel | null)[]) {
    if (typeof level !== "object" || level === null) throw new BadLine("level is not an object");
    const px = market.exactPxTicks(level.px) / market.pxPow;
    const sz = market.exactSzLots(level.sz) / market.szPow;
    if (px <= 0 || sz <= 0) throw new BadLine("level without price or size");
    const n = Number.isSafeInteger(level.n) && level.n! >= 0 ? level.n! : 0;
    pushLevel(to, side, px, sz, n);
  }
}

/** Appends a level of a book that comes best first. */
export function pushLevel(to: Levels, side: Side, px: number, sz: number, orders: number): void {
  const i = to.count;
  if (i === LEVELS) return;
  if (i > 0 && side * px >= side * to.px[i - 1]!) throw new BadLine("levels out of order");
  to.px[i] = px;
  to.sz[i] = sz;
  to.orders[i] = orders;
  to.count = i + 1;
}
