import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { OrderEventType } from "../../src/abi/layout.js";
import { Side } from "../../src/domain/index.js";
import { BookOrder, L3Book, type MatchEvents } from "../../src/sim/matching.js";
import { queueModel } from "../../src/sim/queue-model.js";
import { TapeBook } from "../../src/sim/tape-book.js";

const { Add, Reduce, Delete, Execute, Replace, Clear } = OrderEventType;

/** Told for a buyer at 1000; the sell side is its mirror. */
class Scenario {
  readonly book = new TapeBook(queueModel({ kind: "l3" }));
  readonly fills: string[] = [];
  private oid = 0;

  constructor(readonly way: Side) {
    // What the recording opens with: the first event that is no Add ends the snapshot.
    this.order(Add, 1, 1000, 10).order(Add, 2, 1000, 20).order(Add, 3, 999, 5).order(Add, 4, 1002, 7, -1);
    this.order(Add, 5, 1000, 1).order(Delete, 5, 1000, 1);
  }

  private mirror(px: number): number {
    return this.way === Side.Buy ? px : 2000 - px;
  }

  order(type: OrderEventType, oid: number, px: number, sz: number, sideOfUs = 1): this {
    const side = (sideOfUs * this.way) as Side;
    this.book.applyOrder(type, oid, side, this.mirror(px), sz, 0, (o, szLots) => {
      this.fills.push(`${o.oid}:${szLots}@${this.mirror(o.pxTicks)}`);
    });
    return this;
  }

  rest(px: number, sz: number): BookOrder {
    const order = new BookOrder(++this.oid, 1, this.way, this.mirror(px), sz);
    this.book.rest(order);
    return order;
  }
}

