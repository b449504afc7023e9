/**
 * The mark price of a market without the outside world: medians and averages of its own book around its oracle.
 *
 * Source: reference/hyperliquid-api.md 8.9, items 1 and 2 and the 30 s average that joins when exactly two exist. Without
 * an oracle item 2 stands alone.
 */

/** Time-weighted exponential average: value = Σ x·dt·e^(−age/τ) / Σ dt·e^(−age/τ). */
export class Ema {
  private num = 0;
  private den = 0;
  private lastMs: number | undefined;
  value = 0;

  constructor(private readonly tauMs: number) {}

  add(x: number, nowMs: number): number {
    const dt = this.lastMs === undefined ? 0 : nowMs - this.lastMs;
    if (this.lastMs === undefined) this.value = x;
    else if (dt > 0) {
      const decay = Math.exp(-dt / this.tauMs);
      // The first sample has no duration of its own; it stands for the time until the second.
      if (this.den === 0) {
        this.num = this.value * dt;
        this.den = dt;
      }
      this.num = this.num * decay + x * dt;
      this.den = this.den * decay + dt;
      this.value = this.num / this.den;
    }
    this.lastMs = nowMs;
    return this.value;
  }
}

const median3 = (a: number, b: number, c: number): number =>
  Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));

export class MarkPrice {
  private readonly basis = new Ema(150_000);
  private readonly local = new Ema(30_000);

  /**
   * Folds one look at the book in.
   * @returns the mark in ticks (fractional), or 0 when nothing is known.
   */
  update(bid: number, ask: number, last: number, oracle: number, nowMs: number): number {
    const isTwoSided = bid > 0 && ask > 0;
    const local = isTwoSided ? median3(bid, ask, last || (bid + ask) / 2) : last;
    if (local === 0) return oracle;
    if (oracle === 0) return local;
    const smooth = this.local.add(local, nowMs);
    const mid = isTwoSided ? (bid + ask) / 2 : local;
    return median3(oracle + this.basis.add(mid - oracle, nowMs), local, smooth);
  }
}
