import { renameSync, rmSync } from "node:fs";
import { basename } from "node:path";
import { TapeError } from "../errors.js";
import type { TapeMeta } from "../file/format.js";
import { TapeFileWriter, type TapeWriterStats } from "../file/writer.js";
import { ImportContext, type LineImporter } from "./context.js";
import { GapMarker } from "./gaps.js";
import { HftSource } from "./hftbacktest.js";
import { type GridChoice, GridGrew, MarketTable } from "./markets.js";
import { mergeSources } from "./merge-sources.js";
import { HFT_FORMAT, type PlannedSource, planConversion } from "./plan.js";
import { type ProblemReport, Problems, problemNotes } from "./problems.js";
import { ClockOffset, RecordQueue, type RecordSource } from "./records.js";
import { LineSource, SortedSource } from "./sources.js";
import { Timeline } from "./times.js";

export interface ConvertOptions {
  /** Files, folders and patterns. */
  readonly inputs: readonly string[];
  readonly out: string;
  readonly format?: string;
  readonly grid?: GridChoice;
  readonly szDecimals?: number;
  /** Only these coins. */
  readonly coins?: readonly string[];
  /** Broken stamps and damaged ends are mended or left out, counted and noted, instead of refused. */
  readonly repair?: boolean;
  /** Trading day of stamps that count from midnight, YYYY-MM-DD. */
  readonly day?: string;
  readonly codec?: "lz4" | "none";
  /** Silence of all streams that means a lost connection, where nothing else tells. Default 5,000 ms. */
  readonly maxSilenceMs?: number;
  /** Share of the input that was read, records written so far. */
  readonly onProgress?: (share: number, records: number) => void;
}

export interface ConvertResult {
  readonly stats: TapeWriterStats;
  readonly meta: Omit<TapeMeta, "layoutHash">;
  readonly report: ProblemReport;
  readonly formats: readonly string[];
}

const META_ROOM_BYTES = 8 * 1024;
const META_ROOM_MAX = 8 * 2 ** 20;
const ATTEMPTS = 12;
const PROGRESS_EVERY = 8_192;

/**
 * Converts recordings to one tape, in time order. Memory is bounded, whatever the recordings' length.
 *
 * Native grids are learnt from the numbers: where a finer one turns up late, the conversion begins again with it. The tape appears
 * under its name when it is whole.
 *
 * @throws {TapeError} `no_such_file`, `nothing_recognised`, `bad_timestamps`, `unreadable`, `unknown_coin`, `cannot_write`.
 * Thread: any but the feed's and kernel's.
 */
