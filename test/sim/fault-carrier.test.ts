import { Wallet } from "ethers";
import { afterEach, describe, expect, test } from "vitest";
import { Rng } from "../../src/domain/index.js";
import { crossBook, Line, skewTimes } from "../../src/sim/fault-carrier.js";
import { Faults, OpenMarket, parseFaultText, type SimServer, startSimServer } from "../../src/sim/index.js";
import { type Loose, order, SimClient } from "./client.js";
import { realClock, realTimers } from "./real-time.js";

const alice = new Wallet(`0x${"11".repeat(32)}`);
const bob = new Wallet(`0x${"22".repeat(32)}`);
const buy = (px: string, sz = "0.01"): Record<string, unknown> =>
  order({ isBuy: true, px, sz, tif: "Gtc", asset: 0 });
const sell = (px: string, sz = "0.01"): Record<string, unknown> =>
  order({ isBuy: false, px, sz, tif: "Gtc", asset: 0 });

let server: SimServer | undefined;
const clients: SimClient[] = [];
const log: string[] = [];

/** A server without faults, two connected clients, and the faults to turn on when they are ready. */
async function open(): Promise<{ faults: Faults; a: SimClient; b: SimClient }> {
  const faults = new Faults([], new Rng(1));
  server = await startSimServer({
    port: 0,
    speed: 1,
    markets: [new OpenMarket({ coin: "BTC", szDecimals: 5, maxLeverage: 40, blockMs: 10, l2BookMs: 20 })],
    funding: { [alice.address]: 100_000, [bob.address]: 100_000 },
    faults,
    clock: realClock,
    timers: realTimers,
    log: (line) => log.push(line),
  });
  const a = await new SimClient(server.port, alice).connect();
  const b = await new SimClient(server.port, bob).connect();
  clients.push(a, b);
  return { faults, a, b };
}
const rules = (...texts: string[]) => texts.map(parseFaultText);
const openOrders = async (c: SimClient): Promise<Loose[]> =>
  c.info({ type: "openOrders", user: c.address }) as Loose;
/** A request whose answer may never come. */
const timed = (c: SimClient, body: unknown, ms: number, path = "/exchange"): Promise<number | "no answer"> =>
  fetch(`http://127.0.0.1:${c.port}${path}`, {
    method: "POST",
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(ms),
  }).then(
    (r) => r.status,
    () => "no answer" as const,
  );

afterEach(async () => {
  for (const c of clients.splice(0)) c.close();
  await server?.close();
  server = undefined;
  expect(log.splice(0).filter((line) => line.includes("internal error"))).toEqual([]);
});

describe("requests over HTTP", () => {
  test("lost before it takes effect, and lost after", async () => {
    const { faults, a } = await open();
    faults.set(rules("loss:rate=1,action=order,part=request"));
    expect(await timed(a, a.envelope(buy("100000")), 300)).toBe("no answer");
    expect(await openOrders(a)).toEqual([]);
    faults.set(rules("loss:rate=1,action=order,part=answer"));
    expect(await timed(a, a.envelope(buy("100000")), 300)).toBe("no answer");
    expect(await openOrders(a)).toHaveLength(1);
  });

  test("429 leaves nothing behind, a 5xx may", async () => {
    const { faults, a } = await open();
    faults.set(rules("http429:rate=1,stream=http,action=exchange"));
    expect(await timed(a, a.envelope(buy("100000")), 2000)).toBe(429);
    faults.set(rules("http5xx:rate=1,stream=http,action=exchange,part=request"));
    expect(await timed(a, a.envelope(buy("100000")), 2000)).toBeGreaterThanOrEqual(500);
    expect(await openOrders(a)).toEqual([]);
    faults.set(rules("http5xx:rate=1,stream=http,action=exchange,part=answer"));
    expect(await timed(a, a.envelope(buy("100000")), 2000)).toBeGreaterThanOrEqual(500);
    expect(await openOrders(a)).toHaveLength(1);
    faults.set(rules("http429:rate=1,stream=http,action=info"));
    expect(await timed(a, { type: "allMids" }, 2000, "/info")).toBe(429);
  });

  test("a refused action has no effect, and info is not refused", async () => {
    const { faults, a } = await open();
    faults.set(rules("reject:rate=1"));
    const { json } = await a.http("/exchange", a.envelope(buy("100000")));
    expect(json).toEqual({ status: "err", response: expect.stringContaining("fault injected") });
    expect(await openOrders(a)).toEqual([]);
  });

  test("a cut connection gives no answer", async () => {
    const { faults, a } = await open();
    faults.set(rules("disconnect:rate=1,stream=http,part=request"));
    expect(await timed(a, a.envelope(buy("100000")), 2000)).toBe("no answer");
    faults.set([]);
    expect(await openOrders(a)).toEqual([]);
  });
});

