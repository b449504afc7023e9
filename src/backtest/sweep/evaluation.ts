/**
 * One evaluation: a configuration on one part of a tape. What decides its outcome is plain JSON, and its hash is its name.
 */
import { createHash } from "node:crypto";
import { type Config, ConfigError } from "../../config/index.js";
import { SizingError } from "../../engine/sizing.js";
import type { QueueModelSpec } from "../../sim/index.js";
import type { LatencySpec } from "../latency.js";
import { type FeesBps, runBacktest } from "../run.js";
import { type Metrics, metricsOf } from "./metrics.js";
import { type Params, withParams } from "./space.js";

export interface TapeDigest {
  readonly sha256: string;
  readonly bytes: number;
}

/** Everything that decides an outcome, and nothing else: no paths, no secrets. */
export interface EvaluationSpec {
  /** Digest of the code, see `CodeIdentity`. */
  readonly code: string;
  readonly tapes: readonly TapeDigest[];
  readonly coin: string | null;
  /** Without network, logging and monitoring. */
  readonly config: Omit<Config, "network" | "logging" | "monitoring">;
  readonly params: Params;
  readonly fees: FeesBps;
  readonly latency: LatencySpec;
  readonly queue: QueueModelSpec;
  readonly equityUsd: number;
  readonly seed: number;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface EvaluationTask {
  readonly spec: EvaluationSpec;
  /** Where the tapes lie on this machine, in the order of the digests. */
  readonly paths: readonly string[];
}

export type Outcome =
  | { readonly ok: true; readonly metrics: Metrics }
  /** These values cannot trade this market: they would fail again. */
  | { readonly ok: false; readonly error: string };

/** Runs evaluations somewhere: threads here, machines elsewhere. */
export interface Evaluator {
  /** @throws {Error} When it could not be run; what fails because of its own values is an outcome. */
  evaluate(spec: EvaluationSpec, key: string): Promise<Outcome>;
  close(): Promise<void>;
}

/** sha256 of the specification, keys in order. */
export const keyOf = (spec: EvaluationSpec): string =>
  createHash("sha256").update(canonical(spec)).digest("hex");

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const entries = Object.entries(value).filter(([, v]) => v !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([k, v]) => `${JSON.stringify(k)}:${canonical(v)}`).join(",")}}`;
}

/** The sections of a configuration that decide something in a backtest. */
export function decidingConfig(config: Config): EvaluationSpec["config"] {
  const { network: _network, logging: _logging, monitoring: _monitoring, ...rest } = config;
  return rest;
}

/** @throws {Error} What is not the values' fault: unreadable tapes, no memory. Thread: any. */
export async function evaluate({ spec, paths }: EvaluationTask): Promise<Outcome> {
  try {
    const result = await runBacktest({
      tapes: paths,
      ...(spec.coin === null ? {} : { coin: spec.coin }),
      config: withParams(spec.config as Config, spec.params),
      fees: spec.fees,
      fromMs: spec.fromMs,
      toMs: spec.toMs,
      seed: spec.seed,
      queue: spec.queue,
      latency: spec.latency,
      equityUsd: spec.equityUsd,
    });
    return { ok: true, metrics: metricsOf(result) };
  } catch (error) {
    if (error instanceof SizingError || error instanceof ConfigError)
      return { ok: false, error: error.message };
    throw error;
  }
}