describe.each([
  ["buy", Side.Buy],
  ["sell", Side.Sell],
] as const)("the exact queue of a resting %s", (_name, way) => {
  it.each([
    ["all recorded orders at its price", 1000, 30],
    ["nothing between prices", 1001, 0],
    ["what is deeper, exactly", 999, 5],
    ["nothing far away: the recording knows all orders", 900, 0],
  ])("stands behind %s", (_what, px, ahead) => {
    expect(new Scenario(way).rest(px, 4).queueAheadLots).toBe(ahead);
  });

  it("moves up when an order ahead is cancelled, not when one behind is", () => {
    const s = new Scenario(way);
    const o = s.rest(1000, 4);
    s.order(Add, 10, 1000, 50);
    expect(o.queueAheadLots).toBe(30);
    s.order(Delete, 10, 1000, 50);
    expect(o.queueAheadLots).toBe(30);
    s.order(Delete, 1, 1000, 10);
    expect([o.queueAheadLots, s.fills]).toEqual([20, []]);
  });

  it("a partial cancel keeps the other's place", () => {
    const s = new Scenario(way);
    const o = s.rest(1000, 4);
    s.order(Reduce, 1, 1000, 6);
    expect(o.queueAheadLots).toBe(24);
    // Still ahead: its last 4 lots are executed before ours.
    s.order(Execute, 1, 1000, 4);
    expect([o.queueAheadLots, s.fills]).toEqual([20, []]);
  });

  it.each([
    ["a larger size", 1000, 11],
    ["another price and back", 999, 10],
  ])("%s sends the other behind us", (_what, px, sz) => {
    const s = new Scenario(way);
    const o = s.rest(1000, 4);
    s.order(Replace, 1, px, sz);
    if (px !== 1000) s.order(Replace, 1, 1000, sz);
    expect(o.queueAheadLots).toBe(20);
    s.order(Execute, 2, 1000, 20).order(Execute, 1, 1000, 3);
    expect(s.fills).toEqual(["1:3@1000"]);
  });

  it("a replacement that only shrinks keeps the place", () => {
    const s = new Scenario(way);
    const o = s.rest(1000, 4);
    s.order(Replace, 1, 1000, 3);
    expect(o.queueAheadLots).toBe(23);
  });

  it("executions ahead do not fill it, those behind do, up to their size", () => {
    const s = new Scenario(way);
    const o = s.rest(1000, 4);
    s.order(Add, 10, 1000, 50);
    s.order(Execute, 1, 1000, 10).order(Execute, 2, 1000, 20);
    expect([o.queueAheadLots, s.fills]).toEqual([0, []]);
    s.order(Execute, 10, 1000, 3).order(Execute, 10, 1000, 47);
    expect(s.fills).toEqual(["1:3@1000", "1:1@1000"]);
  });

  it("an execution at a worse price fills it at its own", () => {
    const s = new Scenario(way);
    s.rest(1000, 4);
    s.order(Execute, 3, 999, 5);
    expect(s.fills).toEqual(["1:4@1000"]);
  });

  it("an execution at a better price does not concern it", () => {
    const s = new Scenario(way);
    const o = s.rest(999, 4);
    s.order(Execute, 1, 1000, 10);
    expect([o.queueAheadLots, s.fills]).toEqual([5, []]);
  });

  it("two orders never fill on the same lots: the second waits for what the first took", () => {
    const s = new Scenario(way);
    s.order(Delete, 1, 1000, 0).order(Delete, 2, 1000, 0);
    s.rest(1000, 4);
    s.order(Add, 10, 1000, 10);
    const second = s.rest(1000, 6);
    s.order(Add, 11, 1000, 100);
    s.order(Execute, 10, 1000, 10);
    // Of the 10 lots ours took 4: the recorded order would have 4 left, before our second.
    expect([s.fills, second.queueAheadLots]).toEqual([["1:4@1000"], 4]);
    s.order(Execute, 11, 1000, 5);
    expect([s.fills.slice(1), second.queueAheadLots]).toEqual([["2:1@1000"], 0]);
  });

  it("a sweep that our best order shortens does not reach our worse one", () => {
    const s = new Scenario(way);
    s.rest(1001, 10);
    s.rest(999, 3);
    s.order(Add, 10, 999, 10);
    // 30 at 1000, then 5 ahead of ours and 2 behind at 999: with ours in the book the last 10 of these 37 are never reached.
    s.order(Execute, 1, 1000, 10)
      .order(Execute, 2, 1000, 20)
      .order(Execute, 3, 999, 5)
      .order(Execute, 10, 999, 2);
    expect(s.fills).toEqual(["1:10@1001"]);
  });

  it("hidden liquidity executed at its price comes behind it, and only when nothing displayed is ahead", () => {
    const s = new Scenario(way);
    const o = s.rest(1000, 4);
    s.order(Execute, 999, 1000, 8);
    expect([s.fills, o.queueAheadLots]).toEqual([[], 30]);
    s.order(Delete, 1, 1000, 0).order(Delete, 2, 1000, 0).order(Execute, 999, 1000, 8);
    expect(s.fills).toEqual(["1:4@1000"]);
  });

  it("an order that comes to rest through its price trades with it, once", () => {
    const s = new Scenario(way);
    s.rest(1001, 9);
    s.order(Add, 10, 1001, 4, -1);
    expect(s.fills).toEqual(["1:4@1001"]);
    s.order(Reduce, 10, 1001, 1, -1);
    expect(s.fills).toHaveLength(1);
  });

  describe("of a recording that lists an aggressor before its trades", () => {
    it.each([
      ["its own executions first", true],
      ["those of the orders it met first", false],
    ])("fills from what it met, not from what it tells of itself: %s", (_what, isOwnFirst) => {
      const s = new Scenario(way);
      const behind = s.rest(1000, 4);
      const ours = new BookOrder(99, 1, -way as Side, way === Side.Buy ? 1002 : 998, 3);
      s.book.rest(ours);
      // A buyer of 9 (as we see it) at 1003 meets the 7 at 1002; ours stands behind these.
      s.order(Add, 30, 1003, 9);
      const own = (): Scenario => s.order(Execute, 30, 1003, 7);
      if (isOwnFirst) own();
      s.order(Execute, 4, 1002, 7, -1);
      if (!isOwnFirst) own();
      // The 2 left meet ours; nobody sold to our buyer at 1000.
      expect(s.fills).toEqual(["99:2@1002"]);
      expect(behind.queueAheadLots).toBe(30);
      // Now it rests, and whoever sells to it sells before that to nobody of ours.
      s.order(Execute, 30, 1003, 1);
      expect(s.fills).toHaveLength(1);
    });

    it("its order rests like any other afterwards: an execution behind ours fills ours", () => {
      const s = new Scenario(way);
      s.order(Add, 30, 1002, 9).order(Execute, 4, 1002, 7, -1).order(Execute, 30, 1002, 7);
      s.rest(1002, 4);
      s.order(Add, 31, 1002, 5).order(Execute, 30, 1002, 2).order(Execute, 31, 1002, 3);
      expect(s.fills).toEqual(["1:3@1002"]);
    });
  });

  it("after a clearing it stands behind the snapshot", () => {
    const s = new Scenario(way);
    const o = s.rest(1000, 4);
    s.order(Clear, 0, 0, 0).order(Add, 20, 1000, 8).order(Add, 21, 1000, 9);
    expect(o.queueAheadLots).toBe(17);
    s.order(Delete, 20, 1000, 8).order(Add, 22, 1000, 5);
    expect(o.queueAheadLots).toBe(9);
  });

  it("the display is the sum of the recorded orders", () => {
    const s = new Scenario(way);
    expect(s.book.recordedMid2Ticks).toBe(way === Side.Buy ? 2002 : 1998);
    s.order(Delete, 1, 1000, 0).order(Delete, 2, 1000, 0);
    expect(s.book.recordedMid2Ticks).toBe(way === Side.Buy ? 2001 : 1999);
  });
});

