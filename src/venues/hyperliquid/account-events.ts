/**
 * Private events: the venue's order and fill objects as the engine's. Shared by the stream and the repair requests.
 */
import type { Instrument } from "../../domain/index.js";
import { pow10, Side, wireToDecimal } from "../../domain/index.js";
import type { AccountSnapshot, FillEvent, FundingEvent, OrderUpdate, RequestQuota } from "../port.js";
import { VenueError } from "./errors.js";
import type { ClearinghouseState, UserFunding, UserRateLimit, VenueFill, VenueOrder } from "./info.js";
import { cancelCap } from "./limits.js";

/** Instruments of this run by coin. */
export type InstrumentsByCoin = ReadonlyMap<string, Instrument>;

const sideOf = (letter: "B" | "A"): Side => (letter === "B" ? Side.Buy : Side.Sell);

/** A signed wire decimal as an integer of 10^-decimals; undefined when it has more decimals than the grid. */
export function signedWireToDecimal(text: string, decimals: number): number | undefined {
  if (!text.startsWith("-")) return wireToDecimal(text, decimals);
  const value = wireToDecimal(text.slice(1), decimals);
  return value === undefined ? undefined : value === 0 ? 0 : -value;
}

function grid(value: number | undefined, what: string, text: string): number {
  if (value === undefined) throw new VenueError("BadResponse", `${what} ${text} is not on the market's grid`);
  return value;
}

/** @throws {VenueError} BadResponse when a number is off the market's grid. */
export function toOrderUpdate(
  order: VenueOrder,
  status: string,
  exchMs: number,
  inst: Instrument,
): OrderUpdate {
  const szLots = grid(wireToDecimal(order.sz, inst.szDecimals), "order size", order.sz);
  const origSz = order.origSz ?? order.sz;
  return {
    coin: order.coin,
    oid: order.oid,
    cloid: order.cloid ?? undefined,
    side: sideOf(order.side),
    pxTicks: grid(wireToDecimal(order.limitPx, inst.pxDecimals), "order price", order.limitPx),
    szLots,
    origSzLots: grid(wireToDecimal(origSz, inst.szDecimals), "order size", origSz),
    status,
    exchMs,
  };
}

/**
 * A resting order as a cancel needs it. Never refused: an order placed on a finer grid than this run's (by hand, or before
 * `--decimals`) must not hide the others. Off the grid its price is the nearest tick, and 0 without an instrument.
 */
export function toOpenOrder(order: VenueOrder, inst: Instrument | undefined): OrderUpdate {
  const nearest = (text: string, decimals: number): number =>
    wireToDecimal(text, decimals) ?? Math.round(Number(text) * pow10(decimals));
  const origSz = order.origSz ?? order.sz;
  return {
    coin: order.coin,
    oid: order.oid,
    cloid: order.cloid ?? undefined,
    side: sideOf(order.side),
    pxTicks: inst === undefined ? 0 : nearest(order.limitPx, inst.pxDecimals),
    szLots: inst === undefined ? 0 : nearest(order.sz, inst.szDecimals),
    origSzLots: inst === undefined ? 0 : nearest(origSz, inst.szDecimals),
    status: "open",
    exchMs: order.timestamp,
  };
}

/** @throws {VenueError} BadResponse when a size is off the market's grid. */
export function toFillEvent(fill: VenueFill, inst: Instrument, isSnapshot: boolean): FillEvent {
  const px = Number(fill.px);
  return {
    coin: fill.coin,
    oid: fill.oid,
    cloid: fill.cloid ?? undefined,
    tid: fill.tid,
    side: sideOf(fill.side),
    px,
    // Settlements and liquidations may trade off the order grid.
    pxTicks: wireToDecimal(fill.px, inst.pxDecimals) ?? Math.round(px * pow10(inst.pxDecimals)),
    szLots: grid(wireToDecimal(fill.sz, inst.szDecimals), "fill size", fill.sz),
    startPosLots: grid(
      signedWireToDecimal(fill.startPosition, inst.szDecimals),
      "start position",
      fill.startPosition,
    ),
    closedPnlUsd: Number(fill.closedPnl),
    feeUsd: Number(fill.fee),
    isMaker: !fill.crossed,
    isLiquidation: fill.liquidation != null,
    exchMs: fill.time,
    isSnapshot,
  };
}

