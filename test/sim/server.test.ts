import { Wallet } from "ethers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { OpenMarket, SimListenError, type SimServer, startSimServer } from "../../src/sim/index.js";
import { type Loose, order, SimClient, wire } from "./client.js";
import { realClock, realTimers } from "./real-time.js";

const alice = new Wallet(`0x${"11".repeat(32)}`);
const bob = new Wallet(`0x${"22".repeat(32)}`);
const stranger = new Wallet(`0x${"33".repeat(32)}`);

const cloid = (n: number): string => `0x${n.toString(16).padStart(32, "0")}`;

let server: SimServer;
let a: SimClient;
let b: SimClient;
const log: string[] = [];

beforeAll(async () => {
  server = await startSimServer({
    port: 0,
    speed: 1,
    markets: [
      new OpenMarket({ coin: "BTC", szDecimals: 5, maxLeverage: 40, blockMs: 20, l2BookMs: 40 }),
      new OpenMarket({ coin: "SOL", szDecimals: 2, maxLeverage: 20, blockMs: 20, l2BookMs: 40 }),
    ],
    funding: { [alice.address]: 100_000, [bob.address]: 50_000 },
    clock: realClock,
    timers: realTimers,
    log: (line) => log.push(line),
  });
  a = await new SimClient(server.port, alice).connect();
  b = await new SimClient(server.port, bob).connect();
});

afterAll(async () => {
  a.close();
  b.close();
  await server.close();
  expect(log).toEqual([
    `simulated exchange on 127.0.0.1:${server.port} at speed 1: BTC, clients only; SOL, clients only`,
  ]);
});