const NOBODY: MatchEvents = { onMatch() {}, onSelfTrade() {} };
const MARKET = 1;
const US = 2;

/**
 * Two worlds with the same market orders: `recorded` is the market alone and tells the events; `real` is the same market with our
 * orders resting in it as anybody's.
 */
class TwoWorlds {
  private readonly recorded = new L3Book();
  private readonly real = new L3Book();
  private readonly tape = new TapeBook(queueModel({ kind: "l3" }));
  private readonly recordedOrders = new Map<number, BookOrder>();
  private readonly realOrders = new Map<number, BookOrder>();
  readonly ours: { readonly model: BookOrder; readonly real: BookOrder }[] = [];
  private oid = 0;

  constructor() {
    for (let px = 90; px < 100; px++) this.add(Side.Buy, px, 3);
    for (let px = 101; px < 110; px++) this.add(Side.Sell, px, 3);
    this.cancel(0, 1);
  }

  get hasFilled(): boolean {
    return this.ours.some((o) => o.real.szLots < 10);
  }

  /** A market participant's limit order; what does not trade rests. */
  add(side: Side, px: number, sz: number): void {
    const oid = ++this.oid;
    const executed: { maker: BookOrder; sz: number }[] = [];
    const left = this.recorded.take(MARKET + 100, side, px, sz, {
      onMatch: (maker, _px, szLots) => executed.push({ maker: maker!, sz: szLots }),
      onSelfTrade() {},
    });
    if (executed.length > 0)
      this.real.take(MARKET + 100, side, executed.at(-1)!.maker.pxTicks, sz - left, NOBODY);
    for (const { maker, sz: traded } of executed)
      this.tell(Execute, maker.oid, maker.side, maker.pxTicks, traded);
    if (left === 0) return;
    const realLeft = this.real.take(MARKET + 100, side, px, left, NOBODY);
    this.rest(oid, side, px, left, realLeft);
    this.tell(Add, oid, side, px, left);
  }

  private rest(oid: number, side: Side, px: number, sz: number, realSz: number): void {
    const recorded = new BookOrder(oid, MARKET, side, px, sz);
    this.recorded.rest(recorded);
    this.recordedOrders.set(oid, recorded);
    const real = new BookOrder(oid, MARKET, side, px, realSz);
    if (realSz > 0) this.real.rest(real);
    this.realOrders.set(oid, real);
  }

  private pick(n: number): BookOrder | undefined {
    const live = [...this.recordedOrders.values()].filter((o) => o.szLots > 0);
    return live[n % Math.max(1, live.length)];
  }

  /** Takes `sz` off an order, all of it at most: exactly the lots that the recording cancels. */
  cancel(n: number, sz: number): void {
    const o = this.pick(n);
    if (o === undefined) return;
    const gone = Math.min(sz, o.szLots);
    this.lower(o, gone);
    if (o.szLots === 0) this.tell(Delete, o.oid, o.side, o.pxTicks, gone);
    else this.tell(Reduce, o.oid, o.side, o.pxTicks, gone);
  }

  private lower(o: BookOrder, szLots: number): void {
    const real = this.realOrders.get(o.oid)!;
    lower(this.recorded, o, szLots);
    lower(this.real, real, Math.min(szLots, real.szLots));
  }

  /** New size at the same price: larger ones lose their place. */
  resize(n: number, sz: number): void {
    const o = this.pick(n);
    if (o === undefined) return;
    const { oid, side, pxTicks } = o;
    if (sz <= o.szLots) this.lower(o, o.szLots - sz);
    else {
      this.lower(o, o.szLots);
      const left = this.real.take(MARKET + 100, side, pxTicks, sz, NOBODY);
      this.rest(oid, side, pxTicks, sz, left);
    }
    this.tell(Replace, oid, side, pxTicks, sz);
  }

