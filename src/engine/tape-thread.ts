import { mkdirSync } from "node:fs";
import { createRing, RingProducer } from "../rings/index.js";
import { TapeError } from "../store/index.js";
import type { LogFn } from "../telemetry/log.js";
import { type RecorderInit, type RecorderMessage, TAPE_SLOTS } from "../threads/recorder-protocol.js";
import type { Supervisor } from "../threads/supervisor.js";
import { compiledUrl } from "./artifacts.js";

/** What a run's tape is and where it goes. */
export type TapePlan = RecorderInit["files"];

const MARKET_RING_BYTES = 16 * 2 ** 20;
const ORDER_RING_BYTES = 2 ** 20;

/** A run's tape as the main thread has it: the rings that feed it, and how far it is. Thread: main. */
export class TapeThread {
  readonly marketRing = createRing(MARKET_RING_BYTES);
  /** Own orders; this thread writes. */
  readonly orders: RingProducer;
  private readonly orderRing = createRing(ORDER_RING_BYTES);
  private readonly stats = new SharedArrayBuffer(8 * TAPE_SLOTS.length);
  private readonly values = new Float64Array(this.stats);

  constructor(private readonly plan: TapePlan) {
    this.orders = new RingProducer(this.orderRing);
  }

  /** @throws {TapeError} When the folder cannot be made. {ThreadError} When the first file cannot be opened. */
  async start(
    supervisor: Supervisor,
    heartbeatIndex: number,
    heartbeats: SharedArrayBuffer,
    clockBaseNs: bigint,
    log: LogFn,
  ): Promise<void> {
    try {
      mkdirSync(this.plan.dir, { recursive: true });
    } catch (cause) {
      throw new TapeError("cannot_write", `${this.plan.dir} cannot be made: ${(cause as Error).message}`, {
        cause,
      });
    }
    const init: RecorderInit = {
      marketRing: this.marketRing,
      orderRing: this.orderRing,
      files: this.plan,
      stats: this.stats,
      heartbeats,
      heartbeatIndex,
      clockBaseNs,
    };
    await supervisor.start<RecorderMessage>("recorder", compiledUrl("threads/recorder.js"), init, {
      heartbeatIndex,
      isVital: false,
      readyType: "ready",
      onMessage: (m) => {
        if (m.type === "log") log(m.level, m.event, m.fields);
      },
    });
  }

  async stop(supervisor: Supervisor, timeoutMs: number): Promise<void> {
    await supervisor.stop("recorder", timeoutMs, (w) => w.postMessage({ type: "stop" }));
  }

  get figures(): Readonly<Record<(typeof TAPE_SLOTS)[number], number>> {
    const of = Object.fromEntries(TAPE_SLOTS.map((name, i) => [name, this.values[i]!]));
    return of as Record<(typeof TAPE_SLOTS)[number], number>;
  }
}
