import { type Instrument, lotsToSz, ticksToPx } from "../domain/index.js";
import type { Executor, StopReport } from "../execution/index.js";
import { killReasonText, LatencyHistogram, ringDrops } from "../rings/index.js";
import { ASSET_SLOTS, type AssetSlot, Board, ENGINE_SLOTS, type EngineSlot } from "../telemetry/board.js";
import { FeedCounters } from "../venues/hyperliquid/feed-counters.js";
import type { LiveEngine } from "./live.js";
import { type AssetSummary, latencyFigures, type MemoryTrack, type RunSummary } from "./summary.js";

/** Copies what the executor knows onto the boards that the gateway thread reads. Thread: main, a few times a second. */
export class BoardWriter {
  private readonly assets: readonly Board<AssetSlot>[];
  private readonly engine: Board<EngineSlot>;

  constructor(
    private readonly live: LiveEngine,
    private readonly instruments: readonly Instrument[],
    private readonly maxPosLots: readonly number[],
    private readonly isPaper: boolean,
  ) {
    this.assets = live.segments.assetBoards.map((sab) => new Board(ASSET_SLOTS, sab));
    this.engine = new Board(ENGINE_SLOTS, live.segments.engineBoard);
  }

  update(): void {
    const { live } = this;
    const { executor } = live;
    const { counters } = executor;
    for (const inst of this.instruments) {
      const board = this.assets[inst.asset]!;
      const p = executor.position(inst.asset);
      board.set("posSz", lotsToSz(inst, p.posLots));
      board.set("maxPosSz", lotsToSz(inst, this.maxPosLots[inst.asset]!));
      board.set("realizedPnlUsd", p.realizedPnlUsd);
      board.set("unrealizedPnlUsd", p.unrealizedPnlUsd);
      board.set("feesUsd", p.feesUsd);
      board.set("fundingUsd", p.fundingUsd);
      board.set("sessionPnlUsd", p.sessionPnlUsd);
      board.set("peakPnlUsd", p.peakPnlUsd);
      board.set("drawdownFraction", executor.drawdownPct / 100);
      board.set("volumeUsd", p.volumeUsd);
      board.set("adverseSelectionBps", executor.adverseSelectionBps(inst.asset));
      board.set("stalenessS", executor.dataAgeS(inst.asset));
      const counts = executor.countsOf(inst.asset);
      board.set("ordersOpen", executor.liveOrdersOf(inst.asset));
      board.set("fills", executor.fillsOf(inst.asset));
      board.set("quotes", counts.quotes);
      board.set("ordersPlaced", counts.ordersPlaced);
      board.set("ordersModified", counts.ordersModified);
      board.set("ordersCancelled", counts.ordersCancelled);
      board.set("ordersRejected", counts.ordersRejected);
      board.set("reduceOnly", executor.isReduceOnly(inst.asset) ? 1 : 0);
      board.set("quoteCycleMs", executor.lastQuoteCycleMs);
      const ladder = live.ladder(inst.asset);
      if (ladder === undefined) continue;
      board.set("ladderStatus", ladder.status);
      board.set("halfSpreadBps", ladder.halfSpreadBps);
      board.set("skewBps", ladder.skewBps);
      board.set("gammaPerBps", ladder.gammaPerBps);
      if (ladder.bidCount > 0 && ladder.askCount > 0 && ladder.midPx > 0) {
        const width = ticksToPx(inst, ladder.askPxTicks(0)) - ticksToPx(inst, ladder.bidPxTicks(0));
        board.set("quotedSpreadBps", (width / ladder.midPx) * 1e4);
      }
    }
    this.engine.set("killReason", live.latch.reason());
    this.engine.set("accountValueUsd", executor.equityUsd);
    this.engine.set("unknownOrders", executor.unknownOrders);
    this.engine.set("audits", counters.audits);
    this.engine.set("auditDifferences", counters.auditDifferences);
    this.engine.set("rateLimitErrors", counters.rateLimitErrors);
    const { budget } = executor;
    const { view } = budget;
    this.engine.set("requestsUsed", budget.isKnown ? budget.used : Number.NaN);
    this.engine.set("requestsCap", budget.isKnown ? budget.cap : Number.NaN);
    this.engine.set("requestsCancelCap", budget.isKnown ? budget.cancelCap : Number.NaN);
    this.engine.set("requestsRemaining", budget.isKnown ? view.remaining : Number.NaN);
    this.engine.set("requestsHoursLeft", budget.isKnown ? view.hoursLeft : Number.NaN);
    this.engine.set("isThrottled", executor.isThrottled ? 1 : 0);
    this.engine.set("requestsBought", live.requestsBought);
    const wire = live.gateway.counters;
    this.engine.set("requestsHeld", counters.heldByBudget + wire.heldByLimits);
    this.engine.set("ipWeightUsed", wire.ipWeightLastMinute);
    this.engine.set("wsMessages", wire.messagesLastMinute);
    this.engine.set("httpRefusals", wire.httpRefusals);
    this.engine.set("deadManArmed", live.isDeadManArmed ? 1 : 0);
    this.engine.set("kernelRejected", live.kernelRejected);
    const journal = live.journalStats;
    this.engine.set("journalBytes", journal?.writtenBytes ?? 0);
    this.engine.set("journalLost", journal?.lostRecords ?? 0);
    this.engine.set("isPaper", this.isPaper ? 1 : 0);
  }
}

