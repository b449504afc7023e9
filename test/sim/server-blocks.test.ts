import { Wallet } from "ethers";
import { afterEach, describe, expect, it } from "vitest";
import { NO_LATENCY, VENUE_LATENCY } from "../../src/sim/blocks.js";
import { OpenMarket, type SimOptions, type SimServer, startSimServer } from "../../src/sim/index.js";
import { type Frame, order, SimClient } from "./client.js";
import { realClock, realTimers } from "./real-time.js";

const alice = new Wallet(`0x${"11".repeat(32)}`);
const bob = new Wallet(`0x${"22".repeat(32)}`);
const BLOCK_MS = 70;

let server: SimServer | undefined;
const clients: SimClient[] = [];

async function open(options: Partial<SimOptions>): Promise<[a: SimClient, b: SimClient]> {
  server = await startSimServer({
    port: 0,
    speed: 1,
    markets: [new OpenMarket({ coin: "BTC", szDecimals: 5, maxLeverage: 40, blockMs: 20, l2BookMs: 40 })],
    funding: { [alice.address]: 1_000_000, [bob.address]: 1_000_000 },
    clock: realClock,
    timers: realTimers,
    log: () => {},
    ...options,
  });
  for (const wallet of [alice, bob]) clients.push(await new SimClient(server.port, wallet).connect());
  return [clients[0]!, clients[1]!];
}

afterEach(async () => {
  for (const c of clients.splice(0)) c.close();
  const internalErrors = server?.stats().internalErrors;
  await server?.close();
  expect(internalErrors).toBe(0);
});

const updates = (c: SimClient): Frame["data"][] =>
  c.frames.filter((f) => f.channel === "orderUpdates").flatMap((f) => f.data);

describe("blocks over the socket", () => {
  it("stamp everything with their time, and run cancels before takers that were sent earlier in the block", async () => {
    const [a, b] = await open({ blockMs: BLOCK_MS, latency: NO_LATENCY });
    await a.subscribe({ type: "orderUpdates", user: a.address });
    let won = 0;
    for (let round = 0; round < 6; round++) {
      const placed = await a.act(order({ isBuy: false, px: "100000", sz: "0.01", tif: "Alo" }));
      const { oid } = placed.response.data.statuses[0].resting;
      // The taker first, then the cancel: both before the next block (nearly always; a stalled machine may miss one).
      const taken = b.act(order({ isBuy: true, px: "100000", sz: "0.01", tif: "Ioc" }));
      const canceled = a.act({ type: "cancel", cancels: [{ a: 0, o: oid }] });
      const [[ioc], [cancel]] = (await Promise.all([taken, canceled])).map((r) => r.response.data.statuses);
      if (cancel === "success") {
        won++;
        expect(ioc.error).toContain("could not immediately match");
      } else expect(ioc).toHaveProperty("filled");
    }
    expect(won).toBeGreaterThanOrEqual(4);
    const stamps = updates(a).map((u) => u.statusTimestamp);
    expect(stamps.length).toBeGreaterThanOrEqual(12);
    expect(stamps.filter((ms) => ms % BLOCK_MS !== 0)).toEqual([]);
  });

  it("answer after the venue's delays at 20 times the speed, takers later than makers", async () => {
    const [a] = await open({ blockMs: BLOCK_MS, latency: VENUE_LATENCY, speed: 20 });
    const sentMs = server!.stats().exchMs;
    await a.act(order({ isBuy: true, px: "100000", sz: "0.01", tif: "Alo" }));
    const answeredMs = server!.stats().exchMs;
    expect(answeredMs - sentMs).toBeGreaterThanOrEqual(30);
    const before = server!.stats().exchMs;
    await a.act(order({ isBuy: true, px: "99000", sz: "0.01", tif: "Gtc" }));
    expect(server!.stats().exchMs - before).toBeGreaterThanOrEqual(130);
  });

  it("move time for a waiting client at speed max, though nobody listens to the market", async () => {
    const [a] = await open({ blockMs: BLOCK_MS, latency: VENUE_LATENCY, speed: "max" });
    const before = server!.stats().exchMs;
    const placed = await a.act(order({ isBuy: true, px: "100000", sz: "0.01", tif: "Gtc" }));
    expect(placed.response.data.statuses[0]).toHaveProperty("resting");
    const after = server!.stats().exchMs;
    expect(after - before).toBeGreaterThanOrEqual(130);
    expect(after - before).toBeLessThan(700);
    await a.info({ type: "allMids" });
    expect(server!.stats().exchMs).toBe(after);
  });
});

describe("timed orders over the socket", () => {
  it("send a TWAP's slices by exchange time and fire a stop when the mark falls", async () => {
    const [a, b] = await open({ speed: 200 });
    await b.act(order({ isBuy: false, px: "100000", sz: "5" }, { isBuy: true, px: "99990", sz: "5" }));
    await a.subscribe({ type: "userFills", user: a.address });
    await a.subscribe({ type: "orderUpdates", user: a.address });
    const twap = { a: 0, b: true, s: "1.1", r: false, m: 5, t: false };
    // The first mark is made with the first block.
    await a.pingUntil(() => server!.exchange.market("BTC")!.markTicks > 0);
    const placed = await a.act({ type: "twapOrder", twap });
    expect(placed.response.data.status).toEqual({ running: { twapId: 1 } });
    const fills = (): Frame["data"][] =>
      a.frames
        .filter((f) => f.channel === "userFills" && f.data.isSnapshot !== true)
        .flatMap((f) => f.data.fills);
    await a.until(() => fills().length === 11, "eleven slices", 10_000);
    expect(fills().every((f) => f.twapId === 1 && /^0x0{64}$/.test(f.hash))).toBe(true);
    const stop = { isMarket: true, triggerPx: "99000", tpsl: "sl" };
    const armed = await a.act({
      type: "order",
      orders: [{ a: 0, b: false, p: "90000", s: "1.1", r: true, t: { trigger: stop } }],
      grouping: "na",
    });
    expect(armed.response.data.statuses).toEqual(["waitingForTrigger"]);
    const [shown] = await a.info({ type: "frontendOpenOrders", user: a.address });
    expect(shown).toMatchObject({
      isTrigger: true,
      orderType: "Stop Market",
      triggerCondition: "Price below 99000.0",
    });
    const market = server!.exchange.market("BTC")!;
    const isTriggered = (): boolean =>
      a.frames.some(
        (f) => f.channel === "orderUpdates" && f.data.some((u: Frame["data"]) => u.status === "triggered"),
      );
    // The market's next mark may come before the venue looks at this one: it is set until it was seen.
    await a.pingUntil(() => {
      if (!isTriggered()) server!.exchange.setMark(market, 989_000, server!.stats().exchMs);
      return isTriggered();
    });
    await a.until(() => fills().at(-1)?.side === "A", "the stop's fill");
    expect((await a.info({ type: "clearinghouseState", user: a.address })).assetPositions).toEqual([]);
  });
});
