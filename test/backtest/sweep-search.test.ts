import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { makeSearch, type SearchKind } from "../../src/backtest/sweep/search.js";
import {
  asToml,
  checkSpace,
  gridOf,
  type Param,
  type Params,
  paramsAt,
  parseParam,
  readSpace,
  valueAt,
  withParams,
} from "../../src/backtest/sweep/space.js";
import type { Trial } from "../../src/backtest/sweep/trial.js";
import { configSchema } from "../../src/config/schema.js";
import { Rng } from "../../src/domain/index.js";

const base = configSchema.parse({ network: { private_key: `0x${"ab".repeat(32)}` } });

describe("space", () => {
  test.each([
    ["trading.risk_aversion=0.05:1:log", { lo: 0.05, hi: 1, isLog: true, isInteger: false, steps: 5 }],
    ["x=1:9:int:3", { lo: 1, hi: 9, isLog: false, isInteger: true, steps: 3 }],
    ["x=2,5,8", { kind: "choice", values: [2, 5, 8] }],
    ["x=true,false", { kind: "choice", values: [true, false] }],
    ["strategy.strategy_type=glft, ladder,glft", { kind: "choice", values: ["glft", "ladder"] }],
  ])("reads %s", (text, want) => {
    expect(parseParam(text)).toMatchObject(want);
  });

  test.each([
    ["x", /want key=/],
    ["=1:2", /want key=/],
    ["x=2:1", /low below high/],
    ["x=0:1:log", /above 0/],
    ["x=1:2:cubic", /cubic/],
    ["x=1:2.5:int", /whole/],
  ])("refuses %s", (text, why) => {
    expect(() => parseParam(text)).toThrow(why);
  });

  test("a TOML file says the same as the options", () => {
    const dir = mkdtempSync(join(tmpdir(), "mm-space-"));
    try {
      const file = join(dir, "space.toml");
      writeFileSync(
        file,
        '[params]\n"trading.risk_aversion" = { low = 0.05, high = 1.0, log = true }\n[params.strategy.ladder_config]\nmin_depth_bps = [2, 5]\n',
      );
      expect(readSpace(file)).toEqual([
        parseParam("trading.risk_aversion=0.05:1:log"),
        parseParam("strategy.ladder_config.min_depth_bps=2,5"),
      ]);
      writeFileSync(file, "[params]\nx = { low = 1, high = 2, lag = true }\n");
      expect(() => readSpace(file)).toThrow(/unknown key "lag"/);
      writeFileSync(file, "[params\n");
      expect(() => readSpace(file)).toThrow(/space\.toml:/);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  test("law: every place in the unit interval is a value inside the range, whole where asked", () => {
    const spec = fc.record({
      lo: fc.integer({ min: 1, max: 50 }),
      width: fc.integer({ min: 1, max: 50 }),
      isLog: fc.boolean(),
      isInteger: fc.boolean(),
    });
    fc.assert(
      fc.property(spec, fc.double({ min: 0, max: 1, noNaN: true }), ({ lo, width, isLog, isInteger }, u) => {
        const param: Param = { key: "x", kind: "range", lo, hi: lo + width, isLog, isInteger, steps: 5 };
        const v = valueAt(param, u) as number;
        expect(v).toBeGreaterThanOrEqual(lo);
        expect(v).toBeLessThanOrEqual(lo + width);
        if (isInteger) expect(Number.isInteger(v)).toBe(true);
      }),
      { seed: 11 },
    );
  });

  test("keys are checked against the configuration's options before anything runs", () => {
    const check = (text: string): void => checkSpace([parseParam(text)], base);
    expect(() => check("strategy.ladder_config.min_depth_bps=1,2")).not.toThrow();
    expect(() => check("trading.risk_aversoin=1,2")).toThrow(/no option/);
    expect(() => check("network.private_key=1,2")).toThrow(/decides nothing/);
    expect(() => checkSpace([], base)).toThrow(/nothing to vary/);
  });

  test("values that do not go together are refused, and no secret comes along", () => {
    expect(() =>
      withParams(base, {
        "strategy.ladder_config.min_depth_bps": 9,
        "strategy.ladder_config.max_depth_bps": 5,
      }),
    ).toThrow(/min_depth_bps is greater/);
    const made = withParams(base, { "trading.risk_aversion": 0.7 });
    expect(made.trading.risk_aversion).toBe(0.7);
    expect(JSON.stringify(made)).not.toContain("abab");
    expect(base.trading.risk_aversion).toBe(0.3);
  });

  test("a candidate is written as lines for the configuration file", () => {
    expect(asToml({ "trading.risk_aversion": 0.7, "strategy.strategy_type": "glft" })).toBe(
      '[trading]\nrisk_aversion = 0.7\n\n[strategy]\nstrategy_type = "glft"\n',
    );
  });
});

/** The best value found, 0 at the optimum. */
function searchFor(
  kind: SearchKind,
  space: readonly Param[],
  loss: (p: Params) => number,
  seed: number,
  budget = 80,
): number {
  const search = makeSearch(kind, space, new Rng(seed));
  const told: Trial[] = [];
  while (told.length < budget) {
    for (const point of search.propose(8, told))
      told.push({ point, score: -loss(paramsAt(space, point)), violation: 0 });
  }
  return -Math.max(...told.map((t) => t.score));
}

const axis = (key: string, lo: number, hi: number): Param => ({
  key,
  kind: "range",
  lo,
  hi,
  isLog: false,
  isInteger: false,
  steps: 5,
});
const xs = (p: Params): number[] => Object.values(p).filter((v) => typeof v === "number");

/** Standard test functions, shifted so that no optimum lies in the middle. */
const FUNCTIONS: Record<string, { space: readonly Param[]; loss: (p: Params) => number }> = {
  "sphere, 5 dimensions": {
    space: ["a", "b", "c", "d", "e"].map((k) => axis(k, -5, 5)),
    loss: (p) => xs(p).reduce((s, x) => s + (x - 1.7) ** 2, 0),
  },
  Branin: {
    space: [axis("a", -5, 10), axis("b", 0, 15)],
    loss: (p) => {
      const [x, y] = xs(p) as [number, number];
      const bowl = y - (5.1 * x * x) / (4 * Math.PI ** 2) + (5 * x) / Math.PI - 6;
      return bowl ** 2 + 10 * (1 - 1 / (8 * Math.PI)) * Math.cos(x) + 10 - 0.397887;
    },
  },
  Rosenbrock: {
    space: [axis("a", -2, 2), axis("b", -1, 3)],
    loss: (p) => {
      const [x, y] = xs(p) as [number, number];
      return 100 * (y - x * x) ** 2 + (1 - x) ** 2;
    },
  },
  "Rastrigin, 3 dimensions": {
    space: ["a", "b", "c"].map((k) => axis(k, -5.12, 5.12)),
    loss: (p) => xs(p).reduce((s, x) => s + 10 + (x - 0.9) ** 2 - 10 * Math.cos(2 * Math.PI * (x - 0.9)), 0),
  },
  "a choice and a logarithmic range": {
    space: [parseParam("kind=w,x,y,z,q,r"), parseParam("rate=0.0001:1:log")],
    loss: (p) => (p["kind"] === "y" ? 0 : 1) + Math.log10((p["rate"] as number) / 0.003) ** 2,
  },
};

describe("search", () => {
  test.each(Object.entries(FUNCTIONS))("tpe finds more than random with as many tries: %s", (_, f) => {
    const seeds = Array.from({ length: 15 }, (_, i) => i + 1);
    const middle = (kind: SearchKind): number =>
      seeds.map((s) => searchFor(kind, f.space, f.loss, s)).sort((a, b) => a - b)[7]!;
    const [tpe, random] = [middle("tpe"), middle("random")];
    expect(tpe).toBeLessThan(0.6 * random);
  });

  test("a grid takes every combination once, and ends", () => {
    const space = [parseParam("a=1:3:3"), parseParam("b=x,y"), parseParam("c=1:100:log:int:3")];
    const search = makeSearch("grid", space, new Rng(1));
    const seen: string[] = [];
    for (let points = search.propose(5, []); points.length > 0; points = search.propose(5, []))
      seen.push(...points.map((p) => JSON.stringify(paramsAt(space, p))));
    expect(search.size).toBe(18);
    expect(seen).toHaveLength(18);
    expect(new Set(seen).size).toBe(18);
    expect(seen).toContain('{"a":1,"b":"x","c":1}');
    expect(seen).toContain('{"a":3,"b":"y","c":100}');
    expect(gridOf(parseParam("n=1:3:int:9"))).toHaveLength(3);
  });

  test("the same seed and the same news give the same proposals; another seed does not", () => {
    const { space, loss } = FUNCTIONS["Branin"]!;
    expect(searchFor("tpe", space, loss, 5)).toBe(searchFor("tpe", space, loss, 5));
    expect(searchFor("tpe", space, loss, 5)).not.toBe(searchFor("tpe", space, loss, 6));
  });

  test("points that break a constraint repel, however well they score", () => {
    const space = [axis("a", 0, 1)];
    const search = makeSearch("tpe", space, new Rng(3));
    const told: Trial[] = [];
    for (let batch = 0; batch < 10; batch++)
      for (const point of search.propose(8, told)) {
        const [x] = point as [number];
        told.push({ point, score: 10 * x, violation: Math.max(0, x - 0.5) });
      }
    const late = told.slice(40).map((t) => t.point[0]!);
    expect(late.filter((x) => x <= 0.5).length / late.length).toBeGreaterThan(0.6);
  });
});
