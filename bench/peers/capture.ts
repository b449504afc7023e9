/**
 * One recording in the two shapes: a tape of ours, and the event array that hftbacktest reads. Same records, same order, same times.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import * as abi from "../../src/abi/layout.js";
import { DeltaFlag, RecordKind } from "../../src/abi/layout.js";
import type { Instrument } from "../../src/domain/index.js";
import { TapeFileWriter } from "../../src/store/index.js";
import { DepthBook } from "../../src/store/tape/depth-book.js";

/** Prices on Binance's own grid; lots of 1e-5, because decimals of a perp add to 6 in our exchange core. */
export const BTCUSDT: Instrument = {
  asset: 0,
  venueAssetId: 0,
  coin: "BTC",
  pxDecimals: 1,
  szDecimals: 5,
  maxSigFigs: 0,
  minNotionalUsd: 10,
  maxLeverage: 40,
};
const PX_SCALE = 10;
/** Of the recording itself. */
const SZ_SCALE = 1000;

export enum Kind {
  Trade = 0,
  Clear = 1,
  Snapshot = 2,
  Delta = 3,
}

/** One level or print at an exchange time; side of the aggressor or of the level. */
export interface PeerEvent {
  readonly exchMs: number;
  readonly kind: Kind;
  readonly side: 1 | -1;
  readonly px: number;
  readonly sz: number;
  /** The message goes on with the next event. */
  readonly more: boolean;
}

interface Message {
  readonly data?: Message;
  readonly e?: string;
  readonly T?: number;
  readonly U?: number;
  readonly u?: number;
  readonly pu?: number;
  readonly b?: readonly (readonly [string, string])[];
  readonly a?: readonly (readonly [string, string])[];
  readonly p?: string;
  readonly q?: string;
  readonly m?: boolean;
  readonly lastUpdateId?: number;
  readonly bids?: readonly (readonly [string, string])[];
  readonly asks?: readonly (readonly [string, string])[];
}

/** Depth messages and trades of a raw USD-M capture from its snapshot on, by exchange time; at one time trades come first. */
export function readCapture(path: string): PeerEvent[] {
  const messages: PeerEvent[][] = [];
  const book = new DepthBook();
  const flat = (levels: Message["b"]): number[] =>
    (levels ?? []).flatMap(([px, sz]) => [
      Math.round(Number(px) * PX_SCALE),
      Math.round(Number(sz) * SZ_SCALE),
    ]);
  let lastMs = 0;
  for (const line of gunzipSync(readFileSync(path)).toString().split("\n")) {
    if (line === "") continue;
    const outer = JSON.parse(line.slice(line.indexOf(" ") + 1)) as Message;
    const m = outer.data ?? outer;
    if (m.lastUpdateId !== undefined) {
      if (book.isSynced) continue;
      book.reset({ lastUpdateId: m.lastUpdateId, bids: flat(m.bids), asks: flat(m.asks) });
      const exchMs = Math.max(lastMs, m.T ?? 0);
      const levels = [book.bids, book.asks].flatMap((side, i) =>
        [...side].map(([px, sz]) => ({ px: px / PX_SCALE, sz: sz / SZ_SCALE, side: i === 0 ? 1 : -1 })),
      );
      const clear = { exchMs, kind: Kind.Clear, side: 1, px: 0, sz: 0, more: true } as const;
      messages.push([
        clear,
        ...levels.map((l, i) => ({
          exchMs,
          kind: Kind.Snapshot,
          side: l.side as 1 | -1,
          px: l.px,
          sz: l.sz,
          more: i < levels.length - 1,
        })),
      ]);
    } else if (m.e === "depthUpdate") {
      const bids = flat(m.b);
      const asks = flat(m.a);
      const applied = book.apply({
        first: m.U!,
        last: m.u!,
        previous: m.pu!,
        isSpot: false,
        bids,
        asks,
      });
      lastMs = Math.max(lastMs, m.T!);
      if (applied === "broken") throw new Error(`${path}: the chain of depth messages breaks`);
      if (applied !== "applied") continue;
      const total = (bids.length + asks.length) / 2;
      const deltas: PeerEvent[] = [];
      for (const [levels, side] of [
        [bids, 1],
        [asks, -1],
      ] as const) {
        for (let i = 0; i < levels.length; i += 2) {
          const more = deltas.length < total - 1;
          const [px, sz] = [levels[i]! / PX_SCALE, levels[i + 1]! / SZ_SCALE];
          deltas.push({ exchMs: m.T!, kind: Kind.Delta, side, px, sz, more });
        }
      }
      if (deltas.length > 0) messages.push(deltas);
    } else if (m.e === "trade" && book.isSynced && Number(m.p) > 0) {
      messages.push([
        {
          exchMs: m.T!,
          kind: Kind.Trade,
          side: m.m === true ? -1 : 1,
          px: Number(m.p),
          sz: Number(m.q),
          more: false,
        },
      ]);
    }
  }
  const startMs = messages.find((x) => x[0]!.kind === Kind.Clear)![0]!.exchMs;
  const rank = (x: readonly PeerEvent[]): number =>
    x[0]!.kind === Kind.Clear ? 0 : x[0]!.kind === Kind.Trade ? 1 : 2;
  return messages
    .filter((x) => x[0]!.exchMs >= startMs)
    .sort((a, b) => a[0]!.exchMs - b[0]!.exchMs || rank(a) - rank(b))
    .flat();
}

