import { KernelStatus, KernelStatusName } from "../abi/layout.js";
import {
  type Approved,
  type Clock,
  type CloidSequence,
  isOurs,
  type ModifyOrder,
  type NewOrder,
  pow10,
  pxTicks,
  Side,
  szLots,
  type Timers,
} from "../domain/index.js";
import { KillReason, killReasonText, type TripReason } from "../rings/index.js";
import {
  approveModify,
  approveOrder,
  type Finding,
  isNearKill,
  type MonitorName,
  noteApproved,
  roomLots,
  Severity,
  severityName,
} from "../risk/index.js";
import type { AckStatus, FillEvent, GatewayEvents, OrderGateway, OrderUpdate } from "../venues/port.js";
import { Auditor } from "./auditor.js";
import { AddressBudget } from "./budget.js";
import {
  DEFAULT_TIMINGS,
  type ExecutorContext,
  type ExecutorCounters,
  type ExecutorHooks,
  type ExecutorLatency,
  type ExecutorLog,
  type ExecutorTimings,
  type KillSwitch,
  newCounters,
  type PositionSnapshot,
  type RecoverReport,
  type StopReport,
} from "./context.js";
import { type AssetParams, Desk, type DeskCounts } from "./desk.js";
import type { LadderView } from "./ladder-view.js";
import type { HorizonSummary } from "./markouts.js";
import { OrderBook, type OwnOrder } from "./order-book.js";
import { Outbox } from "./outbox.js";
import { QuotaGate } from "./quota-gate.js";
import { Reactions } from "./reactions.js";
import { type Plan, type ReconcileInput, reconcile } from "./reconcile.js";
import { WayOut } from "./way-out.js";
import { WindowCount } from "./window-count.js";

export interface ExecutorOptions {
  readonly gateway: OrderGateway;
  readonly latch: KillSwitch;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly cloids: CloidSequence;
  /** Index = engine asset. */
  readonly assets: readonly AssetParams[];
  readonly log: ExecutorLog;
  /** Debug events are built only when somebody reads them: one per ladder is too much otherwise. */
  readonly isDebugLogged?: boolean;
  readonly hooks?: ExecutorHooks;
  readonly latency?: ExecutorLatency;
  readonly timings?: Partial<ExecutorTimings>;
  /** Below this forecast of hours until the request quota is spent, requotes get coarser. Default 6. */
  readonly economiseBelowHours?: number;
}

/** Adverse selection of one asset, for metrics and the closing summary. */
export interface AdverseSelectionSummary {
  readonly asset: number;
  readonly coin: string;
  readonly runningBps: number;
  readonly runningBidBps: number;
  readonly runningAskBps: number;
  readonly captureBpsMean: number;
  readonly horizons: readonly HorizonSummary[];
}

type Phase = "starting" | "running" | "resyncing" | "stopping" | "stopped";

const TRIP_OF: Readonly<Record<MonitorName, TripReason>> = {
  loss: KillReason.RiskLoss,
  drawdown: KillReason.RiskDrawdown,
  "position-value": KillReason.RiskPositionValue,
  "position-size": KillReason.RiskPositionValue,
  staleness: KillReason.StaleData,
  "rate-limit": KillReason.RateLimit,
  rejects: KillReason.Rejects,
};

/** Gate texts of kernel states, made once. */
const KERNEL_GATE = new Map<number, string>([...KernelStatusName].map(([s, name]) => [s, `kernel: ${name}`]));

/**
 * From ladder to orders, for all assets of one account.
 *
 * On a ladder: kill latch → gates → limits → reconcile → pre-trade check → one batch each of cancels, changes and
 * placements. On private events: order book, ledger, markouts, risk. Invariants:
 *
 * - Position plus everything that may still fill never exceeds the limit through an order of ours (`risk/`).
 * - The latch is read immediately before each placement and change; cancels always pass.
 * - A gate that blocks quoting says so once, by name; none of them needs quoting to open.
 * - The ladder's record is copied before anything else, so that room made by an answer is used without a new ladder.
 *
 * Lifecycle: `gateway.connect(executor)` → `recover()` → `onLadder` / `onTick` … → `stop()`. Thread: main.
 */
export class Executor implements GatewayEvents {
  readonly counters: ExecutorCounters = newCounters();
  private readonly ctx: ExecutorContext;
  private readonly hooks: ExecutorHooks;
  private readonly outbox: Outbox;
  private readonly auditor: Auditor;
  private readonly rateLimitWindow: WindowCount;
  private readonly rejectWindow: WindowCount;
  private readonly isDebug: boolean;
  /** One input object, rewritten for each plan. */
  private readonly input: { -readonly [K in keyof ReconcileInput]: ReconcileInput[K] };

