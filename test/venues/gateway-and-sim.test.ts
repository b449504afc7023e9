/** The gateway against the simulated exchange: two implementations of one protocol that share no code meet over sockets. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type Approved,
  CloidSequence,
  type Instrument,
  type ModifyOrder,
  type NewOrder,
  pxTicks,
  Side,
  szLots,
} from "../../src/domain/index.js";
import { OpenMarket, type SimServer, startSimServer } from "../../src/sim/index.js";
import { InfoClient } from "../../src/venues/hyperliquid/info.js";
import { networkEndpoints } from "../../src/venues/hyperliquid/network.js";
import { HyperliquidGateway } from "../../src/venues/hyperliquid/orders.js";
import { L1Signer } from "../../src/venues/hyperliquid/sign.js";
import { instrumentsFromMeta } from "../../src/venues/hyperliquid/symbols.js";
import { clock, fastTimers, Recorder, rng } from "./fake-venue.js";

const maker = new L1Signer(new Uint8Array(32).fill(0x21), "b");
const taker = new L1Signer(new Uint8Array(32).fill(0x22), "b");
const stranger = new L1Signer(new Uint8Array(32).fill(0x23), "b");
const cloids = new CloidSequence(1);
const timers = fastTimers(1);
const log = { debug() {}, info() {}, warn() {}, error() {} };

let sim: SimServer;
let instruments: Instrument[];
const gateways: HyperliquidGateway[] = [];

async function gateway(
  signer: L1Signer,
  options: { isFastCancel?: boolean; expiresAfterMs?: number; vaultAddress?: string } = {},
): Promise<[HyperliquidGateway, Recorder]> {
  const made = new HyperliquidGateway({
    endpoints: networkEndpoints("localhost", { port: sim.port }),
    signer,
    instruments,
    clock,
    timers,
    rng: rng(),
    log,
    ...options,
  });
  const events = new Recorder();
  await made.connect(events);
  gateways.push(made);
  return [made, events];
}

beforeAll(async () => {
  sim = await startSimServer({
    port: 0,
    speed: 1,
    markets: [
      new OpenMarket({ coin: "BTC", szDecimals: 5, maxLeverage: 40, blockMs: 20, l2BookMs: 40 }),
      new OpenMarket({ coin: "SOL", szDecimals: 2, maxLeverage: 20, blockMs: 20, l2BookMs: 40 }),
    ],
    funding: { [maker.address]: 100_000, [taker.address]: 100_000 },
    clock,
    timers,
    log: () => {},
  });
  const endpoints = networkEndpoints("localhost", { port: sim.port });
  const info = new InfoClient({ endpoints, clock, timers, rng: rng() });
  instruments = instrumentsFromMeta(await info.meta(), ["BTC", "SOL"]);
});

afterAll(async () => {
  for (const g of gateways) await g.close();
  await sim.close();
});

const order = (side: Side, px: number, sz: number, over: Partial<NewOrder> = {}): Approved<NewOrder> =>
  ({
    asset: 0,
    side,
    pxTicks: pxTicks(px * 10),
    szLots: szLots(Math.round(sz * 1e5)),
    tif: "Alo",
    reduceOnly: false,
    cloid: cloids.take(),
    ...over,
  }) as Approved<NewOrder>;

describe("a session", () => {
  test("places, shows, modifies, is filled, and cancels", async () => {
    const [make, made] = await gateway(maker);
    const [take, taken] = await gateway(taker);

    const bid = order(Side.Buy, 99_990, 0.01);
    const ask = order(Side.Sell, 100_010, 0.02);
    const placed = await made.ack(make.place([bid, ask]));
    expect(placed.map((s) => s.kind)).toEqual(["resting", "resting"]);
    const open = await make.openOrders();
    expect(open.map((o) => [o.cloid, o.side, o.pxTicks, o.szLots]).sort()).toEqual(
      [
        [bid.cloid, Side.Buy, 999_900, 1000],
        [ask.cloid, Side.Sell, 1_000_100, 2000],
      ].sort(),
    );

    const better = order(Side.Buy, 99_995, 0.01);
    const modify = { target: bid.cloid, order: better } as ModifyOrder as Approved<ModifyOrder>;
    expect((await made.ack(make.modify([modify])))[0]!.kind).toBe("resting");
    expect((await make.orderStatus(better.cloid))?.status).toBe("open");
    expect((await make.orderStatus(bid.cloid))?.status).toBe("canceled");

    const sell = order(Side.Sell, 99_000, 0.004, { tif: "Ioc" });
    expect(await taken.ack(take.place([sell]))).toEqual([
      { kind: "filled", oid: expect.any(Number), totalSzLots: 400, avgPx: 99_995 },
    ]);
    await made.until(() => made.fills.some((f) => !f.isSnapshot));
    expect(made.fills.at(-1)).toMatchObject({
      cloid: better.cloid,
      side: Side.Buy,
      pxTicks: 999_950,
      szLots: 400,
      startPosLots: 0,
      isMaker: true,
    });
    expect(await make.fillsSince(0)).toHaveLength(1);
    expect((await make.account()).positions).toEqual([
      expect.objectContaining({ coin: "BTC", posLots: 400 }),
    ]);

    const cancelled = await made.ack(
      make.cancel([
        { asset: 0, cloid: better.cloid },
        { asset: 0, cloid: ask.cloid },
        { asset: 0, cloid: bid.cloid },
      ]),
    );
    expect(cancelled.map((s) => (s.kind === "error" ? s.code : s.kind))).toEqual([
      "cancelled",
      "cancelled",
      "MissingOrder",
    ]);
    await made.until(() => made.updates.some((u) => u.cloid === ask.cloid && u.status === "canceled"));
    expect(await make.openOrders()).toEqual([]);
  });

  test("hears why an order was refused, in the engine's words", async () => {
    const [make, made] = await gateway(maker);
    const [take, taken] = await gateway(taker);
    const wall = order(Side.Sell, 100_010, 0.01);
    await taken.ack(take.place([wall]));
    const statuses = await made.ack(
      make.place([
        order(Side.Buy, 100_010, 0.01),
        order(Side.Buy, 50_000, 0.00001),
        order(Side.Buy, 90_000, 0.01, { tif: "Ioc" }),
      ]),
    );
    expect(statuses.map((s) => (s.kind === "error" ? s.code : s.kind))).toEqual([
      "BadAloPx",
      "MinTradeNtl",
      "IocCancel",
    ]);
    const gone = {
      target: cloids.take(),
      order: order(Side.Buy, 90_000, 0.01),
    } as ModifyOrder as Approved<ModifyOrder>;
    expect((await made.ack(make.modify([gone])))[0]).toMatchObject({
      kind: "error",
      code: "MissingOrder",
      oldGone: true,
    });
    await taken.ack(take.cancel([{ asset: 0, cloid: wall.cloid }]));
  });

  test("signs what the venue recovers, with fast cancels, expiry and other actions", async () => {
    const [make, made] = await gateway(maker, { isFastCancel: true, expiresAfterMs: 60_000 });
    const bid = order(Side.Buy, 99_000, 0.01);
    const ack = (await made.ack(make.place([bid])))[0]!;
    if (ack.kind !== "resting") throw new Error(JSON.stringify(ack));
    expect(await made.ack(make.cancelByOid([{ asset: 0, oid: ack.oid }]))).toEqual([{ kind: "cancelled" }]);
    const other = order(Side.Buy, 99_000, 0.01);
    await made.ack(make.place([other]));
    expect(await made.ack(make.cancel([{ asset: 0, cloid: other.cloid }]))).toEqual([{ kind: "cancelled" }]);
    await make.updateLeverage(1, true, 7);
  });

  test("is refused when the account does not exist", async () => {
    const [make, made] = await gateway(stranger);
    const statuses = await made.ack(
      make.place([order(Side.Buy, 99_000, 0.01), order(Side.Buy, 98_000, 0.01)]),
    );
    expect(statuses.map((s) => s.kind === "error" && s.code)).toEqual(["NotAuthorised", "NotAuthorised"]);
  });

  test("goes on over HTTP after the socket is closed", async () => {
    const [make, made] = await gateway(maker);
    await make.close();
    const bid = order(Side.Buy, 99_000, 0.01);
    expect((await made.ack(make.place([bid])))[0]!.kind).toBe("resting");
    expect(await made.ack(make.cancel([{ asset: 0, cloid: bid.cloid }]))).toEqual([{ kind: "cancelled" }]);
    expect(make.counters).toMatchObject({ httpSent: 2, postsSent: 0 });
  });
});

describe("a sub-account", () => {
  test("gets leverage, orders and isolated margin of its own, none of it its master's", async () => {
    const { exchange } = sim;
    const sub = exchange.createSubAccount(exchange.account(maker.address)!, "desk");
    const moved = exchange.transfers.subAccountTransfer(
      exchange.account(maker.address)!,
      sub.address,
      true,
      5_000_000_000,
      Date.now(),
    );
    expect(moved).toBeUndefined();
    const [desk, events] = await gateway(maker, { vaultAddress: sub.address });
    const [other, others] = await gateway(taker);
    await desk.updateLeverage(1, false, 10);
    const sol = { asset: 1, pxTicks: pxTicks(100 * 10_000), szLots: szLots(100) };
    expect(
      (await others.ack(other.place([order(Side.Sell, 1, 1, { ...sol, szLots: szLots(200) })])))[0]!.kind,
    ).toBe("resting");
    expect((await events.ack(desk.place([order(Side.Buy, 1, 1, { ...sol, tif: "Ioc" })])))[0]!.kind).toBe(
      "filled",
    );

    const held = async (user: string) =>
      (await desk.info.clearinghouseState(user)).assetPositions.map(({ position: p }) => [
        p.coin,
        p.leverage.type,
        Number(p.marginUsed),
      ]);
    expect(await held(sub.address)).toEqual([["SOL", "isolated", 10]]);
    await desk.addIsolatedMargin(1, 190);
    expect(await held(sub.address)).toEqual([["SOL", "isolated", 200]]);
    expect((await held(maker.address)).filter(([coin]) => coin === "SOL")).toEqual([]);
  });

  test("is told its own funding, of its own markets, from a time on", async () => {
    const sub = sim.exchange.account(maker.address)!.subAccounts[0]!;
    const [desk] = await gateway(maker, { vaultAddress: sub.address });
    expect(await desk.fundingsSince(0)).toEqual([]);
    sim.exchange.funding.settle(Date.now());
    const told = await desk.fundingsSince(0);
    expect(told).toEqual([
      { coin: "SOL", usd: Number(sub.fundings[0]!.delta.usdc), exchMs: sub.fundings[0]!.time },
    ]);
    expect(told[0]!.usd).toBeLessThan(0);
    expect(await desk.fundingsSince(told[0]!.exchMs)).toEqual(told);
    expect(await desk.fundingsSince(told[0]!.exchMs + 1)).toEqual([]);
  });
});
