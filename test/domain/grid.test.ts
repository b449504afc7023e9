/**
 * Prices, sizes and values against the venue's rules (reference §6.2–6.4), judged on wire strings by a checker that shares
 * nothing with the integer arithmetic it judges.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  closesPosition,
  decimalToWire,
  type Instrument,
  isBelowMinNotional,
  isOnGrid,
  pow10,
  pxTicks,
  pxToTicks,
  roundToGrid,
  Side,
  stepTicks,
  szLots,
  szToLots,
  wireToDecimal,
} from "../../src/domain/index.js";
import { ActionEncoder } from "../../src/venues/hyperliquid/actions.js";
import type { Meta, SpotMeta } from "../../src/venues/hyperliquid/info.js";
import { instrumentsFromMeta, spotInstrument } from "../../src/venues/hyperliquid/symbols.js";

const SEED = 62;
const spotMeta = (szDecimals: number): SpotMeta => ({
  universe: [{ tokens: [1, 0], name: "PURR/USDC", index: 0 }],
  tokens: [
    { name: "USDC", szDecimals: 8, weiDecimals: 8, index: 0, tokenId: "0x0" },
    { name: "PURR", szDecimals, weiDecimals: 8, index: 1, tokenId: "0x1" },
  ],
});
const perp = (szDecimals: number, name = "C", dexIndex = 0): Instrument =>
  instrumentsFromMeta({ universe: [{ name, szDecimals, maxLeverage: 10 }] } satisfies Meta, [name], {
    dexIndex,
  })[0]!;

/** Every kind of market with every number of size decimals that it can have. */
const MARKETS: readonly (readonly [string, Instrument, maxDecimals: number])[] = [
  ...[0, 1, 2, 3, 4, 5, 6].map((d) => [`perp, szDecimals ${d}`, perp(d), 6 - d] as const),
  ...[0, 3, 6].map((d) => [`HIP-3, szDecimals ${d}`, perp(d, "xyz:C", 1), 6 - d] as const),
  ...[0, 1, 2, 3, 4, 5, 6, 7, 8].map(
    (d) => [`spot, szDecimals ${d}`, spotInstrument(spotMeta(d), "PURR", 0), 8 - d] as const,
  ),
];

/** The rules as they are written, on the text: decimals, then significant figures, integers always. */
function venueAccepts(text: string, maxDecimals: number): boolean {
  const m = /^(0|[1-9]\d*)(?:\.(\d*[1-9]))?$/.exec(text);
  if (m === null || text === "0") return false;
  const [, whole = "", frac = ""] = m;
  if (frac.length > maxDecimals) return false;
  if (frac === "") return true;
  return `${whole}${frac}`.replace(/^0+/, "").length <= 5;
}

describe("the tables of the reference", () => {
  const accepts = (inst: Instrument, text: string): boolean => {
    const ticks = wireToDecimal(text, inst.pxDecimals);
    return ticks !== undefined && isOnGrid(inst, ticks);
  };
  test.each<[number, number, string[], string[]]>([
    [5, 1, ["97123", "9712.3", "123456", "1234567"], ["97123.5", "0.05"]],
    [4, 2, ["3650.2", "365.25"], ["3650.25", "36.255"]],
    [1, 5, ["0.01234"], ["0.012345"]],
    [0, 6, ["0.001234", "1234.5"], ["0.0012345", "1234.56"]],
  ])("szDecimals %i of a perpetual: %i decimals", (szDecimals, maxDecimals, ok, notOk) => {
    const inst = perp(szDecimals);
    expect(inst.pxDecimals).toBe(maxDecimals);
    for (const text of ok)
      expect([text, accepts(inst, text), venueAccepts(text, maxDecimals)]).toEqual([text, true, true]);
    for (const text of notOk)
      expect([text, accepts(inst, text), venueAccepts(text, maxDecimals)]).toEqual([text, false, false]);
  });

  test("a spot pair has two decimals more", () => {
    const inst = spotInstrument(spotMeta(0), "PURR", 0);
    expect(["0.00012345", "0.0001234", "12.345", "123456"].map((t) => accepts(inst, t))).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(["0.000123456", "123.456", "0.123456"].map((t) => accepts(inst, t))).toEqual([
      false,
      false,
      false,
    ]);
  });

  test("the tick changes at powers of ten and is never more than one", () => {
    const btc = perp(5);
    const tickAt = (px: number): string => decimalToWire(stepTicks(btc, Math.round(px * 10)), 1);
    expect([0.1, 9.9, 9_999.9, 10_000, 99_999, 100_000, 1_234_567].map(tickAt)).toEqual([
      ...["0.1", "0.1", "0.1", "1", "1", "1", "1"],
    ]);
    const doge = perp(0);
    const dogeTick = (px: string): string => decimalToWire(stepTicks(doge, wireToDecimal(px, 6)!), 6);
    expect(
      ["0.001", "0.099999", "0.1", "0.99999", "1", "9.9999", "10", "1000", "10000"].map(dogeTick),
    ).toEqual([...["0.000001", "0.000001", "0.00001", "0.00001", "0.0001", "0.0001", "0.001", "0.1", "1"]]);
  });
});

