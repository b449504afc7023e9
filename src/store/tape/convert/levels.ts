import { DeltaFlag } from "../../../abi/layout.js";
import { Side } from "../../../domain/index.js";
import type { Market } from "./markets.js";
import type { RecordQueue } from "./records.js";

/** Writes the level changes of one message: all but the last carry the More flag; a snapshot's first voids the book. */
export class DeltaMessage {
  private last = -1;
  private flags = 0;

  constructor(private readonly out: RecordQueue) {}

  /** @param isFirst The recording begins with an empty book: there is nothing before this message. */
  begin(isSnapshot: boolean, isFirst = false): void {
    this.last = -1;
    this.out.release();
    this.flags = isSnapshot ? DeltaFlag.Snapshot | DeltaFlag.Clear : isFirst ? DeltaFlag.Clear : 0;
  }

  level(
    market: Market,
    recvNs: number,
    exchNs: number,
    side: Side,
    pxTicks: number,
    szLots: number,
    orders = 0,
  ): void {
    this.last = this.out.delta(
      market.asset,
      recvNs,
      exchNs,
      side,
      pxTicks / market.pxPow,
      szLots / market.szPow,
      this.flags | DeltaFlag.More,
      orders,
    );
    this.out.hold(this.last);
    this.flags &= ~DeltaFlag.Clear;
  }

  end(): void {
    if (this.last >= 0) this.out.endMessage(this.last);
    this.last = -1;
    this.out.release();
  }
}

interface Level {
  lots: number;
  orders: number;
}

/** Level totals with sorted prices: for the touch, and for what must be told of a side. Best last. */
export class LevelBook {
  readonly bids = new LevelSide(Side.Buy);
  readonly asks = new LevelSide(Side.Sell);

  side(side: Side): LevelSide {
    return side === Side.Buy ? this.bids : this.asks;
  }

  get isCrossed(): boolean {
    return this.bids.count > 0 && this.asks.count > 0 && this.bids.bestTicks >= this.asks.bestTicks;
  }

  clear(): void {
    this.bids.clear();
    this.asks.clear();
  }
}

export class LevelSide {
  readonly levels = new Map<number, Level>();
  /** Signed ticks, ascending: the best is the last. */
  private readonly order: number[] = [];

  constructor(readonly side: Side) {}

  get count(): number {
    return this.order.length;
  }
  /** 0 when empty. */
  get bestTicks(): number {
    return this.count === 0 ? 0 : this.order.at(-1)! * this.side;
  }
  get bestLots(): number {
    return this.lotsAt(this.bestTicks);
  }
  lotsAt(ticks: number): number {
    return this.levels.get(ticks)?.lots ?? 0;
  }
  ordersAt(ticks: number): number {
    return this.levels.get(ticks)?.orders ?? 0;
  }

  set(ticks: number, lots: number, orders = 0): void {
    const level = this.levels.get(ticks);
    if (lots <= 0) {
      if (level !== undefined) {
        this.levels.delete(ticks);
        this.order.splice(this.find(ticks), 1);
      }
      return;
    }
    if (level !== undefined) {
      level.lots = lots;
      level.orders = orders;
      return;
    }
    this.levels.set(ticks, { lots, orders });
    this.order.splice(this.find(ticks), 0, ticks * this.side);
  }

  /** The best `n` prices, best first. */
  best(n: number): number[] {
    return this.order
      .slice(-n)
      .reverse()
      .map((t) => t * this.side);
  }

  clear(): void {
    this.levels.clear();
    this.order.length = 0;
  }

  private find(ticks: number): number {
    const key = ticks * this.side;
    let lo = 0;
    let hi = this.order.length;
    while (lo < hi) {
      const mid = (lo + hi) >>> 1;
      if (this.order[mid]! < key) lo = mid + 1;
      else hi = mid;
    }
    return lo;
  }
}
