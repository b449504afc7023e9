/**
 * A sweep's outcome for people and for machines: table, CSV, JSON, and lines for the configuration.
 */
import type { DeflatedSharpe } from "./deflated.js";
import { type Judged, luckOf, rankCorrelation, ranked, type WalkForward, walkForward } from "./judge.js";
import { type Metrics, pool, sharpePerDay } from "./metrics.js";
import type { SweepOptions, SweepResult } from "./run-sweep.js";
import type { Params } from "./space.js";

/** What `sweep.json` holds. */
export interface SweepReport {
  readonly objective: string;
  readonly constraints: readonly string[];
  readonly search: string;
  readonly seed: number;
  readonly code: string;
  readonly tapes: readonly { readonly sha256: string; readonly bytes: number; readonly name: string }[];
  readonly space: SweepOptions["space"];
  readonly plan: SweepOptions["plan"];
  /** Candidates with values of their own: each is a trial that luck could have favoured. */
  readonly trials: number;
  readonly winner: number | null;
  readonly winnerParams: Params | null;
  /** The result: time that no choice has seen. Null without a hold-out. */
  readonly holdout: {
    readonly objective: number;
    readonly metrics: Metrics;
    readonly unchanged: { readonly objective: number; readonly metrics: Metrics } | null;
  } | null;
  readonly walkForward: WalkForward | null;
  readonly rankCorrelation: number | null;
  readonly luck: DeflatedSharpe | null;
  /** Best first. In-sample figures are for comparison with the others, not for belief. */
  readonly candidates: readonly Judged[];
}

export function reportOf(o: SweepOptions, names: readonly string[], result: SweepResult): SweepReport {
  const { winner, holdout, candidates } = result;
  const objective = o.objective.of;
  return {
    objective: o.objective.text,
    constraints: o.constraints.map((c) => c.text),
    search: o.search,
    seed: o.seed,
    code: o.code,
    tapes: o.tapes.map((t, i) => ({ ...t, name: names[i] ?? "" })),
    space: o.space,
    plan: o.plan,
    trials: candidates.length - 1,
    winner: winner?.id ?? null,
    winnerParams: winner?.params ?? null,
    holdout:
      holdout === undefined
        ? null
        : {
            objective: objective(holdout.winner),
            metrics: holdout.winner,
            unchanged:
              holdout.base === undefined
                ? null
                : { objective: objective(holdout.base), metrics: holdout.base },
          },
    walkForward: walkForward(candidates) ?? null,
    rankCorrelation: rankCorrelation(candidates) ?? null,
    luck: (winner === undefined ? undefined : luckOf(winner, candidates)) ?? null,
    candidates: ranked(candidates),
  };
}

/** NaN and infinities have no JSON. */
export const toJson = (report: SweepReport): string =>
  `${JSON.stringify(report, (_, v: unknown) => (typeof v === "number" && !Number.isFinite(v) ? null : v), 2)}\n`;

export function toCsv(report: SweepReport): string {
  const folds = report.plan.folds.map((_, k) => k + 1);
  const keys = report.space.map((p) => p.key);
  const header = [
    "rank",
    "id",
    "is_winner",
    "is_shortlisted",
    ...keys,
    "in_sample_mean",
    "out_of_sample_median",
    ...folds.map((k) => `in_sample_${k}`),
    ...folds.map((k) => `out_of_sample_${k}`),
    "violation",
    ...["train", "test"].flatMap((p) => [
      `${p}_net_pnl_usd`,
      `${p}_fills`,
      `${p}_max_drawdown_usd`,
      `${p}_fees_usd`,
      `${p}_volume_usd`,
      `${p}_sharpe_per_day`,
    ]),
    "error",
  ];
  const money = (parts: readonly Metrics[]): (string | number)[] => {
    if (parts.length === 0) return ["", "", "", "", "", ""];
    const m = pool(parts);
    return [m.netPnlUsd, m.fills, m.maxDrawdownUsd, m.feesUsd, m.volumeUsd, sharpePerDay(m.changes)];
  };
  const rows = report.candidates.map((c, i) => [
    i + 1,
    c.id,
    c.id === report.winner,
    c.isShortlisted,
    ...keys.map((k) => c.params[k] ?? ""),
    c.inSampleMean,
    c.outOfSampleMedian,
    ...folds.map((_, k) => c.inSample[k] ?? ""),
    ...folds.map((_, k) => c.outOfSample[k] ?? ""),
    c.violation,
    ...money(c.train),
    ...money(c.test),
    c.error ?? "",
  ]);
  return `${[header, ...rows].map((row) => row.map(cell).join(",")).join("\n")}\n`;
}

