import * as abi from "../abi/layout.js";
import { OwnOrderEvent } from "../abi/layout.js";
import type { Instrument, Side } from "../domain/index.js";
import type { RunFacts, RunStatus } from "./journal-facts.js";

/** A step in the life of an order of ours, as a tape holds it. Times: ms, 0: not known. */
export interface OwnStep {
  readonly event: OwnOrderEvent;
  readonly asset: number;
  readonly cloid: string;
  readonly side: Side;
  readonly px: number;
  readonly sz: number;
  readonly oid: number;
  readonly recvMs: number;
  /** Of the venue's clock. */
  readonly exchMs: number;
  /** Of the request that it answers. */
  readonly sentMs: number;
  readonly fill?: {
    readonly tid: number;
    readonly feeUsd: number;
    readonly startPos: number;
    readonly isMaker: boolean;
  };
}

/** What a run's journal knows of its own orders, in the order in which we knew it: as `run --record` would have had it. */
export function ownSteps(facts: RunFacts): OwnStep[] {
  const { setup, requests, updates, fills } = facts;
  const byCoin = new Map(setup.instruments.map((i) => [i.coin, i]));
  const byVenueId = new Map(setup.instruments.map((i) => [i.venueAssetId, i]));
  const coinOf = new Map(updates.map((u) => [u.cloid, u.coin]));
  const cloidOf = new Map(updates.map((u) => [u.oid, u.cloid]));
  // The exchange of a paper run numbers its markets itself.
  const market = (cloid: string, venueAssetId: number): Instrument | undefined =>
    byCoin.get(coinOf.get(cloid) ?? "") ??
    (setup.paper === undefined ? byVenueId.get(venueAssetId) : undefined);
  const steps: OwnStep[] = [];
  const sentOf = new Map<string, number>();
  const newest = new Map<string, number>();
  for (const r of requests) {
    r.orders.forEach((order, i) => {
      const { cloid, side, px, sz, venueAssetId } = order;
      const asset = market(cloid, venueAssetId)?.asset;
      if (asset === undefined) return;
      if (r.kind === "cancel") newest.set(cloid, r.sentMs);
      else sentOf.set(cloid, r.sentMs);
      const sent = r.kind === "cancel" ? { px: 0, sz: 0 } : { px, sz };
      const about = { asset, cloid, side, ...sent, sentMs: r.sentMs, exchMs: 0 };
      steps.push({ ...about, event: REQUESTED[r.kind], oid: 0, recvMs: r.sentMs });
      const event = answered(r.statuses[i]);
      if (event === undefined || Number.isNaN(r.answeredMs)) return;
      const status = r.statuses[i];
      const oid = typeof status === "object" ? status.oid : 0;
      steps.push({ ...about, event, oid, recvMs: r.answeredMs });
    });
  }
  for (const u of updates) {
    const asset = byCoin.get(u.coin)?.asset;
    const event = updated(u.status);
    if (asset === undefined || event === undefined || u.cloid === undefined) continue;
    const { cloid, side, px, sz, oid, recvMs, exchMs } = u;
    const isCancel = event === OwnOrderEvent.Cancelled;
    const sentMs = (isCancel ? newest.get(cloid) : undefined) ?? sentOf.get(cloid) ?? 0;
    steps.push({ event, asset, cloid, side, px, sz, oid, recvMs, exchMs, sentMs });
  }
  for (const f of fills) {
    const asset = byCoin.get(f.coin)?.asset;
    if (asset === undefined) continue;
    const { side, px, sz, oid, recvMs, exchMs, tid, feeUsd, startPos, isMaker } = f;
    const cloid = cloidOf.get(oid) ?? "";
    const about = { asset, cloid, side, px, sz, oid, recvMs, exchMs, sentMs: sentOf.get(cloid) ?? 0 };
    steps.push({ ...about, event: OwnOrderEvent.Fill, fill: { tid, feeUsd, startPos, isMaker } });
  }
  return withOrders(steps.sort((a, b) => a.recvMs - b.recvMs));
}