const signed = (n: number, digits: number): string => `${n >= 0 ? "+" : ""}${n.toFixed(digits)}`;

/** One line a person can watch. */
export function statusText(
  live: LiveEngine,
  instruments: readonly Instrument[],
  maxPosLots: readonly number[],
): string {
  const { executor } = live;
  const parts = instruments.map((inst) => {
    const p = executor.position(inst.asset);
    const ladder = live.ladder(inst.asset);
    const quote =
      ladder !== undefined && ladder.bidCount > 0 && ladder.askCount > 0
        ? `${ticksToPx(inst, ladder.bidPxTicks(0))}/${ticksToPx(inst, ladder.askPxTicks(0))}`
        : `not quoting: ${executor.gate(inst.asset) || "waiting"}`;
    const pos = `${signed(lotsToSz(inst, p.posLots), inst.szDecimals)}/${lotsToSz(inst, maxPosLots[inst.asset]!)}`;
    const mid = p.midPx > 0 ? p.midPx.toFixed(Math.max(0, inst.pxDecimals)) : "-";
    return `${inst.coin} mid ${mid} ${quote} pos ${pos} pnl ${signed(p.sessionPnlUsd, 2)} USD`;
  });
  const c = executor.counters;
  return `${parts.join(" | ")} | fills ${c.fills} orders ${executor.liveOrders} rejected ${c.ordersRejected}`;
}

export interface SummaryFacts {
  readonly network: string;
  readonly isPaper: boolean;
  readonly account: string;
  readonly startedAtMs: number;
  readonly durationS: number;
  readonly stopReason: string;
  readonly seed: number | undefined;
  /** From process start to the engine's clock origin, ms. */
  readonly sinceProcessStartMs: number;
  readonly memory: MemoryTrack;
  readonly rssMiB: number;
}

const round = (n: number, digits = 6): number => {
  const r = Number(n.toFixed(digits));
  return r === 0 ? 0 : r;
};
const finite = (n: number, digits = 3): number | null => (Number.isFinite(n) ? round(n, digits) : null);

