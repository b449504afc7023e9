import { describe, expect, test } from "vitest";
import type { NewOrder } from "../../src/domain/index.js";
import { OrderBook, type OwnOrder } from "../../src/execution/order-book.js";
import { Role } from "../../src/execution/reconcile.js";
import type { AckStatus } from "../../src/venues/port.js";
import { fill, order, update } from "./fixtures.js";

const SETTLE_NS = 3e9;
const GRACE_NS = 8e9;
const OID = 77;

type Step =
  | { ack: AckStatus }
  | { cancelAck: AckStatus }
  | { update: string; rem: number }
  | { status: string | undefined; rem?: number; at?: number }
  | { fill: number; byOid?: boolean }
  | { doubt: true };

const resting: AckStatus = { kind: "resting", oid: OID };
const missing: AckStatus = { kind: "error", code: "MissingOrder", text: "gone" };

function play(steps: readonly Step[], o: NewOrder = order({ sz: 10 })): { own: OwnOrder; book: OrderBook } {
  const book = new OrderBook(1, { settleNs: SETTLE_NS, unknownGraceNs: GRACE_NS });
  const own = book.open(o, 0);
  for (const s of steps) {
    if ("ack" in s) book.onPlaceAck(own, s.ack, 1);
    else if ("cancelAck" in s) book.onCancelAck(own, s.cancelAck, 2);
    else if ("update" in s) book.onUpdate(update(o, OID, s.update, s.rem), 3);
    else if ("status" in s) {
      book.onStatus(
        own,
        s.status === undefined ? undefined : update(o, OID, s.status, s.rem ?? 0),
        s.at ?? 4,
      );
    } else if ("fill" in s) {
      book.onFill(fill({ oid: OID, cloid: s.byOid ? undefined : o.cloid, szLots: s.fill }), 5);
    } else book.doubt(own);
  }
  return { own, book };
}

interface Row {
  readonly name: string;
  readonly steps: readonly Step[];
  readonly state: string;
  /** Worst case that must still be counted. */
  readonly exposure: number;
  readonly tif?: "Gtc" | "Ioc";
}

