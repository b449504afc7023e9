import { Side } from "../../../../domain/index.js";
import { DecimalReader } from "../../decimal.js";
import { DepthBook, type DepthDiff, NATIVE_PX_DECIMALS } from "../../depth-book.js";
import { coinOfBinanceSymbol, contractUsd } from "../../instruments.js";
import type { Format, ImportContext, LineImporter } from "../context.js";
import { DeltaMessage } from "../levels.js";
import type { Market } from "../markets.js";
import { BadLine, Remark } from "../problems.js";

type BinanceMarket = "usdm" | "spot" | "cm";
type Pairs = readonly (readonly [string, string])[];

interface Message {
  readonly e?: string;
  readonly E?: number;
  readonly U?: number;
  readonly u?: number;
  readonly pu?: number;
  readonly t?: number;
  readonly p?: string;
  readonly q?: string;
  readonly i?: string;
  readonly r?: string;
  readonly m?: boolean;
  readonly lastUpdateId?: number;
  readonly symbol?: string;
  readonly bids?: Pairs;
  readonly asks?: Pairs;
  readonly b?: string | Pairs;
  readonly a?: string | Pairs;
  readonly B?: string;
  readonly A?: string;
}

const FILE_NAME = /^(usdm|spot|cm)_([a-z0-9_]+?)_\d{8}/i;
/** Microseconds or nanoseconds, and where the message begins. */
const RAW_LINE = /^(\d{16}(?:\d{3})?) (?=\{)/;
const FUNDING_HOURS = 8;
const NATIVE_PX_POW = 10 ** NATIVE_PX_DECIMALS;

/** Raw Binance websocket captures, `<receive time> <json>`; fields in the recordings' README. */
export const binanceRaw: Format = {
  name: "binance-raw",
  about: '`<recv µs|ns> {"stream":…,"data":…}`: depth, bookTicker, trade, markPrice of usdm, spot or cm',
  venue: "Binance",
  recognises: (head) => head.some((l) => /^\d{16,19} \{"(stream|lastUpdateId)":/.test(l)),
  key: (head, name) => `${marketOf(head, name)} ${symbolOf(head, name)}`,
  open: (context, head, name) => new BinanceRaw(context, marketOf(head, name), symbolOf(head, name)),
};

function marketOf(head: readonly string[], name: string): BinanceMarket {
  const named = FILE_NAME.exec(name);
  if (named !== null) return named[1]!.toLowerCase() as BinanceMarket;
  // Coin-margined symbols end in _perp; spot depth has no id of the message before.
  if (head.some((l) => /"stream":"[^"@]+_perp@/.test(l))) return "cm";
  return head.some((l) => l.includes('"pu":')) ? "usdm" : "spot";
}

function symbolOf(head: readonly string[], name: string): string {
  for (const line of head) {
    const m = /"stream":"([^"@]+)@/.exec(line);
    if (m !== null) return m[1]!;
  }
  return FILE_NAME.exec(name)?.[2] ?? "";
}

const NO_LEVELS: ReadonlyMap<number, number> = new Map();

/** The levels of one symbol, from native numbers to the tape's grid. */
class Listing {
  readonly book = new DepthBook((diff) => this.write(diff));
  private readonly message: DeltaMessage;
  /** Levels that meet on the tape's grid, by tick; unused where the grid is as fine as the venue's. */
  private readonly sums = { [Side.Buy]: new Map<number, number>(), [Side.Sell]: new Map<number, number>() };
  private readonly touched = new Set<number>();
  /** Stamps of the message that is being written. */
  recvNs = 0;
  exchNs = Number.NaN;
  isLost = false;
  /** Prints are told on one channel, or on both: the first that is seen counts. */
  tradeChannel: string | undefined;

  constructor(
    context: ImportContext,
    readonly market: Market,
    private readonly lots: (quantity: number, nativePx: number) => number,
  ) {
    this.message = new DeltaMessage(context.out);
  }

