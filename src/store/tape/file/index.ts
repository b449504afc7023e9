/** store/tape/file: tapes as files. `TapeFileWriter` appends, `TapeFileReader` streams; the bytes are described in format.ts. */
export {
  type BlockInfo,
  FILE_EXTENSION,
  type TapeInstrument,
  type TapeMeta,
} from "./format.js";
export { RecordCursor, type TapeBlock, TapeFileReader } from "./reader.js";
export type { BlockMemory } from "./scan.js";
export { TapeFileWriter, type TapeWriterOptions, type TapeWriterStats, type WriteAt } from "./writer.js";
