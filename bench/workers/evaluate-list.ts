/**
 * A worker thread that does what it is told at once, without a queue or a pool: the most that a second thread can add on this
 * machine is what two of these show.
 */
import { parentPort } from "node:worker_threads";
import { type EvaluationTask, evaluate } from "../../src/backtest/sweep/evaluation.js";

export type ListJob =
  | { readonly kind: "evaluate"; readonly tasks: readonly EvaluationTask[] }
  /** Nothing but registers: two of these share no memory and allocate nothing. */
  | { readonly kind: "spin"; readonly steps: number };

const port = parentPort!;

function spin(steps: number): number {
  let x = 123_456_789;
  for (let i = 0; i < steps; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
  }
  return x;
}

port.on("message", async (job: ListJob) => {
  let sum = 0;
  if (job.kind === "spin") sum = spin(job.steps);
  else for (const task of job.tasks) sum += (await evaluate(task)).ok ? 1 : 0;
  port.postMessage(sum);
});
