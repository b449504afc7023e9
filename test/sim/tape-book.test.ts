import { describe, expect, it } from "vitest";
import { Side } from "../../src/domain/index.js";
import { BookOrder, bookView, type MatchEvents } from "../../src/sim/matching.js";
import { queueModel } from "../../src/sim/queue-model.js";
import { type RecordedBook, TapeBook } from "../../src/sim/tape-book.js";

type Levels = readonly (readonly [px: number, sz: number])[];

function recorded(bids: Levels, asks: Levels): RecordedBook {
  const view = bookView(20);
  for (const [i, [px, sz]] of bids.entries()) {
    view.bidPxTicks[i] = px;
    view.bidSzLots[i] = sz;
    view.bidOrders[i] = 1;
  }
  for (const [i, [px, sz]] of asks.entries()) {
    view.askPxTicks[i] = px;
    view.askSzLots[i] = sz;
    view.askOrders[i] = 1;
  }
  view.bidCount = bids.length;
  view.askCount = asks.length;
  return view;
}

/** Mirrors a scenario about 1,000, so that each rule is proved for the sell side by the same table. */
const mirror = (side: Side, px: number): number => (side === Side.Buy ? px : 2000 - px);

class Scenario {
  readonly fills: string[] = [];
  private oid = 0;
  private ms = 0;

  constructor(
    readonly side: Side,
    readonly book = new TapeBook(),
  ) {}

  private readonly onFill = (o: BookOrder, szLots: number): void => {
    this.fills.push(`${o.oid}:${szLots}@${mirror(this.side, o.pxTicks)}`);
  };

  /** Own-side and opposite levels as a buyer sees them. */
  quotes(own: Levels, opposite: Levels): this {
    const m = (levels: Levels): Levels => levels.map(([px, sz]) => [mirror(this.side, px), sz] as const);
    const [bids, asks] = this.side === Side.Buy ? [m(own), m(opposite)] : [m(opposite), m(own)];
    this.book.applyBook(recorded(bids, asks), ++this.ms, this.onFill);
    return this;
  }

  bbo(own: Levels, opposite: Levels): this {
    const m = (levels: Levels): Levels => levels.map(([px, sz]) => [mirror(this.side, px), sz] as const);
    const [bids, asks] = this.side === Side.Buy ? [m(own), m(opposite)] : [m(opposite), m(own)];
    this.book.applyBbo(recorded(bids, asks), ++this.ms, this.onFill);
    return this;
  }

  rest(px: number, sz: number, owner = 1): BookOrder {
    const order = new BookOrder(++this.oid, owner, this.side, mirror(this.side, px), sz);
    this.book.rest(order);
    return order;
  }

  /** A print whose aggressor would hit our side, unless `isOurSide`. */
  print(px: number, sz: number, isOurSide = false): this {
    const hitting = this.side === Side.Buy ? Side.Sell : Side.Buy;
    const aggressor = isOurSide ? this.side : hitting;
    this.book.applyTrade(aggressor, mirror(this.side, px), sz, 7, this.onFill);
    return this;
  }
}

const OWN: Levels = [
  [1000, 50],
  [998, 80],
];
const OPPOSITE: Levels = [
  [1002, 40],
  [1003, 60],
];

