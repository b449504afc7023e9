/**
 * What the executor's thread tells the gateway thread about one asset: named f64 slots in shared memory.
 *
 * Writer: main, with plain stores after every fill, ladder and tick. Readers: any; each slot is a naturally aligned f64 and
 * stands for itself, so a reader may see slots of two neighbouring updates but never half a number.
 */
export const ASSET_SLOTS = [
  "posSz",
  "maxPosSz",
  "realizedPnlUsd",
  "unrealizedPnlUsd",
  "feesUsd",
  "fundingUsd",
  "sessionPnlUsd",
  "peakPnlUsd",
  "drawdownFraction",
  "volumeUsd",
  "quotedSpreadBps",
  "skewBps",
  "halfSpreadBps",
  "gammaPerBps",
  "adverseSelectionBps",
  "stalenessS",
  "quoteCycleMs",
  "ordersPlaced",
  "ordersModified",
  "ordersCancelled",
  "ordersRejected",
  "ordersOpen",
  "fills",
  "quotes",
  "ladderStatus",
  "reduceOnly",
] as const;
export type AssetSlot = (typeof ASSET_SLOTS)[number];

/** The account and process as a whole. */
export const ENGINE_SLOTS = [
  "killReason",
  "accountValueUsd",
  "unknownOrders",
  "audits",
  "auditDifferences",
  "rateLimitErrors",
  "requestsUsed",
  "requestsCap",
  "requestsCancelCap",
  "requestsRemaining",
  "requestsHoursLeft",
  "requestsBought",
  "requestsHeld",
  "isThrottled",
  "ipWeightUsed",
  "wsMessages",
  "httpRefusals",
  "deadManArmed",
  "journalBytes",
  "journalLost",
  "isPaper",
  "kernelRejected",
] as const;
export type EngineSlot = (typeof ENGINE_SLOTS)[number];

export class Board<Slot extends string> {
  private readonly index: ReadonlyMap<string, number>;
  private readonly values: Float64Array;

  /** @param byteOffset where it begins in a larger buffer; without it the buffer must be of its size. */
  constructor(slots: readonly Slot[], sab: SharedArrayBuffer, byteOffset?: number) {
    if (byteOffset === undefined && sab.byteLength !== slots.length * 8) {
      throw new RangeError(`board: ${sab.byteLength} bytes for ${slots.length} slots`);
    }
    this.index = new Map(slots.map((name, i) => [name, i]));
    this.values = new Float64Array(sab, byteOffset ?? 0, slots.length);
  }

  static bytes(slots: readonly string[]): SharedArrayBuffer {
    return new SharedArrayBuffer(slots.length * 8);
  }

  set(slot: Slot, value: number): void {
    this.values[this.index.get(slot)!] = value;
  }

  get(slot: Slot): number {
    return this.values[this.index.get(slot)!]!;
  }
}
