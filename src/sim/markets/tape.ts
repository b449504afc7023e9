/**
 * A recorded market: its events in their recorded order and spacing, our orders filled by queue position.
 *
 * Pacing follows the recorder's receive times; exchange times are moved by one constant, so that the first record is "now"
 * and what the recorder's clock differs from the exchange's is taken out, never shown as latency. Long silences are kept.
 * Sources are on this venue's grid already (the store room brings other venues' recordings onto it).
 */
import { type Instrument, Side } from "../../domain/index.js";
import type { TapeEvent, TapeSource } from "../../store/tape/index.js";
import type { SimOrder } from "../account.js";
import { type Market, TAPE_ADDRESS, type TradeWire, tapeHash } from "../listed-market.js";
import { type MarketContext, perpInstrument, type SimMarket } from "../market.js";
import { bookView } from "../matching.js";
import { type PassiveFill, TapeBook } from "../tape-book.js";
import { dec } from "../wire.js";

export interface TapeMarketOptions {
  /** With `rewind`, the opening book is on display before the first subscriber comes. */
  readonly source: TapeSource & { rewind?(): void };
  readonly maxLeverage: number;
  readonly contextMs: number;
}

export class TapeMarket implements SimMarket {
  readonly coin: string;
  readonly instrument: Instrument;
  readonly book = new TapeBook();
  readonly description: string;
  readonly isTape = true;
  hasEnded = false;
  nextDueMs = Number.POSITIVE_INFINITY;

  private readonly source: TapeMarketOptions["source"];
  private readonly view = bookView(20);
  private context: MarketContext | undefined;
  private event: TapeEvent | undefined;
  private startMs = 0;
  private pending: TradeWire[] = [];
  private nextContextMs = Number.NEGATIVE_INFINITY;
  private dueMs = 0;
  private readonly onFill: PassiveFill;

  constructor(private readonly options: TapeMarketOptions) {
    this.source = options.source;
    this.coin = options.source.coin;
    this.description = `${this.coin} from tape, ${options.source.description}`;
    this.instrument = perpInstrument(this.coin, options.source.szDecimals, options.maxLeverage);
    this.onFill = (order, szLots, tid) =>
      this.context!.exchange.fillFromTape(order as SimOrder, szLots, tid, Math.floor(this.dueMs));
  }

  open(context: MarketContext, exchMs: number): void {
    this.context = context;
    if (this.source.rewind === undefined) return;
    // A client asks for prices before it subscribes, and the tape waits for a subscriber: show its first whole book meanwhile.
    for (let e = this.source.next(); e !== undefined; e = this.source.next()) {
      if (e.kind !== "book" || e.bidCount === 0 || e.askCount === 0) continue;
      this.loadView(e);
      this.book.applyBook(this.view, e.exchMs, this.onFill);
      context.exchange.updateMark(context.market, exchMs);
      break;
    }
    this.source.rewind();
  }

  begin(exchMs: number): void {
    this.startMs = exchMs;
    this.advance();
  }

  private advance(): void {
    this.event = this.source.next();
    if (this.event === undefined) {
      this.hasEnded = true;
      this.nextDueMs = Number.POSITIVE_INFINITY;
    } else {
      this.nextDueMs = this.startMs + (this.event.recvMs - this.source.startRecvMs);
    }
  }

  /** One recorded message: prints that were received together leave together. */
  step(): void {
    const { context, event } = this;
    if (context === undefined || event === undefined) return;
    this.dueMs = this.nextDueMs;
    const exchMs = this.exchangeMs(event);
    switch (event.kind) {
      case "book":
        this.loadView(event);
        this.book.applyBook(this.view, event.exchMs, this.onFill);
        this.loadView(event);
        context.outlet.book(context.market, this.view, exchMs);
        context.exchange.updateMark(context.market, exchMs);
        break;
      case "bbo":
        this.loadView(event);
        this.book.applyBbo(this.view, event.exchMs, this.onFill);
        this.loadView(event);
        context.outlet.bbo(context.market, this.view, exchMs);
        context.exchange.updateMark(context.market, exchMs);
        break;
      case "trade":
        this.takePrints(event, context.market);
        this.sendContext();
        return;
      case "gap":
        this.book.applyGap();
        break;
    }
    this.sendContext();
    this.advance();
  }

  private takePrints(first: TapeEvent, market: Market): void {
    const { recvMs } = first;
    for (let e: TapeEvent | undefined = first; e?.kind === "trade" && e.recvMs === recvMs; e = this.event) {
      const trade = this.tradeWire(e);
      market.recordTrade(trade, e.pxTicks, e.szLots);
      this.pending.push(trade);
      if (!e.isBacklog) this.book.applyTrade(e.side, e.pxTicks, e.szLots, e.tid, this.onFill);
      this.advance();
    }
    this.flushTrades();
  }

  private tradeWire(e: TapeEvent): TradeWire {
    return {
      coin: this.coin,
      side: e.side === Side.Buy ? "B" : "A",
      px: dec(e.pxTicks, this.instrument.pxDecimals),
      sz: dec(e.szLots, this.instrument.szDecimals),
      time: this.exchangeMs(e),
      hash: tapeHash(e.tid),
      tid: e.tid,
      users: [TAPE_ADDRESS, TAPE_ADDRESS],
    };
  }

  private exchangeMs(e: TapeEvent): number {
    return Math.floor(this.startMs + (e.exchMs + this.source.clockOffsetMs - this.source.startRecvMs));
  }

  /** Where the recording does not say how many orders make a level, one is shown: the venue never shows none. */
  private loadView(e: TapeEvent): void {
    const { view } = this;
    view.bidCount = Math.min(e.bidCount, view.capacity);
    view.askCount = Math.min(e.askCount, view.capacity);
    for (let i = 0; i < view.bidCount; i++) {
      view.bidPxTicks[i] = e.bidPxTicks[i]!;
      view.bidSzLots[i] = e.bidSzLots[i]!;
      view.bidOrders[i] = e.bidOrders[i]! || 1;
    }
    for (let i = 0; i < view.askCount; i++) {
      view.askPxTicks[i] = e.askPxTicks[i]!;
      view.askSzLots[i] = e.askSzLots[i]!;
      view.askOrders[i] = e.askOrders[i]! || 1;
    }
  }

  private sendContext(): void {
    if (this.dueMs < this.nextContextMs) return;
    this.nextContextMs = this.dueMs + this.options.contextMs;
    this.context!.exchange.advance(this.dueMs);
    this.context!.outlet.context(this.context!.market);
  }

  onTrade(trade: TradeWire): void {
    this.pending.push(trade);
  }

  afterAction(): void {
    this.flushTrades();
  }

  private flushTrades(): void {
    if (this.pending.length === 0) return;
    const trades = this.pending;
    this.pending = [];
    this.context!.outlet.trades(this.context!.market, trades);
  }

  close(): void {
    this.source.close();
  }
}
