/**
 * backtest/sweep: many backtests that search for parameters, and what their figures are worth on unseen time.
 *
 * Entry points: `runSweep` (search, judgement), `EvaluationPool` (threads here), `RedisEvaluator` and `serveEvaluations` (other
 * machines), `ResultsFile` (what a restart continues from). Invariants: a search sees training time only; an outcome follows
 * from its specification alone and is computed once; nothing secret leaves the process.
 */
export { type CodeIdentity, codeIdentity, describeCode } from "./code-identity.js";
export { type EvaluationSpec, type Evaluator, evaluate, keyOf, type Outcome } from "./evaluation.js";
export { type FoldPlan, planFolds } from "./folds.js";
export { parseConstraint, parseObjective } from "./metrics.js";
export { toHtml } from "./plot.js";
export { EvaluationPool } from "./pool.js";
export { RedisEvaluator } from "./redis-evaluator.js";
export { redisHost, SweepQueueError } from "./redis-names.js";
export { type RunningWorker, serveEvaluations, type WorkerEvent } from "./redis-worker.js";
export { ResultsFile } from "./results-file.js";
export { runSweep, type SweepOptions, type SweepProgress, type SweepResult } from "./run-sweep.js";
export type { SearchKind } from "./search.js";
export { asToml, checkSpace, type Param, parseParam, readSpace } from "./space.js";
export { reportOf, type SweepReport, toCsv, toJson, toTable } from "./sweep-report.js";
export { digestOf, spanOf, TapeLibrary } from "./tape-library.js";