describe("orders over WebSocket post and HTTP", () => {
  it("rests, shows, modifies and cancels an order", async () => {
    const placed = await a.act(order({ isBuy: true, px: "100000", sz: "0.01", tif: "Alo", cloid: cloid(1) }));
    expect(placed).toEqual({
      status: "ok",
      response: {
        type: "order",
        data: { statuses: [{ resting: { oid: expect.any(Number), cloid: cloid(1) } }] },
      },
    });
    const oid = placed.response.data.statuses[0].resting.oid;
    expect(await a.info({ type: "openOrders", user: alice.address })).toEqual([
      {
        coin: "BTC",
        side: "B",
        limitPx: "100000.0",
        sz: "0.01",
        oid,
        timestamp: expect.any(Number),
        origSz: "0.01",
        cloid: cloid(1),
      },
    ]);
    const modified = await a.act({
      type: "batchModify",
      modifies: [
        {
          oid: cloid(1),
          order: wire({ isBuy: true, px: "100001", sz: "0.02", tif: "Alo", cloid: cloid(2) }),
        },
      ],
    });
    const newOid = modified.response.data.statuses[0].resting.oid;
    expect(newOid).toBeGreaterThan(oid);
    expect((await a.info({ type: "orderStatus", user: alice.address, oid })).order.status).toBe("canceled");
    expect((await a.info({ type: "orderStatus", user: alice.address, oid: cloid(2) })).order).toMatchObject({
      status: "open",
      order: {
        oid: newOid,
        limitPx: "100001.0",
        origSz: "0.02",
        tif: "Alo",
        orderType: "Limit",
        isTrigger: false,
      },
    });
    const cancel = { type: "cancelByCloid", cancels: [{ asset: 0, cloid: cloid(2) }] };
    const http = await a.http("/exchange", a.envelope(cancel));
    expect(http.json).toEqual({
      status: "ok",
      response: { type: "cancel", data: { statuses: ["success"] } },
    });
    expect((await a.act(cancel)).response.data.statuses).toEqual([
      { error: "Order was never placed, already canceled, or filled. asset=0" },
    ]);
    expect(await a.info({ type: "orderStatus", user: alice.address, oid: 5 })).toEqual({
      status: "unknownOid",
    });
  });

  it("fills a crossing order at the maker's price and books both sides", async () => {
    for (const c of [a, b]) {
      await c.subscribe({ type: "orderUpdates", user: c.address });
      await c.subscribe({ type: "userFills", user: c.wallet.address });
      await c.subscribe({ type: "userEvents", user: c.address });
    }
    await b.subscribe({ type: "trades", coin: "BTC" });
    await a.act(order({ isBuy: false, px: "101000", sz: "0.02", tif: "Alo", cloid: cloid(10) }));
    const taken = await b.act(
      order({ isBuy: true, px: "101500", sz: "0.015", tif: "Ioc", cloid: cloid(11) }),
    );
    expect(taken.response.data.statuses).toEqual([
      { filled: { totalSz: "0.015", avgPx: "101000.0", oid: expect.any(Number), cloid: cloid(11) } },
    ]);
    const makerFill = (await a.frame("userFills", (d) => d.fills.length > 0)).data;
    expect(makerFill).toEqual({
      user: a.address,
      fills: [
        {
          coin: "BTC",
          px: "101000.0",
          sz: "0.015",
          side: "A",
          time: expect.any(Number),
          startPosition: "0.0",
          dir: "Open Short",
          closedPnl: "0.0",
          hash: expect.stringMatching(/^0x[0-9a-f]{64}$/),
          oid: expect.any(Number),
          crossed: false,
          fee: "0.22725",
          tid: expect.any(Number),
          feeToken: "USDC",
          twapId: null,
          cloid: cloid(10),
        },
      ],
    });
    const takerFill = (await b.frame("userFills", (d) => d.fills.length > 0)).data.fills[0];
    expect(takerFill).toMatchObject({
      side: "B",
      crossed: true,
      fee: "0.68175",
      tid: makerFill.fills[0].tid,
    });
    const event = (await a.frame("user", (d) => d.fills !== undefined)).data;
    expect(event.fills).toEqual(makerFill.fills);
    const updates = b.frames.filter((f) => f.channel === "orderUpdates").flatMap((f) => f.data);
    expect(updates.find((u) => u.order.cloid === cloid(11) && u.status === "filled")).toBeDefined();
    const partial = (await a.frame("orderUpdates", (d) => d.some((u: Loose) => u.order.sz === "0.005")))
      .data[0];
    expect(partial).toEqual({
      order: {
        coin: "BTC",
        side: "A",
        limitPx: "101000.0",
        sz: "0.005",
        oid: makerFill.fills[0].oid,
        timestamp: expect.any(Number),
        origSz: "0.02",
        cloid: cloid(10),
      },
      status: "open",
      statusTimestamp: expect.any(Number),
    });
    const print = (await b.frame("trades")).data[0];
    expect(print).toEqual({
      coin: "BTC",
      side: "B",
      px: "101000.0",
      sz: "0.015",
      time: expect.any(Number),
      hash: expect.any(String),
      tid: takerFill.tid,
      users: [b.address, a.address],
    });
    const state = await a.info({ type: "clearinghouseState", user: alice.address });
    expect(state.assetPositions[0]).toMatchObject({
      type: "oneWay",
      position: { coin: "BTC", szi: "-0.015", entryPx: "101000.0", leverage: { type: "cross", value: 20 } },
    });
    expect(Number(state.marginSummary.totalRawUsd)).toBeCloseTo(100_000 - 0.22725 + 0.015 * 101_000, 6);
    const rest = await a.info({ type: "userFillsByTime", user: alice.address, startTime: 0 });
    expect(rest).toEqual(makerFill.fills);
    await a.act({ type: "cancelByCloid", cancels: [{ asset: 0, cloid: cloid(10) }] });
  });

  it.each([
    ["tick", { isBuy: true, px: "100000.5", sz: "0.01" }, "Price must be divisible by tick size. asset=0"],
    ["decimals", { isBuy: true, px: "100000.55", sz: "0.01" }, "Order has invalid price."],
    ["lot", { isBuy: true, px: "100000", sz: "0.000001" }, "Order has invalid size."],
    ["zero", { isBuy: true, px: "100000", sz: "0" }, "Order has zero size."],
    [
      "notional",
      { isBuy: true, px: "100000", sz: "0.00001" },
      "Order must have minimum value of $10. asset=0",
    ],
    ["margin", { isBuy: true, px: "100000", sz: "90" }, "Insufficient margin to place order. asset=0"],
    [
      "reduce only",
      { isBuy: false, px: "101000", sz: "0.1", reduceOnly: true },
      "Reduce only order would increase position. asset=0",
    ],
    [
      "no liquidity",
      { isBuy: true, px: "100000", sz: "0.1", tif: "Ioc" as const },
      "Order could not immediately match against any resting orders. asset=0",
    ],
  ])("refuses an order for its %s with the venue's text", async (_name, args, text) => {
    const answer = await a.act(order(args));
    expect(answer).toEqual({
      status: "ok",
      response: { type: "order", data: { statuses: [{ error: text }] } },
    });
  });

  it("refuses a post-only order that would cross, and names the bbo", async () => {
    await b.act(order({ isBuy: true, px: "100500", sz: "0.01", tif: "Alo", cloid: cloid(20) }));
    await b.act(order({ isBuy: false, px: "100510", sz: "0.01", tif: "Alo", cloid: cloid(21) }));
    const answer = await a.act(order({ isBuy: true, px: "100510", sz: "0.01", tif: "Alo" }));
    expect(answer.response.data.statuses).toEqual([
      { error: "Post only order would have immediately matched, bbo was 100500@100510. asset=0" },
    ]);
    await a.frame("orderUpdates", (d) => d.some((u: Loose) => u.status === "badAloPxRejected"));
    await b.act({ type: "cancelByCloid", cancels: [20, 21].map((n) => ({ asset: 0, cloid: cloid(n) })) });
  });

  it("cancels the resting order instead of trading with oneself", async () => {
    const resting = await b.act(order({ isBuy: true, px: "100", sz: "1", tif: "Alo", asset: 1 }));
    const { oid } = resting.response.data.statuses[0].resting;
    await b.act(order({ isBuy: false, px: "99", sz: "1", tif: "Gtc", asset: 1, cloid: cloid(30) }));
    expect((await b.info({ type: "orderStatus", user: b.address, oid })).order.status).toBe(
      "selfTradeCanceled",
    );
    await b.frame("user", (d) => d.nonUserCancel?.[0]?.oid === oid);
    await b.act({ type: "cancelByCloid", cancels: [{ asset: 1, cloid: cloid(30) }] });
  });

  it("says that the old order is gone when a modify's new one is refused", async () => {
    const answer = await a.act(
      order({ isBuy: true, px: "100000", sz: "0.01", tif: "Alo", cloid: cloid(40) }),
    );
    const { oid } = answer.response.data.statuses[0].resting;
    const modify = (sz: string): unknown => ({
      type: "modify",
      oid,
      order: wire({ isBuy: true, px: "100000", sz, tif: "Alo" }),
    });
    expect(await a.act(modify("90"))).toEqual({
      status: "err",
      response: "Error placing new order during modify: Insufficient margin to place order. asset=0",
    });
    expect(await a.act(modify("0.01"))).toEqual({
      status: "err",
      response: "Cannot modify canceled or filled order asset=0",
    });
  });
});

