import { Worker } from "node:worker_threads";
import type { Clock, Timers } from "../domain/index.js";
import { Doorbell, Heartbeats, KillLatch, KillReason } from "../rings/index.js";

/** Semi-spaces of a worker together (the default lets them grow to 48 MiB), and the size at which it is out of memory. */
const YOUNG_GENERATION_MIB = 6;
const OLD_GENERATION_MIB = 256;

/** A thread that started, as the supervisor holds it. */
interface Supervised {
  readonly name: string;
  readonly heartbeatIndex: number;
  readonly worker: Worker;
  /** A death of one that quoting depends on trips the latch; the gateway's only raises an alert. */
  readonly isVital: boolean;
  readonly exited: Promise<void>;
  isStopping: boolean;
  isDead: boolean;
}

export interface SupervisorOptions {
  readonly latch: SharedArrayBuffer;
  readonly heartbeats: SharedArrayBuffer;
  readonly mainDoorbell: SharedArrayBuffer;
  readonly clock: Clock;
  readonly timers: Timers;
  /** No heartbeat for this long counts as dead; generous, because a laptop may be suspended or starved. */
  readonly deadAfterMs: number;
  readonly onDeath: (thread: string, reason: string, isVital: boolean) => void;
}

/**
 * Starts threads, watches their heartbeats and ends them by message.
 *
 * A vital thread that dies or hangs trips the kill latch: the executor then cancels everything. Threads are never ended from outside:
 * a worker with an open uWebSockets.js app would take the whole process down with it, and our orders would stay.
 *
 * Thread: main.
 */
export class Supervisor {
  private readonly threads: Supervised[] = [];
  private readonly heartbeats: Heartbeats;
  private readonly latch: KillLatch;
  private readonly doorbell: Doorbell;
  private readonly stopWatch: () => void;

  constructor(private readonly options: SupervisorOptions) {
    this.heartbeats = new Heartbeats(options.heartbeats);
    this.latch = new KillLatch(options.latch);
    this.doorbell = new Doorbell(options.mainDoorbell);
    this.stopWatch = options.timers.every(500, () => this.watch());
  }

  /**
   * Starts a thread and waits for its first message of a given type.
   *
   * @throws {Error} When the thread ends, fails or reports `isFailure` before it is ready.
   */
  async start<Message extends { readonly type: string }>(
    name: string,
    entry: URL,
    init: object,
    thread: {
      readonly heartbeatIndex: number;
      readonly isVital: boolean;
      readonly readyType: Message["type"];
      readonly onMessage: (message: Message) => void;
    },
  ): Promise<Message> {
    // Its age counts from now, not from the engine's start: the venue may have taken seconds to answer before.
    this.heartbeats.beat(thread.heartbeatIndex, this.options.clock.monoNs());
    const worker = new Worker(entry, {
      workerData: init,
      name,
      stdout: false,
      stderr: false,
      // Hot threads allocate little: a small heap keeps their garbage in the cache and out of the resident size.
      resourceLimits: {
        maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB,
        maxOldGenerationSizeMb: OLD_GENERATION_MIB,
      },
    });
    let markExited: () => void = () => {};
    const supervised: Supervised = {
      name,
      heartbeatIndex: thread.heartbeatIndex,
      worker,
      isVital: thread.isVital,
      exited: new Promise((resolve) => {
        markExited = resolve;
      }),
      isStopping: false,
      isDead: false,
    };
    this.threads.push(supervised);
    return new Promise<Message>((resolve, reject) => {
      worker.on("message", (message: Message) => {
        thread.onMessage(message);
        if (message.type === thread.readyType) resolve(message);
        else if (message.type === "failed") reject(new ThreadError(name, message));
      });
      worker.once("error", (error: Error) => {
        this.died(supervised, error.message);
        reject(error);
      });
      worker.once("exit", (code) => {
        if (!supervised.isStopping) this.died(supervised, `exit code ${code}`);
        supervised.isDead = true;
        markExited();
        reject(new Error(`the ${name} thread ended at start (exit code ${code})`));
      });
    });
  }

  /** Tells a thread to stop and waits; false when it is still alive after `timeoutMs` (the process will end anyway). */
  async stop(name: string, timeoutMs: number, tell: (worker: Worker) => void): Promise<boolean> {
    const thread = this.threads.find((t) => t.name === name);
    if (thread === undefined || thread.isDead) return true;
    thread.isStopping = true;
    tell(thread.worker);
    return new Promise((resolve) => {
      const cancel = this.options.timers.after(timeoutMs, () => resolve(false));
      void thread.exited.then(() => {
        cancel();
        resolve(true);
      });
    });
  }

  /** Ends the watch: heartbeats no longer matter. */
  close(): void {
    this.stopWatch();
  }

  private watch(): void {
    const now = this.options.clock.monoNs();
    for (const thread of this.threads) {
      if (thread.isDead || thread.isStopping) continue;
      const ageNs = this.heartbeats.ageNs(thread.heartbeatIndex, now);
      if (ageNs > this.options.deadAfterMs * 1e6) {
        this.died(thread, `no heartbeat for ${(ageNs / 1e9).toFixed(1)} s`);
      }
    }
  }

  private died(thread: Supervised, reason: string): void {
    if (thread.isDead || thread.isStopping) return;
    thread.isDead = true;
    if (thread.isVital) {
      this.latch.trip(KillReason.DeadThread);
      this.doorbell.ring();
    }
    this.options.onDeath(thread.name, reason, thread.isVital);
  }
}

/** A thread said that it could not start; carries its own message. */
export class ThreadError extends Error {
  override readonly name = "ThreadError";
  readonly code: string;
  constructor(
    readonly thread: string,
    report: object,
  ) {
    const { code, message } = report as { code?: string; message?: string };
    super(message ?? `the ${thread} thread failed to start`);
    this.code = code ?? "failed";
  }
}
