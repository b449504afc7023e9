/**
 * The simulated exchange in process, on any clock: the same core, markets, blocks and answers as the server's, without sockets
 * and signatures. What a backtest and a paper run trade against.
 *
 * Time is the clock it is given (exchange time is its wall time); markets step and blocks are made by its timers. Gateways and
 * feeds attach; they add the network's delays and faults.
 */
import { type Clock, Rng, type Timers } from "../domain/index.js";
import type { Account, FillWire, OrderUpdateWire } from "./account.js";
import type { Action } from "./actions.js";
import type { ExchangeResponse } from "./answers.js";
import { actionClass, BlockScheduler, type LatencyModel, VENUE_BLOCK_MS, VENUE_LATENCY } from "./blocks.js";
import { DEFAULT_EXCHANGE_OPTIONS, Exchange, type ExchangeEvents, type ExchangeOptions } from "./exchange.js";
import { ActionExecutor, type ExecutorOptions } from "./execute.js";
import { FaultCarrier, type Wire } from "./fault-carrier.js";
import { type FaultRule, Faults } from "./faults.js";
import { answerInfo } from "./info/index.js";
import { MALFORMED } from "./info/request.js";
import type { Market, TradeWire } from "./listed-market.js";
import { type DueWork, MarketDriver, type MarketOutlet, type SimMarket } from "./market.js";
import type { BookView } from "./matching.js";

export interface SimVenueOptions {
  readonly time: Clock & Timers;
  readonly markets: readonly SimMarket[];
  readonly seed: number;
  /** USD by lower-case address. */
  readonly funding: Readonly<Record<string, number>>;
  /** Default: a client near the real venue. */
  readonly latency?: LatencyModel;
  readonly blockMs?: number;
  readonly exchange?: Partial<ExchangeOptions>;
  /** Default: requests beyond an address's allowance are refused, as at the venue. */
  readonly executor?: Partial<ExecutorOptions>;
  readonly faults?: readonly FaultRule[];
}

/** What one action or market step meant for an account, in the venue's own words. */
export interface PrivateListener {
  onOrderUpdates(updates: readonly OrderUpdateWire[]): void;
  onFills(fills: readonly FillWire[]): void;
}

/** Who listens to an account, and what is to be told to them next. */
interface Mailbox {
  readonly listeners: PrivateListener[];
  updates: OrderUpdateWire[];
  fills: FillWire[];
}

/** Public data as the markets make it; views are only lent. */
export interface PublicListener extends MarketOutlet {
  readonly coin: string;
}

/** An action without envelope: in one process nobody needs a proof of who sent it. */
export interface Submission {
  readonly address: string;
  readonly action: Action;
  readonly nonce: number;
  readonly answer: (response: ExchangeResponse) => void;
}

const HOUSEKEEPING_MS = 250;
const UNSIGNED = { r: "", s: "", v: 27 } as const;

/** Thread: main. Deterministic: same seed, same submissions at the same times, same events. */
export class SimVenue implements ExchangeEvents, MarketOutlet {
  readonly exchange: Exchange;
  readonly faults: Faults;
  /** What gateways and feeds send their frames and requests through. */
  readonly carrier: FaultCarrier;
  private readonly executor: ActionExecutor;
  private readonly driver: MarketDriver;
  private readonly blocks: BlockScheduler;
  private readonly simMarkets = new Map<Market, SimMarket>();
  private readonly privates = new Map<Account, Mailbox>();
  private readonly publics: PublicListener[] = [];
  /** Those with news since the last flush, in order of their first. */
  private updated: Mailbox[] = [];
  private filled: Mailbox[] = [];
  private readonly stops: (() => void)[] = [];
  private wires = 0;
  /** Called after every action and market step, when the books are at rest: for checks that must hold at any time. */
  onSettled: () => void = () => {};

  constructor(private readonly options: SimVenueOptions) {
    const { markets, time } = options;
    this.exchange = new Exchange({ ...DEFAULT_EXCHANGE_OPTIONS, ...options.exchange });
    this.exchange.events = this;
    this.executor = new ActionExecutor(this.exchange, {
      addressLimit: "venue",
      seed: options.seed,
      ...options.executor,
    });
    for (const [address, usd] of Object.entries(options.funding)) {
      this.exchange.deposit(address, Math.round(usd * 1e6));
    }
    this.blocks = new BlockScheduler(
      {
        blockMs: options.blockMs ?? VENUE_BLOCK_MS,
        latency: options.latency ?? VENUE_LATENCY,
        seed: options.seed,
      },
      (blockMs) => this.touched(blockMs),
    );
    this.driver = new MarketDriver({
      markets,
      clock: time,
      timers: time,
      speed: 1,
      isCongested: () => false,
      hasAudience: () => true,
      work: this.work(),
      afterSteps: (exchMs) => this.advance(exchMs),
      onTapesEnded: () => {},
    });
    this.faults = new Faults(options.faults ?? [], new Rng(options.seed).fork("faults"));
    this.carrier = new FaultCarrier(this.faults, time, time, (run) => run());
    for (const simMarket of markets) {
      const market = this.exchange.addMarket(simMarket.instrument, simMarket.book, simMarket.isOnAnyGrid);
      this.simMarkets.set(market, simMarket);
      simMarket.book.cut = (szLots) => this.carrier.cut(szLots);
      simMarket.open({ exchange: this.exchange, market, outlet: this }, this.nowMs());
    }
  }

