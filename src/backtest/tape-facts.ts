/** What must be known of a tape before anything is assembled. */
import * as abi from "../abi/layout.js";
import { RecordCursor, TapeError, TapeFileReader, type TapeInstrument } from "../store/index.js";

const NAMES_SHOWN = 24;

export interface TapeFacts {
  /** Of the tape's clock, ms since the epoch. */
  readonly baseMs: number;
  readonly listing: TapeInstrument;
  /** A first price. */
  readonly midPx: number;
  readonly isOrderLevel: boolean;
}

/**
 * Looks at the beginning of the first tape, or at its first price from `fromMs` on.
 * @param coin needed when the tape holds several markets
 * @throws {TapeError} `coin_not_in_tape`, `ambiguous`, `no_book`, and what reading throws.
 */
export function tapeFacts(
  paths: readonly string[],
  coin: string | undefined,
  fromMs: number | undefined,
): TapeFacts {
  const path = paths[0];
  if (path === undefined) throw new TapeError("no_such_file", "no tape was given");
  const reader = new TapeFileReader(path);
  try {
    const { instruments } = reader.meta;
    const listing = coin === undefined ? instruments[0] : instruments.find((i) => i.coin === coin);
    const coins = instruments.map((i) => i.coin);
    const names = coins.slice(0, NAMES_SHOWN).join(", ") + (coins.length > NAMES_SHOWN ? ", …" : "");
    if (listing === undefined)
      throw new TapeError(
        "coin_not_in_tape",
        `${path} holds ${names}, not ${coin}: choose one of these with --asset`,
      );
    if (coin === undefined && instruments.length > 1)
      throw new TapeError("ambiguous", `${path} holds ${names}: choose one with --asset`);
    const baseMs = Number(BigInt(reader.meta.baseWallNs) / 1_000_000n);
    if (fromMs !== undefined) reader.seek((fromMs - baseMs) * 1e6);
    const cursor = new RecordCursor();
    let bid = 0;
    let ask = 0;
    let midPx = 0;
    let isOrderLevel = false;
    for (let block = reader.nextBlock(); block !== undefined; block = reader.nextBlock()) {
      cursor.load(block);
      while (cursor.next()) {
        if (cursor.asset !== listing.asset) continue;
        const { f64, u8 } = block;
        // The order comes before the level that it changes.
        if (cursor.kind === abi.RecordKind.OrderEvent) isOrderLevel = true;
        if (cursor.kind === abi.RecordKind.Bbo) {
          bid = f64[(cursor.at + abi.BBO_BID_PX) >> 3]!;
          ask = f64[(cursor.at + abi.BBO_ASK_PX) >> 3]!;
        } else if (cursor.kind === abi.RecordKind.Book) {
          bid = f64[(cursor.at + abi.BOOK_BIDS) >> 3]!;
          ask = f64[(cursor.at + abi.BOOK_ASKS) >> 3]!;
        } else if (cursor.kind === abi.RecordKind.Trade && u8[cursor.at + abi.TRADE_FLAGS] === 0) {
          bid = f64[(cursor.at + abi.TRADE_PX) >> 3]!;
          ask = bid;
        } else if (cursor.kind === abi.RecordKind.BookDelta) {
          const px = f64[(cursor.at + abi.BOOK_DELTA_PX) >> 3]!;
          const isBid = u8[cursor.at + abi.BOOK_DELTA_SIDE] === 1;
          // The first message is a snapshot: only its best prices matter, and none is taken away yet.
          if (isBid) bid = Math.max(bid, px);
          else ask = ask > 0 ? Math.min(ask, px) : px;
          if ((u8[cursor.at + abi.BOOK_DELTA_FLAGS]! & abi.DeltaFlag.More) !== 0) continue;
        }
        if (bid > 0 && ask > 0) midPx ||= (bid + ask) / 2;
        if (midPx > 0 && isOrderLevel) break;
      }
      // A start in the middle may meet a touch before an order: the block tells.
      if (midPx > 0) return { baseMs, listing, midPx, isOrderLevel };
    }
    const from = fromMs === undefined ? "" : ` from ${isoOf(fromMs)} on`;
    const end =
      reader.span === undefined ? "it is empty" : `it ends at ${isoOf(baseMs + reader.span[1] / 1e6)}`;
    throw new TapeError("no_book", `${path}: no price of ${listing.coin} in it${from}; ${end}`);
  } finally {
    reader.close();
  }
}

export const isoOf = (ms: number): string => new Date(ms).toISOString();
