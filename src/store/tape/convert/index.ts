/**
 * store/tape/convert: recordings of any known format to tape files, streaming. Entry point: `convertToTape`. Invariants: numbers come from
 * the recorded decimals by integer arithmetic; a line that does not become a record is counted with its reason; broken times are refused
 * unless a repair is asked for, and each repair is told.
 */
export { type ConvertOptions, type ConvertResult, convertToTape } from "./convert.js";
export type { GridChoice } from "./markets.js";
export { filesOf, formatNames } from "./plan.js";
export { type ProblemReport, problemNotes } from "./problems.js";
