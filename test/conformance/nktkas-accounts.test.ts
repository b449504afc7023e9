import { Wallet } from "ethers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Sdk } from "./sdk.js";
import { user, Venue, wallet } from "./venue.js";

let venue: Venue;
let sdk: Sdk;
const px = (percent: number): string => venue.px(percent);
const limit: Venue["limit"] = (...args) => venue.limit(...args);

beforeAll(async () => {
  venue = await Venue.open();
  sdk = venue.sdk;
});

afterAll(async () => {
  await venue?.close();
});

describe("take profit, stop loss, TWAP", () => {
  const trigger = (percent: number, tpsl: "tp" | "sl", r = true) => ({
    a: 0,
    b: false,
    p: px(percent),
    s: "0.001",
    r,
    t: { trigger: { isMarket: true, triggerPx: px(percent), tpsl } },
  });

  test("an order with its own take profit and stop loss", async () => {
    const exchange = sdk.exchange(wallet);
    await exchange.order({
      orders: [limit(-5), trigger(10, "tp"), trigger(-10, "sl")],
      grouping: "normalTpsl",
    });
    const open = await sdk.info.frontendOpenOrders({ user });
    expect(open.length).toBeGreaterThanOrEqual(1);
    await exchange.cancel({ cancels: open.map((o) => ({ a: 0, o: o.oid })) }).catch(() => {});
    expect(await sdk.info.openOrders({ user })).toEqual([]);
  });

  test("take profit and stop loss of a position", async () => {
    const exchange = sdk.exchange(wallet);
    await exchange.order({ orders: [limit(1, "Ioc")], grouping: "na" });
    await exchange.order({ orders: [trigger(10, "tp"), trigger(-10, "sl")], grouping: "positionTpsl" });
    const open = await sdk.info.frontendOpenOrders({ user });
    expect(open.filter((o) => o.isTrigger && o.isPositionTpsl)).toHaveLength(2);
    await exchange.order({
      orders: [{ a: 0, b: false, p: px(-5), s: "0.001", r: true, t: { limit: { tif: "Ioc" } } }],
      grouping: "na",
    });
    const left = await sdk.info.openOrders({ user });
    if (left.length > 0) await exchange.cancel({ cancels: left.map((o) => ({ a: 0, o: o.oid })) });
  });

  test("a TWAP is started and stopped", async () => {
    const exchange = sdk.exchange(wallet);
    const { response } = await exchange.twapOrder({
      twap: { a: 0, b: true, s: "0.1", r: false, m: 5, t: false },
    });
    const { twapId } = (response.data.status as { running: { twapId: number } }).running;
    await exchange.twapCancel({ a: 0, t: twapId });
    await sdk.info.twapHistory({ user });
  });
});

describe("transfers, agents, sub-accounts", () => {
  test("an approved agent trades for its master", async () => {
    const agent = new Wallet(`0x${"55".repeat(32)}`);
    await sdk.exchange(wallet).approveAgent({ agentAddress: agent.address, agentName: "quoter" });
    const exchange = sdk.exchange(agent);
    const { response } = await exchange.order({ orders: [limit(-5, "Alo")], grouping: "na" });
    const { oid } = (response.data.statuses[0] as { resting: { oid: number } }).resting;
    expect((await sdk.info.openOrders({ user })).map((o) => o.oid)).toEqual([oid]);
    await exchange.cancel({ cancels: [{ a: 0, o: oid }] });
    expect((await sdk.info.extraAgents({ user })).map((a) => a.name)).toContain("quoter");
    expect(await sdk.info.userRole({ user: agent.address })).toMatchObject({ role: "agent" });
  });
});
