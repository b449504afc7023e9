import { type ChildProcess, fork } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Timers } from "../domain/index.js";
import { compiledUrl } from "./artifacts.js";

/** Starting or finding the simulated exchange failed; the message is one line for the user. */
export class SimulatorError extends Error {
  override readonly name = "SimulatorError";
  constructor(
    readonly code: "PortInUse" | "StartFailed" | "Timeout",
    message: string,
  ) {
    super(message);
  }
}

export interface SimulatorRequest {
  readonly port: number;
  readonly dataDir: string;
  readonly tape: string | undefined;
  readonly speed: number | "max" | undefined;
  readonly seed: number | undefined;
  readonly coins: readonly string[] | undefined;
  /** Further options of `market-maker sim`, as on a command line. */
  readonly extraArguments: readonly string[];
}

export interface RunningSimulator {
  /** False: another process serves it and it is left running. */
  readonly isOurs: boolean;
  readonly seed: number | undefined;
  /** Markets of one that we started; undefined: ask the venue. */
  readonly coins: readonly string[] | undefined;
  stop(): Promise<void>;
}

/** What the child tells its parent. */
export type SimulatorMessage =
  | {
      readonly type: "listening";
      readonly port: number;
      readonly seed: number;
      readonly coins: readonly string[];
    }
  | { readonly type: "failed"; readonly code: string; readonly message: string };

const START_TIMEOUT_MS = 60_000;

/** Asks whether a simulated exchange listens on the port: "ours", "other" program, or "free". */
export async function probePort(port: number): Promise<"simulator" | "other" | "free"> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/info`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ type: "exchangeStatus" }),
      signal: AbortSignal.timeout(3000),
    });
    const body: unknown = await response.json();
    return typeof body === "object" && body !== null && "time" in body ? "simulator" : "other";
  } catch (error) {
    return hasCode(error, "ECONNREFUSED") ? "free" : "other";
  }
}

/**
 * Uses the simulator that listens on the port, else starts one in a process group of its own (a Ctrl+C meant for us must not stop
 * the venue before our orders are off it). A started one outlives a crash of ours by a minute, so that a restart finds its leftovers.
 *
 * @param abandoned when it resolves before the simulator listens, the start is given up and its process ended
 * @throws {SimulatorError} PortInUse | StartFailed | Timeout
 */
export async function ensureSimulator(
  request: SimulatorRequest,
  timers: Timers,
  abandoned: Promise<unknown> = new Promise(() => {}),
): Promise<RunningSimulator> {
  const found = await probePort(request.port);
  if (found === "simulator")
    return { isOurs: false, seed: undefined, coins: undefined, stop: async () => {} };
  if (found === "other") {
    throw new SimulatorError(
      "PortInUse",
      `port ${request.port} is in use by something that is not the simulated exchange: stop it or choose another port with --port`,
    );
  }
  mkdirSync(request.dataDir, { recursive: true });
  const log = openSync(join(request.dataDir, "simulator.log"), "a");
  const child = fork(fileURLToPath(compiledUrl("cli/main.js")), simulatorArguments(request), {
    detached: true,
    stdio: ["ignore", log, log, "ipc"],
    execArgv: [],
    env: withoutSecrets(process.env),
  });
  closeSync(log);
  const listening = await started(child, timers, abandoned);
  return {
    isOurs: true,
    seed: listening.seed,
    coins: listening.coins,
    stop: () => stopChild(child, timers),
  };
}

/** It outlives us, and needs none of our keys. */
const withoutSecrets = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("HYPERLIQUID_")));

function simulatorArguments(r: SimulatorRequest): string[] {
  const args = ["sim", "--embedded", "--port", String(r.port)];
  if (r.tape !== undefined) args.push("--tape", r.tape);
  if (r.speed !== undefined) args.push("--speed", String(r.speed));
  if (r.seed !== undefined) args.push("--seed", String(r.seed));
  if (r.coins !== undefined) args.push("--asset", r.coins.join(","));
  return [...args, ...r.extraArguments];
}

function started(
  child: ChildProcess,
  timers: Timers,
  abandoned: Promise<unknown>,
): Promise<Extract<SimulatorMessage, { type: "listening" }>> {
  return new Promise((resolve, reject) => {
    const cancel = timers.after(START_TIMEOUT_MS, () =>
      finish(
        new SimulatorError("Timeout", "the simulated exchange did not start within 60 s: see simulator.log"),
      ),
    );
    const finish = (error: SimulatorError): void => {
      cancel();
      child.removeAllListeners();
      child.kill();
      reject(error);
    };
    let isListening = false;
    void abandoned.then(() => {
      if (!isListening) finish(new SimulatorError("StartFailed", "the start was given up"));
    });
    child.once("error", (e) =>
      finish(new SimulatorError("StartFailed", `the simulated exchange cannot start: ${e.message}`)),
    );
    child.once("exit", (code) =>
      finish(
        new SimulatorError(
          "StartFailed",
          `the simulated exchange ended at start (exit ${code}): see simulator.log`,
        ),
      ),
    );
    child.on("message", (message: SimulatorMessage) => {
      if (message.type === "failed") return finish(new SimulatorError("StartFailed", message.message));
      cancel();
      isListening = true;
      child.removeAllListeners();
      resolve(message);
    });
  });
}

function stopChild(child: ChildProcess, timers: Timers): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const cancel = timers.after(5000, () => child.kill("SIGKILL"));
    child.once("exit", () => {
      cancel();
      resolve();
    });
    if (child.connected) child.send({ type: "stop" });
    else child.kill("SIGTERM");
  });
}

function hasCode(error: unknown, code: string): boolean {
  for (let e = error; e instanceof Error; e = e.cause)
    if ((e as NodeJS.ErrnoException).code === code) return true;
  return false;
}
