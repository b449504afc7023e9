import { pow10, Side } from "../../../domain/index.js";
import { DecimalReader } from "../decimal.js";
import { TapeError } from "../errors.js";
import type { TapeInstrument } from "../file/format.js";
import { gridOf, knownCoins } from "../instruments.js";
import { BadLine } from "./problems.js";

export type GridChoice = "native" | "hyperliquid";

/** A recorded number is finer than the grid that was assumed: the conversion begins again with the finer one. */
export class GridGrew extends Error {
  constructor(coin: string) {
    super(`the grid of ${coin} is finer than assumed`);
  }
}

const DECIMALS_MAX = 10;
const HYPERLIQUID_SIG_FIGS = 5;
const MIN_NOTIONAL_USD = 10;
const MAX_LEVERAGE = new Map([
  ["BTC", 40],
  ["ETH", 25],
  ["SOL", 20],
  ["XRP", 20],
]);

/** A market that is being converted, with its grid. Numbers are read from recorded decimals by integer arithmetic. */
export class Market {
  private readonly decimals = new DecimalReader();
  pxPow: number;
  szPow: number;
  private product: string | undefined;

  constructor(
    private readonly table: MarketTable,
    readonly asset: number,
    readonly coin: string,
    public pxDecimals: number,
    public szDecimals: number,
    /** The venue's own grid, found from its numbers; else Hyperliquid's. */
    readonly isNative: boolean,
  ) {
    this.pxPow = pow10(pxDecimals);
    this.szPow = pow10(szDecimals);
  }

  /**
   * Says which of a venue's markets of the coin is told of.
   * @throws {TapeError} `ambiguous` When it was another one before: two books would become one.
   */
  isOf(product: string): void {
    this.product ??= product;
    if (this.product !== product)
      throw new TapeError(
        "ambiguous",
        `${this.coin} is recorded on two markets, ${this.product} and ${product}: convert each to a tape of its own`,
      );
  }

  /** Price on the grid. A price between two ticks goes away from the other side: bids down, asks up. */
  px(text: unknown, side: Side): number {
    return this.pxTicks(text, side) / this.pxPow;
  }

  pxTicks(text: unknown, side: Side): number {
    const ticks = this.floor(text, this.pxDecimals, "price");
    if (this.decimals.isExact) return ticks;
    if (this.isNative) return this.grow(text, side);
    return side === Side.Buy ? ticks : ticks + 1;
  }

  /** As `pxTicks`, for a venue whose prices are always on the grid: one that is not is damage. */
  exactPxTicks(text: unknown): number {
    const ticks = this.floor(text, this.pxDecimals, "price");
    if (this.decimals.isExact) return ticks;
    if (this.isNative) return this.grow(text, Side.Buy);
    throw new BadLine("price off the grid", String(text));
  }

  /** Floored to the grid. */
  szLots(text: unknown): number {
    const lots = this.floor(text, this.szDecimals, "size");
    if (this.decimals.isExact || !this.isNative) return lots;
    this.table.grew(this, 0, decimalsOf(text as string));
    return this.szLots(text);
  }

  exactSzLots(text: unknown): number {
    const lots = this.szLots(text);
    if (!this.decimals.isExact) throw new BadLine("size off the grid", String(text));
    return lots;
  }

  sz(text: unknown): number {
    return this.szLots(text) / this.szPow;
  }

  setGrid(pxDecimals: number, szDecimals: number): void {
    this.pxDecimals = pxDecimals;
    this.szDecimals = szDecimals;
    this.pxPow = pow10(pxDecimals);
    this.szPow = pow10(szDecimals);
  }

  private grow(text: unknown, side: Side): number {
    this.table.grew(this, decimalsOf(text as string), 0);
    return this.pxTicks(text, side);
  }

  private floor(text: unknown, decimals: number, what: string): number {
    const value = typeof text === "string" ? this.decimals.floor(text, decimals) : Number.NaN;
    if (Number.isNaN(value)) throw new BadLine(`${what} is not a number`, String(text).slice(0, 24));
    return value;
  }
}

