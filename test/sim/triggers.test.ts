import { describe, expect, it } from "vitest";
import { frontendOrderWire } from "../../src/sim/account.js";
import type { OrderWire } from "../../src/sim/actions.js";
import { Desk, limit, trigger } from "./desk.js";

const [MM, USER] = [0, 1];

/** Deep liquidity 10 USD around 100,000, and the user long 1 BTC. */
function longDesk(): Desk {
  const desk = new Desk();
  desk.order(MM, [limit(false, 100_010, 50, "Gtc"), limit(true, 99_990, 50, "Gtc")]);
  desk.order(USER, [limit(true, 100_010, 1, "Ioc")]);
  expect(desk.position(USER)).toBe(1);
  return desk;
}

/** Bids that follow the mark down, so that stops find buyers. */
const bids = (desk: Desk, px: number): void => void desk.order(MM, [limit(true, px, 5, "Gtc")]);

describe("a stop", () => {
  it("waits off the book, fires when the mark reaches it, and closes the position as an immediate order with the same oid", () => {
    const desk = longDesk();
    expect(desk.order(USER, [trigger(false, "sl", 99_000, 1, { cloid: 1 })])).toEqual(["waitingForTrigger"]);
    const oid = desk.oid(USER, 1);
    expect(desk.open(USER)).toEqual([String(oid)]);
    expect(desk.market.book.bestAskTicks).toBe(1_000_100);
    desk.mark(99_000.1);
    expect(desk.status(USER, 1)).toBe("open");
    desk.mark(99_000);
    expect(desk.lifeOf(oid)).toEqual(["open", "triggered", "filled"]);
    expect(desk.position(USER)).toBe(0);
    desk.mark(98_000);
    expect(desk.lifeOf(oid)).toHaveLength(3);
  });

  it.each<[string, boolean, "tp" | "sl", number, boolean]>([
    ["sell stop above the mark", false, "sl", 100_500, true],
    ["sell stop below", false, "sl", 99_500, false],
    ["sell take-profit below", false, "tp", 99_500, true],
    ["sell take-profit above", false, "tp", 100_500, false],
    ["buy stop below", true, "sl", 99_500, true],
    ["buy stop above", true, "sl", 100_500, false],
    ["buy take-profit above", true, "tp", 100_500, true],
    ["buy take-profit below", true, "tp", 99_500, false],
    ["at the mark itself", false, "sl", 100_000, true],
  ])("is refused when its condition already holds: %s", (_what, isBuy, tpsl, px, isBad) => {
    const desk = new Desk();
    const [status] = desk.order(USER, [trigger(isBuy, tpsl, px, 1, { r: false, cloid: 1 })]);
    if (isBad) {
      expect(status).toEqual({ error: "Invalid TP/SL price. asset=0" });
      expect(desk.status(USER, 1)).toBe("badTriggerPxRejected");
    } else expect(status).toBe("waitingForTrigger");
  });

  it("goes at most 10 % beyond its price, and without anyone there is refused as a market order", () => {
    const desk = new Desk();
    desk.order(MM, [limit(true, 89_000, 5, "Gtc"), limit(false, 101_000, 1, "Gtc")]);
    desk.order(USER, [limit(true, 101_000, 1, "Ioc")]);
    desk.order(USER, [trigger(false, "sl", 99_000, 1, { cloid: 1 })]);
    const order = desk.accounts[USER]!.byCloid.get(`0x${"0".repeat(31)}1`)!;
    expect(order.pxTicks).toBe(891_000);
    desk.mark(98_000);
    expect(desk.lifeOf(order.oid)).toEqual(["open", "triggered", "marketOrderNoLiquidityRejected"]);
    expect(desk.position(USER)).toBe(1);
  });

  it("with a limit enters the book as a Gtc at that limit", () => {
    const desk = longDesk();
    desk.order(USER, [trigger(false, "tp", 101_000, 1, { isMarket: false, px: 101_500, cloid: 1 })]);
    desk.mark(101_000);
    expect(desk.lifeOf(desk.oid(USER, 1))).toEqual(["open", "triggered", "open"]);
    desk.order(MM, [limit(true, 101_500, 55, "Gtc")]);
    expect(desk.status(USER, 1)).toBe("filled");
    expect(desk.position(USER)).toBe(0);
  });

  it("shows itself in the venue's fields before and after", () => {
    const desk = longDesk();
    desk.order(USER, [trigger(false, "tp", 101_000, 1, { isMarket: false, px: 101_500, cloid: 1 })]);
    const order = [...desk.accounts[USER]!.openOrders.values()][0]!;
    expect(frontendOrderWire(order)).toMatchObject({
      triggerCondition: "Price above 101000.0",
      isTrigger: true,
      triggerPx: "101000.0",
      limitPx: "101500.0",
      orderType: "Take Profit Limit",
      tif: null,
      reduceOnly: true,
      isPositionTpsl: false,
    });
    desk.mark(101_000);
    expect(frontendOrderWire(order)).toMatchObject({
      triggerCondition: "Triggered",
      isTrigger: false,
      tif: "Gtc",
    });
  });

  it("goes with the position that it would have closed", () => {
    const desk = longDesk();
    desk.order(USER, [trigger(false, "sl", 99_000, 1, { cloid: 1 })]);
    desk.order(USER, [limit(false, 99_990, 0.5, "Ioc")]);
    expect(desk.status(USER, 1)).toBe("open");
    desk.order(USER, [limit(false, 99_990, 0.5, "Ioc")]);
    expect(desk.status(USER, 1)).toBe("reduceOnlyCanceled");
  });

  it("may be placed before its position, and stays while the entry rests", () => {
    const desk = new Desk();
    desk.order(USER, [trigger(false, "sl", 99_000, 1, { cloid: 1 })]);
    desk.order(USER, [limit(true, 99_500, 1, "Alo", 2)]);
    expect(desk.status(USER, 1)).toBe("open");
    desk.order(MM, [limit(false, 99_500, 1, "Ioc")]);
    expect(desk.status(USER, 1)).toBe("open");
    bids(desk, 98_990);
    desk.mark(99_000);
    expect(desk.position(USER)).toBe(0);
  });

  it("fires in order of oid on one mark, whatever the prices", () => {
    const desk = longDesk();
    desk.order(USER, [
      trigger(false, "sl", 98_000, 0.2, { cloid: 1 }),
      trigger(false, "sl", 99_500, 0.2, { cloid: 2 }),
      trigger(false, "sl", 99_000, 0.2, { cloid: 3 }),
    ]);
    desk.updates.length = 0;
    desk.mark(97_000);
    const oids = [1, 2, 3].map((c) => desk.oid(USER, c));
    expect(desk.updates.filter((u) => u.endsWith(" triggered"))).toEqual(
      oids.map((oid) => `${oid} triggered`),
    );
  });

  it("is not taken by a fast cancel, and is by an ordinary one", () => {
    const desk = longDesk();
    desk.order(USER, [trigger(false, "sl", 99_000, 1, { cloid: 1 })]);
    const cancels = [{ a: 0, o: desk.oid(USER, 1) }];
    expect(desk.statuses(USER, { type: "cancel", cancels, f: true })[0].error).toContain("Fast cancel");
    expect(desk.statuses(USER, { type: "cancel", cancels })).toEqual(["success"]);
    desk.mark(98_000);
    expect(desk.lifeOf(desk.oid(USER, 1))).toEqual(["open", "canceled"]);
  });

  it("is refused with a thousand orders open, where a plain one passes with volume", () => {
    const desk = new Desk();
    const account = desk.accounts[USER]!;
    for (let i = 0; i < 1000; i++) desk.order(USER, [limit(true, 90_000 - i, 0.001, "Alo")]);
    expect(desk.order(USER, [limit(true, 80_000, 0.001, "Alo")])[0].error).toContain("Too many open orders.");
    account.cumVolumeUsd = 5e6;
    expect(desk.order(USER, [trigger(false, "sl", 99_000, 1)])[0].error).toContain("Too many open orders.");
    expect(desk.order(USER, [limit(true, 80_000, 0.001, "Alo")])[0]).toHaveProperty("resting");
    expect(desk.order(USER, [limit(true, 80_000, 0.001, "Alo")])[0].error).toContain("Too many open orders.");
  });
});

