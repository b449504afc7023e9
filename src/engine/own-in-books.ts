import * as abi from "../abi/layout.js";
import { RecordKind } from "../abi/layout.js";
import { type Instrument, pow10, Side } from "../domain/index.js";
import type { RunFacts } from "./journal-facts.js";

/** What rested of ours at one price, from each change on. Times of the venue, ms, rising. */
interface Standing {
  readonly atMs: number[];
  readonly lots: number[];
  readonly orders: number[];
}

interface Change {
  readonly ms: number;
  readonly lots: number;
  readonly orders: number;
}

/** One side of the newest book without us, best first. */
interface Levels {
  readonly ticks: number[];
  readonly lots: number[];
}

const NOTHING: Levels = { ticks: [], lots: [] };

/**
 * Takes a run's own orders out of the venue's books, so that who plays the market again does not stand behind himself.
 *
 * What rested when is known from the order updates and fills, by the venue's own times. A level that was ours alone goes; a touch that
 * was ours alone becomes the next level of the newest book, and is left out where none is known. Prints in which we were the
 * aggressor are left out: they answer our own decision. Where a book shows less than what should rest, the level goes, and is counted.
 */
export class OwnInBooks {
  /** Levels and touches that were changed. */
  changed = 0;
  /** Touches left out, because nothing is known behind them. */
  dropped = 0;
  /** Levels that showed less than our own orders. */
  doubtful = 0;
  /** Orders whose end the journal does not tell: they count up to the last word of them. */
  readonly endless: number;
  private readonly markets: readonly {
    readonly pxScale: number;
    readonly szScale: number;
    readonly sides: Readonly<Record<Side, ReadonlyMap<number, Standing>>>;
    readonly newest: Record<Side, Levels>;
  }[];
  private readonly takerTids: ReadonlySet<bigint>;

  constructor(facts: RunFacts) {
    let endless = 0;
    this.markets = facts.setup.instruments.map((inst) => {
      const found = standings(facts, inst);
      endless += found.endless;
      return {
        pxScale: pow10(inst.pxDecimals),
        szScale: pow10(inst.szDecimals),
        sides: found.sides,
        newest: { [Side.Buy]: NOTHING, [Side.Sell]: NOTHING },
      };
    });
    this.endless = endless;
    this.takerTids = new Set(facts.fills.filter((f) => !f.isMaker && f.tid > 0).map((f) => BigInt(f.tid)));
  }

  /** Changes a record's body in place. @returns false when it is to be left out. */
  take(kind: RecordKind, asset: number, body: Float64Array): boolean {
    if (kind === RecordKind.Trade)
      return !this.takerTids.has(new BigUint64Array(body.buffer, body.byteOffset)[abi.TRADE_TID >> 3]!);
    if (kind !== RecordKind.Book && kind !== RecordKind.Bbo) return true;
    if (this.markets[asset] === undefined) return true;
    const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
    const exchMs = Number(view.getBigInt64(0, true) / 1_000_000n);
    if (kind === RecordKind.Book) {
      this.book(asset, Side.Buy, view, abi.BOOK_BIDS, abi.BOOK_BID_COUNT, exchMs);
      this.book(asset, Side.Sell, view, abi.BOOK_ASKS, abi.BOOK_ASK_COUNT, exchMs);
      return true;
    }
    const isBidKept = this.touch(asset, Side.Buy, view, abi.BBO_BID_PX, abi.BBO_BID_SZ, exchMs);
    const isAskKept = this.touch(asset, Side.Sell, view, abi.BBO_ASK_PX, abi.BBO_ASK_SZ, exchMs);
    if (isBidKept && isAskKept) return true;
    this.dropped++;
    return false;
  }

  private book(
    asset: number,
    side: Side,
    view: DataView,
    levelsAt: number,
    countAt: number,
    exchMs: number,
  ): void {
    const { pxScale, szScale, newest } = this.markets[asset]!;
    const count = view.getUint8(countAt);
    const left: { ticks: number[]; lots: number[] } = { ticks: [], lots: [] };
    for (let i = 0; i < count; i++) {
      const from = levelsAt + i * abi.LEVEL_SIZE;
      const ticks = Math.round(view.getFloat64(from + abi.LEVEL_PX, true) * pxScale);
      const shown = Math.round(view.getFloat64(from + abi.LEVEL_SZ, true) * szScale);
      const shownOrders = view.getUint32(from + abi.LEVEL_ORDERS, true);
      const own = this.ownAt(asset, side, ticks, exchMs);
      const lots = this.without(shown, own.lots);
      if (lots <= 0) continue;
      const to = levelsAt + left.ticks.length * abi.LEVEL_SIZE;
      for (let b = 0; b < abi.LEVEL_SIZE; b += 4)
        view.setUint32(to + b, view.getUint32(from + b, true), true);
      if (own.lots > 0) {
        view.setFloat64(to + abi.LEVEL_SZ, lots / szScale, true);
        view.setUint32(to + abi.LEVEL_ORDERS, Math.max(1, shownOrders - own.orders), true);
      }
      left.ticks.push(ticks);
      left.lots.push(lots);
    }
    for (let b = left.ticks.length * abi.LEVEL_SIZE; b < count * abi.LEVEL_SIZE; b++)
      view.setUint8(levelsAt + b, 0);
    view.setUint8(countAt, left.ticks.length);
    newest[side] = left;
  }

