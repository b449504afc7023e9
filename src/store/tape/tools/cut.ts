import { renameSync, rmSync, statSync } from "node:fs";
import { mergeSources } from "../convert/merge-sources.js";
import type { RecordQueue } from "../convert/records.js";
import { TapeError } from "../errors.js";
import type { TapeInstrument, TapeMeta } from "../file/format.js";
import { TapeFileWriter, type TapeWriterStats } from "../file/writer.js";
import { FileSource } from "./file-source.js";
import { MarketState } from "./market-state.js";

export type Progressed = (share: number, records: number) => void;

export interface CutOptions {
  readonly input: string;
  readonly out: string;
  /** ns since the tape's base; a piece holds what was received from `fromNs` on and before `toNs`. */
  readonly fromNs?: number;
  readonly toNs?: number;
  /** Only these coins. */
  readonly coins?: readonly string[];
  readonly onProgress?: Progressed;
}

const PROGRESS_EVERY = 16_384;

/**
 * Cuts a piece out of a tape. It opens with the state at its start (books, resting orders, newest context), so that it can be read
 * alone; `mergeTapes` leaves that out again where the pieces meet.
 * @throws {TapeError}
 */
export async function cutTape(o: CutOptions): Promise<TapeWriterStats> {
  const probe = new FileSource(o.input);
  const { meta } = probe.reader;
  probe.close();
  const kept = chosen(meta, o.coins, o.input);
  const numberOf = new Map(kept.map((i, n) => [i.asset, n]));
  const instruments = kept.map((i, asset) => ({ ...i, asset }));
  const fromNs = o.fromNs ?? Number.NEGATIVE_INFINITY;
  const toNs = o.toNs ?? Number.POSITIVE_INFINITY;
  const source = new FileSource(o.input, { assetOf: (asset) => numberOf.get(asset) });
  const states = instruments.map((i) => new MarketState(i));
  const { layoutHash: _hash, cut: earlier, ...about } = meta;
  const piece = (openingRecords: number): Omit<TapeMeta, "layoutHash"> => ({
    ...about,
    instruments,
    // Edges that were not asked for stay those of the tape.
    cut: {
      fromNs: Math.max(Number.isFinite(fromNs) ? fromNs : 0, earlier?.fromNs ?? 0),
      toNs: Number.isFinite(toNs) ? toNs : (earlier?.toNs ?? Number.MAX_VALUE),
      openingRecords: Number.isFinite(fromNs) ? openingRecords : (earlier?.openingRecords ?? 0),
    },
  });
  try {
    return await written(o.out, piece(0), async (writer) => {
      let openingRecords = -1;
      const open = (): void => {
        if (openingRecords >= 0) return;
        openingRecords = 0;
        if (!Number.isFinite(fromNs)) return;
        for (const state of states) openingRecords += copyAll(state.opening(fromNs), writer);
      };
      await copying(source, o.onProgress, writer, () => {
        if (source.recvNs >= toNs) return false;
        if (source.recvNs < fromNs) states[source.asset]!.apply(source);
        else {
          open();
          append(source, writer);
        }
        return true;
      });
      open();
      return piece(openingRecords);
    });
  } finally {
    source.close();
  }
}

function chosen(meta: TapeMeta, coins: readonly string[] | undefined, path: string): TapeInstrument[] {
  if (coins === undefined) return [...meta.instruments];
  const wanted = new Set(coins.map((c) => c.toUpperCase()));
  const kept = meta.instruments.filter((i) => wanted.has(i.coin.toUpperCase()));
  if (kept.length < wanted.size)
    throw new TapeError(
      "coin_not_in_tape",
      `${path} holds ${meta.instruments.map((i) => i.coin).join(", ")}, not all of ${coins.join(", ")}`,
    );
  return kept;
}

/** An empty file is nothing that could be lost. @throws {TapeError} `cannot_write`. */
export function refuseExisting(path: string): void {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0)
    throw new TapeError("cannot_write", `${path} exists already: choose another name, or remove it first`);
}

/** Writes a tape under a name of its own until it is whole. @param fill Gives the final meta. */
export async function written(
  out: string,
  meta: Omit<TapeMeta, "layoutHash">,
  fill: (writer: TapeFileWriter) => Promise<Omit<TapeMeta, "layoutHash">>,
): Promise<TapeWriterStats> {
  refuseExisting(out);
  const part = `${out}.part`;
  rmSync(part, { force: true });
  const writer = new TapeFileWriter({ path: part, meta, metaSpareBytes: 4096 });
  try {
    const final = await fill(writer);
    writer.flush();
    if (!writer.rewriteMeta(final))
      throw new TapeError("cannot_write", `${out}: its description does not fit the header`);
    const stats = writer.close();
    renameSync(part, out);
    return stats;
  } catch (error) {
    writer.abandon();
    rmSync(part, { force: true });
    throw error;
  }
}

export function append(
  s: Pick<FileSource, "kind" | "asset" | "f64" | "at" | "bodyBytes" | "recvNs">,
  writer: TapeFileWriter,
): void {
  writer.append(s.kind, s.asset, s.f64, s.at, s.bodyBytes, s.recvNs);
}

function copyAll(queue: RecordQueue, writer: TapeFileWriter): number {
  let n = 0;
  for (; queue.hasFront; queue.pop(), n++) append(queue, writer);
  return n;
}

async function copying(
  source: FileSource,
  onProgress: Progressed | undefined,
  writer: TapeFileWriter,
  take: () => boolean,
): Promise<void> {
  let until = PROGRESS_EVERY;
  await mergeSources([source], () => {
    if (--until === 0) {
      until = PROGRESS_EVERY;
      onProgress?.(source.share, writer.stats.records);
    }
    return take();
  });
}
