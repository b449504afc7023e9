import type { Clock, Timers } from "../domain/index.js";
import { type ExecutorLog, sleep } from "./context.js";

/** Triggers that the venue grants per UTC day. Source: reference §4.5. */
export const TRIGGERS_A_DAY = 10;
/** From this many on, each further one is worth a warning. */
const TRIGGERS_WARN = 8;
/** Shortest lead: the venue wants five seconds, and a request takes its time. */
export const MIN_LEAD_MS = 6_000;
const DAY_MS = 86_400_000;
/** Orders that one trigger cancelled are told within this. */
const SAME_TRIGGER_MS = 2_000;
const DISARM_ATTEMPTS = 3;
const DISARM_RETRY_MS = 300;

export interface DeadMansSwitchOptions {
  readonly schedule: (atMs: number | undefined) => Promise<void>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: ExecutorLog;
  /** The venue cancels everything this long after our last word; refreshed every third of it. */
  readonly leadMs: number;
  /** A request for it goes out: it counts like any other. */
  readonly onRequest?: () => void;
  /** Once for each time the venue's switch becomes useless: something else must watch. */
  readonly onUnavailable?: (why: string) => void;
}

/**
 * The venue's dead man's switch, armed and kept ahead of us. Should this process die, hang or lose its connection, the
 * venue itself cancels every order of the account when the lead has passed.
 *
 * A day has ten triggers, and only a trigger uses one up: arming is free. The last one is used like the others, because a
 * trigger that is saved protects nobody; when none is left the switch is not armed before the next UTC day.
 * One switch per account: it cancels the orders of other programs and of hands too.
 *
 * Thread: main.
 */
export class DeadMansSwitch {
  private stopRefreshing: (() => void) | undefined;
  private isRefreshing = false;
  private triggerDay = Number.NaN;
  private triggersOfDay = 0;
  private newestTriggerMs = Number.NEGATIVE_INFINITY;
  private unavailableUntilMs = 0;
  private armedUntilMs = 0;

  constructor(private readonly o: DeadMansSwitchOptions) {
    if (!(o.leadMs >= MIN_LEAD_MS))
      throw new RangeError(`a dead man's switch of ${o.leadMs} ms: give at least ${MIN_LEAD_MS}`);
  }

  /** The venue would act by itself. */
  get isArmed(): boolean {
    return this.o.clock.wallMs() < this.armedUntilMs;
  }

  get triggersToday(): number {
    return this.triggerDay === this.dayOf(this.o.clock.wallMs()) ? this.triggersOfDay : 0;
  }

  /** Arms, and keeps refreshing until `disarm`. @returns false when the venue does not offer the switch to this account. */
  async arm(): Promise<boolean> {
    await this.refresh();
    this.stopRefreshing ??= this.o.timers.every(this.o.leadMs / 3, () => void this.refresh());
    return this.isArmed;
  }

  /** Ends the refreshing and takes the switch back. Never throws: at worst it fires into an empty book. */
  async disarm(): Promise<void> {
    this.stopRefreshing?.();
    this.stopRefreshing = undefined;
    for (let attempt = 1; this.isArmed && attempt <= DISARM_ATTEMPTS; attempt++) {
      try {
        this.o.onRequest?.();
        await this.o.schedule(undefined);
        this.armedUntilMs = 0;
      } catch (cause) {
        this.o.log("warn", "Dead man's switch not disarmed: it will fire", { error: textOf(cause), attempt });
        if (attempt < DISARM_ATTEMPTS) await sleep(this.o.timers, DISARM_RETRY_MS);
      }
    }
  }

  /** No more refreshing, but the switch stays: what rests is to be cancelled by the venue. */
  leaveArmed(): void {
    this.stopRefreshing?.();
    this.stopRefreshing = undefined;
  }

  /** An order of ours ended as `scheduledCancel`, now or earlier today. Orders of one moment are one trigger. */
  noteTrigger(exchMs: number): void {
    if (Math.abs(exchMs - this.newestTriggerMs) < SAME_TRIGGER_MS) return;
    this.newestTriggerMs = exchMs;
    const day = this.dayOf(exchMs);
    if (day !== this.triggerDay) {
      if (day < this.triggerDay) return;
      this.triggerDay = day;
      this.triggersOfDay = 0;
    }
    this.triggersOfDay++;
    if (this.triggersToday >= TRIGGERS_WARN) {
      this.o.log("warn", "Dead man's switch fired", {
        triggersToday: this.triggersOfDay,
        left: Math.max(0, TRIGGERS_A_DAY - this.triggersOfDay),
      });
    }
  }

  private async refresh(): Promise<void> {
    const { o } = this;
    const now = o.clock.wallMs();
    if (this.isRefreshing || now < this.unavailableUntilMs) return;
    if (this.triggersToday >= TRIGGERS_A_DAY) {
      this.giveUp(`all ${TRIGGERS_A_DAY} triggers of the day are used`, nextDay(now));
      return;
    }
    this.isRefreshing = true;
    const atMs = Math.floor(now + o.leadMs);
    try {
      o.onRequest?.();
      await o.schedule(atMs);
      const wasArmed = this.armedUntilMs > 0;
      this.armedUntilMs = atMs;
      if (!wasArmed) o.log("info", "Dead man's switch armed", { leadS: o.leadMs / 1000 });
    } catch (cause) {
      this.onRefused(textOf(cause), now);
    } finally {
      this.isRefreshing = false;
    }
  }

  private onRefused(text: string, now: number): void {
    if (/until enough volume traded/i.test(text)) {
      this.giveUp(`the venue offers it from a traded volume on (${text})`, Number.POSITIVE_INFINITY);
    } else if (/limit reached|too many (scheduled|triggers)/i.test(text)) {
      this.giveUp(text, nextDay(now));
    } else {
      this.o.log("warn", "Dead man's switch not refreshed", {
        error: text,
        firesInS: Math.max(0, Math.round((this.armedUntilMs - now) / 1000)),
      });
    }
  }

  private giveUp(why: string, untilMs: number): void {
    this.unavailableUntilMs = untilMs;
    this.armedUntilMs = 0;
    this.o.log("warn", "No dead man's switch at the venue", { why });
    this.o.onUnavailable?.(why);
  }

  private dayOf(ms: number): number {
    return Math.floor(ms / DAY_MS);
  }
}

const nextDay = (ms: number): number => (Math.floor(ms / DAY_MS) + 1) * DAY_MS;
const textOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
