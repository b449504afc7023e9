import { Side } from "../../../../domain/index.js";
import { TapeError } from "../../errors.js";
import type { Format, ImportContext, LineImporter } from "../context.js";
import type { Market } from "../markets.js";
import { BadLine } from "../problems.js";
import type { Levels } from "../records.js";
import { CsvRow } from "./csv.js";
import { pushLevel } from "./hyperliquid-ws.js";

type Kind = "orderbooks" | "prices" | "trades";

const HEADERS: Readonly<Record<Kind, string>> = {
  orderbooks: "timestamp,sequence,exchange_timestamp,bid_price_0,bid_size_0,ask_price_0,ask_size_0",
  prices: "timestamp,price,size,side,exchange_timestamp",
  trades: "timestamp,price,size,side,trade_id,exchange_timestamp",
};
/** A trade explains the book that follows it. */
const RANK: Readonly<Record<Kind, number>> = { trades: 0, prices: 1, orderbooks: 2 };
const FILE_NAME = /^(?:orderbooks|prices|trades)_([A-Za-z0-9:@-]+?)_/;
const LEVELS = 20;

/** A collector's CSV files of Hyperliquid: one file for each coin and kind. */
export const hyperliquidCsv: readonly Format[] = (["trades", "prices", "orderbooks"] as const).map(
  (kind) => ({
    name: `hyperliquid-csv-${kind}`,
    about: `\`${HEADERS[kind]}…\`, coin in the file's name (${kind}_COIN_…)`,
    venue: "Hyperliquid",
    losesBySilence: true,
    rank: RANK[kind],
    recognises: (head) => (head[0] ?? "").startsWith(HEADERS[kind]),
    key: (_head, name) => `${kind} ${coinOf(name)}`,
    open: (context, _head, name) =>
      new HyperliquidCsv(context, kind, coinOf(name) || coinGiven(context, name)),
  }),
);

const coinOf = (name: string): string => FILE_NAME.exec(name)?.[1] ?? "";

function coinGiven(context: ImportContext, name: string): string {
  if (context.markets.named !== undefined) return context.markets.named;
  throw new TapeError("unknown_coin", `${name}: the file does not name its coin; give it with --asset`);
}

class HyperliquidCsv implements LineImporter {
  private row: CsvRow | undefined;
  private readonly bids: Levels = { count: 0, px: [], sz: [], orders: [] };
  private readonly asks: Levels = { count: 0, px: [], sz: [], orders: [] };
  /** The bid row of a bbo message, until its ask row comes. */
  private pending: { recvNs: number; exchNs: number; px: number; sz: number } | undefined;

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
    this.flushBid();
  }

  line(text: string): void {
    if (this.row === undefined) {
      this.row = new CsvRow(text.split(","));
      return;
    }
    const { context, row } = this;
    const market = context.markets.of(this.coin, true);
    if (market === undefined) {
      context.problems.ignored++;
      return;
    }
    row.load(text);
    const recvNs = context.recv(context.times.ofSeconds(row.text("timestamp")));
    const exchNs = context.exch(recvNs, context.times.ofMs(row.integer("exchange_timestamp")));
    if (this.kind === "orderbooks") this.book(market, recvNs, exchNs);
    else this.priced(market, recvNs, exchNs);
  }

  private book(market: Market, recvNs: number, exchNs: number): void {
    const { bids, asks, row } = this;
    bids.count = 0;
    asks.count = 0;
    for (let i = 0; i < LEVELS; i++) {
      for (const side of [Side.Buy, Side.Sell] as const) {
        const name = side === Side.Buy ? "bid" : "ask";
        const px = row!.text(`${name}_price_${i}`);
        if (px === "") continue;
        const lots = market.exactSzLots(row!.text(`${name}_size_${i}`));
        const ticks = market.exactPxTicks(px);
        if (lots > 0)
          pushLevel(side === Side.Buy ? bids : asks, side, ticks / market.pxPow, lots / market.szPow, 0);
      }
    }
    if (bids.count > 0 && asks.count > 0 && bids.px[0]! >= asks.px[0]!) throw new BadLine("crossed book");
    this.context.out.book(market.asset, recvNs, exchNs, bids, asks);
  }

  private priced(market: Market, recvNs: number, exchNs: number): void {
    const { row, context } = this;
    const px = market.exactPxTicks(row!.text("price")) / market.pxPow;
    const sz = market.exactSzLots(row!.text("size")) / market.szPow;
    const side = row!.text("side");
    if (px <= 0 || sz <= 0) throw new BadLine("no price or size");
    if (this.kind === "prices") {
      if (side !== "bid" && side !== "ask")
        throw new BadLine("side is neither bid nor ask", side.slice(0, 24));
      this.touch(market, recvNs, exchNs, side, px, sz);
      return;
    }
    if (side !== "buy" && side !== "sell")
      throw new BadLine("side is neither buy nor sell", side.slice(0, 24));
    const tid = row!.integer("trade_id");
    context.trade(market, recvNs, exchNs, px, sz, side === "buy" ? Side.Buy : Side.Sell, tid);
  }

  /** Joins the bid row and the ask row of one message; a side that is missing leaves a one-sided record. */
  private touch(
    market: Market,
    recvNs: number,
    exchNs: number,
    side: "bid" | "ask",
    px: number,
    sz: number,
  ): void {
    const { pending, context } = this;
    if (side === "bid") {
      this.flushBid();
      this.pending = { recvNs, exchNs, px, sz };
      return;
    }
    if (pending !== undefined && pending.recvNs === recvNs && pending.exchNs === exchNs) {
      this.pending = undefined;
      if (pending.px >= px) throw new BadLine("crossed bbo");
      context.out.bbo(market.asset, recvNs, exchNs, pending.px, pending.sz, px, sz);
      return;
    }
    this.flushBid();
    context.out.bbo(market.asset, recvNs, exchNs, 0, 0, px, sz);
  }

  private flushBid(): void {
    const { pending, context } = this;
    if (pending === undefined) return;
    this.pending = undefined;
    const market = context.markets.of(this.coin, true)!;
    context.out.bbo(market.asset, pending.recvNs, pending.exchNs, pending.px, pending.sz, 0, 0);
  }
}
