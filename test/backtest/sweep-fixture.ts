import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { writeTape } from "./tapes.js";

const MAIN = fileURLToPath(new URL("../../dist/src/cli/main.js", import.meta.url));

/** A folder with a tape of some minutes, for sweeps in processes of their own. */
export class SweepBench {
  readonly dir = mkdtempSync(join(tmpdir(), "mm-sweep-"));
  readonly tapes = join(this.dir, "tapes");
  readonly tape = join(this.tapes, "walk.mmt");
  private readonly children = new Set<ChildProcess>();

  constructor(seconds = 75) {
    spawnSync("mkdir", ["-p", this.tapes]);
    writeTape(this.tape, { seconds, seed: 7 });
  }

  out(name: string): string {
    return join(this.dir, name);
  }

  sweepArgs(out: string, ...more: string[]): string[] {
    return [
      "sweep",
      "--tape",
      this.tape,
      "--param",
      "trading.risk_aversion=0.05:1:log",
      "--param",
      "strategy.ladder_config.min_depth_bps=0.5,1,2,90",
      "--folds",
      "2",
      "--trials",
      "6",
      "--batch",
      "3",
      "--seed",
      "5",
      "--threads",
      "2",
      "--out",
      this.out(out),
      ...more,
    ];
  }

  start(args: readonly string[], env: Readonly<Record<string, string>> = {}): Program {
    const child = spawn(process.execPath, [MAIN, ...args], {
      cwd: this.dir,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.children.add(child);
    return new Program(child);
  }

  /** The keys of the results, in order; none before the file is there. */
  results(out: string): string[] {
    if (!existsSync(join(this.out(out), "results.jsonl"))) return [];
    return readFileSync(join(this.out(out), "results.jsonl"), "utf8")
      .split("\n")
      .filter((line) => line.startsWith('{"crc"') && line.endsWith("}}}"))
      .map((line) => (JSON.parse(line) as { row: { key: string } }).row.key);
  }

  report(out: string): unknown {
    return JSON.parse(readFileSync(join(this.out(out), "sweep.json"), "utf8"));
  }

  dispose(): void {
    for (const child of this.children) child.kill("SIGKILL");
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export class Program {
  stdout = "";
  stderr = "";
  readonly exit: Promise<number | null>;
  private readonly waiting = new Set<() => void>();

  constructor(readonly child: ChildProcess) {
    const take = (to: "stdout" | "stderr") => (chunk: Buffer) => {
      this[to] += chunk.toString();
      for (const look of [...this.waiting]) look();
    };
    child.stdout!.on("data", take("stdout"));
    child.stderr!.on("data", take("stderr"));
    this.exit = new Promise((resolve) => child.once("close", (code) => resolve(code)));
  }

  /** Resolves once stderr matches; rejects when the program ends before. */
  async said(pattern: RegExp): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const look = (): void => {
        if (!pattern.test(this.stderr)) return;
        this.waiting.delete(look);
        resolve();
      };
      this.waiting.add(look);
      this.exit.then((code) => reject(new Error(`ended with ${code} before ${pattern}: ${this.stderr}`)));
      look();
    });
  }
}