export async function convertToTape(o: ConvertOptions): Promise<ConvertResult> {
  const plan = await planConversion(o.inputs, o.format);
  const markets = new MarketTable({
    grid: o.grid,
    szDecimals: o.szDecimals,
    only: o.coins === undefined ? undefined : new Set(o.coins.map((c) => c.toUpperCase())),
  });
  const baseS = await probe(plan, markets, o);
  let metaRoomBytes = META_ROOM_BYTES;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const run = new Conversion(plan, markets, o, baseS);
    try {
      markets.restart(false);
      const result = await run.write(metaRoomBytes);
      if (result !== undefined) return result;
      metaRoomBytes = Math.min(META_ROOM_MAX, metaRoomBytes * 8);
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
async function probe(
  plan: readonly PlannedSource[],
  markets: MarketTable,
  o: ConvertOptions,
): Promise<number> {
  markets.restart(true);
  const run = new Conversion(plan, markets, o, Number.NaN);
  try {
    const { baseS } = await run.begin();
    return baseS;
  } finally {
    run.close();
  }
}

class Conversion {
  readonly problems: Problems;
  private readonly times: Timeline;
  private readonly offset = new ClockOffset();
  private readonly sources: RecordSource[] = [];
  private readonly files: LineSource[] = [];

  constructor(
    private readonly plan: readonly PlannedSource[],
    private readonly markets: MarketTable,
    private readonly o: ConvertOptions,
    baseS: number,
  ) {
    this.problems = new Problems(o.repair === true);
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
  async begin(): Promise<{ baseS: number }> {
    this.open();
    let firstNs = Number.POSITIVE_INFINITY;
    for (const source of this.sources)
      if (source.hasFront || (await source.fill())) firstNs = Math.min(firstNs, source.recvNs);
    if (!Number.isFinite(firstNs)) {
      const { bad, lines, samples, remarks } = this.problems.report();
      const seen = [...this.markets.skipped].slice(0, 12).join(", ");
      if (seen !== "")
        throw new TapeError(
          "coin_not_in_tape",
          `the recording holds ${seen}, not what was asked for; choose among these`,
        );
      throw new TapeError(
        "nothing_recognised",
        `no usable line among ${lines}: ${samples[0] ?? Object.keys(remarks)[0] ?? (bad === 0 ? "the files are empty" : "")}`,
      );
    }
    return { baseS: this.times.baseS + Math.floor(firstNs / 1e9) };
  }

  /** Reads everything. @param take Called for each record in time order; false stops. */
  async drain(take: (source: RecordSource) => boolean): Promise<void> {
    if (this.sources.length === 0) this.open();
    await mergeSources(this.sources, take);
  }

  /** @returns undefined when the meta did not fit. */
  async write(metaRoomBytes: number): Promise<ConvertResult | undefined> {
    const { o, times } = this;
    const part = `${o.out}.part`;
    rmSync(part, { force: true });
    const writer = new TapeFileWriter({
      path: part,
      meta: { venue: "", baseWallNs: String(times.epochNs(0)), instruments: [], source: "", notes: [] },
      metaSpareBytes: metaRoomBytes,
      ...(o.codec === undefined ? {} : { codec: o.codec }),
    });
    try {
      const isSilenceLoss = this.plan.some(
        (p) => p.format !== HFT_FORMAT && p.format.losesBySilence === true,
      );
      const marker = new SilenceMarker(
        writer,
        (isSilenceLoss ? (o.maxSilenceMs ?? 5_000) : Number.POSITIVE_INFINITY) * 1e6,
        times,
      );
      let untilProgress = 1;
      await this.drain((s) => {
        marker.before(s);
        writer.append(s.kind, s.asset, s.f64, s.at, s.bodyBytes, s.recvNs);
        marker.after(s);
        if (--untilProgress === 0) {
          untilProgress = PROGRESS_EVERY;
          o.onProgress?.(this.share, writer.stats.records);
        }
        return true;
      });
      if (marker.gaps > 0) this.problems.remark("silences of all streams, marked as gaps", marker.gaps);
      const meta = this.meta();
      writer.flush();
      if (!writer.rewriteMeta(meta)) {
        writer.abandon();
        rmSync(part, { force: true });
        return undefined;
      }
      const stats = writer.close();
      renameSync(part, o.out);
      return { stats, meta, report: this.problems.report(), formats: this.formats };
    } catch (error) {
      writer.abandon();
      rmSync(part, { force: true });
      throw error;
    }
  }

  close(): void {
    for (const file of this.files) file.close();
  }

  private get share(): number {
    return this.sources.reduce((sum, s) => sum + s.share, 0) / this.sources.length;
  }

  private get formats(): string[] {
    return [...new Set(this.plan.map((p) => (p.format === HFT_FORMAT ? HFT_FORMAT : p.format.name)))];
  }

  private meta(): Omit<TapeMeta, "layoutHash"> {
    const venues = [
      ...new Set(this.plan.map((p) => (p.format === HFT_FORMAT ? HFT_FORMAT : p.format.venue))),
    ];
    const names = this.plan.flatMap((p) => p.paths.map((f) => basename(f)));
    const shown = names.slice(0, 24).join(", ") + (names.length > 24 ? `, … (${names.length} files)` : "");
    return {
      venue: venues.join(" + "),
      baseWallNs: String(this.times.epochNs(0)),
      instruments: this.markets.instruments,
      ...(Number.isFinite(this.offset.minNs) ? { clockOffsetNs: Math.round(this.offset.minNs) } : {}),
      source: `${this.formats.join(" + ")}: ${shown}`,
      notes: problemNotes(this.problems.report()),
    };
  }
}

const rankOf = (p: PlannedSource): number => (p.format === HFT_FORMAT ? 0 : (p.format.rank ?? 0));

/** Marks a silence of all streams as a gap. */
class SilenceMarker {
  gaps = 0;
  private lastNs = Number.NaN;
  private readonly marker: GapMarker;

  constructor(
    writer: TapeFileWriter,
    private readonly maxSilenceNs: number,
    times: Timeline,
  ) {
    this.marker = new GapMarker(writer, times);
  }

  before(s: RecordSource): void {
    if (s.recvNs - this.lastNs > this.maxSilenceNs) {
      this.gaps++;
      for (const asset of this.marker.assets) this.marker.lost(asset, this.lastNs);
    }
    this.lastNs = s.recvNs;
  }

  after(s: RecordSource): void {
    this.marker.after(s);
  }
}