describe.each([
  ["buy", Side.Buy],
  ["sell", Side.Sell],
] as const)("fill rules of a resting %s", (_name, side) => {
  const start = (): Scenario => new Scenario(side).quotes(OWN, OPPOSITE);

  it.each([
    ["the displayed size at its price", 1000, 50],
    ["nothing when it improves the touch", 1001, 0],
    ["nothing between displayed prices", 999, 0],
    ["everything when deeper than displayed", 990, Number.POSITIVE_INFINITY],
  ])("queues behind %s", (_what, px, ahead) => {
    expect(start().rest(px, 10).queueAheadLots).toBe(ahead);
  });

  it("fills from a print at its price only after the queue before it is consumed", () => {
    const s = start();
    const o = s.rest(1000, 10);
    s.print(1000, 30);
    expect([s.fills, o.queueAheadLots]).toEqual([[], 20]);
    s.print(1000, 25);
    expect([s.fills, o.szLots, o.queueAheadLots]).toEqual([["1:5@1000"], 5, 0]);
    s.print(1000, 3).print(1000, 100);
    expect(s.fills).toEqual(["1:5@1000", "1:3@1000", "1:2@1000"]);
  });

  it("fills at its own price from a print through it, up to the print's size", () => {
    const s = start();
    const o = s.rest(1000, 10);
    s.print(999, 4);
    expect([s.fills, o.szLots]).toEqual([["1:4@1000"], 6]);
  });

  it("is not filled by prints of its own side, nor by prints behind it", () => {
    const s = start();
    s.rest(999, 10);
    s.print(998, 500, true).print(1000, 500);
    expect(s.fills).toEqual([]);
  });

  it("hands out a print once: better price first, then the queue, then the next own order", () => {
    const s = start();
    s.rest(1000, 10);
    s.rest(1001, 5);
    const last = s.rest(1000, 10, 2);
    s.print(1000, 70);
    // 5 to the better price, 50 to the recorded queue, 10 to the first, 5 to the second.
    expect(s.fills).toEqual(["2:5@1001", "1:10@1000", "3:5@1000"]);
    expect([last.szLots, last.queueAheadLots]).toEqual([5, 0]);
  });

  it("lets only trades and smaller displays advance the queue", () => {
    const s = start();
    const o = s.rest(1000, 10);
    s.quotes([[1000, 500]], OPPOSITE);
    expect(o.queueAheadLots).toBe(50);
    s.quotes([[1000, 20]], OPPOSITE);
    expect(o.queueAheadLots).toBe(20);
    s.bbo([[1000, 8]], OPPOSITE);
    expect(o.queueAheadLots).toBe(8);
    s.bbo([[999, 30]], OPPOSITE);
    expect(o.queueAheadLots).toBe(0);
  });

  it("learns its queue when a deeper price comes into view", () => {
    const s = start();
    const o = s.rest(990, 10);
    s.print(990, 1000);
    expect(s.fills).toEqual([]);
    s.quotes(
      [
        [991, 5],
        [990, 70],
        [989, 5],
      ],
      OPPOSITE,
    );
    expect(o.queueAheadLots).toBe(70);
  });

  it("fills from an opposite quote at or through its price, up to what is displayed, once", () => {
    const s = start();
    const o = s.rest(1000, 100);
    s.quotes(
      [[998, 80]],
      [
        [999, 30],
        [1000, 20],
        [1001, 500],
      ],
    );
    expect([s.fills, o.szLots]).toEqual([["1:30@1000", "1:20@1000"], 50]);
    s.bbo([[998, 80]], [[1000, 15]]);
    expect(s.fills.slice(2)).toEqual(["1:15@1000"]);
  });

  it("ignores recorded quotes older than the newest applied", () => {
    const s = start();
    s.rest(1000, 10);
    const [bids, asks]: Levels[] =
      side === Side.Buy ? [[[990, 5]], [[991, 50]]] : [[[1009, 50]], [[1010, 5]]];
    s.book.applyBook(recorded(bids!, asks!), 0, () => s.fills.push("filled"));
    expect(s.fills).toEqual([]);
  });

  it("shows no quotes after a gap, and keeps client orders", () => {
    const s = start();
    s.rest(1000, 10);
    s.book.applyGap();
    const view = bookView();
    s.book.view(view, 20);
    expect([view.bidCount, view.askCount]).toEqual([0, 0]);
    s.quotes([[1000, 5]], OPPOSITE).print(999, 10);
    expect(s.fills).toEqual(["1:10@1000"]);
  });
});

