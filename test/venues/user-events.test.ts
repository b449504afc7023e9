import { afterEach, describe, expect, test } from "vitest";
import { HyperliquidGateway } from "../../src/venues/hyperliquid/orders.js";
import { L1Signer } from "../../src/venues/hyperliquid/sign.js";
import { type AccountEvent, parseUserEvents } from "../../src/venues/hyperliquid/user-events.js";
import { clock, FakeVenue, fastTimers, Recorder, rng } from "./fake-venue.js";
import { INSTRUMENTS } from "./feed-fixture.js";

const liquidation = (user: string): object => ({
  liquidation: {
    lid: 123,
    liquidator: `0x${"22".repeat(20)}`,
    liquidated_user: user,
    liquidated_ntl_pos: "1000.5",
    liquidated_account_value: "50.0",
  },
});

describe("the user channel", () => {
  test("tells orders cancelled by the venue and liquidations; fills and funding are told elsewhere", () => {
    expect(
      parseUserEvents({
        nonUserCancel: [
          { coin: "ETH", oid: 5 },
          { coin: "hyna:BTC", oid: 6 },
        ],
      }),
    ).toEqual([
      { kind: "non-user-cancel", coin: "ETH", oid: 5 },
      { kind: "non-user-cancel", coin: "hyna:BTC", oid: 6 },
    ]);
    expect(parseUserEvents(liquidation("0xAB"))).toEqual([
      { kind: "liquidation", liquidatedUser: "0xab", notionalUsd: 1000.5, accountValueUsd: 50 },
    ]);
    for (const other of [{ fills: [] }, { funding: {} }, { twapHistory: [] }, {}]) {
      expect(parseUserEvents(other)).toEqual([]);
    }
  });

  test.each([
    [null, "user: no object"],
    [{ nonUserCancel: [{ coin: 5, oid: 6 }] }, "user: nonUserCancel.0.coin"],
    [{ liquidation: { liquidated_user: "0x" } }, "user: liquidation.liquidated_ntl_pos"],
  ])("refuses %j with the path", (data, words) => {
    expect(() => parseUserEvents(data)).toThrow(words);
  });
});

describe("on the private stream", () => {
  const stops: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop();
  });

  test("the account's own liquidation is told, another user's is not, and a broken frame is counted", async () => {
    const venue = await FakeVenue.start();
    stops.push(() => venue.stop());
    const told: AccountEvent[] = [];
    const quiet = (): void => {};
    const gateway = new HyperliquidGateway({
      endpoints: venue.endpoints,
      signer: new L1Signer(
        Uint8Array.from({ length: 32 }, () => 1),
        "b",
      ),
      instruments: INSTRUMENTS,
      clock,
      timers: fastTimers(1),
      rng: rng(),
      log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
      onAccountEvent: (event) => told.push(event),
    });
    stops.unshift(() => gateway.close());
    const events = new Recorder();
    await gateway.connect(events);
    const send = (data: unknown): void => venue.send({ channel: "user", data });
    send({ nonUserCancel: [{ coin: "BTC", oid: 7 }] });
    send(liquidation(`0x${"33".repeat(20)}`));
    send({ liquidation: {} });
    send(liquidation(gateway.user.toUpperCase().replace("0X", "0x")));
    venue.send({ channel: "notification", data: { notification: "done" } });
    await events.until(() => events.notices.length === 1);
    expect(told.map((e) => e.kind)).toEqual(["non-user-cancel", "liquidation"]);
    expect(gateway.counters.malformedFrames).toBe(1);
  });
});
