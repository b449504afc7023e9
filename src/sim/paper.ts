/**
 * A paper exchange: the simulated one in process, its markets moved by the records of a live feed as they arrive. What a backtest
 * is to a tape, this is to the market of now: same book, same fill rules, same queue and latency models.
 *
 * What is known of the exchange arrives late by the feed's latency, so the exchange is kept that far in the past, and orders
 * travel so much longer on their way out and so much shorter on their way back: an order meets the book that it would
 * have met, and its answer arrives when it would have arrived. Deterministic on a deterministic clock.
 */
import * as abi from "../abi/layout.js";
import { RecordKind } from "../abi/layout.js";
import { type Clock, type Instrument, Rng, type Timers } from "../domain/index.js";
import { RecordCursor, type RecordViews, recvOffset, type TapeBlock } from "../store/index.js";
import { type DelayRange, drawMs } from "./blocks.js";
import { BASE_FEES, type FeeRates, flatFees } from "./fees.js";
import { delayOf, type LatencySpec, orderLatency } from "./latency-spec.js";
import { RecordMarket } from "./markets/records.js";
import { type QueueModelSpec, queueModel } from "./queue-model.js";
import {
  DEFAULT_UNIVERSE,
  type DexListing,
  dexNameOf,
  FIRST_DEX_DEFAULTS,
  type MarginMode,
  type MarginTable,
  type MarginTier,
  marginTable,
  type PerpListing,
  type Token,
  type Universe,
  USDC,
} from "./universe.js";
import { SimVenue } from "./venue.js";

/** One market as the real venue lists it. */
export interface PaperListing {
  /** The engine's; its price grid may be coarser than the venue's. */
  readonly instrument: Instrument;
  /** Name of the dex's collateral token. */
  readonly collateral: string;
  readonly deployerFeeScale: number;
  readonly marginMode: MarginMode;
  readonly isGrowth: boolean;
  /** Lowest bound first. */
  readonly tiers: readonly MarginTier[];
}

export interface PaperOptions {
  /** `monoNs` on the clock of the records. */
  readonly time: Clock & Timers;
  /** Wall clock of mono 0, ns since the epoch. */
  readonly baseWallNs: bigint;
  readonly seed: number;
  /** Lower-case. */
  readonly address: string;
  /** By engine index. */
  readonly listings: readonly PaperListing[];
  /** In each clearinghouse. */
  readonly equityUsd: number;
  /** Default: the venue's base tier. */
  readonly fees?: FeeRates;
  readonly queue?: QueueModelSpec;
  readonly latency: LatencySpec;
}

/** The feed's latency is smoothed over about so many records: one late frame is no new distance. */
const LAG_WEIGHT = 1 / 32;
const LAG_MAX_NS = 2e9;

/** Thread: main. Allocates: nothing per record that fills nobody. */
export class PaperVenue {
  readonly venue: SimVenue;
  /** The engine's, with this exchange's asset ids. */
  readonly instruments: readonly Instrument[];
  /** From the exchange to us, for a gateway. */
  readonly network: DelayRange;
  private readonly markets: readonly RecordMarket[];
  private readonly cursor = new RecordCursor();
  private views: RecordViews | undefined;
  private readonly baseMs: number;
  private readonly baseLo: number;
  private readonly baseHi: number;
  /** Smallest receive minus exchange time so far. */
  private offsetNs = Number.POSITIVE_INFINITY;
  private travelNs = 0;
  private lagNs = 0;
  private exchNs = Number.NEGATIVE_INFINITY;
  private readonly floorNs: number | undefined;

  constructor(o: PaperOptions) {
    const rng = new Rng(o.seed);
    this.baseMs = Number(o.baseWallNs / 1_000_000n);
    this.baseLo = Number(o.baseWallNs & 0xffffffffn);
    this.baseHi = Number(o.baseWallNs >> 32n);
    // A feed that is said to take a given time is taken at that word; as recorded, it is measured.
    this.floorNs = o.latency.feed.kind === "tape" ? o.latency.feed.floorMs * 1e6 : undefined;
    const back = delayOf(o.latency.ack);
    const orders = orderLatency(o.latency);
    this.network = this.floorNs === undefined ? back : this.shifted(back, -1);
    this.markets = o.listings.map(
      ({ instrument }) =>
        new RecordMarket(
          // The venue's own grid, whatever the engine quotes on.
          { ...instrument, pxDecimals: 6 - instrument.szDecimals },
          queueModel(o.queue ?? { kind: "risk-averse" }),
          `${instrument.coin} on paper`,
        ),
    );
    const universe = universeOf(o.listings);
    this.venue = new SimVenue({
      time: o.time,
      markets: this.markets,
      seed: rng.fork("venue").u32(),
      funding: { [o.address]: o.equityUsd },
      latency:
        this.floorNs === undefined
          ? orders
          : { ...orders, netOut: this.shifted(orders.netOut, 1), netBack: this.network },
      blockMs: 0,
      exchange: { universe, fees: flatFees(o.fees ?? BASE_FEES) },
    });
    const { exchange } = this.venue;
    const used = new Set(o.listings.map((l) => dexNameOf(l.instrument.coin)));
    universe.dexs.forEach((dex, index) => {
      if (index > 0 && used.has(dex.name)) exchange.deposit(o.address, Math.round(o.equityUsd * 1e6), index);
    });
    this.instruments = o.listings.map(({ instrument }) => ({
      ...instrument,
      venueAssetId: exchange.market(instrument.coin)!.venueAssetId,
    }));
  }