  private phase: Phase = "starting";
  private startEquityUsd = 0;
  private peakEquityUsd = 0;
  private lastTickMonoNs = Number.NaN;
  private lastAuditMonoNs = 0;
  private readonly quota: QuotaGate;
  private resyncRound = 0;
  private readonly wayOut: WayOut;
  private isKillSeen = false;

  constructor(options: ExecutorOptions) {
    const timings = { ...DEFAULT_TIMINGS, ...options.timings };
    const desks = options.assets.map((params, i) => {
      if (params.instrument.asset !== i) {
        throw new Error(
          `asset ${params.instrument.coin} stands at index ${i} but names itself ${params.instrument.asset}`,
        );
      }
      return new Desk(params);
    });
    const first = desks[0];
    if (first === undefined) throw new Error("an executor needs at least one asset");
    this.ctx = {
      gateway: options.gateway,
      latch: options.latch,
      clock: options.clock,
      timers: options.timers,
      cloids: options.cloids,
      log: options.log,
      latency: options.latency ?? {},
      timings,
      counters: this.counters,
      book: new OrderBook(desks.length, {
        settleNs: timings.settleMs * 1e6,
        unknownGraceNs: timings.unknownGraceMs * 1e6,
      }),
      desks,
      deskOfCoin: new Map(desks.map((d) => [d.instrument.coin, d])),
      orphans: new Map(),
      budget: new AddressBudget({
        ask: options.gateway.requestQuota?.bind(options.gateway),
        monoNs: () => options.clock.monoNs(),
        onTrouble: (cause) => this.logFailure("Request quota unknown", cause),
      }),
    };
    this.quota = new QuotaGate(this.ctx, options.economiseBelowHours);
    this.hooks = options.hooks ?? {};
    this.isDebug = options.isDebugLogged ?? false;
    this.outbox = new Outbox(this.ctx);
    this.auditor = new Auditor(this.ctx, this.outbox, {
      onFills: (fills) => this.takeFills(fills),
      onTaken: (desk, fill, verdict) => this.onTaken(desk, fill, verdict),
      onPositionCorrected: (desk) => {
        desk.isDirty = true;
        this.hooks.onPosition?.(this.positionOf(desk));
      },
    });
    // Rate limits belong to the address: one window, held against the strictest of the assets.
    const l = first.limits;
    this.rateLimitWindow = new WindowCount(l.rateLimitWindowS * 1e9, 4 * l.maxRateLimitErrors);
    this.rejectWindow = new WindowCount(l.rejectWindowS * 1e9, 4 * l.maxRejects);
    const reactions = new Reactions(this.ctx, this.rejectWindow, this.rateLimitWindow, () => {
      if (this.phase === "running") this.resync();
    });
    this.outbox.onRateLimited = () => reactions.onRateLimited();
    this.outbox.onRefused = (desk, code, text) => reactions.onRefused(desk, code, text);
    this.wayOut = new WayOut(this.ctx, this.outbox, this.auditor, {
      onBegin: () => {
        this.phase = "stopping";
        for (const desk of desks) this.setGate(desk, options.latch.isTripped() ? "killed" : "stopping");
      },
      pull: (asset, reason) => this.pull(asset, reason),
      tend: (nowMonoNs) => this.tryTendOrders(nowMonoNs),
      onCleared: () => {
        this.phase = "stopped";
      },
      positionOf: (desk) => this.positionOf(desk),
      onTrouble: (event, cause) => this.logFailure(event, cause),
    });
    this.input = {
      instrument: first.instrument,
      bids: first.kept.bids,
      asks: first.kept.asks,
      working: first.working,
      maxBpsDiff: 0,
      sizeTolerance: 0,
      fairTicks: 0,
      bestBidTicks: 0,
      bestAskTicks: 0,
      buyRoomLots: 0,
      sellRoomLots: 0,
      buyOpenLots: 0,
      sellOpenLots: 0,
      minNotionalUsd: 0,
      maxOrders: 0,
      maxOps: 0,
    };
  }

  // ── life cycle ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Cold start: cancels what an earlier run left, adopts position and account value, then opens for ladders. The gateway
   * must be connected.
   * @throws {Error} When leftovers cannot be cancelled or the venue does not answer.
   */
  async recover(): Promise<RecoverReport> {
    const report = await this.auditor.recover();
    if (report.strandedCoins.length > 0) {
      this.ctx.log("warn", "Orders of ours rest in other assets: of another maker, or of an earlier run", {
        coins: report.strandedCoins,
      });
    }
    await this.ctx.budget.sync();
    this.quota.look();
    this.startEquityUsd = report.accountValueUsd;
    this.peakEquityUsd = report.accountValueUsd;
    this.lastAuditMonoNs = this.ctx.clock.monoNs();
    if (this.phase === "starting") this.phase = "running";
    return report;
  }

