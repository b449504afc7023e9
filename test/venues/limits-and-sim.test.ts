/** Allowance, purchase and dead man's switch of the client against those of the simulated exchange: no code is shared. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type Approved,
  CloidSequence,
  type Instrument,
  type NewOrder,
  pxTicks,
  Side,
  szLots,
} from "../../src/domain/index.js";
import { AddressBudget, DeadMansSwitch } from "../../src/execution/index.js";
import { OpenMarket, type SimServer, startSimServer } from "../../src/sim/index.js";
import { InfoClient } from "../../src/venues/hyperliquid/info.js";
import { networkEndpoints } from "../../src/venues/hyperliquid/network.js";
import { HyperliquidGateway } from "../../src/venues/hyperliquid/orders.js";
import { L1Signer } from "../../src/venues/hyperliquid/sign.js";
import { instrumentsFromMeta } from "../../src/venues/hyperliquid/symbols.js";
import { clock, fastTimers, Recorder, rng } from "./fake-venue.js";

const INITIAL = 60;
const signer = new L1Signer(new Uint8Array(32).fill(0x31), "b");
const cloids = new CloidSequence(3);
const timers = fastTimers(1);
const log = { debug() {}, info() {}, warn() {}, error() {} };

let sim: SimServer;
let instruments: Instrument[];
let gateway: HyperliquidGateway;
const events = new Recorder();

beforeAll(async () => {
  sim = await startSimServer({
    port: 0,
    speed: 1,
    markets: [new OpenMarket({ coin: "BTC", szDecimals: 5, maxLeverage: 40, blockMs: 20, l2BookMs: 40 })],
    funding: { [signer.address]: 100_000 },
    executor: { addressLimit: "venue", initialRequests: INITIAL },
    exchange: { scheduleCancelMinVolumeUsd: 1_000_000 },
    clock,
    timers,
    log: () => {},
  });
  const endpoints = networkEndpoints("localhost", { port: sim.port });
  instruments = instrumentsFromMeta(await new InfoClient({ endpoints, clock, timers, rng: rng() }).meta(), [
    "BTC",
  ]);
  gateway = new HyperliquidGateway({ endpoints, signer, instruments, clock, timers, rng: rng(), log });
  await gateway.connect(events);
});

afterAll(async () => {
  await gateway.close();
  await sim.close();
});

const orders = (n: number): Approved<NewOrder>[] =>
  Array.from({ length: n }, (_, i) => ({
    asset: 0,
    side: Side.Buy,
    pxTicks: pxTicks(500_000 - 10 * i),
    szLots: szLots(100),
    tif: "Alo" as const,
    reduceOnly: false,
    cloid: cloids.take(),
  })) as unknown as Approved<NewOrder>[];

describe("an account without volume", () => {
  test("is counted alike on both sides, refused when spent, may cancel on, and quotes again after a purchase", async () => {
    const budget = new AddressBudget({
      ask: () => gateway.requestQuota(),
      monoNs: () => clock.monoNs(),
      onTrouble: (e) => {
        throw e;
      },
    });
    await budget.sync();
    const before = budget.used;
    expect(budget.cancelCap).toBe(2 * budget.cap);
    const placed = orders(20);
    await events.ack(gateway.place(placed));
    budget.spend(20);
    const counted = budget.used;
    await budget.sync();
    expect(budget.used).toBe(counted);
    expect(budget.used - before).toBe(20);
    // Spend the rest.
    while (budget.used < INITIAL) {
      await events.ack(gateway.place(orders(10)));
      budget.spend(10);
    }
    await events.ack(gateway.place(orders(1))); // takes the slot of ten seconds
    const [refused] = await events.ack(gateway.place(orders(1)));
    expect(refused).toMatchObject({ kind: "error", code: "RateLimited" });
    const cancelled = await events.ack(
      gateway.cancel(placed.slice(0, 5).map(({ asset, cloid }) => ({ asset, cloid }))),
    );
    expect(cancelled.map((c) => c.kind)).toEqual(Array.from({ length: 5 }, () => "cancelled"));
    await budget.sync();
    const spent = budget.used;
    await gateway.buyRequests(500);
    await budget.sync();
    // The purchase may itself count as an action.
    expect([spent - 500, spent - 499]).toContain(budget.used);
    const [again] = await events.ack(gateway.place(orders(1)));
    expect(again).toMatchObject({ kind: "resting" });
  });

  test("has no dead man's switch: told with the venue's figures", async () => {
    const why: string[] = [];
    const deadMan = new DeadMansSwitch({
      schedule: (atMs) => gateway.scheduleCancel(atMs),
      clock,
      timers,
      log: () => {},
      leadMs: 30_000,
      onUnavailable: (w) => why.push(w),
    });
    expect(await deadMan.arm()).toBe(false);
    deadMan.leaveArmed();
    expect(why[0]).toMatch(/Required: \$1000000/);
  });
});