  private get pxScale(): number {
    return NATIVE_PX_POW / this.market.pxPow;
  }

  snapshot(bids: readonly number[], asks: readonly number[]): void {
    for (const side of [Side.Buy, Side.Sell] as const) this.sums[side].clear();
    this.message.begin(true);
    this.side(Side.Buy, bids, NO_LEVELS);
    this.side(Side.Sell, asks, NO_LEVELS);
    this.message.end();
  }

  /** The book is still as it was before the message. */
  private write(diff: DepthDiff): void {
    this.message.begin(false);
    this.side(Side.Buy, diff.bids, this.book.bids);
    this.side(Side.Sell, diff.asks, this.book.asks);
    this.message.end();
  }

  private side(side: Side, levels: readonly number[], before: ReadonlyMap<number, number>): void {
    const { market, message, recvNs, exchNs, touched } = this;
    if (market.isNative) {
      for (let i = 0; i < levels.length; i += 2)
        message.level(
          market,
          recvNs,
          exchNs,
          side,
          this.ticks(levels[i]!, side),
          this.lots(levels[i + 1]!, levels[i]!),
        );
      return;
    }
    const sums = this.sums[side];
    for (let i = 0; i < levels.length; i += 2) {
      const px = levels[i]!;
      const ticks = this.ticks(px, side);
      const change = this.lots(levels[i + 1]!, px) - this.lots(before.get(px) ?? 0, px);
      const sum = (sums.get(ticks) ?? 0) + change;
      if (sum > 0) sums.set(ticks, sum);
      else sums.delete(ticks);
      touched.add(ticks);
    }
    for (const ticks of touched) message.level(market, recvNs, exchNs, side, ticks, sums.get(ticks) ?? 0);
    touched.clear();
  }

  ticks(nativePx: number, side: Side): number {
    const ticks = nativePx / this.pxScale;
    return side === Side.Buy ? Math.floor(ticks) : Math.ceil(ticks);
  }
}

/**
 * Bids are floored and asks raised where the tape's grid is coarser; levels that meet are added up, and a trade rounds with the
 * resting side that it hit. cm quantities are contracts: lots = floor(contracts × contract value / price).
 */
class BinanceRaw implements LineImporter {
  private readonly symbols = new Map<string, Listing>();
  private readonly decimals = new DecimalReader();

  constructor(
    private readonly context: ImportContext,
    private readonly marketKind: BinanceMarket,
    private readonly mainSymbol: string,
  ) {}

  line(text: string): void {
    const { context } = this;
    const m = RAW_LINE.exec(text);
    if (m === null) throw new BadLine("not `<receive time> <json>`");
    const recvNs = context.recv(context.times.ofDigits(m[1]!));
    const parsed = JSON.parse(text.slice(m[0].length)) as
      | ({ readonly stream?: unknown; readonly data?: unknown } & Message)
      | null;
    if (typeof parsed !== "object" || parsed === null) throw new BadLine("not an object");
    if (parsed.lastUpdateId !== undefined) {
      const name = typeof parsed.symbol === "string" ? parsed.symbol : this.mainSymbol;
      const symbol = this.symbolOf(name);
      if (symbol !== undefined) this.snapshot(symbol, recvNs, parsed);
      return;
    }
    const { stream } = parsed;
    const data = parsed.data as Message | null | undefined;
    if (typeof stream !== "string" || typeof data !== "object" || data === null)
      throw new BadLine("neither a stream message nor a depth snapshot");
    const at = stream.indexOf("@");
    const symbol = this.symbolOf(stream.slice(0, at));
    if (symbol === undefined) return;
    const channel = stream.slice(at + 1);
    if (channel.startsWith("depth")) this.depth(symbol, recvNs, data);
    else if (channel === "bookTicker") this.ticker(symbol, recvNs, data);
    else if (channel === "trade" || channel === "aggTrade") {
      symbol.tradeChannel ??= channel;
      if (channel === symbol.tradeChannel) this.trade(symbol, recvNs, data);
      else context.problems.remark(`prints of ${symbol.tradeChannel} that ${channel} tells too left out`);
    } else if (channel.startsWith("markPrice")) this.mark(symbol, recvNs, data);
    else context.problems.ignored++;
  }

