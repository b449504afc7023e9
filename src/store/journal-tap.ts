import { JournalKind, JournalStream, type JournalWriter } from "./journal.js";

type StreamName = "private" | "http" | "public";

const STREAM: Readonly<Record<StreamName, JournalStream>> = {
  public: JournalStream.Public,
  private: JournalStream.Private,
  http: JournalStream.Http,
};

/** Fits the venue port's `WireTap`. */
export interface JournalTap {
  inbound(stream: StreamName, bytes: Uint8Array, monoNs: number): void;
  outbound(stream: StreamName, bytes: Uint8Array, monoNs: number): void;
}

/** Everything that crosses the process boundary, into a journal. Does not block. Thread: the writer's. */
export function journalTap(journal: JournalWriter): JournalTap {
  return {
    inbound(stream, bytes, monoNs) {
      journal.append(JournalKind.InboundFrame, monoNs, bytes, STREAM[stream]);
    },
    outbound(stream, bytes, monoNs) {
      journal.append(JournalKind.OutboundBytes, monoNs, bytes, STREAM[stream]);
    },
  };
}
