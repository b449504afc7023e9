// What both ends of a stress run derive from a sequence number alone: kind, size and every word of a record.

/** Small integer hash (murmur3 finaliser). */
export function mix(a, b = 0) {
  let h = (a ^ Math.imul(b, 0x9e3779b1)) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) | 0;
}

/** Record kinds 1..10 are real ones; the ring does not care which size belongs to which. */
export const kindOf = (sequence) => 1 + ((mix(sequence, 1) >>> 0) % 10);
/** 16..128 bytes in steps of 4: three words of bookkeeping and a pattern. */
export const bodyBytesOf = (sequence) => 16 + 4 * ((mix(sequence, 2) >>> 0) % 29);
/** 1..8 records become visible together. */
export const frameLengthOf = (frame) => 1 + ((mix(frame, 3) >>> 0) % 8);
export const isRolledBack = (frame) => (mix(frame, 4) & 15) === 0;

export function spin(turns) {
  let x = 0;
  for (let i = 0; i < turns; i++) x = mix(x, i);
  return x;
}

const scratch = new Int32Array(new SharedArrayBuffer(4));
/** Gives the core away for a moment: the stress runs share two cores with everything else. */
export const pause = (ms) => Atomics.wait(scratch, 0, 0, ms);
