import type { Approved, Cloid, ModifyOrder, NewOrder } from "../domain/index.js";
import type { AckStatus, OrderErrorCode } from "../venues/port.js";
import type { ExecutorContext } from "./context.js";
import type { Batch, Desk } from "./desk.js";
import type { OwnOrder } from "./order-book.js";

/** Cancels per request: the venue takes 200 elements. */
const CHUNK = 100;
const MISSING_STATUS: AckStatus = { kind: "unknown", text: "no status for this element" };

/**
 * Requests out, answers in: records every order in the book before its bytes leave, keeps the batches that wait for an
 * answer, and turns late or missing answers into doubt.
 *
 * Cancels pass always; the latch is read immediately before each placement and each change.
 * Thread: main.
 */
export class Outbox {
  lastQuoteCycleNs = 0;
  /** What led to the newest request: the market data behind it (0: none), and when it was decided. */
  readonly cause = { causeMonoNs: 0, decidedMonoNs: 0 };
  private readonly batches = new Map<number, Batch>();
  /** Answers that an in-process gateway gave before the sender had returned. */
  private readonly early = new Map<number, readonly AckStatus[]>();
  /** A batch refused for the sake of a rate limit. */
  onRateLimited: () => void = () => {};
  /** A refused element. */
  onRefused: (desk: Desk, code: OrderErrorCode, text: string) => void = () => {};

  constructor(private readonly ctx: ExecutorContext) {}

  get inFlight(): number {
    return this.batches.size;
  }

  /** True while a placement or change is unanswered: something may still come to rest. */
  get hasOpeningInFlight(): boolean {
    for (const b of this.batches.values()) if (b.kind === "place" || b.kind === "modify") return true;
    return false;
  }

  /** @param causeMonoNs receive time of the market frame behind it; NaN when another event caused the plan. */
  place(desk: Desk, orders: readonly Approved<NewOrder>[], causeMonoNs: number): boolean {
    const { ctx } = this;
    if (orders.length === 0) return true;
    const now = ctx.clock.monoNs();
    if (ctx.latch.isTripped()) return false;
    const own = orders.map((o) => ctx.book.open(o, now));
    this.noteCause(causeMonoNs, now);
    ctx.counters.ordersPlaced += orders.length;
    desk.counts.ordersPlaced += orders.length;
    this.send(desk, { kind: "place", orders: own, fresh: [], orphans: [] }, now, () =>
      ctx.gateway.place(orders),
    );
    this.stampLatency(causeMonoNs);
    return true;
  }

  modify(
    desk: Desk,
    targets: readonly OwnOrder[],
    modifies: readonly Approved<ModifyOrder>[],
    causeMonoNs: number,
  ): boolean {
    const { ctx } = this;
    if (modifies.length === 0) return true;
    const now = ctx.clock.monoNs();
    if (ctx.latch.isTripped()) return false;
    const fresh = modifies.map((m, i) => ctx.book.open(m.order, now, targets[i]!));
    for (const target of targets) target.leaving = "replace";
    this.noteCause(causeMonoNs, now);
    ctx.counters.ordersModified += modifies.length;
    desk.counts.ordersModified += modifies.length;
    this.send(desk, { kind: "modify", orders: targets, fresh, orphans: [] }, now, () =>
      ctx.gateway.modify(modifies),
    );
    this.stampLatency(causeMonoNs);
    return true;
  }

  cancel(desk: Desk, orders: readonly OwnOrder[]): void {
    const { ctx } = this;
    for (let from = 0; from < orders.length; from += CHUNK) {
      const chunk = orders.slice(from, from + CHUNK);
      const now = ctx.clock.monoNs();
      for (const o of chunk) {
        o.leaving = "cancel";
        o.isCancelInFlight = true;
        o.lastCancelMonoNs = now;
      }
      this.noteCause(Number.NaN, now);
      const cancels = chunk.map((o) => ({ asset: desk.asset, cloid: o.cloid }));
      this.send(desk, { kind: "cancel", orders: chunk, fresh: [], orphans: [] }, now, () =>
        ctx.gateway.cancel(cancels),
      );
    }
  }

