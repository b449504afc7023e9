/**
 * What moves a simulated market, and the scheduler that moves all of them in exchange time.
 *
 * Exchange time starts at the wall clock and runs `speed` times as fast; at speed "max" it jumps from event to event, as fast
 * as the sockets take the frames, and stands still while nobody listens.
 */
import type { Clock, Instrument, Timers } from "../domain/index.js";
import type { Exchange } from "./exchange.js";
import type { Market, TradeWire } from "./listed-market.js";
import { type BookView, bookView, type MatchingBook } from "./matching.js";

/** Public data out; implemented by the server (and by tests). Views are read before the call returns. */
export interface MarketOutlet {
  trades(market: Market, trades: readonly TradeWire[]): void;
  bbo(market: Market, view: BookView, exchMs: number): void;
  book(market: Market, view: BookView, exchMs: number): void;
  /** Mark, oracle or volume may have changed. */
  context(market: Market): void;
}

export interface MarketContext {
  readonly exchange: Exchange;
  readonly market: Market;
  readonly outlet: MarketOutlet;
}

/**
 * One market of the simulator. Life: `open` (before the server listens), `begin` (its first exchange moment), then `step`
 * whenever its `nextDueMs` has come, until that is Infinity.
 */
export interface SimMarket {
  readonly coin: string;
  readonly instrument: Instrument;
  readonly book: MatchingBook;
  /** One line for the log: what it is, and its seed or recording. */
  readonly description: string;
  /** True for a recording: it begins with its first subscriber and ends. */
  readonly isTape: boolean;
  /** It may stand on a grid that this venue does not list: that of another venue's recording. */
  readonly isOnAnyGrid?: boolean;
  open(context: MarketContext, exchMs: number): void;
  begin(exchMs: number): void;
  /** Exchange time of the next event; Infinity before `begin` and after the end. */
  readonly nextDueMs: number;
  readonly hasEnded: boolean;
  step(): void;
  /** Moves the fair price at once; absent where nothing decides it. */
  jump?(bps: number): void;
  /** A run of large orders that carries the fair price so far in so much exchange time. */
  cascade?(bps: number, ms: number): void;
  /** A print made by a client's order in this market. */
  onTrade(trade: TradeWire): void;
  /** Called once after each client action that may have touched the market. */
  afterAction(exchMs: number): void;
  close(): void;
}

/** The grid of a Hyperliquid perpetual: price decimals are 6 minus size decimals, 5 significant figures. */
export function perpInstrument(coin: string, szDecimals: number, maxLeverage: number, asset = 0): Instrument {
  return {
    asset,
    venueAssetId: asset,
    coin,
    pxDecimals: 6 - szDecimals,
    szDecimals,
    maxSigFigs: 5,
    minNotionalUsd: 10,
    maxLeverage,
  };
}

/** The grid of a spot pair: price decimals are 8 minus the base token's size decimals. */
export function spotInstrument(coin: string, szDecimals: number): Instrument {
  return { ...perpInstrument(coin, szDecimals, 1), pxDecimals: 8 - szDecimals };
}

/** Spot coins are `BASE/QUOTE` or `@index` (reference 6.1); everything else is a perp. */
export function instrumentOf(coin: string, szDecimals: number, maxLeverage: number): Instrument {
  return /\/|^@/.test(coin)
    ? spotInstrument(coin, szDecimals)
    : perpInstrument(coin, szDecimals, maxLeverage);
}

/**
 * Public data of a market made by orders: per block, its trades, the best bid and offer if they changed, and every
 * `l2BookMs` the book if it changed.
 */
