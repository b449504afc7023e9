import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type MonitorName,
  RiskAggregator,
  type RiskState,
  riskLimits,
  Severity,
} from "../../src/risk/index.js";

const LIMITS = riskLimits({ maxPosLots: 100 });

const CALM: RiskState = {
  sessionPnlUsd: 0,
  equityUsd: 10_000,
  peakEquityUsd: 10_000,
  posLots: 0,
  positionValueUsd: 0,
  dataAgeS: 0.1,
  hasQuoted: true,
  rateLimitErrors: 0,
  rejects: 0,
};

interface Row {
  readonly state: Partial<RiskState>;
  readonly severity: Severity;
  readonly monitor?: MonitorName;
}

const ROWS: readonly Row[] = [
  { state: {}, severity: Severity.None },
  { state: { sessionPnlUsd: -249 }, severity: Severity.None },
  { state: { sessionPnlUsd: -250 }, severity: Severity.Widen, monitor: "loss" },
  { state: { sessionPnlUsd: -500 }, severity: Severity.Kill, monitor: "loss" },
  { state: { sessionPnlUsd: 5000 }, severity: Severity.None },
  // 400 of a peak profit of 500 is 80 % of the profit, but 3.8 % of the account: no kill.
  { state: { peakEquityUsd: 10_500, equityUsd: 10_100 }, severity: Severity.Widen, monitor: "drawdown" },
  { state: { peakEquityUsd: 10_500, equityUsd: 9_975 }, severity: Severity.Kill, monitor: "drawdown" },
  { state: { posLots: 100 }, severity: Severity.None },
  { state: { posLots: -101 }, severity: Severity.ReduceOnly, monitor: "position-size" },
  { state: { positionValueUsd: 10_001 }, severity: Severity.ReduceOnly, monitor: "position-value" },
  { state: { positionValueUsd: 12_001 }, severity: Severity.Kill, monitor: "position-value" },
  { state: { dataAgeS: 3.1 }, severity: Severity.Pull, monitor: "staleness" },
  { state: { dataAgeS: 5.1 }, severity: Severity.Kill, monitor: "staleness" },
  { state: { dataAgeS: 60, hasQuoted: false }, severity: Severity.Pull, monitor: "staleness" },
  { state: { dataAgeS: Number.NaN, hasQuoted: false }, severity: Severity.None },
  { state: { rateLimitErrors: 5 }, severity: Severity.Widen, monitor: "rate-limit" },
  { state: { rateLimitErrors: 10 }, severity: Severity.Kill, monitor: "rate-limit" },
  { state: { rejects: 30 }, severity: Severity.Pull, monitor: "rejects" },
  { state: { rejects: 30, sessionPnlUsd: -600 }, severity: Severity.Kill, monitor: "loss" },
];

describe("risk aggregator", () => {
  test.each(ROWS)("$state → severity $severity by $monitor", ({ state, severity, monitor }) => {
    const worst = new RiskAggregator(LIMITS).evaluate({ ...CALM, ...state });
    expect(worst.severity).toBe(severity);
    if (monitor) expect(worst).toMatchObject({ monitor });
    expect(worst.reason === "").toBe(severity === Severity.None);
  });

  test("a finding names its value and its limit", () => {
    const worst = new RiskAggregator(LIMITS).evaluate({ ...CALM, sessionPnlUsd: -612.5 });
    expect(worst).toMatchObject({ value: 612.5, limit: 500, reason: "session loss 612.50 of 500 USD" });
  });

  test("law: severity never falls when a quantity worsens", () => {
    const worse = fc.constantFrom<keyof RiskState>(
      "sessionPnlUsd",
      "equityUsd",
      "posLots",
      "positionValueUsd",
      "dataAgeS",
      "rateLimitErrors",
      "rejects",
    );
    fc.assert(
      fc.property(
        worse,
        fc.double({ min: 0, max: 2e4, noNaN: true }),
        fc.double({ min: 0, max: 2e4, noNaN: true }),
        (key, a, b) => {
          const sign = key === "sessionPnlUsd" || key === "equityUsd" ? -1 : 1;
          const from = key === "equityUsd" ? 10_000 : 0;
          const at = (x: number): Severity =>
            new RiskAggregator(LIMITS).evaluate({ ...CALM, [key]: from + sign * x }).severity;
          expect(at(Math.max(a, b))).toBeGreaterThanOrEqual(at(Math.min(a, b)));
        },
      ),
      { seed: 5, numRuns: 500 },
    );
  });
});
