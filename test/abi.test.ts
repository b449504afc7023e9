import { ByteBuffer } from "flatbuffers";
import { expect, test } from "vitest";
import { BookMsg } from "../src/abi/flat/book-msg.js";
import { TradeMsg } from "../src/abi/flat/trade-msg.js";
import * as abi from "../src/abi/layout.js";

function message(bodyBytes: number): { u8: Uint8Array; view: DataView } {
  const u8 = new Uint8Array(abi.MSG_PREFIX_BYTES + bodyBytes);
  const view = new DataView(u8.buffer);
  for (const word of [0, 1, 2, 3] as const) view.setUint32(word * 4, abi.prefixWord(bodyBytes, word), true);
  return { u8, view };
}

test("a message written at our offsets is read by the stock FlatBuffers accessors", () => {
  const { u8, view } = message(abi.TRADE_SIZE);
  const at = abi.MSG_PREFIX_BYTES;
  view.setBigInt64(at + abi.TRADE_EXCH_TS_NS, 1_757_015_216_253_000_000n, true);
  view.setFloat64(at + abi.TRADE_PX, 109_755, true);
  view.setBigUint64(at + abi.TRADE_TID, 833_120_162_794_147n, true);
  view.setUint16(at + abi.TRADE_ASSET, 7, true);
  view.setInt8(at + abi.TRADE_SIDE, -1);
  const body = TradeMsg.getRootAsTradeMsg(new ByteBuffer(u8)).body()!;
  expect([body.exchTsNs(), body.px(), body.tid(), body.asset(), body.side()]).toEqual([
    1_757_015_216_253_000_000n,
    109_755,
    833_120_162_794_147n,
    7,
    -1,
  ]);
});

test("fixed arrays of structs have the stride the stock accessors expect", () => {
  const { u8, view } = message(abi.BOOK_SIZE);
  const at = abi.MSG_PREFIX_BYTES + abi.BOOK_ASKS + 19 * abi.LEVEL_SIZE;
  view.setFloat64(at + abi.LEVEL_PX, 3.5, true);
  view.setUint32(at + abi.LEVEL_ORDERS, 17, true);
  const level = BookMsg.getRootAsBookMsg(new ByteBuffer(u8)).body()!.asks(19)!;
  expect([level.px(), level.orders()]).toEqual([3.5, 17]);
});
