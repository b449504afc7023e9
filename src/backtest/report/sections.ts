/** The sections of a report, each from one run's figures. */
import { queueModel } from "../../sim/index.js";
import { type FillRow, MARKOUT_MS } from "../series.js";
import type { Group, Pane } from "./charts.js";
import { ADVERSE_MS, type Figures, fillShare, hours, type Markout, markouts } from "./figures.js";
import {
  bps,
  duration,
  type Html,
  html,
  NONE,
  number,
  type Part,
  percent,
  plain,
  tone,
  usd,
} from "./html.js";
import { type Badge, type ReportInput, withoutSecrets } from "./input.js";
import { distText, quantileMs } from "./latency-figures.js";
import { bars } from "./plots.js";
import { COMMON_RULE, FILL_RULES } from "./rules.js";

const FILL_ROWS_MAX = 200;
const SHORT_RUN_S = 30 * 86_400;

export function table(
  caption: string,
  head: readonly string[],
  rows: readonly (readonly Part[])[],
  text: readonly number[] = [],
  isWhole = false,
): Html {
  const isText = (i: number): boolean => text.includes(i);
  return html`<div class="scroll${isWhole && " whole"}" tabindex="0" role="region" aria-label="${caption}"><table><caption>${caption}</caption><thead><tr>${head.map(
    (h, i) => html`<th scope="col"${isText(i) && html` class="text"`}>${h}</th>`,
  )}</tr></thead><tbody>${rows.map(
    (row) =>
      html`<tr>${row.map((c, i) => (i === 0 ? html`<th scope="row">${c}</th>` : html`<td${isText(i) && html` class="text"`}>${c}</td>`))}</tr>`,
  )}</tbody></table></div>`;
}

const money = (x: number): Html => html`<span class="${tone(x)}">${usd(x)}</span>`;

/** Ratios of short runs are huge: a decimal of them is noise. */
const ratio = (x: number | null): string => number(x, x !== null && Math.abs(x) >= 100 ? 0 : 1);

function tile(name: string, value: Part, note?: Part): Html {
  return html`<div class="tile"><dt>${name}</dt><dd>${value}${note !== undefined && html`<small>${note}</small>`}</dd></div>`;
}

/** In one sentence: what earned, what lost. */
export function verdict(run: ReportInput, { parts, netBpsOfVolume }: Figures): string {
  const { summary: s } = run;
  if (s.fills === 0)
    return `No order of ours was filled in ${duration(s.durationS)}: nothing earned, nothing lost.`;
  const drift = parts.driftUsd >= 0 ? "earned" : "cost";
  const adverse = parts.adverseUsd >= 0 ? "gave" : "took";
  return (
    `${s.fills} fills over ${usd(s.volumeUsd)} captured ${usd(parts.captureUsd)} of spread; the market's move in the ${ADVERSE_MS / 1000} s after them ` +
    `${adverse} ${usd(Math.abs(parts.adverseUsd))} (adverse selection), what was held longer ${drift} ${usd(Math.abs(parts.driftUsd))}, fees were ${usd(parts.feesUsd)}` +
    `${parts.fundingUsd === 0 ? "" : ` and funding ${usd(parts.fundingUsd)}`}: ${usd(parts.netUsd)} net, ${bps(netBpsOfVolume)} of the volume.`
  );
}

