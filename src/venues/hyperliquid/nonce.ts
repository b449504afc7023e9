import type { Clock } from "../../domain/index.js";

/**
 * Strictly increasing millisecond nonces: max(wall clock, last + 1).
 *
 * The venue keeps the 100 highest nonces per signing key and refuses repeats, so the sequence must survive bursts (many in
 * one millisecond), a wall clock that steps backwards, and a restart: store `last` with the checkpoint and hand it back.
 * One sequence per key and process. Source: reference §5.5.
 *
 * Thread: executor. Allocates: nothing.
 */
export class NonceSequence {
  private lastUsed: number;

  /**
   * @param last highest nonce that an earlier run may have used; 0 when there was none.
   * @throws {RangeError} When `last` is not a non-negative safe integer.
   */
  constructor(
    private readonly clock: Pick<Clock, "wallMs">,
    last = 0,
  ) {
    if (!Number.isSafeInteger(last) || last < 0)
      throw new RangeError(`nonce ${last} is not a non-negative integer`);
    this.lastUsed = last;
  }

  next(): number {
    const now = Math.floor(this.clock.wallMs());
    this.lastUsed = now > this.lastUsed ? now : this.lastUsed + 1;
    return this.lastUsed;
  }

  /** Highest nonce handed out (or restored): what a checkpoint must hold. */
  get last(): number {
    return this.lastUsed;
  }

  /** How far the sequence runs ahead of the wall clock, ms. The venue refuses nonces more than a day ahead. */
  get aheadMs(): number {
    return Math.max(0, this.lastUsed - this.clock.wallMs());
  }
}
