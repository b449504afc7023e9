import { statSync } from "node:fs";
import * as abi from "../../../abi/layout.js";
import { FeedState, RecordKind, RecordKindName } from "../../../abi/layout.js";
import type { TapeMeta } from "../file/format.js";
import type { Progressed } from "./cut.js";
import { FileSource, recvOffset } from "./file-source.js";

export interface TapeInfo {
  readonly path: string;
  readonly venue: string;
  readonly source: string;
  readonly notes: readonly string[];
  readonly instruments: TapeMeta["instruments"];
  readonly cut: TapeMeta["cut"];
  readonly isClosed: boolean;
  readonly tornBytes: number;
  /** ISO 8601, or null for an empty tape. */
  readonly start: string | null;
  readonly end: string | null;
  readonly seconds: number;
  readonly records: number;
  readonly byKind: Readonly<Record<string, number>>;
  readonly byCoin: Readonly<Record<string, number>>;
  readonly levelUpdates: number;
  /** Times that a market's feed was not whole, and for how long in all. */
  readonly gaps: number;
  readonly gapSeconds: number;
  readonly clockOffsetMs: number | null;
  /** Receive minus exchange time beyond the fastest message, ms; null without stamps. */
  readonly latencyMs: {
    readonly p50: number;
    readonly p90: number;
    readonly p99: number;
    readonly p999: number;
    readonly max: number;
  } | null;
  readonly fileBytes: number;
  readonly rawBytes: number;
  /** Uncompressed records over the file. */
  readonly ratio: number;
  readonly blocks: number;
}

const PROGRESS_EVERY = 65_536;

/** Reads a whole tape once. @throws {TapeError} */
export async function tapeInfo(path: string, onProgress?: Progressed): Promise<TapeInfo> {
  const source = new FileSource(path);
  const { reader } = source;
  const { meta } = reader;
  const base = BigInt(meta.baseWallNs);
  const coins = new Map(meta.instruments.map((i) => [i.asset, i.coin]));
  const byKind: Record<string, number> = {};
  const byCoin: Record<string, number> = {};
  const latency = new LogHistogram();
  const downSince = new Map<number, number>();
  let records = 0;
  let rawBytes = 0;
  let gaps = 0;
  let gapNs = 0;
  let firstNs = Number.NaN;
  let lastNs = Number.NaN;
  try {
    while (await source.fill()) {
      const { kind, at, recvNs } = source;
      records++;
      rawBytes += source.bodyBytes + 24;
      const name = RecordKindName.get(kind) ?? `kind ${kind}`;
      byKind[name] = (byKind[name] ?? 0) + 1;
      const coin = coins.get(source.asset) ?? `asset ${source.asset}`;
      byCoin[coin] = (byCoin[coin] ?? 0) + 1;
      if (Number.isNaN(firstNs)) firstNs = recvNs;
      lastNs = recvNs;
      if (kind === RecordKind.FeedStatus) {
        const isLive = source.u8[at + abi.FEED_STATUS_STATE] === FeedState.Live;
        const since = downSince.get(source.asset);
        if (!isLive && since === undefined) {
          gaps++;
          downSince.set(source.asset, recvNs);
        } else if (isLive && since !== undefined) {
          gapNs += recvNs - since;
          downSince.delete(source.asset);
        }
      } else if (recvOffset(kind) === 8 && source.i64[at >> 3] !== 0n) {
        const isBacklog =
          kind === RecordKind.Trade && (source.u8[at + abi.TRADE_FLAGS]! & abi.TradeFlag.Backlog) !== 0;
        if (!isBacklog) latency.add(recvNs - Number(source.i64[at >> 3]! - base) - (meta.clockOffsetNs ?? 0));
      }
      if (records % PROGRESS_EVERY === 0) onProgress?.(source.share, records);
      source.pop();
    }
  } finally {
    source.close();
  }
  for (const since of downSince.values()) gapNs += lastNs - since;
  const fileBytes = statSync(path).size;
  const iso = (ns: number): string =>
    new Date(Number((base + BigInt(Math.round(ns))) / 1_000_000n)).toISOString();
  return {
    path,
    venue: meta.venue,
    source: meta.source,
    notes: meta.notes,
    instruments: meta.instruments,
    cut: meta.cut,
    isClosed: reader.isClosed,
    tornBytes: reader.tornBytes,
    start: records === 0 ? null : iso(firstNs),
    end: records === 0 ? null : iso(lastNs),
    seconds: records === 0 ? 0 : (lastNs - firstNs) / 1e9,
    records,
    byKind,
    byCoin,
    levelUpdates: byKind.BookDelta ?? 0,
    gaps,
    gapSeconds: gapNs / 1e9,
    clockOffsetMs: meta.clockOffsetNs === undefined ? null : meta.clockOffsetNs / 1e6,
    latencyMs:
      latency.count === 0
        ? null
        : {
            p50: latency.quantile(0.5) / 1e6,
            p90: latency.quantile(0.9) / 1e6,
            p99: latency.quantile(0.99) / 1e6,
            p999: latency.quantile(0.999) / 1e6,
            max: latency.max / 1e6,
          },
    fileBytes,
    rawBytes,
    ratio: fileBytes === 0 ? 0 : rawBytes / fileBytes,
    blocks: reader.blocks.length,
  };
}

const PER_OCTAVE = 64;

/** Counts by logarithm: quantiles within 1.1 %. */
export class LogHistogram {
  count = 0;
  max = 0;
  private readonly buckets = new Float64Array(PER_OCTAVE * 64);

  add(ns: number): void {
    this.count++;
    if (ns > this.max) this.max = ns;
    const i = ns < 1 ? 0 : Math.min(this.buckets.length - 1, 1 + Math.floor(Math.log2(ns) * PER_OCTAVE));
    this.buckets[i] = this.buckets[i]! + 1;
  }

  quantile(q: number): number {
    const rank = Math.max(1, Math.ceil(q * this.count));
    let seen = 0;
    for (let i = 0; i < this.buckets.length; i++) {
      seen += this.buckets[i]!;
      if (seen >= rank) return i === 0 ? 0 : Math.min(this.max, 2 ** (i / PER_OCTAVE));
    }
    return this.max;
  }
}
