import type { RiskLimits } from "./limits.js";
import { type Finding, MONITORS, type RiskState, Severity } from "./monitors.js";

/**
 * Asks every monitor and lets the worst word win; ties go to the earlier monitor of `MONITORS`.
 * One per asset. Thread: main. Allocates: only the reason texts of findings that are not `None`.
 */
export class RiskAggregator {
  readonly findings: readonly Finding[] = MONITORS.map(([monitor]) => ({
    monitor,
    severity: Severity.None as Severity,
    reason: "",
    value: 0,
    limit: 0,
  }));

  constructor(readonly limits: RiskLimits) {}

  /** @returns the worst finding, valid until the next call. */
  evaluate(state: RiskState): Finding {
    let worst = this.findings[0]!;
    for (let i = 0; i < MONITORS.length; i++) {
      const finding = this.findings[i]!;
      MONITORS[i]![1](state, this.limits, finding);
      if (finding.severity > worst.severity) worst = finding;
    }
    return worst;
  }
}
