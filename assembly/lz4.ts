/**
 * LZ4 blocks, unpacked into the memory where they are read: the codec of tape files (src/store/tape/file), for a backtest that reads
 * gigabytes of them. Source: lz4_Block_format.md of the reference implementation.
 *
 * Trusts nothing: a damaged block writes nowhere but between `dst` and `room`. Allocates: nothing.
 */

/**
 * @param dstBytes what the block must unpack to. @param room bytes that may be overwritten from `dst` on, at least `dstBytes`;
 * with 32 to spare all copies are wide.
 * @returns dstBytes, or -1 when it is no such block.
 */
export function lz4Block(src: usize, srcBytes: usize, dst: usize, dstBytes: usize, room: usize): i32 {
  const srcEnd = src + srcBytes;
  const dstEnd = dst + dstBytes;
  const wideEnd = dst + room;
  let s = src;
  let d = dst;
  while (s < srcEnd) {
    const token = <usize>load<u8>(s++);
    let literals = token >> 4;
    if (literals == 15) {
      let more: usize;
      do {
        if (s >= srcEnd) return -1;
        more = <usize>load<u8>(s++);
        literals += more;
      } while (more == 255);
    }
    if (s + literals > srcEnd || d + literals > dstEnd) return -1;
    if (literals <= 16 && s + 16 <= srcEnd && d + 16 <= wideEnd) v128.store(d, v128.load(s));
    else memory.copy(d, s, literals);
    s += literals;
    d += literals;
    // The last sequence has literals only.
    if (s == srcEnd) break;

    if (s + 2 > srcEnd) return -1;
    const distance = <usize>load<u16>(s);
    s += 2;
    if (distance == 0 || distance > d - dst) return -1;
    let length = (token & 15) + 4;
    if (length == 19) {
      let more: usize;
      do {
        if (s >= srcEnd) return -1;
        more = <usize>load<u8>(s++);
        length += more;
      } while (more == 255);
    }
    const end = d + length;
    if (end > dstEnd) return -1;
    let from = d - distance;
    if (distance >= 16 && end + 16 <= wideEnd) {
      do {
        v128.store(d, v128.load(from));
        d += 16;
        from += 16;
      } while (d < end);
    } else if (distance >= 8 && end + 8 <= wideEnd) {
      do {
        store<u64>(d, load<u64>(from));
        d += 8;
        from += 8;
      } while (d < end);
    } else {
      do store<u8>(d++, load<u8>(from++));
      while (d < end);
    }
    d = end;
  }
  return d == dstEnd ? <i32>dstBytes : -1;
}
