import type { FundingEvent } from "../venues/port.js";
import type { ExecutorContext } from "./context.js";

/** Funding is paid by the hour: what is missing meanwhile is small. */
const ASK_EVERY_NS = 300e9;
/** Payments may be listed some time after the moment they are for. */
const LATE_MS = 60_000;

/**
 * Funding that our positions received and paid, by the venue's own list: part of the profit, and of what the limits of loss
 * are held against. Each payment is booked once, however often it is listed. Thread: main.
 */
export class FundingAudit {
  private readonly seen = new Set<string>();
  /** Payments up to then are part of the account value that was adopted. */
  private adoptedExchMs = Number.POSITIVE_INFINITY;
  private newestExchMs = 0;
  private askedMonoNs = Number.NEGATIVE_INFINITY;

  constructor(private readonly ctx: ExecutorContext) {}

  adopt(exchMs: number): void {
    this.adoptedExchMs = exchMs;
    this.newestExchMs = exchMs;
    this.askedMonoNs = this.ctx.clock.monoNs();
  }

  get isDue(): boolean {
    return this.ctx.clock.monoNs() - this.askedMonoNs > ASK_EVERY_NS;
  }

  /** @throws whatever the gateway throws. */
  async repair(): Promise<void> {
    const { ctx } = this;
    if (ctx.gateway.fundingsSince === undefined) return;
    const askedMonoNs = ctx.clock.monoNs();
    const payments = await ctx.gateway.fundingsSince(
      Math.max(this.adoptedExchMs, this.newestExchMs - LATE_MS),
    );
    for (const payment of payments) this.book(payment);
    this.askedMonoNs = askedMonoNs;
  }

  private book({ coin, usd, exchMs }: FundingEvent): void {
    const desk = this.ctx.deskOfCoin.get(coin);
    const key = `${coin}|${exchMs}`;
    if (desk === undefined || exchMs <= this.adoptedExchMs || this.seen.has(key)) return;
    this.seen.add(key);
    this.newestExchMs = Math.max(this.newestExchMs, exchMs);
    desk.fundingUsd += usd;
    this.ctx.log("info", "Funding", { asset: coin, usd, sumUsd: desk.fundingUsd });
  }
}
