/**
 * Ten simulated minutes of quoting under every fault in turn and under random mixtures: whatever happens, nothing rests at the
 * end, position and money are the exchange's own, and no limit was ever exceeded.
 *
 * More seeds: `npm run soak` (or MM_SIM_SEEDS=n). One run again: MM_SIM_CASE=name MM_SIM_SEED=n, as a failure says.
 */
import { describe, expect, test } from "vitest";
import { CASES, type Outcome, play } from "./cases.js";

const seedCount = Number(process.env["MM_SIM_SEEDS"] ?? 1);
const onlyCase = process.env["MM_SIM_CASE"];
const onlySeed = process.env["MM_SIM_SEED"];
const isVerbose = onlyCase !== undefined && onlySeed !== undefined;
const MIXTURES = 20;
const MS_PER_RUN_MAX = 60_000;

function seedsOf(name: string): number[] {
  if (onlySeed !== undefined) return onlySeed.split(",").map(Number);
  return Array.from({ length: seedCount * (name === "mix" ? MIXTURES : 1) }, (_, i) => i + 1);
}

async function playSafe(name: string, seed: number): Promise<Outcome> {
  const again = `MM_SIM_CASE=${name} MM_SIM_SEED=${seed} npx vitest run test/simulation/faults.test.ts`;
  try {
    const outcome = await play(name, seed);
    if (isVerbose) console.log(`${outcome.log.join("\n")}\n${outcome.text}`);
    expect(outcome.complaints, `again: ${again}\n${outcome.text}`).toEqual([]);
    return outcome;
  } catch (cause) {
    console.error(`failed: ${again}`);
    throw cause;
  }
}

const names = (onlyCase?.split(",") ?? ["none", ...CASES, "mix"]).flatMap((name) =>
  seedsOf(name).map((seed) => [name, seed] as const),
);

describe("nothing rests, books agree, no limit is exceeded", () => {
  test.each(names)(
    "%s, seed %i",
    async (name, seed) => {
      const outcome = await playSafe(name, seed);
      const reached = { orders: outcome.orders > 20, fills: outcome.fills > 0 };
      expect(reached, outcome.text).toEqual({ orders: true, fills: true });
      // A run in which nothing went wrong proves nothing.
      if (name !== "none") expect(outcome.fired, outcome.text).toBeGreaterThan(0);
    },
    MS_PER_RUN_MAX,
  );
});