  /**
   * Graceful stop: no new orders; cancels everything, at first three times, then until the deadline; asks the venue
   * whether anything of ours rests; reports. Safe to call more than once and while a kill is being carried out.
   */
  stop(): Promise<StopReport> {
    return this.wayOut.take("stopping", this.ctx.clock.monoNs() + this.ctx.timings.stopDeadlineMs * 1e6);
  }

  /**
   * Only orders that reduce the asset's position from now on, for a reason outside our own books such as a cap of the venue's.
   * @param cause names the gate; empty: no longer
   */
  holdToReducing(asset: number, cause: string): void {
    const desk = this.deskAt(asset);
    if (desk.capCause === cause) return;
    desk.capCause = cause;
    desk.isDirty = true;
  }

  /** Cancels all orders of an asset; the cancels are repeated until the venue confirms. */
  pull(asset: number, reason: string): void {
    const desk = this.deskAt(asset);
    let count = 0;
    for (const o of this.ctx.book.ofAsset(asset)) {
      if (o.isTerminal || o.wantCancel) continue;
      o.wantCancel = true;
      // A cancel of the plan may be under way: then this one only makes sure that it is repeated.
      if (!o.isCancelInFlight) count++;
    }
    if (count > 0) {
      this.ctx.log("info", "Quotes pulled", { asset: desk.instrument.coin, orders: count, reason });
      this.outbox.flushCancels(desk);
    }
  }

  // ── market side ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Acts on the newest ladder of an asset. The record is read now and not kept.
   * Allocates: per request sent; nothing when every order keeps its place.
   */
  onLadder(asset: number, view: LadderView): void {
    const desk = this.deskAt(asset);
    const { kept } = desk;
    const now = this.ctx.clock.monoNs();
    kept.copy(view, now);
    if (view.marketRecvMonoNs > 0) this.onFeedActivity(asset, view.marketRecvMonoNs);
    if (kept.midPx > 0) desk.markouts.onMid(view.exchMs, kept.midPx);
    if (this.isDebug) this.logLadder(desk, view);

    const status = view.status;
    if (status !== KernelStatus.Ok) {
      kept.gate = KERNEL_GATE.get(status) ?? `kernel: status ${status}`;
      this.setGate(desk, this.blockingGate(desk, now) || kept.gate);
      this.pull(asset, desk.gate);
      return;
    }
    if (this.latchTripped()) return;
    this.updateReduceOnly(desk, now);
    desk.isDirty = true;
    this.tryPlan(desk, now, kept.causeRecvMonoNs);
  }

  /** The asset's feed is alive at this receive time, whether or not a ladder came of it. */
  onFeedActivity(asset: number, recvMonoNs: number): void {
    const desk = this.deskAt(asset);
    if (!(recvMonoNs <= desk.lastDataMonoNs)) desk.lastDataMonoNs = recvMonoNs;
  }

  /** To be called every 50 to 100 ms: time-outs, retries, monitors, audits, late plans. */
  onTick(): void {
    const { ctx } = this;
    const now = ctx.clock.monoNs();
    const isStalled = now - this.lastTickMonoNs > ctx.timings.stallMs * 1e6;
    this.lastTickMonoNs = now;
    // Before anything that may fail: the way out must not depend on the bug that called for it.
    const isKilled = this.latchTripped();
    this.tryTendOrders(now);
    if (isKilled || this.phase === "starting" || this.phase === "stopped") return;
    ctx.budget.tend();
    this.quota.look();

    for (const desk of ctx.desks) {
      // After a stall of our own the boards have not been read yet: their age says nothing about the feed.
      if (!isStalled) this.assess(desk, now);
      const gate = this.blockingGate(desk, now);
      if (gate !== "") this.setGate(desk, gate);
      if (desk.severity >= Severity.Pull || this.quota.closedGate !== "") this.pull(desk.asset, desk.gate);
      if (desk.isDirty) this.tryPlan(desk, now, Number.NaN);
    }
    if (this.phase === "running" && now - this.lastAuditMonoNs > ctx.timings.auditEveryMs * 1e6) {
      this.lastAuditMonoNs = now;
      void this.auditor.audit();
    }
  }

  // ── gateway events ──────────────────────────────────────────────────────────────────────────────────────────────────

