/**
 * msgpack of plain values as the venue hashes them: keys in their written order, integers in the shortest integer form, never
 * as floats. For cold actions; the hot ones are written by `ActionEncoder`. Source: reference §5.2.
 */

/** What an action may hold. Members that are undefined are left out, as JSON leaves them out. */
export type Plain =
  | string
  | number
  | boolean
  | null
  | readonly Plain[]
  | { readonly [key: string]: Plain | undefined };

/** @throws {RangeError} for a number that is not a safe integer: money goes as text. */
export function encodeMsgpack(value: Plain): Uint8Array {
  const parts: Uint8Array[] = [];
  put(parts, value);
  return Buffer.concat(parts);
}

function put(parts: Uint8Array[], value: Plain): void {
  if (value === null) parts.push(Uint8Array.of(0xc0));
  else if (typeof value === "boolean") parts.push(Uint8Array.of(value ? 0xc3 : 0xc2));
  else if (typeof value === "number") parts.push(integer(value));
  else if (typeof value === "string") {
    const bytes = new TextEncoder().encode(value);
    parts.push(
      bytes.length < 0x20 ? Uint8Array.of(0xa0 | bytes.length) : sized(0xd9, bytes.length, 1),
      bytes,
    );
  } else if (isList(value)) {
    parts.push(value.length < 0x10 ? Uint8Array.of(0x90 | value.length) : sized(0xdc, value.length, 2));
    for (const item of value) put(parts, item);
  } else {
    const entries = Object.entries(value).filter(([, member]) => member !== undefined);
    parts.push(entries.length < 0x10 ? Uint8Array.of(0x80 | entries.length) : sized(0xde, entries.length, 2));
    for (const [key, member] of entries) {
      put(parts, key);
      put(parts, member!);
    }
  }
}

const isList = (value: object): value is readonly Plain[] => Array.isArray(value);

function integer(value: number): Uint8Array {
  if (!Number.isSafeInteger(value))
    throw new RangeError(`${value} is not a whole number: it cannot be signed`);
  if (value >= 0) {
    if (value < 0x80) return Uint8Array.of(value);
    const [tag, bytes] =
      value < 0x100
        ? [0xcc, 1]
        : value < 0x1_0000
          ? [0xcd, 2]
          : value < 0x1_0000_0000
            ? [0xce, 4]
            : [0xcf, 8];
    return sized(tag!, value, bytes!);
  }
  if (value >= -0x20) return Uint8Array.of(value & 0xff);
  const [tag, bytes] =
    value >= -0x80 ? [0xd0, 1] : value >= -0x8000 ? [0xd1, 2] : value >= -0x8000_0000 ? [0xd2, 4] : [0xd3, 8];
  return sized(tag!, value, bytes!);
}

/** A tag and a big-endian two's complement of `bytes` bytes. */
function sized(tag: number, value: number, bytes: number): Uint8Array {
  if (value >= 2 ** (8 * bytes))
    throw new RangeError(`${value} elements or bytes are too many for an action`);
  const out = new Uint8Array(1 + bytes);
  out[0] = tag;
  // Floored division keeps the sign's bits; the remainder of a safe integer is exact.
  for (let i = bytes, rest = value; i >= 1; i--) {
    const high = Math.floor(rest / 0x100);
    out[i] = rest - high * 0x100;
    rest = high;
  }
  return out;
}