describe.each([
  ["buy", Side.Buy],
  ["sell", Side.Sell],
] as const)("a %s taker in a replayed market", (_name, side) => {
  const take = (s: Scenario, limit: number, sz: number, owner = 9): { left: number; matches: string[] } => {
    const matches: string[] = [];
    const events: MatchEvents = {
      onMatch: (maker, px, szLots) => matches.push(`${maker?.oid ?? "tape"}:${szLots}@${mirror(side, px)}`),
      onSelfTrade: (o) => matches.push(`self:${o.oid}`),
    };
    return { left: s.book.take(owner, side, mirror(side, limit), sz, events), matches };
  };

  it("sweeps displayed levels to its limit, and what it took is gone until the next event", () => {
    const s = new Scenario(side).quotes(OWN, OPPOSITE);
    expect(take(s, 1002, 100)).toEqual({ left: 60, matches: ["tape:40@1002"] });
    expect(take(s, 1003, 10)).toEqual({ left: 0, matches: ["tape:10@1003"] });
    expect(s.book.wouldMatch(side, mirror(side, 1002))).toBe(false);
    s.quotes(OWN, OPPOSITE);
    expect(s.book.wouldMatch(side, mirror(side, 1002))).toBe(true);
  });

  it("meets client orders by price and queue place among the recorded ones", () => {
    const s = new Scenario(side === Side.Buy ? Side.Sell : Side.Buy);
    // From the maker's side: own levels 1000 x 50 and 998 x 80.
    s.quotes(OWN, OPPOSITE);
    const behind = s.rest(1000, 10, 1);
    s.rest(1001, 5, 2);
    const limit = mirror(s.side, 998);
    const matches: string[] = [];
    const left = s.book.take(9, side, limit, 100, {
      onMatch: (maker, px, szLots) => matches.push(`${maker?.oid ?? "tape"}:${szLots}@${mirror(s.side, px)}`),
      onSelfTrade() {},
    });
    expect({ left, matches }).toEqual({
      left: 0,
      matches: ["2:5@1001", "tape:50@1000", "1:10@1000", "tape:35@998"],
    });
    expect(behind.szLots).toBe(0);
  });

  it("takes out its own resting order instead of trading with it", () => {
    const s = new Scenario(side === Side.Buy ? Side.Sell : Side.Buy).quotes(OWN, OPPOSITE);
    s.rest(1001, 5, 9);
    const limit = mirror(s.side, 1000);
    const seen: string[] = [];
    s.book.take(9, side, limit, 10, {
      onMatch: (maker, _px, szLots) => seen.push(`${maker?.oid ?? "tape"}:${szLots}`),
      onSelfTrade: (o) => seen.push(`self:${o.oid}`),
    });
    expect(seen).toEqual(["self:1", "tape:10"]);
  });
});

describe.each([
  ["buy", Side.Buy],
  ["sell", Side.Sell],
] as const)("a probability model's queue that ends within a lot, before a %s", (_name, side) => {
  /** 50 of 60 were before us, of ten cancels 50 × 10/60 are taken to have been there: 41 and two thirds are left. */
  const start = (): { scene: Scenario; order: BookOrder } => {
    const scene = new Scenario(side, new TapeBook(queueModel({ kind: "power", n: 1 })));
    scene.quotes(OWN, OPPOSITE);
    const order = scene.rest(1000, 10);
    scene.quotes([[1000, 60]], OPPOSITE).quotes([[1000, 50]], OPPOSITE);
    expect(order.queueAheadLots).toBeCloseTo(41.667, 3);
    return { scene, order };
  };

  it("fills whole lots only, and none that the model does not give", () => {
    const { scene, order } = start();
    scene.print(1000, 41);
    expect(scene.fills).toEqual([]);
    scene.print(1000, 1);
    expect(scene.fills).toEqual([]);
    expect(order.queueAheadLots).toBe(0);
    scene.print(1000, 3);
    expect(scene.fills).toEqual(["1:3@1000"]);
    expect(order.szLots).toBe(7);
  });

  it("is taken in whole lots, too", () => {
    const { scene, order } = start();
    scene.print(1000, 41);
    const matches: number[] = [];
    const taker = -side as Side;
    const events: MatchEvents = {
      onMatch: (_maker, _px, sz) => void matches.push(sz),
      onSelfTrade: () => {},
    };
    const left = scene.book.take(2, taker, mirror(side, 1000), 5, events);
    expect(left).toBe(0);
    expect(matches).toEqual([1, 4]);
    expect(order.szLots).toBe(6);
  });
});
