/**
 * store/tape: recorded markets as one stream of events on the venue's grid. Entry point: `openTape`. Invariants: receive time
 * never decreases, no level crosses, numbers come from the recorded decimals by integer arithmetic, and every line that is
 * not used is counted.
 */

export {
  type ConvertOptions,
  type ConvertResult,
  convertToTape,
  filesOf,
  formatNames,
  type GridChoice,
  type ProblemReport,
  problemNotes,
} from "./convert/index.js";
export { TapeError, type TapeErrorCode } from "./errors.js";
export { openTape, type Tape, type TapeEvent, type TapeOptions, type TapeSource } from "./source.js";
export type { TapeStats } from "./stats.js";
