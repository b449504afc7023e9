/**
 * store: what is kept on disk. Recorded markets (`openTape`, see `tape/`), the append-only journal of a run (`JournalWriter`,
 * `JournalReader`), and the data folder with its locks and checkpoints (`openDataDir`).
 *
 * Invariants: a tape's numbers are exact and what it leaves out is counted; a journal never blocks its thread, never grows
 * without bound, and reads back to the last whole record whatever killed the writer; a checkpoint is old or new, never
 * half; one data folder never holds two makers of the same network, account and asset.
 *
 * Imports domain and abi only. Ambient time stays outside: times are arguments.
 */
export {
  IntakeNote,
  JournalError,
  JournalKind,
  type JournalOptions,
  type JournalStats,
  JournalStream,
  JournalWriter,
  NO_BYTES,
} from "./journal.js";
export {
  type JournalFiles,
  type JournalHeader,
  JournalReader,
  type JournalRecord,
  type JournalReport,
  listJournals,
  pruneRuns,
} from "./journal-reader.js";
export { type JournalTap, journalTap } from "./journal-tap.js";
export {
  type KernelPass,
  packed,
  passBytes,
  readPasses,
  readTurns,
  type Turn,
  TurnEntry,
  TurnKind,
  TurnWriter,
  unpacked,
} from "./journal-turns.js";
export {
  DataDir,
  DataDirError,
  type DataDirErrorCode,
  type Lock,
  type LockKey,
  openDataDir,
} from "./locks.js";
export { findRunJournal, isRunJournal, type RunJournal } from "./run-journal.js";
export {
  type BlockInfo,
  FILE_EXTENSION,
  RecordCursor,
  type TapeBlock,
  TapeFileReader,
  TapeFileWriter,
  type TapeInstrument,
  type TapeMeta,
  type TapeWriterOptions,
  type TapeWriterStats,
  type WriteAt,
} from "./tape/file/index.js";
export {
  type ConvertOptions,
  type ConvertResult,
  convertToTape,
  filesOf,
  formatNames,
  type GridChoice,
  openTape,
  type ProblemReport,
  problemNotes,
  type Tape,
  TapeError,
  type TapeErrorCode,
  type TapeEvent,
  type TapeOptions,
  type TapeSource,
  type TapeStats,
} from "./tape/index.js";
export {
  assetOfRecord,
  type RecorderOptions,
  type RecorderStats,
  type RecordViews,
  recvOffset,
  TapeRecorder,
} from "./tape/recorder.js";