  /** How far the exchange is kept in the past, ms. */
  get lagMs(): number {
    return this.lagNs / 1e6;
  }

  start(): void {
    this.venue.start();
  }

  close(): void {
    this.venue.close();
  }

  /** A record of the feed happens at the exchange. */
  take(kind: RecordKind, asset: number, views: RecordViews, at: number, bodyBytes: number): void {
    const market = this.markets[asset];
    if (market === undefined) return;
    const { cursor } = this;
    if (this.views !== views) {
      this.views = views;
      cursor.block = blockOf(views);
    }
    cursor.kind = kind;
    cursor.asset = asset;
    cursor.at = at;
    cursor.bodyBytes = bodyBytes;
    const fills = market.fillCount;
    this.exchNs = Math.max(this.exchNs, this.stampOf(kind, views, at));
    market.apply(cursor, this.baseMs + this.exchNs / 1e6);
    if (market.fillCount !== fills) this.venue.settle();
  }

  /** Records were lost on their way here: what is displayed cannot be trusted until the next book. */
  noteLoss(): void {
    for (const market of this.markets) market.book.applyGap();
  }

  /** As a backtest stamps a tape: see its window. */
  private stampOf(kind: RecordKind, views: RecordViews, at: number): number {
    const recvNs = views.f64[(at + recvOffset(kind)) >> 3]!;
    const hi = recvOffset(kind) === 0 ? 0 : views.u32[(at >> 2) + 1]!;
    if (hi === 0) return recvNs - this.travelNs;
    const stampNs = (hi - this.baseHi) * 4_294_967_296 + (views.u32[at >> 2]! - this.baseLo);
    this.offsetNs = Math.min(this.offsetNs, recvNs - stampNs);
    this.travelNs = recvNs - stampNs - this.offsetNs;
    const isReplay =
      kind === RecordKind.Trade && (views.u8[at + abi.TRADE_FLAGS]! & abi.TradeFlag.Backlog) !== 0;
    if (!isReplay) this.lagNs += LAG_WEIGHT * (Math.min(LAG_MAX_NS, this.travelNs) - this.lagNs);
    return stampNs + this.offsetNs;
  }

  private shifted(delay: DelayRange, sign: 1 | -1): DelayRange {
    return {
      minMs: 0,
      maxMs: Number.POSITIVE_INFINITY,
      sample: (rng, atMs) =>
        Math.max(0, drawMs(delay, rng, atMs) + (sign * (this.lagNs + this.floorNs!)) / 1e6),
    };
  }
}

/** A ring's memory as a block of a tape. */
function blockOf(views: RecordViews): TapeBlock {
  const { u8, i32, f64 } = views;
  return {
    info: {
      offset: 0,
      storedBytes: 0,
      rawBytes: 0,
      records: 0,
      levelUpdates: 0,
      firstRecvMonoNs: 0,
      lastRecvMonoNs: 0,
    },
    bytes: u8.length,
    u8,
    i32,
    f64,
    i64: new BigInt64Array(f64.buffer, f64.byteOffset, f64.length),
  };
}

/** Ids below are implicit tables, and the venue's own. */
const FIRST_TABLE_ID = 1000;
const FIRST_TOKEN_INDEX = 1000;
const IMPLICIT_MAX = 49;

/** An exchange that lists what is traded, and nothing else. */
function universeOf(listings: readonly PaperListing[]): Universe {
  const tokens: Token[] = DEFAULT_UNIVERSE.tokens.slice();
  const marginTables: MarginTable[] = [];
  const tokenIndex = (name: string): number => {
    const known = tokens.find((t) => t.name === name);
    if (known !== undefined) return known.index;
    const index = FIRST_TOKEN_INDEX + tokens.length;
    tokens.push({
      name,
      index,
      szDecimals: 2,
      weiDecimals: 8,
      tokenId: `0x${index.toString(16).padStart(32, "0")}`,
      isCanonical: false,
      fullName: null,
    });
    return index;
  };
  const tableId = ({ instrument: { maxLeverage, coin }, tiers }: PaperListing): number => {
    if (tiers.length <= 1 && maxLeverage <= IMPLICIT_MAX) return maxLeverage;
    const id = FIRST_TABLE_ID + marginTables.length;
    marginTables.push(marginTable(id, coin, tiers.length > 0 ? tiers : [{ lowerBoundUsd: 0, maxLeverage }]));
    return id;
  };
  const perpOf = (l: PaperListing): PerpListing => ({
    ...FIRST_DEX_DEFAULTS,
    coin: l.instrument.coin,
    szDecimals: l.instrument.szDecimals,
    maxLeverage: l.instrument.maxLeverage,
    marginTableId: tableId(l),
    marginMode: l.marginMode,
    isGrowthMode: l.isGrowth,
  });
  const names = ["", ...new Set(listings.map((l) => dexNameOf(l.instrument.coin)).filter((n) => n !== ""))];
  const dexs = names.map((name): DexListing => {
    const own = listings.filter((l) => dexNameOf(l.instrument.coin) === name);
    return {
      ...DEFAULT_UNIVERSE.dexs[0]!,
      name,
      fullName: name,
      collateralToken: name === "" ? USDC : tokenIndex(own[0]!.collateral),
      deployerFeeScale: own[0]?.deployerFeeScale ?? 0,
      perps: own.map(perpOf),
    };
  });
  return { tokens, dexs, spotPairs: [], marginTables };
}
