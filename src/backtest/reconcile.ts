/**
 * Two accounts of the same time: what a run did and what the backtest of its own market data says, fill by fill.
 */
import { type Instrument, pow10, Side } from "../domain/index.js";

/** A fill of either side. Times: ms since the epoch, when the venue matched it, on our clock. */
export interface ComparedFill {
  readonly tMs: number;
  readonly side: Side;
  readonly px: number;
  readonly sz: number;
  readonly feeUsd: number;
}

export interface ReconcileInput {
  readonly instrument: Instrument;
  readonly live: readonly ComparedFill[];
  readonly backtest: readonly ComparedFill[];
  readonly liveFundingUsd: number;
  readonly backtestFundingUsd: number;
  /** Mid at a time; at Infinity the last one, which both sides are marked at. */
  readonly midAt: (tMs: number) => number;
  /** Fills this far apart are not the same. Default 5000. */
  readonly windowMs?: number;
}

/** One line of the comparison. Quantities in base units, money in USD; `live − backtest`. */
export interface FillMatch {
  readonly kind: "matched" | "missed" | "extra";
  readonly side: "B" | "A";
  readonly sz: number;
  /** null: that side has no such fill. */
  readonly liveMs: number | null;
  readonly livePx: number | null;
  readonly backtestMs: number | null;
  readonly backtestPx: number | null;
  readonly gapUsd: number;
}

/** Where the difference between live and backtest comes from; the parts sum to `gapUsd` exactly (to a millionth of a millionth). */
export interface PnlGap {
  readonly livePnlUsd: number;
  readonly backtestPnlUsd: number;
  readonly gapUsd: number;
  /** Of fills that only the backtest had: what they would have earned, lost. */
  readonly missedUsd: number;
  /** Of fills that only the run had. */
  readonly extraUsd: number;
  /** Matched at another distance from the mid of their moments. */
  readonly priceUsd: number;
  /** Matched at another time: what the mid moved in between. */
  readonly latencyUsd: number;
  readonly feesUsd: number;
  readonly fundingUsd: number;
}

export interface Reconciliation {
  readonly coin: string;
  readonly liveFills: number;
  readonly backtestFills: number;
  /** Matched lots over the larger side's. */
  readonly matchedShare: number;
  /** Mean time from the backtest's fill to the run's, ms, by lots; null without a match. */
  readonly meanLagMs: number | null;
  readonly pnl: PnlGap;
  readonly lines: readonly FillMatch[];
}

const DEFAULT_WINDOW_MS = 5_000;
/** Money is summed in integers of this many decimals. */
const DECIMALS = 12;

interface Open {
  readonly fill: ComparedFill;
  /** Half ticks, so that a mid is whole. */
  readonly px2: bigint;
  lots: bigint;
}

/**
 * Matches fills of the same side, each of the run with the open one that is nearest in time, then in price; what is larger on one side is
 * matched in pieces. Profits are those of the fills against one common last mid, so that positions at the end are compared like with
 * like.
 */