  onAck(batchId: number, statuses: readonly AckStatus[]): void {
    const desk = this.outbox.onAck(batchId, statuses);
    if (desk === undefined) return;
    this.outbox.flushCancels(desk);
    if (desk.isDirty) this.tryPlan(desk, this.ctx.clock.monoNs(), Number.NaN);
  }

  onOrderUpdates(updates: readonly OrderUpdate[]): void {
    const { ctx } = this;
    const now = ctx.clock.monoNs();
    for (const u of updates) {
      if (u.status === "scheduledCancel") this.hooks.onScheduledCancel?.(u.exchMs);
      const order = ctx.book.onUpdate(u, now);
      const desk = ctx.deskOfCoin.get(u.coin);
      if (desk === undefined) continue;
      if (order !== undefined) {
        if (order.state === "resting" && Number.isNaN(this.counters.firstQuoteMs)) {
          this.counters.firstQuoteMs = now / 1e6;
        }
        if (order.wantCancel || order.isTerminal) desk.isDirty = true;
      } else if (u.status === "open" && isOurs(u.cloid) && ctx.book.forgottenMonoNs(u.cloid!) === undefined) {
        // An earlier run's request that arrived late, or one of ours that was given up too soon.
        this.auditor.adoptOrphan(desk, u.cloid!);
      }
    }
    for (const desk of ctx.desks) this.outbox.flushCancels(desk);
  }

  onFills(fills: readonly FillEvent[]): void {
    // Before the position is adopted every fill is history: the snapshot contains it.
    if (this.phase === "starting") return;
    this.takeFills(fills);
    if (this.ctx.desks.some((d) => d.ledger.hasGap)) {
      this.counters.fillGaps++;
      void this.auditor.repairFills().catch((cause: unknown) => this.logFailure("Fill repair failed", cause));
    }
  }

  onConnected(): void {
    if (this.phase !== "running" && this.phase !== "resyncing") return;
    this.resync();
  }

  /** Quoting stays closed until everything believed has been compared with the venue. A later one replaces an earlier one. */
  private resync(): void {
    this.phase = "resyncing";
    // What an earlier resync learns may be older than the gap that called for this one.
    const round = ++this.resyncRound;
    const isCurrent = (): boolean => this.phase === "resyncing" && this.resyncRound === round;
    this.auditor.resync().then(
      () => {
        if (isCurrent()) this.phase = "running";
      },
      (cause: unknown) => {
        this.logFailure("Resync failed", cause);
        // Back to running only through the next attempt.
        this.ctx.timers.after(500, () => {
          if (isCurrent()) this.resync();
        });
      },
    );
  }

  onDisconnected(reason: string): void {
    if (this.phase === "stopped") return; // closed by ourselves
    this.ctx.log("warn", "Private stream lost", { reason });
    if (this.phase === "starting") return;
    // Fills are unseen from here on. The gateway may still have a way for cancels.
    for (const desk of this.ctx.desks) {
      this.setGate(desk, "disconnected");
      this.pull(desk.asset, "disconnected");
    }
  }

  onNotice(text: string): void {
    this.hooks.onNotice?.(text);
  }

  // ── what others look at ─────────────────────────────────────────────────────────────────────────────────────────────

  position(asset: number): PositionSnapshot {
    return this.positionOf(this.deskAt(asset));
  }

  /** Why the asset is not quoted; empty when it is. */
  gate(asset: number): string {
    return this.deskAt(asset).gate;
  }

  severity(asset: number): Severity {
    return this.deskAt(asset).severity;
  }

  /** Orders that rest or may rest. */
  get liveOrders(): number {
    return this.ctx.book.liveCount + this.ctx.orphans.size;
  }

  /** Worst-case lots of a side that could still fill, as counted in the limits. */
  openLots(asset: number, side: Side): number {
    let lots = 0;
    for (const o of this.ctx.book.ofAsset(asset)) if (o.side === side) lots += o.exposureLots;
    return lots;
  }

  /** Best price at which an order of ours rests, ticks; NaN when none does. */
  bestRestingTicks(asset: number, side: Side): number {
    let best = Number.NaN;
    for (const o of this.ctx.book.ofAsset(asset)) {
      if (o.side !== side || o.state !== "resting") continue;
      if (!(side * o.pxTicks <= side * best)) best = o.pxTicks;
    }
    return best;
  }

  maxAbsPosLots(asset: number): number {
    return this.deskAt(asset).ledger.maxAbsPosLots;
  }

  /** What led to the newest request, ns; rewritten in place. 0: not market data. */
  get requestCause(): { readonly causeMonoNs: number; readonly decidedMonoNs: number } {
    return this.outbox.cause;
  }

