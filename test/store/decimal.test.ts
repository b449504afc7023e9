import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DecimalReader } from "../../src/store/tape/decimal.js";

const reader = new DecimalReader();

describe("decimal reader", () => {
  it.each([
    ["0.00341", 5, 341, true],
    ["61837.63000000", 8, 6183763000000, true],
    ["0.02000000", 5, 2000, true],
    ["1e-05", 5, 1, true],
    ["9e-05", 5, 9, true],
    ["1.5e-05", 5, 1, false],
    ["1E+3", 2, 100000, true],
    ["0", 5, 0, true],
    ["0.000", 5, 0, true],
    ["0.000019", 5, 1, false],
    ["109755", 1, 1097550, true],
    ["1e-30", 5, 0, false],
  ])("reads %s at %i decimals as %i", (text, decimals, value, isExact) => {
    expect(reader.floor(text, decimals)).toBe(value);
    expect(reader.isExact).toBe(isExact);
  });

  it.each([
    "",
    ".",
    "-1",
    "abc",
    "1.2.3",
    "1e",
    "1e-",
    "1e99",
    "0x10",
    " 1",
    "1 ",
    "NaN",
    "Infinity",
    "99999999999999999999",
  ])("refuses %j", (text) => {
    expect(reader.floor(text, 5)).toBeNaN();
  });

  it("rounds up only what is not exact", () => {
    expect(reader.ceil("61837.64", 1)).toBe(618377);
    expect(reader.ceil("61837.60", 1)).toBe(618376);
    expect(reader.floor("61837.64", 1)).toBe(618376);
  });

  it("agrees with big-integer arithmetic on every decimal", () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 9_999_999 }),
        fc.stringMatching(/^\d{1,9}$/),
        fc.integer({ min: -8, max: 3 }),
        fc.integer({ min: 0, max: 8 }),
        (whole, frac, exponent, decimals) => {
          const text = `${whole}.${frac}${exponent === 0 ? "" : `e${exponent}`}`;
          const shift = decimals - frac.length + exponent;
          const digits = BigInt(`${whole}${frac}`);
          const scale = 10n ** BigInt(Math.abs(shift));
          const exact = shift >= 0 ? digits * scale : digits / scale;
          const value = reader.floor(text, decimals);
          if (exact <= BigInt(Number.MAX_SAFE_INTEGER) && digits <= BigInt(Number.MAX_SAFE_INTEGER)) {
            expect(BigInt(value)).toBe(exact);
            expect(reader.isExact).toBe(shift >= 0 || digits % scale === 0n);
          } else expect(Number.isNaN(value) || BigInt(value) === exact).toBe(true);
        },
      ),
      { seed: 20240808, numRuns: 3000 },
    );
  });
});
