import * as abi from "../../src/abi/layout.js";
import { KernelStatus } from "../../src/abi/layout.js";
import { LadderView } from "../../src/execution/ladder-view.js";

export interface LadderSpec {
  readonly status?: number;
  readonly causeRecvMonoNs: number;
  readonly exchMs?: number;
  readonly midPx: number;
  readonly fairPx?: number;
  readonly bestBidPx: number;
  readonly bestAskPx: number;
  /** [ticks, lots], best first. */
  readonly bids?: readonly (readonly [number, number])[];
  readonly asks?: readonly (readonly [number, number])[];
}

/** A ladder record in a plain buffer, at an offset that is not zero. */
export class LadderBuffer {
  private static readonly OFFSET = 64;
  private readonly buffer = new ArrayBuffer(LadderBuffer.OFFSET + abi.LADDER_SIZE);
  private readonly f64 = new Float64Array(this.buffer);
  private readonly i32 = new Int32Array(this.buffer);
  private readonly u32 = new Uint32Array(this.buffer);
  private readonly u8 = new Uint8Array(this.buffer);
  private readonly dv = new DataView(this.buffer);
  readonly view = new LadderView({
    u8: this.u8,
    u16: new Uint16Array(this.buffer),
    u32: this.u32,
    i32: this.i32,
    f64: this.f64,
  }).at(LadderBuffer.OFFSET);
  private seq = 0;

  write(spec: LadderSpec): LadderView {
    const at = LadderBuffer.OFFSET;
    const put = (field: number, value: number): void => {
      this.f64[(at + field) / 8] = value;
    };
    put(abi.LADDER_CAUSE_RECV_MONO_NS, spec.causeRecvMonoNs);
    put(abi.LADDER_MARKET_RECV_MONO_NS, spec.causeRecvMonoNs);
    put(abi.LADDER_MID_PX, spec.midPx);
    put(abi.LADDER_FAIR_PX, spec.fairPx ?? spec.midPx);
    put(abi.LADDER_BEST_BID_PX, spec.bestBidPx);
    put(abi.LADDER_BEST_ASK_PX, spec.bestAskPx);
    this.dv.setBigInt64(at + abi.LADDER_EXCH_TS_NS, BigInt(Math.round((spec.exchMs ?? 0) * 1e6)), true);
    this.u32[(at + abi.LADDER_SEQ) / 4] = this.seq++;
    this.i32[(at + abi.LADDER_STATUS) / 4] = spec.status ?? KernelStatus.Ok;
    const side = (levels: readonly (readonly [number, number])[], base: number): number => {
      levels.forEach(([px, sz], i) => {
        put(base + i * abi.QUOTE_SIZE + abi.QUOTE_PX_TICKS, px);
        put(base + i * abi.QUOTE_SIZE + abi.QUOTE_SZ_LOTS, sz);
      });
      return levels.length;
    };
    this.u8[at + abi.LADDER_BID_COUNT] = side(spec.bids ?? [], abi.LADDER_BIDS);
    this.u8[at + abi.LADDER_ASK_COUNT] = side(spec.asks ?? [], abi.LADDER_ASKS);
    return this.view;
  }
}
