import * as abi from "../../src/abi/layout.js";
import { Rng } from "../../src/domain/index.js";
import { TapeFileWriter } from "../../src/store/index.js";

export const BASE_MS = Date.UTC(2026, 0, 5, 10, 0);

/** Sent; answered; and a while later the order update, which alone has the venue's stamp. */
function ownSteps(own: NonNullable<MadeTape["own"]>) {
  return own
    .flatMap(({ sentNs, exchNs, heardNs }, order) => [
      { event: abi.OwnOrderEvent.Place, recvNs: sentNs, at: 0, order },
      { event: abi.OwnOrderEvent.Resting, recvNs: heardNs, at: 0, order },
      { event: abi.OwnOrderEvent.Resting, recvNs: heardNs + 1e6, at: exchNs, order },
    ])
    .sort((a, b) => a.recvNs - b.recvNs);
}

export interface MadeTape {
  readonly seconds: number;
  readonly seed: number;
  /** Mean feed latency beyond the fastest, ms. */
  readonly jitterMs?: number;
  readonly blockBytes?: number;
  /** Orders of the recording run: ns since the base. */
  readonly own?: readonly { readonly sentNs: number; readonly exchNs: number; readonly heardNs: number }[];
  readonly ownOrders?: "apart" | "paper";
  /** Price and size decimals of the market. */
  readonly grid?: readonly [number, number];
  /** As recorded by a venue that stamps nothing. */
  readonly isUnstamped?: boolean;
  /** Price levels one by one, beside the touches and books or instead of them. */
  readonly depth?: "beside" | "alone";
  /** What recordings have: gaps, pauses, empty sides, crossed touches, stamps that run back, another market's records. */
  readonly isRough?: boolean;
}