  /** Sends the cancels that are wanted and not under way. Nothing is asked of an order whose placement is unanswered. */
  flushCancels(desk: Desk): void {
    const { ctx } = this;
    const now = ctx.clock.monoNs();
    const retryNs = ctx.timings.cancelRetryMs * 1e6;
    let due: OwnOrder[] | undefined;
    for (const o of ctx.book.ofAsset(desk.asset)) {
      if (!o.wantCancel || o.isTerminal || o.isCancelInFlight) continue;
      // Being replaced, it leaves by itself, unless the answer never came.
      if (o.leaving === "replace" && o.state !== "unknown") continue;
      if (o.state === "sent" || now - o.lastCancelMonoNs < retryNs) continue;
      due ??= [];
      due.push(o);
    }
    if (due !== undefined) this.cancel(desk, due);
    this.flushOrphans(desk, now, retryNs);
  }

  private flushOrphans(desk: Desk, now: number, retryNs: number): void {
    const { ctx } = this;
    if (ctx.orphans.size === 0) return;
    const due: Cloid[] = [];
    for (const [cloid, orphan] of ctx.orphans) {
      if (orphan.asset !== desk.asset || orphan.isInFlight || now - orphan.lastSentMonoNs < retryNs) continue;
      orphan.isInFlight = true;
      orphan.lastSentMonoNs = now;
      due.push(cloid);
      if (due.length === CHUNK) break;
    }
    if (due.length === 0) return;
    const cancels = due.map((cloid) => ({ asset: desk.asset, cloid }));
    this.send(desk, { kind: "orphan", orders: [], fresh: [], orphans: due }, now, () =>
      ctx.gateway.cancel(cancels),
    );
  }

  onAck(batchId: number, statuses: readonly AckStatus[]): Desk | undefined {
    const batch = this.batches.get(batchId);
    if (batch === undefined) {
      this.early.set(batchId, statuses);
      return undefined;
    }
    this.batches.delete(batchId);
    const desk = this.ctx.desks[batch.asset]!;
    if (!batch.isOverdue) desk.batchesInFlight--;
    this.settle(desk, batch, statuses);
    return desk;
  }

  /** Turns batches without an answer into doubt. The answer may still come and is then taken. */
  checkOverdue(nowMonoNs: number): void {
    if (this.batches.size === 0) return;
    const limit = this.ctx.timings.ackTimeoutMs * 1e6;
    for (const [id, batch] of this.batches) {
      const age = nowMonoNs - batch.sentMonoNs;
      // Kept ten times longer for a late answer; then the queries have long decided.
      if (age > 10 * limit) this.batches.delete(id);
      if (batch.isOverdue || age < limit) continue;
      batch.isOverdue = true;
      const desk = this.ctx.desks[batch.asset]!;
      desk.batchesInFlight--;
      this.doubtAll(batch);
      this.ctx.log("warn", "Request unanswered", {
        asset: desk.instrument.coin,
        kind: batch.kind,
        elements: batch.orders.length + batch.orphans.length,
        ageMs: Math.round(age / 1e6),
      });
    }
  }

  private doubtAll(batch: Batch): void {
    const { book, counters, orphans } = this.ctx;
    for (const o of [...batch.orders, ...batch.fresh]) {
      if (batch.kind === "cancel") o.isCancelInFlight = false;
      if (!o.isTerminal && o.state !== "unknown") counters.unknowns++;
      book.doubt(o);
    }
    for (const cloid of batch.orphans) {
      const orphan = orphans.get(cloid);
      if (orphan !== undefined) orphan.isInFlight = false;
    }
  }