/** Prices over the whole range, and the neighbourhood of each power of ten, in ticks with fractions. */
const ticksOf = (inst: Instrument): fc.Arbitrary<number> => {
  const max = Math.min(Number.MAX_SAFE_INTEGER / 4, 10 ** 7 * pow10(inst.pxDecimals));
  const near = fc
    .tuple(
      fc.nat({ max: Math.floor(Math.log10(max)) }),
      fc.integer({ min: -12, max: 12 }),
      fc.constantFrom(0, 0.25, 0.5, 0.9),
    )
    .map(([e, d, f]) => 10 ** e + d + f);
  const anywhere = fc
    .tuple(fc.double({ min: 0, max: Math.log10(max), noNaN: true }), fc.constantFrom(0, 0.3, 0.75))
    .map(([e, f]) => Math.floor(10 ** e) + f);
  return fc.oneof(near, anywhere).filter((t) => t > 0.01);
};
const side = fc.constantFrom(Side.Buy, Side.Sell);

/**
 * The best legal price between the chosen one and the wanted one, if any. It would be a multiple of some power of ten, and
 * the first such multiple beyond the chosen price is legal too and no farther: so only those are looked at.
 */
function betterPrice(
  inst: Instrument,
  maxDecimals: number,
  chosen: number,
  wanted: number,
  of: Side,
): number | undefined {
  for (let unit = 1; unit <= 10 ** 14; unit *= 10) {
    const next =
      of === Side.Buy ? Math.floor(chosen / unit) * unit + unit : Math.ceil(chosen / unit) * unit - unit;
    const isBetween = of === Side.Buy ? next > chosen && next <= wanted : next < chosen && next >= wanted;
    if (isBetween && next > 0 && venueAccepts(decimalToWire(next, inst.pxDecimals), maxDecimals)) return next;
  }
  return undefined;
}

describe.each(MARKETS)("%s", (_, inst, maxDecimals) => {
  test("decimals are those of the rule", () => {
    expect(inst.pxDecimals).toBe(maxDecimals);
  });

  test("every price that is produced is legal, on the safe side, and the nearest there", () => {
    fc.assert(
      fc.property(ticksOf(inst), side, (wanted, of) => {
        const chosen = roundToGrid(inst, wanted, of);
        if (chosen === undefined) {
          expect(of === Side.Buy && wanted < 1).toBe(true);
          return;
        }
        const text = decimalToWire(chosen, inst.pxDecimals);
        expect([text, venueAccepts(text, maxDecimals)]).toEqual([text, true]);
        // The tolerance absorbs the error of px × 10^n, so that a price that is legal already stays.
        if (of === Side.Buy) expect(chosen).toBeLessThanOrEqual(wanted + 1e-6);
        else expect(chosen).toBeGreaterThanOrEqual(wanted - 1e-6);
        expect(betterPrice(inst, maxDecimals, chosen, wanted, of)).toBeUndefined();
        expect(roundToGrid(inst, chosen, of)).toBe(chosen);
      }),
      { numRuns: 400, seed: SEED },
    );
  });

  test("a price is on the grid exactly when the venue accepts its text", () => {
    fc.assert(
      fc.property(ticksOf(inst), (t) => {
        const ticks = Math.max(1, Math.floor(t));
        const text = decimalToWire(ticks, inst.pxDecimals);
        expect([text, isOnGrid(inst, ticks)]).toEqual([text, venueAccepts(text, maxDecimals)]);
      }),
      { numRuns: 400, seed: SEED },
    );
  });

  test("what is signed and sent is that text, and a size of whole lots that was never rounded up", () => {
    const encoder = new ActionEncoder([{ ...inst, asset: 0 }]);
    fc.assert(
      fc.property(ticksOf(inst), side, fc.double({ min: 1e-8, max: 1e6, noNaN: true }), (wanted, of, sz) => {
        const px = roundToGrid(inst, wanted, of);
        const lots = szToLots(inst, sz);
        if (px === undefined || lots < 1) return;
        const cloid = `0x${"0".repeat(32)}` as const;
        encoder.placeOrders([
          {
            asset: 0,
            side: of,
            pxTicks: pxTicks(px),
            szLots: szLots(lots),
            tif: "Alo",
            reduceOnly: false,
            cloid,
          },
        ]);
        const sent = JSON.parse(Buffer.from(encoder.actionJson).toString()) as {
          orders: { p: string; s: string }[];
        };
        const { p, s } = sent.orders[0]!;
        expect([p, venueAccepts(p, maxDecimals)]).toEqual([decimalToWire(px, inst.pxDecimals), true]);
        expect(s).toMatch(
          inst.szDecimals === 0 ? /^\d+$/ : new RegExp(`^\\d+(\\.\\d{1,${inst.szDecimals}})?$`),
        );
        expect(lots).toBeLessThanOrEqual(sz * pow10(inst.szDecimals) * (1 + 1e-15) + 1e-6);
      }),
      { numRuns: 150, seed: SEED },
    );
  });

  test("the minimum is ten units, to the last lot", () => {
    fc.assert(
      fc.property(ticksOf(inst), fc.integer({ min: -3, max: 3 }), (t, d) => {
        const ticks = Math.max(1, Math.floor(t));
        const scale = 10n ** BigInt(inst.pxDecimals + inst.szDecimals);
        const lots = Math.max(1, Number((10n * scale) / BigInt(ticks)) + d);
        expect(isBelowMinNotional(inst, ticks, lots)).toBe(BigInt(ticks) * BigInt(lots) < 10n * scale);
      }),
      { numRuns: 200, seed: SEED },
    );
  });
});

