/**
 * `npm run bench [-- --json FILE] [--smoke] [--only SUBSTRING] [--seed N]`: every suite, one table, optionally one JSON file.
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { arch, cpus, platform, release, totalmem } from "node:os";
import { parseArgs } from "node:util";
import type { BenchResult, BenchSuite } from "./harness.js";

const { values } = parseArgs({
  options: {
    json: { type: "string" },
    smoke: { type: "boolean", default: false },
    only: { type: "string" },
    seed: { type: "string", default: "1" },
  },
});

const SUITES: Record<string, () => Promise<{ suite: BenchSuite }>> = {
  decode: () => import("./decode.js"),
  rings: () => import("./rings.js"),
  kernels: () => import("./kernels.js"),
  sign: () => import("./sign.js"),
  execution: () => import("./execution.js"),
  sim: () => import("./sim.js"),
  store: () => import("./store.js"),
  backtest: () => import("./backtest.js"),
  sweep: () => import("./sweep.js"),
  path: () => import("./path.js"),
};

function commit(): string {
  try {
    return execFileSync("git", ["rev-parse", "--short=12", "HEAD"], { stdio: ["ignore", "pipe", "ignore"] })
      .toString()
      .trim();
  } catch {
    return "unknown"; // an unpacked archive has no history
  }
}

const host = {
  cpu: cpus()[0]?.model ?? "unknown",
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  os: `${platform()} ${release()} ${arch()}`,
  node: process.version,
};

const show = (n: number): string =>
  Number.isFinite(n) ? n.toPrecision(4).replace(/e\+?(\d+)$/, "e$1") : "-";
const columns = [34, 5, 10, 10, 10, 11, 9, 9];
const row = (cells: string[]): string =>
  cells.map((c, i) => (i === 0 ? c.padEnd(columns[0]!) : c.padStart(columns[i]!))).join(" ");

process.stdout.write(`${host.cpu}, ${host.cores} cores, ${host.os}, node ${host.node}, commit ${commit()}\n`);
process.stdout.write(
  `${row(["benchmark", "unit", "p50", "p99", "p99.9", "max", "count", "budget"])}  note\n`,
);

const results: BenchResult[] = [];
for (const [name, load] of Object.entries(SUITES)) {
  if (values.only !== undefined && !name.includes(values.only)) continue;
  const { suite } = await load();
  for (const r of await suite.run({ isSmoke: values.smoke, seed: Number(values.seed) })) {
    results.push(r);
    const budget = r.budgetP50 === undefined ? "" : show(r.budgetP50);
    process.stdout.write(
      `${row([r.name, r.unit, show(r.p50), show(r.p99), show(r.p999), show(r.max), String(r.count), budget])}  ${r.note ?? ""}\n`,
    );
  }
}

if (values.json !== undefined) {
  const benchmarks = results.map(({ name, unit, p50, p99, p999, max, count }) => ({
    name,
    unit,
    p50,
    p99,
    p999,
    max,
    count,
  }));
  writeFileSync(values.json, `${JSON.stringify({ host, commit: commit(), benchmarks }, null, 2)}\n`);
  process.stdout.write(`wrote ${values.json}\n`);
}
process.exit(0);