  private send(
    desk: Desk,
    what: Pick<Batch, "kind" | "orders" | "fresh" | "orphans">,
    sentMonoNs: number,
    call: () => number,
  ): void {
    const batch: Batch = { ...what, asset: desk.asset, sentMonoNs, isOverdue: false };
    let id: number;
    try {
      id = call();
    } catch (cause) {
      // The bytes may or may not have left: the same as a lost answer.
      this.ctx.log("error", "Request failed", {
        asset: desk.instrument.coin,
        kind: batch.kind,
        error: cause instanceof Error ? cause.message : String(cause),
      });
      this.doubtAll(batch);
      return;
    }
    this.ctx.budget.spend(batch.orders.length + batch.orphans.length);
    desk.batchesInFlight++;
    this.batches.set(id, batch);
    const answer = this.early.get(id);
    if (answer !== undefined) {
      this.early.delete(id);
      this.onAck(id, answer);
    }
  }

  private settle(desk: Desk, batch: Batch, statuses: readonly AckStatus[]): void {
    const { ctx } = this;
    const now = ctx.clock.monoNs();
    if (statuses.some((s) => s.kind === "error" && s.code === "RateLimited")) this.onRateLimited();
    for (let i = 0; i < batch.orders.length; i++) {
      const status = statuses[i] ?? MISSING_STATUS;
      const order = batch.orders[i]!;
      const wasLive = !order.isTerminal;
      switch (batch.kind) {
        case "place":
          ctx.book.onPlaceAck(order, status, now);
          this.countOpening(desk, status, order);
          break;
        case "modify":
          ctx.book.onModifyAck(order, batch.fresh[i]!, status, now);
          this.countOpening(desk, status, batch.fresh[i]!);
          break;
        default:
          ctx.book.onCancelAck(order, status, now);
          if (status.kind === "error") this.onRefused(desk, status.code, status.text);
          if (status.kind === "cancelled" && wasLive) {
            ctx.counters.ordersCancelled++;
            desk.counts.ordersCancelled++;
          }
      }
      if (status.kind === "unknown") ctx.counters.unknowns++;
    }
    for (let i = 0; i < batch.orphans.length; i++) this.settleOrphan(batch.orphans[i]!, statuses[i]);
  }

  private settleOrphan(cloid: Cloid, status: AckStatus | undefined): void {
    const { orphans, counters } = this.ctx;
    const orphan = orphans.get(cloid);
    if (orphan === undefined) return;
    orphan.isInFlight = false;
    if (status?.kind === "cancelled") {
      counters.orphansCancelled++;
      orphans.delete(cloid);
    } else if (status?.kind === "error" && status.code === "MissingOrder") {
      orphans.delete(cloid);
    }
  }

  private countOpening(desk: Desk, status: AckStatus, order: OwnOrder): void {
    const { counters, clock, log } = this.ctx;
    if (status.kind === "resting" && Number.isNaN(counters.firstQuoteMs)) {
      counters.firstQuoteMs = clock.monoNs() / 1e6;
    }
    if (status.kind !== "error") return;
    counters.ordersRejected++;
    desk.counts.ordersRejected++;
    this.onRefused(desk, status.code, status.text);
    log("debug", "Order rejected", {
      asset: desk.instrument.coin,
      cloid: order.cloid,
      code: status.code,
      text: status.text,
    });
  }

  private noteCause(causeMonoNs: number, decidedMonoNs: number): void {
    this.cause.causeMonoNs = Number.isNaN(causeMonoNs) ? 0 : causeMonoNs;
    this.cause.decidedMonoNs = decidedMonoNs;
  }

  private stampLatency(causeMonoNs: number): void {
    const { latency, gateway } = this.ctx;
    const t = gateway.lastSend;
    latency.sign?.record(t.signEndMonoNs - t.signStartMonoNs);
    if (causeMonoNs > 0) {
      this.lastQuoteCycleNs = t.wireMonoNs - causeMonoNs;
      latency.tickToWire?.record(this.lastQuoteCycleNs);
    }
  }
}
