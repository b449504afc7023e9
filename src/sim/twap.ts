/**
 * TWAP orders: a large size bought or sold in market slices every 30 seconds.
 *
 * At slice i of n the target is total · i/n. A slice asks for what is missing to the target, at most three times the ordinary
 * slice, at a limit 3 % beyond the mid: what does not fill is caught up later, and what was not caught up at the end is not done.
 * Slices are not the user's transactions: their fills carry the zero hash and the `twapId`.
 *
 * Source: reference/hyperliquid-api.md 4.9, 4.11, 2.13; slicing and catch-up as the venue's documentation of order types
 * tells them. Not known, and chosen here: 2 · minutes + 1 slices of which the first is immediate; `randomize` varies a slice by
 * ±20 %; a slice needs no minimum value.
 */
import { Rng, Side, wireToDecimal } from "../domain/index.js";
import type { Account } from "./account.js";
import type { TwapWire } from "./actions.js";
import type { Exchange } from "./exchange.js";
import { ZERO_HASH } from "./exchange-state.js";
import type { Market } from "./listed-market.js";
import { slippageLimit } from "./triggers.js";
import { dec } from "./wire.js";

const SLICE_MS = 30_000;
const SLIPPAGE = 0.03;
const CATCH_UP = 3;
const MINUTES_MIN = 5;
const MINUTES_MAX = 10_080;
const NOTIONAL_MIN_USD = 100;
const HISTORY_KEPT = 2000;
const MISSING_TWAP = "TWAP was never placed, already canceled, or filled.";

export type TwapEnd = "terminated" | "finished" | "error";

class Twap {
  executedLots = 0;
  executedMicroUsd = 0;
  sliceIndex = 0;
  nextMs: number;

  constructor(
    readonly id: number,
    readonly account: Account,
    readonly market: Market,
    readonly side: Side,
    readonly szLots: number,
    readonly wire: TwapWire,
    readonly placedMs: number,
    readonly rng: Rng,
  ) {
    this.nextMs = placedMs;
  }

  get sliceCount(): number {
    return (this.wire.m * 60_000) / SLICE_MS + 1;
  }

  /** Lots to ask for now. */
  nextLots(): number {
    const { sliceCount: n } = this;
    const target = Math.ceil((this.szLots * Math.min(n, this.sliceIndex + 1)) / n);
    const missing = target - this.executedLots;
    const isLast = this.sliceIndex + 1 >= n;
    const varied = this.wire.t && !isLast ? Math.round(missing * (0.8 + 0.4 * this.rng.uniform())) : missing;
    const most = Math.ceil((CATCH_UP * this.szLots) / n);
    return Math.max(0, Math.min(varied, most, this.szLots - this.executedLots));
  }
}

/** TwapState of reference 2.13. */
interface TwapStateWire {
  readonly coin: string;
  readonly user: string;
  readonly side: "B" | "A";
  readonly sz: string;
  readonly executedSz: string;
  readonly executedNtl: string;
  readonly minutes: number;
  readonly reduceOnly: boolean;
  readonly randomize: boolean;
  readonly timestamp: number;
  readonly trigger: null;
  readonly stopPx: null;
}

export interface TwapHistoryWire {
  readonly time: number;
  readonly state: TwapStateWire;
  readonly status: { readonly status: "activated" | TwapEnd; readonly description?: string };
  readonly twapId: number;
}

function stateWire(t: Twap): TwapStateWire {
  const { market } = t;
  return {
    coin: market.coin,
    user: t.account.address,
    side: t.side === Side.Buy ? "B" : "A",
    sz: dec(t.szLots, market.szDecimals),
    executedSz: dec(t.executedLots, market.szDecimals),
    executedNtl: dec(t.executedMicroUsd, 6),
    minutes: t.wire.m,
    reduceOnly: t.wire.r,
    randomize: t.wire.t,
    timestamp: t.placedMs,
    trigger: null,
    stopPx: null,
  };
}

export type TwapStatus = { readonly running: { readonly twapId: number } } | { readonly error: string };

/** All TWAPs of an exchange. Thread: any (single owner, that of the exchange). */
export class Twaps {
  private readonly running = new Map<number, Twap>();
  private readonly history = new Map<Account, TwapHistoryWire[]>();
  private lastId = 0;

  constructor(
    private readonly exchange: Exchange,
    private readonly seed = 1,
  ) {}

  /** Told of every change of a TWAP's life. */
  onHistory: (account: Account, item: TwapHistoryWire) => void = () => {};

