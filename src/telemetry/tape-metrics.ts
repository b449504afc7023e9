import { Counter, Gauge, Registry } from "prom-client";
import { counter, type FeedSources, gauge, registerFeed } from "./feed-metrics.js";
import type { Scrapable } from "./metrics-server.js";
import { TAPE_CHANNELS, type TapeBoard } from "./tape-board.js";

/** A tape that is being written, and what the feed lost before it came to the tape. */
export interface TapeSources {
  readonly coins: readonly string[];
  readonly board: TapeBoard;
  /** Clock of the records. */
  readonly nowNs: () => number;
  /** Interruptions of the feed: the tape has them as records. */
  readonly feedGaps: () => number;
  /** Records lost on their way to the recorder that it does not count itself. */
  readonly feedLost: () => number;
}

/** The figures of a tape that is being written, of `record` and of `run --record` alike. */
export function registerTape(
  registry: Registry,
  { coins, board, nowNs, feedGaps, feedLost }: TapeSources,
): void {
  const total = (name: string, help: string, read: () => number): void => counter(registry, name, help, read);
  total("mm_tape_records_total", "Records taken by the tape", () => board.get("records"));
  total("mm_tape_bytes_total", "Size of all files of the tape on disk", () => board.get("fileBytes"));
  total("mm_tape_raw_bytes_total", "What the tape's whole blocks hold, before packing", () =>
    board.get("rawBytes"),
  );
  total("mm_tape_blocks_total", "Whole blocks written", () => board.get("blocks"));
  total("mm_tape_files_total", "Files begun; each after the first is a rotation", () => board.get("files"));
  total(
    "mm_tape_gaps_total",
    "Interruptions marked on the tape: the feed's, and those of a disk or ring without room",
    () => board.get("gaps") + feedGaps(),
  );
  total(
    "mm_tape_lost_total",
    "Records that no file holds, because a disk or ring had no room",
    () => board.get("lost") + feedLost(),
  );
  total("mm_tape_disk_errors_total", "Refusals of the disk", () => board.get("diskErrors"));
  gauge(registry, "mm_tape_disk_failing", "1 while the disk takes no records", () => board.get("isFailing"));
  new Counter({
    name: "mm_tape_channel_records_total",
    help: "Records taken by the tape, by asset and channel",
    labelNames: ["asset", "channel"],
    registers: [registry],
    collect() {
      this.reset();
      for (const [i, asset] of coins.entries()) {
        for (const channel of TAPE_CHANNELS) {
          this.inc({ asset, channel }, board.channelRecords(i, channel));
        }
      }
    },
  });
  new Gauge({
    name: "mm_tape_record_age_seconds",
    help: "Since the newest record of each asset and channel that the tape took",
    labelNames: ["asset", "channel"],
    registers: [registry],
    collect() {
      this.reset();
      for (const [i, asset] of coins.entries()) {
        for (const channel of TAPE_CHANNELS) {
          const newestNs = board.channelNewestNs(i, channel);
          if (!Number.isNaN(newestNs)) this.set({ asset, channel }, ageS(nowNs(), newestNs));
        }
      }
    },
  });
  new Gauge({
    name: "mm_tape_file_info",
    help: "Always 1: the file that is being written",
    labelNames: ["file"],
    registers: [registry],
    collect() {
      this.reset();
      const file = board.path;
      if (file !== undefined) this.set({ file }, 1);
    },
  });
}

/** The writer may take a record between our reading of the clock and of the board. */
const ageS = (nowNs: number, thenNs: number): number => Math.max(0, (nowNs - thenNs) / 1e9);

/** Prometheus text of `market-maker record`. */
export function createRecordMetrics(sources: FeedSources & { readonly tape: TapeSources }): Scrapable {
  const registry = new Registry();
  registerTape(registry, sources.tape);
  registerFeed(registry, sources);
  new Gauge({
    name: "mm_data_staleness_secs",
    help: "Age of the newest market data, s",
    labelNames: ["asset"],
    registers: [registry],
    collect() {
      this.reset();
      const newest = new Map<string, number>();
      for (const [asset, , age] of sources.streamAges()) {
        newest.set(asset, Math.min(age, newest.get(asset) ?? Number.POSITIVE_INFINITY));
      }
      for (const [asset, age] of newest) if (Number.isFinite(age)) this.set({ asset }, age);
    },
  });
  return { contentType: registry.contentType, render: () => registry.metrics() };
}
