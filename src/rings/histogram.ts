import { attachSegment, createSegment, LINE_BYTES } from "./segment.js";

/**
 * Log-linear latency histogram in shared memory.
 *
 * Values below 64 ns have a bucket each; above, every power of two is cut into 64 equal buckets, so a bucket is never wider
 * than 1/64 of its lower bound. 2240 buckets reach 2^40 ns (18 minutes) in 18 KiB.
 *
 * | line | word     | writer | meaning                                             |
 * |------|----------|--------|-----------------------------------------------------|
 * | 0    | header   | creator| magic, version, layout hash, bucket count           |
 * | 1    | SUM, MAX | writer | f64 ns                                              |
 * | 2…   | counts   | writer | one f64 a bucket: exact to 2^53, an i32 would wrap within the hour at full backtest speed |
 *
 * Readers copy while the writer goes on: aligned 8-byte stores are not torn on x86-64 and arm64 (the JS memory model alone
 * would allow it), and the worst outcome here is one wrong figure in a report. A copy may be ahead in one word and behind in
 * another by the records written meanwhile.
 */
const SUB_BITS = 6;
const SUB_COUNT = 1 << SUB_BITS;
const RANGE_BITS = 40;
const BUCKET_COUNT = (RANGE_BITS - SUB_BITS + 1) * SUB_COUNT;
/** Largest value with a bucket of its own; greater ones are counted there. */
const RANGE_MAX_NS = 2 ** RANGE_BITS - 1;
const SUM = LINE_BYTES / 8;
const MAX = SUM + 1;
const COUNTS = (2 * LINE_BYTES) / 8;

export interface HistogramBucket {
  /** Largest whole ns counted here; Infinity for the last one. */
  readonly upperNs: number;
  /** Records in this bucket alone (not cumulative). */
  readonly count: number;
}

/** Allocates a histogram. */
export function createHistogram(): SharedArrayBuffer {
  return createSegment("histogram", (COUNTS + BUCKET_COUNT) * 8, BUCKET_COUNT);
}

function bucketIndex(wholeNs: number): number {
  if (wholeNs < SUB_COUNT) return wholeNs;
  if (wholeNs < 2 ** 31) {
    const exponent = 31 - Math.clz32(wholeNs);
    return ((exponent - SUB_BITS + 1) << SUB_BITS) + ((wholeNs >>> (exponent - SUB_BITS)) & (SUB_COUNT - 1));
  }
  // Above 2^31 the low 10 bits lie below the bucket width (2^25 at least): drop them to get back into 32-bit integers.
  const scaled = Math.floor(wholeNs / 1024);
  const exponent = 31 - Math.clz32(scaled);
  return (
    ((exponent + 10 - SUB_BITS + 1) << SUB_BITS) + ((scaled >>> (exponent - SUB_BITS)) & (SUB_COUNT - 1))
  );
}

function bucketUpperNs(index: number): number {
  if (index === BUCKET_COUNT - 1) return Number.POSITIVE_INFINITY;
  if (index < SUB_COUNT) return index;
  const shift = (index >> SUB_BITS) - 1;
  return (SUB_COUNT + (index & (SUB_COUNT - 1)) + 1) * 2 ** shift - 1;
}

/** Records and copies. Thread: one recorder; `snapshot` from any. */
export class LatencyHistogram {
  private readonly f64: Float64Array;

  /** @throws {Error} When `sab` is not a histogram of this build. */
  constructor(sab: SharedArrayBuffer) {
    attachSegment("histogram", sab);
    this.f64 = new Float64Array(sab);
  }

  /**
   * Counts one latency. Fractions of a ns are cut off; NaN and negative values (clocks of two threads may disagree by a few
   * ns) count as 0; infinity counts as the end of the range. Allocates: nothing.
   */
  record(ns: number): void {
    const whole = ns >= 1 ? (ns === Number.POSITIVE_INFINITY ? RANGE_MAX_NS : Math.floor(ns)) : 0;
    const at = COUNTS + bucketIndex(Math.min(whole, RANGE_MAX_NS));
    this.f64[at] = this.f64[at]! + 1;
    this.f64[SUM] = this.f64[SUM]! + whole;
    if (whole > this.f64[MAX]!) this.f64[MAX] = whole;
  }

  /** A private copy. Allocates: 18 KiB. */
  snapshot(): HistogramSnapshot {
    const counts = this.f64.slice(COUNTS);
    return new HistogramSnapshot(counts, this.f64[SUM]!, this.f64[MAX]!);
  }
}

/** An immutable copy of a histogram. Percentiles are at most 1/64 above the exact value and never below it. */
export class HistogramSnapshot {
  readonly count: number;
  readonly sumNs: number;
  /** Exact. 0 when empty. */
  readonly maxNs: number;

  constructor(
    private readonly counts: Float64Array,
    sumNs: number,
    maxNs: number,
  ) {
    let count = 0;
    for (const n of counts) count += n;
    this.count = count;
    this.sumNs = sumNs;
    this.maxNs = maxNs;
  }

  /** Exact mean. 0 when empty. */
  get meanNs(): number {
    return this.count === 0 ? 0 : this.sumNs / this.count;
  }

  /**
   * Nearest-rank percentile: the ⌈q·count⌉-th smallest record, as the upper bound of its bucket. 0 when empty.
   * @param q 0..1
   * @throws {RangeError} When q lies outside.
   */
  percentileNs(q: number): number {
    if (!(q >= 0 && q <= 1)) throw new RangeError(`percentile ${q} is outside 0..1`);
    const rank = Math.max(1, Math.ceil(q * this.count));
    let seen = 0;
    for (let index = 0; index < BUCKET_COUNT; index++) {
      seen += this.counts[index]!;
      if (seen >= rank) return Math.min(bucketUpperNs(index), this.maxNs);
    }
    return this.maxNs;
  }

  /** Records in buckets that end at or below `ns`: a Prometheus `le` bucket; its edge is sharp to 1/64. */
  countAtMost(ns: number): number {
    let count = 0;
    for (let index = 0; index < BUCKET_COUNT && bucketUpperNs(index) <= ns; index++)
      count += this.counts[index]!;
    return count;
  }

  /** The non-empty buckets, ascending. */
  *buckets(): Generator<HistogramBucket> {
    for (let index = 0; index < BUCKET_COUNT; index++) {
      const count = this.counts[index]!;
      if (count !== 0) yield { upperNs: bucketUpperNs(index), count };
    }
  }

  /** The histogram of both sets of records. */
  merge(other: HistogramSnapshot): HistogramSnapshot {
    const counts = this.counts.map((n, index) => n + other.counts[index]!);
    return new HistogramSnapshot(counts, this.sumNs + other.sumNs, Math.max(this.maxNs, other.maxNs));
  }
}
