import type { Config } from "../../config/index.js";
import { ConfigError } from "../../config/index.js";
import { Rng } from "../../domain/index.js";
import type { QueueModelSpec } from "../../sim/index.js";
import type { LatencySpec } from "../latency.js";
import type { FeesBps } from "../run.js";
import {
  decidingConfig,
  type EvaluationSpec,
  type Evaluator,
  keyOf,
  type Outcome,
  type TapeDigest,
} from "./evaluation.js";
import type { FoldPlan, Part } from "./folds.js";
import { chooseWinner, type Judged, judge } from "./judge.js";
import { type Constraint, type Metrics, type Objective, pool } from "./metrics.js";
import type { ResultsFile } from "./results-file.js";
import { makeSearch, type SearchKind } from "./search.js";
import { type Param, type Params, paramsAt, withParams } from "./space.js";
import type { Trial } from "./trial.js";

export interface SweepOptions {
  /** Digest of the code that evaluates. */
  readonly code: string;
  readonly tapes: readonly TapeDigest[];
  readonly coin: string | null;
  readonly base: Config;
  readonly space: readonly Param[];
  readonly search: SearchKind;
  /** Candidates at most, besides the unchanged configuration. */
  readonly trials: number;
  /** Candidates proposed at a time: a search learns between batches. */
  readonly batch: number;
  readonly seed: number;
  readonly fees: FeesBps;
  readonly latency: LatencySpec;
  readonly queue: QueueModelSpec;
  readonly equityUsd: number;
  readonly plan: FoldPlan;
  readonly objective: Objective;
  readonly constraints: readonly Constraint[];
  /** Share of the candidates, best in training, that compete on unseen time. */
  readonly shortlist: number;
}

export interface SweepProgress {
  readonly done: number;
  /** Known beforehand, except that a search may end early. */
  readonly planned: number;
  /** Of `done`: found in the results file. Values that cannot trade count as done without either. */
  readonly reused: number;
}

/** One set of values with what it did. Candidate 0 is the unchanged configuration. */
export interface Candidate {
  readonly id: number;
  readonly params: Params;
  /** By fold; empty when the values cannot trade at all. */
  readonly train: Metrics[];
  readonly test: Metrics[];
  error: string | undefined;
}

export interface Holdout {
  readonly winner: Metrics;
  readonly base: Metrics | undefined;
}

export interface SweepResult {
  readonly candidates: readonly Judged[];
  readonly winner: Judged | undefined;
  /** Undefined without a hold-out, or without a winner. */
  readonly holdout: Holdout | undefined;
  readonly reused: number;
  readonly evaluated: number;
}

/** Batches in a row without a new candidate, after which the space counts as searched. */
const STALE_BATCHES = 25;

/**
 * Searches, judges on unseen time, and runs the winner on the hold-out.
 *
 * The search is told the training parts' scores of a whole batch, in the order of its candidates: the same options give the
 * same candidates, scores and winner with any number of workers and any number of restarts.
 *
 * @param results Outcomes found here are not computed again; each new one is on disk before it is used.
 * @throws what the evaluator throws; finished evaluations stay in the file.
 */
export async function runSweep(
  o: SweepOptions,
  evaluator: Evaluator,
  results: ResultsFile,
  onProgress: (progress: SweepProgress) => void = () => {},
): Promise<SweepResult> {
  const run = new SweepRun(o, evaluator, results, onProgress);
  return await run.go();
}

class SweepRun {
  private readonly candidates: Candidate[] = [];
  private readonly known = new Set<string>();
  private readonly config: EvaluationSpec["config"];
  private readonly tests: Promise<void>[] = [];
  private planned: number;
  private done = 0;
  private reused = 0;
  private evaluated = 0;
  private failure: unknown;

  constructor(
    private readonly o: SweepOptions,
    private readonly evaluator: Evaluator,
    private readonly results: ResultsFile,
    private readonly onProgress: (progress: SweepProgress) => void,
  ) {
    this.config = decidingConfig(o.base);
    this.planned = 0;
  }