/** A tape of a random walk: touches, a book every half second, trades at the touch; stamps of two clocks. */
export function writeTape(
  path: string,
  {
    seconds,
    seed,
    jitterMs = 4,
    blockBytes = 16_384,
    own = [],
    ownOrders,
    grid = [1, 5],
    isUnstamped = false,
    depth,
    isRough = false,
  }: MadeTape,
): number {
  const rng = new Rng(seed);
  const writer = new TapeFileWriter({
    path,
    blockBytes,
    meta: {
      venue: "made",
      baseWallNs: String(BigInt(BASE_MS) * 1_000_000n),
      clockOffsetNs: 0,
      instruments: [
        {
          asset: 3,
          coin: "BTC",
          pxDecimals: grid[0],
          szDecimals: grid[1],
          maxSigFigs: 5,
          minNotionalUsd: 10,
          maxLeverage: 40,
        },
      ],
      source: `random walk, seed ${seed}`,
      notes: [],
      ...(ownOrders === undefined ? {} : { ownOrders }),
    },
  });
  const f64 = new Float64Array(abi.BOOK_SIZE / 8);
  const view = new DataView(f64.buffer);
  let mid = 60_000;
  let recvNs = 0;
  let tid = 1;
  let nextBookNs = 0;
  let records = 0;
  const head = (exchNs: number): void => {
    f64.fill(0);
    if (!isUnstamped) view.setBigInt64(0, BigInt(BASE_MS) * 1_000_000n + BigInt(Math.round(exchNs)), true);
    view.setFloat64(8, recvNs, true);
  };
  const put = (kind: abi.RecordKind, bytes: number, asset = 3): void => {
    writer.append(kind, asset, f64, 0, bytes, recvNs);
    records++;
  };
  const steps = ownSteps(own);
  // Levels have draws of their own: without them the tape is the same.
  const levels = rng.fork("levels");
  const level = (exchNs: number, side: 1 | -1, away: number, sz: number, flags: number): void => {
    head(exchNs);
    view.setFloat64(abi.BOOK_DELTA_PX, mid - side * (1 + away), true);
    view.setFloat64(abi.BOOK_DELTA_SZ, sz, true);
    view.setInt8(abi.BOOK_DELTA_SIDE, side);
    view.setUint8(abi.BOOK_DELTA_FLAGS, flags);
    put(abi.RecordKind.BookDelta, abi.BOOK_DELTA_SIZE);
  };
  const snapshot = (exchNs: number): void => {
    for (let i = 0; i < 60; i++) {
      const flags = abi.DeltaFlag.Snapshot | (i === 0 ? abi.DeltaFlag.Clear : 0);
      // Some lie far beyond what is near.
      const away = i < 50 ? (i >> 1) * 2 : 3_000 + i * 400;
      level(exchNs, i % 2 === 0 ? 1 : -1, away, 0.5, flags | (i < 59 ? abi.DeltaFlag.More : 0));
    }
  };
  const depthMessage = (exchNs: number): void => {
    const n = 1 + levels.below(12);
    for (let i = 0; i < n; i++) {
      const away = levels.uniform() < 0.05 ? 3_000 + levels.below(40) * 400 : levels.below(60);
      const sz = levels.uniform() < 0.4 ? 0 : (1 + levels.below(300)) / 100;
      level(exchNs, levels.uniform() < 0.5 ? 1 : -1, away, sz, i < n - 1 ? abi.DeltaFlag.More : 0);
    }
  };
  const rough = (exchNs: number): void => {
    const draw = levels.below(6);
    head(exchNs - (draw === 0 ? 40e6 : 0));
    if (draw === 5) {
      f64.fill(0);
      view.setFloat64(0, recvNs, true);
      for (const state of [abi.FeedState.Resync, abi.FeedState.Live]) {
        view.setUint8(abi.FEED_STATUS_STATE, state);
        put(abi.RecordKind.FeedStatus, abi.FEED_STATUS_SIZE);
      }
      if (depth !== undefined) snapshot(exchNs);
      return;
    }
    view.setFloat64(abi.BBO_BID_PX, mid - 1 + (draw === 1 ? 5 : 0), true);
    view.setFloat64(abi.BBO_BID_SZ, draw === 2 ? 0 : 0.3, true);
    view.setFloat64(abi.BBO_ASK_PX, draw === 3 ? Number.NaN : mid + 1, true);
    view.setFloat64(abi.BBO_ASK_SZ, 0.2, true);
    put(abi.RecordKind.Bbo, abi.BBO_SIZE, draw === 4 ? 2 : 3);
  };
  if (depth !== undefined) snapshot(1e6);
  for (let exchNs = 1e6; exchNs < seconds * 1e9; exchNs += rng.exponential(50) * 1e9) {
    const nextNs = Math.max(recvNs, exchNs + rng.exponential(1 / jitterMs) * 1e6);
    for (; steps[0] !== undefined && steps[0].recvNs <= nextNs; steps.shift()) {
      const { event, at, order } = steps[0];
      recvNs = Math.max(recvNs, steps[0].recvNs);
      f64.fill(0);
      if (at > 0) view.setBigInt64(0, BigInt(BASE_MS) * 1_000_000n + BigInt(Math.round(at)), true);
      view.setFloat64(abi.OWN_ORDER_RECV_MONO_NS, steps[0].recvNs, true);
      view.setFloat64(abi.OWN_ORDER_SENT_MONO_NS, own[order]!.sentNs, true);
      view.setBigUint64(abi.OWN_ORDER_CLOID_LO, BigInt(order + 1), true);
      view.setUint16(abi.OWN_ORDER_ASSET, 3, true);
      view.setInt8(abi.OWN_ORDER_SIDE, 1);
      view.setUint8(abi.OWN_ORDER_EVENT, event);
      put(abi.RecordKind.OwnOrder, abi.OWN_ORDER_SIZE);
    }
    recvNs = nextNs;
    mid += Math.round(rng.normal() * 2);
    const draw = rng.uniform();
    if (depth !== undefined && levels.uniform() < 0.5) depthMessage(exchNs);
    if (isRough && levels.uniform() < 0.03) rough(exchNs);
    if (isRough && levels.uniform() < 0.003) exchNs += 2.5e9;
    if (depth === "alone" && exchNs >= nextBookNs) {
      // Levels alone cross by and by as the market walks.
      nextBookNs = exchNs + 500e6;
      snapshot(exchNs);
    }
    if (depth === "alone" && !(draw < 0.35)) continue;
    if (exchNs >= nextBookNs) {
      nextBookNs = exchNs + 500e6;
      head(exchNs);
      view.setUint8(abi.BOOK_BID_COUNT, 20);
      view.setUint8(abi.BOOK_ASK_COUNT, 20);
      for (let i = 0; i < 20; i++) {
        view.setFloat64(abi.BOOK_BIDS + i * abi.LEVEL_SIZE, mid - 1 - i * 2, true);
        view.setFloat64(abi.BOOK_BIDS + i * abi.LEVEL_SIZE + abi.LEVEL_SZ, 0.5, true);
        view.setFloat64(abi.BOOK_ASKS + i * abi.LEVEL_SIZE, mid + 1 + i * 2, true);
        view.setFloat64(abi.BOOK_ASKS + i * abi.LEVEL_SIZE + abi.LEVEL_SZ, 0.5, true);
      }
      put(abi.RecordKind.Book, abi.BOOK_SIZE);
    } else if (draw < 0.35) {
      const side = rng.uniform() < 0.5 ? 1 : -1;
      head(exchNs);
      view.setFloat64(abi.TRADE_PX, mid + side * (1 + rng.below(8) * 5), true);
      view.setFloat64(abi.TRADE_SZ, (1 + rng.below(2_000)) / 1e4, true);
      view.setBigUint64(abi.TRADE_TID, BigInt(tid++), true);
      view.setInt8(abi.TRADE_SIDE, side);
      put(abi.RecordKind.Trade, abi.TRADE_SIZE);
    } else {
      head(exchNs);
      view.setFloat64(abi.BBO_BID_PX, mid - 1, true);
      view.setFloat64(abi.BBO_BID_SZ, (1 + rng.below(100)) / 100, true);
      view.setFloat64(abi.BBO_ASK_PX, mid + 1, true);
      view.setFloat64(abi.BBO_ASK_SZ, (1 + rng.below(100)) / 100, true);
      put(abi.RecordKind.Bbo, abi.BBO_SIZE);
    }
  }
  writer.close();
  return records;
}
