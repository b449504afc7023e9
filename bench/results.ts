/**
 * `npm run results [-- --data DIR] [-- --only SUBSTRING] [-- --out docs/backtests.md] [-- --leaks] [-- --reports DIR]`: the default configuration
 * over every order-book capture, at realistic fees and without any.
 *
 * Deterministic: no clock in it, one seed. Prints the tables; with `--out` writes them between the markers of that document, with
 * `--reports` also one HTML report a run and one that compares them.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  type FeesBps,
  leakTests,
  REALISTIC_FEES,
  type ReportInput,
  runBacktest,
  saveRun,
  writeReport,
} from "../src/backtest/index.js";
import { type Figures, figuresOf, markouts } from "../src/backtest/report/figures.js";
import { TapeWindow } from "../src/backtest/window.js";
import { configSchema } from "../src/config/index.js";
import { Rng } from "../src/domain/index.js";
import { convertToTape } from "../src/store/tape/index.js";

const { values: args } = parseArgs({
  options: {
    data: { type: "string", default: "../shared/data" },
    only: { type: "string", default: "" },
    out: { type: "string" },
    leaks: { type: "boolean", default: false },
    reports: { type: "string" },
  },
});

interface Capture {
  readonly name: string;
  readonly coin: string;
  readonly files: readonly string[];
}

const binance = (market: string, symbol: string, ...days: string[]): readonly string[] =>
  days.map((day) => `binance-l2/${market}_${symbol}_${day}.gz`);
const collected = (coin: string, day: string): readonly string[] =>
  ["orderbooks", "prices", "trades"].map((kind) => `hyperliquid-ws/${kind}_${coin}_${day}.csv.gz`);

const CAPTURES: readonly Capture[] = [
  { name: "Binance USD-M BTC 2023-04-04", coin: "BTC", files: binance("usdm", "btcusdt", "20230404") },
  {
    name: "Binance USD-M BTC 2024-07-18/19",
    coin: "BTC",
    files: binance("usdm", "btcusdt", "20240718", "20240719"),
  },
  { name: "Binance USD-M BTC 2024-08-08", coin: "BTC", files: binance("usdm", "btcusdt", "20240808") },
  {
    name: "Binance spot BTC 2024-08-08/09",
    coin: "BTC",
    files: binance("spot", "btcusdt", "20240808", "20240809"),
  },
  {
    name: "Binance COIN-M BTC 2024-08-08/09",
    coin: "BTC",
    files: binance("cm", "btcusd_perp", "20240808", "20240809"),
  },
  { name: "Hyperliquid BTC 2025-01-26", coin: "BTC", files: ["hyperliquid-ws/ws_btc_20250126.gz"] },
  { name: "Hyperliquid BTC 2025-09-03", coin: "BTC", files: collected("BTC", "20250903") },
  { name: "Hyperliquid SOL 2025-09-03", coin: "SOL", files: collected("SOL", "20250903") },
  { name: "Hyperliquid BTC 2025-09-04", coin: "BTC", files: collected("BTC", "20250904") },
  { name: "Hyperliquid SOL 2025-09-04", coin: "SOL", files: collected("SOL", "20250904") },
];
const FEES: readonly { readonly label: string; readonly fees: FeesBps }[] = [
  { label: "realistic", fees: REALISTIC_FEES },
  { label: "no", fees: { makerBps: 0, takerBps: 0 } },
];
const SEED = 1;
/** A longer silence of all streams is the recorder's outage: the engine would be killed by it, and what follows is a run of its own. */
const OUTAGE_MS = 5_000;
/** Shorter stretches end before the engine has warmed up. */
const STRETCH_MIN_MS = 60_000;

interface Stretch {
  readonly fromMs: number;
  readonly toMs: number;
}

