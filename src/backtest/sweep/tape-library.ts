/**
 * Tapes by what is in them: a sweep names its tapes by digest, and each machine finds them in its own folder.
 */
import { createHash } from "node:crypto";
import { createReadStream, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { FILE_EXTENSION, TapeError, TapeFileReader } from "../../store/index.js";
import type { TapeDigest } from "./evaluation.js";
import type { Part } from "./folds.js";

export async function digestOf(path: string): Promise<TapeDigest> {
  const hash = createHash("sha256");
  let bytes = 0;
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
      hash.update(chunk as Buffer);
      bytes += (chunk as Buffer).length;
    }
  } catch (cause) {
    throw new TapeError("no_such_file", `${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
  return { sha256: hash.digest("hex"), bytes };
}

/** Receive times of the first and the last record, whole ms since the epoch. @throws {TapeError} */
export function spanOf(paths: readonly string[]): Part {
  let fromMs = Number.POSITIVE_INFINITY;
  let toMs = Number.NEGATIVE_INFINITY;
  for (const path of paths) {
    const reader = new TapeFileReader(path);
    try {
      const baseMs = Number(BigInt(reader.meta.baseWallNs) / 1_000_000n);
      if (reader.span === undefined) continue;
      fromMs = Math.min(fromMs, baseMs + Math.floor(reader.span[0] / 1e6));
      toMs = Math.max(toMs, baseMs + Math.ceil(reader.span[1] / 1e6));
    } finally {
      reader.close();
    }
  }
  if (!(fromMs < toMs)) throw new TapeError("unreadable", `${paths.join(", ")}: no records`);
  return { fromMs, toMs };
}

/** The tape files below a folder. Files are read only when one of their size is asked for, and once. */
export class TapeLibrary {
  /** By path, size and time of change. */
  private readonly digests = new Map<string, string>();

  /** @throws {TapeError} `no_such_file` when there is no such folder. */
  constructor(readonly dir: string) {
    if (statSync(dir, { throwIfNoEntry: false })?.isDirectory() !== true)
      throw new TapeError(
        "no_such_file",
        `${dir} is no folder: name the one that holds the tapes by --tapes`,
      );
  }

  /** @returns undefined when the folder does not hold it (yet). */
  async find(wanted: TapeDigest): Promise<string | undefined> {
    for (const name of readdirSync(this.dir, { recursive: true, encoding: "utf8" }).sort()) {
      if (!name.endsWith(FILE_EXTENSION)) continue;
      const path = join(this.dir, name);
      const info = statSync(path, { throwIfNoEntry: false });
      if (info?.isFile() !== true || info.size !== wanted.bytes) continue;
      const file = `${path} ${info.size} ${info.mtimeMs}`;
      const known = this.digests.get(file) ?? (await digestOf(path)).sha256;
      this.digests.set(file, known);
      if (known === wanted.sha256) return path;
    }
    return undefined;
  }
}