const bracket = (tif: "Gtc" | "Ioc", px = 100_010): OrderWire[] => [
  limit(true, px, 1, tif, 1),
  trigger(false, "tp", 101_000, 1, { cloid: 2 }),
  trigger(false, "sl", 99_000, 1, { cloid: 3 }),
];

describe("normalTpsl", () => {
  const fresh = (): Desk => {
    const desk = new Desk();
    desk.order(MM, [limit(false, 100_010, 50, "Gtc"), limit(true, 98_990, 50, "Gtc")]);
    return desk;
  };

  it("arms its exits at once when the parent fills on arrival; one executing cancels the other", () => {
    const desk = fresh();
    const [parent, ...exits] = desk.order(USER, bracket("Gtc"), "normalTpsl");
    expect(parent).toHaveProperty("filled");
    expect(exits).toEqual(["waitingForTrigger", "waitingForTrigger"]);
    desk.mark(98_995);
    expect([desk.status(USER, 2), desk.status(USER, 3)]).toEqual(["siblingFilledCanceled", "filled"]);
    expect(desk.position(USER)).toBe(0);
  });

  it("lets exits wait until a resting parent is filled completely, and lists them as its children", () => {
    const desk = fresh();
    const [parent, ...exits] = desk.order(USER, bracket("Gtc", 99_500), "normalTpsl");
    expect(parent).toHaveProperty("resting");
    expect(exits).toEqual(["waitingForFill", "waitingForFill"]);
    const shown = frontendOrderWire(desk.accounts[USER]!.orders.get(desk.oid(USER, 1))!);
    expect((shown["children"] as { oid: number }[]).map((c) => c.oid)).toEqual([
      desk.oid(USER, 2),
      desk.oid(USER, 3),
    ]);
    expect(desk.open(USER)).toHaveLength(3);
    desk.order(MM, [limit(false, 99_500, 0.4, "Ioc")]);
    desk.mark(98_995); // the stop's condition, but the parent is not filled yet
    expect(desk.status(USER, 3)).toBe("open");
    desk.order(MM, [limit(false, 99_500, 0.6, "Ioc")]);
    desk.executor.advance(desk.ms, desk.ms);
    expect([desk.status(USER, 2), desk.status(USER, 3)]).toEqual(["siblingFilledCanceled", "filled"]);
  });

  it("kills waiting exits with a parent that the user cancels, though it is partly filled", () => {
    const desk = fresh();
    desk.order(USER, bracket("Gtc", 99_500), "normalTpsl");
    desk.order(MM, [limit(false, 99_500, 0.4, "Ioc")]);
    desk.statuses(USER, { type: "cancel", cancels: [{ a: 0, o: desk.oid(USER, 1) }] });
    expect([1, 2, 3].map((c) => desk.status(USER, c))).toEqual(["canceled", "canceled", "canceled"]);
    expect(desk.open(USER)).toEqual([]);
  });

  it("places no exits for a refused parent", () => {
    const desk = new Desk();
    const statuses = desk.order(USER, bracket("Ioc"), "normalTpsl");
    expect(statuses.map((s) => s.error)).toEqual(Array(3).fill(statuses[0].error));
    expect(statuses[0].error).toContain("could not immediately match");
    expect(desk.open(USER)).toEqual([]);
  });

  it("refuses exits on the wrong side of where the parent will fill", () => {
    const desk = fresh();
    const statuses = desk.order(
      USER,
      [limit(true, 99_500, 1, "Gtc"), trigger(false, "tp", 99_400, 1), trigger(false, "sl", 99_600, 1)],
      "normalTpsl",
    );
    expect(statuses.slice(1).map((s) => s.error)).toEqual(Array(2).fill("Invalid TP/SL price. asset=0"));
  });

  it.each<[string, OrderWire[], "normalTpsl" | "positionTpsl"]>([
    ["no exits", [limit(true, 99_000, 1)], "normalTpsl"],
    ["three exits", [...bracket("Gtc"), trigger(false, "sl", 98_000, 1)], "normalTpsl"],
    ["exits only", bracket("Gtc").slice(1), "normalTpsl"],
    ["a limit order among exits", [...bracket("Gtc").slice(0, 2), limit(true, 1, 1)], "normalTpsl"],
    ["a parent with position exits", bracket("Gtc"), "positionTpsl"],
  ])("refuses the whole action: %s", (_what, orders, grouping) => {
    const desk = fresh();
    expect(desk.order(USER, orders, grouping)).toEqual([{ error: "Unexpected number of trigger orders" }]);
    expect(desk.accounts[USER]!.orders.size).toBe(0);
  });

  it("refuses exits that do not reduce", () => {
    const desk = fresh();
    const [parent, tp] = bracket("Gtc");
    expect(desk.order(USER, [parent!, { ...tp!, r: false }], "normalTpsl")[0].error).toContain("reduce-only");
  });
});

