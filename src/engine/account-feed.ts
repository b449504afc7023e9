import * as abi from "../abi/layout.js";
import type { Instrument } from "../domain/index.js";
import { type KernelParams, writeKernelConfig } from "../kernels/index.js";
import { Doorbell, KillLatch, KillReason, RingProducer } from "../rings/index.js";
import type { FillEvent } from "../venues/port.js";
import type { SharedSegments } from "./shared.js";

/**
 * What the main thread tells the kernels: configurations, positions and own fills, through one ring per worker.
 *
 * A full ring here means that a worker has stopped reading while fills arrive: the position it quotes for would be wrong, so it trips
 * the latch.
 *
 * Thread: main, the rings' one producer.
 */
export class AccountFeed {
  private readonly rings: readonly RingProducer[];
  private readonly bells: readonly Doorbell[];
  private readonly latch: KillLatch;
  private seq = 0;

  constructor(
    private readonly segments: SharedSegments,
    private readonly instruments: readonly Instrument[],
  ) {
    this.rings = segments.kernels.map((k) => new RingProducer(k.accountRing));
    this.bells = segments.kernels.map((k) => new Doorbell(k.doorbell));
    this.latch = new KillLatch(segments.latch);
  }

  configure(asset: number, params: KernelParams): void {
    this.write(asset, abi.RecordKind.KernelConfig, abi.KERNEL_CONFIG_SIZE, (ring, at) =>
      writeKernelConfig(ring, at, params, this.instruments[asset]!),
    );
  }

  position(
    asset: number,
    monoNs: number,
    p: { posLots: number; entryPx: number; realizedPnlUsd: number; feesUsd: number },
  ): void {
    this.write(asset, abi.RecordKind.Position, abi.POSITION_SIZE, (ring, at) => {
      ring.f64[(at + abi.POSITION_MONO_NS) >> 3] = monoNs;
      ring.f64[(at + abi.POSITION_POS_LOTS) >> 3] = p.posLots;
      ring.f64[(at + abi.POSITION_ENTRY_PX) >> 3] = p.entryPx;
      ring.f64[(at + abi.POSITION_REALIZED_PNL_USD) >> 3] = p.realizedPnlUsd;
      ring.f64[(at + abi.POSITION_FEES_USD) >> 3] = p.feesUsd;
      ring.u32[(at + abi.POSITION_SEQ) >> 2] = ++this.seq;
      ring.u16[(at + abi.POSITION_ASSET) >> 1] = asset;
    });
  }

  fill(asset: number, recvMonoNs: number, fill: FillEvent): void {
    const inst = this.instruments[asset]!;
    this.write(asset, abi.RecordKind.OwnFill, abi.OWN_FILL_SIZE, (ring, at) => {
      writeU64(ring.u32, at + abi.OWN_FILL_EXCH_TS_NS, fill.exchMs, 1_000_000);
      ring.f64[(at + abi.OWN_FILL_RECV_MONO_NS) >> 3] = recvMonoNs;
      ring.f64[(at + abi.OWN_FILL_PX) >> 3] = fill.px;
      ring.f64[(at + abi.OWN_FILL_SZ) >> 3] = fill.szLots / 10 ** inst.szDecimals;
      ring.f64[(at + abi.OWN_FILL_FEE_USD) >> 3] = fill.feeUsd;
      ring.f64[(at + abi.OWN_FILL_CLOSED_PNL_USD) >> 3] = fill.closedPnlUsd;
      writeU64(ring.u32, at + abi.OWN_FILL_OID, fill.oid, 1);
      writeU64(ring.u32, at + abi.OWN_FILL_TID, fill.tid, 1);
      ring.u32[(at + abi.OWN_FILL_SEQ) >> 2] = ++this.seq;
      ring.u16[(at + abi.OWN_FILL_ASSET) >> 1] = asset;
      ring.u8[at + abi.OWN_FILL_SIDE] = fill.side & 0xff;
      ring.u8[at + abi.OWN_FILL_IS_MAKER] = fill.isMaker ? 1 : 0;
    });
  }

  private write(
    asset: number,
    kind: abi.RecordKind,
    bytes: number,
    fillBody: (ring: RingProducer, at: number) => void,
  ): void {
    const worker = this.segments.kernelOf[asset]!;
    const ring = this.rings[worker]!;
    const at = ring.reserve(kind, bytes);
    if (at < 0) {
      this.latch.trip(KillReason.FillGap);
      return;
    }
    ring.u8.fill(0, at, at + bytes);
    fillBody(ring, at);
    ring.commit();
    ring.publish();
    this.bells[worker]!.ring();
  }
}

/** value × factor as a little-endian u64, exact without BigInt for value < 2^53 and factor ≤ 10^6. */
function writeU64(u32: Uint32Array, at: number, value: number, factor: number): void {
  const low = (value % 2 ** 32) * factor;
  u32[at >> 2] = low % 2 ** 32;
  u32[(at >> 2) + 1] = Math.floor(value / 2 ** 32) * factor + Math.floor(low / 2 ** 32);
}