describe("requests over WebSocket post", () => {
  test("a duplicate is answered twice and refused the second time", async () => {
    const { faults, a } = await open();
    faults.set(rules("duplicate:rate=1,action=order"));
    a.send({ method: "post", id: 77, request: { type: "action", payload: a.envelope(buy("100000")) } });
    const answers = await a.until(() => {
      const found = a.frames.filter((f) => f.channel === "post" && f.data.id === 77);
      return found.length === 2 && found;
    }, "two answers");
    expect(answers.map((f) => f.data.response.payload.status)).toEqual(["ok", "err"]);
    expect(await openOrders(a)).toHaveLength(1);
  });

  test("delay keeps the order of a connection's requests", async () => {
    const { faults, a } = await open();
    faults.set(rules("delay:rate=1,ms=150,count=1,part=request"));
    const started = performance.now();
    const [first, second] = await Promise.all([a.act(buy("100000")), a.act(buy("100001"))]);
    expect(performance.now() - started).toBeGreaterThan(140);
    const oids = [first, second].map((r) => r.response.data.statuses[0].resting.oid as number);
    expect(oids[0]).toBeLessThan(oids[1]!);
  });

  test("reorder lets a later request pass", async () => {
    const { faults, a } = await open();
    faults.set(rules("reorder:rate=1,ms=150,count=1"));
    const [first, second] = await Promise.all([a.act(buy("100000")), a.act(buy("100001"))]);
    const oids = [first, second].map((r) => r.response.data.statuses[0].resting.oid as number);
    expect(oids[0]).toBeGreaterThan(oids[1]!);
  });

  test("429 comes as the venue's error payload", async () => {
    const { faults, a } = await open();
    faults.set(rules("http429:rate=1,stream=post"));
    expect(await a.post("action", a.envelope(buy("100000")))).toEqual({
      type: "error",
      payload: "429 Too Many Requests",
    });
  });
});

describe("pushed frames", () => {
  test("private frames are lost while public ones and acknowledgements pass", async () => {
    const { faults, a, b } = await open();
    faults.set(rules("loss:rate=1,stream=private"));
    await a.subscribe({ type: "userFills", user: a.address });
    await a.subscribe({ type: "orderUpdates", user: a.address });
    await a.subscribe({ type: "trades", coin: "BTC" });
    await a.act(buy("100000"));
    await b.act(sell("100000"));
    await a.frame("trades");
    expect(a.frames.filter((f) => f.channel === "userFills" || f.channel === "orderUpdates")).toEqual([]);
    expect(faults.counts().loss).toBeGreaterThanOrEqual(3);
  });

  test("a duplicated fill is the same frame twice", async () => {
    const { faults, a, b } = await open();
    await a.subscribe({ type: "userFills", user: a.address });
    faults.set(rules("duplicate:rate=1,channel=userFills"));
    await a.act(buy("100000"));
    await b.act(sell("100000"));
    const fills = await a.until(() => {
      const found = a.frames.filter((f) => f.channel === "userFills" && f.data.isSnapshot !== true);
      return found.length === 2 && found;
    }, "two frames");
    expect(fills[0]).toEqual(fills[1]);
  });

  test("delayed frames keep their order, reordered ones do not", async () => {
    const { faults, a } = await open();
    await a.subscribe({ type: "orderUpdates", user: a.address });
    const order3 = async (): Promise<string[]> => {
      const from = a.frames.length;
      for (const px of ["90001", "90002", "90003"]) await a.act(buy(px));
      const updates = await a.until(() => {
        const found = a.frames.slice(from).filter((f) => f.channel === "orderUpdates");
        return found.length === 3 && found;
      }, "three updates");
      return updates.map((f) => f.data[0].order.limitPx);
    };
    faults.set(rules("delay:rate=1,channel=orderUpdates,ms=120,count=1"));
    expect(await order3()).toEqual(["90001.0", "90002.0", "90003.0"]);
    faults.set(rules("reorder:rate=1,channel=orderUpdates,ms=120,count=1"));
    expect(await order3()).toEqual(["90002.0", "90003.0", "90001.0"]);
  });

  test("a stale book repeats itself, time stamp and all, while the market moves", async () => {
    const { faults, a } = await open();
    await a.subscribe({ type: "l2Book", coin: "BTC" });
    const times = (from: number): number[] =>
      a.frames
        .slice(from)
        .filter((f) => f.channel === "l2Book")
        .map((f) => f.data.time);
    // One frame is let pass, so that there is something to repeat.
    faults.set(rules("clockSkew:rate=0"));
    const before = a.frames.length;
    await a.act(buy("100000"));
    await a.until(() => times(before).length >= 2, "books");
    faults.set(rules("staleBook:rate=1,ms=60000"));
    const from = a.frames.length;
    await a.until(() => times(from).length >= 5, "stale books");
    expect(new Set(times(from)).size).toBe(1);
  });

  test("a crossed book has its best prices exchanged", async () => {
    const { faults, a } = await open();
    await a.act(buy("100000"));
    await a.act(sell("100010"));
    faults.set(rules("crossedBook:rate=1"));
    const from = a.frames.length;
    await a.subscribe({ type: "bbo", coin: "BTC" });
    await a.subscribe({ type: "l2Book", coin: "BTC" });
    const book = await a.frame("l2Book", (d) => d.levels[0].length > 0, from);
    expect(Number(book.data.levels[0][0].px)).toBeGreaterThan(Number(book.data.levels[1][0].px));
    const bbo = await a.frame("bbo", () => true, from);
    expect(Number(bbo.data.bbo[0].px)).toBeGreaterThan(Number(bbo.data.bbo[1].px));
  });

  test("a skewed clock moves pushed and answered time stamps", async () => {
    const { faults, a } = await open();
    faults.set(rules("clockSkew:rate=1,ms=-3600000"));
    await a.subscribe({ type: "l2Book", coin: "BTC" });
    const book = await a.frame("l2Book");
    expect(Date.now() - book.data.time).toBeGreaterThan(3_500_000);
    const status = await a.info({ type: "exchangeStatus" });
    expect(Date.now() - status.time).toBeGreaterThan(3_500_000);
  });

  test("a disconnect cuts the line and an outage keeps it down for its time", async () => {
    const { faults, a } = await open();
    faults.set(rules("disconnect:rate=1,channel=l2Book,ms=200,count=1"));
    a.send({ method: "subscribe", subscription: { type: "l2Book", coin: "BTC" } });
    await a.until(() => a.closeCode !== undefined, "the cut");
    const again = new SimClient(server!.port, alice);
    clients.push(again);
    const started = performance.now();
    await expect(again.connect()).rejects.toThrow();
    for (;;) {
      const isUp = await new SimClient(server!.port, alice)
        .connect()
        .then((c) => clients.push(c))
        .catch(() => 0);
      if (isUp > 0) break;
    }
    expect(performance.now() - started).toBeGreaterThan(100);
  });

  test("rules may name a connection", async () => {
    const { faults, a, b } = await open();
    faults.set(rules("loss:rate=1,connection=1"));
    await a.subscribe({ type: "l2Book", coin: "BTC" });
    await b.subscribe({ type: "l2Book", coin: "BTC" });
    await b.frame("l2Book");
    expect(a.frames.some((f) => f.channel === "l2Book")).toBe(false);
  });
});

