/**
 * A sweep as one self-contained HTML page: in-sample against out-of-sample, each parameter against both, and parallel coordinates.
 */
import type { Judged } from "./judge.js";
import type { Param, ParamValue } from "./space.js";
import type { SweepReport } from "./sweep-report.js";

const W = 460;
const H = 320;
const MARGIN = { left: 64, right: 16, top: 28, bottom: 40 };

interface Axis {
  readonly label: string;
  readonly at: (value: number) => number;
  readonly ticks: readonly { readonly at: number; readonly text: string }[];
}

export function toHtml(report: SweepReport): string {
  const traded = report.candidates.filter((c) => c.outOfSample.length > 0);
  const charts = [
    inAgainstOut(report, traded),
    ...report.space.map((p) => againstParam(report, traded, p)),
    parallel(report, traded),
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sweep: ${escapeHtml(report.objective)}</title>
<style>
body{font:14px/1.4 system-ui,sans-serif;margin:24px;color:#1b1f24;background:#fff}
h1{font-size:20px}section{display:inline-block;vertical-align:top;margin:0 24px 24px 0}
svg{background:#fafbfc;border:1px solid #d8dee4}text{font-size:11px;fill:#444}.t{font-size:12px;font-weight:600}
.out{fill:#0969da}.in{fill:none;stroke:#bf8700}.win{fill:#cf222e}.base{fill:#1a7f37}.grid{stroke:#e4e8ec}.zero{stroke:#999}
@media (prefers-color-scheme:dark){body{background:#14171a;color:#e6e6e6}svg{background:#1b1f24;border-color:#333}text{fill:#bbb}.grid{stroke:#2a2f35}}
</style></head><body>
<h1>Sweep of ${report.trials} candidates, ${escapeHtml(report.search)}, objective ${escapeHtml(report.objective)} (money per hour)</h1>
<p>Filled: median on unseen time. Hollow: training time, on which candidates were chosen: not a result.
Red: winner${report.winner === null ? " (none)" : ` ${report.winner}`}. Green: the unchanged configuration. Points say more when pointed at.</p>
${charts.join("\n")}
</body></html>
`;
}

function inAgainstOut(report: SweepReport, traded: readonly Judged[]): string {
  const all = traded.flatMap((c) => [c.inSampleMean, c.outOfSampleMedian]);
  const x = linear("in sample (mean)", all, MARGIN.left, W - MARGIN.right);
  const y = linear("out of sample (median)", all, H - MARGIN.bottom, MARGIN.top);
  const [lo, hi] = [Math.min(...all), Math.max(...all)];
  const diagonal =
    traded.length === 0
      ? ""
      : `<line class="zero" stroke-dasharray="4 3" x1="${r(x.at(lo))}" y1="${r(y.at(lo))}" x2="${r(x.at(hi))}" y2="${r(y.at(hi))}"/>`;
  const dots = traded.map((c) =>
    dot(report, c, x.at(c.inSampleMean), y.at(c.outOfSampleMedian), classOf(report, c)),
  );
  return chart(
    "In sample against out of sample (dashed: the same)",
    W,
    frame(x, y) + diagonal + dots.join(""),
  );
}

function againstParam(report: SweepReport, traded: readonly Judged[], param: Param): string {
  const x = paramAxis(param, MARGIN.left, W - MARGIN.right);
  const y = linear(
    report.objective,
    traded.flatMap((c) => [c.inSampleMean, c.outOfSampleMedian]),
    H - MARGIN.bottom,
    MARGIN.top,
  );
  const place = (c: Judged): number => x.at(positionOf(param, c.params[param.key]!));
  const dots = traded
    .filter((c) => param.key in c.params)
    .flatMap((c) => [
      dot(report, c, place(c), y.at(c.inSampleMean), "in"),
      dot(report, c, place(c), y.at(c.outOfSampleMedian), classOf(report, c)),
    ]);
  return chart(param.key, W, frame(x, y) + dots.join(""));
}

/** One line per candidate, the better on unseen time the bluer. */
function parallel(report: SweepReport, traded: readonly Judged[]): string {
  const width = Math.max(W, 150 * (report.space.length + 1) + 80);
  const xs = [...report.space.keys(), report.space.length].map(
    (i) => 60 + (i * (width - 120)) / Math.max(1, report.space.length),
  );
  const outs = traded.map((c) => c.outOfSampleMedian);
  const axes = report.space.map((p) => paramAxis(p, H - MARGIN.bottom, MARGIN.top));
  const out = linear("out of sample", outs, H - MARGIN.bottom, MARGIN.top);
  const [lo, hi] = [Math.min(...outs), Math.max(...outs)];
  const lines = traded
    .filter((c) => c.id !== 0)
    .sort((a, b) => a.outOfSampleMedian - b.outOfSampleMedian)
    .map((c) => {
      const share = hi > lo ? (c.outOfSampleMedian - lo) / (hi - lo) : 1;
      const points = [
        ...report.space.map((p, d) => `${r(xs[d]!)},${r(axes[d]!.at(positionOf(p, c.params[p.key]!)))}`),
        `${r(xs.at(-1)!)},${r(out.at(c.outOfSampleMedian))}`,
      ];
      const isWinner = c.id === report.winner;
      const colour = isWinner ? "#cf222e" : `hsl(${Math.round(40 + 172 * share)} 70% 45%)`;
      return `<polyline fill="none" stroke="${colour}" stroke-width="${isWinner ? 2.5 : 1}" opacity="${isWinner ? 1 : r(0.25 + 0.55 * share)}" points="${points.join(" ")}"><title>${title(report, c)}</title></polyline>`;
    });
  const frames = [...axes, out].map((axis, i) => {
    const ticks = axis.ticks.map(
      (t) => `<text x="${r(xs[i]! - 5)}" y="${r(t.at + 4)}" text-anchor="end">${escapeHtml(t.text)}</text>`,
    );
    const name = axis.label.slice(axis.label.lastIndexOf(".") + 1);
    return `<line class="zero" x1="${r(xs[i]!)}" x2="${r(xs[i]!)}" y1="${MARGIN.top}" y2="${H - MARGIN.bottom}"/>${ticks.join("")}<text x="${r(xs[i]!)}" y="${H - 14}" text-anchor="middle">${escapeHtml(name)}</text>`;
  });
  return chart("All parameters", width, lines.join("") + frames.join(""));
}

function chart(name: string, width: number, body: string): string {
  return `<section><svg width="${width}" height="${H}" role="img" aria-label="${escapeHtml(name)}"><text class="t" x="12" y="18">${escapeHtml(name)}</text>${body}</svg></section>`;
}

function frame(x: Axis, y: Axis): string {
  const [x1, x2, y1, y2] = [MARGIN.left, W - MARGIN.right, MARGIN.top, H - MARGIN.bottom];
  const columns = x.ticks.map(
    (t) =>
      `<line class="grid" x1="${r(t.at)}" x2="${r(t.at)}" y1="${y1}" y2="${y2}"/><text x="${r(t.at)}" y="${y2 + 14}" text-anchor="middle">${escapeHtml(t.text)}</text>`,
  );
  const rows = y.ticks.map(
    (t) =>
      `<line class="grid" x1="${x1}" x2="${x2}" y1="${r(t.at)}" y2="${r(t.at)}"/><text x="${x1 - 6}" y="${r(t.at + 4)}" text-anchor="end">${escapeHtml(t.text)}</text>`,
  );
  return `${columns.join("")}${rows.join("")}<text x="${(x1 + x2) / 2}" y="${H - 8}" text-anchor="middle">${escapeHtml(x.label)}</text>`;
}

function dot(report: SweepReport, c: Judged, x: number, y: number, kind: string): string {
  return `<circle class="${kind}" cx="${r(x)}" cy="${r(y)}" r="${kind === "win" ? 6 : 3.5}" opacity="0.8"><title>${title(report, c)}</title></circle>`;
}

const classOf = (report: SweepReport, c: Judged): string =>
  c.id === report.winner ? "win" : c.id === 0 ? "base" : "out";

function title(report: SweepReport, c: Judged): string {
  const values = report.space.map((p) => `${p.key} = ${String(c.params[p.key] ?? "unchanged")}`);
  return escapeHtml(
    [
      `candidate ${c.id}`,
      ...values,
      `out of sample ${c.outOfSample.map(short).join(" ")}`,
      `in sample ${c.inSample.map(short).join(" ")}`,
    ].join("\n"),
  );
}

function linear(label: string, values: readonly number[], from: number, to: number): Axis {
  const finite = values.filter(Number.isFinite);
  let lo = Math.min(...finite);
  let hi = Math.max(...finite);
  if (!(lo < hi)) [lo, hi] = finite.length > 0 ? [lo - 1, lo + 1] : [0, 1];
  const at = (v: number): number => from + ((v - lo) / (hi - lo)) * (to - from);
  const rough = (hi - lo) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough)!;
  const ticks = [];
  for (let i = Math.ceil(lo / step); i * step <= hi; i++)
    ticks.push({ at: at(i * step), text: short(i * step) });
  return { label, at, ticks };
}

/** Takes positions of `positionOf`, in the unit interval. */
function paramAxis(param: Param, from: number, to: number): Axis {
  const at = (u: number): number => from + u * (to - from);
  const values: readonly ParamValue[] =
    param.kind === "choice"
      ? param.values
      : [0, 0.25, 0.5, 0.75, 1].map((u) =>
          param.isLog ? param.lo * (param.hi / param.lo) ** u : param.lo + u * (param.hi - param.lo),
        );
  return {
    label: param.key,
    at,
    ticks: values.map((v) => ({
      at: at(positionOf(param, v)),
      text: typeof v === "number" ? short(v) : String(v),
    })),
  };
}

function positionOf(param: Param, value: ParamValue): number {
  if (param.kind === "choice") return (param.values.indexOf(value) + 0.5) / param.values.length;
  const v = Number(value);
  return param.isLog
    ? Math.log(v / param.lo) / Math.log(param.hi / param.lo)
    : (v - param.lo) / (param.hi - param.lo);
}

const r = (x: number): string => String(Math.round(x * 10) / 10);
const short = (x: number): string => (Number.isFinite(x) ? String(Number(x.toPrecision(3))) : "–");
const escapeHtml = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
