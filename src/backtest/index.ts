/**
 * backtest: the engine over recorded markets under a simulated clock (`runBacktest`), and what people look at afterwards.
 *
 * Stands above `engine`, whose pieces it assembles with a tape's seams. Invariants: same tapes, options and seed give the
 * same journal to the byte; memory does not grow with the tape; what happens to an order is decided by the simulator's
 * exchange core alone.
 */

export {
  type FittedDist,
  type FittedQueue,
  fitDelay,
  fitQueue,
  type QueueStep,
  type QueueTrace,
} from "./fit.js";
export {
  type FittedModels,
  fitRun,
  type LoadedModels,
  loadFitted,
  modelsOf,
} from "./fit-run.js";
export {
  DEFAULT_LATENCY,
  type Dist,
  type FeedDist,
  type LatencySpec,
  type OrderDist,
  ZERO_LATENCY,
} from "./latency.js";
export { type LeakTestOptions, leakTests } from "./leaks.js";
export {
  type ComparedFill,
  type FillMatch,
  type PnlGap,
  type Reconciliation,
  reconcileFills,
} from "./reconcile.js";
export { type ReconcileOptions, type RunReconciliation, reconcileRun } from "./reconcile-run.js";
export * from "./report/index.js";
export {
  type BacktestOptions,
  type BacktestResult,
  type FeesBps,
  REALISTIC_FEES,
  runBacktest,
} from "./run.js";
export { type BacktestSeries, type DepthRow, type FillRow, MARKOUT_MS, type SeriesRow } from "./series.js";
export { parseDist, parseFeed, parseOrder, parseQueue } from "./spec.js";
export type { BacktestSummary } from "./summary.js";
export { findTapes, type TapeSet } from "./tapes.js";
