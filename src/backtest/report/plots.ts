/** Small charts that need no script: bars and means with their intervals, as SVG. */
import { type Html, html } from "./html.js";

export interface BarSeries {
  readonly label: string;
  /** A custom property of the style sheet. */
  readonly color: string;
  /** null: nothing to show. */
  readonly values: readonly (number | null)[];
  /** Half of an interval around each value; makes points with whiskers of the bars. */
  readonly intervals?: readonly (number | null)[];
}

const W = 560;
const H = 220;
const LEFT = 52;
const BOTTOM = 40;
const TOP = 10;
const RIGHT = 8;

/** `label` is what a screen reader says; the figures stand in a table beside the chart. */
export function bars(o: {
  readonly label: string;
  readonly unit: string;
  readonly xTitle: string;
  readonly names: readonly string[];
  readonly series: readonly BarSeries[];
}): Html {
  let low = 0;
  let high = 0;
  for (const s of o.series)
    s.values.forEach((v, i) => {
      if (v === null) return;
      const half = s.intervals?.[i] ?? 0;
      low = Math.min(low, v - half);
      high = Math.max(high, v + half);
    });
  if (low === high) high = 1;
  const air = (high - low) * 0.06;
  if (low < 0) low -= air;
  high += air;
  const y = (v: number): number => TOP + ((high - v) / (high - low)) * (H - TOP - BOTTOM);
  const slot = (W - LEFT - RIGHT) / o.names.length;
  const wide = Math.min(34, (slot * 0.72) / o.series.length);
  const step = niceStep((high - low) / 5);
  const ticks: number[] = [];
  for (let v = Math.ceil(low / step); v * step <= high; v++) ticks.push(v * step);
  const digits = Math.max(0, Math.min(6, -Math.floor(Math.log10(step) + 1e-9)));
  const x = (i: number, k: number): number =>
    LEFT + slot * (i + 0.5) + (k - (o.series.length - 1) / 2) * wide;
  const f = (v: number): string => v.toFixed(1);
  return html`<svg viewBox="0 0 ${W} ${H}" role="img" aria-label="${o.label}">
${ticks.map(
  (t) =>
    html`<line x1="${LEFT}" x2="${W - RIGHT}" y1="${f(y(t))}" y2="${f(y(t))}" style="stroke:var(--grid)"/><text x="${LEFT - 6}" y="${f(y(t) + 4)}" text-anchor="end">${(Math.abs(t) < step / 1e6 ? 0 : t).toFixed(digits).replace("-", "−")}</text>`,
)}
<line x1="${LEFT}" x2="${W - RIGHT}" y1="${f(y(0))}" y2="${f(y(0))}" style="stroke:var(--soft)"/>
${o.names.map((name, i) => html`<text x="${f(LEFT + slot * (i + 0.5))}" y="${H - BOTTOM + 16}" text-anchor="middle">${name}</text>`)}
<text x="${LEFT + (W - LEFT - RIGHT) / 2}" y="${H - 5}" text-anchor="middle">${o.xTitle}</text>
<text x="4" y="${TOP + 2}" dominant-baseline="hanging">${o.unit}</text>
${o.series.map((s, k) =>
  s.values.map((v, i) => {
    if (v === null) return undefined;
    const at = x(i, k);
    if (s.intervals === undefined)
      return html`<rect x="${f(at - wide / 2 + 1)}" width="${f(wide - 2)}" y="${f(Math.min(y(v), y(0)))}" height="${f(Math.max(0.5, Math.abs(y(v) - y(0))))}" style="fill:var(${s.color})"/>`;
    const half = s.intervals[i] ?? null;
    return html`${half !== null && html`<path d="M${f(at)} ${f(y(v - half))}V${f(y(v + half))}M${f(at - 5)} ${f(y(v - half))}h10M${f(at - 5)} ${f(y(v + half))}h10" style="stroke:var(${s.color});stroke-width:1.5;fill:none"/>`}<circle cx="${f(at)}" cy="${f(y(v))}" r="4" style="fill:var(${s.color})"/>`;
  }),
)}
</svg>${o.series.length > 1 && html`<div class="legend">${o.series.map((s) => html`<span><i style="background:var(${s.color})"></i>${s.label}</span>`)}</div>`}`;
}

function niceStep(raw: number): number {
  const power = 10 ** Math.floor(Math.log10(raw));
  const lead = raw / power;
  return (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10) * power;
}
