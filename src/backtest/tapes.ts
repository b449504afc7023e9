import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { journalToTape } from "../engine/journal-tape.js";
import { FILE_EXTENSION, findRunJournal, isRunJournal } from "../store/index.js";
import { convertToTape, problemNotes } from "../store/tape/index.js";

/** Tape files that follow each other, and what made for the occasion has to go afterwards. */
export interface TapeSet {
  readonly paths: readonly string[];
  /** For people: what was converted. */
  readonly notes: readonly string[];
  /** Removes what was made for the occasion. */
  dispose(): void;
}

/**
 * Finds the tape files behind what a user names: a file, several, a folder of them; a capture of another format, or a run's
 * journal, is converted into the temporary folder first.
 * @throws {TapeError} {JournalError}
 */
export async function findTapes(
  names: readonly string[],
  coin: string | undefined,
  onProgress?: (share: number) => void,
): Promise<TapeSet> {
  const paths: string[] = [];
  const notes: string[] = [];
  const made: string[] = [];
  for (const name of names) {
    const own = ownFormat(name);
    if (own.length > 0) {
      paths.push(...own);
      continue;
    }
    const dir = mkdtempSync(join(tmpdir(), "mm-tape-"));
    made.push(dir);
    const path = join(dir, `${basename(name)}${FILE_EXTENSION}`);
    notes.push(isRunJournal(name) ? fromJournal(name, path) : await convert(name, coin, path, onProgress));
    paths.push(path);
  }
  return {
    paths,
    notes,
    dispose: () => {
      for (const dir of made) rmSync(dir, { recursive: true, force: true });
    },
  };
}

function ownFormat(name: string): string[] {
  const info = statSync(name, { throwIfNoEntry: false });
  if (info?.isFile() === true && name.endsWith(FILE_EXTENSION)) return [name];
  if (info?.isDirectory() !== true) return [];
  return readdirSync(name)
    .filter((file) => file.endsWith(FILE_EXTENSION))
    .sort()
    .map((file) => join(name, file));
}

function fromJournal(name: string, path: string): string {
  const { records, notes } = journalToTape(findRunJournal(name), path);
  return `${name}: a run's journal, ${records} records${notes.map((n) => `; ${n}`).join("")}`;
}

async function convert(
  name: string,
  coin: string | undefined,
  path: string,
  onProgress: ((share: number) => void) | undefined,
): Promise<string> {
  const { stats, meta, report, formats } = await convertToTape({
    inputs: [name],
    out: path,
    codec: "none",
    ...(coin === undefined ? {} : { coins: [coin] }),
    ...(onProgress === undefined ? {} : { onProgress }),
  });
  const notes = problemNotes(report);
  const grids = meta.instruments.map((i) => `${i.coin} ${i.pxDecimals}/${i.szDecimals} decimals`);
  return `${name}: ${formats.join(", ")}, ${stats.records} records, ${grids.join(", ")}${notes.map((n) => `; ${n}`).join("")}`;
}
