/**
 * What a person looks at afterwards: state on a grid of times, and every fill with what the market did next.
 */

/** One column per quantity, one row per sample. Times are ms since the start of the run's tape. */
export interface BacktestSeries {
  readonly tMs: Float64Array;
  readonly midPx: Float64Array;
  readonly equityUsd: Float64Array;
  readonly posBase: Float64Array;
  /** Best resting orders of ours; NaN where a side has none. */
  readonly bidPx: Float64Array;
  readonly askPx: Float64Array;
  readonly halfSpreadBps: Float64Array;
  readonly skewBps: Float64Array;
  readonly sigmaBps: Float64Array;
  readonly kappaPerBps: Float64Array;
  readonly feesUsd: Float64Array;
  /** Received, so far. */
  readonly fundingUsd: Float64Array;
  /** Terms of the quote as its ladder publishes them; NaN before the first. */
  readonly fairPx: Float64Array;
  readonly staticBps: Float64Array;
  readonly inventoryBps: Float64Array;
  readonly adverseBps: Float64Array;
  readonly feeBps: Float64Array;
  readonly floorBps: Float64Array;
  readonly spreadMult: Float64Array;
  readonly rawSkewBps: Float64Array;
  readonly gammaPerBps: Float64Array;
  readonly arrivalPerS: Float64Array;
  readonly fills: readonly FillRow[];
  /** Resting orders by their distance from the mid when they were placed. */
  readonly depths: readonly DepthRow[];
}

/** Upper edges of the buckets of `depths`, bps; the last bucket is open. An order inside the mid is in the first. */
export const DEPTH_EDGES_BPS = [0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 50] as const;

export interface DepthRow {
  readonly fromBps: number;
  /** null: open. */
  readonly toBps: number | null;
  ordersPlaced: number;
  /** Orders with at least one fill. */
  ordersFilled: number;
  placedBase: number;
  filledBase: number;
  /** Order seconds in the book. */
  restedS: number;
}

/** What the recorder is told of an order of ours. */
export interface OrderNews {
  readonly oid: number;
  readonly side: "B" | "A";
  readonly px: number;
  readonly origSz: number;
  /** Not yet filled. */
  readonly sz: number;
  /** Hyperliquid's word: `open`, `filled`, `canceled`, … */
  readonly status: string;
}

interface WatchedOrder {
  readonly row: DepthRow;
  readonly sinceMs: number;
  szLeft: number;
  isFilled: boolean;
}

/** Horizons of markouts, ms. */
export const MARKOUT_MS = [100, 1_000, 10_000, 60_000] as const;

export interface FillRow {
  readonly tMs: number;
  readonly side: "B" | "A";
  readonly px: number;
  readonly sz: number;
  readonly feeUsd: number;
  readonly isMaker: boolean;
  readonly midPx: number;
  /** Distance of our price from the mid at the fill, bps: what was captured. */
  readonly captureBps: number;
  /** How far the mid moved our way afterwards, bps, by horizon; NaN when the tape ended before. Negative: adverse selection. */
  readonly markoutBps: number[];
  /** From resting to this fill, ms. */
  readonly restedMs: number;
}

export const SERIES_COLUMNS = [
  "tMs",
  "midPx",
  "equityUsd",
  "posBase",
  "bidPx",
  "askPx",
  "halfSpreadBps",
  "skewBps",
  "sigmaBps",
  "kappaPerBps",
  "feesUsd",
  "fundingUsd",
  "fairPx",
  "staticBps",
  "inventoryBps",
  "adverseBps",
  "feeBps",
  "floorBps",
  "spreadMult",
  "rawSkewBps",
  "gammaPerBps",
  "arrivalPerS",
] as const;
export type SeriesColumn = (typeof SERIES_COLUMNS)[number];
const ROW_COLUMNS = SERIES_COLUMNS.filter((name) => name !== "tMs");
export type SeriesRow = Readonly<Record<SeriesColumn, number>>;

/** Samples kept at most; beyond, every second one goes and the grid becomes twice as coarse. */
const ROWS_MAX = 8192;

/**
 * Collects a run. Memory: ROWS_MAX rows, the orders that rest, and some 300 bytes a fill of ours, whatever the tape's length. Fills
 * are kept one by one, for they are matched and judged one by one.
 */
export class SeriesRecorder {
  private readonly columns: Record<SeriesColumn, Float64Array>;
  private rows = 0;
  /** Time between samples, ms. */
  stepMs: number;
  nextMs = Number.NEGATIVE_INFINITY;
  /** From this time on the venue's mid is some fill's markout. */
  nextMarkoutMs = Number.POSITIVE_INFINITY;
  readonly fills: FillRow[] = [];
  /** By horizon: the first fill whose markout is still to come. */
  private readonly waiting: number[] = MARKOUT_MS.map(() => 0);

  private readonly depths: DepthRow[] = [0, ...DEPTH_EDGES_BPS].map((fromBps, i) => ({
    fromBps,
    toBps: DEPTH_EDGES_BPS[i] ?? null,
    ordersPlaced: 0,
    ordersFilled: 0,
    placedBase: 0,
    filledBase: 0,
    restedS: 0,
  }));
  private readonly orders = new Map<number, WatchedOrder>();
  /** Orders whose last fill is told right after this news. */
  private readonly finished: number[] = [];

