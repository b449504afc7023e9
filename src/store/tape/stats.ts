/** What an import saw besides the events themselves. Nothing is dropped without being counted here. */
export interface TapeStats {
  readonly lines: number;
  readonly books: number;
  readonly bbos: number;
  readonly trades: number;
  readonly gaps: number;
  /** Trades of a message that repeats the past after a (re)connect; part of `trades`. */
  readonly backlogTrades: number;
  /** Trades left out because their id was seen before. */
  readonly duplicateTrades: number;
  /** Lines of kinds or coins this tape does not use. */
  readonly ignoredLines: number;
  readonly malformedLines: number;
  /** The first few malformed lines: file, line number, why. */
  readonly malformedSamples: readonly string[];
  /** Books lost to a break in the update-id chain, or found crossed. */
  readonly brokenChains: number;
}

const SAMPLES = 5;

/** Counters an importer fills while reading. */
export class ImportTally {
  lines = 0;
  ignoredLines = 0;
  malformedLines = 0;
  brokenChains = 0;
  duplicateTrades = 0;
  backlogTrades = 0;
  books = 0;
  bbos = 0;
  trades = 0;
  gaps = 0;
  readonly malformedSamples: string[] = [];
  /** Coins named in the data, for the message when the wanted one is missing. */
  readonly coinsSeen = new Set<string>();
  /** Depth messages read; none of them became a book when no snapshot came. */
  depthMessages = 0;

  malformed(file: string, lineNumber: number, why: string): void {
    this.malformedLines++;
    if (this.malformedSamples.length < SAMPLES)
      this.malformedSamples.push(`${file} line ${lineNumber}: ${why}`);
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
      malformedLines: this.malformedLines,
      malformedSamples: this.malformedSamples,
      brokenChains: this.brokenChains,
    };
  }
}
