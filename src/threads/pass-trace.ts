import { RecordKind } from "../abi/layout.js";
import type { Clock } from "../domain/index.js";
import { RingProducer } from "../rings/index.js";
import { passBytes } from "../store/index.js";

/** The ring wants a kind; nothing but passes travels in it. */
const PASS = RecordKind.KernelConfig;
/** A pass that quotes every asset reads the clock twice for each. */
const READINGS_MAX = 4096;

/**
 * Tells the journal, over a ring to the thread that keeps it, what a kernel's passes took and when: with the frames and the
 * account's records that is enough to compute every ladder again.
 *
 * Thread: the kernel's. Allocates: nothing. A full ring loses passes, and says how many.
 */
export class PassTrace {
  private readonly ring: RingProducer;
  private readonly readings = new Float64Array(READINGS_MAX);
  private count = 0;
  private lost = 0;
  /** For the pump: remembers what it told. */
  readonly clock: Clock;

  constructor(sab: SharedArrayBuffer, clock: Clock) {
    this.ring = new RingProducer(sab);
    this.clock = {
      monoNs: () => {
        const ns = clock.monoNs();
        if (this.count < READINGS_MAX) this.readings[this.count++] = ns;
        return ns;
      },
      wallMs: () => clock.wallMs(),
    };
  }

  /** A pass has ended; to be called after its ladders were published. */
  took(account: number, market: number): void {
    const { ring, count } = this;
    this.count = 0;
    const at = ring.reserve(PASS, passBytes(count));
    if (at < 0) {
      this.lost++;
      return;
    }
    const word = at >> 2;
    ring.u32[word] = account;
    ring.u32[word + 1] = market;
    ring.u32[word + 2] = this.lost;
    ring.u32[word + 3] = count;
    for (let i = 0; i < count; i++) ring.f64[(at >> 3) + 2 + i] = this.readings[i]!;
    this.lost = 0;
    ring.commit();
    ring.publish();
  }
}
