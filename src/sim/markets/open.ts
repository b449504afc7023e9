/**
 * A market without participants of its own: an empty order-by-order book that clients alone fill. For tests and for SDKs
 * that bring both sides.
 */
import type { Instrument } from "../../domain/index.js";
import type { TradeWire } from "../listed-market.js";
import { BlockPublisher, instrumentOf, type MarketContext, type SimMarket } from "../market.js";
import { L3Book } from "../matching.js";

export interface OpenMarketOptions {
  readonly coin: string;
  readonly szDecimals: number;
  readonly maxLeverage: number;
  readonly blockMs: number;
  readonly l2BookMs: number;
}

export class OpenMarket implements SimMarket {
  readonly coin: string;
  readonly instrument: Instrument;
  readonly book = new L3Book();
  readonly description: string;
  readonly isTape = false;
  readonly hasEnded = false;
  nextDueMs = Number.POSITIVE_INFINITY;
  private publisher: BlockPublisher | undefined;

  constructor(private readonly options: OpenMarketOptions) {
    this.coin = options.coin;
    this.description = `${options.coin}, clients only`;
    this.instrument = instrumentOf(options.coin, options.szDecimals, options.maxLeverage);
  }

  open(context: MarketContext): void {
    this.publisher = new BlockPublisher(context, this.options.l2BookMs);
  }

  begin(exchMs: number): void {
    this.nextDueMs = exchMs + this.options.blockMs;
  }

  step(): void {
    this.publisher?.endBlock(Math.floor(this.nextDueMs));
    this.nextDueMs += this.options.blockMs;
  }

  onTrade(trade: TradeWire): void {
    this.publisher?.onTrade(trade);
  }

  afterAction(): void {
    // Public data waits for the end of the block.
  }

  close(): void {}
}
