import type { Cloid } from "./order.js";

/**
 * Client order ids that a restart recognises: 4 bytes product tag, 6 bytes session, 6 bytes counter.
 * The tag is the same for every run of this product, so that leftovers of an earlier run are found by prefix.
 */
export const CLOID_TAG = "6d6d6b72"; // "mmkr"

export class CloidSequence {
  private readonly prefix: string;

  /** @param session 48-bit number unique to the run (the start time in ms serves). */
  constructor(
    session: number,
    private next = 0,
  ) {
    if (!Number.isSafeInteger(session) || session < 0 || session >= 2 ** 48) {
      throw new RangeError(`cloid session ${session} is not a 48-bit integer`);
    }
    this.prefix = `0x${CLOID_TAG}${session.toString(16).padStart(12, "0")}`;
  }

  take(): Cloid {
    return `${this.prefix}${(this.next++).toString(16).padStart(12, "0")}` as Cloid;
  }
}

/** True for any order of this product, of this run or an earlier one. */
export const isOurs = (cloid: string | undefined | null): boolean =>
  cloid?.startsWith(`0x${CLOID_TAG}`) ?? false;
