/** store/tape/tools: what is done with tape files as a whole: look, check, cut, join, export. All stream. */
export { type CutOptions, cutTape } from "./cut.js";
export { type ExportedTable, type ExportOptions, exportTape } from "./export.js";
export { type TapeInfo, tapeInfo } from "./info.js";
export { type MergeOptions, mergeTapes } from "./merge.js";
export { type VerifyReport, verifyTape } from "./verify.js";
