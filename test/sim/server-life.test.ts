import { Wallet } from "ethers";
import { afterEach, describe, expect, it } from "vitest";
import {
  BTC_LIKE,
  OpenMarket,
  type SimOptions,
  type SimServer,
  SyntheticMarket,
  startSimServer,
} from "../../src/sim/index.js";
import { order, SimClient } from "./client.js";
import { realClock, realTimers } from "./real-time.js";

const wallet = new Wallet(`0x${"55".repeat(32)}`);
const log: string[] = [];
let server: SimServer | undefined;
const clients: SimClient[] = [];

async function serve(options: Partial<SimOptions>): Promise<SimServer> {
  server = await startSimServer({
    port: 0,
    speed: 1,
    markets: [new OpenMarket({ coin: "BTC", szDecimals: 5, maxLeverage: 40, blockMs: 20, l2BookMs: 40 })],
    funding: { [wallet.address]: 1_000_000 },
    clock: realClock,
    timers: realTimers,
    log: (line) => log.push(line),
    ...options,
  });
  return server;
}

async function join(): Promise<SimClient> {
  const client = await new SimClient(server!.port, wallet).connect();
  clients.push(client);
  return client;
}

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await server?.close();
  expect(server?.stats().internalErrors ?? 0).toBe(0);
  server = undefined;
});

describe("life of a connection", () => {
  it("closes a connection to which nothing was sent for the idle time, and keeps one that pings", async () => {
    await serve({ idleCloseMs: 400 });
    const quiet = await join();
    const lively = await join();
    const beat = setInterval(() => lively.send({ method: "ping" }), 50);
    try {
      await quiet.until(() => quiet.closeCode !== undefined, "the idle close");
    } finally {
      clearInterval(beat);
    }
    expect(quiet.closeCode).toBe(1000);
    expect(lively.closeCode).toBeUndefined();
  });

  it("cuts off a client that stops reading, and the market goes on for the others", async () => {
    const simServer = await serve({
      markets: [new SyntheticMarket(BTC_LIKE, 1)],
      speed: "max",
      stuckClientMs: 300,
    });
    const stuck = await join();
    const reader = await join();
    for (const type of ["l2Book", "bbo", "trades"]) {
      const subscription = { type, coin: "BTC" };
      stuck.send({ method: "subscribe", subscription });
      reader.send({ method: "subscribe", subscription });
    }
    await stuck.frame("l2Book");
    stuck.ws!.pause();
    await reader.until(() => simServer.stats().slowClientsClosed === 1, "the cut-off");
    const framesThen = reader.frames.length;
    await reader.until(() => reader.frames.length > framesThen + 100, "more market data");
  });

  it("cancels everything at the armed time without another word from the client", async () => {
    const simServer = await serve({});
    const c = await join();
    await c.subscribe({ type: "orderUpdates", user: c.address });
    await c.act(order({ isBuy: true, px: "100000", sz: "0.01" }, { isBuy: false, px: "101000", sz: "0.01" }));
    simServer.exchange.account(c.address)!.scheduledCancelMs = Date.now() + 300;
    const frame = await c.frame("orderUpdates", (d) => d[0].status === "scheduledCancel");
    expect(frame.data.length).toBe(2);
    expect(await c.info({ type: "openOrders", user: c.address })).toEqual([]);
  });

  it("takes an action into effect after the configured latency, and survives a client that left meanwhile", async () => {
    await serve({ latencyMs: 80 });
    const c = await join();
    const t0 = performance.now();
    await c.act({ type: "noop" });
    expect(performance.now() - t0).toBeGreaterThanOrEqual(75);
    const gone = await join();
    gone.send({
      method: "post",
      id: 1,
      request: { type: "action", payload: gone.envelope(order({ isBuy: true, px: "100000", sz: "0.01" })) },
    });
    await c.pingUntil(() => server!.stats().actions === 2);
    gone.close();
    await c.act({ type: "noop" });
    expect((await c.info({ type: "openOrders", user: c.address })).length).toBe(1);
  });

  it("answers the 101st post in flight on the error channel", async () => {
    await serve({ latencyMs: 500 });
    const c = await join();
    for (let id = 1; id <= 101; id++) {
      c.send({ method: "post", id, request: { type: "action", payload: c.envelope({ type: "noop" }) } });
    }
    expect((await c.frame("error")).data).toBe("too many pending post requests id=101");
    await c.until(() => c.frames.filter((f) => f.channel === "post").length === 100, "the other 100 answers");
  });
});

describe("the synthetic market behind the server", () => {
  it("shows 30 replayed trades at once and live data within a second, in the venue's shapes", async () => {
    await serve({ markets: [new SyntheticMarket(BTC_LIKE, 42)] });
    const c = await join();
    for (const type of ["trades", "bbo", "l2Book", "activeAssetCtx"])
      c.send({ method: "subscribe", subscription: { type, coin: "BTC" } });
    expect((await c.frame("trades")).data.length).toBe(30);
    const book = (await c.frame("l2Book", (d) => d.levels[0].length === 20)).data;
    expect(book.levels[1][0]).toEqual({
      px: expect.stringMatching(/^\d+\.0$/),
      sz: expect.stringMatching(/^\d+\.\d+$/),
      n: expect.any(Number),
    });
    const bbos = (): number => c.frames.filter((f) => f.channel === "bbo").length;
    await c.until(() => bbos() >= 5, "five bbo updates");
    const ctx = (await c.frame("activeAssetCtx")).data.ctx;
    expect(Math.abs(Number(ctx.markPx) - Number(ctx.oraclePx))).toBeLessThan(100);
    const live = await c
      .frame("trades", () => true, 1)
      .then(() => c.frames.filter((f) => f.channel === "trades").slice(1));
    for (const f of live) for (const t of f.data) expect(t.users.length).toBe(2);
  });

  it("aggregates books on request as the venue does", async () => {
    await serve({ markets: [new SyntheticMarket(BTC_LIKE, 42)] });
    const c = await join();
    const book = await c.info({ type: "l2Book", coin: "BTC", nSigFigs: 5, mantissa: 5 });
    for (const side of book.levels) for (const level of side) expect(Number(level.px) % 50).toBe(0);
    const plain = await c.info({ type: "l2Book", coin: "BTC", nSigFigs: null });
    expect(Number(book.levels[0][0].px)).toBeLessThanOrEqual(Number(plain.levels[0][0].px));
    expect(Number(book.levels[1][0].px)).toBeGreaterThanOrEqual(Number(plain.levels[1][0].px));
    expect((await c.http("/info", { type: "l2Book", coin: "BTC", nSigFigs: 7 })).status).toBe(500);
  });
});
