import type { RequestQuota } from "../venues/port.js";

/** How often the venue is asked for its own count. */
const SYNC_EVERY_NS = 60e9;
/** After a failed question, or a refusal that contradicts our count. */
const SYNC_RETRY_NS = 5e9;
/** Consumption is forecast from this long a past. */
const WINDOW_S = 900;
const BUCKET_S = 15;
const BUCKETS = WINDOW_S / BUCKET_S;
/** No forecast from less evidence than this. */
const EVIDENCE_S = 60;
/** The venue's own texts are one off its documented limit (reference §7.2). */
const OFF_BY_ONE = 1;
/** With the allowance spent one action in ten seconds passes; about eleven are measured. */
const SLOT_NS = 11e9;
/** Requests under the ceiling of cancels that nothing but a cancel may use. */
export const CANCEL_RESERVE = 300;

/** What the economy and the boards look at. */
export interface BudgetView {
  /** Requests left for placements and changes; +∞ while the venue has not told. */
  readonly remaining: number;
  /** At the recent consumption less what trading refilled; +∞ while nothing is lost. */
  readonly hoursLeft: number;
  /** Spent: one placement or change per slot, and only in an open one. */
  readonly isSpent: boolean;
  readonly isSlotOpen: boolean;
  /** Spent so far that what is left belongs to cancels. */
  readonly isForCancelsOnly: boolean;
}

export interface AddressBudgetOptions {
  /** The venue's own count; without it nothing is known and nothing limited. */
  readonly ask: (() => Promise<RequestQuota>) | undefined;
  readonly monoNs: () => number;
  readonly onTrouble: (error: Error) => void;
}

/**
 * The account's allowance of requests: what the venue grants in advance plus one per dollar traded. Counted here per
 * element sent, refilled by fills, and set to the venue's own count every minute and after each refusal for its sake.
 *
 * Every request counts, cancels too; cancels have a higher ceiling and are never held back here.
 * Source: reference §3.9, §7.2. Thread: main. Allocates: nothing per request.
 */
export class AddressBudget {
  private usedCount = 0;
  private capCount = Number.POSITIVE_INFINITY;
  private cancelCapCount = Number.POSITIVE_INFINITY;
  /** Since construction; a sync adds what was sent while its question was under way. */
  private sent = 0;
  private gainedUsd = 0;
  private readonly spentIn = new Float64Array(BUCKETS);
  private readonly gainedIn = new Float64Array(BUCKETS);
  private bucket: number;
  /** When the next bucket begins, ns. */
  private bucketEndNs = Number.NEGATIVE_INFINITY;
  /** Sent less refilled within the window. */
  private netInWindow = 0;
  private readonly startNs: number;
  private nextSyncNs = Number.NEGATIVE_INFINITY;
  private nextSlotNs = Number.NEGATIVE_INFINITY;
  private syncing: Promise<void> | undefined;
  isKnown = false;
  /** Volume since the account was made, USD, by the venue's word. */
  cumVolumeUsd = Number.NaN;

  constructor(private readonly o: AddressBudgetOptions) {
    this.startNs = o.monoNs();
    this.bucket = this.bucketAt(this.startNs);
  }

  get used(): number {
    return this.usedCount;
  }
  get cap(): number {
    return this.capCount;
  }
  get cancelCap(): number {
    return this.cancelCapCount;
  }
  get remaining(): number {
    return Math.max(0, this.capCount - OFF_BY_ONE - this.usedCount);
  }
  get cancelsRemaining(): number {
    return Math.max(0, this.cancelCapCount - OFF_BY_ONE - this.usedCount);
  }

  /** Elements that went out: placements, changes, cancels and settings alike. */
  spend(elements: number): void {
    this.turn();
    this.sent += elements;
    this.usedCount += elements;
    this.spentIn[this.bucket % BUCKETS]! += elements;
    this.netInWindow += elements;
  }

  /** A fill of ours refills one request per dollar. */
  replenish(usd: number): void {
    this.turn();
    this.gainedUsd += usd;
    this.capCount += usd;
    // Never less than the venue's rule, which doubles small accounts' ceilings: the next sync knows better.
    this.cancelCapCount += usd;
    this.gainedIn[this.bucket % BUCKETS]! += usd;
    this.netInWindow -= usd;
  }

