import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RecordKind } from "../../src/abi/layout.js";
import { FrameFault, FrameOutcome, MAX_TRADES_PER_FRAME } from "../../src/venues/hyperliquid/decode.js";
import { JsonScanner } from "../../src/venues/hyperliquid/json-scan.js";
import { RECENT_CAPACITY, RecentTrades } from "../../src/venues/hyperliquid/recent-trades.js";
import { BBO_FRAME, BOOK_FRAME, bench, frameOf, reference, TRADE_FRAME, utf8 } from "./feed-fixture.js";

const SEED = 20260801;

interface WireLevel {
  readonly px: string;
  readonly sz: string;
  readonly n: number;
}
const level = (px: number | string, sz: number | string = "1.5", n = 1): WireLevel => ({
  px: String(px),
  sz: String(sz),
  n,
});
const book = (
  bids: readonly object[],
  asks: readonly object[],
  rest: object = { coin: "BTC", time: 1754450974231 },
): Uint8Array => frameOf("l2Book", { ...rest, levels: [bids, asks] });
const trade = (fields: object = {}): object => ({
  coin: "BTC",
  side: "B",
  px: "100.5",
  sz: "0.25",
  time: 1754450974231,
  hash: "0x00",
  tid: 7,
  users: ["0x1", "0x2"],
  ...fields,
});

