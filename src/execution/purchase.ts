import type { Clock } from "../domain/index.js";
import type { AddressBudget } from "./budget.js";
import type { ExecutorLog } from "./context.js";

/** Reference §4.9. */
export const USD_PER_REQUEST = 0.0005;
/** Bought at a time, at most: one US dollar's worth. */
const CHUNK = 2_000;
/** Less is not worth an action. */
const CHUNK_MIN = 100;
/** Bought when the forecast or the count falls below these. */
const BUY_BELOW_HOURS = 0.5;
const BUY_BELOW_REQUESTS = 500;
const PAUSE_NS = 60e9;
const DAY_MS = 86_400_000;

/** What was spent on a UTC day: kept over restarts, so that the limit is of the day and not of the run. */
export interface PurchaseRecord {
  readonly day: number;
  readonly usd: number;
}

export interface PurchaseOptions {
  readonly buy: (requests: number) => Promise<void>;
  readonly budget: AddressBudget;
  readonly clock: Clock;
  readonly log: ExecutorLog;
  readonly maxUsdPerDay: number;
  readonly spent?: PurchaseRecord | undefined;
  /** Called before the money may be gone. */
  readonly onSpent?: (record: PurchaseRecord) => void;
}

/**
 * Buys requests when the account's allowance runs out. It spends money, so it is off unless asked for, keeps to its limit of
 * the UTC day whatever happens, counts a purchase of unknown outcome as made, and ends for the day at the first refusal.
 * Thread: main.
 */
export class RequestPurchase {
  /** Requests bought in this run. */
  bought = 0;
  private day: number;
  private usd: number;
  private isBuying = false;
  private nextNs = Number.NEGATIVE_INFINITY;
  private refusedDay = Number.NaN;
  private isLimitTold = false;

  constructor(private readonly o: PurchaseOptions) {
    this.day = o.spent?.day ?? this.today;
    this.usd = o.spent?.usd ?? 0;
  }

  get spentTodayUsd(): number {
    return this.day === this.today ? this.usd : 0;
  }

  /** To be called every few seconds. */
  tend(): void {
    const { o, today } = this;
    if (this.isBuying || o.clock.monoNs() < this.nextNs || this.refusedDay === today) return;
    const { remaining, hoursLeft } = o.budget.view;
    if (!o.budget.isKnown || (remaining >= BUY_BELOW_REQUESTS && hoursLeft >= BUY_BELOW_HOURS)) return;
    const affordable = Math.floor((o.maxUsdPerDay - this.spentTodayUsd) / USD_PER_REQUEST + 1e-6);
    const requests = Math.min(CHUNK, affordable);
    if (requests < CHUNK_MIN) {
      if (!this.isLimitTold) {
        o.log("warn", "No more requests are bought today", {
          spentUsd: this.spentTodayUsd,
          limitUsd: o.maxUsdPerDay,
        });
      }
      this.isLimitTold = true;
      return;
    }
    this.isLimitTold = false;
    void this.buy(requests);
  }

  private get today(): number {
    return Math.floor(this.o.clock.wallMs() / DAY_MS);
  }

  private async buy(requests: number): Promise<void> {
    const { o } = this;
    const { remaining } = o.budget;
    const usd = requests * USD_PER_REQUEST;
    this.isBuying = true;
    this.nextNs = o.clock.monoNs() + PAUSE_NS;
    this.record(this.spentTodayUsd + usd);
    try {
      await o.buy(requests);
      this.bought += requests;
      o.budget.onPurchased(requests);
      o.log("warn", "REQUESTS BOUGHT", { requests, usd, spentTodayUsd: this.usd, remaining });
    } catch (cause) {
      const isRefused = (cause as { code?: unknown }).code === "Refused";
      if (isRefused) {
        this.record(this.usd - usd);
        this.refusedDay = this.today;
      }
      o.log("error", "Requests could not be bought", {
        requests,
        error: cause instanceof Error ? cause.message : String(cause),
        counted: isRefused ? "not spent; not tried again today" : "as spent: the outcome is unknown",
      });
    } finally {
      // The venue's own count follows at once.
      o.budget.doubt();
      this.isBuying = false;
    }
  }

  private record(usd: number): void {
    this.day = this.today;
    this.usd = usd;
    this.o.onSpent?.({ day: this.day, usd });
  }
}
