import { closeSync, fstatSync, mkdirSync, openSync, statSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { Writable } from "node:stream";

/** What a line of the multi-stream log is about: each has a file of its own beside the one with everything. */
export const LOG_STREAMS = ["market", "orders", "fills", "risk"] as const;
export type LogStream = (typeof LOG_STREAMS)[number];

/** Events by the words they begin with; the first match counts. What matches none is only in the file of everything. */
const STREAM_OF: readonly (readonly [RegExp, LogStream])[] = [
  [/^(feed\.|relay\.|Market data|Standby|Data staleness)/, "market"],
  [/^(Fill|Final position|Adverse selection|Isolated margin)/, "fills"],
  [
    /^(KILL|Kill switch|Risk|Reduce-only|Cascade|Open interest|Open-interest|Ended by the kill|The venue (cancelled|liquidated)|No watchdog|The watchdog|Watchdog|Dead man|No dead man|Nobody cancels)/,
    "risk",
  ],
  [
    /^(Calculated ladder|Quot|Not quoting|Order|Cancel|Place|Modif|Requote|Request|Audit|Private stream)/,
    "orders",
  ],
];

export function streamOf(event: string): LogStream | undefined {
  return STREAM_OF.find(([pattern]) => pattern.test(event))?.[1];
}

/** `mm_{network|dex}_{asset}_{YYYY-MM-DD}_{HH-MM-SS}` in local time (SOP §6.6). */
export function logName(id: string, asset: string, wallMs: number): string {
  const t = new Date(wallMs); // tidy-ok: formats a given time, reads no clock
  const two = (n: number): string => String(n).padStart(2, "0");
  const date = `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())}`;
  const time = `${two(t.getHours())}-${two(t.getMinutes())}-${two(t.getSeconds())}`;
  // Coins of a dex hold a colon, and several are separated by commas: neither belongs into a file name.
  const safe = asset.replace(/\s*,\s*/g, "+").replace(/[^A-Za-z0-9+@._-]/g, "-");
  return `mm_${id}_${safe}_${date}_${time}`;
}

/** Paths of one run's files: everything under the manual's name, then one file a stream. */
export function streamPaths(dir: string, name: string): { all: string; streams: Record<LogStream, string> } {
  return {
    all: join(dir, `${name}.log`),
    streams: Object.fromEntries(
      LOG_STREAMS.map((stream) => [stream, join(dir, `${name}.${stream}.log`)]),
    ) as Record<LogStream, string>,
  };
}

/**
 * A log file that is only ever appended to, each line with one write, and that follows its name: when a rotation renames or
 * removes it, `follow` opens a new one. Two processes may append to one file. A full disk costs the log, not the quotes.
 */
export class LogFile extends Writable {
  private fd: number;
  private isTold = false;

  /** @throws {Error} When the file cannot be opened. */
  constructor(
    private readonly path: string,
    private readonly onTrouble: (text: string) => void,
  ) {
    super({ decodeStrings: true });
    mkdirSync(dirname(path), { recursive: true });
    this.fd = openLog(path);
  }

  /** Call every second or so. */
  follow(): void {
    try {
      const mine = fstatSync(this.fd);
      const named = statSync(this.path, { throwIfNoEntry: false });
      if (named !== undefined && named.ino === mine.ino && named.dev === mine.dev) return;
      const fresh = openLog(this.path);
      closeSync(this.fd);
      this.fd = fresh;
      this.isTold = false;
    } catch (error) {
      this.trouble(error as Error);
    }
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    try {
      writeSync(this.fd, chunk);
    } catch (error) {
      this.trouble(error as Error);
    }
    done();
  }

  override _final(done: () => void): void {
    closeSync(this.fd);
    done();
  }

  private trouble(error: Error): void {
    if (!this.isTold) this.onTrouble(`log file ${this.path} cannot be written: ${error.message}\n`);
    this.isTold = true;
  }
}

const openLog = (path: string): number => openSync(path, "a", 0o640);