  /** Newest market frame to bytes at the socket, ms; 0 before the first. */
  get lastQuoteCycleMs(): number {
    return this.outbox.lastQuoteCycleNs / 1e6;
  }

  countsOf(asset: number): Readonly<DeskCounts> {
    return this.deskAt(asset).counts;
  }

  /** Orders of the asset that rest or may rest. */
  liveOrdersOf(asset: number): number {
    return this.ctx.book.ofAsset(asset).filter((o) => !o.isTerminal).length;
  }

  /** Orders whose fate is being asked for. */
  get unknownOrders(): number {
    let n = 0;
    for (const { asset } of this.ctx.desks) {
      for (const o of this.ctx.book.ofAsset(asset)) if (o.state === "unknown") n++;
    }
    return n;
  }

  isReduceOnly(asset: number): boolean {
    return this.deskAt(asset).isReduceOnly;
  }

  /** Fills of this session that entered the asset's position. */
  fillsOf(asset: number): number {
    return this.deskAt(asset).ledger.fillCount;
  }

  /** Running adverse selection (5 s markout) of both sides, bps, positive against us. */
  adverseSelectionBps(asset: number): number {
    return this.deskAt(asset).markouts.running.bps;
  }

  adverseSelection(asset: number): AdverseSelectionSummary {
    const desk = this.deskAt(asset);
    const { markouts } = desk;
    return {
      asset,
      coin: desk.instrument.coin,
      runningBps: markouts.running.bps,
      runningBidBps: markouts.running.bidBps,
      runningAskBps: markouts.running.askBps,
      captureBpsMean: markouts.captureBpsMean,
      horizons: markouts.summary(),
    };
  }

  /** Fall from the session's highest account value in percent of it. */
  get drawdownPct(): number {
    if (!(this.peakEquityUsd > 0)) return 0;
    return (100 * (this.peakEquityUsd - this.equityUsd)) / this.peakEquityUsd;
  }

  get equityUsd(): number {
    return this.startEquityUsd + this.sessionPnlUsd;
  }

  /** The account's allowance of requests. */
  get budget(): AddressBudget {
    return this.ctx.budget;
  }

  /** Neither placements nor changes but one a slot: the allowance is spent. */
  get isThrottled(): boolean {
    return this.quota.isSpent;
  }

  get sessionPnlUsd(): number {
    let sum = 0;
    for (const desk of this.ctx.desks) sum += desk.sessionPnlUsd;
    return sum;
  }

  dataAgeS(asset: number): number {
    return (this.ctx.clock.monoNs() - this.deskAt(asset).lastDataMonoNs) / 1e9;
  }

  // ── planning ────────────────────────────────────────────────────────────────────────────────────────────────────────

  private tryPlan(desk: Desk, now: number, causeMonoNs: number): void {
    const { ctx } = this;
    const { kept } = desk;
    const gate = this.blockingGate(desk, now) || this.ladderGate(desk, now);
    if (gate !== "") {
      this.setGate(desk, gate);
      return;
    }
    if (now - kept.readMonoNs > ctx.timings.ladderMaxAgeMs * 1e6) return;
    if (desk.batchesInFlight >= desk.maxBatchesInFlight) {
      if (causeMonoNs > 0) this.counters.heldByInFlight++;
      return;
    }
    if (now - desk.lastPlanMonoNs < desk.minRequoteNs) return;

    desk.isDirty = false;
    desk.lastPlanMonoNs = now;
    const plan = this.makePlan(desk);
    this.setGate(desk, this.quota.throttledGate || this.reduceGate(desk));
    this.quota.economise(desk, plan, now);
    if (causeMonoNs > 0) {
      this.counters.quotes++;
      desk.counts.quotes++;
      ctx.latency.executor?.record(ctx.clock.monoNs() - now);
    }
    desk.hasQuoted = true;
    if (plan.isEmpty) return;
    if (causeMonoNs > 0) this.counters.requotes++;
    this.carryOut(desk, plan, causeMonoNs);
  }