function cell(value: string | number | boolean): string {
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : "";
  const text = String(value);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const ROWS = 12;
const n4 = (x: number): string => (Number.isFinite(x) ? String(Number(x.toPrecision(4))) : "–");
const usd = (x: number): string => `${x < 0 ? "-" : ""}$${Math.abs(x).toFixed(2)}`;
const percent = (x: number): string => `${Math.round(x * 100)} %`;

/** For a terminal. */
export function toTable(r: SweepReport): string {
  const short = shortNames(r.space.map((p) => p.key));
  const head = ["rank", "id", ...short, "out of sample", "by fold", "fills", "drawdown", "in sample*"];
  const rows = r.candidates.slice(0, ROWS).map((c, i) => {
    const test = pool(c.test);
    return [
      `${i + 1}${c.isShortlisted ? "" : "-"}`,
      c.id === 0 ? "0 (now)" : String(c.id),
      ...r.space.map((p) => (p.key in c.params ? String(c.params[p.key]) : "·")),
      c.error === undefined ? n4(c.outOfSampleMedian) : "cannot trade",
      c.outOfSample.map(n4).join(" "),
      String(test.fills),
      usd(test.maxDrawdownUsd),
      n4(c.inSampleMean),
    ];
  });
  const widths = head.map((h, i) => Math.max(h.length, ...rows.map((row) => row[i]!.length)));
  const line = (row: readonly string[]): string =>
    row.map((text, i) => (i < 1 ? text.padEnd(widths[i]!) : text.padStart(widths[i]!))).join("  ");
  const hidden = r.candidates.length - rows.length;
  return [
    `${r.trials} candidates and the unchanged configuration, ${r.search}, ${r.plan.folds.length} folds, objective ${r.objective} (money per hour)` +
      (r.constraints.length > 0 ? `, ${r.constraints.join(", ")}` : ""),
    line(head),
    ...rows.map(line),
    ...(hidden > 0 ? [`… and ${hidden} more in the CSV`] : []),
    "  rank with -: not among the best of training time, or breaks a constraint.  * not a result: chosen on it.",
    "",
    ...verdict(r),
    "",
  ].join("\n");
}

function verdict(r: SweepReport): string[] {
  const lines: [string, string][] = [];
  const { winner, holdout, walkForward: wf, luck } = r;
  if (winner === null) return ["no candidate trades and keeps the constraints: no winner"];
  const values = Object.entries(r.winnerParams ?? {});
  lines.push([
    "winner",
    values.length === 0
      ? "the unchanged configuration"
      : `${winner}: ${values.map(([k, v]) => `${k} = ${JSON.stringify(v)}`).join(", ")}`,
  ]);
  const figures = (m: Metrics, objective: number): string =>
    `${usd(m.netPnlUsd)} net in ${m.hours.toFixed(2)} h, ${m.fills} fills, drawdown ${usd(m.maxDrawdownUsd)}, objective ${n4(objective)}`;
  if (holdout === null) {
    lines.push([
      "result",
      "no hold-out: the out-of-sample figures above have been used to choose, and flatter the winner",
    ]);
  } else {
    lines.push(["result", `hold-out, seen by no choice: ${figures(holdout.metrics, holdout.objective)}`]);
    if (values.length > 0 && holdout.unchanged !== null)
      lines.push([
        "",
        `unchanged configuration: ${figures(holdout.unchanged.metrics, holdout.unchanged.objective)}`,
      ]);
  }
  if (wf !== null)
    lines.push([
      "walk-forward",
      `the best of the past, fold by fold: ${usd(wf.metrics.netPnlUsd)} net on ${wf.metrics.hours.toFixed(2)} h of unseen time, better than ` +
        `${wf.steps.map((s) => percent(s.percentile)).join(", ")} of all (50 % is chance)`,
    ]);
  if (r.rankCorrelation !== null)
    lines.push(["in/out of sample", `rank correlation ${r.rankCorrelation.toFixed(2)} over the candidates`]);
  if (luck !== null)
    lines.push([
      "luck",
      `out-of-sample Sharpe ${luck.sharpePerDay.toFixed(2)} per √day; the best of ${luck.trials} without skill would show ` +
        `${luck.expectedMaxPerDay.toFixed(2)}; probability that it is more than that ${percent(luck.probability)}`,
    ]);
  return lines.map(([name, text]) => `${name.padEnd(17)} ${text}`);
}

/** The last words of the keys, or the keys where those are not distinct. */
function shortNames(keys: readonly string[]): string[] {
  const last = keys.map((k) => k.slice(k.lastIndexOf(".") + 1));
  return last.map((name, i) => (last.indexOf(name) === last.lastIndexOf(name) ? name : keys[i]!));
}
