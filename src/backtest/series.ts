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
  readonly fills: readonly FillRow[];
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

const COLUMNS = [
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
] as const;
export type SeriesColumn = (typeof COLUMNS)[number];
export type SeriesRow = Readonly<Record<SeriesColumn, number>>;

/** Samples kept at most; beyond, every second one goes and the grid becomes twice as coarse. */
const ROWS_MAX = 8192;

/** Collects a run. Memory is bounded by ROWS_MAX rows and the number of fills. */
export class SeriesRecorder {
  private readonly columns: Record<SeriesColumn, Float64Array>;
  private rows = 0;
  /** Time between samples, ms. */
  stepMs: number;
  nextMs = Number.NEGATIVE_INFINITY;
  readonly fills: FillRow[] = [];
  /** By horizon: the first fill whose markout is still to come. */
  private readonly waiting: number[] = MARKOUT_MS.map(() => 0);

  constructor(stepMs = 250) {
    this.stepMs = stepMs;
    const columns = {} as Record<SeriesColumn, Float64Array>;
    for (const name of COLUMNS) columns[name] = new Float64Array(ROWS_MAX);
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
    if (this.rows === 0 || this.columns.tMs[this.rows - 1] !== tMs) this.put(tMs, row);
  }

  private put(tMs: number, row: Omit<SeriesRow, "tMs">): void {
    if (this.rows === ROWS_MAX) this.thin();
    const i = this.rows++;
    this.columns.tMs[i] = tMs;
    for (const [name, value] of Object.entries(row)) this.columns[name as SeriesColumn][i] = value;
  }

  private thin(): void {
    for (const column of Object.values(this.columns)) {
      for (let i = 0; i < ROWS_MAX / 2; i++) column[i] = column[2 * i]!;
    }
    this.rows = ROWS_MAX / 2;
    this.stepMs *= 2;
  }

  addFill(fill: Omit<FillRow, "markoutBps">): void {
    this.fills.push({ ...fill, markoutBps: MARKOUT_MS.map(() => Number.NaN) });
  }

  /** The mid is this from now on. Cheap when no markout is due. */
  onMid(tMs: number, midPx: number): void {
    const { fills, waiting } = this;
    for (let h = 0; h < MARKOUT_MS.length; h++) {
      for (let i = waiting[h]!; i < fills.length; i = ++waiting[h]!) {
        const fill = fills[i]!;
        if (tMs - fill.tMs < MARKOUT_MS[h]!) break;
        const way = fill.side === "B" ? 1 : -1;
        fill.markoutBps[h] = ((way * (midPx - fill.midPx)) / fill.midPx) * 1e4;
      }
    }
  }

  finish(): BacktestSeries {
    const cut = {} as Record<SeriesColumn, Float64Array>;
    for (const name of COLUMNS) cut[name] = this.columns[name].slice(0, this.rows);
    return { ...cut, fills: this.fills };
  }
}
