import { inflateRawSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FastContexts } from "../../src/sim/fast-contexts.js";
import { type Loose, order, SimClient } from "./client.js";
import { ALICE, alice, BOB, HIP3, openRig, type Rig, SPOT, tradeOnce } from "./surface-rig.js";

let rig: Rig;
beforeAll(async () => {
  rig = await openRig();
  await tradeOnce(rig);
  await tradeOnce(rig, 110_000);
  await tradeOnce(rig, 10_000, 0.2);
});
afterAll(() => rig.close());

const connect = (): Promise<SimClient> => new SimClient(rig.server.port, alice).connect();

/** The data of the channel's first frame after subscribing, and the acknowledgement before it. */
async function first(
  subscription: Record<string, unknown>,
  channel = String(subscription["type"]),
): Promise<{ echo: Loose; data: Loose }> {
  const c = await connect();
  const echo = (await c.subscribe(subscription)).data.subscription;
  const { data } = await c.frame(channel);
  c.close();
  return { echo, data };
}

describe("acknowledgements and first frames", () => {
  it.each([
    [{ type: "candle", coin: "BTC", interval: "1h" }, {}, ["t", "T", "s", "i", "o", "c", "h", "l", "v", "n"]],
    [{ type: "allMids", dex: "hyna" }, {}, ["mids", "dex"]],
    [{ type: "allMids" }, { dex: "" }, ["mids"]],
    [{ type: "assetCtxs" }, { dex: "" }, ["dex", "ctxs"]],
    [{ type: "allDexsAssetCtxs" }, {}, ["ctxs"]],
    [{ type: "activeAssetCtx", coin: HIP3 }, {}, ["coin", "ctx"]],
    [
      { type: "userFills", user: alice.address },
      { user: ALICE, aggregateByTime: false },
      ["isSnapshot", "user", "fills"],
    ],
    [{ type: "userFundings", user: ALICE }, {}, ["isSnapshot", "user", "fundings"]],
    [
      { type: "userNonFundingLedgerUpdates", user: ALICE },
      {},
      ["isSnapshot", "user", "nonFundingLedgerUpdates"],
    ],
    [{ type: "userHistoricalOrders", user: ALICE }, {}, ["isSnapshot", "user", "orderHistory"]],
    [{ type: "userTwapSliceFills", user: ALICE }, {}, ["isSnapshot", "user", "twapSliceFills"]],
    [{ type: "userTwapHistory", user: ALICE }, {}, ["isSnapshot", "user", "history"]],
    [{ type: "clearinghouseState", user: ALICE, dex: "hyna" }, {}, ["dex", "user", "clearinghouseState"]],
    [{ type: "allDexsClearinghouseState", user: ALICE }, {}, ["user", "clearinghouseStates"]],
    [{ type: "openOrders", user: ALICE }, { dex: "" }, ["dex", "user", "orders"]],
    [{ type: "spotState", user: ALICE }, { ignorePortfolioMargin: false }, ["user", "spotState"]],
    [
      { type: "activeAssetData", user: ALICE, coin: "BTC" },
      {},
      ["user", "coin", "leverage", "maxTradeSzs", "availableToTrade", "markPx"],
    ],
    [{ type: "twapStates", user: ALICE }, { dex: "" }, ["dex", "user", "states"]],
    [{ type: "webData3", user: ALICE }, {}, ["userState", "perpDexStates"]],
  ])("%j", async (subscription, added, keys) => {
    const { echo, data } = await first(subscription);
    expect(echo).toEqual({ ...subscription, ...added });
    expect(Object.keys(data)).toEqual(keys);
  });

  it("gives spot contexts a channel of their own", async () => {
    const { data } = await first({ type: "activeAssetCtx", coin: SPOT }, "activeSpotAssetCtx");
    expect(data.ctx).toMatchObject({ coin: SPOT, markPx: "0.2" });
    expect((await first({ type: "spotAssetCtxs" })).data[0].coin).toBe(SPOT);
  });

  it("tells every dex apart", async () => {
    const { data } = await first({ type: "allDexsClearinghouseState", user: BOB });
    const held = data.clearinghouseStates.map(([dex, state]: Loose) => [dex, state.assetPositions.length]);
    expect(held.slice(0, 2)).toEqual([
      ["", 1],
      ["hyna", 1],
    ]);
    expect((await first({ type: "allMids", dex: "hyna" })).data).toEqual({
      mids: { [HIP3]: "100000.0" },
      dex: "hyna",
    });
  });

  it.each([
    { type: "candle", coin: "BTC", interval: "7m" },
    { type: "candle", coin: "BTC" },
    { type: "allMids", dex: "nope" },
    { type: "clearinghouseState", user: ALICE, dex: "nope" },
    { type: "activeAssetData", user: ALICE, coin: SPOT },
    { type: "outcomeMetaUpdates" },
    { type: "userFills", user: "0x12" },
  ])("refuses %j", async (subscription) => {
    const c = await connect();
    c.send({ method: "subscribe", subscription });
    expect((await c.frame("error")).data).toBe(`Invalid subscription ${JSON.stringify(subscription)}`);
    c.close();
  });
});