describe("known frames", () => {
  it("decodes a book into levels, counts, times and asset", () => {
    const { decoder, reader } = bench();
    expect(decoder.decode(utf8(BOOK_FRAME), 12_345.5)).toBe(FrameOutcome.Decoded);
    expect(reader.take()).toEqual([
      {
        kind: "book",
        asset: 0,
        exchNs: 1754450974231000000n,
        bids: [
          { px: 113377, sz: 7.6699, n: 17 },
          { px: 113376, sz: 4.13714, n: 8 },
        ],
        asks: [{ px: 113397, sz: 0.11543, n: 3 }],
      },
    ]);
    expect(reader.recvMonoNs).toEqual([12_345.5]);
    expect(decoder.lastAsset).toBe(0);
    expect(decoder.lastKind).toBe(RecordKind.Book);
    expect(decoder.lastExchMs).toBe(1754450974231);
    expect(decoder.recordCount).toBe(1);
  });

  it("decodes every trade of a frame, aggressor side and 50-bit ids included", () => {
    const { decoder, reader } = bench();
    expect(decoder.decode(utf8(TRADE_FRAME), 1)).toBe(FrameOutcome.Decoded);
    expect(reader.take()).toEqual(reference(TRADE_FRAME));
    expect(decoder.recordCount).toBe(2);
    expect(decoder.lastExchMs).toBe(1785261289150);
    expect(reader.seqs).toEqual([0, 1]);
  });

  it("decodes a bbo, and a missing side as zero", () => {
    const { decoder, reader } = bench();
    decoder.decode(utf8(BBO_FRAME), 1);
    decoder.decode(frameOf("bbo", { coin: "ETH", time: 5, bbo: [null, level(2)] }), 2);
    decoder.decode(frameOf("bbo", { coin: "ETH", time: 6, bbo: [null, null] }), 3);
    expect(reader.take()).toEqual([
      ...reference(BBO_FRAME),
      { kind: "bbo", asset: 1, exchNs: 5_000_000n, bid: [0, 0], ask: [2, 1.5] },
      { kind: "bbo", asset: 1, exchNs: 6_000_000n, bid: [0, 0], ask: [0, 0] },
    ]);
  });

  it("accepts an empty side and an empty book", () => {
    const { decoder, reader } = bench();
    expect(decoder.decode(book([], [level(1)]), 1)).toBe(FrameOutcome.Decoded);
    expect(decoder.decode(book([level(1)], []), 1)).toBe(FrameOutcome.Decoded);
    expect(decoder.decode(book([], []), 1)).toBe(FrameOutcome.Decoded);
    expect(reader.take()).toMatchObject([
      { bids: [], asks: [{ px: 1 }] },
      { bids: [{ px: 1 }], asks: [] },
      { bids: [], asks: [] },
    ]);
  });

  it("finds a coin with a dex prefix and refuses a coin that is not traded", () => {
    const { decoder, reader } = bench();
    expect(decoder.decode(book([level(1)], [], { coin: "xyz:TSLA", time: 1 }), 1)).toBe(FrameOutcome.Decoded);
    expect(decoder.lastAsset).toBe(2);
    reader.take();
    for (const coin of ["xyz:TSL", "xyz:TSLAA", "SOL", "", "btc", "B\\u0054C"]) {
      expect(decoder.decode(book([level(1)], [], { coin, time: 1 }), 1)).toBe(FrameOutcome.UnknownCoin);
      expect(decoder.lastAsset).toBe(-1);
    }
    expect(decoder.decode(frameOf("trades", [trade({ coin: "DOGE" })]), 1)).toBe(FrameOutcome.UnknownCoin);
    expect(reader.take()).toEqual([]);
  });

  it("hands other channels on, with their data before or after the channel, or none", () => {
    const { decoder, reader } = bench();
    for (const text of [
      '{"channel":"pong"}',
      '{"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":{"type":"l2Book"}}}',
      '{"data":[1,-2.5e+3,true,false,null,{"a":[{}]},"\\u00e9\\n\\""],"channel":"l2BookX"}',
      '{"channel":"activeAssetCtx","data":{"coin":"BTC","ctx":{}}}',
      ' { "channel" : "bb" } ',
    ]) {
      expect([text, decoder.decode(utf8(text), 1)]).toEqual([text, FrameOutcome.Other]);
    }
    expect(reader.take()).toEqual([]);
  });

  it("writes 20 levels of a longer book but validates all", () => {
    const { decoder, reader } = bench();
    const bids = Array.from({ length: 25 }, (_, i) => level(1000 - i));
    const asks = Array.from({ length: 30 }, (_, i) => level(1001 + i));
    expect(decoder.decode(book(bids, asks), 1)).toBe(FrameOutcome.Decoded);
    const [record] = reader.take();
    expect(record).toMatchObject({ bids: { length: 20 }, asks: { length: 20 } });
    asks[29] = level(1);
    expect(decoder.decode(book(bids, asks), 1)).toBe(FrameOutcome.Malformed);
    asks[29] = level(2000, "0.0");
    expect(decoder.decode(book(bids, asks), 1)).toBe(FrameOutcome.Malformed);
    expect(reader.take()).toEqual([]);
  });

  it("leaves nothing of a longer book in the levels of a shorter one", () => {
    const { decoder, ring, reader } = bench(4096);
    const bids = Array.from({ length: 20 }, (_, i) => level(1000 - i, "3.25", 9));
    for (let i = 0; i < 8; i++) {
      decoder.decode(book(bids, []), 1);
      reader.skip();
    }
    for (let i = 0; i < 8; i++) {
      decoder.decode(book([level(5, "4.5", 2)], []), 1);
      reader.skip();
    }
    const words = new Float64Array(ring.slice(512));
    expect(words).not.toContain(3.25);
    expect(words).toContain(4.5);
  });
});

