/** A small run made by hand: five minutes, a price that swings, some fills. No engine in it. */
import { DEFAULT_LATENCY } from "../../src/backtest/latency.js";
import type { ReportInput } from "../../src/backtest/report/index.js";
import { type FillRow, SERIES_COLUMNS, SeriesRecorder } from "../../src/backtest/series.js";
import type { BacktestSummary } from "../../src/backtest/summary.js";

export interface MadeRun {
  readonly name?: string;
  readonly seconds?: number;
  readonly fills?: number;
  readonly coin?: string;
  readonly makerBps?: number;
  readonly killReason?: string;
}

const RATE_PER_S = 2;

export function runOf(o: MadeRun = {}): ReportInput {
  const { seconds = 300, fills: fillCount = 40, coin = "BTC", makerBps = 1.5 } = o;
  const recorder = new SeriesRecorder(1000 / RATE_PER_S);
  const mid = (tMs: number): number => 60_000 + 40 * Math.sin(tMs / 20_000) + tMs / 10_000;
  let position = 0;
  let cash = 0;
  let fees = 0;
  let made = 0;
  const rows = seconds * RATE_PER_S;
  for (let i = 0; i <= rows; i++) {
    const tMs = (i * 1000) / RATE_PER_S;
    const midPx = mid(tMs);
    recorder.onMid(tMs, midPx);
    if (made < fillCount && i >= ((made + 1) * rows) / (fillCount + 1)) {
      const side = made % 2 === 0 ? "B" : "A";
      const way = side === "B" ? 1 : -1;
      const px = midPx * (1 - way * 0.0006);
      const sz = 0.01;
      const oid = made++;
      recorder.onOrder(tMs - 1500, { oid, side, px, origSz: sz, sz, status: "open" }, midPx);
      recorder.onOrder(tMs, { oid, side, px, origSz: sz, sz: 0, status: "filled" }, midPx);
      const feeUsd = (px * sz * makerBps) / 1e4;
      recorder.addFill({ tMs, side, px, sz, feeUsd, isMaker: true, midPx, captureBps: 6, oid });
      recorder.forgetFinished();
      position += way * sz;
      cash -= way * sz * px;
      fees += feeUsd;
    }
    const row = Object.fromEntries(
      SERIES_COLUMNS.filter((name) => name !== "tMs").map((name) => [name, 1]),
    ) as unknown as Record<Exclude<(typeof SERIES_COLUMNS)[number], "tMs">, number>;
    recorder.sample(tMs, () => ({
      ...row,
      midPx,
      fairPx: midPx,
      equityUsd: 100_000 + cash + position * midPx - fees,
      posBase: position,
      bidPx: i < 10 ? Number.NaN : midPx - 36,
      askPx: i < 10 ? Number.NaN : midPx + 36,
      halfSpreadBps: 6,
      skewBps: position * 10,
      sigmaBps: 0.6 + 0.1 * Math.sin(i / 30),
      feesUsd: fees,
      fundingUsd: 0,
    }));
  }
  const series = recorder.finish();
  return {
    name: o.name ?? "made by hand",
    series,
    badges: [],
    summary: summaryOf(series.fills, series.equityUsd.at(-1)!, { ...o, seconds, coin, makerBps }),
  };
}

function summaryOf(
  fills: readonly FillRow[],
  equityEndUsd: number,
  o: MadeRun & { seconds: number; coin: string; makerBps: number },
): BacktestSummary {
  const feesUsd = fills.reduce((a, f) => a + f.feeUsd, 0);
  const spreadCaptureUsd = fills.reduce((a, f) => a + (f.captureBps / 1e4) * f.midPx * f.sz, 0);
  const netPnlUsd = equityEndUsd - 100_000;
  return {
    tapes: ["/data/made.mmt"],
    coin: o.coin,
    from: "2024-08-08T23:54:15.030Z",
    to: new Date(Date.parse("2024-08-08T23:54:15.030Z") + o.seconds * 1000).toISOString(),
    durationS: o.seconds,
    seed: 1,
    queueModel: { kind: "risk-averse" },
    latency: DEFAULT_LATENCY,
    fees: { makerBps: o.makerBps, takerBps: 4.5 },
    strategy: "ladder",
    events: 100_000,
    levelUpdates: 0,
    eventsPerSecond: 1_000_000,
    tapeRecords: 4_000,
    tapeRecordsPerSecond: 2_000_000,
    wallMs: 100,
    quotes: 500,
    ordersPlaced: 200,
    ordersModified: 50,
    ordersCancelled: 100,
    ordersRejected: 1,
    fills: fills.length,
    makerFills: fills.length,
    volumeUsd: fills.reduce((a, f) => a + f.px * f.sz, 0),
    position: 0,
    maxAbsPosition: 0.01,
    positionLimit: 0.08,
    realizedPnlUsd: netPnlUsd,
    unrealizedPnlUsd: 0,
    feesUsd,
    fundingUsd: 0,
    netPnlUsd,
    equityStartUsd: 100_000,
    equityEndUsd,
    spreadCaptureUsd,
    marketMoveUsd: netPnlUsd + feesUsd - spreadCaptureUsd,
    markoutBps: { "0.1s": 0, "1s": 0, "10s": 0, "60s": 0 },
    captureBps: fills.length === 0 ? null : 6,
    maxDrawdownUsd: 0,
    stopReason: o.killReason === undefined ? "end of tape" : "kill switch",
    killReason: o.killReason ?? null,
    restingOrdersAtExit: 0,
    journalSha256: "ab".repeat(32),
    journalRecords: 1234,
  };
}