  /** Exchange time, ms since the epoch. */
  nowMs(): number {
    return this.driver.nowMs();
  }

  /** A new connection to this venue. */
  wire(): Wire {
    return this.carrier.wire(++this.wires);
  }

  start(): void {
    const { time, markets } = this.options;
    this.driver.start();
    for (const m of markets) if (m.isTape) this.driver.wake(m.coin);
    this.stops.push(time.every(HOUSEKEEPING_MS, () => this.advance(this.nowMs())));
  }

  close(): void {
    this.driver.stop();
    for (const stop of this.stops) stop();
    for (const m of this.options.markets) m.close();
  }

  /** An action on its way; it takes effect in a block, and the answer comes after network back. Never calls back inside. */
  submit(s: Submission): void {
    const envelope = {
      action: s.action,
      nonce: s.nonce,
      signature: UNSIGNED,
      vaultAddress: undefined,
      expiresAfter: undefined,
    };
    this.blocks.submit(actionClass(s.action), this.nowMs(), (blockMs) => {
      const response = this.executor.execute(s.address, envelope, blockMs, this.options.time.wallMs());
      return () => s.answer(response);
    });
    this.driver.wake();
  }

  /** Answers an info request from the state of now. @throws {Error} When the request is malformed. */
  info(request: Readonly<Record<string, unknown>>): unknown {
    const answer = answerInfo(
      {
        exchange: this.exchange,
        twaps: this.executor.twaps,
        exchMs: this.nowMs(),
        wallMs: this.options.time.wallMs(),
      },
      request,
    );
    if (answer === MALFORMED) throw new Error(`info request ${JSON.stringify(request)} is malformed`);
    return answer;
  }

  /** @throws {RangeError} When the address holds no account. @returns how to stop listening. */
  listenPrivate(address: string, listener: PrivateListener): () => void {
    const account = this.exchange.account(address);
    if (account === undefined) throw new RangeError(`address ${address} is not funded at this venue`);
    const box = this.privates.get(account) ?? { listeners: [], updates: [], fills: [] };
    this.privates.set(account, box);
    return join(box.listeners, listener);
  }

  listenPublic(listener: PublicListener): () => void {
    return join(this.publics, listener);
  }

  /** A market that no driver steps has moved: tells whoever is concerned. */
  settle(): void {
    this.settled();
  }

  /** What the driver does besides stepping markets. */
  private work(): DueWork {
    const { blocks, executor } = this;
    return {
      get nextDueMs() {
        return Math.min(blocks.nextDueMs, executor.nextDueMs);
      },
      get isAwaited() {
        return blocks.nextDueMs < Number.POSITIVE_INFINITY;
      },
      runUntil: (exchMs) => blocks.runUntil(exchMs),
    };
  }

  /** Triggers, TWAPs, dead man's switches, funding. */
  private advance(exchMs: number): void {
    this.exchange.advance(exchMs);
    if (this.executor.advance(exchMs, this.options.time.wallMs())) this.touched(exchMs);
    else this.settled();
  }

  /** Client orders may have moved any market. */
  private touched(exchMs: number): void {
    for (const simMarket of this.options.markets) simMarket.afterAction(exchMs);
    this.settled();
  }

  private settled(): void {
    this.flush();
    this.onSettled();
  }

  /** One message per account and kind for everything that one block or market step caused, as the venue's socket does. */
  private flush(): void {
    const { updated, filled } = this;
    if (updated.length > 0) {
      this.updated = [];
      for (const box of updated) {
        const { updates } = box;
        box.updates = [];
        for (const l of box.listeners) l.onOrderUpdates(updates);
      }
    }
    if (filled.length === 0) return;
    this.filled = [];
    for (const box of filled) {
      const { fills } = box;
      box.fills = [];
      for (const l of box.listeners) l.onFills(fills);
    }
  }

  // --- ExchangeEvents ------------------------------------------------------------------------------------------------

  onTrade(market: Market, trade: TradeWire): void {
    this.simMarkets.get(market)?.onTrade(trade);
  }

  onOrderUpdate(account: Account, update: OrderUpdateWire): void {
    const box = this.privates.get(account);
    if (box !== undefined && box.updates.push(update) === 1) this.updated.push(box);
  }

  onFill(account: Account, fill: FillWire): void {
    const box = this.privates.get(account);
    if (box !== undefined && box.fills.push(fill) === 1) this.filled.push(box);
  }

  onNonUserCancel(): void {
    // The order update says the same.
  }

  // --- MarketOutlet --------------------------------------------------------------------------------------------------

  trades(market: Market, trades: readonly TradeWire[]): void {
    for (const l of this.publics) if (l.coin === market.coin) l.trades(market, trades);
  }

  bbo(market: Market, view: BookView, exchMs: number): void {
    for (const l of this.publics) if (l.coin === market.coin) l.bbo(market, view, exchMs);
  }

  book(market: Market, view: BookView, exchMs: number): void {
    for (const l of this.publics) if (l.coin === market.coin) l.book(market, view, exchMs);
  }

  context(market: Market): void {
    for (const l of this.publics) if (l.coin === market.coin) l.context(market);
  }
}

function join<T>(list: T[], item: T): () => void {
  list.push(item);
  return () => {
    const at = list.indexOf(item);
    if (at >= 0) list.splice(at, 1);
  };
}