describe("positionTpsl", () => {
  it("without a size closes whatever the position is when it fires", () => {
    const desk = longDesk();
    expect(
      desk.order(
        USER,
        [trigger(false, "tp", 101_000, 0, { cloid: 2 }), trigger(false, "sl", 99_000, 0, { cloid: 3 })],
        "positionTpsl",
      ),
    ).toEqual(["waitingForTrigger", "waitingForTrigger"]);
    desk.order(USER, [limit(true, 100_010, 2, "Ioc")]);
    expect(desk.position(USER)).toBe(3);
    desk.mark(99_000);
    expect(desk.position(USER)).toBe(0);
    expect([desk.status(USER, 2), desk.status(USER, 3)]).toEqual(["siblingFilledCanceled", "filled"]);
  });

  it("is refused without a position, and goes with it", () => {
    const desk = new Desk();
    expect(desk.order(USER, [trigger(false, "sl", 99_000, 0)], "positionTpsl")[0].error).toContain(
      "would increase position",
    );
    const held = longDesk();
    held.order(USER, [trigger(false, "sl", 99_000, 0, { cloid: 3 })], "positionTpsl");
    held.order(USER, [limit(false, 99_990, 2, "Ioc")]);
    expect(held.position(USER)).toBe(-1);
    expect(held.status(USER, 3)).toBe("reduceOnlyCanceled");
  });

  it("alone may have no size", () => {
    const desk = longDesk();
    expect(desk.order(USER, [trigger(false, "sl", 99_000, 0)])).toEqual([{ error: "Order has zero size." }]);
  });
});
