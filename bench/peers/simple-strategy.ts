/**
 * What both sides run: one order of fixed size on each side at a fixed distance from the mid, looked at on a fixed beat, moved when it is
 * off by more than a threshold, not placed beyond an inventory cap. In hftbacktest: strategy.py, line by line the same.
 *
 * Ours goes the production way below the strategy: tape window, recorded market, queue model, exchange core, block scheduler with
 * latencies, fees. The engine above (kernels, risk, executor) is not in it: it quotes otherwise, so that nothing could be compared.
 */

import * as abi from "../../src/abi/layout.js";
import { DeltaFlag, RecordKind } from "../../src/abi/layout.js";
import { type Skipped, TapeRun } from "../../src/backtest/tape-run.js";
import { TapeWindow } from "../../src/backtest/window.js";
import { pow10, Rng, Side, VirtualTime } from "../../src/domain/index.js";
import {
  flatFees,
  isPerp,
  NO_LATENCY,
  type QueueModelSpec,
  queueModel,
  RecordedSide,
  RecordMarket,
  SimVenue,
} from "../../src/sim/index.js";
import { BTCUSDT } from "./capture.js";

export interface StrategyOptions {
  readonly halfSpreadBps: number;
  readonly moveTicks: number;
  readonly szLots: number;
  readonly capLots: number;
  readonly beatMs: number;
  readonly feedMs: number;
  readonly orderMs: number;
  readonly ackMs: number;
  readonly makerBps: number;
  readonly takerBps: number;
  readonly queue: QueueModelSpec;
}

/** Exchange time, ns since the tape's base. */
export interface PeerFill {
  readonly tNs: number;
  readonly side: 1 | -1;
  readonly pxTicks: number;
  readonly szLots: number;
}

export interface PeerResult {
  readonly events: number;
  readonly fills: readonly PeerFill[];
  readonly positionLots: number;
  /** At the last mid, after fees. */
  readonly pnlUsd: number;
  readonly feesUsd: number;
  /** By the caller's stopwatch. */
  readonly seconds: number;
}

const ADDRESS = "0x5151515151515151515151515151515151515151";
const EQUITY_USD = 10_000_000;
/** The beat is off the recording's milliseconds, so that no event falls on it. */
export const BEAT_OFFSET_MS = 0.05;

type Phase = "none" | "placing" | "resting" | "cancelling";

class OwnSide {
  phase: Phase = "none";
  pxTicks = 0;
  leftLots = 0;
  oid = 0;

  constructor(readonly side: Side) {}
}

