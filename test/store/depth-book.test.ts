import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { DecimalReader } from "../../src/store/tape/decimal.js";
import { DepthBook, type DepthDiff, NATIVE_PX_DECIMALS } from "../../src/store/tape/depth-book.js";
import { hasSharedData, SHARED_DATA, titleFor } from "./shared-data.js";

const diff = (
  first: number,
  last: number,
  previous: number,
  bids: number[],
  asks: number[] = [],
): DepthDiff => ({
  first,
  last,
  previous,
  isSpot: false,
  bids,
  asks,
});

describe("depth book", () => {
  it("applies what was buffered before the snapshot and drops what the snapshot already holds", () => {
    const book = new DepthBook();
    expect(book.apply(diff(1, 5, 0, [100, 9]))).toBe("buffered");
    expect(book.apply(diff(6, 12, 5, [101, 2]))).toBe("buffered");
    book.reset({ lastUpdateId: 10, bids: [100, 1], asks: [103, 1] });
    expect(book.isSynced).toBe(true);
    expect([...book.bids]).toEqual([
      [100, 1],
      [101, 2],
    ]);
    expect(book.lastUpdateId).toBe(12);
  });

  it("removes a level of quantity 0 and keeps the rest", () => {
    const book = new DepthBook();
    book.reset({ lastUpdateId: 10, bids: [100, 1, 99, 4], asks: [103, 1] });
    expect(book.apply(diff(10, 11, 9, [100, 0]))).toBe("applied");
    expect(book.bestBid()).toBe(99);
    expect(book.bestAsk()).toBe(103);
  });

  it("is lost at a break in the chain until the next snapshot", () => {
    const book = new DepthBook();
    book.reset({ lastUpdateId: 10, bids: [100, 1], asks: [103, 1] });
    expect(book.apply(diff(9, 11, 8, [100, 2]))).toBe("applied");
    expect(book.apply(diff(15, 16, 14, [100, 3]))).toBe("broken");
    expect(book.isSynced).toBe(false);
    expect(book.bids.size).toBe(0);
    expect(book.brokenChains).toBe(1);
    expect(book.apply(diff(17, 18, 16, [100, 4]))).toBe("buffered");
    book.reset({ lastUpdateId: 17, bids: [100, 7], asks: [103, 1] });
    expect(book.bids.get(100)).toBe(4);
  });

  it("does not accept a first message that starts after the snapshot", () => {
    const book = new DepthBook();
    book.reset({ lastUpdateId: 10, bids: [100, 1], asks: [103, 1] });
    expect(book.apply(diff(12, 13, 11, [100, 2]))).toBe("broken");
  });

  it("follows the spot rule: the next U is the last u plus one", () => {
    const book = new DepthBook();
    book.reset({ lastUpdateId: 10, bids: [100, 1], asks: [103, 1] });
    const spot = (first: number, last: number): DepthDiff => ({
      ...diff(first, last, first - 1, [100, last]),
      isSpot: true,
    });
    expect(book.apply(spot(9, 10))).toBe("dropped");
    expect(book.apply(spot(11, 12))).toBe("applied");
    expect(book.apply(spot(13, 13))).toBe("applied");
    expect(book.apply(spot(15, 15))).toBe("broken");
  });
});

type Levels = readonly (readonly [string, string])[];
type Recorded =
  | { lastUpdateId: number; bids: Levels; asks: Levels }
  | { stream: `${string}@bookTicker`; data: { u: number; b: string; a: string } }
  | { stream: `${string}@depth@${string}`; data: { U: number; u: number; pu: number; b: Levels; a: Levels } };
const isTicker = (m: Recorded): m is Extract<Recorded, { stream: `${string}@bookTicker` }> =>
  "stream" in m && m.stream.endsWith("@bookTicker");
const isDepth = (m: Recorded): m is Extract<Recorded, { stream: `${string}@depth@${string}` }> =>
  "stream" in m && m.stream.includes("@depth");

describe.skipIf(!hasSharedData)(titleFor("depth book on recorded captures"), () => {
  it("is never crossed and agrees with every bookTicker of the same update id before it", () => {
    const decimals = new DecimalReader();
    const levels = (from: Levels): number[] =>
      from.flatMap(([px, q]) => [decimals.floor(px, NATIVE_PX_DECIMALS), decimals.floor(q, 8)]);
    let compared = 0;
    let equal = 0;
    let crossed = 0;
    for (const [file, isSpot] of [
      ["usdm_btcusdt_20240808.gz", false],
      ["spot_btcusdt_20240808.gz", true],
      ["cm_btcusd_perp_20240808.gz", false],
    ] as const) {
      const book = new DepthBook();
      let messages = 0;
      let tickerId = 0;
      let tickerBid = 0;
      let tickerAsk = 0;
      const text = gunzipSync(readFileSync(`${SHARED_DATA}/binance-l2/${file}`)).toString();
      for (const line of text.split("\n")) {
        if (messages >= 3000) break;
        const message = JSON.parse(line.slice(line.indexOf(" ") + 1)) as Recorded;
        if (!("stream" in message)) {
          book.reset({
            lastUpdateId: message.lastUpdateId,
            bids: levels(message.bids),
            asks: levels(message.asks),
          });
          continue;
        }
        if (isTicker(message)) {
          const { data } = message;
          tickerId = data.u;
          tickerBid = decimals.floor(data.b, NATIVE_PX_DECIMALS);
          tickerAsk = decimals.floor(data.a, NATIVE_PX_DECIMALS);
        } else if (isDepth(message)) {
          const { data } = message;
          const result = book.apply({
            first: data.U,
            last: data.u,
            previous: isSpot ? data.U - 1 : data.pu,
            isSpot,
            bids: levels(data.b),
            asks: levels(data.a),
          });
          if (result !== "applied") continue;
          messages++;
          const bid = book.bestBid();
          const ask = book.bestAsk();
          if (bid >= ask) crossed++;
          if (tickerId !== data.u) continue;
          compared++;
          if (bid === tickerBid && ask === tickerAsk) equal++;
        }
      }
      expect(book.brokenChains).toBe(0);
      expect(messages).toBe(3000);
    }
    expect(crossed).toBe(0);
    expect(equal).toBe(compared);
    // The recordings' README counted 776 with its own way of numbering the messages before the snapshot.
    expect(compared).toBeGreaterThan(770);
  });
});
