import { afterEach, describe, expect, test } from "vitest";
import {
  type Approved,
  type CancelOrder,
  type Cloid,
  type Instrument,
  type ModifyOrder,
  type NewOrder,
  pxTicks,
  Side,
  szLots,
} from "../../src/domain/index.js";
import { HyperliquidGateway, type HyperliquidGatewayOptions } from "../../src/venues/hyperliquid/orders.js";
import { L1Signer } from "../../src/venues/hyperliquid/sign.js";
import { clock, FakeVenue, fastTimers, Recorder, reply, rng } from "./fake-venue.js";

const KEY = Buffer.from("0123456789012345678901234567890123456789012345678901234567890123", "hex");
const USER = "0x14791697260e4c9a71f18484c9f997b308e59325";
const INSTRUMENTS: Instrument[] = [
  {
    asset: 0,
    venueAssetId: 0,
    coin: "BTC",
    pxDecimals: 1,
    szDecimals: 5,
    maxSigFigs: 5,
    minNotionalUsd: 10,
    maxLeverage: 40,
  },
  {
    asset: 1,
    venueAssetId: 4,
    coin: "ETH",
    pxDecimals: 2,
    szDecimals: 4,
    maxSigFigs: 5,
    minNotionalUsd: 10,
    maxLeverage: 25,
  },
];

interface Logged {
  level: string;
  fields: object;
  text: string;
}

interface Rig {
  venue: FakeVenue;
  gateway: HyperliquidGateway;
  events: Recorder;
  log: Logged[];
  wire: string[];
}

const rigs: Rig[] = [];
afterEach(async () => {
  for (const { gateway, venue } of rigs.splice(0)) {
    await gateway.close();
    await venue.stop();
  }
});

