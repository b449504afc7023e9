/**
 * A byte scanner over JSON: finds its way through a frame without making a string, an object or a number on the heap.
 *
 * The frame is copied into an owned buffer that ends in a zero byte. Zero is no part of any JSON token outside a string and
 * is refused inside one, so no loop below needs a length check, and the frame's own class and offset never reach hot code.
 *
 * Every method takes a position and returns the position after what it read, or -1. Numbers go to `out[slot]` rather than
 * being returned: a double returned by a call that is not inlined would be boxed.
 *
 * Thread: ingest. Allocates: nothing, except for numbers of more than 15 significant digits or with an exponent.
 */
const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const DOT = 0x2e;
const MINUS = 0x2d;
const PLUS = 0x2b;
const ZERO = 0x30;

/** Keys of the hot messages; everything else is `Other`. */
export const Key = {
  Other: 0,
  Channel: 1,
  Data: 2,
  Coin: 3,
  Time: 4,
  Levels: 5,
  Bbo: 6,
  Px: 7,
  Sz: 8,
  N: 9,
  Side: 10,
  Tid: 11,
} as const;
export type Key = (typeof Key)[keyof typeof Key];

/** Little-endian word of up to four ASCII characters, for comparing with an unaligned read. */
export const word = (text: string): number => {
  let w = 0;
  for (let i = text.length - 1; i >= 0; i--) w = (w << 8) | text.charCodeAt(i);
  return w;
};

const W_BBO = word("bbo");
const W_TID = word("tid");
const W_COIN = word("coin");
const W_TIME = word("time");
const W_SIDE = word("side");
const W_DATA = word("data");
const W_LEVE = word("leve");
const W_LS = word("ls");
const W_CHAN = word("chan");
const W_NNEL = word("nnel");
const W_PX = word("px");
const W_SZ = word("sz");
const W_RUE = word("rue\0") & 0xffffff;
const W_ALSE = word("alse");
const W_ULL = word("ull\0") & 0xffffff;

/** 10^0 .. 10^22: the powers of ten that a double holds exactly. */
export const POW10 = Float64Array.from({ length: 23 }, (_, i) => Number(`1e${i}`));
/** Integer mantissas up to this many digits are exact, so that mantissa / 10^k is rounded once, hence correctly. */
const EXACT_DIGITS = 15;
/** Longer than any price: a hostile number is refused before it costs anything. */
const MAX_NUMBER_CHARS = 64;
/** Nesting of skipped values; the deepest known venue message has 6. */
const MAX_DEPTH = 32;
/** Templates and words may be read this far past the sentinel. */
const PADDING = 64;

export class JsonScanner {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly out: Float64Array;
  /** Low and high limb of the last `u64`. */
  readonly limbs = new Uint32Array(2);
  /** What the last `key` was. */
  keyId: Key = Key.Other;

  constructor(maxBytes: number, slots: number) {
    this.bytes = new Uint8Array(maxBytes + PADDING);
    this.view = new DataView(this.bytes.buffer);
    this.out = new Float64Array(slots);
  }

  load(frame: Uint8Array): void {
    this.bytes.set(frame);
    this.bytes[frame.length] = 0;
  }

  skipSpace(p: number): number {
    const b = this.bytes;
    let c = b[p]!;
    while (c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09) c = b[++p]!;
    return p;
  }

  /** `p` on an opening brace or bracket: the first item, or the closing one. */
  open(p: number, bracket: number): number {
    return this.bytes[p] === bracket ? this.skipSpace(p + 1) : -1;
  }

  /** After an item: the next item's first byte, or the closing bracket itself. */
  next(p: number, close: number): number {
    const b = this.bytes;
    p = this.skipSpace(p);
    const c = b[p]!;
    if (c === close) return p;
    if (c !== COMMA) return -1;
    p = this.skipSpace(p + 1);
    return b[p] === close ? -1 : p;
  }

  /** `p` on a key's opening quote: the first byte of its value; `keyId` names the key. */
  key(p: number): number {
    const b = this.bytes;
    if (b[p] !== QUOTE) return -1;
    const start = ++p;
    let c = b[p]!;
    while (c !== QUOTE && c !== BACKSLASH && c >= 0x20) c = b[++p]!;
    if (c === QUOTE) {
      this.keyId = this.nameKey(start, p - start);
      p++;
    } else {
      // A key written with escapes is none of ours; its spelling is only validated.
      p = this.skipString(start - 1);
      if (p < 0) return -1;
      this.keyId = Key.Other;
    }
    if (b[p] !== COLON) {
      p = this.skipSpace(p);
      if (b[p] !== COLON) return -1;
    }
    return this.skipSpace(p + 1);
  }