/** A cancel names its order and nothing else: what is known of that by then. */
function withOrders(steps: readonly OwnStep[]): OwnStep[] {
  const known = new Map<string, Pick<OwnStep, "side" | "px" | "sz" | "oid">>();
  return steps.map((step) => {
    const { event, cloid, side, px } = step;
    const before = known.get(cloid);
    const oid = step.oid || (before?.oid ?? 0);
    if (px === 0) return before === undefined ? step : { ...step, ...before, oid };
    const left = (before?.sz ?? step.sz) - step.sz;
    const sz = event === OwnOrderEvent.Fill ? Math.round(left * 1e9) / 1e9 : step.sz;
    known.set(cloid, { side, px, sz, oid });
    return step;
  });
}

/** The step as a record's body. @param monoZeroMs wall clock at zero of the tape's monotonic one. */
export function ownOrderBody(step: OwnStep, seq: number, monoZeroMs: number): Float64Array {
  const body = new Float64Array(abi.OWN_ORDER_SIZE / 8);
  const view = new DataView(body.buffer);
  const { event, asset, cloid, side, px, sz, oid, exchMs, sentMs, fill } = step;
  const mono = (ms: number): number => (ms === 0 ? 0 : monoNsOf(ms, monoZeroMs));
  if (exchMs > 0) view.setBigInt64(0, BigInt(Math.round(exchMs)) * 1_000_000n, true);
  view.setFloat64(abi.OWN_ORDER_RECV_MONO_NS, mono(step.recvMs), true);
  view.setFloat64(abi.OWN_ORDER_SENT_MONO_NS, mono(sentMs), true);
  view.setFloat64(abi.OWN_ORDER_PX, px, true);
  view.setFloat64(abi.OWN_ORDER_SZ, sz, true);
  view.setBigUint64(abi.OWN_ORDER_OID, whole(oid), true);
  if (/^0x[0-9a-f]{32}$/.test(cloid)) {
    view.setBigUint64(abi.OWN_ORDER_CLOID_HI, BigInt(cloid.slice(0, 18)), true);
    view.setBigUint64(abi.OWN_ORDER_CLOID_LO, BigInt(`0x${cloid.slice(18)}`), true);
  }
  if (fill !== undefined) {
    view.setBigUint64(abi.OWN_ORDER_TID, whole(fill.tid), true);
    view.setFloat64(abi.OWN_ORDER_FEE_USD, fill.feeUsd, true);
    view.setFloat64(abi.OWN_ORDER_START_POS, fill.startPos, true);
    view.setUint8(abi.OWN_ORDER_IS_MAKER, fill.isMaker ? 1 : 0);
  }
  view.setUint32(abi.OWN_ORDER_SEQ, seq, true);
  view.setUint16(abi.OWN_ORDER_ASSET, asset, true);
  view.setInt8(abi.OWN_ORDER_SIDE, side);
  view.setUint8(abi.OWN_ORDER_EVENT, event);
  return body;
}

const whole = (x: number): bigint => (Number.isInteger(x) && x > 0 ? BigInt(x) : 0n);

export const monoNsOf = (ms: number, monoZeroMs: number): number => Math.round((ms - monoZeroMs) * 1e6);

const REQUESTED = {
  place: OwnOrderEvent.Place,
  modify: OwnOrderEvent.Modify,
  cancel: OwnOrderEvent.Cancel,
} as const;

function answered(status: RunStatus): OwnOrderEvent | undefined {
  if (status === undefined) return undefined;
  if (status === "error") return OwnOrderEvent.Rejected;
  return status === "success" ? OwnOrderEvent.Cancelled : OwnOrderEvent.Resting;
}

function updated(status: string): OwnOrderEvent | undefined {
  if (status === "open") return OwnOrderEvent.Resting;
  if (/rejected$/i.test(status)) return OwnOrderEvent.Rejected;
  return /cancel/i.test(status) ? OwnOrderEvent.Cancelled : undefined;
}
