import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { FrameOutcome } from "../../src/venues/hyperliquid/decode.js";
import { BBO_FRAME, BOOK_FRAME, bench, TRADE_FRAME, utf8 } from "./feed-fixture.js";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
const WARM_UP_CALLS = 60_000;
const CALLS = 5000;

/** Least heap growth in bytes a call over several stretches of compiled code: one heap number a call would show as 16. */
function bytesPerCall(run: (i: number) => void): number {
  for (let i = 0; i < WARM_UP_CALLS; i++) run(i);
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 10; round++) {
    collect();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < CALLS; i++) run(i);
    least = Math.min(least, Math.abs(process.memoryUsage().heapUsed - before) / CALLS);
  }
  return least;
}

describe("decoding allocates nothing in steady state", () => {
  const { decoder, reader } = bench();
  const now = 1.5;
  const decode = (frame: Uint8Array, outcome: FrameOutcome): void => {
    if (decoder.decode(frame, now) !== outcome) throw new Error("unexpected outcome");
    reader.skip();
  };
  const trades = Buffer.from(TRADE_FRAME);
  const idAt = trades.indexOf('"tid":') + 7;

  it.each<[string, (i: number) => void]>([
    ["a book", decodes(BOOK_FRAME, FrameOutcome.Decoded)],
    [
      "a book with sorted keys",
      decodes(
        '{"channel":"l2Book","data":{"coin":"BTC","levels":[[{"n":5,"px":"105055.0","sz":"3.03622"}],[]],"time":1737918843542}}',
        FrameOutcome.Decoded,
      ),
    ],
    ["a book in another spelling", decodes(BOOK_FRAME.replaceAll(":", ": "), FrameOutcome.Decoded)],
    ["a bbo", decodes(BBO_FRAME, FrameOutcome.Decoded)],
    ["known trades", decodes(TRADE_FRAME, FrameOutcome.Decoded)],
    [
      "new trades",
      (i) => {
        for (let k = 0, n = i; k < 6; k++, n = (n / 10) | 0) trades[idAt + k] = 0x30 + (n % 10);
        decode(trades, FrameOutcome.Decoded);
      },
    ],
    ["a malformed book", decodes(BOOK_FRAME.slice(0, -3), FrameOutcome.Malformed)],
    ["another coin's book", decodes(BOOK_FRAME.replace("BTC", "DOGE"), FrameOutcome.UnknownCoin)],
  ])("%s", (_name, run) => {
    expect(bytesPerCall(run)).toBeLessThan(2);
  });

  it("with a standby: a book that repeats the last, and one that does not", () => {
    const pair = bench();
    pair.decoder.dropsRepeats = true;
    const book = Buffer.from(BOOK_FRAME);
    const timeAt = book.indexOf('"time":') + 7;
    expect(
      bytesPerCall((i) => {
        for (let k = 12, n = i; k > 4; k--, n = (n / 10) | 0) book[timeAt + k] = 0x30 + (n % 10);
        pair.decoder.decode(book, now);
        pair.decoder.decode(book, now);
        pair.reader.skip();
      }),
    ).toBeLessThan(2);
    expect(pair.decoder.duplicateCount).toBe(1);
  });

  it("the measure sees one heap number a call (canary)", () => {
    const kept: unknown[] = new Array(CALLS);
    expect(
      bytesPerCall((i) => {
        kept[i % CALLS] = { at: i + 0.5 };
      }),
    ).toBeGreaterThan(8);
  });

  function decodes(text: string, outcome: FrameOutcome): (i: number) => void {
    const frame = utf8(text);
    return () => decode(frame, outcome);
  }
});
