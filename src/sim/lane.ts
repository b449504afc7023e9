import type { Clock, Rng, Timers } from "../domain/index.js";
import { type DelayRange, drawMs } from "./blocks.js";

/**
 * One direction of one connection: what is sent arrives later, in order. What is on its way when the connection is cut never
 * arrives.
 */
export class Lane {
  private freeAtMs = Number.NEGATIVE_INFINITY;
  private generation = 0;

  constructor(
    private readonly time: Clock & Timers,
    private readonly delay: DelayRange,
    private readonly rng: Rng,
  ) {}

  send(deliver: () => void): void {
    const { time } = this;
    const nowMs = time.monoNs() / 1e6;
    const dueMs = Math.max(this.freeAtMs, nowMs + drawMs(this.delay, this.rng, time.wallMs()));
    this.freeAtMs = dueMs;
    const sentIn = this.generation;
    time.after(dueMs - nowMs, () => {
      if (sentIn === this.generation) deliver();
    });
  }

  /** Forgets everything on its way. */
  cut(): void {
    this.generation++;
    this.freeAtMs = Number.NEGATIVE_INFINITY;
  }
}