test("a storm of partial fills moves the same size in many prints, each with an id of its own", async () => {
  const { faults, a, b } = await open();
  await a.subscribe({ type: "userFills", user: a.address });
  faults.set(rules("partialFills:rate=1,pieces=10"));
  await a.act(buy("100000", "0.01"));
  const answer = await b.act(sell("100000", "0.01"));
  expect(answer.response.data.statuses[0].filled.totalSz).toBe("0.01");
  const fills = (await a.info({ type: "userFills", user: a.address })) as Loose[];
  expect(fills.length).toBeGreaterThan(20);
  expect(new Set(fills.map((f) => f.tid)).size).toBe(fills.length);
  const lots = fills.reduce((sum: number, f) => sum + Math.round(Number(f.sz) * 1e5), 0);
  expect(lots).toBe(1000);
  expect(await openOrders(a)).toEqual([]);
});

describe("pieces of the carrier", () => {
  test("a line keeps its order whatever the delays, and what it runs queues up behind", () => {
    let nowNs = 0;
    const due: { at: number; fn: () => void }[] = [];
    const clock = { monoNs: () => nowNs, wallMs: () => 0 };
    const timers = {
      after: (ms: number, fn: () => void) => {
        due.push({ at: nowNs + ms * 1e6, fn });
        return () => {};
      },
      every: () => () => {},
    };
    const line = new Line(clock, timers, (run) => run());
    const seen: string[] = [];
    line.put(0, () => seen.push("a"));
    line.put(50, () => {
      seen.push("b");
      line.put(0, () => seen.push("e"));
    });
    line.put(10, () => seen.push("c"));
    line.put(0, () => seen.push("d"));
    expect(seen).toEqual(["a"]);
    for (let t = due.shift(); t !== undefined; t = due.shift()) {
      nowNs = t.at;
      t.fn();
    }
    expect(seen).toEqual(["a", "b", "c", "d", "e"]);
    expect(nowNs).toBe(50e6);
    expect(line.isEmpty).toBe(true);
  });

  test("time stamps move, other numbers stay", () => {
    const frame = '{"time":1700000000000,"oid":1700000000000,"order":{"timestamp":1700000000001},"t":5}';
    expect(skewTimes(frame, -1000)).toBe(
      '{"time":1699999999000,"oid":1700000000000,"order":{"timestamp":1699999999001},"t":5}',
    );
  });

  test("a book with an empty side stays as it is", () => {
    const frame = '{"channel":"bbo","data":{"coin":"BTC","time":1,"bbo":[null,{"px":"1","sz":"1","n":1}]}}';
    expect(crossBook(frame)).toBe(frame);
  });
});
