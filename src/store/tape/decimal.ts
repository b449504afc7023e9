/**
 * Reads recorded decimals as integers of 10^-decimals by integer arithmetic: no detour through a binary fraction.
 * Recorders written in Python print small sizes as `1e-05`, so exponents are read too.
 */
const POW10 = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

const CODE_0 = 48;
const CODE_9 = 57;
const CODE_DOT = 46;
const CODE_MINUS = 45;
const CODE_PLUS = 43;

export class DecimalReader {
  /** False when the last number read had digits below 10^-decimals, which were cut off. */
  isExact = true;

  /**
   * The number in `text` × 10^decimals, floored.
   * @returns NaN for anything that is not a non-negative decimal number within 2^53.
   * Allocates: nothing.
   */
  floor(text: string, decimals: number): number {
    this.isExact = true;
    const end = text.length;
    let mantissa = 0;
    let fracDigits = 0;
    // Zeros after the point count only when a digit follows: "0.02000000" must not need 10 digits of room.
    let pendingZeros = 0;
    let digits = 0;
    let i = 0;
    let isFraction = false;
    for (; i < end; i++) {
      const code = text.charCodeAt(i);
      if (code >= CODE_0 && code <= CODE_9) {
        digits++;
        const digit = code - CODE_0;
        if (!isFraction) mantissa = mantissa * 10 + digit;
        else if (digit === 0) pendingZeros++;
        else {
          fracDigits += pendingZeros + 1;
          for (; pendingZeros > 0; pendingZeros--) mantissa *= 10;
          mantissa = mantissa * 10 + digit;
        }
        if (mantissa > Number.MAX_SAFE_INTEGER) return Number.NaN;
      } else if (code === CODE_DOT && !isFraction) isFraction = true;
      else break;
    }
    if (digits === 0) return Number.NaN;
    let exponent = 0;
    if (i < end) {
      const code = text.charCodeAt(i++);
      if (code !== 101 && code !== 69) return Number.NaN; // e, E
      let sign = 1;
      const signCode = text.charCodeAt(i);
      if (signCode === CODE_MINUS || signCode === CODE_PLUS) {
        if (signCode === CODE_MINUS) sign = -1;
        i++;
      }
      if (i === end || end - i > 3) return Number.NaN;
      for (; i < end; i++) {
        const digit = text.charCodeAt(i) - CODE_0;
        if (digit < 0 || digit > 9) return Number.NaN;
        exponent = exponent * 10 + digit;
      }
      exponent *= sign;
    }
    if (mantissa === 0) return 0;
    let shift = decimals - fracDigits + exponent;
    let value = mantissa;
    if (shift >= 0) {
      if (shift > 15) return Number.NaN;
      value *= POW10[shift]!;
      return value <= Number.MAX_SAFE_INTEGER ? value : Number.NaN;
    }
    while (shift < 0) {
      const step = shift < -15 ? 15 : -shift;
      const scale = POW10[step]!;
      // The quotient of two safe integers never rounds up to the next integer, so floor is exact.
      const whole = Math.floor(value / scale);
      if (whole * scale !== value) this.isExact = false;
      value = whole;
      shift += step;
    }
    return value;
  }

  /** As `floor`, rounded up. */
  ceil(text: string, decimals: number): number {
    const value = this.floor(text, decimals);
    return this.isExact ? value : value + 1;
  }
}
