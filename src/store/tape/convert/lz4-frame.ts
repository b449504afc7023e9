/**
 * Reader of the LZ4 frame format: linked and independent blocks, stored blocks, header, block and content checksums, skippable
 * frames, several frames in a row. Legacy frames and preset dictionaries are refused by name.
 * Source: lz4_Frame_format.md 1.6 and lz4_Block_format.md; xxHash32 by its specification.
 */
const MAGIC = 0x184d2204;
const LEGACY_MAGIC = 0x184c2102;
const SKIPPABLE = 0x184d2a50;
const WINDOW_BYTES = 64 * 1024;
const BLOCK_MAX = [0, 0, 0, 0, 64 * 1024, 256 * 1024, 1024 * 1024, 4 * 1024 * 1024];

export class Lz4Error extends Error {
  override readonly name = "Lz4Error";
}

export const isLz4Frame = (head: Uint8Array): boolean =>
  head.length >= 4 && new DataView(head.buffer, head.byteOffset).getUint32(0, true) === MAGIC;

/** @throws {Lz4Error} Where the stream breaks the format or ends inside a frame. */
export async function* lz4Frames(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const input = new ByteReader(source);
  for (;;) {
    const magicBytes = await input.take(4, true);
    if (magicBytes === undefined) return;
    const magic = u32(magicBytes);
    if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE) {
      await input.skip(u32(await input.need(4)));
      continue;
    }
    if (magic === LEGACY_MAGIC) throw new Lz4Error("a legacy LZ4 frame: recompress it with `lz4 -d | lz4`");
    if (magic !== MAGIC) throw new Lz4Error(`no LZ4 frame at byte ${input.position - 4}`);
    yield* frame(input);
  }
}

async function* frame(input: ByteReader): AsyncGenerator<Uint8Array> {
  const [flags = 0, blockDescriptor = 0] = await input.need(2);
  if (flags >> 6 !== 1 || (flags & 2) !== 0)
    throw new Lz4Error(`LZ4 frame version ${flags >> 6} is not known`);
  if ((flags & 1) !== 0) throw new Lz4Error("an LZ4 frame with a preset dictionary");
  const blockMax = BLOCK_MAX[(blockDescriptor >> 4) & 7]!;
  if (blockMax === 0) throw new Lz4Error("an LZ4 frame with an unknown block size");
  const sizeBytes = (flags & 8) !== 0 ? await input.need(8) : new Uint8Array(0);
  const [headerSum] = await input.need(1);
  const descriptor = Uint8Array.of(flags, blockDescriptor, ...sizeBytes);
  if (((xxh32(descriptor) >>> 8) & 0xff) !== headerSum) throw new Lz4Error("the LZ4 frame header is damaged");
  const isLinked = (flags & 32) === 0;
  const contentSum = (flags & 4) !== 0 ? new XxHash32() : undefined;
  let history: Uint8Array = new Uint8Array(0);
  const scratch = new Uint8Array(WINDOW_BYTES + blockMax);
  for (;;) {
    const word = u32(await input.need(4));
    if (word === 0) break;
    const size = word & 0x7fffffff;
    if (size > blockMax) throw new Lz4Error(`an LZ4 block of ${size} bytes before byte ${input.position}`);
    const stored = await input.need(size);
    if ((flags & 16) !== 0 && u32(await input.need(4)) !== xxh32(stored))
      throw new Lz4Error(`the LZ4 block before byte ${input.position} is damaged`);
    let from = 0;
    if (isLinked) {
      scratch.set(history);
      from = history.length;
    }
    let end: number;
    if (word >>> 31 === 1) {
      scratch.set(stored, from);
      end = from + size;
    } else end = unpackBlock(stored, scratch, from, from + blockMax);
    const block = scratch.slice(from, end);
    if (isLinked) history = scratch.slice(Math.max(0, end - WINDOW_BYTES), end);
    contentSum?.update(block);
    yield block;
  }
  if (contentSum !== undefined && u32(await input.need(4)) !== contentSum.digest())
    throw new Lz4Error("the checksum of the LZ4 frame's content does not hold");
}

