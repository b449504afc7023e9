import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readTapeMarket } from "../../src/backtest/fit-run.js";
import {
  type FittedModels,
  fitDelay,
  fitQueue,
  fitRun,
  loadFitted,
  modelsOf,
} from "../../src/backtest/index.js";
import { readOwnRequests } from "../../src/backtest/own-latency.js";
import { Rng } from "../../src/domain/index.js";
import { readRunFacts } from "../../src/engine/journal-facts.js";
import { journalToTape } from "../../src/engine/journal-tape.js";
import { syntheticJournal, type Truth } from "./synthetic-journal.js";

const lognormal = (rng: Rng, n: number, medianMs: number, sigma: number): number[] =>
  Array.from({ length: n }, () => medianMs * Math.exp(sigma * rng.normal()));

describe("a delay", () => {
  test("from a log-normal is recovered within three standard errors, on every seed", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const fit = fitDelay(lognormal(new Rng(seed), 1000, 40, 0.4))!;
      const { medianMs, sigma, medianStdErrorMs, sigmaStdError, ks } = fit.lognormal;
      expect(Math.abs(medianMs - 40)).toBeLessThan(3.5 * medianStdErrorMs);
      expect(Math.abs(sigma - 0.4)).toBeLessThan(3.5 * sigmaStdError);
      expect(ks).toBeLessThan(0.05);
      expect(fit.chosen.kind).toBe("lognormal");
    }
  });

  test("of two kinds is no log-normal: the measured quantiles are drawn from", () => {
    const rng = new Rng(1);
    const fit = fitDelay([...lognormal(rng, 500, 5, 0.1), ...lognormal(rng, 500, 100, 0.1)])!;
    expect(fit.lognormal.ks).toBeGreaterThan(0.2);
    expect(fit.chosen.kind).toBe("recorded");
    const { samplesMs } = fit.chosen as { samplesMs: readonly number[] };
    expect(samplesMs[50]).toBeCloseTo(5, 0);
    expect(samplesMs[150]! > 80 && samplesMs[150]! < 120).toBe(true);
  });

  test("of too few samples is not guessed; what is not above zero is left out and counted", () => {
    expect(fitDelay([1, 2, 3])).toBeUndefined();
    expect(fitDelay([0, -1, ...lognormal(new Rng(1), 50, 10, 0.3)])).toMatchObject({
      samples: 50,
      dropped: 2,
    });
  });
});

describe("a queue", () => {
  test("that nobody was filled in tells nothing", () => {
    expect(
      fitQueue([{ aheadLots: 100, steps: [{ kind: "trade", lots: 5, filledLots: 0, ourLots: 5 }] }]),
    ).toBeUndefined();
  });
});

const TRUTH: Truth = {
  feed: { medianMs: 8, sigma: 0.6 },
  order: { medianMs: 35, sigma: 0.35 },
  ack: { medianMs: 18, sigma: 0.25 },
  power: 2,
  orders: 250,
  offsetMs: 37.25,
};

describe("a queue nobody stands behind us in", () => {
  test("is the same under every power: nothing is chosen", () => {
    const trace = {
      aheadLots: 1000,
      steps: [
        { kind: "level", lots: 500 },
        { kind: "trade", lots: 505, filledLots: 5, ourLots: 10 },
      ],
    } as const;
    const fit = fitQueue(Array.from({ length: 30 }, () => trace))!;
    expect(fit.nStdError).toBeNull();
    expect(fit.chosen).toEqual({ kind: "risk-averse" });
    expect(JSON.parse(JSON.stringify(fit))).toEqual(fit);
  });
});