  private symbolOf(name: string): Listing | undefined {
    const key = name.toLowerCase();
    const known = this.symbols.get(key);
    if (known !== undefined) return known;
    const coin = coinOfBinanceSymbol(name);
    if (coin === "") throw new BadLine("message without a symbol");
    const market = this.context.markets.of(coin, true);
    if (market === undefined) {
      this.context.problems.ignored++;
      return undefined;
    }
    market.isOf(`Binance ${this.marketKind}`);
    const symbol: Listing = new Listing(this.context, market, (quantity, px) =>
      this.lots(market, quantity, px),
    );
    this.symbols.set(key, symbol);
    return symbol;
  }

  private snapshot(symbol: Listing, recvNs: number, data: Message): void {
    const { lastUpdateId } = data;
    if (!Number.isSafeInteger(lastUpdateId)) throw new BadLine("snapshot without lastUpdateId");
    const bids = this.levels(symbol, data.bids);
    const asks = this.levels(symbol, data.asks);
    symbol.recvNs = recvNs;
    symbol.exchNs = this.stamp(recvNs, data.E);
    symbol.snapshot(bids, asks);
    symbol.book.reset({ lastUpdateId: lastUpdateId!, bids, asks });
    // What waited for the snapshot may not join it.
    if (!symbol.book.isSynced) this.lose(symbol, recvNs);
    else if (symbol.isLost) {
      symbol.isLost = false;
      this.context.live(symbol.market, recvNs);
    }
  }

  private lose(symbol: Listing, recvNs: number): void {
    symbol.isLost = true;
    this.context.lost(
      symbol.market,
      recvNs,
      "the chain of update ids broke: no book until the next snapshot",
    );
  }

  private depth(symbol: Listing, recvNs: number, data: Message): void {
    const { U: first, u: last } = data;
    if (!Number.isSafeInteger(first) || !Number.isSafeInteger(last)) throw new BadLine("depth without U, u");
    const isSpot = this.marketKind === "spot";
    const bids = this.levels(symbol, data.b);
    const asks = this.levels(symbol, data.a);
    symbol.recvNs = recvNs;
    symbol.exchNs = this.stamp(recvNs, data.E);
    const previous = isSpot ? first! - 1 : (data.pu ?? -1);
    const result = symbol.book.apply({ first: first!, last: last!, previous, isSpot, bids, asks });
    if (result === "broken") this.lose(symbol, recvNs);
    else if (result === "buffered") this.context.problems.remark(Remark.WaitingDepth);
    else if (result === "dropped")
      this.context.problems.remark("depth messages older than the snapshot left out");
  }

  private ticker(symbol: Listing, recvNs: number, data: Message): void {
    if (typeof data.b !== "string" || typeof data.a !== "string")
      throw new BadLine("bookTicker without prices");
    const { market } = symbol;
    const bid = this.native(symbol, data.b);
    const ask = this.native(symbol, data.a);
    const bidLots = this.lots(market, this.quantity(market, data.B), bid);
    const askLots = this.lots(market, this.quantity(market, data.A), ask);
    if (bid > 0 && ask > 0 && bid >= ask) throw new BadLine("crossed bookTicker");
    this.context.out.bbo(
      market.asset,
      recvNs,
      this.stamp(recvNs, data.E),
      bidLots > 0 ? symbol.ticks(bid, Side.Buy) / market.pxPow : 0,
      bidLots / market.szPow,
      askLots > 0 ? symbol.ticks(ask, Side.Sell) / market.pxPow : 0,
      askLots / market.szPow,
    );
  }

