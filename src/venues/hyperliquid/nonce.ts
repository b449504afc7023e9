import type { Clock } from "../../domain/index.js";

/** The venue refuses nonces a day ahead of its clock; an hour is left for the difference between the clocks. */
const MAX_AHEAD_MS = 23 * 3_600_000;
/** Behind a refused nonce others of the stored hundred may follow, some ms apart: a minute's step passes over them. */
const RECOVERY_STEP_MS = 60_000;
/** Processes on one data folder that may sign with one key. */
export const NONCE_LANES = 8;

export interface NonceOptions {
  /** Highest nonce that an earlier run may have used; 0 when there was none. */
  readonly last?: number;
  /** Nonces are this modulo `NONCE_LANES`: makers in different lanes never meet. Undefined: all nonces. */
  readonly lane?: number | undefined;
}

/**
 * Strictly increasing millisecond nonces: the wall clock, or the last nonce + 1 when that is higher.
 *
 * The venue keeps the 100 highest nonces per signing key and refuses repeats, anything below those, and anything more than
 * two days behind or one day ahead of its clock. So the sequence survives
 * - bursts: it runs ahead of the clock and is caught up by it;
 * - a clock set back, now or between two runs: it goes on from `last`, which a checkpoint must hold;
 * - a clock that was far ahead and is set right: nonces more than a day ahead were never accepted, so it returns to the
 *   clock instead of running ahead for ever;
 * - several makers with one key: each has a lane of its own;
 * - whatever else happened to the key: `recover` reads the venue's refusal.
 *
 * Thread: executor. Allocates: nothing. Source: reference §5.5.
 */
export class NonceSequence {
  private lastUsed: number;
  /** What the venue said it has seen: its clock cannot be far behind that. */
  private venueFloorMs = 0;
  private readonly lane: number | undefined;

  /** @throws {RangeError} When `last` is not a non-negative safe integer, or there is no such lane. */
  constructor(
    private readonly clock: Pick<Clock, "wallMs">,
    options: NonceOptions = {},
  ) {
    const { last = 0, lane } = options;
    if (!Number.isSafeInteger(last) || last < 0)
      throw new RangeError(`nonce ${last} is not a non-negative integer`);
    if (lane !== undefined && !(Number.isInteger(lane) && lane >= 0 && lane < NONCE_LANES))
      throw new RangeError(`nonce lane ${lane} is not in 0..${NONCE_LANES - 1}`);
    this.lastUsed = last;
    this.lane = lane;
  }

  next(): number {
    const now = this.nowMs();
    const following = this.inLane(this.lastUsed + 1);
    if (following > now && following <= now + MAX_AHEAD_MS) this.lastUsed = following;
    else this.lastUsed = this.inLane(now);
    return this.lastUsed;
  }

  /**
   * Reads a refusal, steps over what the venue has seen and back from what it does not accept yet.
   * The texts name our nonce first and the bound it broke last; a repeated nonce stands alone.
   * @returns true when the text is about the nonce: the action did nothing and may be signed anew.
   */
  recover(refusal: string): boolean {
    if (!refusal.startsWith("Invalid nonce")) return false;
    const named = refusal.match(/\d{12,15}/g)?.map(Number) ?? [];
    const nonce = named[0];
    const bound = named.at(-1);
    if (nonce === undefined || bound === undefined) return true;
    const isLost = bound < nonce || this.lastUsed > this.nowMs() + MAX_AHEAD_MS;
    this.venueFloorMs = Math.max(this.venueFloorMs, bound);
    const past = bound < nonce ? bound : bound + RECOVERY_STEP_MS;
    this.lastUsed = isLost ? past : Math.max(this.lastUsed, past);
    return true;
  }

  /** Highest nonce handed out (or restored): what a checkpoint must hold. */
  get last(): number {
    return this.lastUsed;
  }

  /** How far the sequence runs ahead of the wall clock, ms. */
  get aheadMs(): number {
    return Math.max(0, this.lastUsed - this.clock.wallMs());
  }

  private nowMs(): number {
    return Math.max(Math.floor(this.clock.wallMs()), this.venueFloorMs);
  }

  /** The first nonce of the lane from `n` on. */
  private inLane(n: number): number {
    if (this.lane === undefined) return n;
    return n + ((this.lane - (n % NONCE_LANES) + NONCE_LANES) % NONCE_LANES);
  }
}
