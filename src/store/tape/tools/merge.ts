import { GapMarker } from "../convert/gaps.js";
import { mergeSources } from "../convert/merge-sources.js";
import { Timeline } from "../convert/times.js";
import { TapeError } from "../errors.js";
import type { TapeInstrument, TapeMeta } from "../file/format.js";
import { TapeFileReader } from "../file/reader.js";
import type { TapeWriterStats } from "../file/writer.js";
import { append, type Progressed, written } from "./cut.js";
import { FileSource } from "./file-source.js";

export interface MergeOptions {
  readonly inputs: readonly string[];
  readonly out: string;
  readonly onProgress?: Progressed;
}

/** Beyond this a double no longer counts single nanoseconds. */
const SPAN_MAX_NS = 2 ** 53;
/** Estimates of one clock's offset differ by less; tapes further apart were recorded by other clocks. */
const SAME_CLOCK_NS = 100e6;
const PROGRESS_EVERY = 16_384;

/**
 * Joins tapes into one, in the order of receive time; at equal times in the order given. All times count from the earliest base. A
 * tape of another clock has its exchange stamps moved, so that recv − exch − clockOffsetNs means the same throughout. Where a market
 * is in no tape for a while, its feed is marked: Resync, then Live.
 * @throws {TapeError} `ambiguous` when a coin stands on two grids or venues; `cannot_write` beyond 104 days.
 */
export async function mergeTapes(o: MergeOptions): Promise<TapeWriterStats> {
  const metas = o.inputs.map(readInput);
  if (metas.length === 0) throw new TapeError("no_such_file", "nothing to merge");
  const bases = metas.map((m) => BigInt(m.meta.baseWallNs));
  const base = [...bases].sort((a, b) => Number(a - b))[0]!;
  for (let i = 0; i < metas.length; i++)
    if (Number(bases[i]! - base) + (metas[i]!.span?.[1] ?? 0) > SPAN_MAX_NS)
      throw new TapeError(
        "cannot_write",
        `${o.inputs[i]}: more than 104 days after the first tape; merge parts`,
      );
  const { instruments, assets } = joined(
    metas.map((m) => m.meta),
    o.inputs,
  );
  const { offsetNs, exchShifts, notes } = clocks(
    metas.map((m) => m.meta),
    o.inputs,
  );
  const sources = o.inputs.map(
    (path, i) =>
      new FileSource(path, {
        shiftNs: Number(bases[i]! - base),
        exchShiftNs: exchShifts[i]!,
        assetOf: (asset) => assets[i]!.get(asset),
        skip: openingToSkip(i, metas),
      }),
  );
  const meta: Omit<TapeMeta, "layoutHash"> = {
    venue: [...new Set(metas.map((m) => m.meta.venue))].join(" + "),
    baseWallNs: String(base),
    instruments,
    ...(offsetNs === undefined ? {} : { clockOffsetNs: offsetNs }),
    ...mergedOwn(metas.map((m) => m.meta.ownOrders)),
    source: [...new Set(metas.map((m) => m.meta.source))].join(" + "),
    notes: [...new Set([...metas.flatMap((m) => m.meta.notes), ...notes])],
    ...mergedCut(metas.map((m) => m.meta)),
  };
  const seams = seamsOf(
    metas.flatMap(({ meta: m, span }, i) => {
      if (span === undefined) return [];
      const shiftNs = Number(bases[i]! - base);
      return [{ meta: m, fromNs: span[0] + shiftNs, toNs: span[1] + shiftNs, assets: assets[i]! }];
    }),
    instruments,
  );
  let until = PROGRESS_EVERY;
  try {
    return await written(o.out, meta, async (writer) => {
      const marker = new GapMarker(writer, new Timeline(0));
      await mergeSources(sources, (s) => {
        for (let seam = seams[0]; seam !== undefined && s.recvNs > seam.atNs; seam = seams[0]) {
          marker.lost(seam.asset, seam.atNs);
          seams.shift();
        }
        append(s as FileSource, writer);
        marker.after(s);
        if (--until === 0) {
          until = PROGRESS_EVERY;
          o.onProgress?.(sources.reduce((sum, x) => sum + x.share, 0) / sources.length, writer.stats.records);
        }
        return true;
      });
      return meta;
    });
  } finally {
    for (const s of sources) s.close();
  }
}

interface Input {
  readonly meta: TapeMeta;
  /** Receive times of the first and the last record. */
  readonly span: readonly [number, number] | undefined;
}

function readInput(path: string): Input {
  const reader = new TapeFileReader(path);
  try {
    return { meta: reader.meta, span: reader.span };
  } finally {
    reader.close();
  }
}

interface Piece {
  readonly meta: TapeMeta;
  readonly fromNs: number;
  readonly toNs: number;
  readonly assets: ReadonlyMap<number, number>;
}