  private trade(symbol: Listing, recvNs: number, data: Message): void {
    const { market } = symbol;
    const px = this.native(symbol, data.p);
    const lots = this.lots(market, this.quantity(market, data.q), px);
    const tid = data.t ?? (data.a as unknown as number | undefined);
    if (typeof data.m !== "boolean" || !Number.isSafeInteger(tid)) throw new BadLine("trade without m, t");
    if (px <= 0 || lots <= 0) throw new BadLine("trade without price or size");
    // m: the buyer was the maker, so the aggressor sold.
    const side = data.m ? Side.Sell : Side.Buy;
    const ticks = symbol.ticks(px, data.m ? Side.Buy : Side.Sell);
    const exchNs = this.stamp(recvNs, data.E);
    this.context.trade(market, recvNs, exchNs, ticks / market.pxPow, lots / market.szPow, side, tid!);
    this.context.flushTrades();
  }

  private mark(symbol: Listing, recvNs: number, data: Message): void {
    const markPx = Number(data.p);
    const oraclePx = Number(data.i);
    const rate = Number(data.r);
    if (!(markPx > 0)) throw new BadLine("markPrice without a price");
    this.context.out.context(symbol.market.asset, recvNs, {
      markPx,
      ...(oraclePx > 0 ? { oraclePx, premium: (markPx - oraclePx) / oraclePx } : {}),
      ...(data.r === undefined || data.r === "" || !Number.isFinite(rate)
        ? {}
        : { fundingRate: rate / FUNDING_HOURS }),
    });
  }

  /** NaN where the message has no stamp. */
  private stamp(recvNs: number, exchMs: number | undefined): number {
    if (exchMs === undefined) return Number.NaN;
    return this.context.exch(recvNs, this.context.times.ofMs(exchMs));
  }

  /** Quantity in the book's unit (contracts or lots) to lots at a native price. */
  private lots(market: Market, quantity: number, nativePx: number): number {
    if (this.marketKind !== "cm" || quantity === 0) return quantity;
    if (nativePx === 0) return 0;
    // Contracts × USD / price. The quotient of two safe integers floors exactly; anything larger takes the slow road.
    const usd = contractUsd(market.coin);
    const ticks = nativePx / (NATIVE_PX_POW / market.pxPow);
    const small = quantity * usd * market.szPow * market.pxPow;
    if (Number.isInteger(ticks) && Number.isSafeInteger(small)) return Math.floor(small / ticks);
    // Contracts × USD / price, floored; the whole product does not fit a double.
    const value = BigInt(quantity) * BigInt(usd) * 10n ** BigInt(market.szDecimals + NATIVE_PX_DECIMALS);
    return Number(value / BigInt(nativePx));
  }

  private levels(symbol: Listing, levels: Message["b"]): number[] {
    if (!Array.isArray(levels)) throw new BadLine("depth without levels");
    const out = new Array<number>(levels.length * 2);
    for (let i = 0; i < levels.length; i++) {
      const level = levels[i] as readonly [string, string] | null;
      if (!Array.isArray(level)) throw new BadLine("level is not [price, quantity]");
      out[2 * i] = this.native(symbol, level[0]);
      out[2 * i + 1] = this.quantity(symbol.market, level[1]);
    }
    return out;
  }

  private native(symbol: Listing, text: unknown): number {
    const value = typeof text === "string" ? this.decimals.floor(text, NATIVE_PX_DECIMALS) : Number.NaN;
    if (Number.isNaN(value)) throw new BadLine("price is not a number", String(text).slice(0, 24));
    // A native grid learns its decimals here.
    if (symbol.market.isNative) symbol.market.pxTicks(text, Side.Buy);
    return value;
  }

  private quantity(market: Market, text: unknown): number {
    if (this.marketKind !== "cm") return market.szLots(text);
    const value = typeof text === "string" ? this.decimals.floor(text, 0) : Number.NaN;
    if (Number.isNaN(value)) throw new BadLine("size is not a number", String(text).slice(0, 24));
    return value;
  }
}
