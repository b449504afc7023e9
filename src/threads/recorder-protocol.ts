import type { RecorderOptions } from "../store/index.js";

/** What the tape's thread is given and what it says; apart from its entry, which runs when imported. */
export interface RecorderInit {
  readonly marketRing: SharedArrayBuffer;
  readonly orderRing: SharedArrayBuffer;
  readonly files: Omit<RecorderOptions, "onFile" | "onTrouble" | "onRecovered" | "write">;
  /** `TapeBoard` of the files' instruments, written by this thread. */
  readonly board: SharedArrayBuffer;
  readonly heartbeats: SharedArrayBuffer;
  readonly heartbeatIndex: number;
  readonly clockBaseNs: bigint;
}

export type RecorderMessage =
  | { readonly type: "ready" }
  | { readonly type: "failed"; readonly code: string; readonly message: string }
  | {
      readonly type: "log";
      readonly level: "info" | "warn" | "error";
      readonly event: string;
      readonly fields: Readonly<Record<string, unknown>>;
    }
  | { readonly type: "stopped" };
