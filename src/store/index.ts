/**
 * store: what is kept on disk. Tapes of recorded markets (`TapeRecorder`, `TapeFileReader`), the append-only journal of a run
 * (`JournalWriter`, `JournalReader`), and the data folder with its locks and checkpoints (`openDataDir`). What reads other
 * programs' recordings has an index of its own (`tape/`), for a run needs none of it.
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
export { TapeError, type TapeErrorCode } from "./tape/errors.js";
export {
  type BlockInfo,
  type BlockMemory,
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
  assetOfRecord,
  type RecorderOptions,
  type RecorderStats,
  type RecordViews,
  recvOffset,
  TapeRecorder,
} from "./tape/recorder.js";