  /** A placement or change goes out although the allowance is spent. */
  takeSlot(): void {
    this.nextSlotNs = this.o.monoNs() + SLOT_NS;
  }

  /** Our count is in doubt (a refusal, a purchase): the venue is asked at the next tick. */
  doubt(): void {
    this.nextSyncNs = Math.min(this.nextSyncNs, this.o.monoNs());
  }

  /** Bought or granted since the last sync. */
  onPurchased(requests: number): void {
    this.usedCount -= requests;
  }

  /** Asks the venue when it is time. To be called at every tick. */
  tend(): void {
    if (this.o.ask === undefined || this.syncing !== undefined || this.o.monoNs() < this.nextSyncNs) return;
    void this.sync();
  }

  /** The venue's count, now. Failures are reported, not thrown: the old count goes on. */
  sync(): Promise<void> {
    const { ask } = this.o;
    if (ask === undefined) return Promise.resolve();
    this.syncing ??= this.runSync(ask).finally(() => {
      this.syncing = undefined;
    });
    return this.syncing;
  }

  get view(): BudgetView {
    return this.look({
      remaining: 0,
      hoursLeft: 0,
      isSpent: false,
      isSlotOpen: false,
      isForCancelsOnly: false,
    });
  }

  /** The view, in an object of the caller's. Allocates: nothing. */
  look(out: { -readonly [K in keyof BudgetView]: BudgetView[K] }): BudgetView {
    out.remaining = this.remaining;
    out.hoursLeft = this.hoursLeft;
    out.isSpent = out.remaining <= 0;
    out.isSlotOpen = this.o.monoNs() >= this.nextSlotNs;
    out.isForCancelsOnly = out.isSpent && this.cancelsRemaining <= CANCEL_RESERVE;
    return out;
  }

  /** Requests sent less requests refilled, per hour, over the recent past; NaN before there is evidence. */
  get netPerHour(): number {
    this.turn();
    const elapsedS = Math.min(WINDOW_S, (this.o.monoNs() - this.startNs) / 1e9);
    if (elapsedS < EVIDENCE_S) return Number.NaN;
    return (this.netInWindow / elapsedS) * 3600;
  }

  get hoursLeft(): number {
    const net = this.netPerHour;
    return this.isKnown && net > 0 ? this.remaining / net : Number.POSITIVE_INFINITY;
  }

  private async runSync(ask: () => Promise<RequestQuota>): Promise<void> {
    const sentBefore = this.sent;
    const gainedBefore = this.gainedUsd;
    try {
      const q = await ask();
      this.isKnown = true;
      this.cumVolumeUsd = q.cumVolumeUsd;
      // What left while the question was under way may be missing from the answer: counted twice at worst.
      this.usedCount = q.used + (this.sent - sentBefore);
      const late = this.gainedUsd - gainedBefore;
      // Here the cautious guess is that the answer holds the fills already.
      this.capCount = late > 0 ? Math.min(this.capCount, Math.max(q.cap, this.capCount - late)) : q.cap;
      this.cancelCapCount = q.cancelCap;
      this.nextSyncNs = this.o.monoNs() + SYNC_EVERY_NS;
    } catch (cause) {
      this.nextSyncNs = this.o.monoNs() + SYNC_RETRY_NS;
      this.o.onTrouble(cause instanceof Error ? cause : new Error(String(cause)));
    }
  }

  private bucketAt(monoNs: number): number {
    return Math.floor(monoNs / (BUCKET_S * 1e9));
  }

  private turn(): void {
    const nowNs = this.o.monoNs();
    if (nowNs < this.bucketEndNs) return;
    const now = this.bucketAt(nowNs);
    this.bucketEndNs = (now + 1) * BUCKET_S * 1e9;
    if (now === this.bucket) return;
    if (now - this.bucket >= BUCKETS) {
      this.spentIn.fill(0);
      this.gainedIn.fill(0);
    } else {
      for (let b = this.bucket + 1; b <= now; b++) {
        this.spentIn[b % BUCKETS] = 0;
        this.gainedIn[b % BUCKETS] = 0;
      }
    }
    this.bucket = now;
    // Summed anew, so that no rounding gathers.
    this.netInWindow = 0;
    for (let i = 0; i < BUCKETS; i++) this.netInWindow += this.spentIn[i]! - this.gainedIn[i]!;
  }
}