describe("a journal with known delays and a known queue", () => {
  const dir = mkdtempSync(join(tmpdir(), "mm-fit-test-"));
  const fits = new Map<number, FittedModels>();
  const powers = [0.7, 2, 4];
  beforeAll(async () => {
    for (const power of powers) {
      const own = mkdtempSync(join(dir, "journal-"));
      const journal = await syntheticJournal(own, 10 + power, { ...TRUTH, power });
      const { path } = journalToTape(journal, power === 2 ? join(dir, "two.mmt") : join(own, "run.mmt"));
      fits.set(power, fitRun(readRunFacts(journal), journal.runId, path, 1_760_000_000_000));
    }
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  test("gives back both ways of an order within its stated error", () => {
    for (const fit of fits.values()) {
      for (const name of ["order", "ack"] as const) {
        const { samples, lognormal: l } = fit.latency[name]!;
        expect(samples).toBe(TRUTH.orders);
        // Half a millisecond is the venue's stamp.
        expect(Math.abs(l.medianMs - TRUTH[name].medianMs)).toBeLessThan(3.5 * l.medianStdErrorMs + 0.3);
        expect(Math.abs(l.sigma - TRUTH[name].sigma)).toBeLessThan(3.5 * l.sigmaStdError + 0.02);
        expect(l.ks).toBeLessThan(0.1);
      }
    }
  });

  test("gives back the feed beyond its fastest message", () => {
    const { lognormal: l } = fits.get(2)!.latency.feed!;
    expect(Math.abs(l.medianMs - 8)).toBeLessThan(1);
    expect(Math.abs(l.sigma - 0.6)).toBeLessThan(0.1);
  });

  test("gives back the queue's power, and prefers it to the conservative rule", () => {
    for (const power of powers) {
      const q = fits.get(power)!.queue!;
      expect(Math.abs(q.n - power), `n ${q.n} for ${power}`).toBeLessThan(
        Math.max(0.15 * power, 3 * q.nStdError!),
      );
      expect(q.nStdError!).toBeGreaterThan(0);
      expect(q.nStdError!).toBeLessThan(power);
      expect(q.fills).toBeGreaterThan(50);
      expect(q.logLikelihood).toBeGreaterThan(q.riskAverseLogLikelihood);
    }
  });

  test("is a file that a backtest takes, with its evidence", () => {
    const fit = fits.get(2)!;
    const file = join(dir, "fitted.json");
    writeFileSync(file, JSON.stringify(fit));
    const { latency, queue, assumptions } = loadFitted(file);
    expect(latency.order.kind).toBe("lognormal");
    expect(queue).toEqual({ kind: "power", n: fit.queue!.n });
    expect(assumptions[0]).toMatch(/^fitted 2025-10-09T.* from synthetic/);
    expect(assumptions.join("\n")).toMatch(
      /order latency: log-normal, median 3\d\.\d+ ms.*250 samples, KS 0\.0/,
    );
  });

  test("its tape holds the run's requests and the venue's words, and no book with ourselves in it", () => {
    const tape = join(dir, "two.mmt");
    const { requests } = readOwnRequests([tape]);
    expect(requests).toHaveLength(TRUTH.orders);
    const mean = (of: (r: (typeof requests)[number]) => number): number =>
      requests.reduce((sum, r) => sum + of(r), 0) / requests.length / 1e6;
    const expected = (d: { medianMs: number; sigma: number }): number =>
      d.medianMs * Math.exp(d.sigma ** 2 / 2);
    // The venue's stamps are cut to whole milliseconds.
    expect(Math.abs(mean((r) => r.thereNs - r.sentNs) + 0.5 - expected(TRUTH.order))).toBeLessThan(2.5);
    expect(Math.abs(mean((r) => r.heardNs - r.thereNs) - 0.5 - expected(TRUTH.ack))).toBeLessThan(1);
    expect(readTapeMarket(tape, "BTC").ownOrders).toBe("apart");
  });

  test("what could not be fitted falls back to the defaults and says so", () => {
    const fit = fits.get(2)!;
    const { queue, assumptions } = modelsOf({ ...fit, queue: null });
    expect(queue).toEqual({ kind: "risk-averse" });
    expect(assumptions.join("\n")).toMatch(/too few fills/);
  });

  test("another file is refused by name", () => {
    const file = join(dir, "other.json");
    writeFileSync(file, "{}");
    expect(() => loadFitted(file)).toThrow(/other\.json is not a file of fitted models/);
    expect(() => loadFitted(join(dir, "none.json"))).toThrow(/none\.json cannot be read/);
  });
});

describe("the journal of a paper run", () => {
  const dir = mkdtempSync(join(tmpdir(), "mm-fit-paper-"));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  test("gives back its queue, whatever lies between the clocks, and the latencies that were assumed", async () => {
    const journal = await syntheticJournal(dir, 12, { ...TRUTH, offsetMs: 730.25, isPaper: true });
    const { path } = journalToTape(journal, join(dir, "run.mmt"));
    const fit = fitRun(readRunFacts(journal), journal.runId, path, 1_760_000_000_000);
    const q = fit.queue!;
    expect(q.fills).toBeGreaterThan(50);
    expect(Math.abs(q.n - TRUTH.power), `n ${q.n}`).toBeLessThan(0.5);
    expect(fit.latency).toMatchObject({ order: null, ack: null });
    const { latency, assumptions } = modelsOf(fit);
    expect(latency.order).toEqual({ kind: "lognormal", ...TRUTH.order });
    expect(latency.ack).toEqual({ kind: "lognormal", ...TRUTH.ack });
    expect(assumptions.join("\n")).toMatch(
      /order latency: log-normal, median 35 ms.*assumed by the paper run/,
    );
    expect(readTapeMarket(path, "BTC").ownOrders).toBe("paper");
    expect(() => readOwnRequests([path])).toThrow(/paper run's/);
  });
});