  async go(): Promise<SweepResult> {
    const { o } = this;
    const search = makeSearch(o.search, o.space, new Rng(o.seed).fork("search"));
    const trials = Math.min(o.trials, search.size ?? o.trials);
    const perCandidate = 2 * o.plan.folds.length;
    this.planned = (trials + 1) * perCandidate + (o.plan.holdout === undefined ? 0 : 2);
    // What does not learn needs no batches: all workers stay busy.
    const batch = o.search === "tpe" ? o.batch : trials;
    const told: Trial[] = [];
    let stale = 0;
    let base: Promise<void> | undefined = this.train(this.add({})!);
    while (told.length < trials && stale < STALE_BATCHES) {
      const points = search.propose(Math.min(batch, trials - told.length), told);
      if (points.length === 0) break;
      const fresh = points.flatMap((point) => {
        const candidate = this.add(paramsAt(o.space, point));
        return candidate === undefined ? [] : [{ point, candidate }];
      });
      stale = fresh.length === 0 ? stale + 1 : 0;
      await Promise.all([base, ...fresh.map(({ candidate }) => this.train(candidate))]);
      base = undefined;
      for (const { point, candidate } of fresh) told.push({ point, ...this.trainScore(candidate) });
    }
    await base;
    this.planned -= (trials - told.length) * perCandidate;
    await Promise.all(this.tests);
    if (this.failure !== undefined) throw this.failure;
    const candidates = judge(this.candidates, o);
    const winner = chooseWinner(candidates);
    const holdout = await this.holdout(winner);
    return {
      candidates,
      winner,
      holdout,
      reused: this.reused,
      evaluated: this.evaluated,
    };
  }

  /** @returns undefined for values that are a candidate already. */
  private add(params: Params): Candidate | undefined {
    const name = JSON.stringify(params);
    if (this.known.has(name)) return undefined;
    this.known.add(name);
    const candidate: Candidate = {
      id: this.candidates.length,
      params,
      train: [],
      test: [],
      error: undefined,
    };
    try {
      withParams(this.o.base, params);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      candidate.error = error.message;
    }
    this.candidates.push(candidate);
    return candidate;
  }

  /** The training parts; the test parts follow in the background, for the search may not wait for what it may not see. */
  private async train(candidate: Candidate): Promise<void> {
    const { folds } = this.o.plan;
    if (candidate.error !== undefined) {
      this.skip(2 * folds.length);
      return;
    }
    await this.parts(
      candidate,
      folds.map((f) => f.train),
      candidate.train,
    );
    if (candidate.error !== undefined) {
      this.skip(folds.length);
      return;
    }
    this.tests.push(
      this.parts(
        candidate,
        folds.map((f) => f.test),
        candidate.test,
      ).catch((error: unknown) => {
        this.failure ??= error;
      }),
    );
  }

  private async parts(candidate: Candidate, parts: readonly Part[], into: Metrics[]): Promise<void> {
    const outcomes = await Promise.all(parts.map((part) => this.evaluate(candidate.params, part)));
    for (const outcome of outcomes) {
      if (outcome.ok) into.push(outcome.metrics);
      else candidate.error ??= outcome.error;
    }
  }

  private async evaluate(params: Params, part: Part): Promise<Outcome> {
    // Another part has failed for good: what comes back now is thrown away anyway.
    if (this.failure !== undefined) throw this.failure;
    const { o } = this;
    const spec: EvaluationSpec = {
      code: o.code,
      tapes: o.tapes,
      coin: o.coin,
      config: this.config,
      params,
      fees: o.fees,
      latency: o.latency,
      queue: o.queue,
      equityUsd: o.equityUsd,
      seed: o.seed,
      fromMs: part.fromMs,
      toMs: part.toMs,
    };
    const key = keyOf(spec);
    let outcome = this.results.get(key);
    if (outcome === undefined) {
      outcome = await this.evaluator.evaluate(spec, key);
      this.results.add(key, spec, outcome);
      this.evaluated++;
    } else this.reused++;
    this.skip(1);
    return outcome;
  }

  private skip(count: number): void {
    this.done += count;
    this.onProgress({ done: this.done, planned: this.planned, reused: this.reused });
  }

  /** What the search is told: training time alone. */
  private trainScore(candidate: Candidate): Pick<Trial, "score" | "violation"> {
    const { objective, constraints } = this.o;
    if (candidate.error !== undefined)
      return { score: Number.NEGATIVE_INFINITY, violation: Number.POSITIVE_INFINITY };
    const all = pool(candidate.train);
    return {
      score: candidate.train.reduce((s, m) => s + objective.of(m), 0) / candidate.train.length,
      violation: constraints.reduce((s, c) => s + c.violation(all), 0),
    };
  }

  private async holdout(winner: Judged | undefined): Promise<Holdout | undefined> {
    const part = this.o.plan.holdout;
    if (part === undefined || winner === undefined) return undefined;
    const own = this.evaluate(winner.params, part);
    const [won, base] = await Promise.all([own, winner.id === 0 ? own : this.evaluate({}, part)]);
    if (!won.ok) throw new Error(`the winner cannot trade the hold-out: ${won.error}`);
    return { winner: won.metrics, base: base.ok ? base.metrics : undefined };
  }
}
