import * as abi from "../abi/layout.js";
import { OwnOrderEvent, RecordKind } from "../abi/layout.js";
import {
  type Approved,
  type CancelOrder,
  type Clock,
  type Cloid,
  type Instrument,
  isOurs,
  type ModifyOrder,
  type NewOrder,
  pow10,
  type Side,
} from "../domain/index.js";
import type { RecordSink } from "../rings/index.js";
import { writeNs } from "../venues/hyperliquid/json-scan.js";
import { ORDER_ERROR_CODES } from "../venues/order-errors.js";
import {
  type AccountSnapshot,
  type AckStatus,
  type FillEvent,
  type FundingEvent,
  fillKey,
  type GatewayEvents,
  type OrderGateway,
  type OrderUpdate,
  type RequestQuota,
} from "../venues/port.js";

/** What led to the request that is being sent. 0: nothing known. */
export interface RequestCause {
  readonly causeMonoNs: number;
  readonly decidedMonoNs: number;
}

export interface OrderTapeOptions {
  readonly gateway: OrderGateway;
  readonly instruments: readonly Instrument[];
  readonly clock: Clock;
  readonly sink: RecordSink;
  readonly cause: () => RequestCause;
}

/** An order of ours as its next record will tell it. */
interface Told {
  readonly asset: number;
  readonly side: Side;
  readonly pxTicks: number;
  szLots: number;
  oid: number;
  causeMonoNs: number;
  decidedMonoNs: number;
  /** Of the newest request about it. */
  sentMonoNs: number;
}

interface Batch {
  readonly kind: "place" | "modify" | "cancel";
  readonly cloids: readonly Cloid[];
}

const EMPTY: Told = {
  asset: 0,
  side: 1,
  pxTicks: 0,
  szLots: 0,
  oid: 0,
  causeMonoNs: 0,
  decidedMonoNs: 0,
  sentMonoNs: 0,
};
/** Ended orders are kept for late words of the other channel; the oldest are forgotten beyond so many. */
const REMEMBERED = 4096;

/**
 * An order gateway that tells a tape what passes through it: every request as it was handed to the socket, and every answer, update
 * and fill, each with the stamps known by then. Requests go out first and are told after; what the ring has no room for is lost and
 * counted there.
 *
 * `Rejected` is the refusal of the newest request about the order, a cancel included. Thread: the executor's.
 */
export class OrderTape implements OrderGateway, GatewayEvents {
  private readonly orders = new Map<string, Told>();
  private readonly batches = new Map<number, Batch>();
  private readonly seenFills = new Set<string>();
  private readonly stamp = new Float64Array(1);
  private readonly byCoin: ReadonlyMap<string, Instrument>;
  private events: GatewayEvents | undefined;
  private seq = 0;
  private readonly startMs: number;

  readonly requestQuota?: () => Promise<RequestQuota>;
  readonly scheduleCancel?: (atMs: number | undefined) => Promise<void>;
  readonly buyRequests?: (requests: number) => Promise<void>;
  readonly fundingsSince?: (exchMs: number) => Promise<readonly FundingEvent[]>;

  constructor(private readonly o: OrderTapeOptions) {
    const { gateway } = o;
    this.byCoin = new Map(o.instruments.map((i) => [i.coin, i]));
    this.startMs = o.clock.wallMs();
    if (gateway.requestQuota !== undefined) this.requestQuota = () => gateway.requestQuota!();
    if (gateway.scheduleCancel !== undefined) this.scheduleCancel = (atMs) => gateway.scheduleCancel!(atMs);
    if (gateway.fundingsSince !== undefined) this.fundingsSince = (ms) => gateway.fundingsSince!(ms);
    if (gateway.buyRequests !== undefined) this.buyRequests = (n) => gateway.buyRequests!(n);
  }

  // ── requests ────────────────────────────────────────────────────────────────────────────────────────────────────────

  place(orders: readonly Approved<NewOrder>[]): number {
    const id = this.o.gateway.place(orders);
    this.batches.set(id, { kind: "place", cloids: orders.map((o) => o.cloid) });
    for (const order of orders) this.opened(order, OwnOrderEvent.Place, 0);
    this.o.sink.publish();
    return id;
  }

  modify(modifies: readonly Approved<ModifyOrder>[]): number {
    const id = this.o.gateway.modify(modifies);
    this.batches.set(id, { kind: "modify", cloids: modifies.map((m) => m.order.cloid) });
    for (const { target, order } of modifies) {
      this.opened(order, OwnOrderEvent.Modify, this.orders.get(target)?.oid ?? 0);
    }
    this.o.sink.publish();
    return id;
  }

