import { type Instrument, pow10, ticksToPx } from "../domain/index.js";
import type { FillEvent } from "../venues/port.js";

/**
 * What became of an offered fill. `held`: it does not chain on the position, something before it is missing.
 * `old`: the adopted position contains it already.
 */
export type FillVerdict = "applied" | "duplicate" | "old" | "held";

/** Fills remembered for deduplication: ten times what a reconnect replays. */
const SEEN = 20_000;

/**
 * Position and profit of one asset, from our fills alone: integer lots, average entry, realised profit gross of fees.
 *
 * Fills are taken once (key: coin, time, tid, oid) and in the order in which their `startPosition`s chain; one that does
 * not chain is held until the missing one arrives or `settleGap` gives up. Realised profit uses the average-cost method,
 * as the venue's `closedPnl` does; a fill through zero closes everything and opens the rest at its own price.
 *
 * Thread: main. Source: API reference §2.8, §10.10–15.
 */
export class Ledger {
  posLots = 0;
  feesUsd = 0;
  volumeUsd = 0;
  fillCount = 0;
  /** The venue's own sum of `closedPnl`, for comparison. */
  venueClosedPnlUsd = 0;
  /** Largest difference between ours and the venue's `closedPnl` of one fill. */
  closedPnlDifferenceUsdMax = 0;
  maxAbsPosLots = 0;
  /** Exchange time of the newest fill applied; where a repair starts. */
  lastFillExchMs = 0;

  /** Σ price × lots of the open position, ticks·lots, ≥ 0. */
  private cost = 0;
  /** ticks·lots. */
  private realized = 0;
  private readonly perUsd: number;
  private adoptedExchMs = Number.NEGATIVE_INFINITY;
  private readonly seen = new Set<string>();
  private held: FillEvent[] = [];

  constructor(readonly instrument: Instrument) {
    this.perUsd = pow10(instrument.pxDecimals) * pow10(instrument.szDecimals);
  }

  get realizedPnlUsd(): number {
    return this.realized / this.perUsd;
  }

  /** Average entry price; 0 when flat. */
  get entryPx(): number {
    return this.posLots === 0 ? 0 : ticksToPx(this.instrument, this.cost / Math.abs(this.posLots));
  }

  unrealizedPnlUsd(markPx: number): number {
    if (this.posLots === 0) return 0;
    const mark = markPx * pow10(this.instrument.pxDecimals);
    return (Math.sign(this.posLots) * (mark * Math.abs(this.posLots) - this.cost)) / this.perUsd;
  }

  /** Fills wait for one that has not arrived: the position is older than what they tell. */
  get hasGap(): boolean {
    return this.held.length > 0;
  }

  get adoptedAtExchMs(): number {
    return this.adoptedExchMs;
  }

  /** Takes the venue's word for the position at `exchMs`; fills up to then are part of it. Profits are kept. */
  adopt(posLots: number, entryPx: number, exchMs: number): void {
    this.posLots = posLots;
    this.cost = Math.abs(posLots) * entryPx * pow10(this.instrument.pxDecimals);
    this.adoptedExchMs = exchMs;
    this.lastFillExchMs = Math.max(this.lastFillExchMs, exchMs);
    this.held = this.held.filter((f) => f.exchMs > exchMs);
    this.maxAbsPosLots = Math.max(this.maxAbsPosLots, Math.abs(posLots));
  }

  /**
   * Offers one message's fills. `onTaken` hears each fill that is now part of the position, in chain order, with its
   * verdict (`applied` or `old`).
   */
  offer(fills: readonly FillEvent[], onTaken: (fill: FillEvent, verdict: "applied" | "old") => void): void {
    // A snapshot lists the newest first, a live message in order of execution.
    const isSnapshot = fills[0]?.isSnapshot ?? false;
    const ordered = isSnapshot ? [...fills].reverse() : fills;
    for (const fill of ordered) {
      if (this.remember(fill)) continue;
      if (this.isInAdopted(fill)) {
        onTaken(fill, "old");
        continue;
      }
      this.held.push(fill);
    }
    this.held.sort((a, b) => a.exchMs - b.exchMs); // stable: equal times keep the order of arrival
    this.drain(onTaken);
  }

  /**
   * Gives up on a gap: takes the held fills for what their money says, then the venue's position.
   * @returns lots by which our position was wrong.
   */
  settleGap(
    posLots: number,
    entryPx: number,
    exchMs: number,
    onTaken: (fill: FillEvent, verdict: "applied" | "old") => void,
  ): number {
    const held = this.held.filter((f) => f.exchMs <= exchMs);
    this.held = this.held.filter((f) => f.exchMs > exchMs);
    for (const fill of held) {
      this.apply(fill);
      onTaken(fill, "applied");
    }
    const difference = posLots - this.posLots;
    if (difference !== 0 || held.length > 0) this.adopt(posLots, entryPx, exchMs);
    this.drain(onTaken);
    return difference;
  }

  private drain(onTaken: (fill: FillEvent, verdict: "applied" | "old") => void): void {
    for (;;) {
      const next = this.held.findIndex((f) => f.startPosLots === this.posLots);
      if (next < 0) return;
      const fill = this.held.splice(next, 1)[0]!;
      this.apply(fill);
      onTaken(fill, "applied");
    }
  }

  /** @returns true when the fill is known already. */
  private remember(fill: FillEvent): boolean {
    const key = `${fill.coin}|${fill.exchMs}|${fill.tid}|${fill.oid}`;
    if (this.seen.has(key)) return true;
    this.seen.add(key);
    if (this.seen.size > SEEN) this.seen.delete(this.seen.keys().next().value!);
    return false;
  }

  private isInAdopted(fill: FillEvent): boolean {
    if (fill.exchMs !== this.adoptedExchMs) return fill.exchMs < this.adoptedExchMs;
    // Same millisecond as the snapshot: it is news only if it starts from the adopted position.
    return fill.startPosLots !== this.posLots;
  }

  private apply(fill: FillEvent): void {
    const { szLots, side } = fill;
    const px = fill.pxTicks;
    const abs = Math.abs(this.posLots);
    const realizedBefore = this.realized;
    if (this.posLots === 0 || Math.sign(this.posLots) === side) {
      this.cost += px * szLots;
    } else {
      const closed = Math.min(szLots, abs);
      const closedCost = closed === abs ? this.cost : (this.cost / abs) * closed;
      // Long: sold for px × closed what had cost closedCost; short: the reverse.
      this.realized += Math.sign(this.posLots) * (px * closed - closedCost);
      this.cost = szLots > abs ? px * (szLots - abs) : closed === abs ? 0 : this.cost - closedCost;
    }
    const pos = this.posLots + side * szLots;
    this.posLots = pos === 0 ? 0 : pos;
    this.maxAbsPosLots = Math.max(this.maxAbsPosLots, Math.abs(pos));
    this.feesUsd += fill.feeUsd;
    this.volumeUsd += (px * szLots) / this.perUsd;
    this.fillCount++;
    this.lastFillExchMs = Math.max(this.lastFillExchMs, fill.exchMs);
    this.venueClosedPnlUsd += fill.closedPnlUsd;
    const difference = Math.abs((this.realized - realizedBefore) / this.perUsd - fill.closedPnlUsd);
    if (difference > this.closedPnlDifferenceUsdMax) this.closedPnlDifferenceUsdMax = difference;
  }
}
