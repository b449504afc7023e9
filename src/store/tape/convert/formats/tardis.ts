import { Side } from "../../../../domain/index.js";
import type { Format, ImportContext, LineImporter } from "../context.js";
import { DeltaMessage } from "../levels.js";
import type { Market } from "../markets.js";
import { BadLine } from "../problems.js";
import { CsvRow, idOf } from "./csv.js";

type Kind = "incremental_book_L2" | "trades" | "quotes" | "liquidations" | "derivative_ticker";

/** What tells the kinds apart, after `exchange,symbol,timestamp,local_timestamp,`. */
const HEADERS: Readonly<Record<Kind, string>> = {
  incremental_book_L2: "is_snapshot,side,price,amount",
  trades: "id,side,price,amount",
  quotes: "ask_amount,ask_price,bid_price,bid_amount",
  liquidations: "id,side,price,amount",
  derivative_ticker: "funding_timestamp,funding_rate",
};
const START = "exchange,symbol,timestamp,local_timestamp,";
const FUNDING_HOURS = 8;
/** A trade explains the book that follows it. */
const RANK: Readonly<Record<Kind, number>> = {
  trades: 0,
  liquidations: 1,
  quotes: 2,
  incremental_book_L2: 3,
  derivative_ticker: 4,
};

/** Tardis-style CSV files; times in µs. Source: tardis.dev documentation, downloadable CSV files. */
export const tardis: readonly Format[] = (Object.keys(HEADERS) as Kind[]).map((kind) => ({
  name: `tardis-${kind}`,
  about: `\`${START}${HEADERS[kind]}…\``,
  venue: "Tardis CSV",
  rank: RANK[kind],
  recognises: (head, name) =>
    (head[0] ?? "").startsWith(START + HEADERS[kind]) &&
    (kind === "liquidations") === (HEADERS[kind] === HEADERS.trades && /liquidations/i.test(name)),
  key: (head, _name) => `${kind} ${(head[1] ?? "").split(",").slice(0, 2).join(" ")}`,
  open: (context) => new Tardis(context, kind),
}));

class Tardis implements LineImporter {
  private row: CsvRow | undefined;
  private readonly message: DeltaMessage;
  private readonly coins = new Map<string, Market | undefined>();
  /** Stamp of the open depth message, its market, and whether it is a snapshot. */
  private open: { localText: string; market: Market; isSnapshot: boolean } | undefined;

  constructor(
    private readonly context: ImportContext,
    private readonly kind: Kind,
  ) {
    this.message = new DeltaMessage(context.out);
  }

  startFile(): void {
    this.row = undefined;
  }

  endFile(): void {
    this.context.flushTrades();
    this.message.end();
    this.open = undefined;
  }

  line(text: string): void {
    if (this.row === undefined) {
      this.row = new CsvRow(text.split(","));
      return;
    }
    const { row, context, kind } = this;
    row.load(text);
    const market = this.market(row.text("symbol"));
    if (market === undefined) {
      context.problems.ignored++;
      return;
    }
    const recvNs = context.recv(context.times.ofDigits(row.text("local_timestamp")));
    const exchNs = context.exch(recvNs, context.times.ofDigits(row.text("timestamp")));
    if (kind === "incremental_book_L2") this.level(market, recvNs, exchNs);
    else if (kind === "quotes") this.touch(market, recvNs, exchNs);
    else if (kind === "derivative_ticker") this.ticker(market, recvNs);
    else this.trade(market, recvNs, exchNs);
  }

  private market(symbol: string): Market | undefined {
    if (!this.coins.has(symbol)) {
      if (symbol === "") throw new BadLine("no symbol");
      this.coins.set(symbol, this.context.markets.of(coinOfSymbol(symbol), false));
    }
    return this.coins.get(symbol);
  }

  /** Rows of one message share both stamps; a snapshot begins where `is_snapshot` turns true. */
  private level(market: Market, recvNs: number, exchNs: number): void {
    const { row, message, open } = this;
    const side = row!.text("side");
    if (side !== "bid" && side !== "ask") throw new BadLine("side is neither bid nor ask", side.slice(0, 24));
    const way = side === "bid" ? Side.Buy : Side.Sell;
    const isSnapshot = row!.isTrue("is_snapshot");
    const ticks = market.pxTicks(row!.text("price"), way);
    const lots = market.szLots(row!.text("amount"));
    const localText = row!.text("local_timestamp");
    // A snapshot may be spread over several stamps: only its first row voids the book.
    const continues = open?.market === market && open.isSnapshot === isSnapshot;
    if (!continues || open.localText !== localText) {
      message.end();
      message.begin(isSnapshot && !continues);
      this.open = { localText, market, isSnapshot };
    }
    message.level(market, recvNs, exchNs, way, ticks, lots);
  }

  private trade(market: Market, recvNs: number, exchNs: number): void {
    const { row, context } = this;
    const side = row!.text("side");
    if (side !== "buy" && side !== "sell")
      throw new BadLine("side is neither buy nor sell", side.slice(0, 24));
    const way = side === "buy" ? Side.Buy : Side.Sell;
    const px = market.px(row!.text("price"), -way as Side);
    const sz = market.sz(row!.text("amount"));
    if (px <= 0 || sz <= 0) throw new BadLine("no price or size");
    if (this.kind === "liquidations") context.out.liquidation(market.asset, recvNs, exchNs, px, sz, way);
    else context.trade(market, recvNs, exchNs, px, sz, way, idOf(row!.text("id")));
  }

  private touch(market: Market, recvNs: number, exchNs: number): void {
    const { row, context } = this;
    const value = (name: string, read: (text: string) => number): number =>
      row!.text(name) === "" ? 0 : read(row!.text(name));
    const bidPx = value("bid_price", (t) => market.px(t, Side.Buy));
    const askPx = value("ask_price", (t) => market.px(t, Side.Sell));
    if (bidPx > 0 && askPx > 0 && bidPx >= askPx) throw new BadLine("crossed quote");
    const bidSz = value("bid_amount", (t) => market.sz(t));
    const askSz = value("ask_amount", (t) => market.sz(t));
    context.out.bbo(market.asset, recvNs, exchNs, bidPx, bidSz, askPx, askSz);
  }

  private ticker(market: Market, recvNs: number): void {
    const { row } = this;
    const markPx = row!.number("mark_price");
    const oraclePx = row!.number("index_price");
    this.context.out.context(market.asset, recvNs, {
      markPx,
      oraclePx,
      fundingRate: row!.number("funding_rate") / FUNDING_HOURS,
      openInterest: row!.number("open_interest"),
      premium: (markPx - oraclePx) / oraclePx,
    });
  }
}

/** "BTCUSDT", "BTC-PERPETUAL", "BTC-USDT-SWAP", "XBTUSD" → "BTC". */
function coinOfSymbol(symbol: string): string {
  const coin = symbol
    .toUpperCase()
    .replace(/^([A-Z0-9]+)[-_/].*$/, "$1")
    .replace(/(USDT|USDC|BUSD|FDUSD|USD)$/, "");
  return coin === "XBT" ? "BTC" : coin === "" ? symbol : coin;
}