  /** @returns false when nobody else is known to stand on that side. */
  private touch(
    asset: number,
    side: Side,
    view: DataView,
    pxAt: number,
    szAt: number,
    exchMs: number,
  ): boolean {
    const { pxScale, szScale, newest } = this.markets[asset]!;
    const shown = Math.round(view.getFloat64(szAt, true) * szScale);
    if (shown === 0) return true;
    const ticks = Math.round(view.getFloat64(pxAt, true) * pxScale);
    const own = this.ownAt(asset, side, ticks, exchMs);
    if (own.lots === 0) return true;
    const lots = this.without(shown, own.lots);
    if (lots > 0) {
      view.setFloat64(szAt, lots / szScale, true);
      return true;
    }
    const { ticks: behind, lots: behindLots } = newest[side];
    const i = behind.findIndex((t) => side * t < side * ticks);
    if (i < 0) return false;
    view.setFloat64(pxAt, behind[i]! / pxScale, true);
    view.setFloat64(szAt, behindLots[i]! / szScale, true);
    return true;
  }

  private without(shown: number, own: number): number {
    if (own === 0) return shown;
    this.changed++;
    if (own > shown) this.doubtful++;
    return shown - own;
  }

  private ownAt(asset: number, side: Side, ticks: number, exchMs: number): { lots: number; orders: number } {
    const standing = this.markets[asset]!.sides[side].get(ticks);
    if (standing === undefined) return NONE;
    const { atMs, lots, orders } = standing;
    let lo = 0;
    let hi = atMs.length;
    while (lo < hi) {
      const mid = (lo + hi) >>> 1;
      if (atMs[mid]! <= exchMs) lo = mid + 1;
      else hi = mid;
    }
    return lo === 0 ? NONE : { lots: lots[lo - 1]!, orders: orders[lo - 1]! };
  }
}

const NONE = { lots: 0, orders: 0 } as const;

function standings(
  facts: RunFacts,
  { coin, pxDecimals, szDecimals }: Instrument,
): {
  readonly sides: Record<Side, Map<number, Standing>>;
  readonly endless: number;
} {
  const pxScale = pow10(pxDecimals);
  const szScale = pow10(szDecimals);
  const fills = new Map<number, { readonly ms: number; readonly lots: number }[]>();
  for (const f of facts.fills) {
    if (f.coin !== coin) continue;
    const list = fills.get(f.oid) ?? [];
    fills.set(f.oid, list);
    list.push({ ms: f.exchMs, lots: Math.round(f.sz * szScale) });
  }
  const ends = new Map<number, number>();
  const opened = new Map<number, RunFacts["updates"][number]>();
  for (const u of facts.updates) {
    if (u.coin !== coin) continue;
    if (u.status === "open") {
      if (!opened.has(u.oid)) opened.set(u.oid, u);
    } else if (!ends.has(u.oid)) ends.set(u.oid, u.exchMs);
  }
  const changes: Record<Side, Map<number, Change[]>> = { [Side.Buy]: new Map(), [Side.Sell]: new Map() };
  let endless = 0;
  for (const [oid, { side, px, sz, exchMs: fromMs }] of opened) {
    const ticks = Math.round(px * pxScale);
    const list = changes[side].get(ticks) ?? [];
    changes[side].set(ticks, list);
    let rest = Math.round(sz * szScale);
    let lastMs = fromMs;
    list.push({ ms: fromMs, lots: rest, orders: 1 });
    for (const { ms, lots } of (fills.get(oid) ?? []).sort((a, b) => a.ms - b.ms)) {
      // What was filled on arrival is not in the size that came to rest.
      if (ms <= fromMs || rest === 0) continue;
      const taken = Math.min(rest, lots);
      rest -= taken;
      lastMs = ms;
      list.push({ ms, lots: -taken, orders: rest === 0 ? -1 : 0 });
    }
    if (rest === 0) continue;
    if (!ends.has(oid)) endless++;
    list.push({ ms: Math.max(lastMs, ends.get(oid) ?? lastMs), lots: -rest, orders: -1 });
  }
  const summed = (of: Map<number, Change[]>): Map<number, Standing> =>
    new Map([...of].map(([ticks, list]) => [ticks, sums(list)]));
  return {
    sides: { [Side.Buy]: summed(changes[Side.Buy]), [Side.Sell]: summed(changes[Side.Sell]) },
    endless,
  };
}

function sums(changes: readonly Change[]): Standing {
  const standing: Standing = { atMs: [], lots: [], orders: [] };
  let lots = 0;
  let orders = 0;
  for (const change of [...changes].sort((a, b) => a.ms - b.ms)) {
    lots += change.lots;
    orders += change.orders;
    standing.atMs.push(change.ms);
    standing.lots.push(lots);
    standing.orders.push(orders);
  }
  return standing;
}
