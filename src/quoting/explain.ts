import { KernelStatus, KernelStatusName, VolRegimeName } from "../abi/layout.js";
import { type Instrument, lotsToSz, ticksToPx } from "../domain/index.js";

/** What an explanation reads of a ladder; `execution/LadderView` is one. */
export interface LadderTerms {
  readonly status: number;
  readonly regime: number;
  readonly bidCount: number;
  readonly askCount: number;
  readonly bestBidPx: number;
  readonly bestAskPx: number;
  readonly midPx: number;
  readonly fairPx: number;
  readonly halfSpreadBps: number;
  readonly skewBps: number;
  readonly rawSkewBps: number;
  readonly staticHalfSpreadBps: number;
  readonly inventoryHalfSpreadBps: number;
  readonly asBps: number;
  readonly feeBps: number;
  readonly floorBps: number;
  readonly spreadMult: number;
  readonly sigmaBps: number;
  readonly kappaPerBps: number;
  readonly gammaPerBps: number;
  readonly horizonS: number;
  readonly arrivalPerS: number;
  readonly posLots: number;
  bidPxTicks(level: number): number;
  bidSzLots(level: number): number;
  askPxTicks(level: number): number;
  askSzLots(level: number): number;
}

const STATUS_HELP: Readonly<Record<number, string>> = {
  [KernelStatus.NotConfigured]: "the kernel has not been told its parameters",
  [KernelStatus.NoBook]: "no order book has arrived",
  [KernelStatus.WarmUpTrades]: "too few market trades so far",
  [KernelStatus.WarmUpBuckets]: "too little volume so far for a volatility estimate",
  [KernelStatus.FeedNotLive]: "the market feed is stale or resynchronising",
  [KernelStatus.NotQuotable]: "the estimates give no price that could be quoted",
  [KernelStatus.NoProfitableLevel]:
    "no level within the configured depth earns more than fee and adverse selection",
  [KernelStatus.Halted]: "the defence multiplier has taken the size to zero",
};

/** A gate of the executor ("kernel: WarmUpTrades", "paused") with what it means, where that is known. */
export function explainGate(gate: string): string {
  for (const [status, name] of KernelStatusName)
    if (gate === `kernel: ${name}`) return `${gate}, ${STATUS_HELP[status] ?? "input refused by the kernel"}`;
  return gate;
}

const bps = (x: number): string => `${x.toFixed(2)} bps`;

/**
 * A quote in plain lines: fair price, each term of the half-spread, the skew, what they were computed from, and both sides
 * of the ladder with their distance from the mid. Allocates: freely; for people, not for the hot path.
 */
export function explainLadder(view: LadderTerms, instrument: Instrument): string[] {
  if (view.status !== KernelStatus.Ok) {
    const name = KernelStatusName.get(view.status) ?? `status ${view.status}`;
    return [
      `${instrument.coin}: no quote, ${name}: ${STATUS_HELP[view.status] ?? "input refused by the kernel"}`,
    ];
  }
  const px = (x: number): string => x.toFixed(instrument.pxDecimals);
  const fromMid = (ticks: number): string =>
    bps((Math.abs(ticksToPx(instrument, ticks) - view.midPx) / view.midPx) * 1e4);
  const sum = view.staticHalfSpreadBps + view.inventoryHalfSpreadBps + view.asBps + view.feeBps;
  const micro = ((view.fairPx - view.midPx) / view.midPx) * 1e4;
  const lines = [
    `${instrument.coin}: market ${px(view.bestBidPx)} / ${px(view.bestAskPx)}, mid ${px(view.midPx)}, fair ${px(view.fairPx)} (${micro >= 0 ? "+" : ""}${bps(micro)} from mid)`,
    `half-spread ${bps(view.halfSpreadBps)}: liquidity ${bps(view.staticHalfSpreadBps)} + inventory risk ${bps(view.inventoryHalfSpreadBps)} + adverse selection ${bps(view.asBps)} + fee ${bps(view.feeBps)} = ${bps(sum)}; at least floor ${bps(view.floorBps)} + inventory risk; × ${view.spreadMult.toFixed(2)} defence`,
    `skew ${bps(view.skewBps)} (${bps(view.rawSkewBps)} before its cap) for a position of ${lotsToSz(instrument, view.posLots)} ${instrument.coin}: ${view.skewBps > 0 ? "both sides lowered" : view.skewBps < 0 ? "both sides raised" : "none"}`,
    `from sigma ${view.sigmaBps.toFixed(3)} bps/√s (${VolRegimeName.get(view.regime) ?? "?"}), kappa ${view.kappaPerBps.toFixed(4)}/bp, gamma ${view.gammaPerBps.toFixed(3)}/bp, horizon ${view.horizonS.toFixed(0)} s, arrivals ${view.arrivalPerS.toFixed(3)}/s a side`,
  ];
  for (let i = 0; i < view.askCount; i++) {
    const t = view.askPxTicks(i);
    lines.push(
      `ask ${i + 1}: ${px(ticksToPx(instrument, t))} × ${lotsToSz(instrument, view.askSzLots(i))} (${fromMid(t)})`,
    );
  }
  for (let i = 0; i < view.bidCount; i++) {
    const t = view.bidPxTicks(i);
    lines.push(
      `bid ${i + 1}: ${px(ticksToPx(instrument, t))} × ${lotsToSz(instrument, view.bidSzLots(i))} (${fromMid(t)})`,
    );
  }
  return lines;
}
