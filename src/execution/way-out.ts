import type { Auditor } from "./auditor.js";
import { type ExecutorContext, type PositionSnapshot, type StopReport, sleep } from "./context.js";
import type { Desk } from "./desk.js";
import type { Outbox } from "./outbox.js";

/** How often a stop repeats its cancels before it says in the log that it goes on trying. */
const RETRIES = 3;
const POLL_MS = 20;
const AUDIT_RETRY_MS = 250;
const ASK_AGAIN_NS = 1e9;
/** After the orders are gone, the closing figures may be asked for again this long. */
const SETTLE_FOR_NS = 10e9;

/** What the way out needs of the executor. */
export interface WayOutSeams {
  /** Before the first cancel: nothing opens any more. */
  readonly onBegin: () => void;
  /** Cancels all orders of an asset. */
  readonly pull: (asset: number, reason: string) => void;
  /** Time-outs, queries, repeated cancels. */
  readonly tend: (nowMonoNs: number) => void;
  /** Nothing rests, or nobody can be asked any longer; the closing figures are in. */
  readonly onCleared: () => void;
  readonly positionOf: (desk: Desk) => PositionSnapshot;
  readonly onTrouble: (event: string, cause: unknown) => void;
}

/**
 * The end of a run, by a stop or by the kill switch: cancels everything, at first three times, then until the deadline; asks the
 * venue whether anything of ours rests; takes the last fills; reports. It is gone once, whoever calls for it and how often.
 *
 * Thread: main.
 */
export class WayOut {
  private untilMonoNs = Number.POSITIVE_INFINITY;
  private going: Promise<StopReport> | undefined;
  private isUnreachableLogged = false;

  constructor(
    private readonly ctx: ExecutorContext,
    private readonly outbox: Outbox,
    private readonly auditor: Auditor,
    private readonly seams: WayOutSeams,
  ) {}

  /** @param untilMonoNs ends the cancelling even when the venue confirms nothing; the earliest of all calls holds. */
  take(why: "stopping" | "killed", untilMonoNs = Number.POSITIVE_INFINITY): Promise<StopReport> {
    this.untilMonoNs = Math.min(this.untilMonoNs, untilMonoNs);
    this.going ??= this.go(why);
    return this.going;
  }

  /** A report for a way out that failed itself. */
  unknownEnd(): StopReport {
    return {
      isClean: false,
      isKilled: true,
      killReason: this.ctx.latch.reason(),
      restingOrdersAtExit: -1,
      cancelAttempts: 0,
      elapsedMs: 0,
      positions: this.ctx.desks.map(this.seams.positionOf),
    };
  }

  private async go(why: string): Promise<StopReport> {
    const { ctx, seams } = this;
    const startNs = ctx.clock.monoNs();
    seams.onBegin();
    for (const desk of ctx.desks) seams.pull(desk.asset, why);
    let attempts = 1;
    let nextAttemptNs = startNs + ctx.timings.cancelRetryMs * 1e6;
    let resting = -1;
    let nextRoundNs = startNs;
    while (resting !== 0) {
      const now = ctx.clock.monoNs();
      if (now >= this.untilMonoNs) break;
      for (const desk of ctx.desks) {
        for (const o of ctx.book.ofAsset(desk.asset)) if (!o.isTerminal) o.wantCancel = true;
      }
      seams.tend(now);
      if (now >= nextAttemptNs) {
        nextAttemptNs = now + ctx.timings.cancelRetryMs * 1e6;
        attempts++;
        if (attempts === RETRIES + 2) {
          ctx.log("warn", "Cancels still unconfirmed", { live: this.believedLive, attempts });
        }
      }
      if (now >= nextRoundNs) {
        // A question whose answer is lost must not cost the time of three.
        nextRoundNs = now + ASK_AGAIN_NS;
        void this.askResting().then((seen) => {
          const isQuiet = !this.outbox.hasOpeningInFlight && ctx.book.liveCount === 0;
          // Nothing may be on its way either: an order that lands after the answer would be left behind.
          if (seen === 0 && isQuiet) resting = 0;
          nextRoundNs = ctx.clock.monoNs() + (isQuiet && ctx.orphans.size === 0 ? 100e6 : 500e6);
        });
      }
      if (resting !== 0) await sleep(ctx.timers, POLL_MS);
    }
    await this.settleFills();
    seams.onCleared();
    for (const desk of ctx.desks) desk.markouts.finish();
    const report: StopReport = {
      isClean: resting === 0,
      isKilled: ctx.latch.isTripped(),
      killReason: ctx.latch.reason(),
      // The venue never said: what we believe, or -1 when even that is nothing.
      restingOrdersAtExit: resting === 0 ? 0 : this.believedLive || -1,
      cancelAttempts: attempts,
      elapsedMs: (ctx.clock.monoNs() - startNs) / 1e6,
      positions: ctx.desks.map(seams.positionOf),
    };
    ctx.log(report.isClean ? "info" : "error", "Stopped", {
      restingOrders: report.restingOrdersAtExit,
      cancelAttempts: attempts,
    });
    return report;
  }

  private get believedLive(): number {
    return this.ctx.book.liveCount + this.ctx.orphans.size;
  }

  /** Number of our orders that the venue lists; -1 when it does not answer. */
  private async askResting(): Promise<number> {
    try {
      const open = await this.auditor.ourOpenOrders();
      for (const u of open) {
        const o = this.ctx.book.get(u.cloid!);
        // Believed gone, yet listed: the answer may be older than the cancel. Ask for it by name.
        if (o?.isTerminal && !o.isClosedByUpdate) this.auditor.query(o);
      }
      return open.length;
    } catch (cause) {
      if (!this.isUnreachableLogged) this.seams.onTrouble("Open orders unknown", cause);
      this.isUnreachableLogged = true;
      return -1;
    }
  }

  /** The last fills, and one comparison with the venue's position, so that the closing figures are right. */
  private async settleFills(): Promise<void> {
    const untilNs = this.ctx.clock.monoNs() + SETTLE_FOR_NS;
    for (;;) {
      try {
        await this.auditor.resync();
        return;
      } catch (cause) {
        this.seams.onTrouble("Closing audit failed", cause);
      }
      if (this.ctx.clock.monoNs() >= untilNs) return;
      await sleep(this.ctx.timers, AUDIT_RETRY_MS);
    }
  }
}
