import { type Instrument, pow10, ticksToPx } from "../domain/index.js";
import { type FillEvent, fillKey } from "../venues/port.js";

/**
 * What became of an offered fill. `held`: it does not chain on the position, something before it is missing.
 * `old`: the adopted position contains it already.
 */
export type FillVerdict = "applied" | "duplicate" | "old" | "held";

/** Fills remembered for deduplication: ten times what a reconnect replays. */
const SEEN = 20_000;
/** Applied fills kept for putting a late one in its place; the older half is folded away when they are twice as many. */
const RECENT = 256;

/** What a fill changes that depends on the order of fills. */
interface Books {
  posLots: number;
  /** Σ price × lots of the open position, ticks·lots, ≥ 0. */
  cost: number;
  /** Gross of fees, ticks·lots. */
  realized: number;
}

/**
 * Position and profit of one asset, from our fills alone: integer lots, average entry, realised profit gross of fees.
 *
 * Fills are taken once (see `fillKey`) and in the order in which their `startPosition`s chain; one that does
 * not chain is held until the missing one arrives or `settleGap` gives up. A fill may chain by chance while an earlier
 * one is missing: when that one comes, the recent fills are put in their true order and booked again. Realised profit uses the average-cost method,
 * as the venue's `closedPnl` does; a fill through zero closes everything and opens the rest at its own price.
 *
 * Thread: main. Source: API reference §2.8, §10.10–15.
 */
export class Ledger {
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

  private readonly now: Books = { posLots: 0, cost: 0, realized: 0 };
  /** Books before the first of `recent`. */
  private readonly base: Books = { posLots: 0, cost: 0, realized: 0 };
  private recent: FillEvent[] = [];
  private readonly perUsd: number;
  private adoptedExchMs = Number.NEGATIVE_INFINITY;
  private readonly seen = new Set<string>();
  private held: FillEvent[] = [];

  constructor(readonly instrument: Instrument) {
    this.perUsd = pow10(instrument.pxDecimals) * pow10(instrument.szDecimals);
  }

  /** Signed position, lots. */
  get posLots(): number {
    return this.now.posLots;
  }

  get realizedPnlUsd(): number {
    return this.now.realized / this.perUsd;
  }

  /** Average entry price; 0 when flat. */
  get entryPx(): number {
    return this.posLots === 0 ? 0 : ticksToPx(this.instrument, this.now.cost / Math.abs(this.posLots));
  }

  unrealizedPnlUsd(markPx: number): number {
    if (this.posLots === 0) return 0;
    const mark = markPx * pow10(this.instrument.pxDecimals);
    return (Math.sign(this.posLots) * (mark * Math.abs(this.posLots) - this.now.cost)) / this.perUsd;
  }

  /** Fills wait for one that has not arrived: the position is older than what they tell. */
  get hasGap(): boolean {
    return this.held.length > 0;
  }

