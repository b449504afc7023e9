import type { Side } from "../domain/index.js";

export const MARKOUT_HORIZONS_MS: readonly number[] = [500, 1_000, 5_000, 10_000, 60_000];

export interface AdverseSelectionOptions {
  readonly horizonsMs: readonly number[];
  /** Index of the horizon that feeds the running estimate: adverse selection flattens after 5 to 10 s. */
  readonly runningHorizon: number;
  readonly halfLifeFills: number;
  readonly priorBps: number;
  /** Weight of the prior in observations. */
  readonly priorCount: number;
  /** Mids kept for looking back; must cover the delay between a fill and its message. */
  readonly midCapacity: number;
}

export const DEFAULT_AS_OPTIONS: AdverseSelectionOptions = {
  horizonsMs: MARKOUT_HORIZONS_MS,
  runningHorizon: 2,
  halfLifeFills: 50,
  priorBps: 1.5,
  priorCount: 10,
  midCapacity: 4096,
};

/** Exponentially weighted mean per side with a prior: (Σ λ^k x_k + n0 prior) / (n + n0). Source: models.md §8.2. */
export class AsEwma {
  private readonly lambda: number;
  private bidSum = 0;
  private askSum = 0;
  bidCount = 0;
  askCount = 0;

  constructor(
    halfLifeFills: number,
    readonly priorBps: number,
    readonly priorCount: number,
  ) {
    this.lambda = 2 ** (-1 / halfLifeFills);
  }

  /** @param asBps positive: the price went against us. The sign is kept: absolute values would measure volatility. */
  add(side: Side, asBps: number): void {
    if (side > 0) {
      this.bidSum = this.lambda * this.bidSum + asBps;
      this.bidCount = this.lambda * this.bidCount + 1;
    } else {
      this.askSum = this.lambda * this.askSum + asBps;
      this.askCount = this.lambda * this.askCount + 1;
    }
  }

  get bidBps(): number {
    return (this.bidSum + this.priorCount * this.priorBps) / (this.bidCount + this.priorCount);
  }
  get askBps(): number {
    return (this.askSum + this.priorCount * this.priorBps) / (this.askCount + this.priorCount);
  }
  /** Both sides as one sample under one prior. */
  get bps(): number {
    const n = this.bidCount + this.askCount + this.priorCount;
    return (this.bidSum + this.askSum + this.priorCount * this.priorBps) / n;
  }
}

export interface HorizonSummary {
  readonly horizonMs: number;
  readonly count: number;
  /** Equal weights; NaN when there is no matured fill. Positive markout: we gained. */
  readonly markoutBpsMean: number;
  readonly asBpsMean: number;
  /** Weighted by size: what the account felt. */
  readonly markoutBpsSizeWeighted: number;
}

interface PendingFill {
  readonly tMs: number;
  readonly px: number;
  readonly side: Side;
  readonly szLots: number;
  readonly mid0: number;
}

/** One matured horizon of one fill, for those who want each (tests, reports). */
export interface MaturedMarkout {
  readonly fillIndex: number;
  readonly horizonIndex: number;
  readonly markoutBps: number;
  readonly asBps: number;
}

/**
 * Post-fill price behaviour at fixed horizons.
 *
 *   capture = s (M₀ − P)/M₀    AS_h = −s (M_h − M₀)/M₀    markout_h = s (M_h − P)/M₀ = capture − AS_h
 *
 * M_t is the last mid at or before t; times are one clock of the caller's choice (the engine uses exchange time, so that
 * message delay does not enter). A fill waits in one queue per horizon; a mid later than its horizon matures it with the
 * mid that stood then. Each mid costs one comparison per horizon; each matured fill one binary search.
 *
 * Thread: main. Allocates: one object per fill, nothing per mid. Source: models.md §8.1.
 */
export class Markouts {
  readonly running: AsEwma;
  /** Set to hear each matured horizon. */
  onMatured: ((m: MaturedMarkout) => void) | undefined;
  /** Fills that came before any mid, or so late that their mid was no longer kept. */
  unmeasured = 0;

  private readonly horizons: readonly number[];
  private readonly options: AdverseSelectionOptions;
  /** Ring of mids: times never fall, equal neighbours are merged. */
  private readonly times: Float64Array;
  private readonly mids: Float64Array;
  private midCount = 0;
  private lastMs = Number.NEGATIVE_INFINITY;
  /** Fills that some horizon still waits for; `base` is the number of the first. */
  private readonly fills: (PendingFill | undefined)[] = [];
  private base = 0;
  private readonly next: number[];
  private readonly count: Float64Array;
  private readonly markoutSum: Float64Array;
  private readonly asSum: Float64Array;
  private readonly weightedSum: Float64Array;
  private readonly weight: Float64Array;
  private captureSum = 0;
  private captureCount = 0;

