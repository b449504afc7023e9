import { existsSync, renameSync, rmSync, statSync } from "node:fs";
import { Command, InvalidArgumentError, Option } from "commander";
import {
  FILE_EXTENSION,
  findRunJournal,
  isRunJournal,
  RecordCursor,
  recvOffset,
  TapeFileReader,
} from "../store/index.js";
import {
  convertToTape,
  filesOf,
  formatNames,
  type GridChoice,
  problemNotes,
} from "../store/tape/convert/index.js";
import type { TapeInfo, VerifyReport } from "../store/tape/tools/index.js";
import { integer } from "./arguments.js";
import { type Progress, progressBar } from "./progress.js";

/** `market-maker tape`: what is done with recorded markets as files. */
export function tapeCommand(about: string): Command {
  const command = new Command("tape").description(about);
  command.addCommand(infoCommand());
  command.addCommand(verifyCommand());
  command.addCommand(cutCommand());
  command.addCommand(mergeCommand());
  command.addCommand(convertCommand());
  command.addCommand(exportCommand());
  return command;
}

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

/** Runs with a bar on a terminal, which is gone before anything else is printed. */
async function watched<T>(
  label: string,
  run: (onProgress: (share: number, records: number) => void) => T | Promise<T>,
): Promise<T> {
  const bar: Progress = progressBar(label);
  try {
    return await run((share, records) => bar.update(share, `${(records / 1e6).toFixed(2)} M records`));
  } finally {
    bar.done();
  }
}

async function tapesAt(paths: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const path of paths) {
    refuseJournal(path);
    const files = await filesOf(path);
    found.push(...(files.length === 1 ? files : files.filter((f) => f.endsWith(FILE_EXTENSION))));
  }
  return [...new Set(found)];
}

function refuseJournal(path: string): void {
  if (isRunJournal(path))
    throw new Error(
      `${path} is a run's journal: make a tape of its market with \`market-maker tape convert ${path} run${FILE_EXTENSION}\``,
    );
}

function infoCommand(): Command {
  return new Command("info")
    .description("markets, span, records by kind, gaps, clock offset, latency, size")
    .argument("<tape...>")
    .option("--json", "one JSON object a tape")
    .action(async (paths: string[], flags: { json?: boolean }) => {
      const { tapeInfo } = await import("../store/tape/tools/index.js");
      for (const path of await tapesAt(paths)) {
        const info = await watched("info", (p) => tapeInfo(path, p));
        say(flags.json === true ? JSON.stringify(info) : infoText(info));
      }
    });
}

function infoText(i: TapeInfo): string {
  const counts = Object.entries(i.byKind).map(([kind, n]) => `${kind} ${n}`);
  const markets = i.instruments.map((m) => `${m.coin} (${m.pxDecimals}/${m.szDecimals} decimals)`);
  const shown =
    markets.slice(0, 12).join(", ") + (markets.length > 12 ? `, … (${markets.length} markets)` : "");
  const ms = (x: number): string => `${x.toFixed(3)} ms`;
  const l = i.latencyMs;
  return [
    i.path,
    `  venue      ${i.venue}`,
    `  source     ${i.source}`,
    `  markets    ${shown}`,
    `  span       ${i.start ?? "empty"} .. ${i.end ?? ""} (${i.seconds.toFixed(3)} s)`,
    `  records    ${i.records}: ${counts.join(", ")}`,
    `  levels     ${i.levelUpdates} updates`,
    `  gaps       ${i.gaps}${i.gaps > 0 ? `, ${i.gapSeconds.toFixed(1)} s in all` : ""}`,
    `  clock      ${i.clockOffsetMs === null ? "no exchange stamps" : `smallest recv - exch ${ms(i.clockOffsetMs)}`}`,
    `  latency    ${l === null ? "not known" : `beyond the fastest: p50 ${ms(l.p50)}, p90 ${ms(l.p90)}, p99 ${ms(l.p99)}, p99.9 ${ms(l.p999)}, max ${ms(l.max)}`}`,
    `  size       ${i.fileBytes} bytes, ${i.ratio.toFixed(2)} times smaller than its records, ${i.blocks} blocks${i.isClosed ? "" : `, not closed (${i.tornBytes} torn bytes)`}`,
    ...(i.cut === undefined
      ? []
      : [`  cut        a piece that opens with ${i.cut.openingRecords} records of state`]),
    ...i.notes.map((note) => `  note       ${note}`),
  ].join("\n");
}

function verifyCommand(): Command {
  return new Command("verify")
    .description(
      "check every block and record: checksums, order of times, crossed books, numbers; exit code 1 on problems",
    )
    .argument("<tape...>")
    .option("--json", "one JSON object a tape")
    .action(async (paths: string[], flags: { json?: boolean }) => {
      const { verifyTape } = await import("../store/tape/tools/index.js");
      for (const path of await tapesAt(paths)) {
        const report = await watched("verify", (p) => verifyTape(path, p));
        say(flags.json === true ? JSON.stringify(report) : verifyText(report));
        if (report.problems > 0) process.exitCode = 1;
      }
    });
}

