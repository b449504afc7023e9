/** Entry of the worker threads that evaluate (piscina calls the default export). */
import { type EvaluationTask, evaluate, type Outcome } from "./evaluation.js";

export default (task: EvaluationTask): Promise<Outcome> => evaluate(task);
