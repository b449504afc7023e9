import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..", "..");
const MAIN = join(ROOT, "dist", "src", "cli", "main.js");
export const SHARED_DATA = join(ROOT, "..", "shared", "data");
export const hasSharedData = existsSync(SHARED_DATA);

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
}

/** The built program as a user runs it. */
export class Program {
  out = "";
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  private readonly watchers = new Set<() => void>();

  constructor(
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
    options: { readonly cwd?: string; readonly input?: string } = {},
  ) {
    if (!existsSync(MAIN)) throw new Error(`${MAIN} is missing: npm run build`);
    this.child = spawn(process.execPath, [MAIN, ...args], {
      cwd: options.cwd ?? mkdtempSync(join(tmpdir(), "mm-cwd-")),
      env: { ...process.env, HYPERLIQUID_PRIVATE_KEY: "", ...env },
      stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    });
    this.child.stdin?.end(options.input);
    const onData = (chunk: Buffer): void => {
      this.out += chunk.toString();
      for (const watch of this.watchers) watch();
    };
    this.child.stdout!.on("data", onData);
    this.child.stderr!.on("data", onData);
    this.finished = new Promise((resolve) => {
      this.child.once("close", (code, signal) => {
        resolve({ code, signal, out: this.out });
        for (const watch of this.watchers) watch();
      });
    });
  }

  /** Resolves when the output matches; rejects with the output when the program ends first. */
  seen(pattern: RegExp): Promise<void> {
    return new Promise((resolve, reject) => {
      const watch = (): void => {
        if (pattern.test(this.out)) done(resolve);
        else if (this.child.exitCode !== null)
          done(() => reject(new Error(`ended before ${pattern}:\n${this.out}`)));
      };
      const done = (settle: () => void): void => {
        this.watchers.delete(watch);
        settle();
      };
      this.watchers.add(watch);
      watch();
    });
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

export interface Workspace {
  readonly dir: string;
  readonly port: number;
  readonly summaryPath: string;
  summary(): Record<string, unknown>;
  /** Arguments of a quick run: tight quotes, so that something happens. */
  args(...more: string[]): string[];
}

export async function workspace(): Promise<Workspace> {
  const dir = mkdtempSync(join(tmpdir(), "mm-e2e-"));
  const port = await freePort();
  const summaryPath = join(dir, "summary.json");
  return {
    dir,
    port,
    summaryPath,
    summary: () => JSON.parse(readFileSync(summaryPath, "utf8")) as Record<string, unknown>,
    args: (...more) => [
      ...["run", "--network", "localhost", "--port", String(port), "--metrics-port", "0"],
      ...["--data-dir", join(dir, "data"), "--summary", summaryPath, "--log-format", "json", ...more],
    ],
  };
}
