import type { KernelStatus } from "../abi/layout.js";
import * as abi from "../abi/layout.js";

/** The typed views of a board or buffer that holds ladder records. */
export interface RecordViews {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly f64: Float64Array;
}

/**
 * Reads one Ladder record in place. Bind it to an offset with `at`, read, let go: the record belongs to the board.
 * Thread: any. Allocates: nothing.
 */
export class LadderView {
  private base = 0;

  constructor(private readonly views: RecordViews) {}

  /** @param byteOffset 8-aligned offset of the record in the views. */
  at(byteOffset: number): this {
    this.base = byteOffset;
    return this;
  }

  private f64(field: number): number {
    return this.views.f64[(this.base + field) >>> 3]!;
  }

  get causeRecvMonoNs(): number {
    return this.f64(abi.LADDER_CAUSE_RECV_MONO_NS);
  }
  get marketRecvMonoNs(): number {
    return this.f64(abi.LADDER_MARKET_RECV_MONO_NS);
  }
  get kernelStartMonoNs(): number {
    return this.f64(abi.LADDER_KERNEL_START_MONO_NS);
  }
  get kernelEndMonoNs(): number {
    return this.f64(abi.LADDER_KERNEL_END_MONO_NS);
  }
  /** Exchange time in ms, fraction included: exact to a microsecond, which is all that markouts need. */
  get exchMs(): number {
    const w = (this.base + abi.LADDER_EXCH_TS_NS) >>> 2;
    return (this.views.i32[w + 1]! * 4294967296 + this.views.u32[w]!) / 1e6;
  }
  get seq(): number {
    return this.views.u32[(this.base + abi.LADDER_SEQ) >>> 2]!;
  }
  get status(): KernelStatus {
    return this.views.i32[(this.base + abi.LADDER_STATUS) >>> 2] as KernelStatus;
  }
  get asset(): number {
    return this.views.u16[(this.base + abi.LADDER_ASSET) >>> 1]!;
  }
  get bidCount(): number {
    return Math.min(this.views.u8[this.base + abi.LADDER_BID_COUNT]!, abi.LADDER_BIDS_CAPACITY);
  }
  get askCount(): number {
    return Math.min(this.views.u8[this.base + abi.LADDER_ASK_COUNT]!, abi.LADDER_ASKS_CAPACITY);
  }
  get causeKind(): number {
    return this.views.u8[this.base + abi.LADDER_CAUSE_KIND]!;
  }
  get regime(): number {
    return this.views.u8[this.base + abi.LADDER_REGIME]!;
  }
  get bestBidPx(): number {
    return this.f64(abi.LADDER_BEST_BID_PX);
  }
  get bestAskPx(): number {
    return this.f64(abi.LADDER_BEST_ASK_PX);
  }
  get midPx(): number {
    return this.f64(abi.LADDER_MID_PX);
  }
  get fairPx(): number {
    return this.f64(abi.LADDER_FAIR_PX);
  }
  get halfSpreadBps(): number {
    return this.f64(abi.LADDER_HALF_SPREAD_BPS);
  }
  get skewBps(): number {
    return this.f64(abi.LADDER_SKEW_BPS);
  }
  get staticHalfSpreadBps(): number {
    return this.f64(abi.LADDER_STATIC_HALF_SPREAD_BPS);
  }
  get inventoryHalfSpreadBps(): number {
    return this.f64(abi.LADDER_INVENTORY_HALF_SPREAD_BPS);
  }
  get asBps(): number {
    return this.f64(abi.LADDER_AS_BPS);
  }
  get feeBps(): number {
    return this.f64(abi.LADDER_FEE_BPS);
  }
  get floorBps(): number {
    return this.f64(abi.LADDER_FLOOR_BPS);
  }
  get sigmaBps(): number {
    return this.f64(abi.LADDER_SIGMA_BPS);
  }
  get kappaPerBps(): number {
    return this.f64(abi.LADDER_KAPPA_PER_BPS);
  }
  get gammaPerBps(): number {
    return this.f64(abi.LADDER_GAMMA_PER_BPS);
  }
  get posLots(): number {
    return this.f64(abi.LADDER_POS_LOTS);
  }

  /** Before the cap on the skew. */
  get rawSkewBps(): number {
    return this.f64(abi.LADDER_RAW_SKEW_BPS);
  }
  get horizonS(): number {
    return this.f64(abi.LADDER_HORIZON_S);
  }
  get arrivalPerS(): number {
    return this.f64(abi.LADDER_ARRIVAL_PER_S);
  }
  get spreadMult(): number {
    return this.f64(abi.LADDER_SPREAD_MULT);
  }

  bidPxTicks(level: number): number {
    return this.f64(abi.LADDER_BIDS + level * abi.QUOTE_SIZE + abi.QUOTE_PX_TICKS);
  }
  bidSzLots(level: number): number {
    return this.f64(abi.LADDER_BIDS + level * abi.QUOTE_SIZE + abi.QUOTE_SZ_LOTS);
  }
  askPxTicks(level: number): number {
    return this.f64(abi.LADDER_ASKS + level * abi.QUOTE_SIZE + abi.QUOTE_PX_TICKS);
  }
  askSzLots(level: number): number {
    return this.f64(abi.LADDER_ASKS + level * abi.QUOTE_SIZE + abi.QUOTE_SZ_LOTS);
  }
}
