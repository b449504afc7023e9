/** Hostile frames: whatever the bytes, `decode` returns an outcome, and a ring holds whole, true records or nothing. */
import { describe, expect, it } from "vitest";
import { RecordKind } from "../../src/abi/layout.js";
import { Rng } from "../../src/domain/index.js";
import { FrameOutcome } from "../../src/venues/hyperliquid/decode.js";
import {
  BBO_FRAME,
  type Bench,
  BOOK_FRAME,
  bench,
  frameOf,
  type MarketRecord,
  reference,
  TRADE_FRAME,
  utf8,
} from "./feed-fixture.js";

const SEED = Number(process.env["FUZZ_SEED"] ?? 20260802);

const full = (n: number, from: number, step: number): object[] =>
  Array.from({ length: n }, (_, i) => ({ px: `${from + i * step}.0`, sz: `${i}.2${i}`, n: i + 1 }));
const SORTED_BOOK =
  '{"channel":"l2Book","data":{"coin":"BTC","levels":[[{"n":5,"px":"105055.0","sz":"3.03622"},' +
  '{"n":1,"px":"105054.0","sz":"0.1428"}],[{"n":13,"px":"105056.0","sz":"6.34472"}]],"time":1737918843542}}';
const SEEDS: readonly Uint8Array[] = [
  utf8(BOOK_FRAME),
  utf8(SORTED_BOOK),
  utf8(BBO_FRAME),
  utf8(TRADE_FRAME),
  frameOf("l2Book", { coin: "BTC", time: 1754450974231, levels: [full(20, 1000, -1), full(20, 1001, 1)] }),
  utf8(
    '{"data":{"bbo":[null,{"sz":1.5,"px":2}],"time":"77","coin":"xyz:TSLA","x":[{"y":"\\u0041"}]},"channel":"bbo"}',
  ),
  utf8(
    '{"channel":"subscriptionResponse","data":{"method":"subscribe","subscription":{"type":"bbo","coin":"BTC"}}}',
  ),
];
const TOKENS = [
  "{",
  "}",
  "[",
  "]",
  '"',
  "\\",
  "\\u00",
  ",",
  ":",
  "null",
  "-",
  "1e999",
  "0",
  "\0",
  "\xff",
  " ",
  '"px":',
  '"coin":"BTC",',
].map((text) => Uint8Array.from(text, (c) => c.charCodeAt(0)));

/** Decodes one frame and holds the ring to the outcome. */
class Judge {
  readonly outcomes = new Map<FrameOutcome, number>();
  private readonly bench: Bench = bench(1 << 20);

  judge(frame: Uint8Array): FrameOutcome {
    const { decoder, reader } = this.bench;
    let outcome: FrameOutcome;
    try {
      outcome = decoder.decode(frame, 1);
    } catch (cause) {
      throw new Error(`decode threw on ${describeFrame(frame)}`, { cause });
    }
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
    if (outcome === FrameOutcome.Decoded) this.judgeRecords(frame, reader.take());
    else if (reader.skip()) throw new Error(`outcome ${outcome} left records: ${describeFrame(frame)}`);
    return outcome;
  }

  /** A decoded frame is valid JSON, and its records are what JSON.parse makes of it. */
  private judgeRecords(frame: Uint8Array, records: readonly MarketRecord[]): void {
    const { decoder } = this.bench;
    const expected = reference(new TextDecoder().decode(frame));
    const isTrades = decoder.lastKind === RecordKind.Trade;
    const same = (a: MarketRecord, b: MarketRecord): boolean => stringify(a) === stringify(b);
    const isTrue = isTrades
      ? records.length + decoder.duplicateCount === expected.length &&
        records.every((record) => expected.some((e) => same(record, e)))
      : records.length === 1 && same(records[0]!, expected[0]!);
    if (!isTrue) throw new Error(`decoded ${stringify(records)} from ${describeFrame(frame)}`);
  }
}

/** JSON.parse rounds trade ids above 2^53, so ids are compared as doubles. */
const stringify = (value: unknown): string =>
  JSON.stringify(value, (_key, v: unknown) => (typeof v === "bigint" ? Number(v) : v));
const describeFrame = (frame: Uint8Array): string =>
  `${frame.length} bytes (seed ${SEED}): ${JSON.stringify(Buffer.from(frame).toString("latin1").slice(0, 2000))}`;

