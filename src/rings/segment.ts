import { LAYOUT_HASH } from "../abi/layout.js";

/**
 * What every shared segment of this room begins with: one line {magic, version, layout hash, size}, written once at creation
 * and only read afterwards. Attaching checks it, so that a buffer of another kind or another build is refused at start-up
 * instead of being misread.
 */

/** Words with different writers sit this far apart: two 64-byte lines, because x86 prefetches them in pairs (and Apple's are 128). */
export const LINE_BYTES = 128;
export const LINE_WORDS = LINE_BYTES / 4;

/** ASCII "MM??", little-endian. */
const MAGIC = {
  ring: 0x67724d4d,
  cell: 0x65634d4d,
  histogram: 0x69684d4d,
  "kill latch": 0x6c6b4d4d,
  heartbeats: 0x62684d4d,
  doorbell: 0x62644d4d,
} as const;
export type SegmentKind = keyof typeof MAGIC;

const VERSION = 1;
const WORD_MAGIC = 0;
const WORD_VERSION = 1;
const WORD_HASH = 2;
const WORD_SIZE = 3;

/**
 * Allocates a zeroed segment with its header line.
 * @param size what the kind measures itself by (capacity, payload bytes, count); read back by `attachSegment`
 * @throws {Error} On a big-endian host: records are little-endian in place.
 */
export function createSegment(kind: SegmentKind, totalBytes: number, size: number): SharedArrayBuffer {
  if (new Uint8Array(new Uint16Array([1]).buffer)[0] !== 1) {
    throw new Error("this machine is big-endian; shared records are little-endian, run on x86-64 or arm64");
  }
  const sab = new SharedArrayBuffer(totalBytes);
  const words = new Int32Array(sab, 0, LINE_WORDS);
  words[WORD_VERSION] = VERSION;
  words[WORD_HASH] = LAYOUT_HASH | 0;
  words[WORD_SIZE] = size;
  words[WORD_MAGIC] = MAGIC[kind];
  return sab;
}

/**
 * Checks that `sab` is a segment of this kind, version and record layout.
 * @returns the `size` given to `createSegment`
 * @throws {Error} When it is not; the message says what it is instead.
 */
export function attachSegment(kind: SegmentKind, sab: SharedArrayBuffer): number {
  if (!(sab instanceof SharedArrayBuffer)) {
    throw new Error(`${kind}: expected a SharedArrayBuffer, got ${Object.prototype.toString.call(sab)}`);
  }
  if (sab.byteLength < LINE_BYTES) {
    throw new Error(`${kind}: segment of ${sab.byteLength} bytes is too short to have a header`);
  }
  const words = new Int32Array(sab, 0, LINE_WORDS);
  const magic = words[WORD_MAGIC]!;
  if (magic !== MAGIC[kind]) {
    const found = Object.entries(MAGIC).find(([, value]) => value === magic)?.[0];
    throw new Error(
      `${kind}: wrong magic ${hex(magic)}, this segment is ${found === undefined ? "none of ours" : `a ${found}`}; ` +
        `pass the buffer that was created as a ${kind}`,
    );
  }
  if (words[WORD_VERSION] !== VERSION) {
    throw new Error(
      `${kind}: segment version ${words[WORD_VERSION]}, this build reads ${VERSION}; rebuild all threads`,
    );
  }
  if (words[WORD_HASH] !== (LAYOUT_HASH | 0)) {
    throw new Error(
      `${kind}: made for record layout ${hex(words[WORD_HASH]!)}, this build has ${hex(LAYOUT_HASH)}; ` +
        "run `npm run build` so that all threads share one layout",
    );
  }
  return words[WORD_SIZE]!;
}

const hex = (word: number): string => `0x${(word >>> 0).toString(16)}`;