/**
 * Oldest first. The venue sends snapshots newest first, but the matches of one millisecond in either order; the positions
 * before each fill tell which: each must begin where the one before ended.
 */
export function sortFills(fills: readonly FillEvent[]): FillEvent[] {
  if (fills.length < 2) return [...fills];
  const sorted = [...fills].sort((a, b) => a.exchMs - b.exchMs);
  const out: FillEvent[] = [];
  for (let from = 0; from < sorted.length; ) {
    let to = from + 1;
    while (to < sorted.length && sorted[to]!.exchMs === sorted[from]!.exchMs) to++;
    const group = sorted.slice(from, to);
    const backwards = [...group].reverse();
    out.push(...(chainBreaks(backwards) < chainBreaks(group) ? backwards : group));
    from = to;
  }
  return out;
}

function chainBreaks(fills: readonly FillEvent[]): number {
  const endByCoin = new Map<string, number>();
  let breaks = 0;
  for (const fill of fills) {
    const expected = endByCoin.get(fill.coin);
    if (expected !== undefined && expected !== fill.startPosLots) breaks++;
    endByCoin.set(fill.coin, fill.startPosLots + fill.side * fill.szLots);
  }
  return breaks;
}

/** Remembers the newest `capacity` keys. */
export class SeenSet {
  private readonly keys = new Set<string>();

  constructor(private readonly capacity: number) {}

  /** @returns true when the key is new. */
  add(key: string): boolean {
    if (this.keys.has(key)) return false;
    this.keys.add(key);
    if (this.keys.size > this.capacity) {
      const oldest = this.keys.values().next();
      if (!oldest.done) this.keys.delete(oldest.value);
    }
    return true;
  }
}

/** One clearinghouse (the first dex or a builder-deployed one) as part of an account snapshot. */
export function toAccountSnapshot(
  state: ClearinghouseState,
  byCoin: InstrumentsByCoin,
  wallMs: number,
): AccountSnapshot {
  const positions: AccountSnapshot["positions"][number][] = [];
  for (const { position } of state.assetPositions) {
    const inst = byCoin.get(position.coin);
    if (inst === undefined) continue; // Counted in the account's totals; not ours to trade.
    positions.push({
      coin: position.coin,
      posLots: grid(signedWireToDecimal(position.szi, inst.szDecimals), "position", position.szi),
      entryPx: position.entryPx == null ? 0 : Number(position.entryPx),
      unrealizedPnlUsd: Number(position.unrealizedPnl),
      leverage: position.leverage.value,
    });
  }
  return {
    accountValueUsd: Number(state.marginSummary.accountValue),
    withdrawableUsd: Number(state.withdrawable),
    marginUsedUsd: Number(state.marginSummary.totalMarginUsed),
    positions,
    exchMs: state.time ?? wallMs,
  };
}

/** Several clearinghouses of one account as one: sums, all positions, the oldest time. */
export function mergeAccounts(parts: readonly AccountSnapshot[]): AccountSnapshot {
  const sum = (of: (a: AccountSnapshot) => number): number => parts.reduce((total, a) => total + of(a), 0);
  return {
    accountValueUsd: sum((a) => a.accountValueUsd),
    withdrawableUsd: sum((a) => a.withdrawableUsd),
    marginUsedUsd: sum((a) => a.marginUsedUsd),
    positions: parts.flatMap((a) => a.positions),
    exchMs: Math.min(...parts.map((a) => a.exchMs)),
  };
}

export const toRequestQuota = (q: UserRateLimit): RequestQuota => ({
  used: q.nRequestsUsed - (q.nRequestsSurplus ?? 0),
  cap: q.nRequestsCap,
  cancelCap: cancelCap(q.nRequestsCap),
  cumVolumeUsd: Number(q.cumVlm),
});

export const toFundingEvent = ({ time, delta }: UserFunding): FundingEvent => ({
  coin: delta.coin,
  usd: Number(delta.usdc),
  exchMs: time,
});
