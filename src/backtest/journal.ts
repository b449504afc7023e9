import { createHash } from "node:crypto";
import { LAYOUT_HASH } from "../abi/layout.js";
import { JournalKind, JournalStream, JournalWriter } from "../store/index.js";
import type { WireTap } from "../venues/port.js";

const STREAMS = {
  public: JournalStream.Public,
  private: JournalStream.Private,
  http: JournalStream.Http,
} as const;

/**
 * Everything that crossed the engine's boundary in a backtest, as a digest and, when wanted, as a journal that
 * `JournalReader` reads. Same options, same bytes: nothing of the machine or of the wall clock goes in.
 */
export class BacktestJournal implements WireTap {
  private readonly hash = createHash("sha256");
  private readonly head = new DataView(new ArrayBuffer(16));
  private readonly writer: JournalWriter | undefined;
  records = 0;

  /** @param file folder and run id of the journal; undefined: the digest alone. */
  constructor(
    file: { readonly dir: string; readonly runId: string } | undefined,
    private readonly startWallMs: number,
    config: string,
  ) {
    if (file !== undefined) {
      this.writer = new JournalWriter({
        ...file,
        thread: "backtest",
        wallBaseMs: startWallMs,
        monoBaseNs: 0,
        // The whole run is evidence: nothing is pruned and nothing is lost.
        maxBytes: Number.MAX_SAFE_INTEGER,
      });
    }
    this.take(
      JournalKind.Config,
      JournalStream.None,
      Buffer.from(JSON.stringify({ layoutHash: LAYOUT_HASH, startWallMs: this.startWallMs, config })),
      0,
    );
  }

  inbound(stream: keyof typeof STREAMS, bytes: Uint8Array, monoNs: number): void {
    this.take(JournalKind.InboundFrame, STREAMS[stream], bytes, monoNs);
  }

  outbound(stream: keyof typeof STREAMS, bytes: Uint8Array, monoNs: number): void {
    this.take(JournalKind.OutboundBytes, STREAMS[stream], bytes, monoNs);
  }

  private take(kind: JournalKind, stream: number, bytes: Uint8Array, monoNs: number): void {
    this.records++;
    this.head.setUint32(0, bytes.length, true);
    this.head.setUint8(4, kind);
    this.head.setUint8(5, stream);
    this.head.setFloat64(8, monoNs, true);
    this.hash.update(new Uint8Array(this.head.buffer));
    this.hash.update(bytes);
    if (this.writer === undefined) return;
    this.writer.append(kind, monoNs, bytes, stream);
    // Synchronous on purpose: a backtest may wait for its disk, and must not lose a record to it.
    this.writer.flushSync();
  }

  /** Hex, of everything so far. */
  get sha256(): string {
    return this.hash.copy().digest("hex");
  }

  async close(): Promise<void> {
    await this.writer?.close();
  }
}
