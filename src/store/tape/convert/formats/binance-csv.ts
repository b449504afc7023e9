import { Side } from "../../../../domain/index.js";
import { coinOfBinanceSymbol } from "../../instruments.js";
import { type Format, type ImportContext, type LineImporter, SeenIds } from "../context.js";
import type { Market } from "../markets.js";
import { BadLine } from "../problems.js";
import type { Levels } from "../records.js";
import { CsvRow } from "./csv.js";

type Kind = "aggTrades" | "trades" | "bookTicker" | "bookDepth";

/** Columns of each kind; files before 2023 and spot files come without a header. */
const COLUMNS: Readonly<Record<Kind, string>> = {
  aggTrades: "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker",
  trades: "id,price,qty,quote_qty,time,is_buyer_maker",
  bookTicker: "update_id,best_bid_price,best_bid_qty,best_ask_price,best_ask_qty,transaction_time,event_time",
  bookDepth: "timestamp,percentage,depth,notional",
};
const KINDS = Object.keys(COLUMNS) as Kind[];
const FILE_NAME = /^([A-Z0-9_]+)-(aggTrades|trades|bookTicker|bookDepth)-/;
const SORT_NS = 2e9;

/** Files of data.binance.vision: no receive times, so that the exchange's own stand in. */
export const binanceCsv: Format = {
  name: "binance-csv",
  about: "SYMBOL-aggTrades|trades|bookTicker|bookDepth-DATE.csv of data.binance.vision",
  venue: "Binance",
  sortWindowNs: SORT_NS,
  recognises: (head, name) =>
    FILE_NAME.test(name) ||
    KINDS.some((kind) => (head[0] ?? "").startsWith(COLUMNS[kind].split(",").slice(0, 4).join(","))),
  key: (head, name) => `${kindOf(head, name)} ${coinOf(name)}`,
  open: (context, head, name) => new BinanceCsv(context, kindOf(head, name), coinOf(name)),
};

const coinOf = (name: string): string =>
  coinOfBinanceSymbol(FILE_NAME.exec(name)?.[1] ?? name.split(/[-._]/)[0]!);
const kindOf = (head: readonly string[], name: string): Kind =>
  (FILE_NAME.exec(name)?.[2] as Kind | undefined) ??
  KINDS.find((kind) => (head[0] ?? "").startsWith(COLUMNS[kind].split(",")[0]!)) ??
  "aggTrades";

class BinanceCsv implements LineImporter {
  private row: CsvRow | undefined;
  private readonly bands = new DepthBands();

  constructor(
    private readonly context: ImportContext,
    private readonly kind: Kind,
    private readonly coin: string,
  ) {}

  startFile(): void {
    this.row = undefined;
  }

  endFile(): void {
    this.context.flushTrades();
    this.writeBands();
  }

  line(text: string): void {
    const { context, kind } = this;
    if (this.row === undefined) {
      const isHeader = /^[a-z_]+,/.test(text);
      this.row = new CsvRow((isHeader ? text : COLUMNS[kind]).split(","));
      if (isHeader) return;
    }
    const market = context.markets.of(this.coin, true);
    if (market === undefined) {
      context.problems.ignored++;
      return;
    }
    this.row.load(text);
    if (kind === "bookDepth") this.depth(this.row);
    else if (kind === "bookTicker") this.touch(market, this.row);
    else this.trade(market, this.row);
  }

  private trade(market: Market, row: CsvRow): void {
    const { context, kind } = this;
    const atNs = context.times.ofDigits(row.text(kind === "trades" ? "time" : "transact_time"));
    const isBuyerMaker = row.isTrue("is_buyer_maker");
    const px = market.px(row.text("price"), isBuyerMaker ? Side.Buy : Side.Sell);
    const sz = market.sz(row.text(kind === "trades" ? "qty" : "quantity"));
    if (px <= 0 || sz <= 0) throw new BadLine("trade without price or size");
    const tid = row.integer(kind === "trades" ? "id" : "agg_trade_id");
    context.trade(market, atNs, atNs, px, sz, isBuyerMaker ? Side.Sell : Side.Buy, tid);
  }

  private touch(market: Market, row: CsvRow): void {
    const { context } = this;
    const exchNs = context.times.ofDigits(row.text("transaction_time"));
    const recvNs = row.text("event_time") === "" ? exchNs : context.times.ofDigits(row.text("event_time"));
    const bidPx = market.px(row.text("best_bid_price"), Side.Buy);
    const askPx = market.px(row.text("best_ask_price"), Side.Sell);
    if (bidPx > 0 && askPx > 0 && bidPx >= askPx) throw new BadLine("crossed bookTicker");
    const bidSz = market.sz(row.text("best_bid_qty"));
    const askSz = market.sz(row.text("best_ask_qty"));
    context.out.bbo(market.asset, recvNs, context.exch(recvNs, exchNs), bidPx, bidSz, askPx, askSz);
  }

  /** Rows of one time, `percentage` −5 … 5: base units and USD resting within so many percent of the mid. */
  private depth(row: CsvRow): void {
    const atNs = this.context.times.ofIso(row.text("timestamp"));
    const percent = row.number("percentage");
    const depth = row.number("depth");
    const notional = row.number("notional");
    if (!(depth >= 0 && notional >= 0 && percent !== 0))
      throw new BadLine("bookDepth without depth and notional");
    if (atNs !== this.bands.atNs) this.writeBands();
    this.bands.add(atNs, percent, depth, notional);
  }

