import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as abi from "../../src/abi/layout.js";
import { type FillRow, runBacktest, ZERO_LATENCY } from "../../src/backtest/index.js";
import { TapeWindow } from "../../src/backtest/window.js";
import { configSchema } from "../../src/config/schema.js";
import { type Instrument, Rng, settled, VirtualTime } from "../../src/domain/index.js";
import { InlineEngine } from "../../src/engine/inline.js";
import { crossFacts, planAssets } from "../../src/engine/plan.js";
import { PaperVenue, SimGateway } from "../../src/sim/index.js";
import { HyperliquidReader } from "../../src/venues/hyperliquid/reader.js";
import type { WireTap } from "../../src/venues/port.js";
import { BASE_MS, writeTape } from "./tapes.js";

const ADDRESS = "0x5151515151515151515151515151515151515151";
const BASE_NS = BigInt(BASE_MS) * 1_000_000n;
const config = configSchema.parse({ strategy: { ladder_config: { min_depth_bps: 1 } } });
const BTC: Instrument = {
  asset: 0,
  venueAssetId: 0,
  coin: "BTC",
  pxDecimals: 1,
  szDecimals: 5,
  maxSigFigs: 5,
  minNotionalUsd: 10,
  maxLeverage: 40,
};
const LISTING = {
  instrument: BTC,
  collateral: "USDC",
  deployerFeeScale: 0,
  marginMode: "normal",
  isGrowth: false,
  tiers: [{ lowerBoundUsd: 0, maxLeverage: 40 }],
} as const;

let dir: string;
let path: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "mm-paper-"));
  path = join(dir, "walk.mmt");
  writeTape(path, { seconds: 120, seed: 7 });
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

type Fill = Pick<FillRow, "tMs" | "side" | "px" | "sz" | "feeUsd">;

/** Requests as they left, with their times. */
function outbox(): { readonly sent: string[]; readonly tap: WireTap } {
  const sent: string[] = [];
  return {
    sent,
    tap: {
      inbound() {},
      outbound: (_stream, bytes, monoNs) => void sent.push(`${monoNs} ${Buffer.from(bytes).toString()}`),
    },
  };
}

/** A paper run on a clock of our own: the feed's records arrive the moment they happen. */
async function paperRun(midPx: number, tap: WireTap): Promise<Fill[]> {
  const seed = 1;
  const window = new TapeWindow({ paths: [path], feed: ZERO_LATENCY.feed, rng: new Rng(9) });
  const startNs = Math.max(0, window.exchNs);
  const time = new VirtualTime(BASE_MS);
  time.jumpTo(Math.floor(startNs));
  const paper = new PaperVenue({
    time,
    baseWallNs: BASE_NS,
    seed,
    address: ADDRESS,
    listings: [LISTING],
    equityUsd: 100_000,
    latency: ZERO_LATENCY,
  });
  const { instruments } = paper;
  const gateway = new SimGateway({
    venue: paper.venue,
    address: ADDRESS,
    instruments,
    time,
    rng: new Rng(seed).fork("gateway"),
    reader: new HyperliquidReader(instruments),
    network: paper.network,
    tap,
  });
  const plan = planAssets(
    config,
    crossFacts(instruments, { midPx: [midPx], accountValueUsd: 100_000, makerFeeBps: 1.5 }),
    () => {},
  );
  const engine = new InlineEngine({
    instruments,
    assets: plan.assets,
    params: plan.params,
    gateway,
    clock: time,
    timers: time,
    sessionId: 1,
    requoteBps: config.engine.requote_bps,
    requoteMs: config.engine.requote_ms,
    warmUpDecayS: config.strategy.warmup_decay_secs,
  });
  const fills: Fill[] = [];
  paper.venue.listenPrivate(ADDRESS, {
    onOrderUpdates() {},
    onFills: (all) => {
      for (const f of all) {
        fills.push({
          tMs: (time.monoNs() - startNs) / 1e6,
          side: f.side,
          px: Number(f.px),
          sz: Number(f.sz),
          feeUsd: Number(f.fee),
        });
      }
    },
  });
  paper.start();
  const started = engine.start();
  while (window.localNs !== Number.POSITIVE_INFINITY) {
    const tNs = window.localNs;
    if (time.nextNs < tNs) {
      if (time.runDue(tNs)) await settled();
      continue;
    }
    const { local } = window;
    const { f64, i32, u8 } = local.block!;
    const u32 = new Uint32Array(u8.buffer, u8.byteOffset, u8.length >> 2);
    if (tNs > time.monoNs()) time.jumpTo(tNs);
    paper.take(local.kind, 0, { f64, i32, u8, u32 }, local.at, local.bodyBytes);
    while (time.nextNs <= tNs) if (time.runDue(tNs)) await settled();
    engine.onRecord(local.kind, 0, f64, local.at, local.bodyBytes);
    window.nextExch();
    window.nextLocal();
  }
  await time.settle(started);
  await time.settle(engine.stop());
  await gateway.close();
  paper.close();
  window.close();
  return fills;
}