  constructor(stepMs = 250) {
    this.stepMs = stepMs;
    const columns = {} as Record<SeriesColumn, Float64Array>;
    for (const name of SERIES_COLUMNS) columns[name] = new Float64Array(ROWS_MAX);
    this.columns = columns;
  }

  /** Takes a row when the grid wants one. */
  sample(tMs: number, row: () => Omit<SeriesRow, "tMs">): void {
    if (tMs < this.nextMs) return;
    this.put(tMs, row());
    this.nextMs = tMs + this.stepMs;
  }

  /** The last row, whatever the grid. */
  end(tMs: number, row: Omit<SeriesRow, "tMs">): void {
    // Closing may cost something in the very moment of the last sample.
    if (this.rows > 0 && this.columns.tMs[this.rows - 1] === tMs) this.rows--;
    this.put(tMs, row);
  }

  private put(tMs: number, row: Omit<SeriesRow, "tMs">): void {
    if (this.rows === ROWS_MAX) this.thin();
    const i = this.rows++;
    this.columns.tMs[i] = tMs;
    for (const name of ROW_COLUMNS) this.columns[name][i] = row[name];
  }

  private thin(): void {
    for (const column of Object.values(this.columns)) {
      for (let i = 0; i < ROWS_MAX / 2; i++) column[i] = column[2 * i]!;
    }
    this.rows = ROWS_MAX / 2;
    this.stepMs *= 2;
  }

  addFill(fill: Omit<FillRow, "markoutBps" | "restedMs"> & { readonly oid: number }): void {
    const { tMs } = fill;
    this.nextMarkoutMs = Math.min(this.nextMarkoutMs, tMs + MARKOUT_MS[0]);
    // Named one by one: copies of a rest have a hidden class each, which is larger than the fill.
    this.fills.push({
      tMs,
      side: fill.side,
      px: fill.px,
      sz: fill.sz,
      feeUsd: fill.feeUsd,
      isMaker: fill.isMaker,
      midPx: fill.midPx,
      captureBps: fill.captureBps,
      restedMs: tMs - (this.orders.get(fill.oid)?.sinceMs ?? tMs),
      markoutBps: MARKOUT_MS.map(() => Number.NaN),
    });
  }

  /** An order's state has changed at the venue; its fills, if any, are told afterwards. */
  onOrder(tMs: number, news: OrderNews, midPx: number): void {
    const { orders, finished } = this;
    let order = orders.get(news.oid);
    if (news.status === "open") {
      if (order === undefined && midPx > 0) {
        order = { row: this.depthRow(news, midPx), sinceMs: tMs, szLeft: news.origSz, isFilled: false };
        order.row.ordersPlaced++;
        order.row.placedBase += news.origSz;
        orders.set(news.oid, order);
      }
      if (order !== undefined) this.onRest(order, news.sz);
      return;
    }
    if (order === undefined) return;
    if (news.status === "filled") this.onRest(order, 0);
    order.row.restedS += (tMs - order.sinceMs) / 1000;
    if (news.status === "filled") finished.push(news.oid);
    else orders.delete(news.oid);
  }

  /** Before a batch of news: what the last batch finished has had its fills. */
  forgetFinished(): void {
    for (const oid of this.finished) this.orders.delete(oid);
    this.finished.length = 0;
  }

  private onRest(order: WatchedOrder, szLeft: number): void {
    if (szLeft >= order.szLeft) return;
    order.row.filledBase += order.szLeft - szLeft;
    order.szLeft = szLeft;
    if (!order.isFilled) order.row.ordersFilled++;
    order.isFilled = true;
  }

  private depthRow(news: OrderNews, midPx: number): DepthRow {
    const bps = ((news.side === "B" ? midPx - news.px : news.px - midPx) / midPx) * 1e4;
    return this.depths.find((row) => row.toBps === null || bps < row.toBps)!;
  }

  /**
   * The mid is this from now on. Cheap when no markout is due.
   * @param beforePx what it was until now: of a horizon that has passed since the last change, the mid that stood then.
   */
  onMid(tMs: number, midPx: number, beforePx = midPx): void {
    const { fills, waiting } = this;
    // Rounding must not make one late.
    if (tMs < this.nextMarkoutMs - 1e-6) return;
    this.nextMarkoutMs = Number.POSITIVE_INFINITY;
    for (let h = 0; h < MARKOUT_MS.length; h++) {
      for (let i = waiting[h]!; i < fills.length; i = ++waiting[h]!) {
        const fill = fills[i]!;
        const sinceMs = tMs - fill.tMs - MARKOUT_MS[h]!;
        if (sinceMs < 0) break;
        const way = fill.side === "B" ? 1 : -1;
        const then = sinceMs > 0 && beforePx > 0 ? beforePx : midPx;
        fill.markoutBps[h] = ((way * (then - fill.midPx)) / fill.midPx) * 1e4;
      }
      const next = fills[waiting[h]!];
      if (next !== undefined) this.nextMarkoutMs = Math.min(this.nextMarkoutMs, next.tMs + MARKOUT_MS[h]!);
    }
  }

  finish(): BacktestSeries {
    const cut = {} as Record<SeriesColumn, Float64Array>;
    for (const name of SERIES_COLUMNS) cut[name] = this.columns[name].slice(0, this.rows);
    return { ...cut, fills: this.fills, depths: this.depths };
  }
}