const ROWS: readonly Row[] = [
  { name: "sent counts whole", steps: [], state: "sent", exposure: 10 },
  { name: "ack rests it", steps: [{ ack: resting }], state: "resting", exposure: 10 },
  {
    name: "update before ack",
    steps: [{ update: "open", rem: 10 }, { ack: resting }],
    state: "resting",
    exposure: 10,
  },
  { name: "partial fill before ack", steps: [{ fill: 4 }, { ack: resting }], state: "resting", exposure: 6 },
  { name: "whole fill before ack", steps: [{ fill: 10 }, { ack: resting }], state: "filled", exposure: 0 },
  {
    name: "filled by update, fills outstanding",
    steps: [{ ack: resting }, { update: "filled", rem: 0 }],
    state: "filled",
    exposure: 10,
  },
  {
    name: "filled by update, then the fills",
    steps: [{ ack: resting }, { update: "filled", rem: 0 }, { fill: 4 }, { fill: 6 }],
    state: "filled",
    exposure: 0,
  },
  {
    name: "open with a smaller remainder does not shrink exposure before the fill is in the position",
    steps: [{ ack: resting }, { update: "open", rem: 3 }],
    state: "resting",
    exposure: 10,
  },
  {
    name: "cancel acked: exposure stays until the stream tells the remainder",
    steps: [{ ack: resting }, { cancelAck: { kind: "cancelled" } }],
    state: "cancelled",
    exposure: 10,
  },
  {
    name: "cancel acked and told unfilled",
    steps: [{ ack: resting }, { cancelAck: { kind: "cancelled" } }, { update: "canceled", rem: 10 }],
    state: "cancelled",
    exposure: 0,
  },
  {
    name: "cancel raced by a partial fill that is still on its way",
    steps: [{ ack: resting }, { update: "canceled", rem: 6 }, { cancelAck: { kind: "cancelled" } }],
    state: "cancelled",
    exposure: 4,
  },
  {
    name: "cancel lost to a whole fill",
    steps: [{ ack: resting }, { fill: 10 }, { cancelAck: missing }],
    state: "filled",
    exposure: 0,
  },
  {
    name: "cancel refused as missing leaves a doubt",
    steps: [{ ack: resting }, { cancelAck: missing }],
    state: "unknown",
    exposure: 10,
  },
  {
    name: "…which the stream settles",
    steps: [{ ack: resting }, { cancelAck: missing }, { update: "filled", rem: 0 }],
    state: "filled",
    exposure: 10,
  },
  {
    name: "refused",
    steps: [{ ack: { kind: "error", code: "BadAloPx", text: "" } }],
    state: "rejected",
    exposure: 0,
  },
  {
    name: "refused by stream, then by ack",
    steps: [{ update: "badAloPxRejected", rem: 10 }, { ack: { kind: "error", code: "BadAloPx", text: "" } }],
    state: "rejected",
    exposure: 0,
  },
  {
    name: "time-out, then a late ack",
    steps: [{ doubt: true }, { ack: resting }],
    state: "resting",
    exposure: 10,
  },
  {
    name: "time-out, the venue does not know it yet",
    steps: [{ doubt: true }, { status: undefined }],
    state: "unknown",
    exposure: 10,
  },
  {
    name: "time-out, unknown to the venue after the grace time",
    steps: [{ doubt: true }, { status: undefined, at: GRACE_NS + 1 }],
    state: "rejected",
    exposure: 0,
  },
  {
    name: "given up, then seen open: it counts again",
    steps: [{ doubt: true }, { status: undefined, at: GRACE_NS + 1 }, { update: "open", rem: 10 }],
    state: "resting",
    exposure: 10,
  },
  {
    name: "late open after the end is ignored",
    steps: [{ ack: resting }, { update: "canceled", rem: 10 }, { update: "open", rem: 10 }],
    state: "cancelled",
    exposure: 0,
  },
  {
    name: "repeated end is ignored",
    steps: [{ fill: 10 }, { update: "filled", rem: 0 }, { update: "filled", rem: 0 }],
    state: "filled",
    exposure: 0,
  },
  {
    name: "Gtc filled in part on arrival rests",
    steps: [{ ack: { kind: "filled", oid: OID, totalSzLots: 4, avgPx: 1 } }],
    state: "resting",
    exposure: 10,
    tif: "Gtc",
  },
  {
    name: "Ioc filled in part on arrival is done, its fills outstanding",
    steps: [{ ack: { kind: "filled", oid: OID, totalSzLots: 4, avgPx: 1 } }],
    state: "filled",
    exposure: 4,
    tif: "Ioc",
  },
  {
    name: "fill that names only the venue id, before the ack that explains it",
    steps: [{ fill: 3, byOid: true }, { ack: resting }],
    state: "resting",
    exposure: 7,
  },
  {
    name: "cancelled by the venue itself",
    steps: [{ ack: resting }, { update: "marginCanceled", rem: 10 }],
    state: "cancelled",
    exposure: 0,
  },
];

describe("order life", () => {
  test.each(ROWS)("$name", ({ steps, state, exposure, tif }) => {
    const { own } = play(steps, order({ sz: 10, ...(tif ? { tif } : {}) }));
    expect({ state: own.state, exposure: own.exposureLots }).toEqual({ state, exposure });
  });

  test("an order that came back is wanted gone: it is part of no plan", () => {
    const { own } = play([
      { doubt: true },
      { status: undefined, at: GRACE_NS + 1 },
      { update: "open", rem: 10 },
    ]);
    expect(own.wantCancel).toBe(true);
    expect(own.role).toBe(Role.Leaving);
  });

  test("forgets an order when both channels agree, and not before its fills are in", () => {
    const { book } = play([{ ack: resting }, { update: "filled", rem: 0 }, { fill: 4 }]);
    book.sweep(10, () => {});
    expect(book.size).toBe(1);
    book.onFill(fill({ oid: OID, szLots: 6 }), 11);
    book.sweep(12, () => {});
    expect(book.size).toBe(0);
    expect(book.forgottenMonoNs(order().cloid)).toBe(12);
  });

  test("asks for a closed order whose channels disagree beyond the settle time", () => {
    const { own, book } = play([{ ack: resting }, { cancelAck: { kind: "cancelled" } }]);
    const asked: OwnOrder[] = [];
    book.sweep(SETTLE_NS, (o) => asked.push(o));
    expect(asked).toEqual([]);
    book.sweep(SETTLE_NS + 10, (o) => asked.push(o));
    expect(asked).toEqual([own]);
  });

  test("asks for an unknown order at once, and again only after a pause", () => {
    const { own, book } = play([{ doubt: true }]);
    const asked: OwnOrder[] = [];
    book.sweep(10, (o) => asked.push(o));
    expect(asked).toEqual([own]);
    book.onStatus(own, undefined, 20);
    book.sweep(30, (o) => asked.push(o));
    expect(asked).toHaveLength(1);
    book.sweep(1e9, (o) => asked.push(o));
    expect(asked).toHaveLength(2);
  });

  test("refuses a client id twice", () => {
    const { book } = play([]);
    expect(() => book.open(order(), 0)).toThrow(/already in use/);
  });
});