  private writeBands(): void {
    const { bands, context } = this;
    if (bands.isEmpty) return;
    const market = context.markets.of(this.coin, true)!;
    const bids = bands.levels(market, Side.Buy);
    const asks = bands.levels(market, Side.Sell);
    if (bids.count > 0 || asks.count > 0) context.out.book(market.asset, bands.atNs, bands.atNs, bids, asks);
    bands.clear();
  }
}

/** A coarse book from depth within percents of the mid: each band is a level at its average price. */
class DepthBands {
  atNs = Number.NaN;
  private rows: { percent: number; depth: number; notional: number }[] = [];

  get isEmpty(): boolean {
    return this.rows.length === 0;
  }
  add(atNs: number, percent: number, depth: number, notional: number): void {
    this.atNs = atNs;
    this.rows.push({ percent, depth, notional });
  }
  clear(): void {
    this.rows = [];
  }

  levels(market: Market, side: Side): Levels {
    const out: Levels = { count: 0, px: [], sz: [], orders: [] };
    const rows = this.rows
      .filter((r) => Math.sign(r.percent) === -side)
      .sort((a, b) => Math.abs(a.percent) - Math.abs(b.percent));
    let depth = 0;
    let notional = 0;
    for (const row of rows) {
      const sz = row.depth - depth;
      const usd = row.notional - notional;
      depth = row.depth;
      notional = row.notional;
      if (!(sz > 0 && usd > 0)) continue;
      const px = market.px((usd / sz).toFixed(Math.min(market.isNative ? 2 : market.pxDecimals, 8)), side);
      const lots = Math.floor(sz * market.szPow + 1e-6);
      if (lots === 0 || (out.count > 0 && side * px >= side * out.px[out.count - 1]!)) continue;
      out.px.push(px);
      out.sz.push(lots / market.szPow);
      out.orders.push(0);
      out.count++;
    }
    return out;
  }
}

/** The forceOrder stream of all symbols as stored by a collector: twelve columns, no header. */
export const binanceLiquidations: Format = {
  name: "binance-liquidations",
  about: "`SYMBOL,SELL|BUY,LIMIT,IOC,qty,px,avgPx,status,lastQty,cumQty,tradeMs,usd`, no header",
  venue: "Binance",
  sortWindowNs: SORT_NS,
  recognises: (head) => /^[A-Z0-9]+,(SELL|BUY),LIMIT,IOC,/.test(head[0] ?? ""),
  open: (context) => {
    const seen = new SeenIds();
    return {
      line(text) {
        const cells = text.split(",");
        if (cells.length !== 12) throw new BadLine("not twelve cells");
        const [symbol, side, , , , , averagePx, , lastQuantity, , tradeMs] = cells;
        if (side !== "SELL" && side !== "BUY")
          throw new BadLine("side is neither SELL nor BUY", side!.slice(0, 24));
        const atNs = context.times.ofDigits(tradeMs!);
        if (!seen.add(hash(text))) {
          context.problems.remark("repeated lines left out");
          return;
        }
        const market = context.markets.of(coinOfBinanceSymbol(symbol!), false);
        if (market === undefined) {
          context.problems.ignored++;
          return;
        }
        const way = side === "BUY" ? Side.Buy : Side.Sell;
        const px = market.px(averagePx, -way as Side);
        const sz = market.sz(lastQuantity);
        if (px <= 0 || sz <= 0) throw new BadLine("liquidation without price or size");
        context.out.liquidation(market.asset, atNs, atNs, px, sz, way);
      },
    };
  },
};

/** A text's 64-bit FNV-1a: what repeated lines are found by, without keeping them. */
function hash(text: string): bigint {
  let h = 0xcbf29ce484222325n;
  for (let i = 0; i < text.length; i++)
    h = BigInt.asUintN(64, (h ^ BigInt(text.charCodeAt(i))) * 0x100000001b3n);
  return h;
}

/** The aggTrade stream of several symbols as stored by a collector: seven columns, ", " between them, no header. */
export const binanceLargeTrades: Format = {
  name: "binance-large-trades",
  about: "`eventMs, SYMBOL, aggId, px, qty, tradeMs, True|False`, no header",
  venue: "Binance",
  sortWindowNs: 10e9,
  recognises: (head) => /^\d{13}, [A-Z0-9]+, \d+, /.test(head[0] ?? ""),
  open: (context) => ({
    line(text) {
      const cells = text.split(", ");
      if (cells.length !== 7) throw new BadLine("not seven cells");
      const [eventMs, symbol, id, px, quantity, tradeMs, isBuyerMaker] = cells;
      if (isBuyerMaker !== "True" && isBuyerMaker !== "False")
        throw new BadLine("buyer-is-maker is neither True nor False");
      const recvNs = context.times.ofDigits(eventMs!);
      const exchNs = context.exch(recvNs, context.times.ofDigits(tradeMs!));
      const market = context.markets.of(coinOfBinanceSymbol(symbol!), true);
      if (market === undefined) {
        context.problems.ignored++;
        return;
      }
      const side = isBuyerMaker === "True" ? Side.Sell : Side.Buy;
      const price = market.px(px, -side as Side);
      const sz = market.sz(quantity);
      if (price <= 0 || sz <= 0 || !/^\d{1,15}$/.test(id!))
        throw new BadLine("trade without id, price, size");
      // Symbols are interleaved out of order: grouping by receive time would mix them.
      context.trade(market, recvNs, exchNs, price, sz, side, Number(id));
      context.flushTrades();
    },
  }),
};