/** Unpacks one LZ4 block to `out` from `at` on; matches may reach back before it. @returns the end. */
export function unpackBlock(block: Uint8Array, out: Uint8Array, at: number, limit: number): number {
  let i = 0;
  let to = at;
  const n = block.length;
  const length = (nibble: number): number => {
    if (nibble < 15) return nibble;
    let total = 15;
    for (;;) {
      const more = block[i++];
      if (more === undefined) throw new Lz4Error("an LZ4 block ends too early");
      total += more;
      if (more !== 255) return total;
    }
  };
  while (i < n) {
    const token = block[i++]!;
    const literals = length(token >> 4);
    if (i + literals > n || to + literals > limit) throw new Lz4Error("an LZ4 block runs over");
    for (let k = 0; k < literals; k++) out[to++] = block[i++]!;
    if (i >= n) return to;
    const distance = block[i]! | (block[i + 1]! << 8);
    i += 2;
    if (i > n || distance === 0 || distance > to) throw new Lz4Error("an LZ4 match points outside");
    const count = length(token & 15) + 4;
    if (to + count > limit) throw new Lz4Error("an LZ4 block runs over");
    // Byte by byte: a match may overlap what it makes.
    for (let k = 0; k < count; k++, to++) out[to] = out[to - distance]!;
  }
  return to;
}

const P1 = 0x9e3779b1;
const P2 = 0x85ebca77;
const P3 = 0xc2b2ae3d;
const P4 = 0x27d4eb2f;
const P5 = 0x165667b1;
const rotl = (x: number, r: number): number => (x << r) | (x >>> (32 - r));

export const xxh32 = (bytes: Uint8Array): number => new XxHash32().update(bytes).digest();

/** xxHash32 with seed 0, fed piece by piece. */
export class XxHash32 {
  private readonly v = Int32Array.of(P1 + P2, P2, 0, -P1);
  private readonly rest = new Uint8Array(16);
  private restBytes = 0;
  private total = 0;

  update(bytes: Uint8Array): this {
    this.total += bytes.length;
    let i = 0;
    if (this.restBytes > 0) {
      const n = Math.min(16 - this.restBytes, bytes.length);
      this.rest.set(bytes.subarray(0, n), this.restBytes);
      this.restBytes += n;
      i = n;
      if (this.restBytes < 16) return this;
      this.stripe(this.rest, 0);
      this.restBytes = 0;
    }
    for (; i + 16 <= bytes.length; i += 16) this.stripe(bytes, i);
    this.rest.set(bytes.subarray(i));
    this.restBytes = bytes.length - i;
    return this;
  }

  digest(): number {
    const { v, rest } = this;
    let h =
      this.total >= 16 ? (rotl(v[0]!, 1) + rotl(v[1]!, 7) + rotl(v[2]!, 12) + rotl(v[3]!, 18)) | 0 : P5 | 0;
    h = (h + this.total) | 0;
    let i = 0;
    for (; i + 4 <= this.restBytes; i += 4)
      h = Math.imul(rotl((h + Math.imul(word(rest, i), P3)) | 0, 17), P4);
    for (; i < this.restBytes; i++) h = Math.imul(rotl((h + Math.imul(rest[i]!, P5)) | 0, 11), P1);
    h = Math.imul(h ^ (h >>> 15), P2);
    h = Math.imul(h ^ (h >>> 13), P3);
    return (h ^ (h >>> 16)) >>> 0;
  }

  private stripe(bytes: Uint8Array, at: number): void {
    const { v } = this;
    for (let k = 0; k < 4; k++)
      v[k] = Math.imul(rotl((v[k]! + Math.imul(word(bytes, at + 4 * k), P2)) | 0, 13), P1);
  }
}

const word = (b: Uint8Array, i: number): number =>
  b[i]! | (b[i + 1]! << 8) | (b[i + 2]! << 16) | (b[i + 3]! << 24);
const u32 = (b: Uint8Array): number => word(b, 0) >>> 0;

/** Takes exact numbers of bytes from chunks of any size. */
class ByteReader {
  position = 0;
  private readonly chunks: AsyncIterator<Uint8Array>;
  private chunk: Uint8Array = new Uint8Array(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.chunks = source[Symbol.asyncIterator]();
  }

  async need(n: number): Promise<Uint8Array> {
    return (await this.take(n, false))!;
  }

  async skip(n: number): Promise<void> {
    for (let left = n; left > 0; left -= Math.min(left, WINDOW_BYTES))
      await this.need(Math.min(left, WINDOW_BYTES));
  }

  /** @returns undefined at the end of the input, where `mayEnd`. */
  async take(n: number, mayEnd: boolean): Promise<Uint8Array | undefined> {
    const out = new Uint8Array(n);
    let have = 0;
    while (have < n) {
      if (this.chunk.length === 0) {
        const next = await this.chunks.next();
        if (next.done === true) {
          if (mayEnd && have === 0) return undefined;
          throw new Lz4Error("the LZ4 stream ends inside a frame");
        }
        this.chunk = next.value;
        continue;
      }
      const part = this.chunk.subarray(0, n - have);
      out.set(part, have);
      have += part.length;
      this.chunk = this.chunk.subarray(part.length);
    }
    this.position += n;
    return out;
  }
}
