import { createHash } from "node:crypto";
import { LAYOUT_HASH } from "../abi/layout.js";
import { JournalKind, JournalStream, JournalWriter } from "../store/index.js";
import type { WireTap } from "../venues/port.js";

const STREAMS = {
  public: JournalStream.Public,
  private: JournalStream.Private,
  http: JournalStream.Http,
} as const;

const HEAD_BYTES = 16;
const BATCH_BYTES = 16_384;

/**
 * Everything that crossed the engine's boundary in a backtest, as a digest and, when wanted, as a journal that
 * `JournalReader` reads. Same options, same bytes: nothing of the machine or of the wall clock goes in.
 */
export class BacktestJournal implements WireTap {
  private readonly hash = createHash("sha256");
  /** What is recorded and not yet in the digest, which takes large pieces in a fraction of the time of many small ones. */
  private readonly batch = new Uint8Array(BATCH_BYTES);
  private readonly batchView = new DataView(this.batch.buffer);
  private batchBytes = 0;
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
    if (this.batchBytes + HEAD_BYTES + bytes.length > BATCH_BYTES) this.digestBatch();
    const { batch, batchView: view, batchBytes: at } = this;
    view.setUint32(at, bytes.length, true);
    view.setUint8(at + 4, kind);
    view.setUint8(at + 5, stream);
    view.setUint16(at + 6, 0);
    view.setFloat64(at + 8, monoNs, true);
    this.batchBytes += HEAD_BYTES;
    if (HEAD_BYTES + bytes.length <= BATCH_BYTES) {
      batch.set(bytes, this.batchBytes);
      this.batchBytes += bytes.length;
    } else {
      this.digestBatch();
      this.hash.update(bytes);
    }
    if (this.writer === undefined) return;
    this.writer.append(kind, monoNs, bytes, stream);
    // Synchronous on purpose: a backtest may wait for its disk, and must not lose a record to it.
    this.writer.flushSync();
  }

  private digestBatch(): void {
    this.hash.update(this.batch.subarray(0, this.batchBytes));
    this.batchBytes = 0;
  }

  /** Hex, of everything so far. */
  get sha256(): string {
    this.digestBatch();
    return this.hash.copy().digest("hex");
  }

  async close(): Promise<void> {
    await this.writer?.close();
  }
}