  place(px: number): void {
    if (this.recorded.bestAskTicks !== 0 && px >= this.recorded.bestAskTicks) return;
    if (this.real.bestAskTicks !== 0 && px >= this.real.bestAskTicks) return;
    const oid = 1_000_000 + this.ours.length;
    const real = new BookOrder(oid, US, Side.Buy, px, 10);
    const model = new BookOrder(oid, US, Side.Buy, px, 10);
    this.real.rest(real);
    this.tape.rest(model);
    this.ours.push({ real, model });
  }

  /** Remaining sizes, and the lots of others ahead of those that rest. */
  states(which: "real" | "model"): string[] {
    return this.ours.map(({ real, model }) => {
      if (which === "model")
        return `${model.szLots} left, ${model.szLots > 0 ? model.queueAheadLots : 0} ahead`;
      let ahead = 0;
      for (let o = real.prev; o !== null; o = o.prev) if (o.owner !== US) ahead += o.szLots;
      return `${real.szLots} left, ${real.szLots > 0 ? ahead : 0} ahead`;
    });
  }

  private tell(type: OrderEventType, oid: number, side: Side, px: number, sz: number): void {
    this.tape.applyOrder(type, oid, side, px, sz, 0, () => {});
  }
}

function lower(book: L3Book, o: BookOrder, szLots: number): void {
  if (szLots === o.szLots) {
    book.remove(o);
    o.szLots = 0;
  } else book.reduce(o, o.szLots - szLots);
}

type Step =
  | { readonly do: "add"; readonly side: Side; readonly px: number; readonly sz: number }
  | { readonly do: "cancel"; readonly n: number; readonly sz: number }
  | { readonly do: "resize"; readonly n: number; readonly sz: number }
  | { readonly do: "place"; readonly px: number };

const step = (placePx: fc.Arbitrary<number>): fc.Arbitrary<Step> =>
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant("add" as const),
        side: fc.constantFrom(Side.Buy, Side.Sell),
        px: fc.integer({ min: 94, max: 106 }),
        sz: fc.integer({ min: 1, max: 25 }),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constantFrom("cancel" as const, "resize" as const),
        n: fc.nat(50),
        sz: fc.integer({ min: 1, max: 12 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("place" as const), px: placePx }) },
  );

function act(worlds: TwoWorlds, s: Step): void {
  if (s.do === "add") worlds.add(s.side, s.px, s.sz);
  else if (s.do === "cancel") worlds.cancel(s.n, s.sz);
  else if (s.do === "resize") worlds.resize(s.n, s.sz);
  else if (s.do === "place" && !worlds.hasFilled) worlds.place(s.px);
}

describe("laws of the exact queue (fast-check, seed 20150501)", () => {
  it("orders at one price fill and queue as real orders in an order-by-order book", () => {
    let fills = 0;
    fc.assert(
      fc.property(
        fc.integer({ min: 97, max: 100 }),
        fc.array(step(fc.constant(0)), { minLength: 40, maxLength: 150, size: "max" }),
        (px, steps) => {
          const worlds = new TwoWorlds();
          for (const s of steps) {
            act(worlds, s.do === "place" ? { do: "place", px } : s);
            expect(worlds.states("model")).toEqual(worlds.states("real"));
          }
          if (worlds.hasFilled) fills++;
        },
      ),
      { seed: 20150501, numRuns: 400 },
    );
    expect(fills).toBeGreaterThan(50);
  });

  it("orders at many prices do so through the first incoming order that fills them", () => {
    let fills = 0;
    fc.assert(
      fc.property(
        fc.array(step(fc.integer({ min: 95, max: 102 })), { minLength: 40, maxLength: 150, size: "max" }),
        (steps) => {
          const worlds = new TwoWorlds();
          for (const s of steps) {
            act(worlds, s);
            expect(worlds.states("model").map((x) => x.split(",")[0])).toEqual(
              worlds.states("real").map((x) => x.split(",")[0]),
            );
            if (worlds.hasFilled) {
              fills++;
              return;
            }
          }
        },
      ),
      { seed: 20150501, numRuns: 400 },
    );
    expect(fills).toBeGreaterThan(50);
  });
});