describe("authentication", () => {
  const action = { type: "noop" };

  it("answers an unknown signer with its recovered address", async () => {
    const client = new SimClient(server.port, stranger);
    const { json } = await client.http("/exchange", client.envelope(action));
    expect(json).toEqual({
      status: "err",
      response: `User or API Wallet ${stranger.address.toLowerCase()} does not exist.`,
    });
  });

  it("refuses a nonce used before, an expired action and a broken signature", async () => {
    const envelope = a.envelope(action);
    expect((await a.http("/exchange", envelope)).json).toEqual({
      status: "ok",
      response: { type: "default" },
    });
    expect((await a.http("/exchange", envelope)).json.response).toBe(
      `Invalid nonce: duplicate nonce ${envelope["nonce"]}`,
    );
    const broken = { ...a.envelope(action), signature: { r: "0x0", s: "0x0", v: 27 } };
    expect((await a.http("/exchange", broken)).json.response).toBe("Unable to recover signer.");
    const altered = { ...a.envelope(action), nonce: Date.now() - 1000 };
    expect((await a.http("/exchange", altered)).json.response).toMatch(
      /^User or API Wallet 0x[0-9a-f]{40} does not exist\.$/,
    );
  });
});

describe("scheduleCancel and leverage", () => {
  it("needs five seconds' notice and can be disarmed", async () => {
    expect((await a.act({ type: "scheduleCancel", time: Date.now() + 1000 })).response).toBe(
      "Scheduled cancel time too early, must be at least 5 seconds from now.",
    );
    expect(await a.act({ type: "scheduleCancel", time: Date.now() + 60_000 })).toMatchObject({
      status: "ok",
    });
    expect(await a.act({ type: "scheduleCancel" })).toMatchObject({ status: "ok" });
  });

  it("takes a leverage within the asset's maximum", async () => {
    expect(await a.act({ type: "updateLeverage", asset: 1, isCross: true, leverage: 5 })).toMatchObject({
      status: "ok",
    });
    expect((await a.act({ type: "updateLeverage", asset: 1, isCross: true, leverage: 99 })).response).toBe(
      "Invalid leverage value",
    );
    const data = await a.info({ type: "activeAssetData", user: a.address, coin: "SOL" });
    expect(data.leverage).toEqual({ type: "cross", value: 5 });
  });
});

