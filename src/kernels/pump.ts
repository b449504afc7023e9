import * as abi from "../abi/layout.js";
import type { Clock } from "../domain/index.js";
import { CellWriter, type LatencyHistogram, RingConsumer } from "../rings/index.js";
import type { KernelHost } from "./host.js";

export interface KernelPumpOptions {
  readonly host: KernelHost;
  /** Engine indices of the assets this kernel computes. */
  readonly assets: readonly number[];
  readonly marketRing: SharedArrayBuffer;
  readonly accountRing: SharedArrayBuffer;
  /** By position in `assets`. */
  readonly ladderCells: readonly SharedArrayBuffer[];
  readonly gatewayEstimates: readonly SharedArrayBuffer[];
  readonly clock: Clock;
  /** First record taken → ladder published. */
  readonly latency: LatencyHistogram;
  /** A record that the kernel refused: the asset goes stale if every one is. */
  readonly onRejected: () => void;
}

/**
 * Rings in, kernel, boards out: one pass drains every waiting record, then quotes each touched asset once, so that a burst
 * costs one ladder and not one per record. The worker's loop and the engine on a virtual clock call the same passes.
 *
 * Thread: the kernel's. Allocates: nothing per record.
 */
export class KernelPump {
  private readonly host: KernelHost;
  private readonly clock: Clock;
  private readonly market: RingConsumer;
  private readonly account: RingConsumer;
  private readonly ladders: readonly CellWriter[];
  private readonly gatewayEstimates: readonly CellWriter[];
  /** Position of each asset in `assets`; -1: another kernel's. */
  private readonly positionOf: Int32Array;
  private readonly isDirty: Uint8Array;
  private readonly causeRecvMonoNs: Float64Array;
  private readonly causeKind: Uint8Array;
  private readonly takenMonoNs: Float64Array;
  private readonly marketRecvMonoNs: Float64Array;
  private readonly ladderSeq: Uint32Array;
  private readonly estimatesSeq: Uint32Array;

  constructor(private readonly options: KernelPumpOptions) {
    const { host, assets } = options;
    this.host = host;
    this.clock = options.clock;
    this.market = new RingConsumer(options.marketRing);
    this.account = new RingConsumer(options.accountRing);
    this.ladders = options.ladderCells.map((sab) => new CellWriter(sab));
    this.gatewayEstimates = options.gatewayEstimates.map((sab) => new CellWriter(sab));
    this.positionOf = new Int32Array(Math.max(0, ...assets) + 1).fill(-1);
    assets.forEach((asset, i) => {
      this.positionOf[asset] = i;
      host.resetAsset(asset);
    });
    const count = assets.length;
    this.isDirty = new Uint8Array(count);
    this.causeRecvMonoNs = new Float64Array(count);
    this.causeKind = new Uint8Array(count);
    this.takenMonoNs = new Float64Array(count);
    this.marketRecvMonoNs = new Float64Array(count);
    this.ladderSeq = new Uint32Array(count);
    this.estimatesSeq = new Uint32Array(count);
  }

  /** Steps everything that waits, account first. @returns the number of records. */
  drain(): number {
    return this.drainRing(this.account) + this.drainRing(this.market);
  }

  private drainRing(ring: RingConsumer): number {
    const { host, isDirty, causeRecvMonoNs } = this;
    let records = 0;
    for (let at = ring.poll(); at >= 0; at = ring.poll()) {
      records++;
      const kind = ring.kind;
      const asset = ring.u16[(at + ASSET_OFFSET[kind]!) >> 1]!;
      const i = this.positionOf[asset] ?? -1;
      if (i < 0) continue;
      if (host.step(kind, asset, ring.f64, at, ring.bodyBytes) !== abi.KernelStatus.Ok) {
        // What the kernel refuses is no sign of life: an asset whose every record is refused must go stale, not look fresh.
        this.options.onRejected();
        continue;
      }
      const recvMonoNs = isMarketData(kind) ? ring.f64[(at + RECV_OFFSET[kind]!) >> 3]! : 0;
      // Trades alone do not keep an asset fresh: it is the book that quotes stand on.
      if (recvMonoNs > 0 && kind !== abi.RecordKind.Trade) this.marketRecvMonoNs[i] = recvMonoNs;
      if (isDirty[i] === 0) {
        isDirty[i] = 1;
        this.takenMonoNs[i] = this.clock.monoNs();
        this.causeKind[i] = kind;
        causeRecvMonoNs[i] = 0;
      }
      // The oldest frame not yet quoted: a burst is charged from its first record.
      if (causeRecvMonoNs[i] === 0) causeRecvMonoNs[i] = recvMonoNs;
    }
    if (records > 0) ring.release();
    return records;
  }

