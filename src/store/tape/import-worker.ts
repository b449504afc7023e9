import { TapeError, type TapeErrorCode } from "./errors.js";
import { type ImportedTape, type ImportTask, importTape } from "./import-tape.js";

/** Errors come back as values: structured cloning would lose their class and code. */
export type ImportReply =
  | { readonly ok: true; readonly tape: ImportedTape }
  | { readonly ok: false; readonly code: TapeErrorCode; readonly message: string };

/**
 * Piscina task: reads a tape off the caller's thread. The columns are on shared memory, so the reply copies nothing large.
 * Thread: import worker.
 */
export default async function importOnWorker(task: ImportTask): Promise<ImportReply> {
  try {
    return { ok: true, tape: await importTape(task) };
  } catch (cause) {
    if (cause instanceof TapeError) return { ok: false, code: cause.code, message: cause.message };
    throw cause;
  }
}