/** The market over and over, each lap behind the one before and begun by its snapshot. */
export function laps(events: readonly PeerEvent[], count: number): PeerEvent[] {
  const span = events.at(-1)!.exchMs - events[0]!.exchMs + 100;
  return Array.from({ length: count }, (_, lap) =>
    lap === 0 ? events : events.map((e) => ({ ...e, exchMs: e.exchMs + lap * span })),
  ).flat();
}

/** @param feedMs from the exchange to us. */
export function writeTape(path: string, events: readonly PeerEvent[], feedMs: number): void {
  const baseMs = events[0]!.exchMs;
  const writer = new TapeFileWriter({
    path,
    meta: {
      venue: "binance",
      baseWallNs: String(BigInt(baseMs) * 1_000_000n),
      clockOffsetNs: 0,
      instruments: [{ ...BTCUSDT, asset: 0 }],
      source: "raw capture",
      notes: [],
    },
  });
  const f64 = new Float64Array(16);
  const i64 = new BigInt64Array(f64.buffer);
  const u8 = new Uint8Array(f64.buffer);
  let tid = 0n;
  let clear = 0;
  for (const e of events) {
    u8.fill(0);
    const recvNs = (e.exchMs - baseMs + feedMs) * 1e6;
    i64[0] = BigInt(e.exchMs) * 1_000_000n;
    f64[1] = recvNs;
    if (e.kind === Kind.Clear) {
      clear = DeltaFlag.Clear;
      continue;
    }
    if (e.kind === Kind.Trade) {
      f64[abi.TRADE_PX >> 3] = e.px;
      f64[abi.TRADE_SZ >> 3] = e.sz;
      i64[abi.TRADE_TID >> 3] = ++tid;
      u8[abi.TRADE_SIDE] = e.side;
      writer.append(RecordKind.Trade, 0, f64, 0, abi.TRADE_SIZE, recvNs);
      continue;
    }
    f64[abi.BOOK_DELTA_PX >> 3] = e.px;
    f64[abi.BOOK_DELTA_SZ >> 3] = e.sz;
    u8[abi.BOOK_DELTA_SIDE] = e.side;
    u8[abi.BOOK_DELTA_FLAGS] =
      clear | (e.kind === Kind.Snapshot ? DeltaFlag.Snapshot : 0) | (e.more ? DeltaFlag.More : 0);
    clear = 0;
    writer.append(RecordKind.BookDelta, 0, f64, 0, abi.BOOK_DELTA_SIZE, recvNs);
  }
  writer.close();
}

/** hftbacktest's event rows, 64 bytes: ev, exch_ts, local_ts, px, qty, order_id, ival, fval; in NumPy's own format. */
const ROW_BYTES = 64;
const DTYPE =
  "[('ev', '<u8'), ('exch_ts', '<i8'), ('local_ts', '<i8'), ('px', '<f8'), ('qty', '<f8'), ('order_id', '<u8'), ('ival', '<i8'), ('fval', '<f8')]";
const EV_BASE = { [Kind.Trade]: 2, [Kind.Clear]: 3, [Kind.Snapshot]: 4, [Kind.Delta]: 1 } as const;
const EXCH_AND_LOCAL = 2 ** 31 + 2 ** 30;

export function writeEventArray(path: string, events: readonly PeerEvent[], feedMs: number): void {
  const dict = `{'descr': ${DTYPE}, 'fortran_order': False, 'shape': (${events.length},), }`;
  const head = dict.padEnd(Math.ceil((dict.length + 11) / 64) * 64 - 11);
  const out = Buffer.alloc(10 + head.length + 1 + events.length * ROW_BYTES);
  out.write("\x93NUMPY\x01\x00", 0, "latin1");
  out.writeUInt16LE(head.length + 1, 8);
  out.write(`${head}\n`, 10, "latin1");
  let at = 10 + head.length + 1;
  for (const e of events) {
    // A clearing without a side empties both.
    const side = e.kind === Kind.Clear ? 0 : e.side > 0 ? 2 ** 29 : 2 ** 28;
    out.writeBigUInt64LE(BigInt(EV_BASE[e.kind] + EXCH_AND_LOCAL + side), at);
    const exchNs = BigInt(e.exchMs) * 1_000_000n;
    out.writeBigInt64LE(exchNs, at + 8);
    out.writeBigInt64LE(exchNs + BigInt(Math.round(feedMs * 1e6)), at + 16);
    out.writeDoubleLE(e.px, at + 24);
    out.writeDoubleLE(e.sz, at + 32);
    at += ROW_BYTES;
  }
  writeFileSync(path, out);
}
