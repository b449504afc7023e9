import { KillReason } from "../rings/index.js";
import { explainOrderError, ORDER_ERROR_HELP } from "../venues/order-errors.js";
import type { OrderErrorCode } from "../venues/port.js";
import type { ExecutorContext } from "./context.js";
import type { Desk } from "./desk.js";
import type { WindowCount } from "./window-count.js";

/** A reduce-only hold lasts this long, twice as long each time it must be repeated, up to the last. */
const HOLD_FIRST_NS = 10e9;
const HOLD_LAST_NS = 300e9;
/** Repeated this soon after its end, a hold or pause doubles. */
const REPEAT_WITHIN_NS = 120e9;
const PAUSE_DOUBLINGS_MAX = 3;
/** The same cause of one asset is told once in this time. */
const TELL_EVERY_NS = 60e9;

/**
 * From refusals to behaviour: back off, reduce only, compare anew, or stop for good, by the table of `venues/order-errors`.
 * Each reaction says in the log what it is for and what a person can do. Thread: main.
 */
export class Reactions {
  private readonly toldNs = new Map<string, number>();

  constructor(
    private readonly ctx: ExecutorContext,
    private readonly rejects: WindowCount,
    private readonly rateLimits: WindowCount,
    /** Compares everything with the venue before the next order. */
    private readonly onDoubt: () => void,
  ) {}

  /** One refused element. Repetitions while the reaction lasts change nothing. */
  onRefused(desk: Desk, code: OrderErrorCode, text: string): void {
    const now = this.ctx.clock.monoNs();
    const { reaction } = ORDER_ERROR_HELP[code];
    // A post-only order that lost a race to the market, or one that was just filled, is an everyday event.
    if (reaction !== "none" && code !== "RateLimited") this.rejects.add(now);
    switch (reaction) {
      case "none":
        return;
      case "count":
        break;
      case "back-off":
        // Rate limits are counted by the batch, not by the element.
        if (code !== "RateLimited") this.pause(desk, now, `paused: ${code}`);
        break;
      case "reduce-only":
        this.hold(desk, now, code);
        break;
      case "resync":
        this.pause(desk, now, `paused: ${code}`);
        this.onDoubt();
        break;
      case "kill":
        this.tell(desk, code, text, now);
        this.ctx.latch.trip(KillReason.NotAuthorised);
        return;
    }
    this.tell(desk, code, text, now);
  }

  /** A batch refused by a limit of the address or connection: every asset waits. */
  onRateLimited(): void {
    const now = this.ctx.clock.monoNs();
    this.ctx.counters.rateLimitErrors++;
    this.rateLimits.add(now);
    this.ctx.budget.doubt();
    for (const d of this.ctx.desks) this.pause(d, now, "rate limited");
  }

  private pause(desk: Desk, now: number, gate: string): void {
    if (now < desk.pausedUntilMonoNs) return;
    const isRepeated = now - desk.pausedUntilMonoNs < REPEAT_WITHIN_NS && desk.pausedUntilMonoNs > 0;
    desk.pauseDoublings = isRepeated ? Math.min(PAUSE_DOUBLINGS_MAX, desk.pauseDoublings + 1) : 0;
    desk.pauseGate = gate;
    desk.pausedUntilMonoNs = now + this.ctx.timings.rateLimitPauseMs * 1e6 * 2 ** desk.pauseDoublings;
  }

  private hold(desk: Desk, now: number, code: OrderErrorCode): void {
    if (now < desk.holdUntilMonoNs) return;
    const isRepeated = now - desk.holdUntilMonoNs < REPEAT_WITHIN_NS && desk.holdUntilMonoNs > 0;
    desk.holdNs = isRepeated ? Math.min(HOLD_LAST_NS, 2 * desk.holdNs) : HOLD_FIRST_NS;
    desk.holdUntilMonoNs = now + desk.holdNs;
    desk.holdCause = code;
  }

  private tell(desk: Desk, code: OrderErrorCode, text: string, now: number): void {
    const key = `${desk.asset} ${code}`;
    if (now - (this.toldNs.get(key) ?? Number.NEGATIVE_INFINITY) < TELL_EVERY_NS) return;
    this.toldNs.set(key, now);
    this.ctx.log(ORDER_ERROR_HELP[code].reaction === "kill" ? "error" : "warn", "Orders refused", {
      asset: desk.instrument.coin,
      why: explainOrderError(code),
      text,
    });
  }
}