export function headline(run: ReportInput, f: Figures): Html {
  const { summary: s } = run;
  const { parts } = f;
  const isShort = s.durationS < SHORT_RUN_S;
  const years = isShort ? `per year, from ${duration(s.durationS)}: no evidence` : "per year";
  return html`<dl class="tiles">
${tile("Net profit", money(parts.netUsd), `${bps(f.netBpsOfVolume)} of volume`)}
${tile("Spread captured", money(parts.captureUsd), `${bps(s.captureBps)} a fill`)}
${tile("Adverse selection", money(parts.adverseUsd), `first ${ADVERSE_MS / 1000} s after each fill`)}
${tile("Inventory", money(parts.driftUsd), "later moves of what was held")}
${tile("Fees", money(-parts.feesUsd), `maker ${plain(s.fees.makerBps)}, taker ${plain(s.fees.takerBps)} bps`)}
${tile("Funding", money(parts.fundingUsd))}
${tile("Largest drawdown", usd(f.drawdown.usd), percent(f.drawdown.share, 3))}
${tile("Sharpe ratio", f.sharpe === null ? NONE : html`${ratio(f.sharpe.value)} ± ${ratio(f.sharpe.error)}`, f.sharpe === null ? "no returns to speak of" : years)}
${tile("Sortino ratio", ratio(f.sortino), f.sortino === null ? "no losses to divide by" : years)}
${tile("Calmar ratio", ratio(f.calmar), f.calmar === null ? "no drawdown to divide by" : years)}
${tile("Turnover", `${number(f.turnover, 2)} ×`, `of equity; ${number(f.turnoverPerDay, 1)} × a day`)}
${tile("Fills", number(s.fills), `${percent(f.makerShare)} as maker, ${usd(s.volumeUsd)}`)}
${tile("Fill rate", percent(f.orderFillShare), "of the orders that rested")}
${tile("Position", `${plain(s.position)} ${s.coin}`, `at most ${plain(s.maxAbsPosition)} of ${plain(s.positionLimit)}`)}
${tile("Speed", s.tapeRecordsPerSecond > 0 ? `${number(s.tapeRecordsPerSecond)} records/s` : NONE, `${number(s.events)} events, ${number(s.levelUpdates)} level updates`)}
${tile("Journal", html`<code title="${s.journalSha256}">${s.journalSha256.slice(0, 12)}…</code>`, `${number(s.journalRecords)} records, sha256`)}
</dl>`;
}

const STATUS_TEXT: Readonly<Record<Badge["status"], string>> = {
  pass: "✓ passed",
  warn: "! look",
  fail: "✗ failed",
  none: "– not tested",
};

export function badges(run: ReportInput): Html {
  const { killReason, stopReason, restingOrdersAtExit } = run.summary;
  const own: Badge = {
    id: "end",
    label: killReason === null ? "ran to the end" : `kill switch: ${killReason}`,
    status: killReason === null ? "pass" : "fail",
    detail: `Stopped by: ${stopReason}. Orders left in the book: ${restingOrdersAtExit}.`,
    figures: [],
  };
  const all = [own, ...run.badges];
  return html`<ul class="badges" aria-label="Tests of this run">${all.map(badgeItem)}${
    run.badges.length === 0 &&
    html`<li class="badge none"><span class="note">Leak tests were not run.</span></li>`
  }</ul>`;
}

function badgeItem(b: Badge): Html {
  const figures = b.figures.map((f) => `${f.name}: ${f.value}`).join("\n");
  return html`<li><details class="badge ${b.status}"><summary class="pill" title="${b.detail}${figures !== "" && `\n${figures}`}">${STATUS_TEXT[b.status]} · ${b.label}</summary><div class="card"><p>${b.detail}</p>${
    b.figures.length > 0 && html`<ul>${b.figures.map((f) => html`<li>${f.name}: ${f.value}</li>`)}</ul>`
  }</div></details></li>`;
}

/** Panes that share one cursor; the script draws them. */
export function chartGroup(group: Group, index: number, title: string): Html {
  return html`<div data-group="${index}">
<div class="tools"><button type="button" data-reset disabled>Whole run</button><span class="soft" data-range aria-live="off"></span><span class="note">Drag to zoom, Shift-drag to move, double-click for all; wheel and arrow keys after a click. Touch: drag, pinch.</span></div>
<noscript><p class="empty">The charts need JavaScript; the figures under each stand without it.</p></noscript>
${group.panes.map((pane, i) => paneOf(group, pane, i, title))}
</div>`;
}

function paneOf(group: Group, pane: Pane, index: number, title: string): Html {
  const rows = pane.lines.map((line) => {
    const known = [...group.values[line.run]![line.column]!].filter((v) => !Number.isNaN(v));
    if (known.length === 0) return [line.label, NONE, NONE, NONE, NONE, NONE];
    const mean = known.reduce((a, b) => a + b, 0) / known.length;
    const low = known.reduce((a, b) => Math.min(a, b));
    const high = known.reduce((a, b) => Math.max(a, b));
    return [line.label, plain(known[0]!), plain(known.at(-1)!), plain(low), plain(mean), plain(high)];
  });
  const unit = pane.unit === "" ? "" : `, ${pane.unit}`;
  const said = rows.map((r) => `${r[0]} from ${r[1]} to ${r[2]}, lowest ${r[3]}, highest ${r[5]}`).join("; ");
  return html`<section class="pane"><header><h3>${pane.title}<span class="soft">${unit}</span></h3><div class="legend"></div></header>
<canvas data-pane="${index}" tabindex="0" role="img" height="${pane.height}" aria-label="${pane.title}${unit}, ${title}: ${said}"></canvas>
<details class="more"><summary>${pane.title} in figures</summary>${pane.note !== undefined && html`<p class="note">${pane.note}</p>`}${table(
    `${pane.title}${unit}`,
    ["line", "first", "last", "lowest", "mean", "highest"],
    rows,
  )}</details></section>`;
}