function verifyText(r: VerifyReport): string {
  if (r.problems === 0) return `${r.path}: ${r.records} records in ${r.blocks} blocks, no problem`;
  const totals = Object.entries(r.byReason).map(([why, n]) => `${why} ${n}`);
  return [`${r.path}: ${r.problems} problems: ${totals.join(", ")}`, ...r.samples.map((s) => `  ${s}`)].join(
    "\n",
  );
}

interface CutFlags {
  from?: string;
  to?: string;
  repair?: boolean;
}

function cutCommand(): Command {
  return new Command("cut")
    .description("a piece of a tape; it opens with the state at its start, so that it can be read alone")
    .argument("<tape>")
    .argument("<out>", `the new tape (${FILE_EXTENSION})`)
    .option("--from <time>", "2024-08-08T23:55:00Z, ms since the epoch, or 90s, 10m, 2h from the start")
    .option("--to <time>", "as --from; what was received at that time is left out")
    .option("--asset <coins>", "only these coins, separated by commas", list)
    .option("--repair", "leave damaged blocks out instead of refusing, each marked as a gap; not with --from")
    .action(async (input: string, out: string, flags: CutFlags & { asset?: string[] }) => {
      refuseJournal(input);
      inAndOut([input, out], "cut");
      if (flags.repair === true && flags.from !== undefined)
        throw new Error("tape cut: --repair goes from the tape's start on: repair it first, then cut --from");
      const { cutTape } = await import("../store/tape/tools/index.js");
      const reader = new TapeFileReader(input);
      const base = BigInt(reader.meta.baseWallNs);
      const startNs = startOf(reader);
      reader.close();
      const fromNs = flags.from === undefined ? undefined : timeOf(flags.from, base, startNs);
      const toNs = flags.to === undefined ? undefined : timeOf(flags.to, base, startNs);
      if (fromNs !== undefined && toNs !== undefined && fromNs >= toNs)
        throw new Error("--from is not before --to");
      const stats = await watched("cut", (onProgress) =>
        cutTape({
          input,
          out,
          onProgress,
          ...(fromNs === undefined ? {} : { fromNs }),
          ...(toNs === undefined ? {} : { toNs }),
          ...(flags.asset === undefined ? {} : { coins: flags.asset }),
          ...(flags.repair === true ? { repair: true } : {}),
        }),
      );
      say(`${out}: ${stats.records} records, ${stats.fileBytes} bytes`);
      if (flags.repair === true) sayRepairs(out);
    });
}

/** Of what the file itself has received: what it repeats of the one before it in its series is older. */
function startOf(reader: TapeFileReader): number {
  const { repeated = 0 } = reader.meta;
  const first = reader.nextBlock();
  const cursor = new RecordCursor();
  if (first !== undefined) cursor.load(first);
  for (let i = 0; i <= repeated; i++) if (!cursor.next()) return reader.span?.[0] ?? 0;
  return first!.f64[(cursor.at + recvOffset(cursor.kind)) >> 3]!;
}

function sayRepairs(path: string): void {
  const reader = new TapeFileReader(path);
  const repairs = reader.meta.notes.filter((note) => note.startsWith("repaired"));
  reader.close();
  for (const note of repairs.length > 0 ? repairs : ["nothing was damaged"]) say(`  ${note}`);
}

function mergeCommand(): Command {
  return new Command("merge")
    .description("join tapes in time order: pieces, rotated series, several markets")
    .argument("<paths...>", `the tapes, then the new one (${FILE_EXTENSION})`)
    .action(async (paths: string[]) => {
      const { mergeTapes } = await import("../store/tape/tools/index.js");
      const [inputs, out] = inAndOut(paths, "merge");
      const tapes = await tapesAt(inputs);
      const stats = await watched("merge", (onProgress) => mergeTapes({ inputs: tapes, out, onProgress }));
      say(`${out}: ${stats.records} records of ${tapes.length} tapes, ${stats.fileBytes} bytes`);
    });
}

interface ConvertFlags {
  format?: string;
  grid?: GridChoice;
  szDecimals?: number;
  asset?: string[];
  day?: string;
  repair?: boolean;
  json?: boolean;
}

