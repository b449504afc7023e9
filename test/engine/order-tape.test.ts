import { describe, expect, test } from "vitest";
import * as abi from "../../src/abi/layout.js";
import type { Approved, Cloid, Instrument, NewOrder, PxTicks, SzLots } from "../../src/domain/index.js";
import { Side } from "../../src/domain/index.js";
import { OrderTape } from "../../src/engine/order-tape.js";
import { createRing, RingConsumer, RingProducer, ringDrops } from "../../src/rings/index.js";
import { ORDER_ERROR_CODES } from "../../src/venues/order-errors.js";
import type { AckStatus, FillEvent, GatewayEvents, OrderGateway } from "../../src/venues/port.js";

const BTC: Instrument = {
  asset: 0,
  venueAssetId: 0,
  coin: "BTC",
  pxDecimals: 1,
  szDecimals: 5,
  maxSigFigs: 5,
  minNotionalUsd: 10,
  maxLeverage: 40,
};
const START_MS = 1_757_000_000_000;

/** A venue that takes everything and says nothing by itself. */
function rig(ringBytes = 65_536) {
  const sab = createRing(ringBytes);
  const clock = { nowNs: 1e9, monoNs: () => clock.nowNs, wallMs: () => START_MS };
  let batch = 0;
  const calls: string[] = [];
  const lastSend = { encodeStartMonoNs: 0, signStartMonoNs: 0, signEndMonoNs: 0, wireMonoNs: 0 };
  const send = (what: string) => (): number => {
    calls.push(what);
    lastSend.wireMonoNs = clock.nowNs + 50_000;
    return ++batch;
  };
  let events: GatewayEvents | undefined;
  const gateway = {
    place: send("place"),
    modify: send("modify"),
    cancel: send("cancel"),
    lastSend,
    isConnected: true,
    connect: (e: GatewayEvents) => {
      events = e;
      return Promise.resolve();
    },
  } as unknown as OrderGateway;
  const cause = { causeMonoNs: 0, decidedMonoNs: 0 };
  const tape = new OrderTape({
    gateway,
    instruments: [BTC],
    clock,
    sink: new RingProducer(sab),
    cause: () => cause,
  });
  const heard: string[] = [];
  const executor = {
    onAck: () => heard.push("ack"),
    onOrderUpdates: () => heard.push("updates"),
    onFills: () => heard.push("fills"),
  } as unknown as GatewayEvents;
  void tape.connect(executor);
  const ring = new RingConsumer(sab);
  const read = (): Record<string, number | string>[] => {
    const out: Record<string, number | string>[] = [];
    for (let at = ring.poll(); at >= 0; at = ring.poll()) {
      const f64 = (field: number): number => ring.f64[(at + field) >> 3]!;
      const view = new DataView(sab);
      out.push({
        event: abi.OwnOrderEventName.get(ring.u8[at + abi.OWN_ORDER_EVENT]! as abi.OwnOrderEvent)!,
        px: f64(abi.OWN_ORDER_PX),
        sz: f64(abi.OWN_ORDER_SZ),
        cause: f64(abi.OWN_ORDER_CAUSE_MONO_NS),
        decided: f64(abi.OWN_ORDER_DECIDED_MONO_NS),
        sent: f64(abi.OWN_ORDER_SENT_MONO_NS),
        recv: f64(abi.OWN_ORDER_RECV_MONO_NS),
        exchNs: String(view.getBigInt64(at + abi.OWN_ORDER_EXCH_TS_NS, true)),
        oid: Number(view.getBigUint64(at + abi.OWN_ORDER_OID, true)),
        side: view.getInt8(at + abi.OWN_ORDER_SIDE),
        code: view.getUint16(at + abi.OWN_ORDER_CODE, true),
        cloid: `0x${[abi.OWN_ORDER_CLOID_HI, abi.OWN_ORDER_CLOID_LO]
          .map((field) =>
            view
              .getBigUint64(at + field, true)
              .toString(16)
              .padStart(16, "0"),
          )
          .join("")}`,
      });
    }
    ring.release();
    return out;
  };
  return { tape, clock, cause, calls, heard, read, sab, venue: (): GatewayEvents => events! };
}

const order = (n: number, side: Side = Side.Sell): Approved<NewOrder> =>
  ({
    asset: 0,
    side,
    pxTicks: 600_001 as PxTicks,
    szLots: 200 as SzLots,
    tif: "Alo",
    reduceOnly: false,
    // The low half begins with what would be a signalling NaN.
    cloid: `0x6d6d6b720198f1a27ff4${n.toString(16).padStart(12, "0")}` as Cloid,
  }) as NewOrder as Approved<NewOrder>;

