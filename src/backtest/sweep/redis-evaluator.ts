import type { Job, Queue, QueueEvents } from "bullmq";
import type { Redis } from "ioredis";
import type { Timers } from "../../domain/index.js";
import type { CodeIdentity } from "./code-identity.js";
import type { EvaluationSpec, Evaluator, Outcome } from "./evaluation.js";
import { connectRedis, redisNowMs } from "./redis-client.js";
import {
  ANNOUNCE_EVERY_MS,
  ANNOUNCED_FOR_MS,
  type Announcement,
  type JobData,
  type JobResult,
  queueName,
  redisHost,
  SWEEPS_KEY,
  SweepQueueError,
} from "./redis-names.js";

export interface RedisEvaluatorOptions {
  readonly url: string;
  readonly code: CodeIdentity;
  readonly timers: Timers;
  /** Of this sweep among others, for its announcement. */
  readonly name: string;
  /** No worker is connected, or the first one came. */
  readonly onWorkers?: (count: number) => void;
}

/** Events may be missed while a connection is made again: what is open is looked at so often besides. */
const LOOK_EVERY_MS = 2_000;
const KEEP_DONE_S = 86_400;
const ATTEMPTS = 3;

interface Open {
  readonly data: JobData;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: Error) => void;
  readonly promise: Promise<Outcome>;
}

/**
 * Evaluations by workers on any machine, over a queue in Redis (BullMQ).
 *
 * A job's name is its key: the same evaluation is one job, whoever asks and however often, and a sweep that was killed finds what
 * was finished meanwhile. A job holds digests of tapes and a configuration without its network section: no tape and no secret
 * enters Redis. Thread: main.
 */
export class RedisEvaluator implements Evaluator {
  private readonly open = new Map<string, Open>();
  private readonly stops: (() => void)[] = [];
  private isClosed = false;

  private constructor(
    private readonly o: RedisEvaluatorOptions,
    private readonly client: Redis,
    private readonly queue: Queue<JobData, string>,
    private readonly events: QueueEvents,
  ) {}

  /** @throws {SweepQueueError} `bad_url`, `no_redis`. */
  static async connect(o: RedisEvaluatorOptions): Promise<RedisEvaluator> {
    const client = await connectRedis(o.url);
    const { Queue, QueueEvents } = await import("bullmq");
    const queue = new Queue<JobData, string>(queueName(o.code), { connection: client });
    const events = new QueueEvents(queueName(o.code), { connection: client.duplicate() });
    // The clients connect again by themselves.
    queue.on("error", () => {});
    events.on("error", () => {});
    await events.waitUntilReady();
    const made = new RedisEvaluator(o, client, queue, events);
    await made.begin();
    return made;
  }

  private async begin(): Promise<void> {
    const { timers } = this.o;
    this.events.on("completed", ({ jobId, returnvalue }) => this.onDone(jobId, returnvalue));
    this.events.on("failed", ({ jobId, failedReason }) => this.onFailed(jobId, failedReason));
    await this.announce();
    const quietly = (work: () => Promise<void>) => (): void => {
      // Redis out of reach: the next time does it.
      work().catch(() => {});
    };
    this.stops.push(
      timers.every(
        ANNOUNCE_EVERY_MS,
        quietly(() => this.announce()),
      ),
      timers.every(
        LOOK_EVERY_MS,
        quietly(() => this.look()),
      ),
    );
  }

  evaluate(spec: EvaluationSpec, key: string): Promise<Outcome> {
    const known = this.open.get(key);
    if (known !== undefined) return known.promise;
    let settle!: Pick<Open, "resolve" | "reject">;
    const promise = new Promise<Outcome>((resolve, reject) => {
      settle = { resolve, reject };
    });
    const data = { key, spec };
    this.open.set(key, { data, promise, ...settle });
    this.enqueue(data).catch((cause: unknown) => {
      this.open.delete(key);
      settle.reject(cause as Error);
    });
    return promise;
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const stop of this.stops) stop();
    await this.client.hdel(SWEEPS_KEY, this.o.name).catch(() => {});
    await this.events.close();
    await this.queue.close();
    this.client.disconnect();
  }

  private async enqueue(data: JobData): Promise<void> {
    const { key } = data;
    const job = await this.queue.getJob(key);
    if (job !== undefined) {
      if (await this.take(job)) return;
      // An earlier sweep's failure is no verdict on this one.
      if (await job.isFailed()) await job.remove();
    }
    await this.queue.add("evaluate", data, {
      jobId: key,
      attempts: ATTEMPTS,
      backoff: { type: "fixed", delay: 1_000 },
      removeOnComplete: { age: KEEP_DONE_S },
      removeOnFail: { age: KEEP_DONE_S },
    });
  }

  /** @returns whether it was finished. */
  private async take(job: Job<JobData, string>): Promise<boolean> {
    if (!(await job.isCompleted())) return false;
    const fresh = (await this.queue.getJob(job.id!)) ?? job;
    this.onDone(job.id!, fresh.returnvalue);
    return true;
  }

  private onDone(key: string, value: string): void {
    const open = this.open.get(key);
    if (open === undefined) return;
    this.open.delete(key);
    const result = JSON.parse(value) as JobResult;
    if (result.key === key) open.resolve(result.outcome);
    else open.reject(failed(`a worker answered ${key.slice(0, 12)} with ${result.key.slice(0, 12)}`));
  }

  private onFailed(key: string, reason: string): void {
    const open = this.open.get(key);
    this.open.delete(key);
    open?.reject(failed(`a worker could not evaluate: ${reason}`));
  }

  private async look(): Promise<void> {
    for (const [key, { data }] of [...this.open]) {
      if (this.isClosed) return;
      const job = await this.queue.getJob(key);
      // Redis has lost it (no persistence, or emptied by hand): it is asked for again.
      if (job === undefined) await this.enqueue(data);
      else if (!(await this.take(job)) && (await job.isFailed())) this.onFailed(key, job.failedReason);
    }
  }

  private async announce(): Promise<void> {
    const { client, o } = this;
    const announcement: Announcement = {
      code: o.code,
      untilMs: (await redisNowMs(client)) + ANNOUNCED_FOR_MS,
    };
    await client.hset(SWEEPS_KEY, o.name, JSON.stringify(announcement));
    o.onWorkers?.(await this.queue.getWorkersCount());
  }

  /** For messages. */
  get host(): string {
    return redisHost(this.o.url);
  }
}

const failed = (message: string): SweepQueueError => new SweepQueueError("evaluation_failed", message);
