import type { Job } from "bullmq";
import type { Redis } from "ioredis";
import type { Timers } from "../../domain/index.js";
import { type CodeIdentity, describeCode } from "./code-identity.js";
import { type Evaluator, keyOf, type TapeDigest } from "./evaluation.js";
import { connectRedis, redisNowMs } from "./redis-client.js";
import {
  ANNOUNCE_EVERY_MS,
  type Announcement,
  type JobData,
  type JobResult,
  queueName,
  redisHost,
  SWEEPS_KEY,
  SweepQueueError,
} from "./redis-names.js";
import type { TapeLibrary } from "./tape-library.js";

export interface WorkerOptions {
  readonly url: string;
  readonly code: CodeIdentity;
  readonly tapes: TapeLibrary;
  /** Where the evaluations run: not in the thread that renews the locks of the jobs. */
  readonly evaluator: (pathsOf: (sha256: string) => string) => Evaluator;
  readonly concurrency: number;
  /** A job whose worker has been silent for so long goes to another. */
  readonly lockMs: number;
  readonly timers: Timers;
  readonly wallMs: () => number;
  readonly onEvent: (event: WorkerEvent) => void;
}

export type WorkerEvent =
  | { readonly kind: "done"; readonly key: string; readonly wallMs: number }
  | { readonly kind: "failed"; readonly key: string; readonly reason: string }
  | { readonly kind: "missing-tape"; readonly sha256: string; readonly bytes: number };

export interface RunningWorker {
  /** Takes no more jobs and ends those it has. */
  close(): Promise<void>;
  /** Rejects when the sweep on this Redis is of another version. */
  readonly refused: Promise<never>;
}

/** How long a job waits for a worker that holds its tape. */
const TAPE_RETRY_MS = 500;

/**
 * Takes evaluations from the queue in Redis until closed.
 *
 * Killed at any moment, it loses nothing: its jobs' locks run out and other workers take them; a result counts once, by its key.
 * @throws {SweepQueueError} `bad_url`, `no_redis`, `version_mismatch`.
 */
export async function serveEvaluations(o: WorkerOptions): Promise<RunningWorker> {
  const client = await connectRedis(o.url);
  try {
    await checkVersion(client, o);
  } catch (error) {
    client.disconnect();
    throw error;
  }
  const { DelayedError, UnrecoverableError, Worker } = await import("bullmq");
  const paths = new Map<string, string>();
  const evaluator = o.evaluator((sha256) => paths.get(sha256)!);
  const missing = new Set<string>();

  /** The first tape that is not here. */
  const findTapes = async (tapes: readonly TapeDigest[]): Promise<TapeDigest | undefined> => {
    for (const tape of tapes) {
      const path = await o.tapes.find(tape);
      if (path === undefined) return tape;
      paths.set(tape.sha256, path);
    }
    return undefined;
  };

  const work = async (job: Job<JobData, string>, token?: string): Promise<string> => {
    const { key, spec } = job.data;
    if (spec.code !== o.code.digest || keyOf(spec) !== key)
      throw new UnrecoverableError(
        `job ${key.slice(0, 12)} is not what its name says, or of another version`,
      );
    const absent = await findTapes(spec.tapes);
    if (absent !== undefined) {
      if (!missing.has(absent.sha256)) o.onEvent({ kind: "missing-tape", ...absent });
      missing.add(absent.sha256);
      // Back into the queue, for a worker that has it, or for this one once it has.
      await job.moveToDelayed(o.wallMs() + TAPE_RETRY_MS, token);
      throw new DelayedError();
    }
    const startMs = o.wallMs();
    const outcome = await evaluator.evaluate(spec, key);
    o.onEvent({ kind: "done", key, wallMs: o.wallMs() - startMs });
    const result: JobResult = { key, outcome };
    return JSON.stringify(result);
  };

  const worker = new Worker<JobData, string>(queueName(o.code), work, {
    connection: client,
    concurrency: o.concurrency,
    lockDuration: o.lockMs,
    stalledInterval: o.lockMs,
    // A crashed machine is no fault of the job.
    maxStalledCount: 1_000,
  });
  // The client connects again by itself.
  worker.on("error", () => {});
  worker.on("failed", (job, error) =>
    o.onEvent({ kind: "failed", key: job?.id ?? "", reason: error.message }),
  );

  let refuse!: (error: unknown) => void;
  const refused = new Promise<never>((_, reject) => {
    refuse = reject;
  });
  refused.catch(() => {});
  const stop = o.timers.every(ANNOUNCE_EVERY_MS, () => {
    checkVersion(client, o).catch((error: unknown) => {
      if (error instanceof SweepQueueError) refuse(error);
    });
  });
  return {
    refused,
    close: async () => {
      stop();
      await worker.close();
      await evaluator.close();
      client.disconnect();
    },
  };
}

/** Sweeps run here, and none of them is ours: this worker would wait for ever. @throws {SweepQueueError} `version_mismatch`. */
async function checkVersion(client: Redis, o: Pick<WorkerOptions, "code" | "url">): Promise<void> {
  const nowMs = await redisNowMs(client);
  const running = Object.values(await client.hgetall(SWEEPS_KEY))
    .map((text) => JSON.parse(text) as Announcement)
    .filter((a) => a.untilMs > nowMs);
  if (running.length === 0 || running.some((a) => a.code.digest === o.code.digest)) return;
  throw new SweepQueueError(
    "version_mismatch",
    `the sweep on ${redisHost(o.url)} is of ${describeCode(running[0]!.code)}, this worker of ${describeCode(o.code)}: ` +
      "install the same build on both",
  );
}