const fill = (n: number, more: Partial<FillEvent> = {}): FillEvent => ({
  coin: "BTC",
  oid: 77,
  cloid: order(n).cloid,
  tid: 5,
  side: Side.Sell,
  px: 60_000.1,
  pxTicks: 600_001,
  szLots: 100,
  startPosLots: -300,
  closedPnlUsd: 0,
  feeUsd: 0.01,
  isMaker: true,
  isLiquidation: false,
  exchMs: START_MS + 1500,
  isSnapshot: false,
  ...more,
});

describe("own orders on a tape", () => {
  test("every step of an order with the stamps known by then", () => {
    const r = rig();
    Object.assign(r.cause, { causeMonoNs: 0.9e9, decidedMonoNs: 0.99e9 });
    const id = r.tape.place([order(1)]);
    r.clock.nowNs = 1.2e9;
    r.venue().onAck(id, [{ kind: "resting", oid: 77 }]);
    r.clock.nowNs = 2e9;
    r.venue().onFills([fill(1)]);
    Object.assign(r.cause, { causeMonoNs: 0, decidedMonoNs: 2.5e9 });
    r.clock.nowNs = 2.6e9;
    const cancel = r.tape.cancel([{ asset: 0, cloid: order(1).cloid }]);
    r.clock.nowNs = 2.9e9;
    r.venue().onAck(cancel, [{ kind: "cancelled" }]);
    const base = { px: 60_000.1, side: -1, cloid: order(1).cloid, code: 0 };
    expect(r.read()).toEqual([
      {
        ...base,
        event: "Place",
        sz: 0.002,
        cause: 0.9e9,
        decided: 0.99e9,
        sent: 1e9 + 5e4,
        recv: 1e9 + 5e4,
        exchNs: "0",
        oid: 0,
      },
      {
        ...base,
        event: "Resting",
        sz: 0.002,
        cause: 0.9e9,
        decided: 0.99e9,
        sent: 1e9 + 5e4,
        recv: 1.2e9,
        exchNs: "0",
        oid: 77,
      },
      {
        ...base,
        event: "Fill",
        sz: 0.001,
        cause: 0.9e9,
        decided: 0.99e9,
        sent: 1e9 + 5e4,
        recv: 2e9,
        exchNs: `${START_MS + 1500}000000`,
        oid: 77,
      },
      {
        ...base,
        event: "Cancel",
        sz: 0.002,
        cause: 0,
        decided: 2.5e9,
        sent: 2.6e9 + 5e4,
        recv: 2.6e9 + 5e4,
        exchNs: "0",
        oid: 77,
      },
      {
        ...base,
        event: "Cancelled",
        sz: 0.002,
        cause: 0,
        decided: 2.5e9,
        sent: 2.6e9 + 5e4,
        recv: 2.9e9,
        exchNs: "0",
        oid: 77,
      },
    ]);
    expect(r.heard).toEqual(["ack", "fills", "ack"]);
  });

  test("a refusal carries its code, a lost answer is unknown, a change names its new order", () => {
    const r = rig();
    const refused: AckStatus = { kind: "error", code: "BadAloPx", text: "would match" };
    const id = r.tape.place([order(1), order(2)]);
    r.venue().onAck(id, [refused, { kind: "unknown", text: "time-out" }]);
    const change = r.tape.modify([{ target: order(2).cloid, order: order(3) }] as never);
    r.venue().onAck(change, [{ kind: "resting", oid: 78 }]);
    const rows = r.read().map(({ event, code, cloid }) => `${event} ${code} ${String(cloid).slice(-1)}`);
    const code = ORDER_ERROR_CODES.indexOf("BadAloPx") + 1;
    expect(rows).toEqual([
      "Place 0 1",
      "Place 0 2",
      `Rejected ${code} 1`,
      "Unknown 0 2",
      "Modify 0 3",
      "Resting 0 3",
    ]);
  });

  test("a fill is told once, however often the venue repeats it; of before the run nothing", () => {
    const r = rig();
    r.tape.place([order(1)]);
    r.venue().onFills([fill(1)]);
    r.venue().onFills([
      fill(1, { isSnapshot: true }),
      fill(9, { tid: 6, exchMs: START_MS - 60_000, isSnapshot: true }),
    ]);
    expect(r.read().map((row) => row["event"])).toEqual(["Place", "Fill"]);
  });

  test("a full ring loses records and counts them; requests and answers pass all the same", () => {
    const r = rig(1024);
    for (let n = 0; n < 50; n++) r.venue().onAck(r.tape.place([order(n)]), [{ kind: "resting", oid: n }]);
    expect(r.calls).toHaveLength(50);
    expect(r.heard).toHaveLength(50);
    const kept = r.read().length;
    expect(kept).toBeGreaterThan(0);
    expect(ringDrops(r.sab)).toBe(100 - kept);
  });
});
