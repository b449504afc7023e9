import type { BudgetView } from "./budget.js";
import type { ExecutorContext } from "./context.js";
import type { Desk } from "./desk.js";
import { DEFAULT_COMFORT_HOURS, type EconomyTerms, economise, economyTerms } from "./economy.js";
import type { Plan } from "./reconcile.js";

const SPENT = "request quota spent: one order every 11 s";
const FOR_CANCELS = "request quota spent: what is left is for cancels";

/** The allowance of requests as planning meets it: the terms of the moment, and the gates it closes. Thread: main. */
export class QuotaGate {
  private readonly view: BudgetView;
  private terms: EconomyTerms;

  constructor(
    private readonly ctx: ExecutorContext,
    private readonly comfortHours = DEFAULT_COMFORT_HOURS,
  ) {
    this.view = ctx.budget.view;
    this.terms = economyTerms(this.view, comfortHours);
  }

  get isSpent(): boolean {
    return this.view.isSpent;
  }

  /** Nothing may rest either: the orders are pulled while they can be. Empty when they may. */
  get closedGate(): string {
    return this.view.isForCancelsOnly ? FOR_CANCELS : "";
  }

  /** What is said of assets that are quoted by exception only; empty when they are quoted. */
  get throttledGate(): string {
    return this.view.isSpent ? SPENT : "";
  }

  /** Takes the newest figures, and says when the allowance is spent or refilled. */
  look(): void {
    const { budget, log } = this.ctx;
    const wasSpent = this.view.isSpent;
    budget.look(this.view);
    this.terms = economyTerms(this.view, this.comfortHours);
    if (this.view.isSpent === wasSpent) return;
    const fields = { used: budget.used, cap: budget.cap, cancelCap: budget.cancelCap };
    if (this.view.isSpent) {
      log("warn", "Request quota spent: one order every 11 s until trading refills it", {
        ...fields,
        remedy: "raise max_bps_diff or min_requote_ms, use fewer levels, or set buy_request_weight",
      });
    } else log("info", "Request quota refilled", fields);
  }

  /** Requests that are not worth their price wait: the tighter the allowance, the coarser the requotes. */
  economise(desk: Desk, plan: Plan, nowMonoNs: number): void {
    const { terms } = this;
    if (terms.priceBps === 0 || plan.isEmpty) return;
    const held = economise(
      plan,
      {
        bids: desk.kept.bids,
        asks: desk.kept.asks,
        posLots: desk.ledger.posLots,
        isTooSoon: nowMonoNs - desk.lastRequestMonoNs < terms.minRequoteNs,
      },
      terms,
    );
    this.ctx.counters.heldByBudget += held;
    // What waits for its time, or for a slot, is looked at again without a new ladder.
    if (held > 0) desk.isDirty = true;
  }

  /** A placement or change of the asset goes out now. */
  onSending(desk: Desk): void {
    desk.lastRequestMonoNs = this.ctx.clock.monoNs();
    if (this.view.isSpent) this.ctx.budget.takeSlot();
  }

  /** It went out. With plenty left the next tick's figures are soon enough. */
  onSent(): void {
    if (this.terms.priceBps > 0) this.look();
  }
}