  cancel(cancels: readonly CancelOrder[]): number {
    const id = this.o.gateway.cancel(cancels);
    this.batches.set(id, { kind: "cancel", cloids: cancels.map((c) => c.cloid) });
    const sentMonoNs = this.o.gateway.lastSend.wireMonoNs;
    for (const { asset, cloid } of cancels) {
      const told = this.orders.get(cloid) ?? { ...EMPTY, asset };
      told.sentMonoNs = sentMonoNs;
      told.causeMonoNs = 0;
      told.decidedMonoNs = this.o.cause().decidedMonoNs;
      this.write(OwnOrderEvent.Cancel, cloid, told, sentMonoNs, 0);
    }
    this.o.sink.publish();
    return id;
  }

  private opened(order: NewOrder, event: OwnOrderEvent, oldOid: number): void {
    const sentMonoNs = this.o.gateway.lastSend.wireMonoNs;
    const { causeMonoNs, decidedMonoNs } = this.o.cause();
    const { asset, side, pxTicks, szLots, cloid } = order;
    const told: Told = { asset, side, pxTicks, szLots, oid: oldOid, causeMonoNs, decidedMonoNs, sentMonoNs };
    this.write(event, cloid, told, sentMonoNs, 0);
    told.oid = 0;
    this.orders.set(cloid, told);
    if (this.orders.size > REMEMBERED) this.orders.delete(this.orders.keys().next().value!);
  }

  // ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  onAck(batchId: number, statuses: readonly AckStatus[]): void {
    const recvNs = this.o.clock.monoNs();
    const batch = this.batches.get(batchId);
    this.events?.onAck(batchId, statuses);
    if (batch === undefined) return;
    this.batches.delete(batchId);
    batch.cloids.forEach((cloid, i) => {
      const told = this.orders.get(cloid);
      const status = statuses[i];
      if (told === undefined || status === undefined) return;
      if (status.kind === "resting" || status.kind === "filled") told.oid = status.oid;
      const code = status.kind === "error" ? ORDER_ERROR_CODES.indexOf(status.code) + 1 : 0;
      this.write(ACK_EVENT[status.kind], cloid, told, recvNs, 0, code);
    });
    this.o.sink.publish();
  }

  onOrderUpdates(updates: readonly OrderUpdate[]): void {
    const recvNs = this.o.clock.monoNs();
    this.events?.onOrderUpdates(updates);
    for (const u of updates) {
      const event = updateEvent(u.status);
      if (event === OwnOrderEvent.None || !isOurs(u.cloid)) continue;
      const told = this.orders.get(u.cloid!) ?? this.unknown(u.coin, u.side, u.pxTicks);
      if (told === undefined) continue;
      told.oid = u.oid;
      told.szLots = u.szLots;
      this.write(event, u.cloid!, told, recvNs, u.exchMs);
    }
    this.o.sink.publish();
  }

  onFills(fills: readonly FillEvent[]): void {
    const recvNs = this.o.clock.monoNs();
    this.events?.onFills(fills);
    for (const f of fills) {
      // A snapshot repeats; of what was there before this run the tape has nothing to say.
      if (f.exchMs < this.startMs - 1000 && !this.orders.has(f.cloid ?? "")) continue;
      const key = fillKey(f);
      if (this.seenFills.has(key)) continue;
      this.seenFills.add(key);
      if (this.seenFills.size > REMEMBERED) this.seenFills.delete(this.seenFills.keys().next().value!);
      const told = this.orders.get(f.cloid ?? "") ?? this.unknown(f.coin, f.side, f.pxTicks);
      if (told !== undefined) this.writeFill(f, told, recvNs);
    }
    this.o.sink.publish();
  }

  private unknown(coin: string, side: Side, pxTicks: number): Told | undefined {
    const inst = this.byCoin.get(coin);
    return inst === undefined ? undefined : { ...EMPTY, asset: inst.asset, side, pxTicks };
  }

  // ── records ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  private write(
    event: OwnOrderEvent,
    cloid: string,
    told: Told,
    recvNs: number,
    exchMs: number,
    code = 0,
  ): void {
    const at = this.begin(event, cloid, told, recvNs, exchMs);
    if (at < 0) return;
    const { f64, u16 } = this.o.sink;
    const inst = this.o.instruments[told.asset]!;
    f64[(at + abi.OWN_ORDER_PX) >> 3] = told.pxTicks / pow10(inst.pxDecimals);
    f64[(at + abi.OWN_ORDER_SZ) >> 3] = told.szLots / pow10(inst.szDecimals);
    u16[(at + abi.OWN_ORDER_CODE) >> 1] = code;
    this.o.sink.commit();
  }

  private writeFill(f: FillEvent, told: Told, recvNs: number): void {
    const at = this.begin(OwnOrderEvent.Fill, f.cloid ?? "", told, recvNs, f.exchMs);
    if (at < 0) return;
    const { f64, u8 } = this.o.sink;
    const lots = pow10(this.o.instruments[told.asset]!.szDecimals);
    f64[(at + abi.OWN_ORDER_PX) >> 3] = f.px;
    f64[(at + abi.OWN_ORDER_SZ) >> 3] = f.szLots / lots;
    f64[(at + abi.OWN_ORDER_FEE_USD) >> 3] = f.feeUsd;
    f64[(at + abi.OWN_ORDER_START_POS) >> 3] = f.startPosLots / lots;
    this.integer(at + abi.OWN_ORDER_OID, f.oid);
    this.integer(at + abi.OWN_ORDER_TID, f.tid);
    u8[at + abi.OWN_ORDER_IS_MAKER] = f.isMaker ? 1 : 0;
    this.o.sink.commit();
  }

  /** The fields that every record has. @returns -1 when the ring is full. */
  private begin(event: OwnOrderEvent, cloid: string, told: Told, recvNs: number, exchMs: number): number {
    const { sink } = this.o;
    const at = sink.reserve(RecordKind.OwnOrder, abi.OWN_ORDER_SIZE);
    if (at < 0) return -1;
    const { u8, u16, u32, f64, i32 } = sink;
    i32.fill(0, at >> 2, (at + abi.OWN_ORDER_SIZE) >> 2);
    if (exchMs > 0) {
      this.stamp[0] = exchMs;
      writeNs(u32, (at + abi.OWN_ORDER_EXCH_TS_NS) >> 2, this.stamp, 0);
    }
    f64[(at + abi.OWN_ORDER_RECV_MONO_NS) >> 3] = recvNs;
    f64[(at + abi.OWN_ORDER_CAUSE_MONO_NS) >> 3] = told.causeMonoNs;
    f64[(at + abi.OWN_ORDER_DECIDED_MONO_NS) >> 3] = told.decidedMonoNs;
    f64[(at + abi.OWN_ORDER_SENT_MONO_NS) >> 3] = told.sentMonoNs;
    this.integer(at + abi.OWN_ORDER_OID, told.oid);
    // `0x` and 32 digits, most significant first.
    for (let word = 0; word < 4 && cloid.length === 34; word++) {
      const half = word < 2 ? abi.OWN_ORDER_CLOID_HI : abi.OWN_ORDER_CLOID_LO;
      u32[(at + half + (word % 2 === 0 ? 4 : 0)) >> 2] = Number.parseInt(
        cloid.slice(2 + 8 * word, 10 + 8 * word),
        16,
      );
    }
    u32[(at + abi.OWN_ORDER_SEQ) >> 2] = this.seq++;
    u16[(at + abi.OWN_ORDER_ASSET) >> 1] = told.asset;
    u8[at + abi.OWN_ORDER_SIDE] = told.side;
    u8[at + abi.OWN_ORDER_EVENT] = event;
    return at;
  }

  private integer(at: number, value: number): void {
    const { u32 } = this.o.sink;
    const high = Math.floor(value / 0x100000000);
    u32[at >> 2] = value - high * 0x100000000;
    u32[(at >> 2) + 1] = high;
  }

  // ── the rest of the port, as it is ──────────────────────────────────────────────────────────────────────────────────

  connect(events: GatewayEvents): Promise<void> {
    this.events = events;
    return this.o.gateway.connect(this);
  }
  onConnected(): void {
    this.events?.onConnected();
  }
  onDisconnected(reason: string): void {
    this.events?.onDisconnected(reason);
  }
  onNotice(text: string): void {
    this.events?.onNotice(text);
  }
  close(): Promise<void> {
    return this.o.gateway.close();
  }
  openOrders(): Promise<readonly OrderUpdate[]> {
    return this.o.gateway.openOrders();
  }
  orderStatus(cloid: Cloid): Promise<OrderUpdate | undefined> {
    return this.o.gateway.orderStatus(cloid);
  }
  account(): Promise<AccountSnapshot> {
    return this.o.gateway.account();
  }
  fillsSince(exchMs: number): Promise<readonly FillEvent[]> {
    return this.o.gateway.fillsSince(exchMs);
  }
  get lastSend(): OrderGateway["lastSend"] {
    return this.o.gateway.lastSend;
  }
  get isConnected(): boolean {
    return this.o.gateway.isConnected;
  }
}

const ACK_EVENT = {
  resting: OwnOrderEvent.Resting,
  filled: OwnOrderEvent.Resting,
  cancelled: OwnOrderEvent.Cancelled,
  error: OwnOrderEvent.Rejected,
  unknown: OwnOrderEvent.Unknown,
} as const;

/** Fills are told by themselves. */
function updateEvent(status: string): OwnOrderEvent {
  if (status === "open") return OwnOrderEvent.Resting;
  if (/rejected$/i.test(status)) return OwnOrderEvent.Rejected;
  return /cancel/i.test(status) ? OwnOrderEvent.Cancelled : OwnOrderEvent.None;
}
