/**
 * What the page's script draws: groups of panes that share an axis of time. The page is `page/report.js`.
 */
import type { BacktestSeries } from "../series.js";
import { cumulativeParts } from "./figures.js";
import type { ReportInput } from "./input.js";
import { type Packed, pack, thinned } from "./pack.js";

export interface Line {
  readonly label: string;
  readonly run: number;
  readonly column: string;
  /** A custom property of the style sheet. */
  readonly color: string;
  readonly kind?: "line" | "step" | "area";
  readonly isDashed?: boolean;
}

export interface Pane {
  readonly title: string;
  readonly note?: string;
  readonly unit: string;
  readonly height: number;
  readonly lines: readonly Line[];
  readonly levels?: readonly { readonly at: number; readonly label: string; readonly isFar: boolean }[];
  readonly hasFills?: boolean;
  readonly fromZero?: boolean;
}

export interface GroupRun {
  /** Added to times: ms since the epoch, or 0 where runs of different times lie over each other. */
  readonly startMs: number;
  readonly wallMs: number;
  readonly t: Packed;
  readonly columns: Readonly<Record<string, Packed>>;
  readonly fills?: {
    readonly columns: Readonly<Record<string, Packed>>;
    readonly side: string;
    readonly maker: string;
  };
}

export interface Group {
  readonly runs: readonly GroupRun[];
  readonly panes: readonly Pane[];
  /** Values before packing, for the tables beside the charts. */
  readonly values: readonly Readonly<Record<string, Float64Array>>[];
}

/** Rows of all runs of a report together: keeps the file below 2 MB. */
const ROWS_MAX = 6000;
const ROWS_MIN = 700;
/** Fills of all runs together that a report carries; the saved run has them all. */
export const FILLS_MAX = 12_000;
export const COLORS = ["--c1", "--c2", "--c3", "--c4", "--c5", "--c7", "--c6"] as const;

const rowsFor = (runs: number): number => Math.max(ROWS_MIN, Math.floor(ROWS_MAX / runs));

/** Drawdown at each row, not above 0. */
function drawdown(equity: Float64Array): Float64Array {
  let peak = Number.NEGATIVE_INFINITY;
  return equity.map((e) => {
    peak = Math.max(peak, e);
    return e - peak;
  });
}

function groupRun(
  run: ReportInput,
  values: Readonly<Record<string, Float64Array>>,
  o: { readonly rows: number; readonly isElapsed: boolean; readonly fills: number },
): GroupRun {
  const { tMs, fills } = run.series;
  const kept = thinned(tMs.length, o.rows);
  const take = (column: Float64Array): Packed => pack(kept.map((i) => column[i]!));
  const wallMs = Date.parse(run.summary.from);
  const shown = fills.slice(0, o.fills);
  return {
    startMs: o.isElapsed ? 0 : wallMs,
    wallMs,
    t: take(tMs.map(Math.round)),
    columns: Object.fromEntries(Object.entries(values).map(([name, column]) => [name, take(column)])),
    ...(o.fills === 0
      ? {}
      : {
          fills: {
            side: shown.map((f) => f.side).join(""),
            maker: shown.map((f) => (f.isMaker ? "1" : "0")).join(""),
            columns: {
              tMs: pack(shown.map((f) => Math.round(f.tMs))),
              px: pack(shown.map((f) => f.px)),
              sz: pack(shown.map((f) => f.sz)),
              feeUsd: pack(shown.map((f) => round(f.feeUsd, 6))),
              midPx: pack(shown.map((f) => round(f.midPx, 6))),
              captureBps: pack(shown.map((f) => round(f.captureBps, 2))),
              restedMs: pack(shown.map((f) => Math.round(f.restedMs))),
              ...Object.fromEntries(
                ["markout100msBps", "markout1sBps", "markout10sBps", "markout60sBps"].map((name, h) => [
                  name,
                  pack(shown.map((f) => round(f.markoutBps[h]!, 2))),
                ]),
              ),
            },
          },
        }),
  };
}

const round = (x: number, decimals: number): number => Math.round(x * 10 ** decimals) / 10 ** decimals;