export async function runOurs(
  tape: string,
  o: StrategyOptions,
  stopwatchS: () => number,
): Promise<PeerResult> {
  const startedS = stopwatchS();
  const tapeRun = new TapeRun();
  const skipped: Skipped = { records: 0, events: 0, levelUpdates: 0, lastNs: 0, midPx: 0 };
  const window = new TapeWindow({
    arena: tapeRun,
    paths: [tape],
    feed: { kind: "constant", ms: o.feedMs },
    rng: new Rng(1),
  });
  const time = new VirtualTime(window.baseWallMs);
  time.jumpTo(window.exchNs);
  const market = new RecordMarket(BTCUSDT, queueModel(o.queue), "peer", tapeRun.exchangeMemory);
  const constant = (ms: number): { minMs: number; maxMs: number } => ({ minMs: ms, maxMs: ms });
  const venue = new SimVenue({
    time,
    markets: [market],
    seed: 1,
    funding: { [ADDRESS]: EQUITY_USD },
    latency: { ...NO_LATENCY, netOut: constant(o.orderMs), netBack: constant(o.ackMs) },
    blockMs: 0,
    exchange: { fees: flatFees({ makerPpm: o.makerBps * 100, takerPpm: o.takerBps * 100 }) },
    executor: { addressLimit: "off" },
  });
  const pxScale = pow10(BTCUSDT.pxDecimals);
  const szScale = pow10(BTCUSDT.szDecimals);
  const bids = new RecordedSide(Side.Buy, tapeRun.localMemory.bids);
  const asks = new RecordedSide(Side.Sell, tapeRun.localMemory.asks);
  tapeRun.open({
    window,
    market,
    localSides: [bids, asks],
    asset: 0,
    pxScale,
    szScale,
    baseMs: window.baseWallMs,
    startNs: window.exchNs,
  });
  const own = [new OwnSide(Side.Buy), new OwnSide(Side.Sell)] as const;
  const fills: PeerFill[] = [];
  let posLots = 0;
  let feesUsd = 0;
  let cashUsd = 0;
  let nonce = 0;
  let events = 0;

  venue.listenPrivate(ADDRESS, {
    onOrderUpdates: () => {},
    onFills: (wires) => {
      for (const f of wires) {
        const side = f.side === "B" ? 1 : -1;
        const szLots = Math.round(Number(f.sz) * szScale);
        const px = Number(f.px);
        fills.push({ tNs: time.monoNs(), side, pxTicks: Math.round(px * pxScale), szLots });
        feesUsd += Number(f.fee);
        cashUsd -= side * px * Number(f.sz);
        // We learn of it later.
        time.after(o.ackMs, () => {
          posLots += side * szLots;
          const mine = own[side === 1 ? 0 : 1];
          if (f.oid !== mine.oid && mine.oid !== 0) return;
          mine.leftLots -= szLots;
          if (mine.leftLots <= 0) mine.phase = "none";
        });
      }
    },
  });

  const place = (mine: OwnSide, pxTicks: number): void => {
    mine.phase = "placing";
    mine.pxTicks = pxTicks;
    mine.leftLots = o.szLots;
    mine.oid = 0;
    venue.submit({
      address: ADDRESS,
      nonce: ++nonce + window.baseWallMs,
      action: {
        type: "order",
        orders: [
          {
            a: 0,
            b: mine.side === Side.Buy,
            p: String(pxTicks / pxScale),
            s: String(o.szLots / szScale),
            r: false,
            t: { limit: { tif: "Alo" } },
          },
        ],
        grouping: "na",
      },
      answer: (response) => {
        const oid = restingOid(response);
        if (oid === undefined) mine.phase = "none";
        else {
          mine.oid = oid;
          if (mine.phase === "placing") mine.phase = "resting";
        }
      },
    });
  };
  const cancel = (mine: OwnSide): void => {
    mine.phase = "cancelling";
    const { oid } = mine;
    venue.submit({
      address: ADDRESS,
      nonce: ++nonce + window.baseWallMs,
      action: { type: "cancel", cancels: [{ a: 0, o: oid }] },
      answer: () => {
        if (mine.oid === oid) mine.phase = "none";
      },
    });
  };
  const beat = (): void => {
    if (bids.count === 0 || asks.count === 0) return;
    const mid = (bids.bestTicks + asks.bestTicks) / 2;
    for (const mine of own) {
      const { side } = mine;
      const away = mid * (1 - (side * o.halfSpreadBps) / 1e4);
      // Never through the other side's best.
      const target =
        side === Side.Buy
          ? Math.min(Math.floor(away), asks.bestTicks - 1)
          : Math.max(Math.ceil(away), bids.bestTicks + 1);
      if (mine.phase === "resting" && Math.abs(mine.pxTicks - target) > o.moveTicks) cancel(mine);
      else if (mine.phase === "none" && side * posLots + o.szLots <= o.capLots) place(mine, target);
    }
  };

  venue.start();
  const firstBeatNs = window.exchNs + BEAT_OFFSET_MS * 1e6;
  let nextBeatNs = firstBeatNs;
  while (window.localNs !== Number.POSITIVE_INFINITY) {
    // Here timers come before records of the same nanosecond, the beat after them.
    if (tapeRun.skip(Math.min(time.nextNs - 1, nextBeatNs), skipped)) {
      events += skipped.events + skipped.levelUpdates;
      if (skipped.lastNs > time.monoNs()) time.jumpTo(skipped.lastNs);
    }
    const untilNs = Math.min(window.exchNs, window.localNs, nextBeatNs);
    if (time.nextNs <= untilNs) {
      time.runDue(untilNs);
      continue;
    }
    if (untilNs > time.monoNs()) time.jumpTo(untilNs);
    if (nextBeatNs < Math.min(window.exchNs, window.localNs)) {
      beat();
      nextBeatNs += o.beatMs * 1e6;
    } else if (window.exchNs <= window.localNs) {
      const before = market.fillCount;
      market.apply(window.exch, window.baseWallMs + window.exchNs / 1e6);
      if (market.fillCount !== before) venue.settle();
      window.nextExch();
    } else {
      events++;
      takeLocal(window, bids, asks, pxScale, szScale);
      window.nextLocal();
    }
  }
  const mid = (bids.bestTicks + asks.bestTicks) / 2 / pxScale;
  const listed = venue.exchange.market(BTCUSDT.coin)!;
  const positionLots = fills.reduce((sum, f) => sum + f.side * f.szLots, 0);
  if (isPerp(listed) && venue.exchange.account(ADDRESS)!.position(listed).szLots !== positionLots)
    throw new Error("the exchange's position is not the sum of the fills");
  venue.close();
  window.close();
  tapeRun.close();
  return {
    events,
    fills,
    positionLots,
    pnlUsd: cashUsd + (positionLots / szScale) * mid - feesUsd,
    feesUsd,
    seconds: stopwatchS() - startedS,
  };
}

/** The engine's own half of a record. */
function takeLocal(
  window: TapeWindow,
  bids: RecordedSide,
  asks: RecordedSide,
  pxScale: number,
  szScale: number,
): void {
  const { local } = window;
  if (local.kind !== RecordKind.BookDelta) return;
  const { f64, u8 } = local.block!;
  if ((u8[local.at + abi.BOOK_DELTA_FLAGS]! & DeltaFlag.Clear) !== 0) {
    bids.clear();
    asks.clear();
  }
  const side = u8[local.at + abi.BOOK_DELTA_SIDE] === 1 ? bids : asks;
  side.update(
    Math.round(f64[(local.at + abi.BOOK_DELTA_PX) >> 3]! * pxScale),
    Math.round(f64[(local.at + abi.BOOK_DELTA_SZ) >> 3]! * szScale),
    1,
  );
}

function restingOid(response: unknown): number | undefined {
  const r = response as {
    readonly response?: {
      readonly data?: { readonly statuses?: readonly { readonly resting?: { readonly oid: number } }[] };
    };
  };
  return r.response?.data?.statuses?.[0]?.resting?.oid;
}