describe("subscriptions", () => {
  it("greets, acknowledges with the normalised echo, sends a snapshot, refuses duplicates", async () => {
    const c = await new SimClient(server.port, alice).connect();
    await c.until(() => c.texts[0] === "Websocket connection established.", "greeting");
    const ack = await c.subscribe({ type: "l2Book", coin: "BTC" });
    const echo = { type: "l2Book", coin: "BTC", nSigFigs: null, mantissa: null, fast: false };
    expect(ack.data).toEqual({ method: "subscribe", subscription: echo });
    const book = await c.frame("l2Book");
    expect(Object.keys(book.data)).toEqual(["coin", "time", "levels"]);
    c.send({ method: "subscribe", subscription: { type: "l2Book", coin: "BTC", fast: false } });
    expect((await c.frame("error")).data).toBe(`Already subscribed: ${JSON.stringify(echo)}`);
    await c.subscribe({ type: "l2Book", coin: "BTC", fast: true });
    await c.frame("l2Book", (d) => d.fast === true);
    const fills = await c.subscribe({ type: "userFills", user: alice.address });
    expect(fills.data.subscription).toEqual({ type: "userFills", user: a.address, aggregateByTime: false });
    expect((await c.frame("userFills")).data).toMatchObject({ isSnapshot: true, user: a.address });
    c.send({ method: "unsubscribe", subscription: { type: "l2Book", coin: "BTC" } });
    await c.frame("subscriptionResponse", (d) => d.method === "unsubscribe");
    c.send({ method: "unsubscribe", subscription: { type: "l2Book", coin: "BTC" } });
    expect((await c.frame("error", (d) => d.startsWith("Already unsub"))).data).toContain(
      "Already unsubscribed: ",
    );
    c.send({ method: "ping" });
    expect(await c.frame("pong")).toEqual({ channel: "pong" });
    await c.subscribe({ type: "bbo", coin: "SOL" });
    expect((await c.frame("bbo")).data).toEqual({ coin: "SOL", time: expect.any(Number), bbo: [null, null] });
    await c.subscribe({ type: "activeAssetCtx", coin: "BTC" });
    expect(Object.keys((await c.frame("activeAssetCtx")).data.ctx)).toEqual([
      "funding",
      "openInterest",
      "prevDayPx",
      "dayNtlVlm",
      "premium",
      "oraclePx",
      "markPx",
      "midPx",
      "impactPxs",
      "dayBaseVlm",
    ]);
    c.close();
  });

  it("replays recent trades on subscribe", async () => {
    const c = await new SimClient(server.port, alice).connect();
    await c.subscribe({ type: "trades", coin: "BTC" });
    expect((await c.frame("trades")).data[0]).toMatchObject({ coin: "BTC", px: "101000.0", sz: "0.015" });
    c.close();
  });
});