export function buildSummary(
  live: LiveEngine,
  instruments: readonly Instrument[],
  maxPosLots: readonly number[],
  facts: SummaryFacts,
  stop: StopReport | undefined,
): RunSummary {
  const { executor, segments } = live;
  const c = executor.counters;
  const perAsset = Object.fromEntries(
    instruments.map((inst) => [inst.coin, assetSummary(executor, inst, maxPosLots[inst.asset]!)]),
  );
  const all = Object.values(perAsset);
  const sum = (of: (a: AssetSummary) => number): number => round(all.reduce((s, a) => s + of(a), 0));
  const isKilled = live.latch.isTripped();
  return {
    network: facts.network,
    isPaper: facts.isPaper,
    coins: instruments.map((i) => i.coin),
    account: facts.account,
    startedAt: new Date(facts.startedAtMs).toISOString(),
    durationS: round(facts.durationS, 3),
    stopReason: facts.stopReason,
    killReason: isKilled ? killReasonText(live.latch.reason()) : null,
    quotes: c.quotes,
    ordersPlaced: c.ordersPlaced,
    ordersModified: c.ordersModified,
    ordersCancelled: c.ordersCancelled,
    ordersRejected: c.ordersRejected,
    fills: c.fills,
    volumeUsd: sum((a) => a.volumeUsd),
    // Of one asset in base units; of several their sum would mean nothing.
    position: all.length === 1 ? all[0]!.position : Number.NaN,
    maxAbsPosition: all.length === 1 ? all[0]!.maxAbsPosition : Number.NaN,
    positionLimit: all.length === 1 ? all[0]!.positionLimit : Number.NaN,
    realizedPnlUsd: sum((a) => a.realizedPnlUsd),
    unrealizedPnlUsd: sum((a) => a.unrealizedPnlUsd),
    feesUsd: sum((a) => a.feesUsd),
    fundingUsd: sum((a) => a.fundingUsd),
    adoptedPnlUsd: round(
      sum((a) => a.realizedPnlUsd + a.unrealizedPnlUsd - a.feesUsd + a.fundingUsd) - executor.sessionPnlUsd,
      4,
    ),
    netPnlUsd: round(executor.sessionPnlUsd),
    adverseSelectionBps: all.length === 1 ? all[0]!.adverseSelectionBps : null,
    restingOrdersAtExit: stop === undefined || stop.restingOrdersAtExit < 0 ? null : stop.restingOrdersAtExit,
    orphansCancelled: c.orphansCancelled,
    firstQuoteMs: finite(c.firstQuoteMs + facts.sinceProcessStartMs, 1),
    ringDrops: segments.kernels.reduce((s, k) => s + ringDrops(k.marketRing) + ringDrops(k.accountRing), 0),
    auditDifferences: c.auditDifferences,
    unknownOrders: c.unknowns,
    seed: facts.seed ?? null,
    tape: live.tape?.figures ?? null,
    rssMiB: round(facts.rssMiB, 1),
    memory: facts.memory.figures,
    feed: Object.fromEntries(new FeedCounters(segments.feedCounters).entries()),
    perAsset,
    latencyUs: {
      decode: latencyOf([segments.stages.decode]),
      kernel: latencyOf(segments.kernelLatency),
      executor: latencyOf([segments.stages.executor]),
      sign: latencyOf([segments.stages.sign]),
      tickToWire: latencyOf([segments.stages.tickToWire]),
    },
  };
}

function assetSummary(executor: Executor, inst: Instrument, maxPosLots: number): AssetSummary {
  const p = executor.position(inst.asset);
  return {
    position: lotsToSz(inst, p.posLots),
    maxAbsPosition: lotsToSz(inst, executor.maxAbsPosLots(inst.asset)),
    positionLimit: lotsToSz(inst, maxPosLots),
    fills: executor.fillsOf(inst.asset),
    volumeUsd: round(p.volumeUsd),
    realizedPnlUsd: round(p.realizedPnlUsd),
    unrealizedPnlUsd: round(p.unrealizedPnlUsd),
    feesUsd: round(p.feesUsd),
    fundingUsd: round(p.fundingUsd),
    adverseSelectionBps: finite(executor.adverseSelectionBps(inst.asset)),
  };
}

function latencyOf(sabs: readonly SharedArrayBuffer[]): ReturnType<typeof latencyFigures> {
  return latencyFigures(sabs.map((sab) => new LatencyHistogram(sab).snapshot()).reduce((a, b) => a.merge(b)));
}