describe("updates", () => {
  it("pushes candles, orders with their history, fills and states of what one trade did", async () => {
    const c = await connect();
    for (const subscription of [
      { type: "candle", coin: "BTC", interval: "1m" },
      { type: "userHistoricalOrders", user: ALICE },
      { type: "userFills", user: ALICE },
      { type: "userEvents", user: ALICE },
      { type: "clearinghouseState", user: ALICE },
      { type: "webData2", user: ALICE },
    ]) {
      await c.subscribe(subscription);
    }
    const from = c.frames.length;
    await rig.a.act(order({ isBuy: true, px: "99980", sz: "0.003", tif: "Alo" }));
    await rig.b.act(order({ isBuy: false, px: "99980", sz: "0.013", tif: "Ioc" }));
    const candle = await c.frame("candle", (d) => d.l === "99980.0", from);
    expect(candle.data).toMatchObject({ s: "BTC", i: "1m", c: "99980.0" });
    const history = await c.frame("userHistoricalOrders", (d) => d.orderHistory[0].status === "open", from);
    expect(history.data.isSnapshot).toBeUndefined();
    expect(history.data.orderHistory[0].order).toMatchObject({
      limitPx: "99980.0",
      tif: "Alo",
      reduceOnly: false,
    });
    const filled = await c.frame(
      "userHistoricalOrders",
      (d) => d.orderHistory.at(-1).status === "filled",
      from,
    );
    expect(filled.data.orderHistory.at(-1).order).toMatchObject({
      limitPx: "99980.0",
      sz: "0.0",
      origSz: "0.003",
    });
    expect((await c.frame("userFills", () => true, from)).data.fills.at(-1).px).toBe("99980.0");
    expect(Object.keys((await c.frame("user", () => true, from)).data)).toEqual(["fills"]);
    await c.frame("clearinghouseState", () => true, from);
    expect((await c.frame("webData2", () => true, from)).data.user).toBe(ALICE);
    c.close();
  });

  it("merges a crossing order's matches for those who asked for it, and for nobody else", async () => {
    const merged = await connect();
    const plain = await connect();
    await merged.subscribe({ type: "userFills", user: BOB, aggregateByTime: true });
    await plain.subscribe({ type: "userFills", user: BOB });
    await rig.a.act(
      order(
        { isBuy: true, px: "99992", sz: "0.01", tif: "Alo" },
        { isBuy: true, px: "99996", sz: "0.01", tif: "Alo" },
      ),
    );
    await rig.b.act(order({ isBuy: false, px: "99992", sz: "0.02", tif: "Ioc" }));
    const isLive = (d: Loose): boolean => d.isSnapshot !== true;
    expect((await merged.frame("userFills", isLive)).data.fills).toMatchObject([
      { px: "99994.0", sz: "0.02" },
    ]);
    expect((await plain.frame("userFills", isLive)).data.fills).toHaveLength(2);
    merged.close();
    plain.close();
  });

  it("pushes fundings to their two channels when they are paid", async () => {
    const c = await connect();
    await c.subscribe({ type: "userFundings", user: BOB });
    await c.subscribe({ type: "userEvents", user: BOB });
    rig.server.exchange.settleFunding(Date.now());
    const frame = await c.frame("userFundings", (d) => d.isSnapshot !== true);
    const [payment] = frame.data.fundings;
    expect(Object.keys(payment)).toEqual(["time", "coin", "usdc", "szi", "fundingRate", "nSamples"]);
    expect((await c.frame("user", (d) => "funding" in d)).data.funding).toEqual(payment);
    c.close();
  });

  it("pushes transfers to the ledger and the spot state of both", async () => {
    const c = await connect();
    await c.subscribe({ type: "userNonFundingLedgerUpdates", user: BOB });
    const from = c.frames.length;
    const fields = [
      ["destination", "string"],
      ["token", "string"],
      ["amount", "string"],
      ["time", "uint64"],
    ] as const;
    const action = { type: "spotSend", destination: BOB, token: "USDC", amount: "3" };
    await rig.a.post("action", await rig.a.typedEnvelope("SpotSend", fields, action));
    const update = await c.frame("userNonFundingLedgerUpdates", () => true, from);
    expect(update.data.nonFundingLedgerUpdates[0].delta).toMatchObject({
      type: "spotTransfer",
      amount: "3.0",
    });
    c.close();
  });

  it("tells of a TWAP's life on its channels", async () => {
    const c = await connect();
    await c.subscribe({ type: "userTwapHistory", user: ALICE });
    await c.subscribe({ type: "twapStates", user: ALICE });
    const twap = { a: 0, b: true, s: "0.02", r: false, m: 5, t: false };
    const placed = await rig.a.act({ type: "twapOrder", twap });
    const { twapId } = placed.response.data.status.running;
    const activated = await c.frame("userTwapHistory", (d) => d.isSnapshot !== true);
    expect(activated.data.history[0]).toMatchObject({ twapId, status: { status: "activated" } });
    const states = await c.frame("twapStates", (d) => d.states.length > 0);
    expect(states.data.states[0]).toEqual([
      twapId,
      expect.objectContaining({ coin: "BTC", sz: "0.02", minutes: 5 }),
    ]);
    expect((await rig.a.act({ type: "twapCancel", a: 0, t: twapId })).response.data).toEqual({
      status: "success",
    });
    await c.frame("userTwapHistory", (d) => d.history.at(-1)?.status.status === "terminated");
    expect((await rig.a.info({ type: "twapHistory", user: ALICE }))[0].status).toEqual({
      status: "terminated",
    });
    c.close();
  });
});