describe("refusals", () => {
  const one = [level(10)];
  const cases: readonly (readonly [string, Uint8Array, FrameFault])[] = [
    ["crossed book", book([level(11)], [level(10)]), FrameFault.Crossed],
    ["locked book", book([level(10)], [level(10)]), FrameFault.Crossed],
    ["bids ascending", book([level(9), level(10)], []), FrameFault.Unsorted],
    ["equal bids", book([level(9), level("9.0")], []), FrameFault.Unsorted],
    ["asks descending", book([], [level(10), level(9)]), FrameFault.Unsorted],
    ["zero size", book([level(9, "0")], []), FrameFault.BadNumber],
    ["zero price", book([], [level("0.0")]), FrameFault.BadNumber],
    ["a level without size", book([{ px: "1", n: 1 }], []), FrameFault.MissingField],
    ["a book without time", frameOf("l2Book", { coin: "BTC", levels: [one, []] }), FrameFault.MissingField],
    ["a book without coin", frameOf("l2Book", { time: 1, levels: [one, []] }), FrameFault.MissingField],
    ["a book without levels", frameOf("l2Book", { coin: "BTC", time: 1 }), FrameFault.MissingField],
    ["time 0", book(one, [], { coin: "BTC", time: 0 }), FrameFault.BadTime],
    ["negative time", book(one, [], { coin: "BTC", time: -5 }), FrameFault.BadTime],
    ["fractional time", book(one, [], { coin: "BTC", time: 1.5 }), FrameFault.Syntax],
    ["time beyond i64 ns", book(one, [], { coin: "BTC", time: 9.3e12 }), FrameFault.BadTime],
    ["null time", book(one, [], { coin: "BTC", time: null }), FrameFault.BadTime],
    ["crossed bbo", frameOf("bbo", { coin: "BTC", time: 1, bbo: [level(2), level(1)] }), FrameFault.Crossed],
    ["one-sided bbo array", frameOf("bbo", { coin: "BTC", time: 1, bbo: [level(2)] }), FrameFault.Syntax],
    [
      "three-sided book",
      frameOf("l2Book", { coin: "BTC", time: 1, levels: [[], [], []] }),
      FrameFault.Syntax,
    ],
    ["a trade without id", frameOf("trades", [trade({ tid: undefined })]), FrameFault.MissingField],
    ["a trade side C", frameOf("trades", [trade({ side: "C" })]), FrameFault.Syntax],
    ["a trade of size 0", frameOf("trades", [trade({ sz: "0" })]), FrameFault.BadNumber],
    ["two coins", frameOf("trades", [trade(), trade({ coin: "ETH" })]), FrameFault.MixedCoins],
    ["no data", utf8('{"channel":"l2Book"}'), FrameFault.MissingField],
    ["no channel", utf8('{"data":{}}'), FrameFault.MissingField],
    ["data null", utf8('{"channel":"l2Book","data":null}'), FrameFault.Syntax],
    ["two channels", utf8('{"channel":"bbo","channel":"l2Book"}'), FrameFault.DuplicateField],
    ["two data", utf8(BBO_FRAME.replace(/}$/, ',"data":{"coin":"BTC"}}')), FrameFault.DuplicateField],
    ["two data before the channel", utf8('{"data":1,"data":2,"channel":"x"}'), FrameFault.DuplicateField],
    ["two times", utf8(BOOK_FRAME.replace('"time"', '"time":1,"time"')), FrameFault.DuplicateField],
    ["two prices", utf8(BOOK_FRAME.replace('"px"', '"px":"1","px"')), FrameFault.DuplicateField],
    ["trailing bytes", utf8(`${BOOK_FRAME}x`), FrameFault.Syntax],
    ["trailing zero byte", utf8(`${BOOK_FRAME}\0`), FrameFault.Syntax],
    ["two documents", utf8(`${BOOK_FRAME}${BOOK_FRAME}`), FrameFault.Syntax],
    ["a bare array", utf8("[]"), FrameFault.Syntax],
    ["nothing", utf8(""), FrameFault.Syntax],
    ["trailing comma in an object", utf8(BOOK_FRAME.replace("]]}}", "]],}}")), FrameFault.Syntax],
    ["trailing comma in a side", utf8(BOOK_FRAME.replace("}]]}}", "},]]}}")), FrameFault.Syntax],
    ["leading zero", utf8(BOOK_FRAME.replace('"113377.0"', '"0113377.0"')), FrameFault.BadNumber],
    ["leading plus", utf8(BOOK_FRAME.replace('"113377.0"', '"+113377.0"')), FrameFault.BadNumber],
    [
      "a number without fraction digits",
      utf8(BOOK_FRAME.replace("113377.0", "113377.")),
      FrameFault.BadNumber,
    ],
    ["a text price", utf8(BOOK_FRAME.replace("113377.0", "NaN")), FrameFault.BadNumber],
    ["an infinite price", utf8(BOOK_FRAME.replace("113377.0", "1e999")), FrameFault.BadNumber],
    ["an endless price", utf8(BOOK_FRAME.replace("113377.0", "1".repeat(5000))), FrameFault.BadNumber],
    ["an unpaired quote", utf8(BOOK_FRAME.replace('"113377.0"', '113377.0"')), FrameFault.Syntax],
  ];

  it.each(cases)("%s is malformed, leaves the ring alone and names its fault", (_name, frame, fault) => {
    const { decoder, reader } = bench();
    expect(decoder.decode(frame, 1)).toBe(FrameOutcome.Malformed);
    expect(decoder.lastFault).toBe(fault);
    expect(reader.take()).toEqual([]);
    // Nothing of it lingers.
    expect(decoder.decode(utf8(BOOK_FRAME), 1)).toBe(FrameOutcome.Decoded);
    expect(reader.take()).toEqual(reference(BOOK_FRAME));
  });

  it("names the asset and channel of a malformed frame as far as they were read", () => {
    const { decoder } = bench();
    decoder.decode(utf8(BOOK_FRAME.slice(0, -5)), 1);
    expect([decoder.lastAsset, decoder.lastKind]).toEqual([0, RecordKind.Book]);
    decoder.decode(utf8('{"channel":"l2Book","data":{"co'), 1);
    expect([decoder.lastAsset, decoder.lastKind]).toEqual([-1, RecordKind.Book]);
    decoder.decode(utf8('{"channe'), 1);
    expect([decoder.lastAsset, decoder.lastKind]).toEqual([-1, RecordKind.None]);
  });

  it("refuses frames longer than its bound without looking at them", () => {
    const { decoder, reader } = bench(1 << 18, BOOK_FRAME.length);
    expect(decoder.decode(utf8(BOOK_FRAME), 1)).toBe(FrameOutcome.Decoded);
    expect(decoder.decode(utf8(`${BOOK_FRAME} `), 1)).toBe(FrameOutcome.Oversized);
    expect(reader.take()).toHaveLength(1);
  });
});

