import type { BacktestSeries } from "../series.js";
import type { BacktestSummary } from "../summary.js";

/** `warn`: nothing is proven either way, or the figures deserve a look; `none`: could not be tested, and why. */
export type BadgeStatus = "pass" | "warn" | "fail" | "none";

/** One claim about a run that was put to the test, with the figures that decided. */
export interface Badge {
  readonly id: string;
  readonly label: string;
  readonly status: BadgeStatus;
  /** One sentence: what was compared and what came out. */
  readonly detail: string;
  readonly figures: readonly { readonly name: string; readonly value: string }[];
}

/** A run as a report shows it. */
export interface ReportInput {
  readonly name: string;
  readonly summary: BacktestSummary;
  readonly series: BacktestSeries;
  readonly badges: readonly Badge[];
  /** The configuration as run; whatever looks like a secret is left out when it is written or shown. */
  readonly config?: unknown;
}

const SECRET = /private_?key|secret|password|mnemonic|seed_?phrase|token|keystore/i;

/** A copy without secrets. `password_file` and `keystore` are paths, and go too: they say where a key lies. */
export function withoutSecrets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSecrets);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !SECRET.test(key))
      .map(([key, child]) => [key, withoutSecrets(child)]),
  );
}
