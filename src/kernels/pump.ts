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
  /**
   * A new touch is worth a ladder when the microprice has moved so far since the last one, bps; 0: always. Orders keep their place
   * within max_bps_diff anyway, so that far smaller moves cannot change what rests.
   */
  readonly requoteBps: number;
  /** Any record is worth a ladder so long after the last one, ms: estimates have moved on meanwhile. */
  readonly requoteMs: number;
  /** First record taken → ladder published. */
  readonly latency: LatencyHistogram;
  /** A record that the kernel refused: the asset goes stale if every one is. */
  readonly onRejected: () => void;
}

/** See `KernelPump.readTouch`. Prices: of the newest touch, and of the one last quoted on. */
export interface TouchState {
  quotedMicro: number;
  touchMicro: number;
  quotedMonoNs: number;
  marketRecvMonoNs: number;
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
  /** Microprice of the newest touch, and of the touch that was last quoted on. */
  private readonly touchMicro: Float64Array;
  private readonly quotedMicro: Float64Array;
  private readonly quotedMonoNs: Float64Array;
  private readonly requoteRatio: number;
  private readonly requoteNs: number;

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
    this.touchMicro = new Float64Array(count);
    this.quotedMicro = new Float64Array(count);
    this.quotedMonoNs = new Float64Array(count).fill(Number.NEGATIVE_INFINITY);
    this.requoteRatio = options.requoteBps / 1e4;
    this.requoteNs = options.requoteMs * 1e6;
  }

  /** Records of each ring that the last `drain` took. */
  accountTaken = 0;
  marketTaken = 0;

  /** Steps everything that waits, account first. @returns the number of records. */
  drain(): number {
    this.accountTaken = this.drainRing(this.account);
    this.marketTaken = this.drainRing(this.market);
    return this.accountTaken + this.marketTaken;
  }

  private drainRing(ring: RingConsumer): number {
    let records = 0;
    for (let at = ring.poll(); at >= 0; at = ring.poll()) {
      records++;
      const { kind } = ring;
      this.take(kind, ring.u16[(at + ASSET_OFFSET[kind]!) >> 1]!, ring.f64, at, ring.bodyBytes);
    }
    if (records > 0) ring.release();
    return records;
  }

  /** Steps one record, from a ring or from a tape. `at` is the byte offset of its body in `f64`. */
  take(kind: abi.RecordKind, asset: number, f64: Float64Array, at: number, bodyBytes: number): void {
    const { isDirty, causeRecvMonoNs } = this;
    const i = this.positionOf[asset] ?? -1;
    if (i < 0) return;
    if (this.host.step(kind, asset, f64, at, bodyBytes) !== abi.KernelStatus.Ok) {
      // What the kernel refuses is no sign of life: an asset whose every record is refused must go stale, not look fresh.
      this.options.onRejected();
      return;
    }
    const recvOffset = RECV_OFFSET[kind]!;
    const recvMonoNs = recvOffset > 0 ? f64[(at + recvOffset) >> 3]! : 0;
    // Trades alone do not keep an asset fresh: it is the book that quotes stand on.
    if (recvMonoNs > 0 && kind !== abi.RecordKind.Trade) this.marketRecvMonoNs[i] = recvMonoNs;
    if (isDirty[i] === 0) {
      if (!this.isWorthLadder(kind, i, f64, at, recvMonoNs)) return;
      isDirty[i] = 1;
      this.takenMonoNs[i] = this.clock.monoNs();
      this.causeKind[i] = kind;
      causeRecvMonoNs[i] = 0;
    }
    // The oldest frame not yet quoted: a burst is charged from its first record.
    if (causeRecvMonoNs[i] === 0) causeRecvMonoNs[i] = recvMonoNs;
  }

  private isWorthLadder(
    kind: abi.RecordKind,
    i: number,
    f64: Float64Array,
    at: number,
    recvMonoNs: number,
  ): boolean {
    if (kind === abi.RecordKind.Bbo) {
      const bidSz = f64[(at + abi.BBO_BID_SZ) >> 3]!;
      const askSz = f64[(at + abi.BBO_ASK_SZ) >> 3]!;
      if (!(bidSz > 0 && askSz > 0)) return true;
      const micro =
        (f64[(at + abi.BBO_BID_PX) >> 3]! * askSz + f64[(at + abi.BBO_ASK_PX) >> 3]! * bidSz) /
        (bidSz + askSz);
      this.touchMicro[i] = micro;
      if (!(Math.abs(micro - this.quotedMicro[i]!) < this.requoteRatio * micro)) return true;
    } else if (kind !== abi.RecordKind.Trade && kind !== abi.RecordKind.AssetCtx) {
      return true;
    }
    return !(recvMonoNs - this.quotedMonoNs[i]! < this.requoteNs);
  }

  /** What decides whether a record is worth a ladder: for a caller that steps the kernel itself where none is. */
  readTouch(asset: number, into: TouchState): void {
    const i = this.positionOf[asset]!;
    into.quotedMicro = this.quotedMicro[i]!;
    into.touchMicro = this.touchMicro[i]!;
    into.quotedMonoNs = this.quotedMonoNs[i]!;
    into.marketRecvMonoNs = this.marketRecvMonoNs[i]!;
  }

  /** The caller has stepped the kernel up to there. */
  skipTouch(asset: number, touchMicro: number, marketRecvMonoNs: number): void {
    const i = this.positionOf[asset]!;
    this.touchMicro[i] = touchMicro;
    this.marketRecvMonoNs[i] = marketRecvMonoNs;
  }

  /** Publishes a ladder of each asset that a record touched. @returns true when there was one. */
  quoteDirty(): boolean {
    const { host, clock, isDirty, takenMonoNs, ladderSeq } = this;
    let published = false;
    for (let i = 0; i < isDirty.length; i++) {
      if (isDirty[i] === 0) continue;
      isDirty[i] = 0;
      this.quotedMicro[i] = this.touchMicro[i]!;
      this.quotedMonoNs[i] = takenMonoNs[i]!;
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

/** Where each kind keeps its asset index, and the public streams of a book and its trades their receive time (0: nowhere). */
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

function byKind(entries: Readonly<Record<number, number>>): number[] {
  return Array.from({ length: 16 }, (_, kind) => entries[kind] ?? 0);
}