describe("any spelling", () => {
  /** Serialises with shuffled keys, white space, quoted or bare numbers and extra fields. */
  function spell(value: unknown, rand: () => number): string {
    const space = (): string => {
      const n = Math.floor(rand() * 4);
      return n === 0 ? [" ", "\n", "\t", "\r\n", "  "][Math.floor(rand() * 5)]! : "";
    };
    const wrap = (text: string): string => `${space()}${text}${space()}`;
    if (Array.isArray(value))
      return wrap(`[${value.map((v) => spell(v, rand)).join(",")}${value.length ? "" : space()}]`);
    if (typeof value === "object" && value !== null) {
      const entries = Object.entries(value).map(([k, v]): [string, string] => [k, spell(v, rand)]);
      const extras = [
        ["fast", "true"],
        ["spread", '"1.0"'],
        ['x\\"y', '[null,false,{"px":"1","deep":[[[-1.5E-3]]]}]'],
        ["channels", '{"channel":"l2Book"}'],
        ["é", '"\\u12aF\\\\"'],
        ["pxx", "0"],
        ["", "[]"],
      ] as const;
      for (const [k, v] of extras) if (rand() < 0.2) entries.push([k, wrap(v)]);
      for (let i = entries.length - 1; i > 0; i--) {
        const j = Math.floor(rand() * (i + 1));
        [entries[i], entries[j]] = [entries[j]!, entries[i]!];
      }
      return wrap(`{${entries.map(([k, v]) => `${space()}"${k}"${space()}:${v}`).join(",")}}`);
    }
    if (typeof value === "string" && /^[\d.]+$/.test(value) && rand() < 0.3) return wrap(value);
    return wrap(JSON.stringify(value));
  }

  const decimals = fc.integer({ min: 0, max: 8 });
  const sz = fc
    .tuple(fc.integer({ min: 1, max: 999_999_999 }), decimals)
    .map(([n, d]) => (n / 10 ** d).toFixed(d));
  const gaps = fc.array(fc.tuple(fc.integer({ min: 1, max: 50 }), sz, fc.nat(500)), { maxLength: 24 });
  const bookArb = fc.tuple(gaps, gaps, fc.integer({ min: 30_000, max: 10_000_000 })).map(([b, a, mid]) => {
    const side = (list: typeof b, sign: number): WireLevel[] => {
      let px = mid;
      return list.map(([gap, size, n]) => {
        px += sign * gap;
        return { px: (px / 10).toFixed(1), sz: size, n };
      });
    };
    return {
      channel: "l2Book",
      data: { coin: "ETH", time: 1754450974231, levels: [side(b, -1), side(a, 1)] },
    };
  });
  const bboArb = bookArb.map(({ data: { levels, ...rest } }) => ({
    channel: "bbo",
    data: { ...rest, bbo: levels.map((side) => side[0] ?? null) },
  }));
  const tradesArb = fc
    .uniqueArray(
      fc.record({
        coin: fc.constant("xyz:TSLA"),
        side: fc.constantFrom("A", "B"),
        px: sz,
        sz,
        time: fc.integer({ min: 1, max: 2 ** 42 }),
        hash: fc.constant(`0x${"a1".repeat(32)}`),
        tid: fc.nat(Number.MAX_SAFE_INTEGER),
        users: fc.constant(["0xaa", "0xbb"]),
      }),
      { selector: (t) => t.tid, maxLength: 40 },
    )
    .map((data) => ({ channel: "trades", data }));

  it.each([
    ["l2Book", bookArb],
    ["bbo", bboArb],
    ["trades", tradesArb],
  ])("%s: key order, white space, extra keys and bare numbers do not change the record", (_name, arb) => {
    fc.assert(
      fc.property(
        arb as fc.Arbitrary<object>,
        fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true })),
        (frame, dice) => {
          const text = spell(frame, () => dice.next().value as number);
          const { decoder, reader } = bench();
          expect(decoder.decode(utf8(text), 7)).toBe(FrameOutcome.Decoded);
          expect(reader.take()).toEqual(reference(JSON.stringify(frame)));
          expect(reference(text)).toEqual(reference(JSON.stringify(frame)));
        },
      ),
      { seed: SEED, numRuns: 300 },
    );
  });
});

