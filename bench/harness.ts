/**
 * The two ways in which this project measures (STYLE §8): `micro` batches short calls through tinybench, `Samples` collects
 * single latencies. Every suite returns plain results; `main.ts` prints them and writes the JSON.
 */
import { Bench } from "tinybench";
import type { Instrument } from "../src/domain/index.js";

/** The market of every bench. */
export const BTC: Instrument = {
  asset: 0,
  venueAssetId: 0,
  coin: "BTC",
  pxDecimals: 1,
  szDecimals: 5,
  maxSigFigs: 5,
  minNotionalUsd: 10,
  maxLeverage: 40,
};

export interface BenchResult {
  readonly name: string;
  readonly unit: "ns" | "us";
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  readonly count: number;
  /** Budget of DESIGN §11 for p50 in the same unit, where one exists. */
  readonly budgetP50?: number;
  readonly note?: string;
}

export interface BenchContext {
  /** True in CI smoke runs: the smallest size that still executes every path once. */
  readonly isSmoke: boolean;
  readonly seed: number;
}

export interface BenchSuite {
  readonly name: string;
  run(ctx: BenchContext): Promise<BenchResult[]>;
}

/** Collected latencies in ns; sorts once at the end. */
export class Samples {
  private readonly values: Float64Array;
  private used = 0;

  constructor(capacity: number) {
    this.values = new Float64Array(capacity);
  }

  add(ns: number): void {
    if (this.used < this.values.length) this.values[this.used++] = ns;
  }

  result(name: string, unit: "ns" | "us", extra: { budgetP50?: number; note?: string } = {}): BenchResult {
    const sorted = this.values.subarray(0, this.used).sort();
    const scale = unit === "us" ? 1000 : 1;
    const at = (q: number): number =>
      this.used === 0 ? Number.NaN : sorted[Math.min(this.used - 1, Math.floor(q * this.used))]! / scale;
    return {
      name,
      unit,
      p50: at(0.5),
      p99: at(0.99),
      p999: at(0.999),
      max: at(1),
      count: this.used,
      ...extra,
    };
  }
}

/**
 * Times `fn` in batches of `batch` calls (anything under ~200 ns must be batched: an empty tinybench task reads 40 ns) and
 * divides. Percentiles are over batches.
 */
export async function micro(
  name: string,
  fn: () => void,
  options: {
    batch: number;
    iterations: number;
    isSmoke: boolean;
    unit?: "ns" | "us";
    budgetP50?: number;
    note?: string;
  },
): Promise<BenchResult> {
  const iterations = options.isSmoke ? 5 : options.iterations;
  const bench = new Bench({ time: 0, iterations, warmupIterations: options.isSmoke ? 1 : 50, warmupTime: 0 });
  const { batch } = options;
  const samples = new Samples(iterations + 1);
  bench.add(name, () => {
    const t0 = process.hrtime.bigint();
    for (let i = 0; i < batch; i++) fn();
    samples.add(Number(process.hrtime.bigint() - t0) / batch);
  });
  await bench.run();
  return samples.result(name, options.unit ?? "ns", {
    ...(options.budgetP50 === undefined ? {} : { budgetP50: options.budgetP50 }),
    note: [options.note, batch > 1 ? `batches of ${batch}` : ""].filter(Boolean).join("; "),
  });
}