/** Digits behind the point, trailing zeros apart. @throws {BadLine} Beyond what a tape can hold. */
export function decimalsOf(text: string): number {
  const [mantissa = "", exponent] = text.toLowerCase().split("e");
  const digits = (mantissa.split(".")[1] ?? "").replace(/0+$/, "").length - Number(exponent ?? 0);
  if (!(digits <= DECIMALS_MAX)) throw new BadLine(`more than ${DECIMALS_MAX} decimals`, text.slice(0, 24));
  return Math.max(0, digits);
}

export interface MarketTableOptions {
  /** undefined: Hyperliquid's grid where the format asks for it and the coin is known, else native. */
  readonly grid?: GridChoice | undefined;
  readonly szDecimals?: number | undefined;
  /** Only these coins; upper case. */
  readonly only?: ReadonlySet<string> | undefined;
}

/** The markets seen so far, in the order in which they appeared; what was learnt of native grids outlives a restart. */
export class MarketTable {
  private readonly markets = new Map<string, Market>();
  private readonly learnt = new Map<string, { px: number; sz: number }>();
  readonly skipped = new Set<string>();
  /** Grids may grow in place: nothing is being written yet. */
  isMeasuring = true;
  hasGrown = false;

  constructor(private readonly o: MarketTableOptions) {}

  /** The one coin that was asked for: the name of a market whose recording does not say. */
  get named(): string | undefined {
    return this.o.only?.size === 1 ? [...this.o.only][0] : undefined;
  }

  /** @returns undefined for a coin that was not asked for. @throws {TapeError} `unknown_coin`. */
  of(coin: string, wantsHyperliquid: boolean): Market | undefined {
    const known = this.markets.get(coin);
    if (known !== undefined) return known;
    if (this.o.only !== undefined && !this.o.only.has(coin.toUpperCase())) {
      this.skipped.add(coin);
      return undefined;
    }
    const market = this.open(coin, wantsHyperliquid);
    this.markets.set(coin, market);
    return market;
  }

  at(asset: number): Market {
    return [...this.markets.values()][asset]!;
  }

  private open(coin: string, wantsHyperliquid: boolean): Market {
    const asset = this.markets.size;
    if (asset > 0xffff) throw new BadLine("more than 65536 markets");
    const grid = gridOf(coin, this.o.szDecimals);
    const isHyperliquid = this.o.grid === "hyperliquid" || (this.o.grid === undefined && wantsHyperliquid);
    if (this.o.grid === "hyperliquid" && grid === undefined)
      throw new TapeError(
        "unknown_coin",
        `size decimals of ${coin} are not known (known: ${knownCoins()}); give them with --sz-decimals, or --grid native`,
      );
    if (isHyperliquid && grid !== undefined)
      return new Market(this, asset, coin, grid.pxDecimals, grid.szDecimals, false);
    const own = this.learnt.get(coin) ?? { px: 0, sz: this.o.szDecimals ?? 0 };
    this.learnt.set(coin, own);
    return new Market(this, asset, coin, own.px, own.sz, true);
  }

  grew(market: Market, pxDecimals: number, szDecimals: number): void {
    const own = this.learnt.get(market.coin)!;
    own.px = Math.max(own.px, pxDecimals);
    own.sz = Math.max(own.sz, szDecimals);
    this.hasGrown = true;
    if (!this.isMeasuring) throw new GridGrew(market.coin);
    market.setGrid(own.px, own.sz);
  }

  /** Begins again: the markets are numbered anew, what was learnt of their grids stays. */
  restart(isMeasuring: boolean): void {
    this.markets.clear();
    this.isMeasuring = isMeasuring;
    this.hasGrown = false;
  }

  get instruments(): TapeInstrument[] {
    return [...this.markets.values()].map((m) => ({
      asset: m.asset,
      coin: m.coin,
      pxDecimals: m.pxDecimals,
      szDecimals: m.szDecimals,
      maxSigFigs: m.isNative ? 0 : HYPERLIQUID_SIG_FIGS,
      minNotionalUsd: MIN_NOTIONAL_USD,
      maxLeverage: MAX_LEVERAGE.get(m.coin) ?? 10,
    }));
  }
}
