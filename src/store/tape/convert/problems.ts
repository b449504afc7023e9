import { TapeError } from "../errors.js";

/** A line that cannot be used; `reason` is the same words for the same fault, so that faults can be counted by it. */
export class BadLine extends Error {
  constructor(
    readonly reason: string,
    detail = "",
  ) {
    super(detail === "" ? reason : `${reason}: ${detail}`);
  }
}

export interface ProblemReport {
  readonly lines: number;
  /** Lines of kinds, channels or markets that a tape does not hold. */
  readonly ignored: number;
  readonly bad: number;
  readonly byReason: Readonly<Record<string, number>>;
  /** The first few bad lines: file, line number, why. */
  readonly samples: readonly string[];
  /** What --repair changed, with how often. */
  readonly repairs: Readonly<Record<string, number>>;
  /** Things left out or assumed that are not faults of a line, with how often. */
  readonly remarks: Readonly<Record<string, number>>;
}

const SAMPLES = 20;

/** Remarks that a reader of a report looks for. */
export const Remark = {
  RepeatedTrades: "trades with a repeated id left out",
  BacklogTrades: "trades that a (re)connect repeats from the past, flagged",
  WaitingDepth: "depth messages before a snapshot kept for it",
} as const;

/** Counts everything that does not become a record. Nothing is dropped without being counted here. */
export class Problems {
  lines = 0;
  ignored = 0;
  bad = 0;
  private readonly byReason = new Map<string, number>();
  private readonly samples: string[] = [];
  private readonly repairs = new Map<string, number>();
  private readonly remarks = new Map<string, number>();

  constructor(
    /** Stamps that cannot be true are mended, or their lines left out. */
    private readonly isMendingStamps: boolean,
    /** Damaged ends of files are given up. */
    readonly isLeavingDamage: boolean,
  ) {}

  line(file: string, lineNumber: number, why: BadLine | SyntaxError): void {
    this.bad++;
    const reason = why instanceof BadLine ? why.reason : "not JSON";
    count(this.byReason, reason);
    if (this.samples.length < SAMPLES) this.samples.push(`${file} line ${lineNumber}: ${why.message}`);
  }

  remark(what: string, times = 1): void {
    count(this.remarks, what, times);
  }

  repaired(what: string): void {
    count(this.repairs, what);
  }

  /**
   * Stamps that cannot be true: refused, or with --repair counted as changed.
   * @throws {TapeError} `bad_timestamps`.
   */
  brokenStamp(where: string, what: string, repair: string): void {
    if (!this.isMendingStamps)
      throw new TapeError(
        "bad_timestamps",
        `${where}: ${what}; a tape with broken times proves nothing. \`market-maker tape convert --repair\`: ${repair}`,
      );
    this.repaired(repair);
  }

  report(): ProblemReport {
    return {
      lines: this.lines,
      ignored: this.ignored,
      bad: this.bad,
      byReason: Object.fromEntries(this.byReason),
      samples: this.samples,
      repairs: Object.fromEntries(this.repairs),
      remarks: Object.fromEntries(this.remarks),
    };
  }
}

function count(into: Map<string, number>, key: string, times = 1): void {
  into.set(key, (into.get(key) ?? 0) + times);
}

export const NO_PROBLEMS: ProblemReport = {
  lines: 0,
  ignored: 0,
  bad: 0,
  byReason: {},
  samples: [],
  repairs: {},
  remarks: {},
};

/** Of two recordings, as if they were one. */
export function addReports(a: ProblemReport, b: ProblemReport): ProblemReport {
  const sum = (x: Readonly<Record<string, number>>, y: typeof x): Record<string, number> => {
    const all = new Map(Object.entries(x));
    for (const [key, times] of Object.entries(y)) count(all, key, times);
    return Object.fromEntries(all);
  };
  return {
    lines: a.lines + b.lines,
    ignored: a.ignored + b.ignored,
    bad: a.bad + b.bad,
    byReason: sum(a.byReason, b.byReason),
    samples: [...a.samples, ...b.samples].slice(0, SAMPLES),
    repairs: sum(a.repairs, b.repairs),
    remarks: sum(a.remarks, b.remarks),
  };
}

/** For people and for a tape's notes. */
export function problemNotes(r: ProblemReport): string[] {
  const notes: string[] = [];
  if (r.bad > 0) {
    const reasons = Object.entries(r.byReason).map(([why, n]) => `${why} (${n})`);
    notes.push(
      `${r.bad} bad lines left out: ${reasons.join(", ")}; first: ${r.samples.slice(0, 3).join("; ")}`,
    );
  }
  for (const [what, n] of Object.entries(r.repairs)) notes.push(`repaired ${n} times: ${what}`);
  for (const [what, n] of Object.entries(r.remarks)) notes.push(n === 1 ? what : `${what} (${n})`);
  return notes;
}