export function reconcileFills(i: ReconcileInput): Reconciliation {
  const { instrument, windowMs = DEFAULT_WINDOW_MS } = i;
  const scale = pow10(instrument.pxDecimals);
  const half = (px: number): bigint => BigInt(Math.round(2 * px * scale));
  const open = (fills: readonly ComparedFill[]): Open[] =>
    [...fills]
      .sort((a, b) => a.tMs - b.tMs)
      .map((fill) => ({
        fill,
        px2: half(fill.px),
        lots: BigInt(Math.round(fill.sz * pow10(instrument.szDecimals))),
      }));
  const live = open(i.live);
  const backtest = open(i.backtest);
  const unit = 10n ** BigInt(DECIMALS - instrument.pxDecimals - instrument.szDecimals) / 2n;
  const mark2 = half(i.midAt(Number.POSITIVE_INFINITY));
  /** Of so many lots at a price, against the last mid. */
  const worth = (side: Side, px2: bigint, lots: bigint): bigint => BigInt(side) * lots * (mark2 - px2) * unit;
  const total = (fills: readonly Open[]): bigint =>
    fills.reduce((sum, o) => sum + worth(o.fill.side, o.px2, o.lots) - money(o.fill.feeUsd), 0n);

  const livePnl = total(live) + money(i.liveFundingUsd);
  const backtestPnl = total(backtest) + money(i.backtestFundingUsd);
  const fees = feesOf(backtest) - feesOf(live);
  const funding = money(i.liveFundingUsd) - money(i.backtestFundingUsd);

  const lines: FillMatch[] = [];
  let price = 0n;
  let latency = 0n;
  let missed = 0n;
  let extra = 0n;
  let matchedLots = 0n;
  let lagLotsMs = 0;
  const lotsOf = (fills: readonly Open[]): bigint => fills.reduce((sum, o) => sum + o.lots, 0n);
  const larger = largerOf(lotsOf(live), lotsOf(backtest));
  const szOf = (lots: bigint): number => Number(lots) / pow10(instrument.szDecimals);
  const nameOf = (side: Side): "B" | "A" => (side === Side.Buy ? "B" : "A");
  for (const l of live) {
    while (l.lots > 0n) {
      const b = nearest(l, backtest, windowMs);
      if (b === undefined) break;
      const lots = smallerOf(l.lots, b.lots);
      const { side } = l.fill;
      // A buy earns what the backtest paid more; how much of that the market moved between the two is latency's.
      const moved2 = half(i.midAt(b.fill.tMs)) - half(i.midAt(l.fill.tMs));
      const whole = BigInt(side) * lots * (b.px2 - l.px2) * unit;
      const late = BigInt(side) * lots * moved2 * unit;
      latency += late;
      price += whole - late;
      matchedLots += lots;
      lagLotsMs += Number(lots) * (l.fill.tMs - b.fill.tMs);
      l.lots -= lots;
      b.lots -= lots;
      lines.push({
        kind: "matched",
        side: nameOf(side),
        sz: szOf(lots),
        liveMs: l.fill.tMs,
        livePx: l.fill.px,
        backtestMs: b.fill.tMs,
        backtestPx: b.fill.px,
        gapUsd: usd(whole),
      });
    }
  }
  for (const l of live) {
    if (l.lots === 0n) continue;
    const gap = worth(l.fill.side, l.px2, l.lots);
    extra += gap;
    lines.push({
      kind: "extra",
      side: nameOf(l.fill.side),
      sz: szOf(l.lots),
      liveMs: l.fill.tMs,
      livePx: l.fill.px,
      backtestMs: null,
      backtestPx: null,
      gapUsd: usd(gap),
    });
  }
  for (const b of backtest) {
    if (b.lots === 0n) continue;
    const gap = -worth(b.fill.side, b.px2, b.lots);
    missed += gap;
    lines.push({
      kind: "missed",
      side: nameOf(b.fill.side),
      sz: szOf(b.lots),
      liveMs: null,
      livePx: null,
      backtestMs: b.fill.tMs,
      backtestPx: b.fill.px,
      gapUsd: usd(gap),
    });
  }
  const gap = livePnl - backtestPnl;
  const parts = missed + extra + price + latency + fees + funding;
  if (parts !== gap) throw new Error(`reconcile: the parts make ${parts}, the gap is ${gap}: a bug`);
  lines.sort((a, b) => (a.liveMs ?? a.backtestMs!) - (b.liveMs ?? b.backtestMs!));
  return {
    coin: instrument.coin,
    liveFills: i.live.length,
    backtestFills: i.backtest.length,
    matchedShare: larger === 0n ? 1 : Number(matchedLots) / Number(larger),
    meanLagMs: matchedLots === 0n ? null : lagLotsMs / Number(matchedLots),
    pnl: {
      livePnlUsd: usd(livePnl),
      backtestPnlUsd: usd(backtestPnl),
      gapUsd: usd(gap),
      missedUsd: usd(missed),
      extraUsd: usd(extra),
      priceUsd: usd(price),
      latencyUsd: usd(latency),
      feesUsd: usd(fees),
      fundingUsd: usd(funding),
    },
    lines,
  };
}

function nearest(of: Open, among: readonly Open[], windowMs: number): Open | undefined {
  let best: Open | undefined;
  let bestMs = windowMs;
  for (const o of among) {
    if (o.lots === 0n || o.fill.side !== of.fill.side) continue;
    const awayMs = Math.abs(o.fill.tMs - of.fill.tMs);
    if (awayMs > bestMs) continue;
    const awayPx = Math.abs(o.fill.px - of.fill.px);
    if (best !== undefined && awayMs === bestMs && awayPx >= Math.abs(best.fill.px - of.fill.px)) continue;
    best = o;
    bestMs = awayMs;
  }
  return best;
}

/** `Math` has no such thing for whole numbers of any size. */
function smallerOf(a: bigint, b: bigint): bigint {
  if (a < b) return a;
  return b;
}

function largerOf(a: bigint, b: bigint): bigint {
  if (a > b) return a;
  return b;
}

const feesOf = (fills: readonly Open[]): bigint => fills.reduce((sum, o) => sum + money(o.fill.feeUsd), 0n);
/** The venue tells money to eight decimals. */
const money = (x: number): bigint => BigInt(Math.round(x * 1e8)) * 10n ** BigInt(DECIMALS - 8);
const usd = (x: bigint): number => Number(x) / pow10(DECIMALS);