describe("paper and backtest", () => {
  test("on one tape at latency zero: the same requests at the same times, and the same fills", async () => {
    const tested = outbox();
    const { series, summary } = await runBacktest({
      tapes: [path],
      config,
      seed: 1,
      latency: ZERO_LATENCY,
      tap: tested.tap,
    });
    const paper = outbox();
    const fills = await paperRun(series.midPx[0]!, paper.tap);
    expect(summary.fills).toBeGreaterThan(20);
    expect(fills).toEqual(
      series.fills.map(({ tMs, side, px, sz, feeUsd }) => ({ tMs, side, px, sz, feeUsd })),
    );
    expect(paper.sent).toEqual(tested.sent);
  });
});

describe("the paper exchange's distance", () => {
  /** A touch of the market, told `lagMs` after it happened. */
  function touch(venue: PaperVenue, atMs: number, lagMs: number, bid: number): void {
    const buffer = new ArrayBuffer(abi.BBO_SIZE);
    const view = new DataView(buffer);
    view.setBigInt64(abi.BBO_EXCH_TS_NS, BASE_NS + BigInt(atMs - lagMs) * 1_000_000n, true);
    view.setFloat64(abi.BBO_RECV_MONO_NS, atMs * 1e6, true);
    for (const [field, value] of [
      [abi.BBO_BID_PX, bid],
      [abi.BBO_BID_SZ, 1],
      [abi.BBO_ASK_PX, bid + 2],
      [abi.BBO_ASK_SZ, 1],
    ] as const) {
      view.setFloat64(field, value, true);
    }
    const views = {
      u8: new Uint8Array(buffer),
      u32: new Uint32Array(buffer),
      i32: new Int32Array(buffer),
      f64: new Float64Array(buffer),
    };
    venue.take(abi.RecordKind.Bbo, 0, views, 0, abi.BBO_SIZE);
  }

  test("is the feed's latency beyond its fastest, and an order travels so much longer, its answer so much shorter", async () => {
    const time = new VirtualTime(BASE_MS);
    const paper = new PaperVenue({
      time,
      baseWallNs: BASE_NS,
      seed: 1,
      address: ADDRESS,
      listings: [LISTING],
      equityUsd: 1000,
      latency: {
        feed: { kind: "tape", floorMs: 5 },
        order: { kind: "constant", ms: 20 },
        ack: { kind: "constant", ms: 150 },
      },
    });
    paper.start();
    touch(paper, 10, 0, 60_000);
    for (let ms = 100; ms < 4000; ms += 10) {
      await time.runFor(ms - time.monoNs() / 1e6);
      touch(paper, ms, 80, 60_000);
    }
    expect(paper.lagMs).toBeCloseTo(80, 0);
    const sentMs = time.monoNs() / 1e6;
    let answeredMs = 0;
    let restsMs = 0;
    paper.venue.listenPrivate(ADDRESS, {
      onOrderUpdates: () => {
        restsMs = time.monoNs() / 1e6;
      },
      onFills() {},
    });
    paper.venue.submit({
      address: ADDRESS,
      action: {
        type: "order",
        orders: [{ a: 0, b: true, p: "59990", s: "0.001", r: false, t: { limit: { tif: "Alo" } } }],
        grouping: "na",
      },
      nonce: BASE_MS,
      answer: () => {
        answeredMs = time.monoNs() / 1e6;
      },
    });
    await time.runFor(500);
    // 20 ms to the exchange, which is 85 ms behind: 80 measured and the floor of 5.
    expect(restsMs - sentMs).toBeCloseTo(105, 0);
    // The whole round trip is what it would have been.
    expect(answeredMs - sentMs).toBeCloseTo(170, 0);
    paper.close();
  });
});