describe("fastAssetCtxs", () => {
  const unpack = (text: string): unknown =>
    JSON.parse(inflateRawSync(Buffer.from(text, "base64")).toString());

  it("sends all markets of all dexs at first, compressed", async () => {
    const { data } = await first({ type: "fastAssetCtxs" });
    expect(Object.keys(unpack(data) as object)).toEqual(["BTC", HIP3]);
  });

  it("then sends changed fields of changed coins, a lost mid as null, and nothing when nothing changed", () => {
    const fast = new FastContexts();
    const at = (markPx: string, midPx: string | null) =>
      new Map([
        ["BTC", { markPx, midPx }],
        ["ETH", { markPx: "1.0", midPx: "1.0" }],
      ]);
    fast.delta(at("5.0", "5.5"));
    expect(unpack(fast.delta(at("6.0", "5.5"))!)).toEqual({ BTC: { markPx: "6.0" } });
    expect(unpack(fast.delta(at("6.0", null))!)).toEqual({ BTC: { midPx: null } });
    expect(fast.delta(at("6.0", null))).toBeUndefined();
  });
});

it("spaces full books as asked, and fast ones not", async () => {
  const slow = await openRig({ slowBookMs: 3_600_000 });
  const { a, b } = slow;
  await a.subscribe({ type: "l2Book", coin: "BTC" });
  await b.subscribe({ type: "l2Book", coin: "BTC", fast: true });
  await tradeOnce(slow);
  const count = (c: SimClient): number => c.frames.filter((f) => f.channel === "l2Book").length;
  await b.until(() => count(b) >= 5, "five fast books");
  // The snapshot, and the first of its hour.
  expect(count(a)).toBeLessThanOrEqual(2);
  await slow.close();
});

