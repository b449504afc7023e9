/**
 * A Binance order book from a REST snapshot and depth messages, in native units: prices as integers of 10^-8, quantities in
 * the caller's integer unit. Follows the exchange's rules for the update-id chain.
 *
 * Life: unsynced (messages are buffered) → snapshot → synced → a broken chain makes it unsynced again.
 */
export const NATIVE_PX_DECIMALS = 8;

/** One depth message; `previous` is `pu`, or on spot, which has none, `U` − 1. */
export interface DepthDiff {
  readonly first: number;
  readonly last: number;
  readonly previous: number;
  readonly isSpot: boolean;
  /** Alternating native price, quantity (0 removes). */
  readonly bids: readonly number[];
  readonly asks: readonly number[];
}

export interface DepthSnapshot {
  readonly lastUpdateId: number;
  readonly bids: readonly number[];
  readonly asks: readonly number[];
}

/** Messages kept while waiting for a snapshot; a file that never has one must not fill the memory. */
const MAX_BUFFERED = 5_000;

export class DepthBook {
  readonly bids = new Map<number, number>();
  readonly asks = new Map<number, number>();
  isSynced = false;
  lastUpdateId = 0;
  brokenChains = 0;
  private buffered: DepthDiff[] = [];
  /** True until the first message after a snapshot: that one only has to span the snapshot's id. */
  private isFirstAfterSnapshot = false;

  /** @param onApply Told of each message that is applied, while the book is still as it was before. */
  constructor(private readonly onApply: (diff: DepthDiff) => void = () => {}) {}

  /** @returns what became of the message; `broken` means the book is lost until the next snapshot. */
  apply(diff: DepthDiff): "applied" | "dropped" | "buffered" | "broken" {
    if (!this.isSynced) {
      if (this.buffered.length === MAX_BUFFERED) this.buffered.shift();
      this.buffered.push(diff);
      return "buffered";
    }
    const isOld = diff.isSpot ? diff.last <= this.lastUpdateId : diff.last < this.lastUpdateId;
    if (isOld) return "dropped";
    const chains = this.isFirstAfterSnapshot
      ? diff.first <= this.lastUpdateId + (diff.isSpot ? 1 : 0)
      : diff.previous === this.lastUpdateId;
    if (!chains) {
      this.distrust();
      this.buffered.push(diff);
      return "broken";
    }
    this.isFirstAfterSnapshot = false;
    this.lastUpdateId = diff.last;
    this.onApply(diff);
    update(this.bids, diff.bids);
    update(this.asks, diff.asks);
    return "applied";
  }

  /** Starts again from a snapshot and applies what was buffered after it. */
  reset(snapshot: DepthSnapshot): void {
    this.bids.clear();
    this.asks.clear();
    update(this.bids, snapshot.bids);
    update(this.asks, snapshot.asks);
    this.lastUpdateId = snapshot.lastUpdateId;
    this.isSynced = true;
    this.isFirstAfterSnapshot = true;
    const waiting = this.buffered;
    this.buffered = [];
    for (const diff of waiting) this.apply(diff);
  }

  bestBid(): number {
    let best = 0;
    for (const px of this.bids.keys()) if (px > best) best = px;
    return best;
  }

  bestAsk(): number {
    let best = Number.POSITIVE_INFINITY;
    for (const px of this.asks.keys()) if (px < best) best = px;
    return best;
  }

  /** Forgets the book until the next snapshot. */
  distrust(): void {
    this.brokenChains++;
    this.bids.clear();
    this.asks.clear();
    this.isSynced = false;
    this.buffered = [];
  }
}

function update(side: Map<number, number>, levels: readonly number[]): void {
  for (let i = 0; i < levels.length; i += 2) {
    const px = levels[i]!;
    const quantity = levels[i + 1]!;
    if (quantity === 0) side.delete(px);
    else side.set(px, quantity);
  }
}