  constructor(options: Partial<AdverseSelectionOptions> = {}) {
    this.options = { ...DEFAULT_AS_OPTIONS, ...options };
    this.horizons = this.options.horizonsMs;
    this.times = new Float64Array(this.options.midCapacity);
    this.mids = new Float64Array(this.options.midCapacity);
    this.next = this.horizons.map(() => 0);
    const n = this.horizons.length;
    this.count = new Float64Array(n);
    this.markoutSum = new Float64Array(n);
    this.asSum = new Float64Array(n);
    this.weightedSum = new Float64Array(n);
    this.weight = new Float64Array(n);
    this.running = new AsEwma(this.options.halfLifeFills, this.options.priorBps, this.options.priorCount);
  }

  /** A mid at a time; one that is older than the newest is dropped (streams may overtake each other). */
  onMid(tMs: number, mid: number): void {
    if (!(mid > 0) || !(tMs >= this.lastMs)) return;
    // Anything due strictly before this mid has seen its last mid.
    if (tMs > this.lastMs) this.mature(tMs, false);
    this.lastMs = tMs;
    const at = this.midCount % this.times.length;
    const before = (this.midCount - 1) % this.times.length;
    if (this.midCount > 0 && this.times[before] === tMs) {
      this.mids[before] = mid;
      return;
    }
    if (this.midCount > 0 && this.mids[before] === mid) return;
    this.times[at] = tMs;
    this.mids[at] = mid;
    this.midCount++;
  }

  /** Capture in bps of the mid at the fill, or NaN when that mid is not known. */
  onFill(tMs: number, px: number, side: Side, szLots: number): number {
    const mid0 = this.midAt(tMs);
    if (Number.isNaN(mid0)) this.unmeasured++;
    this.fills.push(Number.isNaN(mid0) ? undefined : { tMs, px, side, szLots, mid0 });
    if (Number.isNaN(mid0)) return Number.NaN;
    const capture = (side * (mid0 - px) * 1e4) / mid0;
    this.captureSum += capture;
    this.captureCount++;
    if (tMs < this.lastMs) this.mature(this.lastMs, false);
    return capture;
  }

  /** Matures what ends at or before the last mid; a horizon beyond it has no answer. Call once, at the end. */
  finish(): void {
    this.mature(this.lastMs, true);
  }

  summary(): HorizonSummary[] {
    return this.horizons.map((horizonMs, h) => ({
      horizonMs,
      count: this.count[h]!,
      markoutBpsMean: this.markoutSum[h]! / this.count[h]!,
      asBpsMean: this.asSum[h]! / this.count[h]!,
      markoutBpsSizeWeighted: this.weightedSum[h]! / this.weight[h]!,
    }));
  }

  /** Mean distance from the mid at which we were filled, bps; NaN before the first fill. */
  get captureBpsMean(): number {
    return this.captureSum / this.captureCount;
  }

  private mature(nowMs: number, isEnd: boolean): void {
    const end = this.base + this.fills.length;
    for (let h = 0; h < this.horizons.length; h++) {
      while (this.next[h]! < end) {
        const index = this.next[h]!;
        const fill = this.fills[index - this.base];
        if (fill !== undefined) {
          const due = fill.tMs + this.horizons[h]!;
          if (!isEnd && due >= nowMs) break;
          if (due <= nowMs) this.take(fill, index, h, this.midAt(due));
        }
        this.next[h] = index + 1;
      }
    }
    let done = end;
    for (const n of this.next) if (n < done) done = n;
    // Let go in blocks: shifting an array for each fill would cost more than keeping a few.
    if (done - this.base >= 64 || (done === end && done > this.base)) {
      this.fills.splice(0, done - this.base);
      this.base = done;
    }
  }

  private take(fill: PendingFill, fillIndex: number, h: number, mid: number): void {
    if (Number.isNaN(mid)) return;
    const perBps = 1e4 / fill.mid0;
    const asBps = -fill.side * (mid - fill.mid0) * perBps;
    const markoutBps = fill.side * (mid - fill.px) * perBps;
    this.count[h]!++;
    this.markoutSum[h]! += markoutBps;
    this.asSum[h]! += asBps;
    this.weightedSum[h]! += markoutBps * fill.szLots;
    this.weight[h]! += fill.szLots;
    if (h === this.options.runningHorizon) this.running.add(fill.side, asBps);
    this.onMatured?.({ fillIndex, horizonIndex: h, markoutBps, asBps });
  }

  /** Last mid at or before t; NaN when there is none or it is no longer kept. */
  private midAt(tMs: number): number {
    const size = this.times.length;
    let lo = Math.max(0, this.midCount - size);
    let hi = this.midCount - 1;
    if (hi < lo || this.times[lo % size]! > tMs) return Number.NaN;
    while (lo < hi) {
      const half = (lo + hi + 1) >>> 1;
      if (this.times[half % size]! <= tMs) lo = half;
      else hi = half - 1;
    }
    return this.mids[lo % size]!;
  }
}