export class BlockPublisher {
  private readonly view = bookView(20);
  private pending: TradeWire[] = [];
  private lastTop = [0, 0, 0, 0, 0, 0];
  private nextBookMs = Number.NEGATIVE_INFINITY;
  private nextContextMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly context: MarketContext,
    private readonly l2BookMs: number,
    private readonly contextMs = 1000,
  ) {}

  onTrade(trade: TradeWire): void {
    this.pending.push(trade);
  }

  endBlock(exchMs: number): void {
    const { exchange, market, outlet } = this.context;
    if (this.pending.length > 0) {
      outlet.trades(market, this.pending);
      this.pending = [];
    }
    market.book.view(this.view, 20);
    if (this.topChanged()) outlet.bbo(market, this.view, exchMs);
    if (exchMs >= this.nextBookMs) {
      outlet.book(market, this.view, exchMs);
      this.nextBookMs = exchMs + this.l2BookMs;
    }
    if (exchMs >= this.nextContextMs) {
      exchange.advance(exchMs);
      exchange.updateMark(market, exchMs);
      outlet.context(market);
      this.nextContextMs = exchMs + this.contextMs;
    }
  }

  private topChanged(): boolean {
    const v = this.view;
    const hasBid = v.bidCount > 0;
    const hasAsk = v.askCount > 0;
    const last = this.lastTop;
    const bidPx = hasBid ? v.bidPxTicks[0]! : 0;
    const bidSz = hasBid ? v.bidSzLots[0]! : 0;
    const bidN = hasBid ? v.bidOrders[0]! : 0;
    const askPx = hasAsk ? v.askPxTicks[0]! : 0;
    const askSz = hasAsk ? v.askSzLots[0]! : 0;
    const askN = hasAsk ? v.askOrders[0]! : 0;
    const isSame =
      last[0] === bidPx &&
      last[1] === bidSz &&
      last[2] === bidN &&
      last[3] === askPx &&
      last[4] === askSz &&
      last[5] === askN;
    if (isSame) return false;
    last[0] = bidPx;
    last[1] = bidSz;
    last[2] = bidN;
    last[3] = askPx;
    last[4] = askSz;
    last[5] = askN;
    return true;
  }
}

export type Speed = number | "max";

/** What else happens in exchange time: blocks of client actions, TWAP slices. */
export interface DueWork {
  /** Infinity when nothing waits. */
  readonly nextDueMs: number;
  /** True while a client waits for an answer: then time moves even at speed "max" without an audience. */
  readonly isAwaited: boolean;
  runUntil(exchMs: number): void;
}

const NO_WORK: DueWork = { nextDueMs: Number.POSITIVE_INFINITY, isAwaited: false, runUntil() {} };

export interface DriverOptions {
  readonly markets: readonly SimMarket[];
  /** Default: none. */
  readonly work?: DueWork;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly speed: Speed;
  /** True while some socket has more buffered than it should. */
  readonly isCongested: () => boolean;
  /** True while somebody subscribes to market data; without an audience, "max" stands still. */
  readonly hasAudience: () => boolean;
  /** After each run of steps. */
  readonly afterSteps: (exchMs: number) => void;
  readonly onTapesEnded: () => void;
}

/** Longest run of steps before the event loop gets its turn: an order must not wait for market data. */
const SLICE_NS = 4e6;
const CONGESTION_RETRY_MS = 2;

/** At N× speed a market that cannot keep up may fall behind its clock by so much wall time; then the clock slips. */
const LAG_MAX_WALL_MS = 250;

/** Does everything in order of due times; ties go to client work, then to the market listed first. Thread: main. */
export class MarketDriver {
  private readonly startWallMs: number;
  private readonly startMonoNs: number;
  /** Exchange time given up because sockets or the machine did not keep up with the speed asked for. */
  slippedMs = 0;
  private virtualMs: number;
  private cancelTimer: (() => void) | undefined;
  private isStopped = false;
  private tapesRunning: number;
  private readonly work: DueWork;

  constructor(private readonly options: DriverOptions) {
    this.startWallMs = options.clock.wallMs();
    this.startMonoNs = options.clock.monoNs();
    this.work = options.work ?? NO_WORK;
    this.virtualMs = this.startWallMs;
    this.tapesRunning = options.markets.filter((m) => m.isTape).length;
  }

