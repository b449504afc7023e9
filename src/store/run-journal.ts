import { existsSync, statSync } from "node:fs";
import { basename, dirname } from "node:path";
import { JournalError } from "./journal.js";
import { SEGMENT_FILE } from "./journal-format.js";
import { listJournals } from "./journal-reader.js";

/** The journals of one run. */
export interface RunJournal {
  readonly dir: string;
  readonly runId: string;
  /** Segments in order, by thread. */
  readonly threads: ReadonlyMap<string, readonly string[]>;
}

/** Whether a path is what `findRunJournal` takes: a segment, DIR/RUNID of a run that is there, or a folder with journals. */
export function isRunJournal(path: string): boolean {
  const info = statSync(path, { throwIfNoEntry: false });
  if (info?.isFile() === true) return SEGMENT_FILE.test(basename(path));
  const dir = info?.isDirectory() === true ? path : dirname(path);
  if (statSync(dir, { throwIfNoEntry: false })?.isDirectory() !== true) return false;
  const wanted = info === undefined ? basename(path) : undefined;
  return listJournals(dir).some((j) => wanted === undefined || j.runId === wanted);
}

/**
 * Finds a run's journals by what a person writes: DIR/RUNID, one of its files, or the folder for its newest run.
 * @throws {JournalError} `no_such_run` naming what there is.
 */
export function findRunJournal(path: string): RunJournal {
  const isFolder = existsSync(path) && statSync(path).isDirectory();
  const dir = isFolder ? path : dirname(path);
  const wanted = isFolder ? undefined : basename(path).split(".")[0]!;
  const found = existsSync(dir) ? listJournals(dir) : [];
  const runs = [...new Set(found.map((j) => j.runId))];
  const runId = wanted ?? newest(found);
  const threads = new Map(found.filter((j) => j.runId === runId).map((j) => [j.thread, j.files]));
  if (runId === undefined || threads.size === 0) {
    throw new JournalError(
      "no_such_run",
      runs.length === 0
        ? `${dir} holds no journal: give DIR/RUNID of a run with [engine] journal = true`
        : `${dir} holds no run ${wanted}: it has ${runs.slice(-5).join(", ")}`,
    );
  }
  return { dir, runId, threads };
}

function newest(found: ReturnType<typeof listJournals>): string | undefined {
  let best: string | undefined;
  let bestMs = Number.NEGATIVE_INFINITY;
  for (const { runId, files } of found) {
    const ms = Math.max(...files.map((f) => statSync(f).mtimeMs));
    if (ms <= bestMs) continue;
    bestMs = ms;
    best = runId;
  }
  return best;
}
