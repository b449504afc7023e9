import { Command } from "commander";

interface ReportFlags {
  out: string;
  name?: string[];
}

/** `market-maker report`: runs that `backtest --save` kept, as one HTML file. */
export function reportCommand(): Command {
  return new Command("report")
    .description("make an HTML report of saved runs; several are compared side by side")
    .argument("<run...>", "files that market-maker backtest --save wrote (.json or .json.gz)")
    .option("-o, --out <file>", "where to write the report", "report.html")
    .option(
      "--name <name...>",
      "what to call the runs, in their order (default: the names they were saved with)",
    )
    .action(async (paths: string[], flags: ReportFlags) => {
      const { loadRun, writeReport } = await import("../backtest/report/index.js");
      const names = flags.name ?? [];
      if (names.length > paths.length)
        throw new Error(
          `--name gives ${names.length} names for ${paths.length} runs: give one a run at most`,
        );
      const runs = paths.map((path, i) => {
        const run = loadRun(path);
        return { ...run, name: names[i] ?? run.name };
      });
      writeReport(flags.out, runs);
      process.stdout.write(`${flags.out}: ${runs.map((r) => r.name).join(", ")}\n`);
    });
}