function mutate(rng: Rng, frame: Uint8Array): Uint8Array {
  const at = rng.below(frame.length);
  switch (rng.below(8)) {
    case 0: {
      const copy = frame.slice();
      for (let k = rng.below(4); k >= 0; k--) copy[rng.below(copy.length)] = rng.below(256);
      return copy;
    }
    case 1: {
      const copy = frame.slice();
      copy[at]! ^= 1 << rng.below(8);
      return copy;
    }
    case 2:
      return frame.slice(0, at);
    case 3: {
      const end = Math.min(frame.length, at + 1 + rng.below(30));
      return concat(frame.subarray(0, at), frame.subarray(end));
    }
    case 4:
      return concat(frame.subarray(0, at), TOKENS[rng.below(TOKENS.length)]!, frame.subarray(at));
    case 5: {
      const end = Math.min(frame.length, at + 1 + rng.below(60));
      return concat(frame.subarray(0, end), frame.subarray(at));
    }
    case 6: {
      const other = SEEDS[rng.below(SEEDS.length)]!;
      return concat(frame.subarray(0, at), other.subarray(rng.below(other.length)));
    }
    default: {
      // A digit for a digit: mostly still valid, so that values and not only syntax are judged.
      const copy = frame.slice();
      for (let i = at, left = 3; i < copy.length && left > 0; i++) {
        if (copy[i]! >= 0x30 && copy[i]! <= 0x39) {
          copy[i] = 0x30 + rng.below(10);
          left--;
        }
      }
      return copy;
    }
  }
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

describe("hostile frames", () => {
  it("the judge catches a wrong record (canary)", () => {
    const judge = new Judge();
    expect(judge.judge(utf8(BOOK_FRAME))).toBe(FrameOutcome.Decoded);
    const { decoder, reader } = bench();
    decoder.decode(utf8(BOOK_FRAME), 1);
    const lie = utf8(BOOK_FRAME.replace("113377.0", "113377.5"));
    expect(() => judge["judgeRecords"](lie, reader.take())).toThrow("decoded");
  });

  it("every truncation of every frame is malformed and writes nothing", () => {
    const judge = new Judge();
    for (const frame of SEEDS) {
      for (let end = 0; end < frame.length; end++) {
        expect([end, judge.judge(frame.subarray(0, end))]).toEqual([end, FrameOutcome.Malformed]);
      }
      expect([FrameOutcome.Decoded, FrameOutcome.Other]).toContain(judge.judge(frame));
    }
  });

  it("every one-byte change yields an outcome, and what is decoded is what JSON.parse reads", () => {
    const judge = new Judge();
    for (const frame of SEEDS.slice(0, 4)) {
      const copy = frame.slice();
      for (let at = 0; at < copy.length; at++) {
        const was = copy[at]!;
        for (const byte of [0, 0x20, 0x22, 0x2c, 0x2e, 0x30, 0x39, 0x5c, 0x5d, 0x7b, 0x7d, 0x7f, 0xff]) {
          copy[at] = byte;
          judge.judge(copy);
        }
        copy[at] = was;
      }
    }
    expect(judge.outcomes.get(FrameOutcome.Malformed)).toBeGreaterThan(1000);
  });

  it(`200000 mutated frames (seed ${SEED}): no throw, no partial record, no wrong record`, () => {
    const rng = new Rng(SEED);
    const judge = new Judge();
    const total = 200_000;
    for (let i = 0; i < total; i++) {
      let frame = mutate(rng, SEEDS[rng.below(SEEDS.length)]!);
      while (frame.length > 0 && rng.below(3) === 0) frame = mutate(rng, frame);
      judge.judge(frame);
    }
    expect([...judge.outcomes.values()].reduce((a, b) => a + b, 0)).toBe(total);
    // The mix is worth its name only while every outcome that a frame alone can cause is met.
    for (const outcome of [
      FrameOutcome.Decoded,
      FrameOutcome.Other,
      FrameOutcome.Malformed,
      FrameOutcome.UnknownCoin,
    ]) {
      expect([outcome, judge.outcomes.get(outcome) ?? 0]).toEqual([
        outcome,
        expect.toSatisfy((n) => n > 100),
      ]);
    }
  });

  it(`random bytes are never decoded (seed ${SEED})`, () => {
    const rng = new Rng(SEED).fork("garbage");
    const judge = new Judge();
    for (let i = 0; i < 20_000; i++) {
      const frame = Uint8Array.from({ length: rng.below(200) }, () => rng.below(256));
      expect(judge.judge(frame)).toBe(FrameOutcome.Malformed);
    }
  });

  it("deep, long and endless frames are refused in bounded time", () => {
    const judge = new Judge();
    const size = (1 << 20) - 64;
    const hostile: readonly string[] = [
      "[".repeat(size),
      `{"channel":"x","data":${"[".repeat(size / 2)}`,
      `{"channel":"x","data":${'{"a":'.repeat(size / 6)}`,
      `{"channel":"l2Book","data":{"coin":"BTC","x":${"[".repeat(1000)}${"]".repeat(1000)}}}`,
      `{"channel":"${"l".repeat(size)}`,
      `{"channel":"l2Book","data":{"coin":"${"B".repeat(size - 100)}"}}`,
      `{"channel":"l2Book","data":{"coin":"BTC","time":${"1".repeat(size - 100)}}}`,
      `{"channel":"bbo","data":{"coin":"BTC","time":1,"bbo":[{"px":${"0.".padEnd(size - 100, "0")}1}]}}`,
      `{"channel":"trades","data":[${" ".repeat(size - 100)}`,
      `{${'"a":1,'.repeat(size / 6)}`,
      `{"channel":"trades","data":[{"coin":"BTC","tid":${"9".repeat(size - 100)}}]}`,
    ];
    for (const text of hostile) expect(judge.judge(utf8(text))).toBe(FrameOutcome.Malformed);
    expect(judge.judge(new Uint8Array((1 << 20) + 1))).toBe(FrameOutcome.Oversized);
    expect(judge.judge(utf8(BOOK_FRAME))).toBe(FrameOutcome.Decoded);
  });
});