const horizon = (ms: number): string => (ms < 1000 ? `${ms} ms` : `${ms / 1000} s`);

export function markoutSection(run: ReportInput): Html {
  const { fills } = run.series;
  if (fills.length === 0) return html`<p class="empty">No fills, so nothing to measure afterwards.</p>`;
  const groups: readonly [string, string, readonly FillRow[]][] = [
    ["all", "--ink", fills],
    ["bought", "--buy", fills.filter((f) => f.side === "B")],
    ["sold", "--sell", fills.filter((f) => f.side === "A")],
  ];
  const by = groups.map(([label, color, rows]) => ({ label, color, rows, marks: markouts(rows) }));
  const cell = (m: Markout): string =>
    m.meanBps === null
      ? NONE
      : `${number(m.meanBps, 2)}${m.intervalBps === null ? "" : ` ± ${number(m.intervalBps, 2)}`} (${m.count})`;
  const mean = (rows: readonly FillRow[], of: (f: FillRow) => number): number =>
    rows.length === 0 ? Number.NaN : rows.reduce((a, f) => a + of(f), 0) / rows.length;
  const edge = mean(fills, (f) => f.captureBps - (f.feeUsd / (f.px * f.sz)) * 1e4);
  return html`<p class="note">How far the mid moved our way after a fill; below zero, those who traded with us knew. The intervals are 95 % for independent fills; fills of one burst are not, so the true ones are wider.</p>
<div class="two"><div class="card">${bars({
    label: `Markouts in bps with 95 % intervals. ${by[0]!.marks.map((m) => `${horizon(m.ms)}: ${cell(m)}`).join("; ")}`,
    unit: "bps",
    xTitle: "after the fill",
    names: MARKOUT_MS.map(horizon),
    series: by.map(({ label, color, marks }) => ({
      label,
      color,
      values: marks.map((m) => m.meanBps),
      intervals: marks.map((m) => m.intervalBps),
    })),
  })}</div><div>${table(
    "Markouts, bps: mean ± 95 % (fills)",
    ["fills", "captured", ...MARKOUT_MS.map(horizon)],
    [
      ...by.map(({ label, rows, marks }) => [
        label,
        number(
          mean(rows, (f) => f.captureBps),
          2,
        ),
        ...marks.map(cell),
      ]),
      [
        "captured − fee + markout",
        number(edge, 2),
        ...by[0]!.marks.map((m) => number(m.meanBps === null ? null : edge + m.meanBps, 2)),
      ],
    ],
  )}</div></div>`;
}

export function depthSection(run: ReportInput): Html {
  const { depths, fills } = run.series;
  const used = depths.filter((d, i) => d.ordersPlaced > 0 || fillsAt(fills, depths, i) > 0);
  if (used.length === 0) return html`<p class="empty">No order of ours ever rested in the book.</p>`;
  const name = (d: (typeof depths)[number]): string =>
    d.toBps === null ? `> ${d.fromBps}` : d.fromBps === 0 ? `< ${d.toBps}` : `${d.fromBps}–${d.toBps}`;
  return html`<p class="note">Orders by their distance from the mid when they were placed. An order that moved is a new one.</p>
<div class="two"><div class="card">${bars({
    label: `Share of orders filled, by distance. ${used.map((d) => `${name(d)} bps: ${percent(fillShare(d))}`).join("; ")}`,
    unit: "%",
    xTitle: "bps from the mid when placed",
    names: used.map(name),
    series: [{ label: "filled", color: "--c1", values: used.map((d) => (fillShare(d) ?? 0) * 100) }],
  })}</div><div>${table(
    "Orders and fills by distance from the mid, bps",
    [
      "bps",
      "placed",
      "filled",
      "share",
      `${run.summary.coin} filled`,
      "hours resting",
      "fills at that distance",
    ],
    used.map((d) => [
      name(d),
      number(d.ordersPlaced),
      number(d.ordersFilled),
      percent(fillShare(d)),
      `${plain(d.filledBase)} of ${plain(d.placedBase)}`,
      number(d.restedS / 3600, 3),
      number(fillsAt(fills, depths, depths.indexOf(d))),
    ]),
  )}</div></div>`;
}

