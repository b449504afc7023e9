/**
 * What must be true of a run, by the exchange's own books: watched after every block and market step, and held against the
 * executor's belief at the end.
 */
import { pow10 } from "../../src/domain/index.js";
import type { SimulatedRun } from "../../src/engine/simulated.js";
import type { StopReport } from "../../src/execution/index.js";

/** The venue answers money to the micro-dollar; ours is a sum of doubles of the same amounts. */
const MICRO_USD = 1.5e-6;
const MAX_COMPLAINTS = 8;

interface VenueAccount {
  readonly posLots: number;
  readonly accountValueUsd: number;
  readonly feesUsd: number;
  readonly markPx: number;
}

export class Verdict {
  readonly complaints: string[] = [];
  worstLots = 0;
  mostOpen = 0;
  private killedAtRequest = -1;
  private lastComplaint = "";

  constructor(
    private readonly run: SimulatedRun,
    private readonly startUsd: number,
  ) {
    run.venue.onSettled = () => this.watch();
    run.onRequest = (kind) => this.watchRequest(kind);
  }

  private complain(text: string): void {
    if (text === this.lastComplaint || this.complaints.length >= MAX_COMPLAINTS) return;
    this.lastComplaint = text;
    this.complaints.push(`${(this.run.time.monoNs() / 1e9).toFixed(3)} s: ${text}`);
  }

  /** At the exchange: position and everything that rests, at its worst. */
  private watch(): void {
    const { run } = this;
    const account = run.venue.exchange.account(run.address)!;
    const { limits, maxOrders = 64 } = run.plan.assets[0]!;
    const market = run.venue.exchange.market(run.instruments[0]!.coin)!;
    const posLots = account.positions[market.asset]?.szLots ?? 0;
    let buyLots = 0;
    let sellLots = 0;
    for (const o of account.openOrders.values()) {
      if (o.side > 0) buyLots += o.szLots;
      else sellLots += o.szLots;
    }
    const worst = Math.max(posLots + buyLots, sellLots - posLots);
    this.worstLots = Math.max(this.worstLots, worst);
    this.mostOpen = Math.max(this.mostOpen, account.openOrders.size);
    if (worst > limits.maxPosLots) {
      this.complain(
        `worst case ${worst} lots (position ${posLots}) is above the limit of ${limits.maxPosLots}`,
      );
    }
    if (account.openOrders.size > Math.min(maxOrders, limits.maxOpenOrders)) {
      this.complain(`${account.openOrders.size} orders rest`);
    }
  }

  private watchRequest(kind: "open" | "cancel"): void {
    if (kind === "cancel" || !this.run.engine.latch.isTripped()) return;
    if (this.killedAtRequest < 0) this.complain("an order was sent after the kill switch had tripped");
    this.killedAtRequest++;
  }

  private venue(): VenueAccount {
    const { run } = this;
    const inst = run.instruments[0]!;
    const state = run.venue.info({ type: "clearinghouseState", user: run.address }) as {
      readonly marginSummary: { readonly accountValue: string };
      readonly assetPositions: readonly { readonly position: { readonly szi: string } }[];
    };
    const account = run.venue.exchange.account(run.address)!;
    return {
      posLots: Math.round(Number(state.assetPositions[0]?.position.szi ?? 0) * pow10(inst.szDecimals)),
      accountValueUsd: Number(state.marginSummary.accountValue),
      feesUsd: account.fills.reduce((sum, f) => sum + Math.round(Number(f.fee) * 1e6), 0) / 1e6,
      markPx: run.venue.exchange.market(inst.coin)!.referenceTicks / pow10(inst.pxDecimals),
    };
  }

  /** After the stop. Call it, let stragglers arrive, and call it again. */
  atEnd(report: StopReport, when: string): void {
    const { run } = this;
    const inst = run.instruments[0]!;
    const account = run.venue.exchange.account(run.address)!;
    const venue = this.venue();
    const { executor } = run.engine;
    const ours = executor.position(0);
    const say = (text: string): void => this.complain(`${when}: ${text}`);
    if (!report.isClean) say(`the stop was not clean: ${report.restingOrdersAtExit} resting`);
    if (account.openOrders.size > 0) say(`${account.openOrders.size} orders rest`);
    for (const o of account.orders.values()) if (o.status === "open") say(`order ${o.oid} is still open`);
    if (ours.posLots !== venue.posLots) say(`position ${ours.posLots} lots, the venue says ${venue.posLots}`);
    if (Math.abs(ours.feesUsd - venue.feesUsd) > MICRO_USD)
      say(`fees ${ours.feesUsd}, the venue says ${venue.feesUsd}`);
    const sz = ours.posLots / pow10(inst.szDecimals);
    const ourPnl = ours.realizedPnlUsd - ours.feesUsd + ours.fundingUsd + sz * (venue.markPx - ours.entryPx);
    const venuePnl = venue.accountValueUsd - this.startUsd;
    if (Math.abs(ourPnl - venuePnl) > MICRO_USD) say(`P&L ${ourPnl}, the venue says ${venuePnl}`);
    if (executor.liveOrders !== 0) say(`the executor believes that ${executor.liveOrders} orders live`);
    if (executor.fillsOf(0) !== account.fills.length)
      say(`${executor.fillsOf(0)} fills taken, the venue made ${account.fills.length}`);
    const takers = account.fills.filter((f) => f.crossed && f.liquidation === undefined).length;
    if (takers > 0) say(`${takers} fills took liquidity`);
  }
}
