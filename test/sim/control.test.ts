import { Wallet } from "ethers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  BTC_LIKE,
  OpenMarket,
  type SimServer,
  SyntheticMarket,
  startSimServer,
} from "../../src/sim/index.js";
import { type Loose, order, SimClient } from "./client.js";
import { realClock, realTimers } from "./real-time.js";

const alice = new Wallet(`0x${"11".repeat(32)}`);
let server: SimServer;
let a: SimClient;

beforeAll(async () => {
  server = await startSimServer({
    port: 0,
    speed: 1,
    markets: [
      new SyntheticMarket({ ...BTC_LIKE, sigmaBpsPerSqrtS: 0.01, jumpsPerHour: 0, sweepsPerMin: 0 }, 3),
      new OpenMarket({ coin: "SOL", szDecimals: 2, maxLeverage: 20, blockMs: 20, l2BookMs: 40 }),
    ],
    funding: { [alice.address]: 1000 },
    clock: realClock,
    timers: realTimers,
    log: () => {},
  });
  a = await new SimClient(server.port, alice).connect();
});

afterAll(async () => {
  a.close();
  await server.close();
});

const state = async (): Promise<Loose> => (await fetch(`http://127.0.0.1:${server.port}/control`)).json();
const command = (body: unknown): Promise<{ status: number; text: string; json: Loose }> =>
  a.http("/control", body);
const mid = async (): Promise<number> => Number((await a.info({ type: "allMids" })).BTC);
/** Looks at each book that arrives until one is as wanted. */
const bookUntil = async (fits: (mid: number) => boolean): Promise<void> => {
  const from = a.frames.length;
  await a.frame(
    "bbo",
    (d) => d.bbo[0] !== null && d.bbo[1] !== null && fits((Number(d.bbo[0].px) + Number(d.bbo[1].px)) / 2),
    from,
  );
};

describe("the simulator's own door", () => {
  test("faults are set, counted, listed and cleared", async () => {
    const set = await command({
      type: "setFaults",
      faults: ["loss:rate=0", { kind: "http429", rate: 1, action: "meta" }],
    });
    expect(set.status).toBe(200);
    expect((await a.http("/info", { type: "meta" })).status).toBe(429);
    const now = await state();
    expect(now.faults).toHaveLength(2);
    expect(now.faults[1]).toEqual({ rule: { kind: "http429", rate: 1, where: { action: "meta" } }, hits: 1 });
    expect(now.counts.http429).toBe(1);
    await command({ type: "clearFaults" });
    expect((await a.http("/info", { type: "meta" })).status).toBe(200);
    expect((await state()).faults).toEqual([]);
  });

  test.each([
    [{ command: "clearFaults" }, /want a JSON object such as {"type":"clearFaults"}; types: setFaults/],
    [{ type: "explode" }, /unknown command "explode"; want one of setFaults, clearFaults/],
    [[], /want a JSON object/],
    [{ type: "setFaults", faults: ["loss:rate=7"] }, /rate is 7; want a number from 0 to 1/],
    [{ type: "setFaults" }, /faults is missing/],
    [{ type: "clearFaults", now: true }, /unknown field "now"; it takes none/],
    [{ type: "moveMarket", coin: "DOGE", bps: 1 }, /no market "DOGE"; want one of BTC, SOL/],
    [{ type: "moveMarket", coin: "SOL", bps: 1 }, /SOL has no price of its own/],
    [{ type: "moveMarket", coin: "BTC", bps: 1e9 }, /bps is 1000000000; want a number from -5000 to 5000/],
    [{ type: "setOracle", coin: "BTC", px: 5 }, /px is 5; want a positive price as text/],
    [{ type: "fund", user: "bob", usd: 5 }, /user is "bob"; want 0x and 40 hex digits/],
    [{ type: "toString" }, /unknown command/],
  ])("refuses %j and says why", async (body, message) => {
    const { status, text } = await command(body);
    expect(status).toBe(422);
    expect(text).toMatch(message);
  });

  test("is closed to web pages", async () => {
    const response = await fetch(`http://127.0.0.1:${server.port}/control`, {
      method: "POST",
      headers: { origin: "https://example.org" },
      body: JSON.stringify({ type: "disconnectAll" }),
    });
    expect(response.status).toBe(403);
    expect(a.closeCode).toBeUndefined();
  });

  test("moves a market at once, and lets it cascade", async () => {
    await a.subscribe({ type: "bbo", coin: "BTC" });
    const before = await mid();
    await command({ type: "moveMarket", coin: "BTC", bps: 50 });
    await bookUntil((m) => m > before * 1.004);
    const high = await mid();
    await command({ type: "cascade", coin: "BTC", bps: -100, ms: 1000 });
    await bookUntil((m) => m < high * (1 - 0.0085));
  });

  test("funds accounts, sets oracle, mark and cap, pays funding", async () => {
    const bob = new Wallet(`0x${"66".repeat(32)}`).address.toLowerCase();
    await command({ type: "fund", user: bob, usd: 12.5 });
    const account = await a.info({ type: "clearinghouseState", user: bob });
    expect(account.marginSummary.accountValue).toBe("12.5");
    await command({ type: "setOracle", coin: "SOL", px: "150" });
    await command({ type: "setMark", coin: "SOL", px: "151" });
    const [, contexts] = await a.info({ type: "metaAndAssetCtxs" });
    expect(contexts[1]).toMatchObject({ oraclePx: "150.0", markPx: "151.0" });
    await command({ type: "setOpenInterestCap", coin: "SOL", usd: 0 });
    expect(server.exchange.market("SOL")?.oiCapUsd).toBe(0);
    await command({ type: "setOpenInterestCap", coin: "SOL", usd: null });
    expect(server.exchange.market("SOL")?.oiCapUsd).toBe(Number.POSITIVE_INFINITY);
    expect((await command({ type: "settleFunding" })).json).toEqual({ ok: true });
  });

  test("a post-only window refuses everything else while it lasts", async () => {
    const gtc = order({ isBuy: true, px: "100", sz: "0.2", tif: "Gtc", asset: 1 });
    await command({ type: "setMark", coin: "SOL", px: "101" });
    await command({ type: "postOnly", ms: 60_000 });
    expect(JSON.stringify(await a.act(gtc))).toMatch(/post.only/i);
    await command({ type: "postOnly", ms: 0 });
    expect((await a.act(gtc)).response.data.statuses[0]).toHaveProperty("resting");
  });

  test("cuts every connection", async () => {
    const other = await new SimClient(server.port, alice).connect();
    expect((await command({ type: "disconnectAll" })).json).toMatchObject({ ok: true, disconnected: 2 });
    await other.until(() => other.closeCode !== undefined, "the cut");
    expect((await state()).connections).toBe(0);
  });
});
