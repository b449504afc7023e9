import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Side } from "../../src/domain/index.js";
import { BookOrder, bookView, L3Book, type MatchEvents } from "../../src/sim/matching.js";

interface Match {
  readonly makerOid: number;
  readonly px: number;
  readonly sz: number;
}

/** The rules once more, in the plainest way: a list, sorted by price and arrival for each taker. */
class ListBook {
  resting: { oid: number; owner: number; side: Side; px: number; sz: number }[] = [];

  take(
    owner: number,
    side: Side,
    limit: number,
    sz: number,
  ): { matches: Match[]; selfTrades: number[]; left: number } {
    const matches: Match[] = [];
    const selfTrades: number[] = [];
    const makers = this.resting
      .filter((o) => o.side !== side && side * o.px <= side * limit)
      .sort((a, b) => side * (a.px - b.px) || a.oid - b.oid);
    for (const maker of makers) {
      if (sz === 0) break;
      if (maker.owner === owner) {
        selfTrades.push(maker.oid);
        maker.sz = 0;
        continue;
      }
      const traded = Math.min(sz, maker.sz);
      maker.sz -= traded;
      sz -= traded;
      matches.push({ makerOid: maker.oid, px: maker.px, sz: traded });
    }
    this.resting = this.resting.filter((o) => o.sz > 0);
    return { matches, selfTrades, left: sz };
  }

  levels(side: Side): string[] {
    const byPx = new Map<number, { sz: number; n: number }>();
    for (const o of this.resting) {
      if (o.side !== side) continue;
      const level = byPx.get(o.px) ?? { sz: 0, n: 0 };
      byPx.set(o.px, { sz: level.sz + o.sz, n: level.n + 1 });
    }
    return [...byPx].sort((a, b) => side * (b[0] - a[0])).map(([px, l]) => `${px}:${l.sz}:${l.n}`);
  }
}

const command = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("place" as const),
      owner: fc.integer({ min: 1, max: 4 }),
      isBuy: fc.boolean(),
      px: fc.integer({ min: 95, max: 105 }),
      sz: fc.integer({ min: 1, max: 20 }),
      isImmediate: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("cancel" as const), pick: fc.nat() }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("reduce" as const), pick: fc.nat(), keep: fc.nat() }),
  },
);

describe("L3 book", () => {
  it("laws: price–time priority, exact fills, exact levels, against a plain list", () => {
    fc.assert(
      fc.property(fc.array(command, { minLength: 1, maxLength: 120 }), (commands) => {
        const book = new L3Book();
        const list = new ListBook();
        const live = new Map<number, BookOrder>();
        const view = bookView(64);
        let oid = 0;
        for (const c of commands) {
          if (c.kind === "place") {
            oid++;
            const side = c.isBuy ? Side.Buy : Side.Sell;
            const matches: Match[] = [];
            const selfTrades: number[] = [];
            const events: MatchEvents = {
              onMatch(maker, px, sz) {
                matches.push({ makerOid: maker!.oid, px, sz });
                if (maker!.szLots === 0) live.delete(maker!.oid);
              },
              onSelfTrade(resting) {
                selfTrades.push(resting.oid);
                live.delete(resting.oid);
              },
            };
            const wouldMatch = book.wouldMatch(side, c.px);
            const left = book.take(c.owner, side, c.px, c.sz, events);
            const expected = list.take(c.owner, side, c.px, c.sz);
            expect({ matches, selfTrades, left }).toEqual(expected);
            expect(wouldMatch).toBe(matches.length + selfTrades.length > 0);
            expect(matches.reduce((sum, m) => sum + m.sz, 0) + left).toBe(c.sz);
            if (left > 0 && !c.isImmediate) {
              const order = new BookOrder(oid, c.owner, side, c.px, left);
              book.rest(order);
              live.set(oid, order);
              list.resting.push({ oid, owner: c.owner, side, px: c.px, sz: left });
            }
          } else if (live.size > 0) {
            const order = [...live.values()][c.pick % live.size]!;
            const twin = list.resting.find((o) => o.oid === order.oid)!;
            if (c.kind === "cancel" || order.szLots === 1) {
              book.remove(order);
              live.delete(order.oid);
              list.resting = list.resting.filter((o) => o !== twin);
            } else {
              const sz = 1 + (c.keep % (order.szLots - 1));
              book.reduce(order, sz);
              twin.sz = sz;
            }
          }
          book.view(view, 64);
          const bids = Array.from(
            { length: view.bidCount },
            (_, i) => `${view.bidPxTicks[i]}:${view.bidSzLots[i]}:${view.bidOrders[i]}`,
          );
          const asks = Array.from(
            { length: view.askCount },
            (_, i) => `${view.askPxTicks[i]}:${view.askSzLots[i]}:${view.askOrders[i]}`,
          );
          expect(bids).toEqual(list.levels(Side.Buy));
          expect(asks).toEqual(list.levels(Side.Sell));
          expect(book.bestBidTicks).toBe(view.bidCount > 0 ? view.bidPxTicks[0] : 0);
          if (view.bidCount > 0 && view.askCount > 0)
            expect(book.bestBidTicks).toBeLessThan(book.bestAskTicks);
          expect(book.orderCount).toBe(live.size);
        }
      }),
      { seed: 42, numRuns: 300 },
    );
  });

  it("stays whole when a callback removes the next order in line", () => {
    const book = new L3Book();
    const orders = [1, 2, 3].map((oid) => new BookOrder(oid, oid, Side.Sell, 100, 5));
    for (const o of orders) book.rest(o);
    const touched: number[] = [];
    const left = book.take(9, Side.Buy, 100, 12, {
      onMatch(maker, _px, sz) {
        touched.push(maker!.oid, sz);
        if (maker!.oid === 1) book.remove(orders[1]!);
      },
      onSelfTrade() {},
    });
    expect(touched).toEqual([1, 5, 3, 5]);
    expect(left).toBe(2);
    expect(book.orderCount).toBe(0);
  });
});
