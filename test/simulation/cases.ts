/** Which faults a run meets, by case name and seed; the name and the seed reproduce it. */
import { Rng } from "../../src/domain/index.js";
import { FAULT_KINDS, type FaultKind, type FaultRule } from "../../src/sim/index.js";
import { Verdict } from "./verdict.js";
import { quotingRun } from "./worlds.js";

export const RUN_MS = 600_000;
const FUNDING_USD = 100_000;

/** Mild and harsh, per kind: probability per frame, request or match. */
const RATES: Readonly<Record<FaultKind, readonly number[]>> = {
  delay: [0.02, 0.3],
  loss: [0.005, 0.08],
  duplicate: [0.02, 0.5],
  reorder: [0.02, 0.3],
  disconnect: [0.0005, 0.005],
  http429: [0.005, 0.05],
  http5xx: [0.005, 0.1],
  reject: [0.005, 0.1],
  staleBook: [0.002, 0.03],
  crossedBook: [0.005, 0.1],
  partialFills: [0.1, 0.5],
  clockSkew: [0.02, 0.5],
};

/** `delay@0.3`, `mix`. */
export const CASES: readonly string[] = FAULT_KINDS.flatMap((kind) =>
  RATES[kind].map((rate) => `${kind}@${rate}`),
);

export function rulesOf(name: string, seed: number): FaultRule[] {
  if (name === "none") return [];
  if (name !== "mix") {
    const [kind, rate] = name.split("@");
    return [{ kind: kind as FaultKind, rate: Number(rate) }];
  }
  const rng = new Rng(seed).fork("mixture");
  const chosen = FAULT_KINDS.filter(() => rng.uniform() < 0.4);
  const kinds = chosen.length > 0 ? chosen : [FAULT_KINDS[rng.below(FAULT_KINDS.length)]!];
  return kinds.map((kind) => {
    const [mild, harsh] = RATES[kind] as readonly [number, number];
    // Log-uniform up to a third of harsh: several of them meet.
    return { kind, rate: mild * (harsh / 3 / mild) ** rng.uniform() };
  });
}

export interface Outcome {
  readonly complaints: readonly string[];
  readonly fired: number;
  readonly fills: number;
  readonly orders: number;
  readonly isKilled: boolean;
  readonly killReason: number;
  readonly worstLots: number;
  readonly text: string;
  readonly log: readonly string[];
}

export async function play(name: string, seed: number, ms = RUN_MS): Promise<Outcome> {
  const log: string[] = [];
  // The plan logs before there is a run.
  let nowS = (): number => 0;
  const run = quotingRun({
    seed,
    faults: rulesOf(name, seed),
    fundingUsd: FUNDING_USD,
    log: (level, event, fields) => {
      if (level === "debug") return;
      log.push(`${nowS().toFixed(3)} ${level} ${event} ${JSON.stringify(fields ?? {})}`);
    },
  });
  nowS = () => run.time.monoNs() / 1e9;
  const verdict = new Verdict(run, FUNDING_USD);
  await run.start();
  await run.run(ms);
  const report = await run.stop();
  verdict.atEnd(report, "after the stop");
  // Whatever was late on its way arrives now.
  await run.run(20_000);
  verdict.atEnd(report, "20 s later");
  const counts = run.venue.faults.counts();
  const { executor } = run.engine;
  return {
    complaints: verdict.complaints,
    fired: Object.values(counts).reduce((a, b) => a + b, 0),
    fills: executor.fillsOf(0),
    orders: executor.counters.ordersPlaced + executor.counters.ordersModified,
    isKilled: report.isKilled,
    killReason: report.killReason,
    worstLots: verdict.worstLots,
    text: JSON.stringify({ counts, counters: executor.counters, gateway: run.gateway.counters }),
    log,
  };
}
