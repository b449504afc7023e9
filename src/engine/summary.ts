import type { HistogramSnapshot } from "../rings/index.js";
import type { Stage } from "./shared.js";

export interface LatencyFigures {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  readonly count: number;
}

/** What `--summary FILE` holds. Sizes in base units, money in USD, latencies in µs. */
export interface RunSummary {
  readonly network: string;
  /** Play money: no order left the process. */
  readonly isPaper: boolean;
  readonly coins: readonly string[];
  readonly account: string;
  readonly startedAt: string;
  readonly durationS: number;
  readonly stopReason: string;
  readonly killReason: string | null;
  readonly quotes: number;
  readonly ordersPlaced: number;
  readonly ordersModified: number;
  readonly ordersCancelled: number;
  readonly ordersRejected: number;
  readonly fills: number;
  readonly volumeUsd: number;
  readonly position: number;
  readonly maxAbsPosition: number;
  readonly positionLimit: number;
  readonly realizedPnlUsd: number;
  readonly unrealizedPnlUsd: number;
  readonly feesUsd: number;
  /** Received less paid. */
  readonly fundingUsd: number;
  /** Unrealised profit of a position that was there at the start: not this run's. */
  readonly adoptedPnlUsd: number;
  /** realised + unrealised − fees + funding − adopted. */
  readonly netPnlUsd: number;
  readonly adverseSelectionBps: number | null;
  readonly restingOrdersAtExit: number | null;
  readonly orphansCancelled: number;
  readonly firstQuoteMs: number | null;
  readonly ringDrops: number;
  readonly auditDifferences: number;
  readonly unknownOrders: number;
  readonly seed: number | null;
  /** The run's own tape, a moment before its end; null: none was written. */
  readonly tape: Readonly<Record<"records" | "fileBytes" | "files" | "lost" | "gaps", number>> | null;
  readonly rssMiB: number;
  readonly memory: { readonly rssMiB: MemorySamples; readonly heapMiB: MemorySamples };
  readonly feed: Readonly<Record<string, number>>;
  readonly perAsset: Readonly<Record<string, AssetSummary>>;
  readonly latencyUs: Readonly<Record<Stage, LatencyFigures>>;
}

/** Taken once a second: a run's growth is the difference of the later ones. */
export interface MemorySamples {
  readonly start: number;
  readonly middle: number;
  readonly end: number;
}

export interface AssetSummary {
  readonly position: number;
  readonly maxAbsPosition: number;
  readonly positionLimit: number;
  readonly fills: number;
  readonly volumeUsd: number;
  readonly realizedPnlUsd: number;
  readonly unrealizedPnlUsd: number;
  readonly feesUsd: number;
  /** Received less paid. */
  readonly fundingUsd: number;
  readonly adverseSelectionBps: number | null;
}

export function latencyFigures(snapshot: HistogramSnapshot): LatencyFigures {
  const us = (ns: number): number => (snapshot.count === 0 ? 0 : Math.round(ns / 10) / 100);
  return {
    p50: us(snapshot.percentileNs(0.5)),
    p99: us(snapshot.percentileNs(0.99)),
    p999: us(snapshot.percentileNs(0.999)),
    max: us(snapshot.maxNs),
    count: snapshot.count,
  };
}

/** Keeps start, middle and end of a series without keeping the series: the middle is re-sampled as the run doubles. */
export class MemoryTrack {
  private readonly rss: number[] = [];
  private readonly heap: number[] = [];
  private stride = 1;
  private seen = 0;

  sample(rssMiB: number, heapMiB: number): void {
    if (this.seen++ % this.stride !== 0) return;
    this.rss.push(rssMiB);
    this.heap.push(heapMiB);
    if (this.rss.length < 512) return;
    // Every second sample goes; memory of the track itself stays bounded however long the run.
    for (const series of [this.rss, this.heap]) {
      const kept = series.filter((_, i) => i % 2 === 0);
      series.length = 0;
      series.push(...kept);
    }
    this.stride *= 2;
  }

  get figures(): { rssMiB: MemorySamples; heapMiB: MemorySamples } {
    const of = (s: number[]): MemorySamples => {
      const at = (q: number): number => Math.round((s[Math.floor(q * (s.length - 1))] ?? 0) * 10) / 10;
      return { start: at(0.1), middle: at(0.5), end: at(1) };
    };
    return { rssMiB: of(this.rss), heapMiB: of(this.heap) };
  }
}