  private makePlan(desk: Desk): Plan {
    const { input } = this;
    const { view, kept, instrument } = desk;
    desk.refresh(this.ctx.book.ofAsset(desk.asset), this.ctx.book.liveCount);
    input.instrument = instrument;
    input.bids = kept.bids;
    input.asks = kept.asks;
    input.working = desk.working;
    input.maxBpsDiff = desk.maxBpsDiff;
    input.sizeTolerance = desk.sizeTolerance;
    input.fairTicks = kept.fairPx * pow10(instrument.pxDecimals);
    input.bestBidTicks = view.bestBidTicks;
    input.bestAskTicks = view.bestAskTicks;
    input.buyRoomLots = roomLots(view, Side.Buy);
    input.sellRoomLots = roomLots(view, Side.Sell);
    input.buyOpenLots = view.openBuyLots;
    input.sellOpenLots = view.openSellLots;
    input.minNotionalUsd = desk.limits.minNotionalUsd;
    input.maxOrders = desk.maxOrders;
    input.maxOps = desk.maxOps;
    return reconcile(input, desk.plan);
  }

  private carryOut(desk: Desk, plan: Plan, causeMonoNs: number): void {
    const { ctx } = this;
    const { view } = desk;
    view.isKilled = ctx.latch.isTripped();
    const cancels = plan.cancels as OwnOrder[];
    const targets: OwnOrder[] = [];
    const modifies: Approved<ModifyOrder>[] = [];
    for (const m of plan.modifies) {
      const target = m.order as OwnOrder;
      const order = this.newOrder(desk, target.side, m.pxTicks, m.szLots);
      const answer = approveModify({ target: target.cloid, order }, view);
      if (answer.ok) {
        targets.push(target);
        modifies.push(answer.order);
        noteApproved(order, view);
      } else {
        // It stands where it should not, and may not stand where it should.
        this.refused(desk, answer.reason);
        cancels.push(target);
      }
    }
    const places: Approved<NewOrder>[] = [];
    for (const p of plan.places) {
      const order = this.newOrder(desk, p.side, p.pxTicks, p.szLots);
      const answer = approveOrder(order, view);
      if (!answer.ok) {
        this.refused(desk, answer.reason);
        continue;
      }
      places.push(answer.order);
      noteApproved(order, view);
    }
    if (cancels.length > 0) this.outbox.cancel(desk, cancels);
    if (modifies.length + places.length > 0) this.quota.onSending(desk);
    if (!this.outbox.modify(desk, targets, modifies, causeMonoNs)) return;
    this.outbox.place(desk, places, causeMonoNs);
    this.quota.onSent();
  }

  private newOrder(desk: Desk, side: Side, ticks: number, lots: number): NewOrder {
    return {
      asset: desk.asset,
      side,
      pxTicks: pxTicks(ticks),
      szLots: szLots(lots),
      tif: "Alo",
      reduceOnly: false,
      cloid: this.ctx.cloids.take(),
    };
  }

  private refused(desk: Desk, reason: string): void {
    this.counters.ordersRefused++;
    // What stood in the way (an own order on its way out, a limit) may be gone at the next look.
    desk.isDirty = true;
    if (this.isDebug)
      this.ctx.log("debug", "Order refused by the pre-trade check", { asset: desk.instrument.coin, reason });
  }

  // ── gates ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** What keeps the asset from quoting, apart from its ladder; empty when nothing does. Allocates: nothing. */
  private blockingGate(desk: Desk, now: number): string {
    if (this.isKillSeen || this.ctx.latch.isTripped()) return "killed";
    if (this.phase === "starting" || this.phase === "stopping" || this.phase === "stopped") return this.phase;
    if (!this.ctx.gateway.isConnected) return "disconnected";
    if (this.phase === "resyncing") return "resyncing";
    if (desk.ledger.hasGap) return "fill gap";
    if (desk.severity >= Severity.Pull) return "risk limit";
    if (this.quota.closedGate !== "") return this.quota.closedGate;
    if (now < desk.pausedUntilMonoNs) return desk.pauseGate;
    return "";
  }

  private ladderGate(desk: Desk, now: number): string {
    const { kept } = desk;
    if (kept.gate !== "") return kept.gate;
    if (!(kept.midPx > 0 && kept.fairPx > 0)) return "no mid";
    if (now - desk.lastDataMonoNs > desk.limits.pullAfterStaleS * 1e9) return "stale data";
    return "";
  }

  /** Said of an asset that could only reduce a position which it does not have. */
  private reduceGate(desk: Desk): string {
    const isHeld = desk.isReduceOnly && desk.holdCause !== "" && desk.ledger.posLots === 0;
    return isHeld ? `reduce-only: ${desk.holdCause}` : "";
  }

  private setGate(desk: Desk, gate: string): void {
    if (desk.gate === gate) return;
    desk.gate = gate;
    const worst = desk.aggregator.findings.find((f) => f.severity >= Severity.Pull);
    if (gate === "") this.ctx.log("info", "Quoting", { asset: desk.instrument.coin });
    else {
      this.ctx.log("info", "Not quoting", {
        asset: desk.instrument.coin,
        gate,
        ...(gate === "risk limit" && worst ? { monitor: worst.monitor, why: worst.reason } : {}),
      });
    }
  }

