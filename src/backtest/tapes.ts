import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import * as abi from "../abi/layout.js";
import { pow10 } from "../domain/index.js";
import { FILE_EXTENSION, openTape, type TapeEvent, TapeFileWriter } from "../store/index.js";

/** Tape files that follow each other, and what made for the occasion has to go afterwards. */
export interface TapeSet {
  readonly paths: readonly string[];
  /** For people: what was converted. */
  readonly notes: readonly string[];
  /** Removes what was made for the occasion. */
  dispose(): void;
}

/**
 * Finds the tape files behind what a user names: a file, several, a folder of them; a capture of another format is converted
 * into the temporary folder first.
 * @throws {TapeError}
 */
export async function findTapes(names: readonly string[], coin: string | undefined): Promise<TapeSet> {
  const paths: string[] = [];
  const notes: string[] = [];
  const made: string[] = [];
  for (const name of names) {
    const own = ownFormat(name);
    if (own.length > 0) {
      paths.push(...own);
      continue;
    }
    const dir = mkdtempSync(join(tmpdir(), "mm-tape-"));
    made.push(dir);
    const path = join(dir, `${basename(name)}${FILE_EXTENSION}`);
    notes.push(await convert(name, coin, path));
    paths.push(path);
  }
  return {
    paths,
    notes,
    dispose: () => {
      for (const dir of made) rmSync(dir, { recursive: true, force: true });
    },
  };
}

function ownFormat(name: string): string[] {
  const info = statSync(name, { throwIfNoEntry: false });
  if (info?.isFile() === true && name.endsWith(FILE_EXTENSION)) return [name];
  if (info?.isDirectory() !== true) return [];
  return readdirSync(name)
    .filter((file) => file.endsWith(FILE_EXTENSION))
    .sort()
    .map((file) => join(name, file));
}

const MAX_LEVERAGE: Readonly<Record<string, number>> = { BTC: 40, ETH: 25, SOL: 20 };

async function convert(name: string, coin: string | undefined, path: string): Promise<string> {
  const tape = await openTape(name, coin === undefined ? {} : { coin });
  const baseMs = Math.floor(tape.startRecvMs);
  const writer = new TapeFileWriter({
    path,
    codec: "none",
    meta: {
      venue: "capture",
      baseWallNs: String(BigInt(baseMs) * 1_000_000n),
      clockOffsetNs: tape.clockOffsetMs * 1e6,
      instruments: [
        {
          asset: 0,
          coin: tape.coin,
          pxDecimals: tape.pxDecimals,
          szDecimals: tape.szDecimals,
          maxSigFigs: 5,
          minNotionalUsd: 10,
          maxLeverage: MAX_LEVERAGE[tape.coin] ?? 10,
        },
      ],
      source: tape.description,
      notes: tape.notes,
    },
  });
  try {
    const put = recordWriter(writer, baseMs, pow10(tape.pxDecimals), pow10(tape.szDecimals));
    for (let e = tape.next(); e !== undefined; e = tape.next()) put(e);
  } finally {
    writer.close();
  }
  return `${name}: ${tape.description}`;
}

/** Writes events of an imported recording as records. */
function recordWriter(
  writer: TapeFileWriter,
  baseMs: number,
  pxScale: number,
  szScale: number,
): (e: TapeEvent) => void {
  const f64 = new Float64Array(abi.BOOK_SIZE / 8);
  const view = new DataView(f64.buffer);
  const level = (at: number, px: number, sz: number, orders: number): void => {
    view.setFloat64(at + abi.LEVEL_PX, px / pxScale, true);
    view.setFloat64(at + abi.LEVEL_SZ, sz / szScale, true);
    view.setUint32(at + abi.LEVEL_ORDERS, orders, true);
  };
  return (e) => {
    const recvNs = (e.recvMs - baseMs) * 1e6;
    const put = (kind: abi.RecordKind, bytes: number): void => writer.append(kind, 0, f64, 0, bytes, recvNs);
    f64.fill(0);
    view.setBigInt64(0, BigInt(Math.round(e.exchMs * 1e6)), true);
    view.setFloat64(8, recvNs, true);
    switch (e.kind) {
      case "trade":
        view.setFloat64(abi.TRADE_PX, e.pxTicks / pxScale, true);
        view.setFloat64(abi.TRADE_SZ, e.szLots / szScale, true);
        view.setInt8(abi.TRADE_SIDE, e.side);
        view.setBigUint64(abi.TRADE_TID, BigInt(e.tid), true);
        view.setUint8(abi.TRADE_FLAGS, e.isBacklog ? abi.TradeFlag.Backlog : abi.TradeFlag.None);
        put(abi.RecordKind.Trade, abi.TRADE_SIZE);
        return;
      case "bbo":
        if (e.bidCount > 0) {
          view.setFloat64(abi.BBO_BID_PX, e.bidPxTicks[0]! / pxScale, true);
          view.setFloat64(abi.BBO_BID_SZ, e.bidSzLots[0]! / szScale, true);
        }
        if (e.askCount > 0) {
          view.setFloat64(abi.BBO_ASK_PX, e.askPxTicks[0]! / pxScale, true);
          view.setFloat64(abi.BBO_ASK_SZ, e.askSzLots[0]! / szScale, true);
        }
        put(abi.RecordKind.Bbo, abi.BBO_SIZE);
        return;
      case "book":
        view.setUint8(abi.BOOK_BID_COUNT, e.bidCount);
        view.setUint8(abi.BOOK_ASK_COUNT, e.askCount);
        for (let i = 0; i < e.bidCount; i++)
          level(abi.BOOK_BIDS + i * abi.LEVEL_SIZE, e.bidPxTicks[i]!, e.bidSzLots[i]!, e.bidOrders[i]!);
        for (let i = 0; i < e.askCount; i++)
          level(abi.BOOK_ASKS + i * abi.LEVEL_SIZE, e.askPxTicks[i]!, e.askSzLots[i]!, e.askOrders[i]!);
        put(abi.RecordKind.Book, abi.BOOK_SIZE);
        return;
      case "gap":
        f64.fill(0);
        view.setFloat64(abi.FEED_STATUS_MONO_NS, recvNs, true);
        view.setUint8(abi.FEED_STATUS_STATE, abi.FeedState.Resync);
        put(abi.RecordKind.FeedStatus, abi.FEED_STATUS_SIZE);
        view.setUint8(abi.FEED_STATUS_STATE, abi.FeedState.Live);
        put(abi.RecordKind.FeedStatus, abi.FEED_STATUS_SIZE);
        return;
    }
  };
}
