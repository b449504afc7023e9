#!/usr/bin/env node
/** The command line: one file per command beside this one; `run` is the default command. */
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { packageRoot } from "../engine/artifacts.js";

/** A command's file is loaded when it is asked for: a run does not wait for what a sweep needs. */
interface Entry {
  readonly names: readonly string[];
  /** Of groups, whose own commands need not be known to list them. */
  readonly about?: string;
  readonly load: (about: string) => Promise<readonly Command[]>;
}

const DEFAULT_COMMAND = "run";
const ENTRIES: readonly Entry[] = [
  { names: [DEFAULT_COMMAND], load: async () => [(await import("./run.js")).runCommand()] },
  { names: ["status"], load: async () => [(await import("./status.js")).statusCommand()] },
  { names: ["sim"], load: async () => [(await import("./sim.js")).simCommand()] },
  { names: ["backtest"], load: async () => [(await import("./backtest.js")).backtestCommand()] },
  { names: ["record"], load: async () => [(await import("./record.js")).recordCommand()] },
  { names: ["report"], load: async () => [(await import("./report.js")).reportCommand()] },
  {
    names: ["tape"],
    about: "recorded markets as files: look, check, cut, join, convert, export",
    load: async (about) => [(await import("./tape.js")).tapeCommand(about)],
  },
  { names: ["sweep"], load: async () => [(await import("./sweep.js")).sweepCommand()] },
  { names: ["worker"], load: async () => [(await import("./worker.js")).workerCommand()] },
  { names: ["clear-kill"], load: async () => [(await import("./clear-kill.js")).clearKillCommand()] },
  { names: ["replay"], load: async () => [(await import("./replay.js")).replayCommand()] },
  {
    names: ["reconcile", "fit"],
    load: async () => {
      const { fitCommand, reconcileCommand } = await import("./reconcile.js");
      return [reconcileCommand(), fitCommand()];
    },
  },
  {
    names: ["key"],
    about: "encrypted keys, their address, and agents that trade for an account",
    load: async (about) => [(await import("./key.js")).keyCommand(about)],
  },
  {
    names: ["generate-config", "validate-config"],
    load: async () => (await import("./config.js")).configCommands(),
  },
];

/** What the arguments ask for; undefined: the list of all, or a word that is no command. */
function entryOf([first, second]: readonly (string | undefined)[]): Entry | undefined {
  const name = first === "help" ? second : first;
  const isOption = name === undefined ? first !== "help" : name.startsWith("-");
  if (isOption && !["-h", "--help", "-V", "--version"].includes(name ?? ""))
    return ENTRIES.find((e) => e.names.includes(DEFAULT_COMMAND));
  return ENTRIES.find((e) => e.names.includes(name ?? ""));
}

const version = (JSON.parse(readFileSync(`${packageRoot()}/package.json`, "utf8")) as { version: string })
  .version;

const program = new Command("market-maker")
  .description("Automated market maker for Hyperliquid perpetuals")
  .version(version)
  .showHelpAfterError("(market-maker --help lists the commands, market-maker run --help the options)");

const [word, ...rest] = process.argv.slice(2);
const asked = entryOf([word, ...rest]);
// The default command takes no words: one that is no command is a misspelt one.
if (asked === undefined && word !== undefined && word !== "help" && !word.startsWith("-"))
  program.error(`error: unknown command '${word}'`);
for (const entry of asked === undefined ? ENTRIES : [asked]) {
  const { about } = entry;
  const commands =
    asked === undefined && about !== undefined
      ? [new Command(entry.names[0]).description(about)]
      : await entry.load(about ?? "");
  for (const command of commands)
    program.addCommand(command, { isDefault: command.name() === DEFAULT_COMMAND });
}

program.parseAsync().catch(async (error: unknown) => {
  const isDebug = process.argv.some((a, i, all) => /^(debug|trace)$/.test(a) && all[i - 1] === "--log-level");
  const { reportError } = await import("./report-error.js");
  process.exitCode = reportError(
    error,
    isDebug || process.argv.some((a) => /^--log-level=(debug|trace)$/.test(a)),
  );
});
