import { FEED_STATUS_ASSET, FEED_STATUS_SIZE, RecordKind } from "../abi/layout.js";
import type { RecordSink } from "./record-sink.js";
import type { RingProducer } from "./spsc-ring.js";

/** A status record of this asset says that records before it were lost for want of room. */
export const LOSS_MARK_ASSET = 0xffff;

/** One ring that gets a copy of everything published. */
class Mirror {
  private isBroken = false;

  constructor(readonly ring: RingProducer) {}

  /** Copies a record, or notes that there was no room. The first record after a loss is preceded by the mark. */
  copy(from: Int32Array, kind: RecordKind, at: number, bodyBytes: number): void {
    const { ring } = this;
    if (this.isBroken && !this.mark()) {
      ring.countDrop();
      return;
    }
    const to = ring.reserve(kind, bodyBytes);
    if (to < 0) {
      this.isBroken = true;
      return;
    }
    const { i32 } = ring;
    for (let i = 0, n = bodyBytes >> 2, src = at >> 2, dst = to >> 2; i < n; i++)
      i32[dst + i] = from[src + i]!;
    ring.commit();
  }

  private mark(): boolean {
    const { ring } = this;
    // Not a record of the market's: that there is no room for it yet is not counted.
    if (ring.freeBytes() < 2 * FEED_STATUS_SIZE + 4096) return false;
    const at = ring.reserve(RecordKind.FeedStatus, FEED_STATUS_SIZE);
    if (at < 0) return false;
    ring.i32.fill(0, at >> 2, (at + FEED_STATUS_SIZE) >> 2);
    ring.i32[(at + FEED_STATUS_ASSET) >> 2] = LOSS_MARK_ASSET;
    ring.commit();
    this.isBroken = false;
    return true;
  }
}

/**
 * A kernel's ring that others listen in on: a recorder, a paper exchange. Their rings get every published record after the
 * kernel's own; one without room loses records, counts them in its drops and is told by a mark (`isLossMark`), and the kernel's
 * ring neither waits nor notices.
 *
 * Thread: the ring's producer. Allocates: nothing per record.
 */
export class RecordTee implements RecordSink {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly f64: Float64Array;
  private readonly mirrors: readonly Mirror[];
  /** Kind, offset and size of the records committed since the last publish. */
  private pending = new Int32Array(3 * 64);
  private count = 0;
  private kind: RecordKind = RecordKind.None;
  private at = 0;
  private bytes = 0;

  constructor(
    private readonly ring: RingProducer,
    mirrors: readonly TeeOutlet[],
  ) {
    this.u8 = ring.u8;
    this.u16 = ring.u16;
    this.u32 = ring.u32;
    this.i32 = ring.i32;
    this.f64 = ring.f64;
    this.mirrors = mirrors;
  }

  reserve(kind: RecordKind, bodyBytes: number): number {
    this.kind = kind;
    this.bytes = bodyBytes;
    this.at = this.ring.reserve(kind, bodyBytes);
    return this.at;
  }

  commit(): void {
    this.ring.commit();
    if (3 * this.count === this.pending.length) {
      const larger = new Int32Array(2 * this.pending.length);
      larger.set(this.pending);
      this.pending = larger;
    }
    const { pending } = this;
    const i = 3 * this.count++;
    pending[i] = this.kind;
    pending[i + 1] = this.at;
    pending[i + 2] = this.bytes;
  }

  publish(): void {
    this.ring.publish();
    const { pending, count, mirrors, i32 } = this;
    this.count = 0;
    for (let m = 0; m < mirrors.length; m++) {
      const mirror = mirrors[m]!;
      for (let i = 0; i < 3 * count; i += 3) {
        mirror.copy(i32, pending[i] as RecordKind, pending[i + 1]!, pending[i + 2]!);
      }
      mirror.ring.publish();
    }
  }

  rollback(): void {
    this.ring.rollback();
    this.count = 0;
  }
}

/** The producing end of a listener's ring; shared by the tees of all kernels, which are of one thread. */
export type TeeOutlet = Mirror;
export const teeOutlet = (ring: RingProducer): TeeOutlet => new Mirror(ring);

/** Whether a polled record says that others before it were lost. */
export const isLossMark = (kind: RecordKind, i32: Int32Array, at: number): boolean =>
  kind === RecordKind.FeedStatus && (i32[(at + FEED_STATUS_ASSET) >> 2]! & 0xffff) === LOSS_MARK_ASSET;