  private nameKey(at: number, length: number): Key {
    const v = this.view;
    const w = v.getUint32(at, true);
    switch (length) {
      case 1:
        return (w & 0xff) === 0x6e ? Key.N : Key.Other;
      case 2: {
        const w2 = w & 0xffff;
        return w2 === W_PX ? Key.Px : w2 === W_SZ ? Key.Sz : Key.Other;
      }
      case 3: {
        const w3 = w & 0xffffff;
        return w3 === W_TID ? Key.Tid : w3 === W_BBO ? Key.Bbo : Key.Other;
      }
      case 4:
        if (w === W_COIN) return Key.Coin;
        if (w === W_TIME) return Key.Time;
        if (w === W_SIDE) return Key.Side;
        return w === W_DATA ? Key.Data : Key.Other;
      case 6:
        return w === W_LEVE && v.getUint16(at + 4, true) === W_LS ? Key.Levels : Key.Other;
      case 7:
        return w === W_CHAN && v.getUint32(at + 3, true) === W_NNEL ? Key.Channel : Key.Other;
      default:
        return Key.Other;
    }
  }

  skipString(p: number): number {
    const b = this.bytes;
    const v = this.view;
    if (b[p] !== QUOTE) return -1;
    for (;;) {
      // Four bytes at a time while none of them can end the string or be refused: hashes and addresses are long.
      while (!mayEndString(v.getInt32(p + 1, true))) p += 4;
      let c = b[++p]!;
      while (c !== QUOTE && c !== BACKSLASH && c >= 0x20) c = b[++p]!;
      if (c === QUOTE) return p + 1;
      if (c !== BACKSLASH) return -1;
      c = b[++p]!;
      if (c === 0x75) {
        for (let i = 0; i < 4; i++) if (!isHex(b[++p]!)) return -1;
      } else if (!isEscape(c)) return -1;
    }
  }

  /** Any JSON value, validated and ignored. */
  skipValue(p: number, depth = 0): number {
    const b = this.bytes;
    const c = b[p]!;
    if (c === QUOTE) return this.skipString(p);
    if (c === OPEN_BRACE || c === OPEN_BRACKET) {
      if (depth >= MAX_DEPTH) return -1;
      const isObject = c === OPEN_BRACE;
      const close = isObject ? CLOSE_BRACE : CLOSE_BRACKET;
      p = this.skipSpace(p + 1);
      while (b[p] !== close) {
        if (isObject) p = this.key(p);
        if (p >= 0) p = this.skipValue(p, depth + 1);
        if (p >= 0) p = this.next(p, close);
        if (p < 0) return -1;
      }
      return p + 1;
    }
    if (c === 0x74) return (this.view.getUint32(p + 1, true) & 0xffffff) === W_RUE ? p + 4 : -1;
    if (c === 0x66) return this.view.getUint32(p + 1, true) === W_ALSE ? p + 5 : -1;
    if (c === 0x6e) return this.skipNull(p);
    return this.skipNumber(p);
  }

  /** After `null`, or -1. */
  skipNull(p: number): number {
    if (this.bytes[p] !== 0x6e) return -1;
    return (this.view.getUint32(p + 1, true) & 0xffffff) === W_ULL ? p + 4 : -1;
  }

  private skipNumber(p: number): number {
    const b = this.bytes;
    if (b[p] === MINUS) p++;
    if (b[p] === ZERO) p++;
    else {
      p = this.skipDigits(p);
      if (p < 0) return -1;
    }
    if (b[p] === DOT) {
      p = this.skipDigits(p + 1);
      if (p < 0) return -1;
    }
    return this.skipExponent(p);
  }

  private skipExponent(p: number): number {
    const b = this.bytes;
    if ((b[p]! | 0x20) !== 0x65) return p;
    p++;
    if (b[p] === PLUS || b[p] === MINUS) p++;
    return this.skipDigits(p);
  }

  private skipDigits(p: number): number {
    const b = this.bytes;
    const start = p;
    while (b[p]! >= ZERO && b[p]! <= 0x39) p++;
    return p === start ? -1 : p;
  }

  /**
   * A non-negative decimal, quoted or bare, into `out[slot]`, equal to what `Number()` makes of it.
   * Up to nine digits the mantissa is a 32-bit integer; the rest goes the long way.
   */
  decimal(p: number, slot: number): number {
    const b = this.bytes;
    const isQuoted = b[p] === QUOTE;
    if (isQuoted) p++;
    const start = p;
    let mantissa = 0;
    let d = b[p]! - ZERO;
    if (d === 0) p++;
    else {
      if (d < 0 || d > 9) return -1;
      do {
        mantissa = (mantissa * 10 + d) | 0;
        d = b[++p]! - ZERO;
      } while (d >= 0 && d <= 9);
    }
    let scale = 0;
    if (b[p] === DOT) {
      const fraction = ++p;
      d = b[p]! - ZERO;
      while (d >= 0 && d <= 9) {
        mantissa = (mantissa * 10 + d) | 0;
        d = b[++p]! - ZERO;
      }
      scale = p - fraction;
      if (scale === 0) return -1;
    }
    if (p - start > (scale === 0 ? 9 : 10) || (b[p]! | 0x20) === 0x65) {
      p = this.decimalLong(start, slot);
      if (p < 0) return -1;
    } else this.out[slot] = mantissa / POW10[scale]!;
    if (!isQuoted) return p;
    return b[p] === QUOTE ? p + 1 : -1;
  }

