/** The gateway to a venue in this process: what the port promises, with a recorder in the executor's place. */
import { describe, expect, test } from "vitest";
import {
  type Approved,
  type Cloid,
  type NewOrder,
  pxTicks,
  Rng,
  Side,
  szLots,
  VirtualTime,
} from "../../src/domain/index.js";
import { type FaultRule, OpenMarket, SimGateway, SimVenue } from "../../src/sim/index.js";
import { HyperliquidReader } from "../../src/venues/hyperliquid/reader.js";
import type { AckStatus, FillEvent, GatewayEvents, OrderUpdate } from "../../src/venues/port.js";

const US = `0x${"51".repeat(20)}`;
const THEM = `0x${"52".repeat(20)}`;

class Recorder implements GatewayEvents {
  readonly log: string[] = [];
  readonly acks: (readonly AckStatus[])[] = [];
  readonly fills: FillEvent[] = [];

  onAck(_: number, statuses: readonly AckStatus[]): void {
    this.acks.push(statuses);
    this.log.push(`ack ${statuses.map((s) => s.kind).join(",")}`);
  }
  onOrderUpdates(updates: readonly OrderUpdate[]): void {
    this.log.push(`update ${updates.map((u) => u.status).join(",")}`);
  }
  onFills(fills: readonly FillEvent[]): void {
    this.fills.push(...fills);
    this.log.push(`fills ${fills.map((f) => f.szLots + (f.isSnapshot ? " again" : "")).join(",")}`);
  }
  onConnected(): void {
    this.log.push("connected");
  }
  onDisconnected(reason: string): void {
    this.log.push(`disconnected: ${reason}`);
  }
  onNotice(): void {}
}

async function connected(faults: readonly FaultRule[] = []) {
  const time = new VirtualTime(Date.UTC(2026, 0, 5, 10, 5));
  const market = new OpenMarket({ coin: "BTC", szDecimals: 5, maxLeverage: 40, blockMs: 100, l2BookMs: 500 });
  const venue = new SimVenue({
    time,
    markets: [market],
    seed: 1,
    funding: { [US]: 10_000, [THEM]: 10_000 },
    faults,
  });
  venue.start();
  const instruments = [{ ...venue.exchange.market("BTC")!.instrument, asset: 0 }];
  const reader = new HyperliquidReader(instruments);
  const make = (address: string, seed: number): SimGateway =>
    new SimGateway({ venue, address, instruments, time, rng: new Rng(seed), reader });
  const us = make(US, 1);
  const them = make(THEM, 2);
  const events = new Recorder();
  await time.settle(us.connect(events));
  await time.settle(them.connect(new Recorder()));
  let ids = 0;
  const order = (side: Side, px: number, lots: number, tif: NewOrder["tif"] = "Alo"): Approved<NewOrder> =>
    ({
      asset: 0,
      side,
      pxTicks: pxTicks(px * 10),
      szLots: szLots(lots),
      tif,
      reduceOnly: false,
      cloid: `0x${(++ids).toString(16).padStart(32, "0")}` as Cloid,
    }) as NewOrder as Approved<NewOrder>;
  return { time, venue, us, them, events, order };
}

describe("gateway in process", () => {
  test("an order rests after a block, and its fill is told with the venue's own numbers", async () => {
    const { time, us, them, events, order } = await connected();
    us.place([order(Side.Buy, 100_000, 20)]);
    expect(events.log).toEqual(["connected"]);
    await time.runFor(1_000);
    expect(events.acks[0]).toEqual([{ kind: "resting", oid: expect.any(Number) }]);
    expect(events.log).toContain("update open");
    them.place([order(Side.Sell, 100_000, 20, "Ioc")]);
    await time.runFor(1_000);
    expect(events.fills).toHaveLength(1);
    expect(events.fills[0]).toMatchObject({
      px: 100_000,
      szLots: 20,
      isMaker: true,
      startPosLots: 0,
      feeUsd: 0.003,
    });
    expect((await time.settle(us.account())).positions[0]).toMatchObject({ posLots: 20, entryPx: 100_000 });
    expect(await time.settle(us.openOrders())).toEqual([]);
  });

  test("what is in flight when the connection falls is unknown, and a reconnect tells the fills again", async () => {
    const { time, venue, us, them, events, order } = await connected();
    const first = order(Side.Buy, 100_000, 20);
    us.place([first]);
    await time.runFor(1_000);
    us.place([order(Side.Buy, 99_000, 20)]);
    us.disconnect("test");
    expect(events.log.slice(-2)).toEqual(["ack unknown", "disconnected: test"]);
    expect(us.isConnected).toBe(false);
    them.place([order(Side.Sell, 100_000, 20, "Ioc")]);
    await time.runFor(2_000);
    expect(events.log.slice(-2)).toEqual(["connected", "fills 20 again"]);
    // The request had left before: it rests, as orderStatus knows.
    expect(venue.exchange.account(US)!.openOrders.size).toBe(1);
    expect((await time.settle(us.orderStatus(first.cloid)))?.status).toBe("filled");
  });

  test("an answer that is lost makes the order unknown at the time-out; a refusal at the door is no rest", async () => {
    const { time, venue, us, events, order } = await connected([
      { kind: "loss", rate: 1, count: 1, where: { action: "order", part: "answer" } },
      { kind: "http429", rate: 1, count: 1, where: { action: "cancelByCloid" } },
    ]);
    const one = order(Side.Buy, 100_000, 20);
    us.place([one]);
    await time.runFor(2_900);
    expect(events.acks).toEqual([]);
    await time.runFor(200);
    expect(events.acks[0]?.[0]?.kind).toBe("unknown");
    us.cancel([{ asset: 0, cloid: one.cloid }]);
    await time.runFor(1_000);
    expect(events.acks[1]?.[0]).toMatchObject({ kind: "error", code: "RateLimited" });
    us.cancel([{ asset: 0, cloid: one.cloid }]);
    await time.runFor(1_000);
    expect(events.acks[2]).toEqual([{ kind: "cancelled" }]);
    expect(venue.exchange.account(US)!.openOrders.size).toBe(0);
  });

  test("quota, leverage and the dead man's switch are the venue's", async () => {
    const { time, venue, us, order } = await connected();
    us.place([order(Side.Buy, 100_000, 20)]);
    await time.runFor(1_000);
    expect(await time.settle(us.requestQuota())).toMatchObject({ used: 1, cap: 10_000 });
    await time.settle(us.updateLeverage(0, true, 7));
    await expect(time.settle(us.updateLeverage(0, true, 99))).rejects.toThrow("Invalid leverage");
    await time.settle(us.scheduleCancel(time.wallMs() + 6_000));
    await time.runFor(10_000);
    expect(venue.exchange.account(US)!.openOrders.size).toBe(0);
  });
});