function convertCommand(): Command {
  return new Command("convert")
    .description("recordings of other programs and venues, or a run's journal, to one tape (docs/tapes.md)")
    .argument(
      "<paths...>",
      `recordings: files, folders, patterns with *, or DIR/RUNID of a journal; then the new tape (${FILE_EXTENSION})`,
    )
    .option("--format <name>", `instead of recognising it: ${formatNames()}`)
    .addOption(
      new Option(
        "--grid <grid>",
        "native: the venue's own; default: hyperliquid for Binance captures of coins listed there",
      ).choices(["native", "hyperliquid"]),
    )
    .option("--sz-decimals <n>", "size decimals of coins that are not known", integer(0, 10))
    .option(
      "--asset <coins>",
      "only these coins, separated by commas; or the coin of files that do not name it",
      list,
    )
    .option("--day <date>", "trading day of stamps that count from midnight, YYYY-MM-DD")
    .option(
      "--repair",
      "mend broken times and leave out damaged ends instead of refusing; what was changed is told",
    )
    .option("--json", "the result as JSON")
    .action(async (paths: string[], flags: ConvertFlags) => {
      const [inputs, out] = inAndOut(paths, "convert");
      if (inputs.some(isRunJournal)) return await convertJournal(inputs, out, flags);
      const { asset, json, ...rest } = flags;
      const result = await watched("convert", (onProgress) =>
        convertToTape({ inputs, out, onProgress, ...rest, ...(asset === undefined ? {} : { coins: asset }) }),
      );
      if (json === true) {
        say(JSON.stringify({ out, ...result }));
        return;
      }
      const { stats, report } = result;
      say(
        `${out}: ${stats.records} records (${stats.levelUpdates} level updates) of ${report.lines} lines, ${stats.fileBytes} bytes, ${result.formats.join(" + ")}`,
      );
      if (report.ignored > 0) say(`  ${report.ignored} lines hold nothing for a tape`);
      for (const note of problemNotes(report)) say(`  ${note}`);
      for (const sample of report.samples) say(`  bad: ${sample}`);
    });
}

/** The market that a run saw, and its own orders. */
async function convertJournal(
  inputs: readonly string[],
  out: string,
  { json, ...others }: ConvertFlags,
): Promise<void> {
  const [input, ...more] = inputs;
  if (more.length > 0)
    throw new Error(
      `tape convert: ${inputs.find(isRunJournal)} is a run's journal: convert it by itself, then \`market-maker tape merge\``,
    );
  const [given] = Object.keys(others);
  if (given !== undefined)
    throw new Error(
      `tape convert: a journal's markets and grid are those of its run: leave out --${given.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)} (\`market-maker tape cut --asset\` chooses markets)`,
    );
  const { journalToTape } = await import("../engine/journal-tape.js");
  // Under its name when it is whole, as every tape.
  const part = `${out}.part`;
  rmSync(part, { force: true });
  const { path: _part, ...made } = journalToTape(findRunJournal(input!), part);
  renameSync(part, out);
  if (json === true) {
    say(JSON.stringify({ out, ...made }));
    return;
  }
  say(
    `${out}: ${made.records} records of the market and ${made.ownRecords} of own orders, ${statSync(out).size} bytes`,
  );
  for (const note of made.notes) say(`  ${note}`);
}

function exportCommand(): Command {
  return new Command("export")
    .description("one table for each kind of record, to analyse elsewhere")
    .argument("<tape>")
    .argument("<folder>", "where trade.csv, bbo.csv, book_delta.csv … are written")
    .option("--csv", "comma-separated text (the default)")
    .option("--parquet", "Parquet, Snappy-compressed")
    .action(async (input: string, outDir: string, flags: { csv?: boolean; parquet?: boolean }) => {
      refuseJournal(input);
      const { exportTape } = await import("../store/tape/tools/index.js");
      const formats = [
        ...(flags.csv === true || flags.parquet !== true ? (["csv"] as const) : []),
        ...(flags.parquet === true ? (["parquet"] as const) : []),
      ];
      for (const format of formats) {
        const tables = await watched("export", (onProgress) =>
          exportTape({ input, outDir, format, onProgress }),
        );
        for (const t of tables) say(`${t.path}: ${t.rows} rows`);
      }
    });
}

const list = (text: string): string[] =>
  text
    .split(",")
    .map((s) => s.trim())
    .filter((s) => s !== "");

/** The last path is the new tape: never an existing recording by mistake. */
function inAndOut(paths: readonly string[], verb: string): [string[], string] {
  const out = paths.at(-1)!;
  if (paths.length < 2 || !out.endsWith(FILE_EXTENSION))
    throw new Error(
      `tape ${verb}: give the inputs, then the name of the new tape, which ends in ${FILE_EXTENSION}`,
    );
  if (existsSync(out) && statSync(out).size > 0)
    throw new Error(`${out} exists already: choose another name, or remove it first`);
  return [paths.slice(0, -1), out];
}

const UNIT_NS: Readonly<Record<string, number>> = { ms: 1e6, s: 1e9, m: 60e9, h: 3600e9, d: 86_400e9 };

/** ns since the tape's base. */
function timeOf(text: string, base: bigint, startNs: number): number {
  const span = /^\+?(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  if (span !== null) return startNs + Number(span[1]) * UNIT_NS[span[2]!]!;
  const ms = /^\d{12,14}$/.test(text) ? Number(text) : Date.parse(text);
  if (Number.isNaN(ms))
    throw new InvalidArgumentError(
      `${text}: want 2024-08-08T23:55:00Z, ms since the epoch, or 90s, 10m, 2h.`,
    );
  return Number(BigInt(Math.round(ms)) * 1_000_000n - base);
}
