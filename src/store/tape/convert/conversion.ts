import { basename } from "node:path";
import { TapeError } from "../errors.js";
import { ImportContext, type LineImporter } from "./context.js";
import { HftSource } from "./hftbacktest.js";
import { type GridChoice, GridGrew, MarketTable } from "./markets.js";
import { mergeSources } from "./merge-sources.js";
import { HFT_FORMAT, type PlannedSource, planConversion } from "./plan.js";
import { Problems } from "./problems.js";
import { ClockOffset, RecordQueue, type RecordSource } from "./records.js";
import { LineSource, SortedSource } from "./sources.js";
import { Timeline } from "./times.js";

export interface ReadOptions {
  /** Files, folders and patterns. */
  readonly inputs: readonly string[];
  readonly format?: string;
  readonly grid?: GridChoice;
  readonly szDecimals?: number;
  /** Only these coins. */
  readonly coins?: readonly string[];
  /** Broken stamps and damaged ends are mended or left out, counted and noted, instead of refused; `stamps`: those alone. */
  readonly repair?: boolean | "stamps";
  /** Trading day of stamps that count from midnight, YYYY-MM-DD. */
  readonly day?: string;
}

const ATTEMPTS = 12;

/**
 * Reads recordings from their beginning. Native grids are learnt from the numbers: where a finer one turns up late, `attempt` is run
 * again with it, as it is when it returns undefined.
 *
 * @throws {TapeError} `no_such_file`, `nothing_recognised`, `coin_not_in_tape`, `bad_timestamps`, `unreadable`, `unknown_coin`.
 */
export async function readWhole<T>(
  o: ReadOptions,
  attempt: (run: Conversion) => Promise<T | undefined>,
): Promise<T> {
  const plan = await planConversion(o.inputs, o.format);
  const markets = new MarketTable({
    grid: o.grid,
    szDecimals: o.szDecimals,
    only: o.coins === undefined ? undefined : new Set(o.coins.map((c) => c.toUpperCase())),
  });
  const baseS = await probe(plan, markets, o);
  for (let i = 0; i < ATTEMPTS; i++) {
    const run = new Conversion(plan, markets, o, baseS);
    try {
      markets.restart(false);
      const result = await attempt(run);
      if (result !== undefined) return result;
    } catch (error) {
      if (!(error instanceof GridGrew)) throw error;
      // A look at everything, so that it is the last surprise.
      markets.restart(true);
      await new Conversion(plan, markets, o, baseS).drain(() => true);
    } finally {
      run.close();
    }
  }
  throw new TapeError("unreadable", `${o.inputs.join(", ")}: the grid of its prices cannot be settled`);
}

/** Reads the beginnings: the base of all times, and first grids. */
async function probe(plan: readonly PlannedSource[], markets: MarketTable, o: ReadOptions): Promise<number> {
  markets.restart(true);
  const run = new Conversion(plan, markets, o, Number.NaN);
  try {
    return await run.findBaseS();
  } finally {
    run.close();
  }
}

/** One pass over recordings. */
export class Conversion {
  readonly problems: Problems;
  readonly times: Timeline;
  readonly offset = new ClockOffset();
  private readonly sources: RecordSource[] = [];
  private readonly files: LineSource[] = [];

  constructor(
    readonly plan: readonly PlannedSource[],
    readonly markets: MarketTable,
    private readonly o: ReadOptions,
    baseS: number,
  ) {
    this.problems = new Problems(o.repair !== undefined && o.repair !== false, o.repair === true);
    this.times = new Timeline(baseS);
  }

  private open(): void {
    const ranked = [...this.plan].sort((a, b) => rankOf(a) - rankOf(b));
    for (const planned of ranked) {
      const { markets, problems, times, offset } = this;
      const out = new RecordQueue(times, offset);
      const context = new ImportContext(out, times, markets, problems, offset, this.o.day);
      const { format, paths, head } = planned;
      if (format === HFT_FORMAT) {
        for (const path of paths) this.sources.push(new HftSource(context, path));
        continue;
      }
      const importer: LineImporter = format.open(context, head, basename(paths[0]!));
      const lines = new LineSource(context, importer, format, paths);
      this.files.push(lines);
      this.sources.push(
        format.sortWindowNs === undefined
          ? lines
          : new SortedSource(lines, format.sortWindowNs, problems, basename(paths[0]!)),
      );
    }
  }

  /** Fills every source once: the earliest time decides the base. */
  async findBaseS(): Promise<number> {
    this.open();
    let firstNs = Number.POSITIVE_INFINITY;
    for (const source of this.sources)
      if (source.hasFront || (await source.fill())) firstNs = Math.min(firstNs, source.recvNs);
    if (!Number.isFinite(firstNs)) throw this.nothingFound();
    return this.times.baseS + Math.floor(firstNs / 1e9);
  }

  private nothingFound(): TapeError {
    const { bad, lines, samples, remarks } = this.problems.report();
    const seen = [...this.markets.skipped].slice(0, 12).join(", ");
    if (seen !== "")
      return new TapeError(
        "coin_not_in_tape",
        `the recording holds ${seen}, not ${this.o.coins?.join(", ")}; choose among these`,
      );
    return new TapeError(
      "nothing_recognised",
      `no usable line among ${lines}: ${samples[0] ?? Object.keys(remarks)[0] ?? (bad === 0 ? "the files are empty" : "")}`,
    );
  }

  /** Reads everything. @param take Called for each record in time order; false stops. */
  async drain(take: (source: RecordSource) => boolean): Promise<void> {
    if (this.sources.length === 0) this.open();
    await mergeSources(this.sources, take);
  }

  close(): void {
    for (const file of this.files) file.close();
  }

  get share(): number {
    return this.sources.reduce((sum, s) => sum + s.share, 0) / this.sources.length;
  }

  get formats(): string[] {
    return [...new Set(this.plan.map((p) => (p.format === HFT_FORMAT ? HFT_FORMAT : p.format.name)))];
  }

  get venue(): string {
    const venues = this.plan.map((p) => (p.format === HFT_FORMAT ? HFT_FORMAT : p.format.venue));
    return [...new Set(venues)].join(" + ");
  }
}

const rankOf = (p: PlannedSource): number => (p.format === HFT_FORMAT ? 0 : (p.format.rank ?? 0));