it("answers 429 to an IP that has spent its minute's weight, by what a request weighs", async () => {
  const tight = await openRig({ ipWeightPerMinute: 65 });
  const status = async (body: unknown): Promise<number> => (await tight.a.http("/info", body)).status;
  expect(await status({ type: "userRole", user: ALICE })).toBe(200);
  expect(await status({ type: "meta" })).toBe(429);
  expect(await status({ type: "allMids" })).toBe(200);
  expect((await tight.a.http("/exchange", tight.a.envelope({ type: "noop" }))).status).toBe(200);
  expect(await status({ type: "allMids" })).toBe(200);
  expect(await status({ type: "allMids" })).toBe(429);
  // WebSocket posts do not count.
  expect((await tight.a.post("info", { type: "meta" })).type).toBe("info");
  await tight.close();
});

describe("limits of a client's sockets", () => {
  it("tracks 14 users, refuses the 15th in the venue's words, and takes it when another is given up", async () => {
    const c = await connect();
    const user = (n: number): string => `0x${n.toString(16).padStart(40, "0")}`;
    for (let n = 1; n <= 14; n++) await c.subscribe({ type: "orderUpdates", user: user(n) });
    await c.subscribe({ type: "userEvents", user: user(14) });
    c.send({ method: "subscribe", subscription: { type: "orderUpdates", user: user(15) } });
    expect((await c.frame("error")).data).toBe("Cannot track more than 15 total users.");
    c.send({ method: "unsubscribe", subscription: { type: "orderUpdates", user: user(1) } });
    const from = c.frames.length;
    await c.frame("subscriptionResponse", (d) => d.method === "unsubscribe");
    c.send({ method: "subscribe", subscription: { type: "orderUpdates", user: user(15) } });
    await c.frame("subscriptionResponse", (d) => d.subscription.user === user(15), from);
    c.close();
  });

  it("counts users over all connections, and forgets those of a closed one", async () => {
    const one = await connect();
    const two = await connect();
    const user = (n: number): string => `0x${n.toString(16).padStart(40, "0")}`;
    for (let n = 1; n <= 14; n++) await one.subscribe({ type: "orderUpdates", user: user(n) });
    two.send({ method: "subscribe", subscription: { type: "orderUpdates", user: user(15) } });
    await two.frame("error");
    one.close();
    await rig.a.pingUntil(() => rig.server.stats().connections === 3);
    await two.subscribe({ type: "orderUpdates", user: user(15) });
    two.close();
  });

  it("turns away connections, and drops messages, beyond what is allowed", async () => {
    const tight = await openRig({ socketLimits: { connections: 2, messagesPerMinute: 3 } });
    await expect(new SimClient(tight.server.port, alice).connect()).rejects.toThrow("429");
    for (let i = 0; i < 5; i++) tight.a.send({ method: "ping" });
    await tight.a.frame("pong", () => tight.a.frames.filter((f) => f.channel === "pong").length === 3);
    tight.b.send({ method: "ping" });
    const { ws } = tight.b;
    await new Promise((resolve) => {
      ws!.once("pong", resolve);
      ws!.ping();
    });
    expect(tight.b.frames.filter((f) => f.channel === "pong")).toHaveLength(0);
    await tight.close();
  });
});