describe("numbers", () => {
  const scan = new JsonScanner(1024, 2);
  const decimal = (text: string): number => {
    scan.load(utf8(text));
    return scan.decimal(0, 1) === text.length ? scan.out[1]! : Number.NaN;
  };
  const whole = fc.oneof(
    fc.constant("0"),
    fc.bigInt({ min: 1n, max: 10n ** 18n }).map(String),
    fc.nat().map(String),
  );
  const fraction = fc.string({ unit: fc.constantFrom(..."0123456789"), minLength: 1, maxLength: 14 });

  it("reads every decimal exactly as Number() does, quoted and bare", () => {
    fc.assert(
      fc.property(whole, fc.option(fraction), (w, f) => {
        const text = f === null ? w : `${w}.${f}`;
        expect(decimal(text)).toBe(Number(text));
        expect(decimal(`"${text}"`)).toBe(Number(text));
      }),
      { seed: SEED, numRuns: 20_000 },
    );
  });

  it.each([
    "0",
    "0.1",
    "0.3",
    "9007199254740993",
    "999999999",
    "9999999999",
    "2147483648.5",
    "4294967296",
    "123456789.1",
    "12345678.12",
    "0.000000001",
    "0.0000000000000000000001",
    "0.00000000000000000000000012345",
    "1.00000000000000000000",
    "179769313486231570000000000000000000000",
    "5e-324",
    "1E5",
    "1.5e+3",
    "25e-1",
  ])("reads %s as Number() does", (text) => {
    expect(decimal(text)).toBe(Number(text));
  });

  it.each([
    "",
    "-1",
    "+1",
    ".5",
    "5.",
    "00",
    "01.5",
    "1e",
    "1e+",
    "0x10",
    "1_0",
    "1,0",
    "NaN",
    '"1',
    '1"',
    '"1 "',
    "1.2.3",
  ])("refuses %j", (text) => {
    expect(decimal(text)).toBeNaN();
  });

  it("reads every unsigned 64-bit integer, and no larger one", () => {
    const u64 = (text: string): bigint | undefined => {
      scan.load(utf8(text));
      if (scan.u64(0) !== text.length) return undefined;
      return (BigInt(scan.limbs[1]!) << 32n) | BigInt(scan.limbs[0]!);
    };
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.nat(63), (n, shift) => {
        const value = n >> BigInt(shift);
        expect(u64(String(value))).toBe(value);
        expect(u64(`"${value}"`)).toBe(value);
      }),
      { seed: SEED, numRuns: 5000 },
    );
    expect(u64("18446744073709551615")).toBe(2n ** 64n - 1n);
    for (const text of [
      "18446744073709551616",
      "99999999999999999999",
      "184467440737095516150",
      "01",
      "-1",
      "",
    ]) {
      expect(u64(text)).toBeUndefined();
    }
  });

  it("writes milliseconds as exact 64-bit ns", () => {
    const { decoder, reader } = bench();
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9.19e12 }), (time) => {
        decoder.decode(frameOf("bbo", { coin: "BTC", time, bbo: [null, null] }), 1);
        expect(reader.take()).toMatchObject([{ exchNs: BigInt(time) * 1_000_000n }]);
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });
});

