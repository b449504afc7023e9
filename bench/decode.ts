/**
 * Frame bytes → ring record, against JSON.parse and Number on the same frames. The ring is drained after each call
 * (its cost, some 20 ns, is in the figures), so that every decode finds room.
 */
import { Rng } from "../src/domain/index.js";
import { createRing, RingConsumer, RingProducer } from "../src/rings/index.js";
import { FrameDecoder, FrameOutcome } from "../src/venues/hyperliquid/decode.js";
import { type BenchContext, type BenchResult, type BenchSuite, BTC, Samples } from "./harness.js";

const FRAMES = 256;
const BATCH = 64;
const START_MS = 1754450974231;

interface WireLevel {
  readonly px: string;
  readonly sz: string;
  readonly n: number;
}

function levels(rng: Rng, touchPx: number, step: number): WireLevel[] {
  let px = touchPx;
  return Array.from({ length: 20 }, () => {
    px += step * (1 + rng.below(3));
    return { px: `${px}.0`, sz: (rng.below(1_000_000) / 1e5 + 0.00001).toFixed(5), n: 1 + rng.below(40) };
  });
}

function bookFrame(rng: Rng, i: number): string {
  const mid = 113_000 + rng.below(1000);
  const data = { coin: "BTC", time: START_MS + i, levels: [levels(rng, mid, -1), levels(rng, mid, 1)] };
  return JSON.stringify({ channel: "l2Book", data });
}

function tradeFrame(rng: Rng, i: number): string {
  const hex = (length: number): string =>
    `0x${Array.from({ length }, () => rng.below(16).toString(16)).join("")}`;
  const trade = {
    coin: "BTC",
    side: rng.below(2) === 0 ? "A" : "B",
    px: `${113_000 + rng.below(1000)}.0`,
    sz: (rng.below(100_000) / 1e5 + 0.00001).toFixed(5),
    time: START_MS + i,
    hash: hex(64),
    tid: rng.below(2 ** 50),
    users: [hex(40), hex(40)],
  };
  return JSON.stringify({ channel: "trades", data: [trade] });
}

function bboFrame(rng: Rng, i: number): string {
  const mid = 113_000 + rng.below(1000);
  const level = (px: number): WireLevel => ({
    px: `${px}.0`,
    sz: (rng.below(100_000) / 1e5 + 0.00001).toFixed(5),
    n: 1 + rng.below(9),
  });
  const data = { coin: "BTC", time: START_MS + i, bbo: [level(mid), level(mid + 1)] };
  return JSON.stringify({ channel: "bbo", data });
}

/** What a decoder without a scanner would do at the least: parse and convert the same numbers. */
function parseBook(frame: Buffer): number {
  const { data } = JSON.parse(frame.toString("latin1")) as {
    data: { time: number; levels: [WireLevel[], WireLevel[]] };
  };
  let sum = data.time;
  for (const side of data.levels)
    for (const level of side) sum += Number(level.px) * Number(level.sz) + level.n;
  return sum;
}

function measure(
  name: string,
  frames: readonly Buffer[],
  batches: number,
  fn: (frame: Buffer, index: number) => number,
  extra: { budgetP50?: number; note?: string },
): BenchResult {
  const samples = new Samples(batches);
  let checksum = 0;
  const warmup = Math.min(batches, 300);
  for (let k = -warmup; k < batches; k++) {
    const t0 = process.hrtime.bigint();
    for (let i = 0; i < BATCH; i++) {
      const index = (k * BATCH + i) & (FRAMES - 1);
      checksum += fn(frames[index]!, index);
    }
    const ns = Number(process.hrtime.bigint() - t0) / BATCH;
    if (k >= 0) samples.add(ns);
  }
  const note = [extra.note, `batches of ${BATCH}`, `checksum ${checksum.toPrecision(9)}`]
    .filter(Boolean)
    .join("; ");
  return samples.result(name, "ns", { ...extra, note });
}

export const suite: BenchSuite = {
  name: "decode",
  async run(ctx: BenchContext): Promise<BenchResult[]> {
    const rng = new Rng(ctx.seed).fork("decode");
    const make = (frame: (rng: Rng, i: number) => string): Buffer[] =>
      Array.from({ length: FRAMES }, (_, i) => Buffer.from(frame(rng, i)));
    const books = make(bookFrame);
    const ring = createRing(1 << 20);
    const producer = new RingProducer(ring);
    const consumer = new RingConsumer(ring);
    const decoder = new FrameDecoder([BTC], () => producer);
    const batches = ctx.isSmoke ? 5 : 2000;
    let calls = 0;
    const decode = (frame: Buffer): number => {
      const outcome = decoder.decode(frame, ++calls);
      if (outcome !== FrameOutcome.Decoded) throw new Error(`bench frame was not decoded: ${outcome}`);
      while (consumer.poll() >= 0);
      consumer.release();
      return decoder.lastExchMs;
    };
    const bytes = Math.round(books.reduce((sum, frame) => sum + frame.length, 0) / FRAMES);
    const trades = make(tradeFrame);
    const bbos = make(bboFrame);
    // As on a live feed: the compiler has seen every kind before any is timed.
    for (let i = 0; i < (ctx.isSmoke ? FRAMES : 80 * FRAMES); i++) {
      for (const frames of [books, bbos, trades]) decode(frames[i & (FRAMES - 1)]!);
    }
    const results: BenchResult[] = [];
    // The pair is interleaved in rounds; the last round of each, fully warm, is reported.
    for (let round = 0; round < (ctx.isSmoke ? 1 : 5); round++) {
      results.length = 0;
      results.push(
        measure("decode.l2Book20", books, batches, decode, { budgetP50: 2500, note: `${bytes} byte frames` }),
        measure("decode.l2Book20.JSON.parse", books, batches, parseBook, {
          note: "partner: JSON.parse + Number",
        }),
      );
    }
    // Trades: each with a new id, as on a live feed; a repeated one would stop at the duplicate check.
    let serial = 0;
    const tidAt = trades.map((frame) => frame.indexOf('"tid":') + 6);
    const fresh = (frame: Buffer, index: number): number => {
      const at = tidAt[index]!;
      let id = serial++;
      for (let digit = 6; digit > 0; digit--) {
        frame[at + digit] = 0x30 + (id % 10);
        id = (id / 10) | 0;
      }
      return decode(frame);
    };
    results.push(measure("decode.trade", trades, batches, fresh, { note: "one trade, with hash and users" }));
    results.push(measure("decode.bbo", bbos, batches, decode, {}));
    return results;
  },
};