/** Fills whose price stood that far from the mid when they happened. */
function fillsAt(fills: readonly FillRow[], depths: ReportInput["series"]["depths"], i: number): number {
  const d = depths[i]!;
  return fills.filter(
    (f) => (i === 0 || f.captureBps >= d.fromBps) && (d.toBps === null || f.captureBps < d.toBps),
  ).length;
}

export function latencySection(run: ReportInput): Html {
  const { feed, order, ack } = run.summary.latency;
  const ways = [
    ["market data to us", feed],
    ["orders to the venue", order],
    ["answers and fills to us", ack],
  ] as const;
  const ms = (x: number | undefined): string => (x === undefined ? "as recorded" : `${number(x, 1)} ms`);
  const drawn = ways.filter(([, d]) => d.kind !== "tape");
  const quantiles = [0.1, 0.5, 0.9, 0.99];
  return html`<div class="two"><div class="card">${bars({
    label: `Latency assumed, ms, by share of messages. ${drawn.map(([name, d]) => `${name}: ${distText(d)}`).join("; ")}`,
    unit: "ms",
    xTitle: "of messages arrive within",
    names: quantiles.map((p) => `${p * 100} %`),
    series: drawn.map(([label, d], k) => ({
      label,
      color: ["--c1", "--c2", "--c3"][k]!,
      values: quantiles.map((p) => quantileMs(d, p) ?? null),
    })),
  })}</div><div>${table(
    "Latency assumed, one way",
    ["way", "10 %", "50 %", "90 %", "99 %", "how"],
    ways.map(([name, d]) => [name, ...quantiles.map((p) => ms(quantileMs(d, p))), distText(d)]),
    [5],
  )}</div></div>`;
}

export function hourSection(run: ReportInput): Html {
  const { series, summary } = run;
  return table(
    "By the hour, UTC",
    ["hour", "fills", "volume", "captured", "fees", "net", `largest position, ${summary.coin}`],
    hours(series, Date.parse(summary.from), summary.equityStartUsd).map((h) => [
      new Date(h.fromMs).toISOString().slice(0, 16).replace("T", " "),
      number(h.fills),
      usd(h.volumeUsd),
      usd(h.captureUsd),
      usd(h.feesUsd),
      money(h.netUsd),
      plain(h.maxAbsPosBase),
    ]),
  );
}

export function fillSection(run: ReportInput, groupIndex: number, carried: number): Html {
  const { series, summary } = run;
  const { fills } = series;
  if (fills.length === 0) return html`<p class="empty">No fills.</p>`;
  const startMs = Date.parse(summary.from);
  const file = `fills-${run.name.replace(/[^\w.-]+/g, "_").slice(0, 60)}.csv`;
  const shown = Math.min(FILL_ROWS_MAX, fills.length);
  return html`<p><button type="button" data-csv="${groupIndex}" data-name="${file}">Download ${carried < fills.length && "the first "}${number(carried)} fills as CSV</button>${
    carried < fills.length &&
    html` <span class="note">The saved run holds all ${number(fills.length)}.</span>`
  }</p>
${table(
  shown < fills.length ? `The first ${shown} of ${number(fills.length)} fills` : `All ${shown} fills`,
  [
    "time, UTC",
    "side",
    "price",
    "size",
    "mid before",
    "captured, bps",
    "fee",
    "as",
    "rested",
    ...MARKOUT_MS.map((ms) => `${horizon(ms)}, bps`),
  ],
  fills
    .slice(0, shown)
    .map((f) => [
      new Date(startMs + f.tMs).toISOString().slice(11, 23),
      html`<span class="${f.side === "B" ? "good" : "bad"}">${f.side === "B" ? "buy" : "sell"}</span>`,
      plain(f.px),
      plain(f.sz),
      plain(f.midPx),
      number(f.captureBps, 2),
      usd(f.feeUsd),
      f.isMaker ? "maker" : "taker",
      f.restedMs < 10_000 ? `${number(f.restedMs)} ms` : `${number(f.restedMs / 1000, 1)} s`,
      ...f.markoutBps.map((m) => number(m, 2)),
    ]),
)}`;
}