  /** Takes the venue's word for the position at `exchMs`; fills up to then are part of it. Profits are kept. */
  adopt(posLots: number, entryPx: number, exchMs: number): void {
    this.now.posLots = posLots;
    this.now.cost = Math.abs(posLots) * entryPx * pow10(this.instrument.pxDecimals);
    this.recent.length = 0;
    Object.assign(this.base, this.now);
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
      if (next < 0) break;
      const fill = this.held.splice(next, 1)[0]!;
      this.apply(fill);
      onTaken(fill, "applied");
    }
    if (this.held.length > 0) this.reorder(onTaken);
  }

  /** Books the recent fills again with the held ones in their places, if that makes a longer chain. */
  private reorder(onTaken: (fill: FillEvent, verdict: "applied" | "old") => void): void {
    const all = [...this.recent, ...this.held].sort((a, b) => a.exchMs - b.exchMs);
    const chain = chainOf(this.base.posLots, all);
    const inChain = new Set(chain);
    if (chain.length <= this.recent.length || !this.recent.every((f) => inChain.has(f))) return;
    const known = new Set(this.recent);
    this.held = this.held.filter((f) => !inChain.has(f));
    Object.assign(this.now, this.base);
    for (const fill of chain) this.book(this.now, fill);
    this.recent = chain;
    for (const fill of chain) {
      if (known.has(fill)) continue;
      this.count(fill);
      onTaken(fill, "applied");
    }
  }

  /** @returns true when the fill is known already. */
  private remember(fill: FillEvent): boolean {
    const key = fillKey(fill);
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
    const before = this.now.realized;
    this.book(this.now, fill);
    const difference = Math.abs((this.now.realized - before) / this.perUsd - fill.closedPnlUsd);
    if (difference > this.closedPnlDifferenceUsdMax) this.closedPnlDifferenceUsdMax = difference;
    this.count(fill);
    this.recent.push(fill);
    if (this.recent.length >= 2 * RECENT) {
      for (const old of this.recent.splice(0, RECENT)) this.book(this.base, old);
    }
  }

  private count(fill: FillEvent): void {
    this.feesUsd += fill.feeUsd;
    this.volumeUsd += (fill.pxTicks * fill.szLots) / this.perUsd;
    this.fillCount++;
    this.lastFillExchMs = Math.max(this.lastFillExchMs, fill.exchMs);
    this.venueClosedPnlUsd += fill.closedPnlUsd;
    this.maxAbsPosLots = Math.max(this.maxAbsPosLots, Math.abs(fill.startPosLots + fill.side * fill.szLots));
  }

  /** Average-cost booking of one fill. */
  private book(books: Books, fill: FillEvent): void {
    const { szLots, side, pxTicks } = fill;
    const abs = Math.abs(books.posLots);
    if (books.posLots === 0 || Math.sign(books.posLots) === side) {
      books.cost += pxTicks * szLots;
    } else {
      const closed = Math.min(szLots, abs);
      const closedCost = closed === abs ? books.cost : (books.cost / abs) * closed;
      // Long: sold for px × closed what had cost closedCost; short: the reverse.
      books.realized += Math.sign(books.posLots) * (pxTicks * closed - closedCost);
      books.cost = szLots > abs ? pxTicks * (szLots - abs) : closed === abs ? 0 : books.cost - closedCost;
    }
    const pos = books.posLots + side * szLots;
    books.posLots = pos === 0 ? 0 : pos;
  }
}

/**
 * The longest beginning of `fills` (sorted by time) that chains from a position. Fills of one millisecond have no order of
 * their own: they are edges between positions, and their order is an Eulerian path (Hierholzer) through all of them.
 */
function chainOf(startPosLots: number, fills: readonly FillEvent[]): FillEvent[] {
  const chain: FillEvent[] = [];
  let pos = startPosLots;
  for (let from = 0; from < fills.length; ) {
    let to = from + 1;
    while (to < fills.length && fills[to]!.exchMs === fills[from]!.exchMs) to++;
    const path = pathThrough(pos, fills.slice(from, to));
    if (path === undefined) break;
    for (const fill of path) pos += fill.side * fill.szLots;
    chain.push(...path);
    from = to;
  }
  return chain;
}

function pathThrough(startPosLots: number, fills: readonly FillEvent[]): FillEvent[] | undefined {
  const from = new Map<number, FillEvent[]>();
  for (let i = fills.length - 1; i >= 0; i--) {
    const f = fills[i]!;
    const list = from.get(f.startPosLots);
    if (list === undefined) from.set(f.startPosLots, [f]);
    else list.push(f);
  }
  const stack: { pos: number; by: FillEvent | undefined }[] = [{ pos: startPosLots, by: undefined }];
  const path: FillEvent[] = [];
  while (stack.length > 0) {
    const top = stack[stack.length - 1]!;
    const next = from.get(top.pos)?.pop();
    if (next !== undefined) {
      stack.push({ pos: next.startPosLots + next.side * next.szLots, by: next });
    } else {
      stack.pop();
      if (top.by !== undefined) path.push(top.by);
    }
  }
  path.reverse();
  let pos = startPosLots;
  for (const fill of path) {
    if (fill.startPosLots !== pos) return undefined;
    pos += fill.side * fill.szLots;
  }
  return path.length === fills.length ? path : undefined;
}
