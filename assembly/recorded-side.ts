/**
 * One side of a recorded book in memory that a host shares: the common cases of src/sim/recorded-side.ts, which says how it lies
 * there. Whatever reaches beyond the ring of prices around the touch is the host's. Allocates: nothing.
 */

const SPAN: i32 = 32768;
const MASK: i32 = SPAN - 1;
const WORD_MASK: usize = (SPAN >> 5) - 1;
const FOOTROOM: f64 = SPAN >> 2;
const LEVELS_AT: usize = 64;
/** Size, then orders. */
const LEVEL_SHIFT: usize = 4;
const BITS_AT: usize = LEVELS_AT + ((<usize>SPAN) << LEVEL_SHIFT);

export function countOf(side: usize): f64 {
  return load<f64>(side, 0);
}

export function bestKeyOf(side: usize): f64 {
  return load<f64>(side, 16);
}

export function lowKeyOf(side: usize): f64 {
  return load<f64>(side, 32);
}

function farCountOf(side: usize): f64 {
  return load<f64>(side, 40);
}

function setCount(side: usize, v: f64): void {
  store<f64>(side, v, 0);
}

function setBestLots(side: usize, v: f64): void {
  store<f64>(side, v, 8);
}

function setBestKey(side: usize, v: f64): void {
  store<f64>(side, v, 16);
}

function slotOf(key: f64): usize {
  return <usize>(<i32>(<i64>key) & MASK);
}

function lotsAt(side: usize, slot: usize): usize {
  return side + LEVELS_AT + (slot << LEVEL_SHIFT);
}

/** One level's new total; 0 removes it. @returns false, and nothing has changed, where the ring alone does not tell. */
export function update(side: usize, key: f64, lots: f64): bool {
  const place = key - lowKeyOf(side);
  if (!(place >= 0 && place < <f64>SPAN)) return false;
  const slot = slotOf(key);
  const at = lotsAt(side, slot);
  const before = load<f64>(at);
  if (lots > 0) {
    store<f64>(at, lots);
    store<u32>(at, 1, 8);
    if (before == 0) appear(side, key, slot);
    if (key == bestKeyOf(side)) setBestLots(side, lots);
    return true;
  }
  if (before > 0) {
    if (key == bestKeyOf(side)) return dropBest(side);
    hide(side, slot);
  }
  return true;
}

function appear(side: usize, key: f64, slot: usize): void {
  const word = side + BITS_AT + ((slot >> 5) << 2);
  store<u32>(word, load<u32>(word) | (1 << (<u32>slot & 31)));
  const count = countOf(side) + 1;
  setCount(side, count);
  if (count == 1) {
    setBestKey(side, key);
    store<f64>(side, key, 24);
    // The first in the ring: what is far is deeper.
  } else if (count - farCountOf(side) == 1 || key > bestKeyOf(side)) setBestKey(side, key);
  else if (key < load<f64>(side, 24)) store<f64>(side, key, 24);
}

function hide(side: usize, slot: usize): void {
  store<f64>(lotsAt(side, slot), 0);
  const word = side + BITS_AT + ((slot >> 5) << 2);
  store<u32>(word, load<u32>(word) & ~(1 << (<u32>slot & 31)));
  setCount(side, countOf(side) - 1);
}

/** Takes the best level away. @returns false, and nothing has changed, when it is the ring's last or the ring should follow. */
function dropBest(side: usize): bool {
  const key = bestKeyOf(side);
  const far = farCountOf(side);
  const left = countOf(side) - 1 - far;
  if (left <= 0) return false;
  const next = nextBelow(side, key);
  if (far > 0 && next - lowKeyOf(side) < FOOTROOM) return false;
  hide(side, slotOf(key));
  setBestKey(side, next);
  setBestLots(side, load<f64>(lotsAt(side, slotOf(next))));
  return true;
}

/** False where putting a new best in place would reach beyond the ring. */
export function canSetBest(side: usize, key: f64): bool {
  const place = key - lowKeyOf(side);
  return place >= 0 && place < <f64>SPAN && (farCountOf(side) == 0 || place >= FOOTROOM);
}

/** What was displayed better than the key is gone; the key has that size. `canSetBest` first. */
export function setBest(side: usize, key: f64, lots: f64): void {
  const far = farCountOf(side);
  while (countOf(side) > far && bestKeyOf(side) > key) {
    const best = bestKeyOf(side);
    hide(side, slotOf(best));
    if (countOf(side) > far) setBestKey(side, nextBelow(side, best));
  }
  update(side, key, lots);
  setBestLots(side, lots);
}

/** The next level in the ring that is worse than a key. There must be one. */
function nextBelow(side: usize, key: f64): f64 {
  const slot = slotOf(key);
  const bit = <u32>slot & 31;
  let word = slot >> 5;
  let bits = load<u32>(side + BITS_AT + (word << 2)) & ((1 << bit) - 1);
  let base = key - <f64>bit;
  while (bits == 0) {
    // A trap, not a loop without end, should levels and count ever disagree.
    if (base < lowKeyOf(side)) unreachable();
    word = (word - 1) & WORD_MASK;
    base -= 32;
    bits = load<u32>(side + BITS_AT + (word << 2));
  }
  return base + <f64>(31 - clz(bits));
}
