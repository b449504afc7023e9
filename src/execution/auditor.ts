import { type Cloid, isOurs } from "../domain/index.js";
import type { AccountSnapshot, FillEvent, OrderUpdate } from "../venues/port.js";
import { type ExecutorContext, type RecoverReport, sleep } from "./context.js";
import type { Desk } from "./desk.js";
import { FundingAudit } from "./funding.js";
import type { OwnOrder } from "./order-book.js";
import type { Outbox } from "./outbox.js";

/** Repairs start this long before the time up to which all fills are known: same-block fills and skewed stamps are inside. */
const REPAIR_MARGIN_MS = 2_000;
/** Fills that were lost and cancel out leave no gap and no wrong position, only a wrong profit: asked for at this pace. */
const FILLS_CHECK_EVERY_NS = 60e9;
const RECOVER_ATTEMPTS = 20;
const RECOVER_RETRY_MS = 250;
const RECOVER_ASKS = 4;

/** What the auditor tells its owner. */
export interface AuditEvents {
  onFills(fills: readonly FillEvent[]): void;
  onTaken(desk: Desk, fill: FillEvent, verdict: "applied" | "old"): void;
  onPositionCorrected(desk: Desk): void;
}

/**
 * Compares what we believe with what the venue says, and repairs our side: open orders, position, fills, orders of
 * unknown fate. Everything here is request and answer; nothing on the way of a quote waits for it.
 *
 * Thread: main.
 */