  /** Exchange time, ms since the epoch: never beyond an event that has not happened yet. */
  nowMs(): number {
    const { speed } = this.options;
    if (speed === "max") return this.virtualMs;
    return Math.min(
      this.scheduledMs(speed),
      this.work.nextDueMs,
      this.earliest()?.nextDueMs ?? Number.POSITIVE_INFINITY,
    );
  }

  private scheduledMs(speed: number): number {
    return (
      this.startWallMs + ((this.options.clock.monoNs() - this.startMonoNs) / 1e6) * speed - this.slippedMs
    );
  }

  /** At speed 1 exchange time stays tied to the wall clock and a late market catches up: clients compare the two. */
  private slip(speed: number, dueMs: number): void {
    if (speed === 1) return;
    const lagMs = this.scheduledMs(speed) - dueMs;
    if (lagMs > LAG_MAX_WALL_MS * speed) this.slippedMs += lagMs - LAG_MAX_WALL_MS * speed;
  }

  start(): void {
    for (const m of this.options.markets) if (!m.isTape) m.begin(this.nowMs());
    this.schedule(0);
  }

  /** A market has its first subscriber, an audience is back, or work has come: what is due next may be due earlier than before. */
  wake(coin?: string): void {
    for (const m of this.options.markets) {
      if (m.isTape && m.coin === coin && !m.hasEnded && m.nextDueMs === Number.POSITIVE_INFINITY)
        m.begin(this.nowMs());
    }
    this.scheduleNext();
  }

  stop(): void {
    this.isStopped = true;
    this.cancelTimer?.();
  }

  private schedule(delayMs: number): void {
    if (this.isStopped) return;
    this.cancelTimer?.();
    this.cancelTimer = this.options.timers.after(delayMs, () => this.run());
  }

  private scheduleNext(): void {
    const { speed } = this.options;
    if (speed === "max") {
      this.schedule(0);
      return;
    }
    const dueMs = Math.min(this.work.nextDueMs, this.earliest()?.nextDueMs ?? Number.POSITIVE_INFINITY);
    if (dueMs === Number.POSITIVE_INFINITY) return;
    this.schedule(Math.max(0, dueMs - this.scheduledMs(speed)) / speed);
  }

  private earliest(): SimMarket | undefined {
    let best: SimMarket | undefined;
    for (const m of this.options.markets) {
      if (m.nextDueMs < (best?.nextDueMs ?? Number.POSITIVE_INFINITY)) best = m;
    }
    return best;
  }

  private run(): void {
    const { speed, clock, isCongested, hasAudience, afterSteps } = this.options;
    const { work } = this;
    if (this.isStopped) return;
    const sliceEndNs = clock.monoNs() + SLICE_NS;
    for (;;) {
      if (speed === "max" && !hasAudience() && !work.isAwaited) return;
      const next = this.earliest();
      const marketMs = next?.nextDueMs ?? Number.POSITIVE_INFINITY;
      const dueMs = Math.min(work.nextDueMs, marketMs);
      if (dueMs === Number.POSITIVE_INFINITY) return;
      if (speed !== "max" && dueMs > this.scheduledMs(speed)) {
        this.schedule((dueMs - this.scheduledMs(speed)) / speed);
        return;
      }
      if (clock.monoNs() > sliceEndNs) {
        this.schedule(0);
        return;
      }
      if (speed !== "max") this.slip(speed, dueMs);
      const isWork = work.nextDueMs <= marketMs;
      if (!isWork && isCongested()) {
        this.schedule(CONGESTION_RETRY_MS);
        return;
      }
      if (speed === "max") this.virtualMs = Math.max(this.virtualMs, dueMs);
      if (isWork) work.runUntil(dueMs);
      else next!.step();
      afterSteps(this.nowMs());
      if (!isWork && next!.hasEnded && next!.isTape) {
        this.tapesRunning--;
        if (this.tapesRunning === 0) this.options.onTapesEnded();
      }
    }
  }
}