  place(account: Account, wire: TwapWire, exchMs: number): TwapStatus {
    const { exchange } = this;
    const market = exchange.marketOfAsset(wire.a);
    if (market === undefined) return { error: `Asset ${wire.a} does not exist.` };
    if (wire.m < MINUTES_MIN || wire.m > MINUTES_MAX)
      return { error: `Invalid TWAP duration: ${wire.m} min(s)` };
    const szLots = wireToDecimal(wire.s, market.szDecimals);
    if (szLots === undefined) return { error: "Order has invalid size." };
    if (szLots === 0) return { error: "Order has zero size." };
    const side = wire.b ? Side.Buy : Side.Sell;
    if (szLots * market.referenceTicks < NOTIONAL_MIN_USD * market.unitsPerQuote)
      return { error: `TWAP order value too small. Minimum is $${NOTIONAL_MIN_USD}.` };
    if (wire.r && account.positionLots(market) * side >= 0)
      return { error: "Reduce-only TWAP order would increase position." };
    const id = ++this.lastId;
    const twap = new Twap(id, account, market, side, szLots, wire, exchMs, new Rng(this.seed + id));
    this.running.set(id, twap);
    this.record(twap, exchMs, "activated");
    return { running: { twapId: id } };
  }

  cancel(account: Account, asset: number, id: number, exchMs: number): "success" | { error: string } {
    const twap = this.running.get(id);
    if (twap === undefined || twap.account !== account || twap.market.venueAssetId !== asset)
      return { error: MISSING_TWAP };
    this.end(twap, exchMs, "terminated");
    return "success";
  }

  /** Exchange time of the next slice; Infinity without any. */
  get nextDueMs(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const twap of this.running.values()) next = Math.min(next, twap.nextMs);
    return next;
  }

  /** Sends every slice that is due, in order of time, then of id. @returns how many. */
  run(exchMs: number): number {
    for (let count = 0; ; count++) {
      let next: Twap | undefined;
      for (const twap of this.running.values()) {
        if (twap.nextMs <= exchMs && (next === undefined || twap.nextMs < next.nextMs)) next = twap;
      }
      if (next === undefined) return count;
      this.slice(next, Math.floor(next.nextMs));
    }
  }

  private slice(twap: Twap, exchMs: number): void {
    const { exchange } = this;
    const { account, market, side } = twap;
    if (twap.wire.r && account.positionLots(market) * side >= 0) {
      this.end(twap, exchMs, "error", "Reduce-only TWAP order would increase position.");
      return;
    }
    const szLots = twap.nextLots();
    twap.sliceIndex++;
    twap.nextMs += SLICE_MS;
    const { bestBidTicks: bid, bestAskTicks: ask } = market.book;
    const from = bid > 0 && ask > 0 ? (bid + ask) / 2 : market.referenceTicks;
    if (szLots > 0 && from > 0) {
      const spec = {
        market,
        side,
        pxTicks: slippageLimit(market, side, from, SLIPPAGE),
        szLots,
        tif: "Ioc" as const,
        isReduceOnly: twap.wire.r,
        cloid: undefined,
      };
      const order = exchange.newOrder(account, spec, exchMs);
      order.twapId = twap.id;
      const placed = exchange.inTransaction(() => exchange.admit(order, exchMs), ZERO_HASH);
      twap.executedLots += placed.takenLots;
      twap.executedMicroUsd += Math.round(placed.takenUnits * twap.market.microPerUnit);
    }
    if (twap.executedLots >= twap.szLots || twap.sliceIndex >= twap.sliceCount)
      this.end(twap, exchMs, "finished");
  }

  private end(twap: Twap, exchMs: number, status: TwapEnd, description?: string): void {
    this.running.delete(twap.id);
    this.record(twap, exchMs, status, description);
  }

  private record(
    twap: Twap,
    time: number,
    status: TwapHistoryWire["status"]["status"],
    description?: string,
  ): void {
    const list = this.history.get(twap.account) ?? [];
    this.history.set(twap.account, list);
    const item = {
      time,
      state: stateWire(twap),
      status: description === undefined ? { status } : { status, description },
      twapId: twap.id,
    };
    list.push(item);
    this.onHistory(twap.account, item);
    if (list.length >= HISTORY_KEPT * 2) list.splice(0, HISTORY_KEPT);
  }

  // --- For /info and subscriptions -------------------------------------------------------------------------------------

  /** Running TWAPs with their ids, oldest first. */
  statesOf(account: Account): [twapId: number, state: TwapStateWire][] {
    const states: [number, TwapStateWire][] = [];
    for (const t of this.running.values()) if (t.account === account) states.push([t.id, stateWire(t)]);
    return states;
  }

  /** Oldest first. */
  historyOf(account: Account): readonly TwapHistoryWire[] {
    return this.history.get(account) ?? [];
  }
}
