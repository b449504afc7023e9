import type { WaitMode } from "../rings/index.js";

/** What a kernel worker is given and what it says; apart from its entry, which runs when imported. */
export interface KernelInit {
  readonly module: WebAssembly.Module;
  /** Engine asset indexes of this worker. */
  readonly assets: readonly number[];
  readonly marketRing: SharedArrayBuffer;
  readonly accountRing: SharedArrayBuffer;
  readonly doorbell: SharedArrayBuffer;
  readonly mainDoorbell: SharedArrayBuffer;
  readonly latch: SharedArrayBuffer;
  readonly heartbeats: SharedArrayBuffer;
  readonly heartbeatIndex: number;
  /** Two i32: 0 run, 1 stop (writer: main); and the number of records that the kernel refused (writer: this thread). */
  readonly control: SharedArrayBuffer;
  /** By position in `assets`. */
  readonly ladderCells: readonly SharedArrayBuffer[];
  readonly gatewayEstimates: readonly SharedArrayBuffer[];
  readonly latency: SharedArrayBuffer;
  readonly clockBaseNs: bigint;
  readonly wait: WaitMode;
  readonly requoteBps: number;
  readonly requoteMs: number;
  /** Ring to the journal's thread, see `PassTrace`; undefined: no journal. */
  readonly passes?: SharedArrayBuffer | undefined;
}

export type KernelMessage =
  | { readonly type: "ready" }
  | { readonly type: "fatal"; readonly message: string; readonly stack: string };

/** Words of `control`. */
export const STOP = 0;
export const REJECTED = 1;
