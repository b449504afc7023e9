import { mkdirSync } from "node:fs";
import { createRing, RingProducer } from "../rings/index.js";
import { TapeError } from "../store/index.js";
import type { LogFn } from "../telemetry/log.js";
import { TapeBoard, type TapeSlot } from "../telemetry/tape-board.js";
import type { RecorderInit, RecorderMessage } from "../threads/recorder-protocol.js";
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
  /** For a reader in any thread. */
  readonly boardBytes: SharedArrayBuffer;
  private readonly board: TapeBoard;

  constructor(private readonly plan: TapePlan) {
    const assets = plan.instruments.length;
    this.boardBytes = TapeBoard.bytes(assets);
    this.board = new TapeBoard(this.boardBytes, assets);
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
      board: this.boardBytes,
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

  get figures(): Readonly<Record<TapeSlot, number>> {
    return this.board.figures();
  }
}