export function assumptionSection(run: ReportInput): Html {
  const { summary: s } = run;
  const rows: readonly (readonly [string, Part])[] = [
    ["market", `${s.coin}, ${s.from} to ${s.to} (${duration(s.durationS)})`],
    ["tapes", s.tapes.join(", ")],
    ["strategy", s.strategy],
    ["equity at the start", usd(s.equityStartUsd)],
    [
      "fees",
      `maker ${plain(s.fees.makerBps)} bps, taker ${plain(s.fees.takerBps)} bps of every fill's value`,
    ],
    ["queue", queueModel(s.queueModel).description],
    ["seed", String(s.seed)],
    [
      "orders",
      `${number(s.ordersPlaced)} placed, ${number(s.ordersModified)} changed, ${number(s.ordersCancelled)} cancelled, ${number(s.ordersRejected)} refused`,
    ],
    ["journal, sha256", html`<code>${s.journalSha256}</code>`],
  ];
  return html`${table("As assumed", ["what", "value"], rows, [1])}
<h3>How a resting order was filled, and what is unrealistic about it</h3>
${table(
  "For a buy at price p; a sell mirrors each",
  ["", "rule", "unrealistic"],
  FILL_RULES.map((r, i) => [String(i + 1), r.rule, r.unrealistic]),
  [1, 2],
)}
<p class="note">${COMMON_RULE}</p>
<p class="note">Sharpe and Sortino are of returns on the longest even grid with at least thirty intervals, on the equity at the start, times the square root of the intervals in a year; ± is one standard error for independent returns (Lo 2002). Calmar is the uncompounded return per year over the largest drawdown. A run of minutes proves nothing about a year: the errors say so.</p>`;
}

export function configSection(run: ReportInput): Html {
  if (run.config === undefined) return html`<p class="empty">The run did not keep its configuration.</p>`;
  return html`<pre tabindex="0" aria-label="Configuration as run">${JSON.stringify(withoutSecrets(run.config), null, 2)}</pre>`;
}

/** Figures of several runs side by side. */
export function comparisonTable(runs: readonly ReportInput[], figures: readonly Figures[]): Html {
  const rows: [string, (r: ReportInput, f: Figures) => Part][] = [
    ["market", (r) => r.summary.coin],
    ["from", (r) => r.summary.from.slice(0, 19).replace("T", " ")],
    ["length", (r) => duration(r.summary.durationS)],
    ["strategy", (r) => r.summary.strategy],
    ["maker / taker fee", (r) => `${plain(r.summary.fees.makerBps)} / ${plain(r.summary.fees.takerBps)} bps`],
    ["queue model", (r) => r.summary.queueModel.kind],
    ["net profit", (_r, f) => money(f.parts.netUsd)],
    ["of volume", (_r, f) => bps(f.netBpsOfVolume)],
    ["spread captured", (_r, f) => money(f.parts.captureUsd)],
    ["adverse selection", (_r, f) => money(f.parts.adverseUsd)],
    ["inventory", (_r, f) => money(f.parts.driftUsd)],
    ["fees", (_r, f) => money(-f.parts.feesUsd)],
    ["funding", (_r, f) => money(f.parts.fundingUsd)],
    ["largest drawdown", (_r, f) => usd(f.drawdown.usd)],
    [
      "Sharpe ratio",
      (_r, f) => (f.sharpe === null ? NONE : `${ratio(f.sharpe.value)} ± ${ratio(f.sharpe.error)}`),
    ],
    ["Sortino ratio", (_r, f) => ratio(f.sortino)],
    ["Calmar ratio", (_r, f) => ratio(f.calmar)],
    ["fills", (r) => number(r.summary.fills)],
    ["fill rate", (_r, f) => percent(f.orderFillShare)],
    ["maker share", (_r, f) => percent(f.makerShare)],
    ["volume", (r) => usd(r.summary.volumeUsd)],
    ["turnover a day", (_r, f) => `${number(f.turnoverPerDay, 1)} ×`],
    ...MARKOUT_MS.map((ms, h): [string, (r: ReportInput) => Part] => [
      `markout ${horizon(ms)}`,
      (r) => bps(markouts(r.series.fills)[h]!.meanBps),
    ]),
    ["largest position", (r) => `${plain(r.summary.maxAbsPosition)} of ${plain(r.summary.positionLimit)}`],
    ["ended", (r) => r.summary.killReason ?? r.summary.stopReason],
    [
      "tests",
      (r) =>
        r.badges.length === 0 ? "not run" : r.badges.map((b) => STATUS_TEXT[b.status].slice(0, 1)).join(" "),
    ],
    ["journal", (r) => html`<code>${r.summary.journalSha256.slice(0, 12)}</code>`],
  ];
  return table(
    "Runs side by side",
    ["", ...runs.map((r) => r.name)],
    rows.map(([name, of]) => [name, ...runs.map((r, i) => of(r, figures[i]!))]),
    [],
    true,
  );
}
