import { addReports, NO_PROBLEMS, type ProblemReport, Remark } from "./convert/problems.js";
import type { RecordCounts } from "./import-records.js";

/** What an import saw besides the events themselves. Nothing is dropped without being counted here. */
export interface TapeStats {
  /** Of recordings, or records of tapes. */
  readonly lines: number;
  readonly books: number;
  readonly bbos: number;
  readonly trades: number;
  readonly gaps: number;
  /** Trades of a message that repeats the past after a (re)connect; part of `trades`. */
  readonly backlogTrades: number;
  /** Trades left out because their id was seen before. */
  readonly duplicateTrades: number;
  /** Lines and records of kinds or coins this tape does not use. */
  readonly ignoredLines: number;
  readonly malformedLines: number;
  /** The first malformed lines: file, line number, why. */
  readonly malformedSamples: readonly string[];
  /** How often the book was lost: an interruption that was recorded, a break in the update-id chain, or a crossed book. */
  readonly lostBooks: number;
  readonly crossedBooks: number;
}

/** Counters an import fills while reading. */
export class ImportTally {
  lines = 0;
  ignoredLines = 0;
  lostBooks = 0;
  crossedBooks = 0;
  duplicateTrades = 0;
  backlogTrades = 0;
  books = 0;
  bbos = 0;
  trades = 0;
  gaps = 0;
  /** Depth messages and records read; none of them became a book when no snapshot came. */
  depthMessages = 0;
  /** Of all recordings. */
  problems: ProblemReport = NO_PROBLEMS;

  /** What was found while a recording was read. */
  report(problems: ProblemReport): void {
    this.problems = addReports(this.problems, problems);
    this.lines += problems.lines;
    this.ignoredLines += problems.ignored;
    this.duplicateTrades += problems.remarks[Remark.RepeatedTrades] ?? 0;
    this.depthMessages += problems.remarks[Remark.WaitingDepth] ?? 0;
  }

  counted(counts: RecordCounts): void {
    this.ignoredLines += counts.ignored;
    this.lostBooks += counts.lostBooks;
    this.crossedBooks += counts.crossedBooks;
    this.depthMessages += counts.depthRecords;
  }

  toStats(): TapeStats {
    return {
      lines: this.lines,
      books: this.books,
      bbos: this.bbos,
      trades: this.trades,
      gaps: this.gaps,
      backlogTrades: this.backlogTrades,
      duplicateTrades: this.duplicateTrades,
      ignoredLines: this.ignoredLines,
      malformedLines: this.problems.bad,
      malformedSamples: this.problems.samples,
      lostBooks: this.lostBooks,
      crossedBooks: this.crossedBooks,
    };
  }
}
