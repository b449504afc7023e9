import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Timers } from "../domain/index.js";
import type { LogFn } from "../telemetry/log.js";
import type { FromWatchdog, ToWatchdog, WatchdogInit } from "../threads/watchdog-protocol.js";
import { compiledUrl } from "./artifacts.js";

const BEAT_EVERY_MS = 500;
/** A main thread that is silent for this long does not trade either. */
const SILENCE_MS = 5_000;
const READY_WITHIN_MS = 10_000;
const LEAVE_WITHIN_MS = 2_000;

/**
 * The maker's side of its watchdog process: lends it the key, tells it that we live, and sends it home after a clean stop.
 *
 * The key goes over the process channel and never stands in an argument, the environment or a file. Without `start` no
 * process is made. Thread: main.
 */
export class Watchdog {
  private key: Buffer | undefined;
  private child: ChildProcess | undefined;
  private stopBeating: (() => void) | undefined;
  private isLeaving = false;

  constructor(
    private readonly timers: Timers,
    private readonly log: LogFn,
  ) {}

  get isRunning(): boolean {
    return this.child !== undefined;
  }

  /** Keeps a copy of the key until `start` or `forget`. */
  lend(key: Uint8Array): void {
    this.key = Buffer.from(key);
  }

  /** No watchdog will be needed. */
  forget(): void {
    this.key?.fill(0);
    this.key = undefined;
  }

  /** Starts the process; it watches when this resolves. @throws {Error} When it does not come up. */
  async start(
    init: Omit<WatchdogInit, "type" | "key" | "silenceMs" | "lastNonce">,
    lastNonce: () => number,
  ): Promise<void> {
    const { key } = this;
    if (this.child !== undefined || key === undefined) return;
    const child = fork(fileURLToPath(compiledUrl("threads/watchdog.js")), [], {
      // Its own session: a signal to our group must not reach it, nor a terminal take it along.
      detached: true,
      execArgv: [],
      env: { PATH: process.env["PATH"] ?? "" },
      serialization: "advanced",
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    this.child = child;
    try {
      await new Promise<void>((resolve, reject) => {
        const cancel = this.timers.after(READY_WITHIN_MS, () => reject(new Error("it does not answer")));
        child.once("error", reject);
        child.once("exit", (code) => reject(new Error(`it ended at start (exit ${code})`)));
        child.once("message", (message: FromWatchdog) => {
          cancel();
          if (message.type === "ready") resolve();
        });
        const whole: WatchdogInit = {
          type: "init",
          key,
          silenceMs: SILENCE_MS,
          lastNonce: lastNonce(),
          ...init,
        };
        this.send(whole);
      });
    } catch (cause) {
      this.child = undefined;
      child.kill("SIGKILL");
      throw new Error(`the watchdog cannot be started: ${(cause as Error).message}`);
    } finally {
      this.forget();
    }
    child.removeAllListeners("exit");
    child.once("exit", (code, signal) => {
      this.stopBeating?.();
      this.child = undefined;
      if (!this.isLeaving)
        this.log("error", "The watchdog ended: nobody cancels if this process dies", { code, signal });
    });
    // The process may end at any time without it; it must not keep us alive either.
    child.unref();
    child.channel?.unref();
    this.stopBeating = this.timers.every(BEAT_EVERY_MS, () =>
      this.send({ type: "beat", lastNonce: lastNonce() }),
    );
    this.log("info", "Watchdog started", { pid: child.pid });
  }

  /** Nothing rests: the watchdog ends without acting. */
  async disarm(): Promise<void> {
    this.forget();
    this.isLeaving = true;
    this.stopBeating?.();
    const { child } = this;
    if (child === undefined) return;
    await new Promise<void>((resolve) => {
      const cancel = this.timers.after(LEAVE_WITHIN_MS, () => child.kill("SIGKILL"));
      child.once("exit", () => {
        cancel();
        resolve();
      });
      this.send({ type: "disarm" });
    });
  }

  private send(message: ToWatchdog): void {
    const { child } = this;
    // A channel that just broke says so by the child's exit.
    if (child?.connected === true) child.send(message, () => {});
  }
}
