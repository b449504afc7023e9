import { Piscina } from "piscina";
import { compiledUrl } from "../../engine/artifacts.js";
import type { EvaluationSpec, EvaluationTask, Evaluator, Outcome } from "./evaluation.js";

/** Evaluations in worker threads of this process. Thread: main. */
export class EvaluationPool implements Evaluator {
  private readonly pool: Piscina<EvaluationTask, Outcome>;

  /** @param pathsOf Where the tapes of a specification lie here. @throws {Error} When the program was not built. */
  constructor(
    threads: number,
    private readonly pathsOf: (spec: EvaluationSpec) => readonly string[],
  ) {
    this.pool = new Piscina({
      filename: compiledUrl("backtest/sweep/evaluate-worker.js").href,
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: 1,
    });
  }

  evaluate(spec: EvaluationSpec): Promise<Outcome> {
    return this.pool.run({ spec, paths: this.pathsOf(spec) });
  }

  async close(): Promise<void> {
    await this.pool.destroy();
  }
}
