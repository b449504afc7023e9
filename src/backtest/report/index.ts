/**
 * report: what a person looks at after a run. `renderReport` makes one self-contained HTML file of one run or several,
 * `saveRun` and `loadRun` keep a run for later. Pure functions of a run's summary and series: nothing here decides anything.
 */
export { type Badge, type BadgeStatus, type ReportInput, withoutSecrets } from "./input.js";
export { renderReport, writeReport } from "./render.js";
export { loadRun, SavedRunError, saveRun } from "./saved-run.js";
