/**
 * Market data of a venue in this process, as the frames its socket would send, over a network that delays and damages them.
 */
import type { Clock, Rng, Timers } from "../domain/index.js";
import { type DelayRange, drawMs } from "./blocks.js";
import type { Wire } from "./fault-carrier.js";
import { bboFrame, bookFrame, contextFrame, tradesFrame } from "./frames.js";
import { visibleBook } from "./info/book.js";
import { Lane } from "./lane.js";
import type { Market } from "./listed-market.js";
import type { SimVenue } from "./venue.js";

/** Who reads the frames. */
export interface FrameReader {
  onConnected(): void;
  onDisconnected(reason: string): void;
  /** The bytes are the reader's. */
  onFrame(frame: Uint8Array): void;
}

export interface SimFeedOptions {
  readonly venue: SimVenue;
  readonly coins: readonly string[];
  readonly time: Clock & Timers;
  readonly rng: Rng;
  /** One way. */
  readonly network?: DelayRange;
  readonly reconnect?: DelayRange;
}

const NETWORK: DelayRange = { minMs: 10, maxMs: 40 };
const RECONNECT: DelayRange = { minMs: 150, maxMs: 500 };
const FULL_BOOK = { nSigFigs: null, fast: false } as const;
const BACKLOG_TRADES = 30;

/** Thread: main. Life: `start` → frames → `stop`. */
export class SimFeed {
  private readonly lane: Lane;
  private readonly rng: Rng;
  private readonly encoder = new TextEncoder();
  private stopListening: (() => void)[] = [];
  private wire: Wire | undefined;
  private isStopped = false;
  disconnects = 0;

  constructor(
    private readonly o: SimFeedOptions,
    private readonly reader: FrameReader,
  ) {
    this.rng = o.rng.fork("sim feed");
    this.lane = new Lane(o.time, o.network ?? NETWORK, o.rng.fork("sim feed lane"));
  }

  start(): void {
    this.open();
  }

  stop(): void {
    this.isStopped = true;
    this.cut();
  }

  disconnect(reason: string): void {
    if (this.wire === undefined) return;
    this.disconnects++;
    this.cut();
    this.reader.onDisconnected(reason);
    this.reopenLater();
  }

  private reopenLater(): void {
    this.o.time.after(drawMs(this.o.reconnect ?? RECONNECT, this.rng, this.o.time.wallMs()), () => {
      if (this.isStopped) return;
      if (this.o.venue.carrier.isOutage) this.reopenLater();
      else this.open();
    });
  }

  private cut(): void {
    this.wire?.outbound.clear();
    this.wire = undefined;
    for (const stop of this.stopListening) stop();
    this.stopListening = [];
    this.lane.cut();
  }

  /** Subscribes: first frames as the server gives them, then what the markets make. */
  private open(): void {
    const { venue, coins } = this.o;
    this.wire = venue.wire();
    this.reader.onConnected();
    for (const coin of coins) {
      const market = venue.exchange.market(coin);
      if (market === undefined) throw new RangeError(`coin ${coin} is not listed at this venue`);
      this.stopListening.push(
        venue.listenPublic({
          coin,
          trades: (_, trades) => this.push(tradesFrame(trades)),
          bbo: (m, view, exchMs) => this.push(bboFrame(m, view, exchMs)),
          book: (m, view, exchMs) => this.push(bookFrame(m, view, exchMs, FULL_BOOK)),
          context: (m) => this.push(contextFrame(venue.exchange, m)),
        }),
      );
      this.first(market);
    }
  }

  private first(m: Market): void {
    const { venue } = this.o;
    const exchMs = Math.floor(venue.nowMs());
    this.push(bookFrame(m, visibleBook(m, null, null, 20), exchMs, FULL_BOOK));
    this.push(bboFrame(m, visibleBook(m, null, null, 1), exchMs));
    if (m.recentTrades.length > 0) this.push(tradesFrame(m.recentTrades.slice(-BACKLOG_TRADES)));
    this.push(contextFrame(venue.exchange, m));
  }

  private push(text: string): void {
    const { wire } = this;
    if (wire === undefined) return;
    this.o.venue.carrier.push(
      wire,
      text,
      (frame) => {
        if (wire !== this.wire) return;
        const bytes = this.encoder.encode(frame);
        this.lane.send(() => this.reader.onFrame(bytes));
      },
      // Not inside the market's own step.
      () => void this.o.time.after(0, () => this.disconnect("fault")),
    );
  }
}