describe("modify", () => {
  const start = (): { book: OrderBook; old: OwnOrder; fresh: OwnOrder } => {
    const book = new OrderBook(1, { settleNs: SETTLE_NS, unknownGraceNs: GRACE_NS });
    const old = book.open(order({ id: 1, sz: 10 }), 0);
    book.onPlaceAck(old, resting, 0);
    const fresh = book.open(order({ id: 2, sz: 8 }), 1, old);
    old.leaving = "replace";
    return { book, old, fresh };
  };

  test("both legs count while it is in flight", () => {
    const { old, fresh } = start();
    expect(old.exposureLots + fresh.exposureLots).toBe(18);
    expect([old.role, fresh.role]).toEqual([Role.Leaving, Role.Pending]);
  });

  test("done: the new leg rests under its own id, the old counts until its remainder is told", () => {
    const { book, old, fresh } = start();
    book.onModifyAck(old, fresh, { kind: "resting", oid: 78 }, 2);
    expect([old.state, fresh.state, old.exposureLots]).toEqual(["cancelled", "resting", 10]);
    book.onUpdate(update(order({ id: 1, sz: 10 }), OID, "canceled", 7), 3);
    expect(old.exposureLots).toBe(3);
    book.onFill(fill({ oid: OID, szLots: 3 }), 4);
    expect(old.exposureLots).toBe(0);
  });

  test("refused with the old order gone: nothing rests", () => {
    const { book, old, fresh } = start();
    book.onModifyAck(old, fresh, { kind: "error", code: "BadAloPx", text: "", oldGone: true }, 2);
    expect([old.state, fresh.state]).toEqual(["cancelled", "rejected"]);
  });

  test("refused with the old order untouched: it rests on and may be changed again", () => {
    const { book, old, fresh } = start();
    book.onModifyAck(old, fresh, { kind: "error", code: "RateLimited", text: "", oldGone: false }, 2);
    expect([old.state, old.role, fresh.state]).toEqual(["resting", Role.Free, "rejected"]);
  });

  test("refused because the old order is gone: it is asked for, not believed", () => {
    const { book, old, fresh } = start();
    book.onModifyAck(old, fresh, { kind: "error", code: "MissingOrder", text: "" }, 2);
    expect([old.state, fresh.state, old.exposureLots]).toEqual(["unknown", "rejected", 10]);
  });

  test("unanswered: an event that shows the old order open is no answer, for it may be older than the change", () => {
    const { book, old, fresh } = start();
    book.onModifyAck(old, fresh, { kind: "unknown", text: "502" }, 2);
    const shown = update(order({ id: 1, sz: 10 }), OID, "open", 4);
    book.onUpdate(shown, 3);
    expect([old.state, old.role]).toEqual(["unknown", Role.Leaving]);
    book.onStatus(old, shown, 4);
    expect([old.state, old.role]).toEqual(["resting", Role.Free]);
  });

  test("unanswered: both legs are unknown and both count", () => {
    const { book, old, fresh } = start();
    book.onModifyAck(old, fresh, { kind: "unknown", text: "" }, 2);
    expect([old.state, fresh.state, old.exposureLots + fresh.exposureLots]).toEqual([
      "unknown",
      "unknown",
      18,
    ]);
    // The venue shows the old one open: the modify did not happen.
    book.onStatus(old, update(order({ id: 1, sz: 10 }), OID, "open", 10), 3);
    expect([old.state, old.role]).toEqual(["resting", Role.Free]);
  });
});