/** Unbroken parts of a tape, and how many were too short to be run. */
function stretchesOf(tape: string): { readonly whole: Stretch[]; readonly tooShort: number } {
  const window = new TapeWindow({ paths: [tape], feed: { kind: "tape", floorMs: 0 }, rng: new Rng(SEED) });
  const found: { fromMs: number; toMs: number }[] = [];
  for (; window.localNs !== Number.POSITIVE_INFINITY; window.nextLocal()) {
    const ms = window.baseWallMs + window.localNs / 1e6;
    const last = found.at(-1);
    if (last === undefined || ms - last.toMs > OUTAGE_MS) found.push({ fromMs: Math.floor(ms), toMs: ms });
    else last.toMs = ms;
    while (window.exchNs <= window.localNs && window.exchNs !== Number.POSITIVE_INFINITY) window.nextExch();
  }
  window.close();
  const whole = found.filter((s) => s.toMs - s.fromMs >= STRETCH_MIN_MS);
  return {
    whole: whole.map((s) => ({ ...s, toMs: Math.ceil(s.toMs) })),
    tooShort: found.length - whole.length,
  };
}

const usd = (x: number): string => `${x < -0.005 ? "−" : ""}${Math.abs(x).toFixed(2)}`;
const bps = (x: number | null): string =>
  x === null ? "–" : `${x < -0.005 ? "−" : ""}${Math.abs(x).toFixed(2)}`;

interface Result {
  readonly capture: string;
  readonly run: ReportInput;
  readonly figures: Figures;
}

async function backtestAll(
  capture: Capture,
  name: string,
  tape: string,
  stretch: Stretch,
): Promise<Result[]> {
  const results: Result[] = [];
  for (const { label, fees } of FEES) {
    const config = configSchema.parse({ trading: { asset: capture.coin } });
    const backtest = { tapes: [tape], config, fees, seed: SEED, ...stretch };
    const result = await runBacktest(backtest);
    const badges = args.leaks && label === "realistic" ? await leakTests({ backtest, base: result }) : [];
    const summary = { ...result.summary, tapes: capture.files };
    const run = { name: `${name}, ${label} fees`, ...result, summary, badges, config };
    results.push({ capture: name, run, figures: figuresOf(run) });
    if (args.reports !== undefined) {
      const file = run.name.replace(/[^\w]+/g, "-").toLowerCase();
      saveRun(join(args.reports, `${file}.json.gz`), run);
      writeReport(join(args.reports, `${file}.html`), [run]);
    }
  }
  return results;
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}

function moneyTable(results: readonly Result[]): string[] {
  return [
    row([
      "capture",
      "s",
      "fills",
      "volume",
      "captured",
      "adverse",
      "inventory",
      "fees",
      "net",
      "bps of volume",
      "drawdown",
    ]),
    row(["---", ...Array.from({ length: 10 }, () => "---:")]),
    ...results.map(({ capture, run: { summary: s }, figures: { parts, netBpsOfVolume, drawdown } }) =>
      row([
        capture + (s.killReason === null ? "" : ` (killed: ${s.killReason})`),
        s.durationS.toFixed(0),
        String(s.fills),
        s.volumeUsd.toFixed(0),
        usd(parts.captureUsd),
        usd(parts.adverseUsd),
        usd(parts.driftUsd),
        usd(-parts.feesUsd),
        usd(parts.netUsd),
        bps(netBpsOfVolume),
        usd(drawdown.usd),
      ]),
    ),
    total(results),
  ];
}

function total(results: readonly Result[]): string {
  const add = (of: (r: Result) => number): number => results.reduce((sum, r) => sum + of(r), 0);
  const volumeUsd = add((r) => r.run.summary.volumeUsd);
  const netUsd = add((r) => r.figures.parts.netUsd);
  return row([
    "**together**",
    add((r) => r.run.summary.durationS).toFixed(0),
    String(add((r) => r.run.summary.fills)),
    volumeUsd.toFixed(0),
    usd(add((r) => r.figures.parts.captureUsd)),
    usd(add((r) => r.figures.parts.adverseUsd)),
    usd(add((r) => r.figures.parts.driftUsd)),
    usd(-add((r) => r.figures.parts.feesUsd)),
    usd(netUsd),
    bps(volumeUsd > 0 ? (netUsd / volumeUsd) * 1e4 : null),
    "",
  ]);
}

