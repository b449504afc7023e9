/**
 * Order-level recordings as streams of order events, for the comparison of queue models with the truth.
 *
 * The formats and their quirks: data/README.md beside the recordings. Sizes are in the recording's smallest unit, prices in ticks.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { OrderEventType } from "../../src/abi/layout.js";
import { Side } from "../../src/domain/index.js";

export interface OrderEventRow {
  /** Since the recording's start. */
  readonly tMs: number;
  readonly type: OrderEventType;
  /** 0: an order that the recording does not know (hidden). */
  readonly oid: number;
  readonly side: Side;
  readonly pxTicks: number;
  /** Reduce and Execute: what left; Replace: the new size. */
  readonly szLots: number;
}

export const hasRecordings = (dir: string): boolean => existsSync(join(dir, BITSTAMP));

const BITSTAMP = "bitstamp_btcusd_20150501_raw.log.gz";
const CME = "cme_ESM4_mbo_20240508_2s.csv.gz";
const LOBSTER_MESSAGES = "lobster_AAPL_20120621_message_10_first999.csv.gz";
const LOBSTER_BOOK = "lobster_AAPL_20120621_orderbook_10_first999.csv.gz";

function linesOf(dir: string, name: string): string[] {
  return gunzipSync(readFileSync(join(dir, name)))
    .toString()
    .split("\n")
    .filter((line) => line.length > 0);
}

interface BitstampOrder {
  readonly id: number;
  readonly price: string;
  readonly amount: string;
  readonly order_type: 0 | 1;
}

/** A change or complete fill of an order: so much traded. */
interface BitstampFill {
  readonly line: number;
  readonly tMs: number;
  readonly id: number;
  readonly side: Side;
  readonly lots: number;
  isAggressor: boolean;
  /** Line on which both orders of the trade have been told. */
  toldAt: number;
}

const MATCH_WITHIN_MS = 5000;

/**
 * Both orders of a trade report it. Which of the two came in is told by their ids: the newer one traded on arrival, and what
 * rests of it is added when the last such trade is done. Lots of 1e-8 BTC, ticks of 0.01 USD.
 */
export function readBitstamp(dir: string): OrderEventRow[] {
  const lines = linesOf(dir, BITSTAMP);
  const t0 = Number(lines[0]!.split(" ", 1)[0]);
  const parsed = lines.map((line) => {
    const [stamp, event] = line.split(" ", 2) as [string, string];
    if (!event.startsWith("order_") || event === "order_book") return undefined;
    const order = JSON.parse(line.slice(stamp.length + event.length + 2)) as BitstampOrder;
    return {
      tMs: Number(stamp) - t0,
      event: event.slice(6),
      id: order.id,
      side: order.order_type === 0 ? Side.Buy : Side.Sell,
      pxTicks: Math.round(Number(order.price) * 100),
      lots: Math.round(Number(order.amount) * 1e8),
    };
  });
  const fills: BitstampFill[] = [];
  const remaining = new Map<number, number>();
  const deleted = new Set<number>();
  for (const [line, p] of parsed.entries()) {
    if (p === undefined) continue;
    if (p.event === "created") remaining.set(p.id, p.lots);
    const before = remaining.get(p.id);
    // Some orders are deleted with dust left, and their last trade is told by nothing else.
    if (before !== undefined && before > p.lots)
      fills.push({
        line,
        tMs: p.tMs,
        id: p.id,
        side: p.side,
        lots: before - p.lots,
        isAggressor: false,
        toldAt: line,
      });
    if (p.event === "changed") remaining.set(p.id, p.lots);
  }
  markAggressors(fills);
  const fillAt = new Map(fills.map((f) => [f.line, f]));
  const lastAggression = new Map<number, number>();
  const aggressed = new Map<number, number>();
  for (const f of fills) if (f.isAggressor) lastAggression.set(f.id, f.line);
  for (const f of fills) {
    // Whatever it traded before its last trade on arrival was on arrival, too.
    f.isAggressor = f.line <= (lastAggression.get(f.id) ?? -1);
    if (f.isAggressor) aggressed.set(f.id, (aggressed.get(f.id) ?? 0) + f.lots);
  }
  const out: { readonly line: number; readonly row: OrderEventRow }[] = [];
  const created = new Map<number, number>();
  for (const [line, p] of parsed.entries()) {
    if (p === undefined) continue;
    const { id: oid, side, pxTicks } = p;
    const put = (type: OrderEventType, szLots: number, at = line): void => {
      const tMs = parsed[at]!.tMs;
      // What an aggressor leaves comes after all that it met.
      const order = type === OrderEventType.Add ? at + 0.5 : at;
      if (szLots > 0) out.push({ line: order, row: { tMs, type, oid, side, pxTicks, szLots } });
    };
    if (p.event === "created") {
      // Six orders are deleted before they are created.
      if (deleted.has(oid)) continue;
      created.set(oid, p.lots);
      if (!lastAggression.has(oid)) put(OrderEventType.Add, p.lots);
      continue;
    }
    const fill = fillAt.get(line);
    if (fill?.isAggressor === true) {
      if (lastAggression.get(oid) === line && p.event !== "deleted")
        put(OrderEventType.Add, (created.get(oid) ?? 0) - aggressed.get(oid)!, fill.toldAt);
    } else {
      if (fill !== undefined) put(OrderEventType.Execute, fill.lots);
      if (p.event === "deleted") put(OrderEventType.Delete, p.lots);
    }
    if (p.event === "deleted") deleted.add(oid);
  }
  return out.sort((a, b) => a.line - b.line).map((o) => o.row);
}

