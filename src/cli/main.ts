#!/usr/bin/env node
/** The command line: one file per command beside this one; `run` is the default command. */
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { packageRoot } from "../engine/artifacts.js";
import { backtestCommand } from "./backtest.js";
import { clearKillCommand } from "./clear-kill.js";
import { configCommands } from "./config.js";
import { keyCommand } from "./key.js";
import { fitCommand, reconcileCommand } from "./reconcile.js";
import { recordCommand } from "./record.js";
import { replayCommand } from "./replay.js";
import { reportCommand } from "./report.js";
import { reportError } from "./report-error.js";
import { runCommand } from "./run.js";
import { simCommand } from "./sim.js";
import { statusCommand } from "./status.js";
import { sweepCommand } from "./sweep.js";
import { tapeCommand } from "./tape.js";
import { workerCommand } from "./worker.js";

const version = (JSON.parse(readFileSync(`${packageRoot()}/package.json`, "utf8")) as { version: string })
  .version;

const program = new Command("market-maker")
  .description("Automated market maker for Hyperliquid perpetuals")
  .version(version)
  .showHelpAfterError("(market-maker --help lists the commands, market-maker run --help the options)");

program.addCommand(runCommand(), { isDefault: true });
program.addCommand(statusCommand());
program.addCommand(simCommand());
program.addCommand(backtestCommand());
program.addCommand(recordCommand());
program.addCommand(reportCommand());
program.addCommand(tapeCommand());
program.addCommand(sweepCommand());
program.addCommand(workerCommand());
program.addCommand(clearKillCommand());
program.addCommand(replayCommand());
program.addCommand(reconcileCommand());
program.addCommand(fitCommand());
program.addCommand(keyCommand());
for (const command of configCommands()) program.addCommand(command);

program.parseAsync().catch((error: unknown) => {
  const isDebug = process.argv.some((a, i, all) => /^(debug|trace)$/.test(a) && all[i - 1] === "--log-level");
  process.exitCode = reportError(
    error,
    isDebug || process.argv.some((a) => /^--log-level=(debug|trace)$/.test(a)),
  );
});
