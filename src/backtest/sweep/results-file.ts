/**
 * Finished evaluations on disk: one JSON line each, with a checksum, synced before the next begins. A crash loses what was
 * still running, and nothing else.
 *
 *     {"crc":"1c291ca3","row":{"key":"…","params":{…},"fromMs":…,"toMs":…,"outcome":{…}}}
 */
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { crc32 } from "node:zlib";
import type { EvaluationSpec, Outcome } from "./evaluation.js";

const LINE = /^\{"crc":"([0-9a-f]{8})","row":(.*)\}$/;

interface Row {
  readonly key: string;
  readonly params: EvaluationSpec["params"];
  readonly fromMs: number;
  readonly toMs: number;
  readonly outcome: Outcome;
}

export class ResultsFile {
  /** Lines that a crash tore or something damaged: not used, their evaluations run again. */
  readonly damagedLines: number;
  private readonly outcomes = new Map<string, Outcome>();
  private readonly fd: number;

  /** Opens or creates. @throws errors of the file system. */
  constructor(readonly path: string) {
    this.fd = openSync(path, "a+", 0o644);
    const text = readFileSync(path, "utf8");
    let damaged = 0;
    for (const line of text.split("\n")) {
      if (line === "") continue;
      const row = rowOf(line);
      if (row === undefined) damaged++;
      else this.outcomes.set(row.key, row.outcome);
    }
    this.damagedLines = damaged;
    // A torn line ends here, so that the next one is whole.
    if (text !== "" && !text.endsWith("\n")) writeSync(this.fd, "\n");
  }

  get size(): number {
    return this.outcomes.size;
  }

  get(key: string): Outcome | undefined {
    return this.outcomes.get(key);
  }

  /** On disk when it returns. */
  add(key: string, spec: EvaluationSpec, outcome: Outcome): void {
    const row: Row = { key, params: spec.params, fromMs: spec.fromMs, toMs: spec.toMs, outcome };
    const json = JSON.stringify(row);
    // One write of a whole line: two sweeps that share a file repeat work, but do not damage it.
    writeSync(this.fd, `{"crc":"${checksum(json)}","row":${json}}\n`);
    fsyncSync(this.fd);
    this.outcomes.set(key, outcome);
  }

  close(): void {
    closeSync(this.fd);
  }
}

const checksum = (json: string): string => crc32(json).toString(16).padStart(8, "0");

function rowOf(line: string): Row | undefined {
  const match = LINE.exec(line);
  if (match === null || checksum(match[2]!) !== match[1]) return undefined;
  return JSON.parse(match[2]!) as Row;
}
