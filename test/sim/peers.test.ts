import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { Kind, type PeerEvent, writeEventArray, writeTape } from "../../bench/peers/capture.js";
import { firstDifference, joined, matchFills } from "../../bench/peers/compare.js";
import { type PeerFill, runOurs, type StrategyOptions } from "../../bench/peers/simple-strategy.js";

const dir = mkdtempSync(join(tmpdir(), "peers-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const fill = (ms: number, side: 1 | -1, pxTicks: number, szLots: number): PeerFill => ({
  tNs: ms * 1e6,
  side,
  pxTicks,
  szLots,
});

describe("fills of two simulators", () => {
  it("pieces of one order are one entry, at the time of the first", () => {
    const pieces = [fill(1, 1, 100, 4), fill(18, 1, 100, 6), fill(20, 1, 100, 10), fill(21, -1, 100, 10)];
    expect(joined(pieces, 10)).toEqual([fill(1, 1, 100, 10), fill(20, 1, 100, 10), fill(21, -1, 100, 10)]);
  });

  it("match one to one by side, price, size and millisecond; the first that does not is named", () => {
    const ours = [fill(1, 1, 100, 10), fill(5, -1, 101, 10)];
    const peer = [fill(1.5, 1, 100, 10), fill(9, -1, 101, 10)];
    expect(matchFills(ours, peer)).toEqual({ same: 1, onlyOurs: [ours[1]], onlyPeer: [peer[1]] });
    expect(firstDifference(ours, peer)).toBe(
      "first difference at fill 2: ours 0.0050 s sell 10 lots at 101 ticks, hftbacktest's 0.0090 s sell 10 lots at 101 ticks",
    );
    expect(firstDifference(ours, ours)).toBe("no difference");
  });
});

const T0 = 1_700_000_000_000;
const event = (ms: number, kind: Kind, side: 1 | -1, px: number, sz: number, more = false): PeerEvent => ({
  exchMs: T0 + ms,
  kind,
  side,
  px,
  sz,
  more,
});
const EVENTS: readonly PeerEvent[] = [
  event(0, Kind.Clear, 1, 0, 0, true),
  event(0, Kind.Snapshot, 1, 49_999, 1, true),
  event(0, Kind.Snapshot, -1, 50_001, 1),
  event(50, Kind.Delta, 1, 49_990, 2),
  // The first beat that knows the book is at 100.05 ms; its orders arrive at 110.35.
  event(111, Kind.Trade, -1, 49_998, 0.004),
  event(130, Kind.Trade, -1, 49_997.5, 0.5),
  event(2000, Kind.Delta, 1, 49_990, 3),
];
const OPTIONS: StrategyOptions = {
  // 2.5 from the mid of 50,000.
  halfSpreadBps: 0.5,
  moveTicks: 3,
  szLots: 1000,
  capLots: 1000,
  beatMs: 100,
  feedMs: 5.1,
  orderMs: 10.3,
  ackMs: 5.3,
  makerBps: 1,
  takerBps: 4,
  queue: { kind: "risk-averse" },
};

describe("the simple strategy on our side", () => {
  it("is filled by the print at its price, once, and stays within its cap", async () => {
    const path = join(dir, "tiny.mmt");
    writeTape(path, EVENTS, OPTIONS.feedMs);
    const r = await runOurs(path, OPTIONS, () => 0);
    // At 49,998 the print is above our 49,997.5; the next one reaches us, 0.01 BTC of it.
    expect(r.fills).toEqual([fill(130, 1, 499_975, 1000)]);
    expect(r.positionLots).toBe(1000);
    expect(r.feesUsd).toBeCloseTo(499.975 * 1e-4, 4);
    expect(r.pnlUsd).toBeCloseTo(0.025 - 499.975 * 1e-4, 4);
    // All but the clearing, which is a flag of the first level here.
    expect(r.events).toBe(EVENTS.length - 1);
  });

  it("hands hftbacktest rows of 64 bytes in NumPy's format", () => {
    const path = join(dir, "tiny.npy");
    writeEventArray(path, EVENTS, 5.1);
    const bytes = readFileSync(path);
    const headerBytes = 10 + bytes.readUInt16LE(8);
    expect(headerBytes % 64).toBe(0);
    expect(bytes.toString("latin1", 10, headerBytes)).toContain(`'shape': (${EVENTS.length},)`);
    expect(bytes.length).toBe(headerBytes + EVENTS.length * 64);
    const trade = headerBytes + 4 * 64;
    // TRADE_EVENT | EXCH | LOCAL | SELL.
    expect(bytes.readBigUInt64LE(trade)).toBe(2n + (1n << 31n) + (1n << 30n) + (1n << 28n));
    expect(bytes.readBigInt64LE(trade + 16) - bytes.readBigInt64LE(trade + 8)).toBe(5_100_000n);
    expect(bytes.readDoubleLE(trade + 24)).toBe(49_998);
  });
});