describe("hostile input", () => {
  it.each([
    ["not json", "Error parsing JSON into valid websocket request: "],
    ["[]", "Error parsing JSON into valid websocket request: []"],
    ["null", "Error parsing JSON into valid websocket request: null"],
    ['{"method":"fly"}', 'Error parsing JSON into valid websocket request: {"method":"fly"}'],
    ['{"method":"subscribe"}', "Error parsing JSON into valid websocket request: "],
    [
      '{"method":"subscribe","subscription":{"type":"l2Book","coin":"NOPE"}}',
      'Invalid subscription {"type":"l2Book"',
    ],
    ['{"method":"subscribe","subscription":{"type":"userFills","user":"0x12"}}', "Invalid subscription "],
    ['{"method":"subscribe","subscription":{"type":"l2Book","coin":"__proto__"}}', "Invalid subscription "],
    ['{"method":"post","id":"x","request":{}}', "Error parsing JSON into valid websocket request: "],
    ['{"method":"post","id":1,"request":{"type":"explorer","payload":{}}}', "Error parsing JSON"],
  ])("answers %s on the error channel", async (text, prefix) => {
    const c = await new SimClient(server.port, alice).connect();
    c.send(text);
    expect((await c.frame("error")).data.startsWith(prefix)).toBe(true);
    c.close();
  });

  it.each([
    ["/info", "{"],
    ["/info", "[]"],
    ["/info", '{"type":"nope"}'],
    ["/info", '{"type":"openOrders"}'],
    ["/info", '{"type":"openOrders","user":7}'],
    ["/info", '{"type":"toString"}'],
    ["/exchange", "null"],
    [
      "/exchange",
      '{"action":{"type":"order","orders":"x"},"nonce":1,"signature":{"r":"0x1","s":"0x1","v":27}}',
    ],
    ["/exchange", '{"action":{"type":"noop"},"nonce":-1,"signature":{"r":"0x1","s":"0x1","v":27}}'],
  ])("answers POST %s %s with 422", async (path, body) => {
    const response = await a.http(path, body);
    expect(response.status).toBe(422);
    expect(response.text).toBe("Failed to deserialize the JSON body into the target type");
  });

  it("answers a malformed post with an error response and goes on", async () => {
    const response = await a.post("action", { action: { type: "order", orders: [{}] }, nonce: 1 });
    expect(response.type).toBe("error");
    expect((await a.post("info", { type: "meta" })).payload.data.universe[0]).toMatchObject({
      name: "BTC",
      szDecimals: 5,
    });
    expect(await a.info({ type: "l2Book", coin: "NOPE" })).toBeNull();
  });

  it("survives an oversized frame and an oversized body", async () => {
    const c = await new SimClient(server.port, alice).connect();
    c.send(`{"method":"${"x".repeat(2 << 20)}"}`);
    await c.until(() => c.closeCode !== undefined, "the connection to be closed");
    const big = await a.http("/info", `{"type":"${"x".repeat(2 << 20)}"}`).catch(() => ({ status: 413 }));
    expect(big.status).toBe(413);
    expect((await a.info({ type: "meta" })).universe.length).toBe(2);
    expect(server.stats().internalErrors).toBe(0);
  });

  it("reports a port in use as a typed error", async () => {
    const second = startSimServer({
      port: server.port,
      speed: 1,
      markets: [],
      clock: realClock,
      timers: realTimers,
      log() {},
    });
    await expect(second).rejects.toThrow(SimListenError);
    await expect(second).rejects.toMatchObject({ code: "sim-listen", port: server.port });
  });
});