  // ── risk ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  private updateReduceOnly(desk: Desk, now: number): void {
    const { limits, ledger } = desk;
    const isRefused = now < desk.holdUntilMonoNs;
    if (!isRefused) desk.holdCause = desk.capCause;
    const isHeld = desk.holdCause !== "";
    const isOver =
      isHeld ||
      Math.abs(ledger.posLots) > limits.maxPosLots ||
      desk.positionValueUsd > limits.maxPositionValueUsd;
    if (isOver === desk.isReduceOnly) return;
    desk.isReduceOnly = isOver;
    const fields = {
      asset: desk.instrument.coin,
      posLots: ledger.posLots,
      maxPosLots: limits.maxPosLots,
      positionValueUsd: desk.positionValueUsd,
      maxPositionValueUsd: limits.maxPositionValueUsd,
      ...(isHeld ? { cause: desk.holdCause } : {}),
      ...(isRefused ? { forS: Math.round(desk.holdNs / 1e9) } : {}),
    };
    if (isOver) this.ctx.log("warn", "Reduce-only mode", fields);
    else this.ctx.log("info", "Reduce-only mode ended", fields);
  }

  private assess(desk: Desk, now: number): void {
    const s = desk.riskState;
    s.sessionPnlUsd = this.sessionPnlUsd;
    s.equityUsd = this.startEquityUsd + s.sessionPnlUsd;
    if (s.equityUsd > this.peakEquityUsd) this.peakEquityUsd = s.equityUsd;
    desk.peakPnlUsd = Math.max(desk.peakPnlUsd, desk.sessionPnlUsd);
    s.peakEquityUsd = this.peakEquityUsd;
    s.posLots = desk.ledger.posLots;
    s.positionValueUsd = desk.positionValueUsd;
    s.dataAgeS = (now - desk.lastDataMonoNs) / 1e9;
    s.hasQuoted = desk.hasQuoted;
    s.rateLimitErrors = this.rateLimitWindow.count(now);
    s.rejects = this.rejectWindow.count(now);
    this.updateReduceOnly(desk, now);

    const worst = desk.aggregator.evaluate(s);
    this.logStaleness(desk);
    for (let i = 0; i < desk.aggregator.findings.length; i++) {
      const f = desk.aggregator.findings[i]!;
      const isNear = isNearKill(f);
      if (isNear && !desk.isWarned[i]) {
        this.ctx.log("warn", "Kill switch condition detected", {
          asset: desk.instrument.coin,
          monitor: f.monitor,
          value: f.value,
          limit: f.limit,
        });
      }
      desk.isWarned[i] = isNear;
    }
    if (worst.severity !== desk.severity) {
      desk.severity = worst.severity;
      this.ctx.log(worst.severity > Severity.None ? "warn" : "info", "Risk severity changed", {
        asset: desk.instrument.coin,
        severity: severityName(worst.severity),
        monitor: worst.monitor,
        why: worst.reason,
      });
      this.hooks.onSeverity?.(desk.asset, worst);
    }
    if (worst.severity === Severity.Kill) this.trip(worst);
  }

  private trip(finding: Finding): void {
    this.ctx.latch.trip(TRIP_OF[finding.monitor]);
    this.latchTripped();
  }

  private logStaleness(desk: Desk): void {
    const isStale = desk.riskState.dataAgeS > desk.limits.pullAfterStaleS;
    if (isStale && !desk.isStaleLogged) {
      this.ctx.log("warn", "Data staleness exceeded", {
        asset: desk.instrument.coin,
        ageS: desk.riskState.dataAgeS,
        limitS: desk.limits.pullAfterStaleS,
      });
    }
    desk.isStaleLogged = isStale;
  }

  /** Notices the latch, whoever tripped it, and starts the way out. */
  private latchTripped(): boolean {
    if (!this.ctx.latch.isTripped()) return false;
    if (this.isKillSeen) return true;
    this.isKillSeen = true;
    const reason = this.ctx.latch.reason() as KillReason;
    this.ctx.log("error", "KILL SWITCH TRIGGERED", {
      reason: killReasonText(reason),
      code: reason,
      sessionPnlUsd: this.sessionPnlUsd,
      drawdownPct: this.drawdownPct,
      positions: this.ctx.desks.map((d) => ({ asset: d.instrument.coin, posLots: d.ledger.posLots })),
    });
    for (const desk of this.ctx.desks) this.setGate(desk, "killed");
    this.wayOut.take("killed").then(
      (report) => this.hooks.onKilled?.(report),
      (cause: unknown) => {
        this.logFailure("Killed, but not cleared: check with the venue", cause);
        this.hooks.onKilled?.(this.wayOut.unknownEnd());
      },
    );
    return true;
  }

  // ── private events ──────────────────────────────────────────────────────────────────────────────────────────────────

  private takeFills(fills: readonly FillEvent[]): void {
    for (const desk of this.ctx.desks) {
      const own = fills.filter((f) => f.coin === desk.instrument.coin);
      if (own.length === 0) continue;
      desk.ledger.offer(own, (fill, verdict) => this.onTaken(desk, fill, verdict));
    }
  }

  private onTaken(desk: Desk, fill: FillEvent, verdict: "applied" | "old"): void {
    const { ctx } = this;
    const now = ctx.clock.monoNs();
    ctx.book.onFill(fill, now);
    desk.isDirty = true;
    if (verdict === "old") return;
    this.counters.fills++;
    const usd = (fill.pxTicks * fill.szLots) / pow10(desk.instrument.pxDecimals + desk.instrument.szDecimals);
    this.counters.volumeUsd += usd;
    ctx.budget.replenish(usd * desk.requestsPerUsd);
    const captureBps = desk.markouts.onFill(fill.exchMs, fill.px, fill.side, fill.szLots);
    ctx.log("info", "Fill processed", {
      asset: desk.instrument.coin,
      side: fill.side === Side.Buy ? "buy" : "sell",
      px: fill.px,
      sz: fill.szLots / pow10(desk.instrument.szDecimals),
      feeUsd: fill.feeUsd,
      isMaker: fill.isMaker,
      position: desk.ledger.posLots / pow10(desk.instrument.szDecimals),
      realizedPnlUsd: desk.ledger.realizedPnlUsd,
      captureBps: Number.isNaN(captureBps) ? null : captureBps,
    });
    this.hooks.onFill?.(desk.asset, fill);
    this.hooks.onPosition?.(this.positionOf(desk));
    if (this.phase === "running" && !ctx.latch.isTripped()) this.assess(desk, now);
  }

  private tendOrders(now: number): void {
    const { ctx } = this;
    this.outbox.checkOverdue(now);
    ctx.book.sweep(now, (o) => this.auditor.query(o));
    for (const desk of ctx.desks) this.outbox.flushCancels(desk);
    let hasGap = false;
    for (const desk of ctx.desks) hasGap ||= desk.ledger.hasGap;
    if (hasGap) {
      void this.auditor.repairFills().catch((cause: unknown) => this.logFailure("Fill repair failed", cause));
    }
  }

  private tryTendOrders(now: number): void {
    try {
      this.tendOrders(now);
    } catch (cause) {
      this.ctx.latch.trip(KillReason.UnhandledError);
      this.logFailure("Tending orders failed", cause);
    }
  }

  private logFailure(event: string, cause: unknown): void {
    this.ctx.log("warn", event, { error: cause instanceof Error ? cause.message : String(cause) });
  }

  private logLadder(desk: Desk, view: LadderView): void {
    this.ctx.log("debug", "Calculated ladder", {
      asset: desk.instrument.coin,
      seq: view.seq,
      status: KernelStatusName.get(view.status),
      midPx: view.midPx,
      fairPx: view.fairPx,
      halfSpreadBps: view.halfSpreadBps,
      skewBps: view.skewBps,
      bids: view.bidCount,
      asks: view.askCount,
      bestBidTicks: view.bidCount > 0 ? view.bidPxTicks(0) : 0,
      bestAskTicks: view.askCount > 0 ? view.askPxTicks(0) : 0,
    });
  }

  private positionOf(desk: Desk): PositionSnapshot {
    const { ledger } = desk;
    return {
      asset: desk.asset,
      coin: desk.instrument.coin,
      posLots: ledger.posLots,
      entryPx: ledger.entryPx,
      realizedPnlUsd: ledger.realizedPnlUsd,
      unrealizedPnlUsd: desk.unrealizedPnlUsd,
      feesUsd: ledger.feesUsd,
      fundingUsd: desk.fundingUsd,
      sessionPnlUsd: desk.sessionPnlUsd,
      peakPnlUsd: desk.peakPnlUsd,
      volumeUsd: ledger.volumeUsd,
      midPx: desk.kept.midPx,
    };
  }

  private deskAt(asset: number): Desk {
    const desk = this.ctx.desks[asset];
    if (desk === undefined) throw new Error(`asset index ${asset} is not traded by this executor`);
    return desk;
  }
}
