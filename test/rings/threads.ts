import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Workers run compiled code: builds dist/ when it is missing or older than this room's sources. */
export function ensureBuilt(): void {
  const built = `${root}dist/src/rings/index.js`;
  const sources = `${root}src/rings/`;
  const newestMs = Math.max(...readdirSync(sources).map((name) => statSync(sources + name).mtimeMs));
  if (existsSync(built) && statSync(built).mtimeMs >= newestMs) return;
  try {
    execFileSync("npx", ["tsc", "-p", "tsconfig.build.json"], { cwd: root, stdio: "pipe" });
  } catch (error) {
    // Type errors of other rooms do not stop the emit; only a missing result does.
    if (!existsSync(built)) throw error;
  }
}

export interface RunningWorker<T> {
  /** The one message that a stress worker posts; rejects when the worker fails or ends without it. */
  readonly result: Promise<T>;
}

/** Starts test/rings/workers/<name>.mjs. */
export function startWorker<T>(name: string, workerData: object): RunningWorker<T> {
  const worker = new Worker(new URL(`./workers/${name}.mjs`, import.meta.url), { workerData });
  const result = new Promise<T>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
    worker.once("exit", (code) => reject(new Error(`${name} ended with code ${code} before its result`)));
  });
  return { result };
}
