/**
 * MessagePack as the venue hashes it: minimal integers, no binary, maps and strings of the sizes that actions have.
 *
 * Source: reference/hyperliquid-api.md 5.2.
 */

/** Grows by doubling; one instance serves all verifications of a server. */
export class MsgpackWriter {
  private buffer = Buffer.alloc(4096);
  private length = 0;

  clear(): this {
    this.length = 0;
    return this;
  }

  view(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }

  byte(b: number): this {
    this.room(1);
    this.buffer[this.length++] = b;
    return this;
  }

  u64(n: number): this {
    this.room(8);
    this.buffer.writeUInt32BE(Math.floor(n / 0x100000000), this.length);
    this.buffer.writeUInt32BE(n % 0x100000000, this.length + 4);
    this.length += 8;
    return this;
  }

  hex(text: string): this {
    this.room(text.length / 2);
    this.length += this.buffer.write(text, this.length, "hex");
    return this;
  }

  map(n: number): this {
    return this.byte(0x80 + n);
  }

  array(n: number): this {
    if (n <= 15) return this.byte(0x90 + n);
    return this.byte(0xdc)
      .byte(n >>> 8)
      .byte(n & 0xff);
  }

  nil(): this {
    return this.byte(0xc0);
  }

  bool(b: boolean): this {
    return this.byte(b ? 0xc3 : 0xc2);
  }

  /** Canonical strings are ASCII by construction, except text a client sent as a number: hence the byte length. */
  str(text: string): this {
    const n = Buffer.byteLength(text);
    this.room(n + 3);
    if (n <= 31) this.byte(0xa0 + n);
    else if (n <= 0xff) this.byte(0xd9).byte(n);
    else
      this.byte(0xda)
        .byte(n >>> 8)
        .byte(n & 0xff);
    this.length += this.buffer.write(text, this.length, "utf8");
    return this;
  }

  uint(n: number): this {
    if (n < 0x80) return this.byte(n);
    if (n < 0x100) return this.byte(0xcc).byte(n);
    if (n < 0x10000)
      return this.byte(0xcd)
        .byte(n >>> 8)
        .byte(n & 0xff);
    if (n < 0x100000000) {
      this.byte(0xce).room(4);
      this.length = this.buffer.writeUInt32BE(n, this.length);
      return this;
    }
    return this.byte(0xcf).u64(n);
  }

  /** Negative amounts (a removal of margin) take the minimal signed form. */
  int(n: number): this {
    if (n >= 0) return this.uint(n);
    if (n >= -32) return this.byte(0x100 + n);
    this.room(9);
    if (n >= -0x80) {
      this.byte(0xd0);
      this.length = this.buffer.writeInt8(n, this.length);
    } else if (n >= -0x8000) {
      this.byte(0xd1);
      this.length = this.buffer.writeInt16BE(n, this.length);
    } else if (n >= -0x80000000) {
      this.byte(0xd2);
      this.length = this.buffer.writeInt32BE(n, this.length);
    } else {
      this.byte(0xd3);
      this.length = this.buffer.writeBigInt64BE(BigInt(n), this.length);
    }
    return this;
  }

  private room(n: number): void {
    if (this.length + n <= this.buffer.length) return;
    const bigger = Buffer.alloc(Math.max(this.buffer.length * 2, this.length + n));
    this.buffer.copy(bigger, 0, 0, this.length);
    this.buffer = bigger;
  }
}
