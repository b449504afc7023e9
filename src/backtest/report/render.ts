import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../engine/artifacts.js";
import { comparisonGroup, FILLS_MAX, type Group, runGroup } from "./charts.js";
import { type Figures, figuresOf } from "./figures.js";
import { duration, Html, html, scriptJson } from "./html.js";
import type { ReportInput } from "./input.js";
import { writeWhole } from "./saved-run.js";
import {
  assumptionSection,
  badges,
  chartGroup,
  comparisonTable,
  configSection,
  depthSection,
  fillSection,
  headline,
  hourSection,
  latencySection,
  markoutSection,
  verdict,
} from "./sections.js";

const PAGE = ["src", "backtest", "report", "page"];
/** Nothing may be fetched from anywhere, whatever a name in the data says. */
const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/**
 * One self-contained HTML file: no network, no other files. Several runs are compared side by side.
 *
 * Deterministic: the same runs make the same bytes. Figures come from all of a run's samples; its curves are thinned so that the
 * file stays below 2 MB. Allocates: freely.
 *
 * @throws {RangeError} Without a run.
 */
export function renderReport(runs: readonly ReportInput[]): string {
  if (runs.length === 0) throw new RangeError("report: no run was given");
  const figures = runs.map(figuresOf);
  const isComparison = runs.length > 1;
  const starts = new Set(runs.map((r) => r.summary.from));
  const isElapsed = isComparison && starts.size > 1;
  const groups: Group[] = runs.map((run) => runGroup(run, runs.length));
  if (isComparison) groups.push(comparisonGroup(runs, isElapsed));
  const title = isComparison ? `${runs.length} runs compared` : `${runs[0]!.name}: ${runs[0]!.summary.coin}`;
  // The script reads no titles and no tables' values.
  const data = { isElapsed, groups: groups.map(({ runs, panes }) => ({ runs, panes })) };
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>${asset("report.css")}</style>
</head>
<body>
<main>
${isComparison ? comparison(runs, figures, groups) : single(runs[0]!, figures[0]!, groups[0]!)}
</main>
<script type="application/json" id="data">${scriptJson(data)}</script>
<script>${asset("report.js")}</script>
</body>
</html>
`.text;
}

/** @throws {SavedRunError} When the file cannot be written. */
export function writeReport(path: string, runs: readonly ReportInput[]): void {
  writeWhole(path, renderReport(runs));
}

function asset(name: string): Html {
  return new Html(readFileSync(join(packageRoot(), ...PAGE, name), "utf8"));
}

function single(run: ReportInput, f: Figures, group: Group): Html {
  const { summary: s } = run;
  return html`<header><h1>${run.name}</h1>
<p class="soft">Backtest of ${s.strategy} on ${s.coin}, ${s.from.slice(0, 19).replace("T", " ")} UTC, ${duration(s.durationS)}. Simulated fills on a recorded market: no money was traded.</p></header>
${body(run, f, group, 0, 1)}`;
}

function comparison(
  runs: readonly ReportInput[],
  figures: readonly Figures[],
  groups: readonly Group[],
): Html {
  return html`<header><h1>${runs.length} runs compared</h1>
<p class="soft">Simulated fills on recorded markets: no money was traded.</p></header>
<h2 id="compared">Side by side</h2>
${comparisonTable(runs, figures)}
<h2>Over each other</h2>
${chartGroup(groups.at(-1)!, runs.length, `${runs.length} runs`)}
<h2>Each run</h2>
${runs.map(
  (run, i) =>
    html`<details class="run"><summary class="run-title">${run.name}</summary>${body(run, figures[i]!, groups[i]!, i, runs.length)}</details>`,
)}`;
}

function body(run: ReportInput, f: Figures, group: Group, index: number, runCount: number): Html {
  const { killReason } = run.summary;
  const carried = Math.min(run.series.fills.length, Math.floor(FILLS_MAX / runCount));
  const id = (name: string): string => `${name}-${index}`;
  const sections: readonly (readonly [string, string, Html])[] = [
    ["charts", "Over time", chartGroup(group, index, run.name)],
    ["markouts", "After the fills", markoutSection(run)],
    ["depth", "Fill rate by depth", depthSection(run)],
    ["latency", "Latency", latencySection(run)],
    ["hours", "By the hour", hourSection(run)],
    ["fills", "Fills", fillSection(run, index, carried)],
    ["assumptions", "Assumptions and fill rules", assumptionSection(run)],
    ["config", "Configuration", configSection(run)],
  ];
  return html`${killReason !== null && html`<p class="card alarm"><strong>The kill switch ended this run: ${killReason}.</strong> What follows covers the ${duration(run.summary.durationS)} until then.</p>`}
<p>${verdict(run, f)}</p>
${badges(run)}
${headline(run, f)}
<nav aria-label="Sections">${sections.map(([name, title]) => html`<a href="#${id(name)}">${title}</a>`)}</nav>
${sections.map(([name, title, content]) => html`<section><h2 id="${id(name)}">${title}</h2>${content}</section>`)}`;
}