export class Auditor {
  private isAuditing = false;
  private repairing: Promise<void> | undefined;
  private readonly funding: FundingAudit;
  /** Every fill up to this exchange time has been fetched from the venue, or is part of the adopted position. */
  private coveredExchMs = Number.POSITIVE_INFINITY;
  private coveredMonoNs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly ctx: ExecutorContext,
    private readonly outbox: Outbox,
    private readonly events: AuditEvents,
  ) {
    this.funding = new FundingAudit(ctx);
  }

  /**
   * Cold start: cancels every order of ours that an earlier run left, until the venue reports none, then adopts the
   * positions.
   * @throws {Error} When orders of ours still rest after all attempts, or the venue does not answer.
   */
  async recover(): Promise<RecoverReport> {
    const { ctx } = this;
    const before = ctx.counters.orphansCancelled;
    let foreignOrders = 0;
    const stranded = new Set<string>();
    let attempts = 0;
    for (; ; attempts++) {
      const open = await this.insist(() => ctx.gateway.openOrders());
      foreignOrders = open.filter((o) => !isOurs(o.cloid)).length;
      let ours = 0;
      for (const o of open) {
        if (!isOurs(o.cloid)) continue;
        const desk = ctx.deskOfCoin.get(o.coin);
        if (desk === undefined) {
          stranded.add(o.coin);
          continue;
        }
        ours++;
        this.adoptOrphan(desk, o.cloid!);
      }
      if (ours === 0) break;
      if (attempts >= RECOVER_ATTEMPTS) {
        throw new Error(
          `${ours} orders of an earlier run still rest after ${attempts} rounds of cancels: cancel them by hand, then start again`,
        );
      }
      ctx.log("info", "Cancelling orders of an earlier run", { orders: ours, attempt: attempts + 1 });
      for (const desk of ctx.desks) this.outbox.flushCancels(desk);
      for (let waited = 0; this.outbox.inFlight > 0 && waited < ctx.timings.ackTimeoutMs; waited += 20) {
        await sleep(ctx.timers, 20);
      }
      this.outbox.checkOverdue(ctx.clock.monoNs());
      if (attempts > 0) await sleep(ctx.timers, RECOVER_RETRY_MS);
    }
    ctx.orphans.clear();
    const account = await this.insist(() => ctx.gateway.account());
    this.coveredExchMs = account.exchMs;
    this.coveredMonoNs = ctx.clock.monoNs();
    this.funding.adopt(account.exchMs);
    for (const desk of ctx.desks) {
      const p = positionOf(account, desk);
      desk.ledger.adopt(p.posLots, p.entryPx, account.exchMs);
      desk.startUnrealizedUsd = p.unrealizedPnlUsd;
      this.events.onPositionCorrected(desk);
    }
    return {
      orphansCancelled: ctx.counters.orphansCancelled - before,
      foreignOrders,
      strandedCoins: [...stranded],
      accountValueUsd: account.accountValueUsd,
      withdrawableUsd: account.withdrawableUsd,
      attempts,
    };
  }

  /** Asks again when a question fails: a start must not depend on one packet. @throws the last failure. */
  private async insist<T>(ask: () => Promise<T>): Promise<T> {
    const { log, timers } = this.ctx;
    for (let attempt = 1; ; attempt++) {
      try {
        return await ask();
      } catch (cause) {
        if (attempt >= RECOVER_ASKS) throw cause;
        const error = cause instanceof Error ? cause.message : String(cause);
        log("warn", "Question failed, asking again", { error, attempt });
        await sleep(timers, RECOVER_RETRY_MS * attempt);
      }
    }
  }

  /** One audit of orders and positions; overlapping calls do nothing. Failures are logged, the next audit tries again. */
  async audit(): Promise<void> {
    if (this.isAuditing) return;
    this.isAuditing = true;
    try {
      await this.auditOrders();
      await this.auditPositions();
      if (this.ctx.clock.monoNs() - this.coveredMonoNs > FILLS_CHECK_EVERY_NS) await this.repairFills(true);
      if (this.funding.isDue) await this.funding.repair();
      this.ctx.counters.audits++;
    } catch (cause) {
      this.ctx.log("warn", "Audit failed", { error: cause instanceof Error ? cause.message : String(cause) });
    } finally {
      this.isAuditing = false;
    }
  }

  /** After a reconnect and at the end: fetches the fills missed, then audits. @throws whatever the gateway throws. */
  async resync(): Promise<void> {
    await this.repairFills(true);
    await this.auditOrders();
    await this.auditPositions();
    await this.funding.repair();
    this.ctx.counters.audits++;
  }

  /** Asks for the fate of one order. */
  query(o: OwnOrder): void {
    const { ctx } = this;
    if (o.isQuerying) return;
    o.isQuerying = true;
    const wasUnknown = o.state === "unknown";
    // While a cancel or change of ours is under way, an end is what we asked for.
    const wasResting = o.state === "resting" && o.leaving === "no";
    ctx.gateway.orderStatus(o.cloid).then(
      (update) => {
        const now = ctx.clock.monoNs();
        const isOverdue = o.isTerminal;
        ctx.book.onStatus(o, update, now);
        if (wasUnknown && o.state !== "unknown") ctx.counters.unknownsResolved++;
        if (wasResting && o.isTerminal) this.difference("order", { cloid: o.cloid, venue: update?.status });
        // The venue has named the end, the fills are still missing: fetch them, then believe.
        if (isOverdue && o.exposureLots > 0) {
          void this.repairFills(true).then(() => ctx.book.forceSettle(o), ignore);
        } else if (isOverdue && o.finalFilledLots < 0 && update === undefined) {
          ctx.book.forceSettle(o);
        }
      },
      () => {
        o.isQuerying = false;
        o.nextQueryMonoNs = ctx.clock.monoNs() + 500e6;
      },
    );
  }

  /**
   * Fetches the fills since the time up to which none can be missing; if a chain is still broken after that, takes the venue's position. A forced one
   * never relies on a question that was asked before it.
   */
  async repairFills(isForced = false): Promise<void> {
    if (this.repairing !== undefined) {
      if (!isForced) return;
      await this.repairing.catch(ignore);
      if (this.repairing !== undefined) return await this.repairFills(true);
    }
    if (!isForced && !this.ctx.desks.some((d) => d.ledger.hasGap)) return;
    this.repairing = this.runRepair().finally(() => {
      this.repairing = undefined;
    });
    await this.repairing;
  }

  private async runRepair(): Promise<void> {
    const { ctx } = this;
    ctx.counters.fillRepairs++;
    const newest = Math.min(...ctx.desks.map((d) => d.ledger.lastFillExchMs));
    const since = Math.min(newest, this.coveredExchMs) - REPAIR_MARGIN_MS;
    const askedMonoNs = ctx.clock.monoNs();
    const fills = await ctx.gateway.fillsSince(Math.max(0, since));
    this.events.onFills(fills);
    // What the answer names is complete up to its newest; what was pushed meanwhile is not.
    this.coveredExchMs = fills.reduce(
      (ms, f) => Math.max(ms, f.exchMs),
      Math.min(newest, this.coveredExchMs),
    );
    this.coveredMonoNs = askedMonoNs;
    if (!ctx.desks.some((d) => d.ledger.hasGap)) return;
    const account = await ctx.gateway.account();
    for (const desk of ctx.desks) if (desk.ledger.hasGap) this.correct(desk, account);
  }

  /** Our open orders at the venue, by its own word; notes orphans on the way. */
  async ourOpenOrders(): Promise<OrderUpdate[]> {
    const { book, clock, deskOfCoin } = this.ctx;
    const askedMonoNs = clock.monoNs();
    const open = await this.ctx.gateway.openOrders();
    const ours: OrderUpdate[] = [];
    for (const o of open) {
      const desk = deskOfCoin.get(o.coin);
      if (desk === undefined || !isOurs(o.cloid)) continue;
      // Settled while the question was under way: the answer is older than what we know.
      if ((book.forgottenMonoNs(o.cloid!) ?? -1) >= askedMonoNs) continue;
      ours.push(o);
      if (book.get(o.cloid!) === undefined) this.adoptOrphan(desk, o.cloid!);
    }
    return ours;
  }

  adoptOrphan(desk: Desk, cloid: Cloid): void {
    if (this.ctx.orphans.has(cloid)) return;
    this.ctx.orphans.set(cloid, {
      asset: desk.asset,
      lastSentMonoNs: Number.NEGATIVE_INFINITY,
      isInFlight: false,
    });
  }

  private async auditOrders(): Promise<void> {
    const { ctx } = this;
    const believed: OwnOrder[] = [];
    for (const desk of ctx.desks) {
      for (const o of ctx.book.ofAsset(desk.asset)) if (o.state === "resting") believed.push(o);
    }
    const open = await this.ourOpenOrders();
    const listed = new Set<string>();
    const now = ctx.clock.monoNs();
    for (const u of open) {
      listed.add(u.cloid!);
      const o = ctx.book.get(u.cloid!);
      if (o === undefined) {
        this.difference("orphan order", { cloid: u.cloid, coin: u.coin });
      } else if (o.isTerminal) {
        if (!o.isClosedByUpdate) this.query(o);
      } else {
        ctx.book.onUpdate(u, now);
      }
    }
    for (const o of believed) if (o.state === "resting" && !listed.has(o.cloid)) this.query(o);
    for (const desk of ctx.desks) this.outbox.flushCancels(desk);
  }

  /** A position differs only if it still does after every fill has been fetched and nothing moved meanwhile. */
  private async auditPositions(): Promise<void> {
    const { ctx } = this;
    const fillsBefore = ctx.desks.map((d) => d.ledger.fillCount);
    const first = await ctx.gateway.account();
    const suspects = ctx.desks.filter(
      (d, i) => d.ledger.fillCount === fillsBefore[i] && d.ledger.posLots !== positionOf(first, d).posLots,
    );
    if (suspects.length === 0) return;
    await this.repairFills(true);
    const still = suspects.filter((d) => d.ledger.posLots !== positionOf(first, d).posLots);
    if (still.length === 0) return;
    const counts = still.map((d) => d.ledger.fillCount);
    const second = await ctx.gateway.account();
    still.forEach((desk, i) => {
      const venue = positionOf(second, desk).posLots;
      const isStable = venue === positionOf(first, desk).posLots && desk.ledger.fillCount === counts[i];
      if (isStable && desk.ledger.posLots !== venue) this.correct(desk, second);
    });
  }

  private correct(desk: Desk, account: AccountSnapshot): void {
    const p = positionOf(account, desk);
    const ours = desk.ledger.posLots;
    const lots = desk.ledger.settleGap(p.posLots, p.entryPx, account.exchMs, (fill, verdict) =>
      this.events.onTaken(desk, fill, verdict),
    );
    if (lots !== 0) {
      this.difference("position", { coin: desk.instrument.coin, oursLots: ours, venueLots: p.posLots });
    }
    this.events.onPositionCorrected(desk);
  }

  private difference(what: string, fields: Record<string, unknown>): void {
    this.ctx.counters.auditDifferences++;
    this.ctx.log("warn", "Audit difference", { what, ...fields });
  }
}

/** A failed repair is tried again by the next sweep. */
const ignore = (): void => {};

function positionOf(account: AccountSnapshot, desk: Desk): AccountSnapshot["positions"][number] {
  return (
    account.positions.find((p) => p.coin === desk.instrument.coin) ?? {
      coin: desk.instrument.coin,
      posLots: 0,
      entryPx: 0,
      unrealizedPnlUsd: 0,
      leverage: 0,
    }
  );
}
