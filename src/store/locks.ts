import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { hostname } from "node:os";
import { dirname, join, resolve } from "node:path";

export type DataDirErrorCode = "cannot_create" | "not_writable" | "locked" | "bad_name";

/** A data folder that cannot be used: one line saying what, where and what to do. */
export class DataDirError extends Error {
  override readonly name = "DataDirError";

  constructor(
    readonly code: DataDirErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** What one maker excludes all others from. */
export interface LockKey {
  readonly network: string;
  /** The account's public address. */
  readonly account: string;
  readonly asset: string;
}

export interface Lock {
  readonly file: string;
  /** Set when the lock of a dead process was taken over; worth a line in the log. */
  readonly note: string | undefined;
  /** Idempotent. */
  release(): void;
}

/** Who holds a lock. Start and boot tell a living process from another one that got its number later. */
interface Holder {
  readonly pid: number;
  readonly host: string;
  /** Start of the process in clock ticks since boot, "" where the system does not say. */
  readonly start: string;
  readonly boot: string;
  readonly sinceMs: number;
}

/**
 * Creates the folder if needed and proves that it can be written to.
 * @throws {DataDirError} `cannot_create`, `not_writable`.
 * Thread: main, at start.
 */
export function openDataDir(path: string): DataDir {
  const root = resolve(path);
  for (const dir of [root, join(root, "journal"), join(root, "locks"), join(root, "checkpoints")]) {
    try {
      makeFolders(dir);
    } catch (cause) {
      throw new DataDirError(
        "cannot_create",
        `data folder ${dir}: cannot be created (${code(cause)}); choose another one with --data-dir`,
        { cause },
      );
    }
  }
  const probe = join(root, "locks", `probe.${process.pid}`);
  try {
    writeFileSync(probe, "");
    unlinkSync(probe);
  } catch (cause) {
    throw new DataDirError(
      "not_writable",
      `data folder ${root}: not writable (${code(cause)}); give this user the right or choose another one with --data-dir`,
      { cause },
    );
  }
  for (const dir of ["locks", "checkpoints"]) removeDrafts(join(root, dir));
  return new DataDir(root);
}

/** Folder by folder: the recursive form of Node 20 does not return where a parent refuses children (/proc). */
function makeFolders(dir: string): void {
  if (existsSync(dir)) return;
  makeFolders(dirname(dir));
  mkdirSync(dir, { mode: 0o700 });
}

/** Drafts of processes killed while writing. */
function removeDrafts(dir: string): void {
  for (const name of readdirSync(dir)) {
    const pid = /\.(\d+)\.new$/.exec(name)?.[1];
    if (pid !== undefined && Number(pid) !== process.pid && !exists(Number(pid)))
      removeQuietly(join(dir, name));
  }
}

/** The folder of a maker's journal, checkpoints and locks. Blocking file calls: for the start and for cold ticks. */
export class DataDir {
  readonly journalDir: string;

  constructor(readonly path: string) {
    this.journalDir = join(path, "journal");
  }

  /**
   * Takes the exclusive lock of a network, account and asset. The lock of a process that no longer lives is taken over.
   * It excludes makers with the same data folder only; two folders on one host, or two hosts, do not see each other.
   * @param nowMs Wall clock, ms since the epoch, for the message to others.
   * @throws {DataDirError} `locked` When a living process (or one that cannot be judged from here) holds it.
   */
  lock(key: LockKey, nowMs: number): Lock {
    const name = [key.network, key.account.toLowerCase(), key.asset].map(encodeURIComponent).join(".");
    const file = join(this.path, "locks", `${name}.lock`);
    const what = `${key.asset} of ${key.account} on ${key.network}`;
    const own: Holder = {
      pid: process.pid,
      host: hostname(),
      start: startOf("self"),
      boot: bootId(),
      sinceMs: nowMs,
    };
    if (createExclusive(file, JSON.stringify(own))) return new FileLock(file, own, undefined);

    // The guard makes judging and replacing one step: without it, two starters could both remove the dead lock, and the
    // slower one would remove the faster one's new lock.
    const guard = `${file}.takeover`;
    if (!createExclusive(guard, JSON.stringify(own))) {
      const other = readHolder(guard);
      if (other !== undefined && !isAlive(other)) removeQuietly(guard);
      throw new DataDirError("locked", `${what}: another process is taking the lock ${file}; start again`);
    }
    try {
      const holder = readHolder(file);
      if (holder !== undefined && isAlive(holder))
        throw new DataDirError("locked", heldBy(what, file, holder));
      removeQuietly(file);
      if (!createExclusive(file, JSON.stringify(own)))
        throw new DataDirError("locked", `${what}: another process took the lock ${file} just now`);
      const dead = holder === undefined ? "an unreadable lock" : `the lock of dead process ${holder.pid}`;
      return new FileLock(
        file,
        own,
        `took over ${dead} on ${what}: the earlier run was not stopped in order`,
      );
    } finally {
      removeQuietly(guard);
    }
  }

  /**
   * Replaces a checkpoint as a whole: whoever reads sees the old text or the new one.
   * @param name Letters, digits, dots and hyphens.
   * @throws {DataDirError} `bad_name`; errors of the file system pass through.
   */
  writeCheckpoint(name: string, text: string): void {
    const file = this.checkpointFile(name);
    const draft = `${file}.${process.pid}.new`;
    const fd = openSync(draft, "w", 0o600);
    try {
      writeSync(fd, text);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(draft, file);
    syncFolder(join(this.path, "checkpoints"));
  }

  /** @returns undefined when there is none. */
  readCheckpoint(name: string): string | undefined {
    const file = this.checkpointFile(name);
    try {
      return readFileSync(file, "utf8");
    } catch (cause) {
      if (code(cause) === "ENOENT") return undefined;
      throw cause;
    }
  }

  private checkpointFile(name: string): string {
    if (!/^[A-Za-z0-9][A-Za-z0-9.-]{0,120}$/.test(name))
      throw new DataDirError(
        "bad_name",
        `checkpoint name "${name}" is not letters, digits, dots and hyphens`,
      );
    return join(this.path, "checkpoints", name);
  }
}

class FileLock implements Lock {
  private isHeld = true;

  constructor(
    readonly file: string,
    private readonly own: Holder,
    readonly note: string | undefined,
  ) {}

  release(): void {
    if (!this.isHeld) return;
    this.isHeld = false;
    // Someone may have removed the file by hand and another maker taken the lock: that one is not ours to remove.
    const holder = readHolder(this.file);
    if (
      holder?.pid === this.own.pid &&
      holder.start === this.own.start &&
      holder.sinceMs === this.own.sinceMs
    )
      removeQuietly(this.file);
  }
}

/**
 * False when the file exists. The file appears with its text in it (a link to a finished draft): an empty one would look
 * like a crash to whoever reads between creation and writing.
 */
function createExclusive(file: string, text: string): boolean {
  const draft = `${file}.${process.pid}.new`;
  writeFileSync(draft, text, { mode: 0o600 });
  try {
    linkSync(draft, file);
    return true;
  } catch (cause) {
    if (code(cause) === "EEXIST") return false;
    throw new DataDirError(
      "not_writable",
      `${file}: cannot be created (${code(cause)}); the data folder needs a file system with hard links`,
      { cause },
    );
  } finally {
    removeQuietly(draft);
  }
}

function readHolder(file: string): Holder | undefined {
  try {
    const holder = JSON.parse(readFileSync(file, "utf8")) as Partial<Holder> | null;
    if (holder === null || !Number.isSafeInteger(holder.pid)) return undefined;
    return {
      pid: holder.pid!,
      host: String(holder.host),
      start: String(holder.start),
      boot: String(holder.boot),
      sinceMs: Number(holder.sinceMs),
    };
  } catch {
    return undefined; // gone, or damaged: whoever wrote it wrote it whole, so nobody living stands behind it
  }
}

function isAlive(holder: Holder): boolean {
  // Another host's processes cannot be seen from here: believe the lock.
  if (holder.host !== hostname()) return true;
  if (holder.boot !== "" && bootId() !== "" && holder.boot !== bootId()) return false;
  if (!exists(holder.pid)) return false;
  const start = startOf(String(holder.pid));
  return start === "" || holder.start === "" || start === holder.start;
}

/** A process that may not be signalled exists too. */
function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    return code(cause) !== "ESRCH";
  }
}

function heldBy(what: string, file: string, holder: Holder): string {
  const since = Number.isFinite(holder.sinceMs) ? ` since ${new Date(holder.sinceMs).toISOString()}` : "";
  const isHere = holder.host === hostname();
  return isHere
    ? `${what}: already traded by process ${holder.pid}${since}; stop it first or use another --data-dir`
    : `${what}: locked by process ${holder.pid} on host ${holder.host}${since}; if it is gone, delete ${file}`;
}

/** Field 22 of /proc/<pid>/stat; the name in field 2 may hold spaces, so count from its closing bracket. */
function startOf(pid: string): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}

function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    return "";
  }
}

function removeQuietly(file: string): void {
  try {
    unlinkSync(file);
  } catch {
    // gone already
  }
}

function syncFolder(dir: string): void {
  try {
    const fd = openSync(dir, "r");
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch {
    // not every system can sync a folder; the rename itself is atomic
  }
}

const code = (cause: unknown): string =>
  (cause as NodeJS.ErrnoException).code ?? (cause instanceof Error ? cause.message : String(cause));
