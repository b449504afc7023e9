import { createRing, RingConsumer } from "../rings/index.js";
import { JournalKind, type JournalWriter } from "../store/index.js";

/** Some thousands of passes: seconds of a busy market, while the main thread looks twenty times a second. */
const RING_BYTES = 256 * 1024;

/** Reads what the kernels tell of their passes into the journal. Thread: main. Allocates: nothing in steady state. */
export class PassCollector {
  /** By kernel. */
  readonly rings: readonly SharedArrayBuffer[];
  private readonly consumers: readonly RingConsumer[];
  private readonly batch = new Uint8Array(RING_BYTES);

  constructor(
    kernels: number,
    private readonly journal: JournalWriter,
  ) {
    this.rings = Array.from({ length: kernels }, () => createRing(RING_BYTES));
    this.consumers = this.rings.map((sab) => new RingConsumer(sab));
  }

  collect(monoNs: number): void {
    this.consumers.forEach((ring, kernel) => {
      let used = 0;
      for (let at = ring.poll(); at >= 0; at = ring.poll()) {
        this.batch.set(ring.u8.subarray(at, at + ring.bodyBytes), used);
        used += ring.bodyBytes;
      }
      if (used === 0) return;
      ring.release();
      this.journal.append(JournalKind.KernelPasses, monoNs, this.batch.subarray(0, used), kernel);
    });
  }
}