/** All panes of one run. */
export function runGroup(run: ReportInput, runCount: number): Group {
  const { series, summary } = run;
  const parts = cumulativeParts(series, summary.equityStartUsd);
  const values: Record<string, Float64Array> = {
    net: parts.netUsd,
    drawdown: drawdown(series.equityUsd),
    pos: series.posBase,
    mid: series.midPx,
    bid: series.bidPx,
    ask: series.askPx,
    capture: parts.captureUsd,
    market: parts.marketUsd,
    fees: parts.feesUsd,
    funding: parts.fundingUsd,
    half: series.halfSpreadBps,
    liquidity: series.staticBps,
    inventory: series.inventoryBps,
    adverse: series.adverseBps,
    fee: series.feeBps,
    floor: series.floorBps,
    skew: series.skewBps,
    rawSkew: series.rawSkewBps,
    fair: offMid(series),
    sigma: series.sigmaBps,
    kappa: series.kappaPerBps,
    gamma: series.gammaPerBps,
    arrivals: series.arrivalPerS,
    defence: series.spreadMult,
  };
  const line = (column: string, label: string, color: string, more: Partial<Line> = {}): Line => ({
    run: 0,
    column,
    label,
    color,
    ...more,
  });
  const limit = summary.positionLimit;
  const panes: Pane[] = [
    {
      title: "Net profit",
      note: "Equity less what the run began with.",
      unit: "USD",
      height: 200,
      fromZero: true,
      lines: [line("net", "net", "--c1", { kind: "area" })],
    },
    {
      title: "Drawdown",
      unit: "USD",
      height: 90,
      fromZero: true,
      lines: [line("drawdown", "below the peak", "--bad", { kind: "area" })],
    },
    {
      title: "Inventory",
      note: `Limit ${limit} ${summary.coin} either way.`,
      unit: summary.coin,
      height: 130,
      fromZero: true,
      lines: [line("pos", "position", "--c4", { kind: "step" })],
      levels: [
        { at: limit, label: "limit", isFar: true },
        { at: -limit, label: "limit", isFar: true },
      ],
    },
    {
      title: "Quotes and fills over mid",
      note: "Our best resting orders. Triangles are fills: up bought, down sold.",
      unit: "",
      height: 320,
      hasFills: true,
      lines: [
        line("ask", "our ask", "--sell", { kind: "step" }),
        line("mid", "mid", "--ink"),
        line("bid", "our bid", "--buy", { kind: "step" }),
      ],
    },
    {
      title: "Where the profit came from",
      note: "Cumulative: spread captured at the fills, the market's moves since, fees, funding; they add up to net.",
      unit: "USD",
      height: 200,
      fromZero: true,
      lines: [
        line("capture", "spread captured", "--c3"),
        line("market", "market moves", "--c2"),
        line("fees", "fees", "--c5"),
        line("funding", "funding", "--c7"),
        line("net", "net", "--ink", { isDashed: true }),
      ],
    },
    {
      title: "Half-spread and its terms",
      unit: "bps",
      height: 180,
      fromZero: true,
      lines: [
        line("half", "half-spread", "--ink"),
        line("liquidity", "liquidity", "--c1"),
        line("inventory", "inventory risk", "--c4"),
        line("adverse", "adverse selection", "--c2"),
        line("fee", "fee", "--c5"),
        line("floor", "floor", "--c6", { isDashed: true }),
      ],
    },
    {
      title: "Skew and fair price",
      note: "Skew lowers both sides when positive. Fair price as its distance from the mid.",
      unit: "bps",
      height: 130,
      fromZero: true,
      lines: [
        line("skew", "skew", "--c4"),
        line("rawSkew", "before its cap", "--c6", { isDashed: true }),
        line("fair", "fair − mid", "--c7"),
      ],
    },
    {
      title: "Volatility (sigma)",
      unit: "bps/√s",
      height: 100,
      fromZero: true,
      lines: [line("sigma", "sigma", "--c2")],
    },
    {
      title: "Liquidity and risk aversion",
      unit: "per bp",
      height: 100,
      fromZero: true,
      lines: [line("kappa", "kappa", "--c1"), line("gamma", "gamma", "--c4")],
    },
    {
      title: "Arrivals and defence",
      note: "Arrivals per second a side, and the factor on the spread.",
      unit: "",
      height: 100,
      fromZero: true,
      lines: [line("arrivals", "arrivals /s", "--c3"), line("defence", "defence ×", "--bad")],
    },
  ];
  const o = { rows: rowsFor(runCount), isElapsed: false, fills: Math.floor(FILLS_MAX / runCount) };
  return { runs: [groupRun(run, values, o)], values: [values], panes };
}

/** Net profit, drawdown and inventory of several runs over each other. */
export function comparisonGroup(runs: readonly ReportInput[], isElapsed: boolean): Group {
  const values = runs.map(({ series, summary }) => ({
    net: series.equityUsd.map((e) => e - summary.equityStartUsd),
    drawdown: drawdown(series.equityUsd),
    posUsd: series.posBase.map((p, i) => p * series.midPx[i]!),
  }));
  const lines = (column: string, kind: "line" | "step" = "line"): Line[] =>
    runs.map((run, i) => ({
      run: i,
      column,
      kind,
      label: run.name,
      color: COLORS[i % COLORS.length]!,
      isDashed: i >= COLORS.length,
    }));
  const o = { rows: Math.floor(rowsFor(runs.length) / 2), isElapsed, fills: 0 };
  return {
    values,
    runs: runs.map((run, i) => groupRun(run, values[i]!, o)),
    panes: [
      { title: "Net profit", unit: "USD", height: 240, fromZero: true, lines: lines("net") },
      { title: "Drawdown", unit: "USD", height: 120, fromZero: true, lines: lines("drawdown") },
      {
        title: "Inventory at the mid",
        unit: "USD",
        height: 140,
        fromZero: true,
        lines: lines("posUsd", "step"),
      },
    ],
  };
}

function offMid({ fairPx, midPx }: BacktestSeries): Float64Array {
  return fairPx.map((fair, i) => ((fair - midPx[i]!) / midPx[i]!) * 1e4);
}