describe("the usual spelling of a level", () => {
  const digits = (min: number, max: number): fc.Arbitrary<string> =>
    fc.string({ unit: fc.constantFrom(..."0123456789"), minLength: min, maxLength: max });
  const decimal = fc
    .tuple(digits(0, 9), fc.constantFrom(..."123456789"), fc.option(digits(1, 10)))
    .map(([tail, head, fraction]) => `${head}${tail}${fraction === null ? "" : `.${fraction}`}`);
  const small = digits(1, 10).map((fraction) => `0.${fraction}1`);
  const number = fc.oneof(decimal, small);

  it("reads numbers of every length exactly, on the touch and behind it", () => {
    fc.assert(
      fc.property(number, number, fc.nat(2 ** 32 - 1), fc.nat(20), (px, sz, n, depth) => {
        const best = Number(px);
        // Levels behind a price that may have 20 digits: ever smaller powers of two keep them apart.
        const bids = [
          { px, sz, n },
          ...Array.from({ length: depth }, (_, i) => level(best / 2 ** (i + 1), sz, i)),
        ];
        const text = JSON.stringify({
          channel: "l2Book",
          data: { coin: "BTC", time: 1, levels: [bids, []] },
        });
        const { decoder, reader } = bench();
        expect(decoder.decode(utf8(text), 1)).toBe(FrameOutcome.Decoded);
        expect(reader.take()).toEqual(reference(text));
      }),
      { seed: SEED, numRuns: 3000 },
    );
  });

  it("refuses every byte that is no digit in every place of a price, a size and a count", () => {
    const text = BOOK_FRAME.replace("7.6699", "7.669912");
    const { decoder, reader } = bench();
    const places = [text.indexOf("113377"), text.indexOf("7.669912") + 2, text.indexOf("17}")].flatMap(
      (at, i) => Array.from({ length: [6, 6, 2][i]! }, (_, k) => at + k),
    );
    for (const at of places) {
      for (let byte = 0; byte < 256; byte++) {
        if (byte >= 0x30 && byte <= 0x39) continue;
        const frame = utf8(text);
        frame[at] = byte;
        // An "e" or a point may give another number that is well-formed.
        if (byte === 0x2e || (byte | 0x20) === 0x65) continue;
        // So may a space or a closing brace around a bare count.
        if (at >= places.at(-2)! && (byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d))
          continue;
        expect([at, byte, decoder.decode(frame, 1)]).toEqual([at, byte, FrameOutcome.Malformed]);
      }
    }
    expect(reader.take()).toEqual([]);
  });

  it("goes on in any spelling after a level that is spelt differently", () => {
    for (const odd of [0, 1, 2, 3]) {
      const bids = [9, 8, 7, 6].map((px, i) =>
        i === odd ? `{ "sz":"1.5","n":${i}, "px":${px} }` : JSON.stringify(level(px, "1.5", i)),
      );
      const text = `{"channel":"l2Book","data":{"coin":"BTC","time":1,"levels":[[${bids.join(",")}],[]]}}`;
      const { decoder, reader } = bench();
      expect(decoder.decode(utf8(text), 1)).toBe(FrameOutcome.Decoded);
      expect(reader.take()).toEqual(reference(text));
      const unsorted = text.replace('"8"', '"9"').replace('"px":8', '"px":9');
      expect(decoder.decode(utf8(unsorted), 1)).toBe(FrameOutcome.Malformed);
    }
  });

  it.each(["00", "01", "-1", "1.5", "4294967296", "null", '""'])("refuses the order count %s", (n) => {
    const { decoder } = bench();
    expect(decoder.decode(utf8(BOOK_FRAME.replace('"n":17', `"n":${n}`)), 1)).toBe(FrameOutcome.Malformed);
  });

  it("reads a missing order count as zero and a quoted one as its number", () => {
    const { decoder, reader } = bench();
    decoder.decode(utf8(BOOK_FRAME.replace(',"n":17', "").replace('"n":8', '"n":"4294967295"')), 1);
    expect(reader.take()).toMatchObject([{ bids: [{ n: 0 }, { n: 4294967295 }] }]);
  });
});