/** Where a market is left by the last tape that holds it, for a later one that does not continue it. In time order. */
function seamsOf(
  pieces: readonly Piece[],
  instruments: readonly TapeInstrument[],
): { readonly asset: number; readonly atNs: number }[] {
  const seams: { asset: number; atNs: number }[] = [];
  for (const { asset } of instruments) {
    const own = pieces
      .filter((p) => [...p.assets.values()].includes(asset))
      .sort((a, b) => a.fromNs - b.fromNs);
    let last = own[0];
    for (const next of own.slice(1)) {
      if (next.fromNs > last!.toNs && !continues(last!.meta, next.meta))
        seams.push({ asset, atNs: last!.toNs });
      if (next.toNs > last!.toNs) last = next;
    }
  }
  return seams.sort((a, b) => a.atNs - b.atNs || a.asset - b.asset);
}

/** Files of one recording, or pieces of one tape that meet. */
function continues(a: TapeMeta, b: TapeMeta): boolean {
  if (a.baseWallNs !== b.baseWallNs) return false;
  return a.cut === undefined || b.cut === undefined || a.cut.toNs === b.cut.fromNs;
}

/** One list of markets; the new number of each tape's assets. */
function joined(
  metas: readonly TapeMeta[],
  paths: readonly string[],
): { readonly instruments: TapeInstrument[]; readonly assets: Map<number, number>[] } {
  const instruments: TapeInstrument[] = [];
  const venues = new Map<string, string>();
  const assets = metas.map((meta, i) => {
    const numbers = new Map<number, number>();
    for (const one of meta.instruments) {
      const old = instruments.find((x) => x.coin === one.coin);
      if (old === undefined) {
        venues.set(one.coin, meta.venue);
        numbers.set(one.asset, instruments.length);
        instruments.push({ ...one, asset: instruments.length });
        continue;
      }
      if (
        old.pxDecimals !== one.pxDecimals ||
        old.szDecimals !== one.szDecimals ||
        venues.get(one.coin) !== meta.venue
      )
        throw new TapeError(
          "ambiguous",
          `${paths[i]}: its ${one.coin} (${meta.venue}, ${one.pxDecimals}/${one.szDecimals} decimals) is not that of the tapes before (${venues.get(one.coin)}, ${old.pxDecimals}/${old.szDecimals})`,
        );
      numbers.set(one.asset, old.asset);
    }
    return numbers;
  });
  return { instruments, assets };
}

function clocks(
  metas: readonly TapeMeta[],
  paths: readonly string[],
): { readonly offsetNs: number | undefined; readonly exchShifts: number[]; readonly notes: string[] } {
  const first = metas.find((m) => m.clockOffsetNs !== undefined)?.clockOffsetNs;
  let offsetNs = first;
  const notes: string[] = [];
  const exchShifts = metas.map(({ clockOffsetNs }, i) => {
    if (clockOffsetNs === undefined || first === undefined) return 0;
    const shift = clockOffsetNs - first;
    if (Math.abs(shift) <= SAME_CLOCK_NS) {
      offsetNs = Math.min(offsetNs!, clockOffsetNs);
      return 0;
    }
    notes.push(
      `exchange stamps of ${paths[i]!.split("/").at(-1)} moved by ${(shift / 1e6).toFixed(3)} ms: another clock`,
    );
    return shift;
  });
  return { offsetNs, exchShifts, notes };
}

/** The records that only tell what the piece before has told already. */
function openingToSkip(i: number, inputs: readonly Input[]): number {
  const { meta, span } = inputs[i]!;
  const { cut, baseWallNs, repeated = 0 } = meta;
  const others = inputs.filter((x, k) => k !== i && x.meta.baseWallNs === baseWallNs);
  if (repeated > 0 && others.some((x) => (x.span?.[1] ?? Number.POSITIVE_INFINITY) <= span![1]))
    return repeated;
  if (cut === undefined || cut.openingRecords === 0) return 0;
  return others.some((x) => x.meta.cut?.toNs === cut.fromNs) ? cut.openingRecords : 0;
}

/** What is left of the edges when all pieces are of one tape and meet. */
/** One word for all, or the one that trusts the own orders least. */
function mergedOwn(of: readonly TapeMeta["ownOrders"][]): Pick<TapeMeta, "ownOrders"> {
  if (of.includes("paper")) return { ownOrders: "paper" };
  return of.every((own) => own === "apart") ? { ownOrders: "apart" } : {};
}

function mergedCut(metas: readonly TapeMeta[]): Pick<TapeMeta, "cut"> {
  const cuts = metas.flatMap((m) => (m.cut === undefined ? [] : [m.cut])).sort((a, b) => a.fromNs - b.fromNs);
  const isOneTape = cuts.length === metas.length && metas.every((m) => m.baseWallNs === metas[0]!.baseWallNs);
  const isWhole = cuts.every((c, i) => i === 0 || c.fromNs === cuts[i - 1]!.toNs);
  const first = cuts[0];
  if (!isOneTape || !isWhole || first === undefined) return {};
  const toNs = cuts.at(-1)!.toNs;
  if (first.fromNs === 0 && first.openingRecords === 0 && toNs === Number.MAX_VALUE) return {};
  return { cut: { fromNs: first.fromNs, toNs, openingRecords: first.openingRecords } };
}
