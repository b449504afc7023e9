/**
 * The whole path in the built program: the simulated exchange in its own process, the market maker in another with all its
 * threads, real sockets, real signatures. Figures are the program's own stage histograms, read from its summary.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packageRoot } from "../src/engine/artifacts.js";
import { frameToSocket } from "./frame-to-socket.js";
import type { BenchContext, BenchResult, BenchSuite } from "./harness.js";

type Wait = "spin" | "hybrid" | "sleep";
interface Figures {
  p50: number;
  p99: number;
  p999: number;
  max: number;
  count: number;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** `--max-bps-diff 0` turns every change of the ladder into an order change, so that there is much to measure. */
async function measure(wait: Wait, seconds: number, ctx: BenchContext): Promise<Record<string, Figures>> {
  const dir = mkdtempSync(join(tmpdir(), "mm-bench-"));
  try {
    const summary = join(dir, "summary.json");
    const args = ["run", "--network", "localhost", "--port", String(await freePort()), "--wait", wait];
    args.push(
      "--duration",
      String(seconds),
      "--max-bps-diff",
      "0",
      "--seed",
      String(ctx.seed),
      "--metrics-port",
      "0",
    );
    args.push("--data-dir", dir, "--summary", summary, "--log-level", "error", "--speed", "4");
    execFileSync(process.execPath, [join(packageRoot(), "dist/src/cli/main.js"), ...args], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    return (JSON.parse(readFileSync(summary, "utf8")) as { latencyUs: Record<string, Figures> }).latencyUs;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

export const suite: BenchSuite = {
  name: "path",
  async run(ctx) {
    const results: BenchResult[] = await frameToSocket(ctx);
    const modes: readonly Wait[] = ctx.isSmoke ? ["hybrid"] : ["hybrid", "spin", "sleep"];
    for (const wait of modes) {
      const latency = await measure(wait, ctx.isSmoke ? 8 : 30, ctx);
      for (const [stage, f] of Object.entries(latency)) {
        results.push({
          name: `program.${stage}.${wait}`,
          unit: "us",
          ...f,
          note: `whole program, --wait ${wait}`,
        });
      }
    }
    return results;
  },
};