describe("trades", () => {
  it("writes a trade once, however often and in whatever company it comes", () => {
    const { decoder, reader } = bench();
    const [a, b, c] = [trade({ tid: 1 }), trade({ tid: 2 }), trade({ tid: 3 })];
    decoder.decode(frameOf("trades", [a, b]), 1);
    decoder.decode(frameOf("trades", [a, c, b, c]), 1);
    expect([decoder.recordCount, decoder.duplicateCount]).toEqual([1, 3]);
    expect(decoder.decode(frameOf("trades", [a, b, c]), 1)).toBe(FrameOutcome.Decoded);
    expect(decoder.recordCount).toBe(0);
    expect(reader.take()).toMatchObject([{ tid: 1n }, { tid: 2n }, { tid: 3n }]);
    // The id alone is not unique: the same two orders may trade in two blocks.
    decoder.decode(frameOf("trades", [trade({ tid: 1, time: 1754450974232 })]), 1);
    // Nor is it across coins.
    decoder.decode(frameOf("trades", [trade({ tid: 1, coin: "ETH" })]), 1);
    expect(reader.take()).toMatchObject([
      { asset: 0, tid: 1n },
      { asset: 1, tid: 1n },
    ]);
  });

  it("flags what the venue replays: trades up to the first book's time after a subscribe", () => {
    const { decoder, reader } = bench();
    decoder.expectBacklog(0);
    decoder.decode(book([level(1)], [], { coin: "BTC", time: 1000 }), 1);
    decoder.decode(
      frameOf("trades", [
        trade({ tid: 1, time: 900 }),
        trade({ tid: 2, time: 1000 }),
        trade({ tid: 3, time: 1001 }),
      ]),
      1,
    );
    decoder.decode(frameOf("trades", [trade({ tid: 4, time: 950 }), trade({ tid: 5, time: 1100 })]), 1);
    expect(reader.take().slice(1)).toMatchObject([
      { tid: 1n, isBacklog: true },
      { tid: 2n, isBacklog: true },
      { tid: 3n, isBacklog: false },
      { tid: 4n, isBacklog: true },
      { tid: 5n, isBacklog: false },
    ]);
  });

  it("flags the whole first frame when no book has told the time", () => {
    const { decoder, reader } = bench();
    decoder.expectBacklog(0);
    decoder.decode(frameOf("trades", [trade({ tid: 1, time: 900 }), trade({ tid: 2, time: 950 })]), 1);
    decoder.decode(frameOf("trades", [trade({ tid: 3, time: 951 })]), 1);
    expect(reader.take()).toMatchObject([{ isBacklog: true }, { isBacklog: true }, { isBacklog: false }]);
    // Another asset expects none.
    decoder.decode(frameOf("trades", [trade({ coin: "ETH", tid: 3, time: 1 })]), 1);
    expect(reader.take()).toMatchObject([{ isBacklog: false }]);
  });

  it("after a reconnect, counts the trades of the gap as backlog and the known ones not at all", () => {
    const { decoder, reader } = bench();
    decoder.decode(frameOf("trades", [trade({ tid: 1, time: 900 })]), 1);
    decoder.expectBacklog(0);
    decoder.decode(book([level(1)], [], { coin: "BTC", time: 2000 }), 1);
    decoder.decode(frameOf("trades", [trade({ tid: 1, time: 900 }), trade({ tid: 2, time: 1500 })]), 1);
    expect(reader.take().filter((r) => r.kind === "trade")).toMatchObject([
      { tid: 1n, isBacklog: false },
      { tid: 2n, isBacklog: true },
    ]);
  });

  it("writes all trades of a frame or none: a full ring loses the frame, and only until it is repeated", () => {
    const { decoder, reader } = bench(2048);
    const many = Array.from({ length: 100 }, (_, i) => trade({ tid: i + 1 }));
    expect(decoder.decode(frameOf("trades", many), 1)).toBe(FrameOutcome.NoRoom);
    expect(decoder.recordCount).toBe(0);
    expect(reader.take()).toEqual([]);
    // The lost frame leaves a gap of one in the sequence; its trades are not taken for known.
    expect(decoder.decode(frameOf("trades", many.slice(0, 5)), 1)).toBe(FrameOutcome.Decoded);
    expect(reader.take().map((r) => (r.kind === "trade" ? r.tid : 0n))).toEqual([1n, 2n, 3n, 4n, 5n]);
    expect(reader.seqs).toEqual([1, 2, 3, 4, 5]);
  });

  it("says NoRoom for a book and a bbo too, and recovers", () => {
    const { decoder, reader } = bench(2048);
    while (decoder.decode(utf8(BBO_FRAME), 1) === FrameOutcome.Decoded);
    expect(decoder.decode(utf8(BOOK_FRAME), 1)).toBe(FrameOutcome.NoRoom);
    expect(decoder.lastAsset).toBe(0);
    expect(reader.take().every((r) => r.kind === "bbo")).toBe(true);
    expect(decoder.decode(utf8(BOOK_FRAME), 1)).toBe(FrameOutcome.Decoded);
    expect(reader.take()).toEqual(reference(BOOK_FRAME));
  });

  it("takes the longest frame and calls a longer one oversized", () => {
    const { decoder, reader } = bench(1 << 20);
    const list = Array.from({ length: MAX_TRADES_PER_FRAME + 1 }, (_, i) => trade({ tid: i + 1, users: [] }));
    expect(decoder.decode(frameOf("trades", list), 1)).toBe(FrameOutcome.Oversized);
    expect(reader.take()).toEqual([]);
    expect(decoder.decode(utf8("{"), 1)).toBe(FrameOutcome.Malformed);
    expect(decoder.decode(frameOf("trades", list.slice(1)), 1)).toBe(FrameOutcome.Decoded);
    expect(reader.take()).toHaveLength(MAX_TRADES_PER_FRAME);
  });

  it("accepts an empty trades frame", () => {
    const { decoder, reader } = bench();
    expect(decoder.decode(utf8('{"channel":"trades","data":[]}'), 1)).toBe(FrameOutcome.Decoded);
    expect([decoder.lastAsset, decoder.recordCount]).toEqual([-1, 0]);
    expect(reader.take()).toEqual([]);
  });

  it("remembers at least its capacity of trades, exactly, through many generations", () => {
    const recent = new RecentTrades();
    const times = new Float64Array(1);
    const low = new Uint32Array(1);
    const high = new Uint32Array(1);
    const add = (n: number): number => {
      times[0] = 1 + Math.floor(n / 3);
      low[0] = Math.imul(n, 0x9e3779b1) >>> 0;
      high[0] = n & 7;
      return recent.add(times, low, high, 0);
    };
    for (let n = 0; n < 12 * RECENT_CAPACITY; n++) {
      expect(add(n)).toBeGreaterThanOrEqual(0);
      if (n % 97 === 0) for (let k = 0; k < RECENT_CAPACITY; k += 61) if (n >= k) expect(add(n - k)).toBe(-1);
    }
    recent.forget(add(1e6));
    expect(add(1e6)).toBeGreaterThanOrEqual(0);
  });
});

describe("recorded market", () => {
  const path = new URL("../../../shared/data/hyperliquid-ws/ws_btc_20250126.gz", import.meta.url);
  const isThere = existsSync(path);

  it.skipIf(!isThere)(
    `decodes the recording field by field as JSON.parse does${isThere ? "" : " (skipped: no shared data)"}`,
    () => {
      const { decoder, reader } = bench(1 << 20);
      const kinds = new Map<string, number>();
      for (const line of gunzipSync(readFileSync(path)).toString("utf8").trimEnd().split("\n")) {
        const text = line.slice(line.indexOf(" ") + 1);
        expect(decoder.decode(utf8(text), 5)).toBe(FrameOutcome.Decoded);
        const expected = reference(text);
        expect(reader.take()).toEqual(expected);
        for (const { kind } of expected) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      }
      expect(kinds.get("book")).toBe(46);
      expect(kinds.get("trade")).toBeGreaterThan(30);
    },
  );
});
