/** What sweeps and workers agree on in Redis. */
import type { CodeIdentity } from "./code-identity.js";
import type { EvaluationSpec, Outcome } from "./evaluation.js";

/** Jobs of one version of the code: a worker of another never sees them. */
export const queueName = (code: CodeIdentity): string => `market-maker-sweep-${code.digest}`;

/** Hash of running sweeps: who → `Announcement`, so that a worker of another version can say what is wrong. */
export const SWEEPS_KEY = "market-maker-sweep:running";

export interface Announcement {
  readonly code: CodeIdentity;
  /** By the clock of Redis, ms since the epoch: later, the sweep is gone. */
  readonly untilMs: number;
}

export const ANNOUNCE_EVERY_MS = 5_000;
export const ANNOUNCED_FOR_MS = 20_000;

export interface JobData {
  readonly key: string;
  readonly spec: EvaluationSpec;
}

export interface JobResult {
  readonly key: string;
  readonly outcome: Outcome;
}

export class SweepQueueError extends Error {
  override readonly name = "SweepQueueError";
  constructor(
    readonly code: "bad_url" | "no_redis" | "version_mismatch" | "evaluation_failed",
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The address without user and password, for messages. @throws {SweepQueueError} `bad_url`. */
export function redisHost(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !["redis:", "rediss:"].includes(parsed.protocol) || parsed.hostname === "")
    // The text may hold a password: it is not repeated.
    throw new SweepQueueError(
      "bad_url",
      "the address of Redis is not redis://[user:password@]host[:port][/database]",
    );
  return `${parsed.protocol}//${parsed.host}${parsed.pathname === "/" ? "" : parsed.pathname}`;
}
