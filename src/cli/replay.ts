import { readFileSync } from "node:fs";
import { Command, Option } from "commander";
import type { ReplayReport } from "../engine/replay.js";

interface ReplayFlags {
  keyFile?: string;
  json?: boolean;
}

/** `market-maker replay`: does this build send what was sent? */
export function replayCommand(): Command {
  return new Command("replay")
    .description("run a journal through this build: every byte sent and every ladder must be the same")
    .argument("<journal>", "DIR/RUNID, one of its files, or the journal folder for its newest run")
    .addOption(new Option("--key-file <path>", "the run's own key in hex: its signatures are compared too"))
    .option("--json", "the report as JSON")
    .addHelpText("after", "\nExit codes: 0 identical; 1 it diverges, or cannot be replayed.")
    .action(async (path: string, flags: ReplayFlags) => {
      const key = flags.keyFile === undefined ? undefined : keyBytes(flags.keyFile);
      const { replayJournal } = await import("../engine/replay.js");
      const { findRunJournal } = await import("../store/index.js");
      const report = await replayJournal({ journal: findRunJournal(path), key });
      process.stdout.write(
        flags.json === true ? `${JSON.stringify(report, null, 2)}\n` : `${replayText(report)}\n`,
      );
      process.exitCode = report.isIdentical ? 0 : 1;
    });
}

function keyBytes(path: string): Uint8Array {
  const hex = readFileSync(path, "utf8").trim().replace(/^0x/, "");
  if (!/^[0-9a-fA-F]{64}$/.test(hex)) throw new Error(`${path} does not hold a key of 64 hex digits`);
  return Uint8Array.from(Buffer.from(hex, "hex"));
}

/** The report for a person. */
export function replayText(r: ReplayReport): string {
  const counts = `${r.turns} turns, ${r.outbound} messages sent (${r.outboundBytes} bytes${r.isSignatureCompared ? "" : ", signatures apart"}), ${r.laddersCompared} ladders over ${r.passes} passes`;
  const lines = [`${r.runId}: ${r.isIdentical ? "identical" : "DIVERGES"} (${counts})`];
  for (const gap of r.gaps) lines.push(`not checked: ${gap}`);
  if (r.strays > 0)
    lines.push(`${r.strays} events found nobody to take them: this build asks or waits for other things`);
  const d = r.divergence;
  if (d === undefined) return lines.join("\n");
  lines.push(
    "",
    `first difference at ${new Date(d.atMs).toISOString()} (${(d.monoNs / 1e9).toFixed(6)} s after the start), in the ${d.where}`,
    `  while handling: ${d.event}`,
    `  expected: ${d.expected}`,
    `  got:      ${d.got}`,
    "  before it:",
    ...d.before.map((line) => `    ${line}`),
  );
  return lines.join("\n");
}
