import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { StrategyType } from "../../src/abi/layout.js";
import {
  checkProportion,
  composeTerms,
  DEFAULT_KERNEL_PARAMS,
  type KernelParams,
  type MarketLevels,
} from "../../src/kernels/index.js";
import { Rig, terms } from "./rig.js";

const BTC_LIKE: MarketLevels = { sigmaBps: 0.6, kappaPerBps: 0.5, arrivalPerS: 2 };
const codes = (params: Partial<KernelParams>, market: Partial<MarketLevels> = {}): string[] =>
  checkProportion({ ...DEFAULT_KERNEL_PARAMS, ...params }, { ...BTC_LIKE, ...market }).map((p) => p.code);

describe("proportion check", () => {
  test("the defaults pass on markets from quiet to lively", () => {
    for (const sigmaBps of [0.35, 0.5, 1]) {
      for (const kappaPerBps of [0.15, 0.5, 2]) expect(codes({}, { sigmaBps, kappaPerBps })).toEqual([]);
    }
  });

  test.each<[string, Partial<KernelParams>, Partial<MarketLevels>, string]>([
    ["gamma per fraction of price, read per bp", { gammaPerBps: 0.3e-4 }, {}, "skew-out-of-proportion"],
    ["gamma a hundred times too high", { gammaPerBps: 30 }, {}, "skew-out-of-proportion"],
    [
      "a horizon of an hour in a lively market",
      { horizonS: 3600 },
      { sigmaBps: 2 },
      "skew-out-of-proportion",
    ],
    ["sigma as a fraction", {}, { sigmaBps: 1e-4 }, "sigma-unit"],
    ["kappa per fraction", {}, { kappaPerBps: 2000 }, "kappa-unit"],
    ["fee and adverse selection beyond max depth", { makerFeeBps: 60 }, {}, "no-profitable-level"],
    [
      "the public Hawkes default that explodes",
      { hawkesAlphaSelf: 0.3, hawkesBeta: 0.1 },
      {},
      "hawkes-explosive",
    ],
    ["no skew at all", { maxSkewRatio: 0 }, {}, "skew-out-of-proportion"],
  ])("%s is reported", (_, params, market, code) => {
    expect(codes(params, market)).toContain(code);
  });

  test("every message is one line that names a value", () => {
    const all = checkProportion(
      { ...DEFAULT_KERNEL_PARAMS, gammaPerBps: 30, makerFeeBps: 60 },
      { sigmaBps: 1e-4, kappaPerBps: 2000, arrivalPerS: 1 },
    );
    expect(all.length).toBeGreaterThan(2);
    for (const p of all) expect(p.message).toMatch(/^[^\n]*\d[^\n]*$/);
  });

  test("the closed form agrees with the kernel's published terms", () => {
    const rig = new Rig();
    rig.warm(110_000, 0.5, 1);
    const pos = (min: number, max: number) => fc.double({ min, max, noNaN: true });
    fc.assert(
      fc.property(
        pos(0.1, 10),
        pos(0.02, 2),
        pos(0.05, 5),
        pos(-1, 1),
        pos(1, 3),
        fc.constantFrom(0, 60, 300),
        fc.constantFrom(StrategyType.Glft, StrategyType.Ladder),
        (sigma, kappa, gamma, ratio, spreadMult, horizonS, strategy) => {
          const params: KernelParams = {
            ...DEFAULT_KERNEL_PARAMS,
            strategy,
            gammaPerBps: gamma,
            spreadMult,
            horizonS,
            sigmaFloorBps: sigma,
            sigmaCapBps: sigma,
            kappaMinPerBps: kappa,
            kappaMaxPerBps: kappa,
            kappaPriorPerBps: kappa,
            // Above half a tick at this price, which the closed form does not know.
            makerFeeBps: 1,
            latencyFloorS: 10,
          };
          rig.configure(params);
          const lots = Math.round(ratio * params.maxPosLots);
          rig.position(lots);
          const kernel = terms(rig.quote());
          const closed = composeTerms(
            params,
            { sigmaBps: sigma, kappaPerBps: kappa, arrivalPerS: kernel.arrival },
            lots / params.maxPosLots,
          );
          const latencyFloor = sigma * Math.sqrt(20 / Math.PI);
          if (strategy === StrategyType.Ladder || latencyFloor > 1.1)
            expect(closed.halfSpreadBps).toBeCloseTo(kernel.half, 9);
          expect(closed.rawSkewBps).toBeCloseTo(kernel.rawSkew, 6);
          expect(closed.skewBps).toBeCloseTo(kernel.skew, 6);
        },
      ),
      { seed: 5, numRuns: 200 },
    );
  });
});
