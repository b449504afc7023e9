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
  const put = (kind: abi.RecordKind, bytes: number): void => {
    writer.append(kind, 3, f64, 0, bytes, recvNs);
    records++;
  };
  const steps = ownSteps(own);
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
