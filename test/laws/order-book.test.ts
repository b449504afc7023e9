import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { NewOrder } from "../../src/domain/index.js";
import { OrderBook } from "../../src/execution/order-book.js";
import type { AckStatus, FillEvent, OrderUpdate } from "../../src/venues/port.js";
import { fill, order, update } from "../execution/fixtures.js";

const SEED = 77;

/**
 * A venue's true history of one order, cut into the messages of its three channels. Each channel keeps its own order; the
 * channels are interleaved at random, updates may be repeated. Whatever comes first, what we count must cover the truth.
 */
interface History {
  readonly order: NewOrder;
  readonly acks: AckStatus[];
  readonly cancelAcks: AckStatus[];
  readonly updates: OrderUpdate[];
  readonly fills: FillEvent[];
  readonly end: "filled" | "cancelled" | "rejected";
  readonly filledLots: number;
}

function history(kind: "reject" | "fill" | "cancel", parts: readonly number[], sz: number): History {
  const o = order({ sz });
  const acks: AckStatus[] = [];
  const cancelAcks: AckStatus[] = [];
  const updates: OrderUpdate[] = [];
  const fills: FillEvent[] = [];
  if (kind === "reject") {
    acks.push({ kind: "error", code: "BadAloPx", text: "" });
    updates.push(update(o, 9, "badAloPxRejected", sz));
    return { order: o, acks, cancelAcks, updates, fills, end: "rejected", filledLots: 0 };
  }
  acks.push({ kind: "resting", oid: 9 });
  updates.push(update(o, 9, "open", sz));
  let left = sz;
  const takes = kind === "fill" ? [...parts, Number.POSITIVE_INFINITY] : parts;
  for (const part of takes) {
    const lots = Math.min(part, kind === "fill" ? left : left - 1);
    if (lots <= 0) continue;
    left -= lots;
    fills.push(fill({ oid: 9, cloid: fills.length % 2 ? o.cloid : undefined, szLots: lots }));
    updates.push(update(o, 9, left === 0 ? "filled" : "open", left));
  }
  if (kind === "cancel") {
    cancelAcks.push({ kind: "cancelled" });
    updates.push(update(o, 9, "canceled", left));
  } else {
    cancelAcks.push({ kind: "error", code: "MissingOrder", text: "" });
  }
  return {
    order: o,
    acks,
    cancelAcks,
    updates,
    fills,
    end: kind === "fill" ? "filled" : "cancelled",
    filledLots: sz - left,
  };
}

const histories = fc
  .record({
    kind: fc.constantFrom("reject" as const, "fill" as const, "cancel" as const),
    parts: fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 4 }),
    sz: fc.integer({ min: 1, max: 20 }),
  })
  .map(({ kind, parts, sz }) => history(kind, parts, sz));

const dice = fc.infiniteStream(fc.nat(9));

describe("order book under any interleaving of acks, updates and fills", () => {
  test("law 1: filled plus counted exposure always covers what the venue has filled or may still fill", () => {
    fc.assert(
      fc.property(histories, dice, fc.boolean(), (h, roll, isTimedOut) => {
        const book = new OrderBook(1, { settleNs: 1, unknownGraceNs: 1e9 });
        const own = book.open(h.order, 0);
        const queues = [h.acks, h.cancelAcks, h.updates, h.fills].map((q) => [...(q as unknown[])]);
        let clock = 1;
        // A cancel is only answered after the order was answered.
        const ready = (i: number): boolean => queues[i]!.length > 0 && (i !== 1 || queues[0]!.length === 0);
        if (isTimedOut) book.doubt(own);
        while ([0, 1, 2, 3].some(ready)) {
          let i = (roll.next().value as number) % 4;
          while (!ready(i)) i = (i + 1) % 4;
          const isRepeated = i === 2 && (roll.next().value as number) === 0;
          const message = isRepeated ? queues[i]![0] : queues[i]!.shift();
          clock++;
          if (i === 0) book.onPlaceAck(own, message as AckStatus, clock);
          else if (i === 1) book.onCancelAck(own, message as AckStatus, clock);
          else if (i === 2) book.onUpdate(message as OrderUpdate, clock);
          else book.onFill(message as FillEvent, clock);
          // The truth: all of the history has happened at the venue; fills still in a queue are not in our position.
          expect(own.filledLots + own.exposureLots).toBeGreaterThanOrEqual(h.filledLots);
          expect(own.filledLots).toBeLessThanOrEqual(h.order.szLots);
        }
        // All channels drained: the ends agree, nothing is counted, nothing is remembered.
        expect(own.state).toBe(h.end);
        expect(own.filledLots).toBe(h.filledLots);
        expect(own.exposureLots).toBe(0);
        book.sweep(clock + 10, () => {});
        expect(book.size).toBe(0);
      }),
      { seed: SEED, numRuns: 3000 },
    );
  });
});