  /** As `decimal` without the quotes; integer and fraction are known to be well-formed, an exponent is not. */
  private decimalLong(start: number, slot: number): number {
    const b = this.bytes;
    let p = start;
    let mantissa = 0;
    let digits = 0;
    let scale = 0;
    let isFraction = false;
    for (; ; p++) {
      const d = b[p]! - ZERO;
      if (d >= 0 && d <= 9) {
        if (digits > 0 || d > 0) digits++;
        if (digits <= EXACT_DIGITS) mantissa = mantissa * 10 + d;
        if (isFraction) scale++;
      } else if (b[p] === DOT && !isFraction) isFraction = true;
      else break;
    }
    const end = this.skipExponent(p);
    if (end < 0 || end - start > MAX_NUMBER_CHARS) return -1;
    if (end === p && digits <= EXACT_DIGITS && scale <= 22) this.out[slot] = mantissa / POW10[scale]!;
    else {
      const value = Number(String.fromCharCode(...b.subarray(start, end)));
      if (!Number.isFinite(value)) return -1;
      this.out[slot] = value;
    }
    return end;
  }

  /** A non-negative integer of at most 15 digits, quoted or bare, into `out[slot]`. */
  integer(p: number, slot: number): number {
    const b = this.bytes;
    const isQuoted = b[p] === QUOTE;
    if (isQuoted) p++;
    const start = p;
    let value = 0;
    let d = b[p]! - ZERO;
    while (d >= 0 && d <= 9) {
      value = value * 10 + d;
      d = b[++p]! - ZERO;
    }
    const digits = p - start;
    if (digits === 0 || digits > EXACT_DIGITS || (digits > 1 && b[start] === ZERO)) return -1;
    this.out[slot] = value;
    if (!isQuoted) return p;
    return b[p] === QUOTE ? p + 1 : -1;
  }

  /** An unsigned 64-bit integer, quoted or bare, into `limbs`. */
  u64(p: number): number {
    const b = this.bytes;
    const isQuoted = b[p] === QUOTE;
    if (isQuoted) p++;
    const start = p;
    let head = 0;
    let tail = 0;
    let tailScale = 1;
    let d = b[p]! - ZERO;
    while (d >= 0 && d <= 9) {
      if (p - start < EXACT_DIGITS) head = head * 10 + d;
      else {
        tail = tail * 10 + d;
        tailScale *= 10;
      }
      d = b[++p]! - ZERO;
      if (p - start > 20) return -1;
    }
    if (p === start || (p - start > 1 && b[start] === ZERO)) return -1;
    // head < 10^15 and tailScale <= 10^5: both products below stay under 2^53.
    let high = Math.floor(head / 0x100000000);
    const low = (head - high * 0x100000000) * tailScale + tail;
    const carry = Math.floor(low / 0x100000000);
    high = high * tailScale + carry;
    if (high > 0xffffffff) return -1;
    this.limbs[0] = low - carry * 0x100000000;
    this.limbs[1] = high;
    if (!isQuoted) return p;
    return b[p] === QUOTE ? p + 1 : -1;
  }
}

/**
 * True when one of four bytes is a quote, a backslash or a control character; sometimes also when none is (the subtraction
 * borrows from the next byte), never the other way round.
 */
const mayEndString = (w: number): boolean => {
  const quote = w ^ 0x22222222;
  const backslash = w ^ 0x5c5c5c5c;
  const found =
    ((quote - 0x01010101) & ~quote) | ((backslash - 0x01010101) & ~backslash) | ((w - 0x20202020) & ~w);
  return (found & 0x80808080) !== 0;
};

const isHex = (c: number): boolean => (c >= 0x30 && c <= 0x39) || ((c | 0x20) >= 0x61 && (c | 0x20) <= 0x66);

/** " \ / b f n r t */
const isEscape = (c: number): boolean =>
  c === QUOTE ||
  c === BACKSLASH ||
  c === 0x2f ||
  c === 0x62 ||
  c === 0x66 ||
  c === 0x6e ||
  c === 0x72 ||
  c === 0x74;

/**
 * Writes milliseconds since the epoch as a 64-bit count of ns, low limb first, without BigInt.
 * Exact: each partial product is below 2^53 for `ms` under 2^43 (the year 2248).
 */
export function writeNs(u32: Uint32Array, at: number, times: Float64Array, index: number): void {
  const ms = times[index]!;
  const msHigh = Math.floor(ms / 0x100000000);
  const low = (ms - msHigh * 0x100000000) * 1e6;
  const carry = Math.floor(low / 0x100000000);
  u32[at] = low - carry * 0x100000000;
  u32[at + 1] = msHigh * 1e6 + carry;
}
