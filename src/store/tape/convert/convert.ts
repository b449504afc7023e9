import { renameSync, rmSync } from "node:fs";
import { basename } from "node:path";
import type { TapeMeta } from "../file/format.js";
import { TapeFileWriter, type TapeWriterStats } from "../file/writer.js";
import { type Conversion, type ReadOptions, readWhole } from "./conversion.js";
import { GapMarker } from "./gaps.js";
import { HFT_FORMAT } from "./plan.js";
import { type ProblemReport, problemNotes } from "./problems.js";
import type { RecordSource } from "./records.js";
import type { Timeline } from "./times.js";

export interface ConvertOptions extends ReadOptions {
  readonly out: string;
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
const PROGRESS_EVERY = 8_192;

/**
 * Converts recordings to one tape, in time order. Memory is bounded, whatever the recordings' length. The tape appears under its name
 * when it is whole.
 *
 * @throws {TapeError} As `readWhole`, and `cannot_write`.
 * Thread: any but the feed's and kernel's.
 */
export async function convertToTape(o: ConvertOptions): Promise<ConvertResult> {
  let metaRoomBytes = META_ROOM_BYTES;
  return await readWhole(o, async (run) => {
    const result = await write(run, o, metaRoomBytes);
    if (result === undefined) metaRoomBytes = Math.min(META_ROOM_MAX, metaRoomBytes * 8);
    return result;
  });
}

/** @returns undefined when the meta did not fit. */
async function write(
  run: Conversion,
  o: ConvertOptions,
  metaRoomBytes: number,
): Promise<ConvertResult | undefined> {
  const { plan, problems, times } = run;
  const part = `${o.out}.part`;
  rmSync(part, { force: true });
  const writer = new TapeFileWriter({
    path: part,
    meta: { venue: "", baseWallNs: String(times.epochNs(0)), instruments: [], source: "", notes: [] },
    metaSpareBytes: metaRoomBytes,
    ...(o.codec === undefined ? {} : { codec: o.codec }),
  });
  try {
    const isSilenceLoss = plan.some((p) => p.format !== HFT_FORMAT && p.format.losesBySilence === true);
    const marker = new SilenceMarker(
      writer,
      (isSilenceLoss ? (o.maxSilenceMs ?? 5_000) : Number.POSITIVE_INFINITY) * 1e6,
      times,
    );
    let untilProgress = 1;
    await run.drain((s) => {
      marker.before(s);
      writer.append(s.kind, s.asset, s.f64, s.at, s.bodyBytes, s.recvNs);
      marker.after(s);
      if (--untilProgress === 0) {
        untilProgress = PROGRESS_EVERY;
        o.onProgress?.(run.share, writer.stats.records);
      }
      return true;
    });
    if (marker.gaps > 0) problems.remark("silences of all streams, marked as gaps", marker.gaps);
    const meta = metaOf(run);
    writer.flush();
    if (!writer.rewriteMeta(meta)) {
      writer.abandon();
      rmSync(part, { force: true });
      return undefined;
    }
    const stats = writer.close();
    renameSync(part, o.out);
    return { stats, meta, report: problems.report(), formats: run.formats };
  } catch (error) {
    writer.abandon();
    rmSync(part, { force: true });
    throw error;
  }
}

function metaOf({
  plan,
  formats,
  venue,
  times,
  markets,
  offset,
  problems,
}: Conversion): Omit<TapeMeta, "layoutHash"> {
  const names = plan.flatMap((p) => p.paths.map((f) => basename(f)));
  const shown = names.slice(0, 24).join(", ") + (names.length > 24 ? `, … (${names.length} files)` : "");
  return {
    venue,
    baseWallNs: String(times.epochNs(0)),
    instruments: markets.instruments,
    ...(Number.isFinite(offset.minNs) ? { clockOffsetNs: Math.round(offset.minNs) } : {}),
    source: `${formats.join(" + ")}: ${shown}`,
    notes: problemNotes(problems.report()),
  };
}

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
