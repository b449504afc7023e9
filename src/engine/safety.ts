import type { Clock, Timers } from "../domain/index.js";
import { DeadMansSwitch, type Executor } from "../execution/index.js";
import type { LogFn } from "../telemetry/log.js";
import type { VenueFacts } from "./venue.js";
import type { AccountGateway } from "./venue-account.js";
import type { Watchdog } from "./watchdog.js";

export interface SafetyOptions {
  readonly gateway: AccountGateway;
  readonly executor: Executor;
  readonly facts: Pick<VenueFacts, "endpoints" | "instruments">;
  readonly vaultAddress?: string;
  readonly watchdog: Pick<Watchdog, "start" | "disarm"> | undefined;
  /** "auto": only where the venue's own switch is off or not offered. */
  readonly watchdogMode: "auto" | "always" | "off";
  /** 0: the venue's switch is not used. */
  readonly deadManMs: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: LogFn;
}

/**
 * What takes the orders off the book when this process cannot: the venue's dead man's switch, and a watchdog process of our own.
 * Armed before the first order, sent home only after a stop that the venue has confirmed. Thread: main.
 */
export class Safety {
  readonly deadMan: DeadMansSwitch | undefined;
  private isArming = true;
  /** Disarmed: an arming that was under way must not outlast it. */
  private isOver = false;

  constructor(private readonly o: SafetyOptions) {
    const { gateway, executor } = o;
    if (o.deadManMs === 0) return;
    this.deadMan = new DeadMansSwitch({
      schedule: (atMs) => gateway.scheduleCancel(atMs),
      clock: o.clock,
      timers: o.timers,
      log: o.log,
      leadMs: o.deadManMs,
      onRequest: () => {
        executor.budget.spend(1);
        if (executor.isThrottled) executor.budget.takeSlot();
      },
      onUnavailable: () => {
        if (o.watchdogMode === "auto" && !this.isArming) void this.startWatchdog();
      },
    });
  }

  /** An order of ours ended by the venue's switch. */
  onScheduledCancel(exchMs: number): void {
    this.deadMan?.noteTrigger(exchMs);
  }

  /** Before the first order. @throws {Error} When a watchdog that is wanted cannot be started. */
  async arm(): Promise<void> {
    const { o } = this;
    if (this.deadMan !== undefined) await this.countTriggers(this.deadMan);
    if (this.isOver) return;
    const isArmed = (await this.deadMan?.arm()) ?? false;
    this.isArming = false;
    if (this.isOver) return await this.deadMan?.disarm();
    if (o.watchdogMode === "always" || (o.watchdogMode === "auto" && !isArmed)) await this.startWatchdog();
    if (!isArmed && o.watchdogMode === "off") {
      o.log("warn", "Nobody cancels if this process dies: orders would rest until the next start", {
        remedy: 'set [safety] watchdog = "auto"',
      });
    }
  }

  /** After the stop. @param isClean the venue lists nothing of ours; otherwise both stay, and act. */
  async disarm(isClean: boolean): Promise<void> {
    this.isOver = isClean;
    if (!isClean) {
      this.deadMan?.leaveArmed();
      return;
    }
    await this.deadMan?.disarm();
    await this.o.watchdog?.disarm();
  }

  /** What earlier runs used of today's triggers. Without an answer the venue's own refusal will tell. */
  private async countTriggers(deadMan: DeadMansSwitch): Promise<void> {
    const { gateway, log } = this.o;
    try {
      const past = await gateway.info.historicalOrders(gateway.user);
      const fired = past.filter((u) => u.status === "scheduledCancel").map((u) => u.statusTimestamp);
      for (const ms of fired.sort((a, b) => a - b)) deadMan.noteTrigger(ms);
    } catch (cause) {
      log("debug", "Earlier triggers of the dead man's switch unknown", { error: (cause as Error).message });
    }
  }

  private async startWatchdog(): Promise<void> {
    const { o } = this;
    if (this.isOver) return;
    try {
      await o.watchdog?.start(
        {
          endpoints: o.facts.endpoints,
          user: o.gateway.user,
          vaultAddress: o.vaultAddress,
          assets: o.facts.instruments.map(({ coin, venueAssetId }) => ({ coin, venueAssetId })),
        },
        () => o.gateway.nonces.last,
      );
    } catch (cause) {
      // Quoting without a net is the operator's choice to make, not ours.
      if (o.watchdogMode === "always") throw cause;
      o.log("error", "No watchdog", { error: (cause as Error).message });
    }
  }
}