function markAggressors(fills: readonly BitstampFill[]): void {
  const open = new Map<number, BitstampFill[]>();
  for (const f of fills) {
    const same = open.get(f.lots) ?? [];
    open.set(f.lots, same);
    const i = same.findIndex((g) => g.side !== f.side && f.tMs - g.tMs <= MATCH_WITHIN_MS);
    if (i < 0) {
      same.push(f);
      continue;
    }
    const other = same.splice(i, 1)[0]!;
    const newer = f.id > other.id ? f : other;
    newer.isAggressor = true;
    newer.toldAt = f.line;
  }
}

/** Lots of one contract, ticks of 0.25 points. The snapshot's order within a price is queue order. */
export function readCme(dir: string): OrderEventRow[] {
  const rows = linesOf(dir, CME)
    .slice(1)
    .map((line) => line.split(","));
  const firstLive = rows.find((r) => (Number(r[7]) & 32) === 0 && r[2] !== "R")!;
  const t0 = BigInt(firstLive[0]!);
  const out: OrderEventRow[] = [];
  const resting = new Map<number, { px: number; sz: number; side: Side }>();
  const filled = new Map<number, number>();
  let aggressor = 0;
  for (const r of rows) {
    const isSnapshot = (Number(r[7]) & 32) !== 0 || r[2] === "R";
    const tMs = isSnapshot ? 0 : Number(BigInt(r[0]!) - t0) / 1e6;
    const side = r[3] === "B" ? Side.Buy : Side.Sell;
    const pxTicks = Math.round(Number(r[4]) * 4);
    const sz = Number(r[5]);
    const oid = Number(r[6]);
    const put = (type: OrderEventType, px: number, szLots: number, of: Side = side): void => {
      out.push({ tMs, type, oid, side: of, pxTicks: px, szLots });
    };
    const known = resting.get(oid);
    const traded = filled.get(oid) ?? 0;
    if (r[2] === "R") put(OrderEventType.Clear, 0, 0);
    else if (r[2] === "T") aggressor = oid;
    else if (r[2] === "F") {
      // The aggressor's own fill is not a fill of a resting order.
      if (oid !== aggressor) filled.set(oid, traded + sz);
    } else if (r[2] === "A") {
      resting.set(oid, { px: pxTicks, sz, side });
      put(OrderEventType.Add, pxTicks, sz);
    } else if (known !== undefined) {
      if (traded > 0) {
        put(OrderEventType.Execute, known.px, Math.min(traded, known.sz), known.side);
        known.sz -= Math.min(traded, known.sz);
        filled.delete(oid);
      }
      if (r[2] === "C") {
        if (known.sz > 0) put(OrderEventType.Delete, known.px, known.sz, known.side);
        resting.delete(oid);
      } else {
        if (known.px !== pxTicks || known.sz !== sz) put(OrderEventType.Replace, pxTicks, sz, known.side);
        resting.set(oid, { px: pxTicks, sz, side: known.side });
      }
    }
  }
  return out;
}

/** Orders that rested before the excerpt are known by the first book only: one order for each price. */
export function readLobster(dir: string): OrderEventRow[] {
  const messages = linesOf(dir, LOBSTER_MESSAGES).map((line) => line.split(",").map(Number));
  const first = linesOf(dir, LOBSTER_BOOK)[0]!.split(",").map(Number);
  const t0 = messages[0]![0]!;
  const out: OrderEventRow[] = [];
  const known = new Set<number>();
  const early = (side: Side, pxTicks: number): number => -(pxTicks * 2 + (side === Side.Buy ? 0 : 1));
  for (let i = 0; i < first.length; i += 2) {
    const side = i % 4 === 0 ? Side.Sell : Side.Buy;
    const pxTicks = first[i]! / 100;
    const own = messages[0]!;
    const szLots = first[i + 1]! - (own[4] === first[i] && own[1] === 1 ? own[3]! : 0);
    if (szLots > 0)
      out.push({ tMs: 0, type: OrderEventType.Add, oid: early(side, pxTicks), side, pxTicks, szLots });
  }
  const types = [0, OrderEventType.Add, OrderEventType.Reduce, OrderEventType.Reduce, OrderEventType.Execute];
  for (const m of messages) {
    const [t, what, id, szLots, px, direction] = m as [number, number, number, number, number, number];
    const side = direction as Side;
    const pxTicks = px / 100;
    const tMs = (t - t0) * 1000;
    if (what === 1) known.add(id);
    const oid = known.has(id) ? id : early(side, pxTicks);
    if (what === 5)
      out.push({ tMs, type: OrderEventType.Execute, oid: 0, side, pxTicks: Math.round(pxTicks), szLots });
    else if (what >= 1 && what <= 4)
      out.push({ tMs, type: types[what] as OrderEventType, oid, side, pxTicks, szLots });
  }
  return out;
}
