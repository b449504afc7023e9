import { type ReadOptions, readWhole } from "./conversion.js";
import type { Market } from "./markets.js";
import type { ProblemReport } from "./problems.js";
import type { RecordSource } from "./records.js";

/** Takes the front record of a source. */
export type TakeRecord = (source: RecordSource, market: Market) => void;

export interface ReadResult {
  readonly venue: string;
  /** Names of all markets, in the order in which they appeared. */
  readonly coins: readonly string[];
  readonly report: ProblemReport;
}

/**
 * Reads recordings as records in time order, without a tape. Of the gaps only broken chains are told: a silence is for the taker to see.
 *
 * @param begin Called before the first record, and again where reading begins again with a finer grid. `baseMs`: what receive times count from.
 * @throws {TapeError} As `readWhole`.
 * Thread: any but the feed's and kernel's.
 */
export async function readRecordings(
  o: ReadOptions,
  begin: (baseMs: number) => TakeRecord,
): Promise<ReadResult> {
  return await readWhole(o, async (run) => {
    const take = begin(run.times.baseS * 1000);
    let market: Market | undefined;
    await run.drain((source) => {
      if (market?.asset !== source.asset) market = run.markets.at(source.asset);
      take(source, market);
      return true;
    });
    return {
      venue: run.venue,
      coins: run.markets.instruments.map((i) => i.coin),
      report: run.problems.report(),
    };
  });
}
