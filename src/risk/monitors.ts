import type { RiskLimits } from "./limits.js";

/** Graded defence: each step contains the ones before it. Higher is worse. */
export const Severity = { None: 0, Widen: 1, ReduceOnly: 2, Pull: 3, Kill: 4 } as const;
export type Severity = (typeof Severity)[keyof typeof Severity];
export const severityName = (s: Severity): string => ["none", "widen", "reduce-only", "pull", "kill"][s]!;

export type MonitorName =
  | "loss"
  | "drawdown"
  | "position-value"
  | "position-size"
  | "staleness"
  | "rate-limit"
  | "rejects";

/** One monitor's word. Mutated in place by its monitor: read it before the next evaluation. */
export interface Finding {
  readonly monitor: MonitorName;
  severity: Severity;
  /** One line for the log; empty when the severity is none. */
  reason: string;
  /** The measured quantity and the limit it is held against, same unit. */
  value: number;
  limit: number;
}

/** What the monitors look at, for one asset and its account. */
export interface RiskState {
  /** Session profit: realised + unrealised − fees, all assets. */
  sessionPnlUsd: number;
  /** Account value now and its highest value of the session; 0 when not known yet. */
  equityUsd: number;
  peakEquityUsd: number;
  posLots: number;
  positionValueUsd: number;
  /** Age of the newest market data; NaN before the first. */
  dataAgeS: number;
  /** True once this asset has been quoted: before that, silence is a warm-up, not a danger. */
  hasQuoted: boolean;
  /** Counts inside the limits' windows. */
  rateLimitErrors: number;
  rejects: number;
}

/** From this share of a kill limit on, the log warns that the limit is near. */
const WARN_SHARE = 0.8;
/** From this share of the loss or drawdown limit on, the quotes widen. */
const WIDEN_SHARE = 0.5;

type Monitor = (state: RiskState, limits: RiskLimits, out: Finding) => void;

function set(out: Finding, severity: Severity, value: number, limit: number, text: string): void {
  out.severity = severity;
  out.value = value;
  out.limit = limit;
  out.reason = severity === Severity.None ? "" : text;
}

/** Grades a quantity that kills at `limit` and widens from half of it. */
function graded(out: Finding, value: number, limit: number, what: string, unit: string): void {
  const severity =
    value >= limit ? Severity.Kill : value >= limit * WIDEN_SHARE ? Severity.Widen : Severity.None;
  set(out, severity, value, limit, severity ? `${what} ${value.toFixed(2)} of ${limit} ${unit}` : "");
}

export const lossMonitor: Monitor = (s, l, out) =>
  graded(out, Math.max(0, -s.sessionPnlUsd), l.maxDailyLossUsd, "session loss", "USD");

/** Divides by the account value at its peak, never by the peak profit: a first small loss after a first small win is no 100 %. */
export const drawdownMonitor: Monitor = (s, l, out) => {
  const pct = s.peakEquityUsd > 0 ? (100 * (s.peakEquityUsd - s.equityUsd)) / s.peakEquityUsd : 0;
  graded(out, Math.max(0, pct), l.maxDrawdownPct, "drawdown", "% of account value");
};

export const positionValueMonitor: Monitor = (s, l, out) => {
  const v = s.positionValueUsd;
  const kill = l.maxPositionValueUsd * l.positionValueKillMult;
  const severity = v > kill ? Severity.Kill : v > l.maxPositionValueUsd ? Severity.ReduceOnly : Severity.None;
  const limit = severity === Severity.Kill ? kill : l.maxPositionValueUsd;
  set(out, severity, v, limit, severity ? `position value ${v.toFixed(2)} of ${limit} USD` : "");
};

export const positionSizeMonitor: Monitor = (s, l, out) => {
  const lots = Math.abs(s.posLots);
  const severity = lots > l.maxPosLots ? Severity.ReduceOnly : Severity.None;
  set(out, severity, lots, l.maxPosLots, severity ? `position ${lots} of ${l.maxPosLots} lots` : "");
};

export const stalenessMonitor: Monitor = (s, l, out) => {
  const age = s.dataAgeS;
  const severity =
    s.hasQuoted && age > l.staleDataS
      ? Severity.Kill
      : age > l.pullAfterStaleS
        ? Severity.Pull
        : Severity.None;
  const limit = severity === Severity.Pull ? l.pullAfterStaleS : l.staleDataS;
  set(out, severity, age, limit, severity ? `market data ${age.toFixed(1)} s old, limit ${limit} s` : "");
};

export const rateLimitMonitor: Monitor = (s, l, out) => {
  const n = s.rateLimitErrors;
  const severity =
    n >= l.maxRateLimitErrors
      ? Severity.Kill
      : n >= l.maxRateLimitErrors * WIDEN_SHARE
        ? Severity.Widen
        : Severity.None;
  set(
    out,
    severity,
    n,
    l.maxRateLimitErrors,
    severity ? `${n} of ${l.maxRateLimitErrors} rate-limit errors` : "",
  );
};

export const rejectsMonitor: Monitor = (s, l, out) => {
  const severity = s.rejects >= l.maxRejects ? Severity.Pull : Severity.None;
  const text = severity ? `${s.rejects} refused orders in ${l.rejectWindowS} s, limit ${l.maxRejects}` : "";
  set(out, severity, s.rejects, l.maxRejects, text);
};

export const MONITORS: readonly (readonly [MonitorName, Monitor])[] = [
  ["loss", lossMonitor],
  ["drawdown", drawdownMonitor],
  ["position-value", positionValueMonitor],
  ["position-size", positionSizeMonitor],
  ["staleness", stalenessMonitor],
  ["rate-limit", rateLimitMonitor],
  ["rejects", rejectsMonitor],
];

/** True when a kill limit is near: `Kill switch condition detected` belongs in the log. */
export function isNearKill(f: Finding): boolean {
  if (f.severity === Severity.Kill) return true;
  return f.monitor !== "position-size" && f.monitor !== "rejects" && f.value >= f.limit * WARN_SHARE;
}
