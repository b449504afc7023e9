import * as abi from "../abi/layout.js";
import {
  type Approved,
  type CancelOrder,
  CloidSequence,
  type Instrument,
  type ModifyOrder,
  type NewOrder,
  pow10,
  type Timers,
} from "../domain/index.js";
import { type AssetParams, Executor, LadderView } from "../execution/index.js";
import { createLatch, KillLatch } from "../rings/index.js";
import { ActionEncoder } from "../venues/hyperliquid/actions.js";
import { L1Signer } from "../venues/hyperliquid/sign.js";
import type { AckStatus, GatewayEvents, OrderGateway, SendTimings } from "../venues/port.js";

const LADDERS = 600;

/**
 * Runs made-up ladders through a second executor, encoder and signer (with a throwaway key) before the first real one, so
 * that the first order is as fast as the thousandth. No socket is involved and nothing is sent; no state is shared with the
 * live executor.
 *
 * Thread: main, while the other threads start.
 */
export async function rehearseOrders(assets: readonly AssetParams[]): Promise<void> {
  const params = assets[0];
  if (params === undefined) return;
  const instrument = { ...params.instrument, asset: 0 };
  let nowNs = 0;
  const clock = { monoNs: () => (nowNs += 1000), wallMs: () => 0 };
  const gateway = new RehearsalGateway([instrument]);
  const executor = new Executor({
    gateway,
    latch: new KillLatch(createLatch()),
    clock,
    timers: NO_TIMERS,
    cloids: new CloidSequence(0),
    assets: [{ ...params, instrument, maxBpsDiff: 0, minRequoteMs: 0 }],
    log: () => {},
  });
  await gateway.connect(executor);
  await executor.recover();
  const ladder = madeUpLadder(instrument, params.limits.maxPosLots);
  for (let i = 0; i < LADDERS; i++) {
    nowNs += 50e6;
    ladder.move(i, nowNs);
    executor.onLadder(0, ladder.view);
    gateway.answer();
    if (i % 8 === 0) executor.onTick();
  }
}

const NO_TIMERS: Timers = { after: () => () => {}, every: () => () => {} };

/** Encodes and signs like the real one, and answers every element with "resting". */
class RehearsalGateway implements OrderGateway {
  readonly lastSend: SendTimings = {
    encodeStartMonoNs: 0,
    signStartMonoNs: 0,
    signEndMonoNs: 0,
    wireMonoNs: 0,
  };
  readonly isConnected = true;
  private readonly encoder: ActionEncoder;
  private readonly signer = new L1Signer(new Uint8Array(32).fill(1), "b");
  private events: GatewayEvents | undefined;
  private nextBatch = 1;
  private nextOid = 1;
  private nonce = 1_700_000_000_000;
  private readonly unanswered: { id: number; count: number; kind: "resting" | "cancelled" }[] = [];
  bytes = 0;

  constructor(instruments: readonly Instrument[]) {
    this.encoder = new ActionEncoder(instruments);
  }

  place(orders: readonly Approved<NewOrder>[]): number {
    this.encoder.placeOrders(orders);
    return this.signed(orders.length, "resting");
  }
  modify(modifies: readonly Approved<ModifyOrder>[]): number {
    this.encoder.modifyOrders(modifies);
    return this.signed(modifies.length, "resting");
  }
  cancel(cancels: readonly CancelOrder[]): number {
    this.encoder.cancelByCloid(cancels, false);
    return this.signed(cancels.length, "cancelled");
  }

  private signed(count: number, kind: "resting" | "cancelled"): number {
    const { encoder, signer } = this;
    const nonce = this.nonce++;
    signer.sign(encoder.msgpack, encoder.msgpackLength, nonce);
    encoder.seal(nonce, signer.signature, signer.v);
    const id = this.nextBatch++;
    this.bytes += encoder.postFrame(id).length;
    this.unanswered.push({ id, count, kind });
    return id;
  }

  answer(): void {
    for (let batch = this.unanswered.shift(); batch !== undefined; batch = this.unanswered.shift()) {
      const statuses: AckStatus[] = [];
      for (let i = 0; i < batch.count; i++) {
        statuses.push(
          batch.kind === "resting" ? { kind: "resting", oid: this.nextOid++ } : { kind: "cancelled" },
        );
      }
      this.events?.onAck(batch.id, statuses);
    }
  }

  async connect(events: GatewayEvents): Promise<void> {
    this.events = events;
  }
  async openOrders(): Promise<never[]> {
    return [];
  }
  async orderStatus(): Promise<undefined> {
    return undefined;
  }
  async account(): ReturnType<OrderGateway["account"]> {
    return { accountValueUsd: 1e6, withdrawableUsd: 1e6, marginUsedUsd: 0, positions: [], exchMs: 0 };
  }
  async fillsSince(): Promise<never[]> {
    return [];
  }
  async close(): Promise<void> {}
}

/** A ladder record that drifts by a few bps from one look to the next. */
function madeUpLadder(
  inst: Instrument,
  maxPosLots: number,
): { view: LadderView; move(i: number, nowNs: number): void } {
  const buffer = new ArrayBuffer(abi.LADDER_SIZE);
  const u8 = new Uint8Array(buffer);
  const u32 = new Uint32Array(buffer);
  const f64 = new Float64Array(buffer);
  const views = { u8, u16: new Uint16Array(buffer), u32, i32: new Int32Array(buffer), f64 };
  const levels = 5;
  const lots = Math.max(1, Math.floor(maxPosLots / (4 * levels)));
  const pxScale = pow10(inst.pxDecimals);
  return {
    view: new LadderView(views).at(0),
    move(i, nowNs) {
      const mid = 60_000 + 20 * (i % 40);
      f64[abi.LADDER_CAUSE_RECV_MONO_NS >> 3] = nowNs;
      u32[abi.LADDER_SEQ >> 2] = i;
      u8[abi.LADDER_BID_COUNT] = levels;
      u8[abi.LADDER_ASK_COUNT] = levels;
      f64[abi.LADDER_BEST_BID_PX >> 3] = mid - 1;
      f64[abi.LADDER_BEST_ASK_PX >> 3] = mid + 1;
      f64[abi.LADDER_MID_PX >> 3] = mid;
      f64[abi.LADDER_FAIR_PX >> 3] = mid;
      for (let l = 0; l < levels; l++) {
        const bid = (abi.LADDER_BIDS + l * abi.QUOTE_SIZE) >> 3;
        const ask = (abi.LADDER_ASKS + l * abi.QUOTE_SIZE) >> 3;
        f64[bid + (abi.QUOTE_PX_TICKS >> 3)] = (mid - 30 * (l + 1)) * pxScale;
        f64[bid + (abi.QUOTE_SZ_LOTS >> 3)] = lots;
        f64[ask + (abi.QUOTE_PX_TICKS >> 3)] = (mid + 30 * (l + 1)) * pxScale;
        f64[ask + (abi.QUOTE_SZ_LOTS >> 3)] = lots;
      }
    },
  };
}