describe("the order that closes a whole position", () => {
  const order = (of: Side, lots: number, reduceOnly: boolean): Parameters<typeof closesPosition>[0] => ({
    side: of,
    szLots: lots,
    reduceOnly,
  });

  test("is as large as the position, or reduce-only and larger; a partial close is not", () => {
    expect(closesPosition(order(Side.Sell, 3, false), 3)).toBe(true);
    expect(closesPosition(order(Side.Sell, 4, true), 3)).toBe(true);
    expect(closesPosition(order(Side.Sell, 4, false), 3)).toBe(false);
    expect(closesPosition(order(Side.Sell, 2, true), 3)).toBe(false);
    expect(closesPosition(order(Side.Buy, 3, true), -3)).toBe(true);
  });

  test("is on the other side: nothing closes a flat position", () => {
    expect(closesPosition(order(Side.Buy, 3, true), 3)).toBe(false);
    expect(closesPosition(order(Side.Buy, 3, true), 0)).toBe(false);
  });
});

describe("names", () => {
  const meta: SpotMeta = {
    universe: [
      { tokens: [1, 0], name: "PURR/USDC", index: 0, isCanonical: true },
      { tokens: [150, 0], name: "@107", index: 107, isCanonical: false },
      { tokens: [150, 235], name: "@207", index: 207, isCanonical: false },
      { tokens: [99, 0], name: "@3", index: 3 },
    ],
    tokens: [
      { name: "USDC", szDecimals: 8, weiDecimals: 8, index: 0, tokenId: "0x0" },
      { name: "USDE", szDecimals: 2, weiDecimals: 8, index: 235, tokenId: "0x3" },
      { name: "HYPE", szDecimals: 2, weiDecimals: 8, index: 150, tokenId: "0x2" },
      { name: "PURR", szDecimals: 0, weiDecimals: 5, index: 1, tokenId: "0x1" },
    ],
  };

  test.each([
    ["PURR/USDC", "PURR/USDC", 10_000, 0],
    ["PURR", "PURR/USDC", 10_000, 0],
    ["@107", "@107", 10_107, 2],
    ["HYPE/USDC", "@107", 10_107, 2],
    ["HYPE", "@107", 10_107, 2],
    ["HYPE/USDE", "@207", 10_207, 2],
  ])("spot %s is %s with id %i", (name, coin, venueAssetId, szDecimals) => {
    expect(spotInstrument(meta, name, 4)).toMatchObject({
      ...{ asset: 4, coin, venueAssetId, szDecimals },
      ...{ pxDecimals: 8 - szDecimals, minNotionalUsd: 10, maxLeverage: 1 },
    });
  });

  test("a spot pair that is not listed suggests near names; one of an unlisted token is a bad answer", () => {
    expect(() => spotInstrument(meta, "hype", 0)).toThrow(/"hype" is not listed.*HYPE\/USDC/);
    expect(() => spotInstrument(meta, "@3", 0)).toThrow(/spotMeta: @3 names token 99/);
  });

  test("a market of a builder-deployed dex has the id of its dex and place", () => {
    expect(perp(3, "test:ABC", 1)).toMatchObject({ coin: "test:ABC", venueAssetId: 110_000 });
  });

  test("szDecimals that the rule cannot hold are refused", () => {
    expect(() => perp(7)).toThrow(/szDecimals 7, more than 6/);
  });

  test("a legal price as a double keeps its tick", () => {
    const inst = perp(4);
    for (const text of ["0.01", "0.29", "1.1", "3650.2", "365.25", "99999"]) {
      const ticks = pxToTicks(inst, Number(text));
      for (const of of [Side.Buy, Side.Sell])
        expect(decimalToWire(roundToGrid(inst, ticks, of)!, inst.pxDecimals)).toBe(text);
    }
  });
});
