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
export { EvaluationPool } from "./pool.js";
export { ResultsFile } from "./results-file.js";
export { runSweep, type SweepOptions, type SweepProgress, type SweepResult } from "./run-sweep.js";
export type { SearchKind } from "./search.js";
export { checkSpace, type Param, parseParam, readSpace } from "./space.js";
export { digestOf, spanOf, TapeLibrary } from "./tape-library.js";
