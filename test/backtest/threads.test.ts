import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runBacktest } from "../../src/backtest/index.js";
import { configSchema } from "../../src/config/schema.js";
import { writeTape } from "./tapes.js";

const BUILT = join(import.meta.dirname, "../../dist/src");

let dir: string;
let path: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "mm-threads-"));
  path = join(dir, "walk.mmt");
  writeTape(path, { seconds: 60, seed: 3 });
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** One backtest of the compiled program in a thread of its own. */
function inThread(): Promise<string> {
  const source = `
    const { parentPort, workerData } = require("node:worker_threads");
    Promise.all([import(workerData.backtest), import(workerData.config)])
      .then(([{ runBacktest }, { configSchema }]) =>
        runBacktest({ tapes: [workerData.path], config: configSchema.parse(workerData.toml), seed: 9 }))
      .then(({ summary }) => parentPort.postMessage(summary.journalSha256 + " " + summary.fills));`;
  const worker = new Worker(source, {
    eval: true,
    workerData: {
      backtest: pathToFileURL(join(BUILT, "backtest/index.js")).href,
      config: pathToFileURL(join(BUILT, "config/schema.js")).href,
      path,
      toml: TOML,
    },
  });
  return new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
}

const TOML = { strategy: { ladder_config: { min_depth_bps: 1 } } };

test.skipIf(!existsSync(BUILT))("three threads at once and this one write the same journal", async () => {
  const [here, ...there] = await Promise.all([
    runBacktest({ tapes: [path], config: configSchema.parse(TOML), seed: 9 }).then(
      ({ summary }) => `${summary.journalSha256} ${summary.fills}`,
    ),
    inThread(),
    inThread(),
    inThread(),
  ]);
  expect(here).not.toMatch(/ 0$/);
  expect(new Set([here, ...there]).size).toBe(1);
});