async function rig(options: Partial<HyperliquidGatewayOptions> = {}, connect = true): Promise<Rig> {
  const venue = await FakeVenue.start();
  const log: Logged[] = [];
  const wire: string[] = [];
  const at =
    (level: string) =>
    (fields: object, text: string): void => {
      log.push({ level, fields, text });
    };
  const gateway = new HyperliquidGateway({
    endpoints: venue.endpoints,
    signer: new L1Signer(KEY, "b"),
    instruments: INSTRUMENTS,
    clock,
    timers: fastTimers(1),
    rng: rng(),
    log: { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") },
    tap: {
      inbound: (stream, bytes) => wire.push(`< ${stream} ${Buffer.from(bytes).toString()}`),
      outbound: (stream, bytes) => wire.push(`> ${stream} ${Buffer.from(bytes).toString()}`),
    },
    ...options,
  });
  const events = new Recorder();
  const made = { venue, gateway, events, log, wire };
  rigs.push(made);
  if (connect) await gateway.connect(events);
  return made;
}

const cloid = (n: number): Cloid => `0x${n.toString(16).padStart(32, "0")}`;
/** Stands for the risk room, which alone may approve in production. */
const approve = <T>(items: T[]): Approved<T>[] => items as Approved<T>[];
const order = (n: number, asset = 0): NewOrder => ({
  asset,
  side: Side.Buy,
  pxTicks: pxTicks(1_000_000 + n * 10),
  szLots: szLots(100),
  tif: "Alo",
  reduceOnly: false,
  cloid: cloid(n),
});
const orders = (n: number): Approved<NewOrder>[] => approve(Array.from({ length: n }, (_, i) => order(i)));
const modifies = (n: number): Approved<ModifyOrder>[] =>
  approve(Array.from({ length: n }, (_, i) => ({ target: cloid(i), order: order(100 + i) })));
const cancels = (n: number): CancelOrder[] =>
  Array.from({ length: n }, (_, i) => ({ asset: 0, cloid: cloid(i) }));

const fill = (tid: number, over: object = {}): object => ({
  coin: "BTC",
  px: "100000.0",
  sz: "0.001",
  side: "B",
  time: 1_754_450_974_000 + tid,
  startPosition: "-0.5",
  dir: "Open Long",
  closedPnl: "0.0",
  hash: "0xa166",
  oid: 90542681,
  crossed: false,
  fee: "0.01",
  tid,
  feeToken: "USDC",
  twapId: null,
  cloid: "0xAB000000000000000000000000000001",
  ...over,
});
const userFills = (fills: unknown[], over: object = {}): object => ({
  channel: "userFills",
  data: { user: USER, fills, ...over },
});

describe("connecting", () => {
  test("subscribes orders, fills and notices of the account, and is up when both streams are acknowledged", async () => {
    const { venue, gateway, events } = await rig();
    expect(venue.frames).toEqual(
      ["orderUpdates", "userFills", "userEvents", "notification"].map((type) => ({
        method: "subscribe",
        subscription: { type, user: USER },
      })),
    );
    expect([gateway.isConnected, events.connects]).toEqual([true, 1]);
  });

  test("follows the vault when one is traded for, else the account of an agent key", async () => {
    const vault = `0x${"AB".repeat(20)}`;
    expect((await rig({ vaultAddress: vault, accountAddress: USER })).gateway.user).toBe(vault.toLowerCase());
    expect((await rig({ accountAddress: `0x${"CD".repeat(20)}` })).gateway.user).toBe(`0x${"cd".repeat(20)}`);
  });

  test("to nothing fails at once with one line that names the address", async () => {
    const made = await rig({}, false);
    const { wsUrl } = made.venue.endpoints;
    await made.venue.stop();
    await expect(made.gateway.connect(made.events)).rejects.toMatchObject({
      code: "Unreachable",
      message: `cannot open the private stream at ${wsUrl} (ECONNREFUSED): check the network setting and that the exchange is up`,
    });
    made.venue = await FakeVenue.start();
  });

  test("fails when the subscriptions are never acknowledged", async () => {
    const made = await rig({ timers: fastTimers(200) }, false);
    made.venue.acksSubscriptions = false;
    await expect(made.gateway.connect(made.events)).rejects.toThrow("subscriptions were not acknowledged");
    expect(made.gateway.isConnected).toBe(false);
  });
});

describe("sending", () => {
  test("hands a signed post to the socket and stamps each step", async () => {
    const { venue, gateway, events } = await rig();
    const batch = gateway.place(orders(2));
    const { encodeStartMonoNs, signStartMonoNs, signEndMonoNs, wireMonoNs } = gateway.lastSend;
    expect(encodeStartMonoNs).toBeGreaterThan(0);
    expect(signStartMonoNs).toBeGreaterThanOrEqual(encodeStartMonoNs);
    expect(signEndMonoNs).toBeGreaterThan(signStartMonoNs);
    expect(wireMonoNs).toBeGreaterThanOrEqual(signEndMonoNs);
    await venue.until(() => venue.posts.length === 1);
    const { payload } = venue.posts[0]!;
    expect(payload.action.orders[1]).toEqual({
      a: 0,
      b: true,
      p: "100001",
      s: "0.001",
      r: false,
      t: { limit: { tif: "Alo" } },
      c: cloid(1),
    });
    expect(Math.abs(payload.nonce - Date.now())).toBeLessThan(5000);
    expect(payload.signature).toEqual({
      r: expect.stringMatching(/^0x[0-9a-f]{64}$/),
      s: expect.stringMatching(/^0x[0-9a-f]{64}$/),
      v: expect.any(Number),
    });
    expect(Object.keys(payload)).not.toContain("vaultAddress");
    venue.answer(venue.posts[0]!, [{ resting: { oid: 7 } }, { resting: { oid: 8 } }]);
    expect(await events.ack(batch)).toEqual([
      { kind: "resting", oid: 7 },
      { kind: "resting", oid: 8 },
    ]);
  });

  test("modifies and cancels by client id", async () => {
    const { venue, gateway, events } = await rig();
    const m = gateway.modify(modifies(1));
    const c = gateway.cancel(cancels(1));
    await venue.until(() => venue.posts.length === 2);
    expect(venue.posts[0]!.payload.action).toMatchObject({
      type: "batchModify",
      modifies: [{ oid: cloid(0) }],
    });
    expect(venue.posts[1]!.payload.action).toEqual({
      type: "cancelByCloid",
      cancels: [{ asset: 0, cloid: cloid(0) }],
    });
    venue.answer(venue.posts[0]!, [{ filled: { oid: 9, totalSz: "0.0004", avgPx: "100010.5" } }]);
    venue.answer(venue.posts[1]!, ["success"], "cancel");
    expect(await events.ack(m)).toEqual([{ kind: "filled", oid: 9, totalSzLots: 40, avgPx: 100010.5 }]);
    expect(await events.ack(c)).toEqual([{ kind: "cancelled" }]);
  });

  test("carries the vault, and expiry on what must not come late: not on cancels, which are fast when asked", async () => {
    const vault = `0x${"ab".repeat(20)}`;
    const { venue, gateway } = await rig({ vaultAddress: vault, expiresAfterMs: 15_000, isFastCancel: true });
    gateway.place(orders(1));
    gateway.cancel(cancels(1));
    await venue.until(() => venue.posts.length === 2);
    const [place, cancel] = venue.posts.map((post) => post.payload);
    expect([place!.vaultAddress, cancel!.vaultAddress]).toEqual([vault, vault]);
    expect(Math.abs(place!.expiresAfter! - place!.nonce - 15_000)).toBeLessThan(1000);
    expect(cancel!.expiresAfter).toBeUndefined();
    expect(cancel!.action.f).toBe(true);
  });

  test("goes on above the nonce that the venue names in a refusal", async () => {
    const { venue, gateway, events } = await rig();
    const batch = gateway.place(orders(1));
    await venue.until(() => venue.posts.length === 1);
    const { id, payload } = venue.posts[0]!;
    const lowest = payload.nonce + 3_600_000;
    const response = `Invalid nonce: nonce too low ${payload.nonce} < ${lowest}`;
    venue.send(reply(id, { status: "err", response }));
    expect(await events.ack(batch)).toMatchObject([{ kind: "error", code: "Nonce" }]);
    gateway.place(orders(1));
    await venue.until(() => venue.posts.length === 2);
    expect(venue.posts[1]!.payload.nonce).toBeGreaterThan(lowest);
  });

  test("nonces of a burst are all different and increase", async () => {
    const { venue, gateway } = await rig();
    for (let i = 0; i < 50; i++) gateway.place(orders(1));
    await venue.until(() => venue.posts.length === 50);
    const nonces = venue.posts.map((p) => p.payload.nonce);
    expect(nonces.every((n, i) => i === 0 || n > nonces[i - 1]!)).toBe(true);
  });

  test("reuse of the caller's array after the call changes nothing", async () => {
    const { venue, gateway, events } = await rig();
    const list = orders(2);
    const batch = gateway.place(list);
    list.length = 0;
    await venue.until(() => venue.posts.length === 1);
    venue.answer(venue.posts[0]!, [
      { filled: { oid: 1, totalSz: "0.001", avgPx: "1.0" } },
      { filled: { oid: 2, totalSz: "0.001", avgPx: "1.0" } },
    ]);
    expect((await events.ack(batch)).map((s) => s.kind)).toEqual(["filled", "filled"]);
  });

  test("an order that cannot be encoded throws before anything is sent", async () => {
    const { venue, gateway, wire } = await rig();
    const before = wire.length;
    const bad = approve([{ ...order(1), szLots: szLots(0) }]);
    expect(() => gateway.place(bad)).toThrow(RangeError);
    expect([wire.length - before, venue.posts.length, gateway.counters.postsInFlight]).toEqual([0, 0, 0]);
  });

  test("an empty batch is acknowledged with nothing and sends nothing", async () => {
    const { gateway, events, wire } = await rig();
    const before = wire.length;
    expect(await events.ack(gateway.cancel([]))).toEqual([]);
    expect(wire.length).toBe(before);
  });

  test("more than 200 cancels go out as several actions and come back as one", async () => {
    const { venue, gateway, events } = await rig();
    const batch = gateway.cancel(cancels(450));
    await venue.until(() => venue.posts.length === 3);
    expect(venue.posts.map((p) => p.payload.action.cancels.length)).toEqual([200, 200, 50]);
    // Answered backwards, the last with one refusal.
    for (const post of [...venue.posts].reverse()) {
      const n = post.payload.action.cancels.length;
      venue.answer(
        post,
        new Array(n).fill(n === 50 ? { error: "Order was never placed" } : "success"),
        "cancel",
      );
    }
    const statuses = await events.ack(batch);
    expect(statuses.map((s) => s.kind)).toEqual([
      ...new Array(400).fill("cancelled"),
      ...new Array(50).fill("error"),
    ]);
  });
});

describe("acknowledgements", () => {
  test("find their batch in whatever order they come", async () => {
    const { venue, gateway, events } = await rig();
    const ids = [gateway.place(orders(1)), gateway.place(orders(1)), gateway.place(orders(1))];
    await venue.until(() => venue.posts.length === 3);
    for (const i of [2, 0, 1]) venue.answer(venue.posts[i]!, [{ resting: { oid: 100 + i } }]);
    await events.until(() => events.ackOrder.length === 3);
    expect(events.ackOrder).toEqual([ids[2], ids[0], ids[1]]);
    for (const i of [0, 1, 2]) expect(await events.ack(ids[i]!)).toEqual([{ kind: "resting", oid: 100 + i }]);
  });

  const MARGIN = "Insufficient margin to place order. asset=0";
  test.each([
    [
      "one error for the whole batch",
      { status: "ok", response: { type: "order", data: { statuses: [{ error: MARGIN }] } } },
    ],
    ["status err", { status: "err", response: MARGIN }],
  ])("%s is told to every element", async (_, payload) => {
    const { venue, gateway, events } = await rig();
    const batch = gateway.place(orders(3));
    await venue.until(() => venue.posts.length === 1);
    venue.send(reply(venue.posts[0]!.id, payload));
    expect(await events.ack(batch)).toEqual(
      new Array(3).fill({ kind: "error", code: "InsufficientMargin", text: MARGIN }),
    );
  });

  test("one resting order of three leaves the others unknown", async () => {
    const { venue, gateway, events } = await rig();
    const batch = gateway.place(orders(3));
    await venue.until(() => venue.posts.length === 1);
    venue.answer(venue.posts[0]!, [{ resting: { oid: 1 } }]);
    expect((await events.ack(batch)).map((s) => s.kind)).toEqual(["resting", "unknown", "unknown"]);
  });

  test.each([
    ["nonsense", "what"],
    ["null", null],
    ["no statuses", { status: "ok", response: { type: "order" } }],
    ["default", { status: "ok", response: { type: "default" } }],
    [
      "statuses of unknown shape",
      { status: "ok", response: { type: "order", data: { statuses: [7, { filled: {} }, null] } } },
    ],
  ])("an answer that cannot be read (%s) makes the orders unknown, not gone", async (_, payload) => {
    const { venue, gateway, events } = await rig();
    const batch = gateway.place(orders(3));
    await venue.until(() => venue.posts.length === 1);
    venue.send(reply(venue.posts[0]!.id, payload));
    expect((await events.ack(batch)).map((s) => s.kind)).toEqual(["unknown", "unknown", "unknown"]);
  });

  test("a modify says whether the old order is gone", async () => {
    const { venue, gateway, events } = await rig();
    const batch = gateway.modify(modifies(4));
    await venue.until(() => venue.posts.length === 1);
    const lost =
      "Error placing new order during modify: Post only order would have immediately matched, bbo was 1@2. asset=0";
    venue.answer(venue.posts[0]!, [
      { resting: { oid: 5 } },
      { error: lost },
      { error: "Cannot modify canceled or filled order" },
      { error: "Price must be divisible by tick size. asset=0" },
    ]);
    expect(await events.ack(batch)).toEqual([
      { kind: "resting", oid: 5 },
      { kind: "error", code: "BadAloPx", text: lost, oldGone: true },
      { kind: "error", code: "MissingOrder", text: "Cannot modify canceled or filled order", oldGone: true },
      { kind: "error", code: "Tick", text: "Price must be divisible by tick size. asset=0", oldGone: false },
    ]);
  });

  test("silence makes every element unknown at the time-out, and a late answer changes nothing", async () => {
    const { venue, gateway, events } = await rig({ requestTimeoutMs: 30 });
    const batch = gateway.place(orders(2));
    expect(await events.ack(batch)).toEqual(
      new Array(2).fill({ kind: "unknown", text: "no answer within 30 ms" }),
    );
    venue.answer(venue.posts[0]!, [{ resting: { oid: 1 } }, { resting: { oid: 2 } }]);
    venue.send({ channel: "notification", data: { notification: "after" } });
    await events.until(() => events.notices.length === 1);
    expect((await events.ack(batch))[0]!.kind).toBe("unknown");
    expect(gateway.counters).toMatchObject({ timeouts: 1, lateReplies: 1, postsInFlight: 0 });
  });

  test("a duplicated answer is counted, not told twice", async () => {
    const { venue, gateway, events } = await rig();
    const batch = gateway.place(orders(1));
    await venue.until(() => venue.posts.length === 1);
    venue.answer(venue.posts[0]!, [{ resting: { oid: 1 } }]);
    venue.answer(venue.posts[0]!, [{ resting: { oid: 1 } }]);
    venue.send({ channel: "notification", data: { notification: "after" } });
    await events.until(() => events.notices.length === 1);
    expect(await events.ack(batch)).toHaveLength(1);
    expect(gateway.counters.lateReplies).toBe(1);
  });

  test.each([
    ["too many pending post requests id=1", "RateLimited"],
    ['Error parsing JSON into valid websocket request: {"method":"post","id":1,"request":{}}', "Other"],
  ])("a post refused on the error channel is refused: %s", async (text, code) => {
    const { venue, gateway, events } = await rig();
    const batch = gateway.place(orders(2));
    await venue.until(() => venue.posts.length === 1);
    venue.send({ channel: "error", data: text });
    expect((await events.ack(batch)).map((s) => s.kind === "error" && s.code)).toEqual([code, code]);
  });

  test("a post answered with an error type is refused, with a server error unknown", async () => {
    const { venue, gateway, events } = await rig();
    const [a, b] = [gateway.place(orders(1)), gateway.place(orders(1))];
    await venue.until(() => venue.posts.length === 2);
    venue.send(reply(venue.posts[0]!.id, "422 Failed to deserialize", "error"));
    venue.send(reply(venue.posts[1]!.id, "502 Bad Gateway", "error"));
    expect((await events.ack(a))[0]!.kind).toBe("error");
    expect((await events.ack(b))[0]!.kind).toBe("unknown");
  });
});

describe("losing the socket", () => {
  test("makes posts in flight unknown, reconnects, subscribes again and says so", async () => {
    const { venue, gateway, events } = await rig();
    const batches = [gateway.place(orders(2)), gateway.cancel(cancels(1))];
    await venue.until(() => venue.posts.length === 2);
    venue.cut();
    for (const batch of batches) {
      for (const status of await events.ack(batch)) expect(status.kind).toBe("unknown");
    }
    await events.until(() => events.connects === 2);
    expect(events.disconnects).toHaveLength(1);
    expect(venue.frames.filter((f) => f["method"] === "subscribe")).toHaveLength(8);
    expect(gateway.counters).toMatchObject({ reconnects: 1, postsInFlight: 0 });
    const after = gateway.place(orders(1));
    await venue.until(() => venue.posts.length === 3);
    venue.answer(venue.posts[2]!, [{ resting: { oid: 3 } }]);
    expect(await events.ack(after)).toEqual([{ kind: "resting", oid: 3 }]);
  });

  test("closing acknowledges what is in flight and does not reconnect", async () => {
    const { venue, gateway, events } = await rig();
    const batch = gateway.place(orders(1));
    await venue.until(() => venue.posts.length === 1);
    await gateway.close();
    expect((await events.ack(batch))[0]!.kind).toBe("unknown");
    expect([gateway.isConnected, venue.connections]).toEqual([false, 1]);
  });

  test("by silence: a ping without an answer ends the connection", async () => {
    const { venue, events } = await rig({ timers: fastTimers(1000) });
    await venue.until(() => venue.frames.some((f) => f["method"] === "ping"));
    expect(events.disconnects).toEqual([]);
    venue.answersPings = false;
    await events.until(() => events.disconnects.length === 1);
    expect(events.disconnects[0]).toBe("no answer to ping");
  });
});

describe("HTTP fallback", () => {
  const ok = (statuses: unknown[]): string =>
    JSON.stringify({ status: "ok", response: { type: "order", data: { statuses } } });

  /** A gateway that has never been connected sends over HTTP. */
  const offline = async (options: Partial<HyperliquidGatewayOptions> = {}): Promise<Rig> => {
    const made = await rig(options);
    await made.gateway.close();
    return made;
  };

  test("carries the same signed payload while the socket is down", async () => {
    const { venue, gateway, events } = await offline();
    venue.exchangeAnswer = () => ok([{ resting: { oid: 4 } }]);
    const batch = gateway.place(orders(1));
    expect(await events.ack(batch)).toEqual([{ kind: "resting", oid: 4 }]);
    expect(Object.keys(venue.exchanged[0]!)).toEqual(["action", "nonce", "signature"]);
    expect(gateway.counters).toMatchObject({ httpSent: 1, postsSent: 0 });
    expect(gateway.lastSend.wireMonoNs).toBeGreaterThanOrEqual(gateway.lastSend.signEndMonoNs);
  });

  test("takes what exceeds the posts in flight; the last ten posts are for cancels", async () => {
    const { venue, gateway, events } = await rig();
    venue.exchangeAnswer = () => ok([{ resting: { oid: 4 } }]);
    let last = 0;
    for (let i = 0; i <= 90; i++) last = gateway.place(orders(1));
    expect(await events.ack(last)).toEqual([{ kind: "resting", oid: 4 }]);
    expect(gateway.counters).toMatchObject({ postsInFlight: 90, httpSent: 1 });
    for (let i = 0; i <= 10; i++) gateway.cancel(cancels(1));
    expect(gateway.counters).toMatchObject({ postsInFlight: 100, httpSent: 2, ipWeightLastMinute: 2 });
  });

  test("after a 429 placements are held back and cancels still go", async () => {
    const { venue, gateway, events } = await offline();
    venue.exchangeStatus = 429;
    venue.exchangeAnswer = () => "";
    await events.ack(gateway.place(orders(1)));
    expect(venue.exchanged).toHaveLength(1);
    const [held] = await events.ack(gateway.place(orders(1)));
    expect(held).toMatchObject({ kind: "error", code: "RateLimited" });
    expect(venue.exchanged).toHaveLength(1);
    venue.exchangeStatus = 200;
    venue.exchangeAnswer = () => ok(["success"]);
    expect(await events.ack(gateway.cancel(cancels(1)))).toEqual([{ kind: "cancelled" }]);
    expect(gateway.counters).toMatchObject({ httpSent: 2, heldByLimits: 1, httpRefusals: 1 });
  });

  test.each([
    [429, "", "error", "RateLimited"],
    [422, "Failed to deserialize", "error", "Other"],
    [502, "<html>", "unknown", undefined],
    [200, "<html>", "unknown", undefined],
  ] as const)('status %i with body "%s" makes the orders %s', async (status, body, kind, code) => {
    const { venue, gateway, events } = await offline();
    venue.exchangeStatus = status;
    venue.exchangeAnswer = () => body;
    for (const s of await events.ack(gateway.place(orders(2)))) {
      expect([s.kind, s.kind === "error" ? s.code : undefined]).toEqual([kind, code]);
    }
  });

  test("silence makes them unknown", async () => {
    const { venue, gateway, events } = await offline({ requestTimeoutMs: 30 });
    venue.exchangeAnswer = () => undefined;
    expect((await events.ack(gateway.cancel(cancels(1))))[0]!.kind).toBe("unknown");
  });

  test("no connection at all makes them refused: nothing was sent", async () => {
    const made = await offline();
    await made.venue.stop();
    const [status] = await made.events.ack(made.gateway.place(orders(1)));
    expect(status).toMatchObject({ kind: "error", code: "Other", text: expect.stringContaining("not sent") });
    made.venue = await FakeVenue.start();
  });
});

describe("control actions", () => {
  test("resolve when the venue agrees and say why when it does not", async () => {
    const { venue, gateway } = await rig();
    venue.onPost = (post) =>
      venue.send(
        reply(
          post.id,
          post.payload.action.type === "updateLeverage"
            ? { status: "ok", response: { type: "default" } }
            : { status: "err", response: "Cannot set scheduled cancel time until enough volume traded." },
        ),
      );
    await gateway.updateLeverage(1, true, 5);
    expect(venue.posts[0]!.payload.action).toEqual({
      type: "updateLeverage",
      asset: 4,
      isCross: true,
      leverage: 5,
    });
    await expect(gateway.scheduleCancel(1_754_450_974_000)).rejects.toMatchObject({
      code: "Refused",
      message: "scheduled cancel: Cannot set scheduled cancel time until enough volume traded.",
    });
  });
});

describe("fills", () => {
  test("are read in the engine's units", async () => {
    const { venue, events } = await rig();
    venue.send(
      userFills([fill(11, { liquidation: { markPx: "1", method: "market" }, crossed: true, side: "A" })]),
    );
    await events.until(() => events.fills.length === 1);
    expect(events.fills).toEqual([
      {
        coin: "BTC",
        oid: 90542681,
        cloid: "0xab000000000000000000000000000001",
        tid: 11,
        side: Side.Sell,
        px: 100_000,
        pxTicks: 1_000_000,
        szLots: 100,
        startPosLots: -50_000,
        closedPnlUsd: 0,
        feeUsd: 0.01,
        isMaker: false,
        isLiquidation: true,
        exchMs: 1_754_450_974_011,
        isSnapshot: false,
      },
    ]);
  });

  test("repeated by a snapshot or a duplicate frame are told once, oldest first", async () => {
    const { venue, gateway, events } = await rig();
    venue.send(userFills([fill(3), fill(2), fill(1)], { isSnapshot: true }));
    venue.send(userFills([fill(4)]));
    venue.send(userFills([fill(4)]));
    venue.send(userFills([fill(5), fill(4), fill(3)], { isSnapshot: true }));
    venue.send({ channel: "notification", data: { notification: "after" } });
    await events.until(() => events.notices.length === 1);
    expect(events.fills.map((f) => [f.tid, f.isSnapshot])).toEqual([
      [1, true],
      [2, true],
      [3, true],
      [4, false],
      [5, true],
    ]);
    expect(gateway.counters.duplicateFills).toBe(3);
  });

  test("of one millisecond are put in the order of their positions", async () => {
    const { venue, events } = await rig();
    const at = (tid: number, startPosition: string): object => fill(tid, { startPosition, time: 5 });
    venue.send(userFills([at(1, "0.002"), at(2, "0.001"), at(3, "0.0")], { isSnapshot: true }));
    await events.until(() => events.fills.length === 3);
    expect(events.fills.map((f) => f.tid)).toEqual([3, 2, 1]);
  });

  test("of other coins and other users are left out with a note, once", async () => {
    const { venue, gateway, events, log } = await rig();
    venue.send(userFills([fill(1, { coin: "@107" }), fill(2, { coin: "@107" }), fill(3)]));
    venue.send(userFills([fill(4)], { user: `0x${"00".repeat(20)}` }));
    venue.send({ channel: "notification", data: { notification: "end of tape" } });
    await events.until(() => events.notices.length === 1);
    expect(events.fills.map((f) => f.tid)).toEqual([3]);
    expect(log.filter((l) => l.text.includes("@107"))).toHaveLength(1);
    expect(gateway.counters.unknownCoinEvents).toBe(2);
    expect(events.notices).toEqual(["end of tape"]);
  });
});

describe("order updates", () => {
  const update = (over: object = {}, status = "open"): object => ({
    order: {
      coin: "ETH",
      side: "A",
      limitPx: "3650.2",
      sz: "0.37",
      oid: 57118842019,
      timestamp: 1785261289146,
      origSz: "0.5",
      cloid: cloid(9),
      ...over,
    },
    status,
    statusTimestamp: 1785261289200,
  });

  test("are read in the engine's units, in order", async () => {
    const { venue, events } = await rig();
    venue.send({ channel: "orderUpdates", data: [update(), update({ sz: "0.0", cloid: null }, "filled")] });
    await events.until(() => events.updates.length === 2);
    expect(events.updates[0]).toEqual({
      coin: "ETH",
      oid: 57118842019,
      cloid: cloid(9),
      side: Side.Sell,
      pxTicks: 365_020,
      szLots: 3700,
      origSzLots: 5000,
      status: "open",
      exchMs: 1785261289200,
    });
    expect(events.updates[1]).toMatchObject({ status: "filled", szLots: 0, cloid: undefined });
  });

  test("one bad element does not take the others with it", async () => {
    const { venue, gateway, events, log } = await rig();
    venue.send({
      channel: "orderUpdates",
      data: [
        update({ limitPx: "1e5" }),
        update({ oid: "7" }),
        update({ limitPx: "3650.123" }),
        null,
        update(),
      ],
    });
    await events.until(() => events.updates.length === 1);
    expect(gateway.counters.malformedFrames).toBe(4);
    expect(log.filter((l) => l.text.includes("malformed")).length).toBeLessThanOrEqual(2);
  });
});

describe("hostile frames", () => {
  test("are counted and never thrown; the stream lives on", async () => {
    const { venue, gateway, events } = await rig();
    const hostile: unknown[] = [
      "",
      "{",
      "[]",
      "null",
      "7",
      '"text"',
      "{}",
      '{"channel":7}',
      '{"channel":"post"}',
      '{"channel":"post","data":{"id":"1"}}',
      '{"channel":"post","data":{"id":1,"response":null}}',
      '{"channel":"orderUpdates","data":{}}',
      '{"channel":"userFills"}',
      '{"channel":"userFills","data":{"fills":{}}}',
      '{"channel":"userFills","data":{"fills":[null,7,{"coin":"BTC"}]}}',
      '{"channel":"notification","data":7}',
    ];
    for (const frame of hostile) venue.send(frame);
    for (const quiet of [
      '{"channel":"pong"}',
      '{"channel":"error"}',
      '{"channel":"subscriptionResponse"}',
      '{"channel":"subscriptionResponse","data":{"method":"subscribe"}}',
      '{"channel":"userFills","data":{"fills":[]}}',
      '{"channel":"somethingNew","data":{}}',
      '{"channel":"post","data":{"id":12345,"response":{"type":"action"}}}',
    ]) {
      venue.send(quiet);
    }
    venue.send({ channel: "notification", data: { notification: "still here" } });
    await events.until(() => events.notices.length === 1);
    expect(gateway.counters.malformedFrames).toBe(hostile.length + 2);
    expect(gateway.isConnected).toBe(true);
  });
});

describe("questions about the account", () => {
  const openOrder = (over: object): object => ({
    coin: "BTC",
    side: "B",
    limitPx: "10.0",
    sz: "12.5",
    oid: 1,
    timestamp: 5,
    origSz: "12.5",
    cloid: null,
    isTrigger: false,
    ...over,
  });

  test("open orders leave out stops and foreign markets", async () => {
    const { venue, gateway } = await rig();
    venue.infoAnswer = () => [
      openOrder({ cloid: cloid(3) }),
      openOrder({ oid: 2, isTrigger: true }),
      openOrder({ oid: 3, coin: "INJ" }),
    ];
    expect(await gateway.openOrders()).toEqual([
      {
        coin: "BTC",
        oid: 1,
        cloid: cloid(3),
        side: Side.Buy,
        pxTicks: 100,
        szLots: 1_250_000,
        origSzLots: 1_250_000,
        status: "open",
        exchMs: 5,
      },
    ]);
  });

  test("the status of an order by client id, undefined when the venue does not know it", async () => {
    const { venue, gateway } = await rig();
    const asked: unknown[] = [];
    venue.infoAnswer = (request) => {
      asked.push(request);
      return asked.length === 1
        ? { status: "unknownOid" }
        : {
            status: "order",
            order: { order: openOrder({ oid: 6 }), status: "canceled", statusTimestamp: 8 },
          };
    };
    expect(await gateway.orderStatus(cloid(1))).toBeUndefined();
    expect(await gateway.orderStatus(cloid(1))).toMatchObject({ oid: 6, status: "canceled", exchMs: 8 });
    expect(asked[0]).toEqual({ type: "orderStatus", user: USER, oid: cloid(1) });
  });

  test("the account sums the dexes that are traded", async () => {
    const hip3 = { ...INSTRUMENTS[0]!, asset: 2, coin: "xyz:TSLA", venueAssetId: 110_000 };
    const { venue, gateway } = await rig({ instruments: [...INSTRUMENTS, hip3] });
    const summary = { accountValue: "100.5", totalNtlPos: "0.0", totalRawUsd: "0.0", totalMarginUsed: "2.5" };
    venue.infoAnswer = (request) => ({
      assetPositions: [
        {
          position: {
            coin: request["dex"] === "xyz" ? "xyz:TSLA" : "BTC",
            szi: "-0.001",
            entryPx: "100000.0",
            leverage: { type: "cross", value: 3 },
            unrealizedPnl: "-1.5",
          },
        },
      ],
      marginSummary: summary,
      crossMarginSummary: summary,
      withdrawable: "90.0",
      time: request["dex"] === "xyz" ? 5 : 6,
    });
    expect(await gateway.account()).toEqual({
      accountValueUsd: 201,
      withdrawableUsd: 180,
      marginUsedUsd: 5,
      positions: ["BTC", "xyz:TSLA"].map((coin) => ({
        coin,
        posLots: -100,
        entryPx: 100_000,
        unrealizedPnlUsd: -1.5,
        leverage: 3,
      })),
      exchMs: 5,
    });
  });

  test("fills since a time are read page by page, each once", async () => {
    const { venue, gateway } = await rig();
    const all = Array.from({ length: 1200 }, (_, i) => fill(i + 1, { time: 1000 + Math.floor(i / 2) }));
    venue.infoAnswer = (request) =>
      all.filter((f) => (f as { time: number }).time >= (request["startTime"] as number)).slice(0, 500);
    const fills = await gateway.fillsSince(1000);
    expect(fills.map((f) => f.tid)).toEqual(all.map((_, i) => i + 1));
  });
});

describe("secrets", () => {
  test("the key is in no log line, no frame, no request and no error of a whole session", async () => {
    const { venue, gateway, events, log, wire } = await rig({ requestTimeoutMs: 200 });
    const said: string[] = [];
    venue.onPost = (post) => {
      if (post.payload.action.type === "order") venue.answer(post, [{ error: "Unable to recover signer." }]);
    };
    said.push(JSON.stringify(await events.ack(gateway.place(orders(2)))));
    said.push(JSON.stringify(await events.ack(gateway.cancel(cancels(1)))));
    venue.send("nonsense");
    venue.infoAnswer = () => "nonsense";
    for (const ask of [gateway.account(), gateway.openOrders(), gateway.updateLeverage(0, true, 3)]) {
      said.push(await ask.then(String, (error: Error) => `${error.stack} ${JSON.stringify(error)}`));
    }
    venue.cut();
    await events.until(() => events.disconnects.length === 1);
    said.push(...log.map((l) => JSON.stringify(l)), ...wire);
    expect(said.length).toBeGreaterThan(10);
    const forms = [
      KEY.toString("hex"),
      KEY.toString("base64").replace(/=+$/, ""),
      KEY.toString("base64url"),
      KEY.join(","),
      BigInt(`0x${KEY.toString("hex")}`).toString(),
    ];
    for (const text of said)
      for (const form of forms) expect(text.toLowerCase()).not.toContain(form.toLowerCase());
  });

  test("every byte in and out passes the tap", async () => {
    const { venue, gateway, events, wire } = await rig();
    const batch = gateway.place(orders(1));
    await venue.until(() => venue.posts.length === 1);
    venue.answer(venue.posts[0]!, [{ resting: { oid: 1 } }]);
    await events.ack(batch);
    expect(wire.filter((w) => w.startsWith("> private"))).toHaveLength(venue.frames.length);
    expect(wire.filter((w) => w.startsWith("< private"))).toHaveLength(1 + 4 + 1);
    expect(gateway.counters.messagesLastMinute).toBe(venue.frames.length);
  });
});