function markoutTable(results: readonly Result[]): string[] {
  return [
    row([
      "capture",
      "captured",
      "100 ms",
      "1 s",
      "10 s",
      "60 s",
      "orders filled",
      "largest position of limit",
    ]),
    row(["---", ...Array.from({ length: 7 }, () => "---:")]),
    ...results.map(({ capture, run: { summary: s, series }, figures: { orderFillShare } }) =>
      row([
        capture,
        bps(s.captureBps),
        ...markouts(series.fills).map((m) =>
          m.meanBps === null
            ? "–"
            : `${bps(m.meanBps)}${m.intervalBps === null ? "" : ` ± ${bps(m.intervalBps)}`}`,
        ),
        orderFillShare === null ? "–" : `${(100 * orderFillShare).toFixed(1)} %`,
        `${((100 * s.maxAbsPosition) / s.positionLimit).toFixed(0)} %`,
      ]),
    ),
  ];
}

const MARKS = { pass: "passed", warn: "look", fail: "**failed**", none: "–" } as const;

function leakTable(results: readonly Result[]): string[] {
  const tested = results.filter((r) => r.run.badges.length > 0);
  const labels = tested[0]?.run.badges.map((b) => b.label) ?? [];
  return [
    row(["capture", ...labels]),
    row(["---", ...labels.map(() => "---")]),
    ...tested.map((r) => row([r.capture, ...r.run.badges.map((b) => MARKS[b.status])])),
  ];
}

async function main(): Promise<void> {
  const results: Result[] = [];
  const dir = mkdtempSync(join(tmpdir(), "mm-results-"));
  if (args.reports !== undefined) mkdirSync(args.reports, { recursive: true });
  const skipped: string[] = [];
  try {
    for (const [i, capture] of CAPTURES.filter((c) => c.name.includes(args.only)).entries()) {
      const inputs = capture.files.map((f) => join(args.data, f));
      const missing = inputs.find((f) => !existsSync(f));
      if (missing !== undefined) {
        skipped.push(`${capture.name}: skipped, no ${missing}`);
        continue;
      }
      const out = join(dir, `${i}.mmt`);
      try {
        await convertToTape({ inputs, out, coins: [capture.coin] });
        const { whole, tooShort } = stretchesOf(out);
        for (const [k, stretch] of whole.entries()) {
          const name = whole.length === 1 ? capture.name : `${capture.name}, part ${k + 1}`;
          results.push(...(await backtestAll(capture, name, out, stretch)));
        }
        if (tooShort > 0)
          skipped.push(
            `${capture.name}: ${tooShort} unbroken ${tooShort === 1 ? "stretch" : "stretches"} of less than ${STRETCH_MIN_MS / 1000} s left out`,
          );
        process.stderr.write(`${capture.name}: done\n`);
      } catch (error) {
        skipped.push(`${capture.name}: ${(error as Error).message.replaceAll(dir, "…")}`);
      }
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  const [paid, free] = FEES.map(({ label }) => results.filter((r) => r.run.name.endsWith(`, ${label} fees`)));
  const text = [
    "Maker 1.5 bps, taker 4.5 bps. Money in USD.",
    "",
    ...moneyTable(paid!),
    "",
    "Without fees (the strategy knows, and quotes closer where its floor lets it):",
    "",
    ...moneyTable(free!),
    "",
    "What the market did after the fills, at realistic fees: bps of the mid our way, mean ± 95 %.",
    "",
    ...markoutTable(paid!),
    ...(args.leaks ? ["", "Leak tests, at realistic fees:", "", ...leakTable(paid!)] : []),
    ...(skipped.length > 0 ? ["", ...skipped.map((s) => `- ${s}`)] : []),
  ].join("\n");
  process.stdout.write(`${text}\n`);
  if (args.reports !== undefined && results.length > 1)
    writeReport(
      join(args.reports, "compared.html"),
      results.map((r) => r.run),
    );
  if (args.out !== undefined) writeFileSync(args.out, between(readFileSync(args.out, "utf8"), text));
}

/** The document with what stands between its markers replaced. */
function between(document: string, text: string): string {
  const [from, to] = ["<!-- results: npm run results -->", "<!-- end of results -->"];
  const a = document.indexOf(from);
  const b = document.indexOf(to);
  if (a < 0 || b < a)
    throw new Error(`${args.out}: the markers "${from}" and "${to}" are not there, in this order`);
  return `${document.slice(0, a + from.length)}\n\n${text}\n\n${document.slice(b)}`;
}

await main();
