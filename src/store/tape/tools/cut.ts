import { renameSync, rmSync, statSync } from "node:fs";
import { GapMarker } from "../convert/gaps.js";
import { mergeSources } from "../convert/merge-sources.js";
import type { RecordQueue } from "../convert/records.js";
import { Timeline } from "../convert/times.js";
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
  /** Damaged blocks are left out, marked as gaps and noted; without `fromNs`, for what was before a start is not known then. */
  readonly repair?: boolean;
  readonly onProgress?: Progressed;
}

const PROGRESS_EVERY = 16_384;

/**
 * Cuts a piece out of a tape. It opens with the state at its start (books, resting orders, newest context), so that it can be read
 * alone; `mergeTapes` leaves that out again where the pieces meet.
 * @throws {TapeError}
 */
export async function cutTape(o: CutOptions): Promise<TapeWriterStats> {
  if (o.repair === true && o.fromNs !== undefined)
    throw new RangeError("a tape is repaired from its start on: repair it first, then cut it");
  const probe = new FileSource(o.input);
  const { meta } = probe.reader;
  probe.close();
  const kept = chosen(meta, o.coins, o.input);
  const numberOf = new Map(kept.map((i, n) => [i.asset, n]));
  const instruments = kept.map((i, asset) => ({ ...i, asset }));
  const fromNs = o.fromNs ?? Number.NEGATIVE_INFINITY;
  const toNs = o.toNs ?? Number.POSITIVE_INFINITY;
  const source = new FileSource(o.input, {
    assetOf: (asset) => numberOf.get(asset),
    skipDamaged: o.repair === true,
  });
  const states = instruments.map((i) => new MarketState(i));
  const { layoutHash: _hash, cut: earlier, repeated: _repeated, ...about } = meta;
  let repeated = 0;
  const piece = (openingRecords: number): Omit<TapeMeta, "layoutHash"> => ({
    ...about,
    ...(repeated > 0 ? { repeated } : {}),
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
      const damage = new Damage(source, writer, instruments);
      await copying(source, o.onProgress, writer, () => {
        if (source.recvNs >= toNs) return false;
        const isState = source.isRepeated && Number.isFinite(fromNs);
        if (source.isRepeated && !isState) repeated++;
        if (o.repair === true) damage.copy();
        else if (source.recvNs < fromNs || isState) states[source.asset]!.apply(source);
        else {
          open();
          append(source, writer);
        }
        return true;
      });
      open();
      if (o.repair === true) return { ...piece(0), notes: [...about.notes, ...damage.notes()] };
      return piece(openingRecords);
    });
  } finally {
    source.close();
  }
}

/** Copies a tape without its damaged blocks. */
class Damage {
  private readonly marker: GapMarker;
  private blocks = 0;
  private newestNs = 0;

  constructor(
    private readonly source: FileSource,
    private readonly writer: TapeFileWriter,
    private readonly instruments: readonly TapeInstrument[],
  ) {
    this.marker = new GapMarker(writer, new Timeline(0), { needsSnapshot: true });
  }

  /** The record under the source. */
  copy(): void {
    const { source, marker } = this;
    if (source.reader.damagedBlocks > this.blocks) {
      this.blocks = source.reader.damagedBlocks;
      for (const { asset } of this.instruments) marker.lost(asset, this.newestNs);
    }
    append(source, this.writer);
    this.newestNs = source.recvNs;
    marker.after(source);
  }

  notes(): string[] {
    const { damagedBlocks, tornBytes } = this.source.reader;
    const notes: string[] = [];
    if (damagedBlocks > 0) notes.push(`repaired ${damagedBlocks} times: a damaged block left out`);
    if (tornBytes > 0) notes.push(`repaired: ${tornBytes} torn bytes at the end left out`);
    return notes;
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