  /** Publishes a ladder of each asset that a record touched. @returns true when there was one. */
  quoteDirty(): boolean {
    const { host, clock, isDirty, takenMonoNs, ladderSeq } = this;
    let published = false;
    for (let i = 0; i < isDirty.length; i++) {
      if (isDirty[i] === 0) continue;
      isDirty[i] = 0;
      host.quote(this.options.assets[i]!, takenMonoNs[i]!);
      const cell = this.ladders[i]!;
      const at = cell.begin();
      host.copyLadderTo(cell.f64, at);
      ladderSeq[i]!++;
      cell.u32[(at + abi.LADDER_SEQ) >> 2] = ladderSeq[i]!;
      cell.u8[at + abi.LADDER_CAUSE_KIND] = this.causeKind[i]!;
      cell.f64[(at + abi.LADDER_CAUSE_RECV_MONO_NS) >> 3] = this.causeRecvMonoNs[i]!;
      cell.f64[(at + abi.LADDER_MARKET_RECV_MONO_NS) >> 3] = this.marketRecvMonoNs[i]!;
      cell.f64[(at + abi.LADDER_KERNEL_START_MONO_NS) >> 3] = takenMonoNs[i]!;
      const end = clock.monoNs();
      cell.f64[(at + abi.LADDER_KERNEL_END_MONO_NS) >> 3] = end;
      cell.publish();
      this.options.latency.record(end - takenMonoNs[i]!);
      published = true;
    }
    return published;
  }

  publishEstimates(nowMonoNs: number): void {
    const { host, estimatesSeq } = this;
    for (let i = 0; i < estimatesSeq.length; i++) {
      host.estimates(this.options.assets[i]!, nowMonoNs);
      estimatesSeq[i]!++;
      const cell = this.gatewayEstimates[i]!;
      const at = cell.begin();
      host.copyEstimatesTo(cell.f64, at);
      cell.u32[(at + abi.ESTIMATES_SEQ) >> 2] = estimatesSeq[i]!;
      cell.publish();
    }
  }
}

/** Where each kind keeps its asset index, and market data its receive time. */
const ASSET_OFFSET: readonly number[] = byKind({
  [abi.RecordKind.Book]: abi.BOOK_ASSET,
  [abi.RecordKind.Trade]: abi.TRADE_ASSET,
  [abi.RecordKind.Bbo]: abi.BBO_ASSET,
  [abi.RecordKind.AssetCtx]: abi.ASSET_CTX_ASSET,
  [abi.RecordKind.OwnFill]: abi.OWN_FILL_ASSET,
  [abi.RecordKind.Position]: abi.POSITION_ASSET,
  [abi.RecordKind.KernelConfig]: abi.KERNEL_CONFIG_ASSET,
  [abi.RecordKind.FeedStatus]: abi.FEED_STATUS_ASSET,
});
const RECV_OFFSET: readonly number[] = byKind({
  [abi.RecordKind.Book]: abi.BOOK_RECV_MONO_NS,
  [abi.RecordKind.Trade]: abi.TRADE_RECV_MONO_NS,
  [abi.RecordKind.Bbo]: abi.BBO_RECV_MONO_NS,
});
const isMarketData = (kind: number): boolean =>
  kind === abi.RecordKind.Book || kind === abi.RecordKind.Trade || kind === abi.RecordKind.Bbo;

function byKind(entries: Readonly<Record<number, number>>): number[] {
  return Array.from({ length: 16 }, (_, kind) => entries[kind] ?? 0);
}
